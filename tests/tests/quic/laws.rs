//! QUIC keeps the laws of layers.

use super::{MTU, key, node, peer};
use core::time::Duration;
use tellask::quic::Quic;
use tellask::seed::Rng;
use tellask::swarm::{Accept, AskId, Link, Message, Refusal, Scope, Setting, Token, Undeliverable};
use tellask::time::Anchor;
use tellask::{
    BytesMut, Command, Event, Instant, Layer, Limits, MemoryAddr, Payload, PeerAddr, Seed,
};
use tellask_sim::laws::{Call, CallOf, Subject, check};

const SEEDS: u64 = 24;
const STEPS: usize = 150;

/// The node that is looked at.
const SELF: u8 = 9;
/// One that has shaken hands with it.
const PEER: u8 = 1;

struct Alone;

type Datagrams = Vec<BytesMut>;

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.send = 8_000;
    limits.send_per_peer = 4_000;
    limits.receive = 20_000;
    limits.half_open = 4;
    limits.dialling = 4;
    limits.reassembly_per_peer = 6_000;
    limits.reassembly = 9_000;
    limits.ask_max = 2_000;
    limits.asks_per_peer = 4;
    limits
}

fn told(src: u8, payload: BytesMut) -> Event<MemoryAddr> {
    let (src, dst) = (MemoryAddr(src.into()), MemoryAddr(SELF.into()));
    Event::Told(Message { src, dst, payload })
}

/// Calls in which the node shakes hands with a peer, and what the peer sends afterwards that was not
/// handed in.
fn recorded(seed: &Seed) -> (Vec<CallOf<Quic<MemoryAddr>>>, Datagrams) {
    let mut us = Alone.make(seed);
    let mut them = node(PEER, &seed.child("peer"), &Limits::default());
    let (mut now, mut calls) = (Instant::ZERO, Vec::new());
    let wait = Duration::from_millis(2);
    for round in 0..8 {
        if round % 2 == 0 {
            let tell = Command::Tell { dst: peer(SELF), payload: vec![round; 900].into() };
            them.handle_command(now, tell);
        }
        now = now + wait;
        calls.push(Call::Wait(wait));
        them.handle_timeout(now);
        let sent: Datagrams =
            core::iter::from_fn(|| them.poll_transmit()).filter_map(datagram).collect();
        if round == 7 {
            return (calls, sent);
        }
        for payload in sent {
            us.handle_input(now, told(PEER, payload.clone()));
            calls.push(Call::Input(told(PEER, payload)));
        }
        now = now + wait;
        us.handle_timeout(now);
        calls.extend([Call::Wait(wait), Call::Timeout]);
        while let Some(command) = us.poll_transmit() {
            if let Some(payload) = datagram(command) {
                let (src, dst) = (MemoryAddr(SELF.into()), MemoryAddr(PEER.into()));
                them.handle_input(now, Event::Told(Message { src, dst, payload }));
            }
        }
        while us.poll_event().is_some() {}
        if round == 6 {
            them.handle_command(now, Command::Tell { dst: peer(SELF), payload: "late".into() });
        }
    }
    (calls, Vec::new())
}

fn datagram(command: Command<MemoryAddr>) -> Option<BytesMut> {
    match command {
        Command::Tell { payload, .. } => Some(payload.into_mut()),
        _ => None,
    }
}

impl Subject for Alone {
    type Layer = Quic<MemoryAddr>;

    fn make(&self, seed: &Seed) -> Quic<MemoryAddr> {
        node(SELF, seed, &limits())
    }

    fn opening(&self, seed: &Seed) -> Vec<CallOf<Quic<MemoryAddr>>> {
        recorded(seed).0
    }

