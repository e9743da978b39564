//! Who waits for their turn, each as often as the others; and who is held back until that is over.
//!
//! Bounds: the caller's, who names those that wait.

use alloc::collections::BTreeSet;
use core::hash::{Hash, Hasher};
use core::ops::Bound;

/// Those that wait, by name. Whoever's turn it was comes last, so that nobody waits for the same few for ever.
#[derive(Debug)]
pub(crate) struct Turns<T> {
    waiting: BTreeSet<T>,
    held_back: BTreeSet<T>,
    /// Whose turn it was last.
    last: Option<T>,
}

impl<T: Copy + Ord> Turns<T> {
    pub(crate) const fn new() -> Self {
        Self { waiting: BTreeSet::new(), held_back: BTreeSet::new(), last: None }
    }

    pub(crate) fn insert(&mut self, name: T) {
        self.waiting.insert(name);
    }

    /// It gets no turn until all are released.
    pub(crate) fn hold(&mut self, name: T) {
        self.held_back.insert(name);
    }

    pub(crate) fn release(&mut self) {
        self.waiting.append(&mut self.held_back);
    }

    pub(crate) fn remove(&mut self, name: &T) {
        self.waiting.remove(name);
        self.held_back.remove(name);
    }

    #[cfg(feature = "quic")]
    pub(crate) fn is_held(&self, name: &T) -> bool {
        self.held_back.contains(name)
    }

    /// Whether nobody waits, but for those that are held back.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes out whose turn it is.
    pub(crate) fn next(&mut self) -> Option<T> {
        let after = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let mut further = self.waiting.range((after, Bound::Unbounded));
        let name = *further.next().or_else(|| self.waiting.first())?;
        self.last = Some(name);
        self.waiting.remove(&name);
        Some(name)
    }
}

impl<T: Hash> Hash for Turns<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.waiting, &self.held_back, &self.last).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::Turns;

    #[test]
    fn each_has_its_turn_though_others_come_again_at_once() {
        let mut turns = Turns::new();
        (0..3).for_each(|name| turns.insert(name));
        let mut had = [0; 3];
        for _ in 0..30 {
            let name = turns.next().unwrap();
            had[name] += 1;
            turns.insert(name);
        }
        assert_eq!(had, [10; 3]);
        turns.remove(&1);
        turns.hold(1);
        assert_eq!([turns.next(), turns.next(), turns.next()], [Some(0), Some(2), None]);
        turns.release();
        assert_eq!(turns.next(), Some(1));
        (0..3).for_each(|name| turns.insert(name));
        (0..3).for_each(|name| turns.remove(&name));
        assert!(turns.is_empty() && turns.next().is_none());
    }
}
