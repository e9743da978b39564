//! What players note, and names for what stacks refuse.

#![allow(clippy::wildcard_enum_match_arm, reason = "reasons that are not named here yet are one")]

use super::body::Id;
use super::player::NO;
use core::fmt;
use tellask::swarm::{AskError, TellError, Undeliverable};

/// What happens to a player. Nodes are said by their numbers; `None` is somebody who takes no part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// Its node started, or started again.
    Started,
    /// It told or asked something, and its stack accepted that, or said why not.
    Said {
        /// What.
        id: Id,
        /// Of how many bytes.
        len: usize,
        /// Whether.
        result: Result<(), &'static str>,
    },
    /// It heard a message.
    Heard {
        /// From whom, as its stack says.
        src: Option<u32>,
        /// In which place, a channel or a transport.
        place: u32,
        /// At which of its sites the peer is.
        site: u32,
        /// Whether it was sent to itself, in that place.
        to_me: bool,
        /// Which message, if it is whole.
        id: Option<Id>,
        /// Of how many bytes.
        len: usize,
    },
    /// It was asked something.
    Ran {
        /// By whom, as its stack says.
        src: Option<u32>,
        /// Whether it was sent to itself, in this place.
        to_me: bool,
        /// What, if it is whole.
        id: Option<Id>,
        /// Of how many bytes.
        len: usize,
        /// How many requests of the same peer it has not answered yet, with this one.
        open: usize,
    },
    /// A request of its own is over.
    Answered {
        /// Which.
        id: Option<Id>,
        /// The answer, if it is whole, or why there is none.
        result: Result<Option<Id>, &'static str>,
    },
    /// A message was not delivered.
    Undelivered {
        /// To whom.
        dst: Option<u32>,
        /// Why.
        reason: &'static str,
    },
    /// A peer has proven its key.
    Up {
        /// Which.
        peer: Option<u32>,
        /// In which place, a channel or a transport.
        place: u32,
        /// At which of its sites the peer is.
        site: u32,
    },
    /// A peer is gone.
    Down {
        /// Which.
        peer: Option<u32>,
        /// In which place.
        place: u32,
        /// At which of its sites the peer was.
        site: u32,
        /// Whether it goes on at another.
        moved: bool,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = |number: &Option<u32>| number.map_or("somebody".into(), |n| n.to_string());
        let what = |id: &Option<Id>| id.map_or("what nobody said".into(), |id| format!("{id:?}"));
        match self {
            Self::Started => f.write_str("starts"),
            Self::Said { id, len, result: Ok(()) } => write!(f, "says {id:?}, {len} bytes"),
            Self::Said { id, result: Err(why), .. } => write!(f, "may not say {id:?}: {why}"),
            Self::Heard { src, id, .. } => write!(f, "hears {} from {}", what(id), node(src)),
            Self::Ran { src, id, .. } => write!(f, "is asked {} by {}", what(id), node(src)),
            Self::Answered { id, result: Ok(answer) } => {
                write!(f, "gets for {} {}", what(id), what(answer))
            }
            Self::Answered { id, result: Err(why) } => write!(f, "gets for {}: {why}", what(id)),
            Self::Undelivered { dst, reason } => {
                write!(f, "is told that something to {} is undelivered: {reason}", node(dst))
            }
            Self::Up { peer, .. } => write!(f, "{} is up", node(peer)),
            Self::Down { peer, moved: true, .. } => write!(f, "{} has moved", node(peer)),
            Self::Down { peer, .. } => write!(f, "{} is down", node(peer)),
        }
    }
}

pub(super) const fn telling(error: &TellError) -> &'static str {
    match error {
        TellError::TooLarge { .. } => "too large",
        TellError::Full => "full",
        TellError::Closed => "closed",
        _ => "another reason",
    }
}

pub(super) fn asking(error: &AskError) -> &'static str {
    match error {
        AskError::Refused(refusal) if refusal.code == NO => "refused by the peer",
        AskError::Refused(_) => "unanswered by the peer",
        AskError::TooLarge { .. } => "too large",
        AskError::TimedOut { arrived: true } => "timed out, arrived",
        AskError::TimedOut { arrived: false } => "timed out",
        AskError::Busy => "busy",
        AskError::Cancelled => "cancelled",
        AskError::Unreachable(_) => "unreachable",
        AskError::Unsupported => "unsupported",
        AskError::Full => "full",
        AskError::Closed => "closed",
        _ => "another reason",
    }
}

pub(super) const fn undelivered(reason: Undeliverable) -> &'static str {
    match reason {
        Undeliverable::Full => "full",
        Undeliverable::TooLarge { .. } => "too large",
        Undeliverable::Unreachable => "unreachable",
        Undeliverable::NoRoute => "no route",
        Undeliverable::TimedOut => "timed out",
        Undeliverable::WrongPeer => "wrong peer",
        Undeliverable::Oneself => "oneself",
        Undeliverable::Denied => "denied",
        Undeliverable::Disconnected => "disconnected",
        Undeliverable::Unsupported => "unsupported",
        Undeliverable::Closed => "closed",
        _ => "another reason",
    }
}
