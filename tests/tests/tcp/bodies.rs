//! What nodes on TCP do, on any runtime.

use super::framed::{Framed, LONGEST, MARK, Manner, WINDOW};
use super::peer::{Peer, frame};
use core::future::Future;
use core::net::SocketAddr;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use socket2::{Domain, Socket, Type};
use std::io::{self, Write};
use std::net::{Shutdown, TcpListener};
use std::pin::pin;
use std::thread;
use tellask::driver::{
    BindError, Builder, Clock, Handle, Notice, StreamRuntime, Tcp, TcpBuilder, TcpStack,
};
use tellask::swarm::{DownReason, Setting, TellError, Undeliverable};
use tellask::{Limits, Stack, TcpAddr};

const LONG: Duration = Duration::from_secs(30);

/// More than any kernel holds for one connection.
const MUCH: usize = 64 << 20;

type Node<C> = Handle<TcpStack<TcpAddr>, C>;

fn addr(text: &str) -> TcpAddr {
    text.parse().expect("an address")
}

fn framed<R: StreamRuntime>(tcp: TcpBuilder<R>, manner: Manner) -> Builder<TcpAddr, R, Tcp> {
    tcp.layer(move |port, parts| Box::new(Stack::new(port, Framed::new(&parts.limits, manner))))
}

async fn node_of<R: StreamRuntime>(manner: Manner) -> Node<R::Clock> {
    let tcp = TcpBuilder::<R>::new(&addr("127.0.0.1:0"));
    framed(tcp, manner).spawn().await.expect("a free port")
}

async fn node<R: StreamRuntime>() -> Node<R::Clock> {
    node_of::<R>(Manner::USUAL).await
}

fn home<C: Clock>(node: &Node<C>) -> TcpAddr {
    node.local_addrs()[0].clone()
}

/// One poll, by nobody who could be woken.
fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn value<C: Clock>(node: &Node<C>, name: &str) -> u64 {
    node.stats().value(name)
}

/// A message of so many bytes that tell where they belong.
fn message(number: usize, len: usize) -> Vec<u8> {
    (0..len).map(|at| (at ^ number.wrapping_mul(251) ^ (at >> 8)) as u8).collect()
}

async fn hears<C: Clock>(node: &Node<C>, expected: &[u8]) -> TcpAddr {
    let message = node.receive().await.expect("it is open");
    assert!(message.payload == expected, "{} bytes are others", message.payload.len());
    message.src
}

/// Has a node echo whatever it hears, in a thread of its own, until it is closed.
fn echo<C: Clock + Send + Sync + 'static>(node: &Node<C>) -> thread::JoinHandle<()> {
    let node = node.clone();
    thread::spawn(move || {
        futures_lite::future::block_on(async {
            while let Some(message) = node.receive().await {
                let _ = node.tell(&message.src, message.payload).await;
            }
        });
    })
}

pub(crate) async fn messages_are_echoed_both_ways_over_one_connection<R: StreamRuntime>() {
    let (alice, bob) = (node::<R>().await, node::<R>().await);
    alice.tell(&home(&bob), "how do you do?").await.expect("taken");
    let back = hears(&bob, b"how do you do?").await;
    bob.tell(&back, "very well").await.expect("taken");
    assert_eq!(hears(&alice, b"very well").await, home(&bob));
    assert_eq!(value(&alice, "stream.opened"), 1);
    assert_eq!((value(&bob, "stream.accepted"), value(&bob, "stream.opened")), (1, 0));
}

pub(crate) async fn a_node_listens_on_all_places_of_its_address_and_one_that_only_dials_on_none<
    R: StreamRuntime,
>() {
    let tcp = TcpBuilder::<R>::new(&addr("127.0.0.1:0,[::1]:0"));
    let bob = framed(tcp, Manner::USUAL).spawn().await.expect("free ports");
    let alice =
        framed(TcpBuilder::<R>::dial_only(), Manner::USUAL).spawn().await.expect("nothing to bind");
    assert!(alice.local_addrs().is_empty());
    let places = bob.local_addrs();
    assert_eq!(places.len(), 2);
    for place in places {
        alice.tell(&place, place.to_string()).await.expect("taken");
        let back = hears(&bob, place.to_string().as_bytes()).await;
        bob.tell(&back, "heard").await.expect("taken");
        assert_eq!(hears(&alice, b"heard").await, place);
    }
}

pub(crate) async fn messages_of_all_sizes_arrive_whole_in_whatever_pieces_they_come<
    R: StreamRuntime,
