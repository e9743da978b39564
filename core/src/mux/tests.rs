#![allow(clippy::wildcard_enum_match_arm, reason = "a test names what it looks for")]

use super::*;
use crate::addr::{At, MemoryAddr};
use crate::identity::PublicKey;
use crate::join::Join;
use crate::outbox::OVERHEAD;
use crate::payload::Payload;
use crate::port::{Datagram, DatagramInput, DatagramPort};
use crate::stack::Stack;
use crate::stats::Snapshot;
use crate::swarm::{
    AskError, AskId, DownReason, IdentifyError, Message, Setting, Swarm, Undeliverable,
};
use crate::time::Anchor;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use bytes::BytesMut;
use proptest::prelude::*;

type A = MemoryAddr;
type Numbers = Mux<u16, A>;

const PEER: A = MemoryAddr(1);
const SELF: A = MemoryAddr(9);
const NOW: Instant = Instant::from_nanos(1_000);
const BELOW: usize = 1_000;

fn link() -> Link<A> {
    Link { local: vec![SELF], unit: BELOW, tell_max: BELOW, ask_max: BELOW }
}

fn mux(channels: impl IntoIterator<Item = u16>) -> Numbers {
    with(channels, &Limits::default())
}

fn with(channels: impl IntoIterator<Item = u16>, limits: &Limits) -> Numbers {
    let mut mux = Mux::new(limits).with_channels(channels).expect("opens");
    mux.handle_input(NOW, Event::Link(link()));
    events(&mut mux);
    mux
}

fn events<C: Channel>(mux: &mut Mux<C, A>) -> Vec<(C, Event<A>)> {
    core::iter::from_fn(|| mux.poll_event()).collect()
}

fn transmits<C: Channel>(mux: &mut Mux<C, A>) -> Vec<Command<A>> {
    core::iter::from_fn(|| mux.poll_transmit()).collect()
}

fn tell(payload: impl Into<Payload>) -> Command<A> {
    Command::Tell { dst: PEER, payload: payload.into() }
}

fn told(bytes: impl AsRef<[u8]>) -> Event<A> {
    let payload = BytesMut::from(bytes.as_ref());
    Event::Told(Message { src: PEER, dst: SELF, payload })
}

fn asked(token: u64, bytes: impl AsRef<[u8]>, deadline: Instant) -> Event<A> {
    let payload = BytesMut::from(bytes.as_ref());
    let message = Message { src: PEER, dst: SELF, payload };
    Event::Asked { token: Token(token), message, deadline }
}

fn answer(token: u64) -> Command<A> {
    Command::Answer { token: Token(token), dst: PEER, result: Ok("yes".into()) }
}

fn refusal(token: u64) -> Command<A> {
    Command::Answer { token: Token(token), dst: PEER, result: Err(Refusal::default()) }
}

fn figure<C: Channel>(mux: &Mux<C, A>, name: &str) -> u64 {
    let mut snapshot = Snapshot::default();
    mux.stats(&mut snapshot);
    snapshot.value(&alloc::format!("mux.{name}"))
}

fn header<C: Channel>(channel: &C) -> Vec<u8> {
    let mut header = Vec::new();
    channel.write(&mut header);
    header
}

fn carries<C: Channel + fmt::Debug>(channels: &[C]) {
    let open = |channels: &[C]| {
        let mut mux = Mux::new(&Limits::default()).with_channels(channels.to_vec()).expect("opens");
        mux.handle_input(NOW, Event::Link(link()));
        events(&mut mux);
        mux
    };
    let (mut from, mut to) = (open(channels), open(channels));
    for channel in channels {
        for text in [&b""[..], b"a text"] {
            from.handle_command(NOW, (channel.clone(), tell(text)));
            let sent = transmits(&mut from);
            let [Command::Tell { payload, .. }] = &sent[..] else { panic!("{sent:?}") };
            let bytes = payload.clone().into_bytes();
            assert_eq!(bytes, [&header(channel), text].concat());
            to.handle_input(NOW, told(&bytes));
            assert_eq!(events(&mut to), [(channel.clone(), told(text))]);
        }
    }
}

