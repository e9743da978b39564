//! Every layer keeps the laws, and each law's check can fail.

#![allow(clippy::wildcard_enum_match_arm, reason = "a test names what it looks for")]

#[path = "laws/broken.rs"]
mod broken;

use broken::Fault;
use std::collections::VecDeque;
use tellask::identity::SecretKey;
use tellask::outbox::OVERHEAD;
use tellask::p2pke::P2pke;
use tellask::seed::Rng;
use tellask::stats::StatsSink;
use tellask::swarm::{Accept, Link, Message, Scope, Setting, Undeliverable};
use tellask::time::{Anchor, UnixTime};
use tellask::{
    At, BytesMut, Command, Datagram, DatagramInput, DatagramPort, Event, Instant, Join, Layer,
    Limits, MemoryAddr, Node, Par, Payload, PeerAddr, Seed, Stack,
};
use tellask_sim::laws::{Call, CallOf, Clocked, Dump, Subject, Violation, check, pass_through};
use tellask_tests::opaque::Opaque;

const SEEDS: u64 = 24;
const STEPS: usize = 120;

fn keeps_the_laws(subject: &impl Subject) {
    for seed in 0..SEEDS {
        if let Err(violation) = check(subject, seed, STEPS) {
            panic!("{violation}");
        }
    }
}

/// The first violation under any seed.
fn breaks(subject: &impl Subject) -> Option<Violation> {
    (0..SEEDS).find_map(|seed| check(subject, seed, STEPS).err())
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.send = 4_000;
    limits.send_per_peer = 2_000;
    limits.receive = 8_000;
    limits.waiting_per_peer = 2_000;
    limits.waiting = 6_000;
    limits.half_open = 4;
    limits.dialling = 4;
    limits
}

/// The limit, and beyond it what somebody asked for: an answer to each command at the most.
fn receive_bytes() -> u64 {
    (limits().receive + STEPS * OVERHEAD) as u64
}

fn addr(rng: &mut Rng) -> MemoryAddr {
    MemoryAddr(rng.below(4) as u32)
}

fn bytes(rng: &mut Rng, most: u64) -> BytesMut {
    let mut bytes = BytesMut::zeroed(rng.below(most) as usize);
    rng.fill(&mut bytes);
    bytes
}

/// Commands of every kind over addresses that `addr` draws.
fn command<A: Clone>(rng: &mut Rng, dst: A) -> Command<A> {
    match rng.below(24) {
        0 => Command::Identify { dst },
        1 => Command::Disconnect { dst },
        2 => Command::Set(Setting::Clock(Anchor::default())),
        3 => Command::Cancel { id: tellask::swarm::AskId::new(rng.u64()), dst },
        4 => Command::Answer {
            token: tellask::swarm::Token(rng.u64()),
            dst,
            result: Err(tellask::swarm::Refusal::default()),
        },
        5 => {
            let id = tellask::swarm::AskId::new(rng.u64());
            Command::Ask { id, dst, payload: Payload::from("?"), deadline: Instant::MAX }
        }
        6 if rng.chance(1, 8) => Command::Close,
        _ => Command::Tell { dst, payload: bytes(rng, 700).into() },
    }
}

fn datagram(rng: &mut Rng) -> DatagramInput<MemoryAddr> {
    match rng.below(8) {
        0 => DatagramInput::Bound { local: vec![MemoryAddr(9)], mtu: 500 + rng.below(2) as usize },
        1 => DatagramInput::Unreachable { dst: addr(rng) },
        2 => DatagramInput::PathMtu { dst: addr(rng), mtu: 600 },
        _ => {
            DatagramInput::Datagram { src: addr(rng), dst: MemoryAddr(9), payload: bytes(rng, 300) }
        }
    }
}

struct Port;

impl Subject for Port {
    type Layer = DatagramPort<MemoryAddr>;

    fn make(&self, _seed: &Seed) -> Self::Layer {
        DatagramPort::new(&limits())
    }

    fn input(&self, rng: &mut Rng) -> DatagramInput<MemoryAddr> {
        datagram(rng)
    }

    fn command(&self, rng: &mut Rng) -> Command<MemoryAddr> {
        let dst = addr(rng);
        command(rng, dst)
    }

    fn bounds(&self) -> Vec<(String, u64)> {
        // One message above the mark.
        vec![
            ("datagram.send_bytes".into(), 5_000),
            ("datagram.receive_bytes".into(), receive_bytes()),
        ]
    }
}

