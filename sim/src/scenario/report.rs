//! What a scenario hands back.

use crate::net::Trace;
use core::fmt;
use std::collections::BTreeMap;

/// The outcome of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which scenario.
    pub name: &'static str,
    /// The seed that it was run with.
    pub seed: u64,
    /// The hash of all that happened: the same for the same seed and settings.
    pub trace: Trace,
    /// Figures, in the order in which they are best read.
    pub figures: Vec<(&'static str, u64)>,
    /// Where each message ended: in exactly one of these.
    pub bins: BTreeMap<String, u64>,
    /// What should not have happened: empty where all is well. The first few, in words.
    pub violations: Vec<String>,
}

impl Report {
    /// The figure of this name, or zero.
    #[must_use]
    pub fn figure(&self, name: &str) -> u64 {
        self.figures.iter().find(|(other, _)| *other == name).map_or(0, |(_, value)| *value)
    }

    /// Whether nothing happened that should not have.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        self.violations.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, seed {}", self.name, self.seed)?;
        for (name, value) in &self.figures {
            writeln!(f, "  {name:<34} {value:>14}")?;
        }
        for (bin, count) in &self.bins {
            writeln!(f, "  ended: {bin:<27} {count:>14}")?;
        }
        writeln!(f, "  {:<34} {}", "steps", self.trace.steps())?;
        writeln!(f, "  {:<34} {}", "trace", self.trace)?;
        for violation in &self.violations {
            writeln!(f, "  violated: {violation}")?;
        }
        f.write_str(if self.is_ok() { "  ok" } else { "  FAILED" })
    }
}

/// The bins of so many asks, those that have no outcome when the run ends included.
pub(super) fn bins(asked: u64, ended: &[(&str, u64)]) -> BTreeMap<String, u64> {
    let over: u64 = ended.iter().map(|(_, count)| count).sum();
    let held = [("held: not answered yet", asked.saturating_sub(over))];
    let bins = ended.iter().copied().chain(held).filter(|(_, count)| *count > 0);
    bins.map(|(name, count)| (name.into(), count)).collect()
}
