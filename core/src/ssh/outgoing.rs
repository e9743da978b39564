//! What goes down: tells, dials for them, and what is written.

use super::connection::{Connection, Standing};
use super::ending::End;
use super::fault::Fault;
use super::session::Session;
use super::{Closing, Ssh, SshAddr};
use crate::addr::{Addr, Source};
use crate::payload::Payload;
use crate::port::{StreamId, StreamTransmit};
use crate::swarm::{Command, Undeliverable};
use crate::table::Slot;
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::vec::Vec;

impl<S: Addr + Source> Ssh<S> {
    pub(super) fn on_tell(&mut self, now: Instant, dst: SshAddr<S>, payload: Payload) {
        let refused = self.peers.refuses_tell(&dst, payload.len());
        let slot = match refused.map_or_else(|| self.slot_for(now, &dst), Err) {
            Ok(slot) => slot,
            Err(why) => return self.peers.refuse(Command::Tell { dst, payload }, why),
        };
        // Where nothing waits it goes at once.
        if self.peers.get(slot).is_some_and(|peer| !peer.blocked) {
            return self.send_tell(now, slot, &dst, &payload);
        }
        self.peers.push_tell(now, dst, payload);
    }

    /// The peer at `dst`, dialled where it was not known and may be.
    pub(super) fn slot_for(
        &mut self,
        now: Instant,
        dst: &SshAddr<S>,
    ) -> Result<Slot, Undeliverable> {
        if self.closing != Closing::No {
            return Err(Undeliverable::Closed);
        }
        if dst.fingerprint == self.fingerprint {
            return Err(Undeliverable::Oneself);
        }
        if let Some(slot) = self.peers.find(dst) {
            return Ok(slot);
        }
        let peers = self.limits.peers.saturating_mul(2);
        if self.dialling >= self.limits.dialling || self.peers.up_count() + self.dialling >= peers {
            return Err(Undeliverable::Full);
        }
        let slot = self.peers.insert(dst);
        self.dial(now, slot);
        self.update_blocked(now, slot);
        Ok(slot)
    }

    fn dial(&mut self, now: Instant, slot: Slot) {
        let Some(dst) = self.peers.addr(slot) else { return };
        let id = StreamId::opened(self.fresh);
        self.fresh += 1;
        self.counters.dialled += 1;
        self.dialling += 1;
        if let Some(peer) = self.peers.get_mut(slot) {
            peer.dial = Some(id);
        }
        let session = Session::new(now, Some(dst.fingerprint), &mut self.local);
        let connection = Connection::new(now, id, session, dst.addr.clone(), Some(slot));
        self.connections.insert(id, Box::new(connection));
        self.control.push_back(StreamTransmit::Open { id, dst: dst.addr });
        self.rearm(now, id);
    }

    fn send_tell(&mut self, now: Instant, slot: Slot, dst: &SshAddr<S>, payload: &Payload) {
        let id = self.peers.connection(slot);
        let connection = id.and_then(|id| self.connections.get_mut(&id));
        let (Some(id), Some(connection)) = (id, connection) else {
            // What cannot be told waits, and is not told here.
            return self.peers.tell_undelivered(dst, 1, Undeliverable::Full);
        };
        connection.session.tell(payload);
        let end = connection.written + connection.session.pending() as u64;
        connection.unwritten.push_back(end);
        connection.said = now;
        self.counters.told += 1;
        self.after_writing(now, id);
    }

    /// Gives messages to the connections of their peers.
    pub(super) fn send_tells(&mut self, now: Instant) {
        while let Some((dst, payload)) = self.peers.tells.pop() {
            if let Some(slot) = self.peers.find(&dst) {
                self.send_tell(now, slot, &dst, &payload);
            }
        }
    }

