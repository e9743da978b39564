//! Nodes on real sockets of the loopback interface, as an application holds them.

use super::hosts::Host;
use super::stacks::{Disguise, Recipe, key, limits};
use super::text;
use async_executor::{Executor, Task};
use core::future::pending;
use core::net::{Ipv4Addr, SocketAddr};
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time;
use tellask::driver::{Handle, Notice, Request};
use tellask::identity::PublicKey;
use tellask::p2pke::channel::Timing;
use tellask::swarm::{AskError, AskId, BoxSwarm, Link, Refusal, TellError, Token};
use tellask::{
    Addr, BytesMut, Command, Datagram, DatagramInput, DatagramPort, Event, Instant, Layer, Message,
    Payload, Seed, Swarm, UdpAddr,
};
use tellask_sim::conformance::{Fabric, Promises, Report, run};
use tokio::sync::{Notify, oneshot};

/// How often it is looked whether a request is still wanted: a handle does not say when that changes.
const SLICE: Duration = Duration::from_millis(10);
/// Nothing takes as long.
const LONG: Duration = Duration::from_secs(60);

/// A stack on a socket.
pub(crate) type UdpStack<A> = BoxSwarm<DatagramInput<UdpAddr>, Datagram<UdpAddr>, A>;

/// The port of "discard", which nobody listens on.
const NOBODY: UdpAddr = UdpAddr(SocketAddr::new(core::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9));

/// Bare datagrams on sockets.
pub(crate) fn datagrams() -> Recipe<UdpAddr, UdpAddr, DatagramPort<UdpAddr>> {
    let mut timing = Timing::DEFAULT;
    timing.handshake_timeout = Duration::from_secs(2);
    timing.silence = Duration::from_secs(2);
    let mut recipe = super::stacks::datagrams_of(NOBODY, timing);
    recipe.promises = on_sockets(recipe.promises);
    recipe
}

/// What sockets change in what datagrams promise.
fn on_sockets(mut promises: Promises) -> Promises {
    promises.mtu = 1_200;
    promises.loses = true;
    promises.patience = Duration::from_secs(20);
    promises.quiet = Duration::from_millis(100);
    promises
}

/// Plays the suite on sockets.
pub(crate) fn play<H: Host, A, L>(recipe: &Recipe<UdpAddr, A, L>, seed: u64) -> Report
where
    A: Addr + Send + Sync + Unpin + 'static,
    L: Swarm<Addr = A>
        + Layer<Input = DatagramInput<UdpAddr>, Transmit = Datagram<UdpAddr>>
        + Send
        + 'static,
{
    let (nobody, no_route) = (recipe.nobody.clone(), recipe.no_route.clone());
    let seen = Seen { nobody, no_route, disguise: recipe.disguise() };
    run(seed, &recipe.promises, |nodes, seed| {
        let bind = |host: &H, node| host.bind(Box::new(recipe.stack(node, seed)));
        Sockets::new(nodes, bind, seen.clone())
    })
}

/// Plays the suite on a stack that a runtime makes from text, as a program's user writes it.
pub(crate) fn play_text<H: Host>(layers: &str, seed: u64) -> Report {
    let description = text::description("udp://127.0.0.1:0", layers);
    let promises = on_sockets(text::datagrams());
    let mut promises = text::promised(promises, &description);
    // A text has no word for a shorter time-out of handshakes, so this is played in memory only.
    promises.reports_nobody = None;
    let nobody = text::address(&description, &NOBODY.to_string());
    let no_route = text::no_route(&description, &nobody);
    let seen = Seen { nobody, no_route, disguise: Some(Rc::new(text::disguised)) };
    run(seed, &promises, |nodes, seed| {
        let open = |host: &H, node| {
            let seed = Seed::from_u64(seed).child(&format!("node {node}"));
            host.open(&description, key(node), seed, limits())
        };
        Sockets::new(nodes, open, seen.clone())
    })
}

/// What the nodes of a recipe would be called.
#[derive(Clone)]
struct Seen<A> {
    nobody: A,
    no_route: Option<A>,
    disguise: Option<Disguise<A>>,
}

/// Nodes of one runtime, which runs while time passes.
struct Sockets<H: Host, A: Addr> {
    host: H,
    // What the nodes' application does.
    executor: Executor<'static>,
    seen: Seen<A>,
    epoch: time::Instant,
    nodes: Vec<Side<H, A>>,
    wake: Arc<Notify>,
}

type Node<H, A> = Handle<UdpStack<A>, <H as Host>::Clock>;

/// What the suite sees of one node.
struct Side<H: Host, A: Addr> {
    node: Option<Node<H, A>>,
    heard: Arc<Mutex<Heard<H, A>>>,
    streams: Vec<Task<()>>,
    asks: BTreeMap<AskId, Task<()>>,
}

