//! Which worker of a node a peer belongs to.

use crate::addr::UdpAddr;
use crate::seed::Seed;
use core::hash::{Hash, Hasher};
use core::num::NonZeroUsize;
use siphasher::sip::SipHasher13;

/// Shares peers among workers by their UDP addresses, evenly and for good: what is said to a peer and
/// what it says meet at one worker.
///
/// The hash is keyed, so that nobody who lacks the seed can choose addresses that all belong to one worker.
#[derive(Clone)]
pub struct Steering {
    key: [u8; 16],
    workers: NonZeroUsize,
}

impl Steering {
    /// For this many workers. `seed` must be unpredictable where strangers can reach the node.
    #[must_use]
    pub fn new(seed: &Seed, workers: NonZeroUsize) -> Self {
        Self { key: seed.rng("steering").bytes(), workers }
    }

    /// How many workers there are.
    #[must_use]
    pub const fn workers(&self) -> NonZeroUsize {
        self.workers
    }

    /// The worker of a peer, counted from 0. What an address has besides IP address, port and scope does not matter.
    #[must_use]
    pub fn worker_of(&self, peer: &UdpAddr) -> usize {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        let scope = match peer.0 {
            core::net::SocketAddr::V4(_) => 0,
            core::net::SocketAddr::V6(addr) => addr.scope_id(),
        };
        (peer.0.ip().to_canonical(), peer.0.port(), scope).hash(&mut hasher);
        // The upper bits of the product are spread as evenly as those of the hash (Lemire 2019).
        let spread = u128::from(hasher.finish()) * self.workers.get() as u128;
        (spread >> 64) as usize
    }
}

impl core::fmt::Debug for Steering {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Steering").field("workers", &self.workers).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use core::net::SocketAddr;

    fn steering(seed: u64, workers: usize) -> Steering {
        Steering::new(&Seed::from_u64(seed), NonZeroUsize::new(workers).expect("some"))
    }

    #[test]
    fn peers_are_spread_evenly_over_any_number_of_workers() {
        for workers in [1, 2, 3, 5, 8, 64] {
            let steering = steering(1, workers);
            let mut peers = vec![0; workers];
            for port in 1_024..41_024 {
                let addr = SocketAddr::from(([10, 0, 0, 1], port));
                peers[steering.worker_of(&addr.into())] += 1;
            }
            let share = 40_000 / workers;
            for count in peers {
                assert!(count * 10 > share * 8 && count * 10 < share * 12, "{count} of {share}");
            }
        }
    }

    #[test]
    fn a_peer_has_the_same_worker_however_its_address_is_written() {
        let steering = steering(2, 64);
        let of = |text: &str| steering.worker_of(&UdpAddr(text.parse().expect("an address")));
        assert_eq!(of("10.1.2.3:4"), of("[::ffff:10.1.2.3]:4"));
        assert_ne!(of("[fe80::1%1]:4"), of("[fe80::1%2]:4"));
    }

    #[test]
    fn who_lacks_the_seed_cannot_tell_whose_a_peer_is() {
        let addr = UdpAddr(SocketAddr::from(([10, 0, 0, 1], 5)));
        let mine = (0..64).map(|seed| steering(seed, 2).worker_of(&addr)).sum::<usize>();
        assert!((16..48).contains(&mine), "{mine} of 64");
    }
}
