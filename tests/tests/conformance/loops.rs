//! Nodes in loops of one's own, without a runtime: each in a thread on a blocking socket, and all of them in
//! one loop of `mio`. The suite's thread is the application: it holds the nodes themselves, and no handles.

use super::stacks::{Disguise, Recipe, key};
use core::time::Duration;
use mio::{Events, Interest, Poll, Token};
use socket2::SockRef;
use std::collections::VecDeque;
use std::io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
use std::net::UdpSocket;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time;
use tellask::driver::{Burst, ReceiveError, SendError, SocketCounters};
use tellask::identity::PublicKey;
use tellask::swarm::{AskError, AskId, Link, TellError};
use tellask::{
    Addr, BytesMut, Command, Datagram, DatagramInput, Event, Instant, Layer, Node, Payload, Swarm,
    UdpAddr,
};
use tellask_sim::conformance::{Fabric, Report, run};
use tellask_system::{SLOTS, Udp, receive_error};

/// The largest message of a node's port.
const MTU: usize = 1_200;
/// Bytes that a blocking socket asks for.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Datagrams on their way to the kernel at once.
const COLLECT: usize = 64;

/// A swarm on UDP sockets.
pub(crate) trait OnUdp:
    Swarm + Layer<Input = DatagramInput<UdpAddr>, Transmit = Datagram<UdpAddr>>
{
}

impl<L> OnUdp for L where
    L: Swarm + Layer<Input = DatagramInput<UdpAddr>, Transmit = Datagram<UdpAddr>>
{
}

/// Plays the suite on nodes in loops of a kind.
pub(crate) fn play<P: Loop<L>, A: Addr + 'static, L: OnUdp<Addr = A> + 'static>(
    recipe: &Recipe<UdpAddr, A, L>,
    seed: u64,
) -> Report {
    run(seed, &recipe.promises, |nodes, seed| {
        let nodes = (0..nodes).map(|node| Side::new(recipe.stack(node, seed))).collect();
        let (nobody, no_route) = (recipe.nobody.clone(), recipe.no_route.clone());
        Loops::<P, L> { nodes: P::start(nodes), nobody, no_route, disguise: recipe.disguise() }
    })
}

/// A node, and what it said.
pub(crate) struct Side<L: Swarm> {
    node: Node<L>,
    events: VecDeque<Event<L::Addr>>,
}

impl<L: OnUdp> Side<L> {
    fn new(stack: L) -> Self {
        Self { node: Node::new(stack), events: VecDeque::new() }
    }

    fn bound(&mut self, local: UdpAddr) {
        let bound = DatagramInput::Bound { local: vec![local], mtu: MTU };
        self.node.handle_input(Instant::ZERO, bound);
    }

    /// Takes what the node says, and returns whether it said anything.
    fn listen(&mut self) -> bool {
        let before = self.events.len();
        self.events.extend(core::iter::from_fn(|| self.node.poll_event()));
        self.events.len() > before
    }
}

/// Nodes that are driven.
pub(crate) trait Loop<L: OnUdp>: Sized {
    fn start(nodes: Vec<Side<L>>) -> Self;

    fn now(&self) -> Instant;

    /// Has a node do something, and sends what comes of it; `None` where it is gone.
    fn with<T>(&mut self, node: usize, act: impl FnOnce(Instant, &mut Side<L>) -> T) -> Option<T>;

    /// Looks at a node.
    fn look<T>(&self, node: usize, look: impl FnOnce(&L) -> T) -> Option<T>;

    /// Lets time pass, until a node said something.
    fn pass(&mut self, at_most: Duration);

    /// Ends a node without a word.
    fn vanish(&mut self, node: usize);
}

// A thread for each node.

/// Nodes in threads.
pub(crate) struct Threads<L: Swarm> {
    epoch: time::Instant,
    nodes: Vec<Option<Thread<L>>>,
    heard: Arc<Heard>,
}

