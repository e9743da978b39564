//! The trace event format, for [Perfetto](https://ui.perfetto.dev) and `chrome://tracing`.
//!
//! The run is a process, each node a thread, named and in the order of addresses; the plan is a thread in
//! front of them. What a node sends and is given are short slices, joined by an arrow (a flow) for each copy that
//! arrives; a copy that is lost is an instant on its sender's thread, what an application says one on its own.
//! Counters are counters, of one process for each name, so that they are shown together. Times are microseconds
//! with three decimals.

use super::Recording;
use super::json::Quoted;
use super::recording::{Datagram, How, Step};
use core::fmt;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufWriter, Write};
use tellask::{Instant, MemoryAddr};

/// How long the slice of a datagram is at the most, in nanoseconds; shorter where the next one follows.
const SLICE: u64 = 20_000;
/// The process of nodes. Those of counters follow.
const NODES: usize = 1;

/// Writes a recording as the JSON object of the trace event format.
///
/// # Errors
/// `out` cannot be written to.
pub fn perfetto(recording: &Recording, out: impl Write) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    write!(
        out,
        "{{\"displayTimeUnit\":\"ns\",\"otherData\":{{\"scenario\":{},\"seed\":\"{}\",\"hash\":\"{}\",\
         \"verdict\":\"{}\",\"command\":{},\"left_out\":{}}},\"traceEvents\":[",
        Quoted(&recording.scenario),
        recording.seed,
        recording.hash(),
        recording.verdict(),
        Quoted(&recording.command),
        Quoted(&recording.left_out.to_string()),
    )?;
    let mut events = Events { out: &mut out, first: true };
    names(recording, &mut events)?;
    plan(recording, &mut events)?;
    let times = times(recording);
    for step in &recording.steps {
        happening(recording, &times, *step, &mut events)?;
    }
    for violation in &recording.violations {
        let at = violation.at.unwrap_or(Instant::from_nanos(recording.span().1));
        let name = format!("violated: {}", violation.text);
        events.instant(at, 'g', 0, &name)?;
    }
    counters(recording, &mut events)?;
    out.write_all(b"\n]}\n")?;
    out.flush()
}

struct Events<'a, W> {
    out: &'a mut W,
    first: bool,
}

impl<W: Write> Events<'_, W> {
    fn event(&mut self, phase: char, members: fmt::Arguments<'_>) -> io::Result<()> {
        let comma = if self.first { "" } else { "," };
        self.first = false;
        write!(self.out, "{comma}\n{{\"ph\":\"{phase}\",{members}}}")
    }

    /// Something happens on a thread (`t`) or on all of them (`g`).
    fn instant(&mut self, at: Instant, scope: char, thread: u64, name: &str) -> io::Result<()> {
        let (ts, name) = (Micros(at.as_nanos()), Quoted(name));
        let members = format_args!(
            "\"s\":\"{scope}\",\"pid\":{NODES},\"tid\":{thread},\"ts\":{ts},\"name\":{name}"
        );
        self.event('i', members)
    }

    /// Of a process, or of one of its threads.
    fn name(&mut self, what: &str, process: usize, thread: u64, name: &str) -> io::Result<()> {
        let name = Quoted(name);
        self.event(
            'M',
            format_args!(
                "\"name\":\"{what}\",\"pid\":{process},\"tid\":{thread},\"args\":{{\"name\":{name}}}"
            ),
        )
    }
}

/// Nanoseconds as microseconds.
struct Micros(u64);

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1_000, self.0 % 1_000)
    }
}

/// Zero is the thread of the plan.
fn thread(addr: MemoryAddr) -> u64 {
    u64::from(addr.0) + 1
}

fn names(recording: &Recording, events: &mut Events<'_, impl Write>) -> io::Result<()> {
    events.name("process_name", NODES, 0, &recording.scenario)?;
    let nodes = recording.nodes.keys().map(|addr| (thread(*addr), recording.name_of(*addr)));
    for (thread, name) in core::iter::once((0, "plan".to_owned())).chain(nodes) {
        events.name("thread_name", NODES, thread, &name)?;
        events.event(
            'M',
            format_args!(
                "\"name\":\"thread_sort_index\",\"pid\":{NODES},\"tid\":{thread},\"args\":{{\"sort_index\":{thread}}}"
            ),
        )?;
    }
    Ok(())
}

/// Lines that last overlap, which slices of one thread may not: they are asynchronous.
fn plan(recording: &Recording, events: &mut Events<'_, impl Write>) -> io::Result<()> {
    for (nth, line) in recording.plan.iter().enumerate() {
        let Some(until) = line.until else {
            events.instant(line.at, 'p', 0, &line.text)?;
            continue;
        };
        for (phase, at) in [('b', line.at), ('e', until)] {
            let (ts, name) = (Micros(at.as_nanos()), Quoted(&line.text));
            events.event(
                phase,
                format_args!(
                    "\"cat\":\"plan\",\"id\":\"plan {nth}\",\"pid\":{NODES},\"tid\":0,\"ts\":{ts},\"name\":{name}"
                ),
            )?;
        }
    }
    Ok(())
}

