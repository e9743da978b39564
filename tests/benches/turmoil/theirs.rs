//! The same pings in turmoil.

use super::{LATENCY, SIZE, Work};
use core::time::Duration;
use turmoil::Builder;
use turmoil::net::UdpSocket;

const PORT: u16 = 1_000;

pub(crate) fn ping(work: Work, tick: Duration) {
    let mut sim = Builder::new()
        .rng_seed(1)
        .tick_duration(tick)
        .min_message_latency(LATENCY)
        .max_message_latency(LATENCY)
        .simulation_duration(Duration::from_secs(1 << 20))
        .build();
    for pair in 0..work.pairs {
        sim.host(format!("server-{pair}"), || async {
            let socket = UdpSocket::bind(("0.0.0.0", PORT)).await?;
            let mut buffer = [0; 2 * SIZE];
            loop {
                let (len, from) = socket.recv_from(&mut buffer).await?;
                socket.send_to(&buffer[..len], from).await?;
            }
        });
        sim.client(format!("client-{pair}"), async move {
            let socket = UdpSocket::bind(("0.0.0.0", PORT)).await?;
            let mut buffer = [0; 2 * SIZE];
            for _ in 0..work.pings {
                socket.send_to(&[0x5a; SIZE], (format!("server-{pair}"), PORT)).await?;
                let (len, _) = socket.recv_from(&mut buffer).await?;
                assert_eq!(len, SIZE);
            }
            Ok(())
        });
    }
    sim.run().expect("all pings are answered");
}
