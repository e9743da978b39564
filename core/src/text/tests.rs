#![allow(clippy::wildcard_enum_match_arm, reason = "a test names what it looks for")]

use super::lift::Lifted;
use super::*;
use crate::addr::{At, PeerAddr};
use crate::ask::Asking;
use crate::fragment::Fragmenter;
use crate::identity::SecretKey;
use crate::join::Join;
use crate::layer::Layer;
use crate::limits::Limits;
use crate::mux::{Mux, Name};
use crate::p2pke::P2pke;
use crate::port::{Datagram, DatagramInput, DatagramPort};
use crate::seed::Seed;
use crate::stack::Stack;
use crate::swarm::{Accept, AskId, Command, Event, Link, Swarm};
use crate::time::{Anchor, Instant};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use bytes::BytesMut;
use core::time::Duration;
use proptest::prelude::*;

fn read(text: &str) -> Description {
    match text.parse() {
        Ok(description) => description,
        Err(error) => panic!("{error}"),
    }
}

fn id() -> PeerId {
    PeerId::from_bytes([9; 32])
}

/// A text is wrong at this word, for this reason, and says so in these words.
fn wrong(text: &str, word: &str, says: &str) -> Problem {
    let error = match text.parse::<Description>() {
        Ok(description) => panic!("{text} was read as {description}"),
        Err(error) => error,
    };
    assert_eq!(error.word(), word, "{error}");
    let said = error.to_string();
    let mut lines = said.lines();
    assert_eq!(lines.next(), Some(says), "{said}");
    let (line, marks) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    assert_eq!(line, format!("  {text}"), "{said}");
    let marked = marks.chars().count().max(word.chars().count() + 2) - word.chars().count();
    if !word.is_empty() {
        assert_eq!(line.chars().skip(marked).collect::<String>().find(word), Some(0), "{said}");
    }
    error.problem().clone()
}

#[test]
fn a_stack_is_read_with_its_bottom_and_its_layers_from_the_bottom_up() {
    let text = "udp://127.0.0.1:0 | p2pke | fragment(256KiB) | ask | mux(string)";
    let stack = read(text);
    assert_eq!(stack.bottom().to_string(), "udp://127.0.0.1:0");
    let mux = LayerSpec::Mux {
        kind: ChannelKind::String,
        channels: vec!["main".parse().expect("a label")],
    };
    let layers = [LayerSpec::P2pke, LayerSpec::Fragment { max: 262_144 }, LayerSpec::Ask, mux];
    assert_eq!(stack.layers(), layers);
    assert!(stack.is_secured() && !read("memory://1 | ask").is_secured());
    assert_eq!(stack.to_string(), format!("{}, main)", text.trim_end_matches(')')));
}

#[test]
fn spaces_and_the_case_of_words_do_not_matter() {
    let text =
        format!("\n UDP://[::1]:7000|P2pke|Fragment ( 1 mib )|FILTER({0},{0})|Mux(U16,7,0)", id());
    let stack = read(&text);
    let expected = format!(
        "udp://[::1]:7000 | p2pke | fragment(1MiB) | filter({0}, {0}) | mux(u16, 7, 0)",
        id()
    );
    assert_eq!(stack.to_string(), expected);
    assert_eq!(read(&expected), stack);
    assert_eq!(read("memory://7"), read(" Memory://7 "));
    assert_eq!(read("memory://7 | ask()"), read("memory://7 | ask"));
}

