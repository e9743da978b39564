//! The workers of one node, as its handles see them: one mostly, several where they share its peers.

use super::hub::{Hub, Ticket};
use super::shared::{Clock, Shared, Wait};
use super::steering::Steering;
use crate::addr::UdpAddr;
use crate::swarm::Swarm;
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use core::task::Poll;
use std::sync::Arc;

/// The workers of one node, each with a stack of its own.
pub(super) struct Group<S: Swarm, C> {
    // At least one.
    first: Arc<Shared<S, C>>,
    others: Box<[Arc<Shared<S, C>>]>,
    route: Option<Route<S::Addr>>,
    // Where the next one who waits for all begins to look.
    turn: AtomicUsize,
}

/// How a peer's worker is found.
pub(super) struct Route<A> {
    pub(super) steering: Steering,
    pub(super) carrier: fn(&A) -> Option<UdpAddr>,
}

impl<S: Swarm, C: Clock> Group<S, C> {
    pub(super) fn one(shared: Arc<Shared<S, C>>) -> Self {
        Self { first: shared, others: Box::default(), route: None, turn: AtomicUsize::new(0) }
    }

    pub(super) fn of(
        first: Arc<Shared<S, C>>,
        others: Vec<Arc<Shared<S, C>>>,
        route: Route<S::Addr>,
    ) -> Self {
        let (others, turn) = (others.into(), AtomicUsize::new(0));
        Self { first, others, route: Some(route), turn }
    }

    pub(super) const fn first(&self) -> &Arc<Shared<S, C>> {
        &self.first
    }

    pub(super) const fn len(&self) -> usize {
        1 + self.others.len()
    }

    pub(super) fn each(&self) -> impl Iterator<Item = &Arc<Shared<S, C>>> {
        core::iter::once(&self.first).chain(&self.others)
    }

    pub(super) fn get(&self, worker: usize) -> &Arc<Shared<S, C>> {
        let other = worker.checked_sub(1).and_then(|other| self.others.get(other));
        other.unwrap_or(&self.first)
    }

    /// The one that talks to `dst`; for what is nobody's address, the first.
    pub(super) fn to(&self, dst: &S::Addr) -> &Arc<Shared<S, C>> {
        let Some(route) = &self.route else { return &self.first };
        let carrier = (route.carrier)(dst);
        carrier.map_or(&self.first, |peer| self.get(route.steering.worker_of(&peer)))
    }

    /// A place among those who wait at this worker, or at all.
    pub(super) fn wait(&self, at: Option<usize>) -> Waits<'_, S, C> {
        match at {
            Some(worker) => {
                Waits { first: Wait::new(self.get(worker)), others: Vec::new(), from: 0 }
            }
            None => {
                let others: Vec<_> = self.others.iter().map(|shared| Wait::new(shared)).collect();
                let from = if others.is_empty() { 0 } else { self.turn.fetch_add(1, Relaxed) };
                Waits { first: Wait::new(&self.first), others, from }
            }
        }
    }
}

/// A task's places among those who wait, at one worker or at all; given up when it is dropped.
pub(super) struct Waits<'a, S: Swarm, C: Clock> {
    first: Wait<'a, S, C>,
    others: Vec<Wait<'a, S, C>>,
    from: usize,
}

impl<S: Swarm, C: Clock> Waits<'_, S, C> {
    /// What the first worker has that has something; `None` once each has said that it never will again.
    pub(super) fn poll<T>(
        &mut self,
        mut what: impl FnMut(&mut Hub<S>, Instant, &mut Option<Ticket<S::Addr>>) -> Poll<Option<T>>,
    ) -> Poll<Option<(usize, T)>> {
        let (count, mut pending) = (1 + self.others.len(), false);
        for offset in 0..count {
            let worker = self.from.wrapping_add(offset) % count;
            let other = worker.checked_sub(1).and_then(|other| self.others.get_mut(other));
            match other.unwrap_or(&mut self.first).poll(&mut what) {
                Poll::Ready(Some(value)) => return Poll::Ready(Some((worker, value))),
                Poll::Ready(None) => {}
                Poll::Pending => pending = true,
            }
        }
        if pending { Poll::Pending } else { Poll::Ready(None) }
    }
}
