//! Why something did not work: an enum for each operation, each variant saying whose doing it was.

use alloc::vec::Vec;
use core::error::Error;
use core::fmt;

/// Why a message was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TellError {
    /// The caller's doing: the message is larger than the swarm takes towards this peer.
    TooLarge {
        /// Its length in bytes.
        len: usize,
        /// The largest length that is taken.
        limit: usize,
    },
    /// Messages come faster than they leave; wait for [`Event::Ready`](super::Event::Ready).
    Full,
    /// The swarm is closing or closed.
    Closed,
}

impl fmt::Display for TellError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { len, limit } => {
                write!(f, "a message of {len} bytes is over the limit of {limit} bytes")
            }
            Self::Full => f.write_str("the queue is full: wait until it is ready and tell again"),
            Self::Closed => f.write_str("the swarm is closed"),
        }
    }
}

impl Error for TellError {}

/// Why a message that had been accepted is not delivered, or a command is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Undeliverable {
    /// Ours: a queue was full although the caller had been told so.
    Full,
    /// The path's: it is larger than what fits.
    TooLarge {
        /// The largest length in bytes that fits.
        limit: usize,
    },
    /// The path's: nobody is there, as far as the network says.
    Unreachable,
    /// The caller's: nothing of this node leads to addresses like this one. It is of a transport, a
    /// channel or a kind that is not there.
    NoRoute,
    /// The peer's or the path's: it did not answer in time.
    TimedOut,
    /// The peer's: at this address somebody else proved its key.
    WrongPeer,
    /// The caller's: this is our own address or key.
    Oneself,
    /// Ours: the accept policy excludes the peer.
    Denied,
    /// Ours: the peer was disconnected.
    Disconnected,
    /// The peer's: it closed the connection, or does not let us in.
    Refused,
    /// The caller's: this swarm cannot do that.
    Unsupported,
    /// Ours: the swarm is closing or closed.
    Closed,
}

impl fmt::Display for Undeliverable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("a queue on the way was full"),
            Self::TooLarge { limit } => write!(f, "it is over the path's limit of {limit} bytes"),
            Self::Unreachable => f.write_str("the network says that nobody is at this address"),
            Self::NoRoute => {
                f.write_str("no open transport or channel of this node leads to this address")
            }
            Self::TimedOut => f.write_str("no answer from this address in time"),
            Self::WrongPeer => f.write_str("a peer with another key answers at this address"),
            Self::Oneself => f.write_str("this is our own address"),
            Self::Denied => f.write_str("our accept policy excludes this peer"),
            Self::Disconnected => f.write_str("the peer was disconnected"),
            Self::Refused => f.write_str("the peer closed the connection, or does not let us in"),
            Self::Unsupported => f.write_str("this swarm does not support that"),
            Self::Closed => f.write_str("the swarm is closed"),
        }
    }
}

impl Error for Undeliverable {}

/// Why nobody was identified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IdentifyError {
    /// As for a message that is not delivered.
    Undeliverable(Undeliverable),
}

impl From<Undeliverable> for IdentifyError {
    fn from(why: Undeliverable) -> Self {
        Self::Undeliverable(why)
    }
}

impl fmt::Display for IdentifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undeliverable(why) => why.fmt(f),
        }
    }
}

impl Error for IdentifyError {}

/// What an application answers instead of a reply: a code of its own and a few bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Refusal {
    /// What went wrong, in the application's numbering. [`UNANSWERED`](Self::UNANSWERED) is taken.
    pub code: u32,
    /// Whatever helps the asker.
    pub detail: Vec<u8>,
}

impl Refusal {
    /// The code of a request that no application answered: nobody took it, or whoever did dropped it.
    pub const UNANSWERED: u32 = 0;

    /// The application's refusal under `code`, with whatever helps the asker.
    #[must_use]
    pub fn new(code: u32, detail: impl Into<Vec<u8>>) -> Self {
        Self { code, detail: detail.into() }
    }

    /// That of a request that no application answered.
    #[must_use]
    pub const fn unanswered() -> Self {
        Self { code: Self::UNANSWERED, detail: Vec::new() }
    }
}

/// Why a request has no reply.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AskError {
    /// The peer's application refused.
    Refused(Refusal),
    /// The request or its reply is larger than `limit` bytes.
    TooLarge {
        /// The largest length in bytes that is taken.
        limit: usize,
    },
    /// No reply came in time.
    TimedOut {
        /// Whether the request is known to have arrived.
        arrived: bool,
    },
    /// The peer has too much to do; nothing was run.
    Busy,
    /// The asker gave up.
    Cancelled,
    /// The peer cannot be reached, or not any more: a request that had arrived may have been run.
    Unreachable(Undeliverable),
    /// This swarm cannot ask.
    Unsupported,
    /// Requests come faster than they leave; wait for [`Event::Ready`](super::Event::Ready).
    Full,
    /// The swarm is closing or closed.
    Closed,
}

impl From<Undeliverable> for AskError {
    fn from(why: Undeliverable) -> Self {
        match why {
            Undeliverable::Full => Self::Full,
            Undeliverable::TooLarge { limit } => Self::TooLarge { limit },
            Undeliverable::TimedOut => Self::TimedOut { arrived: false },
            Undeliverable::Unsupported => Self::Unsupported,
            Undeliverable::Closed => Self::Closed,
            Undeliverable::Unreachable
            | Undeliverable::NoRoute
            | Undeliverable::WrongPeer
            | Undeliverable::Oneself
            | Undeliverable::Denied
            | Undeliverable::Disconnected
            | Undeliverable::Refused => Self::Unreachable(why),
        }
    }
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(Refusal { code, detail }) => {
                write!(f, "the peer refused with code {code} and {} bytes", detail.len())
            }
            Self::TooLarge { limit } => write!(f, "over the limit of {limit} bytes"),
            Self::TimedOut { arrived: true } => {
                f.write_str("no reply in time, though the request arrived")
            }
            Self::TimedOut { arrived: false } => f.write_str("no reply in time"),
            Self::Busy => f.write_str("the peer is busy and ran nothing: ask again later"),
            Self::Cancelled => f.write_str("the request was cancelled"),
            Self::Unreachable(why) => why.fmt(f),
            Self::Unsupported => f.write_str("this swarm cannot ask: put an asking layer on it"),
            Self::Full => f.write_str("the queue is full: wait until it is ready and ask again"),
            Self::Closed => f.write_str("the swarm is closed"),
        }
    }
}

impl Error for AskError {}

/// Why a peer that was up is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DownReason {
    /// The peer's or the path's: a new handshake got no answer.
    TimedOut,
    /// Nobody's: nothing was sent for so long that the session expired.
    Idle,
    /// Ours: [`Command::Disconnect`](super::Command::Disconnect).
    Disconnected,
    /// Ours: the accept policy excludes the key now.
    Denied,
    /// Ours: its place was needed.
    Evicted,
    /// The peer's: it closed the connection.
    Left,
    /// Nobody's: the connection goes on under another address of the peer.
    Moved,
    /// Ours: the swarm closed.
    Closed,
}

impl fmt::Display for DownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimedOut => "the peer stopped answering",
            Self::Idle => "the session was idle until it expired",
            Self::Disconnected => "we disconnected it",
            Self::Denied => "our accept policy excludes it now",
            Self::Left => "the peer closed the connection",
            Self::Moved => "the peer goes on under another address",
            Self::Evicted => "its place was needed for another peer",
            Self::Closed => "the swarm closed",
        })
    }
}
