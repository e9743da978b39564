//! What an application may have besides its messages, to see what its connections do and say.
//!
//! Each is behind a feature of its own, and is off where it was not asked for: `insecure-key-log`, `qlog`. No
//! decision of a machine depends on any of them.

#[cfg(feature = "insecure-key-log")]
use crate::key_log::KeyLog;
#[cfg(feature = "qlog")]
use crate::quic::Qlog;

/// What is to be written of a node's connections: by default, nothing.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Diagnostics {
    /// Where their secrets go. **Whoever has them reads everything.**
    #[cfg(feature = "insecure-key-log")]
    pub insecure_key_log: Option<KeyLog>,
    /// Where QUIC records what its connections do.
    #[cfg(feature = "qlog")]
    pub qlog: Option<Qlog>,
}
