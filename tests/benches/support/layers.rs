//! Pairs of stacks in memory, with and without the layers between swarms.

use ::tellask::filter::Filter;
use ::tellask::loopback::Loopback;
use ::tellask::map::Map;
use ::tellask::multi::{Multi, MultiAddr, Scheme};
use ::tellask::mux::{Channel, Mux};
use ::tellask::stats::StatsSink;
use ::tellask::swarm::Accept;
use ::tellask::{
    At, Bytes, Command, Datagram, DatagramInput, DatagramPort, Event, Instant, Layer, Limits,
    MemoryAddr, Stack,
};
use core::fmt::Debug;

const NOW: Instant = Instant::from_nanos(1);
const PEER: MemoryAddr = MemoryAddr(2);

type Port = DatagramPort<MemoryAddr>;

fn port() -> Port {
    DatagramPort::new(&Limits::default())
}

/// Two nodes, and how a message is told and heard.
#[derive(Debug)]
pub(crate) struct Pair<L, T, H> {
    nodes: [L; 2],
    tell: T,
    hear: H,
}

impl<L, T, H> Pair<L, T, H>
where
    L: Layer<Input = DatagramInput<MemoryAddr>, Transmit = Datagram<MemoryAddr>>,
    T: Fn(MemoryAddr, Bytes) -> L::Command,
    H: Fn(L::Event) -> usize,
{
    fn new(make: impl Fn() -> L, tell: T, hear: H) -> Self {
        let node = |number| {
            let mut node = make();
            let local = vec![MemoryAddr(number)];
            node.handle_input(NOW, DatagramInput::Bound { local, mtu: 1_500 });
            while node.poll_event().is_some() {}
            node
        };
        Self { nodes: [node(1), node(2)], tell, hear }
    }

    /// Tells a message from the first node to the second. Returns the bytes that arrived.
    pub(crate) fn carry(&mut self, text: &Bytes) -> usize {
        let [from, to] = &mut self.nodes;
        from.handle_command(NOW, (self.tell)(PEER, text.clone()));
        let mut bytes = 0;
        while let Some(Datagram { dst, payload, .. }) = from.poll_transmit() {
            let (src, payload) = (MemoryAddr(1), payload.into_mut());
            to.handle_input(NOW, DatagramInput::Datagram { src, dst, payload });
            while let Some(event) = to.poll_event() {
                bytes += (self.hear)(event);
            }
        }
        bytes
    }

    /// Tells a message to the first node itself. Returns the bytes that arrived.
    pub(crate) fn carry_to_itself(&mut self, text: &Bytes) -> usize {
        let node = &mut self.nodes[0];
        node.handle_command(NOW, (self.tell)(MemoryAddr(1), text.clone()));
        let mut bytes = 0;
        while let Some(event) = node.poll_event() {
            bytes += (self.hear)(event);
        }
        bytes
    }
}

fn tell<A>(dst: A, text: Bytes) -> Command<A> {
    Command::Tell { dst, payload: text.into() }
}

/// The bytes of a message, if that is what came.
fn heard<A>(event: Event<A>) -> usize {
    if let Event::Told(message) = event { message.payload.len() } else { 0 }
}

macro_rules! pair {
    ($name:ident, $about:literal, $make:expr) => {
        #[doc = $about]
        pub(crate) fn $name() -> Pair<
            impl Layer<
                Input = DatagramInput<MemoryAddr>,
                Transmit = Datagram<MemoryAddr>,
                Command = Command<MemoryAddr>,
                Event = Event<MemoryAddr>,
            >,
            impl Fn(MemoryAddr, Bytes) -> Command<MemoryAddr>,
            impl Fn(Event<MemoryAddr>) -> usize,
        > {
            Pair::new($make, tell, heard)
        }
    };
}

pair!(bare, "Nothing on the port.", port);
pair!(filtered, "An allow-list that lets everybody through.", || {
    Stack::new(port(), Filter::new(Accept::Anyone, &Limits::default()))
});
pair!(looped, "Messages to oneself.", || { Stack::new(port(), Loopback::new(&Limits::default())) });
pair!(mapped, "The same addresses, by way of two functions.", || {
    let same = |addr: &MemoryAddr| Some(*addr);
    Stack::new(port(), Map::new(same, same, &Limits::default()))
});

/// Channels `others` and `channel`, and messages on the latter.
pub(crate) fn channels<C: Channel + Debug>(
    channel: C,
    others: Vec<C>,
) -> Pair<
    Stack<Port, Mux<C, MemoryAddr>>,
    impl Fn(MemoryAddr, Bytes) -> (C, Command<MemoryAddr>),
    impl Fn((C, Event<MemoryAddr>)) -> usize,
> {
    let all = [others, vec![channel.clone()]].concat();
    let make = move || {
        let mux = Mux::new(&Limits::default()).with_channels(all.clone()).expect("opens");
        Stack::new(port(), mux)
    };
    Pair::new(make, move |dst, text| (channel.clone(), tell(dst, text)), |(_, event)| heard(event))
}

/// One of several transports, as the nodes of a pair see it: the others are idle.
#[derive(Debug)]
pub(crate) struct OfSeveral {
    multi: Multi<Port>,
    scheme: Scheme,
}

impl OfSeveral {
    fn new(others: usize) -> Self {
        let limits = Limits::default();
        let scheme = |number| format!("mem{number}").parse().expect("a scheme");
        let mut multi = Multi::new(&limits);
        for number in 0..=others {
            multi.add(NOW, scheme(number), port()).expect("there is room");
        }
        Self { multi, scheme: scheme(others) }
    }
}

impl Layer for OfSeveral {
    type Input = DatagramInput<MemoryAddr>;
    type Transmit = Datagram<MemoryAddr>;
    type Command = Command<MultiAddr<MemoryAddr>>;
    type Event = Event<MultiAddr<MemoryAddr>>;

    fn handle_input(&mut self, now: Instant, input: Self::Input) {
        self.multi.handle_input(now, (self.scheme, input));
    }

    fn handle_command(&mut self, now: Instant, command: Self::Command) {
        self.multi.handle_command(now, command);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.multi.handle_timeout(now);
    }

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        self.multi.poll_transmit().map(|(_, datagram)| datagram)
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        self.multi.poll_event()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.multi.poll_timeout()
    }

    fn stats(&self, sink: &mut dyn StatsSink) {
        self.multi.stats(sink);
    }
}

/// A message through one of several transports; `others` are idle.
pub(crate) fn transports(
    others: usize,
) -> Pair<
    OfSeveral,
    impl Fn(MemoryAddr, Bytes) -> Command<MultiAddr<MemoryAddr>>,
    impl Fn(Event<MultiAddr<MemoryAddr>>) -> usize,
> {
    let key = OfSeveral::new(others).scheme;
    Pair::new(move || OfSeveral::new(others), move |addr, text| tell(At { key, addr }, text), heard)
}
