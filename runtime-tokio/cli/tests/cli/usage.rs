//! The command line itself: help, versions, and mistakes.

use crate::common::{OTHER_ID, User};
use std::process::Stdio;

const COMMANDS: [&str; 10] =
    ["demo", "listen", "tell", "ask", "serve", "get", "ping", "key", "peer", "bench"];

#[test]
fn everything_has_help_with_examples_and_exit_codes() {
    let user = User::new();
    let help = user.run(&["--help"]).ok();
    for part in COMMANDS.iter().chain(&["Exit codes:", "Try it:", "--json"]) {
        assert!(help.out.contains(part), "{part} is not in {}", help.out);
    }
    let leaves = [
        &["demo"][..],
        &["listen"],
        &["tell"],
        &["ask"],
        &["serve"],
        &["get"],
        &["ping"],
        &["bench"],
        &["key", "new"],
        &["key", "show"],
        &["key", "import"],
        &["peer", "add"],
        &["peer", "list"],
        &["peer", "remove"],
    ];
    for leaf in leaves {
        let help = user.run(&[leaf, &["--help"]].concat()).ok();
        for part in ["Examples:", "Exit codes:", "--json"] {
            assert!(help.out.contains(part), "{leaf:?}: {part} is not in {}", help.out);
        }
    }
    let version = user.run(&["--version"]).ok();
    assert_eq!(version.out, format!("tellask {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_command_left_out_gets_the_help_and_fails() {
    let user = User::new();
    for args in [&[][..], &["key"], &["peer"]] {
        let ran = user.run(args);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.err.contains("Commands:"), "{ran:?}");
    }
}

#[test]
fn a_mistake_gets_one_line_and_says_what_would_be_right() {
    let user = User::new();
    user.run(&["tel"]).failed(2, &["'tel'", "'tell'"]);
    user.run(&["key", "show", "--passphrase-fiel", "x"]).failed(2, &["--passphrase-file"]);
    user.run(&["tell"]).failed(2, &["<ADDR>"]);
    user.run(&["ping", "bob", "-c", "many"]).failed(2, &["many"]);
    user.run(&["ping", "bob", "-c", "-1"]).failed(2, &["-1", "a whole number"]);
    user.run(&["serve", "--echo", "--at-most", "70000"]).failed(2, &["70000", "too large"]);
    user.run(&["bench", "--sizes", "1,x"]).failed(2, &["'x'", "a whole number"]);
    user.run(&["ping", "bob", "-w", "-1"]).failed(2, &["-1", "a number of seconds"]);
    user.run(&["ask", "bob", "x", "--timeout", "0"]).failed(2, &["no time", "give more"]);
    user.run(&["bench", "--seconds", "0"]).failed(2, &["--seconds 0"]);
    user.run(&["tell", "a b", "x"]).failed(2, &["neither a name nor an address"]);
    user.run(&["key", "new", "--format", "rsa"]).failed(2, &["pkcs8", "openssh"]);
    user.run(&["listen", "--on", "7000"]).failed(2, &["`7000` has no port"]);
    user.run(&["serve"]).failed(2, &["--exec", "--dir", "--echo"]);
    user.run(&["serve", "--echo", "--dir", "."]).failed(2, &["--dir"]);
    user.run(&["serve", "--dir", "missing"]).failed(2, &["missing"]);
    user.run(&["serve", "--exec", " "]).failed(2, &["--exec", "such as"]);
    user.run(&["serve", "--echo", "--at-most", "0"]).failed(2, &["--at-most 0"]);
    user.run(&["ask", "bob", "x", "--file", "y"]).failed(2, &["--file"]);
    user.run(&["get", "bob", ""]).failed(2, &["1 to 1024 bytes"]);
    user.run(&["get", "bob", &"x".repeat(1025)]).failed(2, &["1 to 1024 bytes"]);
    user.run(&["get", "bob", "x", "--json"]).failed(2, &["--out"]);
    user.run(&["ask", "bob", "--file", "missing"]).failed(2, &["missing"]);
    user.run(&["listen", "--allow", "a@b"]).failed(2, &["43 characters"]);
    user.run(&["tell", &format!("{OTHER_ID}@a:1"), "x", "--whole"]).failed(2, &["--whole"]);
}

#[test]
fn a_failure_is_json_for_programs() {
    let user = User::new();
    for args in [
        &["--json", "tell", "nobody", "x"][..],
        &["tell", "--json"],
        &["--json"],
        &["--json", "key"],
        &["peer", "--json"],
    ] {
        let ran = user.run(args);
        let error = &ran.json()[0];
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert_eq!((&error["event"], &error["exit_code"]), (&"error".into(), &2.into()));
        assert!(ran.err.contains(error["message"].as_str().unwrap()), "{ran:?}");
    }
}

#[test]
fn output_that_nobody_reads_ends_it_quietly() {
    let user = User::new();
    user.run(&["key", "new"]).ok();
    let (read, write) = std::io::pipe().unwrap();
    drop(read);
    let mut command = user.command(&["key", "show"]);
    let output = command.stdout(Stdio::from(write)).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stderr, b"");
}
