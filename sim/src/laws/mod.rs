//! The law suite: whether a layer keeps the laws that are written on [`Layer`](tellask::layer).
//!
//! [`check`] drives any layer with random inputs, commands and times from one seed, several times over,
//! and returns the first [`Violation`]: which law, at which step, under which seed. A [`Subject`] says
//! how to make the layer and what to feed it. [`pass_through`] finds the variant that a layer
//! between two swarms of the same addresses forgets.
//!
//! | law | how it is checked |
//! |---|---|
//! | 1 | the same calls, polled in another order, give the same on either side; polling nothing changes nothing |
//! | 2 | what a [`Stack`](tellask::Stack) or a [`Node`](tellask::Node) hands on never goes back: put a [`Clocked`] in it |
//! | 3 | an early or repeated time-out changes nothing; nothing is armed at or before now; no row of calls puts off each what is due |
//! | 4 | no panic; a hostile input leaves the [`Dump`] and the timer as they were, brings out nothing, and a counter rises |
//! | 5 | the same seed and calls, twice, give the same outputs and dumps |
//! | 6 | the gauges that the subject bounds are never above, whether everything is polled or hardly anything |
//! | 7 | what one call brings out is bounded |
//! | 8 | no secret is in the debug output of the layer, its transmits and its events |
//!
//! What cannot be seen from outside is not checked: that secrets are wiped, and that work which brings
//! nothing out is bounded.

mod clocked;
mod dump;
mod run;
mod through;

pub use clocked::Clocked;
pub use dump::Dump;
pub use through::pass_through;

use core::fmt;
use core::time::Duration;
use run::Run;
use tellask::seed::Rng;
use tellask::{Layer, Seed};

/// A layer to be checked, and what to feed it.
pub trait Subject {
    /// The layer.
    type Layer: Layer<
            Input: Clone + fmt::Debug,
            Command: Clone + fmt::Debug,
            Transmit: fmt::Debug,
            Event: fmt::Debug,
        > + fmt::Debug;

    /// A new layer. The same seed makes the same.
    fn make(&self, seed: &Seed) -> Self::Layer;

    /// What happens first, before anything random: a handshake that was recorded, say. Under the
    /// same seed the layer answers it as it did when it was recorded.
    fn opening(&self, seed: &Seed) -> Vec<CallOf<Self::Layer>> {
        let _ = seed;
        Vec::new()
    }

    /// Something that may arrive from below.
    fn input(&self, rng: &mut Rng) -> <Self::Layer as Layer>::Input;

    /// Something that may be wanted from above.
    fn command(&self, rng: &mut Rng) -> <Self::Layer as Layer>::Command;

    /// Something from the network that must be rejected, whatever the layer's state.
    fn hostile(&self, rng: &mut Rng) -> Option<<Self::Layer as Layer>::Input> {
        let _ = rng;
        None
    }

    /// Gauges, by their full names, and what they must never be above.
    fn bounds(&self) -> Vec<(String, u64)> {
        Vec::new()
    }

    /// Bytes that must never be printed.
    fn secrets(&self) -> Vec<Vec<u8>> {
        Vec::new()
    }

    /// How many transmits and events one call may bring out together.
    fn outputs_per_call(&self) -> usize {
        256
    }
}

/// One call of a layer.
#[derive(Clone, Debug)]
pub enum Call<I, C> {
    /// Time passes.
    Wait(Duration),
    /// `handle_input`.
    Input(I),
    /// `handle_input` with something that must be rejected.
    Hostile(I),
    /// `handle_command`.
    Command(C),
    /// `handle_timeout`, whether or not it is time.
    Timeout,
}

/// A call of the layer `L`.
pub type CallOf<L> = Call<<L as Layer>::Input, <L as Layer>::Command>;

/// A law that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Its number, 1 to 8.
    pub law: u8,
    /// The seed that shows it.
    pub seed: u64,
    /// The call that shows it, counted from zero.
    pub step: usize,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { law, seed, step, what } = self;
        write!(f, "law {law} is broken at step {step} under seed {seed}: {what}")
    }
}

impl core::error::Error for Violation {}

/// Drives the subject's layer with `steps` random calls from `seed`.
///
/// # Errors
/// The first law that is seen broken.
pub fn check<S: Subject>(subject: &S, seed: u64, steps: usize) -> Result<(), Violation> {
    let calls = script(subject, seed, steps);
    // Whole runs first: a layer whose polls work would else be blamed for what comes out late.
    if let Some(run) = Run::polled(subject, seed, &calls, false) {
        run.compare(Run::polled(subject, seed, &calls, false), 5, seed)?;
        run.compare(Run::polled(subject, seed, &calls, true), 1, seed)?;
    }
    run::watch(subject, seed, &calls)?;
    run::lazy(subject, seed, &calls)?;
    // Both sides by themselves, too: what one of them puts off, the other may leave due.
    run::put_off(subject, seed, &calls, |call| matches!(call, Call::Input(_) | Call::Hostile(_)))?;
    run::put_off(subject, seed, &calls, |call| matches!(call, Call::Command(_)))?;
    let either = |call: &CallOf<S::Layer>| !matches!(call, Call::Wait(_) | Call::Timeout);
    run::put_off(subject, seed, &calls, either)
}

fn script<S: Subject>(subject: &S, seed: u64, steps: usize) -> Vec<CallOf<S::Layer>> {
    let seed = Seed::from_u64(seed);
    let mut calls = subject.opening(&seed);
    let mut rng = seed.rng("law suite");
    calls.extend((0..steps).map(|_| match rng.below(10) {
        0 | 1 => Call::Wait(wait(&mut rng)),
        2 => Call::Timeout,
        3..6 => Call::Command(subject.command(&mut rng)),
        6 => subject.hostile(&mut rng).map_or(Call::Timeout, Call::Hostile),
        _ => Call::Input(subject.input(&mut rng)),
    }));
    calls
}

/// From nothing at all to minutes: timers of every size fall due.
fn wait(rng: &mut Rng) -> Duration {
    let magnitude = rng.below(38);
    Duration::from_nanos(rng.below(1 << magnitude))
}
