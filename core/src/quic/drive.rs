//! Seeing to connections that something has happened to: what happened comes up, what it led to goes down.
//!
//! A call only notes what has come or is to go; all of it is seen to at once when the next timer is due, which is at
//! once. So what was commanded together leaves together, in few datagrams.

use super::connection::Connection;
use super::ending::End;
use super::{Closing, Quic};
use crate::addr::{Addr, Source};
use crate::layer::earliest;
use crate::payload::Payload;
use crate::time::Instant;
use alloc::vec::Vec;
use bytes::Bytes;
use quinn_proto::{ConnectionHandle, EndpointEvent, Transmit};

/// Datagrams that a connection gives at once.
const BATCH: usize = 16;

impl<A: Addr + Source> Quic<A> {
    /// Something has happened to a connection.
    pub(super) fn touch(&mut self, now: Instant, handle: usize) {
        let Some(connection) = self.connection(handle) else { return };
        if !core::mem::replace(&mut connection.dirty, true) {
            self.dirty.push_back(handle);
        }
        self.dirty_since.get_or_insert(now.next());
    }

    /// What is due of connections and requests.
    pub(super) fn on_timers(&mut self, now: Instant) {
        while let Some(&(due, handle)) = self.timers.first()
            && due <= now
        {
            self.timers.pop_first();
            self.on_timer(now, handle);
        }
        self.on_deadlines(now);
        while self.reads_unread()
            && let Some(handle) = self.unread.next()
        {
            self.read(now, handle);
            self.touch(now, handle);
        }
    }

    fn on_timer(&mut self, now: Instant, handle: usize) {
        let then = self.local.clock.tell(now);
        let Some(connection) = self.connection(handle) else { return };
        connection.armed = None;
        let theirs = connection.quic.poll_timeout().is_some_and(|due| due <= then);
        if connection.end().is_some_and(|end| end <= now) {
            return self.kill(now, handle);
        }
        if connection.ping_at.is_some_and(|due| due <= now) {
            connection.quic.ping();
            connection.ping_at = None;
        } else if !theirs {
            return self.rearm(now, handle);
        }
        connection.quic.handle_timeout(then);
        self.touch(now, handle);
    }

    /// Sees to all connections that something has happened to.
    pub(super) fn drive_all(&mut self, now: Instant) {
        loop {
            // To those that have just become ready, too.
            self.send_tells(now);
            let Some(handle) = self.dirty.pop_front() else { break };
            self.drive(now, handle);
        }
        self.dirty_since = None;
    }

    fn drive(&mut self, now: Instant, handle: usize) {
        if let Some(connection) = self.connection(handle) {
            connection.dirty = false;
        }
        self.exchange(handle);
        while let Some(event) = self.connection(handle).and_then(|it| it.quic.poll()) {
            self.on_connection(now, handle, event);
            self.exchange(handle);
        }
        // Before what was said under the new address is heard.
        self.follow(now, handle);
        self.read(now, handle);
        self.write(now, handle);
        self.transmit(now, handle);
        if self.exchange(handle) {
            return self.remove(handle);
        }
        self.rearm(now, handle);
    }

    /// What the connection and the endpoint have to tell each other; whether the connection has ended.
    fn exchange(&mut self, handle: usize) -> bool {
        let Self { connections, local, .. } = self;
        let connection = connections.get_mut(handle).and_then(Option::as_deref_mut);
        let Some(connection) = connection else { return false };
        while let Some(event) = connection.quic.poll_endpoint_events() {
            // What has ended is taken out of both at once.
            if event.is_drained() {
                return true;
            }
            let reply = local.endpoint.handle_event(ConnectionHandle(handle), event);
            if let Some(reply) = reply {
                local.hand(&mut connection.quic, reply);
            }
        }
        connection.quic.is_drained()
    }

    /// What goes out, as far as the side below takes it.
    fn transmit(&mut self, now: Instant, handle: usize) {
        let then = self.local.clock.tell(now);
        loop {
            let Self { connections, local, out, places, stalled, .. } = self;
            let connection = connections.get_mut(handle).and_then(Option::as_deref_mut);
            let Some(connection) = connection else { return };
            let full = places.addr(connection.remote).is_some_and(|addr| out.is_full(addr));
            if full {
                stalled.insert(handle);
                return;
            }
            local.buffer.clear();
            let said = connection.unanswered.is_none().then(|| connection.said());
            let transmit = connection.quic.poll_transmit(then, BATCH, &mut local.buffer);
            let Some(transmit) = transmit else { return };
            if said.is_some_and(|said| connection.said() != said) {
                connection.unanswered = Some(now);
            }
            self.send(now, &transmit);
        }
    }

