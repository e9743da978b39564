//! Floods of asks.

use super::{NOW, PEER, counting, figure, grown, link, told, uvarint};
use core::time::Duration;
use tellask::ask::Asking;
use tellask::outbox::OVERHEAD;
use tellask::swarm::{AskError, AskId, Token};
use tellask::{BytesMut, Command, Event, Instant, Layer, Limits, MemoryAddr, Seed};

type Node = Asking<MemoryAddr>;

/// What the side below takes.
const BELOW: usize = 1_200;
/// What a peer takes, in bytes, beyond what counts: mostly the packets of a first window that it has not
/// acknowledged, each as small as a refusal.
const OF_A_PEER: usize = 20 * 1_024;
/// What a request takes beyond its bytes, and beyond [`OVERHEAD`] where that counts.
const OF_A_REQUEST: usize = 640;
/// What stays for the next, and what is on its way to the test.
const SLACK: usize = 64 * 1_024;
/// How long requests are waited for, in milliseconds.
const PATIENCE: u64 = 120_000;
const STALL: Duration = Duration::from_secs(60);

fn node(limits: &Limits) -> Node {
    let mut node = Node::new(&Seed::from_u64(1), limits);
    node.handle_input(NOW, link(BELOW));
    assert!(events(&mut node).is_empty());
    node
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    (limits.asks_per_peer, limits.ask_peers) = (1_000, 1_000);
    limits
}

fn events(node: &mut Node) -> Vec<Event<MemoryAddr>> {
    let events = core::iter::from_fn(|| node.poll_event());
    events.filter(|event| !matches!(event, Event::Link(_))).collect()
}

/// Does what is due, and lets go of what the node sends: nothing of it ever arrives.
fn settle(node: &mut Node, now: Instant) {
    node.handle_timeout(now);
    while node.poll_transmit().is_some() {}
}

/// The head of a packet with one part, of the session that its sender calls by its address, to the session `to`.
fn head(src: MemoryAddr, to: u64, number: u64) -> BytesMut {
    let mut packet = BytesMut::with_capacity(BELOW);
    packet.extend_from_slice(&[0x11]);
    packet.extend_from_slice(&u64::from(src.0 + 1).to_be_bytes());
    packet.extend_from_slice(&to.to_be_bytes());
    uvarint(number, &mut packet);
    packet.extend_from_slice(&[0]);
    packet
}

/// A part of the request `id`: the total length, where it begins and what it carries.
#[derive(Clone, Copy)]
struct Request {
    id: u64,
    lowest: u64,
    total: u64,
    offset: u64,
    len: usize,
}

impl Request {
    const fn whole(id: u64, len: usize) -> Self {
        Self { id, lowest: 1, total: len as u64, offset: 0, len }
    }

    const fn first(id: u64, total: u64) -> Self {
        Self { id, lowest: 1, total, offset: 0, len: 100 }
    }
}

/// What peers send, each packet under a number of its own.
struct Flood {
    node: Node,
    now: Instant,
    number: u64,
    /// Requests that the application has.
    asked: Vec<(MemoryAddr, Token)>,
    base: usize,
}

impl Flood {
    fn on(limits: &Limits) -> Self {
        let asked = Vec::with_capacity(10_000);
        let node = node(limits);
        Self { node, now: NOW, number: 0, asked, base: counting::begin() }
    }

    fn packet(&mut self, src: MemoryAddr, frame: &[u64], len: usize) {
        let mut packet = head(src, 0, self.number);
        self.number += 1;
        for number in frame {
            uvarint(*number, &mut packet);
        }
        packet.resize(packet.len() + len, 0x5a);
        self.now = self.now + Duration::from_micros(10);
        self.node.handle_input(self.now, told(src, packet));
        while let Some(event) = self.node.poll_event() {
            if let Event::Asked { token, message, .. } = event {
                self.asked.push((message.src, token));
            }
        }
        settle(&mut self.node, self.now);
    }

    fn request(&mut self, src: MemoryAddr, request: Request) {
        let Request { id, lowest, total, offset, len } = request;
        self.packet(src, &[1, id, lowest, PATIENCE, total, offset], len);
    }