#[test]
fn a_message_arrives_at_the_channel_that_it_was_told_on() {
    carries(&[0_u16, 1, 0xfffe, 0xffff]);
    carries(&[0_u32, 1, u32::MAX]);
    carries(&[0_u64, 1, u64::MAX]);
    carries(&[Varint(0), Varint(127), Varint(128), Varint(u64::MAX)]);
    carries(&[Name::from(""), "name".into(), "日本".into(), "n".repeat(300).as_str().into()]);
}

proptest! {
    #[test]
    fn every_channel_reads_back_from_its_header(
        number: u64,
        name: String,
        rest in proptest::collection::vec(any::<u8>(), 0..9),
    ) {
        fn check<C: Channel + fmt::Debug>(channel: C, rest: &[u8]) {
            let mut bytes = header(&channel);
            let len = bytes.len();
            bytes.extend_from_slice(rest);
            assert_eq!(C::read(&bytes), Some((channel.clone(), len)));
            let index: BTreeMap<C, u8> = [(channel, 5)].into();
            assert_eq!(C::find(&index, &bytes), Some((Some(&5), len)));
            for cut in 0..len {
                assert_eq!(C::find(&index, &bytes[..cut]), None);
            }
        }
        check(number as u16, &rest);
        check(number as u32, &rest);
        check(number, &rest);
        check(Varint(number), &rest);
        check(Name::from(name), &rest);
    }

    #[test]
    fn no_header_makes_a_parser_panic_nor_read_past_the_end(bytes: Vec<u8>) {
        fn check<C: Channel>(bytes: &[u8]) {
            if let Some((channel, len)) = C::read(bytes) {
                assert!(len <= bytes.len());
                assert!(header(&channel).len() <= len, "ours is the shortest spelling");
            }
        }
        check::<u16>(&bytes);
        check::<u32>(&bytes);
        check::<u64>(&bytes);
        check::<Varint>(&bytes);
        check::<Name>(&bytes);
    }
}

#[test]
fn limits_are_those_below_less_the_header() {
    let name = Name::from("seven b");
    let mut mux = Mux::new(&Limits::default()).with_channels([name.clone()]).expect("opens");
    mux.handle_input(NOW, Event::Link(link()));
    let less = BELOW - 8;
    let expected = Link { local: vec![SELF], unit: less, tell_max: less, ask_max: less };
    assert_eq!(events(&mut mux), [(name.clone(), Event::Link(expected))]);
    mux.handle_input(NOW, Event::PathMtu { dst: PEER, unit: 1_200, tell_max: 1_300 });
    let path = Event::PathMtu { dst: PEER, unit: 1_192, tell_max: 1_292 };
    assert_eq!(events(&mut mux), [(name.clone(), path)]);

    mux.handle_command(NOW, (name.clone(), tell(vec![0; 1_293])));
    let reason = Undeliverable::TooLarge { limit: 1_292 };
    assert_eq!(events(&mut mux), [(name.clone(), Event::Undelivered { dst: PEER, reason })]);
    mux.handle_command(NOW, (name, tell(vec![0; 1_292])));
    assert_eq!(transmits(&mut mux).len(), 1);
}

#[test]
fn links_and_peers_are_told_to_every_open_channel() {
    let mut mux = mux([1, 2]);
    let key = PublicKey::from_bytes([1; 32]);
    for event in [
        Event::PeerUp { addr: PEER, key },
        Event::PeerDown { addr: PEER, reason: DownReason::Idle },
        Event::Link(link()),
    ] {
        mux.handle_input(NOW, event);
        let channels: Vec<u16> = events(&mut mux).into_iter().map(|(channel, _)| channel).collect();
        assert_eq!(channels, [1, 2]);
    }
    // What was not delivered, to those who told something.
    mux.handle_command(NOW, (2, tell("x")));
    let lost = Event::Undelivered { dst: PEER, reason: Undeliverable::TimedOut };
    mux.handle_input(NOW, lost.clone());
    assert_eq!(events(&mut mux), [(2, lost)]);
}

