//! Graphs that are drawn.

use super::{Topology, TopologyError};
use crate::net::Chance;
use tellask::Seed;
use tellask::seed::Rng;

/// Graphs that are drawn in search of a connected one.
const DRAWS: usize = 100;

impl Topology {
    /// Every node knows `degree` others, at random; connected, where `degree` is two or more.
    ///
    /// Edges are drawn one by one between nodes that may still have one, as by Steger and Wormald
    /// (Generating random regular graphs quickly, 1999); where more than half of all edges are wanted, those
    /// that are not.
    ///
    /// # Errors
    /// There is no such graph: `degree` is not below `nodes`, or both are odd.
    pub fn random_regular(nodes: usize, degree: usize, seed: u64) -> Result<Self, TopologyError> {
        if degree >= nodes {
            return Err(TopologyError::TooDense { nodes, degree });
        }
        if nodes % 2 == 1 && degree % 2 == 1 {
            return Err(TopologyError::Odd { nodes, degree });
        }
        let mut rng = Seed::from_u64(seed).rng("random regular graph");
        if degree == 2 {
            // The only connected ones are rings, and a large one is seldom drawn.
            let mut order: Vec<usize> = (0..nodes).collect();
            shuffle(&mut order, &mut rng);
            let ring = (0..nodes).map(|at| (order[at], order[(at + 1) % nodes]));
            return Ok(Self::of(nodes, ring));
        }
        connected(degree >= 2, || {
            if degree <= nodes / 2 {
                return regular(nodes, degree, &mut rng);
            }
            let missing = regular(nodes, nodes - 1 - degree, &mut rng);
            let wanted = Self::full_mesh(nodes);
            Self::of(nodes, wanted.edges().filter(|(a, b)| !missing.knows(*a, *b)))
        })
    }

    /// A ring in which everybody knows `degree` neighbours, half of them on either side, and the far end
    /// of each edge is then moved to anybody, as often as `rewired` says (Watts and Strogatz, Collective
    /// dynamics of 'small-world' networks, 1998). Connected.
    ///
    /// # Errors
    /// `degree` is odd or not below `nodes`; or the edges are too few for the graph to be connected.
    pub fn small_world(
        nodes: usize,
        degree: usize,
        rewired: Chance,
        seed: u64,
    ) -> Result<Self, TopologyError> {
        if degree >= nodes {
            return Err(TopologyError::TooDense { nodes, degree });
        }
        if degree % 2 == 1 {
            return Err(TopologyError::OddNeighbourhood { degree });
        }
        let mut rng = Seed::from_u64(seed).rng("small world");
        connected(true, || watts_strogatz(nodes, degree, rewired, &mut rng))
    }
}

fn connected(wanted: bool, mut draw: impl FnMut() -> Topology) -> Result<Topology, TopologyError> {
    let mut draws = (0..DRAWS).map(|_| draw());
    draws.find(|graph| !wanted || graph.is_connected()).ok_or(TopologyError::Unconnected)
}

/// A regular graph, connected or not, of which at most half of all edges are wanted.
fn regular(nodes: usize, degree: usize, rng: &mut Rng) -> Topology {
    // Near the end no two that are left may go together: then it begins anew.
    loop {
        if let Some(graph) = try_regular(nodes, degree, rng) {
            return graph;
        }
    }
}

fn try_regular(nodes: usize, degree: usize, rng: &mut Rng) -> Option<Topology> {
    let mut graph = Topology::of(nodes, []);
    // An entry for each edge that a node has still to have.
    let mut ends: Vec<usize> = (0..nodes * degree).map(|end| end % nodes).collect();
    let mut vain = 0;
    while !ends.is_empty() {
        let (first, second) = (pick(&ends, rng), pick(&ends, rng));
        let (a, b) = (ends[first], ends[second]);
        if a == b || graph.knows(a, b) {
            vain += 1;
            let fits = |a: &usize| ends.iter().any(|b| a != b && !graph.knows(*a, *b));
            if vain % 64 == 0 && !ends.iter().any(fits) {
                return None;
            }
            continue;
        }
        graph.join(a, b);
        ends.swap_remove(first.max(second));
        ends.swap_remove(first.min(second));
    }
    Some(graph)
}

fn watts_strogatz(nodes: usize, degree: usize, rewired: Chance, rng: &mut Rng) -> Topology {
    let around = |step: usize| (0..nodes).map(move |node| (node, (node + step) % nodes));
    let mut graph = Topology::of(nodes, (1..=degree / 2).flat_map(around));
    for (node, far) in (1..=degree / 2).flat_map(around) {
        if !rewired.strikes(rng) {
            continue;
        }
        let strangers: Vec<usize> =
            graph.nodes().filter(|other| *other != node && !graph.knows(node, *other)).collect();
        if !strangers.is_empty() {
            graph.part(node, far);
            graph.join(node, strangers[pick(&strangers, rng)]);
        }
    }
    graph
}

fn pick<T>(of: &[T], rng: &mut Rng) -> usize {
    rng.below(of.len() as u64) as usize
}

fn shuffle<T>(items: &mut [T], rng: &mut Rng) {
    for last in (1..items.len()).rev() {
        items.swap(last, rng.below(last as u64 + 1) as usize);
    }
}
