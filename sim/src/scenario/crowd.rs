//! Secure nodes that talk to one another, their network and their books.

use super::ledger::{Books, Figures};
use super::secure::{Made, Secure, addr, node};
use super::talker::Talker;
use super::{Report, Settings};
use crate::net::{Faults, Network};
use core::time::Duration;
use std::sync::Arc;
use tellask::p2pke::channel::Timing;
use tellask::{Instant, Limits, MemoryAddr, PeerAddr};

/// Talkers on a network.
#[derive(Debug)]
pub struct Crowd {
    /// The network, which the books listen in on.
    pub network: Network<Secure, Talker, Books>,
    /// What was told, sealed, delivered and heard.
    pub books: Books,
    seed: u64,
    /// How many restarts there were.
    lives: u32,
    made: Made,
}

impl Crowd {
    /// Nobody yet.
    #[must_use]
    pub fn new(
        settings: &Settings,
        seed: u64,
        faults: Faults,
        timing: Timing,
        limits: Limits,
    ) -> Self {
        let books = Books::default();
        let mut network = Network::tapped(seed, books.clone());
        network.set_shards(settings.threads_or_one());
        network.set_faults(faults);
        let made = Made { timing, limits, suite: settings.suite };
        Self { network, books, seed, lives: 0, made }
    }

    /// Adds the nodes 0 to `nodes`, each of which tells each other once in `interval` for `time`.
    pub fn gather(&mut self, nodes: u32, interval: Duration, time: Duration) {
        let everybody = self.everybody(nodes);
        for number in 0..nodes {
            self.join(&everybody, number, interval, time);
        }
    }

    /// The addresses of the nodes 0 to `nodes`.
    #[must_use]
    pub fn everybody(&self, nodes: u32) -> Arc<[PeerAddr<MemoryAddr>]> {
        (0..nodes).map(|number| addr(self.seed, number)).collect()
    }

    /// Adds the node `number` of `everybody`.
    pub fn join(
        &mut self,
        everybody: &Arc<[PeerAddr<MemoryAddr>]>,
        number: u32,
        interval: Duration,
        time: Duration,
    ) {
        self.books.with(|ledger| ledger.know(addr(self.seed, number)));
        let now = self.network.now();
        let talker = Talker::new(everybody, number, interval, now, now + time);
        self.network.add(MemoryAddr(number), self.stack(number, 0), talker);
    }

    /// The stack of the node `number` in its `life`-th life.
    #[must_use]
    pub fn stack(&self, number: u32, life: u32) -> Secure {
        node(self.seed, number, life, &self.made)
    }

    /// The node at `at` crashes.
    pub fn crash(&mut self, at: MemoryAddr) {
        self.network.crash(at);
        self.books.with(|ledger| ledger.on_crash(at));
    }

    /// The node at `at` starts again with its key, and says nothing of its own before `from`.
    pub fn restart(&mut self, at: MemoryAddr, from: Instant) {
        self.lives += 1;
        let stack = self.stack(at.0, self.lives);
        self.network.start(at, stack);
        self.network.app(at, |talker, _| talker.mute(from));
    }

    /// Every first copy that was delivered was heard.
    pub fn expect_all_opened(&self) {
        let unopened = self.figures().0.unopened;
        if unopened > 0 {
            self.books.violate(format!("{unopened} delivered messages were not heard"));
        }
    }

    /// The stacks' own counters say what the books say. Only where no node crashed.
    pub fn expect_sealed_and_opened_agree(&self) {
        let figures = self.figures().0;
        for (name, expected) in [
            ("p2pke.sealed", figures.sealed),
            ("p2pke.opened", figures.heard),
            ("p2pke.undelivered", figures.undelivered),
            ("p2pke.received_but_dropped", 0),
            ("datagram.received_but_dropped", 0),
        ] {
            let counted = self.sum(name);
            if counted != expected {
                self.books.violate(format!("{name} is {counted}, and {expected} in the books"));
            }
        }
    }

    /// What was accepted was sealed, reported undelivered, lost in a crash, or waits.
    pub fn expect_nothing_vanished(&self) {
        let (figures, queued) = self.figures();
        let accounted = figures.sealed + figures.undelivered + figures.crashed + queued;
        if figures.told != accounted {
            let told = figures.told;
            self.books.violate(format!("{told} messages were told, {accounted} are accounted for"));
        }
    }

    /// At least so many sessions were used, each direction counting by itself.
    pub fn expect_sessions(&self, least: u64) {
        let sessions = self.figures().0.sessions;
        if sessions < least {
            self.books.violate(format!("only {sessions} sessions were used, of {least} or more"));
        }
    }

    /// The sum of a figure over all nodes.
    #[must_use]
    pub fn sum(&self, name: &str) -> u64 {
        self.network.running().map(|(_, node)| node.stats().value(name)).sum()
    }

    fn figures(&self) -> (Figures, u64) {
        self.books.with(|ledger| {
            ledger.settle();
            (ledger.figures, ledger.queued())
        })
    }

    /// The report of all that there is to say.
    #[must_use]
    pub fn report(&self, name: &'static str, seed: u64) -> Report {
        let queued = self.figures().1;
        let bins = self.books.with(|ledger| ledger.bins());
        let (figures, said) = (self.figures().0, bins.values().sum::<u64>());
        if said != figures.told + figures.refused {
            let told = figures.told + figures.refused;
            self.books.violate(format!("{told} messages were told, and {said} are in bins"));
        }
        let (figures, violations) = self.books.close();
        let totals = self.network.totals();
        let mut shown = vec![
            ("nodes", self.network.running().count() as u64),
            ("simulated_seconds", self.network.now().as_nanos() / 1_000_000_000 - 1),
            ("datagrams_sent", totals.sent),
            ("datagrams_delivered", totals.delivered),
            ("datagrams_lost", totals.lost),
            ("datagrams_spoilt", totals.spoilt),
            ("datagrams_duplicated", totals.duplicated),
            ("messages_told", figures.told),
            ("messages_refused", figures.refused),
            ("messages_undelivered", figures.undelivered),
            ("messages_lost_in_crashes", figures.crashed),
            ("messages_waiting", queued),
            ("messages_sealed", figures.sealed),
            ("messages_delivered", figures.delivered),
            ("messages_delivered_again", figures.delivered_again),
            ("messages_delivered_spoilt", figures.spoilt),
            ("messages_heard", figures.heard),
            ("messages_delivered_but_unopened", figures.unopened),
            ("sessions_each_way", figures.sessions),
            ("peers_up", figures.peers_up),
            ("peers_down", figures.peers_down),
            ("rejected_replayed", self.sum("p2pke.rejected_replayed")),
            ("rejected_undecryptable", self.sum("p2pke.rejected_undecryptable")),
            ("violations", figures.violations),
        ];
        shown.retain(|(name, value)| *value > 0 || *name == "violations");
        Report { name, seed, trace: self.network.trace(), figures: shown, bins, violations }
    }
}

impl Settings {
    /// So many nodes, or what the scenario has by itself.
    #[must_use]
    pub fn nodes_or(&self, default: u32) -> u32 {
        self.nodes.unwrap_or(default)
    }

    /// So many threads.
    #[must_use]
    pub fn threads_or_one(&self) -> usize {
        self.threads.unwrap_or(1)
    }

    /// So many simulated seconds, or what the scenario has by itself.
    #[must_use]
    pub fn seconds_or(&self, default: u64) -> u64 {
        self.seconds.unwrap_or(default)
    }
}