proptest! {
    #[test]
    fn every_stack_prints_as_text_that_reads_back_as_itself(
        port: u16,
        layers in prop::collection::vec(
            prop_oneof![
                Just("loopback".to_string()),
                (1_usize..5_000_000).prop_map(|size| format!("fragment({size})")),
                (1_usize..1_024).prop_map(|size| format!("fragment({size}KiB)")),
                "[a-zA-Z0-9._+-]{1,31}".prop_map(|label| format!("mux(string, {label})")),
                any::<u16>().prop_map(|number| format!("mux(u16, {number})")),
                any::<u64>().prop_map(|number| format!("mux(varint, {number})")),
            ],
            0..MAX_LAYERS,
        ),
    ) {
        let text = format!("udp://127.0.0.1:{port} | p2pke | ask | {}", layers.join(" | "));
        let text = text.trim_end_matches("| ");
        let stack: Result<Description, _> = text.parse();
        if layers.len() + 2 > MAX_LAYERS {
            prop_assert!(matches!(stack, Err(error) if *error.problem() == Problem::TooMany));
        } else {
            let stack = stack.expect("it is in order");
            prop_assert_eq!(stack.to_string().parse(), Ok(stack));
        }
    }

    #[test]
    fn no_text_makes_the_parser_or_its_errors_panic(
        text: String,
        noise in "[a-z0-9(),|:/ .\n\u{e9}]{0,60}",
    ) {
        for text in [&text, &noise, &format!("memory://1|{noise}"), &format!("memory://1|mux({noise})")] {
            if let Err(error) = text.parse::<Description>() {
                prop_assert!(!error.to_string().is_empty());
                prop_assert!(text.get(error.range()).is_some());
            }
            let _ = text.parse::<AnyAddr>();
        }
    }

    #[test]
    fn every_address_reads_back_as_itself(
        ip: [u8; 4], port: u16, number: u32, bytes: [u8; 32],
        label in "[a-zA-Z0-9._+-]{1,31}",
    ) {
        let id = PeerId::from_bytes(bytes);
        for inner in [format!("{}.{}.{}.{}:{port}", ip[0], ip[1], ip[2], ip[3]), number.to_string()] {
            for text in [
                inner.clone(),
                format!("{id}@{inner}"),
                format!("{label}://{id}@{inner}"),
                format!("{id}@{label}://{inner}"),
                format!("{label}://{label}://{id}@{id}@{inner}"),
            ] {
                let addr: AnyAddr = text.parse().expect("an address");
                prop_assert_eq!(addr.to_string(), text.clone());
                let again: AnyAddr = text.parse().expect("an address");
                prop_assert_eq!(&again, &addr);
                prop_assert_eq!(again.cmp(&addr), core::cmp::Ordering::Equal);
            }
        }
    }
}

#[test]
fn addresses_are_told_apart_by_what_they_say_and_are_ordered_by_it() {
    let texts = ["1.2.3.4:5", "1.2.3.4:6", "5", "6", &format!("{}@5", id()), "a://5", "b://5"];
    let addrs = texts.map(|text| text.parse::<AnyAddr>().expect("an address"));
    for (place, a) in addrs.iter().enumerate() {
        for (other, b) in addrs.iter().enumerate() {
            assert_eq!((a == b, a.cmp(b)), (place == other, place.cmp(&other)), "{a} {b}");
        }
    }
    assert_eq!(size_of::<AnyAddr>(), 32);
}

#[test]
fn wrong_addresses_are_told_what_is_wrong() {
    let error = |text: &str| text.parse::<AnyAddr>().unwrap_err();
    for text in ["", "x", "1.2.3.4", "a://", "@5", "abc@5"] {
        assert_eq!(error(text), AnyAddrError::Bottom, "{text}");
    }
    for text in ["://5", "a b://5", &format!("{}@://5", id())] {
        assert_eq!(error(text), AnyAddrError::Label(LabelError), "{text}");
    }
    assert_eq!(error(&("a://".repeat(100_000) + "5")), AnyAddrError::TooDeep);
    assert!(("a://".repeat(MAX_DEPTH) + "5").parse::<AnyAddr>().is_ok());
}

#[test]
fn a_wrong_bottom_is_told_what_would_be_right() {
    let begins = "a stack begins with its bottom: udp://ip:port, tcp://ip:port or memory://number";
    assert_eq!(wrong("", "", begins), Problem::NoBottom);
    assert_eq!(wrong(" | ask", "", begins), Problem::NoBottom);
    let says =
        "`p2pke` is no bottom: a stack begins with udp://ip:port, tcp://ip:port or memory://number";
    assert_eq!(wrong("p2pke | ask", "p2pke", says), Problem::NotBottom);
    wrong("upd://1.2.3.4:5", "upd", "there is no bottom `upd`: did you mean udp?");
    let says = "there is no bottom `quic`: the bottoms are udp, tcp and memory";
    wrong("quic://1.2.3.4:5 | ask", "quic", says);
    let says = "`1.2.3.4` is not an ip:port such as 192.0.2.1:7000 or [2001:db8::1]:7000";
    wrong("udp://1.2.3.4 | ask", "1.2.3.4", says);
    wrong("memory://x", "x", "`x` is not a number from 0 to 4294967295");
    let says = "a bottom stands first in its stack, and there is only one";
    wrong("memory://1 | udp://1.2.3.4:5", "udp://1.2.3.4:5", says);
}

