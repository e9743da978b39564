//! The books of a scenario: which datagram carries which message, and whether it was heard as it must be.
//!
//! Nobody but the two peers can read a sealed datagram, so the ledger follows the messages instead. A
//! node seals what it is told to one peer in the order in which it is told, so the next data datagram
//! on that way carries the first message that is not on the wire yet. From there it is exact:
//!
//! - An unspoilt first copy that is delivered must be heard by the application at that very moment,
//!   from the right peer, byte for byte. Where it is not, it counts as *unopened*.
//! - Nothing else may be heard: no second copy, no spoilt one, nothing injected.
//!
//! Handshake messages, which are told by their counter, carry nothing and are not followed.

use crate::net::{DatagramId, Fate, Sighting, Tap};
use core::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use tellask::swarm::Undeliverable;
use tellask::{Event, Instant, MemoryAddr, Message, PeerAddr};

/// The first counter of application data: what is below belongs to the handshake.
const FIRST_DATA: u32 = 16;
/// Violations that are kept in words.
const WORDS: usize = 10;
/// How a message is lost of which something else arrives.
const SPOILT: &str = "spoilt";
/// The bytes of a message: who to whom, the how-manieth, and filling that depends on both.
const MESSAGE: usize = 64;

/// A ledger that the scenario and the tap of its network share.
#[derive(Clone, Debug, Default)]
pub struct Books(Rc<RefCell<Ledger>>);

/// The books.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Messages that a stack accepted and has not put on the wire yet.
    queued: BTreeMap<Way, VecDeque<u64>>,
    /// Data datagrams of which copies are on their way.
    flying: BTreeMap<DatagramId, Flying>,
    /// How messages were lost of which no copy arrived as it was sent.
    lost: BTreeMap<&'static str, u64>,
    /// What must be heard before anything else happens.
    due: Option<(Way, u64)>,
    ways: BTreeMap<Way, Between>,
    /// Who is where.
    known: BTreeMap<MemoryAddr, PeerAddr<MemoryAddr>>,
    meter: Option<Meter>,
    record: Option<Record>,
    /// The figures so far.
    pub figures: Figures,
    violations: Vec<String>,
}

/// What an application says for the books.
#[derive(Clone, Debug)]
pub enum Note {
    /// It told a message.
    Told {
        /// From whom to whom.
        way: Way,
        /// The how-manieth.
        seq: u64,
        /// Whether the stack accepted it.
        accepted: bool,
    },
    /// It heard a message.
    Heard(Message<PeerAddr<MemoryAddr>>),
    /// The stack said something else.
    Notice(Event<PeerAddr<MemoryAddr>>),
}

/// Sender and receiver.
pub type Way = (MemoryAddr, MemoryAddr);

/// A datagram as somebody on the way could have recorded it.
pub type Recorded = (Way, Vec<u8>);

#[derive(Clone, Copy, Debug)]
struct Flying {
    way: Way,
    seq: u64,
    copies: u8,
    opened: bool,
    lost: Option<&'static str>,
}

/// What was said on one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Between {
    /// Messages that the sender's stack accepted.
    pub told: u64,
    /// Messages that were heard.
    pub heard: u64,
    /// When the last was heard.
    pub last: Option<Instant>,
}

#[derive(Clone, Debug)]
struct Record {
    count: usize,
    kept: VecDeque<Recorded>,
    /// Data that may be heard at this moment.
    delivered: Option<Recorded>,
}

impl Record {
    fn keep(&mut self, recorded: Recorded) {
        if self.kept.len() >= self.count {
            self.kept.pop_front();
        }
        self.kept.push_back(recorded);
    }
}

/// Bytes from and to addresses where nobody is, from some address on.
#[derive(Clone, Debug)]
struct Meter {
    from: MemoryAddr,
    bytes: BTreeMap<MemoryAddr, (u64, u64)>,
}

/// How many messages, or datagrams with messages, met which fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Messages that a stack accepted.
    pub told: u64,
    /// Messages that a stack refused at once.
    pub refused: u64,
    /// Messages of which the stack said later that they are not delivered.
    pub undelivered: u64,
    /// Messages that a stack forgot when its node crashed.
    pub crashed: u64,
    /// Messages sealed and sent.
    pub sealed: u64,
    /// Sessions under which something was sealed, in each direction by itself.
    pub sessions: u64,
    /// Unspoilt first copies that the network delivered.
    pub delivered: u64,
    /// Unspoilt further copies that the network delivered.
    pub delivered_again: u64,
    /// Spoilt copies that the network delivered.
    pub spoilt: u64,
    /// Messages that an application heard.
    pub heard: u64,
    /// Delivered first copies that were not heard.
    pub unopened: u64,
    /// Peers that came up, seen from each side.
    pub peers_up: u64,
    /// Peers that went down, seen from each side.
    pub peers_down: u64,
    /// All that should not have happened.
    pub violations: u64,
}

impl Books {
    /// Looks something up, or notes it.
    pub fn with<R>(&self, act: impl FnOnce(&mut Ledger) -> R) -> R {
        act(&mut self.0.borrow_mut())
    }

