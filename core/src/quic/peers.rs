//! What is kept for each peer.

use crate::identity::{PeerId, PublicKey};
use crate::requests::OfPeer;
use alloc::vec::Vec;

/// A peer that is connected, or is being dialled.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) id: PeerId,
    /// Its key, while it is up.
    pub(super) key: Option<PublicKey>,
    /// Its connections. The last is in use; what comes on the others is heard until they end.
    pub(super) connections: Vec<usize>,
    /// The connection that we began and that is not up yet.
    pub(super) dial: Option<usize>,
    /// Our requests to it.
    pub(super) asks: OfPeer,
    /// How often its identity was asked for.
    pub(super) identify: u32,
    /// Whether what it is told has to wait.
    pub(super) blocked: bool,
}

impl Peer {
    pub(super) fn new(id: PeerId) -> Self {
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
    pub(super) fn connection(&self) -> Option<usize> {
        self.connections.last().copied()
    }
}
