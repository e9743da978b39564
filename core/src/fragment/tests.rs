#![allow(clippy::wildcard_enum_match_arm, reason = "a test names what it looks for")]

use super::assembly::entry;
use super::*;
use crate::addr::MemoryAddr;
use crate::identity::PublicKey;
use crate::outbox;
use crate::stats::Snapshot;
use crate::swarm::{DownReason, Scope, TellError};
use alloc::vec;
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};
use core::time::Duration;
use proptest::prelude::*;

type Node = Fragmenter<MemoryAddr>;

const PEER: MemoryAddr = MemoryAddr(1);
const SELF: MemoryAddr = MemoryAddr(9);
const NOW: Instant = Instant::from_nanos(1_000);
/// What the side below takes; a fragment carries 85 bytes of a message.
const BELOW: usize = 100;
const SIZE: usize = BELOW - OVERHEAD;
const MAX: usize = 4_000;

fn limits() -> Limits {
    Limits {
        reassembly_per_peer: 20_000,
        reassembly: 50_000,
        partials_per_peer: 16,
        partials: 40,
        ..Limits::default()
    }
}

fn link(tell_max: usize) -> Event<MemoryAddr> {
    Event::Link(Link { local: vec![SELF], unit: tell_max, tell_max, ask_max: 0 })
}

fn with(seed: u64, limits: &Limits) -> Node {
    let mut node = Node::new(MAX, &Seed::from_u64(seed), limits);
    node.handle_input(NOW, link(BELOW));
    node
}

fn node() -> Node {
    with(1, &limits())
}

fn text(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 + (at >> 8)) as u8).collect()
}

/// The fragments that a message leaves as.
fn fragments(node: &mut Node, len: usize) -> Vec<Bytes> {
    node.tell(NOW, PEER, text(len).into()).expect("accepted");
    sent(node).into_iter().map(|(_, bytes)| bytes).collect()
}

fn sent(node: &mut Node) -> Vec<(MemoryAddr, Bytes)> {
    let transmits = core::iter::from_fn(|| node.poll_transmit());
    transmits
        .filter_map(|command| match command {
            Command::Tell { dst, payload } => Some((dst, payload.into_bytes())),
            _ => None,
        })
        .collect()
}

fn fragment(id: u64, part: u64, total: u64, data: &[u8]) -> BytesMut {
    let mut bytes = BytesMut::new();
    for number in [id, part, total] {
        bytes.extend_from_slice(crate::uvarint::Uvarint::new(number).as_bytes());
    }
    bytes.extend_from_slice(data);
    bytes
}

/// Hands in what arrived from `src`, and returns what is delivered.
fn receive(
    node: &mut Node,
    now: Instant,
    src: MemoryAddr,
    payload: impl AsRef<[u8]>,
) -> Vec<BytesMut> {
    let payload = BytesMut::from(payload.as_ref());
    node.handle_input(now, Event::Told(Message { src, dst: SELF, payload }));
    delivered(node)
}

fn delivered(node: &mut Node) -> Vec<BytesMut> {
    let told = |event| match event {
        Event::Told(message) => Some(message.payload),
        _ => None,
    };
    core::iter::from_fn(|| node.poll_event()).filter_map(told).collect()
}

fn figure(node: &Node, name: &str) -> u64 {
    let mut snapshot = Snapshot::default();
    node.stats(&mut snapshot);
    snapshot.value(&alloc::format!("fragment.{name}"))
}

#[test]
fn a_message_of_any_length_arrives_as_it_was_told() {
    let (mut from, mut to) = (node(), with(2, &limits()));
    for len in [0, 1, SIZE - 1, SIZE, SIZE + 1, 2 * SIZE, 1_000, MAX] {
        let fragments = fragments(&mut from, len);
        assert_eq!(fragments.len(), len.div_ceil(SIZE).max(1), "{len} bytes");
        assert!(fragments.iter().all(|fragment| fragment.len() <= BELOW));
        let arrived: Vec<_> =
            fragments.iter().flat_map(|bytes| receive(&mut to, NOW, PEER, bytes)).collect();
        assert_eq!(arrived, [text(len)]);
    }
    assert_eq!(from.mtu(), MAX);
    assert_eq!(from.link().unit, SIZE, "the largest that stays one datagram");
}

