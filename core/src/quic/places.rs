//! Addresses as quinn-proto has them.
//!
//! It knows nodes by socket addresses only. Each address of the swarm below that it has to do with has a place here,
//! and the place has an IPv6 address that stands for it: a number that no other place has had before.
//!
//! Bounds: there are so many places; those that a connection uses are kept, of the others the one
//! that was used the longest time ago makes room. Strangers cannot take the place of a connection.

use crate::seed::Seed;
use crate::table::{Slot, Table};
use alloc::collections::BTreeSet;
use core::hash::{Hash, Hasher};
use core::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The upper half of all addresses that stand for others: unique local ones (RFC 4193).
const PREFIX: u64 = 0xfd74_656c_6c61_736b;
/// Their port.
const PORT: u16 = 443;

/// Which address of the swarm below stands for which of quinn-proto's.
#[derive(Debug)]
pub(super) struct Places<A> {
    table: Table<A, Place>,
    /// Those that no connection uses, by when they were used last.
    spare: BTreeSet<(u64, Slot)>,
    max: usize,
    /// Counts up with each use, and with each place.
    uses: u64,
    made: u32,
}

#[derive(Clone, Copy, Debug, Hash)]
struct Place {
    /// Which of all places that there have been.
    number: u32,
    used: u64,
    connections: u32,
}

impl<A: Hash + Eq + Clone> Places<A> {
    pub(super) fn new(seed: &Seed, max: usize) -> Self {
        let table = Table::new(&seed.child("places"));
        Self { table, spare: BTreeSet::new(), max: max.max(1), uses: 0, made: 0 }
    }

    /// The address that stands for this one; `None` where all places are in use.
    pub(super) fn stand_in(&mut self, addr: &A) -> Option<SocketAddr> {
        self.uses += 1;
        let uses = self.uses;
        if let Some(slot) = self.table.first(addr) {
            let place = self.table.get_mut(slot)?;
            if place.connections == 0 {
                self.spare.remove(&(place.used, slot));
                self.spare.insert((uses, slot));
            }
            place.used = uses;
            return Some(socket_addr(place.number, slot));
        }
        if self.table.len() >= self.max {
            let (_, oldest) = self.spare.pop_first()?;
            self.table.remove(oldest);
        }
        let number = self.made;
        self.made = self.made.wrapping_add(1);
        let slot = self.table.insert(addr.clone(), Place { number, used: uses, connections: 0 });
        self.spare.insert((uses, slot));
        Some(socket_addr(number, slot))
    }

    /// What that address stands for, as long as it has its place.
    pub(super) fn addr(&self, stand_in: SocketAddr) -> Option<&A> {
        self.table.addr(self.slot(stand_in)?)
    }

    /// A connection uses it from now on.
    pub(super) fn hold(&mut self, stand_in: SocketAddr) {
        let Some(slot) = self.slot(stand_in) else { return };
        let Some(place) = self.table.get_mut(slot) else { return };
        place.connections += 1;
        self.spare.remove(&(place.used, slot));
    }

    /// A connection does not use it any more.
    pub(super) fn release(&mut self, stand_in: SocketAddr) {
        let Some(slot) = self.slot(stand_in) else { return };
        let Some(place) = self.table.get_mut(slot) else { return };
        place.connections = place.connections.saturating_sub(1);
        if place.connections == 0 {
            self.spare.insert((place.used, slot));
        }
    }

    /// Those that connections use.
    pub(super) fn held(&self) -> usize {
        self.table.len() - self.spare.len()
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.table.len()
    }

    /// Those of connections: which strangers have one is of no consequence.
    pub(super) fn dump(&self, mut hasher: &mut dyn Hasher) {
        for (_, addr, place) in self.table.iter().filter(|(.., place)| place.connections > 0) {
            (addr, place.connections).hash(&mut hasher);
        }
    }

    fn slot(&self, stand_in: SocketAddr) -> Option<Slot> {
        let IpAddr::V6(ip) = stand_in.ip() else { return None };
        // The upper quarter of the lower half is the place's number, the lower its slot.
        let low = u128::from(ip) as u64;
        let (number, slot) = ((low >> 32) as u32, low as u32);
        self.table.get(slot).filter(|place| place.number == number).map(|_| slot)
    }
}

fn socket_addr(number: u32, slot: Slot) -> SocketAddr {
    let low = u64::from(number) << 32 | u64::from(slot);
    let ip = Ipv6Addr::from(u128::from(PREFIX) << 64 | u128::from(low));
    SocketAddr::new(IpAddr::V6(ip), PORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(max: usize) -> Places<u32> {
        Places::new(&Seed::from_u64(1), max)
    }

    #[test]
    fn an_address_keeps_what_stands_for_it_and_is_found_by_it() {
        let mut places = places(4);
        let seven = places.stand_in(&7).unwrap();
        let eight = places.stand_in(&8).unwrap();
        assert_ne!(seven, eight);
        assert_eq!(places.stand_in(&7), Some(seven));
        assert_eq!((places.addr(seven), places.addr(eight)), (Some(&7), Some(&8)));
        assert_eq!(places.addr("[::1]:443".parse().unwrap()), None);
        assert_eq!(places.addr("1.2.3.4:443".parse().unwrap()), None);
    }

    #[test]
    fn the_one_that_was_used_the_longest_time_ago_makes_room_and_its_number_never_comes_back() {
        let mut places = places(2);
        let seven = places.stand_in(&7).unwrap();
        places.stand_in(&8);
        places.stand_in(&7);
        let nine = places.stand_in(&9).unwrap();
        assert_eq!((places.addr(seven), places.addr(nine), places.len()), (Some(&7), Some(&9), 2));
        let old = seven;
        places.stand_in(&10);
        places.stand_in(&11);
        let again = places.stand_in(&7).unwrap();
        assert_ne!(again, old);
        assert_eq!(places.addr(old), None);
    }

    #[test]
    fn a_flood_of_strangers_takes_no_place_that_a_connection_uses() {
        let mut places = places(16);
        let seven = places.stand_in(&7).unwrap();
        // Two connections, of which one ends.
        places.hold(seven);
        places.hold(seven);
        places.release(seven);
        for stranger in 100..10_000 {
            assert!(places.stand_in(&stranger).is_some());
            assert!(places.len() <= 16);
        }
        assert_eq!(places.addr(seven), Some(&7));
        places.release(seven);
        for stranger in 100..200 {
            places.stand_in(&stranger);
        }
        assert_eq!(places.addr(seven), None);
        // Where all are in use, nobody else has one.
        for number in 0..16 {
            let place = places.stand_in(&number).unwrap();
            places.hold(place);
        }
        assert_eq!(places.stand_in(&16), None);
    }
}
