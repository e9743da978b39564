//! A UDP socket that sends and receives many datagrams in one call.
//!
//! Down, a [`Run`] of datagrams of one size to one destination is one call (segmentation offload). Up,
//! one call fills [`SLOTS`] buffers, each with one datagram or with a run that the kernel joined.
//!
//! Memory: the buffers, 1 MiB of them, belong to the thread, not to a socket; from one of its calls to the next they serve
//! whichever socket has something. A buffer that is at least a quarter full is split into its messages without a copy and
//! replaced; from an emptier one the bytes are copied into a buffer of their own size. So a message
//! pins at most four times the bytes that arrived with it, and small datagrams pin nothing but
//! themselves.
//!
//! Addresses: on a socket for both families the kernel speaks of IPv4 peers in IPv4-mapped IPv6
//! addresses. They are mapped here, once, in both directions; nothing above sees one.

use bytes::BytesMut;
use core::cell::Cell;
use core::fmt;
use core::net::{IpAddr, SocketAddr, SocketAddrV6};
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket as RawSocket, Type};
use std::io::{self, IoSliceMut};
use std::net::UdpSocket;
use tellask::driver::{ReceiveError, Run, SendError, SocketCounters, segments};
use tellask::{DatagramInput, UdpAddr};

/// Buffers that one call fills at the most.
pub const SLOTS: usize = if quinn_udp::BATCH_SIZE < 16 { quinn_udp::BATCH_SIZE } else { 16 };

/// Bytes of one buffer: the largest datagram, or what the kernel joins at the most.
const BUFFER: usize = 65_536;

/// Whether a call that fills fewer has emptied the queue, and the next arrival is reported anew.
pub const DRAINS: bool = cfg!(any(target_os = "linux", target_os = "android")) && SLOTS > 1;

/// Asked of the kernel; it may give less (Linux: `net.core.rmem_max` and `wmem_max`).
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;
const SEND_BUFFER: usize = 2 * 1024 * 1024;

/// What goes with a UDP socket: how to talk to it, and the buffers that it fills. The socket itself is
/// with whoever waits for it, and given to every call.
pub struct Udp {
    state: UdpSocketState,
    local: UdpAddr,
    family: Family,
    max_segments: usize,
    // What it was before a run was refused, until it is known whether that was for the offload.
    doubted: Option<usize>,
    // From a call that received something until that is taken.
    filled: Option<Box<Slots>>,
}

/// What one call fills.
struct Slots {
    buffers: [BytesMut; SLOTS],
    metas: [RecvMeta; SLOTS],
}

thread_local! {
    /// Those that no socket of this thread has.
    static SPARE: Cell<Option<Box<Slots>>> = const { Cell::new(None) };
}

impl Slots {
    fn spare() -> Box<Self> {
        SPARE.take().unwrap_or_else(|| {
            Box::new(Self {
                buffers: core::array::from_fn(|_| BytesMut::zeroed(BUFFER)),
                metas: [RecvMeta::default(); SLOTS],
            })
        })
    }
}

/// Whom the socket can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
    Both,
}

impl Udp {
    /// Binds a socket that does not block.
    ///
    /// # Errors
    /// The system's.
    pub fn bind(addr: UdpAddr) -> io::Result<(UdpSocket, Self)> {
        let raw = Self::open(addr.0)?;
        raw.bind(&addr.0.into())?;
        Self::new(raw, addr.0)
    }

    /// Binds this many such sockets to one port, among which the kernel spreads what arrives: on Linux by
    /// the addresses at both ends; other systems may give all to one of them.
    ///
    /// The first is bound as if it were to be alone, so that the port of another node is not shared
    /// by mistake. Later on processes of the same user may join it.
    ///
    /// # Errors
    /// The system's; `Unsupported` where sockets cannot share a port.
    pub fn bind_shared(addr: UdpAddr, count: usize) -> io::Result<Vec<(UdpSocket, Self)>> {
        let first = Self::open(addr.0)?;
        first.bind(&addr.0.into())?;
        if count > 1 {
            share_port(&first)?;
        }
        let mut sockets = vec![Self::new(first, addr.0)?];
        let local = sockets.first().map_or(addr, |(_, udp)| udp.local).0;
        for _ in 1..count {
            let raw = Self::open(local)?;
            share_port(&raw)?;
            raw.bind(&local.into())?;
            sockets.push(Self::new(raw, local)?);
        }
        Ok(sockets)
    }

    fn open(addr: SocketAddr) -> io::Result<RawSocket> {
        let raw = RawSocket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
        let unspecified = matches!(addr, SocketAddr::V6(v6) if v6.ip().is_unspecified());
        if unspecified {
            // What the system has for a default differs.
            raw.set_only_v6(false)?;
        }
        raw.set_nonblocking(true)?;
        Ok(raw)
    }

    fn new(raw: RawSocket, addr: SocketAddr) -> io::Result<(UdpSocket, Self)> {
        let unspecified = addr.ip().is_unspecified();
        let io = UdpSocket::from(raw);
        let state = UdpSocketState::new((&io).into())?;
        // Smaller ones work too; `describe` says what there is.
        let _ = state.set_recv_buffer_size((&io).into(), RECEIVE_BUFFER);
        let _ = state.set_send_buffer_size((&io).into(), SEND_BUFFER);
        let udp = Self {
            local: io.local_addr()?.into(),
            family: match addr {
                SocketAddr::V4(_) => Family::V4,
                SocketAddr::V6(_) if unspecified => Family::Both,
                SocketAddr::V6(_) => Family::V6,
            },
            max_segments: state.max_gso_segments(),
            doubted: None,
            filled: None,
            state,
        };
        Ok((io, udp))
    }

