//! The command `tellask-sim`: plays scenarios on a simulated network, plays them again, and makes what fails smaller.
//!
//! Exit codes: 0 where all was as it must be, 1 where something was not, 2 for a wrong command line or a file that cannot
//! be read or written.

mod args;
mod campaign;
mod json;
mod out;
mod plans;
mod run;

use args::{HELP, Job};
use std::ffi::OsString;
use std::process::ExitCode;

/// Why the command ends without success.
pub(crate) enum Failure {
    /// Something was not as it must be; all is said.
    Found,
    /// The command line or a file is wrong.
    Usage(String),
}

impl From<String> for Failure {
    fn from(wrong: String) -> Self {
        Self::Usage(wrong)
    }
}

fn main() -> ExitCode {
    let args: Result<Vec<_>, _> = std::env::args_os().skip(1).map(OsString::into_string).collect();
    let args = args.map_err(|arg| format!("{} is no text", arg.display()));
    let job = args.and_then(|args| args::parse(args.into_iter()));
    match job.map_err(Failure::from).and_then(carry_out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Found) => ExitCode::FAILURE,
        Err(Failure::Usage(wrong)) => {
            out::tell(format_args!("tellask-sim: {wrong}\n"));
            ExitCode::from(2)
        }
    }
}

fn carry_out(job: Job) -> Result<(), Failure> {
    match job {
        Job::Help => out::print(format_args!("{HELP}\n")),
        Job::List => run::list(),
        Job::Run(run) => run::run(&run),
        Job::Replay { file, views } => plans::replay(&file, &views),
        Job::Shrink { file, seconds, out } => plans::shrink(&file, seconds, out.as_deref()),
        Job::Campaign(campaign) => campaign::campaign(campaign),
        Job::Merge { files, json } => campaign::merge(&files, json),
    }
}
