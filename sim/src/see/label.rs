//! Words for what the applications of the scenarios say.

use crate::scenario::Note;
use tellask::{Event, MemoryAddr, PeerAddr};

/// A note of a scenario in a few words. For [`Recorder::new`](super::Recorder::new).
#[must_use]
pub fn label(note: &Note) -> Option<String> {
    Some(match note {
        Note::Told { way: (_, dst), seq, accepted: true } => format!("tells {dst:?} message {seq}"),
        Note::Told { way: (_, dst), seq, accepted: false } => {
            format!("may not tell {dst:?} message {seq}")
        }
        Note::Heard(message) => {
            format!("hears {} bytes from {:?}", message.payload.len(), message.src.addr)
        }
        Note::Notice(event) => return notice(event),
    })
}

/// What a stack says besides messages; what a link is like is said by each at its start and is no news.
fn notice(event: &Event<PeerAddr<MemoryAddr>>) -> Option<String> {
    Some(match event {
        Event::PeerUp { addr, .. } => format!("peer {:?} is up", addr.addr),
        Event::PeerDown { addr, reason } => format!("peer {:?} is down: {reason:?}", addr.addr),
        Event::Undelivered { dst, reason } => {
            format!("what was told {:?} is undelivered: {reason}", dst.addr)
        }
        Event::Asked { message, .. } => {
            format!("is asked {} bytes by {:?}", message.payload.len(), message.src.addr)
        }
        Event::Answered { result: Ok(reply), .. } => {
            format!("has an answer of {} bytes", reply.len())
        }
        Event::Answered { result: Err(why), .. } => format!("has no answer: {why}"),
        Event::Withdrawn { src, .. } => format!("{:?} asks no more", src.addr),
        Event::Told(message) => {
            format!("hears {} bytes from {:?}", message.payload.len(), message.src.addr)
        }
        Event::Closed => "is closed".to_owned(),
        Event::Full { .. } => "a queue is full".to_owned(),
        Event::Ready { .. } => "a queue takes more".to_owned(),
        Event::Link(_) | Event::PathMtu { .. } | Event::Identified { .. } | Event::Floor { .. } => {
            return None;
        }
    })
}
