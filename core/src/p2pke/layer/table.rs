//! The channels of a node, by address.
//!
//! Strangers choose the addresses, so the index hashes them under a key from the seed; it is never
//! iterated. Several channels, to different keys, may stand at one address: they form a chain.

use crate::seed::Seed;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};
use hashbrown::HashTable;
use siphasher::sip::SipHasher13;

/// The place of an entry, until it is removed.
pub(super) type Slot = u32;

/// Entries by address, several at one address.
pub(super) struct Table<A, V> {
    entries: Vec<Option<Box<Entry<A, V>>>>,
    free: Vec<Slot>,
    // The first entry of each address.
    index: HashTable<Slot>,
    key: (u64, u64),
}

struct Entry<A, V> {
    addr: A,
    next: Option<Slot>,
    value: V,
}

impl<A: Hash + Eq + Clone, V> Table<A, V> {
    pub(super) fn new(seed: &Seed) -> Self {
        let mut rng = seed.rng("address index");
        let key = (rng.u64(), rng.u64());
        Self { entries: Vec::new(), free: Vec::new(), index: HashTable::new(), key }
    }

    /// The first slot at `addr`; go on with [`next`](Self::next).
    pub(super) fn first(&self, addr: &A) -> Option<Slot> {
        let hash = hash(self.key, addr);
        self.index.find(hash, |slot| self.addr(*slot) == Some(addr)).copied()
    }

    /// The slot that follows in the chain of one address.
    pub(super) fn next(&self, slot: Slot) -> Option<Slot> {
        self.entry(slot)?.next
    }

    /// All slots at `addr`.
    pub(super) fn at(&self, addr: &A) -> impl Iterator<Item = Slot> + '_ {
        core::iter::successors(self.first(addr), |slot| self.next(*slot))
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&V> {
        Some(&self.entry(slot)?.value)
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut V> {
        Some(&mut self.entries.get_mut(slot as usize)?.as_mut()?.value)
    }

    pub(super) fn addr(&self, slot: Slot) -> Option<&A> {
        Some(&self.entry(slot)?.addr)
    }

    pub(super) fn insert(&mut self, addr: A, value: V) -> Slot {
        let hash = hash(self.key, &addr);
        let next = self.first(&addr);
        let entry = Some(Box::new(Entry { addr, next, value }));
        let slot = match self.free.pop() {
            Some(slot) => {
                if let Some(place) = self.entries.get_mut(slot as usize) {
                    *place = entry;
                }
                slot
            }
            None => {
                self.entries.push(entry);
                // Bounded by the limits on peers and handshakes, far below 2^32.
                (self.entries.len() - 1) as Slot
            }
        };
        match next.and_then(|next| self.index.find_mut(hash, |other| *other == next)) {
            Some(first) => *first = slot,
            None => {
                let Self { index, entries, key, .. } = self;
                index.insert_unique(hash, slot, |slot| {
                    let entry = entries.get(*slot as usize).and_then(Option::as_ref);
                    entry.map_or(0, |entry| self::hash(*key, &entry.addr))
                });
            }
        }
        slot
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Option<V> {
        let Entry { addr, next, value } = *core::mem::take(self.entries.get_mut(slot as usize)?)?;
        self.free.push(slot);
        let hash = hash(self.key, &addr);
        if let Ok(first) = self.index.find_entry(hash, |other| *other == slot) {
            match next {
                Some(next) => *first.into_mut() = next,
                None => drop(first.remove()),
            }
        } else {
            let before = self.at(&addr).find(|other| self.next(*other) == Some(slot));
            let before = before.and_then(|before| self.entries.get_mut(before as usize));
            if let Some(Some(entry)) = before {
                entry.next = next;
            }
        }
        Some(value)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Slots ever used: any number below may hold an entry.
    pub(super) fn span(&self) -> Slot {
        self.entries.len() as Slot
    }

    /// All entries, in the order of their slots.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Slot, &A, &V)> {
        self.entries.iter().enumerate().filter_map(|(slot, entry)| {
            let entry = entry.as_ref()?;
            Some((slot as Slot, &entry.addr, &entry.value))
        })
    }

    /// Feeds how the entries are linked, but not the entries.
    pub(super) fn dump(&self, mut hasher: &mut dyn Hasher) {
        self.free.hash(&mut hasher);
        for entry in &self.entries {
            entry.as_ref().map(|entry| entry.next).hash(&mut hasher);
        }
    }

    fn entry(&self, slot: Slot) -> Option<&Entry<A, V>> {
        self.entries.get(slot as usize)?.as_deref()
    }
}

fn hash<A: Hash>((k0, k1): (u64, u64), addr: &A) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(k0, k1);
    addr.hash(&mut hasher);
    hasher.finish()
}

impl<A: fmt::Debug, V: fmt::Debug> fmt::Debug for Table<A, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.entries.iter().flatten();
        f.debug_map().entries(entries.map(|entry| (&entry.addr, &entry.value))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use std::eprintln;

    #[test]
    fn the_table_agrees_with_a_model_of_lists() {
        for seed in 0..50 {
            eprintln!("seed {seed}");
            let seed = Seed::from_u64(seed);
            let mut rng = seed.rng("test");
            let mut table: Table<u64, u64> = Table::new(&seed);
            let mut model: BTreeMap<u64, Vec<(Slot, u64)>> = BTreeMap::new();
            for step in 0..500 {
                let addr = rng.below(12);
                if rng.chance(3, 5) {
                    let slot = table.insert(addr, step);
                    model.entry(addr).or_default().push((slot, step));
                } else if let Some(chain) = model.get_mut(&addr).filter(|chain| !chain.is_empty()) {
                    let (slot, value) = chain.remove(rng.below(chain.len() as u64) as usize);
                    assert_eq!(table.remove(slot), Some(value));
                    assert_eq!(table.get(slot), None);
                }
                for addr in 0..12 {
                    let mut got: Vec<Slot> = table.at(&addr).collect();
                    got.sort_unstable();
                    let chain = model.get(&addr).into_iter().flatten();
                    let mut expected: Vec<Slot> = chain.map(|(slot, _)| *slot).collect();
                    expected.sort_unstable();
                    assert_eq!(got, expected);
                }
                assert_eq!(table.len(), model.values().map(Vec::len).sum::<usize>());
            }
        }
    }
}
