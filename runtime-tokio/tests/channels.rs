//! Tells and asks on channels of one secure node, on real sockets of the loopback interface.

use core::time::Duration;
use tellask::identity::SecretKey;
use tellask::mux::{Name, OpenError};
use tellask::swarm::{AskError, Refusal, TellError};
use tellask::text::BuildError;
use tellask::{At, Limits, PeerAddr, UdpAddr};
use tellask_tokio::{BindError, Builder, Node, udp};
use tokio::time::timeout;

/// Nothing here takes as long.
const LONG: Duration = Duration::from_secs(30);
const TELL_MAX: usize = 256 * 1024;

type Address = At<Name, PeerAddr<UdpAddr>>;

fn builder(number: u8) -> Builder<Address> {
    let key = SecretKey::from_seed(&[number; 32]);
    let builder = udp("127.0.0.1:0".parse().expect("an address")).secured(key);
    builder.fragmented(TELL_MAX).asking().channels(["chat", "files", "chat"])
}

/// A node's address on a channel.
fn on(node: &Node<Address>, channel: &str) -> Address {
    let mut local = node.local_addrs().into_iter();
    local.find(|addr| addr.key.as_str() == channel).expect("an open channel")
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 + at / 251) as u8).collect()
}

async fn node(number: u8) -> Node<Address> {
    builder(number).spawn().await.expect("a free port")
}

#[tokio::test]
async fn each_of_two_channels_is_told_and_asked_what_is_for_it() {
    let (alice, bob) = (node(1).await, node(2).await);
    assert_eq!(bob.local_addrs().len(), 2, "a channel named twice is one");
    let name = "files".len() + 1;
    let tell_max = bob.mtu();
    assert!((TELL_MAX - 64..TELL_MAX - name).contains(&tell_max), "{tell_max}");
    for channel in ["chat", "files"] {
        for len in [0, 1, tell_max] {
            alice.tell(&on(&bob, channel), bytes(len)).await.expect("accepted");
            let message = timeout(LONG, bob.receive()).await.expect("in time").expect("open");
            assert_eq!((&message.src, &message.dst), (&on(&alice, channel), &on(&bob, channel)));
            assert_eq!(message.payload, bytes(len));
        }
    }
    let error = alice.tell(&on(&bob, "files"), vec![0; tell_max + 1]).await;
    assert_eq!(error, Err(TellError::TooLarge { len: tell_max + 1, limit: tell_max }));

    // Each answer says on which channel it was asked, and is larger than any tell.
    let serve = bob.serve(async |message| {
        if message.payload.is_empty() {
            return Err(Refusal::new(7, "nothing asked"));
        }
        let mut answer = message.dst.key.as_str().as_bytes().to_vec();
        answer.extend_from_slice(&message.payload);
        Ok(answer)
    });
    let ask = async {
        for channel in ["chat", "files"] {
            for len in [1, 2_000, 1_000_000] {
                let answer = alice.ask(&on(&bob, channel), bytes(len)).within(LONG).await;
                assert_eq!(answer.expect("an answer"), [channel.as_bytes(), &bytes(len)].concat());
            }
        }
        let refusal = alice.ask(&on(&bob, "chat"), "").within(LONG).await;
        assert_eq!(refusal, Err(AskError::Refused(Refusal::new(7, "nothing asked"))));
        let closed = At { key: Name::from("closed"), addr: on(&bob, "chat").addr };
        let refusal = alice.ask(&closed, "anybody?").within(LONG).await;
        assert_eq!(refusal, Err(AskError::Unreachable(tellask::swarm::Undeliverable::NoRoute)));
    };
    tokio::select! { () = serve => panic!("the node was closed"), () = ask => {} }
    // In this order: bob hears that his last answer arrived before he closes.
    bob.close(LONG).await.expect("nothing is left");
    alice.close(LONG).await.expect("nothing is left");
}

#[tokio::test]
async fn more_channels_than_may_be_are_refused() {
    let mut limits = Limits::default();
    limits.channels = 1;
    let error = builder(3).limits(limits).spawn().await.expect_err("two channels");
    let source = BuildError::Channels(OpenError::Full);
    assert!(matches!(error, BindError::Stack { source: why } if why == source), "{error}");
}
