//! The handle that an application holds, the same on every runtime.
//!
//! An adapter names it for its own stack and clock; see [`Handle`]. It does no input and no output: it
//! locks the node, says what is wanted, and waits for the wake of the node's driver.

use super::asks::Asked;
use super::close::CloseError;
use super::crew::Crew;
use super::group::Group;
use super::notice::{ListenerId, Notice};
use super::shared::{Clock, Shared, Wait};
use crate::addr::PeerAddr;
use crate::identity::PublicKey;
use crate::payload::Payload;
use crate::stats::Snapshot;
use crate::swarm::{
    Accept, AskError, Command, IdentifyError, Message, Refusal, Setting, Swarm, TellError, Token,
};
use crate::time::Instant;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use core::time::Duration;

/// How long an [`Ask`] waits where it is not told [`within`](Ask::within) what time.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A node, as an application holds it: a handle that is cheap to clone.
///
/// When the last handle is dropped the node ends at once: what waits to be sent is lost.
/// [`close`](Self::close) waits for it. A [`Request`] and [`Events`] do not keep the node alive.
///
/// The futures are *cancel-safe* where nothing is lost when they are dropped before they are ready;
/// each says so.
pub struct Handle<S: Swarm, C: Clock> {
    group: Arc<Group<S, C>>,
    // Whose messages it receives, if not those of all workers.
    at: Option<usize>,
    last: Arc<Last<S, C>>,
}

impl<S: Swarm, C: Clock> Handle<S, C> {
    /// The first handle of a node. Whoever drives the node keeps `shared` too.
    #[must_use]
    pub fn new(shared: Arc<Shared<S, C>>) -> Self {
        Self::of(Arc::new(Group::one(shared)))
    }

    pub(super) fn of(group: Arc<Group<S, C>>) -> Self {
        let last = Arc::new(Last(Arc::clone(&group)));
        Self { group, at: None, last }
    }

    /// A handle for each worker of the node, one where it has no more: it receives the messages, requests and
    /// events of the peers that are this worker's, and for the rest is as any other. For many messages a second a
    /// task for each, near its worker, is better than one that waits for all.
    #[must_use]
    pub fn workers(&self) -> Vec<Self> {
        let worker = |at| Self { at: Some(at), ..self.clone() };
        (0..self.group.len()).map(worker).collect()
    }

    /// Sends a message, fire and forget; waits only while its own destination takes no more. `Ok` says
    /// that it was accepted, not that it arrived.
    ///
    /// Cancel-safe: where it is dropped, the message was not accepted.
    ///
    /// # Errors
    /// At once: [`TellError::TooLarge`] with the limit, or [`TellError::Closed`].
    pub async fn tell(&self, dst: &S::Addr, payload: impl Into<Payload>) -> Result<(), TellError> {
        let mut payload = payload.into();
        let mut wait = Wait::new(self.group.to(dst));
        poll_fn(|cx| {
            wait.poll(|hub, now, ticket| hub.poll_tell(now, dst, &mut payload, ticket, cx))
        })
        .await
    }

    /// Sends a message, or says at once why not.
    ///
    /// # Errors
    /// As [`tell`](Self::tell), and [`TellError::Full`] where that would wait.
    pub fn try_tell(&self, dst: &S::Addr, payload: impl Into<Payload>) -> Result<(), TellError> {
        let payload = payload.into();
        self.group.to(dst).with(|hub, now| hub.tell(now, dst, payload))
    }

    /// The next message; `None` once the node is closed and none is left. Several tasks may receive:
    /// each message goes to one of them.
    ///
    /// Messages that nobody receives wait up to [`Limits::receive`](crate::Limits::receive); then peers that can be held back
    /// are, and messages of others are dropped. A node that never receives holds nobody back: it drops what it is told.
    ///
    /// Cancel-safe: where it is dropped, no message is lost.
    pub async fn receive(&self) -> Option<Message<S::Addr, Bytes>> {
        let mut waits = self.group.wait(self.at);
        let received = poll_fn(|cx| waits.poll(|hub, _, ticket| hub.poll_receive(ticket, cx)));
        let (_, message) = received.await?;
        Some(message.freeze())
    }

    /// Puts up to `max` messages that are there behind those in `messages`, and waits where there is
    /// none. Returns how many: zero once the node is closed and none is left, or where `max` is zero.
    ///
    /// For many messages a second: one lock serves them all.
    ///
    /// Cancel-safe: where it is dropped, no message is lost, and `messages` is as it was.
    pub async fn receive_many(
        &self,
        messages: &mut Vec<Message<S::Addr, Bytes>>,
        max: usize,
    ) -> usize {
        if max == 0 {
            return 0;
        }
        let mut taken = Vec::new();
        let mut waits = self.group.wait(self.at);
        let received = poll_fn(|cx| {
            waits.poll(|hub, _, ticket| {
                let count = hub.poll_receive_many(&mut taken, max, ticket, cx);
                count.map(|count| (count > 0).then_some(count))
            })
        });
        let count = received.await.map_or(0, |(_, count)| count);
        messages.extend(taken.into_iter().map(Message::freeze));
        count
    }

