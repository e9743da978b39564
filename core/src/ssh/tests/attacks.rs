//! What a peer must not get away with.

use super::puppet::Puppet;
use crate::identity::SecretKey;
use crate::seed::Seed;
use crate::ssh::fault::Fault;
use crate::ssh::packet::PACKET_EARLY;
use crate::ssh::session::{EXCHANGE, HANDSHAKE, Heard, Session};
use crate::ssh::wire::{Written, number};
use crate::ssh::{Fingerprint, Role};
use alloc::string::String;
use alloc::vec::Vec;

fn another_key() -> SecretKey {
    SecretKey::generate(&mut Seed::from_u64(99).rng("another"))
}

#[test]
fn a_key_that_is_offered_is_not_a_key_that_is_proven() {
    let mut puppet = Puppet::served(Role::Client);
    let (own, other) = (puppet.key.clone(), another_key());
    let offer = puppet.offer(&other, false);
    puppet.say(offer.as_slice());
    puppet.expect(number::USERAUTH_PK_OK);
    let forged = puppet.auth_request(&other, &own);
    puppet.say(&forged);
    puppet.expect(number::USERAUTH_FAILURE);
    let proven = puppet.auth_request(&own, &own);
    puppet.say(&proven);
    puppet.expect(number::USERAUTH_SUCCESS);
    assert!(matches!(puppet.heard[..], [Heard::Up(key)] if key == *own.public()));
}

#[test]
fn a_signature_over_another_session_proves_nothing() {
    let mut puppet = Puppet::served(Role::Client);
    let (own, id) = (puppet.key.clone(), puppet.id);
    puppet.id = [3; 32];
    let stale = puppet.auth_request(&own, &own);
    puppet.id = id;
    puppet.say(&stale);
    puppet.expect(number::USERAUTH_FAILURE);
    assert!(puppet.heard.is_empty());
}

#[test]
fn a_key_that_the_policy_excludes_is_not_let_in_though_it_is_proven() {
    let mut puppet = Puppet::served(Role::Client);
    puppet.local.accept = [another_key().public().peer_id()].into_iter().collect();
    let own = puppet.key.clone();
    let offer = puppet.offer(&own, false);
    puppet.say(offer.as_slice());
    puppet.expect(number::USERAUTH_FAILURE);
    let proven = puppet.auth_request(&own, &own);
    puppet.say(&proven);
    puppet.expect(number::USERAUTH_FAILURE);
    assert!(puppet.heard.is_empty());
}

#[test]
fn nobody_is_let_in_with_our_own_key() {
    let mut puppet = Puppet::served(Role::Client);
    let ours = puppet.local.key.clone();
    let proven = puppet.auth_request(&ours, &ours);
    puppet.say(&proven);
    puppet.expect(number::USERAUTH_FAILURE);
}

#[test]
fn tries_are_numbered_and_offers_are_many_but_not_endless() {
    let mut puppet = Puppet::served(Role::Client);
    let (own, other) = (puppet.key.clone(), another_key());
    let none =
        Written::message(number::USERAUTH_REQUEST).put("u").put("ssh-connection").put("none");
    let offer = puppet.offer(&other, false);
    for _ in 0..20 {
        puppet.say(none.as_slice());
        puppet.expect(number::USERAUTH_FAILURE);
        puppet.say(offer.as_slice());
        puppet.expect(number::USERAUTH_PK_OK);
    }
    for _ in 0..6 {
        assert_eq!(puppet.ended, None);
        let forged = puppet.auth_request(&other, &own);
        puppet.say(&forged);
    }
    assert_eq!(puppet.ended, Some(Fault::Tries));

    let mut puppet = Puppet::served(Role::Client);
    for _ in 0..1_000 {
        puppet.say(none.as_slice());
    }
    assert_eq!(puppet.ended, Some(Fault::Tries));
}

#[test]
fn a_strict_first_exchange_has_nothing_but_its_messages() {
    for message in [number::IGNORE, number::DEBUG, number::UNIMPLEMENTED] {
        // Before it.
        let mut puppet = Puppet::new(Role::Client);
        puppet.say(&[message, 0, 0, 0, 0]);
        let proposal = puppet.proposal(true);
        puppet.say(&proposal);
        assert_eq!(puppet.ended, Some(Fault::State), "{message}");
        // Within it.
        let mut puppet = Puppet::new(Role::Client);
        puppet.propose(true);
        puppet.say(&[message, 0, 0, 0, 0]);
        assert_eq!(puppet.ended, Some(Fault::State), "{message}");
        // At its end.
        let mut puppet = Puppet::new(Role::Client);
        puppet.exchange(true);
        puppet.say(&[message, 0, 0, 0, 0]);
        assert_eq!(puppet.ended, Some(Fault::State), "{message}");
    }
}

