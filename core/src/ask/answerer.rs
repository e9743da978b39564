//! What this node is asked.

use super::parts::{Receiving, Sending};
use super::peer::{Item, Peer, Record, State};
use super::wire::{Frame, Status};
use super::{Asking, Closing};
use crate::addr::Addr;
use crate::outbox::OVERHEAD;
use crate::payload::Payload;
use crate::swarm::{Event, Message, Refusal, Token};
use crate::table::Slot;
use crate::time::Instant;
use crate::trace::trace;
use alloc::vec::Vec;
use bytes::Bytes;
use core::time::Duration;

/// Ranges of requests that are over, or were refused, that one peer may leave open.
const RANGES: usize = 4_096;

/// A part of a request, as it arrived: its message without the header.
#[derive(Debug)]
pub(super) struct RequestPart<A> {
    pub(super) id: u64,
    pub(super) lowest: u64,
    pub(super) remaining: u64,
    pub(super) total: u64,
    pub(super) offset: u64,
    pub(super) message: Message<A>,
}

impl<A: Addr> Asking<A> {
    /// Takes a part of a request; `false` where it is not to be acknowledged.
    pub(super) fn on_request_part(
        &mut self,
        now: Instant,
        slot: Slot,
        part: RequestPart<A>,
    ) -> bool {
        let RequestPart { id, lowest, remaining, total, offset, mut message } = part;
        if lowest > id {
            self.counters.rejected_malformed += 1;
            return false;
        }
        self.on_lowest(slot, lowest);
        let room = self.receiving_left(slot);
        let Some(peer) = self.table.get_mut(slot) else { return false };
        if id < peer.lowest || peer.done.contains(id) {
            self.counters.duplicates += 1;
            return true;
        }
        if peer.refused.contains(id) {
            self.counters.duplicates += 1;
            self.say_busy(now, slot, id);
            return false;
        }
        let total = usize::try_from(total).unwrap_or(usize::MAX);
        match peer.records.get_mut(&id).map(|record| &mut record.state) {
            None => return self.on_new_request(now, slot, id, remaining, total, offset, message),
            Some(State::Running(_) | State::Answering(..)) => {
                self.counters.duplicates += 1;
                return true;
            }
            Some(State::Receiving(receiving, last)) => {
                if receiving.len() != total {
                    self.counters.rejected_misfit += 1;
                    return false;
                }
                let before = receiving.weight();
                let taken = receiving.add(offset, &message.payload, room);
                let after = receiving.weight();
                peer.receiving = (peer.receiving + after).saturating_sub(before);
                self.receiving = (self.receiving + after).saturating_sub(before);
                match taken {
                    Ok(true) => {}
                    Ok(false) => {
                        *last = now;
                        return true;
                    }
                    Err(_) => {
                        self.counters.rejected_misfit += 1;
                        return false;
                    }
                }
            }
        }
        let Some(record) = self.take_record(slot, id, false) else { return false };
        if let State::Receiving(receiving, _) = record.state {
            message.payload = receiving.into_whole();
        }
        self.run(now, slot, id, record.deadline, message)
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of one frame")]
    fn on_new_request(
        &mut self,
        now: Instant,
        slot: Slot,
        id: u64,
        remaining: u64,
        total: usize,
        offset: u64,
        message: Message<A>,
    ) -> bool {
        let deadline = now + Duration::from_millis(remaining);
        let limit = self.ask_max();
        if !self.has_room(slot) {
            return self.refuse_busy(now, slot, id);
        }
        if total > limit {
            self.counters.refused_too_large += 1;
            let state =
                State::Answering(Status::TooLarge(limit as u64), Sending::new(Bytes::new()));
            self.insert_record(slot, id, Record { deadline, state });
            self.queue(slot, Item::Answer(id), false);
            return true;
        }
        if message.payload.len() == total {
            return self.run(now, slot, id, deadline, message);
        }
        if !self.claim(slot, total) {
            return self.refuse_busy(now, slot, id);
        }
        let mut receiving = Receiving::new(total);
        if receiving.add(offset, &message.payload, 0).is_err() {
            self.release(slot, total);
            self.counters.rejected_misfit += 1;
            return false;
        }
        let state = State::Receiving(receiving, now);
        self.insert_record(slot, id, Record { deadline, state });
        true
    }

    /// Gives a request to the application.
    fn run(
        &mut self,
        now: Instant,
        slot: Slot,
        id: u64,
        deadline: Instant,
        message: Message<A>,
    ) -> bool {
        if !self.up.has_room(message.payload.len()) {
            return self.refuse_busy(now, slot, id);
        }
        let token = Token(self.next_token);
        self.next_token += 1;
        self.tokens.insert(token, (slot, id));
        self.insert_record(slot, id, Record { deadline, state: State::Running(token) });
        self.counters.run += 1;
        self.up.push(Event::Asked { token, message, deadline });
        true
    }

    /// Whether one more request of the peer may be taken.
    fn has_room(&self, slot: Slot) -> bool {
        let Some(peer) = self.table.get(slot) else { return false };
        self.closing == Closing::No
            && peer.records.len() < self.limits.asks_per_peer
            && peer.done.len() + peer.records.len() < RANGES
            && self.remembered_left(slot) >= OVERHEAD
    }

    /// Bytes that may still be remembered for a peer.
    fn remembered_left(&self, slot: Slot) -> usize {
        let Some(peer) = self.table.get(slot) else { return 0 };
        let of_peer = self.limits.ask_remembered_per_peer.saturating_sub(peer.remembered);
        of_peer.min(self.limits.ask_remembered.saturating_sub(self.remembered))
    }

    /// Changes which requests of a peer are over or refused, and with that what is remembered.
    pub(super) fn note(&mut self, slot: Slot, change: impl FnOnce(&mut Peer)) {
        let Some(peer) = self.table.get_mut(slot) else { return };
        let weight = |peer: &Peer| peer.done.weight() + peer.refused.weight();
        let before = weight(peer);
        change(peer);
        let after = weight(peer);
        peer.remembered = (peer.remembered + after).saturating_sub(before);
        self.remembered = (self.remembered + after).saturating_sub(before);
    }

    /// Refuses a request. It stays refused: that nothing was run must not become untrue when a copy
    /// of it comes late.
    fn refuse_busy(&mut self, now: Instant, slot: Slot, id: u64) -> bool {
        let left = self.remembered_left(slot);
        let Some(peer) = self.table.get_mut(slot) else { return false };
        if peer.refused.len_with(id) > RANGES || peer.refused.growth_with(id) > left {
            self.counters.rejected_full += 1;
            return false;
        }
        self.note(slot, |peer| _ = peer.refused.insert(id, id.saturating_add(1)));
        self.counters.refused_busy += 1;
        trace!(DEBUG, "ask", reason = "busy", "a request was refused");
        self.say_busy(now, slot, id);
        false
    }

    /// Not acknowledged and not remembered: the asker says it again until it has heard.
    fn say_busy(&mut self, now: Instant, slot: Slot, id: u64) {
        let frame = Frame::Answer { id, status: Status::Busy, total: 0, offset: 0 };
        self.send_once(now, slot, &frame);
    }

    pub(super) fn on_answer(&mut self, token: Token, dst: &A, result: Result<Payload, Refusal>) {
        let found = self.tokens.get(&token).copied();
        let Some((slot, id)) = found.filter(|(slot, _)| self.table.addr(*slot) == Some(dst)) else {
            self.counters.answers_in_vain += 1;
            return;
        };
        let Some(record) = self.take_record(slot, id, false) else { return };
        let (status, body) = match result {
            Ok(payload) => (Status::Reply, payload.into_bytes()),
            Err(Refusal { code, detail }) => (Status::Refused(code), detail.into()),
        };
        let (status, body) = match self.limit_for_answer(slot, body.len()) {
            None => (status, body),
            Some(limit) => (Status::TooLarge(limit as u64), Bytes::new()),
        };
        let state = State::Answering(status, Sending::new(body));
        self.insert_record(slot, id, Record { deadline: record.deadline, state });
        self.queue(slot, Item::Answer(id), false);
        self.wake(slot);
    }

    /// The limit that an answer is over, if it is over one.
    fn limit_for_answer(&mut self, slot: Slot, len: usize) -> Option<usize> {
        let peer = self.table.get(slot)?;
        let theirs = usize::try_from(peer.limit.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
        let limit = self.ask_max().min(theirs);
        if len > limit {
            self.counters.refused_too_large += 1;
            return Some(limit);
        }
        let room = self.remembered_left(slot).saturating_sub(OVERHEAD);
        if len > room {
            self.counters.refused_unremembered += 1;
            return Some(room);
        }
        None
    }

    /// The asker has given a request up; `false` where that is not to be acknowledged.
    pub(super) fn on_cancelled(&mut self, slot: Slot, id: u64, lowest: u64) -> bool {
        self.on_lowest(slot, lowest);
        let left = self.remembered_left(slot);
        let Some(peer) = self.table.get_mut(slot) else { return false };
        if id < peer.lowest {
            return true;
        }
        if !peer.records.contains_key(&id) {
            if peer.done.len_with(id) + peer.records.len() > RANGES
                || peer.done.growth_with(id) > left
            {
                self.counters.rejected_full += 1;
                return false;
            }
            self.note(slot, |peer| _ = peer.done.insert(id, id.saturating_add(1)));
            return true;
        }
        self.drop_records(slot, |other| other == id, true);
        true
    }

    /// The asker waits for nothing below `lowest`: that is forgotten, and never run again.
    pub(super) fn on_lowest(&mut self, slot: Slot, lowest: u64) {
        let Some(peer) = self.table.get_mut(slot) else { return };
        if lowest <= peer.lowest {
            return;
        }
        peer.lowest = lowest;
        self.note(slot, |peer| {
            peer.done.remove_below(lowest);
            peer.refused.remove_below(lowest);
        });
        let Some(peer) = self.table.get(slot) else { return };
        if peer.records.first_key_value().is_some_and(|(id, _)| *id < lowest) {
            self.drop_records(slot, |id| id < lowest, false);
        }
    }

    /// What the asker does not wait for any more, because its time is up.
    pub(super) fn on_record_deadlines(&mut self, now: Instant, slot: Slot) {
        let Some(peer) = self.table.get_mut(slot) else { return };
        let late = peer.records.iter().filter(|(_, record)| record.due() <= now);
        let late: Vec<(u64, bool)> =
            late.map(|(id, record)| (*id, record.deadline <= now)).collect();
        for (id, over) in late {
            self.drop_records(slot, |other| other == id, over);
            if !over {
                // No part of it came for long: its room is wanted, and it was not run.
                self.refuse_busy(now, slot, id);
            }
        }
    }

    fn insert_record(&mut self, slot: Slot, id: u64, record: Record) {
        let Some(peer) = self.table.get_mut(slot) else { return };
        let weight = weight(&record);
        peer.remembered += weight;
        self.remembered += weight;
        self.records += usize::from(!matches!(record.state, State::Receiving(..)));
        peer.watch(record.due());
        peer.records.insert(id, record);
    }

    /// Takes a request out, and notes it as over if it is.
    pub(super) fn take_record(&mut self, slot: Slot, id: u64, over: bool) -> Option<Record> {
        let peer = self.table.get_mut(slot)?;
        let record = peer.records.remove(&id)?;
        let weight = weight(&record);
        peer.remembered = peer.remembered.saturating_sub(weight);
        self.remembered = self.remembered.saturating_sub(weight);
        if over {
            self.note(slot, |peer| _ = peer.done.insert(id, id.saturating_add(1)));
        }
        match &record.state {
            State::Receiving(receiving, _) => {
                let weight = receiving.weight();
                self.release(slot, weight);
            }
            State::Running(token) => {
                self.tokens.remove(token);
                self.records -= 1;
            }
            State::Answering(..) => self.records -= 1,
        }
        Some(record)
    }
}

/// What a request counts against what is remembered.
fn weight(record: &Record) -> usize {
    OVERHEAD
        + match &record.state {
            State::Answering(_, sending) => sending.len(),
            State::Receiving(..) | State::Running(_) => 0,
        }
}
