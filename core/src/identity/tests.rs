#[cfg(feature = "std")]
mod files;
mod formats;

use super::*;
use crate::seed::Seed;
use alloc::{format, string::ToString as _, vec::Vec};
use proptest::prelude::*;

fn hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2));
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// Seed, public key, id, text of the id: recorded from the reference implementation.
const RECORDED: [(&str, &str, &str, &str); 6] = [
    (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29",
        "594c14a82a0ea86f4310feb7104493dccca5d17c04bcf7bbd3bc5b2e5a662080",
        "LJkJe1cDe5x23Eur33HIrBm_oMk3jETvovlQA_da77-",
    ),
    (
        "0000000000000000000000000000000000000000000000000000000000000001",
        "4cb5abf6ad79fbf5abbccafcc269d85cd2651ed4b885b5869f241aedf0a5ba29",
        "4297dc7e2acdfd3e978cabff17984dee686bd0a5abd05d87e68010404c750530",
        "FdURUXfCzIuMY9jz4tWCvaWfo9Lfo4q6tc-FF3lp0I-",
    ),
    (
        "0000000000000000000000000000000000000000000000000000000000000002",
        "7422b9887598068e32c4448a949adb290d0f4e35b9e01b0ee5f1a1e600fe2674",
        "4a4899480712ae38732258c92f6bac0851472d4cee6a9b013918d31e5ecbba99",
        "HZXOH-RHfYWn7_Y8Aqig1446AJniPdg0DGYI6_vAidZ",
    ),
    (
        "0000000000000000000000000000000000000000000000000000000000000003",
        "f381626e41e7027ea431bfe3009e94bdd25a746beec468948d6c3c7c5dc9a54b",
        "347377fb8a53544d52b609aeb0e39eb74fe0f43f246906ca20d8351887677783",
        "C6CrysdIK3pHhVaigDDThozVx2wZPFQ97CVp57SbSsB",
    ),
    (
        "00000000000000000000000000000000000000000000000000000000000000ff",
        "5699a9cef870e2ff0c022b67689cc76fe05e90915c5f0143f9356ca72f4aff99",
        "7bab9bbf1073f872921122f6a58906a3d75b3475dcb3b24cd06b8d2d7c4ceae1",
        "TuiQjl0ny69H3HAqdNZ5cxSQC6MRgv8Bo5iCAMlBui3",
    ),
    (
        "0000000000000000000000000000000000000000000000000000000000010001",
        "08e8dbd508c62ab724cc3efaea1f69c2b41e2dc30142596ab7bc42ddddf14a61",
        "87b942738cfdc1928c6c9cf4d2239dd425b8fcdfd5ba6ffa5f69567ff63ef80c",
        "Wv_1RsnxkO9BQ8nooXDSp1LszCzKiazuMq_LUzNyy-k",
    ),
];

fn key(number: u64) -> SecretKey {
    SecretKey::generate(&mut Seed::from_u64(number).rng("identity"))
}

#[test]
fn keys_ids_and_texts_are_those_of_the_reference() {
    for (seed, public, id, text) in RECORDED {
        let secret = SecretKey::from_seed(&hex(seed).try_into().unwrap());
        assert_eq!(secret.public().as_bytes()[..], hex(public));
        assert_eq!(secret.id().as_bytes()[..], hex(id));
        assert_eq!(secret.id().to_string(), text);
        assert_eq!(text.parse(), Ok(secret.id()));
        assert_eq!(secret.public().peer_id(), secret.id());
        let spki = hex(&format!("302a300506032b6570032100{public}"));
        assert_eq!(secret.public().to_spki()[..], spki);
        assert_eq!(PublicKey::from_spki(&spki).unwrap(), *secret.public());
    }
}

#[test]
fn a_signature_holds_under_its_key_and_message_only() {
    let (mine, other) = (key(1), key(2));
    let signature = mine.sign(b"message");
    assert_eq!(mine.public().verify(b"message", &signature), Ok(()));
    assert_eq!(mine.public().verify(b"massage", &signature), Err(BadSignature));
    assert_eq!(other.public().verify(b"message", &signature), Err(BadSignature));
    assert_eq!(mine.public().verify(b"message", &[0; 64]), Err(BadSignature));
}

