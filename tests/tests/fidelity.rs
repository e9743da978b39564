//! The toy suite stands in for the protocol's own: whatever happens, happens at the same times and in the same order.
//!
//! One node tells the others, and they answer nothing, so both sides never begin at once: then the ids
//! of two sessions would be compared, which are hashes.

use core::time::Duration;
use tellask::identity::SecretKey;
use tellask::p2pke::channel::Timing;
use tellask::swarm::Undeliverable;
use tellask::{Event, Instant, Limits, MemoryAddr, PeerAddr};
use tellask_sim::net::{App, Chance, Cx, DatagramId, Fate, Faults, Network, Sighting, Tap};
use tellask_sim::scenario::{Made, Secure, Suite, addr, node, timing};
use tellask_sim::toy;

const SEED: u64 = 7;
const NODES: u32 = 4;
const INTERVAL: Duration = Duration::from_millis(7);

/// Tells each other node in turn, or says what it hears.
struct Teller {
    next: Option<Instant>,
    turn: u64,
}

#[derive(Clone, Debug, PartialEq)]
enum Said {
    Heard(PeerAddr<MemoryAddr>, Vec<u8>),
    Up(MemoryAddr),
    Down(MemoryAddr, String),
    Undelivered(MemoryAddr, Undeliverable),
    Other,
}

impl App<Secure> for Teller {
    type Note = Said;

    fn on_event(&mut self, cx: &mut Cx<'_, Secure, Said>, event: Event<PeerAddr<MemoryAddr>>) {
        let said = if let Event::Told(message) = event {
            Said::Heard(message.src, message.payload.to_vec())
        } else if let Event::PeerUp { addr, .. } = event {
            Said::Up(addr.addr)
        } else if let Event::PeerDown { addr, reason } = event {
            Said::Down(addr.addr, format!("{reason:?}"))
        } else if let Event::Undelivered { dst, reason } = event {
            Said::Undelivered(dst.addr, reason)
        } else {
            Said::Other
        };
        cx.say(said);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    fn on_timeout(&mut self, cx: &mut Cx<'_, Secure, Said>) {
        self.next = self.next.map(|next| next + INTERVAL);
        self.turn += 1;
        let to = 1 + (self.turn % u64::from(NODES - 1)) as u32;
        let _ =
            cx.tell(addr(SEED, to), self.turn.to_be_bytes().repeat(1 + self.turn as usize % 90));
    }
}

type Sent = (Instant, DatagramId, MemoryAddr, MemoryAddr, Fate, usize);

/// All that happened, but for the bytes.
#[derive(Debug, Default)]
struct Journal {
    datagrams: Vec<Sent>,
    said: Vec<(Instant, MemoryAddr, Said)>,
}

impl Tap<Said> for Journal {
    fn see(&mut self, sighting: &Sighting<'_>) {
        let Sighting { now, id, src, dst, fate, bytes } = *sighting;
        self.datagrams.push((now, id, src, dst, fate, bytes.len()));
    }

    fn hear(&mut self, now: Instant, addr: MemoryAddr, said: Said) {
        self.said.push((now, addr, said));
    }
}

fn play(suite: Suite) -> Journal {
    let made = Made { timing: timing(), limits: Limits::default(), suite };
    let mut network = Network::tapped(SEED, Journal::default());
    let mut faults = Faults::NONE;
    faults.loss = Chance::percent(20);
    faults.duplicate = Chance::percent(5);
    faults.flip = Chance::percent(3);
    faults.truncate = Chance::percent(1);
    faults.jitter = Duration::from_millis(40);
    network.set_faults(faults);
    let start = network.now() + INTERVAL;
    for number in 0..NODES {
        let next = (number == 0).then_some(start);
        network.add(MemoryAddr(number), node(SEED, number, 0, &made), Teller { next, turn: 0 });
    }
    network.run_for(Duration::from_secs(20));
    // One forgets everything, and is found again; another is out of reach for as long.
    network.crash(MemoryAddr(1));
    network.cut(MemoryAddr(2), MemoryAddr(0));
    network.run_for(Timing::DEFAULT.silence * 2);
    network.start(MemoryAddr(1), node(SEED, 1, 1, &made));
    network.mend_all();
    network.run_for(Duration::from_secs(30));
    core::mem::take(network.tap_mut())
}

#[test]
fn the_toy_suite_gives_the_same_events_in_the_same_order_as_the_protocols_own() {
    let (own, toy) = (play(Suite::Own), play(Suite::Toy));
    for (nth, (own, toy)) in own.datagrams.iter().zip(&toy.datagrams).enumerate() {
        assert_eq!(own, toy, "datagram {nth}");
    }
    assert_eq!(own.datagrams.len(), toy.datagrams.len());
    for (nth, (own, toy)) in own.said.iter().zip(&toy.said).enumerate() {
        assert_eq!(own, toy, "event {nth}");
    }
    assert_eq!(own.said.len(), toy.said.len());

    // Or it would say little.
    let count = |wanted: fn(&Said) -> bool| own.said.iter().filter(|said| wanted(&said.2)).count();
    assert!(count(|said| matches!(said, Said::Heard(..))) > 5_000);
    assert!(count(|said| matches!(said, Said::Down(..))) > 0);
    assert!(count(|said| matches!(said, Said::Undelivered(..))) > 0);
}

#[tokio::test]
async fn a_node_on_a_socket_takes_a_toy_key_for_the_protocols_own() {
    let node = |key| {
        let on = "127.0.0.1:0".parse().expect("an address");
        tellask_tokio::udp(on).secured(key).spawn()
    };
    let toy = node(toy::key(&[1; 32])).await.expect("a free port");
    let own = node(SecretKey::from_seed(&[2; 32])).await.expect("a free port");
    // Whoever has no toys understands it.
    own.tell(&toy.local_addrs()[0], "hello").await.expect("they speak the same");
    assert_eq!(&toy.receive().await.expect("it comes").payload[..], b"hello");
}
