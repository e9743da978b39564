//! Secured nodes on real sockets of the loopback interface.

use std::future::Future;
use std::net::UdpSocket;
use std::time::Duration;
use tellask::identity::SecretKey;
use tellask::swarm::{Accept, DownReason, IdentifyError, TellError, Undeliverable};
use tellask::{PeerAddr, UdpAddr};
use tellask_tokio::{Builder, CloseError, Node, Notice, udp};

/// Nothing here takes as long.
const LONG: Duration = Duration::from_secs(30);

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed(&[number; 32])
}

fn secured(number: u8) -> Builder<PeerAddr<UdpAddr>> {
    udp("127.0.0.1:0".parse().expect("an address")).secured(key(number))
}

async fn node(number: u8) -> Node<PeerAddr<UdpAddr>> {
    secured(number).spawn().await.expect("a free port")
}

fn home<A: tellask::Addr>(node: &Node<A>) -> A {
    node.local_addrs()[0].clone()
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, what).await.expect("in time")
}

/// An address where nobody answers: the socket is there, so that nothing else is.
fn nobody(number: u8) -> (UdpSocket, PeerAddr<UdpAddr>) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let addr = UdpAddr(socket.local_addr().expect("bound"));
    (socket, PeerAddr { id: key(number).id(), addr })
}

#[tokio::test]
async fn two_nodes_prove_their_keys_and_exchange_messages() {
    let (alice, bob) = (node(1).await, node(2).await);
    let (mut hers, mut his) = (alice.events(), bob.events());
    assert_eq!(home(&alice).id, key(1).id());
    alice.tell(&home(&bob), "hello").await.expect("taken");
    let hello = soon(bob.receive()).await.expect("open");
    assert_eq!((&hello.payload[..], hello.src), (&b"hello"[..], home(&alice)));
    bob.tell(&hello.src, "and back").await.expect("taken");
    let back = soon(alice.receive()).await.expect("open");
    assert_eq!((&back.payload[..], back.src), (&b"and back"[..], home(&bob)));
    let up = Notice::PeerUp { addr: home(&bob), key: *key(2).public() };
    assert_eq!(soon(hers.next()).await, Some(up));
    let up = Notice::PeerUp { addr: home(&alice), key: *key(1).public() };
    assert_eq!(soon(his.next()).await, Some(up));
}

#[tokio::test]
async fn a_peer_is_identified_for_all_who_ask() {
    let (alice, bob) = (node(1).await, node(2).await);
    let dst = home(&bob);
    let (one, other) =
        soon(async { tokio::join!(alice.identify(&dst), alice.identify(&dst)) }).await;
    assert_eq!((one, other), (Ok(*key(2).public()), Ok(*key(2).public())));
    assert_eq!(soon(alice.identify(&dst)).await, Ok(*key(2).public()), "and again");
}

#[tokio::test]
async fn an_identification_that_is_dropped_does_not_disturb_the_next() {
    let (alice, bob) = (node(1).await, node(2).await);
    let dst = home(&bob);
    tokio::select! {
        biased;
        _ = alice.identify(&dst) => panic!("the driver did not run yet"),
        () = std::future::ready(()) => {}
    }
    assert_eq!(soon(alice.identify(&dst)).await, Ok(*key(2).public()));
}

#[tokio::test]
async fn a_peer_that_the_policy_excludes_is_disconnected() {
    let (alice, bob) = (node(1).await, node(2).await);
    let mut events = alice.events();
    soon(alice.identify(&home(&bob))).await.expect("bob");
    alice.set_accept(Accept::Only(std::iter::empty().collect()));
    let up = soon(events.next()).await;
    assert!(matches!(up, Some(Notice::PeerUp { .. })), "{up:?}");
    let addr = home(&bob);
    let down = soon(events.next()).await;
    assert_eq!(down, Some(Notice::PeerDown { addr, reason: DownReason::Denied }));
    let denied = soon(alice.identify(&addr)).await;
    assert_eq!(denied, Err(IdentifyError::Undeliverable(Undeliverable::Denied)));
}

#[tokio::test]
async fn disconnecting_brings_a_peer_down() {
    let (alice, bob) = (node(1).await, node(2).await);
    let mut events = alice.events();
    let addr = home(&bob);
    soon(alice.identify(&addr)).await.expect("bob");
    assert!(matches!(soon(events.next()).await, Some(Notice::PeerUp { .. })));
    alice.disconnect(&addr);
    let down = soon(events.next()).await;
    assert_eq!(down, Some(Notice::PeerDown { addr, reason: DownReason::Disconnected }));
}

#[tokio::test]
async fn a_message_above_the_limit_is_refused_with_the_limit() {
    let (alice, bob) = (node(1).await, node(2).await);
    let limit = alice.mtu();
    assert!(limit < 1_232, "the seal takes its part");
    let result = alice.try_tell(&home(&bob), vec![0; limit + 1]);
    assert_eq!(result, Err(TellError::TooLarge { len: limit + 1, limit }));
    alice.tell(&home(&bob), vec![0; limit]).await.expect("taken");
    assert_eq!(soon(bob.receive()).await.expect("open").payload.len(), limit);
}

#[tokio::test]
async fn close_waits_for_the_handshake_of_what_was_accepted() {
    let (alice, bob) = (node(1).await, node(2).await);
    alice.try_tell(&home(&bob), "the first and last").expect("taken");
    soon(alice.close(LONG)).await.expect("closed in time");
    let message = soon(bob.receive()).await.expect("open");
    assert_eq!(&message.payload[..], b"the first and last");
}

#[tokio::test]
async fn a_close_whose_deadline_has_passed_says_so_and_frees_the_port() {
    let alice = node(1).await;
    let (_socket, dst) = nobody(2);
    alice.tell(&dst, "nobody will answer").await.expect("taken");
    let waiting = alice.clone();
    let identify = tokio::spawn(async move { waiting.identify(&dst).await });
    tokio::task::yield_now().await;
    assert_eq!(soon(alice.close(Duration::ZERO)).await, Err(CloseError::TimedOut));
    let identified = soon(identify).await.expect("no panic");
    assert_eq!(identified, Err(IdentifyError::Undeliverable(Undeliverable::Closed)));
    udp(home(&alice).addr).spawn().await.expect("the port is free");
}

#[tokio::test]
async fn a_node_without_a_handle_does_not_wait_for_anybody() {
    let alice = node(1).await;
    let at = home(&alice).addr;
    let mut events = alice.events();
    let (_socket, dst) = nobody(2);
    alice.tell(&dst, "nobody will answer").await.expect("taken");
    drop(alice);
    while soon(events.next()).await.is_some() {}
    udp(at).spawn().await.expect("the port is free");
}
