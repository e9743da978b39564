//! What is kept for one peer: the session, what was asked, and what it asked.

use super::parts::{Part, Receiving, Sending};
use super::ranges::Ranges;
use super::receipts::Receipts;
use super::recovery::Recovery;
use super::wire::Status;
use crate::swarm::{AskId, Token, Undeliverable};
use crate::time::Instant;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::hash::{Hash, Hasher};
use core::mem;
use core::time::Duration;

/// A request of which no part came for so long is refused: it holds room that others could use.
const STALL: Duration = Duration::from_secs(60);
/// How often a peer that owes answers, or its name for the session, is asked whether it is still there.
const PING: Duration = Duration::from_secs(5);

/// Places in the queues of a peer beyond twice those that are needed.
const SPARE: usize = 32;

/// One peer.
#[derive(Debug)]
pub(super) struct Peer {
    /// Our name for the session. Its high half is the instance under which the peer remembers our ids.
    pub(super) local: u64,
    /// Its name for the session, once we have heard it.
    pub(super) remote: Option<u64>,
    /// The instance that asked what is in `records`, `done` and `refused`, and that says `lowest`.
    pub(super) theirs: Option<u64>,
    /// There was no other session with it in the life of this node.
    pub(super) fresh: bool,
    /// The generation of evictions in which the session was named, where the name follows from it.
    pub(super) generation: Option<u64>,
    /// The largest request or answer that it takes, as far as it said.
    pub(super) limit: Option<u64>,
    /// The largest packet that the path is known to take.
    pub(super) unit_most: usize,
    pub(super) recovery: Recovery<Content>,
    pub(super) receipts: Receipts,
    /// What wants to send: things of one part, and longer ones, each in the order they came.
    pub(super) short: VecDeque<Item>,
    pub(super) long: VecDeque<Item>,
    /// The long ones are next.
    pub(super) turn: bool,
    /// Requests that were given up after some of them was sent.
    pub(super) cancels: BTreeSet<u64>,
    /// A ping is to be sent.
    pub(super) ping: bool,
    pub(super) asks: BTreeMap<u64, Ask>,
    pub(super) next_id: u64,
    /// Bytes of the requests in `asks`.
    pub(super) sending: usize,
    /// Bytes claimed by what is being received.
    pub(super) receiving: usize,
    pub(super) records: BTreeMap<u64, Record>,
    /// Requests that are over, and requests that were refused as busy.
    pub(super) done: Ranges,
    pub(super) refused: Ranges,
    /// The peer waits for nothing below.
    pub(super) lowest: u64,
    /// Bytes of answers that are remembered, with the ranges in `done` and `refused` where these are many.
    pub(super) remembered: usize,
    /// No deadline of an ask or a record is earlier.
    pub(super) deadline: Option<Instant>,
    /// The timer index has this instant; what is due may be later.
    pub(super) armed: Option<Instant>,
    /// Asks to it were told full.
    pub(super) full: bool,
    /// What the side below said of it last, since anything was heard.
    pub(super) hint: Option<Undeliverable>,
    /// When something was heard of it, or the session began.
    pub(super) heard: Instant,
}

/// What wants to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Item {
    Request(u64),
    Answer(u64),
}

/// What a packet carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Content {
    Request(u64, Part),
    Answer(u64, Part),
    Cancel(u64),
    /// Nothing that would have to be sent again.
    Nothing,
}

/// A request of ours.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) id: AskId,
    pub(super) sending: Sending,
    pub(super) deadline: Instant,
    /// All of it is known to have arrived.
    pub(super) arrived: bool,
    pub(super) answer: Option<(Status, Receiving)>,
}

/// A request of the peer.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) deadline: Instant,
    pub(super) state: State,
}

/// How far a request of the peer is.
#[derive(Debug)]
pub(super) enum State {
    /// Parts are missing; the last came at this instant.
    Receiving(Receiving, Instant),
    /// The application has it.
    Running(Token),
    /// The answer is on its way.
    Answering(Status, Sending),
}

impl Record {
    /// When something is to be done about it.
    pub(super) fn due(&self) -> Instant {
        match &self.state {
            State::Receiving(_, last) => self.deadline.min(*last + STALL),
            State::Running(_) | State::Answering(..) => self.deadline,
        }
    }
}

impl Peer {
    /// A peer that nothing was heard of yet.
    pub(super) const fn new(now: Instant, local: u64, unit: usize) -> Self {
        Self {
            local,
            remote: None,
            theirs: None,
            fresh: true,
            generation: None,
            limit: None,
            unit_most: usize::MAX,
            recovery: Recovery::new(unit),
            receipts: Receipts::new(),
            short: VecDeque::new(),
            long: VecDeque::new(),
            turn: false,
            cancels: BTreeSet::new(),
            ping: false,
            asks: BTreeMap::new(),
            next_id: 0,
            sending: 0,
            receiving: 0,
            records: BTreeMap::new(),
            done: Ranges::new(),
            refused: Ranges::new(),
            lowest: 0,
            remembered: 0,
            deadline: None,
            armed: None,
            full: false,
            hint: None,
            heard: now,
        }
    }

