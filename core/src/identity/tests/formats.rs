//! Key files of other tools, and ours. The fixtures were made by OpenSSL 3.0 and OpenSSH 9.2 for
//! these tests; `rfc8410_version_2.pem` is the example of RFC 8410 section 10.3. The passphrase
//! is "correct horse".

use super::super::*;
use super::{RECORDED, hex, key};
use crate::seed::{Rng, Seed};
use alloc::{format, string::ToString as _, vec::Vec};
use proptest::prelude::*;

const OPENSSL: &[u8] = include_bytes!("../fixtures/openssl_pkcs8.pem");
const OPENSSL_PUBLIC: &[u8] = include_bytes!("../fixtures/openssl_public.pem");
const OPENSSL_ENCRYPTED: &[u8] = include_bytes!("../fixtures/openssl_encrypted.pem");
const OPENSSL_X25519: &[u8] = include_bytes!("../fixtures/openssl_x25519.pem");
const VERSION_2: &[u8] = include_bytes!("../fixtures/rfc8410_version_2.pem");
const SSH: &[u8] = include_bytes!("../fixtures/ssh_keygen");
const SSH_PUBLIC: &[u8] = include_bytes!("../fixtures/ssh_keygen.pub");

fn rng() -> Rng {
    Seed::from_u64(7).rng("formats")
}

fn read(content: &[u8]) -> Result<SecretKey, KeyError> {
    SecretKey::read(content, None, None)
}

/// The error, since a [`SecretKey`] compares with nothing.
#[track_caller]
fn refused(read: Result<SecretKey, KeyError>) -> KeyError {
    read.expect_err("this should not have been read")
}

fn pem(label: &str, der: &[u8]) -> Vec<u8> {
    pem_rfc7468::encode_string(label, pem_rfc7468::LineEnding::LF, der).unwrap().into_bytes()
}

#[test]
fn what_openssl_wrote_is_read() {
    let secret = read(OPENSSL).unwrap();
    assert_eq!(PublicKey::read(OPENSSL_PUBLIC), Ok(*secret.public()));
    assert_eq!(
        secret.public().as_bytes()[..],
        hex("7006efed37e7d6c3c39676df802feaf2053e717fc696aa5fcdb3ac46e2767548")
    );
}

#[test]
fn what_is_written_as_pkcs8_is_what_openssl_writes() {
    let secret = read(OPENSSL).unwrap();
    let written = secret.write(KeyFormat::Pkcs8, None, &mut rng()).unwrap();
    assert_eq!(written.as_bytes(), OPENSSL);
}

#[test]
fn version_2_of_pkcs8_is_read_attributes_and_all() {
    let secret = read(VERSION_2).unwrap();
    assert_eq!(
        secret.public().as_bytes()[..],
        hex("19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1")
    );
}

#[test]
fn pkcs8_whose_public_half_is_another_keys_is_refused() {
    let (mine, other) = (key(1), key(2));
    let mut der = hex("3051020101300506032b657004220420");
    der.extend_from_slice(mine.seed());
    der.extend_from_slice(&hex("812100"));
    let good = [&der[..], mine.public().as_bytes()].concat();
    let read_back = read(&pem("PRIVATE KEY", &good)).unwrap();
    assert_eq!(read_back.id(), mine.id());
    let bad = [&der[..], other.public().as_bytes()].concat();
    assert_eq!(refused(read(&pem("PRIVATE KEY", &bad))), KeyError::HalvesDiffer);
    // A public half in version 1, none in version 2.
    let mut one = good.clone();
    one[4] = 0;
    let malformed = KeyError::Malformed(KeyFormat::Pkcs8);
    assert_eq!(refused(read(&pem("PRIVATE KEY", &one))), malformed);
    let mut two = good[..48].to_vec();
    two[1] = 0x2e;
    assert_eq!(refused(read(&pem("PRIVATE KEY", &two))), malformed);
}

