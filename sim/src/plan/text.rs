//! Plans as text.

use super::units::{Odds, Span, odds, span};
use super::{Fault, Plan, Step, Traffic};
use crate::net::{Append, Burst, Chance, Faults, Flip, Loss, Passage, Passing};
use crate::net::{SamplesId, Spoil, Spread, Verdict, Verdicts};
use core::fmt;
use core::str::FromStr;
use core::time::Duration;
use std::collections::BTreeSet;
use tellask::MemoryAddr;

/// The first line of a plan.
const HEADER: &str = "tellask-plan 1";

/// Of these a plan may have several lines.
const MANY: [&str; 3] = ["way", "at", "verdict"];

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}\nscenario {}\nseed {}", self.scenario, self.seed)?;
        writeln!(f, "suite {}\nnodes{}", self.suite, List(&self.nodes))?;
        writeln!(f, "core{}\nphase {}", List(&self.core), Span(self.phase))?;
        writeln!(f, "every {}", Span(self.traffic.every))?;
        if let Some(most) = self.traffic.most {
            writeln!(f, "most {most}")?;
        }
        for (src, dst) in &self.traffic.ways {
            writeln!(f, "way {src} {dst}")?;
        }
        for step in &self.steps {
            writeln!(f, "{step}")?;
        }
        if let Some(verdicts) = &self.verdicts {
            for (Passing { src, dst, number }, verdict) in verdicts {
                writeln!(f, "verdict {} {} {number} {}", src.0, dst.0, Words(verdict))?;
            }
            writeln!(f, "listed")?;
        }
        Ok(())
    }
}

struct List<'a>(&'a [u32]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|number| write!(f, " {number}"))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {} {}", Span(self.at), self.what)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Net(faults) => write!(f, "net {}", Conditions(faults)),
            Self::Link(src, dst, faults) => write!(f, "link {src} {dst} {}", Conditions(faults)),
            Self::Cut(src, dst) => write!(f, "cut {src} {dst}"),
            Self::Mend(src, dst) => write!(f, "mend {src} {dst}"),
            Self::Split(nodes) => write!(f, "split{}", List(nodes)),
            Self::MendAll => f.write_str("mend"),
            Self::Crash(node) => write!(f, "crash {node}"),
            Self::Start(node) => write!(f, "start {node}"),
            Self::Replay(src, dst, count) => write!(f, "replay {src} {dst} {count}"),
            Self::Bounce(src, dst, count) => write!(f, "bounce {src} {dst} {count}"),
            Self::Noise(src, dst, len) => write!(f, "noise {src} {dst} {len}"),
            Self::Mtu(mtu) => write!(f, "mtu {mtu}"),
            Self::Clock(node, seconds) => write!(f, "clock {node} {seconds}"),
            Self::Drift(node, ppm) => write!(f, "drift {node} {ppm}"),
            Self::Jump(node, by) => write!(f, "jump {node} {}", Span(*by)),
            Self::Pause(node) => write!(f, "pause {node}"),
            Self::Resume(node) => write!(f, "resume {node}"),
            Self::Slow(node, each) => write!(f, "slow {node} {}", Span(*each)),
            Self::Roam(node, site) => write!(f, "roam {node} {site}"),
        }
    }
}

/// The faults of a way, but for those that never happen.
struct Conditions<'a>(&'a Faults);

impl fmt::Display for Conditions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults = self.0;
        write!(f, "delay {}", Span(faults.delay))?;
        for (name, time) in [("jitter", faults.jitter), ("by", faults.reorder_by)] {
            if !time.is_zero() {
                write!(f, " {name} {}", Span(time))?;
            }
        }
        let chances = [
            ("loss", faults.loss),
            ("duplicate", faults.duplicate),
            ("reorder", faults.reorder),
            ("flip", faults.flip),
            ("truncate", faults.truncate),
            ("append", faults.append),
        ];
        for (name, chance) in chances {
            if chance.in_millionths() > 0 {
                write!(f, " {name} {}", Odds(chance))?;
            }
        }
        match faults.spread {
            Spread::None => {}
            Spread::Exponential { mean } => write!(f, " exponential {}", Span(mean))?,
            Spread::LogNormal { median, sigma } => {
                write!(f, " lognormal {} {sigma}", Span(median))?
            }
            Spread::Samples(SamplesId(nth)) => write!(f, " samples {nth}")?,
            Spread::Series(SamplesId(nth)) => write!(f, " series {nth}")?,
        }
        if faults.burst != Burst::NONE {
            let Burst { begins, ends, loss } = faults.burst;
            write!(f, " burst {} {} {}", Odds(begins), Odds(ends), Odds(loss))?;
        }
        Ok(())
    }
}

