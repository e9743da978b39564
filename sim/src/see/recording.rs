//! What one run did, and how much of it is kept.

use super::sum::Sum;
use crate::net::{DatagramId, Fate, Sighting, Trace};
use core::fmt;
use std::collections::{BTreeMap, BTreeSet};
use tellask::{Instant, MemoryAddr};

/// Ways, and edges of the topology, that are told apart.
const WAYS: usize = 100_000;
/// Lines of the plan, violations, marks and bins, of each.
const LINES: usize = 10_000;
/// Reasons for losses that are told apart; all others are `other`.
const REASONS: usize = 64;
/// Characters of a text; longer ones are cut and end in an ellipsis.
const TEXT: usize = 400;

/// How much of a run is kept. What is over is counted, and every export says how much that was; the first
/// that happens is kept, the rest left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Datagrams that are kept one by one, with their fates.
    pub datagrams: usize,
    /// Bytes that are kept of each datagram.
    pub bytes: usize,
    /// Notes of applications.
    pub notes: usize,
    /// Samples of counters, of all counters and nodes together.
    pub samples: usize,
    /// Nodes with a lane of their own.
    pub nodes: usize,
}

impl Default for Bounds {
    /// 200,000 datagrams of which 256 bytes are kept, 100,000 notes, 200,000 samples, 10,000 nodes: at the most
    /// about 100 MiB.
    fn default() -> Self {
        Self { datagrams: 200_000, bytes: 256, notes: 100_000, samples: 200_000, nodes: 10_000 }
    }
}

/// How much was over the bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftOut {
    /// Datagrams that are not kept, nor their fates.
    pub datagrams: u64,
    /// Datagrams of which only the first bytes are kept.
    pub cut_short: u64,
    /// Notes.
    pub notes: u64,
    /// Samples.
    pub samples: u64,
    /// Times that a node without a lane was seen.
    pub nodes: u64,
    /// Times that something happened on a way that is not told apart, and edges.
    pub ways: u64,
    /// Lines of the plan, violations, marks and bins.
    pub lines: u64,
}

impl LeftOut {
    /// What there is to say, by name; without what is zero.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let Self { datagrams, cut_short, notes, samples, nodes, ways, lines } = *self;
        let all = [
            ("datagrams", datagrams),
            ("cut_short", cut_short),
            ("notes", notes),
            ("samples", samples),
            ("nodes", nodes),
            ("ways", ways),
            ("lines", lines),
        ];
        all.into_iter().filter(|(_, count)| *count > 0)
    }
}

impl fmt::Display for LeftOut {
    /// One line in words, empty where nothing was left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, (name, count)) in self.all().enumerate() {
            f.write_str(if nth == 0 { "left out: " } else { ", " })?;
            match name {
                "cut_short" => write!(f, "the ends of {count} datagrams")?,
                _ => write!(f, "{count} {name}")?,
            }
        }
        Ok(())
    }
}

/// A datagram that was kept.
#[derive(Clone, Debug)]
pub(super) struct Datagram {
    pub(super) id: DatagramId,
    pub(super) src: MemoryAddr,
    pub(super) dst: MemoryAddr,
    pub(super) at: Instant,
    pub(super) copies: u8,
    pub(super) body: Body,
    pub(super) ends: Vec<End>,
}

/// Bytes, of which the first are kept.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) kept: Box<[u8]>,
    pub(super) len: usize,
    /// Of all of them, for the checksum.
    pub(super) sum: Sum,
}

/// What became of a copy.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) at: Instant,
    pub(super) how: How,
}

#[derive(Clone, Debug)]
pub(super) enum How {
    Delivered,
    /// With what was delivered.
    Spoilt(Body),
    /// For the reason of this number.
    Lost(usize),
}

/// What happened, in the order in which it did.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Sent(usize),
    /// The datagram, and which of its ends.
    Ended(usize, usize),
    Noted(usize),
}

#[derive(Clone, Debug)]
pub(super) struct NoteLine {
    pub(super) at: Instant,
    pub(super) node: MemoryAddr,
    pub(super) text: String,
}

#[derive(Clone, Debug)]
pub(super) struct PlanLine {
    pub(super) at: Instant,
    pub(super) until: Option<Instant>,
    pub(super) text: String,
}

