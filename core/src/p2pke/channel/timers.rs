//! The protocol's times, and what happens when one is up.
//!
//! One deadline is kept: the soonest of all timers. On the data path it moves only when a channel
//! at rest is used again.

use super::{Channel, ChannelEvent, Context, DownReason, Proven, expiry, forgotten};
use crate::time::Instant;
use core::time::Duration;

/// Times and limits of the protocol. The defaults are what the wire format says that peers rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// The first interval after which a handshake message is repeated: 250 ms. Also how long an
    /// initiator must have been quiet, above a round trip, before a responder sends data.
    pub resend_first: Duration,
    /// Intervals double up to here: 2 s.
    pub resend_max: Duration,
    /// After which an unanswered hello is replaced by one with a new time stamp: 5 s.
    pub hello_lifetime: Duration,
    /// After which a handshake has failed, and a hello that proved nothing is forgotten: 15 s.
    pub handshake_timeout: Duration,
    /// After which a responder sends data although InitDones still come: 2 s.
    pub confirm_at_most: Duration,
    /// How long nothing may have come when we send, before a new session is opened: 10 s.
    pub silence: Duration,
    /// Age at which a session in use is renewed: 120 s.
    pub rekey_after: Duration,
    /// Age at which a session ends: 180 s. More than three times the handshake's time. What the peer
    /// sealed under it is opened for one handshake's time more.
    pub reject_after: Duration,
    /// After how many messages sent a session is renewed: 2³¹, half of what it can carry.
    pub rekey_after_messages: u32,
    /// How long unused ciphers keep their memory: 15 s.
    pub rest: Duration,
}

impl Timing {
    /// The times that the protocol has on the wire.
    pub const DEFAULT: Self = Self {
        resend_first: Duration::from_millis(250),
        resend_max: Duration::from_secs(2),
        hello_lifetime: Duration::from_secs(5),
        handshake_timeout: Duration::from_secs(15),
        confirm_at_most: Duration::from_secs(2),
        silence: Duration::from_secs(10),
        rekey_after: Duration::from_secs(120),
        reject_after: Duration::from_secs(180),
        rekey_after_messages: 1 << 31,
        rest: Duration::from_secs(15),
    };
}

impl Default for Timing {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Channel {
    /// Does what is due at `now`. Early, or a second time, it does nothing.
    pub fn handle_timeout(&mut self, cx: &mut Context<'_>, now: Instant) {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        self.expire(cx, now);
        if self.proven.as_ref().is_some_and(|proven| now >= proven.quiet_at)
            && let Some(proven) = self.proven.take()
        {
            self.on_quiet(*proven, cx.timing, now);
        }
        self.on_dial_timeout(cx, now);
        self.rest(cx.timing, now);
        if self.up && self.current.is_none() && self.proven.is_none() && self.dial.is_none() {
            self.up = false;
            self.events.push_back(ChannelEvent::Down { reason: DownReason::Expired });
        }
        self.reschedule(cx.timing);
    }

    /// Drops what has come to its end.
    fn expire(&mut self, cx: &Context<'_>, now: Instant) {
        if let Some(over) = self.current.take_if(|session| now >= expiry(session, cx.timing)) {
            self.retire(over);
        }
        for slot in &mut self.previous {
            slot.take_if(|session| now >= forgotten(session, cx.timing));
        }
        self.superseded.take_if(|ours| now >= ours.started() + cx.timing.reject_after);
        if now.since(Instant::ZERO) >= cx.timing.handshake_timeout {
            self.candidates.expire(now - cx.timing.handshake_timeout);
        }
    }

    /// The initiator has had its chance to finish. Should it have missed every RespDone, this one
    /// is sent before the data.
    fn on_quiet(&mut self, proven: Proven, timing: &Timing, now: Instant) {
        let mut session = proven.session;
        if let Some(resp_done) = session.resp_done() {
            self.transmit(resp_done);
        }
        session.confirm();
        self.on_ready(session, timing, now);
    }

    /// Gives back the ciphers' memory, if they were not used since the timer was armed.
    fn rest(&mut self, timing: &Timing, now: Instant) {
        if self.rest_at.is_none_or(|at| now < at) {
            return;
        }
        let due = self.used + timing.rest;
        if now < due {
            self.rest_at = Some(due);
            return;
        }
        self.rest_at = None;
        for session in self.current.iter_mut().chain(self.previous.iter_mut().flatten()) {
            session.rest();
        }
    }

    /// Finds the soonest timer.
    pub(super) fn reschedule(&mut self, timing: &Timing) {
        let end = self.current.iter().map(|session| expiry(session, timing));
        let old = self.previous.iter().flatten().map(|session| forgotten(session, timing));
        let superseded = self.superseded.iter().map(|ours| ours.started() + timing.reject_after);
        let candidates = self.candidates.oldest().map(|since| since + timing.handshake_timeout);
        let proven = self.proven.iter().map(|proven| proven.quiet_at);
        let dial = self.dial.iter().map(|dial| dial.next_timeout());
        self.deadline = end
            .chain(old)
            .chain(superseded)
            .chain(candidates)
            .chain(proven)
            .chain(dial)
            .chain(self.rest_at)
            .min();
    }
}