#[test]
fn pkcs8_with_anything_behind_it_or_cut_off_is_refused() {
    let mut der = hex("302e020100300506032b657004220420");
    der.extend_from_slice(key(1).seed());
    assert!(read(&pem("PRIVATE KEY", &der)).is_ok());
    for len in 0..der.len() {
        let _ = refused(read(&pem("PRIVATE KEY", &der[..len])));
    }
    let _ = refused(read(&pem("PRIVATE KEY", &[&der[..], &[0]].concat())));
    let text = core::str::from_utf8(OPENSSL).unwrap();
    for len in 0..text.trim_end().len() {
        let _ = refused(read(&text.as_bytes()[..len]));
    }
}

#[test]
fn line_ends_and_blank_lines_around_a_key_do_not_matter() {
    let text = core::str::from_utf8(OPENSSL).unwrap();
    for variant in [text.replace('\n', "\r\n"), format!("\n\n{text}\n\n"), text.trim_end().into()] {
        assert!(read(variant.as_bytes()).is_ok(), "{variant:?}");
    }
}

#[test]
fn keys_of_other_algorithms_are_refused_by_name() {
    for (content, error) in [
        (OPENSSL_X25519, KeyError::OtherAlgorithm),
        (OPENSSL_ENCRYPTED, KeyError::EncryptedPkcs8),
        (
            b"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n",
            KeyError::OtherAlgorithm,
        ),
        (b"ssh-rsa AAAA me", KeyError::OtherAlgorithm),
        (OPENSSL_PUBLIC, KeyError::PublicGiven),
        (SSH_PUBLIC, KeyError::PublicGiven),
        (b"", KeyError::Unrecognised),
        (b"not a key", KeyError::Unrecognised),
        (&[0xff; 100], KeyError::Unrecognised),
    ] {
        assert_eq!(refused(read(content)), error);
    }
}

#[test]
fn the_key_file_of_go_p2p_is_read_only_where_it_is_named() {
    for (seed, ..) in RECORDED {
        let file = hex(&format!("302a300506032b6570032100{seed}"));
        assert_eq!(refused(read(&file)), KeyError::PublicOrGoP2p);
        for asked in [KeyFormat::Pkcs8, KeyFormat::OpenSsh] {
            let error = refused(SecretKey::read(&file, Some(asked), None));
            assert_eq!(error, KeyError::PublicOrGoP2p);
            assert!(error.to_string().contains("name the format go-p2p"));
        }
        let secret = SecretKey::read(&file, Some(KeyFormat::GoP2p), None).unwrap();
        assert_eq!(secret.seed()[..], hex(seed));
    }
    assert_eq!(key(1).write(KeyFormat::GoP2p, None, &mut rng()), Err(WriteKeyError::ReadOnly));
}

#[test]
fn a_format_that_was_named_but_is_not_there_is_said() {
    let error = refused(SecretKey::read(OPENSSL, Some(KeyFormat::OpenSsh), None));
    assert_eq!(error, KeyError::OtherFormat { asked: KeyFormat::OpenSsh, seen: KeyFormat::Pkcs8 });
    let error = refused(SecretKey::read(SSH, Some(KeyFormat::GoP2p), None));
    assert_eq!(error, KeyError::OtherFormat { asked: KeyFormat::GoP2p, seen: KeyFormat::OpenSsh });
}

#[test]
fn pkcs8_is_not_written_with_a_passphrase() {
    assert_eq!(
        key(1).write(KeyFormat::Pkcs8, Some(b"secret"), &mut rng()),
        Err(WriteKeyError::PassphraseNeedsOpenSsh)
    );
}

#[test]
fn formats_are_named_as_they_print() {
    for format in [KeyFormat::Pkcs8, KeyFormat::OpenSsh, KeyFormat::GoP2p] {
        assert_eq!(format.to_string().parse(), Ok(format));
    }
    assert_eq!("pem".parse::<KeyFormat>(), Err(UnknownKeyFormat));
}

