//! Connections of bare ports on the simulated network; the rest is in modules of its own.

use super::*;
use crate::net::Chance;
use tellask::{Limits, StreamEnd, StreamPort};

mod ends;
mod laws;
mod messages;
mod talk;

const A: MemoryAddr = MemoryAddr(0);
const B: MemoryAddr = MemoryAddr(1);
const MILLI: Duration = Duration::from_millis(1);
const OURS: StreamId = StreamId::opened(0);
const THEIRS: StreamId = StreamId::accepted(0);

type Port = StreamPort<MemoryAddr>;
type Ports = Network<Port, Ear, Sightings>;
type Input = StreamInput<MemoryAddr>;

/// Keeps what it hears, and when.
#[derive(Default)]
struct Ear(Vec<(Instant, Input)>);

impl App<Port> for Ear {
    type Note = ();

    fn on_event(&mut self, cx: &mut Cx<'_, Port>, event: Input) {
        self.0.push((cx.now(), event));
    }
}

#[derive(Default)]
struct Sightings(Vec<Sighting>);

impl Tap for Sightings {
    fn see(&mut self, sighting: &Sighting) {
        self.0.push(*sighting);
    }
}

/// Two nodes, the second of which accepts.
fn two(faults: Faults) -> Ports {
    let mut network = Ports::tapped(3, Sightings::default());
    network.set_faults(faults);
    for at in [A, B] {
        network.add(at, Port::new(&Limits::default()), Ear::default());
    }
    network
}

/// The same with a connection that was dialled and has had so long to open.
fn dialled(faults: Faults, time: Duration) -> Ports {
    let mut network = two(faults);
    command(&mut network, A, StreamTransmit::Open { id: OURS, dst: B });
    network.run_for(time);
    network
}

/// The same once it is open, all of whose bytes are read.
fn connected(faults: Faults) -> Ports {
    let mut network = dialled(faults, Duration::from_secs(1));
    for (at, id) in [(A, OURS), (B, THEIRS)] {
        command(&mut network, at, StreamTransmit::Read { id, bytes: 1 << 30 });
    }
    network
}

fn command(network: &mut Ports, at: MemoryAddr, command: StreamTransmit<MemoryAddr>) {
    network.app(at, |_, cx| cx.command(command));
}

fn write(network: &mut Ports, at: MemoryAddr, id: StreamId, bytes: &[u8]) {
    command(network, at, StreamTransmit::Write { id, payload: bytes.to_vec().into() });
}

fn finish(network: &mut Ports, at: MemoryAddr, id: StreamId) {
    command(network, at, StreamTransmit::Finish { id });
}

fn heard(network: &Ports, at: MemoryAddr) -> &[(Instant, Input)] {
    &network.app_at(at).expect("there").0
}

/// All bytes that were heard, in their pieces.
fn pieces(network: &Ports, at: MemoryAddr) -> Vec<Vec<u8>> {
    let piece = |(_, input): &(Instant, Input)| match input {
        StreamInput::Bytes { bytes, .. } => Some(bytes.to_vec()),
        StreamInput::Bound { .. }
        | StreamInput::Opened { .. }
        | StreamInput::Accepted { .. }
        | StreamInput::Writable { .. }
        | StreamInput::Finished { .. }
        | StreamInput::Closed { .. } => None,
    };
    heard(network, at).iter().filter_map(piece).collect()
}

/// How it ended, and when.
fn end(network: &Ports, at: MemoryAddr) -> Option<(Instant, StreamEnd)> {
    let mut ends = heard(network, at).iter().filter_map(|(at, input)| {
        if let StreamInput::Closed { reason, .. } = input { Some((*at, *reason)) } else { None }
    });
    let end = ends.next();
    assert_eq!(ends.next(), None, "it ends once");
    end
}

fn why(network: &Ports, at: MemoryAddr) -> Option<StreamEnd> {
    end(network, at).map(|(_, why)| why)
}

fn start() -> Instant {
    Instant::ZERO + Duration::from_secs(1)
}

