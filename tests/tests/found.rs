//! What campaigns have found in the machines, each shrunk to a plan that a person can read. All of these failed once.

use tellask_sim::campaign::replay;

/// Plays a plan, which must go well.
fn goes_well(plan: &str) {
    let plan = plan.parse().expect("it is a plan");
    let played = replay(&plan).expect("its scenario is known");
    assert!(played.is_ok(), "{played}");
}

/// Two that ask each other, of which one begins anew at that time.
fn restarted(at: &str) -> String {
    format!(
        "
        tellask-plan 1
        scenario bare-asks
        seed 1
        suite toy
        nodes 0 1
        core 0 1
        phase 3s
        every 40ms
        most 80
        way 0 1
        way 1 0
        at 0ms net delay 40ms jitter 30ms
        at 2000ms crash 1
        at {at} start 1
        "
    )
}

// 1 heard request 49 from 0 to 1 again
#[test]
fn what_was_asked_of_a_former_life_of_the_answerer_runs_once_in_the_next() {
    goes_well(&restarted("2030ms"));
}

// 0 heard request 58 from 1 to 0 again
#[test]
fn what_a_restarted_asker_asks_runs_once_while_the_answerer_still_speaks_to_its_former_life() {
    goes_well(&restarted("2200ms"));
}

// 0 never got an answer from 2 in the 40s after all was well
// 2 never got an answer from 0 in the 40s after all was well
#[test]
fn two_that_ask_each_other_agree_on_a_session_again_when_one_has_restarted() {
    goes_well(
        "
        tellask-plan 1
        scenario tight
        seed 31
        suite toy
        nodes 0 2
        core 0 2
        phase 20s
        every 60ms
        way 0 2
        way 2 0
        at 15600ms crash 0
        at 15700ms start 0
        listed
        ",
    );
}

// 0 never was heard by 1 in the 40s after all was well
// 0 never got an answer from 1 in the 40s after all was well
#[cfg(feature = "quic")]
#[test]
fn a_connection_whose_round_trip_somebody_drew_out_is_given_up_as_soon_as_any_other() {
    goes_well(
        "
        tellask-plan 1
        scenario quic
        seed 1063
        suite own
        nodes 0 1
        core 0 1
        phase 20s
        every 200ms
        way 0 1
        at 8s crash 0
        at 15s cut 0 1
        at 15400ms start 0
        at 19800ms replay 0 1 17
        listed
        ",
    );
}
