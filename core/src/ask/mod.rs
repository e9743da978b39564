//! Asking over any swarm: requests that are answered once, or come to a typed end, over a side below that
//! loses, repeats and reorders.
//!
//! Maps `A → A`: addresses stay. Requests and answers may be larger than a datagram; they go in parts, are
//! acknowledged selectively and sent again under RFC 9002's rules for loss, within a congestion window for each
//! peer (RFC 5681; `congestion` says what differs) and with round-trip times measured as in RFC 6298 (its floor
//! of a second is 20 ms here; `rtt` says why). A tell stays one message below, without any of this.
//!
//! # Wire format, version 1
//! Numbers are big endian, or LEB128 in its shortest form (`uvarint`). The high half of the first byte is the
//! version: a message of another is counted and dropped.
//!
//! | first byte | message | what follows |
//! |---|---|---|
//! | `10` | tell | the message |
//! | `11`, `19` | part | header, number, acknowledgement, frame, data to the end |
//! | `12` | acknowledgement by itself | header, acknowledgement of at least one range, lowest |
//! | `13` | challenge | header: use `source` for the session |
//! | `14`, `1c` | bundle of two or more parts | header, number, acknowledgement; for each part its length, frame and data |
//!
//! | piece | fields |
//! |---|---|
//! | header | `u64` source: the sender's name for the session, not zero, its high half the sender's instance · `u64` destination: the receiver's, or zero where the sender does not know it yet · with bit 3 of the first byte `uvarint` limit: the largest request or answer that the sender takes |
//! | number | `uvarint`: of the packet, never used twice in a session; the parts of a bundle count on from it |
//! | acknowledgement | `u8` count of ranges, 0–32 · unless zero: `uvarint` highest number · `uvarint` microseconds it was put off · for each range, from the highest down, but for the first a `uvarint` gap, and a `uvarint` length, neither zero |
//! | request frame | `01` · `uvarint` id · lowest · milliseconds until the asker gives up · total length · offset |
//! | answer frame | `02` · `uvarint` id · status · `uvarint` total length · offset |
//! | cancel frame | `03` · `uvarint` id · lowest |
//! | ping frame | `04` · lowest |
//! | lowest | `uvarint`: the sender waits for no answer below this id |
//! | status | `00` reply · `01` refused, `uvarint` code (the data are the detail) · `02` too large, `uvarint` limit · `03` busy, nothing was run · `04` gone |
//!
//! The first packets of both sides carry their limits, until one is acknowledged. What names of
//! sessions are for, and which packets are taken, is in `session`: no request runs twice, not after
//! either side restarted, nor when a copy of it arrives an hour late.
//!
//! # Timers
//! | what | when |
//! |---|---|
//! | what was asked, answered or is to be acknowledged at one time goes out together | 1 ns after |
//! | an acknowledgement goes by itself | 5 ms after what it acknowledges, or with the second full packet |
//! | a packet is lost | a later one arrived, and it left a round trip and an eighth ago (or more, where round trips vary); or nothing came for the time-out of RFC 6298, doubled up to 10 s |
//! | a peer that owes answers, or its name for the session, is pinged | 5 s after it was heard |
//! | a request of which no part comes is refused | after 60 s |
//! | that a request is given up is said again, where that was lost | until 60 s after the peer was heard |
//! | an ask, on either side | ends at its deadline; to the answerer it is told as time that remains |
//! | a layer that closes waits for the answers it owes | 10 s |
//!
//! # Bounds
//! In [`Limits`], by peer and in all: requests outstanding and owed, bytes being sent, put together, and
//! remembered until they are acknowledged; peers. Where a peer scatters parts or leaves gaps between its
//! requests, what it takes to know them counts too. At its limit a peer, or all, is *full*; who asks all the same
//! is refused at once. What a peer sends beyond its share is refused as busy, and never run later.
//!
//! # Refuses
//! Requests and answers over either side's limit, with the limit. Acknowledgements of what was not sent.
//! Packets of no session, but for a challenge. Asks of the side below: they never came past this layer.
//!
//! It proves nothing: over a side below in clear, whoever is on the path between two nodes can read and forge their
//! packets and so spoil a session, though nothing beyond it; whoever is not cannot guess the names. What
//! hides and proves belongs below, such as [`P2pke`](crate::p2pke::P2pke).

