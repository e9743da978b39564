//! Fragments of two messages that have the same id, from the same source, in whatever order, some of them twice and some
//! never: after a restart, or because somebody counts wrongly.
//!
//! Nothing can tell fragments of one from those of the other but that the messages are of different numbers of them. So
//! neither need be heard, and what is heard is one of the two, whole, and once. A message that has its id for itself is
//! heard where nothing of it is missing.

#![allow(clippy::wildcard_enum_match_arm, reason = "a test names what it looks for")]

use super::Told;
use crate::campaign::body::{Id, Kind};
use crate::net::{Totals, Trace};
use crate::scenario::Suite;
use core::time::Duration;
use tellask::seed::Rng;
use tellask::swarm::Link;
use tellask::{
    BytesMut, Command, Event, Fragmenter, Instant, Layer as _, Limits, MemoryAddr, Message, Seed,
};

const SENDER: MemoryAddr = MemoryAddr(0);
const RECEIVER: MemoryAddr = MemoryAddr(1);
/// The largest datagram, and message.
const UNIT: usize = 500;
const LARGEST: usize = 4_000;
/// Pairs of messages.
const ROUNDS: u32 = 400;

type Layer = Fragmenter<MemoryAddr>;

/// See the [module](self). There is no cryptography in it.
pub(super) fn contradictions(_: Suite, seed: u64) -> Told {
    let mut play = Play::new(seed);
    for number in 0..ROUNDS {
        play.round(number);
    }
    let bins = [("delivered", play.heard), ("dropped: contradicted", play.dropped)];
    Told::new(play.trace, Totals::default(), bins, play.violations)
}

struct Play {
    rng: Rng,
    now: Instant,
    sender: Layer,
    receiver: Layer,
    heard: u64,
    dropped: u64,
    trace: Trace,
    violations: Vec<String>,
}

/// A message, and its fragments.
struct Cut {
    id: Id,
    len: usize,
    fragments: Vec<Vec<u8>>,
}

impl Play {
    fn new(seed: u64) -> Self {
        let secret = Seed::from_u64(seed).child("sim.contradictions");
        let now = Instant::ZERO + Duration::from_secs(1);
        let node = |at: MemoryAddr| {
            let name = at.0.to_string();
            let mut layer = Layer::new(LARGEST, &secret.child(&name), &Limits::default());
            let link = Link { local: vec![at], unit: UNIT, tell_max: UNIT, ask_max: 0 };
            layer.handle_input(now, Event::Link(link));
            while layer.poll_event().is_some() {}
            layer
        };
        Self {
            rng: secret.rng("draws"),
            now,
            sender: node(SENDER),
            receiver: node(RECEIVER),
            heard: 0,
            dropped: 0,
            trace: Trace::default(),
            violations: Vec::new(),
        }
    }

    /// A message of so many fragments.
    fn cut(&mut self, number: u32, parts: u64) -> Cut {
        let id = Id { src: 0, dst: 1, kind: Kind::Tell, number };
        // Somewhat less than so many are long.
        let len = parts as usize * (UNIT - 40) - self.rng.below(300) as usize;
        let command = Command::Tell { dst: RECEIVER, payload: id.body(len).into() };
        self.sender.handle_command(self.now, command);
        let mut fragments = Vec::new();
        loop {
            while let Some(command) = self.sender.poll_transmit() {
                if let Command::Tell { payload, .. } = command {
                    fragments.push(payload.into_bytes().to_vec());
                }
            }
            let Some(due) = self.sender.poll_timeout() else { break };
            self.now = self.now.max(due);
            self.sender.handle_timeout(self.now);
        }
        Cut { id, len, fragments }
    }

    fn round(&mut self, number: u32) {
        let parts = 2 + self.rng.below(5);
        let other = 2 + (parts - 2 + 1 + self.rng.below(4)) % 5;
        let cuts = if self.rng.chance(2, 3) {
            let (first, mut second) =
                (self.cut(number * 2, parts), self.cut(number * 2 + 1, other));
            second.rename(&first);
            vec![first, second]
        } else {
            vec![self.cut(number * 2, parts)]
        };
        let mut fragments: Vec<_> = cuts.iter().flat_map(|cut| cut.fragments.clone()).collect();
        let all = self.rng.chance(1, 2);
        if !all {
            fragments.retain(|_| self.rng.chance(9, 10));
        }
        fragments.extend(fragments.first().cloned());
        for nth in (1..fragments.len()).rev() {
            fragments.swap(nth, self.rng.below(nth as u64 + 1) as usize);
        }
        let mut heard = 0;
        for fragment in &fragments {
            let payload = BytesMut::from(&fragment[..]);
            let message = Message { src: SENDER, dst: RECEIVER, payload };
            self.receiver.handle_input(self.now, Event::Told(message));
            heard += self.listen(&cuts);
        }
        self.heard += heard;
        self.dropped += (cuts.len() as u64).saturating_sub(heard);
        if heard > 1 {
            self.violate(format!("{heard} messages of round {number} were heard under one id"));
        }
        if heard == 0 && all && cuts.len() == 1 {
            self.violate(format!("all of message {number} came, and it was not heard"));
        }
        // What is not whole is forgotten.
        self.now = self.now + Duration::from_secs(11);
        self.receiver.handle_timeout(self.now);
    }

    /// What the receiver says; how many messages that is.
    fn listen(&mut self, cuts: &[Cut]) -> u64 {
        let mut heard = 0;
        while let Some(event) = self.receiver.poll_event() {
            self.trace.add(&[self.now.as_nanos()], format!("{event:?}").as_bytes());
            let Event::Told(message) = event else { continue };
            heard += 1;
            let (id, len) = (Id::of_body(&message.payload), message.payload.len());
            if !cuts.iter().any(|cut| Some(cut.id) == id && cut.len == len) {
                self.violate(format!("{len} bytes of {id:?} were heard, and not told"));
            }
        }
        heard
    }

    fn violate(&mut self, what: String) {
        if self.violations.len() < 10 {
            self.violations.push(what);
        }
    }
}

impl Cut {
    /// Gives it the id of another one, which stands in front of each fragment.
    fn rename(&mut self, other: &Self) {
        let id = |fragment: &[u8]| 1 + fragment.iter().take_while(|byte| **byte >= 0x80).count();
        let Some(first) = other.fragments.first() else { return };
        let name = first.get(..id(first)).unwrap_or_default();
        for fragment in &mut self.fragments {
            let old = id(fragment);
            fragment.splice(..old, name.iter().copied());
        }
    }
}
