//! Connections, their ends, and what travels between them.

use super::faults::Fate;
use tellask::{BytesMut, MemoryAddr};

/// The name of a connection in one network: who dialled whom, as the how-manieth time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Connection {
    /// Who opened it.
    pub dialer: MemoryAddr,
    /// Whom.
    pub listener: MemoryAddr,
    /// How many connections `dialer` had opened to `listener` before.
    pub number: u64,
}

/// Who of the two has an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Side {
    Dialer,
    Listener,
}

/// One of the two ends of a connection. A node that dials itself has both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct End {
    pub(super) connection: Connection,
    pub(super) side: Side,
}

impl End {
    pub(super) const fn other(self) -> Self {
        let side = match self.side {
            Side::Dialer => Side::Listener,
            Side::Listener => Side::Dialer,
        };
        Self { connection: self.connection, side }
    }

    /// The node that has it.
    pub(super) const fn at(self) -> MemoryAddr {
        match self.side {
            Side::Dialer => self.connection.dialer,
            Side::Listener => self.connection.listener,
        }
    }

    /// The node that has the other.
    pub(super) const fn peer(self) -> MemoryAddr {
        self.other().at()
    }

    /// As words of the trace.
    pub(super) fn words(self) -> [u64; 2] {
        let Connection { dialer, listener, number } = self.connection;
        let way = u64::from(dialer.0) << 32 | u64::from(listener.0);
        [way, number << 1 | u64::from(self.side == Side::Listener)]
    }
}

/// What travels from one end to the other.
#[derive(Clone, Debug)]
pub(super) enum Segment {
    /// A connection is asked for, by an end that takes so many bytes.
    Syn(Fate, usize),
    /// It is granted, by one that takes so many.
    SynAck(usize),
    Bytes(BytesMut),
    /// So many bytes were read.
    Window(usize),
    /// No more bytes come.
    Fin,
    /// It is over.
    Rst,
}

impl Segment {
    pub(super) const fn code(&self) -> u64 {
        match self {
            Self::Syn(..) => 1,
            Self::SynAck(_) => 2,
            Self::Bytes(_) => 3,
            Self::Window(_) => 4,
            Self::Fin => 5,
            Self::Rst => 6,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Syn(..) | Self::SynAck(_) | Self::Window(_) | Self::Fin | Self::Rst => &[],
        }
    }
}

/// What an end does by itself when its time comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alarm {
    /// The line is free for the next piece.
    Send,
    /// Nobody answered.
    ConnectTimeout,
    /// Nothing was heard of the peer for long, maybe.
    Gone,
    /// Something on the way resets it.
    Reset,
    /// Something on the way forgets it.
    Vanish,
}

impl Alarm {
    pub(super) const fn code(self) -> u64 {
        match self {
            Self::Send => 32,
            Self::ConnectTimeout => 33,
            Self::Gone => 34,
            Self::Reset => 35,
            Self::Vanish => 36,
        }
    }
}
