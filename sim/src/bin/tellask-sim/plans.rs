//! Plans: played, shown, and made smaller.

use crate::args::Views;
use crate::{Failure, json};
use core::time::Duration;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;
use tellask_sim::campaign::{self, Look, Played, Scenario, find, test_of};
use tellask_sim::plan::Plan;

/// The plan in a file, and its scenario.
fn read(file: &Path) -> Result<(Plan, &'static dyn Scenario), String> {
    let text = std::fs::read_to_string(file).map_err(|why| format!("{}: {why}", file.display()))?;
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

pub(crate) fn write(file: &Path, text: &str) -> Result<(), String> {
    std::fs::write(file, text).map_err(|why| format!("{}: {why}", file.display()))
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
    let played = if views.exports.is_empty() {
        campaign::play(scenario, plan, Look::default())
    } else {
        let (played, recording) = campaign::watch(scenario, plan, command);
        for (export, file) in &views.exports {
            let said = |why: std::io::Error| format!("{}: {why}", file.display());
            let mut out = BufWriter::new(File::create(file).map_err(said)?);
            export.write(&recording, &mut out).and_then(|()| out.flush()).map_err(said)?;
        }
        played
    };
    if views.json {
        println!("{}", json::played(&plan.scenario, plan.seed, &played));
    } else {
        println!("{}, seed {}\n{played}\n{}", plan.scenario, plan.seed, played.trace);
    }
    if played.is_ok() { Ok(()) } else { Err(Failure::Found) }
}

pub(crate) fn shrink(file: &Path, seconds: u64, out: Option<&Path>) -> Result<(), Failure> {
    let (plan, scenario) = read(file)?;
    let (began, time) = (Instant::now(), Duration::from_secs(seconds));
    // What is tried may panic, and says so each time: once is enough.
    std::panic::set_hook(Box::new(|_| {}));
    let shrunk = campaign::shrink(scenario, &plan, || began.elapsed() < time);
    let _ = std::panic::take_hook();
    let Some(shrunk) = shrunk else {
        return Err(Failure::Usage(format!("{}: this plan does not fail", file.display())));
    };
    let out =
        out.map_or_else(|| PathBuf::from(format!("{}.small", file.display())), Path::to_path_buf);
    write(&out, &file_of(&shrunk.plan, &shrunk.played))?;
    eprintln!(
        "{} runs in {:.1} s{}: {} nodes, {} steps and verdicts, in {}",
        shrunk.runs,
        began.elapsed().as_secs_f64(),
        if shrunk.complete { "" } else { ", and there is more to try" },
        shrunk.plan.nodes.len(),
        shrunk.plan.size(),
        out.display(),
    );
    print!("{}", test_of(&shrunk.plan, &shrunk.played));
    Ok(())
}
