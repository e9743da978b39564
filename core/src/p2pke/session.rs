//! One session: two keys, from the hello that begins it to the last message under them.
//!
//! ```text
//! u32 counter | body                                   (big endian)
//!
//!  0  InitHello    e || payload in clear               Initiation::start   -> Hello::parse
//!  1  RespHello    e || AEAD(key, signature)           Hello::answer       -> Initiation::read
//!  2  InitDone     AEAD(signature)                     Answer::complete    -> Candidate::read
//!  3  RespDone     AEAD()                              Candidate::complete -> Session::finish
//!  4 ..= 15        reserved, never opened
//! 16 ..= 2^32 - 3  AEAD(application data)              Session::seal       -> Session::open
//! ```
//!
//! Each state of the handshake is a type of its own, and what reads a message takes `&self`: the
//! answer to a hello can be made by whoever saw the hello, so a wrong one must leave everything as
//! it was. Only `complete` moves on, and it is reached by a signature that verified.
//!
//! Nothing here keeps time or decides when to send: that is the [`Channel`](super::channel)'s. A
//! session never seals twice under one counter, does not seal before it is ready, and stops when
//! its counters have run out. Refused without effect: messages under other counters, messages seen
//! before or more than 1,984 below the highest, and whatever does not open.

mod initiator;
mod responder;

pub use initiator::{Answer, Initiation};
pub use responder::{Candidate, Hello};

use super::replay::Replay;
use super::tai64n::Tai64n;
use crate::crypto::{AeadKey, Suite, TAG_LEN};
use crate::identity::PublicKey;
use crate::time::Instant;
use alloc::vec::Vec;
use bytes::{Buf as _, Bytes, BytesMut};
use core::fmt;
use core::hash::{Hash, Hasher};

/// Bytes before the body of every message.
pub const HEADER_LEN: usize = 4;
/// Bytes that a message is longer than what is in it.
pub const OVERHEAD: usize = HEADER_LEN + TAG_LEN;
/// The most application data in one message.
pub const MAX_PAYLOAD: usize = 65_535 - OVERHEAD;

pub(crate) const INIT_HELLO: u32 = 0;
pub(crate) const RESP_HELLO: u32 = 1;
pub(crate) const INIT_DONE: u32 = 2;
pub(crate) const RESP_DONE: u32 = 3;
/// The first counter of application data, in each direction.
pub(crate) const FIRST_DATA: u32 = 16;
/// The last counter of application data.
pub(crate) const LAST_DATA: u32 = u32::MAX - 2;

/// Names a session: BLAKE2b-256 of the whole `InitHello` that began it. Ordered as bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub(crate) [u8; 32]);

impl SessionId {
    /// The id's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "{a:02x}{b:02x}{c:02x}{d:02x}…")
    }
}

/// Why a handshake message was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandshakeError {
    /// It is not the message it would have to be.
    Malformed,
    /// It speaks another version than 1.
    Version,
    /// It does not belong to this handshake, or the sender's point is of small order.
    Noise,
    /// Its signature is not its key's over what it must be over.
    Signature,
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "malformed handshake message",
            Self::Version => "the peer speaks another version than 1",
            Self::Noise => "handshake message does not belong to this handshake",
            Self::Signature => "the signature does not prove the key",
        })
    }
}

impl core::error::Error for HandshakeError {}

impl From<super::proto::Malformed> for HandshakeError {
    fn from(error: super::proto::Malformed) -> Self {
        match error {
            super::proto::Malformed::Version => Self::Version,
            super::proto::Malformed::Syntax | super::proto::Malformed::Field => Self::Malformed,
        }
    }
}

/// Why a message was not sealed. Nothing was spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealError {
    /// There is no session that may send yet: wait for it to become ready.
    NotReady,
    /// All counters of the session are spent: open another.
    Exhausted,
    /// More than [`MAX_PAYLOAD`] bytes: send less at once.
    TooLong,
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReady => f.write_str("the session is not ready to send: wait until it is"),
            Self::Exhausted => f.write_str("the session has run out of counters: open another"),
            Self::TooLong => write!(f, "the message is too long: send at most {MAX_PAYLOAD} bytes"),
        }
    }
}

impl core::error::Error for SealError {}

/// Why a message was not opened. Nothing of the session has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// Shorter than a header and a tag.
    Truncated,
    /// Its counter is not one of application data.
    Counter,
    /// Its counter was seen before, or is too old to tell.
    Replayed,
    /// It is not the peer's message under this counter.
    Forged,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "message is shorter than its header and tag",
            Self::Counter => "message is not under a counter of application data",
            Self::Replayed => "message was received before, or is too old to tell",
            Self::Forged => "message does not open under the keys of the session",
        })
    }
}

impl core::error::Error for OpenError {}