    fn cancel(&mut self, src: MemoryAddr, id: u64) {
        self.packet(src, &[3, id, 1], 0);
    }

    fn answer(&mut self, (dst, token): (MemoryAddr, Token), len: usize) {
        let result = Ok(vec![0x5a; len].into());
        self.node.handle_command(self.now, Command::Answer { token, dst, result });
        settle(&mut self.node, self.now);
    }

    fn figure(&self, name: &'static str) -> usize {
        figure(&self.node, name)
    }

    /// Nothing came any more until everybody had given up: only what is known of peers is left.
    fn end(mut self, peers: usize) {
        for _ in 0..200 {
            self.now = self.now + Duration::from_secs(1);
            settle(&mut self.node, self.now);
            drop(events(&mut self.node));
        }
        assert_eq!(self.figure("owed") + self.figure("asks"), 0);
        assert_eq!(self.figure("parts_bytes") + self.figure("asked_bytes"), 0);
        let left = counting::live() - self.base;
        assert!(left <= peers * OF_A_PEER + SLACK, "{left} bytes were not given back");
    }
}

fn from(number: usize) -> MemoryAddr {
    MemoryAddr(100 + number as u32)
}

#[test]
fn a_peer_is_owed_answers_up_to_their_number_and_whoever_else_asks_is_answered() {
    let mut limits = limits();
    limits.asks_per_peer = 100;
    let mut flood = Flood::on(&limits);
    for id in 1..=2_000 {
        flood.request(PEER, Request::whole(id, 100));
        assert_eq!(flood.figure("owed"), (id as usize).min(100));
    }
    assert_eq!((flood.asked.len(), flood.figure("refused_busy")), (100, 1_900));
    flood.request(from(1), Request::whole(1, 100));
    assert_eq!(flood.asked.len(), 101, "somebody else is not kept out");
    let grown = grown(flood.base);
    eprintln!("owed 101: {grown}");
    assert!(grown <= 101 * OF_A_REQUEST + 2 * OF_A_PEER + SLACK, "{grown}");
    flood.end(2);
}

#[test]
fn requests_that_nobody_answers_fill_what_is_remembered_in_all_to_the_last_and_no_more() {
    for (budget, fit) in [(1_000 * OVERHEAD, 1_000), (1_000 * OVERHEAD - 1, 999)] {
        let mut limits = limits();
        limits.ask_remembered = budget;
        let mut flood = Flood::on(&limits);
        for count in 0..2_000 {
            flood.request(from(count % 20), Request::whole(1 + count as u64 / 20, 100));
        }
        assert_eq!((flood.figure("owed"), flood.asked.len()), (fit, fit));
        assert_eq!(flood.figure("remembered_bytes"), fit * OVERHEAD);
        let grown = grown(flood.base);
        eprintln!("owed {fit}: {grown}");
        assert!(grown <= budget + fit * OF_A_REQUEST + 20 * OF_A_PEER + SLACK, "{grown}");
        flood.end(20);
    }
}

#[test]
fn requests_that_never_come_whole_fill_their_bytes_to_the_last_and_no_more() {
    const EACH: usize = 50_000;
    for (budget, fit) in [(40 * EACH, 40), (40 * EACH - 1, 39)] {
        for peers in [1, 20] {
            let mut limits = limits();
            if peers == 1 {
                limits.ask_receiving_per_peer = budget;
            } else {
                limits.ask_receiving = budget;
            }
            let mut flood = Flood::on(&limits);
            for count in 0..400 {
                flood.request(from(count % peers), Request::first(1 + count as u64, EACH as u64));
                assert!(flood.figure("parts_bytes") <= budget);
            }
            assert_eq!(flood.figure("parts_bytes"), fit * EACH);
            assert_eq!(flood.figure("refused_busy"), 400 - fit);
            // What comes in one part needs no room.
            flood.request(PEER, Request::whole(1, 1_000));
            assert_eq!(flood.asked.len(), 1);
            let grown = grown(flood.base);
            eprintln!("{fit} in parts from {peers}: {grown} of {budget}");
            let beside = fit * OF_A_REQUEST + (peers + 1) * OF_A_PEER + SLACK;
            assert!(grown <= budget + beside, "{grown} of {budget}");
            // Whoever sends no more of them loses its room before its deadline.
            flood.now = flood.now + STALL;
            settle(&mut flood.node, flood.now);
            assert_eq!(flood.figure("parts_bytes"), 0);
            flood.end(peers + 1);
        }
    }
}

