//! Cases about tells.

use super::report::Outcome;
use super::trial::{NUMBERED, Post, Trial, lacks, number};
use super::{Case, Duplicates, Oneself};
use crate::net::Chance;
use crate::topology::Topology;
use core::time::Duration;
use std::collections::BTreeSet;
use tellask::swarm::TellError;
use tellask::{Addr, Command, Event, Payload};

/// Messages of a burst.
const BURST: usize = 80;
/// Messages that are told without a pause, in search of a queue that is full.
const FLOOD: usize = 400;
/// Up to this length every one is tried.
const EVERY_SIZE: usize = 2_048;

pub(super) fn cases<A: Addr>() -> Vec<Case<A>> {
    let case = |name, nodes, play, checks| Case { name, checks, nodes, play };
    vec![
        case("tell: every pair", 8, every_pair, "each of eight nodes is heard by each other one"),
        case("tell: relayed", 6, relayed, "messages go back and forth along the edges of graphs"),
        case("tell: empty", 2, empty, "a message of no bytes arrives"),
        case("tell: sizes", 2, sizes, "messages of every size up to the MTU arrive in their size"),
        case("tell: one above", 2, one_above, "what is larger than the MTU is refused as that"),
        case("tell: payload", 2, payload, "no byte of a message is altered"),
        case(
            "tell: src and dst",
            3,
            src_and_dst,
            "a message says who sent it, and by which address",
        ),
        case("tell: burst", 2, burst, "of many messages at once none is lost"),
        case("tell: many senders", 7, many_senders, "six nodes at once are heard by one"),
        case("tell: duplicates", 2, duplicates, "no message arrives more often than promised"),
        case("tell: full", 2, full, "whoever is full takes messages again before long"),
        case("tell: nobody", 3, nobody, "what is for nobody is heard by nobody"),
        case(
            "tell: nobody is reported",
            2,
            nobody_is_reported,
            "whoever tells to nobody learns it",
        ),
        case("tell: no route", 2, no_route, "whoever tells where nothing leads to learns it"),
        case("tell: oneself", 2, oneself, "a message to oneself is delivered or not, as promised"),
    ]
}

fn every_pair<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    for (from, to) in Topology::full_mesh(trial.nodes()).arcs() {
        trial.still_tells(from, to)?;
    }
    Ok(())
}

/// A message walks through each graph, and back.
fn relayed<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    let nodes = trial.nodes();
    let mut graphs = vec![
        Topology::line(nodes),
        Topology::ring(nodes),
        Topology::star(nodes),
        Topology::grid(nodes / 2, 2),
    ];
    graphs.extend(Topology::random_regular(nodes, 3, 1));
    graphs.extend(Topology::small_world(nodes, 2, Chance::percent(20), 1));
    for graph in graphs {
        for hop in graph.walk(0).windows(2) {
            trial.still_tells(hop[0], hop[1])?;
        }
    }
    Ok(())
}

fn empty<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    hear_sizes(trial, &[0])
}

fn sizes<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    let (dst, mtu) = trial.room(0, 1)?;
    let promised = trial.promises.mtu;
    let floor = trial.fabric.link(0).tell_max;
    if floor < promised || mtu < floor {
        return Err(
            format!("the MTU is {floor} bytes, {mtu} to {dst}; {promised} are promised").into()
        );
    }
    let mut sizes: Vec<usize> = (1..=mtu.min(EVERY_SIZE)).collect();
    let powers = (0..usize::BITS).map(|bit| 1 << bit);
    sizes.extend(powers.flat_map(|size| [size - 1, size, size + 1]).filter(|size| *size < mtu));
    sizes.extend(mtu.saturating_sub(3)..=mtu);
    sizes.retain(|size| *size > 0);
    sizes.sort_unstable();
    sizes.dedup();
    hear_sizes(trial, &sizes)
}

/// Node 0 tells node 1 a message of each of these sizes, and again those that do not arrive.
fn hear_sizes<A: Addr>(trial: &mut Trial<'_, A>, sizes: &[usize]) -> Outcome {
    let dst = trial.addr(1)?;
    let mut missing: BTreeSet<usize> = sizes.iter().copied().collect();
    // Not all at once: what a node has told of and not sent is not to be lost.
    for sizes in sizes.chunks(64) {
        for _ in 0..3 {
            for size in sizes.iter().filter(|size| missing.contains(size)) {
                let message = trial.message(*size);
                trial.tell(0, &dst, &message)?;
            }
            let until = trial.fabric.now() + trial.promises.patience / 4;
            while sizes.iter().any(|size| missing.contains(size))
                && let Some((node, event)) = trial.next(until)
            {
                if let Event::Told(message) = event
                    && node == 1
                {
                    missing.remove(&message.payload.len());
                }
            }
        }
    }
    match missing.first() {
        None => Ok(()),
        Some(size) => {
            let others = missing.len() - 1;
            Err(format!("no message of {size} bytes arrives, nor of {others} other sizes").into())
        }
    }
}

