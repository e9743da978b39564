//! Why a connection is ended: what the peer is told, and what we count it as.

use super::wire::{Malformed, Written, number};
use core::fmt;

/// What is wrong with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It does not begin with the version of SSH 2.0.
    Version,
    /// A packet's length or padding is none.
    Packet,
    /// A packet is not the peer's.
    Tag,
    /// A message is not of its form.
    Malformed,
    /// A message where it does not belong.
    State,
    /// There is no key exchange that both have.
    NoKex,
    /// The peer has no Ed25519 key.
    NoHostKey,
    /// There is no cipher that both have.
    NoCipher,
    /// There is but one that is not safe with a peer whose key exchange is not strict.
    NotStrict,
    /// The peer wants to compress.
    NoCompression,
    /// The key exchange is not proven, or its half is no point.
    Exchange,
    /// Somebody else than was dialled.
    WrongPeer,
    /// Our policy excludes the peer.
    Denied,
    /// The peer does not let us in.
    Refused,
    /// It tried too often.
    Tries,
    /// There is no place for it.
    Busy,
    /// It waits for too much, or has us wait for too long.
    Flood,
    /// We are done.
    Done,
    /// Something took too long.
    TimedOut,
    /// The peer said that it is over.
    Left,
}

impl From<Malformed> for Fault {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl Fault {
    /// The reason that the peer is told (RFC 4253 section 11.1); none where it is gone, or could not read it.
    const fn code(self) -> Option<u32> {
        Some(match self {
            Self::Left | Self::Version => return None,
            Self::Packet | Self::Malformed | Self::State | Self::Flood => 2,
            Self::NoKex
            | Self::NoHostKey
            | Self::NoCipher
            | Self::NotStrict
            | Self::NoCompression
            | Self::Exchange => 3,
            Self::Tag => 5,
            Self::WrongPeer => 9,
            Self::Done | Self::TimedOut => 11,
            Self::Busy => 12,
            Self::Denied | Self::Refused | Self::Tries => 14,
        })
    }

    /// Whether the peer has done what it must not.
    pub(super) const fn is_violation(self) -> bool {
        !matches!(
            self,
            Self::Done
                | Self::Left
                | Self::TimedOut
                | Self::Refused
                | Self::Busy
                | Self::Denied
                | Self::WrongPeer
        )
    }

    /// What the peer is told.
    pub(super) fn message(self) -> Option<Written> {
        let code = self.code()?;
        let text = alloc::format!("{self}");
        Some(Written::message(number::DISCONNECT).put(&code).put(text.as_str()).put(""))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Version => "this is not SSH 2.0",
            Self::Packet => "a packet whose length or padding cannot be",
            Self::Tag => "a packet whose tag is wrong",
            Self::Malformed => "a message that is not of its form",
            Self::State => "a message where it does not belong",
            Self::NoKex => "no common key exchange: this side has curve25519-sha256",
            Self::NoHostKey => "no common host key: this side has ssh-ed25519",
            Self::NoCipher => {
                "no common cipher: this side has aes128-gcm@openssh.com, aes256-gcm@openssh.com and \
                 chacha20-poly1305@openssh.com"
            }
            Self::NotStrict => {
                "without strict key exchange chacha20-poly1305@openssh.com is not safe: offer \
                 aes128-gcm@openssh.com before it"
            }
            Self::NoCompression => "this side does not compress",
            Self::Exchange => "the key exchange is not proven",
            Self::WrongPeer => "another key was expected",
            Self::Denied => "this key is not let in",
            Self::Refused => "no authentication method is left",
            Self::Tries => "too many authentication failures",
            Self::Busy => "too many connections",
            Self::Flood => "too much at once",
            Self::Done => "closed by the application",
            Self::TimedOut => "it took too long",
            Self::Left => "the peer ended it",
        })
    }
}
