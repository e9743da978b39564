//! When a node is given up: one whose work at one moment never ends.

use core::time::Duration;
use tellask::{Instant, MemoryAddr};

/// So many outputs between two events, or timers that ring without time passing, are a mistake in a layer.
pub(super) const PATIENCE: u32 = 1_000_000;

/// How often the timer of a node rang with no more than a nanosecond in between.
#[derive(Default)]
pub(super) struct Patience {
    last: Instant,
    rung: u32,
}

impl Patience {
    /// The timer of the node at `addr` rings.
    ///
    /// # Panics
    /// It has rung too often.
    pub(super) fn ring(&mut self, addr: MemoryAddr, now: Instant) {
        let at_once = now.since(self.last) <= Duration::from_nanos(1);
        (self.last, self.rung) = (now, if at_once { self.rung + 1 } else { 0 });
        assert!(
            self.rung < PATIENCE,
            "the timer of node {addr:?} is due again and again, at {now}"
        );
    }
}
