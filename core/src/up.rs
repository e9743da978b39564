//! The upper side of a swarm layer: the queue of events, the cached link, and the gates.
//!
//! Bounds: messages and notices that nobody takes are held up to [`Limits::receive`] bytes, with
//! [`OVERHEAD`] added each; then the newest are dropped and counted. What somebody waits for (an
//! answer, an identification) and edges (full, ready, link, closed) are never dropped: the former are bounded by
//! what was asked for, the latter cancel each other out while nobody takes them.
//!
//! A message is a slice of the buffer it was received in. Once [`DEEP`] events wait here, further
//! messages (requests and replies are messages too) are copied out, so that small ones cannot pin
//! large buffers.
//!
//! Nothing follows `Closed`: what is pushed once it has been taken is dropped and counted.

use crate::limits::Limits;
use crate::outbox::OVERHEAD;
use crate::stats::StatsSink;
use crate::swarm::{Event, Link, Message, Scope};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use bytes::BytesMut;
use core::hash::{Hash, Hasher};

/// Events that may wait as slices of larger buffers.
pub const DEEP: usize = 64;

/// What a swarm layer keeps for its upper side.
#[derive(Clone, Debug)]
pub struct Up<A> {
    events: VecDeque<Event<A>>,
    bytes: usize,
    limit: usize,
    dropped: u64,
    // Edges nobody has taken yet: true for full.
    edges: BTreeMap<Scope<A>, bool>,
    full: BTreeSet<Scope<A>>,
    link: Link<A>,
    link_changed: bool,
    paths: BTreeMap<A, Path>,
    paths_max: usize,
    closed: bool,
    closed_told: bool,
}

#[derive(Clone, Copy, Debug, Hash)]
struct Path {
    unit: usize,
    tell_max: usize,
}

impl<A: Clone + Ord> Up<A> {
    /// An empty one within these limits.
    #[must_use]
    pub const fn new(limits: &Limits) -> Self {
        Self {
            events: VecDeque::new(),
            bytes: 0,
            limit: limits.receive,
            dropped: 0,
            edges: BTreeMap::new(),
            full: BTreeSet::new(),
            link: Link::unknown(),
            link_changed: false,
            paths: BTreeMap::new(),
            paths_max: limits.path_mtus,
            closed: false,
            closed_told: false,
        }
    }

