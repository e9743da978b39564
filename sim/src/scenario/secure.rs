//! Secure nodes for scenarios: p2pke on the datagram port, everything derived from the seed.

use crate::toy;
use core::fmt;
use core::str::FromStr;
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

/// How true to the real thing the cryptography is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Suite {
    /// The protocol's own.
    #[default]
    Own,
    /// One of the [same lengths](crate::toy) that takes next to no time.
    Toy,
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Own => "own",
            Self::Toy => "toy",
        })
    }
}

impl FromStr for Suite {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "own" => Ok(Self::Own),
            "toy" => Ok(Self::Toy),
            _ => Err("a suite is `own`, the protocol's, or `toy`"),
        }
    }
}

/// The key of the node `number`. Its name is the same with either suite.
#[must_use]
pub fn key(seed: u64, number: u32, suite: Suite) -> SecretKey {
    let mut rng = Seed::from_u64(seed).child("sim.key").rng(&number.to_string());
    let mut seed = [0; 32];
    rng.fill(&mut seed);
    match suite {
        Suite::Own => SecretKey::from_seed(&seed),
        Suite::Toy => toy::key(&seed),
    }
}

/// The address of the node `number`: it is at the address of that number.
#[must_use]
pub fn addr(seed: u64, number: u32) -> PeerAddr<MemoryAddr> {
    PeerAddr { id: key(seed, number, Suite::Own).id(), addr: MemoryAddr(number) }
}

/// How the nodes of a scenario are made.
#[derive(Clone, Debug)]
pub struct Made {
    /// The protocol's times.
    pub timing: Timing,
    /// The bounds of each node.
    pub limits: Limits,
    /// Its cryptography.
    pub suite: Suite,
}

impl Default for Made {
    fn default() -> Self {
        Self { timing: Timing::DEFAULT, limits: Limits::default(), suite: Suite::Own }
    }
}

/// The stack of the node `number` in its `life`-th life: the key stays, all other secrets are new.
#[must_use]
pub fn node(seed: u64, number: u32, life: u32, made: &Made) -> Secure {
    let Made { timing, limits, suite } = made;
    let secret = Seed::from_u64(seed).child("sim.node").child(&format!("{number}/{life}"));
    let clock = Anchor { at: Instant::ZERO, date: UnixTime::new(DATE, 0) };
    let layer = P2pke::new(key(seed, number, *suite), &secret, clock, Accept::Anyone, limits);
    Stack::new(DatagramPort::new(limits), layer.with_timing(*timing))
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
