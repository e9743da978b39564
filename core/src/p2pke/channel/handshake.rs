//! The four handshake messages as they come in.
//!
//! Each is checked in the order of what the checks cost, and nothing is changed before the last
//! of them has passed. Allocations begin after the signature.

use super::dial::{Dial, Stage};
use super::{Channel, Context, Failure, Proven, Reason, wins};
use crate::identity::PublicKey;
use crate::p2pke::session::{Candidate, HandshakeError, Hello, Initiation, Session, SessionId};
use crate::p2pke::tai64n::Tai64n;
use crate::time::Instant;
use alloc::boxed::Box;
use bytes::Bytes;

impl From<HandshakeError> for Reason {
    fn from(error: HandshakeError) -> Self {
        match error {
            HandshakeError::Malformed => Self::Malformed,
            HandshakeError::Version => Self::Version,
            HandshakeError::Noise => Self::Undecryptable,
            HandshakeError::Signature => Self::Signature,
        }
    }
}

impl Channel {
    /// Somebody wants a session, or repeats that it does. The answer is never longer than the
    /// hello, whose source may be forged: the shortest hello has 166 bytes, the answer 164.
    pub(super) fn on_init_hello(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        message: &[u8],
    ) -> Result<(), Reason> {
        let hello = Hello::parse(message)?.under(cx.key.suite());
        let key = hello.claimed();
        if key == cx.key.public() {
            self.saw(Failure::Oneself);
            return Err(Reason::Oneself);
        }
        let id = hello.id();
        if let Some(answer) = self.answer_to(id) {
            self.transmit(answer);
            return Ok(());
        }
        if !self.admits_key(key) {
            return Err(Reason::WrongPeer);
        }
        if !cx.gate.accepts(key) {
            return Err(Reason::Refused);
        }
        let today = Tai64n::from_unix(cx.clock.date_at(now));
        // A floor ahead of our clock was set when that was wrong.
        if cx.gate.floor(key).is_some_and(|floor| hello.timestamp() <= floor && floor <= today) {
            return Err(Reason::Stale);
        }
        if self.unanswered().is_some_and(|ours| ours.id() < id) {
            return Err(Reason::Yielded);
        }
        let place = self.candidates.place(key, hello.timestamp(), today).ok_or(Reason::Full)?;
        if !cx.gate.may_verify(now) {
            return Err(Reason::Busy);
        }
        hello.verify()?;
        let candidate = hello.answer(id, cx.key, cx.rng.bytes(), now)?;
        if place == super::candidates::Place::Free && !cx.gate.may_hold_candidate() {
            return Err(Reason::Full);
        }
        self.transmit(candidate.resp_hello().clone());
        self.candidates.put(place, candidate, cx.rng);
        Ok(())
    }

    /// Our hello, or the one before it, may have been answered.
    pub(super) fn on_resp_hello(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        message: &[u8],
    ) -> Result<(), Reason> {
        let busy = self.dial.is_some() && self.unanswered().is_none();
        let mut reason = Reason::Unexpected;
        if let Some(ours) = self.unanswered() {
            match self.believe(ours, cx, now, message) {
                Ok(session) => {
                    self.on_answered(session, cx, now);
                    return Ok(());
                }
                Err(error) => reason = error,
            }
            if reason == Reason::WrongPeer {
                self.saw(Failure::WrongPeer);
            } else if reason == Reason::Oneself {
                self.saw(Failure::Oneself);
            } else if reason == Reason::Refused {
                self.saw(Failure::Refused);
            }
        }
        if let Some(ours) = &self.superseded
            && !busy
            && matches!(reason, Reason::Unexpected | Reason::Undecryptable)
        {
            let session = self.believe(ours, cx, now, message)?;
            self.superseded = None;
            self.on_answered(session, cx, now);
            return Ok(());
        }
        Err(reason)
    }

    /// Somebody proves the key that its hello claimed, or repeats that it did.
    pub(super) fn on_init_done(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        message: &[u8],
    ) -> Result<(), Reason> {
        if self.repeat_resp_done(now, &cx.key.suite().digest(message)) {
            return Ok(());
        }
        let mut reason = Reason::Unexpected;
        let mut found = None;
        for candidate in self.candidates.iter() {
            match candidate.read(message, cx.scratch) {
                Ok(sig) => {
                    found = Some((candidate, sig));
                    break;
                }
                Err(error) => reason = error.into(),
            }
        }
        let (candidate, sig) = found.ok_or(reason)?;
        if !self.admits_key(candidate.claimed()) {
            return Err(Reason::WrongPeer);
        }
        if !cx.gate.accepts(candidate.claimed()) {
            return Err(Reason::Refused);
        }
        if !cx.gate.may_verify(now) {
            return Err(Reason::Busy);
        }
        candidate.verify(&sig)?;
        let id = candidate.id();
        let candidate = self.candidates.take(id).ok_or(Reason::Unexpected)?;
        self.on_proven(&candidate, message, cx, now);
        Ok(())
    }

