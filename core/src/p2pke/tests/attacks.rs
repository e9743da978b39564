//! What an attacker, or a bad network, does to a channel; in the order of the list of attacks.

mod established;

use super::seal_log::Watch;
use super::session::pair;
use super::{DATE, Node, START, established, handshake, ms, one, secs};
use crate::identity::{PublicKey, SecretKey};
use crate::p2pke::Tai64n;
use crate::p2pke::channel::{ChannelEvent, Context, DownReason, Failure, Input, Reason};
use crate::p2pke::noise::{Initiator, Responder};
use crate::p2pke::presign::Purpose;
use crate::p2pke::proto::{self, InitHello};
use crate::p2pke::session::{HandshakeError, Hello, Initiation, SealError};
use crate::seed::{Rng, Seed};
use crate::time::{Instant, UnixTime};
use bytes::{Bytes, BytesMut};
use std::vec;
use std::vec::Vec;

/// A stamp `secs` seconds after the tests' date.
fn stamp(secs: u64) -> Tai64n {
    Tai64n::from_unix(UnixTime::new(DATE.secs() + secs, 0))
}

/// A hello with any field at the attacker's will, under a fresh ephemeral key.
fn forge(rng: &mut Rng, key: &PublicKey, timestamp: Tai64n, sig: &[u8; 64]) -> Bytes {
    let mut payload = Vec::new();
    let spki = key.to_spki();
    InitHello { timestamp: &timestamp.to_bytes(), key: &spki, sig }.encode(&mut payload);
    wrap(rng, &payload)
}

/// A hello around any protobuf.
fn wrap(rng: &mut Rng, payload: &[u8]) -> Bytes {
    let len = (payload.len() as u16).to_be_bytes();
    let mut hello = vec![0, 0, 0, 0];
    Initiator::start(&[], rng.bytes(), &[payload, &len].concat(), &mut hello);
    hello.into()
}

/// The signature in a hello: the 64 bytes before the length.
fn sig_of(hello: &[u8]) -> [u8; 64] {
    hello[hello.len() - 66..hello.len() - 2].try_into().unwrap()
}

// 1, 2

#[test]
fn data_that_overtake_resp_done_reuse_no_counter_and_stop_nobody() {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    let watch = Watch::start();
    let hello = one(a.open(START));
    let answer = one(b.deliver(START, &hello));
    let done = one(a.deliver(START, &answer));
    let resp_done = one(b.deliver(START, &done));
    // RespDone is held up, b's patience ends, and its data come first.
    b.run(START + ms(250));
    let now = START + ms(251);
    let early = b.seal(now, b"early").unwrap();
    assert_eq!(&a.receive(now, &early)[..], b"early");
    assert_eq!(a.events(), [ChannelEvent::Up { key: b.public() }, ChannelEvent::Ready]);
    let message = a.seal(now, b"at once").unwrap();
    assert_eq!(message[..4], 16_u32.to_be_bytes());
    assert_eq!(&b.receive(now, &message)[..], b"at once");
    assert_eq!(a.refuse(now, &resp_done), Reason::Unexpected);
    assert!(a.seal(now, b"on").is_ok());
    assert!(watch.seals() >= 5);
}

// 3

#[test]
fn application_data_go_to_the_expected_key_and_to_nobody_else() {
    let mut honest = Node::new(3);
    let mut a = Node::new(1).expecting(honest.key.id());
    let mut other = Node::new(2);
    let hello = one(a.open(START));
    let answer = one(other.deliver(START, &hello));
    assert_eq!(a.refuse(START, &answer), Reason::WrongPeer);
    // Neither does it take a session that the other begins.
    let theirs = one(other.open(START));
    assert_eq!(a.refuse(START, &theirs), Reason::WrongPeer);
    assert_eq!(a.seal(START, b"secret"), Err(SealError::NotReady));
    let answer = one(honest.deliver(START, &hello));
    assert_eq!(a.deliver(START, &answer).len(), 1);
    assert_eq!(a.channel.peer(), Some(&honest.public()));
}

