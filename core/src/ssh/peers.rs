//! What is kept for each peer.

use super::addr::Fingerprint;
use crate::identity::PublicKey;
use crate::port::StreamId;
use crate::requests::OfPeer;
use alloc::vec::Vec;

/// A peer that is connected, or is being dialled.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) id: Fingerprint,
    /// Its key, while it is up.
    pub(super) key: Option<PublicKey>,
    /// Its connections. The last is in use; what comes on the others is heard until they end.
    pub(super) connections: Vec<StreamId>,
    /// The connection that we began and that is not up yet.
    pub(super) dial: Option<StreamId>,
    /// Our requests to it.
    pub(super) asks: OfPeer,
    /// How often its identity was asked for.
    pub(super) identify: u32,
    /// Whether what it is told has to wait.
    pub(super) blocked: bool,
}

impl Peer {
    pub(super) fn new(id: Fingerprint) -> Self {
        Self {
            id,
            key: None,
            connections: Vec::new(),
            dial: None,
            asks: OfPeer::default(),
            identify: 0,
            blocked: false,
        }
    }

    /// The connection that is in use.
    pub(super) fn connection(&self) -> Option<StreamId> {
        self.connections.last().copied()
    }
}
