//! The nodes that one thread runs, and the events that are to come for them.
//!
//! A node belongs to the shard of its address. Nodes concern each other by datagrams only, and those of
//! other shards are handed over between two windows of time, each shorter than any datagram takes. So what
//! a node sees is the same however many shards there are.

use super::app::{App, Cx};
use super::condition::{Condition, Turn};
use super::course::Way;
use super::directory::Directory;
use super::drops::Drops;
use super::ledger::{Kept, Ledger, What};
use super::links::Links;
use super::loss::Loss;
use super::nat::Mappings;
use super::patience::{PATIENCE, Patience};
use super::pipe::Piping;
use super::send::{Outgoing, leaving, pipe_of};
use super::tap::{DatagramId, Fate, Seen};
use super::trace::Trace;
use super::verdict::{Passing, Verdict};
use super::{Flight, Totals};
use crate::engine::{Key, Wheel};
use core::hint::black_box;
use core::time::Duration;
use std::collections::BTreeMap;
use tellask::{Datagram, DatagramInput, Instant, Layer, MemoryAddr, Node};

/// Events that are looked at together before they happen.
const WARM: usize = 16;

/// A node and its application.
pub(super) struct Slot<L, A> {
    pub(super) addr: MemoryAddr,
    /// `None` while it is crashed.
    pub(super) node: Option<Node<L>>,
    pub(super) app: A,
    pub(super) ledger: Ledger,
    /// Datagrams sent in all, and by way: what the draws are numbered by. They go on after a crash.
    pub(super) sent: u64,
    pub(super) sent_to: BTreeMap<MemoryAddr, Way>,
    /// The links that it sends through, and which way leads through which.
    pub(super) pipes: Vec<Piping<Outgoing>>,
    pub(super) piped: BTreeMap<MemoryAddr, usize>,
    /// What the NAT that it is behind remembers of it.
    pub(super) nat: Option<Box<Mappings>>,
    /// `None` where nothing ever was wrong with it.
    condition: Option<Box<Condition>>,
    /// What its stack dropped so far, where that is watched.
    drops: Drops,
    /// When its next timer is due.
    armed: Option<Instant>,
    /// The earliest of its events in the wheel. Events that are not for `armed` are passed over.
    rings: Option<Instant>,
    patience: Patience,
}

/// What happens. Flights and nodes are said by their places.
#[derive(Clone, Copy)]
pub(super) enum Happening {
    Land(u32),
    Ring(u32),
    /// The next leaves a pipe of a node; which pipe it is says the key.
    Leave(u32),
}

/// What goes out from the nodes of a shard.
pub(super) struct Post<N> {
    number: usize,
    of: usize,
    pub(super) now: Instant,
    /// The event that is happening.
    pub(super) key: Key,
    pub(super) wheel: Wheel<Happening>,
    flights: Vec<Option<Flight>>,
    free: Vec<u32>,
    /// For the other shards, by their numbers.
    pub(super) out: Vec<Vec<Flight>>,
    pub(super) totals: Totals,
    /// `None` where nobody listens.
    pub(super) seen: Option<Vec<(Key, Seen<N>)>>,
    /// Those that are not plain; `None` where nobody keeps them.
    pub(super) verdicts: Option<Vec<(Passing, Verdict)>>,
    /// When events are kept one by one.
    pub(super) kept: Kept,
    /// Whether the tap is told what stacks drop.
    pub(super) watches_drops: bool,
}

/// Which of so many shards has the node at an address.
pub(super) const fn shard_of(addr: MemoryAddr, shards: usize) -> usize {
    addr.0 as usize % shards
}

impl Flight {
    /// Flights of one instant come before timers, and in the order of their senders and of their numbers.
    fn key(&self) -> Key {
        let sender = self.id.sender.map_or(0, |sender| sender.0.saturating_add(1));
        let number = (self.id.number << 1 | u64::from(self.copy)) & 0x7fff_ffff;
        Key { at: self.at.as_nanos(), rank: u64::from(sender) << 31 | number }
    }
}

