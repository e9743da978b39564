//! Nodes that talk over SSH while their connections stall, are cut into bytes, refused, reset and forgotten, keys are exchanged
//! again and again from both sides, and nodes crash and come back.
//!
//! What is told is heard once at the most, whole, by whom it is for and from whom it is; a request is answered once at the
//! most, has one outcome in time, and its answer is its own; nobody takes an honest peer for one that breaks the protocol.
//! When all is well again everybody hears everybody soon, and after a long silence nothing is held.

use super::Told;
use crate::net::{App, Chance, Cx};
use crate::scenario::Suite;
use crate::streams::{Faults, Network};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use tellask::identity::SecretKey;
use tellask::seed::Rng;
use tellask::ssh::{Fingerprint, HANDSHAKE, IDLE, Rekey, Setup, Ssh, SshAddr};
use tellask::swarm::{AskError, AskId, Command, Event};
use tellask::{Instant, Limits, MemoryAddr, Seed};

type Stack = Ssh<MemoryAddr>;
type Peer = SshAddr<MemoryAddr>;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(8);
/// Within this time after all is well again everybody hears everybody: connections that were forgotten are found gone by
/// the network, or by the keepalive.
const RECOVERY: Duration = Duration::from_secs(90);
/// For how long all goes wrong.
const PHASE: Duration = Duration::from_secs(20);

/// See the [module](self).
pub(super) fn ssh(_: Suite, seed: u64) -> Told {
    let mut play = Play::new(seed);
    play.suffer();
    play.recover();
    play.fall_silent();
    play.end()
}

/// What nodes say: from whom, to whom, the number of it, and as many bytes as it says.
fn words(from: u32, to: u32, number: u64, len: usize) -> Vec<u8> {
    let mut words = Vec::with_capacity(len.max(HEAD));
    words.extend(from.to_be_bytes());
    words.extend(to.to_be_bytes());
    words.extend(number.to_be_bytes());
    words.extend((HEAD..len).map(|at| (at as u64 ^ number.wrapping_mul(31)) as u8));
    words
}

const HEAD: usize = 16;

/// The other way round; `None` where nobody has said this.
fn read(words: &[u8]) -> Option<(u32, u32, u64)> {
    let (from, rest) = words.split_first_chunk()?;
    let (to, rest) = rest.split_first_chunk()?;
    let (number, _) = rest.split_first_chunk()?;
    let (from, to) = (u32::from_be_bytes(*from), u32::from_be_bytes(*to));
    let number = u64::from_be_bytes(*number);
    (self::words(from, to, number, words.len()) == words).then_some((from, to, number))
}

/// Hears, answers, and keeps what it heard.
#[derive(Debug, Default)]
struct Player {
    heard: Vec<Event<Peer>>,
}

impl App<Stack> for Player {
    type Note = ();

    fn on_event(&mut self, cx: &mut Cx<'_, Stack>, event: Event<Peer>) {
        if let Event::Asked { token, message, .. } = &event {
            let (dst, mut answer) = (message.src, message.payload.to_vec());
            answer.reverse();
            cx.command(Command::Answer { token: *token, dst, result: Ok(answer.into()) });
        }
        self.heard.push(event);
    }
}

struct Play {
    network: Network<Stack, Player>,
    seed: Seed,
    nodes: u32,
    keys: Vec<SecretKey>,
    /// What nodes are called.
    peers: Vec<Peer>,
    rng: Rng,
    lives: BTreeMap<u32, u32>,
    down: BTreeSet<u32>,
    limits: Limits,
    rekey: Rekey,
    extension: bool,
    /// The next number of what is said.
    number: u64,
    /// What was heard, by number.
    heard: BTreeSet<u64>,
    /// Requests that somebody was asked.
    asked: BTreeSet<u64>,
    /// Requests that were answered since that was judged.
    answered: Vec<u64>,
    /// Requests without an outcome: who asked, whom, in how many bytes, and until when.
    open: BTreeMap<u64, (u32, u32, usize, Instant)>,
    noted: BTreeMap<&'static str, u64>,
    violations: Vec<String>,
}

