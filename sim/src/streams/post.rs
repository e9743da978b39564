//! What moves between nodes: the events to come, and how one end of a connection answers to them.
//!
//! An end knows what its node did and what has reached it, never the other end: all that passes between them
//! takes time on the way.

use super::faults::{Fate, Links};
use super::half::Half;
use super::segment::{Alarm, Connection, End, Segment, Side};
use super::slot::{Log, Slot};
use super::tap::{Sighting, Tap, Totals, What};
use crate::engine::{Key, Wheel};
use crate::net::{App, Seen};
use core::time::Duration;
use tellask::{Instant, Layer, MemoryAddr, StreamEnd, StreamId, StreamInput, StreamTransmit};

/// What happens.
pub(super) enum Happening {
    /// A segment reaches this end.
    Land(End, Segment),
    /// An end does something by itself.
    Alarm(End, Alarm),
    /// A timer of a node is due, maybe.
    Ring(MemoryAddr),
}

/// The events that are to come, and who is told of those that happen.
pub(super) struct Post<N, T> {
    pub(super) now: Instant,
    /// The event that is happening.
    pub(super) key: Key,
    pub(super) wheel: Wheel<Happening>,
    pub(super) totals: Totals,
    pub(super) tap: T,
    pub(super) said: Vec<(Key, Seen<N>)>,
    /// Ends of the node that is being pumped of which more is to be read, each piece by itself.
    pub(super) unread: Vec<End>,
}

/// The timers of one instant come after all else, in the order of their nodes.
pub(super) fn timer(at: Instant, addr: MemoryAddr) -> Key {
    Key { at: at.as_nanos(), rank: 1 << 63 | u64::from(addr.0) }
}

impl<N, T: Tap<N>> Post<N, T> {
    fn see(&mut self, log: &mut Log, end: End, id: StreamId, what: What) {
        let [way, name] = end.words();
        log.ledger.trace.add(&[self.now.as_nanos(), way, name, what.code()], &[]);
        self.totals.count(what);
        let (now, addr, connection) = (self.now, log.addr, end.connection);
        self.tap.see(&Sighting { now, addr, connection, id, what });
    }

    /// Tells whoever listens in what applications said.
    pub(super) fn hear(&mut self) {
        for (_, seen) in self.said.drain(..) {
            if let Seen::Said { now, addr, said } = seen {
                self.tap.hear(now, addr, said);
            }
        }
    }

    pub(super) fn alarm(&mut self, log: &mut Log, end: End, alarm: Alarm, at: Instant) {
        let key = log.key(at.max(self.now.next()));
        self.wheel.push(key, Happening::Alarm(end, alarm));
    }

    /// Sends a segment from an end to the other, behind all that it sent before, unless the way is cut.
    pub(super) fn dispatch(
        &mut self,
        links: &Links,
        log: &mut Log,
        (end, half): (End, &mut Half),
        segment: Segment,
    ) {
        if half.vanished {
            return;
        }
        if links.is_cut(end.at(), end.peer()) || !half.held.is_empty() {
            half.held.push_back(segment);
            return self.see(log, end, half.id, What::Held);
        }
        let draw = links.draw(end.connection).with(end.side as u64).with(half.sent);
        half.sent += 1;
        let (time, stalled) = links.faults(end.at(), end.peer()).time(draw);
        half.lands = half.lands.max(self.now.max(half.free_at) + time);
        if !stalled.is_zero() {
            self.see(log, end, half.id, What::Stalled(stalled));
        }
        self.launch(log, end, segment, half.lands);
    }

    /// A segment is on its way.
    fn launch(&mut self, log: &mut Log, end: End, segment: Segment, lands: Instant) {
        let [way, name] = end.words();
        log.ledger.trace.add(&[self.now.as_nanos(), way, name, segment.code()], segment.bytes());
        let key = log.key(lands);
        self.wheel.push(key, Happening::Land(end.other(), segment));
    }

    /// Sends a reset from an end, which is not there any more. It overtakes what was sent before, and where the way is
    /// cut it is lost.
    pub(super) fn send_reset(&mut self, links: &Links, log: &mut Log, end: End) {
        if links.is_cut(end.at(), end.peer()) {
            return;
        }
        let draw = links.draw(end.connection).with(end.side as u64).with(u64::MAX);
        let (time, _) = links.faults(end.at(), end.peer()).time(draw);
        self.launch(log, end, Segment::Rst, self.now + time);
    }
}

