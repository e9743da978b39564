//! QUIC (RFC 9000, 9001, 9002): a secure swarm over any swarm of datagrams, by quinn-proto.
//!
//! Maps `A → PeerAddr<A>`: what goes to a peer goes over a connection on which that peer has proven its key, and what
//! comes up came over one. Messages are reliable while a connection lasts, each on a stream of its own, so none waits
//! for another; what was told on a connection that is lost may be lost with it.
//!
//! # Wire format
//! TLS 1.3 with one self-signed certificate on both sides ([who is who](self#identity)). Integers are big-endian.
//!
//! | what | stream | as protocol `p2p` | as protocol `tellask/1` |
//! |---|---|---|---|
//! | tell | unidirectional | the message, up to its end | the same |
//! | request | bidirectional | `u32` length, message | `u32` length, `u32` milliseconds that the asker waits, message |
//! | answer | the same, back | `u32` length, message, end | the same |
//! | refusal | the same, back | reset with code 2³² + the application's | `u32` length with its highest bit set, `u32` code, detail, end |
//!
//! A request ends with its length, and is answered without waiting for the end of its stream. Streams are reset, and
//! stopped, with code 1 where nobody waits any more, 2 where there is too much to do, 3 for what is over the limit of
//! 2²⁰ bytes, 4 for what is no message; connections are closed with 0 where a node closes, 2 where it has no
//! place, 5 where its policy excludes the peer, 6 where somebody else was expected. `p2p` is the protocol of the Go
//! implementation; any reset is an error reply to it. Nodes of ours prefer `tellask/1`.
//!
//! # Identity
//! Of a certificate only the key counts, which is to be an Ed25519 key; its owner signs each handshake. A connection
//! to somebody else than was dialled, or whom the [policy](Accept) excludes, is closed before any message
//! is taken. Sessions are never resumed: there are no tickets and there is no early data, which could be replayed.
//!
//! # Post-quantum
//! With the feature `ml-kem` the dialler offers the group X25519MLKEM768 first (0x11ec, draft-ietf-tls-ecdhe-mlkem) and its half of
//! X25519 beside it, so that a peer without it loses no round trip: what is recorded now stays secret as long as
//! either of the two holds. The first flight is then two datagrams, not one. Signatures stay Ed25519.
//!
//! # Connections
//! One connection to a peer is in use: the newest, but where both dialled at once that of the lower id. Others
//! are heard until they are idle. The next message to a peer that went down dials again. When a request is
//! outstanding its connection is kept alive; else it ends [`IDLE`] after its last message. A peer of which nothing is heard
//! for as long, although it was said something, is down.
//!
//! Timers: quinn-proto's; a handshake takes [`HANDSHAKE`] at the most, silence [`IDLE`]; a ping every [`KEEP_ALIVE`] while an
//! answer is owed, or a message waits at either side.
//!
//! Bounds, in [`Limits`]: peers, half-open handshakes (by network once half of them are taken; then strangers prove
//! their address first), dials, handshakes of strangers a second, messages and bytes on the way down, streams
//! and bytes in flight of each peer, bytes of messages that are being put together. What is more
//! of a peer waits at that peer: while the application does not take its messages, no more are read. When its connection
//! ends, what came whole is read as far as there is room; the rest is lost. Of one peer four connections are up at the
//! most, and 1,024 messages on each are not known to have arrived.
//!
//! It refuses messages to its own key and swarms below whose datagrams have less than [`MTU_MIN`] bytes. What it cannot
//! decide for the libraries below: they choose how congestion is met (CUBIC, in floating point, so that
//! two platforms may differ), and hold state of their own, which the dump does not show.
//!
//! With the protocol's own randomness from the seed, the same calls give the same bytes.

mod asks;
mod clock;
mod connection;
mod counters;
mod drive;
mod ending;
#[cfg(feature = "ml-kem")]
mod hybrid;
mod incoming;
mod keys;
mod local;
mod outgoing;
mod places;
#[cfg(feature = "qlog")]
mod qlog;
mod random;
mod reading;
#[cfg(test)]
mod tests;
mod tls;
mod wire;

pub use connection::{HANDSHAKE, IDLE, KEEP_ALIVE};
#[cfg(feature = "qlog")]
pub use qlog::{Begun, Qlog, Writer};

use self::asks::Sent;
use self::connection::Connection;
use self::counters::Counters;
use self::local::Local;
use self::places::Places;
use crate::addr::{Addr, PeerAddr, Source};
use crate::diagnostics::Diagnostics;
use crate::half_open::HalfOpen;
use crate::identity::{PeerId, SecretKey};
use crate::layer::{Layer, earliest};
use crate::limits::Limits;
use crate::outbox::Outbox;
use crate::peers::Peers;
use crate::seed::Seed;
use crate::stats::StatsSink;
use crate::swarm::{Accept, Command, Event, Link, Swarm};
use crate::table::Slot;
use crate::time::{Anchor, Epoch, Instant};
use crate::turns::Turns;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};
use quinn_proto::StreamId;