impl Play {
    fn new(seed: u64) -> Self {
        let network = Network::new(seed);
        let seed = Seed::from_u64(seed).child("sim.ssh");
        let mut rng = seed.rng("draws");
        let nodes = 2 + rng.below(3) as u32;
        let key_of =
            |node: u32| SecretKey::generate(&mut seed.child(&format!("key {node}")).rng("key"));
        let keys: Vec<SecretKey> = (0..nodes).map(key_of).collect();
        let peers = (0..).zip(&keys).map(|(node, key)| SshAddr {
            fingerprint: Fingerprint::of(key.public()),
            addr: MemoryAddr(node),
        });
        let peers = peers.collect();
        let packets = 6 + rng.below(60);
        let mut play = Self {
            network,
            seed,
            nodes,
            keys,
            peers,
            limits: Limits::default(),
            rekey: Rekey { packets, ..Rekey::default() },
            extension: rng.below(3) > 0,
            rng,
            lives: BTreeMap::new(),
            down: BTreeSet::new(),
            number: 0,
            heard: BTreeSet::new(),
            asked: BTreeSet::new(),
            answered: Vec::new(),
            open: BTreeMap::new(),
            noted: BTreeMap::new(),
            violations: Vec::new(),
        };
        let faults = play.faults();
        play.network.set_faults(faults);
        for node in 0..nodes {
            let stack = play.stack(node);
            play.network.add(MemoryAddr(node), stack, Player::default());
        }
        play
    }

    /// The stack of a node in its next life.
    fn stack(&mut self, node: u32) -> Stack {
        let life = self.lives.entry(node).or_default();
        *life += 1;
        let seed = self.seed.child(&format!("node {node} life {life}"));
        let setup = Setup::new(self.keys[node as usize].clone(), &seed, &self.limits);
        Ssh::new(Setup { rekey: self.rekey, extension: self.extension, ..setup })
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.rng.below(below)
    }

    fn faults(&mut self) -> Faults {
        let mut faults = Faults::NONE;
        faults.delay = Duration::from_millis(1 + self.draw(80));
        faults.jitter = Duration::from_millis(self.draw(50));
        // One run in four is byte by byte, and others are cut anywhere.
        let one = self.draw(4) == 0;
        faults.segment = if one { 1 } else { 1 + self.draw(2_000) as usize };
        // Of many small pieces fewer: what waits would take minutes when all is well again.
        faults.stall = Chance::millionths((self.draw(30) * faults.segment as u64) as u32);
        faults.stall_for = Duration::from_millis(self.draw(3_000));
        faults.chop = Chance::percent(self.draw(50) as u32);
        // Connections keep these: with fewer bytes what waits would take minutes when all is well again.
        faults.send_buffer = 2_000 + self.draw(70_000) as usize;
        faults.receive_buffer = 2_000 + self.draw(70_000) as usize;
        faults.refuse = Chance::percent(self.draw(20) as u32);
        faults.reset = Chance::percent(self.draw(40) as u32);
        faults.vanish = Chance::percent(self.draw(20) as u32);
        faults.within = PHASE;
        faults
    }

    fn violate(&mut self, what: String) {
        if self.violations.len() < 10 {
            self.violations.push(what);
        }
    }

    fn note(&mut self, what: &'static str, times: u64) {
        if times > 0 {
            *self.noted.entry(what).or_default() += times;
        }
    }

    /// A node says something to another, or asks it.
    fn say(&mut self, from: u32, to: u32, asks: bool, len: usize) -> u64 {
        let (number, dst) = (self.number, self.peers[to as usize]);
        self.number += 1;
        let payload = words(from, to, number, len);
        let mut until = None;
        self.network.app(MemoryAddr(from), |_, cx| {
            let deadline = cx.now() + PATIENCE;
            let taken = if asks {
                cx.ask(AskId::new(number), dst, payload, deadline).is_ok()
            } else {
                cx.tell(dst, payload).is_ok()
            };
            until = taken.then_some(deadline);
        });
        match until {
            Some(until) if asks => {
                self.open.insert(number, (from, to, len, until));
            }
            Some(_) => self.note("told", 1),
            None => self.note("refused", 1),
        }
        number
    }

