//! The driver's side of TCP: sockets that listen, and connections, for the [stream port](crate::StreamPort).
//!
//! Who is there to do something is known by [wakers of their own](ready): a round visits the sockets that are ready and
//! no others. A visit writes what waits and reads once, then the next has its turn. What a
//! connection of the node's own is tried by is in [`dial`].
//!
//! Timers: between two attempts [`STAGGER`], for a whole dial [`DIAL_PATIENCE`]; and pauses after errors of a socket
//! that listens, see [`Backoff`].
//!
//! Bounds: so many connections that others opened as [`Limits::peers`] and [`Limits::half_open`] together; further
//! ones stay with the system, in its backlog, and are taken when one has gone. Of ours the port keeps the
//! number. A connection is given credit to write [`CREDIT`] times [`Limits::send_per_peer`] bytes that its socket has not
//! taken, and reads no more than the stack gave credit for, in up to [`READ`] bytes a visit; a round takes
//! [`HAND_IN`] inputs or [`ROUND_BYTES`], whichever is less, and one visit's more. An idle connection holds no buffer.
//!
//! Refused: nothing. What the stack says of a connection that is over is ignored, as the port has it.

mod connection;
mod counters;
mod dial;
mod outgoing;
mod ready;
mod sockets;
mod tcp;

pub use counters::StreamCounters;
pub use dial::{DIAL_PATIENCE, STAGGER};
pub use sockets::{Listener, Stream, StreamRuntime};
pub use tcp::{Tcp, TcpBuilder, TcpNode, TcpStack};

use self::connection::{Arrived, Connection};
use self::dial::Dial;
use self::ready::{Ready, Whose};
use super::backoff::Backoff;
use super::hub::Hub;
use super::port::{Awake, Met, PortStack, Pump};
use super::runtime::{Left, ReceiveError};
use crate::addr::{Addr, TcpAddr};
use crate::limits::Limits;
use crate::port::{StreamEnd, StreamId, StreamInput, StreamTransmit};
use crate::swarm::Swarm;
use crate::time::Instant;
use crate::trace::trace;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use core::task::{Context, Poll, Waker};

/// Words of the stack collected under one lock at the most.
const COLLECT: usize = 256;

/// Inputs handed in under one lock at the most: no more than the inbox takes without a copy.
const HAND_IN: usize = 64;

/// How many times [`Limits::send_per_peer`] a connection may write before its socket has taken it. One would have a message
/// of that size cut in two, and wait for the one before.
const CREDIT: usize = 4;

/// Bytes that one visit reads at the most.
const READ: usize = 256 * 1_024;

/// Bytes that one round reads, and one visit's more.
const ROUND_BYTES: usize = 256 * 1_024;

/// Connections taken from one socket in one round.
const ACCEPTS: usize = 16;

/// What serves the sockets of a node on TCP.
pub struct Streams<R: StreamRuntime> {
    listeners: Vec<Listening<R::Listener>>,
    open: BTreeMap<StreamId, Connection<R::Stream>>,
    dialled: BTreeMap<StreamId, Dialled<R::Stream>>,
    // When to look at a dial again.
    alarms: BTreeSet<(Instant, StreamId)>,
    ready: Arc<Ready>,
    woken: Vec<Whose>,
    // Those to visit, each once.
    busy: VecDeque<StreamId>,
    // Those to write to.
    touched: Vec<StreamId>,
    // Of which the socket has not taken everything.
    unsent: BTreeSet<StreamId>,
    arrived: Arrived,
    batch: Vec<StreamTransmit<TcpAddr>>,
    accepted: usize,
    accepted_max: usize,
    accepted_ever: u64,
    window: usize,
    counters: StreamCounters,
    runtime: PhantomData<fn() -> R>,
}

/// A socket that listens.
struct Listening<K> {
    socket: K,
    waker: Waker,
    // Nobody waits there; its waker will say when.
    waits: bool,
    backoff: Backoff,
}

