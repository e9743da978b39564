//! What a layer tells about itself: counters, gauges, and a digest of the rest.
//!
//! A layer writes into a [`StatsSink`]; it neither knows nor pays for what becomes of it. The
//! counters say what happened, the gauges what is held now. With the state that a sink may ask
//! for, gauges are the *dump* by which the law suite tells whether a rejected datagram changed
//! anything: whatever a later call could depend on belongs into one of them, but for token buckets,
//! the position of a generator, the latest time, and keys, for which a public id stands.
//!
//! [`figures`] says what each means. A [`Snapshot`] holds those of a stack; it prints as lines, as text for
//! [Prometheus](Snapshot::prometheus), and with the feature `metrics` goes to that facade's recorder.

pub mod figures {
    #![doc = include_str!("stats/figures.md")]

    /// These tables, as text.
    pub const TABLES: &str = include_str!("stats/figures.md");
}
mod prometheus;
#[cfg(feature = "metrics")]
mod publish;

pub use prometheus::{CONTENT_TYPE, Prometheus};

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use core::fmt;
use core::hash::Hasher;

/// Where a layer writes its figures.
pub trait StatsSink {
    /// Opens the section of one layer; sections nest.
    fn enter(&mut self, name: fmt::Arguments<'_>);
    /// Closes the section that was opened last.
    fn leave(&mut self);
    /// A number that only grows: how often something happened since the layer was made.
    fn counter(&mut self, name: &'static str, value: u64);
    /// A number of what is held now.
    fn gauge(&mut self, name: &'static str, value: u64);
    /// All other state, fed into a hasher by `feed`. Sinks that want no dump ignore it and pay nothing.
    fn state(&mut self, name: &'static str, feed: &dyn Fn(&mut dyn Hasher)) {
        let _ = (name, feed);
    }
}

/// The figures of a whole stack at one moment, by dotted name (`p2pke.opened`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// What happened since the start.
    pub counters: BTreeMap<String, u64>,
    /// What is held now.
    pub gauges: BTreeMap<String, u64>,
    path: String,
}

impl Snapshot {
    /// The counter or gauge of this name, or zero where there is none.
    #[must_use]
    pub fn value(&self, name: &str) -> u64 {
        self.counters.get(name).or_else(|| self.gauges.get(name)).copied().unwrap_or(0)
    }

    /// Sum of all counters whose last part is `name`, in whichever layer.
    #[must_use]
    pub fn total(&self, name: &str) -> u64 {
        let matching =
            self.counters.iter().filter(|(full, _)| full.rsplit('.').next() == Some(name));
        matching.fold(0, |sum, (_, value)| sum.saturating_add(*value))
    }

    /// The sums of these figures and those.
    #[must_use]
    pub fn plus(mut self, other: Self) -> Self {
        for (sums, values) in
            [(&mut self.counters, other.counters), (&mut self.gauges, other.gauges)]
        {
            for (name, value) in values {
                let sum = sums.entry(name).or_default();
                *sum = sum.saturating_add(value);
            }
        }
        self
    }

    fn name(&self, name: &str) -> String {
        if self.path.is_empty() { name.into() } else { format!("{}.{name}", self.path) }
    }
}

impl StatsSink for Snapshot {
    fn enter(&mut self, name: fmt::Arguments<'_>) {
        self.path = self.name(&format!("{name}"));
    }

    fn leave(&mut self) {
        let end = self.path.rfind('.').unwrap_or(0);
        self.path.truncate(end);
    }

    fn counter(&mut self, name: &'static str, value: u64) {
        let total = self.counters.entry(self.name(name)).or_default();
        *total = total.saturating_add(value);
    }

    fn gauge(&mut self, name: &'static str, value: u64) {
        let total = self.gauges.entry(self.name(name)).or_default();
        *total = total.saturating_add(value);
    }
}

/// One line a figure, sorted by name.
impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.counters.iter().chain(&self.gauges) {
            writeln!(f, "{name} {value}")?;
        }
        Ok(())
    }
}
