//! Figures as Prometheus reads them.
//!
//! Text format, version 0.0.4. A figure's last part names the metric, what stands before it is the
//! label `layer`, so that the same figure of several layers is one metric:
//!
//! ```text
//! # TYPE tellask_received_but_dropped_total counter
//! tellask_received_but_dropped_total{layer="ask",node="a"} 0
//! tellask_received_but_dropped_total{layer="p2pke",node="a"} 3
//! ```

use super::Snapshot;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// The type of this text, for the header `Content-Type`.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The figures of a [`Snapshot`] as text; see [`Snapshot::prometheus`].
#[derive(Clone, Copy, Debug)]
pub struct Prometheus<'a> {
    snapshot: &'a Snapshot,
    labels: &'a [(&'a str, &'a str)],
}

impl Snapshot {
    /// The figures in the text format of Prometheus. `labels` are the caller's own, put on each of them, such
    /// as the name of the node; what no label's name may have in it becomes an underscore.
    ///
    /// ```
    /// use tellask::stats::{Snapshot, StatsSink};
    ///
    /// let mut snapshot = Snapshot::default();
    /// snapshot.enter(format_args!("p2pke"));
    /// snapshot.gauge("peers", 2);
    /// assert_eq!(
    ///     snapshot.prometheus(&[("node", "alice")]).to_string(),
    ///     "# TYPE tellask_peers gauge\n\
    ///      tellask_peers{layer=\"p2pke\",node=\"alice\"} 2\n",
    /// );
    /// ```
    #[must_use]
    pub const fn prometheus<'a>(&'a self, labels: &'a [(&'a str, &'a str)]) -> Prometheus<'a> {
        Prometheus { snapshot: self, labels }
    }
}

impl fmt::Display for Prometheus<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Snapshot { counters, gauges, .. } = self.snapshot;
        self.family(counters, "counter", "_total", f)?;
        self.family(gauges, "gauge", "", f)
    }
}

impl Prometheus<'_> {
    /// All samples of a metric have to follow each other.
    fn family(
        &self,
        figures: &BTreeMap<String, u64>,
        kind: &str,
        suffix: &str,
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        let mut metrics: BTreeMap<&str, Vec<(&str, u64)>> = BTreeMap::new();
        for (name, value) in figures {
            let (layer, last) = name.rsplit_once('.').unwrap_or(("", name));
            metrics.entry(last).or_default().push((layer, *value));
        }
        for (metric, samples) in metrics {
            let metric = Name(metric);
            writeln!(f, "# TYPE tellask_{metric}{suffix} {kind}")?;
            for (layer, value) in samples {
                write!(f, "tellask_{metric}{suffix}{{layer=\"{}\"", Escaped(layer))?;
                for (name, value) in self.labels {
                    write!(f, ",{}=\"{}\"", Name(name), Escaped(value))?;
                }
                writeln!(f, "}} {value}")?;
            }
        }
        Ok(())
    }
}

/// With an underscore for whatever names may not have.
struct Name<'a>(&'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.starts_with(|first: char| first.is_ascii_digit()) {
            f.write_str("_")?;
        }
        let allowed = |char: char| char.is_ascii_alphanumeric() || char == '_';
        self.0
            .chars()
            .try_for_each(|char| fmt::Write::write_char(f, if allowed(char) { char } else { '_' }))
    }
}

/// As it may stand between quotes.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|char| match char {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            char => fmt::Write::write_char(f, char),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::StatsSink;
    use alloc::string::ToString;

    #[test]
    fn a_figure_of_several_layers_is_one_metric_and_its_samples_stand_together() {
        let mut snapshot = Snapshot::default();
        for (layer, value) in [("ask", 1), ("p2pke", 2)] {
            snapshot.enter(format_args!("{layer}"));
            snapshot.counter("dropped", value);
            snapshot.counter("told", 10 * value);
            snapshot.gauge("dropped", 100 * value);
            snapshot.leave();
        }
        snapshot.counter("alone", 7);
        let expected = "\
            # TYPE tellask_alone_total counter\n\
            tellask_alone_total{layer=\"\"} 7\n\
            # TYPE tellask_dropped_total counter\n\
            tellask_dropped_total{layer=\"ask\"} 1\n\
            tellask_dropped_total{layer=\"p2pke\"} 2\n\
            # TYPE tellask_told_total counter\n\
            tellask_told_total{layer=\"ask\"} 10\n\
            tellask_told_total{layer=\"p2pke\"} 20\n\
            # TYPE tellask_dropped gauge\n\
            tellask_dropped{layer=\"ask\"} 100\n\
            tellask_dropped{layer=\"p2pke\"} 200\n";
        assert_eq!(snapshot.prometheus(&[]).to_string(), expected);
    }

    #[test]
    fn no_name_and_no_value_can_break_out_of_its_place() {
        let mut snapshot = Snapshot::default();
        snapshot.enter(format_args!("channel \"a\nb\\\""));
        snapshot.gauge("held here", u64::MAX);
        let text = snapshot.prometheus(&[("a-b", "c\"d"), ("1st", "\\")]).to_string();
        assert_eq!(
            text,
            "# TYPE tellask_held_here gauge\n\
             tellask_held_here{layer=\"channel \\\"a\\nb\\\\\\\"\",a_b=\"c\\\"d\",_1st=\"\\\\\"} \
             18446744073709551615\n"
        );
    }
}
