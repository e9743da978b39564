//! What goes down: tells, dials for them, and the end of either.

use super::connection::{Connection, Written};
use super::ending::End;
use super::peers::Peer;
use super::wire::code;
use super::{Closing, Quic};
use crate::addr::{Addr, PeerAddr, Source};
use crate::payload::Payload;
use crate::swarm::{AskError, Command, Event, IdentifyError, Scope, Swarm as _, Undeliverable};
use crate::table::Slot;
use crate::time::Instant;
use alloc::vec::Vec;
use bytes::Bytes;

impl<A: Addr + Source> Quic<A> {
    pub(super) fn on_tell(&mut self, now: Instant, dst: PeerAddr<A>, payload: Payload) {
        let limit = self.mtu_to(&dst);
        if payload.len() > limit {
            return self.refuse(Command::Tell { dst, payload }, Undeliverable::TooLarge { limit });
        }
        if self.tells.is_full(&dst) {
            return self.refuse(Command::Tell { dst, payload }, Undeliverable::Full);
        }
        if let Err(why) = self.slot_for(now, &dst) {
            return self.refuse(Command::Tell { dst, payload }, why);
        }
        if let Ok(Some(scope)) = self.tells.push(now, dst, payload) {
            self.up.push(Event::Full { scope });
        }
        self.dirty_since.get_or_insert(now.next());
    }

    /// The peer at `dst`, dialled where it was not known and may be.
    pub(super) fn slot_for(
        &mut self,
        now: Instant,
        dst: &PeerAddr<A>,
    ) -> Result<Slot, Undeliverable> {
        if self.closing != Closing::No {
            return Err(Undeliverable::Closed);
        }
        if dst.id == self.id() {
            return Err(Undeliverable::Oneself);
        }
        if let Some(slot) = self.find(dst) {
            return Ok(slot);
        }
        if !self.local.accept.takes(&dst.id) {
            return Err(Undeliverable::Denied);
        }
        let peers = self.limits.peers.saturating_mul(2);
        if self.dialling >= self.limits.dialling || self.up_peers + self.dialling >= peers {
            return Err(Undeliverable::Full);
        }
        let slot = self.peers.insert(dst.addr.clone(), Peer::new(dst.id));
        if let Err(why) = self.dial(now, slot) {
            self.peers.remove(slot);
            return Err(why);
        }
        self.update_blocked(now, slot);
        Ok(slot)
    }

    fn dial(&mut self, now: Instant, slot: Slot) -> Result<(), Undeliverable> {
        let Some(addr) = self.peers.addr(slot) else { return Err(Undeliverable::NoRoute) };
        if self.up.link().tell_max == 0 {
            return Err(Undeliverable::TooLarge { limit: 0 });
        }
        let remote = self.places.stand_in(addr).ok_or(Undeliverable::Full)?;
        // There is nothing wrong with the configuration; connection ids may be used up.
        let begun = self.local.connect(now, remote).map_err(|_| Undeliverable::Full)?;
        let (handle, quic) = (begun.0.0, begun.1);
        self.counters.dialled += 1;
        self.dialling += 1;
        if let Some(peer) = self.peers.get_mut(slot) {
            peer.dial = Some(handle);
        }
        self.insert(now, handle, Connection::new(quic, Some(slot), now, None));
        Ok(())
    }

    /// Gives messages to the connections of their peers.
    pub(super) fn send_tells(&mut self, now: Instant) {
        while let Some((dst, payload)) = self.tells.pop() {
            let sent = self.find(&dst).and_then(|slot| {
                let handle = self.peers.get(slot)?.connection()?;
                let connection = self.connection(handle)?;
                let stream = connection.sending.spare.take()?;
                connection.sending.told += 1;
                let taken = connection.write(stream, chunks(&[], payload)) != Written::Nothing;
                self.touch(now, handle);
                self.update_blocked(now, slot);
                taken.then_some(())
            });
            match sent {
                Some(()) => self.counters.told += 1,
                // What cannot be told waits, and is not among these.
                None => self.tell_undelivered(&dst, 1, Undeliverable::Full),
            }
        }
    }

