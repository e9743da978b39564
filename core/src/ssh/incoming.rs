//! What comes up: connections that strangers begin, and what is read of them.

use super::connection::{Connection, LINGER, Look, SPARE, Standing};
use super::ending::End;
use super::fault::Fault;
use super::packet::PACKET_EARLY;
use super::session::{Heard, Session};
use super::wire::MESSAGE_MAX;
use super::{Fingerprint, Ssh, SshAddr};
use crate::addr::{Addr, Source};
use crate::identity::PublicKey;
use crate::port::{StreamId, StreamInput, StreamTransmit};
use crate::swarm::{Event, Link, Message};
use crate::time::Instant;
use alloc::boxed::Box;
use bytes::BytesMut;

/// Bytes that a peer may send before we have read them.
const WINDOW: usize = 256 * 1_024;
/// The same of one that has not proven its key.
const WINDOW_EARLY: usize = PACKET_EARLY + 1_024;
/// Bytes that may wait to be written before nothing more is read, which might be answered.
pub(super) const ANSWERS_MAX: usize = 256 * 1_024;

impl<S: Addr + Source> Ssh<S> {
    pub(super) fn on_input(&mut self, now: Instant, input: StreamInput<S>) {
        match input {
            StreamInput::Bound { local } => {
                let fingerprint = self.fingerprint;
                let local = local.into_iter().map(|addr| SshAddr { fingerprint, addr }).collect();
                let max = self.largest();
                self.peers.up.push(Event::Link(Link {
                    local,
                    unit: max,
                    tell_max: max,
                    ask_max: max,
                }));
            }
            StreamInput::Opened { id, local, .. } => self.on_opened(now, id, local),
            StreamInput::Accepted { id, local, remote } => self.on_accepted(now, id, local, remote),
            StreamInput::Bytes { id, bytes } => self.on_bytes(now, id, bytes),
            StreamInput::Writable { id, bytes } => {
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.credit = connection.credit.saturating_add(bytes);
                    if connection.standing == Standing::Over {
                        connection.ends = now + LINGER;
                    }
                    self.read(now, id);
                }
            }
            StreamInput::Finished { id } => {
                // There may be messages before it that there was no room for.
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.left = true;
                    self.read(now, id);
                }
            }
            StreamInput::Closed { id, reason } => self.on_closed(now, id, reason),
        }
        self.send_tells(now);
    }

    fn on_opened(&mut self, now: Instant, id: StreamId, local: S) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.local = Some(local);
            self.grant(id);
            self.list(id);
            self.rearm(now, id);
        }
    }

    fn on_accepted(&mut self, now: Instant, id: StreamId, local: S, remote: S) {
        let network = remote.network();
        let closed = self.closing != super::Closing::No;
        if closed || self.peers.up_count() >= self.limits.peers || !self.strangers.take(now) {
            return self.turn_away(id);
        }
        match self.half_open.victim(network, &mut self.local.rng) {
            Ok(None) => {}
            Ok(Some(victim)) => {
                self.counters.half_open_evicted += 1;
                self.detach(now, victim, End::Full);
                self.abort(victim);
            }
            Err(()) => return self.turn_away(id),
        }
        self.counters.accepted += 1;
        self.half_open.insert(id, network);
        let session = Session::new(now, None, &mut self.local);
        let mut connection = Connection::new(now, id, session, remote, None);
        connection.local = Some(local);
        self.connections.insert(id, Box::new(connection));
        self.grant(id);
        self.list(id);
        self.rearm(now, id);
    }

    fn turn_away(&mut self, id: StreamId) {
        self.counters.turned_away += 1;
        self.control.push_back(StreamTransmit::Abort { id });
    }

    fn on_bytes(&mut self, now: Instant, id: StreamId, bytes: BytesMut) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.window = connection.window.saturating_sub(bytes.len());
        if connection.standing == Standing::Over {
            // The peer has said something before it read our last words.
            return self.grant(id);
        }
        connection.heard = now;
        connection.looked = None;
        connection.session.push(bytes);
        self.read(now, id);
    }

    /// Reads what has come on a connection, as long as there is room for it, and writes what it may by now.
    pub(super) fn read(&mut self, now: Instant, id: StreamId) {
        loop {
            let (room, held) = (self.has_room(), self.peers.held);
            let Some(connection) = self.connections.get_mut(&id) else { return };
            if connection.standing == Standing::Over {
                self.stalled.remove(&id);
                return self.list(id);
            }
            if connection.session.pending() > ANSWERS_MAX
                || connection.owed.len() >= self.limits.asks_per_peer
            {
                break;
            }
            if held && connection.parked.is_some() {
                self.stalled.hold(id);
                break;
            }
            if !room {
                self.stalled.insert(id);
                break;
            }
            if let Some(payload) = connection.parked.take() {
                self.on_told(id, payload);
                continue;
            }
            let heard = match connection.session.next(now, &mut self.local) {
                Ok(None) => {
                    self.stalled.remove(&id);
                    if connection.left {
                        return self.close(now, id, Fault::Left, End::Theirs);
                    }
                    self.grant(id);
                    break;
                }
                Ok(Some(heard)) => self.on_heard(now, id, heard),
                Err(fault) => Err(fault),
            };
            if let Err(fault) = heard {
                return self.fail(now, id, fault);
            }
        }
        self.write(now, id);
    }

    fn on_heard(&mut self, now: Instant, id: StreamId, heard: Heard) -> Result<(), Fault> {
        match heard {
            Heard::Up(key) => self.on_up(now, id, key),
            Heard::Told(payload) => {
                if self.peers.held {
                    // What follows it may be an answer, or nothing at all: then it is the only one of its peer here.
                    if let Some(connection) = self.connections.get_mut(&id) {
                        connection.parked = Some(payload);
                    }
                } else {
                    self.on_told(id, payload);
                }
                Ok(())
            }
            Heard::Asked { name, payload } => self.on_asked(now, id, name, payload),
            Heard::Answered { name, result } => self.on_answered(id, name, result),
            Heard::Withdrawn(name) => {
                self.on_withdrawn(id, name);
                Ok(())
            }
            Heard::Rekeyed => {
                self.counters.rekeyed += 1;
                Ok(())
            }
            Heard::Foreign => {
                self.on_foreign(id);
                Ok(())
            }
        }
    }

    fn on_told(&mut self, id: StreamId, payload: BytesMut) {
        let Some((src, dst)) = self.ends_of(id) else { return };
        if payload.len() > MESSAGE_MAX {
            self.counters.refused_too_large += 1;
            return;
        }
        self.counters.heard += 1;
        self.peers.up.told(Message { src, dst, payload });
    }

    /// Both sides of a connection have proven their keys.
    fn on_up(&mut self, now: Instant, id: StreamId, key: PublicKey) -> Result<(), Fault> {
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        connection.standing = Standing::Up;
        connection.since = now;
        let (dialled, begun) = (connection.dialled, connection.session.begun);
        let (remote, peer) = (connection.remote.clone(), connection.peer);
        self.leave_handshake(id, dialled);
        let fingerprint = Fingerprint::of(&key);
        let addr = SshAddr { fingerprint, addr: remote };
        let known = peer.or_else(|| self.peers.find(&addr));
        if known.is_none() && self.peers.up_count() >= self.limits.peers {
            return Err(Fault::Busy);
        }
        let slot = peer.unwrap_or_else(|| self.peers.find_or_insert(&addr));
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.peer = Some(slot);
        }
        // The newest is used, but where both dialled at once both sides choose the same, and end what they dialled of the
        // other.
        let used = self.peers.connection(slot).filter(|used| {
            let used = self.connections.get(used);
            used.is_some_and(|used| used.dialled != dialled && used.since >= begun)
        });
        let keeps = used.filter(|_| dialled != (self.fingerprint < fingerprint));
        if let Some(oldest) = self.peers.enter(slot, (id, keeps.is_some()), key) {
            self.close(now, oldest, Fault::Done, End::Ours);
        }
        if used.is_some() {
            self.counters.crossed += 1;
            let spare = keeps.map_or(used, |_| Some(id));
            let spare = spare.and_then(|spare| self.connections.get_mut(&spare));
            if let Some(spare) = spare.filter(|spare| spare.dialled) {
                spare.idle = SPARE;
            }
        }
        Ok(())
    }

    /// Who is at the other end of a connection, and where it came to us.
    pub(super) fn ends_of(&self, id: StreamId) -> Option<(SshAddr<S>, SshAddr<S>)> {
        let connection = self.connections.get(&id)?;
        let src = self.peers.addr(connection.peer?)?;
        let addr = connection.local.clone()?;
        Some((src, SshAddr { fingerprint: self.fingerprint, addr }))
    }

    /// Lets the peer send on.
    fn grant(&mut self, id: StreamId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let target = if connection.session.is_up() { WINDOW } else { WINDOW_EARLY };
        if connection.window < target / 2 {
            let bytes = target - connection.window;
            connection.window = target;
            self.control.push_back(StreamTransmit::Read { id, bytes });
        }
    }

    /// Whether a message of any size can be given upward.
    pub(super) fn has_room(&self) -> bool {
        self.peers.up.takes_more(self.largest())
    }

    /// The largest message that is taken of a peer, in bytes.
    fn largest(&self) -> usize {
        let room = self.limits.receive.saturating_sub(crate::outbox::OVERHEAD);
        MESSAGE_MAX.min(room)
    }

    /// Connections on which something has fallen due.
    pub(super) fn on_timers(&mut self, now: Instant) {
        while let Some(&(due, id)) = self.timers.first()
            && due <= now
        {
            self.timers.pop_first();
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            connection.armed = None;
            if connection.due(&self.local) > now {
                self.rearm(now, id);
                continue;
            }
            let standing = connection.standing;
            let done = match standing {
                Standing::Over => {
                    self.abort(id);
                    continue;
                }
                Standing::Handshaking | Standing::Up => {
                    connection.session.on_due(now, &mut self.local)
                }
            };
            let look = if standing == Standing::Up { connection.look(now) } else { Look::Nothing };
            match (done, look) {
                (Err(fault), _) => self.fail(now, id, fault),
                (Ok(()), Look::Idle) => self.close(now, id, Fault::Done, End::Idle),
                (Ok(()), Look::Silent) => self.close(now, id, Fault::TimedOut, End::Silent),
                (Ok(()), Look::Nothing) => self.write(now, id),
            }
        }
    }

    /// Keeps the index of timers: what falls due later than it did is seen to when it would have.
    pub(super) fn rearm(&mut self, now: Instant, id: StreamId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let due = connection.due(&self.local).max(now.next());
        if due == Instant::MAX || connection.armed.is_some_and(|armed| armed <= due) {
            return;
        }
        if let Some(armed) = connection.armed.replace(due) {
            self.timers.remove(&(armed, id));
        }
        self.timers.insert((due, id));
    }

    /// Whether there is room again, and somebody to take it.
    pub(super) fn reads_stalled(&self) -> bool {
        !self.stalled.is_empty() && self.has_room()
    }

    /// Reads on where there was no room before.
    pub(super) fn read_stalled(&mut self, now: Instant) {
        while self.reads_stalled()
            && let Some(id) = self.stalled.next()
        {
            self.read(now, id);
        }
    }
}
