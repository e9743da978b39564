//! What a secure node costs in memory and allocations, counted by the allocator itself.
//!
//! One test function, so that nothing else allocates meanwhile.

#[path = "counting/mod.rs"]
mod counting;

use self::counting::live;
use core::time::Duration;
use tellask::identity::SecretKey;
use tellask::p2pke::P2pke;
use tellask::swarm::{Accept, Event};
use tellask::time::{Anchor, UnixTime};
use tellask::{
    Bytes, BytesMut, Datagram, DatagramInput, DatagramPort, Instant, Limits, MemoryAddr, Node,
    PeerAddr, Seed, Stack,
};

type Secure = Node<Stack<DatagramPort<MemoryAddr>, P2pke<MemoryAddr>>>;

const SERVER: MemoryAddr = MemoryAddr(0);

fn node(number: u32, limits: &Limits) -> (Secure, PeerAddr<MemoryAddr>) {
    let seed = Seed::from_u64(number.into());
    let key = SecretKey::generate(&mut seed.rng("key"));
    let addr = PeerAddr { id: key.id(), addr: MemoryAddr(number) };
    let clock = Anchor { at: Instant::ZERO, date: UnixTime::new(1_800_000_000, 0) };
    let security = P2pke::new(key, &seed, clock, Accept::Anyone, limits);
    let mut node = Node::new(Stack::new(DatagramPort::new(limits), security));
    node.handle_input(Instant::ZERO, DatagramInput::Bound { local: vec![addr.addr], mtu: 1_400 });
    while node.poll_event().is_some() {}
    (node, addr)
}

/// Carries everything from one node to another, and returns how many datagrams that were.
fn carry(now: Instant, from: &mut Secure, src: MemoryAddr, to: &mut Secure) -> usize {
    let mut carried = 0;
    while let Some(Datagram { dst, payload, .. }) = from.poll_transmit() {
        let payload = payload.into_mut();
        to.handle_input(now, DatagramInput::Datagram { src, dst, payload });
        carried += 1;
    }
    carried
}

/// Lets two nodes talk until neither has anything to send, and counts the messages told.
fn talk(now: Instant, server: &mut Secure, client: &mut Secure, at: MemoryAddr) -> usize {
    let mut told = 0;
    loop {
        let carried = carry(now, client, at, server) + carry(now, server, SERVER, client);
        for node in [&mut *server, &mut *client] {
            while let Some(event) = node.poll_event() {
                told += usize::from(matches!(event, Event::Told(_)));
            }
        }
        if carried == 0 {
            return told;
        }
    }
}

#[test]
fn a_secure_node_stays_within_its_budgets() {
    allocations_of_a_tell();
    memory_of_an_idle_peer();
    memory_of_a_flood();
}

/// At most two allocations for a secure tell of 1200 bytes, sender and receiver together.
fn allocations_of_a_tell() {
    let now = Instant::ZERO + Duration::from_secs(1);
    let limits = Limits::default();
    let ((mut server, server_addr), (mut client, client_addr)) =
        (node(0, &limits), node(1, &limits));
    let payload = Bytes::from(vec![7; 1_200]);
    let mut one = || {
        client.tell(now, server_addr, payload.clone()).expect("accepted");
        talk(now, &mut server, &mut client, client_addr.addr)
    };
    for _ in 0..100 {
        one();
    }
    let before = counting::allocations();
    let told: usize = (0..1_000).map(|_| one()).sum();
    let allocations = counting::allocations() - before;
    assert_eq!(told, 1_000);
    println!("allocations per secure tell: {:.3}", allocations as f64 / 1_000.0);
    assert!(allocations <= 2_000, "{allocations} allocations for 1000 tells");
}

/// At most 1.5 KiB for a peer that is established and idle.
fn memory_of_an_idle_peer() {
    const PEERS: u32 = 1_000;
    let limits = Limits::default();
    let mut now = Instant::ZERO + Duration::from_secs(1);
    let before = live();
    let (mut server, server_addr) = node(0, &limits);
    for number in 1..=PEERS {
        let (mut client, client_addr) = node(number, &limits);
        client.tell(now, server_addr, "hello").expect("accepted");
        assert_eq!(talk(now, &mut server, &mut client, client_addr.addr), 1);
    }
    // Idle: the ciphers are put to rest.
    now = now + Duration::from_secs(40);
    server.handle_timeout(now);
    while server.poll_transmit().is_some() || server.poll_event().is_some() {}
    assert_eq!(server.stats().value("p2pke.peers"), u64::from(PEERS));
    let each = (live() - before) / PEERS as usize;
    println!("memory of an idle established peer: {each} B");
    assert!(each <= 1_536, "{each} bytes a peer");
}

/// Under a flood from spoofed sources, at most 1 KiB a source at the worst point, the cap never
/// passed, and an established pair keeps its messages. `TELLASK_FLOOD` sets the number of sources.
fn memory_of_a_flood() {
    let sources: u32 = std::env::var("TELLASK_FLOOD")
        .map_or(50_000, |number| number.parse().expect("TELLASK_FLOOD is a number of sources"));
    let limits = Limits::default();
    let mut now = Instant::ZERO + Duration::from_secs(1);
    let ((mut server, server_addr), (mut client, client_addr)) =
        (node(0, &limits), node(1, &limits));
    client.tell(now, server_addr, "hello").expect("accepted");
    talk(now, &mut server, &mut client, client_addr.addr);

    // Recorded hellos of 2,048 keys: each passes every check but the last.
    let hellos: Vec<Vec<u8>> = (0..2_048)
        .map(|number| {
            let (mut stranger, _) = node(1_000_000 + number, &limits);
            stranger.tell(now, server_addr, "x").expect("accepted");
            stranger.poll_transmit().expect("a hello").payload.into_bytes().to_vec()
        })
        .collect();

    let (before, mut told, mut sent, mut half_open) = (counting::begin(), 0, 0, 0);
    for source in 0..sources {
        let hello = &hellos[source as usize % hellos.len()];
        let src = MemoryAddr(10_000_000 + source);
        let payload = BytesMut::from(&hello[..]);
        server.handle_input(now, DatagramInput::Datagram { src, dst: SERVER, payload });
        while let Some(answer) = server.poll_transmit() {
            assert!(answer.payload.len() <= hello.len(), "more bytes out than in");
        }
        half_open = half_open.max(server.stack().upper().half_open() as u64);
        // Ten thousand sources a second, and a hundred messages of the pair.
        if source % 100 == 0 {
            now = now + Duration::from_millis(10);
            client.tell(now, server_addr, "still here").expect("accepted");
            sent += 1;
            told += talk(now, &mut server, &mut client, client_addr.addr);
            server.handle_timeout(now);
            client.handle_timeout(now);
        }
    }
    let grown = counting::peak() - before;
    let stats = server.stats();
    println!(
        "flood of {sources}: {} hellos let in, {half_open} half open at most, {grown} B at the worst point, {} B each, {told} of {sent} told",
        stats.value("p2pke.hellos"),
        grown / half_open as usize,
    );
    assert!(half_open <= limits.half_open as u64);
    assert!(grown <= limits.half_open * 1_024, "{grown} bytes at the worst point");
    assert!(told * 10 >= sent * 9, "{told} of {sent} messages");
}
