//! JSON lines: for `jq`, for scripts, and for whoever has a better idea of a picture.
//!
//! One object a line, each with a `type`. Times are nanoseconds of simulated time, addresses numbers, bytes
//! hexadecimal; what is not known is `null`. The seed and the hash are strings, since many a reader of JSON
//! rounds large numbers. Lines come in this order, those from `sent` to `note` in the order in which it happened:
//!
//! | `type` | times | further members |
//! |---|---|---|
//! | `header` | once | `version` (1), `scenario`, `seed`, `hash`, `steps`, `verdict` (`ok` or `failed`), `command`, `first`, `last`, `left_out` (name → count) |
//! | `node` | each | `addr`, `name` |
//! | `edge` | each | `from`, `to` |
//! | `plan` | each | `at`, `until`, `text` |
//! | `sent` | each datagram | `at`, `datagram` (from 0 on), `sender` (`null` where it was injected), `number`, `src`, `dst`, `copies`, `len`, `bytes` (those that were kept) |
//! | `delivered` | each copy | `at`, `datagram`, `spoilt`; where it is spoilt also `len`, `bytes` |
//! | `lost` | each copy | `at`, `datagram`, `reason` |
//! | `note` | each | `at`, `node`, `text` |
//! | `sample` | each | `at`, `node`, `counter`, `value` |
//! | `violation` | each | `at`, `text` |
//! | `mark` | each | `name`, `count`, `first` |
//! | `bin` | each | `name`, `count` |
//! | `reason` | each | `name`, `count`: of copies lost, whether kept or not |
//! | `way` | each | `src`, `dst`, `sent`, `bytes`, `copies`, `delivered` (spoilt ones too), `spoilt`, `lost`: of all, whether kept or not |
//! | `end` | once | `lines`: how many lines there are, with this one |

use super::Recording;
use super::json::{Hex, Maybe, Quoted};
use super::recording::{How, Step};
use std::io::{self, BufWriter, Write};

/// Counts the lines.
struct Lines<W> {
    out: W,
    lines: u64,
}

impl<W: Write> Lines<W> {
    /// A line of this type, with these members.
    fn line(&mut self, of: &str, members: core::fmt::Arguments<'_>) -> io::Result<()> {
        self.lines += 1;
        writeln!(self.out, "{{\"type\":\"{of}\",{members}}}")
    }
}

/// Writes a recording as JSON lines.
///
/// # Errors
/// `out` cannot be written to.
pub fn json_lines(recording: &Recording, out: impl Write) -> io::Result<()> {
    let mut lines = Lines { out: BufWriter::new(out), lines: 0 };
    head(recording, &mut lines)?;
    for step in &recording.steps {
        happening(recording, *step, &mut lines)?;
    }
    tail(recording, &mut lines)?;
    let count = lines.lines + 1;
    lines.line("end", format_args!("\"lines\":{count}"))?;
    lines.out.flush()
}

fn head(recording: &Recording, lines: &mut Lines<impl Write>) -> io::Result<()> {
    let (first, last) = recording.span();
    let left_out: Vec<_> =
        recording.left_out.all().map(|(name, count)| format!("\"{name}\":{count}")).collect();
    lines.line(
        "header",
        format_args!(
            "\"version\":1,\"scenario\":{},\"seed\":\"{}\",\"hash\":\"{}\",\"steps\":{},\"verdict\":\"{}\",\
             \"command\":{},\"first\":{first},\"last\":{last},\"left_out\":{{{}}}",
            Quoted(&recording.scenario),
            recording.seed,
            recording.hash(),
            recording.trace.map_or(0, |trace| trace.steps()),
            recording.verdict(),
            Quoted(&recording.command),
            left_out.join(","),
        ),
    )?;
    for addr in recording.nodes.keys() {
        let name = recording.name_of(*addr);
        lines.line("node", format_args!("\"addr\":{addr},\"name\":{}", Quoted(&name)))?;
    }
    for (from, to) in &recording.edges {
        lines.line("edge", format_args!("\"from\":{from},\"to\":{to}"))?;
    }
    for line in &recording.plan {
        let (at, until) = (line.at.as_nanos(), Maybe(line.until.map(|until| until.as_nanos())));
        let text = Quoted(&line.text);
        lines.line("plan", format_args!("\"at\":{at},\"until\":{until},\"text\":{text}"))?;
    }
    Ok(())
}

