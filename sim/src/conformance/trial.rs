//! What a case works with: the fabric, what is promised of it, and the moves that all cases make.

use super::report::{Outcome, Verdict};
use super::{Fabric, Promises};
use core::time::Duration;
use std::collections::BTreeSet;
use tellask::seed::Rng;
use tellask::swarm::TellError;
use tellask::{Addr, Event, Instant, Payload, Seed};

/// How often a message is told that has not arrived, where a case is not about loss.
const ATTEMPTS: u32 = 5;

/// In front of every message of the suite that has room for it: these, and a number.
const MARK: &[u8; 8] = b"tellask#";

/// The least length of a message that has a number.
pub const NUMBERED: usize = MARK.len() + size_of::<u64>();

/// The fabric of one case, and what is promised of it.
#[expect(missing_debug_implementations, reason = "a fabric need not be printable")]
pub struct Trial<'a, A> {
    /// The nodes.
    pub fabric: &'a mut dyn Fabric<Addr = A>,
    /// What is promised of them.
    pub promises: &'a Promises,
    /// For what is to be random.
    pub rng: Rng,
    nodes: usize,
    numbers: u64,
    turn: usize,
}

/// A message on its way from node to node.
#[derive(Clone, Debug)]
pub struct Post<A> {
    /// Who tells it.
    pub from: usize,
    /// Who hears it.
    pub to: usize,
    /// By which address.
    pub dst: A,
    /// What it says.
    pub payload: Vec<u8>,
}

impl<'a, A: Addr> Trial<'a, A> {
    /// A trial of these nodes, as soon as all of them know their addresses.
    ///
    /// # Errors
    /// One of them does not, in all the time that it has.
    pub fn new(
        fabric: &'a mut dyn Fabric<Addr = A>,
        nodes: usize,
        promises: &'a Promises,
        seed: &Seed,
    ) -> Outcome<Self> {
        let rng = seed.rng("conformance");
        let trial = Self { fabric, promises, rng, nodes, numbers: 0, turn: 0 };
        let until = trial.fabric.now() + promises.patience;
        for node in 0..nodes {
            while trial.fabric.link(node).local.is_empty() {
                if trial.fabric.now() >= until {
                    return Err(format!("node {node} never knew an address of its own").into());
                }
                trial.fabric.pass(Duration::from_millis(10));
            }
        }
        Ok(trial)
    }

    /// How many nodes there are.
    #[must_use]
    pub const fn nodes(&self) -> usize {
        self.nodes
    }

    /// What the others call a node.
    ///
    /// # Errors
    /// It has no address.
    pub fn addr(&self, node: usize) -> Outcome<A> {
        let first = self.fabric.link(node).local.into_iter().next();
        first.ok_or_else(|| format!("node {node} has no address").into())
    }

    /// The address of one node as a destination of another, and the most that a tell there takes.
    ///
    /// # Errors
    /// It has none.
    pub fn room(&self, from: usize, to: usize) -> Outcome<(A, usize)> {
        let dst = self.addr(to)?;
        let mtu = self.fabric.mtu_to(from, &dst);
        Ok((dst, mtu))
    }

    /// A new message of `len` bytes: with a number of its own where it has room for that, random behind
    /// it.
    pub fn message(&mut self, len: usize) -> Vec<u8> {
        let mut message = vec![0; len];
        self.rng.fill(&mut message);
        if len >= NUMBERED {
            self.numbers += 1;
            let number = self.numbers.to_be_bytes();
            message[..MARK.len()].copy_from_slice(MARK);
            message[MARK.len()..NUMBERED].copy_from_slice(&number);
        }
        message
    }

    /// The length of messages that may have any: short, and with room behind their number.
    #[must_use]
    pub const fn short(&self) -> usize {
        NUMBERED + 16
    }

    /// A new short message from node to node.
    ///
    /// # Errors
    /// The other node has no address.
    pub fn post(&mut self, from: usize, to: usize) -> Outcome<Post<A>> {
        let (dst, payload) = (self.addr(to)?, self.message(self.short()));
        Ok(Post { from, to, dst, payload })
    }

    /// The next event of any node, waited for `until` then.
    pub fn next(&mut self, until: Instant) -> Option<(usize, Event<A>)> {
        loop {
            for _ in 0..self.nodes {
                let node = self.turn % self.nodes;
                self.turn += 1;
                if let Some(event) = self.fabric.next_event(node) {
                    return Some((node, event));
                }
            }
            let left = until.since(self.fabric.now());
            if left.is_zero() {
                return None;
            }
            self.fabric.pass(left);
        }
    }

    /// By when something has to have come.
    #[must_use]
    pub fn patience(&self) -> Instant {
        self.fabric.now() + self.promises.patience
    }

    /// By when something would have come that must not.
    #[must_use]
    pub fn quiet(&self) -> Instant {
        self.fabric.now() + self.promises.quiet
    }

    /// Tells something; where the node is full, again as soon as it takes it.
    ///
    /// # Errors
    /// It does not take it at all.
    pub fn tell(&mut self, from: usize, dst: &A, payload: &[u8]) -> Outcome {
        let until = self.patience();
        loop {
            let told = self.fabric.tell(from, dst.clone(), Payload::from(payload.to_vec()));
            match told {
                Ok(()) => return Ok(()),
                Err(TellError::Full) if self.fabric.now() < until => {
                    self.fabric.pass(Duration::from_millis(20));
                }
                Err(error) => {
                    let len = payload.len();
                    return Err(
                        format!("node {from} does not tell {len} bytes to {dst}: {error}").into()
                    );
                }
            }
        }
    }

    /// Tells all of them at once, those that do not arrive again, and returns those that never do.
    /// Which one arrived is told by its number.
    ///
    /// # Errors
    /// A node does not take one.
    pub fn deliver(&mut self, posts: &[Post<A>]) -> Outcome<Vec<Post<A>>> {
        let mut missing: Vec<Post<A>> = posts.to_vec();
        for _ in 0..ATTEMPTS {
            for post in &missing {
                self.tell(post.from, &post.dst, &post.payload)?;
            }
            let mut heard = BTreeSet::new();
            let until = self.patience();
            while !missing.is_empty()
                && let Some((node, event)) = self.next(until)
            {
                if let Event::Told(message) = event
                    && let Some(arrived) = number(&message.payload)
                {
                    heard.insert((node, arrived));
                    missing.retain(|post| {
                        number(&post.payload).is_none_or(|own| !heard.contains(&(post.to, own)))
                    });
                }
            }
            if missing.is_empty() {
                break;
            }
        }
        Ok(missing)
    }
}

/// The number of a message of the suite.
#[must_use]
pub fn number(message: &[u8]) -> Option<u64> {
    let number = message.strip_prefix(MARK)?.first_chunk()?;
    Some(u64::from_be_bytes(*number))
}

/// Says that a case does not apply, because of what is missing.
#[must_use]
pub fn lacks(what: &str) -> Verdict {
    Verdict::NotApplicable(what.into())
}
