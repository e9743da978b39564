//! The TLS library's randomness: a node's own generator, lent for the length of a call.
//!
//! rustls takes its sources of randomness as statics, one for all nodes of a process. The statics here have none
//! of their own: they draw from whatever generator was lent to the thread that they are called in, and
//! fail where none was. So each node's draws follow from its seed, as everywhere else.

use crate::crypto::Suite;
use crate::seed::Rng;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use rustls::crypto::{
    ActiveKeyExchange, GetRandomFailed, SecureRandom, SharedSecret, SupportedKxGroup,
};
use rustls::{Error, NamedGroup, PeerMisbehaved};
use zeroize::Zeroizing;

std::thread_local! {
    static LENT: RefCell<Option<Rng>> = const { RefCell::new(None) };
}

/// A generator that the TLS library draws from while it is lent.
#[derive(Debug)]
pub(super) struct Lender(Option<Rng>);

impl Lender {
    pub(super) const fn new(rng: Rng) -> Self {
        Self(Some(rng))
    }

    /// Does some work whose randomness is this generator's.
    pub(super) fn lend<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let theirs = LENT.replace(self.0.take());
        let done = work();
        self.0 = LENT.replace(theirs);
        done
    }

    /// Draws directly.
    pub(super) fn draw<const N: usize>(&mut self) -> [u8; N] {
        self.0.as_mut().map_or([0; N], Rng::bytes)
    }
}

/// Draws from what was lent.
#[derive(Debug)]
pub(super) struct Lent;

impl SecureRandom for Lent {
    fn fill(&self, buf: &mut [u8]) -> Result<(), GetRandomFailed> {
        LENT.with_borrow_mut(|lent| {
            lent.as_mut().ok_or(GetRandomFailed)?.fill(buf);
            Ok(())
        })
    }
}

/// X25519 (RFC 8446 section 7.4.2) with secrets from what was lent.
#[derive(Debug)]
pub(super) struct X25519;

impl SupportedKxGroup for X25519 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let mut secret = Zeroizing::new([0; 32]);
        Lent.fill(&mut *secret)?;
        let public = Suite::Own.public(&secret);
        Ok(Box::new(Share { secret, public }))
    }

    fn start_and_complete(
        &self,
        theirs: &[u8],
    ) -> Result<rustls::crypto::CompletedKeyExchange, Error> {
        let mut secret = Zeroizing::new([0; 32]);
        Lent.fill(&mut *secret)?;
        let theirs = theirs.try_into().map_err(|_| INVALID)?;
        let (public, shared) = Suite::Own.answer(&secret, theirs).map_err(|_| INVALID)?;
        Ok(rustls::crypto::CompletedKeyExchange {
            group: self.name(),
            pub_key: Vec::from(public),
            secret: SharedSecret::from(&shared[..]),
        })
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }

    fn ffdhe_group(&self) -> Option<rustls::ffdhe_groups::FfdheGroup<'static>> {
        None
    }
}

pub(super) const INVALID: Error = Error::PeerMisbehaved(PeerMisbehaved::InvalidKeyShare);

/// Our half of a key exchange.
struct Share {
    secret: Zeroizing<[u8; 32]>,
    public: [u8; 32],
}

impl ActiveKeyExchange for Share {
    fn complete(self: Box<Self>, theirs: &[u8]) -> Result<SharedSecret, Error> {
        let theirs = theirs.try_into().map_err(|_| INVALID)?;
        let shared = Suite::Own.agree(&self.secret, theirs).map_err(|_| INVALID)?;
        Ok(SharedSecret::from(&shared[..]))
    }

    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Share(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn nothing_is_drawn_from_where_nothing_was_lent() {
        assert!(Lent.fill(&mut [0; 4]).is_err());
        let mut lender = Lender::new(Seed::from_u64(1).rng("test"));
        lender.lend(|| Lent.fill(&mut [0; 4])).unwrap();
        assert!(Lent.fill(&mut [0; 4]).is_err());
        assert!(X25519.start().is_err());
    }

    #[test]
    fn what_is_lent_is_one_sequence_of_draws() {
        let mut lender = Lender::new(Seed::from_u64(1).rng("test"));
        let mut drawn = [[0; 16]; 3];
        for bytes in &mut drawn {
            lender.lend(|| Lent.fill(bytes)).unwrap();
        }
        let mut rng = Seed::from_u64(1).rng("test");
        assert_eq!(drawn, [rng.bytes(), rng.bytes(), rng.bytes()]);
    }

    #[test]
    fn both_halves_of_a_key_exchange_agree_and_small_order_points_are_refused() {
        let mut lender = Lender::new(Seed::from_u64(2).rng("test"));
        let ours = lender.lend(|| X25519.start()).unwrap();
        let theirs = lender.lend(|| X25519.start_and_complete(ours.pub_key())).unwrap();
        let shared = ours.complete(&theirs.pub_key).unwrap();
        assert_eq!(shared.secret_bytes(), theirs.secret.secret_bytes());
        let again = lender.lend(|| X25519.start()).unwrap();
        assert!(again.complete(&[0; 32]).is_err());
        assert!(lender.lend(|| X25519.start_and_complete(&[0; 32])).is_err());
        assert!(lender.lend(|| X25519.start_and_complete(&[9; 31])).is_err());
    }
}
