//! Records as programs read them: one JSON object (RFC 8259) a line, its first member `event`.

use std::fmt::{self, Display, Write as _};

/// One line of `--json` output.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    members: String,
}

impl Record {
    /// A record of this kind.
    pub(crate) fn new(event: &str) -> Self {
        Self { members: format!("\"event\":{}", Text(event)) }
    }

    pub(crate) fn text(self, name: &str, value: impl Display) -> Self {
        self.member(name, Text(&value.to_string()))
    }

    pub(crate) fn number(self, name: &str, value: u64) -> Self {
        self.member(name, value)
    }

    /// A fraction; `null` where there is none, as JSON has no infinities.
    pub(crate) fn fraction(self, name: &str, value: f64) -> Self {
        if value.is_finite() { self.member(name, value) } else { self.member(name, "null") }
    }

    pub(crate) fn flag(self, name: &str, value: bool) -> Self {
        self.member(name, value)
    }

    /// A list of texts.
    pub(crate) fn texts(self, name: &str, values: impl IntoIterator<Item: Display>) -> Self {
        let values = values.into_iter().map(|value| Text(&value.to_string()).to_string());
        let values = values.collect::<Vec<_>>().join(",");
        self.member(name, format_args!("[{values}]"))
    }

    /// An object of numbers.
    pub(crate) fn numbers<'a>(
        self,
        name: &str,
        values: impl IntoIterator<Item = (&'a String, &'a u64)>,
    ) -> Self {
        let values = values.into_iter().map(|(name, value)| format!("{}:{value}", Text(name)));
        let values = values.collect::<Vec<_>>().join(",");
        self.member(name, format_args!("{{{values}}}"))
    }

    fn member(mut self, name: &str, value: impl Display) -> Self {
        // Writing into a string does not fail.
        let _ = write!(self.members, ",{}:{value}", Text(name));
        self
    }
}

impl Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}}}", self.members)
    }
}

/// A JSON string.
struct Text<'a>(&'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                // Those below 0x20 must be escaped; the others would act on a terminal.
                c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}
