//! What happened to a node: the running hash, and the events one by one where somebody asked for them.

use super::tap::{DatagramId, Fate};
use super::trace::Trace;
use core::fmt;
use core::ops::RangeInclusive;
use tellask::{Instant, MemoryAddr};

/// One thing that happened to a node, or that it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Happened {
    /// When, in the network's time.
    pub at: Instant,
    /// What.
    pub what: What,
    /// The hash of all that had happened to the node, this included.
    pub hash: u64,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Something happened to a datagram: that it sent, or that was sent to it.
    Datagram {
        /// Which.
        id: DatagramId,
        /// Where from, as it says.
        src: MemoryAddr,
        /// Where to.
        dst: MemoryAddr,
        /// What happened.
        fate: Fate,
        /// How many bytes it has.
        len: usize,
    },
    /// One of its timers was due.
    Timer,
    /// Its application made a note of so many bytes.
    Note(usize),
}

impl What {
    /// The datagram that it is about.
    pub(super) const fn id(&self) -> Option<DatagramId> {
        match self {
            Self::Datagram { id, .. } => Some(*id),
            Self::Timer | Self::Note(_) => None,
        }
    }
}

impl fmt::Display for Happened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.at)?;
        match self.what {
            What::Datagram { id, src, dst, fate, len } => {
                write!(f, "{src:?} -> {dst:?} ")?;
                match id.sender {
                    Some(sender) => write!(f, "({sender:?} no. {})", id.number)?,
                    None => write!(f, "(injected no. {})", id.number)?,
                }
                write!(f, " {fate:?} {len} bytes")?;
            }
            What::Timer => f.write_str("timer")?,
            What::Note(len) => write!(f, "note of {len} bytes")?,
        }
        write!(f, " [{:016x}]", self.hash)
    }
}

/// The time of which events are kept, in nanoseconds; `None` where none are.
pub(crate) type Kept = Option<RangeInclusive<u64>>;

/// The hash, and the events that are kept.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) trace: Trace,
    kept: Vec<Happened>,
}

impl Ledger {
    /// Takes in what happens now.
    pub(crate) fn add(
        &mut self,
        (at, kept): (Instant, &Kept),
        what: What,
        words: &[u64],
        bytes: &[u8],
    ) {
        self.trace.add(words, bytes);
        if kept.as_ref().is_some_and(|kept| kept.contains(&at.as_nanos())) {
            let hash = self.trace.hash();
            self.kept.push(Happened { at, what, hash });
        }
    }

    /// What was kept.
    pub(crate) fn kept(&self) -> &[Happened] {
        &self.kept
    }
}
