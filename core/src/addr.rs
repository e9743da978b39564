//! Addresses: what a swarm calls its nodes.
//!
//! Every address has a text form that reads back as the same address.
//!
//! | type | text | of |
//! |---|---|---|
//! | [`UdpAddr`] | `1.2.3.4:5`, `[::1]:5`; reads `::1:5` too | UDP sockets |
//! | [`TcpAddr`] | `1.2.3.4:5`, `[::1]:5`, several as `[::1]:5,1.2.3.4:5` | nodes on TCP |
//! | [`MemoryAddr`] | a decimal number | the in-memory swarm |
//! | [`PeerAddr`] | `<peer id>@<inner address>` | secured swarms |
//! | [`At`] | `<key>://<inner address>` | several swarms as one |

mod tcp;

pub use tcp::TcpAddr;

use crate::identity::PeerId;
use core::error::Error;
use core::fmt::{self, Debug, Display};
use core::hash::Hash;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use core::num::ParseIntError;
use core::str::FromStr;

/// What a type must do to be an address; implemented by whatever does it.
pub trait Addr: Clone + Ord + Hash + Debug + Display + FromStr<Err: Debug + Display> {}

impl<T: Clone + Ord + Hash + Debug + Display + FromStr<Err: Debug + Display>> Addr for T {}

/// How strangers who share a network are told apart from strangers who do not: half-open
/// handshakes are limited by it once there are many.
pub trait Source {
    /// The network that this address belongs to, or `None` where addresses count one by one.
    ///
    /// Public IPv4 addresses belong to their /24, public IPv6 addresses to their /64.
    fn network(&self) -> Option<u128>;

    /// The UDP address that messages to this one go to in the end, where there is one. By it the
    /// workers of a node share its peers.
    fn carrier(&self) -> Option<UdpAddr> {
        None
    }
}

/// The address of a UDP socket.
///
/// Made from text or from a `SocketAddr`, an IPv4 address mapped into IPv6 is that IPv4 address: one
/// node has one address, whatever kind of socket it was heard on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UdpAddr(pub SocketAddr);

impl Source for UdpAddr {
    fn network(&self) -> Option<u128> {
        network_of(self.0.ip())
    }

    fn carrier(&self) -> Option<UdpAddr> {
        Some(*self)
    }
}

/// The network of an IP address, or `None` where addresses count one by one.
fn network_of(ip: IpAddr) -> Option<u128> {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            if ip.is_loopback() || ip.is_private() || ip.is_link_local() {
                return None;
            }
            Some(u128::from(u32::from(ip) >> 8) | (0xffff << 64))
        }
        IpAddr::V6(ip) => {
            if ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local() {
                return None;
            }
            Some(u128::from(ip) >> 64)
        }
    }
}

impl From<SocketAddr> for UdpAddr {
    fn from(addr: SocketAddr) -> Self {
        match addr.ip().to_canonical() {
            ip @ IpAddr::V4(_) => Self(SocketAddr::new(ip, addr.port())),
            // With its scope and flow, which only an IPv6 address has.
            IpAddr::V6(_) => Self(addr),
        }
    }
}

impl Display for UdpAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.0, f)
    }
}

impl Debug for UdpAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.0, f)
    }
}

impl FromStr for UdpAddr {
    type Err = AddrError;

    fn from_str(text: &str) -> Result<Self, AddrError> {
        if let Ok(addr) = text.parse::<SocketAddr>() {
            return Ok(addr.into());
        }
        // The unbracketed form of the Go implementation: the last colon starts the port.
        let unbracketed = || {
            let (ip, port) = text.rsplit_once(':')?;
            let ip: Ipv6Addr = ip.parse().ok()?;
            Some(SocketAddr::new(IpAddr::V6(ip), decimal(port).ok()?).into())
        };
        unbracketed().ok_or(AddrError::NotUdp)
    }
}

/// The address of a node in an in-memory swarm: a number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemoryAddr(pub u32);

impl Source for MemoryAddr {
    fn network(&self) -> Option<u128> {
        None
    }
}

impl Display for MemoryAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.0, f)
    }
}

impl Debug for MemoryAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

impl FromStr for MemoryAddr {
    type Err = AddrError;

    fn from_str(text: &str) -> Result<Self, AddrError> {
        decimal(text).map(Self).map_err(|_| AddrError::NotMemory)
    }
}

/// Only what `Display` prints: no sign, no leading zeros.
fn decimal<T: FromStr<Err = ParseIntError>>(text: &str) -> Result<T, ()> {
    let canonical = text.bytes().all(|byte| byte.is_ascii_digit())
        && (text.len() == 1 || !text.starts_with('0'));
    if !canonical {
        return Err(());
    }
    text.parse().map_err(|_| ())
}

/// A peer of a secured swarm: who, and where.
///
/// That there is a value of this type proves nothing; see [`swarm`](crate::swarm).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerAddr<A> {
    /// The id of the peer's key.
    pub id: PeerId,
    /// Its address in the swarm below.
    pub addr: A,
}

