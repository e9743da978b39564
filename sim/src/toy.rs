//! A cipher suite that hides nothing and proves nothing, and takes next to no time.
//!
//! | stands for | is |
//! |---|---|
//! | ChaCha20-Poly1305 | the text as it is, and a keyed checksum of key, counter, associated data and text |
//! | X25519 | products of odd numbers modulo 2^64 |
//! | Ed25519 | a checksum of public key and message, which everybody can make |
//! | BLAKE2b, HKDF | checksums |
//!
//! Each output is as long as what it stands for, so that a run is as with the protocol's own suite: the same events at the
//! same times, wherever no comparison of keys or hashes decides. It notices what goes wrong by mistake: another
//! key, counter, text or associated data, a bit flipped. It notices no attacker. And because the text
//! stays readable, whoever listens in on a simulated network sees which datagram carries which message.
//!
//! Refused: nothing. Only a [`SecretKey`] made with [`key`] uses it, and the builders of nodes on sockets
//! take such a key for the protocol's own.

use crate::net::{Running, STEP, mix};
use tellask::identity::{ForeignSuite, SecretKey};

/// The suite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Toy;

static TOY: Toy = Toy;

/// The key that `seed` expands to, for use with this suite. It has the id that it would have anyway.
#[must_use]
pub fn key(seed: &[u8; 32]) -> SecretKey {
    SecretKey::for_suite(seed, &TOY)
}

impl ForeignSuite for Toy {
    fn seal(&self, key: &[u8; 32], counter: u64, ad: &[u8], text: &mut [u8]) -> [u8; 16] {
        tag(key, counter, ad, text)
    }

    fn open(
        &self,
        key: &[u8; 32],
        counter: u64,
        ad: &[u8],
        text: &mut [u8],
        sealed: &[u8; 16],
    ) -> bool {
        tag(key, counter, ad, text) == *sealed
    }

    fn public(&self, secret: &[u8; 32]) -> [u8; 32] {
        // All public halves are multiples of one odd number.
        spread(STEP.wrapping_mul(exponent(secret)))
    }

    fn agree(&self, secret: &[u8; 32], public: &[u8; 32]) -> Option<[u8; 32]> {
        let other = u64::from_le_bytes(*public.first_chunk()?);
        // Any bytes are a public half, but for zero, as with the original.
        (other != 0).then(|| spread(other.wrapping_mul(exponent(secret))))
    }

    fn sign(&self, public: &[u8; 32], message: &[u8]) -> [u8; 64] {
        let mut sum = Running::new(3);
        sum.bytes(public);
        sum.bytes(message);
        stretch(sum)
    }

    fn verify(&self, public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
        self.sign(public, message) == *signature
    }

    fn hash(&self, parts: &[&[u8]]) -> [u8; 64] {
        let mut sum = Running::new(4);
        parts.iter().for_each(|part| sum.bytes(part));
        stretch(sum)
    }

    fn derive(&self, key: &[u8; 64], input: &[u8]) -> ([u8; 64], [u8; 64]) {
        let mut sum = Running::new(5);
        sum.bytes(key);
        sum.bytes(input);
        let first = stretch(sum);
        sum.word(1);
        (first, stretch(sum))
    }
}

/// An odd number, so that no product loses bits.
fn exponent(secret: &[u8; 32]) -> u64 {
    let mut sum = Running::new(1);
    sum.bytes(secret);
    mix(sum.0) | 1
}

/// A number as 32 bytes: itself, and what follows from it.
fn spread(number: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    let mut word = number;
    for chunk in bytes.as_chunks_mut::<8>().0 {
        *chunk = word.to_le_bytes();
        word = mix(word);
    }
    bytes
}

