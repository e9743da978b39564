//! What happens to streams: messages, requests and answers are read as they become whole.

use super::Quic;
use super::connection::{Connection, Kind, Next, Partial};
use super::wire::{self, code};
use crate::addr::{Addr, PeerAddr, Source};
use crate::swarm::{AskError, AskId, Event, Message, Token, Undeliverable};
use crate::time::Instant;
use bytes::BytesMut;
use core::time::Duration;
use quinn_proto::{Dir, ReadError, StreamEvent, StreamId, VarInt};

/// How long somebody waits who does not say.
const PATIENCE: Duration = Duration::from_secs(60);

/// What reading a stream came to.
enum Read {
    /// There is no more for now.
    Nothing,
    /// The stream has ended.
    End,
    /// Its sender gave it up.
    Reset(VarInt),
    /// More than the largest message.
    TooLarge,
    /// More than may be held.
    TooMuch,
    /// What was expected of it is there.
    Whole,
}

impl<A: Addr + Source> Quic<A> {
    /// Something has happened to a stream.
    pub(super) fn on_stream(&mut self, handle: usize, event: StreamEvent) {
        let Some(connection) = self.connection(handle) else { return };
        match event {
            StreamEvent::Opened { dir } => {
                while let Some(stream) = connection.quic.streams().accept(dir) {
                    let kind = if dir == Dir::Uni { Kind::Tell } else { Kind::Request };
                    connection.receiving.partials.insert(stream, Partial::new(kind));
                    connection.receiving.readable(dir).insert(stream);
                }
            }
            StreamEvent::Readable { id } => {
                connection.receiving.readable(id.dir()).insert(id);
            }
            // What waits is written in a moment.
            StreamEvent::Writable { .. } | StreamEvent::Available { .. } => {}
            StreamEvent::Finished { id } => {
                connection.sending.unacknowledged.remove(&id);
                if let Some(id) = connection.asks.get(&id).copied()
                    && let Some(Some(sent)) = self.peers.asks.sent_mut(id)
                {
                    sent.on_arrived();
                }
            }
            StreamEvent::Stopped { id, error_code } => self.on_stopped(handle, id, error_code),
        }
    }

    /// The peer does not want what we say on a stream.
    fn on_stopped(&mut self, handle: usize, stream: StreamId, code: VarInt) {
        let Some(connection) = self.connection(handle) else { return };
        let (slot, ask) = (connection.peer, connection.asks.get(&stream).copied());
        connection.reset(stream, code);
        if stream.dir() == Dir::Uni {
            let why = match code {
                code::TOO_LARGE => Undeliverable::TooLarge { limit: wire::MESSAGE_MAX },
                _ => Undeliverable::Full,
            };
            if let Some(addr) = slot.and_then(|slot| self.peers.addr(slot)) {
                self.peers.tell_undelivered(&addr, 1, why);
            }
        } else if let Some(id) = ask {
            // Whoever takes no more of a request may answer it all the same, unless it says why not.
            if code != code::DONE {
                self.end_stream(handle, stream);
                self.peers.finish_ask(id, Err(wire::reset(code)));
            }
        } else {
            self.withdraw(handle, stream);
        }
    }

    /// Reads what there is on a connection, as long as the side above has room for it.
    pub(super) fn read(&mut self, now: Instant, handle: usize) {
        loop {
            let (room, held) = (self.has_room(), self.peers.held);
            let Some(connection) = self.connection(handle) else { return };
            // Before its peer has proven who it is nothing is taken.
            if !connection.is_up() {
                return;
            }
            match connection.receiving.next(room, held) {
                Next::Stream(stream) => self.read_stream(now, handle, stream),
                Next::Waits => return self.unread.insert(handle),
                Next::Held => return self.unread.hold(handle),
                Next::Nothing => return,
            }
        }
    }

    /// Reads what has come whole on a connection that is over, as far as there is room: held back it would be lost.
    pub(super) fn read_last(&mut self, now: Instant, handle: usize) {
        while self.has_room()
            && let Some(connection) = self.connection(handle)
            && connection.is_up()
            && let Next::Stream(stream) = connection.receiving.next(true, false)
        {
            self.read_stream(now, handle, stream);
        }
    }

