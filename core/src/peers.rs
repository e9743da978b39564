//! Peers over connections: who is up, what waits for whom, and what is told of them.
//!
//! What QUIC and SSH have in common. Their connections are their own, called by handles here; which one takes what is
//! for them to say. Wire format, timers: none; but requests are given up at their deadlines.
//!
//! Bounds: four connections of a peer; what waits, by the marks of an [`Outbox`]; requests, by [`Requests`]. A peer that nothing is left of is
//! forgotten.

mod requests;

pub(crate) use requests::Requests;

use self::requests::OfPeer;
use crate::addr::{Addr, PeerAddr};
use crate::identity::{PeerId, PublicKey};
use crate::layer::earliest;
use crate::limits::Limits;
use crate::outbox::Outbox;
use crate::payload::Payload;
use crate::seed::Seed;
use crate::stats::StatsSink;
use crate::swarm::{
    AskError, AskId, Command, DownReason, Event, IdentifyError, Scope, Undeliverable,
};
use crate::table::{Slot, Table};
use crate::time::Instant;
use crate::trace::trace;
use crate::up::Up;
use alloc::vec::Vec;
use bytes::BytesMut;
use core::fmt;
use core::hash::{Hash, Hasher};

/// Connections of one peer that are up at the most: a further one ends the oldest.
const CONNECTIONS_MAX: usize = 4;

/// The address of a peer: whose, and where.
pub(crate) trait Named: Addr {
    /// The name of a key.
    type Id: Copy + fmt::Debug + Eq + Hash;
    /// An address of the swarm below.
    type Below: Addr;

    fn id(&self) -> Self::Id;
    fn below(&self) -> &Self::Below;
    fn named(id: Self::Id, below: Self::Below) -> Self;
}

impl<A: Addr> Named for PeerAddr<A> {
    type Id = PeerId;
    type Below = A;

    fn id(&self) -> PeerId {
        self.id
    }

    fn below(&self) -> &A {
        &self.addr
    }

    fn named(id: PeerId, addr: A) -> Self {
        Self { id, addr }
    }
}

/// A peer that is connected, or is being dialled.
#[derive(Debug)]
pub(crate) struct Peer<I, H> {
    pub(crate) id: I,
    /// Its key, while it is up.
    key: Option<PublicKey>,
    /// Its connections. The last is in use; what comes on the others is heard until they end.
    pub(crate) connections: Vec<H>,
    /// The connection that we began and that is not up yet.
    pub(crate) dial: Option<H>,
    /// Our requests to it.
    pub(crate) asks: OfPeer,
    /// How often its identity was asked for.
    identify: u32,
    /// Whether what it is told has to wait.
    pub(crate) blocked: bool,
}

impl<I, H: Copy> Peer<I, H> {
    pub(crate) const fn key(&self) -> Option<&PublicKey> {
        self.key.as_ref()
    }

    /// The connection that is in use.
    pub(crate) fn connection(&self) -> Option<H> {
        self.connections.last().copied()
    }

    /// All its connections, that being dialled too.
    pub(crate) fn all(&self) -> impl Iterator<Item = H> + '_ {
        self.connections.iter().chain(&self.dial).copied()
    }
}

/// The peers of a node, and what the node has for its upper side: `D` are their addresses, of which `A` says where and
/// `I` whose. `H` is what connections are called, `T` says where a request went.
pub(crate) struct Peers<D, A, I, H, T> {
    /// What its events are of.
    #[cfg_attr(not(feature = "tracing"), allow(dead_code, reason = "only events name it"))]
    layer: &'static str,
    pub(crate) table: Table<A, Peer<I, H>>,
    pub(crate) up: Up<D>,
    /// Whether what is told is to wait where it is.
    pub(crate) held: bool,
    pub(crate) tells: Outbox<D>,
    pub(crate) asks: Requests<T>,
    up_count: usize,
    peers_up: u64,
    peers_down: u64,
    refused: u64,
    undelivered: u64,
}