#[test]
fn what_carries_bytes_is_told_what_makes_messages_of_them() {
    let says = |word: &str| {
        format!(
            "`{word}` makes no messages of the bytes that TCP carries: put ssh right on the bottom, as in \
             tcp://ip:port | ssh"
        )
    };
    let alone = "tcp://1.2.3.4:5,[::1]:5";
    assert_eq!(wrong(alone, alone, &says(alone)), Problem::OnStreams);
    assert_eq!(wrong("tcp://1.2.3.4:5 | p2pke", "p2pke", &says("p2pke")), Problem::OnStreams);
    let says = "`1.2.3.4` is not an ip:port such as 192.0.2.1:7000 or [2001:db8::1]:7000, nor up to eight different ones with commas between";
    wrong("tcp://1.2.3.4", "1.2.3.4", says);
}

#[test]
fn an_address_on_tcp_of_several_places_reads_back_as_itself_and_one_of_one_place_is_any_ip_and_port()
 {
    let several: AnyAddr = "[::1]:5,1.2.3.4:5".parse().expect("an address");
    assert!(matches!(&several, AnyAddr::Tcp(addr) if addr.places().len() == 2), "{several:?}");
    assert_eq!(several.to_string(), "[::1]:5,1.2.3.4:5");
    let peer: AnyAddr = format!("{}@{several}", id()).parse().expect("an address");
    assert_eq!(peer.below(), Some(&several));
    for text in [format!("{}@{several}", id()), format!("{}@1.2.3.4:5", id())] {
        let any: AnyAddr = text.parse().expect("an address");
        let of_tcp = PeerAddr::<TcpAddr>::lower(&any).expect("one on TCP");
        assert_eq!((of_tcp.to_string(), of_tcp.lift()), (text, any));
    }
    assert!(PeerAddr::<TcpAddr>::lower(&"7".parse().expect("an address")).is_none());
}

#[test]
fn an_unknown_layer_is_told_which_is_most_like_it() {
    for (word, like) in [
        ("fragmnet", "fragment"),
        ("p2p", "p2pke"),
        ("aks", "ask"),
        ("mx", "mux"),
        ("loop", "loopback"),
        ("filtre", "filter"),
    ] {
        let text = format!("memory://1 | {word} | ask");
        let says = format!("there is no layer `{word}`: did you mean {like}?");
        assert_eq!(wrong(&text, word, &says), Problem::UnknownLayer { nearest: vec![like] });
    }
    let says =
        "there is no layer `kademlia`: the layers are p2pke, fragment, ask, filter, loopback, mux";
    wrong("memory://1 | kademlia(20)", "kademlia", says);
}

#[test]
fn a_missing_layer_and_wrong_parentheses_are_marked_where_they_are() {
    let says = "a layer is missing beside this |";
    assert_eq!(wrong("memory://1 |", "|", says), Problem::NoLayer);
    wrong("memory://1 | | ask", "|", says);
    wrong("memory://1 | mux(u16", "(", "this ( is not closed: a ) is missing");
    wrong(
        "memory://1 | mux(u16) ask",
        "ask",
        "`ask` stands behind the ): a | is missing before it",
    );
    wrong("memory://1 | ask(5)", "ask", "`ask` takes nothing in parentheses");
}

