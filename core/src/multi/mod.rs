//! Several transports as one swarm, added and removed while it runs.
//!
//! Maps `{scheme: A} → MultiAddr<A>`, which reads `scheme://addr`. Wire format: none.
//!
//! A [`Join`](crate::Join) makes one swarm of members that are there from the start, that are somebody
//! else's, and that stay. A [`Multi`] owns its transports, so it knows what is outstanding through each: one
//! can be taken out while others wait for it, and its scheme be given to another. Transports of
//! different types are boxed, those of different addresses have [`AnyAddr`](crate::text::AnyAddr).
//!
//! | from a transport | what becomes of it |
//! |---|---|
//! | its link | one link of all: every transport's addresses, the smallest sizes; of asks the smallest of those that can |
//! | a request | gets a token of this layer's own, so those of two transports never meet |
//! | an answer, an identification | goes up where this transport was asked |
//! | full, all of it | the next message to each destination is held, and that destination is full |
//! | closed | it counts no more; all that waited for it have an outcome. The last one's closes the whole, if that was wanted |
//!
//! Events are taken from the transports in turn, each with a queue of its own: who floods one
//! neither delays nor crowds out another's.
//!
//! [`Multi::remove`] gives the transport back. Before it returns, every ask and identification through it
//! has its outcome, every request from it is withdrawn, every peer of it is down, and nothing of it comes up afterwards; messages
//! that had arrived and nobody had taken are dropped and counted. Tokens are never given twice, so an answer
//! to a request from before never reaches whoever has the scheme afterwards.
//!
//! # One peer at several addresses
//! [`Multi::choose`] picks one of them. The rule:
//! 1. If any of them is a secured one (it says whose key is there), the others are left out,
//!    even where the secured one's transport is gone: nothing is sent in the clear to who can be sent to securely.
//! 2. Of secured ones those are left out that have another key than the first: they are of another peer.
//! 3. Those whose transport is missing or closed are left out.
//! 4. Of the rest it is the one whose scheme stands first in [`Multi::set_preference`]; schemes that do not stand there
//!    come after those that do; among equals the first of the list.
//!
//! Timers: those of the transports, and when a request's asker has given up, after which its answer goes nowhere.
//! Bounds, in [`Limits`]: transports; what nobody has taken, for each; what is held for full ones, up to a mark and
//! one message more in all; requests
//! either way and identifications. It refuses what goes to a scheme that no transport has, as
//! [`Undeliverable::NoRoute`]; [`Multi::parse`] says beforehand which schemes there are.

mod choose;
mod down;
mod member;
mod scheme;
#[cfg(test)]
mod tests;
mod upward;

pub use choose::ParseError;
pub use scheme::{Scheme, SchemeError};

use self::member::Member;
use crate::addr::At;
use crate::layer::{Layer, earliest};
use crate::limits::Limits;
use crate::stats::StatsSink;
use crate::swarm::{AskId, Command, Event, Link, Setting, Swarm, Token, Undeliverable};
use crate::time::Instant;
use crate::up::Up;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;
use core::hash::{Hash, Hasher};

/// The most transports there can be, whatever [`Limits::transports`] says.
pub const MAX_TRANSPORTS: usize = 64;

/// An address in one of several transports: `scheme://addr`.
pub type MultiAddr<A> = At<Scheme, A>;

/// Transports, each under a scheme, as one swarm.
pub struct Multi<L: Swarm> {
    slots: Vec<Option<Member<L>>>,
    // The schemes of the slots, close together: this is what each message looks through.
    schemes: Vec<Option<Scheme>>,
    // A bit for each slot: the transport may have something to send, or to tell.
    transmitting: u64,
    reporting: u64,
    // Whose turn it is.
    turn_down: u32,
    turn_up: u32,
    up: Up<MultiAddr<L::Addr>>,
    // The last of transports that were taken out.
    farewell: VecDeque<Event<MultiAddr<L::Addr>>>,
    // Requests of ours that are outstanding, and through which slot.
    asks: BTreeMap<AskId, u8>,
    // Requests of peers that wait for an answer, by our token; and which that is, by theirs.
    requests: BTreeMap<Token, Request<L::Addr>>,
    ours: BTreeMap<(u8, Token), Token>,
    deadlines: BTreeSet<(Instant, Token)>,
    next_token: u64,
    identifying: usize,
    held_bytes: usize,
    preference: Vec<Scheme>,
    closing: Closing,
    /// Whether peers are held back: transports that are added later are to know.
    held: bool,
    limits: Limits,
    counters: Counters,
}

