//! Whoever is not who it says: at the address of a peer, on the way to it, or with what it recorded.
//!
//! Three honest nodes talk. Meanwhile and afterwards there are, one after the other,
//!
//! - a message for a key that is elsewhere than where it is sent;
//! - an impostor at an address where nobody is, who answers a hello in another's name, and who makes a
//!   handshake with a hello that another has signed;
//! - somebody whom a policy excludes;
//! - somebody who throws back at a node what it said;
//! - another key at the address of a node that has gone, and late messages of that one;
//! - recordings of hellos, long after.
//!
//! Nobody may hear anything but what was said to its key, from the key that said it; and nobody may be up at an
//! address where its key never was.

#![allow(clippy::wildcard_enum_match_arm, reason = "an application hears what concerns it")]

use super::Told;
use crate::net::{App, Cx, Fate, Faults, Network, Sighting, Tap};
use crate::scenario::{DATE, Made, Secure, Suite, addr, key, node, timing};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use tellask::p2pke::Tai64n;
use tellask::p2pke::noise::Responder;
use tellask::p2pke::proto::RespHello;
use tellask::p2pke::session::{Initiation, Session};
use tellask::seed::Rng;
use tellask::swarm::{Accept, Setting};
use tellask::time::UnixTime;
use tellask::{Command, Event, Instant, Limits, MemoryAddr, Message, PeerAddr, Seed};

/// The numbers of the keys, which are the addresses too where nothing else is said.
const ALICE: u32 = 0;
const BOB: u32 = 1;
const CAROL: u32 = 2;
/// Nobody has this address: an impostor speaks from it.
const IMPOSTOR: MemoryAddr = MemoryAddr(3);
const EXCLUDED: u32 = 4;
/// The key that is at the address of Bob once that one has gone.
const HEIR: u32 = 8;

/// The first bytes of hellos, answers and proofs.
const INIT_HELLO: [u8; 4] = [0, 0, 0, 0];
const RESP_HELLO: [u8; 4] = [0, 0, 0, 1];
const INIT_DONE: [u8; 4] = [0, 0, 0, 2];

/// Nobody is taken for somebody else; see the [module](self).
///
/// The cryptography is the protocol's own, whatever the plan says: a toy proves nothing.
pub(super) fn impostors(_: Suite, seed: u64) -> Told {
    let mut play = Play::new(seed);
    play.talk(0);
    play.misdirect();
    play.answer_in_anothers_name();
    play.begin_in_anothers_name();
    play.talk(1);
    play.throw_back();
    play.exclude();
    play.succeed();
    play.talk(2);
    play.repeat_hellos();
    play.end()
}

/// Hears, and keeps what it heard.
#[derive(Debug, Default)]
struct Hearer(Vec<Event<PeerAddr<MemoryAddr>>>);

impl App<Secure> for Hearer {
    type Note = ();

    fn on_event(&mut self, _: &mut Cx<'_, Secure>, event: Event<PeerAddr<MemoryAddr>>) {
        self.0.push(event);
    }
}

/// Keeps what was sent, and which hello had which ephemeral key.
#[derive(Debug, Default)]
struct Ear {
    sent: Vec<(MemoryAddr, MemoryAddr, Vec<u8>)>,
    ephemerals: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Two hellos had the same.
    reused: bool,
}

impl Tap for Ear {
    fn see(&mut self, sighting: &Sighting<'_>) {
        if matches!(sighting.fate, Fate::Sent { .. }) && sighting.id.sender.is_some() {
            self.sent.push((sighting.src, sighting.dst, sighting.bytes.to_vec()));
            if sighting.bytes.starts_with(&INIT_HELLO)
                && let Some(ephemeral) = sighting.bytes.get(4..36)
            {
                let hello = sighting.bytes.to_vec();
                let first = self.ephemerals.entry(ephemeral.to_vec()).or_insert(hello);
                self.reused |= first[..] != *sighting.bytes;
            }
        }
    }
}

struct Play {
    network: Network<Secure, Hearer, Ear>,
    seed: u64,
    rng: Rng,
    made: Made,
    /// Which key was where, at any time.
    homes: BTreeSet<(u32, MemoryAddr)>,
    told: u64,
    heard: u64,
    violations: Vec<String>,
}