    /// Gives datagrams to the side below.
    pub(super) fn send(&mut self, now: Instant, transmit: &Transmit) {
        let Some(dst) = self.places.addr(transmit.destination).cloned() else { return };
        self.local.buffer.truncate(transmit.size);
        // Many datagrams go as they were written; few would keep memory for many.
        let buffer = &mut self.local.buffer;
        let mut rest = if buffer.len() >= buffer.capacity() / 2 {
            Bytes::from(core::mem::take(buffer))
        } else {
            Bytes::copy_from_slice(buffer)
        };
        let each = transmit.segment_size.unwrap_or(rest.len()).max(1);
        while !rest.is_empty() {
            let datagram = rest.split_to(each.min(rest.len()));
            // What does not go is sent again, as what is lost.
            let _ = self.out.push(now, dst.clone(), Payload::new(datagram));
        }
    }

    /// The side below takes more.
    pub(super) fn tell_ready(&mut self, now: Instant) {
        while self.out.take_ready().is_some() {
            for handle in core::mem::take(&mut self.stalled) {
                self.touch(now, handle);
            }
        }
        self.peers.tell_ready();
    }

    /// Keeps the index of timers: what falls due later than it did is seen to when it would have, since most timers move
    /// with every datagram.
    fn rearm(&mut self, now: Instant, handle: usize) {
        let unread = self.unread.is_held(&handle);
        let Self { connections, timers, local, busy, .. } = self;
        let connection = connections.get_mut(handle).and_then(Option::as_deref_mut);
        let Some(connection) = connection else { return };
        if connection.is_busy() {
            busy.insert(handle);
        } else {
            busy.remove(&handle);
        }
        connection.rearm_ping(now, unread);
        let theirs = connection.quic.poll_timeout().map(|due| local.clock.ours(due));
        let Some(due) = earliest(theirs, connection.due()) else { return };
        let due = due.max(now.next());
        if connection.armed.is_some_and(|armed| armed <= due) {
            return;
        }
        if let Some(armed) = connection.armed.replace(due) {
            timers.remove(&(armed, handle));
        }
        timers.insert((due, handle));
    }

    /// Makes place for a connection that quinn-proto has made.
    pub(super) fn insert(&mut self, now: Instant, handle: usize, connection: Connection<A>) {
        self.places.hold(connection.remote);
        if self.connections.len() <= handle {
            self.connections.resize_with(handle + 1, || None);
        }
        if let Some(place) = self.connections.get_mut(handle) {
            *place = Some(connection.into());
        }
        self.touch(now, handle);
    }

    /// A connection ends without a word.
    pub(super) fn kill(&mut self, now: Instant, handle: usize) {
        self.detach(now, handle, End::Silent);
        self.remove(handle);
    }

    /// Takes a connection out that nobody has to do with any more.
    fn remove(&mut self, handle: usize) {
        let gone = self.connections.get_mut(handle).and_then(Option::take);
        let Some(connection) = gone else { return };
        self.local.endpoint.handle_event(ConnectionHandle(handle), EndpointEvent::drained());
        self.places.release(connection.remote);
        if let Some(armed) = connection.armed {
            self.timers.remove(&(armed, handle));
        }
        self.stalled.remove(&handle);
        self.unread.remove(&handle);
        self.busy.remove(&handle);
        // Another connection may get its number.
        if connection.dirty {
            self.dirty.retain(|dirty| *dirty != handle);
        }
    }

    /// Whether a message of any size can be given upward.
    pub(super) fn has_room(&self) -> bool {
        self.peers.up.takes_more(self.largest())
    }

    /// Whether there is room again, and somebody to take it.
    pub(super) fn reads_unread(&self) -> bool {
        !self.unread.is_empty() && self.has_room()
    }

    /// The largest message that is taken of a peer, in bytes.
    pub(super) fn largest(&self) -> usize {
        let room = self.limits.receive.saturating_sub(crate::outbox::OVERHEAD);
        super::wire::MESSAGE_MAX.min(room)
    }

    /// Nothing that was accepted is unfinished.
    pub(super) fn is_finished(&self) -> bool {
        match self.closing {
            Closing::No | Closing::Passed => false,
            Closing::Asked => self.peers.is_idle() && self.busy.is_empty() && self.dirty.is_empty(),
            Closing::Ending => {
                self.out.is_empty() && self.dirty.is_empty() && self.stalled.is_empty()
            }
        }
    }

    /// Closes all connections once nothing is unfinished, and then the side below.
    pub(super) fn close_when_finished(&mut self, now: Instant) {
        if self.closing == Closing::Asked && self.is_finished() {
            self.closing = Closing::Ending;
            let handles: Vec<usize> = self.handles().collect();
            for handle in handles {
                self.close(now, handle, super::wire::code::DONE, End::Ours);
            }
        }
        if self.closing == Closing::Ending && self.is_finished() {
            self.closing = Closing::Passed;
            self.control.push_back(crate::swarm::Command::Close);
        }
    }

    /// All connections that there are.
    pub(super) fn handles(&self) -> impl Iterator<Item = usize> + '_ {
        let places = self.connections.iter().enumerate();
        places.filter(|(_, place)| place.is_some()).map(|(handle, _)| handle)
    }
}
