//! Several parts in one datagram.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Two nodes that know one another's names for the session, with nothing on its way.
fn acquainted(seed: u64, weather: Weather) -> World {
    let mut world = World::new(seed, CALM);
    world.ask(0, 1, 1_000, body(1, 0), SECOND);
    let (token, _) = world.asked(1);
    world.answer(1, 0, token, body(1, 0));
    assert_eq!(world.answered(0).0, 1_000);
    world.run(SECOND);
    world.seen.clear();
    world.weather = weather;
    world
}

#[test]
fn what_is_asked_at_once_goes_together_and_so_do_its_answers() {
    let mut world = acquainted(1, CALM);
    for seq in 0..10 {
        world.ask(0, 1, seq, body(64, seq as u8), SECOND);
    }
    assert!(world.seen.is_empty(), "one nanosecond for others to come along");
    let asked: Vec<_> = (0..10).map(|_| world.asked(1)).collect();
    assert_eq!(world.seen.len(), 1);
    for (nth, (token, request)) in asked.into_iter().enumerate() {
        assert_eq!(request[..], body(64, nth as u8)[..]);
        world.answer(1, 0, token, body(70, nth as u8));
    }
    for seq in 0..10 {
        assert_eq!(world.answered(0), (seq, Ok(body(70, seq as u8)[..].into())));
    }
    assert_eq!(world.seen.len(), 2);
    world.run(SECOND);
    assert_eq!(world.seen.len(), 3, "one acknowledgement for all of them");
    assert_eq!(world.stat(1, "ask.remembered_bytes"), 0);
}

#[test]
fn no_datagram_is_longer_than_the_side_below_takes() {
    for len in [1, 64, 300, 500, 652, 653, 654, 700, 1_200, 1_340, 1_400, 3_000] {
        let mut world = acquainted(2, CALM);
        for seq in 0..40 {
            world.ask(0, 1, seq, body(len, seq as u8), SECOND);
        }
        for seq in 0..40 {
            assert_eq!(world.asked(1).1[..], body(len, seq as u8)[..]);
        }
        assert!(world.seen.iter().all(|(_, _, bytes)| bytes.len() <= MTU));
        let sent = world.seen.iter().filter(|(src, _, _)| *src == MemoryAddr(0)).count();
        let least = (40 * len).div_ceil(MTU);
        assert!(sent <= least * 5 / 4 + 40 * (len / MTU + 1) / 2, "{sent} datagrams for {least}");
    }
}

#[test]
fn of_a_bundle_that_is_lost_everything_is_sent_again() {
    for seed in 0..20 {
        let mut world = acquainted(seed, STORM);
        for seq in 0..100 {
            world.ask(0, 1, seq, body(64, seq as u8), 60 * SECOND);
        }
        let mut seen = Map::new();
        for _ in 0..100 {
            let (token, request) = world.asked(1);
            assert!(seen.insert(request[0], ()).is_none(), "run twice");
            world.answer(1, 0, token, request.to_vec());
        }
        for _ in 0..100 {
            let (seq, result) = world.answered(0);
            assert_eq!(result.expect("a reply")[..], body(64, seq as u8)[..]);
        }
    }
}

#[test]
fn a_bundle_is_taken_whole_or_not_at_all_and_one_part_is_none() {
    let mut world = acquainted(3, CALM);
    world.cut = true;
    for seq in 0..2 {
        world.ask(0, 1, seq, body(10, seq as u8), SECOND);
    }
    world.run(Duration::from_nanos(1));
    let (src, dst, bundle) = world.seen.pop().expect("one bundle");
    let run = world.stat(1, "ask.run");
    // One of these beginnings ends where the first part does.
    for len in 1..bundle.len() {
        world.deliver(src, dst, bundle[..len].into());
        assert_eq!(world.stat(1, "ask.rejected_malformed"), len as u64);
        assert_eq!(world.stat(1, "ask.run"), run);
    }
    world.deliver(src, dst, bundle);
    assert_eq!(world.stat(1, "ask.run"), run + 2);
}
