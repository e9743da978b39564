//! Where the node at an address is kept.

use std::collections::BTreeMap;
use tellask::MemoryAddr;

/// Addresses below this, divided by the number of shards, are looked up in an array.
const NEAR: u32 = 1 << 22;
const NOBODY: u32 = u32::MAX;

/// The places of those addresses that leave the same remainder when they are divided by `of`.
#[derive(Debug)]
pub(super) struct Directory {
    of: u32,
    near: Vec<u32>,
    far: BTreeMap<MemoryAddr, u32>,
}

impl Directory {
    pub(super) const fn new(of: u32) -> Self {
        Self { of, near: Vec::new(), far: BTreeMap::new() }
    }

    pub(super) fn get(&self, addr: MemoryAddr) -> Option<usize> {
        let near = addr.0 / self.of;
        let place = if near < NEAR { self.near.get(near as usize) } else { self.far.get(&addr) };
        place.filter(|place| **place != NOBODY).map(|place| *place as usize)
    }

    pub(super) fn insert(&mut self, addr: MemoryAddr, place: usize) {
        let near = addr.0 / self.of;
        if near >= NEAR {
            self.far.insert(addr, place as u32);
            return;
        }
        if self.near.len() <= near as usize {
            self.near.resize(near as usize + 1, NOBODY);
        }
        if let Some(slot) = self.near.get_mut(near as usize) {
            *slot = place as u32;
        }
    }

    pub(super) fn remove(&mut self, addr: MemoryAddr) -> Option<usize> {
        let found = self.get(addr)?;
        let near = addr.0 / self.of;
        match self.near.get_mut(near as usize) {
            Some(place) if near < NEAR => *place = NOBODY,
            _ => drop(self.far.remove(&addr)),
        }
        Some(found)
    }
}
