//! The layers between swarms keep the laws: fragments, channels, filter, map, loopback.

#![allow(clippy::wildcard_enum_match_arm, reason = "a test names what it looks for")]

use tellask::Layer;
use tellask::ask::Asking;
use tellask::filter::Filter;
use tellask::fragment::Fragmenter;
use tellask::identity::{PeerId, PublicKey};
use tellask::loopback::Loopback;
use tellask::map::Map;
use tellask::multi::{Multi, MultiAddr, Scheme};
use tellask::mux::{Mux, Name};
use tellask::p2pke::Tai64n;
use tellask::seed::Rng;
use tellask::stats::StatsSink;
use tellask::swarm::{
    Accept, AskId, BoxSwarm, DownReason, Link, Message, Refusal, Scope, Setting, Token,
    Undeliverable,
};
use tellask::text::{AnyAddr, Description, Parts, memory_port};
use tellask::time::Anchor;
use tellask::{
    Addr, At, BytesMut, Command, Datagram, DatagramInput, DatagramPort, Event, Instant, Join,
    Limits, MemoryAddr, Node, Payload, PeerAddr, Seed, Stack,
};
use tellask_sim::laws::{Call, CallOf, Subject, check, pass_through};

const SEEDS: u64 = 24;
const STEPS: usize = 150;
const SELF: MemoryAddr = MemoryAddr(9);

fn keeps_the_laws(subject: &impl Subject) {
    for seed in 0..SEEDS {
        if let Err(violation) = check(subject, seed, STEPS) {
            panic!("{violation}");
        }
    }
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.send = 4_000;
    limits.send_per_peer = 2_000;
    limits.send_per_channel = 3_000;
    limits.receive = 8_000;
    limits.reassembly = 12_000;
    limits.reassembly_per_peer = 5_000;
    limits.partials = 12;
    limits.partials_per_peer = 5;
    limits.fragment_ids = 2;
    limits.path_mtus = 2;
    limits.channel_requests = 3;
    limits.own_requests = 3;
    limits.ask_max = 1_200;
    limits.ask_peers = 3;
    limits.asks_per_peer = 4;
    limits.ask_sending_per_peer = 3_000;
    limits.ask_sending = 5_000;
    limits.ask_receiving_per_peer = 2_000;
    limits.ask_receiving = 4_000;
    limits.ask_remembered_per_peer = 2_000;
    limits.ask_remembered = 4_000;
    limits.transport_requests = 3;
    limits
}

fn bytes(rng: &mut Rng, most: u64) -> BytesMut {
    let mut bytes = BytesMut::zeroed(rng.below(most) as usize);
    rng.fill(&mut bytes);
    bytes
}

fn addr(rng: &mut Rng) -> MemoryAddr {
    if rng.chance(1, 8) { SELF } else { MemoryAddr(rng.below(4) as u32) }
}

/// A command of any kind.
fn command<A>(rng: &mut Rng, dst: A) -> Command<A> {
    let id = AskId::new(rng.below(4));
    let token = if rng.chance(1, 2) { rng.below(6) } else { u64::MAX - rng.below(6) };
    match rng.below(20) {
        0 => Command::Identify { dst },
        1 => Command::Disconnect { dst },
        2 => Command::Set(Setting::Clock(Anchor::default())),
        3 => Command::Cancel { id, dst },
        4 => Command::Answer { token: Token(token), dst, result: Err(Refusal::default()) },
        5 => Command::Answer { token: Token(token), dst, result: Ok("yes".into()) },
        6 | 7 => {
            let deadline = Instant::from_nanos(rng.below(1 << 38));
            Command::Ask { id, dst, payload: Payload::from("what"), deadline }
        }
        8 if rng.chance(1, 8) => Command::Close,
        _ => Command::Tell { dst, payload: bytes(rng, 1_500).into() },
    }
}

