//! QUIC datagrams and streams by `quinn`, on tokio, over two UDP sockets on loopback.

use ::quinn::{
    ClientConfig, Connection, Endpoint, EndpointConfig, MtuDiscoveryConfig, ServerConfig,
    TokioRuntime, TransportConfig,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};
use bytes::Bytes;
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use rcgen::CertifiedKey;
use rustls::{
    CipherSuite, RootCertStore,
    crypto::CryptoProvider,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use socket2::{Domain, Socket, Type};
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Instant;
use tokio::{runtime::Runtime, task::JoinSet, time::timeout};

/// The largest UDP payload of an Ethernet path, which quinn's own discovery would arrive at:
/// known from the start, so that a message of 1200 bytes fits the first packet.
const MTU: u16 = 1452;
/// Bytes asked for in either direction of either socket. The kernel may give less.
const SOCKET_BUFFER: usize = 4 << 20;
/// Bytes of datagrams that a connection holds for sending. Of 128 KiB, 1 MiB and 8 MiB this was
/// the fastest and the steadiest.
const SEND_BUFFER: usize = 128 << 10;
/// Bytes of datagrams that a connection holds for the application.
const RECEIVE_BUFFER: usize = 1 << 20;
/// How long a round may take before it has failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long nothing arrives before a round's last datagram has.
const QUIET: Duration = Duration::from_millis(50);

/// Two endpoints with one connection between them, and the runtime they live on.
pub(crate) struct Pair {
    runtime: Runtime,
    sender: Connection,
    receiver: Connection,
    _endpoints: [Endpoint; 2],
}

/// Two endpoints in two worker threads, connected by the cipher suite `suite` of `aws-lc-rs`.
pub(crate) fn pair(suite: CipherSuite) -> Pair {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let (endpoints, [sender, receiver]) = runtime.block_on(connect(suite));
    Pair { runtime, sender, receiver, _endpoints: endpoints }
}

impl Pair {
    /// Sends datagrams of `size` bytes until `n` have been received, and returns how many were
    /// received per second. Those that the path loses count for nothing.
    ///
    /// `n` wants to be large beside the few thousand datagrams that fit the buffers.
    ///
    /// # Panics
    /// Where a datagram of `size` bytes does not fit a packet, or too few arrive within a minute.
    pub(crate) fn datagrams(&self, n: u64, size: usize) -> f64 {
        let room = self.sender.max_datagram_size().expect("datagrams are on");
        assert!(size <= room, "{size} bytes do not fit a packet: {room} do");
        self.runtime.block_on(async {
            let start = Instant::now();
            let sender = self.sender.clone();
            let sending = tokio::spawn(async move {
                let datagram = Bytes::from(vec![0x5a; size]);
                while sender.send_datagram_wait(datagram.clone()).await.is_ok() {}
            });
            let receiver = self.receiver.clone();
            let receiving = tokio::spawn(async move {
                for _ in 0..n {
                    let datagram = receiver.read_datagram().await.expect("a connection");
                    assert_eq!(datagram.len(), size);
                }
            });
            let received = timeout(PATIENCE, receiving).await;
            received.expect("datagrams arrive").expect("the receiver ends");
            let rate = n as f64 / start.elapsed().as_secs_f64();
            sending.abort();
            // What is still under way would be a present to the next round.
            while let Ok(late) = timeout(QUIET, self.receiver.read_datagram()).await {
                late.expect("a connection");
            }
            rate
        })
    }

    /// Sends messages of `size` bytes, each on a unidirectional stream of its own, until `n` have been
    /// received, and returns how many were received per second.
    ///
    /// # Panics
    /// Where one does not arrive whole, or not all arrive within a minute.
    pub(crate) fn streams(&self, n: u64, size: usize) -> f64 {
        self.runtime.block_on(async {
            let start = Instant::now();
            let sender = self.sender.clone();
            let sending = tokio::spawn(async move {
                let message = Bytes::from(vec![0x5a; size]);
                for _ in 0..n {
                    let mut stream = sender.open_uni().await.expect("a connection");
                    stream.write_chunk(message.clone()).await.expect("a connection");
                    stream.finish().expect("it is open");
                }
            });
            let receiver = self.receiver.clone();
            let receiving = tokio::spawn(async move {
                for _ in 0..n {
                    let mut stream = receiver.accept_uni().await.expect("a connection");
                    let message = stream.read_to_end(size).await.expect("a message");
                    assert_eq!(message.len(), size);
                }
            });
            let received = timeout(PATIENCE, receiving).await;
            received.expect("messages arrive").expect("the receiver ends");
            sending.await.expect("the sender ends");
            n as f64 / start.elapsed().as_secs_f64()
        })
    }

    /// Asks `n` times with `size` bytes, each on a bidirectional stream of its own and `parallel` at a
    /// time, and returns how many answers came in a second.
    ///
    /// # Panics
    /// Where one does not arrive whole, or not all arrive within a minute.
    pub(crate) fn asks(&self, n: u64, size: usize, parallel: u64) -> f64 {
        self.runtime.block_on(async {
            let server = self.receiver.clone();
            let serving = tokio::spawn(async move {
                while let Ok((mut answer, mut request)) = server.accept_bi().await {
                    // A task for each is what costs least: requests rarely come whole at once.
                    tokio::spawn(async move {
                        let request = request.read_to_end(size).await.expect("a request");
                        answer.write_chunk(request.into()).await.expect("a connection");
                        answer.finish().expect("it is open");
                    });
                }
            });
            let text = Bytes::from(vec![0x5a; size]);
            let start = Instant::now();
            let mut askers = JoinSet::new();
            for _ in 0..parallel {
                let (connection, text) = (self.sender.clone(), text.clone());
                askers.spawn(async move {
                    for _ in 0..n / parallel {
                        let (mut request, mut answer) =
                            connection.open_bi().await.expect("a connection");
                        request.write_chunk(text.clone()).await.expect("a connection");
                        request.finish().expect("it is open");
                        let answer = answer.read_to_end(size).await.expect("an answer");
                        assert_eq!(answer.len(), size);
                    }
                });
            }
            timeout(PATIENCE, askers.join_all()).await.expect("answers arrive");
            serving.abort();
            n as f64 / start.elapsed().as_secs_f64()
        })
    }
}

async fn connect(suite: CipherSuite) -> ([Endpoint; 2], [Connection; 2]) {
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let provider = Arc::new(provider(suite));

    let tls = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("the key fits the certificate");
    let tls = QuicServerConfig::try_from(tls).expect("has a suite for initial packets");
    let mut server = ServerConfig::with_crypto(Arc::new(tls));
    server.transport_config(transport());

    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).expect("a certificate that can be a root");
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tls = QuicClientConfig::try_from(tls).expect("has a suite for initial packets");
    let mut client = ClientConfig::new(Arc::new(tls));
    client.transport_config(transport());

    let server = endpoint(Some(server));
    let mut dialler = endpoint(None);
    dialler.set_default_client_config(client);
    let to = server.local_addr().expect("a bound socket");
    let dialling = dialler.connect(to, "localhost").expect("an address to dial");
    let accepting = async { server.accept().await.expect("open").await.expect("a connection") };
    let (dialled, accepted) = tokio::join!(dialling, accepting);
    ([server, dialler], [dialled.expect("a connection"), accepted])
}

