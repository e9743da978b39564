//! What the operating system gives a node, without a runtime: UDP sockets that send and receive many
//! datagrams in one call, TCP sockets, random bytes, the date.
//!
//! For those who write an adapter or a loop of their own; `tellask-tokio` and `tellask-smol` stand on it.
#![forbid(unsafe_code)]

pub mod tcp;
mod udp;

pub use quinn_udp::UdpSockRef;
pub use udp::{DRAINS, SLOTS, Udp, receive_error};

use std::io;
use std::time::{Instant, SystemTime};
use tellask::Seed;
use tellask::time::{Epoch, UnixTime};

/// 32 bytes that nobody can guess.
///
/// # Errors
/// The system has none.
pub fn seed() -> io::Result<Seed> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| {
        let code = error.raw_os_error();
        code.map_or_else(|| io::Error::other(error.to_string()), io::Error::from_raw_os_error)
    })?;
    Ok(Seed::new(bytes))
}

/// An instant for layers that know no time but the standard library's.
#[must_use]
pub fn epoch() -> Epoch {
    Instant::now().into()
}

/// The date; 1970 where the system's is earlier.
#[must_use]
pub fn date() -> UnixTime {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().into()
}
