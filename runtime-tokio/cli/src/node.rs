//! A node while a command needs one: opening it, dialling, and closing it cleanly.
//!
//! All commands speak the same, from the socket upwards: p2pke, fragments (tells of up to 256 KiB),
//! asks, channels called by texts. Nodes that do not speak all of it understand nothing of each other.

use crate::address::{Channel, Peer, Place};
use crate::failure::Failure;
use crate::interrupt::interruptible;
use crate::output::Time;
use crate::stack::{self, Described, SpeakArgs};
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};
use tellask::identity::SecretKey;
use tellask::p2pke::P2pke;
use tellask::p2pke::channel::Timing;
use tellask::swarm::{Accept, IdentifyError, Undeliverable};
use tellask::{At, Map, PeerAddr, Stack, UdpAddr};
use tellask_tokio::{BindError, Parts};

/// Who and where, on UDP.
pub(crate) type Address = PeerAddr<UdpAddr>;
/// Who and where, and on which channel.
pub(crate) type Spot = At<Channel, Address>;
/// A node that speaks what all commands speak: see the module's documentation.
pub(crate) type Node = tellask_tokio::Node<Spot>;

/// The channel where none is named.
pub(crate) const MAIN: &str = "main";
/// The largest message of a tell, before the headers of what stands above the fragments.
const TELL_MAX: usize = 256 * 1024;

/// How much later than by itself a handshake is ended whose stack has a time of its own for it.
const OWN_TIMEOUT: Duration = Duration::from_millis(100);
/// How long a node may take to send what it accepted when it closes.
const CLOSING: Duration = Duration::from_secs(2);

/// Runs a command that needs nodes. What it leaves running ends with it.
pub(crate) fn block_on<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::failed(format_args!("cannot start: {error}")))?;
    let done = runtime.block_on(command);
    // A name that is being looked up cannot be called off, and is not waited for.
    runtime.shutdown_background();
    done
}

/// A node that is to be opened.
pub(crate) struct Plan<'a> {
    pub(crate) on: SocketAddr,
    pub(crate) key: &'a SecretKey,
    pub(crate) accept: Accept,
    /// The channels that it has open.
    pub(crate) channels: Vec<Channel>,
    /// How long a peer may take to prove its key, in place of the protocol's 15 s.
    pub(crate) handshake: Option<Duration>,
    /// The largest datagram that every path is known to carry, in place of the Internet's.
    pub(crate) mtu: Option<usize>,
    /// What it speaks in place of the usual; this has its own address and channels.
    pub(crate) stack: Option<Described>,
}

impl<'a> Plan<'a> {
    /// A node on this local address.
    pub(crate) fn new(on: SocketAddr, key: &'a SecretKey) -> Self {
        let channels = vec![MAIN.into()];
        Self { on, key, accept: Accept::Anyone, channels, handshake: None, mtu: None, stack: None }
    }

    /// A node on the loopback, which carries larger datagrams than the Internet does.
    pub(crate) fn loopback(key: &'a SecretKey) -> Self {
        let on = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self { mtu: Some(usize::from(u16::MAX)), ..Self::new(on, key) }
    }

    pub(crate) async fn open(self) -> Result<Node, Failure> {
        let Self { on, key, accept, channels, handshake, mtu, stack } = self;
        if let Some(stack) = stack {
            return open_described(&stack, key, accept).await;
        }
        let mut udp = tellask_tokio::udp(UdpAddr(on));
        if let Some(mtu) = mtu {
            udp = udp.mtu(mtu);
        }
        let mut timing = Timing::DEFAULT;
        timing.handshake_timeout = handshake.unwrap_or(timing.handshake_timeout);
        let key = key.clone();
        // As `secured` does, with a timing of our own.
        let secured = udp.layer(move |below, parts| {
            let Parts { limits, seed, clock, accept, .. } = parts;
            let secure = P2pke::new(key, seed, *clock, accept.clone(), limits);
            Box::new(Stack::new(below, secure.with_timing(timing)))
        });
        let stack = secured.accept(accept).fragmented(TELL_MAX).asking().channels(channels);
        stack.spawn().await.map_err(not_bound)
    }
}

/// A node of a stack from text, whose addresses are called as those of the usual one.
async fn open_described(
    stack: &Described,
    key: &SecretKey,
    accept: Accept,
) -> Result<Node, Failure> {
    let has_channels = stack.has_channels();
    let node = tellask_tokio::stack(stack.description(), Some(key.clone())).accept(accept);
    #[cfg(feature = "insecure-key-log")]
    let node = match crate::key_log::wanted()? {
        Some(log) => node.insecure_key_log(log),
        None => node,
    };
    let node = node.layer(move |below, parts| {
        let down = move |addr: &Spot| stack::any(addr, has_channels);
        Box::new(Stack::new(below, Map::new(stack::spot, down, &parts.limits)))
    });
    node.spawn().await.map_err(not_bound)
}

/// The first of the addresses that a place leads to.
pub(crate) async fn place(place: &Place) -> Result<SocketAddr, Failure> {
    let addrs = place.resolve().await?;
    addrs.first().copied().ok_or_else(|| Failure::bad_input("no address"))
}

/// By which address others on this machine reach the node, on its first channel.
pub(crate) fn first_addr(node: &Node) -> Result<Spot, Failure> {
    let addr = node.local_addrs().into_iter().next();
    addr.ok_or_else(|| Failure::failed("the node has no address"))
}

