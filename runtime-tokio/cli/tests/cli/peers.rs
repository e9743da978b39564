//! `tellask peer`, and names where addresses are taken.

use crate::common::{OTHER_ID, User};

#[test]
fn a_name_is_added_listed_and_removed() {
    let user = User::new();
    let (bob, carol) = (at("192.0.2.1:7000"), at("example.net:7000"));
    assert_eq!(user.run(&["peer", "add", "bob", &bob]).ok().out, "");
    user.run(&["peer", "add", "carol", &carol]).ok();
    let listed = user.run(&["peer", "list", "--json"]).ok().json();
    let row = |at: usize| (listed[at]["name"].as_str(), listed[at]["address"].as_str());
    assert_eq!(row(0), (Some("bob"), Some(bob.as_str())));
    assert_eq!(row(1), (Some("carol"), Some(carol.as_str())));
    assert_eq!(user.run(&["peer", "list"]).ok().out, format!("bob   {bob}\ncarol {carol}\n"));
    let removed = user.run(&["peer", "remove", "bob", "--json"]).ok().json();
    assert_eq!(removed[0]["event"], "peer_removed");
    assert_eq!(user.run(&["peer", "list"]).ok().out, format!("carol {carol}\n"));
}

#[test]
fn an_id_may_begin_with_hyphens() {
    let user = User::new();
    for id in [format!("-{}", &OTHER_ID[1..]), format!("--{}", &OTHER_ID[2..])] {
        let addr = format!("{id}@192.0.2.1:7000");
        user.run(&["peer", "add", "bob", &addr, "--replace"]).ok();
        assert_eq!(user.run(&["peer", "list"]).ok().out, format!("bob {addr}\n"));
        // As far as the port, which is refused.
        let addr = format!("{id}@192.0.2.1:0");
        user.run(&["tell", &addr, "x"]).failed(2, &["port 0"]);
        user.run(&["ping", "-c", "1", &addr]).failed(2, &["port 0"]);
        user.run(&["listen", "--allow", &id, "--on", "x"]).failed(2, &["`x` has no port"]);
    }
    user.run(&["tell", "--bogus", "x"]).failed(2, &["`--bogus`"]);
}

#[test]
fn comments_in_the_file_stay() {
    let user = User::new();
    std::fs::create_dir(user.config("")).unwrap();
    let text = format!("# friends\n\nbob  {}\n", at("192.0.2.1:7000"));
    std::fs::write(user.config("peers"), text).unwrap();
    let carol = at("[2001:db8::1]:7000");
    user.run(&["peer", "add", "carol", &carol]).ok();
    user.run(&["peer", "remove", "bob"]).ok();
    let text = std::fs::read_to_string(user.config("peers")).unwrap();
    assert_eq!(text, format!("# friends\n\ncarol {carol}\n"));
    assert_eq!(std::fs::read_dir(user.config("")).unwrap().count(), 1, "a draft was left");
}

#[test]
fn a_name_is_taken_from_another_peer_only_on_request() {
    let user = User::new();
    let (first, second) = (at("192.0.2.1:7000"), at("192.0.2.2:7000"));
    user.run(&["peer", "add", "bob", &first]).ok();
    user.run(&["peer", "add", "bob", &first]).ok();
    user.run(&["peer", "add", "bob", &second]).failed(2, &["bob", &first, "--replace"]);
    user.run(&["peer", "add", "bob", &second, "--replace"]).ok();
    assert_eq!(user.run(&["peer", "list"]).ok().out, format!("bob {second}\n"));
}

#[test]
fn an_unknown_name_gets_the_similar_or_the_known_ones() {
    let user = User::new();
    user.run(&["tell", "bob", "hello"]).failed(2, &["`bob`", "tellask peer add"]);
    user.run(&["peer", "add", "robert", &at("192.0.2.1:7000")]).ok();
    user.run(&["peer", "add", "carol", &at("192.0.2.1:7000")]).ok();
    user.run(&["ping", "Robret"]).failed(2, &["`Robret`", "did you mean `robert`?"]);
    user.run(&["listen", "--allow", "zz"]).failed(2, &["`zz`", "robert, carol"]);
    user.run(&["peer", "remove", "carrol"]).failed(2, &["did you mean `carol`?"]);
}

#[test]
fn a_damaged_line_is_named() {
    let user = User::new();
    std::fs::create_dir(user.config("")).unwrap();
    std::fs::write(user.config("peers"), "# fine\nbob 192.0.2.1:7000\n").unwrap();
    user.run(&["peer", "list"]).failed(2, &["peers", "line 2", "no peer id"]);
}

#[test]
fn what_is_no_file_of_names_is_said_in_one_line() {
    let user = User::new();
    std::fs::create_dir_all(user.config("peers")).unwrap();
    user.run(&["peer", "list"]).failed(2, &["peers: a folder"]);
    std::fs::remove_dir(user.config("peers")).unwrap();
    std::fs::write(user.config("peers"), [0xff, 0xfe]).unwrap();
    user.run(&["peer", "list"]).failed(2, &["peers: not a text", "NAME <peer id>@"]);
}

#[test]
fn a_wrong_address_is_said_in_one_line() {
    let user = User::new();
    let add = |addr: &str| user.run(&["peer", "add", "bob", addr]);
    add("192.0.2.1:7000").failed(2, &["no peer id", "<peer id>@<host>:<port>"]);
    add("short@192.0.2.1:7000").failed(2, &["43 characters", "has 5"]);
    add(&at("192.0.2.1")).failed(2, &["no port"]);
    add(&at("192.0.2.1:70000")).failed(2, &["65535"]);
    add(&at("192.0.2.1:0")).failed(2, &["port 0"]);
    add(&at("exa mple:7000")).failed(2, &["neither an ip nor a host name"]);
    let broken = OTHER_ID.replace('J', "+");
    add(&format!("{broken}@192.0.2.1:7000")).failed(2, &["character 2"]);
    user.run(&["peer", "add", "a@b", &at("192.0.2.1:7000")]).failed(2, &["no name"]);
    assert!(!user.config("peers").exists());
}

fn at(place: &str) -> String {
    format!("{OTHER_ID}@{place}")
}
