//! QUIC among ourselves and with others.

#![allow(clippy::wildcard_enum_match_arm, reason = "a test names what it looks for")]

mod anyone;
mod laws;
mod plain;
mod same_bytes;

use tellask::identity::SecretKey;
use tellask::quic::{Quic, Setup};
use tellask::swarm::Link;
use tellask::{Event, Instant, Layer, Limits, MemoryAddr, PeerAddr, Seed};

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed(&[number; 32])
}

fn peer(number: u8) -> PeerAddr<MemoryAddr> {
    PeerAddr { id: key(number).id(), addr: MemoryAddr(number.into()) }
}

/// The largest datagram in memory.
const MTU: usize = 1_400;

/// A node in memory, at the address of its number, over a side below that is the test's.
fn node(number: u8, seed: &Seed, limits: &Limits) -> Quic<MemoryAddr> {
    let epoch = std::time::Instant::now().into();
    let setup = Setup { migrates: true, ..Setup::new(key(number), seed, epoch, limits) };
    let mut node = Quic::new(setup).expect("there is TLS");
    let local = vec![MemoryAddr(number.into())];
    let link = Event::Link(Link { local, unit: MTU, tell_max: MTU, ask_max: 0 });
    node.handle_input(Instant::ZERO, link);
    node
}
