//! Every swarm passes the conformance suite, and each planted fault fails the case that is named for it.

#![allow(clippy::wildcard_enum_match_arm, reason = "a test names what it looks for")]

mod doubled;
mod faults;
mod hosts;
mod leaky;
mod loops;
mod planted;
mod realm;
mod sockets;
#[cfg(feature = "ssh")]
mod ssh;
mod stacks;
mod text;
mod udp;

use core::fmt::Display;
use faults::Plant;
use hosts::{AsyncStd, Host, Smol, Tokio};
use loops::{Mio, Threads};
use planted::Planted;
use stacks::datagrams;
use std::collections::BTreeSet;
use tellask::MemoryAddr;
use tellask_sim::conformance::{Report, cases};

/// What sockets are played with: they have randomness of their own.
const SEED: u64 = 4;
/// What is played in memory.
const SEEDS: [u64; 3] = [4, 5, 6];

/// The stacks, each as it grows from datagrams: `$play` gets their names and their layers.
macro_rules! stacks {
    ($play:ident) => {
        $play! {
            bare: datagrams;
            p2pke: datagrams.secured();
            fragment: datagrams.fragmented(64 * 1_024);
            ask: datagrams.asking();
            mux: datagrams.muxed();
            join: datagrams.fanned();
            loopback: datagrams.looped();
            map: datagrams.mapped();
            filter: datagrams.secured().filtered();
            secure_fragments: datagrams.secured().fragmented(64 * 1_024);
            secure_asks: datagrams.secured().asking();
            p2pke_over_asks: datagrams.asking().secured();
            secure_channels: datagrams.secured().asking().muxed();
            channels_of_fragments: datagrams.fragmented(20_000).muxed();
            whole: datagrams.secured().fragmented(64 * 1_024).asking().muxed();
            whole_and_oneself: datagrams.secured().fragmented(64 * 1_024).asking().muxed().looped();
            asks_on_two_channels: datagrams.secured().fragmented(9_000).fanned().filtered().looped();
            mux_over_mux: datagrams.muxed().muxed().asking().mapped();
            fragments_of_channels: datagrams.muxed().fragmented(30_000).asking();
            multi: datagrams.doubled();
            multi_of_asks: datagrams.asking().doubled();
            multi_of_secure: datagrams.secured().asking().doubled();
            whole_on_multi:
                datagrams.doubled().secured().fragmented(64 * 1_024).asking().muxed();
            secure_twice: datagrams.secured().secured().asking();
        }
    };
}

/// Plays the suite on each stack in memory, boxed and not.
macro_rules! in_memory {
    ($($name:ident: datagrams $(. $layer:ident($($arg:expr)?))*;)*) => { $(
        mod $name {
            use super::*;

            #[test]
            fn passes_in_memory() {
                let stack = datagrams()$(.$layer($($arg)?))*;
                SEEDS.iter().for_each(|seed| stack.play(*seed).assert_passed());
            }

            #[test]
            fn passes_in_memory_in_boxes() {
                let stack = datagrams().boxed()$(.$layer($($arg)?).boxed())*;
                SEEDS.iter().for_each(|seed| stack.play(*seed).assert_passed());
            }
        }
    )* };
}

/// Stacks on sockets of the loopback interface, by name: boxed and not.
macro_rules! on_sockets {
    ($($name:ident: datagrams $(. $layer:ident($($arg:expr)?))*;)*) => {
        [$((
            stringify!($name),
            || udp::play::<Tokio, _, _>(&udp::datagrams()$(.$layer($($arg)?))*, SEED),
            || udp::play::<Tokio, _, _>(&udp::datagrams().boxed()$(.$layer($($arg)?).boxed())*, SEED),
        )),*]
    };
}

stacks!(in_memory);

#[cfg(feature = "quic")]
mod quic {
    use super::*;

    /// How to play it from a seed.
    type Seeded = fn(u64) -> Report;

    // Each layer in a box: the compiler is busy for minutes with stacks that it sees through.

    #[test]
    fn passes_in_memory_over_all_that_it_can_stand_on_and_below_all_that_can_stand_on_it() {
        let plays: [(&str, Seeded); _] = [
            ("over memory", |seed| datagrams().boxed().quic().boxed().play(seed)),
            ("over p2pke", |seed| datagrams().boxed().secured().boxed().quic().boxed().play(seed)),
            ("over multi", |seed| datagrams().boxed().doubled().boxed().quic().boxed().play(seed)),
            ("as transports", |seed| {
                datagrams().boxed().quic().boxed().doubled().boxed().play(seed)
            }),
            ("below others", |seed| {
                datagrams()
                    .boxed()
                    .quic()
                    .boxed()
                    .filtered()
                    .boxed()
                    .muxed()
                    .boxed()
                    .looped()
                    .play(seed)
            }),
        ];
        for ((name, play), seed) in
            plays.into_iter().flat_map(|play| SEEDS.map(|seed| (play, seed)))
        {
            let report = play(seed);
            assert!(report.failed().is_empty(), "{name}: {report}");
        }
    }

