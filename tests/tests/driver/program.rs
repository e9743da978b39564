//! Random programs of a few nodes, whose futures are dropped wherever it falls out.
//!
//! A program has some tasks for each node, each with some steps, each step with a fate of its future. What
//! holds whenever nobody can run, and what in the end, is checked in [`Program`]; what holds for one message
//! or one request, in the log.

use super::executor::{Executor, Progress, TaskId};
use super::log::{Log, NO, Taken, What, reply};
use super::runtime::{InMemory, Path, World};
use super::steps::step;
use core::cell::{Cell, RefCell};
use core::sync::atomic::Ordering::Relaxed;
use core::time::Duration;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use tellask::addr::Source;
use tellask::driver::{Builder, Events, Request, UdpNode, UdpStack, Workers};
use tellask::identity::SecretKey;
use tellask::seed::Rng;
use tellask::stats::Snapshot;
use tellask::swarm::Refusal;
use tellask::{Addr, Limits, PeerAddr, Seed, UdpAddr};

pub(crate) const MILLI: u64 = 1_000_000;
pub(crate) const SECOND: u64 = 1_000 * MILLI;
/// Longer than any timer runs that something could wait for.
pub(crate) const LONG: u64 = 60 * SECOND;
/// Longer than a program takes: who asks for so long is answered, or gives up, or waits too long.
pub(crate) const PATIENT: u64 = 300 * SECOND;
/// How long after a request was withdrawn the other side has heard of it, where the network loses nothing.
const HEARD: u64 = SECOND;

/// How often nobody can run until it is looked whether somebody is stuck.
const LOOK: u32 = 5;

/// How many steps a task has at the most.
const STEPS: u64 = 8;

/// What all programs together did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) told: u64,
    pub(crate) received: u64,
    pub(crate) asked: u64,
    pub(crate) answered: u64,
    pub(crate) refused: u64,
    pub(crate) withdrawn: u64,
    pub(crate) dropped: u64,
    pub(crate) unseen: u64,
    pub(crate) in_vain: u64,
    pub(crate) polls: u64,
    pub(crate) closed: u64,
    pub(crate) left: u64,
}

impl Figures {
    pub(crate) fn add(&mut self, other: &Self) {
        self.told += other.told;
        self.received += other.received;
        self.asked += other.asked;
        self.answered += other.answered;
        self.refused += other.refused;
        self.withdrawn += other.withdrawn;
        self.dropped += other.dropped;
        self.unseen += other.unseen;
        self.in_vain += other.in_vain;
        self.polls += other.polls;
        self.closed += other.closed;
        self.left += other.left;
    }
}

/// Runs the program of this seed to its end.
pub(crate) fn run(seed: u64) -> Figures {
    let seed = Seed::from_u64(seed);
    // Signatures take longer than all the rest of a program.
    if seed.rng("kind").chance(1, 16) {
        let secured = |number: u8, builder: Builder<UdpAddr, InMemory>| {
            builder.secured(SecretKey::from_seed(&[number; 32])).asking()
        };
        Program::<PeerAddr<UdpAddr>>::new(&seed, secured).run()
    } else {
        Program::<UdpAddr>::new(&seed, |_, builder| builder.asking()).run()
    }
}

pub(crate) type Node<A> = UdpNode<A, InMemory>;
pub(crate) type Listener<A> = Events<UdpStack<A>, super::runtime::Clock>;
pub(crate) type Asked<A> = Request<UdpStack<A>, super::runtime::Clock>;

/// Tasks of a node at the most, with the one that refuses what is left in the end.
const TASKS: u64 = 5;

struct Program<A: Addr + Send + Sync + 'static> {
    world: Arc<World>,
    executor: Executor,
    rng: Rng,
    lossless: bool,
    roomy: bool,
    nodes: Vec<Option<Node<A>>>,
    drivers: Vec<TaskId>,
    left: u64,
    all: Rc<All<A>>,
}

