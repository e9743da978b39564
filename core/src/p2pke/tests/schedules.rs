//! Every fate of the handshake's datagrams, exhaustively: lost, late, twice, out of order.
//!
//! A schedule is a word of choices, one for each of the first eight datagrams that the two sides
//! put into the network. Whatever it says, the sides have a session that carries data both ways
//! within two resend periods of the last loss, and no key and counter is sealed under twice.

use super::seal_log::Watch;
use super::{Node, START, ms, secs};
use crate::p2pke::channel::{ChannelEvent, Input};
use crate::p2pke::session::FIRST_DATA;
use crate::time::Instant;
use bytes::Bytes;
use core::time::Duration;
use std::collections::VecDeque;
use std::vec::Vec;

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Delivered,
    Lost,
    Twice,
    /// After everything that is sent within the next two resend periods of the start.
    Late,
}

const FATES: [Fate; 4] = [Fate::Delivered, Fate::Lost, Fate::Twice, Fate::Late];
const LATENCY: Duration = Duration::from_millis(10);
/// Later than the repeats of what it overtakes, so that it arrives in another order.
const DELAY: Duration = Duration::from_millis(700);

struct World {
    nodes: [Node; 2],
    /// (when, for whom, what), in the order of sending.
    wire: Vec<(Instant, usize, Bytes)>,
    fates: VecDeque<Fate>,
    now: Instant,
    last_loss: Instant,
    received: [usize; 2],
}

impl World {
    fn new(fates: &[Fate], seed: u64) -> Self {
        Self {
            nodes: [Node::new(2 * seed + 1), Node::new(2 * seed + 2)],
            wire: Vec::new(),
            fates: fates.iter().copied().collect(),
            now: START,
            last_loss: START,
            received: [0; 2],
        }
    }

    fn send(&mut self, from: usize, datagram: Bytes) {
        let fate = self.fates.pop_front().unwrap_or(Fate::Delivered);
        let (at, to) = (self.now + LATENCY, 1 - from);
        match fate {
            Fate::Delivered => self.wire.push((at, to, datagram)),
            Fate::Twice => {
                self.wire.push((at, to, datagram.clone()));
                self.wire.push((at + LATENCY, to, datagram));
            }
            Fate::Late => self.wire.push((self.now + DELAY, to, datagram)),
            Fate::Lost => {}
        }
        if matches!(fate, Fate::Lost | Fate::Late) {
            self.last_loss = self.now;
        }
    }

    fn flush(&mut self, from: usize) {
        for datagram in self.nodes[from].drain() {
            self.send(from, datagram);
        }
    }

    /// One side says something as soon as it can, and both want a session.
    fn chat(&mut self) {
        for from in 0..2 {
            for event in self.nodes[from].events() {
                if event == ChannelEvent::Ready {
                    let message = self.nodes[from].seal(self.now, b"ready").unwrap();
                    assert!(message[..4] >= FIRST_DATA.to_be_bytes()[..]);
                    self.send(from, message);
                }
                assert!(!matches!(event, ChannelEvent::Failed { .. } | ChannelEvent::Down { .. }));
            }
        }
    }

    /// Lets the next thing happen, if it does by `until`.
    fn step(&mut self, until: Instant) -> bool {
        let arrival = self.wire.iter().enumerate().min_by_key(|(_, (at, ..))| *at);
        let timer = (0..2).filter_map(|i| Some((self.nodes[i].channel.poll_timeout()?, i))).min();
        let arrives = arrival.map(|(index, (at, ..))| (*at, index));
        match (arrives, timer) {
            (Some((at, index)), timer) if at <= until && timer.is_none_or(|(due, _)| at <= due) => {
                self.now = self.now.max(at);
                let (_, to, datagram) = self.wire.remove(index);
                let node = &mut self.nodes[to];
                if let Input::Message(_) =
                    node.with(|channel, cx| channel.handle_input(cx, at, (&datagram[..]).into()))
                {
                    self.received[to] += 1;
                }
                self.flush(to);
            }
            (_, Some((due, of))) if due <= until => {
                self.now = self.now.max(due);
                let sent = self.nodes[of].timeout(due);
                sent.into_iter().for_each(|datagram| self.send(of, datagram));
            }
            _ => return false,
        }
        self.chat();
        true
    }

