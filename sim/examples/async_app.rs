//! An application of plain async tasks in the simulation: a counter that is asked to count, on a network that loses, and
//! through a partition.
//!
//! ```sh
//! cargo run -p tellask-sim --example async_app -- 7    # the seed
//! ```
//!
//! The first part is the application. With `use tellask_tokio::udp` in place of `tellask_sim::runtime::udp`, and the
//! sleep of tokio, it runs on sockets.

use core::cell::Cell;
use core::time::Duration;
use std::rc::Rc;
use tellask::PeerAddr;
use tellask::identity::SecretKey;
use tellask::swarm::AskError;
use tellask_sim::net::{Chance, Faults, Trace};
use tellask_sim::runtime::{Node, Sim, sleep, udp};

type Error = Box<dyn core::error::Error>;
type Peer = PeerAddr<tellask::UdpAddr>;

const ASKS: u32 = 100;

async fn node(addr: &str, seed: u8) -> Result<Node<Peer>, Error> {
    let builder = udp(addr.parse()?).secured(SecretKey::from_seed(&[seed; 32]));
    Ok(builder.asking().spawn().await?)
}

/// Counts how often it was asked.
async fn server(counted: Rc<Cell<u32>>) -> Result<(), Error> {
    let node = node("10.0.0.1:7", 1).await?;
    let count = async |_| {
        counted.set(counted.get() + 1);
        Ok(counted.get().to_be_bytes().to_vec())
    };
    node.serve(count).await;
    Ok(())
}

/// Asks again and again, and returns how often it was answered, and how often it is unknown whether it counted.
async fn client(server: Peer) -> Result<(u32, u32), Error> {
    let node = node("10.0.0.2:7", 2).await?;
    let (mut answered, mut unknown) = (0, 0);
    for _ in 0..ASKS {
        match node.ask(&server, "count").within(Duration::from_secs(2)).await {
            Ok(_) => answered += 1,
            Err(AskError::TimedOut { .. }) => unknown += 1,
            Err(error) => return Err(error.into()),
        }
        sleep(Duration::from_millis(100)).await;
    }
    node.close(Duration::from_secs(1)).await?;
    Ok((answered, unknown))
}

/// Ten seconds of partition in the midst of it.
fn simulate(seed: u64) -> Result<(u32, u32, Trace), Error> {
    let sim = Sim::new(seed);
    let mut faults = Faults::NONE;
    faults.loss = Chance::percent(10);
    faults.jitter = Duration::from_millis(20);
    sim.net().set_faults(faults);
    let counted = Rc::new(Cell::new(0));
    sim.spawn(server(Rc::clone(&counted)));
    let net = sim.net().clone();
    sim.spawn(async move {
        let ends = ["10.0.0.1:7", "10.0.0.2:7"].map(|addr| addr.parse().expect("an address"));
        sleep(Duration::from_secs(5)).await;
        net.part(&ends[..1], &ends[1..]);
        sleep(Duration::from_secs(10)).await;
        net.mend_all();
    });
    let addr = "10.0.0.1:7".parse()?;
    let server = PeerAddr { id: SecretKey::from_seed(&[1; 32]).id(), addr };
    let (answered, unknown) = sim.run(client(server))?;
    // At most once: what was answered was counted, and what was not may have been.
    let counted = counted.get();
    assert!((answered..=answered + unknown).contains(&counted), "{answered}, {counted}");
    Ok((answered, unknown, sim.trace()))
}

pub(crate) fn main() -> Result<(), Error> {
    let seed = std::env::args().nth(1).and_then(|seed| seed.parse().ok()).unwrap_or(7);
    let (answered, unknown, trace) = simulate(seed)?;
    println!("seed {seed}: {answered} of {ASKS} answered, {unknown} timed out, trace {trace}");
    assert!(answered > ASKS / 2 && unknown > 0, "there was a partition, and it was over");
    assert_eq!(simulate(seed)?.2, trace, "the same seed, the same run");
    Ok(())
}
