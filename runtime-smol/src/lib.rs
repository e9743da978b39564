//! tellask on smol: sockets, timers and handles, under any executor.
//!
//! [`udp`] binds a socket and puts a stack on it; [`Builder::bind`] gives a [`Node`], a handle that is
//! cheap to clone, and its [`Driver`]. One task per node, the driver moves everything between socket
//! and stack in batches of both directions. The stack stands behind one lock, so a handle is told at
//! once that a message is too large or a queue full; no system call is made under the lock.
//!
//! ```
//! use tellask::identity::SecretKey;
//! use tellask_smol::udp;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (alices_key, bobs_key) = (SecretKey::from_seed(&[1; 32]), SecretKey::from_seed(&[2; 32]));
//! let (alice, alices_driver) = udp("127.0.0.1:0".parse()?).secured(alices_key).bind()?;
//! let (bob, bobs_driver) = udp("127.0.0.1:0".parse()?).secured(bobs_key).bind()?;
//!
//! let executor = async_executor::Executor::new();
//! executor.spawn(alices_driver).detach();
//! executor.spawn(bobs_driver).detach();
//!
//! async_io::block_on(executor.run(async {
//!     alice.tell(&bob.local_addrs()[0], "hello").await?;
//!     let message = bob.receive().await.ok_or("bob was closed")?;
//!     assert_eq!(&message.payload[..], b"hello");
//!     assert_eq!(message.src, alice.local_addrs()[0]);
//!     Ok(())
//! }))
//! # }
//! ```
//!
//! Who runs the driver is the caller's choice: `smol::spawn(driver).detach()`, any other executor, or
//! a thread of its own that does `async_io::block_on(driver)`. It needs nothing from the executor: its
//! socket and its timers are those of the reactor of [`async_io`], which runs in a thread of its own
//! where no thread is in [`async_io::block_on`].
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
pub use driver::Driver;
pub use error::BindError;
pub use node::{Clock, Events, Message, Node, Request};

pub use tellask::driver::{CloseError, Notice};