    /// Gives a connection what waits for it, as far as it takes it.
    pub(super) fn write(&mut self, now: Instant, id: StreamId) {
        self.send_answers(now, id);
        let slot = self.connections.get(&id).and_then(|connection| connection.peer);
        if let Some(slot) = slot
            && self.peers.connection(slot) == Some(id)
        {
            self.send_asks(now, slot, id);
        }
        self.after_writing(now, id);
    }

    /// After something was given to a connection.
    fn after_writing(&mut self, now: Instant, id: StreamId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.standing == Standing::Up {
            connection.session.rekey_where_due(now, &mut self.local);
        }
        let slot = connection.peer;
        self.list(id);
        self.rearm(now, id);
        if let Some(slot) = slot {
            self.update_blocked(now, slot);
        }
    }

    /// A connection that has something to write stands among those that have.
    pub(super) fn list(&mut self, id: StreamId) {
        if let Some(connection) = self.connections.get_mut(&id)
            && !connection.listed
            && connection.has_output()
        {
            connection.listed = true;
            self.writable.push_back(id);
        }
    }

    /// The next piece that may be written.
    pub(super) fn next_write(&mut self) -> Option<StreamTransmit<S>> {
        while let Some(&id) = self.writable.front() {
            if let Some(connection) = self.connections.get_mut(&id) {
                let len = connection.session.pending().min(connection.credit);
                if len > 0 {
                    let out = connection.session.out();
                    // Whole, it takes what it is in along, so that a connection that is quiet holds nothing.
                    let piece =
                        if len == out.len() { core::mem::take(out) } else { out.split_to(len) };
                    connection.credit -= len;
                    connection.written += len as u64;
                    let written = connection.written;
                    while connection.unwritten.pop_front_if(|end| *end <= written).is_some() {}
                    return Some(StreamTransmit::Write { id, payload: piece.freeze().into() });
                }
                connection.listed = false;
                if connection.has_output() {
                    connection.finished = true;
                    self.writable.pop_front();
                    return Some(StreamTransmit::Finish { id });
                }
                if connection.unwritten.is_empty() && connection.unwritten.capacity() > 1_024 {
                    connection.unwritten = alloc::collections::VecDeque::new();
                }
            }
            self.writable.pop_front();
        }
        None
    }

    /// Whether what the peer is told has to wait, is seen to.
    pub(super) fn update_blocked(&mut self, now: Instant, slot: Slot) {
        let used = self.peers.connection(slot);
        let connection = used.and_then(|used| self.connections.get(&used));
        let takes = connection.is_some_and(|connection| connection.takes());
        self.peers.set_blocked(now, slot, !takes);
    }

    /// After something has changed about a peer's connections: what waits goes on, dials again, or is over.
    pub(super) fn settle(&mut self, now: Instant, slot: Slot) {
        let Some(peer) = self.peers.get(slot) else { return };
        if let Some(used) = peer.connection() {
            self.write(now, used);
        } else if peer.dial.is_none() {
            if !self.peers.is_awaited(slot) || self.closing != Closing::No {
                self.peers.fail_waiting(slot, Undeliverable::Closed);
                return self.peers.forget(now, slot);
            }
            self.dial(now, slot);
        }
        self.update_blocked(now, slot);
    }

    pub(super) fn on_identify(&mut self, now: Instant, dst: SshAddr<S>) {
        let slot = match self.slot_for(now, &dst) {
            Ok(slot) => slot,
            Err(why) => return self.peers.refuse(Command::Identify { dst }, why),
        };
        self.peers.identify(slot, dst);
    }

    pub(super) fn on_disconnect(&mut self, now: Instant, dst: &SshAddr<S>) {
        let Some(slot) = self.peers.find(dst) else { return };
        self.peers.fail_waiting(slot, Undeliverable::Disconnected);
        let Some(peer) = self.peers.get(slot) else { return };
        let all: Vec<StreamId> = peer.all().collect();
        for id in all {
            self.close(now, id, Fault::Done, End::Ours);
        }
    }
}
