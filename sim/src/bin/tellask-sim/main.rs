//! The command `tellask-sim`: plays scenarios on a simulated network, plays them again, and makes what fails smaller.
//!
//! Exit codes: 0 where all was as it must be, 1 where something was not, 2 for a wrong command line or a file that cannot
//! be read or written.

mod args;
mod campaign;
mod json;
mod plans;
mod run;

use args::{HELP, Job};
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
    match args::parse(std::env::args().skip(1)).map_err(Failure::from).and_then(carry_out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Found) => ExitCode::FAILURE,
        Err(Failure::Usage(wrong)) => {
            eprintln!("tellask-sim: {wrong}");
            ExitCode::from(2)
        }
    }
}

fn carry_out(job: Job) -> Result<(), Failure> {
    match job {
        Job::Help => {
            println!("{HELP}");
            Ok(())
        }
        Job::List => {
            run::list();
            Ok(())
        }
        Job::Run(run) => run::run(&run),
        Job::Replay { file, views } => plans::replay(&file, &views),
        Job::Shrink { file, seconds, out } => plans::shrink(&file, seconds, out.as_deref()),
        Job::Campaign(campaign) => campaign::campaign(campaign),
        Job::Merge { files, json } => campaign::merge(&files, json),
    }
}
