//! The swarms that the suite is played on.

use tellask::identity::SecretKey;
use tellask::p2pke::P2pke;
use tellask::swarm::Accept;
use tellask::time::Anchor;
use tellask::{DatagramPort, Limits, MemoryAddr, PeerAddr, Seed, Stack};
use tellask_sim::conformance::{NOBODY, World};

pub(crate) type Port = DatagramPort<MemoryAddr>;

pub(crate) fn port() -> Port {
    Port::new(&Limits::default())
}

pub(crate) fn memory(nodes: usize, seed: u64) -> World<Port> {
    World::new(seed, nodes, 1_400, |_| port()).with_nobody(NOBODY)
}

/// The key of a node.
pub(crate) fn key(node: usize) -> SecretKey {
    SecretKey::from_seed(&[node as u8 + 1; 32])
}

pub(crate) fn secure(nodes: usize, seed: u64) -> World<Stack<Port, P2pke<MemoryAddr>>> {
    let stack = |node| {
        let seed = Seed::from_u64(seed).child(&format!("node {node}"));
        let p2pke =
            P2pke::new(key(node), &seed, Anchor::default(), Accept::Anyone, &Limits::default());
        Stack::new(port(), p2pke)
    };
    World::new(seed, nodes, 1_400, stack)
        .with_nobody(PeerAddr { id: key(99).id(), addr: NOBODY })
        .with_keys((0..nodes).map(|node| *key(node).public()).collect())
        .with_disguise(|at, key_of| PeerAddr { id: key_of.id, addr: at.addr })
}
