//! The places of unproven hellos: who gets one, and at whose expense.
//!
//! A hello proves that its key once signed its time stamp, and nothing else: it may be recorded,
//! with another ephemeral key put in, and sent from a forged address. So it holds one of four
//! places for 15 s and no more, and
//! - one key holds at most two of them;
//! - a hello displaces one of its own key only if its time stamp is later, so recordings displace
//!   nothing (a time stamp more than a day ahead of our clock counts as none: a clock once wrong
//!   would otherwise leave recordings that win for years);
//! - a hello of a key that has no place takes over one at random, so that whoever fills them all
//!   cannot keep an honest hello out that is repeated.

use crate::identity::PublicKey;
use crate::p2pke::session::{Candidate, SessionId};
use crate::p2pke::tai64n::Tai64n;
use crate::seed::Rng;
use crate::time::Instant;
use alloc::boxed::Box;
use core::fmt;
use core::hash::{Hash as _, Hasher};

/// Places in a channel.
pub const CANDIDATES: usize = 4;
/// Places that one key can hold.
pub const CANDIDATES_PER_KEY: usize = 2;
/// How far ahead of our clock a time stamp is believed.
const CREDIBLE_SECS: u64 = 24 * 60 * 60;

pub(super) struct Candidates([Option<Box<Candidate>>; CANDIDATES]);

/// What a hello may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Free,
    TakeOver(usize),
    TakeOverAny,
}

impl Candidates {
    pub(super) const fn new() -> Self {
        Self([const { None }; CANDIDATES])
    }

    pub(super) fn len(&self) -> usize {
        self.iter().count()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Candidate> {
        self.0.iter().flatten().map(|candidate| &**candidate)
    }

    pub(super) fn find(&self, id: SessionId) -> Option<&Candidate> {
        self.iter().find(|candidate| candidate.id() == id)
    }

    pub(super) fn take(&mut self, id: SessionId) -> Option<Box<Candidate>> {
        self.0.iter_mut().find_map(|slot| slot.take_if(|candidate| candidate.id() == id))
    }

    /// The place for a hello of `key` under `timestamp`, if it may have one.
    pub(super) fn place(&self, key: &PublicKey, timestamp: Tai64n, today: Tai64n) -> Option<Place> {
        let limit = today.plus_secs(CREDIBLE_SECS);
        let rank = |stamp: Tai64n| if stamp > limit { Tai64n::MIN } else { stamp };
        let own = self.0.iter().enumerate().filter_map(|(index, slot)| {
            let candidate = slot.as_deref()?;
            (candidate.claimed() == key).then(|| (rank(candidate.timestamp()), index))
        });
        let free = self.0.iter().any(Option::is_none);
        match (own.clone().min(), own.count()) {
            (_, held) if held < CANDIDATES_PER_KEY && free => Some(Place::Free),
            (Some((lowest, index)), _) => {
                (rank(timestamp) > lowest).then_some(Place::TakeOver(index))
            }
            (None, _) => Some(Place::TakeOverAny),
        }
    }

    /// Puts a candidate where [`place`](Self::place) said.
    pub(super) fn put(&mut self, place: Place, candidate: Candidate, rng: &mut Rng) {
        let index = match place {
            Place::Free => self.0.iter().position(Option::is_none),
            Place::TakeOver(index) => Some(index),
            Place::TakeOverAny => None,
        };
        let index = index.unwrap_or_else(|| rng.below(CANDIDATES as u64) as usize);
        if let Some(slot) = self.0.get_mut(index) {
            *slot = Some(Box::new(candidate));
        }
    }

    /// Gives up one at random.
    pub(super) fn forget(&mut self, rng: &mut Rng) -> bool {
        let victim = rng.below(self.len() as u64) as usize;
        let slot = self.0.iter_mut().filter(|slot| slot.is_some()).nth(victim);
        slot.and_then(Option::take).is_some()
    }

    pub(super) fn keep_only(&mut self, key: &PublicKey) {
        for slot in &mut self.0 {
            slot.take_if(|candidate| candidate.claimed() != key);
        }
    }

    /// Forgets those that were answered at `until` or before.
    pub(super) fn expire(&mut self, until: Instant) {
        for slot in &mut self.0 {
            slot.take_if(|candidate| candidate.started() <= until);
        }
    }

    pub(super) fn oldest(&self) -> Option<Instant> {
        self.iter().map(Candidate::started).min()
    }

    pub(super) fn dump(&self, mut hasher: &mut dyn Hasher) {
        for slot in &self.0 {
            slot.is_some().hash(&mut hasher);
            if let Some(candidate) = slot {
                candidate.dump(hasher);
            }
        }
    }
}

impl fmt::Debug for Candidates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
