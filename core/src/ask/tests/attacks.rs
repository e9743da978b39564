//! What hostile peers say, and what becomes of it. Numbers are those of the list of attacks.

use super::*;
use crate::ask::wire::{Header, Status, Writer};
use bytes::Bytes;

/// The header of the last datagram that `from` sent, and a number that it has not used.
fn header_of(world: &World, from: u32) -> (Header, u64) {
    let (_, _, bytes) =
        world.seen.iter().rev().find(|(src, _, _)| *src == MemoryAddr(from)).expect("it sent");
    match Packet::parse(bytes).expect("a message") {
        Packet::Part { header, .. }
        | Packet::Bundle { header, .. }
        | Packet::Ack { header, .. } => (Header { limit: None, ..header }, 1_000),
        other => panic!("no header: {other:?}"),
    }
}

/// Hands `to` a part that says it is of the session with `from`, from that address.
fn forge(world: &mut World, from: u32, to: u32, frame: Frame, data: &[u8]) {
    forge_from(world, MemoryAddr(from), from, to, frame, data);
}

fn forge_from(
    world: &mut World,
    src: MemoryAddr,
    session_of: u32,
    to: u32,
    frame: Frame,
    data: &[u8],
) {
    let (header, number) = header_of(world, session_of);
    let number = number + world.seen.len() as u64;
    let mut writer = Writer::part(Vec::new(), header, number);
    writer.no_ack();
    writer.frame(&frame);
    let (payload, _) = writer.finish(Bytes::copy_from_slice(data));
    world.deliver(src, MemoryAddr(to), payload.into_mut());
    // So that the next number is another.
    world.seen.push((MemoryAddr(99), MemoryAddr(99), BytesMut::new()));
}

/// Two nodes of which each has asked the other something, and got it.
fn acquainted(limits: &Limits) -> World {
    let mut world = World::with(1, CALM, 3, limits);
    for (from, to) in [(0, 1), (1, 0)] {
        world.ask(from, to, 50, body(3, 0), SECOND);
        let (token, _) = world.asked(to as usize);
        world.answer(to as usize, from as u32, token, body(3, 0));
        assert!(world.answered(from).1.is_ok());
    }
    world.run(SECOND);
    world
}

fn request(id: u64, total: u64, offset: u64) -> Frame {
    Frame::Request { id, lowest: 1, remaining: 60_000, total, offset }
}

fn answer(id: u64, total: u64, offset: u64) -> Frame {
    Frame::Answer { id, status: Status::Reply, total, offset }
}

#[test]
fn attack_23_parts_that_do_not_fit_their_total_are_no_message() {
    let mut world = acquainted(&Limits::default());
    let run = world.stat(1, "ask.run");
    forge(&mut world, 0, 1, request(1, 100, 90), &body(11, 0));
    forge(&mut world, 0, 1, request(1, 0, 0), &body(1, 0));
    forge(&mut world, 0, 1, request(1, 5, u64::MAX), &body(1, 0));
    forge(&mut world, 0, 1, request(1, 5, 0), &[]);
    assert_eq!(world.stat(1, "ask.rejected_malformed"), 4);
    assert_eq!(world.stat(1, "ask.run"), run);
    assert_eq!(world.stat(1, "ask.parts_bytes"), 0);
}

#[test]
fn attack_23_parts_that_disagree_do_not_change_what_is_there() {
    let mut world = acquainted(&Limits::default());
    forge(&mut world, 0, 1, request(1, 20, 0), &[1; 10]);
    assert_eq!(world.stat(1, "ask.parts_bytes"), 20);
    // Another total; and other bytes in a place that is taken.
    forge(&mut world, 0, 1, request(1, 30, 10), &[2; 10]);
    assert_eq!(world.stat(1, "ask.rejected_misfit"), 1);
    forge(&mut world, 0, 1, request(1, 20, 5), &[3; 10]);
    forge(&mut world, 0, 1, request(1, 20, 10), &[4; 10]);
    let (_, request) = world.asked(1);
    assert_eq!((request.len(), &request[..5]), (20, &[1; 5][..]));
    assert_eq!(world.stat(1, "ask.parts_bytes"), 0);
}

