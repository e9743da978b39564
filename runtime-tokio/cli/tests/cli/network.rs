//! Two processes and real sockets: `listen`, `tell`, `ping`; and `demo` and `bench` alone.

use crate::common::{OTHER_ID, Ran, User};
use std::net::UdpSocket;

#[test]
fn a_told_message_is_printed_by_the_listener() {
    let (alice, bob) = (User::new(), User::new());
    let mut listener = bob.listen(&[]);
    let told = alice.run(&["tell", &listener.addr, "hällo"]).ok();
    assert_eq!(told.out, "", "it has nothing to say: {told:?}");
    assert!(told.err.contains("made your key"), "{told:?}");
    assert!(told.err.contains(&alice.id()), "{told:?}");
    let up = listener.next("peer_up");
    assert!(up["peer"].as_str().unwrap().starts_with(&alice.id()), "{up}");
    let message = listener.next("message");
    assert_eq!(message["text"], "hällo");
    assert_eq!(message["from"], up["peer"]);
    let told = alice.run(&["tell", &listener.addr, "again", "--json"]).ok();
    assert_eq!((&told.json()[0]["messages"], told.err.as_str()), (&1.into(), ""));
    assert_eq!(listener.next("message")["text"], "again");
    let told = alice.run(&["tell", &listener.addr, "", "-v"]).ok();
    assert!(told.out.contains("1 message, 0 bytes"), "{told:?}");
    assert_eq!(listener.next("message")["text"], "");
}

#[test]
fn standard_input_is_told_by_the_line_or_whole() {
    let (alice, bob) = (User::new(), User::new());
    let mut listener = bob.listen(&[]);
    let lines = alice.run_with(&["tell", &listener.addr, "-", "--json"], "one\r\n\nthree").ok();
    assert_eq!(lines.json()[0]["messages"], 3);
    for text in ["one", "", "three"] {
        assert_eq!(listener.next("message")["text"], text);
    }
    alice.run_with(&["tell", &listener.addr, "--whole"], b"a\nb\xff").ok();
    let message = listener.next("message");
    assert_eq!((&message["hex"], &message["text"]), (&"610a62ff".into(), &().into()));
}

#[test]
fn a_name_and_a_host_name_lead_to_the_peer() {
    let (alice, bob) = (User::new(), User::new());
    let mut listener = bob.listen(&[]);
    let by_host = listener.addr.replace("127.0.0.1", "localhost");
    alice.run(&["peer", "add", "bob", &by_host]).ok();
    alice.run(&["tell", "bob", "by name"]).ok();
    assert_eq!(listener.next("message")["text"], "by name");
}

#[test]
fn a_file_is_told_whole_however_many_datagrams_it_takes() {
    let (alice, bob) = (User::new(), User::new());
    let mut listener = bob.listen(&[]);
    let text = "0123456789abcdef".repeat(16_000);
    alice.write("large", &text);
    alice.run(&["tell", &listener.addr, "--file", "large"]).ok();
    assert_eq!(listener.next("message")["text"], text);
}

#[test]
fn a_message_above_the_limit_is_refused_at_once_with_the_limit() {
    let user = User::new();
    // Nobody has to be there for that.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = format!("{OTHER_ID}@{}", silent.local_addr().unwrap());
    user.id();
    user.write("large", vec![b'x'; 262_139]);
    let tell = user.run(&["tell", &addr, "--file", "large"]);
    tell.failed(2, &["262139 bytes", "limit of 262138"]);
}

#[test]
fn a_message_reaches_only_who_has_its_channel_open() {
    let (alice, bob) = (User::new(), User::new());
    let mut listener = bob.listen(&["--channel", "chat", "--channel", "news"]);
    alice.run(&["tell", &listener.addr, "for nobody"]).ok();
    for channel in ["news", "chat"] {
        alice.run(&["tell", &listener.addr, channel, "--channel", channel]).ok();
        let message = listener.next("message");
        assert_eq!((&message["text"], &message["channel"]), (&channel.into(), &channel.into()));
    }
    let wrong = ["tell", &listener.addr, "x", "--channel", "a://b"];
    alice.run(&wrong).failed(2, &["channel", "://"]);
}

#[test]
fn whoever_has_another_key_gets_no_message() {
    let (alice, bob) = (User::new(), User::new());
    alice.id();
    let mut listener = bob.listen(&[]);
    let place = listener.addr.split_once('@').unwrap().1.to_owned();
    let wrong = format!("{OTHER_ID}@{place}");
    let told = alice.run(&["tell", &wrong, "secret", "--timeout", "2"]);
    told.failed(1, &["another peer answers", OTHER_ID]);
    alice.run(&["tell", &listener.addr, "for you"]).ok();
    assert_eq!(listener.next("message")["text"], "for you");
}

#[test]
fn a_peer_that_is_not_there_or_does_not_let_us_in_is_a_failure() {
    let (alice, bob, carol) = (User::new(), User::new(), User::new());
    alice.id();
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = format!("{OTHER_ID}@{}", silent.local_addr().unwrap());
    alice.run(&["tell", &addr, "x", "--timeout", "0.2"]).failed(1, &["no answer"]);
    let ping = alice.run(&["ping", &addr, "--timeout", "0.2", "--json"]).failed(1, &["no answer"]);
    assert_eq!(ping.json()[0]["event"], "error");

    let mut listener = bob.listen(&["--allow", &carol.id()]);
    let ping = ["ping", &listener.addr, "-c", "0"];
    alice.run(&[&ping[..], &["--timeout", "0.3"]].concat()).failed(1, &["let you in"]);
    carol.run(&ping).ok();
    assert!(listener.next("peer_up")["peer"].as_str().unwrap().starts_with(&carol.id()));
}