mod answerer;
mod asker;
mod congestion;
mod counters;
mod parts;
mod peer;
mod pump;
mod ranges;
mod receipts;
mod recovery;
mod rtt;
mod session;
#[cfg(test)]
mod tests;
mod wire;

use self::answerer::RequestPart;
use self::asker::AnswerPart;
use self::counters::Counters;
use self::peer::{Content, Peer};
use self::recovery::Fate;
use self::session::Standing;
use self::wire::{Ack, Frame, Header, Malformed, Packet, TELL};
use crate::addr::Addr;
use crate::layer::{Layer, earliest};
use crate::limits::Limits;
use crate::outbox::{OVERHEAD, Outbox};
use crate::payload::Payload;
use crate::seed::{Rng, Seed};
use crate::stats::StatsSink;
use crate::swarm::{
    AskError, Command, DownReason, Event, Link, Message, Refusal, Scope, Swarm, Token,
    Undeliverable,
};
use crate::table::{Slot, Table};
use crate::time::Instant;
use crate::trace::trace;
use crate::up::Up;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use bytes::{Buf, BytesMut};
use core::fmt;
use core::hash::{Hash, Hasher};
use core::time::Duration;

/// The least that the side below must carry in one datagram, in bytes; with less, this swarm cannot ask.
pub const MIN_UNIT: usize = 256;

/// For how long a layer that closes waits for the answers that it owes.
const LINGER: Duration = Duration::from_secs(10);

/// Why everything is full: the side below is, or the queue towards it, or too much is outstanding.
const FULL_BELOW: u8 = 1;
const FULL_QUEUE: u8 = 2;
const FULL_ASKS: u8 = 4;

/// Asks over the swarm below.
pub struct Asking<A> {
    table: Table<A, Peer>,
    timers: BTreeSet<(Instant, Slot)>,
    /// By when something was heard of a peer, or earlier: where to look for one to evict.
    ages: BTreeSet<(Instant, Slot)>,
    evictions: u64,
    tokens: BTreeMap<Token, (Slot, u64)>,
    next_token: u64,
    up: Up<A>,
    out: Outbox<A>,
    control: VecDeque<Command<A>>,
    /// Peers that have something to send and no room below.
    stalled: BTreeSet<Slot>,
    full_below: BTreeSet<A>,
    full_queue: BTreeSet<A>,
    full_all: u8,
    /// The unit below, as it is for everybody.
    below: usize,
    /// Asks that are outstanding, records that are owed an answer or an acknowledgement.
    asks: usize,
    records: usize,
    sending: usize,
    receiving: usize,
    remembered: usize,
    closing: Closing,
    rng: Rng,
    key: (u64, u64),
    limits: Limits,
    counters: Counters,
    /// Peers that something is to be sent to, and since when.
    awake: BTreeSet<Slot>,
    awake_at: Option<Instant>,
    fates: Vec<Fate<Content>>,
    /// Where packets are written.
    room: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Closing {
    No,
    /// What was accepted is being finished, until this instant where others wait for it.
    Asked(Instant),
    /// The side below was told.
    Passed,
}

impl<A: Addr> Asking<A> {
    /// An asking layer. `seed` must be unpredictable where strangers can reach the node.
    #[must_use]
    pub fn new(seed: &Seed, limits: &Limits) -> Self {
        let seed = seed.child("ask");
        let mut keys = seed.rng("challenges");
        Self {
            table: Table::new(&seed),
            timers: BTreeSet::new(),
            ages: BTreeSet::new(),
            evictions: 0,
            tokens: BTreeMap::new(),
            next_token: 0,
            up: Up::new(limits),
            out: Outbox::new(limits.send_per_peer, limits.send),
            control: VecDeque::new(),
            stalled: BTreeSet::new(),
            full_below: BTreeSet::new(),
            full_queue: BTreeSet::new(),
            full_all: 0,
            below: 0,
            asks: 0,
            records: 0,
            sending: 0,
            receiving: 0,
            remembered: 0,
            closing: Closing::No,
            rng: seed.rng("sessions"),
            key: (keys.u64(), keys.u64()),
            limits: limits.clone(),
            counters: Counters::default(),
            awake: BTreeSet::new(),
            awake_at: None,
            fates: Vec::new(),
            room: Vec::new(),
        }
    }

