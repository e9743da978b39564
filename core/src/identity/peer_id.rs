//! The name of a key, and its text.

use core::{fmt, str::FromStr};

/// The order-preserving base64 alphabet: in ASCII order, safe in file names and URLs.
const ALPHABET: &[u8; 64] = b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";

/// Where each character stands in the alphabet; 0xff for those that do not.
const VALUES: [u8; 256] = {
    let mut values = [0xff; 256];
    let mut at = 0;
    while at < ALPHABET.len() {
        values[ALPHABET[at] as usize] = at as u8;
        at += 1;
    }
    values
};

/// The name of a peer: SHAKE256 of the DER SubjectPublicKeyInfo of its key, 32 bytes of output.
///
/// Its text (`Display`, `FromStr`) is 43 characters of base64 without padding over
/// `-0-9A-Z_a-z`, so texts sort as their ids do. The last character carries two spare bits,
/// which are zero: an id has one text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId([u8; 32]);

impl PeerId {
    /// Bytes of an id.
    pub const LEN: usize = 32;
    /// Characters of an id's text.
    pub const TEXT_LEN: usize = 43;

    /// The id of these bytes. That somebody holds a key of this id is not thereby said.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The id's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Display for PeerId {
    /// Honours width and alignment, as in `{:<50}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; Self::TEXT_LEN];
        for (letters, bytes) in text.chunks_mut(4).zip(self.0.chunks(3)) {
            let group = bytes
                .iter()
                .chain(&[0; 3])
                .take(3)
                .fold(0, |group, &byte| group << 8 | usize::from(byte));
            for (at, letter) in letters.iter_mut().enumerate() {
                *letter = ALPHABET[group >> (18 - 6 * at) & 0x3f];
            }
        }
        f.pad(core::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerId({self})")
    }
}

impl FromStr for PeerId {
    type Err = ParsePeerIdError;

    fn from_str(text: &str) -> Result<Self, ParsePeerIdError> {
        if text.len() != Self::TEXT_LEN {
            // Counted as people count; a text of 43 bytes that is not ASCII fails below.
            return Err(ParsePeerIdError::Length(text.chars().count()));
        }
        let mut id = [0; Self::LEN];
        let mut groups = id.chunks_mut(3);
        for (at, letters) in text.as_bytes().chunks(4).enumerate() {
            let mut group = 0u32;
            for (within, &letter) in letters.iter().enumerate() {
                let value = VALUES[usize::from(letter)];
                if value == 0xff {
                    return Err(ParsePeerIdError::Character(4 * at + within));
                }
                group |= u32::from(value) << (18 - 6 * within);
            }
            let [_, bytes @ ..] = group.to_be_bytes();
            let Some(out) = groups.next() else { break };
            let (kept, spare) = bytes.split_at(out.len());
            if spare.iter().any(|&byte| byte != 0) {
                return Err(ParsePeerIdError::SpareBits);
            }
            out.copy_from_slice(kept);
        }
        Ok(Self(id))
    }
}

/// Why a text is no [`PeerId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParsePeerIdError {
    /// It has this many characters instead of 43.
    Length(usize),
    /// The byte at this offset is not of the alphabet.
    Character(usize),
    /// The last character has bits that no id has: it was mistyped or cut off.
    SpareBits,
}

impl fmt::Display for ParsePeerIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(count) => {
                write!(f, "a peer id has 43 characters, this text has {count}")
            }
            Self::Character(at) => write!(
                f,
                "character {} is not one of those a peer id has: - 0-9 A-Z _ a-z",
                at.saturating_add(1)
            ),
            Self::SpareBits => f.write_str(
                "the last character cannot end a peer id, check whether it was mistyped",
            ),
        }
    }
}

impl core::error::Error for ParsePeerIdError {}
