use super::body::{Id, Kind};
use super::books::Books;
use super::*;
use crate::net::{Chance, DatagramId, Fate, Sighting, Tap};
use crate::plan::{Fault, Menu, Plan, generate};
use core::cell::Cell;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::rc::Rc;
use tellask::{Instant, MemoryAddr};

fn scenario(name: &str) -> &'static dyn Scenario {
    find(name).expect("it is one of them")
}

#[test]
fn a_plan_gives_the_same_run_each_time_and_another_seed_another() {
    for scenario in SCENARIOS {
        let play = |seed| scenario.play(&generate(&scenario.menu(), seed), Look::default());
        let (one, again, other) = (play(3), play(3), play(4));
        assert_eq!((one.trace, &one.bins), (again.trace, &again.bins));
        assert_ne!(one.trace, other.trace);
    }
}

#[test]
fn what_is_said_is_in_bins_to_the_message_whichever_scenario_it_is() {
    for scenario in SCENARIOS {
        let plan = generate(&scenario.menu(), 1);
        let played = scenario.play(&plan, Look::default());
        assert!(!played.bins.contains_key("vanished"), "{played}");
        let refused: u64 =
            played.bins.iter().filter(|(bin, _)| bin.starts_with("refused")).map(|bin| bin.1).sum();
        let delivered = played.bins.get("delivered").copied().unwrap_or(0);
        let answered = played.bins.get("answered").copied().unwrap_or(0);
        assert!(delivered + answered > 50 && played.said() > refused, "{played}");
    }
}

#[test]
fn the_verdicts_of_a_run_listed_are_the_same_run() {
    for name in ["secure", "fragments", "bare-asks"] {
        let mut plan = generate(&scenario(name).menu(), 5);
        let drawn = scenario(name).play(&plan, Look::at_verdicts());
        assert!(!drawn.verdicts.is_empty(), "{plan}");
        plan.verdicts = Some(drawn.verdicts);
        let listed: Plan = plan.to_string().parse().expect("its text is a plan");
        assert_eq!(scenario(name).play(&listed, Look::default()).trace, drawn.trace, "{name}");
    }
}

/// Counts what node 1 is given before a time.
struct Given {
    before: Instant,
    count: Rc<Cell<u64>>,
}

impl Onlooker for Given {
    fn see(&mut self, sighting: &Sighting<'_>) {
        let given = matches!(sighting.fate, Fate::Delivered { .. });
        if given && sighting.dst == MemoryAddr(1) && sighting.now < self.before {
            self.count.set(self.count.get() + 1);
        }
    }

    fn hear(&mut self, _: Instant, _: MemoryAddr, _: &Note) {}
}

#[test]
fn what_is_wrong_with_a_node_from_the_very_beginning_is_wrong_with_it() {
    let given = |fault: &str| {
        let head = "tellask-plan 1\nscenario secure\nnodes 0 1\ncore 0 1\nphase 3s\n";
        let plan: Plan = format!("{head}{fault}").parse().expect("it is a plan");
        let count = Rc::new(Cell::new(0));
        let before = Instant::ZERO + Duration::from_secs(4);
        let look = Look::with(Box::new(Given { before, count: Rc::clone(&count) }));
        let played = scenario("secure").play(&plan, look);
        assert!(played.is_ok(), "{played}");
        count.get()
    };
    assert!(given("") > 0);
    assert_eq!(given("at 0s crash 1"), 0);
    assert_eq!(given("at 0s pause 1"), 0);
}

#[test]
fn a_flood_before_anybody_has_a_session_is_not_held_against_the_pauses() {
    for seed in [519, 553, 627] {
        let plan = generate(&scenario("pauses").menu(), seed);
        let played = scenario("pauses").play(&plan, Look::default());
        assert!(played.is_ok(), "seed {seed}: {played}");
    }
}

#[test]
fn minimising_finds_the_two_items_that_matter_among_many() {
    let mut tests = 0;
    let left = ddmin((0..100).collect(), |items: &[u32]| {
        tests += 1;
        items.contains(&17) && items.contains(&71)
    });
    assert_eq!(left, [17, 71]);
    assert!(tests < 150, "{tests}");
    assert!(ddmin(vec![1, 2, 3], |_| true).is_empty());
}