/// What the tasks of a program share.
pub(crate) struct All<A: Addr> {
    pub(crate) world: Arc<World>,
    pub(crate) log: Log,
    pub(crate) addrs: Vec<A>,
    /// Whether nobody closed or left the node, or broke off one of its sessions: then nothing is lost there.
    pub(crate) clean: Vec<Cell<bool>>,
    pub(crate) held: Vec<RefCell<Vec<Held<A>>>>,
    pub(crate) progress: BTreeMap<(usize, What), Arc<Progress>>,
    pub(crate) closed: Cell<u64>,
    /// Nobody is to hold requests back any more.
    pub(crate) released: Cell<bool>,
}

/// A request that an application took, and has not answered.
pub(crate) struct Held<A: Addr> {
    pub(crate) log: Log,
    pub(crate) id: u64,
    pub(crate) request: Option<Asked<A>>,
}

impl<A: Addr> Drop for Held<A> {
    fn drop(&mut self) {
        if self.request.is_some() {
            self.log.did(self.id, Taken::Dropped);
        }
    }
}

impl<A: Addr> Held<A> {
    pub(crate) fn answer(mut self, len: usize) {
        self.log.did(self.id, Taken::Answered);
        self.request.take().expect("held").answer(reply(self.id, len));
    }

    pub(crate) fn refuse(mut self) {
        self.log.did(self.id, Taken::Refused);
        self.request.take().expect("held").refuse(Refusal::new(NO, "no"));
    }
}

const WHATS: [What; 7] = [
    What::Message,
    What::Request,
    What::Tell,
    What::Ask,
    What::Identify,
    What::Events,
    What::Close,
];

