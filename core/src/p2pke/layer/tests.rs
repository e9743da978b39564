//! Secure nodes in memory, joined by a network in the test's hands.

mod bounds;

use super::*;
use crate::swarm::{DownReason, IdentifyError, Message, Setting, TellError};
use crate::time::UnixTime;
use crate::{Datagram, DatagramInput, DatagramPort, MemoryAddr, Node, Payload, Stack};
use bytes::BytesMut;
use core::time::Duration;
use std::eprintln;

mod down;

type Secure = Node<Stack<DatagramPort<MemoryAddr>, P2pke<MemoryAddr>>>;
type Told = Event<PeerAddr<MemoryAddr>>;

const MTU: usize = 1_400;

struct World {
    now: Instant,
    nodes: Vec<Secure>,
    /// Source and datagram, on their way.
    wire: VecDeque<(MemoryAddr, Datagram<MemoryAddr>)>,
    /// Everything that was ever sent.
    seen: Vec<(MemoryAddr, MemoryAddr, Vec<u8>)>,
    cut: bool,
}

fn key(number: u32) -> SecretKey {
    SecretKey::generate(&mut Seed::from_u64(number.into()).rng("key"))
}

fn addr(number: u32) -> PeerAddr<MemoryAddr> {
    PeerAddr { id: key(number).id(), addr: MemoryAddr(number) }
}

fn secure(number: u32, accept: Accept, limits: &Limits) -> Secure {
    let clock = Anchor { at: Instant::ZERO, date: UnixTime::new(1_800_000_000, 0) };
    let layer = P2pke::new(key(number), &Seed::from_u64(number.into()), clock, accept, limits);
    let mut node = Node::new(Stack::new(DatagramPort::new(limits), layer));
    let local = Vec::from([MemoryAddr(number)]);
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
        let nodes = (0..count).map(|number| secure(number, Accept::Anyone, limits)).collect();
        let now = Instant::ZERO + Duration::from_secs(1);
        Self { now, nodes, wire: VecDeque::new(), seen: Vec::new(), cut: false }
    }

    fn tell(&mut self, from: usize, to: u32, payload: &'static [u8]) -> Result<(), TellError> {
        self.nodes[from].tell(self.now, addr(to), payload)
    }

    /// Moves everything that can move without time passing.
    fn settle(&mut self) {
        loop {
            for (number, node) in self.nodes.iter_mut().enumerate() {
                while let Some(datagram) = node.poll_transmit() {
                    let src = MemoryAddr(number as u32);
                    let bytes = datagram.payload.clone().into_bytes().to_vec();
                    self.seen.push((src, datagram.dst, bytes));
                    self.wire.push_back((src, datagram));
                }
            }
            let Some((src, Datagram { dst, payload, .. })) = self.wire.pop_front() else { return };
            if !self.cut {
                self.inject(src, dst.0, payload.into_mut());
            }
        }
    }

    fn inject(&mut self, src: MemoryAddr, to: u32, payload: BytesMut) {
        if let Some(node) = self.nodes.get_mut(to as usize) {
            let dst = MemoryAddr(to);
            node.handle_input(self.now, DatagramInput::Datagram { src, dst, payload });
        }
    }

    /// Lets time pass, timer by timer.
    fn run(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            self.settle();
            let next = self.nodes.iter().filter_map(Node::poll_timeout).min();
            let Some(next) = next.filter(|next| *next <= until) else { break };
            self.now = self.now.max(next);
            for node in &mut self.nodes {
                node.handle_timeout(self.now);
            }
        }
        self.now = until;
    }

    fn events(&mut self, of: usize) -> Vec<Told> {
        core::iter::from_fn(|| self.nodes[of].poll_event()).collect()
    }

    fn told(&mut self, of: usize) -> Vec<(PeerAddr<MemoryAddr>, Vec<u8>)> {
        self.events(of)
            .into_iter()
            .filter_map(message)
            .map(|m| (m.src, m.payload.to_vec()))
            .collect()
    }

    fn value(&self, of: usize, name: &str) -> u64 {
        self.nodes[of].stats().value(name)
    }

    /// Two nodes that are up with one another, with nothing left to say.
    fn pair() -> Self {
        let mut world = Self::new(2);
        world.tell(0, 1, b"hello").unwrap();
        world.run(Duration::from_secs(5));
        assert_eq!(world.told(1), [(addr(0), b"hello".to_vec())]);
        world.events(0);
        world
    }
}

fn message(event: Told) -> Option<Message<PeerAddr<MemoryAddr>>> {
    if let Event::Told(message) = event { Some(message) } else { None }
}

