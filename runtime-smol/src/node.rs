//! The handle that an application holds.

use crate::builder::UdpStack;
use crate::error::CloseError;
use async_io::Timer;
use bytes::Bytes;
use core::future::poll_fn;
use core::task::Poll;
use core::time::Duration;
use futures_lite::future;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tellask::driver::{Hub, ListenerId, Notice, Ticket, Wakes};
use tellask::identity::PublicKey;
use tellask::stats::Snapshot;
use tellask::swarm::{Accept, Command, IdentifyError, Setting, TellError};
use tellask::{Addr, Instant, Limits, Payload, PeerAddr, Swarm};

/// A message that arrived.
pub type Message<A> = tellask::Message<A, Bytes>;

/// A node: a handle on its stack, cheap to clone.
///
/// When the last handle is dropped the node ends at once: what waits to be sent is lost.
/// [`close`](Self::close) waits for it.
///
/// The futures are *cancel-safe* where nothing is lost when they are dropped before they are ready;
/// each says so.
pub struct Node<A: Addr> {
    shared: Arc<Shared<A>>,
    _handle: Arc<Handle<A>>,
}

impl<A: Addr> Node<A> {
    pub(crate) fn new(shared: Shared<A>) -> (Self, Arc<Shared<A>>) {
        let shared = Arc::new(shared);
        let handle = Arc::new(Handle(Arc::clone(&shared)));
        (Self { shared: Arc::clone(&shared), _handle: handle }, shared)
    }

    /// Sends a message, fire and forget; waits only while its own destination takes no more. `Ok` says
    /// that it was accepted, not that it arrived.
    ///
    /// Cancel-safe: where it is dropped, the message was not accepted.
    ///
    /// # Errors
    /// At once: [`TellError::TooLarge`] with the limit, or [`TellError::Closed`].
    pub async fn tell(&self, dst: &A, payload: impl Into<Payload>) -> Result<(), TellError> {
        let mut payload = payload.into();
        let mut wait = Wait::new(&self.shared);
        poll_fn(|cx| {
            wait.poll(|hub, now, ticket| hub.poll_tell(now, dst, &mut payload, ticket, cx))
        })
        .await
    }

    /// Sends a message, or says at once why not.
    ///
    /// # Errors
    /// As [`tell`](Self::tell), and [`TellError::Full`] where that would wait.
    pub fn try_tell(&self, dst: &A, payload: impl Into<Payload>) -> Result<(), TellError> {
        let payload = payload.into();
        self.shared.with(|hub, now| hub.tell(now, dst, payload))
    }

    /// The next message; `None` once the node is closed and none is left. Several tasks may receive:
    /// each message goes to one of them.
    ///
    /// Cancel-safe: where it is dropped, no message is lost.
    pub async fn receive(&self) -> Option<Message<A>> {
        let mut wait = Wait::new(&self.shared);
        let message =
            poll_fn(|cx| wait.poll(|hub, _, ticket| hub.poll_receive(ticket, cx))).await?;
        Some(message.freeze())
    }

    /// Puts up to `max` messages that are there behind those in `messages`, and waits where there is
    /// none. Returns how many: zero once the node is closed and none is left, or where `max` is zero.
    ///
    /// For many messages a second: one lock serves them all. Cancel-safe.
    pub async fn receive_many(&self, messages: &mut Vec<Message<A>>, max: usize) -> usize {
        let mut taken = Vec::new();
        let mut wait = Wait::new(&self.shared);
        let count = poll_fn(|cx| {
            wait.poll(|hub, _, ticket| hub.poll_receive_many(&mut taken, max, ticket, cx))
        })
        .await;
        messages.extend(taken.into_iter().map(tellask::Message::freeze));
        count
    }

    /// Has the peer at `dst` prove its key.
    ///
    /// Cancel-safe: the handshake goes on for whoever else wants it.
    ///
    /// # Errors
    /// Nobody proved a key there, or this node cannot ask for proof.
    pub async fn identify(&self, dst: &A) -> Result<PublicKey, IdentifyError> {
        let mut wait = Wait::new(&self.shared);
        poll_fn(|cx| wait.poll(|hub, now, ticket| hub.poll_identify(now, dst, ticket, cx))).await
    }

    /// What happens from now on to peers and to messages that were accepted.
    #[must_use]
    pub fn events(&self) -> Events<A> {
        let listener = self.shared.with(|hub, _| hub.listen());
        Events { shared: Arc::clone(&self.shared), listener }
    }

    /// Forgets the session with `dst`, and its keys.
    pub fn disconnect(&self, dst: &A) {
        let dst = dst.clone();
        self.shared.with(|hub, now| hub.command(now, Command::Disconnect { dst }));
    }

    /// This node's own addresses. That of a socket for all addresses of the machine is unspecified
    /// (`0.0.0.0`, `[::]`), with the port that it has.
    #[must_use]
    pub fn local_addrs(&self) -> Vec<A> {
        self.shared.with(|hub, _| hub.stack().local_addrs().to_vec())
    }

    /// The largest message that a tell to any peer may have, in bytes.
    #[must_use]
    pub fn mtu(&self) -> usize {
        self.shared.with(|hub, _| hub.stack().mtu())
    }

    /// The largest message that a tell to `dst` may have, in bytes.
    #[must_use]
    pub fn mtu_to(&self, dst: &A) -> usize {
        self.shared.with(|hub, _| hub.stack().mtu_to(dst))
    }

    /// All figures of the node at this moment; those of the socket are named `socket.…`, and as of its
    /// last turn.
    #[must_use]
    pub fn stats(&self) -> Snapshot {
        self.shared.with(|hub, _| hub.stats())
    }