impl Play {
    fn new(seed: u64) -> Self {
        let network = Network::tapped(seed, Ear::default());
        let made = Made { timing: timing(), limits: Limits::default(), suite: Suite::Own };
        let mut play = Self {
            network,
            seed,
            rng: Seed::from_u64(seed).child("sim.impostors").rng("draws"),
            made,
            homes: BTreeSet::new(),
            told: 0,
            heard: 0,
            violations: Vec::new(),
        };
        let mut faults = Faults::NONE;
        faults.delay = Duration::from_millis(1 + play.draw(20));
        faults.jitter = Duration::from_millis(play.draw(10));
        play.network.set_faults(faults);
        for number in [ALICE, BOB, CAROL, EXCLUDED] {
            play.settle(number, MemoryAddr(number));
        }
        let friends = [ALICE, BOB, CAROL, HEIR].map(|number| addr(seed, number).id);
        let only = Setting::Accept(Accept::from_iter(friends));
        play.network.app(MemoryAddr(ALICE), |_, cx| cx.command(Command::Set(only)));
        play
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.rng.below(below)
    }

    /// The key of this number moves in.
    fn settle(&mut self, number: u32, at: MemoryAddr) {
        let stack = node(self.seed, number, 0, &self.made);
        self.homes.insert((number, at));
        self.network.add(at, stack, Hearer::default());
    }

    fn peer(&self, number: u32, at: MemoryAddr) -> PeerAddr<MemoryAddr> {
        PeerAddr { id: addr(self.seed, number).id, addr: at }
    }

    /// The key `from`, which is at `place`, tells something to the key `to` at an address.
    fn tell(&mut self, (from, place): (u32, MemoryAddr), to: u32, at: MemoryAddr) {
        let (dst, text) = (self.peer(to, at), format!("{from}>{to} {}", self.told));
        self.told += 1;
        self.network.app(place, |_, cx| {
            let _ = cx.tell(dst, text.into_bytes());
        });
    }

    fn violate(&mut self, what: String) {
        if self.violations.len() < 10 {
            self.violations.push(what);
        }
    }

    /// Lets time pass, and looks at what everybody heard meanwhile.
    fn pass(&mut self, time: Duration) {
        self.network.run_for(time);
        let places: Vec<MemoryAddr> = self.network.apps().map(|(at, _)| at).collect();
        for at in places {
            let events = self.network.app_at_mut(at).map(|app| core::mem::take(&mut app.0));
            for event in events.unwrap_or_default() {
                self.judge(at, event);
            }
        }
    }

    fn judge(&mut self, at: MemoryAddr, event: Event<PeerAddr<MemoryAddr>>) {
        match event {
            Event::Told(message) => self.judge_message(at, &message),
            Event::PeerUp { addr, key } => {
                let at_home = |(number, home): &(u32, MemoryAddr)| {
                    *home == addr.addr && self.peer(*number, *home) == addr
                };
                if key.peer_id() != addr.id || !self.homes.iter().any(at_home) {
                    self.violate(format!("{at:?} takes somebody for {addr}"));
                }
                let excluded = self.peer(EXCLUDED, MemoryAddr(EXCLUDED)).id;
                if at.0 == ALICE && addr.id == excluded {
                    self.violate(format!("{addr} is up, whom the policy excludes"));
                }
            }
            _ => {}
        }
    }

    fn judge_message(&mut self, at: MemoryAddr, message: &Message<PeerAddr<MemoryAddr>>) {
        self.heard += 1;
        let text = String::from_utf8_lossy(&message.payload).into_owned();
        let names = text.split_once(' ').and_then(|(way, _)| way.split_once('>'));
        let names = names.and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
        let Some((from, to)) = names else {
            return self.violate(format!("{at:?} heard {text:?}, which nobody said"));
        };
        let (from, to): (u32, u32) = (from, to);
        if message.src != self.peer(from, message.src.addr)
            || !self.homes.contains(&(from, message.src.addr))
        {
            self.violate(format!("{at:?} heard {text:?} as if from {}", message.src));
        }
        if message.dst != self.peer(to, at) || !self.homes.contains(&(to, at)) {
            self.violate(format!("{at:?} heard {text:?} as {}", message.dst));
        }
    }