/// The timers of one instant come in the order of their nodes.
fn timer(at: Instant, addr: MemoryAddr) -> Key {
    Key { at: at.as_nanos(), rank: 1 << 63 | u64::from(addr.0) }
}

impl<N> Post<N> {
    /// Puts a flight where it lands.
    pub(super) fn send(&mut self, flight: Flight) {
        let shard = shard_of(flight.to, self.of);
        if shard == self.number {
            self.accept(flight);
        } else if let Some(out) = self.out.get_mut(shard) {
            out.push(flight);
        }
    }

    pub(super) fn accept(&mut self, flight: Flight) {
        let key = flight.key();
        let place = self.free.pop().unwrap_or(self.flights.len() as u32);
        match self.flights.get_mut(place as usize) {
            Some(empty) => *empty = Some(flight),
            None => self.flights.push(Some(flight)),
        }
        self.wheel.push(key, Happening::Land(place));
    }

    fn take(&mut self, place: u32) -> Option<Flight> {
        let flight = self.flights.get_mut(place as usize)?.take();
        self.free.push(place);
        flight
    }

    /// Something happens to a datagram.
    pub(super) fn see(
        &mut self,
        ledger: &mut Ledger,
        id: DatagramId,
        (src, dst): (MemoryAddr, MemoryAddr),
        fate: Fate,
        bytes: &[u8],
    ) {
        self.totals.count(fate, bytes.len());
        let way = u64::from(src.0) << 32 | u64::from(dst.0);
        let words = [self.now.as_nanos(), way, id.number, fate.code()];
        let what = What::Datagram { id, src, dst, fate, len: bytes.len() };
        ledger.add((self.now, &self.kept), what, &words, bytes);
        if let Some(seen) = &mut self.seen {
            let (now, bytes) = (self.now, bytes.to_vec());
            seen.push((self.key, Seen::Datagram { now, id, src, dst, fate, bytes }));
        }
    }

    /// The timer of the node at `place` is due when its slot says.
    fn arm<L: Layer, A: App<L>>(&mut self, place: usize, slot: &mut Slot<L, A>) {
        let Some(node) = &slot.node else { return };
        let due = tellask::layer::earliest(node.poll_timeout(), slot.app.poll_timeout());
        let due = slot.condition.as_ref().map_or(due, |condition| condition.due(due));
        // A nanosecond passes even where something is due for ever.
        slot.armed = due.map(|due| due.max(self.now.next()));
        let Some(at) = slot.armed else { return };
        if slot.rings.is_none_or(|rings| at < rings) {
            slot.rings = Some(at);
            self.wheel.push(timer(at, slot.addr), Happening::Ring(place as u32));
        }
    }

    /// Moves out of a node what it has to send and to say, until it has no more.
    fn pump<L, A>(&mut self, links: &Links, place: usize, slot: &mut Slot<L, A>)
    where
        L: Layer<Input = DatagramInput<MemoryAddr>, Transmit = Datagram<MemoryAddr>>,
        A: App<L, Note = N>,
    {
        let mut outputs = 0;
        loop {
            outputs += 1;
            assert!(outputs < PATIENCE, "node {:?} has more and more to send or to say", slot.addr);
            let Some(node) = &mut slot.node else { return };
            // Events first: what a datagram made the application hear is heard before anything else is seen.
            if let Some(event) = node.poll_event() {
                let (mut cx, app) = slot.lend(self);
                if let Some(cx) = &mut cx {
                    app.on_event(cx, event);
                }
            } else if let Some(Datagram { src, dst, payload }) = node.poll_transmit() {
                let src = src.unwrap_or(slot.addr);
                self.on_sent(links, place, slot, (src, dst), payload.into_mut());
            } else {
                break;
            }
        }
        self.arm(place, slot);
        if self.watches_drops {
            self.watch(slot);
        }
    }