/// The least that a datagram of the swarm below must hold, in bytes (RFC 9000 section 14).
pub const MTU_MIN: usize = 1_200;

/// Bytes that a message of one datagram costs: QUIC's short header, a frame's header, the tag.
const OVERHEAD: usize = 48;

/// QUIC over the swarm below.
pub struct Quic<A> {
    local: Local,
    connections: Vec<Option<Box<Connection<A>>>>,
    places: Places<A>,
    peers: Peers<PeerAddr<A>, A, PeerId, usize, Sent>,
    timers: BTreeSet<(Instant, usize)>,
    /// Connections that something has happened to, to be seen to when the next timer is due.
    dirty: VecDeque<usize>,
    dirty_since: Option<Instant>,
    /// Connections that have more to send than the side below takes.
    stalled: BTreeSet<usize>,
    /// Connections with messages that the side above has no room for, or that are held back.
    unread: Turns<usize>,
    /// Requests of peers, by their tokens.
    owed: BTreeMap<u64, (usize, StreamId, PeerAddr<A>)>,
    tokens: u64,
    out: Outbox<A>,
    control: VecDeque<Command<A>>,
    half_open: HalfOpen<Slot>,
    dialling: usize,
    /// Connections of which not all is known to have arrived: a close waits for them.
    busy: BTreeSet<usize>,
    /// Bytes of messages that are being put together.
    receiving: usize,
    closing: Closing,
    limits: Limits,
    counters: Counters,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Closing {
    No,
    /// What was accepted is still being finished.
    Asked,
    /// The peers are told.
    Ending,
    /// The side below was told.
    Passed,
}

/// Why there is no QUIC: the library of its cryptography lacks what TLS 1.3 needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable;

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the library of its cryptography lacks what TLS 1.3 needs")
    }
}

impl core::error::Error for Unavailable {}

/// What a node of QUIC is made of.
#[derive(Debug)]
pub struct Setup<'a> {
    /// Its key.
    pub key: SecretKey,
    /// Must be unpredictable for a node that strangers can reach: the keys of its sessions come from it.
    pub seed: &'a Seed,
    /// The date.
    pub clock: Anchor,
    /// What the library below counts from.
    pub epoch: Epoch,
    /// Whom it talks to.
    pub accept: Accept,
    /// Whether a peer's connection follows it to another address (RFC 9000 section 9): where addresses of the swarm
    /// below are of networks, and say nothing about keys. Whoever accepted it follows whoever dialled; the other way round
    /// the connection is lost, and noticed after [`IDLE`].
    pub migrates: bool,
    /// Whether the largest datagram is found out (RFC 9000 section 14.3): where datagrams that are too large
    /// are lost and nothing else.
    pub probes_mtu: bool,
    /// Whether keys are agreed on with ML-KEM too, with peers that can: see the [module](self#post-quantum).
    #[cfg(feature = "ml-kem")]
    pub ml_kem: bool,
    /// What is to be written of its connections.
    pub diagnostics: Diagnostics,
    /// Its bounds.
    pub limits: &'a Limits,
}

impl<'a> Setup<'a> {
    /// One that talks to anyone, over datagrams of which nothing is known but their size; its dates begin with 1970,
    /// which matters to proofs of address alone. Nothing is written of its connections.
    #[must_use]
    pub fn new(key: SecretKey, seed: &'a Seed, epoch: Epoch, limits: &'a Limits) -> Self {
        let (clock, accept) = (Anchor::default(), Accept::Anyone);
        Self {
            key,
            seed,
            clock,
            epoch,
            accept,
            migrates: false,
            probes_mtu: false,
            #[cfg(feature = "ml-kem")]
            ml_kem: true,
            diagnostics: Diagnostics::default(),
            limits,
        }
    }
}

impl<A: Addr + Source> Quic<A> {
    /// A node.
    ///
    /// # Errors
    /// Where the library of the cryptography lacks what TLS 1.3 needs.
    pub fn new(setup: Setup<'_>) -> Result<Self, Unavailable> {
        let limits = setup.limits.clone();
        let seed = setup.seed.child("quic");
        let places = limits.peers.saturating_mul(2).saturating_add(limits.half_open);
        Ok(Self {
            local: Local::new(setup, &seed).map_err(|_| Unavailable)?,
            connections: Vec::new(),
            places: Places::new(&seed, places.saturating_add(limits.dialling)),
            peers: Peers::new("quic", &seed, &limits),
            timers: BTreeSet::new(),
            dirty: VecDeque::new(),
            dirty_since: None,
            stalled: BTreeSet::new(),
            unread: Turns::new(),
            owed: BTreeMap::new(),
            tokens: 0,
            out: Outbox::new(limits.send_per_peer, limits.send),
            control: VecDeque::new(),
            half_open: HalfOpen::new(&limits),
            dialling: 0,
            busy: BTreeSet::new(),
            receiving: 0,
            closing: Closing::No,
            limits,
            counters: Counters::default(),
        })
    }

