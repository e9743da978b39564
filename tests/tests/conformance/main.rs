//! Every swarm passes the conformance suite, and each planted fault fails the case that is named for it.

#![allow(clippy::wildcard_enum_match_arm, reason = "a test names what it looks for")]

mod planted;
mod stacks;

use stacks::{memory, secure};
use tellask_sim::conformance::{Promises, World, run};

const SEED: u64 = 4;

#[test]
fn bare_datagrams_in_memory_pass() {
    let report = run(SEED, &Promises::datagrams(1_400), memory);
    report.assert_passed();
}

#[test]
fn secured_datagrams_in_memory_pass() {
    let promises = Promises::datagrams(1_300).secured();
    run(SEED, &promises, secure).assert_passed();
}

#[test]
fn each_planted_fault_fails_the_case_that_is_named_for_it_and_no_other() {
    for (case, what, fault) in planted::faults() {
        let report = run(SEED, &Promises::datagrams(1_400), |nodes, seed| {
            World::new(seed, nodes, 1_400, |_| planted::Planted::new(stacks::port(), fault()))
        });
        assert_eq!(report.failed(), [case], "a swarm that {what}: {report}");
    }
}