    /// What the socket is bound to.
    #[must_use]
    pub const fn local(&self) -> UdpAddr {
        self.local
    }

    /// How many datagrams a run may have.
    #[must_use]
    pub const fn max_segments(&self) -> usize {
        self.max_segments
    }

    /// Puts down what the kernel holds for the socket, in bytes.
    pub fn describe<'a, S>(&self, io: &'a S, counters: &mut SocketCounters)
    where
        UdpSockRef<'a>: From<&'a S>,
    {
        let size = |size: io::Result<usize>| size.map_or(0, |bytes| bytes as u64);
        counters.receive_buffer = size(self.state.recv_buffer_size(io.into()));
        counters.send_buffer = size(self.state.send_buffer_size(io.into()));
    }

    /// Sends a run, all or nothing, in one call.
    ///
    /// # Errors
    /// The system's; [`WouldBlock`](io::ErrorKind::WouldBlock) where the kernel takes nothing now, and what
    /// [`blame`](Self::blame) makes of the others.
    pub fn send<'a, S>(&mut self, io: &'a S, run: &Run<'_>) -> io::Result<()>
    where
        UdpSockRef<'a>: From<&'a S>,
    {
        let Some(destination) = self.family.map(run.dst) else {
            return Err(io::ErrorKind::NetworkUnreachable.into());
        };
        let transmit = Transmit {
            destination,
            ecn: None,
            contents: run.contents,
            segment_size: run.segment,
            src_ip: run.src.map(|src| self.family.map_ip(src)),
        };
        self.state.try_send(io.into(), &transmit)?;
        if run.segment.is_none() {
            // Alone it goes: so it was for the offload that others were refused.
            self.doubted = None;
        }
        Ok(())
    }

    /// What an error of [`send`](Self::send) means for the run. Systems say with one error that they lack an
    /// offload which they have offered, and that there is no way to the destination. So the first datagram of
    /// such a run is to be tried alone: where it goes, no run is offered again; where it is refused too, the
    /// offload is as good as before.
    pub fn blame(&mut self, error: &io::Error, run: &Run<'_>) -> SendError {
        if is_out_of_memory(error) {
            return SendError::OutOfMemory;
        }
        if run.segment.is_none()
            && let Some(before) = self.doubted.take()
        {
            self.max_segments = before;
        }
        if quinn_udp::is_msg_size_err(error) {
            SendError::TooLarge
        } else if run.segment.is_some() && is_refusal_to_offload(error) {
            self.doubted = Some(core::mem::replace(&mut self.max_segments, 1));
            SendError::NoOffload
        } else {
            SendError::Unreachable
        }
    }

    /// Receives what there is into the buffers, in one call, and says how many it filled; they are taken with
    /// [`take`](Self::take) before the next call.
    ///
    /// # Errors
    /// The system's; it may be about a datagram that was sent.
    pub fn receive<'a, S>(&mut self, io: &'a S) -> io::Result<usize>
    where
        UdpSockRef<'a>: From<&'a S>,
    {
        let mut slots = self.filled.take().unwrap_or_else(Slots::spare);
        let Slots { buffers, metas } = &mut *slots;
        let mut slices = buffers.each_mut().map(|buffer| IoSliceMut::new(buffer));
        let result = self.state.recv(io.into(), &mut slices, metas);
        if result.is_ok() {
            self.filled = Some(slots);
        } else {
            SPARE.set(Some(slots));
        }
        result
    }

    /// Takes the datagrams out of the first `count` buffers.
    pub fn take(
        &mut self,
        count: usize,
        arrived: &mut impl Extend<DatagramInput<UdpAddr>>,
        counters: &mut SocketCounters,
    ) {
        let Some(mut slots) = self.filled.take() else { return };
        let Slots { buffers, metas } = &mut *slots;
        for (meta, buffer) in metas.iter().zip(buffers).take(count) {
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
        SPARE.set(Some(slots));
    }
}

#[cfg(unix)]
fn share_port(socket: &RawSocket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

#[cfg(not(unix))]
fn share_port(_: &RawSocket) -> io::Result<()> {
    let why = "sockets cannot share a port on this system: give the node one worker";
    Err(io::Error::new(io::ErrorKind::Unsupported, why))
}

impl fmt::Debug for Udp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Udp")
            .field("local", &self.local)
            .field("max_segments", &self.max_segments)
            .finish_non_exhaustive()
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

/// What an error of [`Udp::receive`] means: about one peer, it says nothing about the socket.
#[must_use]
pub fn receive_error(error: &io::Error) -> ReceiveError {
    let kind = error.kind();
    let about_a_peer = kind == io::ErrorKind::ConnectionRefused
        || kind == io::ErrorKind::ConnectionReset
        || kind == io::ErrorKind::HostUnreachable
        || kind == io::ErrorKind::NetworkUnreachable;
    if about_a_peer { ReceiveError::Peer } else { ReceiveError::Socket }
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
