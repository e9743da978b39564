//! One connection: quinn-proto's, and what of ours is on its streams.

use super::wire::MESSAGE_MAX;
use crate::layer::earliest;
use crate::swarm::AskId;
use crate::table::Slot;
use crate::time::Instant;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};
use core::net::SocketAddr;
use core::time::Duration;
use quinn_proto::{Dir, FrameStats, StreamId, VarInt, WriteError};

/// How long a connection without any traffic lives; and one of whose peer nothing is heard although it was said something,
/// where quinn-proto would wait for three probe timeouts if that is longer (RFC 9000 section 10.1). Those may be of minutes
/// after a clock has jumped, or somebody held datagrams back; meanwhile a peer that is gone would swallow what it is told.
pub const IDLE: Duration = Duration::from_secs(30);
/// How long a handshake may take.
pub const HANDSHAKE: Duration = Duration::from_secs(15);
/// How often a connection says that it is alive, while an answer is owed on it.
pub const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Streams with messages that are not known to have arrived, whatever the peer grants.
const UNACKNOWLEDGED_MAX: usize = 1_024;

/// A connection.
pub(super) struct Connection<A> {
    pub(super) quic: quinn_proto::Connection,
    pub(super) standing: Standing,
    /// Whether we began it.
    pub(super) dialled: bool,
    pub(super) begun: Instant,
    /// To whom: whoever was dialled, or has proven its key.
    pub(super) peer: Option<Slot>,
    /// Whether both sides speak our protocol, not only the one that the Go implementation has.
    pub(super) ours: bool,
    /// Its address as quinn-proto has it.
    pub(super) remote: SocketAddr,
    /// Which address of ours it was last heard at.
    pub(super) local: Option<A>,
    pub(super) sending: Sending,
    pub(super) receiving: Receiving,
    /// Our requests on it.
    pub(super) asks: BTreeMap<StreamId, AskId>,
    /// The tokens of the peer's requests on it that it is owed answers to.
    pub(super) owed: BTreeMap<StreamId, u64>,
    pub(super) ping_at: Option<Instant>,
    /// When something was said first since anything was heard; of one that is over, when it ended.
    pub(super) unanswered: Option<Instant>,
    /// What was heard of the peer when that was asked last.
    heard: (u64, bool),
    /// When it is in the index of timers.
    pub(super) armed: Option<Instant>,
    /// Whether it is among those that something has happened to.
    pub(super) dirty: bool,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Standing {
    /// Its handshake is not over.
    Handshaking,
    /// The peer has proven its key.
    Up {
        /// When it did.
        since: Instant,
    },
    /// It is over: only what is left of it is said.
    Over,
}

/// What goes out.
#[derive(Default)]
pub(super) struct Sending {
    /// A stream that was opened for the next tell.
    pub(super) spare: Option<StreamId>,
    /// Of messages that are begun, what was not taken yet.
    pub(super) rest: BTreeMap<StreamId, Vec<Bytes>>,
    /// Messages told, from the beginning on.
    pub(super) told: usize,
    /// Streams on which all was said, and not all is known to have arrived.
    pub(super) unacknowledged: BTreeSet<StreamId>,
}

/// What becomes of a message that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It was taken.
    All,
    /// Not all of it: the rest waits.
    Some,
    /// The peer does not want it.
    Nothing,
}

/// What comes in.
#[derive(Default)]
pub(super) struct Receiving {
    /// Streams of the peer's, and those of our requests.
    pub(super) partials: BTreeMap<StreamId, Partial>,
    /// Those on which there may be something to read: of messages told, and of requests and answers.
    told: BTreeSet<StreamId>,
    asked: BTreeSet<StreamId>,
    /// Bytes that are being put together.
    pub(super) bytes: usize,
}

impl Receiving {
    /// Streams in this direction on which there may be something to read.
    pub(super) const fn readable(&mut self, dir: Dir) -> &mut BTreeSet<StreamId> {
        match dir {
            Dir::Uni => &mut self.told,
            Dir::Bi => &mut self.asked,
        }
    }

    /// Where to read next, where there is room for it, and messages told are not held back.
    pub(super) fn next(&mut self, room: bool, held: bool) -> Next {
        let (told, asked) = (self.told.first(), self.asked.first());
        let Some(stream) = asked.or(told).copied() else { return Next::Nothing };
        if held && asked.is_none() {
            return Next::Held;
        }
        if !room {
            return Next::Waits;
        }
        self.readable(stream.dir()).remove(&stream);
        Next::Stream(stream)
    }
}

