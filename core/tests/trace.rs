//! What a stack tells a subscriber: what happened and to whom, and never what anybody said.
#![cfg(feature = "tracing")]

use core::fmt::{self, Debug, Write as _};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::time::Duration;
use std::sync::Mutex;
use tellask::ask::Asking;
use tellask::identity::SecretKey;
use tellask::mux::{Mux, Name};
use tellask::p2pke::P2pke;
use tellask::swarm::{Accept, AskId};
use tellask::time::{Anchor, UnixTime};
use tellask::{
    At, BytesMut, Command, Datagram, DatagramInput, DatagramPort, Event, Fragmenter, Instant, Join,
    Limits, MemoryAddr, Node, PeerAddr, Seed, Stack,
};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};

/// All that was traced, a line each.
static TRACED: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Recorder(AtomicU64);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").expect("a string");
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(self.0.fetch_add(1, Relaxed) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        TRACED.lock().expect("no panic").push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

type Secured = Stack<DatagramPort<MemoryAddr>, P2pke<MemoryAddr>>;
type Peer = PeerAddr<MemoryAddr>;
type Asks = Stack<Stack<Secured, Fragmenter<Peer>>, Asking<Peer>>;
type Whole = Stack<Stack<Asks, Mux<Name, Peer>>, Join<Name, Peer>>;

fn key(number: u32) -> SecretKey {
    SecretKey::from_seed(&secret(number))
}

fn secret(number: u32) -> [u8; 32] {
    core::array::from_fn(|at| {
        (at as u8).wrapping_mul(37).wrapping_add((number as u8).wrapping_mul(101))
    })
}

fn node(number: u32, channel: &str) -> Node<Whole> {
    let (seed, limits) = (Seed::from_u64(number.into()), Limits::default());
    let clock = Anchor { at: Instant::ZERO, date: UnixTime::new(1_800_000_000, 0) };
    let security = P2pke::new(key(number), &seed, clock, Accept::Anyone, &limits);
    let secured = Stack::new(DatagramPort::new(&limits), security);
    let large = Stack::new(secured, Fragmenter::new(200_000, &seed, &limits));
    let asking = Stack::new(large, Asking::new(&seed, &limits));
    let mux = Mux::new(&limits).with_channels([Name::from(channel)]).expect("few");
    let mut node = Node::new(Stack::new(Stack::new(asking, mux), Join::new(&limits)));
    let bound = DatagramInput::Bound { local: vec![MemoryAddr(number)], mtu: 1_200 };
    node.handle_input(Instant::ZERO, bound);
    node
}

fn at(channel: &str, number: u32) -> At<Name, Peer> {
    let addr = PeerAddr { id: key(number).id(), addr: MemoryAddr(number) };
    At { key: channel.into(), addr }
}

/// Carries everything for so long, and answers what is asked.
fn run(nodes: &mut [Node<Whole>], now: &mut Instant, time: Duration) {
    let until = *now + time;
    while *now < until {
        *now = *now + Duration::from_millis(1);
        for number in 0..nodes.len() {
            let mut sent = Vec::new();
            let node = &mut nodes[number];
            node.finish_round(*now);
            while let Some(event) = node.poll_event() {
                if let Event::Asked { token, message, .. } = event {
                    let result = Ok(message.payload.into());
                    node.handle_command(*now, Command::Answer { token, dst: message.src, result });
                }
            }
            while let Some(Datagram { dst, payload, .. }) = node.poll_transmit() {
                sent.push((dst.0 as usize, payload.into_mut()));
            }
            for (to, payload) in sent {
                let (src, dst) = (MemoryAddr(number as u32), MemoryAddr(to as u32));
                if let Some(to) = nodes.get_mut(to) {
                    to.handle_input(*now, DatagramInput::Datagram { src, dst, payload });
                }
            }
        }
    }
}

/// The ways in which bytes are usually printed.
fn spellings(bytes: &[u8]) -> [String; 4] {
    let hex = |upper: bool| {
        let digit = |byte: &u8| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") };
        bytes.iter().map(digit).collect::<String>()
    };
    let list = format!("{bytes:?}");
    let list = list.trim_matches(['[', ']']).to_owned();
    [String::from_utf8_lossy(bytes).into_owned(), hex(false), hex(true), list]
}

struct Shown<'a>(&'a [String]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

#[test]
fn a_stack_traces_what_happened_and_to_whom_and_never_what_was_said_nor_a_secret() {
    tracing::subscriber::set_global_default(Recorder(AtomicU64::new(0))).expect("the first");
    let mut nodes = vec![node(0, "chat"), node(1, "chat"), node(2, "other")];
    let mut now = Instant::ZERO;
    let said = *b"nobody may read this in a trace.";

    nodes[0].tell(now, at("chat", 1), said.to_vec()).expect("accepted");
    nodes[0].tell(now, at("chat", 1), said.repeat(1_000)).expect("accepted");
    // Nobody has this channel there.
    nodes[0].tell(now, at("chat", 2), said.to_vec()).expect("accepted");
    let ask = |id, to, now: Instant| Command::Ask {
        id: AskId::new(id),
        dst: at("chat", to),
        payload: said.repeat(100).into(),
        deadline: now + Duration::from_secs(1),
    };
    nodes[0].handle_command(now, ask(1, 1, now));
    run(&mut nodes, &mut now, Duration::from_millis(200));
    // Nobody is there.
    nodes[0].handle_command(now, ask(2, 7, now));
    for junk in [&said[..], &[0; 100], &[0xff; 40]] {
        let (src, dst) = (MemoryAddr(9), MemoryAddr(1));
        let payload = BytesMut::from(junk);
        nodes[1].handle_input(now, DatagramInput::Datagram { src, dst, payload });
    }
    nodes[1].handle_input(now, DatagramInput::Unreachable { dst: MemoryAddr(0) });
    run(&mut nodes, &mut now, Duration::from_secs(2));
    nodes[0].handle_command(now, Command::Disconnect { dst: at("chat", 1) });
    run(&mut nodes, &mut now, Duration::from_millis(100));

    let traced = TRACED.lock().expect("no panic");
    let shown = Shown(&traced);
    let up = format!("INFO message=a peer is up layer=\"p2pke\" peer={}", at("chat", 1).addr);
    for expected in [
        &up[..],
        "INFO message=a peer is down layer=\"p2pke\"",
        "DEBUG message=a message was rejected layer=\"p2pke\" peer=9 reason=",
        "DEBUG message=a message was rejected layer=\"mux\"",
        "DEBUG message=an ask failed layer=\"ask\" reason=",
        "DEBUG message=a datagram was lost layer=\"port\" peer=0 reason=\"unreachable\"",
    ] {
        assert!(
            traced.iter().any(|line| line.starts_with(expected)),
            "{expected} is not in\n{shown}"
        );
    }
    let secrets = [0, 1, 2].map(secret);
    for hidden in secrets.iter().chain([&said]) {
        for part in hidden.windows(6).flat_map(spellings) {
            let shows = traced.iter().find(|line| line.contains(&part));
            assert_eq!(shows, None, "it shows {part}");
        }
    }
}
