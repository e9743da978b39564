//! What all connections of a node share.

use super::{Setup, wire};
use crate::identity::{PublicKey, SecretKey};
use crate::seed::Rng;
use crate::swarm::Accept;
use alloc::vec::Vec;
use core::time::Duration;

/// After what another key exchange is begun, whichever comes first; what goes in either direction counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rekey {
    /// Packets under one key. There must be far fewer than 2³², or a peer whose sequence numbers go around
    /// would repeat a nonce (RFC 4344 section 3.1).
    pub packets: u64,
    /// Bytes under one key.
    pub bytes: u64,
    /// Time since the last key exchange.
    pub after: Duration,
}

impl Default for Rekey {
    /// 2³¹ packets, 1 GiB (RFC 4253 section 9), one hour.
    fn default() -> Self {
        Self { packets: 1 << 31, bytes: 1 << 30, after: Duration::from_secs(3_600) }
    }
}

#[derive(Debug)]
pub(super) struct Local {
    pub(super) key: SecretKey,
    /// Its public half, as it is written.
    pub(super) blob: Vec<u8>,
    /// The name under which we authenticate.
    pub(super) user: Vec<u8>,
    pub(super) accept: Accept,
    pub(super) rekey: Rekey,
    /// Whether we offer our extension.
    pub(super) extension: bool,
    pub(super) rng: Rng,
}

impl Local {
    pub(super) fn new(setup: Setup<'_>, rng: Rng) -> Self {
        let Setup { key, user, accept, rekey, extension, .. } = setup;
        let blob = wire::key_blob(key.public().as_bytes());
        Self { key, blob, user: user.as_bytes().to_vec(), accept, rekey, extension, rng }
    }

    /// Whether we talk to the owner of this key.
    pub(super) fn takes(&self, key: &PublicKey) -> bool {
        key != self.key.public() && self.accept.takes(&key.peer_id())
    }
}
