//! What a stack dropped, seen by its own counters.

use core::fmt;
use tellask::Layer;
use tellask::stats::StatsSink;

/// Whether a counter of this name counts what came from below, or was held, and is not given upward.
fn counts_drops(name: &str) -> bool {
    let others = [
        "received_but_dropped",
        "received_after_close",
        "malformed",
        "duplicates",
        "late",
        "disagreeing",
        "too_large",
        "no_room",
        "dropped",
        "dropped_with_session",
        "expired",
        "evicted",
        "unknown_channel",
        "unknown_transport",
        "after_close",
        "nameless",
        "not_from_us",
    ];
    name.starts_with("rejected_") || others.contains(&name)
}

/// The counters of drops of one node, as they were last time.
#[derive(Debug, Default)]
pub(super) struct Drops {
    /// In the order in which the stack tells them, which is always the same.
    last: Vec<u64>,
    place: usize,
    risen: Vec<&'static str>,
}

impl Drops {
    /// The counters that have risen since the last time.
    pub(super) fn risen(&mut self, stack: &impl Layer) -> impl Iterator<Item = &'static str> {
        self.place = 0;
        stack.stats(self);
        self.risen.drain(..)
    }
}

impl StatsSink for Drops {
    fn enter(&mut self, _: fmt::Arguments<'_>) {}

    fn leave(&mut self) {}

    fn counter(&mut self, name: &'static str, value: u64) {
        if !counts_drops(name) {
            return;
        }
        match self.last.get_mut(self.place) {
            Some(last) if *last < value => {
                *last = value;
                self.risen.push(name);
            }
            // A layer that was made anew counts from zero.
            Some(last) => *last = value,
            None => {
                self.last.push(value);
                if value > 0 {
                    self.risen.push(name);
                }
            }
        }
        self.place += 1;
    }

    fn gauge(&mut self, _: &'static str, _: u64) {}
}