/// An event of any kind; messages say `text`.
fn event<A: Addr>(rng: &mut Rng, at: impl Fn(MemoryAddr) -> A, text: BytesMut) -> Event<A> {
    let peer = addr(rng);
    let (dst, own) = (at(peer), at(SELF));
    let scope = if rng.chance(1, 3) { Scope::All } else { Scope::To(dst.clone()) };
    let message = Message { src: dst.clone(), dst: own.clone(), payload: text };
    let token = Token(rng.below(6));
    match rng.below(28) {
        0 => {
            let size = 300 + rng.below(2) as usize;
            Event::Link(Link { local: vec![own], unit: size, tell_max: size, ask_max: size })
        }
        1 => Event::PathMtu { dst, unit: 350, tell_max: 350 + rng.below(2) as usize },
        2..5 => Event::Full { scope },
        5..8 => Event::Ready { scope },
        8 => Event::PeerUp { addr: dst, key: PublicKey::from_bytes([1; 32]) },
        9 => Event::PeerDown { addr: dst, reason: DownReason::Idle },
        10 => Event::Undelivered { dst, reason: Undeliverable::TimedOut },
        11 => Event::Identified { addr: dst, result: Ok(PublicKey::from_bytes([1; 32])) },
        12 => Event::Withdrawn { token, src: dst },
        13 => {
            let id = AskId { seq: rng.below(4), path: rng.below(4) };
            Event::Answered { id, result: Ok(BytesMut::new()) }
        }
        14..17 => {
            Event::Asked { token, message, deadline: Instant::from_nanos(rng.below(1 << 38)) }
        }
        17 if rng.chance(1, 20) => Event::Closed,
        18 => Event::Floor { key: PublicKey::from_bytes([1; 32]), stamp: Tai64n::MIN },
        _ => Event::Told(message),
    }
}

fn told(src: MemoryAddr, payload: BytesMut) -> Event<MemoryAddr> {
    Event::Told(Message { src, dst: SELF, payload })
}

fn link() -> Event<MemoryAddr> {
    Event::Link(Link { local: vec![SELF], unit: 300, tell_max: 300, ask_max: 300 })
}

/// A fragment that may belong to any of a few messages.
fn fragment(rng: &mut Rng) -> BytesMut {
    let total = 1 + rng.below(3) as u8;
    let part = rng.below(total.into()) as u8;
    let len = if part + 1 < total { 200 } else { rng.below(200) as usize };
    let mut text = BytesMut::from(&[rng.below(6) as u8, part, total][..]);
    text.resize(3 + len, part);
    text
}

struct Fragments;

impl Subject for Fragments {
    type Layer = Fragmenter<MemoryAddr>;

    fn make(&self, seed: &Seed) -> Self::Layer {
        Fragmenter::new(2_000, seed, &limits())
    }

    fn opening(&self, _seed: &Seed) -> Vec<CallOf<Self::Layer>> {
        vec![Call::Input(link())]
    }

    fn input(&self, rng: &mut Rng) -> Event<MemoryAddr> {
        let text = fragment(rng);
        event(rng, |addr| addr, text)
    }

    fn command(&self, rng: &mut Rng) -> Command<MemoryAddr> {
        let dst = addr(rng);
        command(rng, dst)
    }

    fn hostile(&self, rng: &mut Rng) -> Option<Event<MemoryAddr>> {
        let mut text = fragment(rng);
        match rng.below(5) {
            0 => text.truncate(rng.below(3) as usize),
            1 => text[2] = 0,
            2 => text[1] = text[2],
            3 => text[0..3].fill(0xff),
            // It would be larger than messages may be.
            _ => text = BytesMut::from(&[&[7, 0, 20][..], &[0; 150]].concat()[..]),
        }
        Some(told(addr(rng), text))
    }

    fn bounds(&self) -> Vec<(String, u64)> {
        vec![
            ("fragment.reassembly_bytes".into(), 12_000),
            ("fragment.reassembly_messages".into(), 12),
            ("fragment.reassembly_sources".into(), 12),
            ("fragment.fragment_ids".into(), 2),
            ("fragment.paused".into(), 2),
            ("fragment.send_bytes".into(), 4_000 + 1_500 + 128),
            ("fragment.receive_bytes".into(), 8_000),
        ]
    }
}

#[test]
fn the_fragmenter_keeps_the_laws() {
    keeps_the_laws(&Fragments);
}

/// The same on a port, with bursts.
struct FragmentStack;

impl Subject for FragmentStack {
    type Layer = Stack<DatagramPort<MemoryAddr>, Fragmenter<MemoryAddr>>;

    fn make(&self, seed: &Seed) -> Self::Layer {
        let mut limits = limits();
        (limits.send, limits.send_per_peer) = (400_000, 400_000);
        let port = DatagramPort::new(&limits);
        Stack::new(port, Fragmenter::new(200_000, seed, &limits))
    }

