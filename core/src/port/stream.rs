//! The stream port: connections that carry bytes in order, as TCP does, with bounds in both directions.
//!
//! The vocabulary is the same above the port as below it, so a protocol over streams stands on a
//! [`StreamPort`] or, in a test, on nothing. It is generic in the address, and nothing above it knows what
//! carries the bytes.
//!
//! | from the driver: [`StreamInput`] | to the driver: [`StreamTransmit`] |
//! |---|---|
//! | [`Bound`](StreamInput::Bound) | |
//! | [`Opened`](StreamInput::Opened), [`Accepted`](StreamInput::Accepted) | [`Open`](StreamTransmit::Open) |
//! | [`Bytes`](StreamInput::Bytes), as many as there is credit for | [`Read`](StreamTransmit::Read): credit for so many more |
//! | [`Writable`](StreamInput::Writable): credit for so many more | [`Write`](StreamTransmit::Write), as many as there is credit for |
//! | [`Finished`](StreamInput::Finished) | [`Finish`](StreamTransmit::Finish) |
//! | [`Closed`](StreamInput::Closed) | [`Abort`](StreamTransmit::Abort) |
//!
//! # The life of a connection
//! - [`Open`](StreamTransmit::Open) names one that is to be, and [`Opened`](StreamInput::Opened) or
//!   [`Closed`](StreamInput::Closed) answers; [`Accepted`](StreamInput::Accepted) names one that somebody else opened.
//! - A [`StreamId`] is never used again, so what is said too late about a connection that is over is about
//!   none, and is ignored.
//! - **Credit** bounds both directions. A driver takes so many bytes off the network as the layer has given
//!   credit for, and holds none that it read: what the layer does not want yet waits at the peer. A layer writes so
//!   many bytes as the driver has given credit for. There is no credit at first, and credit adds up.
//! - Either side may finish, and goes on reading (half-close). What was written before arrives before
//!   [`Finished`](StreamInput::Finished), which may be told only while there is credit to read, as a socket tells it.
//! - [`Closed`](StreamInput::Closed) is the last word about every connection, told exactly once, after an
//!   [`Abort`](StreamTransmit::Abort) too. When both sides have finished it comes by itself.
//! - While a connection lives, no byte is lost, altered, or told out of order; where one cannot be
//!   delivered the connection ends. Whether what was written last before an end arrived is not known.
//!
//! # The port
//! [`StreamPort`] holds what one side has said until the other takes it, and keeps what must hold:
//!
//! Maps: nothing; it is a leaf. Wire format: none. Timers: none. Bounds: so many connections that others opened as
//! [`Limits::peers`] and [`Limits::half_open`] together, what is more being aborted at once; so many of our own as
//! [`Limits::peers`] and [`Limits::dialling`] together. A connection holds no more bytes on the way up than it has credit
//! to read, on the way down than it has credit to write; with each of these come a few words however
//! small the pieces were. It refuses what breaks these rules: a connection on which either side writes more than it may is
//! aborted as [`StreamEnd::Overrun`], since bytes dropped out of its middle would be worse.

mod stats;
#[cfg(test)]
mod tests;
mod vocabulary;
mod waiting;

pub use vocabulary::{StreamEnd, StreamId, StreamInput, StreamTransmit};

use self::stats::Counters;
use self::waiting::{Above, Below};
use crate::addr::Addr;
use crate::layer::Layer;
use crate::limits::Limits;
use crate::payload::Payload;
use crate::stats::StatsSink;
use crate::time::Instant;
use crate::trace::trace;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use bytes::BytesMut;

/// The leaf of every stack over streams.
#[derive(Clone, Debug)]
pub struct StreamPort<S> {
    streams: BTreeMap<StreamId, Stream<S>>,
    // Of which something waits for above, or for the driver, in the order in which it began to.
    up: VecDeque<StreamId>,
    down: VecDeque<StreamId>,
    bound: Option<Vec<S>>,
    // The least numbers that were not used.
    fresh_opened: u64,
    fresh_accepted: u64,
    limit_opened: usize,
    limit_accepted: usize,
    opened: usize,
    accepted: usize,
    receive_bytes: usize,
    send_bytes: usize,
    counters: Counters,
}

