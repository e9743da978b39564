//! What a swarm gives upward.

use super::AskId;
use super::error::{AskError, DownReason, IdentifyError, Undeliverable};
use crate::identity::PublicKey;
use crate::p2pke::Tai64n;
use crate::time::Instant;
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};
use core::fmt;

/// What a swarm tells the application, or the layer above.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event<A> {
    /// This node's addresses and limits, when they become known and whenever they change.
    Link(Link<A>),
    /// Towards `dst` more (or again less) fits than [`Link`] promises for everybody.
    PathMtu {
        /// Towards whom.
        dst: A,
        /// As in [`Link::unit`].
        unit: usize,
        /// As in [`Link::tell_max`], never below it.
        tell_max: usize,
    },
    /// A message arrived.
    Told(Message<A>),
    /// A request arrived. It is to be answered by `token`.
    Asked {
        /// For [`Command::Answer`](super::Command::Answer). Unique to the layer that made it.
        token: Token,
        /// The request.
        message: Message<A>,
        /// When the asker will have given up.
        deadline: Instant,
    },
    /// Nobody waits any more for the answer to `token`.
    Withdrawn {
        /// From [`Event::Asked`].
        token: Token,
        /// Who had asked.
        src: A,
    },
    /// The outcome of the request `id`.
    Answered {
        /// From [`Command::Ask`](super::Command::Ask).
        id: AskId,
        /// The reply, or why there is none.
        result: Result<BytesMut, AskError>,
    },
    /// The outcome of [`Command::Identify`](super::Command::Identify).
    Identified {
        /// Who was to be identified.
        addr: A,
        /// The key that was proven, or why none was.
        result: Result<PublicKey, IdentifyError>,
    },
    /// A peer proved its key: messages flow to and from `addr`.
    PeerUp {
        /// Its address.
        addr: A,
        /// Its key.
        key: PublicKey,
    },
    /// A peer that was up is not any more.
    PeerDown {
        /// Its address.
        addr: A,
        /// Why.
        reason: DownReason,
    },
    /// A handshake that `key` began is over: a hello of this key with this stamp or an earlier one is a
    /// replay. Told where [`Setting::TellFloors`](super::Setting::TellFloors) says so; for
    /// [`Setting::Floor`](super::Setting::Floor) of another node with our key.
    Floor {
        /// The peer's key.
        key: PublicKey,
        /// When its handshake began, by its own clock, but not after ours.
        stamp: Tai64n,
    },
    /// A message that was accepted will not be delivered. Not every loss is known.
    Undelivered {
        /// To whom it was sent.
        dst: A,
        /// Why.
        reason: Undeliverable,
    },
    /// The scope takes no more until it is [`Event::Ready`].
    Full {
        /// What is full.
        scope: Scope<A>,
    },
    /// The scope takes messages again.
    Ready {
        /// What was full.
        scope: Scope<A>,
    },
    /// The last event: what was accepted is finished, nothing is taken any more.
    Closed,
}

/// This node's addresses, and the limits that hold towards everybody. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Link<A> {
    /// This node's own addresses.
    pub local: Vec<A>,
    /// The largest message that stays one datagram.
    pub unit: usize,
    /// The largest message of a tell: a floor that always works.
    pub tell_max: usize,
    /// The largest request or answer of an ask; zero where the swarm cannot ask.
    pub ask_max: usize,
}

impl<A> Link<A> {
    /// The link of a swarm that has not heard of its own yet.
    #[must_use]
    pub const fn unknown() -> Self {
        Self { local: Vec::new(), unit: 0, tell_max: 0, ask_max: 0 }
    }

    /// The same limits under other addresses; those that `f` does not map are left out.
    pub fn map<B>(self, f: impl FnMut(A) -> Option<B>) -> Link<B> {
        let Self { local, unit, tell_max, ask_max } = self;
        Link { local: local.into_iter().filter_map(f).collect(), unit, tell_max, ask_max }
    }

    /// The same link under a header of `bytes` bytes a message.
    #[must_use]
    pub fn less(mut self, bytes: usize) -> Self {
        self.unit = self.unit.saturating_sub(bytes);
        self.tell_max = self.tell_max.saturating_sub(bytes);
        self
    }
}

/// A message that arrived: within a stack as `BytesMut`, to be opened in place; for applications as
/// [`Bytes`], to be shared.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Message<A, P = BytesMut> {
    /// Who sent it; in a secure swarm with the id of the key that was proven.
    pub src: A,
    /// Which of this node's addresses it was sent to.
    pub dst: A,
    /// What it says.
    pub payload: P,
}

impl<A: fmt::Debug, P: AsRef<[u8]>> fmt::Debug for Message<A, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { src, dst, payload } = self;
        write!(f, "Message({src:?} -> {dst:?}, {} bytes)", payload.as_ref().len())
    }
}

/// What is full, or ready again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope<A> {
    /// Everything.
    All,
    /// What goes to one peer.
    To(A),
}

impl<A> Scope<A> {
    /// The same scope over another address space; `None` where `f` does not map the address.
    pub fn try_map<B>(self, f: impl FnOnce(A) -> Option<B>) -> Option<Scope<B>> {
        Some(match self {
            Self::All => Scope::All,
            Self::To(addr) => Scope::To(f(addr)?),
        })
    }
}

/// The name of a request that waits for its answer; unique to the layer that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

impl<A> Event<A> {
    /// The same event over another address space. `f` maps an address; where it does not, the event
    /// has no meaning above and is `None` (a [`Link`] only loses that address).
    pub fn try_map<B>(self, mut f: impl FnMut(A) -> Option<B>) -> Option<Event<B>> {
        Some(match self {
            Self::Link(link) => Event::Link(link.map(f)),
            Self::PathMtu { dst, unit, tell_max } => {
                Event::PathMtu { dst: f(dst)?, unit, tell_max }
            }
            Self::Told(message) => Event::Told(message.try_map(f)?),
            Self::Asked { token, message, deadline } => {
                Event::Asked { token, message: message.try_map(f)?, deadline }
            }
            Self::Withdrawn { token, src } => Event::Withdrawn { token, src: f(src)? },
            Self::Answered { id, result } => Event::Answered { id, result },
            Self::Identified { addr, result } => Event::Identified { addr: f(addr)?, result },
            Self::PeerUp { addr, key } => Event::PeerUp { addr: f(addr)?, key },
            Self::PeerDown { addr, reason } => Event::PeerDown { addr: f(addr)?, reason },
            Self::Floor { key, stamp } => Event::Floor { key, stamp },
            Self::Undelivered { dst, reason } => Event::Undelivered { dst: f(dst)?, reason },
            Self::Full { scope } => Event::Full { scope: scope.try_map(f)? },
            Self::Ready { scope } => Event::Ready { scope: scope.try_map(f)? },
            Self::Closed => Event::Closed,
        })
    }
}

impl<A> Message<A> {
    /// The same message as applications get it. Nothing is copied.
    #[must_use]
    pub fn freeze(self) -> Message<A, Bytes> {
        Message { src: self.src, dst: self.dst, payload: self.payload.freeze() }
    }

    /// The same message over another address space.
    pub fn try_map<B>(self, mut f: impl FnMut(A) -> Option<B>) -> Option<Message<B>> {
        Some(Message { src: f(self.src)?, dst: f(self.dst)?, payload: self.payload })
    }
}
