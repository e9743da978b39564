//! Nodes of QUIC in memory, joined by a network in the test's hands.

#![allow(clippy::wildcard_enum_match_arm, reason = "a test names what it looks for")]

mod attacks;
#[cfg(any(feature = "insecure-key-log", feature = "qlog"))]
mod diagnostics;
#[cfg(feature = "ml-kem")]
mod post_quantum;
mod pressure;

use super::*;
use crate::swarm::{
    AskError, AskId, DownReason, IdentifyError, Message, Refusal, Scope, Setting, Token,
    Undeliverable,
};
use crate::{Datagram, DatagramInput, DatagramPort, MemoryAddr, Node, Payload, Stack};
use bytes::BytesMut;
use core::time::Duration;
use std::vec;

type Quiet = Node<Stack<DatagramPort<MemoryAddr>, Quic<MemoryAddr>>>;
type Happened = Event<PeerAddr<MemoryAddr>>;

const MTU: usize = 1_400;
/// How long a datagram takes.
const DELAY: Duration = Duration::from_millis(10);

/// A datagram on its way: when it arrives, and the how-manieth it is.
type Flights = BTreeMap<(Instant, u64), (MemoryAddr, MemoryAddr, Vec<u8>)>;

struct World {
    now: Instant,
    nodes: Vec<Quiet>,
    flights: Flights,
    sent: u64,
    /// Everything that was ever sent.
    seen: Vec<(Instant, MemoryAddr, MemoryAddr, Vec<u8>)>,
    /// Nothing arrives.
    cut: bool,
    /// Nodes that are not at the address of their number.
    moved: BTreeMap<usize, MemoryAddr>,
}

fn key(number: u32) -> SecretKey {
    SecretKey::generate(&mut Seed::from_u64(number.into()).rng("key"))
}

fn addr(number: u32) -> PeerAddr<MemoryAddr> {
    PeerAddr { id: key(number).id(), addr: MemoryAddr(number) }
}

#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "any instant will do")]
fn epoch() -> Epoch {
    std::time::Instant::now().into()
}

fn layer(key: SecretKey, seed: u64, accept: Accept, limits: &Limits) -> Quic<MemoryAddr> {
    made(key, seed, limits, |setup| Setup { accept, ..setup })
}

