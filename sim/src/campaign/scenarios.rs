//! The stacks of the campaign.

use super::subject::{Mark, Promises, Says, Scenario, Subject};
#[cfg(feature = "ssh")]
use super::tales::SSH;
use super::tales::{BETWEEN, CONTRADICTIONS, DIALS, FLOOD, IMPOSTORS, OUTCOMES, PAUSES, PRESSURE};
use super::transports::{Schemed, addr_in, over};
use crate::plan::{Menu, Plan, node_at};
use crate::scenario::{Made, Secure, Suite, addr, node, timing};
use core::time::Duration;
use tellask::ask::Asking;
use tellask::mux::Name;
use tellask::{
    At, DatagramPort, Filter, Fragmenter, Join, Limits, Loopback, MemoryAddr, Mux, Par, PeerAddr,
    Seed, Stack,
};
#[cfg(feature = "quic")]
use {
    crate::scenario::key,
    tellask::quic::{Quic, Setup},
};

pub(super) type Peer = PeerAddr<MemoryAddr>;
type Channel = At<Name, Peer>;
type Numbered = At<u16, Peer>;

/// All scenarios that are played by plans.
pub const SCENARIOS: &[&dyn Scenario] = &[
    &PORT,
    &SECURE,
    &FRAGMENTS,
    &SECURE_FRAGMENTS,
    &ASKS,
    &SECURE_ASKS,
    &NODE,
    &TIGHT,
    &CHANNELS,
    &JOINED,
    &IMPOSTORS,
    &PAUSES,
    &PRESSURE,
    &BETWEEN,
    &FLOOD,
    &DIALS,
    &OUTCOMES,
    &CONTRADICTIONS,
    #[cfg(feature = "ssh")]
    &SSH,
    &TRANSPORTS,
    #[cfg(feature = "quic")]
    &QUIC,
    #[cfg(feature = "quic")]
    &QUIC_ROAMING,
];

/// The scenario of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static dyn Scenario> {
    SCENARIOS.iter().copied().find(|scenario| scenario.menu().scenario == name)
}

/// The largest message of many fragments.
const FRAGMENTED: usize = 64 * 1_024;

/// What a scenario puts up with that protects its bytes.
const SEALED: Menu = Menu {
    scenario: "",
    nodes: (2, 5),
    phase: Duration::from_secs(20),
    every: Duration::from_millis(150),
    tampering: true,
    replays: true,
    crashes: true,
    mtus: false,
    clocks: true,
    strains: true,
    roams: false,
    suite: Suite::Toy,
};
/// What one does that does not.
const CLEAR: Menu = Menu { tampering: false, replays: false, clocks: false, ..SEALED };

/// What is zero once nobody has said anything for long, in whatever layer counts it: what is queued, put together, owed
/// or waited for, and who was told to wait.
const EMPTY: [&str; 30] = [
    "send_bytes",
    "send_waiting_peers",
    "send_full",
    "send_full_peers",
    "send_blocked",
    "receive_bytes",
    "receive_events",
    "waiting_bytes",
    "waiting_peers",
    "half_open",
    "dialling",
    "held_bytes",
    "paused",
    "reassembly_bytes",
    "reassembly_messages",
    "reassembly_sources",
    "asks",
    "owed",
    "asked_bytes",
    "parts_bytes",
    "remembered_bytes",
    "requests_waiting",
    "identifying",
    "full_below",
    "unsettled",
    "answers_owed",
    "receiving_bytes",
    "datagram_bytes",
    "connections",
    "places",
];

const TELLS: Promises = Promises {
    says: Says::Tells,
    sizes: &[8, 60, 300, 1_200],
    fits: false,
    once_from: 0,
    recovery: Duration::from_secs(20),
    patience: Duration::from_secs(8),
    thinks: Duration::from_millis(60),
    open: |_| usize::MAX,
    drain: Duration::from_secs(20),
    empty: &EMPTY,
    marks: &[],
};