#[test]
fn parts_that_come_scattered_take_no_more_than_the_same_bytes() {
    const EACH: usize = 500_000;
    for spare in [0, 20_000] {
        let mut limits = limits();
        limits.ask_receiving_per_peer = 4 * EACH + spare;
        let mut flood = Flood::on(&limits);
        for offset in (0..EACH as u64).step_by(100) {
            for id in 1..=4 {
                let request = Request { offset, len: 1, ..Request::first(id, EACH as u64) };
                flood.request(PEER, request);
                assert!(flood.figure("parts_bytes") <= limits.ask_receiving_per_peer);
            }
        }
        let held = flood.figure("parts_bytes");
        assert!(held > 4 * EACH + spare - 2 * OVERHEAD && flood.figure("rejected_misfit") > 0);
        let grown = grown(flood.base);
        eprintln!("scattered: {grown} of {held}");
        assert!(grown <= held + 4 * OF_A_REQUEST + OF_A_PEER + SLACK, "{grown} of {held}");
        flood.end(1);
    }
}

#[test]
fn answers_are_remembered_to_the_last_byte_for_a_peer_and_in_all() {
    for peers in [1, 10] {
        let mut limits = limits();
        let budget = peers * 50_000;
        if peers == 1 {
            limits.ask_remembered_per_peer = budget;
        } else {
            limits.ask_remembered = budget;
        }
        let mut flood = Flood::on(&limits);
        let (mut answered, mut left) = (0, budget);
        while left > 2_000 {
            flood.request(from(answered % peers), Request::whole(1 + answered as u64, 10));
            let asked = flood.asked.pop().expect("there is room");
            flood.answer(asked, 900);
            (answered, left) = (answered + 1, left - 900 - OVERHEAD);
            assert_eq!(flood.figure("remembered_bytes"), budget - left);
        }
        for id in [10_000, 10_001, 10_002] {
            flood.request(from(0), Request::whole(id, 10));
        }
        // One byte more than there is room for is refused as too large; what fills it is taken.
        let room = left - 3 * OVERHEAD;
        let [first, second, third] = [0, 1, 2].map(|at| flood.asked[at]);
        flood.answer(first, room + 1);
        assert_eq!(flood.figure("refused_unremembered"), 1);
        flood.answer(second, room);
        assert_eq!(flood.figure("refused_unremembered"), 1);
        assert_eq!(flood.figure("remembered_bytes"), budget);
        flood.answer(third, 1);
        assert_eq!(flood.figure("refused_unremembered"), 2);
        // And whoever asks now is refused beforehand, so that nothing runs twice.
        flood.request(from(peers - 1), Request::whole(20_000, 10));
        assert_eq!((flood.asked.len(), flood.figure("refused_busy")), (3, 1));
        if peers == 1 {
            flood.request(PEER, Request::whole(1, 10));
            assert_eq!(flood.asked.len(), 4, "somebody else has bytes of its own");
        }
        let grown = grown(flood.base);
        eprintln!("{answered} answers remembered: {grown} of {budget}");
        assert!(grown <= budget + (answered + 4) * OF_A_REQUEST + 2 * peers * OF_A_PEER + SLACK);
        flood.end(peers + 1);
    }
}

#[test]
fn gaps_between_requests_that_are_over_or_refused_are_remembered_within_the_same_bytes() {
    for (peers, each) in [(1, 4_000), (20, 1_000)] {
        let mut limits = limits();
        limits.asks_per_peer = 1;
        let budget = peers * 20_000;
        (limits.ask_remembered_per_peer, limits.ask_remembered) = (budget, budget);
        let mut flood = Flood::on(&limits);
        for id in 1..=each {
            for peer in 0..peers {
                flood.cancel(from(peer), 2 * id);
                flood.request(from(peer), Request::whole(2 * id + 1, 10));
                assert!(flood.figure("remembered_bytes") <= budget);
            }
        }
        assert!(flood.figure("remembered_bytes") + 2 * OVERHEAD > budget);
        let grown = grown(flood.base);
        eprintln!("gaps of {peers}: {grown} of {budget}");
        assert!(grown <= budget + peers * (OF_A_PEER + OF_A_REQUEST) + SLACK, "{grown}");
        // What is below the lowest is forgotten.
        for peer in 0..peers {
            let lowest = 4 * each;
            flood.request(from(peer), Request { lowest, ..Request::whole(lowest, 10) });
        }
        assert_eq!(flood.figure("remembered_bytes"), peers * OVERHEAD);
        flood.end(peers);
    }
}

