//! What a socket is to the network: a node whose layer hands everything on, and whose application keeps what arrives.

use super::spread;
use crate::net::{App, Cx};
use core::task::Waker;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tellask::stats::StatsSink;
use tellask::{Datagram, DatagramInput, Instant, Layer, MemoryAddr};

/// Bytes that wait in a socket for its node; a datagram that finds less room is lost, as it is with a kernel.
pub const RECEIVE_BUFFER: usize = 4 << 20;

/// What the kernel books for a datagram beside its bytes, so that empty ones are bounded too.
const OVERHEAD: usize = 64;

/// The layer of a socket: what is sent goes to the network as it is, and what arrives to the [`End`].
#[derive(Debug, Default)]
pub struct Wire {
    down: VecDeque<Datagram<MemoryAddr>>,
    up: VecDeque<DatagramInput<MemoryAddr>>,
}

impl Layer for Wire {
    type Input = DatagramInput<MemoryAddr>;
    type Transmit = Datagram<MemoryAddr>;
    type Command = Datagram<MemoryAddr>;
    type Event = DatagramInput<MemoryAddr>;

    fn handle_input(&mut self, _: Instant, input: Self::Input) {
        self.up.push_back(input);
    }

    fn handle_command(&mut self, _: Instant, command: Self::Command) {
        self.down.push_back(command);
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        self.down.pop_front()
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        self.up.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn stats(&self, _: &mut dyn StatsSink) {}
}

/// Tasks to wake once nothing is locked.
pub(super) type Woken = Arc<Mutex<Vec<Waker>>>;

/// Where the datagrams to one address wait for the sockets that are bound to it.
#[derive(Debug)]
pub struct End {
    inboxes: Vec<Inbox>,
    open: usize,
    overflowed: u64,
    woken: Woken,
}

#[derive(Debug, Default)]
struct Inbox {
    arrived: VecDeque<DatagramInput<MemoryAddr>>,
    bytes: usize,
    reader: Option<Waker>,
}

impl End {
    /// For so many sockets that share the address.
    pub(super) fn new(sockets: usize, woken: Woken) -> Self {
        let inboxes = (0..sockets).map(|_| Inbox::default()).collect();
        Self { inboxes, open: sockets, overflowed: 0, woken }
    }

    /// How many datagrams were lost because a socket's [`RECEIVE_BUFFER`] was full.
    #[must_use]
    pub const fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// One of the sockets is closed. Whether it was the last.
    pub(super) const fn close(&mut self) -> bool {
        self.open = self.open.saturating_sub(1);
        self.open == 0
    }

    /// The next that waits for the socket of this number.
    pub(super) fn take(&mut self, number: usize) -> Option<DatagramInput<MemoryAddr>> {
        let inbox = self.inboxes.get_mut(number)?;
        let input = inbox.arrived.pop_front()?;
        inbox.bytes = inbox.bytes.saturating_sub(size(&input));
        Some(input)
    }

    /// Whether nothing waits for the socket of this number.
    pub(super) fn is_empty(&self, number: usize) -> bool {
        self.inboxes.get(number).is_none_or(|inbox| inbox.arrived.is_empty())
    }

    /// Who is to be woken when something arrives for the socket of this number.
    pub(super) fn wait(&mut self, number: usize, waker: &Waker) {
        if let Some(inbox) = self.inboxes.get_mut(number) {
            match &mut inbox.reader {
                Some(reader) => reader.clone_from(waker),
                None => inbox.reader = Some(waker.clone()),
            }
        }
    }
}

fn size(input: &DatagramInput<MemoryAddr>) -> usize {
    match input {
        DatagramInput::Datagram { payload, .. } => payload.len() + OVERHEAD,
        DatagramInput::Bound { .. }
        | DatagramInput::Unreachable { .. }
        | DatagramInput::TooLarge { .. }
        | DatagramInput::PathMtu { .. } => OVERHEAD,
    }
}

impl App<Wire> for End {
    type Note = ();

    fn on_event(&mut self, _: &mut Cx<'_, Wire>, input: DatagramInput<MemoryAddr>) {
        let number = match &input {
            // As a kernel shares them out: all from one peer to one socket.
            DatagramInput::Datagram { src, .. } => spread(src.0.into(), self.inboxes.len()),
            // The node is told of its address by who binds it.
            DatagramInput::Bound { .. } => return,
            DatagramInput::Unreachable { .. }
            | DatagramInput::TooLarge { .. }
            | DatagramInput::PathMtu { .. } => 0,
        };
        let size = size(&input);
        let Some(inbox) = self.inboxes.get_mut(number) else { return };
        if inbox.bytes + size > RECEIVE_BUFFER {
            self.overflowed += 1;
            return;
        }
        inbox.bytes += size;
        inbox.arrived.push_back(input);
        if let Some(reader) = inbox.reader.take() {
            self.woken.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
        }
    }
}
