//! Requests: ours until they are answered, and the peers' until we answer.

use super::connection::Standing;
use super::fault::Fault;
use super::session::Answer;
use super::wire::MESSAGE_MAX;
use super::{Ssh, SshAddr};
use crate::addr::{Addr, Source};
use crate::payload::Payload;
use crate::port::StreamId;
use crate::swarm::{
    AskError, AskId, Command, Event, Message, Refusal, Scope, Swarm as _, Token, Undeliverable,
};
use crate::table::Slot;
use crate::time::Instant;
use alloc::collections::{BTreeMap, BTreeSet};
use bytes::BytesMut;
use core::time::Duration;

/// How long an asker is taken to wait that does not say so.
const PATIENCE: Duration = Duration::from_secs(30);

/// Our requests that are outstanding.
#[derive(Debug, Default)]
pub(super) struct Asks {
    all: BTreeMap<AskId, Ask>,
    deadlines: BTreeSet<(Instant, AskId)>,
    /// Bytes of those that are outstanding.
    bytes: usize,
}

#[derive(Debug)]
struct Ask {
    peer: Slot,
    deadline: Instant,
    bytes: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    /// For a connection, or for room on it.
    Waits(Payload),
    /// It went over a connection, under this number.
    Sent { id: StreamId, number: u64 },
}

impl Asks {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// When the next of them is given up.
    pub(super) fn due(&self) -> Option<Instant> {
        self.deadlines.first().map(|(due, _)| *due)
    }

    fn remove(&mut self, id: AskId) -> Option<Ask> {
        let ask = self.all.remove(&id)?;
        self.deadlines.remove(&(ask.deadline, id));
        self.bytes -= ask.bytes;
        Some(ask)
    }
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
            self.write(now, used);
        }
    }

    /// Gives requests to a connection, as many as it takes.
    pub(super) fn send_asks(&mut self, now: Instant, slot: Slot, id: StreamId) {
        let Self { peers, connections, asks, counters, .. } = self;
        let Some(peer) = peers.get_mut(slot) else { return };
        let Some(connection) = connections.get_mut(&id) else { return };
        while connection.takes()
            && let Some(ask_id) = peer.waiting.pop_front()
        {
            let Some(ask) = asks.all.get_mut(&ask_id) else { continue };
            let number = connection.next_name;
            let sent = State::Sent { id, number };
            let State::Waits(payload) = core::mem::replace(&mut ask.state, sent) else { continue };
            // One that waits for less than a millisecond waits all the same.
            let waits = ask.deadline.since(now).as_nanos().div_ceil(1_000_000);
            let waits = u32::try_from(waits).unwrap_or(u32::MAX);
            connection.session.ask(number as u32, waits, &payload);
            connection.next_name += 1;
            connection.asks.insert(number, Some(ask_id));
            connection.said = now;
            counters.asked += 1;
        }
    }

    pub(super) fn on_cancel(&mut self, now: Instant, id: AskId) {
        self.give_up(now, id, AskError::Cancelled);
    }

    /// Requests whose time is over.
    pub(super) fn on_deadlines(&mut self, now: Instant) {
        while let Some(&(due, id)) = self.asks.deadlines.first()
            && due <= now
        {
            // Whether it arrived is known of an answer only.
            self.give_up(now, id, AskError::TimedOut { arrived: false });
        }
    }

    /// Nobody waits for an answer any more.
    fn give_up(&mut self, now: Instant, id: AskId, why: AskError) {
        let Some(ask) = self.asks.all.get(&id) else { return };
        if let State::Sent { id: stream, number } = ask.state
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
        self.finish_ask(id, Err(why));
    }

    /// A connection ended with a request on it.
    pub(super) fn fail_ask(&mut self, id: AskId, why: Undeliverable) {
        self.finish_ask(id, Err(AskError::from(why)));
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
            Some(ask) => self.finish_ask(ask, result),
            None => self.counters.answered_late += 1,
        }
        Ok(())
    }

    /// The outcome of a request of ours.
    pub(super) fn finish_ask(&mut self, id: AskId, result: Result<BytesMut, AskError>) {
        let Some(ask) = self.asks.remove(id) else { return };
        self.up.push(Event::Answered { id, result });
        let Some(dst) = self.ssh_addr(ask.peer) else { return };
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
        self.up.push(Event::Asked { token: Token(token), message, deadline: now + patience });
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
            self.up.push(Event::Withdrawn { token: Token(token), src });
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
        let answer = if of_peer > self.limits.ask_remembered_per_peer
            || of_all > self.limits.ask_remembered
        {
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
