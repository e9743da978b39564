//! Cases about asks.

use super::Case;
use super::report::Outcome;
use super::trial::{Reply, Trial, lacks, number};
use crate::topology::Topology;
use std::collections::{BTreeMap, BTreeSet};
use tellask::swarm::{AskError, AskId, Refusal};
use tellask::{Addr, Command, Event, Payload};

/// Requests at once.
const MANY: usize = 64;

pub(super) fn cases<A: Addr>() -> Vec<Case<A>> {
    let case = |name, nodes, play, checks| Case { name, checks, nodes, play };
    vec![
        case("ask: unsupported", 2, unsupported, "a swarm that cannot ask says so"),
        case("ask: every pair", 8, every_pair, "each of eight nodes is answered by each other one"),
        case("ask: src and dst", 3, src_and_dst, "a request says who asks, and by which address"),
        case("ask: sizes", 2, sizes, "requests and replies of every size up to the limit arrive"),
        case("ask: too large", 2, too_large, "requests and replies over the limit are refused so"),
        case("ask: concurrent", 3, concurrent, "of many requests each has its own reply"),
        case("ask: slow handler", 2, slow_handler, "one that is answered late holds up no other"),
        case("ask: refused", 2, refused, "a refusal arrives with its code and detail"),
        case("ask: dropped", 2, dropped, "what nobody answers is refused at once, as unanswered"),
        case(
            "ask: deadline",
            2,
            deadline,
            "what is not answered in time has an outcome all the same",
        ),
        case("ask: late answer", 2, late_answer, "an answer after the deadline changes nothing"),
        case("ask: cancel", 2, cancel, "whoever is to answer learns that nobody waits any more"),
        case("ask: back", 2, back, "a handler asks the asker before it answers"),
        case("ask: peer vanishes", 3, peer_vanishes, "requests to a peer that is gone have an end"),
        case("ask: nobody", 3, nobody, "requests to nobody are heard by nobody, and have an end"),
        case(
            "ask: equal tokens",
            3,
            equal_tokens,
            "each reply finds who asked, whatever its token",
        ),
        case("ask: once", 2, once, "a request runs once, though datagrams come twice"),
    ]
}

fn asks<A: Addr>(trial: &Trial<'_, A>) -> Outcome {
    trial.promises.ask_max.map(drop).ok_or(lacks("asks"))
}

/// What became of a request; an error where nothing did.
fn outcome(outcomes: &mut BTreeMap<AskId, Reply>, id: AskId) -> Outcome<Reply> {
    outcomes.remove(&id).ok_or_else(|| "a request has no outcome".to_owned().into())
}

fn unsupported<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    if trial.promises.ask_max.is_some() {
        return Err(lacks("nothing: it can ask"));
    }
    let dst = trial.addr(1)?;
    let (id, payload, deadline) = (AskId::new(1), Payload::from("what"), trial.patience());
    let asked = trial.fabric.ask(0, id, dst.clone(), payload.clone(), deadline);
    if asked != Err(AskError::Unsupported) {
        return Err(format!("a request is met with {asked:?}").into());
    }
    if trial.fabric.command(0, Command::Ask { id, dst, payload, deadline }) {
        let mut outcomes = trial.outcomes(&[id], trial.lateness(deadline), &mut |_, _, _| {});
        let reply = outcome(&mut outcomes, id)?;
        if reply != Err(AskError::Unsupported) {
            return Err(format!("past the gate, a request is met with {reply:?}").into());
        }
    }
    Ok(())
}

fn every_pair<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    asks(trial)?;
    for (from, to) in Topology::full_mesh(trial.nodes()).arcs() {
        trial.still_asks(from, to)?;
    }
    Ok(())
}

