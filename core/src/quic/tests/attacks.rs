//! What somebody hostile may try.

use super::*;
use quinn_proto::{Dir, VarInt};

/// Datagrams that a dial begins with: the share of ML-KEM fits in no single one.
const FLIGHT: u64 = if cfg!(feature = "ml-kem") { 2 } else { 1 };

/// Lets a node's application do something to its connection that no node of ours does.
fn meddle<T>(
    world: &mut World,
    of: usize,
    work: impl FnOnce(&mut quinn_proto::Connection) -> T,
) -> T {
    into(world, of, |now, quic| {
        let handle = quic.handles().next().expect("there is a connection");
        let done = work(&mut quic.connection(handle).expect("it is there").quic);
        quic.touch(now, handle);
        done
    })
}

/// Looks into a node.
pub(super) fn into<T>(
    world: &mut World,
    of: usize,
    look: impl FnOnce(Instant, &mut Quic<MemoryAddr>) -> T,
) -> T {
    let now = world.now;
    world.nodes[of].with(now, |now, stack| stack.with(now, |now, _, quic| look(now, quic)))
}

/// Two nodes that have heard of one another.
pub(super) fn acquainted(limits: &Limits) -> World {
    let mut world = World::with(2, limits);
    world.tell(0, 1, b"hello");
    world.run(SECOND);
    assert_eq!(world.told(1), [b"hello"]);
    world
}

fn written(quic: &mut quinn_proto::Connection, dir: Dir, bytes: &[u8]) -> StreamId {
    let stream = quic.streams().open(dir).expect("there is a stream");
    quic.send_stream(stream).write(bytes).expect("it is taken");
    stream
}

#[test]
fn attack_26_a_hundred_streams_of_one_byte_cost_bytes_and_keep_no_datagram() {
    let limits = Limits { streams_per_peer: 200, ..Limits::default() };
    let mut world = acquainted(&limits);
    meddle(&mut world, 0, |quic| {
        for _ in 0..100 {
            written(quic, Dir::Uni, b"x");
        }
    });
    world.run(SECOND);
    assert_eq!(world.value(1, "receiving_bytes"), 100);
    let held = into(&mut world, 1, |_, quic| {
        let handle = quic.handles().next().expect("there is a connection");
        let partials = &quic.connection(handle).expect("it is there").receiving.partials;
        // One more was opened for the next tell, and says nothing.
        assert_eq!(partials.len(), 101);
        partials.values().map(connection::Partial::capacity).sum::<usize>()
    });
    assert!(held <= 100 * 64, "{held} bytes are held for 100");
}

#[test]
fn attack_26_what_is_being_put_together_has_a_bound_for_each_peer() {
    let limits = Limits { reassembly_per_peer: 50_000, ..Limits::default() };
    let mut world = acquainted(&limits);
    let mut begun = Vec::new();
    for _ in 0..20 {
        begun.push(meddle(&mut world, 0, |quic| written(quic, Dir::Uni, &[7; 9_000])));
        world.run(SECOND);
        assert!(world.value(1, "receiving_bytes") <= 50_000 + 9_000);
    }
    assert!(world.value(1, "refused_busy") > 10);
    // Others are heard, and the peer itself once it has given up.
    meddle(&mut world, 0, |quic| {
        for stream in begun {
            let _ = quic.send_stream(stream).reset(VarInt::from_u32(1));
        }
    });
    world.run(SECOND);
    assert_eq!(world.value(1, "receiving_bytes"), 0);
    world.tell(0, 1, &[1; 40_000]);
    world.run(SECOND);
    assert!(world.told(1) == [[1; 40_000]]);
}

#[test]
fn requests_that_are_none_are_turned_down_without_a_trace() {
    let mut world = acquainted(&Limits::default());
    let over = u32::try_from(wire::MESSAGE_MAX).unwrap() + 1;
    let over = [over.to_be_bytes(), [0; 4]].concat();
    let short = [&8_u32.to_be_bytes()[..], &[0, 0, 0, 9], b"half"].concat();
    for (bytes, finishes) in [(&over[..], false), (&short, true), (&[0; 3], true), (&[], true)] {
        meddle(&mut world, 0, |quic| {
            let stream = quic.streams().open(Dir::Bi).expect("there is a stream");
            if !bytes.is_empty() {
                quic.send_stream(stream).write(bytes).expect("it is taken");
            }
            if finishes {
                quic.send_stream(stream).finish().expect("it is open");
            }
        });
        world.run(SECOND);
        assert_eq!(asked(world.events(1)), []);
    }
    assert_eq!(world.value(1, "refused_malformed"), 3);
    assert_eq!(world.value(1, "refused_too_large"), 1);
    assert_eq!((world.value(1, "receiving_bytes"), world.value(1, "answers_owed")), (0, 0));
}

