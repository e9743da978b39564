//! Everything on top of everything, and more of it than there is room for.
//!
//! Nodes of a deep stack, p2pke | fragments | channels | asks, with small bounds, tell and ask each other on two
//! channels in all sizes, the largest that is taken among them. Whoever is told that something is full waits
//! until it is ready. So
//!
//! - what was accepted is heard, once, as it was told, where the network loses nothing;
//! - every ask has one outcome: the right answer within its time, or that it was cancelled;
//! - nobody who waits for room waits for ever;
//! - once all is said, no layer holds anything any more.

#![allow(clippy::wildcard_enum_match_arm, reason = "an application hears what concerns it")]

use super::Told;
use crate::net::{App, Chance, Cx, Faults, Network};
use crate::scenario::{DATE, Suite, addr, key};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use tellask::ask::Asking;
use tellask::p2pke::P2pke;
use tellask::seed::Rng;
use tellask::swarm::{Accept, AskError, AskId, Scope, TellError, Token};
use tellask::time::{Anchor, UnixTime};
use tellask::{
    At, Command, DatagramPort, Event, Fragmenter, Instant, Join, Limits, MemoryAddr, Mux, PeerAddr,
    Seed, Stack, Swarm as _,
};

type Peer = PeerAddr<MemoryAddr>;
type Place = At<u16, Peer>;
type Fragmented = Stack<Stack<DatagramPort<MemoryAddr>, P2pke<MemoryAddr>>, Fragmenter<Peer>>;
type Deep = Stack<Stack<Stack<Fragmented, Mux<u16, Peer>>, Join<u16, Peer>>, Asking<Place>>;

/// The channels, whose headers are two bytes.
const CHANNELS: [u16; 2] = [1, 500];
/// The largest message of the fragmenter.
const LARGEST: usize = 40 * 1_024;
/// How long a message may take that waits for room, and an ask.
const PATIENCE: Duration = Duration::from_secs(60);
/// The first bytes of a message: who tells whom the how-manieth, and how long it is.
const HEADER: usize = 24;
/// What no layer may hold when all is over.
const HELD: [&str; 18] = [
    "send_bytes",
    "send_full",
    "send_full_peers",
    "send_waiting_peers",
    "receive_bytes",
    "waiting_bytes",
    "waiting_peers",
    "half_open",
    "dialling",
    "reassembly_bytes",
    "paused",
    "requests_waiting",
    "identifying",
    "asks",
    "owed",
    "asked_bytes",
    "parts_bytes",
    "remembered_bytes",
];

/// For how long they go on.
const TIME: Duration = Duration::from_secs(10);

/// See the [module](self).
pub(super) fn pressure(suite: Suite, seed: u64) -> Told {
    let mut rng = Seed::from_u64(seed).child("sim.pressure").rng("draws");
    let nodes = 2 + rng.below(2) as u32;
    let mut faults = Faults::NONE;
    faults.delay = Duration::from_millis(1 + rng.below(20));
    faults.jitter = Duration::from_millis(rng.below(2) * 10);
    faults.duplicate = Chance::percent(rng.below(2) as u32 * 5);
    // Half of the runs: then tells may be lost, and nothing else.
    faults.loss = Chance::percent(rng.below(2) as u32 * 5);
    let mut network = Network::new(seed);
    network.set_faults(faults);
    network.set_mtu(if rng.chance(1, 2) { 1_400 } else { 340 + rng.below(200) as usize });
    let until = network.now() + TIME;
    for number in 0..nodes {
        let others = (0..nodes).filter(|other| *other != number);
        let places = others
            .flat_map(|other| CHANNELS.map(|channel| At { key: channel, addr: addr(seed, other) }));
        let app = Pusher::new(seed, number, places.collect(), until);
        network.add(MemoryAddr(number), stack(seed, number, suite), app);
    }
    network.step_until(until + PATIENCE + Duration::from_secs(30));
    judge(&network, faults.loss == Chance::NEVER)
}

