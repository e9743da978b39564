//! What comes up: to the channel that it is for, or to all.

use super::port::Closing;
use super::{Channel, Closed, Mux, Request};
use crate::addr::Addr;
use crate::identity::PublicKey;
use crate::swarm::{Event, IdentifyError, Message, Token};
use crate::time::Instant;
use crate::trace::trace;
use bytes::Buf;

impl<C: Channel, A: Addr> Mux<C, A> {
    pub(super) fn on_event(&mut self, now: Instant, event: Event<A>) {
        match event {
            Event::Told(mut message) => {
                if let Some(slot) = self.channel_of(&mut message) {
                    self.counters.received += 1;
                    self.on_told(slot, message);
                }
            }
            Event::Asked { token, message, deadline } => {
                self.on_asked(now, token, message, deadline);
            }
            Event::Withdrawn { token, src } => {
                let request = self.forget_request(token);
                if let Some(slot) = request.and_then(|request| self.slot_of(request.label)) {
                    self.push(slot, Event::Withdrawn { token, src });
                }
            }
            Event::Answered { id, result } => {
                let (label, id) = id.pop();
                if let Some(slot) = self.slot_of(label) {
                    self.push(slot, Event::Answered { id, result });
                    if let Some(port) = self.port(slot) {
                        port.asking = port.asking.saturating_sub(1);
                    }
                    self.finish_close(slot);
                }
            }
            Event::Identified { addr, result } => self.on_identified(addr, result),
            Event::Link(link) => {
                self.broadcast(|port| port.link(&link));
                self.link = link;
            }
            Event::PathMtu { dst, unit, tell_max } => self.on_path_mtu(dst, unit, tell_max),
            Event::PeerUp { addr, key } => {
                self.broadcast(|port| port.up.push(Event::PeerUp { addr: addr.clone(), key }))
            }
            // It is about a key, whatever the channel: one is enough to tell it.
            Event::Floor { key, stamp } => {
                let first = self.slots.iter().position(|slot| slot.port.is_some());
                if let Some(slot) = first {
                    self.push(slot as u16, Event::Floor { key, stamp });
                }
            }
            Event::PeerDown { addr, reason } => {
                self.broadcast(|port| port.up.push(Event::PeerDown { addr: addr.clone(), reason }))
            }
            Event::Undelivered { dst, reason } => self.broadcast(|port| {
                if port.told {
                    port.up.push(Event::Undelivered { dst: dst.clone(), reason });
                }
            }),
            Event::Full { scope } => {
                self.hold_passing();
                self.broadcast(|port| port.out.block(now, scope.clone()));
                self.full.insert(scope);
            }
            Event::Ready { scope } => {
                self.full.remove(&scope);
                self.broadcast(|port| port.out.unblock(now, &scope));
                for slot in 0..self.slots.len() as u16 {
                    if self.port(slot).is_some_and(|port| !port.out.is_empty()) {
                        self.activate(slot);
                    }
                }
            }
            Event::Closed => {
                self.closed = Closed::Yes;
                for slot in 0..self.slots.len() as u16 {
                    if self.port(slot).is_some_and(|port| port.closing != Closing::Done) {
                        self.end(slot);
                    }
                }
            }
        }
    }

    fn on_told(&mut self, slot: u16, message: Message<A>) {
        let nothing_waits = self.reporting.is_empty() && self.strays.is_empty();
        if nothing_waits && self.arriving.is_none() {
            self.arriving = Some((slot, message));
        } else if let Some(port) = self.port(slot) {
            port.up.told(message);
            self.report(slot);
        }
    }

    /// Takes off the header, and says whose it was.
    fn channel_of(&mut self, message: &mut Message<A>) -> Option<u16> {
        let Some((slot, len)) = C::find(&self.index, &message.payload) else {
            self.counters.malformed += 1;
            trace!(DEBUG, "mux", peer = %message.src, reason = "malformed", "a message was rejected");
            return None;
        };
        let Some(slot) = slot.copied() else {
            self.counters.unknown_channel += 1;
            trace!(DEBUG, "mux", peer = %message.src, reason = "no such channel", "a message was rejected");
            return None;
        };
        message.payload.advance(len);
        Some(slot)
    }

