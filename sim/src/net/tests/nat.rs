//! Nodes behind NATs.

use super::*;
use crate::net::{Nat, NatKind, host_of, host_port, port_of};

/// Outside: two ports of one host, and one of another. The host of the NAT is 9.
const WORLD: [MemoryAddr; 3] = [host_port(5, 0), host_port(5, 1), host_port(6, 0)];
const HOST: u32 = 9;
const TIMEOUT: Duration = Duration::from_secs(30);

/// A and B behind a NAT, and the world.
fn behind(kind: NatKind, hairpin: bool, shards: usize) -> Ports {
    let mut network: Ports = Network::tapped(3, Sightings::default());
    network.set_shards(shards);
    for at in [A, B].into_iter().chain(WORLD) {
        network.add(at, DatagramPort::new(&Limits::default()), Ear::default());
    }
    network.set_nat(HOST, Nat { kind, timeout: TIMEOUT, hairpin }, &[A, B]);
    network
}

/// Sends, and returns as whom the sender was heard.
fn tell(
    network: &mut Ports,
    from: MemoryAddr,
    to: MemoryAddr,
    node: MemoryAddr,
) -> Option<MemoryAddr> {
    network.app(from, |_, cx| cx.tell(to, "hello").expect("accepted"));
    network.run_for(Duration::from_millis(100));
    let heard: Vec<_> = network.app_at_mut(node).expect("there").0.drain(..).collect();
    assert!(heard.len() < 2);
    heard.first().map(|(src, _, _)| *src)
}

#[test]
fn each_kind_of_nat_lets_those_in_that_it_should() {
    // Who may answer to a port through which A sent to the first: itself, another port of it, another host.
    for (kind, open) in [
        (NatKind::FullCone, [true, true, true]),
        (NatKind::Restricted, [true, true, false]),
        (NatKind::PortRestricted, [true, false, false]),
        (NatKind::Symmetric, [true, false, false]),
    ] {
        let mut network = behind(kind, false, 1);
        let outer = tell(&mut network, A, WORLD[0], WORLD[0]).expect("it is let out");
        assert_eq!(host_of(outer), HOST, "{kind:?}");
        for (from, open) in WORLD.into_iter().zip(open) {
            let heard = tell(&mut network, from, outer, A);
            assert_eq!(heard, open.then_some(from), "{kind:?} {from}");
        }
        let filtered = open.iter().filter(|open| !**open).count() as u64;
        assert_eq!(network.totals().lost_by.of(Loss::Filtered), filtered, "{kind:?}");
        // A port that nobody was given leads nowhere, and inner addresses are not reached at all.
        assert_eq!(tell(&mut network, WORLD[0], host_port(HOST, 77), A), None);
        assert_eq!(tell(&mut network, WORLD[0], host_port(HOST, 3_000), B), None);
        assert_eq!(network.totals().lost_by.of(Loss::Unmapped), 2);
        assert_eq!(tell(&mut network, WORLD[0], A, A), None);
        assert_eq!(network.totals().lost_by.of(Loss::Private), 1);
    }
}

#[test]
fn a_cone_has_one_port_for_a_node_and_a_symmetric_nat_one_for_each_destination() {
    for kind in [NatKind::FullCone, NatKind::Restricted, NatKind::PortRestricted] {
        let mut network = behind(kind, false, 1);
        let outer = WORLD.map(|to| tell(&mut network, A, to, to).expect("it is let out"));
        assert_eq!(outer, [outer[0]; 3]);
        let other = tell(&mut network, B, WORLD[0], WORLD[0]).expect("it is let out");
        assert_eq!(host_of(other), HOST);
        assert_ne!(other, outer[0]);
    }
    let mut network = behind(NatKind::Symmetric, false, 1);
    let outer = WORLD.map(|to| tell(&mut network, A, to, to).expect("it is let out"));
    assert_eq!(outer.map(port_of), [0, 1, 2]);
    let again = WORLD.map(|to| tell(&mut network, A, to, to).expect("it is let out"));
    assert_eq!(outer, again);
    assert_eq!(tell(&mut network, WORLD[1], outer[1], A), Some(WORLD[1]));
    assert_eq!(tell(&mut network, WORLD[1], outer[0], A), None);
}

