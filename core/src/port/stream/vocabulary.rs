//! What is said between a stream port, its driver, and whoever stands on it.

use crate::payload::Payload;
use alloc::vec::Vec;
use bytes::BytesMut;
use core::fmt;

/// The name of a connection, between one port and its driver.
///
/// Who opens a connection counts those that they opened, who accepts one those that they accepted: the
/// numbers rise, and none is used again, so that nothing said late can be taken for another's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(u64);

impl StreamId {
    /// The connection that the layer above opened as the `number`-th; up to 2⁶³ of them.
    #[must_use]
    pub const fn opened(number: u64) -> Self {
        Self(number << 1)
    }

    /// The connection that the driver accepted as the `number`-th; up to 2⁶³ of them.
    #[must_use]
    pub const fn accepted(number: u64) -> Self {
        Self(number << 1 | 1)
    }

    /// Whether somebody else opened it.
    #[must_use]
    pub const fn is_accepted(self) -> bool {
        self.0 & 1 > 0
    }

    /// The how-manieth of its kind.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0 >> 1
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_accepted() { "accepted " } else { "opened " })?;
        self.number().fmt(f)
    }
}

/// Why a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum StreamEnd {
    /// Both sides had finished, and all was delivered to us.
    Finished,
    /// We aborted it.
    Aborted,
    /// The peer aborted it, or something on the way did. Anybody who sees the packets can.
    Reset,
    /// It was never open: nobody listens there.
    Refused,
    /// It was never open: nobody answered.
    TimedOut,
    /// It was never open: the network knows no way there.
    Unreachable,
    /// It was open, and nothing has been heard of the peer for long.
    Gone,
    /// There were as many connections as there may be.
    Full,
    /// More bytes were written, by us or by the driver, than there was credit for. That is somebody's mistake.
    Overrun,
}

impl fmt::Display for StreamEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Finished => "both sides had finished",
            Self::Aborted => "we aborted it",
            Self::Reset => "the peer or the network reset it",
            Self::Refused => "nobody listens there",
            Self::TimedOut => "nobody answered",
            Self::Unreachable => "the network knows no way there",
            Self::Gone => "nothing was heard of the peer for too long",
            Self::Full => "there are too many connections",
            Self::Overrun => "more bytes were written than there was credit for",
        })
    }
}

impl core::error::Error for StreamEnd {}

/// What a driver tells a stream port, and a stream port whoever stands on it.
#[derive(Clone, PartialEq, Eq)]
pub enum StreamInput<S> {
    /// The sockets are bound, or their addresses changed.
    Bound {
        /// The addresses that others may connect to: none where nobody can.
        local: Vec<S>,
    },
    /// The connection that was asked for stands.
    Opened {
        /// Which.
        id: StreamId,
        /// The node's own end of it.
        local: S,
        /// Where it leads, as far as the network says.
        remote: S,
    },
    /// Somebody connected.
    Accepted {
        /// Its name from now on.
        id: StreamId,
        /// The address that they connected to.
        local: S,
        /// Where from, as far as the network says.
        remote: S,
    },
    /// The next bytes arrived, at least one.
    Bytes {
        /// On which connection.
        id: StreamId,
        /// What.
        bytes: BytesMut,
    },
    /// The peer sends no more.
    Finished {
        /// On which connection.
        id: StreamId,
    },
    /// So many more bytes may be written.
    Writable {
        /// On which connection.
        id: StreamId,
        /// Beyond those that might be written before.
        bytes: usize,
    },
    /// The connection is over, or never was.
    Closed {
        /// Which.
        id: StreamId,
        /// Why.
        reason: StreamEnd,
    },
}

impl<S: fmt::Debug> fmt::Debug for StreamInput<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bound { local } => write!(f, "Bound({local:?})"),
            Self::Opened { id, local, remote } => {
                write!(f, "Opened({id:?}, {local:?} -> {remote:?})")
            }
            Self::Accepted { id, local, remote } => {
                write!(f, "Accepted({id:?}, {local:?} <- {remote:?})")
            }
            Self::Bytes { id, bytes } => write!(f, "Bytes({id:?}, {} bytes)", bytes.len()),
            Self::Finished { id } => write!(f, "Finished({id:?})"),
            Self::Writable { id, bytes } => write!(f, "Writable({id:?}, {bytes} bytes)"),
            Self::Closed { id, reason } => write!(f, "Closed({id:?}, {reason:?})"),
        }
    }
}

/// What a stream port tells its driver, and whoever stands on it the stream port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamTransmit<S> {
    /// Connect to `dst`.
    Open {
        /// Its name from now on: [opened](StreamId::opened), with a number above all before.
        id: StreamId,
        /// Where to. Where it stands for several addresses, the driver tries them.
        dst: S,
    },
    /// Write these bytes after those before. None at all is allowed, and nothing.
    Write {
        /// On which connection. It is open, and we have not finished.
        id: StreamId,
        /// Of what there is credit for.
        payload: Payload,
    },
    /// So many more bytes may arrive.
    Read {
        /// On which connection. It need not be open yet.
        id: StreamId,
        /// Beyond those that might arrive before.
        bytes: usize,
    },
    /// Nothing more will be written. What was written is delivered first.
    Finish {
        /// On which connection. It is open.
        id: StreamId,
    },
    /// End it at once. What was written may be lost, what arrived and was not taken is. Nothing but
    /// [`StreamInput::Closed`] follows.
    Abort {
        /// Which connection.
        id: StreamId,
    },
}
