//! The tellask command: secure messages between peers from a shell.
//!
//! | module | what it holds |
//! |---|---|
//! | `args` | what may stand on the command line, with its help |
//! | `config`, `key`, `peers` | the folder of a user, the key and the names in it |
//! | `address` | addresses as people write them: names, host names, `<peer id>@<host>:<port>` |
//! | `output`, `json`, `progress` | what is printed, for people and for programs |
//! | `failure` | why a command ends early, and its exit code |
//! | `log` | what happens, for `--log` |
//! | `files` | files that are read and written whole |
//! | `node`, `interrupt`, `stdin` | what runs while a node is up |
//! | `stack` | what a node speaks, and on which channels |
//! | `ranges` | how files are asked for |
//! | `commands` | one module a command |

#![forbid(unsafe_code)]
#![allow(rustdoc::invalid_html_tags, reason = "the comments on arguments are their help texts")]
#![allow(clippy::std_instead_of_core, reason = "a program has `std` anyway")]

mod address;
mod args;
mod commands;
mod config;
mod failure;
mod files;
mod interrupt;
mod json;
mod key;
#[cfg(feature = "insecure-key-log")]
mod key_log;
mod log;
mod node;
mod output;
mod peers;
mod progress;
mod ranges;
mod stack;
mod stdin;
mod watch;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args = match args::parse(std::env::args_os()) {
        Ok(args) => args,
        Err(end) => return end,
    };
    if let Some(level) = args.log {
        log::begin(level);
    }
    let out = output::Output::new(args.json);
    match commands::run(args.command, &out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => out.failure(&failure),
    }
}
