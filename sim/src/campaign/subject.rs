//! What a campaign is about: a stack, and what it promises.

use crate::plan::{Menu, Plan};
use core::fmt;
use core::time::Duration;
use tellask::swarm::BoxSwarm;
use tellask::{Datagram, DatagramInput, MemoryAddr};

/// A stack in a campaign. In a box, so that the campaign is compiled once for all stacks of these addresses.
pub(super) type Stack<A> = BoxSwarm<DatagramInput<MemoryAddr>, Datagram<MemoryAddr>, A>;

/// A stack and what it promises.
pub(super) struct Subject<A: 'static> {
    pub(super) menu: Menu,
    pub(super) about: &'static str,
    pub(super) promises: Promises,
    /// Makes the stack of a node: of the plan, the node's number, and which of its lives it begins.
    pub(super) make: fn(&Plan, u32, u32) -> Stack<A>,
    /// What a node is called by the others: in the first of its places, in the second, and so on. A place is a channel,
    /// or a transport.
    pub(super) addrs: &'static [fn(&Plan, u32) -> A],
    /// Whether nodes talk to themselves.
    pub(super) to_self: bool,
    /// The number of a node that is on nobody's list.
    pub(super) excluded: Option<u32>,
}

/// What a stack promises, and how it is played with.
#[derive(Clone, Copy, Debug)]
pub struct Promises {
    /// What is said over it.
    pub says: Says,
    /// The lengths of what is said. Zero stands for the largest that the stack says it takes.
    pub sizes: &'static [usize],
    /// Whether nothing is too large of what the stack says it takes.
    pub fits: bool,
    /// A message of so many bytes or more is heard once at the most; a shorter one as often as it comes.
    pub once_from: usize,
    /// Within this time after all is well again everybody hears everybody.
    pub recovery: Duration,
    /// How long an answer is waited for.
    pub patience: Duration,
    /// How long somebody thinks about an answer, at the most.
    pub thinks: Duration,
    /// How many requests of one peer a node has to think about at once, at the most.
    pub open: fn(u32) -> usize,
    /// After so long without talk nothing is held any more.
    pub drain: Duration,
    /// What holds nothing then, by the last parts of the names of gauges.
    pub empty: &'static [&'static str],
    /// What must happen in some run of a campaign.
    pub marks: &'static [Mark],
}

/// What players say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// Messages.
    Tells,
    /// Requests.
    Asks,
    /// Both in turn.
    Both,
}

/// Something that must have happened in some run of a campaign, or the campaign is blind for it.
#[derive(Clone, Copy)]
pub struct Mark {
    /// In words.
    pub name: &'static str,
    /// Whether it happened in this run.
    pub reached: fn(&Tally) -> bool,
}

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// What a run came to, for marks.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// The counters of all nodes in all their lives.
    pub stats: tellask::stats::Snapshot,
    /// What was noted, how often, by the books.
    pub noted: std::collections::BTreeMap<&'static str, u64>,
}

impl Tally {
    /// The sum of all counters whose last part is `name`.
    #[must_use]
    pub fn counted(&self, name: &str) -> u64 {
        self.stats.total(name)
    }

    /// How often the books noted this.
    #[must_use]
    pub fn noted(&self, name: &str) -> u64 {
        self.noted.get(name).copied().unwrap_or(0)
    }
}

/// A scenario of the campaign: it is played by plans.
pub trait Scenario: Sync + Send {
    /// What plans of it are chosen from.
    fn menu(&self) -> Menu;

    /// In one line, what it is about.
    fn about(&self) -> &'static str;

    /// What its stack promises.
    fn promises(&self) -> Promises;

    /// Whether a plan says who takes part and what goes wrong. To others it says a seed and a suite, and nothing
    /// else of it is looked at, nor is there anything to look on at.
    fn follows_plans(&self) -> bool {
        true
    }

    /// Plays a plan of it.
    fn play(&self, plan: &Plan, look: super::Look) -> super::Played;
}