#[test]
fn a_wrong_argument_is_told_the_form_that_is_taken() {
    let form = "an argument is missing: write fragment(size), such as fragment(256KiB)";
    wrong("memory://1 | fragment", "fragment", form);
    wrong("memory://1 | fragment()", "", form);
    let says = "`2` is one argument too many: write fragment(size), such as fragment(256KiB)";
    wrong("memory://1 | fragment(1, 2)", "2", says);
    for size in ["0", "1KB", "x", "-1", "1025MiB", "99999999999999999999MiB"] {
        let says = format!(
            "`{size}` is no size: write bytes, KiB or MiB such as 1200, 256KiB or 1MiB, from 1 to 1024MiB"
        );
        assert_eq!(wrong(&format!("memory://1 | fragment({size})"), size, &says), Problem::BadSize);
    }
    let form = "mux(kind, channel, …), such as mux(string, chat) or mux(u16)";
    wrong("memory://1 | mux", "mux", &format!("an argument is missing: write {form}"));
    wrong("memory://1 | mux(u16,)", "", &format!("an argument is missing: write {form}"));
    let says = "`u8` is no kind of channels: write string, u16, u32, u64 or varint";
    wrong("memory://1 | mux(u8)", "u8", says);
    for (kind, channel, most) in [
        ("u16", "65536", "65535"),
        ("u32", "01", "4294967295"),
        ("u64", "+1", "18446744073709551615"),
        ("varint", "chat", "18446744073709551615"),
    ] {
        let says = format!("`{channel}` is no such channel: write a number from 0 to {most}");
        wrong(&format!("memory://1 | mux({kind}, {channel})"), channel, &says);
    }
    let says = "`a:b` is no channel: not a label: one to 31 letters, digits, ., _, + or -";
    wrong("memory://1 | mux(string, a:b)", "a:b", says);
    wrong("memory://1 | mux(u16, 7, 7)", "7", "the channel `7` stands here already");
    let says = "`abc` is no peer id: those have 43 letters, digits, _ and -";
    wrong("memory://1 | p2pke | filter(abc)", "abc", says);
}

#[test]
fn layers_that_do_not_go_together_are_refused() {
    let says = "`p2pke` stands in this stack already: once is enough";
    assert_eq!(wrong("memory://1 | p2pke | ask | p2pke", "p2pke", says), Problem::LayerAgain);
    wrong("memory://1 | ask | ask", "ask", "`ask` stands in this stack already: once is enough");
    let text = format!("memory://1 | filter({}) | p2pke", id());
    let says =
        "`filter` needs a p2pke or a quic somewhere below it, without which nothing would pass";
    wrong(&text, "filter", says);
    let text = format!("memory://1{}", " | loopback".repeat(MAX_LAYERS + 1));
    wrong(&text, "loopback", "`loopback` is one layer over the limit of 16");
    assert_eq!(read("memory://1 | mux(u16) | mux(string)").layers().len(), 2, "mux over mux goes");
}

#[test]
fn a_text_without_end_is_refused_unread() {
    let text = format!("memory://1{}", " ".repeat(MAX_TEXT));
    let error = text.parse::<Description>().unwrap_err();
    assert_eq!(*error.problem(), Problem::TooLong);
    assert_eq!(error.to_string(), "the text is longer than 65536 bytes");
}

#[test]
fn the_mark_stands_below_the_word_in_its_own_line_whatever_stands_before_it() {
    let error = "memory://1\n| loopbäck(1)\n| ask".parse::<Description>().unwrap_err();
    let said =
        "there is no layer `loopbäck`: did you mean loopback?\n  | loopbäck(1)\n    ^^^^^^^^";
    assert_eq!(error.to_string(), said);
}

fn secret(number: u8) -> SecretKey {
    SecretKey::from_seed(&[number; 32])
}

fn parts(number: u8) -> Parts {
    Parts {
        limits: Limits::default(),
        seed: Seed::from_u64(number.into()),
        key: Some(secret(number)),
        clock: Anchor::default(),
        accept: Accept::Anyone,
        epoch: None,
        diagnostics: crate::diagnostics::Diagnostics::default(),
    }
}

const FIVE: &str = "memory://1 | p2pke | fragment(256KiB) | ask | mux(string, chat)";

type InMemory<A> = crate::swarm::BoxSwarm<DatagramInput<MemoryAddr>, Datagram<MemoryAddr>, A>;

fn from_text(number: u8) -> InMemory<AnyAddr> {
    let parts = parts(number);
    read(FIVE).build(memory_port(&parts.limits), &parts).expect("it has a key")
}

/// The same stack as the compiler would be told of it.
fn written_out(number: u8) -> InMemory<At<Name, PeerAddr<MemoryAddr>>> {
    let Parts { limits, seed, clock, accept, .. } = parts(number);
    let seed = |number| seed.child(&format!("layer {number}"));
    let port = DatagramPort::new(&limits);
    let stack = Stack::new(port, P2pke::new(secret(number), &seed(1), clock, accept, &limits));
    let stack = Stack::new(stack, Fragmenter::new(262_144, &seed(2), &limits));
    let stack = Stack::new(stack, Asking::new(&seed(3), &limits));
    let mux = Mux::new(&limits).with_channels([Name::from("chat")]).expect("opens");
    Box::new(Stack::new(Stack::new(stack, mux), Join::new(&limits)))
}

