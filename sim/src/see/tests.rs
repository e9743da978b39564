use super::{Bounds, Export, Recorder, Recording, label};
use crate::net::{Chance, DatagramId, Fate, Faults, Network, Sighting, Tap, Totals};
use crate::scenario::{Made, Note, Secure, Talker, addr, node};
use core::time::Duration;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tellask::{Instant, MemoryAddr};

mod capture;
mod page;

/// What must not end the script element that it stands in, nor any string or label.
const NASTY: &str = "</script><script>alert(1)</script><!-- \"{{data}}\" '&amp;' \\ \u{2028}";

/// Two nodes that talk for so many seconds on a network that loses, doubles and spoils; and what it counted.
fn talk(seed: u64, seconds: u64, bounds: Bounds) -> (Recording, Totals) {
    talk_in_shards(1, seed, seconds, bounds)
}

fn talk_in_shards(shards: usize, seed: u64, seconds: u64, bounds: Bounds) -> (Recording, Totals) {
    let recording = Recording::bounded("two nodes", seed, bounds);
    let recorder = Recorder::new((), recording, label);
    let mut network: Network<Secure, Talker, _> = Network::tapped(seed, recorder.clone());
    let mut faults = Faults::NONE;
    faults.loss = Chance::percent(20);
    faults.duplicate = Chance::percent(10);
    faults.flip = Chance::percent(5);
    faults.jitter = Duration::from_millis(30);
    network.set_shards(shards);
    network.set_faults(faults);
    let (start, both) = (network.now(), Arc::from([addr(seed, 0), addr(seed, 1)]));
    let until = start + Duration::from_secs(seconds);
    for me in 0..2 {
        let talker = Talker::new(&both, me, Duration::from_millis(100), start, until);
        network.add(MemoryAddr(me), node(seed, me, 0, &Made::default()), talker);
    }
    network.inject(MemoryAddr(77), MemoryAddr(1), b"who are you?", Duration::from_millis(7));
    for _ in 0..seconds {
        network.run_for(Duration::from_secs(1));
        for (addr, node) in network.running() {
            let sealed = node.stats().value("p2pke.sealed");
            recorder.with(|recording| {
                recording.sample(network.now(), addr, "p2pke.sealed", sealed);
            });
        }
    }
    let recording = recorder.with(|recording| {
        recording.name(MemoryAddr(0), "alice");
        recording.edge(MemoryAddr(0), MemoryAddr(1));
        recording.edge(MemoryAddr(1), MemoryAddr(2));
        recording.plan(start, Some(until), "loss 20 %");
        recording.plan(start + Duration::from_secs(1), None, NASTY);
        recording.mark("a session is made", 1, Some(start));
        recording.mark("never seen", 0, None);
        recording.bin("delivered", 12);
        recording.bin("lost", 3);
        recording.finish(network.trace(), format!("play --seed {seed}"));
        recording.clone()
    });
    (recording.expect("it records"), network.totals())
}

fn written(export: Export, recording: &Recording) -> Vec<u8> {
    let mut bytes = Vec::new();
    export.write(recording, &mut bytes).expect("a vector takes everything");
    bytes
}

fn text(export: Export, recording: &Recording) -> String {
    String::from_utf8(written(export, recording)).expect("it is text")
}

fn lines(recording: &Recording) -> Vec<Value> {
    let text = text(Export::JsonLines, recording);
    text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

fn of_type<'a>(lines: &'a [Value], of: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["type"] == of).collect()
}

#[test]
fn every_form_is_the_same_bytes_for_the_same_seed_and_others_for_another() {
    let [one, again, other] = [7, 7, 8].map(|seed| talk(seed, 2, Bounds::default()).0);
    for export in Export::ALL {
        assert!(written(export, &one) == written(export, &again), "{export}");
        assert!(written(export, &one) != written(export, &other), "{export}");
    }
}

