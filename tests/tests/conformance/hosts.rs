//! The runtimes that nodes on sockets run on.

use super::udp::UdpStack;
use core::future::poll_fn;
use core::net::{Ipv4Addr, SocketAddr};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;
#[cfg(feature = "ssh")]
use tellask::addr::TcpAddr;
use tellask::driver::{self, Handle};
#[cfg(feature = "ssh")]
use tellask::driver::{Builder, Runtime, Tcp, TcpBuilder, TcpStack};
use tellask::identity::SecretKey;
#[cfg(feature = "ssh")]
use tellask::ssh::SshAddr;
use tellask::text::Description;
use tellask::{Addr, AnyAddr, Limits, Seed, UdpAddr};

/// Any free port of the loopback interface.
const LOOPBACK: UdpAddr = UdpAddr(SocketAddr::new(core::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0));

#[cfg(feature = "ssh")]
pub(crate) type SshStack = TcpStack<SshAddr<TcpAddr>>;

#[cfg(feature = "ssh")]
pub(crate) type SshNode<C> = Handle<SshStack, C>;

#[cfg(feature = "ssh")]
fn on_ssh<R: Runtime>(
    key: SecretKey,
    seed: Seed,
    limits: Limits,
) -> Builder<SshAddr<TcpAddr>, R, Tcp> {
    TcpBuilder::new(&TcpAddr::from(LOOPBACK.0)).ssh(key).seed(seed).limits(limits)
}

/// A runtime in this thread: it runs while [`Host::run`] does.
pub(crate) trait Host: 'static {
    type Clock: driver::Clock + Send + Sync + Unpin + 'static;

    fn start() -> Self;

    /// A node of this stack, which brings its own port.
    fn bind<A>(&self, stack: UdpStack<A>) -> Handle<UdpStack<A>, Self::Clock>
    where
        A: Addr + Send + Sync + 'static;

    /// A node of a stack from text.
    fn open(
        &self,
        description: &Description,
        key: SecretKey,
        seed: Seed,
        limits: Limits,
    ) -> Handle<UdpStack<AnyAddr>, Self::Clock>;

    /// A node on SSH.
    #[cfg(feature = "ssh")]
    fn ssh(&self, key: SecretKey, seed: Seed, limits: Limits) -> SshNode<Self::Clock>;

    /// Runs everything until this is done, and returns true, or for so long.
    fn run(&self, what: impl Future<Output = ()>, at_most: Duration) -> bool;
}

/// tokio: one thread, or this one for the application and as many for the nodes.
pub(crate) struct Tokio<const NODES: usize = 0>(tokio::runtime::Runtime);

impl<const NODES: usize> Host for Tokio<NODES> {
    type Clock = tellask_tokio::Clock;

    fn start() -> Self {
        let mut runtime = match NODES {
            0 => tokio::runtime::Builder::new_current_thread(),
            _ => tokio::runtime::Builder::new_multi_thread(),
        };
        let runtime = runtime.worker_threads(NODES.max(1)).enable_all().build();
        Self(runtime.expect("a runtime"))
    }

    fn bind<A>(&self, stack: UdpStack<A>) -> Handle<UdpStack<A>, Self::Clock>
    where
        A: Addr + Send + Sync + 'static,
    {
        let node = tellask_tokio::udp(LOOPBACK).layer(move |_, _| stack);
        self.0.block_on(node.spawn()).expect("a free port")
    }

    fn open(
        &self,
        description: &Description,
        key: SecretKey,
        seed: Seed,
        limits: Limits,
    ) -> Handle<UdpStack<AnyAddr>, Self::Clock> {
        let node = tellask_tokio::stack(description, Some(key)).seed(seed).limits(limits);
        self.0.block_on(node.spawn()).expect("a free port")
    }