    /// Notes what should not have happened.
    pub fn violate(&self, what: String) {
        self.with(|ledger| ledger.violate(what));
    }

    /// The end: the figures and the violations.
    #[must_use]
    pub fn close(&self) -> (Figures, Vec<String>) {
        self.with(|ledger| {
            ledger.settle();
            (ledger.figures, core::mem::take(&mut ledger.violations))
        })
    }
}

impl Ledger {
    /// Keeps from now on the last `count` datagrams that did what they were sent for: handshake messages
    /// that were delivered, and data that was heard.
    pub fn record(&mut self, count: usize) {
        self.record = Some(Record { count, kept: VecDeque::new(), delivered: None });
    }

    /// What was recorded, which ends the recording.
    pub fn recorded(&mut self) -> VecDeque<Recorded> {
        self.record.take().map(|record| record.kept).unwrap_or_default()
    }

    /// Notes who is where.
    pub fn know(&mut self, peer: PeerAddr<MemoryAddr>) {
        self.known.insert(peer.addr, peer);
    }

    /// Measures what is injected in the name of the addresses from `from` on, and what is sent to
    /// them: to none of them may ever have been sent more than came from it.
    pub fn meter(&mut self, from: MemoryAddr) {
        self.meter = Some(Meter { from, bytes: BTreeMap::new() });
    }

    /// The bytes from and to the addresses that are measured, in all.
    #[must_use]
    pub fn metered(&self) -> (u64, u64) {
        let bytes = self.meter.iter().flat_map(|meter| meter.bytes.values());
        bytes.fold((0, 0), |sum, bytes| (sum.0 + bytes.0, sum.1 + bytes.1))
    }

    /// What was said on this way.
    #[must_use]
    pub fn between(&self, way: Way) -> Between {
        self.ways.get(&way).copied().unwrap_or_default()
    }

    /// What was said on each way that was used.
    #[must_use]
    pub fn ways(&self) -> Vec<(Way, Between)> {
        self.ways.iter().map(|(way, between)| (*way, *between)).collect()
    }

    /// Messages that were accepted and are not on the wire.
    #[must_use]
    pub fn queued(&self) -> u64 {
        self.queued.values().map(|queue| queue.len() as u64).sum()
    }

    /// Where each message ended that a stack was told: in exactly one of these.
    #[must_use]
    pub fn bins(&self) -> BTreeMap<String, u64> {
        let figures = self.figures;
        let flying = self.flying.values().filter(|flying| !flying.opened).count() as u64;
        let bins = [
            ("delivered", figures.heard),
            ("refused", figures.refused),
            ("undelivered", figures.undelivered),
            ("crashed: its sender", figures.crashed),
            ("dropped: not opened", figures.unopened),
            ("held: on its way", flying),
            ("held: at its sender", self.queued()),
        ];
        let lost = self.lost.iter().map(|(how, count)| (format!("lost: {how}"), *count));
        let bins = bins.into_iter().map(|(name, count)| (name.into(), count)).chain(lost);
        bins.filter(|(_, count)| *count > 0).collect()
    }

    /// A stack was told the message `seq`.
    pub fn on_tell(&mut self, way: Way, seq: u64, accepted: bool) {
        if accepted {
            self.figures.told += 1;
            self.ways.entry(way).or_default().told += 1;
            self.queued.entry(way).or_default().push_back(seq);
        } else {
            self.figures.refused += 1;
        }
    }

    /// A node crashed: what waited in its stack is gone.
    pub fn on_crash(&mut self, node: MemoryAddr) {
        for (_, queue) in
            self.queued.range_mut((node, MemoryAddr(0))..=(node, MemoryAddr(u32::MAX)))
        {
            self.figures.crashed += queue.len() as u64;
            queue.clear();
        }
    }

    /// What a stack says to its application, but for messages.
    pub fn on_notice(&mut self, node: MemoryAddr, event: &Event<PeerAddr<MemoryAddr>>) {
        if let Event::Undelivered { dst, reason } = event {
            self.figures.undelivered += 1;
            let queue = self.queued.entry((node, dst.addr)).or_default();
            // What is full refuses the newest; a handshake that fails, fails the oldest first.
            let gone =
                if *reason == Undeliverable::Full { queue.pop_back() } else { queue.pop_front() };
            if gone.is_none() {
                self.violate(format!(
                    "{node:?} says that a message that it had sent is undelivered"
                ));
            }
        }
        self.figures.peers_up += u64::from(matches!(event, Event::PeerUp { .. }));
        self.figures.peers_down += u64::from(matches!(event, Event::PeerDown { .. }));
    }

