//! How a close can fail.

use core::error::Error;
use core::fmt;

/// Why what a node had accepted was not finished. The node is closed all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseError {
    /// The deadline passed first: messages that were accepted may be lost.
    TimedOut,
    /// The node was given up before, or its runtime shut down: messages that were accepted may be lost.
    Aborted,
}

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimedOut => {
                "closed at the deadline with messages unfinished: allow more time for closing"
            }
            Self::Aborted => {
                "ended before all messages were finished: close the node before its runtime"
            }
        })
    }
}

impl Error for CloseError {}
