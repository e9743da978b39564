//! One module a command.

mod ask;
mod bench;
mod demo;
mod get;
mod key;
mod listen;
mod peer;
mod ping;
mod report;
mod serve;
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
        Command::Ask(args) => ask::run(args, out),
        Command::Serve(args) => serve::run(args, out),
        Command::Get(args) => get::run(args, out),
        Command::Ping(args) => ping::run(args, out),
        Command::Key(command) => key::run(command, out),
        Command::Peer(command) => peer::run(command, out),
        Command::Bench(args) => bench::run(&args, out),
    }
}
