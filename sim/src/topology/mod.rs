//! Who knows whom: graphs for tests of many nodes.
//!
//! Nodes are the numbers from zero on. A graph has neither loops nor double edges, its neighbours are in order,
//! and the random ones are functions of their seed.
//!
//! | | nodes | degree | |
//! |---|---|---|---|
//! | [`line`](Topology::line) | n | 1 at the ends, 2 | each with the next, both ways |
//! | [`chain`](Topology::chain) | n | 0 or 1 outward | each knows the one before it, and nobody the one behind: how nodes join one by one |
//! | [`ring`](Topology::ring) | n | 2 | a line whose ends know each other |
//! | [`star`](Topology::star) | n | n − 1 and 1 | node 0 with all others |
//! | [`full_mesh`](Topology::full_mesh) | n | n − 1 | everybody with everybody |
//! | [`grid`](Topology::grid) | w · h | 2 to 4 | node `y · w + x` with its neighbours in row and column |
//! | [`random_regular`](Topology::random_regular) | n | d | at random |
//! | [`small_world`](Topology::small_world) | n | k on average, k / 2 at the least | Watts and Strogatz: a ring of neighbourhoods, some edges of which lead anywhere |

mod random;
#[cfg(test)]
mod tests;

use core::fmt;
use std::collections::{BTreeSet, VecDeque};

/// A graph: for each node, the nodes that it knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    neighbours: Vec<BTreeSet<usize>>,
}

impl Topology {
    /// A path: each node knows the next and the one before.
    #[must_use]
    pub fn line(nodes: usize) -> Self {
        Self::of(nodes, (1..nodes).map(|node| (node - 1, node)))
    }

    /// A line of one-way acquaintances: each node but the first knows the one before it. The only graph here
    /// that is not [symmetric](Self::is_symmetric).
    #[must_use]
    pub fn chain(nodes: usize) -> Self {
        let mut chain = Self::of(nodes, []);
        for node in 1..nodes {
            chain.neighbours[node].insert(node - 1);
        }
        chain
    }

    /// A line whose ends know each other. Of two nodes, it is the line.
    #[must_use]
    pub fn ring(nodes: usize) -> Self {
        Self::of(nodes, (0..nodes).map(|node| (node, (node + 1) % nodes)))
    }

    /// Node 0 knows all others, who know nobody else.
    #[must_use]
    pub fn star(nodes: usize) -> Self {
        Self::of(nodes, (1..nodes).map(|node| (0, node)))
    }

    /// Everybody knows everybody.
    #[must_use]
    pub fn full_mesh(nodes: usize) -> Self {
        Self::of(nodes, (0..nodes).flat_map(|node| (0..node).map(move |other| (other, node))))
    }

    /// Rows of `width` nodes, `height` of them; no edge leads around.
    #[must_use]
    pub fn grid(width: usize, height: usize) -> Self {
        let nodes = width * height;
        let right = (0..nodes).filter(|node| (node + 1) % width != 0).map(|node| (node, node + 1));
        let below = (width..nodes).map(|node| (node - width, node));
        Self::of(nodes, right.chain(below))
    }

    /// The graph of these edges, each known at both ends. Loops are left out.
    pub(crate) fn of(nodes: usize, edges: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let mut graph = Self { neighbours: vec![BTreeSet::new(); nodes] };
        for (a, b) in edges {
            graph.join(a, b);
        }
        graph
    }

    fn join(&mut self, a: usize, b: usize) {
        if a != b {
            self.neighbours[a].insert(b);
            self.neighbours[b].insert(a);
        }
    }

    fn part(&mut self, a: usize, b: usize) {
        self.neighbours[a].remove(&b);
        self.neighbours[b].remove(&a);
    }

