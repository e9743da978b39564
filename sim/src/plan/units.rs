//! Times and chances as text, exactly.

use crate::net::Chance;
use core::fmt;
use core::time::Duration;

const UNITS: [(&str, u64); 4] = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000), ("ns", 1)];

/// A duration in the largest unit of which it is a whole number: `20ms`, `1500ms`, `3s`.
pub(super) struct Span(pub(super) Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX);
        let unit = UNITS.iter().find(|(_, unit)| nanos.is_multiple_of(*unit));
        let (name, unit) = unit.unwrap_or(&("ns", 1));
        write!(f, "{}{name}", nanos / unit)
    }
}

/// Reads `20ms`, `3s`, `7us`, `9ns`.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time: say 20ms, 3s, 7us or 9ns");
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let (_, unit) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(*unit).map(Duration::from_nanos).ok_or_else(wrong)
}

/// A probability: `5%` where it is a whole number of percent, else `1234ppm`.
pub(super) struct Odds(pub(super) Chance);

impl fmt::Display for Odds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millionths = self.0.in_millionths();
        if millionths.is_multiple_of(10_000) {
            write!(f, "{}%", millionths / 10_000)
        } else {
            write!(f, "{millionths}ppm")
        }
    }
}

/// Reads `5%` or `1234ppm`.
pub(super) fn odds(text: &str) -> Result<Chance, String> {
    let (number, factor) = match text.strip_suffix('%') {
        Some(number) => (number, 10_000),
        None => (text.strip_suffix("ppm").unwrap_or(""), 1),
    };
    let number = number.parse::<u32>().ok().and_then(|number| number.checked_mul(factor));
    let number = number.filter(|millionths| *millionths <= 1_000_000);
    number
        .map(Chance::millionths)
        .ok_or_else(|| format!("{text:?} is no chance: say 5% or 1234ppm, at the most 100%"))
}
