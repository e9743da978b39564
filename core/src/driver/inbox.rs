//! Messages that the application has not taken yet.
//!
//! Bounds: [`Limits::receive`] bytes, with [`OVERHEAD`] added each; the newest is dropped and counted. Before that, where
//! half of them are taken or another message might not fit, peers are to be held back, until most have been taken; but not
//! for an application that never took any, so that one which only asks is answered whatever it is told.
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
    /// More than these are to hold peers back.
    mark: usize,
    /// Whether anybody ever took a message, or wanted to.
    wanted: bool,
    /// Whether peers are held back.
    held: bool,
    pub(super) dropped: u64,
}

impl<A> Inbox<A> {
    pub(super) const fn new(limits: &Limits) -> Self {
        let limit = limits.receive;
        Self {
            queue: VecDeque::new(),
            bytes: 0,
            limit,
            mark: limit / 2,
            wanted: false,
            held: false,
            dropped: 0,
        }
    }

    /// From now on messages are of up to `largest` bytes.
    pub(super) fn fit(&mut self, largest: usize) {
        let room = largest.saturating_add(OVERHEAD).max(self.limit / 2);
        self.mark = self.limit.saturating_sub(room);
    }

    /// Whether peers are to be held back from now on, where that is news.
    pub(super) const fn edge(&mut self) -> Option<bool> {
        if !self.is_news() {
            return None;
        }
        self.held = !self.held;
        Some(self.held)
    }

    /// Whether it is another answer than before.
    pub(super) const fn is_news(&self) -> bool {
        if self.held { self.bytes <= self.mark / 2 } else { self.wanted && self.bytes > self.mark }
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
        self.wanted = true;
        let message = self.queue.pop_front()?;
        self.bytes -= message.payload.len().saturating_add(OVERHEAD).min(self.bytes);
        Some(message)
    }

    /// Whether peers are held back.
    pub(super) const fn held(&self) -> bool {
        self.held
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::{Inbox, Message, OVERHEAD};
    use crate::addr::MemoryAddr;
    use crate::limits::Limits;
    use bytes::BytesMut;

    fn inbox(receive: usize, largest: usize) -> Inbox<MemoryAddr> {
        let mut inbox = Inbox::new(&Limits { receive, ..Limits::default() });
        inbox.fit(largest);
        assert!(inbox.pop().is_none());
        inbox
    }

    fn message(len: usize) -> Message<MemoryAddr> {
        let (src, dst) = (MemoryAddr(1), MemoryAddr(2));
        Message { src, dst, payload: BytesMut::zeroed(len) }
    }

    #[test]
    fn peers_are_held_back_while_half_of_it_or_the_largest_message_would_not_fit() {
        for (receive, largest) in [(1 << 20, 1_000), (160 << 10, 128 << 10)] {
            let mut inbox = inbox(receive, largest);
            let once = largest.max(receive / 2 - OVERHEAD);
            // Up to where nobody is held back yet.
            while inbox.bytes() + 100 + OVERHEAD <= inbox.mark {
                assert!(inbox.push(message(100)) && inbox.edge().is_none());
            }
            assert!(inbox.push(message(once)), "what a layer may give at once fits");
            assert_eq!(inbox.edge(), Some(true));
            while inbox.edge().is_none() {
                assert!(inbox.pop().is_some());
            }
            assert!(!inbox.held() && inbox.push(message(once)) && inbox.dropped == 0);
        }
    }

    #[test]
    fn whoever_never_takes_a_message_holds_nobody_back() {
        let mut inbox = Inbox::new(&Limits { receive: 10_000, ..Limits::default() });
        let taken = (0..100).filter(|_| inbox.push(message(1_000))).count();
        assert!(inbox.edge().is_none() && inbox.dropped == 100 - taken as u64 && taken < 100);
    }
}
