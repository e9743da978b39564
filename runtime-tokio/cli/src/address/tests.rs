use super::{Name, Peer, Place, Target, Who};

const ID: &str = "LJkJe1cDe5x23Eur33HIrBm_oMk3jETvovlQA_da77-";

#[test]
fn an_address_reads_back_as_it_is_written() {
    let places = [
        "192.0.2.1:7000",
        "[2001:db8::1]:7000",
        "example.net:1",
        "a-b_c.d:65535",
        "bücher.example:9",
    ];
    for place in places {
        let text = format!("{ID}@{place}");
        let peer: Peer = text.parse().unwrap();
        assert_eq!(peer.to_string(), text);
        assert_eq!(text.parse(), Ok(Target::At(peer.clone())));
        assert_eq!(text.parse(), Ok(Who::Id(peer.id)));
    }
}

#[test]
fn an_address_with_a_scheme_is_told_to_leave_it_out() {
    let wrong = format!("udp://{ID}@192.0.2.1:7000").parse::<Peer>().unwrap_err();
    assert!(wrong.contains("leave out `udp://`"), "{wrong}");
}

#[test]
fn ipv6_is_read_without_brackets_too() {
    assert_eq!("::1:7000".parse::<Place>(), "[::1]:7000".parse());
}

#[test]
fn what_is_no_place_is_refused() {
    for text in ["", ":", "a", "a:", ":1", "a:+1", "a:65536", "a b:1", "a/b:1", "[::1]", "a@b:1"] {
        assert!(text.parse::<Place>().is_err(), "{text}");
    }
    assert!(format!("{}.example:1", "a".repeat(250)).parse::<Place>().is_err());
}

#[test]
fn no_text_is_both_a_name_and_an_id() {
    assert!(ID.parse::<Name>().is_err());
    assert!(matches!(ID.parse(), Ok(Who::Id(_))));
    assert!(matches!("bob".parse(), Ok(Who::Name(_))));
    for text in ["", "-bob", ".bob", "bo b", "bob#", &"b".repeat(41)] {
        assert!(text.parse::<Name>().is_err(), "{text}");
        assert!(text.parse::<Target>().is_err(), "{text}");
        assert!(text.parse::<Who>().is_err(), "{text}");
    }
}
