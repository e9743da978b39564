#![allow(clippy::wildcard_enum_match_arm, reason = "a test names what it looks for")]

use super::*;
use crate::addr::{MemoryAddr, PeerAddr, UdpAddr};
use crate::filter::Filter;
use crate::identity::{PeerId, PublicKey};
use crate::swarm::{
    Accept, AskError, DownReason, IdentifyError, Message, Refusal, Scope, TellError,
};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use proptest::prelude::*;

const NOW: Instant = Instant::from_nanos(1_000);
const LATER: Instant = Instant::from_nanos(9_000);

/// A transport that passes everything, so that a test says what it hears and sees what it is told.
type Wire = Filter<MemoryAddr>;
type Below = Event<MemoryAddr>;
type Above = Event<MultiAddr<MemoryAddr>>;

fn scheme(text: &str) -> Scheme {
    text.parse().expect("a scheme")
}

fn addr(text: &str) -> MultiAddr<MemoryAddr> {
    text.parse().expect("an address")
}

fn link(number: u32, size: usize, ask_max: usize) -> Below {
    Event::Link(Link { local: vec![MemoryAddr(number)], unit: size, tell_max: size, ask_max })
}

fn wire() -> Wire {
    Filter::new(Accept::Anyone, &Limits::default())
}

fn limited(limits: &Limits) -> Multi<Wire> {
    let mut multi = Multi::new(limits);
    for (name, number, size) in [("mem", 1, 500), ("tcp", 2, 900)] {
        multi.add(NOW, scheme(name), wire()).expect("there is room");
        multi.handle_input(NOW, (scheme(name), link(number, size, size)));
    }
    while multi.poll_event().is_some() {}
    multi
}

fn multi() -> Multi<Wire> {
    limited(&Limits::default())
}

fn hear(multi: &mut Multi<Wire>, name: &str, event: Below) {
    multi.handle_input(NOW, (scheme(name), event));
}

fn events(multi: &mut Multi<Wire>) -> Vec<Above> {
    core::iter::from_fn(|| multi.poll_event()).collect()
}

fn sent(multi: &mut Multi<Wire>) -> Vec<(Scheme, Command<MemoryAddr>)> {
    core::iter::from_fn(|| multi.poll_transmit()).collect()
}

fn told(number: u32, text: &'static str) -> Below {
    let (src, dst) = (MemoryAddr(number), MemoryAddr(1));
    Event::Told(Message { src, dst, payload: text.as_bytes().into() })
}

fn asked(token: u64, number: u32) -> Below {
    let message =
        Message { src: MemoryAddr(number), dst: MemoryAddr(1), payload: "?".as_bytes().into() };
    Event::Asked { token: Token(token), message, deadline: LATER }
}

fn ask(seq: u64, dst: &str) -> Command<MultiAddr<MemoryAddr>> {
    Command::Ask { id: AskId::new(seq), dst: addr(dst), payload: "?".into(), deadline: LATER }
}

fn answered(seq: u64, text: &'static str) -> Below {
    Event::Answered { id: AskId::new(seq), result: Ok(text.as_bytes().into()) }
}

fn tell(dst: &str) -> Command<MultiAddr<MemoryAddr>> {
    Command::Tell { dst: addr(dst), payload: "text".into() }
}

fn up<A>(addr: A) -> Event<A> {
    Event::PeerUp { addr, key: PublicKey::from_bytes([1; 32]) }
}

fn no_route() -> AskError {
    AskError::from(Undeliverable::NoRoute)
}