    #[cfg(feature = "ssh")]
    fn ssh(&self, key: SecretKey, seed: Seed, limits: Limits) -> SshNode<Self::Clock> {
        self.0
            .block_on(on_ssh::<tellask_tokio::Tokio>(key, seed, limits).spawn())
            .expect("a free port")
    }

    fn run(&self, what: impl Future<Output = ()>, at_most: Duration) -> bool {
        self.0.block_on(async { tokio::time::timeout(at_most, what).await.is_ok() })
    }
}

/// The parts of smol.
pub(crate) struct Smol(async_executor::Executor<'static>);

impl Host for Smol {
    type Clock = tellask_smol::Clock;

    fn start() -> Self {
        Self(async_executor::Executor::new())
    }

    fn bind<A>(&self, stack: UdpStack<A>) -> Handle<UdpStack<A>, Self::Clock>
    where
        A: Addr + Send + Sync + 'static,
    {
        let node = tellask_smol::udp(LOOPBACK).layer(move |_, _| stack);
        let (node, driver) = node.bind().expect("a free port");
        self.0.spawn(driver).detach();
        node
    }

    fn open(
        &self,
        description: &Description,
        key: SecretKey,
        seed: Seed,
        limits: Limits,
    ) -> Handle<UdpStack<AnyAddr>, Self::Clock> {
        let node = tellask_smol::stack(description, Some(key)).seed(seed).limits(limits);
        let (node, driver) = node.bind().expect("a free port");
        self.0.spawn(driver).detach();
        node
    }

    #[cfg(feature = "ssh")]
    fn ssh(&self, key: SecretKey, seed: Seed, limits: Limits) -> SshNode<Self::Clock> {
        let (node, driver) =
            on_ssh::<tellask_smol::Smol>(key, seed, limits).bind().expect("a free port");
        self.0.spawn(driver).detach();
        node
    }

    fn run(&self, what: impl Future<Output = ()>, at_most: Duration) -> bool {
        async_io::block_on(self.0.run(in_time(what, at_most)))
    }
}

async fn in_time(what: impl Future<Output = ()>, at_most: Duration) -> bool {
    let (mut what, mut timer) = (pin!(what), async_io::Timer::after(at_most));
    let either = poll_fn(move |cx| {
        if what.as_mut().poll(cx).is_ready() {
            return Poll::Ready(true);
        }
        pin!(&mut timer).poll(cx).map(|_| false)
    });
    either.await
}

/// The same nodes on async-std, whose threads belong to the process. It is no longer maintained, and
/// stands here for executors that nobody thought of.
pub(crate) struct AsyncStd;

impl Host for AsyncStd {
    type Clock = tellask_smol::Clock;

    fn start() -> Self {
        Self
    }

    fn bind<A>(&self, stack: UdpStack<A>) -> Handle<UdpStack<A>, Self::Clock>
    where
        A: Addr + Send + Sync + 'static,
    {
        let node = tellask_smol::udp(LOOPBACK).layer(move |_, _| stack);
        let (node, driver) = node.bind().expect("a free port");
        async_std::task::spawn(driver);
        node
    }

    fn open(
        &self,
        description: &Description,
        key: SecretKey,
        seed: Seed,
        limits: Limits,
    ) -> Handle<UdpStack<AnyAddr>, Self::Clock> {
        let node = tellask_smol::stack(description, Some(key)).seed(seed).limits(limits);
        let (node, driver) = node.bind().expect("a free port");
        async_std::task::spawn(driver);
        node
    }

    #[cfg(feature = "ssh")]
    fn ssh(&self, key: SecretKey, seed: Seed, limits: Limits) -> SshNode<Self::Clock> {
        let (node, driver) =
            on_ssh::<tellask_smol::Smol>(key, seed, limits).bind().expect("a free port");
        async_std::task::spawn(driver);
        node
    }

    fn run(&self, what: impl Future<Output = ()>, at_most: Duration) -> bool {
        async_std::task::block_on(in_time(what, at_most))
    }
}