    /// Takes nothing more, finishes what was accepted, and closes the socket: after `within` at the
    /// latest. Whoever waits on any handle is told.
    ///
    /// Where it is dropped, the node goes on closing, without a deadline. Where nobody runs the driver
    /// it waits, deadline or not, until the driver is run or dropped: only that closes the socket.
    ///
    /// # Errors
    /// Something was not finished. The socket is closed all the same.
    pub async fn close(&self, within: Duration) -> Result<(), CloseError> {
        self.shared.with(|hub, now| hub.close(now));
        let timeout = async {
            Timer::after(within).await;
            None
        };
        match future::or(async { Some(self.ended().await) }, timeout).await {
            Some(true) => Ok(()),
            Some(false) => Err(CloseError::Aborted),
            None => {
                self.shared.with(|hub, _| hub.abandon());
                // The driver ends at its next turn, whatever state its socket is in.
                if self.ended().await { Ok(()) } else { Err(CloseError::TimedOut) }
            }
        }
    }

    async fn ended(&self) -> bool {
        let mut wait = Wait::new(&self.shared);
        poll_fn(|cx| wait.poll(|hub, _, ticket| hub.poll_ended(ticket, cx))).await
    }
}

impl<A: Addr> Node<PeerAddr<A>> {
    /// Whom this node talks to from now on. Peers that the policy excludes are disconnected.
    pub fn set_accept(&self, accept: Accept) {
        let command = Command::Set(Setting::Accept(accept));
        self.shared.with(|hub, now| hub.command(now, command));
    }
}

impl<A: Addr> Clone for Node<A> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), _handle: Arc::clone(&self._handle) }
    }
}

impl<A: Addr> fmt::Debug for Node<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Node").field(&self.local_addrs()).finish()
    }
}

/// What happens to the peers and messages of a node, from [`Node::events`]. It does not keep the node
/// alive.
pub struct Events<A: Addr> {
    shared: Arc<Shared<A>>,
    listener: ListenerId,
}

impl<A: Addr> Events<A> {
    /// The next one; `None` once the node is closed and none is left.
    ///
    /// 1,024 wait at the most. What comes on top is not kept: in its place stands
    /// [`Notice::Missed`] with the number.
    ///
    /// Cancel-safe: where it is dropped, nothing is lost.
    pub async fn next(&mut self) -> Option<Notice<A>> {
        poll_fn(|cx| self.shared.with(|hub, _| hub.poll_notice(self.listener, cx))).await
    }
}

impl<A: Addr> Drop for Events<A> {
    fn drop(&mut self) {
        self.shared.with(|hub, _| hub.unlisten(self.listener));
    }
}

impl<A: Addr> fmt::Debug for Events<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Events").field(&self.listener).finish()
    }
}

/// Ends the node with its last handle.
struct Handle<A: Addr>(Arc<Shared<A>>);

impl<A: Addr> Drop for Handle<A> {
    fn drop(&mut self) {
        self.0.with(|hub, _| hub.abandon());
    }
}

/// What the handles and the driver share.
pub(crate) struct Shared<A: Addr> {
    hub: Mutex<Hub<UdpStack<A>>>,
    epoch: std::time::Instant,
}

impl<A: Addr> Shared<A> {
    pub(crate) fn new(stack: UdpStack<A>, limits: &Limits) -> Self {
        Self { hub: Mutex::new(Hub::new(stack, limits)), epoch: std::time::Instant::now() }
    }

    /// The time, as the stack counts it.
    pub(crate) fn now(&self) -> Instant {
        let since = self.epoch.elapsed().as_nanos();
        Instant::from_nanos(u64::try_from(since).unwrap_or(u64::MAX))
    }

    /// The time, as the reactor counts it.
    pub(crate) fn clock(&self, at: Instant) -> std::time::Instant {
        let since = at.since(Instant::ZERO);
        // What is too far away for the system is as good as never.
        self.epoch.checked_add(since).unwrap_or(self.epoch + Duration::from_secs(1 << 30))
    }

    /// Locks the hub. Whoever it says is to be woken is the caller's business; see [`with`](Self::with).
    pub(crate) fn lock(&self) -> MutexGuard<'_, Hub<UdpStack<A>>> {
        // A panic under the lock ends the driver, and that is told to everybody through the lock.
        self.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the hub, and wakes whom it concerns once the lock is released.
    pub(crate) fn with<T>(&self, what: impl FnOnce(&mut Hub<UdpStack<A>>, Instant) -> T) -> T {
        let now = self.now();
        let mut wakes = Wakes::default();
        let mut hub = self.lock();
        let value = what(&mut hub, now);
        hub.take_wakes(&mut wakes);
        drop(hub);
        wakes.wake();
        value
    }
}

/// A task's place among those who wait; given up when it is dropped.
struct Wait<'a, A: Addr> {
    shared: &'a Shared<A>,
    ticket: Option<Ticket<A>>,
}

impl<'a, A: Addr> Wait<'a, A> {
    const fn new(shared: &'a Shared<A>) -> Self {
        Self { shared, ticket: None }
    }

    fn poll<T>(
        &mut self,
        what: impl FnOnce(&mut Hub<UdpStack<A>>, Instant, &mut Option<Ticket<A>>) -> Poll<T>,
    ) -> Poll<T> {
        let ticket = &mut self.ticket;
        self.shared.with(|hub, now| what(hub, now, ticket))
    }
}

impl<A: Addr> Drop for Wait<'_, A> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.shared.with(|hub, _| hub.forget(ticket));
        }
    }
}
