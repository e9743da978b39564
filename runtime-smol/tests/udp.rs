//! Nodes on real sockets of the loopback interface.

use async_executor::{Executor, Task};
use async_io::{Timer, block_on};
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use futures_lite::future;
use std::net::UdpSocket;
use std::thread;
use tellask::identity::SecretKey;
use tellask::swarm::{Accept, DownReason, IdentifyError, TellError, Undeliverable};
use tellask::{Addr, Limits, PeerAddr, UdpAddr};
use tellask_smol::{BindError, Builder, CloseError, Message, Node, Notice, udp};

/// Nothing here takes as long.
const LONG: Duration = Duration::from_secs(30);

/// Runs a test in this thread, together with what it has the executor run.
fn test(body: impl AsyncFnOnce(&Executor<'static>)) {
    let executor = Executor::new();
    block_on(executor.run(body(&executor)));
}

fn addr(text: &str) -> UdpAddr {
    text.parse().expect("an address")
}

fn raw() -> Builder<UdpAddr> {
    udp(addr("127.0.0.1:0"))
}

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed(&[number; 32])
}

fn secured(number: u8) -> Builder<PeerAddr<UdpAddr>> {
    raw().secured(key(number))
}

/// A node, and its driver's task: where that is dropped, so is the driver.
fn spawn<A>(executor: &Executor<'static>, builder: Builder<A>) -> (Node<A>, Task<()>)
where
    A: Addr + Send + Sync + 'static,
{
    let (node, driver) = builder.bind().expect("a free port");
    (node, executor.spawn(driver))
}

fn node<A>(executor: &Executor<'static>, builder: Builder<A>) -> Node<A>
where
    A: Addr + Send + Sync + 'static,
{
    let (node, task) = spawn(executor, builder);
    task.detach();
    node
}

fn home<A: Addr>(node: &Node<A>) -> A {
    node.local_addrs()[0].clone()
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    let timeout = async {
        Timer::after(LONG).await;
        None
    };
    future::or(async { Some(what.await) }, timeout).await.expect("in time")
}

async fn heard<A: Addr>(node: &Node<A>) -> Message<A> {
    soon(node.receive()).await.expect("open")
}

/// One poll, by nobody who could be woken.
fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

async fn exchange<A: Addr>(one: &Node<A>, other: &Node<A>) {
    one.tell(&home(other), "there").await.expect("taken");
    let there = heard(other).await;
    assert_eq!(&there.payload[..], b"there");
    assert_eq!((&there.src, &there.dst), (&home(one), &home(other)));
    other.tell(&there.src, "and back").await.expect("taken");
    let back = heard(one).await;
    assert_eq!(&back.payload[..], b"and back");
    assert_eq!((back.src, back.dst), (home(other), home(one)));
}

#[test]
fn two_nodes_exchange_messages_over_ipv4() {
    test(async |executor| exchange(&node(executor, raw()), &node(executor, raw())).await);
}

#[test]
fn two_nodes_exchange_messages_over_ipv6() {
    test(async |executor| {
        let there = || node(executor, udp(addr("[::1]:0")));
        exchange(&there(), &there()).await;
    });
}

#[test]
fn two_nodes_prove_their_keys_and_exchange_messages() {
    test(async |executor| {
        let (alice, bob) = (node(executor, secured(1)), node(executor, secured(2)));
        let (mut hers, mut his) = (alice.events(), bob.events());
        assert_eq!(home(&alice).id, key(1).id());
        exchange(&alice, &bob).await;
        let up = Notice::PeerUp { addr: home(&bob), key: *key(2).public() };
        assert_eq!(soon(hers.next()).await, Some(up));
        let up = Notice::PeerUp { addr: home(&alice), key: *key(1).public() };
        assert_eq!(soon(his.next()).await, Some(up));
        assert_eq!(soon(alice.identify(&home(&bob))).await, Ok(*key(2).public()));
    });
}

/// No executor at all, and nobody but the reactor's own thread to wait for the sockets.
#[test]
fn drivers_run_in_threads_of_their_own() {
    let (alice, alices_driver) = secured(1).bind().expect("a free port");
    let (bob, bobs_driver) = secured(2).bind().expect("a free port");
    let threads =
        [alices_driver, bobs_driver].map(|driver| thread::spawn(|| future::block_on(driver)));
    future::block_on(exchange(&alice, &bob));
    for node in [alice, bob] {
        future::block_on(node.close(LONG)).expect("closed in time");
    }
    for thread in threads {
        thread.join().expect("no panic");
    }
}

#[test]
fn a_hello_that_is_not_answered_is_sent_again_when_its_time_has_come() {
    let (alice, driver) = secured(1).bind().expect("a free port");
    let thread = thread::spawn(|| block_on(driver));
    let peer = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    peer.set_read_timeout(Some(LONG)).expect("set");
    let dst = PeerAddr { id: key(2).id(), addr: UdpAddr(peer.local_addr().expect("bound")) };
    alice.try_tell(&dst, "anybody?").expect("taken");
    for _ in 0..2 {
        let (_, src) = peer.recv_from(&mut [0; 2_048]).expect("a hello");
        assert_eq!(src, home(&alice).addr.0);
    }
    drop(alice);
    thread.join().expect("no panic");
}

#[test]
fn a_port_in_use_is_refused_with_what_would_be_right() {
    let (node, _driver) = raw().bind().expect("a free port");
    let error = udp(home(&node)).bind().expect_err("the port is in use");
    assert!(matches!(error, BindError::InUse { .. }));
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains("choose another port"), "{error}");
}

#[test]
fn messages_of_many_sizes_arrive_whole_and_in_order() {
    test(async |executor| {
        let (one, other) = (node(executor, raw()), node(executor, raw()));
        let sizes = [1232, 1232, 1232, 7, 0, 1232, 1231, 1231, 1232, 1, 1, 1, 0, 0, 600, 601];
        for (number, size) in sizes.into_iter().enumerate() {
            one.tell(&home(&other), vec![number as u8; size]).await.expect("taken");
        }
        for (number, size) in sizes.into_iter().enumerate() {
            let message = heard(&other).await;
            assert_eq!(&message.payload[..], &vec![number as u8; size][..]);
        }
    });
}

#[test]
fn messages_of_many_fragments_go_both_ways() {
    test(async |executor| {
        let [one, other] = [1, 2].map(|number| node(executor, secured(number).fragmented(65_536)));
        for (from, to) in [(&one, &other), (&other, &one)] {
            from.tell(&home(to), vec![7; 65_536]).await.expect("accepted");
            assert_eq!(heard(to).await.payload, vec![7; 65_536]);
        }
    });
}

#[test]
fn a_raw_node_identifies_nobody() {
    test(async |executor| {
        let result = node(executor, raw()).identify(&addr("127.0.0.1:9")).await;
        assert_eq!(result, Err(IdentifyError::Undeliverable(Undeliverable::Unsupported)));
    });
}

/// What was told to `at` on a node for all addresses is answered from `at`.
#[cfg(target_os = "linux")]
fn answered_from(on: &str, at: &str) {
    test(async |executor| {
        let all = node(executor, udp(addr(on)));
        let peer = if at.starts_with('[') { "[::1]:0" } else { "127.0.0.1:0" };
        let peer = UdpSocket::bind(peer).expect("a free port");
        peer.set_read_timeout(Some(LONG)).expect("set");
        let at: core::net::SocketAddr =
            format!("{at}:{}", home(&all).0.port()).parse().expect("an address");
        peer.send_to(b"who are you?", at).expect("sent");
        let question = heard(&all).await;
        let src = peer.local_addr().expect("bound");
        assert_eq!(question.src.0, src, "never an IPv4-mapped address");
        assert_eq!(question.dst.0, at);
        all.tell(&question.src, "you asked me").await.expect("taken");
        all.close(LONG).await.expect("the answer is sent");
        let (_, from) = peer.recv_from(&mut [0; 64]).expect("an answer");
        assert_eq!(from, at);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_node_for_all_addresses_answers_from_the_one_that_was_written_to() {
    answered_from("0.0.0.0:0", "127.0.0.2");
    answered_from("0.0.0.0:0", "127.0.0.1");
    answered_from("[::]:0", "127.0.0.2");
    answered_from("[::]:0", "[::1]");
}

#[test]
fn what_the_kernel_refuses_is_reported_and_does_not_end_a_node() {
    test(async |executor| {
        let (one, other) = (node(executor, raw()), node(executor, raw()));
        let mut events = one.events();
        // The other family cannot be reached, and a broadcast needs a permission.
        for refused in [addr("[::1]:9"), addr("255.255.255.255:9")] {
            one.tell(&refused, "anybody?").await.expect("taken");
            let reason = Undeliverable::Unreachable;
            let notice = Notice::Undelivered { dst: refused, reason };
            assert_eq!(soon(events.next()).await, Some(notice));
        }
        exchange(&one, &other).await;
    });
}

fn small() -> Limits {
    let mut limits = Limits::default();
    limits.send = 4 * 1_024;
    limits.send_per_peer = 4 * 1_024;
    limits
}

/// Fills the queue of a node whose driver does not run.
fn fill(node: &Node<UdpAddr>, dst: &UdpAddr) -> usize {
    let mut taken = 0;
    while let Ok(()) = node.try_tell(dst, vec![0; 1_000]) {
        taken += 1;
        assert!(taken < 100, "it never fills");
    }
    taken
}

#[test]
fn a_full_node_says_so_and_takes_the_next_message_when_it_is_ready() {
    test(async |executor| {
        let other = node(executor, raw());
        let dst = home(&other);
        let (one, driver) = raw().limits(small()).bind().expect("a free port");
        let taken = fill(&one, &dst);
        assert_eq!(one.try_tell(&dst, vec![0; 1]), Err(TellError::Full));
        assert_eq!(poll_once(one.tell(&dst, "not now")), Poll::Pending);
        let (waiting, to) = (one.clone(), dst);
        let told = executor.spawn(async move { waiting.tell(&to, "at last").await });
        while one.stats().value("hub.tellers") == 0 {
            future::yield_now().await;
        }
        executor.spawn(driver).detach();
        assert_eq!(soon(told).await, Ok(()));
        for _ in 0..taken {
            assert_eq!(heard(&other).await.payload.len(), 1_000);
        }
        assert_eq!(&heard(&other).await.payload[..], b"at last", "a dropped tell sends nothing");
        assert_eq!(one.stats().value("hub.tellers"), 0);
    });
}

#[test]
fn whoever_waits_to_tell_hears_of_the_close() {
    test(async |executor| {
        let (one, driver) = raw().limits(small()).bind().expect("a free port");
        let dst = home(&one);
        fill(&one, &dst);
        let mut tell = pin!(one.tell(&dst, "too late"));
        assert!(poll_once(tell.as_mut()).is_pending());
        executor.spawn(driver).detach();
        assert_eq!(one.close(LONG).await, Ok(()));
        assert_eq!(tell.await, Err(TellError::Closed));
    });
}

#[test]
fn peers_that_are_no_longer_accepted_are_disconnected() {
    test(async |executor| {
        let bob = node(executor, secured(2));
        let alice = node(executor, secured(1).accept(Accept::from_iter([home(&bob).id])));
        exchange(&alice, &bob).await;
        let mut events = alice.events();
        alice.set_accept(Accept::Only(core::iter::empty().collect()));
        let down = Notice::PeerDown { addr: home(&bob), reason: DownReason::Denied };
        assert_eq!(soon(events.next()).await, Some(down));
    });
}

#[test]
fn close_waits_for_what_was_accepted() {
    test(async |executor| {
        let (one, task) = spawn(executor, raw());
        let other = node(executor, raw());
        for number in 0..50 {
            one.try_tell(&home(&other), vec![number]).expect("taken");
        }
        one.close(LONG).await.expect("closed in time");
        soon(task).await;
        for number in 0..50 {
            assert_eq!(heard(&other).await.payload[0], number);
        }
        assert_eq!(one.tell(&home(&other), "more").await, Err(TellError::Closed));
        assert!(one.receive().await.is_none());
        assert!(one.events().next().await.is_none());
        one.close(LONG).await.expect("closed already");
    });
}

#[test]
fn close_waits_for_the_handshake_of_what_was_accepted() {
    test(async |executor| {
        let (alice, bob) = (node(executor, secured(1)), node(executor, secured(2)));
        alice.try_tell(&home(&bob), "before you go").expect("taken");
        alice.close(LONG).await.expect("closed in time");
        assert_eq!(&heard(&bob).await.payload[..], b"before you go");
    });
}

#[test]
fn a_close_at_its_deadline_says_that_something_was_lost() {
    test(async |executor| {
        let alice = node(executor, secured(1));
        // Nobody answers there: the socket is bound, so that nothing else is.
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let silent = UdpAddr(socket.local_addr().expect("bound"));
        alice.try_tell(&PeerAddr { id: key(9).id(), addr: silent }, "hello?").expect("taken");
        assert_eq!(alice.close(Duration::ZERO).await, Err(CloseError::TimedOut));
    });
}

/// Like `join!` and `zip`, which keep a future that is done until the others are.
#[test]
fn a_driver_that_is_done_has_closed_the_node_even_where_it_is_kept() {
    let (node, mut driver) = raw().bind().expect("a free port");
    let close = async { node.close(LONG).await };
    let ((), closed) = block_on(soon(future::zip(&mut driver, close)));
    assert_eq!(closed, Ok(()));
    drop(udp(home(&node)).bind().expect("the port is free"));
    assert_eq!(poll_once(&mut driver), Poll::Ready(()), "and stays done");
}

#[test]
fn dropping_the_last_handle_ends_the_driver_and_frees_the_port() {
    test(async |executor| {
        let (node, task) = spawn(executor, raw());
        let at = home(&node);
        let clone = node.clone();
        let mut events = node.events();
        drop(node);
        clone.tell(&at, "a clone keeps the node").await.expect("taken");
        heard(&clone).await;
        assert!(!task.is_finished());
        drop(clone);
        soon(task).await;
        assert_eq!(soon(events.next()).await, None);
        drop(udp(at).bind().expect("the port is free"));
    });
}

#[test]
fn a_driver_that_is_dropped_first_leaves_handles_that_say_so() {
    test(async |executor| {
        let (node, task) = spawn(executor, raw());
        let at = home(&node);
        exchange(&node, &node).await;
        assert!(task.cancel().await.is_none(), "it was running");
        assert_eq!(node.try_tell(&at, "nobody drives this"), Err(TellError::Closed));
        assert!(node.receive().await.is_none());
        assert_eq!(node.close(LONG).await, Err(CloseError::Aborted));
    });
}

#[test]
fn nodes_their_drivers_and_their_futures_can_be_sent_to_other_threads() {
    fn sent<T: Send>(_: &T) {}
    fn shared<T: Sync>(_: &T) {}
    let (node, driver) = raw().bind().expect("a free port");
    let at = home(&node);
    sent(&driver);
    sent(&node);
    shared(&node);
    sent(&node.tell(&at, ""));
    sent(&node.receive());
    sent(&node.identify(&at));
    sent(&node.close(LONG));
    sent(&node.events());
    sent(&udp(at));
}
