//! How layers hold together: back-pressure through three of them, settling, side by side, joined.

#![allow(clippy::wildcard_enum_match_arm, reason = "a test names what it looks for")]

#[path = "algebra/join.rs"]
mod join;
#[path = "algebra/port.rs"]
mod port;

use core::time::Duration;
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};
use tellask::outbox::{OVERHEAD, Outbox};
use tellask::stats::{Snapshot, StatsSink};
use tellask::swarm::{Link, Message, Scope, TellError, Undeliverable};
use tellask::up::Up;
use tellask::{
    At, BytesMut, Command, DatagramInput, DatagramPort, Event, Instant, Join, Layer, Limits,
    MemoryAddr, Par, Payload, Stack, Swarm,
};

const PEER: MemoryAddr = MemoryAddr(7);
/// The mark of every queue in these tests, in bytes.
const MARK: usize = 10_000;

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.send = MARK;
    limits.send_per_peer = MARK;
    limits
}

fn bound(number: u32) -> DatagramInput<MemoryAddr> {
    DatagramInput::Bound { local: vec![MemoryAddr(number)], mtu: 1_200 }
}

/// A layer as one writes it: a queue downward, a queue upward, and nothing else.
#[derive(Debug)]
struct Relay {
    up: Up<MemoryAddr>,
    out: Outbox<MemoryAddr>,
    peak: usize,
}

impl Relay {
    fn new() -> Self {
        Self { up: Up::new(&limits()), out: Outbox::new(MARK, MARK), peak: 0 }
    }
}

impl Layer for Relay {
    type Input = Event<MemoryAddr>;
    type Transmit = Command<MemoryAddr>;
    type Command = Command<MemoryAddr>;
    type Event = Event<MemoryAddr>;

    fn handle_input(&mut self, now: Instant, input: Self::Input) {
        self.out.advance(now);
        match input {
            Event::Full { scope } => self.out.block(now, scope),
            Event::Ready { scope } => self.out.unblock(now, &scope),
            other => self.up.push(other),
        }
    }

    fn handle_command(&mut self, now: Instant, command: Self::Command) {
        let Command::Tell { dst, payload } = command else { return };
        match self.out.push(now, dst, payload) {
            Ok(Some(scope)) => self.up.push(Event::Full { scope }),
            Ok(None) => {}
            Err((dst, payload)) => {
                let why = Undeliverable::Full;
                self.up.push(Command::Tell { dst, payload }.refuse(why).expect("a tell"));
            }
        }
        self.peak = self.peak.max(self.out.bytes());
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_none_or(|due| due > now) {
            return;
        }
        self.out.advance(now);
        while let Some(scope) = self.out.take_ready() {
            self.up.push(Event::Ready { scope });
        }
    }

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        self.out.pop().map(|(dst, payload)| Command::Tell { dst, payload })
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        self.up.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.out.poll_timeout()
    }

    fn stats(&self, sink: &mut dyn StatsSink) {
        sink.enter(format_args!("relay"));
        self.out.stats(sink);
        self.up.stats(sink);
        sink.leave();
    }
}

impl Swarm for Relay {
    type Addr = MemoryAddr;

    fn link(&self) -> &Link<MemoryAddr> {
        self.up.link()
    }

    fn is_full(&self, dst: &MemoryAddr) -> bool {
        self.up.is_full(dst)
    }

    fn is_closed(&self) -> bool {
        false
    }
}

