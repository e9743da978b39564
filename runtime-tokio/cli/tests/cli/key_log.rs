//! The secrets of connections: written by a command that was built for it, where the user names a file.

use crate::common::{Ran, User};

#[test]
fn secrets_are_written_only_by_a_command_that_was_built_for_it_which_says_so() {
    let (alice, bob) = (User::new(), User::new());
    alice.id();
    let quic = ["--stack", "udp://127.0.0.1:0 | quic"];
    let mut listener = bob.start("listen", &quic);
    let tell = |file: Option<&str>| {
        let mut tell = alice.command(&[&["tell", &listener.addr, "hello"], &quic[..]].concat());
        tell.env_remove("SSLKEYLOGFILE").envs(file.map(|file| ("SSLKEYLOGFILE", file)));
        Ran::from(tell.output().unwrap())
    };
    assert!(!tell(None).ok().err.contains("secrets"));
    let ran = tell(Some("secrets.log"));
    if cfg!(feature = "insecure-key-log") {
        assert!(ran.ok().err.contains("secrets are written to secrets.log"));
        tell(Some("secrets.log")).ok();
        let lines = std::fs::read_to_string(alice.path("secrets.log")).unwrap();
        let of = |label: &str| lines.lines().filter(|line| line.starts_with(label)).count();
        assert_eq!((of("CLIENT_TRAFFIC_SECRET_0 "), of("SERVER_TRAFFIC_SECRET_0 ")), (2, 2));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(alice.path("secrets.log")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        tell(Some("no/such/folder")).failed(2, &["SSLKEYLOGFILE", "no/such/folder"]);
    } else {
        assert!(!ran.ok().err.contains("secrets"));
        assert!(!alice.path("secrets.log").exists());
    }
    assert_eq!(listener.next("message")["text"], "hello");
}
