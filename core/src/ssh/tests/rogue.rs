//! A node, and a peer that is let in and has no manners then.

use crate::addr::MemoryAddr;
use crate::identity::SecretKey;
use crate::layer::Layer as _;
use crate::limits::Limits;
use crate::payload::Payload;
use crate::port::{StreamEnd, StreamId, StreamInput, StreamTransmit};
use crate::seed::Seed;
use crate::ssh::connection::LINGER;
use crate::ssh::incoming::ANSWERS_MAX;
use crate::ssh::session::{Heard, Session};
use crate::ssh::wire::{MESSAGE_MAX, Written, number};
use crate::ssh::{Local, Setup, Ssh, SshAddr};
use crate::swarm::{AskError, AskId, Command, Event};
use crate::time::Instant;
use alloc::vec;
use alloc::vec::Vec;
use bytes::BytesMut;
use core::time::Duration;

/// Bytes that the node may write to a peer that reads.
const PLENTY: usize = 1 << 24;
const ID: StreamId = StreamId::accepted(0);

struct Rogue {
    node: Ssh<MemoryAddr>,
    session: Session,
    local: Local,
    now: Instant,
    heard: Vec<Heard>,
    events: Vec<Event<SshAddr<MemoryAddr>>>,
    /// Whether the node said that it says nothing more, and that it wants nothing more.
    finished: bool,
    aborted: bool,
}

impl Rogue {
    /// One that is let in; `extension` says whether requests have names. The node may write so many bytes from then on.
    fn new(extension: bool, limits: &Limits, credit: usize) -> Self {
        let seed = Seed::from_u64(3);
        let key = |name| SecretKey::generate(&mut seed.rng(name));
        let now = Instant::ZERO + Duration::from_secs(1);
        let mut node = Ssh::new(Setup::new(key("node"), &seed, limits));
        let fingerprint = node.fingerprint();
        let mut setup = Setup::new(key("rogue"), &seed, limits);
        setup.extension = extension;
        let mut local = Local::new(setup, seed.rng("draws"));
        let session = Session::new(now, Some(fingerprint), &mut local);
        node.handle_input(now, StreamInput::Bound { local: vec![MemoryAddr(1)] });
        let (id, remote) = (ID, MemoryAddr(2));
        node.handle_input(now, StreamInput::Accepted { id, local: MemoryAddr(1), remote });
        node.handle_input(now, StreamInput::Writable { id, bytes: 100_000 });
        let (heard, events) = (Vec::new(), Vec::new());
        let mut rogue =
            Self { node, session, local, now, heard, events, finished: false, aborted: false };
        for _ in 0..8 {
            rogue.exchange();
        }
        assert!(rogue.session.is_up());
        // What is left of that is used up by a message that nobody wants.
        rogue.heard.clear();
        rogue.events.clear();
        rogue.node.handle_input(now, StreamInput::Writable { id, bytes: credit });
        rogue
    }

    /// What is written goes over, once in each direction.
    fn exchange(&mut self) {
        let bytes = core::mem::take(self.session.out());
        if !bytes.is_empty() {
            self.node.handle_input(self.now, StreamInput::Bytes { id: ID, bytes });
        }
        while let Some(transmit) = self.node.poll_transmit() {
            match transmit {
                StreamTransmit::Write { payload, .. } => {
                    self.session.push(BytesMut::from(&payload.into_bytes()[..]));
                }
                StreamTransmit::Finish { .. } => self.finished = true,
                StreamTransmit::Abort { .. } => self.aborted = true,
                StreamTransmit::Open { .. } | StreamTransmit::Read { .. } => {}
            }
        }
        self.events.extend(core::iter::from_fn(|| self.node.poll_event()));
        while let Ok(Some(heard)) = self.session.next(self.now, &mut self.local) {
            self.heard.push(heard);
        }
    }

    /// Says whatever it likes.
    fn say(&mut self, message: &[u8]) {
        self.session.raw(message);
        self.exchange();
    }
}

