//! Requests: those of the application until they are answered, and those of others until it has
//! answered them.
//!
//! Bounds: requests of others that nobody has taken wait up to [`Limits::receive`] bytes, with
//! [`OVERHEAD`] added each; what comes on top is refused as
//! [`Refusal::UNANSWERED`]. Of those that were taken one entry is kept each until it is answered or
//! withdrawn: the asking layer bounds how many one peer may have. Ours are bounded by the tasks that wait.

use super::hub::{Hub, Stage, Ticket, What};
use super::wait::{WaitList, Wakes};
use crate::limits::Limits;
use crate::outbox::OVERHEAD;
use crate::payload::Payload;
use crate::swarm::{AskError, AskId, Command, Message, Refusal, Swarm, Token};
use crate::time::Instant;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use bytes::BytesMut;
use core::task::{Context, Poll, Waker};

/// A request of another node, that is to be answered.
#[derive(Debug)]
pub struct Asked<A> {
    /// For [`Hub::answer`].
    pub token: Token,
    /// Who asks, and what.
    pub message: Message<A>,
    /// When nobody waits for the answer any more.
    pub deadline: Instant,
}

#[derive(Debug)]
pub(super) struct Asks<A> {
    ours: BTreeMap<u64, Ours>,
    theirs: VecDeque<Asked<A>>,
    bytes: usize,
    limit: usize,
    pub(super) servers: WaitList,
    // Taken, and not answered yet. Tokens are unique to the layer that made them, so with the asker.
    taken: BTreeSet<(A, Token)>,
    // Requests that wait for room until then.
    waiting: BTreeMap<(Instant, u64), Waker>,
    refused: u64,
}

#[derive(Debug)]
enum Ours {
    Waiting(Waker),
    Answered(Result<BytesMut, AskError>),
}

impl<A: Clone + Ord> Asks<A> {
    pub(super) const fn new(limits: &Limits) -> Self {
        Self {
            ours: BTreeMap::new(),
            theirs: VecDeque::new(),
            bytes: 0,
            limit: limits.receive,
            servers: WaitList::new(),
            taken: BTreeSet::new(),
            waiting: BTreeMap::new(),
            refused: 0,
        }
    }

    /// When the first request that waits for room has waited long enough.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|((deadline, _), _)| *deadline)
    }

    /// Wakes those that have waited for room long enough.
    pub(super) fn expire(&mut self, now: Instant, wakes: &mut Wakes) {
        while let Some(first) = self.waiting.first_entry()
            && first.key().0 <= now
        {
            wakes.others.push(first.remove());
        }
    }

    /// Keeps a request for whoever serves. Gives it back where there is no room.
    pub(super) fn push(&mut self, asked: Asked<A>, wakes: &mut Wakes) -> Result<(), Asked<A>> {
        let weight = weight(&asked);
        if self.bytes.saturating_add(weight) > self.limit {
            self.refused += 1;
            return Err(asked);
        }
        self.bytes += weight;
        self.theirs.push_back(asked);
        wakes.others.extend(self.servers.pop().map(|(_, waker)| waker));
        Ok(())
    }

    /// The asker has given up.
    pub(super) fn withdraw(&mut self, token: Token, src: A) {
        let found = self
            .theirs
            .iter()
            .position(|asked| asked.token == token && asked.message.src == src)
            .and_then(|at| self.theirs.remove(at));
        match found {
            Some(asked) => self.bytes = self.bytes.saturating_sub(weight(&asked)),
            None => drop(self.taken.remove(&(src, token))),
        }
    }

    /// What became of a request of ours.
    pub(super) fn answered(
        &mut self,
        id: AskId,
        result: Result<BytesMut, AskError>,
        wakes: &mut Wakes,
    ) {
        if let Some(ours) = self.ours.get_mut(&id.seq)
            && let Ours::Waiting(waker) = core::mem::replace(ours, Ours::Answered(result))
        {
            wakes.others.push(waker);
        }
    }

    /// Nothing is answered any more.
    pub(super) fn end(&mut self, wakes: &mut Wakes) {
        for ours in self.ours.values_mut() {
            if let Ours::Waiting(waker) = ours {
                wakes.others.push(waker.clone());
                *ours = Ours::Answered(Err(AskError::Closed));
            }
        }
        wakes.others.extend(core::mem::take(&mut self.waiting).into_values());
        while let Some((_, waker)) = self.servers.pop() {
            wakes.others.push(waker);
        }
        self.taken.clear();
    }

    pub(super) fn stats(&self, sink: &mut dyn crate::stats::StatsSink) {
        sink.counter("asks_refused", self.refused);
        sink.gauge("asks_under_way", self.ours.len() as u64);
        sink.gauge("asks_to_take", self.theirs.len() as u64);
        sink.gauge("asks_to_answer", self.taken.len() as u64);
        sink.gauge("asks_waiting", self.waiting.len() as u64);
        sink.gauge("servers", self.servers.len() as u64);
    }

    fn pop(&mut self) -> Option<Asked<A>> {
        let asked = self.theirs.pop_front()?;
        self.bytes = self.bytes.saturating_sub(weight(&asked));
        self.taken.insert((asked.message.src.clone(), asked.token));
        Some(asked)
    }
}