#[test]
fn a_connection_takes_one_way_to_be_accepted_and_both_to_be_open() {
    let network = dialled(Faults::NONE, Duration::from_secs(1));
    let room = Faults::NONE.send_buffer;
    let (accepted, opened) = (start() + 10 * MILLI, start() + 20 * MILLI);
    let at_b = [
        (start(), StreamInput::Bound { local: vec![B] }),
        (accepted, StreamInput::Accepted { id: THEIRS, local: B, remote: A }),
        (accepted, StreamInput::Writable { id: THEIRS, bytes: room }),
    ];
    assert_eq!(heard(&network, B), at_b);
    let at_a = [
        (start(), StreamInput::Bound { local: vec![A] }),
        (opened, StreamInput::Opened { id: OURS, local: A, remote: B }),
        (opened, StreamInput::Writable { id: OURS, bytes: room }),
    ];
    assert_eq!(heard(&network, A), at_a);
    let seen: Vec<_> = network.tap().0.iter().map(|seen| (seen.addr, seen.what)).collect();
    assert_eq!(seen, [(A, What::Dialled), (B, What::Accepted), (A, What::Opened)]);
}

#[test]
fn who_does_not_listen_refuses_and_where_nobody_is_it_times_out() {
    let mut network = two(Faults::NONE);
    network.set_listening(B, false);
    command(&mut network, A, StreamTransmit::Open { id: OURS, dst: B });
    network.run_for(Duration::from_secs(60));
    assert_eq!(end(&network, A), Some((start() + 20 * MILLI, StreamEnd::Refused)));
    assert_eq!(heard(&network, B).len(), 1, "it never hears of it");

    let mut network = two(Faults::NONE);
    command(&mut network, A, StreamTransmit::Open { id: OURS, dst: MemoryAddr(77) });
    network.run_for(Duration::from_secs(60));
    let timed_out = start() + Faults::NONE.connect_timeout;
    assert_eq!(end(&network, A), Some((timed_out, StreamEnd::TimedOut)));

    let network = dialled(Faults { refuse: Chance::ALWAYS, ..Faults::NONE }, 60 * MILLI);
    assert_eq!(why(&network, A), Some(StreamEnd::Refused));
}

#[test]
fn bytes_arrive_in_pieces_cut_anywhere_and_come_to_the_same() {
    let said: Vec<u8> = (0..20_000_u32).map(|at| ((at * at) >> 8) as u8).collect();
    let run = |segment, chop| {
        let mut network = connected(Faults { segment, chop, ..Faults::NONE });
        write(&mut network, A, OURS, &said);
        network.run_for(Duration::from_secs(1));
        let pieces = pieces(&network, B);
        assert_eq!(pieces.concat(), said);
        pieces.iter().map(Vec::len).collect::<Vec<_>>()
    };
    let whole = run(1_460, Chance::NEVER);
    assert!(whole[..13].iter().all(|piece| *piece == 1_460) && whole.len() == 14, "{whole:?}");
    assert_eq!(run(1, Chance::NEVER), [1; 20_000]);
    assert_eq!(run(0, Chance::ALWAYS), [1; 20_000]);
    let chopped = run(1_460, Chance::ALWAYS);
    assert!((1..=1_460).all(|most| chopped.iter().any(|piece| *piece <= most)), "down to one");
    assert!(chopped.len() > 100 && chopped.iter().all(|piece| *piece <= 1_460));
}

#[test]
fn a_line_is_as_fast_as_its_rate_in_each_direction_by_itself() {
    let rate = Some(8_000_000);
    let mut network = connected(Faults { rate, ..Faults::NONE });
    let from = network.now();
    write(&mut network, A, OURS, &[1; 50_000]);
    write(&mut network, B, THEIRS, &[2; 50_000]);
    network.run_for(Duration::from_secs(1));
    for at in [A, B] {
        assert_eq!(pieces(&network, at).concat().len(), 50_000);
        let last = heard(&network, at)
            .iter()
            .rfind(|(_, input)| matches!(input, StreamInput::Bytes { .. }));
        // A microsecond a byte, and the delay.
        assert_eq!(last.expect("bytes").0, from + 60 * MILLI);
    }
}

