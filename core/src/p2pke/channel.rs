//! All that two peers have with one another: sessions, the handshakes that make them, and timers.
//!
//! A [`Channel`] is a machine on bytes: no addresses, no sockets, no generator and no key of its
//! own (a [`Context`] lends them with each call). It can be embedded by itself, as one would a
//! tunnel; the p2pke layer keeps one for each address.
//!
//! # States
//! A channel holds up to four kinds of things at once, and each moves by itself:
//!
//! ```text
//!  ours     Hello ──RespHello──▶ Done ──RespDone or data──▶ current ──▶ previous (3)
//!             │ 5 s unanswered,                                 ▲
//!             ▼ or theirs was proven                            │
//!          superseded ──late RespHello──▶ Done                  │
//!  theirs   candidate (4) ──InitDone──▶ proven ──data, or quiet─┘
//! ```
//! - **Hello, Done** (the *dial*, one at a time): our InitHello is repeated, then our InitDone.
//! - **superseded**: our last hello that was given up. A peer of another make may have answered
//!   it and may answer no other, so if its RespHello comes after all, it is completed.
//! - **candidate**: somebody's hello, answered. It has proven nothing, so it holds one of four
//!   places, displaces only under the rules of [`candidates`], and is gone after 15 s.
//! - **proven**: the initiator has shown its key; we may not send yet. Some initiators take data
//!   that overtakes RespDone for the end of their world, so we wait for their first data, or for
//!   250 ms and a round trip without another InitDone (2 s at the most), and send RespDone again.
//! - **current** is what we send under. **previous** ones are only opened, until they are forgotten.
//!   A peer that was given up keeps them: it may be there, with its own messages lost or ours, and
//!   know nothing. What it sends under one brings it up again.
//!
//! # Which session wins
//! While our hello is unanswered, one with a higher id is not answered; one with a lower id is,
//! and ours goes on until that one is proven. Of two sessions whose handshakes overlapped, the one
//! with the lower id becomes current; otherwise the newer does.
//!
//! # Timers
//! | what | when |
//! |---|---|
//! | InitHello, InitDone repeated | 250 ms, doubling to 2 s, ± 1/8 |
//! | a new hello with a new time stamp | 5 s after the last, unanswered |
//! | the handshake fails | 15 s; candidates are forgotten after as long |
//! | rekeyed, at the next message | 120 s after it began by the initiator, 15 s later by the responder, or at half the counters |
//! | a new session beside the old | when we send and nothing has come for 10 s |
//! | a session ends | 180 s after it began: nothing is sealed; unused ones are not rekeyed |
//! | a session is forgotten | 15 s later: nothing is opened. The two sides count from different messages |
//! | the ciphers' memory is given back | 15 s after the last message |
//!
//! # Refuses
//! To send application data to any key but the expected one, or under a session that is not ready.
//! To answer with more bytes than came. To move anything for a message that was not authenticated,
//! but for a candidate's place: what is [`Input::Rejected`] leaves [`Channel::dump`] as it was.

pub mod candidates;
mod dial;
mod handshake;
mod interface;
mod timers;

pub use interface::{ChannelEvent, Context, DownReason, Failure, Gate, Input, Reason};
pub use timers::Timing;

use super::session::{FIRST_DATA, LAST_DATA, OpenError, SealError, Session, SessionId, counter_of};
use super::session::{INIT_DONE, INIT_HELLO, Initiation, RESP_DONE, RESP_HELLO};
use super::tai64n::Tai64n;
use crate::identity::{PeerId, PublicKey};
use crate::seed::Rng;
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use bytes::{Bytes, BytesMut};
use candidates::Candidates;
use core::fmt;
use core::hash::{Hash as _, Hasher};
use core::time::Duration;
use dial::Dial;

/// Old sessions that are still opened.
const PREVIOUS: usize = 3;
/// Handshake messages that wait to be polled. More are dropped: timers repeat them.
const OUTBOX: usize = 8;

/// A proven session of theirs under which we do not send yet.
struct Proven {
    session: Box<Session>,
    /// How long no InitDone must have come.
    quiet: Duration,
    /// When it will have been quiet for so long.
    quiet_at: Instant,
    /// When it does not matter any more, since replayed InitDones must not silence us.
    latest: Instant,
}

/// See the [module](self).
pub struct Channel {
    current: Option<Box<Session>>,
    previous: [Option<Box<Session>>; PREVIOUS],
    proven: Option<Box<Proven>>,
    dial: Option<Box<Dial>>,
    superseded: Option<Box<Initiation>>,
    candidates: Candidates,
    expects: Option<PeerId>,
    /// The first key that was proven. Never changes.
    peer: Option<PublicKey>,
    up: bool,
    /// The highest time stamp of our hellos and of proven sessions, whoever began them.
    latest: Tai64n,
    /// When something of the peer was last authenticated.
    heard: Instant,
    /// When a message was last sealed or opened.
    used: Instant,
    /// When the ciphers' memory is given back, unless used since.
    rest_at: Option<Instant>,
    deadline: Option<Instant>,
    outbox: VecDeque<Bytes>,
    events: VecDeque<ChannelEvent>,
}

