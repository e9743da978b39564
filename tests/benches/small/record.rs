//! The calls of machines, recorded and made again.

use super::on_core::Began;
use super::play::{Keys, run};
use core::cell::RefCell;
use core::hint::black_box;
use core::time::Duration;
use std::rc::Rc;
use tellask::stats::StatsSink;
use tellask::swarm::Link;
use tellask::{
    Command, Datagram, DatagramInput, Event, Instant, Layer, MemoryAddr, PeerAddr, Swarm,
};
use tellask_sim::net::Trace;
use tellask_sim::scenario::Secure;

pub(crate) enum Call {
    Input(DatagramInput<MemoryAddr>),
    Command(Command<PeerAddr<MemoryAddr>>),
    Timeout,
}

type Log = Rc<RefCell<Vec<(Instant, Call)>>>;

/// A stack whose calls are written down.
struct Recorded {
    stack: Secure,
    log: Log,
}

impl Layer for Recorded {
    type Input = DatagramInput<MemoryAddr>;
    type Transmit = Datagram<MemoryAddr>;
    type Command = Command<PeerAddr<MemoryAddr>>;
    type Event = Event<PeerAddr<MemoryAddr>>;

    fn handle_input(&mut self, now: Instant, input: Self::Input) {
        self.log.borrow_mut().push((now, Call::Input(input.clone())));
        self.stack.handle_input(now, input);
    }

    fn handle_command(&mut self, now: Instant, command: Self::Command) {
        self.log.borrow_mut().push((now, Call::Command(command.clone())));
        self.stack.handle_command(now, command);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.log.borrow_mut().push((now, Call::Timeout));
        self.stack.handle_timeout(now);
    }

    fn poll_transmit(&mut self) -> Option<Self::Transmit> {
        self.stack.poll_transmit()
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        self.stack.poll_event()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.stack.poll_timeout()
    }

    fn stats(&self, sink: &mut dyn StatsSink) {
        self.stack.stats(sink);
    }
}

impl Swarm for Recorded {
    type Addr = PeerAddr<MemoryAddr>;

    fn link(&self) -> &Link<Self::Addr> {
        self.stack.link()
    }

    fn mtu_to(&self, dst: &Self::Addr) -> usize {
        self.stack.mtu_to(dst)
    }

    fn is_full(&self, dst: &Self::Addr) -> bool {
        self.stack.is_full(dst)
    }

    fn is_closed(&self) -> bool {
        self.stack.is_closed()
    }
}

/// What a machine was called with, and when.
type Told = Vec<(Instant, Call)>;

/// All calls of one run.
pub(crate) struct Calls {
    seed: u64,
    /// Of each life of each node, in order.
    lives: Vec<(u32, u32, Told)>,
    pub(crate) trace: Trace,
}

pub(crate) fn calls(keys: &Keys, seed: u64) -> Calls {
    let mut logs: Vec<(u32, u32, Log)> = Vec::new();
    let trace = run(keys, seed, |number, life, stack| {
        let log = Log::default();
        logs.push((number, life, Rc::clone(&log)));
        Recorded { stack, log }
    })
    .trace();
    let lives = logs.into_iter().map(|(number, life, log)| (number, life, log.take())).collect();
    Calls { seed, lives, trace }
}

impl Calls {
    /// Makes them again of new machines, as the network does: after each call it takes what there is. How long that took.
    pub(crate) fn make_again(self, keys: &Keys) -> Duration {
        let began = Began::now();
        for (number, life, calls) in self.lives {
            let mut stack = keys.stack(self.seed, number, life);
            for (now, call) in calls {
                match call {
                    Call::Input(input) => stack.handle_input(now, input),
                    Call::Command(command) => stack.handle_command(now, command),
                    Call::Timeout => stack.handle_timeout(now),
                }
                while stack.poll_event().is_some() || stack.poll_transmit().is_some() {}
                black_box(stack.poll_timeout());
            }
        }
        began.core()
    }
}
