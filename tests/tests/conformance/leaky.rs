//! A secure layer that leaves requests to whoever is below it.

use std::collections::VecDeque;
use tellask::addr::Source;
use tellask::p2pke::P2pke;
use tellask::stats::StatsSink;
use tellask::swarm::Link;
use tellask::{Addr, Command, Event, Instant, Layer, PeerAddr, Swarm};

/// p2pke that refuses a request, as it must, and passes it on all the same.
pub(crate) struct Leaky<A> {
    secure: P2pke<A>,
    leaks: VecDeque<Command<A>>,
}

impl<A: Addr + Source> Leaky<A> {
    pub(crate) const fn new(secure: P2pke<A>) -> Self {
        Self { secure, leaks: VecDeque::new() }
    }
}

impl<A: Addr + Source> Layer for Leaky<A> {
    type Input = Event<A>;
    type Transmit = Command<A>;
    type Command = Command<PeerAddr<A>>;
    type Event = Event<PeerAddr<A>>;

    fn handle_input(&mut self, now: Instant, input: Event<A>) {
        self.secure.handle_input(now, input);
    }

    fn handle_command(&mut self, now: Instant, command: Self::Command) {
        if let Command::Ask { id, dst, payload, deadline } = &command {
            let (id, deadline, payload) = (*id, *deadline, payload.clone());
            self.leaks.push_back(Command::Ask { id, dst: dst.addr.clone(), payload, deadline });
        }
        self.secure.handle_command(now, command);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.secure.handle_timeout(now);
    }

    fn poll_transmit(&mut self) -> Option<Command<A>> {
        self.leaks.pop_front().or_else(|| self.secure.poll_transmit())
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        self.secure.poll_event()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.secure.poll_timeout()
    }

    fn stats(&self, sink: &mut dyn StatsSink) {
        self.secure.stats(sink);
    }
}

impl<A: Addr + Source> Swarm for Leaky<A> {
    type Addr = PeerAddr<A>;

    fn link(&self) -> &Link<PeerAddr<A>> {
        self.secure.link()
    }

    fn is_full(&self, dst: &PeerAddr<A>) -> bool {
        self.secure.is_full(dst)
    }

    fn is_closed(&self) -> bool {
        self.secure.is_closed()
    }
}
