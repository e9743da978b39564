//! What is printed: lines for people, or one JSON object a line for programs, on standard output;
//! notes and failures on standard error.
//!
//! Colour only on a terminal, and not where `NO_COLOR` is set (no-color.org). What a peer sent is
//! printed with its control characters escaped: a message must not drive the terminal.

use crate::failure::Failure;
use crate::json::Record;
use std::env;
use std::fmt::{self, Display, Write as _};
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

/// Where a command prints.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
    colour: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        let unwanted = env::var_os("NO_COLOR").is_some_and(|set| !set.is_empty())
            || env::var_os("TERM").is_some_and(|term| term == "dumb");
        // Windows' older consoles show escapes as they are.
        let colour = cfg!(unix) && !json && !unwanted && io::stdout().is_terminal();
        Self { json, colour }
    }

    /// Prints the record for programs, or the line for people.
    pub(crate) fn say(&self, record: Record, line: impl Display) -> Result<(), Failure> {
        if self.json { self.print(record) } else { self.print(line) }
    }

    /// Prints the record for programs; people are spared it.
    pub(crate) fn record(&self, record: Record) -> Result<(), Failure> {
        if self.json { self.print(record) } else { Ok(()) }
    }

    /// Prints the line for people; programs are spared it.
    pub(crate) fn line(&self, line: impl Display) -> Result<(), Failure> {
        if self.json { Ok(()) } else { self.print(line) }
    }

    /// What a peer sent as it is, or on a terminal such that it does nothing but show; programs that
    /// read records are spared it.
    pub(crate) fn content(&self, bytes: &[u8]) -> Result<(), Failure> {
        if self.json {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        if !out.is_terminal() {
            return out.write_all(bytes).and_then(|()| out.flush()).map_err(Failure::from);
        }
        let Ok(text) = str::from_utf8(bytes) else { return self.print(Payload(bytes)) };
        text.lines().try_for_each(|line| self.print(Plain(line)))
    }

    /// Whether records are printed.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// A note on standard error: worth knowing, no part of the output.
    pub(crate) fn note(&self, note: impl Display) {
        // Where nobody reads notes there is nobody to tell that.
        let _ = writeln!(io::stderr(), "tellask: {note}");
    }

    /// Says why a command ends, and gives its exit code.
    pub(crate) fn failure(&self, failure: &Failure) -> ExitCode {
        if let Some(record) = failure.record() {
            // The reason is on standard error as well; the code is the same with or without it.
            let _ = self.record(record);
        }
        if let Some(why) = failure.message() {
            self.note(Plain(why));
        }
        ExitCode::from(failure.exit_code())
    }

    pub(crate) fn bold(&self, text: impl Display) -> impl Display {
        self.styled("1", text)
    }

    pub(crate) fn dim(&self, text: impl Display) -> impl Display {
        self.styled("2", text)
    }

    pub(crate) fn green(&self, text: impl Display) -> impl Display {
        self.styled("32", text)
    }

    pub(crate) fn yellow(&self, text: impl Display) -> impl Display {
        self.styled("33", text)
    }

    fn styled<T: Display>(&self, style: &'static str, text: T) -> Styled<T> {
        Styled { style: self.colour.then_some(style), text }
    }

    fn print(&self, line: impl Display) -> Result<(), Failure> {
        // One write a line, so that lines of several processes into one pipe stay whole.
        let line = format!("{line}\n");
        let mut out = io::stdout().lock();
        out.write_all(line.as_bytes()).and_then(|()| out.flush()).map_err(Failure::from)
    }
}

struct Styled<T> {
    style: Option<&'static str>,
    text: T,
}

impl<T: Display> Display for Styled<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.style {
            Some(style) => write!(f, "\x1b[{style}m{}\x1b[0m", self.text),
            None => self.text.fmt(f),
        }
    }
}

/// A text as one line that does nothing to a terminal.
pub(crate) struct Plain<'a>(pub(crate) &'a str);

impl Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if c.is_control() || is_invisible(c) {
                write!(f, "{}", c.escape_default())?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

/// Characters that end lines or turn the direction of text without being control characters.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A message as people read it: its text, or its bytes in hexadecimal where it is none.
pub(crate) struct Payload<'a>(pub(crate) &'a [u8]);

impl Payload<'_> {
    /// Puts the message into a record: as `text`, or as `hex` where it is no text.
    pub(crate) fn into(self, record: Record) -> Record {
        match str::from_utf8(self.0) {
            Ok(text) => record.text("text", text),
            Err(_) => record.text("hex", Hex(self.0)),
        }
    }
}

impl Display for Payload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match str::from_utf8(self.0) {
            Ok(text) => Plain(text).fmt(f),
            Err(_) => write!(f, "hex:{}", Hex(self.0)),
        }
    }
}

/// Bytes in hexadecimal.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A duration with three significant digits, in the unit that suits it.
pub(crate) struct Time(pub(crate) Duration);

impl Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.0.as_secs_f64();
        let (value, unit) = if secs < 1e-3 {
            (secs * 1e6, "µs")
        } else if secs < 1.0 {
            (secs * 1e3, "ms")
        } else {
            (secs, "s")
        };
        write!(f, "{} {unit}", Digits(value))
    }
}

/// A number with three significant digits, and with separators where it is large.
pub(crate) struct Digits(pub(crate) f64);

impl Display for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.0;
        let decimals = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
        if value < 1000.0 || !value.is_finite() {
            return write!(f, "{value:.decimals$}");
        }
        let digits = format!("{value:.0}");
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                f.write_char(',')?;
            }
            f.write_char(digit)?;
        }
        Ok(())
    }
}