    /// The lowest of our ids that is not over.
    pub(super) fn lowest_asked(&self) -> u64 {
        self.asks.first_key_value().map_or(self.next_id, |(id, _)| *id)
    }

    /// Whether it could be forgotten: nothing waits on either side.
    pub(super) fn is_idle(&self) -> bool {
        self.asks.is_empty()
            && self.records.is_empty()
            && self.cancels.is_empty()
            && self.recovery.is_idle()
    }

    /// Whether something waits for its turn to be sent.
    pub(super) fn wants(&self) -> bool {
        self.ping || !self.cancels.is_empty() || !self.short.is_empty() || !self.long.is_empty()
    }

    /// Notes a deadline.
    pub(super) fn watch(&mut self, deadline: Instant) {
        self.deadline = Some(self.deadline.map_or(deadline, |earliest| earliest.min(deadline)));
    }

    /// When it is to be asked whether it is still there.
    pub(super) fn ping_due(&self) -> Option<Instant> {
        // Who has not named the session gets no answer, and may have nothing to say by itself.
        let nameless = self.remote.is_none() && !self.records.is_empty();
        let waits = (nameless || !self.asks.is_empty()) && self.recovery.is_idle();
        (waits && !self.wants()).then(|| self.heard.max(self.recovery.last()) + PING)
    }

    /// When there is something to do.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let path = [self.recovery.poll_timeout(), self.receipts.due()];
        path.into_iter().chain([self.deadline, self.ping_due()]).flatten().min()
    }

    /// All that a later call could depend on.
    pub(super) fn dump(&self, mut hasher: &mut dyn Hasher) {
        (self.local, self.remote, self.theirs, self.fresh, self.generation).hash(&mut hasher);
        (self.limit, self.unit_most, &self.receipts, self.lowest).hash(&mut hasher);
        self.recovery.dump(hasher);
        (&self.short, &self.long, self.turn, &self.cancels, self.ping).hash(&mut hasher);
        (self.next_id, self.sending, self.receiving, self.remembered).hash(&mut hasher);
        (&self.done, &self.refused, self.deadline, self.armed).hash(&mut hasher);
        (self.full, self.heard).hash(&mut hasher);
        for (number, ask) in &self.asks {
            (number, ask.id, ask.deadline, ask.arrived).hash(&mut hasher);
            ask.sending.dump(hasher);
            if let Some((status, receiving)) = &ask.answer {
                (status, receiving.len(), receiving.ranges()).hash(&mut hasher);
            }
        }
        for (number, record) in &self.records {
            (number, record.deadline).hash(&mut hasher);
            match &record.state {
                State::Receiving(receiving, last) => {
                    (receiving.len(), receiving.ranges(), last).hash(&mut hasher);
                }
                State::Running(token) => token.hash(&mut hasher),
                State::Answering(status, sending) => {
                    status.hash(&mut hasher);
                    sending.dump(hasher);
                }
            }
        }
    }

    /// What is `item`, if it still wants to send.
    pub(super) fn sending(&mut self, item: Item) -> Option<&mut Sending> {
        match item {
            Item::Request(id) => self.asks.get_mut(&id).map(|ask| &mut ask.sending),
            Item::Answer(id) => match self.records.get_mut(&id).map(|record| &mut record.state) {
                Some(State::Answering(_, sending)) => Some(sending),
                _ => None,
            },
        }
    }

    /// Puts `item` in its queue, if it wants to send and does not stand there yet; in front
    /// where it goes on with what was lost.
    pub(super) fn queue(&mut self, item: Item, room: usize, in_front: bool) {
        let Some(sending) = self.sending(item).filter(|sending| !sending.queued) else { return };
        if !sending.wants() {
            return;
        }
        sending.queued = true;
        let short = sending.len() <= room;
        let live = self.asks.len() + self.records.len();
        let queue = if short { &mut self.short } else { &mut self.long };
        if queue.len() > 2 * live + SPARE {
            // Mostly what was over before it had its turn: while nothing can be sent there is no end to it.
            let mut items = mem::take(queue);
            items.retain(|item| self.sending(*item).is_some_and(|sending| sending.queued));
            *(if short { &mut self.short } else { &mut self.long }) = items;
        }
        let queue = if short { &mut self.short } else { &mut self.long };
        if in_front { queue.push_front(item) } else { queue.push_back(item) }
    }
}