/// Marks of networks.
const CRASHED: Mark = Mark { name: "a node crashed", reached: |tally| tally.noted("crash") > 0 };
const UNDELIVERED: Mark = Mark {
    name: "a sender was told that a message is undelivered",
    reached: |tally| tally.noted("undelivered") > 0,
};

macro_rules! counted {
    ($name:literal, $counter:literal) => {
        Mark { name: $name, reached: |tally| tally.counted($counter) > 0 }
    };
}

const REPLAYED: Mark = counted!("a replay was refused", "rejected_replayed");
const STALE: Mark = counted!("an old hello was refused", "rejected_stale");
const BOTH: Mark = counted!("both sides began at once", "rejected_yielded");
const FORGED: Mark = counted!("what opens under no key was refused", "rejected_undecryptable");
const MALFORMED: Mark = counted!("what is no message was refused", "rejected_malformed");
const SIGNATURE: Mark = counted!("a wrong signature was refused", "rejected_signature");
const FAILED: Mark = counted!("a handshake failed", "handshakes_failed");
const RENEWED: Mark = Mark {
    name: "sessions were renewed",
    // A handshake takes two messages of each side.
    reached: |tally| tally.counted("handshakes_sent") > tally.counted("peers_up") * 6,
};
const GONE: Mark = Mark { name: "a peer went down", reached: |tally| tally.noted("down") > 0 };
const EXPIRED: Mark = counted!("a reassembly expired", "expired");
const WHOLE: Mark = counted!("a message was put together", "delivered_joined");
const ELSEWHERE: Mark = Mark {
    name: "a message was heard in another place than the first",
    reached: |tally| tally.noted("heard in another place") > 0,
};
const LATE: Mark = counted!("a fragment came late", "late");
const TWICE: Mark = counted!("a fragment came twice", "duplicates");
const ASK_TWICE: Mark = counted!("a packet of an ask came twice", "duplicates");
const RESENT: Mark = counted!("a part was lost", "packets_lost");
const ASK_FAILED: Mark = counted!("an ask failed", "asks_failed");
const WITHDRAWN: Mark = counted!("a request was withdrawn", "withdrawn");
const OTHER_SESSION: Mark = counted!("a session of asks was lost", "sessions_lost");
const WITH_SESSION: Mark =
    counted!("parts of a message were dropped with a session", "dropped_with_session");

static PORT: Subject<MemoryAddr> = Subject {
    menu: Menu { scenario: "port", mtus: true, replays: true, ..CLEAR },
    about: "bare datagrams: what arrives is whole and from its sender, and what does not is accounted for",
    promises: Promises {
        once_from: usize::MAX,
        sizes: &[8, 300, 1_190, 1_390],
        recovery: Duration::from_secs(1),
        drain: Duration::from_secs(3),
        marks: &[
            CRASHED,
            Mark { name: "a copy was heard", reached: |tally| tally.noted("heard again") > 0 },
            counted!("a datagram was larger than its way takes", "too_large"),
            UNDELIVERED,
        ],
        ..TELLS
    },
    make: |_, _, _| Box::new(DatagramPort::new(&Limits::default())),
    addrs: &[|_, number| MemoryAddr(number)],
    to_self: false,
    excluded: None,
};

static SECURE: Subject<Peer> = Subject {
    menu: Menu { scenario: "secure", nodes: (2, 6), ..SEALED },
    about: "p2pke, with a new session every second",
    promises: Promises {
        marks: &[
            CRASHED,
            UNDELIVERED,
            REPLAYED,
            STALE,
            BOTH,
            FORGED,
            MALFORMED,
            SIGNATURE,
            FAILED,
            RENEWED,
            GONE,
        ],
        ..TELLS
    },
    make: |plan, number, life| Box::new(secure(plan, number, life, &Limits::default())),
    addrs: &[peer],
    to_self: false,
    excluded: None,
};

