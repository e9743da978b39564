//! Addresses of SSH: who by fingerprint, and where.

use super::wire;
use crate::addr::{Addr, Source, UdpAddr};
use crate::crypto::packet::sha256;
use crate::identity::PublicKey;
use crate::peers::Named;
use alloc::string::String;
use base64ct::{Base64, Base64Unpadded, Encoding as _};
use core::error::Error;
use core::fmt::{self, Debug, Display};
use core::str::FromStr;

const PREFIX: &str = "SHA256:";

/// The name that SSH has for a key: SHA-256 of it as SSH writes it (RFC 8709 section 4).
///
/// Its text is that of `ssh-keygen -l`: `SHA256:` and 43 characters of base64 without padding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Bytes of a fingerprint.
    pub const LEN: usize = 32;

    /// The fingerprint of this key.
    #[must_use]
    pub fn of(key: &PublicKey) -> Self {
        Self(sha256(&[&wire::key_blob(key.as_bytes())]))
    }

    /// The fingerprint of these bytes. That somebody holds a key of it is not thereby said.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl Display for Fingerprint {
    /// Honours width and alignment, as in `{:<60}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; PREFIX.len() + 43];
        let (prefix, base64) = text.split_at_mut(PREFIX.len());
        prefix.copy_from_slice(PREFIX.as_bytes());
        Base64Unpadded::encode(&self.0, base64).map_err(|_| fmt::Error)?;
        f.pad(core::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let base64 = text.strip_prefix(PREFIX).ok_or(FingerprintError)?;
        let mut bytes = [0; 32];
        let read = Base64Unpadded::decode(base64, &mut bytes).map_err(|_| FingerprintError)?;
        if read.len() == Self::LEN { Ok(Self(bytes)) } else { Err(FingerprintError) }
    }
}

/// A text that is no [`Fingerprint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FingerprintError;

impl Display for FingerprintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not a fingerprint: SHA256: and 43 characters of base64, as `ssh-keygen -l` prints them",
        )
    }
}

impl Error for FingerprintError {}

impl PublicKey {
    /// The key as a line of OpenSSH's: `ssh-ed25519` and base64 (RFC 4253 section 6.6), as in `.pub` files,
    /// `authorized_keys` and `known_hosts`, without a comment.
    #[must_use]
    pub fn to_openssh(&self) -> String {
        let blob = wire::key_blob(self.as_bytes());
        alloc::format!("{} {}", wire::ED25519, Base64::encode_string(&blob))
    }
}

/// A peer of an SSH swarm: who, and where. Its text is `SHA256:…@` and the inner address, as the Go implementation has it.
///
/// That there is a value of this type proves nothing; see [`swarm`](crate::swarm).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SshAddr<S> {
    /// The fingerprint of the peer's key.
    pub fingerprint: Fingerprint,
    /// Where its connections come from, or go to.
    pub addr: S,
}

impl<S: Source> Source for SshAddr<S> {
    fn network(&self) -> Option<u128> {
        self.addr.network()
    }

    fn carrier(&self) -> Option<UdpAddr> {
        self.addr.carrier()
    }
}

impl<S: Addr> Named for SshAddr<S> {
    type Id = Fingerprint;
    type Below = S;

    fn id(&self) -> Fingerprint {
        self.fingerprint
    }

    fn below(&self) -> &S {
        &self.addr
    }

    fn named(fingerprint: Fingerprint, addr: S) -> Self {
        Self { fingerprint, addr }
    }
}

impl<S: Display> Display for SshAddr<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.fingerprint, self.addr)
    }
}

impl<S: Debug> Debug for SshAddr<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{:?}", self.fingerprint, self.addr)
    }
}

impl<S: FromStr<Err: Display>> FromStr for SshAddr<S> {
    type Err = SshAddrError<S::Err>;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (fingerprint, addr) = text.split_once('@').ok_or(SshAddrError::NoFingerprint)?;
        Ok(Self {
            fingerprint: fingerprint.parse().map_err(SshAddrError::Fingerprint)?,
            addr: addr.parse().map_err(SshAddrError::Addr)?,
        })
    }
}

/// Why a text is not an [`SshAddr`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SshAddrError<E> {
    /// There is no `@`.
    NoFingerprint,
    /// What stands before the `@` is no fingerprint.
    Fingerprint(FingerprintError),
    /// What stands behind the `@` is not an address of the swarm below.
    Addr(E),
}

impl<E: Display> Display for SshAddrError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFingerprint => {
                f.write_str("no fingerprint: an address of SSH reads SHA256:<base64>@<address>")
            }
            Self::Fingerprint(error) => write!(f, "before the @: {error}"),
            Self::Addr(error) => write!(f, "behind the @: {error}"),
        }
    }
}

impl<E: Debug + Display> Error for SshAddrError<E> {}
