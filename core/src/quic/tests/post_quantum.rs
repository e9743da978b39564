//! Keys that are agreed on with ML-KEM too.

use super::*;

/// A dialler and another, each with ML-KEM or without, that have talked.
fn talk(with: [bool; 2]) -> World {
    let limits = Limits::default();
    let one = |number: u32, ml_kem: bool| {
        let seed = number.into();
        let layer = made(key(number), seed, &limits, |setup| Setup { ml_kem, ..setup });
        node(number, layer, &limits)
    };
    let mut world = World::of(vec![one(0, with[0]), one(1, with[1])]);
    world.tell(0, 1, b"hello");
    // One and a half round trips: nobody had to ask for another share.
    world.run(DELAY * 3 + Duration::from_micros(1));
    assert_eq!(world.told(1), [b"hello"]);
    world.tell(1, 0, b"welcome");
    world.run(SECOND);
    assert_eq!(world.told(0), [b"welcome"]);
    world
}

/// How many datagrams the dialler begins with, and how many the other answers with. A half of a key exchange with
/// ML-KEM takes one more.
fn flights(world: &World) -> [usize; 2] {
    let begun = world.seen[0].0;
    [0, 1].map(|of| {
        let until = begun + DELAY * (of + 1);
        world.seen.iter().filter(|(at, src, ..)| src.0 == of && *at < until).count()
    })
}

#[test]
fn both_that_have_it_use_it_and_give_the_same_bytes_again() {
    let world = talk([true, true]);
    assert_eq!(flights(&world), [2, 2]);
    assert!(talk([true, true]).seen == world.seen, "the datagrams differ");
}

#[test]
fn a_peer_without_it_is_talked_to_with_x25519_and_no_later() {
    assert_eq!(flights(&talk([true, false])), [2, 1]);
    assert_eq!(flights(&talk([false, true])), [1, 1]);
    assert_eq!(flights(&talk([false, false])), [1, 1]);
}
