//! A client and a server of `russh`. What is said is a global request without a name.

use russh::keys::{Algorithm, PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::server::{self, VerifiedPublicKey};
use russh::{Error, Limits, Preferred, cipher, client};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Takes anyone, as a client and as a server.
struct Anyone;

impl client::Handler for Anyone {
    type Error = Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, Error> {
        Ok(true)
    }
}

impl server::Handler for Anyone {
    type Error = Error;

    async fn auth_publickey(
        &mut self,
        _: &str,
        _: VerifiedPublicKey<'_>,
    ) -> Result<server::Auth, Error> {
        Ok(server::Auth::Accept)
    }
}

/// A client that is connected to a server, and the runtime they live on.
pub(crate) struct Pair {
    runtime: Runtime,
    client: Arc<client::Handle<Anyone>>,
    _server: server::RunningSession<Anyone>,
}

/// A client and a server on loopback in this many worker threads.
pub(crate) fn pair(threads: usize) -> Pair {
    let runtime = crate::runtime("theirs", threads);
    let (client, server) = runtime.block_on(connect());
    Pair { runtime, client: Arc::new(client), _server: server }
}

/// No other keys within a run: a connection broke once, and that was about then.
fn limits() -> Limits {
    Limits { rekey_write_limit: usize::MAX, rekey_read_limit: usize::MAX, ..Limits::default() }
}

fn preferred() -> Preferred {
    Preferred { cipher: Cow::Borrowed(&[cipher::AES_128_GCM]), ..Preferred::default() }
}

fn key() -> PrivateKey {
    PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).expect("a key")
}

async fn connect() -> (client::Handle<Anyone>, server::RunningSession<Anyone>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("a bound socket");
    let serving = tokio::spawn(async move {
        let config = server::Config {
            keys: vec![key()],
            preferred: preferred(),
            limits: limits(),
            inactivity_timeout: None,
            nodelay: true,
            ..server::Config::default()
        };
        let (socket, _) = listener.accept().await.expect("a connection");
        // What its own listener does.
        socket.set_nodelay(true).expect("an open socket");
        server::run_stream(Arc::new(config), socket, Anyone).await.expect("a session")
    });
    let config = client::Config {
        preferred: preferred(),
        limits: limits(),
        nodelay: true,
        ..client::Config::default()
    };
    let socket = TcpStream::connect(addr).await.expect("a connection");
    socket.set_nodelay(true).expect("an open socket");
    let dialled = client::connect_stream(Arc::new(config), socket, Anyone).await;
    let mut client = dialled.expect("a session");
    let key = PrivateKeyWithHashAlg::new(Arc::new(key()), None);
    let result = client.authenticate_publickey("tellask", key).await.expect("an answer");
    assert!(result.success());
    (client, serving.await.expect("a server"))
}

/// Asks, which the server refuses.
async fn ask(client: &client::Handle<Anyone>, text: &[u8]) {
    let answer = client.send_global_request("", text, true).await;
    assert!(matches!(answer, Err(Error::RequestDenied)), "{answer:?}");
}

impl Pair {
    /// Says `n` messages of `size` bytes that want no reply, and returns how many the server has taken in a second.
    pub(crate) fn tells(&self, n: u64, size: usize) -> f64 {
        let client = Arc::clone(&self.client);
        self.runtime.block_on(async move {
            let start = Instant::now();
            let sending = tokio::spawn(async move {
                let text = vec![0x5a; size];
                for _ in 0..n {
                    let said = client.send_global_request("", &text, false).await;
                    said.expect("a connection");
                }
                // All was taken when this is answered.
                ask(&client, b"").await;
            });
            let sent = timeout(crate::PATIENCE, sending).await;
            sent.expect("messages arrive").expect("the sender ends");
            n as f64 / start.elapsed().as_secs_f64()
        })
    }

    /// Asks `n` times with `size` bytes, `parallel` at a time, and returns how many answers came in a second.
    pub(crate) fn asks(&self, n: u64, size: usize, parallel: u64) -> f64 {
        self.runtime.block_on(async {
            let start = Instant::now();
            let mut askers = JoinSet::new();
            for _ in 0..parallel {
                let client = Arc::clone(&self.client);
                askers.spawn(async move {
                    let text = vec![0x5a; size];
                    for _ in 0..n / parallel {
                        ask(&client, &text).await;
                    }
                });
            }
            timeout(crate::PATIENCE, askers.join_all()).await.expect("answers arrive");
            n as f64 / start.elapsed().as_secs_f64()
        })
    }
}
