//! SSH 2.0 (RFC 4251 to 4254): a secure swarm over streams.
//!
//! Maps a [`StreamPort`](crate::port::StreamPort) to [`SshAddr`]: what goes to a peer goes over a connection on which both
//! sides have proven their keys, and what comes up came over one. Messages arrive whole and in order while a connection lasts; what
//! was told on a connection that is lost may be lost with it.
//!
//! # Wire format
//! Ciphers and key exchanges: the module `kex`. Which message is taken when: the module `table`. A message is one packet:
//!
//! | what | as the Go implementation has it (RFC 4254 section 4) | where both sides say `messages@tellask` in `EXT_INFO` |
//! |---|---|---|
//! | tell | 80, string empty, false, the message | 200, the message |
//! | request | 80, string empty, true, the message | 201, `u32` name, `u32` milliseconds that the asker waits, the message |
//! | answer | 81, the message | 202, `u32` name, the message |
//! | refusal | 82 | 203, `u32` name, `u8` why (0 the application, 1 too large, 2 busy), `u32` code, detail |
//! | nobody waits any more | – | 204, `u32` name |
//!
//! Without the extension answers go in the order of their requests, in whatever order the application gives them, and a
//! refusal says nothing more. Requests of other names are refused, and so are channels.
//!
//! # Identity
//! Both ends prove an Ed25519 key: the server with its host key, the client by `publickey`, under any user name. Who was
//! dialled is in the address; a connection to somebody else, or whom the [policy](Accept) excludes, ends before any
//! message is taken. A key that was offered says nothing; that of which a signature was verified does.
//!
//! # Connections
//! One connection to a peer is in use: the newest, but where both dialled at once that of the lower fingerprint. Others are
//! heard until they end; of two that crossed whoever dialled the other ends it when it is idle for [`SPARE`]. The next message to a peer that
//! went down dials again. Of two nodes only that which dialled ends a connection that is [idle](IDLE); the other looks after its peer, and
//! so does whoever waits for an answer. Peers that say so are asked to answer (`ping@openssh.com`); towards others a lost
//! connection is found by the path.
//!
//! Timers: a handshake takes [`HANDSHAKE`] at the most, another key exchange [`EXCHANGE`]; [`Rekey`] says when there is one;
//! [`KEEP_ALIVE`] while an answer is owed to us.
//!
//! Bounds, in [`Limits`] where not said otherwise: four connections of a peer, peers, half-open handshakes (by network once half of them are taken), dials,
//! handshakes of strangers a second, messages and bytes on the way down, requests outstanding, requests of a peer and bytes of
//! answers that wait for their turn. A packet is 35,000 bytes at the most before both keys are proven, 256 KiB afterwards. What
//! is more of a peer waits at that peer: while the application does not take its messages, or the peer does not read what it is
//! answered, no more are read.
//!
//! It refuses messages over 2¹⁷ bytes, messages to its own key, compression, and ciphers that are not authenticated.

mod addr;
mod agreement;
mod asks;
mod connection;
mod counters;
mod ending;
mod fault;
mod incoming;
mod kex;
mod local;
mod outgoing;
mod packet;
mod session;
mod table;
#[cfg(test)]
mod tests;
mod wire;

pub use addr::{Fingerprint, FingerprintError, SshAddr, SshAddrError};
pub use connection::{IDLE, KEEP_ALIVE, SPARE};
pub use local::Rekey;
pub use session::{EXCHANGE, HANDSHAKE};

use self::asks::Sent;
use self::connection::Connection;
use self::counters::Counters;
use self::ending::End;
use self::fault::Fault;
use self::local::Local;
use crate::addr::{Addr, Source};
use crate::bucket::Bucket;
use crate::half_open::HalfOpen;
use crate::identity::{PublicKey, SecretKey};
use crate::layer::{Layer, earliest};
use crate::limits::Limits;
use crate::peers::Peers;
use crate::port::{StreamId, StreamInput, StreamTransmit};
use crate::seed::Seed;
use crate::stats::StatsSink;
use crate::swarm::{Accept, Command, Event, Link, Setting, Swarm};
use crate::time::Instant;
use crate::turns::Turns;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

/// Which side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Role {
    /// Whoever dialled.
    Client,
    Server,
}

