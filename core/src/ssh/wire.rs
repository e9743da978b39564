//! Messages: their numbers, and how their fields are read and written (RFC 4251 section 5).

use alloc::vec::Vec;
use ssh_encoding::{Decode, Encode, Mpint, Reader as _};

/// Message numbers (RFC 4250 section 4.1, RFC 5656, RFC 8308; `ping` of OpenSSH's PROTOCOL; ours from 200 on).
pub(super) mod number {
    pub(in super::super) const DISCONNECT: u8 = 1;
    pub(in super::super) const IGNORE: u8 = 2;
    pub(in super::super) const UNIMPLEMENTED: u8 = 3;
    pub(in super::super) const DEBUG: u8 = 4;
    pub(in super::super) const SERVICE_REQUEST: u8 = 5;
    pub(in super::super) const SERVICE_ACCEPT: u8 = 6;
    pub(in super::super) const EXT_INFO: u8 = 7;
    pub(in super::super) const KEXINIT: u8 = 20;
    pub(in super::super) const NEWKEYS: u8 = 21;
    pub(in super::super) const KEX_ECDH_INIT: u8 = 30;
    pub(in super::super) const KEX_ECDH_REPLY: u8 = 31;
    pub(in super::super) const USERAUTH_REQUEST: u8 = 50;
    pub(in super::super) const USERAUTH_FAILURE: u8 = 51;
    pub(in super::super) const USERAUTH_SUCCESS: u8 = 52;
    pub(in super::super) const USERAUTH_BANNER: u8 = 53;
    pub(in super::super) const USERAUTH_PK_OK: u8 = 60;
    pub(in super::super) const USERAUTH_LAST: u8 = 79;
    pub(in super::super) const GLOBAL_REQUEST: u8 = 80;
    pub(in super::super) const REQUEST_SUCCESS: u8 = 81;
    pub(in super::super) const REQUEST_FAILURE: u8 = 82;
    pub(in super::super) const CHANNEL_OPEN: u8 = 90;
    pub(in super::super) const CHANNEL_OPEN_CONFIRMATION: u8 = 91;
    pub(in super::super) const CHANNEL_OPEN_FAILURE: u8 = 92;
    pub(in super::super) const CHANNEL_FAILURE: u8 = 100;
    pub(in super::super) const PING: u8 = 192;
    pub(in super::super) const PONG: u8 = 193;
    pub(in super::super) const TELL: u8 = 200;
    pub(in super::super) const ASK: u8 = 201;
    pub(in super::super) const ANSWER: u8 = 202;
    pub(in super::super) const REFUSAL: u8 = 203;
    pub(in super::super) const CANCEL: u8 = 204;
}

/// The largest message of a tell, a request or an answer, in bytes: the Go implementation takes no larger ones.
pub(super) const MESSAGE_MAX: usize = 1 << 17;

/// What is no message of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl From<ssh_encoding::Error> for Malformed {
    fn from(_: ssh_encoding::Error) -> Self {
        Self
    }
}

/// What is left to read of a message.
pub(super) type Rest<'a> = &'a [u8];

pub(super) fn u8(rest: &mut Rest<'_>) -> Result<u8, Malformed> {
    Ok(u8::decode(rest)?)
}

pub(super) fn u32(rest: &mut Rest<'_>) -> Result<u32, Malformed> {
    Ok(u32::decode(rest)?)
}

/// Anything but zero is true.
pub(super) fn boolean(rest: &mut Rest<'_>) -> Result<bool, Malformed> {
    Ok(u8::decode(rest)? != 0)
}

pub(super) fn array<const N: usize>(rest: &mut Rest<'_>) -> Result<[u8; N], Malformed> {
    let (array, after) = rest.split_first_chunk().ok_or(Malformed)?;
    *rest = after;
    Ok(*array)
}

pub(super) fn string<'a>(rest: &mut Rest<'a>) -> Result<&'a [u8], Malformed> {
    rest.read_prefixed(|string| Ok(core::mem::take(string)))
}

/// Names that are separated by commas. What is no ASCII is a name that nobody has.
pub(super) fn names<'a>(
    rest: &mut Rest<'a>,
) -> Result<impl Iterator<Item = &'a str> + Clone + use<'a>, Malformed> {
    let list = core::str::from_utf8(string(rest)?).map_err(|_| Malformed)?;
    Ok(list.split(',').filter(|name| !name.is_empty()))
}

/// The one string of 32 bytes that a string of a key or a point is.
pub(super) fn string_of<const N: usize>(rest: &mut Rest<'_>) -> Result<[u8; N], Malformed> {
    string(rest)?.try_into().map_err(|_| Malformed)
}

/// Nothing may be left.
pub(super) fn end(rest: Rest<'_>) -> Result<(), Malformed> {
    if rest.is_empty() { Ok(()) } else { Err(Malformed) }
}

/// A message, or a part of one, as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Written(Vec<u8>);

impl Written {
    /// The message of this number, to which the fields are to come.
    pub(super) fn message(number: u8) -> Self {
        Self(Vec::from([number]))
    }

    /// A part of one.
    pub(super) const fn part() -> Self {
        Self(Vec::new())
    }

    /// As bytes stand.
    pub(super) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// A byte, an integer, a boolean or a string.
    pub(super) fn put(mut self, field: &(impl Encode + ?Sized)) -> Self {
        // Only lengths of 4 GiB or more are refused.
        let _ = field.encode(&mut self.0);
        self
    }

    /// A list of names.
    pub(super) fn put_names(self, names: &[&str]) -> Self {
        self.put(names.join(",").as_str())
    }

    /// A number that is not negative, its most significant byte first.
    pub(super) fn put_mpint(self, bytes: &[u8]) -> Self {
        self.put(&Mpint::from_positive_bytes(bytes))
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

/// Of Ed25519 keys and signatures (RFC 8709).
pub(super) const ED25519: &str = "ssh-ed25519";

/// A public key as it is written (RFC 8709 section 4).
pub(super) fn key_blob(key: &[u8; 32]) -> Vec<u8> {
    Written::part().put(ED25519).put(key.as_slice()).into_vec()
}

/// Reads a public key; `None` where it is of another kind.
pub(super) fn read_key(mut blob: Rest<'_>) -> Result<Option<[u8; 32]>, Malformed> {
    if string(&mut blob)? != ED25519.as_bytes() {
        return Ok(None);
    }
    let key = string_of(&mut blob)?;
    end(blob)?;
    Ok(Some(key))
}

/// A signature as it is written (RFC 8709 section 6).
pub(super) fn signature_blob(signature: &[u8; 64]) -> Vec<u8> {
    Written::part().put(ED25519).put(signature.as_slice()).into_vec()
}

/// Reads a signature.
pub(super) fn read_signature(mut blob: Rest<'_>) -> Result<[u8; 64], Malformed> {
    if string(&mut blob)? != ED25519.as_bytes() {
        return Err(Malformed);
    }
    let signature = string_of(&mut blob)?;
    end(blob)?;
    Ok(signature)
}
