//! What the suite needs of somebody's nodes.

use core::time::Duration;
use tellask::identity::PublicKey;
use tellask::swarm::{AskError, AskId, Command, Event, Link, TellError};
use tellask::{Addr, Instant, Payload};

/// Nodes that can reach one another, and the time that they live in. Nodes are called by numbers
/// from zero on.
///
/// [`World`](super::World) is one for sans-IO stacks on a simulated network; whoever has a transport of their
/// own implements it. The methods without a body are what every case needs, the others are
/// abilities: without one, the cases that need it are reported as not applicable.
pub trait Fabric {
    /// What the nodes call each other.
    type Addr: Addr;

    /// What time it is, by the clock that deadlines are told in.
    fn now(&self) -> Instant;

    /// Lets time pass: `at_most` so much, or until a node has an event that it did not have before.
    fn pass(&mut self, at_most: Duration);

    /// The addresses and limits of a node; [`Link::unknown`] as long as it does not know them.
    fn link(&self, node: usize) -> Link<Self::Addr>;

    /// The largest tell of a node to `dst`, in bytes.
    fn mtu_to(&self, node: usize, dst: &Self::Addr) -> usize;

    /// Has a node tell something.
    ///
    /// # Errors
    /// It does not accept it.
    fn tell(&mut self, node: usize, dst: Self::Addr, payload: Payload) -> Result<(), TellError>;

    /// Has a node ask something.
    ///
    /// # Errors
    /// It does not accept it.
    fn ask(
        &mut self,
        node: usize,
        id: AskId,
        dst: Self::Addr,
        payload: Payload,
        deadline: Instant,
    ) -> Result<(), AskError>;

    /// Hands a node a command, tells and asks past all gates. Returns whether the fabric can: every
    /// one hands in answers, cancellations and closing.
    fn command(&mut self, node: usize, command: Command<Self::Addr>) -> bool;

    /// The next event of a node.
    fn next_event(&mut self, node: usize) -> Option<Event<Self::Addr>>;

    /// Reads an address from its text, as this node does.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    fn parse(&self, node: usize, text: &str) -> Result<Self::Addr, String> {
        let _ = node;
        text.parse().map_err(|error| format!("{error}"))
    }

    /// An address in the nodes' network at which nobody is.
    fn nobody(&self) -> Option<Self::Addr> {
        None
    }

    /// An address that reads as one of the nodes', and that nothing of them leads to: of a transport or a
    /// channel that none of them has.
    fn no_route(&self) -> Option<Self::Addr> {
        None
    }

    /// Whether what a node says may come from `src`: from its first address, unless the fabric knows better. On TCP
    /// a node speaks from a port that nobody listens on, where it has dialled.
    fn speaks_from(&self, node: usize, src: &Self::Addr) -> bool {
        self.link(node).local.first() == Some(src)
    }

    /// The key that a node of a secure swarm holds.
    fn key(&self, node: usize) -> Option<PublicKey> {
        let _ = node;
        None
    }

    /// The place of the node `at` with the key of another one: where nobody has that key.
    fn disguised(&self, at: usize, key_of: usize) -> Option<Self::Addr> {
        let _ = (at, key_of);
        None
    }

    /// A node stops at once and without a word. Returns whether the fabric can.
    fn vanish(&mut self, node: usize) -> bool {
        let _ = node;
        false
    }

    /// From now on the network delivers every datagram twice. Returns whether the fabric can.
    fn repeat_datagrams(&mut self) -> bool {
        false
    }

    /// From now on, listens for these bytes in what the nodes send. Returns whether the fabric can.
    fn listen_for(&mut self, bytes: &[u8]) -> bool {
        let _ = bytes;
        false
    }

    /// Whether [`listen_for`](Self::listen_for)'s bytes were sent since.
    fn overheard(&self) -> bool {
        false
    }
}
