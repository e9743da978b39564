//! Ways between nodes: delays, losses, limits, partitions, pipes.

use super::*;
use crate::net::{Burst, Codel, Mtu, Partition, Pipe, Place, Spread};

/// How long each of a thousand messages took, a millisecond apart.
fn took(set: impl Fn(&mut Ports)) -> Vec<Duration> {
    let (_, heard) = thousand_with(set);
    let start = Instant::ZERO + Duration::from_secs(1);
    let sent = numbers(&heard).into_iter().map(|number| start + Duration::from_millis(number));
    heard.iter().zip(sent).map(|((_, _, at), sent)| at.since(sent)).collect()
}

#[test]
fn delays_are_spread_beyond_the_least_as_they_are_set_to_be() {
    let with = |spread| {
        let mut times = took(|network| {
            network.set_faults(Faults { spread, ..Faults::NONE });
        });
        assert_eq!(times.len(), 1_000);
        times.sort_unstable();
        times
    };
    let least = Faults::NONE.delay;
    let mean = Duration::from_millis(20);
    let spread = with(Spread::Exponential { mean });
    assert!(spread[0] >= least && spread[0] < least + mean / 20, "{:?}", spread[0]);
    let sum: Duration = spread.iter().map(|time| *time - least).sum();
    assert!((18..22).contains(&(sum.as_millis() / 1_000)), "{sum:?}");
    let median = Duration::from_millis(20);
    let spread = with(Spread::LogNormal { median, sigma: 1_000_000 });
    let middle = (spread[500] - least).as_millis();
    assert!((18..23).contains(&middle), "{middle}");
    assert!(spread[990] > least + median * 7, "{:?}", spread[990]);
}

#[test]
fn measured_delays_are_played_in_their_order_or_drawn() {
    let measured = [1, 7, 3].map(Duration::from_millis);
    let times = took(|network| {
        let spread = Spread::Series(network.add_samples(&measured));
        network.set_faults_between(A, B, Faults { spread, ..Faults::NONE });
    });
    // They overtake each other, so only the count of each is known.
    for extra in measured {
        let count = times.iter().filter(|time| **time == Faults::NONE.delay + extra).count();
        assert!((333..=334).contains(&count), "{count}");
    }
    let drawn = took(|network| {
        let spread = Spread::Samples(network.add_samples(&measured));
        network.set_faults(Faults { spread, ..Faults::NONE });
    });
    let count = |extra| drawn.iter().filter(|time| **time == Faults::NONE.delay + extra).count();
    assert_eq!(measured.map(count).iter().sum::<usize>(), 1_000);
    assert!(measured.map(count).iter().all(|count| (280..390).contains(count)));
}

#[test]
fn distance_and_what_is_of_the_nodes_come_to_what_is_of_the_way() {
    let of_node = |delay| Faults { delay: Duration::from_millis(delay), ..Faults::NOTHING };
    let times = took(|network| {
        network.set_faults_out_of(A, of_node(5));
        network.set_faults_into(B, of_node(100));
        network.set_faults_into(A, of_node(10_000));
        network.set_place(A, Place { x: 3_000, y: 0, z: 0 });
        network.set_place(B, Place { x: 0, y: 4_000, z: 0 });
    });
    assert_eq!(times, vec![Duration::from_millis(10 + 5 + 100 + 5); 1_000]);
    let alone = took(|network| {
        network.set_place(A, Place { x: 3_000, y: 0, z: 0 });
    });
    assert_eq!(alone, vec![Duration::from_millis(10); 1_000]);
}

#[test]
fn what_is_lost_into_a_node_and_out_of_it_is_lost_beside_what_is_lost_on_the_way() {
    let lossy = |percent| Faults { loss: Chance::percent(percent), ..Faults::NOTHING };
    let (network, _) = thousand_with(|network| {
        network.set_faults(Faults { loss: Chance::percent(10), ..Faults::NONE });
        network.set_faults_out_of(A, lossy(10));
        network.set_faults_into(B, lossy(10));
    });
    let lost = network.totals().lost_by.of(Loss::Random);
    assert_eq!(lost, network.totals().lost);
    assert!((231..311).contains(&lost), "27.1 % of 1,000: {lost}");
}

