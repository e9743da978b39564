//! `tellask key`, as a user meets it.

use crate::common::{User, mode};

/// PKCS#8 of the seed that is 32 zero bytes; its id is the first of the recorded ones.
const ZERO_PKCS8: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n\
    -----END PRIVATE KEY-----\n";
const ZERO_ID: &str = "LJkJe1cDe5x23Eur33HIrBm_oMk3jETvovlQA_da77-";
const ZERO_FINGERPRINT: &str = "SHA256:tAXFyTXI8xtDaujAEcwJslAYc9/6FKcUkd2Lw0xDhPo";

#[test]
fn a_new_key_goes_where_it_is_looked_for_and_shows_its_id() {
    let user = User::new();
    let made = user.run(&["key", "new", "--json"]).ok().json();
    assert_eq!(made[0]["file"], user.config("key.pem").to_str().unwrap());
    assert_eq!(made[0]["id"], user.id());
    let shown = user.run(&["key", "show"]).ok();
    assert!(shown.out.contains(&user.id()), "{shown:?}");
    assert!(!shown.out.contains('\x1b'), "colour without a terminal: {shown:?}");
}

#[test]
fn the_public_half_is_shown_as_other_tools_show_it() {
    let user = User::new();
    let key = user.write("zero.pem", ZERO_PKCS8);
    let shown = user.run(&["key", "show", "--json", "--key", key.to_str().unwrap()]).ok().json();
    assert_eq!(shown[0]["id"], ZERO_ID);
    assert_eq!(shown[0]["ssh_fingerprint"], ZERO_FINGERPRINT);
    assert_eq!(shown[0]["spki"], "MCowBQYDK2VwAyEAO2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik=");
    assert_eq!(
        shown[0]["ssh"],
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
    );
}

#[cfg(unix)]
#[test]
fn a_new_key_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let user = User::new();
    user.run(&["key", "new"]).ok();
    let bits = |name: &str| user.config(name).metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!((bits("key.pem"), bits("")), (0o600, 0o700));
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_refused_with_the_command_that_mends_it() {
    let user = User::new();
    user.run(&["key", "new"]).ok();
    let path = user.config("key.pem");
    mode(&path, 0o644);
    let mend = format!("chmod 600 {}", path.display());
    for args in [&["key", "show"][..], &["listen"], &["tell", &at("127.0.0.1:9"), "hello"]] {
        user.run(args).failed(2, &[&mend, "0644"]);
    }
    assert!(std::process::Command::new("sh").args(["-c", &mend]).status().unwrap().success());
    user.run(&["key", "show"]).ok();
}

#[test]
fn a_key_file_is_never_overwritten() {
    let user = User::new();
    user.run(&["key", "new"]).ok();
    let path = user.config("key.pem");
    let before = std::fs::read(&path).unwrap();
    user.run(&["key", "new"]).failed(2, &["key.pem", "never overwritten"]);
    let other = user.write("zero.pem", ZERO_PKCS8);
    let import = ["key", "import", other.to_str().unwrap()];
    user.run(&import).failed(2, &["key.pem", "never overwritten"]);
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_key_survives_every_format_with_and_without_a_passphrase() {
    let user = User::new();
    user.run(&["key", "new", "--out", "a.pem"]).ok();
    let id = |args: &[&str]| {
        let mut all = vec!["key", "show", "--json", "--key"];
        all.extend(args);
        user.run(&all).ok().json()[0]["id"].clone()
    };
    let first = id(&["a.pem"]);
    let word = user.write("word", "correct horse\nsecond line\n");
    let word = word.to_str().unwrap();
    user.run(&["key", "import", "a.pem", "--out", "b", "--out-format", "openssh"]).ok();
    user.run(&["key", "import", "b", "--format", "openssh", "--out", "c.pem"]).ok();
    assert_eq!((id(&["b"]), id(&["c.pem"])), (first.clone(), first));

    user.run(&["key", "new", "--out", "d", "--passphrase-file", word]).ok();
    let text = std::fs::read_to_string(user.path("d")).unwrap();
    assert!(text.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----"), "{text}");
    let locked = id(&["d", "--passphrase-file", word]);
    user.run(&["key", "import", "d", "--out", "e", "--passphrase-file", word]).ok();
    assert_eq!(id(&["e", "--passphrase-file", word]), locked);
    user.run(&["key", "show", "--key", "e"]).failed(2, &["--passphrase-file"]);
    let wrong = user.write("wrong", "incorrect horse\n");
    let wrong = ["key", "show", "--key", "e", "--passphrase-file", wrong.to_str().unwrap()];
    user.run(&wrong).failed(2, &["passphrase"]);
    let open =
        ["key", "import", "e", "--out", "f", "--out-format", "pkcs8", "--passphrase-file", word];
    user.run(&open).ok();
    assert_eq!(id(&["f"]), locked);
}

#[test]
fn a_passphrase_is_for_openssh_files() {
    let user = User::new();
    let word = user.write("word", "correct horse\n");
    let word = word.to_str().unwrap();
    let args = ["key", "new", "--out", "a", "--format", "pkcs8", "--passphrase-file", word];
    user.run(&args).failed(2, &["openssh"]);
    assert!(!user.path("a").exists());
    user.write("empty", "\n");
    user.run(&["key", "new", "--passphrase-file", "empty"]).failed(2, &["empty"]);
    user.run(&["key", "new", "--passphrase-file", "none"]).failed(2, &["none"]);
    // Nobody to ask.
    user.run(&["key", "new", "--passphrase"]).failed(2, &["--passphrase-file"]);
}

#[test]
fn the_key_of_go_p2p_is_read_only_where_it_is_named() {
    let user = User::new();
    let mut file = vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    file.extend([0; 32]);
    user.write("go", &file);
    user.run(&["key", "show", "--key", "go"]).failed(2, &["go-p2p"]);
    user.run(&["key", "import", "go"]).failed(2, &["go-p2p"]);
    let made = user.run(&["key", "import", "go", "--format", "go-p2p", "--json"]).ok().json();
    assert_eq!(made[0]["id"], ZERO_ID);
    assert_eq!(user.id(), ZERO_ID);
}

#[test]
fn what_is_no_key_file_is_said_in_one_line() {
    let user = User::new();
    user.write("text", "hello\n");
    std::fs::create_dir(user.path("folder")).unwrap();
    let show = |file| user.run(&["key", "show", "--key", file]);
    show("text").failed(2, &["text", "not a key file"]);
    show("folder").failed(2, &["folder"]);
    show("none").failed(2, &["none", "no key file"]);
    let named = user.write("zero.pem", ZERO_PKCS8);
    let import = ["key", "import", named.to_str().unwrap(), "--format", "openssh"];
    user.run(&import).failed(2, &["pkcs8"]);
    // There is no default key yet, and showing makes none.
    user.run(&["key", "show"]).failed(2, &["key.pem", "tellask key new"]);
    assert!(!user.config("key.pem").exists());
}

fn at(place: &str) -> String {
    format!("{ZERO_ID}@{place}")
}
