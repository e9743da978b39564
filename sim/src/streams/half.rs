//! One end of a connection: its buffers, and who may send how much.
//!
//! | bytes | are within |
//! |---|---|
//! | written and not sent | the send buffer: the stack has credit for what is free of it |
//! | sent and not read by the other stack | the receive buffer of the other end, which that says as it opens |
//!
//! What has been read is told to the other end, and what has been sent to the stack, once it is half a buffer.

use super::faults::Faults;
use super::segment::Segment;
use std::collections::VecDeque;
use tellask::{BytesMut, Instant, Payload, StreamId};

/// One end of a connection.
#[derive(Debug)]
pub(super) struct Half {
    /// What its node calls it.
    pub(super) id: StreamId,
    /// Whether the other end has answered.
    pub(super) open: bool,
    unsent: BytesMut,
    send_buffer: usize,
    /// For how many more bytes its stack has credit to write.
    writable: usize,
    /// Sent, and the stack has not been told yet.
    freed: usize,
    /// How many more bytes may be sent.
    window: usize,
    finishes: bool,
    pub(super) finished: bool,
    /// When the line is free for the next piece, and whether it is waited for.
    pub(super) free_at: Instant,
    pub(super) awaits_line: bool,
    /// When the last of what was sent lands.
    pub(super) lands: Instant,
    /// Pieces sent: what the draws are numbered by.
    pub(super) sent: u64,
    /// What waits for a cut to be mended.
    pub(super) held: VecDeque<Segment>,
    unread: BytesMut,
    receive_buffer: usize,
    /// For how many bytes its stack has given credit.
    readable: usize,
    /// Read, and the other end has not been told yet.
    taken: usize,
    /// Pieces read.
    reads: u64,
    pub(super) peer_finished: bool,
    told_finished: bool,
    pub(super) vanished: bool,
    /// Since when nothing gets through, or the peer is not there any more.
    pub(super) broken: Option<Instant>,
}

/// What one end of a connection holds, and may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// Whether it is open, as far as its node knows.
    pub open: bool,
    /// Bytes written and not sent.
    pub unsent: usize,
    /// Bytes for which its stack has credit to write.
    pub writable: usize,
    /// Bytes that arrived and that its stack has no credit for.
    pub unread: usize,
    /// Bytes for which its stack has given credit.
    pub readable: usize,
}

impl Half {
    /// An end whose node sends on a way with `out`, and hears on one with `back`.
    pub(super) fn new(id: StreamId, open: bool, out: &Faults, back: &Faults) -> Self {
        Self {
            id,
            open,
            unsent: BytesMut::new(),
            send_buffer: out.send_buffer.max(1),
            writable: 0,
            freed: out.send_buffer.max(1),
            window: 0,
            finishes: false,
            finished: false,
            free_at: Instant::ZERO,
            awaits_line: false,
            lands: Instant::ZERO,
            sent: 0,
            held: VecDeque::new(),
            unread: BytesMut::new(),
            receive_buffer: back.receive_buffer.max(1),
            readable: 0,
            taken: 0,
            reads: 0,
            peer_finished: false,
            told_finished: false,
            vanished: false,
            broken: None,
        }
    }

    /// How many bytes it takes that were not read.
    pub(super) const fn takes(&self) -> usize {
        self.receive_buffer
    }

    pub(super) fn held(&self) -> Held {
        Held {
            open: self.open,
            unsent: self.unsent.len(),
            writable: self.writable,
            unread: self.unread.len(),
            readable: self.readable,
        }
    }

    /// The stack writes; returns whether it might.
    pub(super) fn write(&mut self, payload: &Payload) -> bool {
        let credit = self.writable.checked_sub(payload.len()).filter(|_| !self.finishes);
        if let Some(credit) = credit {
            self.writable = credit;
            payload.write_to(&mut self.unsent);
        }
        credit.is_some()
    }

    /// The stack writes no more; returns whether it had said so before.
    pub(super) const fn finish(&mut self) -> bool {
        core::mem::replace(&mut self.finishes, true)
    }

    /// How many bytes may be sent now.
    pub(super) fn to_send(&self) -> usize {
        if self.open { self.unsent.len().min(self.window) } else { 0 }
    }

    /// Takes so many out to be sent.
    pub(super) fn send(&mut self, bytes: usize) -> BytesMut {
        self.window -= bytes;
        self.freed += bytes;
        self.unsent.split_to(bytes)
    }

    /// Whether it is time to say that no more bytes come; asked once.
    pub(super) fn sends_fin(&mut self) -> bool {
        let now = self.open && self.finishes && !self.finished && self.unsent.is_empty();
        self.finished |= now;
        now
    }

    /// Credit that the stack is to be told of.
    pub(super) fn credit(&mut self) -> Option<usize> {
        if !self.open || self.finishes || self.freed < self.send_buffer.div_ceil(2) {
            return None;
        }
        self.writable += self.freed;
        Some(core::mem::take(&mut self.freed))
    }

    /// The other stack has read so many.
    pub(super) const fn widen(&mut self, bytes: usize) {
        self.window += bytes;
    }

    pub(super) fn arrive(&mut self, bytes: BytesMut) {
        if self.unread.is_empty() {
            self.unread = bytes;
        } else {
            self.unread.extend_from_slice(&bytes);
        }
    }

    /// The stack wants so many more.
    pub(super) const fn allow(&mut self, bytes: usize) {
        self.readable = self.readable.saturating_add(bytes);
    }

    /// How many bytes the stack may be given, and as the how-manieth piece.
    pub(super) fn to_read(&self) -> (usize, u64) {
        (self.unread.len().min(self.readable), self.reads)
    }

    /// Takes so many out to be given to the stack.
    pub(super) fn read(&mut self, bytes: usize) -> BytesMut {
        self.readable -= bytes;
        self.taken += bytes;
        self.reads += 1;
        self.unread.split_to(bytes)
    }

    /// What was read that the other end is to be told of.
    pub(super) fn taken(&mut self) -> Option<usize> {
        let tells = self.taken >= self.receive_buffer.div_ceil(2) && !self.peer_finished;
        tells.then(|| core::mem::take(&mut self.taken))
    }

    /// Whether it is time to tell the stack that the peer has finished; asked once. As of a socket
    /// that nobody reads, nothing is heard of it without credit.
    pub(super) fn tells_finished(&mut self) -> bool {
        let now = self.peer_finished
            && !self.told_finished
            && self.unread.is_empty()
            && self.readable > 0;
        self.told_finished |= now;
        now
    }

    /// Whether all was sent, and all that the peer sent has arrived: nothing that happens to the way matters.
    pub(super) fn needs_nobody(&self) -> bool {
        self.finished && self.held.is_empty() && self.peer_finished
    }

    /// Whether it is over by itself.
    pub(super) fn is_over(&self) -> bool {
        self.needs_nobody() && self.told_finished
    }
}