impl<D, A, I, H, T> Peers<D, A, I, H, T>
where
    D: Named<Id = I, Below = A>,
    A: Addr,
    I: Copy + Eq + Hash,
    H: Copy + PartialEq,
{
    pub(crate) fn new(layer: &'static str, seed: &Seed, limits: &Limits) -> Self {
        Self {
            layer,
            table: Table::new(seed),
            up: Up::new(limits),
            held: false,
            tells: Outbox::new(limits.send_per_peer, limits.send),
            asks: Requests::new(limits),
            up_count: 0,
            peers_up: 0,
            peers_down: 0,
            refused: 0,
            undelivered: 0,
        }
    }

    /// Peers that are up.
    pub(crate) const fn up_count(&self) -> usize {
        self.up_count
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<&Peer<I, H>> {
        self.table.get(slot)
    }

    pub(crate) fn get_mut(&mut self, slot: Slot) -> Option<&mut Peer<I, H>> {
        self.table.get_mut(slot)
    }

    pub(crate) fn find(&self, dst: &D) -> Option<Slot> {
        let mut chain = self.table.at(dst.below());
        chain.find(|slot| self.get(*slot).is_some_and(|peer| peer.id == dst.id()))
    }

    /// The slot of a peer, from now on where there was none.
    pub(crate) fn find_or_insert(&mut self, dst: &D) -> Slot {
        self.find(dst).unwrap_or_else(|| self.insert(dst))
    }

    /// A slot for a peer that has none.
    pub(crate) fn insert(&mut self, dst: &D) -> Slot {
        let peer = Peer {
            id: dst.id(),
            key: None,
            connections: Vec::new(),
            dial: None,
            asks: OfPeer::default(),
            identify: 0,
            blocked: false,
        };
        self.table.insert(dst.below().clone(), peer)
    }

    pub(crate) fn addr(&self, slot: Slot) -> Option<D> {
        let id = self.get(slot)?.id;
        Some(D::named(id, self.table.addr(slot)?.clone()))
    }

    /// The connection to a peer that is in use.
    pub(crate) fn connection(&self, slot: Slot) -> Option<H> {
        self.get(slot)?.connection()
    }

    pub(crate) fn refuse(&mut self, command: Command<D>, why: Undeliverable) {
        self.refused += 1;
        if let Some(event) = command.refuse(why) {
            self.up.push(event);
        }
    }

    /// Why a message of `len` bytes is not taken, whoever has this address.
    pub(crate) fn refuses_tell(&self, dst: &D, len: usize) -> Option<Undeliverable> {
        let limit = self.up.mtu_to(dst);
        if len > limit {
            Some(Undeliverable::TooLarge { limit })
        } else {
            self.tells.is_full(dst).then_some(Undeliverable::Full)
        }
    }

    /// A message waits to be told.
    pub(crate) fn push_tell(&mut self, now: Instant, dst: D, payload: Payload) {
        if let Ok(Some(scope)) = self.tells.push(now, dst, payload) {
            self.up.push(Event::Full { scope });
        }
    }

    /// A request waits from now on for its peer, or is refused; the connection that might take it.
    pub(crate) fn push_ask(
        &mut self,
        id: AskId,
        (slot, dst): (Result<Slot, Undeliverable>, D),
        payload: Payload,
        deadline: Instant,
    ) -> Option<H> {
        let Self { table, asks, up, .. } = self;
        let peer =
            slot.and_then(|slot| Ok((slot, table.get_mut(slot).ok_or(Undeliverable::Closed)?)));
        let room = peer.and_then(|(slot, peer)| {
            if peer.asks.is_full() { Err(Undeliverable::Full) } else { Ok((slot, peer)) }
        });
        let (slot, peer) = match room {
            Ok(room) => room,
            Err(why) => {
                self.refuse(Command::Ask { id, dst, payload, deadline }, why);
                return None;
            }
        };
        let used = peer.connection();
        if asks.insert(id, (slot, &mut peer.asks), payload, deadline) {
            up.push(Event::Full { scope: Scope::To(dst) });
        }
        used
    }

    /// The outcome of a request of ours.
    pub(crate) fn finish_ask(&mut self, id: AskId, result: Result<BytesMut, AskError>) {
        let Some(over) = self.asks.remove(id) else { return };
        self.up.push(Event::Answered { id, result });
        let Some(dst) = self.addr(over.peer) else { return };
        let Some(peer) = self.table.get_mut(over.peer) else { return };
        if self.asks.leave(id, &over, &mut peer.asks) {
            self.tell_ready_to(dst);
        }
    }

    /// Who is at `slot` is to be identified.
    pub(crate) fn identify(&mut self, slot: Slot, dst: D) {
        let Some(peer) = self.table.get_mut(slot) else { return };
        match peer.key {
            Some(key) => self.up.push(Event::Identified { addr: dst, result: Ok(key) }),
            None => peer.identify = peer.identify.saturating_add(1),
        }
    }

    /// A peer has proven its key on a connection, which is used from now on unless the one before `keeps` its place. That of
    /// its connections which is to end, where they are too many.
    pub(crate) fn enter(
        &mut self,
        slot: Slot,
        (handle, keeps): (H, bool),
        key: PublicKey,
    ) -> Option<H> {
        let peer = self.table.get_mut(slot)?;
        peer.dial.take_if(|dial| *dial == handle);
        let at = peer.connections.len().saturating_sub(usize::from(keeps));
        peer.connections.insert(at, handle);
        let oldest = peer.connections.first().copied();
        let over = oldest.filter(|_| peer.connections.len() > CONNECTIONS_MAX);
        self.rise(slot, key);
        over
    }

    /// It is up, where it was not before.
    fn rise(&mut self, slot: Slot, key: PublicKey) {
        let Some(addr) = self.addr(slot) else { return };
        let Some(peer) = self.table.get_mut(slot) else { return };
        let identify = core::mem::take(&mut peer.identify);
        if peer.key.replace(key).is_none() {
            self.up_count += 1;
            self.peers_up += 1;
            trace!(INFO, self.layer, peer = %addr, "a peer is up");
            self.up.push(Event::PeerUp { addr: addr.clone(), key });
        }
        for _ in 0..identify {
            self.up.push(Event::Identified { addr: addr.clone(), result: Ok(key) });
        }
    }

    /// A connection is not the peer's any more, which is down where that was its last.
    pub(crate) fn leave(&mut self, slot: Slot, handle: H, reason: DownReason) {
        let addr = self.addr(slot);
        let Some(peer) = self.table.get_mut(slot) else { return };
        peer.connections.retain(|other| *other != handle);
        if !peer.connections.is_empty() || peer.key.take().is_none() {
            return;
        }
        self.up_count -= 1;
        self.peers_down += 1;
        if let Some(addr) = addr {
            trace!(INFO, self.layer, peer = %addr, ?reason, "a peer is down");
            self.up.push(Event::PeerDown { addr, reason });
        }
    }

    /// A connection is not to be had: if it is that which was dialled, nothing waits for it any more.
    pub(crate) fn fail_dial(&mut self, slot: Slot, handle: H, why: Undeliverable) {
        let Some(peer) = self.table.get_mut(slot) else { return };
        if peer.dial.take_if(|dial| *dial == handle).is_none() {
            return;
        }
        // What waits goes over the other's connection where there is one.
        if peer.connections.is_empty() {
            self.fail_waiting(slot, why);
        }
    }

    /// Whether something waits for a connection to the peer.
    pub(crate) fn is_awaited(&self, slot: Slot) -> bool {
        let (Some(peer), Some(dst)) = (self.get(slot), self.addr(slot)) else { return false };
        peer.asks.has_waiting() || peer.identify > 0 || self.tells.is_waiting(&dst)
    }

    /// Nothing that waits for the peer goes on.
    pub(crate) fn fail_waiting(&mut self, slot: Slot, why: Undeliverable) {
        let Some(dst) = self.addr(slot) else { return };
        let Some(peer) = self.table.get_mut(slot) else { return };
        let waiting = peer.asks.take_waiting();
        let identify = core::mem::take(&mut peer.identify);
        for id in waiting {
            self.finish_ask(id, Err(AskError::from(why)));
        }
        let lost = self.tells.forget(&dst);
        self.tell_undelivered(&dst, lost, why);
        for _ in 0..identify {
            let result = Err(IdentifyError::from(why));
            self.up.push(Event::Identified { addr: dst.clone(), result });
        }
    }

    /// Messages that were told and do not arrive.
    pub(crate) fn tell_undelivered(&mut self, dst: &D, count: usize, reason: Undeliverable) {
        self.undelivered += count as u64;
        for _ in 0..count {
            self.up.push(Event::Undelivered { dst: dst.clone(), reason });
        }
    }

    /// There is nothing left of a peer.
    pub(crate) fn forget(&mut self, now: Instant, slot: Slot) {
        let Some(dst) = self.addr(slot) else { return };
        self.table.remove(slot);
        self.tells.unblock(now, &Scope::To(dst.clone()));
        self.tell_ready_to(dst);
    }

    /// A peer has room for requests again; where it is full of messages it is told ready once it is not.
    fn tell_ready_to(&mut self, dst: D) {
        if !self.tells.is_told_full(&dst) {
            self.up.push(Event::Ready { scope: Scope::To(dst) });
        }
    }

    /// Whether a connection takes what the peer is told, or it has to wait.
    pub(crate) fn set_blocked(&mut self, now: Instant, slot: Slot, blocked: bool) {
        let Some(peer) = self.table.get_mut(slot) else { return };
        if core::mem::replace(&mut peer.blocked, blocked) == blocked {
            return;
        }
        let Some(dst) = self.addr(slot) else { return };
        if blocked {
            self.tells.block(now, Scope::To(dst));
        } else {
            self.tells.unblock(now, &Scope::To(dst));
        }
    }

    /// Scopes that were full and are ready again.
    pub(crate) fn tell_ready(&mut self) {
        while let Some(scope) = self.tells.take_ready() {
            let asks_full = match &scope {
                Scope::All => false,
                Scope::To(dst) => {
                    let peer = self.find(dst).and_then(|slot| self.get(slot));
                    peer.is_some_and(|peer| peer.asks.is_full())
                }
            };
            if !asks_full {
                self.up.push(Event::Ready { scope });
            }
        }
    }

    /// Nothing of ours waits, and no answer is outstanding.
    pub(crate) fn is_idle(&self) -> bool {
        self.tells.is_empty() && self.asks.len() == 0
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        earliest(self.asks.due(), self.tells.poll_timeout())
    }

    /// Writes the figures into the section of the layer.
    pub(crate) fn stats(&self, sink: &mut dyn StatsSink) {
        sink.counter("peers_up", self.peers_up);
        sink.counter("peers_down", self.peers_down);
        sink.counter("refused", self.refused);
        sink.counter("undelivered", self.undelivered);
        self.up.stats(sink);
        self.tells.stats(sink);
        sink.gauge("peers", self.up_count as u64);
        sink.gauge("asks", self.asks.len() as u64);
    }

    /// What a later call could depend on.
    pub(crate) fn dump(&self, mut hasher: &mut dyn Hasher)
    where
        H: Hash,
    {
        for (slot, addr, peer) in self.table.iter() {
            (slot, addr, peer.id, &peer.connections, peer.dial, &peer.asks).hash(&mut hasher);
            peer.identify.hash(&mut hasher);
        }
        self.asks.due().hash(&mut hasher);
    }

    /// Requests that were sent count for another slot of their peer's from now on: QUIC's connections follow their peers.
    #[cfg(feature = "quic")]
    pub(crate) fn move_asks(&mut self, ids: impl Iterator<Item = AskId>, to: Slot) {
        for id in ids {
            let Some(from) = self.asks.peer(id) else { continue };
            if let Some(peer) = self.table.get_mut(from)
                && self.asks.leave_to(id, &mut peer.asks)
                && let Some(dst) = self.addr(from)
            {
                self.tell_ready_to(dst);
            }
            if let Some(peer) = self.table.get_mut(to)
                && self.asks.join(id, (to, &mut peer.asks))
                && let Some(dst) = self.addr(to)
            {
                self.up.push(Event::Full { scope: Scope::To(dst) });
            }
        }
    }
}

impl<D, A: fmt::Debug, I: fmt::Debug, H: fmt::Debug, T> fmt::Debug for Peers<D, A, I, H, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table.fmt(f)
    }
}
