//! The built binary, run as a user would.
#![allow(clippy::std_instead_of_core, reason = "a program has `std` anyway")]

mod asks;
mod common;
#[cfg(feature = "quic")]
mod key_log;
mod keys;
mod network;
mod peers;
mod stacks;
mod usage;
mod watch;
