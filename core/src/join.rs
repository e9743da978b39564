//! A family of swarms as one swarm.
//!
//! Maps `{K: A} → At<K, A>`. What comes up from the swarm under a key comes up with that key in its
//! addresses, and what goes down goes to the swarm that its address names.
//!
//! | from below | what becomes of it |
//! |---|---|
//! | a link | one link of all: every member's addresses, the smallest limits |
//! | full, all of one member | its next message to each destination is held, and that destination is full |
//! | ready, all of one member | what was held goes down, and those destinations are ready |
//! | full again before that was over | the rest is held again |
//! | closed | its addresses and limits count no more; the last member's closes the whole |
//!
//! Timers: none. Bounds: what the application has not taken, in an [`Up`]; one message for each
//! destination of a full member, up to the mark [`Limits::send`] and one more in all. It refuses what is sent to a member that
//! it has not heard of (a member is known from its first link on) or that has closed.

use crate::addr::{Addr, At};
use crate::layer::Layer;
use crate::limits::Limits;
use crate::outbox::OVERHEAD;
use crate::stats::StatsSink;
use crate::swarm::{Command, Event, Link, Scope, Swarm, Undeliverable};
use crate::time::Instant;
use crate::up::Up;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::hash::{Hash, Hasher};

/// Several swarms over `A`, each under a key, as one swarm over `At<K, A>`.
#[derive(Clone, Debug)]
pub struct Join<K, A> {
    up: Up<At<K, A>>,
    down: VecDeque<(K, Command<A>)>,
    members: BTreeMap<K, Member<A>>,
    held_bytes: usize,
    held_max: usize,
    closing: bool,
    refused: u64,
}

#[derive(Clone, Debug, Hash)]
struct Member<A> {
    link: Link<A>,
    full: bool,
    closed: bool,
    held: VecDeque<Command<A>>,
    // Destinations told full because all of the member is.
    told: BTreeSet<A>,
    // Destinations that the member itself said are full.
    full_to: BTreeSet<A>,
}

impl<K: Addr, A: Addr> Join<K, A> {
    /// No members yet; they make themselves known by their links.
    #[must_use]
    pub const fn new(limits: &Limits) -> Self {
        Self {
            up: Up::new(limits),
            down: VecDeque::new(),
            members: BTreeMap::new(),
            held_bytes: 0,
            held_max: limits.send,
            closing: false,
            refused: 0,
        }
    }

    /// Forgets a member that was taken out below; what was held for it is undelivered. What it had
    /// accepted already it takes along: requests among that are never answered, so a member that
    /// can ask is better closed first, and taken out once it has.
    pub fn remove(&mut self, key: &K) {
        let Some(mut member) = self.members.remove(key) else { return };
        self.give_up(key, &mut member);
        self.relink();
        self.close_when_all_did();
    }

    /// Nothing goes to this member any more: what was held is undelivered, and nobody need wait.
    fn give_up(&mut self, key: &K, member: &mut Member<A>) {
        let held = core::mem::take(&mut member.held);
        for command in &held {
            self.held_bytes = self.held_bytes.saturating_sub(weight(command));
        }
        for command in self.recall(key).into_iter().chain(held) {
            if !matches!(command, Command::Close) {
                self.refuse(key, command, Undeliverable::NoRoute);
            }
        }
        let mut full = core::mem::take(&mut member.told);
        full.append(&mut member.full_to);
        self.ready(key, full);
    }

    /// Takes back what is on its way down to one member.
    fn recall(&mut self, key: &K) -> VecDeque<Command<A>> {
        let mut recalled = VecDeque::new();
        for (to, command) in core::mem::take(&mut self.down) {
            if to == *key {
                recalled.push_back(command);
            } else {
                self.down.push_back((to, command));
            }
        }
        recalled
    }

    fn relink(&mut self) {
        let mut all = Link::unknown();
        let open = || self.members.iter().filter(|(_, member)| !member.closed);
        let least = |of: fn(&Link<A>) -> usize| {
            open().map(|(_, member)| of(&member.link)).min().unwrap_or(0)
        };
        all.unit = least(|link| link.unit);
        all.tell_max = least(|link| link.tell_max);
        all.ask_max = least(|link| link.ask_max);
        for (key, member) in open() {
            let addrs = member.link.local.iter().cloned();
            all.local.extend(addrs.map(|addr| At { key: key.clone(), addr }));
        }
        self.up.push(Event::Link(all));
    }