#[test]
fn sequence_numbers_begin_anew_with_the_keys_of_a_strict_exchange_only() {
    // A packet that is slipped in before the keys and another cut out after them go unseen by a cipher that
    // numbers packets itself: here both sides would have to count it.
    let mut puppet = Puppet::new(Role::Client);
    puppet.say(&[number::IGNORE, 0, 0, 0, 0]);
    let secrets = puppet.exchange(false);
    puppet.use_keys(&secrets);
    puppet.say(Written::message(number::SERVICE_REQUEST).put("ssh-userauth").as_slice());
    assert_eq!(puppet.ended, None, "without it all that came counts");
}

#[test]
fn with_a_peer_that_is_not_strict_no_cipher_is_used_that_needs_it() {
    let mut puppet = Puppet::new(Role::Client);
    let (_, theirs) = puppet.propose(false);
    assert!(!String::from_utf8_lossy(&theirs).contains("chacha20"), "none is offered");
    let mut puppet = Puppet::new(Role::Client);
    let (_, theirs) = puppet.propose(true);
    assert!(String::from_utf8_lossy(&theirs).contains("chacha20"), "it is to a strict one");

    // A client offers before it knows.
    let mut puppet = Puppet::new(Role::Server);
    puppet.expect(number::KEXINIT);
    let only = replace(&puppet.proposal(false), CIPHERS, &pad("chacha20-poly1305@openssh.com"));
    puppet.say(&only);
    assert_eq!(puppet.ended, Some(Fault::NotStrict));
}

const CIPHERS: &str = "aes128-gcm@openssh.com,aes256-gcm@openssh.com";

/// The same name, as long as all of them are.
fn pad(name: &str) -> String {
    let mut text = String::from(name);
    text.push(',');
    while text.len() < CIPHERS.len() {
        text.push('x');
    }
    text
}

/// Bytes in which one text stands for another of its length, wherever that is.
fn replace(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    for at in 0..bytes.len() {
        if bytes[at..].starts_with(from.as_bytes()) {
            bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
        }
    }
    bytes
}

#[test]
fn what_is_not_common_is_said() {
    for (from, to, fault) in [
        ("curve25519-sha256,", "curve25519-sha999,", Fault::NoKex),
        ("ssh-ed25519", "ssh-ed99999", Fault::NoHostKey),
        ("none", "zlib", Fault::NoCompression),
        (CIPHERS, &pad("3des-cbc"), Fault::NoCipher),
    ] {
        let mut puppet = Puppet::new(Role::Client);
        let mut proposal = replace(&puppet.proposal(true), from, to);
        proposal = replace(&proposal, "curve25519-sha256@libssh", "curve99999-sha256@libssh");
        if fault != Fault::NoKex {
            proposal = replace(&puppet.proposal(true), from, to);
        }
        if fault == Fault::NoCipher {
            proposal = replace(&proposal, "chacha20-poly1305", "chacha99-poly1305");
        }
        puppet.say(&proposal);
        assert_eq!(puppet.ended, Some(fault));
        puppet.expect(number::KEXINIT);
        let text = puppet.expect(number::DISCONNECT);
        assert!(String::from_utf8_lossy(&text).contains(&alloc::format!("{fault}")));
    }
}

#[test]
fn a_guess_that_was_wrong_is_not_taken() {
    let mut puppet = Puppet::new(Role::Client);
    let mut proposal = puppet.proposal(true);
    // The other name first, and a packet that follows.
    let swapped = "curve25519-sha256@libssh.org,curve25519-sha256";
    proposal = replace(&proposal, "curve25519-sha256,curve25519-sha256@libssh.org", swapped);
    let follows = proposal.len() - 5;
    proposal[follows] = 1;
    puppet.say(&proposal);
    puppet.say(&[number::KEX_ECDH_INIT, 1, 2, 3]);
    assert_eq!(puppet.ended, None);
    let init = Written::message(number::KEX_ECDH_INIT);
    puppet.say(init.put([9u8; 32].as_slice()).as_slice());
    puppet.expect(number::KEXINIT);
    puppet.expect(number::KEX_ECDH_REPLY);
}

