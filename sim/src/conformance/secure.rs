//! Cases about keys and secrets.

use super::Case;
use super::report::Outcome;
use super::trial::{Trial, lacks, number};
use core::time::Duration;
use tellask::swarm::{Accept, AskId, Setting};
use tellask::{Addr, Command, Event, Payload};

pub(super) fn cases<A: Addr>() -> Vec<Case<A>> {
    let case = |name, nodes, play, checks| Case { name, checks, nodes, play };
    vec![
        case("secure: key", 2, key, "the key that is seen is the one that is held"),
        case("secure: wrong key", 3, wrong_key, "who does not hold the key hears nothing"),
        case("secure: in clear", 2, in_clear, "nothing that is told or asked is seen on the way"),
        case("secure: policy", 3, policy, "whom the policy excludes is not heard"),
        case(
            "secure: disconnect",
            2,
            disconnect,
            "who is disconnected is down, and can be up again",
        ),
    ]
}

fn secure<A: Addr>(trial: &Trial<'_, A>) -> Outcome {
    if trial.promises.secure { Ok(()) } else { Err(lacks("proof of keys")) }
}

fn key<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    secure(trial)?;
    for (from, to) in [(0, 1), (1, 0)] {
        let held = trial.fabric.key(to).ok_or(lacks("the keys that are held"))?;
        let dst = trial.addr(to)?;
        trial.still_tells(from, to)?;
        trial.fabric.command(from, Command::Identify { dst: dst.clone() });
        let (until, mut seen) = (trial.patience(), None);
        while seen.is_none()
            && let Some((node, event)) = trial.next(until)
        {
            match event {
                Event::PeerUp { addr, key } if node == from && addr == dst && key != held => {
                    return Err(format!("{dst} is up with a key that it does not hold").into());
                }
                Event::Identified { addr, result } if node == from && addr == dst => {
                    seen = Some(result);
                }
                _ => {}
            }
        }
        if seen != Some(Ok(held)) {
            return Err(format!("{dst} holds another key than is seen: {seen:?}").into());
        }
    }
    Ok(())
}

fn wrong_key<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    secure(trial)?;
    let dst = trial.fabric.disguised(1, 2).ok_or(lacks("addresses under a wrong key"))?;
    trial.still_tells(0, 1)?;
    trial.still_tells(0, 2)?;
    let message = trial.message(trial.short());
    let told = number(&message);
    trial.try_tell(0, dst.clone(), message);
    // As long as a handshake may take.
    let within = trial.promises.reports_nobody.unwrap_or(trial.promises.quiet);
    let until = trial.fabric.now() + within;
    while let Some((node, event)) = trial.next(until) {
        if let Event::Told(message) = event
            && number(&message.payload) == told
        {
            return Err(format!("node {node} hears what was told to {dst}").into());
        }
    }
    trial.still_tells(0, 1)
}

fn in_clear<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    secure(trial)?;
    let secret = b"nobody may read!";
    if !trial.fabric.listen_for(secret) {
        return Err(lacks("a way to listen in on the network"));
    }
    // Often enough that a part of any size has it whole.
    let message = secret.repeat(40);
    let (dst, mtu) = trial.room(0, 1)?;
    let message = &message[..message.len().min(mtu)];
    trial.tell(0, &dst, message)?;
    let (id, payload) = (AskId::new(1), Payload::from(message.to_vec()));
    let deadline = trial.fabric.now() + Duration::from_secs(5);
    // Whether or not it can ask: what it cannot do it must not leave to somebody below.
    trial.fabric.command(0, Command::Ask { id, dst, payload, deadline });
    let until = trial.lateness(deadline);
    trial.outcomes(&[id], until, &mut Trial::echo);
    let until = trial.quiet();
    while let Some((node, event)) = trial.next(until) {
        trial.echo(node, event);
    }
    if trial.fabric.overheard() {
        return Err("it is seen".to_owned().into());
    }
    Ok(())
}

fn policy<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    secure(trial)?;
    if !trial.promises.accepts {
        return Err(lacks("a policy"));
    }
    trial.still_tells(1, 0)?;
    let (one, two) = (trial.fabric.key(1), trial.fabric.key(2));
    let (Some(_), Some(two)) = (one, two) else { return Err(lacks("the keys that are held")) };
    let only_two = Accept::from_iter([two.peer_id()]);
    trial.fabric.command(0, Command::Set(Setting::Accept(only_two)));
    let post = trial.post(1, 0)?;
    let told = number(&post.payload);
    trial.try_tell(1, post.dst, post.payload);
    let until = trial.quiet();
    while let Some((_, event)) = trial.next(until) {
        if let Event::Told(message) = event
            && number(&message.payload) == told
        {
            return Err("a node that is excluded is heard".to_owned().into());
        }
    }
    trial.still_tells(2, 0)?;
    trial.fabric.command(0, Command::Set(Setting::Accept(Accept::Anyone)));
    trial.still_tells(1, 0)
}

fn disconnect<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    secure(trial)?;
    let dst = trial.addr(1)?;
    trial.still_tells(0, 1)?;
    trial.fabric.command(0, Command::Disconnect { dst: dst.clone() });
    let (until, mut down) = (trial.patience(), false);
    while !down && let Some((node, event)) = trial.next(until) {
        down = node == 0 && matches!(event, Event::PeerDown { addr, .. } if addr == dst);
    }
    if !down {
        return Err(format!("nothing is said of the end of {dst}").into());
    }
    trial.still_tells(0, 1)?;
    trial.still_tells(1, 0)
}