    fn close_when_all_did(&mut self) {
        if self.closing && self.members.values().all(|member| member.closed) {
            self.up.push(Event::Closed);
        }
    }

    fn refuse(&mut self, key: &K, command: Command<A>, why: Undeliverable) {
        self.refused += 1;
        let event = command.refuse(why);
        if let Some(event) = event.and_then(|event| event.try_map(|addr| Some(at(key, addr)))) {
            self.up.push(event);
        }
    }

    fn ready(&mut self, key: &K, dsts: BTreeSet<A>) {
        for addr in dsts {
            self.up.push(Event::Ready { scope: Scope::To(at(key, addr)) });
        }
    }

    /// Sends a command down to one member, or holds it while all of the member is full.
    fn route(&mut self, key: K, command: Command<A>) {
        let Some(member) = self.members.get_mut(&key).filter(|member| !member.closed) else {
            return self.refuse(&key, command, Undeliverable::NoRoute);
        };
        if !member.full {
            self.down.push_back((key, command));
            return;
        }
        // As in an outbox: up to the mark and one message, or one as large as the mark never went.
        if self.held_bytes >= self.held_max {
            return self.refuse(&key, command, Undeliverable::Full);
        }
        self.hold(&key, command);
    }

    /// Keeps a command until its member is ready; its destination is full until then.
    fn hold(&mut self, key: &K, command: Command<A>) {
        let Some(member) = self.members.get_mut(key) else { return };
        self.held_bytes = self.held_bytes.saturating_add(weight(&command));
        let dst = command.dst().cloned();
        member.held.push_back(command);
        if let Some(dst) = dst
            && member.told.insert(dst.clone())
        {
            self.up.push(Event::Full { scope: Scope::To(at(key, dst)) });
        }
    }

    /// A member says of one destination whether it is full.
    fn gate_one(&mut self, key: &K, dst: A, full: bool) {
        let Some(member) = self.members.get_mut(key) else { return };
        let scope = Scope::To(at(key, dst.clone()));
        if full {
            member.full_to.insert(dst);
            self.up.push(Event::Full { scope });
        } else if member.full_to.remove(&dst) && !member.told.contains(&dst) {
            self.up.push(Event::Ready { scope });
        }
    }

    /// A member says of all its destinations whether they are full.
    fn gate(&mut self, key: &K, full: bool) {
        let Some(member) = self.members.get_mut(key) else { return };
        member.full = full;
        if full {
            // Of what was held before, the rest: sent on, it would be refused.
            for command in self.recall(key) {
                self.hold(key, command);
            }
            return;
        }
        let mut told = core::mem::take(&mut member.told);
        told.retain(|dst| !member.full_to.contains(dst));
        for command in core::mem::take(&mut member.held) {
            self.held_bytes = self.held_bytes.saturating_sub(weight(&command));
            self.down.push_back((key.clone(), command));
        }
        self.ready(key, told);
    }
}

fn at<K: Clone, A>(key: &K, addr: A) -> At<K, A> {
    At { key: key.clone(), addr }
}

fn weight<A>(command: &Command<A>) -> usize {
    let payload = match command {
        Command::Tell { payload, .. }
        | Command::Ask { payload, .. }
        | Command::Answer { result: Ok(payload), .. } => payload.len(),
        Command::Answer { result: Err(refusal), .. } => refusal.detail.len(),
        Command::Cancel { .. }
        | Command::Identify { .. }
        | Command::Disconnect { .. }
        | Command::Set(_)
        | Command::Close => 0,
    };
    payload.saturating_add(OVERHEAD)
}

impl<K: Addr, A: Addr> Layer for Join<K, A> {
    type Input = (K, Event<A>);
    type Transmit = (K, Command<A>);
    type Command = Command<At<K, A>>;
    type Event = Event<At<K, A>>;

