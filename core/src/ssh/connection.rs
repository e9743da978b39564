//! What is kept for each connection.

use super::Local;
use super::session::{Answer, Session};
use crate::port::StreamId;
use crate::swarm::AskId;
use crate::table::Slot;
use crate::time::Instant;
use alloc::collections::{BTreeMap, VecDeque};
use bytes::BytesMut;
use core::time::Duration;

/// After how long without a word a connection that we began ends, where nothing is outstanding; how often the peer of
/// another is looked for then.
pub const IDLE: Duration = Duration::from_secs(180);
/// After how long one ends that is not used, since both sides had dialled at once.
pub const SPARE: Duration = Duration::from_secs(15);
/// How often a peer that owes answers is looked for.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a peer may take to answer that.
const PONG: Duration = Duration::from_secs(30);
/// How long a peer may take nothing of the last words, or not close in turn.
pub(super) const LINGER: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Standing {
    Handshaking,
    Up,
    /// Nobody has to do with it any more; the last words are being written.
    Over,
}

#[derive(Debug)]
pub(super) struct Connection<S> {
    pub(super) session: Session,
    pub(super) standing: Standing,
    pub(super) dialled: bool,
    pub(super) local: Option<S>,
    pub(super) remote: S,
    /// Whose it is; of one that a stranger began, once it is up.
    pub(super) peer: Option<Slot>,
    /// Bytes that may be written.
    pub(super) credit: usize,
    /// Bytes that the peer may still send.
    pub(super) window: usize,
    /// Whether it stands among those that have something to write.
    pub(super) listed: bool,
    /// Our requests by name; those that nobody waits for any more keep their place where answers come in order.
    pub(super) asks: BTreeMap<u64, Option<AskId>>,
    pub(super) next_name: u64,
    pub(super) owed: Owed,
    /// Where in what was ever written each message ends that is not written whole.
    pub(super) unwritten: VecDeque<u64>,
    pub(super) written: u64,
    /// A message that was told while messages are held back.
    pub(super) parked: Option<BytesMut>,
    /// When both keys were proven.
    pub(super) since: Instant,
    /// After how long it is idle.
    pub(super) idle: Duration,
    /// When something was heard, and something was said.
    pub(super) heard: Instant,
    pub(super) said: Instant,
    /// When the peer was looked for since: first, and last.
    pub(super) looked: Option<(Instant, Instant)>,
    /// Whether the peer says nothing more.
    pub(super) left: bool,
    /// When the last words must have been written, and whether they are.
    pub(super) ends: Instant,
    pub(super) finished: bool,
    pub(super) armed: Option<Instant>,
}

/// What the peer waits for.
#[derive(Debug, Default)]
pub(super) struct Owed {
    /// By our tokens, which rise.
    requests: BTreeMap<u64, Owing>,
    /// Tokens by the peer's names.
    names: BTreeMap<u32, u64>,
    /// Those that are answered, where answers go in any order.
    answered: VecDeque<u64>,
    bytes: usize,
}

#[derive(Debug)]
struct Owing {
    name: Option<u32>,
    answer: Option<Answer>,
}

impl Owed {
    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }

    /// Bytes of answers that wait for their turn.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// A request came; whether its name was free.
    pub(super) fn insert(&mut self, token: u64, name: Option<u32>) -> bool {
        if let Some(name) = name
            && self.names.insert(name, token).is_some()
        {
            return false;
        }
        self.requests.insert(token, Owing { name, answer: None });
        true
    }

    /// Whether the answer to this request need not wait for others.
    pub(super) fn is_next(&self, token: u64) -> bool {
        let named = self.requests.get(&token).is_some_and(|owing| owing.name.is_some());
        named || self.requests.first_key_value().is_some_and(|(first, _)| *first == token)
    }

    /// The answer to a request.
    pub(super) fn answer(&mut self, token: u64, answer: Answer) {
        if let Some(owing) = self.requests.get_mut(&token)
            && owing.answer.is_none()
        {
            self.bytes += answer.len();
            owing.answer = Some(answer);
            if owing.name.is_some() {
                self.answered.push_back(token);
            }
        }
    }

    /// Whether something can be answered now.
    pub(super) fn is_ready(&self) -> bool {
        let first = self.requests.first_key_value();
        !self.answered.is_empty()
            || first.is_some_and(|(_, owing)| owing.name.is_none() && owing.answer.is_some())
    }

    /// The next answer that may go: those without a name in the order of their requests.
    pub(super) fn pop(&mut self) -> Option<(Option<u32>, Answer)> {
        let token = match self.answered.pop_front() {
            Some(token) => token,
            None if self.is_ready() => *self.requests.first_key_value()?.0,
            None => return None,
        };
        let Owing { name, answer } = self.requests.remove(&token)?;
        if let Some(name) = name {
            self.names.remove(&name);
        }
        let answer = answer?;
        self.bytes -= answer.len();
        Some((name, answer))
    }

    /// Nobody waits for the answer to the request of this name; its token, where it was not answered.
    pub(super) fn withdraw(&mut self, name: u32) -> Option<u64> {
        let token = *self.names.get(&name)?;
        if self.requests.get(&token)?.answer.is_some() {
            return None;
        }
        self.names.remove(&name);
        self.requests.remove(&token);
        Some(token)
    }

    /// Requests that were not answered.
    pub(super) fn unanswered(&self) -> impl Iterator<Item = u64> + '_ {
        let open = self.requests.iter().filter(|(_, owing)| owing.answer.is_none());
        open.map(|(token, _)| *token)
    }
}

