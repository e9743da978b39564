//! The fast backend: `aws-lc-rs`, which needs `std` and a C compiler.
//!
//! It differs from the portable one in two ways that are mended here. It verifies signatures
//! under keys, and with nonces, of small order, so those are refused first ([`verify`]). And it
//! keeps the state of a cipher on the C heap, many times the size of a key, so a [`Cipher`]
//! makes it when first used and drops it on request ([`Cipher::rest`]).

use super::{Rejected, TAG_LEN};
#[cfg(feature = "ssh")]
use aws_lc_rs::aead::{
    AES_128_GCM, AES_256_GCM,
    chacha20_poly1305_openssh::{OpeningKey, SealingKey},
};
use aws_lc_rs::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey},
    agreement::{self, PrivateKey, UnparsedPublicKey, X25519},
    signature::{ED25519, Ed25519KeyPair, KeyPair as _, VerificationAlgorithm as _},
};
use core::fmt;
use std::sync::OnceLock;
use zeroize::Zeroizing;

/// ChaCha20-Poly1305 (RFC 8439) under one key, which is wiped on drop.
pub(crate) struct Cipher {
    key: Zeroizing<[u8; 32]>,
    context: OnceLock<LessSafeKey>,
}

impl Cipher {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self { key: Zeroizing::new(*key), context: OnceLock::new() }
    }

    #[inline]
    pub(crate) fn seal(&self, nonce: [u8; 12], ad: &[u8], text: &mut [u8]) -> [u8; TAG_LEN] {
        let tag = self
            .context()
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(ad), text)
            .expect("only a text of 256 GiB or more is refused");
        let mut out = [0; TAG_LEN];
        out.copy_from_slice(tag.as_ref());
        out
    }

    #[inline]
    pub(crate) fn open(
        &self,
        nonce: [u8; 12],
        ad: &[u8],
        sealed: &mut [u8],
    ) -> Result<usize, Rejected> {
        self.context()
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(ad), sealed)
            .map(|text| text.len())
            .map_err(|_| Rejected)
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
        // On failure the library fills `out` with zeroes.
        self.context()
            .open_separate_gather(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(ad),
                text,
                tag,
                out,
            )
            .map(|()| text.len())
            .map_err(|_| Rejected)
    }

    /// Gives back what memory the key can do without until its next use: the cipher's state on
    /// the C heap. The next use makes it again.
    pub(crate) fn rest(&mut self) {
        self.context.take();
    }

    #[inline]
    fn context(&self) -> &LessSafeKey {
        self.context.get_or_init(|| {
            let key = UnboundKey::new(&CHACHA20_POLY1305, &*self.key);
            LessSafeKey::new(key.expect("32 bytes are a key, unless memory has run out"))
        })
    }
}

/// An X25519 secret with its public half, so that neither is computed twice. Wiped on drop,
/// never printed.
pub(crate) struct Ephemeral {
    secret: PrivateKey,
    public: [u8; 32],
}

impl Ephemeral {
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        let secret = PrivateKey::from_private_key(&X25519, secret)
            .expect("32 bytes are a secret, unless memory has run out");
        let mut public = [0; 32];
        public.copy_from_slice(
            secret.compute_public_key().expect("the public half is part of the secret").as_ref(),
        );
        Self { secret, public }
    }

    pub(crate) fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// The secret shared with `public`; refused where it is all zero, as it is for every
    /// small-order point.
    pub(crate) fn agree(&self, public: &[u8; 32]) -> Result<Zeroizing<[u8; 32]>, Rejected> {
        agree(&self.secret, public)
    }
}

impl fmt::Debug for Ephemeral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ephemeral(…)")
    }
}

/// The X25519 public key of `secret`.
pub(crate) fn x25519_public(secret: &[u8; 32]) -> [u8; 32] {
    Ephemeral::new(secret).public
}

/// The X25519 secret shared with `public`; refused where it is all zero. Where the public half
/// of `secret` is needed as well, an [`Ephemeral`] saves work.
pub(crate) fn x25519(
    secret: &[u8; 32],
    public: &[u8; 32],
) -> Result<Zeroizing<[u8; 32]>, Rejected> {
    let secret = PrivateKey::from_private_key(&X25519, secret)
        .expect("32 bytes are a secret, unless memory has run out");
    agree(&secret, public)
}

fn agree(secret: &PrivateKey, public: &[u8; 32]) -> Result<Zeroizing<[u8; 32]>, Rejected> {
    let public = UnparsedPublicKey::new(&X25519, public);
    agreement::agree(secret, public, Rejected, |shared| {
        let mut out = Zeroizing::new([0; 32]);
        if shared.len() != out.len() {
            return Err(Rejected);
        }
        out.copy_from_slice(shared);
        Ok(out)
    })
}

