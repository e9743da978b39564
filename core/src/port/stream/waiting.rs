//! What waits on one connection for either side: one slot a direction, in which more of the same adds up.
//!
//! So a connection holds its bytes and a few words, however small the pieces they came in and however seldom
//! somebody takes them.

use super::{StreamEnd, StreamId, StreamInput, StreamTransmit};
use crate::payload::Payload;
use alloc::collections::VecDeque;
use bytes::{BufMut, BytesMut};

/// A write shorter than this is joined to the one before, if that is shorter too: two neighbours have so many
/// bytes together at the least.
pub(super) const JOIN: usize = 1_024;

/// For the layer above, in the order of the fields.
#[derive(Clone, Debug, Hash)]
pub(super) struct Above<S> {
    /// Whether the port has it in its list.
    pub(super) listed: bool,
    /// It is open: from here, to there.
    pub(super) came: Option<(S, S)>,
    bytes: BytesMut,
    pub(super) finished: bool,
    /// To write.
    pub(super) credit: usize,
    pub(super) closed: Option<StreamEnd>,
}

impl<S> Default for Above<S> {
    fn default() -> Self {
        let bytes = BytesMut::new();
        Self { listed: false, came: None, bytes, finished: false, credit: 0, closed: None }
    }
}

impl<S> Above<S> {
    pub(super) fn push(&mut self, bytes: BytesMut) {
        if self.bytes.is_empty() {
            self.bytes = bytes;
        } else {
            self.bytes.put_slice(&bytes);
        }
    }

    /// Drops everything, and returns how many bytes that were.
    pub(super) fn clear(&mut self) -> usize {
        let held = self.bytes.len();
        *self = Self { listed: self.listed, ..Self::default() };
        held
    }

    pub(super) fn pop(&mut self, id: StreamId) -> Option<StreamInput<S>> {
        if let Some((local, remote)) = self.came.take() {
            return Some(if id.is_accepted() {
                StreamInput::Accepted { id, local, remote }
            } else {
                StreamInput::Opened { id, local, remote }
            });
        }
        if !self.bytes.is_empty() {
            return Some(StreamInput::Bytes { id, bytes: core::mem::take(&mut self.bytes) });
        }
        if core::mem::take(&mut self.finished) {
            return Some(StreamInput::Finished { id });
        }
        // There is no use in it any more once the connection is over.
        let credit = core::mem::take(&mut self.credit);
        if let Some(reason) = self.closed.take() {
            return Some(StreamInput::Closed { id, reason });
        }
        (credit > 0).then_some(StreamInput::Writable { id, bytes: credit })
    }
}

/// For the driver, in the order of the fields; where it is aborted nothing else is.
#[derive(Clone, Debug, Hash)]
pub(super) struct Below<S> {
    /// Whether the port has it in its list.
    pub(super) listed: bool,
    pub(super) open: Option<S>,
    /// To read.
    pub(super) credit: usize,
    writes: VecDeque<Payload>,
    pub(super) finish: bool,
    pub(super) abort: bool,
}

impl<S> Default for Below<S> {
    fn default() -> Self {
        let writes = VecDeque::new();
        Self { listed: false, open: None, credit: 0, writes, finish: false, abort: false }
    }
}

impl<S> Below<S> {
    pub(super) fn push(&mut self, payload: Payload) {
        match self.writes.back_mut() {
            Some(last) if last.len() < JOIN && payload.len() < JOIN => {
                let mut joined = core::mem::take(last).into_mut();
                payload.write_to(&mut joined);
                *last = joined.into();
            }
            Some(_) | None => self.writes.push_back(payload),
        }
    }

    /// Drops everything, and returns how many bytes that were.
    pub(super) fn clear(&mut self) -> usize {
        let held = self.writes.iter().map(Payload::len).sum();
        *self = Self { listed: self.listed, ..Self::default() };
        held
    }

    pub(super) fn pop(&mut self, id: StreamId) -> Option<StreamTransmit<S>> {
        if let Some(dst) = self.open.take() {
            return Some(StreamTransmit::Open { id, dst });
        }
        if core::mem::take(&mut self.abort) {
            return Some(StreamTransmit::Abort { id });
        }
        let bytes = core::mem::take(&mut self.credit);
        if bytes > 0 {
            return Some(StreamTransmit::Read { id, bytes });
        }
        if let Some(payload) = self.writes.pop_front() {
            return Some(StreamTransmit::Write { id, payload });
        }
        core::mem::take(&mut self.finish).then_some(StreamTransmit::Finish { id })
    }
}
