//! A UDP socket that the reactor waits for.

use async_io::Async;
use core::task::{Context, Poll, ready};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::UdpSocket;
use tellask::driver::{self, Left, ReceiveError, Run, SendError, SocketCounters};
use tellask::{DatagramInput, UdpAddr};
use tellask_system::{DRAINS, SLOTS, Udp, receive_error};

/// A socket with what receives from it.
pub struct Socket {
    io: Async<UdpSocket>,
    udp: Udp,
    // The last call found nothing, and no datagram came since as far as the reactor knows.
    drained: bool,
}

impl Socket {
    pub(crate) fn bind(addr: UdpAddr) -> io::Result<Self> {
        Self::new(Udp::bind(addr)?)
    }

    pub(crate) fn bind_shared(addr: UdpAddr, count: usize) -> io::Result<Vec<Self>> {
        Udp::bind_shared(addr, count)?.into_iter().map(Self::new).collect()
    }

    fn new((io, udp): (UdpSocket, Udp)) -> io::Result<Self> {
        Ok(Self { io: Async::new(io)?, udp, drained: false })
    }
}

impl driver::Socket for Socket {
    fn local(&self) -> UdpAddr {
        self.udp.local()
    }

    fn max_segments(&self) -> usize {
        self.udp.max_segments()
    }

    fn describe(&self, counters: &mut SocketCounters) {
        self.udp.describe(&self.io, counters);
    }

    fn poll_send(&mut self, run: &Run<'_>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let Self { io, udp, .. } = self;
        loop {
            match udp.send(io, run) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // An error of the reactor itself: nobody is to be reached.
                    if ready!(io.poll_writable(cx)).is_err() {
                        return Poll::Ready(Err(SendError::Unreachable));
                    }
                }
                Err(error) => return Poll::Ready(Err(udp.blame(&error, run))),
            }
        }
    }

    fn poll_receive(
        &mut self,
        arrived: &mut VecDeque<DatagramInput<UdpAddr>>,
        counters: &mut SocketCounters,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Left, ReceiveError>> {
        let Self { io, udp, drained } = self;
        let count = loop {
            // To ask the reactor costs a lock, to ask the kernel a call.
            if *drained {
                if ready!(io.poll_readable(cx)).is_err() {
                    return Poll::Ready(Err(ReceiveError::Socket));
                }
                *drained = false;
            }
            match udp.receive(io) {
                Ok(count) => break count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => *drained = true,
                Err(error) => return Poll::Ready(Err(receive_error(&error))),
            }
        };
        udp.take(count, arrived, counters);
        // It stopped for lack of datagrams: another call would cost as much to say the same. The reactor
        // looks anew from when it is asked, so that what came since is not missed.
        *drained = DRAINS && count < SLOTS;
        let wakes = *drained && io.poll_readable(cx).is_pending();
        *drained = wakes;
        Poll::Ready(Ok(if wakes { Left::Nothing } else { Left::Some }))
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.udp.fmt(f)
    }
}