proptest! {
    #[test]
    fn an_address_prints_as_scheme_and_address_and_reads_back_as_itself(
        name in "[a-z][a-z0-9+.-]{0,15}",
        number: u32,
        ip: [u8; 4],
        port: u16,
        id: [u8; 32],
    ) {
        let key = scheme(&name);
        let at = MultiAddr { key, addr: MemoryAddr(number) };
        prop_assert_eq!(at.to_string(), format!("{name}://{number}"));
        prop_assert_eq!(at.to_string().parse(), Ok(at));
        let udp = UdpAddr::from(core::net::SocketAddr::from((ip, port)));
        let at = MultiAddr { key, addr: PeerAddr { id: PeerId::from_bytes(id), addr: udp } };
        prop_assert_eq!(at.to_string().parse(), Ok(at));
    }

    #[test]
    fn no_text_makes_the_parser_panic_and_schemes_print_as_they_are_read(text: String) {
        let _ = text.parse::<MultiAddr<MemoryAddr>>();
        if let Ok(scheme) = text.parse::<Scheme>() {
            prop_assert_eq!(scheme.to_string(), text.to_ascii_lowercase());
            prop_assert_eq!(scheme.to_string().parse(), Ok(scheme));
        }
    }
}

#[test]
fn a_scheme_is_a_letter_and_up_to_fifteen_more_in_lower_case() {
    assert_eq!("UDP4".parse::<Scheme>().map(|scheme| scheme.to_string()), Ok("udp4".into()));
    for text in ["", "4udp", "-a", "a_b", "a b", "é", "abcdefghijklmnopq", "a\0"] {
        assert_eq!(text.parse::<Scheme>(), Err(SchemeError), "{text:?}");
    }
}

#[test]
fn the_link_has_every_transports_addresses_the_smallest_sizes_and_asks_where_any_can() {
    let mut multi = multi();
    assert_eq!(multi.local_addrs(), [addr("mem://1"), addr("tcp://2")]);
    assert_eq!((multi.link().unit, multi.mtu(), multi.link().ask_max), (500, 500, 500));
    hear(&mut multi, "mem", link(1, 400, 0));
    assert_eq!((multi.mtu(), multi.link().ask_max), (400, 900));
    assert_eq!(events(&mut multi), [Event::Link(multi.link().clone())]);
    hear(&mut multi, "mem", link(1, 400, 0));
    assert_eq!(events(&mut multi), [], "nothing changed");
}

#[test]
fn each_transport_has_an_mtu_of_its_own() {
    let mut multi = multi();
    assert_eq!((multi.mtu_to(&addr("mem://7")), multi.mtu_to(&addr("tcp://7"))), (500, 900));
    assert_eq!(multi.mtu_to(&addr("quic://7")), 500);
    hear(&mut multi, "mem", Event::PathMtu { dst: MemoryAddr(7), unit: 600, tell_max: 600 });
    assert_eq!((multi.mtu_to(&addr("mem://7")), multi.mtu_to(&addr("mem://8"))), (600, 500));
    let error = multi.tell(NOW, addr("mem://8"), vec![0; 501].into());
    assert_eq!(error, Err(TellError::TooLarge { len: 501, limit: 500 }));
    assert_eq!(multi.tell(NOW, addr("tcp://8"), vec![0; 501].into()), Ok(()));
}

#[test]
fn a_message_goes_through_the_transport_of_its_scheme_and_comes_up_under_it() {
    let mut multi = multi();
    multi.handle_command(NOW, tell("tcp://7"));
    let below = Command::Tell { dst: MemoryAddr(7), payload: "text".into() };
    assert_eq!(sent(&mut multi), [(scheme("tcp"), below)]);
    hear(&mut multi, "mem", told(7, "text"));
    let [Event::Told(message)] = &events(&mut multi)[..] else { panic!("one message") };
    assert_eq!((message.src, message.dst), (addr("mem://7"), addr("mem://1")));
}

