//! What to do about a socket that keeps failing: try again ever less often.

use crate::time::Instant;
use core::time::Duration;

/// A pause that doubles with every failure, from one millisecond to one second.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    failures: u32,
    until: Option<Instant>,
}

impl Backoff {
    /// The first pause. The longest is 1,024 of them.
    const FIRST: Duration = Duration::from_millis(1);

    /// It worked: no pause any more.
    pub const fn succeed(&mut self) {
        self.failures = 0;
        self.until = None;
    }

    /// It failed: a pause begins, twice as long as the last one.
    pub fn fail(&mut self, now: Instant) {
        self.until = Some(now + Self::FIRST * (1 << self.failures));
        self.failures = self.failures.saturating_add(1).min(10);
    }

    /// When the pause ends, where there is one that lasts.
    #[must_use]
    pub fn until(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| *until > now)
    }
}
