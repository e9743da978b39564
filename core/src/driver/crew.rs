//! Futures that run side by side within one task.
//!
//! Each has a waker of its own, so that a poll of the crew polls only those that were woken. Bounds:
//! as many futures as the caller puts in.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::sync::{Mutex, PoisonError};

/// The futures, and which of them were woken.
pub(super) struct Crew<F> {
    each: BTreeMap<u64, Pin<Box<F>>>,
    last: u64,
    woken: Arc<Mutex<Woken>>,
}

#[derive(Default)]
struct Woken {
    ids: Vec<u64>,
    task: Option<Waker>,
}

struct Member {
    id: u64,
    woken: Arc<Mutex<Woken>>,
}

impl Wake for Member {
    fn wake(self: Arc<Self>) {
        let task = {
            let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
            woken.ids.push(self.id);
            woken.task.take()
        };
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl<F: Future<Output = ()>> Crew<F> {
    pub(super) fn new() -> Self {
        Self { each: BTreeMap::new(), last: 0, woken: Arc::default() }
    }

    /// Takes one more on; it is polled with the next [`poll`](Self::poll).
    pub(super) fn push(&mut self, future: F) {
        self.last += 1;
        self.each.insert(self.last, Box::pin(future));
        self.woken.lock().unwrap_or_else(PoisonError::into_inner).ids.push(self.last);
    }

    /// Polls those that were woken; ready once none is left. One that is woken in between has the task
    /// woken again.
    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        let mut ids = {
            let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
            woken.task = Some(cx.waker().clone());
            core::mem::take(&mut woken.ids)
        };
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            let Some(future) = self.each.get_mut(&id) else { continue };
            let waker = Waker::from(Arc::new(Member { id, woken: Arc::clone(&self.woken) }));
            if future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                self.each.remove(&id);
            }
        }
        if self.each.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }
}
