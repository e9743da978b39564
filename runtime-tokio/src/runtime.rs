//! What a node takes from tokio: its clock, its timers, its tasks.

use crate::socket::Socket;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::io;
use tellask::driver;
use tellask::time::{Epoch, UnixTime};
use tellask::{Instant, Seed, UdpAddr};
use tokio::time::Sleep;

/// tokio, with its I/O and time drivers enabled, of either flavour.
#[derive(Clone, Copy, Debug)]
pub enum Tokio {}

impl driver::Runtime for Tokio {
    type Clock = Clock;
    type Socket = Socket;
    type Timer = Timer;

    fn clock() -> Clock {
        Clock { epoch: tokio::time::Instant::now() }
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
        tokio::runtime::Handle::try_current().is_ok()
    }

    fn spawn(driver: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        tokio::spawn(driver);
        Ok(())
    }
}

/// A node's clock: tokio's, from when the node was made.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    epoch: tokio::time::Instant,
}

impl Clock {
    /// The time, as the runtime counts it.
    fn at(&self, at: Instant) -> tokio::time::Instant {
        let since = at.since(Instant::ZERO);
        // What is too far away for the runtime is as good as never.
        self.epoch.checked_add(since).unwrap_or(self.epoch + Duration::from_secs(1 << 30))
    }
}

impl driver::Clock for Clock {
    fn now(&self) -> Instant {
        let since = self.epoch.elapsed().as_nanos();
        Instant::from_nanos(u64::try_from(since).unwrap_or(u64::MAX))
    }
}

/// A timer of tokio.
#[derive(Debug)]
pub struct Timer(Option<Pin<Box<Sleep>>>);

impl driver::Timer for Timer {
    type Clock = Clock;

    fn unset() -> Self {
        Self(None)
    }

    fn set(&mut self, clock: &Clock, at: Instant) {
        let at = clock.at(at);
        match &mut self.0 {
            Some(sleep) => sleep.as_mut().reset(at),
            None => self.0 = Some(Box::pin(tokio::time::sleep_until(at))),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().map_or(Poll::Pending, |sleep| sleep.as_mut().poll(cx))
    }
}
