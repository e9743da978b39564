//! The simulator beside turmoil: `cargo bench -p tellask-tests --bench turmoil -- [--assert]`.
//!
//! The same work in one run: pairs of nodes, each with a socket; one of a pair sends a datagram, the other sends it
//! back, and so on for so many pings, with the same latency. An event is a datagram that arrives.
//!
//! | comparison | ours | theirs | target |
//! |---|---|---|---|
//! | `engine` | machines on a `Network` | async tasks on hosts, in turmoil's ticks of 1 ms | 20 |
//! | `engine:tick=latency` | the same | in ticks as long as the latency, the fewest that do | none |
//! | `runtime` | async tasks over bare nodes, on `tellask_sim::runtime` | as in `engine` | none |
//!
//! The size is the number of nodes.

#[path = "turmoil/ours.rs"]
mod ours;
#[path = "support/ratio.rs"]
#[allow(dead_code, reason = "there are comparisons of operations too")]
mod ratio;
#[path = "turmoil/theirs.rs"]
mod theirs;

use core::time::Duration;
use ratio::Ratios;
use std::process::ExitCode;
use std::time::Instant;

/// What a datagram takes, each way.
const LATENCY: Duration = Duration::from_millis(10);
/// Bytes of a ping.
const SIZE: usize = 64;
/// Rounds, each a run of both sides.
const ROUNDS: usize = 5;

/// So many pairs, of which each pings so often.
#[derive(Clone, Copy)]
struct Work {
    pairs: u16,
    pings: u32,
}

impl Work {
    /// Datagrams that arrive.
    fn events(self) -> u64 {
        2 * u64::from(self.pairs) * u64::from(self.pings)
    }

    /// Events a second of who does it.
    fn rate(self, run: impl FnOnce(Self)) -> f64 {
        let began = Instant::now();
        run(self);
        self.events() as f64 / began.elapsed().as_secs_f64()
    }
}

fn main() -> ExitCode {
    Ratios::main(compare)
}

fn compare(ratios: &mut Ratios) {
    let tick = Duration::from_millis(1);
    for (pairs, pings) in [(1, 4_000), (10, 1_000), (30, 100)] {
        let work = Work { pairs, pings };
        let nodes = 2 * usize::from(pairs);
        let compare = |ratios: &mut Ratios, name: &str, target, ours: fn(Work), tick| {
            let ours = || shown(name, "ours", work.rate(ours));
            let theirs = || shown(name, "turmoil", work.rate(|work| theirs::ping(work, tick)));
            ratios.rates(name, nodes, target, ROUNDS, ours, theirs);
        };
        compare(ratios, "engine", 20.0, ours::engine, tick);
        compare(ratios, "engine:tick=latency", 0.0, ours::engine, LATENCY);
        compare(ratios, "runtime", 0.0, ours::runtime, tick);
    }
}

fn shown(name: &str, who: &str, rate: f64) -> f64 {
    println!("  {name} {who}: {:.0} events/s", rate);
    rate
}
