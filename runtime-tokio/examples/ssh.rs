//! A node on SSH that is told by lines what to do, and says by lines what happens:
//! `cargo run -p tellask-tokio --features ssh --example ssh -- --listen 127.0.0.1:0`.
//!
//! | on its input | does |
//! |---|---|
//! | `tell ADDRESS BYTES` | tells |
//! | `ask ADDRESS BYTES` | asks, and says `answered BYTES` or `failed WHY` |
//! | `figure NAME` | says `figure NAME VALUE`, of the layer `ssh` |
//! | `quit` | closes |
//!
//! Addresses are `SHA256:…@ip:port`, as `ssh-keygen -l` prints fingerprints; bytes are in hexadecimal, `-` for none. It says
//! `key ssh-ed25519 BASE64` and `listens ADDRESS` at first, then `up ADDRESS`, `down ADDRESS WHY`, `told ADDRESS BYTES` and `asked
//! ADDRESS BYTES`, which it answers with the same bytes backwards; those that begin with `no` it refuses.
//!
//! Options: `--listen ADDRESS`, `--seed HEX` of its key, `--user NAME`, `--only PEER_ID`, `--rekey-bytes N`, `--no-extension`.

use core::time::Duration;
use std::io::Write as _;
use tellask::addr::TcpAddr;
use tellask::identity::SecretKey;
use tellask::seed::Seed;
use tellask::ssh::{Setup, Ssh, SshAddr};
use tellask::stack::Stack;
use tellask::swarm::{Accept, Refusal};
use tellask_tokio::{TcpBuilder, TcpNode};
use tokio::io::{AsyncBufReadExt as _, BufReader};

type Error = Box<dyn core::error::Error + Send + Sync>;
type Node = TcpNode<SshAddr<TcpAddr>>;

/// One line, at once.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody may be there any more.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn hex(bytes: &[u8]) -> String {
    if bytes.is_empty() { "-".into() } else { bytes.iter().map(|b| format!("{b:02x}")).collect() }
}

fn unhex(text: &str) -> Result<Vec<u8>, Error> {
    if text == "-" {
        return Ok(Vec::new());
    }
    let pairs = text.as_bytes().chunks(2);
    let byte = |pair| Ok(u8::from_str_radix(core::str::from_utf8(pair)?, 16)?);
    pairs.map(byte).collect()
}

struct Options {
    listen: Option<TcpAddr>,
    seed: [u8; 32],
    user: String,
    accept: Accept,
    rekey_bytes: Option<u64>,
    extension: bool,
}

fn options() -> Result<Options, Error> {
    let mut options = Options {
        listen: None,
        seed: [1; 32],
        user: "tellask".into(),
        accept: Accept::Anyone,
        rekey_bytes: None,
        extension: true,
    };
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        if name == "--no-extension" {
            options.extension = false;
            continue;
        }
        let value = args.next().ok_or_else(|| format!("{name} wants a value"))?;
        match name.as_str() {
            "--listen" => options.listen = Some(value.parse()?),
            "--seed" => {
                options.seed = unhex(&value)?.try_into().map_err(|_| "a seed has 32 bytes")?;
            }
            "--user" => options.user = value,
            "--only" => options.accept = [value.parse()?].into_iter().collect(),
            "--rekey-bytes" => options.rekey_bytes = Some(value.parse()?),
            _ => return Err(format!("{name} is no option: see the head of this file").into()),
        }
    }
    Ok(options)
}

/// A fresh seed of the system's.
fn fresh_seed() -> Result<Seed, Error> {
    Ok(<tellask_tokio::Tokio as tellask::driver::Runtime>::seed()?)
}

async fn start(options: Options) -> Result<Node, Error> {
    let Options { listen, seed, user, accept, rekey_bytes, extension } = options;
    let key = SecretKey::from_seed(&seed);
    let builder = match &listen {
        Some(addr) => TcpBuilder::new(addr),
        None => TcpBuilder::dial_only(),
    };
    let node = builder.layer(move |port, parts| {
        let mut setup =
            Setup { user: &user, accept, extension, ..Setup::new(key, &parts.seed, &parts.limits) };
        if let Some(bytes) = rekey_bytes {
            setup.rekey.bytes = bytes;
        }
        Box::new(Stack::new(port, Ssh::new(setup)))
    });
    Ok(node.seed(fresh_seed()?).spawn().await?)
}

async fn obey(node: &Node, line: &str) -> Result<bool, Error> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        ["tell", addr, bytes] => node.tell(&addr.parse()?, unhex(bytes)?).await?,
        ["ask", addr, bytes] => {
            let (node, addr, bytes) = (node.clone(), addr.parse()?, unhex(bytes)?);
            tokio::spawn(async move {
                match node.ask(&addr, bytes).within(Duration::from_secs(30)).await {
                    Ok(reply) => say(&format!("answered {}", hex(&reply))),
                    Err(error) => say(&format!("failed {error}")),
                }
            });
        }
        ["figure", name] => {
            say(&format!("figure {name} {}", node.stats().value(&format!("ssh.{name}"))));
        }
        ["quit"] => return Ok(false),
        _ => return Err(format!("`{line}` is no command: see the head of this file").into()),
    }
    Ok(true)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let options = options()?;
    say(&format!("key {}", SecretKey::from_seed(&options.seed).public().to_openssh()));
    let node = start(options).await?;
    let mut events = node.events();
    for addr in node.local_addrs() {
        say(&format!("listens {addr}"));
    }
    let notices = tokio::spawn(async move {
        while let Some(notice) = events.next().await {
            match notice {
                tellask_tokio::Notice::PeerUp { addr, .. } => say(&format!("up {addr}")),
                tellask_tokio::Notice::PeerDown { addr, reason } => {
                    say(&format!("down {addr} {reason}"));
                }
                tellask_tokio::Notice::Undelivered { dst, reason } => {
                    say(&format!("undelivered {dst} {reason}"));
                }
                tellask_tokio::Notice::Missed { .. } | _ => say("missed something"),
            }
        }
    });
    let receiver = node.clone();
    let messages = tokio::spawn(async move {
        while let Some(message) = receiver.receive().await {
            say(&format!("told {} {}", message.src, hex(&message.payload)));
        }
    });
    let server = node.clone();
    let requests = tokio::spawn(async move {
        let answer = async |ask: tellask::Message<SshAddr<TcpAddr>, tellask::Bytes>| {
            say(&format!("asked {} {}", ask.src, hex(&ask.payload)));
            if ask.payload.starts_with(b"no") {
                return Err(Refusal::new(1, ask.payload.to_vec()));
            }
            Ok(ask.payload.iter().rev().copied().collect::<Vec<u8>>())
        };
        server.serve(answer).await;
    });
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        match obey(&node, &line).await {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => say(&format!("failed {error}")),
        }
    }
    node.close(Duration::from_secs(5)).await?;
    for task in [notices, messages, requests] {
        task.abort();
    }
    Ok(())
}
