//! What happens between the sockets of a simulation.

use super::wire::{End, Wire};
use super::world::World;
use crate::net::{Faults, Network, Tap, Totals};
use core::any::Any;
use core::fmt;
use core::marker::PhantomData;
use core::time::Duration;
use std::sync::Arc;
use tellask::{MemoryAddr, UdpAddr};

/// The network of a simulation; cheap to clone, so that a task may have it, and cut what it likes. It is a
/// [`Network`] whose nodes are sockets.
pub struct Net<T = ()> {
    world: Arc<World>,
    tap: PhantomData<fn() -> T>,
}

impl<T: Tap + Send + 'static> Net<T> {
    pub(super) const fn new(world: Arc<World>) -> Self {
        Self { world, tap: PhantomData }
    }

    /// What happens on every way that has no faults of its own, from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.with(|network| network.set_faults(faults));
    }

    /// What happens from `src` to `dst`, from now on; the other direction is as before.
    pub fn set_faults_between(&self, src: UdpAddr, dst: UdpAddr, faults: Faults) {
        let (src, dst) = (self.place(src), self.place(dst));
        self.with(|network| network.set_faults_between(src, dst, faults));
    }

    /// The largest datagram, in bytes: 1,400 at first. A sender of a larger one is told.
    pub fn set_mtu(&self, mtu: usize) {
        self.with(|network| network.set_mtu(mtu));
    }

    /// Cuts the way from `src` to `dst`: what is sent from now on is lost. The other direction stays.
    pub fn cut(&self, src: UdpAddr, dst: UdpAddr) {
        let (src, dst) = (self.place(src), self.place(dst));
        self.with(|network| network.cut(src, dst));
    }

    /// Undoes [`cut`](Self::cut).
    pub fn mend(&self, src: UdpAddr, dst: UdpAddr) {
        let (src, dst) = (self.place(src), self.place(dst));
        self.with(|network| network.mend(src, dst));
    }

    /// Undoes every [`cut`](Self::cut).
    pub fn mend_all(&self) {
        self.with(Network::mend_all);
    }

    /// Cuts all ways between one side and the other, in both directions.
    pub fn part(&self, one: &[UdpAddr], other: &[UdpAddr]) {
        for (one, other) in one.iter().flat_map(|one| other.iter().map(move |other| (one, other))) {
            self.cut(*one, *other);
            self.cut(*other, *one);
        }
    }

    /// Delivers any bytes from any address after `delay`, untouched by faults and cuts: what somebody
    /// sends who can claim to be anybody.
    pub fn inject(&self, src: UdpAddr, dst: UdpAddr, bytes: &[u8], delay: Duration) {
        let (src, dst) = (self.place(src), self.place(dst));
        self.with(|network| network.inject(src, dst, bytes, delay));
    }

    /// What became of datagrams so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.with(|network| network.totals())
    }

    /// How many of those that were delivered found the socket's [buffer](super::RECEIVE_BUFFER) full.
    #[must_use]
    pub fn overflowed(&self) -> u64 {
        let open: u64 = self.with(|network| network.apps().map(|(_, end)| end.overflowed()).sum());
        self.world.with(|state| state.overflowed + open)
    }

    /// Does anything that a [`Network`] can: its nodes are at the [`place`](Self::place)s of the sockets. What it is to do
    /// must not call the simulation, nor let time pass.
    pub fn with<R>(&self, what: impl FnOnce(&mut Network<Wire, End, T>) -> R) -> R {
        self.world.with(|state| {
            let wires: &mut dyn Any = &mut *state.wires;
            what(wires.downcast_mut().expect("it is the network that the simulation was made with"))
        })
    }

    /// The name that an address has in the network, and in what its tap is told. It is the same in every
    /// simulation, but for addresses whose hashes are the same.
    #[must_use]
    pub fn place(&self, addr: UdpAddr) -> MemoryAddr {
        self.world.with(|state| state.places.of(addr.0))
    }

    /// The address that is at a place.
    #[must_use]
    pub fn addr(&self, place: MemoryAddr) -> UdpAddr {
        self.world.with(|state| state.places.at(place))
    }
}

impl<T> Clone for Net<T> {
    fn clone(&self) -> Self {
        Self { world: Arc::clone(&self.world), tap: PhantomData }
    }
}

impl<T> fmt::Debug for Net<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Net").field("now", &self.world.now()).finish_non_exhaustive()
    }
}
