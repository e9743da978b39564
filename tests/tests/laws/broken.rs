//! A layer that is broken in one way, to see that the law suite notices.

use super::{Port, SEEDS, addr, limits};
use core::cell::Cell;
use core::fmt;
use core::time::Duration;
use std::collections::VecDeque;
use tellask::outbox::Outbox;
use tellask::seed::Rng;
use tellask::stats::StatsSink;
use tellask::swarm::Scope;
use tellask::up::Up;
use tellask::{
    BytesMut, Command, Datagram, DatagramInput, DatagramPort, Event, Instant, Layer, MemoryAddr,
    Payload, Seed,
};
use tellask_sim::laws::Subject;

/// How a layer is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A poll for events brings a transmit about.
    PollsWork,
    /// A poll that gives nothing is remembered.
    EmptyPolls,
    /// A timer is armed for now.
    ArmsNow,
    /// An early time-out does something.
    EarlyTimeout,
    /// A time-out that is early moves the timer.
    EarlyRearms,
    /// Whatever arrives puts the timer off, due or not.
    InputPutsOff,
    /// Whatever is commanded does.
    CommandPutsOff,
    /// Whichever it is.
    AllPutsOff,
    /// Some bytes make it panic.
    Panics,
    /// It panics where nobody takes what it has to say.
    PanicsUnpolled,
    /// What it rejects changes it.
    RejectsWithEffect,
    /// What it rejects comes to be known of a path, in the upper side that all layers share.
    RejectsIntoUp,
    /// What it rejects changes for whom messages wait, in the queue that all layers share.
    RejectsIntoOutbox,
    /// What it rejects moves a timer.
    RejectsAndRearms,
    /// What it rejects is answered.
    AnswersRejected,
    /// What it rejects is not counted.
    RejectsInSilence,
    /// It draws from somewhere else than its seed.
    Ambient,
    /// A queue without a bound.
    Unbounded,
    /// A queue without a bound that is empty whenever somebody polls.
    UnboundedUntilPolled,
    /// One call brings out a thousand things.
    Avalanche,
    /// It prints its key.
    Indiscreet,
}

/// A datagram port that is broken in one way.
pub(crate) struct Broken {
    inner: DatagramPort<MemoryAddr>,
    fault: Fault,
    extra: VecDeque<Datagram<MemoryAddr>>,
    armed: Option<Instant>,
    up: Up<MemoryAddr>,
    outbox: Outbox<MemoryAddr>,
    hoard: u64,
    secret: [u8; 8],
    rejected: u64,
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = if self.fault == Fault::Indiscreet { &self.secret[..] } else { &[] };
        f.debug_struct("Broken").field("inner", &self.inner).field("secret", &secret).finish()
    }
}

/// The first byte of what a broken port must reject.
const HOSTILE: u8 = 0xff;

thread_local! {
    static AMBIENT: Cell<u32> = const { Cell::new(0) };
}

impl Broken {
    fn put_off(&mut self, now: Instant) {
        self.armed = Some(now + Duration::from_millis(1));
    }

    fn spout(&mut self, number: u32) {
        let payload = Payload::from("extra");
        self.extra.push_back(Datagram { src: None, dst: MemoryAddr(number), payload });
    }
}

impl Layer for Broken {
    type Input = DatagramInput<MemoryAddr>;
    type Transmit = Datagram<MemoryAddr>;
    type Command = Command<MemoryAddr>;
    type Event = Event<MemoryAddr>;

