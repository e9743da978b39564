//! What is sent next, and when.

use super::Asking;
use super::peer::{Content, Item, State};
use super::recovery::Fate;
use super::wire::{ACK_RANGES, Frame, Header, Writer};
use crate::addr::Addr;
use crate::payload::Payload;
use crate::swarm::{Event, Scope};
use crate::table::Slot;
use crate::time::Instant;
use alloc::vec::Vec;
use bytes::Bytes;

/// Ranges of an acknowledgement that ride on a part. More go by themselves, so that a part's
/// header stays short.
const RIDING: usize = 2;
/// The least data that a part is sent for, where there is more.
const LEAST: usize = 16;

impl<A: Addr> Asking<A> {
    /// The largest packet to `addr` that stays one datagram.
    pub(super) fn unit_to(&self, addr: &A) -> usize {
        self.up.unit_to(addr).saturating_add(1)
    }

    /// Puts a packet into the queue; `false` where that is full.
    pub(super) fn send(&mut self, now: Instant, dst: &A, payload: Payload) -> bool {
        match self.out.push(now, dst.clone(), payload) {
            Ok(crossed) => {
                if let Some(scope) = crossed {
                    self.on_queue_full(scope);
                }
                true
            }
            Err(_) => false,
        }
    }

    /// Puts something into the peer's queue.
    pub(super) fn queue(&mut self, slot: Slot, item: Item, in_front: bool) {
        let Some(addr) = self.table.addr(slot) else { return };
        let room = self.unit_to(addr).saturating_sub(super::wire::HEADER_MAX);
        if let Some(peer) = self.table.get_mut(slot) {
            peer.queue(item, room, in_front);
        }
    }

    /// Sends to a peer what may be sent, and sets its timer.
    pub(super) fn pump(&mut self, now: Instant, slot: Slot) {
        let Some(addr) = self.table.addr(slot).cloned() else { return };
        let unit = self.unit_to(&addr);
        if let Some(peer) = self.table.get_mut(slot) {
            peer.recovery.set_unit(unit.min(peer.unit_most));
        }
        loop {
            let Some(peer) = self.table.get(slot) else { return };
            if !peer.wants() || !peer.recovery.is_open() {
                break;
            }
            if self.full_below.contains(&addr) || self.out.is_full(&addr) {
                self.stalled.insert(slot);
                break;
            }
            if !self.send_next(now, slot, &addr, unit) {
                break;
            }
        }
        self.acknowledge(now, slot, &addr, unit);
        self.rearm(slot);
    }

    /// Sends one packet; `false` where there was none to send.
    fn send_next(&mut self, now: Instant, slot: Slot, addr: &A, unit: usize) -> bool {
        let limit = self.ask_max() as u64;
        let Some(peer) = self.table.get_mut(slot) else { return false };
        let unit = unit.min(peer.unit_most);
        let header = Header {
            src: peer.local,
            dst: peer.remote.unwrap_or(0),
            limit: (!peer.recovery.is_heard()).then_some(limit),
        };
        let mut writer = Writer::part(header, peer.recovery.next());
        let riding = peer.receipts.is_owed() && peer.receipts.len() <= RIDING;
        if riding {
            let receipts = &peer.receipts;
            writer.ack(receipts.delay(now), receipts.ranges(), RIDING);
        } else {
            writer.no_ack();
        }
        let lowest = peer.lowest_asked();
        let (frame, content, body) = if peer.ping {
            peer.ping = false;
            (Frame::Ping { lowest }, Content::Nothing, Bytes::new())
        } else if let Some(id) = peer.cancels.pop_first() {
            (Frame::Cancel { id, lowest }, Content::Cancel(id), Bytes::new())
        } else {
            match Self::next_part(now, peer, &writer, unit) {
                Some(next) => next,
                None => return false,
            }
        };
        writer.frame(&frame);
        if riding {
            peer.receipts.on_sent();
        }
        self.counters.packets_sent += 1;
        self.counters.data_sent += body.len() as u64;
        let payload = writer.onto(body);
        peer.recovery.on_sent(now, payload.len(), content);
        self.send(now, addr, payload)
    }

