//! What becomes of asks where an answerer or an asker is restarted, much is lost, or there is little room.
//!
//! The network is well again, or loses what can be sent again; so every ask has its outcome in a time that says that
//! nobody waited for its deadline:
//!
//! - over a path that loses one packet in ten, small asks and large ones are answered;
//! - whoever takes few requests at once says to the others that it is busy, or answers them;
//! - an answerer that is restarted while it thinks is asked again, and answers;
//! - what an asker said in a former life, its first words among it, does not run again in the life of its answerer.

#![allow(clippy::wildcard_enum_match_arm, reason = "an application hears what concerns it")]

use super::Told;
use crate::net::{App, Chance, Cx, Fate, Faults, Network, Sighting, Tap};
use crate::scenario::Suite;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use tellask::ask::Asking;
use tellask::seed::Rng;
use tellask::swarm::{AskError, AskId, Token};
use tellask::{Command, DatagramPort, Event, Instant, Limits, MemoryAddr, Message, Seed, Stack};

type Asks = Stack<DatagramPort<MemoryAddr>, Asking<MemoryAddr>>;

const ALICE: MemoryAddr = MemoryAddr(0);
const BOB: MemoryAddr = MemoryAddr(1);
/// Takes few requests at once.
const CAROL: MemoryAddr = MemoryAddr(2);
/// Requests that she takes at once.
const FEW: usize = 2;
/// How long an answer is waited for. No outcome may need it.
const PATIENCE: Duration = Duration::from_secs(120);
/// Within this time there is an outcome, beside what an answerer thinks. Time-outs double from a few round trips on: it would
/// take eight packets in a row that are lost, or their acknowledgements.
const SOON: Duration = Duration::from_secs(30);
/// The longest request, and answer.
const LARGE: u64 = 60_000;
/// The bytes in front of a request: its number, how long to think about it, and how long the answer is.
const HEADER: usize = 16;

/// See the [module](self). There is no cryptography in it.
pub(super) fn outcomes(_: Suite, seed: u64) -> Told {
    let mut play = Play::new(seed);
    play.lose();
    play.be_busy();
    play.restart_the_answerer();
    play.repeat_a_former_life();
    play.end()
}

/// Keeps what is sent from Alice to Bob.
#[derive(Debug, Default)]
struct Ear(Vec<Vec<u8>>);

impl Tap for Ear {
    fn see(&mut self, sighting: &Sighting<'_>) {
        let way = (sighting.src, sighting.dst) == (ALICE, BOB);
        if way && matches!(sighting.fate, Fate::Sent { .. }) && sighting.id.sender.is_some() {
            self.0.push(sighting.bytes.to_vec());
        }
    }
}

/// Asks what it is told to, and answers what it is asked after having thought as long as the request says.
#[derive(Debug, Default)]
struct Asker {
    /// What has no outcome yet: by when it has to, and the length of the answer.
    asked: BTreeMap<u64, (Instant, usize)>,
    thinking: BTreeMap<(Instant, Token), (MemoryAddr, Vec<u8>)>,
    /// What ran in this life.
    ran: BTreeSet<(MemoryAddr, u64)>,
    answered: u64,
    busy: u64,
    wrong: Vec<String>,
}

impl Asker {
    fn on_asked(&mut self, now: Instant, token: Token, message: &Message<MemoryAddr>) {
        let word = |at| message.payload.get(at..at + 8).and_then(|word| word.try_into().ok());
        let [number, rest] = [0, 8].map(|at| word(at).map_or(0, u64::from_le_bytes));
        let (thinks, len) = (rest >> 32, rest & 0xffff_ffff);
        if !self.ran.insert((message.src, number)) {
            self.wrong.push(format!("request {number} of {:?} runs again", message.src));
        }
        let at = now + Duration::from_millis(thinks).max(Duration::from_nanos(1));
        self.thinking.insert((at, token), (message.src, body(!number, 0, len as usize)));
    }