    /// The largest request or answer.
    fn ask_max(&self) -> usize {
        if self.below < MIN_UNIT {
            return 0;
        }
        self.limits.ask_max.min(self.limits.receive.saturating_sub(OVERHEAD)).min(1 << 30)
    }

    fn on_message(&mut self, now: Instant, message: Message<A>) {
        match Packet::parse(&message.payload) {
            Ok(Packet::Tell) => {
                let mut message = message;
                message.payload.advance(1);
                self.up.push(Event::Told(message));
            }
            Ok(Packet::Part { .. }) => self.on_part(now, message),
            Ok(Packet::Bundle { .. }) => self.on_bundle(now, message),
            Ok(Packet::Ack { .. }) => self.on_ack(now, &message),
            Ok(Packet::Challenge { header }) => self.on_challenge(now, &message.src, header),
            Err(why) => {
                trace!(DEBUG, "ask", peer = %message.src, reason = ?why, "a packet was rejected");
                match why {
                    Malformed::Version => self.counters.rejected_version += 1,
                    Malformed::Syntax => self.counters.rejected_malformed += 1,
                }
            }
        }
    }

    fn on_ack(&mut self, now: Instant, message: &Message<A>) {
        let Ok(Packet::Ack { header, ack, lowest }) = Packet::parse(&message.payload) else {
            return;
        };
        let standing = self.standing(&message.src, header);
        let (Standing::Known(slot) | Standing::Adopt(slot)) = standing else {
            self.counters.rejected_session += 1;
            return;
        };
        if !self.table.get(slot).is_some_and(|peer| peer.recovery.is_plausible(&ack)) {
            self.counters.rejected_ack += 1;
            return;
        }
        self.take_up(now, &message.src, header, standing);
        self.on_receipt(now, slot, &ack);
        self.on_lowest(slot, lowest);
        self.wake(slot);
    }

    /// The peer has received what it says.
    fn on_receipt(&mut self, now: Instant, slot: Slot, ack: &Ack<'_>) {
        let mut fates = core::mem::take(&mut self.fates);
        if let Some(peer) = self.table.get_mut(slot) {
            peer.recovery.on_ack(now, ack, |fate| fates.push(fate));
        }
        self.on_fates(now, slot, &mut fates);
        self.fates = fates;
    }

    fn on_part(&mut self, now: Instant, mut message: Message<A>) {
        let Ok(Packet::Part { header, number, ack, frame, data }) = Packet::parse(&message.payload)
        else {
            return;
        };
        let len = message.payload.len();
        let Some(slot) = self.on_packet(now, &message.src, header, ack) else { return };
        message.payload.advance(data);
        self.on_frame(now, slot, number, len, frame, message);
        self.wake(slot);
    }

    fn on_bundle(&mut self, now: Instant, message: Message<A>) {
        let Message { src, dst, payload } = message;
        let Ok(Packet::Bundle { header, number, ack, parts }) = Packet::parse(&payload) else {
            return;
        };
        let Some(slot) = self.on_packet(now, &src, header, ack) else { return };
        for (number, (frame, data)) in (number..).zip(parts) {
            // Copied: a request that waits long must not keep all that came along with it.
            let message =
                Message { src: src.clone(), dst: dst.clone(), payload: BytesMut::from(data) };
            self.on_frame(now, slot, number, data.len(), frame, message);
        }
        self.wake(slot);
    }