#[derive(Clone, Debug, Hash)]
struct Stream<S> {
    stage: Stage,
    // How many bytes the driver may still bring, and the layer above still write.
    read: usize,
    write: usize,
    we_finished: bool,
    peer_finished: bool,
    above: Above<S>,
    below: Below<S>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stage {
    // Asked for.
    Opening,
    Open,
    // Aborted, for this reason; the driver has yet to say that it is over.
    Ending(StreamEnd),
    // The driver said so; the layer above has yet to hear it.
    Over,
}

impl<S> Stream<S> {
    fn new(stage: Stage) -> Self {
        Self {
            stage,
            read: 0,
            write: 0,
            we_finished: false,
            peer_finished: false,
            above: Above::default(),
            below: Below::default(),
        }
    }
}

impl<S: Addr> StreamPort<S> {
    /// A port that is not bound yet.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            streams: BTreeMap::new(),
            up: VecDeque::new(),
            down: VecDeque::new(),
            bound: None,
            fresh_opened: 0,
            fresh_accepted: 0,
            limit_opened: limits.peers.saturating_add(limits.dialling),
            limit_accepted: limits.peers.saturating_add(limits.half_open),
            opened: 0,
            accepted: 0,
            receive_bytes: 0,
            send_bytes: 0,
            counters: Counters::default(),
        }
    }

    /// How many bytes may still be written on a connection; none where there is no such.
    #[must_use]
    pub fn writable(&self, id: StreamId) -> usize {
        let stream = self.streams.get(&id).filter(|stream| stream.stage == Stage::Open);
        stream.map_or(0, |stream| if stream.we_finished { 0 } else { stream.write })
    }

    fn on_opened(&mut self, id: StreamId, local: S, remote: S) {
        match self.streams.get_mut(&id) {
            Some(stream) if stream.stage == Stage::Opening => {
                stream.stage = Stage::Open;
                stream.above.came = Some((local, remote));
                self.counters.opened += 1;
                self.raise(id);
            }
            Some(Stream { stage: Stage::Ending(_), .. }) => self.counters.late += 1,
            Some(_) | None => self.counters.stray += 1,
        }
    }

    fn on_accepted(&mut self, id: StreamId, local: S, remote: S) {
        if !id.is_accepted() || id.number() < self.fresh_accepted {
            self.counters.stray += 1;
            return;
        }
        self.fresh_accepted = id.number().saturating_add(1);
        let mut stream = Stream::new(Stage::Open);
        if self.accepted >= self.limit_accepted {
            self.counters.turned_away += 1;
            trace!(DEBUG, "port", peer = %remote, reason = "full", "a connection was turned away");
            stream.stage = Stage::Ending(StreamEnd::Full);
            stream.below.abort = true;
            self.streams.insert(id, stream);
            self.lower(id);
            return;
        }
        self.counters.accepted += 1;
        self.accepted += 1;
        stream.above.came = Some((local, remote));
        self.streams.insert(id, stream);
        self.raise(id);
    }

    fn on_bytes(&mut self, id: StreamId, bytes: BytesMut) {
        let Some(stream) = self.heard_on(id) else { return };
        let Some(credit) = stream.read.checked_sub(bytes.len()) else {
            return self.end(id, StreamEnd::Overrun);
        };
        stream.read = credit;
        self.counters.received_bytes += bytes.len() as u64;
        if !bytes.is_empty() {
            self.receive_bytes += bytes.len();
            self.with(id, |stream| stream.above.push(bytes));
            self.raise(id);
        }
    }

    fn on_closed(&mut self, id: StreamId, reason: StreamEnd) {
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| stream.stage != Stage::Over)
        else {
            self.counters.stray += 1;
            return;
        };
        let reason = match stream.stage {
            // Nobody heard of it.
            Stage::Ending(StreamEnd::Full) => {
                self.streams.remove(&id);
                return;
            }
            Stage::Ending(why) => why,
            Stage::Opening | Stage::Open | Stage::Over => reason,
        };
        stream.stage = Stage::Over;
        self.send_bytes = self.send_bytes.saturating_sub(stream.below.clear());
        self.over(id, reason);
    }

    /// The connection on which the peer may still say something.
    fn heard_on(&mut self, id: StreamId) -> Option<&mut Stream<S>> {
        let counters = &mut self.counters;
        match self.streams.get_mut(&id) {
            Some(stream) if stream.stage == Stage::Open && !stream.peer_finished => Some(stream),
            Some(Stream { stage: Stage::Ending(_), .. }) => {
                counters.late += 1;
                None
            }
            Some(_) | None => {
                counters.stray += 1;
                None
            }
        }
    }

    /// The connection that the layer above may still say something about.
    fn told_of(&mut self, id: StreamId) -> Option<&mut Stream<S>> {
        let stream = self.streams.get_mut(&id);
        let stream = stream.filter(|stream| matches!(stream.stage, Stage::Opening | Stage::Open));
        if stream.is_none() {
            self.counters.late += 1;
        }
        stream
    }

    fn open(&mut self, id: StreamId, dst: S) {
        if id.is_accepted() || id.number() < self.fresh_opened {
            self.counters.misused += 1;
            return;
        }
        self.fresh_opened = id.number().saturating_add(1);
        let mut stream = Stream::new(Stage::Opening);
        self.opened += 1;
        if self.opened > self.limit_opened {
            stream.stage = Stage::Over;
            self.streams.insert(id, stream);
            return self.over(id, StreamEnd::Full);
        }
        stream.below.open = Some(dst);
        self.streams.insert(id, stream);
        self.lower(id);
    }

    fn write(&mut self, id: StreamId, payload: Payload) {
        let Some(stream) = self.told_of(id) else { return };
        if stream.we_finished {
            self.counters.misused += 1;
            return;
        }
        let Some(credit) = stream.write.checked_sub(payload.len()) else {
            return self.end(id, StreamEnd::Overrun);
        };
        stream.write = credit;
        if !payload.is_empty() {
            let len = payload.len();
            stream.below.push(payload);
            self.send_bytes += len;
            self.counters.sent_bytes += len as u64;
            self.lower(id);
        }
    }

    fn read(&mut self, id: StreamId, bytes: usize) {
        let Some(stream) = self.told_of(id) else { return };
        // What would be more than can be counted stays what can be.
        let more = bytes.min(usize::MAX - stream.read);
        if more > 0 && !stream.peer_finished {
            stream.read += more;
            stream.below.credit += more;
            self.lower(id);
        }
    }

    fn finish(&mut self, id: StreamId) {
        let Some(stream) = self.told_of(id) else { return };
        if stream.we_finished || stream.stage != Stage::Open {
            self.counters.misused += 1;
            return;
        }
        stream.we_finished = true;
        stream.below.finish = true;
        self.lower(id);
    }

    /// Ends a connection that is opening or open, whatever waits for either side.
    fn end(&mut self, id: StreamId, why: StreamEnd) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        // What the driver never heard of is over at once.
        let unheard = stream.below.open.is_some();
        self.receive_bytes = self.receive_bytes.saturating_sub(stream.above.clear());
        self.send_bytes = self.send_bytes.saturating_sub(stream.below.clear());
        if unheard {
            stream.stage = Stage::Over;
            return self.over(id, why);
        }
        stream.stage = Stage::Ending(why);
        stream.below.abort = true;
        self.lower(id);
    }

    /// The layer above is to hear that it is over.
    fn over(&mut self, id: StreamId, reason: StreamEnd) {
        self.counters.ended(reason);
        let open = if id.is_accepted() { &mut self.accepted } else { &mut self.opened };
        *open = open.saturating_sub(1);
        trace!(DEBUG, "port", stream = ?id, reason = %reason, "a connection is over");
        self.with(id, |stream| stream.above.closed = Some(reason));
        self.raise(id);
    }

    fn with(&mut self, id: StreamId, act: impl FnOnce(&mut Stream<S>)) {
        if let Some(stream) = self.streams.get_mut(&id) {
            act(stream);
        }
    }

    /// Something waits for above.
    fn raise(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get_mut(&id)
            && !core::mem::replace(&mut stream.above.listed, true)
        {
            self.up.push_back(id);
        }
    }

    /// Something waits for the driver.
    fn lower(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get_mut(&id)
            && !core::mem::replace(&mut stream.below.listed, true)
        {
            self.down.push_back(id);
        }
    }
}