#[derive(Clone, Debug)]
pub(super) struct Violation {
    pub(super) at: Option<Instant>,
    pub(super) text: String,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mark {
    pub(super) count: u64,
    pub(super) first: Option<Instant>,
}

/// What went one way. Exact, whatever was left out of the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) sent: u64,
    pub(super) bytes: u64,
    pub(super) copies: u64,
    pub(super) delivered: u64,
    pub(super) spoilt: u64,
    pub(super) lost: u64,
}

/// Copies that are still on their way.
#[derive(Clone, Copy, Debug)]
struct Flying {
    datagram: usize,
    copies: u8,
}

/// What one run of a simulated network did. A [`Recorder`](super::Recorder) fills in what happens to datagrams
/// and what applications say, whoever runs the scenario the rest.
///
/// A datagram is known by its [`DatagramId`]. Where a node is removed and another one added at its
/// address these begin anew, and a fate is that of the last datagram of its name.
#[derive(Clone, Debug)]
pub struct Recording {
    pub(super) scenario: String,
    pub(super) seed: u64,
    pub(super) command: String,
    pub(super) trace: Option<Trace>,
    pub(super) bounds: Bounds,
    pub(super) left_out: LeftOut,
    /// The names of nodes, empty where they were given none.
    pub(super) nodes: BTreeMap<MemoryAddr, String>,
    pub(super) edges: BTreeSet<(MemoryAddr, MemoryAddr)>,
    pub(super) ways: BTreeMap<(MemoryAddr, MemoryAddr), Way>,
    pub(super) total: Way,
    pub(super) reasons: Vec<(String, u64)>,
    pub(super) datagrams: Vec<Datagram>,
    pub(super) notes: Vec<NoteLine>,
    pub(super) steps: Vec<Step>,
    pub(super) plan: Vec<PlanLine>,
    pub(super) marks: BTreeMap<String, Mark>,
    pub(super) violations: Vec<Violation>,
    /// How many there were that nobody listed.
    unlisted: u64,
    pub(super) bins: Vec<(String, u64)>,
    pub(super) series: BTreeMap<(String, MemoryAddr), Vec<(Instant, u64)>>,
    samples: usize,
    flying: BTreeMap<DatagramId, Flying>,
    /// When the run began.
    start: Instant,
    /// From the first to the last thing that was recorded.
    span: Option<(Instant, Instant)>,
}

impl Recording {
    /// Nothing yet, of a scenario and its seed.
    #[must_use]
    pub fn new(scenario: impl Into<String>, seed: u64) -> Self {
        Self::bounded(scenario, seed, Bounds::default())
    }

    /// The same within other bounds.
    #[must_use]
    pub fn bounded(scenario: impl Into<String>, seed: u64, bounds: Bounds) -> Self {
        Self {
            scenario: short(scenario.into()),
            seed,
            command: String::new(),
            trace: None,
            bounds,
            left_out: LeftOut::default(),
            nodes: BTreeMap::new(),
            edges: BTreeSet::new(),
            ways: BTreeMap::new(),
            total: Way::default(),
            reasons: Vec::new(),
            datagrams: Vec::new(),
            notes: Vec::new(),
            steps: Vec::new(),
            plan: Vec::new(),
            marks: BTreeMap::new(),
            violations: Vec::new(),
            unlisted: 0,
            bins: Vec::new(),
            series: BTreeMap::new(),
            samples: 0,
            flying: BTreeMap::new(),
            start: Instant::ZERO,
            span: None,
        }
    }

    /// The run began at `start`: people are shown times since then.
    pub const fn begin(&mut self, start: Instant) {
        self.start = start;
    }

    /// There is a node at `addr`, and this is what people call it.
    pub fn name(&mut self, addr: MemoryAddr, name: impl Into<String>) {
        if self.meet(addr) {
            self.nodes.insert(addr, short(name.into()));
        }
    }

    /// The topology has an edge from `a` to `b`. Where it goes both ways it is said once or twice.
    pub fn edge(&mut self, a: MemoryAddr, b: MemoryAddr) {
        self.meet(a);
        self.meet(b);
        if self.edges.len() < WAYS || self.edges.contains(&(a, b)) {
            self.edges.insert((a, b));
        } else {
            self.left_out.ways += 1;
        }
    }

    /// A line of the plan of faults: what is to be done to the network at a time, and until when it holds,
    /// where it is not over at once.
    pub fn plan(&mut self, at: Instant, until: Option<Instant>, text: impl Into<String>) {
        if self.line(self.plan.len()) {
            self.reach(at);
            self.plan.push(PlanLine { at, until, text: short(text.into()) });
        }
    }

