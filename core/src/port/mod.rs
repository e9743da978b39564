//! Bottom ports: where a stack meets its driver.
mod datagram;
mod stream;

pub use datagram::{Datagram, DatagramInput, DatagramPort};
pub use stream::{StreamEnd, StreamId, StreamInput, StreamPort, StreamTransmit};
