//! What waits, what is held back, what moves and what never ends.

use super::attacks::{acquainted, into};
use super::*;

fn hold(world: &mut World, of: usize, held: bool) {
    world.command(of, Command::Set(Setting::Hold(held)));
}

fn answers_come_while(held: bool) -> usize {
    let (few, limits) = (Limits { receive: 1 << 20, ..Limits::default() }, Limits::default());
    let mut world = World::of(vec![
        node(0, layer(key(0), 0, Accept::Anyone, &few), &few),
        node(1, layer(key(1), 1, Accept::Anyone, &limits), &limits),
    ]);
    world.tell(0, 1, b"hello");
    world.run(SECOND);
    hold(&mut world, 0, held);
    for seq in 0..10 {
        world.ask(0, 1, seq, b"?");
    }
    world.run(SECOND);
    world.events(0);
    let requests = asked(world.events(1));
    assert_eq!(requests.len(), 10);
    for (token, message, _) in requests {
        world.command(1, Command::Answer { token, dst: message.src, result: Ok("!".into()) });
    }
    let mut outcomes = 0;
    for _ in 0..30 {
        world.run(DELAY * 3);
        outcomes += answered(world.events(0)).len();
    }
    outcomes
}

#[test]
fn answers_are_read_when_there_is_room_again() {
    assert_eq!(answers_come_while(false), 10);
    assert_eq!(answers_come_while(true), 10, "while peers are held back");
}

#[test]
fn what_an_application_takes_late_is_there_all_the_same() {
    let mut world = acquainted(&Limits::default());
    hold(&mut world, 1, true);
    for nth in 0..50 {
        world.tell(0, 1, &[nth]);
    }
    world.run(IDLE + SECOND * 10);
    hold(&mut world, 1, false);
    world.run(SECOND);
    let undelivered = world.value(0, "undelivered");
    assert_eq!((world.told(1).len(), undelivered), (50, 0));
}

#[test]
fn what_a_node_said_before_it_closed_is_read_by_whoever_was_held_back() {
    let mut world = acquainted(&Limits::default());
    hold(&mut world, 1, true);
    for nth in 0..5 {
        world.tell(0, 1, &[nth]);
    }
    world.run(SECOND);
    world.command(0, Command::Close);
    world.run(SECOND * 3);
    assert_eq!(world.events(0).last(), Some(&Event::Closed));
    hold(&mut world, 1, false);
    world.run(SECOND);
    assert_eq!(world.told(1).len(), 5);
}

fn full_twice(ends: bool) -> bool {
    let limits = Limits { asks_per_peer: 2, send: 2_000, ..Limits::default() };
    let mut world = acquainted(&limits);
    world.ask(0, 1, 1, b"?");
    world.ask(0, 1, 2, b"?");
    world.run(SECOND);
    let requests = asked(world.events(1));
    assert_eq!(requests.len(), 2);
    world.events(0);
    let nobody = PeerAddr { addr: MemoryAddr(40), ..addr(9) };
    while world.nodes[0].tell(world.now, nobody, vec![0; 300]).is_ok() {}
    world.events(0);
    assert!(world.nodes[0].stack().is_full(&addr(7)), "all is full");
    if ends {
        world.command(0, Command::Disconnect { dst: addr(1) });
    } else {
        for (token, message, _) in requests {
            world.command(1, Command::Answer { token, dst: message.src, result: Ok("!".into()) });
        }
    }
    world.run(SECOND);
    assert_eq!(answered(world.events(0)).len(), 2);
    world.run(HANDSHAKE + SECOND);
    world.events(0);
    assert!(!world.nodes[0].stack().is_full(&addr(7)), "others are ready again");
    if ends {
        world.run(SECOND * 300);
        world.events(0);
    }
    world.nodes[0].stack().is_full(&addr(1))
}

#[test]
fn a_peer_with_room_for_requests_is_ready_though_all_was_full_when_it_got_it() {
    assert!(!full_twice(false));
}

#[test]
fn a_peer_that_is_forgotten_is_ready_though_all_was_full_when_it_was() {
    assert!(!full_twice(true));
}

