//! One node of several workers that many others talk to.

use super::tellask::{PATIENCE, QUIET, runtime};
use ::tellask::identity::SecretKey;
use ::tellask::{Bytes, PeerAddr, UdpAddr};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use futures_lite::future::poll_once;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use tellask_tokio::{Builder, Node, udp, workers};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// So many that each worker has some of them.
const SENDERS: u8 = 8;

/// Messages that are acknowledged together, and that a sender may be ahead.
const CREDIT: usize = 32;
const AHEAD: usize = 4 * CREDIT;

type Peer = Node<PeerAddr<UdpAddr>>;

/// A node and those who tell it things, all in one runtime.
pub(crate) struct Crowd {
    runtime: Runtime,
    senders: Vec<Peer>,
    receiver: Peer,
}

/// A node of this many workers, in so many threads with all its peers.
pub(crate) fn crowd(threads: usize, count: usize) -> Crowd {
    let runtime = runtime(threads);
    let node = |number: u8| -> Builder<PeerAddr<UdpAddr>> {
        let any = "127.0.0.1:0".parse().expect("an address");
        udp(any).secured(SecretKey::from_seed(&[number; 32]))
    };
    let (senders, receiver) = runtime.block_on(async {
        let mut senders = Vec::new();
        for number in 1..=SENDERS {
            senders.push(node(number).spawn().await.expect("a socket"));
        }
        (senders, workers(count, || node(0)).spawn().await.expect("sockets"))
    });
    let crowd = Crowd { runtime, senders, receiver };
    crowd.tells(1_000, 16);
    crowd
}

impl Crowd {
    /// All tell messages of `size` bytes until `n` have been received; how many were received per second.
    /// Nobody is more than [`AHEAD`] ahead of what has come, or most of the work would be for what the
    /// kernel drops.
    pub(crate) fn tells(&self, n: u64, size: usize) -> f64 {
        self.runtime.block_on(async {
            let start = Instant::now();
            let mut sending = JoinSet::new();
            for sender in &self.senders {
                let dst = self.receiver.local_addrs().remove(0);
                sending.spawn(send(sender.clone(), dst, Bytes::from(vec![0x5a; size])));
            }
            let (mut receiving, received) = (JoinSet::new(), Arc::new(AtomicU64::new(0)));
            for worker in self.receiver.workers() {
                receiving.spawn(receive(worker, Arc::clone(&received), n));
            }
            let first = timeout(PATIENCE, receiving.join_next()).await.expect("messages arrive");
            first.expect("some receive").expect("it ends");
            let rate = received.load(Relaxed) as f64 / start.elapsed().as_secs_f64();
            sending.shutdown().await;
            receiving.shutdown().await;
            // What is still under way would be a present to the next round.
            while timeout(QUIET, self.receiver.receive()).await.is_ok() {}
            for sender in &self.senders {
                while poll_once(sender.receive()).await.is_some() {}
            }
            rate
        })
    }

    /// The share of the datagrams that reached another worker's socket.
    pub(crate) fn handed_over(&self) -> f64 {
        let stats = self.receiver.stats();
        stats.value("socket.handed_over") as f64 / stats.value("socket.received") as f64
    }
}

/// Tells for as long as what it told arrives.
async fn send(node: Peer, dst: PeerAddr<UdpAddr>, text: Bytes) {
    let mut ahead = 0;
    loop {
        for _ in 0..CREDIT {
            node.tell(&dst, text.clone()).await.expect("accepted");
        }
        ahead += CREDIT;
        while ahead > AHEAD - CREDIT {
            // One that is lost must not stop it for ever.
            let credit = timeout(QUIET, node.receive()).await;
            ahead = if credit.is_ok() { ahead - CREDIT } else { 0 };
        }
    }
}

/// Receives what one worker has, and says so every now and then.
async fn receive(worker: Peer, received: Arc<AtomicU64>, n: u64) {
    let (mut messages, mut owed) = (Vec::new(), BTreeMap::new());
    while received.load(Relaxed) < n {
        messages.clear();
        let count = worker.receive_many(&mut messages, 64).await;
        received.fetch_add(count as u64, Relaxed);
        for message in &messages {
            let owed = owed.entry(message.src).or_insert(0);
            *owed += 1;
            if *owed == CREDIT {
                *owed = 0;
                worker.tell(&message.src, "").await.expect("accepted");
            }
        }
    }
}
