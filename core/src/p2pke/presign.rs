//! What is signed: 64 bytes that bind a message to the one purpose it is signed for.
//!
//! `presignature = BLAKE2Xb-64(u8 len(purpose) || purpose || message)`

use crate::crypto::{Rejected, Suite, blake2xb_64};
use crate::identity::{PublicKey, SecretKey};

/// Why a signature was made. One made for another purpose never verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// `InitHello.sig`: the 12 bytes of its time stamp.
    Timestamp,
    /// `RespHello.sig` and `InitDone.sig`: the Noise handshake hash.
    ChannelBinding,
}

impl Purpose {
    const fn text(self) -> &'static [u8] {
        match self {
            Self::Timestamp => b"p2pke/timestamp",
            Self::ChannelBinding => b"p2pke/channel-binding",
        }
    }

    pub(crate) fn sign(self, key: &SecretKey, message: &[u8]) -> [u8; 64] {
        key.sign(&self.presignature(key.suite(), message))
    }

    fn presignature(self, suite: Suite, message: &[u8]) -> [u8; 64] {
        match suite {
            Suite::Own => presignature(self.text(), message),
            #[cfg(feature = "foreign-suite")]
            Suite::Foreign(suite) => suite.hash(&[self.text(), message]),
        }
    }

    pub(crate) fn verify(
        self,
        suite: Suite,
        key: &PublicKey,
        message: &[u8],
        signature: &[u8; 64],
    ) -> Result<(), Rejected> {
        suite.verify(key.as_bytes(), &self.presignature(suite, message), signature)
    }
}

/// The 64 bytes that are signed for `message`. `purpose` is at most 255 bytes.
#[must_use]
pub fn presignature(purpose: &[u8], message: &[u8]) -> [u8; 64] {
    let len = u8::try_from(purpose.len()).unwrap_or(u8::MAX);
    blake2xb_64(&[&[len], purpose, message])
}
