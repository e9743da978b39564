//! The layer: p2pke over any swarm.
//!
//! Maps `A → PeerAddr<A>`: what goes to a peer is sealed for that peer's key and sent to its address,
//! what comes up was opened with keys that the peer proved to hold. A [`Channel`] does the work for each
//! pair of address and key; this layer finds the channel, decides which strangers get one, holds the
//! messages that wait for a handshake, and counts.
//!
//! Wire format: that of the channel, one of its messages in each message of the swarm below. [`OVERHEAD`](super::session::OVERHEAD) bytes
//! are added to each.
//!
//! Timers: those of the channels, indexed. The index may be early, never late.
//!
//! Bounds, all in [`Limits`]: peers (strangers up to the limit, as many again if we dial them), half-open
//! handshakes in all and (once half of those are taken) by network, handshakes of our own, signature checks
//! a second, remembered timestamps, bytes that wait for a handshake by peer and in all; [`CHAIN`] channels at
//! one address. A hello that finds its place full takes over one drawn at random.
//!
//! It refuses asks (version 1 has none: an asking layer above does that over tells), messages to its
//! own key, and keys that its policy excludes. What comes from below and is not a message of the
//! protocol is dropped and counted by reason. A peer that was given up lingers until its sessions are
//! forgotten, unless a newcomer wants its place.

mod counters;
mod floors;
mod gatekeeper;
mod incoming;
mod outgoing;
mod peers;
mod settle;
#[cfg(test)]
mod tests;

use self::counters::Counters;
use self::gatekeeper::Local;
use self::peers::Peer;
use super::channel::{Channel, Timing};
use crate::addr::{Addr, PeerAddr, Source};
use crate::half_open::HalfOpen;
use crate::identity::{PeerId, SecretKey};
use crate::layer::{Layer, earliest};
use crate::limits::Limits;
use crate::outbox::Outbox;
use crate::seed::Seed;
use crate::stats::StatsSink;
use crate::swarm::{Accept, Command, Event, Link, Scope, Swarm, Undeliverable};
use crate::table::{Slot, Table};
use crate::time::{Anchor, Instant};
use crate::up::Up;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};

/// Channels, to different keys, at one address.
pub const CHAIN: usize = 4;

/// p2pke over the swarm below.
pub struct P2pke<A> {
    local: Local,
    table: Table<A, Peer>,
    timers: BTreeSet<(Instant, Slot)>,
    up: Up<PeerAddr<A>>,
    out: Outbox<A>,
    control: VecDeque<Command<A>>,
    half_open: HalfOpen<Slot>,
    dialling: usize,
    peers: usize,
    // Peers that were given up, whose last sessions are still opened.
    down: BTreeSet<Slot>,
    waiting_bytes: usize,
    // Peers with something waiting: a close waits for them.
    waiting: usize,
    // Peers that can be sent to again, but not while the side below is full.
    stalled: BTreeSet<Slot>,
    closing: Closing,
    limits: Limits,
    counters: Counters,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Closing {
    No,
    /// What was accepted is still being finished.
    Asked,
    /// The side below was told.
    Passed,
}

impl<A: Addr + Source> P2pke<A> {
    /// A node of this key.
    ///
    /// `seed` must be unpredictable for a node that strangers can reach: the keys of its sessions
    /// come from it. `clock` tells the date that its hellos are stamped with.
    #[must_use]
    pub fn new(
        key: SecretKey,
        seed: &Seed,
        clock: Anchor,
        accept: Accept,
        limits: &Limits,
    ) -> Self {
        let seed = seed.child("p2pke");
        Self {
            local: Local::new(key, &seed, clock, accept, limits),
            table: Table::new(&seed),
            timers: BTreeSet::new(),
            up: Up::new(limits),
            out: Outbox::new(limits.send_per_peer, limits.send),
            control: VecDeque::new(),
            half_open: HalfOpen::new(limits),
            dialling: 0,
            peers: 0,
            down: BTreeSet::new(),
            waiting_bytes: 0,
            waiting: 0,
            stalled: BTreeSet::new(),
            closing: Closing::No,
            limits: limits.clone(),
            counters: Counters::default(),
        }
    }

    /// The same with other times than the protocol's, for tests, and for networks of one's own.
    #[must_use]
    pub const fn with_timing(mut self, timing: Timing) -> Self {
        self.local.timing = timing;
        self
    }

    /// The id of this node's key.
    #[must_use]
    pub fn id(&self) -> PeerId {
        self.local.key.id()
    }

    /// Half-open handshakes that strangers began.
    #[must_use]
    pub fn half_open(&self) -> usize {
        self.half_open.len()
    }

    /// The channel to a peer, to look at.
    #[must_use]
    pub fn channel(&self, peer: &PeerAddr<A>) -> Option<&Channel> {
        self.table.get(self.find(peer)?).map(|peer| &peer.channel)
    }

    fn find(&self, dst: &PeerAddr<A>) -> Option<Slot> {
        let mut chain = self.table.at(&dst.addr);
        chain.find(|slot| self.table.get(*slot).is_some_and(|peer| peer.id == dst.id))
    }

