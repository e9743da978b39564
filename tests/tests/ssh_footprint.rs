//! What a connection of SSH costs in memory beyond its socket: both layers of core together.
//!
//! One test function, so that nothing else allocates meanwhile.

#![allow(clippy::wildcard_enum_match_arm, reason = "a test names what it looks for")]

#[allow(dead_code, reason = "other tests use the rest of it")]
#[path = "counting/mod.rs"]
mod counting;

use core::time::Duration;
use counting::live;
use tellask::identity::SecretKey;
use tellask::ssh::{Setup, Ssh, SshAddr};
use tellask::swarm::Event;
use tellask::{
    Instant, Limits, MemoryAddr, Node, Seed, Stack, StreamId, StreamInput, StreamPort,
    StreamTransmit,
};

type Secure = Node<Stack<StreamPort<MemoryAddr>, Ssh<MemoryAddr>>>;

const SERVER: MemoryAddr = MemoryAddr(0);
const CONNECTIONS: u32 = 300;
/// What a driver lets a connection write.
const CREDIT: usize = 64 * 1_024;
/// Bytes of an established connection, and of one that is not authenticated.
const UP_MAX: usize = 8 * 1_024;
const EARLY_MAX: usize = 4 * 1_024;

fn node(number: u32) -> (Secure, SshAddr<MemoryAddr>) {
    let (seed, limits) = (Seed::from_u64(number.into()), Limits::default());
    let ssh = Ssh::new(Setup::new(SecretKey::generate(&mut seed.rng("key")), &seed, &limits));
    let addr = SshAddr { fingerprint: ssh.fingerprint(), addr: MemoryAddr(number) };
    let mut node = Node::new(Stack::new(StreamPort::new(&limits), ssh));
    node.handle_input(Instant::ZERO, StreamInput::Bound { local: vec![addr.addr] });
    while node.poll_event().is_some() {}
    (node, addr)
}

/// What one node has to say, in pieces.
fn said(node: &mut Secure, told: &mut usize) -> (bool, Vec<Vec<u8>>) {
    let (mut opens, mut pieces) = (false, Vec::new());
    while let Some(event) = node.poll_event() {
        *told += usize::from(matches!(event, Event::Told(_)));
    }
    while let Some(transmit) = node.poll_transmit() {
        match transmit {
            StreamTransmit::Open { .. } => opens = true,
            StreamTransmit::Write { payload, .. } => pieces.push(payload.into_bytes().to_vec()),
            StreamTransmit::Read { .. } => {}
            end => panic!("{end:?}"),
        }
    }
    (opens, pieces)
}

/// Hears these pieces, and may write as many bytes as it has written.
fn hear(node: &mut Secure, now: Instant, id: StreamId, pieces: Vec<Vec<u8>>, written: usize) {
    for piece in pieces {
        node.handle_input(now, StreamInput::Bytes { id, bytes: piece[..].into() });
    }
    node.handle_input(now, StreamInput::Writable { id, bytes: written });
}

fn bytes(pieces: &[Vec<u8>]) -> usize {
    pieces.iter().map(Vec::len).sum()
}

/// A node that dials, says a word, and is heard so many times at the most; whether the word came.
fn dial(
    now: Instant,
    server: &mut Secure,
    dst: SshAddr<MemoryAddr>,
    number: u32,
    times: u32,
) -> bool {
    let (mut client, addr) = node(number);
    client.tell(now, dst, "hello").expect("accepted");
    let (ours, theirs) = (StreamId::opened(0), StreamId::accepted(number.into()));
    let (local, remote) = (addr.addr, SERVER);
    assert!(said(&mut client, &mut 0).0, "it dials");
    client.handle_input(now, StreamInput::Opened { id: ours, local, remote });
    server.handle_input(now, StreamInput::Accepted { id: theirs, local: remote, remote: local });
    for (node, id) in [(&mut client, ours), (&mut *server, theirs)] {
        node.handle_input(now, StreamInput::Writable { id, bytes: CREDIT });
    }
    let (mut told, mut written) = (0, 0);
    for _ in 0..times {
        let pieces = said(&mut client, &mut 0).1;
        let sent = bytes(&pieces);
        hear(server, now, theirs, pieces, written);
        let pieces = said(server, &mut told).1;
        written = bytes(&pieces);
        hear(&mut client, now, ours, pieces, sent);
    }
    server.handle_input(now, StreamInput::Writable { id: theirs, bytes: written });
    said(server, &mut told);
    told == 1
}