    /// A packet with parts came: the session that they belong to.
    fn on_packet(
        &mut self,
        now: Instant,
        src: &A,
        header: Header,
        ack: Option<Ack<'_>>,
    ) -> Option<Slot> {
        let standing = self.standing(src, header);
        // A session that begins has sent nothing yet.
        if let Some(ack) = &ack
            && let Some(sender) = standing.sender()
            && !sender
                .and_then(|slot| self.table.get(slot))
                .is_some_and(|peer| peer.recovery.is_plausible(ack))
        {
            self.counters.rejected_ack += 1;
            return None;
        }
        let slot = self.take_up(now, src, header, standing)?;
        if let Some(ack) = ack {
            self.on_receipt(now, slot, &ack);
        }
        Some(slot)
    }

    /// A part of `len` bytes came; its data is the message.
    fn on_frame(
        &mut self,
        now: Instant,
        slot: Slot,
        number: u64,
        len: usize,
        frame: Frame,
        message: Message<A>,
    ) {
        let unit = self.unit_to(&message.src);
        let taken = match frame {
            Frame::Request { id, lowest, remaining, total, offset } => {
                let part = RequestPart { id, lowest, remaining, total, offset, message };
                self.on_request_part(now, slot, part)
            }
            Frame::Answer { id, status, total, offset } => {
                let part = AnswerPart { id, status, total, offset, data: message.payload };
                self.on_answer_part(now, slot, part)
            }
            Frame::Cancel { id, lowest } => self.on_cancelled(slot, id, lowest),
            Frame::Ping { lowest } => {
                self.on_lowest(slot, lowest);
                true
            }
        };
        if taken && let Some(peer) = self.table.get_mut(slot) {
            peer.receipts.on_packet(now, number, len, unit);
        }
    }

    fn on_event(&mut self, now: Instant, event: Event<A>) {
        match event {
            Event::Told(message) => self.on_message(now, message),
            Event::Link(link) => {
                self.below = link.unit;
                let mut link = link.less(1);
                link.ask_max = self.ask_max();
                self.up.push(Event::Link(link));
            }
            Event::PathMtu { dst, unit, tell_max } => {
                let (unit, tell_max) = (unit.saturating_sub(1), tell_max.saturating_sub(1));
                if let Some(slot) = self.table.first(&dst)
                    && let Some(peer) = self.table.get_mut(slot)
                {
                    // What was learnt from refusals is out of date.
                    peer.unit_most = usize::MAX;
                }
                self.up.push(Event::PathMtu { dst, unit, tell_max });
            }
            Event::PeerDown { addr, reason } => {
                let why = match reason {
                    DownReason::TimedOut => Some(Undeliverable::TimedOut),
                    DownReason::Disconnected => Some(Undeliverable::Disconnected),
                    DownReason::Denied => Some(Undeliverable::Denied),
                    DownReason::Closed => Some(Undeliverable::Closed),
                    // Of the session only: the next packet opens another.
                    DownReason::Idle
                    | DownReason::Evicted
                    | DownReason::Left
                    | DownReason::Moved => None,
                };
                if let (Some(why), Some(slot)) = (why, self.table.first(&addr)) {
                    self.fail_all(now, slot, &AskError::Unreachable(why));
                    self.pump(now, slot);
                }
                self.up.push(Event::PeerDown { addr, reason });
            }
            Event::Undelivered { dst, reason } => {
                self.on_undelivered(now, &dst, reason);
                self.up.push(Event::Undelivered { dst, reason });
            }
            Event::Full { scope } => self.on_full_below(now, scope),
            Event::Ready { scope } => self.on_ready_below(now, &scope),
            Event::Closed => self.on_closed_below(now),
            passed @ (Event::PeerUp { .. } | Event::Floor { .. } | Event::Identified { .. }) => {
                self.up.push(passed)
            }
            Event::Asked { token, message, .. } => {
                // Asked past this layer: whoever asks is not kept waiting.
                self.counters.events_ignored += 1;
                let result = Err(Refusal::default());
                self.control.push_back(Command::Answer { token, dst: message.src, result });
            }
            Event::Withdrawn { .. } | Event::Answered { .. } => self.counters.events_ignored += 1,
        }
    }

