//! A channel's life: handshake, data, renewal, end.

use super::seal_log::Watch;
use super::{Node, START, digest_of, established, handshake, ms, one, secs};
use crate::identity::SecretKey;
use crate::p2pke::Tai64n;
use crate::p2pke::channel::{ChannelEvent, DownReason, Failure, Reason};
use crate::p2pke::session::{FIRST_DATA, Initiation, SealError};
use crate::time::{Instant, UnixTime};
use std::vec::Vec;

#[test]
fn two_channels_shake_hands_and_talk_both_ways() {
    let (mut a, mut b, now) = established();
    assert_eq!((a.channel.peer(), b.channel.peer()), (Some(&b.public()), Some(&a.public())));
    for round in 0..100_u32 {
        let (out, back) = (a.seal(now, &round.to_be_bytes()), b.seal(now, &[]));
        assert_eq!(b.receive(now, &out.unwrap())[..], round.to_be_bytes());
        assert!(a.receive(now, &back.unwrap()).is_empty(), "the empty message is a message");
    }
}

#[test]
fn each_side_is_told_once_that_the_peer_is_up_and_that_it_may_send() {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    handshake(&mut a, &mut b, START);
    assert_eq!(a.events(), [ChannelEvent::Up { key: b.public() }, ChannelEvent::Ready]);
    assert_eq!(b.events(), [ChannelEvent::Up { key: a.public() }]);
    let first = a.seal(START + ms(1), b"x").unwrap();
    b.receive(START + ms(1), &first);
    assert_eq!(b.events(), [ChannelEvent::Ready]);
    assert!(a.events().is_empty());
}

#[test]
fn nothing_is_sealed_before_there_is_a_session() {
    let mut a = Node::new(1);
    assert_eq!(a.seal(START, b"x"), Err(SealError::NotReady));
    a.open(START);
    assert_eq!(a.seal(START, b"x"), Err(SealError::NotReady));
}

#[test]
fn opening_twice_makes_one_hello() {
    let mut a = Node::new(1);
    assert_eq!(a.open(START).len(), 1);
    assert!(a.open(START + ms(1)).is_empty());
}

#[test]
fn a_hello_is_repeated_by_timer_with_the_same_bytes_at_doubling_intervals() {
    let mut a = Node::new(1);
    let hello = one(a.open(START));
    let sent = a.run(START + ms(4_900));
    assert!(sent.iter().all(|(_, datagram)| *datagram == hello));
    let mut last = START;
    for ((at, _), interval) in sent.iter().zip([250, 500, 1000, 2000]) {
        let waited = at.since(last);
        assert!(waited >= ms(interval * 7 / 8) && waited <= ms(interval * 9 / 8), "{waited:?}");
        last = *at;
    }
    assert_eq!(sent.len(), 4);
}

#[test]
fn a_responder_repeats_itself_only_when_asked_and_with_the_same_bytes() {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    let hello = one(a.open(START));
    let answer = one(b.deliver(START, &hello));
    assert!(b.run(START + secs(14)).is_empty());
    assert_eq!(one(b.deliver(START + secs(14), &hello)), answer);
    assert_eq!(b.channel.candidates(), 1);
    b.run(START + secs(15));
    assert_eq!(b.channel.candidates(), 0, "nothing is left of it after the handshake's time");
    assert_eq!(b.channel.poll_timeout(), None);
}

#[test]
fn exact_repeats_are_answered_with_the_stored_bytes_as_long_as_the_session_lives() {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    let messages = handshake(&mut a, &mut b, START);
    b.run(START + secs(100));
    let now = START + secs(100);
    assert_eq!(one(b.deliver(now, &messages.init_hello)), messages.resp_hello);
    assert_eq!(one(b.deliver(now, &messages.init_done)), messages.resp_done);
    a.run(now);
    assert_eq!(a.refuse(now, &messages.resp_hello), Reason::Unexpected);
    assert_eq!(a.refuse(now, &messages.resp_done), Reason::Unexpected);
}

