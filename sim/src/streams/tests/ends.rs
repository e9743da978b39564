//! Whatever ends a connection, in whatever state it is: both sides notice, at once or by a time-out.

use super::*;

/// What a connection may be doing when it is hit: how long after the dialling, and what was said by then.
#[derive(Clone, Copy, Debug)]
enum State {
    /// The first segment is on its way.
    Dialling,
    /// The answer is.
    Answered,
    Idle,
    /// Bytes are on their way in both directions, and more wait.
    Busy,
    /// Nobody reads, and both have written all they may.
    Stuck,
    /// Who dialled has finished, which is on its way, or has arrived.
    Finishing,
    HalfClosed,
    /// Who accepted has finished.
    OtherHalfClosed,
    /// Both have, and neither has heard of it.
    Closing,
}

const ALL: [State; 9] = [
    State::Dialling,
    State::Answered,
    State::Idle,
    State::Busy,
    State::Stuck,
    State::Finishing,
    State::HalfClosed,
    State::OtherHalfClosed,
    State::Closing,
];

fn faults() -> Faults {
    Faults { rate: Some(8_000_000), send_buffer: 5_000, receive_buffer: 5_000, ..Faults::NONE }
}

/// A network with a connection in this state.
fn in_state(state: State) -> Ports {
    let mut network = match state {
        State::Dialling => return dialled(faults(), 5 * MILLI),
        State::Answered => return dialled(faults(), 15 * MILLI),
        State::Stuck => dialled(faults(), Duration::from_secs(1)),
        State::Idle
        | State::Busy
        | State::Finishing
        | State::HalfClosed
        | State::OtherHalfClosed
        | State::Closing => connected(faults()),
    };
    let wait = match state {
        State::Dialling | State::Answered | State::Idle => Duration::ZERO,
        State::Busy => {
            write(&mut network, A, OURS, &[1; 5_000]);
            write(&mut network, B, THEIRS, &[2; 5_000]);
            13 * MILLI
        }
        State::Stuck => {
            for (at, id) in [(A, OURS), (B, THEIRS)].repeat(3) {
                let most = network.node(at).expect("it runs").stack().writable(id);
                write(&mut network, at, id, &vec![1; most]);
                network.run_for(Duration::from_secs(1));
            }
            for (_, _, held) in network.connections(A).chain(network.connections(B)) {
                assert_eq!((held.writable, held.unread), (0, 5_000), "nothing moves");
                assert!(held.unsent > 2_500, "less than half a buffer is not told of");
            }
            Duration::ZERO
        }
        State::Finishing => {
            finish(&mut network, A, OURS);
            5 * MILLI
        }
        State::HalfClosed => {
            finish(&mut network, A, OURS);
            Duration::from_secs(1)
        }
        State::OtherHalfClosed => {
            finish(&mut network, B, THEIRS);
            Duration::from_secs(1)
        }
        State::Closing => {
            finish(&mut network, A, OURS);
            finish(&mut network, B, THEIRS);
            5 * MILLI
        }
    };
    network.run_for(wait);
    network
}

/// Lets everything come to its end, and returns how it did at either node, and how long after now.
fn ends(network: &mut Ports) -> [Option<(Duration, StreamEnd)>; 2] {
    let now = network.now();
    network.run_for(Duration::from_secs(200));
    for at in [A, B] {
        assert_eq!(network.connections(at).count(), 0, "it is over at both");
    }
    [A, B].map(|at| end(network, at).map(|(at, why)| (at.since(now), why)))
}

/// Whether it is still there, at either node.
fn known(network: &Ports) -> [bool; 2] {
    [A, B].map(|at| network.connections(at).count() > 0)
}

/// The longest that anything takes to be noticed without a word.
const SILENCE: Duration = Duration::from_secs(30);

#[test]
fn a_reset_at_either_end_in_each_state_is_noticed_there_at_once_and_by_the_other_after_the_delay() {
    for state in ALL {
        for (nth, at, id) in [(0, A, OURS), (1, B, THEIRS)] {
            let mut network = in_state(state);
            let before = known(&network);
            if !before[nth] {
                assert!(matches!(state, State::Dialling), "{state:?}: nothing to be reset");
                continue;
            }
            network.reset(at, id);
            let ends = ends(&mut network);
            let early = at == A && matches!(state, State::Dialling | State::Answered);
            let why = if early { StreamEnd::Refused } else { StreamEnd::Reset };
            assert_eq!(ends[nth], Some((Duration::ZERO, why)), "{state:?} at {at:?}");
            let (after, _) = ends[1 - nth].expect("the other side notices");
            // While it is opening it is accepted first, and then what it answers is nobody's.
            let most = if early { 30 * MILLI } else { 10 * MILLI };
            assert!(after <= most, "{state:?} at {at:?}: {after:?}");
        }
    }
}

