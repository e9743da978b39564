//! What lies between the nodes. While the network runs nobody changes it.

use super::course::{Course, LAYERS, Way};
use super::faults::Faults;
use super::loss::Loss;
use super::nat::Nats;
use super::partition::{Partition, PartitionId};
use super::place::{ByAddr, Place};
use super::sampling::Samples;
use super::verdict::{Passing, Verdict, Verdicts};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use tellask::MemoryAddr;

/// How large a datagram on a way may be, and whether its sender learns of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mtu {
    /// The largest, in bytes.
    pub bytes: usize,
    /// Whether who sends a larger one is told, as by an ICMP message. Otherwise the way is a black hole for them.
    pub tells: bool,
}

/// The ways between nodes.
#[derive(Debug)]
pub(super) struct Links {
    pub(super) seed: u64,
    /// The largest datagram.
    pub(super) mtu: usize,
    pub(super) mtus: BTreeMap<(MemoryAddr, MemoryAddr), Mtu>,
    /// On every way that has none of its own.
    pub(super) faults: Faults,
    pub(super) ways: BTreeMap<(MemoryAddr, MemoryAddr), Faults>,
    /// Out of nodes and into them, beside what is of the way.
    pub(super) leaving: BTreeMap<MemoryAddr, Faults>,
    pub(super) entering: BTreeMap<MemoryAddr, Faults>,
    pub(super) places: ByAddr<Place>,
    pub(super) samples: Samples,
    pub(super) cuts: BTreeSet<(MemoryAddr, MemoryAddr)>,
    pub(super) partitions: Vec<(PartitionId, Partition)>,
    /// How many there ever were.
    pub(super) parted: u64,
    pub(super) nats: Nats,
    /// In place of all draws.
    pub(super) listed: Option<Verdicts>,
}

impl Links {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            mtu: 1_400,
            mtus: BTreeMap::new(),
            faults: Faults::NONE,
            ways: BTreeMap::new(),
            leaving: BTreeMap::new(),
            entering: BTreeMap::new(),
            places: ByAddr::new(),
            samples: Samples::default(),
            cuts: BTreeSet::new(),
            partitions: Vec::new(),
            parted: 0,
            nats: Nats::default(),
            listed: None,
        }
    }

    /// What becomes of this datagram of `len` bytes, on a way in this state.
    pub(super) fn judge(&self, which: Passing, len: usize, way: &mut Way) -> Verdict {
        if let Some(listed) = &self.listed {
            return listed.get(&which).copied().unwrap_or_else(|| self.plain(which));
        }
        let layers = self.layers(which);
        Verdict::draw(&Course::new(self.seed, which, len, layers, &self.samples, way))
    }

    /// What becomes of it where nothing happens to it.
    pub(super) fn plain(&self, which: Passing) -> Verdict {
        let (layers, travel) = self.layers(which);
        let delays = layers.iter().flatten().map(|faults| faults.delay);
        let least = delays.fold(travel, Duration::saturating_add);
        Verdict::plain(least.max(Duration::from_nanos(1)))
    }

    /// Why nothing gets from `src` to `dst`, if nothing does.
    pub(super) fn blocks(&self, src: MemoryAddr, dst: MemoryAddr) -> Option<Loss> {
        if !self.cuts.is_empty() && self.cuts.contains(&(src, dst)) {
            return Some(Loss::Cut);
        }
        let mut partitions = self.partitions.iter();
        partitions.any(|(_, partition)| partition.blocks(src, dst)).then_some(Loss::Partition)
    }

    /// Why a datagram of `len` bytes is too large from `src` to `dst`, and what the limit is, if it is.
    pub(super) fn refuses(
        &self,
        src: MemoryAddr,
        dst: MemoryAddr,
        len: usize,
    ) -> Option<(Loss, usize)> {
        let own = if self.mtus.is_empty() { None } else { self.mtus.get(&(src, dst)) };
        // The smallest of which the sender can know.
        let known = own.filter(|own| own.tells).map_or(self.mtu, |own| own.bytes.min(self.mtu));
        if len > known {
            return Some((Loss::TooLarge, known));
        }
        let own = own.filter(|own| len > own.bytes)?;
        Some((Loss::BlackHole, own.bytes))
    }

    /// No datagram takes less: for so long what a node sends concerns nobody else.
    pub(super) fn least_delay(&self) -> Duration {
        let delays = self.ways.values().map(|faults| faults.delay);
        delays.fold(self.faults.delay, Duration::min).max(Duration::from_nanos(1))
    }

    /// The faults on a way, and how long the distance takes.
    fn layers(&self, which: Passing) -> ([Option<&Faults>; LAYERS], Duration) {
        let (src, dst) = (which.src, self.nats.target(which.dst));
        let own = if self.ways.is_empty() { None } else { self.ways.get(&(src, dst)) };
        let way = own.unwrap_or(&self.faults);
        let travel = if self.places.is_empty() {
            None
        } else {
            self.places.get(src).zip(self.places.get(dst)).map(|(src, dst)| src.travel(dst))
        };
        let layers = [Some(way), self.leaving.get(&src), self.entering.get(&dst)];
        (layers, travel.unwrap_or_default())
    }
}
