//! What is wrong with a text, where, and what would be right.

use super::{LabelError, MAX_LAYERS, MAX_TEXT};
use crate::addr::AddrError;
use alloc::string::String;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;
use core::ops::Range;

/// Why a text is no stack. Prints as what is wrong and what would be right, then the line of the text with the wrong
/// word marked:
///
/// ```text
/// there is no layer `fragmnet`: did you mean fragment?
///   udp://127.0.0.1:0 | fragmnet(256KiB)
///                       ^^^^^^^^
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackError {
    pub(super) text: String,
    pub(super) at: Range<usize>,
    pub(super) problem: Problem,
}

/// What is wrong with a word.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The text is longer than [`MAX_TEXT`].
    TooLong,
    /// There is nothing where a bottom should stand.
    NoBottom,
    /// The first word is no bottom, for want of a `://`.
    NotBottom,
    /// There is no bottom of this scheme.
    UnknownBottom {
        /// Those of the most similar names.
        nearest: Vec<&'static str>,
    },
    /// A bottom stands where a layer should.
    BottomAbove,
    /// The bottom's address is wrong.
    BottomAddr(AddrError),
    /// There is nothing where a layer should stand.
    NoLayer,
    /// There is no layer of this name.
    UnknownLayer {
        /// Those of the most similar names.
        nearest: Vec<&'static str>,
    },
    /// A `(` is not closed.
    Unclosed,
    /// Something stands behind the `)`.
    BehindClosed,
    /// The layer takes no arguments.
    NoArguments,
    /// An argument is missing.
    MissingArgument {
        /// How the layer is written.
        form: &'static str,
    },
    /// The layer takes fewer arguments.
    SpareArgument {
        /// How the layer is written.
        form: &'static str,
    },
    /// Not a size, or one that is out of range.
    BadSize,
    /// Not a kind of channels.
    BadKind,
    /// Not a channel of this kind.
    BadChannel {
        /// What would be one.
        right: &'static str,
    },
    /// Not a label, so not a channel that is called by a string.
    BadLabel(LabelError),
    /// The channel is named a second time.
    ChannelAgain,
    /// Not a peer id.
    BadPeerId,
    /// The layer stands in the stack already, and a second one would do nothing.
    LayerAgain,
    /// The layer needs another one below it.
    NeedsBelow {
        /// Which.
        layer: &'static str,
    },
    /// What stands right on connections, or the bottom alone, makes no messages of their bytes.
    OnStreams,
    /// The layer stands on connections, and there are none right below it.
    NotOnStreams,
    /// There are more than [`MAX_LAYERS`] layers.
    TooMany,
}

impl StackError {
    /// What is wrong.
    #[must_use]
    pub const fn problem(&self) -> &Problem {
        &self.problem
    }

    /// Where the word stands that is wrong, in bytes of the text; empty where one is missing.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.at.clone()
    }

    /// The word that is wrong.
    #[must_use]
    pub fn word(&self) -> &str {
        self.text.get(self.at.clone()).unwrap_or_default()
    }

    /// What is wrong and what would be right, in one line.
    fn say(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.word();
        match &self.problem {
            Problem::TooLong => write!(f, "the text is longer than {MAX_TEXT} bytes"),
            Problem::NoBottom => f.write_str(
                "a stack begins with its bottom: udp://ip:port, tcp://ip:port or memory://number",
            ),
            Problem::NotBottom => write!(
                f,
                "`{word}` is no bottom: a stack begins with udp://ip:port, tcp://ip:port or memory://number"
            ),
            Problem::UnknownBottom { nearest } => {
                write!(f, "there is no bottom `{word}`")?;
                or(f, nearest, "the bottoms are udp, tcp and memory")
            }
            Problem::BottomAbove => {
                f.write_str("a bottom stands first in its stack, and there is only one")
            }
            Problem::BottomAddr(error) => write!(f, "`{word}` is {error}"),
            Problem::NoLayer => f.write_str("a layer is missing beside this |"),
            Problem::UnknownLayer { nearest } => {
                write!(f, "there is no layer `{word}`")?;
                or(f, nearest, "the layers are p2pke, fragment, ask, filter, loopback, mux")
            }
            Problem::Unclosed => f.write_str("this ( is not closed: a ) is missing"),
            Problem::BehindClosed => {
                write!(f, "`{word}` stands behind the ): a | is missing before it")
            }
            Problem::NoArguments => write!(f, "`{word}` takes nothing in parentheses"),
            Problem::MissingArgument { form } => write!(f, "an argument is missing: write {form}"),
            Problem::SpareArgument { form } => {
                write!(f, "`{word}` is one argument too many: write {form}")
            }
            Problem::BadSize => write!(
                f,
                "`{word}` is no size: write bytes, KiB or MiB such as 1200, 256KiB or 1MiB, \
                 from 1 to 1024MiB"
            ),
            Problem::BadKind => {
                write!(f, "`{word}` is no kind of channels: write string, u16, u32, u64 or varint")
            }
            Problem::BadChannel { right } => {
                write!(f, "`{word}` is no such channel: write {right}")
            }
            Problem::BadLabel(error) => write!(f, "`{word}` is no channel: {error}"),
            Problem::ChannelAgain => write!(f, "the channel `{word}` stands here already"),
            Problem::BadPeerId => {
                write!(f, "`{word}` is no peer id: those have 43 letters, digits, _ and -")
            }
            Problem::LayerAgain => {
                write!(f, "`{word}` stands in this stack already: once is enough")
            }
            Problem::NeedsBelow { layer } => write!(
                f,
                "`{word}` needs a {layer} somewhere below it, without which nothing would pass"
            ),
            Problem::OnStreams => write!(
                f,
                "`{word}` makes no messages of the bytes that TCP carries: put ssh right on the bottom, as in \
                 tcp://ip:port | ssh"
            ),
            Problem::NotOnStreams => {
                write!(f, "`{word}` stands on connections: put it right on a tcp://ip:port")
            }
            Problem::TooMany => write!(f, "`{word}` is one layer over the limit of {MAX_LAYERS}"),
        }
    }
}

/// Ends a sentence with what may have been meant, or with all that there is.
fn or(f: &mut fmt::Formatter<'_>, nearest: &[&str], all: &str) -> fmt::Result {
    let Some((first, more)) = nearest.split_first() else { return write!(f, ": {all}") };
    write!(f, ": did you mean {first}")?;
    more.iter().try_for_each(|name| write!(f, " or {name}"))?;
    f.write_str("?")
}

impl fmt::Display for StackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.say(f)?;
        if self.problem == Problem::TooLong {
            return Ok(());
        }
        // The line that the word stands in, so that the mark is below it.
        let before = self.text.get(..self.at.start).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let rest = self.text.get(start..).unwrap_or_default();
        let line = rest.lines().next().unwrap_or_default();
        let indent = before.get(start..).unwrap_or_default().chars().count();
        let marks = self.word().lines().next().unwrap_or_default().chars().count().max(1);
        let line: String =
            line.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
        write!(f, "\n  {line}\n  {:indent$}{:^<marks$}", "", "")
    }
}

impl Error for StackError {}
