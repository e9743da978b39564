//! What goes down: tells, sealed at once or once the handshake allows, and the end.

use super::super::channel::Channel;
use super::peers::{Peer, Standing, weight};
use super::{CHAIN, Closing, P2pke};
use crate::addr::{Addr, PeerAddr, Source};
use crate::payload::Payload;
use crate::swarm::{Command, DownReason, Event, Scope, Setting, Swarm as _, Undeliverable};
use crate::table::Slot;
use crate::time::Instant;
use crate::trace::trace;
use alloc::vec::Vec;

impl<A: Addr + Source> P2pke<A> {
    pub(super) fn on_tell(&mut self, now: Instant, dst: PeerAddr<A>, payload: Payload) {
        let limit = self.mtu_to(&dst);
        if payload.len() > limit {
            return self.refuse(Command::Tell { dst, payload }, Undeliverable::TooLarge { limit });
        }
        let slot = match self.slot_for(&dst) {
            Ok(slot) => slot,
            Err(why) => return self.refuse(Command::Tell { dst, payload }, why),
        };
        let Some(peer) = self.table.get_mut(slot) else { return };
        if peer.waiting.is_none() && peer.channel.is_ready() {
            if self.out.is_full(&dst.addr) {
                return self.refuse(Command::Tell { dst, payload }, Undeliverable::Full);
            }
            let sealed =
                peer.channel.seal(&mut self.local.lend(), now, payload.head(), payload.body());
            if let Ok(sealed) = sealed {
                self.counters.sealed += 1;
                if let Ok(Some(scope)) = self.out.push(now, dst.addr, sealed.into()) {
                    self.full(&scope);
                }
                return self.settle(now, slot);
            }
        }
        self.wait(now, slot, dst, payload);
        self.settle(now, slot);
    }

    /// Keeps a message until the handshake is over.
    fn wait(&mut self, now: Instant, slot: Slot, dst: PeerAddr<A>, payload: Payload) {
        let Some(peer) = self.table.get_mut(slot) else { return };
        let weight = weight(&payload);
        let waits = peer.waiting.as_ref();
        let over = self.waiting_bytes.saturating_add(weight) > self.limits.waiting
            || waits.is_some_and(|waiting| waiting.told_full);
        if over {
            return self.refuse(Command::Tell { dst, payload }, Undeliverable::Full);
        }
        if waits.is_none() {
            self.waiting += 1;
        }
        self.waiting_bytes += weight;
        let waiting = peer.waiting();
        waiting.push(payload);
        if waiting.bytes >= self.limits.waiting_per_peer {
            waiting.told_full = true;
            self.up.push(Event::Full { scope: Scope::To(dst) });
        }
        peer.channel.open(&mut self.local.lend(), now);
    }

    pub(super) fn on_identify(&mut self, now: Instant, dst: PeerAddr<A>) {
        let slot = match self.slot_for(&dst) {
            Ok(slot) => slot,
            Err(why) => return self.refuse(Command::Identify { dst }, why),
        };
        let Some(peer) = self.table.get_mut(slot) else { return };
        match peer.channel.peer() {
            Some(key) if peer.channel.is_up() => {
                let result = Ok(*key);
                self.up.push(Event::Identified { addr: dst, result });
            }
            _ => {
                if peer.waiting.is_none() {
                    self.waiting += 1;
                }
                let identify = &mut peer.waiting().identify;
                *identify = identify.saturating_add(1);
                peer.channel.open(&mut self.local.lend(), now);
                self.settle(now, slot);
            }
        }
    }

    /// The channel to `dst`, made where there is none and there may be one.
    fn slot_for(&mut self, dst: &PeerAddr<A>) -> Result<Slot, Undeliverable> {
        if self.closing != Closing::No {
            return Err(Undeliverable::Closed);
        }
        if dst.id == self.id() {
            return Err(Undeliverable::Oneself);
        }
        if let Some(slot) = self.find(dst) {
            return Ok(slot);
        }
        if !self.local.gate.accept.takes(&dst.id) {
            return Err(Undeliverable::Denied);
        }
        if self.dialling >= self.limits.dialling
            || !self.make_room_for_dial()
            || !self.make_room(&dst.addr)
        {
            return Err(Undeliverable::Full);
        }
        let peer = Peer::new(dst.id, Channel::new(Some(dst.id)), Standing::Dialling);
        self.dialling += 1;
        Ok(self.table.insert(dst.addr.clone(), peer))
    }

    /// Sees to it that we may dial one more peer: strangers fill half of the places at the most, and a
    /// peer that was given up makes room.
    fn make_room_for_dial(&mut self) -> bool {
        if self.peers + self.down.len() < self.limits.peers.saturating_mul(2) {
            return true;
        }
        match self.down.first().copied() {
            Some(lingering) => {
                self.evict(lingering);
                true
            }
            None => false,
        }
    }

