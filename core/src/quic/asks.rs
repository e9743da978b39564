//! Requests: ours until they are answered, and the peers' until we answer.

use super::Quic;
use super::connection::{Kind, Partial, Written};
use super::outgoing::chunks;
use super::wire::{self, code};
use crate::addr::{Addr, PeerAddr, Source};
use crate::payload::Payload;
use crate::swarm::{
    AskError, AskId, Command, Event, Refusal, Scope, Swarm as _, Token, Undeliverable,
};
use crate::table::Slot;
use crate::time::Instant;
use alloc::collections::{BTreeMap, BTreeSet};
use bytes::{Bytes, BytesMut};
use quinn_proto::{Dir, StreamId};

/// Our requests that are outstanding.
#[derive(Default)]
pub(super) struct Asks {
    all: BTreeMap<AskId, Ask>,
    deadlines: BTreeSet<(Instant, AskId)>,
    /// Bytes of those that are outstanding.
    bytes: usize,
}

struct Ask {
    peer: Slot,
    deadline: Instant,
    bytes: usize,
    state: State,
}

enum State {
    /// For a connection, or for a stream.
    Waits(Payload),
    /// It is on a stream of a connection; whether all of it is known to have arrived.
    Sent { handle: usize, stream: StreamId, arrived: bool },
}

impl Asks {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// When the next of them is given up.
    pub(super) fn due(&self) -> Option<Instant> {
        self.deadlines.first().map(|(due, _)| *due)
    }

    pub(super) fn on_arrived(&mut self, id: AskId) {
        if let Some(Ask { state: State::Sent { arrived, .. }, .. }) = self.all.get_mut(&id) {
            *arrived = true;
        }
    }

    fn remove(&mut self, id: AskId) -> Option<Ask> {
        let ask = self.all.remove(&id)?;
        self.deadlines.remove(&(ask.deadline, id));
        self.bytes -= ask.bytes;
        Some(ask)
    }
}

impl<A: Addr + Source> Quic<A> {
    pub(super) fn on_ask(
        &mut self,
        now: Instant,
        id: AskId,
        dst: PeerAddr<A>,
        payload: Payload,
        deadline: Instant,
    ) {
        let limit = self.link().ask_max;
        let refused = if self.asks.all.contains_key(&id) {
            Some(Undeliverable::Unsupported)
        } else if payload.len() > limit {
            Some(Undeliverable::TooLarge { limit })
        } else if deadline <= now {
            Some(Undeliverable::TimedOut)
        } else {
            None
        };
        let slot = match refused.map_or_else(|| self.slot_for(now, &dst), Err) {
            Ok(slot) => slot,
            Err(why) => {
                return self.refuse(Command::Ask { id, dst, payload, deadline }, why);
            }
        };
        let Some(peer) = self.peers.get_mut(slot) else { return };
        if peer.asks_full {
            return self.refuse(Command::Ask { id, dst, payload, deadline }, Undeliverable::Full);
        }
        let bytes = payload.len();
        peer.asks += 1;
        peer.ask_bytes += bytes;
        peer.waiting.push_back(id);
        let full = peer.asks >= self.limits.asks_per_peer
            || peer.ask_bytes >= self.limits.ask_sending_per_peer
            || self.asks.bytes + bytes >= self.limits.ask_sending;
        if full {
            peer.asks_full = true;
            self.up.push(Event::Full { scope: Scope::To(dst) });
        }
        let used = peer.connection();
        let ask = Ask { peer: slot, deadline, bytes, state: State::Waits(payload) };
        self.asks.all.insert(id, ask);
        self.asks.deadlines.insert((deadline, id));
        self.asks.bytes += bytes;
        if let Some(used) = used {
            self.touch(now, used);
        }
    }

    /// Puts requests on streams, as many as there are to be had.
    pub(super) fn send_asks(&mut self, now: Instant, slot: Slot, handle: usize) {
        loop {
            let Self { peers, connections, asks, counters, .. } = self;
            let Some(peer) = peers.get_mut(slot) else { return };
            let place = connections.get_mut(handle).and_then(Option::as_deref_mut);
            let Some(connection) = place else { return };
            let Some(&id) = peer.waiting.front() else { return };
            let Some(ask) = asks.all.get_mut(&id) else {
                peer.waiting.pop_front();
                continue;
            };
            let Some(stream) = connection.quic.streams().open(Dir::Bi) else { return };
            peer.waiting.pop_front();
            let sent = State::Sent { handle, stream, arrived: false };
            let State::Waits(payload) = core::mem::replace(&mut ask.state, sent) else { continue };
            let remaining = connection.ours.then(|| ask.deadline.since(now));
            let head = wire::request_head(payload.len(), remaining);
            counters.asked += 1;
            connection.asks.insert(stream, id);
            connection.receiving.partials.insert(stream, Partial::new(Kind::Answer(id)));
            // A peer that wants nothing of it says so on the stream.
            let _: Written = connection.write(stream, chunks(&head, payload));
        }
    }

