use super::*;
use crate::net::{
    Append, Burst, Chance, Faults, Flip, Loss, Passage, Passing, SamplesId, Spoil, Spread, Verdict,
};
use proptest::prelude::*;
use tellask::MemoryAddr;

const MENU: Menu = Menu {
    suite: Suite::Toy,
    scenario: "some",
    nodes: (2, 6),
    phase: Duration::from_secs(20),
    every: Duration::from_millis(100),
    tampering: true,
    replays: true,
    crashes: true,
    mtus: true,
    clocks: true,
    strains: true,
    roams: false,
};

#[test]
fn a_generated_plan_is_lawful_and_its_text_is_that_plan() {
    for seed in 0..300 {
        let plan = generate(&MENU, seed);
        assert_eq!(plan.check(), Ok(()), "seed {seed}");
        assert_eq!(plan.to_string().parse(), Ok(plan), "seed {seed}");
    }
    assert_eq!(generate(&MENU, 7), generate(&MENU, 7));
    assert_ne!(generate(&MENU, 7), generate(&MENU, 8));
}

#[test]
fn every_kind_of_trouble_is_chosen_sooner_or_later() {
    let mut kinds = BTreeSet::new();
    for seed in 0..300 {
        let words = |step: &Step| step.what.to_string().split(' ').next().map(String::from);
        kinds.extend(generate(&MENU, seed).steps.iter().filter_map(words));
    }
    let all = [
        "bounce", "clock", "crash", "cut", "drift", "jump", "link", "mend", "mtu", "net", "noise",
        "pause", "replay", "resume", "slow", "split", "start",
    ];
    assert!(kinds.iter().eq(&all), "{kinds:?}");
}

#[test]
fn what_a_scenario_does_not_put_up_with_is_not_chosen() {
    let calm = Menu {
        strains: false,
        tampering: false,
        replays: false,
        crashes: false,
        mtus: false,
        clocks: false,
        ..MENU
    };
    for seed in 0..200 {
        let text = generate(&calm, seed).to_string();
        let words =
            ["flip", "truncate", "noise", "replay", "bounce", "crash", "mtu", "clock", "pause"];
        assert!(!words.iter().any(|word| text.contains(word)), "{text}");
    }
}

#[test]
fn a_plan_is_read_as_a_person_writes_it() {
    let text = "
        tellask-plan 1
        # By hand.
        scenario secure
        nodes 0 1 2
        core 0 1
        phase 3s
        at 2s mend
        at 1s split 0
        verdict 0 1 7 after 3ms flip 9+2 and lost
        listed
    ";
    let plan: Plan = text.parse().unwrap();
    assert_eq!((plan.seed, &plan.nodes[..], &plan.core[..]), (0, &[0, 1, 2][..], &[0, 1][..]));
    assert_eq!(plan.steps[0].what, Fault::Split(vec![0]), "in the order of time");
    let which = Passing { src: MemoryAddr(0), dst: MemoryAddr(1), number: 7 };
    let spoil = Spoil { flip: Some(Flip { first: 9, bits: 2 }), ..Spoil::NONE };
    let after = Duration::from_millis(3);
    let lost = Passage::Lost(Loss::Random);
    let verdict = Verdict { first: Passage::Arrives { after, spoil }, second: Some(lost) };
    assert_eq!(plan.verdicts.unwrap().get(&which), Some(&verdict));
}

#[test]
fn every_loss_and_every_way_to_spoil_is_read_as_it_was_written() {
    let spoil = Spoil {
        keep: Some(3),
        flip: Some(Flip { first: 70, bits: 8 }),
        append: Some(Append { bytes: 64, seed: u64::MAX }),
    };
    let arrives = Passage::Arrives { after: Duration::from_nanos(1), spoil };
    let mut plan: Plan =
        "tellask-plan 1\nscenario x\nnodes 0 1\ncore 0\nphase 3s\nlisted\n".parse().unwrap();
    let (src, dst) = (MemoryAddr(0), MemoryAddr(1));
    let verdicts = Loss::ALL.into_iter().zip(0..).map(|(loss, number)| {
        let verdict = Verdict { first: Passage::Lost(loss), second: Some(arrives) };
        (Passing { src, dst, number }, verdict)
    });
    plan.verdicts = Some(verdicts.collect());
    assert_eq!(plan.to_string().parse::<Plan>().unwrap().verdicts, plan.verdicts, "{plan}");
}

