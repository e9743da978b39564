//! A swarm over its own addresses, as one over [`AnyAddr`].

use super::addr::{AnyAddr, Label, spot_of};
use crate::addr::{Addr, At, MemoryAddr, PeerAddr, TcpAddr, UdpAddr};
use crate::layer::Layer;
use crate::mux::Varint;
use crate::stats::StatsSink;
use crate::swarm::{Command, Event, Link, Message, Swarm, Undeliverable};
use crate::time::Instant;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};

/// Addresses that one layer keeps shared, a power of two. A peer beyond costs an allocation a message
/// and nothing else.
const INTERNED: usize = 256;

/// What a layer is told that nobody waits for and it has no address for: only so many wait to be taken.
const STRAYS: usize = 1_024;

/// An address that has its place in [`AnyAddr`].
pub(super) trait Lifted: Addr {
    /// Whether making the address in common takes memory, so that it is kept.
    const SHARED: bool;
    /// The same address in common.
    fn lift(&self) -> AnyAddr;
    /// What the address in common is here; `None` where it is no such address.
    fn lower(addr: &AnyAddr) -> Option<Self>;
    /// Does something with what the address in common is here; `None` where it is no such address.
    fn lend<T>(addr: &AnyAddr, to: impl FnOnce(&Self) -> T) -> Option<T> {
        Self::lower(addr).map(|addr| to(&addr))
    }
    /// Where it would be looked for first.
    fn spot(&self) -> usize;
}

impl Lifted for UdpAddr {
    const SHARED: bool = false;

    fn lift(&self) -> AnyAddr {
        AnyAddr::Udp(*self)
    }

    fn lower(addr: &AnyAddr) -> Option<Self> {
        if let AnyAddr::Udp(addr) = addr { Some(*addr) } else { None }
    }

    fn spot(&self) -> usize {
        0
    }
}

impl Lifted for MemoryAddr {
    const SHARED: bool = false;

    fn lift(&self) -> AnyAddr {
        AnyAddr::Memory(*self)
    }

    fn lower(addr: &AnyAddr) -> Option<Self> {
        if let AnyAddr::Memory(addr) = addr { Some(*addr) } else { None }
    }

    fn spot(&self) -> usize {
        0
    }
}

/// A place alone is in common what it is on UDP: their texts are the same.
fn lift_tcp(addr: &TcpAddr) -> AnyAddr {
    match addr.places() {
        [place] => AnyAddr::Udp(UdpAddr(*place)),
        [..] => AnyAddr::Tcp(Arc::new(addr.clone())),
    }
}

impl Lifted for PeerAddr<TcpAddr> {
    const SHARED: bool = true;

    fn lift(&self) -> AnyAddr {
        let (id, addr) = (self.id, lift_tcp(&self.addr));
        AnyAddr::Peer(Arc::new(PeerAddr { id, addr }))
    }

    fn lower(addr: &AnyAddr) -> Option<Self> {
        let AnyAddr::Peer(peer) = addr else { return None };
        let addr = match &peer.addr {
            AnyAddr::Udp(UdpAddr(place)) => (*place).into(),
            AnyAddr::Tcp(addr) => (**addr).clone(),
            AnyAddr::Memory(_) | AnyAddr::Peer(_) | AnyAddr::At(_) => return None,
        };
        Some(Self { id: peer.id, addr })
    }

    fn spot(&self) -> usize {
        spot_of(&self.id)
    }
}

impl Lifted for PeerAddr<AnyAddr> {
    const SHARED: bool = true;

    fn lift(&self) -> AnyAddr {
        AnyAddr::Peer(Arc::new(self.clone()))
    }

    fn lower(addr: &AnyAddr) -> Option<Self> {
        if let AnyAddr::Peer(peer) = addr { Some((**peer).clone()) } else { None }
    }

    #[inline]
    fn lend<T>(addr: &AnyAddr, to: impl FnOnce(&Self) -> T) -> Option<T> {
        if let AnyAddr::Peer(peer) = addr { Some(to(peer)) } else { None }
    }

    fn spot(&self) -> usize {
        spot_of(&self.id)
    }
}

impl Lifted for At<Label, AnyAddr> {
    const SHARED: bool = true;

    fn lift(&self) -> AnyAddr {
        AnyAddr::At(Arc::new(self.clone()))
    }

    fn lower(addr: &AnyAddr) -> Option<Self> {
        if let AnyAddr::At(at) = addr { Some((**at).clone()) } else { None }
    }

    #[inline]
    fn lend<T>(addr: &AnyAddr, to: impl FnOnce(&Self) -> T) -> Option<T> {
        if let AnyAddr::At(at) = addr { Some(to(at)) } else { None }
    }

    fn spot(&self) -> usize {
        self.addr.spot() ^ self.key.spot()
    }
}

macro_rules! numbered {
    ($($number:ty, $value:expr;)*) => { $(
        impl Lifted for At<$number, AnyAddr> {
            const SHARED: bool = true;

            fn lift(&self) -> AnyAddr {
                // Digits are a label.
                match alloc::format!("{}", self.key).parse::<Label>() {
                    Ok(key) => AnyAddr::At(Arc::new(At { key, addr: self.addr.clone() })),
                    Err(_) => self.addr.clone(),
                }
            }

            fn lower(addr: &AnyAddr) -> Option<Self> {
                let AnyAddr::At(at) = addr else { return None };
                let text = at.key.as_str();
                let canonical = text == "0" || text.starts_with(|first| ('1'..='9').contains(&first));
                let key = text.parse().ok().filter(|_| canonical)?;
                Some(Self { key, addr: at.addr.clone() })
            }

            fn spot(&self) -> usize {
                let value: fn(&$number) -> u64 = $value;
                self.addr.spot() ^ value(&self.key) as usize
            }
        }
    )* };
}

