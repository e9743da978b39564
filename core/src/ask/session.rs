//! Which session with a peer a packet belongs to.
//!
//! Each side names the session by a random number, and puts its own and the other's name into every packet.
//! The high half of the asker's name is its *instance*, under which the answerer remembers the asker's ids: another
//! for each life, and for each time that the asker has forgotten the peer and with it the ids, but the same in all
//! sessions between. A side that begins knows no name of the other yet, and says zero. For such a packet the answerer cannot tell
//! whether it is new, or one of a session that it has forgotten, on which the request ran already. It
//! takes it only if it has never forgotten anything in its life and never had another session
//! with that address. Otherwise it answers with a *challenge*: a name for the session that it computes and does
//! not store. Only what was sent after that carries the name.
//!
//! | the packet says | with this peer there is | what becomes of it |
//! |---|---|---|
//! | our name, or zero, and its name | the session | it is taken |
//! | our name | a session whose other name we do not know | its name is noted, it is taken |
//! | our name | a session with another of its names | the peer has forgotten: our session starts again, under the name that we would challenge with, and with whoever says that |
//! | the name that we would challenge with | a session, or none | a new session under that name, it is taken |
//! | zero | no session, and there never was one | a new session, it is taken |
//! | anything else | – | it is answered with a challenge |
//!
//! What we would challenge with depends on the session that there is; so once taken up it is no
//! challenge any more. Where there is no session it depends on the *generation*: a count that rises with
//! every so many evictions. The present generation's and the last one's are taken, and no session that was
//! named in one of these is evicted while there is another; otherwise these generations end. So a packet
//! of an evicted session is never taken, however late it comes. For sessions whose names are random, or
//! follow from such, this holds anyway.
//!
//! # Another session with the same instance
//! An asker cannot tell a peer that has restarted from a word of its former life that comes late, nor which of the
//! requests that it sent without a name the new life has taken. So it begins another session whenever the peer speaks
//! under another name, and asks again what is not answered; and the answerer keeps, from one session to the next, what
//! it knows of the same instance: what runs, what is over and what was refused stays so, and answers are sent
//! again from their beginning, since the asker has let go of what it had of them. Names that are random throughout,
//! as they were once, are instances of one session each.
//!
//! A peer that is evicted is known no more. Nothing that it still waits for has run then, but where the application
//! [disconnected](crate::swarm::Command::Disconnect) it: its requests may run again if it is evicted before they end.

use super::Asking;
use super::peer::{Item, Peer, State};
use super::wire::{Header, Writer};
use crate::addr::Addr;
use crate::swarm::Event;
use crate::table::Slot;
use crate::time::Instant;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt::{self, Write};
use core::hash::Hasher;
use siphasher::sip::SipHasher13;

/// The half of a name that is the instance of who gave it.
const INSTANCE: u64 = !0 << 32;
/// How many idle peers are looked at to find one to evict.
const LOOKS: usize = 8;

/// What a packet is in the light of the sessions that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Of the session.
    Known(Slot),
    /// Of the session; it names the other side.
    Adopt(Slot),
    /// The other side has forgotten the session.
    Restart(Slot),
    /// The other side begins anew, under a name that we gave it.
    Replace(Slot, u64),
    /// The first of a session, under a name that we gave it or (`None`) no name yet.
    Create(Option<u64>),
    /// To be answered with this name.
    Challenge(u64),
}

impl Standing {
    /// Whose sent packets an acknowledgement speaks of; `Some(None)` where nothing was sent. `None` where
    /// the packet is not taken anyway.
    pub(super) const fn sender(self) -> Option<Option<Slot>> {
        match self {
            Self::Known(slot) | Self::Adopt(slot) | Self::Replace(slot, _) => Some(Some(slot)),
            Self::Create(_) => Some(None),
            Self::Restart(_) | Self::Challenge(_) => None,
        }
    }
}

impl<A: Addr> Asking<A> {
    /// What a packet from `src` is; changes nothing.
    pub(super) fn standing(&self, src: &A, header: Header) -> Standing {
        let Some(slot) = self.table.first(src) else {
            let generation = self.generation();
            let name = |generation| self.name(src, header.src, generation);
            let lately = [generation, generation.saturating_sub(1)];
            return if header.dst == 0 && self.evictions == 0 {
                Standing::Create(None)
            } else if lately.into_iter().any(|generation| name(generation) == header.dst) {
                Standing::Create(Some(header.dst))
            } else {
                Standing::Challenge(name(generation))
            };
        };
        let Some(peer) = self.table.get(slot) else { return Standing::Challenge(1) };
        match peer.remote {
            Some(remote) if remote == header.src => {
                if header.dst == peer.local || header.dst == 0 {
                    Standing::Known(slot)
                } else {
                    Standing::Challenge(peer.local)
                }
            }
            None => {
                let first = header.dst == 0 && peer.fresh && self.evictions == 0;
                if header.dst == peer.local || first {
                    Standing::Adopt(slot)
                } else {
                    Standing::Challenge(peer.local)
                }
            }
            Some(_) => {
                let name = of_instance(peer.local, self.name(src, header.src, peer.local));
                if header.dst == peer.local {
                    Standing::Restart(slot)
                } else if header.dst == name {
                    Standing::Replace(slot, name)
                } else {
                    Standing::Challenge(name)
                }
            }
        }
    }

