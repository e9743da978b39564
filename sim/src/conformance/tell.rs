//! Cases about tells.

use super::Case;
use super::report::Outcome;
use super::trial::Trial;
use tellask::Addr;

pub(super) fn cases<A: Addr>() -> Vec<Case<A>> {
    vec![Case {
        name: "tell: every pair",
        checks: "each of eight nodes is heard by each other one",
        nodes: 8,
        play: every_pair,
    }]
}

fn every_pair<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    for from in 0..trial.nodes() {
        for to in (0..trial.nodes()).filter(|to| *to != from) {
            let post = trial.post(from, to)?;
            if !trial.deliver(&[post])?.is_empty() {
                return Err(format!("node {to} never hears node {from}").into());
            }
        }
    }
    Ok(())
}
