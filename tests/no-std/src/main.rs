//! An executable without `std` and without a C library, around `tellask`.
//!
//! It proves that the core is `no_std` by being linked: a dependency on `std`, however deep, would
//! bring a second panic handler, and one on a C library (for randomness, time, memory) a symbol that
//! nobody defines. It runs too, and exits with 0 if what it does came out right.
//!
//! For Linux on x86-64, the one platform whose entry point and system calls it knows.
#![no_std]
#![no_main]

extern crate alloc;

mod memory;
mod platform;
mod serial;

use alloc::{string::ToString as _, vec};
use core::time::Duration;
use tellask::identity::{PeerId, SecretKey};
use tellask::p2pke::P2pke;
use tellask::swarm::Accept;
use tellask::time::Anchor;
use tellask::{
    Datagram, DatagramInput, DatagramPort, Event, Instant, Limits, MemoryAddr, Node, PeerAddr,
    Seed, Stack,
};

type Secure = Node<Stack<DatagramPort<MemoryAddr>, P2pke<MemoryAddr>>>;

/// What a message says.
const TEXT: &[u8] = b"hello from nowhere";
/// Datagrams are handed on so often before the message has to have arrived; a handshake takes four.
const ROUNDS: usize = 16;

/// Two nodes in memory, then two at the ends of a serial line.
fn run() -> Result<(), &'static str> {
    in_memory()?;
    serial::run()
}

/// A key's id in text and back, then a handshake of two nodes and a message through it.
fn in_memory() -> Result<(), &'static str> {
    let ((mut alice, alice_addr), (mut bob, bob_addr)) = (node(1), node(2));
    if bob_addr.id.to_string().parse::<PeerId>() != Ok(bob_addr.id) {
        return Err("an id does not survive its text\n");
    }

    let mut now = Instant::ZERO;
    alice.tell(now, bob_addr, TEXT).map_err(|_| "a message was not accepted\n")?;
    for _ in 0..ROUNDS {
        now = now + Duration::from_millis(1);
        deliver(now, alice_addr.addr, &mut alice, &mut bob);
        deliver(now, bob_addr.addr, &mut bob, &mut alice);
        while let Some(event) = bob.poll_event() {
            let Event::Told(message) = event else { continue };
            return match (message.src == alice_addr, &*message.payload == TEXT) {
                (true, true) => Ok(()),
                (false, _) => Err("a message came from somebody else\n"),
                (_, false) => Err("another message came\n"),
            };
        }
    }
    Err("the message did not arrive\n")
}

fn node(number: u32) -> (Secure, PeerAddr<MemoryAddr>) {
    let (seed, limits) = (Seed::from_u64(number.into()), Limits::default());
    let key = SecretKey::generate(&mut seed.rng("key"));
    let addr = PeerAddr { id: key.id(), addr: MemoryAddr(number) };
    let security = P2pke::new(key, &seed, Anchor::default(), Accept::Anyone, &limits);
    let mut node = Node::new(Stack::new(DatagramPort::new(&limits), security));
    let bound = DatagramInput::Bound { local: vec![addr.addr], mtu: 1_400 };
    node.handle_input(Instant::ZERO, bound);
    (node, addr)
}

/// Hands what `from` has to send to `to`.
fn deliver(now: Instant, src: MemoryAddr, from: &mut Secure, to: &mut Secure) {
    from.handle_timeout(now);
    while let Some(Datagram { dst, payload, .. }) = from.poll_transmit() {
        let payload = payload.into_mut();
        to.handle_input(now, DatagramInput::Datagram { src, dst, payload });
    }
}
