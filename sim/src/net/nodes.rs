//! What a scenario says about nodes and their condition, and what it asks about them afterwards.

use super::condition::Pace;
use super::ledger::Happened;
use super::record::{Divergence, Hashed, Record, Recorder, SECOND};
use super::shard::Shard;
use super::trace::Trace;
use super::{App, Network, Tap};
use core::time::Duration;
use tellask::{Datagram, DatagramInput, Instant, Layer, MemoryAddr};

impl<L, A, T> Network<L, A, T>
where
    L: Layer<Input = DatagramInput<MemoryAddr>, Transmit = Datagram<MemoryAddr>>,
    A: App<L>,
    T: Tap<A::Note>,
{
    /// How fast the node at `addr` is, from now on, and how many datagrams may wait for it. It is as fast after a
    /// crash.
    pub fn set_pace(&mut self, addr: MemoryAddr, pace: Pace) {
        self.act(addr, |shard, _| shard.set_condition(addr, |condition| condition.pace = pace));
    }

    /// The node at `addr` does nothing until it [goes on](Self::go_on): its timers do not ring, and what arrives waits.
    /// What the scenario itself has its [application](Self::app) do is done all the same. A crash ends it.
    pub fn pause(&mut self, addr: MemoryAddr) {
        self.act(addr, |shard, _| shard.set_condition(addr, |condition| condition.paused = true));
    }

    /// A node that was paused goes on: a nanosecond later it turns to all that waited, and to the timers that were due, in
    /// the order of their times.
    pub fn go_on(&mut self, addr: MemoryAddr) {
        self.act(addr, |shard, _| shard.set_condition(addr, |condition| condition.paused = false));
    }

    /// The clock of the node at `addr` gains so many millionths from now on, or loses them; half of its speed at the
    /// most. It is the time that the node and its application are told, and it goes on through crashes. The network,
    /// its trace and who listens in keep to that of the network.
    pub fn set_drift(&mut self, addr: MemoryAddr, ppm: i32) {
        let now = self.now;
        let drift = |shard: &mut Shard<L, A>| {
            shard.set_condition(addr, |condition| condition.clock.drift(now, ppm));
        };
        self.act(addr, |shard, _| drift(shard));
    }

    /// The clock of the node at `addr` jumps ahead, as it does where a machine slept. Timers that are due by it ring.
    pub fn jump(&mut self, addr: MemoryAddr, by: Duration) {
        let now = self.now;
        let jump = |shard: &mut Shard<L, A>| {
            shard.set_condition(addr, |condition| condition.clock.jump(now, by));
        };
        self.act(addr, |shard, _| jump(shard));
    }

    /// What time it is by the clock of the node at `addr`.
    #[must_use]
    pub fn local_now(&self, addr: MemoryAddr) -> Option<Instant> {
        Some(self.slot(addr)?.local(self.now))
    }

    /// The node at `from` is at `to` from now on, with all its state, and is bound anew. What is on its way to where
    /// it was finds nobody; what waited for it, the [pipes](Self::lay) that were laid out of it, and what a NAT
    /// knew of it are left behind. Returns whether it went: there has to be a node, and nobody where it goes.
    pub fn roam(&mut self, from: MemoryAddr, to: MemoryAddr) -> bool {
        if self.slot(from).is_none() || self.slot(to).is_some() {
            return false;
        }
        let mut pulled = None;
        self.act(from, |shard, _| pulled = shard.pull(from));
        let Some(mut slot) = pulled else { return false };
        slot.addr = to;
        self.act(to, |shard, _| shard.put(slot));
        self.bind(to);
        true
    }

    /// Keeps a [record](Record) of every second that ends from now on.
    pub fn keep_record(&mut self) {
        self.recorder = Some(Box::new(Recorder::new(self.now, None)));
    }

    /// Keeps a record, and compares it with `expected`, which has to begin with the same second, as it grows:
    /// [`divergence`](Self::divergence) says what came of it.
    pub fn check_record(&mut self, expected: Record) {
        self.recorder = Some(Box::new(Recorder::new(self.now, Some(expected))));
    }

    /// Where this run differs for the first time from the record that it is [checked against](Self::check_record).
    #[must_use]
    pub fn divergence(&self) -> Option<Divergence> {
        self.recorder.as_ref()?.divergence()
    }

    /// The record that was kept, which ends the keeping.
    pub fn take_record(&mut self) -> Record {
        self.recorder.take().map(|recorder| recorder.into_record()).unwrap_or_default()
    }

    /// Keeps each event of all nodes in the second that ends so many after the epoch.
    pub fn keep_events(&mut self, second: u64) {
        let end = second.saturating_mul(SECOND);
        for shard in &mut self.shards {
            shard.post.kept = Some(end.saturating_sub(SECOND - 1)..=end);
        }
    }

    /// The events of a node that were kept, in their order; of what concerned no node where there is none
    /// named.
    #[must_use]
    pub fn events(&self, node: Option<MemoryAddr>) -> Vec<Happened> {
        if let Some(node) = node {
            return self.slot(node).map(|slot| slot.ledger.kept().to_vec()).unwrap_or_default();
        }
        let unheard = self.shards.iter().flat_map(|shard| shard.unheard.kept());
        let mut events: Vec<_> = self.ledger.kept().iter().chain(unheard).copied().collect();
        events.sort_by_key(|event| (event.at, event.what.id()));
        events
    }

    /// The end of the second that is recorded next, if it is not after `until`.
    pub(super) fn second_before(&self, until: Instant) -> Option<Instant> {
        Some(self.recorder.as_ref()?.next()).filter(|end| *end <= until)
    }

    /// Records all seconds that end before this nanosecond, at which something happens.
    pub(super) fn record_before(&mut self, at: u64) {
        let Some(mut recorder) = self.recorder.take() else { return };
        while recorder.next().as_nanos() < at {
            recorder.end(self.hashes());
        }
        self.recorder = Some(recorder);
    }

    /// The hashes of all, in order.
    fn hashes(&self) -> impl Iterator<Item = Hashed> {
        let nodes = self.slots().map(|slot| (Some(slot.addr), slot.ledger.trace.hash()));
        core::iter::once((None, self.elsewhere().hash())).chain(nodes)
    }

    /// The trace of what concerns no node that is there.
    pub(super) fn elsewhere(&self) -> Trace {
        let mut trace = self.ledger.trace;
        self.shards.iter().for_each(|shard| trace.merge(shard.elsewhere));
        trace
    }
}
