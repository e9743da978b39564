//! The few primitives that everything secret here is made of, behind one set of names.
//!
//! | primitive | names | source |
//! |---|---|---|
//! | ChaCha20-Poly1305 | [`AeadKey`] | RFC 8439; nonce: four zero bytes, then the counter as a little-endian u64 |
//! | X25519 | [`Ephemeral`], [`x25519_public`], [`x25519`] | RFC 7748; an all-zero shared secret is refused |
//! | Ed25519 | [`SigningKey`], [`verify`] | RFC 8032, pure; verified without the cofactor, small-order keys and nonces refused |
//! | ciphers of SSH's packets, SHA-256 | [`packet`] | PROTOCOL.chacha20poly1305 of OpenSSH, RFC 5647, FIPS 180-4 |
//! | ML-KEM-768 | `ml_kem`, with the feature of that name | FIPS 203; the caller draws |
//! | BLAKE2b, BLAKE2Xb, HMAC, HKDF, SHAKE256 | [`hash`] | RFC 7693, RFC 2104, Noise revision 34 section 4.3, FIPS 202 |
//!
//! What a key pair is used with is its [`Suite`]: these, but in simulations.
//!
//! Two backends have exactly the same items: `portable` (pure Rust, always compiled) and `aws_lc`
//! (feature `aws-lc`: assembly, several times faster). The same tests run on both; what one
//! accepts the other accepts. Nothing here draws randomness, keeps time or returns a reason for
//! a refusal: which check failed is of use to an attacker only.

#[cfg(feature = "aws-lc")]
mod aws_lc;
mod hash;
#[cfg(feature = "ml-kem")]
#[cfg_attr(
    not(any(feature = "quic", feature = "ssh")),
    allow(dead_code, reason = "only QUIC and SSH agree on keys with it")
)]
pub(crate) mod ml_kem;
#[cfg(feature = "ssh")]
pub(crate) mod packet;
#[cfg_attr(
    all(feature = "aws-lc", not(test)),
    allow(
        dead_code,
        reason = "stays compiled so that it cannot rot; the tests compare the two backends"
    )
)]
mod portable;
mod suite;
#[cfg(test)]
mod tests;

use core::fmt;

#[cfg(feature = "aws-lc")]
use aws_lc as backend;
#[cfg(not(feature = "aws-lc"))]
use portable as backend;

pub(crate) use backend::Ephemeral;
pub(crate) use backend::{SigningKey, verify};
use backend::{x25519, x25519_public};
pub(crate) use hash::{blake2b_256, blake2b_512, blake2xb_64, hkdf2, shake256_32};
#[cfg(feature = "foreign-suite")]
pub use suite::ForeignSuite;
pub(crate) use suite::Suite;

/// Bytes that an [`AeadKey`] adds to what it seals.
pub(crate) const TAG_LEN: usize = 16;

/// A tag, signature or key that did not hold. Says no more on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rejected;

/// A ChaCha20-Poly1305 key (RFC 8439) whose nonces are counters: four zero bytes, then the
/// counter as a little-endian u64. Wiped on drop, never printed.
///
/// It keeps no count of its own: never sealing twice under one counter is up to the caller.
pub(crate) struct AeadKey(Cipher);

enum Cipher {
    Own(backend::Cipher),
    #[cfg(feature = "foreign-suite")]
    Foreign(&'static dyn ForeignSuite, zeroize::Zeroizing<[u8; 32]>),
}

impl AeadKey {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(Cipher::Own(backend::Cipher::new(key)))
    }

    #[cfg(feature = "foreign-suite")]
    fn foreign(suite: &'static dyn ForeignSuite, key: &[u8; 32]) -> Self {
        Self(Cipher::Foreign(suite, zeroize::Zeroizing::new(*key)))
    }

    /// Encrypts `text` in place and returns its tag.
    #[inline]
    pub(crate) fn seal(&self, counter: u64, ad: &[u8], text: &mut [u8]) -> [u8; TAG_LEN] {
        match &self.0 {
            Cipher::Own(cipher) => cipher.seal(nonce(counter), ad, text),
            #[cfg(feature = "foreign-suite")]
            Cipher::Foreign(suite, key) => suite.seal(key, counter, ad, text),
        }
    }

    /// Opens ciphertext and tag in place; the length of the plaintext, which begins where
    /// `sealed` does. What `sealed` holds after a failure is unspecified.
    #[inline]
    pub(crate) fn open(
        &self,
        counter: u64,
        ad: &[u8],
        sealed: &mut [u8],
    ) -> Result<usize, Rejected> {
        match &self.0 {
            Cipher::Own(cipher) => cipher.open(nonce(counter), ad, sealed),
            #[cfg(feature = "foreign-suite")]
            Cipher::Foreign(suite, key) => {
                let (text, tag) = sealed.split_last_chunk_mut().ok_or(Rejected)?;
                suite.open(key, counter, ad, text, tag).then_some(text.len()).ok_or(Rejected)
            }
        }
    }

    /// Opens ciphertext and tag into `out` and leaves them as they are; the length of the
    /// plaintext. Refused where `out` is too short for it. What `out` holds after a failure is
    /// unspecified, but never plaintext.
    #[inline]
    pub(crate) fn open_to(
        &self,
        counter: u64,
        ad: &[u8],
        sealed: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Rejected> {
        match &self.0 {
            Cipher::Own(cipher) => cipher.open_to(nonce(counter), ad, sealed, out),
            #[cfg(feature = "foreign-suite")]
            Cipher::Foreign(suite, key) => {
                let (text, tag) = sealed.split_last_chunk().ok_or(Rejected)?;
                let out = out.get_mut(..text.len()).ok_or(Rejected)?;
                out.copy_from_slice(text);
                suite.open(key, counter, ad, out, tag).then_some(text.len()).ok_or(Rejected)
            }
        }
    }

    /// Gives back what memory the key can do without until its next use, which takes a little
    /// longer. For the keys of sessions that have fallen idle.
    pub(crate) fn rest(&mut self) {
        match &mut self.0 {
            Cipher::Own(cipher) => cipher.rest(),
            #[cfg(feature = "foreign-suite")]
            Cipher::Foreign(..) => {}
        }
    }
}

impl fmt::Debug for AeadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AeadKey(…)")
    }
}

fn nonce(counter: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&counter.to_le_bytes());
    nonce
}
