//! The books of a run: what was said, which datagrams carry it, and what must never happen.
//!
//! Violated, whatever goes wrong with the network:
//!
//! - what is heard was said, by the one that the stack names, to the one that hears it, and is whole;
//! - it is as long as it was said;
//! - no more messages are undelivered than were accepted, where nothing but messages is said;
//! - it is heard once, and a request is run once in a life of its answerer;
//! - nobody is heard who is down, and has not come up again;
//! - it is heard in the place, which is a channel or a transport, where it was said;
//! - whoever is on nobody's list is heard by nobody else, nor hears anybody else;
//! - what a node says to itself never leaves it;
//! - a request has one outcome, an answer is that to its request, and comes from an answerer who ran it.
//!
//! What became of each message that was not heard is for the [bins](super::bins).

use super::Onlooker;
use super::body::{Id, Kind};
use super::note::Note;
use super::subject::{Promises, Says};
use crate::net::{DatagramId, Fate, Loss, Sighting, Tap};
use crate::plan::node_at;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tellask::{Instant, MemoryAddr};

/// Violations that are kept in words.
const WORDS: usize = 10;
/// Datagrams of each way that somebody on it remembers.
const REMEMBERED: usize = 64;

/// What is known of a message.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) at: Instant,
    len: usize,
    pub(super) result: Result<(), &'static str>,
    /// How often it was heard, or for a request run in this life of its answerer.
    pub(super) heard: u32,
    life: usize,
    /// How a request ended.
    pub(super) outcome: Option<&'static str>,
    /// Datagrams with something of it that were sent, that are on their way, that arrived as they were sent.
    pub(super) sent: u32,
    pub(super) flying: u32,
    pub(super) intact: u32,
    /// How the first of them was lost of which no copy arrived.
    pub(super) lost: Option<&'static str>,
    /// What its receiver counted when the last of them came that was not heard.
    pub(super) dropped: Option<&'static str>,
}

/// A datagram on its way that carries something.
#[derive(Clone, Copy, Debug)]
struct Carrier {
    id: Id,
    copies: u8,
    intact: bool,
    lost: Option<&'static str>,
}

/// The last datagrams of each way.
type Remembered = BTreeMap<(u32, u32), VecDeque<Vec<u8>>>;

