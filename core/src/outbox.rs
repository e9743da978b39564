//! Messages on their way down, and who must wait: the one queue of all layers.
//!
//! Messages leave in the order they came, whomever they are for. Only a destination that the side
//! below reported full has a queue of its own, in which its messages wait without holding up the others.
//!
//! Bounds, in bytes with [`OVERHEAD`] added a message: a mark for each waiting destination and one for
//! all. A message is taken while its queues are below their marks, so the peak is the mark and one
//! message. Crossing a mark is an edge, told to whoever put the message in; when half the mark has
//! drained the scope is ready again, which [`Outbox::poll_timeout`] and [`Outbox::take_ready`] tell.

use crate::payload::Payload;
use crate::stats::StatsSink;
use crate::swarm::Scope;
use crate::time::Instant;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::hash::{Hash, Hasher};

/// What a queued message counts beyond its bytes.
pub const OVERHEAD: usize = 128;

/// A bounded queue of messages to many destinations.
#[derive(Clone, Debug)]
pub struct Outbox<A, T = Payload> {
    queue: VecDeque<(A, T)>,
    // Destinations that the side below reported full.
    waiting: BTreeMap<A, Waiting<T>>,
    // Everything is full below.
    blocked: bool,
    bytes: usize,
    mark: usize,
    mark_each: usize,
    // The edges that were told upward.
    told_full: bool,
    told_full_to: BTreeSet<A>,
    latest: Instant,
    // When a scope that is ready again was first due: it stays due, however many calls come first.
    due: Option<Instant>,
}

#[derive(Clone, Debug, Hash)]
struct Waiting<T> {
    queue: VecDeque<T>,
    bytes: usize,
}

/// What an outbox holds: something with a length in bytes.
pub trait Weigh {
    /// Its length in bytes.
    fn weight(&self) -> usize;
}

impl Weigh for Payload {
    fn weight(&self) -> usize {
        self.len()
    }
}