static FRAGMENTS: Subject<MemoryAddr> = Subject {
    menu: Menu { scenario: "fragments", every: Duration::from_millis(250), ..CLEAR },
    about: "messages of many fragments over bare datagrams",
    promises: Promises {
        sizes: &[8, 1_300, 2_500, 4_700, 12_000],
        // What fits one fragment is not remembered.
        once_from: 1_400,
        recovery: Duration::from_secs(5),
        drain: Duration::from_secs(15),
        marks: &[CRASHED, EXPIRED, WHOLE, TWICE, LATE],
        ..TELLS
    },
    make: |plan, number, life| {
        let limits = Limits::default();
        let fragmenter = Fragmenter::new(FRAGMENTED, &secret(plan, number, life), &limits);
        Box::new(Stack::new(DatagramPort::new(&limits), fragmenter))
    },
    addrs: &[|_, number| MemoryAddr(number)],
    to_self: false,
    excluded: None,
};

static SECURE_FRAGMENTS: Subject<Peer> = Subject {
    menu: Menu { scenario: "secure-fragments", every: Duration::from_millis(300), ..SEALED },
    about: "messages of many fragments over p2pke, whose sessions come and go",
    promises: Promises {
        sizes: &[8, 1_200, 2_500, 4_700, 12_000],
        drain: Duration::from_secs(25),
        marks: &[CRASHED, EXPIRED, WHOLE, REPLAYED, RENEWED, WITH_SESSION],
        ..TELLS
    },
    make: |plan, number, life| {
        let limits = Limits::default();
        let fragmenter = Fragmenter::new(FRAGMENTED, &secret(plan, number, life), &limits);
        Box::new(Stack::new(secure(plan, number, life, &limits), fragmenter))
    },
    addrs: &[peer],
    to_self: false,
    excluded: None,
};

static ASKS: Subject<MemoryAddr> = Subject {
    menu: Menu { scenario: "bare-asks", nodes: (2, 4), replays: true, ..CLEAR },
    about: "asks over bare datagrams: each runs once, and has one outcome",
    promises: Promises {
        says: Says::Asks,
        sizes: &[8, 200, 3_000, 20_000],
        recovery: Duration::from_secs(30),
        drain: Duration::from_secs(90),
        marks: &[CRASHED, ASK_TWICE, RESENT, ASK_FAILED, WITHDRAWN, OTHER_SESSION],
        ..TELLS
    },
    make: |plan, number, life| {
        let limits = Limits::default();
        let asking = Asking::new(&secret(plan, number, life), &limits);
        Box::new(Stack::new(DatagramPort::new(&limits), asking))
    },
    addrs: &[|_, number| MemoryAddr(number)],
    to_self: false,
    excluded: None,
};

static SECURE_ASKS: Subject<Peer> = Subject {
    menu: Menu { scenario: "secure-asks", nodes: (2, 4), ..SEALED },
    about: "tells and asks over p2pke",
    promises: Promises {
        says: Says::Both,
        sizes: &[8, 200, 1_200],
        recovery: Duration::from_secs(40),
        drain: Duration::from_secs(90),
        marks: &[CRASHED, RESENT, ASK_FAILED, OTHER_SESSION, REPLAYED, GONE],
        ..TELLS
    },
    make: |plan, number, life| {
        let limits = Limits::default();
        let asking = Asking::new(&secret(plan, number, life), &limits);
        Box::new(Stack::new(secure(plan, number, life, &limits), asking))
    },
    addrs: &[peer],
    to_self: false,
    excluded: None,
};

