//! How often the driver of a node is polled that has nothing to do: not at all.
//!
//! In memory, and on the sockets of tokio and of smol with a clock that goes only where it is set: so an hour
//! takes no time, and what is counted hangs on nobody's speed.

use super::executor::{Executor, TaskId};
use super::runtime::{self, InMemory, Path, World};
use core::future::Future;
use core::marker::PhantomData;
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::task::{Context, Poll};
use core::time::Duration;
use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use tellask::driver::{Bound, Builder, Driver, Runtime, UdpNode};
use tellask::identity::SecretKey;
use tellask::time::UnixTime;
use tellask::{Addr, PeerAddr, Seed, UdpAddr};
use tellask_smol::Smol;
use tellask_tokio::Tokio;

const SECOND: u64 = 1_000_000_000;
const HOUR: u64 = 3_600 * SECOND;
/// Acknowledgements and the like are over after this.
const AFTERMATH: u64 = 20 * SECOND;

/// The sockets of a runtime, with the clock and the timers of the one in memory.
enum Standing<R> {
    _Never(PhantomData<R>, core::convert::Infallible),
}

impl<R: Runtime> Runtime for Standing<R> {
    type Clock = runtime::Clock;
    type Socket = R::Socket;
    type Timer = runtime::Timer;

    fn clock() -> runtime::Clock {
        InMemory::clock()
    }

    fn date() -> UnixTime {
        InMemory::date()
    }

    fn seed() -> io::Result<Seed> {
        InMemory::seed()
    }

    fn bind(addr: UdpAddr) -> io::Result<R::Socket> {
        R::bind(addr)
    }

    fn is_here() -> bool {
        R::is_here() && InMemory::is_here()
    }

    fn spawn(_: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

fn world() -> Arc<World> {
    let path = Path { delay: Duration::from_millis(1), loss: 0, room: 1_000 };
    World::begin(Seed::from_u64(1).rng("idle"), path)
}

fn raw<R: Runtime>() -> Bound<UdpAddr, R> {
    Builder::udp("127.0.0.1:0".parse().expect("an address")).asking().bind().expect("a free port")
}

fn secured<R: Runtime>(number: u8) -> Bound<PeerAddr<UdpAddr>, R> {
    let builder = Builder::udp("127.0.0.1:0".parse().expect("an address"));
    builder.secured(SecretKey::from_seed(&[number; 32])).asking().bind().expect("a free port")
}

fn polls(executor: &Executor, id: TaskId) -> u64 {
    executor.polls_of(|task| *task == id)
}

#[test]
fn an_idle_node_in_memory_is_polled_once_whatever_time_goes_by() {
    let world = world();
    let mut executor = Executor::new(Seed::from_u64(2).rng("idle"));
    let (raw, driver) = raw::<InMemory>();
    let raws = executor.spawn(driver);
    let (secure, driver) = secured::<InMemory>(1);
    let secures = executor.spawn(driver);
    executor.run(&world, world.now() + HOUR, || {});
    assert_eq!((polls(&executor, raws), polls(&executor, secures)), (1, 1));
    drop((raw, secure));
}

#[test]
fn between_the_timers_of_its_peers_a_node_in_memory_is_not_polled() {
    let world = world();
    let mut executor = Executor::new(Seed::from_u64(3).rng("idle"));
    let (alice, driver) = secured::<InMemory>(1);
    let alices = executor.spawn(driver);
    let (bob, driver) = secured::<InMemory>(2);
    let bobs = executor.spawn(driver);
    let asker = alice.clone();
    let to = bob.local_addrs()[0];
    executor.spawn(async move {
        assert_eq!(asker.ask(&to, "who are you?").await.expect("a reply"), "bob");
    });
    let answerer = bob.clone();
    executor.spawn(async move {
        answerer.next_ask().await.expect("a request").answer("bob");
    });
    executor.run(&world, world.now() + AFTERMATH, || {});
    assert_eq!(executor.tasks(), [alices, bobs], "the ask is over");

    let both = |executor: &Executor| executor.polls_of(|task| [alices, bobs].contains(task));
    let (end, before, mut timers) = (world.now() + HOUR, both(&executor), 0);
    while let Some(next) = world.next().filter(|next| *next <= end) {
        let polled = both(&executor);
        executor.run(&world, next - 1, || {});
        assert_eq!(both(&executor), polled, "no timer was due");
        executor.run(&world, next, || {});
        timers += 1;
    }
    let polled = both(&executor) - before;
    println!("two nodes that were peers, in an hour: {timers} timers, {polled} polls");
    assert!(polled <= 2 * timers, "{polled} polls for {timers} timers");
    assert!(
        timers <= 20,
        "an idle session costs a few timers until it ends, but these were {timers}"
    );
    drop((alice, bob));
}

type Watched<A, R> = (UdpNode<A, Standing<R>>, Counted<A, Standing<R>>, Arc<AtomicU64>);

/// A driver whose polls are counted.
struct Counted<A: Addr, R: Runtime>(Pin<Box<Driver<A, R>>>, Arc<AtomicU64>);

impl<A: Addr, R: Runtime> Future for Counted<A, R> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.1.fetch_add(1, Relaxed);
        self.0.as_mut().poll(cx)
    }
}