    /// Sees to it that one more channel may stand at `addr`: the place of a stranger, or of a peer that
    /// was given up, is taken over.
    pub(super) fn make_room(&mut self, addr: &A) -> bool {
        let chain: Vec<Slot> = self.table.at(addr).collect();
        if chain.len() < CHAIN {
            return true;
        }
        let yields = |slot: &Slot| self.table.get(*slot).is_some_and(Peer::yields);
        let yielding: Vec<Slot> = chain.into_iter().filter(yields).collect();
        let nth = self.local.rng.below(yielding.len() as u64) as usize;
        match yielding.get(nth) {
            Some(victim) => {
                self.evict(*victim);
                true
            }
            None => false,
        }
    }

    /// Seals what waited, as long as there is room below.
    pub(super) fn flush(&mut self, now: Instant, slot: Slot) {
        while let Some(addr) = self.table.addr(slot).cloned()
            && let Some(peer) = self.table.get_mut(slot)
            && let Some(waiting) = &mut peer.waiting
            && let Some(payload) = waiting.messages.front()
        {
            if self.out.is_full(&addr) {
                self.stalled.insert(slot);
                return;
            }
            let sealed =
                peer.channel.seal(&mut self.local.lend(), now, payload.head(), payload.body());
            let Ok(sealed) = sealed else {
                peer.channel.open(&mut self.local.lend(), now);
                return;
            };
            self.counters.sealed += 1;
            if let Some(payload) = waiting.pop() {
                self.waiting_bytes -= weight(&payload);
            }
            if let Ok(Some(scope)) = self.out.push(now, addr, sealed.into()) {
                self.full(&scope);
            }
        }
        self.end_of_waiting(slot);
    }

    /// Whoever waited for nothing more is ready again.
    pub(super) fn end_of_waiting(&mut self, slot: Slot) {
        let Some(peer) = self.table.get_mut(slot) else { return };
        let done =
            |waiting: &super::peers::Waiting| waiting.messages.is_empty() && waiting.identify == 0;
        let Some(waiting) = peer.waiting.take_if(|waiting| done(waiting)) else { return };
        self.waiting -= 1;
        self.stalled.remove(&slot);
        if waiting.told_full
            && let Some(peer) = self.peer_addr(slot)
        {
            self.up.push(Event::Ready { scope: Scope::To(peer) });
        }
    }

    /// Everybody who waited for this peer's handshake learns why in vain.
    pub(super) fn fail_waiting(&mut self, slot: Slot, why: Undeliverable) {
        let Some(addr) = self.peer_addr(slot) else { return };
        let Some(peer) = self.table.get_mut(slot) else { return };
        let Some(mut waiting) = peer.waiting.take() else { return };
        self.waiting -= 1;
        self.stalled.remove(&slot);
        while let Some(payload) = waiting.pop() {
            self.waiting_bytes -= weight(&payload);
            self.counters.undelivered += 1;
            self.up.push(Event::Undelivered { dst: addr.clone(), reason: why });
        }
        for _ in 0..waiting.identify {
            self.up.push(Event::Identified { addr: addr.clone(), result: Err(why.into()) });
        }
        if waiting.told_full {
            self.up.push(Event::Ready { scope: Scope::To(addr) });
        }
    }

    pub(super) fn on_disconnect(&mut self, dst: &PeerAddr<A>) {
        if let Some(slot) = self.find(dst) {
            self.end(slot, DownReason::Disconnected, Undeliverable::Disconnected);
        }
    }

    pub(super) fn on_set(&mut self, setting: Setting) {
        match &setting {
            Setting::Clock(clock) => self.local.clock = *clock,
            Setting::TellFloors(tells) => self.local.gate.tells_floors = *tells,
            Setting::Floor { key, stamp } => self.local.gate.floors.raise(*key, *stamp),
            Setting::Hold(_) => {}
            Setting::Accept(accept) => {
                self.local.gate.accept = accept.clone();
                let excluded = self.table.iter().filter(|(_, _, peer)| !accept.takes(&peer.id));
                let excluded: Vec<Slot> = excluded.map(|(slot, _, _)| slot).collect();
                for slot in excluded {
                    self.end(slot, DownReason::Denied, Undeliverable::Denied);
                }
            }
        }
        self.control.push_back(Command::Set(setting));
    }

    /// Ends a channel, and says so to whoever waits.
    fn end(&mut self, slot: Slot, down: DownReason, undelivered: Undeliverable) {
        self.fail_waiting(slot, undelivered);
        let was_up = self.table.get(slot).is_some_and(|peer| peer.channel.is_up());
        if let Some(addr) = self.peer_addr(slot).filter(|_| was_up) {
            self.counters.peers_down += 1;
            trace!(INFO, "p2pke", peer = %addr, reason = ?down, "a peer is down");
            self.up.push(Event::PeerDown { addr, reason: down });
        }
        self.remove(slot);
    }

    /// Passes the close on once nothing waits any more.
    pub(super) fn close_when_finished(&mut self) {
        if self.is_finished() {
            self.closing = Closing::Passed;
            self.control.push_back(Command::Close);
        }
    }

    pub(super) fn is_finished(&self) -> bool {
        self.closing == Closing::Asked && self.waiting == 0 && self.out.is_empty()
    }
}
