//! The portable backend: pure Rust, `no_std`, the RustCrypto and dalek crates.

use super::{Rejected, TAG_LEN};
#[cfg(feature = "ssh")]
use alloc::boxed::Box;
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

/// `chacha20-poly1305@openssh.com` under one key, which is wiped on drop.
#[cfg(feature = "ssh")]
pub(crate) struct OpensshChaCha {
    body: ssh_cipher::ChaCha20Poly1305,
    length: Zeroizing<[u8; 32]>,
}

#[cfg(feature = "ssh")]
impl OpensshChaCha {
    pub(crate) fn new(key: &[u8; 64]) -> Self {
        let mut length = Zeroizing::new([0; 32]);
        let mut body = Zeroizing::new([0; 32]);
        let (first, last) = key.split_at(body.len());
        body.copy_from_slice(first);
        length.copy_from_slice(last);
        Self { body: ssh_cipher::ChaCha20Poly1305::new((&*body).into()), length }
    }

    pub(crate) fn length(&self, sequence: u32, mut head: [u8; 4]) -> [u8; 4] {
        use ssh_cipher::cipher::{KeyIvInit as _, StreamCipher as _};
        let nonce = Self::nonce(sequence).into();
        let mut stream = ssh_cipher::ChaCha20::new((&*self.length).into(), &nonce);
        stream.apply_keystream(&mut head);
        head
    }

    pub(crate) fn seal(&self, sequence: u32, packet: &mut [u8]) -> [u8; TAG_LEN] {
        let Some((head, body)) = packet.split_first_chunk_mut::<4>() else { return [0; TAG_LEN] };
        *head = self.length(sequence, *head);
        self.body
            .encrypt_inout_detached(&Self::nonce(sequence).into(), head, body.into())
            .expect("only a packet of 256 GiB or more is refused")
            .into()
    }

    pub(crate) fn open(
        &self,
        sequence: u32,
        packet: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), Rejected> {
        let (head, body) = packet.split_first_chunk_mut::<4>().ok_or(Rejected)?;
        self.body
            .decrypt_inout_detached(&Self::nonce(sequence).into(), head, body.into(), tag.into())
            .map_err(|_| Rejected)
    }

    fn nonce(sequence: u32) -> [u8; 8] {
        u64::from(sequence).to_be_bytes()
    }
}

/// AES in Galois/Counter mode under one key, which is wiped on drop.
#[cfg(feature = "ssh")]
pub(crate) enum AesGcm {
    Short(Box<aes_gcm::Aes128Gcm>),
    Long(Box<aes_gcm::Aes256Gcm>),
}

#[cfg(feature = "ssh")]
impl AesGcm {
    /// One of 16 or of 32 bytes.
    pub(crate) fn new(key: &[u8]) -> Result<Self, Rejected> {
        Ok(match key.len() {
            16 => Self::Short(Box::new(
                aes_gcm::Aes128Gcm::new_from_slice(key).map_err(|_| Rejected)?,
            )),
            _ => {
                Self::Long(Box::new(aes_gcm::Aes256Gcm::new_from_slice(key).map_err(|_| Rejected)?))
            }
        })
    }

    pub(crate) fn seal(&self, nonce: [u8; 12], ad: &[u8], text: &mut [u8]) -> [u8; TAG_LEN] {
        let nonce = nonce.into();
        match self {
            Self::Short(key) => key.encrypt_inout_detached(&nonce, ad, text.into()),
            Self::Long(key) => key.encrypt_inout_detached(&nonce, ad, text.into()),
        }
        .expect("only a text of 64 GiB or more is refused")
        .into()
    }

    pub(crate) fn open(
        &self,
        nonce: [u8; 12],
        ad: &[u8],
        text: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), Rejected> {
        let nonce = nonce.into();
        match self {
            Self::Short(key) => key.decrypt_inout_detached(&nonce, ad, text.into(), tag.into()),
            Self::Long(key) => key.decrypt_inout_detached(&nonce, ad, text.into(), tag.into()),
        }
        .map_err(|_| Rejected)
    }
}