    /// Lets time pass, and judges what was heard meanwhile.
    fn pass(&mut self, time: Duration) {
        self.network.run_for(time);
        for node in 0..self.nodes {
            let player = self.network.app_at_mut(MemoryAddr(node));
            let events = player.map(|player| core::mem::take(&mut player.heard));
            for event in events.unwrap_or_default() {
                self.judge(node, event);
            }
        }
        for number in core::mem::take(&mut self.answered) {
            if !self.asked.contains(&number) {
                self.violate(format!("request {number} is answered, and nobody was asked"));
            }
        }
        let now = self.network.now();
        let late: Vec<u64> =
            self.open.iter().filter(|(_, ask)| ask.3 < now).map(|it| *it.0).collect();
        for number in late {
            self.open.remove(&number);
            self.violate(format!("request {number} has no outcome in time"));
        }
    }

    fn judge(&mut self, node: u32, event: Event<Peer>) {
        match event {
            Event::Told(message) => self.judge_message(node, &message.payload, message.src, false),
            Event::Asked { message, .. } => {
                self.judge_message(node, &message.payload, message.src, true);
            }
            Event::Answered { id, result } => {
                self.judge_outcome(node, id.seq, result.map(|it| it.to_vec()))
            }
            Event::PeerDown { .. } => self.note("down", 1),
            Event::Undelivered { .. } => self.note("undelivered", 1),
            Event::Identified { .. }
            | Event::PeerUp { .. }
            | Event::Withdrawn { .. }
            | Event::Floor { .. }
            | Event::Full { .. }
            | Event::Ready { .. }
            | Event::Link(_)
            | Event::PathMtu { .. }
            | Event::Closed => {}
        }
    }

    fn judge_message(&mut self, node: u32, payload: &[u8], src: Peer, asks: bool) {
        let Some((from, to, number)) = read(payload) else {
            return self.violate(format!("{node} heard {} bytes that nobody said", payload.len()));
        };
        let said_by = self.peers.get(from as usize);
        if to != node || said_by.is_none_or(|peer| src.fingerprint != peer.fingerprint) {
            self.violate(format!("{node} heard {number}, which {from} said to {to}, from {src}"));
        }
        let (heard, what) =
            if asks { (&mut self.asked, "asked") } else { (&mut self.heard, "heard") };
        if heard.insert(number) {
            self.note(what, 1);
        } else {
            self.violate(format!("{node} heard {number} again"));
        }
    }

    fn judge_outcome(&mut self, node: u32, number: u64, result: Result<Vec<u8>, AskError>) {
        let Some((from, to, len, _)) = self.open.remove(&number) else {
            return self.violate(format!("{node} has a second outcome of request {number}"));
        };
        let Ok(mut answer) = result else { return self.note("not answered", 1) };
        answer.reverse();
        if node != from || answer != words(from, to, number, len) {
            self.violate(format!("{node} has another answer than that to request {number}"));
        }
        self.answered.push(number);
        self.note("answered", 1);
    }

    /// Everybody talks while all goes wrong.
    fn suffer(&mut self) {
        let end = self.network.now() + PHASE;
        while self.network.now() < end {
            let (from, to) =
                (self.draw(self.nodes.into()) as u32, self.draw(self.nodes.into()) as u32);
            let len = [HEAD, 100, 1_200, 9_000, 60_000][self.draw(5) as usize];
            if from != to {
                let asks = self.draw(2) == 0;
                self.say(from, to, asks, len);
            }
            match self.draw(40) {
                0 => self.crash(from),
                1 => self.restart(),
                2 => self.network.cut(MemoryAddr(from), MemoryAddr(to)),
                3 => self.network.mend(MemoryAddr(from), MemoryAddr(to)),
                4 => {
                    let faults = self.faults();
                    self.network.set_faults(faults);
                }
                _ => {}
            }
            let pause = Duration::from_millis(self.draw(150));
            self.pass(pause);
        }
    }