impl<N, T: Tap<N>> Post<N, T> {
    /// The timer of a node is due when its slot says.
    fn arm<L: Layer, A: App<L>>(&mut self, slot: &mut Slot<L, A>) {
        let Some(node) = &slot.node else { return };
        let due = tellask::layer::earliest(node.poll_timeout(), slot.app.poll_timeout());
        // A nanosecond passes even where something is due for ever.
        slot.armed = due.map(|due| due.max(self.now.next()));
        let Some(at) = slot.armed else { return };
        if slot.rings.is_none_or(|rings| at < rings) {
            slot.rings = Some(at);
            self.wheel.push(timer(at, slot.log.addr), Happening::Ring(slot.log.addr));
        }
    }

    /// Moves out of a node what it has to say and to send, until it has no more.
    pub(super) fn pump<L, A>(&mut self, links: &Links, slot: &mut Slot<L, A>)
    where
        L: Layer<Input = StreamInput<MemoryAddr>, Transmit = StreamTransmit<MemoryAddr>>,
        A: App<L, Note = N>,
    {
        loop {
            let Some(node) = &mut slot.node else { return };
            if let Some(event) = node.poll_event() {
                let (mut cx, app) = slot.lend(self.now, self.key, &mut self.said);
                if let Some(cx) = &mut cx {
                    app.on_event(cx, event);
                }
                self.hear();
            } else if let Some(transmit) = node.poll_transmit() {
                self.on_transmit(links, slot, transmit);
            } else if let Some(end) = self.unread.pop() {
                self.flow(links, slot, end);
            } else {
                break;
            }
        }
        self.arm(slot);
    }

    /// What a stack wants of its connections.
    fn on_transmit<L, A>(
        &mut self,
        links: &Links,
        slot: &mut Slot<L, A>,
        transmit: StreamTransmit<MemoryAddr>,
    ) where
        L: Layer<Input = StreamInput<MemoryAddr>>,
        A: App<L, Note = N>,
    {
        // It may be over, and the stack not have heard of it before it said this: then it is about none.
        match transmit {
            StreamTransmit::Open { id, dst } => self.dial(links, slot, id, dst),
            StreamTransmit::Write { id, payload } => {
                let Some((end, half)) = slot.find(id) else { return };
                if !half.write(&payload) {
                    self.totals.misused += 1;
                    self.send_reset(links, &mut slot.log, end);
                    return self.over(slot, end, StreamEnd::Overrun);
                }
                self.flow(links, slot, end);
            }
            StreamTransmit::Read { id, bytes } => {
                let Some((end, half)) = slot.find(id) else { return };
                half.allow(bytes);
                self.flow(links, slot, end);
            }
            StreamTransmit::Finish { id } => {
                let Some((end, half)) = slot.find(id) else { return };
                if !half.open || half.finish() {
                    self.totals.misused += 1;
                }
                self.flow(links, slot, end);
            }
            StreamTransmit::Abort { id } => {
                let Some((end, half)) = slot.find(id) else { return };
                if !half.vanished {
                    self.send_reset(links, &mut slot.log, end);
                }
                self.over(slot, end, StreamEnd::Aborted);
            }
        }
    }

    fn dial<L, A>(&mut self, links: &Links, slot: &mut Slot<L, A>, id: StreamId, dst: MemoryAddr) {
        if id.is_accepted() || slot.ids.contains_key(&id) {
            self.totals.misused += 1;
            return;
        }
        let number = slot.dialled.entry(dst).or_default();
        let connection = Connection { dialer: slot.log.addr, listener: dst, number: *number };
        *number += 1;
        let end = End { connection, side: Side::Dialer };
        let (out, back) = (links.faults(end.at(), dst), links.faults(dst, end.at()));
        let mut half = Half::new(id, false, out, back);
        let takes = half.takes();
        let fate = out.fate(links.draw(connection), self.now);
        self.see(&mut slot.log, end, id, What::Dialled);
        let given_up = self.now + out.connect_timeout;
        self.alarm(&mut slot.log, end, Alarm::ConnectTimeout, given_up);
        self.foresee(&mut slot.log, end, fate);
        self.dispatch(links, &mut slot.log, (end, &mut half), Segment::Syn(fate, takes));
        slot.insert(end, half);
    }

    /// What is to become of a connection happens at this end when its time comes.
    fn foresee(&mut self, log: &mut Log, end: End, fate: Fate) {
        match fate {
            Fate::Reset { at, side } if side == end.side => {
                self.alarm(log, end, Alarm::Reset, at);
            }
            Fate::Vanishes { at } => self.alarm(log, end, Alarm::Vanish, at),
            Fate::Lives | Fate::Reset { .. } => {}
        }
    }

