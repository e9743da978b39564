//! Addresses as people write them.
//!
//! | text | is |
//! |---|---|
//! | `bob` | a name from the `peers` file |
//! | `<peer id>@192.0.2.1:7000`, `<peer id>@[2001:db8::1]:7000` | a peer at a socket address |
//! | `<peer id>@example.net:7000` | a peer at a host, which is looked up when it is dialled |

use crate::failure::Failure;
use std::fmt::{self, Display};
use std::net::SocketAddr;
use std::str::FromStr;
use tellask::identity::PeerId;
use tellask::{PeerAddr, UdpAddr};

/// A peer that is to be dialled: its address, or the name it has in the `peers` file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Name(Name),
    At(Peer),
}

/// A peer that is to be let in: its id, or the name it has in the `peers` file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Name(Name),
    Id(PeerId),
}

/// A peer and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) id: PeerId,
    pub(crate) place: Place,
}

/// A socket address, or a host and a port that lead to some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Socket(SocketAddr),
    Host { name: String, port: u16 },
}

/// What a channel is called.
pub(crate) type Channel = tellask::mux::Name;

/// Most bytes of a channel's name: each message has them in front.
const MAX_CHANNEL: usize = 64;

/// The channel that a text names.
pub(crate) fn channel(text: &str) -> Result<Channel, String> {
    if text.len() > MAX_CHANNEL {
        return Err(format!("a channel's name has at most {MAX_CHANNEL} bytes"));
    }
    if text.contains("://") || text.chars().any(char::is_control) {
        return Err("a channel's name has no control characters and no `://`".into());
    }
    Ok(text.into())
}

/// A name that a user gives to a peer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name(String);

impl Name {
    /// Fewer characters than a peer id has, so that no text is both.
    const MAX_LEN: usize = 40;

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Place {
    pub(crate) const fn port(&self) -> u16 {
        match self {
            Self::Socket(addr) => addr.port(),
            Self::Host { port, .. } => *port,
        }
    }

    /// The socket addresses that the place leads to, in the order of the resolver, at least one.
    pub(crate) async fn resolve(&self) -> Result<Vec<SocketAddr>, Failure> {
        let (name, port) = match self {
            Self::Socket(addr) => return Ok(vec![*addr]),
            Self::Host { name, port } => (name, *port),
        };
        let found: Vec<_> = tokio::net::lookup_host((name.as_str(), port))
            .await
            .map_err(|_| {
                Failure::bad_input(format!(
                    "no address is known for the host {name}: check its spelling, or give its ip"
                ))
            })?
            .collect();
        if found.is_empty() {
            return Err(Failure::bad_input(format!("the host {name} has no address")));
        }
        Ok(found)
    }
}

impl Peer {
    /// The peer's addresses for a node, at most one of each family, at least one.
    pub(crate) async fn resolve(&self) -> Result<Vec<PeerAddr<UdpAddr>>, Failure> {
        let mut addrs = self.place.resolve().await?;
        let first_v4 = addrs.iter().position(SocketAddr::is_ipv4);
        let first_v6 = addrs.iter().position(SocketAddr::is_ipv6);
        let mut at = 0;
        addrs.retain(|_| {
            let keep = Some(at) == first_v4 || Some(at) == first_v6;
            at += 1;
            keep
        });
        Ok(addrs.into_iter().map(|addr| PeerAddr { id: self.id, addr: UdpAddr(addr) }).collect())
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(UdpAddr(addr)) = text.parse() {
            return Ok(Self::Socket(addr));
        }
        let form = "an address reads <ip or host name>:<port>, such as 192.0.2.1:7000";
        let (name, port) =
            text.rsplit_once(':').ok_or_else(|| format!("`{text}` has no port: {form}"))?;
        let letter = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > 253 || !name.chars().all(letter) {
            return Err(format!("`{name}` is neither an ip nor a host name: {form}"));
        }
        let digits = port.bytes().all(|digit| digit.is_ascii_digit());
        let port = port.parse().ok().filter(|_| digits);
        let port = port.ok_or("a port is a number from 0 to 65535")?;
        Ok(Self::Host { name: name.into(), port })
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(addr) => addr.fmt(f),
            Self::Host { name, port } => write!(f, "{name}:{port}"),
        }
    }
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (id, place) = text.split_once('@').ok_or(
            "no peer id: an address reads <peer id>@<host>:<port>, as `tellask listen` prints it",
        )?;
        if let Some((scheme, _)) = id.split_once("://") {
            return Err(format!(
                "an address has no scheme: leave out `{scheme}://`, it reads <peer id>@<host>:<port>"
            ));
        }
        let id = id.parse().map_err(|error| format!("before the @: {error}"))?;
        let place: Place = place.parse().map_err(|error| format!("behind the @: {error}"))?;
        if place.port() == 0 {
            return Err(
                "nobody listens on port 0: give the port that `tellask listen` prints".into()
            );
        }
        Ok(Self { id, place })
    }
}

impl Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.id, self.place)
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let letter = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        if text.is_empty() || !text.chars().all(letter) || text.starts_with(['-', '.']) {
            return Err(format!(
                "`{text}` is no name: a name has letters, digits, `-`, `_` and `.`, and does not begin with `-` or `.`"
            ));
        }
        if text.chars().count() > Self::MAX_LEN {
            return Err(format!("a name has at most {} characters", Self::MAX_LEN));
        }
        Ok(Self(text.into()))
    }
}

impl Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains('@') {
            return text.parse().map(Self::At);
        }
        text.parse().map(Self::Name).map_err(|_| {
            format!(
                "`{text}` is neither a name nor an address, which reads <peer id>@<host>:<port>"
            )
        })
    }
}

impl FromStr for Who {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((id, _)) = text.split_once('@') {
            return id.parse().map(Self::Id).map_err(|error| format!("before the @: {error}"));
        }
        match text.parse() {
            Ok(name) => Ok(Self::Name(name)),
            Err(_) => text.parse().map(Self::Id).map_err(|error| {
                format!("`{text}` is neither the name of a peer nor an id: {error}")
            }),
        }
    }
}

#[cfg(test)]
mod tests;
