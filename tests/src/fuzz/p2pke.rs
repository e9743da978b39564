//! p2pke: its messages, strangers, and an attacker on the path.

use super::attacker::{Attacker, Passed, datagrams};
use tellask::identity::SecretKey;
use tellask::p2pke::P2pke;
use tellask::p2pke::proto::{InitDone, InitHello, RespHello};
use tellask::p2pke::session::Hello;
use tellask::swarm::Accept;
use tellask::time::Anchor;
use tellask::{
    BytesMut, Datagram, DatagramInput, DatagramPort, Event, Instant, Limits, MemoryAddr, Node,
    PeerAddr, Seed, Stack,
};

/// Handshake messages: what is decoded is encoded to something that is decoded as the same.
///
/// # Panics
/// Where that is not so.
pub fn p2pke_messages(data: &[u8]) {
    let mut out = Vec::new();
    if let Ok(message) = InitHello::decode(data) {
        message.encode(&mut out);
        assert_eq!(InitHello::decode(&out), Ok(message));
    }
    out.clear();
    if let Ok(message) = RespHello::decode(data) {
        message.encode(&mut out);
        assert_eq!(RespHello::decode(&out), Ok(message));
    }
    out.clear();
    if let Ok(message) = InitDone::decode(data) {
        message.encode(&mut out);
        assert_eq!(InitDone::decode(&out), Ok(message));
    }
    if let Ok(hello) = Hello::parse(data) {
        // Nobody can be made to believe it by luck, but whatever it says, it is checked.
        let _ = hello.verify();
    }
}

/// Datagrams from strangers, cut out of `data`, at a node that has no peers: none of them makes
/// it deliver a message.
///
/// # Panics
/// Where one does.
pub fn p2pke_strangers(data: &[u8]) {
    let (mut node, addr) = secure(1);
    let mut now = Instant::ZERO;
    for (n, datagram) in datagrams(data).enumerate() {
        now = now + core::time::Duration::from_millis(1);
        let src = MemoryAddr(7 + n as u32 % 3);
        receive(&mut node, now, src, addr.addr, datagram);
        node.handle_timeout(now);
        while node.poll_transmit().is_some() {}
        while let Some(event) = node.poll_event() {
            assert!(!matches!(event, Event::Told(_)), "a stranger was heard: {event:?}");
        }
    }
}

/// [`tampered`], for its assertions.
pub fn p2pke_tampering(data: &[u8]) {
    tampered(data);
}

/// An attacker on the path of two nodes. The first byte of `data` says whether it is there from the first
/// hello on (even) or comes when they have a session (odd). The rest is a list of what happens to their
/// datagrams, one after the other: a byte that says what, and where it applies the bytes that are
/// put in. Whatever it does, what arrives is what was told, once, and from whom; and a session that it
/// found is there when it has gone. Returns how many messages arrived.
///
/// # Panics
/// Where something else arrives, or nothing does after it has gone.
pub fn tampered(data: &[u8]) -> u32 {
    let Some((late, deeds)) = data.split_first() else { return 0 };
    let mut path = Path::new(deeds);
    if late % 2 == 1 {
        for _ in 0..4 {
            path.round(false);
        }
        assert_eq!(path.heard, path.told, "four rounds are enough for a session");
    }
    while path.attacker.is_here() {
        path.round(true);
    }
    if late % 2 == 1 && path.now < SESSION {
        let before = path.heard;
        path.round(false);
        assert_eq!(path.heard, before.map(|heard| heard + 1), "the session did not survive");
    }
    path.heard.iter().sum()
}

/// For so long neither side has a reason to renew its session.
const SESSION: Instant = Instant::from_nanos(100_000_000_000);

/// Two nodes that tell one another something in each round, and what is done to it.
struct Path<'a> {
    nodes: [Secure; 2],
    addrs: [PeerAddr<MemoryAddr>; 2],
    attacker: Attacker<'a>,
    now: Instant,
    told: [u32; 2],
    /// What arrived of what the first told, and of what the second did.
    heard: [u32; 2],
}

impl<'a> Path<'a> {
    const TOLD: [&'static [u8]; 2] = [b"from the first", b"from the second"];

    fn new(deeds: &'a [u8]) -> Self {
        let ((a, a_addr), (b, b_addr)) = (secure(1), secure(2));
        Self {
            nodes: [a, b],
            addrs: [a_addr, b_addr],
            attacker: Attacker::new(deeds),
            now: Instant::ZERO,
            told: [0; 2],
            heard: [0; 2],
        }
    }

    fn round(&mut self, attacked: bool) {
        self.now = self.now + core::time::Duration::from_millis(150);
        for from in [0, 1] {
            let to = 1 - from;
            let accepted = self.nodes[from].tell(self.now, self.addrs[to], Self::TOLD[from]);
            self.told[from] += u32::from(accepted.is_ok());
            self.nodes[from].handle_timeout(self.now);
            while let Some(Datagram { payload, .. }) = self.nodes[from].poll_transmit() {
                let datagram = payload.into_mut();
                if !attacked {
                    self.deliver(from, to, datagram);
                    continue;
                }
                let Passed { forward, back } = self.attacker.pass(datagram);
                forward.into_iter().for_each(|datagram| self.deliver(from, to, datagram));
                back.into_iter().for_each(|datagram| self.deliver(to, from, datagram));
            }
        }
        for (to, from) in [(0, 1), (1, 0)] {
            while let Some(event) = self.nodes[to].poll_event() {
                let Event::Told(message) = event else { continue };
                let right = (self.addrs[from], Self::TOLD[from]);
                assert_eq!((message.src, &*message.payload), right);
                self.heard[from] += 1;
                assert!(self.heard[from] <= self.told[from], "a message was delivered twice");
            }
        }
    }

    fn deliver(&mut self, from: usize, to: usize, payload: BytesMut) {
        let (src, dst) = (self.addrs[from].addr, self.addrs[to].addr);
        receive(&mut self.nodes[to], self.now, src, dst, payload);
    }
}

type Secure = Node<Stack<DatagramPort<MemoryAddr>, P2pke<MemoryAddr>>>;

fn secure(number: u32) -> (Secure, PeerAddr<MemoryAddr>) {
    let (seed, limits) = (Seed::from_u64(number.into()), Limits::default());
    let key = SecretKey::generate(&mut seed.rng("key"));
    let addr = PeerAddr { id: key.id(), addr: MemoryAddr(number) };
    let security = P2pke::new(key, &seed, Anchor::default(), Accept::Anyone, &limits);
    let mut node = Node::new(Stack::new(DatagramPort::new(&limits), security));
    let bound = DatagramInput::Bound { local: vec![addr.addr], mtu: 1_400 };
    node.handle_input(Instant::ZERO, bound);
    (node, addr)
}

fn receive(node: &mut Secure, now: Instant, src: MemoryAddr, dst: MemoryAddr, payload: BytesMut) {
    node.handle_input(now, DatagramInput::Datagram { src, dst, payload });
}
