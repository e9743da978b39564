//! TCP sockets, without a runtime: listening, dialling, reading, and what errors mean.
//!
//! Memory: what is read goes into a buffer that belongs to the thread, not to a connection. Where a call filled a
//! good part of what is left of it, that is cut off and goes up without a copy; from an emptier one the bytes are copied
//! into a buffer of their own size. So bytes pin at most four times as many, and few bytes pin nothing but themselves.

use bytes::BytesMut;
use core::cell::Cell;
use core::net::SocketAddr;
use core::task::Poll;
use core::time::Duration;
use socket2::{Domain, Protocol, SockRef, Socket as RawSocket, TcpKeepalive, Type};
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use tellask::StreamEnd;
use tellask::driver::ReceiveError;

/// Whether a call that filled less than it might has emptied the socket, and the next arrival is reported anew.
pub const READ_DRAINS: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Connections that wait to be accepted; the kernel may allow fewer (Linux: `net.core.somaxconn`).
const BACKLOG: i32 = 1_024;

/// Bytes of the buffer that is read into.
const BUFFER: usize = 256 * 1_024;

/// A silent peer is asked after this time whether it is there still. Layers that want to know sooner ask themselves.
const KEEPALIVE: Duration = Duration::from_secs(300);

thread_local! {
    /// What no call of this thread has: zeros, or bytes that were read before.
    static SPARE: Cell<BytesMut> = Cell::new(BytesMut::new());
}

/// Listens on an address, without blocking.
///
/// # Errors
/// The system's.
pub fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let raw = open(addr)?;
    if matches!(addr, SocketAddr::V6(v6) if v6.ip().is_unspecified()) {
        // What the system has for a default differs.
        raw.set_only_v6(false)?;
    }
    // Elsewhere it means that others may take the port too.
    #[cfg(unix)]
    raw.set_reuse_address(true)?;
    raw.bind(&addr.into())?;
    raw.listen(BACKLOG)?;
    Ok(raw.into())
}

/// Begins to connect to an address, without blocking: it stands once the socket is writable and has no error.
///
/// # Errors
/// The system's.
pub fn dial(addr: SocketAddr) -> io::Result<TcpStream> {
    let raw = open(addr)?;
    match raw.connect(&addr.into()) {
        Err(error) if !is_under_way(&error) => Err(error),
        Ok(()) | Err(_) => Ok(raw.into()),
    }
}

fn open(addr: SocketAddr) -> io::Result<RawSocket> {
    let raw = RawSocket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    raw.set_nonblocking(true)?;
    Ok(raw)
}

#[cfg(unix)]
fn is_under_way(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EINPROGRESS)
}

#[cfg(not(unix))]
fn is_under_way(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

/// The two ends of an open connection, ours and the peer's. What is written on it from now on goes at once, and a
/// peer that is gone is noticed in time.
///
/// # Errors
/// It is over, or it is to itself: that happens to who dials a free port of this machine.
pub fn ends<'a, S>(io: &'a S) -> Result<(SocketAddr, SocketAddr), StreamEnd>
where
    SockRef<'a>: From<&'a S>,
{
    let raw = SockRef::from(io);
    let addr = |addr: io::Result<socket2::SockAddr>| {
        let addr = addr.map_err(|error| stream_end(&error, true))?;
        addr.as_socket().ok_or(StreamEnd::Reset)
    };
    let (local, remote) = (addr(raw.local_addr())?, addr(raw.peer_addr())?);
    if local == remote {
        return Err(StreamEnd::Refused);
    }
    // Without them it works too.
    let _ = raw.set_tcp_nodelay(true);
    let _ = raw.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE));
    Ok((local, remote))
}

/// Reads up to `max` bytes with one call of `read`, which is given a buffer and says how much of it it filled.
///
/// # Errors
/// What `read` fails with.
pub fn read(
    max: usize,
    read: impl FnOnce(&mut [u8]) -> Poll<io::Result<usize>>,
) -> Poll<io::Result<BytesMut>> {
    let mut buffer = SPARE.take();
    if buffer.len() < BUFFER / 4 {
        buffer = BytesMut::zeroed(BUFFER);
    }
    let max = max.min(buffer.len());
    let room = buffer.get_mut(..max).unwrap_or_default();
    let filled = read(room).map_ok(|filled| take(&mut buffer, filled));
    SPARE.set(buffer);
    filled
}

/// The first `filled` bytes. The rule is in the module's documentation.
fn take(buffer: &mut BytesMut, filled: usize) -> BytesMut {
    let filled = filled.min(buffer.len());
    if filled < BUFFER / 4 { BytesMut::from(&buffer[..filled]) } else { buffer.split_to(filled) }
}

/// Tells the peer that nothing more is written.
///
/// # Errors
/// The connection is over.
pub fn finish<'a, S>(io: &'a S) -> Result<(), StreamEnd>
where
    SockRef<'a>: From<&'a S>,
{
    SockRef::from(io).shutdown(Shutdown::Write).map_err(|error| stream_end(&error, true))
}

/// Has the connection aborted when it is closed: what waits to be sent is thrown away, and the peer is told.
pub fn abort<'a, S>(io: &'a S)
where
    SockRef<'a>: From<&'a S>,
{
    // Where that fails the connection is over already.
    let _ = SockRef::from(io).set_linger(Some(Duration::ZERO));
}

/// What became of a dial whose socket says that it may be written to.
///
/// # Errors
/// It failed.
pub fn dialled<'a, S>(io: &'a S) -> Result<(), StreamEnd>
where
    SockRef<'a>: From<&'a S>,
{
    match SockRef::from(io).take_error() {
        Ok(None) => Ok(()),
        Ok(Some(error)) | Err(error) => Err(stream_end(&error, false)),
    }
}

/// What an error of a connection means for it, which was `open` or not.
#[must_use]
pub fn stream_end(error: &io::Error, open: bool) -> StreamEnd {
    let kind = error.kind();
    if is_full(error) {
        StreamEnd::Full
    } else if kind == io::ErrorKind::TimedOut {
        if open { StreamEnd::Gone } else { StreamEnd::TimedOut }
    } else if open
        && (kind == io::ErrorKind::HostUnreachable || kind == io::ErrorKind::NetworkUnreachable)
    {
        StreamEnd::Gone
    } else if open {
        StreamEnd::Reset
    } else if kind == io::ErrorKind::ConnectionRefused || kind == io::ErrorKind::ConnectionReset {
        StreamEnd::Refused
    } else {
        StreamEnd::Unreachable
    }
}

/// What an error of a socket that listens means: one that is about a connection says nothing about the socket.
#[must_use]
pub fn accept_error(error: &io::Error) -> ReceiveError {
    // Linux reports what has befallen the new connection already.
    let full = is_full(error) || error.kind() == io::ErrorKind::InvalidInput;
    if full { ReceiveError::Socket } else { ReceiveError::Peer }
}

/// There are as many sockets, or as much memory in use, as there may be.
#[cfg(unix)]
fn is_full(error: &io::Error) -> bool {
    let full = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
    error.raw_os_error().is_some_and(|code| full.contains(&code))
}

#[cfg(not(unix))]
fn is_full(error: &io::Error) -> bool {
    // WSAEMFILE, WSAENOBUFS.
    error.raw_os_error().is_some_and(|code| code == 10_024 || code == 10_055)
}
