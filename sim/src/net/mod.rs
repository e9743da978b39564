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
//! - Whatever chance decides about one datagram is one value, its [`Verdict`].
//! - All that happens to a node goes into its [`Trace`], and these make that of the run: two runs
//!   with the same hash went the same way.
//! - The nodes may be spread over [shards](Network::set_shards) that run in parallel, in windows of time no longer
//!   than the fastest datagram takes. That changes nothing but how long it takes, and a [`Tap`] is
//!   told everything in the same order.
//!
//! What a datagram meets, in this order:
//!
//! | where | what | lost as |
//! |---|---|---|
//! | out of its node | an [`Mtu`], the network's or of the way | too large, black hole |
//! | | a [`Nat`] that the node is behind | private, hairpin, ports |
//! | | a [`Pipe`] with drop-tail or [`Codel`] | overflow, codel |
//! | on the way | a cut, or a [`Partition`] | cut, partition |
//! | | [`Faults`] of the way, out of its node and into the other: [`Spread`], [`Burst`] | random, burst |
//! | | the distance between two [`Place`]s | |
//! | into a node | a [`Nat`] that this one is behind | unmapped, filtered |
//! | | a node that is slow ([`Pace`]) or [paused](Network::pause) | backlog |
//! | | a node that crashed, or was never there | nobody |
//!
//! Nodes [crash](Network::crash), [roam](Network::roam) to other addresses, and have
//! [clocks](Network::set_drift) of their own. Two runs are compared second by second with a [`Record`].
//!
//! Bounds: none but memory. What is on the way is held, and nothing else is but a few words a node,
//! a counter for each way that was used, and for the tap what happened in one window. A node whose work at one moment
//! never ends is given up with a panic that names its address: after a million events and datagrams without
//! an end between them, or a million timers with no more than a nanosecond from one to the next.

mod app;
mod clock;
mod codel;
mod condition;
mod course;
mod directory;
mod draw;
mod drops;
mod faults;
mod ledger;
mod links;
mod loss;
mod nat;
mod nodes;
mod parallel;
mod partition;
mod patience;
mod pipe;
mod place;
mod record;
mod sampling;
mod send;
mod shard;
mod tap;
#[cfg(test)]
mod tests;
mod trace;
mod verdict;
mod ways;

pub use app::{App, Cx};
pub use codel::Codel;
pub use condition::Pace;
pub use faults::{Burst, Chance, Faults};
pub use ledger::{Happened, What};
pub use links::Mtu;
pub use loss::{Loss, Losses};
pub use nat::{Nat, NatKind, host_of, host_port, port_of};
pub use partition::{Group, Partition, PartitionId};
pub use pipe::{Pipe, PipeId, Piped};
pub use place::Place;
pub use record::{Divergence, Hashed, Keep, Keeping, Parting, Record, RecordError, compare, part};
pub use sampling::{SamplesId, Spread};
pub use tap::{DatagramId, Fate, Sighting, Tap};
pub use trace::Trace;
pub use verdict::{Append, Flip, Passage, Passing, Spoil, Verdict, Verdicts};

pub(crate) use draw::{Draw, Running, STEP, mix};
pub(crate) use tap::Seen;

pub(crate) use self::ledger::Ledger;
use self::links::Links;
use self::record::Recorder;
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
    ledger: Ledger,
    recorder: Option<Box<Recorder>>,
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
    /// The same by the reason.
    pub lost_by: Losses,
}

impl Totals {
    fn count(&mut self, fate: Fate, bytes: usize) {
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
            Fate::Lost(loss) => {
                self.lost += 1;
                self.lost_by.count(loss);
            }
        }
    }

    fn add(self, other: Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            sent_bytes: self.sent_bytes + other.sent_bytes,
            delivered: self.delivered + other.delivered,
            spoilt: self.spoilt + other.spoilt,
            duplicated: self.duplicated + other.duplicated,
            lost: self.lost + other.lost,
            lost_by: self.lost_by.add(other.lost_by),
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
    /// The node that it reaches; another address than the destination where that is of a NAT.
    to: MemoryAddr,
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
        let (injected, ledger, recorder) = Default::default();
        Self { links: Links::new(seed), now, shards, injected, ledger, recorder, tap }
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
        let mut trace = self.elsewhere();
        for slot in self.shards.iter().flat_map(Shard::slots) {
            trace.join(slot.addr.0.into(), slot.ledger.trace);
        }
        trace
    }

    /// The hash of what the node at `addr` was sent, did and sent.
    #[must_use]
    pub fn trace_of(&self, addr: MemoryAddr) -> Option<Trace> {
        Some(self.slot(addr)?.ledger.trace)
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
        let mut removed = None;
        self.act(addr, |shard, _| removed = shard.remove(addr));
        removed
    }

    /// The node at `addr` stops at once and forgets everything; its application stays, but hears nothing. What
    /// waited for it is lost.
    pub fn crash(&mut self, addr: MemoryAddr) {
        self.act(addr, |shard, _| shard.crash(addr));
    }

    /// A node that crashed starts again, with this stack.
    pub fn start(&mut self, addr: MemoryAddr, stack: L) {
        if let Some(slot) = self.slot_mut(addr) {
            slot.node = Some(Node::new(stack));
            self.bind(addr);
            self.act(addr, |shard, links| shard.app(links, addr, App::on_start));
        }
    }

    /// Tells a node where it is.
    fn bind(&mut self, addr: MemoryAddr) {
        let bound = DatagramInput::Bound { local: vec![addr], mtu: self.links.mtu };
        self.act(addr, |shard, links| {
            shard.with(links, addr, |now, node| node.handle_input(now, bound));
        });
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
    /// sends who can claim to be anybody. A NAT looks at it as at everything else.
    pub fn inject(&mut self, src: MemoryAddr, dst: MemoryAddr, bytes: &[u8], delay: Duration) {
        let id = DatagramId { sender: None, number: self.injected };
        self.injected += 1;
        let at = self.now + delay.max(Duration::from_nanos(1));
        let mut ledger = core::mem::take(&mut self.ledger);
        let to = self.links.nats.target(dst);
        self.act(to, |shard, _| {
            shard.post.see(&mut ledger, id, (src, dst), Fate::Sent { copies: 1 }, bytes);
            let bytes = BytesMut::from(bytes);
            shard.post.accept(Flight { at, id, copy: 0, src, dst, to, bytes, spoilt: false });
        });
        self.ledger = ledger;
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
        let (key, nth) = keys.filter_map(|(nth, shard)| Some((shard.next()?, nth))).min()?;
        self.record_before(key.at);
        let shard = self.shards.get_mut(nth)?;
        shard.step(&self.links);
        self.now = self.now.max(shard.post.now);
        self.exchange();
        Some(self.now)
    }

    /// Lets everything happen up to `until`, with it, and makes it that time: what
    /// [`run_until`](Self::run_until) does, in this thread alone.
    pub fn step_until(&mut self, until: Instant) {
        while let Some(end) = self.second_before(until) {
            self.step_all(end);
            self.record_before(end.as_nanos() + 1);
        }
        self.step_all(until);
    }

    /// The same, whether somebody records or not.
    fn step_all(&mut self, until: Instant) {
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
