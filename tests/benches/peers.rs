//! What the peers do on this machine: `cargo bench -p tellask-tests --bench peers`.

mod support;

use core::hint::black_box;
use criterion::{Criterion, Throughput, criterion_group};
use rustls::CipherSuite;
use support::{boringtun, cipher, quinn};

/// Message sizes: a small one, one that fills a datagram, one that fills a fragmented message.
const SIZES: [usize; 3] = [64, 1200, 16 * 1024];

fn ciphers(c: &mut Criterion) {
    let mut group = c.benchmark_group("cipher, seal and open");
    for size in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        let mut cipher = cipher::aws_lc(size);
        group.bench_function(format!("aws-lc/{size}"), |b| b.iter(|| cipher.seal_and_open()));
        let mut cipher = cipher::ring(size);
        group.bench_function(format!("ring/{size}"), |b| b.iter(|| cipher.seal_and_open()));
        let mut cipher = cipher::portable(size);
        group.bench_function(format!("portable/{size}"), |b| b.iter(|| cipher.seal_and_open()));
    }
    group.finish();
}

fn tunnels(c: &mut Criterion) {
    let mut group = c.benchmark_group("boringtun");
    let mut pair = boringtun::pair();
    for size in SIZES {
        let packet = boringtun::packet(size);
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(format!("carry/{size}"), |b| {
            b.iter(|| pair.carry(black_box(&packet)));
        });
    }
    group.throughput(Throughput::Elements(1));
    group.bench_function("handshake", |b| b.iter(|| pair.handshake()));
    group.finish();
}

/// Not criterion's: a round has to be long beside what the buffers hold, and one number of rounds
/// is as good as another.
fn datagrams() {
    for (name, suite) in [
        ("aes-128-gcm", CipherSuite::TLS13_AES_128_GCM_SHA256),
        ("chacha20-poly1305", CipherSuite::TLS13_CHACHA20_POLY1305_SHA256),
    ] {
        let pair = quinn::pair(suite);
        let mut rates: Vec<f64> = (0..11).map(|_| pair.datagrams(100_000, 1200)).collect();
        rates.sort_by(f64::total_cmp);
        let [low, median, high] = [2, 5, 8].map(|i| rates[i].round());
        println!("quinn/{name}/1200: {median} received a second ({low}..{high})");
    }
}

criterion_group!(in_memory, ciphers, tunnels);

fn main() {
    in_memory();
    datagrams();
    Criterion::default().configure_from_args().final_summary();
}
