//! Ratios between two ways to do the same work, measured side by side.
//!
//! A rate by itself says more about the machine and its neighbours than about the code. Here both
//! sides take turns within one run, each round gives one ratio, and the median of the rounds is
//! what counts. One line is printed for each comparison, then the quartiles:
//!
//! ```text
//! ratio NAME SIZE VALUE TARGET (QUARTILE..QUARTILE)
//! ```
//!
//! With `--assert` the process fails where a value is below its target, or where nothing was
//! compared. An argument that is no flag runs only the comparisons whose name contains it.

use core::time::Duration;
use std::process::ExitCode;
use std::time::Instant;

/// Rounds of a comparison. Odd, so that the median is one of them.
const ROUNDS: usize = 51;
/// How long one side works in one round: long beside the clock, short beside a neighbour's whim.
const TURN: Duration = Duration::from_millis(15);

/// The comparisons of one run.
#[derive(Debug, Default)]
pub(crate) struct Ratios {
    assert: bool,
    filter: Option<String>,
    compared: usize,
    missed: Vec<String>,
}

impl Ratios {
    /// Reads the arguments of a bench: `--assert`, a filter, and `--bench`, which cargo adds.
    ///
    /// # Errors
    /// One line for the user where an argument is none of these.
    pub(crate) fn from_args(args: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut ratios = Self::default();
        for arg in args {
            match arg.as_str() {
                "--bench" => {}
                "--assert" => ratios.assert = true,
                flag if flag.starts_with('-') => {
                    return Err(format!("unknown flag {flag}; there is --assert"));
                }
                _ if ratios.filter.is_some() => {
                    return Err(format!("a second filter, {arg}; there can be one"));
                }
                _ => ratios.filter = Some(arg),
            }
        }
        Ok(ratios)
    }

    /// The main function of a bench: compares what the arguments of the command want, or says what is wrong with them.
    #[allow(dead_code, reason = "the tests of this have no main function")]
    pub(crate) fn main(compare: impl FnOnce(&mut Self)) -> ExitCode {
        match Self::from_args(std::env::args().skip(1)) {
            Ok(mut ratios) => {
                compare(&mut ratios);
                ratios.finish()
            }
            Err(error) => {
                eprintln!("{error}");
                ExitCode::from(2)
            }
        }
    }

    /// Compares two operations of `size` bytes. The ratio is how many of ours are done while one
    /// of theirs is; `target` is the least it may be.
    pub(crate) fn operations(
        &mut self,
        name: &str,
        size: usize,
        target: f64,
        mut ours: impl FnMut(),
        mut theirs: impl FnMut(),
    ) {
        if !self.is_wanted(name) {
            return;
        }
        let (our_turn, their_turn) = (calibrate(&mut ours), calibrate(&mut theirs));
        let ours = || rate(our_turn, &mut ours);
        let theirs = || rate(their_turn, &mut theirs);
        self.rates(name, size, target, ROUNDS, ours, theirs);
    }

    /// Compares two sides that do a fixed amount of work at each call, measure themselves and
    /// return operations per second. For sides that take long to warm up; each is called once
    /// without being counted.
    pub(crate) fn rates(
        &mut self,
        name: &str,
        size: usize,
        target: f64,
        rounds: usize,
        mut ours: impl FnMut() -> f64,
        mut theirs: impl FnMut() -> f64,
    ) {
        if !self.is_wanted(name) {
            return;
        }
        ours();
        theirs();
        let ratios = (0..rounds).map(|round| {
            // Whoever always goes second would always have the other's heat and boost to pay for.
            if round % 2 == 0 {
                let ours = ours();
                ours / theirs()
            } else {
                let theirs = theirs();
                ours() / theirs
            }
        });
        self.judge(name, size, target, ratios.collect());
    }

    /// Whether a comparison of this name is made: for those that take long to set up.
    pub(crate) fn is_wanted(&self, name: &str) -> bool {
        self.filter.as_ref().is_none_or(|filter| name.contains(filter.as_str()))
    }

    fn judge(&mut self, name: &str, size: usize, target: f64, mut ratios: Vec<f64>) {
        ratios.sort_by(f64::total_cmp);
        let [low, value, high] = [1, 2, 3].map(|quarter| ratios[ratios.len() * quarter / 4]);
        let line = format!("ratio {name} {size} {value:.2} {target:.2} ({low:.2}..{high:.2})");
        println!("{line}");
        self.compared += 1;
        if value.is_nan() || value < target {
            self.missed.push(line);
        }
    }

    /// Says what was missed. A failure where anything was, or where nothing was compared, and
    /// `--assert` was given.
    pub(crate) fn finish(self) -> ExitCode {
        for line in &self.missed {
            println!("missed: {line}");
        }
        if self.compared == 0 {
            println!("missed: no comparison has such a name");
        }
        let reached = self.missed.is_empty() && self.compared > 0;
        if self.assert && !reached { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

/// How often `operation` fits a turn.
fn calibrate(operation: &mut impl FnMut()) -> u64 {
    let mut times = 1;
    loop {
        let start = Instant::now();
        (0..times).for_each(|_| operation());
        let spent = start.elapsed();
        if spent * 4 >= TURN {
            let scaled = times as f64 * TURN.as_secs_f64() / spent.as_secs_f64();
            return (scaled as u64).max(1);
        }
        times *= 2;
    }
}

/// Operations per second, over `times` of them.
fn rate(times: u64, operation: &mut impl FnMut()) -> f64 {
    let start = Instant::now();
    (0..times).for_each(|_| operation());
    times as f64 / start.elapsed().as_secs_f64()
}
