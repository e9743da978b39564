//! What becomes of what a node sends: limits, translation, pipes, and the verdict that everything else is in.

use super::Flight;
use super::app::App;
use super::ledger::Ledger;
use super::links::Links;
use super::loss::Loss;
use super::nat::Route;
use super::pipe::Entry;
use super::shard::{Happening, Post, Slot};
use super::tap::{DatagramId, Fate};
use super::verdict::{Passage, Passing, Verdict};
use crate::engine::Key;
use core::time::Duration;
use tellask::{BytesMut, DatagramInput, Instant, Layer, MemoryAddr};

/// A datagram of which all is decided but when it leaves.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    id: DatagramId,
    /// Where from and where to, as its sender says.
    way: (MemoryAddr, MemoryAddr),
    route: Route,
    /// Why no copy of it arrives.
    blocked: Option<Loss>,
    verdict: Verdict,
    bytes: BytesMut,
}

/// What leaves a pipe comes after the timers of its instant, in the order of the pipes and nodes.
pub(super) fn leaving(at: Instant, addr: MemoryAddr, nth: usize) -> Key {
    Key { at: at.as_nanos(), rank: 3 << 62 | (nth as u64 & 0x3fff_ffff) << 32 | u64::from(addr.0) }
}

/// Which pipe of its node a [key](leaving) is of.
pub(super) const fn pipe_of(key: Key) -> usize {
    (key.rank >> 32 & 0x3fff_ffff) as usize
}

impl<N> Post<N> {
    /// A node sends: what becomes of the datagram is decided here.
    pub(super) fn on_sent<L, A>(
        &mut self,
        links: &Links,
        place: usize,
        slot: &mut Slot<L, A>,
        way: (MemoryAddr, MemoryAddr),
        bytes: BytesMut,
    ) where
        L: Layer<Input = DatagramInput<MemoryAddr>>,
        A: App<L, Note = N>,
    {
        let (sender, (src, dst), now) = (slot.addr, way, self.now);
        let local = slot.local(now);
        let id = DatagramId { sender: Some(sender), number: slot.sent };
        slot.sent += 1;
        let state = slot.sent_to.entry(dst).or_default();
        let which = Passing { src: sender, dst, number: state.next() };
        let target = links.nats.target(dst);
        if let Some((loss, limit)) = links.refuses(sender, target, bytes.len()) {
            self.refuse(&mut slot.ledger, id, way, loss, &bytes);
            // As a socket does that knows the limit of its link. Whatever the node says to it is
            // moved by `pump`, which called this.
            if let (Some(node), Loss::TooLarge) = (&mut slot.node, loss) {
                node.handle_input(local, DatagramInput::TooLarge { dst, limit });
            }
            return;
        }
        let route = match links.nats.route(now, (sender, src, dst), &mut slot.nat) {
            Ok(route) => route,
            Err(loss) => return self.refuse(&mut slot.ledger, id, way, loss, &bytes),
        };
        let through = slot.piped.get(&dst).copied();
        let pipe = through.and_then(|nth| slot.pipes.get_mut(nth));
        let entry = pipe.map_or(Entry::Leaves(now), |pipe| pipe.enter(now, bytes.len()));
        if matches!(entry, Entry::Overflows) {
            return self.refuse(&mut slot.ledger, id, way, Loss::Overflow, &bytes);
        }
        let verdict = links.judge(which, bytes.len(), state);
        if let Some(kept) = &mut self.verdicts
            && verdict != links.plain(which)
        {
            kept.push((which, verdict));
        }
        self.see(&mut slot.ledger, id, way, Fate::Sent { copies: verdict.copies() }, &bytes);
        let blocked = links.blocks(sender, target);
        let (len, outgoing) = (bytes.len(), Outgoing { id, way, route, blocked, verdict, bytes });
        match (entry, through) {
            (Entry::Leaves(at), _) => self.leave(&mut slot.ledger, outgoing, at),
            (_, Some(nth)) => {
                if let Some(pipe) = slot.pipes.get_mut(nth) {
                    pipe.push(now, len, outgoing);
                }
                self.pour(links, place, slot, nth);
            }
            (_, None) => {}
        }
    }

    /// The next of a managed pipe leaves it, if nothing is being sent.
    pub(super) fn pour<L, A>(
        &mut self,
        links: &Links,
        place: usize,
        slot: &mut Slot<L, A>,
        nth: usize,
    ) where
        L: Layer,
        A: App<L, Note = N>,
    {
        let Some(pipe) = slot.pipes.get_mut(nth) else { return };
        let mut dropped = Vec::new();
        let next =
            if pipe.is_idle(self.now) { pipe.pop(self.now, links.mtu, &mut dropped) } else { None };
        let wakes = pipe.wake(self.now);
        for Outgoing { id, way, verdict, bytes, .. } in dropped {
            for _ in 0..verdict.copies() {
                self.see(&mut slot.ledger, id, way, Fate::Lost(Loss::Codel), &bytes);
            }
        }
        if let Some((at, outgoing)) = next {
            self.leave(&mut slot.ledger, outgoing, at);
        }
        if let Some(at) = wakes {
            self.wheel.push(leaving(at, slot.addr, nth), Happening::Leave(place as u32));
        }
    }

    /// What is queued in the pipes of a node leaves as if the node were there, which it is not any longer.
    pub(super) fn drain<L: Layer, A: App<L>>(&mut self, slot: &mut Slot<L, A>) {
        for pipe in &mut slot.pipes {
            for (at, outgoing) in pipe.drain(self.now) {
                self.leave(&mut slot.ledger, outgoing, at);
            }
        }
    }

    /// A datagram will have left at `leaves`: its copies are on their way, or lost.
    fn leave(&mut self, ledger: &mut Ledger, outgoing: Outgoing, leaves: Instant) {
        let Outgoing { id, way, route: Route { src, to }, blocked, verdict, bytes } = outgoing;
        for (copy, passage) in (0..).zip(verdict.passages()) {
            match blocked.map_or(passage, Passage::Lost) {
                Passage::Lost(loss) => self.see(ledger, id, way, Fate::Lost(loss), &bytes),
                Passage::Arrives { after, spoil } => {
                    let mut bytes = bytes.clone();
                    let spoilt = spoil.apply(&mut bytes);
                    let at = leaves + after.max(Duration::from_nanos(1));
                    self.send(Flight { at, id, copy, src, dst: way.1, to, bytes, spoilt });
                }
            }
        }
    }

    /// A datagram does not even leave its node, or the NAT and the queue in front of it.
    fn refuse(
        &mut self,
        ledger: &mut Ledger,
        id: DatagramId,
        way: (MemoryAddr, MemoryAddr),
        loss: Loss,
        bytes: &[u8],
    ) {
        self.see(ledger, id, way, Fate::Sent { copies: 1 }, bytes);
        self.see(ledger, id, way, Fate::Lost(loss), bytes);
    }
}
