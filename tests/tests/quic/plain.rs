//! Plain endpoints of quinn on sockets, with our certificate rules, in either role: whoever follows the wire
//! format is understood.

use super::anyone::{Anyone, identity, server};
use super::key;
use core::net::SocketAddr;
use core::time::Duration;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, Endpoint, ServerConfig, VarInt};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use std::sync::Arc;
use tellask::driver::BindError;
use tellask::swarm::{Accept, AskError, Refusal};
use tellask::{PeerAddr, UdpAddr};
use tellask_tokio::Node;

/// The sizes that are talked in, in bytes.
const SIZES: [usize; 6] = [0, 1, 1_200, 5_000, 70_000, 1 << 20];
const PATIENCE: Duration = Duration::from_secs(20);

type OurNode = Node<PeerAddr<UdpAddr>>;

async fn ours(number: u8) -> Result<OurNode, BindError> {
    let any = UdpAddr(SocketAddr::from(([127, 0, 0, 1], 0)));
    tellask_tokio::udp(any).quic(key(number)).spawn().await
}

/// An endpoint that dials with this key's certificate, or with none.
fn dialler(number: Option<u8>) -> Endpoint {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider)));
    let mut client = match number {
        Some(number) => {
            let (certificate, key) = identity(number);
            client.with_client_auth_cert(vec![certificate], key.into()).expect("a key")
        }
        None => client.with_no_client_auth(),
    };
    client.alpn_protocols = vec![b"p2p".to_vec()];
    let client = QuicClientConfig::try_from(client).expect("a cipher for Initial packets");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut endpoint = Endpoint::client(any).expect("a socket");
    endpoint.set_default_client_config(ClientConfig::new(Arc::new(client)));
    endpoint
}

/// An endpoint that is dialled.
fn listener(number: u8) -> Endpoint {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    Endpoint::server(ServerConfig::with_crypto(server(number)), any).expect("a socket")
}

fn text(len: usize) -> Vec<u8> {
    (0..len).map(|nth| (nth * 7) as u8).collect()
}

fn framed(body: &[u8]) -> Vec<u8> {
    let mut frame = (body.len() as u32).to_be_bytes().to_vec();
    frame.extend(body);
    frame
}

/// Answers requests with themselves backwards; one that says "no" is reset, and one that says "gone" ended.
async fn answer_all(connection: Connection) {
    while let Ok((mut send, mut recv)) = connection.accept_bi().await {
        tokio::spawn(async move {
            let mut len = [0; 4];
            recv.read_exact(&mut len).await.expect("a length");
            let mut request = vec![0; u32::from_be_bytes(len) as usize];
            recv.read_exact(&mut request).await.expect("a request");
            match &request[..] {
                b"no" => send.reset(VarInt::from_u32(9)).expect("it is open"),
                b"gone" => send.finish().expect("it is open"),
                _ => {
                    request.reverse();
                    send.write_all(&framed(&request)).await.expect("somebody reads");
                    send.finish().expect("it is open");
                }
            }
        });
    }
}

#[tokio::test]
async fn a_plain_endpoint_that_dials_us_tells_and_asks() {
    let node = ours(1).await.expect("a node");
    let at = node.local_addrs()[0].addr.0;
    let serving = node.clone();
    tokio::spawn(async move {
        while let Some(request) = serving.next_ask().await {
            if &request.payload()[..] == b"no" {
                request.refuse(Refusal::new(7, *b"because"));
            } else {
                let mut answer = request.payload().to_vec();
                answer.reverse();
                request.answer(answer);
            }
        }
    });
    let connection =
        dialler(Some(2)).connect(at, "whoever").expect("a dial").await.expect("it is let in");
    for len in SIZES {
        let mut stream = connection.open_uni().await.expect("a stream");
        stream.write_all(&text(len)).await.expect("it is read");
        stream.finish().expect("it is open");
        let told = node.receive().await.expect("it is told");
        assert_eq!(told.payload, text(len));
        assert_eq!(told.src.id, key(2).id());

        let (mut send, mut recv) = connection.open_bi().await.expect("a stream");
        // Its end comes after the answer.
        send.write_all(&framed(&text(len))).await.expect("it is read");
        let mut reversed = text(len);
        reversed.reverse();
        let mut answer = vec![0; len + 4];
        recv.read_exact(&mut answer).await.expect("an answer");
        assert_eq!(answer, framed(&reversed));
        send.finish().ok();
        assert_eq!(recv.read_to_end(0).await.expect("nothing follows"), b"");
    }
    let (mut send, mut recv) = connection.open_bi().await.expect("a stream");
    send.write_all(&framed(b"no")).await.expect("it is read");
    let refused = recv.read_to_end(100).await.expect_err("it is refused");
    let code = VarInt::from_u64((1 << 32) + 7).expect("62 bits");
    assert!(format!("{refused:?}").contains(&format!("{code:?}")), "{refused:?}");
}