    fn opening(&self, _seed: &Seed) -> Vec<CallOf<Self::Layer>> {
        vec![Call::Input(DatagramInput::Bound { local: vec![SELF], mtu: 1_400 })]
    }

    fn input(&self, rng: &mut Rng) -> DatagramInput<MemoryAddr> {
        let payload = fragment(rng);
        DatagramInput::Datagram { src: addr(rng), dst: SELF, payload }
    }

    fn command(&self, rng: &mut Rng) -> Command<MemoryAddr> {
        let dst = addr(rng);
        if rng.chance(1, 2) {
            return Command::Tell { dst, payload: bytes(rng, 190_000).into() };
        }
        command(rng, dst)
    }

    fn outputs_per_call(&self) -> usize {
        1_000
    }
}

#[test]
fn the_fragmenter_on_a_port_keeps_the_laws() {
    keeps_the_laws(&FragmentStack);
}

struct Channels;

impl Subject for Channels {
    type Layer = Mux<u16, MemoryAddr>;

    fn make(&self, _seed: &Seed) -> Self::Layer {
        Mux::new(&limits()).with_channels(0..3).expect("opens")
    }

    fn opening(&self, _seed: &Seed) -> Vec<CallOf<Self::Layer>> {
        vec![Call::Input(link())]
    }

    fn input(&self, rng: &mut Rng) -> Event<MemoryAddr> {
        let channel = rng.below(4) as u8;
        let text = [&[0, channel][..], &bytes(rng, 200)].concat();
        event(rng, |addr| addr, BytesMut::from(&text[..]))
    }

    fn command(&self, rng: &mut Rng) -> (u16, Command<MemoryAddr>) {
        let (channel, dst) = (rng.below(4) as u16, addr(rng));
        (channel, command(rng, dst))
    }

    fn hostile(&self, rng: &mut Rng) -> Option<Event<MemoryAddr>> {
        let mut text = bytes(rng, 40);
        match rng.below(2) {
            0 => text.truncate(1),
            _ => text = BytesMut::from(&[&[7][..], &text, &[0]].concat()[..]),
        }
        Some(told(addr(rng), text))
    }

    fn bounds(&self) -> Vec<(String, u64)> {
        let mut bounds = vec![
            ("mux.requests_waiting".into(), 3),
            ("mux.identifying".into(), 3),
            ("mux.path_mtus".into(), 2),
            ("mux.strays".into(), 1_024),
        ];
        for slot in 0..3 {
            bounds.push((format!("mux.{slot}.send_bytes"), 3_000 + 1_500 + 128));
            bounds.push((format!("mux.{slot}.receive_bytes"), 8_000));
        }
        bounds
    }
}

#[test]
fn the_multiplexer_keeps_the_laws() {
    keeps_the_laws(&Channels);
}

/// Named channels of a port, as one swarm.
struct JoinedChannels;

impl Subject for JoinedChannels {
    type Layer =
        Stack<Stack<DatagramPort<MemoryAddr>, Mux<Name, MemoryAddr>>, Join<Name, MemoryAddr>>;

    fn make(&self, _seed: &Seed) -> Self::Layer {
        let mux = Mux::new(&limits()).with_channels(["a".into(), "b".into()]).expect("opens");
        Stack::new(Stack::new(DatagramPort::new(&limits()), mux), Join::new(&limits()))
    }

    fn opening(&self, _seed: &Seed) -> Vec<CallOf<Self::Layer>> {
        vec![Call::Input(DatagramInput::Bound { local: vec![SELF], mtu: 1_400 })]
    }

    fn input(&self, rng: &mut Rng) -> DatagramInput<MemoryAddr> {
        let name = b'a' + rng.below(3) as u8;
        let text = [&[1, name][..], &bytes(rng, 200)].concat();
        let payload = BytesMut::from(&text[..]);
        DatagramInput::Datagram { src: addr(rng), dst: SELF, payload }
    }

    fn command(&self, rng: &mut Rng) -> Command<At<Name, MemoryAddr>> {
        let key = Name::from(["a", "b", "c"][rng.below(3) as usize]);
        let addr = addr(rng);
        command(rng, At { key, addr })
    }