#[test]
fn a_key_of_small_order_verifies_nothing() {
    // The identity point: under it, R = 0, S = 0 satisfies the equation for every message.
    let mut bytes = [0; 32];
    bytes[0] = 1;
    let mut signature = [0; 64];
    signature[0] = 1;
    let forged = PublicKey::from_bytes(bytes).verify(b"anything", &signature);
    assert_eq!(forged, Err(BadSignature));
}

#[test]
fn spki_with_any_other_prefix_or_length_is_refused() {
    let spki = key(3).public().to_spki();
    for bit in 0..12 * 8 {
        let mut other = spki;
        other[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(PublicKey::from_spki(&other), Err(KeyError::NotSpki));
    }
    for len in 0..spki.len() {
        assert_eq!(PublicKey::from_spki(&spki[..len]), Err(KeyError::NotSpki));
    }
    let longer = [&spki[..], &[0]].concat();
    assert_eq!(PublicKey::from_spki(&longer), Err(KeyError::NotSpki));
}

#[test]
fn a_secret_key_prints_its_id_and_nothing_of_the_seed() {
    let secret = SecretKey::from_seed(&[0xa5; 32]);
    assert_eq!(format!("{secret:?}"), format!("SecretKey(of {})", secret.id()));
    assert_eq!(format!("{:?}", secret.public()), format!("PublicKey({})", secret.id()));
}

#[test]
fn an_id_of_another_length_is_refused_with_its_length() {
    let text = key(4).id().to_string();
    assert_eq!(text.len(), PeerId::TEXT_LEN);
    for len in 0..text.len() {
        let cut = text[..len].parse::<PeerId>();
        assert_eq!(cut, Err(ParsePeerIdError::Length(len)));
    }
    let padded = format!("{text}=").parse::<PeerId>();
    assert_eq!(padded, Err(ParsePeerIdError::Length(44)));
}

#[test]
fn a_character_outside_the_alphabet_is_named() {
    let text = key(5).id().to_string();
    for (at, _) in text.char_indices() {
        for wrong in ["+", "/", "=", " ", "\0", "@"] {
            let mut spoiled = text.clone();
            spoiled.replace_range(at..=at, wrong);
            let parsed = spoiled.parse::<PeerId>();
            assert_eq!(parsed, Err(ParsePeerIdError::Character(at)));
        }
    }
    // 43 bytes, but fewer characters.
    let parsed = format!("{}é", &text[..41]).parse::<PeerId>();
    assert_eq!(parsed, Err(ParsePeerIdError::Character(41)));
}

#[test]
fn spare_bits_in_the_last_character_are_refused() {
    let all: Vec<char> = ('\0'..='\x7f').collect();
    let head = "-".repeat(42);
    let ends: Vec<char> =
        all.into_iter().filter(|end| format!("{head}{end}").parse::<PeerId>().is_ok()).collect();
    assert_eq!(ends.iter().collect::<alloc::string::String>(), "-37BFJNRVZcgkosw");
    assert_eq!(format!("{head}0").parse::<PeerId>(), Err(ParsePeerIdError::SpareBits));
}

proptest! {
    #[test]
    fn an_id_comes_back_from_its_text(bytes: [u8; 32]) {
        let id = PeerId::from_bytes(bytes);
        prop_assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn texts_sort_as_their_ids(left: [u8; 32], right: [u8; 32], shared in 0..=32usize) {
        let mut right = right;
        right[..shared].copy_from_slice(&left[..shared]);
        let (left, right) = (PeerId::from_bytes(left), PeerId::from_bytes(right));
        prop_assert_eq!(left.cmp(&right), left.to_string().cmp(&right.to_string()));
    }

    #[test]
    fn what_parses_as_an_id_prints_the_same(text in "[-0-9A-Z_a-z]{43}|.{0,50}") {
        if let Ok(id) = text.parse::<PeerId>() {
            prop_assert_eq!(id.to_string(), text);
        }
    }
}
