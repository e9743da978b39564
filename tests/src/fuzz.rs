//! Fuzz targets: functions of bytes that must neither panic nor break what they assert.
//!
//! Each is a plain function, so that it runs twice: for seconds in the tests, on inputs that
//! proptest makes or bends from good ones (`tests/fuzz.rs`), and for as long as one likes under
//! libFuzzer, from the package in `tests/fuzz`.

use core::fmt::Display;
use core::str::FromStr;
use tellask::fragment::{EXPIRY, Fragmenter};
use tellask::identity::{KeyFormat, PublicKey, SecretKey};
use tellask::multi::MultiAddr;
use tellask::mux::{Channel, Name, Varint};
use tellask::p2pke::P2pke;
use tellask::p2pke::proto::{InitDone, InitHello, RespHello};
use tellask::p2pke::session::Hello;
use tellask::swarm::Accept;
use tellask::text::{AnyAddr, Description, Label};
use tellask::time::Anchor;
use tellask::{
    At, BytesMut, Datagram, DatagramInput, DatagramPort, Event, Instant, Limits, MemoryAddr, Node,
    PeerAddr, Seed, Stack, UdpAddr,
};

/// A target, by the name it has in `tests/fuzz`.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("addresses", addresses),
    ("channels", channels),
    ("fragments", fragments),
    ("key_files", key_files),
    ("p2pke_messages", p2pke_messages),
    ("p2pke_strangers", p2pke_strangers),
    ("p2pke_tampering", p2pke_tampering),
];

