//! Whose cipher, key exchange, signatures and hashes a key pair is used with: the protocol's own.
//!
//! With the feature `foreign-suite`, which the simulator alone switches on, a
//! [`SecretKey`](crate::identity::SecretKey) may be made for another suite, whose outputs have the same lengths. Then all
//! that is built on it follows. Without the feature this type has no size, and there is no other suite.

use super::{AeadKey, Ephemeral, Rejected, blake2b_256, blake2b_512, hkdf2, x25519, x25519_public};
use zeroize::Zeroizing;

/// Somebody else's cipher, key exchange, signatures and hashes, for simulations that need not keep secrets and
/// have to be fast. The ids of keys stay the protocol's.
///
/// All is as long as what it stands for. Nothing is drawn or kept in an implementation: the same calls
/// give the same bytes.
#[cfg(feature = "foreign-suite")]
pub trait ForeignSuite: core::fmt::Debug + Sync {
    /// Encrypts `text` in place and returns its tag.
    fn seal(&self, key: &[u8; 32], counter: u64, ad: &[u8], text: &mut [u8]) -> [u8; 16];

    /// Decrypts `text` in place; whether the tag is its own.
    fn open(
        &self,
        key: &[u8; 32],
        counter: u64,
        ad: &[u8],
        text: &mut [u8],
        tag: &[u8; 16],
    ) -> bool;

    /// The public half of an ephemeral secret.
    fn public(&self, secret: &[u8; 32]) -> [u8; 32];

    /// What the two halves of two secrets agree on; `None` where the public half is not one.
    fn agree(&self, secret: &[u8; 32], public: &[u8; 32]) -> Option<[u8; 32]>;

    /// The signature of `message` under the key whose public half this is.
    fn sign(&self, public: &[u8; 32], message: &[u8]) -> [u8; 64];

    /// Whether that is its signature.
    fn verify(&self, public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool;

    /// What stands for these parts, in this order.
    fn hash(&self, parts: &[&[u8]]) -> [u8; 64];

    /// Two keys that follow from one and from an input.
    fn derive(&self, key: &[u8; 64], input: &[u8]) -> ([u8; 64], [u8; 64]);
}

/// Which suite.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Suite {
    #[default]
    Own,
    #[cfg(feature = "foreign-suite")]
    Foreign(&'static dyn ForeignSuite),
}

impl Suite {
    pub(crate) fn aead(self, key: &[u8; 32]) -> AeadKey {
        match self {
            Self::Own => AeadKey::new(key),
            #[cfg(feature = "foreign-suite")]
            Self::Foreign(suite) => AeadKey::foreign(suite, key),
        }
    }

    /// The public half of an ephemeral secret.
    pub(crate) fn public(self, secret: &[u8; 32]) -> [u8; 32] {
        match self {
            Self::Own => x25519_public(secret),
            #[cfg(feature = "foreign-suite")]
            Self::Foreign(suite) => suite.public(secret),
        }
    }

    /// What the secret and the other's public half agree on.
    pub(crate) fn agree(
        self,
        secret: &[u8; 32],
        public: &[u8; 32],
    ) -> Result<Zeroizing<[u8; 32]>, Rejected> {
        match self {
            Self::Own => x25519(secret, public),
            #[cfg(feature = "foreign-suite")]
            Self::Foreign(suite) => suite.agree(secret, public).map(Zeroizing::new).ok_or(Rejected),
        }
    }

    /// The secret's own public half, and what it agrees on with the other's: both at once take less.
    pub(crate) fn answer(
        self,
        secret: &[u8; 32],
        public: &[u8; 32],
    ) -> Result<([u8; 32], Zeroizing<[u8; 32]>), Rejected> {
        match self {
            Self::Own => {
                let ephemeral = Ephemeral::new(secret);
                let shared = ephemeral.agree(public)?;
                Ok((*ephemeral.public(), shared))
            }
            #[cfg(feature = "foreign-suite")]
            Self::Foreign(suite) => Ok((suite.public(secret), self.agree(secret, public)?)),
        }
    }

    pub(crate) fn verify(
        self,
        public: &[u8; 32],
        message: &[u8],
        signature: &[u8; 64],
    ) -> Result<(), Rejected> {
        match self {
            Self::Own => super::verify(public, message, signature),
            #[cfg(feature = "foreign-suite")]
            Self::Foreign(suite) => {
                suite.verify(public, message, signature).then_some(()).ok_or(Rejected)
            }
        }
    }

    /// A handshake's hash of `parts`.
    pub(crate) fn hash(self, parts: &[&[u8]]) -> [u8; 64] {
        match self {
            Self::Own => blake2b_512(parts),
            #[cfg(feature = "foreign-suite")]
            Self::Foreign(suite) => suite.hash(parts),
        }
    }

    /// What a whole message is known by.
    pub(crate) fn digest(self, message: &[u8]) -> [u8; 32] {
        match self {
            Self::Own => blake2b_256(&[message]),
            #[cfg(feature = "foreign-suite")]
            Self::Foreign(suite) => {
                let mut digest = [0; 32];
                digest.copy_from_slice(&suite.hash(&[message])[..32]);
                digest
            }
        }
    }

    /// The two keys of Noise's HKDF.
    pub(crate) fn derive(
        self,
        chaining_key: &[u8; 64],
        input: &[u8],
    ) -> (Zeroizing<[u8; 64]>, Zeroizing<[u8; 64]>) {
        match self {
            Self::Own => hkdf2(chaining_key, input),
            #[cfg(feature = "foreign-suite")]
            Self::Foreign(suite) => {
                let (first, second) = suite.derive(chaining_key, input);
                (Zeroizing::new(first), Zeroizing::new(second))
            }
        }
    }
}
