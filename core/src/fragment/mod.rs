//! Messages that are larger than what the swarm below takes: cut, sent in parts, put together.
//!
//! Maps `A → A`. A message of up to [`Fragmenter::new`]'s `max` bytes leaves as up to [`MAX_PARTS`]
//! fragments; one that fits a fragment leaves as one. Nothing is repeated: a message of which one
//! fragment is lost is lost.
//!
//! | fragment | |
//! |---|---|
//! | `uvarint id` | of the message, a `u32` counted for each destination from a random start |
//! | `uvarint part` | from 0 on, less than `total` |
//! | `uvarint total` | 1 to 255 |
//! | data | the largest message below less [`OVERHEAD`] bytes; the last fragment's may be shorter |
//!
//! **Downward** the body is sliced, not copied. A message is cut as the side below takes it: where that is
//! full, the rest of the message waits, and goes on once it is ready.
//!
//! **The burst.** The format has no acknowledgements, so nothing tells a sender that a receiver falls
//! behind. Of messages of several fragments at most [`BURST`] bytes leave for one destination at once,
//! which fits the receive buffer that a socket has by default; then half as much in no less than 12
//! microseconds. So a driver sends one burst before the next is sealed, and what is sent is spread as far
//! as sealing and sending take. A timer that is late makes it slower, never the burst larger.
//!
//! **Upward** a message of one fragment is handed on in the buffer that it came in; one of several is
//! copied, fragment by fragment, into one buffer. Every fragment but the last must have the size of
//! the others. Duplicates of a message of several are dropped, also for as long as it is remembered
//! after its delivery ([`REMEMBERED`] of a source); one of one fragment comes as often as the swarm
//! below delivers it.
//!
//! Timers: [`EXPIRY`] after its first fragment a message that is not whole is given up. A destination
//! that has had its burst waits until it may have half a burst again.
//!
//! Bounds, in [`Limits`]: bytes and messages that are not whole, for one source and in all (the oldest
//! makes room), bytes on their way down, destinations whose next id is known. They count what is
//! allocated: a whole message from its first fragment on.
//!
//! It refuses messages that are too large at once, drops what it cannot read and what claims to
//! become larger than `max`, and drops a message whole whose fragments contradict one another.
//! Fragments of a peer's old session are not joined with those of a new one: what is not whole is
//! dropped when a peer comes up or goes down. Asks pass through as they are.

mod assembly;
mod cut;
mod pace;
#[cfg(test)]
mod tests;
mod wire;

pub use self::assembly::{EXPIRY, REMEMBERED};
pub use self::pace::BURST;
pub use self::wire::{MAX_PARTS, OVERHEAD};

use self::assembly::{Assembly, Rejected};
use self::cut::Cut;
use self::pace::Pauses;
use self::wire::Header;
use crate::addr::Addr;
use crate::layer::{Layer, earliest};
use crate::limits::Limits;
use crate::outbox::Outbox;
use crate::payload::Payload;
use crate::seed::{Rng, Seed};
use crate::stats::StatsSink;
use crate::swarm::{Command, Event, Link, Message, Scope, Swarm, Undeliverable};
use crate::time::Instant;
use crate::trace::trace;
use crate::up::Up;
use alloc::collections::{BTreeMap, VecDeque};
use bytes::Buf;
use core::fmt;
use core::hash::{Hash, Hasher};

/// Messages of up to a configured size over the swarm below.
pub struct Fragmenter<A> {
    up: Up<A>,
    out: Outbox<A, Cut>,
    control: VecDeque<Command<A>>,
    max: usize,
    // What the side below takes of a tell: towards everybody, and where it is more.
    floor: usize,
    paths: BTreeMap<A, usize>,
    paths_max: usize,
    targets: BTreeMap<A, Target>,
    targets_max: usize,
    pauses: Pauses<A>,
    assembly: Assembly<A>,
    rng: Rng,
    closing: Closing,
    counters: Counters,
}

