//! Swarms without a socket: many nodes in one process, and nodes whose datagrams the application carries.
//!
//! Both stand on the [datagram port](crate::port), which is generic in the address: nothing above it knows
//! which it is on. Maps: nothing. Wire format: whatever stands on the port.
//!
//! A [`Virtual`] node is one whose messages the application carries itself: what goes down is handed to it,
//! what it gets comes up. It is how a stack is put over a transport that nobody here thought of: a serial
//! line, a message broker, another library's socket.
//!
//! ```
//! use tellask::realm::Virtual;
//! use tellask::{DatagramPort, Instant, Limits, MemoryAddr, Swarm};
//!
//! let now = Instant::ZERO;
//! let node = |number| {
//!     let port = DatagramPort::new(&Limits::default());
//!     Virtual::new(port, now, MemoryAddr(number), 1_200)
//! };
//! let (mut alice, mut bob) = (node(1), node(2));
//! alice.node_mut().tell(now, MemoryAddr(2), "hello").unwrap();
//! // Carry it in whatever way there is.
//! alice.carry(64, |_dst, payload| bob.receive(now, MemoryAddr(1), payload.into_mut()));
//! let message = bob.node_mut().receive(&mut Default::default()).unwrap();
//! assert_eq!(&message.payload[..], b"hello");
//! ```
//!
//! A [`Realm`] connects many nodes by name in one process: what one sends is what another gets, at once, in
//! order, without loss, and the same at every run. (A network with delays and faults is in `tellask-sim`.)
//!
//! Timers: those of the nodes. Bounds: a realm holds nothing itself, what waits is in the nodes' own queues;
//! one call of [`Realm::carry`] moves no more than it is told to. A datagram to a name that nobody has is
//! counted, and its sender learns that nobody is there.

use crate::addr::Addr;
use crate::driver::Node;
use crate::layer::{Layer, earliest};
use crate::payload::Payload;
use crate::port::{Datagram, DatagramInput};
use crate::time::Instant;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec;
use bytes::BytesMut;
use core::fmt;

/// A node whose datagrams the application carries.
#[derive(Clone, Debug)]
pub struct Virtual<S, L> {
    node: Node<L>,
    addr: S,
}

impl<S, L> Virtual<S, L>
where
    S: Addr,
    L: Layer<Input = DatagramInput<S>, Transmit = Datagram<S>>,
{
    /// A node called `addr`, of this stack, whose datagrams have up to `mtu` bytes.
    #[must_use]
    pub fn new(stack: L, now: Instant, addr: S, mtu: usize) -> Self {
        let mut node = Node::new(stack);
        let local = vec![addr.clone()];
        node.handle_input(now, DatagramInput::Bound { local, mtu });
        Self { node, addr }
    }

    /// What the other nodes call it.
    pub const fn addr(&self) -> &S {
        &self.addr
    }

    /// The node: commands go in here, events come out.
    pub const fn node(&self) -> &Node<L> {
        &self.node
    }

    /// The node, to command it and to take its events.
    pub const fn node_mut(&mut self) -> &mut Node<L> {
        &mut self.node
    }

    /// Hands in a datagram that came from `src`, as far as the application knows.
    pub fn receive(&mut self, now: Instant, src: S, payload: BytesMut) {
        let dst = self.addr.clone();
        self.node.handle_input(now, DatagramInput::Datagram { src, dst, payload });
    }

    /// Says that nobody is at `dst`.
    pub fn unreachable(&mut self, now: Instant, dst: S) {
        self.node.handle_input(now, DatagramInput::Unreachable { dst });
    }

    /// Hands up to `max` datagrams to `to`, with where they are to go, and returns how many those
    /// were. Read [`Node::poll_timeout`] afterwards: taking them can make something due.
    pub fn carry(&mut self, max: usize, mut to: impl FnMut(S, Payload)) -> usize {
        let mut carried = 0;
        while carried < max
            && let Some(Datagram { dst, payload, .. }) = self.node.poll_transmit()
        {
            to(dst, payload);
            carried += 1;
        }
        carried
    }
}

/// Nodes of one process, by name.
#[derive(Clone)]
pub struct Realm<S, L> {
    nodes: BTreeMap<S, Virtual<S, L>>,
    mtu: usize,
    carried: u64,
    to_nobody: u64,
}

