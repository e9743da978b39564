//! The layers between swarms keep the laws: fragments, channels, filter, map, loopback.

#![allow(clippy::wildcard_enum_match_arm, reason = "a test names what it looks for")]

mod asks;
mod between;
mod channels;
mod fragments;
mod from_text;
mod transports;

use tellask::Layer;
use tellask::ask::Asking;
use tellask::filter::Filter;
use tellask::fragment::Fragmenter;
use tellask::identity::{PeerId, PublicKey};
use tellask::loopback::Loopback;
use tellask::map::Map;
use tellask::multi::{Multi, MultiAddr, Scheme};
use tellask::mux::{Mux, Name};
use tellask::p2pke::Tai64n;
use tellask::seed::Rng;
use tellask::stats::StatsSink;
use tellask::swarm::{
    Accept, AskId, BoxSwarm, DownReason, Link, Message, Refusal, Scope, Setting, Token,
    Undeliverable,
};
use tellask::text::{AnyAddr, Description, Parts, memory_port};
use tellask::time::Anchor;
use tellask::{
    Addr, At, BytesMut, Command, Datagram, DatagramInput, DatagramPort, Event, Instant, Join,
    Limits, MemoryAddr, Node, Payload, PeerAddr, Seed, Stack,
};
use tellask_sim::laws::{Call, CallOf, Subject, check, pass_through};

const SEEDS: u64 = 24;
const STEPS: usize = 150;
const SELF: MemoryAddr = MemoryAddr(9);

fn keeps_the_laws(subject: &impl Subject) {
    for seed in 0..SEEDS {
        if let Err(violation) = check(subject, seed, STEPS) {
            panic!("{violation}");
        }
    }
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.send = 4_000;
    limits.send_per_peer = 2_000;
    limits.send_per_channel = 3_000;
    limits.receive = 8_000;
    limits.reassembly = 12_000;
    limits.reassembly_per_peer = 5_000;
    limits.partials = 12;
    limits.partials_per_peer = 5;
    limits.fragment_ids = 2;
    limits.path_mtus = 2;
    limits.channel_requests = 3;
    limits.own_requests = 3;
    limits.ask_max = 1_200;
    limits.ask_peers = 3;
    limits.asks_per_peer = 4;
    limits.ask_sending_per_peer = 3_000;
    limits.ask_sending = 5_000;
    limits.ask_receiving_per_peer = 2_000;
    limits.ask_receiving = 4_000;
    limits.ask_remembered_per_peer = 2_000;
    limits.ask_remembered = 4_000;
    limits.transport_requests = 3;
    limits
}

fn bytes(rng: &mut Rng, most: u64) -> BytesMut {
    let mut bytes = BytesMut::zeroed(rng.below(most) as usize);
    rng.fill(&mut bytes);
    bytes
}

fn addr(rng: &mut Rng) -> MemoryAddr {
    if rng.chance(1, 8) { SELF } else { MemoryAddr(rng.below(4) as u32) }
}

/// A command of any kind.
fn command<A>(rng: &mut Rng, dst: A) -> Command<A> {
    let id = AskId::new(rng.below(4));
    let token = if rng.chance(1, 2) { rng.below(6) } else { u64::MAX - rng.below(6) };
    match rng.below(20) {
        0 => Command::Identify { dst },
        1 => Command::Disconnect { dst },
        2 => Command::Set(Setting::Clock(Anchor::default())),
        3 => Command::Cancel { id, dst },
        4 => Command::Answer { token: Token(token), dst, result: Err(Refusal::default()) },
        5 => Command::Answer { token: Token(token), dst, result: Ok("yes".into()) },
        6 | 7 => {
            let deadline = Instant::from_nanos(rng.below(1 << 38));
            Command::Ask { id, dst, payload: Payload::from("what"), deadline }
        }
        8 if rng.chance(1, 8) => Command::Close,
        _ => Command::Tell { dst, payload: bytes(rng, 1_500).into() },
    }
}

/// An event of any kind; messages say `text`.
fn event<A: Addr>(rng: &mut Rng, at: impl Fn(MemoryAddr) -> A, text: BytesMut) -> Event<A> {
    let peer = addr(rng);
    let (dst, own) = (at(peer), at(SELF));
    let scope = if rng.chance(1, 3) { Scope::All } else { Scope::To(dst.clone()) };
    let message = Message { src: dst.clone(), dst: own.clone(), payload: text };
    let token = Token(rng.below(6));
    match rng.below(28) {
        0 => {
            let size = 300 + rng.below(2) as usize;
            Event::Link(Link { local: vec![own], unit: size, tell_max: size, ask_max: size })
        }
        1 => Event::PathMtu { dst, unit: 350, tell_max: 350 + rng.below(2) as usize },
        2..5 => Event::Full { scope },
        5..8 => Event::Ready { scope },
        8 => Event::PeerUp { addr: dst, key: PublicKey::from_bytes([1; 32]) },
        9 => Event::PeerDown { addr: dst, reason: DownReason::Idle },
        10 => Event::Undelivered { dst, reason: Undeliverable::TimedOut },
        11 => Event::Identified { addr: dst, result: Ok(PublicKey::from_bytes([1; 32])) },
        12 => Event::Withdrawn { token, src: dst },
        13 => {
            let id = AskId { seq: rng.below(4), path: rng.below(4) };
            Event::Answered { id, result: Ok(BytesMut::new()) }
        }
        14..17 => {
            Event::Asked { token, message, deadline: Instant::from_nanos(rng.below(1 << 38)) }
        }
        17 if rng.chance(1, 20) => Event::Closed,
        18 => Event::Floor { key: PublicKey::from_bytes([1; 32]), stamp: Tai64n::MIN },
        _ => Event::Told(message),
    }
}

fn told(src: MemoryAddr, payload: BytesMut) -> Event<MemoryAddr> {
    Event::Told(Message { src, dst: SELF, payload })
}

fn link() -> Event<MemoryAddr> {
    Event::Link(Link { local: vec![SELF], unit: 300, tell_max: 300, ask_max: 300 })
}

/// A fragment that may belong to any of a few messages.
fn fragment(rng: &mut Rng) -> BytesMut {
    let total = 1 + rng.below(3) as u8;
    let part = rng.below(total.into()) as u8;
    let len = if part + 1 < total { 200 } else { rng.below(200) as usize };
    let mut text = BytesMut::from(&[rng.below(6) as u8, part, total][..]);
    text.resize(3 + len, part);
    text
}

/// A layer that is given something else than what comes from below.
struct Adapted<L, F> {
    layer: L,
    adapt: F,
}

impl<L: Layer, F: Fn(L::Input) -> L::Input> Layer for Adapted<L, F> {
    type Input = L::Input;
    type Transmit = L::Transmit;
    type Command = L::Command;
    type Event = L::Event;

    fn handle_input(&mut self, now: Instant, input: Self::Input) {
        self.layer.handle_input(now, (self.adapt)(input));
    }

    fn handle_command(&mut self, now: Instant, command: Self::Command) {
        self.layer.handle_command(now, command);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.layer.handle_timeout(now);
    }

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        self.layer.poll_transmit()
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        self.layer.poll_event()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.layer.poll_timeout()
    }

    fn stats(&self, sink: &mut dyn StatsSink) {
        self.layer.stats(sink);
    }
}
