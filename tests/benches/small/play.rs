//! One small run.

use core::time::Duration;
use tellask::identity::SecretKey;
use tellask::p2pke::P2pke;
use tellask::p2pke::channel::Timing;
use tellask::seed::Rng;
use tellask::swarm::Accept;
use tellask::time::{Anchor, UnixTime};
use tellask::{Datagram, DatagramInput, DatagramPort, Event, Instant, Layer, Limits, MemoryAddr};
use tellask::{PeerAddr, Seed, Stack, Swarm};
use tellask_sim::net::{App, Chance, Cx, Faults, Network};
use tellask_sim::scenario::{DATE, Secure, Suite, key};

const SECONDS: u64 = 30;
const MOST: u32 = 50;
/// How often a node tells somebody something.
const INTERVAL: Duration = Duration::from_millis(500);

/// The keys of all runs, made once: what they cost has nothing to do with a simulator.
pub(crate) struct Keys(Vec<(SecretKey, PeerAddr<MemoryAddr>)>);

impl Keys {
    pub(crate) fn new() -> Self {
        let key = |number| {
            let key = key(1, number, Suite::Toy);
            let addr = PeerAddr { id: key.id(), addr: MemoryAddr(number) };
            (key, addr)
        };
        Self((0..MOST).map(key).collect())
    }

    /// The stack of a node in its `life`-th life.
    pub(crate) fn stack(&self, seed: u64, number: u32, life: u32) -> Secure {
        let secret = Seed::from_u64(seed).child(&format!("{number}/{life}"));
        let clock = Anchor { at: Instant::ZERO, date: UnixTime::new(DATE, 0) };
        let limits = Limits::default();
        let key = self.0[number as usize].0.clone();
        let layer =
            P2pke::new(key, &secret, clock, Accept::Anyone, &limits).with_timing(Timing::DEFAULT);
        Stack::new(DatagramPort::new(&limits), layer)
    }
}

/// Tells a peer something, again and again, and is told.
pub(crate) struct Teller {
    peers: Vec<PeerAddr<MemoryAddr>>,
    turn: usize,
    next: Instant,
    heard: u64,
}

impl<L> App<L> for Teller
where
    L: Swarm<Addr = PeerAddr<MemoryAddr>>,
{
    type Note = ();

    fn on_event(&mut self, _: &mut Cx<'_, L>, event: Event<PeerAddr<MemoryAddr>>) {
        self.heard += u64::from(matches!(event, Event::Told(_)));
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Some(self.next)
    }

    fn on_timeout(&mut self, cx: &mut Cx<'_, L>) {
        self.next = self.next + INTERVAL;
        self.turn += 1;
        let to = self.peers[self.turn % self.peers.len()];
        // Whether there is room is not what is measured.
        let _ = cx.tell(to, vec![0x5a; 1 + self.turn * 37 % 1_000]);
    }
}

fn bad(rng: &mut Rng) -> Faults {
    let mut faults = Faults::NONE;
    faults.loss = Chance::percent(rng.below(30) as u32);
    faults.jitter = Duration::from_millis(rng.below(100));
    faults.duplicate = Chance::percent(rng.below(10) as u32);
    faults.reorder = Chance::percent(rng.below(10) as u32);
    faults.reorder_by = Duration::from_millis(rng.below(500));
    faults.flip = Chance::percent(rng.below(3) as u32);
    faults.truncate = Chance::percent(rng.below(3) as u32);
    faults
}

/// Plays it. `wrap` is given each stack before it is added, with the number of its node and that of its life.
pub(crate) fn run<L>(
    keys: &Keys,
    seed: u64,
    mut wrap: impl FnMut(u32, u32, Secure) -> L,
) -> Network<L, Teller>
where
    L: Layer<Input = DatagramInput<MemoryAddr>, Transmit = Datagram<MemoryAddr>>
        + Swarm<Addr = PeerAddr<MemoryAddr>>,
{
    let mut rng = Seed::from_u64(seed).rng("small");
    let nodes = 2 + rng.below(u64::from(MOST) - 1) as u32;
    let mut network = Network::new(seed);
    network.set_faults(bad(&mut rng));
    let start = network.now();
    for number in 0..nodes {
        // Up to four peers each.
        let peers = (1..=4.min(nodes - 1)).map(|away| keys.0[((number + away) % nodes) as usize].1);
        let next = start + INTERVAL / nodes * number;
        let teller = Teller { peers: peers.collect(), turn: 0, next, heard: 0 };
        network.add(MemoryAddr(number), wrap(number, 0, keys.stack(seed, number, 0)), teller);
    }
    let second = Duration::from_secs(1);
    network.step_until(start + second * 10);
    let (cut, crashed) =
        (rng.below(nodes.into()) as u32, MemoryAddr(rng.below(nodes.into()) as u32));
    for other in 0..nodes {
        network.cut(MemoryAddr(cut), MemoryAddr(other));
    }
    network.crash(crashed);
    network.step_until(start + second * 18);
    network.mend_all();
    network.start(crashed, wrap(crashed.0, 1, keys.stack(seed, crashed.0, 1)));
    network.step_until(start + second * SECONDS as u32);
    let heard: u64 = network.apps().map(|(_, teller)| teller.heard).sum();
    assert!(heard > u64::from(nodes) * SECONDS, "{heard} heard by {nodes} nodes");
    network
}
