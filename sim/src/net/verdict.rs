//! What the network decides about one datagram, as a value: drawn, or listed beforehand.
//!
//! Everything that chance decides about a datagram is in its [`Verdict`], which depends on nothing but the faults on
//! its way, its length and its name. So the verdicts of a run can be [kept](super::Network::keep_verdicts), and
//! played again without any chance in a run that [has them listed](super::Network::list_verdicts): whatever is
//! not listed is plain, delivered once and untouched after the least delay of its way.
//!
//! What follows from the state of the network is no verdict: cuts, crashes, queues that are full.

use super::course::{Course, Layer};
use super::draw::mix;
use super::loss::Loss;
use core::time::Duration;
use std::collections::BTreeMap;
use tellask::{BytesMut, MemoryAddr};

/// The name of a datagram on its way: the how-manieth it is from there to there. It does not depend on what else a
/// node sends, so it stays when other nodes are taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Passing {
    /// Who sends it.
    pub src: MemoryAddr,
    /// To whom.
    pub dst: MemoryAddr,
    /// How many went this way before.
    pub number: u64,
}

/// What becomes of a datagram: of itself, and of its copy where it is duplicated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What becomes of it.
    pub first: Passage,
    /// What becomes of its copy, if there is one.
    pub second: Option<Passage>,
}

/// What becomes of one copy of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It is lost.
    Lost(Loss),
    /// It arrives.
    Arrives {
        /// How long it takes, at least a nanosecond.
        after: Duration,
        /// What was done to its bytes.
        spoil: Spoil,
    },
}

/// What is done to the bytes of a datagram on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spoil {
    /// How many bytes are left of it, where it is cut short.
    pub keep: Option<u32>,
    /// Bits that are flipped, from the first on.
    pub flip: Option<Flip>,
    /// Bytes that are put to its end, after all else.
    pub append: Option<Append>,
}

/// Bytes that were never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Append {
    /// How many.
    pub bytes: u8,
    /// What they are follows from this number.
    pub seed: u64,
}

/// Neighbouring bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flip {
    /// The first of them.
    pub first: u32,
    /// How many; those over the end are at the beginning.
    pub bits: u8,
}

/// Verdicts that were kept, or are listed.
pub type Verdicts = BTreeMap<Passing, Verdict>;

impl Verdict {
    /// Delivered once, untouched, after `after`.
    #[must_use]
    pub const fn plain(after: Duration) -> Self {
        Self { first: Passage::Arrives { after, spoil: Spoil::NONE }, second: None }
    }

    /// Draws what becomes of a datagram on its course.
    pub(super) fn draw(course: &Course<'_>) -> Self {
        let twice =
            course.layers().any(|layer| layer.faults.duplicate.happens(layer.draw, "duplicate"));
        let passage = |copy: u64| Passage::draw(course, copy);
        Self { first: passage(0), second: twice.then(|| passage(1)) }
    }

    /// What becomes of each copy.
    pub fn passages(&self) -> impl Iterator<Item = Passage> + use<> {
        core::iter::once(self.first).chain(self.second)
    }

    /// One or two.
    #[must_use]
    pub const fn copies(&self) -> u8 {
        1 + self.second.is_some() as u8
    }
}

impl Passage {
    fn draw(course: &Course<'_>, copy: u64) -> Self {
        let (mut after, mut spoil) = (course.travel, Spoil::NONE);
        for layer in course.layers() {
            let layer = Layer { draw: layer.draw.with(copy), ..*layer };
            let Layer { faults, draw, bad } = layer;
            if bad && faults.burst.loss.happens(draw, "burst loss") {
                return Self::Lost(Loss::Burst);
            }
            if faults.loss.happens(draw, "loss") {
                return Self::Lost(Loss::Random);
            }
            after = after.saturating_add(course.time(&layer, copy));
            spoil = spoil.or(|| Spoil::draw(&layer, course.len));
        }
        Self::Arrives { after: after.max(Duration::from_nanos(1)), spoil }
    }
}

impl Spoil {
    /// Nothing is done to it.
    pub const NONE: Self = Self { keep: None, flip: None, append: None };

    fn draw(&Layer { faults, draw, .. }: &Layer<'_>, len: usize) -> Self {
        let keep = len > 0 && faults.truncate.happens(draw, "truncate");
        let keep = keep.then(|| draw.below("length", len as u64) as u32);
        let bits = keep.map_or(len as u64, u64::from) * 8;
        let flip = (bits > 0 && faults.flip.happens(draw, "flip")).then(|| Flip {
            first: draw.below("bit", bits) as u32,
            bits: 1 + draw.below("bits", 8).min(bits - 1) as u8,
        });
        let append = faults.append.happens(draw, "append").then(|| Append {
            bytes: 1 + draw.below("more", 64) as u8,
            seed: draw.bits("appended"),
        });
        Self { keep, flip, append }
    }

    /// What is done in one place, or else in the next: a datagram is spoilt once.
    fn or(self, other: impl FnOnce() -> Self) -> Self {
        if self == Self::NONE { other() } else { self }
    }

    /// Does it; returns whether that changed anything.
    pub(super) fn apply(self, bytes: &mut BytesMut) -> bool {
        let len = bytes.len();
        if let Some(keep) = self.keep {
            bytes.truncate(keep as usize);
        }
        let (cut, bits) = (bytes.len() < len, bytes.len() as u64 * 8);
        let flips = self.flip.filter(|_| bits > 0);
        if let Some(Flip { first, bits: count }) = flips {
            // Each once, so that no two undo each other.
            for nth in 0..u64::from(count).min(bits) {
                let bit = (u64::from(first) + nth) % bits;
                if let Some(byte) = bytes.get_mut((bit / 8) as usize) {
                    *byte ^= 1 << (bit % 8);
                }
            }
        }
        let more = self.append.map_or(0, |append| append.bytes);
        for nth in 0..more {
            let seed = self.append.map_or(0, |append| append.seed);
            bytes.extend_from_slice(&[mix(seed.wrapping_add(nth.into())) as u8]);
        }
        cut || more > 0 || flips.is_some_and(|flip| flip.bits > 0)
    }
}
