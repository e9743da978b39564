//! Makes and drops nodes and peers by the thousand, and looks whether memory and descriptors come back:
//! `cargo run --release -p tellask-tokio --example soak`.
//!
//! It takes `in-memory=100000 sockets=10000 peers=10000 group=1000`, or less of each. A group of nodes lives at the same
//! time; it is made smaller where the process may not have as many descriptors. Each phase is run once
//! before it is measured, with one group, so that what allocators and runtimes keep for good does not
//! count. Memory and descriptors are read from `/proc/self`: on other systems than Linux it runs, and
//! says nothing.

use core::error::Error;
use core::fmt;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use tellask::driver::{
    self, Left, ReceiveError, Run, Runtime, SendError, SocketCounters, UdpNode, segments,
};
use tellask::identity::SecretKey;
use tellask::time::UnixTime;
use tellask::{BytesMut, DatagramInput, Limits, PeerAddr, Seed, UdpAddr};
use tellask_tokio::Tokio;

/// How much more may be there afterwards: a twentieth, or less than a megabyte.
const TOLERANCE: u64 = 20;
const GRAIN: u64 = 1 << 20;

/// Descriptors that are not the nodes'.
const OTHERS: usize = 100;

/// How long the runtime gets to run what was dropped.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Amounts {
    /// Nodes in memory.
    pub(crate) in_memory: usize,
    /// Nodes on sockets.
    pub(crate) sockets: usize,
    /// Peers of one node.
    pub(crate) peers: usize,
    /// Nodes that live at the same time.
    pub(crate) group: usize,
}

impl Default for Amounts {
    fn default() -> Self {
        Self { in_memory: 100_000, sockets: 10_000, peers: 10_000, group: 1_000 }
    }
}

impl Amounts {
    /// Reads `in-memory=1000` and the like.
    ///
    /// # Errors
    /// What is not understood.
    pub(crate) fn parse(args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut amounts = Self::default();
        for arg in args {
            let (name, number) = arg.split_once('=').ok_or(format!("{arg} is no NAME=NUMBER"))?;
            let number = number.parse().map_err(|error| format!("{arg}: {error}"))?;
            match name {
                "in-memory" => amounts.in_memory = number,
                "sockets" => amounts.sockets = number,
                "peers" => amounts.peers = number,
                "group" => amounts.group = number,
                _ => return Err(format!("{name}: there are in-memory, sockets, peers and group")),
            }
        }
        amounts.group = amounts.group.clamp(1, descriptors_allowed().saturating_sub(OTHERS).max(1));
        Ok(amounts)
    }
}

/// What a phase took, and gave back.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// What was done.
    pub(crate) phase: &'static str,
    /// How often.
    pub(crate) count: usize,
    /// What the process held before, where that is known.
    pub(crate) before: Option<Held>,
    /// And afterwards.
    pub(crate) after: Option<Held>,
}

/// What the process holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// Bytes of memory.
    pub(crate) memory: u64,
    /// Descriptors.
    pub(crate) descriptors: u64,
}

impl Held {
    /// What it is now; only Linux says.
    #[must_use]
    pub(crate) fn now() -> Option<Self> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
        // The one that reads the directory is not counted.
        let descriptors = std::fs::read_dir("/proc/self/fd").ok()?.count() as u64 - 1;
        Some(Self { memory: kib * 1_024, descriptors })
    }
}

impl Row {
    /// Whether everything came back; nobody knows on systems that say nothing.
    #[must_use]
    pub(crate) fn is_good(&self) -> Option<bool> {
        let (before, after) = (self.before?, self.after?);
        let more = (before.memory / TOLERANCE).max(GRAIN);
        Some(after.memory <= before.memory + more && after.descriptors == before.descriptors)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kib =
            |held: Option<Held>| held.map_or("?".into(), |held| (held.memory / 1_024).to_string());
        let files =
            |held: Option<Held>| held.map_or("?".into(), |held| held.descriptors.to_string());
        let verdict = self.is_good().map_or("unknown", |good| if good { "good" } else { "LEAKS" });
        let Self { phase, count, before, after } = self;
        let (kib, files) = ([kib(*before), kib(*after)], [files(*before), files(*after)]);
        write!(
            f,
            "{phase:<28} {count:>8} {:>10} {:>10} {:>6} {:>6}  {verdict}",
            kib[0], kib[1], files[0], files[1]
        )
    }
}