>() {
    let bob = node::<R>().await;
    let mut peer = Peer::dial(&home(&bob));
    let sizes = [0, 1, 4, 1_000, LONGEST, 0, 30_000, LONGEST, 7];
    let all: Vec<u8> =
        sizes.iter().enumerate().flat_map(|(number, len)| frame(&message(number, *len))).collect();
    for piece in [1, 3, 1_499, 65_537, all.len()] {
        let (mut from, all) = (peer.0.try_clone().expect("another handle"), all.clone());
        let writer = thread::spawn(move || {
            // The first bytes one by one, the rest in pieces.
            let (first, rest) = all.split_at(40);
            for piece in first.chunks(piece).chain(rest.chunks(piece.max(700))) {
                from.write_all(piece).expect("written");
            }
        });
        for (number, len) in sizes.iter().enumerate() {
            hears(&bob, &message(number, *len)).await;
        }
        writer.join().expect("no panic");
    }
    let back = peer.local();
    for (number, len) in sizes.iter().enumerate() {
        bob.tell(&back, message(number, *len)).await.expect("taken");
        assert_eq!(peer.hear(), message(number, *len));
    }
}

pub(crate) async fn a_peer_that_does_not_read_stalls_who_writes_and_nothing_grows<
    R: StreamRuntime,
