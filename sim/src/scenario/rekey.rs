//! Sessions are renewed under load, and nothing is lost by it.

use super::crowd::Crowd;
use super::{Report, Settings, timing};
use crate::net::{Chance, Faults};
use core::time::Duration;
use tellask::Limits;

/// On a network that loses nothing, every message that was told is heard, however many sessions carry them.
///
/// Jitter and duplicates stay, and every node tells every other each two milliseconds.
#[must_use]
pub fn rekey(settings: &Settings, seed: u64) -> Report {
    let (nodes, seconds) = (settings.nodes_or(4), settings.seconds_or(20));
    let mut faults = Faults::NONE;
    faults.duplicate = Chance::percent(1);
    faults.jitter = Duration::from_millis(30);
    let mut crowd = Crowd::new(settings, seed, faults, timing(), Limits::default());
    crowd.gather(nodes, Duration::from_millis(2), Duration::from_secs(seconds));
    crowd.network.run_for(Duration::from_secs(seconds + 5));
    crowd.expect_all_opened();
    crowd.expect_sealed_and_opened_agree();
    let figures = crowd.books.with(|ledger| ledger.figures);
    if figures.heard != figures.told || figures.refused > 0 {
        let (told, heard, refused) = (figures.told, figures.heard, figures.refused);
        crowd.books.violate(format!("{heard} heard of {told} told, {refused} refused"));
    }
    crowd.expect_nothing_vanished();
    crowd.expect_sessions(u64::from(nodes) * u64::from(nodes.saturating_sub(1)) * seconds / 2);
    crowd.report("rekey", seed)
}