/// The user chose the address, unless it is the system that cannot.
fn not_bound(error: BindError) -> Failure {
    let chosen = matches!(
        error,
        BindError::InUse { .. }
            | BindError::NotLocal { .. }
            | BindError::Denied { .. }
            | BindError::Stack { .. }
    );
    if chosen { Failure::bad_input(error) } else { Failure::failed(error) }
}

/// Runs `work` until it is done or interrupted, and closes the node in either case.
pub(crate) async fn with<T>(
    node: &Node,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let done = interruptible(work).await;
    let closed = node.close(CLOSING).await;
    let done = done?;
    match closed {
        Ok(()) => Ok(done),
        Err(_) => Err(Failure::failed(format_args!(
            "not everything could be sent within {}",
            Time(CLOSING)
        ))),
    }
}

/// A node, and the address by which it reaches the peer that it is for.
pub(crate) struct Line {
    pub(crate) node: Node,
    pub(crate) peer: Spot,
    /// How long the peer may take to prove its key.
    timeout: Duration,
}

impl Line {
    /// Lines to a peer, before anything is sent: one for each family of addresses it has.
    /// The peer is given `timeout` to prove its key; `speak` says how to speak to it.
    pub(crate) async fn prepare(
        peer: &Peer,
        speak: &SpeakArgs,
        key: &SecretKey,
        timeout: Duration,
    ) -> Result<Vec<Self>, Failure> {
        if peer.id == key.id() {
            return Err(Failure::bad_input(
                "this is your own id: name another peer, or another key with --key",
            ));
        }
        let channel = speak.channel()?;
        let mut lines = Vec::new();
        let mut refused = None;
        for peer in interruptible(peer.resolve()).await? {
            let any: IpAddr = match peer.addr.0 {
                SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            };
            let on = speak.stack.as_ref().map_or(SocketAddr::new(any, 0), Described::on);
            if on.is_ipv4() != any.is_ipv4() {
                let why = format_args!("the stack's socket does not reach {}", peer.addr);
                refused = Some(Failure::bad_input(why));
                continue;
            }
            // A machine may have one family only: then the other line has to do.
            let plan = Plan {
                accept: Accept::from_iter([peer.id]),
                channels: vec![channel.clone()],
                handshake: Some(timeout),
                stack: speak.stack.clone(),
                ..Plan::new(on, key)
            };
            match plan.open().await {
                Ok(node) => lines.push(Self {
                    node,
                    peer: Spot { key: channel.clone(), addr: peer },
                    timeout,
                }),
                Err(error) => refused = Some(error),
            }
        }
        match refused {
            Some(error) if lines.is_empty() => Err(error),
            _ => Ok(lines),
        }
    }

    /// The first of these lines over which the peer proves its key, and how long that took.
    pub(crate) async fn connect(lines: Vec<Self>) -> Result<(Self, Duration), Failure> {
        let begun = Instant::now();
        let mut dialling = tokio::task::JoinSet::new();
        for line in lines {
            dialling.spawn(async move {
                let proving = tokio::time::timeout(
                    line.timeout.saturating_add(OWN_TIMEOUT),
                    line.node.identify(&line.peer),
                );
                let late = IdentifyError::Undeliverable(Undeliverable::TimedOut);
                let proven = proving.await.unwrap_or(Err(late));
                (line, proven)
            });
        }
        interruptible(async {
            let mut failure = Failure::failed("the peer has no address");
            while let Some(done) = dialling.join_next().await {
                match done.map_err(Failure::failed)? {
                    (line, Ok(_)) => return Ok((line, begun.elapsed())),
                    (line, Err(error)) => failure = unproven(&line.peer.addr, &error),
                }
            }
            Err(failure)
        })
        .await
    }
}

/// Why a peer did not prove its key.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other reasons speak for themselves")]
fn unproven(peer: &Address, error: &IdentifyError) -> Failure {
    let Address { id, addr } = peer;
    let IdentifyError::Undeliverable(why) = error else { return Failure::failed(error) };
    Failure::failed(match why {
        Undeliverable::TimedOut => {
            format!("no answer from {addr}: is the peer listening there, and does it let you in?")
        }
        Undeliverable::Unreachable => {
            format!("nobody is at {addr}: is the peer listening there?")
        }
        Undeliverable::WrongPeer => {
            format!("another peer answers at {addr}: it has not the key of {id}")
        }
        Undeliverable::Oneself => format!("{addr} is your own address: give the peer's"),
        _ => format!("cannot reach {addr}: {why}"),
    })
}

/// The addresses at which a node that listens on `local` can be dialled: itself, or where that is
/// every address of the machine, the loopback's and the one that leads out of it.
pub(crate) fn dialable(local: Address) -> Vec<Address> {
    let UdpAddr(socket) = local.addr;
    if !socket.ip().is_unspecified() {
        return vec![local];
    }
    let (loopback, far): (IpAddr, SocketAddr) = match socket {
        // Documentation addresses (RFC 5737, RFC 3849): nothing is sent there, the system is
        // only asked which of its own addresses it would send from.
        SocketAddr::V4(_) => (Ipv4Addr::LOCALHOST.into(), (Ipv4Addr::new(192, 0, 2, 1), 9).into()),
        SocketAddr::V6(_) => {
            (Ipv6Addr::LOCALHOST.into(), (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 9).into())
        }
    };
    let outward = UdpSocket::bind((socket.ip(), 0))
        .and_then(|probe| probe.connect(far).and_then(|()| probe.local_addr()))
        .map(|addr| addr.ip());
    let ips = outward.into_iter().filter(|ip| !ip.is_loopback()).chain([loopback]);
    ips.map(|ip| Address { id: local.id, addr: UdpAddr((ip, socket.port()).into()) }).collect()
}
