//! A message that is being cut into fragments.

use super::wire::{Header, MAX_PARTS};
use crate::outbox::Weigh;
use crate::payload::Payload;

/// A message, and how much of it has gone.
#[derive(Clone, Debug, Hash)]
pub(super) struct Cut {
    payload: Payload,
    // Bytes of data in each fragment but the last.
    size: usize,
    next: Header,
}

impl Cut {
    /// `None` where it would be too many fragments.
    pub(super) fn new(payload: Payload, id: u32, size: usize) -> Option<Self> {
        let total = payload.len().div_ceil(size.max(1)).max(1);
        let total = u8::try_from(total).ok().filter(|total| usize::from(*total) <= MAX_PARTS)?;
        Some(Self { payload, size, next: Header { id, part: 0, total } })
    }

    pub(super) const fn total(&self) -> u8 {
        self.next.total
    }

    /// Whether a part of it has gone.
    pub(super) const fn is_begun(&self) -> bool {
        self.next.part > 0
    }

    /// The next fragment, and whether it is the last. The body is shared, not copied.
    pub(super) fn next(&mut self) -> (Payload, bool) {
        let header = self.next;
        let last = header.part + 1 >= header.total;
        let mut piece =
            if header.total == 1 { core::mem::take(&mut self.payload) } else { self.slice() };
        header.write(|number| piece.prepend(number));
        self.next.part = header.part.saturating_add(1);
        (piece, last)
    }

    /// The bytes of the next fragment, out of the head, the body, or both.
    fn slice(&self) -> Payload {
        let (head, body) = (self.payload.head(), self.payload.body());
        let from = self.gone();
        let to = self.payload.len().min(from.saturating_add(self.size));
        let in_body = |at: usize| at.saturating_sub(head.len()).min(body.len());
        let mut piece = Payload::new(body.slice(in_body(from)..in_body(to).max(in_body(from))));
        if let Some(head) = head.get(from..to.min(head.len())) {
            piece.prepend(head);
        }
        piece
    }

    fn gone(&self) -> usize {
        usize::from(self.next.part).saturating_mul(self.size).min(self.payload.len())
    }
}

/// What has not gone yet.
impl Weigh for Cut {
    fn weight(&self) -> usize {
        self.payload.len().saturating_sub(self.gone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_pieces_are_the_message_in_order_and_share_its_body(
            head in proptest::collection::vec(any::<u8>(), 0..40),
            body in proptest::collection::vec(any::<u8>(), 0..2_000),
            size in 8..600_usize,
        ) {
            let mut payload = Payload::from(body);
            payload.prepend(&head);
            let whole = payload.clone().into_bytes();
            let Some(mut cut) = Cut::new(payload, 7, size) else {
                prop_assert!(whole.len() > MAX_PARTS * size);
                return Ok(());
            };
            let mut joined = Vec::new();
            loop {
                let weight = cut.weight();
                let (piece, last) = cut.next();
                let piece = piece.into_bytes();
                let (header, len) = Header::read(&piece).expect("a header");
                prop_assert_eq!((header.id, header.total), (7, cut.total()));
                prop_assert!(piece.len() - len <= size);
                prop_assert!(last || cut.weight() + size == weight);
                joined.extend_from_slice(&piece[len..]);
                if last { break; }
            }
            prop_assert_eq!(joined, whole);
        }
    }

    #[test]
    fn a_message_of_one_piece_is_not_even_sliced() {
        let payload = Payload::from(alloc::vec![1; 100]);
        let at = payload.body().as_ptr();
        let (piece, last) = Cut::new(payload, 1, 100).expect("one piece").next();
        assert!(last);
        assert_eq!((piece.body().as_ptr(), piece.head()), (at, &[1, 0, 1][..]));
    }
}