#[test]
fn what_goes_to_an_unknown_scheme_is_refused_and_nobody_waits() {
    let mut multi = multi();
    assert_eq!(multi.tell(NOW, addr("quic://7"), "text".into()), Ok(()), "it is not too large");
    multi.handle_command(NOW, ask(1, "quic://7"));
    multi.handle_command(NOW, Command::Identify { dst: addr("quic://7") });
    multi.handle_command(NOW, Command::Disconnect { dst: addr("quic://7") });
    let reason = Undeliverable::NoRoute;
    let expected = [
        Event::Undelivered { dst: addr("quic://7"), reason },
        Event::Answered { id: AskId::new(1), result: Err(no_route()) },
        Event::Identified { addr: addr("quic://7"), result: Err(IdentifyError::from(reason)) },
    ];
    assert_eq!(events(&mut multi), expected);
    assert_eq!(sent(&mut multi), []);
    assert_eq!((multi.asks.len(), multi.identifying), (0, 0));
    hear(&mut multi, "quic", told(7, "text"));
    assert_eq!((events(&mut multi), multi.counters.unknown_transport), (vec![], 1));
}

#[test]
fn a_text_with_an_unknown_scheme_is_told_which_there_are() {
    let multi = multi();
    assert_eq!(multi.parse("mem://7"), Ok(addr("mem://7")));
    let error = |text: &str| multi.parse(text).map_err(|error| error.to_string()).unwrap_err();
    assert_eq!(error("quic://7"), "no transport for quic://; there is mem:// tcp://");
    assert_eq!(error("7"), "no scheme: the address reads <scheme>://<address>");
    assert!(error("_://7").starts_with("before the ://: not a scheme"));
    assert!(error("mem://x").starts_with("behind the ://: not a number"));
    let none: Multi<Wire> = Multi::new(&Limits::default());
    let error = none.parse("mem://7").map_err(|error| error.to_string());
    assert_eq!(error, Err("no transport for mem://, nor for anything: add one".into()));
}

#[test]
fn an_ask_is_answered_by_the_transport_that_was_asked_and_by_no_other() {
    let mut multi = multi();
    multi.handle_command(NOW, ask(1, "mem://7"));
    assert_eq!(sent(&mut multi).len(), 1);
    hear(&mut multi, "tcp", answered(1, "of another"));
    assert_eq!((events(&mut multi), multi.counters.stray_answers), (vec![], 1));
    hear(&mut multi, "mem", answered(1, "yes"));
    let expected = Event::Answered { id: AskId::new(1), result: Ok("yes".as_bytes().into()) };
    assert_eq!(events(&mut multi), [expected]);
    hear(&mut multi, "mem", answered(1, "again"));
    assert_eq!((events(&mut multi), multi.asks.len()), (vec![], 0));
}

#[test]
fn two_transports_that_issue_equal_tokens_are_each_answered_their_own() {
    let mut multi = multi();
    hear(&mut multi, "mem", asked(5, 7));
    hear(&mut multi, "tcp", asked(5, 7));
    let tokens: Vec<(Token, MultiAddr<MemoryAddr>)> = events(&mut multi)
        .into_iter()
        .filter_map(|event| match event {
            Event::Asked { token, message, .. } => Some((token, message.src)),
            _ => None,
        })
        .collect();
    let [(first, mem), (second, tcp)] = tokens[..] else { panic!("two requests: {tokens:?}") };
    assert_ne!(first, second);
    // Somebody else's address with it answers nobody.
    multi.handle_command(NOW, Command::Answer { token: first, dst: tcp, result: Ok("no".into()) });
    assert_eq!((sent(&mut multi), multi.counters.stray_answers), (vec![], 1));
    for (token, dst, text) in [(second, tcp, "to tcp"), (first, mem, "to mem")] {
        multi.handle_command(NOW, Command::Answer { token, dst, result: Ok(text.into()) });
        let below =
            Command::Answer { token: Token(5), dst: MemoryAddr(7), result: Ok(text.into()) };
        assert_eq!(sent(&mut multi), [(dst.key, below)]);
    }
    assert_eq!(multi.requests.len() + multi.ours.len() + multi.deadlines.len(), 0);
}

