//! Tasks that were spawned.

use super::executor::{Gone, TaskId};
use core::cell::RefCell;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::rc::Rc;

/// A task of a simulation: a future of what it returns. Dropped, it goes on all the same.
pub struct Task<R> {
    shared: Shared<R>,
    id: TaskId,
    executor: Gone,
}

impl<R> Task<R> {
    pub(super) const fn new(shared: Shared<R>, id: TaskId, executor: Gone) -> Self {
        Self { shared, id, executor }
    }

    /// Drops what the task does, as it stands.
    pub fn stop(&self) {
        if let Some(executor) = self.executor.upgrade() {
            executor.stop(self.id);
        }
    }

    /// Whether it has returned or was stopped.
    #[must_use]
    pub fn is_over(&self) -> bool {
        !matches!(*self.shared.0.borrow(), State::Running(_))
    }
}

impl<R> Future for Task<R> {
    type Output = Result<R, Stopped>;

    /// # Panics
    /// It was ready before.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.shared.0.borrow_mut();
        match core::mem::replace(&mut *state, State::Taken) {
            State::Returned(value) => Poll::Ready(Ok(value)),
            State::Stopped => Poll::Ready(Err(Stopped)),
            State::Running(_) => {
                *state = State::Running(Some(cx.waker().clone()));
                Poll::Pending
            }
            State::Taken => panic!("a task is polled that was ready before"),
        }
    }
}

impl<R> fmt::Debug for Task<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("id", &self.id).field("is_over", &self.is_over()).finish()
    }
}

/// The task was stopped before it returned: by [`Task::stop`], or because its host crashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the task was stopped before it returned")
    }
}

impl core::error::Error for Stopped {}

enum State<R> {
    Running(Option<Waker>),
    Returned(R),
    Stopped,
    Taken,
}

/// Where a task leaves what it returns.
pub(super) struct Shared<R>(Rc<RefCell<State<R>>>);

impl<R> Shared<R> {
    pub(super) fn new() -> Self {
        Self(Rc::new(RefCell::new(State::Running(None))))
    }

    /// For the task.
    pub(super) fn finish(&self) -> Finish<R> {
        Finish(Rc::clone(&self.0))
    }
}

/// Says that the task is over, however it ends.
pub(super) struct Finish<R>(Rc<RefCell<State<R>>>);

impl<R> Finish<R> {
    pub(super) fn with(self, value: R) {
        self.end(State::Returned(value));
    }

    fn end(&self, how: State<R>) {
        let mut state = self.0.borrow_mut();
        if let State::Running(waker) = &mut *state {
            let waker = waker.take();
            *state = how;
            drop(state);
            waker.into_iter().for_each(Waker::wake);
        }
    }
}

impl<R> Drop for Finish<R> {
    fn drop(&mut self) {
        self.end(State::Stopped);
    }
}
