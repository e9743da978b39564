//! Which counters of the peer have been seen: a sliding window of 2,048 bits.
//!
//! The window reaches from the highest counter seen back over at least the 1,984 before it
//! (words are cleared whole). What is older is refused, what is inside is accepted once, what is
//! ahead moves it. Asking changes nothing: a counter is recorded only after its tag verified.

const WORDS: usize = 32;
const BITS: u32 = u64::BITS;

/// The window: 260 bytes, no heap.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Replay {
    /// One more than the highest counter seen.
    next: u32,
    /// A ring indexed by counter / 64: the word of `next − 1` and the 31 before it.
    words: [u64; WORDS],
}

impl Replay {
    /// How far below the highest counter a message may come, at the least.
    #[cfg(test)]
    pub(crate) const REACH: u32 = (WORDS as u32 - 1) * BITS;

    pub(crate) const fn new() -> Self {
        Self { next: 0, words: [0; WORDS] }
    }

    /// Whether a message under `counter` could be new.
    #[inline]
    pub(crate) const fn admits(&self, counter: u32) -> bool {
        if counter >= self.next {
            return true;
        }
        let newest = (self.next - 1) / BITS;
        let word = counter / BITS;
        (newest - word) < WORDS as u32
            && self.words[word as usize % WORDS] >> (counter % BITS) & 1 == 0
    }

    /// Records `counter`, which [`Self::admits`] admitted and whose tag has verified.
    #[inline]
    pub(crate) fn record(&mut self, counter: u32) {
        let word = counter / BITS;
        if counter >= self.next {
            let newest = self.next.saturating_sub(1) / BITS;
            let fresh = (word - newest).min(WORDS as u32);
            for step in 0..fresh {
                self.words[(word - step) as usize % WORDS] = 0;
            }
            // The highest counter is 2³² − 3, so this does not wrap.
            self.next = counter.saturating_add(1);
        }
        self.words[word as usize % WORDS] |= 1 << (counter % BITS);
    }
}