#[test]
fn a_responder_is_silent_until_the_initiator_has_had_its_chance_to_finish() {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    let hello = one(a.open(START));
    let answer = one(b.deliver(START, &hello));
    let done = one(a.deliver(START, &answer));
    let proven = START + ms(40); // the measured round trip
    let resp_done = one(b.deliver(proven, &done));
    assert_eq!(b.seal(proven, b"x"), Err(SealError::NotReady));
    // A repeat says that RespDone was lost: another 250 ms and round trip.
    let again = proven + ms(289);
    assert_eq!(one(b.deliver(again, &done)), resp_done);
    assert!(b.timeout(again + ms(289)).is_empty());
    assert_eq!(b.seal(again + ms(289), b"x"), Err(SealError::NotReady));
    assert_eq!(one(b.timeout(again + ms(290))), resp_done, "once more before the data");
    assert!(b.seal(again + ms(290), b"x").is_ok());
}

#[test]
fn replayed_init_dones_silence_a_responder_for_two_seconds_at_most() {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    let messages = handshake(&mut a, &mut b, START);
    for step in 1..20 {
        b.run(START + ms(step * 100));
        b.deliver(START + ms(step * 100), &messages.init_done);
        assert!(!b.channel.is_ready());
    }
    assert_eq!(b.run(START + secs(2)).len(), 1);
    assert!(b.channel.is_ready());
}

#[test]
fn counters_begin_at_sixteen_in_each_direction() {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    handshake(&mut a, &mut b, START);
    let first = a.seal(START, b"x").unwrap();
    assert_eq!(first[..4], FIRST_DATA.to_be_bytes());
    b.receive(START, &first);
    assert_eq!(b.seal(START, b"x").unwrap()[..4], FIRST_DATA.to_be_bytes());
}

#[test]
fn of_two_hellos_that_cross_the_lower_id_wins_on_both_sides() {
    for number in 0..20 {
        let (mut a, mut b) = (Node::new(100 + number), Node::new(200 + number));
        let _watch = Watch::start();
        let (from_a, from_b) = (one(a.open(START)), one(b.open(START)));
        let t1 = START + ms(1);
        let low_is_a = digest_of(&from_a) < digest_of(&from_b);
        let (low, high, low_hello, high_hello) = if low_is_a {
            (&mut a, &mut b, from_a, from_b)
        } else {
            (&mut b, &mut a, from_b, from_a)
        };
        assert_eq!(low.refuse(t1, &high_hello), Reason::Yielded);
        let answer = one(high.deliver(t1, &low_hello));
        assert!(high.channel.is_dialling(), "ours goes on until theirs is proven");
        let done = one(low.deliver(t1, &answer));
        let resp_done = one(high.deliver(t1, &done));
        assert!(!high.channel.is_dialling());
        low.deliver(t1, &resp_done);
        let message = low.seal(t1, b"x").unwrap();
        high.receive(t1, &message);
        let message = high.seal(t1, b"y").unwrap();
        low.receive(t1, &message);
    }
}

#[test]
fn of_two_sessions_that_one_initiator_proves_at_once_the_lower_id_is_used() {
    for higher_first in [false, true] {
        let (mut b, key) = (Node::new(2), SecretKey::from_seed(&[9; 32]));
        let mut begun = [1, 2].map(|nth: u8| {
            let date = Tai64n::from_unix(UnixTime::new(1_800_000_000, nth.into()));
            Initiation::start(&key, [nth; 32], date, START)
        });
        begun.sort_by_key(|(_, hello)| digest_of(hello));
        let answers = begun.each_ref().map(|(_, hello)| one(b.deliver(START, hello)));
        let mut sessions =
            [0, 1].map(|n| begun[n].0.read(&answers[n]).unwrap().complete(&key, START));
        let order = if higher_first { [1, 0] } else { [0, 1] };
        for n in order {
            let init_done = sessions[n].init_done().unwrap().clone();
            let resp_done = one(b.deliver(START, &init_done));
            sessions[n].finish(&resp_done).unwrap();
        }
        b.run(START + secs(3));
        let message = b.seal(START + secs(3), b"under the lower").unwrap();
        let [mut lower, mut higher] = sessions;
        assert!(higher.open(message[..].into()).is_err());
        assert_eq!(&lower.open(message[..].into()).unwrap()[..], b"under the lower");
    }
}

