//! The trace hash: one number that stands for all that happened.
//!
//! Every node has its own, of what it was sent, did and sent, in its order. That of a run is made of those of its nodes, so
//! it does not depend on what happened at one time to nodes that know nothing of each other, and
//! so not on the threads that ran them. Two runs with the same hash went the same way, datagram by datagram and
//! byte by byte; the first difference changes every hash after it. It is no cryptographic hash: nobody
//! attacks a simulation with its own trace.

use super::draw::{Running, STEP, mix};
use core::fmt;

/// A running hash of what happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Trace {
    hash: u64,
    steps: u64,
}

impl Trace {
    /// The hash of all that happened so far.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// How many things happened so far.
    #[must_use]
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    pub(crate) fn add(&mut self, words: &[u64], bytes: &[u8]) {
        self.steps += 1;
        let mut hash = Running(self.hash);
        for pair in words.chunks(2) {
            hash.pair(pair.first().map_or(0, |word| *word), pair.get(1).map_or(0, |word| *word));
        }
        hash.bytes(bytes);
        self.hash = hash.0;
    }

    /// Takes in the trace of something that has this name. In whichever order that is done, it comes to
    /// the same.
    pub(crate) const fn join(&mut self, name: u64, other: Self) {
        let named = mix(mix(name.wrapping_add(STEP)) ^ other.hash);
        self.hash = self.hash.wrapping_add(mix(named.wrapping_add(other.steps)));
        self.steps += other.steps;
    }

    /// Takes in what others were joined to.
    pub(crate) const fn merge(&mut self, other: Self) {
        self.hash = self.hash.wrapping_add(other.hash);
        self.steps += other.steps;
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.hash)
    }
}
