use super::*;
use crate::addr::MemoryAddr;
use crate::stats::Snapshot;
use crate::swarm::Scope;
use alloc::vec;
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};
use core::time::Duration;

type A = MemoryAddr;

const SELF: A = MemoryAddr(9);
const OTHER: A = MemoryAddr(1);
const NOW: Instant = Instant::from_nanos(1_000);

fn with(limits: &Limits) -> Loopback<A> {
    let mut loopback = Loopback::new(limits);
    let local = vec![MemoryAddr(8), SELF];
    let link = Link { local, unit: 500, tell_max: 500, ask_max: 500 };
    loopback.handle_input(NOW, Event::Link(link));
    events(&mut loopback);
    loopback
}

fn loopback() -> Loopback<A> {
    with(&Limits::default())
}

fn events(loopback: &mut Loopback<A>) -> Vec<Event<A>> {
    core::iter::from_fn(|| loopback.poll_event()).collect()
}

fn message(src: A) -> Message<A> {
    Message { src, dst: SELF, payload: BytesMut::from(&b"text"[..]) }
}

fn ask(seq: u64, dst: A, deadline: Instant) -> Command<A> {
    Command::Ask { id: AskId::new(seq), dst, payload: "text".into(), deadline }
}

fn answered(seq: u64, result: Result<BytesMut, AskError>) -> Event<A> {
    Event::Answered { id: AskId::new(seq), result }
}

/// Asks oneself, and returns the token of the request.
fn asked(loopback: &mut Loopback<A>, seq: u64, deadline: Instant) -> Token {
    loopback.handle_command(NOW, ask(seq, SELF, deadline));
    let events = events(loopback);
    let [Event::Asked { token, message, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(*message, self::message(SELF));
    *token
}

fn figure(loopback: &Loopback<A>, name: &str) -> u64 {
    let mut snapshot = Snapshot::default();
    loopback.stats(&mut snapshot);
    snapshot.value(&alloc::format!("loopback.{name}"))
}

#[test]
fn a_tell_to_oneself_comes_back_up_and_nothing_goes_down() {
    let mut loopback = loopback();
    let body = Bytes::from(vec![7; 100]);
    let at = body.as_ptr();
    loopback.tell(NOW, SELF, body.into()).expect("accepted");
    assert_eq!(loopback.poll_transmit(), None);
    let events = events(&mut loopback);
    let [Event::Told(message)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((message.src, message.dst, message.payload.as_ptr()), (SELF, SELF, at));

    loopback.handle_command(NOW, Command::Tell { dst: OTHER, payload: "text".into() });
    assert!(loopback.poll_transmit().is_some(), "what is for others passes");
}

#[test]
fn a_full_swarm_does_not_hold_up_what_goes_to_oneself_and_its_limits_hold_all_the_same() {
    let mut loopback = loopback();
    loopback.handle_input(NOW, Event::Full { scope: Scope::All });
    assert!(loopback.is_full(&OTHER) && !loopback.is_full(&SELF));
    loopback.handle_command(NOW, Command::Tell { dst: SELF, payload: vec![0; 501].into() });
    let reason = Undeliverable::TooLarge { limit: 500 };
    assert!(events(&mut loopback).contains(&Event::Undelivered { dst: SELF, reason }));
}

#[test]
fn a_request_to_oneself_is_answered_by_its_token() {
    let mut loopback = loopback();
    let (first, second) =
        (asked(&mut loopback, 1, Instant::MAX), asked(&mut loopback, 2, Instant::MAX));
    let refusal = Refusal { code: 7, detail: vec![1] };
    let answers = [(second, Ok("yes".into())), (first, Err(refusal.clone()))];
    for (token, result) in answers {
        loopback.handle_command(NOW, Command::Answer { token, dst: SELF, result });
    }
    let yes = BytesMut::from(&b"yes"[..]);
    let expected = [answered(2, Ok(yes)), answered(1, Err(AskError::Refused(refusal)))];
    assert_eq!(events(&mut loopback), expected);
    // A second answer goes nowhere, least of all down.
    loopback
        .handle_command(NOW, Command::Answer { token: first, dst: SELF, result: Ok("".into()) });
    assert_eq!((loopback.poll_transmit(), events(&mut loopback)), (None, vec![]));
}

#[test]
fn an_answer_to_somebody_else_goes_down_though_the_token_is_the_same() {
    let mut loopback = loopback();
    let token = asked(&mut loopback, 1, Instant::MAX);
    let answer = Command::Answer { token, dst: OTHER, result: Ok("yes".into()) };
    loopback.handle_command(NOW, answer.clone());
    assert_eq!(loopback.poll_transmit(), Some(answer));
    assert_eq!(figure(&loopback, "requests_waiting"), 1);
}

#[test]
fn a_request_that_nobody_answers_ends_at_its_deadline() {
    let mut loopback = loopback();
    let deadline = NOW + Duration::from_secs(1);
    let token = asked(&mut loopback, 1, deadline);
    assert_eq!(loopback.poll_timeout(), Some(deadline));
    loopback.handle_timeout(deadline);
    let timed_out = answered(1, Err(AskError::TimedOut { arrived: true }));
    let withdrawn = Event::Withdrawn { token, src: SELF };
    assert_eq!(events(&mut loopback), [withdrawn, timed_out]);
    assert_eq!(loopback.poll_timeout(), None);
}

#[test]
fn a_cancelled_request_is_withdrawn() {
    let mut loopback = loopback();
    let token = asked(&mut loopback, 1, Instant::MAX);
    loopback.handle_command(NOW, Command::Cancel { id: AskId::new(1), dst: SELF });
    let withdrawn = Event::Withdrawn { token, src: SELF };
    assert_eq!(events(&mut loopback), [withdrawn, answered(1, Err(AskError::Cancelled))]);
    let late = Command::Answer { token, dst: SELF, result: Ok("late".into()) };
    loopback.handle_command(NOW, late);
    assert_eq!((loopback.poll_transmit(), events(&mut loopback)), (None, vec![]));
}

#[test]
fn requests_to_oneself_are_bounded() {
    let mut loopback = with(&Limits { own_requests: 2, ..Limits::default() });
    for seq in 0..2 {
        asked(&mut loopback, seq, Instant::MAX);
    }
    loopback.handle_command(NOW, ask(2, SELF, Instant::MAX));
    assert_eq!(events(&mut loopback), [answered(2, Err(AskError::Busy))]);
    assert_eq!(figure(&loopback, "busy"), 1);
}

#[test]
fn what_comes_from_below_under_our_own_address_is_not_from_us() {
    let mut loopback = loopback();
    loopback.handle_input(NOW, Event::Told(message(SELF)));
    let (token, deadline) = (Token(3), Instant::MAX);
    loopback.handle_input(NOW, Event::Asked { token, message: message(SELF), deadline });
    assert_eq!(events(&mut loopback), []);
    assert_eq!(figure(&loopback, "not_from_us"), 2);
    assert!(matches!(loopback.poll_transmit(), Some(Command::Answer { result: Err(_), .. })));
    loopback.handle_input(NOW, Event::Told(message(OTHER)));
    assert_eq!(events(&mut loopback), [Event::Told(message(OTHER))]);
}

#[test]
fn with_the_swarm_below_requests_to_oneself_end_too() {
    let mut loopback = loopback();
    let token = asked(&mut loopback, 1, Instant::MAX);
    loopback.handle_input(NOW, Event::Closed);
    let withdrawn = Event::Withdrawn { token, src: SELF };
    let end = [withdrawn, answered(1, Err(AskError::Closed)), Event::Closed];
    assert_eq!(events(&mut loopback), end);
}
