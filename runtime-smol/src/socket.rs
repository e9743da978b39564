//! A UDP socket that sends and receives many datagrams in one call.
//!
//! Down, a [`Run`] of datagrams of one size to one destination is one call (segmentation offload). Up,
//! one call fills [`SLOTS`] buffers, each with one datagram or with a run that the kernel joined.
//!
//! Memory: a buffer that is at least a quarter full is split into its messages without a copy and
//! replaced; from an emptier one the bytes are copied into a buffer of their own size. So a message
//! pins at most four times the bytes that arrived with it, and small datagrams pin nothing but
//! themselves.
//!
//! Addresses: on a socket for both families the kernel speaks of IPv4 peers in IPv4-mapped IPv6
//! addresses. They are mapped here, once, in both directions; nothing above sees one.

use async_io::Async;
use bytes::BytesMut;
use core::net::{IpAddr, SocketAddr, SocketAddrV6};
use core::task::{Context, Poll, ready};
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket as RawSocket, Type};
use std::io::{self, IoSliceMut};
use std::net::UdpSocket;
use tellask::driver::{Run, SocketCounters, segments};
use tellask::{DatagramInput, UdpAddr};

/// Buffers that one call fills at the most.
const SLOTS: usize = if quinn_udp::BATCH_SIZE < 16 { quinn_udp::BATCH_SIZE } else { 16 };

/// Bytes of one buffer: the largest datagram, or what the kernel joins at the most.
const BUFFER: usize = 65_536;

/// Asked of the kernel; it may give less (Linux: `net.core.rmem_max` and `wmem_max`).
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;
const SEND_BUFFER: usize = 2 * 1024 * 1024;

pub(crate) struct Socket {
    io: Async<UdpSocket>,
    state: UdpSocketState,
    local: UdpAddr,
    family: Family,
    max_segments: usize,
    buffers: [BytesMut; SLOTS],
    metas: [RecvMeta; SLOTS],
}

/// Whom the socket can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
    Both,
}

/// Whether there may be datagrams to receive after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    Nothing,
    Some,
}

/// Why a run was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendError {
    /// Nobody can be reached there, or we may not.
    Unreachable,
    /// A datagram is larger than the way takes.
    TooLarge,
    /// The kernel lacks memory: try the same again, later.
    OutOfMemory,
    /// There is no segmentation offload after all: try the same again, in shorter runs.
    NoOffload,
}

impl Socket {
    pub(crate) fn bind(addr: UdpAddr) -> io::Result<Self> {
        let addr = addr.0;
        let raw = RawSocket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
        let unspecified = matches!(addr, SocketAddr::V6(v6) if v6.ip().is_unspecified());
        if unspecified {
            // What the system has for a default differs.
            raw.set_only_v6(false)?;
        }
        raw.bind(&addr.into())?;
        let io = Async::new(UdpSocket::from(raw))?;
        let state = UdpSocketState::new((&io).into())?;
        // Smaller ones work too; `stats` says what there is.
        let _ = state.set_recv_buffer_size((&io).into(), RECEIVE_BUFFER);
        let _ = state.set_send_buffer_size((&io).into(), SEND_BUFFER);
        Ok(Self {
            local: io.get_ref().local_addr()?.into(),
            family: match addr {
                SocketAddr::V4(_) => Family::V4,
                SocketAddr::V6(_) if unspecified => Family::Both,
                SocketAddr::V6(_) => Family::V6,
            },
            max_segments: state.max_gso_segments(),
            buffers: core::array::from_fn(|_| BytesMut::zeroed(BUFFER)),
            metas: [RecvMeta::default(); SLOTS],
            io,
            state,
        })
    }

    pub(crate) const fn local(&self) -> UdpAddr {
        self.local
    }

    /// How many datagrams a run may have.
    pub(crate) const fn max_segments(&self) -> usize {
        self.max_segments
    }

    /// What the kernel holds for us.
    pub(crate) fn describe(&self, counters: &mut SocketCounters) {
        let size = |size: io::Result<usize>| size.map_or(0, |bytes| bytes as u64);
        counters.receive_buffer = size(self.state.recv_buffer_size((&self.io).into()));
        counters.send_buffer = size(self.state.send_buffer_size((&self.io).into()));
    }

