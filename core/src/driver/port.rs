//! What a driver is to the bottom of its stack: which sockets there are, and how they are served.
//!
//! A [`Port`] says what goes in and out there, [`Bind`] makes its sockets on a runtime, and the [`Pump`] that
//! this gives moves everything between them and the node's [`Hub`]. There are two: [`Udp`](super::Udp) with
//! datagrams, and [`Tcp`](super::Tcp) with connections.

use super::bind::BindError;
use super::hub::{Hub, Stage};
use super::runtime::Left;
use crate::addr::Addr;
use crate::limits::Limits;
use crate::swarm::{BoxSwarm, Swarm};
use crate::time::Instant;
use core::fmt;
use core::task::{Context, Waker};

/// What a stack stands on.
pub trait Port: Send + 'static {
    /// What its driver tells the stack.
    type Input: 'static;
    /// What the stack tells its driver.
    type Transmit: 'static;
}

/// A stack over such a port, chosen at run time.
pub type PortStack<A, P> = BoxSwarm<<P as Port>::Input, <P as Port>::Transmit, A>;

/// A port whose sockets the runtime `R` has.
pub trait Bind<R>: Port + Sized {
    /// What serves them.
    type Pump: Pump<Port = Self>;

    /// Binds the sockets, and says what the stack is to be told of them first.
    ///
    /// # Errors
    /// One cannot be bound.
    fn bind(self, limits: &Limits) -> Result<(Self::Pump, Self::Input), BindError>;
}

/// What moves everything between the sockets of a node and its [`Hub`]. Its `Debug` says where they are bound.
///
/// The driver calls, again and again, [`receive`](Self::receive), [`meet`](Self::meet) and [`send`](Self::send),
/// and [`sleep`](Self::sleep) where nothing is left to do.
pub trait Pump: fmt::Debug + Send + Unpin + 'static {
    /// Whose sockets.
    type Port: Port;

    /// Takes what the sockets have, so much as may be handed in at once, and says whether there may be more.
    fn receive(&mut self, now: Instant, cx: &mut Context<'_>) -> Left;

    /// Hands in what was received and collects what is to be sent. The node is locked: no system call here.
    fn meet<A: Addr>(&mut self, now: Instant, hub: &mut Hub<PortStack<A, Self::Port>>) -> Met;

    /// The node is not locked any more.
    fn part(&mut self) {}

    /// Gives the sockets what was collected, so much as they take.
    fn send(&mut self, now: Instant, cx: &mut Context<'_>);

    /// Whether what was received waits to be handed in.
    fn has_arrived(&self) -> bool;

    /// Whether the sockets took everything.
    fn is_sent(&self) -> bool;

    /// Whether nothing can be collected before the sockets take what was.
    fn is_blocked(&self) -> bool;

    /// Tells the sockets' figures.
    fn report<S: Swarm>(&self, hub: &mut Hub<S>);

    /// Nothing is left to do: `waker` is to be called when there is, and at the time that this returns. `Err` where
    /// something has come in between.
    ///
    /// # Errors
    /// There is something to do.
    fn sleep(&mut self, now: Instant, waker: &Waker) -> Result<Option<Instant>, Awake>;
}

/// What came of meeting the stack.
#[derive(Clone, Copy, Debug)]
pub struct Met {
    /// How far the node has come with its closing.
    pub stage: Stage,
    /// Whether there may be more to collect.
    pub more: bool,
    /// Whether anything was handed in.
    pub handed_in: bool,
}

/// A driver may not sleep: something came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Awake;
