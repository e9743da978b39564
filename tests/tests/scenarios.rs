//! The scenarios of the simulated network, in sizes that take seconds.
//!
//! In release, or with `TELLASK_SCENARIOS=full`, all-to-all is played in the size that is promised for
//! every change: 20 nodes for a minute. The large one is played by hand:
//! `tellask-sim run all-to-all --nodes 100 --seconds 600`.

use tellask_sim::scenario::{
    Report, SCENARIOS, Scenario, Settings, all_to_all, asks, congestion, faults, flood, rekey,
};

const SEED: u64 = 20_260_101;

fn play(scenario: fn(&Settings, u64) -> Report, nodes: u32, seconds: u64, seed: u64) -> Report {
    let settings = Settings { nodes: Some(nodes), seconds: Some(seconds), ..Settings::default() };
    let report = scenario(&settings, seed);
    assert!(report.is_ok(), "{report}");
    report
}

fn in_full() -> bool {
    let asked = std::env::var("TELLASK_SCENARIOS").is_ok_and(|value| value == "full");
    asked || !cfg!(debug_assertions)
}

#[test]
fn what_the_network_delivers_of_all_to_all_is_heard_once_in_the_clear_from_the_right_peer() {
    let (nodes, seconds) = if in_full() { (20, 60) } else { (8, 20) };
    let report = play(all_to_all, nodes, seconds, SEED);
    assert_eq!(report.figure("messages_heard"), report.figure("messages_delivered"));
    assert!(report.figure("messages_delivered_again") > 0, "{report}");
    assert!(report.figure("datagrams_lost") * 6 > report.figure("datagrams_sent"), "{report}");
}

#[test]
fn sessions_are_renewed_under_load_and_not_a_message_is_lost() {
    let report = play(rekey, 3, 8, SEED);
    assert_eq!(report.figure("messages_heard"), report.figure("messages_told"));
    assert!(report.figure("messages_told") > 10_000, "{report}");
}

#[test]
fn a_flood_from_spoofed_sources_keeps_to_its_cap_and_its_bytes_and_disturbs_nobody() {
    let report = play(flood, 3_000, 4, SEED);
    assert_eq!(report.figure("half_open_at_most"), 1_024, "the cap is reached\n{report}");
    assert!(report.figure("spoofed_bytes_answered") > 0, "{report}");
    assert!(report.figure("newcomer_heard") > 0, "{report}");
}

#[test]
fn all_pairs_talk_again_after_corruption_partitions_and_crashes() {
    let report = play(faults, 4, 15, SEED);
    assert!(report.figure("datagrams_sent_again") > 0, "{report}");
    assert!(report.figure("messages_delivered_spoilt") > 0, "{report}");
    assert!(report.figure("peers_down") > 0, "{report}");
}

#[test]
fn asks_over_a_path_that_loses_a_third_are_all_answered_once_for_little_more_than_it_takes() {
    let (nodes, seconds) = if in_full() { (8, 300) } else { (4, 60) };
    let report = play(asks, nodes, seconds, SEED);
    assert!(report.figure("datagrams_lost") * 4 > report.figure("datagrams_sent"), "{report}");
    assert!(report.figure("asks_answered") > 50, "{report}");
    assert!(report.figure("sent_per_needed_permille") < 1_300, "{report}");
}

#[test]
fn answers_through_one_slow_link_fill_it_and_share_it() {
    let report = play(congestion, 9, if in_full() { 60 } else { 30 }, SEED);
    assert!(report.figure("datagrams_overflowed") > 0, "the queue is the bottleneck\n{report}");
}

#[test]
fn every_scenario_replays_exactly_and_goes_another_way_with_another_seed() {
    for scenario in SCENARIOS {
        let nodes = if scenario.name == "flood" { 50 } else { 3 };
        let once = play(scenario.run, nodes, 4, SEED);
        assert_eq!(once, play(scenario.run, nodes, 4, SEED), "{}", scenario.name);
        let other = play(scenario.run, nodes, 4, SEED + 1);
        assert_ne!(once.trace.hash(), other.trace.hash(), "{}", scenario.name);
    }
}

/// The hashes of small runs of the scenarios, with 4 nodes, 3 seconds and seed 3. They are the same on every
/// platform, in debug and in release, with either implementation of the cryptography. Where what
/// nodes send was meant to change these change with it.
const HASHES: [(&str, &str); 6] = [
    ("all-to-all", "1a89a78128430eb6"),
    ("asks", "5b0142307f32ef31"),
    ("congestion", "5f5bc2dad11d377e"),
    ("faults", "d04ef16f2d2b05ef"),
    ("flood", "e78e2273c407c0da"),
    ("rekey", "3c73764520a2804b"),
];

#[test]
fn every_scenario_has_its_hash_whatever_it_was_built_with() {
    let settings = Settings { nodes: Some(4), seconds: Some(3), ..Settings::default() };
    let hash = |scenario: &Scenario| (scenario.run)(&settings, 3).trace.to_string();
    let found: Vec<_> = SCENARIOS.iter().map(|scenario| (scenario.name, hash(scenario))).collect();
    let found: Vec<_> = found.iter().map(|(name, hash)| (*name, hash.as_str())).collect();
    assert_eq!(found, HASHES);
}

#[test]
fn every_scenario_goes_the_same_way_on_one_thread_and_on_several() {
    for scenario in SCENARIOS {
        let nodes = if scenario.name == "flood" { 200 } else { 5 };
        let on = |threads| {
            let settings =
                Settings { nodes: Some(nodes), seconds: Some(4), threads, ..Settings::default() };
            (scenario.run)(&settings, SEED)
        };
        let one = on(None);
        assert!(one.is_ok(), "{one}");
        assert_eq!(one, on(Some(2)), "{}", scenario.name);
        assert_eq!(one, on(Some(3)), "{}", scenario.name);
    }
}
