//! The one task of a node: between its socket and its stack, in batches of both directions.
//!
//! A round receives what there is, hands it to the stack under one lock, where it collects, and sends
//! what it collected. After [`ROUNDS`] rounds it gives way to other tasks, and at once
//! where something arrived that a task waited for: it takes its messages while they are in the
//! processor's cache, and before so many wait that the inbox copies them. It sleeps after a round that
//! left nothing to receive and nothing to collect, until the socket, a handle or the stack's timer wakes it.

use super::backoff::Backoff;
use super::builder::UdpStack;
use super::burst::Burst;
use super::counters::SocketCounters;
use super::exchange::Seat;
use super::group::Group;
use super::hub::{Park, Stage};
use super::runtime::{Left, ReceiveError, Runtime, SendError, Socket, Timer};
use super::shared::Shared;
use super::wait::Wakes;
use crate::addr::{Addr, UdpAddr};
use crate::identity::PublicKey;
use crate::p2pke::Tai64n;
use crate::port::DatagramInput;
use crate::swarm::{Command, Setting};
use crate::time::Instant;
use crate::trace::trace;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::sync::Arc;

/// Rounds before other tasks get their turn.
const ROUNDS: usize = 8;

/// Datagrams collected under one lock at the most: several full runs, so that few are cut short.
const COLLECT: usize = 256;

/// Datagrams handed in under one lock at the most: no more than the inbox takes without a copy.
const HAND_IN: usize = 64;

/// When floors are told again that another worker had no room for.
const TELL_AGAIN: Duration = Duration::from_millis(10);

/// A datagram of this size fits on every path.
const ALWAYS_FITS: usize = 1_232;

/// What moves everything between a node's socket and its stack: a future, to be run by any executor.
///
/// It is ready when its node is closed, or when the last handle on it is dropped. Until it is run,
/// nothing is sent and nothing received. Where it is dropped earlier the node ends with it, and
/// whoever waits on a handle is told.
#[must_use = "a node does nothing until its driver is run: have an executor spawn it"]
pub struct Driver<A: Addr, R: Runtime> {
    // Gone once it is done, even where the future is kept: that closes the socket and tells everybody.
    running: Option<Running<A, R>>,
}

struct Running<A: Addr, R: Runtime> {
    // The order matters: the socket is closed before anybody is told so.
    socket: R::Socket,
    ending: Ending<A, R>,
    #[cfg(feature = "tracing")]
    span: tracing::Span,
    arrived: VecDeque<DatagramInput<UdpAddr>>,
    burst: Burst,
    wakes: Wakes,
    counters: SocketCounters,
    alarm: Alarm<R::Timer>,
    receiving: Backoff,
    sending: Backoff,
    // Where there are other workers.
    seat: Option<Seat>,
    raised: Vec<(PublicKey, Tai64n)>,
}

/// Tells everybody who waits, when the driver is gone for whatever reason.
struct Ending<A: Addr, R: Runtime> {
    shared: Arc<Shared<UdpStack<A>, R::Clock>>,
    // With the other workers.
    group: Option<Arc<Group<UdpStack<A>, R::Clock>>>,
    sent: bool,
}

/// What came of meeting the stack.
struct Turn {
    stage: Stage,
    // There may be more to collect.
    more: bool,
    // Something arrived, and a task was woken for it.
    served: bool,
}

impl<A: Addr, R: Runtime> Driver<A, R> {
    pub(super) fn new(socket: R::Socket, shared: Arc<Shared<UdpStack<A>, R::Clock>>) -> Self {
        Self { running: Some(Running::new(socket, shared, None)) }
    }

    /// That of one of several workers.
    pub(super) fn seated(
        socket: R::Socket,
        shared: Arc<Shared<UdpStack<A>, R::Clock>>,
        seat: Seat,
        group: Arc<Group<UdpStack<A>, R::Clock>>,
    ) -> Self {
        let mut running = Running::new(socket, shared, Some(seat));
        running.ending.group = Some(group);
        Self { running: Some(running) }
    }
}

