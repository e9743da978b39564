//! What goes down: to the transport that the address names.

use super::member::weight;
use super::{Closing, Multi, MultiAddr, Request};
use crate::swarm::{AskError, AskId, Command, Event, Setting, Swarm, Token, Undeliverable};
use crate::time::Instant;
use alloc::vec::Vec;

impl<L: Swarm> Multi<L> {
    #[inline]
    pub(super) fn on_command(&mut self, now: Instant, command: Command<MultiAddr<L::Addr>>) {
        // What nearly always comes takes the short way.
        if self.closing == Closing::No
            && let Command::Tell { dst, .. } = &command
            && let Some(slot) = self.find(dst.key)
            && let Some(member) = self.member_mut(slot)
            && !member.full
            && !member.closed
            && let Command::Tell { dst, payload } = command
        {
            member.layer.handle_command(now, Command::Tell { dst: dst.addr, payload });
            return self.settle(now, slot);
        }
        self.on_any_command(now, command);
    }

    fn on_any_command(&mut self, now: Instant, command: Command<MultiAddr<L::Addr>>) {
        match command {
            Command::Close => self.on_close(now),
            Command::Set(setting) => {
                if let Setting::Hold(held) = setting {
                    self.held = held;
                }
                for slot in 0..self.slots.len() as u8 {
                    if let Some(member) = self.member_mut(slot) {
                        member.layer.handle_command(now, Command::Set(setting.clone()));
                        self.settle(now, slot);
                    }
                }
            }
            Command::Answer { token, dst, result } => {
                let slot = self.find(dst.key);
                let known = self.requests.get(&token);
                if known.is_none_or(|request| Some(request.slot) != slot) {
                    self.counters.stray_answers += 1;
                    return;
                }
                let Some(request) = self.forget_request(token) else { return };
                let token = request.token;
                self.pass(now, request.slot, Command::Answer { token, dst: dst.addr, result });
            }
            addressed @ (Command::Tell { .. }
            | Command::Ask { .. }
            | Command::Cancel { .. }
            | Command::Identify { .. }
            | Command::Disconnect { .. }) => self.on_addressed(now, addressed),
        }
    }

    fn on_addressed(&mut self, now: Instant, command: Command<MultiAddr<L::Addr>>) {
        let slot = command.dst().and_then(|dst| self.find(dst.key));
        let open = slot.filter(|slot| self.member(*slot).is_some_and(|member| !member.closed));
        let finishing = matches!(command, Command::Cancel { .. } | Command::Disconnect { .. });
        let why = if self.closing != Closing::No && !finishing {
            Some(Undeliverable::Closed)
        } else if open.is_none() {
            Some(Undeliverable::NoRoute)
        } else {
            self.no_room(open, &command)
        };
        let Some(slot) = open.filter(|_| why.is_none()) else {
            return self.refuse(command, why.unwrap_or(Undeliverable::NoRoute));
        };
        let Ok(command) = command.try_map(|dst| Ok::<L::Addr, _>(dst.addr)) else { return };
        match &command {
            Command::Ask { id, .. } => {
                self.asks.insert(*id, slot);
            }
            Command::Identify { dst } => {
                self.identifying += 1;
                if let Some(member) = self.member_mut(slot) {
                    member.identify(dst.clone());
                }
            }
            Command::Cancel { id, .. } => return self.on_cancel(now, slot, *id, command),
            Command::Tell { .. }
            | Command::Answer { .. }
            | Command::Disconnect { .. }
            | Command::Set(_)
            | Command::Close => {}
        }
        let message = matches!(command, Command::Tell { .. } | Command::Ask { .. });
        match self.member_mut(slot) {
            Some(member) if member.full && message => {
                let bytes = weight(&command);
                member.hold(command);
                self.held_bytes = self.held_bytes.saturating_add(bytes);
                self.report(slot);
            }
            _ => self.pass(now, slot, command),
        }
    }