    /// Tells what the stack of a node has dropped since the last time.
    fn watch<L: Layer, A: App<L>>(&mut self, slot: &mut Slot<L, A>) {
        let (Some(node), Some(seen)) = (&slot.node, &mut self.seen) else { return };
        let (now, addr) = (self.now, slot.addr);
        let dropped = slot.drops.risen(node.stack());
        seen.extend(dropped.map(|name| (self.key, Seen::Dropped { now, addr, name })));
    }
}

impl<L: Layer, A: App<L>> Slot<L, A> {
    /// What the application is lent, unless the node crashed, and the application.
    fn lend<'a>(
        &'a mut self,
        post: &'a mut Post<A::Note>,
    ) -> (Option<Cx<'a, L, A::Note>>, &'a mut A) {
        let now = self.local(post.now);
        let Self { addr, node, app, ledger, .. } = self;
        let (global, key, kept, seen) = (post.now, post.key, &post.kept, post.seen.as_mut());
        let addr = *addr;
        let cx = node.as_mut().map(|node| Cx { now, global, addr, node, ledger, key, kept, seen });
        (cx, app)
    }

    /// What its clock shows.
    pub(super) fn local(&self, now: Instant) -> Instant {
        self.condition.as_ref().map_or(now, |condition| condition.clock.local(now))
    }

    pub(super) fn condition_mut(&mut self) -> &mut Condition {
        self.condition.get_or_insert_default()
    }

    /// It turns to something, with which it may be busy.
    fn spend(&mut self, now: Instant) {
        if let Some(condition) = &mut self.condition {
            condition.spend(now);
        }
    }
}

/// The nodes, and what is to come.
pub(super) struct Shard<L: Layer, A: App<L>> {
    slots: Vec<Option<Box<Slot<L, A>>>>,
    vacant: Vec<usize>,
    directory: Directory,
    pub(super) post: Post<A::Note>,
    /// Of what concerns no node that is there, and its events.
    pub(super) elsewhere: Trace,
    pub(super) unheard: Ledger,
    /// How many of those that were looked at are still to happen.
    warm: usize,
}

impl<L: Layer, A: App<L>> Shard<L, A> {
    pub(super) fn slots(&self) -> impl Iterator<Item = &Slot<L, A>> {
        self.slots.iter().flatten().map(|slot| &**slot)
    }
}

