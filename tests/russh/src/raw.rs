//! Records of AES-128-GCM over TCP, and nothing else: each message is copied once, sealed in place, written, read and
//! opened in place.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use std::time::Instant;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::time::timeout;

const TAG: usize = 16;

/// Two ends of a connection, and the runtime they live on.
pub(crate) struct Pair {
    runtime: Runtime,
    addr: core::net::SocketAddr,
    listener: TcpListener,
}

/// Two ends on loopback in this many worker threads.
pub(crate) fn pair(threads: usize) -> Pair {
    let runtime = crate::runtime("raw", threads);
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    Pair { runtime, addr: listener.local_addr().expect("a bound socket"), listener }
}

fn key() -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &[7; 16]).expect("16 bytes"))
}

fn nonce(number: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

impl Pair {
    /// Sends `n` records of `size` bytes, and returns how many were opened in a second.
    pub(crate) fn tells(&self, n: u64, size: usize) -> f64 {
        self.runtime.block_on(async {
            let (mut out, mut come) = self.connect().await;
            let start = Instant::now();
            let sending = tokio::spawn(async move {
                let (key, text) = (key(), vec![0x5a; size]);
                let mut record = Vec::with_capacity(size + TAG);
                for number in 0..n {
                    record.clear();
                    record.extend_from_slice(&text);
                    key.seal_in_place_append_tag(nonce(number), Aad::empty(), &mut record)
                        .expect("seals");
                    out.write_all(&record).await.expect("a connection");
                }
            });
            let receiving = tokio::spawn(async move {
                let (key, mut record) = (key(), vec![0; size + TAG]);
                for number in 0..n {
                    come.read_exact(&mut record).await.expect("a record");
                    let text = key.open_in_place(nonce(number), Aad::empty(), &mut record);
                    assert_eq!(text.expect("opens").len(), size);
                }
            });
            let received = timeout(crate::PATIENCE, receiving).await;
            received.expect("records arrive").expect("the receiver ends");
            sending.await.expect("the sender ends");
            n as f64 / start.elapsed().as_secs_f64()
        })
    }

    async fn connect(&self) -> (TcpStream, TcpStream) {
        let (out, accepted) = tokio::join!(TcpStream::connect(self.addr), self.listener.accept());
        let (out, come) = (out.expect("a connection"), accepted.expect("one").0);
        for socket in [&out, &come] {
            socket.set_nodelay(true).expect("an open socket");
        }
        (out, come)
    }

    /// Sends `size` bytes back and forth `n` times, without any cipher, and returns how many times in a second.
    pub(crate) fn pings(&self, n: u64, size: usize) -> f64 {
        self.runtime.block_on(async {
            let (mut out, mut come) = self.connect().await;
            let echoing = tokio::spawn(async move {
                let mut text = vec![0; size];
                for _ in 0..n {
                    come.read_exact(&mut text).await.expect("a connection");
                    come.write_all(&text).await.expect("a connection");
                }
            });
            let start = Instant::now();
            let pinging = tokio::spawn(async move {
                let mut text = vec![0x5a; size];
                for _ in 0..n {
                    out.write_all(&text).await.expect("a connection");
                    out.read_exact(&mut text).await.expect("a connection");
                }
            });
            let ponged = timeout(crate::PATIENCE, pinging).await;
            ponged.expect("pongs arrive").expect("the pinger ends");
            echoing.await.expect("the echo ends");
            n as f64 / start.elapsed().as_secs_f64()
        })
    }
}