    fn on_asked(&mut self, now: Instant, token: Token, mut message: Message<A>, deadline: Instant) {
        let src = message.src.clone();
        let Some(slot) = self.channel_of(&mut message) else {
            return self.refuse_request(token, src);
        };
        let room = self.requests.len() < self.limits.channel_requests
            && self.port(slot).is_some_and(|port| port.up.has_room(message.payload.len()));
        if !room {
            self.counters.busy += 1;
            return self.refuse_request(token, src);
        }
        self.counters.requests += 1;
        self.forget_request(token);
        let (label, expires) = (self.label(slot), deadline.max(now.next()));
        self.requests.insert(token, Request { label, src, expires });
        self.deadlines.insert((expires, token));
        self.push(slot, Event::Asked { token, message, deadline });
    }

    fn on_identified(&mut self, addr: A, result: Result<PublicKey, IdentifyError>) {
        let Some(askers) = self.identifying.get_mut(&addr) else { return };
        let label = askers.pop_front();
        if askers.is_empty() {
            self.identifying.remove(&addr);
        }
        self.identifying_count = self.identifying_count.saturating_sub(1);
        if let Some(slot) = label.and_then(|label| self.slot_of(label)) {
            self.push(slot, Event::Identified { addr, result });
        }
    }

    fn on_path_mtu(&mut self, dst: A, unit: usize, tell_max: usize) {
        if self.paths.len() >= self.limits.path_mtus && !self.paths.contains_key(&dst) {
            // Not to know of a larger MTU is safe: the floor works towards everybody.
            return;
        }
        self.broadcast(|port| port.path_mtu(&dst, unit, tell_max));
        self.paths.insert(dst, (unit, tell_max));
    }

    pub(super) fn push(&mut self, slot: u16, event: Event<A>) {
        if let Some(port) = self.port(slot) {
            port.up.push(event);
            self.report(slot);
        }
    }

    /// The next event of the channel whose turn it is. A channel that has been told of its end
    /// leaves its slot to another.
    pub(super) fn next_event(&mut self) -> Option<(C, Event<A>)> {
        if let Some((slot, message)) = self.arriving.take()
            && let Some(port) = self.port(slot)
        {
            return Some((port.channel.clone(), Event::Told(message)));
        }
        if let Some(stray) = self.strays.pop_front() {
            return Some(stray);
        }
        loop {
            let slot = *self.reporting.front()?;
            let place = self.slots.get_mut(usize::from(slot));
            let port = place.and_then(|place| place.port.as_mut());
            let event = port.and_then(|port| {
                let event = port.up.pop()?;
                Some((port.channel.clone(), event))
            });
            self.take_turn(slot, event.as_ref());
            if event.is_some() {
                return event;
            }
        }
    }

    /// The channel at the front had its turn, in which it gave this event.
    fn take_turn(&mut self, slot: u16, event: Option<&(C, Event<A>)>) {
        let port = self.slots.get_mut(usize::from(slot)).and_then(|place| place.port.as_mut());
        let Some(port) = port else {
            self.reporting.pop_front();
            return;
        };
        if event.is_some() && !port.up.is_empty() {
            self.reporting.rotate_left(1);
            return;
        }
        port.reporting = false;
        let ended = matches!(event, Some((_, Event::Closed))) && port.closing == Closing::Done;
        self.reporting.pop_front();
        if ended {
            self.vacate(slot);
        }
    }

    fn vacate(&mut self, slot: u16) {
        if let Some(place) = self.slots.get_mut(usize::from(slot)) {
            place.port = None;
            place.taken = (place.taken + 1) & 0x3f;
            self.free.push_back(slot);
        }
        self.active.retain(|other| *other != slot);
        self.reporting.retain(|other| *other != slot);
        self.due.remove(&slot);
    }
}