/// A node and what counts the polls of its driver.
fn counted<A: Addr + Send + Sync + 'static, R: Runtime>(
    (node, driver): Bound<A, Standing<R>>,
) -> Watched<A, R> {
    let polls = Arc::new(AtomicU64::new(0));
    (node, Counted(Box::pin(driver), Arc::clone(&polls)), polls)
}

/// Idle nodes are not polled, alone and with a peer, on the sockets of `R`.
/// `run` has it run a driver, `turn` has its reactor report whatever it has to report.
async fn idle<R: Runtime>(
    world: &World,
    run: impl Fn(Pin<Box<dyn Future<Output = ()> + Send>>),
    turn: impl AsyncFn(),
) {
    let (plain, driver, plains) = counted::<_, R>(raw());
    run(Box::pin(driver));
    let (alice, driver, alices) = counted::<_, R>(secured(1));
    run(Box::pin(driver));
    let (bob, driver, bobs) = counted::<_, R>(secured(2));
    run(Box::pin(driver));
    let all = || [&plains, &alices, &bobs].map(|polls| polls.load(Relaxed));

    turn().await;
    let before = all();
    assert!(before.iter().all(|polls| *polls > 0), "they run");
    assert_eq!(world.next(), None, "no timer is set");
    world.set(world.now() + HOUR);
    turn().await;
    assert_eq!(all(), before, "alone");

    let to = bob.local_addrs()[0];
    let ask = async { alice.ask(&to, "who are you?").await.expect("a reply") };
    let answer = async { bob.next_ask().await.expect("a request").answer("bob") };
    let mut exchange = pin!(futures_lite::future::zip(ask, answer));
    let mut over = false;
    let end = world.now() + AFTERMATH;
    loop {
        turn().await;
        if !over {
            over = futures_lite::future::poll_once(exchange.as_mut()).await.is_some();
        }
        if over && !world.advance(end) {
            break;
        }
    }
    let before = all();
    let next = world.next().expect("a session has timers");
    assert!(next > end, "nothing is due for a while");
    world.set(next - 1);
    turn().await;
    assert_eq!(all(), before, "between the timers of a peer");
    assert!(world.advance(next));
    turn().await;
    assert_ne!(all(), before, "a timer was due");
    drop(plain);
}

/// Datagrams that a turn of the reactor takes: enough that whatever came before them was reported.
const TURNS: usize = 8;

/// Two sockets for two tasks of one thread: what one sends, the other hears of by the reactor only.
fn sockets() -> [UdpSocket; 2] {
    let sockets = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").expect("a free port"));
    let addrs = sockets.each_ref().map(|socket| socket.local_addr().expect("it has one"));
    for (socket, peer) in sockets.iter().zip(addrs.iter().rev()) {
        socket.connect(peer).expect("it can");
        socket.set_nonblocking(true).expect("it can");
    }
    sockets
}

#[test]
fn an_idle_node_on_tokio_is_not_polled_while_no_timer_is_due() {
    let world = world();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let sockets = sockets().map(tokio::net::UdpSocket::from_std);
        let [socket, echo] = sockets.map(|socket| socket.expect("a socket"));
        tokio::spawn(async move {
            loop {
                echo.recv(&mut [0; 4]).await.expect("received");
                echo.send(b"turn").await.expect("sent");
            }
        });
        let turn = async || {
            for _ in 0..TURNS {
                socket.send(b"turn").await.expect("sent");
                socket.recv(&mut [0; 4]).await.expect("received");
            }
        };
        let run = |driver| drop(tokio::spawn(driver));
        idle::<Tokio>(&world, run, turn).await;
    });
}

#[test]
fn an_idle_node_on_smol_is_not_polled_while_no_timer_is_due() {
    let world = world();
    let executor = async_executor::Executor::new();
    let application = async {
        let sockets = sockets().map(async_io::Async::new);
        let [socket, echo] = sockets.map(|socket| socket.expect("a socket"));
        let echo = executor.spawn(async move {
            loop {
                echo.recv(&mut [0; 4]).await.expect("received");
                echo.send(b"turn").await.expect("sent");
            }
        });
        let turn = async || {
            for _ in 0..TURNS {
                socket.send(b"turn").await.expect("sent");
                socket.recv(&mut [0; 4]).await.expect("received");
            }
        };
        idle::<Smol>(&world, |driver| executor.spawn(driver).detach(), turn).await;
        drop(echo);
    };
    async_io::block_on(executor.run(application));
}
