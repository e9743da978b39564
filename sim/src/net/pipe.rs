//! Links that are only so fast, with a queue in front.

use super::codel::{Codel, Managed};
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
    /// Datagrams that had waited too long, where the queue is managed.
    pub dropped: u64,
}

/// A pipe, and what is in it. Where its queue is managed that is of items `T`; otherwise when each leaves is known when
/// it comes, and nothing is held.
#[derive(Clone, Debug)]
pub(super) struct Piping<T> {
    pipe: Pipe,
    /// When the last bit of what waits will have been sent; of what is being sent where the queue is managed.
    busy: Instant,
    managed: Option<Box<Managed<T>>>,
    /// When the next of a managed queue is taken out.
    pub(super) wakes: Option<Instant>,
    pub(super) total: Piped,
}

/// What becomes of a datagram that comes to a pipe.
pub(super) enum Entry {
    /// Its last bit will have been sent then.
    Leaves(Instant),
    /// It is to be [queued](Piping::push).
    Waits,
    /// It does not fit.
    Overflows,
}

impl<T> Piping<T> {
    pub(super) fn new(pipe: Pipe, codel: Option<Codel>) -> Self {
        let managed = codel.map(|codel| Box::new(Managed::new(codel)));
        Self { pipe, busy: Instant::ZERO, managed, wakes: None, total: Piped::default() }
    }

    /// A datagram of `len` bytes comes.
    pub(super) fn enter(&mut self, now: Instant, len: usize) -> Entry {
        let rate = u128::from(self.pipe.rate.max(1));
        let sending = self.busy.since(now).as_nanos() * rate / 8 / 1_000_000_000;
        let queued = self.managed.as_ref().map_or(0, |managed| managed.bytes());
        if sending + queued as u128 + len as u128 > self.pipe.queue as u128 {
            self.total.overflowed += 1;
            return Entry::Overflows;
        }
        if self.managed.is_some() { Entry::Waits } else { Entry::Leaves(self.send(now, len)) }
    }

    /// Queues what waits.
    pub(super) fn push(&mut self, now: Instant, len: usize, item: T) {
        if let Some(managed) = &mut self.managed {
            managed.push(now, len, item);
        }
    }

    /// When the next of a managed queue is to be taken out, if that is not yet arranged; it is now.
    pub(super) fn wake(&mut self, now: Instant) -> Option<Instant> {
        let waits = self.managed.as_ref().is_some_and(|managed| !managed.is_empty());
        let at = (waits && self.wakes.is_none()).then(|| self.busy.max(now))?;
        self.wakes = Some(at);
        Some(at)
    }

    /// Whether nothing is being sent.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        self.busy <= now
    }

    /// Takes the next out of a managed queue: when its last bit will have been sent, and what it is. What is
    /// dropped goes to `dropped`.
    pub(super) fn pop(
        &mut self,
        now: Instant,
        largest: usize,
        dropped: &mut Vec<T>,
    ) -> Option<(Instant, T)> {
        let before = dropped.len();
        let next = self.managed.as_mut()?.pop(now, largest, dropped);
        self.total.dropped += (dropped.len() - before) as u64;
        let (len, item) = next?;
        Some((self.send(now, len), item))
    }

    /// Takes out all that is queued, which leaves one after the other.
    pub(super) fn drain(&mut self, now: Instant) -> Vec<(Instant, T)> {
        let all = self.managed.as_mut().map(|managed| managed.drain()).unwrap_or_default();
        all.into_iter().map(|(len, item)| (self.send(now, len), item)).collect()
    }

    /// When the last bit of a datagram of `len` bytes will have been sent, after all before it.
    fn send(&mut self, now: Instant, len: usize) -> Instant {
        let rate = u128::from(self.pipe.rate.max(1));
        let nanos = (len as u128 * 8 * 1_000_000_000).div_ceil(rate);
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
        self.busy = self.busy.max(now) + Duration::from_nanos(nanos);
        self.total.bytes += len as u64;
        self.total.datagrams += 1;
        self.busy
    }
}
