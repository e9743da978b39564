//! Plans made of choices: what a scenario puts up with, how much of it, and when.

use super::bytes::{Bytes, Choices};
use super::{Fault, Plan, Step, Traffic};
use crate::net::{Burst, Chance, Faults, Spread};
use crate::scenario::Suite;
use core::time::Duration;
use tellask::Seed;

/// What the plans of a scenario are chosen from.
#[derive(Clone, Copy, Debug)]
pub struct Menu {
    /// The name of the scenario.
    pub scenario: &'static str,
    /// The fewest and the most nodes.
    pub nodes: (u32, u32),
    /// How long things go wrong.
    pub phase: Duration,
    /// How often a node says something to each other one.
    pub every: Duration,
    /// Whether bytes may be changed on the way, or sent by strangers: not where nothing protects them.
    pub tampering: bool,
    /// Whether datagrams may come again after any time: not where copies are known for a while only.
    pub replays: bool,
    /// Whether nodes may crash.
    pub crashes: bool,
    /// Whether the largest datagram may shrink.
    pub mtus: bool,
    /// Whether clocks are set.
    pub clocks: bool,
    /// The cryptography: the toy suite, where the protocol is not bound to its own.
    pub suite: Suite,
    /// Whether nodes stand still and are slow, their clocks drift and jump, and networks lose in bursts and have delays
    /// without a bound.
    pub strains: bool,
    /// Whether nodes go from one address to another: not where nothing follows them.
    pub roams: bool,
}

/// The plan of this seed.
#[must_use]
pub fn generate(menu: &Menu, seed: u64) -> Plan {
    let mut rng = Seed::from_u64(seed).child("sim.plan").rng(menu.scenario);
    let mut plan = choose(menu, seed, &mut rng);
    // Of a generator of their own, so that the others are as they were before there were any.
    let mut rng = Seed::from_u64(seed).child("sim.plan.roams").rng(menu.scenario);
    roam(menu, &mut plan, &mut rng);
    plan
}

impl Plan {
    /// The plan that these bytes choose from the menu. All bytes are one.
    #[must_use]
    pub fn from_bytes(menu: &Menu, bytes: &[u8]) -> Self {
        let mut bytes = Bytes(bytes);
        let mut plan = choose(menu, 0, &mut bytes);
        roam(menu, &mut plan, &mut bytes);
        plan
    }
}

fn choose(menu: &Menu, seed: u64, choices: &mut dyn Choices) -> Plan {
    let (fewest, most) = menu.nodes;
    let nodes = fewest + choices.below(u64::from(most.saturating_sub(fewest)) + 1) as u32;
    // Two at the least, and mostly everybody.
    let core = match choices.below(3) {
        0 => 2 + choices.below(u64::from(nodes.saturating_sub(1))) as u32,
        _ => nodes,
    };
    let phase = menu.phase.as_millis() as u64;
    let mut steps = Vec::new();
    // A scenario without a phase has no use for steps.
    if phase > 0 {
        steps.push(Step { at: Duration::ZERO, what: Fault::Net(weather(menu, choices)) });
    }
    for _ in 0..if phase > 0 { choices.below(12) } else { 0 } {
        let at = Duration::from_millis(choices.below(phase));
        steps.extend(trouble(menu, nodes, at, choices));
    }
    if menu.strains && phase > 0 {
        for _ in 0..choices.below(4) {
            let at = Duration::from_millis(choices.below(phase));
            steps.extend(strain(nodes, at, choices));
        }
    }
    steps.sort_by_key(|step| step.at);
    Plan {
        scenario: menu.scenario.into(),
        seed,
        suite: menu.suite,
        nodes: (0..nodes).collect(),
        core: (0..core.min(nodes)).collect(),
        phase: menu.phase,
        traffic: Traffic { every: menu.every, most: None, ways: Vec::new() },
        steps,
        verdicts: None,
    }
}

/// Has some nodes go elsewhere, and some of them come home.
fn roam(menu: &Menu, plan: &mut Plan, choices: &mut dyn Choices) {
    let phase = menu.phase.as_millis() as u64;
    if !menu.roams || phase == 0 {
        return;
    }
    for _ in 0..1 + choices.below(5) {
        let at = Duration::from_millis(choices.below(phase));
        let node = choices.below(plan.nodes.len() as u64) as u32;
        let site = 1 + choices.below(3) as u32;
        plan.steps.push(Step { at, what: Fault::Roam(node, site) });
        if choices.below(2) == 0 {
            let back = at + Duration::from_millis(1 + choices.below(6_000));
            plan.steps.push(Step { at: back, what: Fault::Roam(node, 0) });
        }
    }
    plan.steps.sort_by_key(|step| step.at);
}

