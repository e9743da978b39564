//! Every figure that a node gives is described, and what is described is given by something.

#[path = "../../runtime-tokio/examples/stats.rs"]
mod example;

use std::collections::{BTreeMap, BTreeSet};
use tellask::driver::StreamCounters;
use tellask::identity::SecretKey;
use tellask::multi::Scheme;
use tellask::stats::Snapshot;
use tellask::stats::figures::TABLES;
use tellask::text::Description;
use tellask::{DatagramPort, Instant, Layer, Limits, Map, MemoryAddr, Multi, Par, StreamPort};

const COMMON: &str = "every layer";

/// By section, the kind of each figure.
fn described() -> BTreeMap<&'static str, BTreeMap<&'static str, &'static str>> {
    let (mut sections, mut section) = (BTreeMap::new(), "");
    for line in TABLES.lines() {
        if let Some(name) = line.strip_prefix("# ") {
            section = name;
        } else if let Some(row) = line.strip_prefix("| `") {
            let (name, rest) = row.split_once("` | ").expect("a kind");
            let (kind, meaning) = rest.split_once(" | ").expect("a meaning");
            assert!(meaning.len() > 5, "{line}");
            let figures: &mut BTreeMap<_, _> = sections.entry(section).or_default();
            assert_eq!(figures.insert(name, kind), None, "{section}.{name} is there twice");
        }
    }
    sections
}

/// Of a node on a socket, with every layer that can be read from text.
fn of_node() -> Snapshot {
    let key = SecretKey::from_seed(&[1; 32]);
    let id = key.id();
    let quic = if cfg!(feature = "quic") { "| quic" } else { "" };
    let text = format!(
        "udp://127.0.0.1:0 | p2pke {quic} | filter({id}) | fragment(64KiB) | ask | loopback | mux(u16, 7)"
    );
    let description: Description = text.parse().expect("a stack");
    let (node, _driver) = tellask_smol::stack(&description, Some(key)).bind().expect("a free port");
    node.stats()
}

/// Of what cannot be read from text.
fn of_others() -> Snapshot {
    let limits = Limits::default();
    let mut multi = Multi::new(&limits);
    let scheme: Scheme = "mem".parse().expect("a scheme");
    multi.add(Instant::ZERO, scheme, DatagramPort::<MemoryAddr>::new(&limits)).expect("room");
    let mut par = Par::new();
    par.insert(1, DatagramPort::<MemoryAddr>::new(&limits));
    let same = |addr: &MemoryAddr| Some(*addr);
    let map: Map<MemoryAddr, MemoryAddr, _, _> = Map::new(same, same, &limits);
    let streams = StreamPort::<MemoryAddr>::new(&limits);
    let mut snapshot = Snapshot::default();
    #[cfg(feature = "ssh")]
    {
        use tellask::ssh::{Setup, Ssh};
        let (key, seed) = (SecretKey::from_seed(&[1; 32]), tellask::Seed::from_u64(1));
        Ssh::<MemoryAddr>::new(Setup::new(key, &seed, &limits)).stats(&mut snapshot);
    }
    streams.stats(&mut snapshot);
    StreamCounters::default().stats(&mut snapshot);
    multi.stats(&mut snapshot);
    par.stats(&mut snapshot);
    map.stats(&mut snapshot);
    snapshot
}

#[test]
fn every_figure_is_described_and_every_description_is_of_a_figure() {
    let (described, all) = (described(), of_node().plus(of_others()));
    let mut given = BTreeSet::new();
    let kinds = [("counter", &all.counters), ("gauge", &all.gauges)];
    for (kind, name) in
        kinds.iter().flat_map(|(kind, all)| all.keys().map(move |name| (kind, name)))
    {
        let mut path: Vec<&str> = name.split('.').collect();
        let figure = path.pop().expect("a name");
        let section = path.iter().rev().find_map(|part| described.get_key_value(part));
        let (section, figures) = section.unwrap_or_else(|| panic!("{name} is of no section"));
        let common = figures.get(figure).is_none();
        let found = if common { described[COMMON].get(figure) } else { figures.get(figure) };
        assert_eq!(found, Some(kind), "{name}");
        given.insert((if common { COMMON } else { section }, figure));
    }
    let lacks = |section: &str| {
        (section == "quic" && !cfg!(feature = "quic"))
            || (section == "ssh" && !cfg!(feature = "ssh"))
    };
    for (section, figures) in described.iter().filter(|(section, _)| !lacks(section)) {
        for figure in figures.keys() {
            assert!(given.contains(&(*section, *figure)), "nothing gives {section}.{figure}");
        }
    }
}

#[test]
fn the_example_reads_figures() {
    example::main().expect("runs");
}