    fn peer_addr(&self, slot: Slot) -> Option<PeerAddr<A>> {
        let id = self.table.get(slot)?.id;
        Some(PeerAddr { id, addr: self.table.addr(slot)?.clone() })
    }

    fn refuse(&mut self, command: Command<PeerAddr<A>>, why: Undeliverable) {
        self.counters.refused += 1;
        if let Some(event) = command.refuse(why) {
            self.up.push(event);
        }
    }

    /// The side below is full for one address, so for all peers there, or for all.
    fn full(&mut self, scope: &Scope<A>) {
        match scope {
            Scope::All => self.up.push(Event::Full { scope: Scope::All }),
            Scope::To(addr) => {
                for peer in self.peers_at(addr) {
                    self.up.push(Event::Full { scope: Scope::To(peer) });
                }
            }
        }
    }

    fn peers_at(&self, addr: &A) -> Vec<PeerAddr<A>> {
        self.table.at(addr).filter_map(|slot| self.peer_addr(slot)).collect()
    }
}

impl<A: Addr + Source> Layer for P2pke<A> {
    type Input = Event<A>;
    type Transmit = Command<A>;
    type Command = Command<PeerAddr<A>>;
    type Event = Event<PeerAddr<A>>;

    fn handle_input(&mut self, now: Instant, input: Self::Input) {
        self.out.advance(now);
        self.on_event(now, input);
        self.close_when_finished();
    }

    fn handle_command(&mut self, now: Instant, command: Self::Command) {
        self.out.advance(now);
        match command {
            Command::Tell { dst, payload } => self.on_tell(now, dst, payload),
            Command::Identify { dst } => self.on_identify(now, dst),
            Command::Disconnect { dst } => self.on_disconnect(&dst),
            Command::Set(setting) => self.on_set(setting),
            Command::Close => {
                if self.closing == Closing::No {
                    self.closing = Closing::Asked;
                }
            }
            refused @ (Command::Ask { .. } | Command::Answer { .. } | Command::Cancel { .. }) => {
                self.refuse(refused, Undeliverable::Unsupported);
            }
        }
        self.close_when_finished();
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_none_or(|due| due > now) {
            return;
        }
        self.out.advance(now);
        self.on_timers(now);
        while let Some(scope) = self.out.take_ready() {
            self.on_ready(now, scope);
        }
        self.close_when_finished();
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
        earliest(timers, earliest(self.out.poll_timeout(), finished))
    }

    fn stats(&self, sink: &mut dyn StatsSink) {
        sink.enter(format_args!("p2pke"));
        self.counters.stats(sink);
        self.up.stats(sink);
        self.out.stats(sink);
        sink.gauge("peers", self.peers as u64);
        sink.gauge("peers_lingering", self.down.len() as u64);
        sink.gauge("half_open", self.half_open.len() as u64);
        sink.gauge("dialling", self.dialling as u64);
        sink.gauge("channels", self.table.len() as u64);
        sink.gauge("waiting_bytes", self.waiting_bytes as u64);
        sink.gauge("waiting_peers", self.waiting as u64);
        sink.gauge("timestamp_floors", self.local.gate.floors.len() as u64);
        sink.gauge("timers", self.timers.len() as u64);
        sink.state("channels", &|hasher| self.dump(hasher));
        sink.leave();
    }
}

impl<A: Addr + Source> P2pke<A> {
    /// All that a later call could depend on, but for the keys, which the sessions' ids stand for,
    /// the buckets and the generators.
    fn dump(&self, mut hasher: &mut dyn Hasher) {
        self.table.dump(hasher);
        for (slot, addr, peer) in self.table.iter() {
            (slot, addr, peer.id, peer.standing, peer.armed).hash(&mut hasher);
            peer.channel.dump(hasher);
            if let Some(waiting) = &peer.waiting {
                (&waiting.messages, waiting.bytes, waiting.identify).hash(&mut hasher);
                waiting.told_full.hash(&mut hasher);
            }
        }
        (&self.timers, &self.stalled, &self.half_open).hash(&mut hasher);
        (self.local.clock, &self.local.gate.accept).hash(&mut hasher);
        for (key, floor) in self.local.gate.floors.iter() {
            (key, floor).hash(&mut hasher);
        }
        (self.closing, &self.control).hash(&mut hasher);
    }
}

impl<A: Addr + Source> Swarm for P2pke<A> {
    type Addr = PeerAddr<A>;

    fn link(&self) -> &Link<Self::Addr> {
        self.up.link()
    }

    fn mtu_to(&self, dst: &Self::Addr) -> usize {
        self.up.mtu_to(dst)
    }

    fn is_full(&self, dst: &Self::Addr) -> bool {
        self.up.is_full(dst)
    }

    fn is_closed(&self) -> bool {
        self.closing != Closing::No
    }
}

impl<A: fmt::Debug> fmt::Debug for P2pke<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("P2pke")
            .field("local", &self.local)
            .field("channels", &self.table)
            .field("closing", &self.closing)
            .finish_non_exhaustive()
    }
}
