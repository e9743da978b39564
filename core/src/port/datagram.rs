//! The datagram port: a leaf swarm over whatever carries datagrams.
//!
//! UDP, the in-memory swarm and the virtual ones are this port with other address types. Nothing above
//! it knows which it is on.
//!
//! | from the driver | to the driver |
//! |---|---|
//! | [`DatagramInput::Bound`], [`Datagram`](DatagramInput::Datagram), [`Unreachable`](DatagramInput::Unreachable), [`TooLarge`](DatagramInput::TooLarge), [`PathMtu`](DatagramInput::PathMtu) | [`Datagram`] |
//!
//! Maps: nothing; it is a leaf. Wire format: none of its own. Timers: none but the ready edge.
//! Bounds: what waits for the driver stands in an [`Outbox`], what waits for the application in an
//! [`Up`]; both within [`Limits`]. It refuses asks and identification: a datagram proves nothing.
//!
//! Where the node has several addresses, a reply leaves from the one that the peer last wrote to, as far as
//! a datagram's source can be believed. Whoever forges it makes replies leave from another of the node's
//! addresses, until the peer writes again and no longer.

use crate::addr::Addr;
use crate::layer::Layer;
use crate::limits::Limits;
use crate::outbox::Outbox;
use crate::payload::Payload;
use crate::stats::StatsSink;
use crate::swarm::{Command, Event, Link, Message, Swarm, Undeliverable};
use crate::time::Instant;
use crate::trace::trace;
use crate::up::Up;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use bytes::BytesMut;
use core::hash::{Hash, Hasher};
use core::ops::Bound;

/// A datagram on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram<S> {
    /// The node's own address to send from, where it has several and it matters which.
    pub src: Option<S>,
    /// Where to.
    pub dst: S,
    /// What to send.
    pub payload: Payload,
}

/// What a driver tells a datagram port.
#[derive(Clone, PartialEq, Eq)]
pub enum DatagramInput<S> {
    /// The socket is bound, or its addresses or size limit changed.
    Bound {
        /// The node's own addresses.
        local: Vec<S>,
        /// The largest datagram that works towards everybody, in bytes.
        mtu: usize,
    },
    /// A datagram arrived.
    Datagram {
        /// From where, as far as the network says.
        src: S,
        /// To which of the node's addresses.
        dst: S,
        /// What.
        payload: BytesMut,
    },
    /// The network said that nobody is at `dst`. Anybody may have made it say so.
    Unreachable {
        /// Where to.
        dst: S,
    },
    /// A datagram to `dst` was larger than the way there takes. `limit` bytes fit on any.
    TooLarge {
        /// Where to.
        dst: S,
        /// In bytes.
        limit: usize,
    },
    /// Towards `dst` datagrams of up to `mtu` bytes work.
    PathMtu {
        /// Where to.
        dst: S,
        /// In bytes.
        mtu: usize,
    },
}

impl<S: core::fmt::Debug> core::fmt::Debug for DatagramInput<S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Bound { local, mtu } => write!(f, "Bound({local:?}, {mtu} bytes)"),
            Self::Datagram { src, dst, payload } => {
                write!(f, "Datagram({src:?} -> {dst:?}, {} bytes)", payload.len())
            }
            Self::Unreachable { dst } => write!(f, "Unreachable({dst:?})"),
            Self::TooLarge { dst, limit } => write!(f, "TooLarge({dst:?}, {limit} bytes)"),
            Self::PathMtu { dst, mtu } => write!(f, "PathMtu({dst:?}, {mtu} bytes)"),
        }
    }
}

/// The leaf of every stack over datagrams.
#[derive(Clone, Debug)]
pub struct DatagramPort<S> {
    up: Up<S>,
    out: Outbox<S>,
    // Where a reply must leave from, if not from the first of the node's addresses.
    homes: BTreeMap<S, S>,
    // The peer whose home was forgotten last to make room: the next in order is the next to go.
    forgotten: Option<S>,
    closing: bool,
    counters: Counters,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counters {
    received: u64,
    received_bytes: u64,
    sent: u64,
    sent_bytes: u64,
    refused: u64,
    unreachable: u64,
    too_large: u64,
    received_after_close: u64,
}

/// Peers for which the address that they last wrote to is remembered, where it is not the node's
/// first. A new one takes the place of another, each in its turn: whoever is pushed out by forged
/// sources is back with the next datagram.
const HOMES: usize = 1_024;

impl<S: Addr> DatagramPort<S> {
    /// A port that is not bound yet.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            up: Up::new(limits),
            out: Outbox::new(limits.send_per_peer, limits.send),
            homes: BTreeMap::new(),
            forgotten: None,
            closing: false,
            counters: Counters::default(),
        }
    }

    fn receive(&mut self, src: S, dst: S, payload: BytesMut) {
        if self.closing {
            self.counters.received_after_close += 1;
            return;
        }
        self.counters.received += 1;
        self.counters.received_bytes += payload.len() as u64;
        if self.up.link().local.first() != Some(&dst) {
            self.remember_home(&src, &dst);
        } else if !self.homes.is_empty() {
            self.homes.remove(&src);
        }
        self.up.push(Event::Told(Message { src, dst, payload }));
    }

    fn remember_home(&mut self, peer: &S, home: &S) {
        if self.homes.get(peer) == Some(home) {
            return;
        }
        if self.homes.len() >= HOMES && !self.homes.contains_key(peer) {
            let after = (
                self.forgotten.as_ref().map_or(Bound::Unbounded, Bound::Excluded),
                Bound::Unbounded,
            );
            let mut next = self.homes.range::<S, _>(after).map(|(peer, _)| peer);
            let victim = next.next().or_else(|| self.homes.keys().next()).cloned();
            if let Some(victim) = &victim {
                self.homes.remove(victim);
            }
            self.forgotten = victim;
        }
        self.homes.insert(peer.clone(), home.clone());
    }

    fn send(&mut self, now: Instant, dst: S, payload: Payload) {
        let limit = self.up.mtu_to(&dst);
        if self.closing {
            self.refuse(Command::Tell { dst, payload }, Undeliverable::Closed);
        } else if payload.len() > limit {
            self.refuse(Command::Tell { dst, payload }, Undeliverable::TooLarge { limit });
        } else {
            match self.out.push(now, dst, payload) {
                Ok(None) => {}
                Ok(Some(scope)) => self.up.push(Event::Full { scope }),
                Err((dst, payload)) => {
                    self.refuse(Command::Tell { dst, payload }, Undeliverable::Full);
                }
            }
        }
    }

    fn refuse(&mut self, command: Command<S>, why: Undeliverable) {
        self.counters.refused += 1;
        if let Some(event) = command.refuse(why) {
            self.up.push(event);
        }
    }

    fn close_when_drained(&mut self) {
        if self.closing && self.out.is_empty() {
            self.up.push(Event::Closed);
        }
    }
}

