//! The command line.

use core::time::Duration;
use std::path::PathBuf;
use tellask_sim::campaign::{Campaign, Scenario, find};
use tellask_sim::scenario::{SCENARIOS, Scenario as Fixed, Settings};
use tellask_sim::see::Export;

pub(crate) const HELP: &str = "\
Plays scenarios on a simulated network. The same seed gives the same run, trace hash and all.

Usage:
  tellask-sim list                    what there is
  tellask-sim run NAME [OPTIONS]      plays a scenario; the last line is the trace hash
  tellask-sim replay FILE [VIEWS]     plays a plan from a file, as a campaign writes it for what fails
  tellask-sim shrink FILE [OPTIONS]   makes a plan that fails smaller, and a test of it
  tellask-sim campaign [OPTIONS]      plays scenarios under plans from many seeds until one fails
  tellask-sim merge FILE... [--json]  puts the results of parts of a campaign together

Options of run:
  --seed N        the seed [0]
  --suite NAME    the cryptography: own, the protocol's, or toy, which hides nothing and is fast
  --nodes N       how many nodes, where the scenario has a choice
  --seconds N     for how many simulated seconds, where the scenario has a choice
  --threads N     how many threads run the nodes, which changes nothing but how long it takes [1]
  --plan          prints the plan of the seed, and plays nothing
  and the views

Views, of scenarios that are played by plans:
  --json          prints one object with scenario, seed, hash, bins and marks
  --report FILE   writes a page for a browser that shows all that happened
  --export KIND:FILE   writes the run as jsonl, pcapng, perfetto, dot or html

Options of shrink:
  --seconds N     for how long at the most [60]
  --out FILE      where to write the smaller plan [FILE.small]

Options of campaign:
  --seconds N     for how long, in real time
  --runs N        for how many runs
  --seed N        the seed of the first run; the next has the next [0]
  --scenario NAME only this one; may be said again [all]
  --jobs N        how many runs at a time [1]
  --shard I/N     the I-th of N parts, from 1 on: they have no seeds in common
  --out DIR       writes what fails to DIR/SCENARIO-SEED.plan [.]
  --results FILE  writes what the runs came to, for merge
  --all           goes on after a run that fails
  --json          prints one object instead of words

Exit codes: 0 all was as it must be, 1 something was not, 2 a wrong command line, or a file that cannot be used";

pub(crate) enum Job {
    Help,
    List,
    Run(Run),
    Replay { file: PathBuf, views: Views },
    Shrink { file: PathBuf, seconds: u64, out: Option<PathBuf> },
    Campaign(Many),
    Merge { files: Vec<PathBuf>, json: bool },
}