    /// Everybody honest tells everybody else, and is heard.
    fn talk(&mut self, round: u32) {
        let bob = if round < 2 { BOB } else { HEIR };
        let homes = [(ALICE, ALICE), (bob, BOB), (CAROL, CAROL)];
        let homes = homes.map(|(number, at)| (number, MemoryAddr(at)));
        let before = self.heard;
        for _ in 0..6 + self.draw(3) {
            for from in homes {
                for to in homes.into_iter().filter(|to| *to != from) {
                    self.tell(from, to.0, to.1);
                }
            }
            let pause = self.draw(400);
            self.pass(Duration::from_millis(pause));
        }
        self.pass(Duration::from_secs(2));
        if self.heard < before + 36 {
            self.violate(format!("only {} messages were heard in a round", self.heard - before));
        }
    }

    /// What is for a key that is elsewhere is not heard by who is there.
    fn misdirect(&mut self) {
        self.tell((ALICE, MemoryAddr(ALICE)), BOB, MemoryAddr(CAROL));
        self.tell((CAROL, MemoryAddr(CAROL)), HEIR, MemoryAddr(BOB));
        let pause = self.draw(300);
        self.pass(Duration::from_millis(pause));
        self.tell((ALICE, MemoryAddr(ALICE)), CAROL, MemoryAddr(CAROL));
        self.pass(Duration::from_secs(1));
    }

    /// Somebody answers a hello that was for Bob, and signs with what it has.
    fn answer_in_anothers_name(&mut self) {
        self.network.tap_mut().sent.clear();
        self.tell((ALICE, MemoryAddr(ALICE)), BOB, IMPOSTOR);
        let pause = self.draw(200);
        self.pass(Duration::from_millis(pause));
        let sent = core::mem::take(&mut self.network.tap_mut().sent);
        let hello =
            sent.iter().find(|(_, dst, bytes)| *dst == IMPOSTOR && bytes.starts_with(&INIT_HELLO));
        let answer = hello.and_then(|(_, _, hello)| self.forged_answer(hello));
        let Some(answer) = answer else { return self.violate("no hello came".to_owned()) };
        self.network.inject(IMPOSTOR, MemoryAddr(ALICE), &answer, Duration::from_millis(1));
        self.pass(Duration::from_millis(50));
        let believed = |(_, dst, bytes): &(_, MemoryAddr, Vec<u8>)| {
            *dst == IMPOSTOR && bytes.starts_with(&INIT_DONE)
        };
        if self.network.tap().sent.iter().any(believed) {
            self.violate("an answer was believed that its key had not signed".to_owned());
        }
        self.pass(self.made.timing.handshake_timeout);
    }

    /// A RespHello that claims Bob's key.
    fn forged_answer(&self, hello: &[u8]) -> Option<Vec<u8>> {
        let (responder, _) = Responder::read(&[], hello.get(4..)?).ok()?;
        let key = key(self.seed, BOB, Suite::Own);
        let mut payload = Vec::new();
        RespHello { key: &key.public().to_spki(), sig: &[7; 64] }.encode(&mut payload);
        let mut answer = RESP_HELLO.to_vec();
        responder.answer([9; 32], &payload, &mut answer).ok()?;
        Some(answer)
    }

    /// Somebody makes a handshake with Alice under a hello that Bob has signed, and proves it with another
    /// key: what a hello signs is its time stamp, so a recorded one would do.
    fn begin_in_anothers_name(&mut self) {
        let (bob, other) = (key(self.seed, BOB, Suite::Own), key(self.seed, EXCLUDED, Suite::Own));
        let now = self.network.now();
        let date = UnixTime::new(DATE, 0) + now.since(Instant::ZERO);
        let stamp = Tai64n::from_unix(date);
        let (initiation, hello) = Initiation::start(&bob, [5; 32], stamp, now);
        self.network.tap_mut().sent.clear();
        self.network.inject(IMPOSTOR, MemoryAddr(ALICE), &hello, Duration::from_millis(1));
        self.pass(Duration::from_millis(10));
        let Some(answer) = self.said_to_impostor(RESP_HELLO) else {
            return self.violate("Alice does not answer a hello".to_owned());
        };
        let Ok(answer) = initiation.read(&answer) else {
            return self.violate("Alice answers what nobody understands".to_owned());
        };
        let mut session = answer.complete(&other, now);
        if let Some(done) = session.init_done().cloned() {
            self.network.inject(IMPOSTOR, MemoryAddr(ALICE), &done, Duration::from_millis(1));
        }
        self.pass(Duration::from_millis(10));
        self.speak_up(&mut session);
    }

