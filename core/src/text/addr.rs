//! The one address type of stacks from text.

use crate::addr::{At, MemoryAddr, PeerAddr, Source, UdpAddr};
use crate::filter::Keyed;
use crate::identity::PeerId;
use crate::mux::{Channel, Name};
use crate::uvarint;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::borrow::Borrow;
use core::cmp::Ordering;
use core::error::Error;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::str::FromStr;

/// The most layers that change addresses in one address, so that no text nests without end.
pub const MAX_DEPTH: usize = 16;

/// An address of any stack from text: 32 bytes, cheap to clone and to compare with itself.
///
/// | text | of |
/// |---|---|
/// | `192.0.2.1:7000` | a UDP socket |
/// | `7` | a node in memory |
/// | `<peer id>@<address>` | a peer of a secured swarm |
/// | `<label>://<address>` | a channel of a multiplexer, a transport |
///
/// Two of equal text are equal, whether or not they share memory; the layers see to it that
/// those of peers who are heard often do.
#[derive(Clone)]
pub enum AnyAddr {
    /// Of a UDP socket.
    Udp(UdpAddr),
    /// Of a node in memory.
    Memory(MemoryAddr),
    /// Of a peer of a secured swarm.
    Peer(Arc<PeerAddr<Self>>),
    /// In one of several swarms.
    At(Arc<At<Label, Self>>),
}

impl AnyAddr {
    /// The address of the same node in the swarm below; `None` for those of the bottom.
    #[must_use]
    pub fn below(&self) -> Option<&Self> {
        match self {
            Self::Udp(_) | Self::Memory(_) => None,
            Self::Peer(peer) => Some(&peer.addr),
            Self::At(at) => Some(&at.addr),
        }
    }

    /// Where it would be looked for first in a small table: nothing that must not collide.
    pub(super) fn spot(&self) -> usize {
        let mut addr = self;
        let mut spot = 0;
        loop {
            match addr {
                Self::Udp(UdpAddr(addr)) => {
                    let ip = match addr.ip() {
                        core::net::IpAddr::V4(ip) => u32::from(ip),
                        core::net::IpAddr::V6(ip) => u128::from(ip) as u32,
                    };
                    return spot ^ ip as usize ^ usize::from(addr.port());
                }
                Self::Memory(MemoryAddr(number)) => return spot ^ *number as usize,
                Self::Peer(peer) => return spot ^ spot_of(&peer.id),
                Self::At(at) => {
                    let first = at.key.as_str().bytes().next().unwrap_or_default();
                    spot = spot.rotate_left(3) ^ usize::from(first);
                    addr = &at.addr;
                }
            }
        }
    }
}

pub(super) fn spot_of(id: &PeerId) -> usize {
    let bytes = id.as_bytes().first_chunk().copied().unwrap_or_default();
    u32::from_le_bytes(bytes) as usize
}

impl PartialEq for AnyAddr {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Udp(a), Self::Udp(b)) => a == b,
            (Self::Memory(a), Self::Memory(b)) => a == b,
            (Self::Peer(a), Self::Peer(b)) => Arc::ptr_eq(a, b) || a == b,
            (Self::At(a), Self::At(b)) => Arc::ptr_eq(a, b) || a == b,
            (Self::Udp(_) | Self::Memory(_) | Self::Peer(_) | Self::At(_), _) => false,
        }
    }
}

impl Eq for AnyAddr {}

impl PartialOrd for AnyAddr {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for AnyAddr {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        let rank = |addr: &Self| match addr {
            Self::Udp(_) => 0,
            Self::Memory(_) => 1,
            Self::Peer(_) => 2,
            Self::At(_) => 3,
        };
        match (self, other) {
            (Self::Udp(a), Self::Udp(b)) => a.cmp(b),
            (Self::Memory(a), Self::Memory(b)) => a.cmp(b),
            (Self::Peer(a), Self::Peer(b)) if Arc::ptr_eq(a, b) => Ordering::Equal,
            (Self::Peer(a), Self::Peer(b)) => a.cmp(b),
            (Self::At(a), Self::At(b)) if Arc::ptr_eq(a, b) => Ordering::Equal,
            (Self::At(a), Self::At(b)) => a.cmp(b),
            (Self::Udp(_) | Self::Memory(_) | Self::Peer(_) | Self::At(_), _) => {
                rank(self).cmp(&rank(other))
            }
        }
    }
}

impl Hash for AnyAddr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        core::mem::discriminant(self).hash(state);
        match self {
            Self::Udp(addr) => addr.hash(state),
            Self::Memory(addr) => addr.hash(state),
            Self::Peer(peer) => peer.hash(state),
            Self::At(at) => at.hash(state),
        }
    }
}

