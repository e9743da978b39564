//! Plays the scenarios of the simulated network.
//!
//! Exit codes: 0 where all was as it must be, 1 where a scenario was violated, 2 for a wrong command line.

use std::process::ExitCode;
use tellask_sim::scenario::{SCENARIOS, Scenario, Settings};

const HELP: &str = "\
Plays scenarios on a simulated network. The same seed gives the same run, trace hash and all.

Usage:
  tellask-sim list                 what there is
  tellask-sim run NAME [OPTIONS]   plays a scenario and prints its report

Options of run:
  --seed N      the seed [0]
  --nodes N     how many nodes, where the scenario has a choice
  --seconds N   for how many simulated seconds
  --threads N   how many threads run the nodes, which changes nothing but how long it takes [1]
  --help        this text

Exit codes: 0 all was as it must be, 1 something was not, 2 a wrong command line";

enum Job {
    Help,
    List,
    Run { scenario: &'static Scenario, settings: Settings, seed: u64 },
}

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)) {
        Ok(Job::Help) => println!("{HELP}"),
        Ok(Job::List) => {
            for Scenario { name, about, .. } in SCENARIOS {
                println!("{name:<12} {about}");
            }
        }
        Ok(Job::Run { scenario, settings, seed }) => {
            let report = (scenario.run)(&settings, seed);
            println!("{report}");
            if !report.is_ok() {
                return ExitCode::FAILURE;
            }
        }
        Err(wrong) => {
            eprintln!("tellask-sim: {wrong}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Job, String> {
    let verb = args.next().ok_or("say list, or run NAME; --help says more")?;
    match verb.as_str() {
        "--help" | "-h" | "help" => Ok(Job::Help),
        "list" => match args.next().as_deref() {
            None => Ok(Job::List),
            Some("--help" | "-h") => Ok(Job::Help),
            Some(more) => Err(format!("list takes nothing more, least of all {more:?}")),
        },
        "run" => parse_run(args),
        other => Err(format!("there is no command {other:?}: say list, or run NAME")),
    }
}

fn parse_run(mut args: impl Iterator<Item = String>) -> Result<Job, String> {
    let name = args.next().ok_or("run needs the name of a scenario: tellask-sim list has them")?;
    if matches!(name.as_str(), "--help" | "-h") {
        return Ok(Job::Help);
    }
    let scenario = SCENARIOS.iter().find(|scenario| scenario.name == name);
    let scenario = scenario
        .ok_or_else(|| format!("there is no scenario {name:?}: tellask-sim list has them"))?;
    let (mut settings, mut seed) = (Settings::default(), 0);
    while let Some(option) = args.next() {
        match option.as_str() {
            "--help" | "-h" => return Ok(Job::Help),
            "--seed" => seed = number(&option, args.next(), 0)?,
            "--nodes" => settings.nodes = Some(number(&option, args.next(), 2)?),
            "--seconds" => settings.seconds = Some(number(&option, args.next(), 1)?),
            "--threads" => settings.threads = Some(number(&option, args.next(), 1)?),
            other => {
                let known = "--seed, --nodes, --seconds or --threads";
                return Err(format!("there is no option {other:?}: {known}"));
            }
        }
    }
    Ok(Job::Run { scenario, settings, seed })
}

fn number<N>(option: &str, value: Option<String>, least: N) -> Result<N, String>
where
    N: core::str::FromStr + PartialOrd + core::fmt::Display,
{
    let value = value.ok_or_else(|| format!("{option} needs a number after it"))?;
    let number = value.parse().ok().filter(|number| *number >= least);
    number.ok_or_else(|| format!("{option} takes a number from {least} on, not {value:?}"))
}
