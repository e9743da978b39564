//! Both backends accept exactly the same signatures and compute the same bytes.

use super::super::{Rejected, aws_lc, portable};
use crate::seed::{Rng, Seed};
use alloc::vec::Vec;
use curve25519_dalek::{
    EdwardsPoint, Scalar, constants::EIGHT_TORSION, edwards::CompressedEdwardsY,
};
use sha2::{Digest as _, Sha512};
use std::eprintln;

/// The order of the base point, little endian (RFC 8032 section 5.1).
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// What both say about a signature; they must say the same.
#[track_caller]
fn verdict(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> Result<(), Rejected> {
    let portable = portable::verify(public, message, signature);
    let fast = aws_lc::verify(public, message, signature);
    assert_eq!(
        portable, fast,
        "key {public:02x?} message {message:02x?} signature {signature:02x?}"
    );
    portable
}

fn rng(label: &str) -> Rng {
    let seed = 0x7e11_a5c0;
    eprintln!("seed {seed:#x}, generator {label}");
    Seed::from_u64(seed).rng(label)
}

fn scalar(rng: &mut Rng) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&rng.bytes())
}

fn join(r: &[u8; 32], s: &[u8; 32]) -> [u8; 64] {
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(r);
    signature[32..].copy_from_slice(s);
    signature
}

/// The signature equation's k.
fn challenge(r: &[u8; 32], public: &[u8; 32], message: &[u8]) -> Scalar {
    let hash = Sha512::new().chain_update(r).chain_update(public).chain_update(message).finalize();
    Scalar::from_bytes_mod_order_wide(&hash.into())
}

/// A signature under secret `a` for whatever `public` the verifier will hash.
fn sign_as(a: &Scalar, public: &[u8; 32], r: &Scalar, r_bytes: &[u8; 32], m: &[u8]) -> [u8; 64] {
    let s = r + challenge(r_bytes, public, m) * a;
    join(r_bytes, s.as_bytes())
}

/// Every encoding of every point whose order divides eight: eight canonical ones; the y
/// coordinates 0 and 1 written as p and p + 1; and x = 0 with its sign bit set.
fn small_order_encodings() -> Vec<[u8; 32]> {
    let mut encodings: Vec<[u8; 32]> =
        EIGHT_TORSION.iter().map(|point| point.compress().to_bytes()).collect();
    for first in [0xed, 0xee] {
        let mut bytes = [0xff; 32];
        bytes[0] = first;
        bytes[31] = 0x7f;
        encodings.push(bytes);
    }
    for at in 0..encodings.len() {
        let mut signed = encodings[at];
        signed[31] ^= 0x80;
        if !encodings.contains(&signed) {
            encodings.push(signed);
        }
    }
    // Two signs each: two y of order eight, 0, 1, −1, and 0 and 1 written again.
    assert_eq!(encodings.len(), 14);
    encodings
}

#[test]
fn both_sign_alike_and_accept_each_other() {
    let mut rng = rng("signatures");
    for len in 0..200 {
        let seed = rng.bytes();
        let mut message = alloc::vec![0; len];
        rng.fill(&mut message);
        let (slow, fast) =
            (portable::SigningKey::from_seed(&seed), aws_lc::SigningKey::from_seed(&seed));
        let public = slow.public();
        assert_eq!(public, fast.public());
        let signature = slow.sign(&message);
        assert_eq!(signature, fast.sign(&message));
        assert_eq!(verdict(&public, &message, &signature), Ok(()));
        message.push(0);
        assert_eq!(verdict(&public, &message, &signature), Err(Rejected));
    }
}