    /// Queues an event for above, and caches what [`Swarm`](crate::swarm::Swarm) is asked for.
    pub fn push(&mut self, event: Event<A>) {
        if self.closed_told {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        match event {
            Event::Told(message) => self.told(message),
            Event::Asked { token, mut message, deadline } => {
                if self.admit(message.payload.len()) {
                    self.unpin(&mut message.payload);
                    self.events.push_back(Event::Asked { token, message, deadline });
                }
            }
            notice @ (Event::PeerUp { .. }
            | Event::PeerDown { .. }
            | Event::Withdrawn { .. }
            | Event::Floor { .. }
            | Event::Undelivered { .. }) => {
                if self.admit(0) {
                    self.events.push_back(notice);
                }
            }
            mut awaited @ (Event::Answered { .. } | Event::Identified { .. }) => {
                if let Event::Answered { result: Ok(payload), .. } = &mut awaited {
                    self.unpin(payload);
                }
                self.bytes = self.bytes.saturating_add(weight(&awaited));
                self.events.push_back(awaited);
            }
            Event::PathMtu { dst, unit, tell_max } => self.path_mtu(dst, unit, tell_max),
            Event::Full { scope } => self.edge(scope, true),
            Event::Ready { scope } => self.edge(scope, false),
            Event::Link(link) => {
                self.link = link;
                self.link_changed = true;
            }
            Event::Closed => self.closed = true,
        }
    }

    /// Queues a message: the same as [`push`](Self::push), for where it is known to be one.
    #[inline]
    pub fn told(&mut self, mut message: Message<A>) {
        if self.closed_told {
            self.dropped = self.dropped.saturating_add(1);
        } else if self.admit(message.payload.len()) {
            self.unpin(&mut message.payload);
            self.events.push_back(Event::Told(message));
        }
    }

    /// Whether a message of `len` bytes would be queued, rather than dropped: for requests, whose asker
    /// is to be told.
    #[must_use]
    pub const fn has_room(&self, len: usize) -> bool {
        self.bytes.saturating_add(len.saturating_add(OVERHEAD)) <= self.limit
    }

    /// Whether a further message of up to `len` bytes is to be taken from a peer that can be held back: so that what is
    /// taken at once fills half of the queue at the most, or is one message.
    #[must_use]
    pub const fn takes_more(&self, len: usize) -> bool {
        let (most, wanted) = (self.limit.saturating_sub(OVERHEAD), self.limit / 2 + len);
        self.has_room(if wanted < most { wanted } else { most })
    }

    /// The next event: the link and edges first, `Closed` last.
    #[inline]
    pub fn pop(&mut self) -> Option<Event<A>> {
        if !self.link_changed
            && self.edges.is_empty()
            && let Some(event) = self.events.pop_front()
        {
            self.bytes = self.bytes.saturating_sub(weight(&event));
            return Some(event);
        }
        if self.link_changed || !self.edges.is_empty() || (self.closed && !self.closed_told) {
            return self.pop_urgent();
        }
        None
    }

    /// What stands before and after the events.
    #[cold]
    fn pop_urgent(&mut self) -> Option<Event<A>> {
        if self.link_changed {
            self.link_changed = false;
            return Some(Event::Link(self.link.clone()));
        }
        if let Some((scope, full)) = self.edges.pop_first() {
            return Some(if full { Event::Full { scope } } else { Event::Ready { scope } });
        }
        if self.closed && !self.closed_told {
            self.closed_told = true;
            return Some(Event::Closed);
        }
        None
    }

    /// Whether [`pop`](Self::pop) would return nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
            && !self.link_changed
            && self.edges.is_empty()
            && (!self.closed || self.closed_told)
    }

    /// The last link.
    #[must_use]
    pub const fn link(&self) -> &Link<A> {
        &self.link
    }

    /// The largest tell to `dst`, in bytes.
    #[must_use]
    pub fn mtu_to(&self, dst: &A) -> usize {
        let floor = self.link.tell_max;
        if self.paths.is_empty() {
            return floor;
        }
        self.paths.get(dst).map_or(floor, |path| path.tell_max.max(floor))
    }

    /// The largest message to `dst` that stays one datagram, in bytes.
    #[must_use]
    pub fn unit_to(&self, dst: &A) -> usize {
        self.paths.get(dst).map_or(self.link.unit, |path| path.unit.max(self.link.unit))
    }

    /// Whether `dst` was told full.
    #[must_use]
    pub fn is_full(&self, dst: &A) -> bool {
        !self.full.is_empty()
            && (self.full.contains(&Scope::All) || self.full.contains(&Scope::To(dst.clone())))
    }

    /// Whether `Closed` was pushed.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Writes the queue's figures and state into the section of the layer that owns it.
    pub fn stats(&self, sink: &mut dyn StatsSink)
    where
        A: Hash,
    {
        sink.counter("received_but_dropped", self.dropped);
        sink.gauge("receive_bytes", self.bytes as u64);
        sink.gauge("receive_events", self.events.len() as u64);
        sink.state("receive_queue", &|mut hasher: &mut dyn Hasher| {
            (&self.events, &self.edges, &self.full).hash(&mut hasher);
            (&self.link, self.link_changed, &self.paths).hash(&mut hasher);
            (self.closed, self.closed_told).hash(&mut hasher);
        });
    }