impl<A: Addr + Source + Unpin + Send + Sync + 'static> Program<A> {
    fn new(
        seed: &Seed,
        layers: impl Fn(u8, Builder<UdpAddr, InMemory>) -> Builder<A, InMemory>,
    ) -> Self {
        let mut rng = seed.rng("program");
        let path = Path {
            delay: Duration::from_millis(1 + rng.below(4)),
            loss: if rng.chance(1, 4) { 50 } else { 0 },
            room: if rng.chance(1, 2) { 4 } else { 1_000 },
        };
        let world = World::begin(seed.rng("world"), path);
        let mut executor = Executor::new(seed.rng("executor"));
        let mut limits = Limits::default();
        let (narrow, few) = (rng.chance(1, 2), rng.chance(1, 2));
        if narrow {
            (limits.send, limits.send_per_peer) = (3_000, 2_000);
        }
        if few {
            limits.asks_per_peer = 2;
        }
        if rng.chance(1, 2) {
            limits.receive = 8_000;
        }
        let count = 2 + rng.below(2) as usize;
        let mut crews = seed.rng("workers");
        let (mut nodes, mut drivers) = (Vec::new(), Vec::new());
        for number in 0..count {
            let workers = if crews.chance(1, 3) { 2 + crews.below(2) as usize } else { 1 };
            let node = || {
                let builder = Builder::udp("127.0.0.1:0".parse().expect("an address"));
                let builder = builder.limits(limits.clone()).seed(seed.child(&format!("{number}")));
                layers(number as u8 + 1, builder)
            };
            let (node, each) = Workers::new(workers, node).bind().expect("a free port");
            nodes.push(Some(node));
            drivers.extend(each.into_iter().map(|driver| executor.spawn(driver)));
        }
        let addr = |node: &Option<Node<A>>| node.as_ref().map(|node| node.local_addrs()[0].clone());
        let each = || (0..count).flat_map(|node| WHATS.map(|what| (node, what)));
        let all = Rc::new(All {
            world: Arc::clone(&world),
            log: Log::default(),
            addrs: nodes.iter().filter_map(addr).collect(),
            clean: (0..count).map(|_| Cell::new(true)).collect(),
            held: (0..count).map(|_| RefCell::default()).collect(),
            progress: each().map(|key| (key, Arc::default())).collect(),
            closed: Cell::new(0),
            released: Cell::new(false),
        });
        let (lossless, roomy) = (path.loss == 0, !narrow && !few);
        Self { world, executor, rng, lossless, roomy, nodes, drivers, left: 0, all }
    }

    fn run(mut self) -> Figures {
        super::executor::dropped();
        let mut tasks = Vec::new();
        for number in 0..self.nodes.len() {
            for _ in 0..1 + self.rng.below(TASKS - 1) {
                tasks.push(self.spawn(number));
            }
        }
        self.leave();
        self.settle(20 * SECOND);
        self.withdrawn_is_not_wanted();
        self.release();
        self.settle(LONG);
        let count = self.nodes.len();
        let asks = |log: &Log| (0..count).any(|node| log.is_waiting(node, What::Ask));
        let clean = self.all.clean.iter().all(Cell::get);
        for _ in 0..STEPS {
            if clean || !asks(&self.all.log) {
                break;
            }
            // Whom nobody answers any more waits for as long as it said, with each step.
            self.settle(PATIENT + SECOND);
        }
        self.nobody_waits_for_what_comes();
        self.nothing_is_lost();
        self.few_are_woken_in_vain();
        let figures = self.figures();
        self.end(tasks);
        figures
    }

    /// Runs for so long, and looks when nobody can run: every so often, as it takes longer than all the rest.
    fn settle(&mut self, time: u64) {
        let Self { world, executor, nodes, all, .. } = self;
        let mut idle = 0_u32;
        executor.run(world, world.now() + time, || {
            idle += 1;
            if idle.is_multiple_of(LOOK) {
                nobody_is_stuck(nodes, all);
            }
        });
        nobody_is_stuck(nodes, all);
    }

    /// A task of one node.
    fn spawn(&mut self, number: usize) -> TaskId {
        let node = self.nodes[number].clone().expect("it is there");
        let mut rng = Seed::from_u64(self.rng.u64()).rng("task");
        let all = Rc::clone(&self.all);
        self.executor.spawn(async move {
            // Kept while the task does other things: it is not woken for a notice then.
            let mut events = None;
            for _ in 0..1 + rng.below(STEPS) {
                step(&all, number, &node, &mut events, &mut rng).await;
            }
        })
    }

    /// Now and then a node is left to its tasks: it goes when the last of them has ended.
    fn leave(&mut self) {
        let number = self.rng.below(self.nodes.len() as u64) as usize;
        // What workers told each other would be missing in the figures.
        let alone = self.nodes[number].as_ref().is_some_and(|node| node.workers().len() == 1);
        if alone && self.rng.chance(1, 4) {
            self.nodes[number] = None;
            self.all.clean[number].set(false);
            self.left += 1;
        }
    }

    fn is_clean(&self, node: usize) -> bool {
        self.lossless && self.all.clean[node].get()
    }

    fn withdrawn_is_not_wanted(&self) {
        let now = self.world.now();
        let log = self.all.log.0.borrow();
        for (number, held) in self.all.held.iter().enumerate() {
            for held in held.borrow().iter() {
                let asked = &log.asked[&held.id];
                let gone = asked.over.is_some_and(|over| over + HEARD < now);
                let wanted = held.request.as_ref().is_some_and(Request::is_wanted);
                if self.is_clean(number) && self.is_clean(asked.from) {
                    assert!(!(gone && wanted), "it was withdrawn long ago: {asked:?}");
                    let waits = asked.over.is_none() && asked.deadline > now;
                    assert!(!waits || wanted, "somebody waits for it: {asked:?}");
                }
            }
        }
    }

    /// Nobody holds a request back from now on.
    fn release(&mut self) {
        self.all.released.set(true);
        for number in 0..self.nodes.len() {
            self.all.held[number].borrow_mut().clear();
            let Some(node) = self.nodes[number].clone() else { continue };
            let all = Rc::clone(&self.all);
            self.executor.spawn(async move {
                let _waiting = all.log.waits(number, What::Request);
                while let Some(request) = node.next_ask().await {
                    let id = all.log.taken(number, request.payload());
                    Held { log: all.log.clone(), id, request: Some(request) }.refuse();
                }
            });
        }
    }

    fn nobody_waits_for_what_comes(&self) {
        for (number, node) in self.nodes.iter().enumerate() {
            for what in [What::Tell, What::Ask, What::Identify, What::Close] {
                let stuck = self.all.log.is_waiting(number, what);
                assert!(!stuck, "a task of node {number} waits for {what:?} for ever");
            }
            let Some(node) = node else { continue };
            let stats = node.stats();
            for gauge in ["tellers", "asks_under_way", "asks_waiting", "identifiers", "closers"] {
                assert_eq!(gauge_of(&stats, gauge), 0, "node {number}: {gauge}");
            }
        }
    }

    /// A wake that finds nothing is for what another task took first, or for a destination that was ready and
    /// filled up again; nobody else is woken for nothing.
    fn few_are_woken_in_vain(&self) {
        let log = self.all.log.0.borrow();
        let mut waits = 0;
        for (number, node) in self.nodes.iter().enumerate() {
            let in_vain = |what| self.all.progress[&(number, what)].in_vain.load(Relaxed);
            assert_eq!(in_vain(What::Identify), 0, "node {number}");
            // Each worker tells everybody when it has ended; only the last one's word is the end.
            let workers = node.as_ref().map_or(1, |node| node.workers().len()) as u64;
            let ends = (workers - 1) * TASKS;
            for what in [What::Events, What::Close] {
                assert!(in_vain(what) <= ends, "node {number}: {what:?}");
            }
            let received = log.told.values().filter(|told| told.to == number && told.received);
            let causes = received.count() as u64 + ends;
            assert!(in_vain(What::Message) <= causes, "node {number}");
            // A request may be withdrawn before whoever was woken for it takes it.
            let asked = log.asked.values().filter(|asked| asked.to == number && asked.polled);
            let causes = asked.count() as u64 + ends;
            assert!(in_vain(What::Request) <= causes, "node {number}");

            let full = in_vain(What::Tell) + in_vain(What::Ask);
            waits += full;
            let Some(node) = node else { continue };
            // It becomes ready when something was sent, or a request is over.
            let over = log.asked.values().filter(|asked| asked.from == number).count() as u64;
            let ready = node.stats().value("socket.sends") + over;
            let most = log.most.get(&number).copied().unwrap_or(0) as u64;
            assert!(full <= ready * most, "node {number}: {full} > {ready} * {most}");
        }
        assert!(!self.roomy || waits == 0, "nothing was full, but {waits} were woken in vain");
        let ours = |task: &TaskId| self.drivers.contains(task);
        let drivers: u64 = self.executor.polls_of(ours);
        let tasks: u64 = self.executor.polls_of(|task| !ours(task));
        let handed = self.nodes.iter().flatten().map(|node| {
            let stats = node.stats();
            stats.value("socket.handed_over") + stats.value("socket.floors_told")
        });
        let causes = tasks + self.world.happened() + handed.sum::<u64>();
        let bound = self.drivers.len() as u64 + 2 * causes;
        assert!(drivers <= bound, "drivers were polled {drivers} times, for {bound} causes");
    }

    /// Between nodes that are open, in a network without loss, each message that was accepted was
    /// received, or waits, or was counted when it was dropped.
    fn nothing_is_lost(&self) {
        if !self.all.clean.iter().all(Cell::get) || !self.lossless {
            return;
        }
        let log = self.all.log.0.borrow();
        for (number, node) in self.nodes.iter().enumerate() {
            let Some(node) = node else { continue };
            let stats = node.stats();
            let mine = || log.told.values().filter(|told| told.to == number && told.accepted);
            let missing = mine().filter(|told| !told.received).count() as u64;
            let (there, dropped) =
                (gauge_of(&stats, "receive_messages"), stats.value("hub.received_but_dropped"));
            assert_eq!(missing, there + dropped, "told to node {number} and not received");
        }
    }

    fn figures(&self) -> Figures {
        let log = self.all.log.0.borrow();
        let count = |taken| log.asked.values().filter(|asked| asked.taken == taken).count() as u64;
        let unseen = self.all.progress.values().map(|progress| progress.unseen.load(Relaxed));
        Figures {
            told: log.told.values().filter(|told| told.accepted).count() as u64,
            received: log.told.values().filter(|told| told.received).count() as u64,
            asked: log.asked.values().filter(|asked| asked.polled).count() as u64,
            answered: count(Taken::Answered),
            refused: count(Taken::Refused),
            withdrawn: count(Taken::Dropped),
            dropped: super::executor::dropped(),
            unseen: unseen.sum(),
            in_vain: self.all.progress.values().map(|p| p.in_vain.load(Relaxed)).sum(),
            polls: self.executor.polls_of(|_| true),
            closed: self.all.closed.get(),
            left: self.left,
        }
    }

    /// Closes what is open, or drops it, and looks whether anything is left.
    fn end(mut self, tasks: Vec<TaskId>) {
        // Nobody closes a node that was left, and its tasks may wait for ever.
        if self.left == 0 && self.rng.chance(1, 2) {
            self.close();
        } else {
            for task in tasks {
                self.executor.drop_task(task);
            }
            let drivers = &self.drivers;
            let rest = self.executor.tasks().into_iter().filter(|task| !drivers.contains(task));
            rest.for_each(|task| self.executor.drop_task(task));
        }
        for node in self.nodes.iter().flatten() {
            let stats = node.stats();
            let gauges = ["receivers", "tellers", "listeners", "servers", "asks_under_way"];
            for gauge in gauges.into_iter().chain(["asks_waiting", "identifiers", "closers"]) {
                assert_eq!(gauge_of(&stats, gauge), 0, "nobody waits any more: {gauge}");
            }
        }
        while !self.nodes.is_empty() {
            let at = self.rng.below(self.nodes.len() as u64) as usize;
            self.nodes.swap_remove(at);
        }
        self.settle(MILLI);
        assert_eq!(self.executor.tasks(), [0; 0], "all tasks and drivers have ended");
        let Self { world, executor, all, .. } = self;
        drop(all);
        assert_eq!(world.held(), (0, 0, 0), "sockets, timers, clocks");
        assert_eq!(executor.wakers(), 0, "somebody holds the waker of a task that is over");
    }

    fn close(&mut self) {
        for number in 0..self.nodes.len() {
            let Some(node) = self.nodes[number].clone() else { continue };
            let clean = self.is_clean(number);
            let all = Rc::clone(&self.all);
            self.all.clean[number].set(false);
            self.executor.spawn(async move {
                let _waiting = all.log.waits(number, What::Close);
                let closed = node.close(Duration::from_nanos(LONG)).await;
                assert!(!clean || closed.is_ok(), "{closed:?}");
            });
        }
        self.settle(2 * LONG);
        assert_eq!(self.executor.tasks(), [0; 0], "whoever waits is told of the end");
    }
}

fn nobody_is_stuck<A: Addr + Send + Sync + 'static>(nodes: &[Option<Node<A>>], all: &All<A>) {
    for (number, node) in nodes.iter().enumerate() {
        let receives = all.log.is_waiting(number, What::Message);
        let serves = all.log.is_waiting(number, What::Request);
        let Some(node) = node.as_ref().filter(|_| receives || serves) else { continue };
        let stats = node.stats();
        let stuck = receives && stats.value("hub.receive_messages") > 0;
        assert!(!stuck, "a task waits at node {number} for a message that is there");
        let stuck = serves && stats.value("hub.asks_to_take") > 0;
        assert!(!stuck, "a task waits at node {number} for a request that is there");
    }
}

fn gauge_of(stats: &Snapshot, name: &str) -> u64 {
    let name = format!("hub.{name}");
    *stats.gauges.get(&name).unwrap_or_else(|| panic!("no gauge is called {name}"))
}