impl<S, L> Realm<S, L>
where
    S: Addr,
    L: Layer<Input = DatagramInput<S>, Transmit = Datagram<S>>,
{
    /// A realm without nodes, whose datagrams have up to `mtu` bytes.
    #[must_use]
    pub const fn new(mtu: usize) -> Self {
        Self { nodes: BTreeMap::new(), mtu, carried: 0, to_nobody: 0 }
    }

    /// Puts a node of this stack under `name`, and returns the one that had it.
    pub fn join(&mut self, now: Instant, name: S, stack: L) -> Option<Node<L>> {
        let node = Virtual::new(stack, now, name.clone(), self.mtu);
        self.nodes.insert(name, node).map(|old| old.node)
    }

    /// Takes out the node under `name`, with whatever it still holds.
    pub fn leave(&mut self, name: &S) -> Option<Node<L>> {
        self.nodes.remove(name).map(|old| old.node)
    }

    /// The node under `name`.
    #[must_use]
    pub fn node(&self, name: &S) -> Option<&Node<L>> {
        self.nodes.get(name).map(Virtual::node)
    }

    /// The node under `name`, to command it and to take its events.
    pub fn node_mut(&mut self, name: &S) -> Option<&mut Node<L>> {
        self.nodes.get_mut(name).map(Virtual::node_mut)
    }

    /// The names of all nodes, in order.
    pub fn names(&self) -> impl Iterator<Item = &S> {
        self.nodes.keys()
    }

    /// Carries up to `max` datagrams, one of each node in turn and in the order of their names, and
    /// what those bring about. Returns how many it carried: fewer than `max` where nothing is left.
    pub fn carry(&mut self, now: Instant, max: usize) -> usize {
        let mut turns: VecDeque<S> = self.nodes.keys().cloned().collect();
        // Nodes that had nothing to send, one after the other.
        let mut idle = 0;
        let mut carried = 0;
        while carried < max && idle < turns.len() {
            let Some(name) = turns.pop_front() else { break };
            let Some(sender) = self.nodes.get_mut(&name) else { continue };
            match sender.node.poll_transmit() {
                Some(Datagram { dst, payload, .. }) => {
                    self.deliver(now, &name, dst, payload);
                    carried += 1;
                    idle = 0;
                }
                None => idle += 1,
            }
            turns.push_back(name);
        }
        carried
    }

    /// Does what is due by `now` in every node.
    pub fn handle_timeout(&mut self, now: Instant) {
        for node in self.nodes.values_mut() {
            node.node.handle_timeout(now);
        }
    }

    /// When the first node has something to do; read it after [`carry`](Self::carry).
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.nodes.values().map(|node| node.node.poll_timeout()).fold(None, earliest)
    }

    /// Datagrams that were carried, and those of them that were for a name that nobody had.
    #[must_use]
    pub const fn carried(&self) -> (u64, u64) {
        (self.carried, self.to_nobody)
    }

    fn deliver(&mut self, now: Instant, src: &S, dst: S, payload: Payload) {
        self.carried += 1;
        if let Some(receiver) = self.nodes.get_mut(&dst) {
            receiver.receive(now, src.clone(), payload.into_mut());
            return;
        }
        self.to_nobody += 1;
        if let Some(sender) = self.nodes.get_mut(src) {
            sender.unreachable(now, dst);
        }
    }
}