/// What is read next.
pub(super) enum Next {
    Stream(StreamId),
    /// There is something that must wait for room.
    Waits,
    /// There are messages that are held back.
    Held,
    Nothing,
}

/// What has come of a message.
pub(super) struct Partial {
    pub(super) kind: Kind,
    /// A message that came in one piece is never copied.
    first: Option<Bytes>,
    rest: BytesMut,
}

/// What comes on a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// A message.
    Tell,
    /// A request of the peer's.
    Request,
    /// The answer to one of ours.
    Answer(AskId),
    /// Nothing that matters any more, but that it ends: to stop a stream costs a datagram and its
    /// acknowledgement.
    Waste,
}

impl Partial {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, first: None, rest: BytesMut::new() }
    }

    pub(super) fn push(&mut self, bytes: Bytes) {
        if self.first.is_none() && self.rest.is_empty() {
            self.first = Some(bytes);
        } else {
            self.join();
            self.rest.extend_from_slice(&bytes);
        }
    }

    /// Copies what came first, so that a few bytes do not keep a whole datagram.
    pub(super) fn join(&mut self) {
        if let Some(first) = self.first.take() {
            self.rest.extend_from_slice(&first);
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.first.as_deref().unwrap_or(&self.rest)
    }

    pub(super) fn len(&self) -> usize {
        self.bytes().len()
    }

    /// Bytes that are held for it, whatever has come.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.first.as_ref().map_or(self.rest.capacity(), |_| usize::MAX / 1_024)
    }

    /// The first `len` bytes behind `head`; the others are dropped.
    pub(super) fn take(&mut self, head: usize, len: usize) -> BytesMut {
        let mut whole = match self.first.take() {
            Some(first) => BytesMut::from(first),
            None => core::mem::take(&mut self.rest),
        };
        let mut message = whole.split_off(head.min(whole.len()));
        message.truncate(len);
        message
    }
}

impl<A> Connection<A> {
    pub(super) fn new(
        quic: quinn_proto::Connection,
        dialled: Option<Slot>,
        begun: Instant,
        local: Option<A>,
    ) -> Self {
        Self {
            standing: Standing::Handshaking,
            dialled: dialled.is_some(),
            begun,
            peer: dialled,
            ours: false,
            remote: quic.remote_address(),
            local,
            sending: Sending::default(),
            receiving: Receiving::default(),
            asks: BTreeMap::new(),
            owed: BTreeMap::new(),
            ping_at: None,
            unanswered: None,
            heard: (0, false),
            armed: None,
            dirty: false,
            quic,
        }
    }

    pub(super) const fn is_up(&self) -> bool {
        matches!(self.standing, Standing::Up { .. })
    }

    /// Whether anything was heard of the peer since this was asked last. What is not authentic brings no frames.
    pub(super) fn has_heard(&mut self) -> bool {
        let heard = self.frames();
        core::mem::replace(&mut self.heard, heard) != heard
    }

    /// Something was.
    pub(super) fn on_heard(&mut self) {
        if self.standing != Standing::Over {
            self.unanswered = None;
        }
    }

    /// How many frames were sent that are to be acknowledged.
    pub(super) fn said(&self) -> u64 {
        let sent = self.quic.stats().frame_tx;
        frames(sent) - sent.acks - sent.connection_close
    }

    /// How many frames have come, and whether the connection is over.
    fn frames(&self) -> (u64, bool) {
        (frames(self.quic.stats().frame_rx), self.quic.is_closed())
    }

    /// Whether a message can be told now, on a stream that is opened for it where there is none yet.
    pub(super) fn takes_tells(&mut self) -> bool {
        let all = self.sending.unacknowledged.len() >= UNACKNOWLEDGED_MAX;
        if !self.is_up() || !self.sending.rest.is_empty() || all {
            return false;
        }
        if self.sending.spare.is_none() {
            self.sending.spare = self.quic.streams().open(Dir::Uni);
        }
        self.sending.spare.is_some()
    }

    /// Writes a message, or as much of it as is taken.
    pub(super) fn write<const N: usize>(
        &mut self,
        stream: StreamId,
        mut chunks: [Bytes; N],
    ) -> Written {
        let written = self.give(stream, &mut chunks);
        if written == Written::Some {
            let rest = chunks.into_iter().filter(|chunk| !chunk.is_empty()).collect();
            self.sending.rest.insert(stream, rest);
        }
        written
    }