    fn on_tell(&mut self, now: Instant, dst: A, mut payload: Payload) {
        let limit = self.mtu_to(&dst);
        let why = if self.closing != Closing::No {
            Undeliverable::Closed
        } else if payload.len() > limit {
            Undeliverable::TooLarge { limit }
        } else {
            payload.prepend(&[TELL]);
            if self.send(now, &dst, payload) {
                return;
            }
            self.counters.refused += 1;
            self.up.push(Event::Undelivered { dst, reason: Undeliverable::Full });
            return;
        };
        self.refuse(Command::Tell { dst, payload }, why);
    }

    fn refuse(&mut self, command: Command<A>, why: Undeliverable) {
        self.counters.refused += 1;
        if let Some(event) = command.refuse(why) {
            self.up.push(event);
        }
    }

    fn on_disconnect(&mut self, now: Instant, dst: A) {
        if let Some(slot) = self.table.first(&dst) {
            self.fail_all(now, slot, &AskError::Unreachable(Undeliverable::Disconnected));
            self.drop_records(slot, |_| true, true);
            self.lose_flying(now, slot);
            if let Some(peer) = self.table.get_mut(slot) {
                peer.cancels.clear();
            }
            self.rearm(slot);
        }
        self.control.push_back(Command::Disconnect { dst });
    }

    fn on_full_below(&mut self, now: Instant, scope: Scope<A>) {
        self.out.block(now, scope.clone());
        match &scope {
            Scope::All => self.full_all |= FULL_BELOW,
            Scope::To(dst) => {
                self.full_below.insert(dst.clone());
            }
        }
        self.up.push(Event::Full { scope });
    }

    fn on_ready_below(&mut self, now: Instant, scope: &Scope<A>) {
        self.out.unblock(now, scope);
        match scope {
            Scope::All => self.clear_full_all(FULL_BELOW),
            Scope::To(dst) => {
                self.full_below.remove(dst);
                self.refresh_edge(dst);
            }
        }
        self.resume(now);
    }

    /// One reason less for everything to be full.
    fn clear_full_all(&mut self, reason: u8) {
        self.full_all &= !reason;
        if self.full_all == 0 {
            self.up.push(Event::Ready { scope: Scope::All });
        }
    }

    fn refresh_edge_of(&mut self, slot: Slot) {
        if let Some(addr) = self.table.addr(slot).cloned() {
            self.refresh_edge(&addr);
        }
    }

    /// One reason less for a peer to be full.
    fn refresh_edge(&mut self, dst: &A) {
        let peer = self.table.first(dst).and_then(|slot| self.table.get(slot));
        let full = self.full_below.contains(dst)
            || self.full_queue.contains(dst)
            || peer.is_some_and(|peer| peer.full);
        if !full {
            self.up.push(Event::Ready { scope: Scope::To(dst.clone()) });
        }
    }

    fn on_closed_below(&mut self, now: Instant) {
        self.closing = Closing::Passed;
        for slot in 0..self.table.span() {
            self.fail_all(now, slot, &AskError::Closed);
            self.drop_records(slot, |_| true, true);
        }
        self.up.push(Event::Closed);
    }

    fn close_when_finished(&mut self, now: Instant) {
        if self.is_done() {
            // Nobody says so later, and the answerers would wait for it.
            for slot in 0..self.table.span() {
                self.acknowledge(now, slot, true);
            }
        }
        if self.is_finished() {
            self.closing = Closing::Passed;
            self.control.push_back(Command::Close);
        }
    }

    fn is_finished(&self) -> bool {
        self.is_done() && self.out.is_empty()
    }

    /// Whether nothing is waited for any more.
    fn is_done(&self) -> bool {
        let Closing::Asked(until) = self.closing else { return false };
        let lingered = self.records == 0 || until <= self.out.latest();
        self.asks == 0 && lingered
    }

