//! A runtime in memory: a clock that stands until it is set on, sockets that hand datagrams to each other, timers.
//!
//! One world for each thread at a time, since a runtime has no value of its own. Whatever a node takes from
//! it is counted, so that what it does not give back is seen.

use core::cell::RefCell;
use core::net::SocketAddr;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex};
use tellask::driver::{
    self, Left, ReceiveError, Run, Runtime, SendError, SocketCounters, segments,
};
use tellask::seed::Rng;
use tellask::time::UnixTime;
use tellask::{BytesMut, DatagramInput, Instant, Seed, UdpAddr};

/// Datagrams that a socket gives in one call.
const SLOTS: usize = 16;

/// What the times are multiples of that datagrams take, in nanoseconds.
const STEP: u64 = 1_000_000;

/// What the network does to datagrams.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    /// The longest that one takes; each takes a time of its own, so that they overtake each other.
    pub(crate) delay: Duration,
    /// How many of a thousand are lost.
    pub(crate) loss: u64,
    /// How many a socket takes until its sender has to wait for a while.
    pub(crate) room: usize,
}

/// The runtime.
#[derive(Clone, Copy, Debug)]
pub(crate) enum InMemory {}

/// The clock, the network and the timers of one run.
#[derive(Debug)]
pub(crate) struct World(Mutex<State>);

#[derive(Debug)]
struct State {
    now: u64,
    rng: Rng,
    path: Path,
    ports: BTreeMap<Place, Port>,
    /// What is due when; the second number keeps those of one time apart.
    due: BTreeMap<(u64, u64), Due>,
    last: u64,
    clocks: usize,
    happened: u64,
}

/// Where a socket is bound, and which it is of those that share the port.
type Place = (UdpAddr, usize);

#[derive(Debug, Default)]
struct Port {
    arrived: VecDeque<(UdpAddr, BytesMut)>,
    reader: Option<Waker>,
    writer: Option<Waker>,
    taken: usize,
    emptied: bool,
}

#[derive(Debug)]
enum Due {
    Arrival { src: UdpAddr, dst: UdpAddr, payload: BytesMut },
    Room(Place),
    Timer(Option<Waker>),
}

thread_local! {
    static WORLD: RefCell<Option<Arc<World>>> = const { RefCell::new(None) };
}

fn here() -> Option<Arc<World>> {
    WORLD.with_borrow(Clone::clone)
}

impl World {
    /// A new world, which is this thread's from now on.
    pub(crate) fn begin(rng: Rng, path: Path) -> Arc<Self> {
        let state = State {
            now: 1_000_000_000,
            rng,
            path,
            ports: BTreeMap::new(),
            due: BTreeMap::new(),
            last: 0,
            clocks: 0,
            happened: 0,
        };
        let world = Arc::new(Self(Mutex::new(state)));
        WORLD.set(Some(Arc::clone(&world)));
        world
    }

    fn with<T>(&self, what: impl FnOnce(&mut State) -> T) -> T {
        what(&mut self.0.lock().expect("no panic under the lock"))
    }

    /// The time, in nanoseconds.
    pub(crate) fn now(&self) -> u64 {
        self.with(|state| state.now)
    }

    /// Goes on to what is due next, by `until` at the latest, and does it. Whether there was anything.
    pub(crate) fn advance(&self, until: u64) -> bool {
        let waker = self.with(|state| {
            let next = state.due.first_key_value().map(|(key, _)| *key)?;
            if next.0 > until {
                return None;
            }
            state.now = state.now.max(next.0);
            let due = state.due.remove(&next).expect("it is the first");
            Some(state.happen(due))
        });
        let Some(waker) = waker else { return false };
        // Not under the lock: a waker may do what it likes.
        waker.into_iter().for_each(Waker::wake);
        true
    }

    /// Sets the clock, where nothing is due before.
    pub(crate) fn set(&self, now: u64) {
        self.with(|state| {
            assert!(state.due.first_key_value().is_none_or(|((at, _), _)| *at >= now));
            state.now = state.now.max(now);
        });
    }

