//! How large the simulator goes, on one core: `cargo bench -p tellask-tests --bench scale -- NAME [NODES] [SECONDS]`.
//!
//! | name | what | target |
//! |---|---|---|
//! | `p2pke` | 100,000 secure nodes under the toy suite, each of which tells one of 8 neighbours once a second | 4 GiB, a simulated second a second |
//! | `gossip` | 1,000,000 nodes of a light layer that pass rumours on, a message a second each | 12 GiB, a simulated second a second |
//!
//! The times are those that the thread had a core. Each by itself, since what is printed is the peak of the process's resident memory.

#[path = "scale/gossip.rs"]
mod gossip;
#[path = "support/on_core.rs"]
mod on_core;
#[path = "scale/secure.rs"]
mod secure;

use core::time::Duration;
use on_core::Began;
use tellask_sim::net::Totals;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let number = |nth: usize, default: u64| {
        args.get(nth).map_or(default, |arg| arg.parse().expect("a number of nodes or of seconds"))
    };
    match args.first().map(String::as_str) {
        Some("p2pke") => secure::run(number(1, 100_000) as usize, number(2, 60)),
        Some("gossip") => gossip::run(number(1, 1_000_000) as u32, number(2, 20)),
        _ => println!("scale: say which, -- p2pke or -- gossip; each needs a process of its own"),
    }
}

/// Says what one part of a run took.
fn say(what: &str, simulated: u64, began: Began, before: Totals, after: Totals) {
    let (core, wall) = (began.core().as_secs_f64(), began.wall().as_secs_f64());
    println!(
        "{what}: {simulated} simulated s in {core:.1} s on a core ({wall:.1} s in all), {:.2} × real time, {:.2} M datagrams/s, {} MiB at the peak",
        Duration::from_secs(simulated).as_secs_f64() / core,
        (after.delivered - before.delivered) as f64 / core / 1e6,
        peak() >> 20,
    );
}

/// The most memory that was resident so far, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}
