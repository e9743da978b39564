//! A node in a loop that does something else too: `cargo run -p tellask-system --example mio_loop`.
//!
//! The loop waits for everything at once with `mio`: the node's datagrams, which are sent and received
//! many in a call, and the connections of a small TCP service that tells anybody the node's figures.

use core::time::Duration;
use mio::net::{TcpListener, UdpSocket};
use mio::{Events, Interest, Poll, Token};
use std::io::{self, ErrorKind, Read, Write};
use std::time::Instant as Clock;
use std::{net, thread};
use tellask::driver::{Burst, ReceiveError, SendError, SocketCounters};
use tellask::identity::SecretKey;
use tellask::p2pke::P2pke;
use tellask::swarm::{Accept, Swarm};
use tellask::time::Anchor;
use tellask::{
    DatagramInput, DatagramPort, Event, Instant, Limits, Node, PeerAddr, Stack, UdpAddr,
};
use tellask_system::{SLOTS, Udp, receive_error};

const DATAGRAMS: Token = Token(0);
const FIGURES: Token = Token(1);

/// Datagrams on their way to the kernel at once.
const COLLECT: usize = 64;

struct Loop {
    poll: Poll,
    node: Node<Stack<DatagramPort<UdpAddr>, P2pke<UdpAddr>>>,
    socket: UdpSocket,
    udp: Udp,
    burst: Burst,
    counters: SocketCounters,
    figures: TcpListener,
    epoch: Clock,
}

impl Loop {
    fn bind() -> io::Result<Self> {
        let (seed, limits, date) =
            (tellask_system::seed()?, Limits::default(), tellask_system::date());
        let key = SecretKey::generate(&mut seed.rng("key"));
        let clock = Anchor { at: Instant::ZERO, date };
        let security = P2pke::new(key, &seed, clock, Accept::Anyone, &limits);
        let mut node = Node::new(Stack::new(DatagramPort::new(&limits), security));

        let loopback = net::SocketAddr::from(([127, 0, 0, 1], 0));
        let (socket, udp) = Udp::bind(loopback.into())?;
        let bound = DatagramInput::Bound { local: vec![udp.local()], mtu: 1_232 };
        node.handle_input(Instant::ZERO, bound);

        let mut socket = UdpSocket::from_std(socket);
        let mut figures = TcpListener::bind(loopback)?;
        let poll = Poll::new()?;
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut socket, DATAGRAMS, both)?;
        poll.registry().register(&mut figures, FIGURES, Interest::READABLE)?;
        let (burst, counters) = Default::default();
        Ok(Self { poll, node, socket, udp, burst, counters, figures, epoch: Clock::now() })
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.epoch.elapsed()
    }

    /// Sends until there is nothing more, or the kernel takes nothing more: then `mio` says when it does.
    fn send(&mut self) {
        loop {
            if self.burst.is_empty() {
                self.node.finish_round(self.now());
                self.node.collect(self.burst.refill(), COLLECT);
            }
            let Some(run) = self.burst.run(self.udp.max_segments()) else { return };
            if let Err(error) = self.udp.send(&self.socket, &run) {
                if error.kind() == ErrorKind::WouldBlock {
                    return;
                }
                match self.udp.blame(&error, &run) {
                    SendError::NoOffload => continue,
                    // Lost, as datagrams may be.
                    SendError::Unreachable | SendError::TooLarge | SendError::OutOfMemory => {}
                }
            }
            self.burst.done();
        }
    }

    /// Receives until there is nothing more: `mio` tells only of what comes later.
    fn receive(&mut self) -> io::Result<()> {
        let mut arrived = Vec::new();
        loop {
            match self.udp.receive(&self.socket) {
                Ok(count) => self.udp.take(count.min(SLOTS), &mut arrived, &mut self.counters),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if receive_error(&error) == ReceiveError::Peer => continue,
                Err(error) => return Err(error),
            }
            let now = self.now();
            arrived.drain(..).for_each(|input| self.node.handle_input(now, input));
        }
    }

    /// The other thing that this loop does.
    fn tell_figures(&self) -> io::Result<()> {
        loop {
            match self.figures.accept() {
                Ok((mut connection, _)) => {
                    let mut stats = self.node.stats();
                    self.counters.stats(&mut stats);
                    // Whoever reads too slowly gets less.
                    let _ = connection.write(stats.to_string().as_bytes());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits for whatever comes first, and does it.
    fn turn(&mut self, events: &mut Events) -> io::Result<()> {
        self.send();
        let wait = self.node.poll_timeout().map(|due| due.since(self.now()));
        match self.poll.poll(events, wait) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => other?,
        }
        for event in &*events {
            match event.token() {
                FIGURES => self.tell_figures()?,
                _ if event.is_readable() => self.receive()?,
                _ => {}
            }
        }
        self.node.finish_round(self.now());
        Ok(())
    }
}

/// Echoes messages until one says that it is enough.
fn echo(mut node: Loop) -> io::Result<()> {
    let mut events = Events::with_capacity(64);
    loop {
        node.turn(&mut events)?;
        while let Some(event) = node.node.poll_event() {
            let Event::Told(message) = event else { continue };
            if message.payload == "enough" {
                return Ok(());
            }
            let now = node.now();
            let told = node.node.tell(now, message.src, message.payload.freeze());
            told.map_err(io::Error::other)?;
        }
    }
}

pub(crate) fn main() -> io::Result<()> {
    let server = Loop::bind()?;
    let peer: PeerAddr<UdpAddr> = server.node.stack().local_addrs()[0];
    let figures = server.figures.local_addr()?;
    println!("{peer} echoes messages; its figures are at tcp://{figures}");
    let server = thread::spawn(|| echo(server));

    let mut client = Loop::bind()?;
    let mut events = Events::with_capacity(64);
    for number in 0..100 {
        let now = client.now();
        client.node.tell(now, peer, format!("message {number}")).map_err(io::Error::other)?;
    }
    let (mut back, until) = (0, client.now() + Duration::from_secs(5));
    while back < 100 && client.now() < until {
        client.turn(&mut events)?;
        while let Some(event) = client.node.poll_event() {
            back += u32::from(matches!(event, Event::Told(message) if message.src == peer));
        }
    }
    println!("{back} of 100 messages came back");

    let mut text = String::new();
    net::TcpStream::connect(figures)?.read_to_string(&mut text)?;
    println!("{text}");
    assert!(back > 0 && text.contains("p2pke"), "an echo, and figures");

    let now = client.now();
    client.node.tell(now, peer, "enough").map_err(io::Error::other)?;
    client.send();
    server.join().map_err(|_| io::Error::other("the server panicked"))?
}
