//! Many channels over one swarm.
//!
//! Maps `A → (C, A)`: every command and event is that of a channel. A multiplexer as one swarm over
//! [`At<C, A>`](crate::At) is `Stack<Mux, Join>`, several protocols over one swarm are `Stack<Mux, Par>`.
//!
//! | channels called by | header before the message |
//! |---|---|
//! | [`Name`] | `uvarint length`, the name's bytes |
//! | `u16`, `u32`, `u64` | the number, big endian |
//! | [`Varint`] | `uvarint` |
//!
//! Tells and requests have the header, answers none: they find back by their id and token.
//!
//! **Downward** each channel has a queue of its own, and those that have something to send take turns by
//! bytes: [`QUANTUM`] a turn, what one took beyond it is taken off its next (surplus round robin, a
//! deficit round robin that need not know a message's size beforehand: Shreedhar and Varghese, 1995). A
//! channel that is full does not stall its neighbours. **Upward** each has a queue of its own too. Where
//! nothing waits there are no turns to take: one message passes each way without a queue.
//!
//! | from below | goes to |
//! |---|---|
//! | a tell, a request | the channel of its header; if that is not open, or has taken nothing for long, it is dropped, a request is refused |
//! | an answer, an identification, a withdrawal | the channel that asked, or was asked |
//! | links and path MTUs, less the header; peers up and down | every open channel |
//! | undelivered | every open channel that told something: whose message it was is not known |
//! | full, ready | no channel, until its own queue crosses its mark |
//!
//! Channels are opened and closed while the multiplexer runs, by [`Mux::open`] and [`Mux::close`].
//! `Command::Close` of a channel closes that channel, once its requests have their outcomes; that of the last
//! open one closes the swarm below. [`Mux::close`] waits for no outcome.
//!
//! Timers: that at which a request's asker has given up, after which its answer goes nowhere.
//!
//! Bounds, in [`Limits`]: channels; bytes on their way down and up, for each channel; requests that wait
//! for an answer. It refuses what a channel commands that is not open, and answers to requests that
//! another channel got.

mod channel;
mod down;
mod port;
#[cfg(test)]
mod tests;
mod upward;

pub use self::channel::{Channel, Name, Varint};

use self::port::{Closing, Port};
use crate::addr::Addr;
use crate::layer::{Layer, earliest};
use crate::limits::Limits;
use crate::payload::Payload;
use crate::stats::StatsSink;
use crate::swarm::{Command, Event, Link, Message, Refusal, Scope, Token};
use crate::time::Instant;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};

/// Bytes that a channel sends in its turn, [`OVERHEAD`](crate::outbox::OVERHEAD) a message included.
pub const QUANTUM: usize = 8 * 1_024;

/// The most channels that can be open at a time, whatever [`Limits::channels`] says.
pub const MAX_CHANNELS: usize = 1 << SLOT_BITS;

/// A label is a slot, and above these bits how often that was taken.
const SLOT_BITS: u32 = 10;

/// What a channel is refused that is not open: only so many wait to be taken.
const STRAYS: usize = 1_024;

/// Channels, each called by a `C`, over the swarm below.
pub struct Mux<C, A> {
    slots: Vec<Slot<A, C>>,
    free: VecDeque<u16>,
    index: BTreeMap<C, u16>,
    // A message that passes down, and one that passes up, at once: nothing waited when they came. A
    // channel that closes has none on its way down.
    passing: Option<(u16, A, Payload)>,
    arriving: Option<(u16, Message<A>)>,
    // Channels that may have something to send, in turn.
    active: VecDeque<u16>,
    // Channels that may have events, in turn.
    reporting: VecDeque<u16>,
    // Channels that a pop made ready, or finished; and since when.
    due: BTreeSet<u16>,
    due_at: Option<Instant>,
    latest: Instant,
    control: VecDeque<Command<A>>,
    strays: VecDeque<(C, Event<A>)>,
    link: Link<A>,
    paths: BTreeMap<A, (usize, usize)>,
    // What is full below.
    full: BTreeSet<Scope<A>>,
    requests: BTreeMap<Token, Request<A>>,
    deadlines: BTreeSet<(Instant, Token)>,
    identifying: BTreeMap<A, VecDeque<u16>>,
    identifying_count: usize,
    closed: Closed,
    limits: Limits,
    counters: Counters,
}

