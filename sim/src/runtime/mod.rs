//! Applications in the simulation: plain async tasks over the handles of nodes, in virtual time.
//!
//! A program that was written for tellask-tokio or tellask-smol runs here as it is: [`udp`] begins a node, and
//! what it gives is the same [`Handle`](tellask::driver::Handle), with `tell`, `receive`, `ask`, `serve` and
//! `close`. The machines are the same, and so is the driver between them and a socket; only that the sockets are on a
//! simulated [`Network`], with its faults, and that nobody waits for a clock.
//!
//! ```
//! use core::time::Duration;
//! use tellask::identity::SecretKey;
//! use tellask_sim::net::{Chance, Faults};
//! use tellask_sim::runtime::{Sim, sleep, udp};
//!
//! let sim = Sim::new(7);
//! let mut faults = Faults::NONE;
//! faults.loss = Chance::percent(30);
//! sim.net().set_faults(faults);
//! sim.run(async {
//!     let key = |seed| SecretKey::from_seed(&[seed; 32]);
//!     let alice = udp("10.0.0.1:7".parse()?).secured(key(1)).asking().spawn().await?;
//!     let bob = udp("10.0.0.2:7".parse()?).secured(key(2)).asking().spawn().await?;
//!     let server = bob.clone();
//!     sim.spawn(async move { server.serve(async |asked| Ok(asked.payload)).await });
//!
//!     sleep(Duration::from_secs(3_600)).await; // takes no time
//!     let reply = alice.ask(&bob.local_addrs()[0], "do you hear me?").await?;
//!     assert_eq!(reply, "do you hear me?");
//!     Ok::<_, Box<dyn std::error::Error>>(())
//! })?;
//! println!("{} at {}", sim.trace(), sim.now());
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! **What happens when.** One thread polls whoever was woken first, until nobody is left; then time goes on to what
//! is due next, a datagram or a timer, at one instant datagrams first. So nothing that a task does takes any
//! time, and a run is a function of the seed and the program: [`Sim::trace`] is the hash of every
//! datagram and every poll, and the same seed gives the same. A program has to do its part: who reads a clock of the
//! system, draws from its randomness, goes through a `HashMap` or begins threads has no such promise.
//!
//! **Hosts.** Any task may bind any address. A [`Host`] is for programs that bind `0.0.0.0`, and for those that are to
//! crash or to stand still: it owns the tasks that were spawned on it. Whatever was spawned elsewhere is on
//! the host `127.0.0.1`, which is an address like any other here.
//!
//! **What is not as on a machine.** A send never blocks. Nobody is told that a datagram reached nobody. Ports
//! below 1024 are everybody's. The sockets' cryptography is the protocol's own; keys of the [toy suite](crate::toy)
//! are for stacks that [`Builder::layer`](tellask::driver::Builder::layer) is given.
//!
//! Bounds: in each socket waits no more than [`RECEIVE_BUFFER`]. Refused: a [`run`](Sim::run) in which nobody can run
//! and nothing is due, and one in which a task wakes itself [`SPIN`] times without any time going by: both panic, and
//! say so.

mod executor;
mod host;
mod net;
mod places;
mod socket;
mod task;
#[cfg(test)]
mod tests;
mod time;
mod wire;
mod world;

pub use host::Host;
pub use net::Net;
pub use socket::Socket;
pub use task::{Stopped, Task};
pub use tellask::driver::{BindError, CloseError, Notice, Parts, UdpStack};
pub use time::{Clock, Elapsed, Sleep, Timeout, Timer};
pub use wire::{End, RECEIVE_BUFFER, Wire};

use crate::net::{Network, Tap, Trace};
use crate::scenario::DATE;
use core::fmt;
use core::future::Future;
use core::net::{IpAddr, Ipv4Addr};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;
use executor::{Executor, Here, here, within};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use tellask::addr::Source;
use tellask::driver;
use tellask::identity::SecretKey;
use tellask::text::{AnyAddr, Description};
use tellask::time::UnixTime;
use tellask::{Addr, Bytes, Instant, Seed, UdpAddr};
use world::World;

/// A node to be.
pub type Builder<A> = driver::Builder<A, Simulated>;

