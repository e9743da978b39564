mod asks;

use super::*;
use crate::addr::{MemoryAddr, UdpAddr};
use crate::limits::Limits;
use crate::port::{Datagram, DatagramInput, DatagramPort};
use crate::swarm::{IdentifyError, TellError, Undeliverable};
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec;
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Poll, Waker};
use core::time::Duration;

const LONG: Duration = Duration::from_secs(10);

#[derive(Default)]
struct Count(AtomicUsize);

impl Count {
    fn taken(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn task() -> (Arc<Count>, Waker) {
    let count = Arc::new(Count::default());
    (Arc::clone(&count), Waker::from(count))
}

type Port = DatagramPort<MemoryAddr>;

const ME: MemoryAddr = MemoryAddr(1);
const PEER: MemoryAddr = MemoryAddr(2);

fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

/// A hub whose queue is full with the second message of 100 bytes.
fn hub() -> Hub<Port> {
    let limits = Limits { send: 400, ..Limits::default() };
    let mut port = Port::new(&limits);
    port.handle_input(Instant::ZERO, DatagramInput::Bound { local: vec![ME], mtu: 1_000 });
    Hub::new(port, &limits)
}

fn wake<S: Swarm>(hub: &mut Hub<S>) {
    let mut wakes = Wakes::default();
    hub.take_wakes(&mut wakes);
    wakes.wake();
}

fn message(number: u8) -> DatagramInput<MemoryAddr> {
    DatagramInput::Datagram { src: PEER, dst: ME, payload: BytesMut::from(&[number][..]) }
}

fn arrive(hub: &mut Hub<Port>, now: u64, count: u8) {
    hub.turn(at(now), (0..count).map(message), &mut Vec::new(), 0);
    wake(hub);
}

fn body(len: usize) -> Payload {
    Payload::new(Bytes::from(vec![7; len]))
}

#[test]
fn a_burst_of_commands_wakes_a_sleeping_driver_once() {
    let (woken, driver) = task();
    let mut hub = hub();
    hub.turn(at(1), core::iter::empty(), &mut Vec::new(), 9);
    assert_eq!(hub.park(at(1), &driver, false), Park::Sleep(None));
    for _ in 0..2 {
        hub.tell(at(2), &PEER, body(100)).expect("taken");
        wake(&mut hub);
    }
    assert_eq!(woken.taken(), 1);
}

#[test]
fn a_driver_that_is_awake_is_not_woken() {
    let (woken, driver) = task();
    let mut hub = hub();
    assert_eq!(hub.park(at(1), &driver, false), Park::Sleep(None));
    hub.turn(at(1), core::iter::empty(), &mut Vec::new(), 9);
    hub.tell(at(2), &PEER, body(1)).expect("taken");
    wake(&mut hub);
    assert_eq!(woken.taken(), 0);
}

#[test]
fn a_driver_whose_socket_is_blocked_is_woken_only_for_an_earlier_time() {
    let (woken, driver) = task();
    let mut hub = hub();
    assert_eq!(hub.park(at(1), &driver, true), Park::Sleep(None));
    hub.tell(at(2), &PEER, body(1)).expect("taken");
    wake(&mut hub);
    assert_eq!(woken.taken(), 0, "it could not send it");
    hub.turn(at(3), core::iter::empty(), &mut Vec::new(), 9);
    assert_eq!(hub.park(at(3), &driver, true), Park::Sleep(None));
    // Nothing waits, so that the driver may end.
    hub.close(at(4), LONG);
    wake(&mut hub);
    assert_eq!(woken.taken(), 1);
}

#[test]
fn a_driver_for_which_something_is_due_does_not_sleep() {
    let (_, driver) = task();
    let mut hub = hub();
    hub.tell(at(1), &PEER, body(100)).expect("taken");
    hub.tell(at(1), &PEER, body(100)).expect("taken");
    let mut batch = Vec::new();
    hub.turn(at(2), core::iter::empty(), &mut batch, 9);
    assert_eq!(batch.len(), 2);
    assert_eq!(hub.park(at(3), &driver, false), Park::Busy, "the queue is ready again");
}

#[test]
fn a_driver_that_was_wanted_since_its_turn_does_not_sleep() {
    let (woken, driver) = task();
    let wants: [fn(&mut Hub<Port>); 3] = [
        |hub| hub.tell(at(2), &PEER, body(1)).expect("taken"),
        |hub| hub.close(at(2), LONG),
        Hub::abandon,
    ];
    for want in wants {
        let mut hub = hub();
        hub.turn(at(1), core::iter::empty(), &mut Vec::new(), 9);
        // While the driver sends, outside of the lock.
        want(&mut hub);
        wake(&mut hub);
        assert_eq!(woken.taken(), 0, "it is awake");
        assert_eq!(hub.park(at(1), &driver, false), Park::Busy);
        hub.turn(at(3), core::iter::empty(), &mut Vec::new(), 9);
        assert!(matches!(hub.park(at(3), &driver, false), Park::Sleep(_)));
    }
}

#[test]
fn a_turn_collects_no_more_than_it_is_asked_to() {
    let mut hub = hub();
    hub.tell(at(1), &PEER, body(1)).expect("taken");
    hub.tell(at(1), &PEER, body(1)).expect("taken");
    let mut batch = Vec::new();
    hub.turn(at(2), core::iter::empty(), &mut batch, 1);
    assert_eq!(batch.len(), 1);
}

#[test]
fn a_tell_waits_while_it_is_full_and_is_woken_when_it_is_ready() {
    let (woken, waker) = task();
    let cx = Context::from_waker(&waker);
    let mut hub = hub();
    let (mut ticket, mut payload) = (None, body(100));
    hub.tell(at(1), &PEER, body(100)).expect("taken");
    hub.tell(at(1), &PEER, body(100)).expect("taken");
    assert!(hub.poll_tell(at(2), &PEER, &mut payload, &mut ticket, &cx).is_pending());
    assert_eq!(payload.len(), 100, "it is kept");
    hub.turn(at(3), core::iter::empty(), &mut Vec::new(), 9);
    hub.turn(at(4), core::iter::empty(), &mut Vec::new(), 9);
    wake(&mut hub);
    assert_eq!(woken.taken(), 1);
    let told = hub.poll_tell(at(5), &PEER, &mut payload, &mut ticket, &cx);
    assert_eq!(told, Poll::Ready(Ok(())));
    assert!(ticket.is_none());
}

#[test]
fn a_tell_that_can_never_be_taken_does_not_wait() {
    let cx = Context::from_waker(Waker::noop());
    let mut hub = hub();
    hub.tell(at(1), &PEER, body(100)).expect("taken");
    hub.tell(at(1), &PEER, body(100)).expect("taken");
    let mut ticket = None;
    let told = hub.poll_tell(at(2), &PEER, &mut body(1_001), &mut ticket, &cx);
    assert_eq!(told, Poll::Ready(Err(TellError::TooLarge { len: 1_001, limit: 1_000 })));
}

#[test]
fn as_many_receivers_are_woken_as_there_are_messages() {
    let tasks: Vec<_> = (0..4).map(|_| task()).collect();
    let mut hub = hub();
    let mut tickets: Vec<_> = (0..4).map(|_| None).collect();
    for ((_, waker), ticket) in tasks.iter().zip(&mut tickets) {
        assert!(hub.poll_receive(ticket, &Context::from_waker(waker)).is_pending());
    }
    arrive(&mut hub, 1, 2);
    let woken: Vec<_> = tasks.iter().map(|(woken, _)| woken.taken()).collect();
    assert_eq!(woken, [1, 1, 0, 0], "those that waited for longest");
}

#[test]
fn a_receiver_that_was_woken_and_gave_up_passes_its_wake_on() {
    let ((first, one), (second, other)) = (task(), task());
    let mut hub = hub();
    let (mut gives_up, mut stays) = (None, None);
    assert!(hub.poll_receive(&mut gives_up, &Context::from_waker(&one)).is_pending());
    assert!(hub.poll_receive(&mut stays, &Context::from_waker(&other)).is_pending());
    arrive(&mut hub, 1, 1);
    assert_eq!((first.taken(), second.taken()), (1, 0));
    hub.forget(at(1), gives_up.expect("it waited"));
    wake(&mut hub);
    assert_eq!(second.taken(), 1);
    assert!(hub.poll_receive(&mut stays, &Context::from_waker(&other)).is_ready());
}

#[test]
fn a_receiver_that_gave_up_before_its_wake_takes_nobodys() {
    let ((_, one), (second, other)) = (task(), task());
    let mut hub = hub();
    let (mut gives_up, mut stays) = (None, None);
    assert!(hub.poll_receive(&mut gives_up, &Context::from_waker(&one)).is_pending());
    assert!(hub.poll_receive(&mut stays, &Context::from_waker(&other)).is_pending());
    hub.forget(at(1), gives_up.expect("it waits"));
    arrive(&mut hub, 1, 1);
    assert_eq!(second.taken(), 1);
}

#[test]
fn the_end_is_told_to_everybody_who_waits() {
    let tasks: Vec<_> = (0..4).map(|_| task()).collect();
    let [a, b, c, d] = [0, 1, 2, 3].map(|index: usize| Context::from_waker(&tasks[index].1));
    let mut hub = hub();
    let listener = hub.listen();
    let (mut receive, mut tell, mut end) = (None, None, None);
    hub.tell(at(1), &PEER, body(100)).expect("taken");
    hub.tell(at(1), &PEER, body(100)).expect("taken");
    assert!(hub.poll_receive(&mut receive, &a).is_pending());
    assert!(hub.poll_tell(at(1), &PEER, &mut body(1), &mut tell, &b).is_pending());
    assert!(hub.poll_notice(listener, &c).is_pending());
    assert!(hub.poll_ended(&mut end, &d).is_pending());
    hub.end(false);
    wake(&mut hub);
    for (woken, _) in &tasks {
        assert_eq!(woken.taken(), 1);
    }
    assert!(matches!(hub.poll_receive(&mut receive, &a), Poll::Ready(None)));
    let told = hub.poll_tell(at(2), &PEER, &mut body(1), &mut tell, &b);
    assert_eq!(told, Poll::Ready(Err(TellError::Closed)));
    assert_eq!(hub.poll_notice(listener, &c), Poll::Ready(None));
    assert_eq!(
        hub.poll_ended(&mut end, &d),
        Poll::Ready(Err(CloseError::Aborted)),
        "what was accepted was lost"
    );
    let identified = hub.poll_identify(at(2), &PEER, &mut None, &a);
    let closed = IdentifyError::Undeliverable(Undeliverable::Closed);
    assert_eq!(identified, Poll::Ready(Err(closed)));
}

#[test]
fn a_close_is_finished_when_everything_was_collected_and_sent() {
    let cx = Context::from_waker(Waker::noop());
    let mut hub = hub();
    hub.tell(at(1), &PEER, body(1)).expect("taken");
    hub.close(at(2), LONG);
    assert_eq!(hub.tell(at(2), &PEER, body(1)), Err(TellError::Closed));
    let mut batch = Vec::new();
    assert_eq!(hub.turn(at(3), core::iter::empty(), &mut batch, 9), Stage::Closing);
    assert_eq!(batch.len(), 1);
    assert_eq!(hub.turn(at(4), core::iter::empty(), &mut Vec::new(), 9), Stage::Closed);
    assert!(hub.poll_ended(&mut None, &cx).is_pending(), "the socket is open still");
    hub.end(true);
    assert_eq!(hub.poll_ended(&mut None, &cx), Poll::Ready(Ok(())));
}

#[test]
fn a_listener_that_is_too_slow_is_told_how_much_it_missed_and_where() {
    let cx = Context::from_waker(Waker::noop());
    let mut hub = hub();
    let listener = hub.listen();
    let unreachable = || DatagramInput::Unreachable { dst: PEER };
    let undelivered = Notice::Undelivered { dst: PEER, reason: Undeliverable::Unreachable };
    let turn = |hub: &mut Hub<Port>, count: usize| {
        let inputs = core::iter::repeat_with(unreachable).take(count);
        hub.turn(at(1), inputs, &mut Vec::new(), 0);
    };
    turn(&mut hub, NOTICES + 9);
    for _ in 0..NOTICES - 1 {
        assert_eq!(hub.poll_notice(listener, &cx), Poll::Ready(Some(undelivered.clone())));
    }
    turn(&mut hub, 1);
    let missed = Notice::Missed { count: 10 };
    assert_eq!(hub.poll_notice(listener, &cx), Poll::Ready(Some(missed)));
    assert_eq!(hub.poll_notice(listener, &cx), Poll::Ready(Some(undelivered)));
    assert!(hub.poll_notice(listener, &cx).is_pending());
    assert_eq!(hub.stats().value("hub.notices_missed"), 10);
}

fn udp(port: u16) -> UdpAddr {
    UdpAddr(core::net::SocketAddr::from(([127, 0, 0, 1], port)))
}

/// The runs that these datagrams become: how many each, and of which size.
fn runs(datagrams: &[(u16, usize)], max: usize) -> Vec<(usize, usize)> {
    let mut burst = Burst::default();
    burst.refill().extend(datagrams.iter().map(|(port, len)| Datagram {
        src: None,
        dst: udp(*port),
        payload: body(*len),
    }));
    let mut runs = Vec::new();
    while let Some(run) = burst.run(max) {
        let sum: usize = datagrams
            .iter()
            .skip(runs.iter().map(|(count, _)| count).sum())
            .take(run.count)
            .map(|(_, len)| len)
            .sum();
        assert_eq!(run.contents.len(), sum);
        assert_eq!(run.segment.is_some(), run.count > 1);
        runs.push((run.count, run.segment.unwrap_or(run.contents.len())));
        burst.done();
    }
    assert!(burst.is_empty());
    runs
}

#[test]
fn neighbours_of_one_size_to_one_destination_are_one_run_that_ends_with_a_shorter_one() {
    assert_eq!(runs(&[(1, 9), (1, 9), (1, 4), (1, 4)], 64), [(3, 9), (1, 4)]);
    assert_eq!(runs(&[(1, 9), (2, 9), (2, 9), (1, 9)], 64), [(1, 9), (2, 9), (1, 9)]);
    assert_eq!(runs(&[(1, 4), (1, 9), (1, 9)], 64), [(1, 4), (2, 9)]);
}

#[test]
fn an_empty_datagram_goes_alone() {
    assert_eq!(runs(&[(1, 9), (1, 0), (1, 0), (1, 9)], 64), [(1, 9), (1, 0), (1, 0), (1, 9)]);
}

#[test]
fn a_run_keeps_to_what_the_socket_takes() {
    assert_eq!(runs(&[(1, 9); 5], 2), [(2, 9), (2, 9), (1, 9)]);
    assert_eq!(runs(&[(1, 9); 2], 0), [(1, 9), (1, 9)]);
    assert_eq!(runs(&[(1, 30_000); 3], 64), [(2, 30_000), (1, 30_000)]);
}

#[test]
fn a_run_that_the_socket_refuses_goes_one_by_one() {
    let mut burst = Burst::default();
    for number in 0..3 {
        let payload = Payload::from(vec![number; 5]);
        burst.refill().push(Datagram { src: None, dst: udp(1), payload });
    }
    assert_eq!(burst.run(64).expect("a run").count, 3);
    for number in 0..3 {
        let run = burst.run(1).expect("a run");
        assert_eq!((run.count, run.contents), (1, &[number; 5][..]));
        burst.done();
    }
    assert!(burst.run(1).is_none());
}

#[test]
fn headers_and_bodies_of_a_run_stand_behind_each_other() {
    for count in 1..3 {
        let mut burst = Burst::default();
        let mut payload = Payload::from("body");
        payload.prepend(b"head ");
        let datagram = Datagram { src: None, dst: udp(1), payload };
        burst.refill().extend(core::iter::repeat_n(datagram, count));
        assert_eq!(burst.run(64).expect("a run").contents, b"head body".repeat(count));
    }
}

#[test]
fn what_the_kernel_joined_is_cut_where_it_was_joined() {
    let cut = |bytes: &[u8], stride| -> Vec<Vec<u8>> {
        segments(BytesMut::from(bytes), stride).map(|segment| segment.to_vec()).collect()
    };
    assert_eq!(cut(&[1, 1, 2, 2, 3], 2), [vec![1, 1], vec![2, 2], vec![3]]);
    assert_eq!(cut(&[1, 1, 2, 2], 2), [vec![1, 1], vec![2, 2]]);
    assert_eq!(cut(&[1, 1], 9), [vec![1, 1]]);
    assert_eq!(cut(&[], 0), [Vec::<u8>::new()]);
    assert_eq!(cut(&[1, 2], 0), [vec![1, 2]], "no stride is no joining");
}

#[test]
fn pauses_double_up_to_a_second_and_end_with_success() {
    let mut backoff = Backoff::default();
    let mut now = Instant::ZERO;
    let mut last = Duration::ZERO;
    for _ in 0..20 {
        backoff.fail(now);
        let until = backoff.until(now).expect("a pause");
        let pause = until.since(now);
        assert!(last.is_zero() || pause == (last * 2).min(Duration::from_millis(1_024)));
        last = pause;
        assert_eq!(backoff.until(until), None, "it ends");
        now = until;
    }
    assert_eq!(last, Duration::from_millis(1_024));
    backoff.succeed();
    backoff.fail(now);
    assert_eq!(backoff.until(now), Some(now + Duration::from_millis(1)));
}
