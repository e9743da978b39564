//! Our own handshakes: begun, repeated, made anew, given up.

use super::{Channel, ChannelEvent, Context, DownReason, Failure, Timing, expiry, is_spent};
use crate::p2pke::session::{Initiation, Session};
use crate::p2pke::tai64n::Tai64n;
use crate::seed::Rng;
use crate::time::Instant;
use alloc::boxed::Box;
use bytes::Bytes;
use core::hash::{Hash as _, Hasher};
use core::time::Duration;

/// A handshake of ours, from its first hello to RespDone.
pub(super) struct Dial {
    pub(super) since: Instant,
    pub(super) gives_up: Instant,
    pub(super) resend_at: Instant,
    interval: Duration,
    /// Whether its failure says that the peer is gone.
    pub(super) tells: bool,
    /// What was seen of wrong answers.
    pub(super) seen: Failure,
    pub(super) stage: Stage,
}

pub(super) enum Stage {
    /// InitHello is repeated until a RespHello is believed.
    Hello { initiation: Box<Initiation>, hello: Bytes, renew_at: Instant },
    /// InitDone, which the session keeps, is repeated until RespDone or data come.
    Done(Box<Session>),
}

impl Dial {
    pub(super) fn new(stage: Stage, cx: &mut Context<'_>, now: Instant) -> Self {
        let mut dial = Self {
            since: now,
            gives_up: now + cx.timing.handshake_timeout,
            resend_at: now,
            interval: cx.timing.resend_first,
            tells: true,
            seen: Failure::TimedOut,
            stage,
        };
        dial.rearm(cx.timing, cx.rng, now);
        dial
    }

    /// The session that waits for RespDone.
    pub(super) fn session_mut(&mut self) -> Option<&mut Box<Session>> {
        match &mut self.stage {
            Stage::Done(session) => Some(session),
            Stage::Hello { .. } => None,
        }
    }

    /// The hello that waits for its RespHello.
    pub(super) fn initiation(&self) -> Option<&Initiation> {
        match &self.stage {
            Stage::Hello { initiation, .. } => Some(initiation),
            Stage::Done(_) => None,
        }
    }

    /// Our hello was answered: what is repeated from now on is repeated soon at first.
    pub(super) fn answered(&mut self, cx: &mut Context<'_>, now: Instant) {
        self.interval = cx.timing.resend_first;
        self.rearm(cx.timing, cx.rng, now);
    }

    /// Arms the next repeat, between 7/8 and 9/8 of the interval from now.
    fn rearm(&mut self, timing: &Timing, rng: &mut Rng, now: Instant) {
        let eighth = self.interval / 8;
        let span = u64::try_from(eighth.as_nanos()).unwrap_or(u64::MAX).saturating_mul(2);
        let jitter = Duration::from_nanos(rng.below(span.saturating_add(1)));
        self.resend_at = (now + (self.interval - eighth) + jitter).max(now.next());
        self.interval = self.interval.saturating_mul(2).min(timing.resend_max);
    }

    pub(super) fn next_timeout(&self) -> Instant {
        let soonest = self.gives_up.min(self.resend_at);
        match &self.stage {
            Stage::Hello { renew_at, .. } => soonest.min(*renew_at),
            Stage::Done(_) => soonest,
        }
    }

    #[cfg(test)]
    pub(super) const fn interval(&self) -> Duration {
        self.interval
    }

    pub(super) fn dump(&self, mut hasher: &mut dyn Hasher) {
        (self.since, self.gives_up, self.resend_at, self.interval, self.tells).hash(&mut hasher);
        match &self.stage {
            Stage::Hello { initiation, hello, renew_at } => {
                initiation.dump(hasher);
                (hello, renew_at).hash(&mut hasher);
            }
            Stage::Done(session) => session.dump(hasher),
        }
    }
}

impl Channel {
    /// Begins a handshake of ours.
    pub(in crate::p2pke) fn begin(&mut self, cx: &mut Context<'_>, now: Instant) {
        let stage = self.hello(cx, now);
        self.dial = Some(Box::new(Dial::new(stage, cx, now)));
        self.reschedule(cx.timing);
    }

