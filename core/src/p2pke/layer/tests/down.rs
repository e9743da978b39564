//! Peers that were given up, and are there after all.

use super::*;
use crate::seed::Rng;

/// A pair of which the first lost the second, while the second knows nothing of it.
fn given_up(limits: &Limits) -> World {
    let mut world = World::with(3, limits);
    world.tell(0, 1, b"hello").unwrap();
    world.run(Duration::from_secs(5));
    world.run(Duration::from_secs(11));
    world.cut = true;
    world.tell(0, 1, b"are you there?").unwrap();
    world.run(Duration::from_secs(16));
    world.cut = false;
    let down = Event::PeerDown { addr: addr(1), reason: DownReason::TimedOut };
    assert!(world.events(0).contains(&down));
    world.events(1);
    assert_eq!(world.value(0, "p2pke.peers"), 0);
    assert_eq!(world.value(0, "p2pke.peers_lingering"), 1);
    world
}

#[test]
fn what_a_peer_sends_that_was_given_up_arrives_and_says_that_it_is_up() {
    let mut world = given_up(&Limits::default());
    world.tell(1, 0, b"I never left").unwrap();
    world.settle();
    let events = world.events(0);
    let up = Event::PeerUp { addr: addr(1), key: *key(1).public() };
    assert_eq!(events[0], up);
    assert_eq!(events.len(), 2, "{events:?}");
    let told = events.into_iter().filter_map(message).next().unwrap();
    assert_eq!(told.payload[..], *b"I never left");
    assert_eq!(world.value(0, "p2pke.peers"), 1);
    assert_eq!(world.value(0, "p2pke.peers_lingering"), 0);
    world.tell(0, 1, b"welcome back").unwrap();
    world.settle();
    assert_eq!(world.told(1), [(addr(0), b"welcome back".to_vec())]);
}

#[test]
fn a_peer_that_was_given_up_yields_to_a_stranger_where_there_is_room_for_one() {
    let mut world = given_up(&Limits { peers: 1, ..Limits::default() });
    world.tell(2, 0, b"new").unwrap();
    world.settle();
    assert_eq!(world.told(0), [(addr(2), b"new".to_vec())]);
    assert_eq!(world.value(0, "p2pke.peers"), 1);
    assert_eq!(world.value(0, "p2pke.channels"), 1);
}

#[test]
fn a_peer_that_was_given_up_yields_its_place_at_its_address() {
    let mut world = given_up(&Limits::default());
    for number in 60..64 {
        let dst = PeerAddr { id: key(number).id(), addr: MemoryAddr(1) };
        world.nodes[0].tell(world.now, dst, "another at that address").unwrap();
    }
    assert_eq!(world.value(0, "p2pke.channels"), CHAIN as u64);
    assert_eq!(world.value(0, "p2pke.peers_lingering"), 0);
}

#[test]
fn a_peer_that_was_given_up_is_forgotten_when_its_sessions_are() {
    let mut world = given_up(&Limits::default());
    world.run(Duration::from_secs(180));
    assert_eq!(world.events(0), []);
    assert_eq!(world.value(0, "p2pke.channels"), 0);
    assert_eq!(world.value(0, "p2pke.timers"), 0);
}

#[test]
fn peers_that_are_forgotten_and_knock_again_hold_no_more_places_than_strangers_may() {
    let limits = Limits { half_open: 2, ..Limits::default() };
    let mut world = World::with(2, &limits);
    let begun = world.now;
    for number in 60..66 {
        let mut stranger = secure(number, Accept::Anyone, &Limits::default());
        stranger.tell(world.now, addr(1), "x").unwrap();
        stand_up(&mut world, &mut stranger, number);
    }
    assert_eq!(world.value(1, "p2pke.peers"), 6);
    world.run((begun + Duration::from_secs(190)).since(world.now));
    assert_eq!(world.value(1, "p2pke.peers_lingering"), 6);
    for number in 60..66 {
        let hello = bounds::hello_of(number, world.now);
        world.inject(MemoryAddr(number), 1, hello);
    }
    assert_eq!(world.value(1, "p2pke.half_open"), 0, "they are known still");
    world.run(Duration::from_secs(7));
    assert_eq!(world.value(1, "p2pke.peers_lingering"), 0);
    assert_eq!(world.value(1, "p2pke.half_open"), 2);
    assert_eq!(world.value(1, "p2pke.half_open_evicted"), 4);
    assert_eq!(world.value(1, "p2pke.channels"), 2);
    world.run(Duration::from_secs(15));
    assert_eq!(world.value(1, "p2pke.channels"), 0);
    assert_eq!(world.value(1, "p2pke.timers"), 0);
}