#[test]
fn a_mapping_is_kept_by_what_goes_out_and_not_by_what_comes_in() {
    let mut network = behind(NatKind::FullCone, false, 1);
    let outer = tell(&mut network, A, WORLD[0], WORLD[0]);
    let port = outer.expect("it is let out");
    network.run_for(TIMEOUT - Duration::from_secs(1));
    assert_eq!(tell(&mut network, A, WORLD[1], WORLD[1]), outer);
    network.run_for(TIMEOUT - Duration::from_secs(1));
    assert_eq!(tell(&mut network, WORLD[2], port, A), Some(WORLD[2]));
    network.run_for(TIMEOUT - Duration::from_secs(1));
    assert_eq!(tell(&mut network, WORLD[2], port, A), None);
    assert_eq!(network.totals().lost_by.of(Loss::Unmapped), 1);
    assert_ne!(tell(&mut network, A, WORLD[0], WORLD[0]), outer, "it is another port");
    // One that was put up anew knows nothing.
    let nat = Nat { kind: NatKind::FullCone, timeout: TIMEOUT, hairpin: false };
    network.set_nat(HOST, nat, &[A, B]);
    assert_eq!(tell(&mut network, WORLD[0], host_port(HOST, 1), A), None);
    network.remove_nat(HOST);
    assert_eq!(tell(&mut network, A, WORLD[0], WORLD[0]), Some(A));
    assert_eq!(tell(&mut network, WORLD[0], A, A), Some(WORLD[0]));
}

#[test]
fn nodes_behind_one_nat_reach_each_other_inside_and_outside_only_where_it_hairpins() {
    for hairpin in [false, true] {
        let mut network = behind(NatKind::Restricted, hairpin, 1);
        assert_eq!(tell(&mut network, A, B, B), Some(A), "inside nothing is translated");
        let of_a = tell(&mut network, A, WORLD[0], WORLD[0]).expect("it is let out");
        let of_b = tell(&mut network, B, WORLD[0], WORLD[0]).expect("it is let out");
        // The first opens the way for the second.
        assert_eq!(tell(&mut network, A, of_b, B), None);
        assert_eq!(tell(&mut network, B, of_a, A), hairpin.then_some(of_b));
        assert_eq!(tell(&mut network, A, of_b, B), hairpin.then_some(of_a));
        let lost = network.totals().lost_by;
        assert_eq!(lost.of(Loss::Hairpin), if hairpin { 0 } else { 3 });
        assert_eq!(lost.of(Loss::Filtered), u64::from(hairpin));
    }
}

#[test]
fn ports_are_shared_out_and_used_again_when_their_mappings_are_dead() {
    let mut network = behind(NatKind::Symmetric, false, 1);
    let world = |nth: u32| host_port(1_000 + nth, 0);
    // One at a time, since the port queues only so many.
    let tell_all = |network: &mut Ports, from, worlds: core::ops::Range<u32>| {
        for nth in worlds {
            network.app(from, |_, cx| cx.tell(world(nth), "hello").expect("accepted"));
        }
        network.totals().lost_by.of(Loss::Ports)
    };
    assert_eq!(tell_all(&mut network, A, 0..2_048), 0);
    assert_eq!(tell_all(&mut network, A, 2_048..2_050), 2, "half of 4,096 are its own");
    assert_eq!(tell_all(&mut network, B, 0..1), 2);
    network.run_for(TIMEOUT + Duration::from_millis(1));
    assert_eq!(tell_all(&mut network, A, 3_000..3_001), 2);
    assert_eq!(tell_all(&mut network, A, 3_001..5_048), 2);
    assert_eq!(tell_all(&mut network, A, 5_048..5_049), 3);
}

#[test]
fn translation_is_the_same_on_several_threads_and_ways_are_those_between_the_nodes() {
    let run = |shards| {
        let mut network = behind(NatKind::PortRestricted, true, shards);
        network.set_faults(Faults { loss: Chance::percent(30), ..Faults::NONE });
        network.set_faults_between(WORLD[1], A, Faults { loss: Chance::ALWAYS, ..Faults::NONE });
        network.cut(WORLD[2], B);
        for _ in 0..50 {
            for node in [A, B] {
                for to in WORLD {
                    network.app(node, |_, cx| cx.tell(to, "hello").expect("accepted"));
                }
            }
            network.run_for(Duration::from_millis(50));
            for from in WORLD {
                for to in [host_port(HOST, 0), host_port(HOST, 2_048)] {
                    network.app(from, |_, cx| cx.tell(to, "hello").expect("accepted"));
                }
            }
            network.run_for(Duration::from_millis(50));
        }
        let heard = |at| -> Vec<_> {
            network.app_at(at).expect("there").0.iter().map(|(src, _, _)| *src).collect()
        };
        (heard(A), heard(B), network.trace(), network.totals())
    };
    let (of_a, of_b, ..) = run(1);
    let from = |heard: &[MemoryAddr], src| heard.iter().filter(|from| **from == src).count();
    assert!(from(&of_a, WORLD[0]) > 20 && from(&of_a, WORLD[2]) > 20);
    assert!(from(&of_b, WORLD[0]) > 20 && from(&of_b, WORLD[1]) > 20);
    assert_eq!((from(&of_a, WORLD[1]), from(&of_b, WORLD[2])), (0, 0));
    assert_eq!(run(1), run(2));
    assert_eq!(run(1), run(5));
}