/// A layer of which something is other than usual.
fn made(
    key: SecretKey,
    seed: u64,
    limits: &Limits,
    other: impl FnOnce(Setup<'_>) -> Setup<'_>,
) -> Quic<MemoryAddr> {
    let seed = &Seed::from_u64(seed);
    let setup = Setup { migrates: true, ..Setup::new(key, seed, epoch(), limits) };
    Quic::new(other(setup)).expect("there is TLS")
}

fn node(at: u32, layer: Quic<MemoryAddr>, limits: &Limits) -> Quiet {
    let mut node = Node::new(Stack::new(DatagramPort::new(limits), layer));
    let local = vec![MemoryAddr(at)];
    node.handle_input(Instant::ZERO, DatagramInput::Bound { local, mtu: MTU });
    while node.poll_event().is_some() {}
    node
}

impl World {
    /// Nodes 0 to `count`, at the addresses of their numbers.
    fn new(count: u32) -> Self {
        Self::with(count, &Limits::default())
    }

    fn with(count: u32, limits: &Limits) -> Self {
        let of = |number| {
            node(number, layer(key(number), number.into(), Accept::Anyone, limits), limits)
        };
        Self::of((0..count).map(of).collect())
    }

    fn of(nodes: Vec<Quiet>) -> Self {
        let now = Instant::ZERO + Duration::from_secs(1);
        Self {
            now,
            nodes,
            flights: Flights::new(),
            sent: 0,
            seen: Vec::new(),
            cut: false,
            moved: BTreeMap::new(),
        }
    }

    fn tell(&mut self, from: usize, to: u32, payload: &[u8]) {
        let payload = payload.to_vec();
        self.nodes[from].tell(self.now, addr(to), payload).expect("there is room");
    }

    fn ask(&mut self, from: usize, to: u32, seq: u64, payload: &[u8]) {
        let deadline = self.now + Duration::from_secs(20);
        let payload = Payload::from(payload.to_vec());
        let command = Command::Ask { id: AskId::new(seq), dst: addr(to), payload, deadline };
        self.nodes[from].handle_command(self.now, command);
    }

    fn command(&mut self, of: usize, command: Command<PeerAddr<MemoryAddr>>) {
        self.nodes[of].handle_command(self.now, command);
    }

    /// What the nodes send is on its way.
    fn collect(&mut self) {
        for (number, node) in self.nodes.iter_mut().enumerate() {
            while let Some(Datagram { dst, payload, .. }) = node.poll_transmit() {
                let src = self.moved.get(&number).copied().unwrap_or(MemoryAddr(number as u32));
                let bytes = payload.into_bytes().to_vec();
                self.seen.push((self.now, src, dst, bytes.clone()));
                if !self.cut {
                    self.flights.insert((self.now + DELAY, self.sent), (src, dst, bytes));
                    self.sent += 1;
                }
            }
        }
    }

    fn inject(&mut self, src: MemoryAddr, dst: MemoryAddr, bytes: &[u8]) {
        let moved = self.moved.iter().find(|(_, at)| **at == dst).map(|(node, _)| *node);
        let at_home = Some(dst.0 as usize).filter(|node| !self.moved.contains_key(node));
        if let Some(node) = moved.or(at_home).and_then(|node| self.nodes.get_mut(node)) {
            let payload = BytesMut::from(bytes);
            node.handle_input(self.now, DatagramInput::Datagram { src, dst, payload });
        }
    }

    /// Lets time pass, step by step.
    fn run(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            self.collect();
            let timer = self.nodes.iter().filter_map(Node::poll_timeout).min();
            let flight = self.flights.first_key_value().map(|((at, _), _)| *at);
            let Some(next) = earliest(timer, flight).filter(|next| *next <= until) else { break };
            self.now = self.now.max(next);
            while let Some(flight) = self.flights.first_entry()
                && flight.key().0 <= self.now
            {
                let (src, dst, bytes) = flight.remove();
                self.inject(src, dst, &bytes);
            }
            for node in &mut self.nodes {
                node.handle_timeout(self.now);
            }
        }
        self.now = until;
    }

    fn events(&mut self, of: usize) -> Vec<Happened> {
        core::iter::from_fn(|| self.nodes[of].poll_event()).collect()
    }

    fn told(&mut self, of: usize) -> Vec<Vec<u8>> {
        let events = self.events(of).into_iter();
        events.filter_map(message).map(|message| message.payload.to_vec()).collect()
    }

    fn value(&self, of: usize, name: &str) -> u64 {
        self.nodes[of].stats().value(&std::format!("quic.{name}"))
    }
}

fn message(event: Happened) -> Option<Message<PeerAddr<MemoryAddr>>> {
    match event {
        Event::Told(message) => Some(message),
        _ => None,
    }
}

fn asked(events: Vec<Happened>) -> Vec<(Token, Message<PeerAddr<MemoryAddr>>, Instant)> {
    let requests = events.into_iter().filter_map(|event| match event {
        Event::Asked { token, message, deadline } => Some((token, message, deadline)),
        _ => None,
    });
    requests.collect()
}

