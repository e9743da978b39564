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

pub use builder::{Builder, Parts, UdpStack, stack, udp};
pub use error::BindError;
pub use node::{Clock, Events, Message, Node, Request};

pub use tellask::driver::{CloseError, Notice};