#[test]
fn attack_28_who_has_not_proven_an_address_has_at_most_three_times_its_bytes_sent_there() {
    let mut world = World::new(2);
    world.tell(0, 1, b"hello");
    world.run(DELAY / 2);
    let (_, _, dst, dial) = world.seen[0].clone();
    world.flights.clear();
    let limits = Limits::default();
    world.nodes[0] = node(0, layer(key(0), 9, Accept::Anyone, &limits), &limits);
    // The dial seems to come from somewhere else.
    let victim = MemoryAddr(77);
    world.inject(victim, dst, &dial);
    world.run(SECOND * 60);
    let reflected = |world: &World| -> usize {
        world.seen.iter().filter(|(_, _, to, _)| *to == victim).map(|(.., it)| it.len()).sum()
    };
    let amplified = reflected(&world);
    assert!(amplified > 0 && amplified <= 3 * dial.len(), "{amplified} of {}", dial.len());
    // What belongs to nobody brings less than it has; what nobody speaks, no more.
    for first in [0x40_u8, 0xc0] {
        for len in [5, 21, 22, 60, 1_199, 1_200, 1_400] {
            let mut datagram = vec![first; len];
            if first == 0xc0 {
                datagram[1..5].copy_from_slice(&0x5a5a_5a5a_u32.to_be_bytes());
                datagram[5..].fill(8);
            }
            let before = reflected(&world);
            world.inject(victim, dst, &datagram);
            world.run(SECOND);
            let brought = reflected(&world) - before;
            assert!(brought < len, "{brought} bytes for {len} that begin with {first:x}");
        }
    }
}

#[test]
fn a_flood_of_dials_keeps_to_its_places_and_whoever_proves_an_address_gets_in() {
    let limits = Limits { half_open: 16, ..Limits::default() };
    let mut world = World::of(
        (0..4)
            .map(|at| node(at, layer(key(at), at.into(), Accept::Anyone, &limits), &limits))
            .collect(),
    );
    world.tell(2, 1, b"before");
    world.run(SECOND);
    assert_eq!(world.told(1), [b"before"]);
    // Real dials, as if from everywhere.
    let mut dials = Vec::new();
    for seed in 100..160 {
        world.nodes[0] = node(0, layer(key(0), seed, Accept::Anyone, &limits), &limits);
        world.tell(0, 1, b"x");
        world.run(DELAY / 2);
        let (.., dial) = world.seen.last().cloned().expect("it dials");
        dials.push(dial);
        world.flights.clear();
    }
    for (nth, dial) in dials.iter().enumerate() {
        world.inject(MemoryAddr(1_000 + nth as u32), MemoryAddr(1), dial);
        assert!(world.value(1, "half_open") <= 8);
    }
    assert!(world.value(1, "retried") >= 50);
    world.tell(2, 1, b"meanwhile");
    world.tell(3, 1, b"a newcomer");
    world.run(SECOND);
    let mut told = world.told(1);
    told.sort();
    assert_eq!(told, [&b"a newcomer"[..], b"meanwhile"]);
    world.run(SECOND * 60);
    assert_eq!((world.value(1, "half_open"), world.value(1, "places")), (0, 0));
}

#[test]
fn a_node_with_all_the_peers_it_may_have_lets_nobody_else_in_until_one_has_gone() {
    let limits = Limits { peers: 1, ..Limits::default() };
    let mut world = World::with(3, &limits);
    world.tell(0, 1, b"first");
    world.run(SECOND);
    world.tell(2, 1, b"second");
    world.run(SECOND);
    assert_eq!(world.told(1), [b"first"]);
    let refused = Event::Undelivered { dst: addr(1), reason: Undeliverable::Refused };
    assert!(world.events(2).contains(&refused));
    assert_eq!((world.value(1, "peers"), world.value(1, "turned_away")), (1, FLIGHT));
    world.run(IDLE + SECOND);
    world.tell(2, 1, b"second");
    world.run(SECOND);
    assert_eq!(world.told(1), [b"second"]);
}