#[test]
fn the_datagram_port_keeps_the_laws() {
    keeps_the_laws(&Port);
}

type SecureStack = Stack<DatagramPort<MemoryAddr>, P2pke<MemoryAddr>>;

/// The secure stack at address 9, after a real handshake with the node at address 1.
struct Secure;

fn key(number: u64) -> SecretKey {
    SecretKey::generate(&mut Seed::from_u64(number).rng("key"))
}

fn peer(number: u32) -> PeerAddr<MemoryAddr> {
    PeerAddr { id: key(number.into()).id(), addr: MemoryAddr(number) }
}

fn secure_layer(number: u64, seed: &Seed) -> P2pke<MemoryAddr> {
    let clock = Anchor { at: Instant::ZERO, date: UnixTime::new(1_800_000_000, 0) };
    P2pke::new(key(number), seed, clock, Accept::Anyone, &limits())
}

fn secure(number: u64, seed: &Seed) -> SecureStack {
    Stack::new(DatagramPort::new(&limits()), secure_layer(number, seed))
}

fn bound() -> DatagramInput<MemoryAddr> {
    DatagramInput::Bound { local: vec![MemoryAddr(9)], mtu: 500 }
}

/// What the node at address 9 gets from the one at address 1, which dials it and tells it something.
fn recorded(seed: &Seed) -> Vec<DatagramInput<MemoryAddr>> {
    let now = Instant::ZERO;
    let (mut ours, mut theirs) = (Node::new(secure(9, seed)), Node::new(secure(1, seed)));
    let mut inputs = vec![bound()];
    ours.handle_input(now, bound());
    theirs.handle_input(now, bound());
    theirs.tell(now, peer(9), "recorded").expect("accepted");
    loop {
        let Some(Datagram { payload, .. }) = theirs.poll_transmit() else { return inputs };
        let payload = payload.into_mut();
        let input = DatagramInput::Datagram { src: MemoryAddr(1), dst: MemoryAddr(9), payload };
        inputs.push(input.clone());
        ours.handle_input(now, input);
        while let Some(Datagram { payload, .. }) = ours.poll_transmit() {
            let (src, dst, payload) = (MemoryAddr(9), MemoryAddr(1), payload.into_mut());
            theirs.handle_input(now, DatagramInput::Datagram { src, dst, payload });
        }
    }
}

impl Subject for Secure {
    type Layer = SecureStack;

    fn make(&self, seed: &Seed) -> SecureStack {
        secure(9, seed)
    }

    fn opening(&self, seed: &Seed) -> Vec<CallOf<SecureStack>> {
        recorded(seed).into_iter().map(Call::Input).collect()
    }

    fn input(&self, rng: &mut Rng) -> DatagramInput<MemoryAddr> {
        if rng.chance(1, 6) {
            return datagram(rng);
        }
        // Recorded elsewhere: a real hello, or what belongs to another's session.
        let recorded = recorded(&Seed::from_u64(rng.below(4)));
        recorded[rng.below(recorded.len() as u64) as usize].clone()
    }

    fn command(&self, rng: &mut Rng) -> Command<PeerAddr<MemoryAddr>> {
        let dst = if rng.chance(3, 4) { peer(1) } else { peer(rng.below(6) as u32) };
        command(rng, dst)
    }

    fn hostile(&self, rng: &mut Rng) -> Option<DatagramInput<MemoryAddr>> {
        let src = addr(rng);
        let mut payload = bytes(rng, 200);
        // A real message, but for one bit behind the header. Not of a hello: before its protobuf
        // it may carry anything, as padding.
        let recorded = recorded(&Seed::from_u64(rng.below(4)));
        if let Some(DatagramInput::Datagram { payload: real, .. }) = recorded.last()
            && rng.chance(1, 2)
        {
            payload = real.clone();
            let at = 4 + rng.below(payload.len() as u64 - 4) as usize;
            payload[at] ^= 1 << rng.below(8);
        }
        Some(DatagramInput::Datagram { src, dst: MemoryAddr(9), payload })
    }

    fn bounds(&self) -> Vec<(String, u64)> {
        vec![
            ("p2pke.half_open".into(), 4),
            ("p2pke.dialling".into(), 5),
            ("p2pke.waiting_bytes".into(), 6_000),
            ("p2pke.send_bytes".into(), 5_000),
            ("p2pke.receive_bytes".into(), receive_bytes()),
            ("datagram.send_bytes".into(), 5_000),
        ]
    }