#[test]
fn a_body_is_sliced_on_its_way_down_and_never_copied() {
    let mut node = node();
    let body = Bytes::from(text(1_000));
    let mut payload = Payload::new(body.clone());
    payload.prepend(b"of a layer above");
    node.tell(NOW, PEER, payload).expect("accepted");
    let mut at = 0;
    while let Some(Command::Tell { payload, .. }) = node.poll_transmit() {
        assert_eq!(payload.body().as_ptr(), body[at..].as_ptr());
        at += payload.body().len();
    }
    assert_eq!(at, 1_000);
}

#[test]
fn a_message_of_one_fragment_is_handed_on_in_the_buffer_it_came_in() {
    let mut node = node();
    let payload = fragment(5, 0, 1, b"short");
    let at = payload[3..].as_ptr();
    node.handle_input(NOW, Event::Told(Message { src: PEER, dst: SELF, payload }));
    assert_eq!(delivered(&mut node)[0].as_ptr(), at);
}

proptest! {
    #[test]
    fn in_any_order_and_with_any_duplicates_a_message_arrives_once(
        len in SIZE + 1..MAX,
        order in proptest::collection::vec(any::<prop::sample::Index>(), 0..200),
        missing: Option<prop::sample::Index>,
    ) {
        let (mut from, mut to) = (node(), with(2, &limits()));
        let fragments = fragments(&mut from, len);
        let lost = missing.map(|index| index.index(fragments.len()));
        let shuffled = order.iter().map(|index| index.index(fragments.len()));
        // All of them in the end, some of them before.
        let arrivals = shuffled.chain(0..fragments.len()).filter(|at| Some(*at) != lost);
        let mut arrived = Vec::new();
        for at in arrivals {
            arrived.extend(receive(&mut to, NOW, PEER, &fragments[at]));
        }
        match lost {
            None => prop_assert_eq!(arrived, [text(len)]),
            Some(_) => prop_assert!(arrived.is_empty()),
        }
    }

    #[test]
    fn whatever_arrives_nothing_panics_and_the_budgets_hold(
        arrivals in proptest::collection::vec(
            (0..4_u32, 0..3_u64, 0..5_u64, 0..6_u64, 0..1_200_usize), 0..120),
    ) {
        let mut node = node();
        for (src, id, part, total, len) in arrivals {
            receive(&mut node, NOW, MemoryAddr(src), fragment(id, part, total, &text(len)));
            prop_assert!(figure(&node, "reassembly_bytes") <= 50_000);
        }
        node.handle_timeout(NOW + EXPIRY);
        prop_assert_eq!(figure(&node, "reassembly_bytes"), 0);
        prop_assert_eq!(figure(&node, "reassembly_sources"), 0);
    }
}

#[test]
fn messages_of_several_sources_and_ids_are_put_together_side_by_side() {
    let mut node = node();
    let sources = [MemoryAddr(1), MemoryAddr(2)];
    for part in 0..2 {
        for src in sources {
            for id in [7, 8] {
                let data = vec![(id + u64::from(src.0)) as u8; 30];
                let arrived = receive(&mut node, NOW, src, fragment(id, part, 2, &data));
                let whole = [vec![(id + u64::from(src.0)) as u8; 60]];
                assert_eq!(arrived, whole.get(..part as usize).unwrap_or_default());
            }
        }
    }
}

// Back-pressure, and what the sender learns.

#[test]
fn a_message_stops_in_the_middle_where_the_side_below_is_full_and_goes_on() {
    let mut node = node();
    node.tell(NOW, PEER, text(1_000).into()).expect("accepted");
    node.tell(NOW, MemoryAddr(2), text(10).into()).expect("accepted");
    let first: Vec<_> = (0..4).filter_map(|_| node.poll_transmit()).collect();
    assert_eq!(first.len(), 4);

    node.handle_input(NOW, Event::Full { scope: Scope::To(PEER) });
    let others = sent(&mut node);
    assert_eq!(others.len(), 1, "the rest waits, and holds up nobody else");
    assert_eq!(others[0].0, MemoryAddr(2));

    node.handle_input(NOW, Event::Ready { scope: Scope::To(PEER) });
    assert_eq!(sent(&mut node).len(), 1_000_usize.div_ceil(SIZE) - 4);
    assert_eq!(figure(&node, "send_bytes"), 0);
}

