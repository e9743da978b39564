//! What a simulation runs on: the order of events.

mod wheel;

pub use wheel::{Key, Wheel};
