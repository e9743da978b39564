//! What a network does to datagrams.

use super::draw::Draw;
use super::sampling::Spread;
use core::fmt;
use core::time::Duration;

/// A probability, in millionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Chance(u32);

impl Chance {
    /// It never happens.
    pub const NEVER: Self = Self(0);
    /// It always happens.
    pub const ALWAYS: Self = Self(1_000_000);

    /// This many times in a hundred.
    #[must_use]
    pub const fn percent(percent: u32) -> Self {
        Self::millionths(percent.saturating_mul(10_000))
    }

    /// This many times in a million.
    #[must_use]
    pub const fn millionths(millionths: u32) -> Self {
        if millionths > Self::ALWAYS.0 { Self::ALWAYS } else { Self(millionths) }
    }

    /// How many times in a million it happens.
    #[must_use]
    pub const fn in_millionths(self) -> u32 {
        self.0
    }

    /// Whether it happens this time.
    pub(crate) fn strikes(self, rng: &mut tellask::seed::Rng) -> bool {
        rng.chance(self.0.into(), Self::ALWAYS.0.into())
    }

    pub(crate) fn happens(self, draw: Draw, domain: &str) -> bool {
        self.0 > 0 && draw.below(domain, 1_000_000) < u64::from(self.0)
    }
}

impl fmt::Display for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:04} %", self.0 / 10_000, self.0 % 10_000)
    }
}

/// What happens to the datagrams on one way, each by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Faults {
    /// How long every datagram takes. At least a nanosecond passes.
    pub delay: Duration,
    /// How much longer it takes at the most, evenly spread. Jitter reorders, where datagrams
    /// follow one another faster.
    pub jitter: Duration,
    /// How much longer beside that, by another distribution.
    pub spread: Spread,
    /// Lost, each by itself.
    pub loss: Chance,
    /// Lost in bad times, many of those that follow each other.
    pub burst: Burst,
    /// Delivered twice, the copy with a delay of its own.
    pub duplicate: Chance,
    /// Held up for `reorder_by`, so that later ones overtake it.
    pub reorder: Chance,
    /// How long such a one is held up.
    pub reorder_by: Duration,
    /// One to eight bits flipped.
    pub flip: Chance,
    /// Cut short, at any length from none.
    pub truncate: Chance,
    /// One to 64 bytes more at the end. It may be larger than the MTU then.
    pub append: Chance,
}

/// Times in which a way is bad (Gilbert, 1960, and Elliott, 1963). They begin and end with datagrams, not with time,
/// and each way has its own. In good times [`Faults::loss`] is all that is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Burst {
    /// That a bad time begins with a datagram.
    pub begins: Chance,
    /// That it ends with a datagram.
    pub ends: Chance,
    /// That a copy of a datagram is lost in it.
    pub loss: Chance,
}

impl Burst {
    /// There are no bad times.
    pub const NONE: Self = Self { begins: Chance::NEVER, ends: Chance::NEVER, loss: Chance::NEVER };

    /// Whether the time of this datagram is bad, after one that was as `bad` says.
    pub(super) fn step(self, bad: bool, draw: Draw) -> bool {
        if bad { !self.ends.happens(draw, "burst") } else { self.begins.happens(draw, "burst") }
    }
}

impl Faults {
    /// Ten milliseconds, and nothing else happens.
    pub const NONE: Self = Self { delay: Duration::from_millis(10), ..Self::NOTHING };

    /// No time passes, and nothing happens: for what is [of a node](super::Network::set_faults_out_of) and comes to
    /// what is of the way.
    pub const NOTHING: Self = Self {
        delay: Duration::ZERO,
        jitter: Duration::ZERO,
        spread: Spread::None,
        loss: Chance::NEVER,
        burst: Burst::NONE,
        duplicate: Chance::NEVER,
        reorder: Chance::NEVER,
        reorder_by: Duration::ZERO,
        flip: Chance::NEVER,
        truncate: Chance::NEVER,
        append: Chance::NEVER,
    };
}

impl Default for Faults {
    fn default() -> Self {
        Self::NONE
    }
}