#[test]
fn no_more_than_a_burst_leaves_for_one_destination_at_once() {
    let limits = Limits { send: 1_000_000, ..limits() };
    let mut node = Node::new(300_000, &Seed::from_u64(1), &limits);
    node.handle_input(NOW, link(1_400));
    let most = BURST + 1_400;
    let (mut total, mut now) = (0, NOW);
    node.tell(now, PEER, text(290_000).into()).expect("accepted");
    let bytes = |sent: Vec<(MemoryAddr, Bytes)>| sent.iter().map(|(_, b)| b.len()).sum::<usize>();
    let first = bytes(sent(&mut node));
    assert!((BURST..most).contains(&first), "{first} bytes");
    total += first;
    // A full side below, and ready again, is no leave to go on.
    node.handle_input(now, Event::Full { scope: Scope::To(PEER) });
    node.handle_input(now, Event::Ready { scope: Scope::To(PEER) });
    assert!(sent(&mut node).is_empty());
    // Nor is the pace where the side below is full.
    node.handle_input(now, Event::Full { scope: Scope::To(PEER) });
    now = node.poll_timeout().expect("a pause ends");
    node.handle_timeout(now);
    assert!(sent(&mut node).is_empty());
    node.handle_input(now, Event::Ready { scope: Scope::To(PEER) });
    // Somebody else's has its own burst, and small messages are no burst.
    node.tell(now, MemoryAddr(2), text(50_000).into()).expect("accepted");
    node.tell(now, MemoryAddr(3), text(50).into()).expect("accepted");
    for _ in 0..20 {
        let mut burst = sent(&mut node);
        burst.retain(|(dst, _)| *dst == PEER);
        assert!(bytes(burst.clone()) < most);
        total += bytes(burst);
        let Some(due) = node.poll_timeout() else { break };
        now = due;
        node.handle_timeout(now);
    }
    assert!(total > 290_000, "all of it left in the end: {total} bytes");
    assert!(now > NOW + Duration::from_micros(40));
}

#[test]
fn whoever_tells_faster_than_it_leaves_is_told_that_it_is_full_and_when_it_is_not() {
    let mut limits = limits();
    limits.send = 3_000;
    let mut node = with(1, &limits);
    node.handle_input(NOW, Event::Full { scope: Scope::All });
    let accepted = (0..10)
        .take_while(|_| node.tell(NOW, PEER, text(1_000).into()) != Err(TellError::Full))
        .count();
    assert_eq!(accepted, 3);
    let peak = 3 * (1_000 + outbox::OVERHEAD) as u64;
    assert_eq!(figure(&node, "send_bytes"), peak);
    node.handle_input(NOW, Event::Ready { scope: Scope::All });
    while node.poll_transmit().is_some() {}
    let due = node.poll_timeout().expect("due");
    node.handle_timeout(due);
    assert_eq!(node.tell(due, PEER, text(1_000).into()), Ok(()));
}

#[test]
fn a_message_that_the_side_below_loses_is_reported_once() {
    let mut node = node();
    let lost = Event::Undelivered { dst: PEER, reason: Undeliverable::TimedOut };
    node.tell(NOW, PEER, text(1_000).into()).expect("accepted");
    let begun: Vec<_> = (0..5).filter_map(|_| node.poll_transmit()).collect();
    for _ in begun {
        node.handle_input(NOW, lost.clone());
    }
    let events = |node: &mut Node| core::iter::from_fn(|| node.poll_event()).collect::<Vec<_>>();
    assert_eq!(events(&mut node).iter().filter(|event| **event == lost).count(), 1);
    assert!(node.poll_transmit().is_none(), "nothing is sent of a message that is lost");
    assert_eq!(figure(&node, "abandoned"), 1);

    node.tell(NOW, PEER, text(10).into()).expect("accepted");
    while node.poll_transmit().is_some() {}
    node.handle_input(NOW, lost.clone());
    assert_eq!(events(&mut node), [lost], "the next message is another one");
}

