//! What comes up: with the transport's scheme in its addresses.

use super::member::weight;
use super::{Multi, Request};
use crate::swarm::{Command, Event, Message, Refusal, Scope, Swarm, Token, Undeliverable};
use crate::time::Instant;

impl<L: Swarm> Multi<L> {
    pub(super) const fn report(&mut self, slot: u8) {
        self.reporting |= 1 << slot;
    }

    /// Takes up all that a transport has to tell, and hands down what was held for it while it is ready.
    #[inline]
    pub(super) fn settle(&mut self, now: Instant, slot: u8) {
        let mut relink = false;
        let mut reports = false;
        while let Some(member) = self.slots.get_mut(usize::from(slot)).and_then(Option::as_mut) {
            match member.layer.poll_event() {
                Some(Event::Told(Message { src, dst, payload })) => {
                    let (src, dst) = (member.at(src), member.at(dst));
                    member.up.told(Message { src, dst, payload });
                    reports = true;
                }
                Some(event) => {
                    reports = true;
                    relink |= matches!(event, Event::Link(_) | Event::Closed);
                    self.on_event(now, slot, event);
                }
                None => {
                    if member.full || (member.held.is_empty() && !member.has_waiters()) {
                        break;
                    }
                    reports = true;
                    let Some(held) = member.held.pop_front() else {
                        member.resume();
                        continue;
                    };
                    self.held_bytes = self.held_bytes.saturating_sub(weight(&held));
                    member.layer.handle_command(now, held);
                }
            }
        }
        let Some(Some(member)) = self.slots.get_mut(usize::from(slot)) else { return };
        member.armed = member.layer.poll_timeout();
        self.transmitting |= 1 << slot;
        if reports {
            self.reporting |= 1 << slot;
        }
        if relink {
            self.relink();
        }
    }

    #[cold]
    fn on_event(&mut self, now: Instant, slot: u8, event: Event<L::Addr>) {
        let Some(member) = self.slots.get_mut(usize::from(slot)).and_then(Option::as_mut) else {
            return;
        };
        match &event {
            Event::Asked { .. } => return self.on_asked(now, slot, event),
            Event::Withdrawn { token, src } => {
                let Some(token) = self.ours.get(&(slot, *token)).copied() else { return };
                let src = src.clone();
                member.push(Event::Withdrawn { token, src });
                self.forget_request(token);
                return;
            }
            Event::Answered { id, .. } => {
                // Only of the transport that was asked.
                if self.asks.get(id) != Some(&slot) {
                    self.counters.stray_answers += 1;
                    return;
                }
                self.asks.remove(id);
            }
            Event::Identified { addr, .. } => {
                if !member.identified(addr) {
                    return;
                }
                self.identifying = self.identifying.saturating_sub(1);
            }
            Event::PeerUp { addr, .. } => member.peer_up(addr.clone()),
            Event::PeerDown { addr, .. } => member.peer_down(addr),
            Event::Full { scope: Scope::All } => return member.gate(true),
            Event::Ready { scope: Scope::All } => return member.gate(false),
            Event::Full { scope: Scope::To(dst) } => return member.gate_one(dst.clone(), true),
            Event::Ready { scope: Scope::To(dst) } => return member.gate_one(dst.clone(), false),
            // It is in the link of all.
            Event::Link(_) => return,
            Event::Closed => {
                member.closed = true;
                self.give_up(slot, Undeliverable::NoRoute);
                return self.close_when_all_did();
            }
            Event::Told(_)
            | Event::PathMtu { .. }
            | Event::Floor { .. }
            | Event::Undelivered { .. } => {}
        }
        member.push(event);
    }

    /// A request gets a token that no transport ever had.
    fn on_asked(&mut self, now: Instant, slot: u8, event: Event<L::Addr>) {
        let Event::Asked { token, message, deadline } = event else { return };
        let waiting = self.requests.len();
        let again = self.ours.get(&(slot, token)).copied();
        let Some(Some(member)) = self.slots.get_mut(usize::from(slot)) else { return };
        if waiting >= self.limits.transport_requests || !member.up.has_room(message.payload.len()) {
            self.counters.busy += 1;
            let result = Err(Refusal::default());
            return member
                .layer
                .handle_command(now, Command::Answer { token, dst: message.src, result });
        }
        if let Some(again) = again {
            self.forget_request(again);
        }
        let ours = Token(self.next_token);
        self.next_token = self.next_token.wrapping_add(1);
        let (src, expires) = (message.src.clone(), deadline.max(now.next()));
        self.requests.insert(ours, Request { slot, token, src, expires });
        self.ours.insert((slot, token), ours);
        self.deadlines.insert((expires, ours));
        if let Some(member) = self.member_mut(slot) {
            member.push(Event::Asked { token: ours, message, deadline });
        }
    }
}
