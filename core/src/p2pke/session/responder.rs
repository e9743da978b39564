//! The responder's half of the handshake: hello read, answered, and the initiator proven.

use super::{
    HEADER_LEN, HandshakeError, INIT_DONE, INIT_HELLO, OVERHEAD, RESP_DONE, RESP_HELLO, Sealer,
    Session, SessionId, Side,
};
use crate::crypto::{Suite, TAG_LEN};
use crate::identity::{PublicKey, SecretKey};
use crate::p2pke::noise::{Responder, Split};
use crate::p2pke::presign::Purpose;
use crate::p2pke::proto;
use crate::p2pke::replay::Replay;
use crate::p2pke::tai64n::Tai64n;
use crate::time::Instant;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use core::hash::{Hash as _, Hasher};

/// Somebody's hello, parsed where it lies. Nothing was allocated and nothing of it is proven.
#[derive(Clone, Copy)]
pub struct Hello<'a> {
    suite: Suite,
    message: &'a [u8],
    key: PublicKey,
    timestamp: Tai64n,
    sig: &'a [u8; proto::SIG_LEN],
}

impl<'a> Hello<'a> {
    /// Parses an `InitHello`. The protobuf is found from the end: what is before it is padding.
    pub fn parse(message: &'a [u8]) -> Result<Self, HandshakeError> {
        let body =
            message.strip_prefix(&INIT_HELLO.to_be_bytes()).ok_or(HandshakeError::Malformed)?;
        let (_, payload) = body.split_first_chunk::<32>().ok_or(HandshakeError::Malformed)?;
        let (payload, len) = payload.split_last_chunk().ok_or(HandshakeError::Malformed)?;
        let len = usize::from(u16::from_be_bytes(*len));
        let start = payload.len().checked_sub(len).ok_or(HandshakeError::Malformed)?;
        let (_, pb) = payload.split_at_checked(start).ok_or(HandshakeError::Malformed)?;
        let hello = proto::InitHello::decode(pb)?;
        let key = PublicKey::from_spki(hello.key).map_err(|_| HandshakeError::Malformed)?;
        let timestamp = Tai64n::from_bytes(hello.timestamp).ok_or(HandshakeError::Malformed)?;
        Ok(Self { suite: Suite::Own, message, key, timestamp, sig: hello.sig })
    }

    /// The same, to be read as this suite has it.
    pub(crate) const fn under(self, suite: Suite) -> Self {
        Self { suite, ..self }
    }

    /// The id of the session that the hello begins. Hashes the message.
    #[must_use]
    pub fn id(&self) -> SessionId {
        SessionId(self.suite.digest(self.message))
    }

    /// The key that the hello claims.
    #[must_use]
    pub const fn claimed(&self) -> &PublicKey {
        &self.key
    }

    /// When the initiator made it, by its clock.
    #[must_use]
    pub const fn timestamp(&self) -> Tai64n {
        self.timestamp
    }

    /// Whether the key signed the time stamp. It says nothing about the rest of the hello, nor
    /// that it is new.
    pub fn verify(&self) -> Result<(), HandshakeError> {
        Purpose::Timestamp
            .verify(self.suite, &self.key, &self.timestamp.to_bytes(), self.sig)
            .map_err(|_| HandshakeError::Signature)
    }

    /// Answers the hello. `ephemeral` is 32 fresh random bytes, for this answer only. Refused
    /// where the initiator's point is of small order.
    pub fn answer(
        &self,
        id: SessionId,
        key: &SecretKey,
        ephemeral: [u8; 32],
        now: Instant,
    ) -> Result<Candidate, HandshakeError> {
        let body = self.message.get(HEADER_LEN..).ok_or(HandshakeError::Malformed)?;
        let (noise, _) =
            Responder::read_under(self.suite, &[], body).map_err(|_| HandshakeError::Noise)?;
        let spki = key.public().to_spki();
        let sig = Purpose::ChannelBinding.sign(key, noise.hash());
        let mut payload = Vec::with_capacity(ANSWER_PAYLOAD);
        proto::RespHello { key: &spki, sig: &sig }.encode(&mut payload);
        let mut answer = Vec::with_capacity(HEADER_LEN + 32 + ANSWER_PAYLOAD + TAG_LEN);
        answer.extend_from_slice(&RESP_HELLO.to_be_bytes());
        let split =
            noise.answer(ephemeral, &payload, &mut answer).map_err(|_| HandshakeError::Noise)?;
        Ok(Candidate {
            id,
            peer: self.key,
            timestamp: self.timestamp,
            started: now,
            split,
            resp_hello: answer.into(),
        })
    }
}

