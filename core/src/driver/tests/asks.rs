//! Requests of this node's and of others', between the stack and the tasks that wait.

use super::*;
use crate::stats::StatsSink;
use crate::swarm::{AskError, AskId, Link, Refusal, Scope, Token};
use crate::up::Up;

#[cfg(feature = "std")]
mod handle;

/// A swarm that does what the test says, and remembers what it was told.
struct Desk {
    up: Up<MemoryAddr>,
    said: Vec<Command<MemoryAddr>>,
}

impl Layer for Desk {
    type Input = Event<MemoryAddr>;
    type Transmit = ();
    type Command = Command<MemoryAddr>;
    type Event = Event<MemoryAddr>;

    fn handle_input(&mut self, _: Instant, input: Self::Input) {
        self.up.push(input);
    }

    fn handle_command(&mut self, _: Instant, command: Self::Command) {
        self.said.push(command);
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_transmit(&mut self) -> Option<()> {
        None
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        self.up.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn stats(&self, _: &mut dyn StatsSink) {}
}

impl Swarm for Desk {
    type Addr = MemoryAddr;

    fn link(&self) -> &Link<MemoryAddr> {
        self.up.link()
    }

    fn is_full(&self, dst: &MemoryAddr) -> bool {
        self.up.is_full(dst)
    }

    fn is_closed(&self) -> bool {
        self.up.is_closed()
    }
}

fn desk(limits: &Limits) -> Desk {
    let mut up = Up::new(limits);
    let local = vec![ME];
    up.push(Event::Link(Link { local, unit: 100, tell_max: 100, ask_max: 1_000 }));
    Desk { up, said: Vec::new() }
}

fn asking() -> Hub<Desk> {
    let limits = Limits { receive: 400, ..Limits::default() };
    Hub::new(desk(&limits), &limits)
}

fn happens(hub: &mut Hub<Desk>, now: u64, event: Event<MemoryAddr>) {
    hub.turn(at(now), core::iter::once(event), &mut Vec::new(), 0);
    wake(hub);
}

fn said(hub: &Hub<Desk>) -> &[Command<MemoryAddr>] {
    &hub.stack().said
}

fn request(token: u64) -> Event<MemoryAddr> {
    let payload = BytesMut::from(&[7; 100][..]);
    let message = Message { src: PEER, dst: ME, payload };
    Event::Asked { token: Token(token), message, deadline: at(1_000) }
}

type Waiting = Option<Ticket<MemoryAddr>>;

fn ask(
    hub: &mut Hub<Desk>,
    now: u64,
    ticket: &mut Waiting,
    waker: &Waker,
) -> Poll<Result<BytesMut, AskError>> {
    let cx = Context::from_waker(waker);
    hub.poll_ask(at(now), &PEER, &mut body(100), at(500), ticket, &cx)
}

fn id(hub: &Hub<Desk>) -> AskId {
    match said(hub).last() {
        Some(Command::Ask { id, .. }) => *id,
        other => panic!("no request was made: {other:?}"),
    }
}

#[test]
fn a_request_waits_for_its_answer_and_no_other() {
    let (woken, waker) = task();
    let (mut hub, mut ticket) = (asking(), None);
    assert_eq!(ask(&mut hub, 1, &mut ticket, &waker), Poll::Pending);
    let id = id(&hub);
    let other = AskId::new(id.seq + 1);
    happens(&mut hub, 2, Event::Answered { id: other, result: Ok(BytesMut::new()) });
    assert_eq!(woken.taken(), 0);
    happens(&mut hub, 3, Event::Answered { id, result: Ok(BytesMut::from(&b"yes"[..])) });
    assert_eq!(woken.taken(), 1);
    let answer = BytesMut::from(&b"yes"[..]);
    assert_eq!(ask(&mut hub, 4, &mut ticket, &waker), Poll::Ready(Ok(answer)));
    assert!(ticket.is_none(), "nothing is left to give up");
    assert_eq!(said(&hub).len(), 1, "what is answered is not cancelled");
}

#[test]
fn a_request_that_nobody_waits_for_is_cancelled() {
    let (_, waker) = task();
    let (mut hub, mut ticket) = (asking(), None);
    assert_eq!(ask(&mut hub, 1, &mut ticket, &waker), Poll::Pending);
    let id = id(&hub);
    hub.forget(at(2), ticket.expect("it is under way"));
    assert_eq!(said(&hub).last(), Some(&Command::Cancel { id, dst: PEER }));
    assert_eq!(hub.stats().gauges["hub.asks_under_way"], 0);
}

#[test]
fn a_request_waits_for_room_and_no_longer_than_its_deadline() {
    let (woken, waker) = task();
    let (_, driver) = task();
    let (mut hub, mut ticket) = (asking(), None);
    happens(&mut hub, 1, Event::Full { scope: Scope::To(PEER) });
    assert_eq!(ask(&mut hub, 2, &mut ticket, &waker), Poll::Pending);
    assert_eq!(said(&hub), [], "there is no room");
    happens(&mut hub, 3, Event::Ready { scope: Scope::To(PEER) });
    assert_eq!(woken.taken(), 1);
    assert_eq!(ask(&mut hub, 4, &mut ticket, &waker), Poll::Pending);
    assert_eq!(said(&hub).len(), 1);

    let mut late = None;
    happens(&mut hub, 5, Event::Full { scope: Scope::All });
    assert_eq!(ask(&mut hub, 6, &mut late, &waker), Poll::Pending);
    hub.turn(at(7), core::iter::empty(), &mut Vec::new(), 9);
    assert_eq!(hub.park(at(7), &driver, false), Park::Sleep(Some(at(500))));
    hub.turn(at(500), core::iter::empty(), &mut Vec::new(), 9);
    wake(&mut hub);
    assert_eq!(woken.taken(), 1);
    let timed_out = AskError::TimedOut { arrived: false };
    assert_eq!(ask(&mut hub, 500, &mut late, &waker), Poll::Ready(Err(timed_out)));
    assert!(late.is_none(), "it waits no more");
    assert_eq!(hub.stats().gauges["hub.tellers"], 0);
}

#[test]
fn what_a_swarm_cannot_ask_is_said_at_once() {
    let (_, waker) = task();
    let mut hub = hub();
    let cx = Context::from_waker(&waker);
    let poll = hub.poll_ask(at(1), &PEER, &mut body(1), at(9), &mut None, &cx);
    assert_eq!(poll, Poll::Ready(Err(AskError::Unsupported)));
}

#[test]
fn a_request_goes_to_one_server_and_is_answered_once() {
    let (woken, waker) = task();
    let cx = Context::from_waker(&waker);
    let (mut hub, mut first, mut second) = (asking(), None, None);
    assert!(hub.poll_asked(&mut first, &cx).is_pending());
    assert!(hub.poll_asked(&mut second, &cx).is_pending());
    happens(&mut hub, 1, request(5));
    assert_eq!(woken.taken(), 1, "one of them");
    let Poll::Ready(Some(asked)) = hub.poll_asked(&mut first, &cx) else { panic!("it is there") };
    assert!(hub.poll_asked(&mut second, &cx).is_pending());
    let src = asked.message.src;
    assert!(hub.is_wanted(asked.token, &src));
    for _ in 0..2 {
        hub.answer(at(2), asked.token, &src, Ok(body(3)));
    }
    let answer = Command::Answer { token: Token(5), dst: PEER, result: Ok(body(3)) };
    assert_eq!(said(&hub), [answer]);
}

#[test]
fn tokens_are_told_apart_by_who_asks() {
    let (_, waker) = task();
    let cx = Context::from_waker(&waker);
    let mut hub = asking();
    let other = MemoryAddr(3);
    let message = Message { src: other, dst: ME, payload: BytesMut::new() };
    happens(&mut hub, 1, request(5));
    happens(&mut hub, 1, Event::Asked { token: Token(5), message, deadline: at(9) });
    for _ in 0..2 {
        assert!(hub.poll_asked(&mut None, &cx).is_ready());
    }
    hub.answer(at(2), Token(5), &other, Ok(body(1)));
    assert!(hub.is_wanted(Token(5), &PEER));
    assert!(!hub.is_wanted(Token(5), &other));
}

#[test]
fn a_withdrawn_request_is_neither_taken_nor_answered() {
    let (_, waker) = task();
    let cx = Context::from_waker(&waker);
    let mut hub = asking();
    happens(&mut hub, 1, request(1));
    happens(&mut hub, 2, Event::Withdrawn { token: Token(1), src: PEER });
    assert!(hub.poll_asked(&mut None, &cx).is_pending());
    happens(&mut hub, 3, request(2));
    assert!(hub.poll_asked(&mut None, &cx).is_ready());
    happens(&mut hub, 4, Event::Withdrawn { token: Token(2), src: PEER });
    assert!(!hub.is_wanted(Token(2), &PEER));
    hub.answer(at(5), Token(2), &PEER, Ok(body(1)));
    assert_eq!(said(&hub), []);
}

#[test]
fn requests_that_nobody_takes_are_refused_beyond_the_bound() {
    let mut hub = asking();
    for token in 0..3 {
        happens(&mut hub, 1, request(token));
    }
    let result = Err(Refusal::unanswered());
    assert_eq!(
        said(&hub),
        [
            Command::Answer { token: Token(1), dst: PEER, result: result.clone() },
            Command::Answer { token: Token(2), dst: PEER, result }
        ]
    );
    assert_eq!(hub.stats().counters["hub.asks_refused"], 2);
}

#[test]
fn a_server_that_gives_up_passes_its_wake_on() {
    let (_, first) = task();
    let (woken, second) = task();
    let (mut hub, mut gives_up, mut stays) = (asking(), None, None);
    assert!(hub.poll_asked(&mut gives_up, &Context::from_waker(&first)).is_pending());
    assert!(hub.poll_asked(&mut stays, &Context::from_waker(&second)).is_pending());
    happens(&mut hub, 1, request(1));
    assert_eq!(woken.taken(), 0);
    hub.forget(at(2), gives_up.expect("it waited"));
    wake(&mut hub);
    assert_eq!(woken.taken(), 1);
}

#[test]
fn the_end_answers_whoever_waits() {
    let (woken, waker) = task();
    let (mut hub, mut ticket) = (asking(), None);
    assert_eq!(ask(&mut hub, 1, &mut ticket, &waker), Poll::Pending);
    hub.end(false);
    wake(&mut hub);
    assert_eq!(woken.taken(), 1);
    assert_eq!(ask(&mut hub, 2, &mut ticket, &waker), Poll::Ready(Err(AskError::Closed)));
}

#[test]
fn a_close_gives_up_at_its_deadline() {
    let (_, waker) = task();
    let cx = Context::from_waker(&waker);
    let mut hub = asking();
    hub.turn(at(1), core::iter::empty(), &mut Vec::new(), 9);
    hub.close(at(1), Duration::from_nanos(9));
    hub.close(at(2), Duration::from_nanos(3));
    assert_eq!(hub.turn(at(4), core::iter::empty(), &mut Vec::new(), 9), Stage::Closing);
    assert_eq!(hub.park(at(4), &waker, false), Park::Sleep(Some(at(5))));
    assert_eq!(hub.turn(at(5), core::iter::empty(), &mut Vec::new(), 9), Stage::Abandoned);
    hub.end(false);
    assert_eq!(hub.poll_ended(&mut None, &cx), Poll::Ready(Err(CloseError::TimedOut)));
}
