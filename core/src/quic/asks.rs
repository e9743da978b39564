//! Requests: ours until they are answered, and the peers' until we answer.

use super::Quic;
use super::connection::{Kind, Partial, Written};
use super::outgoing::chunks;
use super::wire::{self, code};
use crate::addr::{Addr, PeerAddr, Source};
use crate::payload::Payload;
use crate::peers::Peers;
use crate::swarm::{AskError, AskId, Event, Refusal, Swarm as _, Token, Undeliverable};
use crate::table::Slot;
use crate::time::Instant;
use bytes::Bytes;
use quinn_proto::{Dir, StreamId};

/// Where a request went: on which stream of which connection, and whether all of it is known to have arrived.
#[derive(Debug)]
pub(super) struct Sent {
    handle: usize,
    stream: StreamId,
    arrived: bool,
}

impl Sent {
    /// All of it is known to have arrived.
    pub(super) const fn on_arrived(&mut self) {
        self.arrived = true;
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
        let sizes = (payload.len(), self.link().ask_max);
        let refused = self.peers.asks.refuses(now, id, sizes, deadline);
        let slot = refused.map_or_else(|| self.slot_for(now, &dst), Err);
        if let Some(used) = self.peers.push_ask(id, (slot, dst), payload, deadline) {
            self.touch(now, used);
        }
    }

    /// Puts requests on streams, as many as there are to be had.
    pub(super) fn send_asks(&mut self, now: Instant, slot: Slot, handle: usize) {
        let Self { peers: Peers { table, asks, .. }, connections, counters, .. } = self;
        let Some(peer) = table.get_mut(slot) else { return };
        let place = connections.get_mut(handle).and_then(Option::as_deref_mut);
        let Some(connection) = place else { return };
        while peer.asks.has_waiting()
            && let Some(stream) = connection.quic.streams().open(Dir::Bi)
        {
            let sent = Sent { handle, stream, arrived: false };
            let Some((id, payload, deadline)) = asks.send(&mut peer.asks, sent) else { return };
            let remaining = connection.ours.then(|| deadline.since(now));
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
        while let Some(id) = self.peers.asks.overdue(now) {
            self.give_up(id, |arrived| AskError::TimedOut { arrived });
        }
    }

    /// Nobody waits for an answer any more.
    fn give_up(&mut self, id: AskId, why: impl FnOnce(bool) -> AskError) {
        let Some(sent) = self.peers.asks.sent_mut(id) else { return };
        let sent = sent.map(|sent| (sent.handle, sent.stream, sent.arrived));
        if let Some((handle, stream, _)) = sent {
            self.end_stream(handle, stream);
            let now = self.out.latest();
            self.touch(now, handle);
        }
        self.peers.finish_ask(id, Err(why(sent.is_some_and(|(.., arrived)| arrived))));
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
        let arrived = self.peers.asks.sent_mut(id).flatten().is_some_and(|sent| sent.arrived);
        let error = if why == Undeliverable::TimedOut {
            AskError::TimedOut { arrived }
        } else {
            AskError::from(why)
        };
        self.peers.finish_ask(id, Err(error));
    }

    /// The application's answer to a request.
    pub(super) fn on_answer(&mut self, token: Token, result: Result<Payload, Refusal>) {
        let Some((handle, stream, _)) = self.owed.remove(&token.0) else { return };
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
        connection.reset(stream, code::CANCELLED);
        if let Some((.., src)) = self.owed.remove(&token) {
            self.peers.up.push(Event::Withdrawn { token: Token(token), src });
        }
    }
}
