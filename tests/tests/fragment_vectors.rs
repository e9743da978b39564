//! Fragments recorded from the other implementation, byte for byte.

#![allow(clippy::wildcard_enum_match_arm, reason = "a test names what it looks for")]

use serde_json::Value;
use tellask::fragment::{Fragmenter, OVERHEAD};
use tellask::swarm::{Link, Message};
use tellask::{BytesMut, Command, Event, Instant, Layer, Limits, MemoryAddr, Payload, Seed, Swarm};
use tellask_tests::{entries, hex};

const NOW: Instant = Instant::from_nanos(1);
const PEER: MemoryAddr = MemoryAddr(1);

fn vectors() -> Vec<Value> {
    let vectors = entries(include_str!("../vectors/fragment.json"));
    assert_eq!(vectors.len(), 7);
    vectors
}

fn number(value: &Value, name: &str) -> usize {
    let number = value[name].as_u64().unwrap_or_else(|| panic!("no number {name} in {value}"));
    usize::try_from(number).expect("a size")
}

/// The recorded messages: how long each was, and its fragments.
fn messages(vector: &Value) -> Vec<(usize, Vec<Vec<u8>>)> {
    let parts = |message: &Value| {
        let parts = message["parts"].as_array().expect("a list").iter();
        parts.map(|part| hex(part.as_str().expect("a text"))).collect()
    };
    let messages = vector["messages"].as_array().expect("a list").iter();
    messages.map(|message| (number(message, "payload_len"), parts(message))).collect()
}

/// What the other implementation told.
fn text(vector: &Value, len: usize) -> Vec<u8> {
    assert_eq!(vector["payload_rule"], "byte i = (7*i + (i>>8)) mod 256");
    (0..len).map(|i| (7 * i + (i >> 8)) as u8).collect()
}

fn node(vector: &Value) -> Fragmenter<MemoryAddr> {
    let max = number(vector, "over_mtu");
    let mut node = Fragmenter::new(max, &Seed::from_u64(1), &Limits::default());
    let below = number(vector, "under_mtu");
    let local = vec![MemoryAddr(9)];
    let link = Link { local, unit: below, tell_max: below, ask_max: 0 };
    node.handle_input(NOW, Event::Link(link));
    assert_eq!(node.mtu(), max.min(255 * (below - OVERHEAD)));
    node
}

fn delivered(node: &mut Fragmenter<MemoryAddr>, parts: &[Vec<u8>]) -> Vec<BytesMut> {
    for part in parts {
        let payload = BytesMut::from(&part[..]);
        let message = Message { src: PEER, dst: MemoryAddr(9), payload };
        node.handle_input(NOW, Event::Told(message));
    }
    core::iter::from_fn(|| node.poll_event())
        .filter_map(|event| match event {
            Event::Told(message) => Some(message.payload),
            _ => None,
        })
        .collect()
}

#[test]
fn recorded_fragments_are_put_together_in_any_order() {
    for vector in vectors() {
        for reverse in [false, true] {
            let mut node = node(&vector);
            for (len, mut parts) in messages(&vector) {
                if reverse {
                    parts.reverse();
                }
                assert_eq!(delivered(&mut node, &parts), [text(&vector, len)]);
            }
        }
    }
}

#[test]
fn our_fragments_are_the_recorded_ones_but_for_the_first_id() {
    for vector in vectors() {
        let mut node = node(&vector);
        let mut first = None;
        for (len, parts) in messages(&vector) {
            node.tell(NOW, PEER, Payload::from(text(&vector, len))).expect("accepted");
            let ours: Vec<_> = core::iter::from_fn(|| node.poll_transmit())
                .filter_map(|command| match command {
                    Command::Tell { payload, .. } => Some(payload.into_bytes()),
                    _ => None,
                })
                .collect();
            assert_eq!(ours.len(), parts.len());
            for (ours, theirs) in ours.iter().zip(&parts) {
                let (our_id, ours) = split(ours);
                let (their_id, theirs) = split(theirs);
                assert_eq!(ours, theirs);
                let first = *first.get_or_insert(our_id.wrapping_sub(their_id));
                assert_eq!(our_id, first.wrapping_add(their_id), "ids rise as theirs do");
            }
        }
    }
}

/// A fragment's id, and what follows it.
fn split(fragment: &[u8]) -> (u32, &[u8]) {
    let len = fragment.iter().position(|byte| byte & 0x80 == 0).expect("a number") + 1;
    let (id, rest) = fragment.split_at(len);
    let id = id.iter().rev().fold(0, |id: u64, byte| id << 7 | u64::from(byte & 0x7f));
    (u32::try_from(id).expect("32 bits"), rest)
}
