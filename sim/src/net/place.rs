//! Where nodes are, and what is kept by their addresses.

use core::time::Duration;
use std::collections::BTreeMap;
use tellask::MemoryAddr;

/// A place in space. One unit of it is one microsecond of travel, so a datagram takes as many microseconds
/// longer as the two places are apart. In a plane `z` is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// To the east.
    pub x: i32,
    /// To the north.
    pub y: i32,
    /// Upwards.
    pub z: i32,
}

impl Place {
    /// How long the way to another place takes, to the nanosecond, rounded down.
    #[must_use]
    pub fn travel(self, to: Self) -> Duration {
        let square = |one: i32, other: i32| {
            let apart = one.abs_diff(other) as u128 * 1_000;
            apart * apart
        };
        let squares = square(self.x, to.x) + square(self.y, to.y) + square(self.z, to.z);
        Duration::from_nanos(squares.isqrt() as u64)
    }
}

/// Addresses below this are looked up in an array.
const NEAR: u32 = 1 << 20;

/// What is known of addresses: looking one up takes the same time however many there are, as long as they
/// are near zero. Memory follows the greatest of those.
#[derive(Clone, Debug)]
pub(super) struct ByAddr<T> {
    near: Vec<Option<T>>,
    far: BTreeMap<MemoryAddr, T>,
}

impl<T: Copy> ByAddr<T> {
    pub(super) const fn new() -> Self {
        Self { near: Vec::new(), far: BTreeMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.near.is_empty() && self.far.is_empty()
    }

    pub(super) fn get(&self, addr: MemoryAddr) -> Option<T> {
        if addr.0 < NEAR {
            return self.near.get(addr.0 as usize).copied().flatten();
        }
        self.far.get(&addr).copied()
    }

    pub(super) fn set(&mut self, addr: MemoryAddr, value: Option<T>) {
        if addr.0 >= NEAR {
            match value {
                Some(value) => drop(self.far.insert(addr, value)),
                None => drop(self.far.remove(&addr)),
            }
            return;
        }
        let at = addr.0 as usize;
        if self.near.len() <= at && value.is_some() {
            self.near.resize(at + 1, None);
        }
        if let Some(slot) = self.near.get_mut(at) {
            *slot = value;
        }
    }
}

impl<T: Copy> Default for ByAddr<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn travel_is_as_long_as_the_places_are_apart_both_ways_and_at_the_ends_of_the_world() {
        let at = |x, y, z| Place { x, y, z };
        let (one, other) = (at(-1_000, 2_000, 500), at(2_000, 6_000, 500));
        assert_eq!(one.travel(other), Duration::from_millis(5));
        assert_eq!(other.travel(one), Duration::from_millis(5));
        assert_eq!(at(0, 0, 0).travel(at(1, 1, 0)), Duration::from_nanos(1_414));
        assert_eq!(one.travel(one), Duration::ZERO);
        let (low, high) = (at(i32::MIN, i32::MIN, i32::MIN), at(i32::MAX, i32::MAX, i32::MAX));
        assert_eq!(low.travel(high).as_secs(), 7_439);
    }

    #[test]
    fn what_is_set_is_found_near_and_far_until_it_is_taken_away() {
        let mut known = ByAddr::new();
        let addrs = [0, 5, NEAR - 1, NEAR, u32::MAX].map(MemoryAddr);
        assert!(known.is_empty());
        for addr in addrs {
            assert_eq!(known.get(addr), None);
            known.set(addr, None);
            assert_eq!(known.get(addr), None);
            known.set(addr, Some(addr.0));
        }
        assert!(addrs.iter().all(|addr| known.get(*addr) == Some(addr.0)));
        assert_eq!(known.get(MemoryAddr(4)), None);
        addrs.iter().for_each(|addr| known.set(*addr, None));
        assert!(addrs.iter().all(|addr| known.get(*addr).is_none()));
    }
}
