//! tellask on tokio: sockets, timers and handles.
//!
//! [`udp`] binds a socket and puts a stack on it; [`Builder::spawn`] gives a [`Node`], a handle that
//! is cheap to clone. One task per node, its *driver*, moves everything between socket and stack in
//! batches of both directions. The stack stands behind one lock, so a handle is told at once that a
//! message is too large or a queue full; no system call is made under the lock.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let alice = tellask_tokio::udp("127.0.0.1:0".parse()?).spawn().await?;
//! let bob = tellask_tokio::udp("127.0.0.1:0".parse()?).spawn().await?;
//! alice.tell(&bob.local_addrs()[0], "hello").await?;
//! let message = bob.receive().await.ok_or("bob was closed")?;
//! assert_eq!((&message.payload[..], message.src), (&b"hello"[..], alice.local_addrs()[0]));
//! # Ok::<_, Box<dyn std::error::Error>>(()) }).unwrap();
//! ```
//!
//! A node needs a tokio runtime with its I/O and time drivers enabled, of either flavour.
//!
//! What never ends a node: any error of the socket. A datagram that the kernel refuses is lost, as
//! datagrams may be; it is counted in [`Node::stats`] and reported by [`Node::events`].
#![forbid(unsafe_code)]

mod builder;
mod driver;
mod error;
mod node;
mod socket;

pub use builder::{Builder, Parts, udp};
pub use error::{BindError, CloseError};
pub use node::{Events, Message, Node};

pub use tellask::driver::Notice;