/// A node of several workers to be.
pub type Workers<A> = driver::Workers<A, Simulated>;

/// A node: a handle on its stack, cheap to clone.
pub type Node<A> = driver::UdpNode<A, Simulated>;

/// What moves everything between a node's socket and its stack.
pub type Driver<A> = driver::Driver<A, Simulated>;

/// A message that arrived.
pub type Message<A> = tellask::Message<A, Bytes>;

/// A request of another node, from [`Handle::next_ask`](tellask::driver::Handle::next_ask).
pub type Request<A> = driver::Request<UdpStack<A>, Clock>;

/// What happens to the peers and messages of a node, from [`Handle::events`](tellask::driver::Handle::events).
pub type Events<A> = driver::Events<UdpStack<A>, Clock>;

/// Polls of all tasks together without any time going by; more is a task that wakes itself for ever.
pub const SPIN: u64 = 1_000_000;

/// The host of whatever is spawned on none.
const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What is hashed beside the nodes of the network.
const TASKS: u64 = u64::MAX - 1;

/// Begins a node on a UDP socket of the simulation; see [`Builder::udp`].
pub fn udp(addr: UdpAddr) -> Builder<UdpAddr> {
    Builder::udp(addr)
}

/// Begins a node with several workers; see [`Workers`]. All run in the one thread that there is.
pub fn workers<A>(workers: usize, node: impl FnMut() -> Builder<A>) -> Workers<A>
where
    A: Addr + Source + Send + Sync + 'static,
{
    Workers::new(workers, node)
}

/// Begins a node of a stack that was read from text; see [`Builder::stack`].
pub fn stack(description: &Description, key: Option<SecretKey>) -> Builder<AnyAddr> {
    Builder::stack(description, key)
}

/// Begins a task of the simulation that runs here, on the host of who calls.
///
/// # Panics
/// No simulation runs here.
pub fn spawn<R: 'static>(future: impl Future<Output = R> + 'static) -> Task<R> {
    let here = now_here();
    here.executor.spawn(here.host, future)
}

/// Waits for so long, in virtual time.
///
/// # Panics
/// No simulation runs here.
pub fn sleep(time: Duration) -> Sleep {
    Sleep::new(now_here().world, time)
}

/// Gives a future only so much virtual time.
///
/// # Panics
/// No simulation runs here.
pub fn timeout<F: Future>(time: Duration, future: F) -> Timeout<F> {
    Timeout { future: Box::pin(future), sleep: sleep(time) }
}

/// What time it is in the simulation that runs here.
///
/// # Panics
/// No simulation runs here.
#[must_use]
pub fn now() -> Instant {
    now_here().world.now()
}

fn now_here() -> Here {
    here().expect("a simulation runs here: call this from a task of it")
}

/// A simulation of nodes and of the tasks that use them. `T` listens in on the network.
///
/// Dropped, it drops its tasks.
pub struct Sim<T = ()> {
    executor: Rc<Executor>,
    world: Arc<World>,
    net: Net<T>,
}

impl Sim {
    /// A simulation with a network without faults. It is one second past the epoch.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::tapped(seed, ())
    }
}