    fn input(&self, rng: &mut Rng) -> Event<MemoryAddr> {
        let from = rng.below(4) as u8;
        let addr = MemoryAddr(from.into());
        let scope = if rng.chance(1, 3) { Scope::All } else { Scope::To(addr) };
        match rng.below(40) {
            0..4 => Event::Full { scope },
            4..10 => Event::Ready { scope },
            10 => {
                let local = vec![MemoryAddr(SELF.into())];
                let unit = if rng.chance(1, 4) { 900 } else { MTU };
                Event::Link(Link { local, unit, tell_max: unit, ask_max: 0 })
            }
            11 => {
                let message = Message { src: addr, dst: addr, payload: BytesMut::from("what") };
                Event::Asked { token: Token(rng.u64()), message, deadline: Instant::MAX }
            }
            12 => Event::Undelivered { dst: addr, reason: Undeliverable::Full },
            13 if rng.chance(1, 4) => Event::Closed,
            14..30 => {
                // Of this conversation where the seed is the same, else of another.
                let (calls, rest) = recorded(&Seed::from_u64(rng.below(3)));
                let inputs = calls.into_iter().filter_map(|call| match call {
                    Call::Input(input) => Some(input),
                    _ => None,
                });
                let rest = rest.into_iter().map(|payload| told(PEER, payload));
                let all: Vec<_> = inputs.chain(rest).collect();
                all[rng.below(all.len() as u64) as usize].clone()
            }
            _ => {
                let mut payload = BytesMut::zeroed(rng.below(1_300) as usize);
                rng.fill(&mut payload);
                told(from, payload)
            }
        }
    }

    fn command(&self, rng: &mut Rng) -> Command<PeerAddr<MemoryAddr>> {
        let dst = if rng.chance(3, 4) { peer(PEER) } else { peer(rng.below(4) as u8) };
        let payload = Payload::from(vec![7; rng.below(2_500) as usize]);
        match rng.below(20) {
            0 => Command::Identify { dst },
            1 => Command::Disconnect { dst },
            2 => Command::Set(Setting::Clock(Anchor::default())),
            3 => Command::Set(Setting::Accept(match rng.below(3) {
                0 => Accept::from_iter([peer(PEER).id]),
                _ => Accept::Anyone,
            })),
            4 => Command::Cancel { id: AskId::new(rng.below(5)), dst },
            5 => {
                let result = if rng.chance(1, 2) { Ok(payload) } else { Err(Refusal::default()) };
                Command::Answer { token: Token(rng.below(5)), dst, result }
            }
            6..10 => {
                let deadline = Instant::from_nanos(rng.below(1 << 37));
                Command::Ask { id: AskId::new(rng.below(5)), dst, payload, deadline }
            }
            10 if rng.chance(1, 8) => Command::Close,
            _ => Command::Tell { dst, payload },
        }
    }

    fn hostile(&self, rng: &mut Rng) -> Option<Event<MemoryAddr>> {
        let mut payload = BytesMut::zeroed(rng.below(1_100) as usize);
        rng.fill(&mut payload);
        match rng.below(3) {
            // So short that not even a reset is due to it.
            0 => payload.truncate(20),
            // Of a handshake that nobody has begun, or in a version that nobody speaks, and too short to be told.
            nth => {
                let version = if nth == 1 { 1 } else { 0x5a5a_5a5a_u32 };
                let mut head = BytesMut::from(&[0xe0][..]);
                head.extend_from_slice(&version.to_be_bytes());
                head.extend_from_slice(&payload);
                payload = head;
            }
        }
        Some(told(rng.below(4) as u8, payload))
    }

    fn bounds(&self) -> Vec<(String, u64)> {
        let receive = limits().receive + STEPS * 4 * tellask::outbox::OVERHEAD;
        vec![
            ("quic.half_open".into(), 4),
            ("quic.dialling".into(), 5),
            ("quic.send_bytes".into(), 8_000 + 2_700),
            ("quic.receive_bytes".into(), receive as u64),
            // What a burst brings is taken whole.
            ("quic.datagram_bytes".into(), 8_000 + 16 * 1_600 + 4_000),
            ("quic.asks".into(), 5),
        ]
    }

    fn secrets(&self) -> Vec<Vec<u8>> {
        vec![[SELF; 32].to_vec()]
    }
}

#[test]
fn quic_by_itself_keeps_the_laws_whatever_comes_from_below() {
    for seed in 0..SEEDS {
        if let Err(violation) = check(&Alone, seed, STEPS) {
            panic!("{violation}");
        }
    }
    let _ = key(SELF);
}
