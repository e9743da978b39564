//! What a runtime gives a node: a clock, a timer, a socket, and somebody who runs its driver.
//!
//! Whoever implements [`Runtime`] has an adapter: [`Builder`](super::Builder), [`Handle`](super::Handle) and
//! [`Driver`](super::Driver) are the same on all of them.

use super::burst::Run;
use super::counters::SocketCounters;
use super::shared::Clock;
use crate::addr::UdpAddr;
use crate::port::DatagramInput;
use crate::seed::Seed;
use crate::time::{Epoch, Instant, UnixTime};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::future::Future;
use core::task::{Context, Poll};
use std::io;

/// A runtime with its sockets and timers, and what it takes from the operating system.
pub trait Runtime: Sized + Send + Sync + 'static {
    /// Its clock.
    type Clock: Clock + Send + Sync + 'static;
    /// Its sockets.
    type Socket: Socket + Send + Unpin + 'static;
    /// Its timers.
    type Timer: Timer<Clock = Self::Clock> + Send + Unpin + 'static;

    /// A clock for a new node, which starts at [`Instant::ZERO`].
    fn clock() -> Self::Clock;

    /// The date, for the node's [`Anchor`](crate::time::Anchor).
    fn date() -> UnixTime;

    /// An instant for layers that know no time but the standard library's; `None` where such layers are not
    /// for this runtime.
    fn epoch() -> Option<Epoch> {
        None
    }

    /// 32 bytes that nobody can guess.
    ///
    /// # Errors
    /// The system has none.
    fn seed() -> io::Result<Seed>;

    /// Binds a UDP socket.
    ///
    /// # Errors
    /// The system's.
    fn bind(addr: UdpAddr) -> io::Result<Self::Socket>;

    /// Binds this many UDP sockets to one port, among which the system spreads what arrives.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::Unsupported`] where sockets cannot share a port.
    fn bind_shared(addr: UdpAddr, count: usize) -> io::Result<Vec<Self::Socket>> {
        let _ = (addr, count);
        let why = "sockets cannot share a port here: give the node one worker";
        Err(io::Error::new(io::ErrorKind::Unsupported, why))
    }

    /// Whether the runtime runs here, so that sockets can be bound and drivers run.
    fn is_here() -> bool;

    /// Has the runtime run this [driver](super::Driver).
    ///
    /// # Errors
    /// It cannot.
    fn spawn(driver: impl Future<Output = ()> + Send + 'static) -> io::Result<()>;

    /// Has the runtime run this driver, which is that of one `worker` of a node, counted from 0: each
    /// is best run in another thread.
    ///
    /// # Errors
    /// It cannot.
    fn spawn_worker(
        driver: impl Future<Output = ()> + Send + 'static,
        worker: usize,
    ) -> io::Result<()> {
        let _ = worker;
        Self::spawn(driver)
    }
}

/// One timer of a runtime.
pub trait Timer {
    /// What it goes by.
    type Clock: Clock;

    /// A timer that is not set.
    fn unset() -> Self;

    /// Sets it to go off at `at`, in place of when it was set to.
    fn set(&mut self, clock: &Self::Clock, at: Instant);

    /// Ready once it has gone off since it was set; until then the task is woken when it does.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// A socket of a runtime, which sends and receives many datagrams in one call and never blocks.
pub trait Socket {
    /// What it is bound to.
    fn local(&self) -> UdpAddr;

    /// How many datagrams a run may have. It may become less.
    fn max_segments(&self) -> usize;

    /// Puts down what the kernel holds for it.
    fn describe(&self, counters: &mut SocketCounters);

    /// Sends a run, all or nothing. Pending where the kernel takes nothing now; then the task is woken when
    /// it does.
    fn poll_send(&mut self, run: &Run<'_>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>>;

    /// Receives what there is, up to one call's worth, into `arrived`, and says whether there may be more.
    /// Where there is not, or nothing at all, the task is woken when something comes.
    fn poll_receive(
        &mut self,
        arrived: &mut VecDeque<DatagramInput<UdpAddr>>,
        counters: &mut SocketCounters,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Left, ReceiveError>>;
}

/// Whether there may be datagrams to receive after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// There are none, and the task is woken when one comes.
    Nothing,
    /// There may be.
    Some,
}

/// Why a run was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// Nobody can be reached there, or we may not.
    Unreachable,
    /// A datagram is larger than the way takes.
    TooLarge,
    /// The kernel lacks memory: try the same again, later.
    OutOfMemory,
    /// There is no segmentation offload after all: try the same again, in shorter runs.
    NoOffload,
}

/// Why a call received nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiveError {
    /// It was about a peer, whom something sent earlier did not reach: the next call may give something.
    Peer,
    /// It was about the socket itself: try again, later.
    Socket,
}
