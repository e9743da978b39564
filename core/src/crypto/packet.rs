//! The ciphers of SSH's packets, and what its keys are derived with.
//!
//! A packet is four bytes of length, and a body; both go through the cipher in place, and a tag follows.
//!
//! | cipher | key | length | nonce |
//! |---|---|---|---|
//! | `chacha20-poly1305@openssh.com` | 64 bytes: body, then length | encrypted | the sequence number |
//! | `aes128-gcm@openssh.com`, `aes256-gcm@openssh.com` (RFC 5647) | 16, 32 bytes | in clear, authenticated | four fixed bytes, a counter of packets |

use super::{Rejected, TAG_LEN, backend};
use core::fmt;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// Bytes of a packet's length.
pub(crate) const LENGTH_LEN: usize = 4;

/// Which cipher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum PacketCipher {
    ChaCha20Poly1305,
    Aes128Gcm,
    Aes256Gcm,
}

impl PacketCipher {
    /// Bytes of its keys.
    pub(crate) const fn key_len(self) -> usize {
        match self {
            Self::ChaCha20Poly1305 => 64,
            Self::Aes128Gcm => 16,
            Self::Aes256Gcm => 32,
        }
    }

    /// What the length of a body is a multiple of, in bytes.
    pub(crate) const fn block_len(self) -> usize {
        match self {
            Self::ChaCha20Poly1305 => 8,
            Self::Aes128Gcm | Self::Aes256Gcm => 16,
        }
    }
}

/// The key of one direction. Wiped on drop, never printed.
pub(crate) enum PacketKey {
    ChaCha(backend::OpensshChaCha),
    Gcm { key: backend::AesGcm, fixed: [u8; 4], counter: u64 },
}

impl PacketKey {
    /// The key of these bytes, of which there must be as many as the cipher has; `iv` is the first nonce of
    /// those that have one.
    pub(crate) fn new(cipher: PacketCipher, key: &[u8], iv: &[u8; 12]) -> Result<Self, Rejected> {
        Ok(match cipher {
            PacketCipher::ChaCha20Poly1305 => {
                Self::ChaCha(backend::OpensshChaCha::new(key.try_into().map_err(|_| Rejected)?))
            }
            PacketCipher::Aes128Gcm | PacketCipher::Aes256Gcm => {
                let [fixed @ .., _, _, _, _, _, _, _, _] = *iv;
                let [_, _, _, _, counter @ ..] = *iv;
                let counter = u64::from_be_bytes(counter);
                Self::Gcm { key: backend::AesGcm::new(key)?, fixed, counter }
            }
        })
    }

    /// The length that the first bytes of a packet say. Nothing proves it yet.
    pub(crate) fn length(&self, sequence: u32, head: [u8; LENGTH_LEN]) -> u32 {
        u32::from_be_bytes(match self {
            Self::ChaCha(key) => key.length(sequence, head),
            Self::Gcm { .. } => head,
        })
    }

    /// Encrypts a packet in place, its length included, and returns its tag.
    pub(crate) fn seal(&mut self, sequence: u32, packet: &mut [u8]) -> [u8; TAG_LEN] {
        match self {
            Self::ChaCha(key) => key.seal(sequence, packet),
            Self::Gcm { key, fixed, counter } => {
                let nonce = nonce(*fixed, counter);
                let (head, body) = packet.split_at_mut(LENGTH_LEN.min(packet.len()));
                key.seal(nonce, head, body)
            }
        }
    }

    /// Decrypts the body of a packet in place; the bytes of its length stay as they are. What it holds
    /// after a failure is unspecified.
    pub(crate) fn open(
        &mut self,
        sequence: u32,
        packet: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), Rejected> {
        match self {
            Self::ChaCha(key) => key.open(sequence, packet, tag),
            Self::Gcm { key, fixed, counter } => {
                let nonce = nonce(*fixed, counter);
                let (head, body) = packet.split_at_mut_checked(LENGTH_LEN).ok_or(Rejected)?;
                key.open(nonce, head, body, tag)
            }
        }
    }
}

/// The nonce of the next packet.
fn nonce(fixed: [u8; 4], counter: &mut u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    let (head, tail) = nonce.split_at_mut(fixed.len());
    head.copy_from_slice(&fixed);
    tail.copy_from_slice(&counter.to_be_bytes());
    *counter = counter.wrapping_add(1);
    nonce
}

impl fmt::Debug for PacketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PacketKey(…)")
    }
}

/// SHA-256 (FIPS 180-4) of what comes bit by bit. Never printed: secrets may be among it.
#[derive(Clone, Default)]
pub(crate) struct Hash(Sha256);

impl Hash {
    /// Followed by these bytes.
    pub(crate) fn with(mut self, bytes: &[u8]) -> Self {
        self.0.update(bytes);
        self
    }

    pub(crate) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash(…)")
    }
}

/// SHA-256 over the concatenation of `parts`.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    parts.iter().fold(Hash::default(), |hash, part| hash.with(part)).finish()
}

/// `N` bytes of key, as RFC 4253 section 7.2 derives them: `secret` is the shared one as it is encoded, `label` says
/// what for.
pub(crate) fn derive<const N: usize>(
    secret: &[u8],
    exchange: &[u8; 32],
    label: u8,
    session: &[u8; 32],
) -> Zeroizing<[u8; N]> {
    let mut out = Zeroizing::new([0; N]);
    let mut done = 0;
    while done < N {
        let block = if done == 0 {
            sha256(&[secret, exchange, &[label], session])
        } else {
            sha256(&[secret, exchange, out.get(..done).unwrap_or_default()])
        };
        let block = Zeroizing::new(block);
        for (to, from) in out.iter_mut().skip(done).zip(block.iter()) {
            *to = *from;
        }
        done += block.len();
    }
    out
}

#[cfg(test)]
mod tests;
