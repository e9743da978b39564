//! Two channels, or parts of one, without a network.
pub(crate) mod seal_log;