/// All that two nodes send each other, and say upward, while one tells and asks the other.
fn trace<A: crate::addr::Addr>(make: impl Fn(u8) -> InMemory<A>) -> Vec<String> {
    let mut nodes = [make(1), make(2)];
    let mut now = Instant::from_nanos(1_000_000);
    let mut trace = Vec::new();
    for (number, node) in (1..).zip(&mut nodes) {
        let local = vec![MemoryAddr(number)];
        node.handle_input(now, DatagramInput::Bound { local, mtu: 1_200 });
    }
    let dst = |number: u8| {
        let text = format!("chat://{}@{number}", secret(number).id());
        text.parse::<A>().unwrap_or_else(|error| panic!("{text}: {error}"))
    };
    let deadline = now + Duration::from_secs(60);
    for len in [0_usize, 1, 1_000, 70_000] {
        let payload = vec![len as u8; len].into();
        nodes[0].handle_command(now, Command::Tell { dst: dst(2), payload });
        let (id, payload) = (AskId::new(len as u64), vec![len as u8; len].into());
        nodes[0].handle_command(now, Command::Ask { id, dst: dst(2), payload, deadline });
    }
    nodes[0].handle_command(now, Command::Identify { dst: dst(2) });
    nodes[0].handle_command(now, Command::Tell { dst: dst(3), payload: "nobody".into() });
    for step in 0..4_000 {
        let mut sent: [Vec<Datagram<MemoryAddr>>; 2] = [vec![], vec![]];
        for (node, sent) in nodes.iter_mut().zip(&mut sent) {
            while let Some(datagram) = node.poll_transmit() {
                trace.push(format!("{now:?} {datagram:?} {:?}", datagram.payload.len()));
                sent.push(datagram);
            }
            let mut answers = vec![];
            while let Some(event) = node.poll_event() {
                let said = match event {
                    Event::Asked { token, message, .. } => {
                        let result = Ok(message.payload.clone().into());
                        let (said, dst) = (message.src.to_string(), message.src);
                        answers.push(Command::Answer { token, dst, result });
                        format!("asked {said} {:?}", token)
                    }
                    Event::Told(message) => {
                        format!("told {} {} {}", message.src, message.dst, message.payload.len())
                    }
                    Event::Link(Link { local, unit, tell_max, ask_max }) => {
                        let local: Vec<String> = local.iter().map(ToString::to_string).collect();
                        format!("link {local:?} {unit} {tell_max} {ask_max}")
                    }
                    Event::PeerUp { addr, key } => format!("up {addr} {key:?}"),
                    Event::Undelivered { dst, reason } => format!("lost {dst} {reason}"),
                    Event::Identified { addr, result } => format!("identified {addr} {result:?}"),
                    Event::Answered { id, result } => {
                        format!("{id:?} {:?}", result.map(|r| r.len()))
                    }
                    other => format!("{:?}", core::mem::discriminant(&other)),
                };
                trace.push(format!("{now:?} {said}"));
            }
            for answer in answers {
                node.handle_command(now, answer);
            }
        }
        let idle = sent.iter().all(Vec::is_empty);
        for (from, sent) in sent.into_iter().enumerate() {
            for Datagram { dst, payload, .. } in sent {
                let src = MemoryAddr(from as u32 + 1);
                let payload: BytesMut = payload.into_mut();
                if let Some(node) = nodes.get_mut(dst.0 as usize - 1) {
                    node.handle_input(now, DatagramInput::Datagram { src, dst, payload });
                }
            }
        }
        if step == 3_000 {
            nodes[0].handle_command(now, Command::Close);
        }
        if idle {
            now = now + Duration::from_millis(50);
            nodes.iter_mut().for_each(|node| node.handle_timeout(now));
        }
    }
    trace
}