    /// Built and from text, on sockets of a runtime.
    fn plays<H: Host>() -> [(&'static str, BoxedPlay); 3] {
        let plays: [(&str, Play); _] = [
            ("built", || udp::play::<H, _, _>(&udp::datagrams().boxed().quic().boxed(), SEED)),
            ("below channels", || {
                let stack = udp::datagrams().boxed().quic().boxed().muxed().boxed();
                udp::play::<H, _, _>(&stack, SEED)
            }),
            ("from text", || udp::play_text::<H>("| quic | mux(u16, 1)", SEED)),
        ];
        plays.map(|(name, play)| (name, Box::new(play) as _))
    }

    #[test]
    fn passes_from_text_in_memory() {
        for layers in ["| quic", "| p2pke | quic | mux(string, one) | loopback"] {
            let report = text::in_memory(layers).play(SEED);
            assert!(report.failed().is_empty(), "{layers}: {report}");
        }
    }

    #[test]
    fn passes_on_sockets_of_tokio() {
        all_pass(plays::<Tokio>());
    }

    #[test]
    fn passes_on_sockets_of_tokio_in_several_threads() {
        all_pass(plays::<Tokio<2>>());
    }

    #[test]
    fn passes_on_sockets_of_smol() {
        all_pass(plays::<Smol>());
    }

    /// In loops of one's own.
    macro_rules! without_a_runtime {
        ($how:ty) => {{
            let plays: [(&str, Play); _] = [
                ("alone", || {
                    loops::play::<$how, _, _>(&udp::datagrams().boxed().quic().boxed(), SEED)
                }),
                ("below channels", || {
                    let stack = udp::datagrams().boxed().quic().boxed().muxed().boxed();
                    loops::play::<$how, _, _>(&stack, SEED)
                }),
            ];
            plays.map(|(name, play)| (name, Box::new(play) as BoxedPlay))
        }};
    }

    #[test]
    fn passes_in_threads_without_a_runtime() {
        all_pass(without_a_runtime!(Threads<_>));
    }

    #[test]
    fn passes_in_one_loop_of_mio() {
        all_pass(without_a_runtime!(Mio<_>));
    }
}

#[cfg(feature = "ssh")]
mod on_ssh {
    use super::*;
    use tellask_sim::streams::Faults;

    /// On TCP, on a runtime.
    fn passes<H: Host>() {
        let report = ssh::play::<H>(SEED);
        assert!(report.failed().is_empty(), "{report}");
    }

    #[test]
    fn passes_on_simulated_connections() {
        for seed in SEEDS {
            let report = ssh::play_in_memory(Faults::NONE, seed);
            assert!(report.failed().is_empty(), "{report}");
        }
    }

    #[test]
    fn passes_on_simulated_connections_byte_by_byte_and_with_stalls() {
        for seed in SEEDS {
            let report = ssh::play_in_memory(ssh::tiny_and_stalled(), seed);
            assert!(report.failed().is_empty(), "{report}");
        }
    }

    #[test]
    fn passes_on_tcp_of_tokio() {
        passes::<Tokio>();
    }

    #[test]
    fn passes_on_tcp_of_tokio_in_several_threads() {
        passes::<Tokio<2>>();
    }

    #[test]
    fn passes_on_tcp_of_smol() {
        passes::<Smol>();
    }