    /// Why there is no room for this command, if there is none.
    fn no_room(
        &self,
        slot: Option<u8>,
        command: &Command<MultiAddr<L::Addr>>,
    ) -> Option<Undeliverable> {
        let held = slot.and_then(|slot| self.member(slot)).is_some_and(|member| member.full);
        let most = self.limits.transport_requests;
        let full = match command {
            Command::Tell { .. } => held && !self.can_hold(),
            Command::Ask { .. } => self.asks.len() >= most || held && !self.can_hold(),
            Command::Identify { .. } => self.identifying >= most,
            Command::Answer { .. }
            | Command::Cancel { .. }
            | Command::Disconnect { .. }
            | Command::Set(_)
            | Command::Close => false,
        };
        full.then_some(Undeliverable::Full)
    }

    /// As in an outbox: up to the mark and one message, or one as large as the mark never went.
    const fn can_hold(&self) -> bool {
        self.held_bytes < self.limits.send
    }

    fn on_cancel(&mut self, now: Instant, slot: u8, id: AskId, command: Command<L::Addr>) {
        if self.asks.get(&id) != Some(&slot) {
            return;
        }
        let Some(member) = self.member_mut(slot) else { return };
        if let Some(held) = member.recall(id) {
            member.push(Event::Answered { id, result: Err(AskError::Cancelled) });
            self.held_bytes = self.held_bytes.saturating_sub(weight(&held));
            self.asks.remove(&id);
            return self.report(slot);
        }
        self.pass(now, slot, command);
    }

    fn on_close(&mut self, now: Instant) {
        if self.closing != Closing::No {
            return;
        }
        self.closing = Closing::Asked;
        for slot in 0..self.slots.len() as u8 {
            let Some(member) = self.member_mut(slot) else { continue };
            if member.closed {
                continue;
            }
            if member.full {
                // Behind what was accepted before it.
                member.held.push_back(Command::Close);
                self.held_bytes =
                    self.held_bytes.saturating_add(weight::<L::Addr>(&Command::Close));
            } else {
                self.pass(now, slot, Command::Close);
            }
        }
        self.close_when_all_did();
    }

    fn pass(&mut self, now: Instant, slot: u8, command: Command<L::Addr>) {
        if let Some(member) = self.member_mut(slot) {
            member.layer.handle_command(now, command);
        }
        self.settle(now, slot);
    }

    fn refuse(&mut self, command: Command<MultiAddr<L::Addr>>, why: Undeliverable) {
        self.counters.refused += 1;
        if self.closing == Closing::Done || self.closing == Closing::Told {
            self.counters.after_close += 1;
        }
        if self.closing != Closing::Told
            && let Some(event) = command.refuse(why)
        {
            self.up.push(event);
        }
    }

    pub(super) fn forget_request(&mut self, token: Token) -> Option<Request<L::Addr>> {
        let request = self.requests.remove(&token)?;
        self.deadlines.remove(&(request.expires, token));
        self.ours.remove(&(request.slot, request.token));
        Some(request)
    }

    /// Nobody need wait for this transport any more.
    pub(super) fn give_up(&mut self, slot: u8, why: Undeliverable) {
        let asks: Vec<AskId> =
            self.asks.iter().filter(|(_, to)| **to == slot).map(|(id, _)| *id).collect();
        for id in &asks {
            self.asks.remove(id);
        }
        let requests = self.requests.iter().filter(|(_, request)| request.slot == slot);
        let requests: Vec<Token> = requests.map(|(token, _)| *token).collect();
        for token in requests {
            if let Some(request) = self.forget_request(token)
                && let Some(member) = self.member_mut(slot)
            {
                member.push(Event::Withdrawn { token, src: request.src });
            }
        }
        let Some(member) = self.member_mut(slot) else { return };
        let (bytes, identifications) = member.give_up(&asks, why);
        self.held_bytes = self.held_bytes.saturating_sub(bytes);
        self.identifying = self.identifying.saturating_sub(identifications);
        self.report(slot);
    }
}
