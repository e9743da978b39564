//! Secure nodes for scenarios: p2pke on the datagram port, everything derived from the seed.

use core::time::Duration;
use tellask::identity::SecretKey;
use tellask::p2pke::P2pke;
use tellask::p2pke::channel::Timing;
use tellask::swarm::Accept;
use tellask::time::{Anchor, UnixTime};
use tellask::{DatagramPort, Instant, Limits, MemoryAddr, PeerAddr, Seed, Stack};

/// The stack of a secure node in memory.
pub type Secure = Stack<DatagramPort<MemoryAddr>, P2pke<MemoryAddr>>;

/// The date at the epoch of every simulation: seconds since 1970.
pub const DATE: u64 = 1_800_000_000;

/// The key of the node `number`.
#[must_use]
pub fn key(seed: u64, number: u32) -> SecretKey {
    let seed = Seed::from_u64(seed).child("sim.key");
    SecretKey::generate(&mut seed.rng(&number.to_string()))
}

/// The address of the node `number`: it is at the address of that number.
#[must_use]
pub fn addr(seed: u64, number: u32) -> PeerAddr<MemoryAddr> {
    PeerAddr { id: key(seed, number).id(), addr: MemoryAddr(number) }
}

/// The stack of the node `number` in its `life`-th life: the key stays, all other secrets are new.
#[must_use]
pub fn node(seed: u64, number: u32, life: u32, timing: Timing, limits: &Limits) -> Secure {
    let secret = Seed::from_u64(seed).child("sim.node").child(&format!("{number}/{life}"));
    let clock = Anchor { at: Instant::ZERO, date: UnixTime::new(DATE, 0) };
    let layer = P2pke::new(key(seed, number), &secret, clock, Accept::Anyone, limits);
    Stack::new(DatagramPort::new(limits), layer.with_timing(timing))
}

/// The protocol's times where sessions are renewed every second: whatever stands in relation to
/// the age of a session is shortened with it.
#[must_use]
pub const fn timing() -> Timing {
    let mut timing = Timing::DEFAULT;
    timing.rekey_after = Duration::from_secs(1);
    timing.hello_lifetime = Duration::from_secs(2);
    timing.handshake_timeout = Duration::from_secs(4);
    timing.reject_after = Duration::from_secs(13);
    timing
}