impl<S: fmt::Debug, L> fmt::Debug for Realm<S, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Realm")
            .field("names", &self.nodes.keys())
            .field("mtu", &self.mtu)
            .field("carried", &self.carried)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fragment::Fragmenter;
    use crate::limits::Limits;
    use crate::mux::Name;
    use crate::port::DatagramPort;
    use crate::seed::Seed;
    use crate::stack::Stack;
    use crate::swarm::{Event, Message, Undeliverable};
    use alloc::vec::Vec;

    type Port = DatagramPort<Name>;

    const NOW: Instant = Instant::from_nanos(1);
    const NAMES: [&str; 3] = ["alice", "bob", "carol"];

    fn realm() -> Realm<Name, Port> {
        let mut realm = Realm::new(500);
        for name in NAMES {
            realm.join(NOW, name.into(), Port::new(&Limits::default()));
        }
        realm
    }

    fn tell(realm: &mut Realm<Name, Port>, from: &str, to: &str, text: &'static str) {
        let node = realm.node_mut(&from.into()).expect("a node");
        node.tell(NOW, to.into(), text).expect("accepted");
    }

    fn heard(realm: &mut Realm<Name, Port>, name: &str) -> Vec<Message<Name>> {
        let node = realm.node_mut(&name.into()).expect("a node");
        let mut others = VecDeque::new();
        core::iter::from_fn(|| node.receive(&mut others)).collect()
    }

    #[test]
    fn nodes_of_one_process_find_each_other_by_name() {
        let mut realm = realm();
        tell(&mut realm, "alice", "bob", "hello");
        tell(&mut realm, "carol", "bob", "me too");
        assert_eq!(realm.carry(NOW, usize::MAX), 2);
        let from: Vec<Name> = heard(&mut realm, "bob").into_iter().map(|m| m.src).collect();
        assert_eq!(from, [Name::from("alice"), Name::from("carol")]);
        assert!(heard(&mut realm, "alice").is_empty());
    }

    #[test]
    fn whoever_tells_to_a_name_that_nobody_has_learns_it() {
        let mut realm = realm();
        realm.leave(&"bob".into()).expect("it was there");
        tell(&mut realm, "alice", "bob", "hello");
        assert_eq!((realm.carry(NOW, 10), realm.carried()), (1, (1, 1)));
        let node = realm.node_mut(&"alice".into()).expect("a node");
        let reason = Undeliverable::Unreachable;
        let lost = Event::Undelivered { dst: Name::from("bob"), reason };
        assert!(core::iter::from_fn(|| node.poll_event()).any(|event| event == lost));
    }

    #[test]
    fn nodes_take_turns_and_no_more_is_carried_than_was_asked_for() {
        let mut realm = realm();
        for _ in 0..3 {
            tell(&mut realm, "alice", "carol", "of many");
        }
        tell(&mut realm, "bob", "carol", "the only one");
        assert_eq!(realm.carry(NOW, 2), 2);
        let from: Vec<Name> = heard(&mut realm, "carol").into_iter().map(|m| m.src).collect();
        assert_eq!(from, [Name::from("alice"), Name::from("bob")]);
        assert_eq!(realm.carry(NOW, 10), 2);
    }

    #[test]
    fn a_receiver_that_takes_nothing_holds_no_more_than_its_bound() {
        let limits = Limits { receive: 2_000, ..Limits::default() };
        let mut realm = realm();
        realm.join(NOW, "bob".into(), Port::new(&limits)).expect("the old one");
        for _ in 0..1_000 {
            tell(&mut realm, "alice", "bob", "again");
            realm.carry(NOW, 1);
        }
        let stats = realm.node(&"bob".into()).expect("a node").stats();
        assert!(stats.value("datagram.receive_bytes") <= 2_000);
        assert!(stats.value("datagram.received_but_dropped") > 900);
    }

    #[test]
    fn the_application_carries_the_datagrams_of_virtual_nodes() {
        let limits = Limits::default();
        let node = |name: &str, seed| {
            let fragmenter = Fragmenter::new(10_000, &Seed::from_u64(seed), &limits);
            let stack = Stack::new(Port::new(&limits), fragmenter);
            Virtual::new(stack, NOW, Name::from(name), 500)
        };
        let (mut alice, mut bob) = (node("alice", 1), node("bob", 2));
        alice.node_mut().tell(NOW, "bob".into(), vec![7; 10_000]).expect("accepted");
        let mut wire = Vec::new();
        while alice.carry(4, |dst, payload| wire.push((dst, payload.into_mut()))) > 0 {}
        assert!(wire.iter().all(|(dst, payload)| dst == bob.addr() && payload.len() <= 500));
        // In whatever order the application's transport has.
        for (_, payload) in wire.into_iter().rev() {
            bob.receive(NOW, alice.addr().clone(), payload);
        }
        let message = bob.node_mut().receive(&mut VecDeque::new()).expect("it is whole");
        assert_eq!((message.src, &message.payload[..]), ("alice".into(), &[7; 10_000][..]));
    }

    #[test]
    fn the_realms_timers_are_those_of_its_nodes() {
        let mut realm = realm();
        assert_eq!(realm.poll_timeout(), None);
        let alice = realm.node_mut(&"alice".into()).expect("a node");
        alice.close(NOW);
        realm.handle_timeout(NOW.next());
        let alice = realm.node_mut(&"alice".into()).expect("a node");
        assert!(core::iter::from_fn(|| alice.poll_event()).any(|event| event == Event::Closed));
    }
}