fn transport() -> Arc<TransportConfig> {
    let mut discovery = MtuDiscoveryConfig::default();
    discovery.upper_bound(MTU);
    let mut transport = TransportConfig::default();
    transport
        .initial_mtu(MTU)
        // Where a socket's buffer overflows, quinn would suspect the path and fall back to 1200.
        .min_mtu(MTU)
        .mtu_discovery_config(Some(discovery))
        .datagram_receive_buffer_size(Some(RECEIVE_BUFFER))
        .datagram_send_buffer_size(SEND_BUFFER);
    Arc::new(transport)
}

/// `aws-lc-rs` with `suite` first, and the suite that QUIC's initial packets need.
fn provider(suite: CipherSuite) -> CryptoProvider {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    let initial = CipherSuite::TLS13_AES_128_GCM_SHA256;
    provider.cipher_suites.retain(|known| [suite, initial].contains(&known.suite()));
    provider.cipher_suites.sort_by_key(|known| known.suite() != suite);
    provider
}

fn endpoint(server: Option<ServerConfig>) -> Endpoint {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).expect("a socket");
    socket.set_recv_buffer_size(SOCKET_BUFFER).expect("a buffer");
    socket.set_send_buffer_size(SOCKET_BUFFER).expect("a buffer");
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    socket.bind(&any.into()).expect("a port");
    let socket = UdpSocket::from(socket);
    Endpoint::new(EndpointConfig::default(), server, socket, Arc::new(TokioRuntime))
        .expect("an endpoint")
}
