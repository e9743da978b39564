//! Records of runs, by which two runs are compared: which is the first second in which they differ, which node, and
//! which event.
//!
//! A [`Record`] is the running hash of every node at the end of each simulated second, of those to whom something
//! happened in it. It is text of one line for each of these. A network [keeps](super::Network::keep_record)
//! one, or [is checked](super::Network::check_record) against that of another run. Once the second and the node are
//! known, both runs are made again and [keep the events](super::Network::keep_events) of that second, and
//! [`part`] finds the first in which they differ. [`compare`] does all of it.
//!
//! Bounds: a record takes 24 bytes for each node and second in which something happened to it.

use super::ledger::Happened;
use core::fmt;
use core::str::FromStr;
use std::collections::BTreeMap;
use tellask::{Instant, MemoryAddr};

/// Nanoseconds in a second.
pub(super) const SECOND: u64 = 1_000_000_000;
/// The first line of a record as text.
const HEAD: &str = "tellask record 1";

/// The hashes of all nodes at the ends of seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    seconds: Vec<Second>,
}

/// The hash of a node at the end of a second. `None` is what happened to no node that is there: what was injected,
/// what nobody heard, and all of nodes that were taken away.
pub type Hashed = (Option<MemoryAddr>, u64);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Second {
    /// It ends so many seconds after the epoch.
    end: u64,
    /// Of those that changed, in order.
    hashes: Vec<Hashed>,
}

/// Where two runs differ for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// In the second that ends so many after the epoch.
    pub second: u64,
    /// The first node by its address to which something else happened; `None` as in [`Hashed`].
    pub node: Option<MemoryAddr>,
}

/// The first events in which two runs differ; `None` where one of them has no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parting {
    /// That of the one.
    pub one: Option<Happened>,
    /// That of the other.
    pub other: Option<Happened>,
}

impl Record {
    /// Where two records differ for the first time, in the seconds that both have.
    #[must_use]
    pub fn divergence(&self, other: &Self) -> Option<Divergence> {
        self.seconds.iter().zip(&other.seconds).find_map(|(one, other)| one.divergence(other))
    }

    /// How many seconds it has.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.seconds.len()
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.seconds.is_empty()
    }
}

impl Second {
    fn divergence(&self, other: &Self) -> Option<Divergence> {
        let second = self.end.min(other.end);
        if self.end != other.end {
            return Some(Divergence { second, node: None });
        }
        let (mut one, mut other) = (self.hashes.iter(), other.hashes.iter());
        loop {
            let node = match (one.next(), other.next()) {
                (None, None) => return None,
                (Some(one), Some(other)) if one == other => continue,
                (Some(one), Some(other)) => one.0.min(other.0),
                (Some((node, _)), None) | (None, Some((node, _))) => *node,
            };
            return Some(Divergence { second, node });
        }
    }
}

/// The first events in which these differ.
#[must_use]
pub fn part(one: &[Happened], other: &[Happened]) -> Option<Parting> {
    let both = one.iter().zip(other);
    let same = both.take_while(|(one, other)| one == other).count();
    let (one, other) = (one.get(same).copied(), other.get(same).copied());
    (one.is_some() || other.is_some()).then_some(Parting { one, other })
}

/// What a run is to keep for [`compare`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// A record: [`keep_record`](super::Network::keep_record).
    Record,
    /// The events of a second: [`keep_events`](super::Network::keep_events), with this second.
    Events(Divergence),
}

/// What a run kept for [`compare`].
#[derive(Clone, Debug)]
pub enum Keeping {
    /// [`take_record`](super::Network::take_record).
    Record(Record),
    /// [`events`](super::Network::events) of the node.
    Events(Vec<Happened>),
}

/// Makes two runs, and where they differ makes both again to find the first event that does. The runs are handed
/// what to keep, and hand it back.
pub fn compare(
    mut one: impl FnMut(Keep) -> Keeping,
    mut other: impl FnMut(Keep) -> Keeping,
) -> Option<(Divergence, Option<Parting>)> {
    let (Keeping::Record(first), Keeping::Record(second)) =
        (one(Keep::Record), other(Keep::Record))
    else {
        return None;
    };
    let found = first.divergence(&second)?;
    let keep = Keep::Events(found);
    let (Keeping::Events(first), Keeping::Events(second)) = (one(keep), other(keep)) else {
        return Some((found, None));
    };
    Some((found, part(&first, &second)))
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "in second {} ", self.second)?;
        match self.node {
            Some(node) => write!(f, "of node {node}"),
            None => f.write_str("outside of all nodes"),
        }
    }
}

impl fmt::Display for Parting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (mark, event, end) in [("-", self.one, "\n"), ("+", self.other, "")] {
            match event {
                Some(event) => write!(f, "{mark} {event}{end}")?,
                None => write!(f, "{mark} nothing{end}")?,
            }
        }
        Ok(())
    }
}

/// Lines: the head, then for each second `second END` and for each node `ADDRESS HASH`, where `-` is no node.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEAD}")?;
        for Second { end, hashes } in &self.seconds {
            writeln!(f, "second {end}")?;
            for (node, hash) in hashes {
                match node {
                    Some(node) => writeln!(f, "{node} {hash:016x}")?,
                    None => writeln!(f, "- {hash:016x}")?,
                }
            }
        }
        Ok(())
    }
}