/// The books.
#[derive(Default)]
pub(super) struct Books {
    /// Messages of so many bytes or more are heard once at the most.
    once_from: usize,
    /// Whether nothing is too large of what a stack says it takes.
    fits: bool,
    /// How many requests of one peer somebody has to think about at once, at the most.
    open: Option<fn(u32) -> usize>,
    /// Who is on nobody's list.
    pub(super) excluded: Option<u32>,
    /// Whether it is seen which datagram carries what: not where the protocol's own cryptography hides it.
    pub(super) follows: bool,
    /// How long an answer is waited for.
    pub(super) patience: Duration,
    pub(super) said: BTreeMap<Id, Said>,
    carriers: BTreeMap<DatagramId, Carrier>,
    /// Whom something of this message is being given.
    landing: Option<(MemoryAddr, Id, Instant)>,
    /// How many messages were accepted on each way. `None` where requests are said too, whose packets may be undelivered
    /// as well.
    accepted: Option<BTreeMap<(u32, u32), usize>>,
    /// What senders were told of each way.
    pub(super) undelivered: BTreeMap<(u32, u32), Vec<(Instant, &'static str)>>,
    /// What nodes dropped.
    pub(super) drops: BTreeMap<(u32, &'static str), u64>,
    /// When nodes crashed.
    pub(super) crashes: BTreeMap<u32, Vec<Instant>>,
    /// Who was told that a peer is down, and not that it is up again.
    /// In each place by itself: one channel may be told before another. And at each site: a peer that goes elsewhere is down
    /// where it was.
    gone: BTreeSet<(u32, Option<u32>, u32, u32)>,
    /// When the newest of what was heard, or answered, on each way was said.
    newest: BTreeMap<(u32, u32, bool), Instant>,
    /// The last datagrams of each way, where somebody remembers them.
    remembered: Option<Remembered>,
    pub(super) noted: BTreeMap<&'static str, u64>,
    pub(super) violations: Vec<String>,
    pub(super) violated: u64,
    /// Whom violations concern.
    pub(super) concerned: BTreeSet<u32>,
    /// When the first was noted.
    pub(super) first: Option<Instant>,
    pub(super) onlooker: Option<Box<dyn Onlooker>>,
}

/// The outcome of a request that was not run, for want of room.
const BUSY: &str = "busy";

impl Books {
    pub(super) fn new(
        promises: &Promises,
        follows: bool,
        onlooker: Option<Box<dyn Onlooker>>,
    ) -> Self {
        let Promises { once_from, patience, fits, open, says, .. } = *promises;
        let (open, accepted) = (Some(open), (says == Says::Tells).then(BTreeMap::new));
        Self { once_from, follows, patience, fits, open, accepted, onlooker, ..Self::default() }
    }

    /// Has somebody on every way remember what goes there.
    pub(super) fn remember(&mut self) {
        self.remembered.get_or_insert_default();
    }

    /// The last `count` datagrams from one to the other.
    pub(super) fn recall(&self, src: u32, dst: u32, count: u32) -> Vec<Vec<u8>> {
        let way = self.remembered.as_ref().and_then(|ways| ways.get(&(src, dst)));
        let newest = way.into_iter().flat_map(|way| way.iter().rev().take(count as usize));
        let mut newest: Vec<_> = newest.cloned().collect();
        newest.reverse();
        newest
    }

    /// Notes that a node crashed.
    pub(super) fn on_crash(&mut self, now: Instant, node: u32) {
        self.crashes.entry(node).or_default().push(now);
        self.gone.retain(|(who, ..)| *who != node);
    }

    /// Whether something was heard, or answered where `asks`, on this way that was said at `since` or later.
    pub(super) fn progressed(&self, src: u32, dst: u32, asks: bool, since: Instant) -> bool {
        self.newest.get(&(src, dst, asks)).is_some_and(|at| *at >= since)
    }

    /// Notes what must not happen.
    pub(super) fn violate(&mut self, now: Instant, nodes: &[u32], what: String) {
        self.violated += 1;
        self.first.get_or_insert(now);
        self.concerned.extend(nodes);
        if self.violations.len() < WORDS {
            self.violations.push(what);
        }
    }

    pub(super) fn note(&mut self, what: &'static str) {
        *self.noted.entry(what).or_default() += 1;
    }

    fn lives(&self, node: u32) -> usize {
        self.crashes.get(&node).map_or(0, Vec::len)
    }

    fn on_said(&mut self, now: Instant, id: Id, len: usize, result: Result<(), &'static str>) {
        let said = Said {
            at: now,
            len,
            result,
            heard: 0,
            life: 0,
            outcome: None,
            sent: 0,
            flying: 0,
            intact: 0,
            lost: None,
            dropped: None,
        };
        self.said.insert(id, said);
        if let Some(accepted) = self.accepted.as_mut().filter(|_| result.is_ok()) {
            *accepted.entry((id.src.into(), id.dst.into())).or_default() += 1;
        }
        self.check_fits(now, id.src.into(), result.err());
    }

    fn check_fits(&mut self, now: Instant, me: u32, why: Option<&str>) {
        if self.fits && why == Some("too large") {
            let what = format!("{me} was told that what its stack takes is too large");
            self.violate(now, &[me], what);
        }
    }

    /// Somebody heard a message, or was asked, so many bytes; `kind` is what it must be.
    fn on_heard(
        &mut self,
        now: Instant,
        me: u32,
        src: Option<u32>,
        (id, len): (Option<Id>, usize),
        kind: Kind,
    ) {
        let nodes = [src.unwrap_or(me), me];
        let Some(id) = id else {
            return self.violate(now, &nodes, format!("{me} heard what nobody said, from {src:?}"));
        };
        if id.kind != kind || src != Some(id.src.into()) || u32::from(id.dst) != me {
            let what = format!("{me} heard {id:?} as a {kind:?} from {src:?}");
            return self.violate(now, &nodes, what);
        }
        let life = self.lives(me);
        let once_from = self.once_from;
        let Some(said) = self.said.get_mut(&id).filter(|said| said.result.is_ok()) else {
            return self.violate(now, &nodes, format!("{me} heard {id:?}, which was not said"));
        };
        if said.len != len {
            let what = format!("{me} heard {len} bytes of {id:?}, which has {}", said.len);
            return self.violate(now, &nodes, what);
        }
        // A request may run again in another life, which knows nothing of this one.
        let again = said.heard > 0 && (kind == Kind::Tell || said.life == life);
        let refused = said.outcome == Some(BUSY) && life == 0;
        (said.heard, said.life) = (said.heard + 1, life);
        let once = kind == Kind::Request || said.len >= once_from;
        if kind == Kind::Tell {
            let newest = self.newest.entry((id.src.into(), me, false)).or_insert(said.at);
            *newest = said.at.max(*newest);
        }
        if src == Some(me) {
            self.note("heard itself");
        } else if [src, Some(me)].contains(&self.excluded) {
            self.violate(now, &nodes, format!("{me} heard {id:?}, and one of them is on no list"));
        }
        if refused {
            self.violate(now, &nodes, format!("{me} was too busy for {id:?}, and then heard it"));
        } else if again && once {
            self.violate(now, &nodes, format!("{me} heard {id:?} again"));
        } else if again {
            self.note("heard again");
        }
    }

    /// What is heard is for the one that hears it, in the place where it was said.
    fn check_place(&mut self, now: Instant, me: u32, to_me: bool, id: Option<Id>) {
        if !to_me {
            let what = format!("{me} heard {id:?}, which names another, or in another place");
            self.violate(now, &[me], what);
        }
    }

    fn on_answered(
        &mut self,
        now: Instant,
        me: u32,
        id: Option<Id>,
        result: Result<Option<Id>, &'static str>,
    ) {
        let first_life = id.is_some_and(|id| self.lives(id.dst.into()) == 0);
        let asked = id.filter(|id| id.kind == Kind::Request && u32::from(id.src) == me);
        let Some((id, said)) = asked.and_then(|id| Some((id, self.said.get_mut(&id)?))) else {
            return self.violate(now, &[me], format!("{me} got an answer to {id:?}: never asked"));
        };
        let nodes = [me, u32::from(id.dst)];
        let (outcome, right) = match result {
            Ok(answer) => {
                ("answered", said.heard > 0 && answer == Some(Id { kind: Kind::Answer, ..id }))
            }
            Err(why) => (why, why != "refused by the peer" || said.heard > 0),
        };
        let twice = said.outcome.replace(outcome).is_some();
        // Who has begun anew since does not know what has run.
        let ran = outcome == BUSY && said.heard > 0 && first_life;
        if outcome == "answered" || outcome == "refused by the peer" {
            let newest = self.newest.entry((me, id.dst.into(), true)).or_insert(said.at);
            *newest = said.at.max(*newest);
        }
        self.check_fits(now, me, result.err());
        if !right {
            self.violate(now, &nodes, format!("{id:?} got the answer {result:?}"));
        } else if ran {
            self.violate(now, &nodes, format!("{id:?} was heard by {}, which was busy", id.dst));
        } else if twice {
            self.violate(now, &nodes, format!("{id:?} has a second outcome, {outcome}"));
        }
    }

    fn on_sent(&mut self, sighting: &Sighting<'_>, copies: u8) {
        let Some(id) = Id::in_datagram(sighting.bytes) else { return };
        let kind = if id.kind == Kind::Answer { Kind::Request } else { id.kind };
        // The end of one body and the header after it may look like a name, once in a long while.
        if id.src == id.dst && self.said.contains_key(&Id { kind, ..id }) {
            let (now, me) = (sighting.now, u32::from(id.src));
            return self.violate(now, &[me], format!("{id:?} left its node"));
        }
        // Of requests the layer that asks takes care, as often as it must.
        let way = (u32::from(id.src), u32::from(id.dst))
            == (node_at(sighting.src), node_at(sighting.dst));
        if id.kind != Kind::Tell || !way {
            return;
        }
        if let Some(said) = self.said.get_mut(&id) {
            (said.sent, said.flying) = (said.sent + 1, said.flying + 1);
            let carrier = Carrier { id, copies, intact: false, lost: None };
            self.carriers.insert(sighting.id, carrier);
        }
    }

    /// A copy of a datagram has arrived, or is lost.
    fn on_copy(&mut self, sighting: &Sighting<'_>, lost: Option<&'static str>) {
        let Some(carrier) = self.carriers.get_mut(&sighting.id) else { return };
        carrier.copies = carrier.copies.saturating_sub(1);
        match lost {
            Some(why) => _ = carrier.lost.get_or_insert(why),
            None => {
                carrier.intact = true;
                self.landing = Some((sighting.dst, carrier.id, sighting.now));
            }
        }
        let Carrier { id, copies, intact, lost } = *carrier;
        if copies == 0 {
            self.carriers.remove(&sighting.id);
            if let Some(said) = self.said.get_mut(&id) {
                said.flying = said.flying.saturating_sub(1);
                said.intact += u32::from(intact);
                if !intact && said.lost.is_none() {
                    said.lost = lost;
                }
            }
        }
    }
}

impl Tap<Note> for Books {
    fn see(&mut self, sighting: &Sighting<'_>) {
        // What its receiver sends on the ground of it is seen before what it drops.
        let answers = |(at, _, when): &(MemoryAddr, Id, Instant)| {
            *at == sighting.src && *when == sighting.now
        };
        if !matches!(sighting.fate, Fate::Sent { .. } | Fate::Lost(_)) {
            self.landing = None;
        }
        self.landing = self.landing.filter(answers);
        if let Some(onlooker) = &mut self.onlooker {
            onlooker.see(sighting);
        }
        if let Some(remembered) = &mut self.remembered
            && matches!(sighting.fate, Fate::Sent { .. })
            && sighting.id.sender.is_some()
        {
            let way = remembered.entry((node_at(sighting.src), node_at(sighting.dst))).or_default();
            if way.len() >= REMEMBERED {
                way.pop_front();
            }
            way.push_back(sighting.bytes.to_vec());
        }
        // What somebody sends again was accounted for when it was sent.
        if sighting.id.sender.is_none() {
            return;
        }
        match sighting.fate {
            Fate::Sent { copies } => self.on_sent(sighting, copies),
            Fate::Delivered { spoilt: true } => self.on_copy(sighting, Some("spoilt")),
            Fate::Delivered { spoilt: false } => self.on_copy(sighting, None),
            Fate::Lost(loss) => self.on_copy(sighting, Some(Loss::name(loss))),
        }
    }

    fn hear(&mut self, now: Instant, addr: MemoryAddr, said: Note) {
        if let Some(onlooker) = &mut self.onlooker {
            onlooker.hear(now, addr, &said);
        }
        let me = node_at(addr);
        match said {
            Note::Started => {}
            Note::Said { id, len, result } => self.on_said(now, id, len, result),
            Note::Heard { src, place, site, to_me, id, len } => {
                self.check_place(now, me, to_me, id);
                if self.gone.contains(&(me, src, place, site)) {
                    let what = format!("{me} heard {src:?}, which is down as far as it knows");
                    self.violate(now, &[src.unwrap_or(me), me], what);
                }
                if place > 0 {
                    self.note("heard in another place");
                }
                self.on_heard(now, me, src, (id, len), Kind::Tell);
            }
            Note::Ran { src, to_me, id, len, open } => {
                self.check_place(now, me, to_me, id);
                if self.open.is_some_and(|most| open > most(me)) {
                    let what = format!("{me} has {open} requests of {src:?} to answer at once");
                    self.violate(now, &[me], what);
                }
                self.on_heard(now, me, src, (id, len), Kind::Request);
            }
            Note::Answered { id, result } => self.on_answered(now, me, id, result),
            Note::Undelivered { dst, reason } => {
                self.note("undelivered");
                if reason == "denied" {
                    self.note("denied");
                }
                self.check_fits(now, me, Some(reason));
                let way = (me, dst.unwrap_or(u32::MAX));
                let told = self.undelivered.entry(way).or_default();
                told.push((now, reason));
                let most = self.accepted.as_ref().map(|ways| ways.get(&way).copied().unwrap_or(0));
                if let Some(most) = most.filter(|most| told.len() > *most) {
                    let what = format!("{me} said {most} messages to {dst:?}, and more are lost");
                    self.violate(now, &[me], what);
                }
            }
            Note::Up { peer, place, site } => {
                self.note("up");
                self.gone.remove(&(me, peer, place, site));
            }
            Note::Down { peer, place, site, moved } => {
                self.note(if moved { "moved" } else { "down" });
                self.gone.insert((me, peer, place, site));
            }
        }
    }

    fn dropped(&mut self, now: Instant, addr: MemoryAddr, name: &'static str) {
        if let Some(onlooker) = &mut self.onlooker {
            onlooker.dropped(now, addr, name);
        }
        *self.drops.entry((node_at(addr), name)).or_default() += 1;
        if let Some((_, id, _)) = self.landing.filter(|(at, _, when)| (*at, *when) == (addr, now))
            && let Some(said) = self.said.get_mut(&id)
        {
            said.dropped = Some(name);
        }
    }
}

impl core::fmt::Debug for Books {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { said, violated, .. } = self;
        f.debug_struct("Books")
            .field("said", &said.len())
            .field("violated", violated)
            .finish_non_exhaustive()
    }
}
