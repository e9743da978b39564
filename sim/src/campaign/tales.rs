//! Scenarios that are not made of steps: each is a tale of its own, of which a plan says the seed alone.
//!
//! They go where a bad network by itself does not lead: to impostors, to counters beyond the window, to bounds that are
//! reached and must be given back, and to layers that stand by themselves.

mod between;
mod contradictions;
mod dials;
mod impostors;
mod outcomes;
mod pauses;
mod pressure;
#[cfg(feature = "ssh")]
mod ssh;

use super::subject::{Mark, Promises, Says, Scenario, Tally};
use super::{Bins, Look, Played};
use crate::net::{Totals, Trace};
use crate::plan::{Menu, Plan};
use crate::scenario::{Report, Settings, Suite, flood};
use core::time::Duration;
use std::collections::BTreeMap;

/// A scenario that a function plays.
pub(super) struct Tale {
    name: &'static str,
    about: &'static str,
    tell: fn(Suite, u64) -> Told,
    marks: &'static [Mark],
}

/// What a tale came to.
struct Told {
    trace: Trace,
    totals: Totals,
    bins: Bins,
    /// For marks.
    noted: BTreeMap<&'static str, u64>,
    violations: Vec<String>,
}

impl Told {
    fn new<'a>(
        trace: Trace,
        totals: Totals,
        bins: impl IntoIterator<Item = (&'a str, u64)>,
        violations: Vec<String>,
    ) -> Self {
        let bins = bins.into_iter().filter(|(_, count)| *count > 0);
        let bins = bins.map(|(name, count)| (name.to_owned(), count)).collect();
        Self { trace, totals, bins, noted: BTreeMap::new(), violations }
    }
}

pub(super) static IMPOSTORS: Tale = Tale {
    name: "impostors",
    about: "wrong keys, forged answers, reflections and recordings: nobody is taken for somebody else",
    tell: impostors::impostors,
    marks: &[],
};

pub(super) static PAUSES: Tale = Tale {
    name: "pauses",
    about: "talk with pauses, sessions that rest and grow old, and more than a window holds",
    tell: pauses::pauses,
    marks: &[],
};

pub(super) static PRESSURE: Tale = Tale {
    name: "pressure",
    about: "a deep stack with small bounds that is told and asked more than it has room for",
    tell: pressure::pressure,
    marks: &[Mark { name: "somebody found it full", reached: |tally| tally.noted("full") > 0 }],
};

pub(super) static BETWEEN: Tale = Tale {
    name: "between",
    about: "a multiplexer, a join, a filter or a loopback by itself, over a side that is full when it likes",
    tell: between::between,
    marks: &[],
};

pub(super) static DIALS: Tale = Tale {
    name: "dials",
    about: "first contacts over a lossy path where only one side talks, and a silent peer that was restarted",
    tell: dials::dials,
    marks: &[],
};

pub(super) static OUTCOMES: Tale = Tale {
    name: "outcomes",
    about: "asks over a lossy path, to who is busy or is restarted, and words of a former life: each has its outcome soon",
    tell: outcomes::outcomes,
    marks: &[Mark { name: "an answerer was busy", reached: |tally| tally.noted("busy") > 0 }],
};

pub(super) static CONTRADICTIONS: Tale = Tale {
    name: "contradictions",
    about: "fragments of two messages under one id, in whatever order: what is heard is one of them, and whole",
    tell: contradictions::contradictions,
    marks: &[],
};

#[cfg(feature = "ssh")]
pub(super) static SSH: Tale = Tale {
    name: "ssh",
    about: "SSH over connections that stall, break and are forgotten, with nodes that crash and keys that change all the time",
    tell: ssh::ssh,
    marks: &[
        Mark { name: "keys were exchanged again", reached: |tally| tally.noted("rekeyed") > 0 },
        Mark { name: "both sides dialled at once", reached: |tally| tally.noted("crossed") > 0 },
        Mark { name: "a handshake failed", reached: |tally| tally.noted("handshakes_failed") > 0 },
        Mark { name: "a peer went down", reached: |tally| tally.noted("down") > 0 },
        Mark { name: "a node crashed", reached: |tally| tally.noted("crashed") > 0 },
    ],
};

pub(super) static FLOOD: Tale = Tale {
    name: "flood-of-hellos",
    about: "more hellos from spoofed sources than there are places, while a pair talks and a newcomer comes",
    tell: flood_of_hellos,
    marks: &[],
};

fn flood_of_hellos(suite: Suite, seed: u64) -> Told {
    // Twice as many as there are places.
    let settings = Settings { nodes: Some(2_048), seconds: Some(3), suite, ..Settings::default() };
    let Report { trace, bins, violations, .. } = flood(&settings, seed);
    Told { bins, ..Told::new(trace, Totals::default(), [], violations) }
}

impl Scenario for Tale {
    fn menu(&self) -> Menu {
        Menu {
            scenario: self.name,
            nodes: (2, 2),
            // No time for anything to go wrong but what the tale tells.
            phase: Duration::ZERO,
            every: Duration::from_secs(1),
            tampering: false,
            replays: false,
            crashes: false,
            mtus: false,
            clocks: false,
            strains: false,
            roams: false,
            suite: Suite::Toy,
        }
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn promises(&self) -> Promises {
        Promises {
            says: Says::Both,
            sizes: &[],
            fits: false,
            once_from: 0,
            thinks: Duration::ZERO,
            open: |_| usize::MAX,
            recovery: Duration::ZERO,
            patience: Duration::ZERO,
            drain: Duration::ZERO,
            empty: &[],
            marks: self.marks,
        }
    }

    fn follows_plans(&self) -> bool {
        false
    }

    fn play(&self, plan: &Plan, _: Look) -> Played {
        let Told { trace, totals, bins, noted, violations } = (self.tell)(plan.suite, plan.seed);
        let tally = Tally { noted, ..Tally::default() };
        let marks = self.marks.iter().filter(|mark| (mark.reached)(&tally));
        Played {
            trace,
            totals,
            events: trace.steps(),
            bins,
            marks: marks.map(|mark| mark.name).collect(),
            violated: violations.len() as u64,
            first: (!violations.is_empty()).then_some(Duration::ZERO),
            violations,
            ..Played::default()
        }
    }
}