    fn hostile(&self, rng: &mut Rng) -> Option<DatagramInput<MemoryAddr>> {
        let len = [0x80, 0xff, 100][rng.below(3) as usize];
        let payload = BytesMut::from(&[len; 9][..]);
        Some(DatagramInput::Datagram { src: addr(rng), dst: SELF, payload })
    }
}

#[test]
fn channels_joined_to_one_swarm_keep_the_laws() {
    keeps_the_laws(&JoinedChannels);
}

fn schemes() -> [Scheme; 3] {
    ["mem", "tcp", "gone"].map(|text| text.parse().expect("a scheme"))
}

/// Two transports that say whatever a swarm may say.
struct Transports;

impl Subject for Transports {
    type Layer = Multi<Filter<MemoryAddr>>;

    fn make(&self, _seed: &Seed) -> Self::Layer {
        let mut multi = Multi::new(&limits());
        for scheme in &schemes()[..2] {
            let filter = Filter::new(Accept::Anyone, &limits());
            multi.add(Instant::ZERO, *scheme, filter).expect("there is room");
        }
        multi
    }

    fn opening(&self, _seed: &Seed) -> Vec<CallOf<Self::Layer>> {
        schemes()[..2].iter().map(|scheme| Call::Input((*scheme, link()))).collect()
    }

    fn input(&self, rng: &mut Rng) -> (Scheme, Event<MemoryAddr>) {
        let text = bytes(rng, 300);
        (schemes()[rng.below(3) as usize], event(rng, |addr| addr, text))
    }

    fn command(&self, rng: &mut Rng) -> Command<MultiAddr<MemoryAddr>> {
        let key = schemes()[rng.below(3) as usize];
        let addr = addr(rng);
        command(rng, At { key, addr })
    }

    fn hostile(&self, rng: &mut Rng) -> Option<(Scheme, Event<MemoryAddr>)> {
        Some((schemes()[2], told(addr(rng), bytes(rng, 300))))
    }

    fn bounds(&self) -> Vec<(String, u64)> {
        // The mark and one message; of each transport one close may be held beyond.
        let mut bounds = vec![("multi.held_bytes".into(), 4_000 + 1_500 + 128 + 2 * 128)];
        for what in ["asks", "requests_waiting", "identifying"] {
            bounds.push((format!("multi.{what}"), 3));
        }
        for scheme in ["mem", "tcp"] {
            bounds.push((format!("multi.{scheme}.receive_bytes"), 9_000));
        }
        bounds
    }
}

#[test]
fn a_set_of_transports_keeps_the_laws() {
    keeps_the_laws(&Transports);
}

/// Two sockets, which have timers of their own.
struct Sockets;

impl Subject for Sockets {
    type Layer = Multi<DatagramPort<MemoryAddr>>;

    fn make(&self, _seed: &Seed) -> Self::Layer {
        let mut multi = Multi::new(&limits());
        for scheme in &schemes()[..2] {
            let port = DatagramPort::new(&limits());
            multi.add(Instant::ZERO, *scheme, port).expect("there is room");
        }
        multi
    }

    fn opening(&self, _seed: &Seed) -> Vec<CallOf<Self::Layer>> {
        let bound = DatagramInput::Bound { local: vec![SELF], mtu: 1_400 };
        schemes()[..2].iter().map(|scheme| Call::Input((*scheme, bound.clone()))).collect()
    }

    fn input(&self, rng: &mut Rng) -> (Scheme, DatagramInput<MemoryAddr>) {
        let scheme = schemes()[rng.below(2) as usize];
        let dst = addr(rng);
        let input = match rng.below(8) {
            0 => DatagramInput::Unreachable { dst },
            1 => DatagramInput::PathMtu { dst, mtu: 1_400 + rng.below(2) as usize },
            _ => DatagramInput::Datagram { src: dst, dst: SELF, payload: bytes(rng, 1_400) },
        };
        (scheme, input)
    }

    fn command(&self, rng: &mut Rng) -> Command<MultiAddr<MemoryAddr>> {
        let key = schemes()[rng.below(3) as usize];
        let addr = addr(rng);
        command(rng, At { key, addr })
    }
}

#[test]
fn a_set_of_sockets_keeps_the_laws() {
    keeps_the_laws(&Sockets);
}

/// A stack from text, of every layer that needs no handshake.
struct FromText(BoxSwarm<DatagramInput<MemoryAddr>, Datagram<MemoryAddr>, AnyAddr>);

