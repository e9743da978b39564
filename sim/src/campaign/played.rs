//! What a run came to.

use super::{Bins, Note, find};
use crate::net::{Sighting, Totals, Trace, Verdicts};
use crate::plan::Plan;
use core::fmt;
use core::time::Duration;
use tellask::stats::Snapshot;
use tellask::{Instant, MemoryAddr};

/// Somebody who looks on while a plan is played.
pub trait Onlooker {
    /// Something happens to a datagram.
    fn see(&mut self, sighting: &Sighting<'_>);

    /// Something happens to the player at `addr`.
    fn hear(&mut self, now: Instant, addr: MemoryAddr, note: &Note);

    /// The stack of the node at `addr` counts that it dropped something.
    fn dropped(&mut self, now: Instant, addr: MemoryAddr, name: &'static str) {
        let _ = (now, addr, name);
    }

    /// The figures of the node at `addr`, once in every simulated second.
    fn sample(&mut self, now: Instant, addr: MemoryAddr, stats: &Snapshot) {
        let _ = (now, addr, stats);
    }
}

/// What else is wanted of a run.
#[derive(Default)]
#[non_exhaustive]
pub struct Look {
    /// Somebody looks on.
    pub onlooker: Option<Box<dyn Onlooker>>,
    /// Every verdict that is not plain is kept.
    pub verdicts: bool,
}

impl Look {
    /// With somebody who looks on.
    #[must_use]
    pub fn with(onlooker: Box<dyn Onlooker>) -> Self {
        Self { onlooker: Some(onlooker), verdicts: false }
    }

    /// With all verdicts kept.
    #[must_use]
    pub const fn at_verdicts() -> Self {
        Self { onlooker: None, verdicts: true }
    }
}

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { onlooker, verdicts } = self;
        f.debug_struct("Look")
            .field("looks", &onlooker.is_some())
            .field("verdicts", verdicts)
            .finish()
    }
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Played {
    /// The hash of all that happened.
    pub trace: Trace,
    /// The fates of datagrams.
    pub totals: Totals,
    /// Events of the simulation.
    pub events: u64,
    /// When it began.
    pub start: Instant,
    /// How long it was in simulated time.
    pub took: Duration,
    /// Where each message ended.
    pub bins: Bins,
    /// The marks that were reached.
    pub marks: Vec<&'static str>,
    /// The first of what must not happen, in words.
    pub violations: Vec<String>,
    /// How much of it there was.
    pub violated: u64,
    /// The nodes that it concerns.
    pub concerned: Vec<u32>,
    /// When the first was noticed, from the beginning.
    pub first: Option<Duration>,
    /// Every verdict that was not plain, where they were kept.
    pub verdicts: Verdicts,
    /// The figures of all nodes in all their lives.
    pub stats: Snapshot,
}

impl Played {
    /// Whether nothing happened that must not.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        self.violated == 0
    }

    /// How many messages were said: the sum of all bins.
    #[must_use]
    pub fn said(&self) -> u64 {
        self.bins.values().sum()
    }
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { totals, took, events, .. } = self;
        writeln!(
            f,
            "  {} said in {took:?}, {} datagrams, {events} events",
            self.said(),
            totals.sent
        )?;
        for (bin, count) in &self.bins {
            writeln!(f, "  {bin:<34} {count:>10}")?;
        }
        writeln!(f, "  marks: {}", self.marks.join(", "))?;
        for violation in &self.violations {
            writeln!(f, "  violated: {violation}")?;
        }
        let more = self.violated.saturating_sub(self.violations.len() as u64);
        if more > 0 {
            writeln!(f, "  and {more} more")?;
        }
        write!(f, "  {}, trace {}", if self.is_ok() { "ok" } else { "FAILED" }, self.trace)
    }
}

/// Plays a plan of whichever scenario it names, as an emitted test does.
///
/// # Errors
/// There is no such scenario.
pub fn replay(plan: &Plan) -> Result<Played, String> {
    let scenario = find(&plan.scenario)
        .ok_or_else(|| format!("there is no scenario {:?} to play by a plan", plan.scenario))?;
    Ok(scenario.play(plan, Look::default()))
}
