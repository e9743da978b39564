//! Destinations that have had their burst.

use crate::swarm::Scope;
use crate::time::Instant;
use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

/// Bytes of fragments that leave for one destination at once.
///
/// A socket's receive buffer holds 212,992 bytes by default on Linux, which counts 2,304 for each
/// datagram of Ethernet size: there is room for 92 of them.
pub const BURST: usize = 96 * 1_024;

/// Bytes a nanosecond at which a burst is followed by more: faster than one core seals, so that a timer
/// is due by the time a driver has sent the burst. A slower pace would wait for the millisecond to which
/// timers of the runtimes are true, after every burst.
const PACE: u64 = 4;

/// How long `bytes` take at the pace that is kept.
pub(super) const fn time_of(bytes: usize) -> Duration {
    Duration::from_nanos(bytes as u64 / PACE)
}

/// Who waits for the pace, and who for the side below: neither's end ends the other.
#[derive(Clone, Debug, Hash)]
pub(super) struct Pauses<A> {
    until: BTreeMap<A, Instant>,
    timers: BTreeSet<(Instant, A)>,
    // What the side below said is full.
    full: BTreeSet<A>,
}

impl<A: Clone + Ord> Pauses<A> {
    pub(super) const fn new() -> Self {
        Self { until: BTreeMap::new(), timers: BTreeSet::new(), full: BTreeSet::new() }
    }

    /// `dst` waits until then.
    pub(super) fn insert(&mut self, dst: A, until: Instant) {
        if let Some(old) = self.until.insert(dst.clone(), until) {
            self.timers.remove(&(old, dst.clone()));
        }
        self.timers.insert((until, dst));
    }

    /// The next that has waited long enough, and whether the side below takes what is for it.
    pub(super) fn resume(&mut self, now: Instant) -> Option<(A, bool)> {
        let (_, dst) = self.timers.first().filter(|(until, _)| *until <= now)?.clone();
        self.timers.pop_first();
        self.until.remove(&dst);
        let may_go = !self.full.contains(&dst);
        Some((dst, may_go))
    }

    /// The side below is full.
    pub(super) fn full(&mut self, scope: &Scope<A>) {
        if let Scope::To(dst) = scope {
            self.full.insert(dst.clone());
        }
    }

    /// The side below is ready again. Whether what is in this scope may go.
    pub(super) fn ready(&mut self, scope: &Scope<A>) -> bool {
        match scope {
            Scope::All => true,
            Scope::To(dst) => {
                self.full.remove(dst);
                !self.until.contains_key(dst)
            }
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(until, _)| *until)
    }

    pub(super) fn len(&self) -> usize {
        self.until.len()
    }
}