    /// Does what the standing of a packet asks for, and returns the session that it belongs to.
    pub(super) fn take_up(
        &mut self,
        now: Instant,
        src: &A,
        header: Header,
        standing: Standing,
    ) -> Option<Slot> {
        let slot = match standing {
            Standing::Known(slot) => slot,
            Standing::Adopt(slot) => {
                self.meet(slot, header.src);
                slot
            }
            Standing::Replace(slot, name) => {
                self.restart(now, slot, name);
                self.meet(slot, header.src);
                slot
            }
            Standing::Create(name) => {
                let Some(slot) = self.create(now, src, name) else {
                    self.counters.rejected_full += 1;
                    return None;
                };
                self.meet(slot, header.src);
                slot
            }
            Standing::Restart(slot) => {
                let local = self.table.get(slot)?.local;
                // What we may have challenged that side with, so that it stays right: where both had something else
                // to learn at once, each would otherwise undo what the other has just learnt, without end.
                self.restart(now, slot, of_instance(local, self.name(src, header.src, local)));
                self.pump(now, slot);
                return None;
            }
            Standing::Challenge(name) => {
                self.challenge(now, src, header.src, name);
                return None;
            }
        };
        let peer = self.table.get_mut(slot)?;
        (peer.heard, peer.hint) = (now, None);
        if let Some(limit) = header.limit {
            peer.limit = Some(limit);
        }
        Some(slot)
    }

    /// The peer says which name to use, and nothing else.
    pub(super) fn on_challenge(&mut self, now: Instant, src: &A, header: Header) {
        let standing = self.standing(src, header);
        if let Standing::Adopt(slot) = standing
            && header.dst != 0
        {
            self.take_up(now, src, header, standing);
            // What was sent without the name was not taken.
            self.lose_flying(now, slot);
            self.pump(now, slot);
        } else if let Standing::Restart(_) = standing {
            self.take_up(now, src, header, standing);
        } else {
            self.counters.rejected_session += 1;
        }
    }

    fn challenge(&mut self, now: Instant, dst: &A, their: u64, name: u64) {
        let room = core::mem::take(&mut self.room);
        let header = Header { src: name, dst: their, limit: None };
        let (payload, room) = Writer::challenge(room, header).finish(Bytes::new());
        self.room = room;
        if self.send(now, dst, payload) {
            self.counters.challenges_sent += 1;
        }
    }

    /// A new session, if there is room for one.
    pub(super) fn create(&mut self, now: Instant, addr: &A, name: Option<u64>) -> Option<Slot> {
        if self.table.len() >= self.limits.ask_peers && !self.evict(now) {
            return None;
        }
        let local = name.unwrap_or_else(|| self.new_name());
        let mut peer = Peer::new(now, local, self.unit_to(addr));
        peer.fresh = name.is_none();
        peer.generation = name.map(|_| self.generation());
        let slot = self.table.insert(addr.clone(), peer);
        self.ages.insert((now, slot));
        self.counters.sessions += 1;
        Some(slot)
    }

    /// Takes a peer out that was idle for long, if one is among the few that are looked at.
    fn evict(&mut self, now: Instant) -> bool {
        let mut young = None;
        for _ in 0..LOOKS {
            let Some((since, slot)) = self.ages.pop_first() else { break };
            let Some(peer) = self.table.get(slot) else { continue };
            if !peer.is_idle() {
                // Behind all others, so that these are looked at next time.
                self.ages.insert((now, slot));
            } else if peer.heard > since {
                self.ages.insert((peer.heard, slot));
            } else if let Some(named) = peer.generation.filter(|named| !self.is_past(*named)) {
                self.ages.insert((now, slot));
                young = young.or(Some((now, slot, named)));
            } else {
                self.forget(slot);
                return true;
            }
        }
        let Some((since, slot, named)) = young else { return false };
        // The names of its time end now: whoever was told one and has not used it is told another.
        self.evictions = self.evictions.max(named.saturating_add(2).saturating_mul(self.era()));
        self.ages.remove(&(since, slot));
        self.forget(slot);
        true
    }

