//! Two secure nodes in memory: no sockets, no runtime, no clock. `cargo run --example pair`

use core::time::Duration;
use tellask::{Datagram, DatagramInput, DatagramPort, Event, Instant, Limits, MemoryAddr, Node};
use tellask::{PeerAddr, Seed, Stack};
use tellask::{identity::SecretKey, p2pke::P2pke, swarm::Accept, time::Anchor};

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
    let ((mut from, mut src), (mut to, mut dst)) = (node(1), node(2));
    let (alice, bob) = (src, dst);
    from.tell(Instant::ZERO, bob, "how do you do?").expect("a short message is accepted");
    // The network of this example: what one node sends, the other has a millisecond later.
    for now in (1..=6).map(|millis| Instant::ZERO + Duration::from_millis(millis)) {
        from.handle_timeout(now);
        while let Some(Datagram { payload, .. }) = from.poll_transmit() {
            let payload = payload.into_mut();
            let (src, dst) = (src.addr, dst.addr);
            to.handle_input(now, DatagramInput::Datagram { src, dst, payload });
        }
        while let Some(event) = to.poll_event() {
            let Event::Told(message) = event else { continue };
            println!("{now}  {} says {:?}", message.src, message.payload);
            if message.src == bob {
                return; // the answer
            }
            to.tell(now, alice, "very well").expect("the session is up");
        }
        (from, src, to, dst) = (to, dst, from, src);
    }
    panic!("no answer within 6 ms");
}
