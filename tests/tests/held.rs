//! Peers are held back by an application that does not take what it is told, and nobody else is.

#![cfg(all(feature = "quic", feature = "ssh"))]

use core::time::Duration;
use futures_lite::future::block_on;
use std::thread;
use std::time::Instant;
use tellask::Limits;
use tellask::addr::{PeerAddr, TcpAddr, UdpAddr};
use tellask::driver::{Clock, Handle};
use tellask::identity::SecretKey;
use tellask::ssh::SshAddr;
use tellask::swarm::Swarm;
use tellask_smol::{Builder, Node, TcpBuilder, TcpNode};

/// Messages that are more together than a node has room for.
const MANY: usize = 1_000;

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

/// The bytes of each.
const LEN: usize = 20_000;

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.receive = 1 << 20;
    limits
}

fn message(number: usize) -> Vec<u8> {
    let number = (number as u64).to_be_bytes();
    number.into_iter().cycle().take(LEN).collect()
}

fn number(message: &[u8]) -> usize {
    let (number, _) = message.split_first_chunk().expect("it is long enough");
    let number = u64::from_be_bytes(*number) as usize;
    assert!(message == self::message(number), "it is as it was told");
    number
}

/// Nodes that can hold their peers back: one that tells much, one that is told it, and another.
type Nodes<S, C> = [Handle<S, C>; 3];

/// The second takes one message and then no more, until it has heard of others.
fn slow<S, C>([teller, slow, other]: Nodes<S, C>, past_its_own: bool)
where
    S: Swarm<Addr: Send + Unpin> + Send + 'static,
    C: Clock + Send + Sync + 'static,
{
    let home = slow.local_addrs()[0].clone();
    for node in [&teller, &other] {
        echo(node);
    }
    let talks = {
        let (teller, home) = (teller.clone(), home);
        thread::spawn(move || {
            for number in 0..MANY {
                block_on(teller.tell(&home, message(number))).expect("it is open");
            }
        })
    };
    let mut heard = vec![false; MANY];
    let mut hear = || {
        let message = block_on(slow.receive()).expect("it is open");
        assert!(!core::mem::replace(&mut heard[number(&message.payload)], true), "once");
    };
    hear();
    until(&slow, "hub.receive_held", 1);
    // Whoever is not told much is answered at once, and answers.
    let elsewhere = other.local_addrs()[0].clone();
    assert_eq!(block_on(slow.ask(&elsewhere, "?")).expect("an answer"), "?");
    if past_its_own {
        let there = teller.local_addrs()[0].clone();
        assert_eq!(block_on(slow.ask(&there, "?")).expect("an answer"), "?");
    }
    assert!(!talks.is_finished(), "it has to wait");
    (1..MANY).for_each(|_| hear());
    talks.join().expect("it told all");
    assert_eq!(value(&slow, "hub.received_but_dropped"), 0);
    until(&slow, "hub.receive_held", 0);
}

/// The second takes nothing, ever.
fn deaf<S, C>([teller, deaf, _]: Nodes<S, C>)
where
    S: Swarm<Addr: Send + Unpin> + Send + 'static,
    C: Clock + Send + Sync + 'static,
{
    echo(&teller);
    let home = deaf.local_addrs()[0].clone();
    for number in 0..MANY {
        block_on(teller.tell(&home, message(number))).expect("it is open");
    }
    let there = teller.local_addrs()[0].clone();
    assert_eq!(block_on(deaf.ask(&there, "?")).expect("an answer"), "?");
    assert_eq!(value(&deaf, "hub.receive_held"), 0);
    assert!(value(&deaf, "hub.received_but_dropped") > 0, "it is not told all of it");
}

/// Has a node answer what it is asked with the same.
fn echo<S, C>(node: &Handle<S, C>)
where
    S: Swarm<Addr: Send + Unpin> + Send + 'static,
    C: Clock + Send + Sync + 'static,
{
    let node = node.clone();
    thread::spawn(move || {
        while let Some(request) = block_on(node.next_ask()) {
            let payload = request.payload().clone();
            request.answer(payload);
        }
    });
}

fn value<S: Swarm, C: Clock>(node: &Handle<S, C>, name: &str) -> u64 {
    node.stats().value(name)
}

fn until<S: Swarm, C: Clock>(node: &Handle<S, C>, name: &str, expected: u64) {
    let begun = Instant::now();
    while value(node, name) != expected {
        assert!(begun.elapsed() < LONG, "{name} is {}, not {expected}", value(node, name));
        thread::yield_now();
    }
}

fn on_ssh() -> [TcpNode<SshAddr<TcpAddr>>; 3] {
    let place: TcpAddr = "127.0.0.1:0".parse().expect("an address");
    [1, 2, 3].map(|number| {
        let node = TcpBuilder::new(&place)
            .ssh(SecretKey::from_seed(&[number; 32]))
            .limits(limits())
            .spawn();
        async_io::block_on(node).expect("a free port")
    })
}

fn on_quic() -> [Node<PeerAddr<UdpAddr>>; 3] {
    let place: UdpAddr = "127.0.0.1:0".parse().expect("an address");
    [1, 2, 3].map(|number| {
        let node =
            Builder::udp(place).quic(SecretKey::from_seed(&[number; 32])).limits(limits()).spawn();
        async_io::block_on(node).expect("a free port")
    })
}

#[test]
fn over_ssh_nothing_is_lost_and_others_are_answered() {
    slow(on_ssh(), false);
}

#[test]
fn over_quic_nothing_is_lost_and_others_are_answered() {
    slow(on_quic(), true);
}

#[test]
fn over_ssh_whoever_never_listens_is_answered_all_the_same() {
    deaf(on_ssh());
}

#[test]
fn over_quic_whoever_never_listens_is_answered_all_the_same() {
    deaf(on_quic());
}