    /// Says something under a session that nobody may have believed.
    fn speak_up(&mut self, session: &mut Session) {
        session.confirm();
        if let Ok(message) = session.seal(&[b"1>0 this is Bob"]) {
            self.network.inject(IMPOSTOR, MemoryAddr(ALICE), &message, Duration::from_millis(1));
        }
        self.pass(self.made.timing.handshake_timeout);
    }

    fn said_to_impostor(&self, kind: [u8; 4]) -> Option<Vec<u8>> {
        let mut said = self.network.tap().sent.iter();
        let said = said.find(|(_, dst, bytes)| *dst == IMPOSTOR && bytes.starts_with(&kind));
        said.map(|(_, _, bytes)| bytes.clone())
    }

    /// Whom the policy excludes tries to talk.
    fn exclude(&mut self) {
        let home = (EXCLUDED, MemoryAddr(EXCLUDED));
        for _ in 0..3 {
            self.tell(home, ALICE, MemoryAddr(ALICE));
            self.pass(Duration::from_millis(300));
        }
        self.pass(self.made.timing.handshake_timeout);
    }

    /// All that a node says comes back to it, as if the other had said it.
    fn throw_back(&mut self) {
        self.network.tap_mut().sent.clear();
        for _ in 0..3 {
            self.tell((ALICE, MemoryAddr(ALICE)), BOB, MemoryAddr(BOB));
            self.tell((BOB, MemoryAddr(BOB)), ALICE, MemoryAddr(ALICE));
            self.pass(Duration::from_millis(50));
        }
        for (src, dst, bytes) in core::mem::take(&mut self.network.tap_mut().sent) {
            let delay = Duration::from_millis(1 + self.draw(100));
            self.network.inject(dst, src, &bytes, delay);
        }
        self.pass(Duration::from_secs(1));
    }

    /// Bob goes and another key moves in. What he had said comes late.
    fn succeed(&mut self) {
        let (alice, bob) = (MemoryAddr(ALICE), MemoryAddr(BOB));
        self.network.cut(bob, alice);
        self.network.tap_mut().sent.clear();
        self.tell((BOB, bob), ALICE, alice);
        self.tell((BOB, bob), ALICE, alice);
        self.pass(Duration::from_millis(100));
        let late = core::mem::take(&mut self.network.tap_mut().sent);
        self.network.mend_all();
        self.settle(HEIR, bob);
        self.tell((HEIR, bob), ALICE, alice);
        self.pass(Duration::from_millis(500));
        for (src, dst, bytes) in late.into_iter().filter(|(src, ..)| *src == bob) {
            self.network.inject(src, dst, &bytes, Duration::from_millis(1));
        }
        self.tell((ALICE, alice), BOB, bob);
        self.tell((ALICE, alice), HEIR, bob);
        self.pass(Duration::from_secs(1));
    }

    /// Hellos of handshakes that are over, after everybody has forgotten these: nobody answers them.
    fn repeat_hellos(&mut self) {
        self.network.tap_mut().sent.clear();
        // New sessions: older ones may have been of the key that is gone.
        self.pass(self.made.timing.reject_after + self.made.timing.handshake_timeout * 2);
        self.network.tap_mut().sent.clear();
        self.tell((CAROL, MemoryAddr(CAROL)), ALICE, MemoryAddr(ALICE));
        self.tell((HEIR, MemoryAddr(BOB)), ALICE, MemoryAddr(ALICE));
        self.pass(self.made.timing.reject_after + self.made.timing.handshake_timeout * 2);
        let sent = core::mem::take(&mut self.network.tap_mut().sent);
        let hellos = sent
            .into_iter()
            .filter(|(_, dst, bytes)| dst.0 == ALICE && bytes.starts_with(&INIT_HELLO));
        for (src, dst, bytes) in hellos {
            self.network.inject(src, dst, &bytes, Duration::from_millis(1));
        }
        self.pass(Duration::from_secs(1));
        if let Some((src, dst, _)) = self.network.tap().sent.first() {
            let what = format!("{src:?} answered {dst:?}, whose hello was of long ago");
            self.violate(what);
        }
    }

    fn end(mut self) -> Told {
        if self.network.tap().reused {
            self.violate("two hellos have one ephemeral key".to_owned());
        }
        let bins = [
            ("delivered", self.heard),
            // What was for a key that is not there, or from one that is not let in.
            ("undelivered: nobody to hear it", self.told.saturating_sub(self.heard)),
        ];
        Told::new(self.network.trace(), self.network.totals(), bins, self.violations)
    }
}
