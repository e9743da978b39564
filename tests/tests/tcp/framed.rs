//! Messages over connections, as one would write them on the stream port: four bytes of length, then the message.
//!
//! Maps: `TcpAddr → TcpAddr`; a peer is called by the address that it was dialled by, or that it came from. Timers: none.
//! Bounds: of each connection a window of bytes that arrived, and a mark of bytes to be written, and one message
//! more. It refuses asks; whoever identifies a peer aborts the connection to it, so that there is a way to.

use std::collections::{BTreeMap, VecDeque};
use tellask::outbox::OVERHEAD;
use tellask::stats::StatsSink;
use tellask::swarm::{DownReason, Link, Scope, Setting, Undeliverable};
use tellask::up::Up;
use tellask::{
    BytesMut, Command, Event, Instant, Layer, Limits, Message, Payload, StreamEnd, StreamId,
    StreamInput, StreamTransmit, Swarm, TcpAddr,
};

/// The longest message.
pub(crate) const LONGEST: usize = 60_000;
/// Bytes that the peer may send before they are taken: no multiple of what a socket is read by.
pub(crate) const WINDOW: usize = 100_000;
/// Bytes that wait to be written: then a peer is full.
pub(crate) const MARK: usize = 128 * 1_024;

/// How it behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// Whether it takes what arrives; otherwise once it is told so, by any setting.
    pub(crate) takes: bool,
    /// Whether it finishes when its peer has.
    pub(crate) follows: bool,
}

impl Manner {
    pub(crate) const USUAL: Self = Self { takes: true, follows: true };
}

#[derive(Debug)]
struct Wire {
    peer: TcpAddr,
    stands: bool,
    credit: usize,
    queue: VecDeque<Payload>,
    queued: usize,
    full: bool,
    finishes: bool,
    finished: bool,
    arrived: BytesMut,
    // For how many bytes the peer has credit.
    granted: usize,
}

#[derive(Debug)]
pub(crate) struct Framed {
    manner: Manner,
    up: Up<TcpAddr>,
    ids: BTreeMap<TcpAddr, StreamId>,
    wires: BTreeMap<StreamId, Wire>,
    dialled: u64,
    closing: bool,
    out: VecDeque<StreamTransmit<TcpAddr>>,
    // Ends that were told, and those of connections that were over.
    ends: u64,
    again: u64,
}

impl Framed {
    pub(crate) fn new(limits: &Limits, manner: Manner) -> Self {
        Self {
            manner,
            up: Up::new(limits),
            ids: BTreeMap::new(),
            wires: BTreeMap::new(),
            dialled: 0,
            closing: false,
            out: VecDeque::new(),
            ends: 0,
            again: 0,
        }
    }

    fn wire(&mut self, id: StreamId, peer: TcpAddr, stands: bool) {
        self.ids.insert(peer.clone(), id);
        let (queue, arrived) = (VecDeque::new(), BytesMut::new());
        let (credit, queued, granted) = (0, 0, 0);
        let (full, finishes, finished) = (false, false, false);
        self.wires.insert(
            id,
            Wire {
                peer,
                stands,
                credit,
                queue,
                queued,
                full,
                finishes,
                finished,
                arrived,
                granted,
            },
        );
    }

    fn tell(&mut self, dst: TcpAddr, mut payload: Payload) {
        let len = payload.len() as u32;
        payload.prepend(&len.to_be_bytes());
        let id = match self.ids.get(&dst) {
            Some(id) => *id,
            None => {
                let id = StreamId::opened(self.dialled);
                self.dialled += 1;
                self.out.push_back(StreamTransmit::Open { id, dst: dst.clone() });
                self.wire(id, dst, false);
                id
            }
        };
        let Some(wire) = self.wires.get_mut(&id) else { return };
        wire.queued += payload.len();
        wire.queue.push_back(payload);
        if wire.queued >= MARK && !wire.full {
            wire.full = true;
            self.up.push(Event::Full { scope: Scope::To(wire.peer.clone()) });
        }
        self.write(id);
    }

    /// Writes what there is credit for.
    fn write(&mut self, id: StreamId) {
        let Some(wire) = self.wires.get_mut(&id) else { return };
        while wire.credit > 0
            && let Some(payload) = wire.queue.pop_front()
        {
            let payload = if payload.len() > wire.credit {
                let mut bytes = payload.into_bytes();
                let first = bytes.split_to(wire.credit);
                wire.queue.push_front(bytes.into());
                first.into()
            } else {
                payload
            };
            wire.credit -= payload.len();
            wire.queued -= payload.len();
            self.out.push_back(StreamTransmit::Write { id, payload });
        }
        if wire.full && wire.queued <= MARK / 2 {
            wire.full = false;
            self.up.push(Event::Ready { scope: Scope::To(wire.peer.clone()) });
        }
        if wire.finishes && wire.stands && wire.queue.is_empty() && !wire.finished {
            wire.finished = true;
            self.out.push_back(StreamTransmit::Finish { id });
        }
    }

    fn finish(&mut self, id: StreamId) {
        if let Some(wire) = self.wires.get_mut(&id) {
            wire.finishes = true;
            self.write(id);
        }
    }

