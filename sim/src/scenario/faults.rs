//! Everything that a network and a machine do to a protocol, one after the other, and the recovery.

use super::crowd::Crowd;
use super::{Report, Settings, timing};
use crate::net::{Chance, Faults};
use core::time::Duration;
use tellask::{Instant, Limits, MemoryAddr};

/// How often each node tells each other.
const INTERVAL: Duration = Duration::from_millis(200);
/// Datagrams that somebody on the way records, to send them again.
const RECORDED: usize = 5_000;

/// After corruption, a partition that is one-way first, and crashes, all pairs talk again within the
/// protocol's times. Until the partition, all that is delivered is heard; and whatever is sent again of an earlier life, nothing is heard twice or from a
/// wrong peer.
///
/// The times: a node notes that a peer is gone when nothing has come for [`silence`] after it sent, and
/// a handshake may fail once and must succeed the next time, each within [`handshake_timeout`].
///
/// [`silence`]: tellask::p2pke::channel::Timing::silence
/// [`handshake_timeout`]: tellask::p2pke::channel::Timing::handshake_timeout
#[must_use]
pub fn faults(settings: &Settings, seed: u64) -> Report {
    let (nodes, seconds) = (settings.nodes_or(6), settings.seconds_or(20));
    let phase = Duration::from_secs(seconds);
    let recovery = timing().silence + timing().handshake_timeout * 2;
    let mut crowd = Crowd::new(settings, seed, bad(), timing(), Limits::default());
    crowd.gather(nodes, INTERVAL, Duration::from_secs(1 << 30));
    crowd.network.run_for(phase);
    expect_talk(&crowd, nodes, crowd.network.now() - recovery, "under corruption");
    // Later not: a peer that is taken for gone may still send under what was forgotten with it.
    crowd.expect_all_opened();

    // The lower half does not reach the upper half; then neither reaches the other.
    for direction in 0..2 {
        for (low, high) in halves(nodes) {
            let (src, dst) = if direction == 0 { (low, high) } else { (high, low) };
            crowd.network.cut(src, dst);
        }
        crowd.network.run_for(phase);
    }
    let healed = crowd.network.now();
    for (low, high) in halves(nodes) {
        let silent = crowd.books.with(|ledger| ledger.between((low, high)).last);
        if silent.is_some_and(|last| last > healed - phase) {
            crowd.books.violate(format!("{high:?} heard {low:?} through the partition"));
        }
    }
    crowd.network.mend_all();
    crowd.network.run_for(recovery + INTERVAL * 5);
    expect_talk(&crowd, nodes, healed, "after the partition");

    // Two crash; one comes back and talks, the other has nothing to say until its peers have found out.
    crowd.books.with(|ledger| ledger.record(RECORDED));
    crowd.network.run_for(Duration::from_secs(2));
    let (loud, quiet) = (MemoryAddr(0), MemoryAddr(nodes.saturating_sub(1)));
    crowd.crash(loud);
    crowd.crash(quiet);
    let recorded = crowd.books.with(super::Ledger::recorded);
    crowd.network.run_for(Duration::from_secs(1));
    let started = crowd.network.now();
    crowd.restart(loud, started);
    crowd.restart(quiet, started + recovery);
    // Somebody sends again what the two had sent and were sent before.
    for (nth, ((src, dst), bytes)) in recorded.iter().enumerate() {
        let delay = Duration::from_millis(1) * (nth as u32 % 1_000);
        crowd.network.inject(*src, *dst, bytes, delay);
    }
    crowd.network.run_for(recovery);
    for (way, between) in crowd.books.with(|ledger| ledger.ways()) {
        if way.0 != quiet && between.last.is_none_or(|last| last <= started) {
            crowd.books.violate(format!("{way:?}: nothing was heard after the crash"));
        }
    }
    crowd.network.run_for(recovery);
    expect_talk(&crowd, nodes, started + recovery, "after the crash");
    crowd.expect_nothing_vanished();
    let mut report = crowd.report("faults", seed);
    report.figures.push(("datagrams_sent_again", recorded.len() as u64));
    report
}

/// A network on which everything happens now and then.
fn bad() -> Faults {
    let mut faults = Faults::NONE;
    faults.loss = Chance::percent(10);
    faults.jitter = Duration::from_millis(40);
    faults.duplicate = Chance::percent(5);
    faults.reorder = Chance::percent(5);
    faults.reorder_by = Duration::from_millis(300);
    faults.flip = Chance::percent(2);
    faults.truncate = Chance::percent(2);
    faults
}

/// Each node of the lower half with each of the upper.
fn halves(nodes: u32) -> impl Iterator<Item = (MemoryAddr, MemoryAddr)> {
    let half = nodes / 2;
    (0..half)
        .flat_map(move |low| (half..nodes).map(move |high| (MemoryAddr(low), MemoryAddr(high))))
}

/// Each node has heard each other since `since`.
fn expect_talk(crowd: &Crowd, nodes: u32, since: Instant, when: &str) {
    for (src, dst) in (0..nodes).flat_map(|src| (0..nodes).map(move |dst| (src, dst))) {
        let way = (MemoryAddr(src), MemoryAddr(dst));
        let last = crowd.books.with(|ledger| ledger.between(way).last);
        if src != dst && last.is_none_or(|last| last <= since) {
            crowd.books.violate(format!("{way:?}: nothing was heard {when}"));
        }
    }
}
