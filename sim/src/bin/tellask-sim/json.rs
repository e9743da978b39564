//! Objects for scripts.

use core::fmt::Display;
use tellask_sim::campaign::{Played, Results, SCENARIOS};

/// A text in quotes.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

pub(crate) fn list<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    let items: Vec<_> = texts.into_iter().map(|text| quoted(text.as_ref())).collect();
    format!("[{}]", items.join(","))
}

/// Names and numbers.
pub(crate) fn numbers<K: AsRef<str>, N: Display>(
    items: impl IntoIterator<Item = (K, N)>,
) -> String {
    let items: Vec<_> = items
        .into_iter()
        .map(|(name, number)| format!("{}:{number}", quoted(name.as_ref())))
        .collect();
    format!("{{{}}}", items.join(","))
}

/// One run.
pub(crate) fn played(scenario: &str, seed: u64, played: &Played) -> String {
    format!(
        "{{\"scenario\":{},\"seed\":{seed},\"hash\":{},\"ok\":{},\"bins\":{},\"marks\":{},\"violations\":{}}}",
        quoted(scenario),
        quoted(&played.trace.to_string()),
        played.is_ok(),
        numbers(&played.bins),
        list(&played.marks),
        list(&played.violations),
    )
}

/// Many runs.
pub(crate) fn results(results: &Results) -> String {
    let scenarios: Vec<_> = results
        .scenarios
        .iter()
        .map(|(name, tallied)| {
            format!(
                "{}:{{\"runs\":{},\"bins\":{},\"marks\":{}}}",
                quoted(name),
                tallied.runs,
                numbers(&tallied.bins),
                numbers(&tallied.marks)
            )
        })
        .collect();
    let failures: Vec<_> = results
        .failures
        .iter()
        .map(|(name, seed, what)| {
            format!(
                "{{\"scenario\":{},\"seed\":{seed},\"violation\":{}}}",
                quoted(name),
                quoted(what)
            )
        })
        .collect();
    let blind: Vec<_> = results
        .blind(SCENARIOS)
        .iter()
        .map(|(name, mark)| quoted(&format!("{name}: {mark}")))
        .collect();
    format!(
        "{{\"ok\":{},\"runs\":{},\"scenarios\":{{{}}},\"failures\":[{}],\"never_reached\":[{}]}}",
        results.is_ok(SCENARIOS),
        results.runs(),
        scenarios.join(","),
        failures.join(","),
        blind.join(",")
    )
}