    pub(super) fn on_cancel(&mut self, id: AskId) {
        self.give_up(id, |_| AskError::Cancelled);
    }

    /// Requests whose time is over.
    pub(super) fn on_deadlines(&mut self, now: Instant) {
        while let Some(&(due, id)) = self.asks.deadlines.first()
            && due <= now
        {
            self.give_up(id, |arrived| AskError::TimedOut { arrived });
        }
    }

    /// Nobody waits for an answer any more.
    fn give_up(&mut self, id: AskId, why: impl FnOnce(bool) -> AskError) {
        let Some(ask) = self.asks.all.get(&id) else { return };
        let arrived = matches!(ask.state, State::Sent { arrived: true, .. });
        if let State::Sent { handle, stream, .. } = ask.state {
            self.end_stream(handle, stream);
            let now = self.out.latest();
            self.touch(now, handle);
        }
        self.finish_ask(id, Err(why(arrived)));
    }

    /// Nothing more is said or heard on the stream of a request of ours.
    pub(super) fn end_stream(&mut self, handle: usize, stream: StreamId) {
        let Some(connection) = self.connection(handle) else { return };
        connection.asks.remove(&stream);
        connection.reset(stream, code::CANCELLED);
        self.stop(handle, stream, code::CANCELLED);
    }

    /// A connection ended with a request on it.
    pub(super) fn fail_ask(&mut self, id: AskId, why: Undeliverable) {
        let arrived = matches!(
            self.asks.all.get(&id).map(|ask| &ask.state),
            Some(State::Sent { arrived: true, .. })
        );
        let error = if why == Undeliverable::TimedOut {
            AskError::TimedOut { arrived }
        } else {
            AskError::from(why)
        };
        self.finish_ask(id, Err(error));
    }

    /// The outcome of a request of ours.
    pub(super) fn finish_ask(&mut self, id: AskId, result: Result<BytesMut, AskError>) {
        let Some(ask) = self.asks.remove(id) else { return };
        self.up.push(Event::Answered { id, result });
        let Some(dst) = self.peer_addr(ask.peer) else { return };
        let Some(peer) = self.peers.get_mut(ask.peer) else { return };
        peer.asks = peer.asks.saturating_sub(1);
        peer.ask_bytes = peer.ask_bytes.saturating_sub(ask.bytes);
        if matches!(ask.state, State::Waits(_)) {
            peer.waiting.retain(|waiting| *waiting != id);
        }
        let room = peer.asks <= self.limits.asks_per_peer / 2
            && peer.ask_bytes <= self.limits.ask_sending_per_peer / 2
            && self.asks.bytes <= self.limits.ask_sending / 2;
        if peer.asks_full && room {
            peer.asks_full = false;
            if !self.tells.is_full(&dst) {
                self.up.push(Event::Ready { scope: Scope::To(dst) });
            }
        }
    }

    /// The application's answer to a request.
    pub(super) fn on_answer(&mut self, token: Token, result: Result<Payload, Refusal>) {
        let Some((handle, stream)) = self.owed.remove(&token.0) else { return };
        let now = self.out.latest();
        let Some(connection) = self.connection(handle) else { return };
        connection.owed.remove(&stream);
        match result {
            Ok(answer) if answer.len() > wire::MESSAGE_MAX => {
                connection.reset(stream, code::TOO_LARGE);
            }
            Ok(answer) => {
                let head = wire::answer_head(answer.len());
                connection.write(stream, chunks(&head, answer));
            }
            Err(refusal) if connection.ours => {
                let frame = Bytes::from(wire::refusal(&refusal));
                connection.write(stream, [frame]);
            }
            Err(refusal) => connection.reset(stream, wire::refused(&refusal)),
        }
        self.touch(now, handle);
    }

    /// Whoever asked on this stream waits no more.
    pub(super) fn withdraw(&mut self, handle: usize, stream: StreamId) {
        let Some(connection) = self.connection(handle) else { return };
        let Some(token) = connection.owed.remove(&stream) else { return };
        let slot = connection.peer;
        connection.reset(stream, code::CANCELLED);
        self.owed.remove(&token);
        if let Some(src) = slot.and_then(|slot| self.peer_addr(slot)) {
            self.up.push(Event::Withdrawn { token: Token(token), src });
        }
    }
}