fn tag(key: &[u8; 32], counter: u64, ad: &[u8], text: &[u8]) -> [u8; 16] {
    let mut sum = Running::new(2);
    sum.bytes(key);
    sum.word(counter);
    sum.bytes(ad);
    sum.bytes(text);
    let mut tag = [0; 16];
    let (low, high) = tag.split_at_mut(8);
    low.copy_from_slice(&mix(sum.0).to_le_bytes());
    high.copy_from_slice(&mix(!sum.0).to_le_bytes());
    tag
}

/// A checksum as 64 bytes.
fn stretch(sum: Running) -> [u8; 64] {
    let mut bytes = [0; 64];
    for (nth, chunk) in bytes.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        *chunk = mix(sum.0 ^ nth as u64).to_le_bytes();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::{Toy, key};
    use tellask::identity::{ForeignSuite as _, SecretKey};

    #[test]
    fn both_sides_agree_and_nobody_else_does() {
        let (one, other, third) = ([1; 32], [2; 32], [3; 32]);
        let agreed = Toy.agree(&one, &Toy.public(&other)).unwrap();
        assert_eq!(Toy.agree(&other, &Toy.public(&one)).unwrap(), agreed);
        assert_ne!(Toy.agree(&third, &Toy.public(&one)).unwrap(), agreed);
        assert_eq!(Toy.agree(&one, &[0; 32]), None, "the one point of small order that there is");
    }

    #[test]
    fn a_tag_holds_for_its_key_counter_data_and_text_only() {
        let mut text = *b"what is said";
        let tag = Toy.seal(&[1; 32], 16, b"ad", &mut text);
        assert_eq!(&text, b"what is said", "listeners can read along");
        assert!(Toy.open(&[1; 32], 16, b"ad", &mut text, &tag));
        assert!(!Toy.open(&[2; 32], 16, b"ad", &mut text, &tag));
        assert!(!Toy.open(&[1; 32], 17, b"ad", &mut text, &tag));
        assert!(!Toy.open(&[1; 32], 16, b"AD", &mut text, &tag));
        text[3] ^= 1;
        assert!(!Toy.open(&[1; 32], 16, b"ad", &mut text, &tag));
    }

    #[test]
    fn a_key_signs_as_the_suite_does_and_keeps_its_name() {
        let (toy, own) = (key(&[5; 32]), SecretKey::from_seed(&[5; 32]));
        assert_eq!(toy.id(), own.id());
        let signature = toy.sign(b"x");
        assert!(Toy.verify(toy.public().as_bytes(), b"x", &signature));
        assert!(!Toy.verify(toy.public().as_bytes(), b"y", &signature));
        assert!(own.public().verify(b"x", &signature).is_err(), "nobody in earnest takes it");
    }

    #[test]
    fn hashes_and_keys_follow_from_all_that_went_in() {
        assert_eq!(Toy.hash(&[b"one", b"two"]), Toy.hash(&[b"one", b"two"]));
        for other in [&[&b"one"[..], b"twp"][..], &[b"onetwo"], &[b"two", b"one"], &[b"one"], &[]] {
            assert_ne!(Toy.hash(&[b"one", b"two"]), Toy.hash(other));
        }
        let (first, second) = Toy.derive(&[1; 64], b"input");
        assert_eq!((first, second), Toy.derive(&[1; 64], b"input"));
        assert_ne!(first, second);
        assert_ne!(first, Toy.derive(&[2; 64], b"input").0);
        assert_ne!(second, Toy.derive(&[1; 64], b"inpus").1);
    }

    #[test]
    fn each_bit_counts_wherever_it_is() {
        let bytes = [0x5a; 77];
        let hash = Toy.hash(&[&bytes]);
        for nth in 0..bytes.len() * 8 {
            let mut other = bytes;
            other[nth / 8] ^= 1 << (nth % 8);
            assert_ne!(Toy.hash(&[&other]), hash, "bit {nth}");
        }
        let hashes = (0..100).map(|len| Toy.hash(&[&vec![0; len]]));
        assert_eq!(hashes.collect::<std::collections::BTreeSet<_>>().len(), 100);
    }
}
