//! The events that are to come, in their order.
//!
//! A queue of events by time for simulations, where most of them are far from the next one and nobody takes
//! one out of the middle. It is a hierarchical wheel, as timers are kept in (Varghese and Lauck, 1987), but
//! it rounds nothing: a bucket is sorted when it is opened, so events come in the exact order of
//! their keys. To put one in costs a push to a bucket, however many there are. A bucket that is not small is not
//! sorted but spread over the level below, so each event is moved a few times and then sorted
//! among a few hundred neighbours that fit into the cache.
//!
//! | level | a bucket is as wide as | buckets |
//! |---|---|---|
//! | 0 | 1,024 ns | 256 |
//! | *n* | all of the level below | 256 |
//!
//! Seven levels reach to the end of time. Where events are rare a bucket of up to 67 ms is small and is opened
//! at once. What is put in for a time that is open already goes into a heap beside it, which is as large
//! as that time is busy.
//!
//! Bounds: memory follows what is in it; small buckets that were emptied keep theirs for the next.

use core::cmp::{Ordering, Reverse};
use core::fmt;
use std::collections::BinaryHeap;

/// Bits of a nanosecond that the lowest level does not look at.
const GRAIN: u32 = 10;
/// Bits that each level looks at.
const BITS: u32 = 8;
const BUCKETS: usize = 1 << BITS;
const LEVELS: usize = (u64::BITS - GRAIN).div_ceil(BITS) as usize;
/// A bucket of so many, of a level up to this, is sorted and not spread. The lowest level always is.
const SMALL: usize = 1_024;
const OPENED: usize = 2;
/// Emptied buckets of this capacity, and so many of them, are kept for the next.
const KEPT: usize = 4 * SMALL;
const SPARE: usize = 2 * BUCKETS;

/// When an event happens, and which of those that happen at one time goes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Nanoseconds since the epoch.
    pub at: u64,
    /// The order of events of one instant, the least first. It comes from who caused the event and how
    /// many they had caused before, never from the order in which events were put in.
    pub rank: u64,
}

struct Entry<T> {
    key: Key,
    event: T,
}

/// Events by their keys. Events with equal keys come in no particular order: give them different ranks.
pub struct Wheel<T> {
    /// What comes next, the first at the end: all before `horizon` that was there when it was opened.
    open: Vec<Entry<T>>,
    /// What was put in before `horizon` since.
    late: BinaryHeap<Entry<T>>,
    /// In nanoseconds; nothing in the levels is earlier. At the end of time nothing is in them.
    horizon: u64,
    /// The levels, but for the lowest, at which the bucket that the horizon is in is not empty: they were
    /// not spread, since they begin just there. The levels below are empty.
    begun: u32,
    levels: [Level<T>; LEVELS],
    len: usize,
    /// Emptied buckets, with their memory.
    spare: Vec<Vec<Entry<T>>>,
}

struct Level<T> {
    buckets: Vec<Vec<Entry<T>>>,
    /// Which of them are not empty.
    occupied: [u64; BUCKETS / 64],
}

impl<T> Level<T> {
    fn new() -> Self {
        Self { buckets: Vec::new(), occupied: [0; BUCKETS / 64] }
    }

    fn push(&mut self, at: usize, entry: Entry<T>, spare: &mut Vec<Vec<Entry<T>>>) {
        if self.buckets.is_empty() {
            self.buckets.resize_with(BUCKETS, Vec::new);
        }
        let (Some(bucket), Some(word)) = (self.buckets.get_mut(at), self.occupied.get_mut(at / 64))
        else {
            return;
        };
        if bucket.capacity() == 0
            && let Some(memory) = spare.pop()
        {
            *bucket = memory;
        }
        bucket.push(entry);
        *word |= 1 << (at % 64);
    }

    /// The first bucket that is not empty, from this one on.
    fn first(&self, from: usize) -> Option<usize> {
        let mut mask = u64::MAX << (from % 64);
        for (nth, word) in self.occupied.iter().enumerate().skip(from / 64) {
            let found = word & core::mem::replace(&mut mask, u64::MAX);
            if found != 0 {
                return Some(nth * 64 + found.trailing_zeros() as usize);
            }
        }
        None
    }

    fn is_occupied(&self, at: usize) -> bool {
        self.occupied.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 > 0)
    }

    fn take(&mut self, at: usize) -> Vec<Entry<T>> {
        if let Some(word) = self.occupied.get_mut(at / 64) {
            *word &= !(1 << (at % 64));
        }
        self.buckets.get_mut(at).map(core::mem::take).unwrap_or_default()
    }
}

