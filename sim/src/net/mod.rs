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
//! - All that happens to a node goes into its [`Trace`], and these make that of the run: two runs
//!   with the same hash went the same way.
//! - The nodes may be spread over [shards](Network::set_shards) that run in parallel, in windows of time no longer
//!   than the fastest datagram takes. That changes nothing but how long it takes, and a [`Tap`] is
//!   told everything in the same order.
//!
//! Bounds: none but memory. What is on the way is held, and nothing else is but a few words a node,
//! a counter for each way that was used, and for the tap what happened in one window.

mod app;
mod directory;
mod draw;
mod faults;
mod links;
mod parallel;
mod pipe;
mod shard;
mod tap;
#[cfg(test)]
mod tests;
mod trace;

pub use app::{App, Cx};
pub use faults::{Chance, Faults};
pub use pipe::{Pipe, PipeId, Piped};
pub use tap::{DatagramId, Fate, Loss, Sighting, Tap};
pub use trace::Trace;

use self::links::Links;
use self::pipe::Piping;
use self::shard::{Shard, Slot, shard_of};
use core::fmt;
use core::time::Duration;
use tellask::{BytesMut, Datagram, DatagramInput, Instant, Layer, MemoryAddr, Node};

/// Events after which the tap is told what was seen.
const AT_ONCE: usize = 1_024;

/// Nodes that send each other datagrams. `L` is their stack, `A` their application, `T` who listens in.
pub struct Network<L: Layer, A: App<L> = (), T = ()> {
    links: Links,
    now: Instant,
    shards: Vec<Shard<L, A>>,
    injected: u64,
    /// Of what was injected.
    trace: Trace,
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

impl Totals {
    const fn count(&mut self, fate: Fate, bytes: usize) {
        match fate {
            Fate::Sent { copies } => {
                self.sent += 1;
                self.sent_bytes += bytes as u64;
                self.duplicated += (copies > 1) as u64;
            }
            Fate::Delivered { spoilt } => {
                self.delivered += 1;
                self.spoilt += spoilt as u64;
            }
            Fate::Lost(_) => self.lost += 1,
        }
    }

    const fn add(self, other: Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            sent_bytes: self.sent_bytes + other.sent_bytes,
            delivered: self.delivered + other.delivered,
            spoilt: self.spoilt + other.spoilt,
            duplicated: self.duplicated + other.duplicated,
            lost: self.lost + other.lost,
        }
    }
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
    T: Tap<A::Note>,
{
    /// The same with somebody who listens in.
    #[must_use]
    pub fn tapped(seed: u64, tap: T) -> Self {
        let now = Instant::ZERO + Duration::from_secs(1);
        let shards = vec![Shard::new(0, 1, now, T::LISTENS)];
        Self { links: Links::new(seed), now, shards, injected: 0, trace: Trace::default(), tap }
    }

    /// Spreads the nodes over so many shards, at least one and at the most a thousand: that many
    /// threads run them in [`run_until`](Self::run_until). Only before the
    /// first node is added; afterwards it does nothing.
    pub fn set_shards(&mut self, shards: usize) {
        let shards = shards.clamp(1, 1_000);
        if self.shards.iter().all(|shard| shard.slots().next().is_none()) && self.injected == 0 {
            let new = |number| Shard::new(number, shards, self.now, T::LISTENS);
            self.shards = (0..shards).map(new).collect();
        }
    }

    /// What time it is.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// The hash of all that happened so far.
    #[must_use]
    pub fn trace(&self) -> Trace {
        let mut trace = self.trace;
        for shard in &self.shards {
            trace.merge(shard.elsewhere);
            for slot in shard.slots() {
                trace.join(slot.addr.0.into(), slot.trace);
            }
        }
        trace
    }

    /// The hash of what the node at `addr` was sent, did and sent.
    #[must_use]
    pub fn trace_of(&self, addr: MemoryAddr) -> Option<Trace> {
        Some(self.slot(addr)?.trace)
    }

    /// The figures so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.shards.iter().fold(Totals::default(), |sum, shard| sum.add(shard.post.totals))
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
        self.links.faults = faults;
    }

    /// What happens from `src` to `dst`, from now on; the other direction is as before.
    pub fn set_faults_between(&mut self, src: MemoryAddr, dst: MemoryAddr, faults: Faults) {
        self.links.ways.insert((src, dst), faults);
    }

    /// Lays a link that is only so fast, out of the node at `src`; [`lead`](Self::lead) says what goes
    /// through it. `None` where there is no such node. A link that several nodes share is a node that forwards.
    pub fn lay(&mut self, src: MemoryAddr, pipe: Pipe) -> Option<PipeId> {
        let slot = self.slot_mut(src)?;
        slot.pipes.push(Piping::new(pipe));
        Some(PipeId { src, nth: slot.pipes.len() - 1 })
    }

