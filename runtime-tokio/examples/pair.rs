//! Two nodes on two sockets of this machine: `cargo run -p tellask-tokio --example pair`.

use std::error::Error;
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let alice = tellask_tokio::udp("127.0.0.1:0".parse()?).spawn().await?;
    let bob = tellask_tokio::udp("[::]:0".parse()?).spawn().await?;
    println!("alice is at {}, bob at {}", alice.local_addrs()[0], bob.local_addrs()[0]);

    // Bob listens on all addresses of this machine: this is one of them.
    let bob_addr = format!("127.0.0.1:{}", bob.local_addrs()[0].0.port()).parse()?;
    alice.tell(&bob_addr, "hello, bob").await?;

    let heard = bob.receive().await.ok_or("bob was closed")?;
    println!("bob heard {:?} from {}", heard.payload, heard.src);
    bob.tell(&heard.src, "hello, alice").await?;

    let heard = alice.receive().await.ok_or("alice was closed")?;
    println!("alice heard {:?} from {}", heard.payload, heard.src);

    let too_large = alice.tell(&bob_addr, vec![0; 2_000]).await;
    println!("alice says too much: {}", too_large.err().ok_or("it was taken")?);

    alice.close(Duration::from_secs(1)).await?;
    bob.close(Duration::from_secs(1)).await?;
    Ok(())
}
