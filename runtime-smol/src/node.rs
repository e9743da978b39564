//! The handle that an application holds: core's, on the clock of the system.

use crate::builder::UdpStack;
use bytes::Bytes;
use core::time::Duration;
use tellask::Instant;
use tellask::driver;

/// A message that arrived.
pub type Message<A> = tellask::Message<A, Bytes>;

/// A node: a handle on its stack, cheap to clone.
pub type Node<A> = driver::Handle<UdpStack<A>, Clock>;

/// A request of another node, from [`Node::next_ask`].
pub type Request<A> = driver::Request<UdpStack<A>, Clock>;

/// What happens to the peers and messages of a node, from [`Node::events`].
pub type Events<A> = driver::Events<UdpStack<A>, Clock>;

/// What the handles and the driver of a node share.
pub(crate) type Shared<A> = driver::Shared<UdpStack<A>, Clock>;

/// A node's clock: the monotonic one of the system, from when the node was made.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    epoch: std::time::Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { epoch: std::time::Instant::now() }
    }

    /// The time, as the reactor counts it.
    pub(crate) fn at(&self, at: Instant) -> std::time::Instant {
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
