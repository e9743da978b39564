//! What a case works with: the fabric, what is promised of it, and the moves that all cases make.

use super::report::{Outcome, Verdict};
use super::{Fabric, Promises};
use core::time::Duration;
use std::collections::BTreeMap;
use tellask::seed::Rng;
use tellask::swarm::{AskError, AskId, Refusal, TellError, Token};
use tellask::{Addr, Command, Event, Instant, Message, Payload, Seed};

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
    asks: u64,
    turn: usize,
}

/// What became of a request.
pub type Reply = Result<Vec<u8>, AskError>;

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
        let trial = Self { fabric, promises, rng, nodes, numbers: 0, asks: 0, turn: 0 };
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

    /// Tells something that need not be accepted: to be refused at once is as good as later.
    pub fn try_tell(&mut self, from: usize, dst: A, message: Vec<u8>) {
        let _ = self.fabric.tell(from, dst, Payload::from(message));
    }

    /// Tells all of them at once, those that do not arrive again, and returns each as it arrived first.
    /// Which one arrived is told by its number.
    ///
    /// # Errors
    /// A node does not take one.
    pub fn hear(&mut self, posts: &[Post<A>]) -> Outcome<Vec<Option<Message<A>>>> {
        let index: BTreeMap<(usize, Option<u64>), usize> = posts
            .iter()
            .enumerate()
            .map(|(at, post)| ((post.to, number(&post.payload)), at))
            .collect();
        let mut heard: Vec<Option<Message<A>>> = vec![None; posts.len()];
        for _ in 0..ATTEMPTS {
            for (post, _) in posts.iter().zip(&heard).filter(|(_, heard)| heard.is_none()) {
                self.tell(post.from, &post.dst, &post.payload)?;
            }
            let until = self.fabric.now() + self.promises.patience / 4;
            while heard.iter().any(Option::is_none)
                && let Some((node, event)) = self.next(until)
            {
                if let Event::Told(message) = event
                    && let Some(at) = index.get(&(node, number(&message.payload)))
                {
                    heard[*at].get_or_insert(message);
                }
            }
        }
        Ok(heard)
    }

    /// The same; all of them must arrive.
    ///
    /// # Errors
    /// One of them never does.
    pub fn deliver(&mut self, posts: &[Post<A>]) -> Outcome<Vec<Message<A>>> {
        let heard = self.hear(posts)?;
        let mut all = Vec::new();
        for (post, message) in posts.iter().zip(heard) {
            let Post { from, to, dst, payload } = post;
            let len = payload.len();
            all.push(message.ok_or_else(|| {
                format!("node {to} never hears {len} bytes that node {from} tells it by {dst}")
            })?);
        }
        Ok(all)
    }

    /// Tells one node something short from another, which must arrive.
    ///
    /// # Errors
    /// It does not.
    pub fn still_tells(&mut self, from: usize, to: usize) -> Outcome {
        let post = self.post(from, to)?;
        self.deliver(&[post]).map(drop)
    }

    /// Asks something; where the node is full, again as soon as it takes it.
    ///
    /// # Errors
    /// It does not take it at all.
    pub fn ask(
        &mut self,
        from: usize,
        dst: &A,
        payload: &[u8],
        within: Duration,
    ) -> Outcome<AskId> {
        self.asks += 1;
        let (id, until) = (AskId::new(self.asks), self.patience());
        loop {
            let (now, payload) = (self.fabric.now(), Payload::from(payload.to_vec()));
            match self.fabric.ask(from, id, dst.clone(), payload, now + within) {
                Ok(()) => return Ok(id),
                Err(AskError::Full) if now < until => self.fabric.pass(Duration::from_millis(20)),
                Err(error) => {
                    return Err(format!("node {from} does not ask {dst}: {error}").into());
                }
            }
        }
    }

    /// Waits for the outcomes of these requests, `until` then at the latest, and returns the first of
    /// each. Whatever else happens is `handle`'s.
    pub fn outcomes(
        &mut self,
        ids: &[AskId],
        until: Instant,
        handle: &mut dyn FnMut(&mut Self, usize, Event<A>),
    ) -> BTreeMap<AskId, Reply> {
        let mut outcomes = BTreeMap::new();
        while ids.iter().any(|id| !outcomes.contains_key(id))
            && let Some((node, event)) = self.next(until)
        {
            match event {
                Event::Answered { id, result } => {
                    outcomes.entry(id).or_insert(result.map(|reply| reply.to_vec()));
                }
                other => handle(self, node, other),
            }
        }
        outcomes
    }

    /// Answers a request with what it says.
    pub fn echo(&mut self, node: usize, event: Event<A>) {
        if let Event::Asked { token, message, .. } = event {
            self.answer(node, token, message.src, Ok(message.payload.into()));
        }
    }

    /// Has a node answer a request.
    pub fn answer(&mut self, node: usize, token: Token, dst: A, result: Result<Payload, Refusal>) {
        self.fabric.command(node, Command::Answer { token, dst, result });
    }

    /// Asks one node something short from another; what it answers must be the same.
    ///
    /// # Errors
    /// It is not.
    pub fn still_asks(&mut self, from: usize, to: usize) -> Outcome {
        let post = self.post(from, to)?;
        let id = self.ask(from, &post.dst, &post.payload, self.promises.patience)?;
        let until = self.lateness(self.patience());
        match self.outcomes(&[id], until, &mut Self::echo).remove(&id) {
            Some(Ok(reply)) if number(&reply) == number(&post.payload) => Ok(()),
            Some(Ok(_)) => Err(format!("node {to} answers node {from} something else").into()),
            Some(Err(error)) => Err(format!("node {from} asks node {to} in vain: {error}").into()),
            None => Err(format!("node {from} asks node {to}, without any outcome").into()),
        }
    }

    /// Until when something may come that is due at `deadline`.
    #[must_use]
    pub fn lateness(&self, deadline: Instant) -> Instant {
        deadline + self.promises.quiet.max(self.promises.patience / 10)
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
