//! Nodes of several workers, on real sockets and every runtime.

use core::time::Duration;
use futures_lite::future::{block_on, try_zip, zip};
use std::collections::BTreeSet;
use std::thread;
use tellask::identity::SecretKey;
use tellask::{PeerAddr, UdpAddr};

const LONG: Duration = Duration::from_secs(30);
const WORKERS: usize = 4;
const PEERS: u8 = 24;

type Error = Box<dyn core::error::Error + Send + Sync>;

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed(&[number; 32])
}

/// What a node of several workers does for its peers, on the runtime that it uses.
macro_rules! program {
    ($name:ident uses $runtime:ident) => {
        mod $name {
            use super::*;
            use $runtime::{Builder, Node, udp, workers};

            type Peer = Node<PeerAddr<UdpAddr>>;

            pub(crate) fn describe(number: u8) -> Builder<PeerAddr<UdpAddr>> {
                let any = "127.0.0.1:0".parse().expect("an address");
                udp(any).secured(key(number)).asking()
            }

            pub(crate) async fn main() -> Result<(), Error> {
                serve(workers(WORKERS, || describe(0)).spawn().await?).await
            }

            /// Peers ask the node and the node asks them, whichever worker and whichever socket they are at.
            pub(crate) async fn serve(node: Peer) -> Result<(), Error> {
                assert_eq!(node.workers().len(), WORKERS);
                let addr = node.local_addrs()[0];
                let mut events = node.events();
                let mut peers = Vec::new();
                for number in 1..=PEERS {
                    let peer = describe(number).spawn().await?;
                    let theirs = peer.local_addrs()[0];
                    // Every other one is dialled, the rest dial.
                    if number % 2 == 0 {
                        ask(&node, &peer, &theirs, number).await?;
                    }
                    ask(&peer, &node, &addr, number).await?;
                    ask(&node, &peer, &theirs, number).await?;
                    peer.tell(&addr, vec![number]).await?;
                    peers.push(peer);
                }
                let mut heard = BTreeSet::new();
                while heard.len() < peers.len() {
                    let message = node.receive().await.ok_or("it is open")?;
                    let peer = peers.get(usize::from(message.payload[0]) - 1).ok_or("a peer")?;
                    assert_eq!(message.src, peer.local_addrs()[0]);
                    heard.insert(message.payload[0]);
                }
                let mut up = BTreeSet::new();
                while up.len() < peers.len() {
                    if let tellask::driver::Notice::PeerUp { addr, .. } =
                        events.next().await.ok_or("it is open")?
                    {
                        up.insert(addr);
                    }
                }
                let stats = node.stats();
                assert_eq!(stats.value("p2pke.peers"), u64::from(PEERS));
                assert_eq!(stats.value("socket.handed_over_dropped"), 0);
                // By chance not so once in 4^24 runs.
                assert!(stats.value("socket.handed_over") > 0, "{stats}");
                // Half of the peers began: their hellos are replays at all other workers from now on.
                let floors = u64::from(PEERS) / 2 * (WORKERS as u64 - 1);
                assert!(stats.value("socket.floors_told") >= floors, "{stats}");
                assert_eq!(stats.value("socket.floors_dropped"), 0);
                // They have what they were told once each had a turn, which each has that sends.
                let known = || node.stats().value("p2pke.timestamp_floors");
                for _ in 0..1_000 {
                    if known() == u64::from(PEERS) / 2 * WORKERS as u64 {
                        break;
                    }
                    for (number, peer) in (1..).zip(&peers) {
                        ask(&node, peer, &peer.local_addrs()[0], number).await?;
                    }
                }
                assert_eq!(known(), u64::from(PEERS) / 2 * WORKERS as u64);
                let shares = node.workers().into_iter().map(|worker| worker.stats());
                let shares: Vec<u64> = shares.map(|share| share.value("p2pke.peers")).collect();
                assert!(shares.iter().all(|peers| *peers < u64::from(PEERS)), "{shares:?}");
                node.close(LONG).await?;
                assert!(node.receive().await.is_none());
                while events.next().await.is_some() {}
                Ok(())
            }

            async fn ask(
                from: &Peer,
                to: &Peer,
                dst: &PeerAddr<UdpAddr>,
                number: u8,
            ) -> Result<(), Error> {
                let text = vec![number; 10_000];
                let asking = async { Ok(from.ask(dst, text.clone()).within(LONG).await?) };
                let answering = async {
                    let request = to.next_ask().await.ok_or("it is open")?;
                    assert_eq!(*request.src(), from.local_addrs()[0]);
                    let echo = request.payload().clone();
                    request.answer(echo);
                    Ok::<_, Error>(())
                };
                let (reply, ()) = try_zip(asking, answering).await?;
                assert_eq!(reply, text);
                Ok(())
            }
        }
    };
}

program!(on_tokio uses tellask_tokio);
program!(on_smol uses tellask_smol);

fn tokio(threads: usize) -> tokio::runtime::Runtime {
    let mut builder = match threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    builder.worker_threads(threads).enable_all().build().expect("a runtime")
}

#[test]
fn workers_share_the_peers_of_a_node_on_tokio() {
    tokio(1).block_on(on_tokio::main()).expect("runs");
    let spawned = tokio(4);
    let task = spawned.spawn(on_tokio::main());
    spawned.block_on(task).expect("runs").expect("runs");
}

#[test]
fn workers_share_the_peers_of_a_node_on_smol() {
    block_on(on_smol::main()).expect("runs");
}

#[test]
fn workers_share_the_peers_of_a_node_in_threads_of_the_callers() {
    let (node, drivers) =
        tellask_smol::workers(WORKERS, || on_smol::describe(0)).bind().expect("free ports");
    let threads: Vec<_> = drivers
        .into_iter()
        .map(|driver| thread::spawn(move || async_io::block_on(driver)))
        .collect();
    block_on(on_smol::serve(node)).expect("runs");
    for thread in threads {
        thread.join().expect("it ends with its node");
    }
}

#[test]
fn a_node_ends_with_any_of_its_workers() {
    let (node, mut drivers) =
        tellask_smol::workers(2, || on_smol::describe(0)).bind().expect("free ports");
    let other = drivers.pop().expect("two");
    drop(drivers);
    let (received, ()) = block_on(zip(node.receive(), other));
    assert!(received.is_none());
    assert!(block_on(node.close(LONG)).is_err(), "it did not finish");
}

#[test]
fn a_port_in_use_is_not_shared_by_mistake() {
    let runtime = tokio(1);
    let _guard = runtime.enter();
    let node = |addr: UdpAddr| tellask_tokio::workers(2, || tellask_tokio::udp(addr)).bind();
    let (first, _drivers) = node("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let again = node(first.local_addrs()[0]).expect_err("it is in use");
    assert_eq!(again.kind(), std::io::ErrorKind::AddrInUse);
}