/// Says that a node said something.
#[derive(Default)]
struct Heard {
    any: Mutex<bool>,
    says: Condvar,
}

impl Heard {
    fn say(&self) {
        *lock(&self.any) = true;
        self.says.notify_all();
    }
}

/// A node that its thread shares with the application.
struct Thread<L: Swarm> {
    shared: Arc<Shared<L>>,
    /// Whose datagrams only wake the thread.
    waker: UdpSocket,
    local: UdpAddr,
    thread: JoinHandle<()>,
}

struct Shared<L: Swarm> {
    /// `None` ends the thread.
    side: Mutex<Option<Side<L>>>,
    socket: UdpSocket,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panicked")
}

impl<L: OnUdp> Shared<L> {
    /// Sends what there is.
    fn send(&self, side: &mut Side<L>) {
        while let Some(Datagram { dst, payload, .. }) = side.node.poll_transmit() {
            // Whatever comes of it: datagrams may be lost.
            let _ = self.socket.send_to(&payload.into_bytes(), dst.0);
        }
    }

    /// The whole driver, until the node is gone.
    fn drive(&self, epoch: time::Instant, local: UdpAddr, waker: UdpAddr, heard: &Heard) {
        let now = || Instant::ZERO + epoch.elapsed();
        let mut buffer = vec![0; 65_536];
        loop {
            let due = {
                let mut side = lock(&self.side);
                let Some(side) = &mut *side else { return };
                side.node.finish_round(now());
                self.send(side);
                if side.listen() {
                    heard.say();
                }
                side.node.poll_timeout()
            };
            // A time-out of zero would be none.
            let wait = due.map(|due| due.since(now()).max(Duration::from_micros(1)));
            self.socket.set_read_timeout(wait).expect("it is not zero");
            match self.socket.recv_from(&mut buffer) {
                Ok((_, src)) if UdpAddr::from(src) == waker => {}
                Ok((len, src)) => {
                    let payload = BytesMut::from(buffer.get(..len).unwrap_or_default());
                    let (src, dst) = (UdpAddr::from(src), local);
                    let datagram = DatagramInput::Datagram { src, dst, payload };
                    if let Some(side) = &mut *lock(&self.side) {
                        side.node.handle_input(now(), datagram);
                    }
                }
                Err(error) if matches!(error.kind(), WouldBlock | TimedOut | Interrupted) => {}
                Err(error) if receive_error(&error) == ReceiveError::Peer => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

impl<L: Swarm> Thread<L> {
    fn wake(&self) {
        self.waker.send_to(&[], self.local.0).expect("a wake-up has room");
    }

    fn end(self) {
        *lock(&self.shared.side) = None;
        self.wake();
        self.thread.join().expect("the node does not panic");
    }
}

impl<L: OnUdp<Addr: Send> + Send + 'static> Loop<L> for Threads<L> {
    fn start(nodes: Vec<Side<L>>) -> Self {
        let (epoch, heard) = (time::Instant::now(), Arc::<Heard>::default());
        let start = |mut side: Side<L>| {
            let [socket, waker] =
                [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").expect("a free port"));
            let [local, wakes] =
                [&socket, &waker].map(|socket| UdpAddr::from(socket.local_addr().expect("bound")));
            // A message of many fragments comes at once.
            SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER).expect("it is a size");
            side.bound(local);
            let shared = Arc::new(Shared { side: Mutex::new(Some(side)), socket });
            let (driven, heard) = (Arc::clone(&shared), Arc::clone(&heard));
            let thread = thread::spawn(move || driven.drive(epoch, local, wakes, &heard));
            Some(Thread { shared, waker, local, thread })
        };
        let nodes = nodes.into_iter().map(start).collect();
        Self { epoch, nodes, heard }
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.epoch.elapsed()
    }

    fn with<T>(&mut self, node: usize, act: impl FnOnce(Instant, &mut Side<L>) -> T) -> Option<T> {
        let now = self.now();
        let thread = self.nodes.get(node)?.as_ref()?;
        let result = act(now, lock(&thread.shared.side).as_mut()?);
        // It sends, and may have another timer now.
        thread.wake();
        Some(result)
    }

    fn look<T>(&self, node: usize, look: impl FnOnce(&L) -> T) -> Option<T> {
        let thread = self.nodes.get(node)?.as_ref()?;
        Some(look(lock(&thread.shared.side).as_ref()?.node.stack()))
    }

    fn pass(&mut self, at_most: Duration) {
        let any = lock(&self.heard.any);
        let waited = self.heard.says.wait_timeout_while(any, at_most, |any| !*any);
        *waited.expect("nobody panicked").0 = false;
    }

    fn vanish(&mut self, node: usize) {
        if let Some(thread) = self.nodes.get_mut(node).and_then(Option::take) {
            thread.end();
        }
    }
}

impl<L: Swarm> Drop for Threads<L> {
    fn drop(&mut self) {
        // Where a case failed its nodes need not end well, too.
        let nodes = core::mem::take(&mut self.nodes);
        if !thread::panicking() {
            nodes.into_iter().flatten().for_each(Thread::end);
        }
    }
}

// One loop for all.

/// Nodes in one loop of `mio`.
pub(crate) struct Mio<L: Swarm> {
    epoch: time::Instant,
    poll: Poll,
    happened: Events,
    nodes: Vec<Option<Polled<L>>>,
}

struct Polled<L: Swarm> {
    side: Side<L>,
    socket: mio::net::UdpSocket,
    udp: Udp,
    burst: Burst,
    counters: SocketCounters,
}

impl<L: OnUdp> Polled<L> {
    /// Ends the round at `now`, and sends until there is nothing more, or the kernel takes nothing more.
    fn send(&mut self, now: Instant) {
        loop {
            if self.burst.is_empty() {
                self.side.node.finish_round(now);
                self.side.node.collect(self.burst.refill(), COLLECT);
            }
            let Some(run) = self.burst.run(self.udp.max_segments()) else { return };
            if let Err(error) = self.udp.send(&self.socket, &run) {
                if error.kind() == WouldBlock {
                    return;
                }
                if self.udp.blame(&error, &run) == SendError::NoOffload {
                    continue;
                }
            }
            self.burst.done();
        }
    }

    /// Receives until there is nothing more: `mio` tells only of what comes later.
    fn receive(&mut self, now: Instant) {
        let mut arrived = Vec::new();
        loop {
            match self.udp.receive(&self.socket) {
                Ok(count) => self.udp.take(count.min(SLOTS), &mut arrived, &mut self.counters),
                Err(error) if error.kind() == WouldBlock => return,
                Err(error) if receive_error(&error) == ReceiveError::Peer => continue,
                Err(error) => panic!("{error}"),
            }
            arrived.drain(..).for_each(|input| self.side.node.handle_input(now, input));
        }
    }
}

impl<L: OnUdp> Loop<L> for Mio<L> {
    fn start(nodes: Vec<Side<L>>) -> Self {
        let poll = Poll::new().expect("the system has one");
        let start = |(number, mut side): (usize, Side<L>)| {
            let loopback = "127.0.0.1:0".parse().expect("an address");
            let (socket, udp) = Udp::bind(loopback).expect("a free port");
            let mut socket = mio::net::UdpSocket::from_std(socket);
            let both = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut socket, Token(number), both).expect("it is new");
            side.bound(udp.local());
            let (burst, counters) = Default::default();
            Some(Polled { side, socket, udp, burst, counters })
        };
        let nodes = nodes.into_iter().enumerate().map(start).collect();
        let (epoch, happened) = (time::Instant::now(), Events::with_capacity(64));
        Self { epoch, poll, happened, nodes }
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.epoch.elapsed()
    }

    fn with<T>(&mut self, node: usize, act: impl FnOnce(Instant, &mut Side<L>) -> T) -> Option<T> {
        let now = self.now();
        let node = self.nodes.get_mut(node)?.as_mut()?;
        let result = act(now, &mut node.side);
        node.send(now);
        Some(result)
    }

    fn look<T>(&self, node: usize, look: impl FnOnce(&L) -> T) -> Option<T> {
        Some(look(self.nodes.get(node)?.as_ref()?.side.node.stack()))
    }

    fn pass(&mut self, at_most: Duration) {
        let until = self.now() + at_most;
        loop {
            let (now, mut next, mut heard) = (self.now(), until, false);
            for node in self.nodes.iter_mut().flatten() {
                node.send(now);
                heard |= node.side.listen();
                next = next.min(node.side.node.poll_timeout().unwrap_or(until));
            }
            if heard || now >= until {
                return;
            }
            match self.poll.poll(&mut self.happened, Some(next.since(now))) {
                Err(error) if error.kind() == Interrupted => continue,
                other => other.expect("it polls"),
            }
            let now = self.now();
            for event in self.happened.iter().filter(|event| event.is_readable()) {
                if let Some(Some(node)) = self.nodes.get_mut(event.token().0) {
                    node.receive(now);
                }
            }
        }
    }

    fn vanish(&mut self, node: usize) {
        if let Some(node) = self.nodes.get_mut(node) {
            *node = None;
        }
    }
}

/// What the suite sees of them.
struct Loops<P, L: Swarm> {
    nodes: P,
    nobody: L::Addr,
    no_route: Option<L::Addr>,
    disguise: Option<Disguise<L::Addr>>,
}

impl<L: OnUdp, P: Loop<L>> Fabric for Loops<P, L> {
    type Addr = L::Addr;

    fn now(&self) -> Instant {
        self.nodes.now()
    }

    fn pass(&mut self, at_most: Duration) {
        self.nodes.pass(at_most);
    }

    fn link(&self, node: usize) -> Link<L::Addr> {
        self.nodes.look(node, |stack| stack.link().clone()).unwrap_or_else(Link::unknown)
    }

    fn mtu_to(&self, node: usize, dst: &L::Addr) -> usize {
        self.nodes.look(node, |stack| stack.mtu_to(dst)).unwrap_or(0)
    }

    fn tell(&mut self, node: usize, dst: L::Addr, payload: Payload) -> Result<(), TellError> {
        let told = self.nodes.with(node, |now, side| side.node.tell(now, dst, payload));
        told.unwrap_or(Err(TellError::Closed))
    }

    fn ask(
        &mut self,
        node: usize,
        id: AskId,
        dst: L::Addr,
        payload: Payload,
        deadline: Instant,
    ) -> Result<(), AskError> {
        let asked =
            self.nodes.with(node, |now, side| side.node.ask(now, id, dst, payload, deadline));
        asked.unwrap_or(Err(AskError::Closed))
    }

    fn command(&mut self, node: usize, command: Command<L::Addr>) -> bool {
        let commanded = self.nodes.with(node, |now, side| side.node.handle_command(now, command));
        commanded.is_some()
    }

    fn next_event(&mut self, node: usize) -> Option<Event<L::Addr>> {
        // What came since the last time is there, too.
        self.nodes.with(node, |_, side| {
            side.listen();
            side.events.pop_front()
        })?
    }

    fn nobody(&self) -> Option<L::Addr> {
        Some(self.nobody.clone())
    }

    fn no_route(&self) -> Option<L::Addr> {
        self.no_route.clone()
    }

    fn key(&self, node: usize) -> Option<PublicKey> {
        Some(*key(node).public())
    }

    fn disguised(&self, at: usize, key_of: usize) -> Option<L::Addr> {
        let first = |node| self.link(node).local.into_iter().next();
        Some(self.disguise.as_ref()?(&first(at)?, &first(key_of)?))
    }

    fn vanish(&mut self, node: usize) -> bool {
        self.nodes.vanish(node);
        true
    }
}
