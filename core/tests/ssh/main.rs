//! Nodes of SSH over a wire of our own, from the handshake to the end.

#![cfg(feature = "ssh")]

mod net;

use self::net::{Net, payload};
use core::time::Duration;
use std::collections::BTreeSet;
use tellask::Limits;
use tellask::ssh::{HANDSHAKE, IDLE, KEEP_ALIVE, Rekey, SPARE};
use tellask::swarm::{Accept, AskError, DownReason, Event, Refusal, Undeliverable};

/// The largest message, in bytes.
const MESSAGE_MAX: usize = 1 << 17;

#[test]
fn what_is_told_arrives_in_both_directions() {
    let mut net = Net::new(2, 1);
    net.tell(0, 1, b"hello");
    net.settle();
    let (src, heard) = net.told(1);
    assert_eq!(heard, b"hello");
    assert_eq!(src.fingerprint, net.nodes[0].fingerprint());
    net.tell_to(1, src, b"hello back");
    net.settle();
    assert_eq!(net.told(0).1, b"hello back");
}

#[test]
fn what_is_told_arrives_however_small_the_pieces_are() {
    for piece in [1, 2, 3, 5, 16, 17, 1_000] {
        let mut net = Net::new(2, 1);
        net.piece = piece;
        for len in [0, 1, 100, 5_000] {
            let message = payload(len);
            net.tell(0, 1, &message);
            net.settle();
            assert!(net.told(1).1 == message, "{len} bytes in pieces of {piece}");
        }
    }
}

#[test]
fn without_names_answers_go_in_the_order_of_requests_and_those_given_up_keep_their_place() {
    let mut net = Net::with(2, 1, |setup| setup.extension = false);
    for number in 0..4 {
        let waits = Duration::from_secs(if number == 1 { 1 } else { 60 });
        net.ask(0, 1, number, &[number as u8], waits);
    }
    net.settle();
    let asked: Vec<_> = (0..4).map(|_| net.asked(1)).collect();
    net.pass(Duration::from_secs(2));
    assert_eq!(net.answered(0), (1, Err(AskError::TimedOut { arrived: false })));
    net.events(0);
    for (token, src, request) in asked.into_iter().rev() {
        assert_eq!(net.events(0), [], "the first is not answered yet");
        let refused = request == [3];
        let result = if refused { Err(Refusal::new(7, *b"no")) } else { Ok(&request[..]) };
        net.answer(1, src, token, result);
        net.settle();
    }
    assert_eq!(net.answered(0), (0, Ok(vec![0])));
    assert_eq!(net.answered(0), (2, Ok(vec![2])));
    assert_eq!(net.answered(0), (3, Err(AskError::Refused(Refusal::unanswered()))));
    assert_eq!(net.figure(0, "answered_late"), 1);
}

#[test]
fn a_request_that_is_given_up_is_withdrawn_where_requests_have_names() {
    let mut net = Net::new(2, 1);
    net.ask(0, 1, 1, b"?", Duration::from_secs(1));
    net.settle();
    let (token, src, _) = net.asked(1);
    net.pass(Duration::from_secs(2));
    assert_eq!(net.answered(0).1, Err(AskError::TimedOut { arrived: false }));
    assert_eq!(net.events(1).last(), Some(&Event::Withdrawn { token, src }));
    net.answer(1, src, token, Ok(b"too late"));
    net.settle();
    assert_eq!((net.figure(0, "answered_late"), net.figure(1, "answers_owed")), (0, 0));
}

#[test]
fn requests_are_answered_in_any_order() {
    let mut net = Net::new(2, 1);
    for number in 0..3 {
        net.ask(0, 1, number, &[number as u8], Duration::from_secs(5));
    }
    net.settle();
    let asked: Vec<_> = (0..3).map(|_| net.asked(1)).collect();
    for (token, src, request) in asked.into_iter().rev() {
        net.answer(1, src, token, Ok(&request));
    }
    net.settle();
    for number in (0..3).rev() {
        assert_eq!(net.answered(0), (number, Ok([number as u8].to_vec())));
    }
}

#[test]
fn a_refusal_arrives_with_its_code_and_detail() {
    let mut net = Net::new(2, 1);
    net.ask(0, 1, 1, b"?", Duration::from_secs(5));
    net.settle();
    let (token, src, _) = net.asked(1);
    net.answer(1, src, token, Err(Refusal::new(7, *b"no")));
    net.settle();
    assert_eq!(net.answered(0), (1, Err(AskError::Refused(Refusal::new(7, *b"no")))));
}

