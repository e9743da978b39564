//! Nodes whose stack was read from text, on real sockets of the loopback interface.

use core::time::Duration;
use tellask::identity::SecretKey;
use tellask::text::{AnyAddr, Description};
use tellask::{PeerAddr, UdpAddr};
use tellask_tokio::{BindError, Node, stack, udp};
use tokio::time::timeout;

/// Nothing here takes as long.
const LONG: Duration = Duration::from_secs(30);

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed(&[number; 32])
}

fn read(text: &str) -> Description {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

async fn node(text: &str, number: u8) -> Node<AnyAddr> {
    stack(&read(text), Some(key(number))).spawn().await.expect("a free port")
}

#[tokio::test]
async fn five_layers_from_text_tell_over_udp() {
    let five = "udp://127.0.0.1:0 | p2pke | fragment(256KiB) | ask | mux(string, chat)";
    let (alice, bob) = (node(five, 1).await, node(five, 2).await);
    let addr = |node: &Node<AnyAddr>| node.local_addrs()[0].clone();
    assert!(addr(&bob).to_string().starts_with(&format!("chat://{}@127.0.0.1:", key(2).id())));
    // As it would be typed on the other machine.
    let typed: AnyAddr = addr(&bob).to_string().parse().expect("an address");
    for len in [0, 1, 70_000] {
        alice.tell(&typed, vec![5; len]).await.expect("accepted");
        let message = timeout(LONG, bob.receive()).await.expect("in time").expect("open");
        assert_eq!((message.src, message.payload.len()), (addr(&alice), len));
    }
}

#[tokio::test]
async fn a_node_from_text_and_one_that_was_built_talk_to_each_other() {
    let text = node("udp://127.0.0.1:0 | p2pke | fragment(64KiB)", 1).await;
    let builder = udp("127.0.0.1:0".parse().expect("an address")).secured(key(2));
    let built: Node<PeerAddr<UdpAddr>> =
        builder.fragmented(64 * 1_024).spawn().await.expect("a free port");
    let addr: AnyAddr = built.local_addrs()[0].to_string().parse().expect("an address");
    text.tell(&addr, vec![5; 9_000]).await.expect("accepted");
    let message = timeout(LONG, built.receive()).await.expect("in time").expect("open");
    assert_eq!(message.src.to_string(), text.local_addrs()[0].to_string());
    assert_eq!(message.payload.len(), 9_000);
}

#[tokio::test]
async fn a_stack_that_cannot_be_made_does_not_start_and_says_why() {
    let secured = stack(&read("udp://127.0.0.1:0 | p2pke"), None).spawn().await;
    let error = secured.expect_err("there is no key");
    assert!(matches!(error, BindError::Stack { .. }));
    assert_eq!(error.to_string(), "the stack has a p2pke or a quic, and there is no key for it");
    let memory = stack(&read("memory://1 | ask"), None).spawn().await;
    let error = memory.expect_err("there is no socket").to_string();
    assert_eq!(error, "the stack has another bottom: here it begins with udp://");
}
