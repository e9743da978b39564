//! Other addresses for the same nodes: a pair of functions.
//!
//! Maps `A → B`. Wire format: none. Timers: none. Bounds: an [`Up`] for what nobody has taken.
//!
//! `up` says what is called how above, `down` the reverse; either may know no name. What comes from a
//! node that has none above is dropped and counted, its requests are refused too; what goes to one that has none
//! below is refused as [`Undeliverable::NoRoute`]. Both must say the same at all times, and be
//! the reverse of one another where both say something: a peer that comes up under one name and goes
//! down under another is there for ever.

use crate::addr::Addr;
use crate::layer::Layer;
use crate::limits::Limits;
use crate::stats::StatsSink;
use crate::swarm::{Command, Event, Link, Refusal, Swarm, Undeliverable};
use crate::time::Instant;
use crate::up::Up;
use alloc::collections::VecDeque;
use core::fmt;

/// A swarm over `A`, as one over `B`.
pub struct Map<A, B, U, D> {
    upper: Up<B>,
    lower: VecDeque<Command<A>>,
    up: U,
    down: D,
    closing: bool,
    nameless: u64,
    refused: u64,
}

impl<A, B, U, D> Map<A, B, U, D>
where
    A: Addr,
    B: Addr,
    U: Fn(&A) -> Option<B>,
    D: Fn(&B) -> Option<A>,
{
    /// Calls each node what `up` says, and finds it by `down`.
    pub const fn new(up: U, down: D, limits: &Limits) -> Self {
        Self {
            upper: Up::new(limits),
            lower: VecDeque::new(),
            up,
            down,
            closing: false,
            nameless: 0,
            refused: 0,
        }
    }
}

