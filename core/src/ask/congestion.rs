//! How much may be on its way to one peer: RFC 5681, in bytes, with the window of RFC 6928 to begin with.
//!
//! One window for everything that goes to a peer, so ten thousand asks are no more of a burden than
//! one. It is halved at most once a round trip (RFC 6582), grows only while it is what limits the
//! sender (RFC 7661).
//!
//! On a path that loses a third of everything at random a window of one packet would be all time-outs.
//! So the window never falls below four packets; and not below ten, which RFC 6928 holds harmless on any
//! path, while round trips are no longer than they were at best: then no queue has built up, and
//! what was lost was not lost to congestion.

use crate::time::Instant;

/// Packets that may be on their way before anything is known.
const FIRST: usize = 10;
/// Packets that may always be on their way.
const LEAST: usize = 4;
/// Packets that may be on their way wherever no queue has built up.
const LEAST_UNQUEUED: usize = FIRST;
/// Bytes that may be on their way at most.
const MOST: usize = 4 * 1_024 * 1_024;

/// A congestion window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Window {
    /// The full size of a packet.
    unit: usize,
    window: usize,
    threshold: usize,
    flight: usize,
    /// Bytes acknowledged since the window grew in congestion avoidance.
    acked: usize,
    /// What was sent before was answered by a reduction already.
    recovery: Option<Instant>,
}

impl Window {
    /// A window for packets of at most `unit` bytes.
    pub(super) const fn new(unit: usize) -> Self {
        let window = FIRST * unit;
        Self { unit, window, threshold: MOST, flight: 0, acked: 0, recovery: None }
    }

    /// Another packet size.
    pub(super) const fn set_unit(&mut self, unit: usize) {
        self.unit = unit;
    }

    /// Whether another packet may be sent.
    pub(super) const fn is_open(&self) -> bool {
        self.flight < self.window
    }

    /// A packet was sent.
    pub(super) const fn on_sent(&mut self, bytes: usize) {
        self.flight = self.flight.saturating_add(bytes);
    }

    /// A packet that was on its way is not any more, and says nothing about the path.
    pub(super) const fn on_gone(&mut self, bytes: usize) {
        self.flight = self.flight.saturating_sub(bytes);
    }

    /// A packet arrived. `limited`: more would have been sent, had the window been larger.
    pub(super) fn on_acked(&mut self, bytes: usize, sent: Instant, limited: bool) {
        self.on_gone(bytes);
        if !limited || self.recovery.is_some_and(|since| sent <= since) {
            return;
        }
        if self.window < self.threshold {
            self.window = self.window.saturating_add(bytes);
        } else {
            self.acked = self.acked.saturating_add(bytes);
            if self.acked >= self.window {
                self.acked -= self.window;
                self.window = self.window.saturating_add(self.unit);
            }
        }
        self.window = self.window.min(MOST);
    }

    /// A packet was lost, on a path that shows signs of a queue or (`queued` false) none.
    pub(super) fn on_lost(&mut self, now: Instant, bytes: usize, sent: Instant, queued: bool) {
        self.on_gone(bytes);
        if self.recovery.is_none_or(|since| sent > since) {
            self.recovery = Some(now);
            let least = if queued { LEAST } else { LEAST_UNQUEUED };
            self.window = (self.window / 2).max(least * self.unit);
            self.threshold = self.window;
            self.acked = 0;
        }
    }

    /// Nothing was heard for so long that what was known of the path holds no more.
    pub(super) fn on_silence(&mut self, now: Instant) {
        self.threshold = (self.window / 2).max(LEAST * self.unit);
        self.window = LEAST * self.unit;
        self.recovery = Some(now);
        self.acked = 0;
    }
}
