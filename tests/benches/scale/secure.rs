//! Secure nodes that tell their neighbours, one after the other.

use super::on_core::Began;
use core::time::Duration;
use std::sync::Arc;
use tellask::p2pke::channel::Timing;
use tellask::{Event, Instant, Limits, MemoryAddr, PeerAddr};
use tellask_sim::net::{App, Cx, Faults, Network};
use tellask_sim::scenario::{Made, Secure, Suite, addr, node};
use tellask_sim::topology::Topology;

const SEED: u64 = 1;
const DEGREE: usize = 8;
const SECOND: Duration = Duration::from_secs(1);

/// Tells the next of its neighbours every second.
struct Teller {
    everybody: Arc<[PeerAddr<MemoryAddr>]>,
    neighbours: [u32; DEGREE],
    turn: usize,
    next: Instant,
    heard: u64,
}

impl App<Secure> for Teller {
    type Note = ();

    fn on_event(&mut self, _: &mut Cx<'_, Secure>, event: Event<PeerAddr<MemoryAddr>>) {
        self.heard += u64::from(matches!(event, Event::Told(_)));
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Some(self.next)
    }

    fn on_timeout(&mut self, cx: &mut Cx<'_, Secure>) {
        self.next = self.next + SECOND;
        let neighbour = self.neighbours[self.turn % DEGREE];
        self.turn += 1;
        let told = cx.tell(self.everybody[neighbour as usize], [0x5a; 64].to_vec());
        assert!(told.is_ok(), "{told:?}");
    }
}

pub(crate) fn run(nodes: usize, seconds: u64) {
    let began = Began::now();
    let topology = Topology::random_regular(nodes, DEGREE, SEED).expect("there is such a graph");
    let everybody: Arc<[_]> = (0..nodes as u32).map(|number| addr(SEED, number)).collect();
    let made = Made { timing: Timing::DEFAULT, limits: Limits::default(), suite: Suite::Toy };
    let mut network = Network::new(SEED);
    let mut faults = Faults::NONE;
    faults.jitter = Duration::from_millis(40);
    network.set_faults(faults);
    let start = network.now();
    for number in 0..nodes {
        let mut neighbours = [0; DEGREE];
        for (to, from) in neighbours.iter_mut().zip(topology.neighbours(number)) {
            *to = from as u32;
        }
        let teller = Teller {
            everybody: Arc::clone(&everybody),
            neighbours,
            turn: number,
            next: start + SECOND / nodes as u32 * number as u32,
            heard: 0,
        };
        network.add(MemoryAddr(number as u32), node(SEED, number as u32, 0, &made), teller);
    }
    println!("{nodes} secure nodes were made in {:.1} s", began.wall().as_secs_f64());

    // In the first eight seconds everybody meets everybody that it knows.
    let whole = Began::now();
    let mut before = network.totals();
    let handshakes = seconds.min(DEGREE as u64);
    for (what, part) in [("meeting", handshakes), ("telling", seconds - handshakes)] {
        let began = Began::now();
        network.step_until(network.now() + SECOND * part as u32);
        super::say(what, part, began, before, network.totals());
        before = network.totals();
    }
    network.step_until(network.now() + SECOND);
    super::say("in all", seconds + 1, whole, tellask_sim::net::Totals::default(), before);
    let heard: u64 = network.apps().map(|(_, app)| app.heard).sum();
    println!("{heard} heard of {} told, trace {}", nodes as u64 * (seconds + 1), network.trace());
}