    /// The next part of what waits: a short and a long one in turn.
    fn next_part(
        now: Instant,
        peer: &mut super::peer::Peer,
        writer: &Writer,
        unit: usize,
    ) -> Option<(Frame, Content, Bytes)> {
        loop {
            let long = peer.short.is_empty() || (peer.turn && !peer.long.is_empty());
            let queue = if long { &peer.long } else { &peer.short };
            let item = *queue.front()?;
            peer.turn = !long;
            let lowest = peer.lowest_asked();
            let frame = match item {
                Item::Request(id) => peer.asks.get_mut(&id).and_then(|ask| {
                    // Rounded up: the answerer must not be the first to give up.
                    let remaining = ask.deadline.since(now).as_nanos().div_ceil(1_000_000);
                    let remaining = u64::try_from(remaining).unwrap_or(u64::MAX);
                    let (total, offset) = (ask.sending.len() as u64, ask.sending.next_offset()?);
                    let offset = offset.into();
                    Some(Frame::Request { id, lowest, remaining, total, offset })
                }),
                Item::Answer(id) => match peer.records.get_mut(&id).map(|record| &mut record.state)
                {
                    Some(State::Answering(status, sending)) => {
                        let total = sending.len() as u64;
                        let offset = sending.next_offset().map(u64::from);
                        offset.map(|offset| Frame::Answer { id, status: *status, total, offset })
                    }
                    _ => None,
                },
            };
            let part = frame.and_then(|frame| {
                let room = unit.saturating_sub(writer.len_with(&frame)).max(LEAST);
                let (part, body) = peer.sending(item)?.take(room)?;
                Some((frame, part, body))
            });
            let wants = peer.sending(item).is_some_and(|sending| {
                let wants = sending.wants();
                sending.queued = wants;
                wants
            });
            if !wants {
                let queue = if long { &mut peer.long } else { &mut peer.short };
                queue.pop_front();
            }
            if let Some((frame, part, body)) = part {
                let content = match item {
                    Item::Request(id) => Content::Request(id, part),
                    Item::Answer(id) => Content::Answer(id, part),
                };
                return Some((frame, content, body));
            }
        }
    }

    /// Acknowledges what the peer sent, where that cannot wait for something to ride on.
    fn acknowledge(&mut self, now: Instant, slot: Slot, addr: &A, unit: usize) {
        let Some(peer) = self.table.get_mut(slot) else { return };
        if !peer.receipts.is_owed() || !peer.receipts.is_urgent(now, unit) {
            return;
        }
        let header = Header { src: peer.local, dst: peer.remote.unwrap_or(0), limit: None };
        let mut writer = Writer::ack_only(header);
        // As many as fit are enough: the older ones were acknowledged before.
        let room = (unit.min(peer.unit_most).saturating_sub(64) / 4).clamp(1, ACK_RANGES);
        writer.ack(peer.receipts.delay(now), peer.receipts.ranges(), room);
        writer.uvarint(peer.lowest_asked());
        if self.full_below.contains(addr) || self.out.is_full(addr) {
            peer.receipts.put_off(now);
            return;
        }
        peer.receipts.on_sent();
        self.counters.acks_sent += 1;
        self.send(now, addr, writer.onto(Bytes::new()));
    }

    /// Something that needs no acknowledgement: sent at once or not at all.
    pub(super) fn send_once(&mut self, now: Instant, slot: Slot, frame: &Frame) {
        let Some(addr) = self.table.addr(slot).cloned() else { return };
        if self.full_below.contains(&addr) || self.out.is_full(&addr) {
            return;
        }
        let limit = self.ask_max() as u64;
        let Some(peer) = self.table.get_mut(slot) else { return };
        let header = Header { src: peer.local, dst: peer.remote.unwrap_or(0), limit: Some(limit) };
        let mut writer = Writer::part(header, peer.recovery.next());
        writer.no_ack();
        writer.frame(frame);
        let payload = writer.onto(Bytes::new());
        peer.recovery.on_sent(now, payload.len(), Content::Nothing);
        self.counters.packets_sent += 1;
        self.send(now, &addr, payload);
    }