    /// Sends a request; the future is ready with the reply, or with why there is none. It waits
    /// [`PATIENCE`], or [`within`](Ask::within) another time. Nothing is sent before it is first polled.
    ///
    /// Cancel-safe in so far as a request whose future is dropped is withdrawn; it may have run all
    /// the same.
    pub fn ask(&self, dst: &S::Addr, payload: impl Into<Payload>) -> Ask<'_, S, C> {
        Ask {
            dst: dst.clone(),
            payload: payload.into(),
            within: PATIENCE,
            deadline: None,
            over: false,
            wait: Wait::new(self.group.to(dst)),
        }
    }

    /// The next request of another node; `None` once the node is closed and none is left. Several tasks
    /// may take requests: each goes to one of them. They are answered any time later, in any order.
    ///
    /// Cancel-safe: where it is dropped, no request is lost.
    pub async fn next_ask(&self) -> Option<Request<S, C>> {
        let mut waits = self.group.wait(self.at);
        let asked = poll_fn(|cx| waits.poll(|hub, _, ticket| hub.poll_asked(ticket, cx)));
        let (worker, asked) = asked.await?;
        let Asked { token, message, deadline } = asked;
        let message = message.freeze();
        let shared = Arc::clone(self.group.get(self.at.unwrap_or(worker)));
        Some(Request { shared, token, message, deadline, open: true })
    }

    /// Answers requests with what `handler` makes of them, until the node is closed. The futures that
    /// it returns run side by side within this one: a slow one holds up no other, as long as it does
    /// not block the thread.
    ///
    /// Cancel-safe: requests whose handlers had not finished are refused as
    /// [`Refusal::UNANSWERED`].
    pub async fn serve<F, P, R>(&self, mut handler: F)
    where
        F: FnMut(Message<S::Addr, Bytes>) -> R,
        R: Future<Output = Result<P, Refusal>>,
        P: Into<Payload>,
    {
        let mut crew = Crew::new();
        loop {
            let (mut next, mut closed) = (pin!(self.next_ask()), false);
            let next = poll_fn(|cx| {
                let idle = crew.poll(cx);
                if !closed && let Poll::Ready(next) = next.as_mut().poll(cx) {
                    match next {
                        Some(request) => return Poll::Ready(Some(request)),
                        None => closed = true,
                    }
                }
                // The last ones are finished although nobody hears of it.
                if closed { idle.map(|()| None) } else { Poll::Pending }
            });
            let Some(mut request) = next.await else { return };
            let reply = handler(request.message.clone());
            crew.push(async move {
                let result = reply.await.map(Into::into);
                request.finish(result);
            });
        }
    }

    /// Has the peer at `dst` prove its key.
    ///
    /// Cancel-safe: the handshake goes on for whoever else wants it.
    ///
    /// # Errors
    /// Nobody proved a key there, or this node cannot ask for proof.
    pub async fn identify(&self, dst: &S::Addr) -> Result<PublicKey, IdentifyError> {
        let mut wait = Wait::new(self.group.to(dst));
        poll_fn(|cx| wait.poll(|hub, now, ticket| hub.poll_identify(now, dst, ticket, cx))).await
    }

    /// What happens from now on to peers and to messages that were accepted.
    #[must_use]
    pub fn events(&self) -> Events<S, C> {
        let listen = |shared: &Arc<Shared<S, C>>| {
            let id = shared.with(|hub, _| hub.listen());
            Listener { shared: Arc::clone(shared), id }
        };
        let listeners = match self.at {
            Some(worker) => alloc::vec![listen(self.group.get(worker))],
            None => self.group.each().map(listen).collect(),
        };
        Events { listeners }
    }

    /// Forgets the session with `dst`, and its keys.
    pub fn disconnect(&self, dst: &S::Addr) {
        let command = Command::Disconnect { dst: dst.clone() };
        self.group.to(dst).with(|hub, now| hub.command(now, command));
    }

    /// Changes a setting of whichever layer knows it.
    pub fn set(&self, setting: Setting) {
        for shared in self.group.each() {
            let command = Command::Set(setting.clone());
            shared.with(|hub, now| hub.command(now, command));
        }
    }

    /// This node's own addresses. That of a socket for all addresses of the machine is unspecified
    /// (`0.0.0.0`, `[::]`), with the port that it has.
    #[must_use]
    pub fn local_addrs(&self) -> Vec<S::Addr> {
        self.group.first().with(|hub, _| hub.stack().local_addrs().to_vec())
    }

    /// The largest message that a tell to any peer may have, in bytes.
    #[must_use]
    pub fn mtu(&self) -> usize {
        self.group.first().with(|hub, _| hub.stack().mtu())
    }

    /// The largest message that a tell to `dst` may have, in bytes.
    #[must_use]
    pub fn mtu_to(&self, dst: &S::Addr) -> usize {
        self.group.to(dst).with(|hub, _| hub.stack().mtu_to(dst))
    }

    /// The largest request, and the largest reply, in bytes; zero where the node cannot ask.
    #[must_use]
    pub fn ask_max(&self) -> usize {
        self.group.first().with(|hub, _| hub.stack().link().ask_max)
    }

    /// All figures of the node at this moment; those of the socket are named `socket.…`, and as of its
    /// last turn. Where the node has several workers, they are the sums of theirs;
    /// [`workers`](Self::workers) gives handles that tell those of one.
    #[must_use]
    pub fn stats(&self) -> Snapshot {
        let stats = |shared: &Arc<Shared<S, C>>| shared.with(|hub, _| hub.stats());
        if let Some(worker) = self.at {
            return stats(self.group.get(worker));
        }
        self.group.each().map(stats).fold(Snapshot::default(), Snapshot::plus)
    }

    /// Takes nothing more, finishes what was accepted, and closes the socket: after `within` at the
    /// latest. Whoever waits on any handle is told. Where several handles close, the earliest deadline
    /// counts for all.
    ///
    /// Cancel-safe: where it is dropped, the node goes on closing, until that deadline; another close
    /// waits for the same end. Not polled at all, it closes nothing. Where nobody runs the driver
    /// it waits until somebody does, or drops it: only that closes the socket.
    ///
    /// # Errors
    /// Something was not finished. The socket is closed all the same.
    pub async fn close(&self, within: Duration) -> Result<(), CloseError> {
        self.group.each().for_each(|shared| shared.with(|hub, now| hub.close(now, within)));
        let mut outcome = Ok(());
        for shared in self.group.each() {
            let mut wait = Wait::new(shared);
            let ended = poll_fn(|cx| wait.poll(|hub, _, ticket| hub.poll_ended(ticket, cx)));
            outcome = outcome.and(ended.await);
        }
        outcome
    }
}

