//! Nodes that speak what `--stack` describes.

use crate::common::User;

const USUAL: &str = "udp://127.0.0.1:0 | p2pke | fragment(256KiB) | ask | mux(string)";

#[test]
fn the_usual_stack_in_words_is_the_usual_stack() {
    let (alice, bob) = (User::new(), User::new());
    alice.id();
    let mut listener = bob.listen(&[]);
    alice.run(&["tell", &listener.addr, "in words", "--stack", USUAL]).ok();
    assert_eq!(listener.next("message")["text"], "in words");
    drop(listener);
    let mut server = bob.start("serve", &["--echo", "--stack", USUAL]);
    assert_eq!(alice.run(&["ask", &server.addr, "and back"]).ok().out, "and back");
    assert_eq!(server.next("answered")["channel"], "main");
}

#[test]
fn both_sides_may_speak_less_or_other_channels() {
    let (alice, bob) = (User::new(), User::new());
    alice.id();
    let bare = ["--stack", "udp://127.0.0.1:0 | p2pke"];
    let mut listener = bob.start("listen", &bare);
    let on = |command: &'static str, args: &[&str]| {
        alice.run(&[&[command, &listener.addr], &bare[..], args].concat())
    };
    on("tell", &["hello"]).ok();
    let ping = on("ping", &["-c", "0", "--json"]).ok();
    assert_eq!(ping.json()[0]["event"], "handshake");
    on("tell", &[&"x".repeat(2_000)]).failed(2, &["over the limit of"]);
    on("ask", &["x"]).failed(2, &["cannot ask", "`ask`"]);
    assert_eq!(listener.next("message")["text"], "hello");
    drop(listener);

    let numbers = ["--stack", "udp://127.0.0.1:0 | p2pke | fragment(64KiB) | ask | mux(u16, 7, 9)"];
    let mut listener = bob.start("listen", &numbers);
    let addr = listener.addr.clone();
    let tell = ["tell", &addr, "hello"];
    let to = |channel: &[&str]| alice.run(&[&tell[..], &numbers, channel].concat());
    to(&["--channel", "9"]).ok();
    assert_eq!(listener.next("message")["channel"], "9");
    to(&[]).failed(2, &["7, 9", "--channel"]);
    to(&["--channel", "8"]).failed(2, &["7, 9", "--channel"]);
}

#[test]
fn a_peer_that_answers_nothing_is_given_up_in_time_whatever_the_stack() {
    let (alice, bob) = (User::new(), User::new());
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = format!("{}@{}", bob.id(), silent.local_addr().unwrap());
    alice.id();
    let tell = ["tell", &addr, "x", "--timeout", "0.2", "--stack", "udp://127.0.0.1:0 | p2pke"];
    alice.run(&tell).failed(1, &["no answer"]);
}

#[test]
fn a_mistake_in_a_stack_is_said_in_one_line() {
    let user = User::new();
    let listen = |stack: &str| user.run(&["listen", "--stack", stack]);
    let wrong = listen("udp://127.0.0.1:0 | p2pk").failed(2, &["p2pk", "p2pke"]);
    assert!(!wrong.err.contains('^'), "a mark without its line: {wrong:?}");
    listen("udp://127.0.0.1:0 | ask").failed(2, &["one p2pke"]);
    listen("udp://127.0.0.1:0 | mux(u16) | p2pke").failed(2, &["one p2pke"]);
    listen("memory://1 | p2pke").failed(2, &["udp://"]);
    listen("").failed(2, &["--stack"]);
    let both = ["listen", "--stack", USUAL, "--on", "127.0.0.1:0"];
    user.run(&both).failed(2, &["--on"]);
    user.id();
    let serve = ["serve", "--echo", "--stack", "udp://127.0.0.1:0 | p2pke"];
    user.run(&serve).failed(2, &["`ask`"]);
}
