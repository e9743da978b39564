//! TAI64N time stamps: what orders the hellos of one peer.
//!
//! ```text
//! u64 2^62 + unix seconds + L | u32 nanoseconds < 10^9      (big endian, 12 bytes)
//! ```
//!
//! `L` is TAI − UTC at that instant by the published list of leap seconds, which ends in 2017.
//! Labels order as they stand, so nothing here ever converts one back to a date.

use crate::time::UnixTime;
use core::fmt;

/// The label of 1970-01-01T00:00:00 TAI.
const EPOCH: u64 = 1 << 62;
const NANOS_PER_SEC: u32 = 1_000_000_000;
/// TAI − UTC before the first leap second.
const INITIAL_OFFSET: u64 = 10;

/// The Unix second at which each leap second's new offset begins (IERS Bulletin C).
const LEAPS: [u64; 27] = [
    78_796_800,    // 1972-07-01
    94_694_400,    // 1973-01-01
    126_230_400,   // 1974-01-01
    157_766_400,   // 1975-01-01
    189_302_400,   // 1976-01-01
    220_924_800,   // 1977-01-01
    252_460_800,   // 1978-01-01
    283_996_800,   // 1979-01-01
    315_532_800,   // 1980-01-01
    362_793_600,   // 1981-07-01
    394_329_600,   // 1982-07-01
    425_865_600,   // 1983-07-01
    489_024_000,   // 1985-07-01
    567_993_600,   // 1988-01-01
    631_152_000,   // 1990-01-01
    662_688_000,   // 1991-01-01
    709_948_800,   // 1992-07-01
    741_484_800,   // 1993-07-01
    773_020_800,   // 1994-07-01
    820_454_400,   // 1996-01-01
    867_715_200,   // 1997-07-01
    915_148_800,   // 1999-01-01
    1_136_073_600, // 2006-01-01
    1_230_768_000, // 2009-01-01
    1_341_100_800, // 2012-07-01
    1_435_708_800, // 2015-07-01
    1_483_228_800, // 2017-01-01
];

/// A TAI64N label. Ordered by time.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tai64n {
    label: u64,
    nanos: u32,
}

impl Tai64n {
    /// The first label there is.
    pub const MIN: Self = Self { label: 0, nanos: 0 };
    /// Bytes of a label on the wire.
    pub const LEN: usize = 12;

    /// The label of a date.
    #[must_use]
    pub fn from_unix(date: UnixTime) -> Self {
        let secs = date.secs();
        let leaps = LEAPS.partition_point(|&start| start <= secs);
        let offset = INITIAL_OFFSET.saturating_add(leaps as u64);
        let label = EPOCH.saturating_add(secs).saturating_add(offset);
        Self { label, nanos: date.subsec_nanos() }
    }

    /// Reads a label; `None` where the nanoseconds are 10⁹ or more.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Option<Self> {
        let (label, nanos) = bytes.split_first_chunk::<8>()?;
        let nanos = u32::from_be_bytes(*nanos.first_chunk::<4>()?);
        (nanos < NANOS_PER_SEC).then_some(Self { label: u64::from_be_bytes(*label), nanos })
    }

    /// The label on the wire.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..8].copy_from_slice(&self.label.to_be_bytes());
        bytes[8..].copy_from_slice(&self.nanos.to_be_bytes());
        bytes
    }

    /// The label one nanosecond later; the last label is its own successor.
    #[must_use]
    pub const fn next(self) -> Self {
        if self.nanos < NANOS_PER_SEC - 1 {
            return Self { label: self.label, nanos: self.nanos + 1 };
        }
        match self.label.checked_add(1) {
            Some(label) => Self { label, nanos: 0 },
            None => self,
        }
    }

    /// The label `secs` seconds later, saturating.
    #[must_use]
    pub const fn plus_secs(self, secs: u64) -> Self {
        Self { label: self.label.saturating_add(secs), nanos: self.nanos }
    }
}

impl fmt::Debug for Tai64n {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{:016x}{:08x}", self.label, self.nanos)
    }
}
