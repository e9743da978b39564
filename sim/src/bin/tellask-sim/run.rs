//! `list` and `run`.

use crate::args::{Run, What};
use crate::{Failure, json, plans};
use tellask_sim::campaign;
use tellask_sim::plan::generate;
use tellask_sim::scenario::{Report, SCENARIOS, Scenario};

pub(crate) fn list() {
    println!("Played by plans, in campaigns:");
    for scenario in campaign::SCENARIOS {
        println!("  {:<18} {}", scenario.menu().scenario, scenario.about());
    }
    println!("Played as they are:");
    for Scenario { name, about, .. } in SCENARIOS {
        println!("  {name:<18} {about}");
    }
}

pub(crate) fn run(run: &Run) -> Result<(), Failure> {
    match run.what {
        What::Fixed(scenario) => fixed(scenario, run),
        What::Planned(scenario) => {
            let mut plan = generate(&scenario.menu(), run.seed);
            if run.suite {
                plan.suite = run.settings.suite;
            }
            if let Some(nodes) = run.settings.nodes {
                let all: Vec<u32> = (0..nodes).collect();
                plan = plan.with_nodes(&all);
                plan.nodes.clone_from(&all);
                plan.core = all;
            }
            if let Some(seconds) = run.settings.seconds {
                plan.phase = core::time::Duration::from_secs(seconds);
            }
            plan.check()?;
            if run.only_plan {
                print!("{plan}");
                return Ok(());
            }
            let command = format!("tellask-sim run {} --seed {}", plan.scenario, run.seed);
            plans::show(scenario, &plan, &run.views, &command)
        }
    }
}

fn fixed(scenario: &Scenario, run: &Run) -> Result<(), Failure> {
    let report = (scenario.run)(&run.settings, run.seed);
    let Report { name, seed, trace, .. } = report;
    if run.views.json {
        println!(
            "{{\"scenario\":{},\"seed\":{seed},\"hash\":{},\"ok\":{},\"figures\":{},\"bins\":{},\"marks\":[],\"violations\":{}}}",
            json::quoted(name),
            json::quoted(&trace.to_string()),
            report.is_ok(),
            json::numbers(report.figures.iter().copied()),
            json::numbers(&report.bins),
            json::list(&report.violations),
        );
    } else {
        println!("{report}\n{trace}");
    }
    if report.is_ok() { Ok(()) } else { Err(Failure::Found) }
}
