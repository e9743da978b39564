//! A queue whose length is controlled by how long what leaves it had waited: CoDel, RFC 8289.
//!
//! Where everything waits longer than the target for a whole interval, one is dropped at the head, and the next sooner
//! each time, by the square root of how many were dropped, until waiting is short again. The names are
//! those of section 5; time and square roots are integers.

use core::time::Duration;
use std::collections::VecDeque;
use tellask::Instant;

/// How a managed queue is controlled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codel {
    /// How long waiting is tolerable. RFC 8289 says 5 ms, or as long as one datagram takes where that is more.
    pub target: Duration,
    /// How long it may be longer: about the longest round trip. RFC 8289 says 100 ms.
    pub interval: Duration,
}

impl Codel {
    /// As RFC 8289 says.
    pub const RFC: Self =
        Self { target: Duration::from_millis(5), interval: Duration::from_millis(100) };
}

impl Default for Codel {
    fn default() -> Self {
        Self::RFC
    }
}

/// What waits, and the state of the control.
#[derive(Clone, Debug)]
pub(super) struct Managed<T> {
    codel: Codel,
    queue: VecDeque<(Instant, usize, T)>,
    bytes: usize,
    first_above: Option<Instant>,
    dropping: bool,
    drop_next: Instant,
    count: u64,
    last_count: u64,
}

impl<T> Managed<T> {
    pub(super) fn new(codel: Codel) -> Self {
        Self {
            codel,
            queue: VecDeque::new(),
            bytes: 0,
            first_above: None,
            dropping: false,
            drop_next: Instant::ZERO,
            count: 0,
            last_count: 0,
        }
    }

    /// Bytes that wait.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn push(&mut self, now: Instant, len: usize, item: T) {
        self.bytes += len;
        self.queue.push_back((now, len, item));
    }

    /// Takes out all, with their lengths.
    pub(super) fn drain(&mut self) -> Vec<(usize, T)> {
        self.bytes = 0;
        self.queue.drain(..).map(|(_, len, item)| (len, item)).collect()
    }

    /// The next that leaves the queue, with its length. What is dropped before goes to `dropped`. A queue of no
    /// more bytes than `largest`, a datagram's, is never too long.
    pub(super) fn pop(
        &mut self,
        now: Instant,
        largest: usize,
        dropped: &mut Vec<T>,
    ) -> Option<(usize, T)> {
        let (mut next, mut may_drop) = self.take(now, largest);
        if self.dropping {
            self.dropping = may_drop;
            while self.dropping && now >= self.drop_next {
                dropped.extend(next.map(|(_, item)| item));
                self.count += 1;
                (next, may_drop) = self.take(now, largest);
                self.dropping = may_drop;
                if may_drop {
                    self.drop_next = self.control(self.drop_next);
                }
            }
        } else if may_drop {
            dropped.extend(next.map(|(_, item)| item));
            (next, _) = self.take(now, largest);
            self.dropping = true;
            // Where it was dropping not long ago it goes on about as fast as that was.
            let since = self.count - self.last_count;
            let recent = now.since(self.drop_next) < self.codel.interval.saturating_mul(16);
            self.count = if since > 1 && recent { since } else { 1 };
            self.drop_next = self.control(now);
            self.last_count = self.count;
        }
        next
    }

    /// The head of the queue, and whether waiting was too long for a whole interval.
    fn take(&mut self, now: Instant, largest: usize) -> (Option<(usize, T)>, bool) {
        let Some((since, len, item)) = self.queue.pop_front() else {
            self.first_above = None;
            return (None, false);
        };
        self.bytes -= len;
        let mut may_drop = false;
        if now.since(since) < self.codel.target || self.bytes <= largest {
            self.first_above = None;
        } else if let Some(above) = self.first_above {
            may_drop = now >= above;
        } else {
            self.first_above = Some(now + self.codel.interval);
        }
        (Some((len, item)), may_drop)
    }

    /// When the next is dropped after `from`: an interval later, divided by the root of the count.
    fn control(&self, from: Instant) -> Instant {
        let nanos = self.codel.interval.as_nanos().min(u128::from(u64::MAX));
        let root = (u128::from(self.count) << 32).isqrt().max(1);
        from + Duration::from_nanos(u64::try_from((nanos << 16) / root).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEN: usize = 1_000;

    const fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    /// Puts in one each of `every` milliseconds and takes out one each millisecond, for so long. Returns when
    /// which were dropped, and how long the last had waited.
    fn run(
        managed: &mut Managed<u64>,
        times: core::ops::Range<u64>,
        every: u64,
    ) -> (Vec<u64>, u64) {
        let (mut drops, mut waited) = (Vec::new(), 0);
        for now in times {
            (0..every).for_each(|_| managed.push(at(now), LEN, now));
            let mut dropped = Vec::new();
            let next = managed.pop(at(now), LEN, &mut dropped);
            drops.extend(dropped.iter().map(|_| now));
            waited = next.map_or(0, |(_, since)| now - since);
        }
        (drops, waited)
    }

    #[test]
    fn a_queue_that_is_emptied_as_fast_as_it_is_filled_drops_nothing_however_full() {
        let mut managed = Managed::new(Codel::RFC);
        assert!(run(&mut managed, 0..1_000, 1).0.is_empty());
        // Four wait, less than the target.
        (0..4).for_each(|_| managed.push(at(1_000), LEN, 1_000));
        assert_eq!(run(&mut managed, 1_000..2_000, 1), (vec![], 4));
    }

    #[test]
    fn the_first_is_dropped_an_interval_after_waiting_was_too_long_and_then_sooner_each_time() {
        let mut managed = Managed::new(Codel::RFC);
        // Waiting grows by half a millisecond in each: as long as the target after nine of them.
        let (drops, _) = run(&mut managed, 0..1_000, 2);
        assert_eq!(drops[0], 109);
        // An interval by the root of one, two, three and so on; to the millisecond above.
        let mut next = 109.0;
        for (nth, drop) in drops.iter().enumerate().skip(1).take(20) {
            next += 100.0 / (nth as f64).sqrt();
            assert!((*drop as f64 - next).abs() <= 1.0, "{drop} for {next}");
        }
    }

    #[test]
    fn dropping_ends_when_waiting_is_short_and_goes_on_as_fast_where_it_begins_again_soon() {
        let mut managed = Managed::new(Codel::RFC);
        let (drops, _) = run(&mut managed, 0..1_000, 2);
        assert!(managed.dropping);
        let count = managed.count;
        assert!(count > 10 && drops.len() as u64 == count, "{count}");
        let (_, waited) = run(&mut managed, 1_000..3_000, 0);
        assert_eq!((managed.dropping, waited, managed.bytes()), (false, 0, 0));
        // Sixteen intervals have not passed since the last, so it begins with the count it had.
        managed.drop_next = at(2_000);
        let (again, _) = run(&mut managed, 3_000..3_200, 2);
        assert!(again.len() >= 3, "{again:?}");
        assert!(managed.count >= count, "{} after {count}", managed.count);
    }

    #[test]
    fn a_queue_of_one_datagram_is_never_too_long() {
        let mut managed = Managed::new(Codel::RFC);
        // A slow link: each waits for 50 ms, but only one does.
        for now in 0..100 {
            managed.push(at(now * 50), LEN, now);
            let mut dropped = Vec::new();
            assert!(now == 0 || managed.pop(at(now * 50), LEN, &mut dropped).is_some());
            assert!(dropped.is_empty());
        }
    }
}