#[test]
fn a_channel_belongs_to_the_first_key_that_was_proven() {
    let (mut a, b, now) = established();
    let mut other = Node::new(3);
    let hello = one(other.open(now));
    assert_eq!(a.refuse(now, &hello), Reason::WrongPeer);
    // Nor do candidates of other keys outlive the proof.
    let (mut first, mut second, mut c) = (Node::new(4), Node::new(5), Node::new(6));
    let hellos = [one(first.open(now)), one(second.open(now))];
    let answers = hellos.map(|hello| one(c.deliver(now, &hello)));
    let done = [one(first.deliver(now, &answers[0])), one(second.deliver(now, &answers[1]))];
    c.deliver(now, &done[0]);
    assert_eq!((c.channel.peer(), c.channel.candidates()), (Some(&first.public()), 0));
    assert!(matches!(c.input(now, &done[1]), Input::Rejected(_)));
    assert_eq!(b.channel.peer(), Some(&a.public()));
}

// 4

#[test]
fn a_replayed_hello_of_any_age_makes_no_session() {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    let old = one(a.open(START));
    a.restart();
    let recorded = handshake(&mut a, &mut b, START + secs(1));
    b.restart();
    let now = START + secs(300);
    assert_eq!(b.refuse(now, &old), Reason::Stale, "an older time stamp");
    assert_eq!(b.refuse(now, &recorded.init_hello), Reason::Stale, "the same time stamp");
    assert_eq!(b.refuse(now, &recorded.init_done), Reason::Unexpected);
}

#[test]
fn a_replay_that_passes_the_floor_gets_no_further_than_a_candidate() {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    let recorded = handshake(&mut a, &mut b, START);
    b.restart();
    b.gate.floors.clear();
    let now = START + secs(300);
    let answer = one(b.deliver(now, &recorded.init_hello));
    assert_ne!(answer, recorded.resp_hello, "other keys than before");
    assert_eq!(b.refuse(now, &recorded.init_done), Reason::Undecryptable);
    b.run(now + secs(15));
    assert!(b.channel.is_idle() && b.channel.peer().is_none() && b.events().is_empty());
}

#[test]
fn the_floor_rises_only_with_an_init_done_that_verified() {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    let hello = one(a.open(START));
    let answer = one(b.deliver(START, &hello));
    assert!(b.gate.floors.is_empty());
    let done = one(a.deliver(START, &answer));
    b.deliver(START, &done);
    assert!(b.gate.floors.contains_key(&a.public()));
}

#[test]
fn the_floor_never_applies_to_an_exact_repeat_of_a_live_hello() {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    let messages = handshake(&mut a, &mut b, START);
    assert!(b.gate.floors.contains_key(&a.public()));
    assert_eq!(one(b.deliver(START, &messages.init_hello)), messages.resp_hello);
}

#[test]
fn an_initiator_unanswered_for_5_s_makes_a_new_hello_with_a_later_stamp() {
    let mut a = Node::new(1);
    let first = one(a.open(START));
    let sent = a.run(START + secs(5));
    let (at, second) = sent.last().unwrap();
    assert_eq!(*at, START + secs(5));
    let stamp = |hello: &Bytes| Hello::parse(hello).unwrap().timestamp();
    assert!(stamp(second) > stamp(&first));
    let both = [first[4..36].to_vec(), second[4..36].to_vec()];
    assert_ne!(both[0], both[1], "another ephemeral key");
}

// 5

#[test]
fn forged_hellos_hold_four_places_and_keep_no_honest_one_out() {
    for round in 0..20 {
        let (mut honest, mut b) = (Node::new(1000 + round), Node::new(2));
        let mut rng = Seed::from_u64(round).rng("forger");
        for _ in 0..50 {
            let key = SecretKey::generate(&mut rng);
            let (_, hello) = Initiation::start(&key, rng.bytes(), stamp(0), START);
            b.deliver(START, &hello);
            assert!(b.channel.candidates() <= 4);
        }
        let mut other = Node::new(2000 + round);
        let before = one(other.open(START));
        b.deliver(START, &before);
        handshake(&mut honest, &mut b, START);
        assert_eq!(b.channel.peer(), Some(&honest.public()));
    }
}

#[test]
fn one_key_holds_at_most_two_places() {
    let mut b = Node::new(2);
    let mut rng = Seed::from_u64(1).rng("forger");
    let key = SecretKey::generate(&mut rng);
    for second in 0..10 {
        let (_, hello) = Initiation::start(&key, rng.bytes(), stamp(second), START);
        b.deliver(START, &hello);
    }
    assert_eq!(b.channel.candidates(), 2);
}

