//! Graphviz: who knows whom, and what went between them.
//!
//! An arrow is a way that was used, with how many datagrams were sent on it and how many copies were lost;
//! the thicker, the more were sent, the redder, the larger the share of what was lost. A dashed line is an edge of the
//! topology that nothing went along.

use super::Recording;
use super::recording::Way;
use core::fmt::{self, Write as _};
use std::collections::BTreeSet;
use std::io::{self, BufWriter, Write};
use tellask::MemoryAddr;

/// Writes the topology of a recording as a graph for `dot`, `neato` or `circo`.
///
/// # Errors
/// `out` cannot be written to.
pub fn dot(recording: &Recording, out: impl Write) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    let total = recording.total;
    let about = format!(
        "{}, seed {}: {} ({} sent, {} lost)\n{}",
        recording.scenario,
        recording.seed,
        recording.verdict(),
        total.sent,
        total.lost,
        recording.left_out,
    );
    writeln!(out, "digraph run {{")?;
    writeln!(
        out,
        "  graph [label={}, layout=circo, fontname=\"sans-serif\"];",
        Id(about.trim_end())
    )?;
    writeln!(out, "  node [shape=circle, fontname=\"sans-serif\"];")?;
    writeln!(out, "  edge [fontname=\"sans-serif\", fontsize=9, arrowsize=0.6];")?;
    let used = recording.ways.keys().flat_map(|(src, dst)| [*src, *dst]);
    let known = recording.edges.iter().flat_map(|(from, to)| [*from, *to]);
    let all: BTreeSet<_> = recording.nodes.keys().copied().chain(used).chain(known).collect();
    for addr in all {
        writeln!(out, "  {addr} [label={}];", Id(&recording.name_of(addr)))?;
    }
    for ((src, dst), way) in &recording.ways {
        let (red, width) = (share(way), width(way));
        let label = format!("{}/{}", way.sent, way.lost);
        writeln!(
            out,
            "  {src} -> {dst} [label=\"{label}\", tooltip=\"{label} lost\", penwidth={width}, \
             color=\"#{:02x}{:02x}{:02x}\"];",
            0x55 + red * (0xd5 - 0x55) / 100,
            0x66 - red * 0x66 / 200,
            0x77 - red * 0x77 / 100,
        )?;
    }
    for (from, to) in &recording.edges {
        if !is_used(recording, *from, *to)
            && (from < to || !recording.edges.contains(&(*to, *from)))
        {
            writeln!(out, "  {from} -> {to} [dir=none, style=dashed, color=\"#999999\"];")?;
        }
    }
    writeln!(out, "}}")?;
    out.flush()
}

fn is_used(recording: &Recording, a: MemoryAddr, b: MemoryAddr) -> bool {
    [(a, b), (b, a)].iter().any(|way| recording.ways.contains_key(way))
}

/// How much of a hundred was lost.
fn share(way: &Way) -> u64 {
    (way.lost * 100).checked_div(way.copies).unwrap_or(0).min(100)
}

/// One more for every four times as many.
fn width(way: &Way) -> u32 {
    1 + way.sent.max(1).ilog2() / 4
}

/// An ID in quotes, in which lines end with `\n`.
struct Id<'a>(&'a str);

impl fmt::Display for Id<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for letter in self.0.chars() {
            match letter {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                control if control.is_control() => {}
                letter => f.write_char(letter)?,
            }
        }
        f.write_char('"')
    }
}
