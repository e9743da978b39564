//! Transcripts recorded from the other implementation, byte for byte.

use bytes::BytesMut;
use serde_json::Value;
use tellask::identity::SecretKey;
use tellask::p2pke::session::{Hello, Initiation, Session};
use tellask::p2pke::{Tai64n, presignature};
use tellask::time::{Instant, UnixTime};
use tellask_tests::{entries, hex};

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no text {name} in {value}"))
}

fn bytes(value: &Value, name: &str) -> Vec<u8> {
    hex(text(value, name))
}

fn array<const N: usize>(value: &Value, name: &str) -> [u8; N] {
    bytes(value, name).try_into().unwrap_or_else(|_| panic!("{name} is not {N} bytes"))
}

fn date(value: &Value) -> Tai64n {
    let secs = value["unix_seconds"].as_u64().unwrap();
    Tai64n::from_unix(UnixTime::new(secs, value["nanos"].as_u64().unwrap() as u32))
}

#[test]
fn time_stamps_are_the_recorded_ones() {
    let vectors = entries(include_str!("../vectors/tai64n.json"));
    assert!(!vectors.is_empty());
    for vector in vectors {
        let label = date(&vector);
        assert_eq!(label.to_bytes()[..], bytes(&vector, "tai64n"), "{vector}");
        assert_eq!(Tai64n::from_bytes(&label.to_bytes()), Some(label));
    }
}

#[test]
fn presignatures_are_the_recorded_ones() {
    let vectors = entries(include_str!("../vectors/presignature.json"));
    assert!(!vectors.is_empty());
    for vector in vectors {
        let made = presignature(text(&vector, "purpose").as_bytes(), &bytes(&vector, "message"));
        assert_eq!(made[..], bytes(&vector, "presignature"), "{vector}");
    }
}

#[test]
fn both_sides_of_each_transcript_make_the_recorded_bytes() {
    let vectors = entries(include_str!("../vectors/p2pke_handshake.json"));
    assert_eq!(vectors.len(), 2);
    for vector in vectors {
        let name = text(&vector, "name");
        let (mut initiator, mut responder) = replay(&vector);
        let messages = vector["data"].as_array().unwrap();
        assert!(!messages.is_empty());
        for message in messages {
            let (from, to) = match text(message, "direction") {
                "initiator_to_responder" => (&mut initiator, &mut responder),
                "responder_to_initiator" => (&mut responder, &mut initiator),
                other => panic!("direction {other}"),
            };
            let plaintext = bytes(message, "plaintext");
            let sealed = from.seal(&[&plaintext]).unwrap();
            assert_eq!(sealed, bytes(message, "message"), "{name}");
            let opened = to.open(BytesMut::from(&sealed[..])).unwrap();
            assert_eq!(opened, plaintext, "{name}");
        }
    }
}

/// Runs the handshake of a transcript through both sides and compares every message.
fn replay(vector: &Value) -> (Session, Session) {
    let now = Instant::from_nanos(1);
    let key = |name| SecretKey::from_seed(&array(vector, name));
    let (ours, theirs) = (key("initiator_ed25519_seed"), key("responder_ed25519_seed"));
    let ephemeral = array(vector, "initiator_ephemeral_x25519");
    let (initiation, hello) = Initiation::start(&ours, ephemeral, date(vector), now);
    assert_eq!(hello, bytes(vector, "init_hello"));

    let hello = Hello::parse(&hello).unwrap();
    hello.verify().unwrap();
    assert_eq!((hello.claimed(), hello.timestamp()), (ours.public(), date(vector)));
    let ephemeral = array(vector, "responder_ephemeral_x25519");
    let candidate = hello.answer(hello.id(), &theirs, ephemeral, now).unwrap();
    assert_eq!(candidate.resp_hello(), &bytes(vector, "resp_hello"));
    assert_eq!(candidate.id(), initiation.id());

    let answer = initiation.read(candidate.resp_hello()).unwrap();
    answer.verify().unwrap();
    assert_eq!(answer.claimed(), theirs.public());
    let mut initiator = answer.complete(&ours, now);
    let init_done = initiator.init_done().unwrap().clone();
    assert_eq!(init_done, bytes(vector, "init_done"));

    let sig = candidate.read(&init_done, &mut Vec::new()).unwrap();
    candidate.verify(&sig).unwrap();
    let mut responder = candidate.complete(&init_done, now);
    let resp_done = responder.resp_done().unwrap();
    assert_eq!(resp_done, bytes(vector, "resp_done"));
    initiator.finish(&resp_done).unwrap();
    responder.confirm();
    (initiator, responder)
}
