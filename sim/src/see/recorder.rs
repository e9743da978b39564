//! Listening in for a recording.

use super::Recording;
use crate::net::{Sighting, Tap};
use core::cell::RefCell;
use core::fmt;
use std::rc::Rc;
use tellask::{Instant, MemoryAddr};

/// How what an application says is put in words; `None` for what is not worth a line.
pub type Label<N> = fn(&N) -> Option<String>;

/// Records what another tap is told, and passes everything on to that one. Clones share the recording, so that a
/// scenario keeps one and gives one to its network.
pub struct Recorder<T = (), N = ()> {
    tap: T,
    recording: Option<Rc<RefCell<Recording>>>,
    label: Label<N>,
}

impl<T, N> Recorder<T, N> {
    /// Records into `recording`, with notes put in words by `label`.
    #[must_use]
    pub fn new(tap: T, recording: Recording, label: Label<N>) -> Self {
        Self { tap, recording: Some(Rc::new(RefCell::new(recording))), label }
    }

    /// Records nothing, for the runs that nobody wants to see.
    #[must_use]
    pub const fn off(tap: T) -> Self {
        Self { tap, recording: None, label: |_| None }
    }

    /// Whether it records.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.recording.is_some()
    }

    /// Adds something to the recording, or writes it out; `None` where there is none.
    pub fn with<R>(&self, act: impl FnOnce(&mut Recording) -> R) -> Option<R> {
        Some(act(&mut self.recording.as_ref()?.borrow_mut()))
    }

    /// The tap that everything is passed on to.
    #[must_use]
    pub const fn inner(&self) -> &T {
        &self.tap
    }

    /// The same, to tell it what to listen for.
    pub const fn inner_mut(&mut self) -> &mut T {
        &mut self.tap
    }
}

impl<T: Tap<N>, N> Tap<N> for Recorder<T, N> {
    fn see(&mut self, sighting: &Sighting<'_>) {
        self.with(|recording| recording.see(sighting));
        self.tap.see(sighting);
    }

    fn hear(&mut self, now: Instant, addr: MemoryAddr, said: N) {
        if let Some(recording) = &self.recording
            && let Some(text) = (self.label)(&said)
        {
            recording.borrow_mut().note(now, addr, text);
        }
        self.tap.hear(now, addr, said);
    }
}

impl<T: Clone, N> Clone for Recorder<T, N> {
    fn clone(&self) -> Self {
        Self { tap: self.tap.clone(), recording: self.recording.clone(), label: self.label }
    }
}

impl<T: fmt::Debug, N> fmt::Debug for Recorder<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("tap", &self.tap).field("is_on", &self.is_on()).finish()
    }
}