fn one_above<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    trial.still_tells(0, 1)?;
    let (dst, limit) = trial.room(0, 1)?;
    let message = trial.message(limit + 1);
    let told = trial.fabric.tell(0, dst.clone(), Payload::from(message.clone()));
    let right = Err(TellError::TooLarge { len: limit + 1, limit });
    if told != right {
        return Err(format!("a tell of {} bytes is met with {told:?}", limit + 1).into());
    }
    let payload = Payload::from(message);
    if trial.fabric.command(0, Command::Tell { dst: dst.clone(), payload }) {
        let (until, mut reported) = (trial.quiet(), false);
        while let Some((node, event)) = trial.next(until) {
            match event {
                Event::Told(message) if message.payload.len() > limit => {
                    return Err(format!("node {node} hears more than the MTU").into());
                }
                Event::Undelivered { dst: other, .. } => reported |= node == 0 && other == dst,
                _ => {}
            }
        }
        if !reported {
            return Err("what is too large is dropped without a word".to_owned().into());
        }
    }
    trial.still_tells(0, 1)
}

fn payload<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    let (dst, mtu) = trial.room(0, 1)?;
    let mut posts = Vec::new();
    let fills: [fn(usize) -> u8; 5] =
        [|_| 0, |_| 0xff, |at| at as u8, |at| (at * 31 + at / 256) as u8, |_| b'%'];
    for len in [NUMBERED + 1, 100, 700, 1_200, mtu / 2, mtu] {
        let len = len.min(mtu);
        posts.push(Post { from: 0, to: 1, dst: dst.clone(), payload: trial.message(len) });
        for fill in fills {
            let mut payload = trial.message(len);
            for (at, byte) in payload.iter_mut().enumerate().skip(NUMBERED) {
                *byte = fill(at);
            }
            posts.push(Post { from: 0, to: 1, dst: dst.clone(), payload });
        }
    }
    for post in &posts {
        for message in trial.deliver(core::slice::from_ref(post))? {
            let mut bytes = message.payload.iter().zip(&post.payload);
            if let Some(at) = bytes.position(|(heard, told)| heard != told) {
                let len = post.payload.len();
                return Err(format!("byte {at} of a message of {len} bytes is altered").into());
            }
        }
    }
    Ok(())
}

fn src_and_dst<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    let mut posts = Vec::new();
    for (from, to) in Topology::full_mesh(trial.nodes()).arcs() {
        posts.push(trial.post(from, to)?);
    }
    let heard = trial.deliver(&posts)?;
    for (post, message) in posts.iter().zip(heard) {
        let (src, dst) = (trial.addr(post.from)?, &post.dst);
        if !trial.fabric.speaks_from(post.from, &message.src) || message.dst != *dst {
            let (said_src, said_dst) = (message.src, message.dst);
            return Err(format!(
                "a message from {src} to {dst} is said to be from {said_src} to {said_dst}"
            )
            .into());
        }
    }
    Ok(())
}

fn burst<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    let (dst, mtu) = trial.room(0, 1)?;
    let mut missing = BTreeSet::new();
    for _ in 0..BURST {
        let message = trial.message(mtu.min(300));
        missing.extend(number(&message));
        trial.tell(0, &dst, &message)?;
    }
    let until = trial.patience();
    while !missing.is_empty()
        && let Some((node, event)) = trial.next(until)
    {
        if let Event::Told(message) = event
            && let Some(number) = number(&message.payload)
            && node == 1
        {
            missing.remove(&number);
        }
    }
    let (lost, allowed) = (missing.len(), if trial.promises.loses { BURST / 2 } else { 0 });
    if lost > allowed {
        return Err(format!("{lost} of {BURST} messages are lost").into());
    }
    Ok(())
}

fn many_senders<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    let mut posts = Vec::new();
    for _ in 0..5 {
        for from in 1..trial.nodes() {
            posts.push(trial.post(from, 0)?);
        }
    }
    trial.deliver(&posts).map(drop)
}

