//! Sans-IO stacks on a simulated network, for the suite.

use super::Fabric;
use crate::net::{self, App, Chance, Cx, Fate};
use crate::streams;
use core::fmt;
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use tellask::identity::PublicKey;
use tellask::swarm::{AskError, AskId, Command, Event, Link, TellError};
use tellask::{
    Datagram, DatagramInput, Instant, Layer, MemoryAddr, Node, Payload, StreamInput,
    StreamTransmit, Swarm,
};

/// The place at which nobody is.
pub const NOBODY: MemoryAddr = MemoryAddr(u32::MAX);

/// Nodes of a sans-IO stack on a simulated network.
pub struct World<L: Swarm> {
    network: Box<dyn Network<L>>,
    nobody: Option<L::Addr>,
    no_route: Option<L::Addr>,
    keys: Vec<PublicKey>,
    disguise: Option<Disguise<L::Addr>>,
}

type Disguise<A> = Box<dyn Fn(&A, &A) -> A>;

impl<L: Swarm + 'static> World<L> {
    /// As many nodes, on datagrams of up to `mtu` bytes without faults. `stack` makes that of each.
    #[must_use]
    pub fn new(seed: u64, nodes: usize, mtu: usize, mut stack: impl FnMut(usize) -> L) -> Self
    where
        L: Layer<Input = DatagramInput<MemoryAddr>, Transmit = Datagram<MemoryAddr>>,
    {
        let mut network = net::Network::tapped(seed, Ear::default());
        network.set_mtu(mtu);
        for node in 0..nodes {
            network.add(Self::place(node), stack(node), Inbox::default());
        }
        Self::on(Box::new(network))
    }

    /// As many nodes, on connections to which this happens.
    #[must_use]
    pub fn on_streams(
        seed: u64,
        nodes: usize,
        faults: streams::Faults,
        mut stack: impl FnMut(usize) -> L,
    ) -> Self
    where
        L: Layer<Input = StreamInput<MemoryAddr>, Transmit = StreamTransmit<MemoryAddr>>,
    {
        let mut network = streams::Network::tapped(seed, Ear::default());
        network.set_faults(faults);
        for node in 0..nodes {
            network.add(Self::place(node), stack(node), Inbox::default());
        }
        Self::on(Box::new(network))
    }

    fn on(network: Box<dyn Network<L>>) -> Self {
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

    /// What happens to datagrams, for faults of one's own. Connections have theirs from the beginning.
    pub fn set_faults(&mut self, faults: net::Faults) {
        self.network.suffer(faults);
    }

    /// Has the application of a node do something; `None` where the node is gone.
    fn act<T>(&mut self, node: usize, act: impl FnOnce(&mut Cx<'_, L>) -> T) -> Option<T> {
        let (mut act, mut result) = (Some(act), None);
        self.network.act(Self::place(node), &mut |cx| {
            result = act.take().map(|act| act(cx));
        });
        result
    }
}

impl<L: Swarm + 'static> Fabric for World<L> {
    type Addr = L::Addr;

    fn now(&self) -> Instant {
        self.network.now()
    }

    fn pass(&mut self, at_most: Duration) {
        let (until, heard) = (self.network.now() + at_most, self.network.heard());
        while self.network.step_by(until) {
            if self.network.heard() != heard {
                return;
            }
        }
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
        self.network.inbox(Self::place(node))?.events.pop_front()
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
        self.network.suffer(net::Faults { duplicate: Chance::ALWAYS, ..net::Faults::NONE })
    }

    fn listen_for(&mut self, bytes: &[u8]) -> bool {
        *self.network.ear() = Ear { needle: bytes.to_vec(), ..Ear::default() };
        true
    }

    fn overheard(&self) -> bool {
        self.network.overheard()
    }
}

impl<L: Swarm> fmt::Debug for World<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("now", &self.network.now()).finish_non_exhaustive()
    }
}