#[test]
fn attack_23_parts_of_an_answer_that_disagree_do_not_change_what_is_there() {
    let mut world = acquainted(&Limits::default());
    world.ask(0, 1, 7, body(5, 0), SECOND);
    world.run(Duration::from_nanos(2));
    let ours = 1;
    forge(&mut world, 1, 0, answer(ours, 20, 0), &[1; 10]);
    assert_eq!(world.stat(0, "ask.parts_bytes"), 20);
    // Another total; and a refusal instead of a reply.
    forge(&mut world, 1, 0, answer(ours, 30, 10), &[2; 10]);
    let status = Status::Refused(3);
    let refusal = Frame::Answer { id: ours, status, total: 20, offset: 10 };
    forge(&mut world, 1, 0, refusal, &[3; 10]);
    assert_eq!(world.stat(0, "ask.rejected_misfit"), 2);
    forge(&mut world, 1, 0, answer(ours, 20, 10), &[4; 10]);
    let whole = [[1; 10], [4; 10]].concat();
    assert_eq!(world.answered(0), (7, Ok(whole[..].into())));
    assert_eq!(world.stat(0, "ask.parts_bytes"), 0);
}

#[test]
fn attack_23_answers_that_nobody_asked_for_or_from_somebody_else_answer_nothing() {
    let mut world = acquainted(&Limits::default());
    world.ask(0, 1, 7, body(5, 0), SECOND);
    world.run(Duration::from_nanos(2));
    let ours = 1;
    forge(&mut world, 1, 0, answer(400, 3, 0), b"bad");
    assert_eq!(world.stat(0, "ask.answers_unasked"), 1);
    // The right session and the right id, from another address.
    forge_from(&mut world, MemoryAddr(2), 1, 0, answer(ours, 3, 0), b"bad");
    assert_eq!(world.stat(0, "ask.answered"), 1);
    let (token, _) = world.asked(1);
    world.answer(1, 0, token, body(9, 0));
    assert_eq!(world.answered(0), (7, Ok(body(9, 0)[..].into())));
}

#[test]
fn attack_23_a_request_that_comes_again_after_its_answer_runs_no_second_time() {
    let mut world = acquainted(&Limits::default());
    let run = world.stat(1, "ask.run");
    world.ask(0, 1, 7, body(5, 0), 10 * SECOND);
    let (token, _) = world.asked(1);
    let copies: Vec<_> = world.seen.iter().filter(|(src, ..)| src.0 == 0).cloned().collect();
    for (src, dst, bytes) in &copies {
        world.deliver(*src, *dst, bytes.clone());
    }
    world.answer(1, 0, token, body(5, 0));
    assert!(world.answered(0).1.is_ok());
    for _ in 0..3 {
        world.run(20 * SECOND);
        for (src, dst, bytes) in &copies {
            world.deliver(*src, *dst, bytes.clone());
        }
    }
    // Under a number of its own, too.
    forge(&mut world, 0, 1, request(1, 5, 0), &body(5, 0));
    assert_eq!(world.stat(1, "ask.run"), run + 1);
    assert!(world.stat(1, "ask.duplicates") > 0);
}

#[test]
fn attack_23_an_acknowledgement_of_what_was_never_sent_is_refused() {
    let mut world = acquainted(&Limits::default());
    let (header, _) = header_of(&world, 1);
    let mut writer = Writer::ack_only(Vec::new(), header);
    writer.ack(0, [(0, 5_000)].into_iter(), 1);
    writer.uvarint(0);
    let (payload, _) = writer.finish(Bytes::new());
    world.deliver(MemoryAddr(1), MemoryAddr(0), payload.into_mut());
    let mut writer = Writer::part(Vec::new(), header, 900);
    writer.ack(0, [(0, 5_000)].into_iter(), 1);
    writer.frame(&Frame::Ping { lowest: 0 });
    let (payload, _) = writer.finish(Bytes::new());
    world.deliver(MemoryAddr(1), MemoryAddr(0), payload.into_mut());
    assert_eq!(world.stat(0, "ask.rejected_ack"), 2);
}

#[test]
fn attack_23_a_deadline_beyond_all_time_is_no_more_than_far_away() {
    let mut world = acquainted(&Limits::default());
    let remaining = u64::MAX;
    let frame = Frame::Request { id: 1, lowest: 1, remaining, total: 2, offset: 0 };
    forge(&mut world, 0, 1, frame, b"hi");
    let (token, _) = world.asked(1);
    world.run(1_000 * SECOND);
    assert_eq!(world.stat(1, "ask.owed"), 1);
    world.answer(1, 0, token, body(1, 0));
    assert_eq!(world.stat(1, "ask.answers_in_vain"), 0);
    world.run(SECOND);
    assert!(world.nodes[1].poll_timeout().is_none_or(|due| due > world.now));
}

