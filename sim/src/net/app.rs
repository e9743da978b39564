//! What stands on a node: an application with virtual timers.

use super::ledger::{Kept, Ledger, What};
use super::tap::Seen;
use crate::engine::Key;
use core::fmt;
use tellask::swarm::{AskError, AskId, TellError};
use tellask::{Instant, Layer, MemoryAddr, Node, Payload, Swarm};

/// The application of one node. It outlives crashes of the node, since it is what a scenario observes with.
pub trait App<L: Layer> {
    /// What it says to whoever listens in.
    type Note;

    /// The node was added, or started again.
    fn on_start(&mut self, cx: &mut Cx<'_, L, Self::Note>) {
        let _ = cx;
    }

    /// The stack has something to say.
    fn on_event(&mut self, cx: &mut Cx<'_, L, Self::Note>, event: L::Event);

    /// When [`on_timeout`](App::on_timeout) is to be called next, by the clock of the node.
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Does what is due by now.
    fn on_timeout(&mut self, cx: &mut Cx<'_, L, Self::Note>) {
        let _ = cx;
    }
}

/// An application that does not listen.
impl<L: Layer> App<L> for () {
    type Note = ();

    fn on_event(&mut self, _: &mut Cx<'_, L>, _: L::Event) {}
}

/// What an application is lent with each call.
pub struct Cx<'a, L, N = ()> {
    pub(crate) now: Instant,
    pub(crate) global: Instant,
    pub(crate) addr: MemoryAddr,
    pub(crate) node: &'a mut Node<L>,
    pub(crate) ledger: &'a mut Ledger,
    pub(crate) kept: &'a Kept,
    /// The event that this belongs to, and where to put what is said; `None` where nobody listens.
    pub(crate) key: Key,
    pub(crate) seen: Option<&'a mut Vec<(Key, Seen<N>)>>,
}

impl<L: Layer, N> Cx<'_, L, N> {
    /// What time it is, by the clock of the node.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// What time it is in the network, whatever the clock of the node shows: to measure with.
    #[must_use]
    pub const fn global_now(&self) -> Instant {
        self.global
    }

    /// Where the node is.
    #[must_use]
    pub const fn addr(&self) -> MemoryAddr {
        self.addr
    }

    /// The node, to look at.
    #[must_use]
    pub const fn node(&self) -> &Node<L> {
        self.node
    }

    /// Hands a command to the stack.
    pub fn command(&mut self, command: L::Command) {
        self.node.handle_command(self.now, command);
    }

    /// Makes `bytes` part of the trace.
    pub fn note(&mut self, bytes: &[u8]) {
        let words = [self.global.as_nanos(), u64::from(self.addr.0)];
        self.ledger.add((self.global, self.kept), What::Note(bytes.len()), &words, bytes);
    }

    /// Says something to whoever listens in.
    pub fn say(&mut self, said: N) {
        if let Some(seen) = &mut self.seen {
            seen.push((self.key, Seen::Said { now: self.global, addr: self.addr, said }));
        }
    }
}

impl<L: Swarm, N> Cx<'_, L, N> {
    /// Sends a message.
    ///
    /// # Errors
    /// The stack did not accept it.
    pub fn tell(&mut self, dst: L::Addr, payload: impl Into<Payload>) -> Result<(), TellError> {
        self.node.tell(self.now, dst, payload)
    }

    /// Sends a request, whose reply comes as an event with the same `id`.
    ///
    /// # Errors
    /// The stack did not accept it.
    pub fn ask(
        &mut self,
        id: AskId,
        dst: L::Addr,
        payload: impl Into<Payload>,
        deadline: Instant,
    ) -> Result<(), AskError> {
        self.node.ask(self.now, id, dst, payload, deadline)
    }
}

impl<L, N> fmt::Debug for Cx<'_, L, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { now, addr, .. } = self;
        f.debug_struct("Cx").field("now", now).field("addr", addr).finish_non_exhaustive()
    }
}
