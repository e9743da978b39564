//! Cases about the end of a node.

use super::Case;
use super::report::Outcome;
use super::trial::{Trial, lacks, number};
use core::time::Duration;
use std::collections::BTreeSet;
use tellask::swarm::{AskError, AskId, TellError};
use tellask::{Addr, Command, Event, Payload};

const CLOSING: &str = "while it closes";

/// Messages that are told just before the end.
const LAST: usize = 30;

pub(super) fn cases<A: Addr>() -> Vec<Case<A>> {
    let case = |name, play, checks| Case { name, checks, nodes: 2, play };
    vec![
        case("close: finishes", finishes, "what was accepted before the end is delivered"),
        case("close: comes", comes, "whoever is to close says that it has"),
        case("close: last", last, "nothing follows the end"),
        case("close: tell after it", tell_after, "no message is accepted after the end"),
        case("close: requests end", requests_end, "no request is outstanding at the end"),
    ]
}

fn finishes<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    let dst = trial.addr(1)?;
    let mut missing = BTreeSet::new();
    for _ in 0..LAST {
        let message = trial.message(trial.short());
        missing.extend(number(&message));
        trial.tell(0, &dst, &message)?;
    }
    trial.fabric.command(0, Command::Close);
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
    let (lost, allowed) = (missing.len(), if trial.promises.loses { LAST / 2 } else { 0 });
    if lost > allowed {
        return Err(format!("{lost} of the last {LAST} messages are lost").into());
    }
    Ok(())
}

fn comes<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    trial.still_tells(0, 1)?;
    trial.fabric.command(0, Command::Close);
    if !closed(trial, 0) {
        return Err("it never says so".to_owned().into());
    }
    // The other one sees nothing of it, and is no less able to.
    trial.fabric.command(1, Command::Close);
    if !closed(trial, 1) {
        return Err("a second node, whose peer closed before, never says so".to_owned().into());
    }
    Ok(())
}

/// Waits for the end of a node, which may be late.
fn closed<A: Addr>(trial: &mut Trial<'_, A>, node: usize) -> bool {
    let until = trial.patience();
    while let Some((other, event)) = trial.next(until) {
        if other == node && event == Event::Closed {
            return true;
        }
    }
    false
}

fn last<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    let dst = trial.addr(0)?;
    trial.still_tells(1, 0)?;
    let mut messages = Vec::new();
    for _ in 0..LAST {
        messages.push(trial.message(trial.short()));
    }
    for message in &messages {
        trial.tell(1, &dst, message)?;
    }
    trial.fabric.command(0, Command::Close);
    closed(trial, 0);
    for message in &messages {
        // The other one may have learnt that nobody is there any more.
        trial.try_tell(1, dst.clone(), message.clone());
    }
    let until = trial.quiet();
    while let Some((node, event)) = trial.next(until) {
        if node == 0 {
            return Err(format!("it is followed by {event:?}").into());
        }
    }
    Ok(())
}

fn tell_after<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    let dst = trial.addr(1)?;
    trial.still_tells(0, 1)?;
    trial.fabric.command(0, Command::Close);
    for when in [CLOSING, "once it is closed"] {
        let message = Payload::from(trial.message(trial.short()));
        let told = trial.fabric.tell(0, dst.clone(), message.clone());
        if told != Err(TellError::Closed) {
            return Err(format!("{when}, a tell is met with {told:?}").into());
        }
        let (id, deadline) = (AskId::new(1), trial.patience());
        let asked = trial.fabric.ask(0, id, dst.clone(), message, deadline);
        if asked != Err(AskError::Closed) {
            return Err(format!("{when}, a request is met with {asked:?}").into());
        }
        if when == CLOSING {
            closed(trial, 0);
        }
    }
    Ok(())
}

fn requests_end<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    trial.promises.ask_max.ok_or(lacks("asks"))?;
    let dst = trial.addr(1)?;
    trial.still_asks(0, 1)?;
    let message = trial.message(trial.short());
    let id = trial.ask(0, &dst, &message, Duration::from_secs(30))?;
    let (until, mut outcomes, mut asked) = (trial.patience(), 0, None);
    while asked.is_none()
        && let Some((node, event)) = trial.next(until)
    {
        if let Event::Asked { token, message, .. } = event
            && node == 1
        {
            asked = Some((token, message.src));
        }
    }
    trial.fabric.command(0, Command::Close);
    let (token, dst) = asked.ok_or_else(|| "the request never arrives".to_owned())?;
    let result = Ok(Payload::from("late, and yet in time"));
    trial.fabric.command(1, Command::Answer { token, dst, result });
    while let Some((node, event)) = trial.next(until) {
        match event {
            Event::Answered { id: other, .. } if node == 0 && other == id => outcomes += 1,
            Event::Closed if node == 0 => break,
            _ => {}
        }
    }
    if outcomes != 1 {
        return Err(format!("a request has {outcomes} outcomes before the end").into());
    }
    Ok(())
}