    /// The mark `name` was reached so many times, the first time at `first`. A mark that was not reached is
    /// worth a call too, with a count of zero: it is shown as such. Counts of several calls add up.
    pub fn mark(&mut self, name: impl Into<String>, count: u64, first: Option<Instant>) {
        let name = short(name.into());
        if self.marks.contains_key(&name) || self.line(self.marks.len()) {
            let mark = self.marks.entry(name).or_default();
            mark.count = mark.count.saturating_add(count);
            mark.first = match (mark.first, first) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
        }
    }

    /// Something happened that should not have, at a time where that is known. The run has failed.
    pub fn violation(&mut self, at: Option<Instant>, text: impl Into<String>) {
        if self.line(self.violations.len()) {
            self.violations.push(Violation { at, text: short(text.into()) });
        }
    }

    /// So many things more happened that should not have, which nobody put in words.
    pub const fn more_violations(&mut self, count: u64) {
        self.unlisted = self.unlisted.saturating_add(count);
    }

    /// So many messages ended in the bin `name`. Bins are shown in the order of their first mention, and
    /// counts of several calls add up.
    pub fn bin(&mut self, name: impl Into<String>, count: u64) {
        let name = short(name.into());
        if let Some((_, sum)) = self.bins.iter_mut().find(|(other, _)| *other == name) {
            *sum = sum.saturating_add(count);
        } else if self.line(self.bins.len()) {
            self.bins.push((name, count));
        }
    }

    /// The counter `name` of the node at `addr` stood at `value`. Times of one counter never go back.
    pub fn sample(&mut self, at: Instant, addr: MemoryAddr, name: &str, value: u64) {
        if self.samples >= self.bounds.samples || !self.meet(addr) {
            self.left_out.samples += 1;
            return;
        }
        self.samples += 1;
        self.reach(at);
        self.series.entry((short(name.to_owned()), addr)).or_default().push((at, value));
    }

    /// The application at `addr` said something.
    pub fn note(&mut self, at: Instant, addr: MemoryAddr, text: impl Into<String>) {
        self.reach(at);
        if self.notes.len() >= self.bounds.notes {
            self.left_out.notes += 1;
            return;
        }
        self.meet(addr);
        self.steps.push(Step::Noted(self.notes.len()));
        self.notes.push(NoteLine { at, node: addr, text: short(text.into()) });
    }

    /// Something happened to a datagram.
    pub fn see(&mut self, sighting: &Sighting<'_>) {
        let Sighting { now, id, src, dst, fate, bytes } = *sighting;
        self.reach(now);
        if let Some(sender) = id.sender {
            self.meet(sender);
        }
        match fate {
            Fate::Sent { copies } => {
                self.count((src, dst), |way| {
                    way.sent += 1;
                    way.bytes += bytes.len() as u64;
                    way.copies += u64::from(copies);
                });
                self.keep(sighting, copies);
            }
            Fate::Delivered { spoilt } => {
                self.meet(dst);
                self.count((src, dst), |way| {
                    way.delivered += 1;
                    way.spoilt += u64::from(spoilt);
                });
                let how = if spoilt { How::Spoilt(self.body(bytes)) } else { How::Delivered };
                self.end(id, End { at: now, how });
            }
            Fate::Lost(loss) => {
                self.count((src, dst), |way| way.lost += 1);
                let reason = self.reason(&words(&format!("{loss:?}")));
                self.end(id, End { at: now, how: How::Lost(reason) });
            }
        }
    }

    /// The run is over: the hash of all that happened, and the command line that plays it again.
    pub fn finish(&mut self, trace: Trace, command: impl Into<String>) {
        self.trace = Some(trace);
        self.command = command.into();
    }