impl<T: Tap + Send + 'static> Sim<T> {
    /// The same with somebody who listens in on every datagram. It must not call the simulation.
    #[must_use]
    pub fn tapped(seed: u64, tap: T) -> Self {
        let network: Network<Wire, End, T> = Network::tapped(seed, tap);
        let world = World::new(Box::new(network), Seed::from_u64(seed).child("sim.runtime"));
        let net = Net::new(Arc::clone(&world));
        Self { executor: Rc::default(), world, net }
    }

    /// Runs everything until `future` is ready, which may borrow what it likes. What was spawned and is
    /// not over then goes on with the next run.
    ///
    /// # Panics
    /// `future` waits and nothing is due any more; a task wakes itself for ever; a task panics; or it is called
    /// from a task.
    pub fn run<R>(&self, future: impl Future<Output = R>) -> R {
        assert!(here().is_none(), "a simulation runs here already: await what is to be run");
        let mut future = pin!(future);
        let signal = self.executor.signal();
        let home = self.here(HOME);
        let mut polls = 0;
        loop {
            while let Some(id) = self.executor.next() {
                polls += 1;
                assert!(polls < SPIN, "a task wakes itself for ever, at {}", self.now());
                if id != signal.id() {
                    self.executor.poll(&self.world, id);
                    continue;
                }
                let polled = within(home.clone(), || {
                    self.executor.poll_as(&self.world, &signal, |cx| future.as_mut().poll(cx))
                });
                if let Poll::Ready(value) = polled {
                    return value;
                }
            }
            let before = self.now();
            let advanced = self.world.advance();
            assert!(advanced, "everybody waits for ever since {before}: nothing is due any more");
            if self.now() > before {
                polls = 0;
            }
        }
    }

    /// Runs everything for so long.
    ///
    /// # Panics
    /// As [`run`](Self::run), but that nothing need be due.
    pub fn run_for(&self, time: Duration) {
        self.run(self.sleep(time));
    }

    /// Begins a task. It runs within [`run`](Self::run).
    pub fn spawn<R: 'static>(&self, future: impl Future<Output = R> + 'static) -> Task<R> {
        self.executor.spawn(HOME, future)
    }

    /// The host at an address.
    #[must_use]
    pub fn host(&self, ip: IpAddr) -> Host {
        Host::new(ip, &self.world, &self.executor)
    }

    /// Waits for so long, in virtual time.
    pub fn sleep(&self, time: Duration) -> Sleep {
        Sleep::new(Arc::clone(&self.world), time)
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.world.now()
    }

    /// The network.
    #[must_use]
    pub const fn net(&self) -> &Net<T> {
        &self.net
    }

    /// The hash of every datagram and every poll so far.
    #[must_use]
    pub fn trace(&self) -> Trace {
        let mut trace = self.world.with(|state| state.wires.trace());
        trace.join(TASKS, self.executor.trace());
        trace
    }

    fn here(&self, host: IpAddr) -> Here {
        Here { world: Arc::clone(&self.world), executor: Rc::clone(&self.executor), host }
    }
}

impl<T> Drop for Sim<T> {
    fn drop(&mut self) {
        let (world, executor) = (Arc::clone(&self.world), Rc::clone(&self.executor));
        within(Here { world, executor, host: HOME }, || self.executor.stop_all(None));
    }
}

impl<T> fmt::Debug for Sim<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim").field("now", &self.world.now()).finish_non_exhaustive()
    }
}

/// The runtime: whichever simulation runs in this thread.
#[derive(Clone, Copy, Debug)]
pub enum Simulated {}

impl driver::Runtime for Simulated {
    type Clock = Clock;
    type Socket = Socket;
    type Timer = Timer;

    fn clock() -> Clock {
        Clock::new(now_here().world)
    }

    fn date() -> UnixTime {
        UnixTime::new(DATE, 0) + now_here().world.now().since(Instant::ZERO)
    }

    fn seed() -> io::Result<Seed> {
        let Here { world, executor, host } = here().ok_or(io::ErrorKind::NotFound)?;
        // By host, so that a node elsewhere changes nothing here.
        let nth = executor.next_seed(host);
        Ok(world.seed().child(&format!("{host} {nth}")))
    }

    fn bind(addr: UdpAddr) -> io::Result<Socket> {
        let mut sockets = Self::bind_shared(addr, 1)?;
        sockets.pop().ok_or_else(|| io::ErrorKind::InvalidInput.into())
    }

    fn bind_shared(addr: UdpAddr, count: usize) -> io::Result<Vec<Socket>> {
        let Here { world, host, .. } = here().ok_or(io::ErrorKind::NotFound)?;
        let (place, local) = world.bind(addr, host, count)?;
        let socket = |number| Socket::new(Arc::clone(&world), place, number, local);
        Ok((0..count).map(socket).collect())
    }

    fn is_here() -> bool {
        here().is_some()
    }

    fn spawn(driver: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let here = here().ok_or(io::ErrorKind::NotFound)?;
        drop(here.executor.spawn(here.host, driver));
        Ok(())
    }
}

/// One of so many, by a number that is mixed well.
const fn spread(number: u64, among: usize) -> usize {
    (crate::net::mix(number) % if among == 0 { 1 } else { among as u64 }) as usize
}
