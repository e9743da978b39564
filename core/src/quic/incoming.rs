//! What comes up: datagrams to their connections, strangers to the door, and what happens to connections.

use super::connection::{Connection, Standing};
use super::ending::End;
use super::wire::{self, code};
use super::{Closing, MTU_MIN, OVERHEAD, Quic, tls};
use crate::addr::{Addr, PeerAddr, Source};
use crate::identity::PublicKey;
use crate::swarm::{
    AskId, Command, DownReason, Event, Link, Message, Refusal, Setting, Undeliverable,
};
use crate::table::Slot;
use crate::time::Instant;
use alloc::vec::Vec;
use bytes::BytesMut;
use core::net::SocketAddr;
use quinn_proto::crypto::rustls::HandshakeData;
use quinn_proto::{DatagramEvent, Event as Happening, Incoming};

impl<A: Addr + Source> Quic<A> {
    /// All that comes from the side below: mapped, or refused.
    pub(super) fn on_event(&mut self, now: Instant, event: Event<A>) {
        match event {
            Event::Told(Message { src, dst, payload }) => self.on_datagram(now, &src, dst, payload),
            Event::Link(link) => self.on_link(link),
            Event::Full { scope } => self.out.block(now, scope),
            Event::Ready { scope } => self.out.unblock(now, &scope),
            // The swarm below may ask; what came in clear is nobody's request here.
            Event::Asked { token, message, .. } => {
                let result = Err(Refusal::default());
                self.control.push_back(Command::Answer { token, dst: message.src, result });
            }
            // Of whichever secure swarm: one key has one clock.
            Event::Floor { key, stamp } => self.peers.up.push(Event::Floor { key, stamp }),
            Event::Closed => self.on_closed(now),
            // What is lost is sent again. What the swarm below knows of its peers proves nothing here, larger datagrams
            // are found out, and nothing was asked of it.
            Event::Undelivered { .. }
            | Event::PathMtu { .. }
            | Event::Withdrawn { .. }
            | Event::Answered { .. }
            | Event::Identified { .. }
            | Event::PeerUp { .. }
            | Event::PeerDown { .. } => {}
        }
    }

    fn on_link(&mut self, link: Link<A>) {
        let id = self.id();
        let fits = link.unit >= MTU_MIN;
        if fits {
            self.local.set_mtu(link.unit, &self.limits);
        }
        let link = Link {
            unit: if fits { link.unit - OVERHEAD } else { 0 },
            tell_max: if fits { wire::MESSAGE_MAX } else { 0 },
            ask_max: if fits { self.limits.ask_max.min(wire::MESSAGE_MAX) } else { 0 },
            local: link.local,
        };
        self.peers.up.push(Event::Link(link.map(|addr| Some(PeerAddr { id, addr }))));
    }