impl Channel {
    /// A channel that does nothing yet. It accepts `expects` and nobody else; with `None`,
    /// whoever the policy accepts and proves a key first.
    #[must_use]
    pub const fn new(expects: Option<PeerId>) -> Self {
        Self {
            current: None,
            previous: [const { None }; PREVIOUS],
            proven: None,
            dial: None,
            superseded: None,
            candidates: Candidates::new(),
            expects,
            peer: None,
            up: false,
            latest: Tai64n::MIN,
            heard: Instant::ZERO,
            used: Instant::ZERO,
            rest_at: None,
            deadline: None,
            outbox: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Sees to it that there will be a session: begins a handshake unless there is a session that
    /// can send, one about to, or a handshake of ours under way.
    pub fn open(&mut self, cx: &mut Context<'_>, now: Instant) {
        let usable = self
            .current
            .as_ref()
            .is_some_and(|session| now < expiry(session, cx.timing) && !is_spent(session));
        if !usable && self.proven.is_none() && self.dial.is_none() {
            self.begin(cx, now);
        }
    }

    /// Seals `head || body` for the peer. One allocation. Where the session has to be renewed, it
    /// also begins that, beside it.
    ///
    /// # Errors
    /// [`SealError::NotReady`] where there is no session that can send: [`open`](Self::open), and
    /// wait for [`ChannelEvent::Ready`]. [`SealError::TooLong`] above
    /// [`MAX_PAYLOAD`](super::session::MAX_PAYLOAD) bytes.
    pub fn seal(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        head: &[u8],
        body: &[u8],
    ) -> Result<Bytes, SealError> {
        let session = self.current.as_mut().ok_or(SealError::NotReady)?;
        if now >= expiry(session, cx.timing) {
            return Err(SealError::NotReady);
        }
        let message = match session.seal(&[head, body]) {
            Ok(message) => message,
            Err(SealError::Exhausted) => return Err(SealError::NotReady),
            Err(other) => return Err(other),
        };
        let renew = now >= renewal(session, cx.timing)
            || session.sealed() >= cx.timing.rekey_after_messages
            || now.since(self.heard) >= cx.timing.silence;
        self.touch(now, cx.timing);
        if renew {
            self.renew(cx, now);
        }
        Ok(message)
    }

    /// Takes a datagram.
    pub fn handle_input(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        datagram: BytesMut,
    ) -> Input {
        let handled = match counter_of(&datagram) {
            None => Err(Reason::Malformed),
            Some(counter @ FIRST_DATA..=LAST_DATA) => {
                return self.on_data(cx, now, counter, datagram);
            }
            Some(INIT_HELLO) => self.on_init_hello(cx, now, &datagram),
            Some(RESP_HELLO) => self.on_resp_hello(cx, now, &datagram),
            Some(INIT_DONE) => self.on_init_done(cx, now, &datagram),
            Some(RESP_DONE) => self.on_resp_done(cx, now, &datagram),
            Some(_) => Err(Reason::Reserved),
        };
        match handled {
            Ok(()) => {
                self.reschedule(cx.timing);
                Input::Handshake
            }
            Err(reason) => Input::Rejected(reason),
        }
    }

    /// The next handshake message to send to the peer.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        pop(&mut self.outbox)
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<ChannelEvent> {
        pop(&mut self.events)
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do. Any call may move it.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    /// The key that the peer has proven: the only one that data go to and come from.
    #[must_use]
    pub const fn peer(&self) -> Option<&PublicKey> {
        self.peer.as_ref()
    }

    /// The id that was expected from the start.
    #[must_use]
    pub const fn expects(&self) -> Option<&PeerId> {
        self.expects.as_ref()
    }

    /// Whether the peer is [up](ChannelEvent::Up).
    #[must_use]
    pub const fn is_up(&self) -> bool {
        self.up
    }

    /// Whether there is a session to send under.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        self.current.is_some()
    }

    /// Whether there is nothing to poll.
    #[must_use]
    #[inline]
    pub fn is_quiet(&self) -> bool {
        self.outbox.is_empty() && self.events.is_empty()
    }

    /// Whether a handshake of ours is under way.
    #[must_use]
    pub const fn is_dialling(&self) -> bool {
        self.dial.is_some()
    }

    /// Whether nothing is left that could become anything: it may be dropped and made anew.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.current.is_none()
            && self.proven.is_none()
            && self.dial.is_none()
            && self.candidates.len() == 0
            && !self.lingers()
            && self.outbox.is_empty()
            && self.events.is_empty()
    }

    /// Whether sessions are kept that are only opened: the peer may not know yet that they are over.
    #[must_use]
    pub fn lingers(&self) -> bool {
        self.previous.iter().any(Option::is_some)
    }

    /// How many unproven hellos are held.
    #[must_use]
    pub fn candidates(&self) -> usize {
        self.candidates.len()
    }

    /// Gives up an unproven hello at random, so that another channel may hold one. Whether there
    /// was one.
    pub fn forget_candidate(&mut self, rng: &mut Rng, timing: &Timing) -> bool {
        let forgot = self.candidates.forget(rng);
        self.reschedule(timing);
        forgot
    }

    /// Feeds all state to `hasher`, but for secrets (ids stand for them) and for what was seen of
    /// wrong answers, which only words the failure of a handshake.
    pub fn dump(&self, mut hasher: &mut dyn Hasher) {
        for session in self.current.iter().chain(self.previous.iter().flatten()) {
            session.dump(hasher);
        }
        if let Some(proven) = &self.proven {
            proven.session.dump(hasher);
            (proven.quiet, proven.quiet_at, proven.latest).hash(&mut hasher);
        }
        if let Some(dial) = &self.dial {
            dial.dump(hasher);
        }
        if let Some(superseded) = &self.superseded {
            superseded.dump(hasher);
        }
        self.candidates.dump(hasher);
        let slots = (self.current.is_some(), self.proven.is_some(), self.dial.is_some());
        let previous = self.previous.each_ref().map(Option::is_some);
        (slots, previous, self.superseded.is_some()).hash(&mut hasher);
        (self.expects, self.peer, self.up, self.latest).hash(&mut hasher);
        (self.heard, self.used, self.rest_at, self.deadline).hash(&mut hasher);
        (&self.outbox, &self.events).hash(&mut hasher);
    }

    fn on_data(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        counter: u32,
        mut datagram: BytesMut,
    ) -> Input {
        let opened = match &mut self.current {
            Some(session)
                if self.proven.is_none()
                    && self.dial.is_none()
                    && self.previous.iter().all(Option::is_none) =>
            {
                if now >= forgotten(session, cx.timing) {
                    return Input::Rejected(Reason::Undecryptable);
                }
                session.open_in_place(&mut datagram)
            }
            _ => self.open_among(cx, now, counter, &mut datagram),
        };
        if let Err(error) = opened {
            return Input::Rejected(match error {
                OpenError::Truncated => Reason::Malformed,
                OpenError::Counter => Reason::Reserved,
                OpenError::Replayed => Reason::Replayed,
                OpenError::Forged => Reason::Undecryptable,
            });
        }
        self.heard = now;
        self.touch(now, cx.timing);
        // A responder leaves rekeying to its sends: the initiator hears of it by its own.
        if let Some(session) = &self.current
            && session.is_initiator()
            && now >= renewal(session, cx.timing)
        {
            self.renew(cx, now);
        }
        Input::Message(datagram)
    }

    /// Tries the sessions that could have sealed the message, the likeliest first. A cipher may
    /// destroy what it cannot open, so the message is kept aside while there is another to try.
    fn open_among(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        counter: u32,
        datagram: &mut BytesMut,
    ) -> Result<(), OpenError> {
        let done = self.dial.as_mut().and_then(|dial| dial.session_mut());
        let proven = self.proven.as_mut().map(|proven| &mut proven.session);
        let sessions = self.current.iter_mut().chain(proven).chain(done);
        let mut sessions = sessions
            .chain(self.previous.iter_mut().flatten())
            .filter(|session| now < forgotten(session, cx.timing))
            .peekable();
        let mut failure = OpenError::Forged;
        let mut kept = false;
        while let Some(session) = sessions.next() {
            if let Err(error) = session.admits(counter) {
                failure = error;
                continue;
            }
            if kept {
                datagram.copy_from_slice(cx.scratch);
            } else if sessions.peek().is_some() {
                cx.scratch.clear();
                cx.scratch.extend_from_slice(datagram);
                kept = true;
            }
            match session.open_in_place(datagram) {
                Ok(()) => {
                    let id = session.id();
                    self.on_opened(cx, now, id);
                    return Ok(());
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Data were opened under the session `id`: if it waited for them, it is ready now.
    fn on_opened(&mut self, cx: &mut Context<'_>, now: Instant, id: SessionId) {
        if self.proven.as_ref().is_some_and(|proven| proven.session.is_ready())
            && let Some(proven) = self.proven.take()
        {
            self.on_ready(proven.session, cx.timing, now);
            self.reschedule(cx.timing);
        }
        self.on_dial_ready(cx, now);
        if !self.up {
            self.revive(cx, now, id);
        }
    }

    /// The peer that was given up is there after all, and uses this session still: so do we, or where
    /// its time is over we begin another.
    fn revive(&mut self, cx: &mut Context<'_>, now: Instant, id: SessionId) {
        let usable = |session: &mut Box<Session>| {
            session.id() == id && now < expiry(session, cx.timing) && !is_spent(session)
        };
        let session = self.previous.iter_mut().find_map(|slot| slot.take_if(usable));
        if let Some(session) = session {
            self.on_ready(session, cx.timing, now);
        } else if let Some(key) = self.peer {
            self.on_up(key);
            if self.dial.is_none() && self.proven.is_none() {
                self.begin(cx, now);
            }
        }
        self.reschedule(cx.timing);
    }

    /// `session` may send now: it becomes current, unless it lost.
    fn on_ready(&mut self, session: Box<Session>, timing: &Timing, now: Instant) {
        if now >= expiry(&session, timing) {
            return self.retire(session);
        }
        self.on_up(*session.peer());
        match self.current.take() {
            None => {
                self.current = Some(session);
                self.events.push_back(ChannelEvent::Ready);
            }
            Some(old) if wins(&session, &old) => {
                self.current = Some(session);
                self.retire(old);
            }
            Some(old) => {
                self.current = Some(old);
                self.retire(session);
            }
        }
        // The handshake has used the ciphers.
        self.touch(now, timing);
    }

    fn on_up(&mut self, key: PublicKey) {
        if !self.up {
            self.up = true;
            self.events.push_back(ChannelEvent::Up { key });
        }
    }

    /// Keeps a session only to open what was sealed under it; the oldest such is dropped.
    fn retire(&mut self, session: Box<Session>) {
        self.previous.rotate_right(1);
        if let Some(first) = self.previous.first_mut() {
            *first = Some(session);
        }
    }

    /// `key` was proven under `timestamp`: the channel is its own from now on.
    fn bind(&mut self, key: PublicKey, timestamp: Tai64n) {
        self.latest = self.latest.max(timestamp);
        if self.peer.is_none() {
            self.peer = Some(key);
            self.candidates.keep_only(&key);
        }
    }

    /// Whether this key may have a session on this channel.
    fn admits_key(&self, key: &PublicKey) -> bool {
        match (&self.peer, &self.expects) {
            (Some(peer), _) => peer == key,
            (None, Some(expects)) => key.peer_id() == *expects,
            (None, None) => true,
        }
    }

    /// Notes that a message was sealed or opened. The timer is armed once, not moved each time.
    fn touch(&mut self, now: Instant, timing: &Timing) {
        self.used = now;
        if self.rest_at.is_none() {
            self.rest_at = Some(now + timing.rest);
            self.reschedule(timing);
        }
    }

    #[cfg(test)]
    pub(crate) fn spend(&mut self, next: u32) {
        self.current.as_mut().expect("a session to spend counters of").spend(next);
    }

    #[cfg(test)]
    pub(crate) const fn latest(&self) -> Tai64n {
        self.latest
    }

    #[cfg(test)]
    pub(crate) fn resend_interval(&self) -> Option<Duration> {
        self.dial.as_ref().map(|dial| dial.interval())
    }

    fn transmit(&mut self, message: Bytes) {
        if self.outbox.len() < OUTBOX {
            self.outbox.push_back(message);
        }
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("peer", &self.peer)
            .field("expects", &self.expects)
            .field("current", &self.current)
            .field("dialling", &self.dial.is_some())
            .field("candidates", &self.candidates.len())
            .finish_non_exhaustive()
    }
}

/// When a session ends: nothing is sealed under it any more.
fn expiry(session: &Session, timing: &Timing) -> Instant {
    session.started() + timing.reject_after
}

/// When a session is forgotten, so that nothing is opened under it any more. The peer counts from when
/// it had our message or sent its own: later than we do, by no more than a handshake takes.
fn forgotten(session: &Session, timing: &Timing) -> Instant {
    expiry(session, timing) + timing.handshake_timeout
}

/// When a session in use is to be renewed. The initiator's task; the responder steps in where
/// the two disagree about who that is.
fn renewal(session: &Session, timing: &Timing) -> Instant {
    let rekey = session.started() + timing.rekey_after;
    if session.is_initiator() { rekey } else { rekey + timing.handshake_timeout }
}

const fn is_spent(session: &Session) -> bool {
    session.sealed() > LAST_DATA - FIRST_DATA
}

/// Whether `new` takes the place of `old`: unless their handshakes overlapped and `old` has the
/// lower id.
fn wins(new: &Session, old: &Session) -> bool {
    new.started() > old.proven() || new.id() < old.id()
}

/// Pops, and gives the memory back with the last.
fn pop<T>(queue: &mut VecDeque<T>) -> Option<T> {
    let popped = queue.pop_front()?;
    if queue.is_empty() {
        *queue = VecDeque::new();
    }
    Some(popped)
}
