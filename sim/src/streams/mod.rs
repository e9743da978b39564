//! A network of many nodes in virtual time whose stacks stand on connections, as TCP's are.
//!
//! A [`Network`] holds nodes of any stack over the [stream port](tellask::StreamPort) or its vocabulary, each with an
//! [`App`] on top, and moves what they write under [`Faults`]. It is to streams what [`net`](crate::net) is to
//! datagrams, with the same applications, and a run is a function of its seed and of what the scenario does:
//!
//! - What happens at the same time happens in the order of (what arrives before timers; who caused it; how much
//!   they had caused), and everything that goes from node to node takes at least a nanosecond.
//! - Every draw is a hash of the seed, the [`Connection`], its end, and how many pieces went that way before.
//! - All that happens to a node goes into its [`Trace`], and these make that of the run.
//!
//! # What connections do
//! Bytes are never lost, reordered or altered within a connection that lives: only the whole connection fails.
//!
//! | what | how |
//! |---|---|
//! | opening | takes one way there and one back; is refused where the destination does not listen or a draw says so; times out where nobody is |
//! | bytes | travel in pieces that are cut anywhere, down to one byte, after a delay and as fast as the rate is |
//! | back-pressure | a send buffer and a receive buffer; their sum is what one side may write and the other has not read |
//! | stalls | hold up one direction for a while |
//! | half-close | either side finishes by itself; once both have, and all was read, it is over |
//! | resets | at any time, by either side or by something on the way; what was on the way then is lost |
//! | vanishing | without a word: both sides go on until each finds the other gone |
//! | cuts | hold up what is sent until the way is mended, unless the peer is found gone before; resets are lost |
//! | crashes | of a node are silent; when it is back it resets what it does not know any more |
//!
//! Bounds: none but memory. Of each connection its two buffers are held at either end, and a few words.

mod faults;
mod half;
mod post;
mod segment;
mod slot;
mod tap;
#[cfg(test)]
mod tests;

pub use faults::Faults;
pub use half::Held;
pub use segment::Connection;
pub use tap::{Sighting, Tap, Totals, What};

use self::faults::Links;
use self::post::{Happening, Post, timer};
use self::segment::{Alarm, End};
use self::slot::Slot;
use crate::engine::{Key, Wheel};
use crate::net::{App, Cx, Trace};
use core::fmt;
use core::time::Duration;
use std::collections::BTreeMap;
use tellask::{Instant, Layer, MemoryAddr, Node, StreamId, StreamInput, StreamTransmit};

/// Nodes with connections to each other. `L` is their stack, `A` their application, `T` who listens in.
pub struct Network<L: Layer, A: App<L> = (), T = ()> {
    links: Links,
    slots: BTreeMap<MemoryAddr, Slot<L, A>>,
    post: Post<A::Note, T>,
    /// Of what concerns no node that is there.
    elsewhere: Trace,
}

impl<L, A> Network<L, A>
where
    L: Layer<Input = StreamInput<MemoryAddr>, Transmit = StreamTransmit<MemoryAddr>>,
    A: App<L>,
{
    /// A network without nodes and faults. It is one second past the epoch.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::tapped(seed, ())
    }
}