#[test]
fn bursts_take_as_much_as_they_should_and_in_runs() {
    let burst =
        Burst { begins: Chance::percent(2), ends: Chance::percent(20), loss: Chance::ALWAYS };
    let (network, heard) = thousand_with(|network| {
        network.set_faults(Faults { burst, ..Faults::NONE });
    });
    let lost = network.totals().lost_by.of(Loss::Burst);
    assert_eq!(lost, 1_000 - heard.len() as u64);
    // One eleventh of the time, in runs of five on average.
    assert!((40..150).contains(&lost), "{lost}");
    let runs = numbers(&heard).windows(2).filter(|pair| pair[1] > pair[0] + 1).count() as u64;
    assert!((3..8).contains(&(lost / runs)), "{lost} in {runs} runs");
    // The other way has times of its own, and so has every seed.
    let mut never = burst;
    never.loss = Chance::NEVER;
    let (network, _) = thousand_with(|network| {
        network.set_faults(Faults { burst: never, ..Faults::NONE });
    });
    assert_eq!(network.totals().lost, 0);
}

#[test]
fn bytes_are_put_to_the_end_and_what_was_there_stays() {
    let (network, heard) = thousand_with(|network| {
        network.set_faults(Faults { append: Chance::percent(20), ..Faults::NONE });
    });
    let longer: Vec<_> = heard.iter().filter(|(_, bytes, _)| bytes.len() > 32).collect();
    assert!((150..250).contains(&longer.len()), "{}", longer.len());
    assert_eq!(longer.len() as u64, network.totals().spoilt);
    assert!(heard.iter().all(|(_, bytes, _)| bytes[..8] == bytes[24..32]));
    assert!(longer.iter().all(|(_, bytes, _)| bytes.len() <= 32 + 64));
    let lengths: std::collections::BTreeSet<_> =
        longer.iter().map(|(_, bytes, _)| bytes.len()).collect();
    assert!(lengths.len() > 40, "{lengths:?}");
}

#[test]
fn an_mtu_that_shrinks_is_told_or_is_a_black_hole_and_only_on_its_way() {
    let (mut network, heard) = thousand_with(|_| {});
    let tell = |network: &mut Ports, from, to, len| {
        network.app(from, |_, cx| cx.tell(to, vec![0; len]).expect("accepted"));
        network.run_for(Duration::from_secs(1));
    };
    network.set_mtu_between(A, B, Mtu { bytes: 500, tells: false });
    tell(&mut network, A, B, 501);
    assert_eq!(network.totals().lost_by.of(Loss::BlackHole), 1);
    assert_eq!(network.app_at(A).expect("there").1, []);
    tell(&mut network, A, B, 500);
    tell(&mut network, B, A, 501);
    assert_eq!(network.app_at(B).expect("there").0.len(), heard.len() + 1);
    assert_eq!(network.app_at(A).expect("there").0.len(), 1);
    network.set_mtu_between(A, B, Mtu { bytes: 300, tells: true });
    tell(&mut network, A, B, 301);
    assert_eq!(network.totals().lost_by.of(Loss::TooLarge), 1);
    assert_eq!(network.app_at(A).expect("there").1, [Undeliverable::TooLarge { limit: 300 }]);
    // A larger one than the network's changes nothing.
    network.set_mtu(200);
    network.set_mtu_between(B, A, Mtu { bytes: 300, tells: false });
    tell(&mut network, B, A, 201);
    assert_eq!(network.app_at(B).expect("there").1, [Undeliverable::TooLarge { limit: 200 }]);
}

#[test]
fn partitions_stand_beside_each_other_until_they_are_taken_down() {
    let mut network: Ports = Network::tapped(3, Sightings::default());
    for number in 0..6 {
        let stack = DatagramPort::new(&Limits::default());
        network.add(MemoryAddr(number), stack, Ear::default());
    }
    let nodes = |numbers: core::ops::Range<u32>| numbers.map(MemoryAddr);
    // Who hears whom.
    let heard = |network: &mut Ports| {
        for src in nodes(0..6) {
            network.app(src, |_, cx| {
                nodes(0..6).for_each(|dst| cx.tell(dst, "hello").expect("accepted"));
            });
        }
        network.run_for(Duration::from_secs(1));
        nodes(0..6)
            .map(|addr| network.app_at_mut(addr).map_or(0, |ear| ear.0.drain(..).count()))
            .collect::<Vec<_>>()
    };
    assert_eq!(heard(&mut network), [6; 6]);
    let split = network.partition(Partition::split([nodes(0..2), nodes(2..6)]));
    assert_eq!(heard(&mut network), [2, 2, 4, 4, 4, 4]);
    let mute = network.partition(Partition::one_way(nodes(5..6), nodes(0..5)));
    assert_eq!(heard(&mut network), [2, 2, 3, 3, 3, 4]);
    assert!(network.heal(split));
    assert_eq!(heard(&mut network), [5, 5, 5, 5, 5, 6]);
    network.cut(A, B);
    assert_eq!(heard(&mut network), [5, 4, 5, 5, 5, 6]);
    let totals = network.totals();
    assert_eq!(totals.lost_by.of(Loss::Cut), 1);
    assert_eq!(totals.lost_by.of(Loss::Partition), 16 + 19 + 5 + 5);
    assert_eq!(totals.lost, totals.lost_by.sum());
    network.mend_all();
    assert_eq!(heard(&mut network), [6; 6]);
    assert!(!network.heal(mute), "it stands no longer");
}

