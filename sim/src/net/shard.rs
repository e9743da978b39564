//! The nodes that one thread runs, and the events that are to come for them.
//!
//! A node belongs to the shard of its address. Nodes concern each other by datagrams only, and those of
//! other shards are handed over between two windows of time, each shorter than any datagram takes. So what
//! a node sees is the same however many shards there are.

use super::app::{App, Cx};
use super::directory::Directory;
use super::draw::Draw;
use super::links::Links;
use super::pipe::Piping;
use super::tap::{DatagramId, Fate, Loss, Seen};
use super::trace::Trace;
use super::{Flight, Totals};
use crate::engine::{Key, Wheel};
use std::collections::BTreeMap;
use tellask::{BytesMut, Datagram, DatagramInput, Instant, Layer, MemoryAddr, Node};

/// A node and its application.
pub(super) struct Slot<L, A> {
    pub(super) addr: MemoryAddr,
    /// `None` while it is crashed.
    pub(super) node: Option<Node<L>>,
    pub(super) app: A,
    pub(super) trace: Trace,
    /// Datagrams sent in all, and by way: what the draws are numbered by. They go on after a crash.
    sent: u64,
    sent_to: BTreeMap<MemoryAddr, u64>,
    /// The links that it sends through, and which way leads through which.
    pub(super) pipes: Vec<Piping>,
    pub(super) piped: BTreeMap<MemoryAddr, usize>,
    /// When its next timer is due.
    armed: Option<Instant>,
    /// The earliest of its events in the wheel. Events that are not for `armed` are passed over.
    rings: Option<Instant>,
}

/// What happens. Flights and nodes are said by their places.
#[derive(Clone, Copy)]
enum Happening {
    Land(u32),
    Ring(u32),
}

/// What goes out from the nodes of a shard.
pub(super) struct Post<N> {
    number: usize,
    of: usize,
    pub(super) now: Instant,
    /// The event that is happening.
    pub(super) key: Key,
    wheel: Wheel<Happening>,
    flights: Vec<Option<Flight>>,
    free: Vec<u32>,
    /// For the other shards, by their numbers.
    pub(super) out: Vec<Vec<Flight>>,
    pub(super) totals: Totals,
    /// `None` where nobody listens.
    pub(super) seen: Option<Vec<(Key, Seen<N>)>>,
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
    fn send(&mut self, flight: Flight) {
        let shard = shard_of(flight.dst, self.of);
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
        trace: &mut Trace,
        id: DatagramId,
        (src, dst): (MemoryAddr, MemoryAddr),
        fate: Fate,
        bytes: &[u8],
    ) {
        self.totals.count(fate, bytes.len());
        let way = u64::from(src.0) << 32 | u64::from(dst.0);
        trace.add(&[self.now.as_nanos(), way, id.number, fate.code()], bytes);
        if let Some(seen) = &mut self.seen {
            let (now, bytes) = (self.now, bytes.to_vec());
            seen.push((self.key, Seen::Datagram { now, id, src, dst, fate, bytes }));
        }
    }

    /// The timer of the node at `place` is due when its slot says.
    fn arm<L: Layer, A: App<L>>(&mut self, place: usize, slot: &mut Slot<L, A>) {
        let Some(node) = &slot.node else { return };
        let due = tellask::layer::earliest(node.poll_timeout(), slot.app.poll_timeout());
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
        loop {
            let Some(node) = &mut slot.node else { return };
            // Events first: what a datagram made the application hear is heard before anything else is seen.
            if let Some(event) = node.poll_event() {
                let (mut cx, app) = slot.lend(self);
                if let Some(cx) = &mut cx {
                    app.on_event(cx, event);
                }
            } else if let Some(Datagram { src, dst, payload }) = node.poll_transmit() {
                let src = src.unwrap_or(slot.addr);
                self.on_sent(links, slot, src, dst, payload.into_mut());
            } else {
                break;
            }
        }
        self.arm(place, slot);
    }

    /// A node sends: what becomes of the datagram is decided here.
    fn on_sent<L, A>(
        &mut self,
        links: &Links,
        slot: &mut Slot<L, A>,
        src: MemoryAddr,
        dst: MemoryAddr,
        bytes: BytesMut,
    ) where
        L: Layer<Input = DatagramInput<MemoryAddr>>,
    {
        let (sender, way) = (slot.addr, (src, dst));
        let id = DatagramId { sender: Some(sender), number: slot.sent };
        slot.sent += 1;
        let nth = slot.sent_to.entry(dst).or_default();
        let draw = Draw::new(links.seed, sender.0, dst.0, *nth);
        *nth += 1;
        let faults = links.faults(sender, dst);
        let copies = if faults.duplicate.happens(draw, "duplicate") { 2 } else { 1 };
        if bytes.len() > links.mtu {
            self.see(&mut slot.trace, id, way, Fate::Sent { copies: 1 }, &bytes);
            self.see(&mut slot.trace, id, way, Fate::Lost(Loss::TooLarge), &bytes);
            // As a socket does that knows the limit of its link. Whatever the node says to it is
            // moved by `pump`, which called this.
            if let Some(node) = &mut slot.node {
                node.handle_input(self.now, DatagramInput::TooLarge { dst, limit: links.mtu });
            }
            return;
        }
        let pipe = slot.piped.get(&dst).and_then(|nth| slot.pipes.get_mut(*nth));
        let Some(leaves) = pipe.map_or(Some(self.now), |pipe| pipe.pass(self.now, bytes.len()))
        else {
            self.see(&mut slot.trace, id, way, Fate::Sent { copies: 1 }, &bytes);
            return self.see(&mut slot.trace, id, way, Fate::Lost(Loss::Overflow), &bytes);
        };
        self.see(&mut slot.trace, id, way, Fate::Sent { copies }, &bytes);
        for copy in 0..copies {
            let draw = draw.with(copy.into());
            let loss = if links.is_cut(sender, dst) {
                Some(Loss::Cut)
            } else {
                faults.loss.happens(draw, "loss").then_some(Loss::Random)
            };
            if let Some(loss) = loss {
                self.see(&mut slot.trace, id, way, Fate::Lost(loss), &bytes);
                continue;
            }
            let mut bytes = bytes.clone();
            let spoilt = faults.spoil(draw, &mut bytes);
            let at = leaves + faults.time(draw);
            self.send(Flight { at, id, copy, src, dst, bytes, spoilt });
        }
    }
}