impl<A: Addr, R: Runtime> Running<A, R> {
    fn new(
        socket: R::Socket,
        shared: Arc<Shared<UdpStack<A>, R::Clock>>,
        seat: Option<Seat>,
    ) -> Self {
        let mut counters = SocketCounters::default();
        socket.describe(&mut counters);
        #[cfg(feature = "tracing")]
        let span = tracing::info_span!("node", local = %socket.local());
        #[cfg(feature = "tracing")]
        span.in_scope(|| trace!(INFO, "driver", "a node is bound"));
        Self {
            #[cfg(feature = "tracing")]
            span,
            socket,
            ending: Ending { shared, group: None, sent: false },
            arrived: VecDeque::new(),
            burst: Burst::default(),
            wakes: Wakes::default(),
            counters,
            alarm: Alarm { timer: R::Timer::unset(), set: None },
            receiving: Backoff::default(),
            sending: Backoff::default(),
            seat,
            raised: Vec::new(),
        }
    }

    /// Sends what was collected, until it is all sent or the socket takes no more.
    fn send(&mut self, now: Instant, cx: &mut Context<'_>) {
        if self.sending.until(now).is_some() {
            return;
        }
        while let Some(run) = self.burst.run(self.socket.max_segments()) {
            let count = run.count as u64;
            let dst = UdpAddr(run.dst);
            let Poll::Ready(result) = self.socket.poll_send(&run, cx) else {
                self.counters.send_blocked += 1;
                return;
            };
            match result {
                Ok(()) => {
                    self.counters.sends += 1;
                    self.counters.sent += count;
                    self.sending.succeed();
                }
                Err(SendError::Unreachable) => {
                    self.counters.unreachable += count;
                    self.arrived.push_back(DatagramInput::Unreachable { dst });
                }
                Err(SendError::TooLarge) => {
                    self.counters.too_large += count;
                    self.arrived.push_back(DatagramInput::TooLarge { dst, limit: ALWAYS_FITS });
                }
                Err(SendError::OutOfMemory) => {
                    trace!(DEBUG, "driver", reason = "out of memory", "the socket failed");
                    self.counters.out_of_memory += 1;
                    self.sending.fail(now);
                    return;
                }
                Err(SendError::NoOffload) => {
                    self.counters.offload_refused += 1;
                    continue;
                }
            }
            self.burst.done();
        }
    }

    /// Receives one call's worth, and what other workers handed over; hands over what is theirs.
    fn receive(&mut self, now: Instant, cx: &mut Context<'_>) -> Left {
        let room = HAND_IN.saturating_sub(self.arrived.len());
        if room == 0 {
            return Left::Some;
        }
        let Some(mut seat) = self.seat.take() else { return self.receive_own(now, cx) };
        seat.look();
        let more = seat.take(&mut self.arrived, room);
        let first = self.arrived.len();
        let left = self.receive_own(now, cx);
        seat.sort(&mut self.arrived, first);
        seat.wake_others();
        self.seat = Some(seat);
        if more { Left::Some } else { left }
    }

    fn receive_own(&mut self, now: Instant, cx: &mut Context<'_>) -> Left {
        if self.receiving.until(now).is_some() {
            return Left::Nothing;
        }
        match self.socket.poll_receive(&mut self.arrived, &mut self.counters, cx) {
            Poll::Pending => Left::Nothing,
            Poll::Ready(Ok(left)) => {
                self.receiving.succeed();
                left
            }
            Poll::Ready(Err(error)) => {
                self.counters.receive_errors += 1;
                trace!(DEBUG, "driver", reason = ?error, "the socket failed");
                if error == ReceiveError::Socket {
                    self.receiving.fail(now);
                }
                Left::Some
            }
        }
    }