#[test]
fn a_request_that_its_asker_withdrew_or_gave_up_is_forgotten() {
    let mut multi = multi();
    hear(&mut multi, "mem", asked(5, 7));
    hear(&mut multi, "tcp", asked(5, 7));
    let requests = events(&mut multi);
    hear(&mut multi, "tcp", Event::Withdrawn { token: Token(5), src: MemoryAddr(7) });
    let Some(Event::Asked { token, .. }) = requests.last() else { panic!("{requests:?}") };
    let expected = Event::Withdrawn { token: *token, src: addr("tcp://7") };
    assert_eq!(events(&mut multi), [expected]);
    assert_eq!((multi.requests.len(), multi.poll_timeout()), (1, Some(LATER)));
    multi.handle_timeout(LATER);
    assert_eq!((multi.requests.len(), multi.ours.len(), multi.poll_timeout()), (0, 0, None));
}

#[test]
fn requests_either_way_are_bounded_and_whoever_is_over_is_told() {
    let transport_requests = 2;
    let limits = Limits { transport_requests, ..Limits::default() };
    let mut multi = limited(&limits);
    for number in 0..3 {
        hear(&mut multi, "mem", asked(number, 7));
        multi.handle_command(NOW, ask(number, "mem://7"));
        multi.handle_command(NOW, Command::Identify { dst: addr("mem://7") });
    }
    assert_eq!((multi.requests.len(), multi.asks.len(), multi.identifying), (2, 2, 2));
    let refused =
        Command::Answer { token: Token(2), dst: MemoryAddr(7), result: Err(Refusal::default()) };
    assert!(sent(&mut multi).contains(&(scheme("mem"), refused)));
    let events = events(&mut multi);
    assert!(events.contains(&Event::Answered { id: AskId::new(2), result: Err(AskError::Full) }));
    assert!(events.iter().any(|event| matches!(event, Event::Identified { result: Err(_), .. })));
}

#[test]
fn transports_take_turns_and_who_floods_one_crowds_out_no_other() {
    let receive = 10_000;
    let limits = Limits { receive, ..Limits::default() };
    let mut multi = limited(&limits);
    for _ in 0..1_000 {
        hear(&mut multi, "mem", told(7, "flood"));
    }
    for _ in 0..3 {
        hear(&mut multi, "tcp", told(7, "quiet"));
    }
    let order: Vec<_> = core::iter::from_fn(|| multi.poll_event())
        .map(|event| match event {
            Event::Told(message) => message.src.key,
            other => panic!("{other:?}"),
        })
        .collect();
    let (mem, tcp) = (scheme("mem"), scheme("tcp"));
    assert_eq!(order.iter().filter(|key| **key == tcp).count(), 3, "none was crowded out");
    assert!(order.iter().filter(|key| **key == mem).count() > 10);
    let last = order.iter().rposition(|key| *key == tcp);
    assert!(last <= Some(5), "none waits behind the flood: {last:?}");
    // And downward.
    for _ in 0..100 {
        multi.handle_command(NOW, tell("mem://7"));
    }
    multi.handle_command(NOW, tell("tcp://7"));
    let place = sent(&mut multi).iter().position(|(key, _)| *key == tcp);
    assert!(place <= Some(1), "{place:?}");
}

#[test]
fn a_full_transport_holds_one_message_for_each_destination_and_stalls_no_other() {
    let mut multi = multi();
    hear(&mut multi, "mem", Event::Full { scope: Scope::All });
    assert_eq!(events(&mut multi), [], "nobody has been refused yet");
    assert_eq!(multi.tell(NOW, addr("mem://7"), "first".into()), Ok(()));
    assert_eq!(multi.tell(NOW, addr("mem://7"), "second".into()), Err(TellError::Full));
    assert_eq!(multi.tell(NOW, addr("tcp://7"), "other".into()), Ok(()));
    let full = Event::Full { scope: Scope::To(addr("mem://7")) };
    assert_eq!(events(&mut multi), [full]);
    assert_eq!(sent(&mut multi).len(), 1, "the other transport's");
    hear(&mut multi, "mem", Event::Ready { scope: Scope::All });
    let ready = Event::Ready { scope: Scope::To(addr("mem://7")) };
    assert_eq!(events(&mut multi), [ready]);
    let below = Command::Tell { dst: MemoryAddr(7), payload: "first".into() };
    assert_eq!(sent(&mut multi), [(scheme("mem"), below)]);
    assert_eq!(multi.held_bytes, 0);
}