impl<A: Clone + Ord, T: Weigh> Outbox<A, T> {
    /// An empty one with these marks in bytes, for one waiting destination and for all.
    #[must_use]
    pub const fn new(mark_each: usize, mark: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            waiting: BTreeMap::new(),
            blocked: false,
            bytes: 0,
            mark,
            mark_each,
            told_full: false,
            told_full_to: BTreeSet::new(),
            latest: Instant::ZERO,
            due: None,
        }
    }

    /// Takes a message. `Ok(Some(scope))` where it crossed a mark: the caller passes the edge on.
    ///
    /// # Errors
    /// The message, where the queue stands at its mark already.
    pub fn push(&mut self, now: Instant, dst: A, item: T) -> Result<Option<Scope<A>>, (A, T)> {
        self.advance(now);
        if self.is_full(&dst) {
            return Err((dst, item));
        }
        let weight = item.weight().saturating_add(OVERHEAD);
        self.bytes = self.bytes.saturating_add(weight);
        let mut over = false;
        if let Some(waiting) = self.waiting.get_mut(&dst) {
            waiting.bytes = waiting.bytes.saturating_add(weight);
            waiting.queue.push_back(item);
            over = waiting.bytes >= self.mark_each;
        } else {
            self.queue.push_back((dst.clone(), item));
        }
        // One edge at a time: what was not told must not count as told.
        let mut crossed = None;
        if self.bytes >= self.mark {
            self.told_full = true;
            crossed = Some(Scope::All);
        } else if over {
            self.told_full_to.insert(dst.clone());
            crossed = Some(Scope::To(dst));
        }
        Ok(crossed)
    }

    /// The next message that may go, in the order they came.
    pub fn pop(&mut self) -> Option<(A, T)> {
        if self.blocked {
            return None;
        }
        let (dst, item) = self.queue.pop_front()?;
        self.bytes = self.bytes.saturating_sub(item.weight().saturating_add(OVERHEAD));
        if self.queue.is_empty() && self.queue.capacity() > 1_024 {
            self.queue = VecDeque::new();
        }
        Some((dst, item))
    }

    /// A piece of the next message that may go. `cut` takes it off the message and says whether
    /// it was the last; until then the message stays where it is, and where its destination is full
    /// meanwhile it waits with the rest of itself.
    pub fn pop_piece<P>(&mut self, cut: impl FnOnce(&mut T) -> (P, bool)) -> Option<(A, P)> {
        if self.blocked {
            return None;
        }
        let (dst, item) = self.queue.front_mut()?;
        let before = item.weight();
        let (piece, last) = cut(item);
        if last {
            let dst = dst.clone();
            self.bytes = self.bytes.saturating_sub(before.saturating_add(OVERHEAD));
            self.queue.pop_front();
            return Some((dst, piece));
        }
        self.bytes = self.bytes.saturating_sub(before.saturating_sub(item.weight()));
        Some((dst.clone(), piece))
    }

    /// Takes out the next message to `dst` if `unwanted` says so and it stands before all others:
    /// one of which pieces have gone, say.
    pub fn pop_if(&mut self, dst: &A, unwanted: impl FnOnce(&T) -> bool) -> Option<T> {
        let item = if let Some(waiting) = self.waiting.get_mut(dst) {
            let item = waiting.queue.pop_front_if(|item| unwanted(item))?;
            let weight = item.weight().saturating_add(OVERHEAD);
            waiting.bytes = waiting.bytes.saturating_sub(weight);
            item
        } else {
            self.queue.pop_front_if(|(to, item)| to == dst && unwanted(item))?.1
        };
        self.bytes = self.bytes.saturating_sub(item.weight().saturating_add(OVERHEAD));
        Some(item)
    }

    /// Whether a message to `dst` would be refused.
    #[must_use]
    pub fn is_full(&self, dst: &A) -> bool {
        self.told_full || self.told_full_to.contains(dst)
    }

    /// Whether `dst` alone was told full, and will be told ready.
    #[must_use]
    pub fn is_told_full(&self, dst: &A) -> bool {
        self.told_full_to.contains(dst)
    }

    /// The side below is full: what is in this scope waits here.
    pub fn block(&mut self, now: Instant, scope: Scope<A>) {
        self.advance(now);
        match scope {
            Scope::All => self.blocked = true,
            Scope::To(dst) => {
                let mut waiting = Waiting { queue: VecDeque::new(), bytes: 0 };
                if self.waiting.contains_key(&dst) {
                    return;
                }
                let mut rest = VecDeque::with_capacity(self.queue.len());
                for (to, item) in self.queue.drain(..) {
                    if to == dst {
                        waiting.bytes += item.weight().saturating_add(OVERHEAD);
                        waiting.queue.push_back(item);
                    } else {
                        rest.push_back((to, item));
                    }
                }
                self.queue = rest;
                self.waiting.insert(dst, waiting);
            }
        }
    }

    /// The side below is ready again: what waited in this scope goes on.
    pub fn unblock(&mut self, now: Instant, scope: &Scope<A>) {
        self.advance(now);
        match scope {
            Scope::All => self.blocked = false,
            Scope::To(dst) => {
                if let Some(waiting) = self.waiting.remove(dst) {
                    self.queue.extend(waiting.queue.into_iter().map(|item| (dst.clone(), item)));
                }
            }
        }
    }

    /// Drops what waits for `dst`, and returns how many messages that were.
    pub fn forget(&mut self, dst: &A) -> usize {
        let mut dropped = 0;
        let mut freed = 0;
        self.queue.retain(|(to, item)| {
            let keep = to != dst;
            if !keep {
                dropped += 1;
                freed += item.weight().saturating_add(OVERHEAD);
            }
            keep
        });
        if let Some(waiting) = self.waiting.get_mut(dst) {
            dropped += waiting.queue.len();
            freed += waiting.bytes;
            waiting.queue.clear();
            waiting.bytes = 0;
        }
        self.bytes = self.bytes.saturating_sub(freed);
        dropped
    }

    /// Whether messages wait for `dst`, which is full below.
    #[must_use]
    pub fn is_waiting(&self, dst: &A) -> bool {
        self.waiting.get(dst).is_some_and(|waiting| !waiting.queue.is_empty())
    }

    /// Remembers the latest time that was handed in; call it in every `handle_*`.
    #[inline]
    pub fn advance(&mut self, now: Instant) {
        // Only what was told full can become ready: mostly nothing was.
        if self.told_full || !self.told_full_to.is_empty() {
            self.due = self.poll_timeout();
        }
        self.latest = self.latest.max(now);
    }

    /// One nanosecond after the latest time at which a scope that was told full became ready again.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let ready = (self.told_full && self.drained())
            || (!self.told_full_to.is_empty()
                && self.told_full_to.iter().any(|dst| self.drained_to(dst)));
        ready.then(|| self.due.unwrap_or(self.next()))
    }

    /// A scope that was told full and is ready again; call it in `handle_timeout` until `None`.
    pub fn take_ready(&mut self) -> Option<Scope<A>> {
        self.due = None;
        if self.told_full && self.drained() {
            self.told_full = false;
            return Some(Scope::All);
        }
        let dst = self.told_full_to.iter().find(|dst| self.drained_to(dst))?.clone();
        self.told_full_to.remove(&dst);
        Some(Scope::To(dst))
    }

    /// Whether there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Bytes held, [`OVERHEAD`] included.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Messages held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.values().fold(self.queue.len(), |sum, waiting| sum + waiting.queue.len())
    }

    /// The latest time that was handed in.
    #[must_use]
    pub const fn latest(&self) -> Instant {
        self.latest
    }

    /// One nanosecond after the latest time: when to do what a pop has made due.
    #[must_use]
    pub const fn next(&self) -> Instant {
        self.latest.next()
    }

    /// Writes the queue's figures and state into the section of the layer that owns it.
    pub fn stats(&self, sink: &mut dyn StatsSink)
    where
        A: Hash,
        T: Hash,
    {
        sink.gauge("send_bytes", self.bytes as u64);
        sink.gauge("send_waiting_peers", self.waiting.len() as u64);
        sink.gauge("send_full", u64::from(self.told_full));
        sink.gauge("send_full_peers", self.told_full_to.len() as u64);
        sink.gauge("send_blocked", u64::from(self.blocked));
        sink.state("send_queue", &|mut hasher: &mut dyn Hasher| {
            (&self.queue, &self.waiting, &self.told_full_to).hash(&mut hasher);
            // The latest time is the driver's; only what is due of it is state.
            self.poll_timeout().hash(&mut hasher);
        });
    }

    fn drained(&self) -> bool {
        self.bytes <= self.mark / 2
    }

    fn drained_to(&self, dst: &A) -> bool {
        self.waiting.get(dst).is_none_or(|waiting| waiting.bytes <= self.mark_each / 2)
    }
}