struct Heard<H: Host, A: Addr> {
    events: VecDeque<Event<A>>,
    requests: BTreeMap<Token, Request<UdpStack<A>, H::Clock>>,
    tokens: u64,
}

type Outcome = Pin<Box<dyn Future<Output = Result<tellask::Bytes, AskError>> + Send>>;

impl<H: Host, A: Addr + Send + Sync + Unpin + 'static> Side<H, A> {
    fn new(node: Node<H, A>, executor: &Executor<'static>, wake: &Arc<Notify>) -> Self {
        let heard = Heard { events: VecDeque::new(), requests: BTreeMap::new(), tokens: 0 };
        let heard = Arc::new(Mutex::new(heard));
        let say = Self::say(&heard, wake);
        let (receiver, server, mut notices) = (node.clone(), node.clone(), node.events());
        let messages = executor.spawn({
            let say = say.clone();
            async move {
                while let Some(message) = receiver.receive().await {
                    let Message { src, dst, payload } = message;
                    let payload = BytesMut::from(payload);
                    say(Event::Told(Message { src, dst, payload }));
                }
            }
        });
        let requests = executor.spawn({
            let (say, heard) = (say.clone(), Arc::clone(&heard));
            async move {
                while let Some(request) = server.next_ask().await {
                    let Message { src, dst, payload } = request.message().clone();
                    let message = Message { src, dst, payload: BytesMut::from(payload) };
                    let token = {
                        let mut heard = lock(&heard);
                        heard.tokens += 1;
                        let token = Token(heard.tokens);
                        heard.requests.insert(token, request);
                        token
                    };
                    say(Event::Asked { token, message, deadline: Instant::MAX });
                }
            }
        });
        let notices = executor.spawn(async move {
            while let Some(notice) = notices.next().await {
                match notice {
                    Notice::PeerUp { addr, key } => say(Event::PeerUp { addr, key }),
                    Notice::PeerDown { addr, reason } => say(Event::PeerDown { addr, reason }),
                    Notice::Undelivered { dst, reason } => say(Event::Undelivered { dst, reason }),
                    _ => panic!("no other notice is known"),
                }
            }
        });
        let streams = vec![messages, requests, notices];
        Self { node: Some(node), heard, streams, asks: BTreeMap::new() }
    }

    /// Puts an event where the suite finds it.
    fn say(
        heard: &Arc<Mutex<Heard<H, A>>>,
        wake: &Arc<Notify>,
    ) -> impl Fn(Event<A>) + Clone + Send + Sync + use<H, A> {
        let (heard, wake) = (Arc::clone(heard), Arc::clone(wake));
        move |event| {
            lock(&heard).events.push_back(event);
            wake.notify_one();
        }
    }

    fn answer(&mut self, token: Token, result: Result<Payload, Refusal>) {
        let Some(request) = lock(&self.heard).requests.remove(&token) else { return };
        match result {
            Ok(reply) => request.answer(reply),
            // As an application does that forgets it.
            Err(refusal) if refusal == Refusal::unanswered() => drop(request),
            Err(refusal) => request.refuse(refusal),
        }
    }

    /// The end, once everything before it has been said.
    fn close(&mut self, executor: &Executor<'static>, wake: &Arc<Notify>) {
        let Some(node) = self.node.clone() else { return };
        let (say, streams) = (Self::say(&self.heard, wake), core::mem::take(&mut self.streams));
        let mut closed = Box::pin(async move { node.close(LONG).await });
        // Nothing is accepted from now on, not only once the runtime runs.
        let ended = closed.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let end = async move {
            let ended = match ended {
                // Where drivers have threads of their own this may be so.
                Poll::Ready(ended) => ended,
                Poll::Pending => closed.await,
            };
            ended.expect("everything is finished in time");
            for stream in streams {
                stream.await;
            }
            say(Event::Closed);
        };
        executor.spawn(end).detach();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<H: Host, A: Addr + Send + Sync + Unpin + 'static> Sockets<H, A> {
    fn new(nodes: usize, bind: impl Fn(&H, usize) -> Node<H, A>, seen: Seen<A>) -> Self {
        let (host, executor) = (H::start(), Executor::new());
        let (epoch, wake) = (time::Instant::now(), Arc::new(Notify::new()));
        let side = |node| Side::new(bind(&host, node), &executor, &wake);
        let nodes = (0..nodes).map(side).collect();
        Self { host, executor, seen, epoch, nodes, wake }
    }

    fn node(&self, node: usize) -> Option<&Node<H, A>> {
        self.nodes.get(node)?.node.as_ref()
    }

    /// Says which requests nobody waits for any more.
    fn withdraw(&self) -> bool {
        let mut any = false;
        for side in &self.nodes {
            let heard = &mut *lock(&side.heard);
            let gone = heard.requests.iter().filter(|(_, request)| !request.is_wanted());
            for token in gone.map(|(token, _)| *token).collect::<Vec<_>>() {
                if let Some(request) = heard.requests.remove(&token) {
                    let src = request.src().clone();
                    heard.events.push_back(Event::Withdrawn { token, src });
                    any = true;
                }
            }
        }
        any
    }
}