#[derive(Clone, Debug)]
struct Slot<A, C> {
    port: Option<Port<A, C>>,
    // How often the slot was taken, so that what was asked before is not answered to another.
    taken: u8,
}

#[derive(Clone, Copy, Debug, Hash)]
struct Request<A> {
    label: u16,
    src: A,
    expires: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Closed {
    No,
    /// The side below was told to close.
    Passed,
    /// It has.
    Yes,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counters {
    told: u64,
    asked: u64,
    received: u64,
    requests: u64,
    malformed: u64,
    unknown_channel: u64,
    busy: u64,
    stray_answers: u64,
    refused: u64,
}

/// Why a channel was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// The caller's: it is open already.
    Open,
    /// Ours: as many channels as may be are open.
    Full,
    /// Ours: the swarm below is closing or closed.
    Closed,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "the channel is open already",
            Self::Full => "too many channels are open: close one first",
            Self::Closed => "the swarm is closed",
        })
    }
}

impl core::error::Error for OpenError {}

impl<C: Channel, A: Addr> Mux<C, A> {
    /// A multiplexer without channels.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            slots: Vec::new(),
            free: VecDeque::new(),
            index: BTreeMap::new(),
            passing: None,
            arriving: None,
            active: VecDeque::new(),
            reporting: VecDeque::new(),
            due: BTreeSet::new(),
            due_at: None,
            latest: Instant::ZERO,
            control: VecDeque::new(),
            strays: VecDeque::new(),
            link: Link::unknown(),
            paths: BTreeMap::new(),
            full: BTreeSet::new(),
            requests: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            identifying: BTreeMap::new(),
            identifying_count: 0,
            closed: Closed::No,
            limits: limits.clone(),
            counters: Counters::default(),
        }
    }

    /// The same with these channels open.
    ///
    /// # Errors
    /// One of them could not be opened.
    pub fn with_channels(
        mut self,
        channels: impl IntoIterator<Item = C>,
    ) -> Result<Self, OpenError> {
        for channel in channels {
            self.open(Instant::ZERO, channel)?;
        }
        Ok(self)
    }

    /// Opens a channel. It learns the link at once, if that is known; and who comes up from then on.
    ///
    /// # Errors
    /// It is open already, too many are, or the swarm is closed.
    pub fn open(&mut self, now: Instant, channel: C) -> Result<(), OpenError> {
        self.advance(now);
        if self.closed != Closed::No {
            return Err(OpenError::Closed);
        }
        if self.index.contains_key(&channel) {
            return Err(OpenError::Open);
        }
        if self.index.len() >= self.limits.channels {
            return Err(OpenError::Full);
        }
        let slot = self.free_slot().ok_or(OpenError::Full)?;
        let mut port = Port::new(channel.clone(), &self.limits);
        for scope in &self.full {
            port.out.block(now, scope.clone());
        }
        if self.link != Link::unknown() {
            port.link(&self.link);
        }
        for (dst, (unit, tell_max)) in &self.paths {
            port.path_mtu(dst, *unit, *tell_max);
        }
        self.index.insert(channel, slot);
        if let Some(place) = self.slots.get_mut(usize::from(slot)) {
            place.port = Some(port);
        }
        self.report(slot);
        Ok(())
    }

    /// Closes a channel, and nothing but it: what it accepted still goes down, then it is told
    /// [`Event::Closed`] and may be opened anew. The outcomes of its requests are lost. Whether it was
    /// open.
    pub fn close(&mut self, now: Instant, channel: &C) -> bool {
        self.advance(now);
        let Some(slot) = self.index.get(channel).copied() else { return false };
        self.begin_close(slot, Closing::Alone);
        true
    }

    /// The open channels, in order.
    pub fn channels(&self) -> impl Iterator<Item = &C> {
        self.index.keys()
    }

    fn free_slot(&mut self) -> Option<u16> {
        if let Some(slot) = self.free.pop_front() {
            return Some(slot);
        }
        let slot = self.slots.len();
        if slot >= MAX_CHANNELS {
            return None;
        }
        self.slots.push(Slot { port: None, taken: 0 });
        Some(slot as u16)
    }

    fn port(&mut self, slot: u16) -> Option<&mut Port<A, C>> {
        self.slots.get_mut(usize::from(slot))?.port.as_mut()
    }

    /// What stands for a channel in the ids of its requests.
    fn label(&self, slot: u16) -> u16 {
        let taken = self.slots.get(usize::from(slot)).map_or(0, |slot| slot.taken);
        u16::from(taken) << SLOT_BITS | slot
    }

    /// The slot of a label, if it is still the same channel's.
    fn slot_of(&self, label: u16) -> Option<u16> {
        let slot = label & ((1 << SLOT_BITS) - 1);
        (self.label(slot) == label).then_some(slot)
    }

    fn advance(&mut self, now: Instant) {
        self.latest = self.latest.max(now);
    }

    /// Notes that a channel may have something to send.
    fn activate(&mut self, slot: u16) {
        if let Some(port) = self.slots.get_mut(usize::from(slot)).and_then(|s| s.port.as_mut())
            && !port.active
        {
            port.active = true;
            self.active.push_back(slot);
        }
    }

    /// Notes that a channel may have events.
    fn report(&mut self, slot: u16) {
        if let Some(port) = self.slots.get_mut(usize::from(slot)).and_then(|s| s.port.as_mut())
            && !port.reporting
        {
            port.reporting = true;
            self.reporting.push_back(slot);
        }
    }

    /// Does something to every channel, and has it report.
    fn broadcast(&mut self, mut to: impl FnMut(&mut Port<A, C>)) {
        for slot in 0..self.slots.len() as u16 {
            if let Some(port) = self.port(slot) {
                to(port);
                self.report(slot);
            }
        }
    }

    fn begin_close(&mut self, slot: u16, how: Closing) {
        self.hold_passing();
        let Some(port) = self.port(slot) else { return };
        if port.closing == Closing::No {
            port.closing = how;
        }
        self.finish_close(slot);
    }

    /// The end of a channel, once it has sent what it accepted.
    fn finish_close(&mut self, slot: u16) {
        let Some(port) = self.port(slot) else { return };
        let alone = match port.closing {
            Closing::No | Closing::Done => return,
            Closing::Alone => true,
            Closing::WithSwarm => false,
        };
        if !port.out.is_empty() {
            return;
        }
        let port_is_idle = port.asking == 0;
        let ports = || self.slots.iter().filter_map(|slot| slot.port.as_ref());
        let is_last = ports().all(|port| port.closing != Closing::No);
        if alone || !is_last {
            // The outcomes of its requests come before its end.
            if alone || port_is_idle {
                self.end(slot);
            }
            return;
        }
        if self.closed == Closed::No && ports().all(|port| port.out.is_empty()) {
            self.closed = Closed::Passed;
            self.control.push_back(Command::Close);
        }
    }

    /// Takes a channel out of the index; its last events can still be taken.
    fn end(&mut self, slot: u16) {
        let label = self.label(slot);
        let Some(port) = self.port(slot) else { return };
        port.closing = Closing::Done;
        port.up.push(Event::Closed);
        let channel = port.channel.clone();
        self.index.remove(&channel);
        self.report(slot);
        let requests = self.requests.iter().filter(|(_, request)| request.label == label);
        let requests: Vec<Token> = requests.map(|(token, _)| *token).collect();
        for token in requests {
            if let Some(request) = self.forget_request(token) {
                self.refuse_request(token, request.src);
            }
        }
    }

    fn forget_request(&mut self, token: Token) -> Option<Request<A>> {
        let request = self.requests.remove(&token)?;
        self.deadlines.remove(&(request.expires, token));
        Some(request)
    }

    fn refuse_request(&mut self, token: Token, dst: A) {
        let result = Err(Refusal::default());
        self.control.push_back(Command::Answer { token, dst, result });
    }
}