/// A connection that is to be.
struct Dialled<K> {
    dial: Dial,
    attempts: Vec<K>,
    waker: Waker,
    // How many bytes the stack takes already.
    read: usize,
    // When it is looked at again.
    due: Instant,
    // Whether it stands in the list of those to visit.
    listed: bool,
}

impl<R: StreamRuntime> Streams<R> {
    fn new(listeners: Vec<R::Listener>, limits: &Limits) -> Self {
        let ready = Arc::new(Ready::default());
        let listeners = listeners.into_iter().enumerate().map(|(number, socket)| {
            let waker = ready.waker(Whose::Listener(number));
            Listening { socket, waker, waits: false, backoff: Backoff::default() }
        });
        Self {
            listeners: listeners.collect(),
            open: BTreeMap::new(),
            dialled: BTreeMap::new(),
            alarms: BTreeSet::new(),
            ready,
            woken: Vec::new(),
            busy: VecDeque::new(),
            touched: Vec::new(),
            unsent: BTreeSet::new(),
            arrived: VecDeque::new(),
            batch: Vec::new(),
            accepted: 0,
            accepted_max: limits.peers.saturating_add(limits.half_open),
            accepted_ever: 0,
            window: limits.send_per_peer.saturating_mul(CREDIT).max(1),
            counters: StreamCounters::default(),
            runtime: PhantomData,
        }
    }

    /// Takes connections that others opened, and says whether there may be more.
    fn accept(&mut self, now: Instant) -> Left {
        let mut left = Left::Nothing;
        for number in 0..self.listeners.len() {
            for turn in 0.. {
                let Some(listening) = self.listeners.get_mut(number) else { break };
                if listening.waits || listening.backoff.until(now).is_some() {
                    break;
                }
                if self.accepted >= self.accepted_max {
                    self.counters.accept_paused += u64::from(turn > 0);
                    break;
                }
                if turn == ACCEPTS {
                    left = Left::Some;
                    break;
                }
                let cx = &mut Context::from_waker(&listening.waker);
                match listening.socket.poll_accept(cx) {
                    Poll::Pending => listening.waits = true,
                    Poll::Ready(Ok(stream)) => {
                        listening.backoff.succeed();
                        self.on_accepted(stream);
                    }
                    Poll::Ready(Err(error)) => {
                        self.counters.accept_errors += 1;
                        trace!(DEBUG, "driver", reason = ?error, "no connection was accepted");
                        if error == ReceiveError::Socket {
                            listening.backoff.fail(now);
                        }
                    }
                }
            }
        }
        left
    }

    fn on_accepted(&mut self, stream: R::Stream) {
        // Where it is over already nobody need hear of it.
        let Ok((local, remote)) = stream.ends() else {
            self.counters.accept_errors += 1;
            return;
        };
        let id = StreamId::accepted(self.accepted_ever);
        self.accepted_ever += 1;
        self.accepted += 1;
        self.counters.accepted += 1;
        let (local, remote) = (local.into(), remote.into());
        self.arrived.push_back(StreamInput::Accepted { id, local, remote });
        let waker = self.ready.waker(Whose::Stream(id));
        self.stand(id, Connection::new(stream, waker, self.window));
    }

    fn stand(&mut self, id: StreamId, connection: Connection<R::Stream>) {
        self.open.insert(id, connection);
        self.arrived.push_back(StreamInput::Writable { id, bytes: self.window });
    }

