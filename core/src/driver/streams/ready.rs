//! Which sockets may go on: each has a waker of its own, so that a wake-up costs as much as sockets are ready, not
//! as much as there are.
//!
//! Bounds: each socket is listed once at the most.

use crate::port::StreamId;
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering::SeqCst};
use core::task::Waker;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Whose waker was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// That of the listener of this number.
    Listener(usize),
    /// That of a connection, open or dialled.
    Stream(StreamId),
}

/// The sockets whose wakers were called.
#[derive(Debug, Default)]
pub(super) struct Ready {
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    woken: Vec<Arc<Watch>>,
    // The driver's, while it sleeps.
    sleeper: Option<Waker>,
}

/// What a socket's waker is.
#[derive(Debug)]
struct Watch {
    whose: Whose,
    ready: Arc<Ready>,
    listed: AtomicBool,
}

impl Wake for Watch {
    fn wake(self: Arc<Self>) {
        if self.listed.swap(true, SeqCst) {
            return;
        }
        let ready = Arc::clone(&self.ready);
        let sleeper = {
            let mut list = ready.lock();
            list.woken.push(self);
            list.sleeper.take()
        };
        if let Some(waker) = sleeper {
            waker.wake();
        }
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.listed.load(SeqCst) {
            Arc::clone(self).wake();
        }
    }
}

impl Ready {
    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A waker for a socket.
    pub(super) fn waker(self: &Arc<Self>, whose: Whose) -> Waker {
        let ready = Arc::clone(self);
        Arc::new(Watch { whose, ready, listed: AtomicBool::new(false) }).into()
    }

    /// Moves those that were woken into `woken`, which is empty. From now on each is listed anew.
    pub(super) fn take(&self, woken: &mut Vec<Whose>) {
        let list = core::mem::take(&mut self.lock().woken);
        woken.extend(list.into_iter().map(|watch| {
            watch.listed.store(false, SeqCst);
            watch.whose
        }));
    }

    /// Has `waker` called for the next one; `false` where there is one already.
    pub(super) fn sleep(&self, waker: &Waker) -> bool {
        let mut list = self.lock();
        if !list.woken.is_empty() {
            return false;
        }
        match &mut list.sleeper {
            Some(sleeper) => sleeper.clone_from(waker),
            None => list.sleeper = Some(waker.clone()),
        }
        true
    }
}