fn src_and_dst<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    asks(trial)?;
    for (from, to) in Topology::full_mesh(trial.nodes()).arcs() {
        let (post, mut wrong) = (trial.post(from, to)?, None);
        let src = trial.addr(from)?;
        let id = trial.ask(from, &post.dst, &post.payload, trial.promises.patience)?;
        let until = trial.lateness(trial.patience());
        trial.outcomes(&[id], until, &mut |trial, node, event| {
            if let Event::Asked { message, .. } = &event
                && !(trial.fabric.speaks_from(from, &message.src) && message.dst == post.dst)
            {
                wrong = Some(format!(
                    "a request from {src} to {} is said to be from {} to {}",
                    post.dst, message.src, message.dst
                ));
            }
            trial.echo(node, event);
        });
        if let Some(wrong) = wrong {
            return Err(wrong.into());
        }
    }
    Ok(())
}

fn sizes<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    let promised = trial.promises.ask_max.ok_or(lacks("asks"))?;
    let link = trial.fabric.link(0);
    let max = link.ask_max;
    if max < promised {
        return Err(format!("{max} bytes may be asked, {promised} are promised").into());
    }
    let unit = link.unit;
    let mut sizes = vec![0, 1, 2, 100, unit.saturating_sub(1), unit, unit + 1, 2 * unit, 5_000];
    sizes.extend([max / 2, max.saturating_sub(1), max]);
    let dst = trial.addr(1)?;
    for size in sizes.into_iter().filter(|size| *size <= max) {
        let request = trial.message(size);
        let id = trial.ask(0, &dst, &request, trial.promises.patience)?;
        let (until, mut arrived) = (trial.lateness(trial.patience()), None);
        let mut outcomes = trial.outcomes(&[id], until, &mut |trial, node, event| {
            if let Event::Asked { message, .. } = &event {
                arrived = Some(message.payload.len());
            }
            trial.echo(node, event);
        });
        let reply = outcome(&mut outcomes, id)?.map(|reply| reply.len());
        if arrived != Some(size) || reply != Ok(size) {
            return Err(format!(
                "a request of {size} bytes arrives as {arrived:?} bytes, and comes back as {reply:?}"
            )
            .into());
        }
    }
    Ok(())
}

fn too_large<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    asks(trial)?;
    trial.still_asks(0, 1)?;
    let (dst, limit) = (trial.addr(1)?, trial.fabric.link(0).ask_max);
    let (id, deadline) = (AskId::new(u64::MAX), trial.patience());
    let payload = Payload::from(trial.message(limit + 1));
    let asked = trial.fabric.ask(0, id, dst.clone(), payload.clone(), deadline);
    if asked != Err(AskError::TooLarge { limit }) {
        return Err(format!("a request of {} bytes is met with {asked:?}", limit + 1).into());
    }
    let is_said = |reply: &Reply| matches!(reply, Err(AskError::TooLarge { .. }));
    let until = trial.lateness(deadline);
    if trial.fabric.command(0, Command::Ask { id, dst: dst.clone(), payload, deadline }) {
        let reply = outcome(&mut trial.outcomes(&[id], until, &mut Trial::echo), id)?;
        if !is_said(&reply) {
            return Err(format!("past the gate, one of {} bytes has {reply:?}", limit + 1).into());
        }
    }
    let id = trial.ask(0, &dst, b"a large reply, please", trial.promises.patience)?;
    let until = trial.lateness(trial.patience());
    let mut outcomes = trial.outcomes(&[id], until, &mut |trial, node, event| {
        if let Event::Asked { token, message, .. } = event {
            // Headers in front of requests may leave a reply more room.
            let reply = Payload::from(trial.message(limit + 1_024));
            trial.answer(node, token, message.src, Ok(reply));
        }
    });
    let reply = outcome(&mut outcomes, id)?;
    if !is_said(&reply) {
        let reply = reply.map(|reply| reply.len());
        return Err(format!("whose reply is over the limit, he has {reply:?}").into());
    }
    trial.still_asks(0, 1)
}