    fn secrets(&self) -> Vec<Vec<u8>> {
        let mut seed = [0; 32];
        Seed::from_u64(9).rng("key").fill(&mut seed);
        vec![seed.to_vec()]
    }
}

#[test]
fn p2pke_over_the_datagram_port_keeps_the_laws() {
    keeps_the_laws(&Secure);
}

/// The secure layer by itself, so that anything may be said to it from below.
struct SecureAlone;

/// What the port makes of it.
fn from_port(input: DatagramInput<MemoryAddr>) -> Event<MemoryAddr> {
    match input {
        DatagramInput::Bound { local, mtu } => {
            Event::Link(Link { local, unit: mtu, tell_max: mtu, ask_max: 0 })
        }
        DatagramInput::Datagram { src, dst, payload } => Event::Told(Message { src, dst, payload }),
        DatagramInput::Unreachable { dst } => {
            Event::Undelivered { dst, reason: Undeliverable::Unreachable }
        }
        DatagramInput::TooLarge { dst, limit } => {
            Event::Undelivered { dst, reason: Undeliverable::TooLarge { limit } }
        }
        DatagramInput::PathMtu { dst, mtu } => Event::PathMtu { dst, unit: mtu, tell_max: mtu },
    }
}

impl Subject for SecureAlone {
    type Layer = P2pke<MemoryAddr>;

    fn make(&self, seed: &Seed) -> P2pke<MemoryAddr> {
        secure_layer(9, seed)
    }

    fn opening(&self, seed: &Seed) -> Vec<CallOf<P2pke<MemoryAddr>>> {
        recorded(seed).into_iter().map(|input| Call::Input(from_port(input))).collect()
    }

    fn input(&self, rng: &mut Rng) -> Event<MemoryAddr> {
        let dst = addr(rng);
        let scope = if rng.chance(1, 3) { Scope::All } else { Scope::To(dst) };
        match rng.below(60) {
            0..6 => Event::Full { scope },
            6..14 => Event::Ready { scope },
            14 => {
                let message = Message { src: dst, dst: MemoryAddr(9), payload: bytes(rng, 300) };
                let token = tellask::swarm::Token(rng.u64());
                Event::Asked { token, message, deadline: Instant::MAX }
            }
            15 => Event::Closed,
            _ => from_port(Secure.input(rng)),
        }
    }

    fn command(&self, rng: &mut Rng) -> Command<PeerAddr<MemoryAddr>> {
        Secure.command(rng)
    }

    fn hostile(&self, rng: &mut Rng) -> Option<Event<MemoryAddr>> {
        Secure.hostile(rng).map(from_port)
    }

    fn bounds(&self) -> Vec<(String, u64)> {
        let mut bounds = Secure.bounds();
        bounds.retain(|(name, _)| name.starts_with("p2pke."));
        bounds
    }

    fn secrets(&self) -> Vec<Vec<u8>> {
        Secure.secrets()
    }
}

#[test]
fn p2pke_by_itself_keeps_the_laws_whatever_comes_from_below() {
    keeps_the_laws(&SecureAlone);
}

struct Boxed;

impl Subject for Boxed {
    type Layer = BoxedLayer;

    fn make(&self, seed: &Seed) -> BoxedLayer {
        Opaque("a boxed layer", Box::new(secure(9, seed)))
    }

    fn opening(&self, seed: &Seed) -> Vec<CallOf<BoxedLayer>> {
        Secure.opening(seed)
    }

    fn input(&self, rng: &mut Rng) -> DatagramInput<MemoryAddr> {
        Secure.input(rng)
    }

    fn command(&self, rng: &mut Rng) -> Command<PeerAddr<MemoryAddr>> {
        Secure.command(rng)
    }
}

type Dyn = dyn Layer<
        Input = DatagramInput<MemoryAddr>,
        Transmit = Datagram<MemoryAddr>,
        Command = Command<PeerAddr<MemoryAddr>>,
        Event = Event<PeerAddr<MemoryAddr>>,
    >;

type BoxedLayer = Opaque<Box<Dyn>>;

#[test]
fn a_boxed_stack_keeps_the_laws() {
    keeps_the_laws(&Boxed);
}

/// Two datagram ports side by side.
struct SideBySide;