#[test]
fn who_asks_just_before_a_silent_connection_would_end_is_answered() {
    let mut bad = Vec::new();
    for offset in [1, 3, 5, 10, 15, 19, 25, 35] {
        let mut world = acquainted(&Limits::default());
        // Two datagrams, which are acknowledged at once.
        world.tell(0, 1, &[7; 2_000]);
        let heard = world.now + DELAY;
        world.run(SECOND);
        world.events(1);
        let at = heard + IDLE - Duration::from_millis(offset);
        world.run(at.since(world.now));
        assert_eq!((world.value(1, "connections"), world.value(1, "peers_down")), (1, 0));
        world.ask(1, 0, 1, b"?");
        let mut outcomes = Vec::new();
        for _ in 0..100 {
            world.run(Duration::from_millis(2));
            for (token, message, _) in asked(world.events(0)) {
                let result = Ok("!".into());
                world.command(0, Command::Answer { token, dst: message.src, result });
            }
            outcomes.extend(answered(world.events(1)));
        }
        if !matches!(&outcomes[..], [(1, Ok(_))]) {
            bad.push((offset, outcomes));
        }
    }
    assert!(bad.is_empty(), "{bad:?}");
}

#[test]
fn connections_of_one_peer_are_bounded() {
    let limits = Limits { peers: 2, ..Limits::default() };
    let mut world = World::with(2, &limits);
    for round in 0..60 {
        world.nodes[1] = node(1, layer(key(1), 100 + round, Accept::Anyone, &limits), &limits);
        world.tell(1, 0, b"hello");
        world.run(Duration::from_millis(200));
    }
    assert_eq!(world.value(0, "peers"), 1);
    assert!(world.value(0, "connections") <= 8, "{} connections", world.value(0, "connections"));
}

#[test]
fn a_peer_that_lets_nobody_say_anything_is_not_dialled_for_ever() {
    let (limits, none) = (Limits::default(), Limits { streams_per_peer: 0, ..Limits::default() });
    let only = Accept::from_iter([key(7).id()]);
    let mut world = World::of(vec![
        node(0, layer(key(0), 0, Accept::Anyone, &limits), &limits),
        node(1, layer(key(1), 1, only, &none), &none),
    ]);
    world.tell(0, 1, b"hello");
    world.run(SECOND * 60);
    let events = world.events(0);
    let undelivered = events.iter().any(|event| matches!(event, Event::Undelivered { .. }));
    let dialled = world.value(0, "dialled");
    assert!(undelivered && dialled < 5, "dialled {dialled} times; undelivered: {undelivered}");
}

/// How many of 39 peers are not told that a node closes, whose queue takes so many bytes.
fn untold(send: usize, comes: bool) -> usize {
    let (limits, few) = (Limits::default(), Limits { send, ..Limits::default() });
    let mut nodes = vec![node(0, layer(key(0), 0, Accept::Anyone, &few), &few)];
    for number in 1..40 {
        let layer = layer(key(number), number.into(), Accept::Anyone, &limits);
        nodes.push(node(number, layer, &limits));
    }
    let mut world = World::of(nodes);
    for number in 1..40 {
        world.tell(number, 0, b"hello");
        world.run(SECOND / 10);
    }
    world.run(SECOND);
    assert_eq!(world.value(0, "peers"), 39);
    world.command(0, Command::Close);
    if comes {
        for _ in 0..300 {
            world.collect();
            world.inject(MemoryAddr(99), MemoryAddr(0), &[0; 40]);
            world.collect();
            world.now = world.now.next();
            let now = world.now;
            world.nodes[0].handle_timeout(now);
        }
    }
    world.run(SECOND * 5);
    assert!(world.nodes[0].stack().is_closed());
    (1..40).filter(|number| world.value(*number, "connections") > 0).count()
}

#[test]
fn whoever_closes_tells_all_its_peers() {
    let counts: Vec<_> = [1 << 18, 8_000, 4_000, 1_500]
        .into_iter()
        .map(|send| (send, untold(send, false), untold(send, true)))
        .collect();
    assert!(counts.iter().all(|(_, quiet, loud)| quiet + loud == 0), "{counts:?}");
}

#[test]
fn a_peer_that_grants_many_streams_and_acknowledges_nothing_fills() {
    let (limits, many) =
        (Limits::default(), Limits { streams_per_peer: 1 << 20, ..Limits::default() });
    let mut world = World::of(vec![
        node(0, layer(key(0), 0, Accept::Anyone, &limits), &limits),
        node(1, layer(key(1), 1, Accept::Anyone, &many), &many),
    ]);
    world.tell(0, 1, b"hello");
    world.run(SECOND);
    world.cut = true;
    let mut taken = 0;
    for _ in 0..500 {
        for _ in 0..100 {
            taken += usize::from(world.nodes[0].tell(world.now, addr(1), &b"x"[..]).is_ok());
        }
        world.run(Duration::from_micros(10));
        world.events(0);
        world.seen.clear();
    }
    assert!(taken < 5_000, "{taken} of 50,000 were taken");
}