#[test]
fn a_campaign_in_parts_and_on_threads_plays_other_seeds_and_comes_to_the_same_in_all() {
    let campaign = |jobs, shard, runs| Campaign {
        scenarios: vec![scenario("port"), scenario("secure")],
        seed: 100,
        runs: Some(runs),
        jobs,
        shard,
        ..Campaign::default()
    };
    let calls = AtomicU64::new(0);
    let whole = campaign(1, (0, 1), 8).run(|| true, |_| _ = calls.fetch_add(1, Ordering::Relaxed));
    assert_eq!(calls.into_inner(), 16, "before each and after each");
    assert_eq!((whole.runs(), whole.is_ok(SCENARIOS)), (8, true), "{whole}");
    assert_eq!(campaign(3, (0, 1), 8).run(|| true, |_| ()), whole);

    let mut merged = Results::default();
    for part in 0..2 {
        let part = campaign(1, (part, 2), 4).run(|| true, |_| ());
        assert_eq!(part.to_string().parse().as_ref(), Ok(&part), "its text is it");
        merged.merge(part).expect("another part of it");
    }
    assert_eq!(merged.runs(), 8);
    assert!(merged.scenarios["secure"].bins["delivered"] > 0, "{merged}");
}

#[test]
fn a_campaign_that_never_saw_what_must_happen_sometimes_is_blind_and_fails() {
    let mut results = Results::default();
    let mut plan = generate(&scenario("secure").menu(), 1);
    plan.steps.clear();
    plan.phase = Duration::from_secs(2);
    let played = scenario("secure").play(&plan, Look::default());
    assert!(played.is_ok(), "{played}");
    for seed in 0..BLIND_AFTER - 1 {
        results.add("secure", seed, &played);
    }
    assert!(results.is_ok(SCENARIOS), "it may still come");
    results.add("secure", BLIND_AFTER, &played);
    assert!(results.blind(SCENARIOS).contains(&("secure".into(), "a node crashed")));
    assert!(!results.is_ok(SCENARIOS));
}

#[test]
fn a_campaign_without_scenarios_plays_none() {
    let campaign = Campaign { scenarios: Vec::new(), runs: Some(3), ..Campaign::default() };
    let results = campaign.run(|| true, |_| panic!("there is nothing to play"));
    assert_eq!(results.runs(), 0);
}

/// A scenario of a user's own: it plays nothing, so that nothing happens that should.
struct Own {
    fails: bool,
    follows: bool,
}

const OWN: Mark = Mark { name: "something of one's own", reached: |_| false };

impl Scenario for Own {
    fn menu(&self) -> Menu {
        Menu { scenario: "own", ..scenario("port").menu() }
    }

    fn about(&self) -> &'static str {
        "nothing"
    }

    fn promises(&self) -> Promises {
        Promises { marks: &[OWN], ..scenario("port").promises() }
    }

    fn follows_plans(&self) -> bool {
        self.follows
    }

    fn play(&self, _: &Plan, _: Look) -> Played {
        let violations = Vec::from_iter(self.fails.then(|| "it fails".into()));
        Played { violated: violations.len() as u64, violations, ..Played::default() }
    }
}

#[test]
fn a_campaign_is_blind_for_scenarios_of_ones_own_too() {
    static PLAIN: Own = Own { fails: false, follows: true };
    let campaign =
        Campaign { scenarios: vec![&PLAIN], runs: Some(BLIND_AFTER), ..Campaign::default() };
    let results = campaign.run(|| true, |_| ());
    assert_eq!(results.blind(&[&PLAIN]), [("own".into(), OWN.name)]);
    assert!(!results.is_ok(&[&PLAIN]));
}

#[test]
fn of_a_plan_that_is_not_followed_nothing_is_left_out() {
    let fails = |follows| {
        let own = Own { fails: true, follows };
        let plan = generate(&own.menu(), 1);
        let shrunk = shrink(&own, &plan, || true).expect("it fails");
        assert!(shrunk.complete);
        (plan, shrunk.plan)
    };
    let (plan, shrunk) = fails(true);
    assert!(shrunk.nodes.len() < plan.nodes.len() || shrunk.traffic != plan.traffic);
    let (plan, shrunk) = fails(false);
    assert_eq!(shrunk, plan);
}

