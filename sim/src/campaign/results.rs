//! What a campaign came to, run by run, and how several parts of one are put together.
//!
//! ```text
//! tellask-campaign 2
//! part 100 2/3
//! runs secure 120
//! bin secure 5400 delivered
//! mark secure 17 a node crashed
//! failed secure 42 1 heard message 3 from 0 to 1 again
//! end
//! ```
//!
//! A part names the seed of the whole and which it is of how many, and the last line says that nothing is cut off: what
//! is put together is all of one campaign, once, or it is refused.

use super::{Played, Scenario};
use core::fmt;
use core::str::FromStr;
use std::collections::{BTreeMap, BTreeSet};

/// The first line.
const HEADER: &str = "tellask-campaign 2";
/// The last one.
const END: &str = "end";
/// A scenario that was played so often must have reached all its marks.
pub const BLIND_AFTER: u64 = 60;

/// What a campaign came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Results {
    /// Of which campaign, and which parts of it; `None` where that is not known, as of nothing.
    pub parts: Option<Parts>,
    /// By the name of the scenario.
    pub scenarios: BTreeMap<String, Tallied>,
    /// What failed: the scenario, the seed, and the first violation.
    pub failures: Vec<(String, u64, String)>,
}

/// Some of the parts of a campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The seed of its first run.
    pub seed: u64,
    /// How many parts it has.
    pub of: u64,
    /// Which these are, from one on.
    pub these: BTreeSet<u64>,
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
        tallied.runs = tallied.runs.saturating_add(1);
        for (bin, count) in &played.bins {
            let sum = tallied.bins.entry(bin.clone()).or_default();
            *sum = sum.saturating_add(*count);
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
    ///
    /// # Errors
    /// It is of another campaign, or was taken in before; then nothing is taken in.
    pub fn merge(&mut self, other: Self) -> Result<(), String> {
        if let Some(parts) = other.parts {
            self.parts = Some(match self.parts.clone() {
                None => parts,
                Some(known) => known.with(parts)?,
            });
        }
        for (name, other) in other.scenarios {
            let tallied = self.scenarios.entry(name).or_default();
            tallied.runs = tallied.runs.saturating_add(other.runs);
            for (to, from) in [(&mut tallied.bins, other.bins), (&mut tallied.marks, other.marks)] {
                for (name, count) in from {
                    let sum = to.entry(name).or_default();
                    *sum = sum.saturating_add(count);
                }
            }
        }
        self.failures.extend(other.failures);
        self.failures.sort();
        Ok(())
    }

    /// How many runs there were.
    #[must_use]
    pub fn runs(&self) -> u64 {
        let runs = self.scenarios.values().map(|tallied| tallied.runs);
        runs.fold(0, u64::saturating_add)
    }

    /// How many of them did not fail.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.runs().saturating_sub(self.failures.len() as u64)
    }

    /// Marks of these scenarios that no run reached though it was played [often enough](BLIND_AFTER): the campaign
    /// is blind for what they stand for.
    #[must_use]
    pub fn blind(&self, scenarios: &[&dyn Scenario]) -> Vec<(String, &'static str)> {
        let mut blind = Vec::new();
        for scenario in scenarios {
            let name = scenario.menu().scenario;
            let tallied = self.scenarios.get(name).filter(|tallied| tallied.runs >= BLIND_AFTER);
            let Some(tallied) = tallied else { continue };
            let marks = scenario.promises().marks.iter().map(|mark| mark.name);
            let missed = marks.filter(|mark| !tallied.marks.contains_key(*mark));
            blind.extend(missed.map(|mark| (name.to_owned(), mark)));
        }
        blind
    }

    /// Whether nothing failed, and nothing that must happen sometimes in these scenarios never did.
    #[must_use]
    pub fn is_ok(&self, scenarios: &[&dyn Scenario]) -> bool {
        self.failures.is_empty() && self.blind(scenarios).is_empty()
    }
}

impl Parts {
    /// One part, from zero on, of so many.
    pub(super) fn one(seed: u64, (part, of): (u64, u64)) -> Self {
        Self { seed, of: of.max(1), these: BTreeSet::from([part.saturating_add(1)]) }
    }

    /// How many are missing, and the first of them.
    #[must_use]
    pub fn missing(&self) -> Option<(u64, u64)> {
        let count = self.of.saturating_sub(self.these.len() as u64);
        let first = (1..=self.of).find(|part| !self.these.contains(part))?;
        Some((count, first))
    }

    /// These and others.
    fn with(mut self, others: Self) -> Result<Self, String> {
        let Self { seed, of, these } = others;
        if (self.seed, self.of) != (seed, of) {
            return Err(format!(
                "a part of {of} from seed {seed} on, among parts of {} from seed {} on",
                self.of, self.seed
            ));
        }
        if let Some(twice) = these.intersection(&self.these).next() {
            return Err(format!("part {twice}/{of} a second time"));
        }
        self.these.extend(these);
        Ok(self)
    }

    /// From a seed and `I/N`.
    fn read(seed: &str, shard: &str) -> Option<Self> {
        let (part, of) = shard.split_once('/')?;
        let (part, of) = (part.parse().ok()?, of.parse().ok()?);
        let these = BTreeSet::from([part]);
        (1..=of).contains(&part).then_some(Self { seed: seed.parse().ok()?, of, these })
    }
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(Parts { seed, of, these }) = &self.parts {
            these.iter().try_for_each(|part| writeln!(f, "part {seed} {part}/{of}"))?;
        }
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
        writeln!(f, "{END}")
    }
}

impl FromStr for Results {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut lines = (1..).zip(text.lines());
        if lines.next().is_none_or(|(_, line)| line != HEADER) {
            return Err(format!("results of a campaign begin with `{HEADER}`"));
        }
        let (mut results, mut ended) = (Self::default(), false);
        for (number, line) in lines.filter(|(_, line)| !line.is_empty()) {
            if ended {
                return Err(format!("line {number}: {line:?} is behind the end"));
            }
            ended = line == END;
            let read = ended.then_some(()).or_else(|| results.read(line));
            read.ok_or_else(|| format!("line {number}: {line:?} is no result, or a second one"))?;
        }
        if !ended {
            return Err(format!("it is cut off: the last line is not `{END}`"));
        }
        Ok(results)
    }
}

impl Results {
    /// A line, unless it is wrong or was there before.
    fn read(&mut self, line: &str) -> Option<()> {
        let mut words = line.splitn(4, ' ');
        let (kind, name, third) = (words.next()?, words.next()?, words.next()?);
        let rest = words.next().unwrap_or_default();
        if kind == "part" {
            let parts = Some(Parts::read(name, third)?);
            return self.merge(Self { parts, ..Self::default() }).ok();
        }
        let number = third.parse().ok()?;
        let known = self.scenarios.get_mut(name);
        match kind {
            "runs" if known.is_none() => {
                let tallied = Tallied { runs: number, ..Tallied::default() };
                self.scenarios.insert(name.into(), tallied);
                Some(())
            }
            "bin" => known?.bins.insert(rest.into(), number).is_none().then_some(()),
            "mark" => known?.marks.insert(rest.into(), number).is_none().then_some(()),
            "failed" => {
                known?;
                self.failures.push((name.into(), number, rest.into()));
                Some(())
            }
            _ => None,
        }
    }
}
