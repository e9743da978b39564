//! Our side of the comparisons: a session, a stack in memory, and nodes on UDP.

use ::tellask::ask::Asking;
use ::tellask::identity::SecretKey;
use ::tellask::p2pke::session::{Hello, Initiation, Session};
use ::tellask::p2pke::{P2pke, Tai64n};
use ::tellask::swarm::{Accept, Event};
use ::tellask::time::{Anchor, UnixTime};
use ::tellask::{
    Bytes, Datagram, DatagramInput, DatagramPort, Instant, Limits, MemoryAddr, Node, PeerAddr,
    Seed, Stack, UdpAddr,
};
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long a round may take before it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How long nothing arrives before a round's last message has.
pub(crate) const QUIET: Duration = Duration::from_millis(50);

/// Two ends of one session.
pub(crate) fn sessions() -> (Session, Session) {
    let now = Instant::from_nanos(1);
    let keys = [[1; 32], [2; 32]].map(|seed| SecretKey::from_seed(&seed));
    let date = Tai64n::from_unix(UnixTime::new(1_800_000_000, 0));
    let (initiation, hello) = Initiation::start(&keys[0], [3; 32], date, now);
    let hello = Hello::parse(&hello).expect("a hello");
    let candidate = hello.answer(hello.id(), &keys[1], [4; 32], now).expect("an answer");
    let answer = initiation.read(candidate.resp_hello()).expect("it is for this hello");
    let mut initiator = answer.complete(&keys[0], now);
    let init_done = initiator.init_done().expect("not finished").clone();
    let mut responder = candidate.complete(&init_done, now);
    initiator.finish(&responder.resp_done().expect("a responder")).expect("finishes");
    responder.confirm();
    (initiator, responder)
}

/// Seals a message of `size` bytes in one end of a session and opens it in the other.
pub(crate) fn session(size: usize) -> impl FnMut() {
    let (mut from, mut to) = sessions();
    let text = vec![0x5a; size];
    move || {
        let sealed = from.seal(&[&text]).expect("seals");
        let sealed = sealed.try_into_mut().expect("nobody else holds it");
        assert_eq!(to.open(sealed).expect("opens").len(), size);
    }
}

type Secure = Node<Stack<DatagramPort<MemoryAddr>, P2pke<MemoryAddr>>>;

/// Two secure nodes in memory.
pub(crate) struct Pair {
    nodes: [Secure; 2],
    addrs: [PeerAddr<MemoryAddr>; 2],
    now: Instant,
}

fn secure(number: u32) -> (Secure, PeerAddr<MemoryAddr>) {
    let (seed, limits) = (Seed::from_u64(number.into()), Limits::default());
    let key = SecretKey::generate(&mut seed.rng("key"));
    let addr = PeerAddr { id: key.id(), addr: MemoryAddr(number) };
    let clock = Anchor { at: Instant::ZERO, date: UnixTime::new(1_800_000_000, 0) };
    let security = P2pke::new(key, &seed, clock, Accept::Anyone, &limits);
    let mut node = Node::new(Stack::new(DatagramPort::new(&limits), security));
    let bound = DatagramInput::Bound { local: vec![addr.addr], mtu: 65_507 };
    node.handle_input(Instant::ZERO, bound);
    (node, addr)
}

/// Two stacks that have a session.
pub(crate) fn pair() -> Pair {
    let ((a, a_addr), (b, b_addr)) = (secure(0), secure(1));
    let now = Instant::ZERO + Duration::from_secs(1);
    let mut pair = Pair { nodes: [a, b], addrs: [a_addr, b_addr], now };
    let text = Bytes::from_static(b"hello");
    assert_eq!(pair.carry(&text), text.len());
    pair
}

impl Pair {
    /// Tells one message from the first node to the second, all the way through both stacks.
    /// Returns the bytes that arrived.
    pub(crate) fn carry(&mut self, text: &Bytes) -> usize {
        self.nodes[0].tell(self.now, self.addrs[1], text.clone()).expect("accepted");
        let mut told = 0;
        while self.switch(0, 1, &mut told) + self.switch(1, 0, &mut told) > 0 {}
        told
    }

    /// Hands what one node has to send to the other. Returns how many datagrams that were.
    fn switch(&mut self, from: usize, to: usize, told: &mut usize) -> usize {
        let mut count = 0;
        while let Some(Datagram { dst, payload, .. }) = self.nodes[from].poll_transmit() {
            let (src, payload) = (self.addrs[from].addr, payload.into_mut());
            self.nodes[to].handle_input(self.now, DatagramInput::Datagram { src, dst, payload });
            while let Some(event) = self.nodes[to].poll_event() {
                if let Event::Told(message) = event {
                    *told += message.payload.len();
                }
            }
            count += 1;
        }
        count
    }

    /// A handshake from its first datagram to the session in force on both sides: both forget
    /// one another, and the first message that arrives confirms the new session.
    pub(crate) fn handshake(&mut self, text: &Bytes) {
        for (node, peer) in [(0, 1), (1, 0)] {
            let dst = self.addrs[peer];
            self.nodes[node].handle_command(self.now, ::tellask::Command::Disconnect { dst });
            while self.nodes[node].poll_event().is_some() {}
        }
        // A key's time stamps must rise, and its signature checks have a rate.
        self.now = self.now + Duration::from_millis(1);
        assert_eq!(self.carry(text), text.len());
    }
}

/// Two nodes on UDP, and the runtime they live on.
pub(crate) struct Udp {
    pub(crate) runtime: Runtime,
    pub(crate) sender: tellask_tokio::Node<PeerAddr<UdpAddr>>,
    pub(crate) receiver: tellask_tokio::Node<PeerAddr<UdpAddr>>,
}

