//! Messages that users wrote over the port, on connections that every fault befalls.

use super::messages::{LONGEST, Messages, News, Order, QUEUE, WINDOW, message};
use super::*;
use std::collections::BTreeMap;
use tellask::{Stack, StreamEnd, StreamPort};

type Talking = Stack<StreamPort<MemoryAddr>, Messages>;
type Talk = Network<Talking, Talker, Ledger>;

/// Dials its peers again and again, says as much as there is room for, and checks what it hears.
#[derive(Default)]
struct Talker {
    peers: Vec<MemoryAddr>,
    every: Duration,
    next: Instant,
    /// Connections that it dialled and that are not over.
    dialled: usize,
    /// Messages to say on each connection before it finishes.
    most: u32,
    /// Both kinds of connections: how many messages were said and heard.
    said: BTreeMap<StreamId, u32>,
    heard: BTreeMap<StreamId, u32>,
    /// Whether it aborts every eighth that it dialled.
    aborts: bool,
    finished: u64,
    ends: BTreeMap<StreamEnd, u64>,
}

impl App<Talking> for Talker {
    type Note = ();

    fn on_start(&mut self, _: &mut Cx<'_, Talking>) {
        self.dialled = 0;
        self.said.clear();
        self.heard.clear();
    }

    fn on_event(&mut self, _: &mut Cx<'_, Talking>, news: News) {
        match news {
            News::Up(id, _) => {
                self.said.insert(id, 0);
                self.heard.insert(id, 0);
            }
            News::Heard(id, bytes) => {
                let number = self.heard.get_mut(&id).expect("it is up");
                assert_eq!(bytes, message(*number), "in order, and whole");
                *number += 1;
            }
            News::Finished(id, left) => {
                assert_eq!((left, self.heard[&id]), (0, self.most), "all of it, to the last byte");
                self.finished += 1;
            }
            News::Down(id, why) => {
                self.dialled -= usize::from(!id.is_accepted());
                self.said.remove(&id);
                self.heard.remove(&id);
                *self.ends.entry(why).or_default() += 1;
            }
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Some(self.next)
    }

    fn on_timeout(&mut self, cx: &mut Cx<'_, Talking>) {
        self.next = cx.now() + self.every;
        let ids: Vec<_> = self.said.keys().copied().collect();
        if self.dialled == 0 {
            self.dialled = self.peers.len();
            for peer in &self.peers {
                cx.command(Order::Dial(*peer));
            }
        }
        for id in ids {
            let said = &self.said[&id];
            if self.aborts && *said == 10 && !id.is_accepted() && id.number() % 8 == 7 {
                cx.command(Order::Abort(id));
                continue;
            }
            let next = message(*said);
            if *said < self.most && cx.node().stack().upper().has_room(id, next.len()) {
                *self.said.get_mut(&id).expect("listed") += 1;
                cx.command(Order::Send(id, next));
                if self.said[&id] == self.most {
                    cx.command(Order::Finish(id));
                }
            }
        }
    }
}

/// What is on the way on each connection, by whether who accepted it sent it: never more than the receive buffer.
#[derive(Default)]
struct Ledger {
    on_the_way: BTreeMap<(Connection, bool), usize>,
    receive_buffer: usize,
    most: usize,
}

impl Tap for Ledger {
    fn see(&mut self, sighting: &Sighting) {
        let (connection, accepted) = (sighting.connection, sighting.id.is_accepted());
        if let What::Sent(bytes) = sighting.what {
            let held = self.on_the_way.entry((connection, accepted)).or_default();
            *held += bytes;
            assert!(*held <= self.receive_buffer, "{held} bytes at {sighting:?}");
            self.most = self.most.max(*held);
        } else if let What::Delivered(bytes) = sighting.what {
            let held = self.on_the_way.get_mut(&(connection, !accepted)).expect("it was sent");
            *held = held.checked_sub(bytes).expect("it was sent");
        }
    }
}

/// One-byte reads, stalls, a slow line, small buffers.
fn hard() -> Faults {
    Faults {
        jitter: Duration::from_millis(5),
        stall: Chance::millionths(2_000),
        stall_for: Duration::from_secs(2),
        rate: Some(2_000_000),
        segment: 100,
        chop: Chance::percent(70),
        send_buffer: 700,
        receive_buffer: 1_100,
        ..Faults::NONE
    }
}

/// The same with all that ends a connection.
fn deadly() -> Faults {
    Faults {
        refuse: Chance::percent(10),
        reset: Chance::percent(40),
        vanish: Chance::percent(40),
        within: Duration::from_secs(4),
        connect_timeout: Duration::from_secs(2),
        gone_after: Duration::from_secs(3),
        ..hard()
    }
}

fn talk(seed: u64, faults: Faults, nodes: u32, most: u32) -> Talk {
    let tap = Ledger { receive_buffer: faults.receive_buffer, ..Ledger::default() };
    let mut network = Talk::tapped(seed, tap);
    network.set_faults(faults);
    for number in 0..nodes {
        let app = Talker {
            // In a ring, and to oneself.
            peers: vec![MemoryAddr((number + 1) % nodes), MemoryAddr(number)],
            every: Duration::from_millis(20),
            next: network.now() + Duration::from_millis(number.into()),
            most,
            ..Talker::default()
        };
        network.add(MemoryAddr(number), stack(), app);
    }
    network
}

fn stack() -> Talking {
    Stack::new(StreamPort::new(&Limits::default()), Messages::default())
}

/// Lets time pass, and looks at all buffers after each event.
fn run_watched(network: &mut Talk, nodes: u32, faults: &Faults, time: Duration) {
    let until = network.now() + time;
    while network.next_at().is_some_and(|next| next <= until) {
        network.step();
        for number in 0..nodes {
            for (id, connection, held) in network.connections(MemoryAddr(number)) {
                let about = (id, connection, held);
                assert!(held.unsent + held.writable <= faults.send_buffer, "{about:?}");
                assert!(held.unread <= faults.receive_buffer, "{about:?}");
                assert!(held.readable <= WINDOW, "{about:?}");
            }
        }
    }
    for number in 0..nodes {
        let node = network.node(MemoryAddr(number)).expect("it runs");
        let (arrived, queued) = node.stack().upper().most;
        assert!(arrived <= WINDOW && queued <= QUEUE, "{arrived} and {queued}");
    }
}

fn sum(network: &Talk, of: impl Fn(&Talker) -> u64) -> u64 {
    network.apps().map(|(_, app)| of(app)).sum()
}

#[test]
fn over_stalls_and_bytes_one_by_one_every_message_is_heard_whole_in_order_and_to_the_last() {
    for (seed, segment, stalls) in [(1, 100, 2_000), (2, 1, 100), (3, 1_460, 4_000)] {
        let faults = Faults { segment, stall: Chance::millionths(stalls), ..hard() };
        let mut network = talk(seed, faults, 3, 40);
        run_watched(&mut network, 3, &faults, Duration::from_secs(30));
        let totals = network.totals();
        assert!(totals.stalled > 10 && totals.finished > 20, "{totals:?}");
        assert_eq!(totals.dialled * 2, totals.finished + open_ends(&network), "{totals:?}");
        assert!(sum(&network, |app| app.finished) >= totals.finished);
        assert_eq!(totals.misused, 0);
        assert!(network.tap().most > faults.receive_buffer / 2, "the buffer is filled");
    }
}

/// Ends that are there now, and those that are still to come.
fn open_ends(network: &Talk) -> u64 {
    let there = (0..3).map(|number| network.connections(MemoryAddr(number)).count() as u64);
    there.sum::<u64>() + network.totals().dialled - network.totals().accepted
}

#[test]
fn whatever_ends_connections_what_is_heard_of_each_is_whole_and_in_order_and_all_end_for_a_reason()
{
    let mut ends = BTreeMap::new();
    for seed in 0..6 {
        let faults = deadly();
        let mut network = talk(seed, faults, 4, 60);
        for number in 0..4 {
            network.app(MemoryAddr(number), |app, _| app.aborts = true);
        }
        run_watched(&mut network, 4, &faults, Duration::from_secs(60));
        // Afterwards nobody dials, and what is open comes to its end or is found gone.
        for number in 0..4 {
            network.app(MemoryAddr(number), |app, _| app.peers.clear());
        }
        network.run_for(Duration::from_secs(120));
        for number in 0..4 {
            assert_eq!(network.connections(MemoryAddr(number)).count(), 0, "seed {seed}");
        }
        for (_, app) in network.apps() {
            for (why, times) in &app.ends {
                *ends.entry(*why).or_default() += times;
            }
        }
        assert_eq!(network.totals().misused, 0);
    }
    let often = |why: StreamEnd| ends.get(&why).copied().unwrap_or(0_u64);
    let all = [
        StreamEnd::Finished,
        StreamEnd::Aborted,
        StreamEnd::Reset,
        StreamEnd::Refused,
        StreamEnd::TimedOut,
        StreamEnd::Gone,
    ];
    for why in all {
        assert!(often(why) >= 10, "{why:?} in {ends:?}");
    }
    assert_eq!(often(StreamEnd::Overrun) + often(StreamEnd::Full), 0);
}

#[test]
fn who_takes_nothing_is_sent_no_more_than_the_buffers_hold_and_all_of_it_once_it_does() {
    let faults = Faults { rate: None, ..hard() };
    let mut network = talk(5, faults, 2, 1_000);
    network.app(MemoryAddr(0), |app, _| app.peers.truncate(1));
    network.app(MemoryAddr(1), |app, cx| {
        app.peers.clear();
        cx.command(Order::Take(false));
    });
    run_watched(&mut network, 2, &faults, Duration::from_secs(60));
    let held: Vec<_> = network.connections(MemoryAddr(1)).map(|(_, _, held)| held).collect();
    assert_eq!((held.len(), held[0].unread, held[0].readable), (1, 1_100, 0), "{held:?}");
    let held: Vec<_> = network.connections(MemoryAddr(0)).map(|(_, _, held)| held).collect();
    assert_eq!((held[0].unsent, held[0].writable), (700, 0), "{held:?}");
    let heard = |at| network.app_at(at).expect("there").heard.values().sum::<u32>();
    assert_eq!((heard(A), heard(B)), (1_000, 0), "the other direction went on");
    network.app(MemoryAddr(1), |_, cx| cx.command(Order::Take(true)));
    run_watched(&mut network, 2, &faults, Duration::from_secs(120));
    assert!(network.totals().finished >= 2, "{:?}", network.totals());
}

#[test]
fn the_longest_message_fits_into_the_window_and_goes_through_buffers_of_one_byte() {
    let one =
        Faults { segment: 1, send_buffer: 1, receive_buffer: 1, delay: MILLI, ..Faults::NONE };
    let mut network: Network<Talking, Ear> = Network::new(1);
    network.set_faults(one);
    network.add(A, stack(), Ear::default());
    network.add(B, stack(), Ear::default());
    network.app(A, |_, cx| cx.command(Order::Dial(B)));
    network.run_for(Duration::from_secs(1));
    let message = vec![7; LONGEST];
    network.app(A, |_, cx| cx.command(Order::Send(StreamId::opened(0), message.clone())));
    network.run_for(Duration::from_secs(60));
    let heard = &network.app_at(B).expect("there").0;
    assert_eq!(heard.last(), Some(&News::Heard(StreamId::accepted(0), message)));
    assert_eq!(network.totals().pieces, WINDOW as u64);
}

#[derive(Default)]
struct Ear(Vec<News>);

impl App<Talking> for Ear {
    type Note = ();

