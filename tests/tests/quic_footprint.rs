//! What a peer over QUIC costs in memory, beside what quinn-proto alone takes for its connection.
//!
//! One test function, so that nothing else allocates meanwhile.

#![allow(clippy::wildcard_enum_match_arm, reason = "a test names what it looks for")]

#[path = "quic/anyone.rs"]
mod anyone;
#[allow(dead_code, reason = "other tests use the rest of it")]
#[path = "counting/mod.rs"]
mod counting;

use core::net::{Ipv6Addr, SocketAddr};
use core::time::Duration;
use counting::live;
use quinn_proto::{Connection, ConnectionHandle, DatagramEvent, Dir, Endpoint, EndpointConfig};
use std::collections::BTreeMap;
use std::sync::Arc;
use tellask::identity::SecretKey;
use tellask::quic::{Quic, Setup};
use tellask::swarm::{Link, Message};
use tellask::{BytesMut, Command, Event, Instant, Layer, Limits, MemoryAddr, PeerAddr, Seed};

/// The node that all others dial.
const SERVER: u32 = 0;
const PEERS: u32 = 300;
const MTU: usize = 1_400;

fn key(number: u32) -> SecretKey {
    let mut seed = [0; 32];
    // Of the server the same bytes all over: its certificate is made elsewhere, too.
    seed[..4].copy_from_slice(&number.to_be_bytes());
    if number == SERVER { SecretKey::from_seed(&[7; 32]) } else { SecretKey::from_seed(&seed) }
}

fn node(number: u32, epoch: std::time::Instant) -> Quic<MemoryAddr> {
    let (seed, limits) = (Seed::from_u64(number.into()), Limits::default());
    let setup = Setup::new(key(number), &seed, epoch.into(), &limits);
    let mut node = Quic::new(setup).expect("there is TLS");
    let link = Link { local: vec![MemoryAddr(number)], unit: MTU, tell_max: MTU, ask_max: 0 };
    node.handle_input(Instant::ZERO, Event::Link(link));
    node
}

/// Somebody who is dialled.
trait Dialled {
    /// Takes a datagram from this node; what it sends there.
    fn take(&mut self, now: Instant, from: u32, datagram: &[u8]) -> Vec<Vec<u8>>;
    /// Does what is due; datagrams and to whom.
    fn pass(&mut self, now: Instant) -> Vec<(u32, Vec<u8>)>;
    /// Messages heard so far.
    fn heard(&self) -> usize;
}

/// A node of ours.
struct Ours(Quic<MemoryAddr>, usize);

impl Ours {
    fn sent(&mut self) -> Vec<(u32, Vec<u8>)> {
        while let Some(event) = self.0.poll_event() {
            self.1 += usize::from(matches!(event, Event::Told(_)));
        }
        let sent = core::iter::from_fn(|| self.0.poll_transmit());
        let sent = sent.filter_map(|command| match command {
            Command::Tell { dst, payload } => Some((dst.0, payload.into_bytes().to_vec())),
            _ => None,
        });
        sent.collect()
    }
}

impl Dialled for Ours {
    fn take(&mut self, now: Instant, from: u32, datagram: &[u8]) -> Vec<Vec<u8>> {
        let (src, dst) = (MemoryAddr(from), MemoryAddr(SERVER));
        let payload = BytesMut::from(datagram);
        self.0.handle_input(now, Event::Told(Message { src, dst, payload }));
        self.0.handle_timeout(now.next());
        self.sent().into_iter().map(|(_, datagram)| datagram).collect()
    }

    fn pass(&mut self, now: Instant) -> Vec<(u32, Vec<u8>)> {
        self.0.handle_timeout(now);
        self.sent()
    }

    fn heard(&self) -> usize {
        self.1
    }
}

/// quinn-proto, and nothing around it.
struct Theirs {
    epoch: std::time::Instant,
    endpoint: Endpoint,
    connections: BTreeMap<ConnectionHandle, Connection>,
    heard: usize,
}

fn place(number: u32) -> SocketAddr {
    (Ipv6Addr::from(0xfd00_u128 << 112 | u128::from(number)), 7).into()
}

fn number(place: SocketAddr) -> u32 {
    match place {
        SocketAddr::V6(place) => u128::from(*place.ip()) as u32,
        SocketAddr::V4(_) => panic!("{place} is nobody's"),
    }
}

impl Theirs {
    fn new(epoch: std::time::Instant) -> Self {
        let mut config = quinn_proto::ServerConfig::with_crypto(anyone::server(7));
        let mut transport = quinn_proto::TransportConfig::default();
        // As ours.
        transport.initial_mtu(MTU as u16).min_mtu(MTU as u16).mtu_discovery_config(None);
        transport.datagram_receive_buffer_size(None);
        config.transport_config(Arc::new(transport));
        let endpoint = EndpointConfig::default();
        let endpoint = Endpoint::new(Arc::new(endpoint), Some(Arc::new(config)), false, None);
        Self { epoch, endpoint, connections: BTreeMap::new(), heard: 0 }
    }

