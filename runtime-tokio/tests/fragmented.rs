//! Messages that are larger than a datagram, on real sockets of the loopback interface.

use core::time::Duration;
use tellask::identity::SecretKey;
use tellask::swarm::TellError;
use tellask::{PeerAddr, UdpAddr};
use tellask_tokio::{Node, udp};
use tokio::time::timeout;

/// Nothing here takes as long.
const LONG: Duration = Duration::from_secs(30);
const MAX: usize = 256 * 1024;

async fn node(number: u8) -> Node<PeerAddr<UdpAddr>> {
    let key = SecretKey::from_seed(&[number; 32]);
    let builder = udp("127.0.0.1:0".parse().expect("an address")).secured(key).fragmented(MAX);
    builder.spawn().await.expect("a free port")
}

#[tokio::test]
async fn messages_of_many_fragments_go_both_ways() {
    let (alice, bob) = (node(1).await, node(2).await);
    let addr = |node: &Node<PeerAddr<UdpAddr>>| node.local_addrs()[0];
    assert_eq!(alice.mtu(), MAX);
    for len in [0, 1, 1_197, 1_198, 64 * 1024, MAX - 1, MAX] {
        let text: Vec<u8> = (0..len).map(|at| (at * 7) as u8).collect();
        for (from, to) in [(&alice, &bob), (&bob, &alice)] {
            from.tell(&addr(to), text.clone()).await.expect("accepted");
            let message = timeout(LONG, to.receive()).await.expect("in time").expect("open");
            assert_eq!((message.src, &message.payload[..]), (addr(from), &text[..]));
        }
    }
    let too_large = TellError::TooLarge { len: MAX + 1, limit: MAX };
    assert_eq!(alice.tell(&addr(&bob), vec![0; MAX + 1]).await, Err(too_large));
}