#[test]
fn a_hello_with_a_recorded_signature_under_another_ephemeral_displaces_nothing() {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    let mut rng = Seed::from_u64(1).rng("forger");
    let hello = one(a.open(START));
    let answer = one(b.deliver(START, &hello));
    let key = a.public();
    for _ in 0..100 {
        let copy = forge(&mut rng, &key, stamp(0), &sig_of(&hello));
        let _ = b.input(START, &copy);
        b.drain();
    }
    let older = Purpose::Timestamp.sign(&a.key, &stamp(0).to_bytes());
    for _ in 0..100 {
        let copy = forge(&mut rng, &key, stamp(0), &older);
        let _ = b.input(START, &copy);
        b.drain();
    }
    let done = one(a.deliver(START, &answer));
    assert_eq!(b.deliver(START, &done).len(), 1, "the honest one is still there");
}

#[test]
fn places_taken_by_recordings_are_had_back_by_a_later_stamp() {
    let (mut a, mut b) = (Node::new(1), Node::new(2).expecting(Node::new(1).key.id()));
    let mut rng = Seed::from_u64(1).rng("forger");
    let years_ahead = stamp(10 * 365 * 86_400);
    let sig = Purpose::Timestamp.sign(&a.key, &years_ahead.to_bytes());
    for _ in 0..50 {
        let copy = forge(&mut rng, &a.public(), years_ahead, &sig);
        let _ = b.input(START, &copy);
        b.drain();
    }
    handshake(&mut a, &mut b, START);
}

#[test]
fn a_hello_with_a_lower_id_does_not_stop_ours() {
    let mut rng = Seed::from_u64(1).rng("forger");
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    let ours = one(a.open(START));
    let mut answered = 0;
    for _ in 0..20 {
        let key = SecretKey::generate(&mut rng);
        let (initiation, hello) = Initiation::start(&key, rng.bytes(), stamp(0), START);
        if *initiation.id().as_bytes() < super::digest_of(&ours) {
            a.deliver(START, &hello);
            answered += 1;
        } else {
            assert_eq!(a.refuse(START, &hello), Reason::Yielded);
        }
    }
    assert!(answered > 0);
    assert!(a.run(START + secs(4)).iter().all(|(_, datagram)| *datagram == ours));
    let answer = one(b.deliver(START + secs(4), &ours));
    assert_eq!(a.deliver(START + secs(4), &answer).len(), 1);
}

// 6

#[test]
fn a_peer_whose_clock_was_years_ahead_is_not_locked_out() {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    let right = a.clock.date;
    a.clock.date = right + secs(10 * 365 * 86_400);
    handshake(&mut a, &mut b, START);
    assert_eq!(b.gate.floors[&a.public()], stamp(0), "not above our own clock");
    // Its clock is mended and it starts anew; b has kept what it knows of it.
    a.clock.date = right;
    a.restart();
    b.restart();
    handshake(&mut a, &mut b, START + secs(1));
}

#[test]
fn a_floor_that_was_set_while_our_own_clock_was_ahead_locks_nobody_out() {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    let right = a.clock.date;
    a.clock.date = right + secs(10 * 365 * 86_400);
    b.clock = a.clock;
    handshake(&mut a, &mut b, START);
    (a.clock.date, b.clock.date) = (right, right);
    a.restart();
    b.restart();
    handshake(&mut a, &mut b, START + secs(1));
}

// 7

#[test]
fn an_answer_is_never_longer_than_what_it_answers() {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    let messages = handshake(&mut a, &mut b, START);
    assert!(messages.resp_hello.len() <= messages.init_hello.len());
    assert!(messages.init_done.len() <= messages.resp_hello.len());
    assert!(messages.resp_done.len() <= messages.init_done.len());
    // The shortest hello that parses: nothing in it can be left out.
    let hello = &messages.init_hello;
    let parses = |hello: &[u8]| Hello::parse(hello).is_ok();
    assert!(parses(hello) && !parses(&[&hello[..36], &hello[37..]].concat()));
}

#[test]
fn without_a_token_no_signature_is_checked_and_no_place_is_given() {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    b.gate.tokens = Some(0);
    let hello = one(a.open(START));
    assert_eq!(b.refuse(START, &hello), Reason::Busy);
    b.gate.tokens = None;
    b.gate.no_room = true;
    assert_eq!(b.refuse(START, &hello), Reason::Full);
    b.gate.no_room = false;
    let answer = one(b.deliver(START, &hello));
    a.gate.tokens = Some(0);
    assert_eq!(a.refuse(START, &answer), Reason::Busy);
    a.gate.tokens = None;
    let done = one(a.deliver(START, &answer));
    b.gate.tokens = Some(0);
    assert_eq!(b.refuse(START, &done), Reason::Busy);
}

