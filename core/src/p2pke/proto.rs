//! The three protobuf messages inside the handshake (proto3), read and written without allocating.
//!
//! | message | fields |
//! |---|---|
//! | `InitHello` | 1: uint32 version, 2: bytes time stamp (12), 3: bytes key (SPKI), 4: bytes signature (64) |
//! | `RespHello` | 1: bytes key (SPKI), 2: bytes signature (64) |
//! | `InitDone` | 1: bytes signature (64) |
//!
//! Strict: a known field that is missing, repeated or of the wrong wire type is refused, and so is
//! any other version, a field of the wrong length, field number 0, a group, and a length past the
//! end. Unknown fields are skipped. Whatever is accepted, every other decoder reads the same way.

use super::tai64n::Tai64n;
use alloc::vec::Vec;

/// The only version there is.
pub(crate) const VERSION: u64 = 1;
/// Bytes of an Ed25519 signature.
pub(crate) const SIG_LEN: usize = 64;

/// Why a message was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed {
    /// A varint or a field runs past the end, or is not well formed.
    Syntax,
    /// A known field is missing, repeated, or of the wrong type or length.
    Field,
    /// A version of the protocol that is not 1.
    Version,
}

/// Fields of an `InitHello`, borrowed from the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InitHello<'a> {
    /// When the initiator made it, by its clock: 12 bytes of TAI64N.
    pub timestamp: &'a [u8; Tai64n::LEN],
    /// The initiator's key: SPKI DER.
    pub key: &'a [u8],
    /// Over the time stamp.
    pub sig: &'a [u8; SIG_LEN],
}

/// Fields of a `RespHello`, borrowed from the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RespHello<'a> {
    /// The responder's key: SPKI DER.
    pub key: &'a [u8],
    /// Over the handshake hash.
    pub sig: &'a [u8; SIG_LEN],
}

/// Fields of an `InitDone`, borrowed from the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InitDone<'a> {
    /// Over the handshake hash.
    pub sig: &'a [u8; SIG_LEN],
}

impl<'a> InitHello<'a> {
    /// Reads a whole protobuf message.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let [mut version, mut timestamp, mut key, mut sig] = [None; 4];
        for field in Fields(bytes) {
            let (number, value) = field?;
            match number {
                1 => set(&mut version, value)?,
                2 => set(&mut timestamp, value)?,
                3 => set(&mut key, value)?,
                4 => set(&mut sig, value)?,
                _ => {}
            }
        }
        match version {
            Some(Value::Varint(VERSION)) => {}
            Some(Value::Varint(_)) => return Err(Malformed::Version),
            _ => return Err(Malformed::Field),
        }
        Ok(Self { timestamp: exact(timestamp)?, key: bytes_of(key)?, sig: exact(sig)? })
    }

    /// Appends the message to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[0x08, VERSION as u8]);
        put_bytes(out, 2, self.timestamp);
        put_bytes(out, 3, self.key);
        put_bytes(out, 4, self.sig);
    }
}

impl<'a> RespHello<'a> {
    /// Reads a whole protobuf message.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let [mut key, mut sig] = [None; 2];
        for field in Fields(bytes) {
            let (number, value) = field?;
            match number {
                1 => set(&mut key, value)?,
                2 => set(&mut sig, value)?,
                _ => {}
            }
        }
        Ok(Self { key: bytes_of(key)?, sig: exact(sig)? })
    }

    /// Appends the message to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(out, 1, self.key);
        put_bytes(out, 2, self.sig);
    }
}

impl<'a> InitDone<'a> {
    /// Reads a whole protobuf message.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut sig = None;
        for field in Fields(bytes) {
            let (number, value) = field?;
            if number == 1 {
                set(&mut sig, value)?;
            }
        }
        Ok(Self { sig: exact(sig)? })
    }

    /// Appends the message to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(out, 1, self.sig);
    }
}

#[derive(Clone, Copy)]
enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    /// A fixed-size number: no message here has one, so its value does not matter.
    Fixed,
}

fn set<'a>(slot: &mut Option<Value<'a>>, value: Value<'a>) -> Result<(), Malformed> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Malformed::Field),
    }
}

fn bytes_of(value: Option<Value<'_>>) -> Result<&[u8], Malformed> {
    match value {
        Some(Value::Bytes(bytes)) => Ok(bytes),
        Some(Value::Varint(_) | Value::Fixed) | None => Err(Malformed::Field),
    }
}

fn exact<const N: usize>(value: Option<Value<'_>>) -> Result<&[u8; N], Malformed> {
    bytes_of(value)?.try_into().map_err(|_| Malformed::Field)
}

fn put_bytes(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    debug_assert!(number < 16 && bytes.len() < 128, "both fit one byte of varint");
    out.extend_from_slice(&[number << 3 | 2, bytes.len() as u8]);
    out.extend_from_slice(bytes);
}

/// The fields of a message in order; ends after the first error.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field().ok_or(Malformed::Syntax);
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<(u32, Value<'a>)> {
        let key = u32::try_from(self.varint()?).ok()?;
        let number = key >> 3;
        if number == 0 {
            return None;
        }
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => self.take(8).map(|_| Value::Fixed)?,
            2 => {
                let len = usize::try_from(self.varint()?).ok()?;
                Value::Bytes(self.take(len)?)
            }
            5 => self.take(4).map(|_| Value::Fixed)?,
            _ => return None,
        };
        Some((number, value))
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    /// An unsigned LEB128 of at most ten bytes and 64 bits.
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            if shift == 63 && byte > 1 {
                return None;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}