/// A text that is read as an address, or as a stack, prints as one that is read as the same.
///
/// # Panics
/// Where that is not so.
pub fn addresses(data: &[u8]) {
    fn round_trip<A: FromStr<Err: Display> + Display + PartialEq>(text: &str) {
        match text.parse::<A>() {
            Ok(addr) => {
                let printed = addr.to_string();
                assert!(printed.parse().is_ok_and(|again: A| again == addr), "{text} -> {printed}");
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    let Ok(text) = core::str::from_utf8(data) else { return };
    round_trip::<UdpAddr>(text);
    round_trip::<MemoryAddr>(text);
    round_trip::<PeerAddr<UdpAddr>>(text);
    round_trip::<PeerAddr<PeerAddr<MemoryAddr>>>(text);
    round_trip::<At<u16, PeerAddr<UdpAddr>>>(text);
    round_trip::<AnyAddr>(text);
    round_trip::<MultiAddr<AnyAddr>>(text);
    // The text of a whole stack, by itself and as a layer.
    round_trip::<Description>(text);
    round_trip::<Description>(&format!("memory://1 | {text}"));
}

/// What is read as a channel's header is written as one that is no longer, and read as the same.
///
/// # Panics
/// Where that is not so.
pub fn channels(data: &[u8]) {
    fn round_trip<C: Channel>(data: &[u8]) {
        let Some((channel, len)) = C::read(data) else { return };
        let mut header = Vec::new();
        channel.write(&mut header);
        assert!(header.len() <= len && len <= data.len());
        assert!(
            C::read(&header).is_some_and(|(again, len)| again == channel && len == header.len())
        );
        let index = [(channel, ())].into();
        assert_eq!(C::find(&index, data), Some((Some(&()), len)));
    }
    round_trip::<Label>(data);
    round_trip::<u16>(data);
    round_trip::<u32>(data);
    round_trip::<u64>(data);
    round_trip::<Varint>(data);
    round_trip::<Name>(data);
}

/// Fragments from a few sources, cut out of `data`: nothing above the limit is delivered, what waits
/// keeps to its budgets, and nothing of it outlives its time.
///
/// # Panics
/// Where that is not so.
pub fn fragments(data: &[u8]) {
    const MAX: usize = 1_000;
    let (mut limits, mut now) = (Limits::default(), Instant::ZERO);
    (limits.reassembly, limits.reassembly_per_peer) = (6_000, 4_000);
    let fragmenter = Fragmenter::new(MAX, &Seed::from_u64(1), &limits);
    let mut node = Node::new(Stack::new(DatagramPort::new(&limits), fragmenter));
    let waiting = |node: &Node<_>| node.stats().value("fragment.reassembly_bytes");
    for (n, payload) in datagrams(data).enumerate() {
        now = now + core::time::Duration::from_millis(1);
        let (src, dst) = (MemoryAddr(n as u32 % 3), MemoryAddr(9));
        node.handle_input(now, DatagramInput::Datagram { src, dst, payload });
        while let Some(event) = node.poll_event() {
            assert!(!matches!(event, Event::Told(message) if message.payload.len() > MAX));
        }
        assert!(waiting(&node) <= 6_000);
    }
    node.handle_timeout(now + EXPIRY);
    assert_eq!(waiting(&node), 0);
}

/// A file that is read as a key is written as one that is read as the same; one that is read as a
/// secret key is never taken for a public one.
///
/// # Panics
/// Where that is not so.
pub fn key_files(data: &[u8]) {
    let mut rng = Seed::from_u64(0).rng("salt");
    let formats = [KeyFormat::Pkcs8, KeyFormat::OpenSsh, KeyFormat::GoP2p];
    for asked in [None].into_iter().chain(formats.map(Some)) {
        let Ok(key) = SecretKey::read(data, asked, None) else { continue };
        let file = key.write(KeyFormat::Pkcs8, None, &mut rng).expect("writes");
        let again = SecretKey::read(file.as_bytes(), None, None).expect("reads what it wrote");
        assert_eq!(again.public(), key.public());
        assert!(PublicKey::read(data).is_err(), "a secret key was taken for a public one");
    }
    if let Ok(key) = PublicKey::from_spki(data) {
        assert_eq!(key.to_spki(), data, "there is one spelling");
    }
    if let Ok(key) = PublicKey::read(data) {
        assert_eq!(PublicKey::from_spki(&key.to_spki()), Ok(key));
    }
}

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
    while path.deeds.len() > 0 {
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
    deeds: core::iter::Copied<core::slice::Iter<'a, u8>>,
    now: Instant,
    told: [u32; 2],
    /// What arrived of what the first told, and of what the second did.
    heard: [u32; 2],
    kept: Vec<BytesMut>,
}

impl<'a> Path<'a> {
    const TOLD: [&'static [u8]; 2] = [b"from the first", b"from the second"];

    fn new(deeds: &'a [u8]) -> Self {
        let ((a, a_addr), (b, b_addr)) = (secure(1), secure(2));
        Self {
            nodes: [a, b],
            addrs: [a_addr, b_addr],
            deeds: deeds.iter().copied(),
            now: Instant::ZERO,
            told: [0; 2],
            heard: [0; 2],
            kept: Vec::new(),
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
                let mut datagram = payload.into_mut();
                if attacked {
                    self.attack(from, &mut datagram);
                }
                self.deliver(from, to, datagram);
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

    fn attack(&mut self, from: usize, datagram: &mut BytesMut) {
        let to = 1 - from;
        match self.deeds.next().map_or(0, |deed| deed % 8) {
            1 => datagram.clear(),
            2 => flip(datagram, &mut self.deeds),
            3 => datagram.truncate(usize::from(self.deeds.next().unwrap_or(0))),
            4 => self.deliver(from, to, datagram.clone()),
            5 => self.kept.push(datagram.clone()),
            6 => {
                let late = self.kept.pop().unwrap_or_default();
                self.deliver(from, to, late);
            }
            // Its own words, thrown back at it.
            7 => self.deliver(to, from, datagram.clone()),
            _ => {}
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

/// Flips a bit, at a place that two bytes say.
fn flip(datagram: &mut [u8], deeds: &mut impl Iterator<Item = u8>) {
    let place = u16::from_be_bytes([deeds.next().unwrap_or(0), deeds.next().unwrap_or(0)]);
    let len = datagram.len().max(1);
    if let Some(byte) = datagram.get_mut(usize::from(place) / 8 % len) {
        *byte ^= 1 << (place % 8);
    }
}

/// Cuts `data` into datagrams, each after two bytes that say how long it is, or as long as the
/// rest.
fn datagrams(mut data: &[u8]) -> impl Iterator<Item = BytesMut> {
    core::iter::from_fn(move || {
        let (len, rest) = data.split_first_chunk::<2>()?;
        let len = usize::from(u16::from_be_bytes(*len)).min(rest.len());
        let (datagram, rest) = rest.split_at(len);
        data = rest;
        Some(BytesMut::from(datagram))
    })
}
