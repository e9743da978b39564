//! Listening in on the network.

use super::loss::Loss;
use core::fmt;
use tellask::{Instant, MemoryAddr};

/// Hears of everything that happens to a datagram, and of what applications say, which are of type `N`. It
/// hears it in the order of the events, whichever threads ran the nodes.
pub trait Tap<N = ()> {
    /// Whether anything is to be told. Where nobody listens a run is faster.
    const LISTENS: bool = true;

    /// `sighting` happens. A [`Fate::Delivered`] is heard before what the node makes of it.
    fn see(&mut self, sighting: &Sighting<'_>);

    /// The application at `addr` says something, with [`Cx::say`](super::Cx::say).
    fn hear(&mut self, now: Instant, addr: MemoryAddr, said: N) {
        let _ = (now, addr, said);
    }

    /// The stack of the node at `addr` counted under `name` that it dropped something of what it was just given, or
    /// held. Heard only where [drops are watched](super::Network::watch_drops).
    fn dropped(&mut self, now: Instant, addr: MemoryAddr, name: &'static str) {
        let _ = (now, addr, name);
    }
}

/// Nobody listens.
impl<N> Tap<N> for () {
    const LISTENS: bool = false;

    fn see(&mut self, _: &Sighting<'_>) {}
}

/// What is kept of an event until the tap is told.
pub(crate) enum Seen<N> {
    Datagram {
        now: Instant,
        id: DatagramId,
        src: MemoryAddr,
        dst: MemoryAddr,
        fate: Fate,
        bytes: Vec<u8>,
    },
    Said {
        now: Instant,
        addr: MemoryAddr,
        said: N,
    },
    Dropped {
        now: Instant,
        addr: MemoryAddr,
        name: &'static str,
    },
}

impl<N> Seen<N> {
    pub(super) fn tell(self, tap: &mut impl Tap<N>) {
        match self {
            Self::Datagram { now, id, src, dst, fate, bytes } => {
                tap.see(&Sighting { now, id, src, dst, fate, bytes: &bytes });
            }
            Self::Said { now, addr, said } => tap.hear(now, addr, said),
            Self::Dropped { now, addr, name } => tap.dropped(now, addr, name),
        }
    }
}

/// Something that happened to a datagram.
#[derive(Clone, Copy)]
pub struct Sighting<'a> {
    /// When.
    pub now: Instant,
    /// Which datagram.
    pub id: DatagramId,
    /// Where from, as the datagram says.
    pub src: MemoryAddr,
    /// Where to.
    pub dst: MemoryAddr,
    /// What happened.
    pub fate: Fate,
    /// Its bytes, as they are now.
    pub bytes: &'a [u8],
}

/// The name of a datagram: who sent it, as the how-manieth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatagramId {
    /// The node that sent it; `None` for one that was injected.
    pub sender: Option<MemoryAddr>,
    /// How many datagrams that one had sent before.
    pub number: u64,
}

/// What happened to a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A node sent it, or somebody injected it. It will be delivered or lost `copies` times.
    Sent {
        /// One; two where the network duplicates it.
        copies: u8,
    },
    /// A copy of it is given to the node at its destination.
    Delivered {
        /// Whether the network changed its bytes.
        spoilt: bool,
    },
    /// A copy of it is gone.
    Lost(Loss),
}

impl Fate {
    /// The fate as words of the trace.
    pub(super) const fn code(self) -> u64 {
        match self {
            Self::Sent { copies } => copies as u64,
            Self::Delivered { spoilt: false } => 16,
            Self::Delivered { spoilt: true } => 17,
            Self::Lost(loss) => 32 + loss.code() as u64,
        }
    }
}

impl fmt::Debug for Sighting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { now, src, dst, fate, bytes, .. } = self;
        write!(f, "{now} {src:?} -> {dst:?} {fate:?} {} bytes", bytes.len())
    }
}
