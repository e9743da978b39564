//! Transports of different kinds under one [`Multi`]: each is all that goes through one channel of a secured swarm.

use super::scenarios::Peer;
use super::subject::Stack as Boxed;
use crate::scenario::Secure;
use tellask::ask::Asking;
use tellask::multi::{MultiAddr, Scheme};
use tellask::stats::StatsSink;
use tellask::swarm::{Accept, BoxSwarm, Link};
use tellask::{
    At, Command, Event, Filter, Fragmenter, Instant, Layer, Limits, Multi, Mux, Seed, Stack, Swarm,
};

/// What is addressed over transports.
pub(super) type Schemed = MultiAddr<Peer>;
type Transport = BoxSwarm<Event<Peer>, Command<Peer>, Peer>;

/// The channels, and what their transports are called.
const TRANSPORTS: [(u16, &str); 2] = [(1, "small"), (500, "large")];
/// The largest message of the second, which is put together; those of the first are as they are.
const LARGEST: usize = 8_000;

/// A name of the table.
fn scheme(name: &str) -> Scheme {
    name.parse().expect("the names of transports are schemes")
}

/// What a peer is called in one of the transports.
pub(super) fn addr_in(nth: usize, addr: Peer) -> Schemed {
    let (_, name) = TRANSPORTS[nth % TRANSPORTS.len()];
    At { key: scheme(name), addr }
}

/// One that asks over datagrams, and hears everybody; and one that asks over messages of many fragments.
pub(super) fn over(secure: Secure, secret: &Seed, limits: &Limits) -> Boxed<Schemed> {
    let mux = Mux::new(limits).with_channels(TRANSPORTS.map(|(channel, _)| channel));
    let secret = |name: &str| secret.child(&format!("transport {name}"));
    let [small, large] = TRANSPORTS.map(|(_, name)| name);
    let mut multi = Multi::new(limits);
    let everybody = Filter::new(Accept::Anyone, limits);
    let bare: Transport = Box::new(Stack::new(everybody, Asking::new(&secret(small), limits)));
    let fragmenter = Fragmenter::new(LARGEST, &secret(large), limits);
    let whole: Transport = Box::new(Stack::new(fragmenter, Asking::new(&secret(large), limits)));
    for (name, transport) in [(small, bare), (large, whole)] {
        multi.add(Instant::ZERO, scheme(name), transport).expect("two transports have room");
    }
    let mux = Stack::new(secure, mux.expect("two channels have room"));
    Box::new(Stack::new(mux, Numbered(multi)))
}

/// Transports that the side below knows by the numbers of its channels.
struct Numbered(Multi<Transport>);

impl Layer for Numbered {
    type Input = (u16, Event<Peer>);
    type Transmit = (u16, Command<Peer>);
    type Command = Command<Schemed>;
    type Event = Event<Schemed>;

    fn handle_input(&mut self, now: Instant, (channel, event): Self::Input) {
        if let Some((_, name)) = TRANSPORTS.iter().find(|(number, _)| *number == channel) {
            self.0.handle_input(now, (scheme(name), event));
        }
    }

    fn handle_command(&mut self, now: Instant, command: Self::Command) {
        self.0.handle_command(now, command);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.0.handle_timeout(now);
    }

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        let (scheme, command) = self.0.poll_transmit()?;
        let (channel, _) = TRANSPORTS.iter().find(|(_, name)| *name == scheme.as_str())?;
        Some((*channel, command))
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

impl Swarm for Numbered {
    type Addr = Schemed;

    fn link(&self) -> &Link<Schemed> {
        self.0.link()
    }

    fn mtu_to(&self, dst: &Schemed) -> usize {
        self.0.mtu_to(dst)
    }

    fn is_full(&self, dst: &Schemed) -> bool {
        self.0.is_full(dst)
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}