/// A verdict in words.
struct Words<'a>(&'a Verdict);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, passage) in self.0.passages().enumerate() {
            if nth > 0 {
                f.write_str(" and ")?;
            }
            match passage {
                Passage::Lost(Loss::Random) => f.write_str("lost")?,
                Passage::Lost(loss) => write!(f, "lost {}", loss.name().replace(' ', "-"))?,
                Passage::Arrives { after, spoil } => {
                    write!(f, "after {}", Span(after))?;
                    if let Some(keep) = spoil.keep {
                        write!(f, " keep {keep}")?;
                    }
                    if let Some(Flip { first, bits }) = spoil.flip {
                        write!(f, " flip {first}+{bits}")?;
                    }
                    if let Some(Append { bytes, seed }) = spoil.append {
                        write!(f, " append {bytes}x{seed:x}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// What is wrong with the text of a plan, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError {
    /// The line, from one on; zero where it is the plan as a whole.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.what),
            line => write!(f, "line {line}: {}", self.what),
        }
    }
}

impl core::error::Error for PlanError {}

impl FromStr for Plan {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let mut lines = (1..).zip(text.lines().map(str::trim));
        let mut lines =
            lines.by_ref().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        if lines.next().is_none_or(|(_, line)| line != HEADER) {
            return Err(PlanError { line: 1, what: format!("a plan begins with `{HEADER}`") });
        }
        let mut plan = Self {
            scenario: String::new(),
            seed: 0,
            suite: crate::scenario::Suite::Toy,
            nodes: Vec::new(),
            core: Vec::new(),
            phase: Duration::ZERO,
            traffic: Traffic { every: Duration::from_millis(200), most: None, ways: Vec::new() },
            steps: Vec::new(),
            verdicts: None,
        };
        let mut verdicts = Verdicts::new();
        let mut listed = false;
        let mut once = BTreeSet::new();
        for (line, text) in lines {
            let mut words = Line(text.split_whitespace());
            let of = text.split_whitespace().next().filter(|of| !MANY.contains(of));
            if let Some(of) = of.filter(|of| !once.insert(*of)) {
                return Err(PlanError { line, what: format!("{of:?} is said a second time") });
            }
            plan.read(&mut words, &mut verdicts, &mut listed)
                .and_then(|()| words.end())
                .map_err(|what| PlanError { line, what })?;
        }
        if !verdicts.is_empty() && !listed {
            let what = "verdicts need a last line `listed`: nothing is drawn beside them".into();
            return Err(PlanError { line: 0, what });
        }
        plan.verdicts = listed.then_some(verdicts);
        plan.steps.sort_by_key(|step| step.at);
        plan.check().map_err(|what| PlanError { line: 0, what })?;
        Ok(plan)
    }
}

impl Plan {
    fn read(
        &mut self,
        words: &mut Line<'_>,
        verdicts: &mut Verdicts,
        listed: &mut bool,
    ) -> Result<(), String> {
        match words.word("a word")? {
            "scenario" => self.scenario = words.word("the name of a scenario")?.into(),
            "seed" => self.seed = words.number()?,
            "suite" => self.suite = words.word("own or toy")?.parse().map_err(String::from)?,
            "nodes" => self.nodes = words.numbers()?,
            "core" => self.core = words.numbers()?,
            "phase" => self.phase = words.span()?,
            "every" => self.traffic.every = words.span()?,
            "most" => self.traffic.most = Some(words.number()?),
            "way" => self.traffic.ways.push((words.number()?, words.number()?)),
            "at" => self.steps.push(Step { at: words.span()?, what: words.fault()? }),
            "verdict" => {
                let (src, dst) = (words.number()?, words.number()?);
                let (src, dst, number) = (MemoryAddr(src), MemoryAddr(dst), words.number()?);
                verdicts.insert(Passing { src, dst, number }, words.verdict()?);
            }
            "listed" => *listed = true,
            other => return Err(format!("no line begins with {other:?}")),
        }
        Ok(())
    }
}

/// The words of a line.
struct Line<'a>(core::str::SplitWhitespace<'a>);