fn concurrent<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    asks(trial)?;
    let mut expected = BTreeMap::new();
    for nth in 0..MANY {
        let post = trial.post(0, 1 + nth % 2)?;
        let id = trial.ask(0, &post.dst, &post.payload, trial.promises.patience)?;
        expected.insert(id, number(&post.payload));
    }
    let ids: Vec<AskId> = expected.keys().copied().collect();
    let until = trial.lateness(trial.patience());
    let mut outcomes = trial.outcomes(&ids, until, &mut Trial::echo);
    for (id, expected) in expected {
        match outcome(&mut outcomes, id)? {
            Ok(reply) if number(&reply) == expected => {}
            Ok(_) => return Err("a request has the reply of another one".to_owned().into()),
            Err(error) => return Err(format!("one of {MANY} requests fails: {error}").into()),
        }
    }
    Ok(())
}

fn slow_handler<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    asks(trial)?;
    let mut posts = Vec::new();
    for _ in 0..6 {
        posts.push(trial.post(0, 1)?);
    }
    let slow = number(&posts[0].payload);
    let mut ids = Vec::new();
    for post in &posts {
        ids.push(trial.ask(0, &post.dst, &post.payload, trial.promises.patience)?);
    }
    let (until, mut held) = (trial.lateness(trial.patience()), None);
    let outcomes = trial.outcomes(&ids[1..], until, &mut |trial, node, event| match event {
        Event::Asked { token, message, .. } if number(&message.payload) == slow => {
            held = Some((token, message));
        }
        other => trial.echo(node, other),
    });
    if ids[1..].iter().any(|id| !matches!(outcomes.get(id), Some(Ok(_)))) {
        return Err("while one is not answered, others are not".to_owned().into());
    }
    let (token, message) = held.ok_or_else(|| "the slow one never arrived".to_owned())?;
    trial.answer(1, token, message.src, Ok(message.payload.into()));
    match outcome(&mut trial.outcomes(&ids[..1], until, &mut Trial::echo), ids[0])? {
        Ok(reply) if number(&reply) == slow => Ok(()),
        other => Err(format!("the slow one has {other:?}").into()),
    }
}

/// Node 0 asks node 1, which answers with `result`.
fn asked<A: Addr>(trial: &mut Trial<'_, A>, result: &Result<Payload, Refusal>) -> Outcome<Reply> {
    let post = trial.post(0, 1)?;
    let id = trial.ask(0, &post.dst, &post.payload, trial.promises.patience)?;
    let until = trial.lateness(trial.patience());
    let mut outcomes = trial.outcomes(&[id], until, &mut |trial, node, event| {
        if let Event::Asked { token, message, .. } = event {
            trial.answer(node, token, message.src, result.clone());
        }
    });
    outcome(&mut outcomes, id)
}

fn refused<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    asks(trial)?;
    for (code, detail) in [(1, &b""[..]), (404, b"no such thing"), (u32::MAX, &[0xff; 40])] {
        let refusal = Refusal::new(code, detail);
        let reply = asked(trial, &Err(refusal.clone()))?;
        if reply != Err(AskError::Refused(refusal.clone())) {
            return Err(format!("{refusal:?} arrives as {reply:?}").into());
        }
    }
    Ok(())
}

fn dropped<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    asks(trial)?;
    let reply = asked(trial, &Err(Refusal::unanswered()))?;
    let Err(AskError::Refused(Refusal { code: Refusal::UNANSWERED, .. })) = reply else {
        return Err(format!("a request that nobody answers has {reply:?}").into());
    };
    Ok(())
}

fn deadline<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    asks(trial)?;
    trial.still_asks(0, 1)?;
    let (post, back) = (trial.post(0, 1)?, trial.post(1, 0)?);
    let within = trial.promises.quiet * 2;
    let deadline = trial.fabric.now() + within;
    let id = trial.ask(0, &post.dst, &post.payload, within)?;
    let until = trial.lateness(deadline);
    let mut outcomes = trial.outcomes(&[id], until, &mut |trial, node, event| {
        // Whoever does not answer is not therefore gone.
        if matches!(event, Event::Asked { .. }) {
            trial.try_tell(node, back.dst.clone(), back.payload.clone());
        }
    });
    match outcome(&mut outcomes, id)? {
        Err(AskError::TimedOut { .. }) => {}
        other => return Err(format!("after its deadline, a request has {other:?}").into()),
    }
    trial.still_asks(0, 1)
}

