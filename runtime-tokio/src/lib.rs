//! tellask on tokio: sockets, timers and handles.
//!
//! [`udp`] binds a socket and puts a stack on it; [`Builder::spawn`] gives a [`Node`], a handle that
//! is cheap to clone. One task per node, its *driver*, moves everything between socket and stack in
//! batches of both directions. The stack stands behind one lock, so a handle is told at once that a
//! message is too large or a queue full; no system call is made under the lock.
//!
//! ```
//! use tellask::identity::SecretKey;
//! use tellask_tokio::udp;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (alices_key, bobs_key) = (SecretKey::from_seed(&[1; 32]), SecretKey::from_seed(&[2; 32]));
//! let alice = udp("127.0.0.1:0".parse()?).secured(alices_key).spawn().await?;
//! let bob = udp("127.0.0.1:0".parse()?).secured(bobs_key).spawn().await?;
//!
//! alice.tell(&bob.local_addrs()[0], "hello").await?;
//! let message = bob.receive().await.ok_or("bob was closed")?;
//! assert_eq!(&message.payload[..], b"hello");
//! assert_eq!(message.src, alice.local_addrs()[0]);
//! # Ok(()) }
//! ```
//!
//! A node needs a tokio runtime with its I/O and time drivers enabled (`enable_all`), of either flavour: where
//! they are not, tokio panics. [`Builder::bind`] gives the driver to be run in a task of the caller's.
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

pub use runtime::{Clock, Timer, Tokio};
pub use socket::Socket;
pub use streams::{Listener, Stream};
pub use tellask::driver::{BindError, CloseError, Notice, Parts, Tcp, TcpStack, Udp, UdpStack};

use tellask::addr::Source;
use tellask::driver;
use tellask::identity::SecretKey;
use tellask::text::{AnyAddr, Description};
use tellask::{Addr, Bytes, TcpAddr, UdpAddr};

/// A node to be, on UDP or, where `P` is [`Tcp`], on TCP.
pub type Builder<A, P = Udp> = driver::Builder<A, Tokio, P>;

/// A node on TCP to be, without a layer on it.
pub type TcpBuilder = driver::TcpBuilder<Tokio>;

/// A node of several workers to be.
pub type Workers<A> = driver::Workers<A, Tokio>;

/// A node: a handle on its stack, cheap to clone.
pub type Node<A> = driver::UdpNode<A, Tokio>;

/// A node on TCP: the same handle, on another stack.
pub type TcpNode<A> = driver::TcpNode<A, Tokio>;

/// What moves everything between a node's socket and its stack.
pub type Driver<A> = driver::Driver<A, Tokio>;

/// What moves everything between the sockets and the stack of a node on TCP.
pub type TcpDriver<A> = driver::Driver<A, Tokio, Tcp>;

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