#[test]
fn a_client_says_who_it_is_to_nobody_but_whom_it_dialled() {
    let mut puppet = Puppet::new(Role::Server);
    puppet.key = another_key();
    puppet.propose(true);
    puppet.expect(number::KEX_ECDH_INIT);
    let signature = [7; 64];
    let reply = puppet.ecdh_reply(&[9; 32], &signature);
    puppet.say(&reply);
    assert_eq!(puppet.ended, Some(Fault::WrongPeer));
    puppet.expect(number::DISCONNECT);
    assert_eq!(puppet.hear(), None);
}

#[test]
fn a_host_key_that_is_shown_and_not_proven_ends_the_connection() {
    let mut puppet = Puppet::new(Role::Server);
    puppet.propose(true);
    puppet.expect(number::KEX_ECDH_INIT);
    let signature = puppet.key.sign(b"something else");
    let reply = puppet.ecdh_reply(&[9; 32], &signature);
    puppet.say(&reply);
    assert_eq!(puppet.ended, Some(Fault::Exchange));
}

#[test]
fn another_host_key_in_a_later_exchange_ends_the_connection() {
    let mut puppet = Puppet::open(Role::Server);
    puppet.key = another_key();
    puppet.propose(true);
    puppet.expect(number::KEX_ECDH_INIT);
    let signature = [7; 64];
    let reply = puppet.ecdh_reply(&[9; 32], &signature);
    puppet.say(&reply);
    assert_eq!(puppet.ended, Some(Fault::WrongPeer));
}

#[test]
fn lengths_and_padding_that_cannot_be_end_the_connection_before_anything_is_allocated() {
    let over = (PACKET_EARLY as u32 + 1).next_multiple_of(8) + 4;
    for head in [
        [0, 0, 0, 0, 0],
        [0, 0, 0, 4, 3],
        [0, 0, 0, 13, 4],
        [0xff, 0xff, 0xff, 0xff, 4],
        [0, (over >> 16) as u8, (over >> 8) as u8, over as u8, 4],
    ] {
        let mut puppet = Puppet::new(Role::Client);
        puppet.raw(&head);
        assert_eq!(puppet.ended, Some(Fault::Packet), "{head:?}");
    }
    // Padding that is too short, that leaves no message, and that is longer than its packet.
    for padding in [0, 3, 11, 12, 255] {
        let mut puppet = Puppet::new(Role::Client);
        let mut packet = [0u8; 16];
        packet[3] = 12;
        packet[4] = padding;
        puppet.raw(&packet);
        assert_eq!(puppet.ended, Some(Fault::Packet), "{padding}");
    }
}

#[test]
fn a_packet_that_was_changed_ends_the_connection() {
    let mut puppet = Puppet::open(Role::Client);
    puppet.sender.push(&[&[number::GLOBAL_REQUEST, 0, 0, 0, 0, 0, 1, 2, 3]]);
    let mut bytes = core::mem::take(puppet.sender.out());
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    puppet.raw(&bytes);
    assert_eq!(puppet.ended, Some(Fault::Tag));
    assert!(puppet.heard.is_empty());
}

#[test]
fn what_is_no_version_of_ssh_2_ends_the_connection() {
    let long = [b"SSH-2.0-", &[b'x'; 300][..], b"\r\n"].concat();
    for line in [&b"GET / HTTP/1.1\r\n"[..], b"SSH-1.5-old\r\n", &[b'x'; 300], b"\r\n", &long] {
        let mut puppet = Puppet::new(Role::Client);
        let mut session = Session::new(puppet.now, None, &mut puppet.local);
        session.push(line.into());
        let heard = session.next(puppet.now, &mut puppet.local);
        assert!(matches!(heard, Err(Fault::Version)), "{line:?}");
    }
}

