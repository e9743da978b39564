//! What this node asks.

use super::parts::{Receiving, Sending};
use super::peer::{Ask, Item};
use super::wire::Status;
use super::{Asking, Closing};
use crate::addr::Addr;
use crate::payload::Payload;
use crate::swarm::{AskError, AskId, Event, Refusal, Scope, Undeliverable};
use crate::table::Slot;
use crate::time::Instant;
use crate::trace::trace;
use alloc::vec::Vec;
use bytes::BytesMut;

/// A part of an answer, as it arrived.
#[derive(Debug)]
pub(super) struct AnswerPart {
    pub(super) id: u64,
    pub(super) status: Status,
    pub(super) total: u64,
    pub(super) offset: u64,
    pub(super) data: BytesMut,
}

impl<A: Addr> Asking<A> {
    pub(super) fn on_ask(
        &mut self,
        now: Instant,
        id: AskId,
        dst: A,
        payload: Payload,
        deadline: Instant,
    ) {
        let slot = match self.slot_for_ask(now, &dst, payload.len()) {
            Ok(_) if deadline <= now => {
                return self.refuse_ask(id, AskError::TimedOut { arrived: false });
            }
            Ok(slot) => slot,
            Err(why) => return self.refuse_ask(id, why),
        };
        let Some(peer) = self.table.get_mut(slot) else { return };
        self.counters.asked += 1;
        let body = payload.into_bytes();
        let len = body.len();
        let number = peer.next_id;
        peer.next_id += 1;
        peer.sending += len;
        self.sending += len;
        self.asks += 1;
        peer.watch(deadline);
        let sending = Sending::new(body);
        let ask = Ask { id, sending, deadline, arrived: false, answer: None };
        peer.asks.insert(number, ask);
        let full = peer.asks.len() >= self.limits.asks_per_peer
            || peer.sending >= self.limits.ask_sending_per_peer;
        if full && !peer.full {
            peer.full = true;
            self.up.push(Event::Full { scope: Scope::To(dst) });
        }
        if self.sending >= self.limits.ask_sending {
            self.full_all |= super::FULL_ASKS;
            self.up.push(Event::Full { scope: Scope::All });
        }
        self.queue(slot, Item::Request(number), false);
        self.wake(slot);
    }

    /// The peer to ask, or why it cannot be asked.
    fn slot_for_ask(&mut self, now: Instant, dst: &A, len: usize) -> Result<Slot, AskError> {
        if self.closing != Closing::No {
            return Err(AskError::Closed);
        }
        let limit = self.ask_max();
        if limit == 0 {
            return Err(AskError::Unsupported);
        }
        let slot = self.table.first(dst);
        let peer = slot.and_then(|slot| self.table.get(slot));
        let theirs = peer.and_then(|peer| peer.limit).unwrap_or(u64::MAX);
        let limit = limit.min(usize::try_from(theirs).unwrap_or(usize::MAX));
        if len > limit {
            return Err(AskError::TooLarge { limit });
        }
        if self.full_all & super::FULL_ASKS != 0 || peer.is_some_and(|peer| peer.full) {
            return Err(AskError::Full);
        }
        match slot {
            Some(slot) => Ok(slot),
            None => self.create(now, dst, None).ok_or(AskError::Full),
        }
    }

    fn refuse_ask(&mut self, id: AskId, why: AskError) {
        self.counters.refused += 1;
        self.up.push(Event::Answered { id, result: Err(why) });
    }

    pub(super) fn on_cancel(&mut self, now: Instant, id: AskId, dst: &A) {
        let Some(slot) = self.table.first(dst) else { return };
        let Some(peer) = self.table.get(slot) else { return };
        let number = peer.asks.iter().find(|(_, ask)| ask.id == id).map(|(number, _)| *number);
        let Some(number) = number else { return };
        self.give_up(now, slot, number, AskError::Cancelled);
        self.pump(now, slot);
    }

