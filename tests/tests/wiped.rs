//! Secrets are wiped before their memory is given back: the allocator looks for them in every
//! block that is freed.
//!
//! One test function, so that nothing else frees meanwhile. The stack is not seen here, nor what C
//! code frees for `aws-lc`, whose default allocator wipes every block itself.

use chacha20poly1305::{AeadInOut as _, ChaCha20Poly1305, KeyInit as _};
use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use core::time::Duration;
use snow::params::{DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver as _, DefaultResolver};
use std::alloc::System;
use std::collections::VecDeque;
use tellask::identity::{PublicKey, SecretKey};
use tellask::p2pke::Tai64n;
use tellask::p2pke::channel::{Channel, Context, Gate, Input, Timing};
use tellask::seed::Rng;
use tellask::time::{Anchor, UnixTime};
use tellask::{Bytes, Instant, Seed};

/// The secrets that are looked for, by their first eight bytes.
static SECRETS: [AtomicU64; 8] = [const { AtomicU64::new(0) }; 8];
static FOUND: [AtomicUsize; 8] = [const { AtomicUsize::new(0) }; 8];
static LOOKING: AtomicBool = AtomicBool::new(false);

/// Looks into what is freed. A block that grows is copied and freed, and so looked into as well:
/// `realloc` is left as the trait has it.
struct Looking;

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Looking {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are the ones that `System` asks for. Zeroed, so that all of
        // a block may be read when it is freed.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if LOOKING.load(SeqCst) {
            for at in 0..(layout.size() + 1).saturating_sub(8) {
                // SAFETY: the eight bytes lie in the block, which is still the caller's.
                let bytes = unsafe { block.add(at).cast::<u64>().read_unaligned() };
                for (secret, found) in SECRETS.iter().zip(&FOUND) {
                    if bytes != 0 && bytes == secret.load(SeqCst) {
                        found.fetch_add(1, SeqCst);
                    }
                }
            }
        }
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Looking = Looking;

const SEEDS: [[u8; 32]; 2] =
    [*b"the seed of the initiator's key!", *b"a seed that the responder has..."];
const NAMES: [&str; 7] = [
    "the initiator's seed",
    "the responder's seed",
    "the initiator's ephemeral",
    "the responder's ephemeral",
    "the shared secret",
    "the initiator's session key",
    "the responder's session key",
];

/// How often each secret is in what is freed while `act` runs.
fn freed(secrets: &[[u8; 32]], act: impl FnOnce()) -> Vec<usize> {
    for (place, secret) in SECRETS.iter().zip(secrets) {
        place.store(u64::from_ne_bytes(*secret.first_chunk().unwrap()), SeqCst);
    }
    FOUND.iter().for_each(|found| found.store(0, SeqCst));
    LOOKING.store(true, SeqCst);
    act();
    LOOKING.store(false, SeqCst);
    FOUND.iter().take(secrets.len()).map(|found| found.load(SeqCst)).collect()
}

/// One side, all of it on the heap, where a node keeps it.
struct Side {
    key: SecretKey,
    rng: Rng,
    scratch: Vec<u8>,
    channel: Box<Channel>,
}

/// Lets everybody in.
#[derive(Debug)]
struct Open;

impl Gate for Open {
    fn accepts(&mut self, _: &PublicKey) -> bool {
        true
    }

    fn floor(&self, _: &PublicKey) -> Option<Tai64n> {
        None
    }

    fn may_verify(&mut self, _: Instant) -> bool {
        true
    }

    fn may_hold_candidate(&mut self) -> bool {
        true
    }

    fn raise_floor(&mut self, _: &PublicKey, _: Tai64n) {}
}

impl Side {
    fn new(number: usize) -> Self {
        Self {
            key: SecretKey::from_seed(&SEEDS[number]),
            rng: rng(number),
            scratch: Vec::new(),
            channel: Box::new(Channel::new(None)),
        }
    }