    /// Begins a session beside the current one, where that makes sense.
    pub(super) fn renew(&mut self, cx: &mut Context<'_>, now: Instant) {
        let Some(session) = &self.current else { return };
        // An unused session is left to expire. As long as it has had no data of ours, a responder
        // may take any hello for a repeat of the one that began it.
        let used = session.sealed() > 0 || !session.is_initiator() || is_spent(session);
        if used && self.dial.is_none() && self.proven.is_none() {
            self.begin(cx, now);
        }
    }

    /// Makes a hello and sends it. Its time stamp is later than any that the peer has of us, even
    /// where our clock is behind.
    fn hello(&mut self, cx: &mut Context<'_>, now: Instant) -> Stage {
        let today = Tai64n::from_unix(cx.clock.date_at(now));
        let timestamp = today.max(self.latest.next());
        self.latest = timestamp;
        let (initiation, hello) = Initiation::start(cx.key, cx.rng.bytes(), timestamp, now);
        self.transmit(hello.clone());
        let renew_at = (now + cx.timing.hello_lifetime).max(now.next());
        Stage::Hello { initiation: Box::new(initiation), hello, renew_at }
    }

    /// Theirs was proven while ours was unanswered: ours is not repeated any more.
    pub(super) fn supersede_hello(&mut self, timing: &Timing, now: Instant) {
        if let Some(dial) = self.dial.take_if(|dial| dial.initiation().is_some()) {
            self.keep_superseded(dial.stage, timing, now);
        }
    }

    /// Keeps the hello of a stage that is over, for as long as its session would live.
    pub(super) fn keep_superseded(&mut self, stage: Stage, timing: &Timing, now: Instant) {
        if let Stage::Hello { initiation, .. } = stage
            && now < initiation.started() + timing.reject_after
        {
            self.superseded = Some(initiation);
        }
    }

    /// Moves on where the session of our handshake has become ready.
    pub(super) fn on_dial_ready(&mut self, cx: &Context<'_>, now: Instant) {
        let ready = |dial: &mut Box<Dial>| dial.session_mut().is_some_and(|s| s.is_ready());
        let Some(dial) = self.dial.take_if(ready) else { return };
        let Stage::Done(session) = dial.stage else { return };
        if now >= expiry(&session, cx.timing) {
            self.retire(session);
            self.on_failed(dial.since, dial.tells, dial.seen);
        } else {
            // Whoever has finished this one is not waiting with an older one.
            self.superseded = None;
            self.heard = now;
            self.on_ready(session, cx.timing, now);
        }
        self.reschedule(cx.timing);
    }

    /// What is due of our handshake.
    pub(super) fn on_dial_timeout(&mut self, cx: &mut Context<'_>, now: Instant) {
        let Some(mut dial) = self.dial.take() else { return };
        if now >= dial.gives_up {
            let Dial { since, tells, seen, stage, .. } = *dial;
            match stage {
                // The peer may have our InitDone, and be about to send under this session.
                Stage::Done(session) => self.retire(session),
                hello @ Stage::Hello { .. } => self.keep_superseded(hello, cx.timing, now),
            }
            self.on_failed(since, tells, seen);
            return;
        }
        if matches!(&dial.stage, Stage::Hello { renew_at, .. } if now >= *renew_at) {
            let stage = self.hello(cx, now);
            let old = core::mem::replace(&mut dial.stage, stage);
            self.keep_superseded(old, cx.timing, now);
            dial.rearm(cx.timing, cx.rng, now);
        } else if now >= dial.resend_at {
            match &dial.stage {
                Stage::Hello { hello, .. } => self.transmit(hello.clone()),
                Stage::Done(session) => {
                    if let Some(init_done) = session.init_done() {
                        self.transmit(init_done.clone());
                    }
                }
            }
            dial.rearm(cx.timing, cx.rng, now);
        }
        self.dial = Some(dial);
    }

    /// Our handshake is over. The peer is gone if nothing else was heard of it either, as far as we can
    /// see: it may be there and not know, so what it sends under an old session is still opened.
    fn on_failed(&mut self, since: Instant, tells: bool, seen: Failure) {
        let alive =
            self.proven.is_some() || (self.current.is_some() && (!tells || self.heard > since));
        if alive {
            return;
        }
        if let Some(current) = self.current.take() {
            self.retire(current);
        }
        self.events.push_back(if core::mem::take(&mut self.up) {
            ChannelEvent::Down { reason: DownReason::TimedOut }
        } else {
            ChannelEvent::Failed { reason: seen }
        });
    }
}