#[test]
fn how_many_threads_ran_the_nodes_is_not_seen() {
    let [one, two] = [1, 2].map(|shards| talk_in_shards(shards, 7, 2, Bounds::default()).0);
    for export in Export::ALL {
        assert!(written(export, &one) == written(export, &two), "{export}");
    }
}

#[test]
fn a_recording_counts_what_the_network_counts() {
    let (recording, totals) = talk(1, 5, Bounds::default());
    let total = recording.total;
    assert_eq!(total.sent, totals.sent);
    assert_eq!(total.bytes, totals.sent_bytes);
    assert_eq!(total.copies, totals.sent + totals.duplicated);
    assert_eq!(total.delivered, totals.delivered);
    assert_eq!(total.spoilt, totals.spoilt);
    assert_eq!(total.lost, totals.lost);
    assert!(totals.spoilt > 0 && totals.lost > 0 && totals.duplicated > 0, "{totals:?}");
    let lost: u64 = recording.reasons.iter().map(|(_, count)| count).sum();
    assert_eq!(lost, totals.lost);
    let kept: usize = recording.datagrams.iter().map(|datagram| datagram.ends.len()).sum();
    assert_eq!(kept as u64, totals.delivered + totals.lost);
    assert_eq!(recording.in_flight(), total.copies - kept as u64);
    assert_eq!(recording.left_out().to_string(), "");
}

#[test]
fn the_lines_say_in_order_all_that_happened() {
    let (recording, totals) = talk(2, 5, Bounds::default());
    let lines = lines(&recording);
    let header = &lines[0];
    assert_eq!((&header["type"], &header["version"]), (&"header".into(), &1.into()));
    assert_eq!((&header["seed"], &header["verdict"]), (&"2".into(), &"ok".into()));
    assert_eq!(header["hash"], recording.hash());
    let end = lines.last().expect("there are lines");
    assert_eq!((&end["type"], &end["lines"]), (&"end".into(), &lines.len().into()));

    let sent = of_type(&lines, "sent");
    assert_eq!(sent.len() as u64, totals.sent);
    for (nth, line) in sent.iter().enumerate() {
        assert_eq!(line["datagram"], nth);
        let digits = line["bytes"].as_str().map_or(0, str::len) as u64;
        assert_eq!(line["len"], digits / 2);
    }
    assert!(sent.iter().any(|line| line["sender"].is_null() && line["src"] == 77));
    assert_eq!(of_type(&lines, "lost").len() as u64, totals.lost);
    let delivered = of_type(&lines, "delivered");
    assert_eq!(delivered.len() as u64, totals.delivered);
    let spoilt = delivered.iter().filter(|line| line["spoilt"] == true && line["len"].is_u64());
    assert_eq!(spoilt.count() as u64, totals.spoilt);

    let (mut now, mut known) = (0, BTreeSet::new());
    for line in lines.iter().filter(|line| line["datagram"].is_u64() || line["type"] == "note") {
        let at = line["at"].as_u64().expect("a time");
        assert!(at >= now, "{line}");
        now = at;
        let datagram = line["datagram"].as_u64();
        assert!(line["type"] == "note" || known.insert(datagram) == (line["type"] == "sent"));
    }
    assert!(of_type(&lines, "note").iter().any(|note| note["text"] == "peer #0 is up"));
    assert!(of_type(&lines, "plan").iter().any(|line| line["text"] == NASTY));
    assert_eq!(of_type(&lines, "sample").len(), 10);
    assert_eq!(of_type(&lines, "mark").len(), 2);
    let way = of_type(&lines, "way").into_iter().find(|way| way["src"] == 0 && way["dst"] == 1);
    let from_alice = sent.iter().filter(|line| line["src"] == 0 && line["dst"] == 1);
    assert_eq!(way.expect("that way was used")["sent"], from_alice.count());
}

