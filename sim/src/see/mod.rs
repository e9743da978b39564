//! Seeing what a run did.
//!
//! A [`Recorder`] is a [`Tap`](crate::net::Tap) that fills a [`Recording`] and passes everything on to another
//! one. What the network cannot know the scenario adds: names, edges, the plan of faults, marks,
//! violations, bins, counters. A recording is written out by a function for each form, or by its name as an
//! [`Export`]:
//!
//! | name | function | for |
//! |---|---|---|
//! | `html` | [`html`] | a browser: one file that shows everything, offline |
//! | `jsonl` | [`json_lines`] | scripts |
//! | `pcapng` | [`pcapng`] | Wireshark |
//! | `perfetto` | [`perfetto`] | Perfetto, `chrome://tracing` |
//! | `dot` | [`dot`] | Graphviz |
//!
//! Runs with the same seed give the same bytes. A recording is [bounded](Bounds), what is over is counted, and
//! every export says how much that was; totals, bins and what went between two nodes are exact all the same. It
//! refuses nothing.
//!
//! ```
//! use core::time::Duration;
//! use tellask::MemoryAddr;
//! use tellask_sim::net::Network;
//! use tellask_sim::scenario::{Made, Secure, node};
//! use tellask_sim::see::{self, Recorder, Recording};
//!
//! let recorder = Recorder::new((), Recording::new("two nodes", 7), |(): &()| None);
//! let mut network: Network<Secure, (), _> = Network::tapped(7, recorder.clone());
//! for number in 0..2 {
//!     network.add(MemoryAddr(number), node(7, number, 0, &Made::default()), ());
//! }
//! network.inject(MemoryAddr(0), MemoryAddr(1), b"hello", Duration::from_millis(3));
//! network.run_for(Duration::from_secs(1));
//!
//! let mut page = Vec::new();
//! recorder.with(|recording| {
//!     recording.name(MemoryAddr(0), "alice");
//!     recording.mark("something was injected", 1, None);
//!     recording.finish(network.trace(), "cargo run --example two -- --seed 7");
//!     see::html(recording, &mut page)
//! });
//! assert!(page.starts_with(b"<!doctype html>"));
//! ```

mod dot;
mod json;
mod label;
mod lines;
mod pcapng;
mod perfetto;
mod recorder;
mod recording;
mod report;
mod sum;
#[cfg(test)]
mod tests;

pub use dot::dot;
pub use label::label;
pub use lines::json_lines;
pub use pcapng::pcapng;
pub use perfetto::perfetto;
pub use recorder::{Label, Recorder};
pub use recording::{Bounds, LeftOut, Recording};
pub use report::html;

use core::fmt;
use core::str::FromStr;
use std::io::{self, Write};

/// A form in which a recording is written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Export {
    /// [`html`].
    Html,
    /// [`json_lines`].
    JsonLines,
    /// [`pcapng`].
    Pcapng,
    /// [`perfetto`].
    Perfetto,
    /// [`dot`].
    Dot,
}

impl Export {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Html, Self::JsonLines, Self::Pcapng, Self::Perfetto, Self::Dot];

    /// The name on a command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::JsonLines => "jsonl",
            Self::Pcapng => "pcapng",
            Self::Perfetto => "perfetto",
            Self::Dot => "dot",
        }
    }

    /// Writes a recording in this form.
    ///
    /// # Errors
    /// `out` cannot be written to.
    pub fn write(self, recording: &Recording, out: impl Write) -> io::Result<()> {
        match self {
            Self::Html => html(recording, out),
            Self::JsonLines => json_lines(recording, out),
            Self::Pcapng => pcapng(recording, out),
            Self::Perfetto => perfetto(recording, out),
            Self::Dot => dot(recording, out),
        }
    }
}

impl fmt::Display for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no export of this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSuchExport;

impl fmt::Display for NoSuchExport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an export is")?;
        for (nth, export) in Export::ALL.iter().enumerate() {
            f.write_str(match nth {
                0 => " ",
                _ if nth + 1 == Export::ALL.len() => " or ",
                _ => ", ",
            })?;
            export.fmt(f)?;
        }
        Ok(())
    }
}

impl core::error::Error for NoSuchExport {}

impl FromStr for Export {
    type Err = NoSuchExport;

    fn from_str(name: &str) -> Result<Self, NoSuchExport> {
        Self::ALL.into_iter().find(|export| export.name() == name).ok_or(NoSuchExport)
    }
}
