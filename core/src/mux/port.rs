//! One channel of a multiplexer.

use super::Channel;
use crate::limits::Limits;
use crate::outbox::Outbox;
use crate::swarm::{Event, Link};
use crate::up::Up;
use alloc::vec::Vec;

/// One channel: its header, and what waits on its two sides.
#[derive(Clone, Debug)]
pub(super) struct Port<A, C> {
    pub(super) channel: C,
    pub(super) header: Vec<u8>,
    pub(super) up: Up<A>,
    pub(super) out: Outbox<A>,
    // Bytes it may still send in this turn; below zero, what it took too much.
    pub(super) deficit: i64,
    pub(super) active: bool,
    pub(super) reporting: bool,
    // It told something at some time.
    pub(super) told: bool,
    // Its requests that have no outcome yet.
    pub(super) asking: usize,
    pub(super) closing: Closing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Closing {
    No,
    /// It alone, whatever the others do.
    Alone,
    /// The swarm below too, if it is the last.
    WithSwarm,
    /// It is not in the index any more.
    Done,
}

impl<A: Clone + Ord, C: Channel> Port<A, C> {
    pub(super) fn new(channel: C, limits: &Limits) -> Self {
        let mut header = Vec::new();
        channel.write(&mut header);
        Self {
            channel,
            header,
            up: Up::new(limits),
            out: Outbox::new(limits.send_per_peer, limits.send_per_channel),
            deficit: 0,
            active: false,
            reporting: false,
            told: false,
            asking: 0,
            closing: Closing::No,
        }
    }

    pub(super) fn link(&mut self, link: &Link<A>) {
        let mut link = link.clone().less(self.header.len());
        link.ask_max = link.ask_max.saturating_sub(self.header.len());
        self.up.push(Event::Link(link));
    }

    pub(super) fn path_mtu(&mut self, dst: &A, unit: usize, tell_max: usize) {
        let less = |bytes: usize| bytes.saturating_sub(self.header.len());
        let (unit, tell_max) = (less(unit), less(tell_max));
        self.up.push(Event::PathMtu { dst: dst.clone(), unit, tell_max });
    }
}
