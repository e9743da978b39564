//! One run of a script of calls, and what came of each.

use super::dump::{Counters, Dump};
use super::{Call, CallOf, Subject, Violation};
use core::fmt::Debug;
use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use tellask::{Instant, Layer, Seed};

/// What each call brought out, as text, and the state after it.
pub(super) struct Run {
    steps: Vec<Step>,
}

#[derive(PartialEq, Eq)]
struct Step {
    transmits: Vec<String>,
    events: Vec<String>,
    dump: Dump,
    due: Option<Instant>,
}

/// So many calls in a row that each find a timer due and leave it later: it is put off for ever.
const PUT_OFF: u32 = 12;
/// Meanwhile polled every so many calls only, so that queues fill up and drain.
const BURST: usize = 24;
/// Where hardly anybody polls, every so many calls one output of either side is taken.
const LAZY: usize = 7;

/// A run in progress, with everything watched.
struct Watch<'a, S: Subject> {
    subject: &'a S,
    seed: u64,
    step: usize,
    now: Instant,
    layer: S::Layer,
    bounds: Vec<(String, u64)>,
    forbidden: Vec<String>,
}

impl Run {
    /// Runs the script without a look at the single calls, draining one side first, or in turns
    /// with questions in between. `None` where the layer panicked.
    pub(super) fn polled<S: Subject>(
        subject: &S,
        seed: u64,
        calls: &[CallOf<S::Layer>],
        in_turns: bool,
    ) -> Option<Self> {
        let run = || {
            let mut layer = subject.make(&Seed::from_u64(seed));
            let mut now = Instant::ZERO;
            let step = |call| {
                perform(&mut layer, &mut now, call);
                if in_turns { drain_in_turns(&mut layer) } else { drain(&mut layer) }
            };
            Self { steps: calls.iter().map(step).collect() }
        };
        catch_unwind(AssertUnwindSafe(run)).ok()
    }

    /// Where two runs differ, a law is broken.
    pub(super) fn compare(&self, other: Option<Self>, law: u8, seed: u64) -> Result<(), Violation> {
        let Some(other) = other else { return Ok(()) };
        let pairs = self.steps.iter().zip(&other.steps);
        let Some(step) = pairs.into_iter().position(|(a, b)| a != b) else { return Ok(()) };
        let (a, b) = (&self.steps[step], &other.steps[step]);
        let what = format!(
            "two runs of the same calls differ: {:?} and {:?}, {:?} and {:?}, due {:?} and {:?}, state in {:?}",
            a.transmits,
            b.transmits,
            a.events,
            b.events,
            a.due,
            b.due,
            a.dump.difference(&b.dump),
        );
        Err(Violation { law, seed, step, what })
    }
}

/// Runs the calls of one kind where each comes when a timer is due, and before its time-out is handled:
/// a timer that every such call puts off is never handled under steady traffic (law 3).
///
/// A single call may do what was due, or end what it was for, so that the next timer is a later one:
/// only a row of them tells.
pub(super) fn put_off<S: Subject>(
    subject: &S,
    seed: u64,
    calls: &[CallOf<S::Layer>],
    of_kind: fn(&CallOf<S::Layer>) -> bool,
) -> Result<(), Violation> {
    let run = || {
        let mut layer = subject.make(&Seed::from_u64(seed));
        let opening = subject.opening(&Seed::from_u64(seed)).len();
        let (mut now, mut row) = (Instant::ZERO, 0);
        for (step, call) in calls.iter().enumerate() {
            if step >= opening && !of_kind(call) {
                continue;
            }
            let due = layer.poll_timeout();
            now = due.map_or(now, |due| now.max(due));
            perform(&mut layer, &mut now, call);
            if step % BURST == 0 {
                drain(&mut layer);
            }
            row = match (due, layer.poll_timeout()) {
                (Some(_), Some(later)) if later > now => row + 1,
                _ => 0,
            };
            if row >= PUT_OFF {
                let what = format!("each of {row} calls found a timer due and left it later");
                return Err(Violation { law: 3, seed, step, what });
            }
            if row == 0 {
                layer.handle_timeout(now);
            }
        }
        Ok(())
    };
    guarded(seed, run)
}