    /// Keeps the index of timers from being late; it may be early.
    pub(super) fn rearm(&mut self, slot: Slot) {
        let Some(peer) = self.table.get_mut(slot) else { return };
        let Some(due) = peer.poll_timeout() else { return };
        if peer.armed.is_some_and(|armed| armed <= due) {
            return;
        }
        // Nothing is ever armed in the past: it is done at the next call.
        let due = due.max(self.out.next());
        if let Some(armed) = peer.armed.replace(due) {
            self.timers.remove(&(armed, slot));
        }
        self.timers.insert((due, slot));
    }

    /// What is due of the peers.
    pub(super) fn on_timers(&mut self, now: Instant) {
        while let Some(&(due, slot)) = self.timers.first()
            && due <= now
        {
            self.timers.pop_first();
            let noise = self.rng.u32();
            let mut fates = core::mem::take(&mut self.fates);
            let Some(peer) = self.table.get_mut(slot) else { continue };
            peer.armed = None;
            peer.recovery.on_timeout(now, noise, |fate| fates.push(fate));
            if peer.ping_due().is_some_and(|due| due <= now) {
                peer.ping = true;
            }
            let late = peer.deadline.is_some_and(|due| due <= now);
            self.on_fates(slot, &mut fates);
            self.fates = fates;
            if late {
                self.on_deadlines(now, slot);
            }
            self.pump(now, slot);
        }
    }

    /// What became of packets.
    pub(super) fn on_fates(&mut self, slot: Slot, fates: &mut Vec<Fate<Content>>) {
        for fate in fates.drain(..) {
            match fate {
                Fate::Acked(Content::Request(id, part)) => {
                    let ask = self.table.get_mut(slot).and_then(|peer| peer.asks.get_mut(&id));
                    if let Some(ask) = ask {
                        ask.arrived |= ask.sending.on_arrived(part);
                    }
                }
                Fate::Acked(Content::Answer(id, part)) => {
                    let peer = self.table.get_mut(slot);
                    let record = peer.and_then(|peer| peer.records.get_mut(&id));
                    if let Some(State::Answering(_, sending)) =
                        record.map(|record| &mut record.state)
                        && sending.on_arrived(part)
                    {
                        self.take_record(slot, id, true);
                    }
                }
                Fate::Acked(Content::Cancel(_) | Content::Nothing) => {}
                Fate::Lost(content) => {
                    self.counters.packets_lost += 1;
                    self.on_lost(slot, content);
                }
            }
        }
    }

    fn on_lost(&mut self, slot: Slot, content: Content) {
        let Some(peer) = self.table.get_mut(slot) else { return };
        let (item, part) = match content {
            Content::Request(id, part) => (Item::Request(id), part),
            Content::Answer(id, part) => (Item::Answer(id), part),
            Content::Cancel(id) => {
                // Once the peer knows that nothing below is waited for, it knows this too.
                if id >= peer.lowest_asked() {
                    peer.cancels.insert(id);
                }
                return;
            }
            Content::Nothing => return,
        };
        if let Some(sending) = peer.sending(item) {
            sending.on_lost(part);
            self.queue(slot, item, true);
        }
    }

    /// Takes what is on its way to a peer for lost, which says nothing of the path.
    pub(super) fn lose_flying(&mut self, slot: Slot) {
        let mut fates = core::mem::take(&mut self.fates);
        if let Some(peer) = self.table.get_mut(slot) {
            peer.recovery.on_reset(|fate| fates.push(fate));
        }
        self.on_fates(slot, &mut fates);
        self.fates = fates;
    }

    /// Everybody who waited for room below goes on.
    pub(super) fn resume(&mut self, now: Instant) {
        for slot in core::mem::take(&mut self.stalled) {
            self.pump(now, slot);
        }
    }

    fn on_queue_full(&mut self, scope: Scope<A>) {
        match scope {
            Scope::All => self.full_all |= super::FULL_QUEUE,
            Scope::To(ref dst) => {
                self.full_queue.insert(dst.clone());
            }
        }
        self.up.push(Event::Full { scope });
    }
}