/// Moves datagrams between node 1 and a stranger that is no node of the world, until none is left.
fn stand_up(world: &mut World, stranger: &mut Secure, number: u32) {
    loop {
        let sent: Vec<_> = core::iter::from_fn(|| stranger.poll_transmit()).collect();
        for datagram in sent {
            world.inject(MemoryAddr(number), 1, datagram.payload.into_mut());
        }
        let back: Vec<_> = core::iter::from_fn(|| world.nodes[1].poll_transmit()).collect();
        if back.is_empty() {
            return;
        }
        for Datagram { dst, payload, .. } in back {
            let (src, payload) = (MemoryAddr(1), payload.into_mut());
            stranger.handle_input(world.now, DatagramInput::Datagram { src, dst, payload });
        }
    }
}

#[test]
fn each_up_of_a_peer_has_its_down_however_often_it_comes_back() {
    let mut world = given_up(&Limits::default());
    let mut is_up = false;
    let mut ups = 0;
    for round in 0..40 {
        // A peer that sends and answers nothing: what we send it is lost.
        let _ = world.tell(1, 0, b"still here");
        while let Some(Datagram { payload, .. }) = world.nodes[1].poll_transmit() {
            world.inject(MemoryAddr(1), 0, payload.into_mut());
        }
        let _ = world.tell(0, 1, b"lost");
        world.cut = true;
        world.run(Duration::from_secs(6));
        for event in world.events(0) {
            if matches!(event, Event::PeerUp { .. }) {
                assert!(!is_up, "up twice in round {round}");
                (is_up, ups) = (true, ups + 1);
            } else if matches!(event, Event::PeerDown { .. }) {
                assert!(is_up, "down twice in round {round}");
                is_up = false;
            }
            assert_eq!(world.value(0, "p2pke.peers"), u64::from(is_up));
        }
    }
    assert!(ups > 0);
    world.run(Duration::from_secs(400));
    assert_eq!(world.value(0, "p2pke.timers"), 0, "nothing runs for ever");
}

#[test]
fn whatever_peers_and_spoofers_do_the_bounds_hold_and_ups_and_downs_alternate() {
    let mut lingered = 0;
    for seed in 0..24 {
        eprintln!("seed {seed}");
        // Few places, so that many are evicted, or enough for some to come back.
        let peers = if seed % 2 == 0 { 2 } else { 8 };
        let limits = Limits { peers, half_open: 2, half_open_per_network: 1, ..Limits::default() };
        let mut chaos = Chaos::new(seed, &limits);
        (0..300).for_each(|_| chaos.step());
        chaos.calm_down();
        lingered += chaos.back;
    }
    assert!(lingered > 24, "too few came back to show anything: {lingered}");
}

/// Node 0 among peers that hold back, repeat and forge the source of whatever was sent.
struct Chaos {
    world: World,
    rng: Rng,
    up: BTreeSet<PeerAddr<MemoryAddr>>,
    limits: Limits,
    kept: Vec<(MemoryAddr, MemoryAddr, Vec<u8>)>,
    /// How often a peer that lingered came up again.
    back: u64,
    /// Nobody hears the victim.
    deaf: bool,
    lingering: u64,
}

impl Chaos {
    const NODES: u32 = 8;

    fn new(seed: u64, limits: &Limits) -> Self {
        let mut world = World::with(Self::NODES, &Limits::default());
        world.nodes[0] = secure(0, Accept::Anyone, limits);
        let rng = Seed::from_u64(seed).rng("chaos");
        let up = BTreeSet::new();
        Self {
            world,
            rng,
            up,
            limits: limits.clone(),
            kept: Vec::new(),
            back: 0,
            deaf: false,
            lingering: 0,
        }
    }

    fn any(&mut self) -> u32 {
        self.rng.below(u64::from(Self::NODES)) as u32
    }

