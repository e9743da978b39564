//! Nodes on smol, in as many threads as those on tokio have.

use super::tellask::{PATIENCE, QUIET};
use ::tellask::identity::SecretKey;
use ::tellask::{Bytes, PeerAddr, UdpAddr};
use async_executor::Executor;
use async_io::Async;
use core::future::{Future, pending};
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use futures_lite::future::{block_on, or};
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Instant;

type Node = tellask_smol::Node<PeerAddr<UdpAddr>>;

/// An executor for each of two ends, in a thread of its own, or one for both.
struct Executors([Arc<Executor<'static>>; 2]);

impl Executors {
    fn new(threads: usize) -> Self {
        let start = || {
            let executor = Arc::new(Executor::new());
            let run = Arc::clone(&executor);
            std::thread::spawn(move || async_io::block_on(run.run(pending::<()>())));
            executor
        };
        let first = start();
        let second = if threads > 1 { start() } else { Arc::clone(&first) };
        Self([first, second])
    }
}

/// Two secure nodes on loopback that ask and answer, and the executors they live on.
pub(crate) struct Udp {
    executors: Executors,
    sender: Node,
    receiver: Node,
}

/// Two nodes in this many threads, each node with those who use it.
pub(crate) fn udp(threads: usize) -> Udp {
    let executors = Executors::new(threads);
    let [sender, receiver] =
        [(1, &executors.0[0]), (2, &executors.0[1])].map(|(seed, executor)| {
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
    executors.0[1].spawn(answering).detach();
    let udp = Udp { executors, sender, receiver };
    udp.tells(1, 16);
    udp
}

impl Udp {
    /// As that of the nodes on tokio.
    pub(crate) fn tells(&self, n: u64, size: usize) -> f64 {
        block_on(async {
            let start = Instant::now();
            let (sender, receiver) = (self.sender.clone(), self.receiver.clone());
            let dst = receiver.local_addrs().remove(0);
            let sending = self.executors.0[0].spawn(async move {
                let text = Bytes::from(vec![0x5a; size]);
                while sender.tell(&dst, text.clone()).await.is_ok() {}
            });
            let receiving = self.executors.0[1].spawn(async move {
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
        block_on(async {
            let dst = self.receiver.local_addrs().remove(0);
            let text = Bytes::from(vec![0x5a; size]);
            let start = Instant::now();
            let askers: Vec<_> = (0..parallel)
                .map(|_| {
                    let (node, text) = (self.sender.clone(), text.clone());
                    self.executors.0[0].spawn(async move {
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

/// Plain sockets, of which the second echoes the first.
pub(crate) struct Echo {
    executors: Executors,
    socket: Arc<Async<UdpSocket>>,
}

/// Two plain sockets on loopback in this many threads.
pub(crate) fn echo(threads: usize) -> Echo {
    let bind = || Async::<UdpSocket>::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    let (near, far) = (bind(), bind());
    let dst = far.get_ref().local_addr().expect("bound");
    near.get_ref().connect(dst).expect("it can");
    let executors = Executors::new(threads);
    let echoing = async move {
        let mut text = [0; 2_048];
        while let Ok((len, from)) = far.recv_from(&mut text).await {
            far.send_to(&text[..len], from).await.expect("sent");
        }
    };
    executors.0[1].spawn(echoing).detach();
    Echo { executors, socket: Arc::new(near) }
}

impl Echo {
    /// `n` pings of `size` bytes, and how many they were a second.
    pub(crate) fn pings(&self, n: u64, size: usize) -> f64 {
        let socket = Arc::clone(&self.socket);
        let pinging = self.executors.0[0].spawn(async move {
            let (text, mut reply) = (vec![0x5a; size], vec![0; size]);
            let start = Instant::now();
            for _ in 0..n {
                socket.send(&text).await.expect("sent");
                assert_eq!(socket.recv(&mut reply).await.expect("received"), size);
            }
            n as f64 / start.elapsed().as_secs_f64()
        });
        block_on(pinging)
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