#[test]
fn channels_are_opened_and_closed_while_it_runs() {
    let mut mux = mux([1]);
    assert_eq!(mux.open(NOW, 1), Err(OpenError::Open));
    assert_eq!(mux.open(NOW, 2), Ok(()));
    let opened = events(&mut mux);
    assert!(matches!(&opened[..], [(2, Event::Link(_))]), "it learns the link: {opened:?}");

    mux.handle_command(NOW, (2, tell("before")));
    assert!(mux.close(NOW, &2));
    mux.handle_command(NOW, (2, tell("after")));
    assert_eq!(transmits(&mut mux).len(), 1, "what was accepted still goes");
    let due = mux.poll_timeout().expect("the end is due");
    mux.handle_timeout(due);
    let reason = Undeliverable::Closed;
    let end = [(2, Event::Undelivered { dst: PEER, reason }), (2, Event::Closed)];
    assert_eq!(events(&mut mux), end);
    assert_eq!(transmits(&mut mux), [], "the swarm below stays open");
    assert!(!mux.close(NOW, &2));

    mux.handle_input(NOW, told([0, 2, 7]));
    assert_eq!(figure(&mux, "unknown_channel"), 1);
    assert_eq!(mux.open(NOW, 2), Ok(()));
    mux.handle_input(NOW, told([0, 2, 7]));
    assert_eq!(events(&mut mux).pop(), Some((2, told([7]))));
}

#[test]
fn as_many_channels_are_open_as_may_be_and_no_more() {
    let limits = Limits { channels: 3, ..Limits::default() };
    let mut mux: Numbers = Mux::new(&limits);
    for channel in 0..3 {
        assert_eq!(mux.open(NOW, channel), Ok(()));
    }
    assert_eq!(mux.open(NOW, 3), Err(OpenError::Full));
    for round in 0..10_000_u32 {
        assert!(mux.close(NOW, &(round as u16)));
        events(&mut mux);
        assert_eq!(mux.open(NOW, round as u16 + 3), Ok(()));
    }
    assert!(mux.slots.len() <= 4);
}

#[test]
fn the_last_channel_to_close_closes_the_swarm_below() {
    let mut mux = mux([1, 2]);
    mux.handle_command(NOW, (1, Command::Close));
    assert_eq!(events(&mut mux), [(1, Event::Closed)]);
    mux.handle_command(NOW, (2, tell("last words")));
    mux.handle_command(NOW, (2, Command::Close));
    assert_eq!(transmits(&mut mux).len(), 1);
    let due = mux.poll_timeout().expect("the end is due");
    mux.handle_timeout(due);
    assert_eq!(transmits(&mut mux), [Command::Close]);
    assert_eq!(events(&mut mux), [], "not before the swarm below has finished");
    mux.handle_input(due, Event::Closed);
    assert_eq!(events(&mut mux), [(2, Event::Closed)]);
    assert_eq!(mux.open(due, 3), Err(OpenError::Closed));
}

// Turns, and back-pressure.

#[test]
fn channels_take_turns_by_bytes_whatever_size_their_messages_have() {
    let mut mux = mux([1, 2, 3]);
    mux.handle_input(NOW, Event::Full { scope: Scope::All });
    let sizes: [usize; 3] = [10, 300, 900];
    for (channel, size) in (1..).zip(sizes) {
        for _ in 0..100_000 / (size + OVERHEAD) {
            mux.handle_command(NOW, (channel, tell(vec![channel as u8; size])));
        }
    }
    mux.handle_input(NOW, Event::Ready { scope: Scope::All });
    let mut sent = [0_usize; 3];
    while let Some(Command::Tell { payload, .. }) = mux.poll_transmit() {
        let channel = usize::from(payload.head()[1]) - 1;
        sent[channel] += payload.len() + OVERHEAD;
        let (least, most) = (sent.iter().min().expect("three"), sent.iter().max().expect("three"));
        if *most < 90_000 {
            assert!(most - least <= 2 * QUANTUM, "{sent:?}");
        }
    }
    assert!(sent.iter().all(|bytes| *bytes > 90_000), "{sent:?}");
}