#[test]
fn a_superseded_hello_is_completed_when_its_answer_comes_late() {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    let first = one(a.open(START));
    // The peer has answered the first and, being what it is, answers no other.
    let answer = one(b.deliver(START, &first));
    let sent = a.run(START + secs(6));
    assert!(sent.iter().any(|(_, hello)| *hello != first), "made a new hello");
    let now = START + secs(6);
    let done = one(a.deliver(now, &answer));
    let resp_done = one(b.deliver(now, &done));
    a.deliver(now, &resp_done);
    assert!(a.channel.is_ready());
    let message = a.seal(now, b"x").unwrap();
    b.receive(now, &message);
}

#[test]
fn our_hello_that_their_session_superseded_is_completed_late_too() {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    // b has answered a's hello, then begins by itself and is proven.
    let ours = one(a.open(START));
    let late = one(b.deliver(START, &ours));
    let mut now = START;
    loop {
        let hello = one(b.open(now));
        if digest_of(&hello) < digest_of(&ours) {
            let answer = one(a.deliver(now, &hello));
            let done = one(b.deliver(now, &answer));
            let resp_done = one(a.deliver(now, &done));
            b.deliver(now, &resp_done);
            break;
        }
        b.restart();
        assert_eq!(late.len(), one(b.deliver(now, &ours)).len());
        now = now + ms(1);
    }
    assert!(a.channel.is_up() && !a.channel.is_dialling());
    if b.channel.candidates() == 1 {
        let again = one(b.deliver(now, &ours));
        let done = one(a.deliver(now + secs(2), &again));
        assert!(!b.deliver(now + secs(2), &done).is_empty());
    }
}

#[test]
fn a_session_in_use_is_renewed_by_its_initiator_after_120_s_and_no_message_is_lost() {
    let (mut a, mut b, start) = established();
    let _watch = Watch::start();
    let mut in_flight = Vec::new();
    let mut hello = None;
    let mut now = start;
    while hello.is_none() {
        now = now + secs(1);
        a.run(now);
        b.run(now);
        in_flight.push(a.seal(now, b"a").unwrap());
        hello = a.drain().pop();
        assert!(now < START + secs(121), "not renewed");
        let back = b.seal(now, b"b").unwrap();
        assert!(b.drain().is_empty(), "the responder leaves it to the initiator");
        a.receive(now, &back);
        if in_flight.len() > 1 {
            let message = in_flight.remove(0);
            b.receive(now, &message);
        }
    }
    assert!(now >= START + secs(120));
    // The handshake beside; both go on sending, and old messages arrive after the change.
    let answer = one(b.deliver(now, &hello.unwrap()));
    let old = (a.seal(now, b"old a").unwrap(), b.seal(now, b"old b").unwrap());
    let done = one(a.deliver(now, &answer));
    let resp_done = one(b.deliver(now, &done));
    let old_b = b.seal(now, b"still old").unwrap();
    assert!(a.deliver(now, &resp_done).is_empty());
    let new = a.seal(now, b"new").unwrap();
    assert_eq!(new[..4], FIRST_DATA.to_be_bytes(), "under the new session");
    assert_eq!(&b.receive(now, &new)[..], b"new");
    assert_eq!(&b.receive(now, &old.0)[..], b"old a");
    for message in in_flight {
        assert_eq!(&b.receive(now, &message)[..], b"a");
    }
    assert_eq!(&a.receive(now, &old.1)[..], b"old b");
    assert_eq!(&a.receive(now, &old_b)[..], b"still old");
    assert!(a.events().is_empty() && b.events().is_empty(), "nobody noticed");
}

#[test]
fn the_responder_renews_where_the_initiator_does_not() {
    let (mut a, mut b, _) = established();
    let mut now = START;
    while now < START + secs(134) {
        now = now + secs(5);
        let message = a.seal(now, b"a").unwrap();
        b.receive(now, &message);
        b.seal(now, b"b").unwrap();
        a.drain();
        a.with(|channel, _| while channel.poll_transmit().is_some() {});
        let dialling = b.channel.is_dialling();
        assert_eq!(dialling, now >= START + secs(135), "at {now}");
    }
}

