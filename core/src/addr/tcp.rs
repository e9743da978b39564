//! Addresses of nodes on TCP.

use super::{AddrError, Source, network_of};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::{self, Debug, Display};
use core::net::{IpAddr, SocketAddr, SocketAddrV6};
use core::str::FromStr;

/// The address of a node on TCP: one socket address, or a few that all lead to it, as a name resolves to several.
///
/// Whoever dials it tries the [places](Self::places) as RFC 8305 has it: in their order, address families in turn,
/// the next one while the one before has not answered. Whoever listens on it listens on all of them.
///
/// Two of the same places in another order are two addresses. Of a place, an IPv4 address mapped into IPv6 is
/// that IPv4 address, and there is no flow label.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TcpAddr(Places);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Places {
    One(SocketAddr),
    // At least two, none twice.
    Several(Arc<[SocketAddr]>),
}

impl TcpAddr {
    /// Places of one address at the most.
    pub const MAX_PLACES: usize = 8;

    /// The address of what all these lead to, the preferred one first. What comes twice counts once.
    ///
    /// # Errors
    /// There is none, or more than [`MAX_PLACES`](Self::MAX_PLACES).
    pub fn several(places: impl IntoIterator<Item = SocketAddr>) -> Result<Self, AddrError> {
        let mut all = Vec::new();
        for place in places.into_iter().map(canonical) {
            if !all.contains(&place) {
                if all.len() == Self::MAX_PLACES {
                    return Err(AddrError::NotTcp);
                }
                all.push(place);
            }
        }
        match all[..] {
            [] => Err(AddrError::NotTcp),
            [one] => Ok(Self(Places::One(one))),
            [..] => Ok(Self(Places::Several(all.into()))),
        }
    }

    /// The socket addresses, at least one, the preferred one first.
    #[must_use]
    pub fn places(&self) -> &[SocketAddr] {
        match &self.0 {
            Places::One(place) => core::slice::from_ref(place),
            Places::Several(places) => places,
        }
    }
}

fn canonical(place: SocketAddr) -> SocketAddr {
    match place {
        SocketAddr::V4(_) => place,
        SocketAddr::V6(v6) => match v6.ip().to_canonical() {
            ip @ IpAddr::V4(_) => SocketAddr::new(ip, v6.port()),
            IpAddr::V6(ip) => SocketAddrV6::new(ip, v6.port(), 0, v6.scope_id()).into(),
        },
    }
}

impl From<SocketAddr> for TcpAddr {
    fn from(place: SocketAddr) -> Self {
        Self(Places::One(canonical(place)))
    }
}

impl Source for TcpAddr {
    /// That of its first place.
    fn network(&self) -> Option<u128> {
        network_of(self.places().first()?.ip())
    }
}

impl Display for TcpAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, place) in self.places().iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            write!(f, "{comma}{place}")?;
        }
        Ok(())
    }
}

impl Debug for TcpAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl FromStr for TcpAddr {
    type Err = AddrError;

    fn from_str(text: &str) -> Result<Self, AddrError> {
        let places = text.split(',').map(str::parse::<SocketAddr>);
        let places = places.collect::<Result<Vec<_>, _>>().map_err(|_| AddrError::NotTcp)?;
        let count = places.len();
        let addr = Self::several(places)?;
        // What is said twice is a mistake.
        if addr.places().len() == count { Ok(addr) } else { Err(AddrError::NotTcp) }
    }
}