    #[test]
    fn passes_on_tcp_of_async_std() {
        passes::<AsyncStd>();
    }
}

/// How to play the suite on a stack.
type Play = fn() -> Report;

type BoxedPlay = Box<dyn FnOnce() -> Report + Send>;

/// Plays it on all of them side by side: most of the time they wait.
fn all_pass<N: Display + Send>(plays: impl IntoIterator<Item = (N, BoxedPlay)>) {
    std::thread::scope(|scope| {
        let spawn = |(name, play)| (name, scope.spawn(play));
        let threads: Vec<_> = plays.into_iter().map(spawn).collect();
        for (name, thread) in threads {
            let report = thread.join().expect("a case that panics is reported");
            assert!(report.failed().is_empty(), "{name}: {report}");
        }
    });
}

#[test]
fn stacks_from_text_pass_in_memory() {
    for (layers, seed) in
        text::STACKS.into_iter().flat_map(|layers| SEEDS.map(|seed| (layers, seed)))
    {
        let report = text::in_memory(layers).play(seed);
        assert!(report.failed().is_empty(), "{layers}: {report}");
    }
}

#[test]
fn the_nodes_of_a_realm_pass() {
    let plays: [(&str, Play); _] = [
        ("bare", || realm::play(&realm::datagrams(), SEED)),
        ("fragment", || realm::play(&realm::datagrams().fragmented(64 * 1_024), SEED)),
        ("ask", || realm::play(&realm::datagrams().asking(), SEED)),
        ("mux", || realm::play(&realm::datagrams().asking().muxed().looped(), SEED)),
    ];
    all_pass(plays.map(|(name, play)| (name, Box::new(play) as _)));
}

// All stacks of a runtime are one test: they wait side by side, where tests wait for one another.

#[test]
fn every_stack_passes_on_sockets() {
    let stacks: [(&str, Play, Play); _] = stacks!(on_sockets);
    let mut plays = Vec::new();
    for (name, play, boxed) in stacks {
        plays.push((name.to_owned(), play));
        plays.push((format!("{name} in boxes"), boxed));
    }
    let plays = plays.into_iter().map(|(name, play)| (name, Box::new(play) as _));
    all_pass(plays.chain(from_text::<Tokio>().map(|(name, play)| (name.to_owned(), play))));
}

/// Plays some of the built stacks with `$play`, and those from text on the runtime.
macro_rules! some_pass {
    ($($play:ident)::+ < $how:ty >) => {{
        let built: [(&str, Play); _] = [
            ("bare", || $($play)::+::<$how, _, _>(&udp::datagrams(), SEED)),
            ("p2pke", || $($play)::+::<$how, _, _>(&udp::datagrams().secured(), SEED)),
            ("multi", || $($play)::+::<$how, _, _>(&udp::datagrams().asking().doubled(), SEED)),
            ("whole", || {
                let stack = udp::datagrams().secured().fragmented(64 * 1_024).asking().muxed();
                $($play)::+::<$how, _, _>(&stack, SEED)
            }),
        ];
        built.map(|(name, play)| (name, Box::new(play) as BoxedPlay))
    }};
}

/// Plays the suite on stacks from text, as a runtime makes them.
fn from_text<H: Host>() -> [(&'static str, BoxedPlay); text::STACKS.len()] {
    text::STACKS.map(|layers| -> (_, BoxedPlay) {
        (layers, Box::new(move || udp::play_text::<H>(layers, SEED)))
    })
}

#[test]
fn stacks_pass_on_tokio_in_several_threads() {
    all_pass(some_pass!(udp::play<Tokio<2>>).into_iter().chain(from_text::<Tokio<2>>()));
}

#[test]
fn stacks_pass_on_sockets_of_smol() {
    all_pass(some_pass!(udp::play<Smol>).into_iter().chain(from_text::<Smol>()));
}

#[test]
fn stacks_pass_on_async_std() {
    all_pass(some_pass!(udp::play<AsyncStd>).into_iter().chain(from_text::<AsyncStd>()));
}

#[test]
fn stacks_pass_in_threads_without_a_runtime() {
    all_pass(some_pass!(loops::play<Threads<_>>));
}

#[test]
fn stacks_pass_in_one_loop_of_mio() {
    all_pass(some_pass!(loops::play<Mio<_>>));
}

/// Plays the suite on the recipe's swarm with a fault on it, which only one case is to find.
macro_rules! is_found {
    ($recipe:expr, $plant:expr, $found:expr) => {{
        let (recipe, Plant { case, what, fault }) = ($recipe, $plant);
        let nobody = recipe.nobody.clone();
        let faulty = recipe.with(move |lower, _, _| Planted::new(lower, fault(&nobody)));
        for report in SEEDS.map(|seed| faulty.play(seed)) {
            if report.failed() != [case] {
                $found.push(format!("a swarm that {what} is to fail {case:?}: {report}"));
            }
        }
        case
    }};
}

#[test]
fn each_planted_fault_fails_the_case_that_is_named_for_it_and_no_other() {
    let (mut wrong, mut covered) = (Vec::new(), BTreeSet::new());
    let whole = || datagrams().secured().asking().muxed().boxed();
    let right = whole().play(SEED);
    right.assert_passed();
    assert_eq!(right.not_applicable(), ["ask: unsupported"], "{right}");
    let plants = [faults::of_tells(), faults::of_asks(), faults::of_keys()];
    for plant in plants.into_iter().flatten() {
        covered.insert(is_found!(whole(), plant, wrong));
    }
    covered.insert(is_found!(datagrams(), faults::of_no_asks(), wrong));
    covered.insert(is_found!(datagrams().looped(), faults::of_loops(), wrong));
    covered.insert(is_found!(datagrams().fanned(), faults::of_members(), wrong));
    covered.insert(is_found!(datagrams().asking().doubled(), faults::of_transports(), wrong));
    let leaky = datagrams().asking().leaky().play(SEED);
    let case = "secure: in clear";
    if leaky.failed() != [case] {
        wrong.push(format!("a secure swarm that leaves asks to whoever is below: {leaky}"));
    }
    covered.insert(case);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let all: BTreeSet<&str> = cases::<MemoryAddr>().iter().map(|case| case.name).collect();
    assert_eq!(covered, all, "every case is named for a fault");
}