/// The counter of a message.
#[inline]
pub(crate) fn counter_of(message: &[u8]) -> Option<u32> {
    message.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// Both sides' keys exchanged and the peer's identity proven.
pub struct Session {
    id: SessionId,
    peer: PublicKey,
    timestamp: Tai64n,
    started: Instant,
    proven: Instant,
    /// Whether we may send: an initiator once the responder has finished, a responder once it
    /// is known that the initiator has.
    ready: bool,
    /// The counter of the next message we seal.
    next: u32,
    send: Sealer,
    receive: AeadKey,
    window: Replay,
    side: Side,
}

/// What a side keeps to repeat its messages with the same bytes.
enum Side {
    /// `init_done` is dropped when the responder has finished. Zeroes stand where the other variant has
    /// something: bytes that nobody wrote keep what lay on the stack, which may have been a key.
    Initiator {
        init_done: Bytes,
        _zeroes: [u8; 32 + OVERHEAD],
    },
    Responder {
        resp_hello: Bytes,
        init_done: [u8; 32],
        resp_done: [u8; OVERHEAD],
    },
}

impl Session {
    /// The session's id.
    #[must_use]
    pub const fn id(&self) -> SessionId {
        self.id
    }

    /// The key that the peer has proven to hold.
    #[must_use]
    pub const fn peer(&self) -> &PublicKey {
        &self.peer
    }

    /// The time stamp of the hello that began it.
    #[must_use]
    pub const fn timestamp(&self) -> Tai64n {
        self.timestamp
    }

    /// When its hello was made, or answered.
    #[must_use]
    pub const fn started(&self) -> Instant {
        self.started
    }

    /// When the peer's key was proven.
    #[must_use]
    pub const fn proven(&self) -> Instant {
        self.proven
    }

    /// Whether we began it.
    #[must_use]
    pub const fn is_initiator(&self) -> bool {
        matches!(self.side, Side::Initiator { .. })
    }

    /// Whether we may send.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        self.ready
    }

    /// How many messages were sealed.
    #[must_use]
    pub const fn sealed(&self) -> u32 {
        self.next - FIRST_DATA
    }

    /// Seals the concatenation of `parts` into a message. One allocation, of its exact size.
    #[inline]
    pub fn seal(&mut self, parts: &[&[u8]]) -> Result<Bytes, SealError> {
        if !self.ready {
            return Err(SealError::NotReady);
        }
        let len = parts.iter().fold(0, |len: usize, part| len.saturating_add(part.len()));
        if len > MAX_PAYLOAD {
            return Err(SealError::TooLong);
        }
        let counter = self.next;
        if counter > LAST_DATA {
            return Err(SealError::Exhausted);
        }
        self.next = counter + 1;
        let mut message = Vec::with_capacity(len + OVERHEAD);
        message.extend_from_slice(&counter.to_be_bytes());
        for part in parts {
            message.extend_from_slice(part);
        }
        self.send.finish(counter, &mut message);
        Ok(message.into())
    }

    /// Opens a message in place. No allocation.
    #[inline]
    pub fn open(&mut self, mut message: BytesMut) -> Result<BytesMut, OpenError> {
        self.open_in_place(&mut message)?;
        Ok(message)
    }

    /// Like [`open`](Self::open), but what was `Forged` is left in `message` in an unspecified
    /// state. Other errors leave it as it was.
    #[inline]
    pub fn open_in_place(&mut self, message: &mut BytesMut) -> Result<(), OpenError> {
        let (header, sealed) = message.split_first_chunk_mut().ok_or(OpenError::Truncated)?;
        let counter = u32::from_be_bytes(*header);
        self.admits(counter)?;
        let len =
            self.receive.open(u64::from(counter), header, sealed).map_err(|_| OpenError::Forged)?;
        self.opened(counter);
        message.advance(HEADER_LEN);
        message.truncate(len);
        Ok(())
    }

    /// Opens a message into `out`, which is resized to fit, and leaves the message as it was:
    /// for when there is another session to try. On failure `out` is empty.
    pub fn open_to(&mut self, message: &[u8], out: &mut BytesMut) -> Result<(), OpenError> {
        out.clear();
        let (header, sealed) = message.split_first_chunk().ok_or(OpenError::Truncated)?;
        let counter = u32::from_be_bytes(*header);
        self.admits(counter)?;
        out.resize(sealed.len().saturating_sub(TAG_LEN), 0);
        if self.receive.open_to(u64::from(counter), header, sealed, out).is_err() {
            out.clear();
            return Err(OpenError::Forged);
        }
        self.opened(counter);
        Ok(())
    }

    /// Whether a message under this counter could be application data that is new here. Costs
    /// next to nothing and changes nothing.
    #[inline]
    pub fn admits(&self, counter: u32) -> Result<(), OpenError> {
        if !(FIRST_DATA..=LAST_DATA).contains(&counter) {
            return Err(OpenError::Counter);
        }
        if self.window.admits(counter) { Ok(()) } else { Err(OpenError::Replayed) }
    }

    /// As initiator: reads a `RespDone`, after which we may send. Refused, without effect, once
    /// we may, and as responder.
    pub fn finish(&mut self, resp_done: &[u8]) -> Result<(), HandshakeError> {
        let (header, sealed) = resp_done.split_first_chunk().ok_or(HandshakeError::Malformed)?;
        if self.ready || !self.is_initiator() || *header != RESP_DONE.to_be_bytes() {
            return Err(HandshakeError::Malformed);
        }
        self.receive
            .open_to(u64::from(RESP_DONE), header, sealed, &mut [])
            .map_err(|_| HandshakeError::Noise)?;
        self.become_ready();
        Ok(())
    }

    /// As responder: says that the initiator has had every chance to finish, so that we may send.
    pub fn confirm(&mut self) {
        self.become_ready();
    }

    /// As initiator, until the responder has finished: the `InitDone` to send, and to repeat.
    #[must_use]
    pub fn init_done(&self) -> Option<&Bytes> {
        match &self.side {
            Side::Initiator { init_done, .. } if !self.ready => Some(init_done),
            Side::Initiator { .. } | Side::Responder { .. } => None,
        }
    }

    /// As responder: the answer to an exact repeat of the `InitHello`.
    #[must_use]
    pub const fn resp_hello(&self) -> Option<&Bytes> {
        match &self.side {
            Side::Responder { resp_hello, .. } => Some(resp_hello),
            Side::Initiator { .. } => None,
        }
    }

    /// As responder: the answer to the `InitDone`, and to its exact repeats.
    #[must_use]
    pub fn resp_done(&self) -> Option<Bytes> {
        match &self.side {
            Side::Responder { resp_done, .. } => Some(Bytes::copy_from_slice(resp_done)),
            Side::Initiator { .. } => None,
        }
    }

    /// Whether this is the BLAKE2b-256 of the `InitDone` that completed the handshake.
    pub(crate) fn is_init_done(&self, digest: &[u8; 32]) -> bool {
        matches!(&self.side, Side::Responder { init_done, .. } if init_done == digest)
    }

    /// Gives back the memory that the ciphers can do without until they are next used.
    pub fn rest(&mut self) {
        self.send.key.rest();
        self.receive.rest();
    }

    /// Feeds all state but the secrets, which the id stands for.
    pub(crate) fn dump(&self, hasher: &mut dyn Hasher) {
        let mut hasher = hasher;
        (self.id, self.peer, self.timestamp, self.started, self.proven).hash(&mut hasher);
        (self.ready, self.next).hash(&mut hasher);
        self.window.hash(&mut hasher);
        match &self.side {
            Side::Initiator { init_done, .. } => init_done.hash(&mut hasher),
            Side::Responder { resp_hello, init_done, resp_done } => {
                (resp_hello, init_done, resp_done).hash(&mut hasher);
            }
        }
    }

    /// The tag of the message under `counter` has verified.
    #[inline]
    fn opened(&mut self, counter: u32) {
        self.window.record(counter);
        // Whoever sends data has finished the handshake.
        if !self.ready {
            self.become_ready();
        }
    }

    fn become_ready(&mut self) {
        self.ready = true;
        if let Side::Initiator { init_done, .. } = &mut self.side {
            *init_done = Bytes::new();
        }
    }

    #[cfg(test)]
    pub(crate) fn spend(&mut self, next: u32) {
        assert!(next >= self.next, "counters only rise");
        self.next = next;
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .field("peer", &self.peer)
            .field("initiator", &self.is_initiator())
            .field("ready", &self.ready)
            .finish_non_exhaustive()
    }
}

/// The key that we seal under. Every seal of a session goes through here, so that the tests can
/// see that no counter is used twice.
struct Sealer {
    key: AeadKey,
    #[cfg(test)]
    id: [u8; 32],
}

impl Sealer {
    fn new(suite: Suite, key: &[u8; 32]) -> Self {
        Self {
            key: suite.aead(key),
            #[cfg(test)]
            id: crate::crypto::blake2b_256(&[key]),
        }
    }

    /// Seals what follows the header in `message`, and appends the tag.
    #[inline]
    fn finish(&self, counter: u32, message: &mut Vec<u8>) {
        #[cfg(test)]
        super::tests::seal_log::note(self.id, counter);
        if let Some((header, text)) = message.split_first_chunk_mut::<HEADER_LEN>() {
            let tag = self.key.seal(u64::from(counter), header, text);
            message.extend_from_slice(&tag);
        }
    }
}