/// Ten seconds of a tenth more than a pipe of 8 Mbit/s can carry, from A to B: how long the last took, and what
/// became of them.
fn pressed(codel: Option<Codel>, shards: usize) -> (Duration, Piped, Totals, Trace) {
    let mut network: Ports = Network::tapped(3, Sightings::default());
    network.set_shards(shards);
    for at in [A, B] {
        network.add(at, DatagramPort::new(&Limits::default()), Ear::default());
    }
    let pipe = Pipe { rate: 8_000_000, queue: 1 << 20 };
    let pipe = match codel {
        Some(codel) => network.lay_managed(A, pipe, codel),
        None => network.lay(A, pipe),
    };
    let pipe = pipe.expect("there is a node");
    network.lead(B, pipe);
    let began = network.now();
    for number in 0..11_000_u64 {
        let mut body = number.to_le_bytes().to_vec();
        body.resize(1_000, 0);
        network.app(A, |_, cx| cx.tell(B, body).expect("accepted"));
        if number % 11 == 10 {
            network.run_for(Duration::from_millis(10));
        }
    }
    network.run_for(Duration::from_secs(3));
    let heard = &network.app_at(B).expect("there").0;
    let (last, at) = (numbers(heard)[heard.len() - 1], heard[heard.len() - 1].2);
    let took = at.since(began + Duration::from_millis(last / 11 * 10));
    (took, network.piped(pipe), network.totals(), network.trace())
}

#[test]
fn a_managed_pipe_drops_early_and_keeps_waiting_short_where_a_plain_one_fills_its_queue() {
    let (plain, piped, totals, _) = pressed(None, 1);
    assert!(plain > Duration::from_millis(900), "{plain:?}");
    assert_eq!((piped.datagrams, totals.lost), (11_000, 0));
    let (managed, piped, totals, trace) = pressed(Some(Codel::RFC), 1);
    assert!(managed < plain / 4, "{managed:?}");
    assert!(piped.dropped > 500, "{piped:?}");
    assert_eq!(piped.datagrams + piped.dropped, 11_000);
    assert_eq!(totals.lost_by.of(Loss::Codel), piped.dropped);
    assert_eq!(totals.delivered, piped.datagrams);
    assert_eq!(pressed(Some(Codel::RFC), 2).3, trace);
}

#[test]
fn what_is_queued_in_a_managed_pipe_leaves_it_when_its_node_is_taken_away() {
    let mut network: Ports = Network::tapped(3, Sightings::default());
    for at in [A, B] {
        network.add(at, DatagramPort::new(&Limits::default()), Ear::default());
    }
    let pipe = Pipe { rate: 8_000, queue: 3_000 };
    let pipe = network.lay_managed(A, pipe, Codel::RFC).expect("there is a node");
    network.lead(B, pipe);
    for _ in 0..4 {
        network.app(A, |_, cx| cx.tell(B, vec![0; 1_000]).expect("accepted"));
    }
    network.remove(A);
    network.run_for(Duration::from_secs(10));
    let start = Instant::ZERO + Duration::from_secs(1) + Faults::NONE.delay;
    let heard = &network.app_at(B).expect("there").0;
    let times: Vec<_> = heard.iter().map(|(_, _, at)| at.since(start).as_secs()).collect();
    assert_eq!(times, [1, 2, 3]);
    assert_eq!(network.totals().lost_by.of(Loss::Overflow), 1);
}
