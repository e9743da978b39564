//! The bare ciphers: ChaCha20-Poly1305 sealed and opened in place, with nothing around it.
//!
//! What no protocol over the same cipher can beat.

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use chacha20poly1305::{AeadInOut as _, ChaCha20Poly1305, KeyInit as _};

/// Bytes of an authentication tag.
const TAG: usize = 16;

/// One key, and the text that is sealed and opened with it.
pub(crate) struct Cipher<K> {
    key: K,
    ad: &'static [u8],
    counter: u64,
    text: Vec<u8>,
}

/// `aws-lc-rs`, over a text of `size` bytes.
pub(crate) fn aws_lc(size: usize) -> Cipher<LessSafeKey> {
    let key = UnboundKey::new(&CHACHA20_POLY1305, &[7; 32]).expect("32 bytes are a key");
    Cipher::new(LessSafeKey::new(key), size)
}

/// The portable crate, `chacha20poly1305`, over a text of `size` bytes.
pub(crate) fn portable(size: usize) -> Cipher<ChaCha20Poly1305> {
    Cipher::new(ChaCha20Poly1305::new(&[7; 32].into()), size)
}

/// The backend that this build has.
#[cfg(feature = "aws-lc")]
pub(crate) fn ours(size: usize) -> Cipher<LessSafeKey> {
    aws_lc(size)
}

/// The backend that this build has.
#[cfg(not(feature = "aws-lc"))]
pub(crate) fn ours(size: usize) -> Cipher<ChaCha20Poly1305> {
    portable(size)
}

/// `ring`, which boringtun stands on, over a text of `size` bytes.
pub(crate) fn ring(size: usize) -> Cipher<ring::aead::LessSafeKey> {
    let key = ring::aead::UnboundKey::new(&ring::aead::CHACHA20_POLY1305, &[7; 32]);
    Cipher::new(ring::aead::LessSafeKey::new(key.expect("32 bytes are a key")), size)
}

impl<K> Cipher<K> {
    fn new(key: K, size: usize) -> Self {
        Self { key, ad: &[], counter: 0, text: vec![0x5a; size + TAG] }
    }

    /// With associated data of four bytes, as the wire prescribes for the header of a message.
    pub(crate) fn over_a_header(self) -> Self {
        Self { ad: &[0, 0, 0, 16], ..self }
    }

    fn nonce(&mut self) -> [u8; 12] {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&self.counter.to_le_bytes());
        self.counter += 1;
        nonce
    }
}

impl Cipher<LessSafeKey> {
    /// Seals the text under the next nonce, and opens it again.
    pub(crate) fn seal_and_open(&mut self) {
        let nonce = self.nonce();
        let (text, tag) = self.text.split_last_chunk_mut::<TAG>().expect("room for a tag");
        let made = self
            .key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(self.ad),
                text,
            )
            .expect("short enough to seal");
        tag.copy_from_slice(made.as_ref());
        self.key
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(self.ad), &mut self.text)
            .expect("opens what it sealed");
    }
}

impl Cipher<ring::aead::LessSafeKey> {
    /// Seals the text under the next nonce, and opens it again.
    pub(crate) fn seal_and_open(&mut self) {
        let nonce = self.nonce();
        let nonce = || ring::aead::Nonce::assume_unique_for_key(nonce);
        let (text, tag) = self.text.split_last_chunk_mut::<TAG>().expect("room for a tag");
        let made = self
            .key
            .seal_in_place_separate_tag(nonce(), ring::aead::Aad::from(self.ad), text)
            .expect("short enough to seal");
        tag.copy_from_slice(made.as_ref());
        self.key
            .open_in_place(nonce(), ring::aead::Aad::from(self.ad), &mut self.text)
            .expect("opens what it sealed");
    }
}

impl Cipher<ChaCha20Poly1305> {
    /// Seals the text under the next nonce, and opens it again.
    pub(crate) fn seal_and_open(&mut self) {
        let nonce = self.nonce().into();
        let (text, tag) = self.text.split_last_chunk_mut::<TAG>().expect("room for a tag");
        *tag = self
            .key
            .encrypt_inout_detached(&nonce, self.ad, (&mut *text).into())
            .expect("short enough to seal")
            .into();
        self.key
            .decrypt_inout_detached(&nonce, self.ad, text.into(), (&*tag).into())
            .expect("opens what it sealed");
    }
}