/// `RespHello` with the lengths that ours has: 46 + 66.
const ANSWER_PAYLOAD: usize = 112;

impl fmt::Debug for Hello<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hello")
            .field("claimed", &self.key)
            .field("timestamp", &self.timestamp)
            .finish_non_exhaustive()
    }
}

/// A hello that was answered and whose sender has proven nothing: it may be a replay, or sent
/// from a forged address. Raw keys, no ciphers: it must stay small.
pub struct Candidate {
    id: SessionId,
    peer: PublicKey,
    timestamp: Tai64n,
    started: Instant,
    split: Split,
    resp_hello: Bytes,
}

impl Candidate {
    /// The id of the session that it would become.
    #[must_use]
    pub const fn id(&self) -> SessionId {
        self.id
    }

    /// The key that the hello claims.
    #[must_use]
    pub const fn claimed(&self) -> &PublicKey {
        &self.peer
    }

    /// The hello's time stamp.
    #[must_use]
    pub const fn timestamp(&self) -> Tai64n {
        self.timestamp
    }

    /// When the hello was answered.
    #[must_use]
    pub const fn started(&self) -> Instant {
        self.started
    }

    /// The answer to the hello, and to its exact repeats.
    #[must_use]
    pub const fn resp_hello(&self) -> &Bytes {
        &self.resp_hello
    }

    /// Decrypts an `InitDone` with the help of `scratch` and returns its signature. Whoever sent
    /// the hello can have made it: nothing is proven until [`verify`](Self::verify).
    pub fn read(
        &self,
        message: &[u8],
        scratch: &mut Vec<u8>,
    ) -> Result<[u8; proto::SIG_LEN], HandshakeError> {
        let (header, sealed) = message.split_first_chunk().ok_or(HandshakeError::Malformed)?;
        if *header != INIT_DONE.to_be_bytes() {
            return Err(HandshakeError::Malformed);
        }
        scratch.clear();
        scratch.resize(sealed.len().saturating_sub(TAG_LEN), 0);
        let key = self.split.suite().aead(&self.split.initiator);
        key.open_to(u64::from(INIT_DONE), header, sealed, scratch)
            .map_err(|_| HandshakeError::Noise)?;
        Ok(*proto::InitDone::decode(scratch)?.sig)
    }

    /// Whether the signature of an `InitDone` proves the key that the hello claimed.
    pub fn verify(&self, sig: &[u8; proto::SIG_LEN]) -> Result<(), HandshakeError> {
        Purpose::ChannelBinding
            .verify(self.split.suite(), &self.peer, &self.split.hash, sig)
            .map_err(|_| HandshakeError::Signature)
    }

    /// Believes the `InitDone`, which must have [verified](Self::verify): the session, which has
    /// a [`resp_done`](Session::resp_done) to send. By reference: a value that is moved leaves its keys
    /// behind where it was.
    #[must_use]
    pub fn complete(&self, init_done: &[u8], now: Instant) -> Session {
        let send = Sealer::new(self.split.suite(), &self.split.responder);
        let mut done = Vec::with_capacity(OVERHEAD);
        done.extend_from_slice(&RESP_DONE.to_be_bytes());
        send.finish(RESP_DONE, &mut done);
        let mut resp_done = [0; OVERHEAD];
        resp_done.copy_from_slice(&done);
        Session {
            id: self.id,
            peer: self.peer,
            timestamp: self.timestamp,
            started: self.started,
            proven: now,
            ready: false,
            next: super::FIRST_DATA,
            send,
            receive: self.split.suite().aead(&self.split.initiator),
            window: Replay::new(),
            side: Side::Responder {
                resp_hello: self.resp_hello.clone(),
                init_done: self.split.suite().digest(init_done),
                resp_done,
            },
        }
    }

    pub(crate) fn dump(&self, hasher: &mut dyn Hasher) {
        let mut hasher = hasher;
        (self.id, self.peer, self.timestamp, self.started).hash(&mut hasher);
        self.resp_hello.hash(&mut hasher);
    }
}

impl fmt::Debug for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidate")
            .field("id", &self.id)
            .field("claimed", &self.peer)
            .finish_non_exhaustive()
    }
}