impl<A, B, U, D> Layer for Map<A, B, U, D>
where
    A: Addr,
    B: Addr,
    U: Fn(&A) -> Option<B>,
    D: Fn(&B) -> Option<A>,
{
    type Input = Event<A>;
    type Transmit = Command<A>;
    type Command = Command<B>;
    type Event = Event<B>;

    fn handle_input(&mut self, _now: Instant, input: Self::Input) {
        self.closing |= matches!(input, Event::Closed);
        let asked = match &input {
            Event::Asked { token, message, .. } => Some((*token, message.src.clone())),
            Event::Link(_)
            | Event::PathMtu { .. }
            | Event::Told(_)
            | Event::Withdrawn { .. }
            | Event::Answered { .. }
            | Event::Identified { .. }
            | Event::PeerUp { .. }
            | Event::PeerDown { .. }
            | Event::Floor { .. }
            | Event::Undelivered { .. }
            | Event::Full { .. }
            | Event::Ready { .. }
            | Event::Closed => None,
        };
        if let Some(event) = input.try_map(|addr| (self.up)(&addr)) {
            return self.upper.push(event);
        }
        self.nameless += 1;
        if let Some((token, dst)) = asked {
            let result = Err(Refusal::default());
            self.lower.push_back(Command::Answer { token, dst, result });
        }
    }

    fn handle_command(&mut self, _now: Instant, command: Self::Command) {
        self.closing |= matches!(command, Command::Close);
        match command.try_map(|addr| (self.down)(&addr).ok_or(addr)) {
            Ok(command) => self.lower.push_back(command),
            Err(command) => {
                self.refused += 1;
                if let Some(event) = command.refuse(Undeliverable::NoRoute) {
                    self.upper.push(event);
                }
            }
        }
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        self.lower.pop_front()
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        self.upper.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn stats(&self, sink: &mut dyn StatsSink) {
        sink.enter(format_args!("map"));
        sink.counter("nameless", self.nameless);
        sink.counter("refused", self.refused);
        self.upper.stats(sink);
        sink.gauge("commands", self.lower.len() as u64);
        sink.gauge("closing", u64::from(self.closing));
        sink.leave();
    }
}

impl<A, B, U, D> Swarm for Map<A, B, U, D>
where
    A: Addr,
    B: Addr,
    U: Fn(&A) -> Option<B>,
    D: Fn(&B) -> Option<A>,
{
    type Addr = B;

    fn link(&self) -> &Link<B> {
        self.upper.link()
    }

    fn mtu_to(&self, dst: &B) -> usize {
        self.upper.mtu_to(dst)
    }

    fn is_full(&self, dst: &B) -> bool {
        self.upper.is_full(dst)
    }

    fn is_closed(&self) -> bool {
        self.closing
    }
}

impl<A: fmt::Debug, B: fmt::Debug, U, D> fmt::Debug for Map<A, B, U, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map")
            .field("upper", &self.upper)
            .field("lower", &self.lower)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::MemoryAddr;
    use crate::swarm::{Message, Scope, Token};
    use alloc::vec;
    use alloc::vec::Vec;
    use bytes::BytesMut;

    const NOW: Instant = Instant::from_nanos(1);

    type Named =
        Map<MemoryAddr, u64, fn(&MemoryAddr) -> Option<u64>, fn(&u64) -> Option<MemoryAddr>>;

    /// Above, nodes are called by a hundred more; those from 1,000 on have no name.
    fn map() -> Named {
        let up = |addr: &MemoryAddr| (addr.0 < 1_000).then(|| u64::from(addr.0) + 100);
        let down = |name: &u64| {
            let number = u32::try_from(name.checked_sub(100)?).ok()?;
            (number < 1_000).then_some(MemoryAddr(number))
        };
        Map::new(up, down, &Limits::default())
    }

    fn events(map: &mut Named) -> Vec<Event<u64>> {
        core::iter::from_fn(|| map.poll_event()).collect()
    }

    fn told<A>(src: A, dst: A) -> Event<A> {
        Event::Told(Message { src, dst, payload: BytesMut::from(&b"text"[..]) })
    }

    #[test]
    fn what_passes_has_other_addresses_on_the_other_side() {
        let mut map = map();
        map.handle_input(NOW, told(MemoryAddr(1), MemoryAddr(9)));
        assert_eq!(events(&mut map), [told(101, 109)]);
        map.handle_command(NOW, Command::Tell { dst: 101, payload: "text".into() });
        let below = Command::Tell { dst: MemoryAddr(1), payload: "text".into() };
        assert_eq!(map.poll_transmit(), Some(below));
        map.handle_input(NOW, Event::Full { scope: Scope::To(MemoryAddr(1)) });
        assert!(map.is_full(&101) && !map.is_full(&102));
    }

    #[test]
    fn a_link_loses_the_addresses_that_have_no_name() {
        let mut map = map();
        let local = vec![MemoryAddr(1), MemoryAddr(1_000)];
        let link = Link { local, unit: 500, tell_max: 500, ask_max: 0 };
        map.handle_input(NOW, Event::Link(link));
        assert_eq!((map.local_addrs(), map.mtu()), (&[101][..], 500));
    }

    #[test]
    fn who_has_no_name_is_not_heard_and_its_requests_do_not_wait() {
        let mut map = map();
        map.handle_input(NOW, told(MemoryAddr(1_000), MemoryAddr(9)));
        let (token, deadline) = (Token(3), Instant::MAX);
        let src = MemoryAddr(1_000);
        let message = Message { src, dst: MemoryAddr(9), payload: BytesMut::new() };
        map.handle_input(NOW, Event::Asked { token, message, deadline });
        assert_eq!(events(&mut map), []);
        let result = Err(Refusal::default());
        assert_eq!(map.poll_transmit(), Some(Command::Answer { token, dst: src, result }));
    }

    #[test]
    fn what_goes_to_nobody_is_refused() {
        let mut map = map();
        map.handle_command(NOW, Command::Tell { dst: 5, payload: "text".into() });
        let reason = Undeliverable::NoRoute;
        assert_eq!(events(&mut map), [Event::Undelivered { dst: 5, reason }]);
        assert_eq!(map.poll_transmit(), None);
    }
}
