//! Hellos from spoofed addresses, as many as there are, while an established pair talks.

use super::crowd::Crowd;
use super::secure::{Made, addr, node};
use super::{Report, Settings};
use crate::net::Faults;
use core::time::Duration;
use tellask::p2pke::channel::Timing;
use tellask::swarm::Command;
use tellask::{DatagramInput, Instant, Layer as _, Limits, MemoryAddr, Payload};

/// Spoofed addresses begin here; nobody is there.
const SPOOFED: u32 = 1 << 16;
/// Keys that the attacker has made hellos with. A hello is as good from any address.
const KEYS: u32 = 256;
/// The first of them.
const FIRST_KEY: u32 = 1_000;
/// Who is flooded.
const VICTIM: u32 = 0;
/// Whom the victim talks to.
const PEER: u32 = 1;
/// Who comes while the flood is on.
const NEWCOMER: u32 = 2;

/// A flood of hellos from spoofed sources neither fills more than its cap, nor disturbs an
/// established pair, nor keeps an honest newcomer out, nor is answered with more bytes than it sends.
///
/// `nodes` counts the spoofed sources here. Each sends a hello, the same hello again, a forged one,
/// and bytes that are no message at all.
#[must_use]
pub fn flood(settings: &Settings, seed: u64) -> Report {
    let (sources, seconds) = (settings.nodes_or(10_000), settings.seconds_or(10));
    let time = Duration::from_secs(seconds);
    let limits = Limits::default();
    let cap = limits.half_open;
    let mut faults = Faults::NONE;
    faults.jitter = Duration::from_millis(5);
    let mut crowd = Crowd::new(settings, seed, faults, Timing::DEFAULT, limits);
    crowd.books.with(|ledger| ledger.meter(MemoryAddr(SPOOFED)));

    // The pair is up before it begins.
    let pair = crowd.everybody(2);
    for number in 0..2 {
        let time = time + Duration::from_secs(2);
        crowd.join(&pair, number, Duration::from_millis(5), time);
    }
    crowd.network.run_for(Duration::from_secs(1));

    let made = Made { timing: Timing::DEFAULT, limits: Limits::default(), suite: settings.suite };
    let hellos = hellos(seed, &made);
    let start = crowd.network.now();
    let gap = time / sources.max(1);
    let everybody = crowd.everybody(3);
    let mut peak = 0;
    for number in 0..sources {
        if number == sources / 4 {
            crowd.join(&everybody, NEWCOMER, Duration::from_millis(100), time);
        }
        let src = MemoryAddr(SPOOFED.saturating_add(number));
        if let Some(hello) = hellos.get(number as usize % hellos.len().max(1)) {
            attack(&mut crowd, src, hello, number);
        }
        let until = start + gap * (number + 1);
        while crowd.network.next_at().is_some_and(|next| next <= until) {
            crowd.network.step();
            let half_open = crowd.network.node(MemoryAddr(VICTIM));
            let half_open = half_open.map_or(0, |node| node.stack().upper().half_open());
            peak = peak.max(half_open);
        }
        crowd.network.step_until(until);
    }
    crowd.network.run_for(Duration::from_secs(2));

    if peak > cap {
        crowd.books.violate(format!("{peak} half-open handshakes, and the cap is {cap}"));
    }
    // Nobody proves anything any more.
    crowd.network.run_for(made.timing.handshake_timeout);
    let left = crowd.sum("p2pke.half_open");
    if left > 0 {
        crowd.books.violate(format!("{left} half-open handshakes are kept whose time is over"));
    }
    let between =
        |src, dst| crowd.books.with(|ledger| ledger.between((MemoryAddr(src), MemoryAddr(dst))));
    let (there, back) = (between(VICTIM, PEER), between(PEER, VICTIM));
    let (told, heard) = (there.told + back.told, there.heard + back.heard);
    if heard < told * 9 / 10 {
        crowd.books.violate(format!("the pair heard {heard} of {told} messages"));
    }
    let newcomer = between(NEWCOMER, VICTIM);
    if newcomer.heard == 0 {
        crowd.books.violate(format!("the newcomer got none of {} through", newcomer.told));
    }
    let (bytes_in, bytes_out) = crowd.books.with(|ledger| ledger.metered());
    let mut report = crowd.report("flood", seed);
    report.figures.extend([
        ("spoofed_sources", u64::from(sources)),
        ("spoofed_bytes_sent", bytes_in),
        ("spoofed_bytes_answered", bytes_out),
        ("half_open_at_most", peak as u64),
        ("half_open_evicted", crowd.sum("p2pke.half_open_evicted")),
        ("pair_told", told),
        ("pair_heard", heard),
        ("newcomer_told", newcomer.told),
        ("newcomer_heard", newcomer.heard),
    ]);
    report
}

/// What one spoofed source sends.
fn attack(crowd: &mut Crowd, src: MemoryAddr, hello: &[u8], number: u32) {
    let mut forged = hello.to_vec();
    if let Some(last) = forged.last_mut() {
        *last ^= 1;
    }
    let mut nonsense = number.wrapping_mul(0x9e37_79b9).to_be_bytes().repeat(16);
    if let Some(counter) = nonsense.first_chunk_mut() {
        *counter = (number % 20).to_be_bytes();
    }
    for bytes in [hello, hello, &forged, &nonsense] {
        crowd.network.inject(src, MemoryAddr(VICTIM), bytes, Duration::ZERO);
    }
}

/// Hellos to the victim, each of a key of its own.
fn hellos(seed: u64, made: &Made) -> Vec<Vec<u8>> {
    let hello = |number| {
        let now = Instant::ZERO + Duration::from_secs(1);
        let mut node = node(seed, number, 0, made);
        let bound = DatagramInput::Bound { local: vec![MemoryAddr(number)], mtu: 1_400 };
        node.handle_input(now, bound);
        let (dst, payload) = (addr(seed, VICTIM), Payload::default());
        node.handle_command(now, Command::Tell { dst, payload });
        Some(node.poll_transmit()?.payload.into_bytes().to_vec())
    };
    (FIRST_KEY..FIRST_KEY + KEYS).filter_map(hello).collect()
}
