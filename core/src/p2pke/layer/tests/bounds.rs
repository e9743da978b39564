//! What strangers, and impatient callers, may cost.

use super::*;

/// A first hello of a node that wants to talk to node 1.
pub(super) fn hello_of(number: u32, now: Instant) -> BytesMut {
    let mut stranger = secure(number, Accept::Anyone, &Limits::default());
    stranger.tell(now, addr(1), "x").unwrap();
    stranger.poll_transmit().unwrap().payload.into_mut()
}

fn command_tell(world: &mut World, to: u32, len: usize) {
    let tell = Command::Tell { dst: addr(to), payload: vec_of(len) };
    world.nodes[0].handle_command(world.now, tell);
}

#[test]
fn a_flood_of_hellos_does_not_starve_a_handshake_that_has_begun() {
    let limits = Limits { signature_checks_per_second: 5, ..Limits::default() };
    let mut world = World::with(2, &limits);
    world.tell(1, 0, b"begun").unwrap();
    for number in 100..120 {
        let hello = hello_of(number, world.now);
        world.inject(MemoryAddr(number), 1, hello);
    }
    assert!(world.value(1, "p2pke.rejected_busy") > 0);
    world.settle();
    assert_eq!(world.told(0), [(addr(1), b"begun".to_vec())]);
}

#[test]
fn strangers_at_one_address_hold_four_channels_of_it() {
    let mut world = World::new(2);
    for number in 100..110 {
        let hello = hello_of(number, world.now);
        world.inject(MemoryAddr(50), 1, hello);
        assert!(world.value(1, "p2pke.channels") <= CHAIN as u64);
    }
    assert_eq!(world.value(1, "p2pke.channels"), CHAIN as u64);
    assert_eq!(world.value(1, "p2pke.half_open_evicted"), 6);
}

#[test]
fn an_address_full_of_our_own_dials_refuses_a_stranger_before_any_signature() {
    let mut world = World::new(2);
    for number in 60..64 {
        let dst = PeerAddr { id: key(number).id(), addr: MemoryAddr(50) };
        world.nodes[1].tell(world.now, dst, "dialled").unwrap();
    }
    let hello = hello_of(100, world.now);
    world.inject(MemoryAddr(50), 1, hello);
    assert_eq!(world.value(1, "p2pke.rejected_full"), 1);
    assert_eq!(world.value(1, "p2pke.hellos"), 0);
    assert_eq!(world.value(1, "p2pke.channels"), CHAIN as u64);
}

#[test]
fn whoever_ignores_full_is_refused_and_what_waits_stays_bounded() {
    let limits = Limits { waiting_per_peer: 4_000, waiting: 8_000, ..Limits::default() };
    let mut world = World::with(1, &limits);
    for _ in 0..20 {
        command_tell(&mut world, 8, 1_000);
    }
    let one = world.value(0, "p2pke.waiting_bytes");
    assert!((4_000..6_000).contains(&one), "{one}");
    for peer in 9..20 {
        command_tell(&mut world, peer, 1_000);
        assert!(world.value(0, "p2pke.waiting_bytes") <= 8_000);
    }
    let reason = Undeliverable::Full;
    let events = world.events(0);
    assert!(events.contains(&Event::Undelivered { dst: addr(8), reason }));
    assert!(events.contains(&Event::Undelivered { dst: addr(19), reason }));
}

#[test]
fn handshakes_that_we_begin_are_bounded() {
    let mut world = World::with(1, &Limits { dialling: 2, ..Limits::default() });
    (8..12).for_each(|peer| command_tell(&mut world, peer, 1));
    let reason = Undeliverable::Full;
    let refused = [10, 11].map(|peer| Event::Undelivered { dst: addr(peer), reason });
    assert_eq!(world.events(0), refused);
    assert_eq!(world.value(0, "p2pke.channels"), 2);
}

#[test]
fn a_node_with_all_the_peers_it_may_have_hears_no_stranger() {
    let mut world = World::with(3, &Limits { peers: 1, ..Limits::default() });
    world.tell(0, 1, b"first").unwrap();
    world.settle();
    assert_eq!(world.told(1).len(), 1);
    world.tell(2, 1, b"second").unwrap();
    world.settle();
    assert!(world.told(1).is_empty());
    assert_eq!(world.value(1, "p2pke.peers"), 1);
    assert!(world.value(1, "p2pke.rejected_full") > 0);
}

#[test]
fn a_node_that_closes_hears_no_stranger() {
    let mut world = World::new(2);
    world.tell(1, 9, b"still waiting").unwrap();
    world.nodes[1].close(world.now);
    world.tell(0, 1, b"too late").unwrap();
    world.settle();
    assert_eq!(world.value(1, "p2pke.channels"), 1);
    assert_eq!(world.value(1, "p2pke.rejected_full"), 1);
}

#[test]
fn disconnecting_tells_everybody_who_waits() {
    let mut world = World::new(1);
    world.tell(0, 9, b"waits").unwrap();
    world.nodes[0].handle_command(world.now, Command::Identify { dst: addr(9) });
    world.nodes[0].handle_command(world.now, Command::Disconnect { dst: addr(9) });
    let reason = Undeliverable::Disconnected;
    let result = Err(IdentifyError::Undeliverable(reason));
    let events = world.events(0);
    assert!(events.contains(&Event::Undelivered { dst: addr(9), reason }), "{events:?}");
    assert!(events.contains(&Event::Identified { addr: addr(9), result }), "{events:?}");
    assert_eq!(world.value(0, "p2pke.waiting_bytes"), 0);
}