/// The bits that a level looks at, of a time.
const fn digit(at: u64, level: usize) -> usize {
    ((at >> (GRAIN + BITS * level as u32)) as usize) & (BUCKETS - 1)
}

/// How wide a bucket of a level is, in bits.
const fn width(level: usize) -> u32 {
    GRAIN + BITS * level as u32
}

impl<T> Wheel<T> {
    /// One without events.
    #[must_use]
    pub fn new() -> Self {
        Self {
            open: Vec::new(),
            late: BinaryHeap::new(),
            horizon: 0,
            begun: 0,
            levels: core::array::from_fn(|_| Level::new()),
            len: 0,
            spare: Vec::new(),
        }
    }

    /// How many events are in it.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Puts an event in. It may be earlier than what was taken out before, and comes next then.
    pub fn push(&mut self, key: Key, event: T) {
        self.len += 1;
        self.place(Entry { key, event });
    }

    /// The next event, to look at.
    #[must_use]
    pub fn peek(&mut self) -> Option<(Key, &T)> {
        self.refill();
        let next = match (self.open.last(), self.late.peek()) {
            (Some(open), Some(late)) if late.key < open.key => Some(late),
            (None, late) => late,
            (open, _) => open,
        };
        next.map(|entry| (entry.key, &entry.event))
    }

    /// Some of the next events, in their order, as far as they are sorted already. Others may come between them.
    pub fn sorted(&self) -> impl Iterator<Item = &T> {
        self.open.iter().rev().map(|entry| &entry.event)
    }

    /// Takes the next event out.
    pub fn pop(&mut self) -> Option<(Key, T)> {
        self.refill();
        let next = match (self.open.last(), self.late.peek()) {
            (Some(open), Some(late)) if late.key < open.key => self.late.pop(),
            (None, Some(_)) => self.late.pop(),
            _ => self.open.pop(),
        };
        let Entry { key, event } = next?;
        self.len -= 1;
        Some((key, event))
    }

    /// All events, in no particular order; it is empty afterwards.
    pub fn drain(&mut self) -> Vec<(Key, T)> {
        let levels = core::mem::replace(&mut self.levels, core::array::from_fn(|_| Level::new()));
        let filed = levels.into_iter().flat_map(|level| level.buckets).flatten();
        let all = self.open.drain(..).chain(self.late.drain()).chain(filed);
        self.len = 0;
        self.begun = 0;
        all.map(|Entry { key, event }| (key, event)).collect()
    }

    fn place(&mut self, entry: Entry<T>) {
        let at = entry.key.at;
        // The last nanosecond of all is never behind the horizon.
        if at < self.horizon || self.horizon == u64::MAX {
            self.late.push(entry);
            return;
        }
        // The highest digit in which it differs from the horizon says at which level their ways part;
        // what would come into a bucket that was not spread goes there.
        let differs = (at ^ self.horizon) >> GRAIN;
        let parts = (u64::BITS - differs.leading_zeros()).saturating_sub(1) / BITS;
        let level = parts.max(self.begun.checked_ilog2().unwrap_or(0)) as usize;
        if let Some(buckets) = self.levels.get_mut(level) {
            buckets.push(digit(at, level), entry, &mut self.spare);
        }
    }

    /// Opens the next bucket where nothing is open.
    fn refill(&mut self) {
        while self.open.is_empty() && self.late.is_empty() && self.len > 0 {
            let horizon = self.horizon;
            let mut levels = self.levels.iter_mut().enumerate();
            let found = levels.find_map(|(level, buckets)| {
                let first = buckets.first(digit(horizon, level))?;
                Some((level, first, buckets.take(first)))
            });
            let Some((level, bucket, mut entries)) = found else { return };
            let start = start_of(horizon, level, bucket);
            if level == 0 || (level <= OPENED && entries.len() <= SMALL) {
                entries.sort_unstable_by_key(|entry| Reverse(entry.key));
                core::mem::swap(&mut self.open, &mut entries);
                self.advance(start.saturating_add(1 << width(level)));
            } else {
                self.advance(start);
                entries.drain(..).for_each(|entry| self.place(entry));
            }
            if (1..=KEPT).contains(&entries.capacity()) && self.spare.len() < SPARE {
                self.spare.push(entries);
            }
        }
    }