#[test]
fn both_refuse_every_flipped_bit() {
    let mut rng = rng("flips");
    for _ in 0..4 {
        let key = portable::SigningKey::from_seed(&rng.bytes());
        let (public, message) = (key.public(), rng.bytes::<40>());
        let signature = key.sign(&message);
        for bit in 0..512 {
            let mut forged = signature;
            forged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(verdict(&public, &message, &forged), Err(Rejected));
        }
        for bit in 0..256 {
            let mut other = public;
            other[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(verdict(&other, &message, &signature), Err(Rejected));
        }
        for bit in 0..320 {
            let mut other = message;
            other[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(verdict(&public, &other, &signature), Err(Rejected));
        }
    }
}

#[test]
fn both_agree_on_random_bytes() {
    let mut rng = rng("noise");
    for _ in 0..2_000 {
        let (public, mut signature) = (rng.bytes(), rng.bytes::<64>());
        // Otherwise nearly all fail for S alone.
        signature[63] &= 0x0f;
        assert_eq!(verdict(&public, b"noise", &signature), Err(Rejected));
    }
}

#[test]
fn both_refuse_s_that_is_not_reduced() {
    let mut rng = rng("order");
    for _ in 0..200 {
        let key = portable::SigningKey::from_seed(&rng.bytes());
        let message = rng.bytes::<32>();
        let mut signature = key.sign(&message);
        let mut carry = 0;
        for (byte, order) in signature[32..].iter_mut().zip(ORDER) {
            carry += u16::from(*byte) + u16::from(order);
            *byte = carry as u8;
            carry >>= 8;
        }
        assert_eq!(carry, 0);
        assert_eq!(verdict(&key.public(), &message, &signature), Err(Rejected));
    }
    // S = L itself, under a key that would make the equation hold for S = 0.
    let r = scalar(&mut rng);
    let r_bytes = EdwardsPoint::mul_base(&r).compress().to_bytes();
    for public in small_order_encodings() {
        let signature = join(&r_bytes, &ORDER);
        assert_eq!(verdict(&public, b"", &signature), Err(Rejected));
    }
}

#[test]
fn both_refuse_keys_of_small_order_where_the_equation_holds() {
    let mut rng = rng("small keys");
    for public in small_order_encodings() {
        let point = CompressedEdwardsY(public).decompress();
        let mut held = 0;
        for _ in 0..64 {
            let (r, message) = (scalar(&mut rng), rng.bytes::<8>());
            let r_bytes = EdwardsPoint::mul_base(&r).compress().to_bytes();
            let signature = join(&r_bytes, r.as_bytes());
            let k = challenge(&r_bytes, &public, &message);
            // R = S·B − k·A holds where k·A is the identity.
            held += usize::from(
                point.is_some_and(|a| (a * k).compress() == EIGHT_TORSION[0].compress()),
            );
            assert_eq!(verdict(&public, &message, &signature), Err(Rejected));
        }
        assert!(point.is_none() || held > 0, "the check was never the one to refuse");
    }
}

#[test]
fn both_refuse_nonces_of_small_order_where_the_equation_holds() {
    let mut rng = rng("small nonces");
    for r_bytes in small_order_encodings() {
        let point = CompressedEdwardsY(r_bytes).decompress();
        for _ in 0..16 {
            // R = T: S = k·a holds under the key a·B only for the identity; the
            // key a·B + T' makes it hold for the others now and then.
            let (a, message) = (scalar(&mut rng), rng.bytes::<8>());
            for torsion in EIGHT_TORSION {
                let public = (EdwardsPoint::mul_base(&a) + torsion).compress().to_bytes();
                let signature = sign_as(&a, &public, &Scalar::ZERO, &r_bytes, &message);
                assert_eq!(verdict(&public, &message, &signature), Err(Rejected));
            }
        }
        // Keys and nonces of small order at once, S zero: the classic universal forgery.
        for public in small_order_encodings() {
            let signature = join(&r_bytes, &[0; 32]);
            assert_eq!(verdict(&public, b"anything", &signature), Err(Rejected));
        }
        assert!(point.is_some() || r_bytes[31] & 0x80 != 0);
    }
}

#[test]
fn both_agree_on_keys_and_nonces_of_mixed_order() {
    let mut rng = rng("mixed order");
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..24 {
        let (a, r, message) = (scalar(&mut rng), scalar(&mut rng), rng.bytes::<16>());
        for in_key in EIGHT_TORSION {
            let public = (EdwardsPoint::mul_base(&a) + in_key).compress().to_bytes();
            for in_nonce in EIGHT_TORSION {
                let r_bytes = (EdwardsPoint::mul_base(&r) + in_nonce).compress().to_bytes();
                let signature = sign_as(&a, &public, &r, &r_bytes, &message);
                match verdict(&public, &message, &signature) {
                    Ok(()) => accepted += 1,
                    Err(Rejected) => refused += 1,
                }
            }
        }
    }
    // Accepted where the torsion cancels: one nonce in eight.
    assert!(accepted > 100 && refused > 1_000, "{accepted} {refused}");
}

#[test]
fn both_agree_on_non_canonical_keys() {
    // y = p + 2 … p + 18, that is 2 … 18 written again. Nobody knows a discrete logarithm of
    // one of these points, so no signature holds under them; neither backend may panic or
    // accept.
    let mut rng = rng("non-canonical");
    for first in 0xef..=0xff {
        for last in [0x7f, 0xff] {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (first, last);
            for _ in 0..16 {
                let (r, message) = (scalar(&mut rng), rng.bytes::<8>());
                let r_bytes = EdwardsPoint::mul_base(&r).compress().to_bytes();
                let signature = join(&r_bytes, r.as_bytes());
                assert_eq!(verdict(&bytes, &message, &signature), Err(Rejected));
                let public = portable::SigningKey::from_seed(&rng.bytes()).public();
                let signature = join(&bytes, r.as_bytes());
                assert_eq!(verdict(&public, &message, &signature), Err(Rejected));
            }
        }
    }
}

#[test]
fn both_seal_and_agree_alike() {
    let mut rng = rng("seals");
    for len in (0..300).chain([1_200, 16_384]) {
        let (key, nonce) = (rng.bytes(), rng.bytes());
        let (slow, fast) = (portable::Cipher::new(&key), aws_lc::Cipher::new(&key));
        let mut text = alloc::vec![0; len];
        rng.fill(&mut text);
        let (mut left, mut right) = (text.clone(), text.clone());
        let tag = slow.seal(nonce, b"ad", &mut left);
        assert_eq!(tag, fast.seal(nonce, b"ad", &mut right));
        assert_eq!(left, right);
        left.extend_from_slice(&tag);
        assert_eq!(fast.open(nonce, b"ad", &mut left), Ok(len));
        assert_eq!(left[..len], text);
    }
    for _ in 0..100 {
        let (secret, public) = (rng.bytes(), rng.bytes());
        assert_eq!(portable::x25519(&secret, &public), aws_lc::x25519(&secret, &public));
        assert_eq!(portable::x25519_public(&secret), aws_lc::x25519_public(&secret));
    }
}