impl Source for AnyAddr {
    fn network(&self) -> Option<u128> {
        match self {
            Self::Udp(addr) => addr.network(),
            Self::Memory(addr) => addr.network(),
            Self::Peer(peer) => peer.network(),
            Self::At(at) => at.network(),
        }
    }
}

impl Keyed for AnyAddr {
    fn key(&self) -> Option<&PeerId> {
        match self {
            Self::Udp(_) | Self::Memory(_) => None,
            Self::Peer(peer) => Some(&peer.id),
            Self::At(at) => at.addr.key(),
        }
    }
}

impl fmt::Display for AnyAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(addr) => addr.fmt(f),
            Self::Memory(addr) => fmt::Display::fmt(addr, f),
            Self::Peer(peer) => fmt::Display::fmt(peer, f),
            Self::At(at) => fmt::Display::fmt(at, f),
        }
    }
}

impl fmt::Debug for AnyAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for AnyAddr {
    type Err = AnyAddrError;

    fn from_str(text: &str) -> Result<Self, AnyAddrError> {
        enum Outer {
            Peer(PeerId),
            At(Label),
        }
        let mut outers = Vec::new();
        let mut rest = text;
        loop {
            if let Some((id, inner)) = peer_id(rest) {
                outers.push(Outer::Peer(id));
                rest = inner;
            } else if let Some((label, inner)) = rest.split_once("://") {
                outers.push(Outer::At(label.parse().map_err(AnyAddrError::Label)?));
                rest = inner;
            } else {
                break;
            }
            if outers.len() > MAX_DEPTH {
                return Err(AnyAddrError::TooDeep);
            }
        }
        let bottom = match rest.parse() {
            Ok(addr) => Self::Memory(addr),
            Err(_) => Self::Udp(rest.parse().map_err(|_| AnyAddrError::Bottom)?),
        };
        Ok(outers.into_iter().rfold(bottom, |addr, outer| match outer {
            Outer::Peer(id) => Self::Peer(Arc::new(PeerAddr { id, addr })),
            Outer::At(key) => Self::At(Arc::new(At { key, addr })),
        }))
    }
}

/// A peer id and what stands behind its `@`.
fn peer_id(text: &str) -> Option<(PeerId, &str)> {
    let (id, rest) = text.split_at_checked(PeerId::TEXT_LEN)?;
    Some((id.parse().ok()?, rest.strip_prefix('@')?))
}

/// Why a text is not an [`AnyAddr`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnyAddrError {
    /// What stands before a `://` is no label.
    Label(LabelError),
    /// What is left behind labels and peer ids is no address of a socket or of a node in memory.
    Bottom,
    /// There are more than [`MAX_DEPTH`] labels and peer ids.
    TooDeep,
}

impl fmt::Display for AnyAddrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(error) => write!(f, "before a ://: {error}"),
            Self::Bottom => f.write_str(
                "not [<label>://][<peer id>@]<address>, where <address> is an ip:port such as \
                 192.0.2.1:7000, or a node's number",
            ),
            Self::TooDeep => write!(f, "more than {MAX_DEPTH} labels and peer ids in one address"),
        }
    }
}

impl Error for AnyAddrError {}

/// What a channel is called in an address: one to 64 letters, digits, `.`, `_`, `+`, `-`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(Name);

impl Label {
    /// The label as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte);
        if text.is_empty() || text.len() > 64 || !text.bytes().all(inner) {
            return Err(LabelError);
        }
        Ok(Self(Name::from(text)))
    }
}

impl Borrow<str> for Label {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// On the wire as the [`Name`] that it is.
impl Channel for Label {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }

    fn read(message: &[u8]) -> Option<(Self, usize)> {
        let (name, len) = split(message)?;
        Some((name.parse().ok()?, len))
    }

    fn find<'a, T>(index: &'a BTreeMap<Self, T>, message: &[u8]) -> Option<(Option<&'a T>, usize)> {
        let (name, len) = split(message)?;
        Some((index.get(name), len))
    }
}

fn split(message: &[u8]) -> Option<(&str, usize)> {
    let (len, prefix) = uvarint::read(message)?;
    let end = prefix.checked_add(usize::try_from(len).ok()?)?;
    Some((core::str::from_utf8(message.get(prefix..end)?).ok()?, end))
}

/// A text is not a [`Label`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelError;

impl fmt::Display for LabelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a label: one to 64 letters, digits, ., _, + or -")
    }
}

impl Error for LabelError {}