static NODE: Subject<Channel> = Subject {
    menu: Menu { scenario: "node", nodes: (2, 4), every: Duration::from_millis(300), ..SEALED },
    about: "all that a node of the command has: p2pke, fragments, asks, messages to oneself, channels, an allow-list",
    promises: Promises {
        says: Says::Both,
        sizes: &[8, 200, 2_500, 9_000],
        recovery: Duration::from_secs(40),
        drain: Duration::from_secs(90),
        marks: &[CRASHED, RESENT, WHOLE, ASK_FAILED],
        ..TELLS
    },
    make: |plan, number, life| {
        let (limits, secret) = (Limits::default(), secret(plan, number, life));
        let members = plan.nodes.iter().map(|node| peer(plan, *node).id).collect();
        let secure = Stack::new(secure(plan, number, life, &limits), Filter::new(members, &limits));
        let large = Stack::new(secure, Fragmenter::new(FRAGMENTED, &secret, &limits));
        let asking = Stack::new(large, Asking::new(&secret, &limits));
        let looped = Stack::new(asking, Loopback::new(&limits));
        let channels = ["main", "other"].map(Name::from);
        let mux = Mux::new(&limits).with_channels(channels).expect("two channels have room");
        Box::new(Stack::new(Stack::new(looped, mux), Join::new(&limits)))
    },
    addrs: &[|plan, number| At { key: Name::from("main"), addr: peer(plan, number) }],
    to_self: false,
    excluded: None,
};

static TIGHT: Subject<Peer> = Subject {
    menu: Menu { scenario: "tight", every: Duration::from_millis(60), ..SEALED },
    about: "the same with little room everywhere: what does not fit is refused, and nothing is lost without a word",
    promises: Promises {
        says: Says::Both,
        sizes: &[8, 1_200, 4_700, 12_000],
        thinks: Duration::from_millis(700),
        open: little_open,
        recovery: Duration::from_secs(40),
        drain: Duration::from_secs(90),
        marks: &[
            CRASHED,
            WHOLE,
            Mark {
                name: "an answerer was busy",
                reached: |tally| tally.counted("refused_busy") > 0,
            },
            counted!("a reassembly made room for another", "evicted"),
        ],
        ..TELLS
    },
    make: |plan, number, life| {
        let (limits, secret) = (little(number), secret(plan, number, life));
        let large = Stack::new(
            secure(plan, number, life, &limits),
            Fragmenter::new(16 * 1_024, &secret, &limits),
        );
        Box::new(Stack::new(large, Asking::new(&secret, &limits)))
    },
    addrs: &[peer],
    to_self: false,
    excluded: None,
};

/// Channels by names. The headers of two are of other sizes.
const NAMES: [&str; 3] = ["a", "news", "a-channel-with-a-long-name"];
/// Who is on nobody's list in [`CHANNELS`].
const EXCLUDED: u32 = 3;
/// The largest message of a channel, its header included.
const CHANNELLED: usize = 4_000;

static CHANNELS: Subject<Channel> = Subject {
    menu: Menu { scenario: "channels", nodes: (2, 5), every: Duration::from_millis(400), ..SEALED },
    about: "several channels over asks over p2pke, an allow-list with somebody who is not on it, messages to oneself",
    promises: Promises {
        says: Says::Both,
        sizes: &[8, 200, 0],
        fits: true,
        recovery: Duration::from_secs(40),
        drain: Duration::from_secs(90),
        marks: &[
            CRASHED,
            RESENT,
            WHOLE,
            ELSEWHERE,
            Mark {
                name: "somebody heard itself",
                reached: |tally| tally.noted("heard itself") > 0,
            },
            Mark {
                name: "to somebody who is on no list nothing was sent",
                reached: |tally| tally.noted("denied") > 0,
            },
            counted!("somebody who is on no list was not heard", "dropped"),
        ],
        ..TELLS
    },
    make: |plan, number, life| {
        let (limits, secret) = (Limits::default(), secret(plan, number, life));
        let secure = secure(plan, number, life, &limits);
        let large = Stack::new(secure, Fragmenter::new(CHANNELLED, &secret, &limits));
        let asking = Stack::new(large, Asking::new(&secret, &limits));
        // Requests are judged one by one here, not the packets that they are made of.
        let listed = plan.nodes.iter().filter(|node| number == EXCLUDED || **node != EXCLUDED);
        let listed = listed.map(|node| peer(plan, *node).id).collect();
        let filtered = Stack::new(asking, Filter::new(listed, &limits));
        let looped = Stack::new(filtered, Loopback::new(&limits));
        let mux = Mux::new(&limits).with_channels(NAMES.map(Name::from));
        let mux = mux.expect("three channels have room");
        Box::new(Stack::new(Stack::new(looped, mux), Join::new(&limits)))
    },
    addrs: &[
        |plan, number| At { key: Name::from(NAMES[0]), addr: peer(plan, number) },
        |plan, number| At { key: Name::from(NAMES[1]), addr: peer(plan, number) },
        |plan, number| At { key: Name::from(NAMES[2]), addr: peer(plan, number) },
    ],
    to_self: true,
    excluded: Some(EXCLUDED),
};