/// Why a text is no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordError {
    /// The first line that is not one of a record, from one on.
    pub line: usize,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} is not one of a record", self.line)
    }
}

impl core::error::Error for RecordError {}

impl FromStr for Record {
    type Err = RecordError;

    fn from_str(text: &str) -> Result<Self, RecordError> {
        let mut lines = text.lines().enumerate();
        if lines.next().is_none_or(|(_, head)| head != HEAD) {
            return Err(RecordError { line: 1 });
        }
        let mut seconds: Vec<Second> = Vec::new();
        for (nth, line) in lines {
            let error = RecordError { line: nth + 1 };
            let (name, value) = line.split_once(' ').ok_or(error)?;
            if name == "second" {
                let end = value.parse().map_err(|_| error)?;
                if seconds.last().is_some_and(|last| last.end >= end) {
                    return Err(error);
                }
                seconds.push(Second { end, hashes: Vec::new() });
                continue;
            }
            let node = match name {
                "-" => None,
                _ => Some(name.parse().map_err(|_| error)?),
            };
            let hash = u64::from_str_radix(value, 16).map_err(|_| error)?;
            let hashes = &mut seconds.last_mut().ok_or(error)?.hashes;
            if hashes.last().is_some_and(|last| last.0 >= node) {
                return Err(error);
            }
            hashes.push((node, hash));
        }
        Ok(Self { seconds })
    }
}

/// Takes down the hashes at the end of each second, and compares them.
#[derive(Debug)]
pub(super) struct Recorder {
    /// The last second that is over.
    over: u64,
    record: Record,
    /// What each had last.
    last: BTreeMap<Option<MemoryAddr>, u64>,
    expected: Option<Record>,
    divergence: Option<Divergence>,
}

impl Recorder {
    /// One that begins now.
    pub(super) fn new(now: Instant, expected: Option<Record>) -> Self {
        let over = now.as_nanos() / SECOND;
        let (record, last) = Default::default();
        Self { over, record, last, expected, divergence: None }
    }

    /// When the second that is recorded next ends.
    pub(super) const fn next(&self) -> Instant {
        Instant::from_nanos((self.over + 1).saturating_mul(SECOND))
    }

    /// That second is over.
    pub(super) fn end(&mut self, hashes: impl IntoIterator<Item = Hashed>) {
        self.over += 1;
        let (end, last) = (self.over, &mut self.last);
        let changed = |(node, hash): &Hashed| last.insert(*node, *hash) != Some(*hash);
        let second = Second { end, hashes: hashes.into_iter().filter(changed).collect() };
        let expected = self.expected.as_ref();
        let expected = expected.and_then(|record| record.seconds.get(self.record.len()));
        if self.divergence.is_none() {
            self.divergence = expected.and_then(|expected| expected.divergence(&second));
        }
        self.record.seconds.push(second);
    }

    pub(super) const fn divergence(&self) -> Option<Divergence> {
        self.divergence
    }

    pub(super) fn into_record(self) -> Record {
        self.record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let node = |number, hash| (Some(MemoryAddr(number)), hash);
        let mut recorder = Recorder::new(Instant::from_nanos(1_700_000_000), None);
        recorder.end([(None, 0), node(1, 7), node(9, 8)]);
        recorder.end([(None, 0), node(1, 7), node(9, 11)]);
        recorder.end([(None, 5), node(1, 7)]);
        recorder.into_record()
    }

    #[test]
    fn a_record_is_read_as_it_was_written_and_has_only_what_changed() {
        let text = record().to_string();
        assert_eq!(text.lines().count(), 1 + 3 + 3 + 1 + 1, "{text}");
        assert_eq!(text.parse(), Ok(record()));
        let line = |text: &str| text.parse::<Record>().expect_err("refused").line;
        assert_eq!(line(""), 1);
        assert_eq!(line("tellask record 2\n"), 1);
        let head = format!("{HEAD}\n");
        assert_eq!(line(&format!("{head}1 00")), 2);
        assert_eq!(line(&format!("{head}second 2\nsecond 2")), 3);
        assert_eq!(line(&format!("{head}second 2\n4 00\n3 00")), 4);
        assert_eq!(line(&format!("{head}second 2\n4 xx")), 3);
        assert_eq!(line(&format!("{head}second 2\n\n")), 3);
    }

    #[test]
    fn the_first_second_and_in_it_the_first_node_that_differ_are_found() {
        let text = record().to_string();
        let other = |from: &str, to: &str| text.replace(from, to).parse::<Record>().expect("read");
        let at =
            |second, node: Option<u32>| Some(Divergence { second, node: node.map(MemoryAddr) });
        assert_eq!(record().divergence(&record()), None);
        let hash = |hash: u64| format!("{hash:016x}");
        assert_eq!(record().divergence(&other(&hash(11), &hash(12))), at(3, Some(9)));
        assert_eq!(record().divergence(&other(&hash(5), &hash(6))), at(4, None));
        let missing = other(&format!("1 {}\n", hash(7)), "");
        assert_eq!(record().divergence(&missing), at(2, Some(1)));
        assert_eq!(missing.divergence(&record()), at(2, Some(1)));
    }
}