    /// How many nodes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.neighbours.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.neighbours.is_empty()
    }

    /// All nodes, in order.
    pub fn nodes(&self) -> impl Iterator<Item = usize> + use<> {
        0..self.neighbours.len()
    }

    /// Whom a node knows, in order; nobody, where there is no such node.
    pub fn neighbours(&self, node: usize) -> impl Iterator<Item = usize> {
        self.neighbours.get(node).into_iter().flatten().copied()
    }

    /// How many a node knows.
    #[must_use]
    pub fn degree(&self, node: usize) -> usize {
        self.neighbours.get(node).map_or(0, BTreeSet::len)
    }

    /// Whether `node` knows `other`.
    #[must_use]
    pub fn knows(&self, node: usize, other: usize) -> bool {
        self.neighbours.get(node).is_some_and(|known| known.contains(&other))
    }

    /// Every pair of nodes of which one knows the other, the smaller one first, in order.
    pub fn edges(&self) -> impl Iterator<Item = (usize, usize)> {
        let arcs = self.arcs();
        arcs.filter(|(a, b)| a < b || !self.knows(*b, *a)).map(|(a, b)| (a.min(b), a.max(b)))
    }

    /// Every node with every one that it knows: each edge of a symmetric graph twice.
    pub fn arcs(&self) -> impl Iterator<Item = (usize, usize)> {
        let all = self.neighbours.iter().enumerate();
        all.flat_map(|(node, known)| known.iter().map(move |other| (node, *other)))
    }

    /// Whether all acquaintances are mutual.
    #[must_use]
    pub fn is_symmetric(&self) -> bool {
        self.arcs().all(|(a, b)| self.knows(b, a))
    }

    /// Whether edges, in whatever direction, lead from any node to any other one.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        Self::of(self.len(), self.arcs()).distances(0).iter().all(Option::is_some)
    }

    /// How many acquaintances it is from `node` to each; `None` where none leads there.
    #[must_use]
    pub fn distances(&self, node: usize) -> Vec<Option<usize>> {
        let mut distances = vec![None; self.len()];
        let mut next = VecDeque::new();
        if let Some(own) = distances.get_mut(node) {
            *own = Some(0);
            next.push_back((node, 0));
        }
        while let Some((node, distance)) = next.pop_front() {
            for other in self.neighbours(node) {
                if distances[other].is_none() {
                    distances[other] = Some(distance + 1);
                    next.push_back((other, distance + 1));
                }
            }
        }
        distances
    }

    /// A walk along mutual edges from `node` to everybody that they lead to, and back: each step is from one
    /// entry to the next.
    #[must_use]
    pub fn walk(&self, node: usize) -> Vec<usize> {
        let mut seen = vec![false; self.len()];
        let (mut path, mut walk) = (Vec::new(), Vec::new());
        if node < self.len() {
            path.push(node);
        }
        while let Some(at) = path.last().copied() {
            seen[at] = true;
            walk.push(at);
            let next = self.neighbours(at).find(|other| !seen[*other] && self.knows(*other, at));
            match next {
                Some(next) => path.push(next),
                None => drop(path.pop()),
            }
        }
        walk
    }
}

/// Why there is no such graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TopologyError {
    /// Each node is to know as many as there are nodes, or more.
    TooDense {
        /// How many there are.
        nodes: usize,
        /// How many each is to know.
        degree: usize,
    },
    /// The degrees add up to an odd number, but every edge has two ends.
    Odd {
        /// How many nodes there are.
        nodes: usize,
        /// How many each is to know.
        degree: usize,
    },
    /// Half of the neighbours are to be on either side, but their number is odd.
    OddNeighbourhood {
        /// How many each is to know.
        degree: usize,
    },
    /// None of a hundred graphs that were drawn was connected: there are too few edges.
    Unconnected,
}

impl fmt::Display for TopologyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooDense { nodes, degree } => {
                write!(f, "none of {nodes} nodes has {degree} others to know")
            }
            Self::Odd { nodes, degree } => {
                write!(f, "{nodes} nodes with {degree} edges each have an odd number of ends")
            }
            Self::OddNeighbourhood { degree } => {
                write!(f, "{degree} neighbours are not as many on either side: make it even")
            }
            Self::Unconnected => f.write_str("too few edges for a connected graph"),
        }
    }
}

impl core::error::Error for TopologyError {}
