//! Pairs of stacks in memory, with and without the layers between swarms.

use ::tellask::filter::Filter;
use ::tellask::loopback::Loopback;
use ::tellask::map::Map;
use ::tellask::multi::{Multi, Scheme};
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
    T: Fn(Command<MemoryAddr>) -> L::Command,
    H: Fn(L::Event) -> Event<MemoryAddr>,
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
        let tell = Command::Tell { dst: PEER, payload: text.clone().into() };
        from.handle_command(NOW, (self.tell)(tell));
        let mut bytes = 0;
        while let Some(Datagram { dst, payload, .. }) = from.poll_transmit() {
            let (src, payload) = (MemoryAddr(1), payload.into_mut());
            to.handle_input(NOW, DatagramInput::Datagram { src, dst, payload });
            while let Some(event) = to.poll_event() {
                if let Event::Told(message) = (self.hear)(event) {
                    bytes += message.payload.len();
                }
            }
        }
        bytes
    }

    /// Tells a message to the first node itself. Returns the bytes that arrived.
    pub(crate) fn carry_to_itself(&mut self, text: &Bytes) -> usize {
        let node = &mut self.nodes[0];
        let tell = Command::Tell { dst: MemoryAddr(1), payload: text.clone().into() };
        node.handle_command(NOW, (self.tell)(tell));
        let mut bytes = 0;
        while let Some(event) = node.poll_event() {
            if let Event::Told(message) = (self.hear)(event) {
                bytes += message.payload.len();
            }
        }
        bytes
    }
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
            impl Fn(Command<MemoryAddr>) -> Command<MemoryAddr>,
            impl Fn(Event<MemoryAddr>) -> Event<MemoryAddr>,
        > {
            Pair::new($make, |command| command, |event| event)
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
    impl Fn(Command<MemoryAddr>) -> (C, Command<MemoryAddr>),
    impl Fn((C, Event<MemoryAddr>)) -> Event<MemoryAddr>,
> {
    let all = [others, vec![channel.clone()]].concat();
    let make = move || {
        let mux = Mux::new(&Limits::default()).with_channels(all.clone()).expect("opens");
        Stack::new(port(), mux)
    };
    Pair::new(make, move |command| (channel.clone(), command), |(_, event)| event)
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
    type Command = Command<MemoryAddr>;
    type Event = Event<MemoryAddr>;

    #[inline]
    fn handle_input(&mut self, now: Instant, input: Self::Input) {
        self.multi.handle_input(now, (self.scheme, input));
    }

    #[inline]
    fn handle_command(&mut self, now: Instant, command: Self::Command) {
        let key = self.scheme;
        if let Ok(command) = command.try_map(|addr| Ok::<_, MemoryAddr>(At { key, addr })) {
            self.multi.handle_command(now, command);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.multi.handle_timeout(now);
    }

    #[inline]
    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        self.multi.poll_transmit().map(|(_, datagram)| datagram)
    }

    #[inline]
    fn poll_event(&mut self) -> Option<Self::Event> {
        self.multi.poll_event()?.try_map(|at| Some(at.addr))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.multi.poll_timeout()
    }

    fn stats(&self, sink: &mut dyn StatsSink) {
        self.multi.stats(sink);
    }
}

pair!(multi_of_one, "A transport, alone.", || OfSeveral::new(0));
pair!(multi_of_ten, "A transport, and nine others.", || OfSeveral::new(9));
