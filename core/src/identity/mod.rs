//! Who a node is: an Ed25519 key, and the id that names it.
//!
//! | thing | form | size |
//! |---|---|---|
//! | [`PublicKey`] | Ed25519 (RFC 8032); on the wire DER SubjectPublicKeyInfo (RFC 5280, RFC 8410) | 32 bytes; 44 as DER |
//! | [`SecretKey`] | the seed of an Ed25519 key, from which all else follows | 32 bytes |
//! | [`PeerId`] | SHAKE256 of the SubjectPublicKeyInfo | 32 bytes |
//! | text of a [`PeerId`] | base64 without padding, in an alphabet that is in ASCII order | 43 characters |
//!
//! No timers, no state. Refused: SubjectPublicKeyInfo in any spelling but the one DER allows,
//! other algorithms, ids of another length, with other characters or with spare bits set, and
//! signatures that are not strictly valid (small-order keys and nonces, S not reduced).

#[cfg(feature = "foreign-suite")]
pub use crate::crypto::ForeignSuite;

#[cfg(feature = "std")]
pub mod file;
mod format;
mod key;
mod peer_id;
#[cfg(test)]
mod tests;

pub use format::{KeyError, KeyFormat, UnknownKeyFormat, WriteKeyError};
pub use key::{BadSignature, PublicKey, SecretKey};
pub use peer_id::{ParsePeerIdError, PeerId};
