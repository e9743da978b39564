//! One module a command.

mod bench;
mod demo;
mod key;
mod listen;
mod peer;
mod ping;
mod report;
mod tell;
mod throughput;

use crate::args::Command;
use crate::failure::Failure;
use crate::output::Output;

/// Does what the command line says.
pub(crate) fn run(command: Command, out: &Output) -> Result<(), Failure> {
    match command {
        Command::Demo(args) => demo::run(&args, out),
        Command::Listen(args) => listen::run(args, out),
        Command::Tell(args) => tell::run(args, out),
        Command::Ping(args) => ping::run(args, out),
        Command::Key(command) => key::run(command, out),
        Command::Peer(command) => peer::run(command, out),
        Command::Bench(args) => bench::run(&args, out),
    }
}
