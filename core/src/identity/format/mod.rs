//! Keys as people keep them: the files of other tools, read and written in memory.
//!
//! | format | what it is | read | written |
//! |---|---|---|---|
//! | [`KeyFormat::Pkcs8`] | PEM `PRIVATE KEY` (RFC 7468, RFC 5958), as `openssl genpkey` writes it | versions 1 and 2 | version 1 |
//! | [`KeyFormat::OpenSsh`] | PEM `OPENSSH PRIVATE KEY`, as `ssh-keygen` writes it; feature `openssh` | with and without a passphrase | with and without a passphrase |
//! | [`KeyFormat::GoP2p`] | 44 bytes of DER that go-p2p keeps its key in | only where named | never |
//! | public key | PEM `PUBLIC KEY` (RFC 7468), or a line `ssh-ed25519 AAAA… comment` | both | – |
//!
//! A go-p2p key file has the shape of a public key, seed where the key would be, so it is never
//! guessed at: whoever took one for the other would publish a secret. Refused with what would be
//! right: keys of other algorithms, encrypted PKCS#8, public keys where a secret one belongs,
//! files whose public half belongs to another key, more than 1,024 rounds of bcrypt. Whatever
//! held a secret on the way is wiped.

#[cfg(feature = "openssh")]
mod openssh;
mod pkcs8;
mod public;

use super::{PublicKey, SecretKey, key::SPKI_PREFIX};
use crate::seed::Rng;
use alloc::string::String;
use core::{fmt, str::FromStr};
use zeroize::Zeroizing;

/// A way to write a secret key down. Its text is `pkcs8`, `openssh` or `go-p2p`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyFormat {
    /// PEM `PRIVATE KEY`, as `openssl genpkey -algorithm ed25519` writes it.
    Pkcs8,
    /// PEM `OPENSSH PRIVATE KEY`, as `ssh-keygen -t ed25519` writes it.
    OpenSsh,
    /// The key file of go-p2p: DER that cannot be told from a public key. Read only.
    GoP2p,
}

impl fmt::Display for KeyFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pkcs8 => "pkcs8",
            Self::OpenSsh => "openssh",
            Self::GoP2p => "go-p2p",
        })
    }
}

impl FromStr for KeyFormat {
    type Err = UnknownKeyFormat;

    fn from_str(text: &str) -> Result<Self, UnknownKeyFormat> {
        match text {
            "pkcs8" => Ok(Self::Pkcs8),
            "openssh" => Ok(Self::OpenSsh),
            "go-p2p" => Ok(Self::GoP2p),
            _ => Err(UnknownKeyFormat),
        }
    }
}

/// A text that names no [`KeyFormat`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownKeyFormat;

impl fmt::Display for UnknownKeyFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("key formats are pkcs8, openssh and go-p2p")
    }
}

impl core::error::Error for UnknownKeyFormat {}

impl SecretKey {
    /// Reads a key from the content of a file. Without a `format` PKCS#8 and OpenSSH are told
    /// apart by their first line; a go-p2p key is read only where it is named. A passphrase
    /// that turns out not to be needed is ignored.
    ///
    /// # Errors
    /// [`KeyError`] says what was seen and what would be right.
    pub fn read(
        content: &[u8],
        format: Option<KeyFormat>,
        passphrase: Option<&[u8]>,
    ) -> Result<Self, KeyError> {
        let seen = Seen::of(content);
        let format = match (format, seen.format()) {
            (None, Some(seen)) => seen,
            (Some(KeyFormat::GoP2p), _) if seen == Seen::SpkiShaped => KeyFormat::GoP2p,
            (Some(asked), Some(seen)) if asked == seen => seen,
            (Some(asked), Some(seen)) => return Err(KeyError::OtherFormat { asked, seen }),
            (_, None) => return Err(seen.refusal()),
        };
        match format {
            KeyFormat::Pkcs8 => pkcs8::read(content.trim_ascii()),
            #[cfg(feature = "openssh")]
            KeyFormat::OpenSsh => openssh::read(content.trim_ascii(), passphrase),
            #[cfg(not(feature = "openssh"))]
            KeyFormat::OpenSsh => {
                let _ = passphrase;
                Err(KeyError::OpenSshNotBuiltIn)
            }
            KeyFormat::GoP2p => content
                .strip_prefix(&SPKI_PREFIX)
                .and_then(|seed| seed.try_into().ok())
                .map(Self::from_seed)
                .ok_or(KeyError::Malformed(KeyFormat::GoP2p)),
        }
    }