#[test]
fn answers_that_nobody_asked_for_end_the_connection() {
    let named = |number| Written::message(number).put(&0u32).into_vec();
    for (extension, answer) in [
        (false, vec![number::REQUEST_SUCCESS]),
        (false, vec![number::REQUEST_FAILURE]),
        (true, named(number::ANSWER)),
        (true, Written::message(number::REFUSAL).put(&0u32).put(&0u8).put(&0u32).into_vec()),
    ] {
        let mut rogue = Rogue::new(extension, &Limits::default(), PLENTY);
        rogue.say(&answer);
        assert!(rogue.finished, "{answer:?}");
    }
}

#[test]
fn an_answer_is_taken_once() {
    let mut rogue = Rogue::new(true, &Limits::default(), PLENTY);
    let peer = rogue.node.peers.addr(0).expect("it is up");
    let (payload, deadline) = (Payload::from(&b"?"[..]), rogue.now + Duration::from_secs(9));
    let id = AskId::new(1);
    rogue.node.handle_command(rogue.now, Command::Ask { id, dst: peer, payload, deadline });
    rogue.exchange();
    let busy = Written::message(number::REFUSAL).put(&0u32).put(&2u8).put(&0u32).into_vec();
    rogue.say(&busy);
    assert!(rogue.events.contains(&Event::Answered { id, result: Err(AskError::Busy) }));
    rogue.events.clear();
    rogue.say(&busy);
    assert_eq!(rogue.events, [], "that it comes again is of no interest");
}

#[test]
fn two_requests_of_one_name_end_the_connection() {
    let mut rogue = Rogue::new(true, &Limits::default(), PLENTY);
    let ask = Written::message(number::ASK).put(&7u32).put(&1_000u32).raw(b"?").into_vec();
    rogue.say(&ask);
    assert!(!rogue.finished);
    rogue.say(&ask);
    assert!(rogue.finished);
    let withdrawn = |event: &Event<_>| matches!(event, Event::Withdrawn { .. });
    assert!(rogue.events.iter().any(withdrawn));
}

#[test]
fn messages_over_the_limit_are_not_heard() {
    let mut rogue = Rogue::new(true, &Limits::default(), PLENTY);
    let over = vec![9; MESSAGE_MAX + 1];
    rogue.say(&Written::message(number::TELL).raw(&over).into_vec());
    rogue.say(&Written::message(number::ASK).put(&1u32).put(&1u32).raw(&over).into_vec());
    let heard = |event: &Event<_>| matches!(event, Event::Told(_) | Event::Asked { .. });
    assert!(!rogue.events.iter().any(heard) && !rogue.finished);
    let limit = MESSAGE_MAX;
    assert!(matches!(
        &rogue.heard[..],
        [Heard::Answered { name: Some(1), result: Err(AskError::TooLarge { limit: it }) }] if *it == limit
    ));
}

#[test]
fn a_peer_that_does_not_read_what_it_is_answered_is_read_no_further() {
    let mut rogue = Rogue::new(true, &Limits::default(), 0);
    let ping = Written::message(number::PING).put(&[0u8; 10_000][..]).into_vec();
    for _ in 0..1_000 {
        rogue.say(&ping);
    }
    let connection = rogue.node.connections.get(&ID).expect("it is up");
    let pending = connection.session.pending();
    assert!((ANSWERS_MAX..ANSWERS_MAX + 20_000).contains(&pending), "{pending}");
    // Once it reads it is read on.
    rogue.node.handle_input(rogue.now, StreamInput::Writable { id: ID, bytes: PLENTY });
    for _ in 0..1_000 {
        rogue.exchange();
        rogue.node.handle_input(rogue.now, StreamInput::Writable { id: ID, bytes: 1 });
    }
    let connection = rogue.node.connections.get(&ID).expect("it is up");
    assert_eq!(connection.session.unread(), 0);
}

#[test]
fn a_peer_that_does_not_close_is_cut_off() {
    let mut rogue = Rogue::new(true, &Limits::default(), PLENTY);
    rogue.say(&[number::CHANNEL_OPEN_CONFIRMATION]);
    assert!(rogue.finished && !rogue.aborted);
    rogue.now = rogue.now + LINGER;
    rogue.node.handle_timeout(rogue.now);
    rogue.exchange();
    assert!(rogue.aborted);
    let over = StreamInput::Closed { id: ID, reason: StreamEnd::Aborted };
    rogue.node.handle_input(rogue.now, over);
    assert_eq!(rogue.node.connections(), 0);
}
