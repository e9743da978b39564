//! A plan that fails as a test that a person can read and paste.

use super::Played;
use crate::plan::Plan;
use core::fmt::Write as _;

/// The text of a test that plays the plan and fails as it did. It needs the crate `tellask-sim` and nothing else.
#[must_use]
pub fn test_of(plan: &Plan, played: &Played) -> String {
    let mut text = String::new();
    let name: String = plan.scenario.chars().map(|c| if c == '-' { '_' } else { c }).collect();
    for violation in played.violations.iter().take(3) {
        let line: String = violation.chars().filter(|c| !c.is_control()).take(160).collect();
        let _ = writeln!(text, "// {line}");
    }
    let _ = writeln!(text, "#[test]\nfn {name}_of_seed_{}() {{", plan.seed);
    let _ = writeln!(text, "    let plan = \"");
    for line in plan.to_string().lines() {
        let _ = writeln!(text, "        {line}");
    }
    let _ = writeln!(text, "    \";");
    text.push_str("    let plan = plan.parse().expect(\"it is a plan\");\n");
    text.push_str(
        "    let played = tellask_sim::campaign::replay(&plan).expect(\"it is known\");\n",
    );
    text.push_str("    assert!(played.is_ok(), \"{played}\");\n}\n");
    text
}