#[test]
fn in_the_trace_of_events_slices_of_a_thread_do_not_cross_and_flows_have_two_ends() {
    let (recording, totals) = talk(3, 5, Bounds::default());
    let trace: Value = serde_json::from_str(&text(Export::Perfetto, &recording)).expect("JSON");
    let events = trace["traceEvents"].as_array().expect("events");
    let of = |phase: &'static str| events.iter().filter(move |event| event["ph"] == phase);
    assert_eq!(of("X").count() as u64, totals.sent + totals.delivered);
    let flows = |phase| of(phase).map(|event| event["id"].to_string()).collect::<BTreeSet<_>>();
    assert_eq!(flows("s").len() as u64, totals.delivered);
    assert_eq!(flows("s"), flows("f"));
    let lost =
        of("i").filter(|event| event["name"].as_str().is_some_and(|n| n.starts_with("lost")));
    assert_eq!(lost.count() as u64, totals.lost);
    assert_eq!(of("C").count(), 10);
    assert_eq!((of("b").count(), of("e").count()), (1, 1));

    expect_nested(events);
}

/// Slices of one thread are the same or apart.
fn expect_nested(events: &[Value]) {
    // In nanoseconds, which are written with three decimals of a microsecond.
    let nanos = |value: &Value| (value.as_f64().expect("a number") * 1_000.0).round() as u64;
    let mut threads: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for event in events.iter().filter(|event| event["ph"] == "X") {
        let slice = (nanos(&event["ts"]), nanos(&event["dur"]));
        assert!(slice.1 > 0);
        threads.entry(event["tid"].as_u64()).or_default().insert(slice);
    }
    for slices in threads.values() {
        let ends = slices.iter().map(|(at, dur)| at + dur);
        assert!(ends.zip(slices.iter().skip(1)).all(|(end, (at, _))| end <= *at));
    }
}

#[test]
fn slices_that_follow_one_another_within_nanoseconds_do_not_cross_either() {
    let mut recording = Recording::new("close", 0);
    for number in 0..4 {
        let id = DatagramId { sender: Some(MemoryAddr(0)), number };
        let sent = (number * 3, Fate::Sent { copies: 1 });
        for (at, fate) in [sent, (number * 3 + 1, Fate::Delivered { spoilt: false })] {
            let (src, dst, now) = (MemoryAddr(0), MemoryAddr(1), Instant::from_nanos(at));
            recording.see(&Sighting { now, id, src, dst, fate, bytes: b"hi" });
        }
    }
    let trace: Value = serde_json::from_str(&text(Export::Perfetto, &recording)).expect("JSON");
    expect_nested(trace["traceEvents"].as_array().expect("events"));
}

#[test]
fn the_graph_has_every_way_with_its_counts_and_idle_edges_dashed() {
    let (recording, _) = talk(4, 3, Bounds::default());
    let graph = text(Export::Dot, &recording);
    for ((src, dst), way) in &recording.ways {
        let line = format!("  {src} -> {dst} [label=\"{}/{}\"", way.sent, way.lost);
        assert_eq!(graph.matches(&line).count(), 1, "{line}");
    }
    assert!(graph.contains("  0 [label=\"alice\"];"));
    assert!(graph.contains("  1 -> 2 [dir=none, style=dashed"));
    assert!(!graph.contains("  0 -> 1 [dir=none"), "it was used");
    assert!(graph.starts_with("digraph run {\n") && graph.ends_with("\n}\n"));
}

#[test]
fn a_name_with_quotes_stays_one_label_of_the_graph() {
    let mut recording = Recording::new("names", 0);
    recording.name(MemoryAddr(5), "a\"];b\\\n");
    assert!(text(Export::Dot, &recording).contains("  5 [label=\"a\\\"];b\\\\\\n\"];\n"));
}

