//! TCP sockets that the reactor waits for.

use async_io::Async;
use core::net::SocketAddr;
use core::task::{Context, Poll, ready};
use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use tellask::driver::{self, ReceiveError, StreamRuntime};
use tellask::{BytesMut, StreamEnd};
use tellask_system::tcp;

impl StreamRuntime for crate::Smol {
    type Listener = Listener;
    type Stream = Stream;

    fn listen(addr: SocketAddr) -> io::Result<Listener> {
        let io = Async::new(tcp::listen(addr)?)?;
        Ok(Listener { local: io.get_ref().local_addr()?, io })
    }

    fn dial(addr: SocketAddr) -> Result<Stream, StreamEnd> {
        let io = tcp::dial(addr).and_then(Stream::new);
        io.map_err(|error| tcp::stream_end(&error, false))
    }
}

/// A socket that listens.
pub struct Listener {
    io: Async<TcpListener>,
    local: SocketAddr,
}

impl driver::Listener for Listener {
    type Stream = Stream;

    fn local(&self) -> SocketAddr {
        self.local
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<Stream, ReceiveError>> {
        loop {
            let accepted = self.io.get_ref().accept().and_then(|(io, _)| Stream::new(io));
            match accepted {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if ready!(self.io.poll_readable(cx)).is_err() {
                        return Poll::Ready(Err(ReceiveError::Socket));
                    }
                }
                accepted => {
                    return Poll::Ready(accepted.map_err(|error| tcp::accept_error(&error)));
                }
            }
        }
    }
}

/// A connection.
pub struct Stream {
    io: Async<TcpStream>,
    // The last call found nothing, and nothing came since as far as the reactor knows.
    drained: bool,
    // The same of room to write.
    full: bool,
}

impl Stream {
    fn new(io: TcpStream) -> io::Result<Self> {
        Ok(Self { io: Async::new(io)?, drained: false, full: false })
    }
}

impl driver::Stream for Stream {
    fn ends(&self) -> Result<(SocketAddr, SocketAddr), StreamEnd> {
        tcp::ends(self.io.get_ref())
    }

    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamEnd>> {
        // An error of the reactor itself: nobody is to be reached.
        if ready!(self.io.poll_writable(cx)).is_err() {
            return Poll::Ready(Err(StreamEnd::Unreachable));
        }
        Poll::Ready(tcp::dialled(self.io.get_ref()))
    }

    fn poll_read(&mut self, max: usize, cx: &mut Context<'_>) -> Poll<Result<BytesMut, StreamEnd>> {
        let Self { io, drained, .. } = self;
        let bytes = tcp::read(max, |room| {
            loop {
                // To ask the reactor costs a lock, to ask the kernel a call.
                if *drained {
                    ready!(io.poll_readable(cx))?;
                    *drained = false;
                }
                match io.get_ref().read(room) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => *drained = true,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Poll::Ready(Err(error)),
                    Ok(filled) => {
                        *drained = tcp::READ_DRAINS && filled > 0 && filled < room.len();
                        return Poll::Ready(Ok(filled));
                    }
                }
            }
        });
        bytes.map_err(|error| tcp::stream_end(&error, true))
    }

    fn poll_write(
        &mut self,
        slices: &[IoSlice<'_>],
        cx: &mut Context<'_>,
    ) -> Poll<Result<usize, StreamEnd>> {
        let Self { io, full, .. } = self;
        loop {
            if *full {
                if ready!(io.poll_writable(cx)).is_err() {
                    return Poll::Ready(Err(StreamEnd::Reset));
                }
                *full = false;
            }
            match io.get_ref().write_vectored(slices) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => *full = true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                written => {
                    return Poll::Ready(written.map_err(|error| tcp::stream_end(&error, true)));
                }
            }
        }
    }

    fn finish(&mut self) -> Result<(), StreamEnd> {
        tcp::finish(self.io.get_ref())
    }

    fn abort(&mut self) {
        tcp::abort(self.io.get_ref());
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener").field(&self.local).finish()
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").finish_non_exhaustive()
    }
}