    /// Moves at one end what may move: bytes out and in, credit, and the news that either side has finished.
    pub(super) fn flow<L, A>(&mut self, links: &Links, slot: &mut Slot<L, A>, end: End)
    where
        L: Layer<Input = StreamInput<MemoryAddr>>,
        A: App<L, Note = N>,
    {
        let Slot { halves, log, node: Some(node), .. } = slot else { return };
        let Some(half) = halves.get_mut(&end) else { return };
        let faults = links.faults(end.at(), end.peer());
        let draw = links.draw(end.connection).with(end.side as u64);
        while half.to_send() > 0 && half.free_at <= self.now {
            let bytes = half.send(faults.piece(draw.with(half.sent), half.to_send()));
            half.free_at = self.now + faults.busy(bytes.len());
            self.tap.read_along(end.at(), end.connection, &bytes);
            self.see(log, end, half.id, What::Sent(bytes.len()));
            self.dispatch(links, log, (end, half), Segment::Bytes(bytes));
        }
        if half.to_send() > 0 && !core::mem::replace(&mut half.awaits_line, true) {
            self.alarm(log, end, Alarm::Send, half.free_at);
        }
        if half.sends_fin() {
            self.dispatch(links, log, (end, half), Segment::Fin);
        }
        if let Some(bytes) = half.credit() {
            node.handle_input(self.now, StreamInput::Writable { id: half.id, bytes });
        }
        if let (most @ 1.., nth) = half.to_read() {
            let bytes = half.read(faults.piece(draw.with(!nth), most));
            self.see(log, end, half.id, What::Delivered(bytes.len()));
            log.ledger.trace.add(&[], &bytes);
            node.handle_input(self.now, StreamInput::Bytes { id: half.id, bytes });
            if half.to_read().0 > 0 {
                // Once it has said what it makes of these: ports join what comes faster.
                self.unread.push(end);
            }
        }
        if let Some(taken) = half.taken() {
            self.dispatch(links, log, (end, half), Segment::Window(taken));
        }
        if half.tells_finished() {
            self.see(log, end, half.id, What::PeerFinished);
            node.handle_input(self.now, StreamInput::Finished { id: half.id });
        }
        if half.is_over() {
            self.over(slot, end, StreamEnd::Finished);
        }
    }

    /// An end is over, and its stack hears of it.
    pub(super) fn over<L, A>(&mut self, slot: &mut Slot<L, A>, end: End, reason: StreamEnd)
    where
        L: Layer<Input = StreamInput<MemoryAddr>>,
        A: App<L, Note = N>,
    {
        if let Some(half) = slot.take(end) {
            self.see(&mut slot.log, end, half.id, What::Ended(reason));
            slot.tell(self.now, StreamInput::Closed { id: half.id, reason });
        }
    }

    /// A segment has arrived at a node that runs.
    pub(super) fn land<L, A>(
        &mut self,
        links: &Links,
        slot: &mut Slot<L, A>,
        end: End,
        segment: Segment,
    ) where
        L: Layer<Input = StreamInput<MemoryAddr>>,
        A: App<L, Note = N>,
    {
        let [way, name] = end.words();
        let words = [self.now.as_nanos(), way, name, 128 | segment.code()];
        slot.log.ledger.trace.add(&words, segment.bytes());
        if let Segment::Syn(fate, window) = segment {
            return self.accept(links, slot, end, (fate, window));
        }
        let Some(half) = slot.halves.get_mut(&end) else {
            // As a host answers to what belongs to nothing that it knows.
            if matches!(segment, Segment::SynAck(_) | Segment::Bytes(_) | Segment::Fin) {
                self.send_reset(links, &mut slot.log, end);
            }
            return;
        };
        if half.vanished {
            return;
        }
        match segment {
            Segment::SynAck(window) => {
                half.open = true;
                half.widen(window);
                let id = half.id;
                self.see(&mut slot.log, end, id, What::Opened);
                let (local, remote) = (end.at(), end.peer());
                slot.tell(self.now, StreamInput::Opened { id, local, remote });
                self.check_way(links, slot, end);
            }
            Segment::Bytes(bytes) => half.arrive(bytes),
            Segment::Window(bytes) => half.widen(bytes),
            Segment::Fin => half.peer_finished = true,
            Segment::Rst => {
                let why = if half.open { StreamEnd::Reset } else { StreamEnd::Refused };
                return self.over(slot, end, why);
            }
            Segment::Syn(..) => {}
        }
        self.flow(links, slot, end);
    }

