//! X25519MLKEM768 (0x11ec, draft-ietf-tls-ecdhe-mlkem): ML-KEM-768 and X25519 side by side, with secrets from what was lent.
//!
//! | what | bytes |
//! |---|---|
//! | the dialler's share | public key of ML-KEM (1,184), public key of X25519 (32) |
//! | the other's share | ciphertext of ML-KEM (1,088), public key of X25519 (32) |
//! | the secret | that of ML-KEM (32), that of X25519 (32) |
//!
//! A share of another length, a public key of ML-KEM that is over the modulus, and a point of small order are refused.

use super::random::{INVALID, Lent, X25519};
use crate::crypto::ml_kem::{CIPHERTEXT_LEN, MlKemSecret, PUBLIC_LEN, SEED_LEN, encapsulate};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use rustls::crypto::{
    ActiveKeyExchange, CompletedKeyExchange, SecureRandom as _, SharedSecret, SupportedKxGroup,
};
use rustls::{Error, NamedGroup};
use zeroize::Zeroizing;

/// The group.
#[derive(Debug)]
pub(super) struct X25519MlKem768;

impl SupportedKxGroup for X25519MlKem768 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let mut seed = Zeroizing::new([0; SEED_LEN]);
        Lent.fill(&mut *seed)?;
        let kem = MlKemSecret::from_seed(&seed);
        let classical = X25519.start()?;
        let public = [&kem.public()[..], classical.pub_key()].concat();
        Ok(Box::new(Share { kem, classical, public }))
    }

    fn start_and_complete(&self, theirs: &[u8]) -> Result<CompletedKeyExchange, Error> {
        let (kem, classical) = theirs.split_first_chunk::<PUBLIC_LEN>().ok_or(INVALID)?;
        let classical = X25519.start_and_complete(classical)?;
        let mut random = Zeroizing::new([0; 32]);
        Lent.fill(&mut *random)?;
        let (ciphertext, shared) = encapsulate(kem, &random).map_err(|_| INVALID)?;
        Ok(CompletedKeyExchange {
            group: self.name(),
            pub_key: [&ciphertext[..], &classical.pub_key].concat(),
            secret: joined(&shared, &classical.secret),
        })
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }

    fn ffdhe_group(&self) -> Option<rustls::ffdhe_groups::FfdheGroup<'static>> {
        None
    }

    fn usable_for_version(&self, version: rustls::ProtocolVersion) -> bool {
        version == rustls::ProtocolVersion::TLSv1_3
    }
}

/// rustls wipes what it is given.
fn joined(kem: &[u8; 32], classical: &SharedSecret) -> SharedSecret {
    SharedSecret::from([kem, classical.secret_bytes()].concat())
}

/// Our half of a key exchange.
struct Share {
    kem: MlKemSecret,
    classical: Box<dyn ActiveKeyExchange>,
    public: Vec<u8>,
}

impl ActiveKeyExchange for Share {
    fn complete(self: Box<Self>, theirs: &[u8]) -> Result<SharedSecret, Error> {
        let (kem, classical) = theirs.split_first_chunk::<CIPHERTEXT_LEN>().ok_or(INVALID)?;
        let classical = self.classical.complete(classical)?;
        Ok(joined(&self.kem.decapsulate(kem), &classical))
    }

    /// The other side may take X25519 alone.
    fn hybrid_component(&self) -> Option<(NamedGroup, &[u8])> {
        Some((self.classical.group(), self.classical.pub_key()))
    }

    fn complete_hybrid_component(self: Box<Self>, theirs: &[u8]) -> Result<SharedSecret, Error> {
        self.classical.complete(theirs)
    }

    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Share(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::Lender;
    use super::*;
    use crate::seed::Seed;

    fn lender(seed: u64) -> Lender {
        Lender::new(Seed::from_u64(seed).rng("test"))
    }

    #[test]
    fn both_halves_agree_and_draw_nothing_but_what_was_lent() {
        let run = || {
            let (mut ours, mut theirs) = (lender(1), lender(2));
            let share = ours.lend(|| X25519MlKem768.start()).unwrap();
            let public = share.pub_key().to_vec();
            let done = theirs.lend(|| X25519MlKem768.start_and_complete(&public)).unwrap();
            let shared = share.complete(&done.pub_key).unwrap();
            assert_eq!(shared.secret_bytes(), done.secret.secret_bytes());
            (public, done.pub_key, shared.secret_bytes().to_vec())
        };
        let (public, answer, shared) = run();
        assert_eq!((public.len(), answer.len(), shared.len()), (1_216, 1_120, 64));
        assert!(run() == (public, answer, shared), "the same draws gave other bytes");
        assert!(X25519MlKem768.start().is_err(), "nothing was lent");
    }

    #[test]
    fn the_other_side_may_take_x25519_alone() {
        let mut lender = lender(1);
        let share = lender.lend(|| X25519MlKem768.start()).unwrap();
        let (group, public) = share.hybrid_component().unwrap();
        assert_eq!(group, NamedGroup::X25519);
        let done = lender.lend(|| X25519.start_and_complete(public)).unwrap();
        let shared = share.complete_hybrid_component(&done.pub_key).unwrap();
        assert_eq!(shared.secret_bytes(), done.secret.secret_bytes());
    }

    #[test]
    fn shares_that_are_none_are_refused() {
        let mut lender = lender(1);
        lender.lend(|| {
            let share = X25519MlKem768.start().unwrap().pub_key().to_vec();
            let refused = |share: &[u8]| X25519MlKem768.start_and_complete(share).is_err();
            assert!(!refused(&share));
            assert!(refused(&share[1..]) && refused(&[&share[..], &[0]].concat()) && refused(&[]));
            // Over the modulus, and of small order.
            assert!(refused(&[&[0xff; PUBLIC_LEN], &share[PUBLIC_LEN..]].concat()));
            assert!(refused(&[&share[..PUBLIC_LEN], &[0; 32]].concat()));
            let answer = X25519MlKem768.start_and_complete(&share).unwrap().pub_key;
            for bad in [&answer[1..], &[&answer[..CIPHERTEXT_LEN], &[0; 32]].concat(), &[]] {
                assert!(X25519MlKem768.start().unwrap().complete(bad).is_err());
            }
        });
    }
}
