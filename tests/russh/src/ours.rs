//! Two nodes of ours on SSH.

use core::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;
use tellask::Bytes;
use tellask::addr::TcpAddr;
use tellask::identity::SecretKey;
use tellask::ssh::SshAddr;
use tellask_tokio::{TcpBuilder, TcpNode};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

type Node = TcpNode<SshAddr<TcpAddr>>;

/// Bytes of messages that may be on their way: a node holds 4 MiB for its application.
const HELD: usize = 3 << 20;

/// A node that says, one that hears and answers, and the runtime they live on.
pub(crate) struct Pair {
    runtime: Runtime,
    sender: Node,
    receiver: Node,
}

/// Two nodes on loopback in this many worker threads, with a connection between them.
pub(crate) fn pair(threads: usize) -> Pair {
    let runtime = crate::runtime("ours", threads);
    let (sender, receiver) = runtime.block_on(async {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let receiver = TcpBuilder::new(&any.into()).ssh(SecretKey::from_seed(&[2; 32]));
        let sender = TcpBuilder::dial_only().ssh(SecretKey::from_seed(&[1; 32]));
        (sender.spawn().await.expect("a node"), receiver.spawn().await.expect("a port"))
    });
    let server = receiver.clone();
    runtime.spawn(async move {
        while let Some(request) = server.next_ask().await {
            let echo = request.payload().clone();
            request.answer(echo);
        }
    });
    let pair = Pair { runtime, sender, receiver };
    pair.tells(1, 16);
    pair
}

impl Pair {
    /// Tells `n` messages of `size` bytes, and returns how many were received in a second.
    pub(crate) fn tells(&self, n: u64, size: usize) -> f64 {
        self.runtime.block_on(async {
            let start = Instant::now();
            let (sender, receiver) = (self.sender.clone(), self.receiver.clone());
            let dst = receiver.local_addrs().remove(0);
            // As many as the receiver holds for its application, which drops what is more.
            let room = Arc::new(Semaphore::new(HELD / (size + 128)));
            let taken = Arc::clone(&room);
            let sending = tokio::spawn(async move {
                let text = Bytes::from(vec![0x5a; size]);
                for _ in 0..n {
                    room.acquire().await.expect("it is open").forget();
                    sender.tell(&dst, text.clone()).await.expect("accepted");
                }
            });
            let receiving = tokio::spawn(async move {
                let (mut received, mut messages) = (0, Vec::new());
                while received < n {
                    messages.clear();
                    let count = receiver.receive_many(&mut messages, 64).await;
                    taken.add_permits(count);
                    received += count as u64;
                    assert!(messages.iter().all(|message| message.payload.len() == size));
                }
            });
            let received = timeout(crate::PATIENCE, receiving).await;
            received.expect("messages arrive").expect("the receiver ends");
            sending.await.expect("the sender ends");
            n as f64 / start.elapsed().as_secs_f64()
        })
    }

    /// Asks `n` times with `size` bytes, `parallel` at a time, and returns how many answers came in
    /// a second.
    pub(crate) fn asks(&self, n: u64, size: usize, parallel: u64) -> f64 {
        self.runtime.block_on(async {
            let dst = self.receiver.local_addrs().remove(0);
            let text = Bytes::from(vec![0x5a; size]);
            let start = Instant::now();
            let mut askers = JoinSet::new();
            for _ in 0..parallel {
                let (node, text, dst) = (self.sender.clone(), text.clone(), dst.clone());
                askers.spawn(async move {
                    for _ in 0..n / parallel {
                        let answer = node.ask(&dst, text.clone()).await.expect("an answer");
                        assert_eq!(answer.len(), size);
                    }
                });
            }
            timeout(crate::PATIENCE, askers.join_all()).await.expect("answers arrive");
            n as f64 / start.elapsed().as_secs_f64()
        })
    }
}
