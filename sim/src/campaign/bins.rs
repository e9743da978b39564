//! Where each message ended: in exactly one bin, and every bin has a reason.
//!
//! | bin | why |
//! |---|---|
//! | `delivered`, `answered` | it was heard; the request was |
//! | `refused: …` | its sender's stack did not take it |
//! | `lost: …` | the network lost a datagram with something of it, or spoilt it |
//! | `dropped: …` | all of it arrived, and its receiver's stack counted that it dropped some |
//! | `undelivered: …` | its sender was told later |
//! | `crashed: …` | a node that held it crashed |
//! | `failed: …` | the request ended in another way than with an answer |
//! | `held: …` | it is on its way, or waits in a stack, when the run ends |
//! | `not followed: …` | it was not heard, and nobody sees which datagram it was in: the cryptography is the protocol's own |
//! | `vanished` | none of these: a violation |

use super::body::{Id, Kind};
use super::books::{Books, Said};
use std::collections::{BTreeMap, BTreeSet};
use tellask::Instant;

/// How many messages are in each bin.
pub type Bins = BTreeMap<String, u64>;

/// What nodes hold when a run ends.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Those with something that waits to be sent.
    pub(super) sending: BTreeSet<u32>,
    /// Those with parts of messages, or messages that nobody took.
    pub(super) receiving: BTreeSet<u32>,
}

/// Drops that are counted when nothing arrives, or when something else does.
const LATER: [&str; 5] =
    ["expired", "evicted", "dropped_with_session", "received_but_dropped", "late"];

/// Puts every message into its bin; what is in none is a violation.
pub(super) fn sort(books: &mut Books, held: &Held, now: Instant) -> Bins {
    let mut bins = Bins::new();
    let mut vanished = Vec::new();
    for (id, said) in &books.said {
        let bin = match id.kind {
            Kind::Tell => told(books, *id, said, held),
            Kind::Request | Kind::Answer => asked(books, *id, said, now),
        };
        if bin == "vanished" {
            vanished.push((*id, said.clone()));
        }
        *bins.entry(bin).or_default() += 1;
    }
    for (id, said) in vanished {
        let nodes = [u32::from(id.src), u32::from(id.dst)];
        books.violate(now, &nodes, format!("{id:?} vanished: {said:?}"));
    }
    bins
}

fn told(books: &Books, id: Id, said: &Said, held: &Held) -> String {
    let (src, dst) = (u32::from(id.src), u32::from(id.dst));
    if let Err(why) = said.result {
        return format!("refused: {why}");
    }
    if said.heard > 0 {
        return "delivered".into();
    }
    if let Some(why) = said.lost {
        return format!("lost: {why}");
    }
    if said.flying > 0 {
        return "held: on its way".into();
    }
    if said.sent > 0
        && let Some(name) = said.dropped
    {
        return format!("dropped: {name}");
    }
    let crashed =
        |node| books.crashes.get(&node).is_some_and(|at| at.iter().any(|at| *at >= said.at));
    if said.sent > 0 && crashed(dst) {
        return "crashed: its receiver".into();
    }
    if crashed(src) {
        return "crashed: its sender".into();
    }
    let undelivered = books.undelivered.get(&(src, dst));
    if let Some((_, why)) = undelivered.and_then(|told| told.iter().find(|(at, _)| *at >= said.at))
    {
        return format!("undelivered: {why}");
    }
    if !books.follows {
        return "not followed: sealed".into();
    }
    if held.sending.contains(&src) {
        return "held: at its sender".into();
    }
    if said.sent > 0 {
        if held.receiving.contains(&dst) {
            return "held: at its receiver".into();
        }
        let later = |name: &&&str| books.drops.contains_key(&(dst, **name));
        if let Some(name) = LATER.iter().find(later) {
            return format!("dropped: {name}");
        }
    }
    "vanished".into()
}

fn asked(books: &Books, id: Id, said: &Said, now: Instant) -> String {
    match (said.result, said.outcome) {
        (Err(why), _) => format!("refused: {why}"),
        (Ok(()), Some("answered")) => "answered".into(),
        (Ok(()), Some(why)) => format!("failed: {why}"),
        (Ok(()), None) => {
            let crashes = books.crashes.get(&u32::from(id.src));
            if crashes.is_some_and(|at| at.iter().any(|at| *at >= said.at)) {
                "crashed: its asker".into()
            } else if now < said.at + books.patience {
                "held: not answered yet".into()
            } else {
                "vanished".into()
            }
        }
    }
}
