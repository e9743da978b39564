//! Secure pairs and bare ports on the simulated network.

use super::*;
use crate::scenario::{Made, Secure, addr, node};
use tellask::swarm::Undeliverable;
use tellask::{DatagramPort, Event, Limits, PeerAddr};

mod endless;
mod nat;
mod nodes;
mod processes;
mod records;
mod ways;

const A: MemoryAddr = MemoryAddr(0);
const B: MemoryAddr = MemoryAddr(1);

/// Tells its peer every tenth of a second, and keeps what it hears.
struct Talker {
    peer: Option<PeerAddr<MemoryAddr>>,
    next: Instant,
    told: u64,
    heard: Vec<(PeerAddr<MemoryAddr>, Vec<u8>)>,
}

impl App<Secure> for Talker {
    type Note = ();

    fn on_event(&mut self, cx: &mut Cx<'_, Secure>, event: Event<PeerAddr<MemoryAddr>>) {
        if let Event::Told(message) = event {
            cx.note(&message.payload);
            self.heard.push((message.src, message.payload.to_vec()));
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.peer.map(|_| self.next)
    }

    fn on_timeout(&mut self, cx: &mut Cx<'_, Secure>) {
        self.next = cx.now() + Duration::from_millis(100);
        if let Some(peer) = self.peer {
            let told = cx.tell(peer, self.told.to_le_bytes().to_vec());
            self.told += u64::from(told.is_ok());
        }
    }
}

type Talkers = Network<Secure, Talker>;

fn talkers(seed: u64, faults: Faults, idle: u32) -> Talkers {
    let mut network = Network::new(seed);
    network.set_faults(faults);
    for number in 0..2 + idle {
        let peer = (number < 2).then(|| addr(1, 1 - number));
        let next = network.now() + Duration::from_millis(u64::from(number));
        let app = Talker { peer, next, told: 0, heard: Vec::new() };
        let stack = node(1, number, 0, &Made::default());
        network.add(MemoryAddr(number), stack, app);
    }
    network
}

fn lossy() -> Faults {
    let mut faults = Faults::NONE;
    faults.loss = Chance::percent(20);
    faults.jitter = Duration::from_millis(30);
    faults.duplicate = Chance::percent(5);
    faults
}

#[test]
fn two_secure_nodes_talk_over_a_lossy_link_and_replay_to_the_same_trace() {
    let run = |seed| {
        let mut network = talkers(seed, lossy(), 0);
        network.run_for(Duration::from_secs(30));
        let heard = network.app_at(B).expect("there").heard.clone();
        assert!((200..300).contains(&heard.len()), "{} of 300", heard.len());
        assert!(heard.iter().all(|(src, _)| *src == addr(1, 0)));
        (network.trace(), heard)
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7).0, run(8).0);
}

#[test]
fn a_node_more_leaves_all_draws_and_deliveries_of_the_others_as_they_were() {
    let heard = |idle| {
        let mut network = talkers(7, lossy(), idle);
        network.run_for(Duration::from_secs(10));
        let heard = |at| network.app_at(at).expect("there").heard.clone();
        (heard(A), heard(B), network.totals())
    };
    assert_eq!(heard(0), heard(3));
}

#[test]
fn a_cut_is_one_way_and_the_other_direction_goes_on() {
    let mut network = talkers(7, Faults::NONE, 0);
    network.run_for(Duration::from_secs(2));
    let heard = |network: &Talkers, at| network.app_at(at).expect("there").heard.len();
    network.cut(A, B);
    network.run_for(Duration::from_millis(50));
    let before = (heard(&network, A), heard(&network, B));
    network.run_for(Duration::from_secs(2));
    assert_eq!(heard(&network, A), before.0 + 20);
    assert_eq!(heard(&network, B), before.1);
    network.mend(A, B);
    network.run_for(Duration::from_secs(2));
    assert!(heard(&network, B) >= before.1 + 19);
}

#[test]
fn a_crashed_node_forgets_and_hears_nothing_and_is_found_again_after_its_start() {
    let mut network = talkers(7, Faults::NONE, 0);
    network.run_for(Duration::from_secs(2));
    network.crash(B);
    let lost = network.totals().lost;
    let before = network.app_at(B).expect("its application stays").heard.len();
    network.run_for(Duration::from_secs(2));
    assert!(network.node(B).is_none());
    assert_eq!(network.app_at(B).expect("its application stays").heard.len(), before);
    assert!(network.totals().lost >= lost + 20, "nobody is there");
    network.start(B, node(1, 1, 1, &Made::default()));
    network.run_for(Duration::from_secs(3));
    assert!(network.app_at(B).expect("there").heard.len() > before + 15);
}