impl<H: Host, A: Addr + Send + Sync + Unpin + 'static> Fabric for Sockets<H, A> {
    type Addr = A;

    fn now(&self) -> Instant {
        Instant::ZERO + self.epoch.elapsed()
    }

    fn pass(&mut self, at_most: Duration) {
        let until = self.now() + at_most;
        loop {
            let slice = until.since(self.now()).min(SLICE);
            let wake = Arc::clone(&self.wake);
            let woken = self.executor.run(async move { wake.notified().await });
            let heard = self.host.run(woken, slice);
            if self.withdraw() || heard || self.now() >= until {
                return;
            }
        }
    }

    fn link(&self, node: usize) -> Link<A> {
        self.node(node).map_or_else(Link::unknown, |node| Link {
            local: node.local_addrs(),
            unit: node.mtu().min(1_000),
            tell_max: node.mtu(),
            ask_max: node.ask_max(),
        })
    }

    fn mtu_to(&self, node: usize, dst: &A) -> usize {
        self.node(node).map_or(0, |node| node.mtu_to(dst))
    }

    fn tell(&mut self, node: usize, dst: A, payload: Payload) -> Result<(), TellError> {
        self.node(node).map_or(Err(TellError::Closed), |node| node.try_tell(&dst, payload))
    }

    fn ask(
        &mut self,
        node: usize,
        id: AskId,
        dst: A,
        payload: Payload,
        deadline: Instant,
    ) -> Result<(), AskError> {
        let within = deadline.since(self.now());
        let Some(side) = self.nodes.get_mut(node) else { return Err(AskError::Closed) };
        let Some(node) = side.node.clone() else { return Err(AskError::Closed) };
        let mut outcome: Outcome =
            Box::pin(async move { node.ask(&dst, payload).within(within).await });
        // What is known at once is said at once.
        let first = outcome.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let say = Side::say(&side.heard, &self.wake);
        if let Poll::Ready(result) = first {
            let result = result?.into();
            say(Event::Answered { id, result: Ok(result) });
            return Ok(());
        }
        let (done, ended) = oneshot::channel();
        let task = self.executor.spawn(async move {
            let result = outcome.await.map(BytesMut::from);
            say(Event::Answered { id, result });
            drop(done);
        });
        side.asks.insert(id, task);
        // Its outcome comes before the node's end.
        side.streams.push(self.executor.spawn(async move {
            // It never says anything: it is dropped, as it is where the request is cancelled.
            let _: Result<(), _> = ended.await;
        }));
        Ok(())
    }

    fn command(&mut self, node: usize, command: Command<A>) -> bool {
        let Some(side) = self.nodes.get_mut(node) else { return false };
        let Some(node) = side.node.clone() else { return false };
        match command {
            // A handle has no way past its gates.
            Command::Tell { .. } | Command::Ask { .. } => return false,
            Command::Answer { token, result, .. } => side.answer(token, result),
            Command::Cancel { id, .. } => {
                // Dropped, it does not run on.
                drop(side.asks.remove(&id));
            }
            Command::Identify { dst } => {
                let say = Side::say(&side.heard, &self.wake);
                let identify = async move {
                    let result = node.identify(&dst).await;
                    say(Event::Identified { addr: dst, result });
                };
                self.executor.spawn(identify).detach();
            }
            Command::Disconnect { dst } => node.disconnect(&dst),
            Command::Set(setting) => node.set(setting),
            Command::Close => side.close(&self.executor, &self.wake),
        }
        true
    }

    fn next_event(&mut self, node: usize) -> Option<Event<A>> {
        lock(&self.nodes.get(node)?.heard).events.pop_front()
    }

    fn nobody(&self) -> Option<A> {
        Some(self.seen.nobody.clone())
    }

    fn no_route(&self) -> Option<A> {
        self.seen.no_route.clone()
    }

    fn key(&self, node: usize) -> Option<PublicKey> {
        Some(*key(node).public())
    }

    fn disguised(&self, at: usize, key_of: usize) -> Option<A> {
        let first = |node| self.link(node).local.into_iter().next();
        Some(self.seen.disguise.as_ref()?(&first(at)?, &first(key_of)?))
    }

    fn vanish(&mut self, node: usize) -> bool {
        let Some(side) = self.nodes.get_mut(node) else { return false };
        // With its last handle a node ends at once, and without a word.
        side.streams.clear();
        side.asks.clear();
        side.node = None;
        lock(&side.heard).requests.clear();
        // What was dropped goes when the executor comes to it.
        self.host.run(self.executor.run(pending()), Duration::from_millis(1));
        true
    }
}
