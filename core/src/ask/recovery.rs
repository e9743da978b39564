//! Which packets arrived and which are lost: RFC 9002's bookkeeping.
//!
//! Every packet that is to be acknowledged has a number, never used twice. What a packet carried is
//! sent again under a new number once a later packet has arrived and enough time has passed
//! ([`Rtt::loss_delay`]), or when nothing arrives at all ([`Rtt::timeout`]).
//!
//! Bounds: what the congestion window lets out, and [`KEPT`] packets more that were taken for lost.

use super::congestion::Window;
use super::rtt::{ACK_DELAY, Rtt};
use super::wire::Ack;
use crate::layer::earliest;
use crate::time::Instant;
use alloc::collections::VecDeque;
use core::time::Duration;

/// Packets taken for lost that are remembered, in case their acknowledgement is only late.
const KEPT: usize = 64;
/// What a packet costs on the way beside its bytes: headers below this layer.
pub(super) const BELOW: usize = 48;
/// Packets that a time-out sends again.
const PROBES: usize = 2;
/// Time-outs in a row after which the path counts as another one.
const SILENCE: u32 = 3;

/// Packets on their way, with what each carries.
#[derive(Clone, Debug)]
pub(super) struct Recovery<C> {
    /// The number of the first in `sent`.
    base: u64,
    sent: VecDeque<Sent<C>>,
    largest_acked: Option<u64>,
    /// Packets in `sent` that are on their way.
    flying: usize,
    /// When the last one was sent.
    last: Instant,
    rtt: Rtt,
    window: Window,
    /// Packets that may be sent whatever the window says.
    probes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Sent<C> {
    at: Instant,
    bytes: u32,
    state: State,
    /// The window, not the sender, was what ended the burst it belonged to.
    limited: bool,
    content: C,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    Flying,
    Acked,
    Lost,
}

/// What became of something that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate<C> {
    /// It arrived.
    Acked(C),
    /// It is to be sent again.
    Lost(C),
}

impl<C: Copy> Recovery<C> {
    /// Nothing sent yet, for packets of at most `unit` bytes.
    pub(super) const fn new(unit: usize) -> Self {
        Self {
            base: 0,
            sent: VecDeque::new(),
            largest_acked: None,
            flying: 0,
            last: Instant::ZERO,
            rtt: Rtt::new(),
            window: Window::new(unit),
            probes: 0,
        }
    }

    /// The number of the next packet.
    pub(super) fn next(&self) -> u64 {
        self.base.saturating_add(self.sent.len() as u64)
    }

    /// Whether another packet may be sent now.
    pub(super) const fn is_open(&self) -> bool {
        self.probes > 0 || self.window.is_open()
    }

    /// When the last packet was sent, or a time-out passed.
    pub(super) const fn last(&self) -> Instant {
        self.last
    }

    /// Whether nothing is on its way.
    pub(super) const fn is_idle(&self) -> bool {
        self.flying == 0
    }

    /// Whether anything was ever acknowledged.
    pub(super) const fn is_heard(&self) -> bool {
        self.largest_acked.is_some()
    }

    /// What comes next is for somebody who has acknowledged nothing yet.
    pub(super) const fn forget_heard(&mut self) {
        self.largest_acked = None;
    }

    /// Another packet size.
    pub(super) const fn set_unit(&mut self, unit: usize) {
        self.window.set_unit(unit);
    }

    /// What has the number [`next`](Self::next) was sent, in `bytes` bytes of the path.
    pub(super) fn on_sent(&mut self, now: Instant, bytes: usize, content: C) {
        self.probes = self.probes.saturating_sub(1);
        self.window.on_sent(bytes);
        self.flying += 1;
        self.last = now;
        let limited = !self.window.is_open();
        // Whole packets are far below 2^32.
        let bytes = bytes as u32;
        self.sent.push_back(Sent { at: now, bytes, state: State::Flying, limited, content });
    }

    /// Whether an acknowledgement speaks only of what was sent.
    pub(super) fn is_plausible(&self, ack: &Ack<'_>) -> bool {
        ack.largest < self.next()
    }

    /// The peer has received what `ack` says.
    pub(super) fn on_ack(&mut self, now: Instant, ack: &Ack<'_>, mut tell: impl FnMut(Fate<C>)) {
        self.on_largest(now, ack);
        // What ended a burst shows in its last packet; the whole burst was limited by it.
        let limited = self.was_limited();
        for (start, end) in ack.ranges() {
            let from = start.saturating_sub(self.base).min(self.sent.len() as u64) as usize;
            let to = end.saturating_sub(self.base).min(self.sent.len() as u64) as usize;
            for sent in self.sent.range_mut(from..to) {
                match sent.state {
                    State::Flying => {
                        self.flying -= 1;
                        self.window.on_acked(sent.bytes as usize, sent.at, limited);
                        tell(Fate::Acked(sent.content));
                    }
                    // Late, not lost.
                    State::Lost => tell(Fate::Acked(sent.content)),
                    State::Acked => {}
                }
                sent.state = State::Acked;
            }
            if end <= self.base {
                break;
            }
        }
        self.detect(now, &mut tell);
        self.forget();
    }