static JOINED: Subject<Numbered> = Subject {
    menu: Menu { scenario: "joined", nodes: (2, 4), every: Duration::from_millis(250), ..SEALED },
    about: "two transports of other sizes, joined into one swarm that tells and asks",
    promises: Promises {
        says: Says::Both,
        sizes: &[8, 1_200, 0],
        fits: true,
        recovery: Duration::from_secs(40),
        drain: Duration::from_secs(90),
        marks: &[CRASHED, RESENT, WHOLE, ELSEWHERE],
        ..TELLS
    },
    make: |plan, number, life| {
        let (limits, secret) = (Limits::default(), secret(plan, number, life));
        let secure = secure(plan, number, life, &limits);
        // Each transport is all that goes through one channel, put together to another size.
        let mux = Mux::new(&limits).with_channels(MEMBERS.map(|(key, _)| key));
        let mut transports = Par::new();
        for (key, largest) in MEMBERS {
            let secret = secret.child(&format!("transport {key}"));
            transports.insert(key, Fragmenter::new(largest, &secret, &limits));
        }
        let mux = Stack::new(secure, mux.expect("two channels have room"));
        let joined = Stack::new(Stack::new(mux, transports), Join::new(&limits));
        Box::new(Stack::new(joined, Asking::new(&secret, &limits)))
    },
    addrs: &[
        |plan, number| At { key: MEMBERS[0].0, addr: peer(plan, number) },
        |plan, number| At { key: MEMBERS[1].0, addr: peer(plan, number) },
    ],
    to_self: false,
    excluded: None,
};

/// The transports of [`JOINED`], and the largest message of each.
const MEMBERS: [(u16, usize); 2] = [(1, 3_000), (500, 8_000)];

static TRANSPORTS: Subject<Schemed> = Subject {
    menu: Menu {
        scenario: "transports",
        nodes: (2, 4),
        every: Duration::from_millis(250),
        ..SEALED
    },
    about: "transports of different kinds by their schemes, each of which tells and asks",
    promises: Promises {
        says: Says::Both,
        sizes: &[8, 900, 0],
        fits: true,
        recovery: Duration::from_secs(40),
        drain: Duration::from_secs(90),
        marks: &[CRASHED, RESENT, ELSEWHERE, ASK_FAILED],
        ..TELLS
    },
    make: |plan, number, life| {
        let (limits, secret) = (Limits::default(), secret(plan, number, life));
        over(secure(plan, number, life, &limits), &secret, &limits)
    },
    addrs: &[
        |plan, number| addr_in(0, peer(plan, number)),
        |plan, number| addr_in(1, peer(plan, number)),
    ],
    to_self: false,
    excluded: None,
};

