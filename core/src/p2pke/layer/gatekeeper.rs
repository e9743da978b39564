//! What all channels of a node share, and what strangers may cost.

use super::super::channel::{Context, Gate, Timing};
use super::super::tai64n::Tai64n;
use super::floors::Floors;
use crate::bucket::Bucket;
use crate::identity::{PublicKey, SecretKey};
use crate::limits::Limits;
use crate::seed::{Rng, Seed};
use crate::swarm::Accept;
use crate::time::{Anchor, Instant};
use alloc::vec::Vec;
use core::fmt;

/// What every call of a channel is lent.
pub(super) struct Local {
    pub(super) key: SecretKey,
    pub(super) rng: Rng,
    pub(super) clock: Anchor,
    pub(super) timing: Timing,
    pub(super) gate: Gatekeeper,
    scratch: Vec<u8>,
}

/// The policy, the budget of signature checks, and the floors.
#[derive(Debug)]
pub(super) struct Gatekeeper {
    pub(super) accept: Accept,
    pub(super) floors: Floors,
    /// Whether raised floors are put down in `raised`, for other nodes with this key.
    pub(super) tells_floors: bool,
    pub(super) raised: Option<(PublicKey, Tai64n)>,
    /// For hellos: anybody can send those.
    strangers: Bucket,
    /// For what comes after a hello, so that a flood of hellos does not end the handshakes that
    /// have begun.
    begun: Bucket,
    /// Which of the two the message at hand is charged to.
    pub(super) stranger: bool,
}

impl Local {
    pub(super) fn new(
        key: SecretKey,
        seed: &Seed,
        clock: Anchor,
        accept: Accept,
        limits: &Limits,
    ) -> Self {
        let gate = Gatekeeper {
            accept,
            floors: Floors::new(limits.timestamp_floors, seed.rng("floors")),
            tells_floors: false,
            raised: None,
            strangers: Bucket::new(limits.signature_checks_per_second),
            begun: Bucket::new(limits.signature_checks_per_second),
            stranger: true,
        };
        let (rng, timing) = (seed.rng("handshakes"), Timing::DEFAULT);
        Self { key, rng, clock, timing, gate, scratch: Vec::new() }
    }

    pub(super) fn lend(&mut self) -> Context<'_> {
        let Self { key, rng, clock, timing, gate, scratch } = self;
        Context { key, rng, clock: *clock, timing, gate, scratch }
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local")
            .field("key", &self.key)
            .field("gate", &self.gate)
            .finish_non_exhaustive()
    }
}

impl Gate for Gatekeeper {
    fn accepts(&mut self, key: &PublicKey) -> bool {
        // The id is a hash: not worth computing where everybody is taken.
        matches!(self.accept, Accept::Anyone) || self.accept.takes(&key.peer_id())
    }

    fn floor(&self, key: &PublicKey) -> Option<Tai64n> {
        self.floors.floor(key)
    }

    fn may_verify(&mut self, now: Instant) -> bool {
        if self.stranger { self.strangers.take(now) } else { self.begun.take(now) }
    }

    fn may_hold_candidate(&mut self) -> bool {
        // The layer gives up another one instead, at random.
        true
    }

    fn raise_floor(&mut self, key: &PublicKey, to: Tai64n) {
        self.floors.raise(*key, to);
        self.raised = self.tells_floors.then_some((*key, to));
    }
}
