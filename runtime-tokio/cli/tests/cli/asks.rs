//! Two processes and real sockets: `ask`, `serve` and `get`.

use crate::common::{Listener, Ran, User};
use std::fs;

/// Bytes that repeat at no power of two.
fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + at / 253) as u8).collect()
}

#[test]
fn an_echo_answers_byte_for_byte() {
    let (alice, bob) = (User::new(), User::new());
    let mut server = bob.serve(&["--echo"]);
    alice.id();
    let asked = alice.run(&["ask", &server.addr, "hällo"]).ok();
    assert_eq!((asked.out.as_str(), asked.err.as_str()), ("hällo", ""));
    let answered = server.next("answered");
    assert!(answered["from"].as_str().unwrap().starts_with(&alice.id()), "{answered}");
    assert_eq!((&answered["request_bytes"], &answered["answer_bytes"]), (&6.into(), &6.into()));

    let asked = alice.run_with(&["ask", &server.addr, "--json", "-v"], b"a\0\xff").ok();
    let answer = &asked.json()[0];
    assert_eq!((&answer["hex"], &answer["bytes"]), (&"6100ff".into(), &3.into()));
    assert!(asked.err.contains("3 bytes from"), "{asked:?}");

    let large = bytes(1 << 20);
    alice.write("large", &large);
    let ask = ["ask", &server.addr, "--file", "large", "--out", "back"];
    assert_eq!(alice.run(&ask).ok().out, "");
    assert!(fs::read(alice.path("back")).unwrap() == large);
}

#[test]
fn a_request_above_the_limit_is_refused_with_the_limit() {
    let (alice, bob) = (User::new(), User::new());
    let server = bob.serve(&["--echo"]);
    alice.id();
    alice.write("large", vec![0; 2 << 20]);
    let ask = alice.run(&["ask", &server.addr, "--file", "large"]);
    ask.failed(2, &["2097152 bytes", "limit of 2097"]);
}

#[test]
fn whoever_does_not_serve_says_so_at_once() {
    let (alice, bob, carol) = (User::new(), User::new(), User::new());
    alice.id();
    let mut listener = bob.listen(&[]);
    let ask = alice.run(&["ask", &listener.addr, "anybody?"]);
    ask.failed(1, &["nobody answers", "`main`", "tellask serve"]);
    assert_eq!(listener.next("unanswered")["bytes"], 8);
    // Whose answer cannot be written asks nothing.
    let ask = alice.run(&["ask", &listener.addr, "x", "--out", "missing/answer"]);
    ask.failed(2, &["missing/answer"]);
    let server = carol.serve(&["--echo", "--channel", "other"]);
    let ask = alice.run(&["ask", &server.addr, "x"]);
    ask.failed(1, &["nobody answers", "`main`"]);
    let ask = alice.run(&["ask", &server.addr, "x", "--channel", "other"]).ok();
    assert_eq!(ask.out, "x");
    let get = alice.run(&["get", &server.addr, "x", "--channel", "other"]);
    get.failed(1, &["tellask serve --dir"]);
}

#[cfg(unix)]
mod exec {
    use super::{Listener, Ran, User, bytes};
    use std::fs;
    use std::process::{Child, Command};
    use std::thread;

    #[test]
    fn the_output_of_a_command_is_the_answer() {
        let (alice, bob) = (User::new(), User::new());
        alice.id();
        let server = bob.serve(&["--exec", "tr a-z A-Z"]);
        assert_eq!(alice.run(&["ask", &server.addr, "hello\n"]).ok().out, "HELLO\n");
        drop(server);
        let server = bob.serve(&["--exec", "printf '%s %s ' $TELLASK_PEER $TELLASK_CHANNEL; cat"]);
        let asked = alice.run(&["ask", &server.addr, "it is me"]).ok();
        assert_eq!(asked.out, format!("{} main it is me", alice.id()));
        // Far more than a pipe holds goes through, in both directions at once.
        let large = bytes(1_500_000);
        alice.write("large", &large);
        alice.run(&["ask", &server.addr, "--file", "large", "--out", "back"]).ok();
        assert!(fs::read(alice.path("back")).unwrap().ends_with(&large));
    }

    #[test]
    fn a_command_need_not_read_the_request() {
        let (alice, bob) = (User::new(), User::new());
        alice.id();
        alice.write("large", bytes(1 << 20));
        let server = bob.serve(&["--exec", "echo no matter what"]);
        let asked = alice.run(&["ask", &server.addr, "--file", "large"]).ok();
        assert_eq!(asked.out, "no matter what\n");
    }

