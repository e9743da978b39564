//! The header of a fragment.

use crate::uvarint::{self, Uvarint};

/// The bytes that the format sets aside for a header: three numbers of five bytes.
pub const OVERHEAD: usize = 15;

/// The most fragments of one message.
pub const MAX_PARTS: usize = 255;

/// What stands in front of a fragment's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Header {
    pub(super) id: u32,
    // Less than `total`.
    pub(super) part: u8,
    pub(super) total: u8,
}

impl Header {
    /// The header at the front of `bytes`, and its length. `None` where there is none.
    #[inline]
    pub(super) fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let (id, id_len) = uvarint::read(bytes)?;
        let (part, part_len) = uvarint::read(bytes.get(id_len..)?)?;
        let (total, total_len) = uvarint::read(bytes.get(id_len + part_len..)?)?;
        let id = u32::try_from(id).ok()?;
        let (part, total) = (u8::try_from(part).ok()?, u8::try_from(total).ok()?);
        (part < total).then_some((Self { id, part, total }, id_len + part_len + total_len))
    }

    /// Hands the header's bytes to `put`, last number first: as they are prepended.
    #[inline]
    pub(super) fn write(self, mut put: impl FnMut(&[u8])) {
        for number in [u64::from(self.total), u64::from(self.part), u64::from(self.id)] {
            put(Uvarint::new(number).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_header_reads_back_and_cut_short_it_is_none(id: u32, part in 0..255_u8, more in 1..=255_u8) {
            let total = part.saturating_add(more);
            let header = Header { id, part, total };
            let mut bytes = Vec::new();
            header.write(|number| { bytes.splice(0..0, number.iter().copied()); });
            prop_assert!(bytes.len() <= OVERHEAD);
            prop_assert_eq!(Header::read(&bytes), Some((header, bytes.len())));
            for cut in 0..bytes.len() {
                prop_assert_eq!(Header::read(&bytes[..cut]), None);
            }
        }

        #[test]
        fn what_is_read_as_a_header_keeps_its_promises(bytes: Vec<u8>) {
            if let Some((header, len)) = Header::read(&bytes) {
                prop_assert!(header.part < header.total && len <= bytes.len());
            }
        }
    }
}
