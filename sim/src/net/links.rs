//! What lies between the nodes. While the network runs nobody changes it.

use super::faults::Faults;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use tellask::MemoryAddr;

/// The ways between nodes.
#[derive(Debug)]
pub(super) struct Links {
    pub(super) seed: u64,
    /// The largest datagram.
    pub(super) mtu: usize,
    /// On every way that has none of its own.
    pub(super) faults: Faults,
    pub(super) ways: BTreeMap<(MemoryAddr, MemoryAddr), Faults>,
    pub(super) cuts: BTreeSet<(MemoryAddr, MemoryAddr)>,
}

impl Links {
    pub(super) const fn new(seed: u64) -> Self {
        Self {
            seed,
            mtu: 1_400,
            faults: Faults::NONE,
            ways: BTreeMap::new(),
            cuts: BTreeSet::new(),
        }
    }

    pub(super) fn faults(&self, src: MemoryAddr, dst: MemoryAddr) -> &Faults {
        if self.ways.is_empty() {
            return &self.faults;
        }
        self.ways.get(&(src, dst)).unwrap_or(&self.faults)
    }

    pub(super) fn is_cut(&self, src: MemoryAddr, dst: MemoryAddr) -> bool {
        !self.cuts.is_empty() && self.cuts.contains(&(src, dst))
    }

    /// No datagram takes less: for so long what a node sends concerns nobody else.
    pub(super) fn least_delay(&self) -> Duration {
        let delays = self.ways.values().map(|faults| faults.delay);
        delays.fold(self.faults.delay, Duration::min).max(Duration::from_nanos(1))
    }
}
