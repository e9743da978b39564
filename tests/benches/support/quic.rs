//! One node of QUIC and many peers, in memory.

use ::tellask::identity::SecretKey;
use ::tellask::quic::{Quic, Setup};
use ::tellask::seed::Rng;
use ::tellask::swarm::{Link, Message};
use ::tellask::{Bytes, Command, Event, Instant, Layer as _, Limits, MemoryAddr, PeerAddr, Seed};
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
    let mut crowd = Crowd { now, rng, hub: node(HUB), peers, heard: 0 };
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
    /// Tells one of them two messages, each in a datagram of its own, which are acknowledged.
    pub(crate) fn tell(&mut self, text: &Bytes) {
        let nth = self.rng.below(self.peers.len() as u64) as usize;
        let dst = PeerAddr { id: self.peers[nth].id(), addr: MemoryAddr(nth as u32 + 1) };
        let before = self.heard;
        for _ in 0..2 {
            let payload = text.clone().into();
            self.hub.handle_command(self.now, Command::Tell { dst, payload });
            self.settle(nth);
        }
        assert_eq!(self.heard, before + 2);
    }

    /// Until neither the node nor this peer has anything to say.
    fn settle(&mut self, nth: usize) {
        let Self { now, hub, peers, heard, .. } = self;
        let peer = &mut peers[nth];
        let [here, there] = [MemoryAddr(HUB), MemoryAddr(nth as u32 + 1)];
        loop {
            *now = *now + Duration::from_micros(5);
            let moved = carry(*now, hub, here, peer, there, heard);
            if !carry(*now, peer, there, hub, here, heard) && !moved {
                return;
            }
        }
    }
}

/// Does what is due of one, and takes to the other what it sends; whether it sends anything.
fn carry(
    now: Instant,
    from: &mut Quic<MemoryAddr>,
    src: MemoryAddr,
    to: &mut Quic<MemoryAddr>,
    dst: MemoryAddr,
    heard: &mut u64,
) -> bool {
    from.handle_timeout(now);
    while let Some(event) = from.poll_event() {
        *heard += u64::from(matches!(event, Event::Told(_)));
    }
    let mut moved = false;
    while let Some(command) = from.poll_transmit() {
        let Command::Tell { payload, .. } = command else { continue };
        let payload = payload.into_mut();
        to.handle_input(now, Event::Told(Message { src, dst, payload }));
        moved = true;
    }
    moved
}