impl<A: Source> Source for PeerAddr<A> {
    fn network(&self) -> Option<u128> {
        self.addr.network()
    }

    fn carrier(&self) -> Option<UdpAddr> {
        self.addr.carrier()
    }
}

impl<A: Display> Display for PeerAddr<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.id, self.addr)
    }
}

impl<A: Debug> Debug for PeerAddr<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{:?}", self.id, self.addr)
    }
}

impl<A: FromStr<Err: Display>> FromStr for PeerAddr<A> {
    type Err = PeerAddrError<A::Err>;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (id, addr) = text.split_once('@').ok_or(PeerAddrError::NoId)?;
        Ok(Self {
            id: id.parse().map_err(|_| PeerAddrError::BadId)?,
            addr: addr.parse().map_err(PeerAddrError::Addr)?,
        })
    }
}

/// An address in one of several swarms, told apart by a key: a transport's scheme, a channel's name.
///
/// The key's own text must not contain `://`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At<K, A> {
    /// Which swarm.
    pub key: K,
    /// Where in it.
    pub addr: A,
}

impl<K, A: Source> Source for At<K, A> {
    fn network(&self) -> Option<u128> {
        self.addr.network()
    }

    fn carrier(&self) -> Option<UdpAddr> {
        self.addr.carrier()
    }
}

impl<K: Display, A: Display> Display for At<K, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.key, self.addr)
    }
}

impl<K: Debug, A: Debug> Debug for At<K, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}://{:?}", self.key, self.addr)
    }
}

impl<K: FromStr<Err: Display>, A: FromStr<Err: Display>> FromStr for At<K, A> {
    type Err = AtError<K::Err, A::Err>;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (key, addr) = text.split_once("://").ok_or(AtError::NoKey)?;
        Ok(Self {
            key: key.parse().map_err(AtError::Key)?,
            addr: addr.parse().map_err(AtError::Addr)?,
        })
    }
}

/// Why a text is not the address of a bottom swarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddrError {
    /// Not the address of a UDP socket.
    NotUdp,
    /// Not the address of a node on TCP.
    NotTcp,
    /// Not the address of a node in memory.
    NotMemory,
}

impl Display for AddrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotUdp => "not an ip:port such as 192.0.2.1:7000 or [2001:db8::1]:7000",
            Self::NotTcp => {
                "not an ip:port such as 192.0.2.1:7000 or [2001:db8::1]:7000, nor up to eight different ones \
                 with commas between"
            }
            Self::NotMemory => "not a number from 0 to 4294967295",
        })
    }
}

impl Error for AddrError {}

/// Why a text is not a [`PeerAddr`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerAddrError<E> {
    /// There is no `@`.
    NoId,
    /// What stands before the `@` is not a peer id.
    BadId,
    /// What stands behind the `@` is not an address of the swarm below.
    Addr(E),
}

impl<E: Display> Display for PeerAddrError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoId => f.write_str("no peer id: a secured address reads <peer id>@<address>"),
            Self::BadId => {
                f.write_str("what stands before the @ is not a peer id of 43 characters")
            }
            Self::Addr(error) => write!(f, "behind the @: {error}"),
        }
    }
}

impl<E: Debug + Display> Error for PeerAddrError<E> {}

/// Why a text is not an [`At`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AtError<K, E> {
    /// There is no `://`.
    NoKey,
    /// What stands before the `://` is not a key.
    Key(K),
    /// What stands behind the `://` is not an address.
    Addr(E),
}

impl<K: Display, E: Display> Display for AtError<K, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKey => f.write_str("no scheme: the address reads <scheme>://<address>"),
            Self::Key(error) => write!(f, "before the ://: {error}"),
            Self::Addr(error) => write!(f, "behind the ://: {error}"),
        }
    }
}

