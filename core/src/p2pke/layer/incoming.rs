//! What comes up: datagrams to the channel they are for, strangers to the gate, the rest mapped.

use super::super::channel::{Channel, Input, Reason};
use super::super::session::{Hello, OVERHEAD};
use super::peers::{Peer, Standing};
use super::{CHAIN, Closing, P2pke};
use crate::addr::{Addr, PeerAddr, Source};
use crate::swarm::{Command, Event, Link, Message, Refusal, Scope, Undeliverable};
use crate::table::Slot;
use crate::time::Instant;
use crate::trace::trace;
use bytes::BytesMut;

/// The largest message of the swarm below that the protocol uses.
const MAX_MESSAGE: usize = 65_535;
/// The counter of an InitHello.
const HELLO: [u8; 4] = [0; 4];

impl<A: Addr + Source> P2pke<A> {
    pub(super) fn on_told(&mut self, now: Instant, message: Message<A>) {
        let Message { src, dst, payload } = message;
        if payload.starts_with(&HELLO) {
            return self.on_hello(now, &src, &dst, payload);
        }
        self.local.gate.stranger = false;
        // Most addresses have one channel, to which the message goes as it is.
        let Some(mut slot) = self.table.first(&src) else {
            return self.reject(&src, Reason::Undecryptable);
        };
        while let Some(next) = self.table.next(slot) {
            let copy = BytesMut::from(&payload[..]);
            if self.offer(now, slot, &src, &dst, copy).is_ok() {
                return;
            }
            slot = next;
        }
        if let Err(reason) = self.offer(now, slot, &src, &dst, payload) {
            self.reject(&src, reason);
        }
    }

    /// Counts a message that changed nothing.
    fn reject(&mut self, src: &A, reason: Reason) {
        self.counters.reject(reason);
        trace!(DEBUG, "p2pke", peer = %src, reason = ?reason, "a message was rejected");
        let _ = src;
    }

    /// Hands a message to one channel, and what it says upward.
    fn offer(
        &mut self,
        now: Instant,
        slot: Slot,
        src: &A,
        dst: &A,
        payload: BytesMut,
    ) -> Result<(), Reason> {
        let Some(peer) = self.table.get_mut(slot) else { return Err(Reason::Unexpected) };
        let id = peer.id;
        match peer.channel.handle_input(&mut self.local.lend(), now, payload) {
            Input::Rejected(reason) => Err(reason),
            Input::Handshake => {
                self.settle(now, slot);
                Ok(())
            }
            Input::Message(payload) => {
                // First the events: the message may be the first sign of the peer.
                self.settle(now, slot);
                self.counters.opened += 1;
                let src = PeerAddr { id, addr: src.clone() };
                let dst = PeerAddr { id: self.id(), addr: dst.clone() };
                self.up.push(Event::Told(Message { src, dst, payload }));
                Ok(())
            }
        }
    }

    /// A hello goes to the channel of the key that it claims, or knocks for a new one.
    fn on_hello(&mut self, now: Instant, src: &A, dst: &A, payload: BytesMut) {
        self.local.gate.stranger = true;
        let claimed = match Hello::parse(&payload) {
            Ok(hello) => *hello.claimed(),
            Err(error) => return self.reject(src, error.into()),
        };
        let result = if claimed == *self.local.key.public() {
            self.on_own_hello(now, src, payload)
        } else {
            let peer = PeerAddr { id: claimed.peer_id(), addr: src.clone() };
            match self.find(&peer) {
                Some(slot) => self.offer(now, slot, src, dst, payload),
                None => self.knock(now, peer, payload),
            }
        };
        if let Err(reason) = result {
            self.reject(src, reason);
        }
    }

    /// Our own hello came back: whoever dials that address notes it, should the dial fail.
    fn on_own_hello(&mut self, now: Instant, src: &A, payload: BytesMut) -> Result<(), Reason> {
        let mut slot = self.table.first(src);
        while let Some(at) = slot {
            if let Some(peer) = self.table.get_mut(at) {
                let copy = BytesMut::from(&payload[..]);
                let _ = peer.channel.handle_input(&mut self.local.lend(), now, copy);
            }
            slot = self.table.next(at);
        }
        Err(Reason::Oneself)
    }

