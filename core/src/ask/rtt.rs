//! How long a round trip takes.
//!
//! RFC 6298, with its gains of 1/8 and 1/4 and its first time-out of a second. Its lower bound of a
//! second is one of 20 ms here: it was chosen for clocks of half a second and receivers that put off their
//! acknowledgements for as long, while here the clock has nanoseconds and nobody puts one off for
//! more than [`ACK_DELAY`], which is added. Samples are exact: every packet has a number of its own, so
//! Karn's rule has nothing to exclude.

use core::time::Duration;

/// The longest that an acknowledgement is put off.
pub(super) const ACK_DELAY: Duration = Duration::from_millis(5);
/// The time-out while nothing is known.
const FIRST: Duration = Duration::from_secs(1);
/// The shortest time-out.
const FLOOR: Duration = Duration::from_millis(20);
/// The longest time-out, however often it was doubled.
const CEILING: Duration = Duration::from_secs(10);
/// What a clock or a scheduler may be late.
const GRANULARITY: Duration = Duration::from_millis(1);

/// An estimate of the round-trip time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Rtt {
    smoothed: Option<Duration>,
    variation: Duration,
    /// The shortest of all.
    least: Duration,
    backoff: u32,
    /// Lengthens a time-out that was doubled, by so many parts of 1,024.
    noise: u32,
}

impl Rtt {
    /// Nothing is known yet.
    pub(super) const fn new() -> Self {
        Self {
            smoothed: None,
            variation: Duration::ZERO,
            least: Duration::MAX,
            backoff: 0,
            noise: 0,
        }
    }

    /// A round trip took this long.
    pub(super) fn sample(&mut self, took: Duration) {
        // Whatever took longer tells nothing that a time-out could use.
        let took = took.min(Duration::from_secs(60));
        (self.backoff, self.noise) = (0, 0);
        self.least = self.least.min(took);
        match self.smoothed {
            None => {
                self.smoothed = Some(took);
                self.variation = took / 2;
            }
            Some(smoothed) => {
                self.variation = (self.variation * 3 + smoothed.abs_diff(took)) / 4;
                self.smoothed = Some((smoothed * 7 + took) / 8);
            }
        }
    }

    /// A time-out passed without an answer. `noise`, any number, keeps many who were cut off at the
    /// same moment from trying again at the same moment.
    pub(super) const fn back_off(&mut self, noise: u32) {
        self.backoff = self.backoff.saturating_add(1);
        self.noise = noise % 256;
    }

    /// How often in a row.
    pub(super) const fn backoff(&self) -> u32 {
        self.backoff
    }

    /// Whether round trips are half as long again as they were at best: a queue has built up.
    pub(super) fn is_queued(&self) -> bool {
        let smoothed = self.smoothed.unwrap_or(Duration::ZERO);
        smoothed > self.least.saturating_add(self.least / 2).saturating_add(GRANULARITY)
    }

    /// When to send again what nothing was heard of.
    pub(super) fn timeout(&self) -> Duration {
        let base = self.smoothed.map_or(FIRST, |smoothed| {
            (smoothed + (self.variation * 4).max(GRANULARITY)).max(FLOOR) + ACK_DELAY
        });
        let doubled = base.saturating_mul(1 << self.backoff.min(16)).min(CEILING);
        doubled + doubled * self.noise / 1_024
    }

    /// How much older than an acknowledged packet another may be before it counts as lost: what RFC
    /// 8985 and RFC 9002 do instead of counting three duplicates, since jitter reorders freely. The
    /// variation is in it, so that a path that reorders by much is given more time.
    pub(super) fn loss_delay(&self) -> Duration {
        let smoothed = self.smoothed.unwrap_or(FIRST);
        smoothed + (self.variation * 2).max(smoothed / 8).max(GRANULARITY)
    }
}