impl<'a> Line<'a> {
    fn word(&mut self, what: &str) -> Result<&'a str, String> {
        self.0.next().ok_or_else(|| format!("here should be {what}"))
    }

    fn number<N: FromStr>(&mut self) -> Result<N, String> {
        let word = self.word("a number")?;
        word.parse().map_err(|_| format!("{word:?} is no number, or too large a one"))
    }

    fn numbers(&mut self) -> Result<Vec<u32>, String> {
        self.0
            .by_ref()
            .map(|word| word.parse().map_err(|_| format!("{word:?} is no number")))
            .collect()
    }

    fn span(&mut self) -> Result<Duration, String> {
        span(self.word("a time")?)
    }

    fn chance(&mut self) -> Result<Chance, String> {
        odds(self.word("a chance")?)
    }

    fn end(&mut self) -> Result<(), String> {
        self.0.next().map_or(Ok(()), |more| Err(format!("{more:?} is too much")))
    }

    fn fault(&mut self) -> Result<Fault, String> {
        Ok(match self.word("what goes wrong")? {
            "net" => Fault::Net(self.conditions()?),
            "link" => Fault::Link(self.number()?, self.number()?, self.conditions()?),
            "cut" => Fault::Cut(self.number()?, self.number()?),
            "mend" => match self.numbers()?[..] {
                [] => Fault::MendAll,
                [src, dst] => Fault::Mend(src, dst),
                _ => return Err("mend takes two nodes, or none for everything".into()),
            },
            "split" => Fault::Split(self.numbers()?),
            "crash" => Fault::Crash(self.number()?),
            "start" => Fault::Start(self.number()?),
            "replay" => Fault::Replay(self.number()?, self.number()?, self.number()?),
            "bounce" => Fault::Bounce(self.number()?, self.number()?, self.number()?),
            "noise" => Fault::Noise(self.number()?, self.number()?, self.number()?),
            "mtu" => Fault::Mtu(self.number()?),
            "clock" => Fault::Clock(self.number()?, self.number()?),
            "drift" => Fault::Drift(self.number()?, self.number()?),
            "jump" => Fault::Jump(self.number()?, self.span()?),
            "pause" => Fault::Pause(self.number()?),
            "resume" => Fault::Resume(self.number()?),
            "slow" => Fault::Slow(self.number()?, self.span()?),
            "roam" => Fault::Roam(self.number()?, self.number()?),
            other => return Err(format!("nothing that goes wrong is called {other:?}")),
        })
    }

    fn conditions(&mut self) -> Result<Faults, String> {
        let mut faults = Faults::NONE;
        while let Some(word) = self.0.next() {
            match word {
                "delay" => faults.delay = self.span()?,
                "jitter" => faults.jitter = self.span()?,
                "by" => faults.reorder_by = self.span()?,
                "loss" => faults.loss = self.chance()?,
                "duplicate" => faults.duplicate = self.chance()?,
                "reorder" => faults.reorder = self.chance()?,
                "flip" => faults.flip = self.chance()?,
                "truncate" => faults.truncate = self.chance()?,
                "append" => faults.append = self.chance()?,
                "exponential" => faults.spread = Spread::Exponential { mean: self.span()? },
                "lognormal" => {
                    let (median, sigma) = (self.span()?, self.number()?);
                    faults.spread = Spread::LogNormal { median, sigma };
                }
                "samples" => faults.spread = Spread::Samples(SamplesId(self.number()?)),
                "series" => faults.spread = Spread::Series(SamplesId(self.number()?)),
                "burst" => {
                    let (begins, ends, loss) = (self.chance()?, self.chance()?, self.chance()?);
                    faults.burst = Burst { begins, ends, loss };
                }
                other => return Err(format!("no fault of a link is called {other:?}")),
            }
        }
        Ok(faults)
    }

    fn verdict(&mut self) -> Result<Verdict, String> {
        let words: Vec<_> = self.0.by_ref().collect();
        let mut copies = words.split(|word| *word == "and").map(passage);
        let first = copies.next().ok_or("here should be a verdict")??;
        let second = copies.next().transpose()?;
        match copies.next() {
            None => Ok(Verdict { first, second }),
            Some(_) => Err("a datagram comes twice at the most".into()),
        }
    }
}

fn passage(words: &[&str]) -> Result<Passage, String> {
    if words == ["lost"] {
        return Ok(Passage::Lost(Loss::Random));
    }
    if let ["lost", name] = words {
        let loss = Loss::by_name(&name.replace('-', " "));
        return loss.map(Passage::Lost).ok_or_else(|| format!("nothing is lost as {name:?}"));
    }
    let (mut time, mut spoil) = (None, Spoil::NONE);
    for pair in words.chunks(2) {
        match *pair {
            ["after", text] => time = Some(span(text)?),
            ["keep", text] => {
                let keep = text.parse().map_err(|_| format!("{text:?} is no length"))?;
                spoil.keep = Some(keep);
            }
            ["flip", text] => {
                let flip = text.split_once('+').and_then(|(first, bits)| {
                    Some(Flip { first: first.parse().ok()?, bits: bits.parse().ok()? })
                });
                spoil.flip = Some(flip.ok_or_else(|| format!("{text:?} are no bits: say 9+2"))?);
            }
            ["append", text] => {
                let append = text.split_once('x').and_then(|(bytes, seed)| {
                    let seed = u64::from_str_radix(seed, 16).ok()?;
                    Some(Append { bytes: bytes.parse().ok()?, seed })
                });
                let append = append.ok_or_else(|| format!("{text:?} are no bytes: say 4x1f"))?;
                spoil.append = Some(append);
            }
            _ => return Err(format!("{} is no verdict: say lost, or after 3ms", words.join(" "))),
        }
    }
    let after = time.ok_or("a datagram that arrives does so `after` some time")?;
    Ok(Passage::Arrives { after, spoil })
}
