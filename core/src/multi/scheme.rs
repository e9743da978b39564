//! What transports are called.

use core::error::Error;
use core::fmt;
use core::str::FromStr;

/// The most bytes of a scheme.
const LEN: usize = 16;

/// What a transport is called in addresses: `udp` in `udp://192.0.2.1:7000`.
///
/// A letter, and up to 15 more letters, digits, `+`, `-`, `.` (RFC 3986, section 3.1). Letters are
/// lower-case here, as that RFC wants them printed; upper-case ones are read as the same scheme.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scheme([u8; LEN]);

impl Scheme {
    /// The scheme as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let len = self.0.iter().position(|byte| *byte == 0).unwrap_or(LEN);
        // Only ASCII gets in.
        self.0.get(..len).and_then(|text| core::str::from_utf8(text).ok()).unwrap_or_default()
    }
}

impl FromStr for Scheme {
    type Err = SchemeError;

    fn from_str(text: &str) -> Result<Self, SchemeError> {
        let mut bytes = [0; LEN];
        let place = bytes.get_mut(..text.len()).ok_or(SchemeError)?;
        place.copy_from_slice(text.as_bytes());
        place.make_ascii_lowercase();
        let (first, rest) = place.split_first().ok_or(SchemeError)?;
        let inner = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        if !first.is_ascii_alphabetic() || !rest.iter().all(inner) {
            return Err(SchemeError);
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text is not a [`Scheme`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemeError;

impl fmt::Display for SchemeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a scheme: a letter, then up to 15 letters, digits, +, - or .")
    }
}

impl Error for SchemeError {}