    fn handle_input(&mut self, now: Instant, input: Self::Input) {
        if let DatagramInput::Datagram { payload, .. } = &input
            && payload.first() == Some(&HOSTILE)
        {
            match self.fault {
                Fault::Panics => panic!("as the fault wants it"),
                Fault::RejectsWithEffect => self.hoard += 1,
                Fault::RejectsIntoUp => {
                    let dst = MemoryAddr(self.rejected as u32);
                    self.up.push(Event::PathMtu { dst, unit: 9, tell_max: 9 });
                    while self.up.pop().is_some() {}
                }
                Fault::RejectsIntoOutbox => {
                    // As many wait as before, but not the same.
                    let number = self.rejected as u32;
                    self.outbox.block(now, Scope::To(MemoryAddr(number + 1)));
                    self.outbox.unblock(now, &Scope::To(MemoryAddr(number)));
                }
                Fault::RejectsAndRearms => self.armed = Some(now + Duration::from_secs(1)),
                Fault::AnswersRejected => self.spout(0),
                _ => {}
            }
            self.rejected += u64::from(self.fault != Fault::RejectsInSilence);
            return;
        }
        match self.fault {
            Fault::ArmsNow => self.armed = Some(now),
            Fault::Ambient => {
                let number = AMBIENT.get();
                AMBIENT.set(number + 1);
                self.spout(number);
            }
            Fault::EarlyRearms if self.armed.is_none() => self.put_off(now),
            Fault::PanicsUnpolled => {
                assert!(self.extra.len() < 9, "as the fault wants it");
                self.spout(1);
            }
            Fault::Unbounded | Fault::UnboundedUntilPolled => self.hoard += 100,
            Fault::Avalanche => (0..1_000).for_each(|number| self.spout(number)),
            Fault::InputPutsOff | Fault::AllPutsOff => self.put_off(now),
            _ => {}
        }
        self.inner.handle_input(now, input);
    }

    fn handle_command(&mut self, now: Instant, command: Self::Command) {
        match self.fault {
            Fault::CommandPutsOff | Fault::AllPutsOff => self.put_off(now),
            Fault::InputPutsOff if self.armed.is_none() => self.put_off(now),
            _ => {}
        }
        self.inner.handle_command(now, command);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.fault == Fault::EarlyRearms && self.armed.is_some_and(|armed| armed > now) {
            return self.put_off(now);
        }
        if self.armed.is_some_and(|armed| armed <= now) {
            self.armed = None;
        }
        if self.fault == Fault::EarlyTimeout {
            self.hoard += 1;
        }
        self.inner.handle_timeout(now);
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        let event = self.inner.poll_event();
        match self.fault {
            Fault::EmptyPolls if event.is_none() => self.hoard += 1,
            Fault::UnboundedUntilPolled if event.is_none() => self.hoard = 0,
            _ => {}
        }
        if self.fault == Fault::PollsWork && event.is_some() {
            self.spout(1);
        }
        event
    }

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        self.extra.pop_front().or_else(|| self.inner.poll_transmit())
    }

    fn poll_timeout(&self) -> Option<Instant> {
        tellask::layer::earliest(self.armed, self.inner.poll_timeout())
    }

    fn stats(&self, sink: &mut dyn StatsSink) {
        self.inner.stats(sink);
        sink.counter("rejected", self.rejected);
        sink.gauge("hoard", self.hoard);
        sink.enter(format_args!("broken"));
        self.up.stats(sink);
        self.outbox.stats(sink);
        sink.leave();
    }
}

impl Subject for Fault {
    type Layer = Broken;

    fn make(&self, seed: &Seed) -> Broken {
        let secret = seed.rng("secret").bytes();
        let inner = DatagramPort::new(&limits());
        let (extra, armed) = (VecDeque::new(), None);
        let (up, mut outbox) = (Up::new(&limits()), Outbox::new(1_000, 1_000));
        outbox.block(Instant::ZERO, Scope::To(MemoryAddr(0)));
        Broken { inner, fault: *self, extra, armed, up, outbox, hoard: 0, secret, rejected: 0 }
    }

    fn input(&self, rng: &mut Rng) -> DatagramInput<MemoryAddr> {
        Port.input(rng)
    }

    fn command(&self, rng: &mut Rng) -> Command<MemoryAddr> {
        Port.command(rng)
    }

    fn hostile(&self, rng: &mut Rng) -> Option<DatagramInput<MemoryAddr>> {
        let payload = BytesMut::from(&[HOSTILE, 1, 2][..]);
        Some(DatagramInput::Datagram { src: addr(rng), dst: MemoryAddr(9), payload })
    }

    fn bounds(&self) -> Vec<(String, u64)> {
        let bounded = matches!(self, Self::Unbounded | Self::UnboundedUntilPolled);
        vec![("hoard".into(), if bounded { 500 } else { u64::MAX })]
    }

    fn secrets(&self) -> Vec<Vec<u8>> {
        let secret = |seed| Seed::from_u64(seed).rng("secret").bytes::<8>().to_vec();
        (0..SEEDS).map(secret).collect()
    }
}
