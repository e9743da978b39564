//! The trace hash: one number that stands for all that happened.
//!
//! Two runs with the same hash went the same way, datagram by datagram and byte by byte; the first
//! difference changes every hash after it. It is no cryptographic hash: nobody attacks a simulation
//! with its own trace.

use super::draw::mix;
use core::fmt;

/// A running hash of what happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Trace {
    hash: u64,
    steps: u64,
}

impl Trace {
    pub(super) const fn new() -> Self {
        Self { hash: 0, steps: 0 }
    }

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

    pub(super) fn add(&mut self, words: &[u64], bytes: &[u8]) {
        self.steps += 1;
        for word in words {
            self.word(*word);
        }
        let (chunks, rest) = bytes.as_chunks::<8>();
        for chunk in chunks {
            self.word(u64::from_le_bytes(*chunk));
        }
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        self.word(u64::from_le_bytes(last));
        self.word(bytes.len() as u64);
    }

    const fn word(&mut self, word: u64) {
        self.hash = mix(self.hash.rotate_left(23) ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.hash)
    }
}