#[test]
fn of_messages_that_are_lost_together_no_more_are_reported_than_were_told() {
    let mut node = node();
    let lost = Event::Undelivered { dst: PEER, reason: Undeliverable::TimedOut };
    let mut reported = |lens: &[usize]| {
        for len in lens {
            node.tell(NOW, PEER, text(*len).into()).expect("accepted");
        }
        let sent = core::iter::from_fn(|| node.poll_transmit()).count();
        (0..sent).for_each(|_| node.handle_input(NOW, lost.clone()));
        core::iter::from_fn(|| node.poll_event()).filter(|event| *event == lost).count()
    };
    assert_eq!(reported(&[10]), 1);
    assert_eq!(
        reported(&[10, 500, 500, 10]),
        3,
        "one too few, since nothing says of which they were"
    );
    assert_eq!(reported(&[10, 10, 10]), 3, "those were lost together, these are others");
}

#[test]
fn what_anybody_may_have_made_the_network_say_stops_no_message() {
    let mut node = node();
    node.tell(NOW, PEER, text(1_000).into()).expect("accepted");
    node.poll_transmit();
    let reason = Undeliverable::Unreachable;
    node.handle_input(NOW, Event::Undelivered { dst: PEER, reason });
    assert_eq!(sent(&mut node).len(), 1_000_usize.div_ceil(SIZE) - 1);
}

#[test]
fn where_more_fits_a_path_fragments_are_larger() {
    let mut node = node();
    let path = Event::PathMtu { dst: PEER, unit: 500, tell_max: 500 };
    node.handle_input(NOW, path);
    assert_eq!(fragments(&mut node, 1_000).len(), 1_000_usize.div_ceil(485));
    node.tell(NOW, MemoryAddr(2), text(1_000).into()).expect("accepted");
    assert_eq!(sent(&mut node).len(), 1_000_usize.div_ceil(SIZE), "nobody else's path");
    let path = Event::PathMtu { dst: PEER, unit: BELOW, tell_max: BELOW };
    node.handle_input(NOW, path);
    assert_eq!(fragments(&mut node, 1_000).len(), 1_000_usize.div_ceil(SIZE), "less again");
}

#[test]
fn disconnecting_says_what_is_not_sent_any_more() {
    let mut node = node();
    node.tell(NOW, PEER, text(1_000).into()).expect("accepted");
    node.handle_command(NOW, Command::Disconnect { dst: PEER });
    let events: Vec<_> = core::iter::from_fn(|| node.poll_event()).collect();
    let reason = Undeliverable::Disconnected;
    assert!(events.contains(&Event::Undelivered { dst: PEER, reason }));
    assert_eq!(node.poll_transmit(), Some(Command::Disconnect { dst: PEER }));
    assert_eq!(node.poll_transmit(), None);
}

#[test]
fn closing_waits_for_the_last_fragment() {
    let mut node = node();
    node.tell(NOW, PEER, text(200).into()).expect("accepted");
    node.handle_command(NOW, Command::Close);
    assert_eq!(node.tell(NOW, PEER, text(1).into()), Err(TellError::Closed));
    assert_eq!(sent(&mut node).len(), 3);
    let due = node.poll_timeout().expect("the close is due");
    node.handle_timeout(due);
    assert_eq!(node.poll_transmit(), Some(Command::Close));
    node.handle_input(due, Event::Closed);
    assert!(core::iter::from_fn(|| node.poll_event()).any(|event| event == Event::Closed));
}

// Attacks and faults.