#[test]
fn messages_deep_in_the_queue_pin_no_buffer_of_the_sender() {
    let mut world = World::pair();
    let mut places = Vec::new();
    for _ in 0..crate::up::DEEP + 2 {
        world.tell(0, 1, b"a message").unwrap();
        let payload = world.nodes[0].poll_transmit().unwrap().payload.into_mut();
        places.push(payload.as_ptr() as usize + 4);
        world.inject(MemoryAddr(0), 1, payload);
    }
    let told: Vec<_> = world.events(1).into_iter().filter_map(message).collect();
    let kept = |n: usize| told[n].payload.as_ptr() as usize == places[n];
    assert!(kept(0) && !kept(crate::up::DEEP + 1), "opened in place, copied out when deep");
}

#[test]
fn a_tell_past_a_full_queue_below_is_refused_and_not_sealed() {
    let mut world = World::pair();
    let sealed = world.value(0, "p2pke.sealed");
    (0..10_000).for_each(|_| command_tell(&mut world, 1, 1_000));
    let sealed = world.value(0, "p2pke.sealed") - sealed;
    let refused = Event::Undelivered { dst: addr(1), reason: Undeliverable::Full };
    let refused = world.events(0).into_iter().filter(|event| *event == refused).count() as u64;
    assert!(refused > 0);
    assert!(sealed < 10_000, "{sealed} sealed");
}

#[test]
fn a_stranger_counts_as_one_once_our_own_handshake_with_it_has_failed() {
    let mut world = World::new(2);
    world.cut = true;
    world.tell(0, 1, b"nobody hears this").unwrap();
    world.run(Duration::from_secs(10));
    // Its hello takes precedence over ours if it has the lower id: one of these does.
    for seed in 0..16 {
        let clock = Anchor { at: Instant::ZERO, date: UnixTime::new(1_800_000_000 + seed, 0) };
        let (seed, limits) = (Seed::from_u64(seed), Limits::default());
        let layer = P2pke::new(key(1), &seed, clock, Accept::Anyone, &limits);
        let mut stranger = Node::new(Stack::new(DatagramPort::new(&limits), layer));
        let local = Vec::from([MemoryAddr(1)]);
        stranger.handle_input(world.now, DatagramInput::Bound { local, mtu: MTU });
        stranger.tell(world.now, addr(0), "x").unwrap();
        let hello = stranger.poll_transmit().unwrap().payload.into_mut();
        world.inject(MemoryAddr(1), 0, hello);
    }
    assert_eq!(world.value(0, "p2pke.half_open"), 0, "we dial it");
    world.run(Duration::from_secs(6));
    assert_eq!(world.value(0, "p2pke.dialling"), 0);
    assert_eq!(world.value(0, "p2pke.half_open"), 1);
    world.run(Duration::from_secs(10));
    assert_eq!(world.value(0, "p2pke.half_open"), 0);
    assert_eq!(world.value(0, "p2pke.channels"), 0);
}

#[test]
fn strangers_leave_us_places_to_dial_and_those_are_bounded_too() {
    let mut world = World::with(8, &Limits { peers: 2, ..Limits::default() });
    for stranger in 1..3 {
        world.tell(stranger, 0, b"in").unwrap();
        world.settle();
    }
    assert_eq!(world.told(0).len(), 2);
    for ours in 3..5 {
        world.tell(0, ours, b"out").unwrap();
        world.settle();
        assert_eq!(world.told(ours as usize), [(addr(0), b"out".to_vec())]);
    }
    assert_eq!(world.value(0, "p2pke.peers"), 4);
    command_tell(&mut world, 5, 1);
    let refused = Event::Undelivered { dst: addr(5), reason: Undeliverable::Full };
    assert!(world.events(0).contains(&refused));
    assert_eq!(world.value(0, "p2pke.channels"), 4);
    // Who was given up makes room.
    world.cut = true;
    world.run(Duration::from_secs(181));
    assert_eq!(world.value(0, "p2pke.peers_lingering"), 4);
    world.tell(0, 6, b"again").unwrap();
    assert_eq!(world.value(0, "p2pke.peers_lingering"), 3);
}

#[test]
fn a_peer_that_was_full_and_is_gone_is_ready_for_a_new_beginning() {
    let limits = Limits::default();
    let clock = Anchor { at: Instant::ZERO, date: UnixTime::new(1_800_000_000, 0) };
    let mut layers = [0, 1].map(|number| {
        P2pke::new(key(number), &Seed::from_u64(number.into()), clock, Accept::Anyone, &limits)
    });
    let now = Instant::ZERO + Duration::from_secs(1);
    for layer in &mut layers {
        let link = Link { unit: MTU, tell_max: MTU, ..Link::unknown() };
        layer.handle_input(now, Event::Link(link));
    }
    layers[0].handle_command(now, Command::Identify { dst: addr(1) });
    for turn in 0..6 {
        let (from, to) = (turn % 2, (turn + 1) % 2);
        while let Some(command) = layers[from].poll_transmit() {
            let Command::Tell { payload, .. } = command else { continue };
            let (src, dst) = (MemoryAddr(from as u32), MemoryAddr(to as u32));
            let payload = payload.into_mut();
            layers[to].handle_input(now, Event::Told(Message { src, dst, payload }));
        }
    }
    let layer = &mut layers[0];
    layer.handle_input(now, Event::Full { scope: Scope::To(MemoryAddr(1)) });
    while !layer.is_full(&addr(1)) {
        layer.handle_command(now, Command::Tell { dst: addr(1), payload: vec_of(1_000) });
    }
    layer.handle_command(now, Command::Disconnect { dst: addr(1) });
    assert!(!layer.is_full(&addr(1)), "nobody would ever dial it again");
}
