//! Time stamps, protobuf, replay window.

use crate::p2pke::proto::{InitDone, InitHello, Malformed, RespHello};
use crate::p2pke::replay::Replay;
use crate::p2pke::tai64n::Tai64n;
use crate::time::UnixTime;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::vec::Vec;

/// Days from 1970-01-01 to the first of a month, counted out.
fn days_to(year: u64, month: u64) -> u64 {
    let leap = |y: u64| y.is_multiple_of(4) && (!y.is_multiple_of(100) || y.is_multiple_of(400));
    let years: u64 = (1970..year).map(|y| if leap(y) { 366 } else { 365 }).sum();
    let lengths = [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30];
    years + lengths.iter().take(month as usize - 1).sum::<u64>()
}

fn label(secs: u64) -> u64 {
    let bytes = Tai64n::from_unix(UnixTime::new(secs, 0)).to_bytes();
    u64::from_be_bytes(bytes[..8].try_into().unwrap())
}

#[test]
fn every_leap_second_since_1972_moves_the_label_by_one() {
    let dates = [
        (1972, 7),
        (1973, 1),
        (1974, 1),
        (1975, 1),
        (1976, 1),
        (1977, 1),
        (1978, 1),
        (1979, 1),
        (1980, 1),
        (1981, 7),
        (1982, 7),
        (1983, 7),
        (1985, 7),
        (1988, 1),
        (1990, 1),
        (1991, 1),
        (1992, 7),
        (1993, 7),
        (1994, 7),
        (1996, 1),
        (1997, 7),
        (1999, 1),
        (2006, 1),
        (2009, 1),
        (2012, 7),
        (2015, 7),
        (2017, 1),
    ];
    assert_eq!(label(0), (1 << 62) + 10);
    for (index, (year, month)) in dates.into_iter().enumerate() {
        let start = days_to(year, month) * 86_400;
        let before = 10 + index as u64;
        assert_eq!(label(start - 1), (1 << 62) + start - 1 + before, "before {year}-{month}");
        assert_eq!(label(start), (1 << 62) + start + before + 1, "from {year}-{month}");
    }
    assert_eq!(label(4_000_000_000), (1 << 62) + 4_000_000_000 + 37);
}

#[test]
fn a_label_with_a_whole_second_of_nanoseconds_is_refused() {
    let mut bytes = Tai64n::from_unix(UnixTime::new(5, 999_999_999)).to_bytes();
    assert!(Tai64n::from_bytes(&bytes).is_some());
    bytes[8..].copy_from_slice(&1_000_000_000_u32.to_be_bytes());
    assert!(Tai64n::from_bytes(&bytes).is_none());
}

#[test]
fn the_next_label_is_one_nanosecond_later_to_the_very_end() {
    let label = Tai64n::from_unix(UnixTime::new(5, 999_999_999));
    let next = Tai64n::from_unix(UnixTime::new(6, 0));
    assert_eq!(label.next(), next);
    assert!(next.next() > next);
    let mut last = [0xff; 12];
    last[8..].copy_from_slice(&999_999_999_u32.to_be_bytes());
    let last = Tai64n::from_bytes(&last).unwrap();
    assert_eq!(last.next(), last);
}

const STAMP: [u8; 12] = [7; 12];
const KEY: [u8; 44] = [8; 44];
const SIG: [u8; 64] = [9; 64];

fn init_hello() -> Vec<u8> {
    let mut out = Vec::new();
    InitHello { timestamp: &STAMP, key: &KEY, sig: &SIG }.encode(&mut out);
    out
}

#[test]
fn the_three_messages_read_back() {
    let bytes = init_hello();
    let hello = InitHello { timestamp: &STAMP, key: &KEY, sig: &SIG };
    assert_eq!(InitHello::decode(&bytes), Ok(hello));
    let mut bytes = Vec::new();
    RespHello { key: &KEY, sig: &SIG }.encode(&mut bytes);
    assert_eq!(RespHello::decode(&bytes), Ok(RespHello { key: &KEY, sig: &SIG }));
    let mut bytes = Vec::new();
    InitDone { sig: &SIG }.encode(&mut bytes);
    assert_eq!(InitDone::decode(&bytes), Ok(InitDone { sig: &SIG }));
}

#[test]
fn unknown_fields_are_skipped_wherever_they_stand() {
    // Fields 5 (varint), 6 (fixed64), 7 (bytes), 8 (fixed32).
    let unknown: [&[u8]; 4] = [
        &[0x28, 0x80, 0x01],
        &[0x31, 1, 2, 3, 4, 5, 6, 7, 8],
        &[0x3a, 2, 1, 2],
        &[0x45, 1, 2, 3, 4],
    ];
    for field in unknown {
        let bytes = [field, &init_hello()].concat();
        assert!(InitHello::decode(&bytes).is_ok(), "before: {field:?}");
        let bytes = [&init_hello(), field].concat();
        assert!(InitHello::decode(&bytes).is_ok(), "after: {field:?}");
    }
}

