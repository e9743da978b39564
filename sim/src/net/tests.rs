//! Secure pairs and bare ports on the simulated network.

use super::*;
use crate::scenario::{Secure, addr, node};
use tellask::p2pke::channel::Timing;
use tellask::{Event, Limits, PeerAddr};

const A: MemoryAddr = MemoryAddr(0);
const B: MemoryAddr = MemoryAddr(1);

/// Tells its peer every tenth of a second, and keeps what it hears.
struct Talker {
    peer: Option<PeerAddr<MemoryAddr>>,
    next: Instant,
    told: u64,
    heard: Vec<(PeerAddr<MemoryAddr>, Vec<u8>)>,
}

impl App<Secure> for Talker {
    fn on_event(&mut self, cx: &mut Cx<'_, Secure>, event: Event<PeerAddr<MemoryAddr>>) {
        if let Event::Told(message) = event {
            cx.note(&message.payload);
            self.heard.push((message.src, message.payload.to_vec()));
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.peer.map(|_| self.next)
    }

    fn on_timeout(&mut self, cx: &mut Cx<'_, Secure>) {
        self.next = cx.now() + Duration::from_millis(100);
        if let Some(peer) = self.peer {
            let told = cx.tell(peer, self.told.to_le_bytes().to_vec());
            self.told += u64::from(told.is_ok());
        }
    }
}

type Talkers = Network<Secure, Talker>;

fn talkers(seed: u64, faults: Faults, idle: u32) -> Talkers {
    let mut network = Network::new(seed);
    network.set_faults(faults);
    for number in 0..2 + idle {
        let peer = (number < 2).then(|| addr(1, 1 - number));
        let next = network.now() + Duration::from_millis(u64::from(number));
        let app = Talker { peer, next, told: 0, heard: Vec::new() };
        let stack = node(1, number, 0, Timing::DEFAULT, &Limits::default());
        network.add(MemoryAddr(number), stack, app);
    }
    network
}

fn lossy() -> Faults {
    let mut faults = Faults::NONE;
    faults.loss = Chance::percent(20);
    faults.jitter = Duration::from_millis(30);
    faults.duplicate = Chance::percent(5);
    faults
}

#[test]
fn two_secure_nodes_talk_over_a_lossy_link_and_replay_to_the_same_trace() {
    let run = |seed| {
        let mut network = talkers(seed, lossy(), 0);
        network.run_for(Duration::from_secs(30));
        let heard = network.app_at(B).expect("there").heard.clone();
        assert!((200..300).contains(&heard.len()), "{} of 300", heard.len());
        assert!(heard.iter().all(|(src, _)| *src == addr(1, 0)));
        (network.trace(), heard)
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7).0, run(8).0);
}
