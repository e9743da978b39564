//! The port between a driver and a layer that are both played by hand.

use super::waiting::JOIN;
use super::*;
use crate::addr::MemoryAddr;
use crate::stats::Snapshot;
use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;

type Input = StreamInput<MemoryAddr>;
type Transmit = StreamTransmit<MemoryAddr>;

const US: MemoryAddr = MemoryAddr(1);
const PEER: MemoryAddr = MemoryAddr(2);
const OURS: StreamId = StreamId::opened(0);
const THEIRS: StreamId = StreamId::accepted(0);

fn port() -> StreamPort<MemoryAddr> {
    let limits = Limits { peers: 2, half_open: 1, dialling: 1, ..Limits::default() };
    StreamPort::new(&limits)
}

fn input(port: &mut StreamPort<MemoryAddr>, input: Input) {
    port.handle_input(Instant::ZERO, input);
}

fn command(port: &mut StreamPort<MemoryAddr>, command: Transmit) {
    port.handle_command(Instant::ZERO, command);
}

fn events(port: &mut StreamPort<MemoryAddr>) -> Vec<Input> {
    core::iter::from_fn(|| port.poll_event()).collect()
}

fn transmits(port: &mut StreamPort<MemoryAddr>) -> Vec<Transmit> {
    core::iter::from_fn(|| port.poll_transmit()).collect()
}

fn figure(port: &StreamPort<MemoryAddr>, name: &str) -> u64 {
    let mut figures = Snapshot::default();
    port.stats(&mut figures);
    figures.value(&alloc::format!("stream.{name}"))
}

fn accepted(id: StreamId) -> Input {
    StreamInput::Accepted { id, local: US, remote: PEER }
}

fn opened(id: StreamId) -> Input {
    StreamInput::Opened { id, local: US, remote: PEER }
}

fn bytes(id: StreamId, bytes: &[u8]) -> Input {
    StreamInput::Bytes { id, bytes: BytesMut::from(bytes) }
}

fn writable(id: StreamId, bytes: usize) -> Input {
    StreamInput::Writable { id, bytes }
}

fn closed(id: StreamId, reason: StreamEnd) -> Input {
    StreamInput::Closed { id, reason }
}

fn open(id: StreamId) -> Transmit {
    StreamTransmit::Open { id, dst: PEER }
}

fn write(id: StreamId, bytes: &[u8]) -> Transmit {
    StreamTransmit::Write { id, payload: Bytes::copy_from_slice(bytes).into() }
}

fn read(id: StreamId, bytes: usize) -> Transmit {
    StreamTransmit::Read { id, bytes }
}

/// A port with one connection of ours, with this credit to read and to write, of which all was taken.
fn connected(to_read: usize, to_write: usize) -> StreamPort<MemoryAddr> {
    let mut port = port();
    command(&mut port, open(OURS));
    command(&mut port, read(OURS, to_read));
    transmits(&mut port);
    input(&mut port, opened(OURS));
    input(&mut port, writable(OURS, to_write));
    events(&mut port);
    port
}

#[test]
fn a_connection_opens_carries_bytes_both_ways_finishes_by_halves_and_is_over_once() {
    let mut port = port();
    input(&mut port, StreamInput::Bound { local: vec![US] });
    command(&mut port, open(OURS));
    command(&mut port, read(OURS, 10));
    assert_eq!(events(&mut port), [StreamInput::Bound { local: vec![US] }]);
    assert_eq!(transmits(&mut port), [open(OURS), read(OURS, 10)]);
    input(&mut port, opened(OURS));
    input(&mut port, writable(OURS, 8));
    assert_eq!(events(&mut port), [opened(OURS), writable(OURS, 8)]);
    assert_eq!(port.writable(OURS), 8);
    command(&mut port, write(OURS, b"request"));
    command(&mut port, StreamTransmit::Finish { id: OURS });
    assert_eq!(
        transmits(&mut port),
        [write(OURS, b"request"), StreamTransmit::Finish { id: OURS }]
    );
    assert_eq!(port.writable(OURS), 0, "we have finished");
    input(&mut port, bytes(OURS, b"reply"));
    input(&mut port, StreamInput::Finished { id: OURS });
    input(&mut port, closed(OURS, StreamEnd::Finished));
    assert_eq!(
        events(&mut port),
        [
            bytes(OURS, b"reply"),
            StreamInput::Finished { id: OURS },
            closed(OURS, StreamEnd::Finished)
        ]
    );
    input(&mut port, closed(OURS, StreamEnd::Reset));
    assert_eq!(events(&mut port), [], "it was over");
    assert_eq!((figure(&port, "finished"), figure(&port, "stray")), (1, 1));
    assert_eq!((figure(&port, "streams_opened"), figure(&port, "send_bytes")), (0, 0));
}