impl Layer for FromText {
    type Input = DatagramInput<MemoryAddr>;
    type Transmit = Datagram<MemoryAddr>;
    type Command = Command<AnyAddr>;
    type Event = Event<AnyAddr>;

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

impl core::fmt::Debug for FromText {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("a stack from text")
    }
}

struct Texts;

impl Subject for Texts {
    type Layer = FromText;

    fn make(&self, seed: &Seed) -> FromText {
        let text = "memory://9 | fragment(2000) | ask | loopback | mux(u16, 7, 8)";
        let text: Description = text.parse().expect("in order");
        let (clock, accept) = (Anchor::default(), Accept::Anyone);
        let parts =
            Parts { limits: limits(), seed: seed.clone(), key: None, clock, accept, epoch: None };
        FromText(text.build(memory_port(&parts.limits), &parts).expect("it needs no key"))
    }

    fn opening(&self, _seed: &Seed) -> Vec<CallOf<Self::Layer>> {
        vec![Call::Input(DatagramInput::Bound { local: vec![SELF], mtu: 1_400 })]
    }

    fn input(&self, rng: &mut Rng) -> DatagramInput<MemoryAddr> {
        let payload = if rng.chance(1, 2) { fragment(rng) } else { bytes(rng, 300) };
        DatagramInput::Datagram { src: addr(rng), dst: SELF, payload }
    }

    fn command(&self, rng: &mut Rng) -> Command<AnyAddr> {
        // Of the right shape, on a channel that is not open, and of no such shape.
        let text = match rng.below(4) {
            0 => format!("9://{}", addr(rng)),
            1 => addr(rng).to_string(),
            _ => format!("{}://{}", 7 + rng.below(2), addr(rng)),
        };
        command(rng, text.parse().expect("an address"))
    }

    fn outputs_per_call(&self) -> usize {
        1_000
    }
}

#[test]
fn a_stack_from_text_keeps_the_laws() {
    keeps_the_laws(&Texts);
}

fn peer(addr: MemoryAddr) -> PeerAddr<MemoryAddr> {
    PeerAddr { id: PeerId::from_bytes([addr.0 as u8; 32]), addr }
}

struct Filtered;

impl Subject for Filtered {
    type Layer = Filter<PeerAddr<MemoryAddr>>;

    fn make(&self, _seed: &Seed) -> Self::Layer {
        let accept: Accept =
            [1, 2, 9].map(|number| peer(MemoryAddr(number)).id).into_iter().collect();
        Filter::new(accept, &limits())
    }

    fn input(&self, rng: &mut Rng) -> Event<PeerAddr<MemoryAddr>> {
        let text = bytes(rng, 300);
        event(rng, peer, text)
    }

    fn command(&self, rng: &mut Rng) -> Command<PeerAddr<MemoryAddr>> {
        let dst = peer(addr(rng));
        command(rng, dst)
    }

    fn hostile(&self, rng: &mut Rng) -> Option<Event<PeerAddr<MemoryAddr>>> {
        let (src, payload) = (peer(MemoryAddr(3)), bytes(rng, 300));
        Some(Event::Told(Message { src, dst: peer(SELF), payload }))
    }

    fn bounds(&self) -> Vec<(String, u64)> {
        // Answers and identifications are awaited, and come however much waits.
        vec![("filter.receive_bytes".into(), 9_000)]
    }
}

#[test]
fn the_filter_keeps_the_laws() {
    keeps_the_laws(&Filtered);
    let make = || Filter::new(Accept::Anyone, &Limits::default());
    assert_eq!(pass_through(make, &peer(MemoryAddr(1))), Ok(()));
}

struct ToOneself;

impl Subject for ToOneself {
    type Layer = Loopback<MemoryAddr>;

    fn make(&self, _seed: &Seed) -> Self::Layer {
        Loopback::new(&limits())
    }

    fn opening(&self, _seed: &Seed) -> Vec<CallOf<Self::Layer>> {
        vec![Call::Input(link())]
    }

    fn input(&self, rng: &mut Rng) -> Event<MemoryAddr> {
        let text = bytes(rng, 300);
        event(rng, |addr| addr, text)
    }

    fn command(&self, rng: &mut Rng) -> Command<MemoryAddr> {
        let dst = if rng.chance(1, 2) { SELF } else { addr(rng) };
        command(rng, dst)
    }

