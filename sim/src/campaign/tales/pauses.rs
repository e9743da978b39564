//! Talk with pauses, from milliseconds to most of a minute, and now and then more than a window holds at once.
//!
//! Sessions rest, are renewed and grow old; counters reach beyond the window that replays are known by. On a
//! network that loses nothing every message is heard, nobody is ever down, and nothing that is sent again is
//! heard again, however old it is. Whoever talks all the time never waits for a handshake: sessions are renewed before
//! they end.

use super::Told;
use crate::net::Faults;
use crate::scenario::{Crowd, Ledger, Note, Settings, Suite, addr, message_of};
use core::time::Duration;
use std::collections::BTreeMap;
use tellask::p2pke::channel::Timing;
use tellask::{Limits, MemoryAddr, Seed};

/// Pauses in milliseconds. A session that nobody uses for a minute may end, so they are shorter.
const PAUSES: [u64; 8] = [1, 20, 200, 1_000, 4_000, 16_000, 25_000, 40_000];
/// Messages one after the other.
const BURSTS: [u64; 6] = [1, 1, 2, 5, 20, 100];
/// More than the 2,048 counters of a window, by up to two of its words.
const FLOOD: u64 = 2_048 + 64;

/// What each says next to each.
pub(super) type Seqs = BTreeMap<(u32, u32), u64>;

/// For how long they talk: sessions are renewed three times.
const SECONDS: u64 = 420;
/// Who talks.
const NODES: u32 = 2;

/// See the [module](self).
pub(super) fn pauses(suite: Suite, seed: u64) -> Told {
    let settings = Settings { suite, ..Settings::default() };
    let mut rng = Seed::from_u64(seed).child("sim.pauses").rng("draws");
    let mut draw = |below: u64| rng.below(below);
    let mut faults = Faults::NONE;
    faults.delay = Duration::from_millis(1 + draw(30));
    faults.jitter = Duration::from_millis(draw(3) * 5);
    let mut crowd = Crowd::new(&settings, seed, faults, Timing::DEFAULT, Limits::default());
    // They say what is said here, and nothing by themselves.
    crowd.gather(NODES, Duration::from_secs(1), Duration::ZERO);
    let until = crowd.network.now() + Duration::from_secs(SECONDS);
    // Not at once: what comes before a session is there waits for it, and less may wait than a flood is.
    let flood_at = crowd.network.now() + Duration::from_secs(1 + draw(SECONDS / 2));
    let mut flooded = false;
    let mut seqs = BTreeMap::new();
    while crowd.network.now() < until {
        let src = draw(NODES.into()) as u32;
        let dst = (src + 1 + draw(u64::from(NODES - 1)) as u32) % NODES;
        let flood = !flooded && crowd.network.now() >= flood_at;
        let count = if flood { FLOOD + draw(64) } else { pick(&BURSTS, draw(6)) };
        if flood {
            flooded = true;
            crowd.books.with(|ledger| ledger.record(3_000));
        }
        for nth in 0..count {
            say(&mut crowd, seed, (src, dst), &mut seqs);
            if nth % 4 == 0 {
                crowd.network.run_for(Duration::from_millis(1));
            }
        }
        if flood {
            // All of it comes again, when all of it has come.
            crowd.network.run_for(Duration::from_millis(200));
            for (nth, ((src, dst), bytes)) in crowd.books.with(Ledger::recorded).iter().enumerate()
            {
                let delay = Duration::from_micros(1 + nth as u64 * 50);
                crowd.network.inject(*src, *dst, bytes, delay);
            }
        }
        let pause = pick(&PAUSES, draw(8));
        crowd.network.run_for(Duration::from_millis(pause + draw(pause)));
    }
    talk_on(&mut crowd, seed, &mut seqs);
    crowd.network.run_for(Duration::from_secs(2));
    crowd.expect_all_opened();
    crowd.expect_nothing_vanished();
    let figures = crowd.books.with(|ledger| ledger.figures);
    if figures.heard != figures.told || figures.refused > 0 {
        let (told, heard, refused) = (figures.told, figures.heard, figures.refused);
        crowd.books.violate(format!("{heard} heard of {told} told, {refused} refused"));
    }
    if figures.peers_down > 0 {
        crowd.books.violate(format!("{} times a peer was down", figures.peers_down));
    }
    let report = crowd.report("pauses", seed);
    Told {
        bins: report.bins,
        ..Told::new(report.trace, crowd.network.totals(), [], report.violations)
    }
}

/// They talk without a pause, for longer than a session may live: whatever is said leaves at once.
fn talk_on(crowd: &mut Crowd, seed: u64, seqs: &mut Seqs) {
    say(crowd, seed, (0, 1), seqs);
    crowd.network.run_for(Duration::from_secs(2));
    let until = crowd.network.now() + Timing::DEFAULT.reject_after * 2;
    while crowd.network.now() < until {
        for way in [(0, 1), (1, 0)] {
            say(crowd, seed, way, seqs);
            if crowd.books.with(|ledger| ledger.queued()) > 0 {
                let now = crowd.network.now();
                return crowd.books.violate(format!("at {now} a message waits, amid talk"));
            }
            crowd.network.run_for(Duration::from_millis(500));
        }
    }
}

/// One node says the next thing to another.
pub(super) fn say(crowd: &mut Crowd, seed: u64, (src, dst): (u32, u32), seqs: &mut Seqs) {
    let (way, peer) = ((MemoryAddr(src), MemoryAddr(dst)), addr(seed, dst));
    let next = seqs.entry((src, dst)).or_default();
    let seq = *next;
    *next += 1;
    crowd.network.app(way.0, |_, cx| {
        let accepted = cx.tell(peer, message_of(way, seq).to_vec()).is_ok();
        cx.say(Note::Told { way, seq, accepted });
    });
}

fn pick(choices: &[u64], nth: u64) -> u64 {
    choices.get(nth as usize).copied().unwrap_or(1)
}
