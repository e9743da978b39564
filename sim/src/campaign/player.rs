//! The application of a campaign: it says something to each other node in turn, answers what it is asked, and notes
//! everything for the books.

#![allow(clippy::wildcard_enum_match_arm, reason = "an application hears what concerns it")]

use super::body::{Id, Kind};
use super::note::Note;
use super::subject::{Says, Stack};
use crate::net::{App, Cx, mix};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tellask::swarm::{AskId, Refusal, Token};
use tellask::{Addr, Command, Event, Instant};

/// How long somebody may think about an answer, in nanoseconds.
const THINKING: u64 = 60_000_000;
/// One request of so many is refused.
const REFUSED: u32 = 13;
/// The code of that refusal.
pub(super) const NO: u32 = 7;

/// Who is where.
#[derive(Debug)]
pub(super) struct Everybody<A> {
    pub(super) addrs: Vec<A>,
    pub(super) numbers: BTreeMap<A, u32>,
}

/// What a player does.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// To whom it speaks.
    pub(super) peers: Vec<u32>,
    pub(super) says: Says,
    /// The lengths of what it says, one or the other.
    pub(super) sizes: &'static [usize],
    pub(super) every: Duration,
    pub(super) most: u64,
    /// How long it waits for an answer.
    pub(super) patience: Duration,
}

/// A node's application.
#[derive(Debug)]
pub(super) struct Player<A> {
    me: u32,
    everybody: Arc<Everybody<A>>,
    part: Part,
    /// When it says something next to whom, and what number that has. Each peer has its own times, so that they stay
    /// when others are taken away.
    turns: BTreeSet<(Instant, u32, u32)>,
    /// What is being thought about: when to answer, and what.
    thinking: BTreeMap<(Instant, Token), (A, Id)>,
}

impl<A: Addr> Player<A> {
    pub(super) fn new(me: u32, everybody: &Arc<Everybody<A>>, part: Part, from: Instant) -> Self {
        let everybody = Arc::clone(everybody);
        // Each way begins at a time of its own, so that not all speak in the same nanosecond.
        let first = |peer: u32| {
            let way = mix(u64::from(me) << 32 | u64::from(peer));
            let nanos = u64::try_from(part.every.as_nanos()).unwrap_or(u64::MAX);
            from + Duration::from_nanos(1 + way % nanos.max(1))
        };
        let turns = part.peers.iter().map(|peer| (first(*peer), *peer, 0)).collect();
        Self { me, everybody, part, turns, thinking: BTreeMap::new() }
    }

    /// Says nothing any more.
    pub(super) fn be_quiet(&mut self) {
        self.turns.clear();
    }

    fn number(&self, addr: &A) -> Option<u32> {
        self.everybody.numbers.get(addr).copied()
    }

    fn len(&self, id: Id) -> usize {
        let nth = mix(id.as_number()) % self.part.sizes.len().max(1) as u64;
        self.part.sizes.get(nth as usize).copied().unwrap_or(0)
    }

    /// Says the next thing to a peer.
    fn speak(&mut self, cx: &mut Cx<'_, Stack<A>, Note>, dst: u32, round: u32) {
        let Some(addr) = self.everybody.addrs.get(dst as usize).cloned() else { return };
        let asks = match self.part.says {
            Says::Tells => false,
            Says::Asks => true,
            Says::Both => round % 2 == 1,
        };
        let kind = if asks { Kind::Request } else { Kind::Tell };
        let id = Id { src: self.me as u8, dst: dst as u8, kind, number: round };
        let len = self.len(id);
        let result = if asks {
            let deadline = cx.now() + self.part.patience;
            let ask = AskId::new(id.as_number());
            cx.ask(ask, addr, id.body(len), deadline).map_err(|error| super::note::asking(&error))
        } else {
            cx.tell(addr, id.body(len)).map_err(|error| super::note::telling(&error))
        };
        cx.say(Note::Said { id, len, result });
    }

    fn on_asked(&mut self, cx: &mut Cx<'_, Stack<A>, Note>, token: Token, src: A, body: &[u8]) {
        let id = Id::of_body(body);
        cx.say(Note::Ran { src: self.number(&src), id });
        let Some(id) = id else { return };
        let thinks = Duration::from_nanos(mix(id.as_number()) % THINKING);
        self.thinking.insert((cx.now() + thinks, token), (src, id));
    }
}

impl<A: Addr> App<Stack<A>> for Player<A> {
    type Note = Note;

    fn on_start(&mut self, cx: &mut Cx<'_, Stack<A>, Note>) {
        // What it was asked in an earlier life nobody can answer.
        self.thinking.clear();
        cx.say(Note::Started);
    }

    fn on_event(&mut self, cx: &mut Cx<'_, Stack<A>, Note>, event: Event<A>) {
        match event {
            Event::Told(message) => {
                cx.note(&message.payload);
                let (src, dst) = (self.number(&message.src), self.number(&message.dst));
                let id = Id::of_body(&message.payload);
                cx.say(Note::Heard { src, to_me: dst == Some(self.me), id });
            }
            Event::Asked { token, message, .. } => {
                cx.note(&message.payload);
                self.on_asked(cx, token, message.src, &message.payload);
            }
            Event::Answered { id, result } => {
                let id = Id::of_number(id.seq);
                let result = match result {
                    Ok(body) => {
                        cx.note(&body);
                        Ok(Id::of_body(&body))
                    }
                    Err(error) => Err(super::note::asking(&error)),
                };
                cx.say(Note::Answered { id, result });
            }
            Event::Withdrawn { token, .. } => {
                self.thinking.retain(|(_, other), _| *other != token);
            }
            Event::Undelivered { dst, reason } => {
                let (dst, reason) = (self.number(&dst), super::note::undelivered(reason));
                cx.say(Note::Undelivered { dst, reason });
            }
            Event::PeerUp { addr, .. } => cx.say(Note::Up(self.number(&addr))),
            Event::PeerDown { addr, .. } => cx.say(Note::Down(self.number(&addr))),
            _ => {}
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let thought = self.thinking.first_key_value().map(|((at, _), _)| *at);
        tellask::layer::earliest(thought, self.turns.first().map(|turn| turn.0))
    }

    fn on_timeout(&mut self, cx: &mut Cx<'_, Stack<A>, Note>) {
        while let Some(thought) = self.thinking.first_entry()
            && thought.key().0 <= cx.now()
        {
            let ((_, token), (dst, id)) = thought.remove_entry();
            let answer = Id { kind: Kind::Answer, ..id };
            let refused = id.number % REFUSED == REFUSED - 1;
            let result = if refused {
                Err(Refusal::new(NO, answer.body(super::body::CELL)))
            } else {
                Ok(answer.body(self.len(answer)).into())
            };
            cx.command(Command::Answer { token, dst, result });
        }
        while let Some(&(at, dst, round)) = self.turns.first()
            && at <= cx.now()
        {
            self.turns.pop_first();
            if u64::from(round) < self.part.most {
                self.turns.insert((at.max(cx.now()) + self.part.every, dst, round + 1));
                self.speak(cx, dst, round);
            }
        }
    }
}
