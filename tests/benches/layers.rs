//! What a message pays for each layer between swarms: `cargo bench -p tellask-tests --bench layers`.
//!
//! From the tell to the event at the other node, in memory and on one core; the difference to `bare`
//! is what both sides of the layer cost.

mod support;

use ::tellask::Bytes;
use ::tellask::mux::{Name, Varint};
use core::hint::black_box;
use criterion::{Criterion, criterion_group, criterion_main};
use support::layers;

const SIZE: usize = 64;

fn in_memory(c: &mut Criterion) {
    let text = Bytes::from(vec![0x5a; SIZE]);
    let mut group = c.benchmark_group("layers");
    macro_rules! measure {
        ($name:literal, $pair:expr, $carry:ident) => {
            let mut pair = $pair;
            assert_eq!(pair.$carry(&text), SIZE);
            group.bench_function($name, |b| b.iter(|| pair.$carry(black_box(&text))));
        };
    }
    measure!("bare", layers::bare(), carry);
    measure!("filter", layers::filtered(), carry);
    measure!("loopback/to others", layers::looped(), carry);
    measure!("loopback/to oneself", layers::looped(), carry_to_itself);
    measure!("map", layers::mapped(), carry);
    measure!("multi/of one", layers::transports(0), carry);
    measure!("multi/of ten", layers::transports(9), carry);
    measure!("mux/u16", layers::channels(7_u16, vec![]), carry);
    measure!("mux/u16 of 1,000", layers::channels(7_u16, (8..1_007).collect()), carry);
    measure!("mux/varint", layers::channels(Varint(300), vec![]), carry);
    measure!("mux/string", layers::channels(Name::from("a channel"), vec![]), carry);
    group.finish();
}

criterion_group!(benches, in_memory);
criterion_main!(benches);
