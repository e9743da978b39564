//! Stacks that are read from text, and what they promise.

use super::stacks::{ASK_MAX, Boxed, HEADER, MTU, Recipe, SOMEBODY, key, limits};
use std::rc::Rc;
use std::sync::Arc;
use tellask::addr::At;
use tellask::diagnostics::Diagnostics;
use tellask::swarm::Accept;
use tellask::text::{Description, LayerSpec, Parts, memory_port};
use tellask::time::Anchor;
use tellask::{AnyAddr, MemoryAddr, PeerAddr};
use tellask_sim::conformance::{NOBODY, Oneself, Promises};

/// What stands on a bottom, here with `{members}` for the ids of all who are let through.
pub(crate) const STACKS: [&str; 8] = [
    "",
    "| p2pke",
    "| ask | mux(u16, 1, 2)",
    "| fragment(64KiB) | ask | loopback",
    "| p2pke | fragment(256KiB) | ask | mux(string)",
    "| p2pke | fragment(20000) | ask | mux(string, one, two) | loopback",
    "| mux(varint, 300) | p2pke | filter({members}) | ask | mux(u64, 7)",
    "| loopback | mux(u32) | fragment(30000) | p2pke | ask",
];

/// A stack on this bottom.
pub(crate) fn description(bottom: &str, layers: &str) -> Description {
    let members = (0..20).chain([SOMEBODY]).map(|node| key(node).id().to_string());
    let members = members.collect::<Vec<_>>().join(", ");
    let text = format!("{bottom} {}", layers.replace("{members}", &members));
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// A stack in memory.
pub(crate) fn in_memory(layers: &str) -> Recipe<MemoryAddr, AnyAddr, Boxed<MemoryAddr, AnyAddr>> {
    let description = description("memory://0", layers);
    let promises = promised(datagrams(), &description);
    let nobody = address(&description, &NOBODY.to_string());
    let no_route = no_route(&description, &nobody);
    let make = move |node, seed: &tellask::Seed| {
        let (limits, seed, key) = (limits(), seed.clone(), Some(key(node)));
        let (clock, epoch) = (Anchor::default(), Some(std::time::Instant::now().into()));
        let (accept, diagnostics) = (Accept::Anyone, Diagnostics::default());
        let parts = Parts { limits, seed, key, clock, accept, epoch, diagnostics };
        description.build(memory_port(&parts.limits), &parts).expect("a stack that can be made")
    };
    Recipe::new(make, nobody, no_route, Some(Rc::new(disguised)), promises)
}

/// What its bottom promises.
pub(crate) fn datagrams() -> Promises {
    let mut promises = Promises::datagrams(MTU);
    promises.oneself = Oneself::Delivered;
    promises
}

/// What these layers promise, on a bottom that promises `promises`.
pub(crate) fn promised(mut promises: Promises, description: &Description) -> Promises {
    for layer in description.layers() {
        match layer {
            LayerSpec::P2pke => {
                promises = promises.secured();
                promises.ask_max = None;
                promises.mtu -= HEADER;
            }
            LayerSpec::Quic => {
                promises = promises.secured().asking(ASK_MAX);
                promises.mtu = 1 << 20;
            }
            LayerSpec::Fragment { max } => promises.mtu = *max,
            LayerSpec::Ask => {
                promises = promises.asking(ASK_MAX);
                promises.mtu -= HEADER;
            }
            LayerSpec::Loopback => promises.oneself = Oneself::Delivered,
            LayerSpec::Mux { .. } => {
                promises.mtu -= HEADER;
                promises.ask_max = promises.ask_max.map(|max| max - HEADER);
            }
            LayerSpec::Filter { .. } => {}
        }
    }
    promises
}

/// What somebody at this place is called above these layers.
pub(crate) fn address(description: &Description, place: &str) -> AnyAddr {
    let mut text = place.to_owned();
    for layer in description.layers() {
        match layer {
            LayerSpec::P2pke | LayerSpec::Quic => {
                text = format!("{}@{text}", key(SOMEBODY).id());
            }
            LayerSpec::Mux { channels, .. } => text = format!("{}://{text}", channels[0]),
            LayerSpec::Fragment { .. }
            | LayerSpec::Ask
            | LayerSpec::Filter { .. }
            | LayerSpec::Loopback => {}
        }
    }
    text.parse().expect("an address")
}

/// What is in no channel that is open, where channels are what is on top of a stack's addresses.
pub(crate) fn no_route(description: &Description, nobody: &AnyAddr) -> Option<AnyAddr> {
    let named = |layer: &&LayerSpec| layer.proves_keys() || matches!(layer, LayerSpec::Mux { .. });
    let last = description.layers().iter().rfind(named)?;
    let LayerSpec::Mux { .. } = last else { return None };
    let text = nobody.to_string();
    let (_, below) = text.split_once("://")?;
    format!("nowhere://{below}").parse().ok()
}

/// What a node would be called at the place of the first and with the key of the second.
pub(crate) fn disguised(at: &AnyAddr, key_of: &AnyAddr) -> AnyAddr {
    match (at, key_of) {
        (AnyAddr::Peer(at), AnyAddr::Peer(key_of)) => {
            AnyAddr::Peer(Arc::new(PeerAddr { id: key_of.id, addr: at.addr.clone() }))
        }
        (AnyAddr::At(at), AnyAddr::At(key_of)) => {
            let addr = disguised(&at.addr, &key_of.addr);
            AnyAddr::At(Arc::new(At { key: at.key, addr }))
        }
        _ => at.clone(),
    }
}