#[test]
fn an_unknown_version_is_refused() {
    for version in [&[0_u8][..], &[2], &[0x81, 0x80, 0x80, 0x80, 0x10]] {
        let bytes = [&[0x08][..], version, &init_hello()[2..]].concat();
        assert_eq!(InitHello::decode(&bytes), Err(Malformed::Version), "{version:?}");
    }
    assert_eq!(InitHello::decode(&init_hello()[2..]), Err(Malformed::Field), "no version");
}

#[test]
fn missing_repeated_mistyped_and_misfit_fields_are_refused() {
    let bytes = init_hello();
    let fields = [&bytes[..2], &bytes[2..16], &bytes[16..62], &bytes[62..]];
    for out in 0..4 {
        let rest: Vec<u8> = (0..4).filter(|i| *i != out).flat_map(|i| fields[i].to_vec()).collect();
        assert_eq!(InitHello::decode(&rest), Err(Malformed::Field), "without field {}", out + 1);
        let twice = [&bytes, fields[out]].concat();
        assert_eq!(InitHello::decode(&twice), Err(Malformed::Field), "field {} twice", out + 1);
        let varint = [&rest[..], &[(out as u8 + 1) << 3 | 5, 1, 0, 0, 0]].concat();
        assert_eq!(InitHello::decode(&varint), Err(Malformed::Field), "field {} fixed", out + 1);
    }
    let short = [&bytes[..2], &[0x12, 11], &[7; 11], &bytes[16..]].concat();
    assert_eq!(InitHello::decode(&short), Err(Malformed::Field), "a time stamp of 11 bytes");
}

#[test]
fn broken_syntax_is_refused() {
    let good = init_hello();
    let tails: [&[u8]; 8] = [
        &[0x2a, 1],                                                       // past the end
        &[0x2a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], // 2^64 - 1 bytes
        &[0x28, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], // 65 bits
        &[0x00, 0],                                                       // field 0
        &[0x2b, 0x2c],                                                    // a group
        &[0x2f],                                                          // wire type 7
        &[0x80],                                                          // half a varint
        &[0x80, 0x80, 0x80, 0x80, 0x10, 0],                               // field 2^29
    ];
    for tail in tails {
        let bytes = [&good, tail].concat();
        assert_eq!(InitHello::decode(&bytes), Err(Malformed::Syntax), "{tail:?}");
    }
}

#[test]
fn the_window_accepts_each_counter_once_and_reaches_back_1024_and_more() {
    const { assert!(Replay::REACH >= 1024) };
    let mut window = Replay::new();
    window.record(10_000);
    assert!(!window.admits(10_000));
    let oldest = 10_000 - Replay::REACH;
    assert!(window.admits(oldest));
    window.record(oldest);
    assert!(!window.admits(oldest));
    assert!(!window.admits(10_000 - 2048), "what is older than the window is refused");
    assert!(window.admits(u32::MAX - 2));
    window.record(u32::MAX - 2);
    assert!(!window.admits(u32::MAX - 2) && !window.admits(10_001));
    assert!(window.admits(u32::MAX - 3));
}

proptest! {
    /// Against a set of all that was seen.
    #[test]
    fn the_window_agrees_with_a_set(steps in prop::collection::vec((0_u32..400, 0_u32..2500), 1..400)) {
        let (mut window, mut seen, mut highest) = (Replay::new(), BTreeSet::new(), 0_u32);
        for (ahead, back) in steps {
            let counter = (highest + ahead).saturating_sub(back);
            let admitted = window.admits(counter);
            if seen.contains(&counter) {
                prop_assert!(!admitted);
            } else if counter + Replay::REACH >= highest {
                prop_assert!(admitted);
            }
            if admitted {
                window.record(counter);
                seen.insert(counter);
                highest = highest.max(counter);
            }
        }
    }

    #[test]
    fn no_protobuf_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = (InitHello::decode(&bytes), RespHello::decode(&bytes), InitDone::decode(&bytes));
    }

    #[test]
    fn no_damaged_protobuf_panics(at in 0_usize..128, byte: u8, cut in 0_usize..129) {
        let mut bytes = init_hello();
        bytes[at] = byte;
        bytes.truncate(cut);
        let _ = InitHello::decode(&bytes);
    }
}
