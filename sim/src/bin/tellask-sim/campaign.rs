//! `campaign` and `merge`.

use crate::args::Many;
use crate::out::{print, said_of, tell, write};
use crate::{Failure, json, plans};
use core::time::Duration;
use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread::ThreadId;
use std::time::Instant;
use tellask_sim::campaign::{self, Look, Results, Run, SCENARIOS, find};
use tellask_sim::plan::Plan;

/// A run that takes longer than this hangs.
const HANGS: Duration = Duration::from_secs(60);

/// The runs that are being played, and since when.
type Playing = Mutex<BTreeMap<String, (Instant, Plan, u64)>>;

fn name_of(thread: ThreadId) -> String {
    format!("{thread:?}")
}

pub(crate) fn campaign(many: Many) -> Result<(), Failure> {
    let Many { campaign, time, out, results: results_file, json } = many;
    std::fs::create_dir_all(&out).map_err(said_of(&out))?;
    // Nothing is lost where this cannot be, and what an earlier campaign came to is not taken for this one.
    results_file.as_deref().map_or(Ok(()), |file| write(file, ""))?;
    let began = Instant::now();
    let playing = Playing::default();
    let done = Mutex::new(());
    // A panic is a finding, and is told as one.
    std::panic::set_hook(Box::new(|_| {}));
    let results = std::thread::scope(|scope| {
        let over = done.lock().unwrap_or_else(PoisonError::into_inner);
        scope.spawn(|| watch(&playing, &done, &out));
        let progress = Progress::new(began, time, campaign.runs);
        let results = campaign.run(
            || time.is_none_or(|time| began.elapsed() < time),
            |run| {
                let mut playing = playing.lock().unwrap_or_else(PoisonError::into_inner);
                let thread = name_of(std::thread::current().id());
                if run.played.is_none() {
                    playing.insert(thread, (Instant::now(), run.plan.clone(), run.number));
                } else {
                    playing.remove(&thread);
                    drop(playing);
                    progress.on_run(run);
                    on_played(run, &out);
                }
            },
        );
        progress.end();
        drop(over);
        results
    });
    let _ = std::panic::take_hook();
    let written = results_file.map_or(Ok(()), |file| write(&file, &results.to_string()));
    let said = say(&results, began.elapsed(), json);
    written?;
    said
}

pub(crate) fn merge(files: &[PathBuf], json: bool) -> Result<(), Failure> {
    let mut results = Results::default();
    for file in files {
        let said = |why: String| format!("{}: {why}", file.display());
        let text = std::fs::read_to_string(file).map_err(said_of(file))?;
        let part: Results = text.parse().map_err(said)?;
        if part.parts.is_none() {
            return Err(said("it does not say which part of a campaign it is".into()).into());
        }
        results.merge(part).map_err(said)?;
    }
    if let Some(parts) = &results.parts
        && let Some((count, first)) = parts.missing()
    {
        let what = format!("{count} parts of {} are missing, the first is {first}", parts.of);
        return Err(Failure::Usage(what));
    }
    say(&results, Duration::ZERO, json)
}

fn say(results: &Results, took: Duration, json: bool) -> Result<(), Failure> {
    if json {
        print(format_args!("{}\n", json::results(results)))?;
    } else {
        let mut text = results.to_string();
        for (name, mark) in results.blind(SCENARIOS) {
            text.push_str(&format!("never reached in {name}: {mark}\n"));
        }
        let (runs, seconds) = (results.runs(), took.as_secs_f64());
        if seconds > 0.0 {
            let rate = runs as f64 / seconds;
            text.push_str(&format!("{runs} runs in {seconds:.1} s, {rate:.0} a second\n"));
        }
        let (passed, failed) = (results.passed(), results.failures.len());
        print(format_args!("{text}{passed} passed, {failed} failed\n"))?;
    }
    if results.is_ok(SCENARIOS) { Ok(()) } else { Err(Failure::Found) }
}

/// Tells of a run that failed, and writes it down: with every verdict listed, so that it can be read and edited.
fn on_played(run: &Run<'_>, out: &Path) {
    let Some(played) = run.played.filter(|played| !played.is_ok()) else { return };
    let (name, seed) = (run.scenario, run.seed);
    let first = played.violations.first().map_or("", String::as_str);
    tell(format_args!("failed: {name} seed {seed} after {} runs: {first}\n", run.number));
    let Some(scenario) = find(name) else { return };
    let mut plan = run.plan.clone();
    let kept = campaign::play(scenario, &plan, Look::at_verdicts());
    plan.verdicts = Some(kept.verdicts);
    // A panic leaves no verdicts behind: then they are drawn as they were.
    if campaign::play(scenario, &plan, Look::default()).trace != played.trace {
        plan.verdicts = None;
    }
    let file = out.join(format!("{name}-{seed}.plan"));
    match write(&file, &plans::file_of(&plan, played)) {
        Ok(()) => {
            let file = file.display();
            tell(format_args!("tellask-sim replay {file}\ntellask-sim shrink {file}\n"));
        }
        Err(wrong) => tell(format_args!("tellask-sim: {wrong}\n")),
    }
}

/// Ends the command where a run hangs: nothing else can stop it.
fn watch(playing: &Playing, done: &Mutex<()>, out: &Path) {
    while done.try_lock().is_err() {
        std::thread::sleep(Duration::from_millis(100));
        let playing = playing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((_, plan, number)) = playing.values().find(|(since, ..)| since.elapsed() > HANGS)
        else {
            continue;
        };
        let (name, seed) = (&plan.scenario, plan.seed);
        tell(format_args!("failed: {name} seed {seed} after {number} runs: it does not end\n"));
        let file = out.join(format!("{name}-{seed}.plan"));
        if let Err(wrong) = write(&file, &format!("# it does not end\n{plan}")) {
            tell(format_args!("tellask-sim: {wrong}\n"));
        }
        let _ = print(format_args!("{} passed, 1 failed\n", number - 1));
        std::process::exit(1);
    }
}

/// A line on a terminal that says how far it is.
struct Progress {
    began: Instant,
    time: Option<Duration>,
    runs: Option<u64>,
    shown: Option<Mutex<Instant>>,
}

impl Progress {
    fn new(began: Instant, time: Option<Duration>, runs: Option<u64>) -> Self {
        let shown = std::io::stderr().is_terminal().then(|| Mutex::new(began));
        Self { began, time, runs, shown }
    }

    fn on_run(&self, run: &Run<'_>) {
        let Some(shown) = &self.shown else { return };
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        if shown.elapsed() < Duration::from_millis(200) {
            return;
        }
        *shown = Instant::now();
        let elapsed = self.began.elapsed().as_secs_f64();
        let of = match (self.runs, self.time) {
            (Some(runs), _) => format!(" of {runs}"),
            (None, Some(time)) => format!(", {elapsed:.0} of {} s", time.as_secs()),
            (None, None) => String::new(),
        };
        let rate = run.number as f64 / elapsed;
        let Run { number, scenario, seed, .. } = run;
        tell(format_args!("\r\x1b[K{number} runs{of}, {rate:.0} a second, {scenario} {seed}"));
    }

    fn end(&self) {
        if self.shown.is_some() {
            tell("\r\x1b[K");
        }
    }
}