#[test]
fn fragments_that_disagree_on_the_total_drop_the_message_whole() {
    let mut node = node();
    assert!(receive(&mut node, NOW, PEER, fragment(7, 0, 2, &[1; 30])).is_empty());
    assert!(receive(&mut node, NOW, PEER, fragment(7, 1, 3, &[2; 30])).is_empty());
    assert_eq!(figure(&node, "disagreeing"), 1);
    assert_eq!(figure(&node, "reassembly_messages"), 0);
    // What would have made it whole begins another one.
    assert!(receive(&mut node, NOW, PEER, fragment(7, 1, 2, &[2; 30])).is_empty());
}

#[test]
fn fragments_that_disagree_on_their_size_drop_the_message_whole() {
    for (first, second) in
        [((0, 30), (1, 31)), ((0, 30), (1, 29)), ((0, 30), (2, 31)), ((2, 31), (0, 30))]
    {
        let mut node = node();
        for (part, len) in [first, second] {
            assert!(receive(&mut node, NOW, PEER, fragment(7, part, 3, &vec![1; len])).is_empty());
        }
        assert_eq!(figure(&node, "disagreeing"), 1, "{first:?} and {second:?}");
        assert_eq!(figure(&node, "reassembly_messages"), 0);
    }
}

#[test]
fn headers_that_are_cut_short_or_out_of_range_are_dropped_and_counted() {
    let giant = [0xff; 11];
    let bad: Vec<Vec<u8>> = vec![
        vec![],
        vec![0x80],
        vec![5],
        vec![5, 0],
        vec![5, 0, 0x80],
        giant.to_vec(),
        [&[5][..], &giant].concat(),
        [&[5, 0][..], &giant].concat(),
        fragment(5, 0, 0, b"no parts").to_vec(),
        fragment(5, 1, 1, b"the second of one").to_vec(),
        fragment(5, 2, 1, b"the third of one").to_vec(),
        fragment(5, 0, 256, b"too many").to_vec(),
        fragment(5, 0, u64::MAX, b"far too many").to_vec(),
        fragment(5, u64::MAX, 2, b"far too late").to_vec(),
        fragment(1 << 32, 0, 1, b"no u32").to_vec(),
        fragment(5, 0, 2, b"").to_vec(),
    ];
    let mut node = node();
    for (count, bytes) in bad.iter().enumerate() {
        assert!(receive(&mut node, NOW, PEER, bytes).is_empty(), "{bytes:?}");
        assert_eq!(figure(&node, "malformed"), count as u64 + 1, "{bytes:?}");
        assert_eq!(figure(&node, "reassembly_messages"), 0);
    }
}

#[test]
fn a_flood_of_first_fragments_from_one_source_holds_no_more_than_its_budgets() {
    // By bytes: each of them promises 4,000.
    let mut node = node();
    for id in 0..1_000 {
        receive(&mut node, NOW, PEER, fragment(id, 0, 40, &[1; 100]));
        assert!(figure(&node, "reassembly_bytes") <= 20_000);
    }
    // Somebody else's message is put together meanwhile.
    let other = MemoryAddr(2);
    assert!(receive(&mut node, NOW, other, fragment(1, 0, 2, &[1; 100])).is_empty());
    receive(&mut node, NOW, PEER, fragment(1_001, 0, 40, &[1; 100]));
    assert_eq!(receive(&mut node, NOW, other, fragment(1, 1, 2, &[1; 100])).len(), 1);
    // And so is the flooder's own newest: the oldest made room.
    assert!(receive(&mut node, NOW, PEER, fragment(2_000, 0, 2, &[1; 100])).is_empty());
    assert_eq!(receive(&mut node, NOW, PEER, fragment(2_000, 1, 2, &[1; 100])).len(), 1);

    // By number: small ones.
    let mut node = self::node();
    for id in 0..1_000 {
        receive(&mut node, NOW, PEER, fragment(id, 0, 2, b"x"));
        assert!(figure(&node, "reassembly_messages") <= 16);
    }
    assert_eq!(figure(&node, "evicted"), 1_000 - 16);
}

