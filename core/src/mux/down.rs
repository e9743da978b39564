//! What goes down: messages in turn, everything else at once.

use super::port::Closing;
use super::{Channel, Closed, Mux, QUANTUM, STRAYS};
use crate::addr::Addr;
use crate::outbox::OVERHEAD;
use crate::payload::Payload;
use crate::swarm::{Command, Event, Undeliverable};
use crate::time::Instant;

impl<C: Channel, A: Addr> Mux<C, A> {
    pub(super) fn on_command(&mut self, now: Instant, channel: C, command: Command<A>) {
        let slot = self.index.get(&channel).copied();
        let Some(slot) = slot.filter(|_| self.closed == Closed::No) else {
            return self.refuse_stray(channel, command);
        };
        match command {
            Command::Tell { dst, payload } => self.on_tell(now, slot, dst, payload),
            Command::Ask { id, dst, mut payload, deadline } => {
                let label = self.label(slot);
                let Some(port) = self.port(slot) else { return };
                let why = if port.closing != Closing::No {
                    Undeliverable::Closed
                } else if let Some(id) = id.push(label) {
                    payload.prepend(&port.header);
                    port.asking += 1;
                    self.counters.asked += 1;
                    self.control.push_back(Command::Ask { id, dst, payload, deadline });
                    return;
                } else {
                    Undeliverable::Unsupported
                };
                self.refuse(slot, Command::Ask { id, dst, payload, deadline }, why);
            }
            Command::Cancel { id, dst } => {
                if let Some(id) = id.push(self.label(slot)) {
                    self.control.push_back(Command::Cancel { id, dst });
                }
            }
            Command::Answer { token, dst, result } => {
                let label = self.label(slot);
                if self.requests.get(&token).is_none_or(|request| request.label != label) {
                    self.counters.stray_answers += 1;
                    return;
                }
                self.forget_request(token);
                self.control.push_back(Command::Answer { token, dst, result });
            }
            Command::Identify { dst } => self.on_identify(slot, dst),
            Command::Close => self.begin_close(slot, Closing::WithSwarm),
            passed @ (Command::Disconnect { .. } | Command::Set(_)) => {
                self.control.push_back(passed);
            }
        }
    }

    fn on_tell(&mut self, now: Instant, slot: u16, dst: A, mut payload: Payload) {
        let Some(port) = self.port(slot) else { return };
        let limit = port.up.mtu_to(&dst);
        if port.closing != Closing::No {
            return self.refuse(slot, Command::Tell { dst, payload }, Undeliverable::Closed);
        }
        if payload.len() > limit {
            let why = Undeliverable::TooLarge { limit };
            return self.refuse(slot, Command::Tell { dst, payload }, why);
        }
        payload.prepend(&port.header);
        port.told = true;
        let nothing_waits =
            self.active.is_empty() && self.full.is_empty() && self.control.is_empty();
        if nothing_waits && self.passing.is_none() {
            self.counters.told += 1;
            self.passing = Some((slot, dst, payload));
            return;
        }
        self.enqueue(now, slot, dst, payload);
    }

    /// Has a message, with its header, wait for its channel's turn.
    fn enqueue(&mut self, now: Instant, slot: u16, dst: A, payload: Payload) {
        let Some(port) = self.port(slot) else { return };
        match port.out.push(now, dst, payload) {
            Ok(crossed) => {
                self.counters.told += 1;
                self.activate(slot);
                if let Some(scope) = crossed {
                    self.push(slot, Event::Full { scope });
                }
            }
            Err((dst, payload)) => {
                self.refuse(slot, Command::Tell { dst, payload }, Undeliverable::Full);
            }
        }
    }

    /// What is passing waits like everything else after all.
    pub(super) fn hold_passing(&mut self) {
        if let Some((slot, dst, payload)) = self.passing.take() {
            self.counters.told -= 1;
            self.enqueue(self.latest, slot, dst, payload);
        }
    }

    /// Whoever asked is remembered in the order of asking: the outcome is the same for all.
    fn on_identify(&mut self, slot: u16, dst: A) {
        if self.identifying_count >= self.limits.channel_requests {
            return self.refuse(slot, Command::Identify { dst }, Undeliverable::Full);
        }
        let label = self.label(slot);
        self.identifying.entry(dst.clone()).or_default().push_back(label);
        self.identifying_count += 1;
        self.control.push_back(Command::Identify { dst });
    }

    fn refuse(&mut self, slot: u16, command: Command<A>, why: Undeliverable) {
        self.counters.refused += 1;
        if let Some(event) = command.refuse(why)
            && let Some(port) = self.port(slot)
        {
            port.up.push(event);
            self.report(slot);
        }
    }

    /// Of a channel that is not open, or of any once the swarm is closed.
    fn refuse_stray(&mut self, channel: C, command: Command<A>) {
        self.counters.refused += 1;
        let awaited = matches!(command, Command::Ask { .. } | Command::Identify { .. });
        if let Some(event) = command.refuse(Undeliverable::Closed)
            && (awaited || self.strays.len() < STRAYS)
        {
            self.strays.push_back((channel, event));
        }
    }

    /// The next message of the channel whose turn it is.
    pub(super) fn next_message(&mut self) -> Option<(A, Payload)> {
        loop {
            let slot = *self.active.front()?;
            let Some(port) = self.port(slot) else {
                self.active.pop_front();
                continue;
            };
            if port.deficit <= 0 {
                port.deficit = port.deficit.saturating_add(QUANTUM as i64);
                self.active.rotate_left(1);
                continue;
            }
            let Some((dst, payload)) = port.out.pop() else {
                // Whoever has nothing to send saves nothing up.
                port.active = false;
                port.deficit = port.deficit.min(0);
                self.active.pop_front();
                continue;
            };
            let weight = payload.len().saturating_add(OVERHEAD);
            port.deficit = port.deficit.saturating_sub_unsigned(weight as u64);
            let finished = port.closing != Closing::No && port.out.is_empty();
            let ready = finished || port.out.poll_timeout().is_some();
            if port.out.is_empty() {
                port.active = false;
                port.deficit = port.deficit.min(0);
                self.active.pop_front();
            }
            if ready {
                self.due.insert(slot);
                self.due_at.get_or_insert(self.latest.next());
            }
            return Some((dst, payload));
        }
    }
}
