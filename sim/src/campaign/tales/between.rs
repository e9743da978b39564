//! Layers that stand between two swarms, each by itself, over a side below that is full when it likes.
//!
//! A channel multiplexer as one swarm, a join of two swarms, a filter and a loopback are told, asked, given messages and
//! requests, closed and opened again, at random. Whatever the side below does,
//!
//! - what was accepted goes down once, in order, and not while the side below is full for it;
//! - what comes up was given by the side below, once, to the right channel, and by whom it may be;
//! - each ask has one outcome, the one that it was given below; each request one answer, the one given above;
//! - once the side below takes everything, nothing is held any more.

#![allow(clippy::wildcard_enum_match_arm, reason = "a test names what it looks for")]

mod lanes;

use self::lanes::Between;
use super::Told;
use crate::net::{Totals, Trace};
use crate::scenario::{Suite, addr};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tellask::seed::Rng;
use tellask::swarm::{Accept, AskError, AskId, Link, Refusal, Scope, Token};
use tellask::{
    At, BytesMut, Command, Event, Filter, Instant, Join, Limits, Loopback, MemoryAddr, Message,
    Mux, PeerAddr, Seed, Stack,
};

type Peer = PeerAddr<MemoryAddr>;
/// Above and below: a lane, which is a channel or a member, and the peer.
type Place = At<u16, Peer>;
type Muxed = Stack<Mux<u16, Peer>, Join<u16, Peer>>;

/// Channels, and members.
const LANES: [u16; 2] = [1, 500];
/// Peers besides ourselves. The last one is excluded where somebody is.
const PEERS: u32 = 4;
/// What we are called.
const ME: u32 = 9;
/// Steps of a run.
const STEPS: u64 = 600;
/// Bytes of a message: its number, and filling.
const SMALL: usize = 8;
/// How long an ask or a request may take.
const TIME: Duration = Duration::from_secs(5);
/// What is not held at the end.
const HELD: [&str; 8] = [
    "send_bytes",
    "send_waiting_peers",
    "receive_bytes",
    "held_bytes",
    "requests_waiting",
    "full_below",
    "identifying",
    "strays",
];

/// See the [module](self). There is no cryptography in it.
pub(super) fn between(_: Suite, seed: u64) -> Told {
    let limits = Limits::default();
    let rng = || Seed::from_u64(seed).child("sim.between").rng("calls");
    let me = addr(seed, ME);
    let friends = (0..PEERS - 1).map(|number| addr(seed, number).id).collect::<Vec<_>>();
    let accept = Accept::from_iter(friends);
    // Drawn, not counted: scenarios take turns, so that the seeds of this one may have their last bits in common.
    match Seed::from_u64(seed).child("sim.between").rng("layer").below(5) {
        // It alone opens and closes anything, so it has two turns.
        0 | 1 => {
            let mux = Mux::new(&limits).with_channels(LANES).expect("two channels have room");
            Play::new(Stack::new(mux, Join::new(&limits)), rng(), seed, me).play()
        }
        2 => Play::new(Join::new(&limits), rng(), seed, me).play(),
        3 => Play::new(Filter::new(accept, &limits), rng(), seed, me).play(),
        _ => Play::new(Loopback::new(&limits), rng(), seed, me).play(),
    }
}

/// An ask, from both sides.
struct Asked {
    number: u64,
    place: Place,
    /// What the side below calls it, once it has it.
    below: Option<AskId>,
    /// What the side below said.
    given: Option<bool>,
    over: bool,
    /// Its lane was closed: it need have no outcome, and must have none later.
    orphaned: bool,
}

/// A request from below.
struct Request {
    number: u64,
    place: Place,
    /// What it is called above, once it is known there.
    above: Option<Token>,
    /// Answered above.
    given: bool,
    /// Answered below.
    answered: bool,
    until: Instant,
}

struct Play<L> {
    layer: L,
    rng: Rng,
    seed: u64,
    me: Peer,
    now: Instant,
    number: u64,
    /// Who said what is full.
    full: BTreeSet<(u16, Scope<Peer>)>,
    told: BTreeMap<Place, VecDeque<u64>>,
    given: BTreeMap<Place, VecDeque<u64>>,
    asks: Vec<Asked>,
    requests: BTreeMap<(u16, Token), Request>,
    /// Messages that went down or came up as they had to.
    passed: u64,
    trace: Trace,
    violations: Vec<String>,
}