#[test]
fn a_stall_holds_up_what_comes_behind_and_nothing_is_lost() {
    let stall = Chance::percent(5);
    let stall_for = Duration::from_secs(3);
    let mut network = connected(Faults { stall, stall_for, segment: 10, ..Faults::NONE });
    write(&mut network, A, OURS, &[7; 1_000]);
    network.run_for(Duration::from_secs(60));
    let stalls = network.totals().stalled;
    assert!((1..15).contains(&stalls), "{stalls}");
    assert_eq!(pieces(&network, B), vec![vec![7; 10]; 100]);
    let times = heard(&network, B).iter().map(|(at, _)| *at);
    assert!(times.clone().is_sorted());
    let longest = times.clone().zip(times.skip(3)).map(|(one, next)| next.since(one)).max();
    assert!(longest > Some(100 * MILLI), "{longest:?}");
}

#[test]
fn either_side_may_finish_and_hear_the_other_to_its_end() {
    for (first, its, then, other) in [(A, OURS, B, THEIRS), (B, THEIRS, A, OURS)] {
        let mut network = connected(Faults::NONE);
        write(&mut network, first, its, b"that is all");
        finish(&mut network, first, its);
        network.run_for(Duration::from_secs(100));
        assert_eq!(pieces(&network, then), [b"that is all"]);
        let last = heard(&network, then).last().map(|(_, input)| input.clone());
        assert_eq!(last, Some(StreamInput::Finished { id: other }));
        assert_eq!((why(&network, A), why(&network, B)), (None, None), "half of it is open");
        write(&mut network, then, other, b"and so");
        network.run_for(Duration::from_secs(1));
        write(&mut network, then, other, b" is this");
        finish(&mut network, then, other);
        network.run_for(Duration::from_secs(1));
        assert_eq!(pieces(&network, first).concat(), b"and so is this");
        for at in [A, B] {
            assert_eq!(why(&network, at), Some(StreamEnd::Finished));
            assert_eq!(network.connections(at).count(), 0);
        }
    }
}

#[test]
fn without_credit_nothing_is_heard_not_even_that_the_peer_has_finished() {
    let mut network = dialled(Faults::NONE, Duration::from_secs(1));
    write(&mut network, A, OURS, b"0123456789");
    finish(&mut network, A, OURS);
    finish(&mut network, B, THEIRS);
    network.run_for(Duration::from_secs(1));
    assert_eq!(heard(&network, B).len(), 3);
    for (credit, heard) in [(3, 3), (0, 3), (7, 10)] {
        command(&mut network, B, StreamTransmit::Read { id: THEIRS, bytes: credit });
        network.run_for(Duration::from_secs(1));
        assert_eq!(pieces(&network, B).concat().len(), heard);
        assert_eq!(why(&network, B), None);
    }
    command(&mut network, B, StreamTransmit::Read { id: THEIRS, bytes: 1 });
    assert_eq!(why(&network, B), Some(StreamEnd::Finished));
}

#[test]
fn a_cut_holds_up_what_is_sent_until_it_is_mended() {
    let mut network = connected(Faults::NONE);
    network.cut(A, B);
    write(&mut network, A, OURS, b"held, ");
    write(&mut network, B, THEIRS, b"not held");
    network.run_for(Duration::from_secs(10));
    write(&mut network, A, OURS, b"and in order");
    finish(&mut network, A, OURS);
    assert_eq!(pieces(&network, A).concat(), b"not held", "a cut is one way");
    assert_eq!(pieces(&network, B).len(), 0);
    let mended = network.now();
    network.mend(A, B);
    network.run_for(Duration::from_secs(60));
    assert_eq!(pieces(&network, B).concat(), b"held, and in order");
    let last = heard(&network, B).last().expect("something");
    assert_eq!(*last, (mended + 10 * MILLI, StreamInput::Finished { id: THEIRS }));
    assert_eq!((why(&network, A), why(&network, B)), (None, None), "it was mended in time");
    assert_eq!(network.totals().held, 3);
}

