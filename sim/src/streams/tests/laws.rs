//! The port keeps the laws.

use super::*;
use crate::laws::{Call, CallOf, Subject, check};
use tellask::seed::Rng;
use tellask::{BytesMut, Seed};

/// A port with a few connections, whose sides say anything about any of them.
struct Subjected {
    /// Whether there is more credit than at first.
    generous: bool,
}

/// Names that are in use now and then, and their rising numbers.
fn id(rng: &mut Rng) -> StreamId {
    let number = rng.below(6);
    if rng.chance(1, 2) { StreamId::opened(number) } else { StreamId::accepted(number) }
}

/// Bytes of credit for each direction of a connection, at first and in one call at the most.
const CREDIT: usize = 100;

impl Subjected {
    fn credit(&self, rng: &mut Rng) -> usize {
        if self.generous { rng.below(CREDIT as u64) as usize } else { 0 }
    }

    fn most(&self) -> u64 {
        let calls = if self.generous { 4 + STEPS } else { 4 };
        (calls * CREDIT) as u64
    }
}

impl Subject for Subjected {
    type Layer = Port;

    fn make(&self, _: &Seed) -> Port {
        let mut limits = Limits::default();
        (limits.peers, limits.half_open, limits.dialling) = (3, 1, 1);
        Port::new(&limits)
    }

    fn opening(&self, _: &Seed) -> Vec<CallOf<Port>> {
        let (local, remote) = (A, B);
        let mut calls = Vec::new();
        for number in 0..2 {
            let (ours, theirs) = (StreamId::opened(number), StreamId::accepted(number));
            calls.push(Call::Command(StreamTransmit::Open { id: ours, dst: B }));
            calls.push(Call::Input(StreamInput::Accepted { id: theirs, local, remote }));
            calls.push(Call::Input(StreamInput::Opened { id: ours, local, remote }));
            for id in [ours, theirs] {
                calls.push(Call::Command(StreamTransmit::Read { id, bytes: CREDIT }));
                calls.push(Call::Input(StreamInput::Writable { id, bytes: CREDIT }));
            }
        }
        calls
    }

    fn input(&self, rng: &mut Rng) -> Input {
        let (id, local, remote) = (id(rng), A, B);
        match rng.below(32) {
            0 => StreamInput::Bound { local: vec![A; rng.below(3) as usize] },
            1..4 => StreamInput::Opened { id, local, remote },
            4..8 => StreamInput::Accepted { id, local, remote },
            8 => StreamInput::Finished { id },
            9 | 10 => StreamInput::Closed { id, reason: StreamEnd::Reset },
            11..17 => StreamInput::Writable { id, bytes: self.credit(rng) },
            _ => {
                let mut bytes = BytesMut::zeroed(rng.below(60) as usize);
                rng.fill(&mut bytes);
                StreamInput::Bytes { id, bytes }
            }
        }
    }

    fn command(&self, rng: &mut Rng) -> StreamTransmit<MemoryAddr> {
        let id = id(rng);
        match rng.below(32) {
            0..6 => StreamTransmit::Open { id, dst: B },
            6 => StreamTransmit::Finish { id },
            7 => StreamTransmit::Abort { id },
            8..14 => StreamTransmit::Read { id, bytes: self.credit(rng) },
            _ => StreamTransmit::Write { id, payload: vec![7; rng.below(60) as usize].into() },
        }
    }

    fn hostile(&self, rng: &mut Rng) -> Option<Input> {
        // Of a connection that never was.
        let id = StreamId::accepted(1 << 40 | rng.u64() >> 32);
        Some(match rng.below(5) {
            0 => StreamInput::Finished { id },
            1 => StreamInput::Closed { id, reason: StreamEnd::Gone },
            2 => StreamInput::Writable { id, bytes: 1 },
            3 => StreamInput::Opened { id, local: A, remote: B },
            _ => StreamInput::Bytes { id, bytes: BytesMut::from(&b"whose?"[..]) },
        })
    }

    fn bounds(&self) -> Vec<(String, u64)> {
        vec![
            ("stream.streams_opened".into(), 4),
            ("stream.streams_accepted".into(), 4),
            // As much as there is credit for: of the opening's four connections, where there is no more.
            ("stream.receive_bytes".into(), self.most()),
            ("stream.send_bytes".into(), self.most()),
        ]
    }
}

const STEPS: usize = 200;

fn keeps_the_laws(generous: bool) {
    for seed in 0..48 {
        if let Err(violation) = check(&Subjected { generous }, seed, STEPS) {
            panic!("{violation}");
        }
    }
}

#[test]
fn the_stream_port_keeps_the_laws() {
    keeps_the_laws(true);
}

#[test]
fn a_stream_port_without_further_credit_holds_no_more_than_there_was() {
    keeps_the_laws(false);
}
