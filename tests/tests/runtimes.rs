//! One program on every runtime, and runtimes that talk to each other.
//!
//! The programs are the same text but for one `use`. async-std is no longer maintained; it stands here for
//! executors that nobody thought of.

use core::time::Duration;
use tellask::identity::SecretKey;
use tellask::swarm::Refusal;
use tellask::{PeerAddr, UdpAddr};
use tellask_sim::net::{Chance, Faults};
use tellask_sim::runtime::Sim;

type Error = Box<dyn core::error::Error + Send + Sync>;

/// What a program says once it has run: what was told, what was answered, what was refused.
type Outcome = Result<(Vec<u8>, Vec<u8>, u32), Error>;

const LONG: Duration = Duration::from_secs(30);
const BUSY: u32 = 7;

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed(&[number; 32])
}

fn expected() -> (Vec<u8>, Vec<u8>, u32) {
    (b"hello".to_vec(), vec![7; 100_000], BUSY)
}

/// A program on the runtime that it uses: two nodes tell, ask and close.
macro_rules! program {
    ($name:ident uses $($runtime:ident)::+) => {
        mod $name {
            use super::*;
            use $($runtime)::+::{Node, Request, udp};

            pub(crate) type Peer = Node<PeerAddr<UdpAddr>>;

            pub(crate) async fn node(number: u8) -> Result<Peer, Error> {
                let builder = udp("127.0.0.1:0".parse()?).secured(key(number)).asking();
                Ok(builder.spawn().await?)
            }

            pub(crate) async fn main() -> Outcome {
                exchange(&node(1).await?, &node(2).await?).await
            }

            async fn exchange(alice: &Peer, bob: &Peer) -> Outcome {
                let (alices, bobs) = (alice.local_addrs()[0], bob.local_addrs()[0]);
                alice.tell(&bobs, "hello").await?;
                let told = bob.receive().await.ok_or("bob was closed")?;
                assert_eq!(told.src, alices);

                let (reply, request) = futures_lite::future::zip(
                    alice.ask(&bobs, vec![7; 100_000]).within(LONG),
                    answer(bob),
                )
                .await;
                request?;
                let (refusal, request) =
                    futures_lite::future::zip(alice.ask(&bobs, "again").within(LONG), refuse(bob))
                        .await;
                request?;
                let code = match refusal {
                    Err(tellask::swarm::AskError::Refused(refusal)) => refusal.code,
                    other => return Err(format!("{other:?}").into()),
                };
                alice.close(LONG).await?;
                bob.close(LONG).await?;
                Ok((told.payload.to_vec(), reply?.to_vec(), code))
            }

            pub(crate) async fn answer(node: &Peer) -> Result<(), Error> {
                let request: Request<_> = node.next_ask().await.ok_or("it was closed")?;
                let echo = request.payload().clone();
                request.answer(echo);
                Ok(())
            }

            async fn refuse(node: &Peer) -> Result<(), Error> {
                let request = node.next_ask().await.ok_or("it was closed")?;
                request.refuse(Refusal::new(BUSY, "not now"));
                Ok(())
            }
        }
    };
}

program!(on_tokio uses tellask_tokio);
program!(on_smol uses tellask_smol);
program!(simulated uses tellask_sim::runtime);

fn tokio(threads: usize) -> tokio::runtime::Runtime {
    let mut builder = match threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    builder.worker_threads(threads).enable_all().build().expect("a runtime")
}

#[test]
fn one_program_runs_on_tokio_in_one_thread_and_in_several() {
    assert_eq!(tokio(1).block_on(on_tokio::main()).expect("runs"), expected());
    let spawned = tokio(2);
    let task = spawned.spawn(on_tokio::main());
    assert_eq!(spawned.block_on(task).expect("runs").expect("runs"), expected());
}

#[test]
fn the_same_program_runs_on_smol() {
    let executor = async_executor::Executor::new();
    let task = executor.spawn(on_smol::main());
    assert_eq!(async_io::block_on(executor.run(task)).expect("runs"), expected());
}