    /// Leads what is sent to `dst` from where the pipe was laid through it from now on, in front of all faults.
    /// Several ways may go through one pipe, and share it.
    pub fn lead(&mut self, dst: MemoryAddr, through: PipeId) {
        if let Some(slot) = self.slot_mut(through.src) {
            slot.piped.insert(dst, through.nth);
        }
    }

    /// What went through a pipe so far.
    #[must_use]
    pub fn piped(&self, pipe: PipeId) -> Piped {
        let pipe = self.slot(pipe.src).and_then(|slot| slot.pipes.get(pipe.nth));
        pipe.map(|pipe| pipe.total).unwrap_or_default()
    }

    /// The largest datagram, in bytes. Nodes that are added later learn it when they are bound, the
    /// others when they send a larger one.
    pub const fn set_mtu(&mut self, mtu: usize) {
        self.links.mtu = mtu;
    }

    /// Cuts the way from `src` to `dst`: what is sent from now on is lost. The other direction stays.
    pub fn cut(&mut self, src: MemoryAddr, dst: MemoryAddr) {
        self.links.cuts.insert((src, dst));
    }

    /// Undoes [`cut`](Self::cut).
    pub fn mend(&mut self, src: MemoryAddr, dst: MemoryAddr) {
        self.links.cuts.remove(&(src, dst));
    }

    /// Undoes every [`cut`](Self::cut).
    pub fn mend_all(&mut self) {
        self.links.cuts.clear();
    }

    /// Puts a node at `addr` and binds it. Whoever was there is gone, with their application.
    pub fn add(&mut self, addr: MemoryAddr, stack: L, app: A) {
        self.remove(addr);
        if let Some(shard) = self.shard_mut(addr) {
            shard.insert(addr, app);
        }
        self.start(addr, stack);
    }

    /// Takes the node at `addr` away. What it sent is still delivered.
    pub fn remove(&mut self, addr: MemoryAddr) -> Option<A> {
        self.shard_mut(addr)?.remove(addr)
    }

    /// The node at `addr` stops at once and forgets everything; its application stays, but hears nothing.
    pub fn crash(&mut self, addr: MemoryAddr) {
        if let Some(shard) = self.shard_mut(addr) {
            shard.crash(addr);
        }
    }

    /// A node that crashed starts again, with this stack.
    pub fn start(&mut self, addr: MemoryAddr, stack: L) {
        let bound = DatagramInput::Bound { local: vec![addr], mtu: self.links.mtu };
        if let Some(slot) = self.slot_mut(addr) {
            slot.node = Some(Node::new(stack));
            self.act(addr, |shard, links| {
                shard.with(links, addr, |now, node| node.handle_input(now, bound));
                shard.app(links, addr, App::on_start);
            });
        }
    }

    /// The node at `addr`, to look at; `None` where there is none, or it crashed.
    #[must_use]
    pub fn node(&self, addr: MemoryAddr) -> Option<&Node<L>> {
        self.slot(addr)?.node.as_ref()
    }

    /// The application at `addr`, crashed or not.
    #[must_use]
    pub fn app_at(&self, addr: MemoryAddr) -> Option<&A> {
        Some(&self.slot(addr)?.app)
    }

    /// The same, to take out what it holds. What is to reach its node goes through [`app`](Self::app).
    pub fn app_at_mut(&mut self, addr: MemoryAddr) -> Option<&mut A> {
        Some(&mut self.slot_mut(addr)?.app)
    }

    /// All applications, in the order of addresses.
    pub fn apps(&self) -> impl Iterator<Item = (MemoryAddr, &A)> {
        self.slots().map(|slot| (slot.addr, &slot.app))
    }

    /// All nodes that run, in the order of addresses.
    pub fn running(&self) -> impl Iterator<Item = (MemoryAddr, &Node<L>)> {
        self.slots().filter_map(|slot| Some((slot.addr, slot.node.as_ref()?)))
    }