#[test]
fn verdicts_that_are_kept_are_of_nodes_that_take_part() {
    for scenario in SCENARIOS {
        for seed in 20..23 {
            let mut plan = generate(&scenario.menu(), seed);
            plan.phase = plan.phase.min(Duration::from_secs(5));
            plan.verdicts = Some(scenario.play(&plan, Look::at_verdicts()).verdicts);
            assert_eq!(plan.check(), Ok(()));
        }
    }
}

#[test]
fn a_plan_that_does_not_fail_is_not_shrunk() {
    let mut plan = generate(&scenario("port").menu(), 1);
    plan.steps
        .retain(|step| matches!(step.what, Fault::Net(faults) if faults.loss == Chance::NEVER));
    assert!(shrink(scenario("port"), &plan, || true).is_none());
}

/// What books of `channels` say after node 1 heard this message, in the right place or not.
fn after_hearing(id: Id, to_me: bool) -> Vec<String> {
    let mut books = Books::new(&scenario("channels").promises(), true, None);
    books.excluded = Some(3);
    let (src, place) = (Some(id.src.into()), 1);
    let says = Note::Said { id, len: 8, result: Ok(()) };
    books.hear(Instant::ZERO, MemoryAddr(id.src.into()), says);
    let hears = Note::Heard { src, place, site: 0, to_me, id: Some(id), len: 8 };
    books.hear(Instant::ZERO, MemoryAddr(1), hears);
    books.violations
}

fn said_by(src: u8) -> Id {
    Id { src, dst: 1, kind: Kind::Tell, number: 5 }
}

#[test]
fn what_is_heard_in_another_place_or_of_somebody_who_is_on_no_list_is_a_violation() {
    for friend in [0, 1] {
        assert_eq!(after_hearing(said_by(friend), true), Vec::<String>::new());
        assert_eq!(after_hearing(said_by(friend), false).len(), 1, "in another place");
    }
    assert_eq!(after_hearing(said_by(3), true).len(), 1, "on no list");
}

#[test]
fn that_a_node_is_told_too_large_of_what_its_stack_says_it_takes_is_a_violation() {
    for (name, violated) in [("channels", 2), ("tight", 0)] {
        let mut books = Books::new(&scenario(name).promises(), true, None);
        let says = Note::Said { id: said_by(0), len: 9, result: Err("too large") };
        books.hear(Instant::ZERO, MemoryAddr(0), says);
        let lost = Note::Undelivered { dst: Some(1), reason: "too large" };
        books.hear(Instant::ZERO, MemoryAddr(0), lost);
        assert_eq!(books.violated, violated, "{name}");
    }
}

#[test]
fn what_a_node_says_to_itself_must_not_leave_it() {
    for (src, violated) in [(1, 1), (0, 0)] {
        let mut books = Books::new(&scenario("channels").promises(), true, None);
        let (number, bytes) = (src, said_by(src).body(40));
        let says = Note::Said { id: said_by(src), len: 40, result: Ok(()) };
        books.hear(Instant::ZERO, MemoryAddr(number.into()), says);
        let (src, dst) = (MemoryAddr(src.into()), MemoryAddr(1));
        let id = DatagramId { sender: Some(src), number: 0 };
        let fate = Fate::Sent { copies: 1 };
        books.see(&Sighting { now: Instant::ZERO, id, src, dst, fate, bytes: &bytes });
        assert_eq!(books.violated, violated);
    }
}

