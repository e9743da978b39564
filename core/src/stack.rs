//! Two layers, one on the other, as one layer.
//!
//! Its `settle` is the only glue in the library. It moves *all* events of the lower side up
//! before it moves *one* command of the upper side down, and again until neither has any. In this
//! order the upper side has heard that the lower one is full before it hands it the next message.
//!
//! Bounds: a settle has [`FUEL`] steps. What is left when they are spent is due one nanosecond
//! later, so that two layers that feed each other for ever cannot hang a node; nothing is lost.

use crate::layer::{Layer, earliest};
use crate::stats::StatsSink;
use crate::swarm::{Link, Swarm};
use crate::time::Instant;

/// Moves between two layers, and time-outs handled, in one call at the most.
pub const FUEL: u32 = 4_096;

/// `Upper` on `Lower`: what goes down from `Upper` is a command to `Lower`, whose events are the
/// inputs of `Upper`.
#[derive(Clone, Debug)]
pub struct Stack<Lower, Upper> {
    lower: Lower,
    upper: Upper,
    latest: Instant,
    unsettled: bool,
    exhausted: u64,
}

impl<Lower, Upper> Stack<Lower, Upper>
where
    Lower: Layer,
    Upper: Layer<Input = Lower::Event, Transmit = Lower::Command>,
{
    /// Puts `upper` on `lower`, and settles what either has to say already.
    #[must_use]
    pub fn new(lower: Lower, upper: Upper) -> Self {
        let mut stack =
            Self { lower, upper, latest: Instant::ZERO, unsettled: false, exhausted: 0 };
        stack.settle(Instant::ZERO);
        stack
    }

    /// The lower layer, to look at.
    #[must_use]
    pub const fn lower(&self) -> &Lower {
        &self.lower
    }

    /// The upper layer, to look at.
    #[must_use]
    pub const fn upper(&self) -> &Upper {
        &self.upper
    }

    /// The one door for setters of either layer: what they caused is settled before this returns.
    pub fn with<T>(
        &mut self,
        now: Instant,
        set: impl FnOnce(Instant, &mut Lower, &mut Upper) -> T,
    ) -> T {
        let now = self.clamp(now);
        let value = set(now, &mut self.lower, &mut self.upper);
        self.settle(now);
        value
    }

    fn clamp(&mut self, now: Instant) -> Instant {
        self.latest = self.latest.max(now);
        self.latest
    }

    fn settle(&mut self, now: Instant) {
        self.settle_with(now, &mut { FUEL });
    }

    /// Events first, all of them; then one command; until neither side has any or the fuel is spent.
    fn settle_with(&mut self, now: Instant, fuel: &mut u32) {
        self.unsettled = false;
        loop {
            if *fuel == 0 {
                self.unsettled = true;
                self.exhausted = self.exhausted.saturating_add(1);
                return;
            }
            *fuel -= 1;
            if let Some(event) = self.lower.poll_event() {
                self.upper.handle_input(now, event);
            } else if let Some(command) = self.upper.poll_transmit() {
                self.lower.handle_command(now, command);
            } else {
                return;
            }
        }
    }
}

impl<Lower, Upper> Layer for Stack<Lower, Upper>
where
    Lower: Layer,
    Upper: Layer<Input = Lower::Event, Transmit = Lower::Command>,
{
    type Input = Lower::Input;
    type Transmit = Lower::Transmit;
    type Command = Upper::Command;
    type Event = Upper::Event;

    fn handle_input(&mut self, now: Instant, input: Self::Input) {
        let now = self.clamp(now);
        self.lower.handle_input(now, input);
        self.settle(now);
    }

    fn handle_command(&mut self, now: Instant, command: Self::Command) {
        let now = self.clamp(now);
        self.upper.handle_command(now, command);
        self.settle(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_none_or(|due| due > now.max(self.latest)) {
            return;
        }
        let now = self.clamp(now);
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let mut fuel = FUEL;
        self.settle_with(now, &mut fuel);
        while fuel > 0 && (due(self.lower.poll_timeout()) || due(self.upper.poll_timeout())) {
            if due(self.lower.poll_timeout()) {
                self.lower.handle_timeout(now);
                self.settle_with(now, &mut fuel);
            }
            if due(self.upper.poll_timeout()) {
                self.upper.handle_timeout(now);
                self.settle_with(now, &mut fuel);
            }
        }
        // The fuel may have run out between two settles, with a timer still due.
        self.unsettled |= fuel == 0;
    }

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        self.lower.poll_transmit()
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        self.upper.poll_event()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.unsettled {
            // Later than the latest `now` even where a timer is stuck in the past, so that a driver
            // which honours it always gets to its sockets in between.
            return Some(self.latest.next());
        }
        earliest(self.lower.poll_timeout(), self.upper.poll_timeout())
    }

    fn stats(&self, sink: &mut dyn StatsSink) {
        self.lower.stats(sink);
        self.upper.stats(sink);
        sink.enter(format_args!("stack"));
        sink.counter("fuel_spent", self.exhausted);
        sink.gauge("unsettled", u64::from(self.unsettled));
        sink.leave();
    }
}

/// A stack is as much of a swarm as its upper layer.
impl<Lower, Upper> Swarm for Stack<Lower, Upper>
where
    Lower: Layer,
    Upper: Swarm + Layer<Input = Lower::Event, Transmit = Lower::Command>,
{
    type Addr = Upper::Addr;

    fn link(&self) -> &Link<Self::Addr> {
        self.upper.link()
    }

    fn mtu_to(&self, dst: &Self::Addr) -> usize {
        self.upper.mtu_to(dst)
    }

    fn is_full(&self, dst: &Self::Addr) -> bool {
        self.upper.is_full(dst)
    }

    fn is_closed(&self) -> bool {
        self.upper.is_closed()
    }

    fn parse_addr(
        &self,
        text: &str,
    ) -> Result<Self::Addr, <Self::Addr as core::str::FromStr>::Err> {
        self.upper.parse_addr(text)
    }
}
