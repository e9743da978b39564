//! What an application may have written of its connections.

use super::*;
use crate::diagnostics::Diagnostics;
use alloc::sync::Arc;
use std::sync::Mutex;

/// Two nodes with diagnostics of their own, of which the first tells the second something.
fn talk(of: impl Fn(usize) -> Diagnostics) -> World {
    let limits = Limits::default();
    let one = |number: u32| {
        let diagnostics = of(number as usize);
        let seed = number.into();
        let layer = made(key(number), seed, &limits, |setup| Setup { diagnostics, ..setup });
        node(number, layer, &limits)
    };
    let mut world = World::of(vec![one(0), one(1)]);
    world.tell(0, 1, b"hello");
    world.run(SECOND);
    assert_eq!(world.told(1), [b"hello"]);
    world
}

#[cfg(feature = "insecure-key-log")]
mod key_log {
    use super::*;
    use crate::key_log::KeyLog;
    use std::string::{String, ToString as _};

    type Lines = Arc<Mutex<Vec<String>>>;

    fn logged(lines: &Lines) -> Diagnostics {
        let lines = Arc::clone(lines);
        let log = KeyLog::new(move |entry| lines.lock().unwrap().push(entry.to_string()));
        Diagnostics { insecure_key_log: Some(log), ..Diagnostics::default() }
    }

    #[test]
    fn both_sides_log_the_same_secrets_of_the_same_connection() {
        let lines = [Lines::default(), Lines::default()];
        talk(|number| logged(&lines[number]));
        let [dialler, other] = lines.map(|lines| {
            let lines: BTreeSet<String> = lines.lock().unwrap().drain(..).collect();
            lines
        });
        assert_eq!(dialler, other);
        let labels: Vec<&str> =
            dialler.iter().map(|line| line.split(' ').next().unwrap()).collect();
        let expected = [
            "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
            "CLIENT_TRAFFIC_SECRET_0",
            "EXPORTER_SECRET",
            "SERVER_HANDSHAKE_TRAFFIC_SECRET",
            "SERVER_TRAFFIC_SECRET_0",
        ];
        assert_eq!(labels, expected);
        let randoms: BTreeSet<&str> =
            dialler.iter().map(|line| line.split(' ').nth(1).unwrap()).collect();
        assert_eq!(randoms.iter().map(|random| random.len()).collect::<Vec<_>>(), [64]);
    }

    #[test]
    fn a_node_without_a_sink_logs_nothing_and_the_log_changes_no_byte() {
        let lines = Lines::default();
        let one = |number| if number == 0 { logged(&lines) } else { Diagnostics::default() };
        let with = talk(one);
        assert_eq!(lines.lock().unwrap().len(), 5, "of the first node alone");
        assert!(with.seen == talk(|_| Diagnostics::default()).seen, "the datagrams differ");
        assert_eq!(lines.lock().unwrap().len(), 5);
    }
}

#[cfg(feature = "qlog")]
mod qlog {
    use super::*;
    use crate::quic::{Begun, Qlog, Writer};
    use serde_json::Value;
    use std::io;

    /// A connection, and its records.
    type Recorded = (Begun, Vec<u8>);

    /// The records of each connection that there was.
    #[derive(Clone, Default)]
    struct Files(Arc<Mutex<Vec<Recorded>>>);

    struct File(Files, usize);

    impl io::Write for File {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.0.lock().unwrap()[self.1].1.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn recorded(files: &Files) -> Diagnostics {
        let files = files.clone();
        let qlog = Qlog::new(move |begun| {
            let mut all = files.0.lock().unwrap();
            all.push((begun, Vec::new()));
            Some(Box::new(File(files.clone(), all.len() - 1)) as Writer)
        });
        Diagnostics { qlog: Some(qlog), ..Diagnostics::default() }
    }

    /// The records of a JSON text sequence (RFC 7464): each begins with a record separator and ends with a line.
    fn records(bytes: &[u8]) -> Vec<Value> {
        let records = bytes.strip_prefix(&[0x1e]).expect("a separator").split(|byte| *byte == 0x1e);
        let records = records.map(|record| {
            let record = record.strip_suffix(b"\n").expect("the end of a line");
            serde_json::from_slice(record).expect("one JSON text")
        });
        records.collect()
    }

    #[test]
    fn each_connection_is_recorded_by_both_sides_as_a_sequence_of_json_texts() {
        let files = [Files::default(), Files::default()];
        let world = talk(|number| recorded(&files[number]));
        for (files, dialled) in files.iter().zip([true, false]) {
            let files = files.0.lock().unwrap();
            let [(begun, bytes)] = &files[..] else { panic!("one connection") };
            assert_eq!(*begun, Begun { number: 0, dialled });
            let all = records(bytes);
            assert_eq!(all[0]["qlog_format"], "JSON-SEQ");
            let named = |name: &str| all.iter().filter(|record| record["name"] == *name).count();
            for name in ["packet_sent", "packet_received"] {
                assert!(named(&std::format!("transport:{name}")) > 2, "{name}: {all:?}");
            }
            assert!(named("recovery:metrics_updated") > 0, "{all:?}");
            // From the node's beginning: the world's begins after a second.
            let now = world.now.since(Instant::ZERO).as_secs_f64() * 1_000.0;
            let times = || all[1..].iter().map(|record| record["time"].as_f64().expect("a time"));
            assert!(times().all(|time| time >= 1_000.0 && time <= now));
        }
        // The same is recorded again, and no byte of what is sent is another.
        let again = [Files::default(), Files::default()];
        assert!(talk(|number| recorded(&again[number])).seen == world.seen);
        for (first, second) in files.iter().zip(&again) {
            assert!(*first.0.lock().unwrap() == *second.0.lock().unwrap());
        }
    }

    #[test]
    fn without_a_factory_or_a_writer_of_it_nothing_changes() {
        let plain = talk(|_| Diagnostics::default());
        let files = Files::default();
        assert!(talk(|_| recorded(&files)).seen == plain.seen, "the datagrams differ");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let none = |_| {
            let asked = Arc::clone(&asked);
            let qlog = Qlog::new(move |begun: Begun| {
                asked.lock().unwrap().push(begun.dialled);
                None
            });
            Diagnostics { qlog: Some(qlog), ..Diagnostics::default() }
        };
        assert!(talk(none).seen == plain.seen, "the datagrams differ");
        assert_eq!(*asked.lock().unwrap(), [true, false]);
    }
}
