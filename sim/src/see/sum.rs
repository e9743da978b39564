//! The checksum of the internet protocols (RFC 1071), of what is not kept whole.

/// The most that a UDP datagram carries.
pub(super) const UDP_MOST: usize = 65_535 - 8;

/// The sum of some 16-bit words, in ones' complement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum(u16);

impl Sum {
    /// Of as many of these bytes as a UDP datagram carries.
    pub(super) fn of_udp_payload(bytes: &[u8]) -> Self {
        Self::default().plus(bytes.get(..UDP_MOST).unwrap_or(bytes))
    }

    /// With these bytes, which begin at an even place.
    pub(super) fn plus(self, bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks::<2>();
        let words = words.iter().map(|word| u64::from(u16::from_be_bytes(*word)));
        let last = rest.first().map_or(0, |last| u64::from(*last) << 8);
        let mut sum = u64::from(self.0) + words.sum::<u64>() + last;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        Self(sum as u16)
    }

    /// What is written into the header: the complement, and never the zero that means none.
    pub(super) const fn written(self) -> u16 {
        match !self.0 {
            0 => 0xffff,
            sum => sum,
        }
    }
}
