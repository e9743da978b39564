//! Floods of fragments.

use super::{Large, NOW, PEER, counting, figure, grown, link, told, uvarint};
use tellask::fragment::{EXPIRY, Fragmenter};
use tellask::{Addr, BytesMut, Event, Instant, Layer, Limits, MemoryAddr, Seed};

/// What the side below takes, and the largest message.
const BELOW: usize = 1_200;
const MAX: usize = 64 * 1_024;
/// Tables grow by nodes of a few entries, and the last of them stay.
const SLACK: usize = 8_192;

/// What a message counts beyond its bytes.
const fn entry<A>() -> usize {
    832 + 16 * size_of::<A>()
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.reassembly_per_peer = 5_000_000;
    limits.reassembly = 10_000_000;
    limits
}

fn node<A: Addr + From<MemoryAddr>>(limits: &Limits) -> Fragmenter<A> {
    let mut node = Fragmenter::new(MAX, &Seed::from_u64(1), limits);
    node.handle_input(NOW, link(BELOW));
    // The first message makes tables that stay.
    send(&mut node, NOW, PEER, 0, (0, 2, 10));
    node.handle_timeout(NOW + EXPIRY);
    while node.poll_event().is_some() {}
    assert_eq!(figure(&node, "expired"), 1);
    node
}

/// What a fragment is: part, of how many, and bytes of data.
type Fragment = (u64, u64, usize);

/// A fragment arrives. How many messages that made whole.
fn send<A: Addr + From<MemoryAddr>>(
    node: &mut Fragmenter<A>,
    now: Instant,
    src: MemoryAddr,
    id: u64,
    (part, total, len): Fragment,
) -> usize {
    let mut payload = BytesMut::with_capacity(len + 16);
    for number in [id, part, total] {
        uvarint(number, &mut payload);
    }
    payload.resize(payload.len() + len, 0x5a);
    node.handle_input(now, told(src.into(), payload));
    let events = core::iter::from_fn(|| node.poll_event());
    events.filter(|event| matches!(event, Event::Told(_))).count()
}

/// A message of somebody honest, in three fragments. Whether it arrived.
fn honest<A: Addr + From<MemoryAddr>>(node: &mut Fragmenter<A>, src: MemoryAddr) -> bool {
    (0..3).map(|part| send(node, NOW + EXPIRY, src, 1, (part, 3, 1_000))).sum::<usize>() == 1
}

/// What of a flood was held at most, by the layer's count and by the allocator's.
#[derive(Debug, Default, PartialEq, Eq)]
struct Held {
    bytes: usize,
    messages: usize,
    sources: usize,
    allocated: usize,
}

/// So many messages, of each of which nothing comes but this fragment, from the sources that `src` says.
/// What was held at most; in the end all is given up, and the memory is given back.
fn flood<A: Addr + From<MemoryAddr>>(
    limits: &Limits,
    count: u64,
    src: impl Fn(u64) -> u64,
    fragment: Fragment,
) -> Held {
    let mut node = node::<A>(limits);
    let mut held = Held::default();
    let base = counting::begin();
    for id in 0..count {
        send(&mut node, NOW + EXPIRY, MemoryAddr(100 + src(id) as u32), id, fragment);
        held.bytes = held.bytes.max(figure(&node, "reassembly_bytes"));
        held.messages = held.messages.max(figure(&node, "reassembly_messages"));
        held.sources = held.sources.max(figure(&node, "reassembly_sources"));
    }
    held.allocated = grown(base);
    eprintln!("{held:?}");
    assert!(honest(&mut node, PEER), "whoever sends all of a message at once gets it through");
    node.handle_timeout(NOW + EXPIRY + EXPIRY);
    assert_eq!(figure(&node, "reassembly_messages") + figure(&node, "reassembly_bytes"), 0);
    assert_eq!(node.poll_timeout(), None);
    let left = counting::live() - base;
    assert!(left <= SLACK, "{left} bytes were not given back");
    held
}

/// As many messages are held as fit into a budget of bytes, and with one byte less one message less.
fn fills<A: Addr + From<MemoryAddr>>(fragment: Fragment, claims: usize) {
    let each = claims + entry::<A>();
    for (budget, fit) in [(100 * each, 100), (100 * each - 1, 99)] {
        let mut limits = limits();
        limits.reassembly_per_peer = budget;
        let of_one = flood::<A>(&limits, 300, |_| 1, fragment);
        limits.reassembly = budget;
        let of_many = flood::<A>(&limits, 300, |id| id, fragment);
        for (held, sources) in [(of_one, 1), (of_many, fit)] {
            assert_eq!((held.bytes, held.messages, held.sources), (fit * each, fit, sources));
            assert!(held.allocated <= budget + SLACK, "{} of {budget}", held.allocated);
        }
    }
}

#[test]
fn first_fragments_fill_the_bytes_of_a_source_and_of_all_and_no_more() {
    // The whole message counts at once, however little of it ever comes.
    fills::<MemoryAddr>((0, 40, 1_000), 40 * 1_000);
    fills::<Large>((0, 40, 1_000), 40 * 1_000);
    fills::<Large>((17, 40, 1_000), 40 * 1_000);
}

#[test]
fn last_fragments_that_come_first_fill_no_more_either() {
    // Of such a message nothing but what came is held.
    fills::<MemoryAddr>((39, 40, 1_000), 1_000);
    fills::<Large>((39, 40, 1_000), 1_000);
}

#[test]
fn small_messages_are_held_up_to_their_number_for_a_source_and_in_all() {
    fn fills<A: Addr + From<MemoryAddr>>() {
        let mut limits = limits();
        (limits.partials_per_peer, limits.partials) = (1_000, 3_000);
        for (sources, fit) in [(1, 1_000), (2, 2_000), (3, 3_000), (5_000, 3_000)] {
            let held = flood::<A>(&limits, 5_000, |id| id % sources, (0, 2, 1));
            assert_eq!((held.messages, held.sources), (fit, fit.min(sources as usize)));
            // The count of bytes is not what bites here, but it is true.
            assert!(held.allocated <= held.bytes + SLACK, "{held:?}");
        }
    }
    fills::<MemoryAddr>();
    fills::<Large>();
}

#[test]
fn messages_that_were_delivered_are_remembered_within_the_same_bounds() {
    let mut limits = limits();
    limits.partials = 1_000;
    let mut node = node::<Large>(&limits);
    let base = counting::begin();
    for number in 0..5_000 {
        assert!(honest(&mut node, MemoryAddr(100 + number)));
        assert!(figure(&node, "reassembly_messages") <= 1_000);
    }
    let bytes = figure(&node, "reassembly_bytes");
    assert_eq!(bytes, 1_000 * entry::<Large>());
    // The message that is being put together, and that which the test sends.
    assert!(grown(base) <= bytes + SLACK + 4_000, "{} and {bytes}", grown(base));
}
