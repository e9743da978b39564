//! From an address to a node and its driver, on any runtime.

use super::bind::BindError;
use super::datagrams::Udp;
use super::handle::Handle;
use super::port::{Bind, Port, PortStack};
use super::runtime::Runtime;
use super::shared::Shared;
use super::task::Driver;
use crate::addr::{Addr, At, PeerAddr, Source, UdpAddr};
use crate::ask::Asking;
use crate::diagnostics::Diagnostics;
use crate::fragment::Fragmenter;
use crate::identity::SecretKey;
use crate::join::Join;
use crate::layer::Layer;
use crate::limits::Limits;
use crate::mux::{Mux, Name};
use crate::p2pke::P2pke;
use crate::port::DatagramPort;
use crate::seed::Seed;
use crate::stack::Stack;
use crate::swarm::Accept;
use crate::text::{self, AnyAddr, Bottom, BuildError, Description, LayerSpec};
use crate::time::{Anchor, Epoch, Instant};
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::format;
use core::fmt;
use core::marker::PhantomData;
use core::net::SocketAddr;
use std::sync::Arc;

/// A stack over a UDP socket, chosen at run time.
pub type UdpStack<A> = PortStack<A, Udp>;

/// A node on a runtime: a handle on its stack, cheap to clone.
pub type PortNode<A, R, P> = Handle<PortStack<A, P>, <R as Runtime>::Clock>;

/// A node on UDP.
pub type UdpNode<A, R> = PortNode<A, R, Udp>;

/// A node, and what is to be run for it.
pub type Bound<A, R, P = Udp> = (PortNode<A, R, P>, Driver<A, R, P>);

/// Stands for the address of a stack that has no socket.
pub(super) const MEMORY: UdpAddr =
    UdpAddr(SocketAddr::new(core::net::IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED), 0));

/// A node to be: its sockets, its layers, and its settings in any order.
#[must_use = "a builder does nothing until `spawn` or `bind` is called"]
pub struct Builder<A, R, P: Port = Udp> {
    pub(super) port: P,
    pub(super) limits: Limits,
    pub(super) seed: Option<Seed>,
    accept: Accept,
    diagnostics: Diagnostics,
    layers: u32,
    stack: Recipe<A, P>,
    runtime: PhantomData<fn() -> R>,
}

type Recipe<A, P> = Box<dyn FnOnce(&Parts) -> Result<PortStack<A, P>, BuildError> + Send>;

/// A stack that no socket was bound for yet.
pub(super) struct Built<A, P: Port> {
    pub(super) stack: PortStack<A, P>,
    pub(super) limits: Limits,
    pub(super) port: P,
}

/// What a layer is made of when its node starts.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Parts {
    /// The node's bounds.
    pub limits: Limits,
    /// The layer's own seed.
    pub seed: Seed,
    /// Ties the node's clock to the calendar.
    pub clock: Anchor,
    /// Whom secure layers talk to.
    pub accept: Accept,
    /// What layers count from that know no time but the standard library's; `None` where the runtime has none.
    pub epoch: Option<Epoch>,
    /// What is to be written of the node's connections.
    pub diagnostics: Diagnostics,
}

impl<R: Runtime> Builder<UdpAddr, R> {
    /// Begins a node on a UDP socket that is bound to `addr`.
    ///
    /// Port 0 takes any free port. `0.0.0.0` takes every IPv4 address of this machine, `[::]` every one of
    /// both families: an IPv4 peer is then called by its IPv4 address, never by an IPv4-mapped one. On
    /// such a socket a reply leaves from the address that its peer wrote to.
    ///
    /// Without a layer on it, the node sends and receives in the clear, and whom a message is from is no
    /// more than what the network says.
    pub fn udp(addr: UdpAddr) -> Self {
        let port = |parts: &Parts| Ok(Box::new(DatagramPort::new(&parts.limits)) as UdpStack<_>);
        Self::on(Udp::new(addr), 0, port)
    }
}

