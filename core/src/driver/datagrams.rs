//! The driver's side of a UDP socket: datagrams in batches of both directions.
//!
//! Bounds: [`COLLECT`] datagrams that were collected and not sent, [`HAND_IN`] that arrived and were not handed
//! in, and one call's worth more.

use super::backoff::Backoff;
use super::bind::BindError;
use super::burst::{Burst, RUN_MAX};
use super::counters::SocketCounters;
use super::exchange::Seat;
use super::hub::Hub;
use super::port::{Awake, Bind, Met, Port, PortStack, Pump};
use super::runtime::{Left, ReceiveError, Runtime, SendError, Socket};
use crate::addr::{Addr, UdpAddr};
use crate::identity::PublicKey;
use crate::limits::Limits;
use crate::p2pke::Tai64n;
use crate::port::{Datagram, DatagramInput};
use crate::swarm::{Command, Setting, Swarm};
use crate::time::Instant;
use crate::trace::trace;
use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

/// Datagrams collected under one lock at the most: several full runs, so that few are cut short.
const COLLECT: usize = 256;

/// Datagrams handed in under one lock at the most: no more than the inbox takes without a copy.
const HAND_IN: usize = 64;

/// When floors are told again that another worker had no room for.
const TELL_AGAIN: Duration = Duration::from_millis(10);

/// A datagram of this size fits on every path.
const ALWAYS_FITS: usize = 1_232;

/// The largest datagram that works towards everybody: what IPv6 guarantees (RFC 8200, section 5),
/// less the headers of IPv6 and UDP.
const MTU_FLOOR: usize = 1_232;

/// The largest datagram that Ethernet carries, less the headers of IPv6 and UDP: for layers that find out
/// what works towards each peer.
const MTU_ETHERNET: usize = 1_452;

/// A UDP socket to be.
#[derive(Clone, Debug)]
pub struct Udp {
    pub(super) addr: UdpAddr,
    mtu: Option<usize>,
    // Where none was said.
    usual_mtu: usize,
}

impl Udp {
    pub(super) const fn new(addr: UdpAddr) -> Self {
        Self { addr, mtu: None, usual_mtu: MTU_FLOOR }
    }

    pub(super) fn set_mtu(&mut self, bytes: usize) {
        self.mtu = Some(bytes.min(RUN_MAX));
    }

    /// Some layer finds out by itself what works.
    pub(super) const fn probes(&mut self) {
        self.usual_mtu = MTU_ETHERNET;
    }

    /// What the stack is told of the socket.
    pub(super) fn bound(&self, socket: &impl Socket) -> DatagramInput<UdpAddr> {
        let mtu = self.mtu.unwrap_or(self.usual_mtu);
        DatagramInput::Bound { local: vec![socket.local()], mtu }
    }
}

impl Port for Udp {
    type Input = DatagramInput<UdpAddr>;
    type Transmit = Datagram<UdpAddr>;
}

impl<R: Runtime> Bind<R> for Udp {
    type Pump = Datagrams<R::Socket>;

    fn bind(self, _: &Limits) -> Result<(Self::Pump, Self::Input), BindError> {
        let socket = R::bind(self.addr).map_err(|source| BindError::new(self.addr.0, source))?;
        let bound = self.bound(&socket);
        Ok((Datagrams::new(socket, None), bound))
    }
}

/// What serves a UDP socket.
pub struct Datagrams<K> {
    socket: K,
    arrived: VecDeque<DatagramInput<UdpAddr>>,
    burst: Burst,
    counters: SocketCounters,
    receiving: Backoff,
    sending: Backoff,
    // Where there are other workers.
    seat: Option<Seat>,
    raised: Vec<(PublicKey, Tai64n)>,
}

impl<K: Socket> Datagrams<K> {
    /// That of one of several workers, where it has a seat.
    pub(super) fn new(socket: K, seat: Option<Seat>) -> Self {
        let mut counters = SocketCounters::default();
        socket.describe(&mut counters);
        Self {
            socket,
            arrived: VecDeque::new(),
            burst: Burst::default(),
            counters,
            receiving: Backoff::default(),
            sending: Backoff::default(),
            seat,
            raised: Vec::new(),
        }
    }

