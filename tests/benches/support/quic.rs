//! One node of QUIC and many peers, in memory.

use ::tellask::identity::SecretKey;
use ::tellask::quic::{Quic, Setup};
use ::tellask::seed::Rng;
use ::tellask::swarm::{Link, Message};
use ::tellask::{
    Bytes, BytesMut, Command, Event, Instant, Layer as _, Limits, MemoryAddr, PeerAddr, Seed,
};
use core::time::Duration;

const MTU: usize = 1_400;
/// The node in the middle.
const HUB: u32 = 0;

/// A node that tells its peers things, one after the other at random.
pub(crate) struct Crowd {
    now: Instant,
    rng: Rng,
    hub: Quic<MemoryAddr>,
    peers: Vec<Quic<MemoryAddr>>,
    heard: u64,
    /// What the node in the middle took.
    spent: Duration,
}

fn key(number: u32) -> SecretKey {
    SecretKey::generate(&mut Seed::from_u64(number.into()).rng("key"))
}

fn node(number: u32) -> Quic<MemoryAddr> {
    let mut limits = Limits::default();
    // All come at once.
    limits.signature_checks_per_second = 1_000_000;
    let (seed, epoch) = (Seed::from_u64(number.into()), std::time::Instant::now().into());
    let setup = Setup::new(key(number), &seed, epoch, &limits);
    let mut node = Quic::new(setup).expect("there is TLS");
    let link = Link { local: vec![MemoryAddr(number)], unit: MTU, tell_max: MTU, ask_max: 0 };
    node.handle_input(Instant::ZERO, Event::Link(link));
    node
}

/// So many peers that are connected.
pub(crate) fn crowd(count: u32) -> Crowd {
    let peers = (1..=count).map(node).collect();
    let rng = Seed::from_u64(1).rng("peers");
    let now = Instant::ZERO + Duration::from_secs(1);
    let mut crowd = Crowd { now, rng, hub: node(HUB), peers, heard: 0, spent: Duration::ZERO };
    let hub = PeerAddr { id: crowd.hub.id(), addr: MemoryAddr(HUB) };
    for nth in 0..crowd.peers.len() {
        let tell = Command::Tell { dst: hub, payload: "hello".into() };
        crowd.peers[nth].handle_command(crowd.now, tell);
        crowd.settle(nth);
    }
    assert_eq!(crowd.heard, u64::from(count));
    crowd
}

impl Crowd {
    /// Tells `n` messages, two to each of those that are picked; how many there are per second that the node in the
    /// middle works. The others are elsewhere, where nodes are nodes.
    pub(crate) fn tells(&mut self, n: u64, text: &Bytes) -> f64 {
        self.spent = Duration::ZERO;
        for _ in 0..n / 2 {
            self.tell(text);
        }
        n as f64 / self.spent.as_secs_f64()
    }

    /// Tells one of them two messages, each in a datagram of its own, which are acknowledged.
    fn tell(&mut self, text: &Bytes) {
        let nth = self.rng.below(self.peers.len() as u64) as usize;
        let dst = PeerAddr { id: self.peers[nth].id(), addr: MemoryAddr(nth as u32 + 1) };
        let before = self.heard;
        for _ in 0..2 {
            let payload = text.clone().into();
            let begun = std::time::Instant::now();
            self.hub.handle_command(self.now, Command::Tell { dst, payload });
            self.spent += begun.elapsed();
            self.settle(nth);
        }
        assert_eq!(self.heard, before + 2);
    }

    /// Until neither the node nor this peer has anything to say.
    fn settle(&mut self, nth: usize) {
        let Self { now, hub, peers, heard, spent, .. } = self;
        let peer = &mut peers[nth];
        let [here, there] = [MemoryAddr(HUB), MemoryAddr(nth as u32 + 1)];
        let mut elsewhere = Duration::ZERO;
        loop {
            *now = *now + Duration::from_micros(5);
            let out = said(*now, hub, heard, spent);
            let moved = !out.is_empty();
            hear(*now, peer, (here, there), out, &mut elsewhere);
            let back = said(*now, peer, heard, &mut elsewhere);
            if back.is_empty() && !moved {
                return;
            }
            hear(*now, hub, (there, here), back, spent);
        }
    }
}

/// Does what is due of a node; what it sends.
fn said(
    now: Instant,
    node: &mut Quic<MemoryAddr>,
    heard: &mut u64,
    spent: &mut Duration,
) -> Vec<BytesMut> {
    let begun = std::time::Instant::now();
    node.handle_timeout(now);
    while let Some(event) = node.poll_event() {
        *heard += u64::from(matches!(event, Event::Told(_)));
    }
    let mut out = Vec::new();
    while let Some(command) = node.poll_transmit() {
        let Command::Tell { payload, .. } = command else { continue };
        out.push(payload.into_mut());
    }
    *spent += begun.elapsed();
    out
}

/// Hands datagrams to a node.
fn hear(
    now: Instant,
    node: &mut Quic<MemoryAddr>,
    (src, dst): (MemoryAddr, MemoryAddr),
    datagrams: Vec<BytesMut>,
    spent: &mut Duration,
) {
    let begun = std::time::Instant::now();
    for payload in datagrams {
        node.handle_input(now, Event::Told(Message { src, dst, payload }));
    }
    *spent += begun.elapsed();
}
