//! Nodes on sockets of the loopback interface, whatever their stack, as an application holds them.

use super::hosts::Host;
use super::stacks::{Disguise, key};
use async_executor::{Executor, Task};
use core::future::pending;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time;
use tellask::driver::{Handle, Notice, Request};
use tellask::identity::PublicKey;
use tellask::swarm::{AskError, AskId, Link, Refusal, TellError, Token};
use tellask::{BytesMut, Command, Event, Instant, Message, Payload, Swarm};
use tellask_sim::conformance::Fabric;
use tokio::sync::{Notify, oneshot};

/// How often it is looked whether a request is still wanted: a handle does not say when that changes.
const SLICE: Duration = Duration::from_millis(10);
/// Nothing takes as long.
const LONG: Duration = Duration::from_secs(60);

/// What the nodes of a recipe would be called.
#[derive(Clone)]
pub(crate) struct Seen<A> {
    pub(crate) nobody: A,
    pub(crate) no_route: Option<A>,
    pub(crate) disguise: Option<Disguise<A>>,
    /// Whether the first is a node that is at the second, too, where that is not the same.
    pub(crate) is_of: Option<fn(&A, &A) -> bool>,
}

/// A stack that threads may hand each other.
pub(crate) trait Sent: Swarm<Addr: Send + Sync + Unpin> + Send + 'static {}

impl<S: Swarm<Addr: Send + Sync + Unpin> + Send + 'static> Sent for S {}

/// Nodes of one runtime, which runs while time passes.
pub(crate) struct Sockets<H: Host, S: Sent> {
    host: H,
    // What the nodes' application does.
    executor: Executor<'static>,
    seen: Seen<S::Addr>,
    epoch: time::Instant,
    nodes: Vec<Side<H, S>>,
    wake: Arc<Notify>,
}

type Node<H, S> = Handle<S, <H as Host>::Clock>;

/// What the suite sees of one node.
struct Side<H: Host, S: Sent> {
    node: Option<Node<H, S>>,
    heard: Arc<Mutex<Heard<H, S>>>,
    streams: Vec<Task<()>>,
    asks: BTreeMap<AskId, Task<()>>,
}

struct Heard<H: Host, S: Sent> {
    events: VecDeque<Event<S::Addr>>,
    requests: BTreeMap<Token, Request<S, H::Clock>>,
    tokens: u64,
}

type Outcome = Pin<Box<dyn Future<Output = Result<tellask::Bytes, AskError>> + Send>>;

impl<H: Host, S: Sent> Side<H, S> {
    fn new(node: Node<H, S>, executor: &Executor<'static>, wake: &Arc<Notify>) -> Self {
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
        heard: &Arc<Mutex<Heard<H, S>>>,
        wake: &Arc<Notify>,
    ) -> impl Fn(Event<S::Addr>) + Clone + Send + Sync + use<H, S> {
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

impl<H: Host, S: Sent> Sockets<H, S> {
    pub(crate) fn new(
        nodes: usize,
        bind: impl Fn(&H, usize) -> Node<H, S>,
        seen: Seen<S::Addr>,
    ) -> Self {
        let (host, executor) = (H::start(), Executor::new());
        let (epoch, wake) = (time::Instant::now(), Arc::new(Notify::new()));
        let side = |node| Side::new(bind(&host, node), &executor, &wake);
        let nodes = (0..nodes).map(side).collect();
        Self { host, executor, seen, epoch, nodes, wake }
    }

    fn node(&self, node: usize) -> Option<&Node<H, S>> {
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

impl<H: Host, S: Sent> Fabric for Sockets<H, S> {
    type Addr = S::Addr;

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

    fn link(&self, node: usize) -> Link<S::Addr> {
        self.node(node).map_or_else(Link::unknown, |node| Link {
            local: node.local_addrs(),
            unit: node.mtu().min(1_000),
            tell_max: node.mtu(),
            ask_max: node.ask_max(),
        })
    }

    fn mtu_to(&self, node: usize, dst: &S::Addr) -> usize {
        self.node(node).map_or(0, |node| node.mtu_to(dst))
    }

    fn tell(&mut self, node: usize, dst: S::Addr, payload: Payload) -> Result<(), TellError> {
        self.node(node).map_or(Err(TellError::Closed), |node| node.try_tell(&dst, payload))
    }

    fn ask(
        &mut self,
        node: usize,
        id: AskId,
        dst: S::Addr,
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

    fn command(&mut self, node: usize, command: Command<S::Addr>) -> bool {
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

    fn next_event(&mut self, node: usize) -> Option<Event<S::Addr>> {
        lock(&self.nodes.get(node)?.heard).events.pop_front()
    }

    fn nobody(&self) -> Option<S::Addr> {
        Some(self.seen.nobody.clone())
    }

    fn no_route(&self) -> Option<S::Addr> {
        self.seen.no_route.clone()
    }

    fn speaks_from(&self, node: usize, src: &S::Addr) -> bool {
        let is_of = self.seen.is_of.unwrap_or(PartialEq::eq);
        self.link(node).local.first().is_some_and(|local| is_of(src, local))
    }

    fn key(&self, node: usize) -> Option<PublicKey> {
        Some(*key(node).public())
    }

    fn disguised(&self, at: usize, key_of: usize) -> Option<S::Addr> {
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