/// When each node sends or is given something.
fn times(recording: &Recording) -> BTreeMap<MemoryAddr, BTreeSet<u64>> {
    let mut times: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for datagram in &recording.datagrams {
        times.entry(sender(datagram)).or_default().insert(datagram.at.as_nanos());
        for end in &datagram.ends {
            times.entry(datagram.dst).or_default().insert(end.at.as_nanos());
        }
    }
    times
}

/// On whose thread a datagram is sent.
fn sender(datagram: &Datagram) -> MemoryAddr {
    datagram.id.sender.unwrap_or(datagram.src)
}

fn happening(
    recording: &Recording,
    times: &BTreeMap<MemoryAddr, BTreeSet<u64>>,
    step: Step,
    events: &mut Events<'_, impl Write>,
) -> io::Result<()> {
    // So long that it does not run into the next one: slices of a thread must nest.
    let slice = |node: MemoryAddr, at: u64| {
        let next = times.get(&node).and_then(|times| times.range(at + 1..).next());
        next.map_or(SLICE, |next| (next - at).min(SLICE))
    };
    let mut write = |node: MemoryAddr, at: Instant, name: &str, number: usize, of: &Datagram| {
        let (ts, thread, name) = (Micros(at.as_nanos()), thread(node), Quoted(name));
        let dur = Micros(slice(node, at.as_nanos()));
        let (len, nth) = (of.body.len, of.id.number);
        events.event(
            'X',
            format_args!(
                "\"pid\":{NODES},\"tid\":{thread},\"ts\":{ts},\"dur\":{dur},\"name\":{name},\
                 \"args\":{{\"datagram\":{number},\"number\":{nth},\"bytes\":{len}}}"
            ),
        )
    };
    match step {
        Step::Sent(number) => {
            let Some(datagram) = recording.datagrams.get(number) else { return Ok(()) };
            let name = format!("to {}", recording.name_of(datagram.dst));
            write(sender(datagram), datagram.at, &name, number, datagram)
        }
        Step::Ended(number, nth) => {
            let Some(datagram) = recording.datagrams.get(number) else { return Ok(()) };
            let Some(end) = datagram.ends.get(nth) else { return Ok(()) };
            let src = recording.name_of(datagram.src);
            let name = match &end.how {
                How::Delivered => format!("from {src}"),
                How::Spoilt(_) => format!("spoilt from {src}"),
                How::Lost(reason) => {
                    let dst = recording.name_of(datagram.dst);
                    let name = format!("lost to {dst}: {}", recording.reason_of(*reason));
                    return events.instant(end.at, 't', thread(sender(datagram)), &name);
                }
            };
            write(datagram.dst, end.at, &name, number, datagram)?;
            let ways = [('s', sender(datagram), datagram.at), ('f', datagram.dst, end.at)];
            for (phase, node, at) in ways {
                let (thread, ts) = (thread(node), Micros(at.as_nanos()));
                events.event(
                    phase,
                    format_args!(
                        "\"bp\":\"e\",\"cat\":\"datagram\",\"id\":\"{number}.{nth}\",\"pid\":{NODES},\
                         \"tid\":{thread},\"ts\":{ts},\"name\":\"datagram\""
                    ),
                )?;
            }
            Ok(())
        }
        Step::Noted(number) => {
            let Some(note) = recording.notes.get(number) else { return Ok(()) };
            events.instant(note.at, 't', thread(note.node), &note.text)
        }
    }
}

fn counters(recording: &Recording, events: &mut Events<'_, impl Write>) -> io::Result<()> {
    let counters: BTreeSet<&str> = recording.series.keys().map(|(name, _)| &**name).collect();
    let processes: BTreeMap<_, _> = counters.into_iter().zip(NODES + 1..).collect();
    for (counter, process) in &processes {
        events.name("process_name", *process, 0, counter)?;
    }
    for ((counter, node), samples) in &recording.series {
        let process = processes.get(&**counter).copied().unwrap_or(NODES);
        let name = recording.name_of(*node);
        let name = Quoted(&name);
        for (at, value) in samples {
            let ts = Micros(at.as_nanos());
            events.event(
                'C',
                format_args!(
                    "\"pid\":{process},\"tid\":0,\"ts\":{ts},\"name\":{name},\"args\":{{\"value\":{value}}}"
                ),
            )?;
        }
    }
    Ok(())
}
