//! Nodes on a runtime in memory, where every poll, every wake and every drop is chosen by a seed and counted.

mod executor;
mod idle;
mod log;
mod program;
mod runtime;
mod steps;

use core::num::NonZero;
use core::panic::AssertUnwindSafe;
use program::Figures;
use std::panic::catch_unwind;
use std::thread;

const PROGRAMS: u64 = 10_000;

/// A program of this seed alone: `DRIVER_SEED=7 cargo test -p tellask-tests --test driver programs`.
const SEED: &str = "DRIVER_SEED";

#[test]
fn whatever_is_dropped_wherever_nothing_is_lost_and_nobody_waits_for_ever() {
    let seeds: Vec<u64> = match std::env::var(SEED) {
        Ok(seed) => vec![seed.parse().expect("a number")],
        Err(_) => (0..PROGRAMS).collect(),
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let share = seeds.len().div_ceil(threads);
    let figures = thread::scope(|scope| {
        let shares: Vec<_> =
            seeds.chunks(share).map(|seeds| scope.spawn(|| run_all(seeds))).collect();
        shares.into_iter().map(|share| share.join().expect("it passes")).fold(
            Figures::default(),
            |mut sum, figures| {
                sum.add(&figures);
                sum
            },
        )
    });
    println!("{figures:?}");
    if seeds.len() as u64 == PROGRAMS {
        let each = [
            figures.received,
            figures.answered,
            figures.refused,
            figures.withdrawn,
            figures.dropped,
            figures.unseen,
            figures.in_vain,
            figures.closed,
            figures.left,
        ];
        // Or it was another test than it says.
        assert!(each.iter().all(|count| *count > PROGRAMS / 10), "{each:?}");
    }
}

fn run_all(seeds: &[u64]) -> Figures {
    let (mut figures, mut failed) = (Figures::default(), Vec::new());
    for seed in seeds {
        match catch_unwind(AssertUnwindSafe(|| program::run(*seed))) {
            Ok(program) => figures.add(&program),
            // Why was said already.
            Err(_) => {
                eprintln!("that was the program of {SEED}={seed}");
                failed.push(*seed);
            }
        }
        assert!(failed.len() < 5, "programs that failed: {failed:?}");
    }
    assert!(failed.is_empty(), "programs that failed: {failed:?}");
    figures
}
