//! What quinn-proto would otherwise draw or look up by itself: connection ids, and keys for resets and tokens.

use crate::crypto::AeadKey;
use crate::seed::{Rng, Seed};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;
use quinn_proto::ConnectionId;
use quinn_proto::crypto::{CryptoError, HandshakeTokenKey, HmacKey};
use subtle::ConstantTimeEq as _;

/// Bytes of a connection id of ours.
pub(super) const CID_LEN: usize = 8;

/// Connection ids from a generator of the node's.
pub(super) struct ConnectionIds(pub(super) Rng);

impl quinn_proto::ConnectionIdGenerator for ConnectionIds {
    fn generate_cid(&mut self) -> ConnectionId {
        ConnectionId::new(&self.0.bytes::<CID_LEN>())
    }

    fn cid_len(&self) -> usize {
        CID_LEN
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// The key of stateless resets (RFC 9000 section 10.3.2): BLAKE2b-256 under a key.
pub(super) struct ResetKey(Seed);

impl ResetKey {
    pub(super) fn new(seed: &Seed) -> Self {
        Self(seed.child("resets"))
    }
}

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature: &mut [u8]) {
        signature.copy_from_slice(&self.0.mac(data));
    }

    fn signature_len(&self) -> usize {
        32
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        bool::from(self.0.mac(data).ct_eq(signature)).then_some(()).ok_or(CryptoError)
    }
}

/// The key of retry tokens (RFC 9000 section 8.1.4): a key of ChaCha20-Poly1305 for each, made of its random bytes.
pub(super) struct TokenKey(Seed);

impl TokenKey {
    pub(super) fn new(seed: &Seed) -> Self {
        Self(seed.child("tokens"))
    }
}

impl HandshakeTokenKey for TokenKey {
    fn aead_from_hkdf(&self, random: &[u8]) -> Box<dyn quinn_proto::crypto::AeadKey> {
        Box::new(Sealer(AeadKey::new(&self.0.mac(random))))
    }
}

/// Seals one token, so that a counter is enough for a nonce.
struct Sealer(AeadKey);

impl quinn_proto::crypto::AeadKey for Sealer {
    fn seal(&self, data: &mut Vec<u8>, additional: &[u8]) -> Result<(), CryptoError> {
        let tag = self.0.seal(0, additional, data);
        data.extend_from_slice(&tag);
        Ok(())
    }

    fn open<'a>(&self, data: &'a mut [u8], additional: &[u8]) -> Result<&'a mut [u8], CryptoError> {
        let len = self.0.open(0, additional, data).map_err(|_| CryptoError)?;
        data.get_mut(..len).ok_or(CryptoError)
    }
}