    /// A stranger's hello gets a channel if the channel lets it in. Nothing is kept before that.
    fn knock(&mut self, now: Instant, from: PeerAddr<A>, payload: BytesMut) -> Result<(), Reason> {
        if self.closing != Closing::No || self.peers >= self.limits.peers {
            return Err(Reason::Full);
        }
        let lingering = self.down.first().copied();
        let lingering = lingering.filter(|_| self.peers + self.down.len() >= self.limits.peers);
        let network = from.network();
        let victim = self.half_open.victim(network, &mut self.local.rng);
        let victim = victim.map_err(|()| Reason::Full)?;
        if self.table.at(&from.addr).count() >= CHAIN && !self.has_yielding(&from.addr) {
            return Err(Reason::Full);
        }
        let mut channel = Channel::new(Some(from.id));
        if let Input::Rejected(reason) = channel.handle_input(&mut self.local.lend(), now, payload)
        {
            return Err(reason);
        }
        self.counters.hellos += 1;
        for slot in victim.into_iter().chain(lingering) {
            self.evict(slot);
        }
        if !self.make_room(&from.addr) {
            return Err(Reason::Full);
        }
        let peer = Peer::new(from.id, channel, Standing::HalfOpen);
        let slot = self.table.insert(from.addr, peer);
        self.half_open.insert(slot, network);
        self.settle(now, slot);
        Ok(())
    }

    fn has_yielding(&self, addr: &A) -> bool {
        let mut chain = self.table.at(addr).filter_map(|slot| self.table.get(slot));
        chain.any(Peer::yields)
    }

    pub(super) fn evict(&mut self, slot: Slot) {
        let standing = self.table.get(slot).map(|peer| peer.standing);
        self.counters.half_open_evicted += u64::from(standing == Some(Standing::HalfOpen));
        self.remove(slot);
    }

    /// All that is not a message: mapped, or refused.
    pub(super) fn on_event(&mut self, now: Instant, event: Event<A>) {
        match event {
            Event::Told(message) => self.on_told(now, message),
            Event::Link(link) => self.on_link(link),
            Event::PathMtu { dst, unit, tell_max } => {
                let unit = unit.min(MAX_MESSAGE).saturating_sub(OVERHEAD);
                let tell_max = tell_max.min(MAX_MESSAGE).saturating_sub(OVERHEAD);
                for dst in self.peers_at(&dst) {
                    self.up.push(Event::PathMtu { dst, unit, tell_max });
                }
            }
            Event::Full { scope } => self.out.block(now, scope),
            Event::Ready { scope } => self.out.unblock(now, &scope),
            Event::Undelivered { dst, reason } => self.on_undelivered(&dst, reason),
            // The swarm below may ask; what came in clear is nobody's request here.
            Event::Asked { token, message, .. } => {
                let result = Err(Refusal::default());
                self.control.push_back(Command::Answer { token, dst: message.src, result });
            }
            // Of whichever secure swarm: one key has one clock.
            Event::Floor { key, stamp } => self.up.push(Event::Floor { key, stamp }),
            Event::Closed => self.on_closed(),
            // What the swarm below knows of its peers proves nothing here, and nothing was asked of it.
            Event::Withdrawn { .. }
            | Event::Answered { .. }
            | Event::Identified { .. }
            | Event::PeerUp { .. }
            | Event::PeerDown { .. } => {}
        }
    }

    fn on_link(&mut self, mut link: Link<A>) {
        let id = self.id();
        link.unit = link.unit.min(MAX_MESSAGE);
        link.tell_max = link.tell_max.min(MAX_MESSAGE);
        link.ask_max = 0;
        self.up.push(Event::Link(link.map(|addr| Some(PeerAddr { id, addr })).less(OVERHEAD)));
    }

    /// The side below lost a message. Handshake messages are repeated anyway.
    fn on_undelivered(&mut self, dst: &A, reason: Undeliverable) {
        let up = |slot: &Slot| self.table.get(*slot).is_some_and(|peer| peer.channel.is_up());
        let slot = self.table.at(dst).find(up);
        if let Some(dst) = slot.and_then(|slot| self.peer_addr(slot)) {
            self.up.push(Event::Undelivered { dst, reason });
        }
    }

    /// The end: whoever still waits learns it, and all keys are wiped.
    fn on_closed(&mut self) {
        self.closing = Closing::Passed;
        for slot in 0..self.table.span() {
            self.fail_waiting(slot, Undeliverable::Closed);
            self.remove(slot);
        }
        self.up.push(Event::Closed);
    }

    /// Tells the address whether it may be sent to again.
    pub(super) fn on_ready(&mut self, now: Instant, scope: Scope<A>) {
        match &scope {
            Scope::All => self.up.push(Event::Ready { scope: Scope::All }),
            Scope::To(addr) => {
                for peer in self.peers_at(addr) {
                    self.up.push(Event::Ready { scope: Scope::To(peer) });
                }
            }
        }
        for slot in core::mem::take(&mut self.stalled) {
            self.flush(now, slot);
        }
    }
}
