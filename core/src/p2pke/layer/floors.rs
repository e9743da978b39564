//! The highest timestamp that each key has proven, kept beyond its channel.
//!
//! A hello with an earlier timestamp is a replay. A floor rises only when a handshake has been
//! verified, so nobody but the key's owner moves it. Bounded: a new key takes the place of one drawn at
//! random, whose replayed hellos can then hold a candidate's place for as long as any stranger's.

use super::super::tai64n::Tai64n;
use crate::identity::PublicKey;
use crate::seed::Rng;
use alloc::collections::BTreeMap;
use core::ops::Bound;

#[derive(Debug)]
pub(super) struct Floors {
    floors: BTreeMap<PublicKey, Tai64n>,
    max: usize,
    rng: Rng,
}

impl Floors {
    pub(super) const fn new(max: usize, rng: Rng) -> Self {
        Self { floors: BTreeMap::new(), max, rng }
    }

    pub(super) fn floor(&self, key: &PublicKey) -> Option<Tai64n> {
        self.floors.get(key).copied()
    }

    pub(super) fn raise(&mut self, key: PublicKey, to: Tai64n) {
        if let Some(floor) = self.floors.get_mut(&key) {
            *floor = to.max(*floor);
            return;
        }
        if self.floors.len() >= self.max {
            // Keys are spread evenly enough: the one after a random point is a random one.
            let point = PublicKey::from_bytes(self.rng.bytes());
            let after = self.floors.range((Bound::Excluded(point), Bound::Unbounded)).next();
            let victim = after.or_else(|| self.floors.first_key_value()).map(|(key, _)| *key);
            if let Some(victim) = victim {
                self.floors.remove(&victim);
            }
        }
        if self.max > 0 {
            self.floors.insert(key, to);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.floors.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&PublicKey, &Tai64n)> {
        self.floors.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn a_full_table_forgets_one_key_for_a_new_one_and_never_lowers_a_floor() {
        let seed = Seed::from_u64(1);
        let mut floors = Floors::new(8, seed.rng("floors"));
        let mut rng = seed.rng("keys");
        let (low, high) = (Tai64n::MIN, Tai64n::MIN.next());
        for _ in 0..100 {
            let key = PublicKey::from_bytes(rng.bytes());
            floors.raise(key, high);
            floors.raise(key, low);
            assert_eq!(floors.floor(&key), Some(high));
            assert!(floors.len() <= 8);
        }
        assert_eq!(floors.len(), 8);
    }

    #[test]
    fn nobody_chooses_whose_floor_a_full_table_forgets() {
        let mut keys = Seed::from_u64(2).rng("keys");
        let old: [PublicKey; 8] = core::array::from_fn(|_| PublicKey::from_bytes(keys.bytes()));
        let mut forgotten = [false; 8];
        for seed in 0..200 {
            let mut floors = Floors::new(8, Seed::from_u64(seed).rng("floors"));
            old.iter().for_each(|key| floors.raise(*key, Tai64n::MIN));
            floors.raise(PublicKey::from_bytes([7; 32]), Tai64n::MIN);
            for (key, forgotten) in old.iter().zip(&mut forgotten) {
                *forgotten |= floors.floor(key).is_none();
            }
        }
        assert!(forgotten.iter().filter(|forgotten| **forgotten).count() > 4, "{forgotten:?}");
    }
}
