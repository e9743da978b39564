//! What waits on one connection for the socket to take it.
//!
//! Bounds: as many bytes as there was credit for, which is the caller's to keep.

use crate::payload::Payload;
use alloc::collections::VecDeque;
use std::io::IoSlice;

/// Pieces that one call writes at the most.
const PIECES: usize = 64;

/// Payloads on their way to a socket, in order.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    queue: VecDeque<Payload>,
    // Of the first, how many bytes were taken.
    taken: usize,
    // Those that were not.
    bytes: usize,
}

impl Outgoing {
    pub(super) fn push(&mut self, payload: Payload) {
        if !payload.is_empty() {
            self.bytes += payload.len();
            self.queue.push_back(payload);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many bytes wait.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// What is there, from where it lies, in up to [`PIECES`] pieces.
    pub(super) fn with<T>(&self, write: impl FnOnce(&[IoSlice<'_>]) -> T) -> T {
        let mut slices = [IoSlice::new(&[]); PIECES];
        let (mut skip, mut count) = (self.taken, 0);
        let pieces = self.queue.iter().flat_map(|payload| [payload.head(), &payload.body()[..]]);
        for piece in pieces {
            let rest = piece.get(skip..).unwrap_or_default();
            skip = skip.saturating_sub(piece.len());
            if rest.is_empty() {
                continue;
            }
            let Some(slice) = slices.get_mut(count) else { break };
            *slice = IoSlice::new(rest);
            count += 1;
        }
        write(slices.get(..count).unwrap_or_default())
    }

    /// The socket took this many bytes. Where it took all, nothing is kept.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.taken += bytes;
        self.bytes = self.bytes.saturating_sub(bytes);
        while let Some(rest) =
            self.queue.front().and_then(|first| self.taken.checked_sub(first.len()))
        {
            self.taken = rest;
            self.queue.pop_front();
        }
        if self.queue.is_empty() {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    fn seen(out: &Outgoing) -> (usize, Vec<u8>) {
        out.with(|slices| (slices.len(), slices.iter().flat_map(|slice| slice.to_vec()).collect()))
    }

    #[test]
    fn heads_and_bodies_are_written_behind_each_other_from_wherever_a_call_stopped() {
        let mut all = Vec::new();
        let mut payloads = Vec::new();
        for number in 0..10_u8 {
            let mut payload = Payload::from(vec![number; usize::from(number) * 3]);
            payload.prepend(&[100 + number; 5]);
            payload.write_to(&mut all);
            payloads.push(payload);
        }
        for step in 1..40 {
            let mut out = Outgoing::default();
            payloads.iter().cloned().for_each(|payload| out.push(payload));
            out.push(Payload::default());
            for from in (0..all.len()).step_by(step) {
                assert_eq!(seen(&out).1, all[from..], "by {step}, from {from}");
                out.advance(step.min(all.len() - from));
            }
            assert!(
                out.is_empty() && out.queue.capacity() == 0,
                "an idle connection keeps nothing"
            );
        }
    }

    #[test]
    fn a_call_writes_no_more_pieces_than_a_kernel_takes() {
        let mut out = Outgoing::default();
        (0..100).for_each(|_| out.push(vec![7; 2].into()));
        assert_eq!(seen(&out), (PIECES, vec![7; 2 * PIECES]));
    }
}
