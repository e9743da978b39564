//! Sockets on the simulated network.

use super::wire::RECEIVE_BUFFER;
use super::world::World;
use core::fmt;
use core::task::{Context, Poll};
use std::collections::VecDeque;
use std::sync::Arc;
use tellask::driver::{self, Left, ReceiveError, Run, SendError, SocketCounters};
use tellask::{Datagram, DatagramInput, MemoryAddr, UdpAddr};

/// Datagrams that a socket gives in one call.
const SLOTS: usize = 32;

/// Datagrams of a run, as many as a kernel takes.
const SEGMENTS: usize = 64;

/// A socket of a node. What it sends leaves at once, and what happens to it is up to the network.
pub struct Socket {
    world: Arc<World>,
    place: MemoryAddr,
    // Which it is of those that share the address.
    number: usize,
    local: UdpAddr,
}

impl Socket {
    pub(super) const fn new(
        world: Arc<World>,
        place: MemoryAddr,
        number: usize,
        local: UdpAddr,
    ) -> Self {
        Self { world, place, number, local }
    }
}

impl driver::Socket for Socket {
    fn local(&self) -> UdpAddr {
        self.local
    }

    fn max_segments(&self) -> usize {
        SEGMENTS
    }

    fn describe(&self, counters: &mut SocketCounters) {
        counters.receive_buffer = RECEIVE_BUFFER as u64;
    }

    fn poll_send(&mut self, run: &Run<'_>, _: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let stride = run.segment.unwrap_or(run.contents.len()).max(1);
        let place = self.place;
        self.world.with(|state| {
            let dst = state.places.of(run.dst);
            let mut send = |bytes: &[u8]| {
                let payload = bytes.to_vec().into();
                state.wires.send(place, Datagram { src: None, dst, payload });
            };
            if run.contents.is_empty() {
                send(&[]);
            }
            run.contents.chunks(stride).for_each(send);
        });
        Poll::Ready(Ok(()))
    }

    fn poll_receive(
        &mut self,
        arrived: &mut VecDeque<DatagramInput<UdpAddr>>,
        counters: &mut SocketCounters,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Left, ReceiveError>> {
        let (place, number) = (self.place, self.number);
        self.world.with(|state| {
            let Some(end) = state.wires.end(place) else {
                return Poll::Ready(Err(ReceiveError::Socket));
            };
            let inputs: Vec<_> = core::iter::from_fn(|| end.take(number)).take(SLOTS).collect();
            let left = if end.is_empty(number) { Left::Nothing } else { Left::Some };
            if left == Left::Nothing {
                end.wait(number, cx.waker());
            }
            if inputs.is_empty() {
                return Poll::Pending;
            }
            counters.receives += 1;
            for input in inputs {
                arrived.push_back(match input {
                    DatagramInput::Datagram { src, dst, payload } => {
                        counters.received += 1;
                        let (src, dst) = (state.places.at(src), state.places.at(dst));
                        DatagramInput::Datagram { src, dst, payload }
                    }
                    DatagramInput::Bound { local, mtu } => {
                        let local = local.into_iter().map(|local| state.places.at(local));
                        DatagramInput::Bound { local: local.collect(), mtu }
                    }
                    DatagramInput::Unreachable { dst } => {
                        counters.unreachable += 1;
                        DatagramInput::Unreachable { dst: state.places.at(dst) }
                    }
                    DatagramInput::TooLarge { dst, limit } => {
                        counters.too_large += 1;
                        DatagramInput::TooLarge { dst: state.places.at(dst), limit }
                    }
                    DatagramInput::PathMtu { dst, mtu } => {
                        DatagramInput::PathMtu { dst: state.places.at(dst), mtu }
                    }
                });
            }
            Poll::Ready(Ok(left))
        })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.world.with(|state| state.close(self.place));
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Socket").field(&self.local).finish()
    }
}