    fn converged(&self) -> bool {
        let ready = self.nodes.iter().all(|node| node.channel.is_ready());
        ready && self.nodes[0].channel.peer() == Some(&self.nodes[1].public())
    }
}

/// Runs a schedule; how long after its last loss both sides could send.
fn run(fates: &[Fate], seed: u64, both: bool) -> Duration {
    let watch = Watch::start();
    let mut world = World::new(fates, seed);
    for from in 0..=usize::from(both) {
        world.nodes[from].with(|channel, cx| channel.open(cx, START));
        world.flush(from);
    }
    while !world.converged() || !world.fates.is_empty() {
        let alive = world.step(START + secs(14));
        if !alive && world.converged() {
            break;
        }
        assert!(alive, "no session under {fates:?}, seed {seed}, both {both}");
    }
    let took = world.now.since(world.last_loss);
    // What follows: data both ways under whatever the two have agreed on.
    let end = world.now + secs(3);
    while world.step(end) {}
    let before = world.received;
    for from in 0..2 {
        let message = world.nodes[from].seal(end, b"after").unwrap();
        world.now = end;
        world.fates.clear();
        world.send(from, message);
    }
    while world.step(end + LATENCY) {}
    assert_eq!(world.received, before.map(|n| n + 1), "under {fates:?}, seed {seed}, both {both}");
    assert!(watch.seals() > 0);
    took
}

/// All words over the fates of this length, through `each`.
fn all_words(len: u32, mut each: impl FnMut(&[Fate], u64)) {
    for word in 0..4_u64.pow(len) {
        let fates: Vec<Fate> = (0..len).map(|i| FATES[(word >> (2 * i)) as usize & 3]).collect();
        each(&fates, word);
    }
}

/// The interval in force after so many losses, with its jitter, and what the network takes.
fn two_periods() -> Duration {
    ms(2 * 2250) + DELAY
}

#[test]
fn one_initiator_converges_under_every_fate_of_eight_datagrams() {
    let mut worst = Duration::ZERO;
    all_words(if cfg!(debug_assertions) { 6 } else { 8 }, |fates, word| {
        worst = worst.max(run(fates, word % 16, false));
    });
    assert!(worst <= two_periods(), "{worst:?}");
}

#[test]
fn two_initiators_converge_under_every_fate_of_eight_datagrams() {
    let mut worst = Duration::ZERO;
    all_words(if cfg!(debug_assertions) { 6 } else { 8 }, |fates, word| {
        worst = worst.max(run(fates, word % 16, true));
    });
    assert!(worst <= two_periods(), "{worst:?}");
}

/// All orders: what is in flight is delivered in every possible order, each datagram once or
/// twice, no timer running, until nothing is in flight or eight have been delivered.
#[test]
fn every_order_of_what_is_in_flight_leads_to_a_session() {
    let paths: usize = (0..4).map(|seed| explore(seed, &mut Vec::new(), false)).sum();
    assert!(paths > 100, "{paths}");
}

/// Goes every way on from a path, which is the index of what was delivered at each step and
/// whether a copy of it stays in flight. How many ways there were.
fn explore(seed: u64, path: &mut Vec<(usize, bool)>, doubled: bool) -> usize {
    let _watch = Watch::start();
    let mut world = World::new(&[], seed);
    for from in 0..2 {
        world.nodes[from].with(|channel, cx| channel.open(cx, START));
        world.flush(from);
    }
    for (index, stays) in path.iter() {
        world.now = world.now + ms(1);
        let (_, to, datagram) = world.wire[*index].clone();
        if !stays {
            world.wire.remove(*index);
        }
        let now = world.now;
        let _ = world.nodes[to].input(now, &datagram);
        world.flush(to);
        world.chat();
    }
    if path.len() == 8 || world.wire.is_empty() {
        let end = world.now + secs(5);
        while !world.converged() && world.step(end) {}
        assert!(world.converged(), "seed {seed}: {path:?}");
        return 1;
    }
    let mut ways = 0;
    for index in 0..world.wire.len() {
        for stays in [false, true] {
            if !(stays && doubled) {
                path.push((index, stays));
                ways += explore(seed, path, doubled || stays);
                path.pop();
            }
        }
    }
    ways
}
