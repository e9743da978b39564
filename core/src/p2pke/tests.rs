//! Two channels, or parts of one, without a network: datagrams are vectors in the test's hands.

mod attacks;
mod channel;
mod fuzz;
mod pure;
mod schedules;
pub(crate) mod seal_log;
mod session;

use super::Tai64n;
use super::channel::{Channel, ChannelEvent, Context, Gate, Input, Reason, Timing};
use super::session::SealError;
use crate::identity::{PeerId, PublicKey, SecretKey};
use crate::seed::{Rng, Seed};
use crate::time::{Anchor, Instant, UnixTime};
use bytes::{Bytes, BytesMut};
use core::hash::Hasher as _;
use core::time::Duration;
use siphasher::sip::SipHasher13;
use std::collections::BTreeMap;
use std::vec::Vec;

const START: Instant = Instant::from_nanos(1_000_000_000_000);
const DATE: UnixTime = UnixTime::new(1_800_000_000, 0);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A gate that lets everything pass until told otherwise.
#[derive(Debug, Default)]
struct TestGate {
    floors: BTreeMap<PublicKey, Tai64n>,
    refuses: Vec<PublicKey>,
    verifications: usize,
    tokens: Option<usize>,
    no_room: bool,
}

impl Gate for TestGate {
    fn accepts(&mut self, key: &PublicKey) -> bool {
        !self.refuses.contains(key)
    }

    fn floor(&self, key: &PublicKey) -> Option<Tai64n> {
        self.floors.get(key).copied()
    }

    fn may_verify(&mut self, _now: Instant) -> bool {
        self.verifications += 1;
        match &mut self.tokens {
            None => true,
            Some(0) => false,
            Some(tokens) => {
                *tokens -= 1;
                true
            }
        }
    }

    fn may_hold_candidate(&mut self) -> bool {
        !self.no_room
    }

    fn raise_floor(&mut self, key: &PublicKey, to: Tai64n) {
        let floor = self.floors.entry(*key).or_default();
        *floor = to.max(*floor);
    }
}

/// A node with one channel.
struct Node {
    key: SecretKey,
    rng: Rng,
    gate: TestGate,
    timing: Timing,
    clock: Anchor,
    scratch: Vec<u8>,
    channel: Channel,
}

impl Node {
    fn new(number: u64) -> Self {
        let seed = Seed::from_u64(number);
        Self {
            key: SecretKey::generate(&mut seed.rng("key")),
            rng: seed.rng("channel"),
            gate: TestGate::default(),
            timing: Timing::DEFAULT,
            clock: Anchor { at: START, date: DATE },
            scratch: Vec::new(),
            channel: Channel::new(None),
        }
    }

    fn public(&self) -> PublicKey {
        *self.key.public()
    }

    fn expecting(mut self, id: PeerId) -> Self {
        self.channel = Channel::new(Some(id));
        self
    }

    /// Forgets the channel, keeps the key and the floors.
    fn restart(&mut self) {
        self.channel = Channel::new(self.channel.expects().copied());
    }

