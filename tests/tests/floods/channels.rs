//! Floods of messages on channels, through transports, and to oneself.

use super::{NOW, PEER, SELF, counting, figure, grown, link, told};
use core::time::Duration;
use tellask::multi::Scheme;
use tellask::mux::{MAX_CHANNELS, OpenError};
use tellask::outbox::OVERHEAD;
use tellask::swarm::{AskError, AskId, IdentifyError, Message, Scope, Token, Undeliverable};
use tellask::{
    Bytes, BytesMut, Command, Datagram, DatagramInput, DatagramPort, Event, Fragmenter, Instant,
    Layer, Limits, Loopback, MemoryAddr, Multi, Mux, Seed, Stack,
};

type Channels = Mux<u16, MemoryAddr>;

const BELOW: usize = 1_200;
/// What an event takes beyond [`OVERHEAD`], where the queue has just doubled; and a request or a message that goes down.
const OF_AN_EVENT: usize = 512;
const SLACK: usize = 16 * 1_024;
const LATER: Instant = Instant::from_nanos(2_000_000_000);

fn mux(channels: u16, limits: &Limits) -> Channels {
    let mut mux = Mux::new(limits).with_channels(0..channels).expect("they open");
    mux.handle_input(NOW, link(BELOW));
    while mux.poll_event().is_some() {}
    mux
}

/// A message of `len` bytes on a channel.
fn on(channel: u16, len: usize) -> BytesMut {
    let mut message = BytesMut::from(&channel.to_be_bytes()[..]);
    message.resize(len + 2, 0x5a);
    message
}

fn asked(token: u64, payload: BytesMut) -> Event<MemoryAddr> {
    let message = Message { src: PEER, dst: SELF, payload };
    Event::Asked { token: Token(token), message, deadline: LATER }
}

fn tell<A>(dst: A, body: &Bytes) -> Command<A> {
    Command::Tell { dst, payload: body.clone().into() }
}

/// The events of a layer that are none of the first, about the link.
fn events<L: Layer<Event = Event<A>>, A>(layer: &mut L) -> Vec<Event<A>> {
    let events = core::iter::from_fn(|| layer.poll_event());
    events.filter(|event| !matches!(event, Event::Link(_))).collect()
}

#[test]
fn channels_are_opened_up_to_their_number() {
    for (most, fit) in [(10, 10), (MAX_CHANNELS, MAX_CHANNELS), (10_000, MAX_CHANNELS)] {
        let mut limits = Limits::default();
        limits.channels = most;
        let mut mux = mux(0, &limits);
        let opened = (0..2_000).take_while(|channel| mux.open(NOW, *channel).is_ok());
        assert_eq!(opened.count(), fit);
        assert_eq!(mux.open(NOW, 3_000), Err(OpenError::Full));
    }
}

#[test]
fn messages_for_unknown_channels_hold_nothing_and_their_requests_are_refused() {
    let mut mux = mux(1, &Limits::default());
    let base = counting::begin();
    for number in 0..20_000 {
        let channel = 1 + (number % 60_000) as u16;
        mux.handle_input(NOW, told(PEER, on(channel, 1_000)));
        mux.handle_input(NOW, asked(number, on(channel, 1_000)));
        assert!(matches!(mux.poll_transmit(), Some(Command::Answer { result: Err(_), .. })));
        assert_eq!(mux.poll_transmit(), None);
        assert_eq!(mux.poll_event(), None);
    }
    assert_eq!((figure(&mux, "unknown_channel"), figure(&mux, "requests_waiting")), (40_000, 0));
    assert!(grown(base) <= 2 * 1_002 + SLACK, "{}", grown(base));
    mux.handle_input(NOW, told(PEER, on(0, 7)));
    assert!(matches!(mux.poll_event(), Some((0, Event::Told(_)))));
}