/// An Ed25519 key that signs. Wiped on drop, never printed.
pub(crate) struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    pub(crate) fn from_seed(seed: &[u8; 32]) -> Self {
        Self(
            Ed25519KeyPair::from_seed_unchecked(seed)
                .expect("32 bytes are a seed, unless memory has run out"),
        )
    }

    pub(crate) fn public(&self) -> [u8; 32] {
        let mut public = [0; 32];
        public.copy_from_slice(self.0.public_key().as_ref());
        public
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.0.sign(message).as_ref());
        signature
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

/// Whether `signature` is `public`'s over `message`, strictly: S below the group order, the
/// equation without the cofactor, and neither the key nor R of small order.
///
/// The library checks S and the equation, and compares R as bytes, so that of its encodings
/// only the canonical one can pass. Small order is refused here, by the encoding, sign bit
/// aside: the y coordinates of the eight points, and for the key also the two of them that have
/// a second, non-canonical encoding, which the library reads on some processors only.
pub(crate) fn verify(
    public: &[u8; 32],
    message: &[u8],
    signature: &[u8; 64],
) -> Result<(), Rejected> {
    let (r, _) = signature.split_first_chunk::<32>().ok_or(Rejected)?;
    if has_small_order(public) || has_small_order(r) {
        return Err(Rejected);
    }
    ED25519.verify_sig(public, message, signature).map_err(|_| Rejected)
}

pub(super) fn has_small_order(encoded: &[u8; 32]) -> bool {
    let mut y = *encoded;
    y[31] &= 0x7f;
    SMALL_ORDER.contains(&y)
}

/// The y coordinates, little endian, of the points whose order divides eight: 0, 1, the two of
/// order eight, and, with p = 2²⁵⁵ − 19, p − 1, p and p + 1 (0 and 1 written again).
const SMALL_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    near(1, 0, 0),
    ORDER_EIGHT,
    NEGATED_ORDER_EIGHT,
    near(0xec, 0xff, 0x7f),
    near(0xed, 0xff, 0x7f),
    near(0xee, 0xff, 0x7f),
];

const ORDER_EIGHT: [u8; 32] = [
    0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
    0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
];

const NEGATED_ORDER_EIGHT: [u8; 32] = [
    0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
    0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
];

/// 32 bytes: `first`, thirty times `middle`, `last`.
const fn near(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

/// `chacha20-poly1305@openssh.com` under one key, which is wiped on drop.
#[cfg(feature = "ssh")]
pub(crate) struct OpensshChaCha {
    key: Zeroizing<[u8; 64]>,
}

#[cfg(feature = "ssh")]
impl OpensshChaCha {
    pub(crate) fn new(key: &[u8; 64]) -> Self {
        Self { key: Zeroizing::new(*key) }
    }

    pub(crate) fn length(&self, sequence: u32, head: [u8; 4]) -> [u8; 4] {
        OpeningKey::new(&self.key).decrypt_packet_length(sequence, head)
    }

    pub(crate) fn seal(&self, sequence: u32, packet: &mut [u8]) -> [u8; TAG_LEN] {
        let mut tag = [0; TAG_LEN];
        if packet.len() >= 4 {
            SealingKey::new(&self.key).seal_in_place(sequence, packet, &mut tag);
        }
        tag
    }

    pub(crate) fn open(
        &self,
        sequence: u32,
        packet: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), Rejected> {
        if packet.len() < 4 {
            return Err(Rejected);
        }
        let opened = OpeningKey::new(&self.key).open_in_place(sequence, packet, tag);
        opened.map(|_| ()).map_err(|_| Rejected)
    }
}

/// AES in Galois/Counter mode under one key, which is wiped on drop.
#[cfg(feature = "ssh")]
pub(crate) struct AesGcm(LessSafeKey);

#[cfg(feature = "ssh")]
impl AesGcm {
    /// One of 16 or of 32 bytes.
    pub(crate) fn new(key: &[u8]) -> Result<Self, Rejected> {
        let cipher = if key.len() == 16 { &AES_128_GCM } else { &AES_256_GCM };
        UnboundKey::new(cipher, key).map(|key| Self(LessSafeKey::new(key))).map_err(|_| Rejected)
    }

    pub(crate) fn seal(&self, nonce: [u8; 12], ad: &[u8], text: &mut [u8]) -> [u8; TAG_LEN] {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self
            .0
            .seal_in_place_separate_tag(nonce, Aad::from(ad), text)
            .expect("only a text of 64 GiB or more is refused");
        let mut out = [0; TAG_LEN];
        out.copy_from_slice(tag.as_ref());
        out
    }

    pub(crate) fn open(
        &self,
        nonce: [u8; 12],
        ad: &[u8],
        text: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), Rejected> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let opened = self.0.open_in_place_separate_tag(nonce, Aad::from(ad), tag, text);
        opened.map(|_| ()).map_err(|_| Rejected)
    }
}