impl Subject for SideBySide {
    type Layer = Par<u32, DatagramPort<MemoryAddr>>;

    fn make(&self, _seed: &Seed) -> Self::Layer {
        let mut par = Par::new();
        for key in 0..2 {
            par.insert(key, DatagramPort::new(&limits()));
        }
        par
    }

    fn input(&self, rng: &mut Rng) -> (u32, DatagramInput<MemoryAddr>) {
        (rng.below(2) as u32, datagram(rng))
    }

    fn command(&self, rng: &mut Rng) -> (u32, Command<MemoryAddr>) {
        (rng.below(2) as u32, Port.command(rng))
    }

    fn hostile(&self, rng: &mut Rng) -> Option<(u32, DatagramInput<MemoryAddr>)> {
        // For a member that there is not.
        Some((2, datagram(rng)))
    }

    fn bounds(&self) -> Vec<(String, u64)> {
        let of_each = |key| {
            let bounds = Port.bounds().into_iter();
            bounds.map(move |(name, most)| (format!("par.{key}.{name}"), most))
        };
        (0..2).flat_map(of_each).collect()
    }
}

#[test]
fn layers_side_by_side_keep_the_laws() {
    keeps_the_laws(&SideBySide);
}

/// Two datagram ports side by side, joined to one swarm.
struct Joined;

type JoinedStack = Stack<Par<u32, DatagramPort<MemoryAddr>>, Join<u32, MemoryAddr>>;

impl Subject for Joined {
    type Layer = JoinedStack;

    fn make(&self, seed: &Seed) -> JoinedStack {
        Stack::new(SideBySide.make(seed), Join::new(&limits()))
    }

    fn opening(&self, _seed: &Seed) -> Vec<CallOf<JoinedStack>> {
        (0..2).map(|key| Call::Input((key, bound()))).collect()
    }

    fn input(&self, rng: &mut Rng) -> (u32, DatagramInput<MemoryAddr>) {
        (rng.below(3) as u32, datagram(rng))
    }

    fn command(&self, rng: &mut Rng) -> Command<At<u32, MemoryAddr>> {
        let dst = At { key: rng.below(3) as u32, addr: addr(rng) };
        command(rng, dst)
    }

    fn bounds(&self) -> Vec<(String, u64)> {
        vec![
            ("join.held_bytes".into(), 4_000 + 700 + 128),
            ("join.receive_bytes".into(), receive_bytes()),
        ]
    }
}

#[test]
fn layers_that_are_joined_keep_the_laws() {
    keeps_the_laws(&Joined);
}

#[test]
fn a_stack_and_a_node_never_let_time_go_back() {
    let mut node = Node::new(Clocked::new(DatagramPort::<MemoryAddr>::new(&limits())));
    let ports = Clocked::new(DatagramPort::<MemoryAddr>::new(&limits()));
    let mut stack = Stack::new(ports, secure_layer(1, &Seed::from_u64(1)));
    for nanos in [5_000_000_000, 3, 7_000_000_000, 6_000_000_000] {
        let now = Instant::from_nanos(nanos);
        node.handle_input(now, bound());
        node.handle_timeout(now);
        stack.handle_input(now, bound());
        stack.handle_command(now, Command::Tell { dst: peer(2), payload: Payload::from("x") });
        stack.handle_timeout(now);
    }
    assert_eq!(node.stack().went_back(), 0);
    assert_eq!(stack.lower().went_back(), 0);
    // The check can fail: nobody clamps this one.
    let mut bare = Clocked::new(DatagramPort::<MemoryAddr>::new(&limits()));
    bare.handle_timeout(Instant::from_nanos(5));
    bare.handle_timeout(Instant::from_nanos(4));
    assert_eq!(bare.went_back(), 1);
}

