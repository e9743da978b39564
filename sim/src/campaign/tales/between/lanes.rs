//! Layers between two swarms, all with the same two sides: below and above are lanes, and peers.

use super::{Muxed, Peer, Place};
use tellask::stats::Snapshot;
use tellask::{At, Command, Event, Filter, Instant, Join, Layer, Loopback, Swarm};

/// A layer between two swarms, with its lanes.
pub(super) trait Between {
    /// Whether messages are distinguished by lanes.
    const LANES: bool;
    /// Whether the lane stands in front of a message below.
    const HEADERS: bool = false;
    /// Whether the last peer is excluded.
    const EXCLUDES: bool = false;
    /// Whether what we say to ourselves comes back.
    const LOOPS: bool = false;

    fn input(&mut self, now: Instant, lane: u16, event: Event<Peer>);
    fn command(&mut self, now: Instant, command: Command<Place>);
    fn timeout(&mut self, now: Instant);
    fn transmit(&mut self) -> Option<(u16, Command<Peer>)>;
    fn event(&mut self) -> Option<Event<Place>>;
    fn due(&self) -> Option<Instant>;
    fn is_full(&self, place: &Place) -> bool;
    fn snapshot(&self) -> Snapshot;
    /// Closes and opens a lane; whether it can.
    fn reopen(&mut self, _now: Instant, _lane: u16) -> bool {
        false
    }
}

macro_rules! driven {
    () => {
        fn timeout(&mut self, now: Instant) {
            self.handle_timeout(now);
        }
        fn due(&self) -> Option<Instant> {
            self.poll_timeout()
        }
        fn snapshot(&self) -> Snapshot {
            let mut snapshot = Snapshot::default();
            self.stats(&mut snapshot);
            snapshot
        }
    };
}

impl Between for Muxed {
    const LANES: bool = true;
    const HEADERS: bool = true;
    driven!();
    fn input(&mut self, now: Instant, _: u16, event: Event<Peer>) {
        self.handle_input(now, event);
    }
    fn command(&mut self, now: Instant, command: Command<Place>) {
        self.handle_command(now, command);
    }
    fn transmit(&mut self) -> Option<(u16, Command<Peer>)> {
        Some((0, self.poll_transmit()?))
    }
    fn event(&mut self) -> Option<Event<Place>> {
        self.poll_event()
    }
    fn is_full(&self, place: &Place) -> bool {
        Swarm::is_full(self, place)
    }
    fn reopen(&mut self, now: Instant, lane: u16) -> bool {
        self.with(now, |now, mux, _| mux.close(now, &lane));
        self.with(now, |now, mux, _| mux.open(now, lane)).is_ok()
    }
}

impl Between for Join<u16, Peer> {
    const LANES: bool = true;
    driven!();
    fn input(&mut self, now: Instant, lane: u16, event: Event<Peer>) {
        self.handle_input(now, (lane, event));
    }
    fn command(&mut self, now: Instant, command: Command<Place>) {
        self.handle_command(now, command);
    }
    fn transmit(&mut self) -> Option<(u16, Command<Peer>)> {
        self.poll_transmit()
    }
    fn event(&mut self) -> Option<Event<Place>> {
        self.poll_event()
    }
    fn is_full(&self, place: &Place) -> bool {
        Swarm::is_full(self, place)
    }
}

macro_rules! without_lanes {
    () => {
        const LANES: bool = false;
        driven!();
        fn input(&mut self, now: Instant, _: u16, event: Event<Peer>) {
            self.handle_input(now, event);
        }
        fn command(&mut self, now: Instant, command: Command<Place>) {
            if let Ok(command) = command.try_map(|place| Ok::<Peer, Place>(place.addr)) {
                self.handle_command(now, command);
            }
        }
        fn transmit(&mut self) -> Option<(u16, Command<Peer>)> {
            Some((0, self.poll_transmit()?))
        }
        fn event(&mut self) -> Option<Event<Place>> {
            self.poll_event()?.try_map(|addr| Some(At { key: 0, addr }))
        }
        fn is_full(&self, place: &Place) -> bool {
            Swarm::is_full(self, &place.addr)
        }
    };
}

impl Between for Filter<Peer> {
    const EXCLUDES: bool = true;
    without_lanes!();
}

impl Between for Loopback<Peer> {
    const LOOPS: bool = true;
    without_lanes!();
}
