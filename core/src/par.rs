//! Several layers side by side, as one.
//!
//! Every port of a [`Par`] is the port of a member, tagged with the member's key. A `Par` holds no
//! messages of its own: draining a member would hide the member's bound. It knows which members may
//! have something to say and when the next one has something to do, so an idle member costs nothing.
//!
//! What is addressed to a key without a member is dropped and counted.

use crate::layer::Layer;
use crate::stats::StatsSink;
use crate::time::Instant;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::fmt;
use core::hash::{Hash, Hasher};

/// Layers of one type side by side, each under a key.
#[derive(Clone, Debug)]
pub struct Par<K, L> {
    members: BTreeMap<K, Member<L>>,
    timers: BTreeSet<(Instant, K)>,
    // Members that may have output, each at most once per list, served in turn.
    transmitting: VecDeque<K>,
    reporting: VecDeque<K>,
    unknown: u64,
}

#[derive(Clone, Debug)]
struct Member<L> {
    layer: L,
    armed: Option<Instant>,
    transmitting: bool,
    reporting: bool,
}

impl<K: Ord + Clone, L: Layer> Par<K, L> {
    /// No members yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            members: BTreeMap::new(),
            timers: BTreeSet::new(),
            transmitting: VecDeque::new(),
            reporting: VecDeque::new(),
            unknown: 0,
        }
    }

    /// Puts a member under `key`, and returns the one that it replaces.
    pub fn insert(&mut self, key: K, layer: L) -> Option<L> {
        let old = self.remove(&key);
        let member = Member { layer, armed: None, transmitting: false, reporting: false };
        self.members.insert(key.clone(), member);
        self.touch(&key);
        old
    }

    /// Takes out the member under `key`, with whatever it still holds.
    pub fn remove(&mut self, key: &K) -> Option<L> {
        let member = self.members.remove(key)?;
        if let Some(at) = member.armed {
            self.timers.remove(&(at, key.clone()));
        }
        self.transmitting.retain(|other| other != key);
        self.reporting.retain(|other| other != key);
        Some(member.layer)
    }

    /// The member under `key`, to look at.
    #[must_use]
    pub fn member(&self, key: &K) -> Option<&L> {
        self.members.get(key).map(|member| &member.layer)
    }

    /// The door for setters of one member.
    pub fn with<T>(&mut self, key: &K, set: impl FnOnce(&mut L) -> T) -> Option<T> {
        let value = set(&mut self.members.get_mut(key)?.layer);
        self.touch(key);
        Some(value)
    }

    /// The keys of all members, in order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.members.keys()
    }

    /// Notes that a member may have output, and when its next timer is.
    fn touch(&mut self, key: &K) {
        let Some(member) = self.members.get_mut(key) else { return };
        if !member.transmitting {
            member.transmitting = true;
            self.transmitting.push_back(key.clone());
        }
        if !member.reporting {
            member.reporting = true;
            self.reporting.push_back(key.clone());
        }
        rearm(&mut self.timers, key, member);
    }
}

/// Keeps the index of timers in step with one member.
fn rearm<K: Ord + Clone, L: Layer>(
    timers: &mut BTreeSet<(Instant, K)>,
    key: &K,
    member: &mut Member<L>,
) {
    let due = member.layer.poll_timeout();
    if due == member.armed {
        return;
    }
    if let Some(at) = member.armed {
        timers.remove(&(at, key.clone()));
    }
    if let Some(at) = due {
        timers.insert((at, key.clone()));
    }
    member.armed = due;
}

impl<K: Ord + Clone, L: Layer> Default for Par<K, L> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Ord + Clone + fmt::Display + Hash, L: Layer> Layer for Par<K, L> {
    type Input = (K, L::Input);
    type Transmit = (K, L::Transmit);
    type Command = (K, L::Command);
    type Event = (K, L::Event);

    fn handle_input(&mut self, now: Instant, (key, input): Self::Input) {
        match self.members.get_mut(&key) {
            Some(member) => {
                member.layer.handle_input(now, input);
                self.touch(&key);
            }
            None => self.unknown += 1,
        }
    }

    fn handle_command(&mut self, now: Instant, (key, command): Self::Command) {
        match self.members.get_mut(&key) {
            Some(member) => {
                member.layer.handle_command(now, command);
                self.touch(&key);
            }
            None => self.unknown += 1,
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        // Each member that is due gets one call: one that stays due must not starve the others.
        let due: VecDeque<K> = self
            .timers
            .iter()
            .take_while(|(at, _)| *at <= now)
            .map(|(_, key)| key.clone())
            .collect();
        for key in due {
            if let Some(member) = self.members.get_mut(&key) {
                member.layer.handle_timeout(now);
                self.touch(&key);
            }
        }
    }

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        loop {
            let key = self.transmitting.pop_front()?;
            let Some(member) = self.members.get_mut(&key) else { continue };
            let transmit = member.layer.poll_transmit();
            rearm(&mut self.timers, &key, member);
            if let Some(transmit) = transmit {
                self.transmitting.push_back(key.clone());
                return Some((key, transmit));
            }
            member.transmitting = false;
        }
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        loop {
            let key = self.reporting.pop_front()?;
            let Some(member) = self.members.get_mut(&key) else { continue };
            let event = member.layer.poll_event();
            rearm(&mut self.timers, &key, member);
            if let Some(event) = event {
                self.reporting.push_back(key.clone());
                return Some((key, event));
            }
            member.reporting = false;
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    fn stats(&self, sink: &mut dyn StatsSink) {
        sink.enter(format_args!("par"));
        sink.counter("unknown_member", self.unknown);
        sink.gauge("members", self.members.len() as u64);
        sink.state("turns", &|mut hasher: &mut dyn Hasher| {
            (&self.timers, &self.transmitting, &self.reporting).hash(&mut hasher);
        });
        for (key, member) in &self.members {
            sink.enter(format_args!("{key}"));
            member.layer.stats(sink);
            sink.leave();
        }
        sink.leave();
    }
}
