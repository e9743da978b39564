//! p2pke version 1: authenticated encryption between peers over any datagram swarm.
//!
//! From the bottom: [`noise`] is the key agreement, [`session`] one pair of keys, [`channel`]
//! all that two peers have with one another, and [`layer`] the swarm of many peers. A
//! [`Channel`](channel::Channel) is a machine on bytes, without addresses, and usable by itself.

pub mod channel;
pub mod layer;
pub mod noise;
mod presign;
#[doc(hidden)]
pub mod proto;
mod replay;
pub mod session;
mod tai64n;
#[cfg(test)]
mod tests;

pub use layer::P2pke;
#[doc(hidden)]
pub use presign::presignature;
pub use tai64n::Tai64n;
