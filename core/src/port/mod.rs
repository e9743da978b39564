//! Bottom ports: where a stack meets its driver.
mod datagram;

pub use datagram::{Datagram, DatagramInput, DatagramPort};
