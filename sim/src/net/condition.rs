//! What is wrong with a node: it is slow, it is paused, its clock is wrong.
//!
//! A slow node is busy for a while with each datagram and each timer. What arrives meanwhile waits, in a queue that has
//! a bound; timers wait too. A paused node does nothing until it goes on. Then everything comes in
//! the order of the times at which it should have: datagrams before timers where these are the same.

use super::Flight;
use super::clock::Clock;
use core::time::Duration;
use std::collections::VecDeque;
use tellask::Instant;

/// How fast a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How long it is busy with each datagram and each timer.
    pub each: Duration,
    /// How many datagrams wait for it; what arrives when so many do is lost.
    pub queue: usize,
}

impl Pace {
    /// No time passes with anything. While it is paused 1,024 datagrams wait.
    pub const FULL: Self = Self { each: Duration::ZERO, queue: 1_024 };
}

impl Default for Pace {
    fn default() -> Self {
        Self::FULL
    }
}

/// The condition of a node with which something is, or was, wrong.
#[derive(Default)]
pub(super) struct Condition {
    pub(super) clock: Clock,
    pub(super) pace: Pace,
    pub(super) paused: bool,
    /// When it is done with what it is at.
    free_at: Instant,
    waiting: VecDeque<Flight>,
}

/// What a node turns to next.
pub(super) enum Turn {
    Datagram(Flight),
    Timer,
    Nothing,
}

impl Condition {
    /// Whether what arrives now has to wait.
    pub(super) fn is_held(&self, now: Instant) -> bool {
        self.paused || self.free_at > now || !self.waiting.is_empty()
    }

    /// Lets a datagram wait, or gives it back where too many do.
    pub(super) fn wait(&mut self, flight: Flight) -> Result<(), Flight> {
        if self.waiting.len() >= self.pace.queue {
            return Err(flight);
        }
        self.waiting.push_back(flight);
        Ok(())
    }

    /// It turns to something.
    pub(super) fn spend(&mut self, now: Instant) {
        self.free_at = now + self.pace.each;
    }

    /// When it turns to something next, in the network's time, if the next of its timers is due at `timer`, by
    /// its own clock.
    pub(super) fn due(&self, timer: Option<Instant>) -> Option<Instant> {
        if self.paused {
            return None;
        }
        let timer = timer.map(|timer| self.clock.global(timer));
        let datagram = self.waiting.front().map(|flight| flight.at);
        Some(tellask::layer::earliest(timer, datagram)?.max(self.free_at))
    }

    /// What it turns to now; to a timer where there is one that is due.
    pub(super) fn turn(&mut self, now: Instant, timer: Option<Instant>) -> Turn {
        if self.paused || self.free_at > now {
            return Turn::Nothing;
        }
        let timer = timer.map(|timer| self.clock.global(timer)).filter(|timer| *timer <= now);
        let Some(arrived) = self.waiting.front().map(|flight| flight.at) else {
            return if timer.is_some() { Turn::Timer } else { Turn::Nothing };
        };
        if timer.is_some_and(|timer| timer < arrived) {
            return Turn::Timer;
        }
        self.waiting.pop_front().map_or(Turn::Nothing, Turn::Datagram)
    }

    /// It is not busy any longer; returns what waited for it, which it never hears.
    pub(super) fn abandon(&mut self) -> VecDeque<Flight> {
        self.free_at = Instant::ZERO;
        core::mem::take(&mut self.waiting)
    }
}