    fn forget(&mut self, slot: Slot) {
        if let Some(peer) = self.table.remove(slot) {
            self.remembered = self.remembered.saturating_sub(peer.remembered);
            if let Some(armed) = peer.armed {
                self.timers.remove(&(armed, slot));
            }
        }
        self.stalled.remove(&slot);
        self.awake.remove(&slot);
        self.evictions = self.evictions.saturating_add(1);
        self.counters.peers_evicted += 1;
    }

    /// A new session with a peer in place of the old. What we asked, it is asked again.
    fn restart(&mut self, now: Instant, slot: Slot, local: u64) {
        self.counters.sessions_lost += 1;
        self.counters.sessions += 1;
        self.lose_flying(now, slot);
        let Some(peer) = self.table.get_mut(slot) else { return };
        (peer.local, peer.remote, peer.fresh) = (local, None, false);
        peer.generation = None;
        peer.receipts = super::receipts::Receipts::new();
        peer.recovery.forget_heard();
        peer.limit = None;
        peer.short.clear();
        peer.long.clear();
        peer.ping = !peer.records.is_empty();
        for record in peer.records.values_mut() {
            if let State::Answering(_, sending) = &mut record.state {
                sending.restart();
                sending.queued = false;
            }
        }
        let ids: Vec<u64> = peer.asks.keys().copied().collect();
        for id in ids {
            let Some(peer) = self.table.get_mut(slot) else { return };
            let Some(ask) = peer.asks.get_mut(&id) else { continue };
            ask.sending.restart();
            (ask.sending.queued, ask.arrived) = (false, false);
            if let Some((_, receiving)) = ask.answer.take() {
                self.release(slot, receiving.weight());
            }
            self.queue(slot, Item::Request(id), false);
        }
    }

    /// The peer has named the session. What it asked goes on if it is the instance that asked it, and is over
    /// otherwise.
    fn meet(&mut self, slot: Slot, remote: u64) {
        let Some(peer) = self.table.get_mut(slot) else { return };
        peer.remote = Some(remote);
        let instance = remote & INSTANCE;
        match peer.theirs.replace(instance) {
            None => {}
            Some(before) if before == instance => {
                for id in peer.records.keys().copied().collect::<Vec<_>>() {
                    self.queue(slot, Item::Answer(id), false);
                }
            }
            Some(_) => {
                self.drop_records(slot, |_| true, false);
                self.note(slot, |peer| (peer.done, peer.refused, peer.lowest) = Default::default());
            }
        }
    }

    /// Forgets requests of the peer, tells the application, and counts them as over.
    pub(super) fn drop_records(
        &mut self,
        slot: Slot,
        mut which: impl FnMut(u64) -> bool,
        note: bool,
    ) {
        let Some(addr) = self.table.addr(slot).cloned() else { return };
        let Some(peer) = self.table.get_mut(slot) else { return };
        let ids = peer.records.keys().copied().filter(|id| which(*id));
        for id in ids.collect::<Vec<_>>() {
            let Some(record) = self.take_record(slot, id, note) else { continue };
            if let State::Running(token) = record.state {
                self.counters.withdrawn += 1;
                self.up.push(Event::Withdrawn { token, src: addr.clone() });
            }
        }
    }

    fn generation(&self) -> u64 {
        self.evictions / self.era()
    }

    /// Whether names of that generation are no longer taken.
    fn is_past(&self, generation: u64) -> bool {
        self.generation() >= generation.saturating_add(2)
    }

    /// How many evictions make a generation.
    fn era(&self) -> u64 {
        (self.limits.ask_peers as u64 / 4).max(1)
    }

    fn new_name(&mut self) -> u64 {
        self.rng.u64().max(1)
    }

    /// The name that a session with `addr` gets, whose other name is `their`, on the ground of `base`.
    fn name(&self, addr: &A, their: u64, base: u64) -> u64 {
        struct Text(SipHasher13);
        impl Write for Text {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                self.0.write(text.as_bytes());
                Ok(())
            }
        }
        // Through its text, which is the same on every platform.
        let mut text = Text(SipHasher13::new_with_keys(self.key.0, self.key.1));
        let _ = write!(text, "{addr}");
        text.0.write(&their.to_be_bytes());
        text.0.write(&base.to_be_bytes());
        text.0.finish().max(1)
    }
}

/// `name`, but of the same instance as `local`.
fn of_instance(local: u64, name: u64) -> u64 {
    ((local & INSTANCE) | (name & !INSTANCE)).max(1)
}