#[test]
fn handshakes_of_strangers_and_our_own_are_bounded() {
    let limits = Limits { signature_checks_per_second: 2, dialling: 3, ..Limits::default() };
    let mut world = World::with(6, &limits);
    for stranger in 1..6 {
        world.tell(stranger, 0, b"let me in");
    }
    world.run(DELAY * 4);
    assert_eq!((world.value(0, "accepted"), world.value(0, "turned_away")), (2, 3 * FLIGHT));
    // Whoever is turned away tries again, and gets in in its turn.
    world.run(SECOND * 8);
    assert_eq!(world.told(0).len(), 5);
    world.cut = true;
    for nobody in 20..26 {
        let dst = PeerAddr { addr: MemoryAddr(nobody), ..addr(nobody) };
        let command = Command::Tell { dst, payload: "anybody?".into() };
        world.command(0, command);
        assert!(world.value(0, "dialling") <= 3);
    }
    let events = world.events(0);
    let full =
        |event: &&Happened| matches!(event, Event::Undelivered { reason: Undeliverable::Full, .. });
    assert_eq!(events.iter().filter(full).count(), 3);
}

#[test]
fn requests_fill_their_peer_which_is_ready_again_when_half_of_them_are_over() {
    let limits = Limits { asks_per_peer: 4, ..Limits::default() };
    let mut world = acquainted(&limits);
    for seq in 0..4 {
        world.ask(0, 1, seq, b"?");
    }
    let dst = addr(1);
    let full = Event::Full { scope: Scope::To(dst) };
    assert!(world.events(0).contains(&full));
    world.ask(0, 1, 4, b"one more");
    assert_eq!(answered(world.events(0)), [(4, Err(AskError::Full))]);
    world.run(SECOND);
    let requests = asked(world.events(1));
    let ready = Event::Ready { scope: Scope::To(dst) };
    for (nth, (token, message, _)) in requests.into_iter().enumerate() {
        let answer = Command::Answer { token, dst: message.src, result: Ok("!".into()) };
        world.command(1, answer);
        world.run(SECOND);
        assert_eq!(world.events(0).contains(&ready), nth == 1);
    }
}

#[test]
fn a_slow_reader_stalls_its_peer_and_loses_nothing() {
    let limits = Limits { receive: 300_000, window_per_peer: 100_000, ..Limits::default() };
    let mut world = World::with(3, &limits);
    let (mut sent, mut waits) = (0_u32, 0);
    let message = |nth: u32| {
        let mut message = vec![0; 20_000];
        message[..4].copy_from_slice(&nth.to_be_bytes());
        message
    };
    for _ in 0..600 {
        match world.nodes[0].tell(world.now, addr(1), message(sent)) {
            Ok(()) => sent += 1,
            Err(_) => waits += 1,
        }
        world.run(Duration::from_millis(20));
        assert!(world.value(1, "receive_bytes") <= 300_000);
    }
    // What it has not read, what is on its way, and what waits at the peer: no more was taken.
    let most = 300_000 + connection::RECEIVE_MAX + limits.send_per_peer + 3 * 20_000;
    assert!(waits > 200 && sent > 20, "{sent} went, {waits} had to wait");
    assert!(sent as usize * 20_000 <= most, "{sent} went");
    // It does not read, but it does answer: the peer is neither lost nor sent to for nothing.
    assert_eq!((world.value(0, "peers"), world.value(0, "peers_down")), (1, 0));
    let mut told = Vec::new();
    for _ in 0..200 {
        told.extend(world.told(1));
        world.run(Duration::from_millis(50));
    }
    let expected: Vec<_> = (0..sent).map(message).collect();
    told.sort();
    assert!(told == expected, "{} of {sent} arrived", told.len());
    assert_eq!(world.value(1, "received_but_dropped"), 0);
}

#[test]
fn certificates_that_are_none_or_too_large_name_nobody() {
    let certificate = tls::certificate(&key(1)).expect("a certificate");
    assert_eq!(tls::key_of(&certificate).expect("a key"), *key(1).public());
    for cut in 0..certificate.len() {
        assert!(tls::key_of(&certificate[..cut]).is_err());
    }
    let mut longer = certificate.to_vec();
    longer.push(0);
    assert!(tls::key_of(&longer).is_err());
    // Of another algorithm: the last arc of 1.3.101.112 is changed wherever it stands.
    let mut other = certificate.to_vec();
    let at = other.windows(3).position(|bytes| bytes == [0x2b, 0x65, 0x70]).expect("it is there");
    other[at + 2] = 0x71;
    let last = other.windows(3).rposition(|bytes| bytes == [0x2b, 0x65, 0x70]);
    let spki = other.windows(3).enumerate().filter(|(_, bytes)| *bytes == [0x2b, 0x65, 0x70]);
    let places: Vec<usize> = spki.map(|(at, _)| at).collect();
    for at in places {
        other[at + 2] = 0x71;
    }
    assert!(last.is_some() && tls::key_of(&other).is_err());
}
