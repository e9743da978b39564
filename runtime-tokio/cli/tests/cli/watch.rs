//! A node's figures: printed, and fetched over HTTP.

use crate::common::{Listener, User};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};

/// A listener with a server of its figures, and that server's address.
fn watched(user: &User) -> (Listener, String) {
    let mut listener = user.listen(&["--metrics", "127.0.0.1:0"]);
    let url = listener.next("metrics")["url"].as_str().unwrap().to_owned();
    let addr = url.strip_prefix("http://").unwrap().strip_suffix("/metrics").unwrap();
    let addr = addr.to_owned();
    (listener, addr)
}

fn request(addr: &str, request: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.write_all(request.as_ref()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The body, whose length is as the headers say.
fn body(answer: &str) -> &str {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("\r\nContent-Length: {}", body.len())), "{answer}");
    body
}

#[test]
fn prometheus_reads_what_the_node_counted() {
    let (alice, bob) = (User::new(), User::new());
    let (mut listener, addr) = watched(&bob);
    alice.run(&["tell", &listener.addr, "x"]).ok();
    listener.next("message");
    let answer = request(&addr, "GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\r\nContent-Type: text/plain; version=0.0.4"), "{answer}");
    let line = format!("tellask_opened_total{{layer=\"p2pke\",node=\"{}\"}} ", listener.addr);
    let opened = body(&answer).lines().find_map(|found| found.strip_prefix(&line));
    assert!(opened.unwrap().parse::<u64>().unwrap() > 0, "{answer}");

    let head = request(&addr, "HEAD /metrics HTTP/1.0\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
}

#[test]
fn what_is_no_request_for_figures_is_told_so_and_the_node_goes_on() {
    let user = User::new();
    let (mut listener, addr) = watched(&user);
    for (asked, status) in [
        ("GET / HTTP/1.1\r\n\r\n", "404"),
        ("GET /metrics/.. HTTP/1.1\r\n\r\n", "404"),
        ("POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "405"),
        ("GET /metrics HTTP/9\r\n\r\n", "400"),
        ("GET  /metrics HTTP/1.1\r\n\r\n", "400"),
        ("\0\u{fffd}\r\n\r\n", "400"),
        ("\r\n\r\n", "400"),
    ] {
        let answer = request(&addr, asked);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{asked:?}: {answer}");
        assert!(!body(&answer).is_empty());
    }
    let long = format!("GET /metrics HTTP/1.1\r\nX: {}", "x".repeat(9_000));
    assert!(request(&addr, long).starts_with("HTTP/1.1 431 "));
    // With a target that goes on: what follows a question mark is nobody's business.
    assert!(request(&addr, "GET /metrics?x=1 HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200 "));
    User::new().run(&["tell", &listener.addr, "still there"]).ok();
    assert_eq!(listener.next("message")["text"], "still there");
}

#[test]
fn clients_that_never_finish_keep_nobody_else_waiting() {
    let user = User::new();
    let (_listener, addr) = watched(&user);
    // Fewer than are served at a time; each has begun.
    let slow: Vec<_> = (0..15)
        .map(|_| {
            let mut stream = TcpStream::connect(&addr).unwrap();
            stream.write_all(b"GET /metrics").unwrap();
            stream
        })
        .collect();
    assert!(request(&addr, "GET /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200 "));
    for stream in &slow {
        // Gone before it asked: no answer, and nobody minds.
        stream.shutdown(Shutdown::Both).unwrap();
    }
    assert!(request(&addr, "GET /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_client_that_is_too_slow_is_cut_off() {
    let user = User::new();
    let (_listener, addr) = watched(&user);
    let mut stream = TcpStream::connect(&addr).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.is_empty(), "it was not served");
}

#[test]
fn figures_are_served_to_this_machine_only() {
    let user = User::new();
    user.id();
    let listen = |addr: &str| user.run(&["listen", "--on", "127.0.0.1:0", "--metrics", addr]);
    listen("0.0.0.0:9464").failed(2, &["0.0.0.0:9464", "read by others", "127.0.0.1:9464"]);
    listen("[2001:db8::1]:80").failed(2, &["[2001:db8::1]:80", "127.0.0.1:80"]);
    listen("localhost").failed(2, &["localhost", "127.0.0.1:9464"]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    listen(&addr).failed(2, &[&addr, "in use"]);
}

#[cfg(unix)]
#[test]
fn figures_are_printed_every_now_and_then_and_at_the_end() {
    let user = User::new();
    for command in [&["listen"][..], &["serve", "--echo"]] {
        let args = [&command[1..], &["--stats=0.01"]].concat();
        let mut listener = user.start(command[0], &args);
        for _ in 0..3 {
            assert!(listener.next("stats")["gauges"].is_object());
        }
        let (code, lines) = listener.interrupt();
        assert_eq!(code, Some(130));
        assert_eq!(lines.last().unwrap()["event"], "stats");
    }
    user.run(&["listen", "--stats=0"]).failed(2, &["stats"]);
}

#[test]
fn a_log_says_who_came_and_why_something_failed_and_not_what_was_said() {
    let (alice, bob) = (User::new(), User::new());
    let listener = bob.listen(&[]);
    let told = alice.run(&["tell", &listener.addr, "a secret", "--log", "info"]).ok();
    for part in ["a node is bound", "a peer is up", "layer=\"p2pke\"", &listener.addr] {
        assert!(told.err.contains(part), "`{part}` is not in {}", told.err);
    }
    assert!(!told.err.contains("a secret") && !told.err.contains("DEBUG"), "{}", told.err);

    let (id, port) = (crate::common::OTHER_ID, listener.addr.rsplit(':').next().unwrap());
    let wrong = format!("{id}@127.0.0.1:{port}");
    let failed = alice.run(&["tell", &wrong, "x", "--timeout", "1", "--log", "debug"]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(failed.err.contains("DEBUG") && failed.err.contains("reason="), "{}", failed.err);
    alice.run(&["tell", &listener.addr, "x", "--log", "loud"]).failed(2, &["info", "debug"]);
}
