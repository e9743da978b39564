//! One HTML file that shows a run, and needs nothing else: no network, no server, no second file.
//!
//! The page is in `page/`, style and scripts included; here is what is put into it. All data is one JSON object in
//! a script element of type `application/json`, in whose strings `<`, `>` and `&` are escaped, so that
//! nothing that a scenario says can end that element; the scripts put texts into the page as texts only, and the page
//! forbids itself to load anything. When it is drawn the root element has the attribute `data-drawn` with the value
//! `yes`, and where a script failed the value `failed`.

use super::Recording;
use super::json::{Array, Hex, Maybe, Quoted};
use super::recording::How;
use core::fmt;
use std::io::{self, BufWriter, Write};
use tellask::Instant;

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/style.css");
/// In this order, within one function.
const SCRIPTS: [&str; 7] = [
    include_str!("page/data.js"),
    include_str!("page/filter.js"),
    include_str!("page/draw.js"),
    include_str!("page/timeline.js"),
    include_str!("page/plots.js"),
    include_str!("page/tables.js"),
    include_str!("page/main.js"),
];

/// Bytes of each datagram that the page shows.
const SHOWN: usize = 16;

/// Writes a recording as an HTML page.
///
/// # Errors
/// `out` cannot be written to.
pub fn html(recording: &Recording, out: impl Write) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    // What is put in is not looked at again, so nothing in it can be taken for a slot.
    for piece in PAGE.split("{{") {
        let Some((slot, rest)) = piece.split_once("}}") else {
            out.write_all(piece.as_bytes())?;
            continue;
        };
        match slot {
            "style" => out.write_all(STYLE.as_bytes())?,
            "script" => {
                SCRIPTS.iter().try_for_each(|script| out.write_all(script.as_bytes()))?;
            }
            "data" => data(recording, &mut out)?,
            "scenario" => write!(out, "{}", Escaped(&recording.scenario))?,
            "seed" => write!(out, "{}", recording.seed)?,
            "hash" => write!(out, "{}", Escaped(&recording.hash()))?,
            "command" => write!(out, "{}", Escaped(&recording.command))?,
            "verdict" => out.write_all(recording.verdict().as_bytes())?,
            unknown => write!(out, "{{{{{unknown}}}}}")?,
        }
        out.write_all(rest.as_bytes())?;
    }
    out.flush()
}

/// A text in HTML, in an element or an attribute.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|letter| match letter {
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '&' => f.write_str("&amp;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            letter => write!(f, "{letter}"),
        })
    }
}

/// Something in brackets, with a comma between any two.
fn list<T>(
    out: &mut impl Write,
    name: &str,
    items: impl IntoIterator<Item = T>,
    print: impl Fn(T) -> String,
) -> io::Result<()> {
    write!(out, ",\n\"{name}\":[")?;
    for (nth, item) in items.into_iter().enumerate() {
        let comma = if nth == 0 { "" } else { "," };
        write!(out, "{comma}{}", print(item))?;
    }
    write!(out, "]")
}

