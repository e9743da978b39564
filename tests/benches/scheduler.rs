//! The simulator's order of events, alone: `cargo bench -p tellask-tests --bench scheduler`.
//!
//! The hold model: with so many events pending the next one is taken out and another put in, a random time
//! later. Each figure stands beside that of a `BinaryHeap` in the same run.

use core::cmp::Reverse;
use core::hint::black_box;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::collections::BinaryHeap;
use tellask::Seed;
use tellask_sim::engine::{Key, Wheel};

/// What the simulator keeps beside the key: where to find the event.
type Event = u32;

/// Taken out and put in for one measurement.
const HELD: u64 = 1_000_000;

/// Random delays, drawn beforehand so that only the queue is measured.
fn delays(mean: u64) -> Vec<u64> {
    let mut rng = Seed::from_u64(1).rng("delays");
    (0..1 << 16).map(|_| rng.below(2 * mean)).collect()
}

fn hold(c: &mut Criterion) {
    let mut group = c.benchmark_group("hold");
    group.throughput(Throughput::Elements(HELD)).sample_size(10);
    for pending in [1_000, 100_000, 1_000_000, 10_000_000_u64] {
        // A second on the average: timers, and what goes around the world.
        let delays = delays(1_000_000_000);
        let key = |now: u64, nth: u64| Key {
            at: now + delays[(nth.wrapping_mul(7) & 0xffff) as usize],
            rank: nth,
        };
        let mut wheel = Wheel::new();
        (0..pending).for_each(|nth| wheel.push(key(0, nth), nth as Event));
        let mut nth = pending;
        group.bench_function(format!("wheel/{pending}"), |b| {
            b.iter_batched(
                || (),
                |()| {
                    for _ in 0..HELD {
                        let Some((next, event)) = wheel.pop() else { return };
                        wheel.push(key(next.at, nth), black_box(event));
                        nth += 1;
                    }
                },
                BatchSize::PerIteration,
            );
        });
        drop(wheel);
        let mut heap: BinaryHeap<_> =
            (0..pending).map(|nth| Reverse((key(0, nth), nth as Event))).collect();
        let mut nth = pending;
        group.bench_function(format!("heap/{pending}"), |b| {
            b.iter_batched(
                || (),
                |()| {
                    for _ in 0..HELD {
                        let Some(Reverse((next, event))) = heap.pop() else { return };
                        heap.push(Reverse((key(next.at, nth), black_box(event))));
                        nth += 1;
                    }
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, hold);
criterion_main!(benches);