#[test]
fn a_tell_waits_for_its_handshake_and_arrives_from_the_proven_peer() {
    let mut world = World::new(2);
    world.tell(0, 1, b"one").unwrap();
    world.tell(0, 1, b"two").unwrap();
    world.settle();
    let events = world.events(1);
    assert!(
        matches!(&events[0], Event::PeerUp { addr: peer, key } if *peer == addr(0) && key.peer_id() == peer.id),
        "{events:?}"
    );
    let told: Vec<_> = events.into_iter().filter_map(message).collect();
    assert!(told.iter().all(|message| message.dst == addr(1)));
    let told: Vec<_> = told.into_iter().map(|m| (m.src, m.payload.to_vec())).collect();
    assert_eq!(told, [(addr(0), b"one".to_vec()), (addr(0), b"two".to_vec())]);
    assert!(world.events(0).iter().any(|event| matches!(event, Event::PeerUp { .. })));
}

#[test]
fn an_answer_by_tell_goes_back_under_the_same_session() {
    let mut world = World::pair();
    let before = world.seen.len();
    world.tell(1, 0, b"and you?").unwrap();
    world.settle();
    assert_eq!(world.told(0), [(addr(1), b"and you?".to_vec())]);
    assert_eq!(world.seen.len(), before + 1, "no second handshake");
}

#[test]
fn empty_messages_are_delivered() {
    let mut world = World::pair();
    world.tell(0, 1, b"").unwrap();
    world.settle();
    assert_eq!(world.told(1), [(addr(0), Vec::new())]);
}

#[test]
fn the_largest_message_is_the_mtu_below_less_twenty_bytes_and_one_more_is_refused_at_once() {
    let mut world = World::pair();
    let largest = vec_of(MTU - 20);
    world.nodes[0].tell(world.now, addr(1), largest).unwrap();
    let refused = world.nodes[0].tell(world.now, addr(1), vec_of(MTU - 19));
    assert_eq!(refused, Err(TellError::TooLarge { len: MTU - 19, limit: MTU - 20 }));
    world.settle();
    assert_eq!(world.told(1).len(), 1);
}

fn vec_of(len: usize) -> Payload {
    Payload::from(alloc::vec![7; len])
}

#[test]
fn nobody_at_the_address_is_a_time_out_for_whoever_waits() {
    let mut world = World::new(1);
    world.tell(0, 9, b"anybody?").unwrap();
    world.nodes[0].handle_command(world.now, Command::Identify { dst: addr(9) });
    world.run(Duration::from_secs(16));
    let events = world.events(0);
    let reason = Undeliverable::TimedOut;
    assert!(events.contains(&Event::Undelivered { dst: addr(9), reason }), "{events:?}");
    let result = Err(IdentifyError::Undeliverable(reason));
    assert!(events.contains(&Event::Identified { addr: addr(9), result }), "{events:?}");
    assert_eq!(world.value(0, "p2pke.channels"), 0, "nothing is kept of it");
    assert_eq!(world.value(0, "p2pke.waiting_bytes"), 0);
    assert_eq!(world.nodes[0].poll_timeout(), None);
}

#[test]
fn another_key_at_the_address_is_named_at_the_time_out_and_gets_nothing() {
    let mut world = World::new(2);
    let wrong = PeerAddr { id: key(7).id(), addr: MemoryAddr(1) };
    world.nodes[0].tell(world.now, wrong, b"secret").unwrap();
    world.run(Duration::from_secs(16));
    let events = world.events(0);
    let reason = Undeliverable::WrongPeer;
    assert!(events.contains(&Event::Undelivered { dst: wrong, reason }), "{events:?}");
    assert!(world.told(1).is_empty());
    assert_eq!(world.value(0, "p2pke.sealed"), 0);
}

#[test]
fn our_own_key_is_never_dialled_and_our_own_hello_makes_no_session() {
    let mut world = World::new(1);
    world.tell(0, 0, b"me").unwrap();
    let reason = Undeliverable::Oneself;
    assert_eq!(world.events(0), [Event::Undelivered { dst: addr(0), reason }]);
    // Somebody's id at our own address: the hello comes back to us.
    let mirror = PeerAddr { id: key(5).id(), addr: MemoryAddr(0) };
    world.nodes[0].tell(world.now, mirror, b"you?").unwrap();
    world.run(Duration::from_secs(1));
    assert!(world.value(0, "p2pke.rejected_oneself") > 0);
    assert!(world.events(0).is_empty(), "it is not told before the time is over");
    world.run(Duration::from_secs(15));
    assert_eq!(world.events(0), [Event::Undelivered { dst: mirror, reason }]);
}

