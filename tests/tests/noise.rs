//! Noise NN against the published vectors, and against `snow` in either role.

use serde_json::Value;
use tellask::p2pke::noise::{CipherState, Initiator, Responder};
use tellask_tests::{entries, hex};

const NAME: &str = "Noise_NN_25519_ChaChaPoly_BLAKE2b";

fn bytes(value: &Value, name: &str) -> Vec<u8> {
    hex(value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}")))
}

fn key(value: &Value, name: &str) -> [u8; 32] {
    bytes(value, name).try_into().unwrap()
}

#[test]
fn the_published_vectors_hold() {
    let vectors = entries(include_str!("../vectors/noise_nn.json"));
    assert!(!vectors.is_empty());
    for vector in vectors {
        let prologue = bytes(&vector, "init_prologue");
        assert_eq!(prologue, bytes(&vector, "resp_prologue"));
        let messages = vector["messages"].as_array().unwrap();
        assert!(messages.len() > 2, "no transport messages");

        let mut first = Vec::new();
        let payload = bytes(&messages[0], "payload");
        let initiator =
            Initiator::start(&prologue, key(&vector, "init_ephemeral"), &payload, &mut first);
        assert_eq!(first, bytes(&messages[0], "ciphertext"));
        let (responder, read) = Responder::read(&prologue, &first).unwrap();
        assert_eq!(read, payload);

        let mut second = Vec::new();
        let payload = bytes(&messages[1], "payload");
        let theirs =
            responder.answer(key(&vector, "resp_ephemeral"), &payload, &mut second).unwrap();
        assert_eq!(second, bytes(&messages[1], "ciphertext"));
        let mut read = Vec::new();
        let ours = initiator.read(&second, &mut read).unwrap();
        assert_eq!(read, payload);
        assert_eq!(ours.hash, theirs.hash);
        if vector["handshake_hash"].is_string() {
            assert_eq!(ours.hash[..], bytes(&vector, "handshake_hash"));
        }

        let (mut initiator_out, mut responder_out) = ours.transport();
        let (mut initiator_in, mut responder_in) = theirs.transport();
        for (index, message) in messages.iter().enumerate().skip(2) {
            let (seal, open) = if index % 2 == 0 {
                (&mut initiator_out, &mut initiator_in)
            } else {
                (&mut responder_out, &mut responder_in)
            };
            let sealed = seal.encrypt(&bytes(message, "payload")).unwrap();
            assert_eq!(sealed, bytes(message, "ciphertext"), "message {index}");
            assert_eq!(open.decrypt(&sealed).unwrap(), bytes(message, "payload"));
        }
    }
}

fn snow_party<'a>() -> snow::Builder<'a> {
    snow::Builder::new(NAME.parse().unwrap()).prologue(b"between us").unwrap()
}

/// A thousand messages each way, of lengths 0 to 999.
fn converse(snow: &mut snow::TransportState, out: &mut CipherState, into: &mut CipherState) {
    let mut buffer = vec![0; 2000];
    for number in 0..1000_usize {
        let payload = vec![number as u8; number];
        let sealed = out.encrypt(&payload).unwrap();
        let len = snow.read_message(&sealed, &mut buffer).unwrap();
        assert_eq!(buffer[..len], payload);
        let len = snow.write_message(&payload, &mut buffer).unwrap();
        assert_eq!(into.decrypt(&buffer[..len]).unwrap(), payload);
    }
}

#[test]
fn we_begin_and_snow_answers() {
    let mut snow = snow_party().build_responder().unwrap();
    let (mut hello, mut buffer) = (Vec::new(), vec![0; 500]);
    let initiator = Initiator::start(b"between us", [7; 32], b"hello", &mut hello);
    let len = snow.read_message(&hello, &mut buffer).unwrap();
    assert_eq!(&buffer[..len], b"hello");
    let len = snow.write_message(b"and to you", &mut buffer).unwrap();
    let mut answer = Vec::new();
    let split = initiator.read(&buffer[..len], &mut answer).unwrap();
    assert_eq!(answer, b"and to you");
    assert_eq!(snow.get_handshake_hash(), split.hash);
    let (mut out, mut into) = split.transport();
    converse(&mut snow.into_transport_mode().unwrap(), &mut out, &mut into);
}

#[test]
fn snow_begins_and_we_answer() {
    let mut snow = snow_party().build_initiator().unwrap();
    let mut buffer = vec![0; 500];
    let len = snow.write_message(b"hello", &mut buffer).unwrap();
    let (responder, payload) = Responder::read(b"between us", &buffer[..len]).unwrap();
    assert_eq!(payload, b"hello");
    let mut answer = Vec::new();
    let split = responder.answer([9; 32], b"and to you", &mut answer).unwrap();
    let len = snow.read_message(&answer, &mut buffer).unwrap();
    assert_eq!(&buffer[..len], b"and to you");
    assert_eq!(snow.get_handshake_hash(), split.hash);
    let (mut into, mut out) = split.transport();
    converse(&mut snow.into_transport_mode().unwrap(), &mut out, &mut into);
}

#[test]
fn a_point_of_small_order_is_refused_in_either_role() {
    let mut hello = Vec::new();
    let initiator = Initiator::start(&[], [7; 32], &[], &mut hello);
    assert!(initiator.read(&[0; 48], &mut Vec::new()).is_err());
    let (responder, _) = Responder::read(&[], &[0; 32]).unwrap();
    let mut answer = Vec::new();
    assert!(responder.answer([9; 32], &[], &mut answer).is_err());
    assert!(answer.is_empty());
}
