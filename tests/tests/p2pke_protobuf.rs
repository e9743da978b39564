//! The strict codec against `prost`: what ours accepts, it accepts with the same fields.

use proptest::prelude::*;
use prost::Message as _;
use tellask::p2pke::proto::{InitDone, InitHello, RespHello};

#[derive(Clone, PartialEq, prost::Message)]
struct ProstInitHello {
    #[prost(uint32, tag = "1")]
    version: u32,
    #[prost(bytes = "vec", tag = "2")]
    timestamp: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    sig: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ProstRespHello {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    sig: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ProstInitDone {
    #[prost(bytes = "vec", tag = "1")]
    sig: Vec<u8>,
}

/// A field as bytes: any number, type and length, most of them near what is right.
fn field() -> impl Strategy<Value = Vec<u8>> {
    let varint = (0_u8..7, prop_oneof![Just(1_u64), any::<u64>()]).prop_map(|(number, value)| {
        let mut out = vec![number << 3];
        prost::encoding::encode_varint(value, &mut out);
        out
    });
    let length = prop_oneof![Just(12_usize), Just(44), Just(64), 0_usize..70];
    let bytes = (0_u8..7, length, -1_i8..2).prop_map(|(number, len, off)| {
        let mut out = vec![number << 3 | 2, (len as i8).saturating_add(off).max(0) as u8];
        out.extend((0..len).map(|i| i as u8));
        out
    });
    let fixed = (0_u8..7, any::<[u8; 8]>())
        .prop_map(|(number, value)| [&[number << 3 | 1][..], &value].concat());
    let any = prop::collection::vec(any::<u8>(), 0..12);
    prop_oneof![2 => varint, 6 => bytes, 1 => fixed, 1 => any]
}

/// The right fields in any order, and perhaps a damaged or an additional one.
fn message(fields: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let additional = prop::option::weighted(0.7, field());
    let damage = prop::option::of((any::<prop::sample::Index>(), any::<u8>()));
    (Just(fields).prop_shuffle(), additional, any::<prop::sample::Index>(), damage).prop_map(
        |(mut fields, additional, at, damage)| {
            if let Some(additional) = additional {
                let at = at.index(fields.len() + 1);
                fields.insert(at, additional);
            }
            let mut bytes = fields.concat();
            if let Some((at, byte)) = damage {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        },
    )
}

fn bytes_field(number: u8, len: u8) -> Vec<u8> {
    [&[number << 3 | 2, len][..], &vec![number; usize::from(len)]].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn init_hello(bytes in message(vec![
        vec![8, 1], bytes_field(2, 12), bytes_field(3, 44), bytes_field(4, 64),
    ])) {
        if let Ok(ours) = InitHello::decode(&bytes) {
            let theirs = ProstInitHello::decode(&bytes[..]).unwrap();
            prop_assert_eq!(theirs.version, 1);
            prop_assert_eq!(&theirs.timestamp[..], &ours.timestamp[..]);
            prop_assert_eq!(&theirs.key[..], ours.key);
            prop_assert_eq!(&theirs.sig[..], &ours.sig[..]);
        }
    }

    #[test]
    fn resp_hello(bytes in message(vec![bytes_field(1, 44), bytes_field(2, 64)])) {
        if let Ok(ours) = RespHello::decode(&bytes) {
            let theirs = ProstRespHello::decode(&bytes[..]).unwrap();
            prop_assert_eq!(&theirs.key[..], ours.key);
            prop_assert_eq!(&theirs.sig[..], &ours.sig[..]);
        }
    }

    #[test]
    fn init_done(bytes in message(vec![bytes_field(1, 64)])) {
        if let Ok(ours) = InitDone::decode(&bytes) {
            let theirs = ProstInitDone::decode(&bytes[..]).unwrap();
            prop_assert_eq!(&theirs.sig[..], &ours.sig[..]);
        }
    }

    #[test]
    fn what_prost_writes_is_read(stamp: [u8; 12], key in prop::collection::vec(any::<u8>(), 0..100), sig: [u8; 32]) {
        let sig = [sig, sig].concat();
        let theirs = ProstInitHello { version: 1, timestamp: stamp.to_vec(), key: key.clone(), sig };
        let bytes = theirs.encode_to_vec();
        match InitHello::decode(&bytes) {
            Ok(ours) => prop_assert_eq!(ours.key, &key[..]),
            // proto3 leaves out what is empty.
            Err(_) => prop_assert!(key.is_empty()),
        }
    }
}
