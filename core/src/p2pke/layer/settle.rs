//! After every call of a channel: what it sends and says, what it counts as, when it is next due.

use super::super::channel::{self, ChannelEvent, Failure};
use super::P2pke;
use super::peers::Standing;
use crate::addr::{Addr, Source};
use crate::swarm::{DownReason, Event, Scope, Undeliverable};
use crate::table::Slot;
use crate::time::Instant;
use crate::trace::trace;

impl<A: Addr + Source> P2pke<A> {
    /// After every call of a channel. On the data path there is nothing to do, mostly.
    #[inline]
    pub(super) fn settle(&mut self, now: Instant, slot: Slot) {
        let Some(peer) = self.table.get(slot) else { return };
        let quiet = peer.standing == Standing::Up
            && peer.waiting.is_none()
            && peer.channel.is_quiet()
            && peer.channel.poll_timeout().is_none_or(|due| peer.armed.is_some_and(|at| at <= due));
        if !quiet {
            self.settle_all(now, slot);
        }
    }

    fn settle_all(&mut self, now: Instant, slot: Slot) {
        if let Some((key, stamp)) = self.local.gate.raised.take() {
            self.up.push(Event::Floor { key, stamp });
        }
        self.transmit(now, slot);
        self.report(slot);
        if self
            .table
            .get(slot)
            .is_some_and(|peer| peer.has_messages_waiting() && peer.channel.is_ready())
        {
            self.flush(now, slot);
            self.transmit(now, slot);
        }
        self.stand(slot);
        self.rearm(slot);
    }

    /// Sends the channel's handshake messages. Where there is no room they are lost, and repeated.
    fn transmit(&mut self, now: Instant, slot: Slot) {
        while let Some(peer) = self.table.get_mut(slot)
            && let Some(message) = peer.channel.poll_transmit()
            && let Some(addr) = self.table.addr(slot).cloned()
        {
            match self.out.push(now, addr, message.into()) {
                Ok(crossed) => {
                    self.counters.handshakes_sent += 1;
                    if let Some(scope) = crossed {
                        self.full(&scope);
                    }
                }
                Err(_) => self.counters.handshakes_unsent += 1,
            }
        }
    }

    /// Tells what happened to the channel.
    fn report(&mut self, slot: Slot) {
        while let Some(peer) = self.table.get_mut(slot)
            && let Some(event) = peer.channel.poll_event()
            && let Some(addr) = self.peer_addr(slot)
        {
            match event {
                ChannelEvent::Up { key } => {
                    self.counters.peers_up += 1;
                    trace!(INFO, "p2pke", peer = %addr, "a peer is up");
                    self.up.push(Event::PeerUp { addr: addr.clone(), key });
                    let waiting = self.table.get_mut(slot).and_then(|peer| peer.waiting.as_mut());
                    let identify =
                        waiting.map_or(0, |waiting| core::mem::take(&mut waiting.identify));
                    for _ in 0..identify {
                        self.up.push(Event::Identified { addr: addr.clone(), result: Ok(key) });
                    }
                    self.end_of_waiting(slot);
                }
                ChannelEvent::Ready => {}
                ChannelEvent::Down { reason } => {
                    self.counters.peers_down += 1;
                    let (reason, undelivered) = match reason {
                        channel::DownReason::Expired => (DownReason::Idle, None),
                        channel::DownReason::TimedOut => {
                            (DownReason::TimedOut, Some(Undeliverable::TimedOut))
                        }
                    };
                    trace!(INFO, "p2pke", peer = %addr, ?reason, "a peer is down");
                    self.up.push(Event::PeerDown { addr, reason });
                    if let Some(why) = undelivered {
                        self.fail_waiting(slot, why);
                    }
                }
                ChannelEvent::Failed { reason } => {
                    self.counters.handshakes_failed += 1;
                    trace!(DEBUG, "p2pke", peer = %addr, ?reason, "a handshake failed");
                    self.fail_waiting(
                        slot,
                        match reason {
                            Failure::TimedOut => Undeliverable::TimedOut,
                            Failure::WrongPeer => Undeliverable::WrongPeer,
                            Failure::Oneself => Undeliverable::Oneself,
                            Failure::Refused => Undeliverable::Denied,
                        },
                    );
                }
            }
        }
    }

    /// Counts the channel against the bound that it belongs to now, or drops it.
    fn stand(&mut self, slot: Slot) {
        let Some(peer) = self.table.get_mut(slot) else { return };
        let standing = if peer.channel.is_up() {
            Standing::Up
        } else if peer.waiting.is_some() || peer.channel.is_dialling() {
            Standing::Dialling
        } else if peer.channel.is_idle() {
            return self.remove(slot);
        } else if peer.channel.lingers() {
            Standing::Down
        } else {
            Standing::HalfOpen
        };
        let was = core::mem::replace(&mut peer.standing, standing);
        if was == standing {
            return;
        }
        self.leave(slot, was);
        match standing {
            Standing::Up => self.peers += 1,
            Standing::Down => {
                self.down.insert(slot);
            }
            Standing::Dialling => self.dialling += 1,
            Standing::HalfOpen => {
                // Many may become strangers again at once: they have the places that others have.
                let network = self.table.addr(slot).and_then(Source::network);
                let victim = self.half_open.victim(network, &mut self.local.rng);
                self.half_open.insert(slot, network);
                match victim {
                    Ok(None) => {}
                    Ok(Some(victim)) => self.evict(victim),
                    Err(()) => self.evict(slot),
                }
            }
        }
    }

    fn leave(&mut self, slot: Slot, standing: Standing) {
        match standing {
            Standing::Up => self.peers -= 1,
            Standing::Down => {
                self.down.remove(&slot);
            }
            Standing::Dialling => self.dialling -= 1,
            Standing::HalfOpen => self.half_open.remove(slot),
        }
    }

    /// Keeps the index of timers from being late. It may be early: a timer that the data path
    /// moved back is found when the old one is due.
    pub(super) fn rearm(&mut self, slot: Slot) {
        let Some(peer) = self.table.get_mut(slot) else { return };
        let Some(due) = peer.channel.poll_timeout() else { return };
        if peer.armed.is_some_and(|armed| armed <= due) {
            return;
        }
        if let Some(armed) = peer.armed.replace(due) {
            self.timers.remove(&(armed, slot));
        }
        self.timers.insert((due, slot));
    }

    /// Takes a channel out, with all that counts it.
    pub(super) fn remove(&mut self, slot: Slot) {
        let addr = self.peer_addr(slot);
        let Some(peer) = self.table.remove(slot) else { return };
        if let Some(addr) = addr {
            // No edge of the side below reaches it any more: it must not stay full for ever.
            self.up.push(Event::Ready { scope: Scope::To(addr) });
        }
        self.leave(slot, peer.standing);
        self.stalled.remove(&slot);
        if let Some(armed) = peer.armed {
            self.timers.remove(&(armed, slot));
        }
    }

    /// What is due of the channels.
    pub(super) fn on_timers(&mut self, now: Instant) {
        while let Some(&(due, slot)) = self.timers.first()
            && due <= now
        {
            self.timers.pop_first();
            if let Some(peer) = self.table.get_mut(slot) {
                peer.armed = None;
                peer.channel.handle_timeout(&mut self.local.lend(), now);
                self.settle(now, slot);
            }
        }
    }
}