impl<L: Between> Play<L> {
    fn new(layer: L, rng: Rng, seed: u64, me: Peer) -> Self {
        let now = Instant::ZERO + Duration::from_secs(1);
        Self {
            layer,
            rng,
            seed,
            me,
            now,
            number: 0,
            full: BTreeSet::new(),
            told: BTreeMap::new(),
            given: BTreeMap::new(),
            asks: Vec::new(),
            requests: BTreeMap::new(),
            passed: 0,
            trace: Trace::default(),
            violations: Vec::new(),
        }
    }

    fn play(mut self) -> Told {
        let lanes: &[u16] = if L::LANES && !L::HEADERS { &LANES } else { &[0] };
        for (nth, lane) in lanes.iter().enumerate() {
            // Two that differ: what holds for all is the smaller.
            let link = Link {
                local: vec![self.me],
                unit: 1_000,
                tell_max: 1_000 + nth * 500,
                ask_max: 5_000 + nth * 500,
            };
            self.layer.input(self.now, *lane, Event::Link(link));
        }
        self.settle();
        for _ in 0..STEPS {
            self.step(lanes);
            self.now = self.now + Duration::from_nanos(1 + self.rng.below(40_000_000));
            if self.layer.due().is_some_and(|due| due <= self.now) {
                self.layer.timeout(self.now);
            }
            self.settle();
        }
        self.finish();
        self.end()
    }

    fn violate(&mut self, what: String) {
        if self.violations.len() < 10 {
            self.violations.push(what);
        }
    }