    fn on_event(&mut self, _: &mut Cx<'_, Talking>, news: News) {
        self.0.push(news);
    }
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    let run = |seed| {
        let mut network = talk(seed, deadly(), 4, 60);
        network.run_for(Duration::from_secs(20));
        network.cut(A, B);
        network.run_for(Duration::from_secs(5));
        network.crash(MemoryAddr(2));
        network.mend(A, B);
        network.run_for(Duration::from_secs(1));
        network.start(MemoryAddr(2), stack());
        network.run_for(Duration::from_secs(10));
        (network.trace(), network.totals())
    };
    let first = run(7);
    assert_eq!(run(7), first);
    assert!(first.1.gone > 0 && first.1.reset > 0 && first.1.held > 0, "{:?}", first.1);
    assert_ne!(run(8).0, first.0);
}

#[test]
fn a_node_more_leaves_everything_at_the_others_as_it_was() {
    let run = |more: bool| {
        let mut network = talk(7, deadly(), 2, 60);
        if more {
            let (every, next) = (Duration::from_millis(7), network.now());
            let app =
                Talker { peers: vec![MemoryAddr(9)], every, next, most: 10, ..Talker::default() };
            network.add(MemoryAddr(9), stack(), app);
        }
        network.run_for(Duration::from_secs(20));
        (network.trace_of(A), network.trace_of(B))
    };
    assert_eq!(run(false), run(true));
}
