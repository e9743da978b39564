//! Keys and ids recorded from the other implementation.

use serde_json::Value;
use tellask::identity::{KeyFormat, PeerId, PublicKey, SecretKey};
use tellask_tests::{entries, hex};

fn bytes(value: &Value, name: &str) -> Vec<u8> {
    hex(value[name].as_str().unwrap_or_else(|| panic!("no text {name} in {value}")))
}

#[test]
fn keys_and_ids_are_the_recorded_ones() {
    let vectors = entries(include_str!("../vectors/identity.json"));
    assert_eq!(vectors.len(), 6);
    for vector in vectors {
        let seed = bytes(&vector, "ed25519_seed").try_into().expect("32 bytes");
        let key = SecretKey::from_seed(&seed);
        assert_eq!(key.public().as_bytes()[..], bytes(&vector, "public_key"));
        assert_eq!(key.public().to_spki()[..], bytes(&vector, "spki_der"));
        assert_eq!(PublicKey::from_spki(&bytes(&vector, "spki_der")).as_ref(), Ok(key.public()));
        assert_eq!(key.id().as_bytes()[..], bytes(&vector, "p2pke_peer_id"));
        let text = vector["p2pke_peer_id_text"].as_str().expect("a text");
        assert_eq!(key.id().to_string(), text);
        assert_eq!(text.parse::<PeerId>(), Ok(key.id()));

        // The other implementation's key file is read where it is named, and never guessed.
        let file = bytes(&vector, "x509_private_key_der");
        let read = SecretKey::read(&file, Some(KeyFormat::GoP2p), None).expect("a key");
        assert_eq!(read.id(), key.id());
        assert!(SecretKey::read(&file, None, None).is_err());
    }
}
