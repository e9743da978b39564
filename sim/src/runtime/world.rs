//! What sockets, clocks and timers of one simulation share: the network, the time, and what is due.
//!
//! Everything is behind one lock, under which no waker is called and nothing of the application runs
//! but its tap.

use super::places::Places;
use super::wire::{End, Wire, Woken};
use crate::net::{Network, Tap, Trace};
use core::any::Any;
use core::net::{IpAddr, SocketAddr};
use core::sync::atomic::{AtomicU64, Ordering};
use core::task::{Context, Poll, Waker};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use tellask::{Datagram, Instant, MemoryAddr, Seed, UdpAddr};

/// The first of the ports that a socket gets which wants any.
const FIRST_FREE: u16 = 49_152;

/// The network of a simulation, whoever listens in.
pub(super) trait Wires: Any + Send {
    fn add(&mut self, place: MemoryAddr, end: End);
    fn remove(&mut self, place: MemoryAddr);
    fn end(&mut self, place: MemoryAddr) -> Option<&mut End>;
    fn send(&mut self, place: MemoryAddr, datagram: Datagram<MemoryAddr>);
    fn now(&self) -> Instant;
    fn next_at(&mut self) -> Option<Instant>;
    fn step(&mut self);
    fn pass(&mut self, until: Instant);
    fn trace(&self) -> Trace;
}

impl<T: Tap + Send + 'static> Wires for Network<Wire, End, T> {
    fn add(&mut self, place: MemoryAddr, end: End) {
        self.add(place, Wire::default(), end);
    }

    fn remove(&mut self, place: MemoryAddr) {
        self.remove(place);
    }

    fn end(&mut self, place: MemoryAddr) -> Option<&mut End> {
        self.app_at_mut(place)
    }

    fn send(&mut self, place: MemoryAddr, datagram: Datagram<MemoryAddr>) {
        self.app(place, |_, cx| cx.command(datagram));
    }

    fn now(&self) -> Instant {
        self.now()
    }

    fn next_at(&mut self) -> Option<Instant> {
        self.next_at()
    }

    fn step(&mut self) {
        self.step();
    }

    fn pass(&mut self, until: Instant) {
        self.step_until(until);
    }

    fn trace(&self) -> Trace {
        self.trace()
    }
}

/// When a timer is due, and which it is of those that are due then: the one that was set first is first.
pub(super) type Due = (Instant, u64);

pub(super) struct World {
    // Beside the lock, since it is read more often than anything else.
    now: AtomicU64,
    seed: Seed,
    state: Mutex<State>,
}

pub(super) struct State {
    pub(super) wires: Box<dyn Wires>,
    pub(super) places: Places,
    timers: BTreeMap<Due, Option<Waker>>,
    set: u64,
    // The port that the next socket of a host gets which wants any.
    free: BTreeMap<IpAddr, u16>,
    // Of sockets that are closed.
    pub(super) overflowed: u64,
    woken: Woken,
}

impl World {
    pub(super) fn new(wires: Box<dyn Wires>, seed: Seed) -> Arc<Self> {
        let now = AtomicU64::new(wires.now().as_nanos());
        let state = State {
            wires,
            places: Places::default(),
            timers: BTreeMap::new(),
            set: 0,
            free: BTreeMap::new(),
            overflowed: 0,
            woken: Woken::default(),
        };
        Arc::new(Self { now, seed, state: Mutex::new(state) })
    }

    pub(super) fn now(&self) -> Instant {
        Instant::from_nanos(self.now.load(Ordering::Relaxed))
    }

    /// What all seeds of nodes are children of.
    pub(super) const fn seed(&self) -> &Seed {
        &self.seed
    }

    /// Does something under the lock, and wakes whom it concerns afterwards.
    pub(super) fn with<T>(&self, what: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let value = what(&mut state);
        self.now.store(state.wires.now().as_nanos(), Ordering::Relaxed);
        let woken =
            core::mem::take(&mut *state.woken.lock().unwrap_or_else(PoisonError::into_inner));
        drop(state);
        woken.into_iter().for_each(Waker::wake);
        value
    }

    /// Goes on to what is due next and does it: of one instant what the network has, then the timers.
    /// Whether there was anything.
    pub(super) fn advance(&self) -> bool {
        self.with(|state| {
            let next = state.wires.next_at();
            let timer = state.timers.first_key_value().map(|((at, _), _)| *at);
            match timer.filter(|at| next.is_none_or(|next| *at < next)) {
                Some(at) => {
                    state.wires.pass(at);
                    let woken = state.timers.pop_first().and_then(|(_, waker)| waker);
                    state.woken.lock().unwrap_or_else(PoisonError::into_inner).extend(woken);
                }
                None if next.is_some() => state.wires.step(),
                None => return false,
            }
            true
        })
    }

    /// Sets a timer.
    pub(super) fn arm(&self, at: Instant) -> Due {
        self.with(|state| {
            state.set += 1;
            state.timers.insert((at, state.set), None);
            (at, state.set)
        })
    }

    /// Takes a timer back.
    pub(super) fn disarm(&self, due: Due) {
        // Its waker is dropped outside of the lock.
        let waker = self.with(|state| state.timers.remove(&due));
        drop(waker);
    }

    /// Ready where the timer has gone off; otherwise the task is woken when it does.
    pub(super) fn poll(&self, due: Due, cx: &Context<'_>) -> Poll<()> {
        self.with(|state| match state.timers.get_mut(&due) {
            None => Poll::Ready(()),
            Some(Some(waker)) => {
                waker.clone_from(cx.waker());
                Poll::Pending
            }
            Some(waker) => {
                *waker = Some(cx.waker().clone());
                Poll::Pending
            }
        })
    }

    /// Binds so many sockets to one address, for a task of `host`: where the sockets are, and what they are called.
    pub(super) fn bind(
        &self,
        addr: UdpAddr,
        host: IpAddr,
        sockets: usize,
    ) -> io::Result<(MemoryAddr, UdpAddr)> {
        self.with(|state| {
            let wanted = addr.0;
            let ip = if wanted.ip().is_unspecified() { host } else { wanted.ip() };
            let port = if wanted.port() == 0 { state.free_port(ip)? } else { wanted.port() };
            let place = state.places.of(SocketAddr::new(ip, port));
            if state.wires.end(place).is_some() {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            state.wires.add(place, End::new(sockets, Arc::clone(&state.woken)));
            Ok((place, UdpAddr(SocketAddr::new(wanted.ip(), port))))
        })
    }

    /// How many timers are set.
    #[cfg(test)]
    pub(super) fn timers(&self) -> usize {
        self.with(|state| state.timers.len())
    }
}

impl State {
    /// The next port of this host that nobody has.
    fn free_port(&mut self, ip: IpAddr) -> io::Result<u16> {
        for _ in FIRST_FREE..=u16::MAX {
            let free = self.free.entry(ip).or_insert(FIRST_FREE);
            let port = *free;
            *free = port.checked_add(1).unwrap_or(FIRST_FREE);
            let place = self.places.of(SocketAddr::new(ip, port));
            if self.wires.end(place).is_none() {
                return Ok(port);
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }

    /// One of the sockets at a place is closed.
    pub(super) fn close(&mut self, place: MemoryAddr) {
        let Some(end) = self.wires.end(place) else { return };
        if end.close() {
            self.overflowed += end.overflowed();
            self.wires.remove(place);
        }
    }
}