fn duplicates<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    trial.still_tells(0, 1)?;
    let never = trial.promises.duplicates == Duplicates::Never;
    let repeated = never && trial.fabric.repeat_datagrams();
    let dst = trial.addr(1)?;
    for _ in 0..30 {
        let message = trial.message(trial.short());
        trial.tell(0, &dst, &message)?;
    }
    let (until, mut heard) = (trial.quiet(), BTreeSet::new());
    while let Some((node, event)) = trial.next(until) {
        if let Event::Told(message) = event
            && let Some(number) = number(&message.payload)
            && node == 1
            && !heard.insert(number)
        {
            let network = if repeated { "repeats every datagram" } else { "repeats none" };
            return Err(format!("a message arrives twice, on a network that {network}").into());
        }
    }
    if heard.is_empty() { Err("none of 30 messages arrives".to_owned().into()) } else { Ok(()) }
}

fn full<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    let (dst, mtu) = trial.room(0, 1)?;
    for _ in 0..FLOOD {
        let message = Payload::from(trial.message(mtu.min(4_096)));
        match trial.fabric.tell(0, dst.clone(), message) {
            Ok(()) => {}
            Err(TellError::Full) => {
                let message = trial.message(trial.short());
                return trial.tell(0, &dst, &message);
            }
            Err(error) => return Err(format!("a tell is refused: {error}").into()),
        }
    }
    Err(lacks("no queue was ever full"))
}

fn nobody<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    let nobody = trial.fabric.nobody().ok_or(lacks("an address at which nobody is"))?;
    trial.still_tells(0, 1)?;
    trial.still_tells(1, 0)?;
    let message = trial.message(trial.short());
    let told = number(&message);
    trial.try_tell(0, nobody.clone(), message);
    let until = trial.quiet();
    while let Some((node, event)) = trial.next(until) {
        if let Event::Told(message) = event
            && number(&message.payload) == told
        {
            return Err(format!("node {node} hears what was told to {nobody}").into());
        }
    }
    trial.still_tells(0, 1)
}

fn nobody_is_reported<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    let within = trial.promises.reports_nobody.ok_or(lacks("a promise to report it"))?;
    let nobody = trial.fabric.nobody().ok_or(lacks("an address at which nobody is"))?;
    let message = trial.message(trial.short());
    trial.tell(0, &nobody, &message)?;
    let until = trial.fabric.now() + within + Duration::from_millis(1);
    while let Some((node, event)) = trial.next(until) {
        if node == 0 && matches!(&event, Event::Undelivered { dst, .. } if *dst == nobody) {
            return Ok(());
        }
    }
    Err(format!("nothing is said of a message to {nobody} for {within:?}").into())
}

fn no_route<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    let dst = trial.fabric.no_route().ok_or(lacks("an address that nothing leads to"))?;
    trial.still_tells(0, 1)?;
    let message = trial.message(trial.short());
    let told = number(&message);
    // It is not the message that is wrong.
    trial.tell(0, &dst, &message)?;
    let within = trial.promises.reports_nobody.unwrap_or(trial.promises.quiet);
    let (until, mut reported) = (trial.fabric.now() + within + Duration::from_millis(1), false);
    while !reported && let Some((node, event)) = trial.next(until) {
        match event {
            Event::Told(message) if number(&message.payload) == told => {
                return Err(format!("node {node} hears what was told to {dst}").into());
            }
            Event::Undelivered { dst: other, .. } => reported |= node == 0 && other == dst,
            _ => {}
        }
    }
    if !reported {
        return Err(format!("nothing is said of a message to {dst} for {within:?}").into());
    }
    trial.still_tells(0, 1)
}

fn oneself<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    let post = trial.post(0, 0)?;
    let told = number(&post.payload);
    match trial.promises.oneself {
        Oneself::Delivered => drop(trial.deliver(&[post])?),
        Oneself::Refused | Oneself::Unspecified => {
            let refused = trial.promises.oneself == Oneself::Refused;
            trial.try_tell(0, post.dst, post.payload);
            let until = trial.quiet();
            while let Some((_, event)) = trial.next(until) {
                if refused
                    && let Event::Told(message) = event
                    && number(&message.payload) == told
                {
                    return Err("it arrives".to_owned().into());
                }
            }
        }
    }
    trial.still_tells(0, 1)
}