impl<L: Layer, A: App<L>> Slot<L, A> {
    /// What the application is lent, unless the node crashed, and the application.
    fn lend<'a>(
        &'a mut self,
        post: &'a mut Post<A::Note>,
    ) -> (Option<Cx<'a, L, A::Note>>, &'a mut A) {
        let Self { addr, node, app, trace, .. } = self;
        let (now, key, seen) = (post.now, post.key, post.seen.as_mut());
        let cx = node.as_mut().map(|node| Cx { now, addr: *addr, node, trace, key, seen });
        (cx, app)
    }
}

/// The nodes, and what is to come.
pub(super) struct Shard<L: Layer, A: App<L>> {
    slots: Vec<Option<Box<Slot<L, A>>>>,
    vacant: Vec<usize>,
    directory: Directory,
    pub(super) post: Post<A::Note>,
    /// Of what concerns no node that is there.
    pub(super) elsewhere: Trace,
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
        };
        let (slots, vacant, elsewhere) = Default::default();
        Self { slots, vacant, directory: Directory::new(of as u32), post, elsewhere }
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
            trace: Trace::default(),
            sent: 0,
            sent_to: BTreeMap::new(),
            pipes: Vec::new(),
            piped: BTreeMap::new(),
            armed: None,
            rings: None,
        };
        let slot = Some(Box::new(slot));
        let place = self.vacant.pop().unwrap_or(self.slots.len());
        match self.slots.get_mut(place) {
            Some(vacant) => *vacant = slot,
            None => self.slots.push(slot),
        }
        self.directory.insert(addr, place);
    }

    pub(super) fn remove(&mut self, addr: MemoryAddr) -> Option<A> {
        let place = self.directory.remove(addr)?;
        let slot = self.slots.get_mut(place)?.take()?;
        self.vacant.push(place);
        self.elsewhere.join(addr.0.into(), slot.trace);
        Some(slot.app)
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
        if let Some(node) = &mut slot.node {
            act(self.post.now, node);
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

    pub(super) fn crash(&mut self, addr: MemoryAddr) {
        if let Some(slot) = self.slot_mut(addr) {
            (slot.node, slot.armed) = (None, None);
        }
    }

    /// What happens next. Timers that were put off since are put where they belong.
    pub(super) fn next(&mut self) -> Option<Key> {
        loop {
            let (key, happening) = self.post.wheel.peek()?;
            let Happening::Ring(place) = *happening else { return Some(key) };
            let at = Instant::ZERO + core::time::Duration::from_nanos(key.at);
            let slot = self.slots.get_mut(place as usize).and_then(Option::as_deref_mut);
            // Another node may be at this place by now.
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
        let Some((key, happening)) = self.post.wheel.pop() else { return };
        let at = Instant::ZERO + core::time::Duration::from_nanos(key.at);
        (self.post.now, self.post.key) = (self.post.now.max(at), key);
        match happening {
            Happening::Land(place) => {
                if let Some(flight) = self.post.take(place) {
                    self.land(links, flight);
                }
            }
            Happening::Ring(place) => self.ring(links, place as usize, at),
        }
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
        let Flight { id, src, dst, bytes, spoilt, .. } = flight;
        let place = self.directory.get(dst).unwrap_or(usize::MAX);
        let Some(slot) = self.slots.get_mut(place).and_then(Option::as_deref_mut) else {
            let mut trace = Trace::default();
            self.post.see(&mut trace, id, (src, dst), Fate::Lost(Loss::Nobody), &bytes);
            return self.elsewhere.join(u64::MAX, trace);
        };
        let fate =
            if slot.node.is_some() { Fate::Delivered { spoilt } } else { Fate::Lost(Loss::Nobody) };
        self.post.see(&mut slot.trace, id, (src, dst), fate, &bytes);
        if let Some(node) = &mut slot.node {
            let input = DatagramInput::Datagram { src, dst, payload: bytes };
            node.handle_input(self.post.now, input);
            self.post.pump(links, place, slot);
        }
    }

    /// A timer of the node at `place`, or of its application, is due.
    fn ring(&mut self, links: &Links, place: usize, at: Instant) {
        let Some(slot) = self.slots.get_mut(place).and_then(Option::as_deref_mut) else { return };
        let now = self.post.now;
        slot.armed = None;
        if slot.rings == Some(at) {
            slot.rings = None;
        }
        slot.trace.add(&[now.as_nanos(), u64::from(slot.addr.0), 64], &[]);
        let Some(node) = &mut slot.node else { return };
        node.handle_timeout(now);
        self.post.pump(links, place, slot);
        if slot.app.poll_timeout().is_some_and(|at| at <= now) {
            if let (Some(mut cx), app) = slot.lend(&mut self.post) {
                app.on_timeout(&mut cx);
            }
            self.post.pump(links, place, slot);
        }
    }
}