    /// Meets the stack.
    fn turn(&mut self, now: Instant) -> Turn {
        let blocked = !self.burst.is_empty();
        let mut nothing = Vec::new();
        let (batch, max) = if blocked { (&mut nothing, 0) } else { (self.burst.refill(), COLLECT) };
        let count = self.arrived.len().min(HAND_IN);
        let mut hub = self.ending.shared.lock();
        let stage = hub.turn(now, self.arrived.drain(..count), batch, max);
        let more = blocked || batch.len() == max;
        if let Some(seat) = &mut self.seat {
            for (key, stamp) in seat.take_floors() {
                hub.command(now, Command::Set(Setting::Floor { key, stamp }));
            }
            hub.take_floors(&mut self.raised);
            self.counters.note(&seat.handed());
        }
        hub.take_wakes(&mut self.wakes);
        drop(hub);
        if let Some(seat) = &mut self.seat
            && (!self.raised.is_empty() || seat.owes())
        {
            seat.tell_floors(self.raised.drain(..));
            seat.wake_others();
        }
        let served = count > 0 && self.wakes.has_tasks();
        self.wakes.wake();
        Turn { stage, more, served }
    }

    /// Falls asleep, where neither side has anything left.
    fn park(&mut self, now: Instant, left: Left, more: bool, cx: &mut Context<'_>) -> Poll<()> {
        let blocked = !self.burst.is_empty();
        let idle = left == Left::Nothing && self.arrived.is_empty() && (blocked || !more);
        let mut hub = self.ending.shared.lock();
        hub.report(&self.counters);
        let park = if idle { hub.park(now, cx.waker(), blocked) } else { Park::Busy };
        drop(hub);
        let Park::Sleep(deadline) = park else { return Poll::Ready(()) };
        if self.seat.as_mut().is_some_and(|seat| !seat.sleep(cx.waker())) {
            return Poll::Ready(());
        }
        let owes = self.seat.as_ref().is_some_and(Seat::owes);
        let again = owes.then(|| now + TELL_AGAIN);
        let pauses = [self.sending.until(now), self.receiving.until(now), again];
        let deadline = deadline.into_iter().chain(pauses.into_iter().flatten()).min();
        self.alarm.poll(self.ending.shared.clock(), deadline, cx)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..ROUNDS {
            let now = self.ending.shared.now();
            if !self.burst.is_empty() {
                // Of an earlier round.
                self.send(now, cx);
            }
            let left = self.receive(now, cx);
            let Turn { stage, more, served } = self.turn(now);
            self.send(now, cx);
            let sent = self.burst.is_empty();
            if stage > Stage::Closed || (stage == Stage::Closed && sent && !more) {
                self.ending.shared.lock().report(&self.counters);
                self.ending.sent = sent;
                return Poll::Ready(());
            }
            if self.park(now, left, more, cx).is_pending() {
                return Poll::Pending;
            }
            if served {
                break;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<A: Addr, R: Runtime> Future for Driver<A, R> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(running) = &mut self.running {
            #[cfg(feature = "tracing")]
            let _entered = running.span.clone().entered();
            ready!(running.poll(cx));
            self.running = None;
        }
        Poll::Ready(())
    }
}

impl<A: Addr, R: Runtime> fmt::Debug for Driver<A, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.running.as_ref().map(|running| running.socket.local());
        f.debug_tuple("Driver").field(&local).finish()
    }
}

impl<A: Addr, R: Runtime> Drop for Ending<A, R> {
    fn drop(&mut self) {
        trace!(INFO, "driver", "a node is closed");
        self.shared.with(|hub, _| hub.end(self.sent));
        // A node that lacks a worker is none.
        if let Some(group) = self.group.take().filter(|_| !self.sent) {
            group.each().for_each(|shared| shared.with(|hub, _| hub.abandon()));
        }
    }
}

/// The timer, and what it stands at. Where that is earlier than need be it is left alone: it goes off
/// once for nothing, which is cheaper than to set it anew for every message.
struct Alarm<T> {
    timer: T,
    // When it goes off, while it is set.
    set: Option<Instant>,
}

impl<T: Timer> Alarm<T> {
    /// Ready when `deadline`, or an earlier one, has come.
    fn poll(
        &mut self,
        clock: &T::Clock,
        deadline: Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let Some(deadline) = deadline else { return Poll::Pending };
        if self.set.is_none_or(|set| deadline < set) {
            self.timer.set(clock, deadline);
            self.set = Some(deadline);
        }
        ready!(self.timer.poll(cx));
        self.set = None;
        Poll::Ready(())
    }
}