fn stack(seed: u64, number: u32, suite: Suite) -> Deep {
    let secret = Seed::from_u64(seed).child("sim.pressure").child(&number.to_string());
    let mut limits = Limits::default();
    limits.send_per_peer = 16 * 1_024;
    limits.send = 48 * 1_024;
    limits.send_per_channel = 24 * 1_024;
    limits.waiting_per_peer = 8 * 1_024;
    limits.ask_max = 100 * 1_024;
    let clock = Anchor { at: Instant::ZERO, date: UnixTime::new(DATE, 0) };
    let key = key(seed, number, suite);
    let secure = P2pke::new(key, &secret, clock, Accept::Anyone, &limits);
    let below = Stack::new(DatagramPort::new(&limits), secure);
    let fragmented = Stack::new(below, Fragmenter::new(LARGEST, &secret, &limits));
    let mut mux = Mux::new(&limits);
    for channel in CHANNELS {
        // There is room for two, and they differ.
        let _ = mux.open(Instant::ZERO, channel);
    }
    let joined = Stack::new(Stack::new(fragmented, mux), Join::new(&limits));
    Stack::new(joined, Asking::new(&secret, &limits))
}

/// Looks at what is left when all is over.
fn judge(network: &Network<Deep, Pusher>, lossless: bool) -> Told {
    let mut violations = Vec::new();
    let mut told = BTreeSet::new();
    let mut heard = BTreeSet::new();
    let (mut full, mut asked, mut answered, mut undelivered) = (0, 0, 0, 0);
    for (at, app) in network.apps() {
        violations.extend(app.wrong.iter().map(|wrong| format!("{at:?}: {wrong}")));
        if !app.blocked.is_empty() {
            violations.push(format!("{at:?} waits for room in vain: {:?}", app.blocked));
        }
        if !app.asking.is_empty() {
            violations.push(format!("{at:?}: {} asks have no outcome", app.asking.len()));
        }
        told.extend(app.told.iter().copied());
        heard.extend(app.heard.iter().copied());
        full += app.full;
        asked += app.asked;
        answered += app.answered;
        undelivered += app.undelivered;
    }
    let missing = told.difference(&heard).count();
    if let Some(name) = heard.difference(&told).next() {
        violations.push(format!("{name:?} was heard and never told"));
    }
    if lossless && (missing > 0 || undelivered > 0) {
        violations.push(format!("{missing} of {} messages are missing", told.len()));
    }
    for (at, node) in network.running() {
        for (name, value) in &node.stats().gauges {
            let last = name.rsplit('.').next().unwrap_or(name);
            if *value > 0 && HELD.contains(&last) {
                violations.push(format!("{at:?} still holds {name} {value}"));
            }
        }
    }
    violations.truncate(10);
    let bins = [
        ("delivered", heard.len() as u64),
        ("lost: at random", missing as u64),
        ("answered", answered),
        ("held: not answered yet", asked - answered),
    ];
    let noted = [("full", full)];
    let told = Told::new(network.trace(), network.totals(), bins, violations);
    Told { noted: noted.into(), ..told }
}

/// A message: who told it whom, on which channel, as the how-manieth.
type Name = (u32, u32, u16, u64);

/// Tells and asks as much as is taken.
#[derive(Debug)]
struct Pusher {
    me: u32,
    rng: Rng,
    places: Vec<Place>,
    next: Instant,
    until: Instant,
    seq: u64,
    /// Where it was told that there is no room.
    blocked: BTreeSet<Place>,
    told: BTreeSet<Name>,
    heard: BTreeSet<Name>,
    /// What was asked, and has no outcome yet: by when it must, and the answer; `None` where it was cancelled.
    asking: BTreeMap<u64, (Place, Instant, Option<Vec<u8>>)>,
    /// When to answer what.
    thinking: BTreeMap<(Instant, Token), (Place, Vec<u8>)>,
    full: u64,
    asked: u64,
    answered: u64,
    undelivered: u64,
    wrong: Vec<String>,
}

