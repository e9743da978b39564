//! Randomness that is handed in: seeds, their children, and named generators.
//!
//! A machine takes one 32-byte [`Seed`] and derives what it needs by name, so a draw added in
//! one layer reshuffles no other. The same seed gives the same draws on every platform.

use chacha20::ChaCha20Rng;
use core::fmt;
use rand_core::{Rng as _, SeedableRng};
use zeroize::Zeroize;

/// 32 secret bytes from which generators and further seeds are derived. Wiped on drop.
#[derive(Clone)]
pub struct Seed([u8; 32]);

impl Seed {
    /// A seed of these bytes. A node's seed comes from the operating system's generator; a
    /// test's from a number ([`Seed::from_u64`]).
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A seed for tests and simulations: predictable, so never for a real node.
    #[must_use]
    pub fn from_u64(number: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        Self(bytes)
    }

    /// The child of this seed under `label`: BLAKE2b-256 keyed by the seed.
    #[must_use]
    pub fn child(&self, label: &str) -> Self {
        Self(self.mac(label.as_bytes()))
    }

    /// BLAKE2b-256 of `data`, keyed by this seed.
    pub(crate) fn mac(&self, data: &[u8]) -> [u8; 32] {
        let mut params = blake2b_simd::Params::new();
        params.hash_length(32).key(&self.0);
        let mut mac = [0; 32];
        mac.copy_from_slice(params.hash(data).as_bytes());
        mac
    }

    /// The generator of this seed under `label`.
    #[must_use]
    pub fn rng(&self, label: &str) -> Rng {
        Rng(ChaCha20Rng::from_seed(self.child(label).0))
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(…)")
    }
}

/// A named generator: ChaCha20, seeded by [`Seed::rng`]. Wiped on drop, never printed.
pub struct Rng(ChaCha20Rng);

impl Rng {
    /// The next 64 bits.
    pub fn u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// The next 32 bits.
    pub fn u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// Fills `out`.
    pub fn fill(&mut self, out: &mut [u8]) {
        self.0.fill_bytes(out);
    }

    /// The next `N` bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }

    /// A number in `0..bound`, each as likely as the other to within 2⁻⁶⁴ of `bound`; zero for `bound` zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.u64()) * u128::from(bound)) >> 64) as u64
    }

    /// Whether an event of probability `num / den` happens. Always where `num >= den`.
    pub fn chance(&mut self, num: u64, den: u64) -> bool {
        self.below(den) < num
    }
}

impl fmt::Debug for Rng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rng(…)")
    }
}
