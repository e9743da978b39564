//! Every layer keeps the laws, and each law's check can fail.

#![allow(clippy::wildcard_enum_match_arm, reason = "a test names what it looks for")]

use core::cell::Cell;
use core::fmt;
use std::collections::VecDeque;
use tellask::identity::SecretKey;
use tellask::p2pke::P2pke;
use tellask::seed::Rng;
use tellask::stats::StatsSink;
use tellask::swarm::{Accept, Setting};
use tellask::time::{Anchor, UnixTime};
use tellask::{
    At, BytesMut, Command, Datagram, DatagramInput, DatagramPort, Event, Instant, Join, Layer,
    Limits, MemoryAddr, Node, Par, Payload, PeerAddr, Seed, Stack,
};
use tellask_sim::laws::{Call, CallOf, Clocked, Subject, Violation, check, pass_through};

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
        // One message above the mark, and one that is being received.
        vec![("datagram.send_bytes".into(), 5_000), ("datagram.receive_bytes".into(), 8_000)]
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
            ("p2pke.receive_bytes".into(), 8_000),
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

struct Boxed;

impl Subject for Boxed {
    type Layer = BoxedLayer;

    fn make(&self, seed: &Seed) -> BoxedLayer {
        BoxedLayer(Box::new(secure(9, seed)))
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

/// A boxed layer says nothing of itself when printed.
struct BoxedLayer(Box<Dyn>);

impl fmt::Debug for BoxedLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxedLayer")
    }
}

/// Passes every call of a layer on to `$inner`.
macro_rules! passes_on {
    (@item input $inner:ident) => {
        fn handle_input(&mut self, now: Instant, input: Self::Input) {
            self.$inner.handle_input(now, input);
        }
    };
    (@item command $inner:ident) => {
        fn handle_command(&mut self, now: Instant, command: Self::Command) {
            self.$inner.handle_command(now, command);
        }
    };
    (@item timeout $inner:ident) => {
        fn handle_timeout(&mut self, now: Instant) {
            self.$inner.handle_timeout(now);
        }
    };
    (@item transmit $inner:ident) => {
        fn poll_transmit(&mut self) -> Option<Self::Transmit> {
            self.$inner.poll_transmit()
        }
    };
    (@item event $inner:ident) => {
        fn poll_event(&mut self) -> Option<Self::Event> {
            self.$inner.poll_event()
        }
    };
    (@item due $inner:ident) => {
        fn poll_timeout(&self) -> Option<Instant> {
            self.$inner.poll_timeout()
        }
    };
    (@item stats $inner:ident) => {
        fn stats(&self, sink: &mut dyn StatsSink) {
            self.$inner.stats(sink);
        }
    };
    ($inner:ident: $($item:ident)*) => { $(passes_on!(@item $item $inner);)* };
}

impl Layer for BoxedLayer {
    type Input = DatagramInput<MemoryAddr>;
    type Transmit = Datagram<MemoryAddr>;
    type Command = Command<PeerAddr<MemoryAddr>>;
    type Event = Event<PeerAddr<MemoryAddr>>;

    fn handle_input(&mut self, now: Instant, input: Self::Input) {
        self.0.handle_input(now, input);
    }

    fn handle_command(&mut self, now: Instant, command: Self::Command) {
        self.0.handle_command(now, command);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.0.handle_timeout(now);
    }

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        self.0.poll_transmit()
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        self.0.poll_event()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.0.poll_timeout()
    }

    fn stats(&self, sink: &mut dyn StatsSink) {
        self.0.stats(sink);
    }
}

#[test]
fn a_boxed_stack_keeps_the_laws() {
    keeps_the_laws(&Boxed);
}

/// Two datagram ports side by side, joined to one swarm.
struct Joined;

type JoinedStack = Stack<Par<u32, DatagramPort<MemoryAddr>>, Join<u32, MemoryAddr>>;

impl Subject for Joined {
    type Layer = JoinedStack;

    fn make(&self, _seed: &Seed) -> JoinedStack {
        let mut par = Par::new();
        for key in 0..2 {
            par.insert(key, DatagramPort::new(&limits()));
        }
        Stack::new(par, Join::new(&limits()))
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
        vec![("join.held_bytes".into(), 4_000), ("join.receive_bytes".into(), 8_000)]
    }
}

#[test]
fn layers_side_by_side_and_joined_keep_the_laws() {
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

/// How a layer is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// A poll for events brings a transmit about.
    PollsWork,
    /// A timer is armed for now.
    ArmsNow,
    /// An early time-out does something.
    EarlyTimeout,
    /// Some bytes make it panic.
    Panics,
    /// What it rejects changes it.
    RejectsWithEffect,
    /// What it rejects is not counted.
    RejectsInSilence,
    /// It draws from somewhere else than its seed.
    Ambient,
    /// A queue without a bound.
    Unbounded,
    /// One call brings out a thousand things.
    Avalanche,
    /// It prints its key.
    Indiscreet,
}