    /// Writes the key as the text of a file. `passphrase` encrypts it, which only OpenSSH files
    /// are for here (24 rounds of bcrypt, AES-256-CTR); `rng` salts that.
    ///
    /// # Errors
    /// [`WriteKeyError`] where the format is not written, or not with a passphrase.
    pub fn write(
        &self,
        format: KeyFormat,
        passphrase: Option<&[u8]>,
        rng: &mut Rng,
    ) -> Result<Zeroizing<String>, WriteKeyError> {
        match (format, passphrase) {
            (KeyFormat::Pkcs8, None) => pkcs8::write(self),
            (KeyFormat::Pkcs8, Some(_)) => Err(WriteKeyError::PassphraseNeedsOpenSsh),
            #[cfg(feature = "openssh")]
            (KeyFormat::OpenSsh, passphrase) => openssh::write(self, passphrase, rng),
            #[cfg(not(feature = "openssh"))]
            (KeyFormat::OpenSsh, _) => {
                let _ = rng;
                Err(WriteKeyError::OpenSshNotBuiltIn)
            }
            (KeyFormat::GoP2p, _) => Err(WriteKeyError::ReadOnly),
        }
    }
}

impl PublicKey {
    /// Reads a public key from the content of a file: PEM `PUBLIC KEY`, or a line
    /// `ssh-ed25519 AAAA… comment`.
    ///
    /// # Errors
    /// [`KeyError`]; also where the content is a secret key.
    pub fn read(content: &[u8]) -> Result<Self, KeyError> {
        match Seen::of(content) {
            Seen::Public => public::read_pem(content.trim_ascii()),
            Seen::SshPublic => public::read_ssh(content.trim_ascii()),
            Seen::Pkcs8 | Seen::EncryptedPkcs8 | Seen::OpenSsh => Err(KeyError::SecretGiven),
            Seen::SpkiShaped => Self::from_spki(content),
            seen @ (Seen::OtherAlgorithm | Seen::Nothing) => Err(seen.refusal()),
        }
    }
}

/// What a file looks like, before anything in it is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Pkcs8,
    EncryptedPkcs8,
    OpenSsh,
    Public,
    SshPublic,
    /// 44 bytes that are a public key, or a go-p2p key.
    SpkiShaped,
    OtherAlgorithm,
    Nothing,
}

impl Seen {
    fn of(content: &[u8]) -> Self {
        if content.len() == PublicKey::SPKI_LEN && content.starts_with(&SPKI_PREFIX) {
            return Self::SpkiShaped;
        }
        if let Ok(label) = pem_rfc7468::decode_label(content.trim_ascii()) {
            return match label {
                "PRIVATE KEY" => Self::Pkcs8,
                "ENCRYPTED PRIVATE KEY" => Self::EncryptedPkcs8,
                "OPENSSH PRIVATE KEY" => Self::OpenSsh,
                "PUBLIC KEY" => Self::Public,
                _ => Self::OtherAlgorithm,
            };
        }
        let line = content.trim_ascii();
        match line.split(|byte| byte.is_ascii_whitespace()).next() {
            Some(b"ssh-ed25519") => Self::SshPublic,
            Some(name) if name.starts_with(b"ssh-") || name.starts_with(b"ecdsa-") => {
                Self::OtherAlgorithm
            }
            _ => Self::Nothing,
        }
    }

    /// The format to read it as without being told.
    fn format(self) -> Option<KeyFormat> {
        match self {
            Self::Pkcs8 => Some(KeyFormat::Pkcs8),
            Self::OpenSsh => Some(KeyFormat::OpenSsh),
            Self::EncryptedPkcs8
            | Self::Public
            | Self::SshPublic
            | Self::SpkiShaped
            | Self::OtherAlgorithm
            | Self::Nothing => None,
        }
    }

    /// Why it is not read.
    fn refusal(self) -> KeyError {
        match self {
            Self::EncryptedPkcs8 => KeyError::EncryptedPkcs8,
            Self::Public | Self::SshPublic => KeyError::PublicGiven,
            Self::SpkiShaped => KeyError::PublicOrGoP2p,
            Self::OtherAlgorithm => KeyError::OtherAlgorithm,
            Self::Pkcs8 | Self::OpenSsh | Self::Nothing => KeyError::Unrecognised,
        }
    }
}

