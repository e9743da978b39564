//! The one trait: a protocol machine with two sides.
//!
//! A [`Layer`] is a pure state machine. Below it are its [`Input`](Layer::Input) and
//! [`Transmit`](Layer::Transmit), above it its [`Command`](Layer::Command) and
//! [`Event`](Layer::Event). Whoever drives it hands in inputs, commands and the time, and pops what
//! comes out. There is no clock, no socket, no task and no randomness in it but the seed that it was
//! made with.
//!
//! # The laws
//! Every layer keeps them; the law suite of `tellask-sim` checks them for any layer.
//!
//! 1. `handle_*` mutates, `poll_*` only pops (and may make [`poll_timeout`](Layer::poll_timeout) due).
//!    The order of polling does not matter.
//! 2. `now` is the first argument of every mutating method but `poll_*`. It never goes back.
//! 3. `handle_timeout` early or twice does nothing. No `handle_*(now)` arms anything at or before
//!    `now`: after it, `poll_timeout` is `None` or later (what was due before stays due until
//!    `handle_timeout`, or until it is done or given up: no traffic puts it off).
//! 4. Bytes from the network never panic and never return an error. Where they are rejected, the
//!    state but for counters and token buckets is as before, and a counter says why.
//! 5. The same seed and the same calls give the same outputs, on every platform.
//! 6. Every queue, table and buffer has a named bound, counted in bytes where it holds bytes.
//!    Overflow drops, counts, and says so upward where somebody waits.
//! 7. The work of a call is bounded by the size of its input.
//! 8. Secrets are wiped on drop and never printed.
//!
//! # Driving a layer
//! ```text
//! loop {
//!     while let Some(transmit) = layer.poll_transmit() { /* send it */ }
//!     while let Some(event) = layer.poll_event() { /* the application's */ }
//!     // wait for input, a command, or layer.poll_timeout(), whichever comes first; then
//!     // handle_input, handle_command or handle_timeout with the time it is.
//! }
//! ```
//! Read `poll_timeout` after the two loops: a pop can make it due.

use crate::stats::StatsSink;
use crate::time::Instant;
use alloc::boxed::Box;

/// A protocol machine with two sides. The laws are in the [module documentation](self).
pub trait Layer {
    /// Arrives from below.
    type Input;
    /// Leaves toward below.
    type Transmit;
    /// Arrives from above.
    type Command;
    /// Leaves toward above.
    type Event;

    /// Takes what arrived from below.
    fn handle_input(&mut self, now: Instant, input: Self::Input);
    /// Takes what the application or the layer above wants done.
    fn handle_command(&mut self, now: Instant, command: Self::Command);
    /// Does what has fallen due by `now`.
    fn handle_timeout(&mut self, now: Instant);
    /// The next thing to go down, if any.
    fn poll_transmit(&mut self) -> Option<Self::Transmit>;
    /// The next thing to go up, if any.
    fn poll_event(&mut self) -> Option<Self::Event>;
    /// When to call [`handle_timeout`](Layer::handle_timeout) next; `None` for never.
    fn poll_timeout(&self) -> Option<Instant>;
    /// Writes the layer's figures; see [`stats`](crate::stats).
    fn stats(&self, sink: &mut dyn StatsSink);
}

/// A boxed layer is a layer.
impl<L: Layer + ?Sized> Layer for Box<L> {
    type Input = L::Input;
    type Transmit = L::Transmit;
    type Command = L::Command;
    type Event = L::Event;

    fn handle_input(&mut self, now: Instant, input: Self::Input) {
        (**self).handle_input(now, input);
    }

    fn handle_command(&mut self, now: Instant, command: Self::Command) {
        (**self).handle_command(now, command);
    }

    fn handle_timeout(&mut self, now: Instant) {
        (**self).handle_timeout(now);
    }

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        (**self).poll_transmit()
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        (**self).poll_event()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        (**self).poll_timeout()
    }

    fn stats(&self, sink: &mut dyn StatsSink) {
        (**self).stats(sink);
    }
}

/// The earlier of two optional deadlines.
#[must_use]
pub fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (only, None) | (None, only) => only,
    }
}