#[test]
fn what_is_wrong_with_a_plan_is_said_with_its_line() {
    let wrong = |lines: &str| {
        let text = format!("tellask-plan 1\nscenario x\nnodes 0 1\ncore 0\nphase 3s\n{lines}");
        text.parse::<Plan>().unwrap_err().to_string()
    };
    assert_eq!("x".parse::<Plan>().unwrap_err().line, 1);
    assert_eq!(wrong("at 1s crush 1"), "line 6: nothing that goes wrong is called \"crush\"");
    assert_eq!(wrong("at 1 crash 1"), "line 6: \"1\" is no time: say 20ms, 3s, 7us or 9ns");
    assert_eq!(wrong("at 1s crash 1 2"), "line 6: \"2\" is too much");
    assert_eq!(wrong("at 1s crash"), "line 6: here should be a number");
    assert_eq!(wrong("at 1s crash 7"), "node 7 of `at 1s crash 7` takes no part");
    assert!(wrong("at 1s net loss 101%").starts_with("line 6: \"101%\" is no chance"));
    assert!(wrong("verdict 0 1 0 lost").starts_with("verdicts need a last line `listed`"));
    assert!(wrong("verdict 0 1 0 keep 7\nlisted").contains("`after` some time"));
    let stranger = "tellask-plan 1\nscenario x\nnodes 0 1\ncore 5\nphase 3s";
    let stranger = stranger.parse::<Plan>().unwrap_err().to_string();
    assert_eq!(stranger, "node 5 of the core takes no part");
}

#[test]
fn a_plan_that_would_take_for_ever_or_is_of_strangers_is_refused() {
    let wrong = |lines: &str| {
        let text = format!("tellask-plan 1\nscenario x\nnodes 0 1\ncore 0\nphase 3s\n{lines}");
        text.parse::<Plan>().map_err(|wrong| wrong.to_string())
    };
    let most =
        "every 1ms\nway 0 1\nway 1 0\nat 1s noise 0 1 65535\nat 1s mtu 1\nverdict 0 1 0 lost";
    assert!(wrong(&format!("{most}\nlisted")).is_ok());
    for (lines, what) in [
        ("every 999us", "a phase takes an hour at the most, and talk 1ms"),
        ("at 1s noise 0 1 65536", "`at 1s noise 0 1 65536` is of more than 65535 bytes"),
        ("at 1s mtu 0", "`at 1s mtu 0` leaves nothing that could be sent"),
        ("way 0 2", "`way 0 2` is of a node that takes no part"),
        ("way 2 0", "`way 2 0` is of a node that takes no part"),
        ("verdict 0 7 3 lost\nlisted", "`verdict 0 7 3` is of a node that takes no part"),
        ("verdict 7 0 3 lost\nlisted", "`verdict 7 0 3` is of a node that takes no part"),
    ] {
        assert_eq!(wrong(lines), Err(what.into()));
    }
}

#[test]
fn what_a_plan_has_once_is_not_said_twice() {
    for twice in [
        "scenario x",
        "seed 1",
        "suite own",
        "nodes 0",
        "core 0",
        "phase 1s",
        "every 1s",
        "most 1",
        "listed",
    ] {
        let rest =
            "scenario x\nseed 1\nsuite toy\nnodes 0\ncore 0\nphase 1s\nevery 1s\nmost 1\nlisted";
        let text = format!("tellask-plan 1\n{rest}\n{twice}");
        let (of, _) = twice.split_once(' ').unwrap_or((twice, ""));
        let wrong = text.parse::<Plan>().expect_err(twice);
        assert_eq!(wrong.to_string(), format!("line 11: {of:?} is said a second time"));
    }
}