    fn on_answered(&mut self, now: Instant, number: u64, result: Result<&[u8], &AskError>) {
        let Some((until, len)) = self.asked.remove(&number) else {
            return self.wrong.push(format!("ask {number} has a second outcome"));
        };
        if now > until {
            self.wrong.push(format!("ask {number} has its outcome {:?} late", now.since(until)));
        }
        match result {
            Ok(answer) if answer == body(!number, 0, len) => self.answered += 1,
            Ok(_) => self.wrong.push(format!("ask {number} has another answer than was given")),
            Err(AskError::Busy) => self.busy += 1,
            Err(why) => self.wrong.push(format!("ask {number} failed: {why}")),
        }
    }
}

impl App<Asks> for Asker {
    type Note = ();

    fn on_start(&mut self, _: &mut Cx<'_, Asks>) {
        self.asked.clear();
        self.thinking.clear();
        self.ran.clear();
    }

    fn on_event(&mut self, cx: &mut Cx<'_, Asks>, event: Event<MemoryAddr>) {
        match event {
            Event::Asked { token, message, .. } => self.on_asked(cx.now(), token, &message),
            Event::Answered { id, result } => {
                self.on_answered(cx.now(), id.seq, result.as_deref());
            }
            Event::Withdrawn { token, .. } => self.thinking.retain(|(_, other), _| *other != token),
            _ => {}
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.thinking.first_key_value().map(|((at, _), _)| *at)
    }

    fn on_timeout(&mut self, cx: &mut Cx<'_, Asks>) {
        while let Some(thought) = self.thinking.first_entry()
            && thought.key().0 <= cx.now()
        {
            let ((_, token), (dst, answer)) = thought.remove_entry();
            cx.command(Command::Answer { token, dst, result: Ok(answer.into()) });
        }
    }
}

struct Play {
    network: Network<Asks, Asker, Ear>,
    seed: u64,
    rng: Rng,
    delay: Duration,
    lives: u32,
    number: u64,
    violations: Vec<String>,
}

impl Play {
    fn new(seed: u64) -> Self {
        let network = Network::tapped(seed, Ear::default());
        let mut rng = Seed::from_u64(seed).child("sim.outcomes").rng("draws");
        let delay = Duration::from_millis(1 + rng.below(40));
        let (lives, number, violations) = Default::default();
        let mut play = Self { network, seed, rng, delay, lives, number, violations };
        play.network.set_mtu(1_400);
        for at in [ALICE, BOB, CAROL] {
            let stack = play.stack(at);
            play.network.add(at, stack, Asker::default());
        }
        // How long the paths are is known before anything is lost.
        play.lose_percent(0);
        play.ask(ALICE, BOB, 10, (100, 100));
        play.ask(ALICE, CAROL, 10, (100, 100));
        play.wait();
        play
    }

    /// The stack of a node in its next life.
    fn stack(&mut self, at: MemoryAddr) -> Asks {
        self.lives += 1;
        let secret = Seed::from_u64(self.seed).child("sim.outcomes");
        let secret = secret.child(&format!("{}/{}", at.0, self.lives));
        let mut limits = Limits::default();
        if at == CAROL {
            limits.asks_per_peer = FEW;
        }
        Stack::new(DatagramPort::new(&limits), Asking::new(&secret, &limits))
    }

    fn lose_percent(&mut self, loss: u32) {
        let mut faults = Faults::NONE;
        (faults.delay, faults.loss) = (self.delay, Chance::percent(loss));
        self.network.set_faults(faults);
    }

    /// One asks another, who thinks for a while and gives an answer of this length.
    fn ask(&mut self, src: MemoryAddr, dst: MemoryAddr, thinks: u64, (there, back): (u64, u64)) {
        self.number += 1;
        let number = self.number;
        let request = body(number, thinks << 32 | back, (there as usize).max(HEADER));
        self.network.app(src, |app, cx| {
            let until = cx.now() + Duration::from_millis(thinks) + SOON;
            match cx.ask(AskId::new(number), dst, request, cx.now() + PATIENCE) {
                Ok(()) => _ = app.asked.insert(number, (until, back as usize)),
                Err(why) => app.wrong.push(format!("ask {number} is refused: {why}")),
            }
        });
    }