type Ports = Network<DatagramPort<MemoryAddr>, Ear, Sightings>;

/// Keeps what it hears: source, bytes and time.
#[derive(Default)]
struct Ear(Vec<(MemoryAddr, Vec<u8>, Instant)>, Vec<Undeliverable>);

impl App<DatagramPort<MemoryAddr>> for Ear {
    type Note = ();

    fn on_event(&mut self, cx: &mut Cx<'_, DatagramPort<MemoryAddr>>, event: Event<MemoryAddr>) {
        if let Event::Told(message) = event {
            self.0.push((message.src, message.payload.to_vec(), cx.now()));
        } else if let Event::Undelivered { reason, .. } = event {
            self.1.push(reason);
        }
    }
}

#[derive(Default)]
struct Sightings(Vec<Fate>);

impl Tap for Sightings {
    fn see(&mut self, sighting: &Sighting<'_>) {
        self.0.push(sighting.fate);
    }
}

/// Node A tells node B 1,000 different messages, a millisecond apart.
fn thousand(faults: Faults) -> (Ports, Heard) {
    thousand_with(|network| network.set_faults(faults))
}

type Heard = Vec<(MemoryAddr, Vec<u8>, Instant)>;

/// The same in a network that was `set`.
fn thousand_with(set: impl Fn(&mut Ports)) -> (Ports, Heard) {
    let mut network: Ports = Network::tapped(3, Sightings::default());
    set(&mut network);
    for at in [A, B] {
        network.add(at, DatagramPort::new(&Limits::default()), Ear::default());
    }
    for number in 0..1_000_u64 {
        let body = number.to_le_bytes().repeat(4);
        network.app(A, |_, cx| cx.tell(B, body).expect("accepted"));
        network.run_for(Duration::from_millis(1));
    }
    network.run_for(Duration::from_secs(2));
    let heard = network.app_at(B).expect("there").0.clone();
    (network, heard)
}

fn numbers(heard: &[(MemoryAddr, Vec<u8>, Instant)]) -> Vec<u64> {
    let number = |bytes: &[u8]| u64::from_le_bytes(*bytes.first_chunk().expect("eight bytes"));
    heard.iter().map(|(_, bytes, _)| number(bytes)).collect()
}

#[test]
fn without_faults_everything_arrives_in_order_after_the_delay() {
    let (network, heard) = thousand(Faults::NONE);
    assert_eq!(numbers(&heard), (0..1_000).collect::<Vec<_>>());
    let start = Instant::ZERO + Duration::from_secs(1);
    for ((src, _, at), number) in heard.iter().zip(0..) {
        assert_eq!((*src, *at), (A, start + Duration::from_millis(10 + number)));
    }
    assert_eq!(network.totals().lost + network.totals().duplicated + network.totals().spoilt, 0);
}

#[test]
fn each_fault_happens_as_often_as_it_was_set_to_and_does_what_it_says() {
    let mut faults = Faults::NONE;
    faults.loss = Chance::percent(20);
    let (network, heard) = thousand(faults);
    assert!((150..250).contains(&network.totals().lost), "{:?}", network.totals());
    assert_eq!(heard.len() as u64, 1_000 - network.totals().lost);

    let mut faults = Faults::NONE;
    faults.duplicate = Chance::percent(20);
    let (network, heard) = thousand(faults);
    assert!((150..250).contains(&network.totals().duplicated), "{:?}", network.totals());
    assert_eq!(heard.len() as u64, 1_000 + network.totals().duplicated);

    let mut faults = Faults::NONE;
    faults.reorder = Chance::percent(20);
    faults.reorder_by = Duration::from_millis(5);
    let (_, heard) = thousand(faults);
    let inversions = numbers(&heard).windows(2).filter(|pair| pair[0] > pair[1]).count();
    assert!((100..250).contains(&inversions), "{inversions}");
    assert_eq!(heard.len(), 1_000);

    let mut faults = Faults::NONE;
    faults.flip = Chance::percent(20);
    faults.truncate = Chance::percent(20);
    let (network, heard) = thousand(faults);
    let intact =
        |bytes: &[u8]| bytes.len() == 32 && bytes.chunks(8).all(|part| part == &bytes[..8]);
    let broken = heard.iter().filter(|(_, bytes, _)| !intact(bytes)).count() as u64;
    assert_eq!(broken, network.totals().spoilt);
    assert!((300..420).contains(&broken), "{broken}");
    assert!(heard.iter().any(|(_, bytes, _)| bytes.len() < 32));
}

