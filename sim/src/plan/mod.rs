//! What a run is made of, as data: who takes part, what goes wrong when, and what chance decided.
//!
//! A [`Plan`] is [generated](generate) from a seed, or from bytes ([`Plan::from_bytes`]: what a fuzzer gives), read and written
//! as text, edited by hand, and shrunk. The same plan gives the same run.
//!
//! ```text
//! tellask-plan 1
//! scenario secure
//! seed 42
//! suite toy                           the cryptography: own or toy
//! nodes 0 1 2
//! core 0 1                            these are healed after the phase, the others are stopped
//! phase 20s                           how long things go wrong
//! every 200ms                         how often a node says something to each other one
//! most 100                            so many things on each way at the most
//! way 0 1                             only on these ways, where any is named
//! at 0s net delay 10ms loss 5%        faults of the whole network; what is not named does not happen
//! at 1s link 0 1 delay 10ms loss 50%  faults from 0 to 1
//! at 3s cut 0 1                       nothing gets from 0 to 1
//! at 4s mend 0 1
//! at 5s split 0 2                     nothing gets from these to the others and back
//! at 6s mend                          everything
//! at 7s crash 2                       stops and forgets everything but its key
//! at 8s start 2
//! at 9s replay 0 1 20                 the last 20 datagrams from 0 to 1 come again
//! at 9s bounce 0 1 20                 they come back to 0, as if 1 had sent them
//! at 9s noise 0 1 64                  64 bytes of nothing come to 1, as if from 0
//! at 9s mtu 1200
//! at 9s clock 1 -3600                 the date of 1 is an hour behind from now on
//! at 9s drift 1 200                   the clock of 1 is 200 millionths too fast from now on; -200 too slow
//! at 9s jump 1 3s                     it jumps ahead
//! at 9s pause 1                       1 stands still; what comes waits
//! at 9s resume 1
//! at 9s roam 1 2                      1 is at another address from now on, at its site 2; at 0 it is at home
//! at 9s slow 1 2ms                    each datagram takes 1 so long; what comes meanwhile waits
//! verdict 0 1 17 lost                 the datagram 17 from 0 to 1
//! verdict 0 1 18 after 3ms flip 9+2 and after 4ms keep 20
//! listed                              the other datagrams are plain: nothing is drawn
//! ```
//!
//! Lines that begin with `#` and empty lines are passed over. Times are whole numbers of `s`, `ms`, `us` or `ns`, chances
//! are `5%` or `1234ppm`.
//!
//! Bounds: at most [`MAX_NODES`] nodes, [`MAX_SITES`] sites of each, [`MAX_STEPS`] steps, an hour, talk every [`MIN_EVERY`], noise of
//! [`MAX_NOISE`] bytes. Refused: nodes that do not take part, what is said a second time though a plan has one of it, and
//! anything that is not written here, with the number of the line.

mod bytes;
mod generate;
#[cfg(test)]
mod tests;
mod text;
mod units;

pub use generate::{Menu, generate};
pub use text::PlanError;

use crate::net::{Faults, Passing, Verdicts};
use crate::scenario::Suite;
use core::time::Duration;
use std::collections::BTreeSet;
use tellask::MemoryAddr;

/// The most nodes of a plan.
pub const MAX_NODES: u32 = 250;
/// Sites of a node, of which the first, zero, is its home: [`Fault::Roam`].
pub const MAX_SITES: u32 = 10;
/// The most steps of a plan.
pub const MAX_STEPS: usize = 10_000;
/// The longest phase.
pub const MAX_PHASE: Duration = Duration::from_secs(3_600);
/// A node says something to another one so often at the most.
pub const MIN_EVERY: Duration = Duration::from_millis(1);
/// The longest noise, in bytes: a datagram has no room for more.
pub const MAX_NOISE: u32 = 65_535;

/// Everything that decides how a run goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Of which scenario.
    pub scenario: String,
    /// What keys, secrets and draws are derived from.
    pub seed: u64,
    /// The cryptography.
    pub suite: Suite,
    /// The numbers of the nodes that take part, in ascending order.
    pub nodes: Vec<u32>,
    /// Those of them that are healed after the phase, and must then make progress. The others are stopped.
    pub core: Vec<u32>,
    /// For how long things go wrong.
    pub phase: Duration,
    /// What is said.
    pub traffic: Traffic,
    /// What goes wrong, in the order of time.
    pub steps: Vec<Step>,
    /// What chance decided about datagrams: in place of all draws, or nothing.
    pub verdicts: Option<Verdicts>,
}

