//! Small runs, as a campaign makes them by the thousand: `cargo bench -p tellask-tests --bench small -- [RUNS] [--assert]`.
//!
//! Each is of 2 to 50 secure nodes under the toy suite, that tell each other things for 30 simulated seconds, with loss,
//! duplicates, reordering and corruption, a partition, and a node that crashes and comes back. In one thread.
//!
//! | figure | target |
//! |---|---|
//! | runs a second that the thread has a core | 100 |
//! | share of the time that is spent in machines | 90 % |
//!
//! The share: every call that the network makes of a machine is recorded once, and made again of the same machines with no
//! network, in the same order for each. What that takes, of what the whole run takes, is the machines'.

#[path = "support/on_core.rs"]
mod on_core;
#[path = "small/play.rs"]
mod play;
#[path = "small/record.rs"]
mod record;

use core::time::Duration;
use on_core::Began;
use std::process::ExitCode;

/// Runs that are made again, for the share.
const SHARED: u64 = 100;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let assert = args.iter().any(|arg| arg == "--assert");
    let runs = args.iter().find_map(|arg| arg.parse().ok()).unwrap_or(500);

    let keys = play::Keys::new();
    let (began, mut steps, mut nodes) = (Began::now(), 0, 0);
    for seed in 0..runs {
        let run = play::run(&keys, seed, |_, _, stack| stack);
        steps += run.trace().steps();
        nodes += run.running().count();
    }
    let (took, wall) = (began.core(), began.wall());
    let rate = runs as f64 / took.as_secs_f64();
    println!(
        "{runs} runs of {:.1} nodes on the average in {:.2} s on a core ({:.2} s in all): {rate:.0} runs/s, {:.2} M steps/s",
        nodes as f64 / runs as f64,
        took.as_secs_f64(),
        wall.as_secs_f64(),
        steps as f64 / took.as_secs_f64() / 1e6,
    );

    let (mut whole, mut machines) = (Duration::ZERO, Duration::ZERO);
    for seed in 0..runs.min(SHARED) {
        let calls = record::calls(&keys, seed);
        let began = Began::now();
        let run = play::run(&keys, seed, |_, _, stack| stack);
        whole += began.core();
        assert_eq!(run.trace(), calls.trace, "recording changes nothing");
        machines += calls.make_again(&keys);
    }
    let share = machines.as_secs_f64() / whole.as_secs_f64();
    println!(
        "{:.1} % of the time in machines, {:.1} % in the engine",
        share * 100.0,
        (1.0 - share) * 100.0
    );
    if assert && (rate < 100.0 || share < 0.9) {
        println!("missed");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
