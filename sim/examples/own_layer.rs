//! A protocol of one's own, alone on the network: a rumour that reaches everybody although half of all is lost.
//!
//! ```sh
//! cargo run -p tellask-sim --example own_layer
//! ```

use core::time::Duration;
use tellask::stats::StatsSink;
use tellask::{Datagram, DatagramInput, Instant, Layer, MemoryAddr};
use tellask_sim::net::{Chance, Faults, Network};

const NODES: u32 = 64;
const PAUSE: Duration = Duration::from_millis(100);

/// Whoever knows the rumour passes it on ten times a second, each time to another node.
struct Gossip {
    knows: bool,
    to: u32,
    next: Instant,
    out: Option<Datagram<MemoryAddr>>,
}

impl Layer for Gossip {
    type Input = DatagramInput<MemoryAddr>;
    type Transmit = Datagram<MemoryAddr>;
    type Command = ();
    type Event = ();

    fn handle_input(&mut self, _: Instant, input: Self::Input) {
        self.knows |= matches!(input, DatagramInput::Datagram { .. });
    }

    fn handle_command(&mut self, _: Instant, (): ()) {}

    fn handle_timeout(&mut self, now: Instant) {
        if now >= self.next {
            (self.next, self.to) = (now + PAUSE, (self.to * 5 + 1) % NODES);
            let rumour =
                || Datagram { src: None, dst: MemoryAddr(self.to), payload: "psst".into() };
            self.out = self.knows.then(rumour);
        }
    }

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        self.out.take()
    }

    fn poll_event(&mut self) -> Option<()> {
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Some(self.next)
    }

    fn stats(&self, _: &mut dyn StatsSink) {}
}

fn simulate(seed: u64) -> Network<Gossip> {
    let mut network = Network::new(seed);
    let mut faults = Faults::NONE;
    faults.loss = Chance::percent(50);
    network.set_faults(faults);
    for number in 0..NODES {
        let next = network.now() + PAUSE * (number + 1) / NODES;
        let gossip = Gossip { knows: number == 0, to: number, next, out: None };
        network.add(MemoryAddr(number), gossip, ());
    }
    network.run_for(Duration::from_secs(5));
    network
}

pub(crate) fn main() {
    let network = simulate(7);
    assert!(network.running().all(|(_, node)| node.stack().knows), "everybody knows it");
    let sent = network.totals().sent;
    println!("{NODES} nodes know it after {sent} datagrams, trace {}", network.trace());
    // What happened once happens again.
    assert_eq!(simulate(7).trace(), network.trace());
}
