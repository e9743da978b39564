//! What every driver needs and no runtime has: a node's clock, and moving messages in batches.
//!
//! A [`Node`] wraps a stack with the one place where the time is made monotonic. It is all that an
//! adapter, a simulator or a loop of one's own needs to hold.
//!
//! Adapters for asynchronous runtimes share nearly everything, and none of it does input or output: the
//! [`Hub`] that handles and driver meet in, and with the feature `std` (for its lock) the [`Builder`] of a
//! node, the [`Handle`] that an application holds, and the [`Driver`] between the stack and a socket. What is
//! left to an adapter is what [`Runtime`] asks for: a socket, a timer, a clock, and spawning.
//!
//! A loop without a runtime finds use for the [`Burst`] of datagrams between a stack and a socket, and for
//! the [`Backoff`] of a socket that fails.

mod asks;
mod backoff;
#[cfg(feature = "std")]
mod bind;
#[cfg(feature = "std")]
mod builder;
mod burst;
mod close;
mod counters;
#[cfg(feature = "std")]
mod crew;
#[cfg(feature = "std")]
mod datagrams;
#[cfg(feature = "std")]
mod exchange;
#[cfg(feature = "std")]
mod group;
#[cfg(feature = "std")]
mod handle;
mod hub;
mod inbox;
mod notice;
#[cfg(feature = "std")]
mod port;
#[cfg(feature = "std")]
mod runtime;
#[cfg(feature = "std")]
mod shared;
mod steering;
#[cfg(feature = "std")]
mod streams;
#[cfg(feature = "std")]
mod task;
mod wait;
#[cfg(feature = "std")]
mod workers;

#[cfg(test)]
mod tests;

pub use asks::Asked;
pub use backoff::Backoff;
#[cfg(feature = "std")]
pub use bind::BindError;
#[cfg(feature = "std")]
pub use builder::{Bound, Builder, Parts, PortNode, UdpNode, UdpStack};
pub use burst::{Burst, RUN_MAX, Run, segments};
pub use close::CloseError;
pub use counters::SocketCounters;
#[cfg(feature = "std")]
pub use datagrams::{Datagrams, Udp};
#[cfg(feature = "std")]
pub use exchange::{FLOORS, FLOORS_OWED, HANDED_OVER, HANDED_OVER_BYTES, Handed, Seat};
#[cfg(feature = "std")]
pub use handle::{Ask, Events, Handle, PATIENCE, Request};
pub use hub::{Hub, Park, Stage, Ticket};
pub use notice::{ListenerId, NOTICES, Notice};
#[cfg(feature = "std")]
pub use port::{Awake, Bind, Met, Port, PortStack, Pump};
#[cfg(feature = "std")]
pub use runtime::{Left, ReceiveError, Runtime, SendError, Socket, Timer};
#[cfg(feature = "std")]
pub use shared::{Clock, Shared};
pub use steering::Steering;
#[cfg(feature = "std")]
pub use streams::{
    DIAL_PATIENCE, Listener, STAGGER, Stream, StreamCounters, StreamRuntime, Streams, Tcp,
    TcpBuilder, TcpNode, TcpStack,
};
#[cfg(feature = "std")]
pub use task::Driver;
pub use wait::Wakes;
#[cfg(feature = "std")]
pub use workers::{MAX_WORKERS, Manned, Workers};

use crate::layer::Layer;
use crate::payload::Payload;
use crate::stats::Snapshot;
use crate::swarm::{AskError, AskId, Command, Event, Message, Swarm, TellError};
use crate::time::Instant;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// A stack and its clock.
#[derive(Clone, Debug)]
pub struct Node<L> {
    stack: L,
    latest: Instant,
}

impl<L: Layer> Node<L> {
    /// A node of this stack.
    #[must_use]
    pub const fn new(stack: L) -> Self {
        Self { stack, latest: Instant::ZERO }
    }

    /// The stack, to look at.
    #[must_use]
    pub const fn stack(&self) -> &L {
        &self.stack
    }