/// Why bytes are no key, and what would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// Not the DER SubjectPublicKeyInfo of an Ed25519 key.
    NotSpki,
    /// Nothing that is known here.
    Unrecognised,
    /// 44 bytes that are a public key or a go-p2p secret key; nobody can tell.
    PublicOrGoP2p,
    /// A public key where a secret key belongs.
    PublicGiven,
    /// A secret key where a public key belongs.
    SecretGiven,
    /// The format is another than the one that was named.
    OtherFormat {
        /// The format that was named.
        asked: KeyFormat,
        /// The format that the content has.
        seen: KeyFormat,
    },
    /// A key of another algorithm than Ed25519.
    OtherAlgorithm,
    /// It begins as this format does, but does not go on so.
    Malformed(KeyFormat),
    /// It begins as a public key does, but does not go on so.
    MalformedPublic,
    /// The public half that it contains is not that of its secret half.
    HalvesDiffer,
    /// It is encrypted, and no passphrase was given.
    PassphraseNeeded,
    /// It is encrypted, with another passphrase.
    WrongPassphrase,
    /// PKCS#8 encrypted with a passphrase, which is not read.
    EncryptedPkcs8,
    /// OpenSSH, encrypted in a way that is not read.
    UnsupportedCipher,
    /// OpenSSH, encrypted with more than 1,024 rounds of bcrypt: this many.
    TooManyRounds(u32),
    /// OpenSSH, but the library was built without the feature `openssh`.
    OpenSshNotBuiltIn,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSpki => f.write_str(
                "not an ed25519 public key: its SubjectPublicKeyInfo is 44 bytes of DER, algorithm 1.3.101.112",
            ),
            Self::Unrecognised => f.write_str(
                "not a key file: a secret key begins with -----BEGIN PRIVATE KEY----- or -----BEGIN OPENSSH PRIVATE KEY-----, \
                 a public key with -----BEGIN PUBLIC KEY----- or ssh-ed25519",
            ),
            Self::PublicOrGoP2p => f.write_str(
                "this is either a public key or a secret key of go-p2p, which look the same; if it is the latter, name the format go-p2p",
            ),
            Self::PublicGiven => {
                f.write_str("this is a public key, give the secret key that belongs to it")
            }
            Self::SecretGiven => f.write_str(
                "this is a secret key, give its public key, and keep this one to yourself",
            ),
            Self::OtherFormat { asked, seen } => write!(
                f,
                "this is not a key in the format {asked}, but in {seen}: name that format, or none"
            ),
            Self::OtherAlgorithm => f.write_str(
                "this key is not an ed25519 key, make one with openssl genpkey -algorithm ed25519 or ssh-keygen -t ed25519",
            ),
            Self::Malformed(format) => {
                write!(f, "this begins as a {format} key but is damaged, restore it from a copy")
            }
            Self::MalformedPublic => {
                f.write_str("this begins as a public key but is damaged, copy it again")
            }
            Self::HalvesDiffer => f.write_str(
                "the public key in this file does not belong to its secret key, restore the file from a copy",
            ),
            Self::PassphraseNeeded => f.write_str("this key is encrypted, give its passphrase"),
            Self::WrongPassphrase => f.write_str("this is not the passphrase of this key"),
            Self::EncryptedPkcs8 => f.write_str(
                "encrypted pkcs8 keys are not read, decrypt it with openssl pkey -in FILE -out NEW, \
                 or keep the key in the format openssh, which can have a passphrase",
            ),
            Self::UnsupportedCipher => f.write_str(
                "this key is encrypted in a way that is not read, change that with ssh-keygen -p -Z aes256-ctr -f FILE",
            ),
            Self::TooManyRounds(rounds) => write!(
                f,
                "this key takes {rounds} rounds of bcrypt to open, at most 1024 are run: change that with ssh-keygen -p -a 100 -f FILE"
            ),
            Self::OpenSshNotBuiltIn => f.write_str(
                "openssh keys are read only where the feature openssh is built in, keep the key as pkcs8 instead",
            ),
        }
    }
}

impl core::error::Error for KeyError {}

/// Why a key was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteKeyError {
    /// A passphrase was given for a format that is written without.
    PassphraseNeedsOpenSsh,
    /// The format is read, never written: it cannot be told from a public key.
    ReadOnly,
    /// The library was built without the feature `openssh`.
    OpenSshNotBuiltIn,
    /// The passphrase is empty, which would encrypt nothing.
    EmptyPassphrase,
    /// The encoder failed, which it does only when memory runs out.
    Encoding,
}

impl fmt::Display for WriteKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PassphraseNeedsOpenSsh => {
                "pkcs8 keys are written without a passphrase, choose the format openssh to have one"
            }
            Self::ReadOnly => {
                "go-p2p keys are read only, since they look like public keys: choose pkcs8 or openssh"
            }
            Self::OpenSshNotBuiltIn => {
                "openssh keys are written only where the feature openssh is built in, choose pkcs8"
            }
            Self::EmptyPassphrase => "the passphrase is empty, give one, or none at all",
            Self::Encoding => "the key could not be encoded, check whether memory has run out",
        })
    }
}

impl core::error::Error for WriteKeyError {}
