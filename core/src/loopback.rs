//! Messages to oneself.
//!
//! Maps `A → A`. Tells and requests to one of this node's own addresses come back up without going
//! down; everything else passes. It is put above a secure layer, which makes no session with itself.
//!
//! Wire format: none. Timers: the deadline of a request to oneself. Bounds, in [`Limits`]: requests to
//! oneself that wait for their answer, and what nobody has taken, in an [`Up`].
//!
//! A message to oneself has the address that it was sent to for its source. What comes from below under one of
//! our own addresses was sent by somebody else, or reflected: it is dropped and counted. It refuses
//! what is larger than the swarm below takes, as that does.

use crate::addr::Addr;
use crate::layer::Layer;
use crate::limits::Limits;
use crate::payload::Payload;
use crate::stats::StatsSink;
use crate::swarm::{
    AskError, AskId, Command, Event, Link, Message, Refusal, Swarm, Token, Undeliverable,
};
use crate::time::Instant;
use crate::up::Up;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::hash::{Hash, Hasher};

/// Delivers to this node what it sends to itself.
#[derive(Clone, Debug)]
pub struct Loopback<A> {
    up: Up<A>,
    down: VecDeque<Command<A>>,
    // Requests to oneself, by the token that the answer will have.
    requests: BTreeMap<Token, Request<A>>,
    deadlines: BTreeSet<(Instant, Token)>,
    requests_max: usize,
    next_token: u64,
    closing: bool,
    counters: Counters,
}

#[derive(Clone, Debug, Hash)]
struct Request<A> {
    id: AskId,
    addr: A,
    expires: Instant,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counters {
    told: u64,
    asked: u64,
    busy: u64,
    refused: u64,
    expired: u64,
    not_from_us: u64,
}

impl<A: Addr> Loopback<A> {
    /// One without requests.
    #[must_use]
    pub const fn new(limits: &Limits) -> Self {
        Self {
            up: Up::new(limits),
            down: VecDeque::new(),
            requests: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            requests_max: limits.own_requests,
            next_token: 0,
            closing: false,
            counters: Counters {
                told: 0,
                asked: 0,
                busy: 0,
                refused: 0,
                expired: 0,
                not_from_us: 0,
            },
        }
    }

    fn is_own(&self, addr: &A) -> bool {
        self.up.link().local.contains(addr)
    }

    fn on_tell(&mut self, dst: A, payload: Payload) {
        let limit = self.up.mtu_to(&dst);
        if payload.len() > limit {
            return self.refuse(Command::Tell { dst, payload }, Undeliverable::TooLarge { limit });
        }
        self.counters.told += 1;
        let src = dst.clone();
        self.up.push(Event::Told(Message { src, dst, payload: payload.into_mut() }));
    }

    fn on_ask(&mut self, now: Instant, id: AskId, dst: A, payload: Payload, deadline: Instant) {
        let limit = self.up.link().ask_max;
        if limit == 0 || payload.len() > limit {
            let why = if limit == 0 {
                Undeliverable::Unsupported
            } else {
                Undeliverable::TooLarge { limit }
            };
            return self.refuse(Command::Ask { id, dst, payload, deadline }, why);
        }
        if self.requests.len() >= self.requests_max || !self.up.has_room(payload.len()) {
            self.counters.busy += 1;
            return self.up.push(Event::Answered { id, result: Err(AskError::Busy) });
        }
        self.counters.asked += 1;
        let token = self.token();
        let expires = deadline.max(now.next());
        self.requests.insert(token, Request { id, addr: dst.clone(), expires });
        self.deadlines.insert((expires, token));
        let message = Message { src: dst.clone(), dst, payload: payload.into_mut() };
        self.up.push(Event::Asked { token, message, deadline });
    }

    /// Counts down from the top, away from where a layer below is likely to count up. Even where the
    /// two meet, the address tells them apart.
    fn token(&mut self) -> Token {
        self.next_token = self.next_token.wrapping_sub(1);
        Token(self.next_token)
    }

    /// Takes out a request to oneself, if it is one.
    fn finish(&mut self, token: Token, addr: &A) -> Option<Request<A>> {
        if self.requests.get(&token)?.addr != *addr {
            return None;
        }
        let request = self.requests.remove(&token)?;
        self.deadlines.remove(&(request.expires, token));
        Some(request)
    }

    fn on_answer(&mut self, token: Token, dst: A, result: Result<Payload, Refusal>) {
        let Some(Request { id, .. }) = self.finish(token, &dst) else {
            if self.is_own(&dst) {
                // Of a request that has ended: the swarm below never had it.
                self.counters.refused += 1;
            } else {
                self.down.push_back(Command::Answer { token, dst, result });
            }
            return;
        };
        let limit = self.up.link().ask_max;
        let result = match result {
            Ok(payload) if payload.len() > limit => Err(AskError::TooLarge { limit }),
            Ok(payload) => Ok(payload.into_mut()),
            Err(refusal) => Err(AskError::Refused(refusal)),
        };
        self.up.push(Event::Answered { id, result });
    }

