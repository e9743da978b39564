//! SSH over TCP and over simulated connections.

use super::hosts::{Host, SshStack};
use super::sockets::{Seen, Sockets};
use super::stacks::{ASK_MAX, Disguise, SOMEBODY, key, limits};
use super::udp::on_sockets;
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::rc::Rc;
use tellask::addr::{Source, TcpAddr};
use tellask::ssh::{Fingerprint, HANDSHAKE, Setup, Ssh, SshAddr};
use tellask::{Addr, MemoryAddr, Seed};
use tellask_sim::conformance::{NOBODY, Promises, Report, World, run};
use tellask_sim::net::Chance;
use tellask_sim::streams::Faults;

/// The largest message, in bytes.
const MTU: usize = 1 << 17;

fn promises() -> Promises {
    let mut promises = Promises::datagrams(MTU).secured().asking(ASK_MAX);
    promises.reports_nobody = Some(2 * HANDSHAKE);
    promises
}

fn seen<A: Addr + Source + 'static>(nobody: A) -> Seen<SshAddr<A>> {
    let fingerprint = Fingerprint::of(key(SOMEBODY).public());
    let disguise: Disguise<SshAddr<A>> = Rc::new(|at: &SshAddr<A>, key_of: &SshAddr<A>| SshAddr {
        fingerprint: key_of.fingerprint,
        addr: at.addr.clone(),
    });
    let (nobody, disguise) = (SshAddr { fingerprint, addr: nobody }, Some(disguise));
    let is_of = |a: &SshAddr<A>, b: &SshAddr<A>| a.fingerprint == b.fingerprint;
    Seen { nobody, no_route: None, disguise, is_of: Some(is_of) }
}

fn stack(node: usize, seed: u64) -> Ssh<MemoryAddr> {
    let (seed, limits) = (Seed::from_u64(seed).child(&format!("node {node}")), limits());
    Ssh::new(Setup::new(key(node), &seed, &limits))
}

/// Plays the suite on TCP.
pub(crate) fn play<H: Host>(seed: u64) -> Report {
    // The port of "discard", which nobody listens on.
    let nobody = TcpAddr::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 9)));
    let mut promises = on_sockets(promises());
    promises.mtu = MTU;
    run(seed, &promises, |nodes, seed| {
        let open = |host: &H, node| {
            let seed = Seed::from_u64(seed).child(&format!("node {node}"));
            host.ssh(key(node), seed, limits())
        };
        Sockets::<H, SshStack>::new(nodes, open, seen(nobody.clone()))
    })
}

/// Plays it on connections in memory to which this happens.
pub(crate) fn play_in_memory(faults: Faults, seed: u64) -> Report {
    run(seed, &promises(), |nodes, seed| {
        let Seen { nobody, disguise, .. } = seen(NOBODY);
        let keys = (0..nodes).map(|node| *key(node).public());
        let world = World::on_streams(seed, nodes, faults, |node| stack(node, seed))
            .with_nobody(nobody)
            .with_keys(keys.collect());
        let disguise = disguise.expect("keys are proven");
        world.with_disguise(move |at, key_of| disguise(at, key_of))
    })
}

/// One byte at a time, and now and then nothing for a while.
pub(crate) fn tiny_and_stalled() -> Faults {
    let mut faults = Faults::NONE;
    faults.segment = 1;
    faults.delay = Duration::from_millis(1);
    faults.stall = Chance::millionths(1_000);
    faults.stall_for = Duration::from_millis(50);
    faults
}