fn late_answer<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    asks(trial)?;
    trial.still_asks(0, 1)?;
    let post = trial.post(0, 1)?;
    let within = trial.promises.quiet * 2;
    let deadline = trial.fabric.now() + within;
    let id = trial.ask(0, &post.dst, &post.payload, within)?;
    let (mut held, mut outcomes) = (None, Vec::new());
    let mut listen = |trial: &mut Trial<'_, A>, until| {
        while let Some((node, event)) = trial.next(until) {
            match event {
                Event::Asked { token, message, .. } => held = Some((node, token, message.src)),
                Event::Answered { id: other, result } if other == id => outcomes.push(result),
                _ => {}
            }
        }
        held.take()
    };
    let asked = listen(trial, trial.lateness(deadline));
    let (node, token, src) = asked.ok_or_else(|| "the request never arrives".to_owned())?;
    trial.answer(node, token, src, Ok(Payload::from("late")));
    listen(trial, trial.quiet());
    if outcomes.len() > 1 || outcomes.iter().any(Result::is_ok) {
        return Err(format!("a request that was answered late has {outcomes:?}").into());
    }
    trial.still_asks(0, 1)
}

fn cancel<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    asks(trial)?;
    trial.still_asks(0, 1)?;
    let post = trial.post(0, 1)?;
    let id = trial.ask(0, &post.dst, &post.payload, trial.promises.patience * 4)?;
    let (until, mut asked, mut withdrawn, mut outcomes) = (trial.patience(), None, false, 0);
    while !withdrawn && let Some((node, event)) = trial.next(until) {
        match event {
            Event::Asked { token, message, .. } if node == 1 => {
                asked = Some((token, message.src));
                trial.fabric.command(0, Command::Cancel { id, dst: post.dst.clone() });
            }
            Event::Withdrawn { token, src } => withdrawn = asked == Some((token, src)),
            Event::Answered { id: other, .. } if other == id => outcomes += 1,
            _ => {}
        }
    }
    let until = trial.quiet();
    while let Some((_, event)) = trial.next(until) {
        outcomes += u32::from(matches!(event, Event::Answered { id: other, .. } if other == id));
    }
    if asked.is_none() || !withdrawn || outcomes > 1 {
        return Err(format!(
            "whoever is to answer does not learn it: arrived {}, withdrawn {withdrawn}, {outcomes} \
             outcomes",
            asked.is_some()
        )
        .into());
    }
    trial.still_asks(0, 1)
}

fn back<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    asks(trial)?;
    let (outer, inner) = (trial.post(0, 1)?, trial.post(1, 0)?);
    let id = trial.ask(0, &outer.dst, &outer.payload, trial.promises.patience)?;
    let (until, mut held, mut inner_id) = (trial.lateness(trial.patience()), None, None);
    while let Some((node, event)) = trial.next(until) {
        match event {
            Event::Asked { token, message, .. } if node == 1 => {
                held = Some((token, message));
                inner_id =
                    Some(trial.ask(1, &inner.dst, &inner.payload, trial.promises.patience)?);
            }
            Event::Answered { id, result } if node == 1 && Some(id) == inner_id => {
                if let Err(error) = result {
                    return Err(format!("asked back, the asker has no answer: {error}").into());
                }
                let Some((token, message)) = held.take() else { continue };
                trial.answer(1, token, message.src, Ok(message.payload.into()));
            }
            Event::Answered { id: other, result } if node == 0 && other == id => {
                return match result {
                    Ok(_) => Ok(()),
                    Err(error) => Err(format!("the first request fails: {error}").into()),
                };
            }
            other => trial.echo(node, other),
        }
    }
    Err("the first request has no outcome".to_owned().into())
}