#[derive(Clone, Debug, Hash)]
struct Request<A> {
    slot: u8,
    token: Token,
    src: A,
    expires: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Closing {
    No,
    /// The transports were told.
    Asked,
    /// All of them have.
    Done,
    /// So it was told above.
    Told,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counters {
    unknown_transport: u64,
    refused: u64,
    busy: u64,
    stray_answers: u64,
    dropped_with_transport: u64,
    after_close: u64,
}

/// Why a transport was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddError {
    /// The caller's: another transport has this scheme.
    Taken,
    /// Ours: there are as many transports as may be.
    Full,
    /// Ours: the swarm is closing or closed.
    Closed,
}

impl fmt::Display for AddError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Taken => "another transport has this scheme: remove it first",
            Self::Full => "there are too many transports: remove one first",
            Self::Closed => "the swarm is closed",
        })
    }
}

impl Error for AddError {}

impl<L: Swarm> Multi<L> {
    /// One without transports.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            slots: Vec::new(),
            schemes: Vec::new(),
            transmitting: 0,
            reporting: 0,
            turn_down: 0,
            turn_up: 0,
            up: Up::new(limits),
            farewell: VecDeque::new(),
            asks: BTreeMap::new(),
            requests: BTreeMap::new(),
            ours: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            next_token: 0,
            identifying: 0,
            held_bytes: 0,
            preference: Vec::new(),
            closing: Closing::No,
            held: false,
            limits: limits.clone(),
            counters: Counters::default(),
        }
    }

    /// Puts a transport under a scheme that none has, or one that has closed.
    ///
    /// # Errors
    /// Another transport has the scheme, there are too many, or the swarm is closed; the layer is dropped.
    pub fn add(&mut self, now: Instant, scheme: Scheme, layer: L) -> Result<(), AddError> {
        if self.closing != Closing::No {
            return Err(AddError::Closed);
        }
        if let Some(member) = self.find(scheme).and_then(|slot| self.member(slot)) {
            if !member.closed {
                return Err(AddError::Taken);
            }
            self.remove(scheme);
        }
        let count = self.slots.iter().flatten().count();
        if count >= self.limits.transports.min(MAX_TRANSPORTS) {
            return Err(AddError::Full);
        }
        let mut member = Member::new(scheme, layer, &self.limits);
        if self.held {
            member.layer.handle_command(now, Command::Set(Setting::Hold(true)));
        }
        let member = Some(member);
        let slot = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        match self.slots.get_mut(slot) {
            Some(place) => *place = member,
            None => self.slots.push(member),
        }
        self.schemes.resize(self.slots.len(), None);
        if let Some(place) = self.schemes.get_mut(slot) {
            *place = Some(scheme);
        }
        self.settle(now, slot as u8);
        self.relink();
        Ok(())
    }

    /// Takes out the transport of a scheme, with whatever it still holds: what it was going to
    /// transmit is the caller's to send, or to drop. Nobody waits for it any more, as the
    /// [module documentation](self) says. `None` where there is none.
    pub fn remove(&mut self, scheme: Scheme) -> Option<L> {
        let slot = self.find(scheme)?;
        self.member_mut(slot)?.release();
        // Making room first, so that none of what follows is dropped for lack of it.
        self.bid_farewell(slot);
        self.give_up(slot, Undeliverable::NoRoute);
        self.bid_farewell(slot);
        *self.schemes.get_mut(usize::from(slot))? = None;
        let member = self.slots.get_mut(usize::from(slot))?.take()?;
        self.transmitting &= !(1 << slot);
        self.reporting &= !(1 << slot);
        self.relink();
        self.close_when_all_did();
        Some(member.layer)
    }

    /// The schemes of all transports, in the order of their slots.
    pub fn schemes(&self) -> impl Iterator<Item = Scheme> {
        self.schemes.iter().flatten().copied()
    }

    /// The transport of a scheme, to look at.
    #[must_use]
    pub fn transport(&self, scheme: Scheme) -> Option<&L> {
        self.member(self.find(scheme)?).map(|member| &member.layer)
    }

    /// The door for setters of one transport: what they caused is settled before this returns.
    pub fn with<T>(
        &mut self,
        now: Instant,
        scheme: Scheme,
        set: impl FnOnce(Instant, &mut L) -> T,
    ) -> Option<T> {
        let slot = self.find(scheme)?;
        let value = set(now, &mut self.member_mut(slot)?.layer);
        self.settle(now, slot);
        Some(value)
    }

    #[inline]
    fn find(&self, scheme: Scheme) -> Option<u8> {
        let this =
            |slot: &Option<Member<L>>| slot.as_ref().is_some_and(|member| member.scheme == scheme);
        self.slots.iter().position(this).map(|slot| slot as u8)
    }

    #[inline]
    fn member(&self, slot: u8) -> Option<&Member<L>> {
        self.slots.get(usize::from(slot))?.as_ref()
    }

    #[inline]
    fn member_mut(&mut self, slot: u8) -> Option<&mut Member<L>> {
        self.slots.get_mut(usize::from(slot))?.as_mut()
    }

    fn relink(&mut self) {
        let mut all = Link::unknown();
        let open = || self.slots.iter().flatten().filter(|member| !member.closed);
        let least = |of: fn(&Link<L::Addr>) -> usize, least: usize| {
            let sizes = open().map(|member| of(member.layer.link()));
            sizes.filter(|size| *size >= least).min().unwrap_or(0)
        };
        all.unit = least(|link| link.unit, 0);
        all.tell_max = least(|link| link.tell_max, 0);
        // One that cannot ask says so itself when it is to.
        all.ask_max = least(|link| link.ask_max, 1);
        for member in open() {
            let addrs = member.layer.link().local.iter().cloned();
            all.local.extend(addrs.map(|addr| member.at(addr)));
        }
        if all != *self.up.link() {
            self.up.push(Event::Link(all));
        }
    }

    fn close_when_all_did(&mut self) {
        if self.closing == Closing::Asked && self.slots.iter().flatten().all(|member| member.closed)
        {
            self.closing = Closing::Done;
        }
    }

    /// Keeps of a transport's events those that still mean something without it.
    fn bid_farewell(&mut self, slot: u8) {
        let room = self.limits.peers;
        let Some(member) = self.slots.get_mut(usize::from(slot)).and_then(Option::as_mut) else {
            return;
        };
        while let Some(event) = member.up.pop() {
            let kept = match &event {
                Event::Answered { .. } | Event::Identified { .. } | Event::Ready { .. } => true,
                Event::Undelivered { .. }
                | Event::Withdrawn { .. }
                | Event::PeerUp { .. }
                | Event::Floor { .. }
                | Event::PeerDown { .. } => self.farewell.len() < room,
                Event::Asked { token, .. } => {
                    // Nobody has heard of it: no need to say that it is withdrawn.
                    if let Some(request) = self.requests.remove(token) {
                        self.deadlines.remove(&(request.expires, *token));
                        self.ours.remove(&(slot, request.token));
                    }
                    false
                }
                Event::Full { .. }
                | Event::Told(_)
                | Event::Link(_)
                | Event::PathMtu { .. }
                | Event::Closed => false,
            };
            if kept {
                self.farewell.push_back(event);
            } else {
                self.counters.dropped_with_transport += 1;
            }
        }
    }
}

