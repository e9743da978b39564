//! Requests: ours until they are answered, and the peers' until we answer.

use super::connection::Standing;
use super::fault::Fault;
use super::session::Answer;
use super::wire::MESSAGE_MAX;
use super::{Ssh, SshAddr};
use crate::addr::{Addr, Source};
use crate::payload::Payload;
use crate::peers::Peers;
use crate::port::StreamId;
use crate::swarm::{AskError, AskId, Event, Message, Refusal, Swarm as _, Token, Undeliverable};
use crate::table::Slot;
use crate::time::Instant;
use bytes::BytesMut;
use core::time::Duration;

/// How long an asker is taken to wait that does not say so.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a request went: over which connection, and under which number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    id: StreamId,
    number: u64,
}

impl<S: Addr + Source> Ssh<S> {
    pub(super) fn on_ask(
        &mut self,
        now: Instant,
        id: AskId,
        dst: SshAddr<S>,
        payload: Payload,
        deadline: Instant,
    ) {
        let sizes = (payload.len(), self.link().ask_max);
        let refused = self.peers.asks.refuses(now, id, sizes, deadline);
        let slot = refused.map_or_else(|| self.slot_for(now, &dst), Err);
        if let Some(used) = self.peers.push_ask(id, (slot, dst), payload, deadline) {
            self.write(now, used);
        }
    }

    /// Gives requests to a connection, as many as it takes.
    pub(super) fn send_asks(&mut self, now: Instant, slot: Slot, id: StreamId) {
        let Self { peers: Peers { table, asks, .. }, connections, counters, .. } = self;
        let Some(peer) = table.get_mut(slot) else { return };
        let Some(connection) = connections.get_mut(&id) else { return };
        while connection.takes() && peer.asks.has_waiting() {
            let number = connection.next_name;
            let sent = asks.send(&mut peer.asks, Sent { id, number });
            let Some((ask, payload, deadline)) = sent else { return };
            // One that waits for less than a millisecond waits all the same.
            let waits = deadline.since(now).as_nanos().div_ceil(1_000_000);
            let waits = u32::try_from(waits).unwrap_or(u32::MAX);
            connection.session.ask(number as u32, waits, &payload);
            connection.next_name += 1;
            connection.asks.insert(number, Some(ask));
            connection.said = now;
            counters.asked += 1;
        }
    }

    pub(super) fn on_cancel(&mut self, now: Instant, id: AskId) {
        self.give_up(now, id, AskError::Cancelled);
    }

    /// Requests whose time is over.
    pub(super) fn on_deadlines(&mut self, now: Instant) {
        while let Some(id) = self.peers.asks.overdue(now) {
            // Whether it arrived is known of an answer only.
            self.give_up(now, id, AskError::TimedOut { arrived: false });
        }
    }

    /// Nobody waits for an answer any more.
    fn give_up(&mut self, now: Instant, id: AskId, why: AskError) {
        let Some(sent) = self.peers.asks.sent_mut(id) else { return };
        if let Some(Sent { id: stream, number }) = sent.map(|sent| *sent)
            && let Some(connection) = self.connections.get_mut(&stream)
        {
            if connection.session.is_extended() {
                connection.asks.remove(&number);
                if connection.session.can_send() {
                    connection.session.withdraw(number as u32);
                }
            } else if let Some(place) = connection.asks.get_mut(&number) {
                // Its answer is still to come, before those to later ones.
                *place = None;
            }
            self.write(now, stream);
        }
        self.peers.finish_ask(id, Err(why));
    }

    /// A connection ended with a request on it.
    pub(super) fn fail_ask(&mut self, id: AskId, why: Undeliverable) {
        self.peers.finish_ask(id, Err(AskError::from(why)));
    }

