//! Plays a plan: things go wrong for a phase, then a core of nodes is healed and the rest stopped, and the core
//! must make progress; at last nobody says anything, and nothing may be held any more.

use super::bins::{Bins, Held, sort};
use super::books::Books;
use super::player::{Everybody, Part, Player};
use super::subject::{Says, Scenario, Stack, Subject, Tally};
use super::{Look, Played};
use crate::net::{Faults, Network, Pace, mix};
use crate::plan::{Fault, Plan, Step, addr_at, node_at};
use crate::scenario::{DATE, Suite};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tellask::stats::Snapshot;
use tellask::swarm::Setting;
use tellask::time::{Anchor, UnixTime};
use tellask::{Addr, Command, Instant, MemoryAddr};

/// Events of one run. More are a storm: nodes that make each other or themselves work without end.
const STORM: u64 = 20_000_000;
/// How often it is looked whether the core has made progress.
const GLANCE: Duration = Duration::from_millis(250);
/// How often an onlooker is shown the figures of nodes.
const SAMPLE: Duration = Duration::from_secs(1);
/// The largest datagram where nothing else is said.
const MTU: usize = 1_400;

/// A node remembers which requests of a peer have run until the peer says that it waits for none of them: one
/// that is gone says nothing.
const KEPT_OF_THE_GONE: &str = "remembered_bytes";

/// The run of a plan.
struct Arena<'a, A: Addr + 'static> {
    subject: &'a Subject<A>,
    plan: &'a Plan,
    network: Network<Stack<A>, Player<A>, Books>,
    /// The beginning of it.
    start: Instant,
    lives: BTreeMap<u32, u32>,
    down: BTreeSet<u32>,
    /// Where nodes are that are not at home.
    sites: BTreeMap<u32, u32>,
    /// The figures of lives that are over.
    past: Snapshot,
    events: u64,
    sample_at: Instant,
}

impl<A: Addr + 'static> Scenario for Subject<A> {
    fn menu(&self) -> crate::plan::Menu {
        self.menu
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn promises(&self) -> super::Promises {
        self.promises
    }

    fn play(&self, plan: &Plan, look: Look) -> Played {
        let mut arena = Arena::new(self, plan, look);
        arena.go_wrong();
        arena.make_progress();
        arena.fall_silent();
        arena.close()
    }
}