    fn crash(&mut self, node: u32) {
        if self.down.insert(node) {
            self.count(node);
            self.network.crash(MemoryAddr(node));
            // Nobody waits any more.
            self.open.retain(|_, (from, ..)| *from != node);
            self.note("crashed", 1);
        }
    }

    fn restart(&mut self) {
        if let Some(node) = self.down.pop_first() {
            let stack = self.stack(node);
            self.network.start(MemoryAddr(node), stack);
        }
    }

    /// The figures of a node, before they are gone.
    fn count(&mut self, node: u32) {
        let Some(node) = self.network.node(MemoryAddr(node)) else { return };
        let stats = node.stats();
        for name in ["rekeyed", "crossed", "handshakes_failed", "violations"] {
            self.note(name, stats.total(name));
        }
    }

    /// All is well again: soon everybody hears everybody, told and asked.
    fn recover(&mut self) {
        while !self.down.is_empty() {
            self.restart();
        }
        self.network.mend_all();
        self.network.set_faults(Faults::NONE);
        let end = self.network.now() + RECOVERY;
        let mut missing: BTreeMap<(u32, u32, bool), Vec<u64>> = BTreeMap::new();
        for (from, to) in (0..self.nodes).flat_map(|from| (0..self.nodes).map(move |to| (from, to)))
        {
            if from != to {
                missing.insert((from, to, false), Vec::new());
                missing.insert((from, to, true), Vec::new());
            }
        }
        while !missing.is_empty() && self.network.now() < end {
            let ways: Vec<(u32, u32, bool)> = missing.keys().copied().collect();
            for (from, to, asks) in ways {
                let number = self.say(from, to, asks, 100);
                missing.entry((from, to, asks)).or_default().push(number);
            }
            self.pass(Duration::from_secs(1));
            missing.retain(|(.., asks), numbers| {
                let heard = if *asks { &self.asked } else { &self.heard };
                !numbers.iter().any(|number| heard.contains(number))
            });
        }
        for (from, to, asks) in missing.keys() {
            let what = if *asks { "request" } else { "message" };
            let what =
                format!("no {what} of {from} reached {to} in {RECOVERY:?} after all was well");
            self.violations.push(what);
        }
    }

    /// Nobody says anything more, and after a while nothing is held.
    fn fall_silent(&mut self) {
        self.pass(PATIENCE + 2 * IDLE + HANDSHAKE);
        for node in 0..self.nodes {
            self.count(node);
            let Some(stats) = self.network.node(MemoryAddr(node)).map(|node| node.stats()) else {
                continue;
            };
            for name in
                ["connections", "half_open", "dialling", "answers_owed", "answer_bytes", "asks"]
            {
                let held = stats.value(&format!("ssh.{name}"));
                if held > 0 {
                    self.violate(format!("{node} still holds ssh.{name} {held} after a silence"));
                }
            }
        }
        let violations = self.noted.get("violations").copied().unwrap_or(0);
        if violations > 0 {
            self.violate(format!(
                "{violations} times an honest peer was taken for one that is not"
            ));
        }
    }

    fn end(self) -> Told {
        let noted = |name| self.noted.get(name).copied().unwrap_or(0);
        let bins = [
            ("delivered", noted("heard")),
            ("answered", noted("answered")),
            ("failed", noted("not answered")),
            ("refused", noted("refused")),
            ("undelivered", noted("undelivered")),
        ];
        let told: u64 = bins.iter().map(|(_, count)| count).sum();
        // With the connection that they were on, or whoever asked.
        let bins = bins.into_iter().chain([("lost", self.number.saturating_sub(told))]);
        let totals = crate::net::Totals::default();
        let mut told = Told::new(self.network.trace(), totals, bins, self.violations);
        told.noted = self.noted;
        told
    }
}