impl<L: Swarm> Layer for Multi<L> {
    type Input = (Scheme, L::Input);
    type Transmit = (Scheme, L::Transmit);
    type Command = Command<MultiAddr<L::Addr>>;
    type Event = Event<MultiAddr<L::Addr>>;

    fn handle_input(&mut self, now: Instant, (scheme, input): Self::Input) {
        let Some(slot) = self.find(scheme) else {
            self.counters.unknown_transport += 1;
            return;
        };
        if let Some(member) = self.member_mut(slot) {
            member.layer.handle_input(now, input);
        }
        self.settle(now, slot);
    }

    fn handle_command(&mut self, now: Instant, command: Self::Command) {
        self.on_command(now, command);
    }

    fn handle_timeout(&mut self, now: Instant) {
        for slot in 0..self.slots.len() as u8 {
            if let Some(member) = self.member_mut(slot)
                && member.armed.is_some_and(|at| at <= now)
            {
                member.layer.handle_timeout(now);
                self.settle(now, slot);
            }
        }
        while let Some(&(at, token)) = self.deadlines.first()
            && at <= now
        {
            self.forget_request(token);
        }
    }

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        while self.transmitting != 0 {
            let slot = next(self.transmitting, self.turn_down);
            let Some(Some(member)) = self.slots.get_mut(slot as usize) else {
                self.transmitting &= !(1 << slot);
                continue;
            };
            if let Some(transmit) = member.layer.poll_transmit() {
                member.armed = member.layer.poll_timeout();
                self.turn_down = slot + 1;
                return Some((member.scheme, transmit));
            }
            self.transmitting &= !(1 << slot);
        }
        None
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        if !self.farewell.is_empty() {
            return self.farewell.pop_front();
        }
        if !self.up.is_empty() {
            return self.up.pop();
        }
        while self.reporting != 0 {
            let slot = next(self.reporting, self.turn_up);
            self.turn_up = slot + 1;
            if let Some(Some(member)) = self.slots.get_mut(slot as usize) {
                let event = member.up.pop();
                if member.up.is_empty() {
                    self.reporting &= !(1 << slot);
                }
                if event.is_some() {
                    return event;
                }
            } else {
                self.reporting &= !(1 << slot);
            }
        }
        if self.closing == Closing::Done {
            self.closing = Closing::Told;
            return Some(Event::Closed);
        }
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let mut first = self.deadlines.first().map(|(at, _)| *at);
        for member in self.slots.iter().flatten() {
            first = earliest(first, member.armed);
        }
        first
    }

    fn stats(&self, sink: &mut dyn StatsSink) {
        let counters = &self.counters;
        sink.enter(format_args!("multi"));
        sink.counter("unknown_transport", counters.unknown_transport);
        sink.counter("refused", counters.refused);
        sink.counter("busy", counters.busy);
        sink.counter("stray_answers", counters.stray_answers);
        sink.counter("dropped_with_transport", counters.dropped_with_transport);
        sink.counter("after_close", counters.after_close);
        sink.gauge("transports", self.slots.iter().flatten().count() as u64);
        sink.gauge("held_bytes", self.held_bytes as u64);
        sink.gauge("asks", self.asks.len() as u64);
        sink.gauge("requests_waiting", self.requests.len() as u64);
        sink.gauge("identifying", self.identifying as u64);
        sink.gauge("farewell", self.farewell.len() as u64);
        self.up.stats(sink);
        sink.state("state", &|mut hasher: &mut dyn Hasher| {
            (self.transmitting, self.reporting, self.turn_down, self.turn_up).hash(&mut hasher);
            (&self.asks, &self.requests, self.next_token, self.closing).hash(&mut hasher);
            for member in self.slots.iter().flatten() {
                member.dump(hasher);
            }
        });
        for member in self.slots.iter().flatten() {
            sink.enter(format_args!("{}", member.scheme));
            member.up.stats(sink);
            member.layer.stats(sink);
            sink.leave();
        }
        sink.leave();
    }
}