#[test]
fn what_a_cheap_check_refuses_costs_no_token() {
    let (mut a, mut b) = (Node::new(1), Node::new(2).expecting(Node::new(9).key.id()));
    let hello = one(a.open(START));
    assert_eq!(b.refuse(START, &hello), Reason::WrongPeer);
    b = Node::new(2);
    b.gate.refuses.push(a.public());
    assert_eq!(b.refuse(START, &hello), Reason::Refused);
    b.gate.refuses.clear();
    b.gate.floors.insert(a.public(), stamp(0).next());
    b.clock.date = b.clock.date + secs(1);
    assert_eq!(b.refuse(START, &hello), Reason::Stale);
    assert_eq!(b.refuse(START, &hello[..100]), Reason::Malformed);
    assert_eq!(b.gate.verifications, 0);
}

// 8

#[test]
fn an_unknown_version_is_refused_before_anything_else() {
    let mut rng = Seed::from_u64(1).rng("forger");
    let (a, mut b) = (Node::new(1), Node::new(2));
    let sig = Purpose::Timestamp.sign(&a.key, &stamp(0).to_bytes());
    let mut payload = Vec::new();
    let (spki, time) = (a.public().to_spki(), stamp(0).to_bytes());
    InitHello { timestamp: &time, key: &spki, sig: &sig }.encode(&mut payload);
    for version in [0, 2, 3, 127] {
        payload[1] = version;
        let hello = wrap(&mut rng, &payload);
        assert_eq!(b.refuse(START, &hello), Reason::Version);
    }
    payload[1] = 1;
    let hello = wrap(&mut rng, &payload);
    b.deliver(START, &hello);
}

#[test]
fn no_signature_but_the_right_one_over_the_right_purpose_passes() {
    let mut rng = Seed::from_u64(1).rng("forger");
    let (a, other, mut b) = (Node::new(1), Node::new(3), Node::new(2));
    let (key, time) = (a.public(), stamp(0).to_bytes());
    let right = Purpose::Timestamp.sign(&a.key, &time);
    let mut flipped = right;
    flipped[17] ^= 4;
    // S + L, with L the order of the group.
    let order = group_order();
    let mut above = right;
    let mut carry = 0_u16;
    for (byte, add) in above[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    let wrong = [
        flipped,
        [0; 64],
        above,
        Purpose::Timestamp.sign(&other.key, &time),
        Purpose::ChannelBinding.sign(&a.key, &time),
        a.key.sign(&time),
    ];
    for sig in wrong {
        let hello = forge(&mut rng, &key, stamp(0), &sig);
        assert_eq!(b.refuse(START, &hello), Reason::Signature);
    }
    // A key of small order, for which all-zero S and its own point as R verify anything.
    let mut small = [0; 32];
    small[0] = 1;
    let mut sig = [0; 64];
    sig[0] = 1;
    let hello = forge(&mut rng, &PublicKey::from_bytes(small), stamp(0), &sig);
    assert_eq!(b.refuse(START, &hello), Reason::Signature);
    let empty = [&[0x08, 1, 0x12, 12][..], &time, &[0x1a, 44], &key.to_spki(), &[0x22, 0]].concat();
    let hello = wrap(&mut rng, &empty);
    assert_eq!(b.refuse(START, &hello), Reason::Malformed);
    let hello = forge(&mut rng, &key, stamp(0), &right);
    b.deliver(START, &hello);
}

/// 2^252 + 27742317777372353535851937790883648493, little endian.
fn group_order() -> [u8; 32] {
    let mut order = [0; 32];
    order[..16]
        .copy_from_slice(&27_742_317_777_372_353_535_851_937_790_883_648_493_u128.to_le_bytes());
    order[31] = 0x10;
    order
}

#[test]
fn an_all_zero_shared_secret_is_refused() {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    let mut hello = one(a.open(START)).to_vec();
    hello[4..36].fill(0);
    assert_eq!(b.refuse(START, &hello), Reason::Undecryptable);
    let mut answer = vec![0, 0, 0, 1];
    answer.resize(164, 0);
    assert_eq!(a.refuse(START, &answer), Reason::Undecryptable);
}