#[test]
fn a_public_key_is_read_from_the_line_that_ssh_keygen_wrote() {
    let public = PublicKey::read(SSH_PUBLIC).unwrap();
    assert_eq!(
        public.as_bytes()[..],
        hex("d39796e77ec030a86981d2f87e178f9bbe5a8a3bd73be276c5959fc5c8958c82")
    );
    let line = core::str::from_utf8(SSH_PUBLIC).unwrap();
    let blob = line.split(' ').nth(1).unwrap();
    assert_eq!(PublicKey::read(format!("ssh-ed25519 {blob}").as_bytes()), Ok(public));
    for spoiled in [
        "ssh-ed25519 ".into(),
        format!("ssh-ed25519 {}", &blob[..64]),
        format!("ssh-ed25519 {blob}AAAA"),
        format!("ssh-ed25519 {}", blob.replace("AAAAC3", "AAAAC4")),
        format!("{line}{line}"),
    ] {
        let read = PublicKey::read(spoiled.as_bytes());
        assert_eq!(read, Err(KeyError::MalformedPublic), "{spoiled}");
    }
}

#[test]
fn a_secret_key_is_not_taken_for_a_public_one() {
    for content in [OPENSSL, OPENSSL_ENCRYPTED, SSH] {
        assert_eq!(PublicKey::read(content), Err(KeyError::SecretGiven));
    }
}

proptest! {
    #[test]
    fn no_content_makes_a_reader_panic(content: Vec<u8>, der: Vec<u8>, format in 0..4usize) {
        let format = [None, Some(KeyFormat::Pkcs8), Some(KeyFormat::OpenSsh), Some(KeyFormat::GoP2p)][format];
        for label in ["PRIVATE KEY", "OPENSSH PRIVATE KEY", "PUBLIC KEY"] {
            let content = pem(label, &der);
            prop_assert!(SecretKey::read(&content, format, Some(b"x")).is_err());
            prop_assert!(PublicKey::read(&content).is_err());
        }
        prop_assert!(SecretKey::read(&content, format, Some(b"x")).is_err());
        prop_assert!(PublicKey::read(&content).is_err());
    }

    #[test]
    fn no_damage_to_a_key_makes_a_reader_panic(at in 0..119usize, byte: u8) {
        let mut content = OPENSSL.to_vec();
        content[at] = byte;
        // What is read in spite of it is some key; nothing can be said of which.
        let _ = read(&content);
        let mut content = SSH_PUBLIC.to_vec();
        if let Some(spoiled) = content.get_mut(at) {
            *spoiled = byte;
        }
        let _ = PublicKey::read(&content);
    }

    #[test]
    fn a_key_comes_back_from_pkcs8(seed: [u8; 32]) {
        let secret = SecretKey::from_seed(&seed);
        let written = secret.write(KeyFormat::Pkcs8, None, &mut rng()).unwrap();
        prop_assert_eq!(*read(written.as_bytes()).unwrap().seed(), seed);
    }
}

#[cfg(not(feature = "openssh"))]
#[test]
fn without_openssh_built_in_its_keys_are_refused_as_that() {
    assert_eq!(refused(read(SSH)), KeyError::OpenSshNotBuiltIn);
    assert_eq!(
        key(1).write(KeyFormat::OpenSsh, None, &mut rng()),
        Err(WriteKeyError::OpenSshNotBuiltIn)
    );
}

#[cfg(feature = "openssh")]
mod openssh {
    use super::*;

    const CTR: &[u8] = include_bytes!("../fixtures/ssh_keygen_aes256_ctr");
    const GCM: &[u8] = include_bytes!("../fixtures/ssh_keygen_aes256_gcm");
    const TRIPLE_DES: &[u8] = include_bytes!("../fixtures/ssh_keygen_3des");
    const ROUNDS: &[u8] = include_bytes!("../fixtures/ssh_keygen_1025_rounds");
    const ECDSA: &[u8] = include_bytes!("../fixtures/ssh_keygen_ecdsa");
    const ECDSA_ENCRYPTED: &[u8] = include_bytes!("../fixtures/ssh_keygen_ecdsa_encrypted");
    const CHACHA: &[u8] = include_bytes!("../fixtures/ssh_keygen_chacha20_poly1305");
    const CBC: &[u8] = include_bytes!("../fixtures/ssh_keygen_aes128_cbc");
    const PASSPHRASE: Option<&[u8]> = Some(b"correct horse");