fn data(recording: &Recording, out: &mut impl Write) -> io::Result<()> {
    let since = |at: Instant| recording.since_start(at);
    let (first, last) = recording.span();
    let [first, last] = [first, last].map(|at| since(Instant::from_nanos(at)));
    let total = recording.total;
    write!(
        out,
        "{{\"version\":1,\"scenario\":{},\"verdict\":\"{}\",\"violated\":{},\"first\":{first},\"last\":{last},\"steps\":{},\
         \"leftOut\":{},\"total\":{{\"sent\":{},\"bytes\":{},\"copies\":{},\"delivered\":{},\"spoilt\":{},\
         \"lost\":{},\"inFlight\":{}}}",
        Quoted(&recording.scenario),
        recording.verdict(),
        recording.violated(),
        recording.trace.map_or(0, |trace| trace.steps()),
        Quoted(&recording.left_out.to_string()),
        total.sent,
        total.bytes,
        total.copies,
        total.delivered,
        total.spoilt,
        total.lost,
        recording.in_flight(),
    )?;
    list(out, "nodes", recording.nodes.keys(), |addr| {
        format!("[{addr},{}]", Quoted(&recording.name_of(*addr)))
    })?;
    list(out, "edges", &recording.edges, |(from, to)| format!("[{from},{to}]"))?;
    list(out, "plan", &recording.plan, |line| {
        let until = Maybe(line.until.map(since));
        format!("[{},{until},{}]", since(line.at), Quoted(&line.text))
    })?;
    list(out, "marks", &recording.marks, |(name, mark)| {
        let first = Maybe(mark.first.map(since));
        format!("[{},{},{first}]", Quoted(name), mark.count)
    })?;
    list(out, "violations", &recording.violations, |violation| {
        let at = Maybe(violation.at.map(since));
        format!("[{at},{}]", Quoted(&violation.text))
    })?;
    for (name, counts) in [("bins", &recording.bins), ("reasons", &recording.reasons)] {
        list(out, name, counts, |(name, count)| format!("[{},{count}]", Quoted(name)))?;
    }
    list(out, "ways", &recording.ways, |((src, dst), way)| {
        format!("[{src},{dst},{},{},{},{}]", way.sent, way.bytes, way.copies, way.lost)
    })?;
    list(out, "counters", &recording.series, |((name, node), samples)| {
        let at = Array(samples.iter().map(|(at, _)| since(*at)));
        let values = Array(samples.iter().map(|(_, value)| *value));
        format!("[{},{node},{at},{values}]", Quoted(name))
    })?;
    list(out, "notes", &recording.notes, |note| {
        format!("[{},{},{}]", since(note.at), note.node, Quoted(&note.text))
    })?;
    datagrams(recording, out)?;
    write!(out, "}}")
}

/// By columns, which takes a third of the space: `at` is the time since the one before, `sender` is −1 where that
/// is the source and −2 where there is none, `ends` is for each how many there are, and for each of these what it
/// was (0 delivered, 1 spoilt, 2 and more the reason of its loss) and how long after it was sent.
fn datagrams(recording: &Recording, out: &mut impl Write) -> io::Result<()> {
    let all = &recording.datagrams;
    let mut before = 0_u64;
    write!(out, ",\n\"datagrams\":{{\"count\":{}", all.len())?;
    write!(out, ",\n\"at\":[")?;
    for (nth, datagram) in all.iter().enumerate() {
        let at = recording.since_start(datagram.at);
        let comma = if nth == 0 { "" } else { "," };
        write!(out, "{comma}{}", at.cast_signed().wrapping_sub(before.cast_signed()))?;
        before = at;
    }
    write!(out, "]")?;
    list(out, "src", all, |datagram| datagram.src.to_string())?;
    list(out, "dst", all, |datagram| datagram.dst.to_string())?;
    list(out, "number", all, |datagram| datagram.id.number.to_string())?;
    list(out, "sender", all, |datagram| match datagram.id.sender {
        None => "-2".to_owned(),
        Some(sender) if sender == datagram.src => "-1".to_owned(),
        Some(sender) => sender.to_string(),
    })?;
    list(out, "len", all, |datagram| datagram.body.len.to_string())?;
    list(out, "copies", all, |datagram| datagram.copies.to_string())?;
    list(out, "ends", all, |datagram| {
        let mut text = datagram.ends.len().to_string();
        for end in &datagram.ends {
            let kind = match end.how {
                How::Delivered => 0,
                How::Spoilt(_) => 1,
                How::Lost(reason) => reason + 2,
            };
            text += &format!(",{kind},{}", end.at.since(datagram.at).as_nanos());
        }
        text
    })?;
    write!(out, ",\n\"bytes\":\"")?;
    for datagram in all {
        let kept = &datagram.body.kept;
        write!(out, "{}", Hex(kept.get(..SHOWN).unwrap_or(kept)))?;
    }
    write!(
        out,
        "\",\"shown\":{},\"keeps\":{}}}",
        SHOWN.min(recording.bounds.bytes),
        recording.bounds.bytes
    )
}
