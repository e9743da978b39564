//! The fuzz targets for a moment each, on stable: on noise, and on good inputs bent a little.
//!
//! A failure prints the input, shrunk, and the seed; for longer runs see `tests/fuzz/Cargo.toml`.

use proptest::prelude::*;
use tellask::identity::{KeyFormat, SecretKey};
use tellask::p2pke::{Tai64n, session::Initiation};
use tellask::time::UnixTime;
use tellask::{Instant, Seed};
use tellask_tests::fuzz;

/// Inputs that some target takes, so that bending them reaches behind its first check.
fn good() -> Vec<Vec<u8>> {
    let mut rng = Seed::from_u64(5).rng("fuzz");
    let key = SecretKey::generate(&mut rng);
    let file =
        |format| key.write(format, None, &mut Seed::from_u64(6).rng("salt")).expect("written");
    let date = Tai64n::from_unix(UnixTime::new(1_800_000_000, 0));
    let (_, hello) = Initiation::start(&key, rng.bytes(), date, Instant::ZERO);
    let mut framed = u16::try_from(hello.len()).expect("short").to_be_bytes().to_vec();
    framed.extend_from_slice(&hello);
    vec![
        b"[2001:db8::1%3]:7000".to_vec(),
        format!("9://{}@127.0.0.1:80", key.id()).into_bytes(),
        format!("{0}@{0}@17", key.id()).into_bytes(),
        file(KeyFormat::Pkcs8).as_bytes().to_vec(),
        file(KeyFormat::OpenSsh).as_bytes().to_vec(),
        key.public().to_spki().to_vec(),
        hello.to_vec(),
        framed.repeat(3),
        // Three sources' first fragments of three, then the others.
        (0..9_u8).flat_map(|n| [0, 8, 5, n / 3, 3, 1, 2, 3, 4, 5]).collect(),
        b"\x0aa channel of a name and a message".to_vec(),
        vec![0; 64],
        // The first packets of SSH.
        b"\x07SSH-2.0-somebody\r\n\0\0\0\x0c\x0a\x14".to_vec(),
        [
            b"\xffSSH-2.0-somebody\r\n\0\0\x01\xfc\x06\x14".as_slice(),
            &[0; 16],
            &[0, 0, 0, 17],
            b"curve25519-sha256",
        ]
        .concat(),
    ]
}

/// A good input with some bytes replaced, cut short or run into another.
fn bent() -> impl Strategy<Value = Vec<u8>> {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    let good = || prop::sample::select(good());
    (good(), good(), edits, any::<prop::sample::Index>(), 0..4_u8).prop_map(
        |(mut input, other, edits, cut, how)| {
            for (place, byte) in edits {
                let place = place.index(input.len());
                input[place] = byte;
            }
            match how {
                0 => input.truncate(cut.index(input.len() + 1)),
                1 => input.extend_from_slice(&other[cut.index(other.len())..]),
                _ => {}
            }
            input
        },
    )
}

fn run(inputs: impl Strategy<Value = Vec<u8>>) {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let ran = runner.run(&inputs, |input| {
        for (name, target) in fuzz::TARGETS {
            std::panic::catch_unwind(|| target(&input))
                .map_err(|_| TestCaseError::fail(format!("target {name} panicked")))?;
        }
        Ok(())
    });
    if let Err(failure) = ran {
        panic!("{failure}");
    }
}

#[test]
fn every_target_survives_noise() {
    run(prop::collection::vec(any::<u8>(), 0..600));
}

#[test]
fn every_target_survives_good_inputs_bent() {
    run(bent());
}

#[test]
fn good_inputs_are_good() {
    let taken = |input: &Vec<u8>| {
        let text = core::str::from_utf8(input).unwrap_or_default();
        text.parse::<tellask::UdpAddr>().is_ok()
            || text.parse::<tellask::PeerAddr<tellask::PeerAddr<tellask::MemoryAddr>>>().is_ok()
            || SecretKey::read(input, None, None).is_ok()
            || tellask::identity::PublicKey::from_spki(input).is_ok()
            || tellask::p2pke::session::Hello::parse(input)
                .is_ok_and(|hello| hello.verify().is_ok())
    };
    assert!(good().iter().filter(|input| taken(input)).count() >= 6);
}

#[test]
fn an_attacker_who_does_nothing_hinders_nobody_and_one_who_does_a_little_not_for_long() {
    let idle = fuzz::tampered(&[0; 400]);
    assert!(idle > 300, "{idle} messages in some 400 datagrams");
    let busy: Vec<u8> =
        (0..400).map(|deed| if deed % 5 == 0 { deed as u8 % 8 } else { 0 }).collect();
    let heard = fuzz::tampered(&busy);
    assert!(heard > 100, "{heard} messages in some 400 datagrams");
}

#[test]
fn asks_are_answered_by_whoever_the_attacker_leaves_alone_and_most_where_it_does_a_little() {
    let idle = fuzz::asked(&[9; 400]);
    assert!(idle > 80, "{idle} answers in some 400 datagrams");
    let busy: Vec<u8> =
        (0..400).map(|deed| if deed % 5 == 0 { deed as u8 % 9 } else { 9 }).collect();
    let answered = fuzz::asked(&busy);
    assert!(answered > 40, "{answered} answers in some 400 datagrams");
}
