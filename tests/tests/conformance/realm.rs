//! Nodes of a realm: in one process, by name, without a network between them.

use super::stacks::{Recipe, datagrams_of};
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use tellask::mux::Name;
use tellask::p2pke::channel::Timing;
use tellask::swarm::{AskError, AskId, Link, TellError};
use tellask::{
    Addr, Command, Datagram, DatagramInput, DatagramPort, Event, Instant, Layer, Node, Payload,
    Realm, Swarm,
};
use tellask_sim::conformance::{Fabric, Report, run};

/// The largest datagram.
const MTU: usize = 1_400;

/// Bare datagrams between names. Nobody is called "nobody", and whoever tells to it learns that.
pub(crate) fn datagrams() -> Recipe<Name, Name, DatagramPort<Name>> {
    let mut recipe = datagrams_of(Name::from("nobody"), Timing::DEFAULT);
    recipe.promises.reports_nobody = Some(Duration::from_millis(1));
    // Every text is a name.
    recipe.promises.wrong_addrs = Vec::new();
    recipe
}

/// Plays the suite in a realm.
pub(crate) fn play<A, L>(recipe: &Recipe<Name, A, L>, seed: u64) -> Report
where
    A: Addr + 'static,
    L: Swarm<Addr = A> + Layer<Input = DatagramInput<Name>, Transmit = Datagram<Name>> + 'static,
{
    run(seed, &recipe.promises, |nodes, seed| {
        let (now, mut realm) = (Instant::ZERO + Duration::from_secs(1), Realm::new(MTU));
        for node in 0..nodes {
            realm.join(now, name(node), recipe.stack(node, seed));
        }
        let nobody = recipe.nobody.clone();
        let no_route = recipe.no_route.clone();
        Named { realm, now, nobody, no_route, inboxes: BTreeMap::new(), heard: 0 }
    })
}

fn name(node: usize) -> Name {
    Name::from(format!("node {node}"))
}

/// A realm, its time, and what its nodes heard.
struct Named<A, L> {
    realm: Realm<Name, L>,
    now: Instant,
    nobody: A,
    no_route: Option<A>,
    inboxes: BTreeMap<Name, VecDeque<Event<A>>>,
    heard: usize,
}

impl<A, L> Named<A, L>
where
    A: Addr + 'static,
    L: Swarm<Addr = A> + Layer<Input = DatagramInput<Name>, Transmit = Datagram<Name>> + 'static,
{
    fn node(&self, node: usize) -> Option<&Node<L>> {
        self.realm.node(&name(node))
    }

    fn node_mut(&mut self, node: usize) -> Option<&mut Node<L>> {
        self.realm.node_mut(&name(node))
    }

    /// Carries whatever is there, and takes what the nodes have to say of it.
    fn settle(&mut self) {
        loop {
            let carried = self.realm.carry(self.now, 64);
            let names: Vec<Name> = self.realm.names().cloned().collect();
            for name in names {
                let Some(node) = self.realm.node_mut(&name) else { continue };
                let inbox = self.inboxes.entry(name).or_default();
                while let Some(event) = node.poll_event() {
                    inbox.push_back(event);
                    self.heard += 1;
                }
            }
            if carried == 0 {
                return;
            }
        }
    }
}

impl<A, L> Fabric for Named<A, L>
where
    A: Addr + 'static,
    L: Swarm<Addr = A> + Layer<Input = DatagramInput<Name>, Transmit = Datagram<Name>> + 'static,
{
    type Addr = A;

    fn now(&self) -> Instant {
        self.now
    }

    fn pass(&mut self, at_most: Duration) {
        let (until, heard) = (self.now + at_most, self.heard);
        self.settle();
        while self.heard == heard
            && let Some(due) = self.realm.poll_timeout()
            && due <= until
        {
            self.now = self.now.next().max(due);
            self.realm.handle_timeout(self.now);
            self.settle();
        }
        if self.heard == heard {
            self.now = self.now.max(until);
        }
    }

    fn link(&self, node: usize) -> Link<A> {
        self.node(node).map_or_else(Link::unknown, |node| node.stack().link().clone())
    }

    fn mtu_to(&self, node: usize, dst: &A) -> usize {
        self.node(node).map_or(0, |node| node.stack().mtu_to(dst))
    }

    fn tell(&mut self, node: usize, dst: A, payload: Payload) -> Result<(), TellError> {
        let now = self.now;
        self.node_mut(node).map_or(Err(TellError::Closed), |node| node.tell(now, dst, payload))
    }

    fn ask(
        &mut self,
        node: usize,
        id: AskId,
        dst: A,
        payload: Payload,
        deadline: Instant,
    ) -> Result<(), AskError> {
        let now = self.now;
        let Some(node) = self.node_mut(node) else { return Err(AskError::Closed) };
        node.ask(now, id, dst, payload, deadline)
    }

    fn command(&mut self, node: usize, command: Command<A>) -> bool {
        let now = self.now;
        self.node_mut(node).map(|node| node.handle_command(now, command)).is_some()
    }

    fn next_event(&mut self, node: usize) -> Option<Event<A>> {
        self.inboxes.get_mut(&name(node))?.pop_front()
    }

    fn nobody(&self) -> Option<A> {
        Some(self.nobody.clone())
    }

    fn no_route(&self) -> Option<A> {
        self.no_route.clone()
    }

    fn vanish(&mut self, node: usize) -> bool {
        self.realm.leave(&name(node)).is_some()
    }
}