/// Two secure nodes on loopback in two worker threads.
pub(crate) fn udp() -> Udp {
    udp_with(|node| node)
}

/// The same with messages of up to `max` bytes, in fragments that fill what quinn's packets fill.
pub(crate) fn udp_fragmented(max: usize) -> Udp {
    udp_with(|node| node.mtu(1_452).fragmented(max))
}

/// The same with asks, of which the second node answers each with what it was asked.
pub(crate) fn udp_asking() -> Udp {
    udp_asking_on(runtime(2))
}

/// The same on this runtime.
pub(crate) fn udp_asking_on(runtime: Runtime) -> Udp {
    let udp = udp_on(runtime, |node| {
        node.layer(|lower, parts| {
            Box::new(Stack::new(lower, Asking::new(&parts.seed, &parts.limits)))
        })
    });
    serve_echo(&udp);
    udp
}

fn serve_echo(udp: &Udp) {
    let server = udp.receiver.clone();
    udp.runtime.spawn(async move {
        while let Some(request) = server.next_ask().await {
            let echo = request.payload().clone();
            request.answer(echo);
        }
    });
}

type UdpBuilder = tellask_tokio::Builder<PeerAddr<UdpAddr>>;

/// tokio in this many worker threads.
pub(crate) fn runtime(threads: usize) -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(threads).enable_all().build().expect("a runtime")
}

/// Two nodes of QUIC in two worker threads, of which the second answers each request with itself.
#[cfg(feature = "quic")]
pub(crate) fn udp_quic() -> Udp {
    let udp = nodes(runtime(2), |udp, key| udp.quic(key));
    serve_echo(&udp);
    udp
}

fn udp_with(layers: impl Fn(UdpBuilder) -> UdpBuilder) -> Udp {
    udp_on(runtime(2), layers)
}

fn udp_on(runtime: Runtime, layers: impl Fn(UdpBuilder) -> UdpBuilder) -> Udp {
    nodes(runtime, |udp, key| layers(udp.secured(key)))
}

fn nodes(
    runtime: Runtime,
    layers: impl Fn(tellask_tokio::Builder<UdpAddr>, SecretKey) -> UdpBuilder,
) -> Udp {
    let (sender, receiver) = runtime.block_on(async {
        let node = async |seed| {
            let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let key = SecretKey::from_seed(&[seed; 32]);
            let node = layers(tellask_tokio::udp(any.into()), key);
            node.spawn().await.expect("a socket")
        };
        (node(1).await, node(2).await)
    });
    let udp = Udp { runtime, sender, receiver };
    udp.tells(1, 16);
    udp
}

impl Udp {
    /// Tells messages of `size` bytes until `n` have been received, and returns how many were
    /// received per second. Those that the path loses count for nothing.
    pub(crate) fn tells(&self, n: u64, size: usize) -> f64 {
        self.runtime.block_on(async {
            let start = std::time::Instant::now();
            let (sender, receiver) = (self.sender.clone(), self.receiver.clone());
            let dst = receiver.local_addrs().remove(0);
            let sending = tokio::spawn(async move {
                let text = Bytes::from(vec![0x5a; size]);
                while sender.tell(&dst, text.clone()).await.is_ok() {}
            });
            let receiving = tokio::spawn(async move {
                let (mut received, mut messages) = (0, Vec::new());
                while received < n {
                    messages.clear();
                    received += receiver.receive_many(&mut messages, 64).await as u64;
                    assert!(messages.iter().all(|message| message.payload.len() == size));
                }
                received
            });
            let received = timeout(PATIENCE, receiving).await;
            let received = received.expect("messages arrive").expect("the receiver ends");
            let rate = received as f64 / start.elapsed().as_secs_f64();
            sending.abort();
            // What is still under way would be a present to the next round.
            while timeout(QUIET, self.receiver.receive()).await.is_ok() {}
            rate
        })
    }

    /// Asks `n` times with `size` bytes, `parallel` at a time, and returns how many answers came in
    /// a second.
    pub(crate) fn asks(&self, n: u64, size: usize, parallel: u64) -> f64 {
        self.runtime.block_on(async {
            let dst = self.receiver.local_addrs().remove(0);
            let text = Bytes::from(vec![0x5a; size]);
            let start = std::time::Instant::now();
            let mut askers = JoinSet::new();
            for _ in 0..parallel {
                let (node, text) = (self.sender.clone(), text.clone());
                askers.spawn(async move {
                    for _ in 0..n / parallel {
                        let answer = node.ask(&dst, text.clone()).await.expect("an answer");
                        assert_eq!(answer.len(), size);
                    }
                });
            }
            timeout(PATIENCE, askers.join_all()).await.expect("answers arrive");
            n as f64 / start.elapsed().as_secs_f64()
        })
    }

    /// Tells `n` messages of `size` bytes, and returns how many of them arrived.
    pub(crate) fn arrive(&self, n: u64, size: usize) -> u64 {
        self.runtime.block_on(async {
            let (sender, receiver) = (self.sender.clone(), self.receiver.clone());
            let dst = receiver.local_addrs().remove(0);
            let receiving = tokio::spawn(async move {
                let mut received = 0;
                while received < n && timeout(QUIET, receiver.receive()).await.is_ok() {
                    received += 1;
                }
                received
            });
            let text = Bytes::from(vec![0x5a; size]);
            for _ in 0..n {
                sender.tell(&dst, text.clone()).await.expect("accepted");
            }
            receiving.await.expect("the receiver ends")
        })
    }
}
