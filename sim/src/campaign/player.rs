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
use tellask::swarm::{AskId, DownReason, Link, Refusal, Swarm, Token};
use tellask::{Addr, Command, Event, Instant, Message};

/// One request of so many is refused.
const REFUSED: u32 = 13;
/// The code of that refusal.
pub(super) const NO: u32 = 7;

/// The largest request that is said where the stack takes larger ones.
const LARGE: usize = 9_000;

/// The largest that a link takes.
fn largest<A>(link: &Link<A>, asks: bool) -> usize {
    if asks { link.ask_max.min(LARGE) } else { link.tell_max }
}

/// Who is where.
#[derive(Debug)]
pub(super) struct Everybody<A> {
    /// By node, and by place.
    addrs: Vec<Vec<A>>,
    /// The node, the place, and the site of the node.
    numbers: BTreeMap<A, (u32, u32, u32)>,
}

impl<A: Addr> Everybody<A> {
    /// Of the addresses of each node, one for each place.
    pub(super) fn new(addrs: Vec<Vec<A>>) -> Self {
        let numbers = (0..).zip(&addrs).flat_map(|(node, places)| {
            (0..).zip(places).map(move |(place, addr)| (addr.clone(), (node, place, 0)))
        });
        let numbers = numbers.collect();
        Self { addrs, numbers }
    }

    /// A node may be at this site too, where these are its addresses, one for each place. Nobody speaks to it there who
    /// was not asked from there.
    pub(super) fn add_site(&mut self, node: u32, site: u32, addrs: impl Iterator<Item = A>) {
        self.numbers.extend((0..).zip(addrs).map(|(place, addr)| (addr, (node, place, site))));
    }

    /// The place where something is said, which is the same whoever asks.
    fn place_of(&self, id: Id) -> u32 {
        let places = self.addrs.first().map_or(1, Vec::len).max(1) as u64;
        ((mix(id.as_number()) >> 32) % places) as u32
    }

    fn addr_of(&self, id: Id) -> Option<&A> {
        self.addrs.get(usize::from(id.dst))?.get(self.place_of(id) as usize)
    }
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
    /// How long it thinks about an answer, at the most.
    pub(super) thinks: Duration,
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
        self.everybody.numbers.get(addr).map(|(node, ..)| *node)
    }

    fn place(&self, addr: &A) -> u32 {
        self.everybody.numbers.get(addr).map_or(u32::MAX, |(_, place, _)| *place)
    }

    fn site(&self, addr: &A) -> u32 {
        self.everybody.numbers.get(addr).map_or(u32::MAX, |(.., site)| *site)
    }

    /// Whether a message came to us in the place where it was said, if anybody said it.
    fn is_right(&self, src: &A, dst: &A, id: Option<Id>) -> bool {
        let place = self.place(dst);
        self.number(dst) == Some(self.me)
            && self.place(src) == place
            && id.is_none_or(|id| self.everybody.place_of(id) == place)
    }

    fn len(&self, id: Id) -> usize {
        let nth = mix(id.as_number()) % self.part.sizes.len().max(1) as u64;
        self.part.sizes.get(nth as usize).copied().unwrap_or(0)
    }

    /// Says the next thing to a peer.
    fn speak(&mut self, cx: &mut Cx<'_, Stack<A>, Note>, dst: u32, round: u32) {
        let asks = match self.part.says {
            Says::Tells => false,
            Says::Asks => true,
            Says::Both => round % 2 == 1,
        };
        let kind = if asks { Kind::Request } else { Kind::Tell };
        let id = Id { src: self.me as u8, dst: dst as u8, kind, number: round };
        let Some(addr) = self.everybody.addr_of(id).cloned() else { return };
        let len = match self.len(id) {
            0 => largest(cx.node().stack().link(), asks),
            len => len,
        };
        let result = if asks {
            let deadline = cx.now() + self.part.patience;
            let ask = AskId::new(id.as_number());
            cx.ask(ask, addr, id.body(len), deadline).map_err(|error| super::note::asking(&error))
        } else {
            cx.tell(addr, id.body(len)).map_err(|error| super::note::telling(&error))
        };
        cx.say(Note::Said { id, len, result });
    }

    fn on_asked(&mut self, cx: &mut Cx<'_, Stack<A>, Note>, token: Token, message: Message<A>) {
        let Message { src, dst, payload } = message;
        let (id, len) = (Id::of_body(&payload), payload.len());
        let to_me = self.is_right(&src, &dst, id);
        let open = 1 + self.thinking.values().filter(|(other, _)| *other == src).count();
        cx.say(Note::Ran { src: self.number(&src), to_me, id, len, open });
        let Some(id) = id else { return };
        let most = u64::try_from(self.part.thinks.as_nanos()).unwrap_or(u64::MAX);
        let thinks = Duration::from_nanos(mix(id.as_number()) % most.max(1));
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
                let id = Id::of_body(&message.payload);
                let to_me = self.is_right(&message.src, &message.dst, id);
                let len = message.payload.len();
                let (src, place) = (self.number(&message.src), self.place(&message.src));
                let site = self.site(&message.src);
                cx.say(Note::Heard { src, place, site, to_me, id, len });
            }
            Event::Asked { token, message, .. } => {
                cx.note(&message.payload);
                self.on_asked(cx, token, message);
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
            Event::PeerUp { addr, .. } => {
                let (peer, place) = (self.number(&addr), self.place(&addr));
                cx.say(Note::Up { peer, place, site: self.site(&addr) });
            }
            Event::PeerDown { addr, reason } => {
                let (peer, place, site) = (self.number(&addr), self.place(&addr), self.site(&addr));
                cx.say(Note::Down { peer, place, site, moved: reason == DownReason::Moved });
            }
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
