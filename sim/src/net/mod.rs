//! A network of many nodes in virtual time, with every fault that datagrams know.
//!
//! A [`Network`] holds nodes of any stack over the datagram port, each with an [`App`] on top, and
//! moves their datagrams under [`Faults`]. Time is virtual: it passes from event to event. A run is
//! a function of its seed and of what the scenario does:
//!
//! - What happens at the same time happens in the order of (datagrams before timers; sender; how many the
//!   sender had sent), and every datagram takes at least a nanosecond.
//! - Every draw is a hash of the seed, the domain, who sends to whom, and how many went that way before. There
//!   is no generator whose state a node more could shift.
//! - All that happens goes into a [`Trace`]: two runs with the same hash went the same way.
//!
//! Bounds: none but memory. What is on the way is held, and nothing else is but a few words a node and
//! a counter for each way that was used.

mod app;
mod draw;
mod faults;
mod pipe;
mod tap;
#[cfg(test)]
mod tests;
mod trace;

pub use app::{App, Cx};
pub use faults::{Chance, Faults};
pub use pipe::{Pipe, PipeId, Piped};
pub use tap::{DatagramId, Fate, Loss, Sighting, Tap};
pub use trace::Trace;

use self::draw::Draw;
use self::pipe::Piping;
use core::cmp::Ordering;
use core::fmt;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use tellask::{BytesMut, Datagram, DatagramInput, Instant, Layer, MemoryAddr, Node};

/// Nodes that send each other datagrams. `L` is their stack, `A` their application, `T` who listens in.
pub struct Network<L, A = (), T = ()> {
    seed: u64,
    now: Instant,
    nodes: BTreeMap<MemoryAddr, Slot<L, A>>,
    timers: BTreeSet<(Instant, MemoryAddr)>,
    flying: BinaryHeap<Flight>,
    injected: u64,
    faults: Faults,
    ways: BTreeMap<(MemoryAddr, MemoryAddr), Faults>,
    cuts: BTreeSet<(MemoryAddr, MemoryAddr)>,
    pipes: Vec<Piping>,
    piped: BTreeMap<(MemoryAddr, MemoryAddr), PipeId>,
    mtu: usize,
    trace: Trace,
    totals: Totals,
    tap: T,
}

/// How many copies of datagrams met which fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Datagrams that nodes sent, or that were injected.
    pub sent: u64,
    /// The bytes in them.
    pub sent_bytes: u64,
    /// Copies given to nodes.
    pub delivered: u64,
    /// Those of them whose bytes were changed on the way.
    pub spoilt: u64,
    /// Datagrams of which there were two copies.
    pub duplicated: u64,
    /// Copies that were lost.
    pub lost: u64,
}

struct Slot<L, A> {
    /// `None` while it is crashed.
    node: Option<Node<L>>,
    app: A,
    /// Datagrams sent in all, and by way: what the draws are numbered by. They go on after a crash.
    sent: u64,
    sent_to: BTreeMap<MemoryAddr, u64>,
    armed: Option<Instant>,
}

/// A copy of a datagram on its way.
struct Flight {
    at: Instant,
    id: DatagramId,
    copy: u8,
    src: MemoryAddr,
    dst: MemoryAddr,
    bytes: BytesMut,
    spoilt: bool,
}

impl Flight {
    const fn order(&self) -> (Instant, DatagramId, u8) {
        (self.at, self.id, self.copy)
    }
}

impl<L, A> Network<L, A>
where
    L: Layer<Input = DatagramInput<MemoryAddr>, Transmit = Datagram<MemoryAddr>>,
    A: App<L>,
{
    /// A network without nodes and faults, with an MTU of 1,400 bytes. It is one second past the epoch.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::tapped(seed, ())
    }
}