#[test]
fn attack_23_the_late_answer_of_a_cancelled_ask_reaches_nobody() {
    let mut world = acquainted(&Limits::default());
    world.ask(0, 1, 7, body(5, 0), 10 * SECOND);
    let (token, _) = world.asked(1);
    world.command(0, Command::Cancel { id: AskId::new(7), dst: MemoryAddr(1) });
    world.answer(1, 0, token, body(5, 0));
    assert_eq!(world.answered(0), (7, Err(AskError::Cancelled)));
    // The same id of the application's again: it is another request.
    world.ask(0, 1, 7, body(6, 0), 10 * SECOND);
    world.run(SECOND);
    assert!(world.events[0].iter().all(|event| !matches!(event, Event::Answered { .. })));
    let (token, request) = world.asked(1);
    assert_eq!(request.len(), 6);
    world.answer(1, 0, token, body(8, 0));
    assert_eq!(world.answered(0), (7, Ok(body(8, 0)[..].into())));
}

#[test]
fn attack_23_an_asker_that_restarted_gets_no_old_answer_and_nothing_runs_twice() {
    for seed in 0..10 {
        let mut world = World::new(seed, CALM);
        world.ask(0, 1, 0, body(5, 1), 60 * SECOND);
        let (token, _) = world.asked(1);
        let old: Vec<_> = world.seen.clone();
        world.nodes[0] = node(0, 777 + seed, &Limits::default());
        world.ask(0, 1, 0, body(6, 2), 60 * SECOND);
        // The answer to what was asked in its former life.
        world.answer(1, 0, token, body(5, 0xff));
        let (token, request) = world.asked(1);
        assert_eq!(request[..], body(6, 2)[..]);
        world.answer(1, 0, token, body(7, 2));
        assert_eq!(world.answered(0), (0, Ok(body(7, 2)[..].into())));
        for (src, dst, bytes) in old {
            world.deliver(src, dst, bytes);
        }
        world.run(10 * SECOND);
        assert!(world.events[1].iter().all(|event| !matches!(event, Event::Asked { .. })));
    }
}

#[test]
fn attack_23_what_one_peer_asks_never_makes_the_answer_to_another_forgotten() {
    let limits = Limits { ask_remembered_per_peer: 4_000, ..Limits::default() };
    let mut world = acquainted(&limits);
    world.ask(0, 1, 7, body(5, 0), 60 * SECOND);
    let (token, _) = world.asked(1);
    world.cut = true;
    world.answer(1, 0, token, body(1_000, 0));
    // The answer does not get through; meanwhile another asks and never acknowledges.
    world.cut = false;
    world.wire.clear();
    for seq in 0..200 {
        world.ask(2, 1, seq, body(5, 0), 60 * SECOND);
    }
    let mut busy = 0;
    for _ in 0..200 {
        world.run(Duration::from_millis(20));
        while let Some(event) = world.events[1].pop_front() {
            if let Event::Asked { token, message, .. } = event {
                let (dst, result) = (message.src, Ok(body(900, 0).into()));
                world.nodes[1].handle_command(world.now, Command::Answer { token, dst, result });
                // Nothing of it arrives there.
                world.nodes[1].finish_round(world.now);
                while world.nodes[1].poll_transmit().is_some() {}
            }
        }
        busy = world.stat(1, "ask.refused_busy");
    }
    assert!(busy > 0, "whoever asks for more than is remembered for it is told so");
    assert!(world.stat(1, "ask.remembered_bytes") <= 2 * 4_000);
    assert_eq!(world.answered(0), (7, Ok(body(1_000, 0)[..].into())));
}

#[test]
fn attack_25_an_answer_over_the_askers_limit_is_refused_with_it_and_never_cut() {
    let limits = Limits { ask_max: 5_000, ..Limits::default() };
    let mut world = World::with(1, CALM, 2, &limits);
    world.nodes[1] = node(1, 5, &Limits::default());
    world.ask(0, 1, 1, body(5, 0), SECOND);
    let (token, _) = world.asked(1);
    world.answer(1, 0, token, body(5_001, 0));
    assert_eq!(world.answered(0), (1, Err(AskError::TooLarge { limit: 5_000 })));
    assert!(world.stat(1, "ask.data_sent") < 100, "nothing of it was sent");
    world.ask(0, 1, 2, body(5, 0), SECOND);
    let (token, _) = world.asked(1);
    world.answer(1, 0, token, body(5_000, 0));
    assert_eq!(world.answered(0), (2, Ok(body(5_000, 0)[..].into())));
    // A peer that sends more than it was told is not believed either.
    world.ask(0, 1, 3, body(5, 0), SECOND);
    world.run(Duration::from_millis(1));
    forge(&mut world, 1, 0, answer(2, 6_000, 0), &body(1_000, 0));
    assert_eq!(world.answered(0), (3, Err(AskError::TooLarge { limit: 5_000 })));
    assert_eq!(world.stat(0, "ask.parts_bytes"), 0);
}

