//! `tellask bench`: what secure tells and asks cost, beside what they stand on.
//!
//! For each size, one after the other in the same run: secure tells between two nodes over UDP
//! loopback; asks between them, answered with as many bytes, 64 in flight; datagrams between two plain UDP sockets, each on a thread of its own, one system call
//! each; and the cipher alone, sealing and opening on one core. What counts is what arrives.

mod cipher;
mod secure;
mod socket;

use crate::args::BenchArgs;
use crate::failure::Failure;
use crate::interrupt::interruptible;
use crate::json::Record;
use crate::node;
use crate::output::{Digits, Output};
use crate::progress::Progress;
use std::time::Duration;

/// The sizes where none are asked for: a word, a datagram of the Internet, one of a jumbo path.
const SIZES: [usize; 3] = [64, 1200, 16_384];
/// The largest that can be compared: what one datagram of a plain socket carries.
const LARGEST: usize = 65_507;
/// The ways in which each size is measured.
const WAYS: usize = 4;

pub(super) fn run(args: &BenchArgs, out: &Output) -> Result<(), Failure> {
    if args.seconds.is_zero() {
        return Err(Failure::bad_input("--seconds 0 measures nothing: give more, such as 0.2"));
    }
    node::block_on(interruptible(async {
        let pair = secure::Pair::open().await?;
        let sizes = sizes(&args.sizes)?;
        let progress = Progress::new(sizes.len() * WAYS);
        let (tell, ask) = ("tells/s", "asks/s");
        out.line(out.dim(format_args!(
            "{:>7} {tell:>12} {:>9} {:>11} {:>11} {ask:>10}   of what arrived, {} s each",
            "bytes",
            "MB/s",
            "× socket",
            "× cipher",
            args.seconds.as_secs_f64()
        )))?;
        for (at, size) in sizes.into_iter().enumerate() {
            let measured = Measured::take(&pair, size, args.seconds, &progress, at * WAYS).await?;
            progress.clear();
            measured.say(out)?;
        }
        pair.close().await
    }))
}

/// The sizes to measure: those asked for, or the usual ones.
fn sizes(asked: &[usize]) -> Result<Vec<usize>, Failure> {
    match asked.iter().find(|size| **size > LARGEST) {
        Some(size) => Err(Failure::bad_input(format_args!(
            "a message of {size} bytes is over the limit of {LARGEST} bytes, the most that a socket sends at once"
        ))),
        None if asked.is_empty() => Ok(SIZES.to_vec()),
        None => Ok(asked.to_vec()),
    }
}

/// Messages per second of one size, in each way.
struct Measured {
    size: usize,
    secure: f64,
    asks: f64,
    socket: f64,
    cipher: f64,
}

impl Measured {
    async fn take(
        pair: &secure::Pair,
        size: usize,
        time: Duration,
        progress: &Progress,
        done: usize,
    ) -> Result<Self, Failure> {
        progress.at(done, &format!("{size} bytes: secure tells"));
        let secure = pair.measure(size, time).await?;
        progress.at(done + 1, &format!("{size} bytes: asks"));
        let asks = pair.measure_asks(size, time).await?;
        progress.at(done + 2, &format!("{size} bytes: plain sockets"));
        let socket = apart(move || socket::measure(size, time)).await?;
        progress.at(done + 3, &format!("{size} bytes: cipher"));
        let cipher = apart(move || cipher::measure(size, time)).await?;
        Ok(Self { size, secure, asks, socket, cipher })
    }

    fn say(&self, out: &Output) -> Result<(), Failure> {
        let Self { size, secure, asks, socket, cipher } = *self;
        let megabytes = |rate: f64| rate * size as f64 / 1e6;
        let (of_socket, of_cipher) = (secure / socket, secure / cipher);
        out.say(
            Record::new("bench")
                .number("bytes", size as u64)
                .fraction("tells_per_second", secure)
                .fraction("megabytes_per_second", megabytes(secure))
                .fraction("asks_per_second", asks)
                .fraction("socket_per_second", socket)
                .fraction("cipher_per_second", cipher)
                .fraction("of_socket", of_socket)
                .fraction("of_cipher", of_cipher),
            format_args!(
                "{size:>7} {:>12} {:>9} {of_socket:>11.2} {of_cipher:>11.3} {:>10}",
                Digits(secure).to_string(),
                Digits(megabytes(secure)).to_string(),
                Digits(asks).to_string(),
            ),
        )
    }
}

/// Runs what blocks where it is in nobody's way.
async fn apart(
    work: impl FnOnce() -> Result<f64, Failure> + Send + 'static,
) -> Result<f64, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(Failure::failed)?
}