#[test]
fn a_full_channel_does_not_stall_its_neighbours() {
    let mut mux = mux([1, 2]);
    mux.handle_input(NOW, Event::Full { scope: Scope::All });
    let full = (1, Event::Full { scope: Scope::All });
    let mut accepted = 0;
    while !events(&mut mux).contains(&full) {
        mux.handle_command(NOW, (1, tell(vec![1; 900])));
        accepted += 1;
        assert!(accepted < 1_000, "nothing ever says that it is full");
    }
    mux.handle_command(NOW, (1, tell("too much")));
    let reason = Undeliverable::Full;
    assert_eq!(events(&mut mux), [(1, Event::Undelivered { dst: PEER, reason })]);
    mux.handle_command(NOW, (2, tell("a neighbour")));
    assert_eq!(events(&mut mux), [], "it is accepted");

    mux.handle_input(NOW, Event::Ready { scope: Scope::All });
    let place = transmits(&mut mux)
        .iter()
        .position(|sent| matches!(sent, Command::Tell { payload, .. } if payload.head()[1] == 2));
    assert!(place.expect("it is sent") <= QUANTUM / 900 + 1, "and not at the end");
    let due = mux.poll_timeout().expect("it is ready again");
    mux.handle_timeout(due);
    assert_eq!(events(&mut mux), [(1, Event::Ready { scope: Scope::All })]);
}

#[test]
fn upward_too_a_channel_that_nobody_drains_stalls_only_itself() {
    let limits = Limits { receive: 10_000, ..Limits::default() };
    let mut mux = with([1, 2], &limits);
    for _ in 0..100 {
        mux.handle_input(NOW, told([&[0, 1][..], &[7; 500]].concat()));
    }
    mux.handle_input(NOW, told([0, 2, 7]));
    assert!(figure(&mux, "0.receive_bytes") <= 10_000);
    assert!(figure(&mux, "0.received_but_dropped") > 50);
    assert!(events(&mut mux).contains(&(2, told([7]))));
}

#[test]
fn a_destination_that_is_full_below_holds_up_no_other_in_any_channel_not_even_a_new_one() {
    let mut mux = mux([1]);
    mux.handle_input(NOW, Event::Full { scope: Scope::To(PEER) });
    mux.open(NOW, 2).expect("opens");
    for channel in [1, 2] {
        mux.handle_command(NOW, (channel, tell("waits")));
        let payload = "goes".into();
        mux.handle_command(NOW, (channel, Command::Tell { dst: MemoryAddr(2), payload }));
    }
    assert_eq!(transmits(&mut mux).len(), 2);
    mux.handle_input(NOW, Event::Ready { scope: Scope::To(PEER) });
    assert_eq!(transmits(&mut mux).len(), 2);
}

#[test]
fn a_message_that_had_not_left_when_the_side_below_got_full_waits() {
    let mut mux = mux([1]);
    mux.handle_command(NOW, (1, tell("told just before")));
    mux.handle_input(NOW, Event::Full { scope: Scope::To(PEER) });
    assert_eq!(transmits(&mut mux), []);
    mux.handle_input(NOW, Event::Ready { scope: Scope::To(PEER) });
    assert_eq!(transmits(&mut mux).len(), 1);
    assert_eq!(figure(&mux, "told"), 1);
}

#[test]
fn messages_leave_and_arrive_in_the_order_of_telling_whether_they_waited_or_not() {
    let mut mux = mux([1]);
    for round in 0..3 {
        for number in 0..=round {
            mux.handle_command(NOW, (1, tell(vec![number; 3])));
            mux.handle_input(NOW, told([0, 1, number]));
        }
        let sent = transmits(&mut mux).into_iter().map(|command| match command {
            Command::Tell { payload, .. } => payload.into_bytes(),
            other => panic!("{other:?}"),
        });
        let number = |number| [0, 1, number, number, number];
        assert!(sent.eq((0..=round).map(|n| number(n).to_vec())));
        let heard: Vec<_> = (0..=round).map(|number| (1, told([number]))).collect();
        assert_eq!(events(&mut mux), heard);
    }
}

// Asks.

#[test]
fn a_request_has_the_header_and_its_answer_has_none() {
    let (mut asker, mut answerer) = (mux([5, 6]), mux([5, 6]));
    let id = AskId::new(77);
    let ask = Command::Ask { id, dst: PEER, payload: "what".into(), deadline: Instant::MAX };
    asker.handle_command(NOW, (6, ask));
    let sent = transmits(&mut asker);
    let [Command::Ask { id: below, payload, .. }] = &sent[..] else { panic!("{sent:?}") };
    assert_ne!(*below, id, "it is labelled");
    assert_eq!(payload.clone().into_bytes(), [&[0, 6][..], b"what"].concat());

    answerer.handle_input(NOW, asked(3, payload.clone().into_bytes(), Instant::MAX));
    assert_eq!(events(&mut answerer), [(6, asked(3, "what", Instant::MAX))]);
    answerer.handle_command(NOW, (6, answer(3)));
    assert_eq!(transmits(&mut answerer), [answer(3)]);

    let result = Ok(BytesMut::from(&b"yes"[..]));
    asker.handle_input(NOW, Event::Answered { id: *below, result: result.clone() });
    assert_eq!(events(&mut asker), [(6, Event::Answered { id, result })]);
}