impl<K: Debug + Display, E: Debug + Display> Error for AtError<K, E> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::PeerId;
    use proptest::prelude::*;
    use std::string::{String, ToString};

    fn round_trip<A: Addr>(addr: &A) {
        let text = addr.to_string();
        match text.parse::<A>() {
            Ok(read) => assert_eq!(&read, addr, "{text}"),
            Err(error) => panic!("{text}: {error}"),
        }
    }

    fn udp() -> impl Strategy<Value = UdpAddr> {
        let v4 = any::<([u8; 4], u16)>().prop_map(SocketAddr::from);
        let v6 = any::<([u16; 8], u16)>().prop_map(SocketAddr::from);
        prop_oneof![v4, v6].prop_map(UdpAddr::from)
    }

    proptest! {
        #[test]
        fn every_address_reads_back_as_itself(
            udp in udp(),
            number: u32,
            id: [u8; 32],
            scheme in "[a-z][a-z0-9+.-]{0,8}",
        ) {
            let id = PeerId::from_bytes(id);
            round_trip(&udp);
            round_trip(&TcpAddr::from(udp.0));
            let several = TcpAddr::several([udp.0, SocketAddr::from(([192, 0, 2, 1], number as u16))]);
            round_trip(&several.expect("one or two"));
            round_trip(&MemoryAddr(number));
            round_trip(&PeerAddr { id, addr: udp });
            round_trip(&PeerAddr { id, addr: PeerAddr { id, addr: MemoryAddr(number) } });
            round_trip(&At::<String, _> { key: scheme, addr: PeerAddr { id, addr: udp } });
        }

        #[test]
        fn no_text_makes_a_parser_panic_and_what_is_read_prints_as_something_equal(text: String) {
            if let Ok(addr) = text.parse::<UdpAddr>() {
                round_trip(&addr);
            }
            if let Ok(addr) = text.parse::<MemoryAddr>() {
                prop_assert_eq!(addr.to_string(), text.clone());
            }
            if let Ok(addr) = text.parse::<TcpAddr>() {
                round_trip(&addr);
            }
            let _ = text.parse::<PeerAddr<UdpAddr>>();
            let _ = text.parse::<At<String, MemoryAddr>>();
        }
    }

    #[test]
    fn ipv6_is_read_with_and_without_brackets_and_printed_with_them() {
        for text in ["[::1]:5", "::1:5"] {
            assert_eq!(text.parse::<UdpAddr>().map(|addr| addr.to_string()), Ok("[::1]:5".into()));
        }
        assert_eq!("::1".parse::<UdpAddr>(), Err(AddrError::NotUdp), "there is no port");
        assert_eq!(
            "[::ffff:1.2.3.4]:5".parse(),
            Ok::<UdpAddr, AddrError>(UdpAddr(([1, 2, 3, 4], 5).into()))
        );
    }

    #[test]
    fn an_address_on_tcp_is_one_to_eight_different_places() {
        let places = |text: &str| text.parse().map(|addr: TcpAddr| addr.places().len());
        assert_eq!(places("1.2.3.4:5"), Ok(1));
        assert_eq!(places("[::1]:5,1.2.3.4:5"), Ok(2));
        let eight =
            "1.1.1.1:1,1.1.1.1:2,1.1.1.1:3,1.1.1.1:4,1.1.1.1:5,1.1.1.1:6,1.1.1.1:7,1.1.1.1:8";
        assert_eq!(places(eight), Ok(8));
        for text in ["", ",", "1.2.3.4:5,", "1.2.3.4", "1.2.3.4:5,1.2.3.4:5", "1.2.3.4:5, [::1]:5"]
        {
            assert_eq!(places(text), Err(AddrError::NotTcp), "{text}");
        }
        assert_eq!(places(&std::format!("{eight},1.1.1.1:9")), Err(AddrError::NotTcp));
        let one = SocketAddr::from(([1, 2, 3, 4], 5));
        let mapped = "[::ffff:1.2.3.4]:5".parse().expect("an address");
        assert_eq!(TcpAddr::several([one, mapped]), Ok(one.into()), "one place in two forms");
        assert_eq!(TcpAddr::several([]), Err(AddrError::NotTcp));
    }

    #[test]
    fn wrong_texts_are_told_what_is_wrong() {
        for text in ["", "1.2.3.4", "1.2.3.4:99999", "host:5", "[::1]", "1.2.3.4:+5", "::1:05"] {
            assert_eq!(text.parse::<UdpAddr>(), Err(AddrError::NotUdp), "{text}");
        }
        for text in ["", "-1", "+1", "01", "4294967296", "x"] {
            assert_eq!(text.parse::<MemoryAddr>(), Err(AddrError::NotMemory), "{text}");
        }
        type Peer = PeerAddr<MemoryAddr>;
        assert_eq!("5".parse::<Peer>(), Err(PeerAddrError::NoId));
        assert_eq!("abc@5".parse::<Peer>(), Err(PeerAddrError::BadId));
        assert_eq!("5".parse::<At<String, MemoryAddr>>(), Err(AtError::NoKey));
    }

    #[test]
    fn strangers_of_one_public_network_are_told_by_it_and_private_ones_one_by_one() {
        let network = |text: &str| text.parse::<UdpAddr>().map(|addr| addr.network());
        assert_eq!(network("192.0.2.1:5"), network("192.0.2.200:6"));
        assert_ne!(network("192.0.2.1:5"), network("192.0.3.1:5"));
        assert_eq!(network("[2001:db8::1]:5"), network("[2001:db8::ffff]:6"));
        assert_ne!(network("[2001:db8::1]:5"), network("[2001:db8:0:1::1]:5"));
        for private in ["127.0.0.1:5", "10.0.0.1:5", "[::1]:5", "[fd00::1]:5", "[fe80::1]:5"] {
            assert_eq!(network(private), Ok(None), "{private}");
        }
    }
}
