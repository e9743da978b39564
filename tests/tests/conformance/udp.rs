//! Nodes on UDP sockets of the loopback interface, as an application holds them.

use super::hosts::Host;
use super::sockets::{Seen, Sockets};
use super::stacks::{Recipe, key, limits};
use super::text;
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::rc::Rc;
use tellask::p2pke::channel::Timing;
use tellask::swarm::BoxSwarm;
use tellask::{Addr, Datagram, DatagramInput, DatagramPort, Layer, Seed, Swarm, UdpAddr};
use tellask_sim::conformance::{Promises, Report, run};

/// A stack on a socket.
pub(crate) type UdpStack<A> = BoxSwarm<DatagramInput<UdpAddr>, Datagram<UdpAddr>, A>;

/// The port of "discard", which nobody listens on.
const NOBODY: UdpAddr = UdpAddr(SocketAddr::new(core::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9));

/// Bare datagrams on sockets.
pub(crate) fn datagrams() -> Recipe<UdpAddr, UdpAddr, DatagramPort<UdpAddr>> {
    let mut timing = Timing::DEFAULT;
    timing.handshake_timeout = Duration::from_secs(2);
    timing.silence = Duration::from_secs(2);
    let mut recipe = super::stacks::datagrams_of(NOBODY, timing);
    recipe.promises = on_sockets(recipe.promises);
    recipe
}

/// What sockets change in what datagrams promise.
pub(crate) fn on_sockets(mut promises: Promises) -> Promises {
    promises.mtu = 1_200;
    promises.loses = true;
    promises.patience = Duration::from_secs(20);
    promises.quiet = Duration::from_millis(100);
    promises
}

/// Plays the suite on sockets.
pub(crate) fn play<H: Host, A, L>(recipe: &Recipe<UdpAddr, A, L>, seed: u64) -> Report
where
    A: Addr + Send + Sync + Unpin + 'static,
    L: Swarm<Addr = A>
        + Layer<Input = DatagramInput<UdpAddr>, Transmit = Datagram<UdpAddr>>
        + Send
        + 'static,
{
    let (nobody, no_route) = (recipe.nobody.clone(), recipe.no_route.clone());
    let seen = Seen { nobody, no_route, disguise: recipe.disguise(), is_of: None };
    run(seed, &recipe.promises, |nodes, seed| {
        let bind = |host: &H, node| host.bind(Box::new(recipe.stack(node, seed)));
        Sockets::new(nodes, bind, seen.clone())
    })
}

/// Plays the suite on a stack that a runtime makes from text, as a program's user writes it.
pub(crate) fn play_text<H: Host>(layers: &str, seed: u64) -> Report {
    let description = text::description("udp://127.0.0.1:0", layers);
    let promises = on_sockets(text::datagrams());
    let mut promises = text::promised(promises, &description);
    // A text has no word for a shorter time-out of handshakes, so this is played in memory only.
    promises.reports_nobody = None;
    let nobody = text::address(&description, &NOBODY.to_string());
    let no_route = text::no_route(&description, &nobody);
    let seen = Seen { nobody, no_route, disguise: Some(Rc::new(text::disguised)), is_of: None };
    run(seed, &promises, |nodes, seed| {
        let open = |host: &H, node| {
            let seed = Seed::from_u64(seed).child(&format!("node {node}"));
            host.open(&description, key(node), seed, limits())
        };
        Sockets::new(nodes, open, seen.clone())
    })
}
