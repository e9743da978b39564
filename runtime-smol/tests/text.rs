//! Nodes whose stack was read from text, on real sockets of the loopback interface.

use async_executor::Executor;
use async_io::{Timer, block_on};
use core::time::Duration;
use futures_lite::future;
use tellask::identity::SecretKey;
use tellask::text::{AnyAddr, Description};
use tellask::{PeerAddr, UdpAddr};
use tellask_smol::{BindError, Builder, Message, Node, stack, udp};

/// Nothing here takes as long.
const LONG: Duration = Duration::from_secs(30);

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed(&[number; 32])
}

fn read(text: &str) -> Description {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn start<A>(executor: &Executor<'static>, builder: Builder<A>) -> Node<A>
where
    A: tellask::Addr + Send + Sync + 'static,
{
    let (node, driver) = builder.bind().expect("a free port");
    executor.spawn(driver).detach();
    node
}

async fn heard<A: tellask::Addr>(node: &Node<A>) -> Message<A> {
    let late = async {
        Timer::after(LONG).await;
        None
    };
    future::or(node.receive(), late).await.expect("a message in time")
}

#[test]
fn five_layers_from_text_tell_over_udp() {
    let five = read("udp://127.0.0.1:0 | p2pke | fragment(256KiB) | ask | mux(string, chat)");
    let executor = Executor::new();
    block_on(executor.run(async {
        let alice = start(&executor, stack(&five, Some(key(1))));
        let bob = start(&executor, stack(&five, Some(key(2))));
        let addr = |node: &Node<AnyAddr>| node.local_addrs()[0].clone();
        assert!(addr(&bob).to_string().starts_with(&format!("chat://{}@127.0.0.1:", key(2).id())));
        // As it would be typed on the other machine.
        let typed: AnyAddr = addr(&bob).to_string().parse().expect("an address");
        for len in [0, 1, 70_000] {
            alice.tell(&typed, vec![5; len]).await.expect("accepted");
            let message = heard(&bob).await;
            assert_eq!((message.src, message.payload.len()), (addr(&alice), len));
        }
    }));
}

#[test]
fn a_node_from_text_and_one_that_was_built_talk_to_each_other() {
    let executor = Executor::new();
    block_on(executor.run(async {
        let description = read("udp://127.0.0.1:0 | p2pke | fragment(64KiB)");
        let text = start(&executor, stack(&description, Some(key(1))));
        let builder = udp("127.0.0.1:0".parse().expect("an address")).secured(key(2));
        let built: Node<PeerAddr<UdpAddr>> = start(&executor, builder.fragmented(64 * 1_024));
        let addr: AnyAddr = built.local_addrs()[0].to_string().parse().expect("an address");
        text.tell(&addr, vec![5; 9_000]).await.expect("accepted");
        let message = heard(&built).await;
        assert_eq!(message.src.to_string(), text.local_addrs()[0].to_string());
        assert_eq!(message.payload.len(), 9_000);
    }));
}

#[test]
fn a_stack_that_cannot_be_made_does_not_start_and_says_why() {
    let secured = stack(&read("udp://127.0.0.1:0 | p2pke"), None).bind();
    let error = secured.expect_err("there is no key");
    assert!(matches!(error, BindError::Stack { .. }));
    assert_eq!(error.to_string(), "the stack has a p2pke or a quic, and there is no key for it");
    let memory = stack(&read("memory://1 | ask"), None).bind();
    let error = memory.expect_err("there is no socket").to_string();
    assert_eq!(error, "the stack has another bottom: here it begins with udp://");
}