fn answered(events: Vec<Happened>) -> Vec<(u64, Result<Vec<u8>, AskError>)> {
    let outcomes = events.into_iter().filter_map(|event| match event {
        Event::Answered { id, result } => Some((id.seq, result.map(|body| body.to_vec()))),
        _ => None,
    });
    outcomes.collect()
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_first_message_leaves_a_round_trip_after_the_dial_and_says_who_sent_it() {
    let mut world = World::new(2);
    let dialled = world.now;
    world.tell(0, 1, b"hello");
    world.run(DELAY * 3 + Duration::from_micros(1));
    let heard = world.events(1);
    let up = heard.iter().position(|event| matches!(event, Event::PeerUp { .. }));
    let told = heard.into_iter().enumerate().find_map(|(at, event)| Some((at, message(event)?)));
    let (at, told) = told.expect("it took one and a half round trips");
    assert!(up.is_some_and(|up| up < at));
    assert_eq!((told.src, told.dst, &told.payload[..]), (addr(0), addr(1), &b"hello"[..]));
    // The dial, and what follows when the answer is there.
    let times: BTreeSet<Duration> = world
        .seen
        .iter()
        .filter(|(_, src, ..)| src.0 == 0)
        .map(|(at, ..)| at.since(dialled))
        .collect();
    let times: Vec<Duration> = times.into_iter().collect();
    assert!(times[0] < Duration::from_micros(1) && times[1] < DELAY * 2 + Duration::from_micros(1));
}

#[test]
fn attack_29_messages_of_any_size_arrive_once_and_a_larger_one_is_refused_not_cut() {
    let mut world = World::new(2);
    let sizes = [0, 1, 1_200, 5_000, 100_000, wire::MESSAGE_MAX];
    for size in sizes {
        let payload: Vec<u8> = (0..size).map(|nth| nth as u8).collect();
        world.tell(0, 1, &payload);
        world.run(SECOND * 2);
        assert_eq!(world.told(1), [payload]);
    }
    let over = world.nodes[0].tell(world.now, addr(1), vec![0; wire::MESSAGE_MAX + 1]);
    assert!(over.is_err(), "one byte more is refused, not cut");
    assert_eq!((world.value(1, "heard"), world.value(0, "receiving_bytes")), (6, 0));
    world.run(SECOND * 60);
    for node in 0..2 {
        assert_eq!((world.value(node, "connections"), world.value(node, "peers")), (0, 0));
        let idle =
            |event: &Happened| matches!(event, Event::PeerDown { reason: DownReason::Idle, .. });
        assert!(world.events(node).iter().any(idle));
    }
}

#[test]
fn requests_are_answered_in_any_order_and_know_how_long_they_are_waited_for() {
    let mut world = World::new(2);
    let began = world.now;
    for seq in 0..10 {
        world.ask(0, 1, seq, &[seq as u8; 300]);
    }
    world.run(SECOND);
    let mut requests = asked(world.events(1));
    assert_eq!(requests.len(), 10);
    requests.reverse();
    for (token, message, deadline) in requests {
        let passed = deadline.since(began);
        assert!(passed >= SECOND * 20 && passed < SECOND * 20 + DELAY * 4, "{passed:?}");
        let result = Ok(Payload::from([message.payload[0]; 3].to_vec()));
        world.command(1, Command::Answer { token, dst: message.src, result });
    }
    world.run(SECOND);
    let mut outcomes = answered(world.events(0));
    outcomes.sort_by_key(|(seq, _)| *seq);
    let expected: Vec<_> = (0..10).map(|seq| (seq, Ok(vec![seq as u8; 3]))).collect();
    assert_eq!(outcomes, expected);
    assert_eq!((world.value(0, "asks"), world.value(1, "answers_owed")), (0, 0));
}

#[test]
fn a_request_is_refused_by_the_application_cancelled_by_its_asker_or_given_up_in_time() {
    let mut world = World::new(2);
    world.ask(0, 1, 1, b"refuse me");
    world.ask(0, 1, 2, b"cancelled");
    world.ask(0, 1, 3, b"ignored");
    world.run(SECOND);
    let requests = asked(world.events(1));
    for (token, message, _) in &requests {
        if &message.payload[..] == b"refuse me" {
            let result = Err(Refusal::new(77, *b"no"));
            world.command(1, Command::Answer { token: *token, dst: message.src, result });
        }
    }
    world.command(0, Command::Cancel { id: AskId::new(2), dst: addr(1) });
    world.run(SECOND);
    let outcomes = answered(world.events(0));
    let refused = Err(AskError::Refused(Refusal::new(77, *b"no")));
    assert!(outcomes.contains(&(1, refused)) && outcomes.contains(&(2, Err(AskError::Cancelled))));
    let withdrawn = world.events(1).into_iter().filter(|e| matches!(e, Event::Withdrawn { .. }));
    assert_eq!(withdrawn.count(), 1);
    world.run(SECOND * 25);
    let late = answered(world.events(0));
    assert_eq!(late, [(3, Err(AskError::TimedOut { arrived: true }))]);
    assert_eq!((world.value(0, "asks"), world.value(1, "answers_owed")), (0, 0));
}

#[test]
fn a_slow_answer_keeps_its_connection_alive() {
    let mut world = World::new(2);
    let deadline = world.now + SECOND * 300;
    let payload = Payload::from(&b"think"[..]);
    let command = Command::Ask { id: AskId::new(1), dst: addr(1), payload, deadline };
    world.command(0, command);
    world.run(SECOND * 200);
    let [(token, message, _)] = &asked(world.events(1))[..] else { panic!("one request came") };
    let result = Ok(Payload::from(&b"thought"[..]));
    world.command(1, Command::Answer { token: *token, dst: message.src, result });
    world.run(SECOND);
    assert_eq!(answered(world.events(0)), [(1, Ok(b"thought".to_vec()))]);
}

#[test]
fn both_that_dial_at_once_end_up_with_one_connection_and_lose_nothing() {
    let mut world = World::new(2);
    for round in 0..3 {
        world.tell(0, 1, &[round]);
        world.tell(1, 0, &[round]);
    }
    world.run(SECOND);
    for node in 0..2 {
        let mut told = world.told(node);
        told.sort();
        assert_eq!(told, [[0], [1], [2]]);
        assert_eq!(world.value(node, "peers_up"), 1);
    }
    // Only one of them is in use: the other is idle in the end.
    for _ in 0..8 {
        world.run(SECOND * 5);
        world.tell(0, 1, b"more");
        world.tell(1, 0, b"more");
    }
    world.run(SECOND);
    for node in 0..2 {
        assert_eq!(world.told(node).len(), 8);
        assert_eq!((world.value(node, "connections"), world.value(node, "peers_down")), (1, 0));
    }
}

#[test]
fn attack_30_a_peer_that_was_restarted_is_talked_to_on_its_new_connection_also_when_the_older_ends()
{
    let mut world = World::new(2);
    world.tell(0, 1, b"before");
    world.run(SECOND);
    assert_eq!(world.told(1), [b"before"]);
    let limits = Limits::default();
    world.nodes[1] = node(1, layer(key(1), 99, Accept::Anyone, &limits), &limits);
    world.tell(1, 0, b"new");
    world.run(SECOND);
    world.tell(0, 1, b"after");
    world.run(SECOND);
    assert_eq!(world.told(1), [b"after"]);
    // The end of the older one does not end it.
    world.run(SECOND * 20);
    world.tell(0, 1, b"again");
    world.run(SECOND * 20);
    world.tell(0, 1, b"at last");
    world.run(SECOND);
    assert_eq!(world.told(1), [&b"again"[..], b"at last"]);
    assert_eq!((world.value(0, "connections"), world.value(0, "peers_down")), (1, 0));
}

#[test]
fn attack_27_whoever_has_another_key_than_expected_hears_nothing_and_nothing_of_it_remains() {
    let mut world = World::new(2);
    let elsewhere = PeerAddr { id: key(7).id(), addr: MemoryAddr(1) };
    world.nodes[0].tell(world.now, elsewhere, &b"for seven"[..]).unwrap();
    world.command(0, Command::Identify { dst: elsewhere });
    world.run(SECOND);
    let events = world.events(0);
    let reason = Undeliverable::WrongPeer;
    assert!(events.contains(&Event::Undelivered { dst: elsewhere, reason }));
    let result = Err(IdentifyError::Undeliverable(reason));
    assert!(events.contains(&Event::Identified { addr: elsewhere, result }));
    assert_eq!(world.told(1), Vec::<Vec<u8>>::new());
    world.run(SECOND * 5);
    for node in 0..2 {
        assert_eq!((world.value(node, "connections"), world.value(node, "peers")), (0, 0));
    }
}

#[test]
fn who_is_excluded_gets_nothing_in_and_nothing_out() {
    let limits = Limits::default();
    let only = Accept::from_iter([key(2).id()]);
    let mut world = World::of(vec![
        node(0, layer(key(0), 0, Accept::Anyone, &limits), &limits),
        node(1, layer(key(1), 1, only, &limits), &limits),
        node(2, layer(key(2), 2, Accept::Anyone, &limits), &limits),
    ]);
    world.tell(0, 1, b"let me in");
    world.tell(2, 1, b"a friend");
    world.tell(1, 0, b"not out either");
    world.run(SECOND);
    assert_eq!(world.told(1), [b"a friend"]);
    let lost = Event::Undelivered { dst: addr(1), reason: Undeliverable::Refused };
    assert_eq!(world.events(0).into_iter().filter(|event| *event == lost).count(), 1);
    assert_eq!(world.value(1, "denied"), 1);
    // One that is excluded later is closed.
    world.command(1, Command::Set(Setting::Accept(Accept::Only(BTreeSet::new()))));
    world.run(SECOND * 3);
    let denied =
        |event: &Happened| matches!(event, Event::PeerDown { reason: DownReason::Denied, .. });
    assert!(world.events(1).iter().any(denied));
    let left = |event: &Happened| matches!(event, Event::PeerDown { reason: DownReason::Left, .. });
    assert!(world.events(2).iter().any(left));
    assert_eq!(world.value(1, "connections"), 0);
}

#[test]
fn nobody_there_is_told_in_time_and_the_next_message_dials_again() {
    let mut world = World::new(2);
    world.cut = true;
    world.tell(0, 1, b"nobody hears");
    world.ask(0, 1, 1, b"nobody answers");
    world.run(HANDSHAKE + SECOND);
    let events = world.events(0);
    let reason = Undeliverable::TimedOut;
    assert!(events.contains(&Event::Undelivered { dst: addr(1), reason }));
    assert_eq!(answered(events), [(1, Err(AskError::TimedOut { arrived: false }))]);
    assert_eq!((world.value(0, "connections"), world.value(0, "dialling")), (0, 0));
    world.cut = false;
    world.tell(0, 1, b"here I am");
    world.run(SECOND);
    assert_eq!(world.told(1), [b"here I am"]);
}

#[test]
fn a_node_that_closes_says_what_it_was_told_to_say_first() {
    let mut world = World::new(2);
    world.tell(0, 1, b"last words");
    world.command(0, Command::Close);
    world.run(SECOND * 3);
    assert_eq!(world.told(1), [b"last words"]);
    let events = world.events(0);
    assert_eq!(events.last(), Some(&Event::Closed));
    assert_eq!((world.value(1, "peers"), world.value(1, "connections")), (0, 0));
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let run = || {
        let mut world = World::new(3);
        for round in 0..20 {
            world.tell(0, 1, &[round; 2_000]);
            world.tell(2, 1, &[round; 20]);
            world.ask(1, 0, round.into(), &[round; 100]);
            world.run(Duration::from_millis(70));
            for (token, message, _) in asked(world.events(0)) {
                let result = Ok(Payload::from(message.payload.freeze()));
                world.command(0, Command::Answer { token, dst: message.src, result });
            }
        }
        world.run(SECOND * 60);
        world.seen
    };
    let (first, second) = (run(), run());
    assert!(first.len() > 100);
    assert!(first == second, "the datagrams differ");
}

#[test]
fn what_is_not_the_peers_changes_nothing_and_is_counted() {
    let mut world = World::new(2);
    world.tell(0, 1, b"hello");
    world.run(SECOND);
    world.told(1);
    world.tell(0, 1, b"again");
    world.run(SECOND);
    let (_, src, dst, real) = world.seen.iter().rfind(|(_, src, ..)| src.0 == 0).cloned().unwrap();
    let due = world.nodes[1].poll_timeout();
    let before = world.value(1, "rejected");
    // The same again, and the same but for a bit behind the connection id.
    world.inject(src, dst, &real);
    for at in keys::CID_LEN + 1..real.len() {
        let mut forged = real.clone();
        forged[at] ^= 4;
        world.inject(src, dst, &forged);
    }
    assert_eq!(world.nodes[1].poll_timeout(), due);
    let forged = real.len() - keys::CID_LEN - 1;
    assert_eq!(world.value(1, "rejected") - before, 1 + forged as u64);
    assert_eq!(world.told(1), [b"again"]);
}

#[test]
fn a_connection_follows_its_peer_to_another_address() {
    let mut world = World::new(2);
    world.tell(0, 1, b"from home");
    world.run(SECOND);
    assert_eq!(world.told(1), [b"from home"]);
    let elsewhere = MemoryAddr(50);
    world.moved.insert(0, elsewhere);
    world.tell(0, 1, b"from elsewhere");
    world.run(SECOND);
    let moved = PeerAddr { addr: elsewhere, ..addr(0) };
    let events = world.events(1);
    let down = Event::PeerDown { addr: addr(0), reason: DownReason::Moved };
    assert!(events.contains(&down), "{events:?}");
    let key = *key(0).public();
    assert!(events.contains(&Event::PeerUp { addr: moved, key }));
    let told = events.into_iter().find_map(message).expect("it was told");
    assert_eq!((told.src, &told.payload[..]), (moved, &b"from elsewhere"[..]));
    // It is answered there, over the same connection.
    world.nodes[1].tell(world.now, moved, &b"welcome"[..]).expect("there is room");
    world.run(SECOND);
    assert_eq!(world.told(0), [b"welcome"]);
    assert_eq!((world.value(0, "dialled"), world.value(1, "dialled")), (1, 0));
    assert_eq!((world.value(1, "peers"), world.value(1, "places")), (1, 1));
}

#[test]
fn requests_to_a_peer_that_moved_count_at_its_new_address() {
    let limits = Limits { asks_per_peer: 2, ..Limits::default() };
    let mut world = World::with(2, &limits);
    world.tell(0, 1, b"from home");
    world.run(SECOND);
    world.ask(1, 0, 1, b"one");
    world.ask(1, 0, 2, b"two");
    world.run(SECOND);
    let requests = asked(world.events(0));
    assert_eq!(requests.len(), 2);
    let elsewhere = MemoryAddr(50);
    world.moved.insert(0, elsewhere);
    world.tell(0, 1, b"from elsewhere");
    world.run(SECOND);
    let moved = PeerAddr { addr: elsewhere, ..addr(0) };
    let scopes = |events: &[Happened]| -> Vec<(bool, Scope<_>)> {
        let scope = |event: &Happened| match event {
            Event::Full { scope } => Some((true, *scope)),
            Event::Ready { scope } => Some((false, *scope)),
            _ => None,
        };
        events.iter().filter_map(scope).collect()
    };
    // The first was full before, and is forgotten.
    let seen = scopes(&world.events(1));
    assert!(seen.contains(&(true, Scope::To(moved))), "{seen:?}");
    for (token, message, _) in requests {
        let result = Ok(Payload::from(&b"yes"[..]));
        world.command(0, Command::Answer { token, dst: message.src, result });
    }
    world.run(SECOND);
    let events = world.events(1);
    assert!(scopes(&events).contains(&(false, Scope::To(moved))));
    assert_eq!(answered(events).iter().filter(|(_, it)| it.is_ok()).count(), 2);
}

#[test]
fn requests_that_there_is_no_stream_for_wait_until_there_is() {
    let limits = Limits { streams_per_peer: 10, ..Limits::default() };
    let mut world = World::with(2, &limits);
    for seq in 0..300 {
        world.ask(0, 1, seq, &[seq as u8; 20]);
        world.tell(0, 1, &[seq as u8; 20]);
    }
    let (mut outcomes, mut told) = (0, 0);
    for _ in 0..200 {
        world.run(DELAY * 3);
        assert!(world.value(1, "answers_owed") <= 10);
        let events = world.events(1);
        told += events.iter().filter(|event| matches!(event, Event::Told(_))).count();
        for (token, message, _) in asked(events) {
            let result = Ok(Payload::from(message.payload.freeze()));
            world.command(1, Command::Answer { token, dst: message.src, result });
        }
        outcomes += answered(world.events(0)).iter().filter(|(_, it)| it.is_ok()).count();
    }
    assert_eq!((outcomes, told), (300, 300));
}
