//! A UDP socket that tokio waits for.

use core::task::{Context, Poll, ready};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use tellask::driver::{self, Left, ReceiveError, Run, SendError, SocketCounters};
use tellask::{DatagramInput, UdpAddr};
use tellask_system::{DRAINS, SLOTS, Udp, receive_error};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// A socket with what receives from it.
pub struct Socket {
    io: UdpSocket,
    udp: Udp,
}

impl Socket {
    pub(crate) fn bind(addr: UdpAddr) -> io::Result<Self> {
        Self::new(Udp::bind(addr)?)
    }

    pub(crate) fn bind_shared(addr: UdpAddr, count: usize) -> io::Result<Vec<Self>> {
        Udp::bind_shared(addr, count)?.into_iter().map(Self::new).collect()
    }

    fn new((io, udp): (std::net::UdpSocket, Udp)) -> io::Result<Self> {
        Ok(Self { io: UdpSocket::from_std(io)?, udp })
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
        let Self { io, udp } = self;
        loop {
            match io.try_io(Interest::WRITABLE, || udp.send(io, run)) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // An error of the runtime itself, when it shuts down: nobody is to be reached.
                    if ready!(io.poll_send_ready(cx)).is_err() {
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
        let Self { io, udp } = self;
        let mut count = 0;
        let left = loop {
            let receive = || {
                count = udp.receive(io)?;
                // It stopped for lack of datagrams, so the runtime is told that there are none:
                // another call would cost as much to say the same.
                if DRAINS && count < SLOTS {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Ok(())
            };
            let error = match io.try_io(Interest::READABLE, receive) {
                Ok(()) => break Left::Some,
                Err(error) => error,
            };
            if error.kind() != io::ErrorKind::WouldBlock {
                return Poll::Ready(Err(receive_error(&error)));
            }
            match io.poll_recv_ready(cx) {
                Poll::Pending if count == 0 => return Poll::Pending,
                Poll::Pending => break Left::Nothing,
                Poll::Ready(_) if count > 0 => break Left::Some,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(Err(ReceiveError::Socket)),
            }
        };
        udp.take(count, arrived, counters);
        Poll::Ready(Ok(left))
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.udp.fmt(f)
    }
}
