//! A node on a blocking socket, in one thread: `cargo run -p tellask-system --example blocking`.
//!
//! The whole driver is [`Blocking::turn`]: send what there is, then wait for a datagram or for the
//! node's timer, whichever comes first. One node echoes, in a thread of its own; another counts the echoes.

use core::time::Duration;
use std::io::{
    self,
    ErrorKind::{Interrupted, TimedOut, WouldBlock},
};
use std::net::UdpSocket;
use std::thread;
use std::time::Instant as Clock;
use tellask::driver::ReceiveError;
use tellask::identity::SecretKey;
use tellask::p2pke::P2pke;
use tellask::swarm::{Accept, Swarm};
use tellask::time::Anchor;
use tellask::{
    BytesMut, Datagram, DatagramInput, DatagramPort, Event, Instant, Limits, Node, Stack, UdpAddr,
};
use tellask_system::receive_error;

struct Blocking {
    node: Node<Stack<DatagramPort<UdpAddr>, P2pke<UdpAddr>>>,
    socket: UdpSocket,
    local: UdpAddr,
    epoch: Clock,
    buffer: Vec<u8>,
}

impl Blocking {
    fn bind(addr: &str) -> io::Result<Self> {
        let (seed, limits) = (tellask_system::seed()?, Limits::default());
        let key = SecretKey::generate(&mut seed.rng("key"));
        let clock = Anchor { at: Instant::ZERO, date: tellask_system::date() };
        let security = P2pke::new(key, &seed, clock, Accept::Anyone, &limits);
        let mut node = Node::new(Stack::new(DatagramPort::new(&limits), security));
        let socket = UdpSocket::bind(addr)?;
        let local = UdpAddr::from(socket.local_addr()?);
        node.handle_input(Instant::ZERO, DatagramInput::Bound { local: vec![local], mtu: 1_232 });
        Ok(Self { node, socket, local, epoch: Clock::now(), buffer: vec![0; 65_536] })
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.epoch.elapsed()
    }

    /// Sends what there is, waits, and hands in what comes; what the node says of it is in `poll_event`.
    fn turn(&mut self) -> io::Result<()> {
        self.node.handle_timeout(self.now());
        while let Some(Datagram { dst, payload, .. }) = self.node.poll_transmit() {
            if let Err(error) = self.socket.send_to(&payload.into_bytes(), dst.0) {
                eprintln!("lost on the way to {dst}, as datagrams may be: {error}");
            }
        }
        let due = self.node.poll_timeout();
        // A time-out of zero would be none.
        let wait = due.map(|due| due.since(self.now()).max(Duration::from_micros(1)));
        self.socket.set_read_timeout(wait)?;
        match self.socket.recv_from(&mut self.buffer) {
            Ok((len, src)) => {
                let payload = BytesMut::from(self.buffer.get(..len).unwrap_or_default());
                let (src, dst) = (UdpAddr::from(src), self.local);
                let datagram = DatagramInput::Datagram { src, dst, payload };
                self.node.handle_input(self.now(), datagram);
            }
            // The node's time has come.
            Err(error) if matches!(error.kind(), WouldBlock | TimedOut | Interrupted) => {}
            // Somebody to whom we sent is not there, which ends nothing.
            Err(error) if receive_error(&error) == ReceiveError::Peer => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Sends every message back to whoever told it.
fn echo(mut server: Blocking) -> io::Result<()> {
    loop {
        server.turn()?;
        while let Some(event) = server.node.poll_event() {
            let Event::Told(message) = event else { continue };
            let (now, echo) = (server.now(), message.payload.freeze());
            server.node.tell(now, message.src, echo).map_err(io::Error::other)?;
        }
    }
}

pub(crate) fn main() -> io::Result<()> {
    let server = Blocking::bind("127.0.0.1:0")?;
    let peer = server.node.stack().local_addrs()[0];
    println!("{peer} echoes what it is told");
    thread::spawn(|| echo(server));

    let mut client = Blocking::bind("127.0.0.1:0")?;
    for number in 1..=5_u8 {
        let now = client.now();
        client.node.tell(now, peer, vec![number; 1_000]).map_err(io::Error::other)?;
        loop {
            client.turn()?;
            if let Some(Event::Told(echo)) = client.node.poll_event() {
                println!("echo {number} came after {:?}", client.now().since(now));
                assert_eq!((echo.src, &echo.payload[..]), (peer, &[number; 1_000][..]));
                break;
            }
        }
    }
    Ok(())
}