    /// Lets the application at `addr` do something now.
    pub fn app(&mut self, addr: MemoryAddr, act: impl FnOnce(&mut A, &mut Cx<'_, L, A::Note>)) {
        self.act(addr, |shard, links| shard.app(links, addr, act));
    }

    /// Delivers any bytes from any address after `delay`, untouched by faults and cuts: what somebody
    /// sends who can claim to be anybody.
    pub fn inject(&mut self, src: MemoryAddr, dst: MemoryAddr, bytes: &[u8], delay: Duration) {
        let id = DatagramId { sender: None, number: self.injected };
        self.injected += 1;
        let at = self.now + delay.max(Duration::from_nanos(1));
        let mut trace = self.trace;
        self.act(dst, |shard, _| {
            shard.post.see(&mut trace, id, (src, dst), Fate::Sent { copies: 1 }, bytes);
            let bytes = BytesMut::from(bytes);
            shard.post.accept(Flight { at, id, copy: 0, src, dst, bytes, spoilt: false });
        });
        self.trace = trace;
    }

    /// When the next thing happens.
    #[must_use]
    pub fn next_at(&mut self) -> Option<Instant> {
        let next = self.shards.iter_mut().filter_map(Shard::next).min();
        next.map(|next| Instant::ZERO + Duration::from_nanos(next.at))
    }

    /// Lets the next thing happen, and returns when it did.
    pub fn step(&mut self) -> Option<Instant> {
        let keys = self.shards.iter_mut().enumerate();
        let (_, nth) = keys.filter_map(|(nth, shard)| Some((shard.next()?, nth))).min()?;
        let shard = self.shards.get_mut(nth)?;
        shard.step(&self.links);
        self.now = self.now.max(shard.post.now);
        self.exchange();
        Some(self.now)
    }

    /// Lets everything happen up to `until`, with it, and makes it that time: what
    /// [`run_until`](Self::run_until) does, in this thread alone.
    pub fn step_until(&mut self, until: Instant) {
        if let [shard] = &mut self.shards[..] {
            while shard.run_through(&self.links, until.as_nanos(), AT_ONCE) {
                exchange(&mut [shard], &mut self.tap);
            }
            exchange(&mut [shard], &mut self.tap);
        }
        while self.next_at().is_some_and(|next| next <= until) {
            self.step();
        }
        self.pass(until);
    }

    /// Makes it that time; nothing happens before.
    fn pass(&mut self, until: Instant) {
        self.now = self.now.max(until);
        for shard in &mut self.shards {
            shard.post.now = self.now;
        }
    }

    fn shard_mut(&mut self, addr: MemoryAddr) -> Option<&mut Shard<L, A>> {
        let shards = self.shards.len();
        self.shards.get_mut(shard_of(addr, shards))
    }

    fn slot(&self, addr: MemoryAddr) -> Option<&Slot<L, A>> {
        self.shards.get(shard_of(addr, self.shards.len()))?.slot(addr)
    }

    fn slot_mut(&mut self, addr: MemoryAddr) -> Option<&mut Slot<L, A>> {
        self.shard_mut(addr)?.slot_mut(addr)
    }

    /// All of them, in the order of addresses.
    fn slots(&self) -> impl Iterator<Item = &Slot<L, A>> {
        let mut slots: Vec<_> = self.shards.iter().flat_map(Shard::slots).collect();
        slots.sort_unstable_by_key(|slot| slot.addr);
        slots.into_iter()
    }

    /// Something is done from outside, now.
    fn act(&mut self, addr: MemoryAddr, act: impl FnOnce(&mut Shard<L, A>, &Links)) {
        let shards = self.shards.len();
        let Some(shard) = self.shards.get_mut(shard_of(addr, shards)) else { return };
        shard.post.now = self.now;
        act(shard, &self.links);
        self.exchange();
    }

    /// Hands over what shards have for each other, and tells the tap what was seen.
    fn exchange(&mut self) {
        if let [shard] = &mut self.shards[..] {
            return exchange(&mut [shard], &mut self.tap);
        }
        exchange(&mut self.shards.iter_mut().collect::<Vec<_>>(), &mut self.tap);
    }
}

/// Hands over what shards have for each other, and tells the tap what was seen, in the order of the events.
fn exchange<L, A, T>(shards: &mut [&mut Shard<L, A>], tap: &mut T)
where
    L: Layer<Input = DatagramInput<MemoryAddr>, Transmit = Datagram<MemoryAddr>>,
    A: App<L>,
    T: Tap<A::Note>,
{
    if let [shard] = shards {
        // It has nothing for others, and its events are in order.
        let seen = shard.post.seen.iter_mut().flat_map(|seen| seen.drain(..));
        return seen.for_each(|(_, seen)| seen.tell(tap));
    }
    let mut seen = Vec::new();
    for from in 0..shards.len() {
        let Some(shard) = shards.get_mut(from) else { return };
        seen.extend(shard.post.seen.iter_mut().flat_map(|seen| seen.drain(..)));
        let mut out: Vec<_> = shard.post.out.iter_mut().map(core::mem::take).collect();
        for (to, flights) in shards.iter_mut().zip(&mut out) {
            flights.drain(..).for_each(|flight| to.post.accept(flight));
        }
        // Their memory is for the next time.
        if let Some(shard) = shards.get_mut(from) {
            shard.post.out = out;
        }
    }
    // No event is of two shards, and what one caused stays in its order.
    seen.sort_by_key(|(key, _)| *key);
    seen.into_iter().for_each(|(_, seen)| seen.tell(tap));
}

impl<L: Layer, A: App<L>, T> fmt::Debug for Network<L, A, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes: usize = self.shards.iter().map(|shard| shard.slots().count()).sum();
        f.debug_struct("Network")
            .field("seed", &self.links.seed)
            .field("now", &self.now)
            .field("nodes", &nodes)
            .field("shards", &self.shards.len())
            .finish_non_exhaustive()
    }
}