#[test]
fn a_cancellation_goes_by_the_same_name_as_its_request() {
    let mut mux = mux([5]);
    let (id, deadline) = (AskId::new(77), Instant::MAX);
    mux.handle_command(NOW, (5, Command::Ask { id, dst: PEER, payload: "x".into(), deadline }));
    mux.handle_command(NOW, (5, Command::Cancel { id, dst: PEER }));
    let sent = transmits(&mut mux);
    let [Command::Ask { id: asked, .. }, Command::Cancel { id: cancelled, .. }] = &sent[..] else {
        panic!("{sent:?}")
    };
    assert_eq!(asked, cancelled);
}

#[test]
fn a_request_through_too_many_layers_is_refused_and_not_confused_with_another() {
    let mut mux = mux([5]);
    let id = AskId { seq: 1, path: u64::MAX };
    let deadline = Instant::MAX;
    mux.handle_command(NOW, (5, Command::Ask { id, dst: PEER, payload: "x".into(), deadline }));
    let result = Err(AskError::Unsupported);
    assert_eq!(events(&mut mux), [(5, Event::Answered { id, result })]);
    assert_eq!(transmits(&mut mux), []);
}

#[test]
fn a_channel_answers_no_request_that_another_one_got() {
    let mut mux = mux([5, 6]);
    mux.handle_input(NOW, asked(3, [0, 5], Instant::MAX));
    mux.handle_command(NOW, (6, answer(3)));
    assert_eq!((transmits(&mut mux), figure(&mux, "stray_answers")), (vec![], 1));
    mux.handle_command(NOW, (5, answer(3)));
    mux.handle_command(NOW, (5, answer(3)));
    assert_eq!(transmits(&mut mux), [answer(3)], "once");
}

#[test]
fn a_withdrawal_reaches_the_channel_that_was_asked() {
    let mut mux = mux([5, 6]);
    mux.handle_input(NOW, asked(3, [0, 6], Instant::MAX));
    events(&mut mux);
    let withdrawn = Event::Withdrawn { token: Token(3), src: PEER };
    mux.handle_input(NOW, withdrawn.clone());
    assert_eq!(events(&mut mux), [(6, withdrawn.clone())]);
    mux.handle_input(NOW, withdrawn);
    assert_eq!(events(&mut mux), []);
}

#[test]
fn requests_that_nobody_answers_are_bounded_and_forgotten_at_their_deadline() {
    let limits = Limits { channel_requests: 4, ..Limits::default() };
    let mut mux = with([5], &limits);
    let deadline = NOW + core::time::Duration::from_secs(1);
    for token in 0..6 {
        mux.handle_input(NOW, asked(token, [0, 5], deadline));
    }
    assert_eq!(events(&mut mux).len(), 4);
    assert_eq!(transmits(&mut mux), [refusal(4), refusal(5)], "busy, and told so");
    assert_eq!(mux.poll_timeout(), Some(deadline));
    mux.handle_timeout(deadline);
    assert_eq!(figure(&mux, "requests_waiting"), 0);
    mux.handle_input(deadline, asked(9, [0, 5], Instant::MAX));
    assert_eq!(events(&mut mux).len(), 1);
}

#[test]
fn what_was_asked_on_a_closed_channel_is_not_answered_to_the_next_one() {
    let mut mux = mux([5]);
    let (id, deadline) = (AskId::new(1), Instant::MAX);
    mux.handle_command(NOW, (5, Command::Ask { id, dst: PEER, payload: "x".into(), deadline }));
    let sent = transmits(&mut mux);
    let [Command::Ask { id: below, .. }] = &sent[..] else { panic!("{sent:?}") };
    mux.handle_input(NOW, asked(3, [0, 5], Instant::MAX));
    mux.close(NOW, &5);
    assert_eq!(transmits(&mut mux), [refusal(3)], "whoever asked it waits in vain");
    events(&mut mux);
    mux.open(NOW, 5).expect("opens");
    events(&mut mux);
    mux.handle_input(NOW, Event::Answered { id: *below, result: Ok(BytesMut::new()) });
    assert_eq!(events(&mut mux), []);
}