/// What nodes say to each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// How often a node says something to each other one.
    pub every: Duration,
    /// How many things on each way at the most; `None` where there is no limit.
    pub most: Option<u64>,
    /// Only on these ways; on all where it is empty.
    pub ways: Vec<(u32, u32)>,
}

/// Something that goes wrong, or is put right, at a time after the beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub at: Duration,
    /// What.
    pub what: Fault,
}

/// What may go wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// What happens to datagrams on every way that has no faults of its own.
    Net(Faults),
    /// What happens to them from one node to another.
    Link(u32, u32, Faults),
    /// Nothing gets from one to the other.
    Cut(u32, u32),
    /// It does again.
    Mend(u32, u32),
    /// Nothing gets from these to the others, nor back.
    Split(Vec<u32>),
    /// Everything gets everywhere.
    MendAll,
    /// A node stops and forgets everything but its key.
    Crash(u32),
    /// It starts again.
    Start(u32),
    /// Somebody sends the last so many datagrams from one to the other again.
    Replay(u32, u32, u32),
    /// Somebody sends them back to their sender, in the name of the other.
    Bounce(u32, u32, u32),
    /// Somebody sends so many bytes of nothing to the second, in the name of the first.
    Noise(u32, u32, u32),
    /// The largest datagram from now on.
    Mtu(u32),
    /// A node's date is so many seconds ahead of ours, or behind.
    Clock(u32, i64),
    /// A node's clock is so many millionths too fast, or too slow.
    Drift(u32, i32),
    /// A node's clock jumps ahead.
    Jump(u32, Duration),
    /// A node stands still.
    Pause(u32),
    /// It goes on.
    Resume(u32),
    /// Each datagram takes a node so long.
    Slow(u32, Duration),
    /// A node goes to this one of its sites, with all its state. At home, which is zero, its address is its number; at
    /// each further site that is [`MAX_NODES`] more.
    ///
    /// What is said of a way between two nodes, as by [`Cut`](Self::Cut) and [`Link`](Self::Link), is of the
    /// sites where they are at that time: who leaves leaves it behind, and finds it when coming back. So does
    /// what is put right: [`Mend`](Self::Mend) is of where both are then. [`MendAll`](Self::MendAll) is of all.
    Roam(u32, u32),
}

impl Plan {
    /// Where its nodes go besides their homes: the node and the site.
    #[must_use]
    pub fn sites(&self) -> BTreeSet<(u32, u32)> {
        let mut sites = BTreeSet::new();
        for step in &self.steps {
            if let Fault::Roam(node, site) = step.what
                && site > 0
            {
                sites.insert((node, site));
            }
        }
        sites
    }

    /// How much there is to it: what shrinking makes smaller.
    #[must_use]
    pub fn size(&self) -> usize {
        self.steps.len() + self.verdicts.as_ref().map_or(0, Verdicts::len)
    }

    /// The same with these nodes only.
    #[must_use]
    pub fn with_nodes(&self, nodes: &[u32]) -> Self {
        let mut plan = self.clone();
        let takes_part = |node: &u32| nodes.contains(node);
        plan.nodes.retain(takes_part);
        plan.core.retain(takes_part);
        plan.traffic.ways.retain(|(src, dst)| takes_part(src) && takes_part(dst));
        for step in &mut plan.steps {
            if let Fault::Split(side) = &mut step.what {
                side.retain(takes_part);
            }
        }
        plan.steps.retain(|step| step.what.nodes().iter().all(takes_part));
        if let Some(verdicts) = &mut plan.verdicts {
            verdicts.retain(|which, _| {
                takes_part(&node_at(which.src)) && takes_part(&node_at(which.dst))
            });
        }
        plan
    }