    fn accept<L, A>(
        &mut self,
        links: &Links,
        slot: &mut Slot<L, A>,
        end: End,
        (fate, window): (Fate, usize),
    ) where
        L: Layer<Input = StreamInput<MemoryAddr>>,
        A: App<L, Note = N>,
    {
        let over = matches!(fate, Fate::Vanishes { at } if at <= self.now);
        if over || links.vanished.contains(&end.connection) {
            return;
        }
        let (out, back) = (links.faults(end.at(), end.peer()), links.faults(end.peer(), end.at()));
        if !slot.listens || back.refuse.happens(links.draw(end.connection), "refuse") {
            return self.send_reset(links, &mut slot.log, end);
        }
        let id = StreamId::accepted(slot.accepted);
        slot.accepted += 1;
        let mut half = Half::new(id, true, out, back);
        half.widen(window);
        let takes = half.takes();
        self.see(&mut slot.log, end, id, What::Accepted);
        self.foresee(&mut slot.log, end, fate);
        self.dispatch(links, &mut slot.log, (end, &mut half), Segment::SynAck(takes));
        slot.insert(end, half);
        let (local, remote) = (end.at(), end.peer());
        slot.tell(self.now, StreamInput::Accepted { id, local, remote });
        self.check_way(links, slot, end);
        self.flow(links, slot, end);
    }

    /// An end that has just become open may be so on a way that was cut meanwhile.
    fn check_way<L, A>(&mut self, links: &Links, slot: &mut Slot<L, A>, end: End) {
        if links.is_cut(end.at(), end.peer()) || links.is_cut(end.peer(), end.at()) {
            self.breaks(links, slot, end);
        }
    }

    /// From now on nothing gets through at an end, or its peer is not there any more.
    pub(super) fn breaks<L, A>(&mut self, links: &Links, slot: &mut Slot<L, A>, end: End) {
        let Some(half) = slot.halves.get_mut(&end).filter(|half| half.broken.is_none()) else {
            return;
        };
        half.broken = Some(self.now);
        let after = links.faults(end.at(), end.peer()).gone_after;
        self.alarm(&mut slot.log, end, Alarm::Gone, self.now + after);
    }

    /// The time of an end of a node that runs has come.
    pub(super) fn on_alarm<L, A>(
        &mut self,
        links: &Links,
        slot: &mut Slot<L, A>,
        end: End,
        alarm: Alarm,
    ) where
        L: Layer<Input = StreamInput<MemoryAddr>>,
        A: App<L, Note = N>,
    {
        let Some(half) = slot.halves.get_mut(&end) else { return };
        let [way, name] = end.words();
        slot.log.ledger.trace.add(&[self.now.as_nanos(), way, name, alarm.code()], &[]);
        match alarm {
            Alarm::Send => {
                half.awaits_line = false;
                self.flow(links, slot, end);
            }
            Alarm::ConnectTimeout if half.open => {}
            Alarm::ConnectTimeout => self.over(slot, end, StreamEnd::TimedOut),
            Alarm::Gone => {
                let after: Duration = links.faults(end.at(), end.peer()).gone_after;
                let Some(since) = half.broken.filter(|_| half.open && !half.needs_nobody()) else {
                    return;
                };
                if since + after > self.now {
                    // It was whole in between, or is to be waited for longer by now.
                    return self.alarm(&mut slot.log, end, Alarm::Gone, since + after);
                }
                if !half.vanished {
                    self.send_reset(links, &mut slot.log, end);
                }
                self.over(slot, end, StreamEnd::Gone);
            }
            Alarm::Reset => {
                let why = if half.open { StreamEnd::Reset } else { StreamEnd::Refused };
                self.send_reset(links, &mut slot.log, end);
                self.over(slot, end, why);
            }
            Alarm::Vanish => self.vanish(links, slot, end),
        }
    }

    /// Nothing gets through at this end any more.
    pub(super) fn vanish<L, A>(&mut self, links: &Links, slot: &mut Slot<L, A>, end: End) {
        let Some(half) = slot.halves.get_mut(&end).filter(|half| !half.vanished) else { return };
        half.vanished = true;
        // What waits for a cut to be mended does not wait any more: it is lost. What it was for ends as gone.
        let id = half.id;
        self.see(&mut slot.log, end, id, What::Vanished);
        self.breaks(links, slot, end);
    }
}
