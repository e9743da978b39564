//! Draws without a generator: each is a hash of what it decides about.
//!
//! A draw depends on the seed, on what is drawn, on who sends to whom, and on how many datagrams went
//! that way before. It does not depend on any other draw, so a node more, or a fault more, leaves
//! all others as they were.

use core::time::Duration;

/// Mixes all bits of a number into all bits of another: the finaliser of SplitMix64.
#[must_use]
pub(crate) const fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// A running hash of words and bytes. No cryptographic one: nobody attacks a simulation with its own traces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Running(pub(crate) u64);

impl Running {
    pub(crate) const fn new(domain: u64) -> Self {
        Self(domain.wrapping_mul(STEP))
    }

    pub(crate) const fn word(&mut self, word: u64) {
        self.pair(word, 0);
    }

    /// Takes in two words for the price of one: the halves of a product. What there was is added, or a word
    /// that makes a factor zero would wipe it out.
    pub(crate) const fn pair(&mut self, one: u64, other: u64) {
        let product = (one ^ STEP) as u128 * (other ^ self.0 ^ ODD) as u128;
        let folded = product as u64 ^ (product >> 64) as u64;
        self.0 = folded.wrapping_add(self.0.rotate_left(23)).wrapping_add(STEP);
    }

    /// Takes in `bytes`, with how many they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        let (pairs, rest) = bytes.as_chunks::<16>();
        for pair in pairs {
            self.chunk(pair);
        }
        if !rest.is_empty() {
            let mut last = [0; 16];
            for (to, from) in last.iter_mut().zip(rest) {
                *to = *from;
            }
            self.chunk(&last);
        }
        self.word(bytes.len() as u64);
    }

    const fn chunk(&mut self, pair: &[u8; 16]) {
        let both = u128::from_le_bytes(*pair);
        self.pair(both as u64, (both >> 64) as u64);
    }
}

const ODD: u64 = 0xd6e8_feb8_6659_fd93;
/// The golden ratio as a fraction of 2^64: what SplitMix64 steps by.
pub(crate) const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The draws about one datagram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw(u64);

impl Draw {
    /// The draws about the datagram `number` from `src` to `dst`.
    pub(crate) const fn new(seed: u64, src: u32, dst: u32, number: u64) -> Self {
        let way = (src as u64) << 32 | dst as u64;
        Self(mix(seed)).with(way).with(number)
    }

    /// The draws about one part of it.
    pub(crate) const fn with(self, part: u64) -> Self {
        Self(mix(self.0.wrapping_add(STEP) ^ mix(part.wrapping_add(STEP))))
    }

    /// 64 bits for what is named `domain`.
    pub(crate) fn bits(self, domain: &str) -> u64 {
        let name = domain
            .bytes()
            .fold(0, |hash: u64, byte| mix(hash.wrapping_add(STEP) ^ u64::from(byte)));
        self.with(name).0
    }

    /// A number in `0..bound`; zero where `bound` is.
    pub(crate) fn below(self, domain: &str, bound: u64) -> u64 {
        ((u128::from(self.bits(domain)) * u128::from(bound)) >> 64) as u64
    }

    /// A duration up to `max`, with it.
    pub(crate) fn up_to(self, domain: &str, max: Duration) -> Duration {
        let nanos = u64::try_from(max.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.below(domain, nanos.saturating_add(1)))
    }
}
