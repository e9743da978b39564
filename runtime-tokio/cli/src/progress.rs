//! A progress bar on standard error, only where that is a terminal.

use std::io::{self, IsTerminal as _, Write as _};

const WIDTH: usize = 30;

/// How far something is. Gone from the screen once dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    shown: bool,
    steps: usize,
}

impl Progress {
    /// Of something that has so many steps.
    pub(crate) fn new(steps: usize) -> Self {
        Self { shown: io::stderr().is_terminal(), steps }
    }

    /// So many steps are done, and `what` is being done.
    pub(crate) fn at(&self, done: usize, what: &str) {
        if self.shown {
            let full = WIDTH * done.min(self.steps) / self.steps.max(1);
            let (full, empty) = ("#".repeat(full), "-".repeat(WIDTH - full));
            // A bar that cannot be drawn is no loss.
            let _ = write!(io::stderr(), "\r[{full}{empty}] {what}\x1b[K");
        }
    }

    /// Makes room for a line of output.
    pub(crate) fn clear(&self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
