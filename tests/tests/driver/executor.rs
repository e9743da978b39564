//! An executor that polls whichever ready task a seed chooses, and counts what it does.

use super::runtime::{Timer, World};
use core::cell::Cell;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use core::task::{Context, Poll, Waker};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::task::Wake;
use tellask::driver::Timer as _;
use tellask::seed::Rng;

/// Polls of all tasks together without any time going by; more is a task that wakes itself for ever.
const SPIN: usize = 100_000;

pub(crate) type TaskId = u64;

/// Tasks, and which of them are to be polled.
pub(crate) struct Executor {
    tasks: BTreeMap<TaskId, Task>,
    polls: BTreeMap<TaskId, u64>,
    ready: Arc<Mutex<Vec<TaskId>>>,
    rng: Rng,
    last: TaskId,
    wakers: Arc<AtomicUsize>,
}

struct Task {
    future: Pin<Box<dyn Future<Output = ()>>>,
    waker: Arc<Signal>,
}

/// A task's waker.
struct Signal {
    id: TaskId,
    ready: Arc<Mutex<Vec<TaskId>>>,
    alive: Arc<AtomicUsize>,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        let mut ready = self.ready.lock().expect("no panic under the lock");
        if !ready.contains(&self.id) {
            ready.push(self.id);
        }
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Relaxed);
    }
}

impl Executor {
    pub(crate) fn new(rng: Rng) -> Self {
        let ready = Arc::default();
        let (tasks, polls) = (BTreeMap::new(), BTreeMap::new());
        Self { tasks, polls, ready, rng, last: 0, wakers: Arc::default() }
    }

    pub(crate) fn spawn(&mut self, future: impl Future<Output = ()> + 'static) -> TaskId {
        self.last += 1;
        let id = self.last;
        self.wakers.fetch_add(1, Relaxed);
        let signal = Signal { id, ready: Arc::clone(&self.ready), alive: Arc::clone(&self.wakers) };
        let waker = Arc::new(signal);
        self.tasks.insert(id, Task { future: Box::pin(future), waker });
        self.ready.lock().expect("no panic under the lock").push(id);
        id
    }

    /// Drops a task as it stands.
    pub(crate) fn drop_task(&mut self, id: TaskId) {
        self.tasks.remove(&id);
    }

    /// Polls whoever is ready until nobody is, has `idle` look, and goes on to what is due next, as long as
    /// that is by `until`; then it is that late.
    pub(crate) fn run(&mut self, world: &World, until: u64, mut idle: impl FnMut()) {
        loop {
            let mut polls = 0;
            while self.poll_one() {
                polls += 1;
                assert!(polls < SPIN, "a task wakes itself for ever");
            }
            idle();
            if !world.advance(until) {
                break;
            }
            // What is due at one time comes in one piece, or in several: as it falls out.
            while world.next().is_some_and(|at| at <= world.now()) && self.rng.chance(1, 2) {
                world.advance(until);
            }
        }
        world.set(until);
    }

    fn poll_one(&mut self) -> bool {
        let id = {
            let mut ready = self.ready.lock().expect("no panic under the lock");
            if ready.is_empty() {
                return false;
            }
            let at = self.rng.below(ready.len() as u64) as usize;
            ready.swap_remove(at)
        };
        // A task that is done may have been woken before.
        let Some(task) = self.tasks.get_mut(&id) else { return true };
        *self.polls.entry(id).or_default() += 1;
        let waker = Waker::from(Arc::clone(&task.waker));
        if task.future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            self.tasks.remove(&id);
        }
        true
    }

    /// How often these tasks were polled.
    pub(crate) fn polls_of(&self, tasks: impl Fn(&TaskId) -> bool) -> u64 {
        self.polls.iter().filter(|(id, _)| tasks(id)).map(|(_, polls)| polls).sum()
    }

    /// The tasks that are not over.
    pub(crate) fn tasks(&self) -> Vec<TaskId> {
        self.tasks.keys().copied().collect()
    }

    /// Wakers that somebody still holds, those of the tasks among them.
    pub(crate) fn wakers(&self) -> usize {
        self.wakers.load(Relaxed)
    }
}

/// When a future is dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    /// Not before it is ready.
    Finish,
    /// Right after this poll, where it is not ready then; after none, before the first.
    After(u32),
    /// With the first wake after this poll: what it was woken for it never sees.
    Woken(u32),
    /// Where it is not ready after so many nanoseconds.
    Within(u64),
}

/// A future that may be dropped before it is ready; then it is `None`.
pub(crate) struct Fated<F> {
    future: Option<Pin<Box<F>>>,
    fate: Fate,
    polls: u32,
    timer: Option<Timer>,
    progress: Arc<Progress>,
}

/// What became of a future so far.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Polls that found it not ready, but for the first.
    pub(crate) in_vain: AtomicU64,
    /// Wakes that it was dropped with.
    pub(crate) unseen: AtomicU64,
}

thread_local! {
    static FATES: Cell<u64> = const { Cell::new(0) };
}

/// How many futures were dropped before they were ready, in this thread, since it was last asked.
pub(crate) fn dropped() -> u64 {
    FATES.take()
}

impl<F: Future> Fated<F> {
    pub(crate) fn new(future: F, fate: Fate, progress: &Arc<Progress>) -> Self {
        let timer = match fate {
            Fate::Within(time) => Some(Timer::within(time)),
            Fate::Finish | Fate::After(_) | Fate::Woken(_) => None,
        };
        let progress = Arc::clone(progress);
        Self { future: Some(Box::pin(future)), fate, polls: 0, timer, progress }
    }

    fn give_up(&mut self) -> Poll<Option<F::Output>> {
        self.future = None;
        FATES.set(FATES.get() + 1);
        Poll::Ready(None)
    }
}

impl<F: Future> Future for Fated<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if matches!(self.fate, Fate::After(0)) {
            return self.give_up();
        }
        if matches!(self.fate, Fate::Woken(polls) if self.polls >= polls.max(1)) {
            self.progress.unseen.fetch_add(1, Relaxed);
            return self.give_up();
        }
        if self.timer.as_mut().is_some_and(|timer| timer.poll(cx).is_ready()) {
            return self.give_up();
        }
        let future = self.future.as_mut().expect("not polled once it is ready");
        let outcome = future.as_mut().poll(cx);
        self.polls += 1;
        if let Poll::Ready(value) = outcome {
            self.future = None;
            return Poll::Ready(Some(value));
        }
        if self.polls > 1 {
            self.progress.in_vain.fetch_add(1, Relaxed);
        }
        if matches!(self.fate, Fate::After(polls) if self.polls >= polls) {
            return self.give_up();
        }
        Poll::Pending
    }
}
