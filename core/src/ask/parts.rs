//! Something that goes in parts, from either side.

use super::ranges::Ranges;
use alloc::collections::VecDeque;
use bytes::{Bytes, BytesMut};
use core::hash::{Hash, Hasher};

/// Ranges that what is received may consist of before it is whole, besides one for so many bytes.
const RANGES: usize = 16;
/// Bytes for which there may be one range more.
const BYTES_PER_RANGE: usize = 128;

/// Something that is being sent, until all of it has arrived.
#[derive(Clone, Debug)]
pub(super) struct Sending {
    body: Bytes,
    /// What was sent at least once.
    sent: usize,
    /// Whether anything was: an empty body has a part too.
    begun: bool,
    lost: VecDeque<Part>,
    arrived: Ranges,
    /// It stands in a queue.
    pub(super) queued: bool,
}

/// A part of a body. Whole bodies are far below 2^32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Part {
    /// Where it begins.
    pub(super) offset: u32,
    /// Its length in bytes.
    pub(super) len: u32,
}

impl Part {
    const fn end(self) -> u64 {
        self.offset as u64 + self.len as u64
    }
}

impl Sending {
    /// All of `body` is to be sent.
    pub(super) const fn new(body: Bytes) -> Self {
        Self {
            body,
            sent: 0,
            begun: false,
            lost: VecDeque::new(),
            arrived: Ranges::new(),
            queued: false,
        }
    }

    /// Length of the whole in bytes.
    pub(super) const fn len(&self) -> usize {
        self.body.len()
    }

    /// Whether any of it was sent.
    pub(super) const fn is_begun(&self) -> bool {
        self.begun
    }

    /// Whether there is something to send.
    pub(super) fn wants(&self) -> bool {
        !self.lost.is_empty() || !self.begun || self.sent < self.body.len()
    }

    /// Where the next part begins, at least for as long as nothing else happens.
    pub(super) fn next_offset(&mut self) -> Option<u32> {
        while let Some(part) = self.lost.front()
            && part.len > 0
            && self.arrived.covers(part.offset.into(), part.end())
        {
            self.lost.pop_front();
        }
        match self.lost.front() {
            Some(part) => Some(part.offset),
            None => (!self.begun || self.sent < self.body.len()).then_some(self.sent as u32),
        }
    }

    /// How long the next part is where there is room for all of it.
    pub(super) fn next_len(&mut self) -> usize {
        let Some(offset) = self.next_offset() else { return 0 };
        match self.lost.front() {
            Some(part) => part.len as usize,
            None => self.body.len().saturating_sub(offset as usize),
        }
    }

    /// Takes the next part, of at most `room` bytes: lost ones first.
    pub(super) fn take(&mut self, room: usize) -> Option<(Part, Bytes)> {
        let offset = self.next_offset()?;
        let room = u32::try_from(room).unwrap_or(u32::MAX);
        let part = match self.lost.pop_front() {
            Some(part) if part.len > room => {
                let rest = Part { offset: part.offset + room, len: part.len - room };
                self.lost.push_front(rest);
                Part { offset, len: room }
            }
            Some(part) => part,
            None => {
                let left = self.body.len() as u32 - offset;
                Part { offset, len: left.min(room) }
            }
        };
        if part.len == 0 && !self.body.is_empty() {
            return None;
        }
        self.begun = true;
        self.sent = self.sent.max(part.end() as usize);
        Some((part, self.body.slice(part.offset as usize..part.end() as usize)))
    }

    /// A part has arrived. Returns whether all has.
    pub(super) fn on_arrived(&mut self, part: Part) -> bool {
        if part.len as usize == self.body.len() {
            return true;
        }
        self.arrived.insert(part.offset.into(), part.end());
        self.arrived.covers(0, self.body.len() as u64)
    }

    /// A part is to be sent again.
    pub(super) fn on_lost(&mut self, part: Part) {
        if part.len == 0 || !self.arrived.covers(part.offset.into(), part.end()) {
            self.lost.push_back(part);
        }
    }

    /// All that a later call could depend on.
    pub(super) fn dump(&self, mut hasher: &mut dyn Hasher) {
        (self.body.len(), self.sent, self.begun, self.queued).hash(&mut hasher);
        (&self.lost, &self.arrived).hash(&mut hasher);
    }

    /// Everything is to be sent again, to somebody who has received nothing.
    pub(super) fn restart(&mut self) {
        let queued = self.queued;
        *self = Self { queued, ..Self::new(self.body.clone()) };
    }
}

/// Something that is being received.
#[derive(Clone, Debug)]
pub(super) struct Receiving {
    buf: BytesMut,
    have: Ranges,
}

/// A part does not fit what is being received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Misfit;

impl Receiving {
    /// Nothing received yet of `total` bytes.
    pub(super) fn new(total: usize) -> Self {
        Self { buf: BytesMut::zeroed(total), have: Ranges::new() }
    }

    /// Length of the whole in bytes.
    pub(super) fn len(&self) -> usize {
        self.buf.len()
    }

    /// What it counts: its length, and the ranges of which it consists, where these are many.
    pub(super) fn weight(&self) -> usize {
        self.buf.len() + self.have.weight()
    }

    /// Bytes received.
    pub(super) fn ranges(&self) -> &Ranges {
        &self.have
    }

    /// Takes a part, and returns whether it was the last. It may count `room` bytes more with it.
    ///
    /// # Errors
    /// It reaches over the end, or comes so scattered that nobody honest would send it.
    pub(super) fn add(&mut self, offset: u64, data: &[u8], room: usize) -> Result<bool, Misfit> {
        let from = usize::try_from(offset).map_err(|_| Misfit)?;
        let to = from.checked_add(data.len()).ok_or(Misfit)?;
        let most = RANGES + self.buf.len() / BYTES_PER_RANGE;
        if self.have.len() >= most && self.have.len_with(offset) > most {
            return Err(Misfit);
        }
        if self.have.growth_with(offset) > room {
            return Err(Misfit);
        }
        self.buf.get_mut(from..to).ok_or(Misfit)?.copy_from_slice(data);
        self.have.insert(offset, to as u64);
        Ok(self.have.covers(0, self.buf.len() as u64))
    }

    /// The whole.
    pub(super) fn into_whole(self) -> BytesMut {
        self.buf
    }
}
