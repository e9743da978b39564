//! A layer that says nothing of itself.

use core::fmt;
use tellask::stats::StatsSink;
use tellask::{Instant, Layer};

/// A layer that need not print, under a name: for boxes, whose contents are not known.
pub struct Opaque<L>(pub &'static str, pub L);

impl<L> fmt::Debug for Opaque<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl<L: Layer> Layer for Opaque<L> {
    type Input = L::Input;
    type Transmit = L::Transmit;
    type Command = L::Command;
    type Event = L::Event;

    fn handle_input(&mut self, now: Instant, input: Self::Input) {
        self.1.handle_input(now, input);
    }

    fn handle_command(&mut self, now: Instant, command: Self::Command) {
        self.1.handle_command(now, command);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.1.handle_timeout(now);
    }

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        self.1.poll_transmit()
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        self.1.poll_event()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.1.poll_timeout()
    }

    fn stats(&self, sink: &mut dyn StatsSink) {
        self.1.stats(sink);
    }
}
