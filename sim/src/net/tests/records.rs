//! Records of runs, and where two of them part.

use super::*;
use crate::net::{Divergence, Fate, Keep, Keeping, Record, What, compare};

/// Ten seconds of two who talk; what `meddle` does is done after six and a half.
fn run(shards: usize, set: impl Fn(&mut Talkers), meddle: impl Fn(&mut Talkers)) -> Talkers {
    let mut network = Network::new(7);
    network.set_shards(shards);
    network.set_faults(lossy());
    for number in 0..4 {
        let peer = (number < 2).then(|| addr(1, 1 - number));
        let next = network.now() + Duration::from_millis(u64::from(number));
        let app = Talker { peer, next, told: 0, heard: Vec::new() };
        network.add(MemoryAddr(number), node(1, number, 0, &Made::default()), app);
    }
    set(&mut network);
    network.run_for(Duration::from_millis(6_500));
    meddle(&mut network);
    network.run_for(Duration::from_millis(3_500));
    network
}

fn record(shards: usize, meddle: impl Fn(&mut Talkers)) -> Record {
    run(shards, Network::keep_record, meddle).take_record()
}

#[test]
fn a_record_is_the_same_however_the_run_was_made() {
    let once = record(1, |_| {});
    assert_eq!(once.len(), 10);
    assert_eq!(record(3, |_| {}), once);
    let mut network = run(1, |_| {}, |_| {});
    let plain = network.trace();
    assert_eq!(network.take_record(), Record::default());
    network = run(1, Network::keep_record, |_| {});
    assert_eq!(network.trace(), plain, "recording changes nothing");
    // Step by step it is the same too, but for the last second, which is not known to be over.
    let mut network = run(1, Network::keep_record, |_| {});
    let whole = network.take_record().to_string();
    let mut network = Network::new(7);
    network.set_faults(lossy());
    for number in 0..4 {
        let peer = (number < 2).then(|| addr(1, 1 - number));
        let next = network.now() + Duration::from_millis(u64::from(number));
        let app = Talker { peer, next, told: 0, heard: Vec::new() };
        network.add(MemoryAddr(number), node(1, number, 0, &Made::default()), app);
    }
    network.keep_record();
    let end = network.now() + Duration::from_secs(10);
    while network.next_at().is_some_and(|next| next <= end) {
        network.step();
    }
    let stepped = network.take_record();
    assert_eq!(stepped.len(), 9);
    assert!(whole.starts_with(&stepped.to_string()));
}

#[test]
fn a_run_that_goes_another_way_is_told_by_its_first_second_node_and_event() {
    let meddle = |network: &mut Talkers| {
        network.app(MemoryAddr(1), |_, cx| cx.note(b"this is new"));
    };
    let keeping = |meddled: bool, keep: Keep| {
        let set = |network: &mut Talkers| match keep {
            Keep::Record => network.keep_record(),
            Keep::Events(found) => network.keep_events(found.second),
        };
        let mut network = run(2, set, |network| {
            if meddled {
                meddle(network);
            }
        });
        match keep {
            Keep::Record => Keeping::Record(network.take_record()),
            Keep::Events(found) => Keeping::Events(network.events(found.node)),
        }
    };
    assert_eq!(compare(|keep| keeping(false, keep), |keep| keeping(false, keep)), None);
    let found = compare(|keep| keeping(false, keep), |keep| keeping(true, keep));
    let (at, parting) = found.expect("they differ");
    // They began after one second, and the note was made after six and a half more.
    assert_eq!(at, Divergence { second: 8, node: Some(B) });
    let parting = parting.expect("and in an event");
    let other = parting.other.expect("the note");
    assert_eq!(other.what, What::Note(11));
    assert_eq!(other.at, Instant::ZERO + Duration::from_millis(7_500));
    assert_ne!(parting.one.map(|event| event.what), Some(other.what));
    assert!(parting.to_string().contains("note of 11 bytes"), "{parting}");
}

#[test]
fn a_running_network_notices_that_it_left_its_record() {
    let expected = record(1, |_| {});
    let check = |network: &mut Talkers| network.check_record(expected.clone());
    assert_eq!(run(2, check, |_| {}).divergence(), None);
    let crash = |network: &mut Talkers| network.crash(A);
    let network = run(2, check, crash);
    let found = network.divergence().expect("it did");
    assert_eq!(found.second, 8);
    assert_eq!(Some(found), expected.divergence(&record(1, crash)));
}

#[test]
fn what_concerns_no_node_is_recorded_and_its_events_kept() {
    let inject = |number: u32| {
        move |network: &mut Talkers| {
            network.inject(A, MemoryAddr(number), b"to nobody", Duration::from_millis(1));
        }
    };
    let (one, other) = (record(1, inject(77)), record(2, inject(78)));
    let found = one.divergence(&other).expect("they differ");
    assert_eq!(found, Divergence { second: 8, node: None });
    let network = run(2, |network| network.keep_events(8), inject(77));
    let events = network.events(None);
    let fates: Vec<_> = events
        .iter()
        .filter_map(|event| match event.what {
            What::Datagram { fate, dst, .. } => Some((fate, dst)),
            What::Timer | What::Note(_) => None,
        })
        .collect();
    let to = MemoryAddr(77);
    assert_eq!(fates, [(Fate::Sent { copies: 1 }, to), (Fate::Lost(Loss::Nobody), to)]);
    assert!(network.events(Some(A)).len() > 10);
    let second = |event: &Happened| (7_000_000_001..=8_000_000_000).contains(&event.at.as_nanos());
    assert!(network.events(Some(A)).iter().all(second));
}
