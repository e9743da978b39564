//! Delays by a distribution, drawn with integers only.
//!
//! What is drawn is the same to the nanosecond on every platform: logarithms, powers and sines come from tables that
//! the compiler fills in fixed point (32 bits behind the point), with straight lines between
//! 256 places. A float says the same to within two parts in a hundred thousand.

use super::draw::Draw;
use core::time::Duration;

/// How much longer than the least a datagram takes, beside the jitter that is evenly spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spread {
    /// No longer.
    #[default]
    None,
    /// Exponentially spread: as what waits for something that can happen at any time. At the most 45 times
    /// the mean.
    Exponential {
        /// Of all delays.
        mean: Duration,
    },
    /// Log-normally spread: as delays in the Internet are measured to be, most of them near each other and
    /// a few very long.
    LogNormal {
        /// Half of them are shorter.
        median: Duration,
        /// The standard deviation of the natural logarithm, in millionths.
        sigma: u32,
    },
    /// One of those that were measured, each as likely as the others. What was not
    /// [added](super::Network::add_samples) takes no longer.
    Samples(SamplesId),
    /// Those that were measured, one after the other and from the beginning again; each way begins somewhere
    /// else. So what follows one another in the measurement does here.
    Series(SamplesId),
}

/// Delays that were measured, by the number in which they were [added](super::Network::add_samples).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SamplesId(pub u32);

/// All that was measured, in nanoseconds.
#[derive(Debug, Default)]
pub(super) struct Samples(Vec<Vec<u64>>);

impl Samples {
    pub(super) fn add(&mut self, samples: &[Duration]) -> SamplesId {
        self.0.push(samples.iter().map(|sample| nanos(*sample)).collect());
        SamplesId(self.0.len() as u32 - 1)
    }

    fn get(&self, SamplesId(nth): SamplesId) -> &[u64] {
        self.0.get(nth as usize).map(Vec::as_slice).unwrap_or_default()
    }
}

