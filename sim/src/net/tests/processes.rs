//! The same run in processes that have nothing else in common: whatever of a process finds its way into a run
//! (addresses of memory, the environment, seeds of hash maps) makes this fail.

use super::*;
use crate::net::{Burst, Codel, Nat, NatKind, Pace, Pipe, Place, Spread, host_port};
use std::process::Command;

/// Names this test to the test binary, and asks it to be the child.
const NAME: &str = "net::tests::processes::a_run_has_one_hash_in_all_processes";
const CHILD: &str = "TELLASK_SIM_CHILD";

/// A run with a bit of everything.
fn everything() -> Trace {
    let mut faults = lossy();
    faults.spread = Spread::LogNormal { median: Duration::from_millis(5), sigma: 700_000 };
    faults.burst =
        Burst { begins: Chance::percent(1), ends: Chance::percent(30), loss: Chance::percent(80) };
    faults.flip = Chance::percent(1);
    faults.truncate = Chance::percent(1);
    faults.append = Chance::percent(1);
    let mut network = talkers(11, faults, 3);
    let nat = Nat { kind: NatKind::Restricted, timeout: Duration::from_secs(9), hairpin: true };
    network.set_nat(700, nat, &[A]);
    network.set_drift(A, 250);
    network.set_pace(B, Pace { each: Duration::from_micros(300), queue: 100 });
    network.set_place(A, Place { x: 4_000, y: 1, z: 0 });
    network.set_place(B, Place { x: -4_000, y: 1, z: 0 });
    let pipe = Pipe { rate: 100_000, queue: 30_000 };
    let pipe = network.lay_managed(A, pipe, Codel::RFC).expect("there is a node");
    network.lead(B, pipe);
    network.run_for(Duration::from_secs(5));
    network.pause(B);
    network.run_for(Duration::from_secs(1));
    network.go_on(B);
    network.inject(MemoryAddr(99), host_port(700, 0), b"who is there?", Duration::ZERO);
    network.run_for(Duration::from_secs(5));
    network.trace()
}

/// Takes memory of many sizes and gives some of it back, so that what comes next lies elsewhere.
fn noise(seed: u64) -> Vec<Vec<u8>> {
    let sizes = (0..2_000).map(|nth| mix(seed + nth) as usize % 5_000);
    let all: Vec<_> = sizes.map(|size| vec![0; size]).collect();
    all.into_iter().filter(|block| block.len() % 3 != seed as usize % 3).collect()
}

#[test]
fn a_run_has_one_hash_in_all_processes() {
    if let Ok(seed) = std::env::var(CHILD) {
        let noise = noise(seed.parse().expect("a number"));
        println!("hash {} {}", everything(), noise.len());
        return;
    }
    let here = everything().to_string();
    for seed in 1..3_u64 {
        let binary = std::env::current_exe().expect("this is run from a file");
        let mut child = Command::new(binary);
        child.args(["--exact", NAME, "--nocapture", "--test-threads=1"]);
        child.env(CHILD, seed.to_string());
        for nth in 0..seed * 50 {
            child.env(format!("NOISE_{nth}"), "x".repeat((nth * seed) as usize));
        }
        let output = child.output().expect("the binary runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let hash = text.split("hash ").nth(1).and_then(|rest| rest.split(' ').next());
        assert_eq!(hash, Some(&*here), "{text}");
    }
}