    /// The responder of our handshake has finished.
    pub(super) fn on_resp_done(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        message: &[u8],
    ) -> Result<(), Reason> {
        let session = self.dial.as_mut().and_then(|dial| dial.session_mut());
        session.ok_or(Reason::Unexpected)?.finish(message)?;
        self.on_dial_ready(cx, now);
        Ok(())
    }

    /// Our hello that waits for its answer.
    fn unanswered(&self) -> Option<&Initiation> {
        self.dial.as_ref()?.initiation()
    }

    fn saw(&mut self, failure: Failure) {
        if let Some(dial) = &mut self.dial {
            dial.seen = failure;
        }
    }

    /// The stored answer to the hello of this id, if its session or candidate lives.
    fn answer_to(&self, id: SessionId) -> Option<Bytes> {
        if let Some(candidate) = self.candidates.find(id) {
            return Some(candidate.resp_hello().clone());
        }
        self.theirs().find(|session| session.id() == id)?.resp_hello().cloned()
    }

    /// All sessions that could be theirs.
    fn theirs(&self) -> impl Iterator<Item = &Session> {
        let proven = self.proven.iter().map(|proven| &proven.session);
        let all = self.current.iter().chain(proven).chain(self.previous.iter().flatten());
        all.map(|session| &**session)
    }

    /// Repeats RespDone where the InitDone is one that proved a session. As long as they come,
    /// the initiator has not got it, so we wait a little longer before we send data.
    fn repeat_resp_done(&mut self, now: Instant, digest: &[u8; 32]) -> bool {
        let known = self.theirs().find(|session| session.is_init_done(digest));
        let Some(resp_done) = known.and_then(Session::resp_done) else { return false };
        if let Some(proven) = &mut self.proven
            && proven.session.is_init_done(digest)
        {
            // At `latest` or after it, the timeout that is due stays due.
            proven.quiet_at = (now + proven.quiet).min(proven.latest);
        }
        self.transmit(resp_done);
        true
    }

    /// Checks an answer to a hello of ours to the end. Whatever is wrong with it, the hello may
    /// still get the right one.
    fn believe(
        &self,
        ours: &Initiation,
        cx: &mut Context<'_>,
        now: Instant,
        message: &[u8],
    ) -> Result<Session, Reason> {
        if !cx.gate.may_verify(now) {
            return Err(Reason::Busy);
        }
        let answer = ours.read(message)?;
        let key: &PublicKey = answer.claimed();
        if key == cx.key.public() {
            return Err(Reason::Oneself);
        }
        answer.verify()?;
        if !self.admits_key(key) {
            return Err(Reason::WrongPeer);
        }
        if !cx.gate.accepts(key) {
            return Err(Reason::Refused);
        }
        Ok(answer.complete(cx.key, now))
    }

    /// A hello of ours was answered: InitDone follows.
    fn on_answered(&mut self, session: Session, cx: &mut Context<'_>, now: Instant) {
        self.bind(*session.peer(), session.timestamp());
        if let Some(init_done) = session.init_done() {
            self.transmit(init_done.clone());
        }
        match self.dial.take() {
            Some(mut dial) => {
                // Where it was the superseded hello that was answered, this one is that now.
                let newer = dial.initiation().is_some_and(|ours| ours.id() != session.id());
                let old = core::mem::replace(&mut dial.stage, Stage::Done(Box::new(session)));
                if newer {
                    self.keep_superseded(old, cx.timing, now);
                }
                dial.answered(cx, now);
                self.dial = Some(dial);
            }
            None => {
                let mut dial = Dial::new(Stage::Done(Box::new(session)), cx, now);
                dial.tells = false;
                self.dial = Some(Box::new(dial));
            }
        }
    }

    /// An initiator has proven its key: RespDone follows, and data when it has had that.
    fn on_proven(
        &mut self,
        candidate: &Candidate,
        message: &[u8],
        cx: &mut Context<'_>,
        now: Instant,
    ) {
        let round_trip = now.since(candidate.started());
        let session = Box::new(candidate.complete(message, now));
        let key = *session.peer();
        // Not above our own clock, or a clock once wrong would lock the peer out for years.
        let today = Tai64n::from_unix(cx.clock.date_at(now));
        cx.gate.raise_floor(&key, session.timestamp().min(today));
        self.bind(key, session.timestamp());
        self.supersede_hello(cx.timing, now);
        if let Some(resp_done) = session.resp_done() {
            self.transmit(resp_done);
        }
        self.heard = now;
        self.on_up(key);
        match &self.proven {
            Some(other) if !wins(&session, &other.session) => self.retire(session),
            _ => {
                let quiet = cx.timing.resend_first + round_trip;
                let latest = (now + cx.timing.confirm_at_most).max(now.next());
                let quiet_at = (now + quiet).min(latest).max(now.next());
                let new = Proven { session, quiet, quiet_at, latest };
                if let Some(old) = self.proven.replace(Box::new(new)) {
                    self.retire(old.session);
                }
            }
        }
    }
}
