//! What a network does to datagrams.

use super::draw::Draw;
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

    /// Whether it happens this time.
    pub(crate) fn strikes(self, rng: &mut tellask::seed::Rng) -> bool {
        rng.chance(self.0.into(), Self::ALWAYS.0.into())
    }

    pub(super) fn happens(self, draw: Draw, domain: &str) -> bool {
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
    /// Lost.
    pub loss: Chance,
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
}

impl Faults {
    /// Ten milliseconds, and nothing else happens.
    pub const NONE: Self = Self {
        delay: Duration::from_millis(10),
        jitter: Duration::ZERO,
        loss: Chance::NEVER,
        duplicate: Chance::NEVER,
        reorder: Chance::NEVER,
        reorder_by: Duration::ZERO,
        flip: Chance::NEVER,
        truncate: Chance::NEVER,
    };

    /// How long this datagram takes.
    pub(super) fn time(&self, draw: Draw) -> Duration {
        let held =
            if self.reorder.happens(draw, "reorder") { self.reorder_by } else { Duration::ZERO };
        let time =
            self.delay.saturating_add(draw.up_to("jitter", self.jitter)).saturating_add(held);
        time.max(Duration::from_nanos(1))
    }

    /// Spoils the bytes, or does not; returns whether it did.
    pub(super) fn spoil(&self, draw: Draw, bytes: &mut tellask::BytesMut) -> bool {
        let before = bytes.len();
        if before == 0 {
            return false;
        }
        let cut = self.truncate.happens(draw, "truncate");
        if cut {
            bytes.truncate(draw.below("length", before as u64) as usize);
        }
        let flipped = self.flip.happens(draw, "flip") && !bytes.is_empty();
        if flipped {
            // Neighbours, so that no two undo each other.
            let bits = bytes.len() as u64 * 8;
            let first = draw.below("bit", bits);
            for nth in 0..1 + draw.below("bits", 8).min(bits - 1) {
                let bit = (first + nth) % bits;
                if let Some(byte) = bytes.get_mut((bit / 8) as usize) {
                    *byte ^= 1 << (bit % 8);
                }
            }
        }
        cut || flipped
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self::NONE
    }
}
