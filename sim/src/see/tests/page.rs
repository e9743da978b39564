//! The page is whole, holds what was recorded, and nothing can break out of its data.

use super::{Bounds, Export, NASTY, talk, text};
use crate::campaign::{Look, Played, Promises, Scenario};
use crate::plan::{Menu, Plan, generate};
use crate::see::Recording;
use serde_json::Value;
use tellask::{Instant, MemoryAddr};

/// The data in a page.
fn data(page: &str) -> Value {
    let begin = "<script type=\"application/json\" id=\"data\">\n";
    let (_, rest) = page.split_once(begin).expect("it has data");
    let (data, _) = rest.split_once("</script>").expect("which end");
    serde_json::from_str(data).expect("and are JSON")
}

#[test]
fn no_text_breaks_out_of_the_page() {
    let plain = text(Export::Html, &Recording::new("plain", 0));
    let mut recording = Recording::new(NASTY, 0);
    let (node, at) = (MemoryAddr(0), Instant::from_nanos(1));
    recording.name(node, NASTY);
    recording.note(at, node, NASTY);
    recording.plan(at, None, NASTY);
    recording.mark(NASTY, 1, Some(at));
    recording.violation(Some(at), NASTY);
    recording.bin(NASTY, 1);
    recording.sample(at, node, NASTY, 1);
    recording.finish(crate::net::Trace::default(), NASTY);
    let page = text(Export::Html, &recording);
    for what in ["<script", "</script", "<!--", "</title", "</code", "</style", "<body"] {
        assert_eq!(page.matches(what).count(), plain.matches(what).count(), "{what}");
    }
    let data = data(&page);
    assert_eq!(data["scenario"], NASTY);
    assert_eq!(data["nodes"][0][1], NASTY);
    for lists in ["notes", "plan"] {
        assert_eq!(data[lists][0][2], NASTY);
    }
    assert_eq!(data["violations"][0][1], NASTY);
    for lists in ["marks", "bins", "counters"] {
        assert_eq!(data[lists][0][0], NASTY);
    }
}

