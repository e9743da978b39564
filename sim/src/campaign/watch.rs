//! Looking on while a plan is played, for a [recording](crate::see).

use super::{Look, Note, Onlooker, Played, Scenario, play};
use crate::net::Sighting;
use crate::plan::{Plan, addr_at};
use crate::see::{Bounds, Recording};
use core::cell::RefCell;
use std::rc::Rc;
use tellask::stats::Snapshot;
use tellask::{Instant, MemoryAddr};

/// Plays a plan and records all of it. `command` is the command line that plays it again.
#[must_use]
pub fn watch(scenario: &dyn Scenario, plan: &Plan, command: &str) -> (Played, Recording) {
    // Datagrams as they are: whoever looks into one looks for something.
    let bounds = Bounds { bytes: 1_400, ..Bounds::default() };
    let recording = Recording::bounded(plan.scenario.clone(), plan.seed, bounds);
    let recording = Rc::new(RefCell::new(recording));
    let played = play(scenario, plan, Look::with(Box::new(Watcher(Rc::clone(&recording)))));
    let mut recording = Rc::into_inner(recording)
        .map_or_else(|| Recording::new(plan.scenario.clone(), plan.seed), RefCell::into_inner);
    for (node, site) in plan.sites() {
        recording.name(addr_at(node, site), format!("node {node} at its site {site}"));
    }
    for &node in &plan.nodes {
        recording.name(MemoryAddr(node), format!("node {node}"));
        let peers = plan.nodes.iter().filter(|peer| **peer != node);
        let ways = &plan.traffic.ways;
        for &peer in peers.filter(|peer| ways.is_empty() || ways.contains(&(node, **peer))) {
            recording.edge(MemoryAddr(node), MemoryAddr(peer));
        }
    }
    let start = played.start;
    recording.begin(start);
    for step in plan.steps.iter().filter(|step| step.at <= plan.phase) {
        recording.plan(start + step.at, None, step.what.to_string());
    }
    recording.plan(start + plan.phase, None, "all is well again for the core, the others stop");
    for mark in scenario.promises().marks {
        let reached = played.marks.contains(&mark.name);
        recording.mark(mark.name, reached.into(), None);
    }
    for (bin, count) in &played.bins {
        recording.bin(bin.clone(), *count);
    }
    for (nth, violation) in played.violations.iter().enumerate() {
        let at = played.first.filter(|_| nth == 0).map(|first| start + first);
        recording.violation(at, violation.clone());
    }
    recording.more_violations(played.violated.saturating_sub(played.violations.len() as u64));
    recording.finish(played.trace, command);
    (played, recording)
}

struct Watcher(Rc<RefCell<Recording>>);

impl Onlooker for Watcher {
    fn see(&mut self, sighting: &Sighting<'_>) {
        self.0.borrow_mut().see(sighting);
    }

    fn hear(&mut self, now: Instant, addr: MemoryAddr, note: &Note) {
        self.0.borrow_mut().note(now, addr, note.to_string());
    }

    fn dropped(&mut self, now: Instant, addr: MemoryAddr, name: &'static str) {
        self.0.borrow_mut().note(now, addr, format!("drops it: {name}"));
    }

    fn sample(&mut self, now: Instant, addr: MemoryAddr, stats: &Snapshot) {
        let mut recording = self.0.borrow_mut();
        for (name, value) in stats.counters.iter().chain(&stats.gauges) {
            recording.sample(now, addr, name, *value);
        }
    }
}