    /// Whether what the peer is told has to wait, is seen to.
    pub(super) fn update_blocked(&mut self, now: Instant, slot: Slot) {
        let used = self.peers.get(slot).and_then(Peer::connection);
        let takes =
            used.and_then(|used| self.connection(used)).is_some_and(Connection::takes_tells);
        let Some(peer) = self.peers.get_mut(slot) else { return };
        let was = core::mem::replace(&mut peer.blocked, !takes);
        if was == peer.blocked {
            return;
        }
        let Some(dst) = self.peer_addr(slot) else { return };
        if takes {
            self.tells.unblock(now, &Scope::To(dst));
        } else {
            self.tells.block(now, Scope::To(dst));
        }
    }

    /// Writes what a connection takes of what was begun, and of what waits for it.
    pub(super) fn write(&mut self, now: Instant, handle: usize) {
        let Some(connection) = self.connection(handle).filter(|connection| connection.is_up())
        else {
            return;
        };
        let begun: Vec<_> = connection.sending.rest.keys().copied().collect();
        for stream in begun {
            connection.write_rest(stream);
        }
        let Some(slot) = connection.peer else { return };
        if self.peers.get(slot).and_then(Peer::connection) != Some(handle) {
            return;
        }
        self.send_asks(now, slot, handle);
        self.update_blocked(now, slot);
    }

    /// After something has changed about a peer's connections: what waits goes on, dials again, or is over.
    pub(super) fn settle(&mut self, now: Instant, slot: Slot) {
        let Some(dst) = self.peer_addr(slot) else { return };
        let Some(peer) = self.peers.get(slot) else { return };
        if let Some(used) = peer.connection() {
            self.touch(now, used);
        } else if peer.dial.is_none() {
            let waits = peer.asks.has_waiting() || peer.identify > 0 || self.tells.is_waiting(&dst);
            let dialled = if waits && self.closing != Closing::Passed {
                self.dial(now, slot)
            } else {
                Err(Undeliverable::Closed)
            };
            if let Err(why) = dialled {
                self.fail_waiting(slot, why);
                return self.forget(now, slot);
            }
        }
        self.update_blocked(now, slot);
    }

    /// A peer of whom there is nothing left.
    fn forget(&mut self, now: Instant, slot: Slot) {
        let Some(dst) = self.peer_addr(slot) else { return };
        self.peers.remove(slot);
        self.tells.unblock(now, &Scope::To(dst.clone()));
        if !self.tells.is_full(&dst) {
            self.up.push(Event::Ready { scope: Scope::To(dst) });
        }
    }

    /// The connection that was dialled is not to be had.
    pub(super) fn fail_dial(&mut self, slot: Slot, why: Undeliverable) {
        let Some(peer) = self.peers.get_mut(slot) else { return };
        peer.dial = None;
        // What waits goes over the other's connection where there is one.
        if peer.connections.is_empty() {
            self.fail_waiting(slot, why);
        }
    }

    /// Nothing that waits for the peer goes on.
    pub(super) fn fail_waiting(&mut self, slot: Slot, why: Undeliverable) {
        let Some(dst) = self.peer_addr(slot) else { return };
        let Some(peer) = self.peers.get_mut(slot) else { return };
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

    pub(super) fn on_identify(&mut self, now: Instant, dst: PeerAddr<A>) {
        let slot = match self.slot_for(now, &dst) {
            Ok(slot) => slot,
            Err(why) => return self.refuse(Command::Identify { dst }, why),
        };
        let Some(peer) = self.peers.get_mut(slot) else { return };
        match peer.key {
            Some(key) => self.up.push(Event::Identified { addr: dst, result: Ok(key) }),
            None => peer.identify = peer.identify.saturating_add(1),
        }
    }

    pub(super) fn on_disconnect(&mut self, now: Instant, dst: &PeerAddr<A>) {
        let Some(slot) = self.find(dst) else { return };
        self.fail_waiting(slot, Undeliverable::Disconnected);
        let Some(peer) = self.peers.get(slot) else { return };
        let all: Vec<usize> = peer.connections.iter().chain(&peer.dial).copied().collect();
        for handle in all {
            self.close(now, handle, code::DONE, End::Ours);
        }
    }
}

/// A message as quinn-proto takes it: what stands in front, and the body that is not copied.
pub(super) fn chunks(head: &[u8], payload: Payload) -> [Bytes; 2] {
    if head.is_empty() && payload.head().is_empty() {
        return [payload.into_bytes(), Bytes::new()];
    }
    let mut front = Vec::with_capacity(head.len() + payload.head().len());
    front.extend_from_slice(head);
    front.extend_from_slice(payload.head());
    [Bytes::from(front), payload.body().clone()]
}