    /// Takes the messages that are whole, and grants as much as was taken.
    fn take(&mut self, id: StreamId) {
        let Some(wire) = self.wires.get_mut(&id) else { return };
        let takes = self.manner.takes;
        while takes
            && let Some((length, rest)) = wire.arrived.split_first_chunk()
            && let Some(length) = usize::try_from(u32::from_be_bytes(*length)).ok()
            && rest.len() >= length
        {
            let _ = wire.arrived.split_to(4);
            let payload = wire.arrived.split_to(length);
            let (src, dst) = (wire.peer.clone(), wire.peer.clone());
            self.up.push(Event::Told(Message { src, dst, payload }));
        }
        let bytes = WINDOW.saturating_sub(wire.arrived.len() + wire.granted);
        if bytes > 0 {
            wire.granted += bytes;
            self.out.push_back(StreamTransmit::Read { id, bytes });
        }
    }

    fn on_closed(&mut self, id: StreamId, why: StreamEnd) {
        let Some(wire) = self.wires.remove(&id) else {
            self.again += 1;
            return;
        };
        self.ends += 1;
        self.ids.remove(&wire.peer);
        if wire.full {
            self.up.push(Event::Ready { scope: Scope::To(wire.peer.clone()) });
        }
        let reason = match why {
            StreamEnd::Finished => DownReason::Left,
            StreamEnd::Aborted => DownReason::Disconnected,
            _ => DownReason::TimedOut,
        };
        let peer = wire.peer.clone();
        for _ in &wire.queue {
            let (dst, reason) = (peer.clone(), Undeliverable::Unreachable);
            self.up.push(Event::Undelivered { dst, reason });
        }
        self.up.push(Event::PeerDown { addr: peer, reason });
    }

    fn close_when_done(&mut self) {
        if self.closing && self.wires.is_empty() {
            self.up.push(Event::Closed);
        }
    }
}

impl Layer for Framed {
    type Input = StreamInput<TcpAddr>;
    type Transmit = StreamTransmit<TcpAddr>;
    type Command = Command<TcpAddr>;
    type Event = Event<TcpAddr>;

    fn handle_input(&mut self, _: Instant, input: Self::Input) {
        match input {
            StreamInput::Bound { local } => {
                let (unit, tell_max) = (LONGEST, LONGEST);
                self.up.push(Event::Link(Link { local, unit, tell_max, ask_max: 0 }));
            }
            StreamInput::Opened { id, .. } => {
                if let Some(wire) = self.wires.get_mut(&id) {
                    wire.stands = true;
                    self.take(id);
                    self.write(id);
                }
            }
            StreamInput::Accepted { id, remote, .. } => {
                self.wire(id, remote, true);
                self.take(id);
                if self.closing {
                    self.finish(id);
                }
            }
            StreamInput::Bytes { id, bytes } => {
                let Some(wire) = self.wires.get_mut(&id) else { return };
                wire.granted = wire.granted.checked_sub(bytes.len()).expect("there was credit");
                wire.arrived.extend_from_slice(&bytes);
                self.take(id);
            }
            StreamInput::Writable { id, bytes } => {
                if let Some(wire) = self.wires.get_mut(&id) {
                    wire.credit += bytes;
                    self.write(id);
                }
            }
            StreamInput::Finished { id } => {
                if self.manner.follows {
                    self.finish(id);
                }
            }
            StreamInput::Closed { id, reason } => self.on_closed(id, reason),
        }
        self.close_when_done();
    }

    fn handle_command(&mut self, _: Instant, command: Self::Command) {
        match command {
            Command::Tell { dst, payload } => self.tell(dst, payload),
            Command::Disconnect { dst } => {
                if let Some(id) = self.ids.get(&dst).copied() {
                    self.finish(id);
                }
            }
            Command::Identify { dst } => {
                if let Some(id) = self.ids.get(&dst).copied() {
                    self.out.push_back(StreamTransmit::Abort { id });
                }
                self.up.push(Event::Identified {
                    addr: dst,
                    result: Err(Undeliverable::Unsupported.into()),
                });
            }
            Command::Set(Setting::TellFloors(takes)) => {
                self.manner.takes = takes;
                let ids: Vec<_> = self.wires.keys().copied().collect();
                ids.into_iter().for_each(|id| self.take(id));
            }
            Command::Close => {
                self.closing = true;
                let ids: Vec<_> = self.wires.keys().copied().collect();
                ids.into_iter().for_each(|id| self.finish(id));
            }
            refused @ (Command::Ask { .. } | Command::Answer { .. } | Command::Cancel { .. }) => {
                if let Some(event) = refused.refuse(Undeliverable::Unsupported) {
                    self.up.push(event);
                }
            }
            Command::Set(_) => {}
        }
        self.close_when_done();
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        self.out.pop_front()
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        self.up.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn stats(&self, sink: &mut dyn StatsSink) {
        sink.enter(format_args!("framed"));
        sink.counter("ends", self.ends);
        sink.counter("ends_again", self.again);
        let queued = self.wires.values().map(|wire| wire.queued + wire.queue.len() * OVERHEAD);
        sink.gauge("queued", queued.sum::<usize>() as u64);
        sink.gauge(
            "arrived",
            self.wires.values().map(|wire| wire.arrived.len()).sum::<usize>() as u64,
        );
        sink.leave();
    }
}

impl Swarm for Framed {
    type Addr = TcpAddr;

    fn link(&self) -> &Link<TcpAddr> {
        self.up.link()
    }

    fn is_full(&self, dst: &TcpAddr) -> bool {
        self.up.is_full(dst)
    }

    fn is_closed(&self) -> bool {
        self.closing
    }
}