    /// When something is due next.
    pub(crate) fn next(&self) -> Option<u64> {
        self.with(|state| state.due.first_key_value().map(|((at, _), _)| *at))
    }

    /// What nodes have not given back: sockets, timers, clocks (of which each node has one for as long as
    /// anything of it is left).
    pub(crate) fn held(&self) -> (usize, usize, usize) {
        self.with(|state| {
            let timers = state.due.values().filter(|due| matches!(due, Due::Timer(_))).count();
            (state.ports.len(), timers, state.clocks)
        })
    }

    /// How many datagrams, timers and the like were due and happened.
    pub(crate) fn happened(&self) -> u64 {
        self.with(|state| state.happened)
    }
}

impl State {
    fn arm(&mut self, at: u64, due: Due) -> (u64, u64) {
        self.last += 1;
        self.due.insert((at, self.last), due);
        (at, self.last)
    }

    fn happen(&mut self, due: Due) -> Option<Waker> {
        self.happened += 1;
        match due {
            Due::Arrival { src, dst, payload } => {
                let sharing = self.ports.range((dst, 0)..=(dst, usize::MAX)).count() as u64;
                // As a kernel would, by a hash of both addresses; only that it is another one each time.
                let number = if sharing > 1 { self.rng.below(sharing) as usize } else { 0 };
                let port = self.ports.get_mut(&(dst, number))?;
                port.arrived.push_back((src, payload));
                port.reader.take()
            }
            Due::Room(place) => {
                let port = self.ports.get_mut(&place)?;
                (port.taken, port.emptied) = (0, false);
                port.writer.take()
            }
            Due::Timer(waker) => waker,
        }
    }

    fn send(&mut self, src: UdpAddr, dst: UdpAddr, payload: BytesMut) {
        if self.rng.chance(self.path.loss, 1_000) {
            return;
        }
        // In steps, so that several come at one time.
        let delay = STEP * (1 + self.rng.below(self.path.delay.as_nanos() as u64 / STEP));
        self.arm(self.now + delay, Due::Arrival { src, dst, payload });
    }
}

impl Runtime for InMemory {
    type Clock = Clock;
    type Socket = Socket;
    type Timer = Timer;

    fn clock() -> Clock {
        let world = here().expect("a world");
        let epoch = world.with(|state| {
            state.clocks += 1;
            state.now
        });
        Clock { world, epoch }
    }

    fn date() -> UnixTime {
        let now = here().expect("a world").now();
        UnixTime::new(1_800_000_000 + now / 1_000_000_000, (now % 1_000_000_000) as u32)
    }

    fn seed() -> io::Result<Seed> {
        let world = here().ok_or(io::ErrorKind::NotFound)?;
        Ok(Seed::new(world.with(|state| state.rng.bytes())))
    }

    fn bind(addr: UdpAddr) -> io::Result<Socket> {
        let mut sockets = Self::bind_shared(addr, 1)?;
        Ok(sockets.remove(0))
    }

    fn bind_shared(addr: UdpAddr, count: usize) -> io::Result<Vec<Socket>> {
        let world = here().expect("a world");
        let local = world.with(|state| {
            let used = state.ports.keys().map(|(addr, _)| addr.0.port()).max().unwrap_or(9_999);
            let port = if addr.0.port() == 0 { used + 1 } else { addr.0.port() };
            let local = UdpAddr(SocketAddr::new(addr.0.ip(), port));
            if state.ports.contains_key(&(local, 0)) {
                return Err(io::Error::from(io::ErrorKind::AddrInUse));
            }
            state.ports.extend((0..count).map(|number| ((local, number), Port::default())));
            Ok(local)
        })?;
        let socket = |number| Socket { world: Arc::clone(&world), place: (local, number) };
        Ok((0..count).map(socket).collect())
    }

    fn is_here() -> bool {
        here().is_some()
    }