/// What is known of a destination.
#[derive(Clone, Copy, Debug, Hash)]
struct Target {
    next_id: u32,
    // The most fragments of a message that may wait below.
    total: u8,
    // Losses that may belong to a message which was reported already.
    absorb: u8,
    // What waited below is lost.
    emptied: bool,
    // When what was sent has gone at the pace that is kept.
    clear_at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Closing {
    No,
    Asked,
    Passed,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counters {
    told: u64,
    fragments_sent: u64,
    delivered: u64,
    delivered_joined: u64,
    fragments_received: u64,
    refused: u64,
    abandoned: u64,
    malformed: u64,
    duplicates: u64,
    late: u64,
    disagreeing: u64,
    too_large: u64,
    no_room: u64,
    dropped_with_session: u64,
}

impl<A: Addr> Fragmenter<A> {
    /// For messages of up to `max` bytes, in both directions.
    ///
    /// Fewer where 255 fragments of the swarm below hold less; [`Swarm::mtu`] says how many.
    #[must_use]
    pub fn new(max: usize, seed: &Seed, limits: &Limits) -> Self {
        Self {
            up: Up::new(limits),
            out: Outbox::new(limits.send_per_peer, limits.send),
            control: VecDeque::new(),
            max,
            floor: 0,
            paths: BTreeMap::new(),
            paths_max: limits.path_mtus,
            targets: BTreeMap::new(),
            targets_max: limits.fragment_ids.max(1),
            pauses: Pauses::new(),
            assembly: Assembly::new(max, limits),
            rng: seed.child("fragment").rng("ids"),
            closing: Closing::No,
            counters: Counters::default(),
        }
    }

    /// Bytes of data in a fragment to `dst`.
    fn size_to(&self, dst: &A) -> usize {
        let path = if self.paths.is_empty() { None } else { self.paths.get(dst) };
        path.map_or(self.floor, |path| (*path).max(self.floor)).saturating_sub(OVERHEAD)
    }

    /// The largest message in fragments of `below` bytes.
    fn tell_max(&self, below: usize) -> usize {
        below.saturating_sub(OVERHEAD).saturating_mul(MAX_PARTS).min(self.max)
    }

    fn unit(&self, below: usize) -> usize {
        below.saturating_sub(OVERHEAD).min(self.max)
    }

    fn on_tell(&mut self, now: Instant, dst: A, payload: Payload) {
        let size = self.size_to(&dst);
        let limit = size.saturating_mul(MAX_PARTS).min(self.max);
        let why = if self.closing != Closing::No {
            Undeliverable::Closed
        } else if payload.len() > limit || size == 0 {
            Undeliverable::TooLarge { limit }
        } else if self.out.is_full(&dst) {
            Undeliverable::Full
        } else {
            let id = self.next_id(&dst);
            // There is no third case: the length was checked.
            let Some(cut) = Cut::new(payload, id, size) else { return };
            if let Some(target) = self.targets.get_mut(&dst) {
                if core::mem::take(&mut target.emptied) {
                    target.total = 1;
                }
                target.absorb = 0;
            }
            self.counters.told += 1;
            if let Ok(Some(scope)) = self.out.push(now, dst, cut) {
                self.up.push(Event::Full { scope });
            }
            return;
        };
        self.refuse(Command::Tell { dst, payload }, why);
    }

    /// Ids rise for each destination, and wrap.
    fn next_id(&mut self, dst: &A) -> u32 {
        if let Some(target) = self.targets.get_mut(dst) {
            let id = target.next_id;
            target.next_id = id.wrapping_add(1);
            return id;
        }
        if self.targets.len() >= self.targets_max {
            // Whoever loses its place begins anew at random: an id is then as unlikely to be in use.
            self.targets.pop_first();
        }
        let id = self.rng.u32();
        let next_id = id.wrapping_add(1);
        let clear_at = Instant::ZERO;
        let target = Target { next_id, total: 1, absorb: 0, emptied: false, clear_at };
        self.targets.insert(dst.clone(), target);
        id
    }

    /// Counts what went to `dst`, one of so many fragments; it waits once that was a burst.
    fn pace(&mut self, dst: &A, total: u8, bytes: usize) {
        let latest = self.out.latest();
        let Some(target) = self.targets.get_mut(dst) else { return };
        target.total = target.total.max(total);
        target.clear_at = target.clear_at.max(latest) + pace::time_of(bytes);
        if target.clear_at.since(latest) >= pace::time_of(BURST)
            && self.pauses.len() < self.targets_max
        {
            self.pauses.insert(dst.clone(), target.clear_at - pace::time_of(BURST / 2));
            self.out.block(latest, Scope::To(dst.clone()));
        }
    }

    fn on_disconnect(&mut self, dst: A) {
        self.counters.dropped_with_session += self.assembly.forget(&dst) as u64;
        for _ in 0..self.out.forget(&dst) {
            let reason = Undeliverable::Disconnected;
            self.up.push(Event::Undelivered { dst: dst.clone(), reason });
        }
        self.control.push_back(Command::Disconnect { dst });
    }

    fn refuse(&mut self, command: Command<A>, why: Undeliverable) {
        self.counters.refused += 1;
        if let Some(event) = command.refuse(why) {
            self.up.push(event);
        }
    }

    fn on_told(&mut self, now: Instant, message: Message<A>) {
        let Message { src, dst, mut payload } = message;
        let Some((header, len)) = Header::read(&payload) else {
            self.counters.malformed += 1;
            trace!(DEBUG, "fragment", peer = %src, reason = "malformed", "a message was rejected");
            return;
        };
        payload.advance(len);
        self.counters.fragments_received += 1;
        if header.total == 1 {
            if payload.len() > self.max {
                self.counters.too_large += 1;
                return;
            }
            self.counters.delivered += 1;
            self.up.push(Event::Told(Message { src, dst, payload }));
            return;
        }
        match self.assembly.add(now, &src, &dst, header, &payload) {
            Ok(None) => {}
            Ok(Some(payload)) => {
                self.counters.delivered += 1;
                self.counters.delivered_joined += 1;
                self.up.push(Event::Told(Message { src, dst, payload }));
            }
            Err(why) => {
                let counters = &mut self.counters;
                *match why {
                    Rejected::Duplicate => &mut counters.duplicates,
                    Rejected::Late => &mut counters.late,
                    Rejected::Disagrees => &mut counters.disagreeing,
                    Rejected::TooLarge => &mut counters.too_large,
                    Rejected::Empty => &mut counters.malformed,
                    Rejected::NoRoom => &mut counters.no_room,
                } += 1;
            }
        }
    }

    fn on_link(&mut self, mut link: Link<A>) {
        self.floor = link.tell_max;
        link.unit = self.unit(link.unit);
        link.tell_max = self.tell_max(link.tell_max);
        self.up.push(Event::Link(link));
    }

    fn on_path_mtu(&mut self, dst: A, unit: usize, tell_max: usize) {
        if self.paths.len() >= self.paths_max && !self.paths.contains_key(&dst) {
            // Not to know of a larger MTU is safe: the floor works towards everybody.
            return;
        }
        self.paths.insert(dst.clone(), tell_max);
        let (unit, tell_max) = (self.unit(unit), self.tell_max(tell_max));
        self.up.push(Event::PathMtu { dst, unit, tell_max });
    }

    /// The side below lost a fragment. A message is reported once, however many of its fragments are. Of which one a
    /// fragment was is not said: of those that wait together each counts as one of the largest, so that rather too few
    /// are reported than more than were told.
    fn on_undelivered(&mut self, dst: A, reason: Undeliverable) {
        let hopeless = match reason {
            Undeliverable::TimedOut
            | Undeliverable::WrongPeer
            | Undeliverable::NoRoute
            | Undeliverable::Oneself
            | Undeliverable::Denied
            | Undeliverable::Disconnected
            | Undeliverable::Refused
            | Undeliverable::Closed => true,
            // Of one message only, or no more than what anybody may have made the network say.
            Undeliverable::Full
            | Undeliverable::TooLarge { .. }
            | Undeliverable::Unreachable
            | Undeliverable::Unsupported => false,
        };
        if hopeless && self.out.pop_if(&dst, Cut::is_begun).is_some() {
            self.counters.abandoned += 1;
        }
        if let Some(target) = self.targets.get_mut(&dst) {
            target.emptied |= hopeless;
            if target.absorb > 0 {
                target.absorb -= 1;
                return;
            }
            target.absorb = target.total.saturating_sub(1);
        }
        self.up.push(Event::Undelivered { dst, reason });
    }

    /// A session has begun or ended: nothing of before is put together with what comes, and nothing waits below.
    fn on_session(&mut self, addr: &A) {
        self.counters.dropped_with_session += self.assembly.forget(addr) as u64;
        if let Some(target) = self.targets.get_mut(addr) {
            target.total = 1;
        }
    }

    fn is_finished(&self) -> bool {
        self.closing == Closing::Asked && self.out.is_empty()
    }

    fn close_when_finished(&mut self) {
        if self.is_finished() {
            self.closing = Closing::Passed;
            self.control.push_back(Command::Close);
        }
    }
}

impl<A: Addr> Layer for Fragmenter<A> {
    type Input = Event<A>;
    type Transmit = Command<A>;
    type Command = Command<A>;
    type Event = Event<A>;

    fn handle_input(&mut self, now: Instant, input: Self::Input) {
        self.out.advance(now);
        match input {
            Event::Told(message) => self.on_told(now, message),
            Event::Link(link) => self.on_link(link),
            Event::PathMtu { dst, unit, tell_max } => self.on_path_mtu(dst, unit, tell_max),
            Event::Full { scope } => {
                self.pauses.full(&scope);
                self.out.block(now, scope);
            }
            Event::Ready { scope } => {
                if self.pauses.ready(&scope) {
                    self.out.unblock(now, &scope);
                }
            }
            Event::Undelivered { dst, reason } => self.on_undelivered(dst, reason),
            Event::PeerUp { addr, key } => {
                self.on_session(&addr);
                self.up.push(Event::PeerUp { addr, key });
            }
            Event::PeerDown { addr, reason } => {
                self.on_session(&addr);
                self.up.push(Event::PeerDown { addr, reason });
            }
            Event::Closed => {
                self.closing = Closing::Passed;
                self.assembly.clear();
                self.up.push(Event::Closed);
            }
            passed @ (Event::Asked { .. }
            | Event::Withdrawn { .. }
            | Event::Answered { .. }
            | Event::Identified { .. }
            | Event::Floor { .. }) => self.up.push(passed),
        }
        self.close_when_finished();
    }

    fn handle_command(&mut self, now: Instant, command: Self::Command) {
        self.out.advance(now);
        match command {
            Command::Tell { dst, payload } => self.on_tell(now, dst, payload),
            Command::Disconnect { dst } => self.on_disconnect(dst),
            Command::Close => {
                if self.closing == Closing::No {
                    self.closing = Closing::Asked;
                }
            }
            passed @ (Command::Ask { .. }
            | Command::Answer { .. }
            | Command::Cancel { .. }
            | Command::Identify { .. }
            | Command::Set(_)) => self.control.push_back(passed),
        }
        self.close_when_finished();
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_none_or(|due| due > now) {
            return;
        }
        self.out.advance(now);
        self.assembly.handle_timeout(now);
        while let Some((dst, may_go)) = self.pauses.resume(now) {
            if may_go {
                self.out.unblock(now, &Scope::To(dst));
            }
        }
        while let Some(scope) = self.out.take_ready() {
            self.up.push(Event::Ready { scope });
        }
        self.close_when_finished();
    }

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        if let Some(command) = self.control.pop_front() {
            return Some(command);
        }
        let mut total = 1;
        let (dst, payload) = self.out.pop_piece(|cut| {
            total = cut.total();
            cut.next()
        })?;
        self.counters.fragments_sent += 1;
        if total > 1 {
            self.pace(&dst, total, payload.len());
        }
        Some(Command::Tell { dst, payload })
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        self.up.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let finished = self.is_finished().then(|| self.out.next());
        let timers = earliest(self.assembly.poll_timeout(), self.pauses.poll_timeout());
        earliest(timers, earliest(self.out.poll_timeout(), finished))
    }

    fn stats(&self, sink: &mut dyn StatsSink) {
        let counters = &self.counters;
        sink.enter(format_args!("fragment"));
        sink.counter("told", counters.told);
        sink.counter("fragments_sent", counters.fragments_sent);
        sink.counter("delivered", counters.delivered);
        sink.counter("delivered_joined", counters.delivered_joined);
        sink.counter("fragments_received", counters.fragments_received);
        sink.counter("refused", counters.refused);
        sink.counter("abandoned", counters.abandoned);
        sink.counter("malformed", counters.malformed);
        sink.counter("duplicates", counters.duplicates);
        sink.counter("late", counters.late);
        sink.counter("disagreeing", counters.disagreeing);
        sink.counter("too_large", counters.too_large);
        sink.counter("no_room", counters.no_room);
        sink.counter("dropped_with_session", counters.dropped_with_session);
        sink.counter("expired", self.assembly.expired);
        sink.counter("evicted", self.assembly.evicted);
        self.up.stats(sink);
        self.out.stats(sink);
        sink.gauge("reassembly_bytes", self.assembly.bytes() as u64);
        sink.gauge("reassembly_messages", self.assembly.len() as u64);
        sink.gauge("reassembly_sources", self.assembly.sources() as u64);
        sink.gauge("fragment_ids", self.targets.len() as u64);
        sink.gauge("paused", self.pauses.len() as u64);
        sink.state("reassembly", &|hasher| self.assembly.dump(hasher));
        sink.state("targets", &|mut hasher: &mut dyn Hasher| {
            (&self.targets, &self.paths, self.floor, self.closing).hash(&mut hasher);
            (&self.pauses, self.control.len()).hash(&mut hasher);
        });
        sink.leave();
    }
}

impl<A: Addr> Swarm for Fragmenter<A> {
    type Addr = A;

    fn link(&self) -> &Link<A> {
        self.up.link()
    }

    fn mtu_to(&self, dst: &A) -> usize {
        self.up.mtu_to(dst)
    }

    fn is_full(&self, dst: &A) -> bool {
        self.up.is_full(dst)
    }

    fn is_closed(&self) -> bool {
        self.closing != Closing::No
    }
}

impl<A: Addr> fmt::Debug for Fragmenter<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fragmenter")
            .field("max", &self.max)
            .field("reassembly_bytes", &self.assembly.bytes())
            .field("closing", &self.closing)
            .finish_non_exhaustive()
    }
}
