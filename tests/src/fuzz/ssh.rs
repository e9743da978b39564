//! SSH: strangers who say anything, on either side, and a wire on which bytes change.

use tellask::identity::SecretKey;
use tellask::ssh::{Fingerprint, Setup, Ssh, SshAddr};
use tellask::{
    BytesMut, Command, Event, Instant, Layer, Limits, MemoryAddr, Seed, StreamEnd, StreamId,
    StreamInput, StreamTransmit,
};

type Node = Ssh<MemoryAddr>;

const CREDIT: usize = 1 << 20;

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed(&[number; 32])
}

fn node(number: u8) -> Node {
    let (seed, limits) = (Seed::from_u64(number.into()), Limits::default());
    let mut node = Ssh::new(Setup::new(key(number), &seed, &limits));
    let local = vec![MemoryAddr(number.into())];
    node.handle_input(Instant::ZERO, StreamInput::Bound { local });
    node
}

fn addr(number: u8) -> SshAddr<MemoryAddr> {
    SshAddr { fingerprint: Fingerprint::of(key(number).public()), addr: MemoryAddr(number.into()) }
}

/// What a node writes; whether it has given the connection up.
fn written(node: &mut Node) -> (Vec<u8>, bool) {
    let (mut bytes, mut over) = (Vec::new(), false);
    while let Some(transmit) = node.poll_transmit() {
        match transmit {
            StreamTransmit::Write { payload, .. } => bytes.extend_from_slice(&payload.into_bytes()),
            StreamTransmit::Finish { .. } | StreamTransmit::Abort { .. } => over = true,
            StreamTransmit::Open { .. } | StreamTransmit::Read { .. } => {}
        }
    }
    (bytes, over)
}

fn heard(node: &mut Node) -> Vec<Event<SshAddr<MemoryAddr>>> {
    core::iter::from_fn(|| node.poll_event()).collect()
}

fn accept(node: &mut Node, number: u8) -> StreamId {
    let id = StreamId::accepted(0);
    let (local, remote) = (MemoryAddr(number.into()), MemoryAddr(9));
    node.handle_input(Instant::ZERO, StreamInput::Accepted { id, local, remote });
    node.handle_input(Instant::ZERO, StreamInput::Writable { id, bytes: CREDIT });
    id
}

fn dial(node: &mut Node, number: u8) -> StreamId {
    let tell = Command::Tell { dst: addr(number), payload: "hello".into() };
    node.handle_command(Instant::ZERO, tell);
    let id = StreamId::opened(0);
    let (local, remote) = (MemoryAddr(8), MemoryAddr(number.into()));
    node.handle_input(Instant::ZERO, StreamInput::Opened { id, local, remote });
    node.handle_input(Instant::ZERO, StreamInput::Writable { id, bytes: CREDIT });
    id
}

/// Whoever connects, or is dialled, may say anything: nobody is up, and nothing is told. The first byte says in
/// what pieces.
///
/// # Panics
/// Where that is not so.
pub fn ssh_strangers(data: &[u8]) {
    let Some((pieces, data)) = data.split_first() else { return };
    for dialled in [false, true] {
        let mut node = node(1);
        let id = if dialled { dial(&mut node, 2) } else { accept(&mut node, 1) };
        for piece in data.chunks(usize::from(*pieces).max(1)) {
            let bytes = BytesMut::from(piece);
            node.handle_input(Instant::ZERO, StreamInput::Bytes { id, bytes });
            if written(&mut node).1 {
                break;
            }
        }
        node.handle_input(Instant::ZERO, StreamInput::Closed { id, reason: StreamEnd::Reset });
        let events = heard(&mut node);
        let wrong = |event: &Event<_>| matches!(event, Event::Told(_) | Event::PeerUp { .. });
        assert!(!events.iter().any(wrong), "{events:?}");
        assert_eq!(node.connections(), 0);
    }
}

/// Bytes of a connection change on the way: what is heard was told. Four bytes of the input are one change: where, in two
/// bytes; in which direction; and how.
///
/// # Panics
/// Where that is not so.
pub fn ssh_tampering(data: &[u8]) {
    let changes: Vec<(usize, usize, u8)> = data
        .chunks_exact(4)
        .map(|four| {
            (usize::from(four[0]) << 8 | usize::from(four[1]), usize::from(four[2] & 1), four[3])
        })
        .collect();
    let mut nodes = [node(1), node(2)];
    let ids = [dial(&mut nodes[0], 2), accept(&mut nodes[1], 2)];
    let mut sent = [0, 0];
    loop {
        let mut moved = false;
        for from in [0, 1] {
            let (mut bytes, _) = written(&mut nodes[from]);
            moved |= !bytes.is_empty();
            for (at, direction, how) in &changes {
                let here = at.checked_sub(sent[from]).filter(|_| *direction == from);
                if let Some(byte) = here.and_then(|here| bytes.get_mut(here)) {
                    *byte ^= how;
                }
            }
            sent[from] += bytes.len();
            let (to, id) = (1 - from, ids[1 - from]);
            let len = bytes.len();
            if len > 0 {
                let bytes = BytesMut::from(&bytes[..]);
                nodes[to].handle_input(Instant::ZERO, StreamInput::Bytes { id, bytes });
                let id = ids[from];
                nodes[from].handle_input(Instant::ZERO, StreamInput::Writable { id, bytes: len });
            }
        }
        if !moved {
            break;
        }
    }
    for event in nodes.iter_mut().flat_map(heard) {
        if let Event::Told(message) = event {
            assert_eq!(&message.payload[..], b"hello");
            assert_eq!(message.src.fingerprint, addr(1).fingerprint);
        }
    }
}