    fn on_datagram(&mut self, now: Instant, src: &A, dst: A, payload: BytesMut) {
        let Some(remote) = self.places.stand_in(src) else {
            self.counters.rejected_places += 1;
            return;
        };
        let then = self.local.clock.tell(now);
        self.local.buffer.clear();
        let local = &mut self.local;
        let event = local.endpoint.handle(then, remote, None, None, payload, &mut local.buffer);
        match event {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                let place = self.connections.get_mut(handle.0).and_then(Option::as_deref_mut);
                let Some(connection) = place else { return };
                if connection.local.as_ref() != Some(&dst) {
                    connection.local = Some(dst);
                }
                self.local.hand(&mut connection.quic, event);
                if connection.has_heard() || connection.quic.is_handshaking() {
                    connection.on_heard();
                    self.touch(now, handle.0);
                } else {
                    // Whoever sent it is not the peer, or it came before.
                    self.counters.rejected += 1;
                }
            }
            Some(DatagramEvent::NewConnection(incoming)) => {
                self.on_stranger(now, src, dst, incoming);
            }
            Some(DatagramEvent::Response(transmit)) => {
                self.counters.rejected += 1;
                self.send(now, &transmit);
            }
            None => self.counters.rejected += 1,
        }
    }

    /// Somebody begins a connection.
    fn on_stranger(&mut self, now: Instant, src: &A, dst: A, incoming: Incoming) {
        let network = src.network();
        let victim = self.half_open.victim(network, &mut self.local.rng);
        let crowded = self.half_open.len() >= self.limits.half_open / 2;
        if self.closing != Closing::No || self.peers.up_count() >= self.limits.peers {
            self.counters.turned_away += 1;
            let transmit = self.local.endpoint.refuse(incoming, &mut self.local.buffer);
            return self.send(now, &transmit);
        }
        if crowded && !incoming.remote_address_validated() {
            let retry = self.local.endpoint.retry(incoming, &mut self.local.buffer);
            if let Ok(transmit) = retry {
                self.counters.retried += 1;
                self.send(now, &transmit);
            }
            return;
        }
        let Ok(victim) = victim else { return self.turn_away(incoming) };
        if !self.local.strangers.take(now) {
            return self.turn_away(incoming);
        }
        if let Some(victim) = victim {
            self.counters.half_open_evicted += 1;
            self.kill(now, victim as usize);
        }
        match self.local.accept(now, incoming) {
            Ok((handle, quic)) => {
                self.counters.accepted += 1;
                self.insert(now, handle.0, Connection::new(quic, None, now, Some(dst)));
                // Handles are counted from zero, and as few as connections.
                self.half_open.insert(handle.0 as Slot, network);
            }
            Err(response) => {
                self.counters.rejected += 1;
                if let Some(transmit) = response {
                    self.send(now, &transmit);
                }
            }
        }
    }

    fn turn_away(&mut self, incoming: Incoming) {
        self.counters.turned_away += 1;
        self.local.endpoint.ignore(incoming);
    }

    /// Something has happened to a connection.
    pub(super) fn on_connection(&mut self, now: Instant, handle: usize, event: Happening) {
        match event {
            Happening::Connected => self.on_connected(now, handle),
            Happening::ConnectionLost { reason } => {
                self.read_last(now, handle);
                self.detach(now, handle, End::from(&reason));
            }
            Happening::Stream(event) => self.on_stream(handle, event),
            Happening::HandshakeDataReady
            | Happening::DatagramReceived
            | Happening::DatagramsUnblocked => {}
        }
    }

    /// The handshake is over: who is it?
    fn on_connected(&mut self, now: Instant, handle: usize) {
        let our_id = self.id();
        let Some(connection) = self.connection(handle) else { return };
        let session = connection.quic.crypto_session();
        let key = tls::proven_key(session.peer_identity());
        let data = session.handshake_data().and_then(|data| data.downcast::<HandshakeData>().ok());
        connection.ours = data.and_then(|data| data.protocol).as_deref() == Some(wire::OURS);
        let (remote, dialled) = (connection.remote, connection.peer);
        // Neither is missing: certificates are demanded, and the place of a connection is kept.
        let Some(key) = key else { return self.turn_out(now, handle, code::WRONG_PEER) };
        let Some(addr) = self.places.addr(remote).cloned() else { return };
        let peer = PeerAddr { id: key.peer_id(), addr };
        let expected = dialled.and_then(|slot| self.peers.get(slot)).map(|peer| peer.id);
        if peer.id == our_id || expected.is_some_and(|id| id != peer.id) {
            return self.turn_out(now, handle, code::WRONG_PEER);
        }
        if !self.local.accept.takes(&peer.id) {
            return self.turn_out(now, handle, code::DENIED);
        }
        let known = self.peers.find(&peer);
        let is_up =
            known.and_then(|slot| self.peers.get(slot)).is_some_and(|it| it.key().is_some());
        if dialled.is_none() && !is_up && self.peers.up_count() >= self.limits.peers {
            return self.turn_out(now, handle, code::BUSY);
        }
        let slot = self.peers.find_or_insert(&peer);
        self.attach(now, handle, slot, &key);
    }

    /// A connection is the peer's from now on.
    fn attach(&mut self, now: Instant, handle: usize, slot: Slot, key: &PublicKey) {
        let is_lower = self.id() < key.peer_id();
        let Some(connection) = self.connection(handle) else { return };
        let was = core::mem::replace(&mut connection.standing, Standing::Up { since: now });
        connection.peer = Some(slot);
        let (dialled, begun) = (connection.dialled, connection.begun);
        if was == Standing::Handshaking {
            self.leave_handshake(handle, dialled);
        }
        let Some(peer) = self.peers.get(slot) else { return };
        // The newest is used, but where both dialled at once both sides choose the same.
        let used = peer.connection().and_then(|used| self.connections.get(used)?.as_ref());
        let crossed = used.is_some_and(|used| {
            matches!(used.standing, Standing::Up { since } if since >= begun)
                && used.dialled != dialled
        });
        let keeps = crossed && dialled != is_lower;
        self.counters.crossed += u64::from(crossed);
        let over = self.peers.enter(slot, (handle, keeps), *key);
        self.settle(now, slot);
        self.touch(now, handle);
        if let Some(oldest) = over {
            self.close(now, oldest, code::DONE, End::Ours);
        }
    }

    /// A handshake is over, however it ended.
    pub(super) fn leave_handshake(&mut self, handle: usize, dialled: bool) {
        if dialled {
            self.dialling -= 1;
        } else {
            self.half_open.remove(handle as Slot);
        }
    }

    /// A connection follows its peer to another address.
    pub(super) fn follow(&mut self, now: Instant, handle: usize) {
        let Some(connection) = self.connection(handle) else { return };
        let (is, was) = (connection.quic.remote_address(), connection.remote);
        if is == was {
            return;
        }
        connection.remote = is;
        self.places.hold(is);
        self.places.release(was);
        self.move_peer(now, handle, is);
    }

    fn move_peer(&mut self, now: Instant, handle: usize, to: SocketAddr) {
        let Some(connection) = self.connection(handle) else { return };
        let Some(old) = connection.peer.filter(|_| connection.is_up()) else { return };
        let asks: Vec<AskId> = connection.asks.values().copied().collect();
        let Some(addr) = self.places.addr(to).cloned() else { return };
        let Some(peer) = self.peers.get(old) else { return };
        let (id, Some(&key)) = (peer.id, peer.key()) else { return };
        self.peers.leave(old, handle, DownReason::Moved);
        let slot = self.peers.find_or_insert(&PeerAddr { id, addr });
        self.peers.move_asks(asks.into_iter(), slot);
        self.attach(now, handle, slot, &key);
        self.settle(now, old);
    }

    pub(super) fn on_set(&mut self, now: Instant, setting: Setting) {
        if let Setting::Clock(anchor) = &setting {
            self.local.clock.set(*anchor);
        }
        if let Setting::Hold(held) = &setting {
            self.peers.held = *held;
            self.unread.release();
        }
        if let Setting::Accept(accept) = &setting {
            self.local.accept = accept.clone();
            let excluded: Vec<usize> = self
                .peers
                .table
                .iter()
                .filter(|(_, _, peer)| !accept.takes(&peer.id))
                .flat_map(|(_, _, peer)| peer.all())
                .collect();
            for handle in excluded {
                // Not with the code of those of whom nothing was taken.
                self.close(now, handle, code::DONE, End::Denied);
            }
        }
        self.control.push_back(Command::Set(setting));
    }

    /// The end: whoever still waits learns it.
    fn on_closed(&mut self, now: Instant) {
        self.closing = Closing::Passed;
        let handles: Vec<usize> = self.handles().collect();
        for handle in handles {
            self.detach(now, handle, End::Ours);
        }
        for slot in 0..self.peers.table.span() {
            self.peers.fail_waiting(slot, Undeliverable::Closed);
        }
        self.peers.up.push(Event::Closed);
    }
}
