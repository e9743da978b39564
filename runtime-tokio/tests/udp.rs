//! Raw nodes on real sockets of the loopback interface.

use std::future::Future;
use std::net::{SocketAddr, UdpSocket};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tellask::swarm::{IdentifyError, TellError, Undeliverable};
use tellask::{Limits, UdpAddr};
use tellask_tokio::{BindError, CloseError, Message, Node, Notice, udp};

/// Nothing here takes as long.
const LONG: Duration = Duration::from_secs(30);

fn addr(text: &str) -> UdpAddr {
    text.parse().expect("an address")
}

async fn node(at: &str) -> Node<UdpAddr> {
    udp(addr(at)).spawn().await.expect("a free port")
}

fn home(node: &Node<UdpAddr>) -> UdpAddr {
    node.local_addrs()[0]
}

async fn heard(node: &Node<UdpAddr>) -> Message<UdpAddr> {
    tokio::time::timeout(LONG, node.receive()).await.expect("a message in time").expect("open")
}

/// One poll, by nobody who could be woken.
fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

async fn exchange(one: &str, other: &str) {
    let (one, other) = (node(one).await, node(other).await);
    one.tell(&home(&other), "there").await.expect("taken");
    let there = heard(&other).await;
    assert_eq!(&there.payload[..], b"there");
    assert_eq!((there.src, there.dst), (home(&one), home(&other)));
    other.tell(&there.src, "and back").await.expect("taken");
    let back = heard(&one).await;
    assert_eq!(&back.payload[..], b"and back");
    assert_eq!((back.src, back.dst), (home(&other), home(&one)));
}

#[tokio::test]
async fn two_nodes_exchange_messages_over_ipv4() {
    exchange("127.0.0.1:0", "127.0.0.1:0").await;
}

#[tokio::test]
async fn two_nodes_exchange_messages_over_ipv6() {
    exchange("[::1]:0", "[::1]:0").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_exchange_messages_on_a_runtime_of_several_threads() {
    exchange("127.0.0.1:0", "127.0.0.1:0").await;
}

#[tokio::test]
async fn a_port_in_use_is_refused_with_what_would_be_right() {
    let node = node("127.0.0.1:0").await;
    let error = udp(home(&node)).spawn().await.expect_err("the port is in use");
    assert!(matches!(error, BindError::InUse { .. }));
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains("choose another port"), "{error}");
}

#[tokio::test]
async fn an_address_of_another_machine_is_refused_with_what_would_be_right() {
    // Reserved for documentation (RFC 5737).
    let error = udp(addr("192.0.2.1:0")).spawn().await.expect_err("not an address of ours");
    assert!(matches!(error, BindError::NotLocal { .. }));
    assert!(error.to_string().contains("0.0.0.0"), "{error}");
}

#[test]
fn outside_of_a_runtime_there_is_no_node() {
    let Poll::Ready(Err(error)) = poll_once(udp(addr("127.0.0.1:0")).spawn()) else {
        panic!("spawned without a runtime");
    };
    assert!(matches!(error, BindError::NoRuntime));
}

#[tokio::test]
async fn a_message_of_no_bytes_is_a_message() {
    let (one, other) = (node("127.0.0.1:0").await, node("127.0.0.1:0").await);
    one.tell(&home(&other), "").await.expect("taken");
    assert_eq!(heard(&other).await.payload.len(), 0);
}

#[tokio::test]
async fn messages_of_many_sizes_arrive_whole_and_in_order() {
    let (one, other) = (node("127.0.0.1:0").await, node("127.0.0.1:0").await);
    let sizes = [1232, 1232, 1232, 7, 0, 1232, 1231, 1231, 1232, 1, 1, 1, 0, 0, 600, 601];
    for (number, size) in sizes.into_iter().enumerate() {
        one.tell(&home(&other), vec![number as u8; size]).await.expect("taken");
    }
    for (number, size) in sizes.into_iter().enumerate() {
        let message = heard(&other).await;
        assert_eq!(&message.payload[..], &vec![number as u8; size][..]);
    }
}

#[tokio::test]
async fn a_message_above_the_limit_is_refused_at_once_with_the_limit() {
    let (one, other) = (node("127.0.0.1:0").await, node("127.0.0.1:0").await);
    assert_eq!((one.mtu(), one.mtu_to(&home(&other))), (1_232, 1_232));
    let result = poll_once(one.tell(&home(&other), vec![0; 1_233]));
    assert_eq!(result, Poll::Ready(Err(TellError::TooLarge { len: 1_233, limit: 1_232 })));
    one.tell(&home(&other), vec![1; 1_232]).await.expect("the limit itself is taken");
    assert_eq!(heard(&other).await.payload.len(), 1_232);
}