impl<C: Channel, A: Addr> Layer for Mux<C, A> {
    type Input = Event<A>;
    type Transmit = Command<A>;
    type Command = (C, Command<A>);
    type Event = (C, Event<A>);

    fn handle_input(&mut self, now: Instant, input: Self::Input) {
        self.advance(now);
        self.on_event(now, input);
    }

    fn handle_command(&mut self, now: Instant, (channel, command): Self::Command) {
        self.advance(now);
        self.on_command(now, channel, command);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_none_or(|due| due > now) {
            return;
        }
        self.advance(now);
        while let Some(&(at, token)) = self.deadlines.first()
            && at <= now
        {
            self.forget_request(token);
        }
        if self.due_at.is_some_and(|at| at <= now) {
            self.due_at = None;
            for slot in core::mem::take(&mut self.due) {
                let Some(port) = self.port(slot) else { continue };
                port.out.advance(now);
                while let Some(scope) = port.out.take_ready() {
                    port.up.push(Event::Ready { scope });
                }
                self.report(slot);
                self.finish_close(slot);
            }
        }
    }

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        if let Some((_, dst, payload)) = self.passing.take() {
            return Some(Command::Tell { dst, payload });
        }
        if let Some(command) = self.control.pop_front() {
            return Some(command);
        }
        self.next_message().map(|(dst, payload)| Command::Tell { dst, payload })
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        self.next_event()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        earliest(self.due_at, self.deadlines.first().map(|(at, _)| *at))
    }

    fn stats(&self, sink: &mut dyn StatsSink) {
        let counters = &self.counters;
        sink.enter(format_args!("mux"));
        sink.counter("told", counters.told);
        sink.counter("asked", counters.asked);
        sink.counter("received", counters.received);
        sink.counter("requests", counters.requests);
        sink.counter("malformed", counters.malformed);
        sink.counter("unknown_channel", counters.unknown_channel);
        sink.counter("busy", counters.busy);
        sink.counter("stray_answers", counters.stray_answers);
        sink.counter("refused", counters.refused);
        sink.gauge("channels", self.index.len() as u64);
        sink.gauge("requests_waiting", self.requests.len() as u64);
        sink.gauge("identifying", self.identifying_count as u64);
        sink.gauge("full_below", self.full.len() as u64);
        sink.gauge("strays", self.strays.len() as u64);
        sink.gauge("path_mtus", self.paths.len() as u64);
        for (number, slot) in self.slots.iter().enumerate() {
            let Some(port) = &slot.port else { continue };
            sink.enter(format_args!("{number}"));
            port.up.stats(sink);
            port.out.stats(sink);
            sink.leave();
        }
        sink.state("state", &|hasher| self.dump(hasher));
        sink.leave();
    }
}

impl<C: Channel, A: Addr> Mux<C, A> {
    fn dump(&self, mut hasher: &mut dyn Hasher) {
        for slot in &self.slots {
            slot.taken.hash(&mut hasher);
            if let Some(port) = &slot.port {
                (port.deficit, port.closing, port.told, port.asking).hash(&mut hasher);
                port.header.hash(&mut hasher);
            }
        }
        (&self.free, &self.active, &self.requests, &self.identifying).hash(&mut hasher);
        (&self.paths, &self.full, self.closed, self.control.len()).hash(&mut hasher);
        (&self.passing, &self.arriving).hash(&mut hasher);
    }
}

impl<C: fmt::Debug, A> fmt::Debug for Mux<C, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mux")
            .field("channels", &self.index)
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}