/// A network of either kind.
trait Network<L: Swarm> {
    fn now(&self) -> Instant;
    /// Lets the next thing happen, where it happens by then; else it is that time now.
    fn step_by(&mut self, until: Instant) -> bool;
    fn node(&self, addr: MemoryAddr) -> Option<&Node<L>>;
    fn act(&mut self, addr: MemoryAddr, act: &mut dyn FnMut(&mut Cx<'_, L>));
    fn inbox(&mut self, addr: MemoryAddr) -> Option<&mut Inbox<L::Addr>>;
    /// Events that all nodes have had.
    fn heard(&self) -> u64;
    fn crash(&mut self, addr: MemoryAddr);
    /// From now on this happens to datagrams, where there are any.
    fn suffer(&mut self, faults: net::Faults) -> bool;
    fn ear(&mut self) -> &mut Ear;
    fn overheard(&self) -> bool;
}

/// What is the same in networks of either kind, word for word.
macro_rules! network {
    ($run_until:ident) => {
        fn step_by(&mut self, until: Instant) -> bool {
            let steps = self.next_at().is_some_and(|next| next <= until);
            if steps {
                self.step();
            } else {
                self.$run_until(until);
            }
            steps
        }

        fn now(&self) -> Instant {
            self.now()
        }

        fn node(&self, addr: MemoryAddr) -> Option<&Node<L>> {
            self.node(addr)
        }

        fn act(&mut self, addr: MemoryAddr, act: &mut dyn FnMut(&mut Cx<'_, L>)) {
            self.app(addr, |_, cx| act(cx));
        }

        fn inbox(&mut self, addr: MemoryAddr) -> Option<&mut Inbox<L::Addr>> {
            self.app_at_mut(addr)
        }

        fn heard(&self) -> u64 {
            self.apps().map(|(_, inbox)| inbox.heard).sum()
        }

        fn crash(&mut self, addr: MemoryAddr) {
            self.crash(addr);
        }

        fn ear(&mut self) -> &mut Ear {
            self.tap_mut()
        }

        fn overheard(&self) -> bool {
            self.tap().heard
        }
    };
}

impl<L> Network<L> for net::Network<L, Inbox<L::Addr>, Ear>
where
    L: Swarm + Layer<Input = DatagramInput<MemoryAddr>, Transmit = Datagram<MemoryAddr>>,
{
    network!(step_until);

    fn suffer(&mut self, faults: net::Faults) -> bool {
        self.set_faults(faults);
        true
    }
}

impl<L> Network<L> for streams::Network<L, Inbox<L::Addr>, Ear>
where
    L: Swarm + Layer<Input = StreamInput<MemoryAddr>, Transmit = StreamTransmit<MemoryAddr>>,
{
    network!(run_until);

    fn suffer(&mut self, _: net::Faults) -> bool {
        false
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
    /// The last bytes that were sent on each connection, by whom.
    tails: BTreeMap<(MemoryAddr, streams::Connection), Vec<u8>>,
    heard: bool,
}

impl Ear {
    fn listen(&mut self, bytes: &[u8]) {
        let len = self.needle.len();
        self.heard |= len > 0 && bytes.windows(len).any(|part| part == self.needle);
    }
}

impl net::Tap for Ear {
    fn see(&mut self, sighting: &net::Sighting<'_>) {
        if matches!(sighting.fate, Fate::Sent { .. }) {
            self.listen(sighting.bytes);
        }
    }
}

impl streams::Tap for Ear {
    fn see(&mut self, _: &streams::Sighting) {}

    fn read_along(&mut self, addr: MemoryAddr, connection: streams::Connection, bytes: &[u8]) {
        let mut read = self.tails.remove(&(addr, connection)).unwrap_or_default();
        read.extend_from_slice(bytes);
        self.listen(&read);
        let tail = read.split_off(read.len().saturating_sub(self.needle.len()));
        self.tails.insert((addr, connection), tail);
    }
}
