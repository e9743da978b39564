//! Asking, over a path without any security.

use super::attacker::{Attacker, Passed, datagrams};
use core::time::Duration;
use std::collections::BTreeSet;
use tellask::ask::Asking;
use tellask::swarm::{AskId, Command};
use tellask::{
    BytesMut, Datagram, DatagramInput, DatagramPort, Event, Instant, Limits, MemoryAddr, Node,
    Seed, Stack,
};

/// [`asked`], for its assertions; and the same bytes cut into datagrams from strangers.
pub fn asks(data: &[u8]) {
    asked(data);
    let mut node = asker(1, 1);
    let mut now = Instant::ZERO;
    for (n, payload) in datagrams(data).enumerate() {
        now = now + Duration::from_millis(1);
        let (src, dst) = (MemoryAddr(7 + n as u32 % 3), MemoryAddr(1));
        node.handle_input(now, DatagramInput::Datagram { src, dst, payload });
        node.handle_timeout(now);
        while node.poll_transmit().is_some() {}
        while node.poll_event().is_some() {}
        keeps_to_its_budgets(&node);
    }
}

/// An attacker on the path of one node that asks and another that answers; `data` is the list of what it does.
/// Nothing is secured here, so it may change what is said, and what both sides believe of their session. But
/// every request has one outcome by its deadline; the budgets are kept; once it has gone, an asker that begins
/// anew is answered; and at the end nothing waits.
/// Returns how many requests were answered.
///
/// # Panics
/// Where that is not so.
pub fn asked(data: &[u8]) -> u32 {
    let mut pair = Pair {
        nodes: [asker(1, 1), asker(2, 2)],
        attacker: Attacker::new(data),
        now: Instant::ZERO,
        asked: 0,
        open: BTreeSet::new(),
        answered: 0,
    };
    while pair.attacker.is_here() {
        let len = usize::from(pair.attacker.byte());
        pair.ask(len * len / 4);
        pair.now = pair.now + Duration::from_millis(20);
        pair.round(true);
        pair.nodes.iter().for_each(keeps_to_its_budgets);
    }
    // A deadline later all have their outcomes, and the two have forgotten what they were made to believe.
    pair.wait(PATIENCE);
    assert_eq!(pair.open, BTreeSet::new(), "requests without an outcome");
    pair.nodes[0] = asker(1, 3);
    let before = pair.answered;
    pair.ask(3_000);
    assert_eq!(pair.nodes[0].stats().value("ask.asked_bytes"), 3_000);
    pair.wait(PATIENCE);
    assert_eq!(pair.answered, before + 1, "the attacker has gone, and has left something behind");
    pair.wait(Duration::from_secs(70));
    for node in &pair.nodes {
        for figure in ["asks", "owed", "asked_bytes", "parts_bytes", "remembered_bytes"] {
            assert_eq!(node.stats().value(&format!("ask.{figure}")), 0, "{figure} at the end");
        }
    }
    pair.answered
}

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(4);
const RECEIVING: usize = 40_000;
const REMEMBERED: usize = 50_000;

type Asker = Node<Stack<DatagramPort<MemoryAddr>, Asking<MemoryAddr>>>;

fn asker(addr: u32, seed: u64) -> Asker {
    let (mut limits, seed) = (Limits::default(), Seed::from_u64(seed));
    (limits.ask_max, limits.ask_peers) = (20_000, 2);
    (limits.ask_receiving_per_peer, limits.ask_receiving) = (30_000, RECEIVING);
    (limits.ask_remembered_per_peer, limits.ask_remembered) = (40_000, REMEMBERED);
    let asking = Asking::new(&seed, &limits);
    let mut node = Node::new(Stack::new(DatagramPort::new(&limits), asking));
    let bound = DatagramInput::Bound { local: vec![MemoryAddr(addr)], mtu: 1_400 };
    node.handle_input(Instant::ZERO, bound);
    node
}

fn keeps_to_its_budgets(node: &Asker) {
    let stats = node.stats();
    assert!(stats.value("ask.parts_bytes") <= RECEIVING as u64);
    assert!(stats.value("ask.remembered_bytes") <= REMEMBERED as u64);
    assert!(stats.value("ask.peers") <= 2);
}

/// The first node asks, the second answers with as many bytes.
struct Pair<'a> {
    nodes: [Asker; 2],
    attacker: Attacker<'a>,
    now: Instant,
    asked: u64,
    open: BTreeSet<u64>,
    answered: u32,
}

impl Pair<'_> {
    fn ask(&mut self, len: usize) {
        let (id, request) = (AskId::new(self.asked), vec![0x5a; len]);
        let deadline = self.now + PATIENCE;
        self.asked += 1;
        if self.nodes[0].ask(self.now, id, MemoryAddr(2), request, deadline).is_ok() {
            self.open.insert(id.seq);
        }
    }

    /// Everything that is sent now arrives, or what the attacker makes of it.
    fn round(&mut self, attacked: bool) {
        for from in [0, 1] {
            self.nodes[from].finish_round(self.now);
            while let Some(Datagram { payload, .. }) = self.nodes[from].poll_transmit() {
                let datagram = payload.into_mut();
                if !attacked {
                    self.deliver(1 - from, datagram);
                    continue;
                }
                let Passed { forward, back } = self.attacker.pass(datagram);
                forward.into_iter().for_each(|datagram| self.deliver(1 - from, datagram));
                back.into_iter().for_each(|datagram| self.deliver(from, datagram));
            }
        }
        for node in [0, 1] {
            while let Some(event) = self.nodes[node].poll_event() {
                self.hear(node, event);
            }
        }
    }

    /// As often as one of the two has something to do.
    fn wait(&mut self, how_long: Duration) {
        let until = self.now + how_long;
        while self.now < until {
            let due = self.nodes.iter().filter_map(Asker::poll_timeout).min();
            let soon = self.now + Duration::from_millis(1);
            self.now = due.unwrap_or(until).max(soon).min(until);
            self.round(false);
        }
    }

    fn hear(&mut self, node: usize, event: Event<MemoryAddr>) {
        if let Event::Asked { token, message, .. } = event {
            let result = Ok(message.payload.freeze().into());
            let answer = Command::Answer { token, dst: message.src, result };
            self.nodes[node].handle_command(self.now, answer);
        } else if let Event::Answered { id, result } = event {
            assert!(self.open.remove(&id.seq), "an outcome of what was not asked, or a second one");
            self.answered += u32::from(result.is_ok());
        }
    }

    fn deliver(&mut self, to: usize, payload: BytesMut) {
        let (src, dst) = (MemoryAddr(2 - to as u32), MemoryAddr(1 + to as u32));
        self.nodes[to].handle_input(self.now, DatagramInput::Datagram { src, dst, payload });
    }
}