    /// Sends a run, all or nothing. Pending where the kernel takes nothing now.
    pub(crate) fn poll_send(
        &mut self,
        run: &Run<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        let Some(destination) = self.family.map(run.dst) else {
            return Poll::Ready(Err(SendError::Unreachable));
        };
        let transmit = Transmit {
            destination,
            ecn: None,
            contents: run.contents,
            segment_size: run.segment,
            src_ip: run.src.map(|src| self.family.map_ip(src)),
        };
        loop {
            match self.state.try_send(UdpSockRef::from(&self.io), &transmit) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // An error of the reactor itself: nobody is to be reached.
                    if ready!(self.io.poll_writable(cx)).is_err() {
                        return Poll::Ready(Err(SendError::Unreachable));
                    }
                }
                Err(error) => return Poll::Ready(Err(self.blame(&error, run))),
            }
        }
    }

    /// Receives what there is, up to one call's worth, into `arrived`, and says whether there may be more.
    /// Where there is not, or nothing at all, the task is woken when something comes.
    ///
    /// # Errors
    /// The kernel's. It may be about a datagram that was sent.
    pub(crate) fn poll_receive(
        &mut self,
        arrived: &mut impl Extend<DatagramInput<UdpAddr>>,
        counters: &mut SocketCounters,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Left>> {
        let count = loop {
            let mut slices = self.buffers.each_mut().map(|buffer| IoSliceMut::new(buffer));
            let io = UdpSockRef::from(&self.io);
            match self.state.recv(io, &mut slices, &mut self.metas) {
                Ok(count) => break count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.io.poll_readable(cx))?;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        };
        for (meta, buffer) in self.metas.iter().zip(&mut self.buffers).take(count) {
            let src = UdpAddr(canonical(meta.addr));
            let dst = meta.dst_ip.map_or(self.local, |ip| {
                UdpAddr(SocketAddr::new(ip.to_canonical(), self.local.0.port()))
            });
            counters.receives += 1;
            arrived.extend(segments(take(buffer, meta.len), meta.stride).map(|payload| {
                counters.received += 1;
                DatagramInput::Datagram { src, dst, payload }
            }));
        }
        // It stopped for lack of datagrams: another call would cost as much to say the same.
        let drained = SLOTS > 1 && count < SLOTS && self.io.poll_readable(cx).is_pending();
        Poll::Ready(Ok(if drained { Left::Nothing } else { Left::Some }))
    }

    fn blame(&mut self, error: &io::Error, run: &Run<'_>) -> SendError {
        if quinn_udp::is_msg_size_err(error) {
            SendError::TooLarge
        } else if is_out_of_memory(error) {
            SendError::OutOfMemory
        } else if run.segment.is_some() && is_refusal_to_offload(error) {
            self.max_segments = 1;
            SendError::NoOffload
        } else {
            SendError::Unreachable
        }
    }
}

impl Family {
    /// The address as the socket wants it; `None` where it cannot reach that family.
    fn map(self, addr: SocketAddr) -> Option<SocketAddr> {
        let addr = canonical(addr);
        match (self, addr) {
            (Self::V4, SocketAddr::V4(_)) | (Self::V6 | Self::Both, SocketAddr::V6(_)) => {
                Some(addr)
            }
            (Self::Both, SocketAddr::V4(_)) => {
                Some(SocketAddr::new(self.map_ip(addr.ip()), addr.port()))
            }
            (Self::V4, SocketAddr::V6(_)) | (Self::V6, SocketAddr::V4(_)) => None,
        }
    }

    fn map_ip(self, ip: IpAddr) -> IpAddr {
        match (self, ip) {
            (Self::Both, IpAddr::V4(v4)) => IpAddr::V6(v4.to_ipv6_mapped()),
            (Self::V4 | Self::V6 | Self::Both, ip) => ip,
        }
    }
}

/// One name for one peer: no IPv4-mapped address, and no flow label.
fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr {
        SocketAddr::V4(_) => addr,
        SocketAddr::V6(v6) => match v6.ip().to_canonical() {
            IpAddr::V4(v4) => SocketAddr::new(IpAddr::V4(v4), v6.port()),
            IpAddr::V6(ip) => SocketAddrV6::new(ip, v6.port(), 0, v6.scope_id()).into(),
        },
    }
}

/// The first `len` bytes of `buffer`, which is whole again afterwards. The rule is in the module's
/// documentation.
fn take(buffer: &mut BytesMut, len: usize) -> BytesMut {
    let len = len.min(buffer.len());
    if len < BUFFER / 4 {
        return BytesMut::from(&buffer[..len]);
    }
    let mut full = core::mem::replace(buffer, BytesMut::zeroed(BUFFER));
    full.truncate(len);
    full
}

/// Whether an error while receiving is about one peer, and says nothing about the socket.
pub(crate) fn is_about_a_peer(error: &io::Error) -> bool {
    let kind = error.kind();
    kind == io::ErrorKind::ConnectionRefused
        || kind == io::ErrorKind::ConnectionReset
        || kind == io::ErrorKind::HostUnreachable
        || kind == io::ErrorKind::NetworkUnreachable
}

#[cfg(unix)]
fn is_out_of_memory(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|code| code == libc::ENOBUFS || code == libc::ENOMEM)
}

#[cfg(not(unix))]
fn is_out_of_memory(error: &io::Error) -> bool {
    // WSAENOBUFS.
    error.raw_os_error() == Some(10_055) || error.kind() == io::ErrorKind::OutOfMemory
}

/// Some drivers take the option and refuse the datagrams.
#[cfg(unix)]
fn is_refusal_to_offload(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|code| code == libc::EINVAL || code == libc::EIO)
}

#[cfg(not(unix))]
fn is_refusal_to_offload(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidInput
}
