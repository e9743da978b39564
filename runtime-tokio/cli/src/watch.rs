//! A node's figures for whoever watches it: printed every now and then, or fetched over HTTP by Prometheus.
//!
//! The server is for this machine: it binds loopback addresses only. It knows `GET` and `HEAD` of `/metrics`
//! and answers one request a connection. Bounds: [`CONNECTIONS`] at a time, others wait in the kernel; a head
//! of [`HEAD`] bytes; [`PATIENCE`] for each connection. Whatever a client does, the node goes on.

use crate::args::patience;
use crate::failure::Failure;
use crate::interrupt::{Either, race};
use crate::json::Record;
use crate::node::Node;
use crate::output::Output;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tellask::stats::CONTENT_TYPE;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval_at, sleep, timeout};

/// Clients at a time.
const CONNECTIONS: usize = 16;

/// The longest request, in bytes: no body is read.
const HEAD: usize = 8 * 1024;

/// How long one client may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Before another try, where the system could not accept a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// How to show a node's figures.
#[derive(Debug, clap::Args)]
pub(crate) struct WatchArgs {
    /// Print the node's figures at the end, and every SECONDS until then
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, value_parser = patience)]
    stats: Option<Option<Duration>>,
    /// Serve the figures to Prometheus at http://ADDR/metrics, such as 127.0.0.1:9464; for this machine only
    #[arg(long, value_name = "ADDR")]
    metrics: Option<String>,
}

/// What shows a node's figures.
pub(crate) struct Watch {
    stats: Option<Option<Duration>>,
    server: Option<TcpListener>,
}

impl WatchArgs {
    /// Binds what has to be bound.
    pub(crate) async fn bind(self) -> Result<Watch, Failure> {
        let Self { stats, metrics } = self;
        let server = match metrics {
            Some(addr) => Some(listener(&addr).await?),
            None => None,
        };
        Ok(Watch { stats, server })
    }
}

async fn listener(text: &str) -> Result<TcpListener, Failure> {
    let addr: SocketAddr = text.parse().map_err(|_| {
        let why = "is no address: give one such as 127.0.0.1:9464";
        Failure::bad_input(format_args!("--metrics {text:?} {why}"))
    })?;
    if !addr.ip().to_canonical().is_loopback() {
        return Err(Failure::bad_input(format_args!(
            "--metrics {addr} could be read by others: give an address of this machine alone, such as 127.0.0.1:{}",
            addr.port()
        )));
    }
    let bound = TcpListener::bind(addr).await;
    bound.map_err(|error| Failure::bad_input(format_args!("--metrics {addr}: {error}")))
}

impl Watch {
    /// Shows the figures for as long as it is polled; fails where nobody reads the output any more.
    pub(crate) async fn run(&self, node: &Node, out: &Output) -> Result<Infallible, Failure> {
        let mut clients = JoinSet::new();
        let permits = Arc::new(Semaphore::new(CONNECTIONS));
        let serving = async {
            let Some(server) = &self.server else { return std::future::pending().await };
            let url = format!("http://{}/metrics", server.local_addr()?);
            let line = format_args!("figures at {url}");
            out.say(Record::new("metrics").text("url", &url), line)?;
            loop {
                // The permits are closed by nobody.
                let permit = Arc::clone(&permits).acquire_owned().await;
                let Ok((stream, _)) = server.accept().await else {
                    sleep(PAUSE).await;
                    continue;
                };
                let node = node.clone();
                clients.spawn(async move {
                    // What a client that is gone or too slow does not get is its own loss.
                    let _ = timeout(PATIENCE, serve(stream, &node)).await;
                    drop(permit);
                });
                while clients.try_join_next().is_some() {}
            }
        };
        let printing = async {
            let Some(Some(every)) = self.stats else { return std::future::pending().await };
            let mut ticks = interval_at(tokio::time::Instant::now() + every, every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                ticks.tick().await;
                print(node, out)?;
            }
        };
        match race(serving, printing).await {
            Either::First(done) | Either::Second(done) => done,
        }
    }

    /// The last word.
    pub(crate) fn end(&self, node: &Node, out: &Output) -> Result<(), Failure> {
        if self.stats.is_some() { print(node, out) } else { Ok(()) }
    }
}

fn print(node: &Node, out: &Output) -> Result<(), Failure> {
    let stats = node.stats();
    let record = Record::new("stats");
    let record = record.numbers("counters", &stats.counters).numbers("gauges", &stats.gauges);
    out.record(record)?;
    out.line(stats.to_string().trim_end())
}

/// Answers one request.
async fn serve(mut stream: TcpStream, node: &Node) -> std::io::Result<()> {
    let mut head = Vec::with_capacity(1_024);
    let answer = loop {
        if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            break answer(head.get(..end).unwrap_or_default(), node);
        }
        if head.len() >= HEAD {
            break plain("431 Request Header Fields Too Large", "the request is too large");
        }
        let room = (HEAD - head.len()) as u64;
        if (&mut stream).take(room).read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    };
    stream.write_all(&answer).await?;
    stream.shutdown().await?;
    // What the client still sends would have the kernel take back the answer.
    let mut rest = [0; 1_024];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

fn answer(head: &[u8], node: &Node) -> Vec<u8> {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = str::from_utf8(line).unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return plain("400 Bad Request", "this is no HTTP request");
    };
    if !version.starts_with("HTTP/1.") {
        return plain("400 Bad Request", "this is no request of HTTP 1");
    }
    if target.split('?').next() != Some("/metrics") {
        return plain("404 Not Found", "there is /metrics, and nothing else");
    }
    match method {
        "GET" | "HEAD" => {
            let local = node.local_addrs();
            let name = local.first().map(|spot| spot.addr.to_string()).unwrap_or_default();
            let figures = node.stats();
            let body = figures.prometheus(&[("node", &name)]).to_string();
            let mut answer = headers("200 OK", CONTENT_TYPE, body.len(), "");
            if method == "GET" {
                answer.extend_from_slice(body.as_bytes());
            }
            answer
        }
        _ => {
            let body = "figures can only be read\n";
            let mut answer =
                headers("405 Method Not Allowed", "text/plain", body.len(), "Allow: GET, HEAD\r\n");
            answer.extend_from_slice(body.as_bytes());
            answer
        }
    }
}

fn plain(status: &str, why: &str) -> Vec<u8> {
    let mut answer = headers(status, "text/plain", why.len() + 1, "");
    answer.extend_from_slice(why.as_bytes());
    answer.push(b'\n');
    answer
}

fn headers(status: &str, kind: &str, len: usize, more: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len}\r\n{more}\
         Connection: close\r\n\r\n"
    )
    .into_bytes()
}