impl<R: Runtime> Builder<AnyAddr, R> {
    /// Begins a node of a stack that was read from text, such as
    /// `udp://127.0.0.1:0 | p2pke | fragment(256KiB)`. `key` is the node's, for a stack that
    /// [is secured](Description::is_secured).
    ///
    /// Where the bottom is not `udp`, or the key is missing, the node does not start.
    pub fn stack(description: &Description, key: Option<SecretKey>) -> Self {
        let (addr, described) = match description.bottom() {
            Bottom::Udp(addr) => (*addr, Ok(description.clone())),
            // Never bound: there is no stack to bind it for.
            Bottom::Tcp(_) | Bottom::Memory(_) => (MEMORY, Err(BuildError::WrongBottom)),
        };
        let key = key.map(SecretKey::in_earnest);
        let recipe = move |parts: &Parts| {
            let Parts { limits, seed, clock, accept, epoch, diagnostics } = parts.clone();
            let parts = text::Parts { limits, seed, key, clock, accept, epoch, diagnostics };
            described?.build(text::udp_port(&parts.limits), &parts)
        };
        let layers = description.layers().len() as u32;
        let probes = description.layers().first() == Some(&LayerSpec::Quic);
        let mut port = Udp::new(addr);
        if probes {
            port.probes();
        }
        Self::on(port, layers, recipe)
    }
}

impl<A, R, P: Port> Builder<A, R, P> {
    /// With this many layers so far.
    pub(super) fn on<F>(port: P, layers: u32, stack: F) -> Self
    where
        F: FnOnce(&Parts) -> Result<PortStack<A, P>, BuildError> + Send + 'static,
    {
        Self {
            port,
            limits: Limits::default(),
            seed: None,
            accept: Accept::default(),
            diagnostics: Diagnostics::default(),
            layers,
            stack: Box::new(stack),
            runtime: PhantomData,
        }
    }
}

impl<A: Addr + Send + Sync + 'static, R: Runtime> Builder<A, R> {
    /// The largest datagram that works towards everybody, in bytes: 1,232 by default, which holds
    /// on every path that IPv6 may take; 65,507 at the most. Right under QUIC it is 1,452 by default, up to which
    /// that finds out by itself what a path takes. Larger ones are for networks that are
    /// known to carry them, such as the loopback interface or jumbo frames.
    pub fn mtu(mut self, bytes: usize) -> Self {
        self.port.set_mtu(bytes);
        self
    }

    /// Puts the node on QUIC: peers prove their keys, messages of up to 1 MiB are encrypted and arrive as
    /// long as a connection lasts, and nodes ask and answer. Its addresses are then [`PeerAddr`]s, and this node's id is
    /// that of `key`.
    ///
    /// Right above the socket, a connection follows its peer to another address. Where the library of
    /// the cryptography lacks what it needs, the node does not start.
    #[cfg(feature = "quic")]
    pub fn quic(self, key: SecretKey) -> Builder<PeerAddr<A>, R>
    where
        A: Source,
    {
        use crate::quic::{Quic, Setup};

        let (key, on_udp) = (key.in_earnest(), self.layers == 0);
        let mut builder = self.try_layer(move |lower, parts| {
            let Parts { limits, seed, clock, accept, epoch, diagnostics } = parts;
            let epoch = epoch.ok_or(BuildError::NoQuic)?;
            let (migrates, probes_mtu) = (on_udp, on_udp);
            let (clock, accept, diagnostics) = (*clock, accept.clone(), diagnostics.clone());
            let setup = Setup::new(key, seed, epoch, limits);
            let setup = Setup { clock, accept, migrates, probes_mtu, diagnostics, ..setup };
            let quic = Quic::new(setup).map_err(|_| BuildError::NoTls)?;
            Ok(Box::new(Stack::new(lower, quic)))
        });
        if on_udp {
            builder.port.probes();
        }
        builder
    }
}

