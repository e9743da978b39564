//! Captures are read back, block by block.

use super::{Bounds, Export, talk, written};
use crate::see::Recording;
use crate::see::recording::How;
use std::collections::BTreeMap;

/// A block: its type and its body.
type Block = (u32, Vec<u8>);

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u16_at(bytes: &[u8], at: usize) -> usize {
    u16::from_le_bytes(bytes[at..at + 2].try_into().expect("two bytes")).into()
}

fn blocks(mut bytes: &[u8]) -> Vec<Block> {
    let mut blocks = Vec::new();
    while !bytes.is_empty() {
        let len = u32_at(bytes, 4) as usize;
        assert_eq!(len % 4, 0);
        assert_eq!(u32_at(bytes, len - 4) as usize, len, "the length stands at both ends");
        blocks.push((u32_at(bytes, 0), bytes[8..len - 4].to_vec()));
        bytes = &bytes[len..];
    }
    blocks
}

/// The options from `at` on, each with its code.
fn options(body: &[u8], mut at: usize) -> Vec<(usize, Vec<u8>)> {
    let mut options = Vec::new();
    loop {
        let (code, len) = (u16_at(body, at), u16_at(body, at + 2));
        if code == 0 {
            assert_eq!(at + 4, body.len(), "nothing follows the end of options");
            return options;
        }
        options.push((code, body[at + 4..at + 4 + len].to_vec()));
        at += 4 + len.next_multiple_of(4);
    }
}

struct Packet {
    interface: u32,
    at: u64,
    bytes: Vec<u8>,
    original: usize,
    comments: Vec<String>,
    id: u64,
}

fn packets(blocks: &[Block]) -> Vec<Packet> {
    let packets = blocks.iter().filter(|(of, _)| *of == 6).map(|(_, body)| {
        let captured = u32_at(body, 12) as usize;
        let options = options(body, 20 + captured.next_multiple_of(4));
        let comments = options.iter().filter(|(code, _)| *code == 1);
        let id = options.iter().find(|(code, _)| *code == 5).expect("it has a number");
        Packet {
            interface: u32_at(body, 0),
            at: u64::from(u32_at(body, 4)) << 32 | u64::from(u32_at(body, 8)),
            bytes: body[20..20 + captured].to_vec(),
            original: u32_at(body, 16) as usize,
            comments: comments.map(|(_, text)| String::from_utf8_lossy(text).into()).collect(),
            id: u64::from_le_bytes(id.1[..].try_into().expect("eight bytes")),
        }
    });
    packets.collect()
}

/// Sums up as a receiver does, by another way than the one that wrote it.
fn checksum_is_right(packet: &[u8]) -> bool {
    let (header, udp) = packet.split_at(40);
    let mut all = header[8..].to_vec();
    all.extend((udp.len() as u32).to_be_bytes());
    all.extend([0, 0, 0, 17]);
    all.extend(udp);
    all.resize(all.len().next_multiple_of(2), 0);
    let sum = all.chunks(2).fold(0_u16, |sum, word| {
        let (sum, carry) = sum.overflowing_add(u16::from_be_bytes([word[0], word[1]]));
        sum + u16::from(carry)
    });
    sum == 0xffff
}

fn capture(recording: &Recording) -> (Vec<Block>, Vec<Packet>) {
    let blocks = blocks(&written(Export::Pcapng, recording));
    let packets = packets(&blocks);
    (blocks, packets)
}