#[test]
fn refusals_and_what_they_refused_do_not_pile_up_while_nothing_is_acknowledged() {
    let mut limits = limits();
    limits.asks_per_peer = 1;
    // Busy: the next ones.
    let mut busy = Flood::on(&limits);
    for id in 1..=20_000 {
        busy.request(PEER, Request::whole(id, 10));
    }
    assert_eq!(busy.figure("refused_busy"), 19_999);
    let grown_by_busy = grown(busy.base);
    busy.end(1);
    // Too large: the asker says each time that it waits no more for the one before.
    let mut large = Flood::on(&limits);
    for id in 1..=20_000 {
        large.request(PEER, Request { lowest: id, ..Request::first(id, 1 << 40) });
    }
    assert_eq!(large.figure("refused_too_large"), 20_000);
    let grown_by_large = grown(large.base);
    large.end(1);
    eprintln!("refusals: {grown_by_busy} and {grown_by_large}");
    assert!(grown_by_busy <= OF_A_REQUEST + OF_A_PEER + SLACK, "{grown_by_busy}");
    assert!(grown_by_large <= OF_A_REQUEST + OF_A_PEER + SLACK, "{grown_by_large}");
}

#[test]
fn peers_are_kept_in_mind_up_to_their_number() {
    let mut limits = limits();
    limits.ask_peers = 200;
    // Of each a request is outstanding, so none makes room.
    let mut flood = Flood::on(&limits);
    for peer in 0..3_000 {
        flood.request(from(peer), Request::whole(1, 10));
        assert_eq!(flood.figure("peers"), (peer + 1).min(200));
    }
    assert_eq!((flood.asked.len(), flood.figure("rejected_full")), (200, 2_800));
    let grown_by_busy = grown(flood.base);
    assert!(grown_by_busy <= 200 * (OF_A_PEER + OF_A_REQUEST) + SLACK, "{grown_by_busy}");
    flood.end(200);
    // Nothing is outstanding: the new one takes the place of an old one.
    let mut flood = Flood::on(&limits);
    for peer in 0..3_000 {
        flood.packet(from(peer), &[4, 1], 0);
        assert!(flood.figure("peers") <= 200);
    }
    assert!(flood.figure("peers_evicted") > 0 && flood.figure("challenges_sent") > 0);
    let grown = grown(flood.base);
    eprintln!("200 peers: {grown_by_busy} and {grown}");
    assert!(grown <= 200 * OF_A_PEER + SLACK, "{grown}");
    flood.end(200);
}

impl Flood {
    fn ask(&mut self, dst: MemoryAddr, len: usize) -> Result<(), AskError> {
        self.number += 1;
        let (id, deadline) = (AskId::new(self.number), self.now + STALL);
        let payload = vec![0x5a; len].into();
        self.node.handle_command(self.now, Command::Ask { id, dst, payload, deadline });
        settle(&mut self.node, self.now);
        match events(&mut self.node)
            .into_iter()
            .find(|event| matches!(event, Event::Answered { id: other, .. } if *other == id))
        {
            Some(Event::Answered { result, .. }) => result.map(drop),
            _ => Ok(()),
        }
    }
}

