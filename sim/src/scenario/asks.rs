//! Asks of all sizes over a path that loses a third of everything.

#![allow(clippy::wildcard_enum_match_arm, reason = "an application hears what concerns it")]

use super::{Report, Settings};
use crate::net::{App, Chance, Cx, Faults, Network};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use tellask::ask::Asking;
use tellask::swarm::{AskId, Token};
use tellask::{Command, DatagramPort, Event, Instant, Limits, MemoryAddr, Seed, Stack};

/// Nodes that ask, straight on the datagram port.
pub type Asks = Stack<DatagramPort<MemoryAddr>, Asking<MemoryAddr>>;

/// Asks that each asker makes where nothing else is said.
const EACH: u64 = 1_000;
/// Asks of one asker at a time.
const AT_ONCE: usize = 8;
/// The largest request and the largest answer, in bytes.
const LARGEST: u64 = 256 * 1_024;
/// Each ask's time.
const DEADLINE: Duration = Duration::from_secs(600);
/// What the answerer may take to answer: it answers out of order.
const THINKING: u64 = 200_000_000;
/// How often it is looked whether all is done.
const SLICE: Duration = Duration::from_millis(100);
/// The network's.
const MTU: u64 = 1_400;
/// Headers of a part, at the most.
const HEADER: u64 = 48;

/// Every ask is answered within its deadline, rightly, and run once; and what is sent for it is no more than
/// twice what must be: the payload and the headers of its parts, each sent as often as it takes on average
/// for one to get through.
///
/// Half of the nodes ask the other half, one each. 30 % of all datagrams are lost, 2 % come twice, 5 % are
/// held up, and each takes 50 to 70 ms. `seconds` is for how long new asks are made.
#[must_use]
pub fn asks(settings: &Settings, seed: u64) -> Report {
    let pairs = settings.nodes_or(20) / 2;
    let mut faults = Faults::NONE;
    faults.delay = Duration::from_millis(50);
    faults.jitter = Duration::from_millis(20);
    faults.loss = Chance::percent(30);
    faults.duplicate = Chance::percent(2);
    faults.reorder = Chance::percent(5);
    faults.reorder_by = Duration::from_millis(60);
    let mut network = Network::new(seed);
    network.set_shards(settings.threads_or_one());
    network.set_faults(faults);
    let until = match settings.seconds {
        Some(seconds) => network.now() + Duration::from_secs(seconds),
        None => Instant::MAX,
    };
    for pair in 0..pairs {
        for number in [2 * pair, 2 * pair + 1] {
            let peer = (number % 2 == 0).then_some(MemoryAddr(number + 1));
            let app = Asker::new(seed, number, peer, until);
            network.add(MemoryAddr(number), asking(seed, number), app);
        }
    }
    let busy =
        |network: &Network<Asks, Asker>| network.apps().any(|(_, app)| !app.is_done(network.now()));
    while busy(&network) && network.next_at().is_some() {
        network.run_for(SLICE);
    }
    let finished = network.now();
    network.run_for(Duration::from_secs(5));

    let mut violations = Vec::new();
    let mut sum = Sum::default();
    for (addr, app) in network.apps() {
        violations.extend(app.wrong.iter().map(|wrong| format!("{addr:?}: {wrong}")));
        sum.asked += app.asked;
        sum.answered += app.answered;
        sum.run += app.run;
        sum.bytes += app.bytes;
        sum.parts += app.parts;
        sum.slowest = sum.slowest.max(app.slowest);
    }
    if sum.answered != sum.asked || sum.run != sum.asked {
        violations.push(format!("{} asked, {} run, {} answered", sum.asked, sum.run, sum.answered));
    }
    for (addr, node) in network.running() {
        let stats = node.stats();
        for held in ["ask.remembered_bytes", "ask.parts_bytes", "ask.asked_bytes"] {
            if stats.value(held) != 0 {
                violations.push(format!("{addr:?} still holds {held} {}", stats.value(held)));
            }
        }
    }
    let totals = network.totals();
    // On average a datagram is sent 1 / 0.7 times.
    let needed = (sum.bytes + sum.parts * HEADER) * 10 / 7;
    if totals.sent_bytes > needed * 2 {
        violations.push(format!("{} bytes sent where {needed} would do", totals.sent_bytes));
    }
    let figures = vec![
        ("asks", sum.asked),
        ("asks_run", sum.run),
        ("asks_answered", sum.answered),
        ("slowest_ms", sum.slowest.as_millis() as u64),
        ("took_ms", finished.as_nanos() / 1_000_000),
        ("payload_bytes", sum.bytes),
        ("bytes_needed", needed),
        ("bytes_sent", totals.sent_bytes),
        ("sent_per_needed_permille", totals.sent_bytes * 1_000 / needed.max(1)),
        ("datagrams_sent", totals.sent),
        ("datagrams_lost", totals.lost),
    ];
    let bins = super::report::bins(sum.asked, &[("answered", sum.answered)]);
    Report { name: "asks", seed, trace: network.trace(), figures, bins, violations }
}

/// The stack of the node `number`.
pub(super) fn asking(seed: u64, number: u32) -> Asks {
    let limits = Limits::default();
    let seed = Seed::from_u64(seed).child(&format!("asking {number}"));
    Stack::new(DatagramPort::new(&limits), Asking::new(&seed, &limits))
}

#[derive(Default)]
struct Sum {
    asked: u64,
    answered: u64,
    run: u64,
    bytes: u64,
    parts: u64,
    slowest: Duration,
}