    /// An answer came.
    pub(super) fn on_answered(
        &mut self,
        id: StreamId,
        name: Option<u32>,
        result: Result<BytesMut, AskError>,
    ) -> Result<(), Fault> {
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        let ask = match name {
            // One that nobody asked for.
            None => connection.asks.pop_first().ok_or(Fault::State)?.1,
            Some(name) => {
                // We may have given it up while the answer was on its way.
                if u64::from(name) >= connection.next_name {
                    return Err(Fault::State);
                }
                connection
                    .number_of(name)
                    .and_then(|number| connection.asks.remove(&number))
                    .flatten()
            }
        };
        match ask {
            Some(ask) => self.peers.finish_ask(ask, result),
            None => self.counters.answered_late += 1,
        }
        Ok(())
    }

    /// A request of a peer's came.
    pub(super) fn on_asked(
        &mut self,
        now: Instant,
        id: StreamId,
        name: Option<(u32, u32)>,
        payload: BytesMut,
    ) -> Result<(), Fault> {
        let token = self.tokens;
        let Some((src, dst)) = self.ends_of(id) else { return Ok(()) };
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        if !connection.owed.insert(token, name.map(|(name, _)| name)) {
            return Err(Fault::Malformed);
        }
        self.tokens += 1;
        if payload.len() > MESSAGE_MAX {
            self.counters.refused_too_large += 1;
            connection.owed.answer(token, Answer::TooLarge);
            return Ok(());
        }
        self.counters.requests += 1;
        self.owed.insert(token, id);
        let patience = name.map_or(PATIENCE, |(_, waits)| Duration::from_millis(waits.into()));
        let message = Message { src, dst, payload };
        self.peers.up.push(Event::Asked { token: Token(token), message, deadline: now + patience });
        Ok(())
    }

    /// A request that is none of ours came: it is refused in its turn.
    pub(super) fn on_foreign(&mut self, id: StreamId) {
        self.counters.foreign += 1;
        let token = self.tokens;
        self.tokens += 1;
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.owed.insert(token, None);
            connection.owed.answer(token, Answer::Refused(Refusal::unanswered()));
        }
    }

    /// Whoever asked waits no more.
    pub(super) fn on_withdrawn(&mut self, id: StreamId, name: u32) {
        let Some((src, _)) = self.ends_of(id) else { return };
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if let Some(token) = connection.owed.withdraw(name) {
            self.owed.remove(&token);
            self.peers.up.push(Event::Withdrawn { token: Token(token), src });
        }
    }

    /// The application's answer to a request.
    pub(super) fn on_answer(
        &mut self,
        now: Instant,
        token: Token,
        result: Result<Payload, Refusal>,
    ) {
        let Some(id) = self.owed.remove(&token.0) else { return };
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.standing != Standing::Up {
            return;
        }
        let answer = match result {
            Ok(reply) if reply.len() > MESSAGE_MAX => Answer::TooLarge,
            Ok(reply) => Answer::Reply(reply),
            Err(refusal) if refusal.detail.len() > MESSAGE_MAX => Answer::TooLarge,
            Err(refusal) => Answer::Refused(refusal),
        };
        let of_peer = connection.owed.bytes() + answer.len();
        let of_all = self.answer_bytes + answer.len();
        // One that goes at once makes room, if anything.
        let waits = !connection.takes() || !connection.owed.is_next(token.0);
        let over =
            of_peer > self.limits.ask_remembered_per_peer || of_all > self.limits.ask_remembered;
        let answer = if waits && over {
            self.counters.refused_busy += 1;
            Answer::Busy
        } else {
            answer
        };
        self.answer_bytes += answer.len();
        connection.owed.answer(token.0, answer);
        // It was read no further while it was owed too much.
        self.read(now, id);
    }

    /// Gives answers to a connection, as many as it takes.
    pub(super) fn send_answers(&mut self, now: Instant, id: StreamId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        while connection.takes()
            && let Some((name, answer)) = connection.owed.pop()
        {
            self.answer_bytes -= answer.len();
            connection.session.answer(name, &answer);
            connection.said = now;
        }
    }
}