#[test]
fn a_channel_ends_once_its_requests_have_their_outcomes() {
    let mut mux = mux([5, 6]);
    let (deadline, payload) = (NOW + core::time::Duration::from_secs(1), || Payload::from("what"));
    let ask = |seq| Command::Ask { id: AskId::new(seq), dst: PEER, payload: payload(), deadline };
    mux.handle_command(NOW, (5, ask(1)));
    mux.handle_command(NOW, (5, ask(2)));
    let ids = transmits(&mut mux).into_iter().map(|command| match command {
        Command::Ask { id, .. } => id,
        other => panic!("{other:?}"),
    });
    mux.handle_command(NOW, (5, Command::Close));
    assert_eq!(events(&mut mux), [], "two are outstanding");
    for (id, seq) in ids.zip([1, 2]) {
        assert_eq!(events(&mut mux), []);
        mux.handle_input(NOW, Event::Answered { id, result: Err(AskError::Busy) });
        let outcome = Event::Answered { id: AskId::new(seq), result: Err(AskError::Busy) };
        assert_eq!(mux.poll_event(), Some((5, outcome)));
    }
    assert_eq!(events(&mut mux), [(5, Event::Closed)]);
    assert!(mux.channels().eq([&6]));
}

#[test]
fn whoever_wants_a_peer_identified_is_told_and_nobody_else() {
    let mut mux = mux([5, 6, 7]);
    for channel in [6, 5, 6] {
        mux.handle_command(NOW, (channel, Command::Identify { dst: PEER }));
    }
    assert_eq!(transmits(&mut mux).len(), 3);
    let why = IdentifyError::Undeliverable(Undeliverable::TimedOut);
    let outcome = Event::Identified { addr: PEER, result: Err(why) };
    for channel in [6, 5, 6] {
        mux.handle_input(NOW, outcome.clone());
        assert_eq!(events(&mut mux), [(channel, outcome.clone())]);
    }
    mux.handle_input(NOW, outcome);
    assert_eq!((events(&mut mux), figure(&mux, "identifying")), (vec![], 0));
}

#[test]
fn whatever_a_channel_commands_that_is_not_open_is_refused() {
    let mut mux = mux([1]);
    let deadline = Instant::MAX;
    let id = AskId::new(1);
    mux.handle_command(NOW, (7, tell("x")));
    mux.handle_command(NOW, (7, Command::Ask { id, dst: PEER, payload: "x".into(), deadline }));
    mux.handle_command(NOW, (7, Command::Identify { dst: PEER }));
    mux.handle_command(NOW, (7, Command::Set(Setting::Clock(Anchor::default()))));
    assert_eq!(transmits(&mut mux), []);
    assert_eq!(events(&mut mux).len(), 3);
    for _ in 0..10_000 {
        mux.handle_command(NOW, (7, tell("x")));
    }
    assert!(figure(&mux, "strays") <= STRAYS as u64);
}

// Attacks and faults.

#[test]
fn a_name_longer_than_the_message_or_than_memory_is_dropped() {
    let mut mux: Mux<Name, A> =
        Mux::new(&Limits::default()).with_channels(["name".into()]).expect("opens");
    let len = |len: u64| crate::uvarint::Uvarint::new(len).as_bytes().to_vec();
    let bad = [
        [len(1 << 63), b"name".to_vec()].concat(),
        [len(u64::MAX), b"name".to_vec()].concat(),
        [len(5), b"name".to_vec()].concat(),
        len(1),
        vec![],
        vec![0x80; 10],
        [len(4), vec![0xff, 0xfe, 0xfd, 0xfc]].concat(),
    ];
    for (count, bytes) in bad.iter().enumerate() {
        mux.handle_input(NOW, told(bytes));
        assert_eq!(events(&mut mux), []);
        assert_eq!(figure(&mux, "malformed"), count as u64 + 1, "{bytes:?}");
        mux.handle_input(NOW, asked(count as u64, bytes, Instant::MAX));
        assert_eq!(transmits(&mut mux), [refusal(count as u64)]);
        mux.counters.malformed -= 1;
    }
}

