//! Why a node does not start.

use crate::text::BuildError;
use core::error::Error;
use core::fmt;
use core::net::SocketAddr;
use std::io;

/// Why a node could not be started.
#[derive(Debug)]
#[non_exhaustive]
pub enum BindError {
    /// The caller's doing: another socket has this port.
    InUse {
        /// The address that was to be bound.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The caller's: no interface of this machine has this address.
    NotLocal {
        /// The address that was to be bound.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The caller's: this user may not bind this address.
    Denied {
        /// The address that was to be bound.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The system's: the socket could not be made or set up.
    Socket {
        /// The address that was to be bound.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The caller's: the layers of the stack cannot be made.
    Stack {
        /// Why.
        source: BuildError,
    },
    /// The system's: it gave no random bytes for the node's seed.
    NoRandomness {
        /// What the system said.
        source: io::Error,
    },
    /// The caller's: the stack's addresses do not say where on UDP a peer is, so that several workers
    /// cannot share its peers.
    NoCarrier,
    /// The caller's: the runtime does not run here.
    NoRuntime,
    /// The system's: there is nobody to run the node's driver.
    NotRun {
        /// What the system said.
        source: io::Error,
    },
}

impl BindError {
    /// The kind of error that the system reported.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::InUse { source, .. }
            | Self::NotLocal { source, .. }
            | Self::Denied { source, .. }
            | Self::Socket { source, .. }
            | Self::NoRandomness { source }
            | Self::NotRun { source } => source.kind(),
            Self::Stack { .. } | Self::NoCarrier => io::ErrorKind::InvalidInput,
            Self::NoRuntime => io::ErrorKind::Unsupported,
        }
    }

    pub(super) fn new(addr: SocketAddr, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::AddrInUse {
            Self::InUse { addr, source }
        } else if source.kind() == io::ErrorKind::AddrNotAvailable {
            Self::NotLocal { addr, source }
        } else if source.kind() == io::ErrorKind::PermissionDenied {
            Self::Denied { addr, source }
        } else {
            Self::Socket { addr, source }
        }
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse { addr, .. } => write!(
                f,
                "another socket has port {}: choose another port, or 0 for any free one",
                addr.port()
            ),
            Self::NotLocal { addr, .. } => write!(
                f,
                "no interface of this machine has the address {}: bind one of its own, or {} for all",
                addr.ip(),
                if addr.is_ipv4() { "0.0.0.0" } else { "[::]" }
            ),
            Self::Denied { addr, .. } => write!(
                f,
                "this user may not bind {addr}: choose a port from 1024 on, or ask for the permission"
            ),
            Self::Socket { addr, source } => write!(f, "no socket on {addr}: {source}"),
            Self::Stack { source } => source.fmt(f),
            Self::NoRandomness { source } => {
                write!(f, "the system gives no random bytes: {source}")
            }
            Self::NotRun { source } => write!(f, "nothing runs the node: {source}"),
            Self::NoCarrier => f.write_str(
                "the addresses of this stack name no UDP address by which workers could share its peers: \
                 give the node one worker, or implement `Source::carrier` for them",
            ),
            Self::NoRuntime => f.write_str("no runtime runs here: spawn the node from within one"),
        }
    }
}

impl Error for BindError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::InUse { source, .. }
            | Self::NotLocal { source, .. }
            | Self::Denied { source, .. }
            | Self::Socket { source, .. }
            | Self::NoRandomness { source }
            | Self::NotRun { source } => Some(source),
            Self::Stack { source } => Some(source),
            Self::NoCarrier | Self::NoRuntime => None,
        }
    }
}
