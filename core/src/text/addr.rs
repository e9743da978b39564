//! The one address type of stacks from text.

use crate::addr::{At, MemoryAddr, PeerAddr, Source, TcpAddr, UdpAddr};
use crate::filter::Keyed;
use crate::identity::PeerId;
use crate::mux::Channel;
use crate::uvarint::{self, Uvarint};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
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
/// | `192.0.2.1:7000` | a UDP socket, or a place on TCP |
/// | `[2001:db8::1]:7000,192.0.2.1:7000` | several places on TCP that lead to one node |
/// | `7` | a node in memory |
/// | `<peer id>@<address>` | a peer of a secured swarm |
/// | `<label>://<address>` | a channel of a multiplexer, a transport |
///
/// Two of equal text are equal, whether or not they share memory; the layers see to it that
/// those of peers who are heard often do.
#[derive(Clone)]
pub enum AnyAddr {
    /// Of a UDP socket; also of a node on TCP that has one place.
    Udp(UdpAddr),
    /// Of a node on TCP that has several places.
    Tcp(Arc<TcpAddr>),
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
            Self::Udp(_) | Self::Tcp(_) | Self::Memory(_) => None,
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
                Self::Tcp(addr) => return spot ^ addr.places().len(),
                Self::Memory(MemoryAddr(number)) => return spot ^ *number as usize,
                Self::Peer(peer) => return spot ^ spot_of(&peer.id),
                Self::At(at) => {
                    spot = spot.rotate_left(3) ^ at.key.spot();
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
            (Self::Tcp(a), Self::Tcp(b)) => a == b,
            (Self::Memory(a), Self::Memory(b)) => a == b,
            (Self::Peer(a), Self::Peer(b)) => Arc::ptr_eq(a, b) || a == b,
            (Self::At(a), Self::At(b)) => Arc::ptr_eq(a, b) || a == b,
            (Self::Udp(_) | Self::Tcp(_) | Self::Memory(_) | Self::Peer(_) | Self::At(_), _) => {
                false
            }
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
            Self::Tcp(_) => 4,
        };
        match (self, other) {
            (Self::Udp(a), Self::Udp(b)) => a.cmp(b),
            (Self::Tcp(a), Self::Tcp(b)) => a.cmp(b),
            (Self::Memory(a), Self::Memory(b)) => a.cmp(b),
            (Self::Peer(a), Self::Peer(b)) if Arc::ptr_eq(a, b) => Ordering::Equal,
            (Self::Peer(a), Self::Peer(b)) => a.cmp(b),
            (Self::At(a), Self::At(b)) if Arc::ptr_eq(a, b) => Ordering::Equal,
            (Self::At(a), Self::At(b)) => a.cmp(b),
            (Self::Udp(_) | Self::Tcp(_) | Self::Memory(_) | Self::Peer(_) | Self::At(_), _) => {
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
            Self::Tcp(addr) => addr.hash(state),
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
            Self::Tcp(addr) => addr.network(),
            Self::Memory(addr) => addr.network(),
            Self::Peer(peer) => peer.network(),
            Self::At(at) => at.network(),
        }
    }

    fn carrier(&self) -> Option<UdpAddr> {
        match self {
            Self::Udp(addr) => addr.carrier(),
            Self::Tcp(addr) => addr.carrier(),
            Self::Memory(addr) => addr.carrier(),
            Self::Peer(peer) => peer.carrier(),
            Self::At(at) => at.carrier(),
        }
    }
}

impl Keyed for AnyAddr {
    fn key(&self) -> Option<&PeerId> {
        match self {
            Self::Udp(_) | Self::Tcp(_) | Self::Memory(_) => None,
            Self::Peer(peer) => Some(&peer.id),
            Self::At(at) => at.addr.key(),
        }
    }
}

impl fmt::Display for AnyAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(addr) => addr.fmt(f),
            Self::Tcp(addr) => fmt::Display::fmt(addr, f),
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
            Err(_) => match rest.parse() {
                Ok(addr) => Self::Udp(addr),
                // One place was read just now, in each of its forms.
                Err(_) => Self::Tcp(Arc::new(rest.parse().map_err(|_| AnyAddrError::Bottom)?)),
            },
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

/// The most bytes of a [`Label`].
const LABEL: usize = 31;

/// What a channel is called in an address: one to 31 letters, digits, `.`, `_`, `+`, `-`.
///
/// It is copied, not shared: counting who shares it would cost more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    // Zeros behind, so that labels are ordered as their texts are.
    bytes: [u8; LABEL],
    len: u8,
}

impl Label {
    /// The label as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII gets in.
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The first byte, and how many there are: where to look for it first.
    pub(super) const fn spot(&self) -> usize {
        self.bytes[0] as usize ^ self.len as usize
    }

    /// The label of these bytes, whatever they are.
    fn copy(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; LABEL];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self { bytes, len: text.len() as u8 })
    }

    /// The label at the front of a message, and the header's length.
    fn split(message: &[u8]) -> Option<(Result<Self, LabelError>, usize)> {
        let (len, prefix) = uvarint::read(message)?;
        let end = prefix.checked_add(usize::try_from(len).ok()?)?;
        let text = message.get(prefix..end)?;
        Some((Self::checked(text), end))
    }

    fn checked(text: &[u8]) -> Result<Self, LabelError> {
        let inner = |byte: &u8| byte.is_ascii_alphanumeric() || b"._+-".contains(byte);
        if text.is_empty() || !text.iter().all(inner) {
            return Err(LabelError);
        }
        Self::copy(text).ok_or(LabelError)
    }
}

impl FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        Self::checked(text.as_bytes())
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

/// On the wire as a [`Name`](crate::mux::Name) is.
impl Channel for Label {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(Uvarint::new(self.len.into()).as_bytes());
        out.extend_from_slice(self.as_bytes());
    }

    fn read(message: &[u8]) -> Option<(Self, usize)> {
        let (label, len) = Self::split(message)?;
        Some((label.ok()?, len))
    }

    // What is no label is no channel here, yet no malformed message either.
    fn find<'a, T>(index: &'a BTreeMap<Self, T>, message: &[u8]) -> Option<(Option<&'a T>, usize)> {
        let (label, len) = Self::split(message)?;
        Some((label.ok().and_then(|label| index.get(&label)), len))
    }
}

/// A text is not a [`Label`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelError;

impl fmt::Display for LabelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a label: one to 31 letters, digits, ., _, + or -")
    }
}

impl Error for LabelError {}
