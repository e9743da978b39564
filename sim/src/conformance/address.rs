//! Cases about addresses.

use super::Case;
use super::report::Outcome;
use super::trial::{Post, Trial, lacks};
use tellask::Addr;

pub(super) fn cases<A: Addr>() -> Vec<Case<A>> {
    let case = |name, play, checks| Case { name, checks, nodes: 2, play };
    vec![
        case("address: round trip", round_trip, "every address reads back from its own text"),
        case("address: wrong texts", wrong_texts, "what is no address is refused"),
        case("address: any text", any_text, "no text makes the reader panic or lie"),
        case("address: local ones", local_ones, "a node is reached by each of its addresses"),
        case("address: told apart", told_apart, "what is told to one address comes by no other"),
    ]
}

fn round_trip<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    for node in 0..trial.nodes() {
        let other = trial.addr((node + 1) % trial.nodes())?;
        let local = trial.fabric.link(node).local;
        for addr in local.into_iter().chain([other]).chain(trial.fabric.nobody()) {
            let text = addr.to_string();
            let read = trial.fabric.parse(node, &text);
            if read.as_ref() != Ok(&addr) {
                return Err(format!("{text:?} reads back as {read:?}").into());
            }
        }
    }
    Ok(())
}

fn wrong_texts<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    let own = trial.addr(0)?.to_string();
    let mut wrong = trial.promises.wrong_addrs.clone();
    if wrong.is_empty() {
        return Err(lacks("texts that are no addresses"));
    }
    wrong.push(format!("{own}\0"));
    for text in wrong {
        if let Ok(read) = trial.fabric.parse(0, &text) {
            return Err(format!("{text:?} reads as the address {read}").into());
        }
    }
    Ok(())
}

fn any_text<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    let own: Vec<char> = trial.addr(0)?.to_string().chars().collect();
    for _ in 0..500 {
        let mut text = own.clone();
        for _ in 0..=trial.rng.below(3) {
            let at = trial.rng.below(text.len() as u64 + 1) as usize;
            let strange = ['\0', ' ', 'ß', '😀', ':', '/', '@', '%', '[', '9', '-'];
            let strange = strange[trial.rng.below(strange.len() as u64) as usize];
            match trial.rng.below(3) {
                0 if at < text.len() => drop(text.remove(at)),
                1 if at < text.len() => text[at] = strange,
                2 => text.truncate(at),
                _ => text.insert(at, strange),
            }
        }
        let text: String = text.into_iter().collect();
        if let Ok(addr) = trial.fabric.parse(0, &text) {
            let again = trial.fabric.parse(0, &addr.to_string());
            if again.as_ref() != Ok(&addr) {
                return Err(format!("{text:?} reads as {addr}, and that as {again:?}").into());
            }
        }
    }
    Ok(())
}

/// What node 1 tells to each address of node 0.
fn posts<A: Addr>(trial: &mut Trial<'_, A>) -> Vec<Post<A>> {
    let mut posts = Vec::new();
    for dst in trial.fabric.link(0).local {
        let payload = trial.message(trial.short());
        posts.push(Post { from: 1, to: 0, dst, payload });
    }
    posts
}

fn local_ones<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    let posts = posts(trial);
    trial.deliver(&posts).map(drop)
}

fn told_apart<A: Addr>(trial: &mut Trial<'_, A>) -> Outcome {
    let posts = posts(trial);
    if posts.len() < 2 {
        return Err(lacks("a second address"));
    }
    let (local, heard) = (trial.fabric.link(0).local, trial.hear(&posts)?);
    for (post, message) in posts.iter().zip(heard) {
        if let Some(message) = message
            && message.dst != post.dst
            && local.contains(&message.dst)
        {
            let (told, heard) = (&post.dst, message.dst);
            return Err(format!("what is told to {told} is heard as told to {heard}").into());
        }
    }
    Ok(())
}
