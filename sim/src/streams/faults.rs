//! What a network does to connections.

use super::segment::{Connection, Side};
use crate::net::{Chance, Draw};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use tellask::{Instant, MemoryAddr};

/// What happens to connections on one way, and how large their buffers are. The draws about one connection concern
/// no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Faults {
    /// How long everything takes. At least a nanosecond passes.
    pub delay: Duration,
    /// How much longer it takes at the most, evenly spread. What comes behind waits: nothing is overtaken.
    pub jitter: Duration,
    /// Of all that is sent on a connection, how often it is held up, with all that comes behind.
    pub stall: Chance,
    /// For how long at the most, evenly spread.
    pub stall_for: Duration,
    /// Bits a second, on each connection by itself; `None` where that is no matter.
    pub rate: Option<u64>,
    /// Bytes that travel, and that are read, in one piece at the most. Zero counts as one.
    pub segment: usize,
    /// How often a piece is cut shorter, at any length from one, both where it is sent and where it is read.
    pub chop: Chance,
    /// Bytes written that wait to be sent at the most. Zero counts as one.
    pub send_buffer: usize,
    /// Bytes sent that were not read at the most, on the way or at the destination. Zero counts as one.
    pub receive_buffer: usize,
    /// Of connections, how often the destination refuses one.
    pub refuse: Chance,
    /// Of connections, how often one is reset, at either end.
    pub reset: Chance,
    /// Of connections, how often one vanishes without a word: nothing gets through on it any more.
    pub vanish: Chance,
    /// How long after it was dialled either happens at the most; much earlier times are as likely as late ones, so
    /// that connections are hit while they open too.
    pub within: Duration,
    /// After how long a connection that nobody answers is given up.
    pub connect_timeout: Duration,
    /// After how long without a sign of the peer an open connection is: the work of keepalive and of segments that
    /// are sent again in vain.
    pub gone_after: Duration,
}

impl Faults {
    /// Ten milliseconds and 64 KiB of either buffer, and nothing else happens.
    pub const NONE: Self = Self {
        delay: Duration::from_millis(10),
        jitter: Duration::ZERO,
        stall: Chance::NEVER,
        stall_for: Duration::ZERO,
        rate: None,
        segment: 1_460,
        chop: Chance::NEVER,
        send_buffer: 64 * 1_024,
        receive_buffer: 64 * 1_024,
        refuse: Chance::NEVER,
        reset: Chance::NEVER,
        vanish: Chance::NEVER,
        within: Duration::from_secs(60),
        connect_timeout: Duration::from_secs(20),
        gone_after: Duration::from_secs(30),
    };

    /// How long this piece takes, and how much of that it is stalled.
    pub(super) fn time(&self, draw: Draw) -> (Duration, Duration) {
        let stalls = self.stall.happens(draw, "stall");
        let stall = if stalls { draw.up_to("stalled for", self.stall_for) } else { Duration::ZERO };
        let time = self.delay.saturating_add(draw.up_to("jitter", self.jitter));
        (time.saturating_add(stall).max(Duration::from_nanos(1)), stall)
    }

    /// How long the line is busy with so many bytes.
    pub(super) fn busy(&self, bytes: usize) -> Duration {
        let Some(rate) = self.rate else { return Duration::ZERO };
        let nanos = (bytes as u128 * 8 * 1_000_000_000).div_ceil(u128::from(rate.max(1)));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How many of so many bytes, at least one, go in one piece.
    pub(super) fn piece(&self, draw: Draw, bytes: usize) -> usize {
        let most = bytes.min(self.segment.max(1));
        if self.chop.happens(draw, "chop") {
            return 1 + draw.below("length", most as u64) as usize;
        }
        most
    }

    /// What becomes of a connection that is dialled now.
    pub(super) fn fate(&self, draw: Draw, now: Instant) -> Fate {
        let soon = self.within / (1 << draw.below("magnitude", 16));
        let at = now + draw.up_to("when", soon).max(Duration::from_nanos(1));
        if self.reset.happens(draw, "reset") {
            let side = if draw.below("side", 2) == 0 { Side::Dialer } else { Side::Listener };
            return Fate::Reset { at, side };
        }
        if self.vanish.happens(draw, "vanish") { Fate::Vanishes { at } } else { Fate::Lives }
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self::NONE
    }
}

/// What is to become of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Lives,
    Reset { at: Instant, side: Side },
    Vanishes { at: Instant },
}

/// The ways between nodes.
#[derive(Debug)]
pub(super) struct Links {
    pub(super) seed: u64,
    /// On every way that has none of its own.
    pub(super) faults: Faults,
    pub(super) ways: BTreeMap<(MemoryAddr, MemoryAddr), Faults>,
    pub(super) cuts: BTreeSet<(MemoryAddr, MemoryAddr)>,
    /// Connections that were made to vanish before they had reached their destination.
    pub(super) vanished: BTreeSet<Connection>,
}

impl Links {
    pub(super) const fn new(seed: u64) -> Self {
        Self {
            seed,
            faults: Faults::NONE,
            ways: BTreeMap::new(),
            cuts: BTreeSet::new(),
            vanished: BTreeSet::new(),
        }
    }

    pub(super) fn faults(&self, src: MemoryAddr, dst: MemoryAddr) -> &Faults {
        self.ways.get(&(src, dst)).unwrap_or(&self.faults)
    }

    pub(super) fn is_cut(&self, src: MemoryAddr, dst: MemoryAddr) -> bool {
        self.cuts.contains(&(src, dst))
    }

    /// The draws about a connection.
    pub(super) const fn draw(&self, connection: Connection) -> Draw {
        let Connection { dialer, listener, number } = connection;
        Draw::new(self.seed, dialer.0, listener.0, number)
    }
}
