//! Messages that the application has not taken yet.
//!
//! Bounds: [`Limits::receive`] bytes, with [`OVERHEAD`] added each; the newest is dropped and counted.
//! A message is a slice of the buffer it came in. Once [`DEEP`] of them wait, further ones are copied
//! out, so that small messages which nobody takes cannot pin large buffers.

use crate::limits::Limits;
use crate::outbox::OVERHEAD;
use crate::swarm::Message;
use crate::up::DEEP;
use alloc::collections::VecDeque;
use bytes::BytesMut;

#[derive(Debug)]
pub(super) struct Inbox<A> {
    queue: VecDeque<Message<A>>,
    bytes: usize,
    limit: usize,
    pub(super) dropped: u64,
}

impl<A> Inbox<A> {
    pub(super) const fn new(limits: &Limits) -> Self {
        Self { queue: VecDeque::new(), bytes: 0, limit: limits.receive, dropped: 0 }
    }

    /// Whether the message was taken.
    pub(super) fn push(&mut self, mut message: Message<A>) -> bool {
        let weight = message.payload.len().saturating_add(OVERHEAD);
        if self.bytes.saturating_add(weight) > self.limit {
            self.dropped += 1;
            return false;
        }
        if self.queue.len() >= DEEP {
            message.payload = BytesMut::from(&message.payload[..]);
        }
        self.bytes += weight;
        self.queue.push_back(message);
        true
    }

    pub(super) fn pop(&mut self) -> Option<Message<A>> {
        let message = self.queue.pop_front()?;
        self.bytes -= message.payload.len().saturating_add(OVERHEAD).min(self.bytes);
        Some(message)
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }
}
