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
use tellask::driver::{self, Driver};
use tellask::time::UnixTime;
use tellask::{Addr, Instant, Seed, UdpAddr};

/// smol's reactor, and an executor of this crate's own for the drivers that nobody else runs.
#[derive(Clone, Copy, Debug)]
pub enum Smol {}

static EXECUTOR: Executor<'static> = Executor::new();
static THREAD: OnceLock<Result<(), io::ErrorKind>> = OnceLock::new();

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

    fn seed() -> io::Result<Seed> {
        tellask_system::seed()
    }

    fn bind(addr: UdpAddr) -> io::Result<Socket> {
        Socket::bind(addr)
    }

    fn is_here() -> bool {
        true
    }

    fn spawn<A: Addr + Send + Sync + 'static>(driver: Driver<A, Self>) -> io::Result<()> {
        let started = THREAD.get_or_init(|| {
            let run = || block_on(EXECUTOR.run(pending::<()>()));
            let thread = thread::Builder::new().name("tellask".into()).spawn(run);
            thread.map(drop).map_err(|error| error.kind())
        });
        started.map_err(io::Error::from)?;
        EXECUTOR.spawn(driver).detach();
        Ok(())
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