impl<'a, A: Addr + 'static> Arena<'a, A> {
    fn new(subject: &'a Subject<A>, plan: &'a Plan, look: Look) -> Self {
        // Whoever puts up with tampering seals what is said.
        let follows = plan.suite == Suite::Toy || !subject.menu.tampering;
        let mut books = Books::new(&subject.promises, follows, look.onlooker);
        books.excluded = subject.excluded;
        let recalls = |step: &Step| matches!(step.what, Fault::Replay(..) | Fault::Bounce(..));
        if plan.steps.iter().any(recalls) {
            books.remember();
        }
        let mut network = Network::tapped(plan.seed, books);
        network.set_mtu(MTU);
        network.watch_drops();
        if let Some(verdicts) = &plan.verdicts {
            network.list_verdicts(verdicts.clone());
        }
        if look.verdicts {
            network.keep_verdicts();
        }
        let start = network.now();
        let (lives, down, sites, past, events) = Default::default();
        let sample_at = start + SAMPLE;
        let mut arena =
            Self { subject, plan, network, start, lives, down, sites, past, events, sample_at };
        // Who binds and says hello at once does so on the network of the plan, and faults of nodes need nodes.
        let first = plan.steps.iter().filter(|step| step.at.is_zero()).map(|step| &step.what);
        let (ways, nodes): (Vec<_>, Vec<_>) = first.partition(|fault| fault.is_of_the_network());
        ways.into_iter().for_each(|fault| arena.apply(fault));
        arena.gather();
        nodes.into_iter().for_each(|fault| arena.apply(fault));
        arena
    }

    fn gather(&mut self) {
        let places = self.subject.addrs;
        let addrs: Vec<Vec<A>> = (0..crate::plan::MAX_NODES)
            .take_while(|number| self.plan.nodes.last().is_some_and(|last| number <= last))
            .map(|number| places.iter().map(|addr| addr(self.plan, number)).collect())
            .collect();
        let mut everybody = Everybody::new(addrs);
        for (node, site) in self.plan.sites() {
            let number = addr_at(node, site).0;
            let away = places.iter().map(|addr| addr(self.plan, number));
            everybody.add_site(node, site, away);
        }
        let everybody = Arc::new(everybody);
        let promises = self.subject.promises;
        for &me in &self.plan.nodes {
            let peers = self.plan.nodes.iter().copied().filter(|peer| self.speaks(me, *peer));
            let part = Part {
                peers: peers.collect(),
                says: promises.says,
                sizes: promises.sizes,
                every: self.plan.traffic.every,
                most: self.plan.traffic.most.unwrap_or(u64::MAX),
                patience: promises.patience,
                thinks: promises.thinks,
            };
            let stack = (self.subject.make)(self.plan, me, 0);
            let player = Player::new(me, &everybody, part, self.start);
            self.network.add(MemoryAddr(me), stack, player);
        }
    }

    /// Whether the one has something to say to the other.
    fn speaks(&self, src: u32, dst: u32) -> bool {
        let ways = &self.plan.traffic.ways;
        (src != dst || self.subject.to_self) && (ways.is_empty() || ways.contains(&(src, dst)))
    }

    /// Whether the one is on the list of the other, as everybody is on their own.
    fn may_hear(&self, src: u32, dst: u32) -> bool {
        src == dst || ![Some(src), Some(dst)].contains(&self.subject.excluded)
    }

    /// Runs, and shows an onlooker the figures of all nodes once a second.
    fn run_until(&mut self, until: Instant) {
        while self.network.tap().onlooker.is_some() && self.sample_at <= until {
            self.run_to(self.sample_at);
            let now = self.network.now();
            let running = self.network.running();
            let stats: Vec<_> = running.map(|(addr, node)| (addr, node.stats())).collect();
            if let Some(onlooker) = &mut self.network.tap_mut().onlooker {
                stats.iter().for_each(|(addr, stats)| onlooker.sample(now, *addr, stats));
            }
            self.sample_at = self.sample_at + SAMPLE;
        }
        self.run_to(until);
    }

    fn run_to(&mut self, until: Instant) {
        while self.events < STORM && self.network.next_at().is_some_and(|next| next <= until) {
            self.network.step();
            self.events += 1;
            if self.events == STORM {
                let now = self.network.now();
                let what = format!("a storm: {STORM} events by {now}");
                self.network.tap_mut().violate(now, &[], what);
            }
        }
        if self.events < STORM {
            self.network.step_until(until);
        }
    }

    fn go_wrong(&mut self) {
        for step in self.plan.steps.iter().filter(|step| !step.at.is_zero()) {
            if step.at <= self.plan.phase {
                self.run_until(self.start + step.at);
                self.apply(&step.what);
            }
        }
        self.run_until(self.start + self.plan.phase);
    }

    fn apply(&mut self, fault: &Fault) {
        let sites = &self.sites;
        let addr = |node: u32| addr_at(node, sites.get(&node).copied().unwrap_or(0));
        match fault {
            Fault::Net(faults) => self.network.set_faults(*faults),
            Fault::Link(src, dst, faults) => {
                self.network.set_faults_between(addr(*src), addr(*dst), *faults);
            }
            Fault::Cut(src, dst) => self.network.cut(addr(*src), addr(*dst)),
            Fault::Mend(src, dst) => self.network.mend(addr(*src), addr(*dst)),
            Fault::Split(side) => {
                for &here in side {
                    let others = self.plan.nodes.iter().filter(|node| !side.contains(node));
                    for &there in others {
                        self.network.cut(addr(here), addr(there));
                        self.network.cut(addr(there), addr(here));
                    }
                }
            }
            Fault::MendAll => self.network.mend_all(),
            Fault::Crash(node) => {
                self.network.tap_mut().note("crash");
                self.crash(*node);
            }
            Fault::Start(node) => self.restart(*node),
            Fault::Replay(src, dst, count) => self.again(*src, *dst, *count, false),
            Fault::Bounce(src, dst, count) => self.again(*src, *dst, *count, true),
            Fault::Noise(src, dst, len) => {
                let words = (0_u64..).map(|nth| mix(u64::from(*len) << 32 | nth).to_le_bytes());
                let bytes: Vec<u8> = words.flatten().take(*len as usize).collect();
                self.network.inject(addr(*src), addr(*dst), &bytes, Duration::ZERO);
            }
            Fault::Mtu(mtu) => self.network.set_mtu(*mtu as usize),
            Fault::Drift(node, ppm) => self.network.set_drift(addr(*node), *ppm),
            Fault::Jump(node, by) => self.network.jump(addr(*node), *by),
            Fault::Pause(node) => {
                self.network.tap_mut().note("pause");
                self.network.pause(addr(*node));
            }
            Fault::Resume(node) => self.network.go_on(addr(*node)),
            Fault::Slow(node, each) => {
                self.network.set_pace(addr(*node), Pace { each: *each, ..Pace::FULL });
            }
            Fault::Roam(node, site) => self.roam(*node, *site),
            Fault::Clock(node, seconds) => {
                let now = self.network.now();
                let date = DATE.saturating_add(now.as_nanos() / 1_000_000_000);
                let date = UnixTime::new(date.saturating_add_signed(*seconds), 0);
                let clock = Setting::Clock(Anchor { at: now, date });
                let set = Command::Set(clock);
                self.network.app(addr(*node), |_, cx| cx.command(set));
            }
        }
    }

    fn crash(&mut self, node: u32) {
        if self.plan.nodes.contains(&node) && self.down.insert(node) {
            let addr = self.addr(node);
            if let Some(node) = self.network.node(addr) {
                self.past = core::mem::take(&mut self.past).plus(node.stats());
            }
            self.network.crash(addr);
            let now = self.network.now();
            self.network.tap_mut().on_crash(now, node);
        }
    }

    fn restart(&mut self, node: u32) {
        if self.down.remove(&node) {
            let life = self.lives.entry(node).or_default();
            *life += 1;
            let stack = (self.subject.make)(self.plan, node, *life);
            self.network.start(self.addr(node), stack);
        }
    }

    /// Where a node is.
    fn addr(&self, node: u32) -> MemoryAddr {
        addr_at(node, self.sites.get(&node).copied().unwrap_or(0))
    }

    /// A node goes elsewhere; one that is down stays where it is, and starts there.
    fn roam(&mut self, node: u32, site: u32) {
        let (from, to) = (self.addr(node), addr_at(node, site));
        if !self.down.contains(&node) && self.network.roam(from, to) {
            self.sites.insert(node, site);
        }
    }

    /// Somebody sends the last datagrams of a way again, to where they went or back.
    fn again(&mut self, src: u32, dst: u32, count: u32, back: bool) {
        let (from, to) = if back { (dst, src) } else { (src, dst) };
        let recalled = self.network.tap().recall(src, dst, count);
        for (nth, bytes) in (1..).zip(recalled) {
            let delay = Duration::from_micros(nth);
            self.network.inject(self.addr(from), self.addr(to), &bytes, delay);
        }
    }

    /// Heals the core, stops the others, and waits until everybody of the core has heard everybody.
    fn make_progress(&mut self) {
        let mut faults = Faults::NONE;
        faults.delay = Duration::from_millis(10);
        self.network.set_all_faults(faults);
        self.network.mend_all();
        self.network.set_mtu(MTU);
        for &node in &self.plan.nodes {
            let well =
                [Fault::Resume(node), Fault::Slow(node, Duration::ZERO), Fault::Drift(node, 0)];
            well.iter().for_each(|fault| self.apply(fault));
            if self.plan.core.contains(&node) {
                self.restart(node);
                self.roam(node, 0);
            } else {
                self.crash(node);
            }
        }
        let healed = self.network.now();
        let end = healed + self.subject.promises.recovery;
        let mut waiting = self.expected();
        while !waiting.is_empty() && self.network.now() < end && self.events < STORM {
            self.run_until((self.network.now() + GLANCE).min(end));
            let books = self.network.tap();
            waiting.retain(|(src, dst, asks)| !books.progressed(*src, *dst, *asks, healed));
        }
        let now = self.network.now();
        for (src, dst, asks) in waiting {
            let verb = if asks { "got an answer from" } else { "was heard by" };
            let within = self.subject.promises.recovery;
            let what = format!("{src} never {verb} {dst} in the {within:?} after all was well");
            self.network.tap_mut().violate(now, &[src, dst], what);
        }
    }

    /// Who has to be heard by whom, or answered.
    fn expected(&self) -> Vec<(u32, u32, bool)> {
        // Who may say only so much may have said it before.
        if self.plan.traffic.most.is_some() {
            return Vec::new();
        }
        let kinds: &[bool] = match self.subject.promises.says {
            Says::Tells => &[false],
            Says::Asks => &[true],
            Says::Both => &[false, true],
        };
        let core = &self.plan.core;
        let ways = core.iter().flat_map(|src| core.iter().map(|dst| (*src, *dst)));
        let ways = ways.filter(|(src, dst)| self.speaks(*src, *dst) && self.may_hear(*src, *dst));
        ways.flat_map(|(src, dst)| kinds.iter().map(move |asks| (src, dst, *asks))).collect()
    }

    /// Nobody says anything more, and after a while nothing is held.
    fn fall_silent(&mut self) {
        for &node in &self.plan.nodes {
            if let Some(player) = self.network.app_at_mut(self.addr(node)) {
                player.be_quiet();
            }
        }
        self.run_until(self.network.now() + self.subject.promises.drain);
        let now = self.network.now();
        for &node in &self.plan.core {
            let Some(stats) = self.network.node(self.addr(node)).map(|node| node.stats()) else {
                continue;
            };
            let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
            let mut empty = self.subject.promises.empty.to_vec();
            if self.plan.core.len() < self.plan.nodes.len() {
                empty.retain(|name| *name != KEPT_OF_THE_GONE);
            }
            let full = stats
                .gauges
                .iter()
                .find(|(name, value)| **value > 0 && empty.contains(&last(name.as_str()).as_str()));
            if let Some((name, value)) = full {
                let what = format!("{node} still holds {name} {value} after a silence");
                self.network.tap_mut().violate(now, &[node], what);
            }
        }
    }

    fn close(mut self) -> Played {
        let now = self.network.now();
        let held = self.held();
        let bins: Bins = sort(self.network.tap_mut(), &held, now);
        let mut stats = self.past;
        for (_, node) in self.network.running() {
            stats = stats.plus(node.stats());
        }
        let verdicts = self.network.take_verdicts();
        let (trace, totals) = (self.network.trace(), self.network.totals());
        let books = self.network.tap_mut();
        let tally = Tally { stats, noted: core::mem::take(&mut books.noted) };
        let marks = self.subject.promises.marks.iter();
        let marks = marks.filter(|mark| (mark.reached)(&tally)).map(|mark| mark.name).collect();
        Played {
            trace,
            totals,
            events: self.events,
            start: self.start,
            took: now.since(self.start),
            bins,
            marks,
            violations: core::mem::take(&mut books.violations),
            violated: books.violated,
            concerned: core::mem::take(&mut books.concerned).into_iter().collect(),
            first: books.first.map(|at| at.since(self.start)),
            verdicts,
            stats: tally.stats,
        }
    }

    fn held(&self) -> Held {
        let mut held = Held::default();
        for (addr, node) in self.network.running() {
            let stats = node.stats();
            let holds = |names: &[&str]| {
                let last = |name: &str| names.contains(&name.rsplit('.').next().unwrap_or(""));
                stats.gauges.iter().any(|(name, value)| *value > 0 && last(name))
            };
            if holds(&["send_bytes", "waiting_bytes", "held_bytes", "paused"]) {
                held.sending.insert(node_at(addr));
            }
            if holds(&["receive_bytes", "reassembly_bytes", "parts_bytes"]) {
                held.receiving.insert(node_at(addr));
            }
        }
        held
    }
}