#[test]
fn a_capture_has_each_datagram_when_it_was_sent_and_each_copy_when_it_arrived() {
    let (recording, totals) = talk(1, 5, Bounds::default());
    let (blocks, packets) = capture(&recording);
    let types: Vec<_> = blocks.iter().map(|(of, _)| *of).collect();
    assert_eq!(types[..4], [0x0a0d_0d0a, 1, 1, 4]);
    assert_eq!(types[types.len() - 2..], [5, 5]);
    for (number, name) in [(1, "sent"), (2, "delivered")] {
        let (_, body) = &blocks[number];
        assert_eq!(u16_at(body, 0), 101, "raw IP");
        let options = options(body, 8);
        assert!(options.contains(&(2, name.into())));
        assert!(options.contains(&(9, vec![9])), "times are nanoseconds");
    }
    let on = |interface| packets.iter().filter(move |packet| packet.interface == interface);
    assert_eq!(on(0).count() as u64, totals.sent);
    assert_eq!(on(1).count() as u64, totals.delivered);
    assert!(packets.is_sorted_by_key(|packet| packet.at));
    for packet in on(0) {
        let datagram = &recording.datagrams[packet.id as usize];
        assert_eq!(packet.at, datagram.at.as_nanos());
        assert_eq!(packet.bytes[48..], *datagram.body.kept);
        assert_eq!(packet.original, packet.bytes.len());
        assert_eq!(packet.bytes[8..16], *b"\xfdtellask");
        assert_eq!(packet.bytes[20..24], datagram.src.0.to_be_bytes());
        assert_eq!(packet.bytes[36..40], datagram.dst.0.to_be_bytes());
    }
    for packet in &packets {
        assert_eq!(packet.bytes[0], 0x60);
        let len = usize::from(u16::from_be_bytes([packet.bytes[4], packet.bytes[5]]));
        assert_eq!((len, packet.bytes[6]), (packet.bytes.len() - 40, 17));
        assert!(checksum_is_right(&packet.bytes), "{}", packet.id);
    }
}

#[test]
fn comments_say_why_copies_were_lost_and_which_were_spoilt() {
    let (recording, totals) = talk(2, 5, Bounds::default());
    let (_, packets) = capture(&recording);
    let comments = packets.iter().flat_map(|packet| &packet.comments);
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for comment in comments {
        let words = comment.rsplit(": ").next().expect("there is always a last part");
        *counts.entry(words).or_default() += 1;
    }
    assert_eq!(counts["random"], totals.lost);
    assert_eq!(counts["spoilt on the way"], totals.spoilt);
    assert_eq!(counts["2 copies"], totals.duplicated);
    assert_eq!(counts["injected"], 1);
    let lost = packets.iter().find(|packet| packet.comments.iter().any(|c| c.contains("random")));
    let ends = &recording.datagrams[lost.expect("some are lost").id as usize].ends;
    assert!(ends.iter().any(|end| matches!(end.how, How::Lost(_))));
}

#[test]
fn checksums_cover_bytes_that_were_not_kept() {
    let (whole, _) = capture(&talk(3, 2, Bounds::default()).0);
    let short = Bounds { bytes: 9, ..Bounds::default() };
    let (recording, _) = talk(3, 2, short);
    let (_, cut) = capture(&recording);
    let whole = packets(&whole);
    assert_eq!(whole.len(), cut.len());
    for (whole, cut) in whole.iter().zip(&cut) {
        assert_eq!(whole.bytes.len(), cut.original);
        assert!(cut.bytes.len() <= 48 + 9);
        // The headers, checksums included, are the same.
        assert_eq!(whole.bytes[..cut.bytes.len()], cut.bytes);
    }
}

#[test]
fn what_udp_cannot_carry_is_cut_to_what_it_can() {
    use crate::net::{DatagramId, Fate, Loss, Sighting};
    use tellask::{Instant, MemoryAddr};

    let mut recording =
        Recording::bounded("large", 0, Bounds { bytes: 100_000, ..Bounds::default() });
    let id = DatagramId { sender: Some(MemoryAddr(0)), number: 0 };
    for fate in [Fate::Sent { copies: 1 }, Fate::Lost(Loss::TooLarge)] {
        let (src, dst, now) = (MemoryAddr(0), MemoryAddr(1), Instant::from_nanos(5));
        recording.see(&Sighting { now, id, src, dst, fate, bytes: &[0xab; 70_001] });
    }
    let (_, packets) = capture(&recording);
    let [packet] = &packets[..] else { panic!("it is one packet") };
    assert_eq!((packet.bytes.len(), packet.original), (40 + 65_535, 40 + 65_535));
    assert!(checksum_is_right(&packet.bytes));
    assert_eq!(
        packet.comments,
        ["lost at 0.000000005: too large", "70001 bytes, cut to what UDP carries"]
    );
}
