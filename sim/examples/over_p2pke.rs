//! A layer of one's own over p2pke, on a network with every fault, and somebody who watches what it promises.
//!
//! ```sh
//! cargo run -p tellask-sim --example over_p2pke
//! ```
//!
//! One node has a register and tells all others its value, again and again, since tells may be lost. The promise: at no
//! replica it ever goes back, whatever the network does. Take the comparison out, and the observer sees it.

use core::time::Duration;
use std::collections::BTreeMap;
use tellask::stats::StatsSink;
use tellask::{Command, Event, Instant, Layer, MemoryAddr, PeerAddr, Stack};
use tellask_sim::net::{App, Chance, Cx, Faults, Network, Sighting, Tap};
use tellask_sim::scenario::{Made, Secure, addr, node};

type Peer = PeerAddr<MemoryAddr>;

const SEED: u64 = 7;
const REPLICAS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(50);

/// The layer: commands set the register, events say what it is now.
struct Register {
    value: u64,
    replicas: Vec<Peer>,
    next: Option<Instant>,
    tells: Vec<Command<Peer>>,
    changed: Option<u64>,
}

impl Layer for Register {
    type Input = Event<Peer>;
    type Transmit = Command<Peer>;
    type Command = u64;
    type Event = u64;

    fn handle_input(&mut self, _: Instant, input: Event<Peer>) {
        // From a peer who proved that it has the key of the register's owner.
        if let Event::Told(message) = input
            && message.src == addr(SEED, 0)
            && let Some(bytes) = message.payload.first_chunk()
        {
            let value = u64::from_be_bytes(*bytes);
            // What was told later may arrive earlier.
            if value > self.value {
                self.value = value;
                self.changed = Some(value);
            }
        }
    }

    fn handle_command(&mut self, now: Instant, value: u64) {
        self.value = value;
        self.next = Some(now.next());
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.next.is_some_and(|next| next <= now) {
            self.next = Some(now + PAUSE);
            let payload = self.value.to_be_bytes().to_vec();
            let tell = |dst: &Peer| Command::Tell { dst: *dst, payload: payload.clone().into() };
            self.tells.extend(self.replicas.iter().map(tell));
        }
    }

    fn poll_transmit(&mut self) -> Option<Command<Peer>> {
        self.tells.pop()
    }

    fn poll_event(&mut self) -> Option<u64> {
        self.changed.take()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    fn stats(&self, sink: &mut dyn StatsSink) {
        sink.gauge("value", self.value);
    }
}

type Replica = Stack<Secure, Register>;

/// On each node: says what the layer says, for the observer.
struct Says;

impl App<Replica> for Says {
    type Note = u64;

    fn on_event(&mut self, cx: &mut Cx<'_, Replica, u64>, value: u64) {
        cx.say(value);
    }
}

/// The observer hears of every datagram, and of every value at every node.
#[derive(Default)]
struct Observer {
    datagrams: u64,
    values: BTreeMap<MemoryAddr, u64>,
}

impl Tap<u64> for Observer {
    fn see(&mut self, _: &Sighting<'_>) {
        self.datagrams += 1;
    }

    fn hear(&mut self, now: Instant, addr: MemoryAddr, value: u64) {
        let before = self.values.insert(addr, value);
        assert!(before < Some(value), "at {now} {addr:?} went back to {value} from {before:?}");
    }
}

fn bad() -> Faults {
    let mut faults = Faults::NONE;
    faults.loss = Chance::percent(20);
    faults.jitter = Duration::from_millis(80);
    faults.duplicate = Chance::percent(10);
    faults.flip = Chance::percent(5);
    faults
}

pub(crate) fn main() {
    let mut network: Network<Replica, Says, Observer> = Network::tapped(SEED, Observer::default());
    network.set_faults(bad());
    let stack = |number, life| {
        let replicas = (1..=REPLICAS).filter(|_| number == 0).map(|peer| addr(SEED, peer));
        let (replicas, tells) = (replicas.collect(), Vec::new());
        let register = Register { value: 0, replicas, next: None, tells, changed: None };
        Stack::new(node(SEED, number, life, &Made::default()), register)
    };
    for number in 0..=REPLICAS {
        network.add(MemoryAddr(number), stack(number, 0), Says);
    }
    for value in 1..=200 {
        network.app(MemoryAddr(0), |_, cx| cx.command(value));
        network.run_for(PAUSE);
        if value == 60 {
            network.cut(MemoryAddr(0), MemoryAddr(1));
            network.crash(MemoryAddr(2));
        }
    }
    // The faults are over: within seconds everybody has it.
    network.set_faults(Faults::NONE);
    network.mend_all();
    network.tap_mut().values.remove(&MemoryAddr(2)); // it forgot, so it begins anew
    network.start(MemoryAddr(2), stack(2, 1));
    network.run_for(Duration::from_secs(20));
    for (replica, value) in &network.tap().values {
        assert_eq!(*value, 200, "{replica:?}");
    }
    assert_eq!(network.tap().values.len(), REPLICAS as usize);
    println!("{} sightings, trace {}", network.tap().datagrams, network.trace());
}
