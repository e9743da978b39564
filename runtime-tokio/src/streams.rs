//! TCP sockets that tokio waits for.

use core::net::SocketAddr;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::fmt;
use std::io::{self, IoSlice};
use tellask::driver::{self, ReceiveError, StreamRuntime};
use tellask::{BytesMut, StreamEnd};
use tellask_system::tcp;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

impl StreamRuntime for crate::Tokio {
    type Listener = Listener;
    type Stream = Stream;

    fn listen(addr: SocketAddr) -> io::Result<Listener> {
        let io = TcpListener::from_std(tcp::listen(addr)?)?;
        Ok(Listener { local: io.local_addr()?, io })
    }

    fn dial(addr: SocketAddr) -> Result<Stream, StreamEnd> {
        let io = tcp::dial(addr).and_then(TcpStream::from_std);
        io.map(|io| Stream { io }).map_err(|error| tcp::stream_end(&error, false))
    }
}

/// A socket that listens.
pub struct Listener {
    io: TcpListener,
    local: SocketAddr,
}

impl driver::Listener for Listener {
    type Stream = Stream;

    fn local(&self) -> SocketAddr {
        self.local
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<Stream, ReceiveError>> {
        let accepted = ready!(self.io.poll_accept(cx));
        let accepted = accepted.map(|(io, _)| Stream { io });
        Poll::Ready(accepted.map_err(|error| tcp::accept_error(&error)))
    }
}

/// A connection.
pub struct Stream {
    io: TcpStream,
}

impl driver::Stream for Stream {
    fn ends(&self) -> Result<(SocketAddr, SocketAddr), StreamEnd> {
        tcp::ends(&self.io)
    }

    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamEnd>> {
        // An error of the runtime itself, when it shuts down: nobody is to be reached.
        if ready!(self.io.poll_write_ready(cx)).is_err() {
            return Poll::Ready(Err(StreamEnd::Unreachable));
        }
        Poll::Ready(tcp::dialled(&self.io))
    }

    fn poll_read(&mut self, max: usize, cx: &mut Context<'_>) -> Poll<Result<BytesMut, StreamEnd>> {
        let bytes = tcp::read(max, |room| {
            let mut room = ReadBuf::new(room);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut room))?;
            Poll::Ready(Ok(room.filled().len()))
        });
        bytes.map_err(|error| tcp::stream_end(&error, true))
    }

    fn poll_write(
        &mut self,
        slices: &[IoSlice<'_>],
        cx: &mut Context<'_>,
    ) -> Poll<Result<usize, StreamEnd>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        written.map_err(|error| tcp::stream_end(&error, true))
    }

    fn finish(&mut self) -> Result<(), StreamEnd> {
        tcp::finish(&self.io)
    }

    fn abort(&mut self) {
        tcp::abort(&self.io);
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
