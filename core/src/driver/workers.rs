//! A node with several workers: one stack and one socket for each, one handle for all.
//!
//! | what | belongs to |
//! |---|---|
//! | a peer, its session, its messages | the worker that [`Steering`] says, by the peer's UDP address |
//! | a socket | each worker, on one port |
//! | a datagram | the worker of its source; the kernel may give it to another, which hands it over (see [`Seat`]) |
//! | the highest time stamp of a peer's handshakes | all: each tells the others |
//! | bounds | each its share: [`Limits::divided`](crate::Limits::divided) |
//!
//! A handle finds the worker of whom it tells or asks by the same function, and waits for messages at all of
//! them, or at one; see [`Handle::workers`].
//!
//! Bounds: [`MAX_WORKERS`]. It refuses stacks whose addresses do not name a UDP address.

use super::bind::BindError;
use super::builder::{Builder, UdpNode};
use super::datagrams::Datagrams;
use super::exchange::Seat;
use super::group::{Group, Route};
use super::handle::Handle;
use super::runtime::Runtime;
use super::shared::Shared;
use super::steering::Steering;
use super::task::Driver;
use crate::addr::{Addr, Source, UdpAddr};
use crate::layer::Layer;
use crate::swarm::{Command, Setting, Swarm};
use crate::time::Instant;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::num::NonZeroUsize;

/// Workers of one node at the most.
pub const MAX_WORKERS: usize = 64;

/// A node, and what is to be run for it: a driver for each worker.
pub type Manned<A, R> = (UdpNode<A, R>, Vec<Driver<A, R>>);

/// A node of several workers to be.
#[must_use = "a builder does nothing until `spawn` or `bind` is called"]
pub struct Workers<A, R> {
    // One for each worker, all alike.
    builders: Vec<Builder<A, R>>,
    carrier: fn(&A) -> Option<UdpAddr>,
}

impl<A: Addr + Source + Send + Sync + 'static, R: Runtime> Workers<A, R> {
    /// Begins a node with this many workers, from 1 to [`MAX_WORKERS`]; what is outside is taken for the
    /// nearer of the two. `node` describes the node, once for each worker and each time the same.
    ///
    /// As many as the machine has cores are the most that helps.
    pub fn new(workers: usize, node: impl FnMut() -> Builder<A, R>) -> Self {
        let workers = workers.clamp(1, MAX_WORKERS);
        let builders = core::iter::repeat_with(node).take(workers).collect();
        Self { builders, carrier: A::carrier }
    }

    /// Binds the sockets, and has the runtime run the node's drivers.
    ///
    /// Cancel-safe: where it is dropped there is no node.
    ///
    /// # Errors
    /// As those of [`Builder::spawn`]; and where the system has no sockets that share a port.
    pub async fn spawn(self) -> Result<UdpNode<A, R>, BindError> {
        let (node, drivers) = self.bind()?;
        for (worker, driver) in drivers.into_iter().enumerate() {
            R::spawn_worker(driver, worker).map_err(|source| BindError::NotRun { source })?;
        }
        Ok(node)
    }

    /// Binds the sockets, and gives the node with its drivers, one for each worker: the caller has them run,
    /// each in a thread of its own or wherever an executor puts it. Where one of them is dropped, the node ends.
    ///
    /// # Errors
    /// As those of [`spawn`](Self::spawn).
    pub fn bind(self) -> Result<Manned<A, R>, BindError> {
        let Self { mut builders, carrier } = self;
        let count = builders.len();
        let workers = NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN);
        if count == 1
            && let Some(builder) = builders.pop()
        {
            let (node, driver) = builder.bind()?;
            return Ok((node, vec![driver]));
        }
        if !R::is_here() {
            return Err(BindError::NoRuntime);
        }
        let seed = builders.iter_mut().find_map(|builder| builder.seed.take());
        let seed = seed.map_or_else(R::seed, Ok);
        let seed = seed.map_err(|source| BindError::NoRandomness { source })?;
        let addr = builders.first().map_or(super::builder::MEMORY, |builder| builder.port.addr);

        let stacks = (0..).zip(builders).map(|(worker, mut builder)| {
            builder.limits = builder.limits.divided(count);
            builder.seed = Some(seed.child(&format!("worker {worker}")));
            builder.build()
        });
        let stacks = stacks.collect::<Result<Vec<_>, _>>()?;
        let sockets =
            R::bind_shared(addr, count).map_err(|source| BindError::new(addr.0, source))?;

        let steering = Steering::new(&seed, workers);
        let mut all = Vec::new();
        for (mut built, socket) in stacks.into_iter().zip(&sockets) {
            built.stack.handle_input(Instant::ZERO, built.port.bound(socket));
            let tells = Command::Set(Setting::TellFloors(true));
            built.stack.handle_command(Instant::ZERO, tells);
            if built.stack.local_addrs().iter().any(|addr| carrier(addr).is_none()) {
                return Err(BindError::NoCarrier);
            }
            all.push(Arc::new(Shared::new(built.stack, R::clock(), &built.limits)));
        }
        let mut shared = all.clone().into_iter();
        let Some(first) = shared.next() else { return Err(BindError::NoRuntime) };
        let route = Route { steering: steering.clone(), carrier };
        let group = Arc::new(Group::of(first, shared.collect(), route));

        let drivers = sockets.into_iter().zip(all).zip(Seat::all(&steering));
        let drivers = drivers.map(|((socket, shared), seat)| {
            Driver::new(Datagrams::new(socket, Some(seat)), shared, Some(Arc::clone(&group)))
        });
        let drivers = drivers.collect();
        Ok((Handle::of(group), drivers))
    }
}

impl<A, R> fmt::Debug for Workers<A, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.builders).finish()
    }
}