#[test]
fn while_nobody_takes_anything_more_of_the_same_adds_up() {
    let mut port = connected(3_000, 3_000);
    for _ in 0..1_000 {
        input(&mut port, bytes(OURS, b"abc"));
        input(&mut port, writable(OURS, 2));
        command(&mut port, write(OURS, b"xyz"));
        command(&mut port, read(OURS, 1));
    }
    assert_eq!((figure(&port, "receive_bytes"), figure(&port, "send_bytes")), (3_000, 3_000));
    assert_eq!(events(&mut port), [bytes(OURS, &b"abc".repeat(1_000)), writable(OURS, 2_000)]);
    let sent = transmits(&mut port);
    assert_eq!(sent[0], read(OURS, 1_000));
    assert!(sent.len() <= 2 + 2 * 3_000 / JOIN, "{sent:?}");
    let mut stream = BytesMut::new();
    for transmit in &sent[1..] {
        let StreamTransmit::Write { payload, .. } = transmit else { panic!("{transmit:?}") };
        payload.write_to(&mut stream);
    }
    assert_eq!(stream, b"xyz".repeat(1_000)[..]);
    assert_eq!((figure(&port, "receive_bytes"), figure(&port, "send_bytes")), (0, 0));
}

#[test]
fn a_large_write_is_handed_on_as_it_is() {
    let mut port = connected(0, 100_000);
    let body = Bytes::from(vec![7; 50_000]);
    let mut payload = Payload::new(body.clone());
    payload.prepend(b"header");
    command(&mut port, write(OURS, b"small"));
    command(&mut port, StreamTransmit::Write { id: OURS, payload });
    let sent = transmits(&mut port);
    let [_, StreamTransmit::Write { payload, .. }] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((payload.head(), payload.body().as_ptr()), (&b"header"[..], body.as_ptr()));
}

#[test]
fn who_writes_more_than_the_credit_loses_the_connection_and_no_bytes_out_of_its_middle() {
    let mut port = connected(10, 10);
    command(&mut port, write(OURS, b"0123456789"));
    command(&mut port, write(OURS, b"!"));
    assert_eq!(transmits(&mut port), [StreamTransmit::Abort { id: OURS }]);
    assert_eq!(events(&mut port), []);
    input(&mut port, closed(OURS, StreamEnd::Aborted));
    assert_eq!(events(&mut port), [closed(OURS, StreamEnd::Overrun)]);

    let mut port = connected(10, 10);
    input(&mut port, bytes(OURS, b"0123456789"));
    input(&mut port, bytes(OURS, b"!"));
    assert_eq!(events(&mut port), []);
    assert_eq!(transmits(&mut port), [StreamTransmit::Abort { id: OURS }]);
    input(&mut port, closed(OURS, StreamEnd::Aborted));
    assert_eq!(events(&mut port), [closed(OURS, StreamEnd::Overrun)]);
    assert_eq!((figure(&port, "overrun"), figure(&port, "receive_bytes")), (1, 0));
}

#[test]
fn nothing_may_be_written_before_it_is_open_or_after_we_finished() {
    let mut port = port();
    command(&mut port, open(OURS));
    transmits(&mut port);
    command(&mut port, StreamTransmit::Finish { id: OURS });
    command(&mut port, write(OURS, b""));
    assert_eq!(transmits(&mut port), []);
    command(&mut port, write(OURS, b"too early"));
    assert_eq!(transmits(&mut port), [StreamTransmit::Abort { id: OURS }]);

    let mut port = connected(0, 100);
    command(&mut port, StreamTransmit::Finish { id: OURS });
    command(&mut port, StreamTransmit::Finish { id: OURS });
    command(&mut port, write(OURS, b"too late"));
    assert_eq!(transmits(&mut port), [StreamTransmit::Finish { id: OURS }]);
    assert_eq!(figure(&port, "misused"), 2);
}

#[test]
fn of_what_was_aborted_only_its_end_is_heard() {
    let mut port = connected(100, 100);
    command(&mut port, write(OURS, b"lost"));
    input(&mut port, bytes(OURS, b"lost too"));
    command(&mut port, StreamTransmit::Abort { id: OURS });
    // The driver has not heard of it yet; nor does the layer give up at once.
    input(&mut port, bytes(OURS, b"late"));
    input(&mut port, writable(OURS, 1));
    input(&mut port, StreamInput::Finished { id: OURS });
    command(&mut port, write(OURS, b"late"));
    command(&mut port, read(OURS, 1));
    command(&mut port, StreamTransmit::Abort { id: OURS });
    assert_eq!(events(&mut port), []);
    assert_eq!(transmits(&mut port), [StreamTransmit::Abort { id: OURS }]);
    assert_eq!(figure(&port, "streams_opened"), 1, "the driver has it still");
    input(&mut port, closed(OURS, StreamEnd::Reset));
    assert_eq!(events(&mut port), [closed(OURS, StreamEnd::Aborted)]);
    assert_eq!((figure(&port, "late"), figure(&port, "stray")), (6, 0));
    assert_eq!(figure(&port, "streams_opened"), 0);
}