    #[test]
    fn what_ssh_keygen_wrote_is_read() {
        let public = PublicKey::read(SSH_PUBLIC).unwrap();
        assert_eq!(*read(SSH).unwrap().public(), public);
        for encrypted in [CTR, GCM, CHACHA] {
            let secret = SecretKey::read(encrypted, None, PASSPHRASE).unwrap();
            assert_eq!(*secret.public(), public);
        }
        // Not needed, so not minded.
        assert!(SecretKey::read(SSH, None, PASSPHRASE).is_ok());
    }

    #[test]
    fn an_encrypted_key_asks_for_its_passphrase_and_for_no_other() {
        for encrypted in [CTR, GCM, CHACHA] {
            assert_eq!(refused(read(encrypted)), KeyError::PassphraseNeeded);
            for wrong in [&b"correct house"[..], b""] {
                let error = refused(SecretKey::read(encrypted, None, Some(wrong)));
                assert_eq!(error, KeyError::WrongPassphrase);
            }
        }
    }

    #[test]
    fn a_key_comes_back_from_openssh_with_and_without_a_passphrase() {
        let secret = key(11);
        for passphrase in [None, PASSPHRASE] {
            let written = secret.write(KeyFormat::OpenSsh, passphrase, &mut rng()).unwrap();
            let read = SecretKey::read(written.as_bytes(), None, passphrase).unwrap();
            assert_eq!(read.seed(), secret.seed());
            let needed = SecretKey::read(written.as_bytes(), None, None).is_err();
            assert_eq!(needed, passphrase.is_some());
        }
        assert_eq!(
            secret.write(KeyFormat::OpenSsh, Some(b""), &mut rng()),
            Err(WriteKeyError::EmptyPassphrase)
        );
    }

    #[test]
    fn openssh_keys_that_cannot_be_opened_say_why() {
        for (content, error) in [
            (ECDSA, KeyError::OtherAlgorithm),
            (ECDSA_ENCRYPTED, KeyError::OtherAlgorithm),
            (CBC, KeyError::UnsupportedCipher),
            (TRIPLE_DES, KeyError::UnsupportedCipher),
            (ROUNDS, KeyError::TooManyRounds(1025)),
        ] {
            assert_eq!(refused(SecretKey::read(content, None, PASSPHRASE)), error);
        }
    }

    #[test]
    fn openssh_whose_halves_differ_is_refused() {
        // The seed stands before the last copy of the public key; change a byte of it.
        let (label, mut bytes) = decode(SSH);
        let public = PublicKey::read(SSH_PUBLIC).unwrap();
        let at = bytes.windows(32).rposition(|window| window == public.as_bytes()).unwrap();
        bytes[at - 1] ^= 1;
        assert_eq!(refused(read(&pem70(label, &bytes))), KeyError::HalvesDiffer);
    }

    #[test]
    fn openssh_that_is_cut_off_is_refused() {
        let (label, bytes) = decode(SSH);
        assert!(read(&pem70(label, &bytes)).is_ok());
        for len in 0..bytes.len() {
            let _ = refused(read(&pem70(label, &bytes[..len])));
        }
    }

    fn decode(content: &'static [u8]) -> (&'static str, Vec<u8>) {
        let mut bytes = Vec::new();
        let mut decoder = pem_rfc7468::Decoder::new_wrapped(content.trim_ascii(), 70).unwrap();
        decoder.decode_to_end(&mut bytes).unwrap();
        (decoder.type_label(), bytes)
    }

    fn pem70(label: &str, bytes: &[u8]) -> Vec<u8> {
        let mut out = alloc::vec![0; 2 * bytes.len() + 200];
        let ending = pem_rfc7468::LineEnding::LF;
        let mut encoder = pem_rfc7468::Encoder::new_wrapped(label, 70, ending, &mut out).unwrap();
        encoder.encode(bytes).unwrap();
        let len = encoder.finish().unwrap();
        out.truncate(len);
        out
    }
}