/// Asks one peer, or answers whoever asks, and checks all that it hears.
#[derive(Debug)]
pub struct Asker {
    seed: u64,
    peer: Option<MemoryAddr>,
    until: Instant,
    asked: u64,
    answered: u64,
    /// When each ask that is outstanding was made.
    outstanding: BTreeMap<u64, Instant>,
    slowest: Duration,
    /// Bytes and parts of what was asked and of what was answered.
    bytes: u64,
    parts: u64,
    /// How much was run, and the numbers of what has one.
    run: u64,
    numbers: BTreeSet<u64>,
    /// What is being thought about: when to answer, whom, and with what.
    thinking: BTreeMap<(Instant, Token), (MemoryAddr, Vec<u8>)>,
    wrong: Vec<String>,
}

impl Asker {
    fn new(seed: u64, number: u32, peer: Option<MemoryAddr>, until: Instant) -> Self {
        Self {
            seed: mix(seed, u64::from(number / 2)),
            peer,
            until,
            asked: 0,
            answered: 0,
            outstanding: BTreeMap::new(),
            slowest: Duration::ZERO,
            bytes: 0,
            parts: 0,
            run: 0,
            numbers: BTreeSet::new(),
            thinking: BTreeMap::new(),
            wrong: Vec::new(),
        }
    }

    /// Whether nothing is asked any more, and everything was answered.
    fn is_done(&self, now: Instant) -> bool {
        let over = self.asked >= EACH || now >= self.until;
        self.peer.is_none() || (over && self.outstanding.is_empty())
    }

    fn go_on(&mut self, cx: &mut Cx<'_, Asks>) {
        let Some(dst) = self.peer else { return };
        while self.outstanding.len() < AT_ONCE && self.asked < EACH && cx.now() < self.until {
            let seq = self.asked;
            self.asked += 1;
            let payload = body(mix(self.seed, 1), seq);
            self.count(payload.len());
            self.outstanding.insert(seq, cx.now());
            let (id, deadline) = (AskId::new(seq), cx.now() + DEADLINE);
            cx.command(Command::Ask { id, dst, payload: payload.into(), deadline });
        }
    }

    fn count(&mut self, len: usize) {
        self.bytes += len as u64;
        self.parts += (len as u64).div_ceil(MTU - HEADER).max(1);
    }

    fn on_asked(&mut self, cx: &Cx<'_, Asks>, token: Token, src: MemoryAddr, request: &[u8]) {
        self.run += 1;
        let number = request.first_chunk().map(|number| u64::from_le_bytes(*number));
        if let Some(seq) = number {
            if !self.numbers.insert(seq) {
                self.wrong.push(format!("{seq} was run twice"));
            }
            if request != body(mix(self.seed, 1), seq) {
                self.wrong.push(format!("{seq} came in another form"));
            }
        }
        let answer = number.map(|seq| body(mix(self.seed, 2), seq)).unwrap_or_default();
        self.count(answer.len());
        let thinks = Duration::from_nanos(mix(self.seed, token.0) % THINKING);
        self.thinking.insert((cx.now() + thinks, token), (src, answer));
    }
}

impl App<Asks> for Asker {
    type Note = ();

    fn on_start(&mut self, cx: &mut Cx<'_, Asks>) {
        self.go_on(cx);
    }

    fn on_event(&mut self, cx: &mut Cx<'_, Asks>, event: Event<MemoryAddr>) {
        match event {
            Event::Asked { token, message, .. } => {
                self.on_asked(cx, token, message.src, &message.payload);
            }
            Event::Answered { id, result } => {
                let Some(since) = self.outstanding.remove(&id.seq) else {
                    return self.wrong.push(format!("{} was answered twice", id.seq));
                };
                self.slowest = self.slowest.max(cx.now().since(since));
                // An empty request has no number, and an empty answer.
                let empty = body(mix(self.seed, 1), id.seq).is_empty();
                let expected = if empty { Vec::new() } else { body(mix(self.seed, 2), id.seq) };
                match result {
                    Ok(answer) if answer[..] == expected[..] => self.answered += 1,
                    Ok(_) => self.wrong.push(format!("{}: another answer", id.seq)),
                    Err(error) => self.wrong.push(format!("{}: {error}", id.seq)),
                }
                self.go_on(cx);
            }
            Event::Withdrawn { token, .. } => self.wrong.push(format!("{token:?} was withdrawn")),
            _ => {}
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.thinking.first_key_value().map(|((at, _), _)| *at)
    }

    fn on_timeout(&mut self, cx: &mut Cx<'_, Asks>) {
        while let Some(thought) = self.thinking.first_entry()
            && thought.key().0 <= cx.now()
        {
            let ((_, token), (dst, answer)) = thought.remove_entry();
            cx.command(Command::Answer { token, dst, result: Ok(answer.into()) });
        }
    }
}

/// A body that only this seed and number have, from nothing to [`LARGEST`] bytes; with the number in
/// front, if it is not empty.
fn body(seed: u64, seq: u64) -> Vec<u8> {
    let len = mix(seed, seq) % (LARGEST + 1);
    if len < 8 || mix(seed, !seq).is_multiple_of(16) {
        return Vec::new();
    }
    let fill = mix(seed, seq).to_le_bytes();
    let body = seq.to_le_bytes().into_iter().chain(fill.into_iter().cycle());
    body.take(len as usize).collect()
}

fn mix(seed: u64, number: u64) -> u64 {
    let mut bits = seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