impl<A: Addr + Send + Sync + 'static, R: Runtime, P: Port> Builder<A, R, P> {
    /// The bounds of the node, in place of the defaults.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The seed of all the node's randomness, in place of 32 bytes from the operating system. For
    /// tests: whoever knows it knows every secret that the node draws.
    pub fn seed(mut self, seed: Seed) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Has the secrets of the node's connections handed to `log`, for Wireshark and its like. **Whoever has them reads
    /// everything** that the node says and is told in connections that begin with it. QUIC has such secrets; other layers
    /// give none.
    #[cfg(feature = "insecure-key-log")]
    pub fn insecure_key_log(mut self, log: crate::key_log::KeyLog) -> Self {
        self.diagnostics.insecure_key_log = Some(log);
        self
    }

    /// Has each connection of the node's QUIC recorded where `qlog` says.
    #[cfg(feature = "qlog")]
    pub fn qlog(mut self, qlog: crate::quic::Qlog) -> Self {
        self.diagnostics.qlog = Some(qlog);
        self
    }

    /// Secures the node with p2pke: peers prove their keys, and messages are encrypted. Its addresses
    /// are then [`PeerAddr`]s, and this node's id is that of `key`.
    pub fn secured(self, key: SecretKey) -> Builder<PeerAddr<A>, R, P>
    where
        A: Source,
    {
        let key = key.in_earnest();
        self.layer(|lower, parts| {
            let Parts { limits, seed, clock, accept, .. } = parts;
            Box::new(Stack::new(lower, P2pke::new(key, seed, *clock, accept.clone(), limits)))
        })
    }

    /// Lets the node tell messages of up to `bytes` bytes, in up to 255 fragments. Where one of them is lost,
    /// the message is. Its peers need this layer too, at the same place in their stacks.
    pub fn fragmented(self, bytes: usize) -> Self {
        self.layer(move |lower, parts| {
            let fragmenter = Fragmenter::new(bytes, &parts.seed, &parts.limits);
            Box::new(Stack::new(lower, fragmenter))
        })
    }

    /// Lets the node ask and answer, with requests and replies of up to [`Limits::ask_max`] bytes
    /// whatever the size of a datagram. Its peers need this layer too, at the same place in their stacks.
    pub fn asking(self) -> Self {
        self.layer(|lower, parts| {
            let asking = Asking::new(&parts.seed, &parts.limits);
            Box::new(Stack::new(lower, asking))
        })
    }

    /// Gives the node these channels, each called by a text; what comes twice counts once. Its
    /// addresses are then [`At`]s, which name a channel and a peer in it: a message goes to whoever has
    /// that channel open there. Its peers need this layer too, at the same place in their stacks.
    ///
    /// Channels share one swarm below: put what asks or makes fragments under them. Each costs a
    /// message as many bytes as its name has, and one (from 128 bytes on two). Where there are more than
    /// [`Limits::channels`], the node does not start.
    pub fn channels<N: Into<Name>>(
        self,
        channels: impl IntoIterator<Item = N>,
    ) -> Builder<At<Name, A>, R, P> {
        let names: BTreeSet<Name> = channels.into_iter().map(Into::into).collect();
        self.try_layer(|lower, parts| {
            let mux = Mux::new(&parts.limits).with_channels(names).map_err(BuildError::Channels)?;
            let channels = Stack::new(lower, mux);
            Ok(Box::new(Stack::new(channels, Join::new(&parts.limits))))
        })
    }

    /// Puts any other layer on the stack: `layer` gets the stack so far, and returns it with the layer
    /// on it.
    pub fn layer<B, F>(self, layer: F) -> Builder<B, R, P>
    where
        F: FnOnce(PortStack<A, P>, &Parts) -> PortStack<B, P> + Send + 'static,
    {
        self.try_layer(|lower, parts| Ok(layer(lower, parts)))
    }

    fn try_layer<B, F>(self, layer: F) -> Builder<B, R, P>
    where
        F: FnOnce(PortStack<A, P>, &Parts) -> Result<PortStack<B, P>, BuildError> + Send + 'static,
    {
        let Self { port, limits, seed, accept, diagnostics, layers, stack, runtime } = self;
        let layers = layers + 1;
        let stack = Box::new(move |parts: &Parts| {
            let lower = stack(parts)?;
            // Two layers of one kind must not draw the same.
            let seed = parts.seed.child(&format!("layer {layers}"));
            layer(lower, &Parts { seed, ..parts.clone() })
        });
        Builder { port, limits, seed, accept, diagnostics, layers, stack, runtime }
    }

    /// Binds the sockets, and has the runtime run the node's driver.
    ///
    /// Cancel-safe: where it is dropped there is no node.
    ///
    /// # Errors
    /// A socket cannot be bound, the stack cannot be built, or no runtime runs here; the error says what
    /// would be right.
    pub async fn spawn(self) -> Result<PortNode<A, R, P>, BindError>
    where
        P: Bind<R>,
    {
        let (node, driver) = self.bind()?;
        R::spawn(driver).map_err(|source| BindError::NotRun { source })?;
        Ok(node)
    }

    /// Binds the sockets, and gives the node with its driver: the caller has an executor run it.
    ///
    /// # Errors
    /// As those of [`spawn`](Self::spawn).
    pub fn bind(self) -> Result<Bound<A, R, P>, BindError>
    where
        P: Bind<R>,
    {
        if !R::is_here() {
            return Err(BindError::NoRuntime);
        }
        let Built { mut stack, limits, port } = self.build()?;
        let (pump, bound) = port.bind(&limits)?;
        stack.handle_input(Instant::ZERO, bound);
        let shared = Arc::new(Shared::new(stack, R::clock(), &limits));
        Ok((Handle::new(Arc::clone(&shared)), Driver::new(pump, shared, None)))
    }

    /// Makes the stack.
    pub(super) fn build(self) -> Result<Built<A, P>, BindError> {
        let seed = self.seed.map_or_else(R::seed, Ok);
        let seed = seed.map_err(|source| BindError::NoRandomness { source })?;
        let clock = Anchor { at: Instant::ZERO, date: R::date() };
        let epoch = R::epoch();
        let Self { limits, accept, diagnostics, .. } = self;
        let parts = Parts { limits, seed, clock, accept, epoch, diagnostics };
        let stack = (self.stack)(&parts).map_err(|source| BindError::Stack { source })?;
        Ok(Built { stack, limits: parts.limits, port: self.port })
    }
}