#[test]
fn the_accept_policy_holds_in_both_directions() {
    let mut world = World::new(3);
    let only: Accept = [key(1).id()].into_iter().collect();
    world.nodes[0] = secure(0, only, &Limits::default());
    world.tell(0, 2, b"out").unwrap();
    let reason = Undeliverable::Denied;
    assert_eq!(world.events(0), [Event::Undelivered { dst: addr(2), reason }]);
    world.tell(2, 0, b"in").unwrap();
    world.tell(1, 0, b"friend").unwrap();
    world.settle();
    assert_eq!(world.told(0), [(addr(1), b"friend".to_vec())]);
    assert!(world.value(0, "p2pke.rejected_refused") > 0);
    assert_eq!(world.value(0, "p2pke.half_open"), 0);
}

#[test]
fn a_policy_that_is_set_later_disconnects_whom_it_excludes() {
    let mut world = World::pair();
    let only: Accept = [key(2).id()].into_iter().collect();
    world.nodes[0].handle_command(world.now, Command::Set(Setting::Accept(only)));
    let reason = DownReason::Denied;
    assert_eq!(world.events(0), [Event::PeerDown { addr: addr(1), reason }]);
    world.tell(1, 0, b"still there?").unwrap();
    world.settle();
    assert!(world.told(0).is_empty());
}

#[test]
fn a_disconnected_peer_is_forgotten_with_its_keys() {
    let mut world = World::pair();
    world.nodes[0].handle_command(world.now, Command::Disconnect { dst: addr(1) });
    let reason = DownReason::Disconnected;
    assert_eq!(world.events(0), [Event::PeerDown { addr: addr(1), reason }]);
    assert_eq!(world.value(0, "p2pke.channels"), 0);
    world.tell(1, 0, b"under the old keys").unwrap();
    world.settle();
    assert!(world.told(0).is_empty());
    assert_eq!(world.value(0, "p2pke.rejected_undecryptable"), 1);
}

#[test]
fn two_keys_at_one_address_do_not_disturb_one_another() {
    let mut world = World::pair();
    // Node 1 restarts under another key, at the same address.
    let clock = Anchor { at: Instant::ZERO, date: UnixTime::new(1_800_000_000, 0) };
    let limits = Limits::default();
    let layer = P2pke::new(key(8), &Seed::from_u64(8), clock, Accept::Anyone, &limits);
    let mut reborn = Node::new(Stack::new(DatagramPort::new(&limits), layer));
    let local = Vec::from([MemoryAddr(1)]);
    reborn.handle_input(world.now, DatagramInput::Bound { local, mtu: MTU });
    world.nodes[1] = reborn;
    let reborn = PeerAddr { id: key(8).id(), addr: MemoryAddr(1) };
    world.tell(1, 0, b"new here").unwrap();
    world.settle();
    assert_eq!(world.told(0), [(reborn, b"new here".to_vec())]);
    world.nodes[0].tell(world.now, reborn, b"welcome").unwrap();
    world.run(Duration::from_secs(3));
    assert_eq!(world.told(1), [(addr(0), b"welcome".to_vec())]);
    assert_eq!(world.value(0, "p2pke.peers"), 2);
}

#[test]
fn identifying_proves_the_key_with_or_without_a_session() {
    let mut world = World::new(2);
    for _ in 0..2 {
        world.nodes[0].handle_command(world.now, Command::Identify { dst: addr(1) });
        world.settle();
        let result = Ok(*key(1).public());
        let events = world.events(0);
        assert!(events.contains(&Event::Identified { addr: addr(1), result }), "{events:?}");
    }
}

#[test]
fn an_idle_session_expires_and_says_so_on_both_sides() {
    let mut world = World::pair();
    world.run(Duration::from_secs(200));
    let reason = DownReason::Idle;
    assert_eq!(world.events(0), [Event::PeerDown { addr: addr(1), reason }]);
    assert_eq!(world.events(1), [Event::PeerDown { addr: addr(0), reason }]);
    for node in 0..2 {
        assert_eq!(world.value(node, "p2pke.channels"), 0);
        assert_eq!(world.value(node, "p2pke.timers"), 0);
    }
}

#[test]
fn a_peer_that_vanishes_is_down_once_a_new_handshake_has_failed() {
    let mut world = World::pair();
    world.cut = true;
    for _ in 0..40 {
        let _ = world.tell(0, 1, b"are you there?");
        world.run(Duration::from_secs(1));
    }
    let reason = DownReason::TimedOut;
    assert!(world.events(0).contains(&Event::PeerDown { addr: addr(1), reason }));
}

