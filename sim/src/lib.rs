//! A simulated network for tellask machines, and what is played on it.
#![forbid(unsafe_code)]

pub mod conformance;
pub mod engine;
pub mod laws;
pub mod net;
pub mod scenario;
pub mod topology;
