//! The two halves of a key.

use super::{KeyError, PeerId};
use crate::{
    crypto::{self, SigningKey, Suite},
    seed::Rng,
};
use alloc::sync::Arc;
use core::fmt;
use zeroize::Zeroizing;

/// What precedes the 32 bytes of an Ed25519 key in its SubjectPublicKeyInfo: a SEQUENCE of
/// 42 bytes; in it the algorithm 1.3.101.112 without parameters; a BIT STRING of 33 bytes, none
/// of whose bits are unused. DER leaves no other way to write it (RFC 8410 section 4).
pub(super) const SPKI_PREFIX: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// An Ed25519 public key: who a peer is. Prints as its [`PeerId`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Bytes of a key.
    pub const LEN: usize = 32;
    /// Bytes of a key's SubjectPublicKeyInfo.
    pub const SPKI_LEN: usize = 44;

    /// The key of these 32 bytes (RFC 8032 section 5.1.5). Bytes that encode no point, or one
    /// of small order, are a key under which no signature verifies.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The key's 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// The key as DER SubjectPublicKeyInfo (RFC 5280, RFC 8410).
    #[must_use]
    pub fn to_spki(&self) -> [u8; Self::SPKI_LEN] {
        let mut spki = [0; Self::SPKI_LEN];
        let (prefix, key) = spki.split_at_mut(SPKI_PREFIX.len());
        prefix.copy_from_slice(&SPKI_PREFIX);
        key.copy_from_slice(&self.0);
        spki
    }

    /// The key in DER SubjectPublicKeyInfo, read strictly.
    ///
    /// # Errors
    /// [`KeyError::NotSpki`] for anything but the 44 bytes that DER has for an Ed25519 key.
    pub fn from_spki(spki: &[u8]) -> Result<Self, KeyError> {
        spki.strip_prefix(&SPKI_PREFIX)
            .and_then(|key| key.try_into().ok())
            .map(Self)
            .ok_or(KeyError::NotSpki)
    }

    /// The name of this key. Hashes it; [`SecretKey::id`] and the addresses of peers keep theirs.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        PeerId::from_bytes(crypto::shake256_32(&self.to_spki()))
    }

    /// Whether `signature` is this key's over `message` (RFC 8032, pure Ed25519), strictly: S
    /// is reduced, the equation holds without the cofactor, and neither the key nor R is of
    /// small order.
    ///
    /// # Errors
    /// [`BadSignature`] where it is not.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), BadSignature> {
        crypto::verify(&self.0, message, signature).map_err(|_| BadSignature)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.peer_id())
    }
}

/// An Ed25519 secret key: what a node proves itself with. A clone shares the one copy, which
/// is wiped when the last is dropped. Prints as the id it belongs to.
#[derive(Clone)]
pub struct SecretKey(Arc<Inner>);

struct Inner {
    seed: Zeroizing<[u8; 32]>,
    signing: SigningKey,
    public: PublicKey,
    id: PeerId,
    suite: Suite,
}

impl SecretKey {
    /// The key that `seed` expands to (RFC 8032 section 5.1.5).
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self::under(Suite::Own, seed)
    }

    /// The same for another suite than the protocol's: whatever this key is used for is worth nothing outside
    /// of a simulation. The builders of nodes on sockets take it for the protocol's own.
    #[cfg(feature = "foreign-suite")]
    #[must_use]
    pub fn for_suite(seed: &[u8; 32], suite: &'static dyn crypto::ForeignSuite) -> Self {
        Self::under(Suite::Foreign(suite), seed)
    }

    fn under(suite: Suite, seed: &[u8; 32]) -> Self {
        let signing = SigningKey::from_seed(seed);
        let public = PublicKey(signing.public());
        let (id, seed) = (public.peer_id(), Zeroizing::new(*seed));
        Self(Arc::new(Inner { seed, signing, public, id, suite }))
    }

    /// A new key. It is as unpredictable as what seeded `rng`.
    #[must_use]
    pub fn generate(rng: &mut Rng) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill(&mut *seed);
        Self::from_seed(&seed)
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.0.public
    }

    /// The name of the public half, computed once.
    #[must_use]
    pub fn id(&self) -> PeerId {
        self.0.id
    }

    /// The signature of `message` (RFC 8032, pure Ed25519).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        match self.0.suite {
            Suite::Own => self.0.signing.sign(message),
            #[cfg(feature = "foreign-suite")]
            Suite::Foreign(suite) => suite.sign(self.0.public.as_bytes(), message),
        }
    }

    /// What the key is used with.
    pub(crate) fn suite(&self) -> Suite {
        self.0.suite
    }

    /// The same key for the protocol's own suite: what goes out of this process is under no other.
    #[cfg(feature = "std")]
    pub(crate) fn in_earnest(self) -> Self {
        match self.0.suite {
            Suite::Own => self,
            #[cfg(feature = "foreign-suite")]
            Suite::Foreign(_) => Self::from_seed(&self.0.seed),
        }
    }

    /// The seed, for writing the key down.
    pub(crate) fn seed(&self) -> &[u8; 32] {
        &self.0.seed
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.id())
    }
}

/// A signature that does not hold. Which check refused it is not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadSignature;

impl fmt::Display for BadSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the signature is not this key's over this message")
    }
}

impl core::error::Error for BadSignature {}