#[test]
fn what_a_channel_does_not_take_fills_its_bytes_to_the_last_and_no_other_channels() {
    const EACH: usize = 1_000 + OVERHEAD;
    for (budget, fit) in [(200 * EACH, 200), (200 * EACH - 1, 199)] {
        let mut limits = Limits::default();
        limits.receive = budget;
        let mut mux = mux(2, &limits);
        let base = counting::begin();
        for number in 0..500 {
            mux.handle_input(NOW, told(PEER, on(0, 1_000)));
            // The first one passes without a queue.
            assert_eq!(figure(&mux, "receive_bytes"), number.min(fit) * EACH);
        }
        // Requests are refused, as their askers wait.
        for number in 0..500 {
            mux.handle_input(NOW, asked(number, on(0, 1_000)));
            assert!(matches!(mux.poll_transmit(), Some(Command::Answer { result: Err(_), .. })));
        }
        assert_eq!((figure(&mux, "busy"), figure(&mux, "requests_waiting")), (500, 0));
        assert_eq!(figure(&mux, "received_but_dropped"), 499 - fit);
        mux.handle_input(NOW, told(PEER, on(1, 1_000)));
        assert_eq!(figure(&mux, "receive_bytes"), (fit + 1) * EACH, "a neighbour has its own");
        let grown = grown(base);
        eprintln!("{fit} messages up: {grown} of {budget}");
        let bound = budget + EACH + (fit + 2) * OF_AN_EVENT + SLACK;
        assert!(grown <= bound, "{grown} of {bound}");
        assert_eq!(core::iter::from_fn(|| mux.poll_event()).count(), fit + 2);
        assert!(counting::live() - base <= fit * OF_AN_EVENT + SLACK);
    }
}

#[test]
fn requests_and_identifications_on_channels_wait_up_to_their_number() {
    let mut limits = Limits::default();
    limits.channel_requests = 300;
    let mut mux = mux(2, &limits);
    let base = counting::begin();
    for number in 0..1_000 {
        mux.handle_input(NOW, asked(number, on((number % 2) as u16, 10)));
        assert_eq!(figure(&mux, "requests_waiting"), (number as usize + 1).min(300));
    }
    assert_eq!(figure(&mux, "busy"), 700);
    while mux.poll_event().is_some() || mux.poll_transmit().is_some() {}
    for number in 0..1_000 {
        let dst = MemoryAddr(number);
        mux.handle_command(NOW, (0, Command::Identify { dst }));
        assert_eq!(figure(&mux, "identifying"), (number as usize + 1).min(300));
        let full = IdentifyError::Undeliverable(Undeliverable::Full);
        let refused = Event::Identified { addr: dst, result: Err(full) };
        assert_eq!(mux.poll_event(), (number >= 300).then_some((0, refused)));
        while mux.poll_transmit().is_some() {}
    }
    assert!(grown(base) <= 2 * 300 * OF_AN_EVENT + SLACK, "{}", grown(base));
    mux.handle_timeout(LATER);
    assert_eq!(figure(&mux, "requests_waiting"), 0);
}

/// Tells messages until one is refused, and returns how many were taken.
fn fill<C>(
    layer: &mut impl Layer<Command = C, Event: core::fmt::Debug>,
    command: impl Fn() -> C,
    refused: &'static str,
) -> usize {
    for taken in 0..10_000 {
        let before = figure(layer, refused);
        layer.handle_command(NOW, command());
        if figure(layer, refused) > before {
            return taken;
        }
    }
    panic!("nothing was ever refused");
}

#[test]
fn messages_on_their_way_down_fill_a_queue_up_to_its_mark_and_one_more_is_refused() {
    const EACH: usize = 1_000 + OVERHEAD;
    let body = Bytes::from(vec![0x5a; 1_000 - 2]);
    for (mark, fit) in [(50 * EACH, 50), (50 * EACH + 1, 51)] {
        // Of a channel; its neighbour has one of its own.
        let mut limits = Limits::default();
        limits.send_per_channel = mark;
        let mut of_channels = mux(2, &limits);
        let base = counting::begin();
        for channel in 0..2 {
            let taken = fill(&mut of_channels, || (channel, tell(PEER, &body)), "refused");
            // The very first one passes without a queue.
            assert_eq!(taken, fit + usize::from(channel == 0), "channel {channel}");
        }
        assert_eq!(figure(&of_channels, "send_bytes"), 2 * fit * EACH);
        let grown = grown(base);
        assert!(grown <= 2 * fit * OF_AN_EVENT + SLACK, "{grown}: the bodies are shared");
        // To one destination that is full below.
        limits.send_per_channel = 2 * mark;
        limits.send_per_peer = mark;
        let mut of_channels = mux(1, &limits);
        of_channels.handle_input(NOW, Event::Full { scope: Scope::To(PEER) });
        assert_eq!(fill(&mut of_channels, || (0, tell(PEER, &body)), "refused"), fit);
        assert!(fill(&mut of_channels, || (0, tell(SELF, &body)), "refused") > 0);

        // Of a fragmenter, in all and to one destination.
        let body = Bytes::from(vec![0x5a; 1_000]);
        for (all, each) in [(mark, 2 * mark), (2 * mark, mark)] {
            (limits.send, limits.send_per_peer) = (all, each);
            let mut cut = Fragmenter::new(8_000, &Seed::from_u64(1), &limits);
            cut.handle_input(NOW, link(BELOW));
            cut.handle_input(NOW, Event::Full { scope: Scope::To(PEER) });
            assert_eq!(fill(&mut cut, || tell(PEER, &body), "refused"), fit);
            assert_eq!(figure(&cut, "send_bytes"), fit * EACH);
            assert_eq!(fill(&mut cut, || tell(SELF, &body), "refused") > 0, all > each);
        }
    }
}