/// What a node of SSH is made of.
#[derive(Debug)]
pub struct Setup<'a> {
    /// Its key.
    pub key: SecretKey,
    /// The user name under which it authenticates. Nodes of tellask take any; other servers may want that of an account.
    pub user: &'a str,
    /// Must be unpredictable for a node that strangers can reach: the keys of its sessions come from it.
    pub seed: &'a Seed,
    /// Whom it talks to.
    pub accept: Accept,
    /// When it exchanges keys again.
    pub rekey: Rekey,
    /// Whether it offers `messages@tellask`. Without it answers go in the order of requests, to nodes of its own kind too.
    pub extension: bool,
    /// Its bounds.
    pub limits: &'a Limits,
}

impl<'a> Setup<'a> {
    /// One that talks to anyone, as the user `tellask`.
    #[must_use]
    pub fn new(key: SecretKey, seed: &'a Seed, limits: &'a Limits) -> Self {
        let (accept, rekey) = (Accept::Anyone, Rekey::default());
        Self { key, user: "tellask", seed, accept, rekey, extension: true, limits }
    }
}

/// SSH over a port of streams.
#[derive(Debug)]
pub struct Ssh<S> {
    local: Local,
    fingerprint: Fingerprint,
    connections: BTreeMap<StreamId, Box<Connection<S>>>,
    /// The number of the next connection that we begin.
    fresh: u64,
    peers: Peers<SshAddr<S>, S, Fingerprint, StreamId, Sent>,
    timers: BTreeSet<(Instant, StreamId)>,
    /// Connections that have something to write.
    writable: VecDeque<StreamId>,
    /// Connections with messages that the side above has no room for, or that are held back.
    stalled: Turns<StreamId>,
    /// Connections of the requests of peers, by their tokens.
    owed: BTreeMap<u64, StreamId>,
    tokens: u64,
    /// Bytes of answers that wait for their turn.
    answer_bytes: usize,
    control: VecDeque<StreamTransmit<S>>,
    half_open: HalfOpen<StreamId>,
    strangers: Bucket,
    dialling: usize,
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
    Closed,
}

impl<S: Addr + Source> Ssh<S> {
    /// A node.
    #[must_use]
    pub fn new(setup: Setup<'_>) -> Self {
        let (seed, limits) = (setup.seed.child("ssh"), setup.limits);
        let fingerprint = Fingerprint::of(setup.key.public());
        Self {
            local: Local::new(setup, seed.rng("draws")),
            fingerprint,
            connections: BTreeMap::new(),
            fresh: 0,
            peers: Peers::new("ssh", &seed, limits),
            timers: BTreeSet::new(),
            writable: VecDeque::new(),
            stalled: Turns::new(),
            owed: BTreeMap::new(),
            tokens: 0,
            answer_bytes: 0,
            control: VecDeque::new(),
            half_open: HalfOpen::new(limits),
            strangers: Bucket::new(limits.signature_checks_per_second),
            dialling: 0,
            closing: Closing::No,
            limits: limits.clone(),
            counters: Counters::default(),
        }
    }

    /// The fingerprint of this node's key.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Connections that there are, in whatever state.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Half-open handshakes that strangers began.
    #[must_use]
    pub fn half_open(&self) -> usize {
        self.half_open.len()
    }

    fn on_set(&mut self, now: Instant, setting: Setting) {
        let accept = match setting {
            Setting::Accept(accept) => accept,
            Setting::Hold(held) => {
                self.peers.held = held;
                return self.stalled.release();
            }
            // Of protocols that know dates.
            Setting::Clock(_) | Setting::TellFloors(_) | Setting::Floor { .. } => return,
        };
        self.local.accept = accept;
        let excluded = |key: &PublicKey| !self.local.accept.takes(&key.peer_id());
        let denied: Vec<StreamId> = self
            .peers
            .table
            .iter()
            .filter(|(_, _, peer)| peer.key().is_some_and(excluded))
            .flat_map(|(_, _, peer)| peer.connections.iter().copied())
            .collect();
        for id in denied {
            self.fail(now, id, Fault::Denied);
        }
    }

    /// Nothing that was accepted is unfinished.
    fn is_finished(&self) -> bool {
        match self.closing {
            Closing::No | Closing::Closed => false,
            Closing::Asked => {
                self.peers.is_idle()
                    && !self.connections.values().any(|connection| connection.is_busy())
            }
            Closing::Ending => self.connections.is_empty(),
        }
    }