impl<A, S: Swarm<Addr = PeerAddr<A>>, C: Clock> Handle<S, C> {
    /// Whom this node talks to from now on. Peers that the policy excludes are disconnected.
    pub fn set_accept(&self, accept: Accept) {
        self.set(Setting::Accept(accept));
    }
}

impl<S: Swarm, C: Clock> Clone for Handle<S, C> {
    fn clone(&self) -> Self {
        Self { group: Arc::clone(&self.group), at: self.at, last: Arc::clone(&self.last) }
    }
}

impl<S: Swarm, C: Clock> fmt::Debug for Handle<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Node").field(&self.local_addrs()).finish()
    }
}

/// Ends the node with its last handle.
struct Last<S: Swarm, C: Clock>(Arc<Group<S, C>>);

impl<S: Swarm, C: Clock> Drop for Last<S, C> {
    fn drop(&mut self) {
        self.0.each().for_each(|shared| shared.with(|hub, _| hub.abandon()));
    }
}

/// A request of ours, from [`Handle::ask`]: a future of its reply. Where it is polled again after that it asks
/// nothing more, and says [`AskError::Cancelled`].
#[must_use = "nothing is asked before it is awaited"]
pub struct Ask<'a, S: Swarm, C: Clock> {
    dst: S::Addr,
    payload: Payload,
    within: Duration,
    // From the first poll on.
    deadline: Option<Instant>,
    over: bool,
    wait: Wait<'a, S, C>,
}

impl<S: Swarm, C: Clock> Ask<'_, S, C> {
    /// Waits this long, from when it is first polled.
    pub const fn within(mut self, time: Duration) -> Self {
        self.within = time;
        self
    }
}

impl<S: Swarm<Addr: Unpin>, C: Clock> Future for Ask<'_, S, C> {
    type Output = Result<Bytes, AskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { dst, payload, within, deadline, over, wait } = &mut *self;
        if *over {
            return Poll::Ready(Err(AskError::Cancelled));
        }
        let outcome = wait.poll(|hub, now, ticket| {
            let deadline = *deadline.get_or_insert(now + *within);
            hub.poll_ask(now, dst, payload, deadline, ticket, cx)
        });
        *over = outcome.is_ready();
        outcome.map_ok(bytes::BytesMut::freeze)
    }
}