#[cfg(feature = "quic")]
static QUIC: Subject<Peer> = Subject {
    menu: Menu {
        scenario: "quic",
        nodes: (2, 4),
        every: Duration::from_millis(200),
        suite: Suite::Own,
        ..SEALED
    },
    about: "tells and asks over QUIC, whose connections come and go",
    promises: Promises {
        says: Says::Both,
        sizes: &[8, 1_200, 9_000, 60_000],
        recovery: Duration::from_secs(40),
        drain: Duration::from_secs(90),
        marks: &[
            CRASHED,
            counted!("both sides dialled at once", "crossed"),
            counted!("a handshake failed", "handshakes_failed"),
            counted!("a peer went down", "peers_down"),
            counted!("what is nobody's was refused", "rejected"),
        ],
        ..TELLS
    },
    make: quic,
    addrs: &[peer],
    to_self: false,
    excluded: None,
};

#[cfg(feature = "quic")]
static QUIC_ROAMING: Subject<Peer> = Subject {
    menu: Menu { scenario: "quic-roaming", roams: true, ..QUIC.menu },
    about: "the same while nodes go from one address to another, and their connections with them",
    promises: Promises {
        // Where a path is given up that was never proven, quinn-proto returns to the one before and still counts as in
        // flight what was acknowledged meanwhile. Then it may send no more, and the peer notices after 30 s.
        recovery: Duration::from_secs(60),
        marks: &[
            CRASHED,
            Mark {
                name: "a connection followed its peer",
                reached: |tally| tally.noted("moved") > 0,
            },
            counted!("a peer went down", "peers_down"),
        ],
        ..QUIC.promises
    },
    make: quic,
    addrs: &[peer],
    to_self: false,
    excluded: None,
};

#[cfg(feature = "quic")]
fn quic(plan: &Plan, number: u32, life: u32) -> super::subject::Stack<Peer> {
    let (limits, secret) = (Limits::default(), secret(plan, number, life));
    // Only differences of it are ever seen.
    let epoch = std::time::Instant::now().into();
    let key = key(plan.seed, number, plan.suite);
    let setup = Setup { migrates: true, ..Setup::new(key, &secret, epoch, &limits) };
    let quic = Quic::new(setup).expect("there is TLS");
    Box::new(Stack::new(DatagramPort::new(&limits), quic))
}

/// Requests of one peer that a node with little room takes at once. Some take fewer than others may have outstanding, or
/// nobody would be refused.
const fn little_open(number: u32) -> usize {
    if number.is_multiple_of(2) { 2 } else { 6 }
}

/// Little room.
fn little(number: u32) -> Limits {
    let mut limits = Limits::default();
    (limits.waiting_per_peer, limits.waiting) = (4 * 1_024, 16 * 1_024);
    (limits.send_per_peer, limits.send) = (8 * 1_024, 32 * 1_024);
    (limits.reassembly_per_peer, limits.reassembly) = (24 * 1_024, 64 * 1_024);
    (limits.partials_per_peer, limits.partials) = (4, 8);
    (limits.asks_per_peer, limits.ask_max) = (little_open(number), 16 * 1_024);
    (limits.ask_sending_per_peer, limits.ask_sending) = (32 * 1_024, 64 * 1_024);
    (limits.ask_receiving_per_peer, limits.ask_receiving) = (32 * 1_024, 64 * 1_024);
    (limits.ask_remembered_per_peer, limits.ask_remembered) = (32 * 1_024, 64 * 1_024);
    limits
}

/// What a node is called at this address, at home or at another of its sites: its key goes with it.
fn peer(plan: &Plan, number: u32) -> Peer {
    let at = MemoryAddr(number);
    Peer { addr: at, ..addr(plan.seed, node_at(at)) }
}

/// What the upper layers of a node in this life are seeded with.
fn secret(plan: &Plan, number: u32, life: u32) -> Seed {
    Seed::from_u64(plan.seed).child("campaign").child(&format!("{number}/{life}"))
}

fn secure(plan: &Plan, number: u32, life: u32, limits: &Limits) -> Secure {
    let made = Made { timing: timing(), limits: limits.clone(), suite: plan.suite };
    node(plan.seed, number, life, &made)
}
