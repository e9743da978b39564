//! Messages over connections, as somebody would write them on the stream port: two bytes of length, then the message.
//!
//! Bounds: of what arrived it holds one window, of what is to be written one queue, each for every connection.

use std::collections::{BTreeMap, VecDeque};
use tellask::stats::StatsSink;
use tellask::{
    Bytes, BytesMut, Instant, Layer, MemoryAddr, StreamEnd, StreamId, StreamInput, StreamTransmit,
};

/// Bytes that the peer may send before they are taken.
pub(super) const WINDOW: usize = 4_096;
/// Bytes that may wait to be written.
pub(super) const QUEUE: usize = 8_192;
/// The longest message.
pub(super) const LONGEST: usize = WINDOW - 2;

/// What is wanted of it.
#[derive(Clone, Debug)]
pub(super) enum Order {
    Dial(MemoryAddr),
    /// A message, on this connection.
    Send(StreamId, Vec<u8>),
    Finish(StreamId),
    Abort(StreamId),
    /// Whether what arrives is taken.
    Take(bool),
}

/// What it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    Up(StreamId, MemoryAddr),
    Heard(StreamId, Vec<u8>),
    /// The peer finished; bytes of half a message may be left.
    Finished(StreamId, usize),
    Down(StreamId, StreamEnd),
}

#[derive(Debug, Default)]
struct Wire {
    credit: usize,
    queue: BytesMut,
    finishes: bool,
    arrived: BytesMut,
    /// For how many bytes the peer has credit.
    granted: usize,
}

#[derive(Debug, Default)]
pub(super) struct Messages {
    wires: BTreeMap<StreamId, Wire>,
    dialled: u64,
    refuses: bool,
    out: VecDeque<StreamTransmit<MemoryAddr>>,
    news: VecDeque<News>,
    /// The most that was ever held of one connection, arrived and not whole, and to be written.
    pub(super) most: (usize, usize),
}

impl Messages {
    /// Whether a message of so many bytes may be sent.
    pub(super) fn has_room(&self, id: StreamId, len: usize) -> bool {
        self.wires
            .get(&id)
            .is_some_and(|wire| !wire.finishes && wire.queue.len() + 2 + len <= QUEUE)
    }

    /// Writes what there is credit for.
    fn write(&mut self, id: StreamId) {
        let Some(wire) = self.wires.get_mut(&id) else { return };
        let len = wire.queue.len().min(wire.credit);
        if len > 0 {
            wire.credit -= len;
            let payload = wire.queue.split_to(len).into();
            self.out.push_back(StreamTransmit::Write { id, payload });
        }
        if wire.finishes && wire.queue.is_empty() && len > 0 {
            self.out.push_back(StreamTransmit::Finish { id });
        }
    }

    /// Takes the messages that are whole, and grants as much as was taken.
    fn take(&mut self, id: StreamId) {
        let Some(wire) = self.wires.get_mut(&id).filter(|_| !self.refuses) else { return };
        while let Some((length, rest)) = wire.arrived.split_first_chunk() {
            let length = usize::from(u16::from_be_bytes(*length));
            let Some(message) = rest.get(..length) else { break };
            self.news.push_back(News::Heard(id, message.to_vec()));
            let _ = wire.arrived.split_to(2 + length);
        }
        let bytes = WINDOW - wire.arrived.len() - wire.granted;
        if bytes > 0 {
            wire.granted += bytes;
            self.out.push_back(StreamTransmit::Read { id, bytes });
        }
    }

    fn on_up(&mut self, id: StreamId, peer: MemoryAddr) {
        self.wires.entry(id).or_default();
        self.news.push_back(News::Up(id, peer));
        self.take(id);
    }
}

impl Layer for Messages {
    type Input = StreamInput<MemoryAddr>;
    type Transmit = StreamTransmit<MemoryAddr>;
    type Command = Order;
    type Event = News;

    fn handle_input(&mut self, _: Instant, input: Self::Input) {
        match input {
            StreamInput::Bound { .. } => {}
            StreamInput::Opened { id, remote, .. } | StreamInput::Accepted { id, remote, .. } => {
                self.on_up(id, remote);
            }
            StreamInput::Bytes { id, bytes } => {
                let Some(wire) = self.wires.get_mut(&id) else { return };
                wire.granted = wire.granted.checked_sub(bytes.len()).expect("there was credit");
                wire.arrived.extend_from_slice(&bytes);
                self.most.0 = self.most.0.max(wire.arrived.len());
                self.take(id);
            }
            StreamInput::Writable { id, bytes } => {
                let Some(wire) = self.wires.get_mut(&id) else { return };
                wire.credit += bytes;
                self.write(id);
            }
            StreamInput::Finished { id } => {
                let left = self.wires.get(&id).map_or(0, |wire| wire.arrived.len());
                self.news.push_back(News::Finished(id, left));
            }
            StreamInput::Closed { id, reason } => {
                self.wires.remove(&id);
                self.news.push_back(News::Down(id, reason));
            }
        }
    }

    fn handle_command(&mut self, _: Instant, order: Order) {
        match order {
            Order::Dial(dst) => {
                let id = StreamId::opened(self.dialled);
                self.dialled += 1;
                self.out.push_back(StreamTransmit::Open { id, dst });
            }
            Order::Send(id, message) => {
                assert!(self.has_room(id, message.len()), "nobody looked");
                let Some(wire) = self.wires.get_mut(&id) else { return };
                wire.queue.extend_from_slice(&(message.len() as u16).to_be_bytes());
                wire.queue.extend_from_slice(&message);
                self.most.1 = self.most.1.max(wire.queue.len());
                self.write(id);
            }
            Order::Finish(id) => {
                let Some(wire) = self.wires.get_mut(&id) else { return };
                wire.finishes = true;
                if wire.queue.is_empty() {
                    self.out.push_back(StreamTransmit::Finish { id });
                }
            }
            Order::Abort(id) => self.out.push_back(StreamTransmit::Abort { id }),
            Order::Take(takes) => {
                self.refuses = !takes;
                let ids: Vec<_> = self.wires.keys().copied().collect();
                ids.into_iter().for_each(|id| self.take(id));
            }
        }
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        self.out.pop_front()
    }

    fn poll_event(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn stats(&self, _: &mut dyn StatsSink) {}
}

/// The `number`-th message of a connection: of any length, and of bytes that tell where they belong.
pub(super) fn message(number: u32) -> Vec<u8> {
    let length = (number.wrapping_mul(2_654_435_761) >> 8) as usize % 600;
    let mut message = Bytes::copy_from_slice(&number.to_be_bytes()).to_vec();
    message.extend((0..length).map(|at| (at as u32 ^ number.rotate_left(at as u32)) as u8));
    message
}
