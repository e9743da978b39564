//! Message-oriented peer-to-peer protocols as pure state machines.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

#[cfg(all(feature = "quic", not(any(feature = "aws-lc", feature = "ring"))))]
compile_error!("the feature `quic` needs a library for its cryptography: add `aws-lc` or `ring`");

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod addr;
pub mod ask;
pub(crate) mod bucket;
pub(crate) mod counters;
pub(crate) mod crypto;
pub mod diagnostics;
pub mod driver;
pub mod filter;
pub mod fragment;
pub(crate) mod half_open;
pub mod identity;
pub mod join;
#[cfg(feature = "insecure-key-log")]
pub mod key_log;
pub mod layer;
pub mod limits;
pub mod loopback;
pub mod map;
pub mod multi;
pub mod mux;
pub mod outbox;
pub mod p2pke;
pub mod par;
pub mod payload;
#[cfg(any(feature = "quic", feature = "ssh"))]
mod peers;
pub mod port;
#[cfg(feature = "quic")]
pub mod quic;
pub mod realm;
pub mod seed;
#[cfg(feature = "ssh")]
pub mod ssh;
pub mod stack;
pub mod stats;
pub mod swarm;
pub(crate) mod table;
pub mod text;
pub mod time;
pub(crate) mod trace;
#[cfg(any(feature = "quic", feature = "ssh"))]
mod turns;
pub mod up;
pub(crate) mod uvarint;

pub use bytes::{Bytes, BytesMut};

pub use crate::addr::{Addr, At, MemoryAddr, PeerAddr, TcpAddr, UdpAddr};
pub use crate::driver::Node;
pub use crate::filter::Filter;
pub use crate::fragment::Fragmenter;
pub use crate::join::Join;
pub use crate::layer::Layer;
pub use crate::limits::Limits;
pub use crate::loopback::Loopback;
pub use crate::map::Map;
pub use crate::multi::Multi;
pub use crate::mux::Mux;
pub use crate::par::Par;
pub use crate::payload::Payload;
pub use crate::port::{Datagram, DatagramInput, DatagramPort};
pub use crate::port::{StreamEnd, StreamId, StreamInput, StreamPort, StreamTransmit};
pub use crate::realm::{Realm, Virtual};
pub use crate::seed::Seed;
pub use crate::stack::Stack;
pub use crate::swarm::{Command, Event, Message, Swarm};
pub use crate::text::AnyAddr;
pub use crate::time::Instant;
