//! The end of connections: what is said to the peer, and to whoever waits for something of it.

use super::connection::{HANDSHAKE, Standing};
use super::wire::code;
use super::{Closing, Quic};
use crate::addr::{Addr, Source};
use crate::swarm::{DownReason, Event, Token, Undeliverable};
use crate::time::Instant;
use bytes::Bytes;
use quinn_proto::{ConnectionError, Dir, VarInt};

impl<A: Addr + Source> Quic<A> {
    /// Closes a connection to somebody whom it is not for.
    pub(super) fn turn_out(&mut self, now: Instant, handle: usize, code: VarInt) {
        self.counters.denied += 1;
        let end = match code {
            code::DENIED => End::Denied,
            code::WRONG_PEER => End::WrongPeer,
            _ => End::Ours,
        };
        self.close(now, handle, code, end);
    }

    /// Says that a connection is over.
    pub(super) fn close(&mut self, now: Instant, handle: usize, code: VarInt, end: End) {
        let then = self.local.clock.tell(now);
        let Some(connection) = self.connection(handle) else { return };
        connection.quic.close(then, code, Bytes::new());
        self.detach(now, handle, end);
        self.touch(now, handle);
    }

    /// A connection is over: whoever waits for something of it learns that.
    pub(super) fn detach(&mut self, now: Instant, handle: usize, end: End) {
        let Some(connection) = self.connection(handle) else { return };
        let was = core::mem::replace(&mut connection.standing, Standing::Over);
        if was == Standing::Over {
            return;
        }
        connection.unanswered = Some(now);
        let (dialled, slot) = (connection.dialled, connection.peer);
        let asks = core::mem::take(&mut connection.asks);
        let owed = core::mem::take(&mut connection.owed);
        let partials = core::mem::take(&mut connection.receiving);
        let sending = core::mem::take(&mut connection.sending);
        self.receiving -= partials.bytes;
        self.unread.remove(&handle);
        self.busy.remove(&handle);
        let why = end.undeliverable();
        let idle = asks.is_empty() && sending.rest.is_empty() && sending.unacknowledged.is_empty();
        if was == Standing::Handshaking {
            self.counters.handshakes_failed += 1;
            self.leave_handshake(handle, dialled);
        }
        let addr = slot.and_then(|slot| self.peers.addr(slot));
        for token in owed.into_values() {
            if let Some((.., src)) = self.owed.remove(&token) {
                self.peers.up.push(Event::Withdrawn { token: Token(token), src });
            }
        }
        if let Some(addr) = addr {
            // Messages of which a part never left, or all where the peer took none. Requests are told below,
            // answers are nobody's any more.
            let begun = sending.rest.keys().filter(|stream| stream.dir() == Dir::Uni).count();
            let new = matches!(was, Standing::Up { since } if now < since + HANDSHAKE);
            let lost = if end == End::Refused && new { sending.told } else { begun };
            self.peers.tell_undelivered(&addr, lost, why);
        }
        for id in asks.into_values() {
            self.fail_ask(id, why);
        }
        let Some(slot) = slot else { return };
        let closed = self.closing != Closing::No;
        self.peers.leave(slot, handle, if closed { DownReason::Closed } else { end.down(idle) });
        self.peers.fail_dial(slot, handle, why);
        // Whoever takes nothing would be dialled for ever.
        if matches!(was, Standing::Up { .. })
            && idle
            && sending.told == 0
            && self.peers.connection(slot).is_none()
        {
            self.peers.fail_waiting(slot, why);
        }
        self.settle(now, slot);
    }
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing was heard any more.
    Silent,
    /// We closed it.
    Ours,
    /// We closed it, since the policy excludes the peer.
    Denied,
    /// We closed it, since it is somebody else's.
    WrongPeer,
    /// The peer closed it, or something is wrong with it.
    Theirs,
    /// The peer closed it before it took anything.
    Refused,
}

impl From<&ConnectionError> for End {
    fn from(error: &ConnectionError) -> Self {
        match error {
            ConnectionError::TimedOut => Self::Silent,
            ConnectionError::LocallyClosed => Self::Ours,
            ConnectionError::ApplicationClosed(close)
                if [code::DENIED, code::WRONG_PEER, code::BUSY].contains(&close.error_code) =>
            {
                Self::Refused
            }
            ConnectionError::ApplicationClosed(_)
            | ConnectionError::ConnectionClosed(_)
            | ConnectionError::TransportError(_)
            | ConnectionError::VersionMismatch
            | ConnectionError::Reset
            | ConnectionError::CidsExhausted => Self::Theirs,
        }
    }
}

impl End {
    /// Why what waited for the connection does not arrive.
    const fn undeliverable(self) -> Undeliverable {
        match self {
            Self::Silent => Undeliverable::TimedOut,
            Self::Ours => Undeliverable::Disconnected,
            Self::Denied => Undeliverable::Denied,
            Self::WrongPeer => Undeliverable::WrongPeer,
            Self::Theirs | Self::Refused => Undeliverable::Refused,
        }
    }

    /// Why its peer is down. `idle` says that nothing was outstanding.
    const fn down(self, idle: bool) -> DownReason {
        match self {
            Self::Silent if idle => DownReason::Idle,
            Self::Silent => DownReason::TimedOut,
            Self::Ours => DownReason::Disconnected,
            Self::Denied => DownReason::Denied,
            Self::WrongPeer | Self::Theirs | Self::Refused => DownReason::Left,
        }
    }
}