    fn on_largest(&mut self, now: Instant, ack: &Ack<'_>) {
        if self.largest_acked.is_some_and(|largest| ack.largest <= largest) {
            return;
        }
        self.largest_acked = Some(ack.largest);
        let nth = ack.largest.checked_sub(self.base).and_then(|nth| usize::try_from(nth).ok());
        let Some(sent) = nth.and_then(|nth| self.sent.get(nth)) else { return };
        let took = now.since(sent.at);
        let delay = Duration::from_micros(ack.delay).min(ACK_DELAY);
        self.rtt.sample(took.checked_sub(delay).unwrap_or(took));
    }

    fn was_limited(&self) -> bool {
        !self.window.is_open() || self.sent.iter().rev().take(8).any(|sent| sent.limited)
    }

    /// What is older than something that arrived, by long enough, is lost.
    fn detect(&mut self, now: Instant, tell: &mut impl FnMut(Fate<C>)) {
        let Some(largest) = self.largest_acked else { return };
        let before = largest.saturating_sub(self.base).min(self.sent.len() as u64) as usize;
        let delay = self.rtt.loss_delay();
        let queued = self.rtt.is_queued();
        for sent in self.sent.range_mut(..before) {
            if sent.state != State::Flying {
                continue;
            }
            if sent.at + delay > now {
                return;
            }
            sent.state = State::Lost;
            self.flying -= 1;
            self.window.on_lost(now, sent.bytes as usize, sent.at, queued);
            tell(Fate::Lost(sent.content));
        }
    }

    /// Lets go of the oldest, once they are of no more use.
    fn forget(&mut self) {
        while let Some(first) = self.sent.front()
            && (first.state == State::Acked
                || (first.state == State::Lost && self.sent.len() > KEPT))
        {
            self.sent.pop_front();
            self.base = self.base.saturating_add(1);
        }
    }

    fn loss_due(&self) -> Option<Instant> {
        let largest = self.largest_acked?;
        let before = largest.saturating_sub(self.base).min(self.sent.len() as u64) as usize;
        let first = self.sent.range(..before).find(|sent| sent.state == State::Flying)?;
        Some(first.at + self.rtt.loss_delay())
    }

    /// When [`on_timeout`](Self::on_timeout) has something to do.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let silent = (self.flying > 0).then(|| self.last + self.rtt.timeout());
        earliest(self.loss_due(), silent)
    }

    /// Does what is due; `noise` as for [`Rtt::back_off`].
    pub(super) fn on_timeout(&mut self, now: Instant, noise: u32, mut tell: impl FnMut(Fate<C>)) {
        if self.loss_due().is_some_and(|due| due <= now) {
            self.detect(now, &mut tell);
            self.forget();
        }
        if self.flying == 0 || self.last + self.rtt.timeout() > now {
            return;
        }
        self.rtt.back_off(noise);
        if self.rtt.backoff() >= SILENCE {
            self.window.on_silence(now);
        }
        // So that the next time-out counts from here, even where nothing can be sent just now.
        self.last = now;
        let mut lost = 0;
        let all = self.rtt.backoff() >= SILENCE;
        let queued = self.rtt.is_queued();
        for sent in &mut self.sent {
            if sent.state == State::Flying && (all || lost < PROBES) {
                sent.state = State::Lost;
                self.flying -= 1;
                self.window.on_lost(now, sent.bytes as usize, sent.at, queued);
                tell(Fate::Lost(sent.content));
                lost += 1;
            }
        }
        self.probes = PROBES.min(lost);
        self.forget();
    }

    /// Nothing of what is on its way will arrive, and it is not the path's doing.
    pub(super) fn on_reset(&mut self, mut tell: impl FnMut(Fate<C>)) {
        for sent in &mut self.sent {
            if sent.state == State::Flying {
                sent.state = State::Lost;
                self.flying -= 1;
                self.window.on_gone(sent.bytes as usize);
                tell(Fate::Lost(sent.content));
            }
        }
        self.forget();
    }

    /// All that a later call could depend on.
    pub(super) fn dump(&self, mut hasher: &mut dyn core::hash::Hasher)
    where
        C: core::hash::Hash,
    {
        use core::hash::Hash;
        (self.base, self.largest_acked, self.flying, self.last).hash(&mut hasher);
        (self.rtt, self.window, self.probes, &self.sent).hash(&mut hasher);
    }
}