    /// Waits until there is an outcome for everything, or has to be.
    fn wait(&mut self) {
        let last = |app: &Asker| app.asked.values().map(|(until, _)| *until).max();
        while let Some(last) = self.network.apps().filter_map(|(_, app)| last(app)).max() {
            if self.network.now() > last {
                break;
            }
            self.network.run_for(Duration::from_millis(100));
        }
        let late = self.network.apps().map(|(_, app)| app.asked.len()).sum::<usize>();
        if late > 0 {
            self.violations.push(format!("{late} asks have no outcome in time"));
        }
        for at in [ALICE, BOB, CAROL] {
            if let Some(app) = self.network.app_at_mut(at) {
                app.asked.clear();
            }
        }
    }

    /// One packet in ten is lost: small asks one after the other, and large ones.
    fn lose(&mut self) {
        self.lose_percent(10);
        for _ in 0..40 {
            let large = self.rng.chance(1, 6);
            let mut len = || if large { self.rng.below(LARGE) } else { 8 + self.rng.below(300) };
            let sizes = (len(), len());
            let thinks = self.rng.below(100);
            self.ask(ALICE, BOB, thinks, sizes);
            let pause = self.rng.below(500);
            self.network.run_for(Duration::from_millis(pause));
        }
        self.wait();
    }

    /// More asks at once than are taken, where some of what is said is lost.
    fn be_busy(&mut self) {
        self.lose_percent(10);
        for _ in 0..8 {
            for _ in 0..FEW + 3 {
                self.ask(ALICE, CAROL, 200, (100, 100));
            }
            self.wait();
        }
    }

    /// Bob is restarted while he thinks about the only thing that he was asked.
    fn restart_the_answerer(&mut self) {
        self.lose_percent(0);
        self.ask(ALICE, BOB, 3_000, (100, 100));
        let thought = 200 + self.rng.below(2_000);
        self.network.run_for(Duration::from_millis(thought));
        self.network.crash(BOB);
        let away = self.rng.below(1_000);
        self.network.run_for(Duration::from_millis(away));
        let stack = self.stack(BOB);
        self.network.start(BOB, stack);
        self.wait();
    }

    /// Alice is restarted and talks to Bob again, who then hears once more what she said in her former life.
    fn repeat_a_former_life(&mut self) {
        let former = core::mem::take(&mut self.network.tap_mut().0);
        self.network.crash(ALICE);
        let stack = self.stack(ALICE);
        self.network.start(ALICE, stack);
        self.ask(ALICE, BOB, 10, (100, 100));
        self.wait();
        for (nth, bytes) in (1..).zip(former) {
            self.network.inject(ALICE, BOB, &bytes, Duration::from_millis(nth));
        }
        self.network.run_for(Duration::from_secs(1));
        self.ask(ALICE, BOB, 10, (100, 100));
        self.wait();
    }

    fn end(mut self) -> Told {
        let (mut answered, mut busy) = (0, 0);
        for (at, app) in self.network.apps() {
            self.violations.extend(app.wrong.iter().map(|wrong| format!("{at:?}: {wrong}")));
            (answered, busy) = (answered + app.answered, busy + app.busy);
        }
        self.violations.truncate(10);
        let bins = [("answered", answered), ("failed: busy", busy)];
        let noted = [("busy", busy)];
        let told = Told::new(self.network.trace(), self.network.totals(), bins, self.violations);
        Told { noted: noted.into(), ..told }
    }
}

/// A request or an answer: its number, something else, and filling that follows from the number.
fn body(number: u64, other: u64, len: usize) -> Vec<u8> {
    let mut body = [number.to_le_bytes(), other.to_le_bytes()].concat();
    body.resize(len.max(HEADER), number as u8);
    body
}