#[test]
fn a_full_bottom_three_layers_down_loses_nothing_of_a_burst_and_says_so_in_time() {
    let bottom = DatagramPort::new(&limits());
    let mut stack =
        Stack::new(Stack::new(Stack::new(bottom, Relay::new()), Relay::new()), Relay::new());
    let mut now = Instant::from_nanos(1);
    stack.handle_input(now, bound(1));
    let text = || Payload::from(vec![5; 1_000]);

    // Nobody drains the bottom: the burst is taken until the top is full.
    let mut accepted = 0;
    let refusal = loop {
        match stack.tell(now, PEER, text()) {
            Ok(()) => accepted += 1,
            Err(refusal) => break refusal,
        }
        assert!(accepted < 1_000, "nothing ever says that it is full");
    };
    assert_eq!(refusal, TellError::Full);
    let message = 1_000 + OVERHEAD;
    assert!(accepted >= 4 * (MARK / message), "{accepted} in four queues");
    for relay in [stack.upper(), stack.lower().upper(), stack.lower().lower().upper()] {
        assert!((MARK..MARK + message).contains(&relay.peak), "{} bytes at the peak", relay.peak);
    }
    let full = Event::Full { scope: Scope::All };
    let events: Vec<_> = core::iter::from_fn(|| stack.poll_event()).collect();
    assert!(
        events.contains(&full) && !events.iter().any(|e| matches!(e, Event::Undelivered { .. }))
    );

    // The driver sends, a few at a time, and calls when it is asked to.
    let (mut sent, mut ready) = (0, false);
    for _ in 0..10_000 {
        sent += (0..3).filter_map(|_| stack.poll_transmit()).count();
        while let Some(event) = stack.poll_event() {
            assert!(!matches!(event, Event::Undelivered { .. }), "{event:?}");
            ready |= event == Event::Ready { scope: Scope::All };
        }
        if let Some(due) = stack.poll_timeout() {
            now = now.max(due);
            stack.handle_timeout(now);
        }
    }
    assert_eq!(sent, accepted, "no message is lost");
    assert!(ready);
    assert_eq!(stack.tell(now, PEER, text()), Ok(()));
}

/// Answers everything with more of the same, for ever, and wants to be called at once.
#[derive(Debug, Default)]
struct Echo {
    owed: u64,
    always_due: bool,
}

impl Layer for Echo {
    type Input = ();
    type Transmit = ();
    type Command = ();
    type Event = ();

    fn handle_input(&mut self, _now: Instant, (): ()) {
        self.owed += 1;
    }

