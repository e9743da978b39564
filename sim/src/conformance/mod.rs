//! The conformance suite: whether a swarm does what it promises.
//!
//! For whoever writes a swarm. [`run`] is given a function that makes `n` connected nodes, as a
//! [`Fabric`], and the [`Promises`] of the swarm. It plays a table of named [`cases`] and returns a
//! [`Report`]: which passed, which failed and what was seen, which do not apply. Each case has new nodes, and
//! judges one thing only, so that the name of the case that fails says what is wrong: that the right message
//! arrived is told by a number in it, not by its source, its length or the rest of its bytes, unless the
//! case is about these; what is lost is told again, unless the case is about loss. A panic in a node is
//! a failure of the case that it happened in.
//!
//! A sans-IO stack needs no fabric of its own: [`World`] puts it on a simulated network.
//!
//! ```
//! use tellask::{DatagramPort, Limits, MemoryAddr};
//! use tellask_sim::conformance::{NOBODY, Promises, World, run};
//!
//! let report = run(7, &Promises::datagrams(1_400), |nodes, seed| {
//!     World::new(seed, nodes, 1_400, |_| DatagramPort::<MemoryAddr>::new(&Limits::default()))
//!         .with_nobody(NOBODY)
//! });
//! report.assert_passed();
//! ```

#![allow(clippy::wildcard_enum_match_arm, reason = "a case names what it looks for")]

mod address;
mod ask;
mod close;
mod fabric;
mod promises;
mod report;
mod secure;
mod tell;
mod trial;
mod world;

pub use fabric::Fabric;
pub use promises::{Duplicates, Oneself, Promises};
pub use report::{Finding, Outcome, Report, Verdict};
pub use trial::{NUMBERED, Post, Reply, Trial, lacks, number};
pub use world::{NOBODY, World};

use core::any::Any;
use core::fmt;
use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use tellask::{Addr, Seed};

/// A named case.
pub struct Case<A> {
    /// Its name: what a report calls it.
    pub name: &'static str,
    /// What it checks.
    pub checks: &'static str,
    /// How many nodes it needs.
    pub nodes: usize,
    /// Plays it.
    pub play: fn(&mut Trial<'_, A>) -> Outcome,
}

impl<A> fmt::Debug for Case<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("name", &self.name).finish_non_exhaustive()
    }
}

/// All cases, in the order in which [`run`] plays them.
#[must_use]
pub fn cases<A: Addr>() -> Vec<Case<A>> {
    let groups = [tell::cases(), close::cases(), address::cases(), ask::cases(), secure::cases()];
    groups.into_iter().flatten().collect()
}

/// Plays all cases, each on nodes of its own: `make` is told how many, and a seed to draw from.
pub fn run<F: Fabric>(
    seed: u64,
    promises: &Promises,
    mut make: impl FnMut(usize, u64) -> F,
) -> Report {
    let mut report = Report { seed, findings: Vec::new() };
    for case in cases() {
        let verdict = play(&case, seed, promises, &mut make);
        report.findings.push(Finding { case: case.name, checks: case.checks, verdict });
    }
    report
}

/// Plays one case.
pub fn play<F: Fabric>(
    case: &Case<F::Addr>,
    seed: u64,
    promises: &Promises,
    make: &mut impl FnMut(usize, u64) -> F,
) -> Verdict {
    let played = catch_unwind(AssertUnwindSafe(|| {
        let mut fabric = make(case.nodes, seed);
        let seed = Seed::from_u64(seed).child(case.name);
        let mut trial = Trial::new(&mut fabric, case.nodes, promises, &seed)?;
        (case.play)(&mut trial)
    }));
    match played {
        Ok(Ok(())) => Verdict::Passed,
        Ok(Err(verdict)) => verdict,
        Err(panic) => Verdict::Failed(format!("a node panicked: {}", said(&*panic))),
    }
}

/// What somebody said who panicked.
fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref().copied()).unwrap_or("without a word")
}