#[test]
fn a_busy_session_is_rekeyed_and_loses_nothing() {
    let mut world = World::pair();
    let handshakes = world.value(0, "p2pke.handshakes_sent");
    let mut told = 0;
    for _ in 0..400 {
        world.tell(0, 1, b"tick").unwrap();
        world.tell(1, 0, b"tock").unwrap();
        world.run(Duration::from_secs(1));
        told += world.told(0).len() + world.told(1).len();
    }
    assert_eq!(told, 800);
    assert!(world.value(0, "p2pke.handshakes_sent") > handshakes, "it was rekeyed");
    assert_eq!(world.value(0, "p2pke.peers_down"), 0);
}

#[test]
fn messages_that_wait_are_bounded_by_bytes_and_the_caller_hears_of_it_in_time() {
    let limits = Limits { waiting_per_peer: 4_000, ..Limits::default() };
    let mut world = World::with(2, &limits);
    world.cut = true;
    let mut accepted = 0;
    while world.nodes[0].tell(world.now, addr(1), vec_of(1_000)).is_ok() {
        accepted += 1;
    }
    assert_eq!(accepted, 4, "the one that crosses the mark is still taken");
    assert_eq!(world.nodes[0].tell(world.now, addr(1), vec_of(1)), Err(TellError::Full));
    assert!(world.events(0).contains(&Event::Full { scope: Scope::To(addr(1)) }));
    world.settle();
    world.cut = false;
    world.run(Duration::from_secs(3));
    assert!(world.events(0).contains(&Event::Ready { scope: Scope::To(addr(1)) }));
    assert_eq!(world.told(1).len(), accepted, "nothing that was accepted is lost");
}

#[test]
fn closing_waits_for_a_handshake_that_somebody_waits_for() {
    let mut world = World::new(2);
    world.tell(0, 1, b"last words").unwrap();
    world.nodes[0].close(world.now);
    assert_eq!(world.tell(0, 1, b"too late"), Err(TellError::Closed));
    assert!(!world.events(0).contains(&Event::Closed));
    world.run(Duration::from_secs(1));
    assert_eq!(world.told(1), [(addr(0), b"last words".to_vec())]);
    assert_eq!(world.events(0).last(), Some(&Event::Closed));
    assert_eq!(world.value(0, "p2pke.channels"), 0, "the keys are gone");
}

#[test]
fn a_replayed_hello_of_any_age_holds_no_more_than_a_strangers_place_for_a_while() {
    let mut world = World::pair();
    let hello = world.seen.iter().find(|(_, _, bytes)| bytes.starts_with(&[0; 4])).unwrap();
    let hello = hello.2.clone();
    // While the session lives it is answered with the stored bytes, and nothing else happens.
    let before = world.seen.len();
    world.inject(MemoryAddr(0), 1, BytesMut::from(&hello[..]));
    world.settle();
    assert_eq!(world.value(1, "p2pke.half_open"), 0);
    assert_eq!(world.seen.len(), before + 1);
    // From another address, and after the session's end, the floor refuses it.
    world.inject(MemoryAddr(77), 1, BytesMut::from(&hello[..]));
    world.run(Duration::from_secs(300));
    world.inject(MemoryAddr(0), 1, BytesMut::from(&hello[..]));
    assert_eq!(world.value(1, "p2pke.rejected_stale"), 2);
    assert_eq!(world.value(1, "p2pke.channels"), 0);
}

#[test]
fn a_hello_that_another_node_with_the_same_key_took_is_a_replay_where_its_floor_was_told() {
    let mut world = World::new(2);
    world.nodes[1].handle_command(world.now, Command::Set(Setting::TellFloors(true)));
    world.tell(0, 1, b"hello").unwrap();
    world.settle();
    let floors = world.events(1).into_iter().filter_map(|event| {
        let Event::Floor { key, stamp } = event else { return None };
        Some(Setting::Floor { key, stamp })
    });
    let floors: Vec<_> = floors.collect();
    assert_eq!(floors.len(), 1);
    let hello = world.seen.iter().find(|(_, _, bytes)| bytes.starts_with(&[0; 4])).unwrap();
    let hello = hello.2.clone();
    for told in [false, true] {
        // It has the same key, and took no hello.
        world.nodes[1] = secure(1, Accept::Anyone, &Limits::default());
        for floor in floors.iter().filter(|_| told) {
            world.nodes[1].handle_command(world.now, Command::Set(floor.clone()));
        }
        world.inject(MemoryAddr(77), 1, BytesMut::from(&hello[..]));
        assert_eq!(world.value(1, "p2pke.half_open"), u64::from(!told));
        assert_eq!(world.value(1, "p2pke.rejected_stale"), u64::from(told));
    }
}

