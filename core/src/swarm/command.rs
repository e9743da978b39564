//! What a swarm takes from above.

use super::Accept;
use super::error::{AskError, IdentifyError, Refusal};
use super::event::{Event, Token};
use crate::identity::PublicKey;
use crate::p2pke::Tai64n;
use crate::payload::Payload;
use crate::time::{Anchor, Instant};

/// What the application, or the layer above, wants of a swarm.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Command<A> {
    /// Send a message, fire and forget.
    Tell {
        /// To whom.
        dst: A,
        /// What.
        payload: Payload,
    },
    /// Send a request; one [`Event::Answered`] with this `id` follows, whatever happens.
    Ask {
        /// Chosen by the caller, and in use for one request at a time.
        id: AskId,
        /// To whom.
        dst: A,
        /// The request.
        payload: Payload,
        /// When to give up.
        deadline: Instant,
    },
    /// Answer the request that came with `token`; any time later, in any order.
    Answer {
        /// From [`Event::Asked`].
        token: Token,
        /// Who asked: whatever fans out routes by it.
        dst: A,
        /// The reply, or the application's refusal.
        result: Result<Payload, Refusal>,
    },
    /// Nobody waits any more for the answer to the request `id`.
    Cancel {
        /// From [`Command::Ask`].
        id: AskId,
        /// Who was asked.
        dst: A,
    },
    /// Prove who is at `dst`; one [`Event::Identified`] follows.
    Identify {
        /// Whom.
        dst: A,
    },
    /// Forget the session with `dst`, and its keys. One [`Event::PeerDown`] follows where there was one.
    Disconnect {
        /// From whom.
        dst: A,
    },
    /// Change a setting of whichever layer knows it; the others pass it on.
    Set(Setting),
    /// Finish what was accepted, take nothing more, and emit [`Event::Closed`].
    Close,
}

/// The name of a request: chosen by the caller, returned with the answer.
///
/// A layer that merges several callers into one pushes a label on `path` as the request goes down
/// and pops it as the answer comes up, so that it needs no table. There is room for four.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId {
    /// The caller's own number.
    pub seq: u64,
    /// Labels of the layers in between, 16 bits each, the last pushed lowest.
    pub path: u64,
}

impl AskId {
    /// The request `seq` of a caller right above.
    #[must_use]
    pub const fn new(seq: u64) -> Self {
        Self { seq, path: 0 }
    }

    /// The id as it goes down through a layer that labels this caller with `label`, or `None` where
    /// four layers did so already.
    #[must_use]
    pub const fn push(self, label: u16) -> Option<Self> {
        if self.path >> 48 != 0 {
            return None;
        }
        Some(Self { seq: self.seq, path: (self.path << 16) | label as u64 })
    }

    /// The label that was pushed last, and the id as it goes on upward.
    #[must_use]
    pub const fn pop(self) -> (u16, Self) {
        ((self.path & 0xffff) as u16, Self { seq: self.seq, path: self.path >> 16 })
    }
}

/// A setting that is changed while the swarm runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Setting {
    /// The wall clock was set: dates are told from this anchor on.
    Clock(Anchor),
    /// Which keys a secure swarm talks to from now on. Peers that it excludes are disconnected.
    Accept(Accept),
    /// Whether each [`Event::Floor`](super::Event::Floor) is told from now on. At first none is.
    TellFloors(bool),
    /// Whether peers are to keep further messages that are told, because nobody takes those that have come. Swarms that
    /// can hold a peer back do (QUIC, SSH); what comes on others is dropped where there is no room. Requests and
    /// answers go on, except that on SSH they stand behind what their own peer told before. At first none is held back.
    Hold(bool),
    /// What another node with the same key told in [`Event::Floor`](super::Event::Floor): secure swarms
    /// take a hello of `key` that is stamped `stamp` or earlier for a replay.
    Floor {
        /// The peer's key.
        key: PublicKey,
        /// When its handshake began.
        stamp: Tai64n,
    },
}

impl<A> Command<A> {
    /// Whom the command concerns, where it concerns one peer.
    pub const fn dst(&self) -> Option<&A> {
        match self {
            Self::Tell { dst, .. }
            | Self::Ask { dst, .. }
            | Self::Answer { dst, .. }
            | Self::Cancel { dst, .. }
            | Self::Identify { dst }
            | Self::Disconnect { dst } => Some(dst),
            Self::Set(_) | Self::Close => None,
        }
    }

    /// The same command over another address space. `f` maps an address or gives it back.
    ///
    /// # Errors
    /// The command as it was, where `f` did not map its address: for [`refuse`](Self::refuse).
    pub fn try_map<B>(self, f: impl FnOnce(A) -> Result<B, A>) -> Result<Command<B>, Self> {
        Ok(match self {
            Self::Tell { dst, payload } => match f(dst) {
                Ok(dst) => Command::Tell { dst, payload },
                Err(dst) => return Err(Self::Tell { dst, payload }),
            },
            Self::Ask { id, dst, payload, deadline } => match f(dst) {
                Ok(dst) => Command::Ask { id, dst, payload, deadline },
                Err(dst) => return Err(Self::Ask { id, dst, payload, deadline }),
            },
            Self::Answer { token, dst, result } => match f(dst) {
                Ok(dst) => Command::Answer { token, dst, result },
                Err(dst) => return Err(Self::Answer { token, dst, result }),
            },
            Self::Cancel { id, dst } => match f(dst) {
                Ok(dst) => Command::Cancel { id, dst },
                Err(dst) => return Err(Self::Cancel { id, dst }),
            },
            Self::Identify { dst } => match f(dst) {
                Ok(dst) => Command::Identify { dst },
                Err(dst) => return Err(Self::Identify { dst }),
            },
            Self::Disconnect { dst } => match f(dst) {
                Ok(dst) => Command::Disconnect { dst },
                Err(dst) => return Err(Self::Disconnect { dst }),
            },
            Self::Set(setting) => Command::Set(setting),
            Self::Close => Command::Close,
        })
    }

    /// The one canonical refusal of each command: what whoever waits for it is told. `None` where
    /// nobody waits.
    pub fn refuse(self, why: super::Undeliverable) -> Option<Event<A>> {
        Some(match self {
            Self::Tell { dst, .. } => Event::Undelivered { dst, reason: why },
            Self::Ask { id, .. } => Event::Answered { id, result: Err(AskError::from(why)) },
            Self::Identify { dst } => {
                Event::Identified { addr: dst, result: Err(IdentifyError::from(why)) }
            }
            Self::Close => Event::Closed,
            Self::Answer { .. } | Self::Cancel { .. } | Self::Disconnect { .. } | Self::Set(_) => {
                return None;
            }
        })
    }
}
