//! Nodes on smol, in as many threads as those on tokio have.

use super::tellask::{PATIENCE, QUIET};
use ::tellask::identity::SecretKey;
use ::tellask::{Bytes, PeerAddr, UdpAddr};
use async_executor::Executor;
use core::future::{Future, pending};
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use futures_lite::future::or;
use std::sync::Arc;

type Node = tellask_smol::Node<PeerAddr<UdpAddr>>;

/// Two secure nodes on loopback that ask and answer, and the executor they live on.
pub(crate) struct Udp {
    executor: Arc<Executor<'static>>,
    sender: Node,
    receiver: Node,
}

/// Two nodes in two threads.
pub(crate) fn udp() -> Udp {
    let executor = Arc::new(Executor::new());
    for _ in 0..2 {
        let executor = Arc::clone(&executor);
        std::thread::spawn(move || async_io::block_on(executor.run(pending::<()>())));
    }
    let [sender, receiver] = [1, 2].map(|seed| {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let builder = tellask_smol::udp(any.into()).secured(SecretKey::from_seed(&[seed; 32]));
        let (node, driver) = builder.asking().bind().expect("a socket");
        executor.spawn(driver).detach();
        node
    });
    let server = receiver.clone();
    let answering = async move {
        while let Some(request) = server.next_ask().await {
            let echo = request.payload().clone();
            request.answer(echo);
        }
    };
    executor.spawn(answering).detach();
    let udp = Udp { executor, sender, receiver };
    udp.tells(1, 16);
    udp
}

impl Udp {
    /// As that of the nodes on tokio.
    pub(crate) fn tells(&self, n: u64, size: usize) -> f64 {
        async_io::block_on(async {
            let start = std::time::Instant::now();
            let (sender, receiver) = (self.sender.clone(), self.receiver.clone());
            let dst = receiver.local_addrs().remove(0);
            let sending = self.executor.spawn(async move {
                let text = Bytes::from(vec![0x5a; size]);
                while sender.tell(&dst, text.clone()).await.is_ok() {}
            });
            let receiving = self.executor.spawn(async move {
                let (mut received, mut messages) = (0, Vec::new());
                while received < n {
                    messages.clear();
                    received += receiver.receive_many(&mut messages, 64).await as u64;
                    assert!(messages.iter().all(|message| message.payload.len() == size));
                }
                received
            });
            let received = within(PATIENCE, receiving).await.expect("messages arrive");
            let rate = received as f64 / start.elapsed().as_secs_f64();
            drop(sending);
            // What is still under way would be a present to the next round.
            while within(QUIET, self.receiver.receive()).await.is_some() {}
            rate
        })
    }

    /// As that of the nodes on tokio.
    pub(crate) fn asks(&self, n: u64, size: usize, parallel: u64) -> f64 {
        async_io::block_on(async {
            let dst = self.receiver.local_addrs().remove(0);
            let text = Bytes::from(vec![0x5a; size]);
            let start = std::time::Instant::now();
            let askers: Vec<_> = (0..parallel)
                .map(|_| {
                    let (node, text) = (self.sender.clone(), text.clone());
                    self.executor.spawn(async move {
                        for _ in 0..n / parallel {
                            let answer = node.ask(&dst, text.clone()).await.expect("an answer");
                            assert_eq!(answer.len(), size);
                        }
                    })
                })
                .collect();
            for asker in askers {
                within(PATIENCE, asker).await.expect("answers arrive");
            }
            n as f64 / start.elapsed().as_secs_f64()
        })
    }
}

async fn within<T>(time: Duration, future: impl Future<Output = T>) -> Option<T> {
    let done = async { Some(future.await) };
    let late = async {
        async_io::Timer::after(time).await;
        None
    };
    or(done, late).await
}