#[test]
fn each_law_that_is_broken_is_named() {
    let silent = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let found: Vec<_> = [
        (Fault::PollsWork, 1),
        (Fault::EmptyPolls, 1),
        (Fault::ArmsNow, 3),
        (Fault::EarlyTimeout, 3),
        (Fault::EarlyRearms, 3),
        (Fault::InputPutsOff, 3),
        (Fault::CommandPutsOff, 3),
        (Fault::AllPutsOff, 3),
        (Fault::Panics, 4),
        (Fault::PanicsUnpolled, 4),
        (Fault::RejectsWithEffect, 4),
        (Fault::RejectsIntoUp, 4),
        (Fault::RejectsIntoOutbox, 4),
        (Fault::RejectsAndRearms, 4),
        (Fault::AnswersRejected, 4),
        (Fault::RejectsInSilence, 4),
        (Fault::Ambient, 5),
        (Fault::Unbounded, 6),
        (Fault::UnboundedUntilPolled, 6),
        (Fault::Avalanche, 7),
        (Fault::Indiscreet, 8),
    ]
    .into_iter()
    .map(|(fault, law)| (fault, law, breaks(&fault)))
    .collect();
    std::panic::set_hook(silent);
    for (fault, law, violation) in found {
        let violation = violation.unwrap_or_else(|| panic!("{fault:?} was not noticed"));
        assert_eq!(violation.law, law, "{fault:?}: {violation}");
    }
}

/// Makes a call, takes what comes of it, and names what it changed in the dump.
fn changed<L: Layer>(layer: &mut L, call: impl FnOnce(&mut L)) -> Vec<String> {
    let before = Dump::of(layer);
    call(layer);
    while layer.poll_transmit().is_some() || layer.poll_event().is_some() {}
    let after = Dump::of(layer);
    before.difference(&after).into_iter().map(String::from).collect()
}

#[test]
fn the_dump_shows_what_no_gauge_counts() {
    let now = Instant::from_nanos(1);
    let mut join: Join<u32, MemoryAddr> = Join::new(&limits());
    let link = from_port(bound());
    join.handle_input(now, (1, link.clone()));
    join.handle_input(now, (2, link));
    while join.poll_event().is_some() {}
    let to = |number| Scope::To(MemoryAddr(number));
    for (event, shown) in [
        (Event::Full { scope: Scope::All }, &["join.members"][..]),
        (Event::Full { scope: to(1) }, &["join.members", "join.receive_queue"][..]),
        (Event::PathMtu { dst: MemoryAddr(1), unit: 9, tell_max: 9 }, &["join.receive_queue"][..]),
        (Event::Closed, &["join.members", "join.receive_queue"][..]),
    ] {
        let name = format!("{event:?}");
        assert_eq!(changed(&mut join, |join| join.handle_input(now, (1, event))), shown, "{name}");
    }
    let mut secure = secure_layer(9, &Seed::from_u64(1));
    for setting in
        [Setting::Clock(Anchor::default()), Setting::Accept([peer(1).id].into_iter().collect())]
    {
        let set = |secure: &mut P2pke<_>| secure.handle_command(now, Command::Set(setting));
        assert_eq!(changed(&mut secure, set), ["p2pke.channels"]);
    }
    let full = |secure: &mut P2pke<_>| secure.handle_input(now, Event::Full { scope: to(1) });
    assert_eq!(changed(&mut secure, full), ["p2pke.send_queue", "p2pke.send_waiting_peers"]);
    let mut port: DatagramPort<MemoryAddr> = DatagramPort::new(&limits());
    let bound = |port: &mut DatagramPort<_>| port.handle_input(now, bound());
    assert_eq!(changed(&mut port, bound), ["datagram.receive_queue"]);
}

/// Passes everything on, but for what it forgets.
#[derive(Debug, Default)]
struct Through {
    down: VecDeque<Command<MemoryAddr>>,
    up: VecDeque<Event<MemoryAddr>>,
    forgets: bool,
}

impl Layer for Through {
    type Input = Event<MemoryAddr>;
    type Transmit = Command<MemoryAddr>;
    type Command = Command<MemoryAddr>;
    type Event = Event<MemoryAddr>;

    fn handle_input(&mut self, _now: Instant, input: Self::Input) {
        self.up.push_back(input);
    }

    fn handle_command(&mut self, _now: Instant, command: Self::Command) {
        if !(self.forgets && matches!(command, Command::Identify { .. })) {
            self.down.push_back(command);
        }
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        self.down.pop_front()
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        self.up.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn stats(&self, _sink: &mut dyn StatsSink) {}
}

#[test]
fn a_layer_that_forgets_a_variant_is_told_which() {
    assert_eq!(pass_through(Through::default, &MemoryAddr(1)), Ok(()));
    let forgetful = || Through { forgets: true, ..Through::default() };
    let missing = pass_through(forgetful, &MemoryAddr(1)).expect_err("it forgets one");
    assert!(missing.contains("Identify"), "{missing}");
}
