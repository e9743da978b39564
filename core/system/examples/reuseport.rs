//! One address, one node in each of several threads: `cargo run -p tellask-system --example reuseport`.
//!
//! Every thread has a socket on the same port, a key that is the same for all, and a node of its own; no
//! two threads share anything. By a hash of both addresses the kernel chooses the socket that a datagram
//! goes to, so that a peer meets one thread for as long as its address stays. This is enough for servers: where
//! nodes must dial out too the threads have to hand datagrams over, and tell each other which hellos they had;
//! [`Workers`](tellask::driver::Workers) does both.
//!
//! On Linux. Elsewhere sockets share a port in other ways, or not at all, and the example says so.

#[cfg(target_os = "linux")]
pub(crate) fn main() -> std::io::Result<()> {
    linux::main()
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn main() -> std::io::Result<()> {
    println!("the kernel spreads datagrams over sockets on Linux only");
    Ok(())
}

#[cfg(target_os = "linux")]
mod linux {
    use core::net::SocketAddr;
    use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
    use core::time::Duration;
    use socket2::{Domain, Socket, Type};
    use std::collections::BTreeMap;
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
        BytesMut, Datagram, DatagramInput, DatagramPort, Event, Instant, Limits, Node, PeerAddr,
        Stack, UdpAddr,
    };
    use tellask_system::receive_error;

    const THREADS: u8 = 4;
    const CLIENTS: usize = 32;

    /// How long a thread is deaf at the most to what is said outside of its socket.
    const GLANCE: Duration = Duration::from_millis(20);

    struct Worker {
        node: Node<Stack<DatagramPort<UdpAddr>, P2pke<UdpAddr>>>,
        socket: UdpSocket,
        local: UdpAddr,
        epoch: Clock,
        buffer: Vec<u8>,
    }

    impl Worker {
        /// A node on a socket that shares its port with others; port 0 takes any.
        fn bind(addr: SocketAddr, key: SecretKey) -> io::Result<Self> {
            let (seed, limits) = (tellask_system::seed()?, Limits::default());
            let clock = Anchor { at: Instant::ZERO, date: tellask_system::date() };
            let security = P2pke::new(key, &seed, clock, Accept::Anyone, &limits);
            let mut node = Node::new(Stack::new(DatagramPort::new(&limits), security));

            let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, None)?;
            socket.set_reuse_port(true)?;
            socket.bind(&addr.into())?;
            let socket = UdpSocket::from(socket);
            let local = UdpAddr::from(socket.local_addr()?);
            let bound = DatagramInput::Bound { local: vec![local], mtu: 1_232 };
            node.handle_input(Instant::ZERO, bound);
            Ok(Self { node, socket, local, epoch: Clock::now(), buffer: vec![0; 65_536] })
        }

        fn now(&self) -> Instant {
            Instant::ZERO + self.epoch.elapsed()
        }

        fn turn(&mut self) -> io::Result<()> {
            self.node.finish_round(self.now());
            while let Some(Datagram { dst, payload, .. }) = self.node.poll_transmit() {
                // What is lost is lost, as datagrams may be.
                let _ = self.socket.send_to(&payload.into_bytes(), dst.0);
            }
            let due = self.node.poll_timeout().map_or(GLANCE, |due| due.since(self.now()));
            let wait = due.clamp(Duration::from_micros(1), GLANCE);
            self.socket.set_read_timeout(Some(wait))?;
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
            self.node.finish_round(self.now());
            Ok(())
        }
    }

    /// Tells everybody who says something which thread heard it.
    fn serve(mut worker: Worker, number: u8, over: &AtomicBool) -> io::Result<()> {
        while !over.load(Relaxed) {
            worker.turn()?;
            while let Some(event) = worker.node.poll_event() {
                let Event::Told(message) = event else { continue };
                let now = worker.now();
                worker.node.tell(now, message.src, vec![number]).map_err(io::Error::other)?;
            }
        }
        Ok(())
    }

    /// The threads that hear a client in two messages, one after the other.
    fn ask_twice(peer: PeerAddr<UdpAddr>) -> io::Result<[u8; 2]> {
        let key = SecretKey::generate(&mut tellask_system::seed()?.rng("key"));
        let mut client = Worker::bind(([127, 0, 0, 1], 0).into(), key)?;
        let mut heard = [0; 2];
        for heard in &mut heard {
            let now = client.now();
            client.node.tell(now, peer, "who hears me?").map_err(io::Error::other)?;
            *heard = loop {
                client.turn()?;
                if let Some(Event::Told(message)) = client.node.poll_event() {
                    break message.payload[0];
                }
                if client.now() > now + Duration::from_secs(10) {
                    return Err(TimedOut.into());
                }
            };
        }
        Ok(heard)
    }

    pub(crate) fn main() -> io::Result<()> {
        let secret = tellask_system::seed()?.rng("key").bytes();
        let first = Worker::bind(([127, 0, 0, 1], 0).into(), SecretKey::from_seed(&secret))?;
        let addr = first.local.0;
        let peer = first.node.stack().local_addrs()[0];
        let mut workers = vec![first];
        for _ in 1..THREADS {
            workers.push(Worker::bind(addr, SecretKey::from_seed(&secret))?);
        }
        println!("{peer} in {THREADS} threads");

        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let over = &over;
            let threads: Vec<_> = workers
                .into_iter()
                .zip(0..)
                .map(|(worker, number)| scope.spawn(move || serve(worker, number, over)))
                .collect();
            let clients = (0..CLIENTS).map(|_| ask_twice(peer)).collect::<io::Result<Vec<_>>>();
            over.store(true, Relaxed);
            for thread in threads {
                thread.join().map_err(|_| io::Error::other("a thread panicked"))??;
            }
            let mut heard = BTreeMap::new();
            for [before, after] in clients? {
                assert_eq!(before, after, "a peer stays with its thread");
                *heard.entry(before).or_insert(0) += 1;
            }
            for (number, clients) in &heard {
                println!("thread {number} had {clients} of {CLIENTS} clients");
            }
            assert!(heard.len() > 1, "the kernel spreads them");
            Ok(())
        })
    }
}
