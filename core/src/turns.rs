//! Who waits for their turn, each as often as the others.
//!
//! Bounds: the caller's, who names those that wait.

use alloc::collections::BTreeSet;
use core::hash::{Hash, Hasher};
use core::ops::Bound;

/// Those that wait, by name. Whoever's turn it was comes last, so that nobody waits for the same few for ever.
#[derive(Debug)]
pub(crate) struct Turns<T> {
    waiting: BTreeSet<T>,
    /// Whose turn it was last.
    last: Option<T>,
}

impl<T: Copy + Ord> Turns<T> {
    pub(crate) const fn new() -> Self {
        Self { waiting: BTreeSet::new(), last: None }
    }

    pub(crate) fn insert(&mut self, name: T) {
        self.waiting.insert(name);
    }

    pub(crate) fn remove(&mut self, name: &T) {
        self.waiting.remove(name);
    }

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
        (&self.waiting, &self.last).hash(state);
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
        (0..3).for_each(|name| turns.remove(&name));
        assert!(turns.is_empty() && turns.next().is_none());
    }
}
