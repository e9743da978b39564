//! The portable backend: pure Rust, `no_std`, the RustCrypto and dalek crates.

use super::{Rejected, TAG_LEN};
use chacha20poly1305::{AeadInOut as _, ChaCha20Poly1305, KeyInit as _, aead::inout::InOutBuf};
use core::fmt;
use ed25519_dalek::{Signature, Signer as _, VerifyingKey};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

/// ChaCha20-Poly1305 (RFC 8439) under one key, which is wiped on drop.
pub(crate) struct Cipher(ChaCha20Poly1305);

impl Cipher {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(ChaCha20Poly1305::new(key.into()))
    }

    #[inline]
    pub(crate) fn seal(&self, nonce: [u8; 12], ad: &[u8], text: &mut [u8]) -> [u8; TAG_LEN] {
        self.0
            .encrypt_inout_detached(&nonce.into(), ad, text.into())
            .expect("only a text of 256 GiB or more is refused")
            .into()
    }

    #[inline]
    pub(crate) fn open(
        &self,
        nonce: [u8; 12],
        ad: &[u8],
        sealed: &mut [u8],
    ) -> Result<usize, Rejected> {
        let (text, tag) = sealed.split_last_chunk_mut::<TAG_LEN>().ok_or(Rejected)?;
        let len = text.len();
        self.0
            .decrypt_inout_detached(&nonce.into(), ad, text.into(), (&*tag).into())
            .map_err(|_| Rejected)?;
        Ok(len)
    }

    #[inline]
    pub(crate) fn open_to(
        &self,
        nonce: [u8; 12],
        ad: &[u8],
        sealed: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Rejected> {
        let (text, tag) = sealed.split_last_chunk::<TAG_LEN>().ok_or(Rejected)?;
        let out = out.get_mut(..text.len()).ok_or(Rejected)?;
        let buffer = InOutBuf::new(text, out).map_err(|_| Rejected)?;
        self.0
            .decrypt_inout_detached(&nonce.into(), ad, buffer, tag.into())
            .map_err(|_| Rejected)?;
        Ok(text.len())
    }

    /// Gives back what memory the key can do without until its next use. Nothing here: the key
    /// is its 32 bytes.
    #[cfg_attr(
        feature = "aws-lc",
        allow(dead_code, reason = "then this backend is only tested, and has nothing to rest")
    )]
    pub(crate) fn rest(&mut self) {}
}

/// An X25519 secret with its public half, so that neither is computed twice. Wiped on drop,
/// never printed.
pub(crate) struct Ephemeral {
    secret: StaticSecret,
    public: [u8; 32],
}

impl Ephemeral {
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        let secret = StaticSecret::from(*secret);
        let public = PublicKey::from(&secret).to_bytes();
        Self { secret, public }
    }

    pub(crate) fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// The secret shared with `public`; refused where it is all zero, as it is for every
    /// small-order point.
    pub(crate) fn agree(&self, public: &[u8; 32]) -> Result<Zeroizing<[u8; 32]>, Rejected> {
        let shared = self.secret.diffie_hellman(&PublicKey::from(*public));
        if shared.was_contributory() {
            Ok(Zeroizing::new(shared.to_bytes()))
        } else {
            Err(Rejected)
        }
    }
}

impl fmt::Debug for Ephemeral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ephemeral(…)")
    }
}

/// The X25519 public key of `secret`.
pub(crate) fn x25519_public(secret: &[u8; 32]) -> [u8; 32] {
    PublicKey::from(&StaticSecret::from(*secret)).to_bytes()
}

/// The X25519 secret shared with `public`; refused where it is all zero. Where the public half
/// of `secret` is needed as well, an [`Ephemeral`] saves work.
pub(crate) fn x25519(
    secret: &[u8; 32],
    public: &[u8; 32],
) -> Result<Zeroizing<[u8; 32]>, Rejected> {
    let shared = StaticSecret::from(*secret).diffie_hellman(&PublicKey::from(*public));
    if shared.was_contributory() { Ok(Zeroizing::new(shared.to_bytes())) } else { Err(Rejected) }
}

/// An Ed25519 key that signs. Wiped on drop, never printed.
pub(crate) struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    pub(crate) fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    pub(crate) fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

/// Whether `signature` is `public`'s over `message`, strictly: S below the group order, the
/// equation without the cofactor, and neither the key nor R of small order.
pub(crate) fn verify(
    public: &[u8; 32],
    message: &[u8],
    signature: &[u8; 64],
) -> Result<(), Rejected> {
    VerifyingKey::from_bytes(public)
        .and_then(|key| key.verify_strict(message, &Signature::from_bytes(signature)))
        .map_err(|_| Rejected)
}