    fn handle_input(&mut self, _now: Instant, (key, event): Self::Input) {
        match event {
            Event::Link(link) => {
                match self.members.get_mut(&key).filter(|member| !member.closed) {
                    Some(member) => member.link = link,
                    // Nothing follows `Closed`: where something does, it is another member's.
                    None => {
                        let (held, told, full_to) = Default::default();
                        let (full, closed) = (false, false);
                        let member = Member { link, full, closed, held, told, full_to };
                        self.members.insert(key.clone(), member);
                        if self.closing {
                            self.down.push_back((key, Command::Close));
                        }
                    }
                }
                self.relink();
            }
            Event::Full { scope: Scope::All } => self.gate(&key, true),
            Event::Ready { scope: Scope::All } => self.gate(&key, false),
            Event::Full { scope: Scope::To(dst) } => self.gate_one(&key, dst, true),
            Event::Ready { scope: Scope::To(dst) } => self.gate_one(&key, dst, false),
            Event::Closed => {
                if let Some(mut member) = self.members.remove(&key) {
                    member.closed = true;
                    self.give_up(&key, &mut member);
                    self.members.insert(key, member);
                    if !self.closing {
                        self.relink();
                    }
                }
                self.close_when_all_did();
            }
            mapped @ (Event::PathMtu { .. }
            | Event::Told(_)
            | Event::Asked { .. }
            | Event::Withdrawn { .. }
            | Event::Answered { .. }
            | Event::Identified { .. }
            | Event::PeerUp { .. }
            | Event::PeerDown { .. }
            | Event::Floor { .. }
            | Event::Undelivered { .. }) => {
                if let Some(event) = mapped.try_map(|addr| Some(at(&key, addr))) {
                    self.up.push(event);
                }
            }
        }
    }

    fn handle_command(&mut self, _now: Instant, command: Self::Command) {
        match command {
            Command::Close if self.closing => {}
            Command::Close => {
                self.closing = true;
                for (key, member) in &mut self.members {
                    if member.full {
                        // Behind what was accepted before it.
                        self.held_bytes = self.held_bytes.saturating_add(OVERHEAD);
                        member.held.push_back(Command::Close);
                    } else if !member.closed {
                        self.down.push_back((key.clone(), Command::Close));
                    }
                }
                self.close_when_all_did();
            }
            Command::Set(setting) => {
                for key in self.members.keys() {
                    self.down.push_back((key.clone(), Command::Set(setting.clone())));
                }
            }
            addressed @ (Command::Tell { .. }
            | Command::Ask { .. }
            | Command::Answer { .. }
            | Command::Cancel { .. }
            | Command::Identify { .. }
            | Command::Disconnect { .. }) => {
                let Some(key) = addressed.dst().map(|dst| dst.key.clone()) else { return };
                if let Ok(command) = addressed.try_map(|dst| Ok::<A, _>(dst.addr)) {
                    self.route(key, command);
                }
            }
        }
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        self.down.pop_front()
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        self.up.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn stats(&self, sink: &mut dyn StatsSink) {
        sink.enter(format_args!("join"));
        sink.counter("refused", self.refused);
        sink.gauge("members", self.members.len() as u64);
        sink.gauge("held_bytes", self.held_bytes as u64);
        sink.gauge("closing", u64::from(self.closing));
        self.up.stats(sink);
        sink.state("members", &|mut hasher: &mut dyn Hasher| {
            (&self.members, &self.down).hash(&mut hasher);
        });
        sink.leave();
    }
}

impl<K: Addr, A: Addr> Swarm for Join<K, A> {
    type Addr = At<K, A>;

    fn link(&self) -> &Link<Self::Addr> {
        self.up.link()
    }

    fn mtu_to(&self, dst: &Self::Addr) -> usize {
        let member = self.members.get(&dst.key);
        let least = member.map_or(0, |member| member.link.tell_max);
        // What has no route is refused as that, not as too large.
        least.max(self.up.mtu_to(dst))
    }

    fn is_full(&self, dst: &Self::Addr) -> bool {
        self.up.is_full(dst)
    }

    fn is_closed(&self) -> bool {
        self.closing
    }
}