#[test]
fn a_flood_of_first_fragments_from_many_sources_holds_no_more_than_the_budgets_in_all() {
    let mut node = node();
    for src in 0..1_000 {
        receive(&mut node, NOW, MemoryAddr(src), fragment(7, 0, 40, &[1; 100]));
        assert!(figure(&node, "reassembly_bytes") <= 50_000);
    }
    let mut node = self::node();
    for src in 0..1_000 {
        receive(&mut node, NOW, MemoryAddr(src), fragment(7, 0, 2, b"x"));
        assert!(figure(&node, "reassembly_messages") <= 40);
        assert!(figure(&node, "reassembly_sources") <= 40);
    }
}

#[test]
fn a_last_fragment_that_comes_first_counts_what_it_holds() {
    let mut node = node();
    receive(&mut node, NOW, PEER, fragment(7, 1, 2, &[2; 1_000]));
    assert_eq!(figure(&node, "reassembly_bytes"), (entry::<MemoryAddr>() + 1_000) as u64);
    let whole = receive(&mut node, NOW, PEER, fragment(7, 0, 2, &[1; 1_500]));
    assert_eq!(whole, [[vec![1; 1_500], vec![2; 1_000]].concat()]);
    assert_eq!(figure(&node, "reassembly_bytes"), entry::<MemoryAddr>() as u64, "it is remembered");
}

#[test]
fn a_message_that_is_not_whole_is_given_up_by_its_own_timer() {
    let mut node = node();
    receive(&mut node, NOW, PEER, fragment(7, 0, 2, &[1; 30]));
    let later = NOW + Duration::from_secs(3);
    receive(&mut node, later, PEER, fragment(8, 0, 2, &[1; 30]));
    assert_eq!(node.poll_timeout(), Some(NOW + EXPIRY));
    node.handle_timeout(NOW + EXPIRY);
    assert_eq!((figure(&node, "expired"), figure(&node, "reassembly_messages")), (1, 1));
    assert_eq!(node.poll_timeout(), Some(later + EXPIRY));
    node.handle_timeout(later + EXPIRY);
    assert_eq!(figure(&node, "reassembly_bytes"), 0);
    assert_eq!(node.poll_timeout(), None);
}

#[test]
fn duplicates_and_overlaps_change_nothing_and_nothing_is_delivered_twice() {
    let mut node = node();
    assert!(receive(&mut node, NOW, PEER, fragment(7, 0, 2, &[1; 30])).is_empty());
    // Other bytes under the same number: the first ones stay.
    assert!(receive(&mut node, NOW, PEER, fragment(7, 0, 2, &[9; 30])).is_empty());
    assert_eq!(figure(&node, "duplicates"), 1);
    let whole = receive(&mut node, NOW, PEER, fragment(7, 1, 2, &[2; 10]));
    assert_eq!(whole, [[vec![1; 30], vec![2; 10]].concat()]);
    for _ in 0..2 {
        assert!(receive(&mut node, NOW, PEER, fragment(7, 0, 2, &[1; 30])).is_empty());
        assert!(receive(&mut node, NOW, PEER, fragment(7, 1, 2, &[2; 10])).is_empty());
    }
    assert_eq!(figure(&node, "late"), 4);
    assert_eq!(figure(&node, "delivered"), 1);
}

#[test]
fn what_is_remembered_of_delivered_messages_is_bounded_too() {
    // By their number, before their bytes.
    let mut node = with(1, &Limits { reassembly_per_peer: 40_000, ..limits() });
    for id in 0..500 {
        for part in 0..2 {
            receive(&mut node, NOW, PEER, fragment(id, part, 2, &[1; 30]));
        }
    }
    assert_eq!(figure(&node, "delivered"), 500);
    assert_eq!(figure(&node, "reassembly_messages"), REMEMBERED as u64);
}