impl<L, A, T> Network<L, A, T>
where
    L: Layer<Input = StreamInput<MemoryAddr>, Transmit = StreamTransmit<MemoryAddr>>,
    A: App<L>,
    T: Tap<A::Note>,
{
    /// The same with somebody who listens in.
    #[must_use]
    pub fn tapped(seed: u64, tap: T) -> Self {
        let now = Instant::ZERO + Duration::from_secs(1);
        let post = Post {
            now,
            key: Key { at: now.as_nanos(), rank: 0 },
            wheel: Wheel::new(),
            totals: Totals::default(),
            tap,
            said: Vec::new(),
            unread: Vec::new(),
        };
        let elsewhere = Trace::default();
        Self { links: Links::new(seed), slots: BTreeMap::new(), post, elsewhere }
    }

    /// What time it is.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.post.now
    }

    /// The hash of all that happened so far.
    #[must_use]
    pub fn trace(&self) -> Trace {
        let mut trace = self.elsewhere;
        for (addr, slot) in &self.slots {
            trace.join(addr.0.into(), slot.log.ledger.trace);
        }
        trace
    }

    /// The hash of what the node at `addr` was sent, did and sent.
    #[must_use]
    pub fn trace_of(&self, addr: MemoryAddr) -> Option<Trace> {
        Some(self.slots.get(&addr)?.log.ledger.trace)
    }

    /// The figures so far.
    #[must_use]
    pub const fn totals(&self) -> Totals {
        self.post.totals
    }

    /// Who listens in.
    #[must_use]
    pub const fn tap(&self) -> &T {
        &self.post.tap
    }

    /// Who listens in, to tell them what to listen for.
    pub const fn tap_mut(&mut self) -> &mut T {
        &mut self.post.tap
    }

    /// What happens on every way that has no faults of its own, from now on. Connections keep the buffers that they
    /// were made with.
    pub const fn set_faults(&mut self, faults: Faults) {
        self.links.faults = faults;
    }

    /// What happens from `src` to `dst`, from now on; the other direction is as before. What becomes of a
    /// connection as a whole is decided by the way from who dials it.
    pub fn set_faults_between(&mut self, src: MemoryAddr, dst: MemoryAddr, faults: Faults) {
        self.links.ways.insert((src, dst), faults);
    }

    /// Whether the node at `addr` accepts connections. It does, unless this says otherwise.
    pub fn set_listening(&mut self, addr: MemoryAddr, listens: bool) {
        if let Some(slot) = self.slots.get_mut(&addr) {
            slot.listens = listens;
        }
    }

    /// Cuts the way from `src` to `dst`: what is sent from now on waits. The other direction stays, but
    /// whatever is to be answered on the way that is cut is not.
    pub fn cut(&mut self, src: MemoryAddr, dst: MemoryAddr) {
        if self.links.cuts.insert((src, dst)) {
            self.refresh(&self.ends_between(src, dst));
        }
    }

    /// Undoes [`cut`](Self::cut): what waited is sent.
    pub fn mend(&mut self, src: MemoryAddr, dst: MemoryAddr) {
        if !self.links.cuts.remove(&(src, dst)) {
            return;
        }
        let ends = self.ends_between(src, dst);
        self.refresh(&ends);
        for end in ends.into_iter().filter(|end| end.at() == src) {
            self.act(src, |post, links, slot| {
                let Slot { halves, log, .. } = slot;
                let Some(half) = halves.get_mut(&end) else { return };
                for segment in core::mem::take(&mut half.held) {
                    post.dispatch(links, log, (end, half), segment);
                }
                post.flow(links, slot, end);
            });
        }
    }

    /// Undoes every [`cut`](Self::cut).
    pub fn mend_all(&mut self) {
        for (src, dst) in self.links.cuts.clone() {
            self.mend(src, dst);
        }
    }

    /// Puts a node at `addr` and binds it. Whoever was there is gone, with their application.
    pub fn add(&mut self, addr: MemoryAddr, stack: L, app: A) {
        self.remove(addr);
        self.slots.insert(addr, Slot::new(addr, app));
        self.start(addr, stack);
    }

    /// Takes the node at `addr` away. Its connections are reset, as they are when a process ends; what it sent
    /// is still delivered.
    pub fn remove(&mut self, addr: MemoryAddr) -> Option<A> {
        let mut slot = self.slots.remove(&addr)?;
        for (end, half) in core::mem::take(&mut slot.halves) {
            if !half.vanished {
                self.post.send_reset(&self.links, &mut slot.log, end);
            }
        }
        self.elsewhere.join(addr.0.into(), slot.log.ledger.trace);
        Some(slot.app)
    }

    /// The node at `addr` stops at once and forgets everything, and nobody is told; its application stays, but
    /// hears nothing.
    pub fn crash(&mut self, addr: MemoryAddr) {
        let Some(slot) = self.slots.get_mut(&addr) else { return };
        slot.forget();
        let ends = self.slots.values().flat_map(|slot| slot.halves.keys());
        let ends: Vec<_> = ends.copied().filter(|end| end.peer() == addr).collect();
        self.refresh(&ends);
    }

    /// A node that crashed starts again, with this stack.
    pub fn start(&mut self, addr: MemoryAddr, stack: L) {
        let Some(slot) = self.slots.get_mut(&addr) else { return };
        slot.forget();
        slot.node = Some(Node::new(stack));
        self.act(addr, |post, links, slot| {
            slot.tell(post.now, StreamInput::Bound { local: vec![addr] });
            post.pump(links, slot);
            if let (Some(mut cx), app) = slot.lend(post.now, post.key, &mut post.said) {
                app.on_start(&mut cx);
            }
        });
    }

    /// Something on the way resets what the node at `addr` calls `id`: it notices at once, and the other side
    /// once it is told, unless the way is cut.
    pub fn reset(&mut self, addr: MemoryAddr, id: StreamId) {
        if let Some(end) = self.end(addr, id) {
            self.act(addr, |post, links, slot| post.on_alarm(links, slot, end, Alarm::Reset));
        }
    }

    /// Something on the way forgets what the node at `addr` calls `id`: nothing gets through on it any more, in
    /// either direction, and nobody is told.
    pub fn vanish(&mut self, addr: MemoryAddr, id: StreamId) {
        let Some(end) = self.end(addr, id) else { return };
        let other = self.slots.get(&end.peer());
        if other.is_none_or(|slot| !slot.halves.contains_key(&end.other())) {
            self.links.vanished.insert(end.connection);
        }
        for end in [end, end.other()] {
            self.act(end.at(), |post, links, slot| post.vanish(links, slot, end));
        }
    }

    /// The node at `addr`, to look at; `None` where there is none, or it crashed.
    #[must_use]
    pub fn node(&self, addr: MemoryAddr) -> Option<&Node<L>> {
        self.slots.get(&addr)?.node.as_ref()
    }

    /// The application at `addr`, crashed or not.
    #[must_use]
    pub fn app_at(&self, addr: MemoryAddr) -> Option<&A> {
        Some(&self.slots.get(&addr)?.app)
    }

    /// The same, to take out what it holds. What is to reach its node goes through [`app`](Self::app).
    pub fn app_at_mut(&mut self, addr: MemoryAddr) -> Option<&mut A> {
        Some(&mut self.slots.get_mut(&addr)?.app)
    }

    /// All applications, in the order of addresses.
    pub fn apps(&self) -> impl Iterator<Item = (MemoryAddr, &A)> {
        self.slots.iter().map(|(addr, slot)| (*addr, &slot.app))
    }

    /// The connections of the node at `addr`, in the order of their names, and what its ends hold.
    pub fn connections(
        &self,
        addr: MemoryAddr,
    ) -> impl Iterator<Item = (StreamId, Connection, Held)> {
        let slots = self.slots.get(&addr).into_iter();
        let halves = slots.flat_map(|slot| &slot.halves);
        halves.map(|(end, half)| (half.id, end.connection, half.held()))
    }

    /// Lets the application at `addr` do something now, unless its node crashed.
    pub fn app(&mut self, addr: MemoryAddr, act: impl FnOnce(&mut A, &mut Cx<'_, L, A::Note>)) {
        self.act(addr, |post, _, slot| {
            if let (Some(mut cx), app) = slot.lend(post.now, post.key, &mut post.said) {
                act(app, &mut cx);
            }
        });
    }

    /// When the next thing happens.
    #[must_use]
    pub fn next_at(&mut self) -> Option<Instant> {
        self.next().map(|key| Instant::from_nanos(key.at))
    }

    /// Lets the next thing happen, and returns when it did.
    pub fn step(&mut self) -> Option<Instant> {
        self.next()?;
        let (key, happening) = self.post.wheel.pop()?;
        self.post.now = self.post.now.max(Instant::from_nanos(key.at));
        self.post.key = key;
        match happening {
            Happening::Ring(addr) => self.act(addr, |post, links, slot| ring(post, links, slot)),
            Happening::Alarm(end, alarm) => {
                self.act(end.at(), |post, links, slot| post.on_alarm(links, slot, end, alarm));
            }
            Happening::Land(end, segment) => {
                let slot = self.slots.get(&end.at());
                if slot.is_none_or(|slot| slot.node.is_none()) {
                    let [way, name] = end.words();
                    let words = [key.at, way, name, 256 | segment.code()];
                    self.elsewhere.add(&words, segment.bytes());
                }
                self.act(end.at(), |post, links, slot| post.land(links, slot, end, segment));
            }
        }
        Some(self.post.now)
    }

    /// Lets everything happen up to `until`, with it, and makes it that time.
    pub fn run_until(&mut self, until: Instant) {
        while self.next_at().is_some_and(|next| next <= until) {
            self.step();
        }
        self.post.now = self.post.now.max(until);
    }

    /// The same for a time from now.
    pub fn run_for(&mut self, time: Duration) {
        self.run_until(self.now() + time);
    }

    /// What happens next. Timers that were put off since are put where they belong.
    fn next(&mut self) -> Option<Key> {
        loop {
            let (key, happening) = self.post.wheel.peek()?;
            let Happening::Ring(addr) = *happening else { return Some(key) };
            let at = Instant::from_nanos(key.at);
            let slot = self.slots.get_mut(&addr);
            if slot.as_ref().is_some_and(|slot| slot.armed == Some(at)) {
                return Some(key);
            }
            self.post.wheel.pop();
            if let Some(slot) = slot.filter(|slot| slot.rings == Some(at)) {
                slot.rings = slot.armed;
                if let Some(armed) = slot.armed {
                    self.post.wheel.push(timer(armed, addr), Happening::Ring(addr));
                }
            }
        }
    }

    /// Something is done at a node that runs, and what comes of it is moved.
    fn act(
        &mut self,
        addr: MemoryAddr,
        act: impl FnOnce(&mut Post<A::Note, T>, &Links, &mut Slot<L, A>),
    ) {
        let slot = self.slots.get_mut(&addr);
        let Some(slot) = slot.filter(|slot| slot.node.is_some()) else { return };
        act(&mut self.post, &self.links, slot);
        self.post.hear();
        self.post.pump(&self.links, slot);
    }

    fn end(&self, addr: MemoryAddr, id: StreamId) -> Option<End> {
        self.slots.get(&addr)?.end(id)
    }

    /// The ends of connections between two nodes.
    fn ends_between(&self, one: MemoryAddr, other: MemoryAddr) -> Vec<End> {
        let ends = |at, peer| {
            let halves = self.slots.get(&at).into_iter().flat_map(|slot| slot.halves.keys());
            halves.copied().filter(move |end| end.peer() == peer)
        };
        let back = ends(other, one).filter(|_| one != other);
        ends(one, other).chain(back).collect()
    }

    /// What lies between these ends and their others has changed: they are whole again, or broken from now on.
    fn refresh(&mut self, ends: &[End]) {
        for end in ends.iter().copied() {
            let (at, peer) = (end.at(), end.peer());
            let whole = !self.links.is_cut(at, peer)
                && !self.links.is_cut(peer, at)
                && self.slots.get(&peer).is_some_and(|slot| slot.halves.contains_key(&end.other()));
            let Some(slot) = self.slots.get_mut(&at) else { continue };
            let Some(half) = slot.halves.get_mut(&end) else { continue };
            if !whole && half.open {
                self.post.breaks(&self.links, slot, end);
            } else if !half.vanished {
                half.broken = None;
            }
        }
    }
}

/// A timer of a node, or of its application, is due.
fn ring<L, A, T>(post: &mut Post<A::Note, T>, links: &Links, slot: &mut Slot<L, A>)
where
    L: Layer<Input = StreamInput<MemoryAddr>, Transmit = StreamTransmit<MemoryAddr>>,
    A: App<L>,
    T: Tap<A::Note>,
{
    let now = post.now;
    slot.armed = None;
    if slot.rings == Some(now) {
        slot.rings = None;
    }
    slot.log.ledger.trace.add(&[now.as_nanos(), u64::from(slot.log.addr.0), 512], &[]);
    let Some(node) = &mut slot.node else { return };
    node.handle_timeout(now);
    post.pump(links, slot);
    if slot.app.poll_timeout().is_some_and(|at| at <= now)
        && let (Some(mut cx), app) = slot.lend(now, post.key, &mut post.said)
    {
        app.on_timeout(&mut cx);
    }
}

impl<L: Layer, A: App<L>, T> fmt::Debug for Network<L, A, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("seed", &self.links.seed)
            .field("now", &self.post.now)
            .field("nodes", &self.slots.len())
            .finish_non_exhaustive()
    }
}