impl<S: Addr> Layer for StreamPort<S> {
    type Input = StreamInput<S>;
    type Transmit = StreamTransmit<S>;
    type Command = StreamTransmit<S>;
    type Event = StreamInput<S>;

    fn handle_input(&mut self, _: Instant, input: Self::Input) {
        match input {
            StreamInput::Bound { local } => self.bound = Some(local),
            StreamInput::Opened { id, local, remote } => self.on_opened(id, local, remote),
            StreamInput::Accepted { id, local, remote } => self.on_accepted(id, local, remote),
            StreamInput::Bytes { id, bytes } => self.on_bytes(id, bytes),
            StreamInput::Finished { id } => {
                if let Some(stream) = self.heard_on(id) {
                    stream.peer_finished = true;
                    stream.above.finished = true;
                    self.raise(id);
                }
            }
            StreamInput::Writable { id, bytes } => match self.streams.get_mut(&id) {
                Some(stream) if stream.stage == Stage::Open => {
                    let more = bytes.min(usize::MAX - stream.write);
                    stream.write += more;
                    stream.above.credit += more;
                    self.raise(id);
                }
                Some(Stream { stage: Stage::Ending(_), .. }) => self.counters.late += 1,
                Some(_) | None => self.counters.stray += 1,
            },
            StreamInput::Closed { id, reason } => self.on_closed(id, reason),
        }
    }

