//! How two sides agree on a secret: their halves, and how the secret goes into hashes.
//!
//! | method | client's half | server's half | secret |
//! |---|---|---|---|
//! | `curve25519-sha256` (RFC 8731) | X25519 | X25519 | what they share, as a number |
//! | `mlkem768x25519-sha256` (draft-ietf-sshm-mlkem-hybrid-kex), feature `ml-kem` | ML-KEM-768 key, X25519 | ML-KEM-768 ciphertext, X25519 | SHA-256 of both secrets, as a string |

use super::wire::Written;
use crate::crypto::{Ephemeral, Rejected};
use crate::seed::Rng;
use alloc::vec::Vec;
use core::fmt;
use zeroize::Zeroizing;

#[cfg(feature = "ml-kem")]
use crate::crypto::ml_kem::{CIPHERTEXT_LEN, MlKemSecret, PUBLIC_LEN, SEED_LEN, encapsulate};
#[cfg(feature = "ml-kem")]
use crate::crypto::packet::sha256;
#[cfg(feature = "ml-kem")]
use alloc::boxed::Box;

/// Which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    X25519,
    #[cfg(feature = "ml-kem")]
    MlKem768X25519,
}

/// The secret, as it is hashed.
pub(super) type Secret = Zeroizing<Vec<u8>>;

/// The half that a client keeps to itself.
pub(super) struct Half {
    x25519: Ephemeral,
    #[cfg(feature = "ml-kem")]
    ml_kem: Option<Box<MlKemSecret>>,
}

impl Half {
    /// A client's half.
    pub(super) fn new(method: Method, rng: &mut Rng) -> Self {
        let x25519 = Ephemeral::new(&Zeroizing::new(rng.bytes()));
        #[cfg(feature = "ml-kem")]
        {
            let hybrid = method == Method::MlKem768X25519;
            let ml_kem = hybrid.then(|| {
                let seed = Zeroizing::new(rng.bytes::<SEED_LEN>());
                Box::new(MlKemSecret::from_seed(&seed))
            });
            Self { x25519, ml_kem }
        }
        #[cfg(not(feature = "ml-kem"))]
        {
            let Method::X25519 = method;
            Self { x25519 }
        }
    }

    /// What the server is told of it.
    pub(super) fn public(&self) -> Vec<u8> {
        let mut public = Vec::new();
        #[cfg(feature = "ml-kem")]
        if let Some(ml_kem) = &self.ml_kem {
            public.extend_from_slice(&ml_kem.public());
        }
        public.extend_from_slice(self.x25519.public());
        public
    }

    /// The secret, by what the server told.
    pub(super) fn agree(&self, theirs: &[u8]) -> Result<Secret, Rejected> {
        #[cfg(feature = "ml-kem")]
        if let Some(ml_kem) = &self.ml_kem {
            let (ciphertext, point) =
                theirs.split_first_chunk::<CIPHERTEXT_LEN>().ok_or(Rejected)?;
            let shared = self.x25519.agree(&exactly(point)?)?;
            return Ok(combined(&ml_kem.decapsulate(ciphertext), &shared));
        }
        let shared = self.x25519.agree(&exactly(theirs)?)?;
        Ok(number(&shared))
    }
}

impl fmt::Debug for Half {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Half(…)")
    }
}

/// What a server tells, and the secret, by what the client told.
pub(super) fn answer(
    method: Method,
    theirs: &[u8],
    rng: &mut Rng,
) -> Result<(Vec<u8>, Secret), Rejected> {
    let x25519 = Ephemeral::new(&Zeroizing::new(rng.bytes()));
    match method {
        Method::X25519 => {
            let shared = x25519.agree(&exactly(theirs)?)?;
            Ok((x25519.public().to_vec(), number(&shared)))
        }
        #[cfg(feature = "ml-kem")]
        Method::MlKem768X25519 => {
            let (key, point) = theirs.split_first_chunk::<PUBLIC_LEN>().ok_or(Rejected)?;
            let (ciphertext, first) = encapsulate(key, &Zeroizing::new(rng.bytes()))?;
            let second = x25519.agree(&exactly(point)?)?;
            let mut public = ciphertext.to_vec();
            public.extend_from_slice(x25519.public());
            Ok((public, combined(&first, &second)))
        }
    }
}

fn exactly(point: &[u8]) -> Result<[u8; 32], Rejected> {
    point.try_into().map_err(|_| Rejected)
}

fn number(shared: &[u8; 32]) -> Secret {
    Zeroizing::new(Written::part().put_mpint(shared).into_vec())
}

#[cfg(feature = "ml-kem")]
fn combined(first: &[u8; 32], second: &[u8; 32]) -> Secret {
    let hash = Zeroizing::new(sha256(&[first, second]));
    Zeroizing::new(Written::part().put(hash.as_slice()).into_vec())
}
