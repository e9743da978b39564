//! Sans-IO stacks on the simulated network, for the suite.

use super::Fabric;
use crate::net::{App, Chance, Cx, Fate, Faults, Network, Sighting, Tap};
use core::fmt;
use core::time::Duration;
use std::collections::VecDeque;
use tellask::identity::PublicKey;
use tellask::swarm::{AskError, AskId, Command, Event, Link, TellError};
use tellask::{Datagram, DatagramInput, Instant, Layer, MemoryAddr, Payload, Swarm};

/// The place at which nobody is.
pub const NOBODY: MemoryAddr = MemoryAddr(u32::MAX);

/// Nodes of a sans-IO stack on a simulated network without faults.
pub struct World<L: Swarm> {
    network: Network<L, Inbox<L::Addr>, Ear>,
    nobody: Option<L::Addr>,
    no_route: Option<L::Addr>,
    keys: Vec<PublicKey>,
    disguise: Option<Disguise<L::Addr>>,
}

type Disguise<A> = Box<dyn Fn(&A, &A) -> A>;

impl<L> World<L>
where
    L: Swarm + Layer<Input = DatagramInput<MemoryAddr>, Transmit = Datagram<MemoryAddr>>,
{
    /// As many nodes, on datagrams of up to `mtu` bytes. `stack` makes that of each.
    #[must_use]
    pub fn new(seed: u64, nodes: usize, mtu: usize, mut stack: impl FnMut(usize) -> L) -> Self {
        let mut network = Network::tapped(seed, Ear::default());
        network.set_mtu(mtu);
        for node in 0..nodes {
            network.add(Self::place(node), stack(node), Inbox::default());
        }
        Self { network, nobody: None, no_route: None, keys: Vec::new(), disguise: None }
    }

    /// Where a node is.
    #[must_use]
    pub const fn place(node: usize) -> MemoryAddr {
        MemoryAddr(node as u32 + 1)
    }

    /// What the stack calls somebody at [`NOBODY`].
    #[must_use]
    pub fn with_nobody(mut self, nobody: L::Addr) -> Self {
        self.nobody = Some(nobody);
        self
    }

    /// An address that nothing of the nodes leads to.
    #[must_use]
    pub fn with_no_route(mut self, no_route: Option<L::Addr>) -> Self {
        self.no_route = no_route;
        self
    }

    /// The keys of the nodes, in their order.
    #[must_use]
    pub fn with_keys(mut self, keys: Vec<PublicKey>) -> Self {
        self.keys = keys;
        self
    }

    /// How to make an address of the place of the first one and the key of the second one.
    #[must_use]
    pub fn with_disguise(
        mut self,
        disguise: impl Fn(&L::Addr, &L::Addr) -> L::Addr + 'static,
    ) -> Self {
        self.disguise = Some(Box::new(disguise));
        self
    }

    /// The network, for faults of one's own.
    pub fn set_faults(&mut self, faults: Faults) {
        self.network.set_faults(faults);
    }

    fn heard(&self) -> u64 {
        self.network.apps().map(|(_, inbox)| inbox.heard).sum()
    }

    /// Has the application of a node do something; `None` where the node is gone.
    fn act<T>(&mut self, node: usize, act: impl FnOnce(&mut Cx<'_, L>) -> T) -> Option<T> {
        let mut result = None;
        self.network.app(Self::place(node), |_, cx| result = Some(act(cx)));
        result
    }
}

impl<L> Fabric for World<L>
where
    L: Swarm + Layer<Input = DatagramInput<MemoryAddr>, Transmit = Datagram<MemoryAddr>>,
{
    type Addr = L::Addr;

    fn now(&self) -> Instant {
        self.network.now()
    }

    fn pass(&mut self, at_most: Duration) {
        let (until, heard) = (self.network.now() + at_most, self.heard());
        while self.network.next_at().is_some_and(|next| next <= until) {
            self.network.step();
            if self.heard() != heard {
                return;
            }
        }
        self.network.step_until(until);
    }

    fn link(&self, node: usize) -> Link<L::Addr> {
        let node = self.network.node(Self::place(node));
        node.map_or_else(Link::unknown, |node| node.stack().link().clone())
    }

    fn mtu_to(&self, node: usize, dst: &L::Addr) -> usize {
        self.network.node(Self::place(node)).map_or(0, |node| node.stack().mtu_to(dst))
    }

    fn tell(&mut self, node: usize, dst: L::Addr, payload: Payload) -> Result<(), TellError> {
        self.act(node, |cx| cx.tell(dst, payload)).unwrap_or(Err(TellError::Closed))
    }

    fn ask(
        &mut self,
        node: usize,
        id: AskId,
        dst: L::Addr,
        payload: Payload,
        deadline: Instant,
    ) -> Result<(), AskError> {
        let asked = self.act(node, |cx| cx.ask(id, dst, payload, deadline));
        asked.unwrap_or(Err(AskError::Closed))
    }

    fn command(&mut self, node: usize, command: Command<L::Addr>) -> bool {
        self.act(node, |cx| cx.command(command)).is_some()
    }

    fn next_event(&mut self, node: usize) -> Option<Event<L::Addr>> {
        self.network.app_at_mut(Self::place(node))?.events.pop_front()
    }

    fn parse(&self, node: usize, text: &str) -> Result<L::Addr, String> {
        let node = self.network.node(Self::place(node)).ok_or("the node is gone")?;
        node.stack().parse_addr(text).map_err(|error| error.to_string())
    }

    fn nobody(&self) -> Option<L::Addr> {
        self.nobody.clone()
    }

    fn no_route(&self) -> Option<L::Addr> {
        self.no_route.clone()
    }

    fn key(&self, node: usize) -> Option<PublicKey> {
        self.keys.get(node).copied()
    }

    fn disguised(&self, at: usize, key_of: usize) -> Option<L::Addr> {
        let first = |node| self.link(node).local.into_iter().next();
        Some(self.disguise.as_ref()?(&first(at)?, &first(key_of)?))
    }

    fn vanish(&mut self, node: usize) -> bool {
        self.network.crash(Self::place(node));
        true
    }

    fn repeat_datagrams(&mut self) -> bool {
        self.network.set_faults(Faults { duplicate: Chance::ALWAYS, ..Faults::NONE });
        true
    }

    fn listen_for(&mut self, bytes: &[u8]) -> bool {
        *self.network.tap_mut() = Ear { needle: bytes.to_vec(), heard: false };
        true
    }

    fn overheard(&self) -> bool {
        self.network.tap().heard
    }
}

impl<L: Swarm> fmt::Debug for World<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("network", &self.network).finish_non_exhaustive()
    }
}

/// Keeps the events of a node until they are asked for.
struct Inbox<A> {
    events: VecDeque<Event<A>>,
    heard: u64,
}

impl<A> Default for Inbox<A> {
    fn default() -> Self {
        Self { events: VecDeque::new(), heard: 0 }
    }
}

impl<L: Swarm> App<L> for Inbox<L::Addr> {
    type Note = ();

    fn on_event(&mut self, _: &mut Cx<'_, L>, event: Event<L::Addr>) {
        self.heard += 1;
        self.events.push_back(event);
    }
}

/// Listens for some bytes.
#[derive(Debug, Default)]
struct Ear {
    needle: Vec<u8>,
    heard: bool,
}

impl Tap for Ear {
    fn see(&mut self, sighting: &Sighting<'_>) {
        if self.needle.is_empty() || !matches!(sighting.fate, Fate::Sent { .. }) {
            return;
        }
        self.heard |= sighting.bytes.windows(self.needle.len()).any(|part| part == self.needle);
    }
}
