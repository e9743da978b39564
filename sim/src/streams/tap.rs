//! Listening in on the network.

use super::segment::Connection;
use core::time::Duration;
use tellask::{Instant, MemoryAddr, StreamEnd, StreamId};

/// Hears of everything that happens to a connection, and of what applications say, which are of type `N`, in the
/// order of the events.
pub trait Tap<N = ()> {
    /// `sighting` happens.
    fn see(&mut self, sighting: &Sighting);

    /// The node at `addr` sends these bytes on a connection, which is seen next. Where a piece ends and the next begins is
    /// chance.
    fn read_along(&mut self, addr: MemoryAddr, connection: Connection, bytes: &[u8]) {
        let _ = (addr, connection, bytes);
    }

    /// The application at `addr` says something, with [`Cx::say`](crate::net::Cx::say).
    fn hear(&mut self, now: Instant, addr: MemoryAddr, said: N) {
        let _ = (now, addr, said);
    }
}

/// Nobody listens.
impl<N> Tap<N> for () {
    fn see(&mut self, _: &Sighting) {}
}

/// Something that happened at one end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// When.
    pub now: Instant,
    /// At which node.
    pub addr: MemoryAddr,
    /// To which connection.
    pub connection: Connection,
    /// What the node calls it.
    pub id: StreamId,
    /// What happened.
    pub what: What,
}

/// What happens to connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// The node dials.
    Dialled,
    /// It was dialled, and has accepted.
    Accepted,
    /// Its dialling was answered.
    Opened,
    /// It sends so many bytes in one piece.
    Sent(usize),
    /// What it sends is held up for so long, with all that comes behind.
    Stalled(Duration),
    /// What it sends waits, since the way is cut.
    Held,
    /// So many bytes are given to its stack in one piece.
    Delivered(usize),
    /// Its stack hears that the peer has finished.
    PeerFinished,
    /// Nothing that it sends or that is sent to it on this connection gets through any more.
    Vanished,
    /// Its stack hears that the connection is over.
    Ended(StreamEnd),
}

impl What {
    /// As a word of the trace.
    pub(super) const fn code(self) -> u64 {
        match self {
            Self::Dialled => 64,
            Self::Accepted => 65,
            Self::Opened => 66,
            Self::Sent(bytes) => (bytes as u64) << 8 | 67,
            Self::Stalled(_) => 68,
            Self::Held => 69,
            Self::Delivered(bytes) => (bytes as u64) << 8 | 70,
            Self::PeerFinished => 71,
            Self::Vanished => 72,
            Self::Ended(why) => (why as u64) << 8 | 73,
        }
    }
}

/// How often what happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Connections dialled.
    pub dialled: u64,
    /// Of those, accepted at their destination.
    pub accepted: u64,
    /// Of those, known to be open by who dialled them.
    pub opened: u64,
    /// Pieces sent.
    pub pieces: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Bytes given to stacks.
    pub delivered_bytes: u64,
    /// How often something was held up.
    pub stalled: u64,
    /// How often something waited for a cut to be mended.
    pub held: u64,
    /// Ends of connections that vanished.
    pub vanished: u64,
    /// Ends that were over because both sides had finished.
    pub finished: u64,
    /// Because their node aborted.
    pub aborted: u64,
    /// Because of a reset.
    pub reset: u64,
    /// Because nobody listened.
    pub refused: u64,
    /// Because nobody answered.
    pub timed_out: u64,
    /// Because nothing was heard of the peer for long.
    pub gone: u64,
    /// Because their stack wrote more than it might.
    pub overrun: u64,
    /// What stacks said out of turn, that included.
    pub misused: u64,
}

impl Totals {
    pub(super) const fn count(&mut self, what: What) {
        let counter = match what {
            What::Dialled => &mut self.dialled,
            What::Accepted => &mut self.accepted,
            What::Opened => &mut self.opened,
            What::Sent(bytes) => {
                self.sent_bytes += bytes as u64;
                &mut self.pieces
            }
            What::Delivered(bytes) => {
                self.delivered_bytes += bytes as u64;
                return;
            }
            What::Stalled(_) => &mut self.stalled,
            What::Held => &mut self.held,
            What::PeerFinished => return,
            What::Vanished => &mut self.vanished,
            What::Ended(StreamEnd::Finished) => &mut self.finished,
            What::Ended(StreamEnd::Aborted) => &mut self.aborted,
            What::Ended(StreamEnd::Refused) => &mut self.refused,
            What::Ended(StreamEnd::TimedOut) => &mut self.timed_out,
            What::Ended(StreamEnd::Gone) => &mut self.gone,
            What::Ended(StreamEnd::Overrun) => &mut self.overrun,
            // No other reason is ever given.
            What::Ended(_) => &mut self.reset,
        };
        *counter += 1;
    }
}
