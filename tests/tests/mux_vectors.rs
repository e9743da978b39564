//! Messages of the other implementation's multiplexers, byte for byte.

use core::fmt::Debug;
use std::collections::BTreeMap;
use tellask::mux::{Channel, Mux, Name, Varint};
use tellask::swarm::{Link, Message};
use tellask::{BytesMut, Command, Event, Instant, Layer, Limits, MemoryAddr};
use tellask_tests::{entries, hex};

const NOW: Instant = Instant::from_nanos(1);
const PEER: MemoryAddr = MemoryAddr(1);
const SELF: MemoryAddr = MemoryAddr(9);

/// Tells what the other told, and hears what it sent.
fn check<C: Channel + Debug>(channel: C, payload: &[u8], message: &[u8]) {
    let mut mux = Mux::new(&Limits::default()).with_channels([channel.clone()]).expect("opens");
    let link = Link { local: vec![SELF], unit: 1_000, tell_max: 1_000, ask_max: 1_000 };
    mux.handle_input(NOW, Event::Link(link));
    while mux.poll_event().is_some() {}

    let tell = Command::Tell { dst: PEER, payload: payload.to_vec().into() };
    mux.handle_command(NOW, (channel.clone(), tell));
    let expected = Command::Tell { dst: PEER, payload: message.to_vec().into() };
    assert_eq!(mux.poll_transmit(), Some(expected));

    let told = |bytes: &[u8]| {
        Event::Told(Message { src: PEER, dst: SELF, payload: BytesMut::from(bytes) })
    };
    mux.handle_input(NOW, told(message));
    assert_eq!(mux.poll_event(), Some((channel, told(payload))));
}

#[test]
fn recorded_messages_are_read_and_written_by_every_kind_of_channel() {
    let mut kinds: BTreeMap<String, u32> = BTreeMap::new();
    for vector in entries(include_str!("../vectors/mux.json")) {
        let text = |name: &str| {
            vector[name].as_str().unwrap_or_else(|| panic!("no text {name} in {vector}"))
        };
        let (payload, message) = (hex(text("payload")), hex(text("message")));
        let number = || vector["channel"].as_u64().expect("a number");
        let kind = text("kind");
        match kind {
            "string" => check(Name::from(text("channel")), &payload, &message),
            "uint16" => check(u16::try_from(number()).expect("16 bits"), &payload, &message),
            "uint32" => check(u32::try_from(number()).expect("32 bits"), &payload, &message),
            "uint64" => check(number(), &payload, &message),
            "varint" => check(Varint(number()), &payload, &message),
            other => panic!("an unknown kind of channel: {other}"),
        }
        *kinds.entry(kind.to_owned()).or_default() += 1;
    }
    let counts: Vec<(&str, u32)> = kinds.iter().map(|(kind, n)| (kind.as_str(), *n)).collect();
    let expected = [("string", 8), ("uint16", 6), ("uint32", 6), ("uint64", 6), ("varint", 14)];
    assert_eq!(counts, expected);
}
