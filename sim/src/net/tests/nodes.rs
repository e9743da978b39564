//! Nodes that are slow or paused, whose clocks are wrong, or that move.

use super::*;
use crate::net::{Nat, NatKind, Pace, host_of, host_port};
use tellask::Swarm;

const START: Instant = Instant::from_nanos(1_000_000_000);

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Rings every tenth of a second by its clock; keeps what it rang and heard, and when in the network's time.
#[derive(Default)]
struct Watcher {
    rings: u64,
    log: Vec<(char, Instant, Instant)>,
}

impl App<DatagramPort<MemoryAddr>> for Watcher {
    type Note = ();

    fn on_event(&mut self, cx: &mut Cx<'_, DatagramPort<MemoryAddr>>, event: Event<MemoryAddr>) {
        if let Event::Told(message) = event {
            let sign = message.payload.first().map_or('?', |byte| char::from(*byte));
            self.log.push((sign, cx.now(), cx.global_now()));
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Some(START + millis(100 * (self.rings + 1)))
    }

    fn on_timeout(&mut self, cx: &mut Cx<'_, DatagramPort<MemoryAddr>>) {
        self.rings += 1;
        self.log.push(('!', cx.now(), cx.global_now()));
    }
}

type Watchers = Network<DatagramPort<MemoryAddr>, Watcher>;

fn watchers(shards: usize) -> Watchers {
    let mut network = Network::new(3);
    network.set_shards(shards);
    for at in [A, B] {
        network.add(at, DatagramPort::new(&Limits::default()), Watcher::default());
    }
    network
}

/// A tells B one letter after the other, so many milliseconds apart.
fn letters(network: &mut Watchers, letters: &'static str, apart: u64) {
    for letter in letters.chars() {
        network.app(A, |_, cx| cx.tell(B, letter.to_string()).expect("accepted"));
        network.run_for(millis(apart));
    }
}

fn signs(network: &Watchers, at: MemoryAddr) -> String {
    network.app_at(at).expect("there").log.iter().map(|(sign, ..)| *sign).collect()
}

/// When in the network's time what happened at a node, in milliseconds since the start.
fn when(network: &Watchers, at: MemoryAddr) -> Vec<(char, u128)> {
    let log = &network.app_at(at).expect("there").log;
    log.iter().map(|(sign, _, global)| (*sign, global.since(START).as_millis())).collect()
}

#[test]
fn a_slow_node_takes_its_time_with_each_thing_in_the_order_in_which_they_came() {
    for shards in [1, 2] {
        let mut network = watchers(shards);
        network.set_pace(B, Pace { each: millis(30), queue: 10 });
        // They arrive from 85 to 105 ms on, and one timer is due with the fourth.
        network.run_for(millis(75));
        letters(&mut network, "abcde", 5);
        network.run_for(millis(190));
        let right =
            [('a', 85), ('b', 115), ('c', 145), ('d', 175), ('!', 205), ('e', 235), ('!', 265)];
        assert_eq!(when(&network, B), right);
        assert_eq!(network.totals().lost, 0);
    }
}

#[test]
fn what_does_not_fit_into_the_queue_of_a_slow_node_is_lost_by_name() {
    let mut network = watchers(1);
    network.set_pace(B, Pace { each: millis(20), queue: 2 });
    letters(&mut network, "abcdef", 1);
    network.run_for(millis(90));
    assert_eq!(signs(&network, B), "abc");
    assert_eq!(network.totals().lost_by.of(Loss::Backlog), 3);
    assert_eq!(network.totals().lost, 3);
}

#[test]
fn a_paused_node_hears_everything_when_it_goes_on_and_its_timers_come_where_they_belong() {
    for shards in [1, 2] {
        let mut network = watchers(shards);
        network.pause(B);
        network.run_for(millis(50));
        letters(&mut network, "ab", 60);
        network.run_for(millis(80));
        letters(&mut network, "c", 60);
        assert_eq!(signs(&network, B), "");
        // Of timers a machine has one that is due, however many times it would have rung.
        network.go_on(B);
        network.run_for(millis(5));
        assert_eq!(signs(&network, B), "a!b!c!");
        let at = START + millis(310) + Duration::from_nanos(1);
        let log = &network.app_at(B).expect("there").log;
        assert!(log.iter().all(|(_, now, global)| now == global && *now >= at), "{log:?}");
        assert!(log.iter().all(|(_, now, _)| *now < at + millis(1)), "{log:?}");
        network.run_for(millis(200));
        assert_eq!(signs(&network, B), "a!b!c!!!");
    }
}

#[test]
fn what_waits_for_a_node_that_crashes_is_lost_and_it_starts_again_awake() {
    let mut network = watchers(1);
    network.pause(B);
    letters(&mut network, "abc", 20);
    network.crash(B);
    assert_eq!(network.totals().lost_by.of(Loss::Nobody), 3);
    network.start(B, DatagramPort::new(&Limits::default()));
    letters(&mut network, "d", 20);
    assert_eq!(signs(&network, B), "d");
    let totals = network.totals();
    assert_eq!(totals.sent, totals.delivered + totals.lost);
}

#[test]
fn a_node_lives_by_its_own_clock_and_the_network_by_its() {
    let mut network = watchers(1);
    // Half as fast, and twice as fast is more than a clock can be.
    network.set_drift(A, -500_000);
    network.set_drift(B, 1_000_000);
    network.run_for(Duration::from_secs(3));
    let rings = |network: &Watchers, at| network.app_at(at).expect("there").rings;
    assert_eq!((rings(&network, A), rings(&network, B)), (15, 45));
    for at in [A, B] {
        let log = &network.app_at(at).expect("there").log;
        for ((_, local, global), nth) in log.iter().zip(1..) {
            // A fast clock may pass over the nanosecond.
            let late = local.as_nanos() - (START + millis(100 * nth)).as_nanos();
            assert!(late < 2, "{local} at {global}");
        }
    }
    assert_eq!(network.local_now(A), Some(START + millis(1_500)));
    letters(&mut network, "a", 100);
    let heard = network.app_at(B).expect("there").log.iter().find(|(sign, ..)| *sign == 'a');
    let (local, global) = (START + millis(4_515), START + millis(3_010));
    assert_eq!(heard, Some(&('a', local, global)));
}

#[test]
fn a_clock_that_jumps_has_the_timers_ring_that_are_due_by_it() {
    let mut network = watchers(1);
    network.run_for(millis(150));
    network.jump(B, Duration::from_secs(1));
    network.run_for(millis(1));
    assert_eq!((signs(&network, A).len(), signs(&network, B).len()), (1, 11));
    assert_eq!(network.local_now(B), Some(START + millis(1_151)));
    network.run_for(millis(50));
    assert_eq!((signs(&network, A).len(), signs(&network, B).len()), (2, 12));
    let log = &network.app_at(B).expect("there").log;
    assert!(log.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{log:?}");
}

#[test]
fn a_node_that_roams_is_bound_anew_sends_from_there_and_is_found_there_only() {
    for shards in [1, 2] {
        let mut network: Ports = Network::tapped(3, Sightings::default());
        network.set_shards(shards);
        for at in [A, B] {
            network.add(at, DatagramPort::new(&Limits::default()), Ear::default());
        }
        let tell = |network: &mut Ports, from, to| {
            network.app(from, |_, cx| cx.tell(to, "hello").expect("accepted"));
            network.run_for(Duration::from_secs(1));
        };
        tell(&mut network, A, B);
        network.app(B, |_, cx| cx.tell(A, "on its way").expect("accepted"));
        let new = MemoryAddr(70);
        assert!(network.roam(A, new));
        let local = network.node(new).expect("it is there").stack().local_addrs();
        assert_eq!(local, [new]);
        tell(&mut network, B, A);
        assert_eq!(network.totals().lost_by.of(Loss::Nobody), 2);
        tell(&mut network, new, B);
        tell(&mut network, B, new);
        let heard = |at| -> Vec<_> {
            network.app_at(at).expect("there").0.iter().map(|(src, ..)| *src).collect()
        };
        assert_eq!((heard(B), heard(new)), (vec![A, new], vec![B]));
        assert!(network.node(A).is_none() && network.app_at(A).is_none());
        assert!(!network.roam(A, MemoryAddr(71)), "nobody is there");
        assert!(!network.roam(new, B), "somebody is there");
        assert!(network.roam(new, A), "and back");
    }
}

#[test]
fn timers_go_with_a_node_that_roams() {
    for shards in [1, 3] {
        let mut network = watchers(shards);
        network.run_for(millis(150));
        assert!(network.roam(B, MemoryAddr(5)));
        network.run_for(millis(160));
        assert!(network.roam(MemoryAddr(5), B));
        network.run_for(millis(100));
        let rings: Vec<_> = when(&network, B).into_iter().map(|(_, at)| at).collect();
        assert_eq!(rings, [100, 200, 300, 400]);
    }
}

#[test]
fn a_node_that_roams_leaves_its_nat_and_what_that_knew_of_it() {
    let mut network: Ports = Network::tapped(3, Sightings::default());
    for at in [A, B] {
        network.add(at, DatagramPort::new(&Limits::default()), Ear::default());
    }
    let nat = Nat { kind: NatKind::FullCone, timeout: Duration::from_secs(60), hairpin: false };
    network.set_nat(9, nat, &[A]);
    let tell = |network: &mut Ports, from, to| {
        network.app(from, |_, cx| cx.tell(to, "hello").expect("accepted"));
        network.run_for(millis(100));
    };
    tell(&mut network, A, B);
    let new = MemoryAddr(70);
    assert!(network.roam(A, new));
    tell(&mut network, new, B);
    let heard: Vec<_> = network.app_at(B).expect("there").0.iter().map(|(src, ..)| *src).collect();
    assert_eq!((host_of(heard[0]), heard[1]), (9, new));
    tell(&mut network, B, host_port(9, 0));
    assert_eq!(network.totals().lost_by.of(Loss::Nobody), 1);
    // Back where it was it is behind the NAT, which gives it a port anew.
    assert!(network.roam(new, A));
    tell(&mut network, B, host_port(9, 0));
    assert_eq!(network.totals().lost_by.of(Loss::Unmapped), 1);
    tell(&mut network, A, B);
    tell(&mut network, B, host_port(9, 0));
    assert_eq!(network.app_at(A).expect("there").0.len(), 1);
}