/// What a network does all the time: mostly something, rarely everything.
fn weather(menu: &Menu, choices: &mut dyn Choices) -> Faults {
    let mut faults = Faults::NONE;
    faults.delay = Duration::from_millis(1 + choices.below(30));
    let mut some = |chances: &[u32]| {
        let nth = choices.below(chances.len() as u64) as usize;
        chances.get(nth).copied().unwrap_or(0)
    };
    faults.jitter = Duration::from_millis(some(&[0, 1, 5, 20, 60]).into());
    faults.loss = Chance::percent(some(&[0, 0, 1, 5, 10, 20, 35]));
    faults.duplicate = Chance::percent(some(&[0, 0, 2, 10]));
    faults.reorder = Chance::percent(some(&[0, 0, 2, 10]));
    if faults.reorder > Chance::NEVER {
        faults.reorder_by = Duration::from_millis(some(&[50, 200, 700]).into());
    }
    if menu.tampering {
        faults.flip = Chance::percent(some(&[0, 0, 1, 5]));
        faults.truncate = Chance::percent(some(&[0, 0, 1, 5]));
    }
    if menu.strains {
        faults.burst = match choices.below(4) {
            0 => Burst {
                begins: Chance::millionths(1_000 + choices.below(20_000) as u32),
                ends: Chance::percent(5 + choices.below(40) as u32),
                loss: Chance::percent(50 + choices.below(51) as u32),
            },
            _ => Burst::NONE,
        };
        let middle = Duration::from_millis(1 + choices.below(40));
        faults.spread = match choices.below(6) {
            0 => Spread::Exponential { mean: middle },
            1 => {
                Spread::LogNormal { median: middle, sigma: 200_000 + choices.below(800_000) as u32 }
            }
            _ => Spread::None,
        };
    }
    faults
}

/// Something that is wrong with a node, and when it is put right.
fn strain(nodes: u32, at: Duration, choices: &mut dyn Choices) -> Vec<Step> {
    let node = choices.below(nodes.into()) as u32;
    let until = at + Duration::from_millis(50 + choices.below(8_000));
    let step = |at, what| Step { at, what };
    match choices.below(4) {
        0 => vec![step(at, Fault::Pause(node)), step(until, Fault::Resume(node))],
        1 => {
            let each = Duration::from_micros(100 + choices.below(20_000));
            vec![step(at, Fault::Slow(node, each)), step(until, Fault::Slow(node, Duration::ZERO))]
        }
        2 => vec![step(at, Fault::Drift(node, choices.below(2_001) as i32 - 1_000))],
        _ => vec![step(at, Fault::Jump(node, Duration::from_millis(1 + choices.below(20_000))))],
    }
}

/// One thing that goes wrong, and when it is put right.
fn trouble(menu: &Menu, nodes: u32, at: Duration, choices: &mut dyn Choices) -> Vec<Step> {
    let src = choices.below(nodes.into()) as u32;
    let dst = (src + 1 + choices.below(nodes.saturating_sub(1).into()) as u32) % nodes.max(1);
    // From a moment to longer than most time-outs; what ends after the phase ends with it.
    let lasts = [20, 300, 2_000, 6_000, 15_000];
    let lasts = lasts.get(choices.below(5) as usize).copied().unwrap_or(20);
    let until = at + Duration::from_millis(lasts + choices.below(lasts));
    let step = |at, what| Step { at, what };
    match choices.below(14) {
        0 => vec![step(at, Fault::Cut(src, dst)), step(until, Fault::Mend(src, dst))],
        1 => {
            let both = [(src, dst), (dst, src)];
            let cuts = both.map(|(src, dst)| step(at, Fault::Cut(src, dst)));
            let mends = both.map(|(src, dst)| step(until, Fault::Mend(src, dst)));
            cuts.into_iter().chain(mends).collect()
        }
        2 => {
            let side = (0..nodes).filter(|node| *node == src || choices.below(2) == 0).collect();
            vec![step(at, Fault::Split(side)), step(until, Fault::MendAll)]
        }
        3 | 4 if menu.crashes => {
            vec![step(at, Fault::Crash(src)), step(until, Fault::Start(src))]
        }
        5 if menu.crashes => {
            let soon = at + Duration::from_millis(1 + choices.below(30));
            vec![step(at, Fault::Crash(src)), step(soon, Fault::Start(src))]
        }
        6 | 7 if menu.replays => {
            let count = 1 + choices.below(40) as u32;
            vec![step(at, Fault::Replay(src, dst, count))]
        }
        8 if menu.replays && menu.tampering => {
            vec![step(at, Fault::Bounce(src, dst, 1 + choices.below(20) as u32))]
        }
        9 if menu.tampering => {
            let noise = |nth| step(at, Fault::Noise(src, dst, 1 + nth * 17 % 300));
            (0..1 + choices.below(8) as u32).map(noise).collect()
        }
        10 if menu.mtus => {
            vec![step(at, Fault::Mtu(1_200 + choices.below(200) as u32))]
        }
        11 if menu.clocks => {
            let hours = choices.below(49) as i64 - 24;
            vec![step(at, Fault::Clock(src, hours * 3_600))]
        }
        _ => {
            let mut calm = weather(menu, choices);
            calm.loss = Chance::percent(choices.below(101) as u32);
            let plain = weather(menu, choices);
            vec![step(at, Fault::Link(src, dst, calm)), step(until, Fault::Link(src, dst, plain))]
        }
    }
}
