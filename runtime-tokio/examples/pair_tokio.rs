//! Two nodes on two sockets of this machine: `cargo run --example pair_tokio`.

use core::error::Error;
use core::time::Duration;
use tellask::PeerAddr;
use tellask::identity::SecretKey;
use tellask_tokio::udp;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // Real nodes make a key once and keep it in a file: see `tellask::identity`.
    let (alices_key, bobs_key) = (SecretKey::from_seed(&[1; 32]), SecretKey::from_seed(&[2; 32]));

    let alice = udp("127.0.0.1:0".parse()?).secured(alices_key).spawn().await?;
    let bob = udp("[::]:0".parse()?).secured(bobs_key).spawn().await?;
    println!("alice is {}\nbob is   {}", alice.local_addrs()[0], bob.local_addrs()[0]);

    // Bob listens on all addresses of this machine; alice picks one of them.
    let PeerAddr { id, addr } = bob.local_addrs()[0];
    let to_bob: PeerAddr<_> = format!("{id}@127.0.0.1:{}", addr.0.port()).parse()?;
    alice.tell(&to_bob, "hello, bob").await?;

    // Whom a message is from was proven before it is received.
    let heard = bob.receive().await.ok_or("bob was closed")?;
    println!("bob heard {:?} from {}", heard.payload, heard.src);
    bob.tell(&heard.src, "hello, alice").await?;

    let heard = alice.receive().await.ok_or("alice was closed")?;
    println!("alice heard {:?} from {}", heard.payload, heard.src);

    if let Err(error) = alice.try_tell(&to_bob, vec![0; 2_000]) {
        println!("too much to say: {error}");
    }
    alice.close(Duration::from_secs(1)).await?;
    bob.close(Duration::from_secs(1)).await?;
    Ok(())
}