#[test]
fn requests_of_our_own_fill_their_bytes_up_to_the_mark_and_one_more_is_refused() {
    const EACH: usize = 30_000;
    for (mark, fit) in [(40 * EACH, 40), (40 * EACH + 1, 41)] {
        for peers in [1, 20] {
            let mut limits = limits();
            if peers == 1 {
                limits.ask_sending_per_peer = mark;
            } else {
                limits.ask_sending = mark;
            }
            let mut flood = Flood::on(&limits);
            let taken = (0..100).take_while(|nth| flood.ask(from(nth % peers), EACH).is_ok());
            assert_eq!((taken.count(), flood.figure("asked_bytes")), (fit, fit * EACH));
            assert_eq!(flood.ask(from(0), 1), Err(AskError::Full));
            assert_eq!(flood.ask(PEER, 1).is_ok(), peers == 1, "others may be asked");
            let grown = grown(flood.base);
            eprintln!("{fit} of our own to {peers}: {grown} of {mark}");
            let beside = (fit + 1) * OF_A_REQUEST + (peers + 1) * OF_A_PEER + SLACK;
            assert!(grown <= mark + EACH + beside, "{grown} of {mark}");
            flood.end(peers + 1);
        }
    }
}

#[test]
fn requests_of_our_own_to_one_peer_are_outstanding_up_to_their_number() {
    let mut limits = limits();
    limits.asks_per_peer = 100;
    let mut flood = Flood::on(&limits);
    assert_eq!((0..200).filter(|_| flood.ask(PEER, 10).is_ok()).count(), 100);
    assert_eq!(flood.figure("asks"), 100);
    assert!(grown(flood.base) <= 100 * OF_A_REQUEST + OF_A_PEER + SLACK);
    flood.end(1);
}

#[test]
fn requests_and_answers_over_the_largest_are_refused_and_hold_nothing() {
    let mut limits = limits();
    limits.ask_max = 100_000;
    let mut flood = Flood::on(&limits);
    flood.request(PEER, Request::first(1, 100_001));
    assert_eq!((flood.figure("refused_too_large"), flood.figure("parts_bytes")), (1, 0));
    flood.request(PEER, Request::first(2, 100_000));
    assert_eq!((flood.figure("refused_too_large"), flood.figure("parts_bytes")), (1, 100_000));
    assert_eq!(flood.ask(PEER, 100_001), Err(AskError::TooLarge { limit: 100_000 }));
    assert_eq!(flood.ask(PEER, 100_000), Ok(()));
    // It must fit into what waits for the application, too.
    (limits.ask_max, limits.receive) = (100_000, 50_000 + OVERHEAD);
    let mut flood = Flood::on(&limits);
    assert_eq!(flood.ask(PEER, 50_001), Err(AskError::TooLarge { limit: 50_000 }));
    assert_eq!(flood.ask(PEER, 50_000), Ok(()));
}

#[test]
fn answers_that_never_come_whole_fill_their_bytes_to_the_last_and_no_more() {
    const EACH: usize = 50_000;
    for (budget, fit) in [(40 * EACH, 40), (40 * EACH - 1, 39)] {
        let mut limits = limits();
        limits.ask_receiving_per_peer = budget;
        let mut node = node(&limits);
        let base = counting::begin();
        let mut name = [0; 8];
        for seq in 0..100 {
            let (id, deadline) = (AskId::new(seq), NOW + STALL);
            let ask = Command::Ask { id, dst: PEER, payload: vec![1].into(), deadline };
            node.handle_command(NOW, ask);
        }
        node.handle_timeout(NOW.next());
        while let Some(command) = node.poll_transmit() {
            if let Command::Tell { payload, .. } = command {
                name.copy_from_slice(&payload.into_bytes()[1..9]);
            }
        }
        for id in 0..100 {
            let mut packet = head(PEER, u64::from_be_bytes(name), id);
            for number in [2, id, 0, EACH as u64, 0] {
                uvarint(number, &mut packet);
            }
            packet.resize(packet.len() + 100, 0x5a);
            node.handle_input(NOW.next(), told(PEER, packet));
            settle(&mut node, NOW.next().next());
        }
        assert_eq!(figure(&node, "parts_bytes"), fit * EACH);
        assert_eq!(figure(&node, "rejected_full"), 100 - fit);
        let grown = grown(base);
        eprintln!("{fit} answers in parts: {grown} of {budget}");
        assert!(grown <= budget + 100 * OF_A_REQUEST + OF_A_PEER + SLACK, "{grown} of {budget}");
        node.handle_timeout(NOW + STALL);
        assert_eq!(figure(&node, "parts_bytes"), 0);
    }
}
