//! What a runtime gives a node on TCP: sockets that listen, and connections.

use crate::driver::runtime::{ReceiveError, Runtime};
use crate::port::StreamEnd;
use bytes::BytesMut;
use core::net::SocketAddr;
use core::task::{Context, Poll};
use std::io::{self, IoSlice};

/// A runtime that has TCP.
pub trait StreamRuntime: Runtime {
    /// Its sockets that listen.
    type Listener: Listener<Stream = Self::Stream> + Send + Unpin + 'static;
    /// Its connections.
    type Stream: Stream + Send + Unpin + 'static;

    /// Listens on an address.
    ///
    /// # Errors
    /// The system's.
    fn listen(addr: SocketAddr) -> io::Result<Self::Listener>;

    /// Begins to connect to an address. What becomes of it says [`Stream::poll_open`].
    ///
    /// # Errors
    /// It is over already.
    fn dial(addr: SocketAddr) -> Result<Self::Stream, StreamEnd>;
}

/// A socket that others connect to.
pub trait Listener {
    /// What it gives.
    type Stream: Stream;

    /// What it is bound to.
    fn local(&self) -> SocketAddr;

    /// The next connection. Pending where there is none; then the task is woken when one comes.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<Self::Stream, ReceiveError>>;
}

/// A connection, which never blocks. To drop it closes it: what was written goes out still.
///
/// The waker is the same for whatever is polled, and is called when either may go on.
pub trait Stream {
    /// The two ends, ours and the peer's, once it is open.
    ///
    /// # Errors
    /// It is over.
    fn ends(&self) -> Result<(SocketAddr, SocketAddr), StreamEnd>;

    /// Ready once it is open, or is not going to be. Only for one that was dialled.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamEnd>>;

    /// Up to `max` bytes of those that arrived, so many as one call gives; none where the peer has finished.
    fn poll_read(&mut self, max: usize, cx: &mut Context<'_>) -> Poll<Result<BytesMut, StreamEnd>>;

    /// Writes some of these bytes in one call, and says how many.
    fn poll_write(
        &mut self,
        slices: &[IoSlice<'_>],
        cx: &mut Context<'_>,
    ) -> Poll<Result<usize, StreamEnd>>;

    /// Tells the peer that nothing more is written.
    ///
    /// # Errors
    /// It is over.
    fn finish(&mut self) -> Result<(), StreamEnd>;

    /// To drop it will abort it: what was written may be lost, and the peer is told so.
    fn abort(&mut self);
}