#[test]
fn what_is_over_the_bounds_is_counted_and_every_form_says_so() {
    let bounds = Bounds { datagrams: 20, bytes: 40, notes: 5, samples: 3, nodes: 1 };
    let (recording, totals) = talk(5, 5, bounds);
    let left_out = recording.left_out();
    assert_eq!(recording.datagrams.len(), 20);
    assert_eq!(left_out.datagrams, totals.sent - 20);
    assert_eq!(recording.notes.len(), 5);
    assert!(left_out.notes > 5);
    assert_eq!(left_out.samples, 10 - 3);
    assert!(left_out.nodes > 0 && left_out.cut_short > 0);
    assert!(recording.datagrams.iter().all(|datagram| datagram.body.kept.len() <= 40));
    // The sums are of everything all the same.
    assert_eq!(recording.total.lost, totals.lost);
    let words = left_out.to_string();
    assert!(words.starts_with(&format!("left out: {} datagrams, ", left_out.datagrams)), "{words}");
    for export in [Export::Html, Export::Perfetto, Export::Dot, Export::Pcapng] {
        let bytes = written(export, &recording);
        let found = bytes.windows(words.len()).any(|window| window == words.as_bytes());
        assert!(found, "{export}");
    }
    assert_eq!(lines(&recording)[0]["left_out"]["datagrams"], left_out.datagrams);
}

#[test]
fn lines_marks_and_long_texts_are_bounded_too() {
    let mut recording = Recording::new("x".repeat(1_000), 0);
    for nth in 0..10_050 {
        recording.violation(None, "é".repeat(500));
        recording.mark(nth.to_string(), 1, None);
        recording.bin("the same", 1);
    }
    assert_eq!((recording.violations.len(), recording.marks.len()), (10_000, 10_000));
    assert_eq!(recording.bins, [("the same".to_owned(), 10_050)]);
    assert_eq!(recording.left_out().lines, 100);
    assert_eq!(recording.scenario.chars().count(), 401);
    assert!(recording.violations.iter().all(|violation| violation.text.chars().count() == 401));
    assert!(!recording.is_ok());
}

#[test]
fn a_recorder_passes_everything_on_whether_it_records_or_not() {
    #[derive(Clone, Debug, Default)]
    struct Heard(u64, u64);

    impl Tap<Note> for Heard {
        fn see(&mut self, _: &Sighting<'_>) {
            self.0 += 1;
        }

        fn hear(&mut self, _: Instant, _: MemoryAddr, _: Note) {
            self.1 += 1;
        }
    }

    let play = |recorder: Recorder<Heard, Note>| {
        let mut network: Network<Secure, Talker, _> = Network::tapped(6, recorder);
        let (start, both) = (network.now(), Arc::from([addr(6, 0), addr(6, 1)]));
        for me in 0..2 {
            let until = start + Duration::from_secs(1);
            let talker = Talker::new(&both, me, Duration::from_millis(50), start, until);
            network.add(MemoryAddr(me), node(6, me, 0, &Made::default()), talker);
        }
        network.run_for(Duration::from_secs(2));
        let recorded = network.tap().with(|recording| recording.steps.len());
        (network.tap().inner().clone(), recorded, network.trace())
    };
    // One note more: the recorder has no words for what a link is like.
    let on = play(Recorder::new(Heard::default(), Recording::new("passed on", 6), label));
    let off = play(Recorder::off(Heard::default()));
    assert!(on.0.0 > 40 && on.0.1 > 40);
    assert_eq!((on.0.0, on.0.1, on.2), (off.0.0, off.0.1, off.2));
    assert_eq!(off.1, None);
    let silent = on.0.1 + on.0.0 - on.1.expect("it records") as u64;
    assert_eq!(silent, 2, "of each node that it is bound");
}

#[test]
fn an_export_is_known_by_its_name() {
    for export in Export::ALL {
        assert_eq!(export.to_string().parse(), Ok(export));
    }
    let wrong = "gif".parse::<Export>().expect_err("there is none");
    assert_eq!(wrong.to_string(), "an export is html, jsonl, pcapng, perfetto or dot");
}
