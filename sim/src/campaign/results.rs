//! What a campaign came to, run by run, and how several parts of one are put together.
//!
//! ```text
//! tellask-campaign 1
//! runs secure 120
//! bin secure 5400 delivered
//! mark secure 17 a node crashed
//! failed secure 42 1 heard message 3 from 0 to 1 again
//! ```

use super::{Played, find};
use core::fmt;
use core::str::FromStr;
use std::collections::BTreeMap;

const HEADER: &str = "tellask-campaign 1";
/// A scenario that was played so often must have reached all its marks.
pub const BLIND_AFTER: u64 = 60;

/// What a campaign came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Results {
    /// By the name of the scenario.
    pub scenarios: BTreeMap<String, Tallied>,
    /// What failed: the scenario, the seed, and the first violation.
    pub failures: Vec<(String, u64, String)>,
}

/// What the runs of one scenario came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tallied {
    /// How many.
    pub runs: u64,
    /// Where messages ended.
    pub bins: BTreeMap<String, u64>,
    /// How many runs reached each mark.
    pub marks: BTreeMap<String, u64>,
}

impl Results {
    /// Takes in a run.
    pub fn add(&mut self, scenario: &str, seed: u64, played: &Played) {
        let tallied = self.scenarios.entry(scenario.into()).or_default();
        tallied.runs += 1;
        for (bin, count) in &played.bins {
            *tallied.bins.entry(bin.clone()).or_default() += count;
        }
        for mark in &played.marks {
            *tallied.marks.entry((*mark).into()).or_default() += 1;
        }
        if !played.is_ok() {
            let what = played.violations.first().cloned().unwrap_or_default();
            self.failures.push((scenario.into(), seed, what.replace(['\n', '\r'], " ")));
        }
    }

    /// Takes in another part of the same campaign.
    pub fn merge(&mut self, other: Self) {
        for (name, other) in other.scenarios {
            let tallied = self.scenarios.entry(name).or_default();
            tallied.runs += other.runs;
            for (to, from) in [(&mut tallied.bins, other.bins), (&mut tallied.marks, other.marks)] {
                for (name, count) in from {
                    *to.entry(name).or_default() += count;
                }
            }
        }
        self.failures.extend(other.failures);
        self.failures.sort();
    }

    /// How many runs there were.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.scenarios.values().map(|tallied| tallied.runs).sum()
    }

    /// Marks that no run reached of a scenario that was played [often enough](BLIND_AFTER): the campaign is blind for
    /// what they stand for.
    #[must_use]
    pub fn blind(&self) -> Vec<(String, &'static str)> {
        let played = self.scenarios.iter().filter(|(_, tallied)| tallied.runs >= BLIND_AFTER);
        let marks = played.filter_map(|(name, tallied)| Some((name, tallied, find(name)?)));
        marks
            .flat_map(|(name, tallied, scenario)| {
                let marks = scenario.promises().marks.iter().map(|mark| mark.name);
                let missed = marks.filter(|mark| !tallied.marks.contains_key(*mark));
                missed.map(|mark| (name.clone(), mark)).collect::<Vec<_>>()
            })
            .collect()
    }

    /// Whether nothing failed, and nothing that must happen sometimes never did.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.failures.is_empty() && self.blind().is_empty()
    }
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        for (name, tallied) in &self.scenarios {
            writeln!(f, "runs {name} {}", tallied.runs)?;
            for (bin, count) in &tallied.bins {
                writeln!(f, "bin {name} {count} {bin}")?;
            }
            for (mark, count) in &tallied.marks {
                writeln!(f, "mark {name} {count} {mark}")?;
            }
        }
        for (name, seed, what) in &self.failures {
            writeln!(f, "failed {name} {seed} {what}")?;
        }
        Ok(())
    }
}

impl FromStr for Results {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut lines = (1..).zip(text.lines());
        if lines.next().is_none_or(|(_, line)| line != HEADER) {
            return Err(format!("results of a campaign begin with `{HEADER}`"));
        }
        let mut results = Self::default();
        for (number, line) in lines.filter(|(_, line)| !line.is_empty()) {
            results.read(line).ok_or_else(|| format!("line {number}: {line:?} is no result"))?;
        }
        Ok(results)
    }
}

impl Results {
    fn read(&mut self, line: &str) -> Option<()> {
        let mut words = line.splitn(4, ' ');
        let (kind, name) = (words.next()?, words.next()?);
        let (number, rest) = (words.next()?.parse().ok()?, words.next().unwrap_or_default());
        let tallied = self.scenarios.entry(name.into()).or_default();
        match kind {
            "runs" => tallied.runs = number,
            "bin" => _ = tallied.bins.insert(rest.into(), number),
            "mark" => _ = tallied.marks.insert(rest.into(), number),
            "failed" => self.failures.push((name.into(), number, rest.into())),
            _ => return None,
        }
        Some(())
    }
}