impl<S: Addr> Layer for DatagramPort<S> {
    type Input = DatagramInput<S>;
    type Transmit = Datagram<S>;
    type Command = Command<S>;
    type Event = Event<S>;

    fn handle_input(&mut self, now: Instant, input: Self::Input) {
        self.out.advance(now);
        match input {
            DatagramInput::Datagram { src, dst, payload } => self.receive(src, dst, payload),
            DatagramInput::Bound { local, mtu } => {
                self.up.push(Event::Link(Link { local, unit: mtu, tell_max: mtu, ask_max: 0 }));
            }
            DatagramInput::Unreachable { dst } => {
                self.counters.unreachable += 1;
                trace!(DEBUG, "port", peer = %dst, reason = "unreachable", "a datagram was lost");
                let reason = Undeliverable::Unreachable;
                self.up.push(Event::Undelivered { dst, reason });
            }
            DatagramInput::TooLarge { dst, limit } => {
                self.counters.too_large += 1;
                trace!(DEBUG, "port", peer = %dst, reason = "too large", "a datagram was lost");
                let reason = Undeliverable::TooLarge { limit };
                self.up.push(Event::Undelivered { dst, reason });
            }
            DatagramInput::PathMtu { dst, mtu } => {
                let mtu = mtu.max(self.up.link().unit);
                self.up.push(Event::PathMtu { dst, unit: mtu, tell_max: mtu });
            }
        }
        self.close_when_drained();
    }

    fn handle_command(&mut self, now: Instant, command: Self::Command) {
        self.out.advance(now);
        match command {
            Command::Tell { dst, payload } => self.send(now, dst, payload),
            Command::Close => self.closing = true,
            // There is no session to end, and no setting to change.
            Command::Disconnect { .. } | Command::Set(_) => {}
            refused @ (Command::Ask { .. }
            | Command::Answer { .. }
            | Command::Cancel { .. }
            | Command::Identify { .. }) => self.refuse(refused, Undeliverable::Unsupported),
        }
        self.close_when_drained();
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_none_or(|due| due > now) {
            return;
        }
        self.out.advance(now);
        while let Some(scope) = self.out.take_ready() {
            self.up.push(Event::Ready { scope });
        }
        self.close_when_drained();
    }

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        let (dst, payload) = self.out.pop()?;
        self.counters.sent += 1;
        self.counters.sent_bytes += payload.len() as u64;
        let src = if self.homes.is_empty() { None } else { self.homes.get(&dst).cloned() };
        Some(Datagram { src, dst, payload })
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        self.up.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.closing && self.out.is_empty() && !self.up.is_closed() {
            return Some(self.out.next());
        }
        self.out.poll_timeout()
    }

    fn stats(&self, sink: &mut dyn StatsSink) {
        let counters = &self.counters;
        sink.enter(format_args!("datagram"));
        sink.counter("received", counters.received);
        sink.counter("received_bytes", counters.received_bytes);
        sink.counter("sent", counters.sent);
        sink.counter("sent_bytes", counters.sent_bytes);
        sink.counter("refused", counters.refused);
        sink.counter("unreachable", counters.unreachable);
        sink.counter("too_large", counters.too_large);
        sink.counter("received_after_close", counters.received_after_close);
        self.up.stats(sink);
        self.out.stats(sink);
        sink.gauge("homes", self.homes.len() as u64);
        sink.gauge("closing", u64::from(self.closing));
        sink.state("homes", &|mut hasher: &mut dyn Hasher| {
            (&self.homes, &self.forgotten).hash(&mut hasher);
        });
        sink.leave();
    }
}

impl<S: Addr> Swarm for DatagramPort<S> {
    type Addr = S;

    fn link(&self) -> &Link<S> {
        self.up.link()
    }

    fn mtu_to(&self, dst: &S) -> usize {
        self.up.mtu_to(dst)
    }

    fn is_full(&self, dst: &S) -> bool {
        self.up.is_full(dst)
    }

    fn is_closed(&self) -> bool {
        self.closing
    }
}
