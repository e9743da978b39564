//! The message seam: what every swarm takes from above and gives upward.
//!
//! A swarm is one node's view of a group of nodes that it can send messages to. It is a [`Layer`]
//! whose commands and events are the vocabulary of this module over one address type.
//!
//! A layer that keeps the address space may pass on what it does not care for. A layer that changes
//! it names every variant of [`Command`] and [`Event`]: it maps each or refuses it. Neither enum is
//! `#[non_exhaustive]`, so that a layer which forgets one does not compile; the helpers
//! [`Command::try_map`], [`Command::refuse`] and [`Event::try_map`] make such layers short.
//!
//! # Back-pressure
//! [`Event::Full`] is an edge: its scope takes no more until [`Event::Ready`]. Whoever emits it
//! keeps room for one message more than its mark, and whatever stands above caches it, so that
//! [`Swarm::tell`] answers [`TellError::Full`] at once.
//!
//! # Secure swarms
//! In the events of a secure swarm the proof is in [`Message::src`] and in [`Event::PeerUp`].
//! Nothing else says of an address that its key was proven, least of all that somebody parsed it.

mod accept;
mod command;
mod error;
mod event;

pub use accept::Accept;
pub use command::{AskId, Command, Setting};
pub use error::{AskError, DownReason, IdentifyError, Refusal, TellError, Undeliverable};
pub use event::{Event, Link, Message, Scope, Token};

use crate::addr::Addr;
use crate::layer::Layer;
use crate::payload::Payload;
use crate::time::Instant;
use alloc::boxed::Box;

/// A layer whose upper side is the message seam.
pub trait Swarm: Layer<Command = Command<Self::Addr>, Event = Event<Self::Addr>> {
    /// What this swarm calls its nodes.
    type Addr: Addr;

    /// The last [`Event::Link`]: this node's addresses and the size limits that hold for any peer.
    fn link(&self) -> &Link<Self::Addr>;

    /// The largest message, in bytes, that a tell to `dst` may have.
    fn mtu_to(&self, dst: &Self::Addr) -> usize {
        let _ = dst;
        self.mtu()
    }

    /// Whether a tell to `dst` would be refused as [`TellError::Full`] now.
    fn is_full(&self, dst: &Self::Addr) -> bool;

    /// Whether the swarm is closing or closed: it takes no messages any more.
    fn is_closed(&self) -> bool;

    /// The largest message, in bytes, that a tell to any peer may have; zero before the link is known.
    fn mtu(&self) -> usize {
        self.link().tell_max
    }

    /// This node's own addresses, as far as they are known.
    fn local_addrs(&self) -> &[Self::Addr] {
        &self.link().local
    }

    /// Reads an address of this swarm from its text.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    fn parse_addr(
        &self,
        text: &str,
    ) -> Result<Self::Addr, <Self::Addr as core::str::FromStr>::Err> {
        text.parse()
    }

    /// Sends a message, fire and forget. `Ok` says that it was accepted, not that it arrived; where
    /// the swarm learns that it did not, [`Event::Undelivered`] follows.
    ///
    /// # Errors
    /// The message was not accepted, and the reason is known at once.
    fn tell(&mut self, now: Instant, dst: Self::Addr, payload: Payload) -> Result<(), TellError> {
        if self.is_closed() {
            return Err(TellError::Closed);
        }
        let limit = self.mtu_to(&dst);
        if payload.len() > limit {
            return Err(TellError::TooLarge { len: payload.len(), limit });
        }
        if self.is_full(&dst) {
            return Err(TellError::Full);
        }
        self.handle_command(now, Command::Tell { dst, payload });
        Ok(())
    }

    /// Sends a request whose reply comes as [`Event::Answered`] with the same `id`, by `deadline` at
    /// the latest.
    ///
    /// # Errors
    /// The request was not accepted, and the reason is known at once.
    fn ask(
        &mut self,
        now: Instant,
        id: AskId,
        dst: Self::Addr,
        payload: Payload,
        deadline: Instant,
    ) -> Result<(), AskError> {
        if self.is_closed() {
            return Err(AskError::Closed);
        }
        let limit = self.link().ask_max;
        if limit == 0 {
            return Err(AskError::Unsupported);
        }
        if payload.len() > limit {
            return Err(AskError::TooLarge { limit });
        }
        if self.is_full(&dst) {
            return Err(AskError::Full);
        }
        self.handle_command(now, Command::Ask { id, dst, payload, deadline });
        Ok(())
    }
}

/// A boxed swarm is a swarm.
impl<S: Swarm + ?Sized> Swarm for Box<S> {
    type Addr = S::Addr;

    fn link(&self) -> &Link<Self::Addr> {
        (**self).link()
    }

    fn mtu_to(&self, dst: &Self::Addr) -> usize {
        (**self).mtu_to(dst)
    }

    fn is_full(&self, dst: &Self::Addr) -> bool {
        (**self).is_full(dst)
    }

    fn is_closed(&self) -> bool {
        (**self).is_closed()
    }

    fn parse_addr(
        &self,
        text: &str,
    ) -> Result<Self::Addr, <Self::Addr as core::str::FromStr>::Err> {
        (**self).parse_addr(text)
    }
}

/// Any swarm over addresses `A` whose lower side takes `I` and gives `T`: for stacks chosen at run time.
pub type BoxSwarm<I, T, A> = Box<
    dyn Swarm<Input = I, Transmit = T, Command = Command<A>, Event = Event<A>, Addr = A> + Send,
>;
