//! Shards that run at the same time, each in a thread of its own.
//!
//! All run through the same window of time, which is no longer than the fastest datagram takes; so what one
//! sends to another lands after it (conservative synchronisation, as Chandy and Misra described it in 1979, with
//! barriers). Then one thread hands over what was sent, tells the tap, and opens the next window where
//! the next event is.

use super::links::Links;
use super::shard::Shard;
use super::{App, Network, Tap, exchange};
use core::any::Any;
use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::panic::{catch_unwind, resume_unwind};
use std::sync::{Barrier, Mutex, MutexGuard, PoisonError};
use std::thread;
use tellask::{Datagram, DatagramInput, Instant, Layer, MemoryAddr};

/// Says that there is no other window.
const OVER: u64 = u64::MAX;

type Panic = Box<dyn Any + Send>;

/// Windows that threads go through together.
struct Windows<'a, S> {
    shards: Vec<Mutex<&'a mut S>>,
    links: &'a Links,
    barrier: Barrier,
    /// The last nanosecond of the window that begins at the barrier.
    last: AtomicU64,
    /// The first panic of a node.
    panic: Mutex<Option<Panic>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<L, A> Windows<'_, Shard<L, A>>
where
    L: Layer<Input = DatagramInput<MemoryAddr>, Transmit = Datagram<MemoryAddr>>,
    A: App<L>,
{
    /// Runs one shard through the window. Who panics keeps nobody waiting.
    fn run(&self, number: usize, last: u64) {
        let Some(shard) = self.shards.get(number) else { return };
        let run = AssertUnwindSafe(|| lock(shard).run_through(self.links, last, usize::MAX));
        if let Err(panic) = catch_unwind(run) {
            lock(&self.panic).get_or_insert(panic);
        }
    }

    /// One thread's part.
    fn follow(&self, number: usize) {
        loop {
            self.barrier.wait();
            let last = self.last.load(Ordering::Acquire);
            if last == OVER {
                return;
            }
            self.run(number, last);
            self.barrier.wait();
        }
    }

    /// The first thread's.
    fn lead(&self, until: Instant, tap: &mut impl Tap<A::Note>) {
        let lookahead = u64::try_from(self.links.least_delay().as_nanos()).unwrap_or(u64::MAX);
        let until = until.as_nanos().min(OVER - 1);
        loop {
            let last = self.settle(tap).filter(|next| *next <= until);
            let last = last.map_or(OVER, |next| next.saturating_add(lookahead - 1).min(until));
            self.last.store(last, Ordering::Release);
            self.barrier.wait();
            if last == OVER {
                return;
            }
            self.run(0, last);
            self.barrier.wait();
        }
    }

    /// Between two windows: returns when the next thing happens, unless somebody panicked.
    fn settle(&self, tap: &mut impl Tap<A::Note>) -> Option<u64> {
        if lock(&self.panic).is_some() {
            return None;
        }
        let mut guards: Vec<_> = self.shards.iter().map(lock).collect();
        let mut shards: Vec<_> = guards.iter_mut().map(|shard| &mut ***shard).collect();
        exchange(&mut shards, tap);
        Some(shards.iter_mut().filter_map(|shard| shard.next()).min()?.at)
    }
}

impl<L, A, T> Network<L, A, T>
where
    L: Layer<Input = DatagramInput<MemoryAddr>, Transmit = Datagram<MemoryAddr>> + Send,
    A: App<L, Note: Send> + Send,
    T: Tap<A::Note>,
{
    /// Lets everything happen up to `until`, with it, and makes it that time. Each
    /// [shard](Self::set_shards) has a thread; everything happens as if there were but one.
    ///
    /// Between two windows the threads wait for each other, so several are faster only where much happens in
    /// the time that the fastest datagram takes. A panic of a node ends it with that panic; the network
    /// is of no use afterwards.
    pub fn run_until(&mut self, until: Instant) {
        while let Some(end) = self.second_before(until) {
            self.run_all(end);
            self.record_before(end.as_nanos() + 1);
        }
        self.run_all(until);
    }

    /// The same, whether somebody records or not.
    fn run_all(&mut self, until: Instant) {
        if self.shards.len() > 1 {
            let shards: Vec<_> = self.shards.iter_mut().map(Mutex::new).collect();
            let (barrier, last) = (Barrier::new(shards.len()), AtomicU64::new(0));
            let panic = Mutex::new(None);
            let windows = Windows { shards, links: &self.links, barrier, last, panic };
            let (windows, tap) = (&windows, &mut self.tap);
            thread::scope(|scope| {
                for number in 1..windows.shards.len() {
                    scope.spawn(move || windows.follow(number));
                }
                windows.lead(until, tap);
            });
            if let Some(panic) = lock(&windows.panic).take() {
                resume_unwind(panic);
            }
        }
        self.step_all(until);
    }

    /// The same for a time from now.
    pub fn run_for(&mut self, time: Duration) {
        self.run_until(self.now + time);
    }
}
