//! Makes a plan that fails smaller, for as long as it fails in the same way.
//!
//! In this order, and again until nothing helps:
//!
//! 1. **Nodes**: those that the violation concerns alone, then with one other, then one less at a time.
//! 2. **Steps**, by [`ddmin`]. What was found under a bad network often needs one thing of it.
//! 3. **Time and talk**: nothing after the violation, only the ways and as many words as it takes.
//! 4. **Verdicts**: what chance decided is listed, datagram by datagram, and made less, by [`ddmin`]; the others are
//!    plain from then on. Conditions of the network that only chance used fall away.
//! 5. **Numbers**: times become round, delays those of plain datagrams, counts small.
//!
//! A failure is the same when the first violation has the same words but for numbers. Bounds: so many runs, and
//! whatever else the caller stops for.

use super::{Look, Played, Scenario};
use crate::net::{Chance, Faults, Passage, Spoil, Verdict, Verdicts};
use crate::plan::{Fault, Plan, Step};
use core::time::Duration;

/// What shrinking came to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Shrunk {
    /// The smallest plan that fails in the same way.
    pub plan: Plan,
    /// What its run came to.
    pub played: Played,
    /// How many runs that took.
    pub runs: u64,
    /// Whether nothing smaller is left to try.
    pub complete: bool,
}

/// Makes `plan` smaller until nothing helps, or `go_on` says that it is enough: it is asked before each run.
///
/// `None` where the plan does not fail.
pub fn shrink(scenario: &dyn Scenario, plan: &Plan, go_on: impl FnMut() -> bool) -> Option<Shrunk> {
    let played = play(scenario, plan, Look::default());
    let way = way_of(&played)?;
    // Of what is not looked at, everything could be left out, and it would say nothing.
    if !scenario.follows_plans() {
        return Some(Shrunk { plan: plan.clone(), played, runs: 1, complete: true });
    }
    let mut shrinker =
        Shrinker { scenario, way, plan: plan.clone(), played, runs: 1, go_on, over: false };
    loop {
        let before = shrinker.plan.clone();
        shrinker.fewer_nodes();
        shrinker.fewer_steps();
        shrinker.simpler_steps();
        shrinker.less_talk();
        shrinker.fewer_verdicts();
        shrinker.rounder_numbers();
        if shrinker.over || shrinker.plan == before {
            break;
        }
    }
    let Shrinker { plan, played, runs, over, .. } = shrinker;
    Some(Shrunk { plan, played, runs, complete: !over })
}

/// Plays a plan; a panic is a violation like others.
pub fn play(scenario: &dyn Scenario, plan: &Plan, look: Look) -> Played {
    let run = core::panic::AssertUnwindSafe(|| scenario.play(plan, look));
    std::panic::catch_unwind(run).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<&str>().copied().map(String::from);
        let words = words.or_else(|| panic.downcast_ref::<String>().cloned());
        let what = format!("a panic: {}", words.unwrap_or_default());
        Played { violations: vec![what], violated: 1, ..Played::default() }
    })
}

/// How a run failed: its first violation but for numbers, and for what is behind a colon.
fn way_of(played: &Played) -> Option<String> {
    let first = played.violations.first()?;
    let head = first.split(':').next().unwrap_or(first);
    Some(head.chars().filter(|c| !c.is_ascii_digit()).collect())
}

struct Shrinker<'a, G> {
    scenario: &'a dyn Scenario,
    way: String,
    plan: Plan,
    played: Played,
    runs: u64,
    go_on: G,
    over: bool,
}

