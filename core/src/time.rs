//! Time as the machines see it: a number that the driver hands in.
//!
//! No machine reads a clock. A driver picks an epoch (its own start, usually), and says the
//! time on it in nanoseconds with every call. Where a protocol needs the date, an [`Anchor`]
//! ties one instant to Unix time.

use core::fmt;
use core::ops::{Add, Sub};
use core::time::Duration;

/// A point in time: nanoseconds since an epoch that the driver chose. Covers 584 years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The driver's epoch.
    pub const ZERO: Self = Self(0);
    /// The last instant there is; arithmetic saturates here.
    pub const MAX: Self = Self(u64::MAX);

    /// The instant `nanos` nanoseconds after the epoch.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time passed since `earlier`, or zero when `earlier` is the later one.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The next instant: where a machine puts what is to happen "as soon as it is called again".
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(nanos(rhs)))
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;
    fn sub(self, rhs: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(rhs)))
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
}

/// A date: seconds and nanoseconds since 1970-01-01T00:00:00Z, without leap seconds (POSIX).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime {
    nanos: u64,
}

impl UnixTime {
    /// The date `secs` seconds and `nanos` nanoseconds after the Unix epoch; saturates in 2554.
    #[must_use]
    pub const fn new(secs: u64, nanos: u32) -> Self {
        Self { nanos: secs.saturating_mul(1_000_000_000).saturating_add(nanos as u64) }
    }

    /// Whole seconds since the Unix epoch.
    #[must_use]
    pub const fn secs(self) -> u64 {
        self.nanos / 1_000_000_000
    }

    /// Nanoseconds within the second.
    #[must_use]
    pub const fn subsec_nanos(self) -> u32 {
        (self.nanos % 1_000_000_000) as u32
    }
}

impl Add<Duration> for UnixTime {
    type Output = Self;
    fn add(self, rhs: Duration) -> Self {
        Self { nanos: self.nanos.saturating_add(nanos(rhs)) }
    }
}

impl From<Duration> for UnixTime {
    fn from(since_epoch: Duration) -> Self {
        Self { nanos: nanos(since_epoch) }
    }
}

/// Ties the driver's clock to the calendar: at `at` it was `date`.
///
/// Given to a machine at construction, and again when the wall clock was set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Anchor {
    /// An instant on the driver's clock.
    pub at: Instant,
    /// The date at that instant.
    pub date: UnixTime,
}

/// An instant of the standard library's, for libraries below that know no other time: they count from it. Its
/// clock is never read.
#[cfg(feature = "std")]
#[derive(Clone, Copy, Debug)]
#[allow(clippy::disallowed_types, reason = "that is what it is")]
pub struct Epoch(std::time::Instant);

/// Without the standard library there is none.
#[cfg(not(feature = "std"))]
#[derive(Clone, Copy, Debug)]
pub enum Epoch {}

#[cfg(feature = "std")]
#[allow(clippy::disallowed_types, reason = "that is what it is")]
impl From<std::time::Instant> for Epoch {
    fn from(instant: std::time::Instant) -> Self {
        Self(instant)
    }
}

#[cfg(feature = "std")]
#[allow(clippy::disallowed_types, reason = "that is what it is")]
impl From<Epoch> for std::time::Instant {
    fn from(Epoch(instant): Epoch) -> Self {
        instant
    }
}

impl Anchor {
    /// The date at `now`. Before `at` it is the anchor's date: dates never run backwards from it.
    #[must_use]
    pub fn date_at(&self, now: Instant) -> UnixTime {
        self.date + now.since(self.at)
    }
}