#[tokio::test]
async fn the_limit_can_be_raised_to_the_largest_datagram() {
    let other = node("127.0.0.1:0").await;
    let one = udp(addr("127.0.0.1:0")).mtu(usize::MAX).spawn().await.expect("a free port");
    assert_eq!(one.mtu(), 65_507);
    one.tell(&home(&other), vec![3; 65_507]).await.expect("taken");
    assert_eq!(&heard(&other).await.payload[..], &[3; 65_507][..]);
}

#[tokio::test]
async fn a_raw_node_identifies_nobody() {
    let node = node("127.0.0.1:0").await;
    let result = node.identify(&addr("127.0.0.1:9")).await;
    assert_eq!(result, Err(IdentifyError::Undeliverable(Undeliverable::Unsupported)));
}

/// What was told to `at` on a node for all addresses is answered from `at`.
async fn answered_from(on: &str, at: &str) {
    let all = node(on).await;
    let peer: SocketAddr =
        if at.starts_with('[') { "[::1]:0" } else { "127.0.0.1:0" }.parse().expect("an address");
    let peer = UdpSocket::bind(peer).expect("a free port");
    peer.set_read_timeout(Some(LONG)).expect("set");
    let at: SocketAddr = format!("{at}:{}", home(&all).0.port()).parse().expect("an address");
    peer.send_to(b"who are you?", at).expect("sent");
    let question = heard(&all).await;
    assert_eq!(question.src.0, peer.local_addr().expect("bound"), "never an IPv4-mapped address");
    assert_eq!(question.dst.0, at);
    all.tell(&question.src, "you asked me").await.expect("taken");
    // The answer needs the driver, and this thread is the runtime.
    let read = tokio::task::spawn_blocking(move || peer.recv_from(&mut [0; 64])).await;
    let (_, from) = read.expect("no panic").expect("an answer");
    assert_eq!(from, at);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_node_for_all_addresses_answers_from_the_one_that_was_written_to() {
    answered_from("0.0.0.0:0", "127.0.0.2").await;
    answered_from("0.0.0.0:0", "127.0.0.1").await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn so_does_a_node_for_both_families() {
    answered_from("[::]:0", "127.0.0.2").await;
    answered_from("[::]:0", "[::1]").await;
}

#[tokio::test]
async fn nobody_at_the_other_end_does_not_end_a_node() {
    let (one, other) = (node("127.0.0.1:0").await, node("127.0.0.1:0").await);
    let gone = home(&node("127.0.0.1:0").await);
    for _ in 0..10 {
        one.tell(&gone, "anybody?").await.expect("taken");
    }
    one.tell(&home(&other), "you?").await.expect("taken");
    assert_eq!(&heard(&other).await.payload[..], b"you?");
    other.tell(&home(&one), "me").await.expect("taken");
    assert_eq!(&heard(&one).await.payload[..], b"me");
}

#[tokio::test]
async fn what_the_kernel_refuses_is_counted_and_reported_and_does_not_end_a_node() {
    let (one, other) = (node("127.0.0.1:0").await, node("127.0.0.1:0").await);
    let mut events = one.events();
    // The other family cannot be reached, and a broadcast needs a permission.
    for refused in [addr("[::1]:9"), addr("255.255.255.255:9")] {
        one.tell(&refused, "anybody?").await.expect("taken");
        let notice = tokio::time::timeout(LONG, events.next()).await.expect("in time");
        let reason = Undeliverable::Unreachable;
        assert_eq!(notice, Some(Notice::Undelivered { dst: refused, reason }));
    }
    one.tell(&home(&other), "you?").await.expect("taken");
    assert_eq!(&heard(&other).await.payload[..], b"you?");
    // The figures are those of the driver's last turn, which comes after this message was received.
    one.tell(&home(&one), "turn").await.expect("taken");
    heard(&one).await;
    assert_eq!(one.stats().value("socket.unreachable"), 2);
}

#[tokio::test]
async fn a_datagram_that_the_interface_does_not_take_is_reported_with_what_it_would() {
    let all = udp(addr("[::]:0")).mtu(65_507).spawn().await.expect("a free port");
    let mut events = all.events();
    // More than an IPv4 datagram, headers included, can have; a little less fits.
    let dst = UdpAddr(SocketAddr::new("::1".parse().expect("an address"), home(&all).0.port()));
    all.tell(&dst, vec![0; 65_507]).await.expect("taken");
    // The loopback interface takes 65,536 bytes; the headers of IPv6 and UDP are 48.
    let notice = tokio::time::timeout(LONG, events.next()).await.expect("in time");
    let reason = Undeliverable::TooLarge { limit: 1_232 };
    assert_eq!(notice, Some(Notice::Undelivered { dst, reason }));
    all.tell(&dst, vec![0; 65_488]).await.expect("taken");
    assert_eq!(heard(&all).await.payload.len(), 65_488);
}

fn small() -> Limits {
    let mut limits = Limits::default();
    limits.send = 4 * 1_024;
    limits.send_per_peer = 4 * 1_024;
    limits
}

/// Fills the queue of a node whose driver does not run, since the test does not yield to it.
fn fill(node: &Node<UdpAddr>, dst: &UdpAddr) -> usize {
    let mut taken = 0;
    while let Ok(()) = node.try_tell(dst, vec![0; 1_000]) {
        taken += 1;
        assert!(taken < 100, "it never fills");
    }
    taken
}

#[tokio::test]
async fn a_full_node_says_so_and_takes_the_next_message_when_it_is_ready() {
    let other = node("127.0.0.1:0").await;
    let dst = home(&other);
    let one = udp(addr("127.0.0.1:0")).limits(small()).spawn().await.expect("a free port");
    let taken = fill(&one, &dst);
    assert_eq!(one.try_tell(&dst, vec![0; 1]), Err(TellError::Full));
    assert_eq!(poll_once(one.tell(&dst, "not now")), Poll::Pending);
    one.tell(&dst, "at last").await.expect("taken");
    for _ in 0..taken {
        assert_eq!(heard(&other).await.payload.len(), 1_000);
    }
    assert_eq!(&heard(&other).await.payload[..], b"at last", "a dropped tell sends nothing");
    assert_eq!(one.stats().value("hub.tellers"), 0);
}

#[tokio::test]
async fn whoever_waits_to_tell_hears_of_the_close() {
    let one = udp(addr("127.0.0.1:0")).limits(small()).spawn().await.expect("a free port");
    let dst = home(&one);
    fill(&one, &dst);
    let waiting = one.clone();
    let (told, closed) = tokio::join!(async move { waiting.tell(&dst, "too late").await }, async {
        one.close(LONG).await
    });
    assert_eq!((told, closed), (Err(TellError::Closed), Ok(())));
}

#[tokio::test]
async fn a_receive_that_is_dropped_loses_nothing() {
    let (one, other) = (node("127.0.0.1:0").await, node("127.0.0.1:0").await);
    assert!(poll_once(other.receive()).is_pending());
    for number in 0..100_u8 {
        one.tell(&home(&other), vec![number]).await.expect("taken");
        let first = tokio::select! {
            biased;
            message = other.receive() => Some(message.expect("open")),
            () = tokio::task::yield_now() => None,
        };
        let message = match first {
            Some(message) => message,
            None => heard(&other).await,
        };
        assert_eq!(&message.payload[..], [number]);
    }
}

#[tokio::test]
async fn a_receiver_that_was_woken_but_gave_up_passes_its_wake_on() {
    let (one, other) = (node("127.0.0.1:0").await, node("127.0.0.1:0").await);
    let (gives_up, stays) = (other.clone(), other.clone());
    let first = tokio::spawn(async move { gives_up.receive().await });
    tokio::task::yield_now().await;
    let second = tokio::spawn(async move { heard(&stays).await });
    tokio::task::yield_now().await;
    assert_eq!(other.stats().value("hub.receivers"), 2);
    one.tell(&home(&other), "for whoever is there").await.expect("taken");
    while other.stats().value("hub.receivers") == 2 {
        tokio::task::yield_now().await;
    }
    // Either it was woken and is dropped before it runs, or it took the message.
    first.abort();
    match first.await {
        Ok(message) => {
            assert_eq!(&message.expect("open").payload[..], b"for whoever is there");
            one.tell(&home(&other), "one more").await.expect("taken");
            second.await.expect("no panic");
        }
        Err(_) => assert_eq!(&second.await.expect("no panic").payload[..], b"for whoever is there"),
    }
}

#[tokio::test]
async fn many_receivers_share_the_messages_and_each_goes_to_one() {
    let (one, other) = (node("127.0.0.1:0").await, node("127.0.0.1:0").await);
    let receivers: Vec<_> = (0..4)
        .map(|_| {
            let other = other.clone();
            tokio::spawn(async move {
                let mut numbers = Vec::new();
                while let Some(message) = other.receive().await {
                    numbers.push(message.payload[0]);
                    tokio::task::yield_now().await;
                }
                numbers
            })
        })
        .collect();
    for number in 0..200 {
        one.tell(&home(&other), vec![number]).await.expect("taken");
    }
    while other.stats().value("datagram.received") < 200 {
        tokio::task::yield_now().await;
    }
    other.close(LONG).await.expect("closed");
    let mut numbers = Vec::new();
    for receiver in receivers {
        numbers.extend(receiver.await.expect("no panic"));
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..200).collect::<Vec<u8>>());
}

#[tokio::test]
async fn many_messages_are_received_at_once() {
    let (one, other) = (node("127.0.0.1:0").await, node("127.0.0.1:0").await);
    for number in 0..100 {
        one.tell(&home(&other), vec![number; 900]).await.expect("taken");
    }
    let mut messages = Vec::new();
    while messages.len() < 100 {
        let before = messages.len();
        let receive = other.receive_many(&mut messages, 30);
        let count = tokio::time::timeout(LONG, receive).await.expect("in time");
        assert!((1..=30).contains(&count));
        assert_eq!(messages.len(), before + count);
    }
    let numbers: Vec<u8> = messages.iter().map(|message| message.payload[0]).collect();
    assert_eq!(numbers, (0..100).collect::<Vec<u8>>());
}

#[tokio::test]
async fn messages_that_nobody_takes_are_dropped_above_the_bound_and_counted() {
    let one = node("127.0.0.1:0").await;
    let mut limits = Limits::default();
    limits.receive = 10 * (100 + 128);
    let other = udp(addr("127.0.0.1:0")).limits(limits).spawn().await.expect("a free port");
    for number in 0..30 {
        one.tell(&home(&other), vec![number; 100]).await.expect("taken");
    }
    while other.stats().value("datagram.received") < 30 {
        tokio::task::yield_now().await;
    }
    let stats = other.stats();
    assert_eq!(stats.value("hub.receive_messages"), 10);
    assert_eq!(stats.total("received_but_dropped"), 20);
    for number in 0..10 {
        assert_eq!(heard(&other).await.payload[0], number, "the newest are dropped");
    }
}

#[tokio::test]
async fn close_waits_for_what_was_accepted() {
    let (one, other) = (node("127.0.0.1:0").await, node("127.0.0.1:0").await);
    for number in 0..50 {
        one.try_tell(&home(&other), vec![number]).expect("taken");
    }
    one.close(LONG).await.expect("closed in time");
    for number in 0..50 {
        assert_eq!(heard(&other).await.payload[0], number);
    }
    assert_eq!(one.tell(&home(&other), "more").await, Err(TellError::Closed));
    assert_eq!(one.try_tell(&home(&other), "more"), Err(TellError::Closed));
    assert_eq!(
        one.identify(&home(&other)).await,
        Err(IdentifyError::Undeliverable(Undeliverable::Closed))
    );
    assert!(one.receive().await.is_none());
    assert!(one.events().next().await.is_none());
    one.close(LONG).await.expect("closed already");
}

#[tokio::test]
async fn what_was_received_before_the_close_can_still_be_taken() {
    let (one, other) = (node("127.0.0.1:0").await, node("127.0.0.1:0").await);
    one.tell(&home(&other), "before").await.expect("taken");
    while other.stats().value("datagram.received") < 1 {
        tokio::task::yield_now().await;
    }
    other.close(LONG).await.expect("closed");
    assert_eq!(&heard(&other).await.payload[..], b"before");
    assert!(other.receive().await.is_none());
}

#[tokio::test]
async fn dropping_the_last_handle_ends_the_driver_and_frees_the_port() {
    let node = node("127.0.0.1:0").await;
    let at = home(&node);
    let clone = node.clone();
    let mut events = node.events();
    drop(node);
    tokio::task::yield_now().await;
    assert_eq!(clone.mtu(), 1_232, "a clone keeps the node");
    clone.tell(&at, "still here").await.expect("taken");
    heard(&clone).await;
    drop(clone);
    let last = tokio::time::timeout(LONG, events.next()).await.expect("in time");
    assert_eq!(last, None);
    udp(at).spawn().await.expect("the port is free");
}

#[test]
fn a_runtime_that_ends_first_leaves_handles_that_say_so() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let node = runtime.block_on(node("127.0.0.1:0"));
    let at = home(&node);
    drop(runtime);
    assert_eq!(node.try_tell(&at, "nobody drives this"), Err(TellError::Closed));
    assert!(matches!(poll_once(node.receive()), Poll::Ready(None)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let closed = runtime.expect("a runtime").block_on(node.close(LONG));
    assert_eq!(closed, Err(CloseError::Aborted));
}

#[test]
fn nodes_and_their_futures_can_be_sent_to_other_threads() {
    fn sent<T: Send>(_: &T) {}
    fn shared<T: Sync>(_: &T) {}
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let node = node("127.0.0.1:0").await;
        let at = home(&node);
        sent(&node);
        shared(&node);
        sent(&node.tell(&at, ""));
        sent(&node.receive());
        sent(&node.identify(&at));
        sent(&node.close(LONG));
        sent(&node.events());
        sent(&udp(at).spawn());
    });
}