    #[test]
    fn a_command_that_fails_is_a_refusal_that_says_so() {
        let (alice, bob) = (User::new(), User::new());
        alice.id();
        let ask = |server: &Listener| alice.run(&["ask", &server.addr, "x"]);
        let mut server = bob.serve(&["--exec", "no-such-command 2>&-"]);
        ask(&server).failed(1, &["the peer refused", "the command failed", "127"]);
        let refused = server.next("refused");
        assert!(refused["reason"].as_str().unwrap().contains("127"), "{refused}");
        drop(server);
        let server = bob.serve(&["--exec", "echo part of it; exit 3"]);
        let asked = ask(&server).failed(1, &["the command failed", "3"]);
        assert_eq!(asked.out, "", "half an answer is none");
        drop(server);
        let server = bob.serve(&["--exec", "head -c 3000000 /dev/zero"]);
        ask(&server).failed(1, &["the command's output", "limit of"]);
    }

    #[test]
    fn a_command_that_takes_too_long_is_killed_with_what_it_started() {
        let (alice, bob) = (User::new(), User::new());
        alice.id();
        let server = bob.serve(&["--exec", &lingering(&bob), "--within", "0.2"]);
        let outlives = outlives(&bob);
        let asked = alice.run(&["ask", &server.addr, "x"]);
        asked.failed(1, &["not done within 200 ms", "killed"]);
        assert_eq!(outlives.join().unwrap(), "begun\n", "something lives on");
        drop(server);
        // The asker's patience counts as well.
        let server = bob.serve(&["--exec", &lingering(&bob)]);
        let outlives = self::outlives(&bob);
        let asked = alice.run(&["ask", &server.addr, "x", "--timeout", "0.5"]);
        asked.failed(1, &["killed"]);
        assert_eq!(outlives.join().unwrap(), "begun\n", "something lives on");
    }

    #[test]
    fn ctrl_c_kills_the_commands_that_run() {
        let (alice, bob) = (User::new(), User::new());
        alice.id();
        let server = bob.serve(&["--exec", &lingering(&bob)]);
        let asking = alice.command(&["ask", &server.addr, "x"]).spawn().unwrap();
        let path = bob.path("pipe");
        let mut pipe = std::io::BufReader::new(fs::File::open(path).unwrap());
        let mut line = String::new();
        std::io::BufRead::read_line(&mut pipe, &mut line).unwrap();
        assert_eq!(line, "begun\n");
        let (code, _) = server.interrupt();
        assert_eq!(code, Some(130));
        line.clear();
        std::io::Read::read_to_string(&mut pipe, &mut line).unwrap();
        assert_eq!(line, "", "something lives on");
        let asked = Ran::from(asking.wait_with_output().unwrap());
        asked.failed(1, &["the peer refused", "stopped serving"]);
    }

    #[test]
    fn a_command_is_killed_when_its_asker_gives_up() {
        let (alice, bob) = (User::new(), User::new());
        alice.id();
        let mut server = bob.serve(&["--exec", &lingering(&bob)]);
        let asking = alice.command(&["ask", &server.addr, "x", "--timeout", "60"]).spawn().unwrap();
        let path = bob.path("pipe");
        let mut pipe = std::io::BufReader::new(fs::File::open(path).unwrap());
        let mut line = String::new();
        std::io::BufRead::read_line(&mut pipe, &mut line).unwrap();
        assert_eq!(line, "begun\n");
        let kill = format!("kill -INT {}", asking.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        assert_eq!(asking.wait_with_output().unwrap().status.code(), Some(130));
        line.clear();
        std::io::Read::read_to_string(&mut pipe, &mut line).unwrap();
        assert_eq!(line, "", "something lives on");
        assert_eq!(server.next("refused")["reason"], "the asker gave up");
    }

    #[test]
    fn no_more_commands_run_at_a_time_than_may() {
        let (alice, bob) = (User::new(), User::new());
        alice.id();
        let alone = "mkdir alone && head -c 20000000 /dev/zero | cksum && rmdir alone";
        let server = bob.serve(&["--exec", alone, "--at-most", "1"]);
        let ask = || alice.command(&["ask", &server.addr, "x"]).spawn().unwrap();
        let asking: Vec<Child> = (0..4).map(|_| ask()).collect();
        for child in asking {
            Ran::from(child.wait_with_output().unwrap()).ok();
        }
    }

    /// A command whose child writes a word into a pipe, and another one much later.
    fn lingering(user: &User) -> String {
        let pipe = user.path("pipe");
        if !pipe.exists() {
            assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        }
        let pipe = pipe.display();
        format!("(echo begun; sleep 30; echo late) > '{pipe}' & wait; exit 0")
    }

    /// What comes through that pipe, until nobody is left who could write into it.
    fn outlives(user: &User) -> thread::JoinHandle<String> {
        let pipe = user.path("pipe");
        thread::spawn(move || fs::read_to_string(pipe).unwrap())
    }
}

mod dir {
    use super::{User, bytes};
    use std::fs;

