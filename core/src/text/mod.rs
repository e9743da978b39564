//! Stacks from text: `udp://127.0.0.1:0 | p2pke | fragment(256KiB) | ask | mux(string)`.
//!
//! A bottom, then the layers on it from the bottom up, with `|` in between. Spaces do not matter, nor does
//! the case of words. [`Description`] is what was read, and prints as text that reads back as the same.
//!
//! | word | is | addresses above it |
//! |---|---|---|
//! | `udp://ip:port` | the bottom: a UDP socket, port 0 for any | `ip:port` |
//! | `tcp://ip:port,…` | the bottom: TCP, listening on each place; right on it stands `ssh` | |
//! | `memory://number` | the bottom: a node in memory | `number` |
//! | `p2pke` | peers prove their keys, messages are encrypted; once in a stack | `<peer id>@<below>` |
//! | `quic` | the same over connections, with requests and answers; programs may lack it | `<peer id>@<below>` |
//! | `fragment(size)` | messages of up to `size`: `1200`, `256KiB`, `1MiB` | as below |
//! | `ask` | requests and answers; once in a stack | as below |
//! | `filter(id, …)` | hears only peers of these ids; above a `p2pke` or a `quic` | as below |
//! | `loopback` | messages to oneself | as below |
//! | `mux(kind, channel, …)` | channels called by `string`, `u16`, `u32`, `u64` or `varint`; where none is named, `main` or `0` | `<channel>://<below>` |
//!
//! What was read is put on a port by [`Description::build`]: boxed layers, all over [`AnyAddr`]. A type
//! of its own for each stack of addresses would have the compiler make ever more of them. Where a layer
//! changes addresses, those of the peers heard last are kept, so that a message costs no allocation and
//! comparing an address is mostly comparing a pointer.
//!
//! Nothing here does any I/O: the caller binds the socket that [`Description::bottom`] names, and drives the
//! stack with it. Bounds: [`MAX_LAYERS`], [`MAX_TEXT`]; addresses kept, 256 a layer that changes them.
//!
//! An error says which word is wrong, where it stands, and what would be right; see [`StackError`].

mod addr;
mod build;
mod error;
mod lift;
mod parse;
#[cfg(test)]
mod tests;

pub use addr::{AnyAddr, AnyAddrError, Label, LabelError, MAX_DEPTH};
pub use build::{AnySwarm, BuildError, Parts, memory_port, over_streams, udp_port};
pub use error::{Problem, StackError};

use crate::addr::{MemoryAddr, TcpAddr, UdpAddr};
use crate::identity::PeerId;
use alloc::vec::Vec;
use core::fmt;

/// The most layers of a stack from text, its bottom not counted.
pub const MAX_LAYERS: usize = 16;

/// The most bytes of a text that is read as a stack.
pub const MAX_TEXT: usize = 64 * 1_024;

/// What a stack from text is to be. Made by parsing, so it is always in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Description {
    bottom: Bottom,
    layers: Vec<LayerSpec>,
}

/// What a stack stands on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Bottom {
    /// `udp://ip:port`: a UDP socket bound to this address.
    Udp(UdpAddr),
    /// `tcp://ip:port`, or several with commas between: TCP, listening on all places of this address. It carries
    /// bytes, so that the first layer is one that makes messages of them.
    Tcp(TcpAddr),
    /// `memory://number`: a node in memory of this address.
    Memory(MemoryAddr),
}

/// One layer of a stack from text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LayerSpec {
    /// `p2pke`
    P2pke,
    /// `quic`
    Quic,
    /// `fragment(size)`
    Fragment {
        /// The largest message, in bytes.
        max: usize,
    },
    /// `ask`
    Ask,
    /// `filter(id, …)`
    Filter {
        /// Who is heard.
        accept: Vec<PeerId>,
    },
    /// `loopback`
    Loopback,
    /// `mux(kind, channel, …)`
    Mux {
        /// What channels are called by.
        kind: ChannelKind,
        /// Those that are open: each of the kind, none twice, at least one.
        channels: Vec<Label>,
    },
}

/// What the channels of a multiplexer are called by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChannelKind {
    /// `string`
    String,
    /// `u16`
    U16,
    /// `u32`
    U32,
    /// `u64`
    U64,
    /// `varint`
    Varint,
}

impl Description {
    /// What the stack stands on.
    #[must_use]
    pub const fn bottom(&self) -> &Bottom {
        &self.bottom
    }

    /// Its layers, from the bottom up.
    #[must_use]
    pub fn layers(&self) -> &[LayerSpec] {
        &self.layers
    }

    /// Whether peers prove their keys in it, so that it needs one of its own.
    #[must_use]
    pub fn is_secured(&self) -> bool {
        self.layers.iter().any(LayerSpec::proves_keys)
    }
}

impl LayerSpec {
    /// Whether peers prove their keys to it.
    #[must_use]
    pub const fn proves_keys(&self) -> bool {
        matches!(self, Self::P2pke | Self::Quic)
    }

    /// Whether it makes messages of the bytes of connections, so that it stands right on `tcp://` and nowhere else.
    #[must_use]
    pub const fn stands_on_streams(&self) -> bool {
        match self {
            Self::P2pke
            | Self::Quic
            | Self::Fragment { .. }
            | Self::Ask
            | Self::Filter { .. }
            | Self::Loopback
            | Self::Mux { .. } => false,
        }
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bottom.fmt(f)?;
        self.layers.iter().try_for_each(|layer| write!(f, " | {layer}"))
    }
}

impl fmt::Display for Bottom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(addr) => write!(f, "udp://{addr}"),
            Self::Tcp(addr) => write!(f, "tcp://{addr}"),
            Self::Memory(addr) => write!(f, "memory://{addr}"),
        }
    }
}

impl fmt::Display for LayerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::P2pke => f.write_str("p2pke"),
            Self::Quic => f.write_str("quic"),
            Self::Fragment { max } => match max {
                _ if max.is_multiple_of(1_024 * 1_024) => {
                    write!(f, "fragment({}MiB)", max / (1_024 * 1_024))
                }
                _ if max.is_multiple_of(1_024) => write!(f, "fragment({}KiB)", max / 1_024),
                _ => write!(f, "fragment({max})"),
            },
            Self::Ask => f.write_str("ask"),
            Self::Filter { accept } => {
                f.write_str("filter(")?;
                for (number, id) in accept.iter().enumerate() {
                    let comma = if number == 0 { "" } else { ", " };
                    write!(f, "{comma}{id}")?;
                }
                f.write_str(")")
            }
            Self::Loopback => f.write_str("loopback"),
            Self::Mux { kind, channels } => {
                write!(f, "mux({kind}")?;
                channels.iter().try_for_each(|channel| write!(f, ", {channel}"))?;
                f.write_str(")")
            }
        }
    }
}

impl fmt::Display for ChannelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::String => "string",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::Varint => "varint",
        })
    }
}