impl<G: FnMut() -> bool> Shrinker<'_, G> {
    /// Takes the plan where it fails in the same way.
    fn try_on(&mut self, plan: Plan) -> bool {
        if plan == self.plan || plan.check().is_err() {
            return false;
        }
        self.over |= !(self.go_on)();
        if self.over {
            return false;
        }
        self.runs += 1;
        let played = play(self.scenario, &plan, Look::default());
        let same = way_of(&played).is_some_and(|way| way == self.way);
        if same {
            (self.plan, self.played) = (plan, played);
        }
        same
    }

    /// Tries the plan with something of it changed.
    fn change(&mut self, change: impl FnOnce(&mut Plan)) -> bool {
        let mut plan = self.plan.clone();
        change(&mut plan);
        self.try_on(plan)
    }

    fn fewer_nodes(&mut self) {
        let concerned = self.played.concerned.clone();
        let mut sets = vec![concerned.clone()];
        for node in &self.plan.nodes {
            let mut set = concerned.clone();
            set.push(*node);
            set.sort_unstable();
            set.dedup();
            sets.push(set);
        }
        for set in sets {
            if set.len() >= 2
                && set.len() < self.plan.nodes.len()
                && self.try_on(self.plan.with_nodes(&set))
            {
                break;
            }
        }
        for node in self.plan.nodes.clone() {
            let others: Vec<u32> =
                self.plan.nodes.iter().copied().filter(|other| *other != node).collect();
            if others.len() >= 2 {
                self.try_on(self.plan.with_nodes(&others));
            }
        }
        self.change(|plan| plan.core = plan.nodes.clone());
    }

    fn fewer_steps(&mut self) {
        let steps = self.plan.steps.clone();
        ddmin(steps, |steps| self.change(|plan| plan.steps = steps.to_vec()));
    }

    /// Fewer conditions make fewer verdicts.
    fn simpler_steps(&mut self) {
        for nth in 0..self.plan.steps.len() {
            for change in SIMPLER {
                self.change(|plan| plan.steps.get_mut(nth).into_iter().for_each(change));
            }
        }
    }

    fn less_talk(&mut self) {
        // Nothing that goes wrong later matters.
        if let Some(first) = self.played.first {
            let phase = first + Duration::from_millis(1);
            if phase < self.plan.phase {
                self.change(|plan| {
                    plan.phase = phase;
                    plan.steps.retain(|step| step.at <= phase);
                });
            }
        }
        if self.plan.traffic.ways.is_empty() {
            let nodes = &self.plan.nodes;
            // That to oneself is one too, where nodes talk to themselves.
            let ways = nodes.iter().flat_map(|src| nodes.iter().map(|dst| (*src, *dst))).collect();
            self.change(|plan| plan.traffic.ways = ways);
        }
        let ways = self.plan.traffic.ways.clone();
        ddmin(ways, |ways| {
            !ways.is_empty() && self.change(|plan| plan.traffic.ways = ways.to_vec())
        });
        let mut most = self.plan.traffic.most.unwrap_or(256);
        while most > 0 && self.change(|plan| plan.traffic.most = Some(most)) {
            most /= 2;
        }
    }

    fn fewer_verdicts(&mut self) {
        if self.plan.verdicts.is_none() {
            let kept = play(self.scenario, &self.plan, Look::at_verdicts()).verdicts;
            self.runs += 1;
            if !self.change(|plan| plan.verdicts = Some(kept)) {
                return;
            }
        }
        self.change(|plan| plan.verdicts = Some(Verdicts::new()));
        // Mostly it matters what was lost, and not how long the others took.
        self.change(|plan| {
            plan.verdicts
                .iter_mut()
                .for_each(|all| all.retain(|_, verdict| !only_takes_time(verdict)));
        });
        let verdicts: Vec<_> = self.plan.verdicts.iter().flatten().map(|(k, v)| (*k, *v)).collect();
        ddmin(verdicts, |verdicts| {
            self.change(|plan| plan.verdicts = Some(verdicts.iter().copied().collect()))
        });
    }

    fn rounder_numbers(&mut self) {
        for unit in [1_000, 100, 10, 1] {
            self.change(|plan| plan.phase = round(plan.phase, unit));
            for nth in 0..self.plan.steps.len() {
                self.change(|plan| {
                    if let Some(step) = plan.steps.get_mut(nth) {
                        step.at = round(step.at, unit);
                    }
                    plan.steps.sort_by_key(|step| step.at);
                });
            }
        }
        let listed: Vec<_> = self.plan.verdicts.iter().flatten().map(|(k, v)| (*k, *v)).collect();
        for (which, verdict) in listed {
            for simpler in simpler_verdicts(&verdict) {
                let changed = self.change(|plan| {
                    plan.verdicts.iter_mut().for_each(|all| _ = all.insert(which, simpler));
                });
                if changed {
                    break;
                }
            }
        }
    }
}