    /// The door for setters of a static stack. `handle_timeout` follows, so that they take effect.
    pub fn with<T>(&mut self, now: Instant, set: impl FnOnce(Instant, &mut L) -> T) -> T {
        let now = self.clamp(now);
        set(now, &mut self.stack)
    }

    /// Hands in what arrived from below.
    pub fn handle_input(&mut self, now: Instant, input: L::Input) {
        let now = self.clamp(now);
        self.stack.handle_input(now, input);
    }

    /// Hands in what the application wants.
    pub fn handle_command(&mut self, now: Instant, command: L::Command) {
        let now = self.clamp(now);
        self.stack.handle_command(now, command);
    }

    /// Does what is due by `now`; nothing where nothing is.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.clamp(now);
        if self.stack.poll_timeout().is_some_and(|due| due <= now) {
            self.stack.handle_timeout(now);
        }
    }

    /// Ends a round of inputs and commands: does what is due by `now`, and what layers put off until one
    /// nanosecond later, so as to do it once for the whole round.
    pub fn finish_round(&mut self, now: Instant) {
        let now = self.clamp(now);
        self.handle_timeout(now.next());
    }

    /// Whether the next timer is due by `now`, or right after the last call.
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        let soon = now.max(self.latest.next());
        self.poll_timeout().is_some_and(|due| due <= soon)
    }

    /// The next thing to send.
    pub fn poll_transmit(&mut self) -> Option<L::Transmit> {
        self.stack.poll_transmit()
    }

    /// The next thing that the application is told.
    pub fn poll_event(&mut self) -> Option<L::Event> {
        self.stack.poll_event()
    }

    /// When `handle_timeout` is to be called next; read it after the other two have been drained.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.stack.poll_timeout()
    }

    /// Moves up to `max` things to send into `batch`, and returns whether there may be more.
    pub fn collect(&mut self, batch: &mut Vec<L::Transmit>, max: usize) -> bool {
        while batch.len() < max {
            let Some(transmit) = self.stack.poll_transmit() else { return false };
            batch.push(transmit);
        }
        true
    }

    /// The figures of the whole stack.
    #[must_use]
    pub fn stats(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        self.stack.stats(&mut snapshot);
        snapshot
    }

    fn clamp(&mut self, now: Instant) -> Instant {
        self.latest = self.latest.max(now);
        self.latest
    }
}

impl<L: Swarm> Node<L> {
    /// Sends a message; see [`Swarm::tell`].
    ///
    /// # Errors
    /// The message was not accepted.
    pub fn tell(
        &mut self,
        now: Instant,
        dst: L::Addr,
        payload: impl Into<Payload>,
    ) -> Result<(), TellError> {
        let now = self.clamp(now);
        self.stack.tell(now, dst, payload.into())
    }

    /// Sends a request; see [`Swarm::ask`].
    ///
    /// # Errors
    /// The request was not accepted.
    pub fn ask(
        &mut self,
        now: Instant,
        id: AskId,
        dst: L::Addr,
        payload: impl Into<Payload>,
        deadline: Instant,
    ) -> Result<(), AskError> {
        let now = self.clamp(now);
        self.stack.ask(now, id, dst, payload.into(), deadline)
    }

    /// Begins to close; see [`Command::Close`].
    pub fn close(&mut self, now: Instant) {
        self.handle_command(now, Command::Close);
    }

    /// The next message, with all other events before it put into `others`.
    pub fn receive(&mut self, others: &mut VecDeque<Event<L::Addr>>) -> Option<Message<L::Addr>> {
        loop {
            match self.poll_event()? {
                Event::Told(message) => return Some(message),
                other @ (Event::Link(_)
                | Event::PathMtu { .. }
                | Event::Asked { .. }
                | Event::Withdrawn { .. }
                | Event::Answered { .. }
                | Event::Identified { .. }
                | Event::PeerUp { .. }
                | Event::PeerDown { .. }
                | Event::Floor { .. }
                | Event::Undelivered { .. }
                | Event::Full { .. }
                | Event::Ready { .. }
                | Event::Closed) => others.push_back(other),
            }
        }
    }
}