    fn step(&mut self) {
        let other = 1 + self.rng.below(u64::from(Self::NODES) - 1) as u32;
        let now = self.world.now;
        match self.rng.below(12) {
            0..=2 => drop(self.world.tell(other as usize, 0, b"to the victim")),
            3 => drop(self.world.tell(0, other, b"from the victim")),
            4 => {
                let leave = Command::Disconnect { dst: addr(0) };
                self.world.nodes[other as usize].handle_command(now, leave);
            }
            5 => {
                let time = Duration::from_millis(self.rng.below(40_000));
                self.pass(time);
            }
            6 => self.pass(Duration::from_secs(14)),
            7 => self.come_late(other),
            8 => self.deaf = !self.deaf,
            _ => {}
        }
        self.collect();
        for _ in 0..self.rng.below(6) {
            if self.kept.is_empty() {
                break;
            }
            let nth = self.rng.below(self.kept.len() as u64) as usize;
            let (mut src, dst, bytes) = self.kept[nth].clone();
            if self.rng.chance(1, 8) {
                src = MemoryAddr(self.any());
            }
            if self.rng.chance(7, 8) {
                self.kept.swap_remove(nth);
            }
            self.world.inject(src, dst.0, BytesMut::from(&bytes[..]));
            self.check();
            self.collect();
        }
    }

    /// A message of this peer's arrives just after its session has ended.
    fn come_late(&mut self, peer: u32) {
        let leave = Command::Disconnect { dst: addr(0) };
        self.world.nodes[peer as usize].handle_command(self.world.now, leave);
        let _ = self.world.tell(peer as usize, 0, b"soon");
        self.world.settle();
        self.check();
        let _ = self.world.tell(peer as usize, 0, b"late");
        let late: Vec<_> =
            core::iter::from_fn(|| self.world.nodes[peer as usize].poll_transmit()).collect();
        let time = Duration::from_millis(170_000 + self.rng.below(20_000));
        self.pass(time);
        for datagram in late {
            self.world.inject(MemoryAddr(peer), 0, datagram.payload.into_mut());
            self.check();
        }
    }

    /// Takes what all nodes send; the oldest of too much is lost.
    fn collect(&mut self) {
        for (number, node) in self.world.nodes.iter_mut().enumerate() {
            while let Some(Datagram { dst, payload, .. }) = node.poll_transmit() {
                let bytes = payload.into_bytes().to_vec();
                if number > 0 || !self.deaf {
                    self.kept.push((MemoryAddr(number as u32), dst, bytes));
                }
            }
        }
        let spare = self.kept.len().saturating_sub(64);
        self.kept.drain(..spare);
    }

    fn pass(&mut self, time: Duration) {
        let until = self.world.now + time;
        while let Some(next) = self.world.nodes.iter().filter_map(Node::poll_timeout).min()
            && next <= until
        {
            self.world.now = self.world.now.max(next);
            for node in &mut self.world.nodes {
                node.handle_timeout(self.world.now);
            }
            self.check();
            self.collect();
        }
        self.world.now = until;
    }

    fn check(&mut self) {
        let before =
            core::mem::replace(&mut self.lingering, self.world.value(0, "p2pke.peers_lingering"));
        for event in self.world.events(0) {
            if let Event::PeerUp { addr, .. } = event {
                assert!(self.up.insert(addr), "up twice");
                self.back += u64::from(self.lingering < before);
            } else if let Event::PeerDown { addr, .. } = event {
                assert!(self.up.remove(&addr), "down twice");
            } else if let Some(message) = message(event) {
                assert!(self.up.contains(&message.src), "told while down");
            }
        }
        let value = |name| self.world.value(0, name);
        assert_eq!(value("p2pke.peers"), self.up.len() as u64);
        assert!(value("p2pke.half_open") <= self.limits.half_open as u64);
        let known = value("p2pke.peers") + value("p2pke.peers_lingering");
        let most = 2 * self.limits.peers + self.limits.half_open;
        assert!(known <= most as u64 + value("p2pke.dialling"), "{known} peers");
        let channels = known + value("p2pke.half_open") + value("p2pke.dialling");
        assert_eq!(value("p2pke.channels"), channels);
        assert!(value("p2pke.timers") <= channels);
    }

    /// Once nobody sends any more, nothing is left.
    fn calm_down(&mut self) {
        self.kept.clear();
        for _ in 0..100 {
            self.pass(Duration::from_secs(10));
            self.kept.clear();
        }
        assert_eq!(self.up.len(), 0);
        for gauge in ["channels", "timers", "peers_lingering", "half_open", "waiting_bytes"] {
            let name = std::format!("p2pke.{gauge}");
            assert_eq!(self.world.value(0, &name), 0, "{gauge}");
        }
    }
}