numbered! {
    u16, |key| u64::from(*key);
    u32, |key| u64::from(*key);
    u64, |key| *key;
    Varint, |key| key.0;
}

/// The swarm `L`, whose addresses are `A`, over addresses in common. It holds no messages.
pub(super) struct Lift<L, A> {
    layer: L,
    interned: Vec<Option<(A, AnyAddr)>>,
    // The layer's link as it was last, and what it is in common.
    below: Link<A>,
    link: Link<AnyAddr>,
    strays: VecDeque<Event<AnyAddr>>,
    ended: bool,
    refused: u64,
}

impl<A: Lifted, L: Swarm<Addr = A>> Lift<L, A> {
    pub(super) fn new(layer: L) -> Self {
        let mut lift = Self {
            layer,
            interned: Vec::new(),
            below: Link::unknown(),
            link: Link::unknown(),
            strays: VecDeque::new(),
            ended: false,
            refused: 0,
        };
        lift.relink();
        lift
    }

    /// The links are compared, not the events, so that [`Swarm::link`] is right before those are taken.
    #[inline]
    fn relink(&mut self) {
        if *self.layer.link() != self.below {
            self.relink_changed();
        }
    }

    #[cold]
    fn relink_changed(&mut self) {
        self.below = self.layer.link().clone();
        self.link = self.below.clone().map(|addr| Some(self.intern(addr)));
    }

    /// The address in common, shared with whoever has it already.
    #[inline]
    fn intern(&mut self, addr: A) -> AnyAddr {
        if !A::SHARED {
            return addr.lift();
        }
        let spot = addr.spot();
        let spot = (spot ^ (spot >> 8) ^ (spot >> 16)) & (INTERNED - 1);
        if let Some(Some((known, common))) = self.interned.get(spot)
            && *known == addr
        {
            return common.clone();
        }
        self.intern_new(spot, addr)
    }

    #[cold]
    fn intern_new(&mut self, spot: usize, addr: A) -> AnyAddr {
        if self.interned.is_empty() {
            self.interned.resize_with(INTERNED, || None);
        }
        let common = addr.lift();
        if let Some(place) = self.interned.get_mut(spot) {
            *place = Some((addr, common.clone()));
        }
        common
    }

    #[cold]
    fn refuse(&mut self, command: Command<AnyAddr>) {
        self.refused += 1;
        let awaited = matches!(command, Command::Ask { .. } | Command::Identify { .. });
        if let Some(event) = command.refuse(Undeliverable::NoRoute)
            && (awaited || self.strays.len() < STRAYS)
            && !self.ended
        {
            self.strays.push_back(event);
        }
    }
}

impl<A: Lifted, L: Swarm<Addr = A>> Layer for Lift<L, A> {
    type Input = L::Input;
    type Transmit = L::Transmit;
    type Command = Command<AnyAddr>;
    type Event = Event<AnyAddr>;

    fn handle_input(&mut self, now: Instant, input: Self::Input) {
        self.layer.handle_input(now, input);
        self.relink();
    }

    fn handle_command(&mut self, now: Instant, command: Self::Command) {
        match command.try_map(|addr| A::lower(&addr).ok_or(addr)) {
            // What nearly always comes, and changes no link.
            Ok(tell @ Command::Tell { .. }) => self.layer.handle_command(now, tell),
            Ok(command) => {
                self.layer.handle_command(now, command);
                self.relink();
            }
            Err(command) => self.refuse(command),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.layer.handle_timeout(now);
        self.relink();
    }

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        self.layer.poll_transmit()
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        if let Some(event) = self.strays.pop_front() {
            return Some(event);
        }
        match self.layer.poll_event()? {
            Event::Told(Message { src, dst, payload }) => {
                let (src, dst) = (self.intern(src), self.intern(dst));
                Some(Event::Told(Message { src, dst, payload }))
            }
            event @ (Event::Link(_)
            | Event::PathMtu { .. }
            | Event::Asked { .. }
            | Event::Withdrawn { .. }
            | Event::Answered { .. }
            | Event::Identified { .. }
            | Event::PeerUp { .. }
            | Event::PeerDown { .. }
            | Event::Floor { .. }
            | Event::Undelivered { .. }
            | Event::Full { .. }
            | Event::Ready { .. }
            | Event::Closed) => {
                self.ended |= matches!(event, Event::Closed);
                event.try_map(|addr| Some(self.intern(addr)))
            }
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.layer.poll_timeout()
    }

    fn stats(&self, sink: &mut dyn StatsSink) {
        self.layer.stats(sink);
        sink.enter(format_args!("text"));
        sink.counter("refused", self.refused);
        sink.gauge("strays", self.strays.len() as u64);
        sink.state("strays", &|mut hasher: &mut dyn Hasher| {
            (&self.strays, self.ended, &self.link).hash(&mut hasher);
        });
        sink.leave();
    }
}

impl<A: Lifted, L: Swarm<Addr = A>> Swarm for Lift<L, A> {
    type Addr = AnyAddr;

    fn link(&self) -> &Link<AnyAddr> {
        &self.link
    }

    fn mtu_to(&self, dst: &AnyAddr) -> usize {
        // What has no route is refused as that, not as too large.
        A::lend(dst, |dst| self.layer.mtu_to(dst)).unwrap_or(self.link.tell_max)
    }

    fn is_full(&self, dst: &AnyAddr) -> bool {
        A::lend(dst, |dst| self.layer.is_full(dst)).unwrap_or(false)
    }

    fn is_closed(&self) -> bool {
        self.layer.is_closed()
    }
}

impl<L: fmt::Debug, A> fmt::Debug for Lift<L, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.layer.fmt(f)
    }
}
