//! Whether a layer between two swarms of the same addresses forgets a variant.

use core::fmt::Debug;
use core::mem::discriminant;
use tellask::identity::PublicKey;
use tellask::p2pke::Tai64n;
use tellask::swarm::{AskId, DownReason, Link, Message, Scope, Setting, Token, Undeliverable};
use tellask::time::Anchor;
use tellask::{BytesMut, Command, Event, Instant, Layer, Payload};

/// Sends every command and every event through a new layer each, and names the first that neither
/// comes out on the other side nor is refused.
///
/// For layers that keep the addresses and do nothing of their own with what they pass on.
///
/// # Errors
/// The variant that is missing.
pub fn pass_through<A, L>(make: impl Fn() -> L, peer: &A) -> Result<(), String>
where
    A: Clone + Debug,
    L: Layer<Input = Event<A>, Transmit = Command<A>, Command = Command<A>, Event = Event<A>>,
{
    let now = Instant::from_nanos(1);
    let local = vec![peer.clone()];
    let link = Event::Link(Link { local, unit: 1_000, tell_max: 1_000, ask_max: 1_000 });
    let fresh = || {
        let mut layer = make();
        layer.handle_input(now, link.clone());
        while layer.poll_event().is_some() {}
        layer
    };
    for command in commands(peer) {
        let mut layer = fresh();
        layer.handle_command(now, command.clone());
        let passed = core::iter::from_fn(|| layer.poll_transmit())
            .any(|other| discriminant(&other) == discriminant(&command));
        let refused = core::iter::from_fn(|| layer.poll_event()).next().is_some();
        if !passed && !refused {
            return Err(format!("the command {command:?} is neither passed on nor refused"));
        }
    }
    for sequence in events(peer) {
        let mut layer = fresh();
        let Some(last) = sequence.last().cloned() else { continue };
        let mut passed = false;
        for event in sequence {
            layer.handle_input(now, event);
            let out: Vec<_> = core::iter::from_fn(|| layer.poll_event()).collect();
            passed = out.iter().any(|other| discriminant(other) == discriminant(&last));
        }
        if !passed {
            return Err(format!("the event {last:?} is not passed on"));
        }
    }
    Ok(())
}

fn commands<A: Clone>(peer: &A) -> [Command<A>; 9] {
    let (id, token, dst) = (AskId::new(1), Token(1), || peer.clone());
    let (payload, deadline) = (|| Payload::from("through"), Instant::from_nanos(1_000_000_000));
    [
        Command::Tell { dst: dst(), payload: payload() },
        Command::Ask { id, dst: dst(), payload: payload(), deadline },
        Command::Answer { token, dst: dst(), result: Ok(payload()) },
        Command::Cancel { id, dst: dst() },
        Command::Identify { dst: dst() },
        Command::Disconnect { dst: dst() },
        Command::Set(Setting::Clock(Anchor::default())),
        Command::Set(Setting::TellFloors(true)),
        Command::Close,
    ]
}

/// Each event, behind what has to come before it.
fn events<A: Clone>(peer: &A) -> Vec<Vec<Event<A>>> {
    let (token, addr) = (Token(1), || peer.clone());
    let message = || Message { src: addr(), dst: addr(), payload: BytesMut::from(&b"through"[..]) };
    let key = PublicKey::from_bytes([1; 32]);
    let link = Link { local: vec![addr()], unit: 900, tell_max: 900, ask_max: 900 };
    let single = [
        Event::Link(link),
        Event::PathMtu { dst: addr(), unit: 2_000, tell_max: 2_000 },
        Event::Told(message()),
        Event::Asked { token, message: message(), deadline: Instant::MAX },
        Event::Withdrawn { token, src: addr() },
        Event::Answered { id: AskId::new(1), result: Ok(BytesMut::new()) },
        Event::Identified { addr: addr(), result: Ok(key) },
        Event::PeerUp { addr: addr(), key },
        Event::PeerDown { addr: addr(), reason: DownReason::Idle },
        Event::Floor { key, stamp: Tai64n::MIN },
        Event::Undelivered { dst: addr(), reason: Undeliverable::TimedOut },
        Event::Full { scope: Scope::All },
        Event::Closed,
    ];
    let full_and_ready = [Event::Full { scope: Scope::All }, Event::Ready { scope: Scope::All }];
    let mut all: Vec<Vec<Event<A>>> = single.into_iter().map(|event| vec![event]).collect();
    all.push(full_and_ready.to_vec());
    all
}