    #[inline]
    fn admit(&mut self, len: usize) -> bool {
        let weight = len.saturating_add(OVERHEAD);
        let fits = self.bytes.saturating_add(weight) <= self.limit;
        if fits {
            self.bytes += weight;
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
        fits
    }

    /// Copies a message out of the buffer that it is a slice of, where many wait already.
    #[inline]
    fn unpin(&self, payload: &mut BytesMut) {
        if self.events.len() >= DEEP {
            *payload = BytesMut::from(&payload[..]);
        }
    }

    fn edge(&mut self, scope: Scope<A>, full: bool) {
        let was = self.full.contains(&scope);
        if was == full {
            return;
        }
        if full {
            self.full.insert(scope.clone());
        } else {
            self.full.remove(&scope);
        }
        // The opposite edge, if nobody has taken it, is undone; else this one is news.
        if self.edges.remove(&scope).is_none() {
            self.edges.insert(scope, full);
        }
    }

    fn path_mtu(&mut self, dst: A, unit: usize, tell_max: usize) {
        if self.paths.len() >= self.paths_max && !self.paths.contains_key(&dst) {
            // Not to know of a larger MTU is safe: the floor works towards everybody.
            return;
        }
        self.paths.insert(dst.clone(), Path { unit, tell_max });
        if self.admit(0) {
            self.events.push_back(Event::PathMtu { dst, unit, tell_max });
        }
    }
}

fn weight<A>(event: &Event<A>) -> usize {
    let payload = match event {
        Event::Told(message) | Event::Asked { message, .. } => message.payload.len(),
        Event::Answered { result: Ok(payload), .. } => payload.len(),
        Event::Answered { .. }
        | Event::Identified { .. }
        | Event::PeerUp { .. }
        | Event::PeerDown { .. }
        | Event::Withdrawn { .. }
        | Event::Floor { .. }
        | Event::Undelivered { .. }
        | Event::Link(_)
        | Event::Full { .. }
        | Event::Ready { .. }
        | Event::PathMtu { .. }
        | Event::Closed => 0,
    };
    payload.saturating_add(OVERHEAD)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swarm::{AskId, Token};
    use crate::time::Instant;
    use alloc::vec::Vec;

    /// Messages of every kind, each a slice of one large buffer.
    fn slices(count: usize) -> impl Iterator<Item = Event<u8>> {
        let mut buffer = BytesMut::zeroed(64 * 1_024);
        let deadline = Instant::MAX;
        (0..count).map(move |number| {
            let payload = buffer.split_to(10);
            let message = Message { src: 1, dst: 2, payload };
            match number % 3 {
                0 => Event::Told(message),
                1 => Event::Asked { token: Token(number as u64), message, deadline },
                _ => Event::Answered { id: AskId::new(1), result: Ok(message.payload) },
            }
        })
    }

    fn place(event: &Event<u8>) -> *const u8 {
        let (Event::Told(Message { payload, .. })
        | Event::Asked { message: Message { payload, .. }, .. }
        | Event::Answered { result: Ok(payload), .. }) = event
        else {
            panic!("{event:?} is no message")
        };
        payload.as_ptr()
    }

    #[test]
    fn few_messages_wait_where_they_were_received_and_more_are_copied_out() {
        let mut up: Up<u8> = Up::new(&Limits::default());
        let places: Vec<_> = slices(DEEP + 30)
            .map(|event| {
                let place = place(&event);
                up.push(event);
                place
            })
            .collect();
        for (number, received) in places.into_iter().enumerate() {
            let event = up.pop().expect("all of them wait");
            assert_eq!(place(&event) == received, number < DEEP, "{number}: {event:?}");
        }
    }

    #[test]
    fn closed_comes_last_and_nothing_follows_it() {
        let mut up: Up<u8> = Up::new(&Limits::default());
        up.push(Event::Closed);
        slices(3).for_each(|event| up.push(event));
        let events: Vec<_> = core::iter::from_fn(|| up.pop()).collect();
        assert_eq!(events.len(), 4);
        assert_eq!(events.last(), Some(&Event::Closed));
        slices(3).for_each(|event| up.push(event));
        up.push(Event::Full { scope: Scope::All });
        up.push(Event::Link(Link::unknown()));
        up.push(Event::PathMtu { dst: 1, unit: 9, tell_max: 9 });
        up.push(Event::Closed);
        assert_eq!(up.pop(), None);
        assert_eq!((up.dropped, up.bytes), (7, 0));
    }
}