#[test]
fn a_message_larger_than_all_that_may_be_held_is_held_where_nothing_else_is() {
    let limits = Limits { send: 400, ..Limits::default() };
    let mut multi = limited(&limits);
    hear(&mut multi, "mem", Event::Full { scope: Scope::All });
    assert_eq!(multi.tell(NOW, addr("mem://7"), vec![7; 500].into()), Ok(()));
    hear(&mut multi, "mem", Event::Ready { scope: Scope::All });
    let below = Command::Tell { dst: MemoryAddr(7), payload: vec![7; 500].into() };
    assert_eq!(sent(&mut multi), [(scheme("mem"), below)]);
}

#[test]
fn what_is_held_is_bounded_and_a_held_ask_can_be_cancelled() {
    let send = 1_000;
    let limits = Limits { send, ..Limits::default() };
    let mut multi = limited(&limits);
    hear(&mut multi, "mem", Event::Full { scope: Scope::All });
    multi.handle_command(NOW, ask(1, "mem://0"));
    for number in 1..20 {
        multi.handle_command(NOW, tell(&format!("mem://{number}")));
        assert!(multi.held_bytes < limits.send + 200, "the mark and one message");
    }
    let refused =
        |event: &Above| matches!(event, Event::Undelivered { reason: Undeliverable::Full, .. });
    assert!(events(&mut multi).iter().any(refused));
    let held = multi.held_bytes;
    multi.handle_command(NOW, Command::Cancel { id: AskId::new(1), dst: addr("mem://0") });
    let expected = Event::Answered { id: AskId::new(1), result: Err(AskError::Cancelled) };
    assert_eq!(events(&mut multi), [expected]);
    assert!(multi.held_bytes < held && multi.asks.is_empty());
    hear(&mut multi, "mem", Event::Ready { scope: Scope::All });
    assert_eq!(multi.held_bytes, 0);
    let cancelled = |(_, below): &(Scheme, _)| matches!(below, Command::Ask { .. });
    assert!(!sent(&mut multi).iter().any(cancelled));
}

#[test]
fn of_a_peers_addresses_the_preferred_scheme_is_chosen_among_those_that_there_are() {
    let mut multi = multi();
    let all = ["quic://7", "mem://7", "tcp://7"].map(addr);
    assert_eq!(multi.choose(&all), Some(&all[1]), "the first that can be used");
    multi.set_preference(["quic", "tcp"].map(scheme));
    assert_eq!(multi.choose(&all), Some(&all[2]));
    multi.remove(scheme("tcp"));
    assert_eq!(multi.choose(&all), Some(&all[1]));
    hear(&mut multi, "mem", Event::Closed);
    assert_eq!(multi.choose(&all), None);
}

#[test]
fn a_peer_known_at_a_secured_address_is_never_sent_to_at_an_unsecured_one() {
    // An address that may have a key or none, as in stacks from text.
    type Any = crate::text::AnyAddr;
    let mut multi: Multi<Filter<Any>> = Multi::new(&Limits::default());
    for name in ["clear", "safe"] {
        multi
            .add(NOW, scheme(name), Filter::new(Accept::Anyone, &Limits::default()))
            .expect("room");
    }
    let at = |text: &str| text.parse::<MultiAddr<Any>>().expect("an address");
    let id = |number| PeerId::from_bytes([number; 32]);
    let clear = at("clear://192.0.2.1:7");
    let safe = at(&format!("safe://{}@192.0.2.1:7", id(1)));
    let other = at(&format!("clear://{}@192.0.2.1:7", id(2)));
    multi.set_preference(["clear", "safe"].map(scheme));
    let all = [clear, safe, other];
    assert_eq!(multi.choose(&all), Some(&all[1]), "neither in the clear nor to another key");
    multi.remove(scheme("safe"));
    assert_eq!(multi.choose(&all), None, "rather not at all than in the clear");
    assert_eq!(multi.choose(&all[..1]), Some(&all[0]), "of this one nothing else is known");
}