#[test]
fn a_flood_of_strangers_is_capped_checked_at_a_bounded_rate_and_never_locks_out_an_honest_hello() {
    let limits = Limits { half_open: 16, signature_checks_per_second: 200, ..Limits::default() };
    let mut world = World::with(2, &limits);
    // Recorded hellos of many keys, sent from many addresses.
    let hellos: Vec<Vec<u8>> = (100..140)
        .map(|number| {
            let mut stranger = secure(number, Accept::Anyone, &Limits::default());
            stranger.tell(world.now, addr(1), "x").unwrap();
            stranger.poll_transmit().unwrap().payload.into_bytes().to_vec()
        })
        .collect();
    for second in 0..10_u32 {
        for round in 0..1_000_u32 {
            let hello = &hellos[(round % 40) as usize];
            let src = MemoryAddr(1_000 + second * 1_000 + round);
            world.inject(src, 1, BytesMut::from(&hello[..]));
            assert!(world.value(1, "p2pke.half_open") <= 16);
        }
        while let Some(datagram) = world.nodes[1].poll_transmit() {
            assert!(datagram.payload.len() <= 166, "never more out than in");
        }
        world.now = world.now + Duration::from_secs(1);
    }
    let hellos = world.value(1, "p2pke.hellos");
    assert!((200..=200 * 12).contains(&hellos), "{hellos} were let in");
    assert!(world.value(1, "p2pke.rejected_busy") > 0);
    // An honest peer repeats itself, and the buckets have refilled.
    world.tell(0, 1, b"honest").unwrap();
    world.run(Duration::from_secs(5));
    assert_eq!(world.told(1), [(addr(0), b"honest".to_vec())]);
    // What proved nothing is gone after its time.
    world.run(Duration::from_secs(20));
    assert_eq!(world.value(1, "p2pke.half_open"), 0);
    assert_eq!(world.value(1, "p2pke.channels"), 1);
}

#[test]
fn an_asking_swarm_below_never_carries_anything_past_the_cipher() {
    let limits = Limits::default();
    let clock = Anchor::default();
    let mut layer: P2pke<MemoryAddr> =
        P2pke::new(key(0), &Seed::from_u64(0), clock, Accept::Anyone, &limits);
    let now = Instant::ZERO;
    let id = crate::swarm::AskId::new(1);
    let (payload, deadline) = (Payload::from("?"), Instant::MAX);
    layer.handle_command(now, Command::Ask { id, dst: addr(1), payload, deadline });
    assert_eq!(layer.poll_transmit(), None);
    let refused = Event::Answered { id, result: Err(crate::swarm::AskError::Unsupported) };
    assert_eq!(layer.poll_event(), Some(refused));
    let message = Message { src: MemoryAddr(1), dst: MemoryAddr(0), payload: BytesMut::new() };
    let token = crate::swarm::Token(4);
    layer.handle_input(now, Event::Asked { token, message, deadline });
    assert_eq!(layer.poll_event(), None);
    assert!(matches!(layer.poll_transmit(), Some(Command::Answer { result: Err(_), .. })));
}

#[test]
fn whatever_arrives_does_no_harm() {
    for seed in 0..200 {
        eprintln!("seed {seed}");
        let mut rng = Seed::from_u64(seed).rng("fuzz");
        let mut world = World::pair();
        let seen = world.seen.clone();
        for _ in 0..50 {
            let (_, _, bytes) = &seen[rng.below(seen.len() as u64) as usize];
            let mut bytes = bytes.clone();
            for _ in 0..rng.below(3) {
                let at = rng.below(bytes.len() as u64) as usize;
                bytes[at] ^= 1 << rng.below(8);
            }
            if rng.chance(1, 4) {
                bytes.truncate(rng.below(bytes.len() as u64 + 1) as usize);
            }
            let src = MemoryAddr(rng.below(3) as u32);
            world.inject(src, rng.below(2) as u32, BytesMut::from(&bytes[..]));
            while world.nodes.iter_mut().any(|node| node.poll_transmit().is_some()) {}
        }
        world.events(0);
        world.events(1);
        world.tell(0, 1, b"still up").unwrap();
        world.settle();
        assert!(world.told(1).contains(&(addr(0), b"still up".to_vec())));
    }
}