#[test]
fn a_plan_with_fewer_nodes_has_nothing_of_the_others() {
    let plan = generate(&MENU, 3).with_nodes(&[0, 1]);
    assert_eq!(plan.check(), Ok(()));
    assert!(plan.steps.iter().all(|step| step.what.nodes().iter().all(|node| *node < 2)));
}

#[test]
fn chances_and_times_are_exact() {
    let mut faults = Faults::NONE;
    faults.loss = Chance::millionths(1_234);
    faults.delay = Duration::from_nanos(1_000_001);
    let mut plan = generate(&MENU, 1);
    plan.steps = vec![Step { at: Duration::from_nanos(7), what: Fault::Link(0, 1, faults) }];
    assert!(plan.to_string().contains("at 7ns link 0 1 delay 1000001ns loss 1234ppm"));
    assert_eq!(plan.to_string().parse(), Ok(plan));
}

proptest! {
    #[test]
    fn all_bytes_are_a_lawful_plan(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let plan = Plan::from_bytes(&MENU, &bytes);
        prop_assert_eq!(plan.check(), Ok(()));
        prop_assert_eq!(plan.to_string().parse(), Ok(plan));
    }
}

#[test]
fn every_fault_of_a_way_is_read_as_it_was_written() {
    let spreads = [
        Spread::None,
        Spread::Exponential { mean: Duration::from_millis(20) },
        Spread::LogNormal { median: Duration::from_micros(1_500), sigma: 700_001 },
        Spread::Samples(SamplesId(3)),
        Spread::Series(SamplesId(0)),
    ];
    for spread in spreads {
        let (begins, ends, loss) = (Chance::millionths(7), Chance::percent(20), Chance::ALWAYS);
        let burst = Burst { begins, ends, loss };
        let faults = Faults { spread, burst, append: Chance::percent(3), ..Faults::NONE };
        let mut plan: Plan =
            "tellask-plan 1\nscenario x\nnodes 0 1\ncore 0\nphase 3s\n".parse().unwrap();
        let at = Duration::from_secs(1);
        plan.steps = vec![
            Step { at, what: Fault::Net(faults) },
            Step { at, what: Fault::Link(0, 1, faults) },
        ];
        assert_eq!(plan.to_string().parse::<Plan>().unwrap().steps, plan.steps, "{plan}");
    }
}

#[test]
fn a_plan_with_roams_is_read_as_it_was_written_and_only_where_they_are_on_the_menu() {
    let roaming = Menu { roams: true, ..MENU };
    for seed in 0..100 {
        let plan = generate(&roaming, seed);
        assert_eq!(plan.check(), Ok(()), "seed {seed}");
        assert!(!plan.sites().is_empty(), "seed {seed}");
        assert_eq!(plan.to_string().parse().as_ref(), Ok(&plan), "seed {seed}");
        // The rest is as it would be without.
        let mut rest = plan;
        rest.steps.retain(|step| !matches!(step.what, Fault::Roam(..)));
        assert_eq!(rest, generate(&MENU, seed), "seed {seed}");
    }
    let head = "tellask-plan 1\nscenario x\nnodes 0 1\ncore 0\nphase 3s\n";
    let read = |lines: &str| format!("{head}{lines}").parse::<Plan>();
    let plan = read("at 1s roam 1 9\nat 2s roam 1 0\nverdict 2251 0 3 lost\nlisted").unwrap();
    assert_eq!(plan.steps[0].what, Fault::Roam(1, 9));
    assert_eq!(Vec::from_iter(plan.sites()), [(1, 9)]);
    // What became of what it sent from there stays as long as it does.
    assert_eq!(plan.with_nodes(&[0, 1]), plan);
    let without = plan.with_nodes(&[0]);
    assert!(without.steps.is_empty() && without.verdicts.unwrap().is_empty());
    for (lines, what) in [
        ("at 1s roam 1 10", "`at 1s roam 1 10` is to a site that is not below 10"),
        ("at 1s roam 2 1", "node 2 of `at 1s roam 2 1` takes no part"),
    ] {
        assert_eq!(read(lines).map_err(|wrong| wrong.to_string()), Err(what.into()));
    }
}