impl<A: Addr, R: Runtime, P: Port> Builder<PeerAddr<A>, R, P> {
    /// Whom the node talks to; anyone by default. [`Handle::set_accept`] changes it later. Under channels,
    /// say it before [`channels`](Self::channels), and change it with [`Setting::Accept`](crate::swarm::Setting).
    pub fn accept(mut self, accept: Accept) -> Self {
        self.accept = accept;
        self
    }
}

#[cfg(feature = "ssh")]
impl<S: Addr, R: Runtime, P: Port> Builder<crate::ssh::SshAddr<S>, R, P> {
    /// Whom the node talks to, by the ids of their keys; anyone by default. [`Handle::set`] changes it later, with
    /// [`Setting::Accept`](crate::swarm::Setting).
    pub fn accept(mut self, accept: Accept) -> Self {
        self.accept = accept;
        self
    }
}

impl<R: Runtime, P: Port> Builder<AnyAddr, R, P> {
    /// Whom the secure layers of the stack talk to; anyone by default. [`Handle::set`] changes it later, with
    /// [`Setting::Accept`](crate::swarm::Setting).
    pub fn accept(mut self, accept: Accept) -> Self {
        self.accept = accept;
        self
    }
}

impl<A, R, P: Port + fmt::Debug> fmt::Debug for Builder<A, R, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("port", &self.port).finish_non_exhaustive()
    }
}
