//! First contacts over a path that loses some of everything, where only one side has something to say.
//!
//! A handshake is repeated until it is through: no message is given up. And a peer that was restarted, and says nothing by
//! itself, is heard of soon by whoever goes on talking to it. What is said to somebody who is not there any more comes back,
//! and whoever goes on talking to it is told that it is gone.

use super::Told;
use super::pauses::say;
use crate::net::{Chance, Faults};
use crate::scenario::{Crowd, Settings, Suite};
use core::time::Duration;
use std::collections::BTreeMap;
use tellask::p2pke::channel::Timing;
use tellask::{Limits, MemoryAddr, Seed};

/// Each has something to say to the next one, in a ring.
const NODES: u32 = 12;

/// See the [module](self).
pub(super) fn dials(suite: Suite, seed: u64) -> Told {
    let settings = Settings { suite, ..Settings::default() };
    let mut rng = Seed::from_u64(seed).child("sim.dials").rng("draws");
    let mut faults = Faults::NONE;
    faults.delay = Duration::from_millis(1 + rng.below(60));
    faults.jitter = Duration::from_millis(rng.below(20));
    faults.loss = Chance::percent(10 + rng.below(6) as u32);
    let timing = Timing::DEFAULT;
    let mut crowd = Crowd::new(&settings, seed, faults, timing, Limits::default());
    crowd.gather(NODES, Duration::from_secs(1), Duration::ZERO);
    let mut seqs = BTreeMap::new();
    for src in 0..NODES {
        say(&mut crowd, seed, (src, (src + 1) % NODES), &mut seqs);
        crowd.network.run_for(Duration::from_millis(rng.below(50)));
    }
    crowd.network.run_for(timing.handshake_timeout + Duration::from_secs(1));
    let undelivered = crowd.books.with(|ledger| ledger.figures.undelivered);
    if undelivered > 0 {
        crowd.books.violate(format!("{undelivered} of {NODES} handshakes were given up"));
    }

    let (talker, silent) = (NODES - 1, MemoryAddr(0));
    let way = (MemoryAddr(talker), silent);
    say(&mut crowd, seed, (talker, 0), &mut seqs);
    crowd.network.run_for(Duration::from_secs(2));
    crowd.crash(silent);
    crowd.network.run_for(Duration::from_millis(rng.below(3_000)));
    let started = crowd.network.now();
    crowd.restart(silent, started + Duration::from_secs(3_600));
    // Silence is noticed, and the new handshake is given as long as it may take.
    let noticed = started + timing.silence + Duration::from_secs(10);
    while crowd.network.now() < noticed + Duration::from_secs(10) {
        say(&mut crowd, seed, (talker, 0), &mut seqs);
        crowd.network.run_for(Duration::from_millis(250));
    }
    let last = crowd.books.with(|ledger| ledger.between(way).last);
    if last.is_none_or(|last| last < noticed) {
        crowd.books.violate(format!("{silent:?} does not hear {talker} after it was restarted"));
    }
    // To a peer that is gone several things are said: each comes back.
    crowd.crash(silent);
    for _ in 0..2 + rng.below(3) {
        say(&mut crowd, seed, (NODES / 2, 0), &mut seqs);
    }
    // Whoever had a session with it has to notice its silence first.
    let down = |crowd: &Crowd| crowd.books.with(|ledger| ledger.figures.peers_down);
    let before = down(&crowd);
    let until = crowd.network.now() + timing.silence + Duration::from_secs(2);
    while crowd.network.now() < until {
        say(&mut crowd, seed, (talker, 0), &mut seqs);
        crowd.network.run_for(Duration::from_millis(500));
    }
    crowd.network.run_for(timing.handshake_timeout + Duration::from_secs(1));
    if down(&crowd) == before {
        crowd.books.violate(format!("{talker} does not notice that {silent:?} is gone"));
    }
    let waiting = crowd.books.with(|ledger| ledger.queued());
    if waiting > 0 {
        crowd.books.violate(format!("{waiting} messages to nobody neither go nor come back"));
    }
    crowd.expect_nothing_vanished();
    let report = crowd.report("dials", seed);
    let totals = crowd.network.totals();
    Told { bins: report.bins, ..Told::new(report.trace, totals, [], report.violations) }
}
