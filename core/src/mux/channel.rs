//! What channels are called, and how that stands in front of a message.

use crate::uvarint::{self, Uvarint};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::borrow::Borrow;
use core::convert::Infallible;
use core::fmt;
use core::num::ParseIntError;
use core::str::FromStr;

/// What the channels of a multiplexer are called, and the header that this makes.
pub trait Channel: Clone + Ord {
    /// Appends the header.
    fn write(&self, out: &mut Vec<u8>);

    /// The channel whose header stands at the front of `message`, and the header's length. `None`
    /// where no header stands there.
    fn read(message: &[u8]) -> Option<(Self, usize)>;

    /// What `index` has for the channel whose header stands at the front of `message`, and the
    /// header's length; the former is `None` where the channel is not in it, the whole where there is
    /// no header. Nothing is allocated.
    fn find<'a, T>(index: &'a BTreeMap<Self, T>, message: &[u8]) -> Option<(Option<&'a T>, usize)> {
        let (channel, len) = Self::read(message)?;
        Some((index.get(&channel), len))
    }
}

macro_rules! fixed_width {
    ($($number:ty)*) => { $(
        /// Big endian.
        impl Channel for $number {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }

            fn read(message: &[u8]) -> Option<(Self, usize)> {
                let bytes = message.first_chunk()?;
                Some((Self::from_be_bytes(*bytes), bytes.len()))
            }
        }
    )* };
}

fixed_width!(u16 u32 u64);

/// A channel that is called by a number, which takes as few bytes as it has: one up to 127.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Varint(pub u64);

impl Channel for Varint {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(Uvarint::new(self.0).as_bytes());
    }

    fn read(message: &[u8]) -> Option<(Self, usize)> {
        let (number, len) = uvarint::read(message)?;
        Some((Self(number), len))
    }
}

impl fmt::Display for Varint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Varint {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.parse().map(Self)
    }
}

/// A channel that is called by a text of any length, cheap to clone.
///
/// In an address [`At`](crate::At) it must not contain `://`. Other implementations may use bytes
/// that are no text; no channel here has such a name, so their messages are dropped as malformed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The bytes of the name at the front of `message`, and the header's length.
    fn split(message: &[u8]) -> Option<(&str, usize)> {
        let (len, prefix) = uvarint::read(message)?;
        let end = prefix.checked_add(usize::try_from(len).ok()?)?;
        let name = core::str::from_utf8(message.get(prefix..end)?).ok()?;
        Some((name, end))
    }
}

impl Channel for Name {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(Uvarint::new(self.0.len() as u64).as_bytes());
        out.extend_from_slice(self.0.as_bytes());
    }

    fn read(message: &[u8]) -> Option<(Self, usize)> {
        let (name, len) = Self::split(message)?;
        Some((Self::from(name), len))
    }

    fn find<'a, T>(index: &'a BTreeMap<Self, T>, message: &[u8]) -> Option<(Option<&'a T>, usize)> {
        let (name, len) = Self::split(message)?;
        Some((index.get(name), len))
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl From<String> for Name {
    fn from(name: String) -> Self {
        Self(name.into())
    }
}

impl FromStr for Name {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.into())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}
