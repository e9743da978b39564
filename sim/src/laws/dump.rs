//! The canonical dump: all state of a layer that a later call could depend on.

use core::fmt;
use core::hash::Hasher;
use std::collections::BTreeMap;
use std::hash::DefaultHasher;
use tellask::Layer;
use tellask::stats::StatsSink;

/// What a layer says of its state: the gauges, and a hash of all else. Counters are kept beside it,
/// since a rejection may move them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dump {
    state: BTreeMap<String, u64>,
    path: Vec<String>,
}

/// The counters that were seen beside a dump.
pub(super) type Counters = BTreeMap<String, u64>;

impl Dump {
    /// The dump of `layer`.
    #[must_use]
    pub fn of(layer: &impl Layer) -> Self {
        Self::with_counters(layer).0
    }

    pub(super) fn with_counters(layer: &impl Layer) -> (Self, Counters) {
        let mut sink = Sink::default();
        layer.stats(&mut sink);
        (sink.dump, sink.counters)
    }

    /// A gauge by its full name (`p2pke.half_open`), zero where there is none.
    #[must_use]
    pub fn gauge(&self, name: &str) -> u64 {
        self.state.get(name).copied().unwrap_or(0)
    }

    /// The names under which two dumps differ.
    #[must_use]
    pub fn difference<'a>(&'a self, other: &'a Self) -> Vec<&'a str> {
        let names = self.state.keys().chain(other.state.keys()).map(String::as_str);
        let mut names: Vec<&str> =
            names.filter(|name| self.state.get(*name) != other.state.get(*name)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

#[derive(Default)]
struct Sink {
    dump: Dump,
    counters: Counters,
}

impl Sink {
    fn name(&self, name: &str) -> String {
        let mut full = self.dump.path.join(".");
        if !full.is_empty() {
            full.push('.');
        }
        full + name
    }
}

impl StatsSink for Sink {
    fn enter(&mut self, name: fmt::Arguments<'_>) {
        self.dump.path.push(name.to_string());
    }

    fn leave(&mut self) {
        self.dump.path.pop();
    }

    fn counter(&mut self, name: &'static str, value: u64) {
        self.counters.insert(self.name(name), value);
    }

    fn gauge(&mut self, name: &'static str, value: u64) {
        self.dump.state.insert(self.name(name), value);
    }

    fn state(&mut self, name: &'static str, feed: &dyn Fn(&mut dyn Hasher)) {
        let mut hasher = DefaultHasher::new();
        feed(&mut hasher);
        self.dump.state.insert(self.name(name), hasher.finish());
    }
}
