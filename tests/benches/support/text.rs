//! Pairs of five-layer stacks over UDP's addresses, in memory: from text, and as the compiler is told.

use ::tellask::ask::Asking;
use ::tellask::diagnostics::Diagnostics;
use ::tellask::fragment::Fragmenter;
use ::tellask::identity::SecretKey;
use ::tellask::mux::{Mux, Name};
use ::tellask::p2pke::P2pke;
use ::tellask::swarm::{Accept, AskId};
use ::tellask::text::{AnyAddr, Description, Parts, udp_port};
use ::tellask::time::{Anchor, UnixTime};
use ::tellask::{
    Addr, At, Bytes, Command, Datagram, DatagramInput, DatagramPort, Event, Instant, Join, Limits,
    Node, PeerAddr, Seed, Stack, Swarm, UdpAddr,
};
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;

/// What both are.
pub(crate) const FIVE: &str =
    "udp://127.0.0.1:0 | p2pke | fragment(256KiB) | ask | mux(string, chat)";

const FRAGMENTED: usize = 256 * 1_024;

/// Two nodes of the same stack that have a session.
#[derive(Debug)]
pub(crate) struct Pair<L, A> {
    nodes: [Node<L>; 2],
    addrs: [A; 2],
    now: Instant,
    seq: u64,
}

/// What the written-out stack calls its nodes.
pub(crate) type Address = At<Name, PeerAddr<UdpAddr>>;

/// A swarm on a UDP socket.
pub(crate) trait OverUdp:
    Swarm<Input = DatagramInput<UdpAddr>, Transmit = Datagram<UdpAddr>>
{
}

impl<L: Swarm<Input = DatagramInput<UdpAddr>, Transmit = Datagram<UdpAddr>>> OverUdp for L {}

fn udp(number: u8) -> UdpAddr {
    SocketAddr::from((Ipv4Addr::new(127, 0, 0, number), 7_000)).into()
}

fn parts(number: u8) -> Parts {
    let seed = Seed::from_u64(number.into());
    Parts {
        limits: Limits::default(),
        key: Some(SecretKey::generate(&mut seed.rng("key"))),
        seed,
        clock: Anchor { at: Instant::ZERO, date: UnixTime::new(1_800_000_000, 0) },
        accept: Accept::Anyone,
        epoch: None,
        diagnostics: Diagnostics::default(),
    }
}

/// From text: boxed layers over one address type.
pub(crate) fn from_text() -> Pair<impl OverUdp<Addr = AnyAddr>, AnyAddr> {
    Pair::new(|number| {
        let (five, parts) = (FIVE.parse::<Description>().expect("in order"), parts(number));
        five.build(udp_port(&parts.limits), &parts).expect("it has a key")
    })
}

/// The same layers, written out.
pub(crate) fn written_out() -> Pair<impl OverUdp<Addr = Address>, Address> {
    Pair::new(|number| {
        let Parts { limits, seed, key, clock, accept, .. } = parts(number);
        let key = key.expect("there is one");
        let p2pke = P2pke::new(key, &seed.child("1"), clock, accept, &limits);
        let stack = Stack::new(DatagramPort::new(&limits), p2pke);
        let fragmenter = Fragmenter::new(FRAGMENTED, &seed.child("2"), &limits);
        let stack = Stack::new(stack, fragmenter);
        let stack = Stack::new(stack, Asking::new(&seed.child("3"), &limits));
        let mux = Mux::new(&limits).with_channels([Name::from("chat")]).expect("opens");
        Stack::new(Stack::new(stack, mux), Join::new(&limits))
    })
}

impl<A, L> Pair<L, A>
where
    A: Addr,
    L: Swarm<Input = DatagramInput<UdpAddr>, Transmit = Datagram<UdpAddr>, Addr = A>,
{
    fn new(make: impl Fn(u8) -> L) -> Self {
        let node = |number| {
            let mut node = Node::new(make(number));
            let bound = DatagramInput::Bound { local: vec![udp(number)], mtu: 1_500 };
            node.handle_input(Instant::ZERO, bound);
            while node.poll_event().is_some() {}
            let addr = node.stack().local_addrs()[0].clone();
            (node, addr)
        };
        let ((a, a_addr), (b, b_addr)) = (node(1), node(2));
        let now = Instant::ZERO + Duration::from_secs(1);
        let mut pair = Self { nodes: [a, b], addrs: [a_addr, b_addr], now, seq: 0 };
        let text = Bytes::from_static(b"hello");
        assert_eq!(pair.carry(&text), text.len());
        assert_eq!(pair.ask(&text), text.len());
        pair
    }

    /// Tells a message from the first node to the second. Returns the bytes that arrived.
    pub(crate) fn carry(&mut self, text: &Bytes) -> usize {
        self.nodes[0].tell(self.now, self.addrs[1].clone(), text.clone()).expect("accepted");
        self.exchange()
    }

    /// Asks the second node, which answers with what it was asked. Returns the bytes of the answer.
    pub(crate) fn ask(&mut self, text: &Bytes) -> usize {
        self.seq += 1;
        let (id, dst) = (AskId::new(self.seq), self.addrs[1].clone());
        let deadline = self.now + Duration::from_secs(60);
        let payload = text.clone().into();
        self.nodes[0].handle_command(self.now, Command::Ask { id, dst, payload, deadline });
        let bytes = self.exchange();
        // Timers that pile up would be measured too.
        self.now = self.now + Duration::from_micros(100);
        for node in &mut self.nodes {
            node.handle_timeout(self.now);
        }
        bytes + self.exchange()
    }

    /// Until neither has anything to send. Returns the bytes that were told, or answered.
    fn exchange(&mut self) -> usize {
        let mut bytes = 0;
        while self.switch(0, 1, &mut bytes) + self.switch(1, 0, &mut bytes) > 0 {}
        bytes
    }

    fn switch(&mut self, from: usize, to: usize, bytes: &mut usize) -> usize {
        let mut count = 0;
        self.nodes[from].finish_round(self.now);
        while let Some(Datagram { payload, .. }) = self.nodes[from].poll_transmit() {
            let [src, dst] = [from, to].map(|place| udp(place as u8 + 1));
            let payload = payload.into_mut();
            let node = &mut self.nodes[to];
            node.handle_input(self.now, DatagramInput::Datagram { src, dst, payload });
            while let Some(event) = node.poll_event() {
                match event {
                    Event::Told(message) => *bytes += message.payload.len(),
                    Event::Answered { result, .. } => *bytes += result.expect("answered").len(),
                    Event::Asked { token, message, .. } => {
                        let result = Ok(message.payload.into());
                        let answer = Command::Answer { token, dst: message.src, result };
                        node.handle_command(self.now, answer);
                    }
                    Event::Link(_)
                    | Event::PathMtu { .. }
                    | Event::Floor { .. }
                    | Event::Withdrawn { .. }
                    | Event::Identified { .. }
                    | Event::PeerUp { .. }
                    | Event::PeerDown { .. }
                    | Event::Undelivered { .. }
                    | Event::Full { .. }
                    | Event::Ready { .. }
                    | Event::Closed => {}
                }
            }
            count += 1;
        }
        count
    }
}
