use super::{Topology, TopologyError};
use crate::net::Chance;

/// Every size at which a graph could be made wrongly, and a few larger ones.
const SIZES: [usize; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 13, 64, 150];

fn degrees(graph: &Topology) -> Vec<usize> {
    graph.nodes().map(|node| graph.degree(node)).collect()
}

fn is_sound(graph: &Topology, what: &str) {
    assert!(graph.arcs().all(|(a, b)| a != b), "{what} has a loop");
    assert!(graph.arcs().all(|(_, b)| b < graph.len()), "{what} has an edge to no node");
    assert!(graph.is_connected(), "{what} is not connected");
    for node in graph.nodes() {
        let known: Vec<usize> = graph.neighbours(node).collect();
        assert!(known.is_sorted_by(|a, b| a < b), "{what} has neighbours out of order");
    }
}

fn is_sound_and_mutual(graph: &Topology, what: &str) {
    is_sound(graph, what);
    assert!(graph.is_symmetric(), "{what} has an edge in one direction only");
    assert_eq!(graph.arcs().count(), 2 * graph.edges().count(), "{what}");
    let walk = graph.walk(0);
    assert!(walk.windows(2).all(|step| graph.knows(step[0], step[1])), "{what}: {walk:?}");
    assert!(graph.nodes().all(|node| walk.contains(&node)), "{what}: {walk:?}");
    assert_eq!(walk.first(), walk.last(), "{what}");
}

#[test]
fn regular_shapes_have_the_degrees_that_they_are_known_for() {
    for nodes in SIZES {
        let line = Topology::line(nodes);
        is_sound_and_mutual(&line, "a line");
        assert_eq!(line.edges().count(), nodes.saturating_sub(1));
        let ring = Topology::ring(nodes);
        is_sound_and_mutual(&ring, "a ring");
        assert!(degrees(&ring).iter().all(|degree| *degree == nodes.saturating_sub(1).min(2)));
        let star = Topology::star(nodes);
        is_sound_and_mutual(&star, "a star");
        assert_eq!(star.degree(0), nodes.saturating_sub(1));
        assert!(degrees(&star).iter().skip(1).all(|degree| *degree == 1));
        let mesh = Topology::full_mesh(nodes);
        is_sound_and_mutual(&mesh, "a mesh");
        assert!(degrees(&mesh).iter().all(|degree| *degree == nodes - 1));
    }
}

#[test]
fn a_chain_is_a_line_of_which_each_knows_the_one_before_only() {
    for nodes in SIZES {
        let chain = Topology::chain(nodes);
        is_sound(&chain, "a chain");
        assert!(chain.edges().eq(Topology::line(nodes).edges()));
        assert!(chain.nodes().all(|node| chain.neighbours(node).eq(node.checked_sub(1))));
        assert_eq!(chain.is_symmetric(), nodes < 2);
    }
    assert_eq!(Topology::chain(3).distances(1), [Some(1), Some(0), None]);
    assert_eq!(Topology::chain(3).walk(2), [2], "nothing leads back");
}

#[test]
fn a_grid_has_edges_along_its_rows_and_columns() {
    assert!(Topology::grid(3, 2).edges().eq([
        (0, 1),
        (0, 3),
        (1, 2),
        (1, 4),
        (2, 5),
        (3, 4),
        (4, 5)
    ]));
    for (width, height) in [(0, 0), (0, 3), (1, 1), (1, 5), (5, 1), (4, 4), (7, 3)] {
        let grid = Topology::grid(width, height);
        is_sound_and_mutual(&grid, "a grid");
        assert_eq!(grid.len(), width * height);
        let edges = width.saturating_sub(1) * height + width * height.saturating_sub(1);
        assert_eq!(grid.edges().count(), edges);
        let far = grid.distances(0).into_iter().flatten().max();
        assert_eq!(far, (width * height > 0).then(|| width + height - 2));
    }
}

#[test]
fn random_regular_graphs_are_regular_connected_and_of_their_seed() {
    for nodes in SIZES {
        for degree in (0..nodes).filter(|degree| nodes * degree % 2 == 0).take(20) {
            for seed in 0..4 {
                let what = format!("{nodes} nodes of degree {degree} under seed {seed}");
                let graph = Topology::random_regular(nodes, degree, seed).expect(&what);
                assert_eq!(graph, Topology::random_regular(nodes, degree, seed).expect(&what));
                assert!(degrees(&graph).iter().all(|other| *other == degree), "{what}: {graph:?}");
                if degree >= 2 {
                    is_sound_and_mutual(&graph, &what);
                }
            }
        }
    }
    let draw = |seed| Topology::random_regular(64, 3, seed).expect("there are many");
    assert_ne!(draw(1), draw(2));
    assert!(Topology::random_regular(64, 60, 1).is_ok(), "nearly all edges");
}

#[test]
fn regular_graphs_that_cannot_be_are_refused() {
    let draw = |nodes, degree| Topology::random_regular(nodes, degree, 1);
    assert_eq!(draw(5, 3), Err(TopologyError::Odd { nodes: 5, degree: 3 }));
    assert_eq!(draw(4, 4), Err(TopologyError::TooDense { nodes: 4, degree: 4 }));
    assert_eq!(draw(0, 0), Err(TopologyError::TooDense { nodes: 0, degree: 0 }));
    assert_eq!(draw(4, 9), Err(TopologyError::TooDense { nodes: 4, degree: 9 }));
}

#[test]
fn small_worlds_keep_their_edges_and_are_connected_and_of_their_seed() {
    for (nodes, degree) in [(3, 2), (7, 4), (8, 6), (40, 4), (150, 6)] {
        for percent in [0, 1, 10, 50] {
            for seed in 0..4 {
                let draw = || Topology::small_world(nodes, degree, Chance::percent(percent), seed);
                let what = format!("{nodes} {degree} {percent} {seed}");
                let graph = draw().expect(&what);
                assert_eq!(Ok(&graph), draw().as_ref());
                is_sound_and_mutual(&graph, &what);
                assert_eq!(graph.edges().count(), nodes * degree / 2, "{what}");
                assert!(degrees(&graph).iter().all(|own| *own >= degree / 2), "{what}");
            }
        }
    }
}

#[test]
fn a_small_world_is_a_ring_of_neighbourhoods_with_short_cuts() {
    let draw = |percent| Topology::small_world(200, 4, Chance::percent(percent), 3).expect("drawn");
    let far = |graph: &Topology| graph.distances(0).into_iter().flatten().max();
    let (ring, world) = (draw(0), draw(10));
    assert!(ring.nodes().all(|node| ring.knows(node, (node + 2) % 200)));
    assert_eq!(far(&ring), Some(50));
    assert!(far(&world) < Some(25), "{:?}", far(&world));
    let kept = world.edges().filter(|(a, b)| ring.knows(*a, *b)).count();
    assert!((320..400).contains(&kept), "{kept} of 400 stayed where they were");
}

#[test]
fn small_worlds_that_cannot_be_are_refused() {
    let draw = |nodes, degree| Topology::small_world(nodes, degree, Chance::percent(10), 1);
    assert_eq!(draw(9, 3), Err(TopologyError::OddNeighbourhood { degree: 3 }));
    assert_eq!(draw(4, 4), Err(TopologyError::TooDense { nodes: 4, degree: 4 }));
    assert_eq!(draw(9, 0), Err(TopologyError::Unconnected));
}