/// What C code has of the heap, beside what is counted.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn foreign() -> usize {
    // SAFETY: it reads the figures of the allocator, and has no other conditions.
    unsafe { libc::mallinfo2() }.uordblks
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn foreign() -> usize {
    live()
}

/// Bytes that each of many connections costs, of Rust and of the whole heap, and whether they are up.
fn each(times: u32) -> ([usize; 2], bool) {
    let mut now = Instant::ZERO + Duration::from_secs(1);
    let (mut server, addr) = node(0);
    // What is made once and kept is made before.
    dial(now, &mut server, addr, 1, 20);
    let before = [live(), foreign()];
    let mut up = 0;
    for number in 2..CONNECTIONS + 2 {
        up += u32::from(dial(now, &mut server, addr, number, times));
    }
    assert!(up == 0 || up == CONNECTIONS, "{up} are up");
    // Less than a handshake takes, and more than anything is put off.
    now = now + Duration::from_secs(10);
    server.handle_timeout(now);
    said(&mut server, &mut 0);
    let after = [live(), foreign()];
    assert_eq!(server.stats().value("ssh.connections"), u64::from(CONNECTIONS) + 1);
    let each = |at: usize| after[at].wrapping_sub(before[at]) / CONNECTIONS as usize;
    ([each(0), each(1)], up > 0)
}

/// A proposal of so many bytes, which is agreed with, in a packet after a version.
fn long_proposal(len: usize) -> Vec<u8> {
    let string = |text: &str| [&(text.len() as u32).to_be_bytes()[..], text.as_bytes()].concat();
    let ciphers = string("aes128-gcm@openssh.com");
    let exchanges = string(&("curve25519-sha256".to_owned() + &",x".repeat(len / 2)));
    let (host_keys, none, empty) = (string("ssh-ed25519"), string("none"), string(""));
    let lists = [&exchanges, &host_keys, &ciphers, &ciphers, &empty, &empty, &none, &none];
    let mut message = vec![20];
    message.extend([0; 16]);
    lists.into_iter().chain([&empty, &empty]).for_each(|list| message.extend(list));
    message.extend([0; 5]);
    let padding = 4 + (8 - (message.len() + 5 + 4) % 8) % 8;
    let mut packet = b"SSH-2.0-stranger\r\n".to_vec();
    packet.extend(((message.len() + 1 + padding) as u32).to_be_bytes());
    packet.push(padding as u8);
    packet.extend(message);
    packet.extend(vec![0; padding]);
    packet
}

/// Bytes that each of many strangers costs who proposed at length, and say nothing more.
fn each_of_the_verbose() -> usize {
    let now = Instant::ZERO + Duration::from_secs(1);
    let (mut server, addr) = node(0);
    dial(now, &mut server, addr, 1, 20);
    let (before, packet) = (live(), long_proposal(30_000));
    for number in 2..CONNECTIONS + 2 {
        let id = StreamId::accepted(number.into());
        let (local, remote) = (SERVER, MemoryAddr(number));
        server.handle_input(now, StreamInput::Accepted { id, local, remote });
        server.handle_input(now, StreamInput::Writable { id, bytes: CREDIT });
        let pieces = packet.chunks(10_000).map(<[u8]>::to_vec).collect();
        hear(&mut server, now, id, pieces, 0);
        said(&mut server, &mut 0);
    }
    assert_eq!(server.stats().value("ssh.half_open"), u64::from(CONNECTIONS));
    (live() - before) / CONNECTIONS as usize
}

#[test]
fn a_connection_that_is_idle_costs_little() {
    let verbose = each_of_the_verbose();
    println!("a stranger with a long proposal: {verbose} B");
    assert!(verbose <= EARLY_MAX, "{verbose} bytes of {EARLY_MAX}");

    each(20);
    let mut stages = 0;
    for times in 0.. {
        let ([rust, heap], up) = each(times);
        println!("heard {times} times, up: {up}: {rust} B, with C {heap} B");
        let most = if up { UP_MAX } else { EARLY_MAX };
        assert!(rust.max(heap) <= most, "{rust} and {heap} bytes of {most}");
        if up {
            break;
        }
        stages += 1;
    }
    assert!(stages > 2, "a handshake has more steps than {stages}");
}
