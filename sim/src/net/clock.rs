//! The clock of a node, which may run faster or slower than the network's and jump ahead.
//!
//! It is a straight line in integers from where it was last set, so it says the same everywhere, and it never goes
//! back. A timer that is due at some time of the node's is due in the network at the first nanosecond at
//! which the node's clock shows it.

use core::time::Duration;
use tellask::Instant;

/// What a clock gains in a million of its own units at the most, and loses at the most.
const MOST: i32 = 500_000;
const MILLION: u128 = 1_000_000;

/// A node's clock.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    /// The network's time at which it was set, and what it showed then.
    set: Instant,
    shown: Instant,
    /// How many millionths it runs faster.
    ppm: i32,
}

impl Clock {
    /// What it shows at a time of the network.
    pub(super) fn local(&self, now: Instant) -> Instant {
        let passed = now.as_nanos().saturating_sub(self.set.as_nanos());
        let shown = u128::from(passed) * self.rate() / MILLION;
        Instant::from_nanos(
            self.shown.as_nanos().saturating_add(u64::try_from(shown).unwrap_or(u64::MAX)),
        )
    }

    /// The first time of the network at which it shows `local`.
    pub(super) fn global(&self, local: Instant) -> Instant {
        let ahead = local.as_nanos().saturating_sub(self.shown.as_nanos());
        let passes = (u128::from(ahead) * MILLION).div_ceil(self.rate());
        Instant::from_nanos(
            self.set.as_nanos().saturating_add(u64::try_from(passes).unwrap_or(u64::MAX)),
        )
    }

    /// It runs so much faster from now on.
    pub(super) fn drift(&mut self, now: Instant, ppm: i32) {
        self.jump(now, Duration::ZERO);
        self.ppm = ppm.clamp(-MOST, MOST);
    }

    /// It shows so much more from now on.
    pub(super) fn jump(&mut self, now: Instant, by: Duration) {
        (self.shown, self.set) = (self.local(now) + by, now);
    }

    /// Millionths of a nanosecond of its own in one of the network.
    fn rate(&self) -> u128 {
        MILLION.saturating_add_signed(i128::from(self.ppm))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    #[test]
    fn a_clock_that_was_never_set_shows_the_time_of_the_network() {
        let clock = Clock::default();
        for now in [at(0), at(1), at(77_000_000_001), Instant::MAX] {
            assert_eq!((clock.local(now), clock.global(now)), (now, now));
        }
    }

    #[test]
    fn a_fast_clock_gains_its_millionths_and_a_jump_is_shown_at_once() {
        let mut clock = Clock::default();
        clock.drift(at(1_000_000_000), 200);
        assert_eq!(clock.local(at(11_000_000_000)), at(11_002_000_000));
        clock.jump(at(11_000_000_000), Duration::from_secs(5));
        assert_eq!(clock.local(at(11_000_000_000)), at(16_002_000_000));
        clock.drift(at(11_000_000_000), -MOST);
        assert_eq!(clock.local(at(13_000_000_000)), at(17_002_000_000));
        assert_eq!(clock.global(at(17_002_000_000)), at(13_000_000_000));
    }

    proptest! {
        #[test]
        fn a_timer_rings_at_the_first_nanosecond_at_which_the_clock_shows_it(
            ppm in -600_000..=600_000_i32,
            jump in 0..5_000_000_000_u64,
            ahead in 0..10_000_000_000_u64,
        ) {
            let mut clock = Clock::default();
            clock.drift(at(3), ppm);
            clock.jump(at(1_000), Duration::from_nanos(jump));
            let due = clock.local(at(1_000)) + Duration::from_nanos(ahead);
            let rings = clock.global(due);
            prop_assert!(clock.local(rings) >= due);
            prop_assert!(rings >= at(1_000));
            if ahead > 0 {
                prop_assert!(clock.local(at(rings.as_nanos() - 1)) < due);
            }
        }

        #[test]
        fn a_clock_never_goes_back(sets in proptest::collection::vec((0..4_u8, 0..1_000_000_u64), 1..50)) {
            let (mut clock, mut now, mut last) = (Clock::default(), 0, Instant::ZERO);
            for (what, much) in sets {
                match what {
                    0 => clock.drift(at(now), much as i32 - 500_000),
                    1 => clock.jump(at(now), Duration::from_nanos(much)),
                    _ => now += much,
                }
                prop_assert!(clock.local(at(now)) >= last);
                last = clock.local(at(now));
            }
        }
    }
}