#[test]
fn what_is_known_of_destinations_is_kept_up_to_its_number() {
    let mut limits = Limits::default();
    (limits.path_mtus, limits.fragment_ids) = (100, 50);
    let mut of_channels = mux(2, &limits);
    let mut cut = Fragmenter::new(8_000, &Seed::from_u64(1), &limits);
    cut.handle_input(NOW, link(BELOW));
    let base = counting::begin();
    for number in 0..5_000 {
        let dst = MemoryAddr(number);
        let path = || Event::PathMtu { dst, unit: 1_300, tell_max: 1_300 };
        of_channels.handle_input(NOW, path());
        assert_eq!(figure(&of_channels, "path_mtus"), (number as usize + 1).min(100));
        cut.handle_input(NOW, path());
        cut.handle_command(NOW, tell(dst, &Bytes::from_static(b"short")));
        assert_eq!(figure(&cut, "fragment_ids"), (number as usize + 1).min(50));
        while cut.poll_transmit().is_some() || cut.poll_event().is_some() {}
        while of_channels.poll_event().is_some() {}
    }
    assert!(grown(base) <= (4 * 100 + 50) * 256 + SLACK, "{}", grown(base));
    // Of those beyond, the larger MTU is not known.
    let body = Bytes::from(vec![0x5a; 1_280]);
    for (dst, fragments) in [(MemoryAddr(5), 1), (MemoryAddr(4_000), 2)] {
        cut.handle_command(NOW, tell(dst, &body));
        assert_eq!(core::iter::from_fn(|| cut.poll_transmit()).count(), fragments);
    }
}

/// Transports that ask, in memory.
type Asker = Stack<DatagramPort<MemoryAddr>, tellask::ask::Asking<MemoryAddr>>;

fn transport(limits: &Limits) -> Asker {
    let mut layer = Stack::new(
        DatagramPort::new(limits),
        tellask::ask::Asking::new(&Seed::from_u64(1), limits),
    );
    layer.handle_input(NOW, DatagramInput::Bound { local: vec![SELF], mtu: BELOW });
    layer
}

fn scheme(number: usize) -> Scheme {
    format!("mem{number}").parse().expect("a scheme")
}

#[test]
fn transports_and_the_requests_through_them_are_bounded_by_their_numbers() {
    let mut limits = Limits::default();
    (limits.transports, limits.transport_requests) = (3, 200);
    let mut multi = Multi::new(&limits);
    let added =
        (0..10).filter(|number| multi.add(NOW, scheme(*number), transport(&limits)).is_ok());
    assert_eq!(added.count(), 3);
    events(&mut multi);
    let at = |number, peer| tellask::At { key: scheme(number), addr: MemoryAddr(peer) };

    let base = counting::begin();
    // Ours, of which none has an outcome.
    for seq in 0..500 {
        let (id, dst) = (AskId::new(seq), at(0, 100 + seq as u32));
        let payload = vec![1].into();
        multi.handle_command(NOW, Command::Ask { id, dst, payload, deadline: LATER });
        // Both it and the transport count.
        assert_eq!(figure(&multi, "asks"), 2 * (seq as usize + 1).min(200));
        let refused = Event::Answered { id, result: Err(AskError::Full) };
        assert_eq!(events(&mut multi).contains(&refused), seq >= 200);
    }
    // Theirs.
    let (mut waiting, mut now) = (0, NOW);
    for number in 0..500_u32 {
        let src = MemoryAddr(1_000 + number);
        let mut payload = BytesMut::from(&[0x11][..]);
        payload.extend_from_slice(&7_u64.to_be_bytes());
        payload.extend_from_slice(&[0; 8]);
        // Number 0, no acknowledgement; request 1, of 100 ms and 3 bytes.
        payload.extend_from_slice(&[0, 0, 1, 1, 1, 100, 3, 0, 1, 2, 3]);
        let datagram = DatagramInput::Datagram { src, dst: SELF, payload };
        multi.handle_input(now, (scheme(1), datagram));
        let asked = events(&mut multi);
        waiting += asked.iter().filter(|event| matches!(event, Event::Asked { .. })).count();
        assert_eq!(figure(&multi, "requests_waiting"), waiting);
        now = now + Duration::from_micros(10);
        multi.handle_timeout(now);
        while multi.poll_transmit().is_some() {}
    }
    assert_eq!((waiting, figure(&multi, "busy")), (200, 300));
    let grown = grown(base);
    eprintln!("transports: {grown}");
    // The peers are those of the transports.
    assert!(grown <= 700 * 8 * 1_024 + SLACK, "{grown}");
}

