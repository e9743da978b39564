//! A set of numbers, kept as the ranges that it consists of.

use crate::outbox::OVERHEAD;
use alloc::vec::Vec;

/// What a range takes, in bytes.
const RANGE: usize = size_of::<(u64, u64)>();
/// Ranges that room is made for at once: in the bytes that a request counts until it is over, so that
/// to note that it is costs no more than it did.
const STEP: usize = OVERHEAD / RANGE;
/// Ranges that count nothing: whoever is honest seldom needs more.
const FREE: usize = 16;

/// Numbers as half-open ranges: sorted, apart from one another, none empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// The empty set.
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds `from..to`, and returns how many of these numbers are new.
    pub(super) fn insert(&mut self, from: u64, to: u64) -> u64 {
        if from >= to {
            return 0;
        }
        // Most often it goes on where the last range ends.
        match self.0.last_mut() {
            Some(last) if from == last.1 => {
                last.1 = to;
                return to - from;
            }
            Some(last) if from < last.1 => {}
            _ => {
                self.make_room();
                self.0.push((from, to));
                return to - from;
            }
        }
        // All that overlap or touch it become one.
        let first = self.0.partition_point(|range| range.1 < from);
        let end = self.0.partition_point(|range| range.0 <= to);
        let (mut start, mut stop, mut had) = (from, to, 0);
        for range in self.0.get(first..end).unwrap_or(&[]) {
            had += range.1.min(to).saturating_sub(range.0.max(from));
            (start, stop) = (start.min(range.0), stop.max(range.1));
        }
        if first == end {
            self.make_room();
        }
        self.0.splice(first..end, [(start, stop)]);
        self.give_room_back();
        to - from - had
    }

    /// Room for one range more. A vector by itself would double what it takes.
    fn make_room(&mut self) {
        if self.0.len() == self.0.capacity() {
            self.0.reserve_exact(STEP);
        }
    }

    /// Gives back what counts, where far fewer ranges are left than there is room for.
    fn give_room_back(&mut self) {
        let (len, capacity) = (self.0.len(), self.0.capacity());
        if capacity > FREE && len <= (capacity / 4).max(FREE / 2) {
            self.0.shrink_to((len * 2).max(FREE));
        }
    }

    /// What it counts, in bytes: what it takes beyond [`FREE`] ranges.
    pub(super) const fn weight(&self) -> usize {
        self.0.capacity().saturating_sub(FREE) * RANGE
    }

    /// By how much it would count more with `number` in it, at the most.
    pub(super) fn growth_with(&self, number: u64) -> usize {
        let fits = self.len_with(number) <= self.0.capacity();
        if fits { 0 } else { (self.0.capacity() + STEP).saturating_sub(FREE).min(STEP) * RANGE }
    }

    /// Whether `number` is in the set.
    pub(super) fn contains(&self, number: u64) -> bool {
        self.covers(number, number.saturating_add(1))
    }

    /// Whether all of `from..to` is in the set.
    pub(super) fn covers(&self, from: u64, to: u64) -> bool {
        let at = self.0.partition_point(|range| range.1 <= from);
        from >= to || self.0.get(at).is_some_and(|range| range.0 <= from && to <= range.1)
    }

    /// How many ranges there would be with `number` in one of them.
    pub(super) fn len_with(&self, number: u64) -> usize {
        let at = self.0.partition_point(|range| range.1 < number);
        let joins = self.0.get(at).is_some_and(|range| range.0 <= number.saturating_add(1));
        self.0.len() + usize::from(!joins)
    }

    /// Takes out all numbers below `number`.
    pub(super) fn remove_below(&mut self, number: u64) {
        let gone = self.0.partition_point(|range| range.1 <= number);
        self.0.drain(..gone);
        if let Some(first) = self.0.first_mut() {
            first.0 = first.0.max(number);
        }
        self.give_room_back();
    }

    /// Keeps the `count` highest ranges.
    pub(super) fn keep_highest(&mut self, count: usize) {
        let over = self.0.len().saturating_sub(count);
        self.0.drain(..over);
    }

    /// How many ranges there are.
    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    /// The highest number.
    pub(super) fn highest(&self) -> Option<u64> {
        self.0.last().map(|range| range.1 - 1)
    }

    /// The ranges from the highest down.
    pub(super) fn descending(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.0.iter().rev().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seed;
    use alloc::collections::BTreeSet;
    use std::eprintln;

    #[test]
    fn ranges_agree_with_a_set() {
        for seed in 0..200 {
            eprintln!("seed {seed}");
            let mut rng = Seed::from_u64(seed).rng("ranges");
            let (mut ranges, mut model) = (Ranges::new(), BTreeSet::new());
            for _ in 0..60 {
                let from = rng.below(60);
                let to = from + rng.below(6);
                match rng.below(8) {
                    0 => {
                        ranges.remove_below(from);
                        model.retain(|number| *number >= from);
                    }
                    _ => {
                        let new = (from..to).filter(|number| model.insert(*number)).count();
                        assert_eq!(ranges.insert(from, to), new as u64);
                    }
                }
                let listed: Vec<u64> = ranges.0.iter().flat_map(|range| range.0..range.1).collect();
                assert!(listed.iter().eq(model.iter()), "{ranges:?} and {model:?}");
                assert!(ranges.0.windows(2).all(|pair| pair[0].1 < pair[1].0), "{ranges:?}");
                assert_eq!(
                    ranges.covers(from, to),
                    (from..to).all(|number| model.contains(&number))
                );
                let mut with = ranges.clone();
                with.insert(from, from + 1);
                assert!(ranges.len_with(from) >= with.len());
                let (mut with, before) = (ranges.clone(), ranges.weight());
                with.0.reserve_exact(ranges.0.capacity() - with.0.len());
                with.insert(from, from + 1);
                assert!(with.weight() <= before + ranges.growth_with(from));
            }
        }
    }
}