fn peer_vanishes<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    asks(trial)?;
    trial.still_asks(0, 1)?;
    let (before, after) = (trial.post(0, 1)?, trial.post(0, 1)?);
    let within = trial.promises.quiet * 4;
    let deadline = trial.fabric.now() + within;
    let mut ids = vec![trial.ask(0, &before.dst, &before.payload, within)?];
    let until = trial.quiet();
    while let Some((node, event)) = trial.next(until) {
        if node == 1 && matches!(event, Event::Asked { .. }) {
            break;
        }
    }
    if !trial.fabric.vanish(1) {
        return Err(lacks("a way to make a node vanish"));
    }
    ids.push(trial.ask(0, &after.dst, &after.payload, within)?);
    let until = trial.lateness(deadline + trial.promises.quiet);
    let mut outcomes = trial.outcomes(&ids, until, &mut Trial::echo);
    for id in ids {
        if let Ok(reply) = outcome(&mut outcomes, id)? {
            return Err(format!("nobody answers {} bytes", reply.len()).into());
        }
    }
    trial.still_asks(0, 2)
}

fn nobody<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    asks(trial)?;
    let nobody = trial.fabric.nobody().ok_or(lacks("an address at which nobody is"))?;
    trial.still_asks(0, 1)?;
    let request = trial.message(trial.short());
    let within = trial.promises.quiet * 4;
    let deadline = trial.fabric.now() + within;
    let id = trial.ask(0, &nobody, &request, within)?;
    let (asked, mut hearer) = (number(&request), None);
    let until = trial.lateness(deadline + trial.promises.quiet);
    let mut outcomes = trial.outcomes(&[id], until, &mut |_, node, event| {
        if let Event::Asked { message, .. } = event
            && number(&message.payload) == asked
        {
            hearer = Some(node);
        }
    });
    if let Some(node) = hearer {
        return Err(format!("node {node} hears what {nobody} is asked").into());
    }
    if let Ok(reply) = outcome(&mut outcomes, id)? {
        return Err(format!("nobody answers {} bytes", reply.len()).into());
    }
    trial.still_asks(0, 2)
}

/// Every other node asks node 0 by two of its addresses, where it has two, and it answers the last one first.
fn equal_tokens<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    asks(trial)?;
    let mut expected = BTreeMap::new();
    for dst in trial.fabric.link(0).local.into_iter().take(2) {
        for from in 1..trial.nodes() {
            let request = trial.message(trial.short());
            let id = trial.ask(from, &dst, &request, trial.promises.patience)?;
            expected.insert(id, number(&request));
        }
    }
    let (until, mut held) = (trial.lateness(trial.patience()), Vec::new());
    while held.len() < expected.len()
        && let Some((node, event)) = trial.next(until)
    {
        if let Event::Asked { token, message, .. } = event {
            held.push((node, token, message));
        }
    }
    for (node, token, message) in held.into_iter().rev() {
        trial.answer(node, token, message.src, Ok(message.payload.into()));
    }
    let ids: Vec<AskId> = expected.keys().copied().collect();
    let mut outcomes = trial.outcomes(&ids, until, &mut Trial::echo);
    for (id, expected) in expected {
        match outcome(&mut outcomes, id)? {
            Ok(reply) if number(&reply) == expected => {}
            other => return Err(format!("a request has the wrong outcome: {other:?}").into()),
        }
    }
    Ok(())
}

fn once<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    asks(trial)?;
    trial.still_asks(0, 1)?;
    trial.fabric.repeat_datagrams();
    let mut ids = Vec::new();
    for _ in 0..20 {
        let post = trial.post(0, 1)?;
        ids.push(trial.ask(0, &post.dst, &post.payload, trial.promises.patience)?);
    }
    let (until, mut run) = (trial.lateness(trial.patience()), BTreeSet::new());
    let mut twice = 0;
    let mut count = |trial: &mut Trial<'_, A>, node, event| {
        if let Event::Asked { message, .. } = &event {
            twice += usize::from(!run.insert(number(&message.payload)));
        }
        trial.echo(node, event);
    };
    trial.outcomes(&ids, until, &mut count);
    let until = trial.quiet();
    while let Some((node, event)) = trial.next(until) {
        count(trial, node, event);
    }
    if twice > 0 { Err(format!("{twice} of 20 requests ran again").into()) } else { Ok(()) }
}
