//! The cipher alone, as p2pke uses it: ChaCha20-Poly1305, in place, four bytes beside the text.

use crate::failure::Failure;
use std::time::{Duration, Instant};

/// Messages between two looks at the clock.
const BATCH: u64 = 64;

/// Messages of this size that are sealed and opened in a second, on one core.
pub(super) fn measure(size: usize, time: Duration) -> Result<f64, Failure> {
    let cipher = Cipher::new([7; 32]);
    let mut message = vec![0; size];
    let begun = Instant::now();
    let mut count = 0;
    while begun.elapsed() < time {
        for _ in 0..BATCH {
            count += 1;
            let tag = cipher.seal(count, &mut message)?;
            cipher.open(count, &mut message, &tag)?;
        }
    }
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}

fn nonce(count: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&count.to_le_bytes());
    nonce
}

fn failed<E>(_: E) -> Failure {
    Failure::failed("the cipher does not open what it sealed")
}

#[cfg(feature = "aws-lc")]
use aws_lc::Cipher;
#[cfg(not(feature = "aws-lc"))]
use portable::Cipher;

#[cfg(feature = "aws-lc")]
mod aws_lc {
    use super::{Failure, failed, nonce};
    use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

    pub(super) struct Cipher(Option<LessSafeKey>);

    impl Cipher {
        pub(super) fn new(key: [u8; 32]) -> Self {
            Self(UnboundKey::new(&CHACHA20_POLY1305, &key).ok().map(LessSafeKey::new))
        }

        pub(super) fn seal(&self, count: u64, text: &mut [u8]) -> Result<[u8; 16], Failure> {
            let key = self.0.as_ref().ok_or(()).map_err(failed)?;
            let nonce = Nonce::assume_unique_for_key(nonce(count));
            let tag = key.seal_in_place_separate_tag(nonce, Aad::from([0; 4]), text);
            tag.map_err(failed)?.as_ref().try_into().map_err(failed)
        }

        pub(super) fn open(
            &self,
            count: u64,
            text: &mut Vec<u8>,
            tag: &[u8; 16],
        ) -> Result<(), Failure> {
            let key = self.0.as_ref().ok_or(()).map_err(failed)?;
            let nonce = Nonce::assume_unique_for_key(nonce(count));
            let len = text.len();
            text.extend_from_slice(tag);
            key.open_in_place(nonce, Aad::from([0; 4]), text).map_err(failed)?;
            text.truncate(len);
            Ok(())
        }
    }
}

#[cfg(not(feature = "aws-lc"))]
mod portable {
    use super::{Failure, failed, nonce};
    use chacha20poly1305::aead::{AeadInOut, KeyInit};
    use chacha20poly1305::{ChaCha20Poly1305, Key};

    pub(super) struct Cipher(ChaCha20Poly1305);

    impl Cipher {
        pub(super) fn new(key: [u8; 32]) -> Self {
            Self(ChaCha20Poly1305::new(&Key::from(key)))
        }

        pub(super) fn seal(&self, count: u64, text: &mut [u8]) -> Result<[u8; 16], Failure> {
            let tag = self.0.encrypt_inout_detached(&nonce(count).into(), &[0; 4], text.into());
            tag.map(Into::into).map_err(failed)
        }

        pub(super) fn open(
            &self,
            count: u64,
            text: &mut Vec<u8>,
            tag: &[u8; 16],
        ) -> Result<(), Failure> {
            let text = text.as_mut_slice().into();
            let nonce = nonce(count).into();
            self.0.decrypt_inout_detached(&nonce, &[0; 4], text, &(*tag).into()).map_err(failed)
        }
    }
}
