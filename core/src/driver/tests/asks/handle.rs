//! Asking and answering through handles.

use super::*;
use core::future::{Future, poll_fn};
use core::pin::pin;
use std::sync::Mutex;

/// A clock that stands still.
struct Still;

impl Clock for Still {
    fn now(&self) -> Instant {
        at(1)
    }
}

#[test]
fn a_slow_handler_holds_up_no_other() {
    let limits = Limits::default();
    let shared = Arc::new(Shared::new(desk(&limits), Still, &limits));
    let handle = Handle::new(Arc::clone(&shared));
    let (woken, waker) = task();
    let mut cx = Context::from_waker(&waker);
    let gate: Mutex<(bool, Option<Waker>)> = Mutex::default();
    let open = poll_fn(|cx| {
        let mut gate = gate.lock().expect("nobody panics");
        gate.1 = Some(cx.waker().clone());
        if gate.0 { Poll::Ready(()) } else { Poll::Pending }
    });
    let mut open = Some(open);
    let mut serving = pin!(handle.serve(|message| {
        // The first one waits for the gate.
        let slow = open.take();
        async move {
            if let Some(gate) = slow {
                gate.await;
            }
            Ok::<_, Refusal>(message.payload)
        }
    }));
    assert!(serving.as_mut().poll(&mut cx).is_pending());
    for token in [1, 2] {
        shared.with(|hub, now| {
            hub.turn(now, core::iter::once(request(token)), &mut Vec::new(), 0);
        });
    }
    assert!(woken.taken() > 0);
    assert!(serving.as_mut().poll(&mut cx).is_pending());
    let answered = || {
        let hub = shared.lock();
        let tokens = hub.stack().said.iter().filter_map(|command| {
            let Command::Answer { token, .. } = command else { return None };
            Some(token.0)
        });
        tokens.collect::<Vec<_>>()
    };
    assert_eq!(answered(), [2]);
    let waiting = {
        let mut gate = gate.lock().expect("nobody panics");
        gate.0 = true;
        gate.1.take()
    };
    waiting.expect("the slow one waits").wake();
    assert!(woken.taken() > 0);
    assert!(serving.as_mut().poll(&mut cx).is_pending());
    assert_eq!(answered(), [2, 1]);
    shared.with(|hub, now| hub.turn(now, core::iter::once(Event::Closed), &mut Vec::new(), 0));
    assert!(serving.as_mut().poll(&mut cx).is_ready());
}

#[test]
fn a_request_that_is_dropped_is_refused() {
    let limits = Limits::default();
    let shared = Arc::new(Shared::new(desk(&limits), Still, &limits));
    let handle = Handle::new(Arc::clone(&shared));
    let (_, waker) = task();
    shared.with(|hub, now| {
        hub.turn(now, core::iter::once(request(1)), &mut Vec::new(), 0);
    });
    let mut next = pin!(handle.next_ask());
    let Poll::Ready(Some(request)) = next.as_mut().poll(&mut Context::from_waker(&waker)) else {
        panic!("it is there")
    };
    assert!(request.is_wanted());
    assert_eq!(request.remaining(), Duration::from_nanos(999));
    drop(request);
    let result = Err(Refusal::unanswered());
    let refused = Command::Answer { token: Token(1), dst: PEER, result };
    assert_eq!(shared.lock().stack().said, [refused]);
}

#[test]
fn an_ask_that_is_polled_once_more_asks_nothing_more() {
    let limits = Limits::default();
    let shared = Arc::new(Shared::new(desk(&limits), Still, &limits));
    let handle = Handle::new(Arc::clone(&shared));
    let (_, waker) = task();
    let mut cx = Context::from_waker(&waker);
    let mut ask = pin!(handle.ask(&PEER, &b"once"[..]));
    assert!(ask.as_mut().poll(&mut cx).is_pending());
    shared.with(|hub, _| hub.end(false));
    assert_eq!(ask.as_mut().poll(&mut cx), Poll::Ready(Err(AskError::Closed)));
    assert_eq!(ask.as_mut().poll(&mut cx), Poll::Ready(Err(AskError::Cancelled)));

    let late = handle.ask(&PEER, &b"x"[..]).within(Duration::ZERO);
    let mut late = pin!(late);
    let timed_out = Poll::Ready(Err(AskError::TimedOut { arrived: false }));
    assert_eq!(late.as_mut().poll(&mut cx), timed_out);
    assert_eq!(late.as_mut().poll(&mut cx), Poll::Ready(Err(AskError::Cancelled)));
    let asked = shared
        .lock()
        .stack()
        .said
        .iter()
        .filter(|said| matches!(said, Command::Ask { .. }))
        .count();
    assert_eq!(asked, 1);
}

#[test]
fn handles_may_cross_threads() {
    fn assert_send<T: Send>(_: T) {}
    let limits = Limits::default();
    let shared = Arc::new(Shared::new(desk(&limits), Still, &limits));
    let handle = Handle::new(shared);
    assert_send(handle.ask(&PEER, &b"x"[..]));
    assert_send(handle.next_ask());
    assert_send(handle.clone());
}
