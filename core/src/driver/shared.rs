//! The lock that the handles and the driver of one node meet at.

use super::hub::{Hub, Ticket};
use super::wait::Wakes;
use crate::limits::Limits;
use crate::swarm::Swarm;
use crate::time::Instant;
use core::fmt;
use core::task::Poll;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A runtime's clock. Core reads none by itself.
pub trait Clock {
    /// The time since an epoch that the clock chose.
    fn now(&self) -> Instant;
}

/// What the handles and the driver of one node share: its [`Hub`] behind a lock, and its clock.
pub struct Shared<S: Swarm, C> {
    hub: Mutex<Hub<S>>,
    clock: C,
}

impl<S: Swarm, C: Clock> Shared<S, C> {
    /// A node of this stack.
    pub fn new(stack: S, clock: C, limits: &Limits) -> Self {
        Self { hub: Mutex::new(Hub::new(stack, limits)), clock }
    }

    /// The node's clock.
    pub const fn clock(&self) -> &C {
        &self.clock
    }

    /// The time, as the stack counts it.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Locks the hub. Whoever is to be woken afterwards is the caller's business; see
    /// [`with`](Self::with).
    pub fn lock(&self) -> MutexGuard<'_, Hub<S>> {
        // A panic under the lock ends the driver, and that is told to everybody through the lock.
        self.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the hub, and wakes whom it concerns once the lock is released.
    pub fn with<T>(&self, what: impl FnOnce(&mut Hub<S>, Instant) -> T) -> T {
        let now = self.now();
        let mut wakes = Wakes::default();
        let mut hub = self.lock();
        let value = what(&mut hub, now);
        hub.take_wakes(&mut wakes);
        drop(hub);
        wakes.wake();
        value
    }
}

impl<S: Swarm, C> fmt::Debug for Shared<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// A task's place among those who wait; given up when it is dropped.
pub(super) struct Wait<'a, S: Swarm, C: Clock> {
    shared: &'a Shared<S, C>,
    ticket: Option<Ticket<S::Addr>>,
}

impl<'a, S: Swarm, C: Clock> Wait<'a, S, C> {
    pub(super) const fn new(shared: &'a Shared<S, C>) -> Self {
        Self { shared, ticket: None }
    }

    pub(super) fn poll<T>(
        &mut self,
        what: impl FnOnce(&mut Hub<S>, Instant, &mut Option<Ticket<S::Addr>>) -> Poll<T>,
    ) -> Poll<T> {
        let ticket = &mut self.ticket;
        self.shared.with(|hub, now| what(hub, now, ticket))
    }
}

impl<S: Swarm, C: Clock> Drop for Wait<'_, S, C> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.shared.with(|hub, now| hub.forget(now, ticket));
        }
    }
}