    fn next(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// Where something is sent to or comes from.
    fn place(&mut self) -> Place {
        let nth = self.rng.below(2) as usize;
        let key = if L::LANES { LANES.get(nth).copied().unwrap_or(1) } else { 0 };
        let peer = addr(self.seed, self.rng.below(PEERS.into()) as u32);
        let to_me = L::LOOPS && self.rng.chance(1, 4);
        At { key, addr: if to_me { self.me } else { peer } }
    }

    /// The lane of the side below that belongs to a place.
    fn below(place: &Place) -> u16 {
        if L::LANES && !L::HEADERS { place.key } else { 0 }
    }

    fn is_excluded(&self, peer: &Peer) -> bool {
        L::EXCLUDES && *peer == addr(self.seed, PEERS - 1)
    }

    fn step(&mut self, lanes: &[u16]) {
        match self.rng.below(20) {
            0..6 => self.tell(),
            6 | 7 => self.ask(),
            8..11 => self.give(),
            11 | 12 => self.request(),
            13 | 14 => self.answer_below(),
            15 | 16 => self.answer_above(),
            17 => {
                let nth = self.rng.below(lanes.len() as u64) as usize;
                let lane = lanes.get(nth).copied().unwrap_or(0);
                self.turn(lane);
            }
            18 if self.rng.chance(1, 2) => {
                let lane = self.place().key;
                self.reopen(lane);
            }
            _ => {}
        }
    }

    fn tell(&mut self) {
        let (dst, number) = (self.place(), self.next());
        if self.layer.is_full(&dst) || self.is_excluded(&dst.addr) {
            return;
        }
        let size = SMALL + self.rng.below(900) as usize;
        let payload = message(number, size);
        let to_me = L::LOOPS && dst.addr == self.me;
        let queue = if to_me { &mut self.given } else { &mut self.told };
        queue.entry(dst).or_default().push_back(number);
        self.layer.command(self.now, Command::Tell { dst, payload: payload.into() });
    }

    fn ask(&mut self) {
        let (dst, number) = (self.place(), self.next());
        if self.layer.is_full(&dst) || self.is_excluded(&dst.addr) {
            return;
        }
        let (place, id) = (dst, AskId::new(number));
        let (below, given, over, orphaned) = (None, None, false, false);
        self.asks.push(Asked { number, place, below, given, over, orphaned });
        let (payload, deadline) = (message(number, SMALL).into(), self.now + TIME);
        self.layer.command(self.now, Command::Ask { id, dst, payload, deadline });
    }

    /// The side below has a message.
    fn give(&mut self) {
        let (src, number) = (self.place(), self.next());
        let payload = self.headed(src.key, number);
        let spoofed = L::LOOPS && src.addr == self.me;
        if !spoofed && !self.is_excluded(&src.addr) {
            self.given.entry(src).or_default().push_back(number);
        }
        let message = Message { src: src.addr, dst: self.me, payload };
        self.layer.input(self.now, Self::below(&src), Event::Told(message));
    }

    /// The side below has a request.
    fn request(&mut self) {
        let (place, number) = (self.place(), self.next());
        let payload = self.headed(place.key, number);
        let (token, deadline) = (Token(self.rng.below(1_000)), self.now + TIME);
        let below = Self::below(&place);
        if self.requests.contains_key(&(below, token)) {
            return;
        }
        let until = deadline;
        let request = Request { number, place, above: None, given: false, answered: false, until };
        self.requests.insert((below, token), request);
        let message = Message { src: place.addr, dst: self.me, payload };
        self.layer.input(self.now, below, Event::Asked { token, message, deadline });
    }

    fn headed(&self, lane: u16, number: u64) -> BytesMut {
        let mut bytes = BytesMut::new();
        if L::HEADERS {
            bytes.extend_from_slice(&lane.to_be_bytes());
        }
        bytes.extend_from_slice(&message(number, SMALL));
        bytes
    }

    /// The side below answers something that it was asked.
    fn answer_below(&mut self) {
        let open = self.asks.iter().enumerate();
        let open = open.filter(|(_, ask)| ask.below.is_some() && ask.given.is_none());
        let open: Vec<usize> = open.map(|(nth, _)| nth).collect();
        let nth = self.rng.below(open.len() as u64) as usize;
        let Some(nth) = open.get(nth).copied() else { return };
        let fine = self.rng.chance(2, 3);
        self.give_outcome(nth, fine);
    }

    fn give_outcome(&mut self, nth: usize, fine: bool) {
        let Some(ask) = self.asks.get_mut(nth) else { return };
        let Some(id) = ask.below else { return };
        ask.given = Some(fine);
        let result = if fine {
            Ok(BytesMut::from(&message(!ask.number, SMALL)[..]))
        } else {
            Err(AskError::Refused(Refusal::new(7, message(!ask.number, SMALL))))
        };
        let below = Self::below(&ask.place);
        self.layer.input(self.now, below, Event::Answered { id, result });
    }

    /// Somebody above answers a request.
    fn answer_above(&mut self) {
        let open = self.requests.iter().filter(|(_, request)| {
            request.above.is_some() && !request.given && request.until > self.now
        });
        let open: Vec<(u16, Token)> = open.map(|(key, _)| *key).collect();
        let nth = self.rng.below(open.len() as u64) as usize;
        let Some(request) = open.get(nth).and_then(|key| self.requests.get_mut(key)) else {
            return;
        };
        request.given = true;
        let Some(token) = request.above else { return };
        let (dst, payload) = (request.place, message(!request.number, SMALL));
        self.layer.command(self.now, Command::Answer { token, dst, result: Ok(payload.into()) });
    }

    /// Something below becomes full, or ready.
    fn turn(&mut self, lane: u16) {
        let peer = addr(self.seed, self.rng.below(PEERS.into()) as u32);
        let scope = if self.rng.chance(1, 2) { Scope::All } else { Scope::To(peer) };
        let key = (lane, scope);
        let event = if self.full.remove(&key) {
            Event::Ready { scope }
        } else if self.full.contains(&(lane, Scope::All)) {
            // Where all is full nothing is taken that could make one destination so.
            return;
        } else {
            self.full.insert(key);
            Event::Full { scope }
        };
        self.layer.input(self.now, lane, event);
    }

    /// A lane is closed and opened again.
    fn reopen(&mut self, lane: u16) {
        // What waits is not lost, but the lane ends only after it: not a case for this.
        let waits = self.told.iter().any(|(place, told)| place.key == lane && !told.is_empty());
        if waits || !self.layer.reopen(self.now, lane) {
            return;
        }
        for ask in self.asks.iter_mut().filter(|ask| ask.place.key == lane && !ask.over) {
            ask.orphaned = true;
        }
        for request in self.requests.values_mut().filter(|request| request.place.key == lane) {
            request.given = true;
        }
        // Those that wait to be taken may be told before the end; nobody need.
        self.settle();
        self.given.retain(|place, _| place.key != lane);
    }

    /// Takes out all there is.
    fn settle(&mut self) {
        loop {
            if let Some(event) = self.layer.event() {
                self.trace.add(&[self.now.as_nanos(), 1], format!("{event:?}").as_bytes());
                self.on_event(event);
            } else if let Some((lane, command)) = self.layer.transmit() {
                self.trace.add(&[self.now.as_nanos(), 2], format!("{command:?}").as_bytes());
                self.on_command(lane, command);
            } else {
                return;
            }
        }
    }

    fn on_event(&mut self, event: Event<Place>) {
        match event {
            Event::Told(heard) => {
                let number = number_of(&heard.payload);
                let expected = self.given.get_mut(&heard.src).and_then(VecDeque::pop_front);
                self.passed += 1;
                if number.is_none() || number != expected {
                    self.violate(format!("{number:?} was heard from {}", heard.src));
                }
            }
            Event::Asked { token, message, .. } => {
                let number = number_of(&message.payload).unwrap_or(0);
                if L::LOOPS && message.src.addr == self.me {
                    return self.answer_oneself(token, message.src, number);
                }
                let request = self.requests.values_mut();
                let request = request.into_iter().find(|request| request.number == number);
                match request {
                    Some(request) if request.above.is_none() && request.place == message.src => {
                        request.above = Some(token);
                        if self.is_excluded(&message.src.addr) {
                            self.violate(format!("an excluded peer asked {number}"));
                        }
                    }
                    _ => self.violate(format!("{number} was asked by {}", message.src)),
                }
            }
            Event::Answered { id, result } => self.on_answered(id, &result),
            Event::Link(link) => {
                let header = if L::HEADERS { 2 } else { 0 };
                if link.tell_max > 1_000 - header || link.ask_max > 5_000 - header {
                    self.violate(format!("more is promised than fits: {link:?}"));
                }
            }
            Event::Undelivered { dst, reason } => {
                self.violate(format!("a message to {dst} is undelivered: {reason}"));
            }
            _ => {}
        }
    }

    /// What we ask ourselves has its outcome at once.
    fn answer_oneself(&mut self, token: Token, dst: Place, number: u64) {
        let ask = self.asks.iter_mut().find(|ask| ask.number == number && ask.given.is_none());
        let Some(ask) = ask else {
            return self.violate(format!("{number} was asked in our own name"));
        };
        ask.given = Some(true);
        let payload = message(!number, SMALL);
        self.layer.command(self.now, Command::Answer { token, dst, result: Ok(payload.into()) });
    }

    fn on_answered(&mut self, id: AskId, result: &Result<BytesMut, AskError>) {
        let Some(ask) = self.asks.iter_mut().find(|ask| ask.number == id.seq) else {
            return self.violate(format!("{id:?} was never asked"));
        };
        let given = match result {
            Ok(answer) => (number_of(answer) == Some(!ask.number)).then_some(true),
            Err(AskError::Refused(refusal)) => {
                (number_of(&refusal.detail) == Some(!ask.number)).then_some(false)
            }
            Err(_) => None,
        };
        let right = given.is_some() && given == ask.given && !ask.over && !ask.orphaned;
        ask.over = true;
        if !right {
            self.violate(format!("{id:?} has the outcome {result:?}"));
        }
    }

    fn on_command(&mut self, lane: u16, command: Command<Peer>) {
        match command {
            Command::Tell { dst, payload } => {
                let bytes = payload.into_bytes();
                let (place, bytes) = Self::unheaded(lane, dst, &bytes);
                let number = number_of(bytes);
                let expected = self.told.get_mut(&place).and_then(VecDeque::pop_front);
                self.passed += 1;
                if number.is_none() || number != expected {
                    self.violate(format!("{number:?} went down to {place}, not {expected:?}"));
                }
                let scopes = [Scope::All, Scope::To(dst)];
                if scopes.into_iter().any(|scope| self.full.contains(&(lane, scope))) {
                    self.violate(format!("{number:?} went down to {place}, which is full"));
                }
            }
            Command::Ask { id, dst, payload, .. } => {
                let bytes = payload.into_bytes();
                let (place, bytes) = Self::unheaded(lane, dst, &bytes);
                let number = number_of(bytes);
                let mut asks = self.asks.iter_mut();
                match asks.find(|ask| Some(ask.number) == number && ask.below.is_none()) {
                    Some(ask) if ask.place == place => ask.below = Some(id),
                    _ => self.violate(format!("{number:?} was asked of {place}")),
                }
            }
            Command::Answer { token, dst, result } => {
                let Some(request) = self.requests.get_mut(&(lane, token)) else {
                    return self.violate(format!("{token:?} was answered, and never asked"));
                };
                let answer = result.ok().map(tellask::Payload::into_bytes);
                let number = answer.as_ref().and_then(|answer| number_of(answer));
                // Whoever is not asked is refused.
                let right = number.is_none_or(|number| request.given && number == !request.number);
                if !right || request.answered || request.place.addr != dst {
                    self.violate(format!("{token:?} of {dst} got the answer {number:?}"));
                } else {
                    request.answered = true;
                }
            }
            _ => {}
        }
    }

    fn unheaded(lane: u16, dst: Peer, bytes: &[u8]) -> (Place, &[u8]) {
        match bytes.split_first_chunk() {
            Some((header, rest)) if L::HEADERS => {
                (At { key: u16::from_be_bytes(*header), addr: dst }, rest)
            }
            _ => (At { key: lane, addr: dst }, bytes),
        }
    }

    /// The side below takes everything and answers everything, and time passes.
    fn finish(&mut self) {
        for (lane, scope) in core::mem::take(&mut self.full) {
            self.layer.input(self.now, lane, Event::Ready { scope });
            self.settle();
        }
        self.calm_down();
        for nth in 0..self.asks.len() {
            if self.asks.get(nth).is_some_and(|ask| ask.given.is_none()) {
                self.give_outcome(nth, true);
            }
        }
        self.calm_down();
        self.now = self.now + TIME * 2;
        self.calm_down();
        let waiting: usize = self.told.values().map(VecDeque::len).sum();
        let unheard: usize = self.given.values().map(VecDeque::len).sum();
        let open = self.asks.iter().filter(|ask| !ask.over && !ask.orphaned).count();
        if waiting + unheard + open > 0 {
            let what = format!("{waiting} did not go down, {unheard} up, {open} asks are open");
            self.violate(what);
        }
        let snapshot = self.layer.snapshot();
        for (name, value) in &snapshot.gauges {
            if *value > 0 && HELD.contains(&name.rsplit('.').next().unwrap_or(name)) {
                self.violate(format!("{name} is {value} at the end"));
            }
        }
    }

    /// What is due happens, until nothing is for a while.
    fn calm_down(&mut self) {
        for _ in 0..1_000 {
            self.settle();
            let Some(due) = self.layer.due().filter(|due| *due <= self.now.next()) else { return };
            self.now = self.now.max(due);
            self.layer.timeout(self.now);
        }
        self.violate("something is due for ever".to_owned());
    }

    fn end(self) -> Told {
        let answered = self.asks.iter().filter(|ask| ask.over).count() as u64;
        let orphaned = self.asks.iter().filter(|ask| ask.orphaned && !ask.over).count() as u64;
        let bins = [
            ("delivered", self.passed),
            ("answered", answered),
            ("failed: its channel was closed", orphaned),
        ];
        Told::new(self.trace, Totals::default(), bins, self.violations)
    }
}

fn message(number: u64, len: usize) -> Vec<u8> {
    let mut message = number.to_le_bytes().to_vec();
    message.resize(len.max(SMALL), number as u8);
    message
}

fn number_of(message: &[u8]) -> Option<u64> {
    let (number, filling) = message.split_first_chunk()?;
    let number = u64::from_le_bytes(*number);
    filling.iter().all(|byte| *byte == number as u8).then_some(number)
}
