//! Known answers, and what must not open.

use super::*;
use alloc::vec::Vec;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

const CIPHERS: [PacketCipher; 3] =
    [PacketCipher::ChaCha20Poly1305, PacketCipher::Aes128Gcm, PacketCipher::Aes256Gcm];

fn key(cipher: PacketCipher) -> PacketKey {
    let key: Vec<u8> = (0..cipher.key_len() as u8).collect();
    PacketKey::new(cipher, &key, &[7; 12]).expect("it has the right length")
}

#[test]
fn gcm_gives_the_known_answers_of_its_specification() {
    // McGrew and Viega, test cases 2 and 14: zeroes.
    let cases = [
        (16, "0388dace60b6a392f328c2b971b2fe78", "ab6e47d42cec13bdf53a67b21257bddf"),
        (32, "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919"),
    ];
    for (len, ciphertext, tag) in cases {
        let key = backend::AesGcm::new(&[0; 32][..len]).expect("it has the right length");
        let mut text = [0; 16];
        assert_eq!(key.seal([0; 12], &[], &mut text), hex(tag)[..], "AES-{}", len * 8);
        assert_eq!(text, hex(ciphertext)[..]);
        let tag: [u8; 16] = hex(tag).try_into().expect("16 bytes");
        assert_eq!(key.open([0; 12], &[], &mut text, &tag), Ok(()));
        assert_eq!(text, [0; 16]);
    }
    // Test case 4, with additional data.
    let key = backend::AesGcm::new(&hex("feffe9928665731c6d6a8f9467308308")).expect("16 bytes");
    let mut text = hex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
         1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
    let nonce: [u8; 12] = hex("cafebabefacedbaddecaf888").try_into().expect("12 bytes");
    let ad = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
    assert_eq!(key.seal(nonce, &ad, &mut text), hex("5bc94fbc3221a5db94fae95ae7121a47")[..]);
    assert_eq!(
        text,
        hex("42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e\
             21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091")
    );
}

/// Both halves are the legacy ChaCha20 with a sequence number of 64 bits, whose first block without a nonce is known
/// (draft-strombergson-chacha-test-vectors-01, TC1, 256 bits); the length takes its first four bytes.
#[test]
fn the_length_of_a_chacha_packet_is_hidden_by_the_first_bytes_of_its_own_stream() {
    let key = PacketKey::new(PacketCipher::ChaCha20Poly1305, &[0; 64], &[0; 12]).expect("64 bytes");
    let stream = u32::from_be_bytes(hex("76b8e0ad").try_into().expect("four bytes"));
    assert_eq!(key.length(0, [0; 4]), stream);
}

#[test]
fn what_is_sealed_opens_and_is_in_its_place_only() {
    for cipher in CIPHERS {
        let (mut ours, mut theirs) = (key(cipher), key(cipher));
        for sequence in 0..3u32 {
            let mut packet = [0, 0, 0, 32].to_vec();
            packet.extend((0..32).map(|at| at ^ sequence as u8));
            let plain = packet.clone();
            let tag = ours.seal(sequence, &mut packet);
            let head = *packet.first_chunk().expect("four bytes");
            assert_eq!(theirs.length(sequence, head), 32, "{cipher:?}");
            theirs.open(sequence, &mut packet, &tag).expect("it is ours");
            assert_eq!(packet[4..], plain[4..], "{cipher:?}");
        }
        let mut packet = [0, 0, 0, 16].to_vec();
        packet.extend([1; 16]);
        let tag = ours.seal(3, &mut packet);
        for at in 0..packet.len() {
            let mut wrong = packet.clone();
            wrong[at] ^= 1;
            let mut theirs = key(cipher);
            (0..3).for_each(|_| skip(&mut theirs));
            assert_eq!(theirs.open(3, &mut wrong, &tag), Err(Rejected), "{cipher:?}: byte {at}");
        }
        let mut early = key(cipher);
        assert_eq!(early.open(2, &mut packet.clone(), &tag), Err(Rejected), "{cipher:?}");
    }
}

/// Counts one packet.
fn skip(key: &mut PacketKey) {
    if let PacketKey::Gcm { counter, .. } = key {
        *counter += 1;
    }
}

/// RFC 4253 section 7.2 by hand: the second block hashes all before it.
#[test]
fn longer_keys_go_on_from_what_is_there() {
    let (secret, exchange, session) = (b"secret", [1; 32], [2; 32]);
    let short = derive::<32>(secret, &exchange, b'C', &session);
    let long = derive::<64>(secret, &exchange, b'C', &session);
    assert_eq!(long[..32], *short);
    assert_eq!(long[32..], sha256(&[secret, &exchange, &*short]));
    assert_ne!(*derive::<32>(secret, &exchange, b'D', &session), *short);
    assert_eq!(
        sha256(&[b"a", b"bc"])[..],
        hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        "FIPS 180-4, appendix"
    );
}

#[cfg(feature = "aws-lc")]
#[test]
fn both_backends_seal_the_same() {
    use super::super::portable;
    for len in [16usize, 32, 1_200, 4_096] {
        let text: Vec<u8> = (0..len + 4).map(|at| at as u8).collect();
        let (mut a, mut b) = (text.clone(), text.clone());
        let key = core::array::from_fn(|at| at as u8);
        let tags = (
            backend::OpensshChaCha::new(&key).seal(9, &mut a),
            portable::OpensshChaCha::new(&key).seal(9, &mut b),
        );
        assert!(tags.0 == tags.1 && a == b, "ChaCha20, {len} bytes");
        assert_eq!(portable::OpensshChaCha::new(&key).open(9, &mut a, &tags.0), Ok(()));
        assert!(a[4..] == text[4..], "ChaCha20, {len} bytes");
        for key in [&key[..16], &key[..32]] {
            let (mut a, mut b) = (text.clone(), text.clone());
            let tags = (
                backend::AesGcm::new(key).expect("a key").seal([3; 12], b"ad", &mut a),
                portable::AesGcm::new(key).expect("a key").seal([3; 12], b"ad", &mut b),
            );
            assert!(tags.0 == tags.1 && a == b, "AES, {len} bytes");
            let portable = portable::AesGcm::new(key).expect("a key");
            assert_eq!(portable.open([3; 12], b"ad", &mut a, &tags.0), Ok(()));
            assert!(a == text, "AES, {len} bytes");
        }
    }
}
