//! What is played on the simulated network: each scenario is a plain function of its settings and a seed.
//!
//! A [`Report`] says what happened and what should not have. The same seed and settings give
//! the same report, its trace hash included, on every platform.

mod all_to_all;
mod asks;
mod congestion;
mod crowd;
mod faults;
mod flood;
mod ledger;
mod rekey;
mod report;
mod secure;
mod talker;

pub use all_to_all::all_to_all;
pub use asks::{Asker, Asks, asks};
pub use congestion::congestion;
pub use crowd::Crowd;
pub use faults::faults;
pub use flood::flood;
pub use ledger::{Between, Books, Figures, Ledger, Note, Recorded, Way, message_of};
pub use rekey::rekey;
pub use report::Report;
pub use secure::{DATE, Made, Secure, Suite, addr, key, node, timing};
pub use talker::Talker;

/// How large a scenario is played; what is left out is up to the scenario.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// How many nodes.
    pub nodes: Option<u32>,
    /// For how many simulated seconds.
    pub seconds: Option<u64>,
    /// How many threads run the nodes; one, where nothing is said. It changes nothing in what happens.
    pub threads: Option<usize>,
    /// Which cryptography secure nodes use; the protocol's own, where nothing is said.
    pub suite: Suite,
}

/// A scenario by name.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is about, in one line.
    pub about: &'static str,
    /// Plays it with a seed.
    pub run: fn(&Settings, u64) -> Report,
}

/// All scenarios.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "all-to-all",
        about: "everybody tells everybody with 20 % loss and a new session every second [20 nodes, 60 s]",
        run: all_to_all,
    },
    Scenario {
        name: "asks",
        about: "pairs that ask for up to 256 KiB with as much, with 30 % loss, and all is answered once [20 nodes]",
        run: asks,
    },
    Scenario {
        name: "congestion",
        about: "answers of 1 MiB for everybody through one slow link, which they share [9 nodes, 60 s]",
        run: congestion,
    },
    Scenario {
        name: "faults",
        about: "corruption, a partition, crashes and recorded datagrams, and all is well again [6 nodes]",
        run: faults,
    },
    Scenario {
        name: "flood",
        about: "hellos from spoofed sources while a pair talks [10000 sources, 10 s]",
        run: flood,
    },
    Scenario {
        name: "rekey",
        about: "new sessions every second under load, on a network that loses nothing [4 nodes, 20 s]",
        run: rekey,
    },
];