/// A datagram port that is broken in one way.
struct Broken {
    inner: DatagramPort<MemoryAddr>,
    fault: Fault,
    extra: VecDeque<Datagram<MemoryAddr>>,
    armed: Option<Instant>,
    hoard: u64,
    secret: [u8; 8],
    rejected: u64,
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = if self.fault == Fault::Indiscreet { &self.secret[..] } else { &[] };
        f.debug_struct("Broken").field("inner", &self.inner).field("secret", &secret).finish()
    }
}

/// The first byte of what a broken port must reject.
const HOSTILE: u8 = 0xff;

thread_local! {
    static AMBIENT: Cell<u32> = const { Cell::new(0) };
}

impl Broken {
    fn spout(&mut self, number: u32) {
        let payload = Payload::from("extra");
        self.extra.push_back(Datagram { src: None, dst: MemoryAddr(number), payload });
    }
}

impl Layer for Broken {
    type Input = DatagramInput<MemoryAddr>;
    type Transmit = Datagram<MemoryAddr>;
    type Command = Command<MemoryAddr>;
    type Event = Event<MemoryAddr>;

    fn handle_input(&mut self, now: Instant, input: Self::Input) {
        if let DatagramInput::Datagram { payload, .. } = &input
            && payload.first() == Some(&HOSTILE)
        {
            match self.fault {
                Fault::Panics => panic!("as the fault wants it"),
                Fault::RejectsWithEffect => self.hoard += 1,
                _ => {}
            }
            self.rejected += u64::from(self.fault != Fault::RejectsInSilence);
            return;
        }
        match self.fault {
            Fault::ArmsNow => self.armed = Some(now),
            Fault::Ambient => {
                let number = AMBIENT.get();
                AMBIENT.set(number + 1);
                self.spout(number);
            }
            Fault::Unbounded => self.hoard += 100,
            Fault::Avalanche => (0..1_000).for_each(|number| self.spout(number)),
            _ => {}
        }
        self.inner.handle_input(now, input);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.armed = None;
        if self.fault == Fault::EarlyTimeout {
            self.hoard += 1;
        }
        self.inner.handle_timeout(now);
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        let event = self.inner.poll_event();
        if self.fault == Fault::PollsWork && event.is_some() {
            self.spout(1);
        }
        event
    }

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        self.extra.pop_front().or_else(|| self.inner.poll_transmit())
    }

    fn poll_timeout(&self) -> Option<Instant> {
        tellask::layer::earliest(self.armed, self.inner.poll_timeout())
    }

    fn stats(&self, sink: &mut dyn StatsSink) {
        self.inner.stats(sink);
        sink.counter("rejected", self.rejected);
        sink.gauge("hoard", self.hoard);
    }

    passes_on!(inner: command);
}

impl Subject for Fault {
    type Layer = Broken;

    fn make(&self, seed: &Seed) -> Broken {
        let secret = seed.rng("secret").bytes();
        let inner = DatagramPort::new(&limits());
        let (extra, armed) = (VecDeque::new(), None);
        Broken { inner, fault: *self, extra, armed, hoard: 0, secret, rejected: 0 }
    }

    fn input(&self, rng: &mut Rng) -> DatagramInput<MemoryAddr> {
        Port.input(rng)
    }

    fn command(&self, rng: &mut Rng) -> Command<MemoryAddr> {
        Port.command(rng)
    }

    fn hostile(&self, rng: &mut Rng) -> Option<DatagramInput<MemoryAddr>> {
        let payload = BytesMut::from(&[HOSTILE, 1, 2][..]);
        Some(DatagramInput::Datagram { src: addr(rng), dst: MemoryAddr(9), payload })
    }

    fn bounds(&self) -> Vec<(String, u64)> {
        vec![("hoard".into(), if *self == Self::Unbounded { 500 } else { u64::MAX })]
    }

    fn secrets(&self) -> Vec<Vec<u8>> {
        let secret = |seed| Seed::from_u64(seed).rng("secret").bytes::<8>().to_vec();
        (0..SEEDS).map(secret).collect()
    }
}

#[test]
fn each_law_that_is_broken_is_named() {
    let silent = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let found: Vec<_> = [
        (Fault::PollsWork, 1),
        (Fault::ArmsNow, 3),
        (Fault::EarlyTimeout, 3),
        (Fault::Panics, 4),
        (Fault::RejectsWithEffect, 4),
        (Fault::RejectsInSilence, 4),
        (Fault::Ambient, 5),
        (Fault::Unbounded, 6),
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