#[test]
fn an_unused_session_is_left_to_expire_and_forgotten_15_s_later() {
    let (mut a, mut b, now) = established();
    assert!(a.run(now + secs(179) - ms(2)).is_empty());
    assert!(b.run(now + secs(179) - ms(2)).is_empty());
    assert!(a.channel.is_ready());
    a.run(START + secs(180));
    b.run(START + secs(180));
    for node in [&mut a, &mut b] {
        let down = ChannelEvent::Down { reason: DownReason::Expired };
        assert_eq!(node.events(), [down]);
        assert_eq!(node.seal(START + secs(180), b"x"), Err(SealError::NotReady));
        assert!(node.channel.lingers() && !node.channel.is_idle());
        assert!(node.run(START + secs(195)).is_empty());
        assert!(node.channel.is_idle() && node.channel.poll_timeout().is_none());
        assert_eq!(node.events(), []);
    }
}

#[test]
fn nothing_is_sealed_after_180_s_nor_opened_after_195_even_if_no_timer_ran() {
    let (mut a, mut b, now) = established();
    let messages = [a.seal(now, b"x").unwrap(), a.seal(now, b"y").unwrap()];
    assert_eq!(a.seal(START + secs(180), b"x"), Err(SealError::NotReady));
    assert_eq!(&b.receive(START + secs(195) - ms(1), &messages[0])[..], b"x");
    assert_eq!(b.refuse(START + secs(195), &messages[1]), Reason::Undecryptable);
    assert_eq!(a.open(START + secs(180)).len(), 1, "another can be opened at once");
}

#[test]
fn what_a_responder_seals_last_is_opened_by_the_initiator_whose_time_is_over() {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    // The hello took two seconds, and the responder's 180 begin when it came.
    let init_hello = one(a.open(START));
    let later = START + secs(2);
    let resp_hello = one(b.deliver(later, &init_hello));
    let init_done = one(a.deliver(later, &resp_hello));
    let resp_done = one(b.deliver(later, &init_done));
    a.deliver(later, &resp_done);
    let first = a.seal(later, b"first").unwrap();
    b.receive(later, &first);
    a.run(START + secs(181));
    assert!(!a.channel.is_ready());
    let last = b.seal(START + secs(181), b"last").unwrap();
    assert_eq!(&a.receive(START + secs(181), &last)[..], b"last");
}

#[test]
fn a_peer_that_was_given_up_is_up_again_when_it_sends_under_its_session() {
    let (mut a, mut b, now) = established();
    // All that b sends is lost, so a sends, hears nothing, begins a handshake and gives up.
    let silent = now + secs(11);
    assert!(a.seal(silent, b"into the void").is_ok());
    a.run(silent + secs(16));
    assert_eq!(a.events(), [ChannelEvent::Down { reason: DownReason::TimedOut }]);
    assert_eq!(a.seal(silent + secs(16), b"x"), Err(SealError::NotReady));

    let later = silent + secs(17);
    let message = b.seal(later, b"I never left").unwrap();
    assert_eq!(&a.receive(later, &message)[..], b"I never left");
    assert_eq!(a.events(), [ChannelEvent::Up { key: b.public() }, ChannelEvent::Ready]);
    let answer = a.seal(later, b"so I see").unwrap();
    assert_eq!(&b.receive(later, &answer)[..], b"so I see");
    assert!(a.drain().is_empty(), "no handshake is needed");
}

#[test]
fn where_the_session_that_the_peer_still_uses_is_over_another_is_begun() {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    let init_hello = one(a.open(START));
    let later = START + secs(2);
    let resp_hello = one(b.deliver(later, &init_hello));
    let init_done = one(a.deliver(later, &resp_hello));
    let resp_done = one(b.deliver(later, &init_done));
    a.deliver(later, &resp_done);
    let first = a.seal(later, b"first").unwrap();
    b.receive(later, &first);
    a.run(START + secs(181));
    a.events();
    let message = b.seal(START + secs(181), b"still here").unwrap();
    a.receive(START + secs(181), &message);
    assert_eq!(a.events(), [ChannelEvent::Up { key: b.public() }]);
    assert!(a.channel.is_dialling() && !a.channel.is_ready());
    for _ in 0..4 {
        for datagram in a.drain() {
            let _ = b.input(START + secs(181), &datagram);
        }
        for datagram in b.drain() {
            let _ = a.input(START + secs(181), &datagram);
        }
    }
    a.run(START + secs(183));
    assert!(a.channel.is_ready() && a.events().contains(&ChannelEvent::Ready));
}

