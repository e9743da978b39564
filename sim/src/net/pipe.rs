//! Links that are only so fast, with a queue in front.

use core::time::Duration;
use tellask::{Instant, MemoryAddr};

/// A link: what is sent faster waits, and what does not fit into the queue is lost (drop-tail).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pipe {
    /// Bits a second.
    pub rate: u64,
    /// Bytes that may wait, the datagram that is being sent included.
    pub queue: usize,
}

/// The name of a pipe in one network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PipeId {
    pub(super) src: MemoryAddr,
    pub(super) nth: usize,
}

/// What went through a pipe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Piped {
    /// Bytes let through.
    pub bytes: u64,
    /// Datagrams let through.
    pub datagrams: u64,
    /// Datagrams that did not fit into the queue.
    pub overflowed: u64,
}

/// A pipe, and what is in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piping {
    pipe: Pipe,
    /// When the last bit of what waits will have been sent.
    busy: Instant,
    pub(super) total: Piped,
}

impl Piping {
    pub(super) fn new(pipe: Pipe) -> Self {
        Self { pipe, busy: Instant::ZERO, total: Piped::default() }
    }

    /// When the last bit of a datagram of `len` bytes will have been sent; `None` where it is lost.
    pub(super) fn pass(&mut self, now: Instant, len: usize) -> Option<Instant> {
        let rate = u128::from(self.pipe.rate.max(1));
        let waiting = self.busy.since(now).as_nanos() * rate / 8 / 1_000_000_000;
        if waiting + len as u128 > self.pipe.queue as u128 {
            self.total.overflowed += 1;
            return None;
        }
        let nanos = (len as u128 * 8 * 1_000_000_000).div_ceil(rate);
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
        self.busy = self.busy.max(now) + Duration::from_nanos(nanos);
        self.total.bytes += len as u64;
        self.total.datagrams += 1;
        Some(self.busy)
    }
}
