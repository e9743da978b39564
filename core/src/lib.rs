//! Message-oriented peer-to-peer protocols as pure state machines.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod addr;
pub(crate) mod crypto;
pub mod identity;
pub mod p2pke;
pub mod seed;
pub mod time;