    /// The id of this node's key.
    #[must_use]
    pub fn id(&self) -> PeerId {
        self.local.key.id()
    }

    /// Connections that there are, in whatever state.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.iter().flatten().count()
    }

    /// Half-open handshakes that strangers began.
    #[must_use]
    pub fn half_open(&self) -> usize {
        self.half_open.len()
    }

    fn connection(&mut self, handle: usize) -> Option<&mut Connection<A>> {
        self.connections.get_mut(handle)?.as_deref_mut()
    }
}

impl<A: Addr + Source> Layer for Quic<A> {
    type Input = Event<A>;
    type Transmit = Command<A>;
    type Command = Command<PeerAddr<A>>;
    type Event = Event<PeerAddr<A>>;

    fn handle_input(&mut self, now: Instant, input: Self::Input) {
        self.advance(now);
        self.on_event(now, input);
        self.close_when_finished(now);
    }

    fn handle_command(&mut self, now: Instant, command: Self::Command) {
        self.advance(now);
        match command {
            Command::Tell { dst, payload } => self.on_tell(now, dst, payload),
            Command::Ask { id, dst, payload, deadline } => {
                self.on_ask(now, id, dst, payload, deadline);
            }
            Command::Answer { token, result, .. } => self.on_answer(token, result),
            Command::Cancel { id, .. } => self.on_cancel(id),
            Command::Identify { dst } => self.on_identify(now, dst),
            Command::Disconnect { dst } => self.on_disconnect(now, &dst),
            Command::Set(setting) => self.on_set(now, setting),
            Command::Close => {
                if self.closing == Closing::No {
                    self.closing = Closing::Asked;
                }
            }
        }
        self.close_when_finished(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_none_or(|due| due > now) {
            return;
        }
        self.advance(now);
        self.on_timers(now);
        self.drive_all(now);
        self.tell_ready(now);
        self.close_when_finished(now);
    }

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        if let Some((dst, payload)) = self.out.pop() {
            return Some(Command::Tell { dst, payload });
        }
        self.control.pop_front()
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        self.peers.up.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let timers = self.timers.first().map(|(due, _)| *due);
        let pops = (self.is_finished() || self.reads_unread()).then(|| self.out.next());
        let edges = earliest(self.out.poll_timeout(), self.peers.poll_timeout());
        earliest(earliest(timers, self.dirty_since), earliest(pops, edges))
    }

    fn stats(&self, sink: &mut dyn StatsSink) {
        sink.enter(format_args!("quic"));
        self.counters.stats(sink);
        self.peers.stats(sink);
        sink.gauge("half_open", self.half_open.len() as u64);
        sink.gauge("dialling", self.dialling as u64);
        sink.gauge("connections", self.connections() as u64);
        sink.gauge("places", self.places.held() as u64);
        sink.gauge("answers_owed", self.owed.len() as u64);
        sink.gauge("receiving_bytes", self.receiving as u64);
        sink.gauge("datagram_bytes", self.out.bytes() as u64);
        sink.gauge("closing", u64::from(self.closing != Closing::No));
        sink.state("connections", &|hasher| self.dump(hasher));
        sink.leave();
    }
}

impl<A: Addr + Source> Quic<A> {
    /// Remembers the latest time that was handed in.
    fn advance(&mut self, now: Instant) {
        self.out.advance(now);
        self.peers.tells.advance(now);
    }

    /// What a later call could depend on, as far as it is ours.
    fn dump(&self, mut hasher: &mut dyn Hasher) {
        self.places.dump(hasher);
        (self.tokens, self.dialling, self.receiving, &self.owed.len()).hash(&mut hasher);
        self.peers.dump(hasher);
        for (handle, connection) in self.connections.iter().enumerate() {
            let Some(connection) = connection else { continue };
            (handle, connection.standing, connection.peer, connection.ours).hash(&mut hasher);
            (connection.ping_at, connection.dialled, connection.begun).hash(&mut hasher);
        }
        (&self.half_open, &self.unread, self.closing).hash(&mut hasher);
        (self.local.clock.anchor(), &self.local.accept).hash(&mut hasher);
    }
}

impl<A: Addr + Source> Swarm for Quic<A> {
    type Addr = PeerAddr<A>;

    fn link(&self) -> &Link<Self::Addr> {
        self.peers.up.link()
    }

    fn mtu_to(&self, dst: &Self::Addr) -> usize {
        self.peers.up.mtu_to(dst)
    }

    fn is_full(&self, dst: &Self::Addr) -> bool {
        self.peers.up.is_full(dst)
    }

    fn is_closed(&self) -> bool {
        self.closing != Closing::No
    }
}

impl<A: fmt::Debug> fmt::Debug for Quic<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quic")
            .field("key", &self.local.key)
            .field("peers", &self.peers)
            .field("closing", &self.closing)
            .finish_non_exhaustive()
    }
}