impl<S> Connection<S> {
    pub(super) fn new(
        now: Instant,
        id: StreamId,
        session: Session,
        remote: S,
        peer: Option<Slot>,
    ) -> Self {
        Self {
            session,
            standing: Standing::Handshaking,
            dialled: !id.is_accepted(),
            local: None,
            remote,
            peer,
            credit: 0,
            window: 0,
            listed: false,
            asks: BTreeMap::new(),
            next_name: 0,
            owed: Owed::default(),
            unwritten: VecDeque::new(),
            written: 0,
            heard: now,
            said: now,
            looked: None,
            since: now,
            idle: IDLE,
            parked: None,
            left: false,
            ends: Instant::MAX,
            finished: false,
            armed: None,
        }
    }

    /// Whether messages may be given to it.
    pub(super) fn takes(&self) -> bool {
        self.standing == Standing::Up
            && self.session.can_send()
            && self.session.pending() < self.credit
    }

    /// Whether there is something that can be written, or an end that can be said.
    pub(super) fn has_output(&self) -> bool {
        let pending = self.session.pending();
        (pending > 0 && self.credit > 0)
            || (self.standing == Standing::Over && pending == 0 && !self.finished)
    }

    /// Whether something that was accepted is not written.
    pub(super) fn is_busy(&self) -> bool {
        self.standing == Standing::Up && (self.session.pending() > 0 || self.owed.is_ready())
    }

    /// Our request of this name, by the number that we have for it: names go around.
    pub(super) fn number_of(&self, name: u32) -> Option<u64> {
        let (&first, _) = self.asks.first_key_value()?;
        Some(first + u64::from(name.wrapping_sub(first as u32)))
    }

    /// When something is to be done about it.
    pub(super) fn due(&self, local: &Local) -> Instant {
        match self.standing {
            Standing::Over => self.ends,
            Standing::Handshaking => self.session.due(local),
            Standing::Up => {
                self.session.due(local).min(self.quiet()).min(self.silent().unwrap_or(Instant::MAX))
            }
        }
    }

    /// When the peer is taken for gone.
    fn silent(&self) -> Option<Instant> {
        let (first, _) = self.looked.filter(|_| self.session.answers_pings())?;
        Some(first + PONG)
    }

    /// When the peer is looked for, or the connection ends.
    fn quiet(&self) -> Instant {
        let last = self.looked.map_or(self.heard, |(_, last)| last.max(self.heard));
        if self.asks.is_empty() { last.max(self.said) + self.idle } else { last + KEEP_ALIVE }
    }

    /// What is to be done about one that is up, now that it is due.
    pub(super) fn look(&mut self, now: Instant) -> Look {
        if self.silent().is_some_and(|silent| now >= silent) {
            return Look::Silent;
        }
        if now < self.quiet() {
            return Look::Nothing;
        }
        if self.dialled && self.asks.is_empty() && self.owed.len() == 0 {
            return Look::Idle;
        }
        let (first, _) = self.looked.unwrap_or((now, now));
        self.looked = Some((first, now));
        if self.session.can_send() {
            self.session.keep_alive();
        }
        Look::Nothing
    }
}

/// What became of a connection that nothing was heard on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Nothing,
    /// Nobody needs it.
    Idle,
    /// The peer does not answer.
    Silent,
}