/// Runs the script where hardly anybody polls: what piles up stays within its bounds (law 6).
pub(super) fn lazy<S: Subject>(
    subject: &S,
    seed: u64,
    calls: &[CallOf<S::Layer>],
) -> Result<(), Violation> {
    let run = || {
        let mut watch = Watch::new(subject, seed);
        for (step, call) in calls.iter().enumerate() {
            watch.step = step;
            perform(&mut watch.layer, &mut watch.now, call);
            watch.held(&Dump::of(&watch.layer))?;
            if step % LAZY == 0 {
                watch.layer.poll_transmit();
                watch.layer.poll_event();
            }
        }
        Ok(())
    };
    guarded(seed, run)
}

/// A panic that single calls do not show, with everything polled in between, is one all the same.
fn guarded(seed: u64, run: impl FnOnce() -> Result<(), Violation>) -> Result<(), Violation> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
        let what = "panicked where not everything is polled at once".into();
        Err(Violation { law: 4, seed, step: 0, what })
    })
}

/// Runs the script and checks at each call the laws that a single call can break.
pub(super) fn watch<S: Subject>(
    subject: &S,
    seed: u64,
    calls: &[CallOf<S::Layer>],
) -> Result<(), Violation> {
    let mut watch = Watch::new(subject, seed);
    for (step, call) in calls.iter().enumerate() {
        watch.step = step;
        watch.call(call)?;
    }
    Ok(())
}

fn perform<L: Layer>(layer: &mut L, now: &mut Instant, call: &CallOf<L>)
where
    L::Input: Clone,
    L::Command: Clone,
{
    match call {
        Call::Wait(time) => *now = *now + *time,
        Call::Input(input) | Call::Hostile(input) => layer.handle_input(*now, input.clone()),
        Call::Command(command) => layer.handle_command(*now, command.clone()),
        Call::Timeout => layer.handle_timeout(*now),
    }
}

fn drain<L: Layer<Transmit: Debug, Event: Debug>>(layer: &mut L) -> Step {
    let mut transmits = Vec::new();
    while let Some(transmit) = layer.poll_transmit() {
        transmits.push(format!("{transmit:?}"));
    }
    let mut events = Vec::new();
    while let Some(event) = layer.poll_event() {
        events.push(format!("{event:?}"));
    }
    Step { transmits, events, dump: Dump::of(layer), due: layer.poll_timeout() }
}

/// Events first, one of each in turn, and questions that change nothing in between.
fn drain_in_turns<L: Layer<Transmit: Debug, Event: Debug>>(layer: &mut L) -> Step {
    let (mut transmits, mut events) = (Vec::new(), Vec::new());
    loop {
        let event = layer.poll_event();
        let _ = layer.poll_timeout();
        let transmit = layer.poll_transmit();
        let _ = (layer.poll_timeout(), Dump::of(layer));
        if event.is_none() && transmit.is_none() {
            break;
        }
        events.extend(event.map(|event| format!("{event:?}")));
        transmits.extend(transmit.map(|transmit| format!("{transmit:?}")));
    }
    // Nothing is left: to ask again must not bring anything about.
    for _ in 0..2 {
        transmits.extend(layer.poll_transmit().map(|late| format!("late {late:?}")));
        events.extend(layer.poll_event().map(|late| format!("late {late:?}")));
    }
    Step { transmits, events, dump: Dump::of(layer), due: layer.poll_timeout() }
}

impl<'a, S: Subject> Watch<'a, S> {
    fn new(subject: &'a S, seed: u64) -> Self {
        let mut layer = subject.make(&Seed::from_u64(seed));
        // What it has to say of itself is not the first call's doing.
        drain(&mut layer);
        Self {
            subject,
            seed,
            step: 0,
            now: Instant::ZERO,
            layer,
            bounds: subject.bounds(),
            forbidden: subject.secrets().iter().flat_map(|secret| spellings(secret)).collect(),
        }
    }

    fn broken(&self, law: u8, what: String) -> Violation {
        Violation { law, seed: self.seed, step: self.step, what }
    }

    fn call(&mut self, call: &CallOf<S::Layer>) -> Result<(), Violation> {
        let due_before = self.layer.poll_timeout();
        let (before, counters) = Dump::with_counters(&self.layer);
        let (layer, now) = (&mut self.layer, &mut self.now);
        let called = catch_unwind(AssertUnwindSafe(|| {
            perform(layer, now, call);
            drain(layer)
        }));
        let Ok(after) = called else {
            return Err(self.broken(4, format!("panicked at {call:?}")));
        };
        self.armed_later(call, due_before)?;
        if let Call::Hostile(input) = call {
            let input = format!("{input:?}");
            self.rejected(&input, &before, due_before, &counters, &after)?;
        }
        if matches!(call, Call::Timeout) && due_before.is_none_or(|due| due > self.now) {
            self.nothing(3, "an early time-out", &before, due_before, &after)?;
        }
        self.bounded(&after)?;
        self.discreet(&after)?;
        self.repeated_timeout(call, &after)
    }

