//! Many runs, on several threads, in parts that may be on several machines.

use super::{Look, Parts, Played, Results, SCENARIOS, Scenario, play};
use crate::plan::{Plan, generate};
use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Every so many runs, one is played twice, and must go the same way. No number of scenarios may divide it.
const TWICE: u64 = 5;

/// Which runs there are.
#[derive(Clone)]
pub struct Campaign {
    /// The scenarios, which take turns. Without any nothing is played.
    pub scenarios: Vec<&'static dyn Scenario>,
    /// The seed of the first run. The next has the next.
    pub seed: u64,
    /// How many runs; as many as there is time for where nothing is said.
    pub runs: Option<u64>,
    /// How many at a time.
    pub jobs: usize,
    /// Which part of the campaign this is, from zero on, and of how many. The parts have no seeds in common.
    pub shard: (u64, u64),
    /// Whether it ends with the first run that fails.
    pub stop_at_failure: bool,
}

/// A run of a campaign.
#[derive(Debug)]
#[non_exhaustive]
pub struct Run<'a> {
    /// The how-manieth of this part, from one on.
    pub number: u64,
    /// Of which scenario.
    pub scenario: &'static str,
    /// Its seed.
    pub seed: u64,
    /// Its plan.
    pub plan: &'a Plan,
    /// What it came to; `None` before it is played.
    pub played: Option<&'a Played>,
}

impl Default for Campaign {
    fn default() -> Self {
        let scenarios = SCENARIOS.to_vec();
        Self { scenarios, seed: 0, runs: None, jobs: 1, shard: (0, 1), stop_at_failure: false }
    }
}

impl Campaign {
    /// Plays it. `go_on` is asked before each run, and `each` is told before and after each, on whichever thread.
    pub fn run(&self, go_on: impl Fn() -> bool + Sync, each: impl Fn(&Run<'_>) + Sync) -> Results {
        let (next, over) = (AtomicU64::new(0), AtomicU64::new(self.runs.unwrap_or(u64::MAX)));
        let parts = Some(Parts::one(self.seed, self.shard));
        let results = Mutex::new(Results { parts, ..Results::default() });
        let work = || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= over.load(Ordering::Relaxed) || !go_on() {
                    return;
                }
                let Some((scenario, seed)) = self.nth(number) else { return };
                let name = scenario.menu().scenario;
                let plan = generate(&scenario.menu(), seed);
                let mut run =
                    Run { number: number + 1, scenario: name, seed, plan: &plan, played: None };
                each(&run);
                let mut played = play(scenario, &plan, Look::default());
                if played.is_ok() && number % TWICE == 0 {
                    let again = elsewhere(scenario, &plan);
                    if again.trace != played.trace {
                        played.violated = 1;
                        played.violations.push("it went another way the second time".into());
                    }
                }
                let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                results.add(name, seed, &played);
                run.played = Some(&played);
                each(&run);
                if self.stop_at_failure && !played.is_ok() {
                    over.store(0, Ordering::Relaxed);
                }
            }
        };
        thread::scope(|scope| {
            for _ in 1..self.jobs.max(1) {
                scope.spawn(work);
            }
            work();
        });
        let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.failures.sort();
        results
    }

    /// The scenario and the seed of a run.
    fn nth(&self, number: u64) -> Option<(&'static dyn Scenario, u64)> {
        let turn = number.checked_rem(self.scenarios.len() as u64)?;
        let scenario = self.scenarios.get(turn as usize).copied()?;
        let (part, parts) = self.shard;
        let nth = number.wrapping_mul(parts.max(1)).wrapping_add(part);
        Some((scenario, self.seed.wrapping_add(nth)))
    }
}

/// Plays a plan on a thread of its own, where memory is elsewhere, so that nothing may depend on where it is.
fn elsewhere(scenario: &dyn Scenario, plan: &Plan) -> Played {
    // What lies in between has other neighbours here than where it was played first.
    let _between: Vec<Box<[u8]>> = (4..16).map(|log| vec![0; 1 << log].into()).collect();
    thread::scope(|scope| {
        let playing = scope.spawn(|| play(scenario, plan, Look::default()));
        playing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

impl core::fmt::Debug for Campaign {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let scenarios: Vec<_> =
            self.scenarios.iter().map(|scenario| scenario.menu().scenario).collect();
        let Self { seed, runs, jobs, shard, .. } = self;
        f.debug_struct("Campaign")
            .field("scenarios", &scenarios)
            .field("seed", seed)
            .field("runs", runs)
            .field("jobs", jobs)
            .field("shard", shard)
            .finish_non_exhaustive()
    }
}