#[test]
fn what_the_driver_never_heard_of_is_over_at_once() {
    let mut port = port();
    command(&mut port, open(OURS));
    command(&mut port, StreamTransmit::Abort { id: OURS });
    assert_eq!(transmits(&mut port), []);
    assert_eq!(events(&mut port), [closed(OURS, StreamEnd::Aborted)]);
}

#[test]
fn what_arrived_before_a_reset_is_heard_before_it() {
    let mut port = connected(100, 100);
    command(&mut port, write(OURS, b"lost"));
    input(&mut port, bytes(OURS, b"the last words"));
    input(&mut port, closed(OURS, StreamEnd::Reset));
    assert_eq!(transmits(&mut port), []);
    let heard = [bytes(OURS, b"the last words"), closed(OURS, StreamEnd::Reset)];
    assert_eq!(events(&mut port), heard);
}

#[test]
fn a_name_is_never_used_again() {
    let mut port = connected(0, 0);
    input(&mut port, closed(OURS, StreamEnd::Refused));
    events(&mut port);
    for id in [OURS, StreamId::accepted(7)] {
        command(&mut port, open(id));
    }
    assert_eq!(transmits(&mut port), []);
    assert_eq!(figure(&port, "misused"), 2);
    input(&mut port, accepted(StreamId::accepted(3)));
    input(&mut port, closed(StreamId::accepted(3), StreamEnd::Reset));
    assert_eq!(events(&mut port).len(), 2);
    for id in [StreamId::accepted(3), StreamId::accepted(0), StreamId::opened(9)] {
        input(&mut port, accepted(id));
        input(&mut port, bytes(id, b"whose?"));
    }
    assert_eq!(events(&mut port), []);
    assert_eq!(figure(&port, "stray"), 6);
}

#[test]
fn the_two_kinds_of_names_have_nothing_in_common() {
    let all = (0..100).flat_map(|number| [StreamId::opened(number), StreamId::accepted(number)]);
    let all: Vec<_> = all.collect();
    for (nth, id) in all.iter().enumerate() {
        assert_eq!((id.number(), id.is_accepted()), (nth as u64 / 2, nth % 2 == 1));
        assert_eq!(all.iter().filter(|other| *other == id).count(), 1);
    }
    assert_eq!(alloc::format!("{OURS:?}, {THEIRS:?}"), "opened 0, accepted 0");
}

#[test]
fn connections_above_the_cap_are_turned_away_and_there_is_room_once_one_is_over() {
    let mut port = port();
    for number in 0..5 {
        input(&mut port, accepted(StreamId::accepted(number)));
    }
    let heard: Vec<_> = (0..3).map(|number| accepted(StreamId::accepted(number))).collect();
    assert_eq!(events(&mut port), heard);
    let away = [3, 4].map(|number| StreamTransmit::Abort { id: StreamId::accepted(number) });
    assert_eq!(transmits(&mut port), away);
    input(&mut port, closed(StreamId::accepted(3), StreamEnd::Aborted));
    assert_eq!(events(&mut port), [], "nobody heard of it");
    input(&mut port, closed(StreamId::accepted(1), StreamEnd::Gone));
    input(&mut port, accepted(StreamId::accepted(5)));
    let heard = [closed(StreamId::accepted(1), StreamEnd::Gone), accepted(StreamId::accepted(5))];
    assert_eq!(events(&mut port), heard);
    assert_eq!((figure(&port, "streams_accepted"), figure(&port, "turned_away")), (3, 2));

    for number in 0..4 {
        command(&mut port, open(StreamId::opened(number)));
    }
    let tried: Vec<_> = (0..3).map(|number| open(StreamId::opened(number))).collect();
    assert_eq!(transmits(&mut port), tried);
    assert_eq!(events(&mut port), [closed(StreamId::opened(3), StreamEnd::Full)]);
}

#[test]
fn every_reason_says_in_words_what_happened() {
    let all = [
        StreamEnd::Finished,
        StreamEnd::Aborted,
        StreamEnd::Reset,
        StreamEnd::Refused,
        StreamEnd::TimedOut,
        StreamEnd::Unreachable,
        StreamEnd::Gone,
        StreamEnd::Full,
        StreamEnd::Overrun,
    ];
    let texts: alloc::collections::BTreeSet<_> =
        all.iter().map(|reason| alloc::format!("{reason}")).collect();
    assert_eq!(texts.len(), all.len());
    assert!(texts.iter().all(|text| text.len() > 10 && !text.ends_with('.')));
}
