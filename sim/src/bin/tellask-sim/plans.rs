//! Plans: played, shown, and made smaller.

use crate::args::Views;
use crate::out::{create, print, ready, said_of, tell, write};
use crate::{Failure, json};
use core::time::Duration;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;
use tellask_sim::campaign::{self, Look, Played, Scenario, find, test_of};
use tellask_sim::plan::Plan;

/// The plan in a file, and its scenario.
fn read(file: &Path) -> Result<(Plan, &'static dyn Scenario), String> {
    let text = std::fs::read_to_string(file).map_err(said_of(file))?;
    let plan: Plan = text.parse().map_err(|why| format!("{}: {why}", file.display()))?;
    let scenario = find(&plan.scenario)
        .ok_or_else(|| format!("{}: no scenario is called {:?}", file.display(), plan.scenario))?;
    Ok((plan, scenario))
}

/// What stands in front of the plan of a run that failed.
pub(crate) fn file_of(plan: &Plan, played: &Played) -> String {
    let mut text = format!("# tellask-sim {}\n", env!("CARGO_PKG_VERSION"));
    for violation in &played.violations {
        text.push_str(&format!("# {}\n", violation.replace(['\n', '\r'], " ")));
    }
    text.push_str(&format!("# trace {}\n{plan}", played.trace));
    text
}

pub(crate) fn replay(file: &Path, views: &Views) -> Result<(), Failure> {
    let (plan, scenario) = read(file)?;
    show(scenario, &plan, views, &format!("tellask-sim replay {}", file.display()))
}

/// Plays a plan, says what it came to, and writes what is wanted of it. `command` plays it again.
pub(crate) fn show(
    scenario: &dyn Scenario,
    plan: &Plan,
    views: &Views,
    command: &str,
) -> Result<(), Failure> {
    let (played, written) = if views.exports.is_empty() {
        (campaign::play(scenario, plan, Look::default()), Ok(()))
    } else {
        tale_has_no(scenario, "--report or --export: nothing looks on while it is told")?;
        let open = views.exports.iter().map(|(export, file)| Ok((export, file, create(file)?)));
        let open: Vec<_> = open.collect::<Result<_, String>>()?;
        let (played, recording) = campaign::watch(scenario, plan, command);
        let written = open.into_iter().try_for_each(|(export, file, out)| {
            let mut out = BufWriter::new(out);
            let done = export.write(&recording, &mut out).and_then(|()| out.flush());
            done.map_err(said_of(file))
        });
        (played, written)
    };
    if views.json {
        print(format_args!("{}\n", json::played(&plan.scenario, plan.seed, &played)))?;
    } else {
        let Plan { scenario, seed, .. } = plan;
        print(format_args!("{scenario}, seed {seed}\n{played}\n{}\n", played.trace))?;
    }
    written?;
    if played.is_ok() { Ok(()) } else { Err(Failure::Found) }
}

/// Refuses what a tale does not do, in words that go on from there.
pub(crate) fn tale_has_no(scenario: &dyn Scenario, what: &str) -> Result<(), String> {
    if scenario.follows_plans() {
        return Ok(());
    }
    Err(format!("{} is a tale of its seed alone: it has no {what}", scenario.menu().scenario))
}

pub(crate) fn shrink(file: &Path, seconds: u64, out: Option<&Path>) -> Result<(), Failure> {
    let (plan, scenario) = read(file)?;
    let (began, time) = (Instant::now(), Duration::from_secs(seconds));
    let out =
        out.map_or_else(|| PathBuf::from(format!("{}.small", file.display())), Path::to_path_buf);
    // What is tried may panic, and says so each time: once is enough.
    std::panic::set_hook(Box::new(|_| {}));
    let fails = !campaign::play(scenario, &plan, Look::default()).is_ok();
    let opened = if fails { ready(&out).map(|_| ()) } else { Ok(()) };
    let shrunk = opened.map(|()| campaign::shrink(scenario, &plan, || began.elapsed() < time));
    let _ = std::panic::take_hook();
    let shrunk = shrunk?.ok_or_else(|| format!("{}: this plan does not fail", file.display()))?;
    let written = write(&out, &file_of(&shrunk.plan, &shrunk.played));
    tell(format_args!(
        "{} runs in {:.1} s{}: {} nodes, {} steps and verdicts, in {}\n",
        shrunk.runs,
        began.elapsed().as_secs_f64(),
        if shrunk.complete { "" } else { ", and there is more to try" },
        shrunk.plan.nodes.len(),
        shrunk.plan.size(),
        out.display(),
    ));
    print(test_of(&shrunk.plan, &shrunk.played))?;
    Ok(written?)
}