    /// Ends all connections once nothing is unfinished.
    fn close_when_finished(&mut self, now: Instant) {
        if self.closing == Closing::Asked && self.is_finished() {
            self.closing = Closing::Ending;
            let all: Vec<StreamId> = self.connections.keys().copied().collect();
            for id in all {
                self.close(now, id, Fault::Done, End::Ours);
            }
        }
        if self.closing == Closing::Ending && self.is_finished() {
            self.closing = Closing::Closed;
            self.peers.up.push(Event::Closed);
        }
    }

    /// What a later call could depend on.
    fn dump(&self, mut hasher: &mut dyn Hasher) {
        (self.fresh, self.tokens, self.dialling, self.peers.up_count(), &self.owed)
            .hash(&mut hasher);
        self.peers.dump(hasher);
        for (id, connection) in &self.connections {
            (id, connection.standing, connection.peer, connection.credit).hash(&mut hasher);
            (connection.window, connection.session.pending(), connection.session.unread())
                .hash(&mut hasher);
            (&connection.asks, connection.owed.len(), connection.due(&self.local))
                .hash(&mut hasher);
        }
        (&self.half_open, &self.stalled, self.closing).hash(&mut hasher);
        self.local.accept.hash(&mut hasher);
    }
}

impl<S: Addr + Source> Layer for Ssh<S> {
    type Input = StreamInput<S>;
    type Transmit = StreamTransmit<S>;
    type Command = Command<SshAddr<S>>;
    type Event = Event<SshAddr<S>>;

    fn handle_input(&mut self, now: Instant, input: Self::Input) {
        self.peers.tells.advance(now);
        self.on_input(now, input);
        self.close_when_finished(now);
    }

    fn handle_command(&mut self, now: Instant, command: Self::Command) {
        self.peers.tells.advance(now);
        match command {
            Command::Tell { dst, payload } => self.on_tell(now, dst, payload),
            Command::Ask { id, dst, payload, deadline } => {
                self.on_ask(now, id, dst, payload, deadline);
            }
            Command::Answer { token, result, .. } => self.on_answer(now, token, result),
            Command::Cancel { id, .. } => self.on_cancel(now, id),
            Command::Identify { dst } => self.on_identify(now, dst),
            Command::Disconnect { dst } => self.on_disconnect(now, &dst),
            Command::Set(setting) => self.on_set(now, setting),
            Command::Close => {
                if self.closing == Closing::No {
                    self.closing = Closing::Asked;
                }
            }
        }
        self.send_tells(now);
        self.close_when_finished(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_none_or(|due| due > now) {
            return;
        }
        self.peers.tells.advance(now);
        self.on_deadlines(now);
        self.on_timers(now);
        self.read_stalled(now);
        self.send_tells(now);
        self.peers.tell_ready();
        self.close_when_finished(now);
    }

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        self.control.pop_front().or_else(|| self.next_write())
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        self.peers.up.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let timers = self.timers.first().map(|(due, _)| *due);
        let pops = (self.is_finished() || self.reads_stalled()).then(|| self.peers.tells.next());
        earliest(earliest(timers, pops), self.peers.poll_timeout())
    }

    fn stats(&self, sink: &mut dyn StatsSink) {
        sink.enter(format_args!("ssh"));
        self.counters.stats(sink);
        self.peers.stats(sink);
        sink.gauge("half_open", self.half_open.len() as u64);
        sink.gauge("dialling", self.dialling as u64);
        sink.gauge("connections", self.connections.len() as u64);
        sink.gauge("answers_owed", self.owed.len() as u64);
        sink.gauge("answer_bytes", self.answer_bytes as u64);
        sink.gauge("closing", u64::from(self.closing != Closing::No));
        sink.state("connections", &|hasher| self.dump(hasher));
        sink.leave();
    }
}

impl<S: Addr + Source> Swarm for Ssh<S> {
    type Addr = SshAddr<S>;

    fn link(&self) -> &Link<Self::Addr> {
        self.peers.up.link()
    }

    fn is_full(&self, dst: &Self::Addr) -> bool {
        self.peers.up.is_full(dst)
    }

    fn is_closed(&self) -> bool {
        self.closing != Closing::No
    }
}