    /// The asker gave up: whoever was to answer learns it.
    fn on_cancel(&mut self, id: AskId, dst: A) {
        let of_it = |(_, request): &(&Token, &Request<A>)| request.id == id && request.addr == dst;
        let Some(token) = self.requests.iter().find(of_it).map(|(token, _)| *token) else {
            return;
        };
        self.finish(token, &dst);
        self.up.push(Event::Withdrawn { token, src: dst });
        self.up.push(Event::Answered { id, result: Err(AskError::Cancelled) });
    }

    fn end_requests(&mut self, why: &AskError) {
        self.deadlines.clear();
        for (token, Request { id, addr, .. }) in core::mem::take(&mut self.requests) {
            self.up.push(Event::Withdrawn { token, src: addr });
            self.up.push(Event::Answered { id, result: Err(why.clone()) });
        }
    }

    fn refuse(&mut self, command: Command<A>, why: Undeliverable) {
        self.counters.refused += 1;
        if let Some(event) = command.refuse(why) {
            self.up.push(event);
        }
    }
}

impl<A: Addr> Layer for Loopback<A> {
    type Input = Event<A>;
    type Transmit = Command<A>;
    type Command = Command<A>;
    type Event = Event<A>;

    fn handle_input(&mut self, _now: Instant, input: Self::Input) {
        match input {
            Event::Told(message) if self.is_own(&message.src) => self.counters.not_from_us += 1,
            Event::Asked { token, message, .. } if self.is_own(&message.src) => {
                self.counters.not_from_us += 1;
                let result = Err(Refusal::default());
                self.down.push_back(Command::Answer { token, dst: message.src, result });
            }
            Event::Closed => {
                self.closing = true;
                self.end_requests(&AskError::Closed);
                self.up.push(Event::Closed);
            }
            passed @ (Event::Told(_)
            | Event::Asked { .. }
            | Event::Link(_)
            | Event::PathMtu { .. }
            | Event::Withdrawn { .. }
            | Event::Answered { .. }
            | Event::Identified { .. }
            | Event::PeerUp { .. }
            | Event::PeerDown { .. }
            | Event::Floor { .. }
            | Event::Undelivered { .. }
            | Event::Full { .. }
            | Event::Ready { .. }) => self.up.push(passed),
        }
    }

    fn handle_command(&mut self, now: Instant, command: Self::Command) {
        match command {
            command @ (Command::Tell { .. } | Command::Ask { .. }) if self.closing => {
                self.refuse(command, Undeliverable::Closed);
            }
            Command::Tell { dst, payload } if self.is_own(&dst) => self.on_tell(dst, payload),
            Command::Ask { id, dst, payload, deadline } if self.is_own(&dst) => {
                self.on_ask(now, id, dst, payload, deadline);
            }
            Command::Answer { token, dst, result } => self.on_answer(token, dst, result),
            Command::Cancel { id, dst } if self.is_own(&dst) => self.on_cancel(id, dst),
            Command::Close => {
                self.closing = true;
                self.down.push_back(Command::Close);
            }
            passed @ (Command::Tell { .. }
            | Command::Ask { .. }
            | Command::Cancel { .. }
            | Command::Identify { .. }
            | Command::Disconnect { .. }
            | Command::Set(_)) => self.down.push_back(passed),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        while let Some((_, token)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            let Some(addr) = self.requests.get(&token).map(|request| request.addr.clone()) else {
                return;
            };
            let Some(Request { id, .. }) = self.finish(token, &addr) else { return };
            self.counters.expired += 1;
            self.up.push(Event::Withdrawn { token, src: addr });
            let result = Err(AskError::TimedOut { arrived: true });
            self.up.push(Event::Answered { id, result });
        }
    }

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        self.down.pop_front()
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        self.up.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    fn stats(&self, sink: &mut dyn StatsSink) {
        let counters = &self.counters;
        sink.enter(format_args!("loopback"));
        sink.counter("told", counters.told);
        sink.counter("asked", counters.asked);
        sink.counter("busy", counters.busy);
        sink.counter("refused", counters.refused);
        sink.counter("expired", counters.expired);
        sink.counter("not_from_us", counters.not_from_us);
        self.up.stats(sink);
        sink.gauge("requests_waiting", self.requests.len() as u64);
        sink.gauge("closing", u64::from(self.closing));
        sink.state("state", &|mut hasher: &mut dyn Hasher| {
            (&self.requests, self.next_token, self.down.len()).hash(&mut hasher);
        });
        sink.leave();
    }
}

impl<A: Addr> Swarm for Loopback<A> {
    type Addr = A;

    fn link(&self) -> &Link<A> {
        self.up.link()
    }

    fn mtu_to(&self, dst: &A) -> usize {
        self.up.mtu_to(dst)
    }

    fn is_full(&self, dst: &A) -> bool {
        self.up.is_full(dst) && !self.is_own(dst)
    }

    fn is_closed(&self) -> bool {
        self.closing
    }
}

#[cfg(test)]
mod tests;
