//! Sessions by themselves.

use super::{START, one};
use crate::identity::SecretKey;
use crate::p2pke::Tai64n;
use crate::p2pke::session::{
    Hello, Initiation, LAST_DATA, MAX_PAYLOAD, OVERHEAD, OpenError, SealError, Session,
};
use crate::seed::Seed;
use bytes::BytesMut;
use std::vec;
use std::vec::Vec;

/// Both ends of a finished handshake, ready to send.
pub(super) fn pair(number: u64) -> (Session, Session) {
    let mut rng = Seed::from_u64(number).rng("sessions");
    let (a, b) = (SecretKey::generate(&mut rng), SecretKey::generate(&mut rng));
    let (initiation, hello) = Initiation::start(&a, rng.bytes(), Tai64n::default(), START);
    let hello = Hello::parse(&hello).unwrap();
    hello.verify().unwrap();
    let candidate = hello.answer(hello.id(), &b, rng.bytes(), START).unwrap();
    assert_eq!(candidate.id(), initiation.id());
    let answer = initiation.read(candidate.resp_hello()).unwrap();
    answer.verify().unwrap();
    let mut initiator = answer.complete(&a, START);
    let init_done = initiator.init_done().unwrap().clone();
    let sig = candidate.read(&init_done, &mut Vec::new()).unwrap();
    candidate.verify(&sig).unwrap();
    let mut responder = candidate.complete(&init_done, START);
    initiator.finish(&responder.resp_done().unwrap()).unwrap();
    responder.confirm();
    (initiator, responder)
}

#[test]
fn what_one_side_seals_the_other_opens_the_empty_message_included() {
    let (mut a, mut b) = pair(1);
    for payload in [&b""[..], b"x", b"hello", &vec![7; MAX_PAYLOAD]] {
        let message = a.seal(&[payload]).unwrap();
        assert_eq!(message.len(), payload.len() + OVERHEAD);
        assert_eq!(&b.open(BytesMut::from(&message[..])).unwrap()[..], payload);
        let message = b.seal(&[&payload[..payload.len() / 2], &payload[payload.len() / 2..]]);
        let mut out = BytesMut::new();
        a.open_to(&message.unwrap(), &mut out).unwrap();
        assert_eq!(&out[..], payload);
    }
}

#[test]
fn a_message_over_the_limit_is_refused_and_spends_no_counter() {
    let (mut a, _) = pair(2);
    assert_eq!(a.seal(&[&[0; MAX_PAYLOAD], &[0]]), Err(SealError::TooLong));
    assert_eq!(a.sealed(), 0);
}

#[test]
fn counters_stop_two_short_of_their_end() {
    let (mut a, mut b) = pair(3);
    a.spend(LAST_DATA);
    let last = a.seal(&[b"last"]).unwrap();
    assert_eq!(last[..4], (u32::MAX - 2).to_be_bytes());
    assert_eq!(a.seal(&[b"more"]), Err(SealError::Exhausted));
    assert_eq!(&b.open(BytesMut::from(&last[..])).unwrap()[..], b"last");
    for counter in [u32::MAX - 1, u32::MAX] {
        assert_eq!(b.admits(counter), Err(OpenError::Counter));
    }
}

#[test]
fn reserved_counters_are_never_opened() {
    let (a, _) = pair(4);
    for counter in 0..16 {
        assert_eq!(a.admits(counter), Err(OpenError::Counter));
    }
}

#[test]
fn a_forged_message_moves_neither_window_nor_counter() {
    let (mut a, mut b) = pair(5);
    let message = a.seal(&[b"true"]).unwrap();
    let mut forged = BytesMut::from(&message[..]);
    forged[..4].copy_from_slice(&1_000_000_u32.to_be_bytes());
    assert_eq!(b.open(forged).unwrap_err(), OpenError::Forged);
    let mut flipped = BytesMut::from(&message[..]);
    flipped[6] ^= 1;
    assert_eq!(b.open(flipped).unwrap_err(), OpenError::Forged);
    assert_eq!(&b.open(BytesMut::from(&message[..])).unwrap()[..], b"true");
    assert_eq!(b.open(BytesMut::from(&message[..])).unwrap_err(), OpenError::Replayed);
}

#[test]
fn opening_beside_leaves_the_message_as_it_was() {
    let ((mut a, _), (_, mut other)) = (pair(6), pair(7));
    let message = a.seal(&[b"for another session"]).unwrap();
    let copy = message.clone();
    let mut out = BytesMut::new();
    assert_eq!(other.open_to(&message, &mut out), Err(OpenError::Forged));
    assert_eq!((message, out.len()), (copy, 0));
}

#[test]
fn a_session_fits_its_memory() {
    assert!(size_of::<Session>() <= 768, "{}", size_of::<Session>());
    assert!(size_of::<crate::p2pke::channel::Channel>() <= 384);
    assert!(size_of::<crate::p2pke::session::Candidate>() <= 320);
    let mut node = super::Node::new(1);
    let hello = one(node.open(START));
    assert_eq!(hello.len(), 166);
}
