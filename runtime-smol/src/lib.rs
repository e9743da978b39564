//! tellask on smol: sockets, timers and handles, under any executor.
//!
//! [`udp`] binds a socket and puts a stack on it; [`Builder::spawn`] gives a [`Node`], a handle that
//! is cheap to clone. One task per node, its *driver*, moves everything between socket and stack in
//! batches of both directions. The stack stands behind one lock, so a handle is told at once that a
//! message is too large or a queue full; no system call is made under the lock.
//!
//! ```
//! use tellask::identity::SecretKey;
//! use tellask_smol::udp;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> { async_io::block_on(async {
//! # let (alices_key, bobs_key) = (SecretKey::from_seed(&[1; 32]), SecretKey::from_seed(&[2; 32]));
//! let alice = udp("127.0.0.1:0".parse()?).secured(alices_key).spawn().await?;
//! let bob = udp("127.0.0.1:0".parse()?).secured(bobs_key).spawn().await?;
//!
//! alice.tell(&bob.local_addrs()[0], "hello").await?;
//! let message = bob.receive().await.ok_or("bob was closed")?;
//! assert_eq!(&message.payload[..], b"hello");
//! assert_eq!(message.src, alice.local_addrs()[0]);
//! # Ok(()) }) }
//! ```
//!
//! A program for `tellask_tokio` is one for this crate, but for its `use`. [`Builder::spawn`] has the driver
//! run in one thread of this crate's own, with those of all other nodes. Where the driver is to run elsewhere
//! there is [`Builder::bind`]: `smol::spawn(driver).detach()`, any other executor (async-std's too, which
//! is no longer maintained), next to the application in the same thread, or in a thread that does
//! `async_io::block_on(driver)`. It needs nothing from the executor: its socket and its timers are those
//! of the reactor of [`async_io`].
//!
//! ```
//! # use tellask_smol::udp;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (node, driver) = udp("127.0.0.1:0".parse()?).bind()?;
//! let application = async {
//!     // …
//!     node.close(core::time::Duration::from_secs(1)).await
//! };
//! let ((), closed) = async_io::block_on(futures_lite::future::zip(driver, application));
//! # Ok(closed?) }
//! ```
//!
//! A node is fastest where its driver runs on the same single-threaded executor as those who use it: an
//! executor for each thread, each with nodes of its own, does as much as tokio with as many workers. One
//! executor that several threads run wakes another thread for every message. Where each message waits for
//! the one before, the reactor is what costs: for an ask there and back it makes twelve system calls where tokio's
//! makes two, and the nodes make four on either. Plain sockets have three quarters of tokio's pings in one thread,
//! and less where the two ends are in different threads (`cargo bench -p tellask-tests --bench ratios -- smol`).
//!
//! [`tcp`] is for stacks over connections: the layer that makes messages of their bytes is put on with
//! [`TcpBuilder::layer`], and what that gives is built and spawned as any other. Its driver visits only those connections
//! that are ready, reads no more than the stack takes, and writes what waits in one call.
//!
//! What never ends a node: any error of the socket. A datagram that the kernel refuses is lost, as
//! datagrams may be; it is counted in [`Node::stats`] and reported by [`Node::events`].
#![forbid(unsafe_code)]

mod runtime;
mod socket;
mod streams;

pub use runtime::{Clock, Smol, Timer};
pub use socket::Socket;
pub use streams::{Listener, Stream};
pub use tellask::driver::{BindError, CloseError, Notice, Parts, Tcp, TcpStack, Udp, UdpStack};

use tellask::addr::Source;
use tellask::driver;
use tellask::identity::SecretKey;
use tellask::text::{AnyAddr, Description};
use tellask::{Addr, Bytes, TcpAddr, UdpAddr};

/// A node to be, on UDP or, where `P` is [`Tcp`], on TCP.
pub type Builder<A, P = Udp> = driver::Builder<A, Smol, P>;

/// A node on TCP to be, without a layer on it.
pub type TcpBuilder = driver::TcpBuilder<Smol>;

/// A node of several workers to be.
pub type Workers<A> = driver::Workers<A, Smol>;

/// A node: a handle on its stack, cheap to clone.
pub type Node<A> = driver::UdpNode<A, Smol>;

/// A node on TCP: the same handle, on another stack.
pub type TcpNode<A> = driver::TcpNode<A, Smol>;

/// What moves everything between a node's socket and its stack.
pub type Driver<A> = driver::Driver<A, Smol>;

/// What moves everything between the sockets and the stack of a node on TCP.
pub type TcpDriver<A> = driver::Driver<A, Smol, Tcp>;

/// A message that arrived.
pub type Message<A> = tellask::Message<A, Bytes>;

/// A request of another node, from [`Node::next_ask`].
pub type Request<A> = driver::Request<UdpStack<A>, Clock>;

/// The same, from [`TcpNode::next_ask`].
pub type TcpRequest<A> = driver::Request<TcpStack<A>, Clock>;

/// What happens to the peers and messages of a node, from [`Node::events`].
pub type Events<A> = driver::Events<UdpStack<A>, Clock>;

/// The same, from [`TcpNode::events`].
pub type TcpEvents<A> = driver::Events<TcpStack<A>, Clock>;

/// Begins a node on a UDP socket; see [`Builder::udp`].
pub fn udp(addr: UdpAddr) -> Builder<UdpAddr> {
    Builder::udp(addr)
}

/// Begins a node that listens on TCP, on each place of the address; see [`TcpBuilder`].
pub fn tcp(addr: TcpAddr) -> TcpBuilder {
    TcpBuilder::new(&addr)
}

/// Begins a node on TCP that nobody can connect to; see [`TcpBuilder`].
pub fn dial_only() -> TcpBuilder {
    TcpBuilder::dial_only()
}

/// Begins a node with several workers, on as many cores; see [`Workers`].
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