#[test]
fn there_are_no_two_transports_of_one_scheme_and_no_more_than_may_be() {
    let transports = 3;
    let mut limits = Limits { transports, ..Limits::default() };
    let mut multi = limited(&limits);
    assert_eq!(multi.add(NOW, scheme("mem"), wire()), Err(AddError::Taken));
    assert_eq!(multi.add(NOW, scheme("a"), wire()), Ok(()));
    assert_eq!(multi.add(NOW, scheme("b"), wire()), Err(AddError::Full));
    assert!(multi.remove(scheme("a")).is_some());
    assert!(multi.remove(scheme("a")).is_none());
    assert_eq!(multi.add(NOW, scheme("b"), wire()), Ok(()));
    limits.transports = 1_000;
    let mut many: Multi<Wire> = Multi::new(&limits);
    let added = (0..100).filter(|n| many.add(NOW, scheme(&format!("a{n}")), wire()).is_ok());
    assert_eq!(added.count(), MAX_TRANSPORTS);
    for number in 0..MAX_TRANSPORTS {
        let name = format!("a{number}");
        hear(&mut many, &name, told(7, "text"));
    }
    let heard = |event: &Above| matches!(event, Event::Told(_));
    assert_eq!(events(&mut many).iter().filter(|event| heard(event)).count(), MAX_TRANSPORTS);
}

#[test]
fn a_transport_that_is_removed_leaves_nobody_waiting_and_nothing_comes_of_it_afterwards() {
    let mut multi = multi();
    hear(&mut multi, "mem", up(MemoryAddr(7)));
    hear(&mut multi, "tcp", up(MemoryAddr(7)));
    hear(&mut multi, "mem", asked(5, 7));
    assert_eq!(events(&mut multi).len(), 3);
    multi.handle_command(NOW, ask(1, "mem://7"));
    multi.handle_command(NOW, ask(2, "tcp://7"));
    multi.handle_command(NOW, ask(3, "mem://7"));
    multi.handle_command(NOW, Command::Identify { dst: addr("mem://7") });
    hear(&mut multi, "mem", Event::Full { scope: Scope::To(MemoryAddr(8)) });
    assert_eq!(events(&mut multi).len(), 1);
    hear(&mut multi, "mem", Event::Full { scope: Scope::All });
    multi.handle_command(NOW, tell("mem://9"));
    // What nobody has taken yet: an answer stays, a message and a request go.
    hear(&mut multi, "mem", answered(3, "in time"));
    hear(&mut multi, "mem", told(7, "too late"));
    hear(&mut multi, "mem", asked(6, 7));

    let layer = multi.remove(scheme("mem"));
    assert!(layer.is_some());
    let (why, dst) = (Undeliverable::NoRoute, addr("mem://7"));
    let events = events(&mut multi);
    let expected = [
        Event::Ready { scope: Scope::To(addr("mem://8")) },
        Event::Answered { id: AskId::new(3), result: Ok("in time".as_bytes().into()) },
        Event::Withdrawn { token: Token(0), src: dst },
        Event::Undelivered { dst: addr("mem://9"), reason: why },
        Event::Answered { id: AskId::new(1), result: Err(no_route()) },
        Event::Identified { addr: dst, result: Err(why.into()) },
        Event::PeerDown { addr: dst, reason: DownReason::Closed },
        Event::Link(multi.link().clone()),
    ];
    assert_eq!(events, expected);
    assert_eq!(multi.local_addrs(), [addr("tcp://2")]);
    assert_eq!((multi.asks.len(), multi.requests.len(), multi.identifying), (1, 0, 0));
    assert_eq!((multi.held_bytes, multi.ours.len(), multi.deadlines.len()), (0, 0, 0));
    hear(&mut multi, "mem", told(7, "text"));
    assert_eq!((self::events(&mut multi), multi.poll_timeout()), (vec![], None));
    assert!(sent(&mut multi).iter().all(|(key, _)| *key == scheme("tcp")));
}