>() {
    let alice = node::<R>().await;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let there: TcpAddr = listener.local_addr().expect("bound").into();
    const LEN: usize = 10_000;
    let count = MUCH / LEN;
    alice.tell(&there, message(0, LEN)).await.expect("taken");
    let mut peer = Peer::accept(&listener);
    let mut told = 1;
    // Until the socket takes no more, and neither does the layer: both stay so, since nobody reads.
    while told < count {
        match alice.try_tell(&there, message(told, LEN)) {
            Ok(()) => told += 1,
            Err(TellError::Full) => {
                let stats = alice.stats();
                let held = stats.value("framed.queued");
                assert!(held <= (MARK + 2 * LEN) as u64, "{held} bytes are held");
                let port = stats.value("stream.send_bytes");
                let driver = stats.value("tcp.unsent_bytes");
                let most = 4 * Limits::default().send_per_peer as u64;
                assert!(port.max(driver) <= most, "{port} or {driver} bytes are held");
                if stats.value("tcp.write_blocked") > 0 && stalls(&alice, &there, LEN) {
                    break;
                }
                thread::yield_now();
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(told < count, "all was taken");
    let reader = thread::spawn(move || {
        (0..count).for_each(|number| assert!(peer.hear() == message(number, LEN), "{number}"));
    });
    while told < count {
        alice.tell(&there, message(told, LEN)).await.expect("taken");
        told += 1;
    }
    reader.join().expect("all of them arrived");
}

/// Whether a tell waits, and nothing moves that could end it.
fn stalls<C: Clock>(node: &Node<C>, dst: &TcpAddr, len: usize) -> bool {
    let written = value(node, "tcp.written_bytes");
    let waits = (0..1_000).all(|_| {
        thread::yield_now();
        poll_once(node.tell(dst, vec![0; len + 1])).is_pending()
    });
    waits && value(node, "tcp.written_bytes") == written
}

pub(crate) async fn a_layer_that_takes_nothing_stalls_its_peer_and_nothing_grows<
    R: StreamRuntime,
>() {
    // All may wait for the application, which is slower than the layer.
    let mut limits = Limits::default();
    limits.receive = 2 * MUCH;
    let tcp = TcpBuilder::<R>::new(&addr("127.0.0.1:0"));
    let manner = Manner { takes: false, ..Manner::USUAL };
    let bob = framed(tcp, manner).limits(limits).spawn().await.expect("a free port");
    let mut peer = Peer::dial(&home(&bob));
    const LEN: usize = 10_000;
    let all: Vec<u8> = (0..MUCH / LEN).flat_map(|number| frame(&message(number, LEN))).collect();
    peer.0.set_nonblocking(true).expect("set");
    let mut written = 0;
    while written < all.len() {
        match peer.0.write(&all[written..]) {
            Ok(bytes) => written += bytes,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if value(&bob, "tcp.read_bytes") == WINDOW as u64 {
                    break;
                }
                thread::yield_now();
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(written < all.len(), "all was taken");
    let stats = bob.stats();
    assert_eq!(stats.value("tcp.read_bytes"), WINDOW as u64, "so much as there was credit for");
    assert_eq!(stats.value("framed.arrived") + stats.value("stream.receive_bytes"), WINDOW as u64);
    peer.0.set_nonblocking(false).expect("set");
    let writer = thread::spawn(move || peer.0.write_all(&all[written..]).map(|()| peer));
    bob.set(Setting::TellFloors(true));
    for number in 0..MUCH / LEN {
        hears(&bob, &message(number, LEN)).await;
    }
    writer.join().expect("no panic").expect("written");
    assert_eq!(value(&bob, "hub.received_but_dropped"), 0);
}

pub(crate) async fn either_side_may_finish_and_go_on_reading<R: StreamRuntime>() {
    let bob = node_of::<R>(Manner { follows: false, ..Manner::USUAL }).await;
    let mut events = bob.events();
    let mut peer = Peer::dial(&home(&bob));
    peer.say(b"my last word");
    peer.0.shutdown(Shutdown::Write).expect("finished");
    let src = hears(&bob, b"my last word").await;
    for number in 0..100 {
        bob.tell(&src, message(number, 5_000)).await.expect("taken");
    }
    for number in 0..100 {
        assert_eq!(peer.hear(), message(number, 5_000));
    }
    bob.disconnect(&src);
    peer.hears_the_end();
    let left = Notice::PeerDown { addr: src, reason: DownReason::Left };
    assert_eq!(events.next().await, Some(left));

    let mut peer = Peer::dial(&home(&bob));
    peer.say(b"hello");
    let src = hears(&bob, b"hello").await;
    bob.tell(&src, "my last word").await.expect("taken");
    bob.disconnect(&src);
    assert_eq!(peer.hear(), b"my last word");
    peer.hears_the_end();
    peer.say(b"mine too");
    hears(&bob, b"mine too").await;
    drop(peer);
    let left = Notice::PeerDown { addr: src, reason: DownReason::Left };
    assert_eq!(events.next().await, Some(left));
    assert_eq!((value(&bob, "stream.finished"), value(&bob, "framed.ends")), (2, 2));
    assert_eq!((value(&bob, "framed.ends_again"), value(&bob, "stream.stray")), (0, 0));
}

pub(crate) async fn a_peer_that_resets_is_noticed_once<R: StreamRuntime>() {
    let bob = node::<R>().await;
    let mut events = bob.events();
    for number in 0..20 {
        let mut peer = Peer::dial(&home(&bob));
        peer.say(b"hello");
        let src = hears(&bob, b"hello").await;
        if number % 2 == 1 {
            bob.tell(&src, vec![0; LONGEST]).await.expect("taken");
        }
        peer.reset();
        loop {
            match events.next().await.expect("it is open") {
                Notice::PeerDown { addr, reason } => {
                    assert_eq!((addr, reason), (src, DownReason::TimedOut));
                    break;
                }
                Notice::Undelivered { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!((value(&bob, "stream.reset"), value(&bob, "framed.ends")), (20, 20));
    assert_eq!((value(&bob, "framed.ends_again"), value(&bob, "stream.stray")), (0, 0));
    assert_eq!(value(&bob, "stream.streams_accepted"), 0);
}

pub(crate) async fn what_we_abort_is_reset_at_the_peer<R: StreamRuntime>() {
    let bob = node::<R>().await;
    let mut events = bob.events();
    let mut peer = Peer::dial(&home(&bob));
    peer.say(b"hello");
    let src = hears(&bob, b"hello").await;
    bob.identify(&src).await.expect_err("that aborts it");
    peer.hears_a_reset();
    let gone = Notice::PeerDown { addr: src, reason: DownReason::Disconnected };
    assert_eq!(events.next().await, Some(gone));
    assert_eq!((value(&bob, "stream.aborted"), value(&bob, "framed.ends_again")), (1, 0));
}

/// A place that refuses, as long as the socket is held: it is bound, and nobody listens.
fn nobody() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
    let place = socket.local_addr().expect("bound").as_socket().expect("an ip and port");
    (socket, place)
}

pub(crate) async fn a_dial_that_is_refused_says_so<R: StreamRuntime>() {
    let alice = node::<R>().await;
    let mut events = alice.events();
    let (_held, refuses) = nobody();
    let there = TcpAddr::from(refuses);
    alice.tell(&there, "hello?").await.expect("taken");
    let (dst, reason) = (there.clone(), Undeliverable::Unreachable);
    assert_eq!(events.next().await, Some(Notice::Undelivered { dst, reason }));
    let down = Notice::PeerDown { addr: there, reason: DownReason::TimedOut };
    assert_eq!(events.next().await, Some(down));
    let stats = alice.stats();
    assert_eq!((stats.value("tcp.dials_failed"), stats.value("stream.failed")), (1, 1));
    assert_eq!((stats.value("tcp.attempts"), stats.value("stream.stray")), (1, 0));
}

pub(crate) async fn the_next_place_is_dialled_where_one_refuses<R: StreamRuntime>() {
    let (alice, bob) = (node::<R>().await, node::<R>().await);
    let ((_held, refuses), (_also, refuses_too)) = (nobody(), nobody());
    let there = TcpAddr::several([refuses, refuses_too, home(&bob).places()[0]]);
    let there = there.expect("three places");
    alice.tell(&there, "hello").await.expect("taken");
    let back = hears(&bob, b"hello").await;
    bob.tell(&back, "here").await.expect("taken");
    assert_eq!(hears(&alice, b"here").await, there, "it is called as it was dialled");
    assert_eq!((value(&alice, "tcp.attempts"), value(&alice, "tcp.dialled")), (3, 1));
}

pub(crate) async fn what_is_over_the_cap_waits_until_somebody_has_gone<R: StreamRuntime>() {
    let mut limits = Limits::default();
    (limits.peers, limits.half_open) = (2, 0);
    let tcp = TcpBuilder::<R>::new(&addr("127.0.0.1:0"));
    let bob = framed(tcp, Manner::USUAL).limits(limits).spawn().await.expect("a free port");
    let mut peers: Vec<Peer> = (0..5).map(|_| Peer::dial(&home(&bob))).collect();
    peers.iter_mut().for_each(|peer| peer.say(b"hello"));
    for turn in 0..5 {
        let src = hears(&bob, b"hello").await;
        if turn == 0 {
            hears(&bob, b"hello").await;
        }
        assert!(value(&bob, "tcp.open") <= 2, "two at a time");
        assert_eq!(value(&bob, "stream.turned_away"), 0);
        let at = peers.iter().position(|peer| peer.local() == src).expect("one of ours");
        let mut peer = peers.swap_remove(at);
        bob.tell(&src, "and goodbye").await.expect("taken");
        assert_eq!(peer.hear(), b"and goodbye");
        if turn == 3 {
            break;
        }
    }
    let stats = bob.stats();
    assert_eq!(stats.value("tcp.accepted"), 5);
    assert!(stats.value("tcp.accept_paused") > 0);
}

pub(crate) async fn a_close_sends_what_was_accepted<R: StreamRuntime>() {
    let (alice, bob) = (node::<R>().await, node::<R>().await);
    let there = home(&bob);
    let mut count = 0;
    // No more than may wait for the application that hears them.
    while count < 100 && alice.try_tell(&there, message(count, 20_000)).is_ok() {
        count += 1;
    }
    assert!(count > 1, "something waits");
    alice.close(LONG).await.expect("all was sent");
    for number in 0..count {
        hears(&bob, &message(number, 20_000)).await;
    }
    assert_eq!(alice.try_tell(&there, "too late"), Err(TellError::Closed));
    bob.close(LONG).await.expect("nothing is left");
}

pub(crate) async fn a_port_in_use_is_refused<R: StreamRuntime>() {
    let bob = node::<R>().await;
    let second: Builder<_, R, _> = framed(TcpBuilder::new(&home(&bob)), Manner::USUAL);
    let error = second.spawn().await.expect_err("the port is in use");
    assert!(matches!(error, BindError::InUse { addr, .. } if home(&bob) == addr.into()), "{error}");
}

pub(crate) async fn a_thousand_connections_cost_only_those_that_are_ready<R: StreamRuntime>() {
    const PEERS: usize = 1_000;
    let bob = node::<R>().await;
    let server = echo(&bob);
    let mut peers: Vec<Peer> = (0..PEERS).map(|_| Peer::dial(&home(&bob))).collect();
    for (number, peer) in peers.iter_mut().enumerate() {
        peer.say(&message(number, number));
    }
    for (number, peer) in peers.iter_mut().enumerate() {
        assert_eq!(peer.hear(), message(number, number));
    }
    assert_eq!(value(&bob, "tcp.open"), PEERS as u64);
    let before = value(&bob, "tcp.visits");
    let busy = peers.last_mut().expect("there are some");
    const ROUNDS: u64 = 100;
    for _ in 0..ROUNDS {
        busy.say(b"are you there?");
        assert_eq!(busy.hear(), b"are you there?");
    }
    let visits = value(&bob, "tcp.visits") - before;
    // What is left over of the thousand messages is a visit to each at the most; to look at all for each of the hundred
    // would be a hundred times that.
    let most = 4 * ROUNDS + PEERS as u64;
    assert!((ROUNDS..most).contains(&visits), "{visits} visits for {ROUNDS} messages");
    drop(peers);
    bob.close(LONG).await.expect("they have gone");
    server.join().expect("no panic");
}
