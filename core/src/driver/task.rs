//! The one task of a node: between its sockets and its stack, in batches of both directions.
//!
//! A round receives what there is, hands it to the stack under one lock, where it collects, and sends
//! what it collected; how, is the [`Pump`]'s business. After [`ROUNDS`] rounds it gives way to other tasks, and at once
//! where something arrived that a task waited for: it takes its messages while they are in the
//! processor's cache, and before so many wait that the inbox copies them. It sleeps after a round that
//! left nothing to receive and nothing to collect, until a socket, a handle or the stack's timer wakes it.

use super::datagrams::Udp;
use super::group::Group;
use super::hub::{Park, Stage};
use super::port::{Awake, Bind, Met, PortStack, Pump};
use super::runtime::{Left, Runtime, Timer};
use super::shared::Shared;
use super::wait::Wakes;
use crate::addr::Addr;
use crate::layer::earliest;
use crate::time::Instant;
use crate::trace::trace;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::sync::Arc;

/// Rounds before other tasks get their turn.
const ROUNDS: usize = 8;

/// What moves everything between a node's sockets and its stack: a future, to be run by any executor.
///
/// It is ready when its node is closed, or when the last handle on it is dropped. Until it is run,
/// nothing is sent and nothing received. Where it is dropped earlier the node ends with it, and
/// whoever waits on a handle is told.
#[must_use = "a node does nothing until its driver is run: have an executor spawn it"]
pub struct Driver<A: Addr, R: Runtime, P: Bind<R> = Udp> {
    // Gone once it is done, even where the future is kept: that closes the sockets and tells everybody.
    running: Option<Running<A, R, P>>,
}

struct Running<A: Addr, R: Runtime, P: Bind<R>> {
    // The order matters: the sockets are closed before anybody is told so.
    pump: P::Pump,
    ending: Ending<A, R, P>,
    #[cfg(feature = "tracing")]
    span: tracing::Span,
    wakes: Wakes,
    alarm: Alarm<R::Timer>,
}

type Node<A, R, P> = Shared<PortStack<A, P>, <R as Runtime>::Clock>;
type Workers<A, R, P> = Group<PortStack<A, P>, <R as Runtime>::Clock>;

/// Tells everybody who waits, when the driver is gone for whatever reason.
struct Ending<A: Addr, R: Runtime, P: Bind<R>> {
    shared: Arc<Node<A, R, P>>,
    // With the other workers.
    group: Option<Arc<Workers<A, R, P>>>,
    sent: bool,
}

impl<A: Addr, R: Runtime, P: Bind<R>> Driver<A, R, P> {
    /// Where it is that of one of several workers, with their group.
    pub(super) fn new(
        pump: P::Pump,
        shared: Arc<Node<A, R, P>>,
        group: Option<Arc<Workers<A, R, P>>>,
    ) -> Self {
        #[cfg(feature = "tracing")]
        let span = tracing::info_span!("node", local = ?pump);
        #[cfg(feature = "tracing")]
        span.in_scope(|| trace!(INFO, "driver", "a node is bound"));
        let running = Running {
            pump,
            ending: Ending { shared, group, sent: false },
            #[cfg(feature = "tracing")]
            span,
            wakes: Wakes::default(),
            alarm: Alarm { timer: R::Timer::unset(), set: None },
        };
        Self { running: Some(running) }
    }
}

impl<A: Addr, R: Runtime, P: Bind<R>> Running<A, R, P> {
    /// Meets the stack, and says whether something was handed in and a task woken for it.
    fn turn(&mut self, now: Instant) -> (Met, bool) {
        let mut hub = self.ending.shared.lock();
        let met = self.pump.meet(now, &mut hub);
        hub.take_wakes(&mut self.wakes);
        drop(hub);
        self.pump.part();
        let served = met.handed_in && self.wakes.has_tasks();
        self.wakes.wake();
        (met, served)
    }

    /// Falls asleep, where neither side has anything left.
    fn park(&mut self, now: Instant, left: Left, more: bool, cx: &mut Context<'_>) -> Poll<()> {
        let blocked = self.pump.is_blocked();
        let idle = left == Left::Nothing && !self.pump.has_arrived() && (blocked || !more);
        let mut hub = self.ending.shared.lock();
        self.pump.report(&mut hub);
        let park = if idle { hub.park(now, cx.waker(), blocked) } else { Park::Busy };
        drop(hub);
        let Park::Sleep(deadline) = park else { return Poll::Ready(()) };
        match self.pump.sleep(now, cx.waker()) {
            Err(Awake) => Poll::Ready(()),
            Ok(due) => {
                let deadline = earliest(deadline, due);
                self.alarm.poll(self.ending.shared.clock(), deadline, cx)
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..ROUNDS {
            let now = self.ending.shared.now();
            if self.pump.is_blocked() {
                // By what was collected in an earlier round.
                self.pump.send(now, cx);
            }
            let left = self.pump.receive(now, cx);
            let (Met { stage, more, .. }, served) = self.turn(now);
            self.pump.send(now, cx);
            let sent = self.pump.is_sent();
            if stage > Stage::Closed || (stage == Stage::Closed && sent && !more) {
                self.pump.report(&mut self.ending.shared.lock());
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

impl<A: Addr, R: Runtime, P: Bind<R>> Future for Driver<A, R, P> {
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

impl<A: Addr, R: Runtime, P: Bind<R>> fmt::Debug for Driver<A, R, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pump = self.running.as_ref().map(|running| &running.pump);
        f.debug_tuple("Driver").field(&pump).finish()
    }
}

impl<A: Addr, R: Runtime, P: Bind<R>> Drop for Ending<A, R, P> {
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