    fn hostile(&self, rng: &mut Rng) -> Option<Event<MemoryAddr>> {
        Some(told(SELF, bytes(rng, 300)))
    }

    fn bounds(&self) -> Vec<(String, u64)> {
        vec![("loopback.requests_waiting".into(), 3), ("loopback.receive_bytes".into(), 9_000)]
    }
}

#[test]
fn the_loopback_keeps_the_laws() {
    keeps_the_laws(&ToOneself);
    // The peer must not be this node itself, which it is in the links of `pass_through`.
    let other = |event| match event {
        Event::Link(link) => Event::Link(Link { local: vec![SELF], ..link }),
        other => other,
    };
    let make = || Adapted { layer: Loopback::new(&Limits::default()), adapt: other };
    assert_eq!(pass_through(make, &MemoryAddr(1)), Ok(()));
}

struct Mapped;

type Up = fn(&MemoryAddr) -> Option<u64>;
type Down = fn(&u64) -> Option<MemoryAddr>;

impl Subject for Mapped {
    type Layer = Map<MemoryAddr, u64, Up, Down>;

    fn make(&self, _seed: &Seed) -> Self::Layer {
        let up: Up = |addr| (addr.0 != 3).then(|| u64::from(addr.0) + 100);
        let down: Down = |name| {
            let number = u32::try_from(name.checked_sub(100)?).ok()?;
            (number != 3).then_some(MemoryAddr(number))
        };
        Map::new(up, down, &limits())
    }

    fn input(&self, rng: &mut Rng) -> Event<MemoryAddr> {
        let text = bytes(rng, 300);
        event(rng, |addr| addr, text)
    }

    fn command(&self, rng: &mut Rng) -> Command<u64> {
        let dst = 99 + rng.below(8);
        command(rng, dst)
    }

    fn hostile(&self, rng: &mut Rng) -> Option<Event<MemoryAddr>> {
        Some(told(MemoryAddr(3), bytes(rng, 300)))
    }

    fn bounds(&self) -> Vec<(String, u64)> {
        vec![("map.receive_bytes".into(), 9_000)]
    }
}

#[test]
fn the_map_keeps_the_laws() {
    keeps_the_laws(&Mapped);
    let make = || {
        let up: fn(&MemoryAddr) -> Option<MemoryAddr> = |addr| Some(*addr);
        Map::new(up, up, &Limits::default())
    };
    assert_eq!(pass_through(make, &MemoryAddr(1)), Ok(()));
}

#[test]
fn the_fragmenter_forgets_no_variant() {
    let framed = |event| match event {
        Event::Told(mut message) => {
            message.payload = BytesMut::from(&[&[5, 0, 1][..], &message.payload].concat()[..]);
            Event::Told(message)
        }
        other => other,
    };
    let layer = || Fragmenter::new(2_000, &Seed::from_u64(1), &Limits::default());
    let make = || Adapted { layer: layer(), adapt: framed };
    // It has a queue of its own, and says itself when that is full: the first that is not passed on.
    let first = pass_through(make, &MemoryAddr(1)).expect_err("full is not passed on");
    assert!(first.contains("Full"), "{first}");
}

/// A layer that is given something else than what comes from below.
struct Adapted<L, F> {
    layer: L,
    adapt: F,
}

impl<L: Layer, F: Fn(L::Input) -> L::Input> Layer for Adapted<L, F> {
    type Input = L::Input;
    type Transmit = L::Transmit;
    type Command = L::Command;
    type Event = L::Event;

    fn handle_input(&mut self, now: Instant, input: Self::Input) {
        self.layer.handle_input(now, (self.adapt)(input));
    }

    fn handle_command(&mut self, now: Instant, command: Self::Command) {
        self.layer.handle_command(now, command);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.layer.handle_timeout(now);
    }

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        self.layer.poll_transmit()
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        self.layer.poll_event()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.layer.poll_timeout()
    }

    fn stats(&self, sink: &mut dyn StatsSink) {
        self.layer.stats(sink);
    }
}

/// Requests and answers, of one part and of several.
struct Asks;

