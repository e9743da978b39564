//! Two `libp2p` hosts with one QUIC connection, of which the second answers each request with its bytes.

use core::time::Duration;
use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, StreamExt as _};
use libp2p::request_response::{self as rr, Codec, Event, Message, ProtocolSupport};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder};
use std::cell::RefCell;
use std::io;
use std::time::Instant;
use tokio::runtime::Runtime;

const PROTOCOL: StreamProtocol = StreamProtocol::new("/echo/1");
/// The largest message, so that a peer cannot have us hold more.
const MAX: u64 = 1 << 20;
/// How long a connection lives that nobody uses, longer than the other side of the comparison takes.
const IDLE: Duration = Duration::from_secs(600);

/// Messages as they are: a stream carries one, to its end.
#[derive(Clone, Default)]
struct Raw;

async fn read(io: &mut (impl AsyncRead + Unpin + Send)) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io.take(MAX).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

async fn write(io: &mut (impl AsyncWrite + Unpin + Send), bytes: &[u8]) -> io::Result<()> {
    io.write_all(bytes).await?;
    io.close().await
}

impl Codec for Raw {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io).await
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &request).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        response: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &response).await
    }
}

type Host = Swarm<rr::Behaviour<Raw>>;

pub(crate) struct Pair {
    runtime: Runtime,
    // In a worker thread while it asks.
    asker: RefCell<Option<Host>>,
    answerer: PeerId,
    request: Vec<u8>,
}

/// Two hosts in two worker threads, and requests of `size` bytes.
pub(crate) fn pair(size: usize) -> Pair {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let (asker, answerer) = runtime.block_on(connect());
    let pair =
        Pair { runtime, asker: RefCell::new(Some(asker)), answerer, request: vec![0x5a; size] };
    pair.asks(1, 1);
    pair
}

fn host() -> Host {
    SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_quic()
        .with_behaviour(|_| {
            let config = rr::Config::default().with_max_concurrent_streams(256);
            rr::Behaviour::new([(PROTOCOL, ProtocolSupport::Full)], config)
        })
        .expect("a behaviour")
        .with_swarm_config(|config| config.with_idle_connection_timeout(IDLE))
        .build()
}

async fn connect() -> (Host, PeerId) {
    let (mut asker, mut answerer) = (host(), host());
    let any: Multiaddr = "/ip4/127.0.0.1/udp/0/quic-v1".parse().expect("an address");
    answerer.listen_on(any).expect("a socket");
    let addr = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = answerer.select_next_some().await {
            break address;
        }
    };
    let id = *answerer.local_peer_id();
    tokio::spawn(async move {
        loop {
            let event = answerer.select_next_some().await;
            if let SwarmEvent::Behaviour(Event::Message {
                message: Message::Request { request, channel, .. },
                ..
            }) = event
            {
                // An error says that the asker has gone, who finds out by itself.
                let _ = answerer.behaviour_mut().send_response(channel, request);
            }
        }
    });
    asker.dial(addr).expect("an address to dial");
    loop {
        if let SwarmEvent::ConnectionEstablished { .. } = asker.select_next_some().await {
            return (asker, id);
        }
    }
}

impl Pair {
    /// Asks `n` times, `parallel` at a time, and returns how many answers came in a second.
    ///
    /// # Panics
    /// Where one does not come, or is not what was asked.
    pub(crate) fn asks(&self, n: u64, parallel: u64) -> f64 {
        let host = self.asker.take().expect("nobody else asks");
        let asking = ask(host, self.answerer, self.request.clone(), n, parallel);
        let asking = async { tokio::spawn(asking).await.expect("answers") };
        let (host, rate) = self.runtime.block_on(asking);
        self.asker.replace(Some(host));
        rate
    }
}

async fn ask(
    mut host: Host,
    answerer: PeerId,
    request: Vec<u8>,
    n: u64,
    parallel: u64,
) -> (Host, f64) {
    let start = Instant::now();
    for _ in 0..parallel {
        host.behaviour_mut().send_request(&answerer, request.clone());
    }
    let (mut asked, mut answered) = (parallel, 0);
    while answered < n {
        match host.select_next_some().await {
            SwarmEvent::Behaviour(Event::Message {
                message: Message::Response { response, .. },
                ..
            }) => {
                assert_eq!(response, request);
                answered += 1;
                if asked < n {
                    asked += 1;
                    host.behaviour_mut().send_request(&answerer, request.clone());
                }
            }
            SwarmEvent::Behaviour(Event::OutboundFailure { error, .. }) => {
                panic!("not answered: {error}")
            }
            _ => {}
        }
    }
    (host, n as f64 / start.elapsed().as_secs_f64())
}
