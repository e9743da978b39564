//! Address translation between a node and the world, in the four kinds that RFC 3489 names.
//!
//! An address is a host and a port of it: the low 20 bits are the host, the high 12 the port. So the addresses that
//! count from zero are hosts with port zero, and there are about a million of them with 4,096 ports
//! each. Only NAT looks at that.
//!
//! A NAT is the host that the nodes behind it are seen as. Each of them has an equal share of its ports, in the order
//! in which they are listed (as RFC 7422 does it), so what one of them does never changes the port of
//! another, and a node's mappings are kept with the node: a datagram through a NAT takes no
//! longer, and nodes behind one NAT may be in different shards.
//!
//! | kind | a port is for | who may answer |
//! |---|---|---|
//! | full cone | the node | anybody |
//! | restricted cone | the node | hosts that it sent to |
//! | port-restricted cone | the node | addresses that it sent to |
//! | symmetric | the node and one destination | that destination |
//!
//! What a node sends keeps its mapping, and what it receives does not (RFC 4787, REQ-6). A mapping that timed out is
//! forgotten, and the next has another port. Nodes behind one NAT reach each other by their inner addresses without
//! translation, and by the outer ones where it hairpins. Whoever is outside cannot reach an inner address.
//!
//! Bounds: mappings by the ports; who may answer by whom a node sent to within the time-out, swept when twice as
//! many as were left by the last sweep.

use super::loss::Loss;
use super::place::ByAddr;
use core::time::Duration;
use std::collections::BTreeMap;
use tellask::{Instant, MemoryAddr};

/// Bits of an address that are the host.
const HOST_BITS: u32 = 20;
/// Ports of a host.
const PORTS: u32 = 1 << (u32::BITS - HOST_BITS);
/// So many who may answer are never swept.
const FEW: usize = 64;

/// The address of a port of a host. Hosts count modulo 2^20, ports modulo 4,096.
#[must_use]
pub const fn host_port(host: u32, port: u32) -> MemoryAddr {
    MemoryAddr(host & ((1 << HOST_BITS) - 1) | port << HOST_BITS)
}

/// The host of an address.
#[must_use]
pub const fn host_of(addr: MemoryAddr) -> u32 {
    addr.0 & ((1 << HOST_BITS) - 1)
}

/// The port of an address.
#[must_use]
pub const fn port_of(addr: MemoryAddr) -> u32 {
    addr.0 >> HOST_BITS
}

/// What a NAT makes a port for, and whom it lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NatKind {
    /// A port for the node; anybody may send to it.
    FullCone,
    /// A port for the node; hosts that the node sent to may.
    Restricted,
    /// A port for the node; addresses that the node sent to may.
    PortRestricted,
    /// A port for each destination, which alone may send to it.
    Symmetric,
}

/// How a NAT behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nat {
    /// What it makes ports for, and whom it lets in.
    pub kind: NatKind,
    /// How long a mapping is kept after the node sent through it last. RFC 4787 says no less than two minutes;
    /// many are shorter.
    pub timeout: Duration,
    /// Whether nodes behind it reach each other by the addresses that they have outside.
    pub hairpin: bool,
}

/// The ports that one node has of a NAT.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    host: u32,
    first: u32,
    ports: u32,
    /// Which time the NAT was put up: what it remembers from before is forgotten.
    epoch: u64,
}

/// All NATs, and who is behind which.
#[derive(Debug, Default)]
pub(super) struct Nats {
    by_host: BTreeMap<u32, (Nat, Vec<MemoryAddr>)>,
    behind: ByAddr<Share>,
    epoch: u64,
}

/// Where a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// Who it is from, as its receiver sees it.
    pub(super) src: MemoryAddr,
    /// The node that it reaches, if it does.
    pub(super) to: MemoryAddr,
}

impl Nats {
    pub(super) fn set(&mut self, host: u32, nat: Nat, nodes: &[MemoryAddr]) {
        self.remove(host);
        self.epoch += 1;
        let nodes: Vec<_> = nodes.iter().copied().take(PORTS as usize).collect();
        let ports = PORTS / (nodes.len() as u32).max(1);
        for (first, node) in (0..).step_by(ports as usize).zip(&nodes) {
            self.behind.set(*node, Some(Share { host, first, ports, epoch: self.epoch }));
        }
        self.by_host.insert(host, (nat, nodes));
    }