#[test]
fn a_handshake_given_up_at_its_last_step_leaves_a_session_that_the_peer_may_use() {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    let init_hello = one(a.open(START));
    let resp_hello = one(b.deliver(START, &init_hello));
    let init_done = one(a.deliver(START, &resp_hello));
    // b takes the session, but neither its RespDone nor its repeats arrive.
    b.deliver(START, &init_done);
    a.run(START + secs(16));
    assert!(matches!(a.events()[..], [ChannelEvent::Failed { .. }]));
    b.run(START + secs(16));
    let message = b.seal(START + secs(16), b"hello?").unwrap();
    assert_eq!(&a.receive(START + secs(16), &message)[..], b"hello?");
    assert_eq!(a.events(), [ChannelEvent::Up { key: b.public() }, ChannelEvent::Ready]);
}

#[test]
fn at_the_message_limit_the_channel_renews_before_it_stops() {
    let (mut a, mut b, now) = established();
    let _watch = Watch::start();
    b.with(|channel, _| channel.spend((1 << 31) + FIRST_DATA - 1));
    let message = b.seal(now, b"x").unwrap();
    a.receive(now, &message);
    let hello = one(b.drain());
    let answer = one(a.deliver(now, &hello));
    let done = one(b.deliver(now, &answer));
    let resp_done = one(a.deliver(now, &done));
    assert!(b.seal(now, b"goes on").is_ok());
    b.deliver(now, &resp_done);
    assert_eq!(b.seal(now, b"x").unwrap()[..4], FIRST_DATA.to_be_bytes());
}

#[test]
fn a_spent_session_is_not_ready_and_another_can_be_opened() {
    let (mut a, _b, now) = established();
    a.with(|channel, _| channel.spend(u32::MAX - 2));
    assert!(a.seal(now, b"the last").is_ok());
    assert_eq!(a.seal(now, b"x"), Err(SealError::NotReady));
    assert!(a.channel.is_dialling(), "the last one began another");
}

#[test]
fn an_initiator_that_has_sent_nothing_opens_no_second_session() {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    b.timing.silence = secs(1000);
    handshake(&mut a, &mut b, START);
    let mut now = START;
    while now < START + secs(130) {
        now = now + secs(5);
        a.run(now);
        b.run(now);
        let message = b.seal(now, b"only the responder sends").unwrap();
        a.receive(now, &message);
        assert!(a.open(now).is_empty() && !a.channel.is_dialling());
    }
}

#[test]
fn a_failed_handshake_says_so_after_15_s() {
    let mut a = Node::new(1);
    a.open(START);
    a.run(START + secs(15) - ms(1));
    assert!(a.events().is_empty());
    a.run(START + secs(15));
    assert_eq!(a.events(), [ChannelEvent::Failed { reason: Failure::TimedOut }]);
    assert!(!a.channel.is_dialling());
    assert_eq!(a.open(START + secs(20)).len(), 1, "and may be tried again");
}

#[test]
fn a_hello_is_stamped_later_than_any_before_it_whoever_began() {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    // b's clock is an hour ahead; its session becomes ready.
    b.clock.date = b.clock.date + secs(3600);
    handshake(&mut b, &mut a, START);
    a.run(START + secs(1));
    let theirs = a.channel.latest();
    a.with(|channel, cx| channel.begin(cx, START + secs(30)));
    assert_eq!(a.channel.latest(), theirs.next());
}

#[test]
fn a_hello_that_was_never_proven_does_not_push_our_stamps() {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    b.clock.date = b.clock.date + secs(1_000_000_000);
    let hello = one(b.open(START));
    let before = a.channel.latest();
    a.deliver(START, &hello);
    assert_eq!(a.channel.latest(), before);
}

#[test]
fn an_early_or_repeated_timeout_does_nothing() {
    let (mut a, ..) = established();
    let at = a.channel.poll_timeout().unwrap();
    let before = a.dump();
    assert!(a.timeout(Instant::from_nanos(at.as_nanos() - 1)).is_empty());
    assert_eq!(before, a.dump());
    a.timeout(at);
    let after = a.dump();
    assert!(a.timeout(at).is_empty());
    assert_eq!(after, a.dump());
}
