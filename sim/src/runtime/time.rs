//! The clock and the timers of a simulation: time passes only when nobody can run.

use super::world::{Due, World};
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::sync::Arc;
use tellask::Instant;
use tellask::driver;

/// A node's clock: that of its simulation, from when the node was made.
pub struct Clock {
    world: Arc<World>,
    epoch: Instant,
}

impl Clock {
    pub(super) fn new(world: Arc<World>) -> Self {
        let epoch = world.now();
        Self { world, epoch }
    }
}

impl driver::Clock for Clock {
    fn now(&self) -> Instant {
        Instant::ZERO + self.world.now().since(self.epoch)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

/// A timer of a node.
#[derive(Default)]
pub struct Timer(Option<(Arc<World>, Due)>);

impl driver::Timer for Timer {
    type Clock = Clock;

    fn unset() -> Self {
        Self::default()
    }

    fn set(&mut self, clock: &Clock, at: Instant) {
        drop(core::mem::take(self));
        let at = clock.epoch + at.since(Instant::ZERO);
        self.0 = Some((Arc::clone(&clock.world), clock.world.arm(at)));
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_ref().map_or(Poll::Pending, |(world, due)| world.poll(*due, cx))
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some((world, due)) = self.0.take() {
            world.disarm(due);
        }
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Timer").field(&self.0.as_ref().map(|(_, (at, _))| at)).finish()
    }
}

/// A future that is ready at a certain time, from [`sleep`](super::sleep).
#[must_use = "a sleep does nothing unless it is awaited"]
pub struct Sleep {
    world: Arc<World>,
    until: Instant,
    due: Option<Due>,
}

impl Sleep {
    pub(super) fn new(world: Arc<World>, time: Duration) -> Self {
        let until = world.now() + time;
        Self { world, until, due: None }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.world.now() >= self.until {
            return Poll::Ready(());
        }
        let due = self.due.unwrap_or_else(|| self.world.arm(self.until));
        self.due = Some(due);
        self.world.poll(due, cx)
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(due) = self.due.take() {
            self.world.disarm(due);
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sleep").field(&self.until).finish()
    }
}

/// It took longer than it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it was not ready in time")
    }
}

impl core::error::Error for Elapsed {}

/// A future with only so much time, from [`timeout`](super::timeout).
#[must_use = "a future does nothing unless it is awaited"]
pub struct Timeout<F> {
    pub(super) future: Pin<Box<F>>,
    pub(super) sleep: Sleep,
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // The future first: what is ready in the last moment is ready in time.
        if let Poll::Ready(value) = self.future.as_mut().poll(cx) {
            return Poll::Ready(Ok(value));
        }
        Pin::new(&mut self.sleep).poll(cx).map(|()| Err(Elapsed))
    }
}

impl<F> fmt::Debug for Timeout<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout").field("sleep", &self.sleep).finish_non_exhaustive()
    }
}
