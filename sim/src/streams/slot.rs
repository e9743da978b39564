//! A node with its ends of connections, and what it has to do with the network.

use super::half::Half;
use super::segment::End;
use crate::engine::Key;
use crate::net::{App, Cx, Ledger, Seen};
use std::collections::BTreeMap;
use tellask::{Instant, Layer, MemoryAddr, Node, StreamId, StreamInput};

/// A node and its application.
pub(super) struct Slot<L, A> {
    /// `None` while it is crashed.
    pub(super) node: Option<Node<L>>,
    pub(super) app: A,
    pub(super) listens: bool,
    /// Connections dialled, by destination, and accepted. They go on after a crash.
    pub(super) dialled: BTreeMap<MemoryAddr, u64>,
    pub(super) accepted: u64,
    pub(super) halves: BTreeMap<End, Half>,
    pub(super) ids: BTreeMap<StreamId, End>,
    pub(super) log: Log,
    /// When its next timer is due, and the earliest of its events in the wheel.
    pub(super) armed: Option<Instant>,
    pub(super) rings: Option<Instant>,
}

/// What a node did.
pub(super) struct Log {
    pub(super) addr: MemoryAddr,
    pub(super) ledger: Ledger,
    /// Events caused: what they are ordered by.
    pub(super) caused: u64,
}

impl Log {
    pub(super) fn key(&mut self, at: Instant) -> Key {
        let number = self.caused & 0x7fff_ffff;
        self.caused += 1;
        Key { at: at.as_nanos(), rank: (u64::from(self.addr.0) + 1) << 31 | number }
    }
}

impl<L, A> Slot<L, A> {
    pub(super) fn new(addr: MemoryAddr, app: A) -> Self {
        Self {
            node: None,
            app,
            listens: true,
            dialled: BTreeMap::new(),
            accepted: 0,
            halves: BTreeMap::new(),
            ids: BTreeMap::new(),
            log: Log { addr, ledger: Ledger::default(), caused: 0 },
            armed: None,
            rings: None,
        }
    }

    /// The end of a connection that its node calls so.
    pub(super) fn end(&self, id: StreamId) -> Option<End> {
        self.ids.get(&id).copied()
    }

    /// The same, with what it holds.
    pub(super) fn find(&mut self, id: StreamId) -> Option<(End, &mut Half)> {
        let end = self.end(id)?;
        Some((end, self.halves.get_mut(&end)?))
    }

    pub(super) fn insert(&mut self, end: End, half: Half) {
        self.ids.insert(half.id, end);
        self.halves.insert(end, half);
    }

    pub(super) fn take(&mut self, end: End) -> Option<Half> {
        let half = self.halves.remove(&end)?;
        self.ids.remove(&half.id);
        Some(half)
    }

    pub(super) fn forget(&mut self) {
        (self.node, self.armed) = (None, None);
        self.halves.clear();
        self.ids.clear();
    }
}

impl<L, A> Slot<L, A>
where
    L: Layer<Input = StreamInput<MemoryAddr>>,
    A: App<L>,
{
    /// Tells the stack something.
    pub(super) fn tell(&mut self, now: Instant, input: StreamInput<MemoryAddr>) {
        if let Some(node) = &mut self.node {
            node.handle_input(now, input);
        }
    }

    /// What the application is lent, unless the node crashed, and the application.
    pub(super) fn lend<'a>(
        &'a mut self,
        now: Instant,
        key: Key,
        said: &'a mut Vec<(Key, Seen<A::Note>)>,
    ) -> (Option<Cx<'a, L, A::Note>>, &'a mut A) {
        let Self { node, app, log, .. } = self;
        let cx = node.as_mut().map(|node| Cx {
            now,
            addr: log.addr,
            node,
            global: now,
            ledger: &mut log.ledger,
            kept: &None,
            key,
            seen: Some(said),
        });
        (cx, app)
    }
}