#[test]
fn our_own_id_is_not_dialled() {
    let user = User::new();
    let own = format!("{}@127.0.0.1:7000", user.id());
    user.run(&["tell", &own, "x"]).failed(2, &["your own id"]);
}

#[test]
fn ping_measures_where_the_peer_echoes_and_says_where_it_does_not() {
    let (alice, bob, carol) = (User::new(), User::new(), User::new());
    alice.id();
    let echoing = bob.listen(&["--echo"]);
    let ping = ["ping", &echoing.addr, "-c", "3", "-i", "0", "-w", "10", "--json"];
    let events = alice.run(&ping).ok().json();
    assert_eq!(kinds(&events), ["handshake", "echo", "echo", "echo", "summary"]);
    assert!(events[0]["ms"].as_f64().unwrap() > 0.0);
    assert_eq!(events[3]["sequence"], 3);
    assert_eq!((&events[4]["sent"], &events[4]["echoed"]), (&3.into(), &3.into()));

    let mute = carol.listen(&[]);
    let ping = ["ping", &mute.addr, "-c", "1", "-w", "0.1"];
    let ping = alice.run(&ping).ok();
    assert!(ping.out.contains("does not echo"), "{ping:?}");
}

#[test]
fn a_port_in_use_or_of_another_machine_is_said_in_one_line() {
    let user = User::new();
    user.id();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let _held = UdpSocket::bind(taken).unwrap();
    let port = taken.port().to_string();
    user.run(&["listen", "--on", &taken.to_string()]).failed(2, &[&port, "choose another port"]);
    user.run(&["listen", "--on", "192.0.2.1:0"]).failed(2, &["192.0.2.1"]);
    user.run(&["listen", "--on", "no.such.host.invalid:0"]).failed(2, &["no.such.host.invalid"]);
}

#[cfg(unix)]
#[test]
fn ctrl_c_closes_the_listener_cleanly() {
    let (alice, bob) = (User::new(), User::new());
    let mut listener = bob.listen(&["--stats"]);
    alice.run(&["tell", &listener.addr, "x"]).ok();
    listener.next("message");
    let (code, lines) = listener.interrupt();
    assert_eq!(code, Some(130));
    let stats = lines.last().unwrap();
    assert_eq!(stats["event"], "stats");
    assert!(stats["counters"].as_object().unwrap().len() > 5, "{stats}");
}

#[test]
fn the_lines_for_people_do_not_drive_the_terminal() {
    let (alice, bob) = (User::new(), User::new());
    bob.run(&["peer", "add", "alice", &format!("{}@127.0.0.1:9", alice.id())]).ok();
    let mut listen = bob.command(&["listen", "--on", "127.0.0.1:0"]).spawn().unwrap();
    let mut lines = crate::common::lines(listen.stdout.take().unwrap());
    let listening = lines.next().unwrap();
    let addr = listening.strip_prefix("listening on ").unwrap();
    alice.run(&["tell", addr, "a\x1b[2Jb\nup \u{202e}c"]).ok();
    assert!(lines.next().unwrap().starts_with("up "));
    assert_eq!(lines.next().unwrap(), "alice a\\u{1b}[2Jb\\nup \\u{202e}c");
    listen.kill().unwrap();
    listen.wait().unwrap();
}

#[test]
fn the_demo_shows_every_step() {
    let user = User::new();
    let events = user.run(&["demo", "--json"]).ok().json();
    let steps = events.iter().filter(|event| event["event"] == "step").count();
    assert_eq!(steps, 6, "{events:?}");
    let kinds = kinds(&events);
    for kind in ["node", "handshake", "message", "answer", "refused", "throughput", "done"] {
        assert!(kinds.contains(&kind), "no {kind} in {kinds:?}");
    }
    let mut answers = events.iter().filter(|event| event["event"] == "answer");
    assert_eq!(answers.next_back().unwrap()["bytes"], 1 << 20);
    let people = user.run(&["demo"]).ok();
    assert!(people.out.contains("all of it worked"), "{people:?}");
    assert!(!user.config("key.pem").exists(), "it takes no key unless it is told to");
}

#[test]
fn the_bench_measures_each_size_in_each_way() {
    let user = User::new();
    let bench = user.run(&["bench", "--seconds", "0.2", "--sizes", "64,1200", "--json"]).ok();
    let rows = bench.json();
    assert_eq!(rows.len(), 2, "{bench:?}");
    for (row, size) in rows.iter().zip([64, 1200]) {
        assert_eq!(row["bytes"], size);
        for figure in ["tells_per_second", "asks_per_second", "socket_per_second", "of_cipher"] {
            assert!(row[figure].as_f64().unwrap() > 0.0, "{row}");
        }
    }
    assert_eq!(bench.err, "", "a bar without a terminal");
    user.run(&["bench", "--sizes", "70000"]).failed(2, &["70000", "limit"]);
}

fn kinds(events: &[serde_json::Value]) -> Vec<&str> {
    events.iter().map(|event| event["event"].as_str().unwrap()).collect()
}

#[test]
fn a_closed_pipe_ends_a_long_command_quietly() {
    let user = User::new();
    let (read, write) = std::io::pipe().unwrap();
    drop(read);
    let ran = user.command(&["demo"]).stdout(write).output().unwrap();
    let ran = Ran::from(ran);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
}