    /// An application heard `message`.
    pub fn on_heard(&mut self, now: Instant, message: &Message<PeerAddr<MemoryAddr>>) {
        self.figures.heard += 1;
        let way = (message.src.addr, message.dst.addr);
        let between = self.ways.entry(way).or_default();
        between.heard += 1;
        between.last = Some(now);
        let Some((due, seq)) = self.due.take() else {
            return self.violate(format!("{way:?}: heard what was not delivered just now"));
        };
        let (src, dst) = (self.known.get(&due.0), self.known.get(&due.1));
        if src != Some(&message.src) || dst != Some(&message.dst) {
            self.violate(format!("{due:?}: heard as if from {:?}", message.src));
        } else if message.payload != message_of(way, seq)[..] {
            self.violate(format!("{way:?}: heard something other than message {seq}"));
        }
        if let Some(record) = &mut self.record
            && let Some(heard) = record.delivered.take()
        {
            record.keep(heard);
        }
    }

    /// Between two steps of the network: whatever was due has had its chance.
    pub fn settle(&mut self) {
        self.figures.unopened += u64::from(self.due.take().is_some());
    }

    fn violate(&mut self, what: String) {
        self.figures.violations += 1;
        if self.violations.len() < WORDS {
            self.violations.push(what);
        }
    }

    fn on_metered(&mut self, sighting: &Sighting<'_>) {
        let Some(meter) = &mut self.meter else { return };
        let injected = sighting.id.sender.is_none();
        let addr = if injected { sighting.src } else { sighting.dst };
        if addr < meter.from {
            return;
        }
        let (sent, answered) = meter.bytes.entry(addr).or_default();
        *if injected { &mut *sent } else { &mut *answered } += sighting.bytes.len() as u64;
        if answered > sent {
            let what = format!("{addr:?} sent {sent} bytes and was sent {answered}");
            self.violate(what);
        }
    }

    fn on_sent(&mut self, sighting: &Sighting<'_>, copies: u8) {
        let way = (sighting.src, sighting.dst);
        let Some(counter) = counter(sighting.bytes).filter(|counter| *counter >= FIRST_DATA) else {
            return;
        };
        self.figures.sealed += 1;
        self.figures.sessions += u64::from(counter == FIRST_DATA);
        let Some(seq) = self.queued.get_mut(&way).and_then(VecDeque::pop_front) else {
            return self.violate(format!("{way:?}: sealed what nobody told"));
        };
        self.flying.insert(sighting.id, Flying { way, seq, copies, opened: false, lost: None });
    }

    fn on_delivered(&mut self, sighting: &Sighting<'_>, spoilt: bool) {
        let Some(record) = &mut self.record else { return };
        let delivered = ((sighting.src, sighting.dst), sighting.bytes.to_vec());
        let is_data = counter(sighting.bytes).is_some_and(|counter| counter >= FIRST_DATA);
        record.delivered = None;
        if is_data {
            record.delivered = Some(delivered);
        } else if !spoilt {
            record.keep(delivered);
        }
    }

    fn on_copy(&mut self, id: DatagramId, lost: Option<&'static str>) {
        let Some(flying) = self.flying.get_mut(&id) else { return };
        match lost {
            Some(how) => _ = flying.lost.get_or_insert(how),
            None if flying.opened => self.figures.delivered_again += 1,
            None => {
                flying.opened = true;
                self.figures.delivered += 1;
                self.due = Some((flying.way, flying.seq));
            }
        }
        self.figures.spoilt += u64::from(lost == Some(SPOILT));
        flying.copies = flying.copies.saturating_sub(1);
        if flying.copies == 0 {
            if let (false, Some(how)) = (flying.opened, flying.lost) {
                *self.lost.entry(how).or_default() += 1;
            }
            self.flying.remove(&id);
        }
    }
}

impl Tap<Note> for Books {
    fn hear(&mut self, now: Instant, addr: MemoryAddr, said: Note) {
        self.with(|ledger| match said {
            Note::Told { way, seq, accepted } => ledger.on_tell(way, seq, accepted),
            Note::Heard(message) => ledger.on_heard(now, &message),
            Note::Notice(event) => ledger.on_notice(addr, &event),
        });
    }

    fn see(&mut self, sighting: &Sighting<'_>) {
        self.with(|ledger| {
            ledger.settle();
            if matches!(sighting.fate, Fate::Sent { .. }) {
                ledger.on_metered(sighting);
            }
            // What was injected carries nothing that may be heard.
            if sighting.id.sender.is_none() {
                return;
            }
            match sighting.fate {
                Fate::Sent { copies } => ledger.on_sent(sighting, copies),
                Fate::Delivered { spoilt } => {
                    ledger.on_delivered(sighting, spoilt);
                    ledger.on_copy(sighting.id, spoilt.then_some(SPOILT));
                }
                Fate::Lost(loss) => ledger.on_copy(sighting.id, Some(loss.name())),
            }
        });
    }
}

fn counter(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|counter| u32::from_be_bytes(*counter))
}

/// The message `seq` on this way.
#[must_use]
pub fn message_of(way: Way, seq: u64) -> [u8; MESSAGE] {
    let mut message = [0; MESSAGE];
    let words = [u64::from(way.0.0) << 32 | u64::from(way.1.0), seq];
    for (nth, chunk) in message.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let word = words[nth % 2].rotate_left(7 * nth as u32);
        *chunk = word.to_le_bytes();
    }
    message
}
