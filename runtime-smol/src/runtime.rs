//! What a node takes from smol: the reactor's timers, the system's clock, an executor for its task.

use crate::socket::Socket;
use async_executor::Executor;
use async_io::block_on;
use core::future::{Future, pending};
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::io;
use std::sync::OnceLock;
use std::thread;
use tellask::driver::{self, MAX_WORKERS};
use tellask::time::{Epoch, UnixTime};
use tellask::{Instant, Seed, UdpAddr};

/// smol's reactor, and executors of this crate's own for the drivers that nobody else runs.
#[derive(Clone, Copy, Debug)]
pub enum Smol {}

/// Threads for drivers, each with an executor of its own: the first for those of all nodes, further ones
/// for the other workers of nodes that have several.
static THREADS: [Thread; MAX_WORKERS] = [const { Thread::new() }; MAX_WORKERS];

struct Thread {
    executor: Executor<'static>,
    started: OnceLock<Result<(), io::ErrorKind>>,
}

impl Thread {
    const fn new() -> Self {
        Self { executor: Executor::new(), started: OnceLock::new() }
    }

    fn run(&'static self, driver: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let started = self.started.get_or_init(|| {
            let run = || block_on(self.executor.run(pending::<()>()));
            let thread = thread::Builder::new().name("tellask".into()).spawn(run);
            thread.map(drop).map_err(|error| error.kind())
        });
        started.map_err(io::Error::from)?;
        self.executor.spawn(driver).detach();
        Ok(())
    }
}

impl driver::Runtime for Smol {
    type Clock = Clock;
    type Socket = Socket;
    type Timer = Timer;

    fn clock() -> Clock {
        Clock { epoch: std::time::Instant::now() }
    }

    fn date() -> UnixTime {
        tellask_system::date()
    }

    fn epoch() -> Option<Epoch> {
        Some(tellask_system::epoch())
    }

    fn seed() -> io::Result<Seed> {
        tellask_system::seed()
    }

    fn bind(addr: UdpAddr) -> io::Result<Socket> {
        Socket::bind(addr)
    }

    fn bind_shared(addr: UdpAddr, count: usize) -> io::Result<Vec<Socket>> {
        Socket::bind_shared(addr, count)
    }

    fn is_here() -> bool {
        true
    }

    fn spawn(driver: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        Self::spawn_worker(driver, 0)
    }

    fn spawn_worker(
        driver: impl Future<Output = ()> + Send + 'static,
        worker: usize,
    ) -> io::Result<()> {
        let [first, ..] = &THREADS;
        THREADS.get(worker).unwrap_or(first).run(driver)
    }
}

/// A node's clock: the monotonic one of the system, from when the node was made.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    epoch: std::time::Instant,
}

impl Clock {
    /// The time, as the reactor counts it.
    fn at(&self, at: Instant) -> std::time::Instant {
        let since = at.since(Instant::ZERO);
        // What is too far away for the system is as good as never.
        self.epoch.checked_add(since).unwrap_or(self.epoch + Duration::from_secs(1 << 30))
    }
}

impl driver::Clock for Clock {
    fn now(&self) -> Instant {
        let since = self.epoch.elapsed().as_nanos();
        Instant::from_nanos(u64::try_from(since).unwrap_or(u64::MAX))
    }
}

/// A timer of the reactor.
#[derive(Debug)]
pub struct Timer(async_io::Timer);

impl driver::Timer for Timer {
    type Clock = Clock;

    fn unset() -> Self {
        Self(async_io::Timer::never())
    }

    fn set(&mut self, clock: &Clock, at: Instant) {
        self.0.set_at(clock.at(at));
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx).map(drop)
    }
}
