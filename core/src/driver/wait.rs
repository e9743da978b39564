//! Who waits for what: wakers in the order they came, without a runtime.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::task::Waker;

/// Tasks that wait for one thing, first come first.
///
/// The numbers only grow, so the queue is sorted by them and a task that gives up is found fast.
#[derive(Debug, Default)]
pub(super) struct WaitList {
    waiting: VecDeque<(u64, Waker)>,
}

impl WaitList {
    pub(super) const fn new() -> Self {
        Self { waiting: VecDeque::new() }
    }

    /// Puts the task `id` at the end, or renews its waker where it waits already.
    pub(super) fn register(&mut self, id: u64, waker: &Waker) {
        let at = self.waiting.partition_point(|(other, _)| *other < id);
        match self.waiting.get_mut(at) {
            Some((other, renewed)) if *other == id => renewed.clone_from(waker),
            Some(_) | None => self.waiting.insert(at, (id, waker.clone())),
        }
    }

    /// Takes the task `id` out; whether it waited here still, and was not woken.
    pub(super) fn remove(&mut self, id: u64) -> bool {
        let at = self.waiting.partition_point(|(other, _)| *other < id);
        let found = self.waiting.get(at).is_some_and(|(other, _)| *other == id);
        if found {
            self.waiting.remove(at);
        }
        found
    }

    /// Takes out who has waited for longest.
    pub(super) fn pop(&mut self) -> Option<(u64, Waker)> {
        self.waiting.pop_front()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

/// Tasks to wake once the lock is released.
///
/// To wake them under the lock would be correct too, but send them straight against it.
#[derive(Debug, Default)]
#[must_use = "whoever is in here waits until `wake` is called"]
pub struct Wakes {
    pub(super) driver: Option<Waker>,
    pub(super) others: Vec<Waker>,
}

impl Wakes {
    /// Whether there is a task to wake, the driver apart.
    #[must_use]
    pub const fn has_tasks(&self) -> bool {
        !self.others.is_empty()
    }

    /// Wakes them all. The room is kept for the next ones.
    pub fn wake(&mut self) {
        for waker in self.others.drain(..) {
            waker.wake();
        }
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }
}