#[test]
fn a_token_of_a_transport_that_was_removed_answers_nobody_when_its_scheme_is_back() {
    let mut multi = multi();
    hear(&mut multi, "mem", asked(5, 7));
    let [Event::Asked { token: old, .. }] = events(&mut multi)[..] else { panic!("a request") };
    multi.handle_command(NOW, ask(1, "mem://7"));
    multi.remove(scheme("mem"));
    multi.add(NOW, scheme("mem"), wire()).expect("it is free again");
    hear(&mut multi, "mem", asked(5, 7));
    let again: Vec<_> = events(&mut multi);
    let Some(Event::Asked { token: new, .. }) = again.last() else { panic!("{again:?}") };
    assert_ne!(old, *new);
    sent(&mut multi);
    let dst = addr("mem://7");
    multi.handle_command(NOW, Command::Answer { token: old, dst, result: Ok("old".into()) });
    assert_eq!(sent(&mut multi), []);
    // Nor does an answer to what was asked through the old one.
    hear(&mut multi, "mem", answered(1, "to the old one"));
    assert_eq!(events(&mut multi), []);
}

#[test]
fn a_transport_that_closes_by_itself_leaves_nobody_waiting_and_can_be_replaced() {
    let mut multi = multi();
    hear(&mut multi, "mem", up(MemoryAddr(7)));
    multi.handle_command(NOW, ask(1, "mem://7"));
    hear(&mut multi, "mem", told(7, "before"));
    hear(&mut multi, "mem", Event::Closed);
    let events = events(&mut multi);
    assert!(
        matches!(
            &events[..],
            [
                Event::Link(_),
                Event::PeerUp { .. },
                Event::Told(_),
                Event::Answered { result: Err(_), .. },
                Event::PeerDown { .. },
            ]
        ),
        "{events:?}"
    );
    assert!(!multi.is_closed());
    multi.handle_command(NOW, tell("mem://7"));
    assert!(matches!(multi.poll_event(), Some(Event::Undelivered { .. })));
    assert_eq!(multi.add(NOW, scheme("mem"), wire()), Ok(()));
}

#[test]
fn a_close_waits_for_every_transport_and_nothing_follows_closed() {
    let mut multi = multi();
    hear(&mut multi, "mem", Event::Full { scope: Scope::All });
    multi.handle_command(NOW, tell("mem://7"));
    multi.handle_command(NOW, Command::Close);
    assert!(multi.is_closed());
    assert_eq!(multi.add(NOW, scheme("a"), wire()), Err(AddError::Closed));
    assert_eq!(sent(&mut multi), [(scheme("tcp"), Command::Close)]);
    hear(&mut multi, "mem", Event::Ready { scope: Scope::All });
    let below: Vec<_> = sent(&mut multi).into_iter().map(|(_, command)| command).collect();
    assert!(matches!(below[..], [Command::Tell { .. }, Command::Close]), "{below:?}");
    hear(&mut multi, "mem", told(7, "the last"));
    hear(&mut multi, "mem", Event::Closed);
    assert!(events(&mut multi).iter().any(|event| matches!(event, Event::Told(_))));
    hear(&mut multi, "tcp", told(7, "the last"));
    hear(&mut multi, "tcp", Event::Closed);
    multi.handle_command(NOW, ask(1, "tcp://7"));
    let last = events(&mut multi);
    assert!(last.contains(&Event::Answered { id: AskId::new(1), result: Err(AskError::Closed) }));
    assert_eq!(last.iter().position(|event| *event == Event::Closed), Some(last.len() - 1));
    multi.handle_command(NOW, ask(2, "tcp://7"));
    hear(&mut multi, "tcp", told(7, "after"));
    assert_eq!(events(&mut multi), []);
    let mut none: Multi<Wire> = Multi::new(&Limits::default());
    none.handle_command(NOW, Command::Close);
    assert_eq!(none.poll_event(), Some(Event::Closed));
}
