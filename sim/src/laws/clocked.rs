//! A layer that notes when its clock goes back: to be put inside whatever ought to prevent that.

use tellask::stats::StatsSink;
use tellask::{Instant, Layer};

/// The layer within, and whether time ever went back for it: the counter `clocked.went_back`.
#[derive(Clone, Debug)]
pub struct Clocked<L> {
    inner: L,
    latest: Instant,
    went_back: u64,
}

impl<L> Clocked<L> {
    /// Watches the times that `inner` is handed.
    #[must_use]
    pub const fn new(inner: L) -> Self {
        Self { inner, latest: Instant::ZERO, went_back: 0 }
    }

    /// How often the time was earlier than before.
    #[must_use]
    pub const fn went_back(&self) -> u64 {
        self.went_back
    }

    fn see(&mut self, now: Instant) {
        self.went_back += u64::from(now < self.latest);
        self.latest = now;
    }
}

impl<L: Layer> Layer for Clocked<L> {
    type Input = L::Input;
    type Transmit = L::Transmit;
    type Command = L::Command;
    type Event = L::Event;

    fn handle_input(&mut self, now: Instant, input: Self::Input) {
        self.see(now);
        self.inner.handle_input(now, input);
    }

    fn handle_command(&mut self, now: Instant, command: Self::Command) {
        self.see(now);
        self.inner.handle_command(now, command);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.see(now);
        self.inner.handle_timeout(now);
    }

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        self.inner.poll_transmit()
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        self.inner.poll_event()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.inner.poll_timeout()
    }

    fn stats(&self, sink: &mut dyn StatsSink) {
        self.inner.stats(sink);
        sink.enter(format_args!("clocked"));
        sink.counter("went_back", self.went_back);
        sink.leave();
    }
}