    fn read_stream(&mut self, now: Instant, handle: usize, stream: StreamId) {
        loop {
            let read = self.gather(handle, stream);
            let Some(connection) = self.connection(handle) else { return };
            let Some(partial) = connection.receiving.partials.get_mut(&stream) else { return };
            let kind = partial.kind;
            match (read, kind) {
                (Read::Nothing, _) => return partial.join(),
                (Read::Whole, Kind::Request) => self.on_request(now, handle, stream),
                (Read::Whole, Kind::Answer(id)) => self.on_answered(handle, stream, id),
                (Read::End, Kind::Tell) => {
                    let message = self.let_go(handle, stream, 0, usize::MAX);
                    return self.on_message(handle, message);
                }
                (Read::End | Read::Whole, Kind::Waste | Kind::Tell) => {
                    connection.receiving.partials.remove(&stream);
                    return;
                }
                (Read::End, Kind::Request) => {
                    self.counters.refused_malformed += 1;
                    return self.turn_down(handle, stream, code::MALFORMED);
                }
                (Read::Reset(_), Kind::Request | Kind::Tell) => {
                    self.counters.abandoned += 1;
                    return self.turn_down(handle, stream, code::CANCELLED);
                }
                (Read::Reset(_), Kind::Waste) => {
                    connection.receiving.partials.remove(&stream);
                    return self.withdraw(handle, stream);
                }
                (Read::TooLarge, Kind::Tell | Kind::Request) => {
                    self.counters.refused_too_large += 1;
                    return self.turn_down(handle, stream, code::TOO_LARGE);
                }
                (Read::TooMuch, Kind::Tell | Kind::Request) => {
                    self.counters.refused_busy += 1;
                    return self.turn_down(handle, stream, code::BUSY);
                }
                (read, Kind::Answer(id)) => {
                    let limit = self.largest();
                    let why = match read {
                        Read::Reset(code) => wire::reset(code),
                        Read::TooLarge => AskError::TooLarge { limit },
                        Read::TooMuch => AskError::Busy,
                        Read::Nothing | Read::End | Read::Whole => wire::reset(code::MALFORMED),
                    };
                    self.end_stream(handle, stream);
                    return self.peers.finish_ask(id, Err(why));
                }
                (Read::TooLarge | Read::TooMuch, Kind::Waste) => {
                    return self.turn_down(handle, stream, code::DONE);
                }
            }
        }
    }

    /// Takes what has come on a stream, until it is whole.
    fn gather(&mut self, handle: usize, stream: StreamId) -> Read {
        let largest = self.largest();
        let Self { connections, receiving, limits, .. } = self;
        let connection = connections.get_mut(handle).and_then(Option::as_deref_mut);
        let Some(connection) = connection else { return Read::Nothing };
        let Connection { quic, receiving: ours, ours: extended, .. } = connection;
        let Some(partial) = ours.partials.get_mut(&stream) else { return Read::Nothing };
        let mut from = quic.recv_stream(stream);
        let Ok(mut read) = from.read(true) else { return Read::End };
        loop {
            if is_whole(partial.kind, partial.bytes(), *extended) {
                return Read::Whole;
            }
            if wanted(partial.kind, partial.bytes(), *extended) > largest {
                return Read::TooLarge;
            }
            if ours.bytes > limits.reassembly_per_peer || *receiving > limits.reassembly {
                return Read::TooMuch;
            }
            match read.next(usize::MAX) {
                Ok(Some(chunk)) if partial.kind == Kind::Waste => drop(chunk),
                Ok(Some(chunk)) => {
                    ours.bytes += chunk.bytes.len();
                    *receiving += chunk.bytes.len();
                    partial.push(chunk.bytes);
                }
                Ok(None) => return Read::End,
                Err(ReadError::Blocked) => return Read::Nothing,
                Err(ReadError::Reset(code)) => return Read::Reset(code),
            }
        }
    }

    /// Takes a message out of what is being put together.
    fn let_go(&mut self, handle: usize, stream: StreamId, head: usize, len: usize) -> BytesMut {
        let Some(connection) = self.connection(handle) else { return BytesMut::new() };
        let Some(mut partial) = connection.receiving.partials.remove(&stream) else {
            return BytesMut::new();
        };
        let held = partial.len();
        connection.receiving.bytes -= held;
        self.receiving -= held;
        partial.take(head, len)
    }