impl<L: Swarm> Swarm for Multi<L> {
    type Addr = MultiAddr<L::Addr>;

    fn link(&self) -> &Link<Self::Addr> {
        self.up.link()
    }

    fn mtu_to(&self, dst: &Self::Addr) -> usize {
        let member = self.find(dst.key).and_then(|slot| self.member(slot));
        // What has no route is refused as that, not as too large.
        member.map_or(self.up.link().tell_max, |member| member.layer.mtu_to(&dst.addr))
    }

    fn is_full(&self, dst: &Self::Addr) -> bool {
        let member = self.find(dst.key).and_then(|slot| self.member(slot));
        member.is_some_and(|member| member.up.is_full(dst))
    }

    fn is_closed(&self) -> bool {
        self.closing != Closing::No
    }
}

impl<L: Swarm> fmt::Debug for Multi<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Multi")
            .field("schemes", &self.schemes().collect::<Vec<_>>())
            .field("closing", &self.closing)
            .finish_non_exhaustive()
    }
}

/// The first bit that is set from `turn` on, and from the lowest again.
const fn next(bits: u64, turn: u32) -> u32 {
    let turn = turn % u64::BITS;
    let from = bits >> turn;
    if from == 0 { bits.trailing_zeros() } else { turn + from.trailing_zeros() }
}