#[test]
fn it_runs_in_the_simulation_on_a_network_with_faults_and_goes_the_same_way_each_time() {
    let run = |seed| {
        let sim = Sim::new(seed);
        let mut faults = Faults::NONE;
        // No loss, nor what overtakes a handshake: the program waits for a tell, which nobody sends again.
        faults.duplicate = Chance::percent(30);
        sim.net().set_faults(faults);
        assert_eq!(sim.run(simulated::main()).expect("runs"), expected());
        sim.trace()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn it_runs_on_async_std() {
    let task = async_std::task::spawn(on_smol::main());
    assert_eq!(async_std::task::block_on(task).expect("runs"), expected());
}

#[test]
fn it_runs_with_nothing_but_a_loop_that_polls_it() {
    assert_eq!(futures_lite::future::block_on(on_smol::main()).expect("runs"), expected());
}

#[test]
fn a_driver_runs_next_to_its_application_in_one_thread() {
    let builder = |number| {
        let builder = tellask_smol::udp("127.0.0.1:0".parse().expect("an address"));
        builder.secured(key(number)).asking()
    };
    let (alice, alices_driver) = builder(1).bind().expect("a free port");
    let (bob, bobs_driver) = builder(2).bind().expect("a free port");
    let application = async {
        let ask = alice.ask(&bob.local_addrs()[0], "how are you?").within(LONG);
        let (reply, answered) = futures_lite::future::zip(ask, on_smol::answer(&bob)).await;
        answered.expect("answered");
        alice.close(LONG).await.expect("closes");
        bob.close(LONG).await.expect("closes");
        reply.expect("a reply")
    };
    let drivers = futures_lite::future::zip(alices_driver, bobs_driver);
    let both = futures_lite::future::zip(drivers, application);
    assert_eq!(futures_lite::future::block_on(both).1, "how are you?");
}

#[test]
fn nodes_on_tokio_and_on_smol_ask_each_other_in_one_process() {
    let runtime = tokio(1);
    runtime.block_on(async {
        let tokios = on_tokio::node(1).await.expect("a free port");
        let smols = on_smol::node(2).await.expect("a free port");
        let (tokios_addr, smols_addr) = (tokios.local_addrs()[0], smols.local_addrs()[0]);
        let text = vec![9; 50_000];

        let ask = tokios.ask(&smols_addr, text.clone()).within(LONG);
        let (reply, answered) = futures_lite::future::zip(ask, on_smol::answer(&smols)).await;
        answered.expect("answered");
        assert_eq!(reply.expect("a reply"), text);

        let ask = smols.ask(&tokios_addr, text.clone()).within(LONG);
        let (reply, answered) = futures_lite::future::zip(ask, on_tokio::answer(&tokios)).await;
        answered.expect("answered");
        assert_eq!(reply.expect("a reply"), text);

        smols.tell(&tokios_addr, "from smol").await.expect("accepted");
        let message = tokios.receive().await.expect("open");
        assert_eq!((message.src, &message.payload[..]), (smols_addr, &b"from smol"[..]));
    });
}

/// The other process of the next test: it answers once, and tells its address first.
#[test]
fn a_node_in_a_process_of_its_own() {
    if std::env::var_os(OTHER).is_none() {
        return;
    }
    futures_lite::future::block_on(async {
        let node = on_smol::node(2).await.expect("a free port");
        println!("\naddress {}", node.local_addrs()[0]);
        on_smol::answer(&node).await.expect("answered");
        node.close(LONG).await.expect("closes");
    });
}

const OTHER: &str = "TELLASK_OTHER_PROCESS";

#[test]
fn nodes_on_tokio_and_on_smol_ask_each_other_in_two_processes() {
    use std::io::BufRead;
    use std::process::{Command, Stdio};

    let program = std::env::current_exe().expect("this program");
    let mut other = Command::new(program)
        .args(["--exact", "a_node_in_a_process_of_its_own", "--nocapture"])
        .env(OTHER, "1")
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let lines = std::io::BufReader::new(other.stdout.take().expect("piped")).lines();
    let mut addrs = lines.map_while(Result::ok);
    let found = addrs.find_map(|line| line.strip_prefix("address ")?.parse().ok());
    let peer: PeerAddr<UdpAddr> = found.expect("an address");
    let reply = tokio(1).block_on(async {
        let node = on_tokio::node(1).await.expect("a free port");
        let reply = node.ask(&peer, "across").within(LONG).await;
        node.close(LONG).await.expect("closes");
        reply
    });
    assert_eq!(reply.expect("a reply"), "across");
    // It goes on talking until it ends, and nobody may close its pipe before.
    addrs.for_each(drop);
    assert!(other.wait().expect("ends").success());
}