    /// Writes what was not taken of a message.
    pub(super) fn write_rest(&mut self, stream: StreamId) {
        let Some(mut rest) = self.sending.rest.remove(&stream) else { return };
        if self.give(stream, &mut rest) == Written::Some {
            self.sending.rest.insert(stream, rest);
        }
    }

    /// Gives a stream as much of these as it takes, and its end where it takes all.
    fn give(&mut self, stream: StreamId, chunks: &mut [Bytes]) -> Written {
        let mut to = self.quic.send_stream(stream);
        // Those that were taken are empty from then on.
        while let Some(at) = chunks.iter().position(|chunk| !chunk.is_empty()) {
            match to.write_chunks(chunks.get_mut(at..).unwrap_or_default()) {
                Ok(_) => {}
                Err(WriteError::Blocked) => return Written::Some,
                Err(WriteError::Stopped(_) | WriteError::ClosedStream) => return Written::Nothing,
            }
        }
        if to.finish().is_err() {
            return Written::Nothing;
        }
        self.sending.unacknowledged.insert(stream);
        Written::All
    }

    /// Nothing more is said on a stream, and nothing of it is sent again.
    pub(super) fn reset(&mut self, stream: StreamId, code: VarInt) {
        self.sending.rest.remove(&stream);
        self.sending.unacknowledged.remove(&stream);
        // What is reset already, or was heard as a whole, need not be.
        let _ = self.quic.send_stream(stream).reset(code);
    }

    /// Nothing more is heard on a stream. Returns how many bytes are held no more.
    pub(super) fn stop(&mut self, stream: StreamId, code: VarInt) -> usize {
        let partial = self.receiving.partials.remove(&stream);
        let freed = partial.map_or(0, |partial| partial.len());
        self.receiving.readable(stream.dir()).remove(&stream);
        self.receiving.bytes -= freed;
        let _ = self.quic.recv_stream(stream).stop(code);
        freed
    }

    /// Whether something that was said is not known to have arrived.
    pub(super) fn is_busy(&self) -> bool {
        !self.sending.rest.is_empty() || !self.sending.unacknowledged.is_empty()
    }

    /// When something of it is due, as far as it is ours.
    pub(super) fn due(&self) -> Option<Instant> {
        earliest(self.end(), self.ping_at)
    }

    /// When it ends, should nothing be heard of the peer until then.
    pub(super) fn end(&self) -> Option<Instant> {
        match self.standing {
            Standing::Handshaking => Some(self.begun + HANDSHAKE),
            Standing::Up { .. } | Standing::Over => self.unanswered.map(|since| since + IDLE),
        }
    }

    /// Sees to it that the peer is asked whether it is alive while answers are owed either way.
    pub(super) fn rearm_ping(&mut self, now: Instant, unread: bool) {
        let waits = unread
            || !self.asks.is_empty()
            || !self.owed.is_empty()
            || !self.sending.rest.is_empty();
        self.ping_at = waits.then(|| self.ping_at.unwrap_or(now + KEEP_ALIVE));
    }
}

/// Bytes above those of the largest message that a request may have in front.
pub(super) const RECEIVE_MAX: usize = MESSAGE_MAX + 8;

/// How many there are of all kinds.
fn frames(stats: FrameStats) -> u64 {
    let FrameStats {
        acks,
        ack_frequency,
        crypto,
        connection_close,
        data_blocked,
        datagram,
        handshake_done,
        immediate_ack,
        max_data,
        max_stream_data,
        max_streams_bidi,
        max_streams_uni,
        new_connection_id,
        new_token,
        path_challenge,
        path_response,
        ping,
        reset_stream,
        retire_connection_id,
        stream_data_blocked,
        streams_blocked_bidi,
        streams_blocked_uni,
        stop_sending,
        stream,
        ..
    } = stats;
    let data = acks + stream + crypto + datagram + max_data + max_stream_data;
    let streams = max_streams_bidi + max_streams_uni + reset_stream + stop_sending;
    let blocked = data_blocked + stream_data_blocked + streams_blocked_bidi + streams_blocked_uni;
    let paths = new_connection_id + retire_connection_id + path_challenge + path_response;
    let rest = ack_frequency + immediate_ack + new_token + ping + connection_close;
    data + streams + blocked + paths + rest + u64::from(handshake_done)
}