    /// Both addresses of what comes on a connection.
    fn ways(&self, handle: usize) -> Option<(PeerAddr<A>, PeerAddr<A>)> {
        let connection = self.connections.get(handle)?.as_ref()?;
        let src = self.peers.addr(connection.peer?)?;
        let dst = PeerAddr { id: self.id(), addr: connection.local.clone()? };
        Some((src, dst))
    }

    fn on_message(&mut self, handle: usize, payload: BytesMut) {
        let Some((src, dst)) = self.ways(handle) else { return };
        self.counters.heard += 1;
        self.peers.up.told(Message { src, dst, payload });
    }

    fn on_request(&mut self, now: Instant, handle: usize, stream: StreamId) {
        let Some(connection) = self.connection(handle) else { return };
        let Some(partial) = connection.receiving.partials.get(&stream) else { return };
        let Some((head, at)) = wire::read_request_head(partial.bytes(), connection.ours) else {
            return;
        };
        let payload = self.let_go(handle, stream, at, head.len);
        let Some((src, dst)) = self.ways(handle) else { return };
        let token = self.tokens;
        self.tokens += 1;
        self.owed.insert(token, (handle, stream, src.clone()));
        if let Some(connection) = self.connection(handle) {
            connection.owed.insert(stream, token);
            connection.receiving.partials.insert(stream, Partial::new(Kind::Waste));
        }
        self.counters.requests += 1;
        let deadline = now + head.remaining.unwrap_or(PATIENCE);
        let message = Message { src, dst, payload };
        self.peers.up.push(Event::Asked { token: Token(token), message, deadline });
    }

    fn on_answered(&mut self, handle: usize, stream: StreamId, id: AskId) {
        let Some(connection) = self.connection(handle) else { return };
        connection.asks.remove(&stream);
        let Some(partial) = connection.receiving.partials.get(&stream) else { return };
        let Some((head, at)) = wire::read_answer_head(partial.bytes(), connection.ours) else {
            return;
        };
        let answer = self.let_go(handle, stream, at, head.len);
        if let Some(connection) = self.connection(handle) {
            connection.receiving.partials.insert(stream, Partial::new(Kind::Waste));
        }
        let result = if head.refusal {
            Err(AskError::Refused(wire::read_refusal(&answer)))
        } else if answer.len() > self.limits.ask_max {
            Err(AskError::TooLarge { limit: self.limits.ask_max })
        } else {
            Ok(answer)
        };
        self.peers.finish_ask(id, result);
    }

    /// Nothing more is wanted on a stream of the peer's, and nothing said.
    fn turn_down(&mut self, handle: usize, stream: StreamId, code: VarInt) {
        let Some(connection) = self.connection(handle) else { return };
        let partial = connection.receiving.partials.get(&stream);
        if partial.is_some_and(|partial| partial.kind == Kind::Request) {
            connection.reset(stream, code);
        }
        self.stop(handle, stream, code);
    }

    /// Nothing more is heard on a stream.
    pub(super) fn stop(&mut self, handle: usize, stream: StreamId, code: VarInt) {
        let Some(connection) = self.connection(handle) else { return };
        let freed = connection.stop(stream, code);
        self.receiving -= freed;
    }
}

/// Whether all of a request or an answer is there. Of a message only its end tells.
fn is_whole(kind: Kind, bytes: &[u8], ours: bool) -> bool {
    match kind {
        Kind::Tell | Kind::Waste => false,
        Kind::Request => wire::read_request_head(bytes, ours)
            .is_some_and(|(head, at)| bytes.len().saturating_sub(at) >= head.len),
        Kind::Answer(_) => wire::read_answer_head(bytes, ours)
            .is_some_and(|(head, at)| bytes.len().saturating_sub(at) >= head.len),
    }
}

/// How long a message is to be, as far as that is known.
fn wanted(kind: Kind, bytes: &[u8], ours: bool) -> usize {
    match kind {
        Kind::Tell => bytes.len(),
        Kind::Waste => 0,
        Kind::Request => wire::read_request_head(bytes, ours).map_or(0, |(head, _)| head.len),
        Kind::Answer(_) => wire::read_answer_head(bytes, ours).map_or(0, |(head, _)| head.len),
    }
}
