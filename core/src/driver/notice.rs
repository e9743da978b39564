//! What an application may want to know beside its messages, for as many listeners as there are.
//!
//! Bounds: [`NOTICES`] wait for one listener. What comes on top is dropped and counted, and the
//! listener is told at this very point of the sequence how many it missed.

use crate::identity::PublicKey;
use crate::swarm::{DownReason, Undeliverable};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::task::{Context, Poll, Waker};

/// Notices that wait for one listener.
pub const NOTICES: usize = 1_024;

/// Something that happened to a peer or to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice<A> {
    /// A peer proved its key: messages flow to and from `addr`.
    PeerUp {
        /// Its address.
        addr: A,
        /// Its key.
        key: PublicKey,
    },
    /// A peer that was up is not any more.
    PeerDown {
        /// Its address.
        addr: A,
        /// Why.
        reason: DownReason,
    },
    /// A message that was accepted will not be delivered. Not every loss is known.
    Undelivered {
        /// To whom it was sent.
        dst: A,
        /// Why.
        reason: Undeliverable,
    },
    /// Here the listener was too slow.
    Missed {
        /// For this many notices.
        count: u64,
    },
}

/// Names a listener of one hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(pub(super) u64);

#[derive(Debug)]
pub(super) struct Listeners<A> {
    each: BTreeMap<ListenerId, Listener<A>>,
    pub(super) missed: u64,
}

#[derive(Debug)]
struct Listener<A> {
    queue: VecDeque<Notice<A>>,
    missed: u64,
    waker: Option<Waker>,
}

impl<A: Clone> Listeners<A> {
    pub(super) const fn new() -> Self {
        Self { each: BTreeMap::new(), missed: 0 }
    }

    pub(super) fn insert(&mut self, id: ListenerId) {
        self.each.insert(id, Listener { queue: VecDeque::new(), missed: 0, waker: None });
    }

    pub(super) fn remove(&mut self, id: ListenerId) {
        self.each.remove(&id);
    }

    pub(super) fn push(&mut self, notice: &Notice<A>, wakes: &mut Vec<Waker>) {
        for listener in self.each.values_mut() {
            // Two places: one may go to the note that says what was missed.
            if listener.queue.len() + 2 > NOTICES {
                listener.missed += 1;
                self.missed += 1;
                continue;
            }
            if listener.missed > 0 {
                let count = core::mem::take(&mut listener.missed);
                listener.queue.push_back(Notice::Missed { count });
            }
            listener.queue.push_back(notice.clone());
            wakes.extend(listener.waker.take());
        }
    }

    /// The next notice of one listener; `None` where none is left and none will come.
    pub(super) fn poll(
        &mut self,
        id: ListenerId,
        ended: bool,
        cx: &Context<'_>,
    ) -> Poll<Option<Notice<A>>> {
        let Some(listener) = self.each.get_mut(&id) else { return Poll::Ready(None) };
        if let Some(notice) = listener.queue.pop_front() {
            return Poll::Ready(Some(notice));
        }
        if listener.missed > 0 {
            let count = core::mem::take(&mut listener.missed);
            return Poll::Ready(Some(Notice::Missed { count }));
        }
        if ended {
            return Poll::Ready(None);
        }
        listener.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Whoever waited for the listener's next notice does no longer.
    pub(super) fn forget(&mut self, id: ListenerId) {
        if let Some(listener) = self.each.get_mut(&id) {
            listener.waker = None;
        }
    }

    pub(super) fn wake(&mut self, wakes: &mut Vec<Waker>) {
        wakes.extend(self.each.values_mut().filter_map(|listener| listener.waker.take()));
    }

    pub(super) fn len(&self) -> usize {
        self.each.len()
    }
}
