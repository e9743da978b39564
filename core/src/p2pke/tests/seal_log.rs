//! Every seal of this thread while it is watched: a second one under the same key and counter
//! panics.

use core::cell::RefCell;
use std::collections::BTreeSet;

std::thread_local! {
    static SEEN: RefCell<Option<BTreeSet<([u8; 32], u32)>>> = const { RefCell::new(None) };
}

/// Called by each seal with the hash of the key.
pub(crate) fn note(key: [u8; 32], counter: u32) {
    SEEN.with_borrow_mut(|seen| {
        if let Some(seen) = seen {
            assert!(seen.insert((key, counter)), "counter {counter} sealed twice under one key");
        }
    });
}

/// Watches from now on until dropped.
pub(crate) struct Watch(());

impl Watch {
    pub(crate) fn start() -> Self {
        SEEN.set(Some(BTreeSet::new()));
        Self(())
    }

    /// How many seals were seen.
    pub(crate) fn seals(&self) -> usize {
        SEEN.with_borrow(|seen| seen.as_ref().map_or(0, BTreeSet::len))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        SEEN.set(None);
    }
}
