//! The Noise handshake `Noise_NN_25519_ChaChaPoly_BLAKE2b` (revision 34), and its transport.
//!
//! ```text
//! -> e                     message 1: e || payload          (payload in clear)
//! <- e, ee                 message 2: e || AEAD(payload)
//! ```
//!
//! Ephemeral secrets are handed in, so the same inputs give the same bytes. Reading the second
//! message takes `&self`: whoever saw the first can make one that decrypts, so the initiator has
//! to be able to try again. Secrets are wiped on drop and never printed.
//!
//! NN authenticates nobody. What is built on it signs the [`Split::hash`].

use crate::crypto::{AeadKey, Suite, TAG_LEN};
use alloc::vec::Vec;
use core::fmt;
use zeroize::{Zeroize as _, Zeroizing};

const PROTOCOL: &[u8] = b"Noise_NN_25519_ChaChaPoly_BLAKE2b";
/// Bytes of an X25519 key.
const DH_LEN: usize = 32;
/// Bytes of a BLAKE2b hash.
pub const HASH_LEN: usize = 64;

/// A message that does not belong to this handshake, or was tampered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoiseError;

impl fmt::Display for NoiseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("message does not belong to this handshake")
    }
}

impl core::error::Error for NoiseError {}

/// The initiator, its message written.
pub struct Initiator {
    suite: Suite,
    secret: Zeroizing<[u8; DH_LEN]>,
    /// The hash after message 1. The chaining key is the protocol's own constant until `ee`.
    hash: [u8; HASH_LEN],
}

impl Initiator {
    /// Begins a handshake: appends message 1, `e || payload`, to `out`.
    pub fn start(prologue: &[u8], secret: [u8; 32], payload: &[u8], out: &mut Vec<u8>) -> Self {
        Self::start_under(Suite::Own, prologue, secret, payload, out)
    }

    pub(crate) fn start_under(
        suite: Suite,
        prologue: &[u8],
        secret: [u8; 32],
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Self {
        let secret = Zeroizing::new(secret);
        let public = suite.public(&secret);
        out.extend_from_slice(&public);
        out.extend_from_slice(payload);
        let hash = first_hash(suite, prologue, &public, payload);
        Self { suite, secret, hash }
    }

    /// The handshake hash after message 1.
    #[must_use]
    pub const fn hash(&self) -> &[u8; HASH_LEN] {
        &self.hash
    }

    /// Reads message 2 and appends its payload to `out`. Nothing is believed yet, and nothing
    /// here has changed. What `out` gained is removed again on failure.
    pub fn read(&self, message: &[u8], out: &mut Vec<u8>) -> Result<Split, NoiseError> {
        let (public, sealed) = message.split_first_chunk::<DH_LEN>().ok_or(NoiseError)?;
        if sealed.len() < TAG_LEN {
            return Err(NoiseError);
        }
        let shared = self.suite.agree(&self.secret, public).map_err(|_| NoiseError)?;
        let (ck, key, ad) = second_keys(self.suite, &self.hash, public, &shared);
        let start = out.len();
        let len = sealed.len() - TAG_LEN;
        out.resize(start + len, 0);
        if key.open_to(0, &ad, sealed, &mut out[start..]).is_err() {
            out.truncate(start);
            return Err(NoiseError);
        }
        Ok(Split::new(self.suite, &ck, self.suite.hash(&[&ad, sealed])))
    }
}

impl fmt::Debug for Initiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Initiator(…)")
    }
}

/// The responder, message 1 read.
pub struct Responder<'a> {
    suite: Suite,
    public: &'a [u8; DH_LEN],
    hash: [u8; HASH_LEN],
}

impl<'a> Responder<'a> {
    /// Reads message 1; the second item is its payload. Nothing of it is authenticated.
    pub fn read(prologue: &[u8], message: &'a [u8]) -> Result<(Self, &'a [u8]), NoiseError> {
        Self::read_under(Suite::Own, prologue, message)
    }

    pub(crate) fn read_under(
        suite: Suite,
        prologue: &[u8],
        message: &'a [u8],
    ) -> Result<(Self, &'a [u8]), NoiseError> {
        let (public, payload) = message.split_first_chunk::<DH_LEN>().ok_or(NoiseError)?;
        Ok((Self { suite, public, hash: first_hash(suite, prologue, public, payload) }, payload))
    }

    /// The handshake hash after message 1.
    #[must_use]
    pub const fn hash(&self) -> &[u8; HASH_LEN] {
        &self.hash
    }

