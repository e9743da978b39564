//! What became of each case.

use core::fmt;

/// What became of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All was as promised.
    Passed,
    /// It was not, and how.
    Failed(String),
    /// The swarm promises nothing of the kind, or the fabric cannot show it; and what is missing.
    NotApplicable(String),
}

/// What a case says: `Err` with the verdict where it did not come to its end.
pub type Outcome<T = ()> = Result<T, Verdict>;

impl From<String> for Verdict {
    fn from(what: String) -> Self {
        Self::Failed(what)
    }
}

/// A case, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The name of the case.
    pub case: &'static str,
    /// What the case checks.
    pub checks: &'static str,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of every case, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What [`run`](super::run) was told to draw from.
    pub seed: u64,
    /// One for each case.
    pub findings: Vec<Finding>,
}

impl Report {
    /// The cases that failed, by name.
    #[must_use]
    pub fn failed(&self) -> Vec<&'static str> {
        self.names(|verdict| matches!(verdict, Verdict::Failed(_)))
    }

    /// The cases that passed, by name.
    #[must_use]
    pub fn passed(&self) -> Vec<&'static str> {
        self.names(|verdict| *verdict == Verdict::Passed)
    }

    /// The cases that said nothing of this swarm, by name.
    #[must_use]
    pub fn not_applicable(&self) -> Vec<&'static str> {
        self.names(|verdict| matches!(verdict, Verdict::NotApplicable(_)))
    }

    /// For tests: nothing where no case failed.
    ///
    /// # Panics
    /// With the whole report where one did.
    pub fn assert_passed(&self) {
        assert!(self.failed().is_empty(), "{self}");
    }

    fn names(&self, which: impl Fn(&Verdict) -> bool) -> Vec<&'static str> {
        let those = self.findings.iter().filter(|finding| which(&finding.verdict));
        those.map(|finding| finding.case).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (failed, passed) = (self.failed().len(), self.passed().len());
        writeln!(f, "{passed} cases passed, {failed} failed, under seed {}", self.seed)?;
        for Finding { case, checks, verdict } in &self.findings {
            match verdict {
                Verdict::Passed => writeln!(f, "  passed          {case}")?,
                Verdict::NotApplicable(why) => writeln!(f, "  not applicable  {case}: {why}")?,
                Verdict::Failed(what) => {
                    writeln!(f, "  FAILED          {case} ({checks}): {what}")?;
                }
            }
        }
        Ok(())
    }
}
