//! Where the choices of a plan come from: a generator with a seed, or bytes that somebody else chose.

use tellask::seed::Rng;

/// A source of choices.
pub(super) trait Choices {
    /// A number in `0..bound`; zero where `bound` is.
    fn below(&mut self, bound: u64) -> u64;
}

impl Choices for Rng {
    fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { Self::below(self, bound) }
    }
}

/// Bytes, each of which is a choice or part of one. When they are used up every choice is zero, so that any
/// bytes are a plan, and a prefix of them one that ends sooner.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl Choices for Bytes<'_> {
    fn below(&mut self, bound: u64) -> u64 {
        let mut number = 0;
        let mut range = 1_u64;
        while range < bound {
            let Some((byte, rest)) = self.0.split_first() else { break };
            self.0 = rest;
            number = number << 8 | u64::from(*byte);
            range = range.saturating_mul(256);
        }
        if bound == 0 { 0 } else { number % bound }
    }
}
