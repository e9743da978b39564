//! What becomes of requests when the answerer, or the session with it, begins anew.

use super::*;

type Sent = (MemoryAddr, MemoryAddr, BytesMut);

/// Everything that `from` has sent so far.
fn sent_by(world: &World, from: u32) -> Vec<Sent> {
    world.seen.iter().filter(|(src, ..)| src.0 == from).cloned().collect()
}

fn again(world: &mut World, copies: &[Sent]) {
    for (src, dst, bytes) in copies {
        world.deliver(*src, *dst, bytes.clone());
    }
}

/// The node has no word for its application of another request, within ten seconds.
fn nothing_more_is_asked(world: &mut World, at: usize) {
    world.run(10 * SECOND);
    assert!(!world.events[at].iter().any(|event| matches!(event, Event::Asked { .. })));
}

#[test]
fn attack_23_what_was_asked_before_the_answerer_restarted_runs_once_in_its_new_life() {
    for seed in 0..10 {
        let mut world = World::new(seed, CALM);
        world.ask(0, 1, 7, body(5, 0), 60 * SECOND);
        world.run(Duration::from_nanos(2));
        // Sent without a name of the other side's, which any life of it takes.
        let unnamed = sent_by(&world, 0);
        world.asked(1);
        world.run(SECOND);
        world.nodes[1] = node(1, 777 + seed, &Limits::default());
        // It comes late, to the new life; and the asker learns that the session is another.
        again(&mut world, &unnamed);
        let (token, request) = world.asked(1);
        assert_eq!(request[..], body(5, 0)[..]);
        nothing_more_is_asked(&mut world, 1);
        assert!(world.stat(0, "ask.sessions_lost") > 0);
        world.answer(1, 0, token, body(6, 0));
        assert_eq!(world.answered(0), (7, Ok(body(6, 0)[..].into())));
        nothing_more_is_asked(&mut world, 1);
        assert_eq!(world.stat(1, "ask.run"), 1);
        assert_eq!((world.stat(1, "ask.owed"), world.stat(1, "ask.withdrawn")), (0, 0));
    }
}

#[test]
fn attack_23_a_late_word_of_the_answerers_former_life_makes_nothing_run_again() {
    for len in [6, 50_000] {
        let mut world = World::new(1, CALM);
        world.ask(0, 1, 7, body(5, 0), 60 * SECOND);
        let (token, _) = world.asked(1);
        // The answer is late, and the answerer is no more.
        world.answer(1, 0, token, body(3, 3));
        world.nodes[1].handle_timeout(world.now + Duration::from_nanos(2));
        world.pump(1);
        let late = sent_by(&world, 1);
        world.wire.clear();
        world.nodes[1] = node(1, 777, &Limits::default());
        let (token, _) = world.asked(1);
        world.run(SECOND);
        let before = world.stat(0, "ask.sessions_lost");
        // While the new life's answer is on its way, too.
        world.answer(1, 0, token, body(len, 0));
        world.run(Duration::from_millis(12));
        again(&mut world, &late);
        assert!(world.stat(0, "ask.sessions_lost") > before || len == 6);
        let (_, answer) = world.answered(0);
        assert!(answer.is_ok_and(|answer| answer[..] == body(len, 0)[..]));
        nothing_more_is_asked(&mut world, 1);
        assert_eq!(world.stat(1, "ask.run"), 1);
        assert_eq!(world.stat(1, "ask.remembered_bytes"), 0);
        assert_eq!(world.stat(0, "ask.parts_bytes"), 0);
    }
}

#[test]
fn attack_23_what_another_life_of_the_asker_asked_is_over_with_the_session() {
    let mut world = World::new(1, CALM);
    world.ask(0, 1, 7, body(5, 0), 60 * SECOND);
    let (token, _) = world.asked(1);
    world.nodes[0] = node(0, 777, &Limits::default());
    world.ask(0, 1, 8, body(6, 0), 60 * SECOND);
    let (other, request) = world.asked(1);
    assert_eq!(request[..], body(6, 0)[..]);
    assert_eq!(world.stat(1, "ask.withdrawn"), 1);
    world.answer(1, 0, token, body(1, 1));
    assert_eq!(world.stat(1, "ask.answers_in_vain"), 1);
    world.answer(1, 0, other, body(2, 2));
    assert_eq!(world.answered(0), (8, Ok(body(2, 2)[..].into())));
}

#[test]
fn a_large_request_and_its_answer_get_to_an_answerer_that_restarts_in_the_middle() {
    for seed in 0..10 {
        let mut world = World::new(seed, STORM);
        world.ask(0, 1, 7, body(100_000, 0), 60 * SECOND);
        world.run(Duration::from_millis(100 + 40 * seed));
        world.nodes[1] = node(1, 777 + seed, &Limits::default());
        world.events[1].clear();
        let (token, request) = world.asked(1);
        assert!(request[..] == body(100_000, 0)[..]);
        world.answer(1, 0, token, body(150_000, 1));
        let (_, answer) = world.answered(0);
        assert!(answer.is_ok_and(|answer| answer[..] == body(150_000, 1)[..]));
        assert_eq!(world.stat(1, "ask.run"), 1);
    }
}

#[test]
fn an_answerer_that_restarted_is_told_again_how_large_an_answer_may_be() {
    let limits = Limits { ask_max: 5_000, ..Limits::default() };
    let mut world = World::with(1, CALM, 2, &limits);
    for life in 0..3 {
        world.nodes[1] = node(1, 777 + life, &Limits::default());
        world.ask(0, 1, life, body(5, 0), 10 * SECOND);
        let (token, _) = world.asked(1);
        world.answer(1, 0, token, body(6_000, 0));
        assert_eq!(world.answered(0), (life, Err(AskError::TooLarge { limit: 5_000 })));
        assert!(world.stat(1, "ask.data_sent") < 100, "nothing of it was sent");
    }
}

#[test]
fn two_that_ask_each_other_agree_on_a_session_at_once_when_one_has_restarted() {
    for (seed, weather) in [(1, CALM), (2, CALM), (3, STORM), (4, STORM)] {
        let mut world = World::new(seed, weather);
        // In the same nanosecond, so that each learns of the other while the other learns of it.
        let both = |world: &mut World, seq: u64| {
            world.ask(0, 1, seq, body(5, 0), 60 * SECOND);
            world.ask(1, 0, seq, body(6, 0), 60 * SECOND);
            let end = world.now + 60 * SECOND;
            let mut answered = [false; 2];
            while answered != [true; 2] && world.step(end) {
                for at in [0, 1] {
                    while let Some(event) = world.events[at].pop_front() {
                        match event {
                            Event::Asked { token, .. } => {
                                world.answer(at, 1 - at as u32, token, body(3, 0));
                            }
                            Event::Answered { result: Ok(_), .. } => answered[at] = true,
                            _ => {}
                        }
                    }
                }
            }
            assert_eq!(answered, [true; 2], "seed {seed}, round {seq}");
        };
        both(&mut world, 0);
        world.nodes[1] = node(1, 777 + seed, &Limits::default());
        for seq in 1..20 {
            both(&mut world, seq);
        }
        for at in [0, 1] {
            assert!(world.stat(at, "ask.sessions") < 6, "{}", world.nodes[at].stats());
        }
    }
}
