//! Tells and asks over SSH beside `russh`, and tells of 64 KiB beside bare TCP with the same cipher, in the same run.
//!
//! A tell is a global request without a reply, an ask is one with a reply. russh's server has no way to give such
//! a message to its application: it drops it, and answers that it failed. Ours hands each message to its
//! application, which answers each ask with what it was asked.

mod ours;
#[path = "../../benches/support/ratio.rs"]
#[allow(dead_code, reason = "this needs no calibration")]
mod ratio;
mod raw;
mod theirs;

use core::time::Duration;
use ratio::Ratios;
use std::process::ExitCode;
use tokio::runtime::{Builder, Runtime};

/// How long a round may take before it has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Named, so that a profile says whose work is whose.
fn runtime(name: &str, threads: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.thread_name(name).worker_threads(threads).enable_all().build().expect("a runtime")
}

fn main() -> ExitCode {
    Ratios::main(compare)
}

fn compare(ratios: &mut Ratios) {
    beside_russh(ratios);
    beside_tcp(ratios);
}

/// Both with `aes128-gcm@openssh.com`, in two worker threads each.
fn beside_russh(ratios: &mut Ratios) {
    let (ours, theirs) = (ours::pair(2), theirs::pair(2));
    for (size, n) in [(64, 200_000), (1_200, 100_000), (64 * 1_024, 8_000)] {
        let theirs = || theirs.tells(n, size);
        ratios.rates("ssh:tells/russh", size, 1.5, 11, || ours.tells(n, size), theirs);
    }
    let size = 64;
    for (name, n, parallel) in [("ssh:ask/russh", 10_000, 1), ("ssh:asks:64/russh", 50_000, 64)] {
        let theirs = || theirs.asks(n, size, parallel);
        ratios.rates(name, size, 1.5, 11, || ours.asks(n, size, parallel), theirs);
    }
    // For the record, without a target: what would be left if there was nothing but sockets.
    let (raw, n) = (raw::pair(2), 10_000);
    let theirs = || theirs.asks(n, size, 1);
    ratios.rates("tcp:ping/russh:ask", size, 0.0, 11, || raw.pings(n, size), theirs);
}

/// Both ends in one thread, and as little as it takes to seal, write, read and open.
fn beside_tcp(ratios: &mut Ratios) {
    let (size, n) = (64 * 1_024, 8_000);
    let (ours, raw) = (ours::pair(1), raw::pair(1));
    ratios.rates("ssh:tells/tcp", size, 0.8, 11, || ours.tells(n, size), || raw.tells(n, size));
}