#[test]
fn the_page_loads_nothing() {
    let page = text(Export::Html, &talk(1, 1, Bounds::default()).0);
    // The name of a namespace, which nobody fetches.
    let page = page.replace("http://www.w3.org/2000/svg", "");
    for what in
        ["http:", "https:", "src=", "href=", "url(", "@import", "fetch(", "XMLHttp", "//cdn"]
    {
        assert!(!page.contains(what), "{what}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn the_headline_is_there_without_scripts() {
    let (mut recording, _) = talk(9, 1, Bounds::default());
    recording.violation(None, "something was heard twice");
    let page = text(Export::Html, &recording);
    for part in [
        "<!doctype html>",
        "<title>two nodes, seed 9: failed</title>",
        "<h1>two nodes <span class=\"verdict failed\">failed</span></h1>",
        "<dt>seed</dt><dd>9</dd>",
        &format!("<dd>{}</dd>", recording.hash()),
        "<code id=\"command\">play --seed 9</code>",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn the_columns_of_datagrams_read_back_as_what_was_recorded() {
    let (recording, totals) = talk(2, 5, Bounds::default());
    let data = data(&text(Export::Html, &recording));
    let columns = &data["datagrams"];
    assert_eq!(columns["count"], totals.sent);
    let column = |name: &str| {
        let values = columns[name].as_array().expect("a column");
        values.iter().map(|value| value.as_i64().expect("a number")).collect::<Vec<_>>()
    };
    let (at, src, dst, len) = (column("at"), column("src"), column("dst"), column("len"));
    let (sender, copies) = (column("sender"), column("copies"));
    let mut ends = column("ends").into_iter();
    let mut next = || ends.next().expect("as many as there must be") as u64;
    let (mut now, mut bytes) = (0, columns["bytes"].as_str().expect("digits"));
    for (nth, datagram) in recording.datagrams.iter().enumerate() {
        now += at[nth];
        assert_eq!(now as u64, datagram.at.as_nanos());
        assert_eq!((src[nth], dst[nth]), (datagram.src.0.into(), datagram.dst.0.into()));
        assert_eq!(len[nth] as usize, datagram.body.len);
        assert_eq!(copies[nth], i64::from(datagram.copies));
        assert_eq!(sender[nth], if datagram.id.sender.is_some() { -1 } else { -2 });
        let (shown, rest) = bytes.split_at(2 * datagram.body.len.min(16));
        assert_eq!(
            shown,
            format!("{}", crate::see::json::Hex(&datagram.body.kept[..shown.len() / 2]))
        );
        bytes = rest;
        assert_eq!(next() as usize, datagram.ends.len());
        for end in &datagram.ends {
            let kind = next();
            assert_eq!(kind >= 2, matches!(end.how, crate::see::recording::How::Lost(_)));
            assert_eq!(datagram.at.as_nanos() + next(), end.at.as_nanos());
        }
    }
    assert_eq!((bytes, ends.next()), ("", None));
    assert_eq!(data["total"]["lost"], totals.lost);
    assert_eq!(data["total"]["inFlight"], recording.in_flight());
}

#[test]
fn times_on_the_page_are_since_the_beginning_and_violations_are_all_there_were() {
    let (mut recording, _) = talk(3, 2, Bounds::default());
    let before = data(&text(Export::Html, &recording));
    let start = Instant::from_nanos(1_000_000_000);
    recording.begin(start);
    recording.violation(Some(start), "something was heard twice");
    recording.more_violations(41);
    let after = data(&text(Export::Html, &recording));
    assert_eq!((&after["violated"], &after["violations"][0][0]), (&42.into(), &0.into()));
    assert_eq!((&after["plan"][0][0], &after["plan"][1][0]), (&0.into(), &1_000_000_000.into()));
    assert_eq!(after["marks"].as_array().and_then(|marks| marks[0][2].as_u64()), Some(0));
    let second = |of: &Value| of.as_u64().map(|nanos| nanos - start.as_nanos());
    for time in [
        &["last"][..],
        &["notes", "0", "0"],
        &["datagrams", "at", "0"],
        &["counters", "0", "2", "0"],
    ] {
        let path = format!("/{}", time.join("/"));
        let (before, after) = (before.pointer(&path).unwrap(), after.pointer(&path).unwrap());
        assert_eq!(second(before), after.as_u64(), "{path}");
    }
}

#[test]
fn of_a_run_that_violates_more_than_is_listed_the_page_says_how_much_that_is() {
    let scenario = crate::campaign::find("port").expect("it is one of them");
    let mut plan = generate(&scenario.menu(), 1);
    plan.steps.clear();
    let (played, recording) = crate::campaign::watch(&Hopeless(scenario), &plan, "");
    assert_eq!((played.violated, played.violations.len()), (5, 1));
    let page = data(&text(Export::Html, &recording));
    assert_eq!(page["violated"], 5);
    assert_eq!(page["violations"].as_array().map(Vec::len), Some(1));
    let begins = page["plan"].as_array().and_then(|plan| plan.last()).map(|line| &line[0]);
    assert_eq!(begins.and_then(Value::as_u64), Some(plan.phase.as_nanos() as u64));
}

/// A scenario of which every run fails five times and lists one.
struct Hopeless(&'static dyn Scenario);

impl Scenario for Hopeless {
    fn menu(&self) -> Menu {
        self.0.menu()
    }

    fn about(&self) -> &'static str {
        self.0.about()
    }

    fn promises(&self) -> Promises {
        self.0.promises()
    }

    fn play(&self, plan: &Plan, look: Look) -> Played {
        let mut played = self.0.play(plan, look);
        (played.violated, played.violations) = (5, vec!["it is hopeless".into()]);
        played
    }
}
