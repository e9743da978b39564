//! The initiator's half of the handshake: hello sent, answer read, answer believed.

use super::{
    HEADER_LEN, HandshakeError, INIT_DONE, INIT_HELLO, OVERHEAD, RESP_HELLO, Sealer, Session,
    SessionId, Side,
};
use crate::crypto::{Suite, TAG_LEN};
use crate::identity::{PublicKey, SecretKey};
use crate::p2pke::noise::{Initiator, Split};
use crate::p2pke::presign::Purpose;
use crate::p2pke::proto;
use crate::p2pke::replay::Replay;
use crate::p2pke::tai64n::Tai64n;
use crate::time::Instant;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use core::hash::{Hash as _, Hasher};

/// A hello of ours that may still be answered. 160 bytes; the hello itself is not kept here.
pub struct Initiation {
    id: SessionId,
    timestamp: Tai64n,
    started: Instant,
    suite: Suite,
    noise: Initiator,
}

impl Initiation {
    /// Makes a hello. `ephemeral` is 32 fresh random bytes, for this hello only.
    pub fn start(
        key: &SecretKey,
        ephemeral: [u8; 32],
        timestamp: Tai64n,
        now: Instant,
    ) -> (Self, Bytes) {
        let stamp = timestamp.to_bytes();
        let spki = key.public().to_spki();
        let sig = Purpose::Timestamp.sign(key, &stamp);
        let mut payload = Vec::with_capacity(HELLO_PAYLOAD);
        proto::InitHello { timestamp: &stamp, key: &spki, sig: &sig }.encode(&mut payload);
        let len = payload.len() as u16;
        payload.extend_from_slice(&len.to_be_bytes());
        let mut hello = Vec::with_capacity(HEADER_LEN + 32 + HELLO_PAYLOAD);
        hello.extend_from_slice(&INIT_HELLO.to_be_bytes());
        let suite = key.suite();
        let noise = Initiator::start_under(suite, &[], ephemeral, &payload, &mut hello);
        let id = SessionId(suite.digest(&hello));
        (Self { id, timestamp, started: now, suite, noise }, hello.into())
    }

    /// The id of the session that the hello begins.
    #[must_use]
    pub const fn id(&self) -> SessionId {
        self.id
    }

    /// The hello's time stamp.
    #[must_use]
    pub const fn timestamp(&self) -> Tai64n {
        self.timestamp
    }

    /// When the hello was made.
    #[must_use]
    pub const fn started(&self) -> Instant {
        self.started
    }

    /// Reads a `RespHello`. Nothing of what it says is proven until [`Answer::verify`].
    pub fn read(&self, message: &[u8]) -> Result<Answer<'_>, HandshakeError> {
        let body =
            message.strip_prefix(&RESP_HELLO.to_be_bytes()).ok_or(HandshakeError::Malformed)?;
        let mut payload = Vec::with_capacity(body.len().saturating_sub(32 + TAG_LEN));
        let split = self.noise.read(body, &mut payload).map_err(|_| HandshakeError::Noise)?;
        let hello = proto::RespHello::decode(&payload)?;
        let key = PublicKey::from_spki(hello.key).map_err(|_| HandshakeError::Malformed)?;
        Ok(Answer { to: self, key, sig: *hello.sig, split })
    }

    pub(crate) fn dump(&self, hasher: &mut dyn Hasher) {
        let mut hasher = hasher;
        (self.id, self.timestamp, self.started).hash(&mut hasher);
    }
}

/// `InitHello` with the lengths that ours has: 2 + 14 + 46 + 66, and the u16 behind it.
const HELLO_PAYLOAD: usize = 130;

impl fmt::Debug for Initiation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Initiation").field("id", &self.id).finish_non_exhaustive()
    }
}

/// An answer to our hello. Whoever saw the hello can have made it.
pub struct Answer<'a> {
    to: &'a Initiation,
    key: PublicKey,
    sig: [u8; proto::SIG_LEN],
    split: Split,
}

impl Answer<'_> {
    /// The key that the answer claims.
    #[must_use]
    pub const fn claimed(&self) -> &PublicKey {
        &self.key
    }

    /// Whether the answer's signature proves that key for this handshake.
    pub fn verify(&self) -> Result<(), HandshakeError> {
        Purpose::ChannelBinding
            .verify(self.to.suite, &self.key, self.to.noise.hash(), &self.sig)
            .map_err(|_| HandshakeError::Signature)
    }

    /// Believes the answer, which must have [verified](Self::verify): the session, which has an
    /// [`init_done`](Session::init_done) to send.
    #[must_use]
    pub fn complete(self, key: &SecretKey, now: Instant) -> Session {
        let Self { to, key: peer, split, .. } = self;
        let send = Sealer::new(to.suite, &split.initiator);
        let sig = Purpose::ChannelBinding.sign(key, &split.hash);
        let mut done = Vec::with_capacity(HEADER_LEN + 66 + TAG_LEN);
        done.extend_from_slice(&INIT_DONE.to_be_bytes());
        proto::InitDone { sig: &sig }.encode(&mut done);
        send.finish(INIT_DONE, &mut done);
        Session {
            id: to.id,
            peer,
            timestamp: to.timestamp,
            started: to.started,
            proven: now,
            ready: false,
            next: super::FIRST_DATA,
            send,
            receive: to.suite.aead(&split.responder),
            window: Replay::new(),
            side: Side::Initiator { init_done: done.into(), _zeroes: [0; 32 + OVERHEAD] },
        }
    }
}

impl fmt::Debug for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("claimed", &self.key).finish_non_exhaustive()
    }
}