#[test]
fn a_server_may_say_some_lines_before_its_version_and_a_client_none() {
    let lines = |count: usize| {
        let mut puppet = Puppet::new(Role::Client);
        let expects = Some(Fingerprint::of(puppet.key.public()));
        let mut session = Session::new(puppet.now, expects, &mut puppet.local);
        let text = "welcome\r\n".repeat(count) + "SSH-2.0-somebody\r\n";
        session.push(text.as_bytes().into());
        session.next(puppet.now, &mut puppet.local).map(|heard| heard.is_none())
    };
    assert_eq!((lines(0), lines(64), lines(65)), (Ok(true), Ok(true), Err(Fault::Version)));
}

#[test]
fn handshakes_and_exchanges_have_their_time() {
    let mut puppet = Puppet::served(Role::Client);
    let late = puppet.now + HANDSHAKE;
    assert_eq!(puppet.session.due(&puppet.local), late);
    assert_eq!(puppet.session.on_due(late, &mut puppet.local), Err(Fault::TimedOut));

    // One that proposes nothing is proposed to.
    let mut puppet = Puppet::new(Role::Client);
    let soon = puppet.session.due(&puppet.local);
    assert!(soon < late);
    assert_eq!(puppet.session.on_due(soon, &mut puppet.local), Ok(()));
    puppet.expect(number::KEXINIT);
    assert_eq!(puppet.session.due(&puppet.local), late);

    let mut puppet = Puppet::open(Role::Client);
    puppet.propose(true);
    let late = puppet.now + EXCHANGE;
    assert_eq!(puppet.session.due(&puppet.local), late);
    assert_eq!(puppet.session.on_due(late, &mut puppet.local), Err(Fault::TimedOut));
}

#[test]
fn nobody_has_keys_exchanged_endlessly() {
    let mut puppet = Puppet::open(Role::Client);
    let mut exchanges = 0;
    while puppet.ended.is_none() && exchanges < 1_000 {
        if let Some(secrets) = puppet.try_exchange(true) {
            puppet.use_keys(&secrets);
            exchanges += 1;
        }
    }
    assert_eq!(puppet.ended, Some(Fault::Flood), "after {exchanges}");
    assert!(exchanges >= 8, "a few are nothing unusual");
}

#[test]
fn channels_that_are_opened_during_an_exchange_are_refused_after_it_up_to_a_bound() {
    let mut puppet = Puppet::open(Role::Client);
    puppet.local.rekey.packets = 1;
    puppet.session.rekey_where_due(puppet.now, &mut puppet.local);
    puppet.expect(number::KEXINIT);
    let open =
        Written::message(number::CHANNEL_OPEN).put("session").put(&5u32).put(&0u32).put(&0u32);
    for _ in 0..1_000 {
        puppet.say(open.as_slice());
    }
    assert_eq!(puppet.ended, Some(Fault::Flood));
}

#[test]
fn a_ping_is_answered_but_not_kept_while_keys_are_exchanged() {
    let mut puppet = Puppet::open(Role::Client);
    let ping = Written::message(number::PING).put("data");
    puppet.say(ping.as_slice());
    assert_eq!(puppet.expect(number::PONG)[1..], ping.as_slice()[1..]);
    puppet.local.rekey.packets = 1;
    puppet.session.rekey_where_due(puppet.now, &mut puppet.local);
    puppet.expect(number::KEXINIT);
    for _ in 0..10_000 {
        puppet.say(ping.as_slice());
    }
    assert_eq!((puppet.ended, puppet.session.pending()), (None, 0));
}

#[test]
fn points_of_small_order_end_the_connection() {
    for point in [[0u8; 32], {
        let mut one = [0; 32];
        one[0] = 1;
        one
    }] {
        let mut puppet = Puppet::new(Role::Client);
        puppet.propose(true);
        puppet.say(Written::message(number::KEX_ECDH_INIT).put(point.as_slice()).as_slice());
        assert_eq!(puppet.ended, Some(Fault::Exchange));
        let mut puppet = Puppet::new(Role::Client);
        puppet.propose(true);
        puppet.say(Written::message(number::KEX_ECDH_INIT).put(&point[..31]).as_slice());
        assert_eq!(puppet.ended, Some(Fault::Exchange), "and one that is too short");
    }
}

#[test]
fn a_proposal_of_endless_names_ends_the_connection() {
    let mut puppet = Puppet::new(Role::Client);
    let names = "a,".repeat(16_000);
    let proposal = Written::message(number::KEXINIT).raw(&[0; 16]).put(names.as_str());
    puppet.say(proposal.as_slice());
    assert_eq!(puppet.ended, Some(Fault::Malformed));
}
