//! A token bucket: so many in a second, and as many in one burst.

use crate::time::Instant;

const SECOND: u64 = 1_000_000_000;

/// Counts in billionths of a token, so that nothing is lost to rounding.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    rate: u64,
    level: u64,
    filled: Instant,
}

impl Bucket {
    /// A full one of `rate` tokens a second.
    pub(crate) const fn new(rate: u32) -> Self {
        let rate = rate as u64;
        Self { rate, level: rate * SECOND, filled: Instant::ZERO }
    }

    /// Takes a token, if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let passed = now.as_nanos().saturating_sub(self.filled.as_nanos());
        let level = self.level.saturating_add(passed.saturating_mul(self.rate));
        self.level = level.min(self.rate * SECOND);
        self.filled = self.filled.max(now);
        match self.level.checked_sub(SECOND) {
            Some(rest) => {
                self.level = rest;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn a_bucket_gives_its_rate_and_one_burst() {
        let mut bucket = Bucket::new(10);
        let mut now = Instant::ZERO;
        assert_eq!((0..100).filter(|_| bucket.take(now)).count(), 10);
        now = now + Duration::from_millis(100);
        assert_eq!((0..100).filter(|_| bucket.take(now)).count(), 1);
        now = now + Duration::from_secs(3_600);
        assert_eq!((0..100).filter(|_| bucket.take(now)).count(), 10);
    }

    #[test]
    fn a_bucket_is_full_after_any_time_however_long() {
        let mut bucket = Bucket::new(10);
        while bucket.take(Instant::ZERO) {}
        // This many nanoseconds times the rate is a multiple of 2^64.
        let now = Instant::from_nanos(1 << 63);
        assert_eq!((0..100).filter(|_| bucket.take(now)).count(), 10);
    }
}
