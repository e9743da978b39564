//! Swarms with one fault each: a thin wrapper on a right one.

use std::collections::{BTreeSet, VecDeque};
use tellask::stats::StatsSink;
use tellask::swarm::Link;
use tellask::{Command, Event, Instant, Layer, Swarm};

/// What a fault makes of what passes it.
pub(crate) trait Fault<A> {
    /// An event on its way up.
    fn on_event(&mut self, now: Instant, event: Event<A>, out: &mut Out<A>) {
        let _ = now;
        out.events.push_back(event);
    }

    /// A command on its way down.
    fn on_command(&mut self, now: Instant, command: Command<A>, out: &mut Out<A>) {
        let _ = now;
        out.commands.push_back(command);
    }
}

/// What leaves a fault.
pub(crate) struct Out<A> {
    pub(crate) events: VecDeque<Event<A>>,
    pub(crate) commands: VecDeque<Command<A>>,
}

/// A right swarm under a fault.
pub(crate) struct Planted<S: Swarm, F> {
    swarm: S,
    fault: F,
    out: Out<S::Addr>,
    latest: Instant,
}

impl<S: Swarm, F: Fault<S::Addr>> Planted<S, F> {
    pub(crate) fn new(swarm: S, fault: F) -> Self {
        let out = Out { events: VecDeque::new(), commands: VecDeque::new() };
        Self { swarm, fault, out, latest: Instant::ZERO }
    }

    fn flush(&mut self) {
        while let Some(command) = self.out.commands.pop_front() {
            self.swarm.handle_command(self.latest, command);
        }
    }
}

impl<S: Swarm, F: Fault<S::Addr>> Layer for Planted<S, F> {
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
    }

    fn poll_transmit(&mut self) -> Option<S::Transmit> {
        self.swarm.poll_transmit()
    }

    fn poll_event(&mut self) -> Option<S::Event> {
        loop {
            if let Some(event) = self.out.events.pop_front() {
                return Some(event);
            }
            let event = self.swarm.poll_event()?;
            self.fault.on_event(self.latest, event, &mut self.out);
            self.flush();
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.swarm.poll_timeout()
    }

    fn stats(&self, sink: &mut dyn StatsSink) {
        self.swarm.stats(sink);
    }
}

impl<S: Swarm, F: Fault<S::Addr>> Swarm for Planted<S, F> {
    type Addr = S::Addr;

    fn link(&self) -> &Link<S::Addr> {
        self.swarm.link()
    }

    fn mtu_to(&self, dst: &S::Addr) -> usize {
        self.swarm.mtu_to(dst)
    }

    fn is_full(&self, dst: &S::Addr) -> bool {
        self.swarm.is_full(dst)
    }

    fn is_closed(&self) -> bool {
        self.swarm.is_closed()
    }
}

impl<A> Fault<A> for Box<dyn Fault<A>> {
    fn on_event(&mut self, now: Instant, event: Event<A>, out: &mut Out<A>) {
        (**self).on_event(now, event, out);
    }

    fn on_command(&mut self, now: Instant, command: Command<A>, out: &mut Out<A>) {
        (**self).on_command(now, command, out);
    }
}

type Make<A> = fn() -> Box<dyn Fault<A>>;

/// The case that is named for a fault, what the swarm does that has it, and the fault.
pub(crate) fn faults<A: Ord + Clone + 'static>() -> Vec<(&'static str, &'static str, Make<A>)> {
    vec![("tell: every pair", "has room for six peers", || Box::new(RoomForSix(BTreeSet::new())))]
}

struct RoomForSix<A>(BTreeSet<A>);

impl<A: Ord + Clone> Fault<A> for RoomForSix<A> {
    fn on_event(&mut self, _: Instant, event: Event<A>, out: &mut Out<A>) {
        if let Event::Told(message) = &event {
            if self.0.len() == 6 && !self.0.contains(&message.src) {
                return;
            }
            self.0.insert(message.src.clone());
        }
        out.events.push_back(event);
    }
}
