//! Asking nodes in memory, joined by a network in the tests' hands.

#![allow(clippy::wildcard_enum_match_arm, reason = "a test names what it looks for")]

use super::*;
use crate::swarm::AskId;
use crate::{Datagram, DatagramInput, DatagramPort, MemoryAddr, Node, Stack};
use bytes::BytesMut;
use std::collections::BTreeMap as Map;
use std::eprintln;

mod attacks;
mod basics;
mod bundles;
mod lives;

type Plain = Node<Stack<DatagramPort<MemoryAddr>, Asking<MemoryAddr>>>;

const MTU: usize = 1_400;
const SECOND: Duration = Duration::from_secs(1);

/// What a network does to a datagram.
#[derive(Clone, Copy)]
struct Weather {
    /// Lost, in a hundred.
    loss: u64,
    /// Delivered twice, in a hundred.
    twice: u64,
    delay: Duration,
    jitter: Duration,
}

const CALM: Weather =
    Weather { loss: 0, twice: 0, delay: Duration::from_millis(10), jitter: Duration::ZERO };
const STORM: Weather = Weather {
    loss: 30,
    twice: 5,
    delay: Duration::from_millis(50),
    jitter: Duration::from_millis(30),
};

/// Nodes at the addresses of their numbers, with all that they said.
struct World {
    now: Instant,
    rng: Rng,
    weather: Weather,
    nodes: Vec<Plain>,
    events: Vec<VecDeque<Event<MemoryAddr>>>,
    /// What is on its way, by when it arrives.
    wire: Map<(Instant, u64), (MemoryAddr, MemoryAddr, BytesMut)>,
    count: u64,
    /// Everything that was sent.
    seen: Vec<(MemoryAddr, MemoryAddr, BytesMut)>,
    bytes: u64,
    /// What is sent is lost.
    cut: bool,
}

fn node(number: u32, seed: u64, limits: &Limits) -> Plain {
    let layer = Asking::new(&Seed::from_u64(seed), limits);
    let mut node = Node::new(Stack::new(DatagramPort::new(limits), layer));
    let local = Vec::from([MemoryAddr(number)]);
    node.handle_input(Instant::ZERO, DatagramInput::Bound { local, mtu: MTU });
    while node.poll_event().is_some() {}
    node
}

fn body(len: usize, salt: u8) -> Vec<u8> {
    (0..len).map(|nth| (nth % 251) as u8 ^ salt).collect()
}

impl World {
    fn new(seed: u64, weather: Weather) -> Self {
        Self::with(seed, weather, 2, &Limits::default())
    }

    fn with(seed: u64, weather: Weather, count: u32, limits: &Limits) -> Self {
        eprintln!("seed {seed}");
        let nodes = (0..count).map(|number| node(number, seed * 100 + u64::from(number), limits));
        Self {
            now: Instant::ZERO + Duration::from_secs(1),
            rng: Seed::from_u64(seed).rng("world"),
            weather,
            nodes: nodes.collect(),
            events: (0..count).map(|_| VecDeque::new()).collect(),
            wire: Map::new(),
            count: 0,
            seen: Vec::new(),
            bytes: 0,
            cut: false,
        }
    }

    fn command(&mut self, at: usize, command: Command<MemoryAddr>) {
        self.nodes[at].handle_command(self.now, command);
        self.pump(at);
    }

    fn ask(&mut self, from: usize, to: u32, seq: u64, body: Vec<u8>, within: Duration) {
        let (id, deadline) = (AskId::new(seq), self.now + within);
        let (dst, payload) = (MemoryAddr(to), body.into());
        self.command(from, Command::Ask { id, dst, payload, deadline });
    }

    fn answer(&mut self, at: usize, to: u32, token: Token, body: Vec<u8>) {
        let (dst, result) = (MemoryAddr(to), Ok(body.into()));
        self.command(at, Command::Answer { token, dst, result });
    }

    fn pump(&mut self, at: usize) {
        loop {
            if let Some(event) = self.nodes[at].poll_event() {
                self.events[at].push_back(event);
            } else if let Some(Datagram { dst, payload, .. }) = self.nodes[at].poll_transmit() {
                let src = MemoryAddr(at as u32);
                let bytes = payload.into_mut();
                self.bytes += bytes.len() as u64;
                self.seen.push((src, dst, bytes.clone()));
                let copies = if self.rng.chance(self.weather.twice, 100) { 2 } else { 1 };
                for _ in 0..copies {
                    if self.cut || self.rng.chance(self.weather.loss, 100) {
                        continue;
                    }
                    let jitter = self.rng.below(self.weather.jitter.as_nanos() as u64 + 1);
                    let at = self.now + self.weather.delay + Duration::from_nanos(jitter);
                    self.count += 1;
                    self.wire.insert((at, self.count), (src, dst, bytes.clone()));
                }
            } else {
                return;
            }
        }
    }

    fn deliver(&mut self, src: MemoryAddr, dst: MemoryAddr, payload: BytesMut) {
        let at = dst.0 as usize;
        if at < self.nodes.len() {
            self.nodes[at].handle_input(self.now, DatagramInput::Datagram { src, dst, payload });
            self.pump(at);
        }
    }

    /// Lets the next thing happen, if it does by `until`.
    fn step(&mut self, until: Instant) -> bool {
        let arrives = self.wire.first_key_value().map(|((at, _), _)| *at);
        let due = self.nodes.iter().filter_map(Node::poll_timeout).min();
        let Some(next) = earliest(arrives, due).filter(|next| *next <= until) else {
            self.now = self.now.max(until);
            return false;
        };
        self.now = self.now.max(next);
        if arrives.is_some_and(|at| at <= self.now) {
            if let Some((_, (src, dst, bytes))) = self.wire.pop_first() {
                self.deliver(src, dst, bytes);
            }
        } else {
            for at in 0..self.nodes.len() {
                self.nodes[at].handle_timeout(self.now);
                self.pump(at);
            }
        }
        true
    }

    fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while self.step(until) {}
    }

    /// Runs until the node says something that `wanted` takes, for a minute at most.
    fn until<T>(&mut self, at: usize, wanted: impl Fn(&Event<MemoryAddr>) -> Option<T>) -> T {
        let end = self.now + Duration::from_secs(60);
        loop {
            while let Some(event) = self.events[at].pop_front() {
                if let Some(found) = wanted(&event) {
                    return found;
                }
            }
            if !self.step(end) {
                let stats = self.nodes.iter().map(|node| std::format!("{}", node.stats()));
                panic!("it did not happen in a minute: {}", stats.collect::<Vec<_>>().join("\n"));
            }
        }
    }

    fn asked(&mut self, at: usize) -> (Token, BytesMut) {
        self.until(at, |event| match event {
            Event::Asked { token, message, .. } => Some((*token, message.payload.clone())),
            _ => None,
        })
    }

    fn answered(&mut self, at: usize) -> (u64, Result<BytesMut, AskError>) {
        self.until(at, |event| match event {
            Event::Answered { id, result } => Some((id.seq, result.clone())),
            _ => None,
        })
    }

    fn stat(&self, at: usize, name: &str) -> u64 {
        self.nodes[at].stats().value(name)
    }
}