fn weight<A>(asked: &Asked<A>) -> usize {
    asked.message.payload.len().saturating_add(OVERHEAD)
}

/// For those who ask, and those who answer.
impl<L: Swarm> Hub<L> {
    /// Sends a request as soon as its destination is not full, and waits for the outcome until
    /// `deadline`. `payload` is taken when the request is sent.
    pub fn poll_ask(
        &mut self,
        now: Instant,
        dst: &L::Addr,
        payload: &mut Payload,
        deadline: Instant,
        ticket: &mut Option<Ticket<L::Addr>>,
        cx: &Context<'_>,
    ) -> Poll<Result<BytesMut, AskError>> {
        if let Some(Ticket { id, what: What::Answer(_) }) = ticket {
            let id = *id;
            return self.poll_answer(id, ticket, cx);
        }
        if deadline <= now {
            self.settle(ticket);
            return Poll::Ready(Err(AskError::TimedOut { arrived: false }));
        }
        let stack = self.node.stack();
        let fits = payload.len() <= stack.link().ask_max;
        let waits = self.stage == Stage::Open && fits && !stack.is_closed() && stack.is_full(dst);
        if waits {
            // As for a tell: the edge that says full must have been taken.
            self.absorb(now);
            let id = self.ticket(ticket, || What::Room(dst.clone(), deadline));
            self.tellers.entry(dst.clone()).or_default().register(id, cx.waker());
            self.asks.waiting.insert((deadline, id), cx.waker().clone());
            self.kick(now);
            return Poll::Pending;
        }
        self.settle(ticket);
        if self.stage != Stage::Open {
            return Poll::Ready(Err(AskError::Closed));
        }
        let id = self.ticket(ticket, || What::Answer(dst.clone()));
        let payload = core::mem::take(payload);
        // What is there at once wakes nobody; who has to wait says so further down.
        self.asks.ours.insert(id, Ours::Waiting(Waker::noop().clone()));
        if let Err(error) = self.node.ask(now, AskId::new(id), dst.clone(), payload, deadline) {
            self.asks.ours.remove(&id);
            return Poll::Ready(Err(error));
        }
        // A refusal is there at once.
        self.absorb(now);
        self.kick(now);
        self.poll_answer(id, ticket, cx)
    }

    fn poll_answer(
        &mut self,
        id: u64,
        ticket: &mut Option<Ticket<L::Addr>>,
        cx: &Context<'_>,
    ) -> Poll<Result<BytesMut, AskError>> {
        if let Some(Ours::Waiting(waker)) = self.asks.ours.get_mut(&id) {
            waker.clone_from(cx.waker());
            return Poll::Pending;
        }
        *ticket = None;
        match self.asks.ours.remove(&id) {
            Some(Ours::Answered(result)) => Poll::Ready(result),
            // It was ready before: nobody waits for what is not under way.
            Some(Ours::Waiting(_)) | None => Poll::Ready(Err(AskError::Cancelled)),
        }
    }

    /// The next request of another node; `None` where none is left and none will come.
    pub fn poll_asked(
        &mut self,
        ticket: &mut Option<Ticket<L::Addr>>,
        cx: &Context<'_>,
    ) -> Poll<Option<Asked<L::Addr>>> {
        if let Some(asked) = self.asks.pop() {
            if let Some(ticket) = ticket.take() {
                self.asks.servers.remove(ticket.id);
            }
            return Poll::Ready(Some(asked));
        }
        if self.stage >= Stage::Closed {
            return Poll::Ready(None);
        }
        let id = self.ticket(ticket, || What::Asked);
        self.asks.servers.register(id, cx.waker());
        Poll::Pending
    }

    /// Answers a request that was taken. Nothing happens where the asker has given up.
    pub fn answer(
        &mut self,
        now: Instant,
        token: Token,
        src: &L::Addr,
        result: Result<Payload, Refusal>,
    ) {
        if self.asks.taken.remove(&(src.clone(), token)) && self.stage < Stage::Closed {
            self.node.handle_command(now, Command::Answer { token, dst: src.clone(), result });
            self.kick(now);
        }
    }

    /// Whether somebody still waits for the answer to a request that was taken.
    #[must_use]
    pub fn is_wanted(&self, token: Token, src: &L::Addr) -> bool {
        self.asks.taken.contains(&(src.clone(), token))
    }

    /// The task that asked no longer waits: so nobody needs the answer.
    pub(super) fn forget_ask(&mut self, now: Instant, id: u64, dst: L::Addr) {
        if let Some(Ours::Waiting(_)) = self.asks.ours.remove(&id)
            && self.stage < Stage::Closed
        {
            self.node.handle_command(now, Command::Cancel { id: AskId::new(id), dst });
            self.kick(now);
        }
    }

    /// The task no longer waits for room.
    pub(super) fn forget_room(&mut self, id: u64, deadline: Instant) {
        self.asks.waiting.remove(&(deadline, id));
    }

    /// The task no longer serves. If it was woken but never ran, its wake is passed on.
    pub(super) fn forget_server(&mut self, id: u64) {
        if !self.asks.servers.remove(id) && !self.asks.theirs.is_empty() {
            self.wakes.others.extend(self.asks.servers.pop().map(|(_, waker)| waker));
        }
    }
}
