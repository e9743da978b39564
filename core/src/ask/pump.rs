//! What is sent next, and when.

use super::Asking;
use super::peer::{Content, Item, Peer, State};
use super::recovery::{BELOW, Fate};
use super::wire::{ACK_RANGES, Frame, Header, Writer};
use crate::addr::Addr;
use crate::payload::Payload;
use crate::swarm::{Event, Scope};
use crate::table::Slot;
use crate::time::Instant;
use alloc::vec::Vec;
use bytes::Bytes;
use core::time::Duration;

/// To a peer that was not heard for so long it is not said again what it need not do any more.
const GONE: Duration = Duration::from_secs(60);
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

    /// Puts something into the peer's queue. An answer only where the peer has named the session: another life of it
    /// might take it for the answer to what it asked itself.
    pub(super) fn queue(&mut self, slot: Slot, item: Item, in_front: bool) {
        let Some(addr) = self.table.addr(slot) else { return };
        let room = self.unit_to(addr).saturating_sub(super::wire::HEADER_MAX);
        if let Some(peer) = self.table.get_mut(slot)
            && (peer.remote.is_some() || matches!(item, Item::Request(_)))
        {
            peer.queue(item, room, in_front);
        }
    }

    /// Has a peer pumped one nanosecond from now, so that what is asked and answered at once, and what
    /// acknowledges it, goes together.
    pub(super) fn wake(&mut self, slot: Slot) {
        self.awake.insert(slot);
        self.awake_at.get_or_insert(self.out.next());
    }

    /// Pumps the peers that were woken.
    pub(super) fn pump_awake(&mut self, now: Instant) {
        if self.awake_at.is_some_and(|at| at <= now) {
            self.awake_at = None;
            for slot in core::mem::take(&mut self.awake) {
                self.pump(now, slot);
            }
        }
    }

    /// Sends to a peer what may be sent, and sets its timer.
    pub(super) fn pump(&mut self, now: Instant, slot: Slot) {
        let Some(addr) = self.table.addr(slot).cloned() else { return };
        let unit = self.unit_to(&addr);
        if let Some(peer) = self.table.get_mut(slot) {
            peer.recovery.set_unit(unit.min(peer.unit_most));
        }
        let mut draft = None;
        while let Some(peer) = self.table.get(slot)
            && peer.wants()
            && peer.recovery.is_open()
        {
            if self.full_below.contains(&addr) || self.out.is_full(&addr) {
                self.stalled.insert(slot);
                break;
            }
            let Some(mut open) = draft.take().or_else(|| self.begin(now, slot)) else { break };
            match self.next(now, slot, &open, unit) {
                Next::Part(frame, content, data) => {
                    self.counters.data_sent += data.len() as u64;
                    let bytes = open.add(&frame, data);
                    if let Some(peer) = self.table.get_mut(slot) {
                        peer.recovery.on_sent(now, bytes, content);
                    }
                    draft = Some(open);
                }
                Next::Full => self.finish_draft(now, slot, &addr, open),
                Next::Nothing => {
                    draft = Some(open);
                    break;
                }
            }
        }
        if let Some(open) = draft {
            self.finish_draft(now, slot, &addr, open);
        }
        self.acknowledge(now, slot, false);
        self.rearm(slot);
    }

    /// A packet without parts yet. An acknowledgement rides on it.
    fn begin(&mut self, now: Instant, slot: Slot) -> Option<Draft> {
        let limit = self.ask_max() as u64;
        let peer = self.table.get(slot)?;
        let header = Header {
            src: peer.local,
            dst: peer.remote.unwrap_or(0),
            limit: (!peer.recovery.is_heard()).then_some(limit),
        };
        let room = core::mem::take(&mut self.room);
        let mut writer = Writer::part(room, header, peer.recovery.next());
        let receipts = &peer.receipts;
        let riding = receipts.is_owed() && receipts.len() <= RIDING;
        if riding {
            writer.ack(receipts.delay(now), receipts.ranges(), RIDING);
        } else {
            writer.no_ack();
        }
        Some(Draft { writer, riding, body: Bytes::new() })
    }

    /// Sends a packet, if it has a part.
    fn finish_draft(&mut self, now: Instant, slot: Slot, addr: &A, draft: Draft) {
        let Draft { writer, riding, body } = draft;
        if writer.parts() == 0 {
            self.room = writer.into_room();
            return;
        }
        if riding && let Some(peer) = self.table.get_mut(slot) {
            peer.receipts.on_sent();
        }
        self.counters.packets_sent += 1;
        let (payload, room) = writer.finish(body);
        self.room = room;
        // Lost where there is no room, and sent again like everything that is lost.
        self.send(now, addr, payload);
    }

    /// The next part to send.
    fn next(&mut self, now: Instant, slot: Slot, draft: &Draft, unit: usize) -> Next {
        let Some(peer) = self.table.get_mut(slot) else { return Next::Nothing };
        let unit = unit.min(peer.unit_most);
        let lowest = peer.lowest_asked();
        let ping = peer.ping.then_some((Frame::Ping { lowest }, Content::Nothing));
        let cancel =
            || peer.cancels.first().map(|&id| (Frame::Cancel { id, lowest }, Content::Cancel(id)));
        let Some((frame, content)) = ping.or_else(cancel) else {
            return next_part(now, peer, draft, unit);
        };
        if !draft.has_room(&frame, 0, unit) {
            return Next::Full;
        }
        if let Content::Cancel(id) = content {
            peer.cancels.remove(&id);
            // `lowest` says the same of all below it.
            while peer.cancels.first().is_some_and(|id| *id < lowest) {
                peer.cancels.pop_first();
            }
        } else {
            peer.ping = false;
        }
        Next::Part(frame, content, Bytes::new())
    }

    /// Acknowledges what the peer sent, where that is `urgent` or cannot wait any longer for something to
    /// ride on.
    pub(super) fn acknowledge(&mut self, now: Instant, slot: Slot, urgent: bool) {
        let Some(addr) = self.table.addr(slot).cloned() else { return };
        let unit = self.unit_to(&addr);
        let Some(peer) = self.table.get_mut(slot) else { return };
        let urgent = urgent || peer.receipts.is_urgent(now, unit);
        if !peer.receipts.is_owed() || !urgent {
            return;
        }
        if self.full_below.contains(&addr) || self.out.is_full(&addr) {
            peer.receipts.put_off(now);
            return;
        }
        let header = Header { src: peer.local, dst: peer.remote.unwrap_or(0), limit: None };
        let mut writer = Writer::ack_only(core::mem::take(&mut self.room), header);
        // As many as fit are enough: the older ones were acknowledged before.
        let room = (unit.min(peer.unit_most).saturating_sub(64) / 4).clamp(1, ACK_RANGES);
        writer.ack(peer.receipts.delay(now), peer.receipts.ranges(), room);
        writer.uvarint(peer.lowest_asked());
        peer.receipts.on_sent();
        self.counters.acks_sent += 1;
        let (payload, room) = writer.finish(Bytes::new());
        self.room = room;
        self.send(now, &addr, payload);
    }

    /// Something that needs no acknowledgement: sent at once or not at all, and only to who has named the session.
    pub(super) fn send_once(&mut self, now: Instant, slot: Slot, frame: &Frame) {
        let Some(addr) = self.table.addr(slot).cloned() else { return };
        if self.full_below.contains(&addr) || self.out.is_full(&addr) {
            return;
        }
        let limit = self.ask_max() as u64;
        let Some(peer) = self.table.get_mut(slot).filter(|peer| peer.recovery.is_open()) else {
            return;
        };
        let Some(dst) = peer.remote else { return };
        let header = Header { src: peer.local, dst, limit: Some(limit) };
        let room = core::mem::take(&mut self.room);
        let mut writer = Writer::part(room, header, peer.recovery.next());
        writer.no_ack();
        writer.frame(frame);
        let (payload, room) = writer.finish(Bytes::new());
        self.room = room;
        peer.recovery.on_sent(now, payload.len() + BELOW, Content::Nothing);
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
            self.on_fates(now, slot, &mut fates);
            self.fates = fates;
            if late {
                self.on_deadlines(now, slot);
            }
            self.pump(now, slot);
        }
    }

    /// What became of packets.
    pub(super) fn on_fates(&mut self, now: Instant, slot: Slot, fates: &mut Vec<Fate<Content>>) {
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
                    self.on_lost(now, slot, content);
                }
            }
        }
    }

    fn on_lost(&mut self, now: Instant, slot: Slot, content: Content) {
        let Some(peer) = self.table.get_mut(slot) else { return };
        let (item, part) = match content {
            Content::Request(id, part) => (Item::Request(id), part),
            Content::Answer(id, part) => (Item::Answer(id), part),
            Content::Cancel(id) => {
                // Nobody waits for it, so it must not be said for ever to a peer that is gone.
                if id >= peer.lowest_asked() || now < peer.heard + GONE {
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
    pub(super) fn lose_flying(&mut self, now: Instant, slot: Slot) {
        let mut fates = core::mem::take(&mut self.fates);
        if let Some(peer) = self.table.get_mut(slot) {
            peer.recovery.on_reset(|fate| fates.push(fate));
        }
        self.on_fates(now, slot, &mut fates);
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

/// A packet that is being written.
#[derive(Debug)]
struct Draft {
    writer: Writer,
    riding: bool,
    /// The data of the last part, which need not be copied if it is the only one.
    body: Bytes,
}

/// What is to be done with the packet that is being written.
enum Next {
    /// This belongs into it.
    Part(Frame, Content, Bytes),
    /// There is no room for what comes next.
    Full,
    /// Nothing wants to be sent.
    Nothing,
}

impl Draft {
    /// Whether another part can go along, with so many bytes of data. The first always can.
    fn has_room(&self, frame: &Frame, data: usize, unit: usize) -> bool {
        self.writer.parts() == 0 || self.writer.has_room(self.body.len(), frame, data, unit)
    }

    /// Adds a part; what it costs on the way, in bytes.
    fn add(&mut self, frame: &Frame, data: Bytes) -> usize {
        let first = self.writer.parts() == 0;
        let before = if first { 0 } else { self.writer.len() + self.body.len() };
        if !first {
            self.writer.join(&self.body);
        }
        self.writer.frame(frame);
        self.body = data;
        let bytes = (self.writer.len() + self.body.len()).saturating_sub(before);
        if first { bytes + BELOW } else { bytes }
    }
}

/// The next part of what waits: a short thing and a long one in turn.
fn next_part(now: Instant, peer: &mut Peer, draft: &Draft, unit: usize) -> Next {
    loop {
        let long = peer.short.is_empty() || (peer.turn && !peer.long.is_empty());
        let queue = if long { &peer.long } else { &peer.short };
        let Some(item) = queue.front().copied() else { return Next::Nothing };
        let frame = frame_of(now, peer, item);
        let data = peer.sending(item).map_or(0, |sending| sending.next_len());
        if frame.is_some_and(|frame| !draft.has_room(&frame, data, unit)) {
            return Next::Full;
        }
        peer.turn = !long;
        let part = frame.and_then(|frame| {
            let room = unit.saturating_sub(draft.writer.len_with(&frame)).max(LEAST);
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
            return Next::Part(frame, content, body);
        }
    }
}

/// What stands in front of the next part of something; `None` where there is no part any more.
fn frame_of(now: Instant, peer: &mut Peer, item: Item) -> Option<Frame> {
    let lowest = peer.lowest_asked();
    match item {
        Item::Request(id) => {
            let ask = peer.asks.get_mut(&id)?;
            // Rounded up: the answerer must not be the first to give up.
            let remaining = ask.deadline.since(now).as_nanos().div_ceil(1_000_000);
            let remaining = u64::try_from(remaining).unwrap_or(u64::MAX);
            let total = ask.sending.len() as u64;
            let offset = ask.sending.next_offset()?.into();
            Some(Frame::Request { id, lowest, remaining, total, offset })
        }
        Item::Answer(id) => {
            let State::Answering(status, sending) = &mut peer.records.get_mut(&id)?.state else {
                return None;
            };
            let total = sending.len() as u64;
            let offset = sending.next_offset()?.into();
            Some(Frame::Answer { id, status: *status, total, offset })
        }
    }
}