    fn handle_command(&mut self, _: Instant, command: Self::Command) {
        match command {
            StreamTransmit::Open { id, dst } => self.open(id, dst),
            StreamTransmit::Write { id, payload } => self.write(id, payload),
            StreamTransmit::Read { id, bytes } => self.read(id, bytes),
            StreamTransmit::Finish { id } => self.finish(id),
            StreamTransmit::Abort { id } => {
                if self.told_of(id).is_some() {
                    self.end(id, StreamEnd::Aborted);
                }
            }
        }
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        while let Some(id) = self.down.front().copied() {
            if let Some(stream) = self.streams.get_mut(&id) {
                if let Some(transmit) = stream.below.pop(id) {
                    if let StreamTransmit::Write { payload, .. } = &transmit {
                        self.send_bytes = self.send_bytes.saturating_sub(payload.len());
                    }
                    return Some(transmit);
                }
                stream.below.listed = false;
            }
            self.down.pop_front();
        }
        None
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        if let Some(local) = self.bound.take() {
            return Some(StreamInput::Bound { local });
        }
        while let Some(id) = self.up.front().copied() {
            if let Some(stream) = self.streams.get_mut(&id) {
                if let Some(event) = stream.above.pop(id) {
                    if let StreamInput::Bytes { bytes, .. } = &event {
                        self.receive_bytes = self.receive_bytes.saturating_sub(bytes.len());
                    } else if matches!(event, StreamInput::Closed { .. }) {
                        self.streams.remove(&id);
                    }
                    return Some(event);
                }
                stream.above.listed = false;
            }
            self.up.pop_front();
        }
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn stats(&self, sink: &mut dyn StatsSink) {
        self.write_stats(sink);
    }
}