#[test]
fn a_cut_that_lasts_is_noticed_by_both_sides_as_the_peer_being_gone() {
    for (src, dst) in [(A, B), (B, A)] {
        let mut network = connected(Faults::NONE);
        let since = network.now();
        network.cut(src, dst);
        network.run_for(Duration::from_secs(20));
        network.mend_all();
        let again = network.now() + Duration::from_secs(5);
        network.run_until(again);
        network.cut(src, dst);
        network.run_until(since + Duration::from_secs(54));
        assert_eq!((why(&network, A), why(&network, B)), (None, None), "it was whole meanwhile");
        network.run_for(Duration::from_secs(60));
        let gone = Some((again + Faults::NONE.gone_after, StreamEnd::Gone));
        assert_eq!((end(&network, A), end(&network, B)), (gone, gone));
    }
}

#[test]
fn a_crash_is_silent_and_who_is_back_resets_what_it_does_not_know() {
    let mut network = connected(Faults::NONE);
    let since = network.now();
    network.crash(B);
    network.run_for(Duration::from_secs(5));
    assert_eq!(why(&network, A), None);
    network.start(B, Port::new(&Limits::default()));
    network.run_for(Duration::from_secs(5));
    write(&mut network, A, OURS, b"are you there?");
    network.run_for(Duration::from_secs(5));
    assert_eq!(end(&network, A), Some((since + Duration::from_millis(10_020), StreamEnd::Reset)));
    assert_eq!(why(&network, B), None, "it remembers nothing");

    let mut network = connected(Faults::NONE);
    network.crash(B);
    network.run_for(Duration::from_secs(60));
    assert_eq!(end(&network, A), Some((since + Faults::NONE.gone_after, StreamEnd::Gone)));

    let mut network = connected(Faults::NONE);
    assert!(network.remove(B).is_some());
    network.run_for(Duration::from_secs(5));
    assert_eq!(end(&network, A), Some((since + 10 * MILLI, StreamEnd::Reset)));
    assert!(network.node(B).is_none() && network.app_at(B).is_none());
}

#[test]
fn an_end_sends_what_the_other_says_that_it_takes_whatever_was_so_when_it_dialled() {
    let small = Faults { receive_buffer: 1_000, ..Faults::NONE };
    let mut network = dialled(small, Faults::NONE.delay / 2);
    network.set_faults(Faults::NONE);
    network.run_for(Duration::from_secs(1));
    command(&mut network, B, StreamTransmit::Read { id: THEIRS, bytes: 1 << 30 });
    write(&mut network, A, OURS, &[7; 60_000]);
    network.run_for(Duration::from_secs(1));
    assert!(pieces(&network, B).concat() == [7; 60_000]);
}

#[test]
fn who_writes_more_than_it_may_is_cut_off_and_counted() {
    let mut network: Network<Unbridled> = Network::new(3);
    network.add(A, Unbridled::default(), ());
    network.add(B, Unbridled::default(), ());
    let open = StreamTransmit::Open { id: OURS, dst: B };
    network.app(A, |(), cx| cx.command(open.clone()));
    network.run_for(Duration::from_secs(1));
    network.app(A, |(), cx| cx.command(open));
    assert_eq!(network.totals().misused, 1, "the name is taken");
    let most = Faults::NONE.send_buffer;
    // One is sent at once, one waits.
    for (bytes, misused) in [(most, 1), (most, 1), (1, 2)] {
        let payload = vec![0; bytes].into();
        network.app(A, |(), cx| cx.command(StreamTransmit::Write { id: OURS, payload }));
        assert_eq!(network.totals().misused, misused);
    }
    network.run_for(Duration::from_secs(1));
    assert_eq!((network.totals().overrun, network.totals().reset), (1, 1));
}

/// A stack without a port, which says whatever it is told to.
#[derive(Default)]
struct Unbridled(Option<StreamTransmit<MemoryAddr>>);

impl Layer for Unbridled {
    type Input = Input;
    type Transmit = StreamTransmit<MemoryAddr>;
    type Command = StreamTransmit<MemoryAddr>;
    type Event = ();

    fn handle_input(&mut self, _: Instant, _: Input) {}

    fn handle_command(&mut self, _: Instant, command: Self::Command) {
        self.0 = Some(command);
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        self.0.take()
    }

    fn poll_event(&mut self) -> Option<()> {
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn stats(&self, _: &mut dyn tellask::stats::StatsSink) {}
}