#[test]
fn a_message_that_would_need_more_than_255_fragments_is_refused_at_tell() {
    let mut node = Node::new(1 << 20, &Seed::from_u64(1), &limits());
    node.handle_input(NOW, link(BELOW));
    let limit = MAX_PARTS * SIZE;
    assert_eq!(node.mtu(), limit);
    assert_eq!(fragments(&mut node, limit).len(), MAX_PARTS);
    let too_large = TellError::TooLarge { len: limit + 1, limit };
    assert_eq!(node.tell(NOW, PEER, text(limit + 1).into()), Err(too_large));
    // So does whoever does not ask beforehand.
    let payload = text(limit + 1).into();
    node.handle_command(NOW, Command::Tell { dst: PEER, payload });
    let reason = Undeliverable::TooLarge { limit };
    let events: Vec<_> = core::iter::from_fn(|| node.poll_event()).collect();
    assert!(events.contains(&Event::Undelivered { dst: PEER, reason }));
    assert!(node.poll_transmit().is_none());
}

#[test]
fn a_message_that_would_be_too_large_is_dropped_at_the_first_fragment_that_shows_it() {
    let mut node = node();
    let shows = [
        fragment(1, 0, 1, &text(MAX + 1)),
        fragment(2, 3, 255, &text(100)),
        fragment(3, 1, 2, &text(MAX / 2 + 1)),
        fragment(4, 0, 2, &text(MAX + 1)),
    ];
    for (count, fragment) in shows.iter().enumerate() {
        assert!(receive(&mut node, NOW, PEER, fragment).is_empty());
        assert_eq!(figure(&node, "too_large"), count as u64 + 1);
        assert_eq!(figure(&node, "reassembly_messages"), 0);
    }
    // Only the second shows it.
    let half = MAX / 2;
    receive(&mut node, NOW, PEER, fragment(5, 0, 3, &text(half)));
    assert_eq!(figure(&node, "reassembly_messages"), 1);
    receive(&mut node, NOW, PEER, fragment(5, 2, 3, b"x"));
    assert_eq!((figure(&node, "too_large"), figure(&node, "reassembly_messages")), (5, 0));
}

#[test]
fn fragments_of_an_old_session_are_not_joined_with_those_of_a_new_one() {
    let up = Event::PeerUp { addr: PEER, key: PublicKey::from_bytes([1; 32]) };
    let down = Event::PeerDown { addr: PEER, reason: DownReason::TimedOut };
    for end in [up, down] {
        let mut node = node();
        receive(&mut node, NOW, PEER, fragment(7, 0, 2, b"old"));
        receive(&mut node, NOW, MemoryAddr(2), fragment(7, 0, 2, b"one"));
        node.handle_input(NOW, end);
        assert!(receive(&mut node, NOW, PEER, fragment(7, 1, 2, b"new")).is_empty());
        let other = receive(&mut node, NOW, MemoryAddr(2), fragment(7, 1, 2, b"two"));
        assert_eq!(other, [&b"onetwo"[..]], "somebody else's session goes on");
    }
}

#[test]
fn whoever_restarts_begins_at_another_id() {
    let first_id = |seed| {
        let bytes = fragments(&mut with(seed, &limits()), 10).remove(0);
        Header::read(&bytes).expect("a header").0.id
    };
    let ids: alloc::collections::BTreeSet<u32> = (0..100).map(first_id).collect();
    assert_eq!(ids.len(), 100);
}

#[test]
fn ids_rise_for_each_destination_and_wrap() {
    let mut node = node();
    let (next_id, clear_at) = (u32::MAX - 1, NOW);
    node.targets.insert(PEER, Target { next_id, total: 1, absorb: 0, emptied: false, clear_at });
    let mut to = with(2, &limits());
    for expected in [u32::MAX - 1, u32::MAX, 0, 1] {
        let fragments = fragments(&mut node, 300);
        let mut arrived = 0;
        for bytes in fragments {
            assert_eq!(Header::read(&bytes).expect("a header").0.id, expected);
            arrived += receive(&mut to, NOW, PEER, bytes).len();
        }
        assert_eq!(arrived, 1);
    }
}

#[test]
fn destinations_beyond_the_table_begin_anew_and_take_no_more_room() {
    let mut limits = limits();
    limits.fragment_ids = 4;
    let mut node = with(1, &limits);
    for number in 0..100 {
        node.tell(NOW, MemoryAddr(number), text(10).into()).expect("accepted");
        assert!(figure(&node, "fragment_ids") <= 4);
    }
    assert_eq!(sent(&mut node).len(), 100);
}
