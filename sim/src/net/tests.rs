//! Secure pairs and bare ports on the simulated network.

use super::*;
use crate::scenario::{Secure, addr, node};
use tellask::p2pke::channel::Timing;
use tellask::swarm::Undeliverable;
use tellask::{DatagramPort, Event, Limits, PeerAddr};

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
        let stack = node(1, number, 0, Timing::DEFAULT, &Limits::default());
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
    network.start(B, node(1, 1, 1, Timing::DEFAULT, &Limits::default()));
    network.run_for(Duration::from_secs(3));
    assert!(network.app_at(B).expect("there").heard.len() > before + 15);
}

type Ports = Network<DatagramPort<MemoryAddr>, Ear, Sightings>;

/// Keeps what it hears: source, bytes and time.
#[derive(Default)]
struct Ear(Vec<(MemoryAddr, Vec<u8>, Instant)>, Vec<Undeliverable>);

impl App<DatagramPort<MemoryAddr>> for Ear {
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
fn thousand(faults: Faults) -> (Ports, Vec<(MemoryAddr, Vec<u8>, Instant)>) {
    let mut network: Ports = Network::tapped(3, Sightings::default());
    network.set_faults(faults);
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
        let next = network.next().expect("somebody always tells");
        assert_eq!(network.step(), Some(next.max(last)));
        assert!(network.now() >= last);
        last = network.now();
    }
    network.run_until(last);
    assert_eq!(network.now(), last);
}
