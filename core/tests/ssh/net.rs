//! Nodes, and a wire between them that keeps to the credit of either side.

use bytes::{Bytes, BytesMut};
use core::hash::Hasher;
use core::time::Duration;
use tellask::Limits;
use tellask::addr::MemoryAddr;
use tellask::identity::SecretKey;
use tellask::layer::Layer;
use tellask::payload::Payload;
use tellask::port::{StreamEnd, StreamId, StreamInput, StreamTransmit};
use tellask::seed::Seed;
use tellask::ssh::{Setup, Ssh, SshAddr};
use tellask::stats::StatsSink;
use tellask::swarm::{Accept, AskError, AskId, Command, Event, Refusal, Setting, Token};
use tellask::time::Instant;

/// Bytes that may be on their way in one direction.
const CREDIT: usize = 64 * 1_024;

/// A message of this length, no two of whose bytes in a row are the same.
pub(crate) fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}

/// One direction of a connection.
#[derive(Default)]
struct Way {
    bytes: BytesMut,
    credit: usize,
    finished: bool,
    told_finished: bool,
}

struct Wire {
    /// Both ends: which node, and what it calls the connection.
    ends: [(usize, StreamId); 2],
    /// To each of them.
    ways: [Way; 2],
    over: [bool; 2],
}

/// Some nodes.
pub(crate) struct Net {
    pub(crate) nodes: Vec<Ssh<MemoryAddr>>,
    pub(crate) now: Instant,
    /// Bytes that are handed over at a time.
    pub(crate) piece: usize,
    /// Whether nothing arrives any more.
    pub(crate) silent: bool,
    /// Whether nodes dial from where they listen, as on networks without ports.
    pub(crate) one_place: bool,
    keys: Vec<SecretKey>,
    /// Whose application takes what there is.
    pub(crate) takes: Vec<bool>,
    wires: Vec<Wire>,
    heard: Vec<Vec<Event<SshAddr<MemoryAddr>>>>,
    fresh: u64,
}

impl Net {
    pub(crate) fn new(nodes: u32, seed: u64) -> Self {
        Self::with(nodes, seed, |_| {})
    }