#[test]
fn messages_over_the_limit_are_refused_and_those_at_it_arrive() {
    let mut net = Net::new(2, 1);
    let largest = payload(MESSAGE_MAX);
    net.tell(0, 1, &largest);
    net.settle();
    assert!(net.told(1).1 == largest);
    net.ask(0, 1, 1, &largest, Duration::from_secs(5));
    net.settle();
    let (token, src, request) = net.asked(1);
    assert!(request == largest);
    net.answer(1, src, token, Ok(&largest));
    net.settle();
    assert!(net.answered(0) == (1, Ok(largest)));
    net.ask(0, 1, 2, b"", Duration::from_secs(5));
    net.settle();
    let (token, ..) = net.asked(1);
    net.answer(1, src, token, Ok(&payload(MESSAGE_MAX + 1)));
    net.settle();
    assert_eq!(net.answered(0), (2, Err(AskError::TooLarge { limit: MESSAGE_MAX })));
}

#[test]
fn nobody_but_who_was_dialled_hears_anything() {
    let mut net = Net::new(3, 1);
    let mut wrong = net.addr(1);
    wrong.fingerprint = net.nodes[2].fingerprint();
    net.tell_to(0, wrong, b"secret");
    net.settle();
    assert!(net.events(1).iter().all(|event| !matches!(event, Event::Told(_))));
    let undelivered = Event::Undelivered { dst: wrong, reason: Undeliverable::WrongPeer };
    assert!(net.events(0).contains(&undelivered));
}

#[test]
fn whom_a_policy_excludes_hears_nothing_and_is_not_heard_whoever_dials() {
    for excludes in [0, 1] {
        let mut net = Net::new(2, 1);
        net.accept(excludes, Accept::Only(BTreeSet::new()));
        net.settle();
        let _links = (net.events(0), net.events(1));
        net.tell(0, 1, b"secret");
        net.settle();
        net.pass(HANDSHAKE);
        assert_eq!(net.events(1), []);
        let reason = if excludes == 0 { Undeliverable::Denied } else { Undeliverable::Refused };
        let undelivered = Event::Undelivered { dst: net.addr(1), reason };
        assert_eq!(net.events(0), [undelivered], "{excludes}");
    }
}

#[test]
fn keys_are_exchanged_again_with_traffic_in_flight() {
    let rekey = Rekey { packets: 40, ..Rekey::default() };
    let mut net = Net::with(2, 1, |setup| setup.rekey = rekey);
    net.piece = 999;
    for round in 0..100u64 {
        let message = payload(1_000 + round as usize);
        net.tell(0, 1, &message);
        net.ask(0, 1, round, &message, Duration::from_secs(5));
        if round % 7 == 0 {
            net.settle();
        }
    }
    net.settle();
    for round in 0..100 {
        let expected = payload(1_000 + round);
        assert!(net.told(1).1 == expected, "{round}");
        let (token, src, request) = net.asked(1);
        assert!(request == expected);
        net.answer(1, src, token, Ok(b"yes"));
    }
    net.settle();
    assert_eq!((0..100).filter(|_| net.answered(0).1.is_ok()).count(), 100);
    assert!(net.figure(0, "violations") == 0 && net.figure(1, "violations") == 0);
    assert!(net.figure(0, "rekeyed") > 3, "{}", net.figure(0, "rekeyed"));
}

#[test]
fn keys_are_exchanged_again_after_a_time_though_nothing_is_said() {
    let after = IDLE / 4;
    let mut net = Net::with(2, 1, |setup| setup.rekey = Rekey { after, ..Rekey::default() });
    net.tell(0, 1, b"hello");
    net.settle();
    assert_eq!((net.figure(0, "rekeyed"), net.figure(1, "rekeyed")), (0, 0));
    net.pass(after);
    assert_eq!((net.figure(0, "rekeyed"), net.figure(1, "rekeyed")), (1, 1));
}

#[test]
fn nothing_is_told_to_oneself() {
    let mut net = Net::new(1, 1);
    net.settle();
    net.events(0);
    net.tell(0, 0, b"hello");
    net.settle();
    let undelivered = Event::Undelivered { dst: net.addr(0), reason: Undeliverable::Oneself };
    assert_eq!(net.events(0), [undelivered]);
}

