//! Two transports as one swarm, on one network: a byte in front of each datagram says whose it is.

use tellask::multi::{Multi, MultiAddr, Scheme};
use tellask::stats::StatsSink;
use tellask::swarm::Link;
use tellask::{Addr, Command, Datagram, DatagramInput, Event, Instant, Layer, Limits, Swarm};

/// What the transports are called.
pub(crate) const SCHEMES: [&str; 2] = ["first", "second"];

pub(crate) fn scheme(name: &str) -> Scheme {
    name.parse().expect("a scheme")
}

/// A multi of two transports, both bound to the node's one address.
pub(crate) struct Doubled<S, L: Swarm> {
    multi: Multi<L>,
    below: core::marker::PhantomData<S>,
}

impl<S, L: Swarm> Doubled<S, L> {
    pub(crate) fn new(transports: [L; 2], limits: &Limits) -> Self {
        let mut multi = Multi::new(limits);
        for (name, transport) in SCHEMES.into_iter().zip(transports) {
            multi.add(Instant::ZERO, scheme(name), transport).expect("there is room");
        }
        Self { multi, below: core::marker::PhantomData }
    }
}

impl<S, L> Doubled<S, L>
where
    S: Addr,
    L: Swarm + Layer<Input = DatagramInput<S>, Transmit = Datagram<S>>,
{
    /// What concerns the network is for both.
    fn both(&mut self, now: Instant, input: &DatagramInput<S>) {
        for name in SCHEMES {
            self.multi.handle_input(now, (scheme(name), input.clone()));
        }
    }
}

impl<S, L> Layer for Doubled<S, L>
where
    S: Addr,
    L: Swarm + Layer<Input = DatagramInput<S>, Transmit = Datagram<S>>,
{
    type Input = DatagramInput<S>;
    type Transmit = Datagram<S>;
    type Command = Command<MultiAddr<L::Addr>>;
    type Event = Event<MultiAddr<L::Addr>>;

    fn handle_input(&mut self, now: Instant, input: Self::Input) {
        match input {
            DatagramInput::Datagram { src, dst, mut payload } => {
                let name = payload.first().and_then(|tag| SCHEMES.get(usize::from(*tag)));
                if let Some(name) = name {
                    let payload = payload.split_off(1);
                    let input = DatagramInput::Datagram { src, dst, payload };
                    self.multi.handle_input(now, (scheme(name), input));
                }
            }
            DatagramInput::Bound { local, mtu } => {
                self.both(now, &DatagramInput::Bound { local, mtu: mtu - 1 });
            }
            DatagramInput::TooLarge { dst, limit } => {
                self.both(now, &DatagramInput::TooLarge { dst, limit: limit - 1 });
            }
            DatagramInput::PathMtu { dst, mtu } => {
                self.both(now, &DatagramInput::PathMtu { dst, mtu: mtu - 1 });
            }
            DatagramInput::Unreachable { dst } => {
                self.both(now, &DatagramInput::Unreachable { dst });
            }
        }
    }

    fn handle_command(&mut self, now: Instant, command: Self::Command) {
        self.multi.handle_command(now, command);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.multi.handle_timeout(now);
    }

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        let (from, mut datagram) = self.multi.poll_transmit()?;
        let tag = SCHEMES.iter().position(|name| scheme(name) == from);
        datagram.payload.prepend(&[tag.expect("one of the two") as u8]);
        Some(datagram)
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

impl<S, L> Swarm for Doubled<S, L>
where
    S: Addr,
    L: Swarm + Layer<Input = DatagramInput<S>, Transmit = Datagram<S>>,
{
    type Addr = MultiAddr<L::Addr>;

    fn link(&self) -> &Link<Self::Addr> {
        self.multi.link()
    }

    fn mtu_to(&self, dst: &Self::Addr) -> usize {
        self.multi.mtu_to(dst)
    }

    fn is_full(&self, dst: &Self::Addr) -> bool {
        self.multi.is_full(dst)
    }

    fn is_closed(&self) -> bool {
        self.multi.is_closed()
    }
}
