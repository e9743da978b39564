//! Many who want much through one slow link.

use super::asks::{Asks, asking};
use super::{Report, Settings};
use crate::net::{App, Cx, Fate, Faults, Network, Pipe, Sighting, Tap};
use core::time::Duration;
use std::collections::BTreeMap;
use tellask::swarm::AskId;
use tellask::{Command, Event, MemoryAddr, Payload};

/// Bits a second of the link.
const RATE: u64 = 10_000_000;
/// Bytes that may wait before it.
const QUEUE: usize = 64 * 1_024;
/// The bytes of an answer.
const ANSWER: usize = 1_024 * 1_024;
/// How long a datagram takes each way, beside its wait.
const DELAY: Duration = Duration::from_millis(20);
/// What it may take longer, so that nobody stays in step with another.
const JITTER: Duration = Duration::from_millis(1);
/// Each ask's time.
const DEADLINE: Duration = Duration::from_secs(600);
/// Before the first is in step with the others, nothing is measured.
const WARM: Duration = Duration::from_secs(5);

/// Askers who ask one node for answer after answer of 1 MiB, through a link of 10 Mbit/s with a queue of
/// 64 KiB, get between them 85 % of the link's bytes as answers, and each its share: Jain's index
/// is 0.9 or more. Nothing is asked in vain.
#[must_use]
pub fn congestion(settings: &Settings, seed: u64) -> Report {
    let (nodes, seconds) = (settings.nodes_or(9), settings.seconds_or(60));
    let time = Duration::from_secs(seconds);
    let mut network: Network<Asks, Wanter, Arrived> = Network::tapped(seed, Arrived::default());
    network.set_shards(settings.threads_or_one());
    let mut faults = Faults::NONE;
    faults.delay = DELAY;
    faults.jitter = JITTER;
    network.set_faults(faults);
    let server = MemoryAddr(0);
    network.add(server, asking(seed, 0), Wanter::new(None));
    let pipe = network.lay(server, Pipe { rate: RATE, queue: QUEUE }).expect("it was added");
    for number in 1..nodes {
        network.lead(MemoryAddr(number), pipe);
        network.add(MemoryAddr(number), asking(seed, number), Wanter::new(Some(server)));
    }
    network.run_for(WARM);
    let count = |network: &Network<Asks, Wanter, Arrived>| {
        (network.piped(pipe), network.tap().bytes.clone())
    };
    let (piped_before, arrived_before) = count(&network);
    network.run_for(time);
    let (piped, arrived) = count(&network);

    let capacity = RATE / 8 * seconds;
    let used = piped.bytes - piped_before.bytes;
    let overflowed = piped.overflowed - piped_before.overflowed;
    let shares: Vec<u64> = (1..nodes)
        .map(MemoryAddr)
        .map(|addr| {
            let of = |arrived: &BTreeMap<MemoryAddr, u64>| arrived.get(&addr).copied().unwrap_or(0);
            of(&arrived) - of(&arrived_before)
        })
        .collect();
    let asked: u64 = network.apps().map(|(_, app)| app.asked * u64::from(app.of.is_some())).sum();
    let answers: u64 = network.apps().map(|(_, app)| app.answered).sum();
    let failed: u64 = network.apps().map(|(_, app)| app.failed).sum();
    let whole = RATE / 8 * (seconds + WARM.as_secs());
    let of_whole = |answers: u64| answers * ANSWER as u64 * 1_000 / whole.max(1);
    let good = of_whole(answers);
    // Each asker may have most of one that is not whole yet.
    let good_at_most = of_whole(answers + u64::from(nodes) - 1);
    let jain = jain_permille(&shares);
    let mut violations = Vec::new();
    let mut expect = |what: &str, value: u64, least: u64| {
        if value < least {
            violations.push(format!("{what} is {value}, below {least}"));
        }
    };
    expect("the use of the link in thousandths", used * 1_000 / capacity.max(1), 850);
    expect("what arrived in answers, in thousandths of the link", good_at_most, 850);
    expect("Jain's index in thousandths", jain, 900);
    if failed > 0 {
        violations.push(format!("{failed} asks failed"));
    }
    let figures = vec![
        ("askers", u64::from(nodes) - 1),
        ("answers", answers),
        ("asks_failed", failed),
        ("link_used_permille", used * 1_000 / capacity.max(1)),
        ("link_good_permille", good),
        ("jain_permille", jain),
        ("least_share_bytes", shares.iter().copied().min().unwrap_or(0)),
        ("largest_share_bytes", shares.iter().copied().max().unwrap_or(0)),
        ("datagrams_piped", piped.datagrams - piped_before.datagrams),
        ("datagrams_overflowed", overflowed),
    ];
    let bins = super::report::bins(asked, &[("answered", answers), ("failed", failed)]);
    Report { name: "congestion", seed, trace: network.trace(), figures, bins, violations }
}

/// Jain's fairness index, in thousandths.
fn jain_permille(shares: &[u64]) -> u64 {
    let sum: u128 = shares.iter().map(|share| u128::from(*share)).sum();
    let squares: u128 = shares.iter().map(|share| u128::from(*share).pow(2)).sum();
    let index = sum * sum * 1_000 / (squares * shares.len() as u128).max(1);
    u64::try_from(index).unwrap_or(u64::MAX)
}

/// Bytes that arrived, by where.
#[derive(Debug, Default)]
struct Arrived {
    bytes: BTreeMap<MemoryAddr, u64>,
}

impl Tap for Arrived {
    fn see(&mut self, sighting: &Sighting<'_>) {
        if let Fate::Delivered { .. } = sighting.fate {
            *self.bytes.entry(sighting.dst).or_default() += sighting.bytes.len() as u64;
        }
    }
}

/// Asks for one answer after the other, or gives them.
#[derive(Debug)]
struct Wanter {
    of: Option<MemoryAddr>,
    asked: u64,
    answered: u64,
    failed: u64,
}

impl Wanter {
    const fn new(of: Option<MemoryAddr>) -> Self {
        Self { of, asked: 0, answered: 0, failed: 0 }
    }

    fn ask(&mut self, cx: &mut Cx<'_, Asks>) {
        let Some(dst) = self.of else { return };
        let (id, deadline) = (AskId::new(self.asked), cx.now() + DEADLINE);
        self.asked += 1;
        cx.command(Command::Ask { id, dst, payload: Payload::from("more"), deadline });
    }
}

impl App<Asks> for Wanter {
    type Note = ();

    fn on_start(&mut self, cx: &mut Cx<'_, Asks>) {
        self.ask(cx);
    }

    fn on_event(&mut self, cx: &mut Cx<'_, Asks>, event: Event<MemoryAddr>) {
        if let Event::Asked { token, message, .. } = event {
            let result = Ok(vec![0x5a; ANSWER].into());
            cx.command(Command::Answer { token, dst: message.src, result });
        } else if let Event::Answered { result, .. } = event {
            match result {
                Ok(answer) if answer.len() == ANSWER => self.answered += 1,
                _ => self.failed += 1,
            }
            self.ask(cx);
        }
    }
}