impl<L, A, T> Network<L, A, T>
where
    L: Layer<Input = DatagramInput<MemoryAddr>, Transmit = Datagram<MemoryAddr>>,
    A: App<L>,
    T: Tap,
{
    /// The same with somebody who listens in.
    #[must_use]
    pub fn tapped(seed: u64, tap: T) -> Self {
        Self {
            seed,
            now: Instant::ZERO + Duration::from_secs(1),
            nodes: BTreeMap::new(),
            timers: BTreeSet::new(),
            flying: BinaryHeap::new(),
            injected: 0,
            faults: Faults::NONE,
            ways: BTreeMap::new(),
            cuts: BTreeSet::new(),
            pipes: Vec::new(),
            piped: BTreeMap::new(),
            mtu: 1_400,
            trace: Trace::new(),
            totals: Totals::default(),
            tap,
        }
    }

    /// What time it is.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// The hash of all that happened so far.
    #[must_use]
    pub const fn trace(&self) -> Trace {
        self.trace
    }

    /// The figures so far.
    #[must_use]
    pub const fn totals(&self) -> Totals {
        self.totals
    }

    /// Who listens in.
    #[must_use]
    pub const fn tap(&self) -> &T {
        &self.tap
    }

    /// Who listens in, to tell them what to listen for.
    pub const fn tap_mut(&mut self) -> &mut T {
        &mut self.tap
    }

    /// What happens on every way that has no faults of its own, from now on.
    pub const fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// What happens from `src` to `dst`, from now on; the other direction is as before.
    pub fn set_faults_between(&mut self, src: MemoryAddr, dst: MemoryAddr, faults: Faults) {
        self.ways.insert((src, dst), faults);
    }

    /// Lays a link that is only so fast; [`lead`](Self::lead) says what goes through it.
    pub fn lay(&mut self, pipe: Pipe) -> PipeId {
        self.pipes.push(Piping::new(pipe));
        PipeId(self.pipes.len() - 1)
    }

    /// Leads what `src` sends to `dst` through a pipe from now on, in front of all faults. Several ways
    /// may go through one pipe, and share it.
    pub fn lead(&mut self, src: MemoryAddr, dst: MemoryAddr, through: PipeId) {
        self.piped.insert((src, dst), through);
    }

    /// What went through a pipe so far.
    #[must_use]
    pub fn piped(&self, pipe: PipeId) -> Piped {
        self.pipes.get(pipe.0).map(|pipe| pipe.total).unwrap_or_default()
    }

    /// The largest datagram, in bytes. Nodes that are added later learn it when they are bound, the
    /// others when they send a larger one.
    pub const fn set_mtu(&mut self, mtu: usize) {
        self.mtu = mtu;
    }

    /// Cuts the way from `src` to `dst`: what is sent from now on is lost. The other direction stays.
    pub fn cut(&mut self, src: MemoryAddr, dst: MemoryAddr) {
        self.cuts.insert((src, dst));
    }

    /// Undoes [`cut`](Self::cut).
    pub fn mend(&mut self, src: MemoryAddr, dst: MemoryAddr) {
        self.cuts.remove(&(src, dst));
    }

    /// Undoes every [`cut`](Self::cut).
    pub fn mend_all(&mut self) {
        self.cuts.clear();
    }

    /// Puts a node at `addr` and binds it. Whoever was there is gone, with their application.
    pub fn add(&mut self, addr: MemoryAddr, stack: L, app: A) {
        self.remove(addr);
        let slot = Slot { node: None, app, sent: 0, sent_to: BTreeMap::new(), armed: None };
        self.nodes.insert(addr, slot);
        self.start(addr, stack);
    }

    /// Takes the node at `addr` away. What it sent is still delivered.
    pub fn remove(&mut self, addr: MemoryAddr) -> Option<A> {
        self.disarm(addr);
        Some(self.nodes.remove(&addr)?.app)
    }

    /// The node at `addr` stops at once and forgets everything; its application stays, but hears nothing.
    pub fn crash(&mut self, addr: MemoryAddr) {
        self.disarm(addr);
        if let Some(slot) = self.nodes.get_mut(&addr) {
            slot.node = None;
        }
    }

    /// A node that crashed starts again, with this stack.
    pub fn start(&mut self, addr: MemoryAddr, stack: L) {
        let mtu = self.mtu;
        let bound = DatagramInput::Bound { local: vec![addr], mtu };
        if let Some(slot) = self.nodes.get_mut(&addr) {
            slot.node = Some(Node::new(stack));
            self.with(addr, |now, node| node.handle_input(now, bound));
            self.app(addr, App::on_start);
        }
    }

    /// The node at `addr`, to look at; `None` where there is none, or it crashed.
    #[must_use]
    pub fn node(&self, addr: MemoryAddr) -> Option<&Node<L>> {
        self.nodes.get(&addr)?.node.as_ref()
    }

    /// The application at `addr`, crashed or not.
    #[must_use]
    pub fn app_at(&self, addr: MemoryAddr) -> Option<&A> {
        Some(&self.nodes.get(&addr)?.app)
    }

    /// The same, to take out what it holds. What is to reach its node goes through [`app`](Self::app).
    pub fn app_at_mut(&mut self, addr: MemoryAddr) -> Option<&mut A> {
        Some(&mut self.nodes.get_mut(&addr)?.app)
    }

    /// All applications, in the order of addresses.
    pub fn apps(&self) -> impl Iterator<Item = (MemoryAddr, &A)> {
        self.nodes.iter().map(|(addr, slot)| (*addr, &slot.app))
    }

    /// All nodes that run, in the order of addresses.
    pub fn running(&self) -> impl Iterator<Item = (MemoryAddr, &Node<L>)> {
        self.nodes.iter().filter_map(|(addr, slot)| Some((*addr, slot.node.as_ref()?)))
    }

    /// Lets the application at `addr` do something now.
    pub fn app(&mut self, addr: MemoryAddr, act: impl FnOnce(&mut A, &mut Cx<'_, L>)) {
        let Some(slot) = self.nodes.get_mut(&addr) else { return };
        if let Some(node) = &mut slot.node {
            let mut cx = Cx { now: self.now, addr, node, trace: &mut self.trace };
            act(&mut slot.app, &mut cx);
            self.pump(addr);
        }
    }

    /// Delivers any bytes from any address after `delay`, untouched by faults and cuts: what somebody
    /// sends who can claim to be anybody.
    pub fn inject(&mut self, src: MemoryAddr, dst: MemoryAddr, bytes: &[u8], delay: Duration) {
        let id = DatagramId { sender: None, number: self.injected };
        self.injected += 1;
        self.see(id, src, dst, Fate::Sent { copies: 1 }, bytes);
        let at = self.now + delay.max(Duration::from_nanos(1));
        let bytes = BytesMut::from(bytes);
        self.flying.push(Flight { at, id, copy: 0, src, dst, bytes, spoilt: false });
    }

    /// When the next thing happens.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        let flight = self.flying.peek().map(|flight| flight.at);
        let timer = self.timers.first().map(|(at, _)| *at);
        tellask::layer::earliest(flight, timer)
    }

    /// Lets the next thing happen, and returns when it did.
    pub fn step(&mut self) -> Option<Instant> {
        let next = self.next()?;
        self.now = self.now.max(next);
        if self.flying.peek().is_some_and(|flight| flight.at <= next) {
            if let Some(flight) = self.flying.pop() {
                self.land(flight);
            }
        } else if let Some((_, addr)) = self.timers.pop_first() {
            self.ring(addr);
        }
        Some(self.now)
    }

    /// Lets everything happen up to `until`, with it, and makes it that time.
    pub fn run_until(&mut self, until: Instant) {
        while self.next().is_some_and(|next| next <= until) {
            self.step();
        }
        self.now = self.now.max(until);
    }

    /// The same for a time from now.
    pub fn run_for(&mut self, time: Duration) {
        self.run_until(self.now + time);
    }

    fn with(&mut self, addr: MemoryAddr, act: impl FnOnce(Instant, &mut Node<L>)) {
        if let Some(node) = self.nodes.get_mut(&addr).and_then(|slot| slot.node.as_mut()) {
            act(self.now, node);
            self.pump(addr);
        }
    }

    /// A copy of a datagram has arrived.
    fn land(&mut self, flight: Flight) {
        let Flight { id, src, dst, bytes, spoilt, .. } = flight;
        if self.node(dst).is_none() {
            return self.see(id, src, dst, Fate::Lost(Loss::Nobody), &bytes);
        }
        self.see(id, src, dst, Fate::Delivered { spoilt }, &bytes);
        let input = DatagramInput::Datagram { src, dst, payload: bytes };
        self.with(dst, |now, node| node.handle_input(now, input));
    }

    /// A timer of the node at `addr`, or of its application, is due.
    fn ring(&mut self, addr: MemoryAddr) {
        let now = self.now;
        self.trace.add(&[now.as_nanos(), u64::from(addr.0), 64], &[]);
        let Some(slot) = self.nodes.get_mut(&addr) else { return };
        slot.armed = None;
        self.with(addr, |now, node| node.handle_timeout(now));
        let due = |app: &A| app.poll_timeout().is_some_and(|at| at <= now);
        if self.app_at(addr).is_some_and(due) {
            self.app(addr, App::on_timeout);
        }
    }

    /// Moves out of a node what it has to send and to say, until it has no more.
    fn pump(&mut self, addr: MemoryAddr) {
        let now = self.now;
        loop {
            let Some(slot) = self.nodes.get_mut(&addr) else { return };
            let Some(node) = &mut slot.node else { return };
            // Events first: what a datagram made the application hear is heard before anything else is seen.
            if let Some(event) = node.poll_event() {
                let mut cx = Cx { now, addr, node, trace: &mut self.trace };
                slot.app.on_event(&mut cx, event);
            } else if let Some(Datagram { src, dst, payload }) = node.poll_transmit() {
                let src = src.unwrap_or(addr);
                self.send(addr, src, dst, payload.into_mut());
            } else {
                break;
            }
        }
        self.arm(addr);
    }

    fn disarm(&mut self, addr: MemoryAddr) {
        if let Some(at) = self.nodes.get_mut(&addr).and_then(|slot| slot.armed.take()) {
            self.timers.remove(&(at, addr));
        }
    }

    fn arm(&mut self, addr: MemoryAddr) {
        let Some(slot) = self.nodes.get_mut(&addr) else { return };
        let Some(node) = &slot.node else { return };
        let due = tellask::layer::earliest(node.poll_timeout(), slot.app.poll_timeout());
        // A nanosecond passes even where something is due for ever.
        let due = due.map(|due| due.max(self.now.next()));
        if due == slot.armed {
            return;
        }
        if let Some(at) = core::mem::replace(&mut slot.armed, due) {
            self.timers.remove(&(at, addr));
        }
        if let Some(at) = due {
            self.timers.insert((at, addr));
        }
    }

    /// A node sends: what becomes of the datagram is decided here.
    fn send(&mut self, sender: MemoryAddr, src: MemoryAddr, dst: MemoryAddr, bytes: BytesMut) {
        let Some(slot) = self.nodes.get_mut(&sender) else { return };
        let id = DatagramId { sender: Some(sender), number: slot.sent };
        slot.sent += 1;
        let nth = slot.sent_to.entry(dst).or_default();
        let draw = Draw::new(self.seed, sender.0, dst.0, *nth);
        *nth += 1;
        let faults = if self.ways.is_empty() {
            self.faults
        } else {
            self.ways.get(&(sender, dst)).copied().unwrap_or(self.faults)
        };
        let copies = if faults.duplicate.happens(draw, "duplicate") { 2 } else { 1 };
        if bytes.len() > self.mtu {
            self.see(id, src, dst, Fate::Sent { copies: 1 }, &bytes);
            self.see(id, src, dst, Fate::Lost(Loss::TooLarge), &bytes);
            // As a socket does that knows the limit of its link. Whatever the node says to it is
            // moved by `pump`, which called this.
            if let Some(node) = self.nodes.get_mut(&sender).and_then(|slot| slot.node.as_mut()) {
                node.handle_input(self.now, DatagramInput::TooLarge { dst, limit: self.mtu });
            }
            return;
        }
        let pipe = self.piped.get(&(sender, dst)).and_then(|pipe| self.pipes.get_mut(pipe.0));
        let Some(leaves) = pipe.map_or(Some(self.now), |pipe| pipe.pass(self.now, bytes.len()))
        else {
            self.see(id, src, dst, Fate::Sent { copies: 1 }, &bytes);
            return self.see(id, src, dst, Fate::Lost(Loss::Overflow), &bytes);
        };
        self.see(id, src, dst, Fate::Sent { copies }, &bytes);
        for copy in 0..copies {
            let draw = draw.with(copy.into());
            let loss = if !self.cuts.is_empty() && self.cuts.contains(&(sender, dst)) {
                Some(Loss::Cut)
            } else {
                faults.loss.happens(draw, "loss").then_some(Loss::Random)
            };
            if let Some(loss) = loss {
                self.see(id, src, dst, Fate::Lost(loss), &bytes);
                continue;
            }
            let mut bytes = bytes.clone();
            let spoilt = faults.spoil(draw, &mut bytes);
            let at = leaves + faults.time(draw);
            self.flying.push(Flight { at, id, copy, src, dst, bytes, spoilt });
        }
    }

    fn see(&mut self, id: DatagramId, src: MemoryAddr, dst: MemoryAddr, fate: Fate, bytes: &[u8]) {
        let totals = &mut self.totals;
        match fate {
            Fate::Sent { copies } => {
                totals.sent += 1;
                totals.sent_bytes += bytes.len() as u64;
                totals.duplicated += u64::from(copies > 1);
            }
            Fate::Delivered { spoilt } => {
                totals.delivered += 1;
                totals.spoilt += u64::from(spoilt);
            }
            Fate::Lost(_) => totals.lost += 1,
        }
        let way = u64::from(src.0) << 32 | u64::from(dst.0);
        self.trace.add(&[self.now.as_nanos(), way, id.number, fate.code()], bytes);
        self.tap.see(&Sighting { now: self.now, id, src, dst, fate, bytes });
    }
}

impl<L, A, T> fmt::Debug for Network<L, A, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("seed", &self.seed)
            .field("now", &self.now)
            .field("nodes", &self.nodes.keys())
            .field("flying", &self.flying.len())
            .field("trace", &self.trace)
            .finish_non_exhaustive()
    }
}

/// The heap gives the greatest first: the greatest is what happens next.
impl Ord for Flight {
    fn cmp(&self, other: &Self) -> Ordering {
        other.order().cmp(&self.order())
    }
}

impl PartialOrd for Flight {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Flight {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Flight {}
