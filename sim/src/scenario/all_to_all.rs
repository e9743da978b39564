//! Everybody tells everybody, over a bad network, with a new session every second.

use super::crowd::Crowd;
use super::{Report, Settings, timing};
use crate::net::{Chance, Faults};
use core::time::Duration;
use tellask::Limits;

/// Whoever is late: the last repetitions of the last handshake, and what they release.
const AFTERMATH: Duration = Duration::from_secs(5);

/// Every message that the network delivers is delivered once, in the clear, to the right peer.
///
/// 20 % of all datagrams are lost, 2 % duplicated, and jitter reorders them. Every node tells every other
/// twice a second; sessions are renewed every second. What "the network delivered" means is
/// exact: the first copy of a sealed datagram that reaches a node is to be heard at that moment.
#[must_use]
pub fn all_to_all(settings: &Settings, seed: u64) -> Report {
    let (nodes, seconds) = (settings.nodes_or(20), settings.seconds_or(60));
    let mut faults = Faults::NONE;
    faults.loss = Chance::percent(20);
    faults.duplicate = Chance::percent(2);
    faults.jitter = Duration::from_millis(40);
    let mut crowd = Crowd::new(settings, seed, faults, timing(), Limits::default());
    crowd.gather(nodes, Duration::from_millis(500), Duration::from_secs(seconds));
    crowd.network.run_for(Duration::from_secs(seconds) + AFTERMATH);
    crowd.expect_all_opened();
    crowd.expect_sealed_and_opened_agree();
    crowd.expect_nothing_vanished();
    let figures = crowd.books.with(|ledger| ledger.figures);
    // Four fifths should get through; half even of a few, or the rest of this would say nothing.
    if figures.heard < figures.told / 2 {
        crowd.books.violate(format!("{} heard of {} told", figures.heard, figures.told));
    }
    crowd.expect_sessions(u64::from(nodes) * u64::from(nodes.saturating_sub(1)) * seconds / 4);
    crowd.report("all-to-all", seed)
}
