//! Which of a peer's addresses.

use super::{Multi, MultiAddr, Scheme};
use crate::addr::AtError;
use crate::filter::Keyed;
use crate::swarm::Swarm;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt::{self, Debug, Display};
use core::str::FromStr;

impl<L: Swarm> Multi<L> {
    /// The schemes that are preferred for a peer that is known at several, the first one most.
    pub fn set_preference(&mut self, schemes: impl IntoIterator<Item = Scheme>) {
        let mut preference = Vec::new();
        for scheme in schemes {
            if !preference.contains(&scheme) {
                preference.push(scheme);
            }
        }
        self.preference = preference;
    }

    /// The address to use for a peer that is known at all of these, by the rule in the [module
    /// documentation](super); `None` where none of them may be used now.
    #[must_use]
    pub fn choose<'a>(&self, addrs: &'a [MultiAddr<L::Addr>]) -> Option<&'a MultiAddr<L::Addr>>
    where
        L::Addr: Keyed,
    {
        let key = addrs.iter().find_map(Keyed::key);
        let rank = |scheme: Scheme| {
            let place = self.preference.iter().position(|preferred| *preferred == scheme);
            place.unwrap_or(self.preference.len())
        };
        let usable = addrs.iter().filter(|addr| addr.key() == key).filter(|addr| {
            let member = self.find(addr.key).and_then(|slot| self.member(slot));
            member.is_some_and(|member| !member.closed)
        });
        usable.min_by_key(|addr| rank(addr.key))
    }

    /// Reads an address from its text, and makes sure that there is a transport for it.
    ///
    /// # Errors
    /// The text is no address, or one of a scheme that no transport has; then the error lists those there are.
    pub fn parse(
        &self,
        text: &str,
    ) -> Result<MultiAddr<L::Addr>, ParseError<<L::Addr as FromStr>::Err>> {
        let addr: MultiAddr<L::Addr> = text.parse().map_err(|error| match error {
            AtError::NoKey => ParseError::NoScheme,
            AtError::Key(_) => ParseError::BadScheme,
            AtError::Addr(error) => ParseError::Addr(error),
        })?;
        if self.find(addr.key).is_none() {
            return Err(ParseError::NoTransport {
                scheme: addr.key,
                known: self.schemes().collect(),
            });
        }
        Ok(addr)
    }
}

/// Why a text is not an address of any transport.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseError<E> {
    /// There is no `://`.
    NoScheme,
    /// What stands before the `://` is not a scheme.
    BadScheme,
    /// No transport has this scheme.
    NoTransport {
        /// The scheme.
        scheme: Scheme,
        /// Those that there are.
        known: Vec<Scheme>,
    },
    /// What stands behind the `://` is not an address.
    Addr(E),
}

impl<E: Display> Display for ParseError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoScheme => f.write_str("no scheme: the address reads <scheme>://<address>"),
            Self::BadScheme => write!(f, "before the ://: {}", super::SchemeError),
            Self::NoTransport { scheme, known } if known.is_empty() => {
                write!(f, "no transport for {scheme}://, nor for anything: add one")
            }
            Self::NoTransport { scheme, known } => {
                write!(f, "no transport for {scheme}://; there is")?;
                known.iter().try_for_each(|known| write!(f, " {known}://"))
            }
            Self::Addr(error) => write!(f, "behind the ://: {error}"),
        }
    }
}

impl<E: Debug + Display> Error for ParseError<E> {}
