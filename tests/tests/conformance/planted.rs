//! Swarms with one fault each: a thin wrapper on a right one.

use core::str::FromStr;
use std::collections::VecDeque;
use tellask::layer::earliest;
use tellask::stats::StatsSink;
use tellask::swarm::Link;
use tellask::{Command, Event, Instant, Layer, Swarm};

/// What a fault makes of what passes it. Without a body, all is well.
pub(crate) trait Fault<A>: Send {
    /// An event on its way up.
    fn on_event(&mut self, _: Instant, event: Event<A>, out: &mut Out<A>) {
        out.events.push_back(event);
    }

    /// A command on its way down.
    fn on_command(&mut self, _: Instant, command: Command<A>, out: &mut Out<A>) {
        out.commands.push_back(command);
    }

    /// When [`on_timeout`](Self::on_timeout) is to be called.
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn on_timeout(&mut self, _: Instant, _: &mut Out<A>) {}

    /// Whether the swarm is full although it is not.
    fn is_full(&self) -> bool {
        false
    }

    /// Whether the swarm says that it is closed.
    fn is_closed(&self, closed: bool) -> bool {
        closed
    }

    /// What is read from a text, in place of what is right.
    fn parse(&self, _own: &A, _text: &str, _right: Option<&A>) -> Option<A> {
        None
    }
}

/// What leaves a fault.
pub(crate) struct Out<A> {
    pub(crate) events: VecDeque<Event<A>>,
    pub(crate) commands: VecDeque<Command<A>>,
}

/// A right swarm under a fault.
pub(crate) struct Planted<S: Swarm> {
    swarm: S,
    fault: Box<dyn Fault<S::Addr>>,
    out: Out<S::Addr>,
    link: Link<S::Addr>,
    latest: Instant,
}

impl<S: Swarm> Planted<S> {
    pub(crate) fn new(swarm: S, fault: Box<dyn Fault<S::Addr>>) -> Self {
        let out = Out { events: VecDeque::new(), commands: VecDeque::new() };
        Self { swarm, fault, out, link: Link::unknown(), latest: Instant::ZERO }
    }

    fn flush(&mut self) {
        while let Some(command) = self.out.commands.pop_front() {
            self.swarm.handle_command(self.latest, command);
        }
    }
}

impl<S: Swarm> Layer for Planted<S> {
    type Input = S::Input;
    type Transmit = S::Transmit;
    type Command = S::Command;
    type Event = S::Event;

    fn handle_input(&mut self, now: Instant, input: S::Input) {
        self.latest = now;
        self.swarm.handle_input(now, input);
    }

    fn handle_command(&mut self, now: Instant, command: S::Command) {
        self.latest = now;
        self.fault.on_command(now, command, &mut self.out);
        self.flush();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.latest = now;
        self.swarm.handle_timeout(now);
        if self.fault.poll_timeout().is_some_and(|due| due <= now) {
            self.fault.on_timeout(now, &mut self.out);
            self.flush();
        }
    }

    fn poll_transmit(&mut self) -> Option<S::Transmit> {
        self.swarm.poll_transmit()
    }

    fn poll_event(&mut self) -> Option<S::Event> {
        while self.out.events.is_empty() {
            let event = self.swarm.poll_event()?;
            self.fault.on_event(self.latest, event, &mut self.out);
            self.flush();
        }
        let event = self.out.events.pop_front()?;
        if let Event::Link(link) = &event {
            self.link = link.clone();
        }
        Some(event)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        earliest(self.swarm.poll_timeout(), self.fault.poll_timeout())
    }

    fn stats(&self, sink: &mut dyn StatsSink) {
        self.swarm.stats(sink);
    }
}

impl<S: Swarm> Swarm for Planted<S> {
    type Addr = S::Addr;

    fn link(&self) -> &Link<S::Addr> {
        &self.link
    }

    fn mtu_to(&self, dst: &S::Addr) -> usize {
        self.swarm.mtu_to(dst)
    }

    fn is_full(&self, dst: &S::Addr) -> bool {
        self.swarm.is_full(dst) || self.fault.is_full()
    }

    fn is_closed(&self) -> bool {
        self.fault.is_closed(self.swarm.is_closed())
    }

    fn parse_addr(&self, text: &str) -> Result<S::Addr, <S::Addr as FromStr>::Err> {
        let read = self.swarm.parse_addr(text);
        let own = self.link.local.first();
        let wrong = own.and_then(|own| self.fault.parse(own, text, read.as_ref().ok()));
        wrong.map_or(read, Ok)
    }
}
