//! What a channel borrows, what it asks, and what it says.

use super::Timing;
use crate::identity::{PublicKey, SecretKey};
use crate::p2pke::tai64n::Tai64n;
use crate::seed::Rng;
use crate::time::{Anchor, Instant};
use alloc::vec::Vec;
use bytes::BytesMut;
use core::fmt;

/// What channels share, lent to each call.
#[derive(Debug)]
pub struct Context<'a> {
    /// Our key.
    pub key: &'a SecretKey,
    /// Where ephemeral keys and jitter come from.
    pub rng: &'a mut Rng,
    /// What date it is.
    pub clock: Anchor,
    /// The protocol's times.
    pub timing: &'a Timing,
    /// Asked before work is done and places are taken for strangers.
    pub gate: &'a mut dyn Gate,
    /// Memory for one message, kept between calls so that it is allocated once. Never plaintext
    /// of the application.
    pub scratch: &'a mut Vec<u8>,
}

/// What bounds the work and the memory that strangers can cause. Asked in the order of the methods.
pub trait Gate: fmt::Debug {
    /// Whether this key may have a session at all. Unproven when first asked, so a `true` reveals
    /// and changes nothing; asked again when it is proven.
    fn accepts(&mut self, key: &PublicKey) -> bool;
    /// The highest time stamp that this key has proven, where it is still remembered.
    fn floor(&self, key: &PublicKey) -> Option<Tai64n>;
    /// Whether there is a token for a key agreement or a signature check.
    fn may_verify(&mut self, now: Instant) -> bool;
    /// Whether one more unproven hello may be held. The answer is best `true` and some other
    /// hello given up at random: see [`Channel::forget_candidate`](super::Channel::forget_candidate).
    fn may_hold_candidate(&mut self) -> bool;
    /// This key has proven this time stamp, which may be lower than what is remembered.
    fn raise_floor(&mut self, key: &PublicKey, to: Tai64n);
}

/// What became of a datagram.
#[derive(Debug)]
#[must_use]
pub enum Input {
    /// Application data of [`Channel::peer`](super::Channel::peer). Take the events before it: the peer may be new.
    Message(BytesMut),
    /// It belonged to a handshake.
    Handshake,
    /// It was dropped, and nothing has changed.
    Rejected(Reason),
}

/// Why a datagram was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// Too short for what it says it is, or not of its form.
    Malformed,
    /// A counter that is never used.
    Reserved,
    /// A version other than 1.
    Version,
    /// Our own message or key.
    Oneself,
    /// A key other than the expected one, or than the one this channel is bound to.
    WrongPeer,
    /// The policy does not accept the key.
    Refused,
    /// A hello whose time stamp is not later than one its key has proven.
    Stale,
    /// A hello that has to wait for ours, which has the lower id.
    Yielded,
    /// No token for the work it asks for.
    Busy,
    /// No place for it.
    Full,
    /// A signature that is not what it has to be.
    Signature,
    /// It opens under no key that we have.
    Undecryptable,
    /// It was received before, or is too old to tell.
    Replayed,
    /// It answers nothing that we sent, or not any more.
    Unexpected,
}

impl Reason {
    /// A name for counters.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Reserved => "reserved",
            Self::Version => "version",
            Self::Oneself => "oneself",
            Self::WrongPeer => "wrong_peer",
            Self::Refused => "refused",
            Self::Stale => "stale",
            Self::Yielded => "yielded",
            Self::Busy => "busy",
            Self::Full => "full",
            Self::Signature => "signature",
            Self::Undecryptable => "undecryptable",
            Self::Replayed => "replayed",
            Self::Unexpected => "unexpected",
        }
    }
}

/// What happened to the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChannelEvent {
    /// The peer has proven this key; messages may come. Once, until `Down`.
    Up {
        /// The peer's key.
        key: PublicKey,
    },
    /// Messages may be sent, which was not so before.
    Ready,
    /// The peer that was `Up` is gone.
    Down {
        /// How it went.
        reason: DownReason,
    },
    /// A handshake with a peer that was not `Up` has failed.
    Failed {
        /// What was seen of it.
        reason: Failure,
    },
}

/// Why a peer is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DownReason {
    /// The session came to its end, unused.
    Expired,
    /// Nothing came from the peer any more, and neither did an answer to a new handshake.
    TimedOut,
}

/// Why a handshake failed. All but `TimedOut` can be forged by whoever saw our hello, so they are
/// told only when the time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Failure {
    /// No answer that counts.
    TimedOut,
    /// Another key than the expected one answered.
    WrongPeer,
    /// Our own hello or key came back.
    Oneself,
    /// The policy does not accept the key that answered.
    Refused,
}
