//! Unsigned LEB128 numbers: seven bits a byte, the lowest first, the top bit of all but the last set.

/// The longest spelling of 64 bits.
pub(crate) const MAX_LEN: usize = 10;

/// A number in its one spelling without needless bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Uvarint {
    bytes: [u8; MAX_LEN],
    len: u8,
}

impl Uvarint {
    pub(crate) const fn new(mut value: u64) -> Self {
        let mut bytes = [0; MAX_LEN];
        let mut len = 0;
        while value >= 0x80 {
            bytes[len] = value as u8 | 0x80;
            value >>= 7;
            len += 1;
        }
        bytes[len] = value as u8;
        Self { bytes, len: len as u8 + 1 }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }
}

/// Reads a number from the front of `bytes`, and returns it with its length there. `None` where it
/// is cut short or over 64 bits.
#[inline]
pub(crate) fn read(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().take(MAX_LEN).enumerate() {
        let low = u64::from(byte & 0x7f);
        if at == MAX_LEN - 1 && low > 1 {
            return None;
        }
        value |= low << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, at + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_number_reads_back_and_whatever_follows_is_left(value: u64, rest: [u8; 3]) {
            let spelling = Uvarint::new(value);
            let mut bytes = spelling.as_bytes().to_vec();
            let len = bytes.len();
            bytes.extend_from_slice(&rest);
            prop_assert_eq!(read(&bytes), Some((value, len)));
            for cut in 0..len {
                prop_assert_eq!(read(&bytes[..cut]), None);
            }
        }

        #[test]
        fn no_bytes_make_it_panic_nor_read_past_ten(bytes: [u8; 16], len in 0..16_usize) {
            if let Some((_, used)) = read(&bytes[..len]) {
                prop_assert!(used <= len.min(MAX_LEN));
            }
        }
    }

    #[test]
    fn what_is_over_64_bits_is_no_number() {
        assert_eq!(read(Uvarint::new(u64::MAX).as_bytes()), Some((u64::MAX, 10)));
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]), None);
        assert_eq!(read(&[0x80; 11]), None);
        assert_eq!(
            read(&[0x81, 0x00]),
            Some((1, 2)),
            "a needless byte, as the other side reads it"
        );
    }
}