    fn with<T>(&mut self, call: impl FnOnce(&mut Channel, &mut Context<'_>) -> T) -> T {
        let mut cx = Context {
            key: &self.key,
            rng: &mut self.rng,
            clock: self.clock,
            timing: &self.timing,
            gate: &mut self.gate,
            scratch: &mut self.scratch,
        };
        call(&mut self.channel, &mut cx)
    }

    fn open(&mut self, now: Instant) -> Vec<Bytes> {
        let due = self.is_due(now);
        self.with(|channel, cx| channel.open(cx, now));
        if !due {
            self.armed_after(now);
        }
        self.drain()
    }

    fn input(&mut self, now: Instant, datagram: &[u8]) -> Input {
        let due = self.is_due(now);
        let input = self.with(|channel, cx| channel.handle_input(cx, now, datagram.into()));
        if !due {
            self.armed_after(now);
        }
        input
    }

    /// Hands a datagram in that belongs to a handshake; what it makes the node send.
    fn deliver(&mut self, now: Instant, datagram: &[u8]) -> Vec<Bytes> {
        match self.input(now, datagram) {
            Input::Handshake => self.drain(),
            other @ (Input::Message(_) | Input::Rejected(_)) => {
                panic!("not taken for a handshake message: {other:?}")
            }
        }
    }

    /// Hands a datagram in that must be refused, and checks that nothing changed.
    fn refuse(&mut self, now: Instant, datagram: &[u8]) -> Reason {
        let before = self.dump();
        let Input::Rejected(reason) = self.input(now, datagram) else {
            panic!("was not refused");
        };
        assert_eq!(before, self.dump(), "refused as {reason:?}, but something changed");
        reason
    }

    /// Hands a datagram in that must be a message.
    fn receive(&mut self, now: Instant, datagram: &[u8]) -> BytesMut {
        match self.input(now, datagram) {
            Input::Message(message) => message,
            other @ (Input::Handshake | Input::Rejected(_)) => panic!("not a message: {other:?}"),
        }
    }

    fn seal(&mut self, now: Instant, payload: &[u8]) -> Result<Bytes, SealError> {
        self.with(|channel, cx| channel.seal(cx, now, &[], payload))
    }

    fn timeout(&mut self, now: Instant) -> Vec<Bytes> {
        self.with(|channel, cx| channel.handle_timeout(cx, now));
        self.armed_after(now);
        self.drain()
    }

    /// Lets time pass up to `until`, timer by timer; all that was sent, with the time.
    fn run(&mut self, until: Instant) -> Vec<(Instant, Bytes)> {
        let mut sent = Vec::new();
        while let Some(at) = self.channel.poll_timeout().filter(|at| *at <= until) {
            sent.extend(self.timeout(at).into_iter().map(|datagram| (at, datagram)));
        }
        sent
    }

    fn drain(&mut self) -> Vec<Bytes> {
        core::iter::from_fn(|| self.channel.poll_transmit()).collect()
    }

    fn events(&mut self) -> Vec<ChannelEvent> {
        core::iter::from_fn(|| self.channel.poll_event()).collect()
    }

    fn dump(&self) -> u64 {
        let mut hasher = SipHasher13::new();
        self.channel.dump(&mut hasher);
        hasher.finish()
    }

    fn is_due(&self, now: Instant) -> bool {
        self.channel.poll_timeout().is_some_and(|at| at <= now)
    }

    fn armed_after(&self, now: Instant) {
        if let Some(at) = self.channel.poll_timeout() {
            assert!(at > now, "armed at {at}, at or before {now}");
        }
    }
}

/// The id of the session that a hello begins.
fn digest_of(hello: &[u8]) -> [u8; 32] {
    crate::crypto::blake2b_256(&[hello])
}

/// The single element.
fn one(mut datagrams: Vec<Bytes>) -> Bytes {
    assert_eq!(datagrams.len(), 1, "one datagram expected");
    datagrams.remove(0)
}

/// The four messages of a handshake that nothing disturbs.
struct Messages {
    init_hello: Bytes,
    resp_hello: Bytes,
    init_done: Bytes,
    resp_done: Bytes,
}

/// Runs a handshake at one instant; both have a session after it, and only `a` may send.
fn handshake(a: &mut Node, b: &mut Node, now: Instant) -> Messages {
    let init_hello = one(a.open(now));
    let resp_hello = one(b.deliver(now, &init_hello));
    let init_done = one(a.deliver(now, &resp_hello));
    let resp_done = one(b.deliver(now, &init_done));
    assert!(a.deliver(now, &resp_done).is_empty());
    Messages { init_hello, resp_hello, init_done, resp_done }
}

/// Two nodes that may send to one another, `a` having begun.
fn established() -> (Node, Node, Instant) {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    handshake(&mut a, &mut b, START);
    let now = START + ms(1);
    let first = a.seal(now, b"first").unwrap();
    assert_eq!(&b.receive(now, &first)[..], b"first");
    assert!(a.channel.is_ready() && b.channel.is_ready());
    a.events();
    b.events();
    (a, b, now)
}