    /// Ends a request of ours that the peer may still be busy with.
    pub(super) fn give_up(&mut self, now: Instant, slot: Slot, number: u64, why: AskError) {
        if let Some(peer) = self.table.get_mut(slot)
            && peer.asks.get(&number).is_some_and(|ask| ask.sending.is_begun())
            && peer.cancels.len() < self.limits.asks_per_peer
        {
            peer.cancels.insert(number);
        }
        self.finish(now, slot, number, Err(why));
    }

    /// Ends a request of ours.
    pub(super) fn finish(
        &mut self,
        _now: Instant,
        slot: Slot,
        number: u64,
        result: Result<BytesMut, AskError>,
    ) {
        let Some(peer) = self.table.get_mut(slot) else { return };
        let Some(ask) = peer.asks.remove(&number) else { return };
        self.asks -= 1;
        let len = ask.sending.len();
        peer.sending = peer.sending.saturating_sub(len);
        self.sending = self.sending.saturating_sub(len);
        if let Some((_, receiving)) = &ask.answer {
            peer.receiving = peer.receiving.saturating_sub(receiving.weight());
            self.receiving = self.receiving.saturating_sub(receiving.weight());
        }
        match &result {
            Ok(_) | Err(AskError::Refused(_)) => self.counters.answered += 1,
            Err(_why) => {
                self.counters.asks_failed += 1;
                trace!(DEBUG, "ask", reason = %_why, "an ask failed");
            }
        }
        self.up.push(Event::Answered { id: ask.id, result });
        let drained = peer.asks.len() <= self.limits.asks_per_peer / 2
            && peer.sending <= self.limits.ask_sending_per_peer / 2;
        if peer.full && drained {
            peer.full = false;
            self.refresh_edge_of(slot);
        }
        if self.full_all & super::FULL_ASKS != 0 && self.sending <= self.limits.ask_sending / 2 {
            self.clear_full_all(super::FULL_ASKS);
        }
    }

    /// All requests to a peer end.
    pub(super) fn fail_all(&mut self, now: Instant, slot: Slot, why: &AskError) {
        let Some(peer) = self.table.get(slot) else { return };
        for number in peer.asks.keys().copied().collect::<Vec<_>>() {
            self.give_up(now, slot, number, why.clone());
        }
    }

    /// Takes a part of an answer; `false` where it is not to be acknowledged.
    pub(super) fn on_answer_part(&mut self, now: Instant, slot: Slot, part: AnswerPart) -> bool {
        let own = self.ask_max();
        let room = self.receiving_left(slot);
        let AnswerPart { id, status, total, offset, data } = part;
        let Some(peer) = self.table.get_mut(slot) else { return false };
        let Some(ask) = peer.asks.get_mut(&id) else {
            if id < peer.next_id {
                self.counters.duplicates += 1;
            } else {
                self.counters.answers_unasked += 1;
            }
            return true;
        };
        let failed = match status {
            Status::Reply | Status::Refused(_) => None,
            Status::TooLarge(limit) => {
                Some(AskError::TooLarge { limit: usize::try_from(limit).unwrap_or(usize::MAX) })
            }
            Status::Busy => Some(AskError::Busy),
            Status::Gone => Some(AskError::TimedOut { arrived: true }),
        };
        if let Some(why) = failed {
            self.finish(now, slot, id, Err(why));
            return true;
        }
        let total = usize::try_from(total).unwrap_or(usize::MAX);
        if total > own {
            self.counters.refused_too_large += 1;
            self.give_up(now, slot, id, AskError::TooLarge { limit: own });
            return true;
        }
        let whole = match &mut ask.answer {
            Some((before, receiving)) if *before != status || receiving.len() != total => {
                self.counters.rejected_misfit += 1;
                return false;
            }
            None if data.len() == total => data,
            None => {
                if !self.claim(slot, total) {
                    return false;
                }
                let Some(peer) = self.table.get_mut(slot) else { return false };
                let Some(ask) = peer.asks.get_mut(&id) else { return false };
                let (_, receiving) = ask.answer.insert((status, Receiving::new(total)));
                match receiving.add(offset, &data, 0) {
                    Ok(_) => return true,
                    Err(_) => {
                        self.counters.rejected_misfit += 1;
                        return false;
                    }
                }
            }
            Some((_, receiving)) => {
                let before = receiving.weight();
                let taken = receiving.add(offset, &data, room);
                let after = receiving.weight();
                peer.receiving = (peer.receiving + after).saturating_sub(before);
                self.receiving = (self.receiving + after).saturating_sub(before);
                match taken {
                    Ok(false) => return true,
                    Ok(true) => match ask.answer.take() {
                        Some((_, receiving)) => {
                            self.release(slot, receiving.weight());
                            receiving.into_whole()
                        }
                        None => return false,
                    },
                    Err(_) => {
                        self.counters.rejected_misfit += 1;
                        return false;
                    }
                }
            }
        };
        let result = if let Status::Refused(code) = status {
            Err(AskError::Refused(Refusal { code, detail: whole.to_vec() }))
        } else {
            Ok(whole)
        };
        self.finish(now, slot, id, result);
        true
    }