impl Spread {
    /// How much longer the datagram that these draws are about takes: the `number`th on `way`.
    pub(super) fn time(self, draw: Draw, samples: &Samples, way: Draw, number: u64) -> Duration {
        let nanos = match self {
            Self::None => 0,
            Self::Exponential { mean } => exponential(nanos(mean), draw.bits("spread")),
            Self::LogNormal { median, sigma } => {
                let normal = normal(draw.bits("spread"), draw.bits("turn"));
                log_normal(nanos(median), sigma, normal)
            }
            Self::Samples(id) => {
                let samples = samples.get(id);
                let nth = draw.below("spread", samples.len() as u64);
                samples.get(nth as usize).copied().unwrap_or_default()
            }
            Self::Series(id) => {
                let samples = samples.get(id);
                let len = (samples.len() as u64).max(1);
                let nth = (way.below("series", len) + number % len) % len;
                samples.get(nth as usize).copied().unwrap_or_default()
            }
        };
        Duration::from_nanos(nanos)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Bits behind the point of what the tables hold, and of what they are computed with.
const POINT: u32 = 32;
const FINE: u32 = 60;
const ONE: i128 = 1 << FINE;
/// ln 2 and π/2, as precise as the tables are computed.
const LN_2: i128 = 799_144_290_325_165_978;
const HALF_PI: i128 = 1_811_004_864_519_280_710;
/// 1 / ln 2 and ln 2, as precise as the tables.
const LOG2_E: i128 = 6_196_328_019;
const LN_2_SHORT: u64 = 2_977_044_472;

const PLACES: usize = 256;
type Table = [u64; PLACES + 1];

/// ln (1 + x) for x in 0..=1, by ln ((1 + y) / (1 - y)) = 2 (y + y³/3 + …).
static LN: Table = table(Curve::Ln);
/// 2^x for x in 0..=1, by its Taylor series.
static EXP2: Table = table(Curve::Exp2);
/// sin (x π/2) for x in 0..=1, likewise.
static SIN: Table = table(Curve::Sin);

#[derive(Clone, Copy)]
enum Curve {
    Ln,
    Exp2,
    Sin,
}

const fn table(curve: Curve) -> Table {
    let mut table = [0; PLACES + 1];
    let mut nth = 0;
    while nth <= PLACES {
        let (x, places) = (nth as i128, PLACES as i128);
        let fine = match curve {
            Curve::Ln => {
                let y = x * ONE / (2 * places + x);
                let (mut power, mut sum, mut k) = (y, 0, 1);
                while k < 80 {
                    sum += power / k;
                    power = (((power * y) >> FINE) * y) >> FINE;
                    k += 2;
                }
                2 * sum
            }
            Curve::Exp2 => {
                let x = x * LN_2 / places;
                let (mut term, mut sum, mut k) = (ONE, 0, 1);
                while k < 40 {
                    sum += term;
                    term = ((term * x) >> FINE) / k;
                    k += 1;
                }
                sum
            }
            Curve::Sin => {
                let x = x * HALF_PI / places;
                let (mut term, mut sum, mut k) = (x, 0, 1);
                while k < 40 {
                    sum += term;
                    term = -((((term * x) >> FINE) * x) >> FINE) / ((k + 1) * (k + 2));
                    k += 2;
                }
                sum
            }
        };
        // To the nearest.
        table[nth] = ((fine + (1 << (FINE - POINT - 1))) >> (FINE - POINT)) as u64;
        nth += 1;
    }
    table
}

/// What a table says of x, whose 64 bits are all behind the point.
fn look_up(table: &Table, x: u64) -> u64 {
    let at = |nth: usize| table.get(nth).copied().unwrap_or_default();
    let nth = (x >> 56) as usize;
    let (here, next) = (at(nth), at(nth + 1));
    let between = (x << 8) >> 32;
    here + (((u128::from(next - here)) * u128::from(between)) >> 32) as u64
}

/// -ln of a number in (0, 1), all of whose bits are behind the point. None is larger than 45.
fn minus_ln(bits: u64) -> u64 {
    let bits = bits.max(1);
    // It is 2^-zeros · (1 + rest) / 2.
    let zeros = bits.leading_zeros();
    let rest = (bits << zeros) << 1;
    (u64::from(zeros) + 1) * LN_2_SHORT - look_up(&LN, rest)
}

/// An exponentially spread number with this mean.
fn exponential(mean: u64, bits: u64) -> u64 {
    let product = (u128::from(mean) * u128::from(minus_ln(bits))) >> POINT;
    u64::try_from(product).unwrap_or(u64::MAX)
}

/// A normally spread number with deviation one, of 64 bits for its distance and 64 for its direction (Box and
/// Muller, 1958). None is farther from zero than 9.5.
fn normal(distance: u64, direction: u64) -> i64 {
    let square = u128::from(minus_ln(distance)) * 2;
    let distance = (square << POINT).isqrt();
    let along = (distance * u128::from(look_up(&SIN, direction << 1))) >> POINT;
    if direction >> 63 == 1 { -(along as i64) } else { along as i64 }
}

/// `median` · e^(sigma · normal).
fn log_normal(median: u64, sigma: u32, normal: i64) -> u64 {
    let power = i128::from(sigma) * i128::from(normal) / 1_000_000;
    let power = (power * LOG2_E) >> POINT;
    let (whole, rest) = (power >> POINT, (power as u64) << POINT);
    let scaled = (u128::from(median) * u128::from(look_up(&EXP2, rest))) >> POINT;
    let scaled = match u32::try_from(whole) {
        Ok(up) if up < 63 => scaled << up,
        Ok(_) => scaled.saturating_mul(u128::from(u64::MAX)),
        Err(_) => scaled >> whole.unsigned_abs().min(127),
    };
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINT_ONE: f64 = (1_u64 << POINT) as f64;

    fn near(found: f64, right: f64, part: f64) {
        assert!((found - right).abs() <= part * right.abs().max(1.0), "{found} for {right}");
    }

    /// So many draws, evenly spread.
    fn draws(count: u64) -> impl Iterator<Item = Draw> {
        (0..count).map(|number| Draw::new(7, 1, 2, number))
    }

    #[test]
    fn the_tables_say_what_floats_say() {
        for nth in 0..10_000_u64 {
            let bits = nth * (u64::MAX / 10_000) + nth;
            let x = bits as f64 / 2_f64.powi(64);
            near(look_up(&LN, bits) as f64 / POINT_ONE, x.ln_1p(), 2e-6);
            near(look_up(&EXP2, bits) as f64 / POINT_ONE, x.exp2(), 2e-6);
            let angle = x * core::f64::consts::FRAC_PI_2;
            near(look_up(&SIN, bits) as f64 / POINT_ONE, angle.sin(), 5e-6);
        }
        assert_eq!((LN[0], EXP2[0], SIN[0]), (0, 1 << 32, 0));
        assert_eq!((LN[256], EXP2[256], SIN[256]), (LN_2_SHORT, 1 << 33, 1 << 32));
    }

    #[test]
    fn logarithms_reach_from_one_to_the_smallest_number() {
        for shift in 0..64 {
            for bits in
                [1_u64 << shift, (1_u64 << shift) | (1_u64 << shift >> 1), u64::MAX >> shift]
            {
                let right = -(bits as f64 / 2_f64.powi(64)).ln();
                near(minus_ln(bits) as f64 / POINT_ONE, right, 2e-6);
            }
        }
        assert_eq!(minus_ln(0), minus_ln(1));
    }

    #[test]
    fn exponential_delays_have_their_mean_and_the_share_beyond_it_that_they_should() {
        let samples = Samples::default();
        let mean = Duration::from_millis(10);
        let spread = Spread::Exponential { mean };
        let way = Draw::new(0, 0, 0, 0);
        let times: Vec<_> =
            draws(100_000).map(|draw| spread.time(draw, &samples, way, 0)).collect();
        let sum: Duration = times.iter().sum();
        near(sum.as_secs_f64() / 100_000.0, 0.01, 2e-4);
        for (times_mean, share) in [(1, 0.3679), (2, 0.1353), (5, 0.0067)] {
            let beyond = times.iter().filter(|time| **time > mean * times_mean).count();
            near(beyond as f64 / 100_000.0, share, 0.006);
        }
    }

    #[test]
    fn log_normal_delays_have_their_median_and_their_quantiles() {
        let samples = Samples::default();
        let spread = Spread::LogNormal { median: Duration::from_millis(50), sigma: 500_000 };
        let way = Draw::new(0, 0, 0, 0);
        let mut times: Vec<_> =
            draws(100_000).map(|draw| spread.time(draw, &samples, way, 0)).collect();
        times.sort_unstable();
        // Normal quantiles, and e to the half of them.
        for (share, factor) in [(2_275, 0.3679), (15_866, 0.6065), (50_000, 1.0), (84_134, 1.6487)]
        {
            let found = times[share].as_secs_f64() / 0.05;
            assert!((found / factor - 1.0).abs() < 0.02, "{found} for {factor}");
        }
    }

    #[test]
    fn spreads_of_any_size_saturate_and_never_wrap() {
        let furthest = normal(0, u64::MAX >> 1);
        near(furthest as f64 / POINT_ONE, 9.419, 1e-3);
        assert_eq!(log_normal(u64::MAX, u32::MAX, furthest), u64::MAX);
        assert_eq!(log_normal(1, u32::MAX, furthest), u64::MAX);
        assert_eq!(log_normal(u64::MAX, u32::MAX, -furthest), 0);
        assert_eq!(log_normal(0, u32::MAX, furthest), 0);
        assert_eq!(exponential(u64::MAX, 0), u64::MAX);
        assert_eq!(exponential(1_000, u64::MAX), 0);
        for normal in [furthest, -furthest] {
            let right = 1e9 * (normal as f64 / POINT_ONE * 2.0).exp();
            let found = log_normal(1_000_000_000, 2_000_000, normal) as f64;
            assert!((found / right - 1.0).abs() < 1e-3 || found <= 7.0, "{found} for {right}");
        }
    }

    #[test]
    fn samples_are_drawn_each_as_often_and_a_series_in_its_order() {
        let mut samples = Samples::default();
        let measured: Vec<_> = (1..=10).map(Duration::from_millis).collect();
        let id = samples.add(&measured);
        let way = Draw::new(3, 1, 2, 0);
        for sample in &measured {
            let drawn = draws(10_000)
                .filter(|draw| Spread::Samples(id).time(*draw, &samples, way, 0) == *sample);
            assert!((900..1_100).contains(&drawn.count()));
        }
        let series: Vec<_> = (0..20)
            .zip(draws(20))
            .map(|(number, draw)| Spread::Series(id).time(draw, &samples, way, number))
            .collect();
        for pair in series.windows(2) {
            let next = pair[0].as_millis() % 10 + 1;
            assert_eq!(pair[1].as_millis(), next);
        }
        let missing = Spread::Samples(SamplesId(1)).time(way, &samples, way, 0);
        assert_eq!(missing, Duration::ZERO);
        let none = samples.add(&[]);
        assert_eq!(Spread::Series(none).time(way, &samples, way, 5), Duration::ZERO);
    }
}