#[test]
fn a_request_is_withdrawn_by_whom_it_came_from() {
    let mut world = acquainted(&Limits::default());
    world.ask(0, 1, 1, b"?");
    world.run(SECOND);
    let [(token, message, _)] = &asked(world.events(1))[..] else { panic!("one request came") };
    world.moved.insert(0, MemoryAddr(50));
    world.tell(0, 1, b"from elsewhere");
    world.run(SECOND);
    world.command(0, Command::Cancel { id: AskId::new(1), dst: addr(1) });
    world.run(SECOND);
    let events = world.events(1);
    let withdrawn = Event::Withdrawn { token: *token, src: message.src };
    assert!(events.contains(&withdrawn), "{events:?}");
}

#[test]
fn what_arrived_is_not_said_to_be_undelivered_whatever_the_peer_says_later() {
    let mut world = acquainted(&Limits::default());
    for nth in 0..5 {
        world.tell(0, 1, &[nth]);
    }
    world.run(SECOND * 20);
    assert_eq!(world.told(1).len(), 5);
    world.events(0);
    into(&mut world, 1, |now, quic| {
        let handle = quic.handles().next().expect("there is a connection");
        quic.close(now, handle, wire::code::BUSY, ending::End::Ours);
    });
    world.run(SECOND);
    let events = world.events(0);
    let undelivered = events.iter().filter(|event| matches!(event, Event::Undelivered { .. }));
    assert_eq!(undelivered.count(), 0);
}

#[test]
fn what_waits_for_an_application_that_takes_nothing_for_long_arrives() {
    let mut world = acquainted(&Limits::default());
    hold(&mut world, 1, true);
    let mut sent = 0;
    while world.nodes[0].tell(world.now, addr(1), vec![7; 200_000]).is_ok() {
        sent += 1;
        world.run(SECOND / 10);
    }
    world.run(IDLE + SECOND * 10);
    hold(&mut world, 1, false);
    let mut told = 0;
    for _ in 0..100 {
        world.run(SECOND / 10);
        told += world.told(1).len();
    }
    assert_eq!((told, world.value(0, "undelivered")), (sent, 0));
}

#[test]
fn a_transport_that_is_added_while_peers_are_held_back_holds_back_too() {
    use crate::filter::Filter;
    use crate::multi::Multi;
    let limits = Limits::default();
    let mut multi: Multi<Filter<MemoryAddr>> = Multi::new(&limits);
    multi.handle_command(Instant::ZERO, Command::Set(Setting::Hold(true)));
    let name = "late".parse().expect("a scheme");
    multi.add(Instant::ZERO, name, Filter::new(Accept::Anyone, &limits)).expect("there is room");
    let told: Vec<_> = core::iter::from_fn(|| multi.poll_transmit()).collect();
    assert_eq!(told, [(name, Command::Set(Setting::Hold(true)))]);
}

#[test]
fn an_address_that_a_peer_left_is_not_full_of_requests_that_went_with_it() {
    let limits = Limits { asks_per_peer: 2, ..Limits::default() };
    let mut world = World::with(2, &limits);
    world.tell(0, 1, b"crossed");
    world.tell(1, 0, b"crossed");
    world.run(SECOND);
    world.ask(1, 0, 1, b"?");
    world.ask(1, 0, 2, b"?");
    world.run(SECOND);
    world.events(1);
    let requests = asked(world.events(0));
    assert_eq!(requests.len(), 2);
    assert_eq!(world.value(1, "connections"), 2);
    world.moved.insert(0, MemoryAddr(50));
    world.tell(0, 1, b"from elsewhere");
    world.run(SECOND);
    for (token, message, _) in requests {
        world.command(0, Command::Answer { token, dst: message.src, result: Ok("!".into()) });
    }
    world.run(SECOND);
    assert_eq!(answered(world.events(1)).len(), 2);
    assert_eq!(world.value(1, "asks"), 0);
    assert!(!world.nodes[1].stack().is_full(&addr(0)), "nothing is outstanding with anybody");
}