#[test]
fn an_abort_of_either_side_in_each_state_is_noticed_by_the_other() {
    for state in ALL {
        for (nth, at, id) in [(0, A, OURS), (1, B, THEIRS)] {
            let mut network = in_state(state);
            if !known(&network)[nth] {
                continue;
            }
            command(&mut network, at, StreamTransmit::Abort { id });
            let ends = ends(&mut network);
            assert_eq!(ends[nth], Some((Duration::ZERO, StreamEnd::Aborted)), "{state:?}");
            let (after, why) = ends[1 - nth].expect("the other side notices");
            let gone = [StreamEnd::Reset, StreamEnd::Refused].contains(&why);
            // Who has sent and heard everything by then does not care.
            let over = matches!(state, State::Closing) && why == StreamEnd::Finished;
            assert!((gone || over) && after <= 30 * MILLI, "{state:?}: {after:?} {why:?}");
        }
    }
}

#[test]
fn a_reset_while_the_way_is_cut_is_noticed_by_the_other_side_by_its_time_out() {
    for state in ALL {
        for (nth, at, id) in [(0, A, OURS), (1, B, THEIRS)] {
            for mended in [false, true] {
                let mut network = in_state(state);
                if !known(&network)[nth] {
                    continue;
                }
                network.cut(A, B);
                network.cut(B, A);
                network.reset(at, id);
                network.run_for(Duration::from_secs(2));
                if mended {
                    network.mend_all();
                }
                let ends = ends(&mut network);
                assert!(ends[nth].is_some(), "{state:?}");
                let (after, why) = ends[1 - nth].expect("the other side notices");
                let fine = match state {
                    // Both may be over before, since all was on its way already.
                    State::Closing => why == StreamEnd::Finished || why == StreamEnd::Gone,
                    State::Dialling | State::Answered => why != StreamEnd::Finished,
                    State::Idle
                    | State::Busy
                    | State::Stuck
                    | State::Finishing
                    | State::HalfClosed
                    | State::OtherHalfClosed => {
                        // What it sent meanwhile is answered once the way is mended.
                        why == StreamEnd::Gone || (mended && why == StreamEnd::Reset)
                    }
                };
                assert!(fine && after <= SILENCE, "{state:?} {mended}: {after:?} {why:?}");
            }
        }
    }
}

#[test]
fn a_connection_that_vanishes_in_each_state_is_found_gone_by_both_sides_and_nothing_else_is_heard()
{
    for state in ALL {
        let mut network = in_state(state);
        let heard_before = [A, B].map(|at| pieces(&network, at).len());
        network.vanish(A, OURS);
        let accepted = known(&network)[1];
        let ends = ends(&mut network);
        for ((at, end), before) in [A, B].into_iter().zip(ends).zip(heard_before) {
            // What was on its way is lost.
            assert_eq!(pieces(&network, at).len(), before, "{state:?}");
            let early = at == A && matches!(state, State::Dialling | State::Answered);
            let why = if early { StreamEnd::TimedOut } else { StreamEnd::Gone };
            if matches!(state, State::Dialling) && at == B {
                assert_eq!((accepted, end), (false, None), "it never hears of it");
                continue;
            }
            let (after, ended) = end.expect("it is noticed");
            assert_eq!(ended, why, "{state:?} at {at:?}");
            assert!(after <= SILENCE, "{state:?} at {at:?}: {after:?}");
        }
    }
}

#[test]
fn a_connection_that_is_dialled_over_a_cut_or_given_up_meanwhile_is_over_at_both_sides() {
    for (src, dst) in [(A, B), (B, A)] {
        for mended_after in [1, 19, 21, 40, 100] {
            let mut network = two(Faults::NONE);
            network.cut(src, dst);
            command(&mut network, A, StreamTransmit::Open { id: OURS, dst: B });
            network.run_for(Duration::from_secs(mended_after));
            network.mend_all();
            network.run_for(Duration::from_secs(100));
            if mended_after < 20 {
                assert_eq!((why(&network, A), why(&network, B)), (None, None), "in time");
                continue;
            }
            assert_eq!(why(&network, A), Some(StreamEnd::TimedOut));
            assert_eq!(network.connections(B).count(), 0, "{mended_after}");
            let (accepted, at_b) = (heard(&network, B).len() > 1, why(&network, B));
            assert_eq!(accepted, at_b.is_some(), "only what came is over");
        }
    }
}

#[test]
fn fated_connections_are_hit_in_each_state_and_always_end() {
    let fates = [
        Faults { reset: Chance::ALWAYS, ..Faults::NONE },
        Faults { vanish: Chance::ALWAYS, ..Faults::NONE },
    ];
    for fate in fates {
        let mut network = two(Faults { within: Duration::from_secs(10), ..fate });
        for number in 0..200 {
            command(&mut network, A, StreamTransmit::Open { id: StreamId::opened(number), dst: B });
        }
        network.run_for(Duration::from_secs(100));
        let totals = network.totals();
        let early = totals.refused + totals.timed_out;
        let late = totals.reset + totals.gone;
        assert!(early > 20 && late > 200, "{totals:?}");
        assert_eq!(early + late, totals.dialled + totals.accepted, "{totals:?}");
        assert_eq!(network.connections(A).count() + network.connections(B).count(), 0);
    }
}
