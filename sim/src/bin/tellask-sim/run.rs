//! `list` and `run`.

use crate::args::{Run, What};
use crate::out::print;
use crate::{Failure, json, plans};
use tellask_sim::campaign;
use tellask_sim::plan::{MAX_NODES, generate};
use tellask_sim::scenario::{Report, SCENARIOS, Scenario, Settings};

pub(crate) fn list() -> Result<(), Failure> {
    let mut text = String::from("Played by plans, in campaigns:\n");
    for scenario in campaign::SCENARIOS {
        text.push_str(&format!("  {:<18} {}\n", scenario.menu().scenario, scenario.about()));
    }
    text.push_str("Played as they are:\n");
    for Scenario { name, about, .. } in SCENARIOS {
        text.push_str(&format!("  {name:<18} {about}\n"));
    }
    print(text)
}

pub(crate) fn run(run: &Run) -> Result<(), Failure> {
    let scenario = match run.what {
        What::Fixed(scenario) => return fixed(scenario, run),
        What::Planned(scenario) => scenario,
    };
    let Settings { nodes, seconds, suite, .. } = run.settings;
    let mut plan = generate(&scenario.menu(), run.seed);
    // What plays it again says all that was said.
    let mut command = format!("tellask-sim run {} --seed {}", plan.scenario, run.seed);
    if run.suite {
        plan.suite = suite;
        command.push_str(&format!(" --suite {suite}"));
    }
    if let Some(nodes) = nodes {
        plans::tale_has_no(scenario, "choice of --nodes")?;
        if nodes > MAX_NODES {
            return Err(format!("--nodes takes {MAX_NODES} at the most, not {nodes}").into());
        }
        let all: Vec<u32> = (0..nodes).collect();
        plan = plan.with_nodes(&all);
        plan.nodes.clone_from(&all);
        plan.core = all;
        command.push_str(&format!(" --nodes {nodes}"));
    }
    if let Some(seconds) = seconds {
        plans::tale_has_no(scenario, "choice of --seconds")?;
        plan.phase = core::time::Duration::from_secs(seconds);
        command.push_str(&format!(" --seconds {seconds}"));
    }
    plan.check()?;
    if run.only_plan {
        return print(plan);
    }
    plans::show(scenario, &plan, &run.views, &command)
}

fn fixed(scenario: &Scenario, run: &Run) -> Result<(), Failure> {
    let report = (scenario.run)(&run.settings, run.seed);
    let Report { name, seed, trace, .. } = report;
    if run.views.json {
        print(format_args!(
            "{{\"scenario\":{},\"seed\":{seed},\"hash\":{},\"ok\":{},\"figures\":{},\"bins\":{},\"marks\":[],\"violations\":{}}}\n",
            json::quoted(name),
            json::quoted(&trace.to_string()),
            report.is_ok(),
            json::numbers(report.figures.iter().copied()),
            json::numbers(&report.bins),
            json::list(&report.violations),
        ))?;
    } else {
        print(format_args!("{report}\n{trace}\n"))?;
    }
    if report.is_ok() { Ok(()) } else { Err(Failure::Found) }
}