    /// What is wrong with it, if anything is.
    ///
    /// # Errors
    /// Says so in words.
    pub fn check(&self) -> Result<(), String> {
        let known = |node: &u32| self.nodes.binary_search(node).is_ok();
        if self.nodes.is_empty() || self.nodes.len() > MAX_NODES as usize {
            return Err(format!("a plan has 1 to {MAX_NODES} nodes"));
        }
        if !self.nodes.is_sorted_by(|a, b| a < b) || self.nodes.iter().any(|n| *n >= MAX_NODES) {
            return Err(format!("nodes are different numbers below {MAX_NODES}, in order"));
        }
        if let Some(stranger) = self.core.iter().find(|node| !known(node)) {
            return Err(format!("node {stranger} of the core takes no part"));
        }
        if self.phase > MAX_PHASE || self.traffic.every < MIN_EVERY {
            return Err(format!("a phase takes an hour at the most, and talk {MIN_EVERY:?}"));
        }
        if let Some((src, dst)) = self.traffic.ways.iter().find(|(a, b)| !known(a) || !known(b)) {
            return Err(format!("`way {src} {dst}` is of a node that takes no part"));
        }
        let mut listed = self.verdicts.iter().flatten().map(|(which, _)| which);
        if let Some(Passing { src, dst, number }) =
            listed.find(|which| !known(&node_at(which.src)) || !known(&node_at(which.dst)))
        {
            let (src, dst) = (src.0, dst.0);
            return Err(format!("`verdict {src} {dst} {number}` is of a node that takes no part"));
        }
        if self.steps.len() > MAX_STEPS {
            return Err(format!("a plan has at most {MAX_STEPS} steps"));
        }
        for step in &self.steps {
            if let Some(stranger) = step.what.nodes().iter().find(|node| !known(node)) {
                return Err(format!("node {stranger} of `{step}` takes no part"));
            }
            if matches!(step.what, Fault::Noise(.., len) if len > MAX_NOISE) {
                return Err(format!("`{step}` is of more than {MAX_NOISE} bytes"));
            }
            if matches!(step.what, Fault::Roam(_, site) if site >= MAX_SITES) {
                return Err(format!("`{step}` is to a site that is not below {MAX_SITES}"));
            }
            if step.what == Fault::Mtu(0) {
                return Err(format!("`{step}` leaves nothing that could be sent"));
            }
        }
        Ok(())
    }
}

/// The address of a node at one of its sites.
pub(crate) const fn addr_at(node: u32, site: u32) -> MemoryAddr {
    MemoryAddr(node + MAX_NODES * site)
}

/// Whose address it is, at whichever site.
pub(crate) const fn node_at(addr: MemoryAddr) -> u32 {
    addr.0 % MAX_NODES
}

impl Fault {
    /// Whether it is about what lies between nodes, so that it holds before there are any.
    pub(crate) const fn is_of_the_network(&self) -> bool {
        match self {
            Self::Net(_)
            | Self::Link(..)
            | Self::Cut(..)
            | Self::Mend(..)
            | Self::Split(_)
            | Self::MendAll
            | Self::Mtu(_) => true,
            Self::Crash(_)
            | Self::Start(_)
            | Self::Replay(..)
            | Self::Bounce(..)
            | Self::Noise(..)
            | Self::Clock(..)
            | Self::Drift(..)
            | Self::Jump(..)
            | Self::Pause(_)
            | Self::Resume(_)
            | Self::Slow(..)
            | Self::Roam(..) => false,
        }
    }

    /// The nodes that it names.
    #[must_use]
    pub fn nodes(&self) -> Vec<u32> {
        match self {
            Self::Net(_) | Self::MendAll | Self::Mtu(_) => Vec::new(),
            Self::Crash(node)
            | Self::Start(node)
            | Self::Clock(node, _)
            | Self::Drift(node, _)
            | Self::Jump(node, _)
            | Self::Pause(node)
            | Self::Resume(node)
            | Self::Slow(node, _)
            | Self::Roam(node, _) => vec![*node],
            Self::Split(nodes) => nodes.clone(),
            Self::Link(src, dst, _)
            | Self::Cut(src, dst)
            | Self::Mend(src, dst)
            | Self::Replay(src, dst, _)
            | Self::Bounce(src, dst, _)
            | Self::Noise(src, dst, _) => vec![*src, *dst],
        }
    }
}