    fn handle_command(&mut self, _now: Instant, (): ()) {
        self.owed += 1;
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_transmit(&mut self) -> Option<()> {
        self.owed = self.owed.checked_sub(1)?;
        Some(())
    }

    fn poll_event(&mut self) -> Option<()> {
        self.poll_transmit()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.always_due.then_some(Instant::ZERO)
    }

    fn stats(&self, _sink: &mut dyn StatsSink) {}
}

#[test]
fn two_layers_that_feed_each_other_for_ever_cannot_hang_a_node() {
    let mut stack = Stack::new(Echo::default(), Echo::default());
    let mut now = Instant::from_nanos(10);
    for round in 1..=5 {
        stack.handle_input(now, ());
        let mut figures = Snapshot::default();
        stack.stats(&mut figures);
        assert_eq!(figures.value("stack.fuel_spent"), round * 2 - 1);
        assert_eq!(
            stack.poll_timeout(),
            Some(now.next()),
            "the rest is due at once, and not before"
        );
        now = now.next();
        stack.handle_timeout(now);
        assert_eq!(stack.poll_timeout(), Some(now.next()));
        now = now + Duration::from_secs(1);
    }
}

#[test]
fn a_timer_that_is_always_due_cannot_hang_a_node_either() {
    let due = Echo { always_due: true, ..Echo::default() };
    let mut stack = Stack::new(due, Echo::default());
    let now = Instant::from_nanos(10);
    stack.handle_timeout(now);
    assert_eq!(stack.poll_timeout(), Some(now.next()));
}

type Ports = Par<u32, DatagramPort<MemoryAddr>>;

fn tell(text: &'static str) -> Command<MemoryAddr> {
    Command::Tell { dst: PEER, payload: Payload::from(text) }
}

fn ports(count: u32) -> Ports {
    let mut ports = Ports::new();
    for key in 0..count {
        ports.insert(key, DatagramPort::new(&limits()));
        ports.handle_input(Instant::ZERO, (key, bound(key)));
    }
    while ports.poll_event().is_some() {}
    ports
}

#[test]
fn members_side_by_side_are_served_in_turn_and_keep_to_themselves() {
    let mut ports = ports(3);
    let now = Instant::from_nanos(1);
    for _ in 0..4 {
        for key in [0, 2] {
            ports.handle_command(now, (key, tell("x")));
        }
    }
    let order: Vec<u32> =
        core::iter::from_fn(|| ports.poll_transmit()).map(|(key, _)| key).collect();
    assert_eq!(order, [0, 2, 0, 2, 0, 2, 0, 2]);
}

#[test]
fn what_is_for_nobody_is_counted_and_a_member_that_left_says_no_more() {
    let mut ports = ports(2);
    let now = Instant::from_nanos(1);
    ports.handle_command(now, (9, tell("nobody")));
    ports.handle_command(now, (1, tell("too late")));
    assert!(ports.remove(&1).is_some());
    assert!(ports.poll_transmit().is_none());
    ports.handle_command(now, (1, tell("gone")));
    let mut figures = Snapshot::default();
    ports.stats(&mut figures);
    assert_eq!(figures.value("par.unknown_member"), 2);
}

type Joined = Stack<Ports, Join<u32, MemoryAddr>>;

fn joined(count: u32) -> Joined {
    let mut stack = Joined::new(Ports::new(), Join::new(&limits()));
    stack.with(Instant::ZERO, |_, ports, _| {
        for key in 0..count {
            ports.insert(key, DatagramPort::new(&limits()));
        }
    });
    for key in 0..count {
        stack.handle_input(Instant::ZERO, (key, bound(key)));
    }
    stack
}

#[test]
fn a_family_of_swarms_is_one_swarm_with_all_their_addresses() {
    let mut stack = joined(2);
    let smaller = DatagramInput::Bound { local: vec![MemoryAddr(5)], mtu: 900 };
    stack.handle_input(Instant::ZERO, (1, smaller));
    let addrs: Vec<String> = stack.local_addrs().iter().map(ToString::to_string).collect();
    assert_eq!(addrs, ["0://0", "1://5"]);
    assert_eq!(stack.mtu(), 900, "the floor that works towards everybody");
    assert_eq!(stack.mtu_to(&At { key: 0, addr: PEER }), 1_200);
    let payload = BytesMut::from(&b"x"[..]);
    let told = DatagramInput::Datagram { src: PEER, dst: MemoryAddr(5), payload };
    while stack.poll_event().is_some() {}
    stack.handle_input(Instant::ZERO, (1, told));
    let Some(Event::Told(Message { src, dst, .. })) = stack.poll_event() else { panic!("told") };
    assert_eq!((src, dst), (At { key: 1, addr: PEER }, At { key: 1, addr: MemoryAddr(5) }));
}

#[test]
fn a_full_member_holds_up_its_own_destinations_only_and_loses_nothing() {
    let mut stack = joined(2);
    let mut now = Instant::from_nanos(1);
    let (slow, fast) = (At { key: 0, addr: PEER }, At { key: 1, addr: PEER });
    let mut accepted = 0;
    while stack.tell(now, slow, Payload::from(vec![1; 1_000])).is_ok() {
        accepted += 1;
    }
    assert!(stack.is_full(&slow) && !stack.is_full(&fast));
    assert_eq!(stack.tell(now, fast, Payload::from("on time")), Ok(()));
    let (mut sent, mut ready) = (0, false);
    for _ in 0..200 {
        sent += usize::from(matches!(stack.poll_transmit(), Some((0, _))));
        while let Some(event) = stack.poll_event() {
            assert!(!matches!(event, Event::Undelivered { .. }), "{event:?}");
            ready |= event == Event::Ready { scope: Scope::To(slow) };
        }
        if let Some(due) = stack.poll_timeout() {
            now = due;
            stack.handle_timeout(now);
        }
    }
    assert_eq!(sent, accepted);
    assert!(ready && !stack.is_full(&slow));
}

#[test]
fn a_family_is_closed_when_its_last_member_is() {
    let mut stack = joined(2);
    let now = Instant::from_nanos(1);
    stack.tell(now, At { key: 1, addr: PEER }, Payload::from("last words")).expect("accepted");
    stack.handle_command(now, Command::Close);
    let closed =
        |stack: &mut Joined| core::iter::from_fn(|| stack.poll_event()).any(|e| e == Event::Closed);
    assert!(!closed(&mut stack), "one has something to send yet");
    assert!(stack.poll_transmit().is_some());
    stack.handle_timeout(stack.poll_timeout().expect("the member is due"));
    assert!(closed(&mut stack));
}

/// The instant `nanos` nanoseconds in.
fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

fn peer(key: u32, number: u32) -> At<u32, MemoryAddr> {
    At { key, addr: MemoryAddr(number) }
}

fn held<A>(dst: A) -> Command<A> {
    Command::Tell { dst, payload: Payload::from("held") }
}

fn figures(layer: &impl Layer) -> Snapshot {
    let mut figures = Snapshot::default();
    layer.stats(&mut figures);
    figures
}

#[test]
fn each_member_has_its_timer_and_none_waits_for_another() {
    let mut par = Par::new();
    for key in 0..3 {
        par.insert(key, DatagramPort::new(&limits()));
        par.handle_input(at(1), (key, bound(key)));
    }
    for (key, nanos) in [(2, 10), (0, 20), (1, 30)] {
        for _ in 0..9 {
            let payload = Payload::from(vec![1; 1_100]);
            par.handle_command(at(nanos), (key, Command::Tell { dst: PEER, payload }));
        }
    }
    while par.poll_transmit().is_some() {}
    while par.poll_event().is_some() {}
    let mut readies = Vec::new();
    while let Some(due) = par.poll_timeout() {
        par.handle_timeout(due);
        while let Some((key, event)) = par.poll_event() {
            assert_eq!(event, Event::Ready { scope: Scope::All });
            readies.push((due.as_nanos(), key));
        }
    }
    assert_eq!(readies, [(11, 2), (21, 0), (31, 1)]);
}

/// What a test does to an outbox.
#[derive(Clone, Copy, Debug)]
enum Op {
    Push(u8, usize),
    Pop,
    Block(Option<u8>),
    Unblock(Option<u8>),
    Ready,
}

fn op() -> impl Strategy<Value = Op> {
    let scope = || proptest::option::of(0..3_u8);
    prop_oneof![
        4 => (0..3_u8, 0..900_usize).prop_map(|(dst, len)| Op::Push(dst, len)),
        3 => Just(Op::Pop),
        1 => scope().prop_map(Op::Block),
        1 => scope().prop_map(Op::Unblock),
        1 => Just(Op::Ready),
    ]
}

fn scope(of: Option<u8>) -> Scope<u8> {
    of.map_or(Scope::All, Scope::To)
}

proptest! {
    /// Whatever is done to it: each destination's messages come out in order, none twice, none lost; none for
    /// a blocked destination; the marks hold; and whoever was told full is told ready.
    #[test]
    fn an_outbox_keeps_order_bounds_and_promises(ops in prop::collection::vec(op(), 1..400)) {
        let (each, all) = (2_000, 4_000);
        let mut outbox: Outbox<u8> = Outbox::new(each, all);
        let mut model: BTreeMap<u8, VecDeque<Vec<u8>>> = BTreeMap::new();
        let (mut blocked, mut all_blocked) = ([false; 3], false);
        let mut full: std::collections::BTreeSet<Scope<u8>> = Default::default();
        let now = Instant::from_nanos(5);
        for (number, op) in ops.into_iter().enumerate() {
            match op {
                Op::Push(dst, len) => {
                    let mut text = vec![0; len];
                    text.extend_from_slice(&number.to_be_bytes());
                    match outbox.push(now, dst, Payload::from(text.clone())) {
                        Ok(crossed) => {
                            model.entry(dst).or_default().push_back(text);
                            full.extend(crossed);
                        }
                        Err(_) => prop_assert!(full.contains(&Scope::All) || full.contains(&Scope::To(dst))),
                    }
                }
                Op::Pop => match outbox.pop() {
                    Some((dst, payload)) => {
                        prop_assert!(!all_blocked && !blocked[dst as usize]);
                        let expected = model.entry(dst).or_default().pop_front();
                        prop_assert_eq!(Some(payload.into_bytes().to_vec()), expected);
                    }
                    None => {
                        let empty = |dst: u8| model.get(&dst).is_none_or(VecDeque::is_empty);
                        let free = (0..3).find(|dst| !blocked[usize::from(*dst)] && !empty(*dst));
                        prop_assert!(all_blocked || free.is_none(), "{:?} could go", free);
                    }
                },
                Op::Block(of) => {
                    outbox.block(now, scope(of));
                    of.map_or_else(|| all_blocked = true, |dst| blocked[dst as usize] = true);
                }
                Op::Unblock(of) => {
                    outbox.unblock(now, &scope(of));
                    of.map_or_else(|| all_blocked = false, |dst| blocked[dst as usize] = false);
                }
                Op::Ready => {
                    let due = outbox.poll_timeout().is_some();
                    let ready: Vec<_> = core::iter::from_fn(|| outbox.take_ready()).collect();
                    prop_assert_eq!(due, !ready.is_empty());
                    for scope in ready {
                        prop_assert!(full.remove(&scope), "{:?} was not full", scope);
                    }
                }
            }
            let held: usize =
                model.values().flatten().map(|text| text.len() + OVERHEAD).sum();
            prop_assert_eq!(outbox.bytes(), held);
            prop_assert!(held < all + 900 + 8 + OVERHEAD);
        }
        // Everything goes on in the end, and everybody is told.
        outbox.unblock(now, &Scope::All);
        (0..3).for_each(|dst| outbox.unblock(now, &Scope::To(dst)));
        while let Some((dst, payload)) = outbox.pop() {
            let expected = model.entry(dst).or_default().pop_front();
            prop_assert_eq!(Some(payload.into_bytes().to_vec()), expected);
        }
        prop_assert!(model.values().all(VecDeque::is_empty) && outbox.is_empty());
        while let Some(scope) = outbox.take_ready() {
            full.remove(&scope);
        }
        prop_assert!(full.is_empty(), "{:?} waits for ever", full);
    }

    /// Edges cancel out while nobody looks, and what is taken agrees with what is cached.
    #[test]
    fn the_upper_side_tells_each_edge_once(edges in prop::collection::vec((0..3_u8, any::<bool>(), any::<bool>()), 1..100)) {
        let mut up: Up<u8> = Up::new(&Limits::default());
        let mut told = [false; 3];
        for (dst, full, look) in edges {
            let scope = Scope::To(dst);
            up.push(if full { Event::Full { scope } } else { Event::Ready { scope } });
            prop_assert_eq!(up.is_full(&dst), full);
            while let Some(event) = look.then(|| up.pop()).flatten() {
                let (dst, full) = match event {
                    Event::Full { scope: Scope::To(dst) } => (dst, true),
                    Event::Ready { scope: Scope::To(dst) } => (dst, false),
                    other => return Err(TestCaseError::fail(format!("{other:?}"))),
                };
                prop_assert_ne!(told[dst as usize], full, "the same edge twice");
                told[dst as usize] = full;
            }
            if look {
                for dst in 0..3 {
                    prop_assert_eq!(told[dst as usize], up.is_full(&dst));
                }
            }
        }
    }
}

#[test]
fn what_nobody_takes_is_bounded_and_what_somebody_waits_for_is_never_dropped() {
    let mut limits = Limits::default();
    limits.receive = 5_000;
    let mut up: Up<u8> = Up::new(&limits);
    for _ in 0..100 {
        let payload = BytesMut::zeroed(100);
        up.push(Event::Told(Message { src: 1, dst: 2, payload }));
    }
    up.push(Event::Answered { id: tellask::swarm::AskId::new(1), result: Ok(BytesMut::new()) });
    up.push(Event::Closed);
    let events: Vec<_> = core::iter::from_fn(|| up.pop()).collect();
    let told = events.iter().filter(|event| matches!(event, Event::Told(_))).count();
    assert_eq!(told, 5_000 / (100 + OVERHEAD));
    assert!(events.iter().any(|event| matches!(event, Event::Answered { .. })));
    assert_eq!(events.last(), Some(&Event::Closed));
}
