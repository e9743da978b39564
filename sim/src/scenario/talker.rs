//! An application that tells all its peers in turn, at a steady rate, and says so for the books.

use super::ledger::{Note, message_of};
use super::secure::Secure;
use crate::net::{App, Cx};
use core::time::Duration;
use std::sync::Arc;
use tellask::{Event, Instant, MemoryAddr, PeerAddr};

/// Tells each peer once in an interval, evenly spread.
#[derive(Debug)]
pub struct Talker {
    /// Everybody, at the place of their number.
    everybody: Arc<[PeerAddr<MemoryAddr>]>,
    me: u32,
    gap: Duration,
    next: Instant,
    until: Instant,
    turn: u64,
}

impl Talker {
    /// The node `me` of `everybody`, which tells each other one once in `interval`, from `from` until `until`.
    #[must_use]
    pub fn new(
        everybody: &Arc<[PeerAddr<MemoryAddr>]>,
        me: u32,
        interval: Duration,
        from: Instant,
        until: Instant,
    ) -> Self {
        let others = (everybody.len() as u32).saturating_sub(1).max(1);
        let gap = (interval / others).max(Duration::from_nanos(1));
        // Nodes begin one after the other, so that they do not all tell in the same nanosecond.
        let next = from + gap / (others + 1) * me;
        Self { everybody: Arc::clone(everybody), me, gap, next, until, turn: 0 }
    }

    /// Says nothing before `from`.
    pub const fn mute(&mut self, from: Instant) {
        self.next = from;
    }

    /// The next peer, and which of its messages is next.
    fn take_turn(&mut self) -> Option<(PeerAddr<MemoryAddr>, u64)> {
        let others = (self.everybody.len() as u64).checked_sub(1).filter(|others| *others > 0)?;
        let (round, nth) = (self.turn / others, self.turn % others);
        self.turn += 1;
        // Each begins with the one after itself.
        let peer = (u64::from(self.me) + 1 + nth) % (others + 1);
        Some((*self.everybody.get(peer as usize)?, round))
    }
}

impl App<Secure> for Talker {
    type Note = Note;

    fn on_event(&mut self, cx: &mut Cx<'_, Secure, Note>, event: Event<PeerAddr<MemoryAddr>>) {
        let Event::Told(message) = event else {
            return cx.say(Note::Notice(event));
        };
        cx.note(&message.payload);
        cx.say(Note::Heard(message));
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Some(self.next).filter(|next| *next < self.until)
    }

    fn on_timeout(&mut self, cx: &mut Cx<'_, Secure, Note>) {
        self.next = self.next + self.gap;
        if let Some((peer, seq)) = self.take_turn() {
            let way = (cx.addr(), peer.addr);
            let accepted = cx.tell(peer, message_of(way, seq).to_vec()).is_ok();
            cx.say(Note::Told { way, seq, accepted });
        }
    }
}