impl<L, A> Shard<L, A>
where
    L: Layer<Input = DatagramInput<MemoryAddr>, Transmit = Datagram<MemoryAddr>>,
    A: App<L>,
{
    /// The shard of this number, of so many, at this time.
    pub(super) fn new(number: usize, of: usize, now: Instant, listens: bool) -> Self {
        let post = Post {
            number,
            of,
            now,
            key: Key { at: now.as_nanos(), rank: 0 },
            wheel: Wheel::new(),
            flights: Vec::new(),
            free: Vec::new(),
            out: (0..of).map(|_| Vec::new()).collect(),
            totals: Totals::default(),
            seen: listens.then(Vec::new),
            verdicts: None,
            kept: None,
            watches_drops: false,
        };
        let (slots, vacant, elsewhere, unheard) = Default::default();
        let directory = Directory::new(of as u32);
        Self { slots, vacant, directory, post, elsewhere, unheard, warm: 0 }
    }

    pub(super) fn slot(&self, addr: MemoryAddr) -> Option<&Slot<L, A>> {
        self.slots.get(self.directory.get(addr)?)?.as_deref()
    }

    pub(super) fn slot_mut(&mut self, addr: MemoryAddr) -> Option<&mut Slot<L, A>> {
        self.slots.get_mut(self.directory.get(addr)?)?.as_deref_mut()
    }

    pub(super) fn insert(&mut self, addr: MemoryAddr, app: A) {
        let slot = Slot {
            addr,
            node: None,
            app,
            ledger: Ledger::default(),
            sent: 0,
            sent_to: BTreeMap::new(),
            pipes: Vec::new(),
            piped: BTreeMap::new(),
            nat: None,
            condition: None,
            drops: Drops::default(),
            armed: None,
            rings: None,
            patience: Patience::default(),
        };
        self.put(Box::new(slot));
    }

    /// Puts a node where its address says.
    pub(super) fn put(&mut self, slot: Box<Slot<L, A>>) {
        let (addr, slot) = (slot.addr, Some(slot));
        let place = self.vacant.pop().unwrap_or(self.slots.len());
        match self.slots.get_mut(place) {
            Some(vacant) => *vacant = slot,
            None => self.slots.push(slot),
        }
        self.directory.insert(addr, place);
    }

    /// Takes a node out. What waits for it is lost, what it sent leaves its pipes, and these are gone.
    pub(super) fn pull(&mut self, addr: MemoryAddr) -> Option<Box<Slot<L, A>>> {
        self.abandon(addr);
        let place = self.directory.remove(addr)?;
        let mut slot = self.slots.get_mut(place)?.take()?;
        self.vacant.push(place);
        self.post.drain(&mut slot);
        slot.pipes.clear();
        slot.piped.clear();
        (slot.nat, slot.armed, slot.rings) = (None, None, None);
        Some(slot)
    }

    pub(super) fn remove(&mut self, addr: MemoryAddr) -> Option<A> {
        let slot = self.pull(addr)?;
        self.elsewhere.join(addr.0.into(), slot.ledger.trace);
        Some(slot.app)
    }

    /// What waits for a node is lost.
    fn abandon(&mut self, addr: MemoryAddr) {
        let Some(place) = self.directory.get(addr) else { return };
        let Some(Some(slot)) = self.slots.get_mut(place) else { return };
        let waited = slot.condition.as_mut().map(|condition| condition.abandon());
        for Flight { id, src, dst, bytes, .. } in waited.into_iter().flatten() {
            let fate = Fate::Lost(Loss::Nobody);
            self.post.see(&mut slot.ledger, id, (src, dst), fate, &bytes);
        }
    }

    /// Has a node do something now, and moves what comes of it.
    pub(super) fn with(
        &mut self,
        links: &Links,
        addr: MemoryAddr,
        act: impl FnOnce(Instant, &mut Node<L>),
    ) {
        let Some(place) = self.directory.get(addr) else { return };
        let Some(Some(slot)) = self.slots.get_mut(place) else { return };
        let local = slot.local(self.post.now);
        if let Some(node) = &mut slot.node {
            act(local, node);
            self.post.pump(links, place, slot);
        }
    }

    /// Has an application do something now, unless its node crashed.
    pub(super) fn app(
        &mut self,
        links: &Links,
        addr: MemoryAddr,
        act: impl FnOnce(&mut A, &mut Cx<'_, L, A::Note>),
    ) {
        let Some(place) = self.directory.get(addr) else { return };
        let Some(Some(slot)) = self.slots.get_mut(place) else { return };
        if let (Some(mut cx), app) = slot.lend(&mut self.post) {
            act(app, &mut cx);
            self.post.pump(links, place, slot);
        }
    }

    /// Changes the condition of a node, and puts its timers where they belong then.
    pub(super) fn set_condition(&mut self, addr: MemoryAddr, set: impl FnOnce(&mut Condition)) {
        let Some(place) = self.directory.get(addr) else { return };
        let Some(Some(slot)) = self.slots.get_mut(place) else { return };
        set(slot.condition_mut());
        self.post.arm(place, slot);
    }

    pub(super) fn crash(&mut self, addr: MemoryAddr) {
        self.abandon(addr);
        if let Some(slot) = self.slot_mut(addr) {
            (slot.node, slot.armed, slot.drops) = (None, None, Drops::default());
            if let Some(condition) = &mut slot.condition {
                condition.paused = false;
            }
        }
    }

    /// What happens next. Timers that were put off since are put where they belong.
    pub(super) fn next(&mut self) -> Option<Key> {
        loop {
            let (key, happening) = self.post.wheel.peek()?;
            let at = Instant::ZERO + Duration::from_nanos(key.at);
            let (place, rings) = match *happening {
                Happening::Land(_) => return Some(key),
                Happening::Ring(place) => (place, true),
                Happening::Leave(place) => (place, false),
            };
            let slot = self.slots.get_mut(place as usize).and_then(Option::as_deref_mut);
            // Another node may be at this place by now.
            if !rings {
                let nth = pipe_of(key);
                let slot = slot.filter(|slot| leaving(at, slot.addr, nth) == key);
                if slot.and_then(|slot| slot.pipes.get(nth)?.wakes).is_some_and(|wakes| wakes == at)
                {
                    return Some(key);
                }
                self.post.wheel.pop();
                continue;
            }
            let slot = slot.filter(|slot| timer(at, slot.addr) == key);
            if slot.as_ref().is_some_and(|slot| slot.armed == Some(at)) {
                return Some(key);
            }
            self.post.wheel.pop();
            if let Some(slot) = slot.filter(|slot| slot.rings == Some(at)) {
                slot.rings = slot.armed;
                if let Some(armed) = slot.armed {
                    self.post.wheel.push(timer(armed, slot.addr), Happening::Ring(place));
                }
            }
        }
    }

    /// Lets the next thing happen.
    pub(super) fn step(&mut self, links: &Links) {
        if self.next().is_none() {
            return;
        }
        self.warm = self.warm.checked_sub(1).unwrap_or_else(|| self.look_ahead());
        let Some((key, happening)) = self.post.wheel.pop() else { return };
        let at = Instant::ZERO + Duration::from_nanos(key.at);
        (self.post.now, self.post.key) = (self.post.now.max(at), key);
        match happening {
            Happening::Land(place) => {
                if let Some(flight) = self.post.take(place) {
                    self.land(links, flight);
                }
            }
            Happening::Ring(place) => self.ring(links, place as usize, at),
            Happening::Leave(place) => {
                let slot = self.slots.get_mut(place as usize).and_then(Option::as_deref_mut);
                let Some(slot) = slot else { return };
                let nth = pipe_of(key);
                if let Some(pipe) = slot.pipes.get_mut(nth) {
                    pipe.wakes = None;
                }
                self.post.pour(links, place as usize, slot, nth);
            }
        }
    }

    /// Looks at what the next events are about, and returns how many more they are. Of many nodes none is in the cache when its
    /// turn comes; looked at together they are fetched together, in little more time than one of them takes.
    fn look_ahead(&self) -> usize {
        let (mut count, mut seen) = (0_usize, 0_u8);
        for happening in self.post.wheel.sorted().take(WARM) {
            let place = match *happening {
                Happening::Ring(place) | Happening::Leave(place) => Some(place as usize),
                Happening::Land(flight) => {
                    let flight = self.post.flights.get(flight as usize).and_then(Option::as_ref);
                    seen ^= flight.and_then(|flight| flight.bytes.first()).map_or(0, |byte| *byte);
                    flight.and_then(|flight| self.directory.get(flight.dst))
                }
            };
            let slot = place.and_then(|place| self.slots.get(place)?.as_deref());
            seen ^= slot.map_or(0, |slot| {
                let (node, armed) = (slot.node.is_some(), slot.armed.is_some());
                u8::from(node)
                    ^ u8::from(armed)
                    ^ slot.ledger.trace.steps() as u8
                    ^ slot.addr.0 as u8
            });
            count += 1;
        }
        black_box(seen);
        count.saturating_sub(1)
    }

    /// Lets things happen up to `last`, in nanoseconds, and with it, so many at the most. Returns whether
    /// there are more.
    pub(super) fn run_through(&mut self, links: &Links, last: u64, at_most: usize) -> bool {
        for _ in 0..at_most {
            if self.next().is_none_or(|next| next.at > last) {
                return false;
            }
            self.step(links);
        }
        true
    }

    /// A copy of a datagram has arrived.
    fn land(&mut self, links: &Links, flight: Flight) {
        let Flight { id, src, dst, to, .. } = flight;
        let place = self.directory.get(to).unwrap_or(usize::MAX);
        let Some(slot) = self.slots.get_mut(place).and_then(Option::as_deref_mut) else {
            let mut before = core::mem::take(&mut self.unheard);
            before.trace = Trace::default();
            self.post.see(&mut before, id, (src, dst), Fate::Lost(Loss::Nobody), &flight.bytes);
            self.elsewhere.join(u64::MAX, before.trace);
            self.unheard = before;
            return;
        };
        let now = self.post.now;
        let lost = if slot.node.is_none() {
            Some(Loss::Nobody)
        } else if to != dst {
            links.nats.admit(now, to, (src, dst), slot.nat.as_deref()).err()
        } else {
            None
        };
        if let Some(loss) = lost {
            let (way, fate) = ((src, dst), Fate::Lost(loss));
            return self.post.see(&mut slot.ledger, id, way, fate, &flight.bytes);
        }
        match slot.condition.as_mut().filter(|condition| condition.is_held(now)) {
            None => self.deliver(links, place, flight),
            Some(condition) => {
                if let Err(flight) = condition.wait(flight) {
                    let (way, fate) = ((src, dst), Fate::Lost(Loss::Backlog));
                    self.post.see(&mut slot.ledger, id, way, fate, &flight.bytes);
                }
                self.post.arm(place, slot);
            }
        }
    }

    /// The node at `place` is given what has arrived for it.
    fn deliver(&mut self, links: &Links, place: usize, flight: Flight) {
        let Flight { id, src, to: dst, bytes, spoilt, .. } = flight;
        let Some(slot) = self.slots.get_mut(place).and_then(Option::as_deref_mut) else { return };
        let fate = Fate::Delivered { spoilt };
        self.post.see(&mut slot.ledger, id, (src, dst), fate, &bytes);
        let local = slot.local(self.post.now);
        if let Some(node) = &mut slot.node {
            node.handle_input(local, DatagramInput::Datagram { src, dst, payload: bytes });
            slot.spend(self.post.now);
            self.post.pump(links, place, slot);
        }
    }

    /// The node at `place` turns to what is due: a timer of its own, or of its application, or what
    /// waited for it.
    fn ring(&mut self, links: &Links, place: usize, at: Instant) {
        let now = self.post.now;
        if let Some(slot) = self.slots.get_mut(place).and_then(Option::as_deref_mut) {
            slot.armed = None;
            slot.rings = slot.rings.filter(|rings| *rings != at);
        }
        loop {
            let slot = self.slots.get_mut(place).and_then(Option::as_deref_mut);
            let Some(slot) = slot else { return };
            let Some(condition) = &mut slot.condition else { return self.tick(links, place) };
            let timer = slot.node.as_ref().and_then(|node| {
                tellask::layer::earliest(node.poll_timeout(), slot.app.poll_timeout())
            });
            match condition.turn(now, timer) {
                Turn::Datagram(flight) => self.deliver(links, place, flight),
                // The next comes a nanosecond later, so that time passes.
                Turn::Timer => return self.tick(links, place),
                Turn::Nothing => return self.post.arm(place, slot),
            }
        }
    }

    /// A timer of the node at `place`, or of its application, is due.
    fn tick(&mut self, links: &Links, place: usize) {
        let Some(slot) = self.slots.get_mut(place).and_then(Option::as_deref_mut) else { return };
        let now = self.post.now;
        let words = [now.as_nanos(), u64::from(slot.addr.0), 64];
        slot.ledger.add((now, &self.post.kept), What::Timer, &words, &[]);
        slot.patience.ring(slot.addr, now);
        slot.spend(now);
        let local = slot.local(now);
        let Some(node) = &mut slot.node else { return };
        node.handle_timeout(local);
        self.post.pump(links, place, slot);
        if slot.app.poll_timeout().is_some_and(|at| at <= local) {
            if let (Some(mut cx), app) = slot.lend(&mut self.post) {
                app.on_timeout(&mut cx);
            }
            self.post.pump(links, place, slot);
        }
    }
}
