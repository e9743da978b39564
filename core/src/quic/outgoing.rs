//! What goes down: tells, dials for them, and the end of either.

use super::connection::{Connection, Written};
use super::ending::End;
use super::wire::code;
use super::{Closing, Quic};
use crate::addr::{Addr, PeerAddr, Source};
use crate::payload::Payload;
use crate::swarm::{Command, Undeliverable};
use crate::table::Slot;
use crate::time::Instant;
use alloc::vec::Vec;
use bytes::Bytes;

impl<A: Addr + Source> Quic<A> {
    pub(super) fn on_tell(&mut self, now: Instant, dst: PeerAddr<A>, payload: Payload) {
        let refused = self.peers.refuses_tell(&dst, payload.len());
        if let Err(why) = refused.map_or_else(|| self.slot_for(now, &dst), Err) {
            return self.peers.refuse(Command::Tell { dst, payload }, why);
        }
        self.peers.push_tell(now, dst, payload);
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
        if let Some(slot) = self.peers.find(dst) {
            return Ok(slot);
        }
        if !self.local.accept.takes(&dst.id) {
            return Err(Undeliverable::Denied);
        }
        let peers = self.limits.peers.saturating_mul(2);
        if self.dialling >= self.limits.dialling || self.peers.up_count() + self.dialling >= peers {
            return Err(Undeliverable::Full);
        }
        let slot = self.peers.insert(dst);
        if let Err(why) = self.dial(now, slot) {
            self.peers.table.remove(slot);
            return Err(why);
        }
        self.update_blocked(now, slot);
        Ok(slot)
    }

    fn dial(&mut self, now: Instant, slot: Slot) -> Result<(), Undeliverable> {
        let Some(addr) = self.peers.table.addr(slot) else { return Err(Undeliverable::NoRoute) };
        if self.peers.up.link().tell_max == 0 {
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
        while let Some((dst, payload)) = self.peers.tells.pop() {
            let sent = self.peers.find(&dst).and_then(|slot| {
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
                None => self.peers.tell_undelivered(&dst, 1, Undeliverable::Full),
            }
        }
    }

    /// Whether what the peer is told has to wait, is seen to.
    pub(super) fn update_blocked(&mut self, now: Instant, slot: Slot) {
        let used = self.peers.connection(slot);
        let takes =
            used.and_then(|used| self.connection(used)).is_some_and(Connection::takes_tells);
        self.peers.set_blocked(now, slot, !takes);
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
        if self.peers.connection(slot) != Some(handle) {
            return;
        }
        self.send_asks(now, slot, handle);
        self.update_blocked(now, slot);
    }

    /// After something has changed about a peer's connections: what waits goes on, dials again, or is over.
    pub(super) fn settle(&mut self, now: Instant, slot: Slot) {
        let Some(peer) = self.peers.get(slot) else { return };
        if let Some(used) = peer.connection() {
            self.touch(now, used);
        } else if peer.dial.is_none() {
            let dialled = if self.peers.is_awaited(slot) && self.closing != Closing::Passed {
                self.dial(now, slot)
            } else {
                Err(Undeliverable::Closed)
            };
            if let Err(why) = dialled {
                self.peers.fail_waiting(slot, why);
                return self.peers.forget(now, slot);
            }
        }
        self.update_blocked(now, slot);
    }

    pub(super) fn on_identify(&mut self, now: Instant, dst: PeerAddr<A>) {
        let slot = match self.slot_for(now, &dst) {
            Ok(slot) => slot,
            Err(why) => return self.peers.refuse(Command::Identify { dst }, why),
        };
        self.peers.identify(slot, dst);
    }

    pub(super) fn on_disconnect(&mut self, now: Instant, dst: &PeerAddr<A>) {
        let Some(slot) = self.peers.find(dst) else { return };
        self.peers.fail_waiting(slot, Undeliverable::Disconnected);
        let Some(peer) = self.peers.get(slot) else { return };
        let all: Vec<usize> = peer.all().collect();
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