/// What is played.
#[derive(Clone, Copy)]
pub(crate) enum What {
    Fixed(&'static Fixed),
    Planned(&'static dyn Scenario),
}

pub(crate) struct Run {
    pub(crate) what: What,
    pub(crate) settings: Settings,
    /// Whether a suite was said.
    pub(crate) suite: bool,
    pub(crate) seed: u64,
    pub(crate) only_plan: bool,
    pub(crate) views: Views,
}

/// How a run is shown.
#[derive(Default)]
pub(crate) struct Views {
    pub(crate) json: bool,
    /// Forms and files.
    pub(crate) exports: Vec<(Export, PathBuf)>,
}

/// Many runs.
pub(crate) struct Many {
    pub(crate) campaign: Campaign,
    pub(crate) time: Option<Duration>,
    pub(crate) out: PathBuf,
    pub(crate) results: Option<PathBuf>,
    pub(crate) json: bool,
}

/// The words that are left.
struct Words<I>(I);

pub(crate) fn parse(args: impl Iterator<Item = String>) -> Result<Job, String> {
    let mut args: Vec<_> = args.collect();
    if args.iter().any(|arg| matches!(arg.as_str(), "--help" | "-h" | "help")) {
        return Ok(Job::Help);
    }
    if args.is_empty() {
        return Err("say list, run, replay, shrink, campaign or merge; --help says more".into());
    }
    let verb = args.remove(0);
    let mut words = Words(args.into_iter());
    match verb.as_str() {
        "list" => match words.next() {
            None => Ok(Job::List),
            Some(more) => Err(format!("list takes nothing more, least of all {more:?}")),
        },
        "run" => run(words),
        "replay" => replay(words),
        "shrink" => shrink(words),
        "campaign" => campaign(words),
        "merge" => merge(words),
        other => Err(format!(
            "there is no command {other:?}: say list, run, replay, shrink, campaign or merge"
        )),
    }
}

impl<I: Iterator<Item = String>> Words<I> {
    fn next(&mut self) -> Option<String> {
        self.0.next()
    }

    fn value(&mut self, option: &str, what: &str) -> Result<String, String> {
        self.next().ok_or_else(|| format!("{option} needs {what} after it"))
    }

    fn number<N>(&mut self, option: &str, least: N) -> Result<N, String>
    where
        N: core::str::FromStr + PartialOrd + core::fmt::Display,
    {
        let value = self.value(option, "a number")?;
        let number = value.parse().ok().filter(|number| *number >= least);
        number.ok_or_else(|| format!("{option} takes a number from {least} on, not {value:?}"))
    }

    /// An option of [`Views`]; whether it is one.
    fn view(&mut self, option: &str, views: &mut Views) -> Result<bool, String> {
        match option {
            "--json" => views.json = true,
            "--report" => {
                views.exports.push((Export::Html, self.value(option, "a file")?.into()));
            }
            "--export" => {
                let value = self.value(option, "KIND:FILE")?;
                let (kind, file) = value
                    .split_once(':')
                    .ok_or_else(|| format!("--export takes KIND:FILE, not {value:?}"))?;
                let export = kind.parse().map_err(|why| format!("{kind:?}: {why}"))?;
                views.exports.push((export, file.into()));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn no_option(verb: &str, option: &str) -> String {
    format!("{verb} has no option {option:?}: --help lists them")
}

fn named(name: &str) -> Result<What, String> {
    let fixed = SCENARIOS.iter().find(|scenario| scenario.name == name).map(What::Fixed);
    fixed
        .or_else(|| find(name).map(What::Planned))
        .ok_or_else(|| format!("there is no scenario {name:?}: tellask-sim list has them"))
}

fn run(mut words: Words<impl Iterator<Item = String>>) -> Result<Job, String> {
    let name = words.next().ok_or("run needs the name of a scenario: tellask-sim list has them")?;
    let mut run = Run {
        what: named(&name)?,
        settings: Settings::default(),
        suite: false,
        seed: 0,
        only_plan: false,
        views: Views::default(),
    };
    while let Some(option) = words.next() {
        match option.as_str() {
            "--seed" => run.seed = words.number(&option, 0)?,
            "--nodes" => run.settings.nodes = Some(words.number(&option, 2)?),
            "--seconds" => run.settings.seconds = Some(words.number(&option, 1)?),
            "--threads" => run.settings.threads = Some(words.number(&option, 1)?),
            "--suite" => {
                let name = words.value(&option, "own or toy")?;
                run.settings.suite = name.parse().map_err(|why| format!("{name:?}: {why}"))?;
                run.suite = true;
            }
            "--plan" => run.only_plan = true,
            other if words.view(other, &mut run.views)? => {}
            other => return Err(no_option("run", other)),
        }
    }
    if matches!(run.what, What::Fixed(_)) && (run.only_plan || !run.views.exports.is_empty()) {
        return Err(format!(
            "{name} is not played by a plan: it has no --plan, --report or --export"
        ));
    }
    Ok(Job::Run(run))
}

fn replay(mut words: Words<impl Iterator<Item = String>>) -> Result<Job, String> {
    let file = words.value("replay", "the file of a plan")?.into();
    let mut views = Views::default();
    while let Some(option) = words.next() {
        if !words.view(&option, &mut views)? {
            return Err(no_option("replay", &option));
        }
    }
    Ok(Job::Replay { file, views })
}

fn shrink(mut words: Words<impl Iterator<Item = String>>) -> Result<Job, String> {
    let file = words.value("shrink", "the file of a plan")?.into();
    let (mut seconds, mut out) = (60, None);
    while let Some(option) = words.next() {
        match option.as_str() {
            "--seconds" => seconds = words.number(&option, 1)?,
            "--out" => out = Some(words.value(&option, "a file")?.into()),
            other => return Err(no_option("shrink", other)),
        }
    }
    Ok(Job::Shrink { file, seconds, out })
}

fn campaign(mut words: Words<impl Iterator<Item = String>>) -> Result<Job, String> {
    let mut many = Many {
        campaign: Campaign { stop_at_failure: true, ..Campaign::default() },
        time: None,
        out: ".".into(),
        results: None,
        json: false,
    };
    let mut scenarios = Vec::new();
    while let Some(option) = words.next() {
        match option.as_str() {
            "--seconds" => many.time = Some(Duration::from_secs(words.number(&option, 1)?)),
            "--runs" => many.campaign.runs = Some(words.number(&option, 1)?),
            "--seed" => many.campaign.seed = words.number(&option, 0)?,
            "--jobs" => many.campaign.jobs = words.number(&option, 1)?,
            "--scenario" => {
                let name = words.value(&option, "a name")?;
                // Some that are not played by plans have the same name.
                let scenario = find(&name);
                scenarios.push(
                    scenario.ok_or_else(|| format!("no scenario {name:?} is played by plans"))?,
                );
            }
            "--shard" => {
                let value = words.value(&option, "I/N")?;
                let shard = value.split_once('/').and_then(|(part, parts)| {
                    Some((part.parse::<u64>().ok()?.checked_sub(1)?, parts.parse::<u64>().ok()?))
                });
                let shard = shard.filter(|(part, parts)| part < parts);
                many.campaign.shard = shard.ok_or_else(|| {
                    format!("--shard takes I/N with I from 1 to N, not {value:?}")
                })?;
            }
            "--out" => many.out = words.value(&option, "a folder")?.into(),
            "--results" => many.results = Some(words.value(&option, "a file")?.into()),
            "--all" => many.campaign.stop_at_failure = false,
            "--json" => many.json = true,
            other => return Err(no_option("campaign", other)),
        }
    }
    if many.time.is_none() && many.campaign.runs.is_none() {
        return Err("campaign needs --seconds N or --runs N, or it would not end".into());
    }
    if !scenarios.is_empty() {
        many.campaign.scenarios = scenarios;
    }
    Ok(Job::Campaign(many))
}

fn merge(mut words: Words<impl Iterator<Item = String>>) -> Result<Job, String> {
    let (mut files, mut json) = (Vec::new(), false);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--json" => json = true,
            option if option.starts_with('-') => return Err(no_option("merge", option)),
            file => files.push(file.into()),
        }
    }
    if files.is_empty() {
        return Err("merge needs the files that campaign --results wrote".into());
    }
    Ok(Job::Merge { files, json })
}
