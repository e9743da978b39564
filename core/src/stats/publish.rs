//! Figures for whichever recorder an application has installed for the [`metrics`] facade.

use super::Snapshot;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use metrics::{Label, counter, gauge};

impl Snapshot {
    /// Hands the figures to the recorder of the [`metrics`] facade: counters as absolute values, gauges as they
    /// are. The names are those of [`prometheus`](Self::prometheus), but that it adds `_total` to no counter, as
    /// exporters do that; the label `layer` comes first, then `labels` of the caller's own.
    ///
    /// To be called as often as the figures are to be fresh: nothing here does so by itself.
    pub fn publish(&self, labels: &[(&str, &str)]) {
        let split = |name: &str| {
            let (layer, last) = name.rsplit_once('.').unwrap_or(("", name));
            let own = labels.iter().map(|(name, value)| owned(name, value));
            let labels: Vec<Label> = core::iter::once(owned("layer", layer)).chain(own).collect();
            (format!("tellask_{last}"), labels)
        };
        for (name, value) in &self.counters {
            let (name, labels) = split(name);
            counter!(name, labels).absolute(*value);
        }
        for (name, value) in &self.gauges {
            let (name, labels) = split(name);
            gauge!(name, labels).set(*value as f64);
        }
    }
}

fn owned(name: &str, value: &str) -> Label {
    Label::new(String::from(name), String::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::StatsSink;
    use alloc::collections::BTreeMap;
    use alloc::string::ToString;
    use alloc::sync::Arc;
    use metrics::{
        Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder,
        SharedString, Unit,
    };
    use std::sync::Mutex;

    #[derive(Default)]
    struct Recorded(Arc<Mutex<BTreeMap<String, f64>>>);

    struct Cell {
        name: String,
        all: Arc<Mutex<BTreeMap<String, f64>>>,
    }

    impl Cell {
        fn put(&self, value: f64) {
            self.all.lock().expect("no panic").insert(self.name.clone(), value);
        }
    }

    impl CounterFn for Cell {
        fn increment(&self, _: u64) {
            panic!("that would count twice");
        }

        fn absolute(&self, value: u64) {
            self.put(value as f64);
        }
    }

    impl GaugeFn for Cell {
        fn increment(&self, _: f64) {
            panic!("it is set");
        }

        fn decrement(&self, _: f64) {
            panic!("it is set");
        }

        fn set(&self, value: f64) {
            self.put(value);
        }
    }

    impl Recorded {
        fn cell(&self, kind: &str, key: &Key) -> Arc<Cell> {
            let labels = key.labels().map(|label| format!(" {}={}", label.key(), label.value()));
            let name = format!("{kind} {}{}", key.name(), labels.collect::<String>());
            Arc::new(Cell { name, all: Arc::clone(&self.0) })
        }
    }

    impl Recorder for Recorded {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(self.cell("counter", key))
        }

        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::from_arc(self.cell("gauge", key))
        }

        fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
            panic!("{key} is no figure of a snapshot");
        }
    }

    #[test]
    fn the_recorder_gets_each_figure_under_its_layer_and_the_latest_value_counts() {
        let recorded = Recorded::default();
        for value in [5, 3] {
            let mut snapshot = Snapshot::default();
            snapshot.enter(format_args!("p2pke"));
            snapshot.counter("opened", value);
            snapshot.gauge("peers", value);
            metrics::with_local_recorder(&recorded, || snapshot.publish(&[("node", "a")]));
        }
        let all = recorded.0.lock().expect("no panic");
        let all: Vec<_> = all.iter().map(|(name, value)| (name.to_string(), *value)).collect();
        let expected = [
            ("counter tellask_opened layer=p2pke node=a".to_string(), 3.0),
            ("gauge tellask_peers layer=p2pke node=a".to_string(), 3.0),
        ];
        assert_eq!(all, expected);
    }
}