/// Whether a datagram comes as it was, and once.
fn only_takes_time(verdict: &Verdict) -> bool {
    let whole = matches!(verdict.first, Passage::Arrives { spoil, .. } if spoil == Spoil::NONE);
    whole && verdict.second.is_none()
}

/// Ways in which a step becomes simpler.
const SIMPLER: [fn(&mut Step); 10] = [
    |step| conditions(step, |faults| *faults = Faults::NONE),
    |step| conditions(step, |faults| faults.jitter = Duration::ZERO),
    |step| conditions(step, |faults| faults.duplicate = Chance::NEVER),
    |step| {
        conditions(step, |faults| {
            (faults.reorder, faults.reorder_by) = (Chance::NEVER, Duration::ZERO);
        });
    },
    |step| conditions(step, |faults| faults.flip = Chance::NEVER),
    |step| conditions(step, |faults| faults.truncate = Chance::NEVER),
    |step| conditions(step, |faults| faults.loss = Chance::NEVER),
    |step| conditions(step, |faults| faults.delay = Faults::NONE.delay),
    |step| {
        if let Fault::Replay(_, _, count) | Fault::Bounce(_, _, count) = &mut step.what {
            *count = 1;
        }
    },
    |step| {
        if let Fault::Roam(_, site @ 2..) = &mut step.what {
            *site = 1;
        }
    },
];

fn conditions(step: &mut Step, change: impl FnOnce(&mut Faults)) {
    if let Fault::Net(faults) | Fault::Link(_, _, faults) = &mut step.what {
        change(faults);
    }
}

fn simpler_verdicts(verdict: &Verdict) -> Vec<Verdict> {
    let alone = Verdict { second: None, ..*verdict };
    let mut simpler = vec![Verdict { first: round_passage(alone.first, 100), second: None }, alone];
    for unit in [100, 10, 1] {
        simpler.push(Verdict {
            first: round_passage(verdict.first, unit),
            second: verdict.second.map(|second| round_passage(second, unit)),
        });
    }
    simpler
}

fn round_passage(passage: Passage, unit: u64) -> Passage {
    match passage {
        Passage::Lost(loss) => Passage::Lost(loss),
        Passage::Arrives { after, spoil } => {
            Passage::Arrives { after: round(after, unit).max(Duration::from_millis(1)), spoil }
        }
    }
}

/// The next multiple of so many milliseconds.
fn round(time: Duration, millis: u64) -> Duration {
    let unit = millis * 1_000_000;
    let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(nanos.div_ceil(unit).saturating_mul(unit))
}

/// Leaves out as many items as can be left out while the test still succeeds: Zeller and Hildebrandt's minimising delta
/// debugging, *Simplifying and Isolating Failure-Inducing Input* (2002). What is left is such that no single item can be left
/// out.
pub fn ddmin<T: Clone>(mut items: Vec<T>, mut test: impl FnMut(&[T]) -> bool) -> Vec<T> {
    if items.is_empty() || test(&[]) {
        return Vec::new();
    }
    let mut parts = 2;
    while items.len() >= 2 {
        let size = items.len().div_ceil(parts);
        let mut smaller = None;
        for at in (0..items.len()).step_by(size) {
            let end = (at + size).min(items.len());
            let rest: Vec<T> =
                items.iter().take(at).chain(items.iter().skip(end)).cloned().collect();
            if !rest.is_empty() && test(&rest) {
                smaller = Some(rest);
                break;
            }
        }
        if let Some(rest) = smaller {
            items = rest;
            parts = parts.saturating_sub(1).max(2);
        } else if size == 1 {
            break;
        } else {
            parts = (parts * 2).min(items.len());
        }
    }
    items
}