fn happening(recording: &Recording, step: Step, lines: &mut Lines<impl Write>) -> io::Result<()> {
    match step {
        Step::Sent(number) => {
            let Some(datagram) = recording.datagrams.get(number) else { return Ok(()) };
            lines.line(
                "sent",
                format_args!(
                    "\"at\":{},\"datagram\":{number},\"sender\":{},\"number\":{},\"src\":{},\"dst\":{},\
                     \"copies\":{},\"len\":{},\"bytes\":\"{}\"",
                    datagram.at.as_nanos(),
                    Maybe(datagram.id.sender),
                    datagram.id.number,
                    datagram.src,
                    datagram.dst,
                    datagram.copies,
                    datagram.body.len,
                    Hex(&datagram.body.kept),
                ),
            )
        }
        Step::Ended(number, nth) => {
            let end = recording.datagrams.get(number).and_then(|datagram| datagram.ends.get(nth));
            let Some(end) = end else { return Ok(()) };
            let at = end.at.as_nanos();
            match &end.how {
                How::Delivered => lines.line(
                    "delivered",
                    format_args!("\"at\":{at},\"datagram\":{number},\"spoilt\":false"),
                ),
                How::Spoilt(body) => {
                    let (len, bytes) = (body.len, Hex(&body.kept));
                    lines.line(
                        "delivered",
                        format_args!(
                            "\"at\":{at},\"datagram\":{number},\"spoilt\":true,\"len\":{len},\"bytes\":\"{bytes}\""
                        ),
                    )
                }
                How::Lost(reason) => {
                    let reason = Quoted(recording.reason_of(*reason));
                    lines.line(
                        "lost",
                        format_args!("\"at\":{at},\"datagram\":{number},\"reason\":{reason}"),
                    )
                }
            }
        }
        Step::Noted(number) => {
            let Some(note) = recording.notes.get(number) else { return Ok(()) };
            let (at, node, text) = (note.at.as_nanos(), note.node, Quoted(&note.text));
            lines.line("note", format_args!("\"at\":{at},\"node\":{node},\"text\":{text}"))
        }
    }
}

fn tail(recording: &Recording, lines: &mut Lines<impl Write>) -> io::Result<()> {
    for ((counter, node), samples) in &recording.series {
        let counter = Quoted(counter);
        for (at, value) in samples {
            let at = at.as_nanos();
            lines.line(
                "sample",
                format_args!("\"at\":{at},\"node\":{node},\"counter\":{counter},\"value\":{value}"),
            )?;
        }
    }
    for violation in &recording.violations {
        let (at, text) = (Maybe(violation.at.map(|at| at.as_nanos())), Quoted(&violation.text));
        lines.line("violation", format_args!("\"at\":{at},\"text\":{text}"))?;
    }
    for (name, mark) in &recording.marks {
        let (name, count) = (Quoted(name), mark.count);
        let first = Maybe(mark.first.map(|first| first.as_nanos()));
        lines.line("mark", format_args!("\"name\":{name},\"count\":{count},\"first\":{first}"))?;
    }
    for (of, counts) in [("bin", &recording.bins), ("reason", &recording.reasons)] {
        for (name, count) in counts {
            lines.line(of, format_args!("\"name\":{},\"count\":{count}", Quoted(name)))?;
        }
    }
    for ((src, dst), way) in &recording.ways {
        lines.line(
            "way",
            format_args!(
                "\"src\":{src},\"dst\":{dst},\"sent\":{},\"bytes\":{},\"copies\":{},\"delivered\":{},\
                 \"spoilt\":{},\"lost\":{}",
                way.sent, way.bytes, way.copies, way.delivered, way.spoilt, way.lost,
            ),
        )?;
    }
    Ok(())
}