#[tokio::test]
async fn a_plain_endpoint_that_we_dial_is_told_and_asked() {
    let endpoint = listener(2);
    let at = endpoint.local_addr().expect("it is bound");
    let dst = PeerAddr { id: key(2).id(), addr: UdpAddr(at) };
    let node = ours(1).await.expect("a node");
    let accept = tokio::spawn(async move {
        let incoming = endpoint.accept().await.expect("somebody dials");
        (incoming.await.expect("a handshake"), endpoint)
    });
    node.tell(&dst, "first").await.expect("there is room");
    let (connection, _endpoint) = accept.await.expect("no panic");
    let certificates = connection.peer_identity().expect("a certificate");
    let certificates = certificates.downcast::<Vec<CertificateDer<'static>>>().expect("a chain");
    assert_eq!(certificates.len(), 1);
    let mut stream = connection.accept_uni().await.expect("a stream");
    assert_eq!(stream.read_to_end(9).await.expect("a message"), b"first");
    tokio::spawn(answer_all(connection.clone()));
    for len in SIZES {
        node.tell(&dst, text(len)).await.expect("there is room");
        let mut stream = connection.accept_uni().await.expect("a stream");
        assert_eq!(stream.read_to_end(1 << 20).await.expect("a message"), text(len));
        let mut reversed = text(len);
        reversed.reverse();
        let answer = node.ask(&dst, text(len)).within(PATIENCE).await;
        assert_eq!(answer.expect("an answer"), reversed);
    }
    for wanted in ["no", "gone"] {
        let answer = node.ask(&dst, wanted).within(PATIENCE).await;
        assert_eq!(answer, Err(AskError::Refused(Refusal::unanswered())));
    }
}

#[tokio::test]
async fn attack_27_whoever_has_no_certificate_or_another_key_is_closed_and_nothing_of_it_remains() {
    let node = ours(1).await.expect("a node");
    let at = node.local_addrs()[0].addr.0;
    // Without a certificate the handshake fails, at the latest when the server says so.
    if let Ok(connection) = dialler(None).connect(at, "whoever").expect("a dial").await {
        connection.closed().await;
    }
    node.set_accept(Accept::from_iter([key(3).id()]));
    if let Ok(connection) = dialler(Some(2)).connect(at, "whoever").expect("a dial").await {
        let mut stream = connection.open_uni().await.expect("a stream");
        let _ = stream.write_all(b"let me in").await;
        connection.closed().await;
    }
    let friend = dialler(Some(3));
    let connection = friend.connect(at, "whoever").expect("a dial").await.expect("it is let in");
    // Closed connections linger for a few round trips: as long as it takes, the friend goes on.
    let within = tokio::time::timeout(PATIENCE, async {
        loop {
            let mut stream = connection.open_uni().await.expect("a stream");
            stream.write_all(b"a friend").await.expect("it is read");
            stream.finish().expect("it is open");
            let told = node.receive().await.expect("it is told");
            assert_eq!(&told.payload[..], b"a friend");
            let stats = node.stats();
            if stats.value("quic.connections") == 1 {
                return stats;
            }
        }
    });
    let stats = within.await.expect("they end");
    assert_eq!((stats.value("quic.denied"), stats.value("quic.half_open")), (1, 0));
    assert_eq!(stats.value("quic.peers_up"), 1);
}
