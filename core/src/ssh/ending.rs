//! The end of connections: what is said to the peer, and to whoever waits for something of it.

use super::connection::{LINGER, Standing};
use super::fault::Fault;
use super::{Closing, Ssh};
use crate::addr::{Addr, Source};
use crate::port::{StreamEnd, StreamId, StreamTransmit};
use crate::swarm::{DownReason, Event, Token, Undeliverable};
use crate::time::Instant;
use crate::trace::trace;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Nobody needed it.
    Idle,
    /// Nothing was heard any more.
    Silent,
    /// The network knows nobody there.
    Unreachable,
    /// We closed it.
    Ours,
    /// There was no place for it.
    Full,
    /// The policy excludes the peer.
    Denied,
    /// It is somebody else's.
    WrongPeer,
    /// The peer closed it, or something is wrong with it.
    Theirs,
}

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::TimedOut => Self::Silent,
            Fault::Done => Self::Ours,
            Fault::Busy => Self::Full,
            Fault::Denied => Self::Denied,
            Fault::WrongPeer => Self::WrongPeer,
            Fault::Version
            | Fault::Packet
            | Fault::Tag
            | Fault::Malformed
            | Fault::State
            | Fault::NoKex
            | Fault::NoHostKey
            | Fault::NoCipher
            | Fault::NotStrict
            | Fault::NoCompression
            | Fault::Exchange
            | Fault::Refused
            | Fault::Tries
            | Fault::Flood
            | Fault::Left => Self::Theirs,
        }
    }
}

impl From<StreamEnd> for End {
    fn from(end: StreamEnd) -> Self {
        match end {
            StreamEnd::TimedOut | StreamEnd::Gone => Self::Silent,
            StreamEnd::Refused | StreamEnd::Unreachable => Self::Unreachable,
            StreamEnd::Full => Self::Full,
            StreamEnd::Aborted | StreamEnd::Overrun => Self::Ours,
            StreamEnd::Finished | StreamEnd::Reset => Self::Theirs,
        }
    }
}

impl End {
    /// Why what waited for the connection does not arrive.
    const fn undeliverable(self) -> Undeliverable {
        match self {
            Self::Silent => Undeliverable::TimedOut,
            Self::Unreachable => Undeliverable::Unreachable,
            Self::Idle | Self::Ours => Undeliverable::Disconnected,
            Self::Full => Undeliverable::Full,
            Self::Denied => Undeliverable::Denied,
            Self::WrongPeer => Undeliverable::WrongPeer,
            Self::Theirs => Undeliverable::Refused,
        }
    }

    /// Why its peer is down.
    const fn down(self) -> DownReason {
        match self {
            Self::Idle => DownReason::Idle,
            Self::Silent => DownReason::TimedOut,
            Self::Ours => DownReason::Disconnected,
            Self::Full => DownReason::Evicted,
            Self::Denied => DownReason::Denied,
            Self::Unreachable | Self::WrongPeer | Self::Theirs => DownReason::Left,
        }
    }
}

impl<S: Addr + Source> Ssh<S> {
    /// Something is wrong with a connection: the peer is told, and it ends.
    pub(super) fn fail(&mut self, now: Instant, id: StreamId, fault: Fault) {
        self.counters.violations += u64::from(fault.is_violation());
        self.counters.denied += u64::from(matches!(fault, Fault::Denied | Fault::WrongPeer));
        self.counters.turned_away += u64::from(fault == Fault::Busy);
        trace!(DEBUG, "ssh", stream = ?id, reason = %fault, "a connection is ended");
        self.close(now, id, fault, fault.into());
    }

    /// Ends a connection, after the last words.
    pub(super) fn close(&mut self, now: Instant, id: StreamId, fault: Fault, end: End) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.standing == Standing::Over {
            return;
        }
        if connection.standing == Standing::Handshaking && fault == Fault::TimedOut {
            // Whoever said nothing for so long is not kept for last words.
            self.detach(now, id, end);
            return self.abort(id);
        }
        connection.session.end(fault);
        connection.ends = now + LINGER;
        self.detach(now, id, end);
        self.list(id);
        self.rearm(now, id);
    }

    /// A connection is over: whoever waits for something of it learns that.
    pub(super) fn detach(&mut self, now: Instant, id: StreamId, end: End) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let was = core::mem::replace(&mut connection.standing, Standing::Over);
        if was == Standing::Over {
            return;
        }
        let (dialled, slot) = (connection.dialled, connection.peer);
        let asks = core::mem::take(&mut connection.asks);
        let owed = core::mem::take(&mut connection.owed);
        let lost = core::mem::take(&mut connection.unwritten).len();
        self.answer_bytes -= owed.bytes();
        self.stalled.remove(&id);
        if was == Standing::Handshaking {
            self.counters.handshakes_failed += 1;
            self.leave_handshake(id, dialled);
        }
        let why = end.undeliverable();
        if let Some(addr) = slot.and_then(|slot| self.peers.addr(slot)) {
            for token in owed.unanswered() {
                self.owed.remove(&token);
                self.peers.up.push(Event::Withdrawn { token: Token(token), src: addr.clone() });
            }
            self.peers.tell_undelivered(&addr, lost, why);
        }
        for ask in asks.into_values().flatten() {
            self.fail_ask(ask, why);
        }
        let Some(slot) = slot else { return };
        let closed = self.closing != Closing::No;
        self.peers.leave(slot, id, if closed { DownReason::Closed } else { end.down() });
        self.peers.fail_dial(slot, id, why);
        self.settle(now, slot);
    }

    /// A handshake is over, however it ended.
    pub(super) fn leave_handshake(&mut self, id: StreamId, dialled: bool) {
        if dialled {
            self.dialling -= 1;
        } else {
            self.half_open.remove(id);
        }
    }

    /// The port said that a connection is over.
    pub(super) fn on_closed(&mut self, now: Instant, id: StreamId, reason: StreamEnd) {
        self.detach(now, id, reason.into());
        if let Some(connection) = self.connections.remove(&id)
            && let Some(armed) = connection.armed
        {
            self.timers.remove(&(armed, id));
        }
    }

    /// The last words took too long.
    pub(super) fn abort(&mut self, id: StreamId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.ends = Instant::MAX;
            self.control.push_back(StreamTransmit::Abort { id });
        }
    }
}
