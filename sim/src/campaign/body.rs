//! What players say: bodies in which every few bytes say which message they are of.
//!
//! ```text
//! cell:  b5 7e | src u8 | dst u8 | kind u2, number u22 | check u8
//! ```
//!
//! A body is one cell after the other, the last cut short. So any fifteen bytes of it name the message, in whichever
//! datagram they go, as long as nothing hides them: under the [toy suite](crate::toy) nothing does.

use crate::net::mix;
use core::fmt;

/// Bytes of a cell, and of the shortest body.
pub const CELL: usize = 8;
const MAGIC: [u8; 2] = [0xb5, 0x7e];
/// Where cells are looked for in a datagram: headers are shorter.
const WINDOW: usize = 160;

/// What is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A message.
    Tell,
    /// A request.
    Request,
    /// The answer to one.
    Answer,
}

/// The name of a message. The answer to a request has the name of the request but for its kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// Who says it.
    pub src: u8,
    /// To whom.
    pub dst: u8,
    /// What it is.
    pub kind: Kind,
    /// The how-manieth on its way, below 2^22.
    pub number: u32,
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { src, dst, kind, number } = self;
        let kind = match kind {
            Kind::Tell => "message",
            Kind::Request => "request",
            Kind::Answer => "answer",
        };
        write!(f, "{kind} {number} from {src} to {dst}")
    }
}

impl Id {
    fn cell(self) -> [u8; CELL] {
        let kind = match self.kind {
            Kind::Tell => 0,
            Kind::Request => 1,
            Kind::Answer => 2,
        };
        let [_, high, middle, low] = (kind << 22 | self.number & 0x3f_ffff).to_be_bytes();
        let [first, second] = MAGIC;
        let head = [first, second, self.src, self.dst, high, middle, low];
        let [check, ..] =
            mix(head.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))).to_le_bytes();
        let [a, b, c, d, e, f, g] = head;
        [a, b, c, d, e, f, g, check]
    }

    fn of_cell(cell: &[u8; CELL]) -> Option<Self> {
        let [_, _, src, dst, high, middle, low, _] = *cell;
        let number = u32::from_be_bytes([0, high & 0x3f, middle, low]);
        let kind = match high >> 6 {
            0 => Kind::Tell,
            1 => Kind::Request,
            2 => Kind::Answer,
            _ => return None,
        };
        let id = Self { src, dst, kind, number };
        (id.cell() == *cell).then_some(id)
    }

    /// The body of this message, of `len` bytes, of which there is at least a cell.
    #[must_use]
    pub fn body(self, len: usize) -> Vec<u8> {
        self.cell().into_iter().cycle().take(len.max(CELL)).collect()
    }

    /// Which message this is, if all of it is as it was said.
    #[must_use]
    pub fn of_body(body: &[u8]) -> Option<Self> {
        let cell = body.first_chunk()?;
        let id = Self::of_cell(cell)?;
        let whole = body.chunks(CELL).all(|chunk| cell.starts_with(chunk));
        whole.then_some(id)
    }

    /// A number that stands for it.
    #[must_use]
    pub fn as_number(self) -> u64 {
        u64::from_be_bytes(self.cell())
    }

    /// The message that this number stands for.
    #[must_use]
    pub fn of_number(number: u64) -> Option<Self> {
        Self::of_cell(&number.to_be_bytes())
    }

    /// The message of which there is something in a datagram.
    #[must_use]
    pub fn in_datagram(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..WINDOW).unwrap_or(bytes);
        let cells = bytes.windows(CELL).filter(|cell| cell.starts_with(&MAGIC));
        cells.filter_map(|cell| cell.first_chunk()).find_map(Self::of_cell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_fifteen_bytes_of_a_body_name_its_message() {
        let id = Id { src: 3, dst: 200, kind: Kind::Answer, number: 70_000 };
        let body = id.body(1_000);
        for at in 0..body.len() - 15 {
            assert_eq!(Id::in_datagram(&body[at..at + 15]), Some(id));
        }
        assert_eq!(Id::of_body(&body), Some(id));
        assert_eq!(Id::of_number(id.as_number()), Some(id));
    }

    #[test]
    fn a_body_of_which_one_byte_is_another_is_no_body() {
        let id = Id { src: 0, dst: 1, kind: Kind::Tell, number: 1 };
        for at in 0..40 {
            let mut body = id.body(40);
            body[at] ^= 0x10;
            assert_eq!(Id::of_body(&body), None, "byte {at}");
        }
        assert_eq!(Id::of_body(&[]), None);
    }
}