    /// Whether nothing was said to have happened that should not have.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        self.violations.is_empty() && self.unlisted == 0
    }

    /// How much was over the bounds so far.
    #[must_use]
    pub const fn left_out(&self) -> LeftOut {
        self.left_out
    }

    /// Everything in one word.
    pub(super) const fn verdict(&self) -> &'static str {
        if self.is_ok() { "ok" } else { "failed" }
    }

    /// The hash in hexadecimal digits; empty while the run is not over.
    pub(super) fn hash(&self) -> String {
        self.trace.map(|trace| trace.to_string()).unwrap_or_default()
    }

    /// How much happened that should not have.
    pub(super) const fn violated(&self) -> u64 {
        self.unlisted.saturating_add(self.violations.len() as u64)
    }

    /// How long after the beginning, in nanoseconds.
    pub(super) fn since_start(&self, at: Instant) -> u64 {
        at.since(self.start).as_nanos() as u64
    }

    /// From when to when something was recorded, in nanoseconds.
    pub(super) fn span(&self) -> (u64, u64) {
        self.span.map_or((0, 0), |(first, last)| (first.as_nanos(), last.as_nanos()))
    }

    /// What people call the node at `addr`.
    pub(super) fn name_of(&self, addr: MemoryAddr) -> String {
        match self.nodes.get(&addr) {
            Some(name) if !name.is_empty() => name.clone(),
            _ => format!("{addr:?}"),
        }
    }

    pub(super) fn reason_of(&self, number: usize) -> &str {
        self.reasons.get(number).map_or("other", |(reason, _)| reason)
    }

    /// Copies of which nothing more was heard: they are still on their way.
    pub(super) const fn in_flight(&self) -> u64 {
        self.total.copies.saturating_sub(self.total.delivered + self.total.lost)
    }

    /// Whether the node at `addr` has a lane.
    fn meet(&mut self, addr: MemoryAddr) -> bool {
        if self.nodes.contains_key(&addr) {
            return true;
        }
        let room = self.nodes.len() < self.bounds.nodes;
        if room {
            self.nodes.insert(addr, String::new());
        } else {
            self.left_out.nodes += 1;
        }
        room
    }

    fn reach(&mut self, at: Instant) {
        let (first, last) = self.span.unwrap_or((at, at));
        self.span = Some((first.min(at), last.max(at)));
    }

    /// Whether there is room for one more line where there are so many.
    const fn line(&mut self, lines: usize) -> bool {
        self.left_out.lines += (lines >= LINES) as u64;
        lines < LINES
    }

    fn count(&mut self, way: (MemoryAddr, MemoryAddr), count: impl Fn(&mut Way)) {
        count(&mut self.total);
        if self.ways.len() < WAYS || self.ways.contains_key(&way) {
            count(self.ways.entry(way).or_default());
        } else {
            self.left_out.ways += 1;
        }
    }

    fn keep(&mut self, sighting: &Sighting<'_>, copies: u8) {
        let Sighting { now: at, id, src, dst, bytes, .. } = *sighting;
        let datagram = self.datagrams.len();
        if datagram >= self.bounds.datagrams {
            self.left_out.datagrams += 1;
            self.flying.remove(&id);
            return;
        }
        let body = self.body(bytes);
        self.steps.push(Step::Sent(datagram));
        self.datagrams.push(Datagram { id, src, dst, at, copies, body, ends: Vec::new() });
        self.flying.insert(id, Flying { datagram, copies });
    }

    fn end(&mut self, id: DatagramId, end: End) {
        let Some(flying) = self.flying.get_mut(&id) else { return };
        let Some(datagram) = self.datagrams.get_mut(flying.datagram) else { return };
        self.steps.push(Step::Ended(flying.datagram, datagram.ends.len()));
        datagram.ends.push(end);
        flying.copies = flying.copies.saturating_sub(1);
        if flying.copies == 0 {
            self.flying.remove(&id);
        }
    }

    fn body(&mut self, bytes: &[u8]) -> Body {
        let kept = bytes.get(..self.bounds.bytes).unwrap_or(bytes);
        self.left_out.cut_short += u64::from(kept.len() < bytes.len());
        Body { kept: kept.into(), len: bytes.len(), sum: Sum::of_udp_payload(bytes) }
    }

    /// The number of a reason, which is counted.
    fn reason(&mut self, text: &str) -> usize {
        let known = self.reasons.iter().position(|(reason, _)| reason == text);
        let number = known.unwrap_or_else(|| {
            let full = self.reasons.len() + 1 >= REASONS;
            let text = if full { "other" } else { text };
            let known = self.reasons.iter().position(|(reason, _)| reason == text);
            known.unwrap_or_else(|| {
                self.reasons.push((text.to_owned(), 0));
                self.reasons.len() - 1
            })
        });
        if let Some((_, count)) = self.reasons.get_mut(number) {
            *count += 1;
        }
        number
    }
}

/// `TooLarge` in words: `too large`.
fn words(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && words.ends_with(|last: char| last.is_ascii_lowercase()) {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
    }
    short(words)
}

/// At the most [`TEXT`] characters.
fn short(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(TEXT) {
        text.truncate(end);
        text.push('…');
    }
    text
}
