//! The harness that compares us with others, held to its own promises.

#[path = "../benches/support/ratio.rs"]
mod ratio;

use ratio::Ratios;
use std::process::ExitCode;

fn run(args: &[&str]) -> Ratios {
    Ratios::from_args(args.iter().map(|arg| (*arg).to_owned())).expect("arguments that it knows")
}

/// A side that claims these rates, one after the other, the first for the call that warms it up.
fn side(rates: &[f64]) -> impl FnMut() -> f64 + '_ {
    let mut rates = rates.iter().copied();
    move || rates.next().expect("no more calls than rounds")
}

#[test]
fn a_ratio_below_its_target_fails_an_asserting_run() {
    let mut ratios = run(&["--bench", "--assert"]);
    ratios.rates("slower", 1, 1.0, 3, side(&[9.0; 4]), side(&[10.0; 4]));
    assert_eq!(ratios.finish(), ExitCode::FAILURE);
}

#[test]
fn a_ratio_at_its_target_passes() {
    let mut ratios = run(&["--assert"]);
    ratios.rates("equal", 1, 1.0, 3, side(&[10.0; 4]), side(&[10.0; 4]));
    assert_eq!(ratios.finish(), ExitCode::SUCCESS);
}

#[test]
fn what_is_no_number_is_a_miss() {
    let mut ratios = run(&["--assert"]);
    ratios.rates("nothing done", 1, 0.0, 3, side(&[0.0; 4]), side(&[0.0; 4]));
    assert_eq!(ratios.finish(), ExitCode::FAILURE);
}

#[test]
fn the_median_forgives_one_bad_round_and_the_warm_up() {
    let mut ratios = run(&["--assert"]);
    ratios.rates("one hiccup", 1, 1.0, 3, side(&[0.1, 10.0, 0.1, 10.0]), side(&[10.0; 4]));
    assert_eq!(ratios.finish(), ExitCode::SUCCESS);
}

#[test]
fn without_assert_a_miss_is_only_said() {
    let mut ratios = run(&[]);
    ratios.rates("slower", 1, 2.0, 1, side(&[1.0; 2]), side(&[1.0; 2]));
    assert_eq!(ratios.finish(), ExitCode::SUCCESS);
}

#[test]
fn a_filter_that_matches_nothing_fails_an_asserting_run() {
    let mut ratios = run(&["--assert", "another"]);
    ratios.rates("equal", 1, 1.0, 1, side(&[]), side(&[]));
    assert_eq!(ratios.finish(), ExitCode::FAILURE);
}

#[test]
fn twice_the_rate_of_theirs_is_a_ratio_of_two() {
    let mut ratios = run(&["--assert"]);
    ratios.rates("twice as fast", 1, 2.0, 2, side(&[20.0; 3]), side(&[10.0; 3]));
    assert_eq!(ratios.finish(), ExitCode::SUCCESS);
    let mut ratios = run(&["--assert"]);
    ratios.rates("half as fast", 1, 0.6, 2, side(&[10.0; 3]), side(&[20.0; 3]));
    assert_eq!(ratios.finish(), ExitCode::FAILURE);
}

#[test]
fn both_operations_are_done_in_every_round() {
    let (ours, theirs) = (core::cell::Cell::new(0_u64), core::cell::Cell::new(0_u64));
    let mut ratios = run(&["--assert"]);
    let count = |cell: &core::cell::Cell<u64>| cell.set(cell.get() + 1);
    ratios.operations("counting", 1, 0.0, || count(&ours), || count(&theirs));
    assert!(ours.get() > 52 && theirs.get() > 52, "51 rounds after one that warms up");
    assert_eq!(ratios.finish(), ExitCode::SUCCESS);
}

#[test]
fn an_unknown_flag_is_refused() {
    let refused = Ratios::from_args(["--asert".to_owned()]);
    assert_eq!(refused.expect_err("a misspelt flag"), "unknown flag --asert; there is --assert");
}