    fn receive_own(&mut self, now: Instant, cx: &mut Context<'_>) -> Left {
        if self.receiving.until(now).is_some() {
            return Left::Nothing;
        }
        match self.socket.poll_receive(&mut self.arrived, &mut self.counters, cx) {
            Poll::Pending => Left::Nothing,
            Poll::Ready(Ok(left)) => {
                self.receiving.succeed();
                left
            }
            Poll::Ready(Err(error)) => {
                self.counters.receive_errors += 1;
                trace!(DEBUG, "driver", reason = ?error, "the socket failed");
                if error == ReceiveError::Socket {
                    self.receiving.fail(now);
                }
                Left::Some
            }
        }
    }
}

impl<K: Socket + Send + Unpin + 'static> Pump for Datagrams<K> {
    type Port = Udp;

    /// One call's worth, and what other workers handed over; hands over what is theirs.
    fn receive(&mut self, now: Instant, cx: &mut Context<'_>) -> Left {
        let room = HAND_IN.saturating_sub(self.arrived.len());
        if room == 0 {
            return Left::Some;
        }
        let Some(mut seat) = self.seat.take() else { return self.receive_own(now, cx) };
        seat.look();
        let more = seat.take(&mut self.arrived, room);
        let first = self.arrived.len();
        let left = self.receive_own(now, cx);
        seat.sort(&mut self.arrived, first);
        seat.wake_others();
        self.seat = Some(seat);
        if more { Left::Some } else { left }
    }

    fn meet<A: Addr>(&mut self, now: Instant, hub: &mut Hub<PortStack<A, Udp>>) -> Met {
        let blocked = self.is_blocked();
        let mut nothing = Vec::new();
        let (batch, max) = if blocked { (&mut nothing, 0) } else { (self.burst.refill(), COLLECT) };
        let count = self.arrived.len().min(HAND_IN);
        let stage = hub.turn(now, self.arrived.drain(..count), batch, max);
        let more = blocked || batch.len() == max;
        if let Some(seat) = &mut self.seat {
            for (key, stamp) in seat.take_floors() {
                hub.command(now, Command::Set(Setting::Floor { key, stamp }));
            }
            hub.take_floors(&mut self.raised);
            self.counters.note(&seat.handed());
        }
        Met { stage, more, handed_in: count > 0 }
    }

    fn part(&mut self) {
        if let Some(seat) = &mut self.seat
            && (!self.raised.is_empty() || seat.owes())
        {
            seat.tell_floors(self.raised.drain(..));
            seat.wake_others();
        }
    }

    /// Until it is all sent or the socket takes no more.
    fn send(&mut self, now: Instant, cx: &mut Context<'_>) {
        if self.sending.until(now).is_some() {
            return;
        }
        while let Some(run) = self.burst.run(self.socket.max_segments()) {
            let count = run.count as u64;
            let dst = UdpAddr(run.dst);
            let Poll::Ready(result) = self.socket.poll_send(&run, cx) else {
                self.counters.send_blocked += 1;
                return;
            };
            match result {
                Ok(()) => {
                    self.counters.sends += 1;
                    self.counters.sent += count;
                    self.sending.succeed();
                }
                Err(SendError::Unreachable) => {
                    self.counters.unreachable += count;
                    self.arrived.push_back(DatagramInput::Unreachable { dst });
                }
                Err(SendError::TooLarge) => {
                    self.counters.too_large += count;
                    self.arrived.push_back(DatagramInput::TooLarge { dst, limit: ALWAYS_FITS });
                }
                Err(SendError::OutOfMemory) => {
                    trace!(DEBUG, "driver", reason = "out of memory", "the socket failed");
                    self.counters.out_of_memory += 1;
                    self.sending.fail(now);
                    return;
                }
                Err(SendError::NoOffload) => {
                    self.counters.offload_refused += 1;
                    continue;
                }
            }
            self.burst.done();
        }
    }

    fn has_arrived(&self) -> bool {
        !self.arrived.is_empty()
    }

    fn is_sent(&self) -> bool {
        self.burst.is_empty()
    }

    fn is_blocked(&self) -> bool {
        !self.burst.is_empty()
    }

    fn report<S: Swarm>(&self, hub: &mut Hub<S>) {
        hub.report(&self.counters);
    }

    fn sleep(&mut self, now: Instant, waker: &Waker) -> Result<Option<Instant>, Awake> {
        if self.seat.as_mut().is_some_and(|seat| !seat.sleep(waker)) {
            return Err(Awake);
        }
        let owes = self.seat.as_ref().is_some_and(Seat::owes);
        let again = owes.then(|| now + TELL_AGAIN);
        let pauses = [self.sending.until(now), self.receiving.until(now), again];
        Ok(pauses.into_iter().flatten().min())
    }
}

impl<K: Socket> fmt::Debug for Datagrams<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.socket.local(), f)
    }
}
