//! Peers that were given up, and are there after all.

use super::*;

/// A pair of which the first lost the second, while the second knows nothing of it.
fn given_up(limits: &Limits) -> World {
    let mut world = World::with(3, limits);
    world.tell(0, 1, b"hello").unwrap();
    world.run(Duration::from_secs(5));
    world.run(Duration::from_secs(11));
    world.cut = true;
    world.tell(0, 1, b"are you there?").unwrap();
    world.run(Duration::from_secs(16));
    world.cut = false;
    let down = Event::PeerDown { addr: addr(1), reason: DownReason::TimedOut };
    assert!(world.events(0).contains(&down));
    world.events(1);
    assert_eq!(world.value(0, "p2pke.peers"), 0);
    assert_eq!(world.value(0, "p2pke.peers_lingering"), 1);
    world
}

#[test]
fn what_a_peer_sends_that_was_given_up_arrives_and_says_that_it_is_up() {
    let mut world = given_up(&Limits::default());
    world.tell(1, 0, b"I never left").unwrap();
    world.settle();
    let events = world.events(0);
    let up = Event::PeerUp { addr: addr(1), key: *key(1).public() };
    assert_eq!(events[0], up);
    assert_eq!(events.len(), 2, "{events:?}");
    let told = events.into_iter().filter_map(message).next().unwrap();
    assert_eq!(told.payload[..], *b"I never left");
    assert_eq!(world.value(0, "p2pke.peers"), 1);
    assert_eq!(world.value(0, "p2pke.peers_lingering"), 0);
    world.tell(0, 1, b"welcome back").unwrap();
    world.settle();
    assert_eq!(world.told(1), [(addr(0), b"welcome back".to_vec())]);
}

#[test]
fn a_peer_that_was_given_up_yields_to_a_stranger_where_there_is_room_for_one() {
    let mut world = given_up(&Limits { peers: 1, ..Limits::default() });
    world.tell(2, 0, b"new").unwrap();
    world.settle();
    assert_eq!(world.told(0), [(addr(2), b"new".to_vec())]);
    assert_eq!(world.value(0, "p2pke.peers"), 1);
    assert_eq!(world.value(0, "p2pke.channels"), 1);
}

#[test]
fn a_peer_that_was_given_up_yields_its_place_at_its_address() {
    let mut world = given_up(&Limits::default());
    for number in 60..64 {
        let dst = PeerAddr { id: key(number).id(), addr: MemoryAddr(1) };
        world.nodes[0].tell(world.now, dst, "another at that address").unwrap();
    }
    assert_eq!(world.value(0, "p2pke.channels"), CHAIN as u64);
    assert_eq!(world.value(0, "p2pke.peers_lingering"), 0);
}

#[test]
fn a_peer_that_was_given_up_is_forgotten_when_its_sessions_are() {
    let mut world = given_up(&Limits::default());
    world.run(Duration::from_secs(180));
    assert_eq!(world.events(0), []);
    assert_eq!(world.value(0, "p2pke.channels"), 0);
    assert_eq!(world.value(0, "p2pke.timers"), 0);
}