#[test]
fn two_connections_that_crossed_settle_on_one_and_whoever_dialled_the_other_ends_it() {
    for seed in 0..8 {
        let mut net = Net::new(2, seed);
        net.one_place = true;
        for from in 0..2 {
            net.tell(from, 1 - from, b"crossed");
        }
        net.settle();
        assert_eq!((net.told(0).1, net.told(1).1), (b"crossed".to_vec(), b"crossed".to_vec()));
        let counted =
            [0, 1].map(|node| (net.figure(node, "crossed"), net.nodes[node].connections()));
        assert_eq!(counted, [(1, 2); 2]);
        for round in 0..20 {
            for from in 0..2 {
                net.ask(from, 1 - from, round, b"?", SPARE);
                net.settle();
                let (token, src, request) = net.asked(1 - from);
                net.answer(1 - from, src, token, Ok(&request));
                net.settle();
                assert_eq!(net.answered(from), (round, Ok(b"?".to_vec())));
            }
            net.pass(SPARE / 8);
        }
        // Neither has noticed but by its figures.
        let connections = [0, 1].map(|node| net.nodes[node].connections());
        assert_eq!(connections, [1, 1], "seed {seed}");
        let down = |event: &Event<_>| matches!(event, Event::PeerDown { .. });
        assert!(!(0..2).any(|node| net.events(node).iter().any(down)));
    }
}

#[test]
fn an_idle_connection_is_ended_by_whoever_dialled_and_the_next_message_dials_again() {
    let mut net = Net::new(2, 1);
    net.tell(0, 1, b"one");
    net.settle();
    net.pass(IDLE + HANDSHAKE);
    let down = |event: &Event<_>| matches!(event, Event::PeerDown { .. });
    assert!(matches!(
        net.events(0).into_iter().find(down),
        Some(Event::PeerDown { reason: DownReason::Idle, .. })
    ));
    assert_eq!((net.nodes[0].connections(), net.nodes[1].connections()), (0, 0));
    net.events(1);
    net.tell(0, 1, b"two");
    net.settle();
    assert_eq!(net.told(1).1, b"two");
}

#[test]
fn a_connection_that_is_cut_is_noticed_and_dialled_again_at_the_next_message() {
    let mut net = Net::new(2, 1);
    net.tell(0, 1, b"one");
    net.ask(0, 1, 1, b"?", Duration::from_secs(60));
    net.settle();
    net.cut();
    net.settle();
    let why = Err(AskError::Unreachable(Undeliverable::Refused));
    assert_eq!(net.answered(0), (1, why));
    for node in [0, 1] {
        let down =
            |event: &Event<_>| matches!(event, Event::PeerDown { reason: DownReason::Left, .. });
        assert_eq!(net.nodes[node].connections(), 0);
        assert!(net.events(node).iter().any(down));
    }
    net.tell(0, 1, b"two");
    net.settle();
    assert_eq!(net.told(1).1, b"two");
}

#[test]
fn handshakes_that_are_not_finished_are_capped_and_end_and_honest_peers_get_in() {
    let limits = within(|limits| limits.half_open = 16);
    let mut net = Net::within(3, 1, limits, |_| {});
    net.tell(0, 1, b"before");
    net.settle();
    for _ in 0..100 {
        net.stranger(1);
        net.settle();
        assert!(net.nodes[1].half_open() <= 16);
    }
    net.tell(0, 1, b"meanwhile");
    net.tell(2, 1, b"and a new one");
    net.settle();
    let told: Vec<_> = (0..3).map(|_| net.told(1).1).collect();
    assert_eq!(told, [&b"before"[..], b"meanwhile", b"and a new one"]);
    net.pass(HANDSHAKE);
    assert_eq!((net.nodes[1].half_open(), net.nodes[1].connections()), (0, 2));
}

#[test]
fn of_ten_thousand_that_never_prove_a_key_peers_notice_nothing() {
    let mut net = Net::new(3, 1);
    net.tell(0, 1, b"before");
    net.settle();
    net.told(1);
    let most = Limits::default().half_open;
    for round in 0..1_000u64 {
        for _ in 0..10 {
            net.stranger(1);
        }
        net.pass(Duration::from_millis(3));
        assert!(net.nodes[1].half_open() <= most);
        net.tell(0, 1, &round.to_be_bytes());
        net.ask(0, 1, round, b"?", Duration::from_secs(1));
        net.settle();
        assert_eq!(net.told(1).1, round.to_be_bytes());
        let (token, src, request) = net.asked(1);
        net.answer(1, src, token, Ok(&request));
        net.settle();
        assert_eq!(net.answered(0), (round, Ok(b"?".to_vec())));
    }
    let accepted = net.figure(1, "accepted");
    assert_eq!(net.figure(1, "half_open_evicted"), accepted - most as u64 - 1);
    net.tell(2, 1, b"a new one");
    net.settle();
    assert_eq!(net.told(1).1, b"a new one");
    net.pass(HANDSHAKE);
    assert_eq!((net.nodes[1].half_open(), net.nodes[1].connections()), (0, 2));
}