#[test]
fn a_message_for_an_unknown_channel_is_counted_and_dropped_and_others_are_unaffected() {
    let mut mux = mux([1]);
    mux.handle_input(NOW, told([0, 2, 7]));
    mux.handle_input(NOW, told([0, 1, 7]));
    assert_eq!(events(&mut mux), [(1, told([7]))]);
    assert_eq!(figure(&mux, "unknown_channel"), 1);
    mux.handle_input(NOW, asked(3, [0, 2], Instant::MAX));
    assert_eq!(transmits(&mut mux), [refusal(3)], "nobody waits for an answer that never comes");
}

// In stacks.

type Port = DatagramPort<A>;
type Joined = Stack<Stack<Port, Mux<Name, A>>, Join<Name, A>>;
type Twice = Stack<Stack<Joined, Mux<Varint, At<Name, A>>>, Join<Varint, At<Name, A>>>;

fn joined(number: u32) -> Joined {
    let limits = Limits::default();
    let mux = Mux::new(&limits).with_channels(["a".into(), "b".into()]).expect("opens");
    let mut stack = Stack::new(Stack::new(Port::new(&limits), mux), Join::new(&limits));
    let local = vec![MemoryAddr(number)];
    stack.handle_input(NOW, DatagramInput::Bound { local, mtu: BELOW });
    stack
}

fn twice(number: u32) -> Twice {
    let limits = Limits::default();
    let mux = Mux::new(&limits).with_channels([Varint(300)]).expect("opens");
    Stack::new(Stack::new(joined(number), mux), Join::new(&limits))
}

fn carry<S>(from: &mut S, to: &mut S)
where
    S: Layer<Input = DatagramInput<A>, Transmit = Datagram<A>>,
{
    while let Some(Datagram { payload, .. }) = from.poll_transmit() {
        let payload = payload.into_mut();
        to.handle_input(NOW, DatagramInput::Datagram { src: PEER, dst: MemoryAddr(2), payload });
    }
}

#[test]
fn joined_a_multiplexer_is_one_swarm() {
    let (mut from, mut to) = (joined(1), joined(2));
    assert_eq!(from.mtu(), BELOW - 2);
    let at = |number| At { key: Name::from("b"), addr: MemoryAddr(number) };
    let dst = from.parse_addr("b://2").expect("an address");
    assert_eq!(dst, at(2));
    from.tell(NOW, dst, "hello".into()).expect("accepted");
    carry(&mut from, &mut to);
    let arrived = core::iter::from_fn(|| to.poll_event()).find_map(|event| match event {
        Event::Told(message) => Some(message),
        _ => None,
    });
    let payload = BytesMut::from(&b"hello"[..]);
    assert_eq!(arrived, Some(Message { src: at(1), dst: at(2), payload }));
}

#[test]
fn a_multiplexer_over_a_multiplexer_is_a_swarm_again() {
    let (mut from, mut to) = (twice(1), twice(2));
    assert_eq!(from.mtu(), BELOW - 2 - 2);
    let dst: At<Varint, At<Name, A>> = "300://a://2".parse().expect("an address");
    from.tell(NOW, dst.clone(), "hello".into()).expect("accepted");
    carry(&mut from, &mut to);
    let told = core::iter::from_fn(|| to.poll_event())
        .any(|event| matches!(event, Event::Told(message) if message.dst == dst));
    assert!(told);
}

#[test]
fn closing_the_joined_swarm_closes_it_down_to_the_port_behind_what_was_told() {
    let mut stack = joined(1);
    let dst = At { key: Name::from("a"), addr: PEER };
    stack.tell(NOW, dst, "last words".into()).expect("accepted");
    stack.handle_command(NOW, Command::Close);
    let mut now = NOW;
    let (mut sent, mut closed) = (0, false);
    for _ in 0..10 {
        sent += core::iter::from_fn(|| stack.poll_transmit()).count();
        closed |= core::iter::from_fn(|| stack.poll_event()).any(|event| event == Event::Closed);
        now = stack.poll_timeout().unwrap_or(now).max(now);
        stack.handle_timeout(now);
    }
    assert_eq!((sent, closed), (1, true));
    assert!(stack.lower().lower().is_closed());
}
