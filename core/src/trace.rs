//! What happens, for whoever traces it: events of the feature `tracing`, nothing at all without it.
//!
//! | level | what | fields |
//! |---|---|---|
//! | info | a node is bound, a node is closed | |
//! | info | a peer is up, a peer is down | `peer`, of the latter `reason` |
//! | debug | a message was rejected or dropped, an ask or a handshake failed | `peer`, `reason` |
//! | debug | the socket failed | `peer` where it is about one, `reason` |
//!
//! Each has a field `layer`. With the drivers of this crate they stand in a span `node` with the address that
//! the node is bound to, as far as its driver is at work; what comes of a handle's call stands in the caller's.
//!
//! **No event has what a message says, nor a key's secret half**: neither is ever given to these macros,
//! and a test looks for both in all that a stack traces. Strangers cause events at the rate at which they
//! send; whoever records them must bound that (a subscriber's level does).

/// An event of a layer: `trace!(DEBUG, "p2pke", peer = %addr, reason = ?reason, "a message was rejected")`.
macro_rules! trace {
    ($level:ident, $layer:expr, $($rest:tt)+) => {{
        #[cfg(feature = "tracing")]
        tracing::event!(tracing::Level::$level, layer = $layer, $($rest)+);
    }};
}

pub(crate) use trace;