    /// `set` changes what the nodes are made of.
    pub(crate) fn with(nodes: u32, seed: u64, set: impl Fn(&mut Setup<'_>)) -> Self {
        Self::within(nodes, seed, |_| Limits::default(), set)
    }

    /// The same, each within limits of its own.
    pub(crate) fn within(
        nodes: u32,
        seed: u64,
        limits: impl Fn(u32) -> Limits,
        set: impl Fn(&mut Setup<'_>),
    ) -> Self {
        let now = Instant::ZERO + Duration::from_secs(1);
        let seed = Seed::from_u64(seed);
        let seed_of = |number: u32| seed.child(&number.to_string());
        let key_of = |number| SecretKey::generate(&mut seed_of(number).rng("key"));
        let keys: Vec<_> = (0..nodes).map(key_of).collect();
        let nodes: Vec<_> = (0..nodes)
            .map(|number| {
                let (seed, key) = (seed_of(number), key_of(number));
                let limits = limits(number);
                let mut setup = Setup::new(key, &seed, &limits);
                set(&mut setup);
                let mut node = Ssh::new(setup);
                let local = Vec::from([MemoryAddr(number)]);
                node.handle_input(now, StreamInput::Bound { local });
                node
            })
            .collect();
        let heard: Vec<_> = nodes.iter().map(|_| Vec::new()).collect();
        let takes = vec![true; nodes.len()];
        Self {
            nodes,
            now,
            piece: usize::MAX,
            silent: false,
            one_place: false,
            keys,
            takes,
            wires: Vec::new(),
            heard,
            fresh: 0,
        }
    }

    /// Cuts the connection that was made last.
    pub(crate) fn cut(&mut self) {
        let Some(wire) = self.wires.last_mut() else { return };
        let over = core::mem::replace(&mut wire.over, [true; 2]);
        for ((node, id), over) in wire.ends.into_iter().zip(over) {
            if !over {
                self.input(node, StreamInput::Closed { id, reason: StreamEnd::Reset });
            }
        }
    }

    /// Somebody connects to a node, and says nothing.
    pub(crate) fn stranger(&mut self, node: usize) {
        let id = StreamId::accepted(self.fresh);
        let remote = MemoryAddr(1_000 + self.fresh as u32);
        self.fresh += 1;
        self.wires.push(Wire {
            ends: [(usize::MAX, id), (node, id)],
            ways: Default::default(),
            over: [true, false],
        });
        let local = MemoryAddr(node as u32);
        self.input(node, StreamInput::Accepted { id, local, remote });
        self.input(node, StreamInput::Writable { id, bytes: CREDIT });
    }

    pub(crate) fn addr(&self, node: usize) -> SshAddr<MemoryAddr> {
        let fingerprint = self.nodes[node].fingerprint();
        SshAddr { fingerprint, addr: MemoryAddr(node as u32) }
    }

    pub(crate) fn command(&mut self, node: usize, command: Command<SshAddr<MemoryAddr>>) {
        self.nodes[node].handle_command(self.now, command);
    }

    pub(crate) fn tell_to(&mut self, node: usize, dst: SshAddr<MemoryAddr>, message: &[u8]) {
        let payload = Payload::from(Bytes::copy_from_slice(message));
        self.command(node, Command::Tell { dst, payload });
    }

    pub(crate) fn tell(&mut self, node: usize, dst: usize, message: &[u8]) {
        let dst = self.addr(dst);
        self.tell_to(node, dst, message);
    }

    pub(crate) fn ask(
        &mut self,
        node: usize,
        dst: usize,
        id: u64,
        request: &[u8],
        waits: Duration,
    ) {
        let (dst, payload) = (self.addr(dst), Payload::from(Bytes::copy_from_slice(request)));
        let deadline = self.now + waits;
        self.command(node, Command::Ask { id: AskId::new(id), dst, payload, deadline });
    }

    pub(crate) fn answer(
        &mut self,
        node: usize,
        dst: SshAddr<MemoryAddr>,
        token: Token,
        result: Result<&[u8], Refusal>,
    ) {
        let result = result.map(|reply| Payload::from(Bytes::copy_from_slice(reply)));
        self.command(node, Command::Answer { token, dst, result });
    }

    pub(crate) fn close(&mut self, node: usize) {
        self.command(node, Command::Close);
    }

    pub(crate) fn accept(&mut self, node: usize, policy: Accept) {
        self.command(node, Command::Set(Setting::Accept(policy)));
    }

    pub(crate) fn hold(&mut self, node: usize, held: bool) {
        self.command(node, Command::Set(Setting::Hold(held)));
    }

    /// A node begins anew, and forgets without a word what it had.
    pub(crate) fn renew(&mut self, node: usize, seed: u64) {
        let (addr, limits) = (MemoryAddr(node as u32), Limits::default());
        let (key, seed) = (self.keys[node].clone(), Seed::from_u64(seed).child("anew"));
        self.nodes[node] = Ssh::new(Setup::new(key, &seed, &limits));
        self.input(node, StreamInput::Bound { local: Vec::from([addr]) });
        for wire in &mut self.wires {
            if let Some(at) = wire.ends.iter().position(|(at, _)| *at == node) {
                wire.ends[at].0 = usize::MAX;
                wire.over[at] = true;
            }
        }
    }

    /// Lets time pass, and whatever falls due meanwhile happen.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.settle();
        while let Some(due) = self.nodes.iter().filter_map(Layer::poll_timeout).min()
            && due <= end
        {
            self.now = self.now.max(due);
            for node in &mut self.nodes {
                node.handle_timeout(due);
            }
            self.settle();
        }
        self.now = end;
    }

    /// Hands over everything until there is no more, in no time.
    pub(crate) fn settle(&mut self) {
        for round in 0.. {
            assert!(round < 1_000_000, "it never ends: {:?}", self.heard);
            let mut moved = false;
            for node in 0..self.nodes.len() {
                while let Some(transmit) = self.nodes[node].poll_transmit() {
                    self.carry(node, transmit);
                    moved = true;
                }
                while self.takes[node]
                    && let Some(event) = self.nodes[node].poll_event()
                {
                    self.heard[node].push(event);
                    moved = true;
                }
            }
            for at in 0..self.wires.len() {
                for to in 0..2 {
                    moved |= self.deliver(at, to);
                }
            }
            // What is due at once is still of this moment.
            let soon = self.now.next();
            for node in &mut self.nodes {
                if node.poll_timeout().is_some_and(|due| due <= soon) {
                    self.now = soon;
                    node.handle_timeout(soon);
                    moved = true;
                }
            }
            if !moved {
                return;
            }
        }
    }

    fn input(&mut self, node: usize, input: StreamInput<MemoryAddr>) {
        self.nodes[node].handle_input(self.now, input);
    }

    fn carry(&mut self, node: usize, transmit: StreamTransmit<MemoryAddr>) {
        if let StreamTransmit::Open { id, dst } = transmit {
            let there = dst.0 as usize;
            let accepted = StreamId::accepted(self.fresh);
            let strange = 1_000 + self.fresh as u32;
            let strange = MemoryAddr(if self.one_place { node as u32 } else { strange });
            self.fresh += 1;
            self.wires.push(Wire {
                ends: [(node, id), (there, accepted)],
                ways: Default::default(),
                over: [false; 2],
            });
            let local = MemoryAddr(node as u32);
            self.input(there, StreamInput::Accepted { id: accepted, local: dst, remote: strange });
            self.input(node, StreamInput::Opened { id, local, remote: dst });
            self.input(there, StreamInput::Writable { id: accepted, bytes: CREDIT });
            self.input(node, StreamInput::Writable { id, bytes: CREDIT });
            return;
        }
        let id = match &transmit {
            StreamTransmit::Write { id, .. }
            | StreamTransmit::Read { id, .. }
            | StreamTransmit::Finish { id }
            | StreamTransmit::Open { id, .. }
            | StreamTransmit::Abort { id } => *id,
        };
        let found = self.wires.iter_mut().find_map(|wire| {
            let at = wire.ends.iter().position(|end| *end == (node, id))?;
            Some((wire, at))
        });
        let Some((wire, at)) = found else { return };
        match transmit {
            StreamTransmit::Write { payload, .. } => {
                wire.ways[1 - at].bytes.extend_from_slice(&payload.into_bytes());
            }
            StreamTransmit::Read { bytes, .. } => wire.ways[at].credit += bytes,
            StreamTransmit::Finish { .. } => wire.ways[1 - at].finished = true,
            StreamTransmit::Abort { .. } => {
                let ends = wire.ends;
                let over = core::mem::replace(&mut wire.over, [true; 2]);
                for (end, (node, id)) in ends.into_iter().enumerate() {
                    if !over[end] {
                        let reason = if end == at { StreamEnd::Aborted } else { StreamEnd::Reset };
                        self.input(node, StreamInput::Closed { id, reason });
                    }
                }
            }
            StreamTransmit::Open { .. } => {}
        }
    }

    /// Hands one piece to one end; whether there was something to hand over.
    fn deliver(&mut self, at: usize, to: usize) -> bool {
        if self.silent {
            return false;
        }
        let piece = self.piece;
        let wire = &mut self.wires[at];
        let ((node, id), (other, other_id)) = (wire.ends[to], wire.ends[1 - to]);
        if wire.over[to] {
            return false;
        }
        let way = &mut wire.ways[to];
        let len = way.bytes.len().min(way.credit).min(piece);
        if len > 0 {
            way.credit -= len;
            let bytes = way.bytes.split_to(len);
            self.input(node, StreamInput::Bytes { id, bytes });
            self.input(other, StreamInput::Writable { id: other_id, bytes: len });
            return true;
        }
        if way.finished && !way.told_finished && way.bytes.is_empty() {
            way.told_finished = true;
            self.input(node, StreamInput::Finished { id });
            return true;
        }
        if wire.ways.iter().all(|way| way.told_finished) {
            wire.over[to] = true;
            self.input(node, StreamInput::Closed { id, reason: StreamEnd::Finished });
            return true;
        }
        false
    }

    /// What a node has told that nobody has looked at.
    pub(crate) fn events(&mut self, node: usize) -> Vec<Event<SshAddr<MemoryAddr>>> {
        core::mem::take(&mut self.heard[node])
    }

    /// The first thing of a kind that a node has told.
    fn take<T>(
        &mut self,
        node: usize,
        pick: impl Fn(&Event<SshAddr<MemoryAddr>>) -> Option<T>,
    ) -> T {
        let found = self.heard[node].iter().enumerate();
        let found = found.filter_map(|(at, event)| Some((at, pick(event)?))).next();
        let Some((at, what)) = found else { panic!("nothing of it: {:?}", self.heard[node]) };
        self.heard[node].remove(at);
        what
    }

    pub(crate) fn told(&mut self, node: usize) -> (SshAddr<MemoryAddr>, Vec<u8>) {
        self.take(node, |event| {
            let Event::Told(message) = event else { return None };
            Some((message.src, message.payload.to_vec()))
        })
    }

    pub(crate) fn asked(&mut self, node: usize) -> (Token, SshAddr<MemoryAddr>, Vec<u8>) {
        self.take(node, |event| {
            let Event::Asked { token, message, .. } = event else { return None };
            Some((*token, message.src, message.payload.to_vec()))
        })
    }

    pub(crate) fn answered(&mut self, node: usize) -> (u64, Result<Vec<u8>, AskError>) {
        self.take(node, |event| {
            let Event::Answered { id, result } = event else { return None };
            Some((id.seq, result.clone().map(|reply| reply.to_vec())))
        })
    }

    /// A figure of a node.
    pub(crate) fn figure(&self, node: usize, name: &str) -> u64 {
        struct Sink<'a>(&'a str, u64);
        impl StatsSink for Sink<'_> {
            fn enter(&mut self, _: core::fmt::Arguments<'_>) {}
            fn leave(&mut self) {}
            fn counter(&mut self, name: &'static str, value: u64) {
                if name == self.0 {
                    self.1 += value;
                }
            }
            fn gauge(&mut self, name: &'static str, value: u64) {
                self.counter(name, value);
            }
            fn state(&mut self, _: &'static str, _: &dyn Fn(&mut dyn Hasher)) {}
        }
        let mut sink = Sink(name, 0);
        self.nodes[node].stats(&mut sink);
        sink.1
    }
}