#[test]
fn faults_can_be_set_for_one_way_only() {
    let mut lost = Faults::NONE;
    lost.loss = Chance::ALWAYS;
    let mut network: Ports = Network::tapped(3, Sightings::default());
    network.set_faults_between(A, B, lost);
    for at in [A, B] {
        network.add(at, DatagramPort::new(&Limits::default()), Ear::default());
    }
    network.app(A, |_, cx| cx.tell(B, "lost").expect("accepted"));
    network.app(B, |_, cx| cx.tell(A, "arrives").expect("accepted"));
    network.run_for(Duration::from_secs(1));
    assert_eq!(network.app_at(A).expect("there").0.len(), 1);
    assert_eq!(network.app_at(B).expect("there").0.len(), 0);
}

#[test]
fn anybody_can_send_anything_in_the_name_of_anybody() {
    let (mut network, heard) = thousand(Faults::NONE);
    network.cut(A, B);
    network.inject(A, B, b"I am A, believe me", Duration::from_millis(3));
    network.inject(MemoryAddr(77), B, b"and I am nobody", Duration::ZERO);
    network.run_for(Duration::from_secs(1));
    let new = &network.app_at(B).expect("there").0[heard.len()..];
    let said = |at: usize| (new[at].0, &new[at].1[..]);
    assert_eq!(said(0), (MemoryAddr(77), &b"and I am nobody"[..]));
    assert_eq!(said(1), (A, &b"I am A, believe me"[..]));
}

#[test]
fn what_is_larger_than_the_mtu_is_lost_and_its_sender_is_told_the_limit() {
    let (mut network, heard) = thousand(Faults::NONE);
    network.set_mtu(100);
    network.app(A, |_, cx| cx.tell(B, vec![0; 101]).expect("it was bound with more"));
    network.app(A, |_, cx| cx.tell(B, vec![0; 100]).expect("accepted"));
    network.run_for(Duration::from_secs(1));
    assert_eq!(network.app_at(B).expect("there").0.len(), heard.len() + 1);
    assert!(network.tap().0.contains(&Fate::Lost(Loss::TooLarge)));
    let told = &network.app_at(A).expect("there").1;
    assert_eq!(told, &[Undeliverable::TooLarge { limit: 100 }]);
}

#[test]
fn a_step_is_one_event_and_time_only_moves_on() {
    let mut network = talkers(7, lossy(), 0);
    let mut last = network.now();
    for _ in 0..1_000 {
        let next = network.next_at().expect("somebody always tells");
        assert_eq!(network.step(), Some(next.max(last)));
        assert!(network.now() >= last);
        last = network.now();
    }
    network.run_until(last);
    assert_eq!(network.now(), last);
}

/// Says its number when its time comes, to whoever listens in and to a node.
struct Chimer {
    to: MemoryAddr,
    at: Option<Instant>,
}

impl App<DatagramPort<MemoryAddr>> for Chimer {
    type Note = MemoryAddr;

    fn on_event(
        &mut self,
        cx: &mut Cx<'_, DatagramPort<MemoryAddr>, MemoryAddr>,
        event: Event<MemoryAddr>,
    ) {
        if let Event::Told(message) = event {
            cx.say(message.src);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.at
    }

    fn on_timeout(&mut self, cx: &mut Cx<'_, DatagramPort<MemoryAddr>, MemoryAddr>) {
        self.at = None;
        cx.say(cx.addr());
        cx.tell(self.to, "ding").expect("accepted");
    }
}

#[derive(Default)]
struct Chimes(Vec<(Instant, MemoryAddr, MemoryAddr)>, u64);

impl Tap<MemoryAddr> for Chimes {
    fn see(&mut self, _: &Sighting<'_>) {
        self.1 += 1;
    }