    /// Appends message 2, `e || AEAD(payload)`, to `out`. Refused, and nothing appended, where
    /// the initiator's point is of small order.
    pub fn answer(
        self,
        mut secret: [u8; 32],
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Split, NoiseError> {
        let agreed = self.suite.answer(&secret, self.public);
        secret.zeroize();
        let (public, shared) = agreed.map_err(|_| NoiseError)?;
        let (ck, key, ad) = second_keys(self.suite, &self.hash, &public, &shared);
        out.extend_from_slice(&public);
        let start = out.len();
        out.extend_from_slice(payload);
        let tag = key.seal(0, &ad, &mut out[start..]);
        out.extend_from_slice(&tag);
        Ok(Split::new(self.suite, &ck, self.suite.hash(&[&ad, &out[start..]])))
    }
}

impl fmt::Debug for Responder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Responder(…)")
    }
}

/// What the handshake yields: a key for each direction and the hash that binds both to it.
#[derive(Clone)]
pub struct Split {
    suite: Suite,
    /// The key for what the initiator sends.
    pub(crate) initiator: Zeroizing<[u8; 32]>,
    /// The key for what the responder sends.
    pub(crate) responder: Zeroizing<[u8; 32]>,
    /// The handshake hash after message 2.
    pub hash: [u8; HASH_LEN],
}

impl Split {
    fn new(suite: Suite, ck: &[u8; HASH_LEN], hash: [u8; HASH_LEN]) -> Self {
        let (initiator, responder) = suite.derive(ck, &[]);
        let (initiator, responder) = (key_of(&initiator), key_of(&responder));
        Self { suite, initiator, responder, hash }
    }

    /// What the keys are for.
    pub(crate) const fn suite(&self) -> Suite {
        self.suite
    }

    /// Plain Noise transport as revision 34 section 5.3 has it: what the initiator sends, and
    /// what the responder sends.
    #[must_use]
    pub fn transport(&self) -> (CipherState, CipherState) {
        let state = |key| CipherState { key: self.suite.aead(key), counter: 0 };
        (state(&self.initiator), state(&self.responder))
    }
}

impl fmt::Debug for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Split(…)")
    }
}

/// One direction of a plain Noise transport: counters from 0, in order, no associated data.
pub struct CipherState {
    key: AeadKey,
    counter: u64,
}

impl CipherState {
    /// Encrypts the next message. Refused when 2⁶⁴ − 1 have been.
    pub fn encrypt(&mut self, payload: &[u8]) -> Result<Vec<u8>, NoiseError> {
        let counter = self.counter;
        self.counter = counter.checked_add(1).ok_or(NoiseError)?;
        let mut out = Vec::with_capacity(payload.len().saturating_add(TAG_LEN));
        out.extend_from_slice(payload);
        let tag = self.key.seal(counter, &[], &mut out);
        out.extend_from_slice(&tag);
        Ok(out)
    }

    /// Decrypts the next message. A message that is refused is as if it had not come.
    pub fn decrypt(&mut self, message: &[u8]) -> Result<Vec<u8>, NoiseError> {
        let next = self.counter.checked_add(1).ok_or(NoiseError)?;
        let mut out = message.to_vec();
        let len = self.key.open(self.counter, &[], &mut out).map_err(|_| NoiseError)?;
        out.truncate(len);
        self.counter = next;
        Ok(out)
    }
}

impl fmt::Debug for CipherState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CipherState").field("counter", &self.counter).finish_non_exhaustive()
    }
}

/// `h` before anything was mixed in: the protocol's name, which is shorter than a hash.
fn name_hash() -> [u8; HASH_LEN] {
    let mut hash = [0; HASH_LEN];
    hash[..PROTOCOL.len()].copy_from_slice(PROTOCOL);
    hash
}

fn first_hash(
    suite: Suite,
    prologue: &[u8],
    public: &[u8; DH_LEN],
    payload: &[u8],
) -> [u8; HASH_LEN] {
    let hash = suite.hash(&[&name_hash(), prologue]);
    let hash = suite.hash(&[&hash, public]);
    suite.hash(&[&hash, payload])
}

/// Mixes the responder's `e` and the shared secret: the chaining key, the key of message 2's
/// payload, and the hash that is its associated data.
fn second_keys(
    suite: Suite,
    hash: &[u8; HASH_LEN],
    public: &[u8; DH_LEN],
    shared: &[u8; DH_LEN],
) -> (Zeroizing<[u8; HASH_LEN]>, AeadKey, [u8; HASH_LEN]) {
    let hash = suite.hash(&[hash, public]);
    let (ck, key) = suite.derive(&name_hash(), shared);
    (ck, suite.aead(&key_of(&key)), hash)
}

/// Cipher keys are the first 32 bytes of a 64-byte output.
fn key_of(output: &[u8; HASH_LEN]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(&output[..32]);
    key
}
