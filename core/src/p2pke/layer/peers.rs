//! One peer at one address: its channel, and what waits for it.

use super::super::channel::Channel;
use crate::identity::PeerId;
use crate::outbox::OVERHEAD;
use crate::payload::Payload;
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::collections::VecDeque;

/// What the layer keeps for one key at one address.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) id: PeerId,
    pub(super) channel: Channel,
    pub(super) standing: Standing,
    /// The timer index has this slot at this instant; the channel's own timer may be later.
    pub(super) armed: Option<Instant>,
    /// Only there while something waits: most peers are up, or strangers.
    pub(super) waiting: Option<Box<Waiting>>,
}

/// Which bound a peer counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Standing {
    /// A stranger's hello was answered; the stranger has proven nothing yet.
    HalfOpen,
    /// We want to talk to it; it has proven nothing yet.
    Dialling,
    /// It proved its key.
    Up,
    /// It proved its key and was given up. What it sends under an old session is still opened.
    Down,
}

/// What waits for a handshake to end.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) messages: VecDeque<Payload>,
    pub(super) bytes: usize,
    pub(super) identify: u32,
    /// The application was told that this peer is full.
    pub(super) told_full: bool,
}

impl Peer {
    pub(super) const fn new(id: PeerId, channel: Channel, standing: Standing) -> Self {
        Self { id, channel, standing, armed: None, waiting: None }
    }

    pub(super) fn waiting(&mut self) -> &mut Waiting {
        self.waiting.get_or_insert_default()
    }

    /// Whether it makes room for whoever else wants to be at its address.
    pub(super) const fn yields(&self) -> bool {
        matches!(self.standing, Standing::HalfOpen | Standing::Down)
    }

    pub(super) fn has_messages_waiting(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| !waiting.messages.is_empty())
    }
}

impl Waiting {
    pub(super) fn push(&mut self, payload: Payload) {
        self.bytes += weight(&payload);
        self.messages.push_back(payload);
    }

    pub(super) fn pop(&mut self) -> Option<Payload> {
        let payload = self.messages.pop_front()?;
        self.bytes -= weight(&payload);
        Some(payload)
    }
}

pub(super) fn weight(payload: &Payload) -> usize {
    payload.len() + OVERHEAD
}