    /// Bytes that may still be put together of a peer.
    pub(super) fn receiving_left(&self, slot: Slot) -> usize {
        let Some(peer) = self.table.get(slot) else { return 0 };
        let of_peer = self.limits.ask_receiving_per_peer.saturating_sub(peer.receiving);
        of_peer.min(self.limits.ask_receiving.saturating_sub(self.receiving))
    }

    /// Room for something of `len` bytes that is to be put together.
    pub(super) fn claim(&mut self, slot: Slot, len: usize) -> bool {
        let fits = len <= self.receiving_left(slot);
        let Some(peer) = self.table.get_mut(slot) else { return false };
        if fits {
            peer.receiving += len;
            self.receiving += len;
        } else {
            self.counters.rejected_full += 1;
        }
        fits
    }

    /// Gives the room back.
    pub(super) fn release(&mut self, slot: Slot, len: usize) {
        if let Some(peer) = self.table.get_mut(slot) {
            peer.receiving = peer.receiving.saturating_sub(len);
        }
        self.receiving = self.receiving.saturating_sub(len);
    }

    /// Ends what is over in time, on either side, and finds the next deadline.
    pub(super) fn on_deadlines(&mut self, now: Instant, slot: Slot) {
        let Some(peer) = self.table.get_mut(slot) else { return };
        let late = peer.asks.iter().filter(|(_, ask)| ask.deadline <= now);
        for (number, arrived) in
            late.map(|(number, ask)| (*number, ask.arrived)).collect::<Vec<_>>()
        {
            let hint = self.table.get(slot).and_then(|peer| peer.hint);
            let why = match hint {
                Some(hint) if !arrived => AskError::Unreachable(hint),
                _ => AskError::TimedOut { arrived },
            };
            // The answerer ends it too, but learns only so that it need not remember it.
            self.give_up(now, slot, number, why);
        }
        self.on_record_deadlines(now, slot);
        let Some(peer) = self.table.get_mut(slot) else { return };
        let asks = peer.asks.values().map(|ask| ask.deadline);
        let records = peer.records.values().map(super::peer::Record::due);
        peer.deadline = asks.chain(records).min().filter(|due| *due < Instant::MAX);
    }

    /// The side below says that nothing, or not everything, gets to a peer.
    pub(super) fn on_undelivered(&mut self, now: Instant, dst: &A, reason: Undeliverable) {
        let Some(slot) = self.table.first(dst) else { return };
        let Some(peer) = self.table.get_mut(slot) else { return };
        match reason {
            Undeliverable::TooLarge { limit } if limit >= super::MIN_UNIT => {
                peer.unit_most = peer.unit_most.min(limit);
                self.lose_flying(now, slot);
            }
            // May be over before the deadline is; what was lost is sent again.
            Undeliverable::Full | Undeliverable::Unreachable | Undeliverable::TimedOut => {
                peer.hint = Some(reason)
            }
            Undeliverable::TooLarge { .. }
            | Undeliverable::WrongPeer
            | Undeliverable::NoRoute
            | Undeliverable::Oneself
            | Undeliverable::Denied
            | Undeliverable::Disconnected
            | Undeliverable::Refused
            | Undeliverable::Unsupported
            | Undeliverable::Closed => self.fail_all(now, slot, &AskError::Unreachable(reason)),
        }
        self.pump(now, slot);
    }
}
