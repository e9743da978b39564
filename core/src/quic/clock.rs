//! Time for the libraries below, which want the standard library's: told by the machine, never read.

#![allow(clippy::disallowed_types, reason = "the libraries below take no other")]

use crate::time::{Anchor, Epoch, Instant};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use rustls::pki_types::UnixTime;
use std::time::{Instant as StdInstant, SystemTime};

/// Our instants as the standard library's, counted from one that was handed in, and the date.
#[derive(Debug)]
pub(super) struct Clock {
    epoch: StdInstant,
    anchor: Anchor,
    date: Date,
}

impl Clock {
    pub(super) fn new(epoch: Epoch, anchor: Anchor) -> Self {
        Self { epoch: epoch.into(), anchor, date: Date::default() }
    }

    /// What the libraries below read the date from.
    pub(super) fn date(&self) -> Date {
        self.date.clone()
    }

    /// When the node began, in the terms of the libraries below.
    #[cfg(feature = "qlog")]
    pub(super) const fn epoch(&self) -> StdInstant {
        self.epoch
    }

    /// The date was set.
    pub(super) const fn set(&mut self, anchor: Anchor) {
        self.anchor = anchor;
    }

    pub(super) const fn anchor(&self) -> Anchor {
        self.anchor
    }

    /// Tells the date, and `now` in the terms of the libraries below.
    pub(super) fn tell(&self, now: Instant) -> StdInstant {
        let date = self.anchor.date_at(now);
        let nanos = Duration::new(date.secs(), date.subsec_nanos()).as_nanos();
        self.date.0.store(u64::try_from(nanos).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.epoch.checked_add(now.since(Instant::ZERO)).unwrap_or(self.epoch)
    }

    /// The other way round: when something of theirs is due.
    pub(super) fn ours(&self, theirs: StdInstant) -> Instant {
        Instant::ZERO + theirs.saturating_duration_since(self.epoch)
    }
}

/// The date of the machine's last call.
#[derive(Clone, Debug, Default)]
pub(super) struct Date(Arc<AtomicU64>);

impl Date {
    fn since_epoch(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

impl quinn_proto::TimeSource for Date {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.since_epoch()
    }
}

impl rustls::time_provider::TimeProvider for Date {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(self.since_epoch()))
    }
}
