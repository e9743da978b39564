//! Requests to peers over connections, until their outcome: which wait, which were sent, and how many there may be.
//!
//! Bounds: [`Limits::asks_per_peer`] and [`Limits::ask_sending_per_peer`] for each peer, [`Limits::ask_sending`] bytes in
//! all. A peer that reaches one is full, and ready again at half of all of them.

use crate::limits::Limits;
use crate::payload::Payload;
use crate::swarm::{AskId, Undeliverable};
use crate::table::Slot;
use crate::time::Instant;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};

/// Those to one peer.
#[derive(Debug, Default, Hash)]
pub(crate) struct OfPeer {
    /// For a connection, or for room on it.
    waiting: VecDeque<AskId>,
    count: usize,
    bytes: usize,
    full: bool,
}

impl OfPeer {
    /// Whether the peer was told full because of them.
    pub(crate) const fn is_full(&self) -> bool {
        self.full
    }

    /// Whether any waits.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Those that wait, which wait no more.
    pub(crate) fn take_waiting(&mut self) -> VecDeque<AskId> {
        core::mem::take(&mut self.waiting)
    }
}

/// Those of a node. `T` says where one went.
#[derive(Debug)]
pub(crate) struct Requests<T> {
    all: BTreeMap<AskId, Request<T>>,
    deadlines: BTreeSet<(Instant, AskId)>,
    bytes: usize,
    count_of_peer_max: usize,
    bytes_of_peer_max: usize,
    bytes_max: usize,
}

#[derive(Debug)]
struct Request<T> {
    peer: Slot,
    deadline: Instant,
    bytes: usize,
    state: State<T>,
}

#[derive(Debug)]
enum State<T> {
    Waits(Payload),
    Sent(T),
}

/// One that is over.
#[derive(Debug)]
pub(crate) struct Over {
    /// Whom it was to.
    pub(crate) peer: Slot,
    bytes: usize,
    waited: bool,
}

impl<T> Requests<T> {
    pub(crate) const fn new(limits: &Limits) -> Self {
        Self {
            all: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            bytes: 0,
            count_of_peer_max: limits.asks_per_peer,
            bytes_of_peer_max: limits.ask_sending_per_peer,
            bytes_max: limits.ask_sending,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// When the next of them is given up.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.deadlines.first().map(|(due, _)| *due)
    }

    /// Why a request of `len` bytes is not to be had, whoever it is to. `limit` is the most that one may have.
    pub(crate) fn refuses(
        &self,
        now: Instant,
        id: AskId,
        (len, limit): (usize, usize),
        deadline: Instant,
    ) -> Option<Undeliverable> {
        if self.all.contains_key(&id) {
            Some(Undeliverable::Unsupported)
        } else if len > limit {
            Some(Undeliverable::TooLarge { limit })
        } else if deadline <= now {
            Some(Undeliverable::TimedOut)
        } else {
            None
        }
    }

    /// Takes one that waits from now on; whether its peer is full thereby.
    pub(crate) fn insert(
        &mut self,
        id: AskId,
        (peer, of_peer): (Slot, &mut OfPeer),
        payload: Payload,
        deadline: Instant,
    ) -> bool {
        let bytes = payload.len();
        of_peer.count += 1;
        of_peer.bytes += bytes;
        of_peer.waiting.push_back(id);
        self.bytes += bytes;
        self.deadlines.insert((deadline, id));
        self.all.insert(id, Request { peer, deadline, bytes, state: State::Waits(payload) });
        self.fills(of_peer)
    }

    /// Whether a peer that was not full is from now on.
    fn fills(&self, of_peer: &mut OfPeer) -> bool {
        let over = of_peer.count >= self.count_of_peer_max
            || of_peer.bytes >= self.bytes_of_peer_max
            || self.bytes >= self.bytes_max;
        let fills = over && !of_peer.full;
        of_peer.full |= over;
        fills
    }

    /// Sends the first that waits for a peer: what it says, and when it is given up.
    pub(crate) fn send(
        &mut self,
        of_peer: &mut OfPeer,
        to: T,
    ) -> Option<(AskId, Payload, Instant)> {
        let id = of_peer.waiting.pop_front()?;
        let request = self.all.get_mut(&id)?;
        match core::mem::replace(&mut request.state, State::Sent(to)) {
            State::Waits(payload) => Some((id, payload, request.deadline)),
            State::Sent(_) => None,
        }
    }

    /// Where one went that was sent; `None` in the inner one where it waits.
    pub(crate) fn sent_mut(&mut self, id: AskId) -> Option<Option<&mut T>> {
        Some(match &mut self.all.get_mut(&id)?.state {
            State::Waits(_) => None,
            State::Sent(to) => Some(to),
        })
    }

    /// One whose time is over.
    pub(crate) fn overdue(&self, now: Instant) -> Option<AskId> {
        self.deadlines.first().filter(|(due, _)| *due <= now).map(|(_, id)| *id)
    }

    /// One has its outcome. To be followed by [`leave`](Self::leave), where its peer is still known.
    pub(crate) fn remove(&mut self, id: AskId) -> Option<Over> {
        let Request { peer, deadline, bytes, state } = self.all.remove(&id)?;
        self.deadlines.remove(&(deadline, id));
        self.bytes -= bytes;
        Some(Over { peer, bytes, waited: matches!(state, State::Waits(_)) })
    }

    /// The peer of one that is over has room for another; whether it is ready again thereby.
    pub(crate) fn leave(&self, id: AskId, over: &Over, of_peer: &mut OfPeer) -> bool {
        if over.waited {
            of_peer.waiting.retain(|waiting| *waiting != id);
        }
        self.uncount(of_peer, over.bytes)
    }

    /// One of so many bytes does not count for its peer any more; whether that is ready again thereby.
    fn uncount(&self, of_peer: &mut OfPeer, bytes: usize) -> bool {
        of_peer.count = of_peer.count.saturating_sub(1);
        of_peer.bytes = of_peer.bytes.saturating_sub(bytes);
        let room = of_peer.count <= self.count_of_peer_max / 2
            && of_peer.bytes <= self.bytes_of_peer_max / 2
            && self.bytes <= self.bytes_max / 2;
        let ready = of_peer.full && room;
        of_peer.full &= !room;
        ready
    }
}

#[cfg(feature = "quic")]
impl<T> Requests<T> {
    /// Whom one is to.
    pub(crate) fn peer(&self, id: AskId) -> Option<Slot> {
        Some(self.all.get(&id)?.peer)
    }

    /// One that was sent does not count for its peer any more; whether that is ready again thereby.
    pub(crate) fn leave_to(&self, id: AskId, of_peer: &mut OfPeer) -> bool {
        self.all.get(&id).is_some_and(|request| self.uncount(of_peer, request.bytes))
    }

    /// But for this one; whether that is full thereby.
    pub(crate) fn join(&mut self, id: AskId, (peer, of_peer): (Slot, &mut OfPeer)) -> bool {
        let Some(request) = self.all.get_mut(&id) else { return false };
        request.peer = peer;
        of_peer.count += 1;
        of_peer.bytes += request.bytes;
        self.fills(of_peer)
    }
}