fn within(set: impl Fn(&mut Limits)) -> impl Fn(u32) -> Limits {
    move |_| {
        let mut limits = Limits::default();
        set(&mut limits);
        limits
    }
}

#[test]
fn there_are_no_more_peers_than_there_may_be() {
    // One after another, or all at once.
    for each in [true, false] {
        let mut net = Net::within(4, 1, within(|limits| limits.peers = 2), |_| {});
        for node in 1..4 {
            net.tell(node, 0, b"hello");
            if each {
                net.settle();
            }
        }
        net.settle();
        assert_eq!((net.figure(0, "peers"), net.figure(0, "heard")), (2, 2));
        let accepted = if each { 2 } else { 3 };
        assert_eq!(net.figure(0, "accepted"), accepted, "no work in vain once all are there");
        let why =
            |event: &Event<_>| matches!(event, Event::PeerDown { .. } | Event::Undelivered { .. });
        let learns = (1..4).filter(|&node| net.events(node).iter().any(why)).count();
        assert_eq!(learns, 1, "the third learns it");
    }
}

#[test]
fn strangers_are_heard_at_the_rate_at_which_there_is_time_for_them() {
    let rate = within(|limits| limits.signature_checks_per_second = 10);
    let mut net = Net::within(2, 1, rate, |_| {});
    for _ in 0..100 {
        net.stranger(1);
    }
    assert_eq!((net.figure(1, "accepted"), net.figure(1, "turned_away")), (10, 90));
    net.pass(Duration::from_secs(1));
    net.stranger(1);
    assert_eq!(net.figure(1, "accepted"), 11);
}

#[test]
fn dials_are_capped() {
    let mut net = Net::within(6, 1, within(|limits| limits.dialling = 3), |_| {});
    for dst in 1..6 {
        net.tell(0, dst, b"hello");
    }
    assert_eq!(net.figure(0, "dialling"), 3);
    let full =
        |event: &Event<_>| matches!(event, Event::Undelivered { reason: Undeliverable::Full, .. });
    net.settle();
    assert_eq!(net.events(0).iter().filter(|event| full(event)).count(), 2);
}

#[test]
fn answers_that_wait_for_their_turn_are_bounded() {
    let limits = within(|limits| limits.ask_remembered_per_peer = 1_000);
    let mut net = Net::within(2, 1, limits, |setup| setup.extension = false);
    for number in 0..3 {
        net.ask(0, 1, number, b"?", Duration::from_secs(9));
    }
    net.settle();
    let asked: Vec<_> = (0..3).map(|_| net.asked(1)).collect();
    // The first is the last to be answered, and the third finds no room behind the second.
    for nth in [1, 2, 0] {
        let (token, src, _) = asked[nth];
        net.answer(1, src, token, Ok(&[7; 600]));
    }
    assert_eq!(net.figure(1, "refused_busy"), 1);
    net.settle();
    assert_eq!(net.answered(0), (0, Ok(vec![7; 600])));
    assert_eq!(net.answered(0), (1, Ok(vec![7; 600])));
    assert!(net.answered(0).1.is_err());
    assert_eq!(net.figure(1, "answer_bytes"), 0);
}

#[test]
fn a_peer_that_owes_an_answer_and_is_gone_without_a_word_is_noticed() {
    let mut net = Net::new(2, 1);
    net.ask(0, 1, 1, b"?", Duration::from_secs(600));
    net.settle();
    net.silent = true;
    net.pass(KEEP_ALIVE + Duration::from_secs(31));
    assert_eq!(net.answered(0), (1, Err(AskError::TimedOut { arrived: false })));
    let down =
        |event: &Event<_>| matches!(event, Event::PeerDown { reason: DownReason::TimedOut, .. });
    assert!(net.events(0).iter().any(down));
}