    /// A user who serves a folder, beside which there is a file that nobody may have.
    fn served() -> (User, super::Listener) {
        let user = User::new();
        fs::create_dir_all(user.path("public/in")).unwrap();
        user.write("public/small", "small");
        user.write("public/empty", "");
        user.write("public/in/large", bytes(5_000_001));
        user.write("secret", "secret");
        let server = user.serve(&["--dir", "public"]);
        (user, server)
    }

    #[test]
    fn a_file_of_any_size_is_fetched() {
        let alice = User::new();
        alice.id();
        let (bob, server) = served();
        let get = |args: &[&str]| alice.run(&[&["get", &server.addr], args].concat());
        assert_eq!(get(&["small"]).ok().out, "small");
        assert_eq!(get(&["empty"]).ok().out, "");
        // What was there is replaced.
        alice.write("copy", "old");
        let got = get(&["in/large", "--out", "copy", "--json"]).ok();
        let large = fs::read(bob.path("public/in/large")).unwrap();
        assert!(fs::read(alice.path("copy")).unwrap() == large);
        let got = &got.json()[0];
        assert_eq!((&got["event"], &got["bytes"]), (&"got".into(), &5_000_001.into()));
        assert_eq!(got["sha256"].as_str().unwrap().len(), 64);
        let got = get(&["in/large", "--out", "copy", "-v"]).ok();
        assert_eq!(got.out, "");
        assert!(got.err.contains("5000001 bytes in"), "{got:?}");
        assert!(!got.err.contains('['), "a bar without a terminal: {got:?}");
        let piped = alice.command(&["get", &server.addr, "in/large"]).output().unwrap();
        assert!(piped.stdout == large);
    }

    #[test]
    fn nothing_outside_of_the_folder_is_served() {
        let alice = User::new();
        alice.id();
        let (bob, server) = served();
        let secret = bob.path("secret");
        let absolute = secret.to_str().unwrap();
        let names = [
            "../secret",
            "in/../../secret",
            "in/../small",
            "./small",
            "in//large",
            "..",
            ".",
            "/",
            "in/",
            "..\\secret",
            "in\\large",
            absolute,
        ];
        for name in names {
            let got = alice.run(&["get", &server.addr, name]).failed(1, &["the peer refused"]);
            assert_eq!(got.out, "", "{name}");
        }
        alice.run(&["get", &server.addr, "missing"]).failed(1, &["missing: no such file"]);
        alice.run(&["get", &server.addr, "in"]).failed(1, &["in: not a file"]);
        alice.run(&["ask", &server.addr, "small"]).failed(1, &["tellask get"]);
        assert_eq!(alice.run(&["get", &server.addr, "small"]).ok().out, "small");
    }

    #[cfg(unix)]
    #[test]
    fn links_that_lead_outside_and_special_files_are_not_served() {
        use std::os::unix::fs::symlink;
        let alice = User::new();
        alice.id();
        let (bob, server) = served();
        symlink("../secret", bob.path("public/out")).unwrap();
        symlink(bob.path("."), bob.path("public/home")).unwrap();
        symlink("/dev/zero", bob.path("public/zero")).unwrap();
        symlink("in/large", bob.path("public/within")).unwrap();
        let pipe = bob.path("public/pipe");
        assert!(std::process::Command::new("mkfifo").arg(pipe).status().unwrap().success());
        for name in ["out", "home/secret", "zero", "home"] {
            let got = alice.run(&["get", &server.addr, name]).failed(1, &["no such file"]);
            assert_eq!(got.out, "", "{name}");
        }
        // Nobody waits for somebody who writes into it.
        alice.run(&["get", &server.addr, "pipe"]).failed(1, &["pipe: not a file"]);
        alice.run(&["get", &server.addr, "within", "--out", "copy"]).ok();
        assert_eq!(fs::metadata(alice.path("copy")).unwrap().len(), 5_000_001);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_changes_while_it_is_fetched_is_no_file() {
        let (alice, bob) = (User::new(), User::new());
        alice.id();
        alice.write("copy", "old");
        // As `ranges` says: 300,000 bytes, of which the second part has another stamp.
        let first = r"printf '\0\0\0\0\0\4\223\340\0\0\0\0\0\0\0\1'; head -c 262144 /dev/zero";
        let second = r"printf '\0\0\0\0\0\4\223\340\0\0\0\0\0\0\0\2'; head -c 37856 /dev/zero";
        let server =
            bob.serve(&["--exec", &format!("if mkdir once; then {first}; else {second}; fi 2>&-")]);
        let got = alice.run(&["get", &server.addr, "file", "--out", "copy"]);
        got.failed(1, &["file was changed", "get it again"]);
        assert_eq!(fs::read(alice.path("copy")).unwrap(), b"old");
        let names = fs::read_dir(alice.path(".")).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(names.into_iter().all(|name| !name.to_str().unwrap().contains(".part")));
    }
}