    fn advance(&mut self, horizon: u64) {
        self.horizon = horizon;
        let levels = self.levels.iter().enumerate().skip(1);
        let begun = levels.filter(|(level, buckets)| buckets.is_occupied(digit(horizon, *level)));
        self.begun = begun.fold(0, |begun, (level, _)| begun | 1 << level);
    }
}

/// When a bucket begins that is not before the horizon.
const fn start_of(horizon: u64, level: usize, bucket: usize) -> u64 {
    let above = width(level) + BITS;
    let before = if above < u64::BITS { horizon >> above << above } else { 0 };
    before | (bucket as u64) << width(level)
}

impl<T> Default for Wheel<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Wheel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { horizon, len, .. } = self;
        f.debug_struct("Wheel").field("len", len).field("horizon", horizon).finish_non_exhaustive()
    }
}

/// The heap gives the greatest first: the greatest is what comes next.
impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key.cmp(&self.key)
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl<T> Eq for Entry<T> {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// What is done to a wheel: `Some` puts an event in, so long after the last that was taken out.
    fn programs() -> impl Strategy<Value = Vec<Option<u64>>> {
        let delays = prop_oneof![
            4 => 0..3_u64,
            4 => 0..5_000_u64,
            4 => 0..1_000_000_u64,
            2 => (0..64_u32).prop_map(|bits| 1 << bits),
            2 => (0..64_u32).prop_map(|bits| (1 << bits) - 1),
            1 => any::<u64>(),
        ];
        let step = prop_oneof![3 => delays.prop_map(Some), 2 => Just(None)];
        proptest::collection::vec(step, 0..3_000)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn events_come_in_the_order_of_their_keys(program in programs(), bursts: bool) {
            let (mut wheel, mut model) = (Wheel::new(), BTreeSet::new());
            let (mut now, mut rank) = (0_u64, 0_u64);
            for step in program {
                match step {
                    Some(delay) => {
                        // Bursts overfill buckets, so that they are spread.
                        for _ in 0..if bursts && delay % 7 == 0 { 600 } else { 1 } {
                            rank += 1;
                            let at = now.saturating_add(delay).saturating_add(rank % 3);
                            // So that ranks are not in the order of arrival.
                            let key = Key { at, rank: rank.reverse_bits() };
                            wheel.push(key, key);
                            model.insert(key);
                        }
                    }
                    None => {
                        let first = model.pop_first();
                        prop_assert_eq!(wheel.peek(), first.as_ref().map(|key| (*key, key)));
                        prop_assert_eq!(wheel.pop(), first.map(|key| (key, key)));
                        now = first.map_or(now, |key| key.at);
                    }
                }
                prop_assert_eq!(wheel.len(), model.len());
            }
            while let Some(first) = model.pop_first() {
                prop_assert_eq!(wheel.pop(), Some((first, first)));
            }
            prop_assert_eq!(wheel.pop(), None);
        }
    }

    #[test]
    fn what_is_put_in_for_the_past_comes_next() {
        let mut wheel = Wheel::new();
        for at in [5_000_000, 1_000_000_000, 3] {
            wheel.push(Key { at, rank: 0 }, at);
        }
        assert_eq!(wheel.pop().map(|(key, _)| key.at), Some(3));
        assert_eq!(wheel.pop().map(|(key, _)| key.at), Some(5_000_000));
        wheel.push(Key { at: 4, rank: 0 }, 4);
        let rest = core::iter::from_fn(|| wheel.pop()).map(|(_, at)| at);
        assert_eq!(rest.collect::<Vec<_>>(), [4, 1_000_000_000]);
    }

    #[test]
    fn all_that_is_drained_was_in_it_and_it_goes_on_empty() {
        let mut wheel = Wheel::new();
        for at in 0..10_000_u64 {
            wheel.push(Key { at: at * 77_777, rank: at }, at);
        }
        (0..1_000).for_each(|at| assert_eq!(wheel.pop().map(|(_, event)| event), Some(at)));
        let mut rest: Vec<_> = wheel.drain().into_iter().map(|(_, event)| event).collect();
        rest.sort_unstable();
        assert_eq!(rest, (1_000..10_000).collect::<Vec<_>>());
        assert!(wheel.is_empty());
        wheel.push(Key { at: 1, rank: 0 }, 1);
        assert_eq!(wheel.pop(), Some((Key { at: 1, rank: 0 }, 1)));
    }
}