#[test]
fn that_a_node_that_was_too_busy_for_a_request_runs_it_is_a_violation_in_either_order() {
    let request = Id { src: 0, dst: 1, kind: Kind::Request, number: 4 };
    let refused = |books: &mut Books| {
        let note = Note::Answered { id: Some(request), result: Err("busy") };
        books.hear(Instant::ZERO, MemoryAddr(0), note);
    };
    let runs = |books: &mut Books, open| {
        let id = Some(request);
        let note = Note::Ran { src: Some(0), to_me: true, id, len: 40, open };
        books.hear(Instant::ZERO, MemoryAddr(1), note);
    };
    let tried = |acts: &[&dyn Fn(&mut Books)]| {
        let mut books = Books::new(&scenario("tight").promises(), true, None);
        let says = Note::Said { id: request, len: 40, result: Ok(()) };
        books.hear(Instant::ZERO, MemoryAddr(0), says);
        acts.iter().for_each(|act| act(&mut books));
        books.violated
    };
    assert_eq!(tried(&[&refused]), 0);
    assert_eq!(tried(&[&|books| runs(books, 6)]), 0);
    assert_eq!(tried(&[&|books| runs(books, 7)]), 1, "more than it takes at once");
    assert_eq!(tried(&[&refused, &|books| runs(books, 1)]), 1);
    assert_eq!(tried(&[&|books| runs(books, 1), &refused]), 1);
}

#[test]
fn that_a_peer_moved_is_no_reason_not_to_hear_it_where_it_is_now() {
    let heard_at = |site| {
        let mut books = Books::new(&scenario("secure").promises(), true, None);
        let id = said_by(0);
        let says = Note::Said { id, len: 8, result: Ok(()) };
        books.hear(Instant::ZERO, MemoryAddr(250), says);
        let (peer, place) = (Some(0), 0);
        let down = Note::Down { peer, place, site: 0, moved: true };
        books.hear(Instant::ZERO, MemoryAddr(1), down);
        let hears = Note::Heard { src: peer, place, site, to_me: true, id: Some(id), len: 8 };
        books.hear(Instant::ZERO, MemoryAddr(1), hears);
        books.violated
    };
    assert_eq!((heard_at(1), heard_at(0)), (0, 1));
}

/// Two nodes, of which the first asks and tells while it goes from one address to another.
#[cfg(feature = "quic")]
const ROAMING: &str = "tellask-plan 1\nscenario quic-roaming\nsuite own\nnodes 0 1\ncore 0 1\n\
    phase 8s\nevery 100ms\nway 0 1\nat 0s net delay 10ms\n";

#[cfg(feature = "quic")]
#[test]
fn a_node_that_roams_amid_its_talk_is_heard_on_without_another_handshake() {
    let plan: Plan = format!("{ROAMING}at 2s roam 0 1\nat 4s roam 0 2\nat 6s roam 0 0\n")
        .parse()
        .expect("it is a plan");
    let played = scenario("quic-roaming").play(&plan, Look::default());
    assert!(played.is_ok(), "{played}");
    assert!(played.marks.contains(&"a connection followed its peer"), "{played}");
    assert_eq!((played.stats.total("dialled"), played.stats.total("accepted")), (1, 1), "{played}");
    // The application refuses some; nothing is lost.
    let comes_to = ["delivered", "answered", "failed: refused by the peer"];
    assert!(played.bins.keys().all(|bin| comes_to.contains(&bin.as_ref())), "{played}");
    assert!(played.bins.values().sum::<u64>() > 50, "{played}");
    let home: Plan = ROAMING.parse().expect("it is a plan");
    let played = scenario("quic-roaming").play(&home, Look::default());
    assert!(!played.marks.contains(&"a connection followed its peer"), "{played}");
}

/// Fails where a plan has somebody roam.
struct Roamed;

impl Scenario for Roamed {
    fn menu(&self) -> Menu {
        Menu { scenario: "roamed", roams: true, ..scenario("port").menu() }
    }

    fn about(&self) -> &'static str {
        "nothing"
    }

    fn promises(&self) -> Promises {
        scenario("port").promises()
    }

    fn play(&self, plan: &Plan, _: Look) -> Played {
        let roams = plan.steps.iter().any(|step| matches!(step.what, Fault::Roam(..)));
        let violations = Vec::from_iter(roams.then(|| "somebody roamed".into()));
        Played { violated: violations.len() as u64, violations, ..Played::default() }
    }
}

#[test]
fn shrinking_keeps_the_roam_that_matters_and_makes_it_the_nearest() {
    let plan = generate(&Roamed.menu(), 1);
    let shrunk = shrink(&Roamed, &plan, || true).expect("it fails");
    let left: Vec<_> = shrunk.plan.steps.iter().map(|step| &step.what).collect();
    assert!(matches!(left[..], [Fault::Roam(_, 0 | 1)]), "{}", shrunk.plan);
}
