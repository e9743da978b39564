//! How long a ping takes there and back on loopback, and what the same takes without tellask.

use super::tellask::Udp;
use ::tellask::Bytes;
use core::net::Ipv4Addr;
use std::time::Instant;
use tokio::net::UdpSocket;
use tokio::runtime::Runtime;

/// How long pings took, in seconds, sorted.
#[derive(Debug)]
pub(crate) struct Times(Vec<f64>);

impl Times {
    /// How many pings a second it would be if each took as long as the one at this share.
    pub(crate) fn rate_at(&self, share: f64) -> f64 {
        let at = (self.0.len() as f64 * share) as usize;
        1.0 / self.0[at.min(self.0.len() - 1)]
    }

    /// How many pings there were a second.
    pub(crate) fn rate(&self) -> f64 {
        self.0.len() as f64 / self.0.iter().sum::<f64>()
    }
}

impl FromIterator<f64> for Times {
    fn from_iter<I: IntoIterator<Item = f64>>(times: I) -> Self {
        let mut times: Vec<f64> = times.into_iter().collect();
        times.sort_by(f64::total_cmp);
        Self(times)
    }
}

/// A plain socket that is echoed by another, both in tasks of a runtime like that of the nodes.
pub(crate) struct Echo {
    runtime: Runtime,
    socket: Option<UdpSocket>,
}

/// Two plain sockets on loopback in this many worker threads.
pub(crate) fn echo(threads: usize) -> Echo {
    let runtime = super::tellask::runtime(threads);
    let socket = runtime.block_on(async {
        let near = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
        let far = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
        near.connect(far.local_addr().expect("bound")).await.expect("it can");
        tokio::spawn(async move {
            let mut text = [0; 2_048];
            while let Ok((len, from)) = far.recv_from(&mut text).await {
                far.send_to(&text[..len], from).await.expect("sent");
            }
        });
        near
    });
    Echo { runtime, socket: Some(socket) }
}

impl Echo {
    /// Pings of `size` bytes.
    pub(crate) fn pings(&mut self, n: u64, size: usize) -> Times {
        let socket = self.socket.take().expect("it comes back");
        let pinging = self.runtime.spawn(async move {
            let (text, mut reply) = (vec![0x5a; size], vec![0; size]);
            let mut times = Vec::new();
            for _ in 0..n {
                let start = Instant::now();
                socket.send(&text).await.expect("sent");
                assert_eq!(socket.recv(&mut reply).await.expect("received"), size);
                times.push(start.elapsed().as_secs_f64());
            }
            (times.into_iter().collect(), socket)
        });
        let (times, socket) = self.runtime.block_on(pinging).expect("it ends");
        self.socket = Some(socket);
        times
    }
}

impl Udp {
    /// Asks with `size` bytes, answered with the same.
    pub(crate) fn asked_pings(&self, n: u64, size: usize) -> Times {
        let (node, dst) = (self.sender.clone(), self.receiver.local_addrs().remove(0));
        let pinging = self.runtime.spawn(async move {
            let text = Bytes::from(vec![0x5a; size]);
            let mut times = Vec::new();
            for _ in 0..n {
                let start = Instant::now();
                assert_eq!(node.ask(&dst, text.clone()).await.expect("an answer").len(), size);
                times.push(start.elapsed().as_secs_f64());
            }
            times.into_iter().collect()
        });
        self.runtime.block_on(pinging).expect("it ends")
    }

    /// Tells `size` bytes to the other node, which tells them back.
    pub(crate) fn told_pings(&self, n: u64, size: usize) -> Times {
        let (node, other) = (self.sender.clone(), self.receiver.clone());
        let dst = other.local_addrs().remove(0);
        let echoing = self.runtime.spawn(async move {
            while let Some(message) = other.receive().await {
                other.tell(&message.src, message.payload).await.expect("accepted");
            }
        });
        let pinging = self.runtime.spawn(async move {
            let text = Bytes::from(vec![0x5a; size]);
            let mut times = Vec::new();
            for _ in 0..n {
                let start = Instant::now();
                node.tell(&dst, text.clone()).await.expect("accepted");
                assert_eq!(node.receive().await.expect("it is open").payload.len(), size);
                times.push(start.elapsed().as_secs_f64());
            }
            times.into_iter().collect()
        });
        let times = self.runtime.block_on(pinging).expect("it ends");
        echoing.abort();
        times
    }
}
