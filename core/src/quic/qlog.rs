//! Records of what connections do, as qlog (draft-ietf-quic-qlog-main-schema).
//!
//! quinn-proto makes them, in version 0.3: a JSON text sequence (RFC 7464) for each connection, whose first record says
//! what it is, and whose others are events: packets sent, received and lost, and what congestion control
//! goes by. They hold sizes, numbers and times, counted in milliseconds from the node's beginning: no message, key or address.

use super::clock::Clock;
use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use core::fmt;
use quinn_proto::{QlogConfig, QlogStream};
use std::io::Write;

/// Where the records of a connection go.
pub type Writer = Box<dyn Write + Send + Sync>;

/// Asked at the beginning of each connection where its records go. Clones are the same.
#[derive(Clone)]
pub struct Qlog(Arc<dyn Fn(Begun) -> Option<Writer> + Send + Sync>);

impl Qlog {
    /// One that asks `factory`; of a connection for which that has no writer, nothing is recorded.
    ///
    /// Strangers begin connections too, at most [`half_open`](crate::Limits::half_open) that have proven nothing at a
    /// time. Factory and writer are called by the machine in the middle of its work: they must not wait, nor
    /// call the node that they are of. Where a writer fails, records are missing. It is dropped with its connection.
    #[must_use]
    pub fn new(factory: impl Fn(Begun) -> Option<Writer> + Send + Sync + 'static) -> Self {
        Self(Arc::new(factory))
    }

    pub(super) fn stream(&self, begun: Begun, clock: &Clock) -> Option<QlogStream> {
        let writer = (self.0)(begun)?;
        let side = if begun.dialled { "dialled" } else { "accepted" };
        // Its default looks at a clock, for a start time that is replaced here.
        let mut config = QlogConfig::default();
        config.start_time(clock.epoch()).title(Some(format!("{} {side}", begun.number)));
        config.writer(writer);
        config.into_stream()
    }
}

impl fmt::Debug for Qlog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Qlog(…)")
    }
}

/// A connection that begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Begun {
    /// Counts the connections of the node, from 0.
    pub number: u64,
    /// Whether this node dialled.
    pub dialled: bool,
}
