//! Machines of a simulation, which crash and stand still.

use super::executor::{Executor, Gone, Here, within};
use super::task::Task;
use super::world::World;
use core::fmt;
use core::future::Future;
use core::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

/// A machine with an address, on which tasks run; cheap to clone. What they spawn runs there too.
#[derive(Clone)]
pub struct Host {
    ip: IpAddr,
    world: Arc<World>,
    executor: Gone,
}

impl Host {
    pub(super) fn new(ip: IpAddr, world: &Arc<World>, executor: &Rc<Executor>) -> Self {
        let (world, executor) = (Arc::clone(world), Rc::downgrade(executor));
        Self { ip: ip.to_canonical(), world, executor }
    }

    /// Its address: where a socket is bound that a task here binds to `0.0.0.0` or `[::]`.
    #[must_use]
    pub const fn ip(&self) -> IpAddr {
        self.ip
    }

    /// Begins a task here.
    ///
    /// # Panics
    /// The simulation is over.
    pub fn spawn<R: 'static>(&self, future: impl Future<Output = R> + 'static) -> Task<R> {
        let executor = self.executor.upgrade().expect("the simulation goes on");
        executor.spawn(self.ip, future)
    }

    /// Everything that runs here is gone at once, its sockets with it: the tasks are dropped as they stand. Whoever
    /// is spawned here afterwards finds the host as it was at first, and not [paused](Self::pause); what is to outlive
    /// a crash, a key or a file, is kept outside of the tasks.
    pub fn crash(&self) {
        let Some(executor) = self.executor.upgrade() else { return };
        let here =
            Here { world: Arc::clone(&self.world), executor: Rc::clone(&executor), host: self.ip };
        within(here, || executor.crash(self.ip));
    }

    /// Nothing runs here any more, until [`resume`](Self::resume). What arrives meanwhile waits in the sockets,
    /// within their [buffers](super::RECEIVE_BUFFER).
    pub fn pause(&self) {
        self.executor.upgrade().iter().for_each(|executor| executor.pause(self.ip, true));
    }

    /// What was paused goes on: those first that were woken first.
    pub fn resume(&self) {
        self.executor.upgrade().iter().for_each(|executor| executor.pause(self.ip, false));
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Host").field(&self.ip).finish()
    }
}