#[test]
fn attack_24_whoever_is_asked_may_ask_back_before_it_answers() {
    // Neither takes the other's place, even where there is one each way.
    let mut world = acquainted(&Limits { asks_per_peer: 1, ..Limits::default() });
    world.ask(0, 1, 7, body(5, 0), 10 * SECOND);
    let (outer, _) = world.asked(1);
    world.ask(1, 0, 8, body(6, 0), 10 * SECOND);
    let (inner, request) = world.asked(0);
    assert_eq!(request[..], body(6, 0)[..]);
    world.answer(0, 1, inner, body(3, 0));
    assert_eq!(world.answered(1), (8, Ok(body(3, 0)[..].into())));
    world.answer(1, 0, outer, body(4, 0));
    assert_eq!(world.answered(0), (7, Ok(body(4, 0)[..].into())));
}

#[test]
fn attack_23_what_names_another_session_of_ours_is_challenged_and_not_taken() {
    let mut world = acquainted(&Limits::default());
    let run = world.stat(1, "ask.run");
    let (header, number) = header_of(&world, 0);
    for (name, taken) in [(header.dst ^ 1, 0), (header.dst, 1)] {
        let mut writer = Writer::part(Vec::new(), Header { dst: name, ..header }, number);
        writer.no_ack();
        writer.frame(&request(1, 2, 0));
        let (payload, _) = writer.finish(Bytes::from_static(b"hi"));
        world.deliver(MemoryAddr(0), MemoryAddr(1), payload.into_mut());
        world.run(SECOND);
        assert_eq!(world.stat(1, "ask.run"), run + taken);
        assert_eq!(world.stat(1, "ask.challenges_sent"), 1);
    }
}

#[test]
fn attack_23_what_was_refused_as_busy_is_not_run_when_a_copy_of_it_comes_late() {
    let mut world = World::new(1, CALM);
    world.nodes[1] = node(1, 5, &Limits { asks_per_peer: 2, ..Limits::default() });
    world.ask(0, 1, 0, body(5, 0), 60 * SECOND);
    world.asked(1);
    world.ask(0, 1, 1, body(5, 1), 60 * SECOND);
    let (second, _) = world.asked(1);
    world.ask(0, 1, 2, body(5, 2), 60 * SECOND);
    world.run(Duration::from_nanos(2));
    let sent = world.seen.iter().rev().find(|(src, ..)| src.0 == 0);
    let (src, dst, copy) = sent.cloned().expect("the third went out");
    assert_eq!(world.answered(0), (2, Err(AskError::Busy)));
    // There is room again, and the first still waits.
    world.answer(1, 0, second, body(1, 0));
    assert!(world.answered(0).1.is_ok());
    world.run(SECOND);
    assert_eq!(world.stat(1, "ask.owed"), 1);
    world.deliver(src, dst, copy);
    world.run(SECOND);
    assert_eq!(world.stat(1, "ask.run"), 2);
}

#[test]
fn attack_23_what_scattered_parts_count_is_given_back_as_the_gaps_between_them_close() {
    const PARTS: u64 = 40;
    let total = PARTS * 100;
    for answers in [false, true] {
        let mut world = acquainted(&Limits::default());
        let (from, to) = if answers { (1, 0) } else { (0, 1) };
        if answers {
            world.ask(0, 1, 7, body(5, 0), SECOND);
            world.run(Duration::from_nanos(2));
        }
        let frame = if answers { answer } else { request };
        let scattered = (0..PARTS).step_by(2).chain((1..PARTS).step_by(2));
        let mut counted = Vec::new();
        for part in scattered {
            forge(&mut world, from, to, frame(1, total, part * 100), &[part as u8; 100]);
            counted.push(world.stat(to as usize, "ask.parts_bytes"));
        }
        assert!(counted[19] > total, "twenty ranges count beside what they are of");
        assert_eq!((counted[38], counted[39]), (total, 0));
        assert_eq!(world.stat(to as usize, "ask.rejected_misfit"), 0);
    }
}
