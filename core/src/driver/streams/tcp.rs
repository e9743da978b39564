//! From addresses to a node on TCP.

use super::{Listener, StreamRuntime, Streams};
use crate::addr::{Addr, TcpAddr};
use crate::driver::bind::BindError;
use crate::driver::builder::{Builder, Parts, PortNode};
use crate::driver::port::{Bind, Port, PortStack};
use crate::driver::runtime::Runtime;
#[cfg(feature = "ssh")]
use crate::identity::SecretKey;
use crate::limits::Limits;
use crate::port::{StreamInput, StreamPort, StreamTransmit};
#[cfg(feature = "ssh")]
use crate::ssh::{Setup, Ssh, SshAddr};
#[cfg(feature = "ssh")]
use crate::stack::Stack;
use crate::text::BuildError;
#[cfg(feature = "ssh")]
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use core::net::SocketAddr;

/// A stack over TCP, chosen at run time.
pub type TcpStack<A> = PortStack<A, Tcp>;

/// A node on TCP: a handle on its stack, cheap to clone.
pub type TcpNode<A, R> = PortNode<A, R, Tcp>;

/// Sockets of a node on TCP, to be.
#[derive(Clone, Debug)]
pub struct Tcp {
    listen: Vec<SocketAddr>,
}

impl Port for Tcp {
    type Input = StreamInput<TcpAddr>;
    type Transmit = StreamTransmit<TcpAddr>;
}

impl<R: StreamRuntime> Bind<R> for Tcp {
    type Pump = Streams<R>;

    fn bind(self, limits: &Limits) -> Result<(Self::Pump, Self::Input), BindError> {
        let listen = |addr| R::listen(addr).map_err(|source| BindError::new(addr, source));
        let listeners = self.listen.into_iter().map(listen).collect::<Result<Vec<_>, _>>()?;
        let local = listeners.iter().map(|listener| listener.local().into()).collect();
        Ok((Streams::new(listeners, limits), StreamInput::Bound { local }))
    }
}

/// A node on TCP to be, without a layer on it: TCP carries bytes, and it takes a layer to make messages
/// of them.
#[must_use = "there is no node without a layer that makes messages of bytes"]
pub struct TcpBuilder<R> {
    tcp: Tcp,
    runtime: PhantomData<fn() -> R>,
}

impl<R: Runtime> TcpBuilder<R> {
    /// Begins a node that listens on all places of this address.
    ///
    /// Port 0 takes any free port. `0.0.0.0` takes every IPv4 address of this machine, `[::]` every one of both
    /// families: an IPv4 peer is then called by its IPv4 address, never by an IPv4-mapped one.
    pub fn new(addr: &TcpAddr) -> Self {
        Self::dial_only().listen(addr)
    }

    /// Begins a node that nobody can connect to.
    pub const fn dial_only() -> Self {
        Self { tcp: Tcp { listen: Vec::new() }, runtime: PhantomData }
    }

    /// Listens on all places of this address too.
    pub fn listen(mut self, addr: &TcpAddr) -> Self {
        self.tcp.listen.extend(addr.places());
        self
    }

    /// Puts the node on SSH: peers prove their keys, messages of up to 128 KiB are encrypted and arrive in order as long as
    /// a connection lasts, and nodes ask and answer. Its addresses are [`SshAddr`]s, and this node's fingerprint is that
    /// of `key`. For other settings than the usual: [`layer`](Self::layer), with an [`Ssh`].
    #[cfg(feature = "ssh")]
    pub fn ssh(self, key: SecretKey) -> Builder<SshAddr<TcpAddr>, R, Tcp> {
        let key = key.in_earnest();
        self.layer(move |port, parts| {
            let Parts { limits, seed, accept, .. } = parts;
            let setup = Setup { accept: accept.clone(), ..Setup::new(key, seed, limits) };
            Box::new(Stack::new(port, Ssh::new(setup)))
        })
    }

    /// Puts on the port a layer that makes messages of bytes: `layer` gets the port, and returns the stack
    /// with the layer on it. What else a node has is said to what this gives.
    pub fn layer<A, F>(self, layer: F) -> Builder<A, R, Tcp>
    where
        A: Addr + Send + Sync + 'static,
        F: FnOnce(StreamPort<TcpAddr>, &Parts) -> TcpStack<A> + Send + 'static,
    {
        self.try_layer(|port, parts| Ok(layer(port, parts)))
    }

    /// The same with a layer that may be impossible to make; then the node does not start.
    pub fn try_layer<A, F>(self, layer: F) -> Builder<A, R, Tcp>
    where
        A: Addr + Send + Sync + 'static,
        F: FnOnce(StreamPort<TcpAddr>, &Parts) -> Result<TcpStack<A>, BuildError> + Send + 'static,
    {
        Builder::on(self.tcp, 1, |parts| {
            let seed = parts.seed.child("layer 1");
            layer(StreamPort::new(&parts.limits), &Parts { seed, ..parts.clone() })
        })
    }
}

impl<R> fmt::Debug for TcpBuilder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tcp.fmt(f)
    }
}