    /// Law 3: nothing is armed at or before now, but for what was due already.
    fn armed_later(
        &self,
        call: &CallOf<S::Layer>,
        due_before: Option<Instant>,
    ) -> Result<(), Violation> {
        let was_due = due_before.is_some_and(|due| due <= self.now);
        let excused = was_due && !matches!(call, Call::Timeout);
        match self.layer.poll_timeout() {
            Some(due) if due <= self.now && !excused && !matches!(call, Call::Wait(_)) => {
                let what = format!("at {} a timer is armed at {due}, after {call:?}", self.now);
                Err(self.broken(3, what))
            }
            _ => Ok(()),
        }
    }

    /// Law 3: a second time-out at the same time does nothing.
    fn repeated_timeout(&mut self, call: &CallOf<S::Layer>, after: &Step) -> Result<(), Violation> {
        if !matches!(call, Call::Timeout) {
            return Ok(());
        }
        self.layer.handle_timeout(self.now);
        let again = drain(&mut self.layer);
        self.nothing(3, "a repeated time-out", &after.dump, after.due, &again)
    }

    /// Law 4: a rejection changes nothing, brings nothing out, and is counted.
    fn rejected(
        &self,
        input: &str,
        before: &Dump,
        due_before: Option<Instant>,
        counters: &Counters,
        after: &Step,
    ) -> Result<(), Violation> {
        self.nothing(4, &format!("the hostile input {input}"), before, due_before, after)?;
        let (_, counted) = Dump::with_counters(&self.layer);
        if counted.iter().any(|(name, value)| counters.get(name) < Some(value)) {
            return Ok(());
        }
        Err(self.broken(4, format!("no counter tells of the rejected {input}")))
    }

    fn nothing(
        &self,
        law: u8,
        what: &str,
        before: &Dump,
        due_before: Option<Instant>,
        after: &Step,
    ) -> Result<(), Violation> {
        if after.due != due_before {
            let due = after.due;
            return Err(
                self.broken(law, format!("{what} moved a timer, {due_before:?} to {due:?}"))
            );
        }
        if !after.transmits.is_empty() || !after.events.is_empty() {
            let (transmits, events) = (&after.transmits, &after.events);
            return Err(
                self.broken(law, format!("{what} brought out {transmits:?} and {events:?}"))
            );
        }
        if after.dump != *before {
            let names = before.difference(&after.dump);
            return Err(self.broken(law, format!("{what} changed {names:?}")));
        }
        Ok(())
    }

    /// Laws 6 and 7.
    fn bounded(&self, after: &Step) -> Result<(), Violation> {
        self.held(&after.dump)?;
        let outputs = after.transmits.len() + after.events.len();
        if outputs > self.subject.outputs_per_call() {
            return Err(self.broken(7, format!("one call brought out {outputs} things")));
        }
        Ok(())
    }

    /// Law 6.
    fn held(&self, dump: &Dump) -> Result<(), Violation> {
        for (name, most) in &self.bounds {
            let value = dump.gauge(name);
            if value > *most {
                return Err(self.broken(6, format!("{name} is {value}, above {most}")));
            }
        }
        Ok(())
    }

    /// Law 8.
    fn discreet(&self, after: &Step) -> Result<(), Violation> {
        if self.forbidden.is_empty() {
            return Ok(());
        }
        let layer = [format!("{:?}", self.layer), format!("{:#?}", self.layer)];
        for text in layer.iter().chain(&after.transmits).chain(&after.events) {
            let text = text.to_lowercase().replace([' ', '\n'], "");
            if let Some(spelling) = self.forbidden.iter().find(|spelling| text.contains(*spelling))
            {
                return Err(self.broken(8, format!("a secret is printed as {spelling}")));
            }
        }
        Ok(())
    }
}

/// How bytes are commonly printed, in lower case and without spaces.
fn spellings(secret: &[u8]) -> Vec<String> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let list: Vec<String> = secret.iter().map(u8::to_string).collect();
    let hex_list: Vec<String> = secret.iter().map(|byte| format!("0x{byte:02x}")).collect();
    let escaped: String =
        secret.iter().flat_map(|byte| core::ascii::escape_default(*byte)).map(char::from).collect();
    vec![hex, list.join(","), hex_list.join(","), escaped.to_lowercase()]
}