/// What the node at address 9 gets from the one at address 1: asks, and answers to its own.
fn asked(seed: &Seed) -> Vec<Event<MemoryAddr>> {
    let nodes = [seed.clone(), seed.child("peer")].map(|seed| Asking::new(&seed, &limits()));
    let mut nodes = nodes.map(Node::new);
    let addrs = [SELF, MemoryAddr(1)];
    let mut inputs = vec![link()];
    let mut now = Instant::ZERO;
    for node in &mut nodes {
        node.handle_input(now, link());
    }
    let deadline = Instant::from_nanos(1 << 36);
    for (nth, len) in [10, 700, 40, 0].into_iter().enumerate() {
        for (from, to) in [(0, 1), (1, 0)] {
            let payload = BytesMut::zeroed(len).freeze();
            nodes[from]
                .ask(now, AskId::new(nth as u64), addrs[to], payload, deadline)
                .expect("accepted");
        }
    }
    for _ in 0..40 {
        now = now + core::time::Duration::from_millis(5);
        for (from, to) in [(0, 1), (1, 0)] {
            nodes[from].handle_timeout(now);
            while let Some(event) = nodes[from].poll_event() {
                let Event::Asked { token, message, .. } = event else { continue };
                let answer = BytesMut::zeroed(500 - message.payload.len() / 2).freeze();
                let result = Ok(answer.into());
                nodes[from]
                    .handle_command(now, Command::Answer { token, dst: message.src, result });
            }
            nodes[from].handle_timeout(now.next());
            while let Some(command) = nodes[from].poll_transmit() {
                let Command::Tell { payload, .. } = command else { continue };
                let payload = payload.into_mut();
                let input = Event::Told(Message { src: addrs[from], dst: addrs[to], payload });
                if to == 0 {
                    inputs.push(input.clone());
                }
                nodes[to].handle_input(now, input);
            }
        }
    }
    inputs
}

impl Subject for Asks {
    type Layer = Asking<MemoryAddr>;

    fn make(&self, seed: &Seed) -> Self::Layer {
        Asking::new(seed, &limits())
    }

    fn opening(&self, seed: &Seed) -> Vec<CallOf<Self::Layer>> {
        asked(seed).into_iter().map(Call::Input).take(4).collect()
    }

    fn input(&self, rng: &mut Rng) -> Event<MemoryAddr> {
        if rng.chance(1, 4) {
            let text = bytes(rng, 60);
            return event(rng, |addr| addr, text);
        }
        // Of the session that there was in the beginning, or of another.
        let recorded = asked(&Seed::from_u64(rng.below(4)));
        let nth = rng.below(recorded.len() as u64) as usize;
        match recorded[nth].clone() {
            Event::Told(message) => told(addr(rng), message.payload),
            other => other,
        }
    }

    fn command(&self, rng: &mut Rng) -> Command<MemoryAddr> {
        let dst = addr(rng);
        if rng.chance(1, 3) {
            let id = AskId::new(rng.below(64));
            let deadline = Instant::from_nanos(rng.below(1 << 38));
            return Command::Ask { id, dst, payload: bytes(rng, 1_500).into(), deadline };
        }
        command(rng, dst)
    }

    fn hostile(&self, rng: &mut Rng) -> Option<Event<MemoryAddr>> {
        let recorded = asked(&Seed::from_u64(rng.below(4)));
        let nth = 1 + rng.below(recorded.len() as u64 - 1) as usize;
        let Event::Told(Message { src, mut payload, .. }) = recorded[nth].clone() else {
            return None;
        };
        match rng.below(4) {
            // Another version, or none.
            0 => payload[0] ^= 0x20,
            1 => payload.truncate(rng.below(17) as usize + 1),
            2 => payload.clear(),
            // A session that has no name.
            _ => payload[1..9].fill(0),
        }
        Some(told(src, payload))
    }

    fn bounds(&self) -> Vec<(String, u64)> {
        vec![
            ("ask.peers".into(), 3),
            ("ask.asks".into(), 3 * 4),
            ("ask.owed".into(), 3 * 4),
            ("ask.asked_bytes".into(), 5_000 + 1_500),
            ("ask.parts_bytes".into(), 4_000),
            ("ask.remembered_bytes".into(), 4_000),
            ("ask.send_bytes".into(), 4_000 + 1_500 + 128),
            ("ask.receive_bytes".into(), 8_000),
        ]
    }
}

#[test]
fn asking_keeps_the_laws() {
    keeps_the_laws(&Asks);
}
