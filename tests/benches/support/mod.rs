//! The other side of every comparison: peers driven as their own users would drive them, and
//! the harness that sets us beside them.

#![allow(dead_code, reason = "each bench drives the peers that it needs")]

pub(crate) mod boringtun;
pub(crate) mod cipher;
pub(crate) mod crowd;
pub(crate) mod latency;
pub(crate) mod layers;
#[cfg(feature = "quic")]
pub(crate) mod quic;
pub(crate) mod quinn;
pub(crate) mod ratio;
pub(crate) mod smol;
pub(crate) mod tellask;
pub(crate) mod text;
