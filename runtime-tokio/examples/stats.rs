//! What a node counts, and how to read it: `cargo run -p tellask-tokio --example stats`.
//!
//! Two nodes on loopback; one tells and asks the other. Then the figures: one of them, what changed within a
//! while, and all of them as Prometheus reads them. What each means is in [`tellask::stats::figures`].

use tellask::identity::SecretKey;
use tellask::stats::Snapshot;
use tellask_tokio::{Node, udp};

type Error = Box<dyn core::error::Error>;

async fn node(seed: u8) -> Result<Node<tellask::PeerAddr<tellask::UdpAddr>>, Error> {
    let key = SecretKey::from_seed(&[seed; 32]);
    Ok(udp("127.0.0.1:0".parse()?).secured(key).asking().spawn().await?)
}

/// The counters that grew, and by how much.
fn grown(before: &Snapshot, after: &Snapshot) -> Vec<(String, u64)> {
    let by = |(name, value): (&String, &u64)| (name.clone(), value - before.value(name));
    after.counters.iter().map(by).filter(|(_, by)| *by > 0).collect()
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Error> {
    let (alice, bob) = (node(1).await?, node(2).await?);
    let bobs = bob.local_addrs()[0];
    alice.tell(&bobs, "hello").await?;
    bob.receive().await.ok_or("bob was closed")?;
    println!("bob has {} peer", bob.stats().value("p2pke.peers"));

    let before = bob.stats();
    let server = bob.clone();
    let serving = tokio::spawn(async move { server.serve(async |ask| Ok(ask.payload)).await });
    for _ in 0..100 {
        alice.ask(&bobs, "how are you?").await?;
    }
    println!("\nwhile he answered 100 requests:");
    for (name, by) in grown(&before, &bob.stats()) {
        println!("{by:>8} {name}");
    }

    println!("\nfor Prometheus:");
    let text = bob.stats().prometheus(&[("node", "bob")]).to_string();
    text.lines().filter(|line| line.contains("\"ask\"")).for_each(|line| println!("{line}"));
    serving.abort();
    Ok(())
}