#[test]
fn what_is_held_for_full_transports_fills_up_to_its_mark_and_one_more_is_refused() {
    const EACH: usize = 1_000 + OVERHEAD;
    let body = Bytes::from(vec![0x5a; 1_000]);
    for (budget, fit) in [(50 * EACH, 50), (50 * EACH + 1, 51)] {
        let mut limits = Limits::default();
        (limits.send, limits.send_per_peer) = (budget, budget);
        let mut multi = Multi::new(&limits);
        for number in 0..2 {
            let mut port = DatagramPort::new(&limits);
            port.handle_input(NOW, DatagramInput::Bound { local: vec![SELF], mtu: BELOW });
            multi.add(NOW, scheme(number), port).expect("there is room");
        }
        // The transports fill up first, each on its own; then what is held for both.
        let mut taken = [0; 2];
        let mut number = 0;
        for (at, taken) in taken.iter_mut().enumerate() {
            for _ in 0..200 {
                number += 1;
                let dst = tellask::At { key: scheme(at), addr: MemoryAddr(number) };
                let refused = figure(&multi, "refused");
                multi.handle_command(NOW, tell(dst, &body));
                *taken += usize::from(figure(&multi, "refused") == refused);
                assert!(figure(&multi, "held_bytes") < budget + EACH);
            }
        }
        assert_eq!(figure(&multi, "held_bytes"), fit * EACH);
        // The mark of a port is reached where there was not yet room for one more.
        assert_eq!(taken, [2 * fit, fit]);
        let sent = core::iter::from_fn(|| multi.poll_transmit());
        assert_eq!(
            sent.filter(|(_, Datagram { payload, .. })| payload.len() == 1_000).count(),
            2 * fit
        );
    }
}

#[test]
fn requests_to_oneself_wait_up_to_their_number_and_their_bytes() {
    let mut limits = Limits::default();
    (limits.own_requests, limits.receive) = (100, 50 * (1_000 + OVERHEAD));
    for (len, fit) in [(10, 100), (1_000, 50)] {
        let mut own = Loopback::new(&limits);
        own.handle_input(NOW, link(BELOW));
        events(&mut own);
        let base = counting::begin();
        for seq in 0..500 {
            let payload = vec![0x5a; len].into();
            let (id, dst) = (AskId::new(seq), SELF);
            own.handle_command(NOW, Command::Ask { id, dst, payload, deadline: LATER });
            assert_eq!(figure(&own, "requests_waiting"), (seq as usize + 1).min(fit));
        }
        assert_eq!(figure(&own, "busy"), 500 - fit);
        // Whoever is told that it is busy has its answer, too, and waits to take it.
        assert!(grown(base) <= fit * (len + OF_AN_EVENT) + 500 * OF_AN_EVENT + SLACK);
        let outcomes = events(&mut own);
        let busy = |event: &&Event<_>| {
            matches!(event, Event::Answered { result: Err(AskError::Busy), .. })
        };
        assert_eq!(outcomes.iter().filter(busy).count(), 500 - fit);
        assert_eq!(outcomes.len(), 500, "nobody is left without a word");
        own.handle_timeout(LATER);
        assert_eq!(figure(&own, "requests_waiting"), 0);
    }
}
