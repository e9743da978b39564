//! The state table, number by number.

use super::puppet::Puppet;
use crate::ssh::Role;
use crate::ssh::fault::Fault;
use crate::ssh::table::{Stage, Verdict, verdict};
use crate::ssh::wire::number;
use alloc::vec::Vec;
use proptest::prelude::*;

/// A session in this stage, whose peer is a puppet.
fn in_stage(stage: Stage) -> Puppet {
    match stage {
        Stage::KexInit => Puppet::new(Role::Client),
        Stage::EcdhInit => {
            let mut puppet = Puppet::new(Role::Client);
            puppet.propose(true);
            puppet
        }
        Stage::EcdhReply => {
            let mut puppet = Puppet::new(Role::Server);
            puppet.propose(true);
            puppet.expect(number::KEX_ECDH_INIT);
            puppet
        }
        Stage::NewKeys => {
            let mut puppet = Puppet::new(Role::Client);
            puppet.exchange(true);
            puppet
        }
        Stage::ServerFirst => Puppet::encrypted(Role::Client),
        Stage::ClientFirst => Puppet::encrypted(Role::Server),
        Stage::ServiceRequest | Stage::ServiceAccept => {
            let role = if stage == Stage::ServiceRequest { Role::Client } else { Role::Server };
            let mut puppet = Puppet::encrypted(role);
            puppet.say(&[number::EXT_INFO, 0, 0, 0, 0]);
            puppet
        }
        Stage::AuthRequest => Puppet::served(Role::Client),
        Stage::AuthResult => Puppet::served(Role::Server),
        Stage::AuthSuccess => {
            let mut puppet = Puppet::served(Role::Server);
            puppet.say(&[number::EXT_INFO, 0, 0, 0, 0]);
            puppet
        }
        Stage::Open => Puppet::open(Role::Client),
        Stage::RekeyInit => {
            let mut puppet = Puppet::open(Role::Client);
            puppet.propose(true);
            puppet
        }
        Stage::RekeyReply => {
            let mut puppet = Puppet::open(Role::Server);
            puppet.propose(true);
            puppet.expect(number::KEX_ECDH_INIT);
            puppet
        }
        Stage::RekeyNewKeys => {
            let mut puppet = Puppet::open(Role::Client);
            puppet.exchange(true);
            puppet
        }
    }
}

/// Which numbers are taken in a stage, as the documentation of the table has it; of those with a body, and without.
fn taken(stage: Stage) -> (&'static [u8], &'static [u8]) {
    match stage {
        Stage::KexInit => (&[1, 20], &[]),
        Stage::EcdhInit | Stage::RekeyInit => (&[1, 30], &[]),
        Stage::EcdhReply | Stage::RekeyReply => (&[1, 31], &[]),
        Stage::NewKeys | Stage::RekeyNewKeys => (&[1], &[21]),
        Stage::ServerFirst => (&[1, 5, 7], &[]),
        Stage::ServiceRequest => (&[1, 5], &[]),
        Stage::AuthRequest => (&[1, 50], &[]),
        Stage::ClientFirst => (&[1, 6, 7], &[]),
        Stage::ServiceAccept => (&[1, 6], &[]),
        Stage::AuthResult => (&[1, 7, 51], &[52]),
        Stage::AuthSuccess => (&[1], &[52]),
        Stage::Open => (&[1, 20, 80, 82, 90, 192], &[81, 193]),
    }
}

#[test]
fn every_number_in_every_stage_is_taken_skipped_not_known_or_ends_the_connection() {
    let known =
        |number: u8| matches!(number, 1..=7 | 20 | 21 | 30 | 31 | 50..=82 | 90..=100 | 192 | 193);
    for stage in Stage::ALL {
        let (bodied, bare) = taken(stage);
        for number in 0..=255u8 {
            let first = matches!(
                stage,
                Stage::KexInit | Stage::EcdhInit | Stage::EcdhReply | Stage::NewKeys
            );
            // Before there is a proposal nobody knows whether it is strict.
            let strict = first && stage != Stage::KexInit;
            let expected = if bodied.contains(&number) || bare.contains(&number) {
                Verdict::Take
            } else if (2..=4).contains(&number) {
                if strict { Verdict::Violation } else { Verdict::Skip }
            } else if number == number::USERAUTH_BANNER && stage == Stage::AuthResult {
                Verdict::Skip
            } else if stage == Stage::Open && !known(number) {
                Verdict::Unimplemented
            } else {
                Verdict::Violation
            };
            assert_eq!(verdict(stage, number, strict, false), expected, "{stage:?}, {number}");

            // And that is what happens, to a message that is nothing but its number.
            let mut puppet = in_stage(stage);
            assert_eq!(puppet.ended, None, "{stage:?}");
            puppet.say(&[number]);
            // Behind what was on its way already.
            let answer = core::iter::from_fn(|| puppet.hear()).last();
            match expected {
                Verdict::Take if bare.contains(&number) && stage != Stage::Open => {
                    assert_eq!(puppet.ended, None, "{stage:?}, {number}");
                }
                Verdict::Skip => {
                    let ended = answer.is_some_and(|answer| answer[0] == number::DISCONNECT);
                    assert_eq!((puppet.ended, ended), (None, false), "{stage:?}, {number}");
                }
                Verdict::Unimplemented => {
                    let sequence = puppet_sequence(&answer);
                    assert_eq!((puppet.ended, sequence), (None, Some(2)), "{stage:?}, {number}");
                }
                Verdict::Violation => {
                    assert_eq!(puppet.ended, Some(Fault::State), "{stage:?}, {number}");
                    assert_eq!(answer.map(|answer| answer[0]), Some(number::DISCONNECT));
                }
                Verdict::Take => {}
            }
        }
    }
}

/// Which packet is not known, by the answer to it.
fn puppet_sequence(answer: &Option<Vec<u8>>) -> Option<u32> {
    let answer = answer.as_ref()?;
    let sequence = answer.get(1..)?.first_chunk()?;
    (answer[0] == number::UNIMPLEMENTED).then(|| u32::from_be_bytes(*sequence))
}

#[test]
fn our_own_numbers_are_known_where_both_said_so() {
    for number in number::TELL..=number::CANCEL {
        assert_eq!(verdict(Stage::Open, number, true, true), Verdict::Take);
        assert_eq!(verdict(Stage::Open, number, true, false), Verdict::Unimplemented);
        assert_eq!(verdict(Stage::RekeyNewKeys, number, true, true), Verdict::Violation);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn no_message_makes_a_session_panic_in_any_stage(
        stage in 0..Stage::ALL.len(),
        messages in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..80)), 1..4),
        lengths in any::<bool>(),
    ) {
        let mut puppet = in_stage(Stage::ALL[stage]);
        for (number, mut body) in messages {
            // Mostly lengths that could be: those of strings are short.
            if lengths {
                for at in (0..body.len().saturating_sub(4)).step_by(7) {
                    body[at..at + 3].fill(0);
                    body[at + 3] %= 16;
                }
            }
            if puppet.ended.is_none() {
                let message: Vec<u8> = core::iter::once(number).chain(body).collect();
                puppet.say(&message);
            }
        }
        prop_assert!(puppet.session.unread() <= 64);
    }
}