    fn hear(&mut self, now: Instant, addr: MemoryAddr, said: MemoryAddr) {
        self.0.push((now, addr, said));
    }
}

type Belfry = Network<DatagramPort<MemoryAddr>, Chimer, Chimes>;

fn chimer(network: &mut Belfry, addr: MemoryAddr, at: Option<Instant>) {
    network.add(addr, DatagramPort::new(&Limits::default()), Chimer { to: B, at });
}

#[test]
fn what_happens_at_one_instant_happens_in_the_order_of_the_nodes_however_they_came_and_ran() {
    let at = Instant::ZERO + Duration::from_secs(2);
    let run = |shards, step: u32| {
        let mut network = Belfry::tapped(3, Chimes::default());
        network.set_shards(shards);
        // In another order each time: the step has no divisor in common with the count.
        (0..101).for_each(|nth| {
            chimer(&mut network, MemoryAddr(1 + nth * step % 101), Some(at));
        });
        network.run_for(Duration::from_secs(3));
        (network.tap().0.clone(), network.trace(), network.totals())
    };
    let once = run(1, 1);
    let (chimed, landed) = once.0.split_at(101);
    let nodes = || (1..102).map(MemoryAddr);
    assert!(chimed.iter().copied().eq(nodes().map(|node| (at, node, node))), "{chimed:?}");
    let after = at + Duration::from_millis(10);
    assert!(landed.iter().copied().eq(nodes().map(|node| (after, B, node))), "{landed:?}");
    for (shards, step) in [(1, 7), (2, 1), (2, 50), (7, 13), (1_000, 3)] {
        assert_eq!(run(shards, step), once, "{shards} shards, {step}");
    }
}

#[test]
fn a_timer_that_is_put_off_again_and_again_rings_at_its_last_time() {
    let mut network = Belfry::tapped(3, Chimes::default());
    let at = |seconds| Instant::ZERO + Duration::from_secs(seconds);
    chimer(&mut network, A, Some(at(2)));
    // Later, much later, never, and a little later than at first.
    for when in [Some(3), Some(7_000), None] {
        network.app(A, |app, _| app.at = when.map(at));
    }
    network.app(A, |app, _| app.at = Some(at(6)));
    network.run_until(at(5));
    assert_eq!(network.tap().0, []);
    network.run_until(at(6));
    assert_eq!(network.tap().0, [(at(6), A, A)]);
    network.app(A, |app, _| app.at = Some(at(8)));
    network.app(A, |app, _| app.at = Some(at(7)));
    network.app(A, |app, _| app.at = Some(at(9)));
    network.run_until(at(20_000));
    assert_eq!(network.tap().0.len(), 2, "{:?}", network.tap().0);
    assert_eq!(network.tap().0[1], (at(9), A, A));
}

#[test]
fn a_node_that_panics_ends_the_run_with_its_panic_on_whichever_thread_it_is() {
    struct Bomb {
        armed: bool,
        rung: bool,
    }

    impl App<DatagramPort<MemoryAddr>> for Bomb {
        type Note = ();

        fn on_event(&mut self, _: &mut Cx<'_, DatagramPort<MemoryAddr>>, _: Event<MemoryAddr>) {}

        fn poll_timeout(&self) -> Option<Instant> {
            // Once: whoever rings without end is given up, and might be before the bomb goes off.
            (!self.rung).then_some(Instant::ZERO + Duration::from_secs(2))
        }

        fn on_timeout(&mut self, _: &mut Cx<'_, DatagramPort<MemoryAddr>>) {
            self.rung = true;
            assert!(!self.armed, "it went off");
        }
    }

    for bomb in 0..3 {
        let run = || {
            let mut network: Network<_, Bomb> = Network::new(3);
            network.set_shards(3);
            for number in 0..3 {
                let stack = DatagramPort::new(&Limits::default());
                let bomb = Bomb { armed: number == bomb, rung: false };
                network.add(MemoryAddr(number), stack, bomb);
            }
            network.run_for(Duration::from_secs(2));
        };
        let panic = std::panic::catch_unwind(run).expect_err("it panics");
        assert_eq!(panic.downcast_ref(), Some(&"it went off"));
    }
}

#[test]
fn a_run_with_the_verdicts_of_another_listed_goes_the_same_way_without_any_chance() {
    let mut faults = lossy();
    faults.duplicate = Chance::percent(10);
    faults.flip = Chance::percent(5);
    faults.truncate = Chance::percent(5);
    let mut drawn = talkers(5, faults, 0);
    drawn.keep_verdicts();
    drawn.run_for(Duration::from_secs(10));
    let verdicts = drawn.take_verdicts();
    assert!(verdicts.len() > 100, "{} verdicts", verdicts.len());

    // Another seed for the network, which draws nothing from it.
    let mut faultless = Faults::NONE;
    faultless.delay = faults.delay;
    let mut listed = Network::new(99);
    listed.set_faults(faultless);
    listed.list_verdicts(verdicts);
    for number in 0..2 {
        let next = listed.now() + Duration::from_millis(u64::from(number));
        let app = Talker { peer: Some(addr(1, 1 - number)), next, told: 0, heard: Vec::new() };
        listed.add(MemoryAddr(number), node(1, number, 0, &Made::default()), app);
    }
    listed.run_for(Duration::from_secs(10));
    assert_eq!(listed.trace(), drawn.trace());
}
