//! Two secure nodes in memory: no sockets, no runtime, no clock.
//!
//! `cargo run --example pair`

use core::time::Duration;
use tellask::identity::SecretKey;
use tellask::p2pke::P2pke;
use tellask::swarm::Accept;
use tellask::time::Anchor;
use tellask::{
    Datagram, DatagramInput, DatagramPort, Event, Instant, Limits, MemoryAddr, Node, PeerAddr,
    Seed, Stack,
};

type Secure = Node<Stack<DatagramPort<MemoryAddr>, P2pke<MemoryAddr>>>;

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

fn main() {
    let (alice, bob) = (node(1), node(2));
    let (alice_addr, bob_addr) = (alice.1, bob.1);
    let mut nodes = [alice, bob];
    let mut now = Instant::ZERO;
    nodes[0].0.tell(now, bob_addr, "how do you do?").expect("a short message is accepted");

    let mut told = 0;
    while told < 2 {
        // The network of this example: what one node sends, the other has a millisecond later.
        now = now + Duration::from_millis(1);
        nodes.reverse();
        let [(from, src), (to, _)] = &mut nodes;
        from.handle_timeout(now);
        while let Some(Datagram { dst, payload, .. }) = from.poll_transmit() {
            println!("{now}  {} -> {dst}  {} bytes", src.addr, payload.len());
            let payload = payload.into_mut();
            to.handle_input(now, DatagramInput::Datagram { src: src.addr, dst, payload });
        }
        while let Some(event) = to.poll_event() {
            let Event::Told(message) = event else { continue };
            println!("{now}  {} says {:?}", message.src, message.payload);
            told += 1;
            if message.src != bob_addr {
                assert_eq!(message.src, alice_addr, "proven by its key");
                to.tell(now, message.src, "very well").expect("the session is up");
            }
        }
    }
}
