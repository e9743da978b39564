//! What asking is for.

use super::*;

#[test]
fn an_ask_is_one_datagram_each_way_and_its_acknowledgement_rides_on_the_next() {
    let mut world = World::new(1, CALM);
    for seq in 0..10 {
        world.ask(0, 1, seq, body(64, seq as u8), SECOND);
        let (token, request) = world.asked(1);
        assert_eq!(request[..], body(64, seq as u8)[..]);
        world.answer(1, 0, token, body(70, 1));
        assert_eq!(world.answered(0), (seq, Ok(body(70, 1)[..].into())));
    }
    assert_eq!(world.seen.len(), 20);
    // A request of 64 bytes costs so many more.
    let longest = world.seen.iter().map(|(_, _, bytes)| bytes.len()).max();
    assert!(longest < Some(64 + 48), "{longest:?}");
    world.run(SECOND);
    assert_eq!(world.seen.len(), 21, "the last answer is acknowledged by itself");
    assert_eq!(world.stat(1, "ask.remembered_bytes"), 0);
    assert_eq!(world.stat(1, "ask.owed"), 0);
}

#[test]
fn an_ask_and_its_answer_get_through_a_storm_in_parts_and_run_once() {
    for seed in 0..10 {
        let mut world = World::new(seed, STORM);
        for seq in 0..8 {
            world.ask(0, 1, seq, body(100_000, seq as u8), 60 * SECOND);
        }
        let mut asked = Map::new();
        for _ in 0..8 {
            let (token, request) = world.asked(1);
            let salt = request[0];
            assert_eq!(request[..], body(100_000, salt)[..]);
            assert!(asked.insert(salt, token).is_none(), "run twice");
        }
        // In any order.
        for (salt, token) in asked.into_iter().rev() {
            world.answer(1, 0, token, body(150_000, salt ^ 0xff));
        }
        let mut answered = Map::new();
        for _ in 0..8 {
            let (seq, result) = world.answered(0);
            assert_eq!(result.expect("a reply")[..], body(150_000, seq as u8 ^ 0xff)[..]);
            assert!(answered.insert(seq, ()).is_none(), "answered twice");
        }
        world.run(10 * SECOND);
        assert!(!world.events[1].iter().any(|event| matches!(event, Event::Asked { .. })));
        assert_eq!(world.stat(1, "ask.remembered_bytes"), 0);
        assert_eq!([0, 1].map(|at| world.stat(at, "ask.parts_bytes")), [0, 0]);
        let (payload, sent) = (8 * 250_000, world.bytes);
        let took = world.now.since(Instant::ZERO).as_millis();
        eprintln!("{sent} bytes for {payload} in {took} ms");
        assert!(sent < payload * 2, "{sent} bytes for {payload}");
    }
}

#[test]
fn whoever_closes_right_after_its_answer_keeps_nobody_waiting() {
    let mut world = World::new(1, CALM);
    world.ask(0, 1, 0, body(5, 0), SECOND);
    let (token, _) = world.asked(1);
    world.answer(1, 0, token, body(5, 0));
    assert!(world.answered(0).1.is_ok());
    world.command(0, Command::Close);
    world.command(1, Command::Close);
    world.run(Duration::from_millis(50));
    for of in [0, 1] {
        assert!(world.events[of].contains(&Event::Closed), "{of}");
    }
}

#[test]
fn who_keeps_few_peers_in_mind_serves_any_number_one_after_the_other() {
    const GUESTS: u32 = 100;
    for keeps in [1, 2, 3, 4, 8, 20] {
        let limits = Limits { ask_peers: keeps, ..Limits::default() };
        let mut world = World::with(3, CALM, GUESTS + 1, &limits);
        // Twice, so that every one comes back after it was forgotten.
        for seq in 0..2 * GUESTS {
            let guest = 1 + seq % GUESTS;
            world.ask(guest as usize, 0, u64::from(seq), body(3, 0), 20 * SECOND);
            let (token, _) = world.asked(0);
            world.answer(0, guest, token, body(3, 0));
            assert_eq!(world.answered(guest as usize), (seq.into(), Ok(body(3, 0)[..].into())));
            assert!(world.stat(0, "ask.peers") <= keeps as u64);
            world.run(SECOND);
        }
        assert_eq!(world.stat(0, "ask.run"), u64::from(2 * GUESTS));
    }
}

#[test]
fn one_place_that_is_left_beside_peers_that_wait_serves_all_others_and_none_twice() {
    const WAITING: u32 = 39;
    const GUESTS: u32 = 60;
    let limits = Limits { ask_peers: WAITING as usize + 1, ..Limits::default() };
    let mut world = World::with(3, CALM, 1 + WAITING + GUESTS, &limits);
    for guest in 1..=WAITING {
        world.ask(guest as usize, 0, 1, body(3, 0), 600 * SECOND);
        world.asked(0);
    }
    for guest in WAITING + 1..=WAITING + GUESTS {
        world.ask(guest as usize, 0, 1, body(3, 0), 60 * SECOND);
        let (token, _) = world.asked(0);
        world.answer(0, guest, token, body(3, 0));
        assert!(world.answered(guest as usize).1.is_ok());
        world.run(SECOND);
        // What comes again late is not run again, though its session was forgotten a moment ago.
        let said = world.seen.iter().filter(|(src, ..)| src.0 > WAITING && src.0 < guest);
        for (src, dst, bytes) in said.cloned().collect::<Vec<_>>() {
            world.deliver(src, dst, bytes);
        }
        assert_eq!(world.stat(0, "ask.run"), u64::from(guest));
    }
}

/// A request that was given up while nothing gets through.
fn given_up_unheard() -> World {
    let mut world = World::new(1, CALM);
    world.ask(0, 1, 7, body(5, 0), 3600 * SECOND);
    world.asked(1);
    world.run(SECOND);
    world.cut = true;
    world.command(0, Command::Cancel { id: AskId::new(7), dst: MemoryAddr(1) });
    world
}

#[test]
fn that_the_last_request_is_given_up_is_said_until_it_is_heard() {
    let mut world = given_up_unheard();
    world.run(3 * SECOND);
    assert_eq!((world.answered(0).1, world.stat(1, "ask.owed")), (Err(AskError::Cancelled), 1));
    world.cut = false;
    world.until(1, |event| matches!(event, Event::Withdrawn { .. }).then_some(()));
    assert_eq!(world.stat(1, "ask.owed"), 0);
    let said = world.seen.len();
    world.run(600 * SECOND);
    assert!(world.seen.len() <= said + 1, "an acknowledgement, and then silence");
}

#[test]
fn to_a_peer_that_is_gone_it_is_not_said_for_ever_that_a_request_is_given_up() {
    let mut world = given_up_unheard();
    world.run(90 * SECOND);
    let said = world.seen.len();
    world.run(3600 * SECOND);
    assert_eq!(world.seen.len(), said);
}

#[test]
fn of_requests_whose_time_is_up_nothing_is_remembered() {
    let mut world = World::new(1, CALM);
    // Every second one gets through.
    for seq in 0..80 {
        world.cut = seq % 2 == 1;
        world.ask(0, 1, seq, body(5, 0), SECOND);
        world.run(Duration::from_millis(2));
    }
    world.cut = true;
    world.run(2 * SECOND);
    assert!(world.stat(1, "ask.remembered_bytes") > 0);
    world.cut = false;
    let said = world.bytes;
    world.run(60 * SECOND);
    assert_eq!(world.stat(1, "ask.remembered_bytes"), 0);
    assert!(world.bytes < said + 200, "one frame says it of all");
}