impl Pusher {
    fn new(seed: u64, me: u32, places: Vec<Place>, until: Instant) -> Self {
        Self {
            me,
            rng: Seed::from_u64(seed).child("sim.pressure").rng(&format!("pusher {me}")),
            places,
            next: Instant::ZERO + Duration::from_secs(1),
            until,
            seq: 0,
            blocked: BTreeSet::new(),
            told: BTreeSet::new(),
            heard: BTreeSet::new(),
            asking: BTreeMap::new(),
            thinking: BTreeMap::new(),
            full: 0,
            asked: 0,
            answered: 0,
            undelivered: 0,
            wrong: Vec::new(),
        }
    }

    fn violate(&mut self, what: String) {
        if self.wrong.len() < 5 {
            self.wrong.push(what);
        }
    }

    /// A size: mostly small, often of a datagram or two, now and then the largest there is.
    fn size(&mut self, most: usize) -> usize {
        let size = match self.rng.below(8) {
            0..3 => self.rng.below(100),
            3..5 => self.rng.below(3_000),
            5 => self.rng.below(most as u64 + 1),
            6 => (most as u64).saturating_sub(self.rng.below(3)),
            _ => 200 + self.rng.below(1_200),
        };
        (size as usize).clamp(HEADER, most.max(HEADER))
    }

    /// Tells so much in a row that there is no room any more, or almost.
    fn push(&mut self, cx: &mut Cx<'_, Deep>) {
        let nth = self.rng.below(self.places.len() as u64) as usize;
        let Some(place) = self.places.get(nth).copied() else { return };
        for _ in 0..1 + self.rng.below(12) {
            if self.blocked.contains(&place) {
                return;
            }
            self.seq += 1;
            let name = (self.me, place.addr.addr.0, place.key, self.seq);
            let len = self.size(cx.node().stack().mtu_to(&place));
            match cx.tell(place, message(name, len)) {
                Ok(()) => _ = self.told.insert(name),
                Err(TellError::Full) => {
                    self.full += 1;
                    self.blocked.insert(place);
                }
                Err(other) => self.violate(format!("{len} bytes are refused: {other}")),
            }
        }
    }

    fn ask(&mut self, cx: &mut Cx<'_, Deep>) {
        let nth = self.rng.below(self.places.len() as u64) as usize;
        let Some(place) = self.places.get(nth).copied() else { return };
        self.seq += 1;
        let len = self.size(90_000);
        let request = message((self.me, place.addr.addr.0, place.key, self.seq), len);
        let deadline = cx.now() + PATIENCE;
        let answer = answer_to(&request);
        if cx.ask(AskId::new(self.seq), place, request, deadline).is_ok() {
            self.asked += 1;
            self.asking.insert(self.seq, (place, deadline, Some(answer)));
        }
    }

    /// Does not want to know any more.
    fn cancel(&mut self, cx: &mut Cx<'_, Deep>) {
        let nth = self.rng.below(self.asking.len().max(1) as u64) as usize;
        let Some((id, (place, _, answer))) = self.asking.iter_mut().nth(nth) else { return };
        if answer.take().is_some() {
            cx.command(Command::Cancel { id: AskId::new(*id), dst: *place });
        }
    }

    fn on_answered(&mut self, now: Instant, id: AskId, got: Result<&[u8], &AskError>) {
        let asked = self.asking.remove(&id.seq);
        let Some((_, deadline, expected)) = asked else {
            return self.violate(format!("{id:?} has a second outcome"));
        };
        self.answered += 1;
        if now > deadline + Duration::from_millis(1) {
            self.violate(format!("{id:?} has its outcome too late"));
        }
        match (expected, got) {
            (Some(expected), Ok(answer)) if answer == expected => {}
            // It may have come before it was cancelled.
            (None, Ok(_) | Err(AskError::Cancelled)) => {}
            (_, Ok(_)) => self.violate(format!("{id:?} has another answer than was given")),
            (_, Err(why)) => self.violate(format!("{id:?} failed: {why}")),
        }
    }
}

impl App<Deep> for Pusher {
    type Note = ();