impl<S: Swarm, C: Clock> fmt::Debug for Ask<'_, S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask").field("dst", &self.dst).finish_non_exhaustive()
    }
}

/// A request of another node, from [`Handle::next_ask`].
///
/// Where it is dropped unanswered, the asker is told so: [`Refusal::UNANSWERED`].
pub struct Request<S: Swarm, C: Clock> {
    shared: Arc<Shared<S, C>>,
    token: Token,
    message: Message<S::Addr, Bytes>,
    deadline: Instant,
    open: bool,
}

impl<S: Swarm, C: Clock> Request<S, C> {
    /// Who asks, at which of this node's addresses, and what.
    #[must_use]
    pub const fn message(&self) -> &Message<S::Addr, Bytes> {
        &self.message
    }

    /// Who asks; in a secure swarm with the id of the key that was proven.
    #[must_use]
    pub const fn src(&self) -> &S::Addr {
        &self.message.src
    }

    /// What is asked.
    #[must_use]
    pub const fn payload(&self) -> &Bytes {
        &self.message.payload
    }

    /// How much longer the asker waits.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.deadline.since(self.shared.now())
    }

    /// Whether the asker still waits, as far as is known.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.shared.with(|hub, _| hub.is_wanted(self.token, &self.message.src))
    }

    /// Sends the reply.
    pub fn answer(mut self, reply: impl Into<Payload>) {
        self.finish(Ok(reply.into()));
    }

    /// Refuses, with a code of the application's own and whatever helps the asker.
    pub fn refuse(mut self, refusal: Refusal) {
        self.finish(Err(refusal));
    }

    fn finish(&mut self, result: Result<Payload, Refusal>) {
        if core::mem::take(&mut self.open) {
            let (token, src) = (self.token, &self.message.src);
            self.shared.with(|hub, now| hub.answer(now, token, src, result));
        }
    }
}

impl<S: Swarm, C: Clock> Drop for Request<S, C> {
    fn drop(&mut self) {
        self.finish(Err(Refusal::unanswered()));
    }
}

impl<S: Swarm, C: Clock> fmt::Debug for Request<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Request").field(&self.message).finish()
    }
}

/// What happens to the peers and messages of a node, from [`Handle::events`]. It does not keep the
/// node alive.
pub struct Events<S: Swarm, C: Clock> {
    // One for each worker.
    listeners: Vec<Listener<S, C>>,
}

struct Listener<S: Swarm, C: Clock> {
    shared: Arc<Shared<S, C>>,
    id: ListenerId,
}

impl<S: Swarm, C: Clock> Events<S, C> {
    /// The next one; `None` once the node is closed and none is left.
    ///
    /// 1,024 wait at the most, for each worker. What comes on top is not kept: in its place stands
    /// [`Notice::Missed`] with the number.
    ///
    /// Cancel-safe: where it is dropped, nothing is lost.
    pub async fn next(&mut self) -> Option<Notice<S::Addr>> {
        let mut listening = Listening { listeners: &self.listeners, waits: false };
        poll_fn(|cx| listening.poll(cx)).await
    }
}

/// Somebody who waits for a notice; nobody is woken for it once it is dropped.
struct Listening<'a, S: Swarm, C: Clock> {
    listeners: &'a [Listener<S, C>],
    waits: bool,
}

impl<S: Swarm, C: Clock> Listening<'_, S, C> {
    fn poll(&mut self, cx: &Context<'_>) -> Poll<Option<Notice<S::Addr>>> {
        let mut pending = false;
        for Listener { shared, id } in self.listeners {
            match shared.with(|hub, _| hub.poll_notice(*id, cx)) {
                Poll::Ready(Some(notice)) => return Poll::Ready(Some(notice)),
                Poll::Ready(None) => {}
                Poll::Pending => pending = true,
            }
            self.waits |= pending;
        }
        if pending { Poll::Pending } else { Poll::Ready(None) }
    }
}

impl<S: Swarm, C: Clock> Drop for Listening<'_, S, C> {
    fn drop(&mut self) {
        if self.waits {
            for Listener { shared, id } in self.listeners {
                shared.with(|hub, _| hub.forget_notice(*id));
            }
        }
    }
}

impl<S: Swarm, C: Clock> Drop for Listener<S, C> {
    fn drop(&mut self) {
        self.shared.with(|hub, _| hub.unlisten(self.id));
    }
}

impl<S: Swarm, C: Clock> fmt::Debug for Events<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.listeners.iter().map(|listener| listener.id);
        f.debug_list().entries(ids).finish()
    }
}