fn main() -> ExitCode {
    let amounts = match Amounts::parse(std::env::args().skip(1)) {
        Ok(amounts) => amounts,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    println!("{amounts:?}, {} descriptors allowed", descriptors_allowed());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let rows = runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(soak(amounts)));
    let rows = match rows {
        Ok(rows) => rows,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    println!("phase                           count  KiB before      after  files  after  verdict");
    rows.iter().for_each(|row| println!("{row}"));
    let leaks = rows.iter().any(|row| row.is_good() == Some(false));
    if leaks { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Runs all phases.
///
/// # Errors
/// Something that ought to work did not.
pub(crate) async fn soak(amounts: Amounts) -> Result<Vec<Row>, Box<dyn Error>> {
    let Amounts { in_memory, sockets, peers, group } = amounts;
    Ok(vec![
        measure("nodes in memory", in_memory, group, async |count| nodes::<InMemory>(count).await)
            .await?,
        measure("nodes on sockets", sockets, group, async |count| nodes::<Tokio>(count).await)
            .await?,
        visits(peers, group).await?,
    ])
}

/// What `phase` holds when it was done `count` times, beside what it held after the first group.
async fn measure(
    phase: &'static str,
    count: usize,
    group: usize,
    mut run: impl AsyncFnMut(usize) -> Result<(), Box<dyn Error>>,
) -> Result<Row, Box<dyn Error>> {
    run(group.min(count)).await?;
    let before = Held::now();
    let mut left = count;
    while left > 0 {
        let some = left.min(group);
        run(some).await?;
        left -= some;
    }
    Ok(Row { phase, count, before, after: Held::now() })
}

type Node<R> = UdpNode<PeerAddr<UdpAddr>, R>;

async fn node<R: Runtime>(number: usize) -> Result<Node<R>, Box<dyn Error>> {
    Ok(builder::<R>(number)?.spawn().await?)
}

type Builder<R> = driver::Builder<PeerAddr<UdpAddr>, R>;

fn builder<R: Runtime>(number: usize) -> Result<Builder<R>, Box<dyn Error>> {
    let mut key = [7; 32];
    key[..8].copy_from_slice(&number.to_be_bytes());
    let builder = driver::Builder::<_, R>::udp("127.0.0.1:0".parse()?);
    Ok(builder.secured(SecretKey::from_seed(&key)).asking())
}

/// Makes nodes, has every hundredth talk to the one before, and drops them: half of them are closed first.
async fn nodes<R: Runtime>(count: usize) -> Result<(), Box<dyn Error>> {
    let mut nodes = Vec::new();
    for number in 0..count {
        let node = node::<R>(number).await?;
        if number % 100 == 1
            && let Some(other) = nodes.last()
        {
            talk::<R>(&node, other).await?;
        }
        nodes.push(node);
    }
    for (number, node) in nodes.into_iter().enumerate() {
        if number % 2 == 0 {
            node.close(PATIENCE).await?;
        }
    }
    gone().await
}

/// One node that is visited by one peer after the other.
async fn visits(count: usize, group: usize) -> Result<Row, Box<dyn Error>> {
    // What a node remembers of peers that are gone has a limit, which the first group reaches.
    let mut limits = Limits::default();
    (limits.ask_peers, limits.timestamp_floors) = (group, group);
    let host = builder::<Tokio>(usize::MAX)?.limits(limits).spawn().await?;
    let host = &host;
    let row = measure("peers come and go", count, group, async |count| {
        for number in 0..count {
            let guest = node::<Tokio>(number).await?;
            talk::<Tokio>(&guest, host).await?;
            host.disconnect(&guest.local_addrs()[0]);
            guest.close(PATIENCE).await?;
        }
        gone_but(1).await
    });
    row.await
}

async fn talk<R: Runtime>(guest: &Node<R>, host: &Node<R>) -> Result<(), Box<dyn Error>> {
    let to = host.local_addrs()[0];
    let answer = async {
        host.next_ask().await.ok_or("the host was closed")?.answer("well");
        Ok::<(), Box<dyn Error>>(())
    };
    // Whichever fails first ends both.
    let reply = async { guest.ask(&to, "how are you?").await.map(drop).map_err(Into::into) };
    tokio::try_join!(reply, answer)?;
    Ok(())
}

/// Waits until the drivers of all nodes that were dropped have ended.
async fn gone() -> Result<(), Box<dyn Error>> {
    gone_but(0).await
}

async fn gone_but(kept: usize) -> Result<(), Box<dyn Error>> {
    let metrics = tokio::runtime::Handle::current().metrics();
    let ended = async {
        while metrics.num_alive_tasks() > kept {
            tokio::task::yield_now().await;
        }
    };
    Ok(tokio::time::timeout(PATIENCE, ended).await?)
}

#[cfg(unix)]
fn descriptors_allowed() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // As many as there may be; where that is refused it stays at what it was.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let current = getrlimit(Resource::Nofile).current;
    current.map_or(usize::MAX, |current| usize::try_from(current).unwrap_or(usize::MAX))
}

#[cfg(not(unix))]
fn descriptors_allowed() -> usize {
    usize::MAX
}

/// tokio, but for sockets: those are queues of this process.
#[derive(Clone, Copy, Debug)]
pub(crate) enum InMemory {}

#[derive(Debug, Default)]
struct Port {
    arrived: VecDeque<(UdpAddr, BytesMut)>,
    reader: Option<Waker>,
}

static PORTS: Mutex<BTreeMap<UdpAddr, Arc<Mutex<Port>>>> = Mutex::new(BTreeMap::new());

fn locked<T>(lock: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Runtime for InMemory {
    type Clock = tellask_tokio::Clock;
    type Socket = Queue;
    type Timer = tellask_tokio::Timer;

    fn clock() -> tellask_tokio::Clock {
        Tokio::clock()
    }

    fn date() -> UnixTime {
        Tokio::date()
    }

    fn seed() -> io::Result<Seed> {
        Tokio::seed()
    }

    fn bind(addr: UdpAddr) -> io::Result<Queue> {
        let mut ports = locked(&PORTS);
        let free = (1..=u16::MAX).map(|port| UdpAddr((addr.0.ip(), port).into()));
        let local = match ports.last_key_value() {
            Some((last, _)) if last.0.port() < u16::MAX => {
                UdpAddr((addr.0.ip(), last.0.port() + 1).into())
            }
            _ => free
                .into_iter()
                .find(|addr| !ports.contains_key(addr))
                .ok_or(io::ErrorKind::AddrInUse)?,
        };
        let port = Arc::<Mutex<Port>>::default();
        ports.insert(local, Arc::clone(&port));
        Ok(Queue { local, port })
    }

    fn is_here() -> bool {
        Tokio::is_here()
    }

    fn spawn(driver: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        tokio::spawn(driver);
        Ok(())
    }
}

/// A socket in memory.
#[derive(Debug)]
pub(crate) struct Queue {
    local: UdpAddr,
    port: Arc<Mutex<Port>>,
}

impl driver::Socket for Queue {
    fn local(&self) -> UdpAddr {
        self.local
    }

    fn max_segments(&self) -> usize {
        64
    }

    fn describe(&self, _: &mut SocketCounters) {}

    fn poll_send(&mut self, run: &Run<'_>, _: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let Some(port) = locked(&PORTS).get(&UdpAddr(run.dst)).cloned() else {
            return Poll::Ready(Err(SendError::Unreachable));
        };
        let reader = {
            let mut port = locked(&port);
            let all = segments(BytesMut::from(run.contents), run.segment.unwrap_or(0));
            port.arrived.extend(all.map(|payload| (self.local, payload)));
            port.reader.take()
        };
        reader.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(()))
    }

    fn poll_receive(
        &mut self,
        arrived: &mut VecDeque<DatagramInput<UdpAddr>>,
        counters: &mut SocketCounters,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Left, ReceiveError>> {
        let (mut port, dst) = (locked(&self.port), self.local);
        port.reader = Some(cx.waker().clone());
        if port.arrived.is_empty() {
            return Poll::Pending;
        }
        counters.received += port.arrived.len() as u64;
        let all = port.arrived.drain(..);
        arrived.extend(all.map(|(src, payload)| DatagramInput::Datagram { src, dst, payload }));
        Poll::Ready(Ok(Left::Nothing))
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        locked(&PORTS).remove(&self.local);
    }
}