#[test]
fn a_peer_that_owes_an_answer_and_is_there_is_waited_for() {
    let mut net = Net::new(2, 1);
    net.ask(0, 1, 1, b"?", Duration::from_secs(600));
    net.pass(Duration::from_secs(500));
    let (token, src, _) = net.asked(1);
    net.answer(1, src, token, Ok(b"at last"));
    net.settle();
    assert_eq!(net.answered(0), (1, Ok(b"at last".to_vec())));
    assert_eq!(net.figure(0, "dialled"), 1);
}

#[test]
fn whoever_asks_without_end_is_read_no_further() {
    // The asker knows no such bound.
    let limits = |node| {
        let mut limits = Limits::default();
        limits.asks_per_peer = if node == 0 { 100_000 } else { 64 };
        limits
    };
    let mut net = Net::within(2, 1, limits, |_| {});
    for number in 0..2_000 {
        net.ask(0, 1, number, &[0; 100], Duration::from_secs(60));
    }
    net.settle();
    assert_eq!(net.figure(1, "answers_owed"), 64);
    for _ in 0..2_000 {
        let (token, src, request) = net.asked(1);
        net.answer(1, src, token, Ok(&request));
        net.settle();
    }
    assert_eq!((0..2_000).filter(|_| net.answered(0).1.is_ok()).count(), 2_000);
}

#[test]
fn answers_are_read_when_there_is_room_again_though_peers_are_held_back() {
    let limits = within(|limits| limits.receive = 300 * 1_024);
    for held in [false, true] {
        let mut net = Net::within(2, 1, &limits, |_| {});
        net.hold(0, held);
        for number in 0..8 {
            net.ask(0, 1, number, b"?", Duration::from_secs(60));
        }
        net.settle();
        net.takes[0] = false;
        for _ in 0..8 {
            let (token, src, _) = net.asked(1);
            net.answer(1, src, token, Ok(&payload(100_000)));
        }
        net.settle();
        net.takes[0] = true;
        net.settle();
        assert_eq!((0..8).filter(|_| net.answered(0).1.is_ok()).count(), 8, "held: {held}");
    }
}

#[test]
fn what_is_told_to_who_is_held_back_waits_and_arrives() {
    let mut net = Net::new(2, 1);
    net.hold(1, true);
    for number in 0..6 {
        net.tell(0, 1, &[number; 10_000]);
    }
    net.settle();
    assert_eq!(net.figure(1, "heard"), 0);
    net.close(0);
    net.settle();
    net.hold(1, false);
    net.settle();
    for number in 0..6 {
        assert!(net.told(1).1 == [number; 10_000], "{number}");
    }
}

#[test]
fn a_peer_has_few_connections_however_often_it_dials() {
    let mut net = Net::new(2, 1);
    net.one_place = true;
    for seed in 0..20 {
        net.tell(1, 0, b"hello");
        net.settle();
        assert_eq!(net.told(0).1, b"hello");
        net.renew(1, seed);
    }
    net.pass(Duration::from_secs(5));
    assert_eq!((net.figure(0, "peers"), net.figure(0, "accepted")), (1, 20));
    assert!(net.nodes[0].connections() <= 4, "{}", net.nodes[0].connections());
}

#[test]
fn messages_that_came_before_a_peer_left_are_heard_though_there_was_no_room_for_them_at_once() {
    let limits = within(|limits| limits.receive = 160 * 1_024);
    let mut net = Net::within(2, 1, limits, |_| {});
    net.takes[1] = false;
    for number in 0..6 {
        net.tell(0, 1, &[number; 10_000]);
    }
    net.close(0);
    net.settle();
    assert!(net.figure(1, "heard") < 6, "there is no room for all");
    assert_eq!(net.events(1), []);
    net.takes[1] = true;
    net.pass(HANDSHAKE);
    for number in 0..6 {
        assert!(net.told(1).1 == [number; 10_000], "{number}");
    }
    assert_eq!(net.figure(1, "received_but_dropped"), 0);
}

#[test]
fn a_close_finishes_what_was_accepted() {
    let mut net = Net::new(2, 1);
    net.tell(0, 1, b"the last one");
    net.close(0);
    net.settle();
    assert_eq!(net.told(1).1, b"the last one");
    assert_eq!(net.events(0).last(), Some(&Event::Closed));
    assert_eq!((net.nodes[0].connections(), net.nodes[1].connections()), (0, 0));
}
