//! What a scenario says about the ways between nodes.

use super::codel::Codel;
use super::faults::Faults;
use super::links::Mtu;
use super::nat::Nat;
use super::partition::{Partition, PartitionId};
use super::pipe::{Pipe, PipeId, Piped, Piping};
use super::place::Place;
use super::sampling::SamplesId;
use super::send::Outgoing;
use super::verdict::Verdicts;
use super::{App, Network, Tap};
use core::time::Duration;
use tellask::{Datagram, DatagramInput, Layer, MemoryAddr};

impl<L, A, T> Network<L, A, T>
where
    L: Layer<Input = DatagramInput<MemoryAddr>, Transmit = Datagram<MemoryAddr>>,
    A: App<L>,
    T: Tap<A::Note>,
{
    /// What happens on every way that has no faults of its own, from now on.
    pub const fn set_faults(&mut self, faults: Faults) {
        self.links.faults = faults;
    }

    /// What happens from `src` to `dst`, from now on; the other direction is as before.
    pub fn set_faults_between(&mut self, src: MemoryAddr, dst: MemoryAddr, faults: Faults) {
        self.links.ways.insert((src, dst), faults);
    }

    /// What happens on every way from now on: none has faults of its own any more, nor has any node.
    pub fn set_all_faults(&mut self, faults: Faults) {
        self.links.faults = faults;
        self.links.ways.clear();
        self.links.leaving.clear();
        self.links.entering.clear();
    }

    /// What happens to all that the node at `addr` sends, from now on, beside what happens on the way: delays are
    /// added, and a datagram has two chances to be lost. [`Faults::NOTHING`] undoes it.
    pub fn set_faults_out_of(&mut self, addr: MemoryAddr, faults: Faults) {
        self.links.leaving.insert(addr, faults);
    }

    /// The same for all that is sent to it.
    pub fn set_faults_into(&mut self, addr: MemoryAddr, faults: Faults) {
        self.links.entering.insert(addr, faults);
    }

    /// Adds delays that were measured, for [`Spread::Samples`](super::Spread::Samples) and
    /// [`Spread::Series`](super::Spread::Series).
    pub fn add_samples(&mut self, samples: &[Duration]) -> SamplesId {
        self.links.samples.add(samples)
    }

    /// Where the node at `addr` is, from now on. Between two nodes that are somewhere a datagram takes longer by
    /// the [distance](Place).
    pub fn set_place(&mut self, addr: MemoryAddr, place: Place) {
        self.links.places.set(addr, Some(place));
    }

    /// Lays a link that is only so fast, out of the node at `src`; [`lead`](Self::lead) says what goes
    /// through it. `None` where there is no such node. A link that several nodes share is a node that forwards.
    pub fn lay(&mut self, src: MemoryAddr, pipe: Pipe) -> Option<PipeId> {
        self.lay_piping(src, Piping::new(pipe, None))
    }

    /// Lays a link whose queue is managed, so that waiting in it is short: what would have waited too long is lost
    /// before the queue is full.
    pub fn lay_managed(&mut self, src: MemoryAddr, pipe: Pipe, codel: Codel) -> Option<PipeId> {
        self.lay_piping(src, Piping::new(pipe, Some(codel)))
    }

    fn lay_piping(&mut self, src: MemoryAddr, piping: Piping<Outgoing>) -> Option<PipeId> {
        let slot = self.slot_mut(src)?;
        slot.pipes.push(piping);
        Some(PipeId { src, nth: slot.pipes.len() - 1 })
    }

    /// Leads what is sent to `dst` from where the pipe was laid through it from now on, in front of all faults.
    /// Several ways may go through one pipe, and share it.
    pub fn lead(&mut self, dst: MemoryAddr, through: PipeId) {
        if let Some(slot) = self.slot_mut(through.src) {
            slot.piped.insert(dst, through.nth);
        }
    }

    /// What went through a pipe so far.
    #[must_use]
    pub fn piped(&self, pipe: PipeId) -> Piped {
        let pipe = self.slot(pipe.src).and_then(|slot| slot.pipes.get(pipe.nth));
        pipe.map(|pipe| pipe.total).unwrap_or_default()
    }

    /// The largest datagram, in bytes. Nodes that are added later learn it when they are bound, the
    /// others when they send a larger one.
    pub const fn set_mtu(&mut self, mtu: usize) {
        self.links.mtu = mtu;
    }

    /// The largest datagram from `src` to `dst`, from now on, where that is less than the network's. What is on
    /// its way already gets through.
    pub fn set_mtu_between(&mut self, src: MemoryAddr, dst: MemoryAddr, mtu: Mtu) {
        self.links.mtus.insert((src, dst), mtu);
    }

    /// Cuts the way from `src` to `dst`: what is sent from now on is lost. The other direction stays.
    pub fn cut(&mut self, src: MemoryAddr, dst: MemoryAddr) {
        self.links.cuts.insert((src, dst));
    }

    /// Undoes [`cut`](Self::cut).
    pub fn mend(&mut self, src: MemoryAddr, dst: MemoryAddr) {
        self.links.cuts.remove(&(src, dst));
    }

    /// Puts up a partition beside those that stand: what it blocks is lost when it is sent from now on.
    pub fn partition(&mut self, partition: Partition) -> PartitionId {
        let id = PartitionId(self.links.parted);
        self.links.parted += 1;
        self.links.partitions.push((id, partition));
        id
    }

    /// Takes a partition down. Returns whether it stood.
    pub fn heal(&mut self, partition: PartitionId) -> bool {
        let before = self.links.partitions.len();
        self.links.partitions.retain(|(id, _)| *id != partition);
        self.links.partitions.len() < before
    }

    /// Undoes every [`cut`](Self::cut) and takes down every [partition](Self::partition).
    pub fn mend_all(&mut self) {
        self.links.cuts.clear();
        self.links.partitions.clear();
    }

    /// Puts these nodes, 4,096 at the most, behind a NAT, which is the `host` that they are seen as outside; no
    /// node may be at it. If there was one it is another now, and has forgotten everything.
    ///
    /// On ways that lead through it, faults, cuts, places and limits are those between the nodes themselves.
    pub fn set_nat(&mut self, host: u32, nat: Nat, nodes: &[MemoryAddr]) {
        self.links.nats.set(host, nat, nodes);
    }

    /// Takes a NAT away: the nodes that were behind it are in the world.
    pub fn remove_nat(&mut self, host: u32) {
        self.links.nats.remove(host);
    }

    /// Has these verdicts instead of all that would be drawn from now on; what is not listed is plain.
    ///
    /// A listed delay may be shorter than the least of its way only in a network of one shard.
    pub fn list_verdicts(&mut self, verdicts: Verdicts) {
        self.links.listed = Some(verdicts);
    }

    /// Tells the [tap](Tap::dropped) from now on what stacks drop.
    pub fn watch_drops(&mut self) {
        for shard in &mut self.shards {
            shard.post.watches_drops = true;
        }
    }

    /// Keeps from now on every verdict that is not plain.
    pub fn keep_verdicts(&mut self) {
        for shard in &mut self.shards {
            shard.post.verdicts.get_or_insert_default();
        }
    }

    /// The verdicts that were kept, which ends the keeping.
    pub fn take_verdicts(&mut self) -> Verdicts {
        let kept = self.shards.iter_mut().filter_map(|shard| shard.post.verdicts.take());
        kept.flatten().collect()
    }
}