#[test]
fn a_stack_from_text_does_the_very_same_as_the_one_that_is_written_out() {
    let (text, written) = (trace(from_text), trace(written_out));
    for (number, (text, written)) in text.iter().zip(&written).enumerate() {
        assert_eq!(text, written, "at line {number}");
    }
    assert_eq!(text.len(), written.len());
    for what in [
        "told chat://",
        "asked chat://",
        "identified chat://",
        "lost chat://",
        "path: 0 } Ok(70000)",
    ] {
        assert!(text.iter().any(|line| line.contains(what)), "{what} is in no line");
    }
}

#[test]
fn what_goes_to_an_address_of_another_shape_is_refused_and_nobody_waits() {
    let mut node = from_text(1);
    let now = Instant::from_nanos(1_000);
    for text in
        ["7", "1.2.3.4:5", &format!("{}@7", id()), "chat://7", &format!("{}@chat://7", id())]
    {
        let dst: AnyAddr = text.parse().expect("an address");
        assert_eq!((node.mtu_to(&dst), node.is_full(&dst)), (0, false));
        let deadline = now + Duration::from_secs(1);
        node.handle_command(now, Command::Tell { dst: dst.clone(), payload: "text".into() });
        node.handle_command(
            now,
            Command::Ask { id: AskId::new(1), dst: dst.clone(), payload: "?".into(), deadline },
        );
        let mut events: Vec<_> = core::iter::from_fn(|| node.poll_event()).collect();
        events.retain(|event| !matches!(event, Event::Link(_)));
        assert!(
            matches!(
                events[..],
                [Event::Undelivered { .. }, Event::Answered { result: Err(_), .. }]
            ),
            "{text}: {events:?}"
        );
    }
}

#[test]
fn the_link_is_in_common_as_soon_as_it_is_known() {
    let mut node = from_text(1);
    let local = vec![MemoryAddr(1)];
    node.handle_input(Instant::from_nanos(1), DatagramInput::Bound { local, mtu: 1_200 });
    let own = format!("chat://{}@1", secret(1).id());
    assert_eq!(node.local_addrs().iter().map(ToString::to_string).collect::<Vec<_>>(), [own]);
    assert!(node.link().ask_max > 0 && node.mtu() > 200_000);
}

#[test]
fn channels_called_by_numbers_have_them_for_labels() {
    for kind in ["u16", "u32", "u64", "varint"] {
        let text = format!("memory://1 | mux({kind}, 7, 300)");
        let parts = parts(1);
        let make = || read(&text).build(memory_port(&parts.limits), &parts).expect("it opens");
        let (mut from, mut to) = (make(), make());
        let now = Instant::from_nanos(1);
        for (number, node) in [(1, &mut from), (2, &mut to)] {
            let local = vec![MemoryAddr(number)];
            node.handle_input(now, DatagramInput::Bound { local, mtu: 1_200 });
            while node.poll_event().is_some() {}
        }
        let dst: AnyAddr = "300://2".parse().expect("an address");
        from.handle_command(now, Command::Tell { dst, payload: "text".into() });
        let Some(Datagram { dst, payload, .. }) = from.poll_transmit() else { panic!("{kind}") };
        let (src, payload) = (MemoryAddr(1), payload.into_mut());
        to.handle_input(now, DatagramInput::Datagram { src, dst, payload });
        let Some(Event::Told(message)) = to.poll_event() else { panic!("{kind}: nothing came") };
        assert_eq!(
            (message.src.to_string(), &message.payload[..]),
            ("300://1".into(), &b"text"[..])
        );
        for shape in ["0300://2", "+300://2", "chat://2", "70000000000000000000000://2"] {
            let dst: AnyAddr = shape.parse().expect("an address");
            from.handle_command(now, Command::Tell { dst, payload: "text".into() });
            assert!(matches!(from.poll_event(), Some(Event::Undelivered { .. })), "{shape}");
        }
    }
}

#[test]
fn a_secured_stack_without_a_key_and_too_many_channels_are_not_built() {
    let mut parts = Parts { key: None, ..parts(1) };
    let build =
        |text: &str, parts: &Parts| read(text).build(memory_port(&parts.limits), parts).map(drop);
    assert_eq!(build(FIVE, &parts), Err(BuildError::NoKey));
    parts.limits.channels = 1;
    let error = build("memory://1 | mux(u16, 1, 2)", &parts);
    assert_eq!(error, Err(BuildError::Channels(crate::mux::OpenError::Full)));
}