    fn on_event(&mut self, cx: &mut Cx<'_, Deep>, event: Event<Place>) {
        match event {
            Event::Told(heard) => {
                let name = name_of(&heard.payload);
                let way = (heard.src.addr.addr.0, self.me, heard.src.key);
                match name.filter(|(from, to, channel, _)| (*from, *to, *channel) == way) {
                    Some(name) if message(name, heard.payload.len()) == heard.payload[..] => {
                        if !self.heard.insert(name) {
                            self.violate(format!("{name:?} was heard twice"));
                        }
                    }
                    _ => self.violate(format!("heard what nobody told, from {}", heard.src)),
                }
            }
            Event::Asked { token, message, deadline } => {
                let thinks = match self.rng.below(4) {
                    0 => Duration::from_millis(self.rng.below(1_000)),
                    1 => Duration::from_millis(self.rng.below(20)),
                    _ => Duration::from_nanos(1),
                };
                if deadline > cx.now() + PATIENCE {
                    self.violate("a request has more time than its asker gave it".to_owned());
                }
                let answer = answer_to(&message.payload);
                self.thinking.insert((cx.now() + thinks, token), (message.src, answer));
            }
            Event::Withdrawn { token, .. } => self.thinking.retain(|(_, other), _| *other != token),
            Event::Answered { id, result } => {
                self.on_answered(cx.now(), id, result.as_deref());
            }
            Event::Ready { scope: Scope::All } => self.blocked.clear(),
            Event::Ready { scope: Scope::To(place) } => _ = self.blocked.remove(&place),
            Event::Undelivered { dst, reason } => {
                self.undelivered += 1;
                self.violate(format!("a message to {dst} is undelivered: {reason}"));
            }
            Event::PeerDown { addr, reason } => self.violate(format!("{addr} is down: {reason:?}")),
            _ => {}
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let next = Some(self.next).filter(|next| *next < self.until);
        let answer = self.thinking.first_key_value().map(|((at, _), _)| *at);
        next.into_iter().chain(answer).min()
    }

    fn on_timeout(&mut self, cx: &mut Cx<'_, Deep>) {
        while let Some(((at, token), _)) = self.thinking.first_key_value()
            && *at <= cx.now()
        {
            let (at, token) = (*at, *token);
            if let Some((dst, answer)) = self.thinking.remove(&(at, token)) {
                cx.command(Command::Answer { token, dst, result: Ok(answer.into()) });
            }
        }
        if self.next <= cx.now() && self.next < self.until {
            self.next = cx.now() + Duration::from_millis(10 + self.rng.below(300));
            match self.rng.below(5) {
                0..3 => self.push(cx),
                3 => self.ask(cx),
                _ => self.cancel(cx),
            }
        }
    }
}

/// The message of this name in so many bytes.
fn message((from, to, channel, seq): Name, len: usize) -> Vec<u8> {
    let mut message = Vec::with_capacity(len);
    message.extend_from_slice(&from.to_le_bytes());
    message.extend_from_slice(&to.to_le_bytes());
    message.extend_from_slice(&u32::from(channel).to_le_bytes());
    message.extend_from_slice(&seq.to_le_bytes());
    message.extend_from_slice(&(len as u32).to_le_bytes());
    let filling = (message.len()..len).map(|at| ((at as u64 * 31) ^ (seq * 7)) as u8 | 1);
    message.extend(filling);
    message
}

fn name_of(message: &[u8]) -> Option<Name> {
    let word = |at: usize| message.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    let seq = u64::from_le_bytes(message.get(12..20)?.try_into().ok()?);
    (word(20)? as usize == message.len()).then_some(())?;
    Some((word(0)?, word(4)?, word(8)? as u16, seq))
}

/// What a request is answered with: as long as it, or of another size that follows from it.
fn answer_to(request: &[u8]) -> Vec<u8> {
    let sum = request.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31) + u64::from(*byte));
    let len = if sum % 3 == 0 { (sum % 95_000) as usize } else { request.len() };
    (0..len).map(|at| ((at as u64 * 13) ^ sum) as u8 | 1).collect()
}
