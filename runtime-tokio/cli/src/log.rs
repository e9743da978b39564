//! What happens in a node, line by line on standard error, for whoever asks with `--log`.
//!
//! The events are those of the library's feature `tracing`: peers, layers and reasons, no secrets and no payloads. Strangers
//! cause those of the level `debug` at the rate at which they send, so it is for looking into something.

use crate::args::LogLevel;
use std::io;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;

/// From now on what happens is said.
pub(crate) fn begin(level: LogLevel) {
    let level = match level {
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let lines = fmt().with_max_level(level).with_writer(io::stderr).with_target(false);
    lines.with_ansi(false).init();
}