    fn with<T>(&mut self, call: impl FnOnce(&mut Channel, &mut Context<'_>) -> T) -> T {
        let mut context = Context {
            key: &self.key,
            rng: &mut self.rng,
            clock: Anchor { at: Instant::ZERO, date: UnixTime::new(1_800_000_000, 0) },
            timing: &Timing::DEFAULT,
            gate: &mut Open,
            scratch: &mut self.scratch,
        };
        call(&mut self.channel, &mut context)
    }

    /// Hands a datagram in; what is sent for it.
    fn input(&mut self, now: Instant, datagram: &[u8]) -> Option<Bytes> {
        // Where both begin a session at once, one of their hellos is refused.
        let _ = self.with(|channel, cx| channel.handle_input(cx, now, datagram.into()));
        self.channel.poll_transmit()
    }

    fn tell(&mut self, now: Instant, to: &mut Self) {
        let sealed = self.with(|channel, cx| channel.seal(cx, now, &[], b"a message")).unwrap();
        let input = to.with(|channel, cx| channel.handle_input(cx, now, (&sealed[..]).into()));
        assert!(matches!(input, Input::Message(_)));
    }
}

fn rng(number: usize) -> Rng {
    Seed::from_u64(number as u64).rng("channel")
}

/// Hands all that either sends to the other.
fn exchange(now: Instant, a: &mut Side, b: &mut Side) {
    let mut wire: VecDeque<(bool, Bytes)> = VecDeque::new();
    loop {
        wire.extend(a.channel.poll_transmit().map(|datagram| (true, datagram)));
        wire.extend(b.channel.poll_transmit().map(|datagram| (false, datagram)));
        let Some((to_b, datagram)) = wire.pop_front() else { return };
        let (to, answer) = if to_b { (&mut *b, false) } else { (&mut *a, true) };
        wire.extend(to.input(now, &datagram).map(|datagram| (answer, datagram)));
    }
}

/// A handshake, and its last datagram.
fn shake() -> (Side, Side, Bytes) {
    let (mut a, mut b, now) = (Side::new(0), Side::new(1), Instant::ZERO);
    a.with(|channel, cx| channel.open(cx, now));
    let hello = a.channel.poll_transmit().unwrap();
    let answer = b.input(now, &hello).unwrap();
    let init_done = a.input(now, &answer).unwrap();
    let resp_done = b.input(now, &init_done).unwrap();
    a.input(now, &resp_done);
    (a, b, resp_done)
}

/// The shared secret and the two keys of that handshake, by another implementation.
fn keys(ephemerals: &[[u8; 32]; 2]) -> [[u8; 32]; 3] {
    let mut theirs = DefaultResolver.resolve_dh(&DHChoice::Curve25519).unwrap();
    theirs.set(&ephemerals[1]);
    let mut ours = DefaultResolver.resolve_dh(&DHChoice::Curve25519).unwrap();
    ours.set(&ephemerals[0]);
    let mut shared = [0; 32];
    ours.dh(theirs.pubkey(), &mut shared).unwrap();
    let mut name = [0; 64];
    let protocol = b"Noise_NN_25519_ChaChaPoly_BLAKE2b";
    name[..protocol.len()].copy_from_slice(protocol);
    let mut hash = DefaultResolver.resolve_hash(&HashChoice::Blake2b).unwrap();
    let (mut chain, mut key, mut none) = ([0; 64], [0; 64], [0; 64]);
    hash.hkdf(&name, &shared, 2, &mut chain, &mut key, &mut none);
    let (mut first, mut second) = ([0; 64], [0; 64]);
    hash.hkdf(&chain, &[], 2, &mut first, &mut second, &mut none);
    [shared, *first.first_chunk().unwrap(), *second.first_chunk().unwrap()]
}

#[test]
fn no_secret_is_left_in_memory_that_is_given_back() {
    let ephemerals = [0, 1].map(|number| rng(number).bytes());
    let secrets = [&SEEDS[..], &ephemerals, &keys(&ephemerals)].concat();

    // What is looked for is what the sessions use, and what is not wiped is found.
    let (_, _, resp_done) = shake();
    let (header, tag) = resp_done.split_first_chunk::<4>().unwrap();
    let nonce = [0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0];
    let cipher = ChaCha20Poly1305::new((&secrets[6]).into());
    let tag: [u8; 16] = tag.try_into().unwrap();
    let mut empty = [0_u8; 0];
    let empty = (&mut empty[..]).into();
    cipher.decrypt_inout_detached(&nonce.into(), header, empty, &tag.into()).unwrap();
    for (place, secret) in secrets.iter().enumerate() {
        let found = freed(&secrets, || drop(secret.to_vec()));
        assert_eq!(found[place], 1, "{} would not be seen", NAMES[place]);
    }

    let found = freed(&secrets, || {
        let (mut a, mut b, _) = shake();
        // The ciphers are at rest in between, and other sessions take the first one's place.
        for second in [1, 20, 60, 150] {
            let now = Instant::ZERO + Duration::from_secs(second);
            for side in [&mut a, &mut b] {
                side.with(|channel, cx| channel.handle_timeout(cx, now));
            }
            a.tell(now, &mut b);
            b.tell(now, &mut a);
            exchange(now, &mut a, &mut b);
        }
        // One goes with its sessions, the other's end by time.
        drop(b);
        let end = Instant::ZERO + Duration::from_secs(1_000);
        a.with(|channel, cx| channel.handle_timeout(cx, end));
        while a.channel.poll_event().is_some() {}
        assert!(a.channel.is_idle());
    });
    for (name, found) in NAMES.iter().zip(found) {
        assert_eq!(found, 0, "{name} was freed unwiped");
    }
}