    /// Begins what is due of a dial, and looks what became of its attempts.
    fn visit_dial(&mut self, now: Instant, id: StreamId) {
        let Some(dialled) = self.dialled.get_mut(&id) else { return };
        dialled.listed = false;
        let Dialled { dial, attempts, waker, .. } = dialled;
        let cx = &mut Context::from_waker(waker);
        let mut opened = None;
        loop {
            let mut at = 0;
            while let Some(stream) = attempts.get_mut(at) {
                match stream.poll_open(cx).map(|open| open.and_then(|()| stream.ends())) {
                    Poll::Pending => at += 1,
                    Poll::Ready(Ok(ends)) => {
                        opened = Some((attempts.swap_remove(at), ends));
                        break;
                    }
                    Poll::Ready(Err(why)) => {
                        drop(attempts.swap_remove(at));
                        dial.on_failed(now, why);
                    }
                }
            }
            if opened.is_some() || dial.over(now).is_some() {
                break;
            }
            let Some(place) = dial.begin(now) else { break };
            self.counters.attempts += 1;
            match R::dial(place) {
                Ok(stream) => attempts.push(stream),
                Err(why) => dial.on_failed(now, why),
            }
        }
        if let Some((stream, (local, remote))) = opened {
            let (waker, read) = (waker.clone(), dialled.read);
            self.forget_dial(id);
            self.counters.dialled += 1;
            let (local, remote) = (local.into(), remote.into());
            self.arrived.push_back(StreamInput::Opened { id, local, remote });
            let mut connection = Connection::new(stream, waker, self.window);
            connection.grant(read);
            self.stand(id, connection);
            self.list(id);
        } else if let Some(why) = dial.over(now) {
            self.counters.dials_failed += 1;
            self.end(id, why);
        } else {
            self.alarms.remove(&(dialled.due, id));
            dialled.due = dial.due();
            self.alarms.insert((dialled.due, id));
        }
    }

    fn forget_dial(&mut self, id: StreamId) {
        if let Some(dialled) = self.dialled.remove(&id) {
            self.alarms.remove(&(dialled.due, id));
        }
    }

    /// Writes and reads once.
    fn visit(&mut self, now: Instant, id: StreamId) {
        let Some(connection) = self.open.get_mut(&id) else {
            return self.visit_dial(now, id);
        };
        connection.listed = false;
        self.counters.visits += 1;
        let sent = connection.write(id, &mut self.arrived, &mut self.counters);
        let read = |()| connection.read(id, READ, &mut self.arrived, &mut self.counters);
        match sent.and_then(read) {
            Ok(more) => {
                if connection.is_sent() {
                    self.unsent.remove(&id);
                }
                if more {
                    self.list(id);
                }
            }
            Err(why) => self.end(id, why),
        }
    }

    /// It is to be visited.
    fn list(&mut self, id: StreamId) {
        let listed = match self.open.get_mut(&id) {
            Some(connection) => Some(&mut connection.listed),
            None => self.dialled.get_mut(&id).map(|dialled| &mut dialled.listed),
        };
        if let Some(listed) = listed
            && !core::mem::replace(listed, true)
        {
            self.busy.push_back(id);
        }
    }

    /// Closes it, however far it came, and tells the stack.
    fn end(&mut self, id: StreamId, reason: StreamEnd) {
        if let Some(mut connection) = self.open.remove(&id) {
            if reason == StreamEnd::Aborted {
                connection.stream.abort();
            }
            let unsent = connection.unsent_bytes() as u64;
            self.counters.unsent_bytes = self.counters.unsent_bytes.saturating_sub(unsent);
            self.unsent.remove(&id);
            self.accepted -= usize::from(id.is_accepted());
        } else {
            self.forget_dial(id);
        }
        self.arrived.push_back(StreamInput::Closed { id, reason });
    }

    /// Does what the stack wants, but for writing.
    fn apply(&mut self, now: Instant, transmit: StreamTransmit<TcpAddr>) {
        match transmit {
            StreamTransmit::Open { id, dst } => {
                let dial = Dial::new(&dst, now);
                let waker = self.ready.waker(Whose::Stream(id));
                let (attempts, read, due, listed) = (Vec::new(), 0, dial.due(), false);
                self.dialled.insert(id, Dialled { dial, attempts, waker, read, due, listed });
                self.visit_dial(now, id);
            }
            StreamTransmit::Read { id, bytes } => {
                if let Some(connection) = self.open.get_mut(&id) {
                    if connection.grant(bytes) {
                        self.list(id);
                    }
                } else if let Some(dialled) = self.dialled.get_mut(&id) {
                    dialled.read = dialled.read.saturating_add(bytes);
                }
            }
            StreamTransmit::Write { id, payload } => {
                if let Some(connection) = self.open.get_mut(&id) {
                    connection.push(payload, &mut self.counters);
                    self.touch(id);
                }
            }
            StreamTransmit::Finish { id } => {
                if let Some(connection) = self.open.get_mut(&id) {
                    connection.finish();
                    self.touch(id);
                }
            }
            StreamTransmit::Abort { id } => {
                if self.open.contains_key(&id) || self.dialled.contains_key(&id) {
                    self.end(id, StreamEnd::Aborted);
                }
            }
        }
    }

