//! What was received of a peer, and when to say so.
//!
//! An acknowledgement rides on whatever goes to the peer anyway. It goes by itself once two full
//! packets are unacknowledged (RFC 5681 section 4.2; a gap or a repetition counts as one more, so that the
//! sender hears of losses at once), or after [`ACK_DELAY`]. Small packets do not force one:
//! the answer to an ask acknowledges the request, and the next request the answer.

use super::ranges::Ranges;
use super::rtt::ACK_DELAY;
use super::wire::ACK_RANGES;
use crate::time::Instant;

/// The numbers of packets that were received.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Receipts {
    numbers: Ranges,
    /// When the highest number came.
    highest_at: Instant,
    /// Bytes that are not acknowledged.
    owed: usize,
    /// When to acknowledge them.
    due: Option<Instant>,
}

impl Receipts {
    /// Nothing was received.
    pub(super) const fn new() -> Self {
        Self { numbers: Ranges::new(), highest_at: Instant::ZERO, owed: 0, due: None }
    }

    /// A packet of `bytes` bytes came, on a path where `unit` bytes are a full one.
    pub(super) fn on_packet(&mut self, now: Instant, number: u64, bytes: usize, unit: usize) {
        let highest = self.numbers.highest();
        let in_order = highest.is_none_or(|highest| highest.saturating_add(1) == number);
        if highest.is_none_or(|highest| number > highest) {
            self.highest_at = now;
        }
        self.numbers.insert(number, number.saturating_add(1));
        self.numbers.keep_highest(ACK_RANGES);
        self.owed = self.owed.saturating_add(if in_order { bytes } else { bytes.max(unit) });
        self.due.get_or_insert(now + ACK_DELAY);
    }

    /// Whether something waits for its acknowledgement.
    pub(super) const fn is_owed(&self) -> bool {
        self.due.is_some()
    }

    /// Whether the acknowledgement ought to go by itself, rather than wait.
    pub(super) fn is_urgent(&self, now: Instant, unit: usize) -> bool {
        self.owed >= unit.saturating_mul(2) || self.due.is_some_and(|due| due <= now)
    }

    /// When it goes by itself at the latest.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// It cannot go now.
    pub(super) fn put_off(&mut self, now: Instant) {
        self.due = Some(now + ACK_DELAY);
        self.owed = 0;
    }

    /// It goes.
    pub(super) const fn on_sent(&mut self) {
        self.due = None;
        self.owed = 0;
    }

    /// For how long it was put off, in microseconds.
    pub(super) fn delay(&self, now: Instant) -> u64 {
        u64::try_from(now.since(self.highest_at).as_micros()).unwrap_or(u64::MAX)
    }

    /// How many ranges there are.
    pub(super) const fn len(&self) -> usize {
        self.numbers.len()
    }

    /// The ranges from the highest down.
    pub(super) fn ranges(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.numbers.descending()
    }
}
