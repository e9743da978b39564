//! One transport, and what is outstanding through it.

use super::{MultiAddr, Scheme};
use crate::limits::Limits;
use crate::outbox::OVERHEAD;
use crate::swarm::{AskError, AskId, Command, DownReason, Event, Scope, Swarm, Undeliverable};
use crate::time::Instant;
use crate::up::Up;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::hash::{Hash, Hasher};
use core::mem;

pub(super) struct Member<L: Swarm> {
    pub(super) scheme: Scheme,
    pub(super) layer: L,
    pub(super) up: Up<MultiAddr<L::Addr>>,
    /// When the layer has something to do.
    pub(super) armed: Option<Instant>,
    /// All of the transport is full; messages to it are held.
    pub(super) full: bool,
    pub(super) closed: bool,
    pub(super) held: VecDeque<Command<L::Addr>>,
    /// Destinations told full because all of the transport is.
    told: BTreeSet<L::Addr>,
    /// Destinations that the transport itself said are full.
    full_to: BTreeSet<L::Addr>,
    /// How many identifications of an address are outstanding.
    identifying: BTreeMap<L::Addr, usize>,
    /// Peers that are up.
    peers: BTreeSet<L::Addr>,
}

impl<L: Swarm> Member<L> {
    pub(super) const fn new(scheme: Scheme, layer: L, limits: &Limits) -> Self {
        Self {
            scheme,
            layer,
            up: Up::new(limits),
            armed: None,
            full: false,
            closed: false,
            held: VecDeque::new(),
            told: BTreeSet::new(),
            full_to: BTreeSet::new(),
            identifying: BTreeMap::new(),
            peers: BTreeSet::new(),
        }
    }

    #[inline]
    pub(super) const fn at(&self, addr: L::Addr) -> MultiAddr<L::Addr> {
        MultiAddr { key: self.scheme, addr }
    }

    /// Tells what is awaited, or noticed, in the order it came.
    pub(super) fn push(&mut self, event: Event<L::Addr>) {
        let scheme = self.scheme;
        if let Some(event) = event.try_map(|addr| Some(MultiAddr { key: scheme, addr })) {
            self.up.push(event);
        }
    }

    /// The transport says whether all of it is full. What was held goes down once it is not.
    pub(super) const fn gate(&mut self, full: bool) {
        self.full = full;
    }

    /// The transport says of one destination whether it is full.
    pub(super) fn gate_one(&mut self, dst: L::Addr, full: bool) {
        let scope = Scope::To(self.at(dst.clone()));
        if full {
            self.full_to.insert(dst);
            self.up.push(Event::Full { scope });
        } else if self.full_to.remove(&dst) && !self.told.contains(&dst) {
            self.up.push(Event::Ready { scope });
        }
    }

    /// What was held has gone down: whoever waited may go on.
    pub(super) fn resume(&mut self) {
        for dst in mem::take(&mut self.told) {
            if !self.full_to.contains(&dst) {
                let scope = Scope::To(self.at(dst));
                self.up.push(Event::Ready { scope });
            }
        }
    }

    /// Keeps a message until the transport is ready; its destination is full until then.
    pub(super) fn hold(&mut self, command: Command<L::Addr>) {
        let dst = command.dst().cloned();
        self.held.push_back(command);
        if let Some(dst) = dst
            && self.told.insert(dst.clone())
        {
            let scope = Scope::To(self.at(dst));
            self.up.push(Event::Full { scope });
        }
    }

    /// Takes back a request that is held, if it is.
    pub(super) fn recall(&mut self, id: AskId) -> Option<Command<L::Addr>> {
        let this =
            |held: &Command<_>| matches!(held, Command::Ask { id: other, .. } if *other == id);
        let place = self.held.iter().position(this)?;
        self.held.remove(place)
    }

    pub(super) fn has_waiters(&self) -> bool {
        !self.told.is_empty()
    }

    pub(super) fn identify(&mut self, dst: L::Addr) {
        let count = self.identifying.entry(dst).or_default();
        *count = count.saturating_add(1);
    }

    /// Whether somebody waits for this outcome.
    pub(super) fn identified(&mut self, addr: &L::Addr) -> bool {
        let Some(count) = self.identifying.get_mut(addr) else { return false };
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.identifying.remove(addr);
        }
        true
    }

    pub(super) fn peer_up(&mut self, addr: L::Addr) {
        self.peers.insert(addr);
    }

    pub(super) fn peer_down(&mut self, addr: &L::Addr) {
        self.peers.remove(addr);
    }

    /// Nothing goes through this transport any more, and nobody need wait for it: not for the
    /// outcomes of `asks`, of identifications and of what is held, nor for room. Its peers are down.
    ///
    /// Returns the bytes that were held, and the identifications that nobody waits for now.
    pub(super) fn give_up(&mut self, asks: &[AskId], why: Undeliverable) -> (usize, usize) {
        let mut bytes = 0_usize;
        for command in mem::take(&mut self.held) {
            bytes = bytes.saturating_add(weight(&command));
            if let Command::Tell { dst, .. } = command {
                self.push(Event::Undelivered { dst, reason: why });
            }
        }
        for id in asks {
            self.push(Event::Answered { id: *id, result: Err(AskError::from(why)) });
        }
        let mut identifications = 0;
        for (addr, count) in mem::take(&mut self.identifying) {
            identifications += count;
            for _ in 0..count {
                self.push(Event::Identified { addr: addr.clone(), result: Err(why.into()) });
            }
        }
        self.release();
        for addr in mem::take(&mut self.peers) {
            self.push(Event::PeerDown { addr, reason: DownReason::Closed });
        }
        (bytes, identifications)
    }

    /// Whoever was told that something is full need not wait; whoever was not yet is not told.
    pub(super) fn release(&mut self) {
        let mut full = mem::take(&mut self.told);
        full.append(&mut self.full_to);
        for dst in full {
            self.push(Event::Ready { scope: Scope::To(dst) });
        }
        self.full = false;
    }

    pub(super) fn dump(&self, mut hasher: &mut dyn Hasher) {
        (&self.scheme, self.full, self.closed, &self.held).hash(&mut hasher);
        (&self.told, &self.full_to, &self.identifying, &self.peers).hash(&mut hasher);
    }
}

/// What a held message counts.
pub(super) fn weight<A>(command: &Command<A>) -> usize {
    let payload = match command {
        Command::Tell { payload, .. } | Command::Ask { payload, .. } => payload.len(),
        Command::Answer { .. }
        | Command::Cancel { .. }
        | Command::Identify { .. }
        | Command::Disconnect { .. }
        | Command::Set(_)
        | Command::Close => 0,
    };
    payload.saturating_add(OVERHEAD)
}
