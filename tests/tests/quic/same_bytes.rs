//! The same seed gives the same bytes, in another process too.

use super::{node, peer};
use core::time::Duration;
use std::collections::BTreeMap;
use std::process::Command as Process;
use tellask::seed::Rng;
use tellask::swarm::{AskId, Message};
use tellask::{BytesMut, Command, Event, Instant, Layer, Limits, MemoryAddr, Payload, Seed};

/// What a child prints its digest after.
const MARK: &str = "digest ";

/// A digest of every datagram of a conversation among three nodes, over a network that loses some.
fn conversation(seed: u64) -> String {
    let seed = Seed::from_u64(seed);
    let mut rng = seed.rng("network");
    let mut nodes: Vec<_> = (0..3)
        .map(|number| node(number, &seed.child(&format!("node {number}")), &Limits::default()))
        .collect();
    let mut digest = seed.child("digest");
    let mut flights: BTreeMap<(Instant, u64), (u8, u8, Vec<u8>)> = BTreeMap::new();
    let (mut now, mut sent, mut said) = (Instant::ZERO, 0, 0);
    while said < 200 || !flights.is_empty() {
        if said < 200 {
            speak(&mut nodes[said % 3], now, said as u64, &mut rng);
            said += 1;
        }
        now = now + Duration::from_millis(3);
        while let Some(flight) = flights.first_entry()
            && flight.key().0 <= now
        {
            let (src, dst, bytes) = flight.remove();
            let payload = BytesMut::from(&bytes[..]);
            let (src, at) = (MemoryAddr(src.into()), MemoryAddr(dst.into()));
            let told = Event::Told(Message { src, dst: at, payload });
            nodes[usize::from(dst)].handle_input(now, told);
        }
        for (number, node) in (0..).zip(&mut nodes) {
            node.handle_timeout(now);
            while let Some(event) = node.poll_event() {
                if let Event::Asked { token, message, .. } = event {
                    let result = Ok(Payload::from(message.payload.freeze()));
                    node.handle_command(now, Command::Answer { token, dst: message.src, result });
                }
            }
            while let Some(Command::Tell { dst, payload }) = node.poll_transmit() {
                let bytes = payload.into_bytes().to_vec();
                let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                digest = digest.child(&format!("{now} {number} {dst} {text}"));
                if !rng.chance(1, 20) {
                    sent += 1;
                    let after = Duration::from_millis(1 + rng.below(20));
                    flights.insert((now + after, sent), (number, dst.0 as u8, bytes));
                }
            }
        }
    }
    format!("{sent} datagrams, {:016x}", digest.rng("digest").u64())
}

fn speak(node: &mut tellask::quic::Quic<MemoryAddr>, now: Instant, nth: u64, rng: &mut Rng) {
    let dst = peer((nth as u8 + 1 + rng.below(2) as u8) % 3);
    let payload = Payload::from(vec![nth as u8; rng.below(4_000) as usize]);
    let command = if rng.chance(1, 2) {
        Command::Tell { dst, payload }
    } else {
        let deadline = now + Duration::from_secs(9);
        Command::Ask { id: AskId::new(nth), dst, payload, deadline }
    };
    node.handle_command(now, command);
}

#[test]
fn the_same_seed_gives_the_same_bytes_here_and_in_another_process() {
    let here = conversation(7);
    println!("{MARK}{here}");
    assert_eq!(conversation(7), here);
    assert_ne!(conversation(8), here);
    if std::env::var_os("TELLASK_CHILD").is_some() {
        return;
    }
    let child = Process::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "--nocapture"])
        .arg("same_bytes::the_same_seed_gives_the_same_bytes_here_and_in_another_process")
        .env("TELLASK_CHILD", "1")
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&child.stdout).into_owned();
    let there = said.split_once(MARK).and_then(|(_, rest)| rest.lines().next());
    assert_eq!(there, Some(&here[..]), "{said}");
}