    /// Everything but counters that a later call could depend on and no gauge tells.
    fn dump(&self, mut hasher: &mut dyn Hasher) {
        for (slot, addr, peer) in self.table.iter() {
            (slot, addr).hash(&mut hasher);
            peer.dump(hasher);
        }
        (&self.timers, &self.ages, &self.tokens, &self.stalled).hash(&mut hasher);
        (&self.awake, self.awake_at).hash(&mut hasher);
        (&self.full_below, &self.full_queue, self.full_all).hash(&mut hasher);
        (self.evictions, self.next_token, self.below).hash(&mut hasher);
        (self.closing, self.control.len()).hash(&mut hasher);
    }
}

impl<A: Addr> Layer for Asking<A> {
    type Input = Event<A>;
    type Transmit = Command<A>;
    type Command = Command<A>;
    type Event = Event<A>;

    fn handle_input(&mut self, now: Instant, input: Self::Input) {
        self.out.advance(now);
        self.on_event(now, input);
        self.close_when_finished(now);
    }

    fn handle_command(&mut self, now: Instant, command: Self::Command) {
        self.out.advance(now);
        match command {
            Command::Tell { dst, payload } => self.on_tell(now, dst, payload),
            Command::Ask { id, dst, payload, deadline } => {
                self.on_ask(now, id, dst, payload, deadline);
            }
            Command::Answer { token, dst, result } => self.on_answer(token, &dst, result),
            Command::Cancel { id, dst } => self.on_cancel(now, id, &dst),
            Command::Disconnect { dst } => self.on_disconnect(now, dst),
            passed @ (Command::Identify { .. } | Command::Set(_)) => {
                self.control.push_back(passed);
            }
            Command::Close => {
                if self.closing == Closing::No {
                    self.closing = Closing::Asked(now + LINGER);
                }
            }
        }
        self.close_when_finished(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_none_or(|due| due > now) {
            return;
        }
        self.out.advance(now);
        self.on_timers(now);
        self.pump_awake(now);
        while let Some(scope) = self.out.take_ready() {
            match scope {
                Scope::All => self.clear_full_all(FULL_QUEUE),
                Scope::To(dst) => {
                    self.full_queue.remove(&dst);
                    self.refresh_edge(&dst);
                }
            }
            self.resume(now);
        }
        self.close_when_finished(now);
    }

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        if let Some(command) = self.control.pop_front() {
            return Some(command);
        }
        let (dst, payload) = self.out.pop()?;
        Some(Command::Tell { dst, payload })
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        self.up.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let timers = self.timers.first().map(|(due, _)| *due);
        let finished = self.is_finished().then(|| self.out.next());
        let linger = if let Closing::Asked(until) = self.closing { Some(until) } else { None };
        let linger = linger.filter(|until| *until > self.out.latest());
        let rest = earliest(finished, linger);
        let awake = earliest(self.awake_at, rest);
        earliest(timers, earliest(self.out.poll_timeout(), awake))
    }

    fn stats(&self, sink: &mut dyn StatsSink) {
        sink.enter(format_args!("ask"));
        self.counters.stats(sink);
        self.up.stats(sink);
        self.out.stats(sink);
        sink.gauge("peers", self.table.len() as u64);
        sink.gauge("asks", self.asks as u64);
        sink.gauge("owed", self.records as u64);
        sink.gauge("asked_bytes", self.sending as u64);
        sink.gauge("parts_bytes", self.receiving as u64);
        sink.gauge("remembered_bytes", self.remembered as u64);
        sink.state("state", &|hasher| self.dump(hasher));
        sink.leave();
    }
}

impl<A: Addr> Swarm for Asking<A> {
    type Addr = A;

    fn link(&self) -> &Link<A> {
        self.up.link()
    }

    fn mtu_to(&self, dst: &A) -> usize {
        self.up.mtu_to(dst)
    }

    fn is_full(&self, dst: &A) -> bool {
        self.up.is_full(dst)
    }

    fn is_closed(&self) -> bool {
        self.closing != Closing::No
    }
}

impl<A: fmt::Debug> fmt::Debug for Asking<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asking")
            .field("asks", &self.asks)
            .field("records", &self.records)
            .field("closing", &self.closing)
            .finish_non_exhaustive()
    }
}