    pub(super) fn remove(&mut self, host: u32) {
        for node in self.by_host.remove(&host).map(|(_, nodes)| nodes).unwrap_or_default() {
            if self.behind.get(node).is_some_and(|share| share.host == host) {
                self.behind.set(node, None);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_host.is_empty()
    }

    /// The node that an address leads to, from anywhere.
    pub(super) fn target(&self, dst: MemoryAddr) -> MemoryAddr {
        if self.is_empty() {
            return dst;
        }
        let Some((_, nodes)) = self.by_host.get(&host_of(dst)) else { return dst };
        let ports = PORTS / (nodes.len() as u32).max(1);
        nodes.get((port_of(dst) / ports) as usize).copied().unwrap_or(dst)
    }

    /// Which way a datagram goes that `sender` sends, through its NAT where it is behind one.
    pub(super) fn route(
        &self,
        now: Instant,
        (sender, src, dst): (MemoryAddr, MemoryAddr, MemoryAddr),
        kept: &mut Option<Box<Mappings>>,
    ) -> Result<Route, Loss> {
        if self.is_empty() {
            return Ok(Route { src, to: dst });
        }
        let home = self.behind.get(sender);
        let near = self.behind.get(dst);
        let inside = home.zip(near).is_some_and(|(home, near)| home.host == near.host);
        if inside || (home.is_none() && near.is_none()) {
            return Ok(Route { src, to: self.target(dst) });
        }
        if near.is_some() {
            return Err(Loss::Private);
        }
        let to = self.target(dst);
        let Some(share) = home else { return Ok(Route { src, to }) };
        let Some((nat, _)) = self.by_host.get(&share.host) else { return Err(Loss::Ports) };
        if host_of(dst) == share.host && !nat.hairpin {
            return Err(Loss::Hairpin);
        }
        let src = kept.get_or_insert_default().outbound(nat, share, now, dst);
        src.map(|src| Route { src, to }).ok_or(Loss::Ports)
    }

    /// Whether the NAT that `node` is behind lets a datagram in that came for `dst` outside.
    pub(super) fn admit(
        &self,
        now: Instant,
        node: MemoryAddr,
        (src, dst): (MemoryAddr, MemoryAddr),
        kept: Option<&Mappings>,
    ) -> Result<(), Loss> {
        let share = self.behind.get(node).filter(|share| share.host == host_of(dst));
        let share = share.ok_or(Loss::Unmapped)?;
        let (nat, _) = self.by_host.get(&share.host).ok_or(Loss::Unmapped)?;
        kept.ok_or(Loss::Unmapped)?.inbound(nat, share, now, port_of(dst), src)
    }
}

/// What a NAT remembers of one node.
#[derive(Debug, Default)]
pub(super) struct Mappings {
    epoch: u64,
    /// By the destination where the NAT is symmetric, otherwise there is one for none.
    ports: BTreeMap<Option<MemoryAddr>, Mapping>,
    /// Which of them a port is for.
    taken: BTreeMap<u32, Option<MemoryAddr>>,
    /// How many were made.
    made: u32,
}

#[derive(Debug)]
struct Mapping {
    port: u32,
    used: Instant,
    /// Who may answer, and when they were sent to last.
    known: BTreeMap<MemoryAddr, Instant>,
    sweep_at: usize,
}

impl Mappings {
    /// The address that the node is seen as by `dst`, to which it sends; `None` where no port is left.
    fn outbound(
        &mut self,
        nat: &Nat,
        share: Share,
        now: Instant,
        dst: MemoryAddr,
    ) -> Option<MemoryAddr> {
        if self.epoch != share.epoch {
            *self = Self { epoch: share.epoch, ..Self::default() };
        }
        let whom = (nat.kind == NatKind::Symmetric).then_some(dst);
        let alive = |used: Instant| now.since(used) <= nat.timeout;
        if !self.ports.get(&whom).is_some_and(|mapping| alive(mapping.used)) {
            if let Some(dead) = self.ports.remove(&whom) {
                self.taken.remove(&dead.port);
            }
            let port = self.free_port(share, |used| !alive(used))?;
            self.taken.insert(port, whom);
            let mapping = Mapping { port, used: now, known: BTreeMap::new(), sweep_at: FEW };
            self.ports.insert(whom, mapping);
        }
        let mapping = self.ports.get_mut(&whom)?;
        mapping.used = now;
        if let Some(known) = nat.kind.knows(dst) {
            mapping.known.insert(known, now);
            if mapping.known.len() >= mapping.sweep_at {
                mapping.known.retain(|_, used| alive(*used));
                mapping.sweep_at = FEW.max(mapping.known.len() * 2);
            }
        }
        Some(host_port(share.host, mapping.port))
    }

    /// The port after the last that was given out; one whose mapping is dead where all are taken.
    fn free_port(&mut self, share: Share, dead: impl Fn(Instant) -> bool) -> Option<u32> {
        if self.taken.len() >= share.ports as usize {
            self.ports.retain(|_, mapping| !dead(mapping.used));
            let ports = &self.ports;
            self.taken.retain(|_, whom| ports.contains_key(whom));
        }
        let made = self.made;
        let nths = (0..share.ports).map(|nth| (made + nth) % share.ports);
        let free = nths.map(|nth| share.first + nth).find(|port| !self.taken.contains_key(port))?;
        self.made = (free - share.first + 1) % share.ports;
        Some(free)
    }

    /// Whether `src` may send to a port of the node.
    fn inbound(
        &self,
        nat: &Nat,
        share: Share,
        now: Instant,
        port: u32,
        src: MemoryAddr,
    ) -> Result<(), Loss> {
        let alive = |used: Instant| now.since(used) <= nat.timeout;
        let mapping = self.taken.get(&port).and_then(|whom| self.ports.get(whom));
        let mapping = mapping.filter(|mapping| self.epoch == share.epoch && alive(mapping.used));
        let mapping = mapping.ok_or(Loss::Unmapped)?;
        let Some(known) = nat.kind.knows(src) else { return Ok(()) };
        let known = mapping.known.get(&known).is_some_and(|used| alive(*used));
        known.then_some(()).ok_or(Loss::Filtered)
    }
}

impl NatKind {
    /// By what it knows who may answer.
    const fn knows(self, addr: MemoryAddr) -> Option<MemoryAddr> {
        match self {
            Self::FullCone => None,
            Self::Restricted => Some(host_port(host_of(addr), 0)),
            Self::PortRestricted | Self::Symmetric => Some(addr),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAT: Nat =
        Nat { kind: NatKind::Restricted, timeout: Duration::from_secs(10), hairpin: false };
    const SHARE: Share = Share { host: 9, first: 0, ports: 4, epoch: 1 };

    #[test]
    fn an_address_is_a_host_and_a_port_and_small_ones_are_hosts() {
        assert_eq!(host_port(77, 0), MemoryAddr(77));
        let addr = host_port(0xf_ffff, 0xfff);
        assert_eq!((addr, host_of(addr), port_of(addr)), (MemoryAddr(u32::MAX), 0xf_ffff, 0xfff));
        assert_eq!(host_port(1 << HOST_BITS, PORTS), MemoryAddr(0), "they count around");
    }

    #[test]
    fn who_may_answer_is_forgotten_when_nobody_was_sent_to_for_long() {
        let mut mappings = Mappings::default();
        let mut most = 0;
        for nth in 0..10_000_u32 {
            // A hundred hosts in the time for which they are remembered.
            let now = Instant::ZERO + Duration::from_millis(u64::from(nth) * 100);
            let dst = host_port(1_000 + nth, 0);
            let seen = mappings.outbound(&NAT, SHARE, now, dst);
            assert_eq!(seen, Some(host_port(9, 0)), "one port, which is always used");
            let answers = |nth| mappings.inbound(&NAT, SHARE, now, 0, host_port(1_000 + nth, 5));
            assert_eq!(answers(nth), Ok(()));
            assert_eq!(answers(nth.saturating_sub(100)), Ok(()));
            if nth > 100 {
                assert_eq!(answers(nth - 101), Err(Loss::Filtered));
            }
            most = most.max(mappings.ports[&None].known.len());
        }
        assert!((101..=202).contains(&most), "{most}");
    }

    #[test]
    fn every_node_behind_a_nat_has_its_share_of_ports_and_is_found_by_them() {
        for count in [1, 2, 3, 1_000, 4_096, 5_000_u32] {
            let nodes: Vec<_> = (0..count).map(MemoryAddr).collect();
            let mut nats = Nats::default();
            nats.set(900_000, NAT, &nodes);
            for node in nodes {
                let Some(share) = nats.behind.get(node) else {
                    assert!(node.0 >= PORTS, "{node} of {count} has none");
                    continue;
                };
                for port in [share.first, share.first + share.ports - 1] {
                    assert_eq!(nats.target(host_port(900_000, port)), node, "{count}");
                }
            }
            nats.remove(900_000);
            assert!(nats.is_empty() && nats.behind.get(MemoryAddr(0)).is_none());
        }
    }
}
