//! Arbitrary and damaged bytes, into every state a channel can be in: nothing panics, and what is
//! refused leaves the dump as it was.

use super::{Node, START, established, ms, one, secs};
use crate::p2pke::channel::Input;
use crate::p2pke::noise::{Initiator, Responder};
use crate::p2pke::session::{Hello, Initiation};
use crate::time::Instant;
use bytes::Bytes;
use proptest::prelude::*;
use std::vec::Vec;

/// A channel in one of its states, with datagrams that were or will be of use to it.
fn state(number: u8) -> (Node, Instant, Vec<Bytes>) {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    let hello = one(a.open(START));
    if number == 0 {
        return (b, START, std::vec![hello]);
    }
    let answer = one(b.deliver(START, &hello));
    if number == 1 {
        return (b, START, std::vec![hello, answer]);
    }
    if number == 2 {
        return (a, START, std::vec![hello, answer]);
    }
    let done = one(a.deliver(START, &answer));
    if number == 3 {
        return (b, START, std::vec![hello, answer, done]);
    }
    let finished = one(b.deliver(START, &done));
    if number == 4 {
        return (a, START, std::vec![hello, answer, done, finished]);
    }
    if number == 5 {
        return (b, START, std::vec![hello, answer, done, finished]);
    }
    let (mut a, mut b, now) = established();
    let data: Vec<Bytes> = (0..3).map(|_| a.seal(now, b"some data").unwrap()).collect();
    if number == 6 {
        return (b, now, data);
    }
    // A renewal under way: old and new sessions side by side.
    let now = now + secs(11);
    let message = b.seal(now, b"into silence").unwrap();
    let hello = one(b.drain());
    let answer = one(a.deliver(now, &hello));
    let done = one(b.deliver(now, &answer));
    let finished = one(a.deliver(now, &done));
    let datagrams = std::vec![message, hello, answer, done, finished];
    if number == 7 { (a, now, datagrams) } else { (b, now, datagrams) }
}

/// Whatever comes: no panic; refused bytes change nothing; no timer in the past.
fn feed(node: &mut Node, now: Instant, datagram: &[u8]) -> Result<(), TestCaseError> {
    let before = node.dump();
    let events = node.channel.poll_timeout();
    if let Input::Rejected(reason) = node.input(now, datagram) {
        prop_assert_eq!(before, node.dump(), "refused as {:?}", reason);
        prop_assert_eq!(events, node.channel.poll_timeout());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 300 } else { 3000 }))]

    #[test]
    fn arbitrary_bytes_change_nothing(
        number in 0_u8..9,
        counter in prop_oneof![0_u32..20, any::<u32>()],
        body in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let (mut node, now, _) = state(number);
        let datagram = [&counter.to_be_bytes()[..], &body].concat();
        let before = node.dump();
        prop_assert!(matches!(node.input(now, &datagram), Input::Rejected(_)));
        prop_assert_eq!(before, node.dump());
    }

    #[test]
    fn damaged_datagrams_change_nothing_unless_they_are_taken(
        number in 0_u8..9,
        steps in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>(), 0_usize..400), 1..8),
    ) {
        let (mut node, now, datagrams) = state(number);
        for (which, at, byte, cut) in steps {
            let mut datagram = datagrams[which.index(datagrams.len())].to_vec();
            let at = at.index(datagram.len());
            datagram[at] ^= byte;
            datagram.truncate(cut);
            feed(&mut node, now, &datagram)?;
        }
    }

    #[test]
    fn datagrams_in_any_order_at_any_time_never_panic(
        number in 0_u8..9,
        steps in prop::collection::vec((any::<prop::sample::Index>(), 0_u64..30_000), 1..12),
    ) {
        let (mut node, mut now, datagrams) = state(number);
        for (which, wait) in steps {
            now = now + ms(wait);
            node.run(now);
            feed(&mut node, now, &datagrams[which.index(datagrams.len())])?;
            let _ = node.seal(now, b"x");
            node.open(now);
        }
    }

    #[test]
    fn no_parser_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Hello::parse(&bytes);
        let hello = [&[0; 4][..], &bytes].concat();
        let _ = Hello::parse(&hello).map(|hello| (hello.id(), hello.verify()));
        let node = Node::new(1);
        let (ours, _) = Initiation::start(&node.key, [7; 32], Default::default(), START);
        let answer = [&[0, 0, 0, 1][..], &bytes].concat();
        prop_assert!(ours.read(&answer).is_err());
        let initiator = Initiator::start(&[], [7; 32], &[], &mut Vec::new());
        prop_assert!(initiator.read(&bytes, &mut Vec::new()).is_err());
        let _ = Responder::read(&[], &bytes);
    }
}