    /// It is to be written to. What is said of one connection stands together, mostly.
    fn touch(&mut self, id: StreamId) {
        if self.touched.last() != Some(&id) {
            self.touched.push(id);
        }
    }
}

impl<R: StreamRuntime> Pump for Streams<R> {
    type Port = Tcp;

    fn receive(&mut self, now: Instant, _: &mut Context<'_>) -> Left {
        let mut woken = core::mem::take(&mut self.woken);
        self.ready.take(&mut woken);
        for whose in woken.drain(..) {
            match whose {
                Whose::Listener(number) => {
                    if let Some(listening) = self.listeners.get_mut(number) {
                        listening.waits = false;
                    }
                }
                Whose::Stream(id) => self.list(id),
            }
        }
        self.woken = woken;
        while let Some((due, id)) = self.alarms.first().copied()
            && due <= now
        {
            self.alarms.remove(&(due, id));
            self.list(id);
        }
        let left = self.accept(now);
        let until = self.counters.read_bytes + ROUND_BYTES as u64;
        for _ in 0..self.busy.len().min(HAND_IN) {
            if self.arrived.len() >= HAND_IN || self.counters.read_bytes >= until {
                break;
            }
            let Some(id) = self.busy.pop_front() else { break };
            self.visit(now, id);
        }
        left
    }

    fn meet<A: Addr>(&mut self, now: Instant, hub: &mut Hub<PortStack<A, Tcp>>) -> Met {
        // Before anybody hears of what they count.
        self.report(hub);
        let count = self.arrived.len().min(HAND_IN);
        let stage = hub.turn(now, self.arrived.drain(..count), &mut self.batch, COLLECT);
        Met { stage, more: self.batch.len() == COLLECT, handed_in: count > 0 }
    }

    fn send(&mut self, now: Instant, _: &mut Context<'_>) {
        let mut batch = core::mem::take(&mut self.batch);
        for transmit in batch.drain(..) {
            self.apply(now, transmit);
        }
        self.batch = batch;
        let mut touched = core::mem::take(&mut self.touched);
        for id in touched.drain(..) {
            let Some(connection) = self.open.get_mut(&id) else { continue };
            match connection.write(id, &mut self.arrived, &mut self.counters) {
                Ok(()) if connection.is_sent() => {
                    self.unsent.remove(&id);
                }
                Ok(()) => {
                    self.unsent.insert(id);
                }
                Err(why) => self.end(id, why),
            }
        }
        self.touched = touched;
    }

    fn has_arrived(&self) -> bool {
        !self.arrived.is_empty() || !self.busy.is_empty()
    }

    fn is_sent(&self) -> bool {
        self.unsent.is_empty()
    }

    /// Never: what is collected goes to its connection, which has room for what it gave credit for.
    fn is_blocked(&self) -> bool {
        false
    }

    fn report<S: Swarm>(&self, hub: &mut Hub<S>) {
        let (open, dialling) = (self.open.len() as u64, self.dialled.len() as u64);
        hub.report_streams(&StreamCounters { open, dialling, ..self.counters });
    }

    fn sleep(&mut self, now: Instant, waker: &Waker) -> Result<Option<Instant>, Awake> {
        if !self.ready.sleep(waker) {
            return Err(Awake);
        }
        let pauses = self.listeners.iter().filter_map(|listening| listening.backoff.until(now));
        Ok(pauses.chain(self.alarms.first().map(|(due, _)| *due)).min())
    }
}

impl<R: StreamRuntime> fmt::Debug for Streams<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let locals = self.listeners.iter().map(|listening| listening.socket.local());
        f.debug_list().entries(locals).finish()
    }
}
