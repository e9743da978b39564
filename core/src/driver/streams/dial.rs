//! When which place of an address is tried (RFC 8305, sections 4 and 5).
//!
//! The families take turns, beginning with that of the first place. While an attempt has not answered, the next
//! one begins [`STAGGER`] later; where one has failed, at once. The first that stands is taken.

use crate::addr::TcpAddr;
use crate::port::StreamEnd;
use crate::time::Instant;
use alloc::collections::VecDeque;
use core::net::SocketAddr;
use core::time::Duration;

/// Between the beginnings of two attempts, where the earlier one has not answered (RFC 8305, section 8).
pub const STAGGER: Duration = Duration::from_millis(250);

/// After this time nobody has answered. Longer than it takes to lose the first three packets that ask.
pub const DIAL_PATIENCE: Duration = Duration::from_secs(10);

/// A dial that has not come to an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dial {
    // Those that were not tried.
    rest: VecDeque<SocketAddr>,
    under_way: usize,
    next: Instant,
    deadline: Instant,
    failed: Option<StreamEnd>,
}

impl Dial {
    pub(super) fn new(addr: &TcpAddr, now: Instant) -> Self {
        let places = addr.places();
        let first = places.first().is_some_and(SocketAddr::is_ipv4);
        let (mut one, mut other) = (
            places.iter().filter(|place| place.is_ipv4() == first),
            places.iter().filter(|place| place.is_ipv4() != first),
        );
        let mut rest = VecDeque::new();
        while rest.len() < places.len() {
            rest.extend(one.next().into_iter().chain(other.next()));
        }
        Self { rest, under_way: 0, next: now, deadline: now + DIAL_PATIENCE, failed: None }
    }

    /// The place to try now, if any.
    pub(super) fn begin(&mut self, now: Instant) -> Option<SocketAddr> {
        if self.next > now {
            return None;
        }
        let place = self.rest.pop_front()?;
        self.under_way += 1;
        self.next = now + STAGGER;
        Some(place)
    }

    /// An attempt failed: the next one is due.
    pub(super) fn on_failed(&mut self, now: Instant, why: StreamEnd) {
        self.under_way = self.under_way.saturating_sub(1);
        self.failed = Some(why);
        self.next = now;
    }

    /// Why it is over, where it is: for what the last attempt failed, or for want of an answer.
    pub(super) fn over(&self, now: Instant) -> Option<StreamEnd> {
        if now >= self.deadline {
            return Some(StreamEnd::TimedOut);
        }
        self.failed.filter(|_| self.under_way == 0 && self.rest.is_empty())
    }

    /// When to look again.
    pub(super) fn due(&self) -> Instant {
        if self.rest.is_empty() { self.deadline } else { self.next.min(self.deadline) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn dial(text: &str) -> Dial {
        Dial::new(&text.parse().expect("an address"), Instant::ZERO)
    }

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn families_take_turns_in_the_order_of_the_places() {
        let mut dial = dial("[::1]:1,[::1]:2,[::1]:3,1.1.1.1:4,1.1.1.1:5");
        let ports: Vec<_> = (0..5).map(|n| dial.begin(at(n * 250)).map(|at| at.port())).collect();
        assert_eq!(ports, [Some(1), Some(4), Some(2), Some(5), Some(3)]);
    }

    #[test]
    fn the_next_place_is_tried_after_a_pause_and_at_once_where_one_has_failed() {
        let mut dial = dial("[::1]:1,1.1.1.1:2,1.1.1.1:3");
        assert!(dial.begin(at(0)).is_some());
        assert_eq!((dial.begin(at(249)), dial.due()), (None, at(250)));
        assert!(dial.begin(at(250)).is_some());
        assert_eq!(dial.begin(at(251)), None);
        dial.on_failed(at(252), StreamEnd::Refused);
        assert_eq!(dial.due(), at(252));
        assert!(dial.begin(at(252)).is_some());
        assert_eq!(dial.over(at(252)), None, "two are under way");
    }

    #[test]
    fn it_is_over_when_all_have_failed_or_nobody_answered_in_time() {
        let mut all = dial("[::1]:1,1.1.1.1:2");
        for why in [StreamEnd::Refused, StreamEnd::Unreachable] {
            assert!(all.begin(at(1)).is_some());
            assert_eq!(all.over(at(1)), None);
            all.on_failed(at(1), why);
        }
        assert_eq!(all.over(at(1)), Some(StreamEnd::Unreachable));
        let mut silent = dial("[::1]:1");
        assert!(silent.begin(at(0)).is_some());
        assert_eq!(silent.due(), Instant::ZERO + DIAL_PATIENCE);
        assert_eq!(silent.over(silent.due()), Some(StreamEnd::TimedOut));
    }
}