    fn at(&self, now: Instant) -> std::time::Instant {
        self.epoch + now.since(Instant::ZERO)
    }

    fn drive(&mut self, now: Instant, handle: ConnectionHandle) -> Vec<(u32, Vec<u8>)> {
        let now = self.at(now);
        let Some(connection) = self.connections.get_mut(&handle) else { return Vec::new() };
        while let Some(event) = connection.poll_endpoint_events() {
            if let Some(event) = self.endpoint.handle_event(handle, event) {
                connection.handle_event(event);
            }
        }
        while connection.poll().is_some() {}
        while let Some(stream) = connection.streams().accept(Dir::Uni) {
            let mut stream = connection.recv_stream(stream);
            let mut chunks = stream.read(true).expect("it is there");
            while let Ok(Some(_)) = chunks.next(usize::MAX) {}
            let _ = chunks.finalize();
            self.heard += 1;
        }
        let (mut sent, mut buffer) = (Vec::new(), Vec::new());
        while let Some(transmit) = connection.poll_transmit(now, 1, &mut buffer) {
            sent.push((number(transmit.destination), core::mem::take(&mut buffer)));
        }
        sent
    }
}

impl Dialled for Theirs {
    fn take(&mut self, now: Instant, from: u32, datagram: &[u8]) -> Vec<Vec<u8>> {
        let (then, mut buffer) = (self.at(now), Vec::new());
        let data = BytesMut::from(datagram);
        let handle = match self.endpoint.handle(then, place(from), None, None, data, &mut buffer) {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                self.connections.get_mut(&handle).expect("it is there").handle_event(event);
                handle
            }
            Some(DatagramEvent::NewConnection(incoming)) => {
                let accepted = self.endpoint.accept(incoming, then, &mut buffer, None);
                let (handle, connection) = accepted.expect("it is let in");
                self.connections.insert(handle, connection);
                handle
            }
            Some(DatagramEvent::Response(_)) | None => return Vec::new(),
        };
        self.drive(now, handle).into_iter().map(|(_, datagram)| datagram).collect()
    }

    fn pass(&mut self, now: Instant) -> Vec<(u32, Vec<u8>)> {
        let then = self.at(now);
        let handles: Vec<_> = self.connections.keys().copied().collect();
        let drive = |handle: ConnectionHandle| {
            let connection = self.connections.get_mut(&handle)?;
            if connection.poll_timeout().is_some_and(|due| due <= then) {
                connection.handle_timeout(then);
            }
            Some(self.drive(now, handle))
        };
        handles.into_iter().filter_map(drive).flatten().collect()
    }

    fn heard(&self) -> usize {
        self.heard
    }
}

/// Bytes that each of many peers costs which said something and are idle.
fn each(epoch: std::time::Instant, dialled: &mut dyn Dialled, before: usize) -> usize {
    let mut now = Instant::ZERO + Duration::from_secs(1);
    let server = PeerAddr { id: key(SERVER).id(), addr: MemoryAddr(SERVER) };
    for number in 1..=PEERS {
        let mut peer = node(number, epoch);
        let tell = Command::Tell { dst: server, payload: "hello".into() };
        peer.handle_command(now, tell);
        let mut waiting = Vec::new();
        // Until both have nothing to say, acknowledgements that are put off included.
        for _ in 0..60 {
            now = now + Duration::from_millis(1);
            let mut answers: Vec<Vec<u8>> = core::mem::take(&mut waiting);
            let due = dialled.pass(now);
            answers.extend(due.into_iter().filter(|(to, _)| *to == number).map(|(_, it)| it));
            for payload in answers {
                let (src, dst) = (MemoryAddr(SERVER), MemoryAddr(number));
                let payload = BytesMut::from(&payload[..]);
                peer.handle_input(now, Event::Told(Message { src, dst, payload }));
            }
            peer.handle_timeout(now.next());
            while peer.poll_event().is_some() {}
            while let Some(Command::Tell { payload, .. }) = peer.poll_transmit() {
                waiting.extend(dialled.take(now, number, &payload.into_bytes()));
            }
        }
    }
    assert_eq!(dialled.heard(), PEERS as usize);
    (live() - before) / PEERS as usize
}

#[test]
fn an_idle_peer_costs_little_more_than_the_connection_of_the_library_below() {
    let epoch = std::time::Instant::now();
    // What is made once and kept is made before.
    each(epoch, &mut Theirs::new(epoch), 0);
    let before = live();
    let theirs = each(epoch, &mut Theirs::new(epoch), before);
    let before = live();
    let ours = each(epoch, &mut Ours(node(SERVER, epoch), 0), before);
    println!("an idle peer: {ours} B, of quinn-proto alone {theirs} B");
    assert!(ours * 100 <= theirs * 115, "{ours} and {theirs} bytes");
}
