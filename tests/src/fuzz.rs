//! Fuzz targets: functions of bytes that must neither panic nor break what they assert.
//!
//! Each is a plain function, so that it runs twice: for seconds in the tests, on inputs that
//! proptest makes or bends from good ones (`tests/fuzz.rs`), and for as long as one likes under
//! libFuzzer, from the package in `tests/fuzz`.

mod asks;
mod attacker;
mod p2pke;
#[cfg(feature = "ssh")]
mod ssh;

pub use asks::{asked, asks};
pub use p2pke::{p2pke_messages, p2pke_strangers, p2pke_tampering, tampered};
#[cfg(feature = "ssh")]
pub use ssh::{ssh_strangers, ssh_tampering};

use attacker::datagrams;
use core::fmt::Display;
use core::str::FromStr;
use tellask::fragment::{EXPIRY, Fragmenter};
use tellask::identity::{KeyFormat, PublicKey, SecretKey};
use tellask::multi::MultiAddr;
use tellask::mux::{Channel, Name, Varint};
use tellask::text::{AnyAddr, Description, Label};
use tellask::{
    At, DatagramInput, DatagramPort, Event, Instant, Limits, MemoryAddr, Node, PeerAddr, Seed,
    Stack, TcpAddr, UdpAddr,
};

/// A target, by the name it has in `tests/fuzz`.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("addresses", addresses),
    ("asks", asks),
    ("channels", channels),
    ("fragments", fragments),
    ("key_files", key_files),
    ("p2pke_messages", p2pke_messages),
    ("p2pke_strangers", p2pke_strangers),
    ("p2pke_tampering", p2pke_tampering),
    #[cfg(feature = "ssh")]
    ("ssh_strangers", ssh_strangers),
    #[cfg(feature = "ssh")]
    ("ssh_tampering", ssh_tampering),
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
    round_trip::<TcpAddr>(text);
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
