//! The places of half-open handshakes that strangers began.
//!
//! While fewer than half of them are taken, whoever comes gets one. Above that a network has a few
//! of its own. A full place is taken over at random and never refused to the newest, so that an honest
//! hello that is repeated gets in however many forged ones there are.

use crate::limits::Limits;
use crate::seed::Rng;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

#[derive(Clone, Debug, Hash)]
pub(crate) struct HalfOpen<K> {
    places: Vec<Place<K>>,
    networks: BTreeMap<u128, usize>,
    max: usize,
    max_per_network: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Place<K> {
    slot: K,
    network: Option<u128>,
}

impl<K: Copy + Eq> HalfOpen<K> {
    pub(crate) const fn new(limits: &Limits) -> Self {
        Self {
            places: Vec::new(),
            networks: BTreeMap::new(),
            max: limits.half_open,
            max_per_network: limits.half_open_per_network,
        }
    }

    /// Whose place a newcomer of this network takes: `Ok(None)` where there is a free one.
    ///
    /// # Errors
    /// There is no place at all: the bound is zero.
    pub(crate) fn victim(&self, network: Option<u128>, rng: &mut Rng) -> Result<Option<K>, ()> {
        let held = network.and_then(|network| self.networks.get(&network)).copied().unwrap_or(0);
        if held >= self.max_per_network.max(1) && self.places.len() >= self.max / 2 {
            let nth = rng.below(held as u64) as usize;
            let mut kin = self.places.iter().filter(|place| place.network == network);
            return Ok(kin.nth(nth).map(|place| place.slot));
        }
        if self.places.len() < self.max {
            return Ok(None);
        }
        let nth = rng.below(self.places.len() as u64) as usize;
        self.places.get(nth).map(|place| Some(place.slot)).ok_or(())
    }

    pub(crate) fn insert(&mut self, slot: K, network: Option<u128>) {
        self.places.push(Place { slot, network });
        if let Some(network) = network {
            *self.networks.entry(network).or_default() += 1;
        }
    }

    pub(crate) fn remove(&mut self, slot: K) {
        let Some(at) = self.places.iter().position(|place| place.slot == slot) else { return };
        let Place { network, .. } = self.places.swap_remove(at);
        if let Some(network) = network
            && let Some(held) = self.networks.get_mut(&network)
        {
            *held -= 1;
            if *held == 0 {
                self.networks.remove(&network);
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    fn half_open(max: usize, max_per_network: usize) -> HalfOpen<u32> {
        HalfOpen::new(&Limits {
            half_open: max,
            half_open_per_network: max_per_network,
            ..Limits::default()
        })
    }

    #[test]
    fn a_network_is_limited_only_once_half_the_places_are_taken() {
        let mut rng = Seed::from_u64(1).rng("test");
        let mut places = half_open(16, 2);
        for slot in 0..8 {
            assert_eq!(places.victim(Some(1), &mut rng), Ok(None));
            places.insert(slot, Some(1));
        }
        let victim = places.victim(Some(1), &mut rng);
        assert!(matches!(victim, Ok(Some(slot)) if slot < 8), "{victim:?}");
        assert_eq!(places.victim(Some(2), &mut rng), Ok(None));
        assert_eq!(places.victim(None, &mut rng), Ok(None));
    }

    #[test]
    fn a_full_house_is_taken_over_at_random_and_never_refused() {
        let mut rng = Seed::from_u64(2).rng("test");
        let mut places = half_open(8, 2);
        (0..8).for_each(|slot| places.insert(slot, None));
        let mut hit = [false; 8];
        for _ in 0..200 {
            let Ok(Some(slot)) = places.victim(None, &mut rng) else { panic!("refused") };
            hit[slot as usize] = true;
        }
        assert_eq!(hit, [true; 8]);
        places.remove(3);
        assert_eq!(places.victim(None, &mut rng), Ok(None));
        assert_eq!(half_open(0, 0).victim(None, &mut rng), Err(()));
    }
}