    fn spawn(_: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        // Whoever tests wants to run the driver with an eye on it.
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A node's clock.
#[derive(Debug)]
pub(crate) struct Clock {
    world: Arc<World>,
    epoch: u64,
}

impl driver::Clock for Clock {
    fn now(&self) -> Instant {
        Instant::from_nanos(self.world.now() - self.epoch)
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.world.with(|state| state.clocks -= 1);
    }
}

/// A timer, which is due while it is set.
#[derive(Debug)]
pub(crate) struct Timer {
    world: Arc<World>,
    set: Option<(u64, u64)>,
}

impl Timer {
    /// One that goes off after `nanos` nanoseconds.
    pub(crate) fn within(nanos: u64) -> Self {
        let mut timer: Self = driver::Timer::unset();
        let now = timer.world.now();
        timer.set_at(now.saturating_add(nanos));
        timer
    }

    fn set_at(&mut self, at: u64) {
        self.unset();
        self.set = Some(self.world.with(|state| state.arm(at, Due::Timer(None))));
    }

    fn unset(&mut self) {
        if let Some(key) = self.set.take() {
            self.world.with(|state| state.due.remove(&key));
        }
    }
}

impl driver::Timer for Timer {
    type Clock = Clock;

    fn unset() -> Self {
        Self { world: here().expect("a world"), set: None }
    }

    fn set(&mut self, clock: &Clock, at: Instant) {
        self.set_at(clock.epoch.saturating_add(at.as_nanos()));
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(key) = self.set else { return Poll::Pending };
        self.world.with(|state| match state.due.get_mut(&key) {
            Some(Due::Timer(waker)) => {
                *waker = Some(cx.waker().clone());
                Poll::Pending
            }
            Some(Due::Arrival { .. } | Due::Room(_)) => unreachable!("the key is a timer's"),
            None => Poll::Ready(()),
        })
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.unset();
    }
}

/// A socket.
#[derive(Debug)]
pub(crate) struct Socket {
    world: Arc<World>,
    place: Place,
}

impl driver::Socket for Socket {
    fn local(&self) -> UdpAddr {
        self.place.0
    }

    fn max_segments(&self) -> usize {
        8
    }

    fn describe(&self, _: &mut SocketCounters) {}

    fn poll_send(&mut self, run: &Run<'_>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.world.with(|state| {
            let (now, room) = (state.now, state.path.room);
            let pause = 1 + state.rng.below(state.path.delay.as_nanos() as u64);
            let port = state.ports.get_mut(&self.place).expect("it is bound");
            let full = port.taken >= room;
            let first = !core::mem::replace(&mut port.emptied, true);
            if full {
                port.writer = Some(cx.waker().clone());
            } else {
                port.taken += run.count;
            }
            if first {
                state.arm(now + pause, Due::Room(self.place));
            }
            if full {
                return Poll::Pending;
            }
            let stride = run.segment.unwrap_or(0);
            for payload in segments(BytesMut::from(run.contents), stride) {
                state.send(self.place.0, UdpAddr(run.dst), payload);
            }
            Poll::Ready(Ok(()))
        })
    }

    fn poll_receive(
        &mut self,
        arrived: &mut VecDeque<DatagramInput<UdpAddr>>,
        counters: &mut SocketCounters,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Left, ReceiveError>> {
        self.world.with(|state| {
            let port = state.ports.get_mut(&self.place).expect("it is bound");
            let count = port.arrived.len().min(SLOTS);
            let dst = self.place.0;
            arrived.extend(
                port.arrived.drain(..count).map(|(src, payload)| DatagramInput::Datagram {
                    src,
                    dst,
                    payload,
                }),
            );
            counters.received += count as u64;
            counters.receives += u64::from(count > 0);
            if !port.arrived.is_empty() {
                return Poll::Ready(Ok(Left::Some));
            }
            port.reader = Some(cx.waker().clone());
            if count > 0 { Poll::Ready(Ok(Left::Nothing)) } else { Poll::Pending }
        })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.world.with(|state| state.ports.remove(&self.place));
    }
}
