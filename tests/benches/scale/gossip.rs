//! A light layer: every node passes the newest rumour that it knows on to one of its neighbours, once a second.

use super::on_core::Began;
use core::time::Duration;
use tellask::stats::StatsSink;
use tellask::{Datagram, DatagramInput, Instant, Layer, MemoryAddr};
use tellask_sim::net::{Faults, Network, Totals};

const SECOND: Duration = Duration::from_secs(1);
const DEGREE: u32 = 8;

/// A gossiping node. Its neighbours are those at powers of two around the ring.
struct Gossip {
    me: u32,
    nodes: u32,
    turn: u32,
    newest: u64,
    heard: u64,
    next: Instant,
    out: bool,
}

impl Gossip {
    /// Neighbours at distances that grow by five or so: a small world.
    fn neighbour(&self) -> u32 {
        let away = 5_u32.pow(self.turn % DEGREE);
        ((u64::from(self.me) + u64::from(away)) % u64::from(self.nodes)) as u32
    }
}

impl Layer for Gossip {
    type Input = DatagramInput<MemoryAddr>;
    type Transmit = Datagram<MemoryAddr>;
    type Command = ();
    type Event = ();

    fn handle_input(&mut self, _: Instant, input: Self::Input) {
        if let DatagramInput::Datagram { payload, .. } = input
            && let Some(rumour) = payload.first_chunk()
        {
            self.heard += 1;
            self.newest = self.newest.max(u64::from_be_bytes(*rumour));
        }
    }

    fn handle_command(&mut self, _: Instant, (): ()) {}

    fn handle_timeout(&mut self, now: Instant) {
        if now >= self.next {
            self.next = self.next + SECOND;
            self.turn += 1;
            self.out = true;
        }
    }

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        core::mem::take(&mut self.out).then(|| Datagram {
            src: None,
            dst: MemoryAddr(self.neighbour()),
            payload: self.newest.to_be_bytes().to_vec().into(),
        })
    }

    fn poll_event(&mut self) -> Option<()> {
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Some(self.next)
    }

    fn stats(&self, sink: &mut dyn StatsSink) {
        sink.counter("heard", self.heard);
    }
}

pub(crate) fn run(nodes: u32, seconds: u64) {
    let began = Began::now();
    let mut network: Network<Gossip> = Network::new(1);
    let mut faults = Faults::NONE;
    faults.jitter = Duration::from_millis(40);
    network.set_faults(faults);
    let start = network.now();
    for me in 0..nodes {
        let next =
            start + Duration::from_nanos(1_000_000_000 / u64::from(nodes) * u64::from(me) + 1);
        // One knows something.
        let newest = u64::from(me == 0);
        let gossip = Gossip { me, nodes, turn: me, newest, heard: 0, next, out: false };
        network.add(MemoryAddr(me), gossip, ());
    }
    println!("{nodes} gossiping nodes were made in {:.1} s", began.wall().as_secs_f64());
    let began = Began::now();
    network.step_until(start + SECOND * seconds as u32);
    super::say("gossip", seconds, began, Totals::default(), network.totals());
    let knowing = network.running().filter(|(_, node)| node.stack().newest > 0).count();
    println!("{knowing} know it, trace {}", network.trace());
}
