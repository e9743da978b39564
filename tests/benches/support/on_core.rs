//! How long this thread had a core: on a machine that others use too, less than the time that went by.

use core::time::Duration;
use std::time::Instant;

/// Where a measurement began.
#[derive(Clone, Copy)]
pub(crate) struct Began {
    wall: Instant,
    core: Option<Duration>,
}

impl Began {
    pub(crate) fn now() -> Self {
        Self { wall: Instant::now(), core: on_core() }
    }

    /// The time that went by.
    pub(crate) fn wall(self) -> Duration {
        self.wall.elapsed()
    }

    /// The time that this thread had a core since; where the system does not say, the time that went by.
    pub(crate) fn core(self) -> Duration {
        let core = on_core().zip(self.core).map(|(now, began)| now.saturating_sub(began));
        core.unwrap_or_else(|| self.wall())
    }
}

/// As Linux says it, in nanoseconds.
fn on_core() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(stat.split_whitespace().next()?.parse().ok()?))
}
