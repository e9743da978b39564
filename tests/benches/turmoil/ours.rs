//! Pings in our simulator: between machines, and between tasks.

use super::{LATENCY, SIZE, Work};
use core::time::Duration;
use tellask::{DatagramPort, Event, Instant, Limits, MemoryAddr, UdpAddr};
use tellask_sim::net::{App, Cx, Faults, Network};
use tellask_sim::runtime::{Sim, udp};

type Port = DatagramPort<MemoryAddr>;

fn faults() -> Faults {
    let mut faults = Faults::NONE;
    faults.delay = LATENCY;
    faults
}

/// Pings its peer so often; or, with nothing left, sends back what comes.
struct Pinger {
    peer: Option<MemoryAddr>,
    left: u32,
    starts: Option<Instant>,
}

impl Pinger {
    fn ping(&mut self, cx: &mut Cx<'_, Port>) {
        if let Some(peer) = self.peer
            && self.left > 0
        {
            self.left -= 1;
            cx.tell(peer, vec![0x5a; SIZE]).expect("accepted");
        }
    }
}

impl App<Port> for Pinger {
    type Note = ();

    fn on_event(&mut self, cx: &mut Cx<'_, Port>, event: Event<MemoryAddr>) {
        let Event::Told(message) = event else { return };
        if self.peer.is_some() {
            self.ping(cx);
        } else {
            cx.tell(message.src, message.payload.freeze()).expect("accepted");
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.starts
    }

    fn on_timeout(&mut self, cx: &mut Cx<'_, Port>) {
        self.starts = None;
        self.ping(cx);
    }
}

pub(crate) fn engine(work: Work) {
    let mut network: Network<Port, Pinger> = Network::new(1);
    network.set_faults(faults());
    for pair in 0..u32::from(work.pairs) {
        let [client, server] = [2 * pair, 2 * pair + 1].map(MemoryAddr);
        let starts = Some(network.now().next());
        let limits = Limits::default();
        let pinger = Pinger { peer: Some(server), left: work.pings, starts };
        network.add(client, Port::new(&limits), pinger);
        network.add(server, Port::new(&limits), Pinger { peer: None, left: 0, starts: None });
    }
    network.run_for(LATENCY * 2 * work.pings + Duration::from_secs(1));
    assert_eq!(network.totals().delivered, work.events());
}

pub(crate) fn runtime(work: Work) {
    let sim = Sim::new(1);
    sim.net().set_faults(faults());
    let mut clients = Vec::new();
    for pair in 0..work.pairs {
        let server: UdpAddr = UdpAddr(([10, 1, 0, 1], 1_000 + pair).into());
        sim.spawn(async move {
            let node = udp(server).spawn().await.expect("a free address");
            while let Some(ping) = node.receive().await {
                node.tell(&ping.src, ping.payload).await.expect("accepted");
            }
        });
        clients.push(sim.spawn(async move {
            let client = UdpAddr(([10, 0, 0, 1], 1_000 + pair).into());
            let node = udp(client).spawn().await.expect("a free address");
            for _ in 0..work.pings {
                node.tell(&server, vec![0x5a; SIZE]).await.expect("accepted");
                assert_eq!(node.receive().await.expect("open").payload.len(), SIZE);
            }
        }));
    }
    for client in clients {
        sim.run(client).expect("it is not stopped");
    }
    assert_eq!(sim.net().totals().delivered, work.events());
}
