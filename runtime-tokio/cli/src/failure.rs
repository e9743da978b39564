//! Why a command ends early, and the exit code that says so.

use crate::json::Record;
use std::fmt::Display;
use std::io;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What the user gave is wrong: an address, a file, a name, a port.
    BadInput(String),
    /// It was right, and did not work: a time-out, a peer that refused.
    Failed(String),
    /// The user, or the system, asked for the end; what was open is closed.
    Interrupted(Signal),
    /// Whoever read the output does so no more. Nobody is left to tell.
    OutputClosed,
}

/// What interrupted a command.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// A request to end, as `kill` sends it.
    #[cfg_attr(not(unix), allow(dead_code, reason = "other systems have no such signal"))]
    Terminate,
}

impl Failure {
    pub(crate) fn bad_input(why: impl Display) -> Self {
        Self::BadInput(why.to_string())
    }

    pub(crate) fn failed(why: impl Display) -> Self {
        Self::Failed(why.to_string())
    }

    /// As documented in `tellask --help`.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::OutputClosed => 0,
            Self::Failed(_) => 1,
            Self::BadInput(_) => 2,
            Self::Interrupted(Signal::Interrupt) => 130,
            Self::Interrupted(Signal::Terminate) => 143,
        }
    }

    /// What to say, where there is something to say.
    pub(crate) fn message(&self) -> Option<&str> {
        match self {
            Self::BadInput(why) | Self::Failed(why) => Some(why),
            Self::Interrupted(_) | Self::OutputClosed => None,
        }
    }

    /// The failure as programs read it.
    pub(crate) fn record(&self) -> Option<Record> {
        let code = u64::from(self.exit_code());
        self.message()
            .map(|why| Record::new("error").text("message", why).number("exit_code", code))
    }
}

/// An error while writing output. Reads as [`Failure::OutputClosed`] where that is all it is.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::OutputClosed
        } else {
            Self::Failed(format!("cannot write the output: {error}"))
        }
    }
}
